// Who gets our media key and whose keys are believed, against a homeserver that fails, delays and reorders.
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  type CallMember,
  type Device,
  deviceKey,
  fromBase64,
  type KeyContent,
  OwnKeys,
  PeerKeys,
  parseKeyMessage,
  toBase64,
  userOfKey,
} from '../../../web/matrix/media_keys';
import { randomOf } from './fakes';

const me = { userId: '@me:hs', deviceId: 'MINE', memberId: '@me:hs:MINE' };
const member = (name: string, since = 1): CallMember => ({ userId: `@${name}:hs`, deviceId: 'D', since });
const name = (who: string): string => deviceKey(member(who));

function stand({ useDelayMs = 1000, graceMs = 10_000 } = {}) {
  vi.useFakeTimers();
  const sent: Array<{ content: KeyContent; to: string[] }> = [];
  const installed: number[] = [];
  const materials: string[] = [];
  const server = {
    away: false,
    /** Takes messages, and its answers get lost. */
    mute: false,
    refuses: new Set<string>(),
    hold: undefined as Promise<void> | undefined,
  };
  const keys = new OwnKeys({
    me,
    roomId: '!room',
    useDelayMs,
    graceMs,
    retryMs: 500,
    now: () => Date.now(),
    changed: () => {},
    install: async (index, material) => {
      installed.push(index);
      materials.push(toBase64(material));
    },
    transport: {
      send: async (content: KeyContent, to: readonly Device[]) => {
        await server.hold;
        if (server.away) throw new Error('away');
        const failed = to.filter((device) => server.refuses.has(deviceKey(device)));
        sent.push({ content, to: to.filter((device) => !failed.includes(device)).map(deviceKey) });
        if (server.mute) throw new Error('timeout');
        return failed;
      },
    },
  });
  return { keys, sent, installed, materials, server, pass: (ms: number) => vi.advanceTimersByTimeAsync(ms) };
}

afterEach(() => vi.useRealTimers());

