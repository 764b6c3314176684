// How the Matrix benchmark counts: a figure that is counted wrongly looks like any other.
import { describe, expect, it } from 'vitest';
import {
  type KeyView,
  kindOf,
  messagesIn,
  opensAt,
  parseAccessLine,
  type Seen,
  spread,
  sums,
  total,
} from '../../bench/matrix/counting';

const room = '/_matrix/client/v3/rooms/!abc%3Ahs/state/org.matrix.msc3401.call.member/_%40a%3Ahs_DEV_m.call';

describe('requests', () => {
  it.each([
    ['PUT', '/_matrix/client/v3/sendToDevice/m.room.encrypted/m1.2', 'to-device'],
    ['PUT', room, 'membership'],
    ['PUT', `${room}?org.matrix.msc4140.delay=18000`, 'delayed leave'],
    ['POST', '/_matrix/client/unstable/org.matrix.msc4140/delayed_events/syd_x/restart', 'renewal'],
    ['GET', 'http://localhost:8008/_matrix/client/v3/sync?timeout=30000', 'sync'],
    ['POST', '/_matrix/client/v3/keys/claim', 'key claim'],
    ['POST', '/_matrix/client/v3/keys/query', 'key query'],
    ['POST', '/_matrix/client/v3/keys/upload', 'key upload'],
    ['POST', '/_matrix/client/v3/user/%40a%3Ahs/openid/request_token', 'openid'],
    ['PUT', '/_matrix/client/v3/rooms/!abc/state/m.room.name/', 'other'],
    ['GET', room, 'other'],
  ])('%s %s: %s', (method, path, kind) => expect(kindOf(method, path)).toBe(kind));

  it('hold so many messages', () => {
    const messages = { '@a:hs': { X: {}, Y: {} }, '@b:hs': { Z: {} } };
    expect(messagesIn(JSON.stringify({ messages }))).toBe(3);
    for (const none of [null, undefined, '', '{', '{}', '{"messages":{}}']) expect(messagesIn(none)).toBe(0);
  });
});

describe('the access log of Synapse', () => {
  const line = (user: string, request: string, rest = '') =>
    `2026-11-25 22:12:19,913 INFO synapse.access.http.8008 127.0.0.1 - 8008 - {${user}} Processed request: 0.038sec/0.002sec ru=(0.004sec, 0.002sec) db=(0.008sec/0.005sec/3) 217B 200 "${request} HTTP/1.1" "node"${rest} [0 dbevts]`;

  it('is read', () => {
    const found = parseAccessLine(line('@a:localhost:8008', 'PUT /_matrix/client/v3/sendToDevice/m.room.encrypted/1'));
    expect(found).toMatchObject({ user: '@a:localhost:8008', kind: 'to-device', down: 217, up: 0 });
    expect(found?.cpu).toBeCloseTo(6);
    expect(found?.at).toBe(new Date('2026-11-25T22:12:19.913').getTime());
  });

  it('other lines, and those of nobody, are not counted', () => {
    expect(parseAccessLine(line('None', 'GET /_matrix/client/versions'))).toBeUndefined();
    expect(parseAccessLine('2026-11-25 22:12:19,913 WARNING synapse.x something {@a:hs}')).toBeUndefined();
    expect(parseAccessLine('')).toBeUndefined();
  });
});

describe('sums', () => {
  const seen = (at: number, user: string, kind: Seen['kind'], messages = 0): Seen => ({
    at,
    user,
    kind,
    messages,
    up: 10,
    down: 1,
    cpu: 2,
  });
  const all = [
    seen(0, 'a', 'sync'),
    seen(10, 'a', 'to-device', 3),
    seen(20, 'b', 'to-device', 4),
    seen(30, 'a', 'sync'),
  ];

  it('are of a time, of people and of kinds', () => {
    expect(sums(all, { from: 10, to: 30 })).toEqual(
      new Map([['to-device', { requests: 2, messages: 7, up: 20, down: 2, cpu: 4 }]]),
    );
    expect(sums(all, { users: new Set(['a']) }).get('to-device')?.messages).toBe(3);
    expect(total(sums(all, {}))).toEqual({ requests: 4, messages: 7, up: 40, down: 4, cpu: 8 });
    expect(total(sums(all, {}), ['sync']).requests).toBe(2);
    expect(total(new Map()).requests).toBe(0);
  });

  it('spread', () => expect(spread([5, 1, 3])).toEqual({ median: 3, min: 1, max: 5, count: 3 }));
});

describe('who opens whom', () => {
  const view = (inUse: KeyView['inUse'], keys: Record<string, number> = {}): KeyView => ({
    name: 'x',
    identity: '@w:hs:D',
    inUse,
    received: (identity, index) => keys[`${identity} ${index}`],
  });

  it('from the later of both: the key is here, the key is used', () => {
    expect(opensAt(view(undefined, { '@w:hs:D 3': 100 }), view({ index: 3, at: 150 }))).toEqual({ at: 150, late: 0 });
    expect(opensAt(view(undefined, { '@w:hs:D 3': 180 }), view({ index: 3, at: 150 }))).toEqual({ at: 180, late: 30 });
  });

  it('not with another key, and not before anything is sealed', () => {
    expect(opensAt(view(undefined, { '@w:hs:D 2': 100 }), view({ index: 3, at: 150 }))).toBeUndefined();
    expect(opensAt(view(undefined, { '@w:hs:D 3': 100 }), view(undefined))).toBeUndefined();
  });
});
