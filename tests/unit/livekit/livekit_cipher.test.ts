// The page's class: what it says to the worker first, what it passes on, and how it notices that the worker is gone.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  createLiveKitWorker,
  EngineError,
  LiveKitCipher,
  type LiveKitCipherOptions,
  type MediaError,
} from '../../../web/livekit';
import type { SiegelCommand, SiegelReport } from '../../../web/livekit/protocol';

class FakeWorker extends EventTarget {
  static all: FakeWorker[] = [];
  static refuse = false;
  readonly sent: { kind: string; data: SiegelCommand }[] = [];
  terminated = false;
  answering = true;
  constructor(
    readonly url: URL,
    readonly options: WorkerOptions,
  ) {
    super();
    if (FakeWorker.refuse) throw new DOMException('blocked', 'SecurityError');
    FakeWorker.all.push(this);
  }
  postMessage(message: { kind: string; data: SiegelCommand }): void {
    this.sent.push(message);
    if (this.answering && message.data.kind === 'ping') this.report({ kind: 'pong', count: message.data.count });
  }
  terminate(): void {
    this.terminated = true;
  }
  report(data: SiegelReport): void {
    this.say({ kind: 'siegel', data });
  }
  say(data: unknown): void {
    this.dispatchEvent(new MessageEvent('message', { data }));
  }
}

