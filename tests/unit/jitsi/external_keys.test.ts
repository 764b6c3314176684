/** Keys from outside: sizes, forms, and that nothing is sent before the first. */
import { beforeEach, describe, expect, test } from 'vitest';
import { ExternalKeys } from '../../../web/jitsi/external_keys';
import { JitsiError } from '../../../web/jitsi/types';

interface Said {
  participant: string;
  usage: string;
  keyIndex: number;
  derivation: string;
  material: number[];
}
const said: Said[] = [];
const removed: string[] = [];
let keys: ExternalKeys;
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

beforeEach(() => {
  said.length = 0;
  removed.length = 0;
  keys = new ExternalKeys({
    setKey: async ({ material, ...rest }: { material: Uint8Array } & Record<string, unknown>) => {
      said.push({ ...rest, material: [...material] } as unknown as Said);
    },
    removeParticipant: (id: string) => removed.push(id),
  } as never);
});

describe('keys', () => {
  test.each([16, 24, 32])('%i bytes, as they are, for everybody', async (size) => {
    const started = keys.start('me');
    let ready = false;
    void started.then(() => {
      ready = true;
    });
    keys.memberJoined('ada');
    await settle();
    expect(ready).toBe(false);
    const own = new Uint8Array(size).fill(7);
    await keys.setKey(own, 18);
    await started;
    keys.memberJoined('bert');
    await settle();
    // The caller's bytes are the caller's.
    expect(own.every((byte) => byte === 7)).toBe(true);
    expect(said.every(({ derivation, keyIndex }) => derivation === 'raw' && keyIndex === 2)).toBe(true);
    expect(new Set(said.map(({ participant, usage }) => `${participant} ${usage}`))).toEqual(
      new Set(['ada receive', 'me send', 'bert receive']),
    );
    expect(said.every(({ material }) => material.length === size)).toBe(true);
  });

  test('a CryptoKey that may be exported', async () => {
    const key = await crypto.subtle.importKey('raw', new Uint8Array(16).fill(3), 'AES-GCM', true, ['encrypt']);
    void keys.start('me');
    await keys.setKey(key, 0);
    expect(said.at(-1)).toMatchObject({ participant: 'me', usage: 'send', material: Array(16).fill(3) });
  });

  test('one that may not: refused, and told what to do', async () => {
    const key = await crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['encrypt']);
    await expect(keys.setKey(key, 0)).rejects.toThrow(/extractable = true/);
    expect(said).toEqual([]);
  });

  test.each([
    [new Uint8Array(15), 0],
    [new Uint8Array(0), 0],
    [new Uint8Array(64), 0],
    [new Uint8Array(16), -1],
    [new Uint8Array(16), 0.5],
  ])('%o at %d is refused without its bytes in the words', async (key, index) => {
    const error = await keys.setKey(key, index).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(JitsiError);
    expect((error as JitsiError).problem).toBe('no-e2ee');
    expect(said).toEqual([]);
  });

  test('another key: everybody gets it, the old one stays for what is on its way', async () => {
    void keys.start('me');
    keys.memberJoined('ada');
    await keys.setKey(new Uint8Array(16).fill(1), 0);
    await keys.setKey(new Uint8Array(16).fill(2), 1);
    keys.memberJoined('bert');
    await settle();
    const of = (id: string): number[] =>
      said.filter(({ participant }) => participant === id).map(({ keyIndex }) => keyIndex);
    expect(of('ada')).toEqual([0, 1]);
    expect(of('bert').sort()).toEqual([0, 1]);
    keys.memberLeft('ada');
    expect(removed).toEqual(['ada']);
  });
});
