// Our sticky membership for devices that are younger than it: sent once more, at the right time and not after the end.
import { EventType } from 'matrix-js-sdk/lib/matrix';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OwnMembership, sendStickyAgain } from '../../../web/matrix/own_membership';
import type { CallMode } from '../../../web/matrix/types';
import { event, FakeSession, kMe, kRoomId, newClient, newRoom } from './fakes';

function stand(mode: CallMode, send: () => Promise<unknown> = async () => {}) {
  const session = new FakeSession();
  const again = vi.fn(send);
  const membership = new OwnMembership(session as never, kMe, kRoomId, mode, again);
  return { session, again, membership };
}

describe('a newcomer', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is sent our sticky membership, once for all who come at the same time', async () => {
    const { membership, again } = stand('matrix_2_0');
    membership.announce('https://sfu.hs/jwt');
    membership.newcomer();
    await vi.advanceTimersByTimeAsync(500);
    membership.newcomer();
    membership.newcomer();
    expect(again).toHaveBeenCalledTimes(0);
    await vi.advanceTimersByTimeAsync(5000);
    expect(again).toHaveBeenCalledTimes(1);
    membership.newcomer();
    await vi.advanceTimersByTimeAsync(5000);
    expect(again).toHaveBeenCalledTimes(2);
  });

  it('needs nothing of the room’s state, nor of somebody who was not announced', async () => {
    const state = stand('compatibility');
    state.membership.announce('https://sfu.hs/jwt');
    state.membership.newcomer();
    const early = stand('matrix_2_0');
    early.membership.newcomer();
    await vi.advanceTimersByTimeAsync(5000);
    expect([state.again.mock.calls.length, early.again.mock.calls.length]).toEqual([0, 0]);
  });

  it('gets nothing after we left, and what is on its way comes before the end', async () => {
    const steps: string[] = [];
    let arrive = () => {};
    const { membership, session } = stand('matrix_2_0', async () => {
      await new Promise<void>((resolve) => {
        arrive = resolve;
      });
      steps.push('sent');
    });
    vi.spyOn(session, 'leaveRoomSession').mockImplementation(async () => {
      steps.push('left');
      return true;
    });
    membership.announce('https://sfu.hs/jwt');
    membership.newcomer();
    await vi.advanceTimersByTimeAsync(1000);
    membership.newcomer();
    const closed = membership.close();
    membership.newcomer();
    await vi.advanceTimersByTimeAsync(10);
    expect(steps).toEqual([]);
    arrive();
    await closed;
    await vi.advanceTimersByTimeAsync(5000);
    expect(steps).toEqual(['sent', 'left']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not keep us in the call when the homeserver does not answer', async () => {
    const { membership, session } = stand('matrix_2_0', () => new Promise(() => {}));
    membership.announce('https://sfu.hs/jwt');
    membership.newcomer();
    await vi.advanceTimersByTimeAsync(1000);
    const closed = membership.close();
    await vi.advanceTimersByTimeAsync(3000);
    await closed;
    expect(session.leaves).toBe(1);
  });
});

describe('what is sent once more', () => {
  const sticky = (sender: string, id: string) =>
    event({
      type: EventType.RTCMembership,
      sender,
      content: { slot_id: 'm.call#ROOM', member: { id, user_id: sender }, msc4354_sticky_key: id },
    });

  it('is our own membership of this call, as the room has it', async () => {
    const client = newClient();
    const room = await newRoom(client);
    const send = vi.spyOn(client, '_unstable_sendStickyEvent').mockResolvedValue({ event_id: '$x' });
    const own = sticky('@me:hs', 'this');
    const others = [sticky('@me:hs', 'another'), sticky('@a:hs', 'this')];
    vi.spyOn(room, '_unstable_getStickyEvents').mockReturnValue([...others, own].values() as never);
    await sendStickyAgain(client, room, { userId: '@me:hs', memberId: 'this' });
    expect(send.mock.calls).toEqual([[kRoomId, 3_600_000, null, EventType.RTCMembership, own.getContent()]]);
  });

  it('is nothing where the room has none', async () => {
    const client = newClient();
    const room = await newRoom(client);
    const send = vi.spyOn(client, '_unstable_sendStickyEvent').mockResolvedValue({ event_id: '$x' });
    await sendStickyAgain(client, room, { userId: '@me:hs', memberId: 'this' });
    expect(send).not.toHaveBeenCalled();
  });
});
