/**
 * A camera's frame in, a frame with another background out. Runs in the worker, and in Node for tests.
 *
 * Fails closed. A frame that the engine cannot work on comes out as a plain colour, never as it went in; so does every frame
 * before the module is there and after it trapped. The only way past all this is the type `none`.
 *
 * Ownership: the frame that goes in is closed, the one that comes out is the caller's. Threads: one frame at a time (`process`
 * is not called again before it has resolved). Errors: none are thrown; `onFailure` says each kind once. Cost: one copy in,
 * one out; nothing else is allocated for a frame by us.
 */
import {
  type BackgroundFailure,
  type BackgroundType,
  type Effort,
  type Judged,
  kEffects,
  kJudged,
  kLayouts,
  kModels,
  type ModelName,
  type StageTimes,
} from './types';

/** Exports of siegel-matte-*.wasm (wasm/matte.cc). */
interface Exports {
  memory: WebAssembly.Memory;
  _initialize?(): void;
  matte_room(size: number): number;
  matte_load(model: number, size: number): number;
  matte_exact(exact: number): void;
  matte_image(width: number, height: number): number;
  matte_open(width: number, height: number): number;
  matte_input(layout: number): number;
  matte_output(): number;
  matte_see(layout: number, fullRange: number, bt709: number, turn: number): number;
  matte_judge(rarely: number): number;
  matte_compose(effect: number): number;
  matte_cover(): void;
  matte_show(width: number, height: number): number;
}

/** Turns and mirroring that newer browsers put beside a frame. */
interface Turned {
  rotation?: number;
  flip?: boolean;
}

export type MakeFrame = (data: Uint8Array<ArrayBuffer>, init: VideoFrameBufferInit & Turned) => VideoFrame;

export interface CoreOptions {
  makeFrame?: MakeFrame;
  now?: () => number;
  onFailure?: (failure: BackgroundFailure) => void;
}

/** Dark grey, and neither red nor blue. */
const kPlain = { luma: 48, chroma: 128 };

const sizeOf = (width: number, height: number) => width * height + 2 * half(width) * half(height);
const half = (length: number) => (length + 1) >> 1;

export class BackgroundCore {
  readonly #makeFrame: MakeFrame;
  readonly #now: () => number;
  readonly #onFailure: (failure: BackgroundFailure) => void;
  readonly #said = new Set<BackgroundFailure>();
  #exports: Exports | undefined;
  #size: readonly [width: number, height: number] = [0, 0];
  #plain: Uint8Array<ArrayBuffer> | undefined;
  #plainSize: readonly [width: number, height: number] = [0, 0];
  readonly times: StageTimes = { take: 0, see: 0, judge: 0, compose: 0, give: 0 };
  /** How the last frame's matte came about. */
  judged: Judged = 'covered';
  type: BackgroundType = 'blur-strong';
  effort: Effort = 'full';

  constructor(options: CoreOptions = {}) {
    this.#makeFrame = options.makeFrame ?? ((data, init) => new VideoFrame(data, init));
    this.#now = options.now ?? (() => performance.now());
    this.#onFailure = options.onFailure ?? (() => {});
  }

  /** Of the last frame that was worked on; 0 x 0 before. */
  get size(): readonly [width: number, height: number] {
    return this.#size;
  }

  /** true: frames can be worked on. Once; models follow. */
  async start(module: BufferSource): Promise<boolean> {
    try {
      const { instance } = await WebAssembly.instantiate(module as BufferSource, {});
      const exports = instance.exports as unknown as Exports;
      exports._initialize?.();
      this.#exports = exports;
      return true;
    } catch {
      this.#fail('module');
      return false;
    }
  }

