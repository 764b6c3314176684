// A meeting's people follow its link in the same moment: the homeserver lets them in one after the other.
import { MatrixError as SdkError } from 'matrix-js-sdk/lib/matrix';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { enterRoom } from '../../../web/matrix/rooms';

function stand(refusals: number, retryAfterMs = 400) {
  vi.useFakeTimers();
  const asked: number[] = [];
  const room = {
    roomId: '!room',
    getMyMembership: () => (asked.length > refusals ? 'join' : 'leave'),
    currentState: { getStateEvents: (type: string) => (type === 'm.room.create' ? {} : null) },
  };
  const client = {
    on: () => {},
    off: () => {},
    getRoom: () => room,
    joinRoom: async () => {
      asked.push(Date.now());
      if (asked.length <= refusals)
        throw new SdkError({ errcode: 'M_LIMIT_EXCEEDED', error: 'x', retry_after_ms: retryAfterMs }, 429);
    },
  };
  const entering = enterRoom(client as never, { room: '!room:hs' }).then(
    () => 'in',
    (error: { problem: string }) => error.problem,
  );
  return { asked, entering };
}

afterEach(() => vi.useRealTimers());

describe('entering a room', () => {
  it('waits as long as it is asked to, and no two the same', async () => {
    const { asked, entering } = stand(3);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(await entering).toBe('in');
    const waits = asked.slice(1).map((at, i) => at - (asked[i] ?? 0));
    expect(waits).toHaveLength(3);
    expect(waits.every((wait) => wait >= 400 && wait <= 1400)).toBe(true);
    expect(new Set(waits).size).toBeGreaterThan(1);
  });

  it('not for ever', async () => {
    const { asked, entering } = stand(1000);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await entering).toBe('rate-limited');
    expect(asked.length).toBeGreaterThan(20);
    expect(asked.length).toBeLessThan(80);
  });

  it('and not at all when it would take too long', async () => {
    const { asked, entering } = stand(1000, 120_000);
    await vi.advanceTimersByTimeAsync(0);
    expect(await entering).toBe('rate-limited');
    expect(asked).toHaveLength(1);
  });
});
