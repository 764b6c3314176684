// A kept session that changes and ends.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type KeptSession, KeptSessionWriter, redirectNote } from '../../../web/matrix/store';

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

describe('the note for the way to an identity provider and back', () => {
  const note = {
    kind: 'sso' as const,
    baseUrl: 'https://hs.example',
    serverName: 'hs.example',
    remember: false,
    state: 'random',
    redirectUri: 'https://s.example/matrix/',
    leftAt: Date.now(),
  };
  const items = new Map<string, string>();
  beforeEach(() => {
    items.clear();
    vi.stubGlobal('sessionStorage', {
      getItem: (name: string) => items.get(name) ?? null,
      setItem: (name: string, value: string) => void items.set(name, value),
      removeItem: (name: string) => void items.delete(name),
    });
  });
  afterEach(() => vi.unstubAllGlobals());

  it('is read once and gone', () => {
    redirectNote.save(note);
    expect(items.size).toBe(1);
    expect(redirectNote.take()).toEqual(note);
    expect(items.size).toBe(0);
    expect(redirectNote.take()).toBeUndefined();
  });

  it.each([
    ['of a way that was given up', { ...note, leftAt: Date.now() - 3_700_000 }],
    ['without our random value', { ...note, state: '' }],
    ['of another kind', { ...note, kind: 'saml' }],
    ['of another program', 'x'],
  ])('%s it is not used, and gone all the same', (_what, broken) => {
    redirectNote.save(broken as never);
    expect(redirectNote.take()).toBeUndefined();
    expect(items.size).toBe(0);
  });
});
