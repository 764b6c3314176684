import { afterEach, describe, expect, test, vi } from 'vitest';
import type { EngineModule } from '../../../web/media/engine_types';
import type { FromWorker, InitData, Request, ToWorker } from '../../../web/media/protocol';
import { MediaError, type StatsSnapshot, type TrackCounters } from '../../../web/media/types';
import { MediaWorker } from '../../../web/media/worker/media_worker';
import { type FakeEngine, FakeTransform, fakeEngine, frame, settle } from './fake_engine';

const never = { seal: Number.POSITIVE_INFINITY, open: Number.POSITIVE_INFINITY };
const always = { seal: 0, open: 0 };

/** A worker with everything around it; `engine` resolves when `load` is called. */
class Bench {
  readonly posted: FromWorker[] = [];
  readonly engine: FakeEngine = fakeEngine();
  readonly worker: MediaWorker;
  load!: (engine?: EngineModule) => void;
  failLoad!: (error: unknown) => void;
  #id = 0;

  constructor(init: Partial<InitData> = {}, subtle: SubtleCrypto = crypto.subtle) {
    const loaded = new Promise<EngineModule>((resolve, reject) => {
      this.load = (engine = this.engine) => resolve(engine);
      this.failLoad = reject;
    });
    this.worker = new MediaWorker({
      post: (message) => this.posted.push(structuredClone(message)),
      loadEngine: () => loaded,
      holdLock: async () => {},
      subtle,
      now: () => performance.now(),
    });
    this.send({
      kind: 'init',
      data: {
        format: 'jframe',
        keyringSize: 16,
        ratchetWindow: 8,
        statsIntervalMs: 10_000,
        webCryptoFrom: never,
        lock: 'lock',
        ...init,
      },
    });
  }

  static async ready(init: Partial<InitData> = {}, subtle?: SubtleCrypto): Promise<Bench> {
    const bench = new Bench(init, subtle);
    bench.load();
    await settle();
    return bench;
  }

  send(message: ToWorker): void {
    this.worker.onMessage(message);
  }
  request(request: Request): unknown {
    const id = ++this.#id;
    this.send({ kind: 'request', data: { id, request } });
    const reply = this.posted.find((message) => message.kind === 'reply' && message.data.id === id);
    return reply?.kind === 'reply' ? reply.data.outcome : undefined;
  }
  key(participant: string, usage: 'send' | 'receive', fill: number, keyIndex = 0): unknown {
    const material = new Uint8Array(32).fill(fill);
    const outcome = this.request({
      kind: 'setKey',
      data: { participant, usage, keyIndex, material, derivation: 'hkdf', suite: 4 },
    });
    return outcome;
  }
  transform(direction: 'send' | 'receive', kind: 'audio' | 'video' = 'audio', track: string = kind): FakeTransform {
    const transform = new FakeTransform({ participant: 'alice', track, kind, direction });
    this.worker.onTransform(transform);
    return transform;
  }
  track(direction: 'send' | 'receive', track = 'audio'): TrackCounters {
    const outcome = this.request({ kind: 'snapshot', data: null }) as { data: StatsSnapshot };
    return outcome.data.tracks.find((each) => each.direction === direction && each.track === track)!;
  }
}

const bytes = (...values: number[]) => new Uint8Array(values);
const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));
const sum = (track: TrackCounters) =>
  track.passed + track.empty + Object.values(track.rejected).reduce((total, count) => total + count, 0);

afterEach(() => {
  vi.useRealTimers();
});

