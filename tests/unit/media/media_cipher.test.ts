import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EngineError, MediaCipher, type MediaCipherOptions, type MediaError } from '../../../web/media';
import type { FromWorker, ToWorker } from '../../../web/media/protocol';

/** The browser's parts that MediaCipher touches. */
class FakeWorker {
  static all: FakeWorker[] = [];
  static refuse = false;
  readonly sent: ToWorker[] = [];
  readonly transferred: unknown[] = [];
  onmessage: ((event: { data: FromWorker }) => void) | null = null;
  onerror: ((event: { preventDefault(): void }) => void) | null = null;
  terminated = false;
  answering = true;
  constructor(
    readonly url: URL,
    readonly options: WorkerOptions,
  ) {
    if (FakeWorker.refuse) throw new DOMException('blocked', 'SecurityError');
    FakeWorker.all.push(this);
  }
  postMessage(message: ToWorker, transfer: unknown[] = []): void {
    this.sent.push(
      structuredClone(message, { transfer: transfer.filter((each) => each instanceof ArrayBuffer) as [] }),
    );
    this.transferred.push(...transfer);
    if (message.kind === 'ping' && this.answering) this.say({ kind: 'pong', data: message.data });
  }
  terminate(): void {
    this.terminated = true;
  }
  say(message: FromWorker): void {
    this.onmessage?.({ data: message });
  }
}

class FakeSender {
  track: object | null = null;
  transport: object | null = null;
  transform: { worker: FakeWorker; options: unknown } | null = null;
  replaced: unknown[] = [];
  async replaceTrack(track: unknown): Promise<void> {
    this.replaced.push(track);
  }
}

let grantLock: (() => void) | undefined;
const info = { participant: 'alice', track: 'camera', kind: 'video' } as const;
const asSender = (sender: FakeSender) => sender as unknown as RTCRtpSender;