describe('our own key', () => {
  it('is used at once and given to everybody but this device', async () => {
    const { keys, sent, installed, materials, pass } = stand();
    await keys.start();
    expect(installed).toEqual([0]);
    keys.update([member('a'), member('b'), { userId: me.userId, deviceId: me.deviceId, since: 1 }]);
    await pass(0);
    expect(sent.map(({ to }) => to)).toEqual([[name('a'), name('b')]]);
    expect(sent[0]?.content).toMatchObject({
      keys: { index: 0, key: materials[0] },
      member: { id: me.memberId, claimed_device_id: 'MINE' },
      room_id: '!room',
      session: { application: 'm.call', call_id: '', scope: 'm.room' },
    });
    expect(fromBase64(materials[0] ?? '')?.length).toBe(16);
    // Nothing is sent twice.
    keys.update([member('a'), member('b')]);
    await pass(20_000);
    expect(sent.length).toBe(1);
  });

  it('changes when somebody leaves: sent first, used a moment later, and shown until it is counted', async () => {
    const { keys, sent, installed, pass } = stand();
    await keys.start();
    keys.update([member('a'), member('b')]);
    await pass(0);
    keys.update([member('a')]);
    expect(keys.mayListen).toEqual([name('b')]);
    await pass(999);
    expect(installed).toEqual([0]);
    expect(sent.map(({ to, content }) => [content.keys.index, to])).toEqual([
      [0, [name('a'), name('b')]],
      [1, [name('a')]],
    ]);
    expect(sent[1]?.content.keys.key).not.toBe(sent[0]?.content.keys.key);
    await pass(1);
    expect(installed).toEqual([0, 1]);
    expect(keys.unconfirmed).toBe(1);
    // Told to the engine is not yet sealed with.
    expect(keys.mayListen).toEqual([name('b')]);
    await pass(150);
    keys.confirm(0);
    expect(keys.mayListen).toEqual([name('b')]);
    keys.confirm(1);
    expect(keys.mayListen).toEqual([]);
    expect(keys.lastExposure).toBe(1150);
    expect(keys.unconfirmed).toBeUndefined();
  });

  it('is not given to somebody who left while it was being made', async () => {
    const { keys, sent, server, installed, pass } = stand();
    await keys.start();
    keys.update([member('a'), member('b'), member('c')]);
    await pass(0);
    let release = () => {};
    server.hold = new Promise((resolve) => {
      release = resolve;
    });
    keys.update([member('b'), member('c')]);
    await pass(10);
    // c leaves while the message for b and c is on its way: c has key 1, so there must be a key 2.
    keys.update([member('b')]);
    server.hold = undefined;
    release();
    await pass(3000);
    expect(sent.map(({ to, content }) => [content.keys.index, to]).slice(1)).toEqual([
      [1, [name('b'), name('c')]],
      [2, [name('b')]],
    ]);
    expect(installed).toEqual([0, 1, 2]);
    keys.confirm(2);
    expect(keys.mayListen).toEqual([]);
  });

  it('a joiner gets a young key as it is, and a new one when it is older than ten seconds', async () => {
    const { keys, sent, pass } = stand();
    await keys.start();
    keys.update([member('a')]);
    await pass(5000);
    keys.update([member('a'), member('b')]);
    await pass(0);
    expect(sent.map(({ to, content }) => [content.keys.index, to])).toEqual([
      [0, [name('a')]],
      [0, [name('b')]],
    ]);
    await pass(5000);
    keys.update([member('a'), member('b'), member('c')]);
    await pass(1000);
    expect(sent.at(-1)).toMatchObject({ content: { keys: { index: 1 } }, to: [name('a'), name('b'), name('c')] });
  });

  it('is given again to a device that came back in another session', async () => {
    const { keys, sent, pass } = stand();
    await keys.start();
    keys.update([member('a', 1)]);
    await pass(0);
    keys.update([member('a', 2)]);
    await pass(0);
    expect(sent.map(({ to }) => to)).toEqual([[name('a')], [name('a')]]);
  });

  it('a device that could not be reached is tried again, without a new key and without waiting for anything else', async () => {
    const { keys, sent, server, pass } = stand();
    await keys.start();
    server.refuses.add(name('b'));
    keys.update([member('a'), member('b')]);
    await pass(0);
    expect(sent.map(({ to }) => to)).toEqual([[name('a')]]);
    server.refuses.clear();
    await pass(500);
    expect(sent.map(({ to, content }) => [content.keys.index, to])).toEqual([
      [0, [name('a')]],
      [0, [name('b')]],
    ]);
    await pass(60_000);
    expect(sent.length).toBe(2);
  });

  it('with the homeserver away, the old key stays in use and the leaver is shown until the new one could be sent', async () => {
    const { keys, sent, server, installed, pass } = stand();
    await keys.start();
    keys.update([member('a'), member('b')]);
    await pass(0);
    server.away = true;
    keys.update([member('a')]);
    await pass(30_000);
    expect(installed).toEqual([0]);
    expect(keys.mayListen).toEqual([name('b')]);
    server.away = false;
    keys.retryNow();
    await pass(1000);
    expect(installed).toEqual([0, 1]);
    expect(sent.at(-1)).toMatchObject({ content: { keys: { index: 1 } }, to: [name('a')] });
  });

  it('somebody who leaves while the homeserver is away gets none of the new keys', async () => {
    const { keys, sent, server, pass } = stand();
    await keys.start();
    keys.update([member('a'), member('b'), member('c')]);
    await pass(0);
    server.away = true;
    keys.update([member('a'), member('b')]);
    await pass(2000);
    keys.update([member('a')]);
    await pass(2000);
    server.away = false;
    keys.retryNow();
    await pass(5000);
    expect(sent.slice(1).flatMap(({ to }) => to)).toEqual([name('a')]);
  });

  it('changes as well when somebody leaves who may have got it from a homeserver whose answer was lost', async () => {
    const { keys, sent, server, installed, pass } = stand();
    await keys.start();
    server.mute = true;
    keys.update([member('a'), member('b')]);
    await pass(0);
    expect(sent.map(({ content }) => content.keys.index)).toEqual([0]);
    keys.update([member('a')]);
    expect(keys.mayListen).toEqual([name('b')]);
    server.mute = false;
    await pass(3000);
    expect(sent.at(-1)).toMatchObject({ content: { keys: { index: 1 } }, to: [name('a')] });
    expect(installed).toEqual([0, 1]);
    keys.confirm(1);
    expect(keys.mayListen).toEqual([]);
  });

  it('is another one again when somebody left who may have got the new one', async () => {
    const { keys, sent, server, installed, pass } = stand();
    await keys.start();
    keys.update([member('a'), member('b'), member('c')]);
    await pass(0);
    server.mute = true;
    keys.update([member('a'), member('b')]);
    await pass(100);
    keys.update([member('a')]);
    server.mute = false;
    await pass(3000);
    const toB = sent.filter(({ to }) => to.includes(name('b'))).map(({ content }) => content.keys.key);
    const last = sent.at(-1);
    expect(last?.to).toEqual([name('a')]);
    expect(toB).not.toContain(last?.content.keys.key);
    expect(installed.at(-1)).toBe(last?.content.keys.index);
    expect(new Set(installed).size).toBe(installed.length);
  });

  it('somebody who joins while the homeserver is away gets the new key with the others', async () => {
    const { keys, sent, server, pass } = stand();
    await keys.start();
    keys.update([member('a'), member('b')]);
    await pass(0);
    server.away = true;
    keys.update([member('a')]);
    await pass(100);
    keys.update([member('a'), member('c')]);
    server.away = false;
    await pass(3000);
    expect(sent.slice(1).map(({ to }) => to)).toEqual([[name('a'), name('c')]]);
  });

  it('how long somebody could listen counts from their leaving, and only where they held the key', async () => {
    const { keys, server, pass } = stand();
    await keys.start();
    server.refuses.add(name('b'));
    keys.update([member('a'), member('b')]);
    await pass(0);
    // b was never reached: nothing to listen with, however long ago they left.
    keys.update([member('a')]);
    await pass(60_000);
    expect(keys.mayListen).toEqual([]);
    keys.update([member('a'), member('c')]);
    await pass(1000);
    keys.confirm(1);
    expect(keys.lastExposure).toBeUndefined();
    // d gets the key in use a moment before leaving.
    keys.update([member('a'), member('c'), member('d')]);
    await pass(0);
    keys.update([member('c'), member('d')]);
    await pass(400);
    keys.update([member('c')]);
    await pass(2600);
    expect(keys.unconfirmed).toBe(3);
    keys.confirm(3);
    // The longer one of both.
    expect(keys.lastExposure).toBe(3000);
  });

  it('alone after the last one left: a new key at once, nobody to wait for', async () => {
    const { keys, installed, pass } = stand();
    await keys.start();
    keys.update([member('a')]);
    await pass(0);
    keys.update([]);
    await pass(0);
    expect(installed).toEqual([0, 1]);
  });

  it('index 255 is followed by 0', async () => {
    const { keys, installed, pass } = stand({ useDelayMs: 0 });
    await keys.start();
    for (let i = 0; i < 256; i++) {
      keys.update([member('a')]);
      await pass(1);
      keys.update([]);
      await pass(1);
    }
    expect(installed.length).toBe(257);
    expect(installed.slice(-3)).toEqual([254, 255, 0]);
  });

  it('nothing is sent or used after close', async () => {
    const { keys, sent, installed, pass } = stand();
    await keys.start();
    keys.update([member('a'), member('b')]);
    await pass(0);
    keys.update([member('a')]);
    await pass(10);
    keys.close();
    await pass(60_000);
    expect(installed).toEqual([0]);
    expect(sent.length).toBe(2);
    expect(keys.mayListen).toEqual([]);
  });
});