describe('before the engine is ready', () => {
  test('frames, transforms and keys are held, in order; nothing passes', async () => {
    const bench = new Bench();
    const send = bench.transform('send');
    send.push(frame(bytes(1, 2, 3)), frame(bytes(1, 2, 4)));
    expect(bench.key('alice', 'send', 1)).toBeUndefined();
    await settle(50);
    expect(send.out).toEqual([]);
    expect(bench.posted.some(({ kind }) => kind === 'ready')).toBe(false);

    bench.load();
    await settle();
    expect(bench.posted.some(({ kind }) => kind === 'ready')).toBe(true);
    expect(send.out).toHaveLength(2);
    // Sealed, not passed on: the clear byte, and then nothing of the text.
    for (const [i, text] of send.texts().entries()) {
      expect(text[0]).toBe(1);
      expect(text.length).toBe(3 + 16 + 13);
      expect(text.slice(1, 3)).not.toEqual([2, 3 + i]);
    }
  });

  test('an engine that does not load: says why once, and passes nothing for good', async () => {
    const bench = new Bench();
    const send = bench.transform('send');
    send.push(frame(bytes(1, 2, 3)));
    bench.failLoad(new MediaError('wasm-mime', 'wrong'));
    await settle();
    bench.key('alice', 'send', 1);
    send.push(frame(bytes(1, 2, 3)));
    await settle();
    expect(send.out).toEqual([]);
    expect(bench.posted.filter(({ kind }) => kind === 'failed')).toEqual([
      { kind: 'failed', data: { reason: 'wasm-mime', message: 'wrong' } },
    ]);
  });

  test('pings are answered while it loads', () => {
    const bench = new Bench();
    bench.send({ kind: 'ping', data: { count: 3 } });
    expect(bench.posted).toContainEqual({ kind: 'pong', data: { count: 3 } });
  });

  test('closing while it loads ends it', async () => {
    const bench = new Bench();
    expect(bench.request({ kind: 'close', data: null })).toEqual({ kind: 'value', data: 0 });
    bench.load();
    await settle();
    expect(bench.posted.some(({ kind }) => kind === 'ready')).toBe(false);
  });
});

describe.each([
  ['WebAssembly', never],
  ['WebCrypto', always],
])('through %s', (_, webCryptoFrom) => {
  test('what is sealed opens again; every byte counted', async () => {
    const bench = await Bench.ready({ webCryptoFrom });
    const send = bench.transform('send');
    const receive = bench.transform('receive');
    bench.key('alice', 'send', 1, 2);
    bench.key('alice', 'receive', 1, 2);
    const texts = Array.from({ length: 40 }, (_, i) => random(1 + i * 7));
    for (const text of texts) {
      send.push(frame(text));
      await settle(1);
    }
    await vi.waitFor(() => expect(send.out).toHaveLength(40), 5000);
    for (const each of send.out.splice(0)) {
      receive.push(each);
      await settle(1);
    }
    await vi.waitFor(() => expect(receive.out).toHaveLength(40), 5000);
    expect(receive.texts()).toEqual(texts.map((text) => [...text]));
    const size = texts.reduce((total, text) => total + text.length, 0);
    const overhead = 40 * 29;
    expect(bench.track('send')).toMatchObject({
      frames: 40,
      passed: 40,
      rejected: {},
      bytesIn: size,
      bytesOut: size + overhead,
      keyIndex: 2,
      codec: 'opus',
      kind: 'audio',
    });
    expect(bench.track('receive')).toMatchObject({ frames: 40, passed: 40, bytesIn: size + overhead, bytesOut: size });
    for (const direction of ['send', 'receive'] as const) {
      const track = bench.track(direction);
      if (webCryptoFrom === always) expect(track.viaWebCrypto).toBeGreaterThan(30);
      else expect(track.viaWebCrypto).toBe(0);
      expect(track.lastPassedAt).toBeGreaterThan(0);
      // Every sixteenth frame is timed, and whatever WebCrypto does.
      expect(track.micros).toBeGreaterThan(0);
    }
  });

  test('without a key frames are dropped and counted', async () => {
    const bench = await Bench.ready({ webCryptoFrom });
    const send = bench.transform('send');
    const receive = bench.transform('receive');
    send.push(frame(random(100)), frame(random(100)));
    receive.push(frame(random(100)));
    await settle();
    expect(send.out).toEqual([]);
    expect(receive.out).toEqual([]);
    expect(bench.track('send').rejected).toEqual({ missingKey: 2 });
    expect(bench.track('receive').rejected).toEqual({ missingKey: 1 });
    expect(bench.track('send').lastRejectedAt).toBeGreaterThan(0);
    // The key is there but is dropped again.
    bench.key('alice', 'send', 1);
    bench.request({ kind: 'dropKey', data: { participant: 'alice', usage: 'send', keyIndex: 0 } });
    send.push(frame(random(100)));
    await settle();
    expect(send.out).toEqual([]);
    expect(bench.track('send').rejected).toEqual({ missingKey: 3 });
  });

  test('another key, changed bytes and replays: each under its own reason, and the sums add up', async () => {
    const bench = await Bench.ready({ webCryptoFrom });
    const send = bench.transform('send');
    const receive = bench.transform('receive');
    bench.key('alice', 'send', 1);
    bench.key('alice', 'receive', 1);
    send.push(...Array.from({ length: 10 }, () => frame(random(80))));
    await vi.waitFor(() => expect(send.out).toHaveLength(10), 5000);
    const sealed = send.out.map(({ data }) => new Uint8Array(data));
    receive.push(...sealed.map((each) => frame(each)));
    await vi.waitFor(() => expect(receive.out).toHaveLength(10), 5000);
    receive.push(frame(sealed[4]!)); // replay
    const changed = sealed[5]!.slice();
    changed[20]! ^= 1;
    receive.push(frame(changed), frame(bytes(1, 2)), frame(new Uint8Array(0)));
    await vi.waitFor(() => expect(sum(bench.track('receive'))).toBe(14), 5000);
    bench.key('alice', 'receive', 2);
    receive.push(frame(sealed[6]!));
    await vi.waitFor(() => expect(sum(bench.track('receive'))).toBe(15), 5000);
    expect(receive.out).toHaveLength(10);
    const track = bench.track('receive');
    expect(track.rejected).toEqual({ replay: 1, authentication: 2, frameTooShort: 1 });
    expect(track.empty).toBe(1);
    expect(track.frames).toBe(15);
    expect(sum(track)).toBe(15);
  });

  test('a removed member: nothing more passes, and its counters are gone', async () => {
    const bench = await Bench.ready({ webCryptoFrom });
    const send = bench.transform('send');
    bench.key('alice', 'send', 1);
    send.push(frame(random(50)));
    await settle();
    send.push(...Array.from({ length: 5 }, () => frame(random(50))));
    bench.send({ kind: 'removeParticipant', data: { participant: 'alice' } });
    await settle(50);
    expect(send.out).toHaveLength(1);
    expect(bench.track('send')).toBeUndefined();
    expect(bench.engine.live()).toBe(0);
    expect(bench.posted.some(({ kind }) => kind === 'failed')).toBe(false);
    // The same name again is somebody new, who has no key yet.
    const again = bench.transform('send');
    again.push(frame(random(50)));
    await settle();
    expect(again.out).toEqual([]);
    expect(bench.track('send')).toMatchObject({ frames: 1, rejected: { missingKey: 1 } });
  });
});

