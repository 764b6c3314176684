/**
 * The page's side of the media layer: starts the worker, attaches senders and receivers to it, hands it keys, and watches
 * that it lives. Never sees a frame.
 *
 * Fail closed: should the worker be gone for whatever reason, its streams end, so nothing passes in either direction;
 * besides, every attached sender loses its track, and `failed` says so once.
 *
 * Threads: page. Ownership: of the worker; senders and receivers stay the caller's. Errors: MediaError where the media
 * layer itself fails, EngineError where the engine refuses a key.
 */

import type { CodecName } from './engine_types';
import { EngineError } from './errors';
import { assetUrl, hasEncodedStreams, missingFeature, type TransformPath, transformPath } from './features';
import {
  type AttachInfo,
  type Direction,
  type FromWorker,
  never,
  type Outcome,
  type Request,
  type ToWorker,
} from './protocol';
import {
  type EngineInfo,
  type KeyOptions,
  type MediaCipherApi,
  type MediaCipherEvents,
  type MediaCipherOptions,
  MediaError,
  type StatsSnapshot,
  type TrackInfo,
} from './types';
import { WorkerWatch } from './worker_watch';

const kCloseLimitMs = 500;

interface Pending {
  resolve(outcome: Outcome): void;
  reject(error: MediaError): void;
}

/** What a receiver and a sender have in common, with Chromium's older interface. */
interface Attachable {
  transform?: RTCRtpScriptTransform | null;
  createEncodedStreams?(): { readable: ReadableStream; writable: WritableStream };
}

