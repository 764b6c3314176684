// A kept session that changes and ends.
import { describe, expect, it } from 'vitest';
import { type KeptSession, KeptSessionWriter } from '../../../web/matrix/store';

const session = (accessToken: string): KeptSession => ({
  baseUrl: 'https://hs',
  serverName: 'hs',
  userId: '@me:hs',
  deviceId: 'MINE',
  accessToken,
});

/** As IndexedDB: everything takes a moment. */
function disk() {
  const state = { kept: undefined as string | undefined, fails: false };
  const moment = () => new Promise((resolve) => setTimeout(resolve, 1));
  const store = {
    save: async ({ accessToken }: KeptSession) => {
      await moment();
      if (state.fails) throw new Error('full');
      state.kept = accessToken;
    },
    clear: async () => {
      state.kept = undefined;
    },
  };
  return { state, writer: new KeptSessionWriter(store) };
}

describe('a kept session', () => {
  it('is the newest', async () => {
    const { state, writer } = disk();
    await Promise.all([writer.save(session('a')), writer.save(session('b'))]);
    expect(state.kept).toBe('b');
  });

  it('does not come back after it was removed, whatever was still on its way', async () => {
    const { state, writer } = disk();
    const before = writer.save(session('a'));
    await Promise.resolve();
    const ending = writer.end();
    const after = writer.save(session('b'));
    await Promise.all([before, ending, after]);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(state.kept).toBeUndefined();
  });

  it('that could not be written says so, and the next one is tried', async () => {
    const { state, writer } = disk();
    state.fails = true;
    await expect(writer.save(session('a'))).rejects.toThrow('full');
    state.fails = false;
    await writer.save(session('b'));
    expect(state.kept).toBe('b');
  });
});