/** WebCrypto whose answers take their time, each its own. */
function slowCrypto(delay: () => number): SubtleCrypto {
  const slow =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      const result = await call(...args);
      await settle(delay());
      return result;
    };
  const { subtle } = crypto;
  return {
    importKey: subtle.importKey.bind(subtle),
    encrypt: slow(subtle.encrypt.bind(subtle)),
    decrypt: slow(subtle.decrypt.bind(subtle)),
  } as SubtleCrypto;
}

test('order is kept with large frames in WebCrypto, small ones not, and failures in between', async () => {
  const subtle = slowCrypto(() => Math.random() * 15);
  const bench = await Bench.ready({ webCryptoFrom: { seal: 200, open: 200 } }, subtle);
  const send = bench.transform('send');
  const receive = bench.transform('receive');
  bench.key('alice', 'send', 1);
  bench.key('alice', 'receive', 1);
  const texts = Array.from({ length: 120 }, (_, i) => {
    const text = random(Math.random() < 0.5 ? 300 : 30);
    text[0] = i;
    return text;
  });
  // The key gets imported.
  send.push(frame(random(400)));
  await settle(40);
  send.out.length = 0;
  send.push(...texts.map((text) => frame(text)));
  await vi.waitFor(() => expect(send.out).toHaveLength(120), 5000);
  expect(send.texts().map(([first]) => first)).toEqual(texts.map(([first]) => first));

  const sealed = send.out.map(({ data }) => new Uint8Array(data));
  receive.push(frame(sealed.find(({ length }) => length > 200)!));
  await settle(40);
  for (const [i, each] of sealed.entries()) if (i % 10 === 3) each[each.length - 20]! ^= 1;
  receive.push(...sealed.map((each) => frame(each)));
  await vi.waitFor(() => expect(sum(bench.track('receive'))).toBe(121), 5000);
  const first = receive.texts()[0]![0]!;
  const expected = texts.filter((_, i) => i % 10 !== 3 && i !== first).map((text) => [...text]);
  expect(receive.texts().slice(1)).toEqual(expected);
  expect(bench.track('receive').viaWebCrypto).toBeGreaterThan(30);
});

