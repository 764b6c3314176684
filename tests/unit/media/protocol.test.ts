import { expect, test } from 'vitest';
import { type FromWorker, type Request, readAttachInfo, type ToWorker } from '../../../web/media/protocol';
import { MediaWorker } from '../../../web/media/worker/media_worker';
import { fakeEngine, settle } from './fake_engine';

const stream = { readable: new ReadableStream(), writable: new WritableStream() };
const info = { participant: 'a', track: 't', kind: 'audio', direction: 'send' } as const;
const material = new Uint8Array(32);

// One of each: a kind that is added and not listed here does not compile.
const requests = {
  setKey: {
    kind: 'setKey',
    data: { participant: 'a', usage: 'send', keyIndex: 0, material, derivation: 'hkdf', suite: 4 },
  },
  ratchet: { kind: 'ratchet', data: { participant: 'a' } },
  dropKey: { kind: 'dropKey', data: { participant: 'a', usage: 'send', keyIndex: 0 } },
  snapshot: { kind: 'snapshot', data: null },
  close: { kind: 'close', data: null },
} satisfies { [K in Request['kind']]: Extract<Request, { kind: K }> };

const messages = {
  init: {
    kind: 'init',
    data: { format: 'jframe', keyringSize: 16, ratchetWindow: 8, statsIntervalMs: 5, lock: 'l' },
  },
  ping: { kind: 'ping', data: { count: 1 } },
  attach: { kind: 'attach', data: { ...info, ...stream } },
  setPayloadTypes: { kind: 'setPayloadTypes', data: { participant: 'a', map: new Map() } },
  removeParticipant: { kind: 'removeParticipant', data: { participant: 'b' } },
  request: { kind: 'request', data: { id: 1, request: requests.snapshot } },
} satisfies { [K in ToWorker['kind']]: Extract<ToWorker, { kind: K }> };

const answers: Record<FromWorker['kind'], 'by itself' | 'asked' | 'on failure' | 'script'> = {
  started: 'script',
  locked: 'by itself',
  ready: 'by itself',
  stats: 'by itself',
  pong: 'asked',
  reply: 'asked',
  failed: 'on failure',
};

test('every message is understood; every request gets exactly one reply', async () => {
  const posted: FromWorker[] = [];
  const worker = new MediaWorker({
    post: (message) => posted.push(message),
    loadEngine: async () => fakeEngine(),
    holdLock: async () => {},
    subtle: undefined,
    now: () => performance.now(),
  });
  for (const message of Object.values(messages)) worker.onMessage(message);
  await settle(40);
  let id = 100;
  for (const request of Object.values(requests)) worker.onMessage({ kind: 'request', data: { id: id++, request } });
  const replies = posted.flatMap((message) => (message.kind === 'reply' ? [message.data.id] : []));
  expect(replies).toEqual([1, 100, 101, 102, 103, 104]);
  const expected = Object.entries(answers).flatMap(([kind, when]) =>
    when === 'by itself' || when === 'asked' ? [kind] : [],
  );
  expect([...new Set(posted.map(({ kind }) => kind))].sort()).toEqual(expected.sort());
});

test.each([undefined, null, 0, 'x', {}, { kind: 'other', data: 1 }, { kind: 'attach', data: {} }])(
  'foreign message %j changes nothing',
  (message) => {
    const posted: FromWorker[] = [];
    const worker = new MediaWorker({
      post: (each) => posted.push(each),
      loadEngine: async () => fakeEngine(),
      holdLock: async () => {},
      subtle: undefined,
      now: () => 0,
    });
    expect(() => worker.onMessage(message)).not.toThrow();
    expect(posted).toEqual([]);
  },
);

test.each([
  undefined,
  null,
  'options',
  {},
  { ...info, participant: 1 },
  { ...info, track: undefined },
  { ...info, kind: 'data' },
  { ...info, direction: 'both' },
])('transform options %j name no track', (options) => {
  expect(readAttachInfo(options)).toBeUndefined();
});

test('good options are read, and nothing else of them', () => {
  expect(readAttachInfo({ ...info, more: 1 })).toEqual(info);
});
