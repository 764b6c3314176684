/**
 * The worker's side: takes frames from a stream or one by one, has them worked on, gives them on. Without the browser's worker
 * around it, for tests; background_worker.ts is that.
 *
 * The newest frame wins: while one is worked on the camera's stream keeps only the last one, and of frames that come as
 * messages all but the last are closed.
 */
import { BackgroundCore, type CoreOptions } from './core';
import { EffortWatch } from './effort';
import { type BackgroundReport, type FromWorker, kModels, type StageTimes, type ToWorker } from './types';

const kReport = 500;
const kStages = ['take', 'see', 'judge', 'compose', 'give'] as const satisfies readonly (keyof StageTimes)[];

export type Post = (message: FromWorker, transfer?: Transferable[]) => void;

export class BackgroundWorker {
  readonly #core: BackgroundCore;
  readonly #post: Post;
  readonly #now: () => number;
  readonly #watch = new EffortWatch();
  #closed = false;
  #starting: Promise<void> = Promise.resolve();
  #reader: ReadableStreamDefaultReader<VideoFrame> | undefined;
  #writer: WritableStreamDefaultWriter<VideoFrame> | undefined;
  #waiting: VideoFrame | undefined;
  #busy = false;
  #ticks: ReturnType<typeof setInterval> | undefined;
  #reported: number | undefined;
  #frames = 0;
  #covered = 0;
  readonly #sums: StageTimes = { take: 0, see: 0, judge: 0, compose: 0, give: 0 };

  constructor(post: Post, options: Omit<CoreOptions, 'onFailure'> = {}) {
    this.#post = post;
    this.#now = options.now ?? (() => performance.now());
    this.#core = new BackgroundCore({ ...options, onFailure: (failure) => post({ kind: 'failed', failure }) });
  }

  async onMessage(message: ToWorker): Promise<void> {
    switch (message.kind) {
      case 'start':
        this.#starting = this.#start(message);
        return this.#starting;
      case 'type':
        // What comes after `none` is not what was seen before it.
        if (this.#core.type === 'none') this.#core.cover();
        this.#core.type = message.type;
        return;
      case 'image':
        await this.#starting;
        this.#core.image(message.width, message.height, new Uint8Array(message.data));
        return;
      case 'cover':
        this.#core.cover();
        return;
      case 'streams':
        this.#writer = (message.writable as WritableStream<VideoFrame>).getWriter();
        return this.#pump(message.readable as ReadableStream<VideoFrame>);
      case 'source':
        return this.#pump(message.readable as ReadableStream<VideoFrame>);
      case 'ticks':
        clearInterval(this.#ticks);
        if (message.everyMs > 0) this.#ticks = setInterval(() => this.#post({ kind: 'tick' }), message.everyMs);
        return;
      case 'frame':
        return this.#frame(message.frame);
      case 'ask':
        this.#post({ kind: 'alive' });
        return;
      case 'close':
        return this.#close();
    }
  }

  async #start({ module, models, type }: ToWorker & { kind: 'start' }): Promise<void> {
    this.#core.type = type;
    if (!(await this.#core.start(module))) return;
    for (const name of kModels) {
      const bytes = models[name];
      if (bytes) this.#core.load(name, new Uint8Array(bytes));
    }
    this.#post({ kind: 'ready' });
  }

  /** Until this stream ends or another one takes its place. */
  async #pump(readable: ReadableStream<VideoFrame>): Promise<void> {
    const before = this.#reader;
    const reader = readable.getReader();
    this.#reader = reader;
    if (before) {
      this.#core.cover();
      await before.cancel().catch(() => {});
    }
    const writer = this.#writer;
    const current = () => !this.#closed && this.#reader === reader && writer !== undefined;
    try {
      while (current()) {
        const { value, done } = await reader.read();
        if (done) break;
        const result = await this.#work(value);
        if (current()) await writer?.write(result);
        else result.close();
      }
    } catch {
      // One of the ends is gone: the camera, or whoever watched.
      await reader.cancel().catch(() => {});
    }
    if (this.#reader !== reader || this.#closed) return;
    this.#reader = undefined;
    this.#post({ kind: 'ended' });
  }

  async #frame(frame: VideoFrame): Promise<void> {
    this.#waiting?.close();
    this.#waiting = frame;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#waiting && !this.#closed) {
      const next: VideoFrame = this.#waiting;
      this.#waiting = undefined;
      const result = await this.#work(next);
      if (this.#closed) result.close();
      else this.#post({ kind: 'frame', frame: result }, [result]);
    }
    this.#busy = false;
  }

  async #work(frame: VideoFrame): Promise<VideoFrame> {
    const began = this.#now();
    const result = await this.#core.process(frame);
    const now = this.#now();
    if (this.#core.type === 'none') return result;
    const step = this.#watch.add(now - began, now);
    if (step) {
      this.#core.effort = step.to;
      this.#post({ kind: 'effort', ...step });
    }
    this.#count(now);
    return result;
  }

  #count(now: number): void {
    ++this.#frames;
    if (this.#core.judged === 'covered') ++this.#covered;
    for (const stage of kStages) this.#sums[stage] += this.#core.times[stage];
    this.#reported ??= now;
    if (now - this.#reported < kReport) return;
    const [width, height] = this.#core.size;
    const times = { ...this.#sums };
    for (const stage of kStages) times[stage] /= this.#frames;
    const report: BackgroundReport = { frames: this.#frames, covered: this.#covered, times, width, height };
    this.#post({ kind: 'report', ...report });
    this.#reported = now;
    this.#frames = 0;
    this.#covered = 0;
    for (const stage of kStages) this.#sums[stage] = 0;
  }

  async #close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#ticks);
    this.#waiting?.close();
    this.#waiting = undefined;
    await Promise.allSettled([this.#reader?.cancel(), this.#writer?.abort()]);
  }
}
