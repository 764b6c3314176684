/**
 * The benchmark itself, in a dedicated module worker as the product's: ours and the peers' code on the same frames, in turn,
 * within one run. Three parts:
 *
 *   crypto   seal and open with all copies, frame in, frame out, for each size
 *   path     a frame through the whole worker: stream, worker code, stream; the peer is livekit-client's published worker
 *            and the pipe that Jitsi builds
 *   forged   a frame whose tag does not verify
 */

import { loadEngine } from '../../../web/media/engine_loader';
import { Codec, type EngineModule, FrameType } from '../../../web/media/engine_types';
import { chooseVariant } from '../../../web/media/features';
import { calibrate, type Thresholds } from '../../../web/media/worker/calibration';
import { FrameEngine, type SplitResult } from '../../../web/media/worker/frame_engine';
import type { EncodedFrame } from '../../../web/media/worker/globals';
import { MediaWorker } from '../../../web/media/worker/media_worker';
import { Participant } from '../../../web/media/worker/participant';
import { deriveKeys, importMaterial, kClear, kOverhead, kRatchetWindow, PeerCryptor } from './peers';
import { quantile, type Summary, shuffled, summarise } from './statistics';
import { type FrameShape, Line, makeFrame } from './synthetic';

export interface BenchOptions {
  /** Multiplies the number of rounds. */
  effort: number;
}

export interface CryptoRow {
  size: number;
  seal: Record<string, Summary>;
  open: Record<string, Summary>;
}

export interface PathRow {
  name: string;
  size: number;
  seal: Record<string, Summary>;
  open: Record<string, Summary>;
}

export interface ForgedRow {
  size: number;
  cost: Record<string, Summary>;
}

export interface Report {
  variant: string;
  thresholds: Thresholds;
  calibrationMs: number;
  /** Smallest step of the clock, µs. */
  clock: number;
  checks: number;
  crypto: CryptoRow[];
  path: PathRow[];
  forged: ForgedRow[];
}

const kSizes = [60, 100, 300, 1200, 5000, 20000, 65536];
const kSsrc = 0x1234abcd;
const kMaterial = crypto.getRandomValues(new Uint8Array(32));
const now = () => performance.now();
const progress = (text: string) => self.postMessage({ kind: 'progress', data: text });

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`benchmark invalid: ${what}`);
}

function shapeOf(size: number, mime = true): FrameShape {
  return size <= 300
    ? { kind: 'audio', type: 'audio', ssrc: kSsrc, mimeType: mime ? 'audio/opus' : '', payloadType: 111 }
    : { kind: 'video', type: 'delta', ssrc: kSsrc, mimeType: mime ? 'video/VP8' : '', payloadType: 96 };
}

function plainFrame(size: number): ArrayBuffer {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65536)));
  return bytes.buffer;
}

function same(a: ArrayBuffer, b: ArrayBuffer): boolean {
  const [x, y] = [new Uint8Array(a), new Uint8Array(b)];
  return x.length === y.length && x.every((byte, i) => byte === y[i]);
}

async function importGlue(variant: string): Promise<(options: { wasmBinary: ArrayBuffer }) => Promise<EngineModule>> {
  const url = new URL(`./siegel-${variant === 'simd' ? 'simd' : 'relaxed'}.mjs`, import.meta.url);
  return (await import(url.href)).default;
}

const load = () =>
  loadEngine(new URL('./', import.meta.url), { fetch: (url) => fetch(url), importGlue, chooseVariant });

// Crypto --------------------------------------------------------------------------------------------------------------

/** Ours as the worker uses it: WebAssembly up to the measured size, WebCrypto from there. */
class Ours {
  readonly #engine: FrameEngine;
  readonly #sender: Participant;
  readonly #receiver: Participant;
  readonly #from: Thresholds;

