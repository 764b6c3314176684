/** The drop-in worker with the real engine in this process, and what a page and an encoder would do with it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FromLiveKitWorker, SiegelReport, SiegelRequest } from '../../../web/livekit/protocol';
import type { LiveKitPolicy, SecurityWarning } from '../../../web/livekit/types';
import { LiveKitWorker } from '../../../web/livekit/worker/livekit_worker';
import type { EngineModule } from '../../../web/media/engine_types';
import type { StatsSnapshot, TrackCounters } from '../../../web/media/types';
import type { EncodedFrame, ScriptTransformer } from '../../../web/media/worker/globals';
import { FakeTransform, frame, settle } from '../media/fake_engine';

const assets = join(import.meta.dirname, '../../../dist/assets');

export async function loadModule(): Promise<EngineModule> {
  const { default: create } = await import(join(assets, 'siegel-simd.mjs'));
  return create({ wasmBinary: readFileSync(join(assets, 'siegel-simd.wasm')) });
}

export const never = { seal: Number.POSITIVE_INFINITY, open: Number.POSITIVE_INFINITY };
export const always = { seal: 0, open: 0 };
export const material = (number: number) => new Uint8Array(16).fill(number);

export const importKey = (raw: Uint8Array | string, name: 'HKDF' | 'PBKDF2' = 'HKDF') =>
  crypto.subtle.importKey(
    'raw',
    (typeof raw === 'string' ? new TextEncoder().encode(raw) : raw) as Uint8Array<ArrayBuffer>,
    name,
    false,
    ['deriveBits', 'deriveKey'],
  );

export interface StandOptions {
  policy?: Partial<LiveKitPolicy>;
  webCryptoFrom?: { seal: number; open: number };
  keys?: Record<string, unknown>;
  /** Without our first message, as under plain livekit-client. */
  plain?: boolean;
  /** Do not let the engine load yet. */
  hold?: boolean;
}

export class Stand {
  readonly posted: FromLiveKitWorker[] = [];
  readonly worker: LiveKitWorker;
  module: EngineModule | undefined;
  now = 1_000_000;
  load!: () => void;
  failLoad!: (error: unknown) => void;
  #ids = 0;

  private constructor() {
    const ready = new Promise<void>((resolve, reject) => {
      this.load = resolve;
      this.failLoad = reject;
    });
    this.worker = new LiveKitWorker({
      post: (message) => this.posted.push(message),
      loadEngine: async () => {
        await ready;
        this.module = await loadModule();
        return this.module;
      },
      holdLock: async () => {},
      subtle: crypto.subtle,
      // The calibration waits for a clock that moves.
      now: () => this.now + performance.now(),
    });
  }

  static async start(options: StandOptions = {}): Promise<Stand> {
    const stand = new Stand();
    const { policy = {}, webCryptoFrom = never, keys = {}, plain, hold } = options;
    if (!plain) {
      const init = { policy, webCryptoFrom, lock: 'lock' };
      stand.worker.onMessage({ kind: 'siegel', data: { kind: 'init', init } });
    }
    stand.say('init', { keyProviderOptions: { ratchetWindowSize: 10, keyringSize: 256, ...keys }, loglevel: 'info' });
    if (!hold) {
      stand.load();
      await stand.until(() => stand.reports('ready').length > 0);
    }
    return stand;
  }

  say(kind: string, data: unknown): void {
    this.worker.onMessage({ kind, data });
  }
  enable(participantIdentity: string, enabled = true): void {
    this.say('enable', { participantIdentity, enabled });
  }
  async key(
    participantIdentity: string | undefined,
    keyIndex: number | undefined,
    raw: Uint8Array | string,
    updateCurrentKeyIndex = true,
    name: 'HKDF' | 'PBKDF2' = 'HKDF',
  ): Promise<void> {
    const key = await importKey(raw, name);
    this.say('setKey', { participantIdentity, isPublisher: false, key, keyIndex, updateCurrentKeyIndex });
    await this.idle();
  }

  /** A track with its streams, as Chromium's path hands them over. */
  track(kind: 'encode' | 'decode', participantIdentity: string, trackId: string, extra: object = {}): FakeTransform {
    const ends = new FakeTransform({});
    this.say(kind, {
      participantIdentity,
      trackId,
      readableStream: ends.readable,
      writableStream: ends.writable,
      hasPacketTrailer: false,
      ...extra,
    });
    return ends;
  }
  /** The same as a transform, as Firefox does. */
  transform(
    kind: 'encode' | 'decode',
    participantIdentity: string,
    trackId: string,
    extra: object = {},
  ): FakeTransform {
    const ends = new FakeTransform({ kind, participantIdentity, trackId, ...extra });
    this.worker.onTransform(ends as unknown as ScriptTransformer);
    return ends;
  }

  async request(request: SiegelRequest): Promise<unknown> {
    const id = ++this.#ids;
    this.worker.onMessage({ kind: 'siegel', data: { kind: 'request', id, request } });
    const reply = () => this.reports('reply').find((each) => each.id === id);
    await this.until(() => reply() !== undefined);
    const outcome = reply()?.outcome;
    return outcome?.kind === 'value' ? outcome.data : outcome?.data;
  }
  async counters(trackId: string): Promise<TrackCounters> {
    const { tracks } = (await this.request({ kind: 'snapshot' })) as StatsSnapshot;
    const found = tracks.find(({ track }) => track === trackId);
    if (!found) throw new Error(`no counters of ${trackId}`);
    return found;
  }

  reports<K extends SiegelReport['kind']>(kind: K): Extract<SiegelReport, { kind: K }>[] {
    return this.posted.flatMap((each) =>
      each.kind === 'siegel' && each.data.kind === kind ? [each.data] : [],
    ) as never;
  }
  get warnings(): SecurityWarning[] {
    return this.reports('warning').map(({ warning }) => warning);
  }
  of<K extends FromLiveKitWorker['kind']>(kind: K): Extract<FromLiveKitWorker, { kind: K }>['data'][] {
    return this.posted.flatMap((each) => (each.kind === kind ? [each.data] : [])) as never;
  }
  get errors(): string[] {
    return this.of('error').map(({ error }) => error.message);
  }

  /** Everything that was said is done. */
  async idle(): Promise<void> {
    await this.request({ kind: 'snapshot' });
    await settle(5);
  }
  async until(condition: () => boolean): Promise<void> {
    for (let turn = 0; turn < 2000 && !condition(); turn++) await settle(5);
    if (!condition()) throw new Error('this did not happen');
  }
}

let clock = 1;
const after = (ticks: number) => {
  clock += ticks;
  return clock;
};
export const opus = (...data: number[]): EncodedFrame =>
  frame(Uint8Array.from([0x78, ...data]), { timestamp: after(960) });
export const vp8 = (type: 'key' | 'delta', size = 40): EncodedFrame =>
  frame(new Uint8Array(size).fill(7), { type, timestamp: after(3000), mimeType: 'video/VP8' });

/** A copy for the far side: streams hand over the same object. */
export function copy(sealed: EncodedFrame, change?: (data: Uint8Array) => Uint8Array): EncodedFrame {
  const data = new Uint8Array(sealed.data.slice(0));
  const changed = change?.(data) ?? data;
  const { type, timestamp } = sealed;
  const metadata = sealed.getMetadata();
  return frame(changed, { ...(type === undefined ? {} : { type }), timestamp: timestamp ?? 0, ...metadata });
}