test('jobs that come back after their member is gone touch nothing', async () => {
  const subtle = slowCrypto(() => 30);
  const bench = await Bench.ready({ webCryptoFrom: always }, subtle);
  const send = bench.transform('send');
  bench.key('alice', 'send', 1);
  send.push(frame(random(100)));
  await settle(60);
  send.push(frame(random(100)), frame(random(100)));
  await settle(5);
  bench.send({ kind: 'removeParticipant', data: { participant: 'alice' } });
  await settle(80);
  // fake_engine throws on a handle that was deleted; that would have shown as a failure or as a frame.
  expect(send.out).toHaveLength(1);
  expect(bench.posted.some(({ kind }) => kind === 'failed')).toBe(false);
});

test('at most eight frames of a stream are in flight', async () => {
  let open = 0;
  let most = 0;
  const { subtle } = crypto;
  const counting = {
    importKey: subtle.importKey.bind(subtle),
    encrypt: async (...args: Parameters<SubtleCrypto['encrypt']>) => {
      most = Math.max(most, ++open);
      const result = await subtle.encrypt(...args);
      await settle(5);
      open--;
      return result;
    },
  } as unknown as SubtleCrypto;
  const bench = await Bench.ready({ webCryptoFrom: always }, counting);
  const send = bench.transform('send');
  bench.key('alice', 'send', 1);
  send.push(frame(random(100)));
  await settle(30);
  send.push(...Array.from({ length: 60 }, () => frame(random(100))));
  await vi.waitFor(() => expect(send.out).toHaveLength(61), 5000);
  expect(most).toBeGreaterThan(2);
  expect(most).toBeLessThanOrEqual(8);
});

describe('which codec a frame has', () => {
  test('video of an unknown codec is dropped, with or without a name', async () => {
    const bench = await Bench.ready();
    const send = bench.transform('send', 'video');
    bench.key('alice', 'send', 1);
    send.push(
      frame(random(50), { type: 'key' }),
      frame(random(50), { type: 'key', payloadType: 99 }),
      frame(random(50), { type: 'key', mimeType: 'video/x-unheard-of' }),
    );
    await settle();
    expect(send.out).toEqual([]);
    expect(bench.track('send', 'video').rejected).toEqual({ unsupportedCodec: 3 });
  });

  test('the browser names it, or the negotiated payload type does', async () => {
    const bench = await Bench.ready();
    const send = bench.transform('send', 'video');
    bench.key('alice', 'send', 1);
    bench.send({ kind: 'setPayloadTypes', data: { participant: 'alice', map: new Map([[120, 'vp9']]) } });
    send.push(frame(random(50), { type: 'delta', mimeType: 'video/VP8', payloadType: 120 }));
    await settle();
    expect(bench.track('send', 'video').codec).toBe('vp8');
    send.push(frame(random(50), { type: 'delta', payloadType: 120 }));
    await settle();
    expect(bench.track('send', 'video').codec).toBe('vp9');
    expect(send.out).toHaveLength(2);
  });
});

test('payload types of several connections add up; those of a track come first', async () => {
  const bench = await Bench.ready();
  const send = bench.transform('send', 'video', 'camera');
  bench.key('alice', 'send', 1);
  const types = (map: [number, 'vp8' | 'vp9'][], track?: string) =>
    bench.send({
      kind: 'setPayloadTypes',
      data: { participant: 'alice', map: new Map(map), ...(track === undefined ? {} : { track }) },
    });
  types([[96, 'vp8']]);
  types([[120, 'vp9']]);
  const codecOf = async (payloadType: number) => {
    send.push(frame(random(50), { type: 'delta', payloadType }));
    await settle();
    return bench.track('send', 'camera').codec;
  };
  expect(await codecOf(96)).toBe('vp8');
  expect(await codecOf(120)).toBe('vp9');
  types([[96, 'vp9']], 'screen');
  expect(await codecOf(96)).toBe('vp8');
  types([[96, 'vp9']], 'camera');
  expect(await codecOf(96)).toBe('vp9');
});

test('a browser that refuses a key frame changes nothing', async () => {
  const bench = await Bench.ready();
  const transform = new FakeTransform({ participant: 'alice', track: 'v', kind: 'video', direction: 'receive' });
  transform.sendKeyFrameRequest = () => {
    throw new DOMException('', 'InvalidStateError');
  };
  bench.worker.onTransform(transform);
  transform.push(frame(random(50), { type: 'delta', mimeType: 'video/VP8' }));
  await settle();
  expect(bench.key('alice', 'receive', 1)).toEqual({ kind: 'value', data: 0 });
});

