/**
 * Another background for a camera: a track in, a track out.
 *
 * The frames never touch the page where the browser can hand streams to a worker (Chromium); elsewhere (Firefox) the page takes
 * each frame from a video element, sends it to the worker and draws what comes back on a canvas whose stream goes out.
 *
 * Fails closed: the outgoing track is not the camera, at any time but with the type `none`. Until the engine knows where
 * people are it shows a plain colour or a wholly blurred picture; when the worker is gone it shows nothing new.
 *
 * Ownership: the camera stays the caller's; it is not stopped. The outgoing track is ours. Threads: page. Errors: none are
 * thrown; `failed` tells. Cost: docs/background.md.
 */
import { Emitter } from '../../media/emitter';
import { assetUrl, chooseVariant } from '../../media/features';
import { fetchOnce, forget } from '../assets';
import {
  type BackgroundEvents,
  type BackgroundFailure,
  type BackgroundOptions,
  type BackgroundState,
  type BackgroundType,
  type Effort,
  type FromWorker,
  kModels,
  type ModelName,
  type ToWorker,
} from './types';

/** Chromium's ends of a track as streams; not in TypeScript's library. */
interface TrackProcessor {
  readonly readable: ReadableStream<VideoFrame>;
}
interface StreamMakers {
  MediaStreamTrackProcessor?: new (init: { track: MediaStreamTrack; maxBufferSize?: number }) => TrackProcessor;
  MediaStreamTrackGenerator?: new (init: {
    kind: 'video';
  }) => MediaStreamTrack & { readonly writable: WritableStream<VideoFrame> };
}

const kFrameRate = 30;
/** Larger images are made smaller: nobody sees the difference behind somebody. */
const kMostImage = 1920;
/** The worker is asked so often whether it is there, and counts as gone after so many questions without an answer. */
const kAsk = 1000;
const kUnanswered = 3;
/** So often it is started again by itself, and so long after it ended. */
const kRestarts = 3;
const kRestart = 500;

/** How frames get to the worker here. */
export function framePath(): 'streams' | 'canvas' | undefined {
  const { MediaStreamTrackProcessor, MediaStreamTrackGenerator } = globalThis as StreamMakers;
  if (MediaStreamTrackProcessor && MediaStreamTrackGenerator) return 'streams';
  const canvas = typeof HTMLCanvasElement !== 'undefined' && 'captureStream' in HTMLCanvasElement.prototype;
  const video = typeof HTMLVideoElement !== 'undefined' && 'requestVideoFrameCallback' in HTMLVideoElement.prototype;
  return canvas && video && typeof VideoFrame !== 'undefined' ? 'canvas' : undefined;
}

export class Background extends Emitter<BackgroundEvents> {
  readonly #options: BackgroundOptions;
  #source: MediaStreamTrack;
  #type: BackgroundType;
  #state: BackgroundState = 'starting';
  #failure: BackgroundFailure | undefined;
  #effort: Effort = 'full';
  #worker: Worker | undefined;
  #track: MediaStreamTrack | undefined;
  #page: PageFrames | undefined;
  #clock: ReturnType<typeof setInterval> | undefined;
  #restart: ReturnType<typeof setTimeout> | undefined;
  #unanswered = 0;
  #restarts = 0;
  #settled!: () => void;
  /** When it runs or has failed; never rejects. */
  readonly settled = new Promise<void>((resolve) => {
    this.#settled = resolve;
  });

  constructor(source: MediaStreamTrack, options: BackgroundOptions = {}) {
    super();
    this.#source = source;
    this.#options = options;
    this.#type = options.type ?? 'blur-strong';
    this.#build();
  }

  get state(): BackgroundState {
    return this.#state;
  }
  get failure(): BackgroundFailure | undefined {
    return this.#failure;
  }
  get type(): BackgroundType {
    return this.#type;
  }
  /** How much the machine can do. */
  get effort(): Effort {
    return this.#effort;
  }
  /** The camera. */
  get source(): MediaStreamTrack {
    return this.#source;
  }
  /** What to send; undefined where this browser has no way for frames. */
  get track(): MediaStreamTrack | undefined {
    return this.#track;
  }
  /** The camera or the system blurs by itself: twice is a waste. As its track says. */
  get doubled(): boolean {
    const settings = this.#source.getSettings() as MediaTrackSettings & { backgroundBlur?: boolean };
    return this.#type !== 'none' && settings.backgroundBlur === true;
  }

