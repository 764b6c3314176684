/**
 * Carries the frames of one track: reader, engine, writer. A frame that the engine did not seal or open is never written.
 *
 * Small frames go through WebAssembly within the turn in which they arrive; large ones may go through WebCrypto, in order
 * (Sequencer) and with a bound on how many are in flight. Everything is counted.
 */
import { Codec, type CodecName, FrameType, ResultField } from '../engine_types';
import { kEmptyFrame, kInjectedFrame, rejectReason } from '../errors';
import type { AttachInfo } from '../protocol';
import type { RejectReason, TrackCounters } from '../types';
import { countRejected } from './counters';
import type { FrameEngine, SplitResult } from './frame_engine';
import type { EncodedFrame, EncodedFrameMetadata, ScriptTransformer } from './globals';
import type { Participant } from './participant';
import { Sequencer } from './sequencer';

/** Per stream; more wait in the reader. */
export const kMaxWaiting = 8;
/** Per engine object: it has 64 tickets. Frames beyond go directly. */
const kMaxTickets = 48;
/** One frame in so many is timed: asking the clock twice for each would cost as much as opening a small one. A power of two. */
const kTimedEvery = 16;
/** Key-frame requests cost the sender bandwidth. */
const kKeyFrameEveryMs = 500;

export interface PipeShared {
  readonly engine: FrameEngine;
  readonly webCryptoFrom: { seal: number; open: number };
  now(): number;
  /** The module trapped: its state means nothing any more. */
  trapped(): void;
  /** Told at once what the counters would tell later (LiveKit). */
  readonly watch?: PipeWatch;
}

export interface PipeWatch {
  /** `frame` is as it came. */
  rejected(pipe: Pipe, reason: RejectReason, frame: ArrayBuffer): void;
  /** A later generation of a key opened a frame. */
  ratcheted(pipe: Pipe, keyIndex: number, generation: number): void;
}

/** Who a pipe works for, and what only that stream knows. */
export interface PipeTask {
  info: AttachInfo;
  participant: Participant;
  /** Where the browser names no codec and no payload type is known. */
  codec?: CodecName | undefined;
  /** The kind is not known beforehand: a frame with a type is video. */
  kindFromFrames?: boolean;
  /** Something that lies around the sealed frame: taken off before opening, put on after sealing. */
  wrapping?: ((frame: EncodedFrame, data: ArrayBuffer) => ArrayBuffer) | undefined;
}

export type PipeEnds = Pick<ScriptTransformer, 'readable' | 'writable' | 'sendKeyFrameRequest' | 'generateKeyFrame'>;

const kCodecNames = Object.keys(Codec) as CodecName[];

function codecOfMime(mimeType: string): CodecName {
  const name = mimeType.slice(mimeType.indexOf('/') + 1).toLowerCase();
  return kCodecNames.find((each) => each === name) ?? 'unknown';
}

/** A wish to the browser: whether it grants it shows in the frames. */
function quietly(wish: () => unknown): void {
  try {
    void Promise.resolve(wish()).catch(() => {});
  } catch {
    // Not in this state of the connection.
  }
}

/** The reasons for which video stands still until the next key frame. */
const kStarving: readonly RejectReason[] = ['missingKey', 'authentication'];

export class Pipe {
  counters: TrackCounters;
  #task: PipeTask;
  /** undefined: nobody's at the moment, frames are dropped uncounted. */
  #participant: Participant | undefined;
  readonly #shared: PipeShared;
  readonly #ends: PipeEnds;
  readonly #sealing: boolean;
  #ended = false;
  readonly #sequencer: Sequencer<EncodedFrame>;
  #writer: WritableStreamDefaultWriter<EncodedFrame> | undefined;
  #written: Promise<void> | undefined;
  #mimeType = '';
  #mimeCodec: CodecName = 'unknown';
  #starved = false;
  /** Receiving: `counters.codec` still holds. */
  #codecKnown = false;
  #codecNumber: number = Codec.unknown;
  #keyFrameAskedAt = Number.NEGATIVE_INFINITY;