beforeEach(() => {
  vi.useFakeTimers();
  FakeWorker.all = [];
  FakeWorker.refuse = false;
  grantLock = undefined;
  vi.stubGlobal('Worker', FakeWorker);
  vi.stubGlobal('RTCPeerConnection', class {});
  vi.stubGlobal('RTCRtpSender', class {});
  vi.stubGlobal(
    'RTCRtpScriptTransform',
    class {
      constructor(
        readonly worker: FakeWorker,
        readonly options: unknown,
      ) {}
    },
  );
  vi.stubGlobal('navigator', {
    locks: {
      request: (_name: string, options: { signal: AbortSignal }, callback: () => void) =>
        new Promise<void>((resolve, reject) => {
          grantLock = () => {
            callback();
            resolve();
          };
          options.signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
        }),
    },
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

interface Started {
  cipher: MediaCipher;
  worker: FakeWorker;
  failures: MediaError[];
}

function start(options: MediaCipherOptions | { assets: undefined } = {}): Started {
  const cipher = new MediaCipher({ assets: 'https://example.test/assets/', ...options } as MediaCipherOptions);
  const failures: MediaError[] = [];
  cipher.on('failed', (error) => failures.push(error));
  return { cipher, worker: FakeWorker.all.at(-1)!, failures };
}

function running(options: MediaCipherOptions = {}): Started {
  const started = start(options);
  started.worker.say({ kind: 'started', data: null });
  started.worker.say({
    kind: 'ready',
    data: { variant: 'simd', webCryptoFrom: { seal: 1000, open: 2000 }, setupMs: 5 },
  });
  return started;
}

test('starts a module worker of its own origin and tells it what to be', async () => {
  const { cipher, worker } = running({ format: 'livekit', keyringSize: 4 });
  expect(worker.url.href).toBe('https://example.test/assets/siegel-worker.js');
  expect(worker.options).toMatchObject({ type: 'module' });
  expect(worker.sent[0]).toMatchObject({
    kind: 'init',
    data: { format: 'livekit', keyringSize: 4, ratchetWindow: 8, statsIntervalMs: 250 },
  });
  await expect(cipher.ready).resolves.toMatchObject({ variant: 'simd' });
});

test.each([
  ['https://example.test/assets', 'https://example.test/assets/siegel-worker.js'],
  [new URL('https://example.test/a/b/'), 'https://example.test/a/b/siegel-worker.js'],
])('assets %s', (assets, url) => {
  expect(start({ assets }).worker.url.href).toBe(url);
});

test('assets as the page sees them, or beside this module', () => {
  vi.stubGlobal('document', { baseURI: 'https://example.test/call/room' });
  expect(start({ assets: '/siegel/' }).worker.url.href).toBe('https://example.test/siegel/siegel-worker.js');
  expect(start({ assets: 'x' }).worker.url.href).toBe('https://example.test/call/x/siegel-worker.js');
  expect(start({ assets: undefined }).worker.url.href).toMatch(/\/web\/assets\/siegel-worker\.js$/);
});

describe('what is missing is said before a worker starts', () => {
  test.each([
    ['RTCPeerConnection', undefined, 'no-webrtc'],
    ['RTCRtpScriptTransform', undefined, 'no-encoded-transform'],
    ['WebAssembly', undefined, 'no-wasm'],
    ['WebAssembly', { validate: () => false }, 'no-simd'],
  ])('%s %j: %s', async (name, value, reason) => {
    vi.stubGlobal(name, value);
    const { cipher, failures } = start();
    await expect(cipher.ready).rejects.toMatchObject({ reason });
    expect(failures.map((error) => error.reason)).toEqual([reason]);
    expect(FakeWorker.all).toEqual([]);
    expect(() => cipher.attachSender(asSender(new FakeSender()), info)).toThrow(expect.objectContaining({ reason }));
  });
});

describe('worker that does not start', () => {
  test('forbidden: worker-load', async () => {
    FakeWorker.refuse = true;
    const { cipher, failures } = start();
    await expect(cipher.ready).rejects.toMatchObject({ reason: 'worker-load' });
    expect(failures).toHaveLength(1);
  });
  test('script missing: worker-load', async () => {
    const { cipher, worker } = start();
    worker.onerror?.({ preventDefault: () => {} });
    await expect(cipher.ready).rejects.toMatchObject({ reason: 'worker-load' });
  });
  test('never reports: worker-load', async () => {
    const { failures } = start();
    vi.advanceTimersByTime(15_001);
    expect(failures.map(({ reason }) => reason)).toEqual(['worker-load']);
  });
  test('the engine does not load: its reason', async () => {
    const { cipher, worker, failures } = start();
    worker.say({ kind: 'started', data: null });
    worker.say({ kind: 'failed', data: { reason: 'wasm-mime', message: 'wrong type' } });
    await expect(cipher.ready).rejects.toMatchObject({ reason: 'wasm-mime' });
    expect(failures).toHaveLength(1);
    expect(worker.terminated).toBe(true);
  });
});

describe('a worker that dies', () => {
  function attached(): Started & { sender: FakeSender } {
    const started = running();
    const sender = new FakeSender();
    started.cipher.attachSender(asSender(sender), info);
    return { ...started, sender };
  }

  test('lives as long as it answers', () => {
    const { failures } = attached();
    vi.advanceTimersByTime(60_000);
    expect(failures).toEqual([]);
  });

  test('without web locks: silence is noticed within a second; senders lose their tracks', async () => {
    const { cipher, worker, failures, sender } = attached();
    vi.advanceTimersByTime(1000);
    const waiting = cipher.snapshot();
    waiting.catch(() => {});
    worker.answering = false;
    vi.advanceTimersByTime(1000);
    expect(failures.map(({ reason }) => reason)).toEqual(['worker-died']);
    expect(sender.replaced).toEqual([null]);
    expect(worker.terminated).toBe(true);
    await expect(waiting).rejects.toMatchObject({ reason: 'worker-died' });
    await expect(cipher.ratchet('alice')).rejects.toMatchObject({ reason: 'worker-died' });
    expect(() => cipher.attachSender(asSender(new FakeSender()), info)).toThrow(
      expect.objectContaining({ reason: 'worker-died' }),
    );
    vi.advanceTimersByTime(60_000);
    expect(failures).toHaveLength(1);
  });

  test('with web locks: noticed at once; a stall of a second is no death, a long one is', () => {
    const { worker, failures, sender } = attached();
    worker.say({ kind: 'locked', data: null });
    worker.answering = false;
    vi.advanceTimersByTime(1500);
    expect(failures).toEqual([]);
    worker.answering = true;
    vi.advanceTimersByTime(1500);
    expect(failures).toEqual([]);
    worker.answering = false;
    vi.advanceTimersByTime(5000);
    expect(failures.map(({ reason }) => reason)).toEqual(['worker-died']);

    const second = running();
    second.worker.say({ kind: 'locked', data: null });
    grantLock?.();
    expect(second.failures.map(({ reason }) => reason)).toEqual(['worker-died']);
    expect(sender.replaced).toEqual([null]);
  });

  test('an error in it is its death', () => {
    const { worker, failures } = attached();
    worker.onerror?.({ preventDefault: () => {} });
    expect(failures.map(({ reason }) => reason)).toEqual(['worker-died']);
  });
});

test('keys: the caller’s copy is wiped, the bytes are transferred, the answer is awaited', async () => {
  const { cipher, worker } = running();
  const material = new Uint8Array(32).fill(5);
  const done = cipher.setKey({ participant: 'alice', keyIndex: 3, material, usage: 'send' });
  expect(material.every((byte) => byte === 0)).toBe(true);
  const message = worker.sent.at(-1)!;
  expect(message).toMatchObject({
    kind: 'request',
    data: {
      request: {
        kind: 'setKey',
        data: {
          participant: 'alice',
          usage: 'send',
          keyIndex: 3,
          derivation: 'hkdf',
          material: expect.any(Uint8Array),
        },
      },
    },
  });
  expect(worker.transferred).toHaveLength(1);
  expect((worker.transferred[0] as ArrayBuffer).byteLength).toBe(0); // detached: it is the worker's now
  const { id } = (message as Extract<ToWorker, { kind: 'request' }>).data;
  worker.say({ kind: 'reply', data: { id, outcome: { kind: 'value', data: 0 } } });
  await expect(done).resolves.toBeUndefined();

  const refused = cipher.ratchet('alice');
  const last = worker.sent.at(-1) as Extract<ToWorker, { kind: 'request' }>;
  worker.say({ kind: 'reply', data: { id: last.data.id, outcome: { kind: 'refused', data: 1 } } });
  await expect(refused).rejects.toBeInstanceOf(EngineError);
  await expect(refused).rejects.toMatchObject({ code: 1 });
});

describe('attaching', () => {
  test('the transform carries the name of the track', () => {
    const { cipher, worker } = running();
    const sender = new FakeSender();
    cipher.attachSender(asSender(sender), info);
    expect(sender.transform).toEqual({ worker, options: { ...info, direction: 'send' } });
    const receiver = new FakeSender();
    cipher.attachReceiver(receiver as unknown as RTCRtpReceiver, info);
    expect(receiver.transform?.options).toEqual({ ...info, direction: 'receive' });
  });

  test('a sender with a track and a transport may have sent: refused', () => {
    const { cipher } = running();
    const sender = new FakeSender();
    sender.track = {};
    sender.transport = {};
    expect(() => cipher.attachSender(asSender(sender), info)).toThrow(
      expect.objectContaining({ reason: 'attached-late' }),
    );
    expect(sender.transform).toBeNull();
    // Neither of the two alone is a danger.
    for (const harmless of [{ track: {} }, { transport: {} }]) {
      expect(() => cipher.attachSender(asSender(Object.assign(new FakeSender(), harmless)), info)).not.toThrow();
    }
  });

  test('createEncodedStreams: both streams go to the worker; the configuration asks for it', () => {
    vi.stubGlobal('RTCRtpScriptTransform', undefined);
    vi.stubGlobal(
      'RTCRtpSender',
      class {
        createEncodedStreams(): void {}
      },
    );
    const { cipher, worker } = running();
    expect(cipher.rtcConfiguration({ iceServers: [] })).toEqual({ iceServers: [], encodedInsertableStreams: true });
    // Stands for streams, which structuredClone of Node 20 does not carry.
    const streams = { readable: 'readable', writable: 'writable' };
    cipher.attachSender(
      Object.assign(new FakeSender(), { createEncodedStreams: () => streams }) as unknown as RTCRtpSender,
      info,
    );
    expect(worker.sent.at(-1)).toEqual({ kind: 'attach', data: { ...info, direction: 'send', ...streams } });
    expect(worker.transferred).toEqual(['readable', 'writable']);
  });

  test('elsewhere the configuration stays as it is', () => {
    const { cipher } = running();
    const base = { iceServers: [] };
    expect(cipher.rtcConfiguration(base)).toEqual(base);
    expect(cipher.rtcConfiguration(base)).not.toBe(base);
  });
});

test('close waits for the worker’s wiping, then ends it; senders lose their tracks', async () => {
  const { cipher, worker, failures } = running();
  const sender = new FakeSender();
  cipher.attachSender(asSender(sender), info);
  const closed = cipher.close();
  expect(worker.terminated).toBe(false);
  const last = worker.sent.at(-1) as Extract<ToWorker, { kind: 'request' }>;
  expect(last.data.request.kind).toBe('close');
  worker.say({ kind: 'reply', data: { id: last.data.id, outcome: { kind: 'value', data: 0 } } });
  await closed;
  expect(worker.terminated).toBe(true);
  expect(sender.replaced).toEqual([null]);
  // The end that was asked for is no failure.
  expect(failures).toEqual([]);
  await expect(cipher.snapshot()).rejects.toMatchObject({ reason: 'closed' });
  await cipher.close();
});

test('close does not wait for a worker that hangs', async () => {
  const { cipher, worker } = running();
  const closed = cipher.close();
  await vi.advanceTimersByTimeAsync(600);
  await closed;
  expect(worker.terminated).toBe(true);
});

test('listeners hear statistics until they leave', () => {
  const { cipher, worker } = running();
  const heard: number[] = [];
  const off = cipher.on('stats', ({ now }) => heard.push(now));
  worker.say({ kind: 'stats', data: { now: 1, tracks: [] } });
  off();
  worker.say({ kind: 'stats', data: { now: 2, tracks: [] } });
  expect(heard).toEqual([1]);
});