test('video that waited for its key asks for a key frame, once', async () => {
  const bench = await Bench.ready();
  const receive = bench.transform('receive', 'video');
  receive.push(frame(random(50), { type: 'delta', mimeType: 'video/VP8' }));
  await settle();
  expect(receive.keyFrameRequests).toBe(0);
  bench.key('alice', 'receive', 1);
  expect(receive.keyFrameRequests).toBe(1);
  bench.key('alice', 'receive', 1);
  expect(receive.keyFrameRequests).toBe(1);
});

test('a trap ends it: failure reported, keys wiped, nothing passes', async () => {
  const bench = await Bench.ready();
  const send = bench.transform('send');
  bench.key('alice', 'send', 1);
  bench.engine.trap = true;
  send.push(frame(random(50)));
  await settle();
  bench.engine.trap = false;
  send.push(frame(random(50)));
  await settle();
  expect(send.out).toEqual([]);
  expect(bench.posted.filter(({ kind }) => kind === 'failed')).toHaveLength(1);
  expect(bench.engine.live()).toBe(0);
});

test('close wipes engine objects and frame area', async () => {
  const bench = await Bench.ready();
  const send = bench.transform('send');
  bench.key('alice', 'send', 1);
  bench.key('bob', 'receive', 1);
  expect(bench.engine.live()).toBe(2);
  bench.request({ kind: 'close', data: null });
  expect(bench.engine.live()).toBe(0);
  expect(bench.engine.wiped).toBe(true);
  send.push(frame(random(50)));
  await settle();
  expect(send.out).toEqual([]);
});

test('key material is wiped in the worker, and a refused key says so', async () => {
  const bench = await Bench.ready();
  const material = new Uint8Array(32).fill(9);
  const data = { participant: 'alice', usage: 'send', keyIndex: 0, derivation: 'hkdf', suite: 4 } as const;
  expect(bench.request({ kind: 'setKey', data: { ...data, material } })).toEqual({ kind: 'value', data: 0 });
  expect(material.every((byte) => byte === 0)).toBe(true);
  expect(bench.request({ kind: 'setKey', data: { ...data, material: new Uint8Array(0) } })).toEqual({
    kind: 'refused',
    data: 11,
  });
  expect(bench.request({ kind: 'ratchet', data: { participant: 'alice' } })).toEqual({ kind: 'value', data: 1 });
  expect(bench.request({ kind: 'ratchet', data: { participant: 'nobody' } })).toEqual({ kind: 'refused', data: 1 });
});

test('the same track attached again goes on counting', async () => {
  const bench = await Bench.ready();
  bench.key('alice', 'send', 1);
  const first = bench.transform('send');
  first.push(frame(random(50)));
  await settle();
  first.close();
  await settle();
  bench.transform('send').push(frame(random(50)));
  await settle();
  expect(bench.track('send').frames).toBe(2);
});

test('statistics come at their interval', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const bench = await Bench.ready({ statsIntervalMs: 20 });
  const count = () => bench.posted.filter(({ kind }) => kind === 'stats').length;
  vi.advanceTimersByTime(205);
  expect(count()).toBe(10);
  bench.request({ kind: 'close', data: null });
  vi.advanceTimersByTime(200);
  expect(count()).toBe(10);
});

test('SFrame never takes the split path, whatever is asked', async () => {
  const bench = await Bench.ready({ format: 'sframe', webCryptoFrom: always });
  const ready = bench.posted.find(({ kind }) => kind === 'ready');
  expect(ready).toMatchObject({ data: { webCryptoFrom: never } });
});

test('a frame that the browser takes back while it is with WebCrypto is counted', async () => {
  const bench = await Bench.ready(
    { webCryptoFrom: always },
    slowCrypto(() => 10),
  );
  const send = bench.transform('send');
  bench.key('alice', 'send', 1);
  send.push(frame(random(50)));
  await settle(50);
  const taken = frame(random(50));
  const { data } = taken;
  Object.defineProperty(taken, 'data', {
    get: () => data,
    set: () => {
      throw new DOMException('', 'InvalidStateError');
    },
  });
  send.push(taken, frame(random(50)));
  await vi.waitFor(() => expect(send.out).toHaveLength(2), 5000);
  expect(bench.track('send')).toMatchObject({ frames: 3, passed: 2, rejected: { internal: 1 } });
});
