/**
 * The page's side of the drop-in worker: starts it, gives it the policy before anybody else speaks to it, watches that it
 * lives, and tells what it measured. livekit-client does the rest: it gets `worker` and speaks its own language with it.
 *
 * Fail closed: should the worker be gone for whatever reason, its streams end, so nothing passes in either direction;
 * `failed` says so once. Leaving the room is the page's part then.
 *
 * Threads: page. Ownership: of the worker. Errors: MediaError, EngineError.
 */
import { EngineError } from '../media/errors';
import { assetUrl, missingFeature } from '../media/features';
import { type EngineInfo, MediaError, type StatsSnapshot } from '../media/types';
import { WorkerWatch } from '../media/worker_watch';
import { DataCipher } from './data';
import type { SiegelAnswer, SiegelCommand, SiegelReport, SiegelRequest } from './protocol';
import type { LiveKitCipherApi, LiveKitCipherEvents, LiveKitCipherOptions } from './types';

const kCloseLimitMs = 500;
const kScript = 'siegel-livekit-worker.js';

interface Pending {
  resolve(answer: SiegelAnswer): void;
  reject(error: Error): void;
}

function startWorker(assets: string | URL | undefined): Worker {
  return new Worker(assetUrl(kScript, assets, import.meta.url), { type: 'module', name: 'siegel-livekit' });
}

function command(worker: Worker, data: SiegelCommand, transfer: Transferable[] = []): void {
  worker.postMessage({ kind: 'siegel', data }, transfer);
}

/**
 * The worker alone, for applications that want no more than `livekit-client/e2ee-worker` gives them:
 * `new Room({ encryption: { keyProvider, worker: createLiveKitWorker() } })`. Nobody watches it then, and it reports no
 * counters. The policy counts from the first message on; later ones cannot loosen it.
 */
export function createLiveKitWorker(options: Pick<LiveKitCipherOptions, 'assets' | 'policy'> = {}): Worker {
  const worker = startWorker(options.assets);
  if (options.policy) {
    const lock = `siegel-${crypto.getRandomValues(new Uint32Array(4)).join('-')}`;
    command(worker, { kind: 'init', init: { policy: options.policy, lock } });
  }
  return worker;
}

export class LiveKitCipher implements LiveKitCipherApi {
  readonly worker: Worker;
  readonly ready: Promise<EngineInfo>;
  readonly data = new DataCipher((request, transfer) => this.#request(request, transfer));
  readonly #watch: WorkerWatch;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners: { [K in keyof LiveKitCipherEvents]: Set<(event: LiveKitCipherEvents[K]) => void> } = {
    stats: new Set(),
    failed: new Set(),
    warning: new Set(),
  };
  #settle!: { resolve(info: EngineInfo): void; reject(error: MediaError): void };
  #error: MediaError | undefined;
  #requests = 0;

  /** Throws MediaError where this browser cannot do it at all, or no worker may be started here. */
  constructor(options: LiveKitCipherOptions = {}) {
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever does not wait for `ready` still hears `failed`.
    this.ready.catch(() => {});
    const missing = missingFeature();
    if (missing) throw new MediaError(missing, 'This browser lacks what encrypted calls need.');
    try {
      this.worker = startWorker(options.assets);
    } catch {
      throw new MediaError('worker-load', 'The worker may not be started here.');
    }
    const watch = new WorkerWatch(
      (count) => command(this.worker, { kind: 'ping', count }),
      (error) => this.#fail(error),
    );
    this.#watch = watch;
    // livekit-client sets onmessage and onerror for itself.
    this.worker.addEventListener('message', ({ data }: MessageEvent<{ kind: string; data: SiegelReport }>) => {
      if (data?.kind === 'siegel') this.#onReport(data.data);
    });
    this.worker.addEventListener('error', (event) => watch.onError(event));
    const { policy = {}, statsIntervalMs = 250, webCryptoFrom } = options;
    const init = { policy, statsIntervalMs, lock: watch.lock, ...(webCryptoFrom ? { webCryptoFrom } : {}) };
    command(this.worker, { kind: 'init', init });
  }

  async snapshot(): Promise<StatsSnapshot> {
    return (await this.#request({ kind: 'snapshot' })) as StatsSnapshot;
  }

  removeParticipant(identity: string): void {
    if (!this.#error) command(this.worker, { kind: 'removeParticipant', participant: identity });
  }

  on<K extends keyof LiveKitCipherEvents>(kind: K, listener: (event: LiveKitCipherEvents[K]) => void): () => void {
    this.#listeners[kind].add(listener);
    return () => this.#listeners[kind].delete(listener);
  }

  async close(): Promise<void> {
    if (this.#error) return;
    const wiped = this.#request({ kind: 'close' }).catch(() => {});
    await Promise.race([wiped, new Promise((resolve) => setTimeout(resolve, kCloseLimitMs))]);
    this.#stop(new MediaError('closed', 'The cipher was closed.'));
  }

  #onReport(report: SiegelReport): void {
    if (this.#error) return;
    switch (report.kind) {
      case 'started':
        this.#watch.started();
        return;
      case 'locked':
        this.#watch.locked();
        return;
      case 'ready':
        this.#settle.resolve(report.info);
        return;
      case 'failed':
        this.#fail(new MediaError(report.reason, report.message));
        return;
      case 'pong':
        this.#watch.answered(report.count);
        return;
      case 'stats':
        this.#emit('stats', report.stats);
        return;
      case 'warning':
        this.#emit('warning', report.warning);
        return;
      case 'reply': {
        const pending = this.#pending.get(report.id);
        this.#pending.delete(report.id);
        if (report.outcome.kind === 'value') pending?.resolve(report.outcome.data);
        else pending?.reject(new EngineError(report.outcome.data));
        return;
      }
    }
  }

  async #request(request: SiegelRequest, transfer: Transferable[] = []): Promise<SiegelAnswer> {
    if (this.#error) throw this.#error;
    const id = ++this.#requests;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      command(this.worker, { kind: 'request', id, request }, transfer);
    });
  }

  #fail(error: MediaError): void {
    if (this.#error) return;
    this.#stop(error);
    this.#emit('failed', error);
  }

  #stop(error: MediaError): void {
    if (this.#error) return;
    this.#error = error;
    this.#watch.stop();
    this.worker.terminate();
    this.#settle.reject(error);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  #emit<K extends keyof LiveKitCipherEvents>(kind: K, event: LiveKitCipherEvents[K]): void {
    for (const listener of [...this.#listeners[kind]]) listener(event);
  }
}