  /** After a failure another try, with the same type as well. */
  setType(type: BackgroundType): void {
    if (this.#state === 'closed' || (this.#type === type && this.#state !== 'failed')) return;
    this.#type = type;
    if (this.#state === 'failed') this.#again();
    else this.#tell({ kind: 'type', type });
    this.emit('change', undefined);
  }

  /** For `image`. Resolves when it is there; false: it cannot be drawn. */
  async setImage(image: ImageBitmapSource): Promise<boolean> {
    this.#options.image = image;
    return this.#sendImage();
  }

  /** Another camera; the outgoing track stays. Nothing of what it sees is shown until people are found. */
  setSource(source: MediaStreamTrack): void {
    if (this.#state === 'closed' || source === this.#source) return;
    this.#source = source;
    if (this.#state === 'failed') {
      this.#again();
      return;
    }
    if (this.#page) {
      this.#tell({ kind: 'cover' });
      this.#page.watch(source);
      return;
    }
    const readable = readableOf(source);
    this.#tell({ kind: 'source', readable }, [readable]);
  }

  /** What is seen may be another place now, e.g. after the camera was off. */
  cover(): void {
    this.#tell({ kind: 'cover' });
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#end();
    this.#track?.stop();
    this.#settled();
    this.emit('change', undefined);
    this.clearListeners();
  }

  #again(): void {
    const before = this.#track;
    this.#end();
    before?.stop();
    this.#track = undefined;
    this.#failure = undefined;
    this.#state = 'starting';
    this.#build();
    this.emit('change', undefined);
  }

  #build(): void {
    const path = framePath();
    const variant = chooseVariant();
    if (!path || variant === 'no-wasm' || variant === 'no-simd') {
      this.#fail('unsupported');
      return;
    }
    const { assets } = this.#options;
    const worker = new Worker(assetUrl('siegel-background-worker.js', assets, import.meta.url), { type: 'module' });
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (worker === this.#worker) this.#hear(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      if (worker === this.#worker) this.#fail(this.#state === 'starting' ? 'module' : 'worker');
    };
    if (path === 'streams') {
      const { MediaStreamTrackGenerator } = globalThis as StreamMakers;
      const generator = new MediaStreamTrackGenerator!({ kind: 'video' });
      this.#track = generator;
      const readable = readableOf(this.#source);
      this.#tell({ kind: 'streams', readable, writable: generator.writable }, [readable, generator.writable]);
    } else {
      const page = new PageFrames(
        this.#options.frameRate ?? kFrameRate,
        (frame) => this.#tell({ kind: 'frame', frame }, [frame]),
        (everyMs) => this.#tell({ kind: 'ticks', everyMs }),
      );
      this.#page = page;
      this.#track = page.track;
      page.watch(this.#source);
    }
    this.#unanswered = 0;
    this.#clock = setInterval(() => {
      // A page that was blocked asks once for all the time, so it does not count that against the worker.
      if (this.#unanswered++ >= kUnanswered) this.#fail('worker');
      else this.#tell({ kind: 'ask' });
    }, kAsk);
    void this.#start(worker, variant === 'simd-relaxed' ? 'relaxed' : 'simd');
  }

  async #start(worker: Worker, variant: 'simd' | 'relaxed'): Promise<void> {
    let module: ArrayBuffer;
    try {
      module = await fetchOnce(this.#url(`siegel-matte-${variant}.wasm`));
    } catch {
      if (worker === this.#worker) this.#fail('module');
      return;
    }
    const models: Partial<Record<ModelName, ArrayBuffer>> = {};
    try {
      for (const name of kModels) models[name] = (await fetchOnce(this.#url(`siegel-matte-${name}.bin`))).slice(0);
    } catch {
      if (worker === this.#worker) this.#fail('model');
    }
    if (worker !== this.#worker) return;
    this.#tell({ kind: 'start', module, models, type: this.#type });
    if (this.#options.image) void this.#sendImage();
  }

  #url(name: string): string {
    return assetUrl(name, this.#options.assets, import.meta.url).href;
  }

  async #sendImage(): Promise<boolean> {
    const { image } = this.#options;
    if (!image) return false;
    try {
      const whole = await createImageBitmap(image);
      const scale = Math.min(1, kMostImage / Math.max(whole.width, whole.height));
      const [width, height] = [whole.width, whole.height].map((length) => Math.max(1, Math.round(length * scale))) as [
        number,
        number,
      ];
      const canvas = document.createElement('canvas');
      canvas.width = width;
      canvas.height = height;
      const context = canvas.getContext('2d', { willReadFrequently: true });
      if (!context) return false;
      context.drawImage(whole, 0, 0, width, height);
      whole.close();
      const { buffer: data } = context.getImageData(0, 0, width, height).data;
      this.#tell({ kind: 'image', width, height, data: data as ArrayBuffer }, [data]);
      return true;
    } catch {
      return false;
    }
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        if (this.#state !== 'starting') return;
        this.#state = 'running';
        this.#settled();
        this.emit('change', undefined);
        return;
      case 'failed':
        // Not what it should have been, e.g. an error page: nothing to be kept.
        if (message.failure === 'module')
          for (const variant of ['simd', 'relaxed']) forget(this.#url(`siegel-matte-${variant}.wasm`));
        if (message.failure === 'model') for (const name of kModels) forget(this.#url(`siegel-matte-${name}.bin`));
        this.#fail(message.failure);
        return;
      case 'frame':
        this.#page?.draw(message.frame);
        return;
      case 'tick':
        this.#page?.take();
        return;
      case 'effort':
        this.#effort = message.to;
        this.emit('effort', { from: message.from, to: message.to });
        this.emit('change', undefined);
        return;
      case 'report': {
        const { kind: _, ...report } = message;
        this.emit('report', report);
        return;
      }
      case 'alive':
        this.#unanswered = 0;
        return;
      case 'ended':
        return;
    }
  }

  #tell(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  /** A frame that could not be used is said and no end: the next one may be. */
  #fail(failure: BackgroundFailure): void {
    if (this.#state === 'closed') return;
    if (failure !== 'frame') {
      this.#failure = failure;
      this.#state = 'failed';
      if (failure === 'worker' || failure === 'module') this.#end();
      if (failure === 'worker' && this.#restarts++ < kRestarts)
        this.#restart = setTimeout(() => this.#again(), kRestart);
      this.#settled();
    }
    this.emit('failed', failure);
    this.emit('change', undefined);
  }

  #end(): void {
    clearInterval(this.#clock);
    clearTimeout(this.#restart);
    this.#page?.close();
    this.#page = undefined;
    this.#tell({ kind: 'close' });
    this.#worker?.terminate();
    this.#worker = undefined;
  }
}

function readableOf(track: MediaStreamTrack): ReadableStream<VideoFrame> {
  const { MediaStreamTrackProcessor } = globalThis as StreamMakers;
  return new MediaStreamTrackProcessor!({ track, maxBufferSize: 1 }).readable;
}

/** Where streams cannot be handed over: frames out of a video element, and onto a canvas. */
class PageFrames {
  readonly track: MediaStreamTrack;
  readonly #video = document.createElement('video');
  readonly #canvas = document.createElement('canvas');
  readonly #context: CanvasRenderingContext2D | null;
  readonly #everyMs: number;
  readonly #send: (frame: VideoFrame) => void;
  readonly #ticks: (everyMs: number) => void;
  readonly #onVisibility = () => this.#clock();
  #closed = false;
  #looking = false;
  #last = 0;

  constructor(frameRate: number, send: (frame: VideoFrame) => void, ticks: (everyMs: number) => void) {
    this.#everyMs = 1000 / frameRate;
    this.#send = send;
    this.#ticks = ticks;
    this.#context = this.#canvas.getContext('2d', { alpha: false });
    // Something to be sent from the beginning: black, and of no size that tells anything.
    this.#canvas.width = 640;
    this.#canvas.height = 360;
    this.track = this.#canvas.captureStream().getVideoTracks()[0] as MediaStreamTrack;
    this.#video.muted = true;
    this.#video.playsInline = true;
    document.addEventListener('visibilitychange', this.#onVisibility);
  }

  watch(track: MediaStreamTrack): void {
    this.#video.srcObject = new MediaStream([track]);
    void this.#video.play().catch(() => {});
    if (!this.#looking) this.#next();
    this.#looking = true;
    this.#clock();
  }

  /** Sends the frame that is shown now, if it is time for one. */
  take(): void {
    const now = performance.now();
    // A little less than the distance of frames, so that none is missed by a hair.
    if (this.#closed || this.#video.readyState < 2 || now - this.#last < 0.7 * this.#everyMs) return;
    this.#last = now;
    let frame: VideoFrame;
    try {
      frame = new VideoFrame(this.#video, { timestamp: Math.round(now * 1000) });
    } catch {
      return; // between two cameras there is none
    }
    this.#send(frame);
  }

  draw(frame: VideoFrame): void {
    const { displayWidth: width, displayHeight: height } = frame;
    if (!this.#closed && this.#context) {
      if (this.#canvas.width !== width) this.#canvas.width = width;
      if (this.#canvas.height !== height) this.#canvas.height = height;
      this.#context.drawImage(frame, 0, 0, width, height);
    }
    frame.close();
  }

  close(): void {
    this.#closed = true;
    document.removeEventListener('visibilitychange', this.#onVisibility);
    this.#video.srcObject = null;
  }

  #next(): void {
    this.#video.requestVideoFrameCallback(() => {
      if (this.#closed) return;
      this.take();
      this.#next();
    });
  }

  /** A page that nobody sees gets no callbacks. */
  #clock(): void {
    this.#ticks(document.hidden ? this.#everyMs : 0);
  }
}

/** Live at once; `settled` resolves when the engine runs or has failed. */
export function startBackground(source: MediaStreamTrack, options: BackgroundOptions = {}): Background {
  return new Background(source, options);
}

/** Resolves when the engine runs or has failed. */
export async function createBackground(source: MediaStreamTrack, options: BackgroundOptions = {}): Promise<Background> {
  const background = new Background(source, options);
  await background.settled;
  return background;
}