describe('our own key, whatever the homeserver does', () => {
  // Seeds are fixed: a failure can be repeated by its number.
  it.each(Array.from({ length: 60 }, (_, seed) => seed))('people come and go (%d)', async (seed) => {
    const random = randomOf(seed);
    const { keys, sent, installed, materials, server, pass } = stand();
    await keys.start();
    const people = ['a', 'b', 'c', 'd', 'e'];
    let here = new Set<string>();
    const sessions = new Map(people.map((who) => [who, 1]));
    const follow = (): void => keys.update([...here].map((who) => member(who, sessions.get(who))));
    let checked = 0;
    const look = (): void => {
      for (const { to } of sent.slice(checked)) for (const who of to) expect(people.map(name)).toContain(who);
      checked = sent.length;
      // Whoever left and may still listen is told; nobody who is here is.
      for (const who of keys.mayListen) expect([...here].map(name)).not.toContain(who);
      const holders = new Set(
        sent.filter(({ content }) => content.keys.key === materials.at(-1)).flatMap(({ to }) => to),
      );
      for (const who of holders) if (![...here].map(name).includes(who)) expect(keys.mayListen).toContain(who);
      expect(keys.unconfirmed === undefined || keys.unconfirmed === installed.at(-1)).toBe(true);
    };
    for (let step = 0; step < 40; step++) {
      const who = people[Math.floor(random() * people.length)] as string;
      const what = random();
      if (what < 0.5) {
        if (!here.delete(who)) here.add(who);
        follow();
      } else if (what < 0.6) {
        sessions.set(who, (sessions.get(who) ?? 0) + 1);
        follow();
      } else if (what < 0.7) server.away = !server.away;
      else if (what < 0.8) server.mute = !server.mute;
      else if (what < 0.9) server.refuses = new Set(random() < 0.5 ? [] : [name(who)]);
      else if (keys.unconfirmed !== undefined) keys.confirm(keys.unconfirmed);
      await pass(random() < 0.7 ? Math.floor(random() * 4000) : 0);
      look();
    }
    Object.assign(server, { away: false, mute: false, refuses: new Set() });
    here = new Set(['a', 'c', 'e']);
    follow();
    keys.retryNow();
    await pass(120_000);
    if (keys.unconfirmed !== undefined) keys.confirm(keys.unconfirmed);
    look();
    // The key in use is held by everybody who is here, and was never on its way to anybody else.
    const last = sent.filter(({ content }) => content.keys.key === materials.at(-1));
    expect(new Set(last.flatMap(({ to }) => to))).toEqual(new Set([...here].map(name)));
    expect(keys.mayListen).toEqual([]);
    // One key for each index, and each is followed by a later one.
    const byIndex = new Map<number, Set<string>>();
    for (const { content } of sent)
      byIndex.set(content.keys.index, (byIndex.get(content.keys.index) ?? new Set()).add(content.keys.key));
    for (const found of byIndex.values()) expect(found.size).toBe(1);
    expect(installed).toEqual([...installed].sort((x, y) => x - y));
    expect(new Set(materials).size).toBe(materials.length);
    keys.close();
  });
});