  /** false: another version, or damaged. Until there is one, all frames are blurred as a whole. */
  load(name: ModelName, bytes: Uint8Array): boolean {
    return this.#guarded(false, (exports) => {
      this.#write(exports, bytes);
      const loaded = exports.matte_load(kModels.indexOf(name), bytes.length) === 0;
      if (!loaded) this.#fail('model');
      return loaded;
    });
  }

  /** Floats throughout, slower; for those who want to compare. */
  exact(on: boolean): void {
    this.#guarded(undefined, (exports) => exports.matte_exact(on ? 1 : 0));
  }

  /** RGBA. false: too large or of another size than it says. Without one, `image` blurs. */
  image(width: number, height: number, rgba: Uint8Array): boolean {
    return this.#guarded(false, (exports) => {
      if (rgba.length !== 4 * width * height) return false;
      this.#write(exports, rgba);
      return exports.matte_image(width, height) === 1;
    });
  }

  /** What is seen may be another place now: nothing of it until the next matte. */
  cover(): void {
    this.#guarded(undefined, (exports) => exports.matte_cover());
  }

  /** Alpha of the last frame, 0..255. For those who want to look. */
  matte(): Uint8Array<ArrayBuffer> | undefined {
    const [width, height] = this.#size;
    return this.#guarded(undefined, (exports) => {
      if (width === 0) return undefined;
      return new Uint8Array(exports.memory.buffer, exports.matte_show(width, height), width * height).slice();
    });
  }

  async process(frame: VideoFrame): Promise<VideoFrame> {
    if (this.type === 'none') return frame;
    try {
      return (await this.#compose(frame)) ?? this.#plainFrame(frame);
    } finally {
      frame.close();
    }
  }

  async #compose(frame: VideoFrame): Promise<VideoFrame | undefined> {
    const exports = this.#exports;
    if (!exports) return undefined;
    const { times } = this;
    const began = this.#now();
    const taken = await this.#take(exports, frame);
    if (!taken) return undefined;
    // The type may have been changed while the frame was copied; what it is now is what counts, except for none: this frame
    // was taken to be hidden.
    const type = this.type === 'none' ? 'blur-strong' : this.type;
    return this.#guarded(undefined, () => {
      const { rect, layout, colors } = taken;
      const took = this.#now();
      const turn = (((frame as Turned).rotation ?? 0) / 90) & 3;
      if (exports.matte_see(layout, colors.fullRange ? 1 : 0, colors.bt709 ? 1 : 0, turn) !== 1) return undefined;
      const saw = this.#now();
      if (this.effort === 'cover') {
        exports.matte_cover();
        this.judged = 'covered';
      } else this.judged = kJudged[exports.matte_judge(this.effort === 'half' ? 1 : 0)] ?? 'covered';
      const judged = this.#now();
      if (exports.matte_compose(kEffects.indexOf(type)) !== 1) return undefined;
      const composed = this.#now();
      const size = sizeOf(rect.width, rect.height);
      const data = new Uint8Array(exports.memory.buffer as ArrayBuffer, exports.matte_output(), size);
      const result = this.#makeFrame(data, this.#init(frame, rect.width, rect.height, layout >= 2));
      const gave = this.#now();
      times.take = took - began;
      times.see = saw - took;
      times.judge = judged - saw;
      times.compose = composed - judged;
      times.give = gave - composed;
      return result;
    });
  }

  /** Copies the visible part of a frame into the engine's memory. */
  async #take(exports: Exports, frame: VideoFrame) {
    const rect = frame.visibleRect ?? { x: 0, y: 0, width: frame.codedWidth, height: frame.codedHeight };
    const [width, height] = this.#size;
    try {
      if (rect.width !== width || rect.height !== height) {
        this.#size = [0, 0];
        if (exports.matte_open(rect.width, rect.height) !== 1) {
          this.#fail('frame');
          return undefined;
        }
        this.#size = [rect.width, rect.height];
      }
    } catch {
      this.#trapped();
      return undefined;
    }
    const native = (frame.format ?? '').replace('X', 'A').replace(/^I420A$/, '');
    // A chroma plane cannot be cut in the middle of a pixel.
    const even = rect.x % 2 === 0 && rect.y % 2 === 0;
    const known = kLayouts.indexOf(native as (typeof kLayouts)[number]);
    // Twice: when the memory grows meanwhile, its view is gone.
    const attempts = known >= 2 || (known >= 0 && even) ? [known, known, 2] : [2, 2];
    for (const layout of attempts) {
      const converted = layout !== known;
      const name = kLayouts[layout] as (typeof kLayouts)[number];
      try {
        const place = exports.matte_input(layout);
        const size = layout < 2 ? sizeOf(rect.width, rect.height) : 4 * rect.width * rect.height;
        await frame.copyTo(new Uint8Array(exports.memory.buffer, place, size), {
          rect,
          layout: planes(name, rect.width, rect.height),
          ...(converted ? ({ format: 'RGBA' } as object) : {}),
        });
        const space = frame.colorSpace;
        return {
          rect,
          layout,
          colors: { fullRange: space?.fullRange === true, bt709: space?.matrix === 'bt709' },
        };
      } catch {
        // The next attempt, if there is one.
      }
    }
    this.#fail('frame');
    return undefined;
  }

  #init(frame: VideoFrame, width: number, height: number, converted: boolean): VideoFrameBufferInit & Turned {
    const { rotation, flip } = frame as Turned;
    const { displayWidth, displayHeight } = frame;
    // What RGBA was turned into (siegel/matte/background.h).
    const space: VideoColorSpaceInit = converted
      ? { matrix: 'smpte170m', primaries: 'smpte170m', transfer: 'smpte170m', fullRange: false }
      : (frame.colorSpace?.toJSON?.() ?? {});
    return {
      format: 'I420',
      codedWidth: width,
      codedHeight: height,
      timestamp: frame.timestamp,
      ...(frame.duration === null ? {} : { duration: frame.duration }),
      ...(displayWidth && displayHeight ? { displayWidth, displayHeight } : {}),
      ...(Object.values(space).some((value) => value !== null && value !== undefined) ? { colorSpace: space } : {}),
      ...(rotation ? { rotation } : {}),
      ...(flip ? { flip } : {}),
    };
  }

  /** As large as the frame, and nothing of it. */
  #plainFrame(frame: VideoFrame): VideoFrame {
    this.judged = 'covered';
    const { width, height } = frame.visibleRect ?? { width: frame.codedWidth, height: frame.codedHeight };
    let data = this.#plain;
    if (!data || this.#plainSize[0] !== width || this.#plainSize[1] !== height) {
      data = new Uint8Array(sizeOf(width, height)).fill(kPlain.chroma);
      data.fill(kPlain.luma, 0, width * height);
      this.#plain = data;
      this.#plainSize = [width, height];
    }
    return this.#makeFrame(data, this.#init(frame, width, height, true));
  }

  #write(exports: Exports, bytes: Uint8Array): void {
    const place = exports.matte_room(bytes.length);
    new Uint8Array(exports.memory.buffer).set(bytes, place);
  }

  #guarded<T>(otherwise: T, work: (exports: Exports) => T): T {
    const exports = this.#exports;
    if (!exports) return otherwise;
    try {
      return work(exports);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) this.#trapped();
      else this.#fail('frame');
      return otherwise;
    }
  }

  /** What is in its memory is nobody's guess: it is not used again. */
  #trapped(): void {
    this.#exports = undefined;
    this.#fail('engine');
  }

  #fail(failure: BackgroundFailure): void {
    if (this.#said.has(failure)) return;
    this.#said.add(failure);
    this.#onFailure(failure);
  }
}

function planes(layout: (typeof kLayouts)[number], width: number, height: number): PlaneLayout[] {
  const [across, luma] = [half(width), width * height];
  switch (layout) {
    case 'I420':
      return [
        { offset: 0, stride: width },
        { offset: luma, stride: across },
        { offset: luma + across * half(height), stride: across },
      ];
    case 'NV12':
      return [
        { offset: 0, stride: width },
        { offset: luma, stride: 2 * across },
      ];
    default:
      return [{ offset: 0, stride: 4 * width }];
  }
}
