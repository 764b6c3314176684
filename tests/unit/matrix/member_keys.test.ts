// Keys of the others when messages and memberships come late, twice, in another order, or not at all.
import { describe, expect, it } from 'vitest';
import { toBase64 } from '../../../web/matrix/media_keys';
import { MemberKeys } from '../../../web/matrix/member_keys';
import { keyMessage, kMe, kRoomId, randomOf, shuffled } from './fakes';

/** What is in a handle that cannot be read out: bits that only this key gives. */
async function fingerprint(key: CryptoKey): Promise<string> {
  const params = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: new Uint8Array() };
  return toBase64(new Uint8Array(await crypto.subtle.deriveBits(params, key, 64)));
}
const printOf = async (fill: number): Promise<string> =>
  fingerprint(await crypto.subtle.importKey('raw', new Uint8Array(16).fill(fill), 'HKDF', false, ['deriveBits']));

function stand() {
  let now = 0;
  const here = new Set(['@a:hs', '@b:hs', '@me:hs']);
  const keys = new MemberKeys({ roomId: kRoomId, me: kMe, inRoom: (user) => here.has(user), now: () => now });
  return { keys, here, pass: (ms: number) => (now += ms) };
}

describe('keys of members', () => {
  it('are told by device and index, once', async () => {
    const { keys } = stand();
    expect(await keys.take(keyMessage('@a:hs', 'A', 3, 1, 10))).toEqual({ key: '@a:hs|A', index: 3 });
    expect(await keys.take(keyMessage('@a:hs', 'A', 3, 1, 10))).toBeUndefined();
    expect(keys.of('@a:hs|A').length).toBe(1);
  });

  it('that claim to be ours are nobody’s', async () => {
    const { keys } = stand();
    expect(await keys.take(keyMessage('@me:hs', 'MINE', 0, 1, 10))).toBeUndefined();
    expect(keys.has('@me:hs|MINE')).toBe(false);
  });

  it('that come before their sender is in the room wait for that, and no longer than a minute', async () => {
    const { keys, here, pass } = stand();
    expect(await keys.take(keyMessage('@late:hs', 'L', 0, 1, 10))).toBeUndefined();
    expect(await keys.review()).toEqual([]);
    expect(keys.has('@late:hs|L')).toBe(false);
    here.add('@late:hs');
    expect(await keys.review()).toEqual([{ key: '@late:hs|L', index: 0 }]);
    expect(keys.of('@late:hs|L').length).toBe(1);
    await keys.take(keyMessage('@later:hs', 'L', 0, 1, 10));
    pass(60_001);
    here.add('@later:hs');
    expect(await keys.review()).toEqual([]);
  });

  it('strangers cannot crowd out somebody whose key waits', async () => {
    const { keys, here } = stand();
    await keys.take(keyMessage('@late:hs', 'L', 0, 1, 10));
    for (let i = 0; i < 500; i++) await keys.take(keyMessage('@evil:hs', `E${i}`, 0, 1, 10));
    here.add('@late:hs');
    here.add('@evil:hs');
    const found = await keys.review();
    expect(found.map(({ key }) => key)).toContain('@late:hs|L');
    expect(found.length).toBe(6);
  });

  it('without membership are reported after ten seconds and forgotten after two minutes', async () => {
    const { keys, pass } = stand();
    const nobody = () => false;
    await keys.take(keyMessage('@a:hs', 'A', 0, 1, 10));
    await keys.take(keyMessage('@b:hs', 'B', 0, 1, 10));
    pass(10_000);
    expect(keys.strays(nobody)).toEqual([]);
    pass(1);
    expect(keys.strays(nobody)).toEqual(['@a:hs|A', '@b:hs|B']);
    expect(keys.strays((key) => key === '@a:hs|A')).toEqual(['@b:hs|B']);
    pass(110_000);
    expect(keys.strays((key) => key === '@a:hs|A')).toEqual([]);
    expect([keys.has('@a:hs|A'), keys.has('@b:hs|B')]).toEqual([true, false]);
  });

  it('of somebody who left are kept, because they are not sent again; a new key without membership is strange', async () => {
    const { keys, pass } = stand();
    const nobody = () => false;
    await keys.take(keyMessage('@a:hs', 'A', 0, 1, 10));
    keys.left('@a:hs|A');
    pass(500_000);
    expect(keys.strays(nobody)).toEqual([]);
    expect(keys.has('@a:hs|A')).toBe(true);
    await keys.take(keyMessage('@a:hs', 'A', 1, 1, 20));
    pass(20_000);
    expect(keys.strays(nobody)).toEqual(['@a:hs|A']);
  });

  it('nothing is left after close', async () => {
    const { keys, here } = stand();
    await keys.take(keyMessage('@late:hs', 'L', 0, 1, 10));
    const pending = keys.take(keyMessage('@a:hs', 'A', 0, 1, 10));
    keys.close();
    here.add('@late:hs');
    expect(await pending).toBeUndefined();
    expect(await keys.review()).toEqual([]);
    expect([keys.has('@a:hs|A'), keys.has('@late:hs|L')]).toEqual([false, false]);
  });

  // Seeds are fixed: a failure can be repeated by its number.
  it.each(Array.from({ length: 60 }, (_, seed) => seed))('any order of events ends the same (%d)', async (seed) => {
    const random = randomOf(seed);
    const { keys, here } = stand();
    // Half of the time the sender's entry into the room is among what may come late.
    if (seed % 2 === 0) here.delete('@a:hs');
    // Twelve changes of the key over four indexes, so that each is used three times; some messages come twice.
    const messages = Array.from({ length: 12 }, (_, i) => ({ index: i % 4, fill: i + 1, sentAt: 100 + i }));
    type Step = { message: (typeof messages)[number] } | 'join' | 'leave' | 'enter' | 'review';
    const twice = messages.filter(() => random() < 0.4);
    const steps: Step[] = shuffled<Step>(
      [
        ...[...messages, ...twice].map((message) => ({ message })),
        'enter',
        'join',
        'leave',
        'join',
        'review',
        'review',
      ],
      random,
    );
    const newest = new Map<number, number>();
    const running: Array<Promise<unknown>> = [];
    let early = 0;
    for (const step of steps) {
      if (step === 'join') keys.joined('@a:hs|A');
      else if (step === 'leave') keys.left('@a:hs|A');
      else if (step === 'enter') here.add('@a:hs');
      else if (step === 'review') running.push(keys.review());
      else {
        const { index, fill, sentAt } = step.message;
        if (!here.has('@a:hs')) early++;
        running.push(keys.take(keyMessage('@a:hs', 'A', index, fill, sentAt)));
      }
      // Sometimes what came is worked through before the next comes, sometimes not.
      if (random() < 0.5) await Promise.all(running.splice(0));
      if (random() < 0.5) {
        // Never an older key than one that was there already.
        for (const [at, key] of keys.of('@a:hs|A')) {
          const prints = await Promise.all(
            messages.filter(({ index }) => index === at).map(({ fill }) => printOf(fill)),
          );
          const which = prints.indexOf(await fingerprint(key));
          expect(which).toBeGreaterThanOrEqual(newest.get(at) ?? 0);
          newest.set(at, which);
        }
      }
    }
    await Promise.all(running);
    await keys.review();
    const end = await Promise.all(keys.of('@a:hs|A').map(async ([index, key]) => [index, await fingerprint(key)]));
    // What came too early is limited to five messages; the rest must be there.
    if (early <= 5)
      expect(new Map(end as Array<[number, string]>)).toEqual(
        new Map(await Promise.all([0, 1, 2, 3].map(async (index) => [index, await printOf(9 + index)] as const))),
      );
  });
});
