/** Streams and frames that stand for the browser's own, so that a whole worker can be driven without a call. */
import type { EncodedFrame, EncodedFrameMetadata } from '../../../web/media/worker/globals';

export interface FrameShape {
  kind: 'audio' | 'video';
  type: 'audio' | 'key' | 'delta';
  ssrc: number;
  /** Empty where the browser does not tell (Firefox). */
  mimeType: string;
  payloadType: number;
}

export function makeFrame(data: ArrayBuffer, shape: FrameShape, timestamp: number): EncodedFrame {
  const metadata: EncodedFrameMetadata = {
    synchronizationSource: shape.ssrc,
    payloadType: shape.payloadType,
    rtpTimestamp: timestamp,
    ...(shape.mimeType === '' ? {} : { mimeType: shape.mimeType }),
  };
  const frame = { data, timestamp, getMetadata: () => metadata };
  // Audio frames have no `type` at all; LiveKit tells the two kinds apart by that.
  return shape.kind === 'audio' ? frame : { ...frame, type: shape.type };
}

/** One stream into a worker and one out of it. */
export class Line {
  readonly readable: ReadableStream<EncodedFrame>;
  readonly writable: WritableStream<EncodedFrame>;
  /** What arrived, while `keep` is set. */
  arrived: EncodedFrame[] = [];
  keep = false;
  #controller!: ReadableStreamDefaultController<EncodedFrame>;
  #count = 0;
  #target = 0;
  #reached: (() => void) | undefined;
  #waiting: readonly EncodedFrame[] = [];
  #next = 0;

  constructor() {
    this.readable = new ReadableStream<EncodedFrame>({
      start: (controller) => {
        this.#controller = controller;
      },
    });
    this.writable = new WritableStream<EncodedFrame>({
      write: (frame) => {
        if (this.keep) this.arrived.push(frame);
        if (++this.#count === this.#target) this.#reached?.();
        const next = this.#waiting[this.#next++];
        if (next !== undefined) this.#controller.enqueue(next);
      },
    });
  }

  /** Hands all frames over at once; resolves when as many have come out. */
  async back(frames: readonly EncodedFrame[]): Promise<void> {
    await this.send(frames, frames.length);
  }

  /** The same, when only `expected` of them will come out. */
  send(frames: readonly EncodedFrame[], expected: number): Promise<void> {
    this.#count = 0;
    this.#target = expected;
    const done = new Promise<void>((resolve) => {
      this.#reached = resolve;
    });
    for (const frame of frames) this.#controller.enqueue(frame);
    return done;
  }

  /** One frame at a time, as a call brings them: the next one enters when this one has come out. */
  async singly(frames: readonly EncodedFrame[]): Promise<void> {
    this.#waiting = frames;
    this.#next = 1;
    await this.send(frames.slice(0, 1), frames.length);
    this.#waiting = [];
  }
}