  constructor(task: PipeTask, shared: PipeShared, ends: PipeEnds) {
    this.#task = task;
    this.#participant = task.participant;
    this.#shared = shared;
    this.#ends = ends;
    this.#sealing = task.info.direction === 'send';
    this.counters = task.participant.counters(task.info);
    task.participant.pipes.add(this);
    this.#sequencer = new Sequencer((frame) => {
      // A stream that ended shows in the read loop.
      this.#writer?.write(frame).catch(() => {});
    });
  }

  get info(): AttachInfo {
    return this.#task.info;
  }
  get wrapping(): PipeTask['wrapping'] {
    return this.#task.wrapping;
  }
  get participant(): Participant | undefined {
    return this.#participant;
  }
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * The stream belongs to another track or member from now on (transceivers are used again), or to nobody. What is still
   * with WebCrypto is dropped. REQUIRES: the same direction.
   */
  assign(task: PipeTask | undefined): void {
    this.#participant?.pipes.delete(this);
    this.#participant = task?.participant;
    if (!task) return;
    this.#task = task;
    this.counters = task.participant.counters(task.info);
    this.#codecKnown = false;
    this.#starved = false;
    if (!this.#ended) task.participant.pipes.add(this);
  }

  /** Runs until the stream ends (transceiver stopped, connection closed). Never rejects. */
  async run(): Promise<void> {
    const { readable, writable } = this.#ends;
    try {
      const reader = readable.getReader();
      const writer = writable.getWriter();
      this.#writer = writer;
      writer.closed.catch(() => {});
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        this.#take(value);
        if (this.#written !== undefined) {
          const written = this.#written;
          this.#written = undefined;
          await written;
        }
        if (!this.#sequencer.idle) await this.#sequencer.below(kMaxWaiting);
      }
    } catch {
      // The browser ended the stream; nothing more can be written to it.
    } finally {
      this.#ended = true;
      this.#participant?.pipes.delete(this);
    }
  }

  /** A key of this sender arrived: if its picture stands still, a key frame gets it going. */
  onReceiveKey(): void {
    if (this.#starved || this.counters.passed === 0) this.#askForKeyFrame();
  }

  /** Our own key changed: whoever gets it late needs a key frame under it. */
  onSendKey(): void {
    if (this.info.kind !== 'video' || this.counters.passed === 0) return;
    quietly(() => this.#ends.generateKeyFrame?.());
  }

  #askForKeyFrame(): void {
    if (this.info.kind !== 'video' || this.#sealing || !this.#ends.sendKeyFrameRequest) return;
    const now = this.#shared.now();
    if (now - this.#keyFrameAskedAt < kKeyFrameEveryMs) return;
    this.#keyFrameAskedAt = now;
    quietly(() => this.#ends.sendKeyFrameRequest?.());
  }

  #take(frame: EncodedFrame): void {
    const counters = this.counters;
    const participant = this.#participant;
    const shared = this.#shared;
    // Somebody else may be counted under these names by now.
    if (participant === undefined || participant.removed) return;
    // The first frames of a track are slow and few: none of them stands for sixteen.
    const timed = (++counters.frames & (kTimedEvery - 1)) === 0;
    const start = shared.now();
    try {
      this.#handle(frame, participant, start);
    } catch (error) {
      this.#broken(error, start);
    }
    if (timed) counters.micros += (shared.now() - start) * 1000 * kTimedEvery;
  }

  #handle(frame: EncodedFrame, participant: Participant, now: number): void {
    const counters = this.counters;
    const { info, kindFromFrames, wrapping } = this.#task;
    if (kindFromFrames) {
      info.kind = frame.type === undefined ? 'audio' : 'video';
      counters.kind = info.kind;
      this.#task.kindFromFrames = false;
    }
    let { data } = frame;
    if (wrapping !== undefined && !this.#sealing) data = wrapping(frame, data);
    const size = data.byteLength;
    counters.bytesIn += size;
    if (size === 0) {
      counters.empty++;
      return;
    }
    const type = this.#type(frame);
    if (this.#sealing) {
      const metadata = frame.getMetadata();
      const name = this.#codec(metadata);
      counters.codec = name;
      const codec = Codec[name];
      const handle = participant.sealerHandle;
      if (handle === 0) {
        this.#reject('missingKey', now, data);
        return;
      }
      const ssrc = metadata.synchronizationSource ?? 0;
      const timestamp = frame.timestamp ?? metadata.rtpTimestamp ?? 0;
      if (size >= this.#shared.webCryptoFrom.seal && participant.sealing < kMaxTickets) {
        if (this.#sealSplit(frame, participant, data, handle, codec, type, ssrc, timestamp, now)) return;
      }
      this.#settle(frame, data, this.#shared.engine.seal(handle, data, codec, type, ssrc, timestamp), now);
    } else {
      if (participant.acceptClear) {
        this.#passUnprotected(frame, data);
        return;
      }
      const handle = participant.openerHandle;
      if (handle === 0) {
        this.#reject('missingKey', now, data);
        return;
      }
      // Asking the browser costs as much as opening a small frame. Another codec starts with a key frame; and whatever was
      // taken for the wrong one does not open, so the next frame is asked again.
      if (type === FrameType.key || !this.#codecKnown) {
        counters.codec = this.#codec(frame.getMetadata());
        this.#codecNumber = Codec[counters.codec];
        this.#codecKnown = counters.codec !== 'unknown';
      }
      const codec = this.#codecNumber;
      if (size >= this.#shared.webCryptoFrom.open && participant.opening < kMaxTickets) {
        if (this.#openSplit(frame, participant, data, handle, codec, type, now)) return;
      }
      this.#settle(frame, data, this.#shared.engine.open(handle, data, codec, type, now), now);
    }
  }

  /** A result of the direct path, behind whatever is in flight. */
  #settle(frame: EncodedFrame, data: ArrayBuffer, output: ArrayBuffer | number, now: number): void {
    if (typeof output === 'number') {
      this.#refuse(output, now, data);
      return;
    }
    const { engine } = this.#shared;
    // Known silence that the server put into a gap is not media of this sender, and no sign of anything when it is dropped.
    if (engine.field(ResultField.injected) !== 0) {
      if (this.#participant?.acceptsInjected) this.#passUnprotected(frame, output);
      else this.counters.empty++;
      return;
    }
    this.#passed(frame, output, engine.field(ResultField.keyIndex), engine.field(ResultField.generation), now);
    this.#write(frame);
  }

  /** Only where the policy says so, and never counted as sealed. */
  #passUnprotected(frame: EncodedFrame, data: ArrayBuffer): void {
    frame.data = data;
    this.counters.unprotected = (this.counters.unprotected ?? 0) + 1;
    this.counters.bytesOut += data.byteLength;
    this.#write(frame);
  }

  /** Behind whatever is in flight. */
  #write(frame: EncodedFrame): void {
    if (this.#sequencer.idle) this.#written = this.#writer?.write(frame);
    else this.#sequencer.push(frame);
  }

  /** true: the frame is taken care of. */
  #sealSplit(
    frame: EncodedFrame,
    participant: Participant,
    data: ArrayBuffer,
    handle: number,
    codec: number,
    type: number,
    ssrc: number,
    timestamp: number,
    now: number,
  ): boolean {
    const { engine } = this.#shared;
    const job = engine.sealSplit(participant, handle, participant.sealKeys, data, codec, type, ssrc, timestamp);
    if (job === undefined) return false;
    if (typeof job === 'number') {
      this.#refuse(job, now, data);
      return true;
    }
    participant.sealing++;
    this.#await(frame, participant, data, job, () => {
      participant.sealing--;
    });
    return true;
  }

  #openSplit(
    frame: EncodedFrame,
    participant: Participant,
    data: ArrayBuffer,
    handle: number,
    codec: number,
    type: number,
    now: number,
  ): boolean {
    const { engine } = this.#shared;
    const job = engine.openSplit(participant, handle, participant.openKeys, data, codec, type);
    if (job === undefined) return false;
    if (typeof job === 'number') {
      // The server's frames are small: the direct path looks at them.
      if (-job === kInjectedFrame) return false;
      this.#refuse(job, now, data);
      return true;
    }
    participant.opening++;
    this.#await(
      frame,
      participant,
      data,
      job.then((result) => {
        if (result !== null) return result;
        // The tag did not verify. A later generation of the key may open it; only the engine may try.
        const opener = participant.openerHandle;
        if (participant.removed || opener === 0) return { output: -1, keyIndex: 0, generation: 0 };
        const output = engine.open(opener, data, codec, type, this.#shared.now());
        const injected = typeof output !== 'number' && engine.field(ResultField.injected) !== 0;
        return {
          output: injected ? -kInjectedFrame : output,
          keyIndex: engine.field(ResultField.keyIndex),
          generation: engine.field(ResultField.generation),
        };
      }),
      () => {
        participant.opening--;
      },
    );
    return true;
  }

  #await(
    frame: EncodedFrame,
    participant: Participant,
    data: ArrayBuffer,
    job: Promise<SplitResult>,
    ended: () => void,
  ): void {
    const place = this.#sequencer.reserve();
    const began = this.#shared.now();
    job
      .then(({ output, keyIndex, generation }) => {
        if (participant.removed || this.#participant !== participant) return null;
        const now = this.#shared.now();
        this.counters.micros += (now - began) * 1000;
        this.counters.viaWebCrypto++;
        if (typeof output !== 'number') {
          this.#passed(frame, output, keyIndex, generation, now);
          return frame;
        }
        this.#refuse(output, now, data);
        return null;
      })
      .catch((error: unknown) => {
        this.#broken(error, this.#shared.now());
        return null;
      })
      .then((outcome) => {
        ended();
        this.#sequencer.settle(place, outcome);
      });
  }

  /** A trap of the module, or a frame that the browser took back. */
  #broken(error: unknown, now: number): void {
    if (typeof WebAssembly !== 'undefined' && error instanceof WebAssembly.RuntimeError) this.#shared.trapped();
    if (this.#participant?.removed === false) countRejected(this.counters, 'internal', now);
  }

  #passed(frame: EncodedFrame, output: ArrayBuffer, keyIndex: number, generation: number, now: number): void {
    const { counters } = this;
    const { wrapping } = this.#task;
    frame.data = wrapping !== undefined && this.#sealing ? wrapping(frame, output) : output;
    if (generation !== counters.generation && generation > 0) this.#shared.watch?.ratcheted(this, keyIndex, generation);
    counters.passed++;
    counters.bytesOut += output.byteLength;
    counters.lastPassedAt = now;
    counters.keyIndex = keyIndex;
    counters.generation = generation;
    if (this.#starved) {
      if (frame.type === 'key') this.#starved = false;
      else this.#askForKeyFrame();
    }
  }

  #refuse(code: number, now: number, data: ArrayBuffer): void {
    if (-code === kEmptyFrame) this.counters.empty++;
    else this.#reject(rejectReason(-code), now, data);
  }

  #reject(reason: RejectReason, now: number, data: ArrayBuffer): void {
    countRejected(this.counters, reason, now);
    this.#codecKnown = false;
    if (!this.#sealing && this.info.kind === 'video' && kStarving.includes(reason)) this.#starved = true;
    this.#shared.watch?.rejected(this, reason, data);
  }

  #type(frame: EncodedFrame): number {
    if (this.info.kind === 'audio') return FrameType.audio;
    if (frame.type === 'key') return FrameType.key;
    return frame.type === 'delta' ? FrameType.delta : FrameType.other;
  }

  /** The browser's own word, else the negotiated payload type, else Opus for sound; nothing is guessed for pictures. */
  #codec({ mimeType, payloadType }: EncodedFrameMetadata): CodecName {
    if (mimeType !== undefined && mimeType !== '') {
      if (mimeType !== this.#mimeType) {
        this.#mimeType = mimeType;
        this.#mimeCodec = codecOfMime(mimeType);
      }
      return this.#mimeCodec;
    }
    const { info, codec } = this.#task;
    const known = payloadType === undefined ? undefined : this.#participant?.codec(info.track, payloadType);
    return known ?? (info.kind === 'audio' ? 'opus' : (codec ?? 'unknown'));
  }
}