export class MediaCipher implements MediaCipherApi {
  readonly ready: Promise<EngineInfo>;
  readonly #options: MediaCipherOptions;
  readonly #path: TransformPath | undefined;
  readonly #pending = new Map<number, Pending>();
  readonly #senders = new Set<RTCRtpSender>();
  readonly #listeners: { [K in keyof MediaCipherEvents]: Set<(event: MediaCipherEvents[K]) => void> } = {
    stats: new Set(),
    failed: new Set(),
  };
  #worker: Worker | undefined;
  #error: MediaError | undefined;
  #settle!: { resolve(info: EngineInfo): void; reject(error: MediaError): void };
  #requests = 0;
  #watch: WorkerWatch | undefined;

  constructor(options: MediaCipherOptions = {}) {
    this.#options = options;
    this.#path = options.transform ?? transformPath();
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever does not wait for `ready` still hears `failed`.
    this.ready.catch(() => {});
    const missing = missingFeature();
    if (missing) {
      // Listeners come after the constructor.
      queueMicrotask(() => this.#fail(new MediaError(missing, 'This browser lacks what encrypted calls need.')));
      return;
    }
    this.#start();
  }

  rtcConfiguration(base: RTCConfiguration = {}): RTCConfiguration {
    // Chromium: a sender of such a connection sends nothing until it has a transform.
    return hasEncodedStreams() ? ({ ...base, encodedInsertableStreams: true } as RTCConfiguration) : { ...base };
  }

  attachSender(sender: RTCRtpSender, info: TrackInfo): void {
    // With a track and a transport, frames may have left before this call.
    if (sender.track !== null && sender.transport !== null)
      throw new MediaError('attached-late', 'This sender could already send: attach it before it has a track.');
    this.#attach(sender as Attachable, { ...info, direction: 'send' });
    // Those of connections that ended would otherwise stay for the whole call.
    for (const each of this.#senders) if (each.transport?.state === 'closed') this.#senders.delete(each);
    this.#senders.add(sender);
  }

  attachReceiver(receiver: RTCRtpReceiver, info: TrackInfo): void {
    this.#attach(receiver as Attachable, { ...info, direction: 'receive' });
  }

  setPayloadTypes(map: ReadonlyMap<number, CodecName>, scope: { participant: string; track?: string }): void {
    this.#post({ kind: 'setPayloadTypes', data: { ...scope, map: new Map(map) } });
  }

  async setKey(options: KeyOptions): Promise<void> {
    const { participant, keyIndex, usage, derivation = 'hkdf', suite = 4 } = options;
    const material = new Uint8Array(options.material);
    options.material.fill(0);
    if (this.#error) {
      material.fill(0);
      throw this.#error;
    }
    await this.#request({ kind: 'setKey', data: { participant, usage, keyIndex, material, derivation, suite } }, [
      material.buffer,
    ]);
  }

  async ratchet(participant: string): Promise<number> {
    return (await this.#request({ kind: 'ratchet', data: { participant } })) as number;
  }

  async dropKey(participant: string, usage: Direction, keyIndex: number): Promise<void> {
    await this.#request({ kind: 'dropKey', data: { participant, usage, keyIndex } });
  }

  removeParticipant(participant: string): void {
    this.#post({ kind: 'removeParticipant', data: { participant } });
  }

  async snapshot(): Promise<StatsSnapshot> {
    return (await this.#request({ kind: 'snapshot', data: null })) as StatsSnapshot;
  }

  on<K extends keyof MediaCipherEvents>(kind: K, listener: (event: MediaCipherEvents[K]) => void): () => void {
    this.#listeners[kind].add(listener);
    return () => this.#listeners[kind].delete(listener);
  }

  async close(): Promise<void> {
    if (this.#error) return;
    const wiped = this.#request({ kind: 'close', data: null }).catch(() => {});
    await Promise.race([wiped, new Promise((resolve) => setTimeout(resolve, kCloseLimitMs))]);
    this.#stop(new MediaError('closed', 'The media cipher was closed.'));
  }

  // The worker --------------------------------------------------------------------------------------------------------

  #start(): void {
    try {
      this.#worker = new Worker(assetUrl('siegel-worker.js', this.#options.assets, import.meta.url), {
        type: 'module',
        name: 'siegel',
      });
    } catch {
      queueMicrotask(() => this.#fail(new MediaError('worker-load', 'The worker may not be started here.')));
      return;
    }
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#onMessage(data);
    const watch = new WorkerWatch(
      (count) => this.#post({ kind: 'ping', data: { count } }),
      (error) => this.#fail(error),
    );
    this.#watch = watch;
    this.#worker.onerror = (event) => watch.onError(event);
    const { format = 'jframe', statsIntervalMs = 250, keyringSize = 16, ratchetWindow = 8 } = this.#options;
    const { webCryptoFrom } = this.#options;
    this.#post({
      kind: 'init',
      data: {
        format,
        statsIntervalMs,
        keyringSize,
        ratchetWindow,
        lock: watch.lock,
        ...(webCryptoFrom ? { webCryptoFrom } : {}),
      },
    });
  }

  #onMessage(message: FromWorker): void {
    if (this.#error) return;
    switch (message.kind) {
      case 'started':
        this.#watch?.started();
        return;
      case 'locked':
        this.#watch?.locked();
        return;
      case 'ready':
        this.#settle.resolve(message.data);
        return;
      case 'failed':
        this.#fail(new MediaError(message.data.reason, message.data.message));
        return;
      case 'pong':
        this.#watch?.answered(message.data.count);
        return;
      case 'stats':
        this.#emit('stats', message.data);
        return;
      case 'reply':
        this.#pending.get(message.data.id)?.resolve(message.data.outcome);
        this.#pending.delete(message.data.id);
        return;
      default:
        never(message);
    }
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  async #request(request: Request, transfer: Transferable[] = []): Promise<number | StatsSnapshot> {
    if (this.#error) throw this.#error;
    const id = ++this.#requests;
    const outcome = await new Promise<Outcome>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#post({ kind: 'request', data: { id, request } }, transfer);
    });
    if (outcome.kind === 'refused') throw new EngineError(outcome.data);
    return outcome.data;
  }

  #attach(end: Attachable, info: AttachInfo): void {
    const worker = this.#worker;
    if (this.#error || !worker) throw this.#error ?? new MediaError('worker-load', 'There is no worker.');
    const { participant, track, kind, direction } = info;
    const data = { participant, track, kind, direction };
    if (this.#path === 'script') {
      end.transform = new RTCRtpScriptTransform(worker, data);
    } else if (end.createEncodedStreams) {
      const { readable, writable } = end.createEncodedStreams();
      this.#post({ kind: 'attach', data: { ...data, readable, writable } }, [readable, writable]);
    } else throw new MediaError('no-encoded-transform', 'This browser has no encoded transforms.');
  }

  // Ends --------------------------------------------------------------------------------------------------------------

  #fail(error: MediaError): void {
    if (this.#error) return;
    this.#stop(error);
    this.#emit('failed', error);
  }

  #stop(error: MediaError): void {
    if (this.#error) return;
    this.#error = error;
    this.#watch?.stop();
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#settle.reject(error);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    // The transforms of a dead worker pass nothing. This also frees encoder and network.
    for (const sender of this.#senders) void sender.replaceTrack(null).catch(() => {});
    this.#senders.clear();
  }

  #emit<K extends keyof MediaCipherEvents>(kind: K, event: MediaCipherEvents[K]): void {
    for (const listener of [...this.#listeners[kind]]) listener(event);
  }
}
