// Who counts as being in the call, against memberships that are made to confuse.
import { describe, expect, it } from 'vitest';
import { type Membership, readRoster } from '../../../web/matrix/roster';
import { kMe, membership } from './fakes';

const read = (memberships: Membership[], before: ReadonlyMap<string, { identity: string }> = new Map()) => {
  const { mine, members, refused } = readRoster(memberships, kMe, before);
  return { mine, keys: [...members.keys()], members: [...members.values()], refused: [...refused] };
};

describe('roster', () => {
  it('everybody but this device, each with identity and media server', () => {
    const { mine, members, refused } = read([
      membership('@me:hs', 'MINE', { memberId: kMe.memberId, eventId: '$mine' }),
      membership('@me:hs', 'OTHER'),
      membership('@a:hs', 'A', { createdTs: () => 5 }),
    ]);
    expect(mine).toEqual({ eventId: '$mine' });
    expect(members.map(({ key }) => key)).toEqual(['@me:hs|OTHER', '@a:hs|A']);
    expect(members[1]).toMatchObject({ identity: '@a:hs:A', since: 5, service: 'https://sfu.hs/jwt' });
    expect(refused).toEqual([]);
  });

  it('an earlier session of this device is neither ours nor somebody', () => {
    const { mine, keys } = read([membership('@me:hs', 'MINE', { memberId: 'before the crash' })]);
    expect([mine, keys]).toEqual([undefined, []]);
  });

  it('one that cannot be read keeps nobody else out', () => {
    const broken = (part: Partial<Membership>) => membership('@evil:hs', 'E', part);
    const throws = (): never => {
      throw new TypeError('Cannot read properties of undefined');
    };
    for (const bad of [
      broken({ createdTs: throws }),
      broken({ getAbsoluteExpiry: throws }),
      broken({ userId: 'evil' }),
      broken({ userId: '@ev\u202eil:hs' }),
      broken({ deviceId: '' }),
      broken({ deviceId: 'x'.repeat(256) }),
      broken({ memberId: { toString: 1 } as never }),
      broken({ slotDescription: { application: 'm.other', id: 'ROOM' } }),
      broken({ slotDescription: undefined as never }),
    ])
      expect(read([bad, membership('@a:hs', 'A')]).keys).toEqual(['@a:hs|A']);
  });

  it('somebody who names no media server, or none that we may use, is here all the same and gets our key', () => {
    const throws = (): never => {
      throw new TypeError('Cannot read properties of undefined');
    };
    for (const getTransport of [throws, () => undefined, () => ({ type: 'livekit', livekit_service_url: 'http://x' })])
      expect(read([membership('@a:hs', 'A', { getTransport: getTransport as never })]).members).toMatchObject([
        { key: '@a:hs|A', service: undefined },
      ]);
  });

  it('a device that began anew counts once, by its newest membership', () => {
    const old = membership('@a:hs', 'A', { memberId: 'old', rtcBackendIdentity: 'hash-old' });
    const fresh = membership('@a:hs', 'A', { memberId: 'new', rtcBackendIdentity: 'hash-new' });
    const before = new Map([['@a:hs|A', { identity: 'hash-old' }]]);
    for (const known of [new Map(), before, new Map([['@a:hs|A', { identity: 'hash-new' }]])])
      expect(read([old, fresh], known).members).toMatchObject([{ memberId: 'new', identity: 'hash-new' }]);
  });

  it('a sticky membership that is sent again is no new session, one of a new member is', () => {
    const sticky = (memberId: string, ts: number) =>
      membership('@a:hs', 'A', { memberId, createdTs: () => ts, getAbsoluteExpiry: () => undefined });
    const since = (each: Membership) => read([each]).members[0]?.since;
    expect(since(sticky('uuid', 1))).toBe(since(sticky('uuid', 2)));
    expect(since(sticky('uuid', 1))).not.toBe(since(sticky('another', 1)));
  });

  it('two names with one identity: whoever came first, and whoever was here before', () => {
    // @a:hs with a device named 8448:D looks like @a:hs:8448 with the device D.
    const real = membership('@a:hs:8448', 'D', { createdTs: () => 2 });
    const fake = membership('@a:hs', '8448:D', { createdTs: () => 1 });
    expect(real.rtcBackendIdentity).toBe(fake.rtcBackendIdentity);
    expect(read([fake, real])).toMatchObject({ keys: ['@a:hs|8448:D'], refused: ['@a:hs:8448'] });
    // The time is the sender's own word: it does not push out somebody who is in the call.
    const before = new Map([['@a:hs:8448|D', { identity: '@a:hs:8448:D' }]]);
    expect(read([fake, real], before)).toMatchObject({ keys: ['@a:hs:8448|D'], refused: ['@a:hs'] });
  });

  it('nobody has our identity', () => {
    const fake = membership('@m', 'x', { userId: '@x:hs', rtcBackendIdentity: '@me:hs:MINE' });
    expect(read([fake])).toMatchObject({ keys: [], refused: ['@x:hs'] });
  });

  it('many devices of one person leave room for the others', () => {
    const flood = Array.from({ length: 1000 }, (_, i) => membership('@evil:hs', `E${i}`, { createdTs: () => -1 }));
    const { keys, refused } = read([...flood, membership('@a:hs', 'A')]);
    expect(keys.length).toBe(11);
    expect(keys.at(-1)).toBe('@a:hs|A');
    expect(refused).toEqual(['@evil:hs']);
  });

  it('very many people leave those where they are who were here before', () => {
    const crowd = Array.from({ length: 300 }, (_, i) => membership(`@u${i}:hs`, 'U'));
    const before = new Map([['@a:hs|A', { identity: '@a:hs:A' }]]);
    const { keys } = read([...crowd, membership('@a:hs', 'A')], before);
    expect(keys.length).toBe(200);
    expect(keys[0]).toBe('@a:hs|A');
  });
});