  constructor(engine: FrameEngine, from: Thresholds) {
    const options = { format: 'jframe', keyringSize: 16, ratchetWindow: kRatchetWindow } as const;
    this.#engine = engine;
    this.#from = from;
    this.#sender = new Participant(engine, crypto.subtle, options);
    this.#receiver = new Participant(engine, crypto.subtle, options);
    for (const [participant, usage] of [
      [this.#sender, 'send'],
      [this.#receiver, 'receive'],
    ] as const) {
      const material = kMaterial.slice();
      const code = participant.setKey({ participant: 'a', usage, keyIndex: 0, material, derivation: 'hkdf', suite: 4 });
      check(code === 0, 'our key');
    }
  }

  sealDirect(frame: ArrayBuffer, codec: number, type: number, timestamp: number): ArrayBuffer {
    const output = this.#engine.seal(this.#sender.sealerHandle, frame, codec, type, kSsrc, timestamp);
    if (typeof output === 'number') throw new Error(`our seal: ${output}`);
    return output;
  }

  openDirect(frame: ArrayBuffer, codec: number, type: number): ArrayBuffer {
    const output = this.#engine.open(this.#receiver.openerHandle, frame, codec, type, now());
    if (typeof output === 'number') throw new Error(`our open: ${output}`);
    return output;
  }

  seal(frame: ArrayBuffer, codec: number, type: number, timestamp: number): ArrayBuffer | Promise<ArrayBuffer> {
    if (frame.byteLength < this.#from.seal) return this.sealDirect(frame, codec, type, timestamp);
    const { sealerHandle, sealKeys } = this.#sender;
    const job = this.#engine.sealSplit(this.#sender, sealerHandle, sealKeys, frame, codec, type, kSsrc, timestamp);
    return job === undefined ? this.sealDirect(frame, codec, type, timestamp) : finished(job);
  }

  open(frame: ArrayBuffer, codec: number, type: number): ArrayBuffer | Promise<ArrayBuffer> {
    if (frame.byteLength < this.#from.open) return this.openDirect(frame, codec, type);
    const { openerHandle, openKeys } = this.#receiver;
    const job = this.#engine.openSplit(this.#receiver, openerHandle, openKeys, frame, codec, type);
    return job === undefined ? this.openDirect(frame, codec, type) : finished(job);
  }

  /** A frame that must fail: minus the error number. */
  refuse(frame: ArrayBuffer, codec: number, type: number): number {
    const output = this.#engine.open(this.#receiver.openerHandle, frame, codec, type, now());
    return typeof output === 'number' ? output : 0;
  }
}

async function finished(job: Promise<SplitResult | null> | number): Promise<ArrayBuffer> {
  const result = await job;
  const output = typeof result === 'number' ? result : result?.output;
  if (!(output instanceof ArrayBuffer)) throw new Error(`our split path: ${output}`);
  return output;
}

interface Contender {
  name: string;
  seal(frame: ArrayBuffer, timestamp: number): ArrayBuffer | Promise<ArrayBuffer>;
  open(frame: ArrayBuffer): ArrayBuffer | Promise<ArrayBuffer>;
}

async function cryptoPart(engine: FrameEngine, from: Thresholds, effort: number): Promise<[CryptoRow[], number]> {
  const ours = new Ours(engine, from);
  const keys = (labels: 'jframe' | 'livekit') =>
    importMaterial(kMaterial).then((material) => deriveKeys(material, labels));
  const jitsi = new PeerCryptor(await keys('jframe'), 'jframe');
  const livekit = new PeerCryptor(await keys('livekit'), 'livekit');
  // Sealed by LiveKit's sequence under LiveKit's key: input of its own open.
  const rows: CryptoRow[] = [];
  let checks = 0;
  let timestamp = 0;
  for (const size of kSizes) {
    progress(`crypto, ${size} B`);
    const { kind, type } = shapeOf(size);
    const codec = kind === 'audio' ? Codec.opus : Codec.vp8;
    const frameType = FrameType[type];
    const clear = kClear[type];
    const contenders: Contender[] = [
      {
        name: 'ours',
        seal: (frame, ts) => ours.seal(frame, codec, frameType, ts),
        open: (frame) => ours.open(frame, codec, frameType),
      },
      {
        name: 'ours, WebAssembly only',
        seal: (frame, ts) => ours.sealDirect(frame, codec, frameType, ts),
        open: (frame) => ours.openDirect(frame, codec, frameType),
      },
      {
        name: 'Jitsi',
        seal: (frame, ts) => jitsi.seal(frame, clear, kSsrc, ts),
        open: (frame) => jitsi.open(frame, clear),
      },
      {
        name: 'LiveKit',
        seal: (frame, ts) => livekit.seal(frame, clear, kSsrc, ts),
        open: (frame) => livekit.open(frame, clear),
      },
    ];
    const plain = plainFrame(size);
    const sealedFor = async (name: string): Promise<ArrayBuffer> =>
      name === 'LiveKit'
        ? livekit.seal(plain, clear, kSsrc, ++timestamp)
        : ours.sealDirect(plain, codec, frameType, ++timestamp);

    // Both sides open what the other sealed, or the comparison means nothing. Also imports keys.
    for (let i = 0; i < 4; i++) {
      const byOurs = await ours.seal(plain, codec, frameType, ++timestamp);
      check(byOurs.byteLength === size + kOverhead, 'length');
      check(same(await jitsi.open(byOurs, clear), plain), 'Jitsi opens ours');
      const byJitsi = await jitsi.seal(plain, clear, kSsrc, ++timestamp);
      check(same(await ours.open(byJitsi, codec, frameType), plain), 'we open Jitsi');
      check(same(await livekit.open(await sealedFor('LiveKit'), clear), plain), 'LiveKit opens LiveKit');
      checks += 3;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }

    // Long enough for the clock, short enough that most batches are not interrupted: only then is the median worth anything.
    const batch = size <= 300 ? 40 : size <= 1200 ? 20 : size <= 5000 ? 10 : size <= 20000 ? 6 : 4;
    const rounds = Math.max(10, Math.round((size <= 5000 ? 120 : 80) * effort));
    const times = new Map(
      contenders.map(({ name }) => [
        name,
        { sealBatch: [], sealOne: [], openBatch: [], openOne: [] } as Record<string, number[]>,
      ]),
    );
    for (let round = -4; round < rounds; round++) {
      for (const { name, seal, open } of shuffled(contenders)) {
        const into = times.get(name);
        const record = (which: string, value: number) => {
          if (round >= 0) into?.[which]?.push(value * 1000);
        };
        const frames: ArrayBuffer[] = [];
        for (let i = 0; i < 2 * batch; i++) frames.push(await sealedFor(name));
        let start = now();
        for (let i = 0; i < batch; i++) {
          const output = seal(plain, ++timestamp);
          if (!(output instanceof ArrayBuffer)) await output;
        }
        record('sealBatch', (now() - start) / batch);
        start = now();
        for (let i = 0; i < batch; i++) {
          const output = open(frames[i] as ArrayBuffer);
          if (!(output instanceof ArrayBuffer)) await output;
        }
        record('openBatch', (now() - start) / batch);
        for (let i = 0; i < batch; i++) {
          start = now();
          const output = seal(plain, ++timestamp);
          if (!(output instanceof ArrayBuffer)) await output;
          record('sealOne', now() - start);
          start = now();
          const opened = open(frames[batch + i] as ArrayBuffer);
          if (!(opened instanceof ArrayBuffer)) await opened;
          record('openOne', now() - start);
        }
      }
    }
    const row: CryptoRow = { size, seal: {}, open: {} };
    for (const [name, t] of times) {
      row.seal[name] = summarise(t.sealBatch ?? [], t.sealOne ?? []);
      row.open[name] = summarise(t.openBatch ?? [], t.openOne ?? []);
    }
    rows.push(row);
  }
  return [rows, checks];
}

// Whole worker --------------------------------------------------------------------------------------------------------

type Kind = 'audio' | 'video';
const kAlone = 'streams alone';
const kKinds: readonly Kind[] = ['audio', 'video'];

/** A worker's two ends of one track of each kind. */
interface Contestant {
  name: string;
  lines: Record<Kind, { send: Line; receive: Line }>;
}

const newLines = (): Contestant['lines'] => ({
  audio: { send: new Line(), receive: new Line() },
  video: { send: new Line(), receive: new Line() },
});

async function ourWorker(module: EngineModule, from: Thresholds): Promise<Contestant & { end(): void }> {
  let ready: () => void;
  const started = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const replies = new Map<number, (ok: boolean) => void>();
  const worker = new MediaWorker({
    post: (message) => {
      if (message.kind === 'ready') ready();
      if (message.kind === 'reply') replies.get(message.data.id)?.(message.data.outcome.kind === 'value');
    },
    loadEngine: () => Promise.resolve(module),
    holdLock: () => new Promise(() => {}),
    subtle: crypto.subtle,
    now,
  });
  worker.onMessage({
    kind: 'init',
    data: {
      format: 'jframe',
      keyringSize: 16,
      ratchetWindow: kRatchetWindow,
      statsIntervalMs: 250,
      webCryptoFrom: from,
      lock: '',
    },
  });
  await started;
  const lines = newLines();
  let id = 0;
  for (const direction of ['send', 'receive'] as const) {
    for (const kind of kKinds) {
      const { readable, writable } = lines[kind][direction];
      worker.onMessage({
        kind: 'attach',
        data: { participant: 'a', track: kind, kind, direction, readable, writable },
      });
    }
    const keyed = new Promise<boolean>((resolve) => replies.set(++id, resolve));
    const data = { participant: 'a', usage: direction, keyIndex: 0, material: kMaterial.slice() };
    worker.onMessage({
      kind: 'request',
      data: { id, request: { kind: 'setKey', data: { ...data, derivation: 'hkdf', suite: 4 } } },
    });
    check(await keyed, 'key of our worker');
  }
  return {
    name: 'ours',
    lines,
    end: () => worker.onMessage({ kind: 'request', data: { id: ++id, request: { kind: 'close', data: null } } }),
  };
}

/** A TransformStream with an async function between the two ends. */
async function jitsiWorker(): Promise<Contestant> {
  const cryptor = new PeerCryptor(await deriveKeys(await importMaterial(kMaterial), 'jframe'), 'jframe');
  const lines = newLines();
  const clear = ({ type }: EncodedFrame) => kClear[type === undefined ? 'audio' : type === 'key' ? 'key' : 'delta'];
  for (const kind of kKinds) {
    const { send, receive } = lines[kind];
    const encode = new TransformStream<EncodedFrame, EncodedFrame>({
      async transform(frame, controller) {
        const ssrc = frame.getMetadata().synchronizationSource ?? 0;
        frame.data = await cryptor.seal(frame.data, clear(frame), ssrc, frame.timestamp ?? 0);
        controller.enqueue(frame);
      },
    });
    const decode = new TransformStream<EncodedFrame, EncodedFrame>({
      async transform(frame, controller) {
        const output = await cryptor.openOrRatchet(frame.data, clear(frame));
        if (output === undefined) return;
        frame.data = output;
        controller.enqueue(frame);
      },
    });
    void send.readable.pipeThrough(encode).pipeTo(send.writable);
    void receive.readable.pipeThrough(decode).pipeTo(receive.writable);
  }
  return { name: 'Jitsi', lines };
}

/** What the streams cost alone: nothing is sealed, the frame is only copied. */
function streamsAlone(): Contestant {
  const lines = newLines();
  for (const { readable, writable } of kKinds.flatMap((kind) => Object.values(lines[kind]))) {
    const reader = readable.getReader();
    const writer = writable.getWriter();
    const next = () => void reader.read().then(take);
    const take = ({ value }: ReadableStreamReadResult<EncodedFrame>) => {
      if (value === undefined) return;
      value.data = value.data.slice(0);
      void writer.write(value).then(next);
    };
    next();
  }
  return { name: kAlone, lines };
}

type Handler = (event: { data: unknown }) => void;

/** The published worker, driven through its own message handler. */
async function livekitWorker(): Promise<Contestant> {
  const scope = self as unknown as { onmessage: Handler | null };
  const before = scope.onmessage;
  await import(new URL('./livekit-client.e2ee.worker.mjs', import.meta.url).href);
  const handler = scope.onmessage;
  scope.onmessage = before;
  if (handler === null || handler === before) throw new Error('livekit-client set no handler');
  const tell = (kind: string, data: unknown) => handler.call(self, { data: { kind, data } });
  const lines = newLines();
  tell('init', {
    loglevel: 'silent',
    keyProviderOptions: {
      sharedKey: false,
      ratchetSalt: 'LKFrameEncryptionKey',
      ratchetWindowSize: kRatchetWindow,
      failureTolerance: -1,
      keyringSize: 16,
      keySize: 128,
    },
  });
  tell('enable', { enabled: true, participantIdentity: 'a' });
  tell('setKey', {
    participantIdentity: 'a',
    isPublisher: true,
    key: await importMaterial(kMaterial),
    keyIndex: 0,
    updateCurrentKeyIndex: true,
  });
  for (const kind of kKinds) {
    for (const [operation, line] of [
      ['encode', lines[kind].send],
      ['decode', lines[kind].receive],
    ] as const) {
      const { readable: readableStream, writable: writableStream } = line;
      const trackId = `${operation} ${kind}`;
      tell(operation, { participantIdentity: 'a', trackId, readableStream, writableStream, hasPacketTrailer: false });
    }
  }
  // Its queue works messages off one by one.
  await new Promise((resolve) => setTimeout(resolve, 50));
  return { name: 'LiveKit', lines };
}

interface PathCase {
  name: string;
  size: number;
  shape: FrameShape;
  batch: number;
  rounds: number;
}

async function pathPart(workers: Contestant[], mime: boolean, effort: number): Promise<PathRow[]> {
  const rows: PathRow[] = [];
  let timestamp = 0;
  const cases: PathCase[] = [
    { name: 'audio', size: 100, shape: shapeOf(100, mime), batch: 20, rounds: 150 },
    // Under the name the browser gives it the codec is known to both; without it (Firefox) the path is measured with audio.
    ...(mime ? [{ name: 'video', size: 1200, shape: shapeOf(1200), batch: 20, rounds: 80 }] : []),
  ];
  for (const { name, size, shape, batch, rounds: base } of cases) {
    const rounds = Math.max(6, Math.round(base * effort));
    const plain = plainFrame(size);
    const sealedBy = async ({ lines }: Contestant, count: number): Promise<EncodedFrame[]> => {
      const { send } = lines[shape.kind];
      send.keep = true;
      send.arrived = [];
      await send.back(Array.from({ length: count }, () => makeFrame(plain, shape, ++timestamp)));
      send.keep = false;
      return send.arrived.map((frame) => makeFrame(frame.data, shape, frame.timestamp ?? 0));
    };
    for (const [suffix, single] of [
      ['one at a time', true],
      ['back to back', false],
    ] as const) {
      progress(`path, ${name}, ${suffix}`);
      const times = new Map(workers.map((each) => [each.name, { seal: [] as number[], open: [] as number[] }]));
      const tails = new Map(workers.map((each) => [each.name, { seal: [] as number[], open: [] as number[] }]));
      const through = async (line: Line, frames: EncodedFrame[]): Promise<number> => {
        const start = now();
        await (single ? line.singly(frames) : line.back(frames));
        return ((now() - start) * 1000) / frames.length;
      };
      for (let round = -4; round < rounds; round++) {
        for (const worker of shuffled(workers)) {
          const { send, receive } = worker.lines[shape.kind];
          const fresh = Array.from({ length: batch }, () => makeFrame(plain, shape, ++timestamp));
          const sealed = await sealedBy(worker, batch);
          const sealTime = await through(send, fresh);
          receive.keep = round < 0;
          receive.arrived = [];
          const openTime = await through(receive, sealed);
          if (round < 0) {
            check(receive.arrived.length === batch, `${worker.name} delivers every frame`);
            check(
              receive.arrived.every((frame) => same(frame.data, plain)),
              `${worker.name} gives back what was sealed`,
            );
            continue;
          }
          times.get(worker.name)?.seal.push(sealTime);
          times.get(worker.name)?.open.push(openTime);
          // The tail: single frames, each timed.
          const few = await sealedBy(worker, 5);
          for (const frame of few) {
            const tail = tails.get(worker.name);
            tail?.seal.push(await through(send, [makeFrame(plain, shape, ++timestamp)]));
            tail?.open.push(await through(receive, [frame]));
          }
        }
      }
      const row: PathRow = { name: `${name}, ${suffix}`, size, seal: {}, open: {} };
      for (const worker of workers) {
        const { seal = [], open = [] } = times.get(worker.name) ?? {};
        const tail = tails.get(worker.name);
        row.seal[worker.name] = summarise(seal, tail?.seal ?? []);
        row.open[worker.name] = summarise(open, tail?.open ?? []);
      }
      rows.push(row);
    }
  }
  return rows;
}

// Forged --------------------------------------------------------------------------------------------------------------

async function forgedPart(engine: FrameEngine, from: Thresholds, effort: number): Promise<ForgedRow[]> {
  const rows: ForgedRow[] = [];
  const jitsi = new PeerCryptor(await deriveKeys(await importMaterial(kMaterial), 'jframe'), 'jframe');
  for (const size of [100, 1200]) {
    progress(`forged, ${size} B`);
    const ours = new Ours(engine, from);
    const { kind, type } = shapeOf(size);
    const codec = kind === 'audio' ? Codec.opus : Codec.vp8;
    const frameType = FrameType[type];
    const plain = plainFrame(size);
    const forge = (timestamp: number): ArrayBuffer => {
      const bytes = new Uint8Array(ours.sealDirect(plain, codec, frameType, timestamp));
      const at = bytes.length - 20; // within the tag
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      return bytes.buffer;
    };
    const times = { ours: [] as number[], jitsi: [] as number[] };
    const tails = { ours: [] as number[], jitsi: [] as number[] };
    const rounds = Math.max(8, Math.round(60 * effort));
    for (let round = -2; round < rounds; round++) {
      const frames = Array.from({ length: 40 }, (_, i) => forge(i));
      let start = now();
      for (const frame of frames) check(ours.refuse(frame, codec, frameType) < 0, 'we refuse a forged frame');
      if (round >= 0) times.ours.push(((now() - start) * 1000) / frames.length);
      for (const frame of frames) {
        start = now();
        ours.refuse(frame, codec, frameType);
        if (round >= 0) tails.ours.push((now() - start) * 1000);
      }
      start = now();
      for (const frame of frames.slice(0, 4)) {
        const from = now();
        check((await jitsi.openOrRatchet(frame, kClear[type])) === undefined, 'Jitsi refuses a forged frame');
        if (round >= 0) tails.jitsi.push((now() - from) * 1000);
      }
      if (round >= 0) times.jitsi.push(((now() - start) * 1000) / 4);
    }
    // And it still opens good ones afterwards.
    const good = ours.sealDirect(plain, codec, frameType, 1_000_000);
    check(same(ours.openDirect(good, codec, frameType), plain), 'a good frame after the flood');
    check(same((await jitsi.openOrRatchet(good, kClear[type])) ?? plain.slice(1), plain), 'Jitsi, the same');
    rows.push({
      size,
      cost: { ours: summarise(times.ours, tails.ours), Jitsi: summarise(times.jitsi, tails.jitsi) },
    });
  }
  return rows;
}

function clockStep(): number {
  const steps: number[] = [];
  for (let i = 0; i < 50; i++) {
    const start = now();
    let next = now();
    while (next === start) next = now();
    steps.push(next - start);
  }
  return quantile(steps, 0.1) * 1000;
}

async function main({ effort }: BenchOptions): Promise<Report> {
  const module = await load();
  const engine = new FrameEngine(module, crypto.subtle);
  const start = now();
  const thresholds = await calibrate(engine, crypto.subtle, 'jframe', now);
  const calibrationMs = now() - start;
  const [rows, checks] = await cryptoPart(engine, thresholds, effort);
  const ours = await ourWorker(module, thresholds);
  const workers: Contestant[] = [ours, streamsAlone(), await jitsiWorker(), await livekitWorker()];
  const mime = !navigator.userAgent.includes('Firefox');
  const path = await pathPart(workers, mime, effort);
  const forged = await forgedPart(engine, thresholds, effort);
  ours.end();
  return {
    variant: module.variant(),
    thresholds,
    calibrationMs,
    clock: clockStep(),
    checks,
    crypto: rows,
    path,
    forged,
  };
}

self.addEventListener('message', ({ data }) => {
  if (data?.kind !== 'run') return;
  main(data.data as BenchOptions).then(
    (report) => self.postMessage({ kind: 'report', data: report }),
    (error: unknown) => self.postMessage({ kind: 'broken', data: String((error as Error)?.stack ?? error) }),
  );
});