let grantLock: (() => void) | undefined;
beforeEach(() => {
  vi.useFakeTimers();
  FakeWorker.all = [];
  FakeWorker.refuse = false;
  grantLock = undefined;
  vi.stubGlobal('Worker', FakeWorker);
  vi.stubGlobal('RTCPeerConnection', class {});
  vi.stubGlobal('RTCRtpSender', class {});
  vi.stubGlobal('RTCRtpScriptTransform', class {});
  vi.stubGlobal('navigator', {
    locks: {
      request: async (_name: string, _options: object, callback: () => void) => {
        grantLock = callback;
      },
    },
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function start(options: LiveKitCipherOptions = {}) {
  const cipher = new LiveKitCipher({ assets: 'https://example.test/assets', ...options });
  const worker = FakeWorker.all.at(-1)!;
  const failures: MediaError[] = [];
  cipher.on('failed', (error) => failures.push(error));
  return { cipher, worker, failures };
}
const info = { variant: 'simd', webCryptoFrom: { seal: 1, open: 2 }, setupMs: 5 } as const;

test('the policy is the first thing that the worker hears, before livekit-client gets it', async () => {
  const { cipher, worker } = start({ policy: { acceptInjected: true }, statsIntervalMs: 100 });
  expect(worker.url.href).toBe('https://example.test/assets/siegel-livekit-worker.js');
  expect(worker.options).toMatchObject({ type: 'module' });
  expect(worker.sent).toMatchObject([
    { kind: 'siegel', data: { kind: 'init', init: { policy: { acceptInjected: true }, statsIntervalMs: 100 } } },
  ]);
  expect(cipher.worker).toBe(worker);
  worker.report({ kind: 'ready', info });
  await expect(cipher.ready).resolves.toEqual(info);
});

test('createLiveKitWorker: alone, with or without a policy', () => {
  createLiveKitWorker({ assets: 'https://example.test/a/' });
  expect(FakeWorker.all[0]!.sent).toEqual([]);
  createLiveKitWorker({ assets: 'https://example.test/a/', policy: { acceptUnencrypted: true } });
  expect(FakeWorker.all[1]!.sent[0]).toMatchObject({
    data: { kind: 'init', init: { policy: { acceptUnencrypted: true } } },
  });
});

test('counters, warnings and answers get through; livekit-client’s messages and others do not matter', async () => {
  const { cipher, worker, failures } = start();
  const [stats, warnings] = [vi.fn(), vi.fn()];
  cipher.on('stats', stats);
  const off = cipher.on('warning', warnings);
  const warning = { kind: 'clear-frames', participant: 'a', track: 't', count: 2 } as const;
  for (const odd of [null, 5, { kind: 'initAck' }, { kind: 'error', data: { error: new Error('x') } }]) worker.say(odd);
  worker.report({ kind: 'stats', stats: { now: 1, tracks: [] } });
  worker.report({ kind: 'warning', warning });
  off();
  worker.report({ kind: 'warning', warning });
  expect(stats.mock.calls).toEqual([[{ now: 1, tracks: [] }]]);
  expect(warnings.mock.calls).toEqual([[warning]]);
  const asked = cipher.snapshot();
  const refused = cipher.data.open(Uint8Array.of(1), { sender: 's', topic: 't' });
  worker.report({ kind: 'reply', id: 2, outcome: { kind: 'refused', data: 3 } });
  worker.report({ kind: 'reply', id: 1, outcome: { kind: 'value', data: { now: 2, tracks: [] } } });
  await expect(asked).resolves.toEqual({ now: 2, tracks: [] });
  await expect(refused).rejects.toEqual(new EngineError(3));
  cipher.removeParticipant('bob');
  expect(worker.sent.at(-1)!.data).toEqual({ kind: 'removeParticipant', participant: 'bob' });
  expect(failures).toEqual([]);
});

describe('the worker is gone: once `failed`, and everything pending is refused', () => {
  const ways: [string, (worker: FakeWorker) => void, string][] = [
    ['it says so', (worker) => worker.report({ kind: 'failed', reason: 'wasm-mime', message: 'm' }), 'wasm-mime'],
    ['it threw', (worker) => worker.dispatchEvent(new Event('error')), 'worker-died'],
    [
      'its lock is free',
      (worker) => {
        worker.report({ kind: 'locked' });
        grantLock?.();
      },
      'worker-died',
    ],
    [
      'it hangs, without locks',
      (worker) => {
        worker.answering = false;
        vi.advanceTimersByTime(1000);
      },
      'worker-died',
    ],
    [
      'it hangs, with its lock',
      (worker) => {
        worker.report({ kind: 'locked' });
        worker.answering = false;
        vi.advanceTimersByTime(5000);
      },
      'worker-died',
    ],
  ];
  test.each(ways)('%s', async (_, end, reason) => {
    const { cipher, worker, failures } = start();
    worker.report({ kind: 'started' });
    vi.advanceTimersByTime(5000);
    expect(failures).toEqual([]);
    const pending = cipher.snapshot();
    pending.catch(() => {});
    end(worker);
    end(worker);
    expect(failures.map((error) => error.reason)).toEqual([reason]);
    expect(worker.terminated).toBe(true);
    await expect(pending).rejects.toMatchObject({ reason });
    await expect(cipher.ready).rejects.toMatchObject({ reason });
    await expect(cipher.snapshot()).rejects.toMatchObject({ reason });
  });

  test('with its lock held a busy worker gets more time', () => {
    const { worker, failures } = start();
    worker.report({ kind: 'started' });
    worker.report({ kind: 'locked' });
    worker.answering = false;
    vi.advanceTimersByTime(3000);
    expect(failures).toEqual([]);
    worker.answering = true;
    vi.advanceTimersByTime(10_000);
    expect(failures).toEqual([]);
  });

  test('the script never reports', () => {
    const { failures } = start();
    vi.advanceTimersByTime(15_000);
    expect(failures.map(({ reason }) => reason)).toEqual(['worker-load']);
  });

  test('no worker may be started, or the browser lacks encoded transforms: the constructor says so', () => {
    FakeWorker.refuse = true;
    expect(() => start()).toThrow(expect.objectContaining({ reason: 'worker-load' }));
    vi.stubGlobal('RTCRtpScriptTransform', undefined);
    expect(() => start()).toThrow(expect.objectContaining({ reason: 'no-encoded-transform' }));
  });
});

test('close waits for the wiping, not for ever, and is no failure', async () => {
  const { cipher, worker, failures } = start();
  const closing = cipher.close();
  expect(worker.sent.at(-1)!.data).toMatchObject({ kind: 'request', request: { kind: 'close' } });
  expect(worker.terminated).toBe(false);
  await vi.advanceTimersByTimeAsync(500);
  await closing;
  expect(worker.terminated).toBe(true);
  expect(failures).toEqual([]);
  await cipher.close();
});