describe('key messages of others', () => {
  const good = () => ({
    keys: { index: 3, key: toBase64(new Uint8Array(16).fill(7)) },
    member: { id: 'x', claimed_device_id: 'DEV' },
    room_id: '!room',
    session: { application: 'm.call', call_id: '', scope: 'm.room' },
    sent_ts: 5,
  });
  const sender = { userId: '@a:hs', deviceId: 'DEV' };
  const changed = (change: (content: Record<string, Record<string, unknown> & unknown>) => void) => {
    const content = structuredClone(good()) as never;
    change(content);
    return content;
  };

  it('are read when everything fits', () => {
    const { device, key } = parseKeyMessage(good(), '!room', sender) ?? {};
    expect(device).toEqual(sender);
    expect(key).toEqual({ index: 3, material: new Uint8Array(16).fill(7), sentAt: 5 });
  });

  it.each([
    ['another room', changed((c) => Object.assign(c, { room_id: '!other' }))],
    ['no room', changed((c) => Object.assign(c, { room_id: undefined }))],
    [
      'a device that is not the sender',
      changed((c) => Object.assign(c.member as object, { claimed_device_id: 'OTHER' })),
    ],
    ['no device', changed((c) => Object.assign(c.member as object, { claimed_device_id: '' }))],
    ['another application', changed((c) => Object.assign(c.session as object, { application: 'm.other' }))],
    ['another call', changed((c) => Object.assign(c.session as object, { call_id: 'breakout' }))],
    ['an index out of range', changed((c) => Object.assign(c.keys as object, { index: 256 }))],
    ['a negative index', changed((c) => Object.assign(c.keys as object, { index: -1 }))],
    ['half an index', changed((c) => Object.assign(c.keys as object, { index: 1.5 }))],
    ['an index as text', changed((c) => Object.assign(c.keys as object, { index: '1' }))],
    ['a short key', changed((c) => Object.assign(c.keys as object, { key: toBase64(new Uint8Array(15)) }))],
    ['a long key', changed((c) => Object.assign(c.keys as object, { key: 'A'.repeat(100_000) }))],
    ['no base64', changed((c) => Object.assign(c.keys as object, { key: '!'.repeat(24) }))],
    ['no keys', changed((c) => Object.assign(c, { keys: null }))],
    ['nothing', null],
    ['a number', 5],
  ])('are refused with %s', (_what, content) => {
    expect(parseKeyMessage(content, '!room', sender)).toBeUndefined();
  });

  it('url-safe and unpadded base64 is read as well', () => {
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => 255 - i);
    const key = toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    expect(key).not.toBe(toBase64(bytes));
    expect(parseKeyMessage({ ...good(), keys: { index: 0, key } }, '!room', sender)?.key.material).toEqual(bytes);
  });
});

describe('keys of others', () => {
  const device = { userId: '@a:hs', deviceId: 'DEV' };
  const key = (fill: number, index: number, sentAt: number) => ({
    index,
    material: new Uint8Array(16).fill(fill),
    sentAt,
  });

  it('cannot be read out, and their bytes are wiped', async () => {
    const keys = new PeerKeys();
    const given = key(9, 0, 1);
    const handle = await keys.add(device, given);
    expect(handle?.extractable).toBe(false);
    expect([...given.material]).toEqual(new Array(16).fill(0));
    expect(keys.of(deviceKey(device))).toEqual([[0, handle]]);
  });

  it('a late, repeated or undated message does not replace a newer one', async () => {
    const keys = new PeerKeys();
    const newest = await keys.add(device, key(1, 0, 10));
    expect(await keys.add(device, key(2, 0, 9))).toBeUndefined();
    expect(await keys.add(device, key(1, 0, 10))).toBeUndefined();
    expect(await keys.add(device, key(3, 0, 0))).toBeUndefined();
    expect(keys.of(deviceKey(device))).toEqual([[0, newest]]);
    expect(await keys.add(device, key(4, 0, 11))).toBeDefined();
  });

  it('two messages at once: the one sent later stays', async () => {
    const keys = new PeerKeys();
    const [older, newer] = await Promise.all([keys.add(device, key(1, 0, 1)), keys.add(device, key(2, 0, 2))]);
    expect(older).toBeUndefined();
    expect(keys.of(deviceKey(device))).toEqual([[0, newer]]);
  });

  it('devices are told apart, also when their names are made to look alike', () => {
    expect(deviceKey({ userId: '@a:hs', deviceId: '8448:D' })).not.toBe(
      deviceKey({ userId: '@a:hs:8448', deviceId: 'D' }),
    );
  });

  it('nobody gets the keys of others forgotten by sending many', async () => {
    const keys = new PeerKeys();
    await keys.add({ userId: '@b:hs', deviceId: 'B' }, key(1, 0, 1));
    for (let i = 0; i < 600; i++) await keys.add({ userId: '@a:hs', deviceId: `D${i}` }, key(1, 0, 1));
    expect(keys.devices.length).toBe(21);
    expect(keys.has(deviceKey({ userId: '@b:hs', deviceId: 'B' }))).toBe(true);
    expect(keys.has(deviceKey({ userId: '@a:hs', deviceId: 'D579' }))).toBe(false);
    expect(keys.has(deviceKey({ userId: '@a:hs', deviceId: 'D580' }))).toBe(true);
  });

  it('forgets the oldest when very many people send keys', async () => {
    const keys = new PeerKeys();
    for (let i = 0; i < 510; i++) await keys.add({ userId: `@u${i}:hs`, deviceId: 'D' }, key(1, 0, 1));
    expect(keys.devices.length).toBe(500);
    expect(keys.has(deviceKey({ userId: '@u9:hs', deviceId: 'D' }))).toBe(false);
    expect(keys.has(deviceKey({ userId: '@u10:hs', deviceId: 'D' }))).toBe(true);
  });

  it('the user of a device is found, whatever its name holds', () => {
    for (const userId of ['@a:hs', '@a|b:hs', '@a:hs:8448'])
      for (const deviceId of ['D', 'x|y', ':|:']) expect(userOfKey(deviceKey({ userId, deviceId }))).toBe(userId);
  });
});
