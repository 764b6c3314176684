/**
 * Backgrounds behind people: what pages use, and what page and worker say to each other. No logic.
 *
 * Nothing of the room is sent until the engine has said where people are: until then, and after every failure, frames are
 * blurred as a whole or a plain colour. Only `none` sends the camera as it is, and that is a choice.
 */

export type BackgroundType = 'none' | 'blur-light' | 'blur-strong' | 'image';

/** Index is the number in siegel/matte/compositor.h (Effect); a test compares both. */
export const kEffects = ['blur-light', 'blur-strong', 'image'] as const satisfies readonly BackgroundType[];

/** Index is the number in siegel/matte/segmenter.h (Model). */
export const kModels = ['landscape', 'square'] as const;
export type ModelName = (typeof kModels)[number];

/** Index is the number in siegel/matte/background.h (Judged). */
export const kJudged = ['covered', 'fresh', 'reused'] as const;
export type Judged = (typeof kJudged)[number];

/** Index is the number in siegel/matte/background.h (Layout). */
export const kLayouts = ['I420', 'NV12', 'RGBA', 'BGRA'] as const;

export type BackgroundFailure =
  | 'unsupported' // this browser has no way for frames, or no WebAssembly with SIMD
  | 'module' // worker or module could not be fetched or compiled
  | 'model' // the model could not be fetched, or is of another version
  | 'engine' // it trapped
  | 'frame' // a frame of a kind that cannot be used
  | 'worker'; // it ended or does not answer

/** What one frame took, in milliseconds. */
export interface StageTimes {
  /** Out of the browser's frame. */
  take: number;
  /** Small planes and the model's picture. */
  see: number;
  /** The network and the matte. */
  judge: number;
  compose: number;
  /** Into a frame of the browser's. */
  give: number;
}

/** How much work there is for a frame; each step down is less. */
export const kEfforts = ['full', 'half', 'cover'] as const;
/** `full`: the network sees each frame; `half`: every second one; `cover`: none, the whole frame is blurred. */
export type Effort = (typeof kEfforts)[number];

/** Twice a second. */
export interface BackgroundReport {
  frames: number;
  /** Frames of the last half second that were blurred as a whole, because nobody knew where people are. */
  covered: number;
  /** Means of the last half second. */
  times: StageTimes;
  width: number;
  height: number;
}

export type ToWorker =
  | { kind: 'start'; module: ArrayBuffer; models: Partial<Record<ModelName, ArrayBuffer>>; type: BackgroundType }
  | { kind: 'type'; type: BackgroundType }
  | { kind: 'image'; width: number; height: number; data: ArrayBuffer }
  /** Chromium: the camera's frames and where they go. */
  | { kind: 'streams'; readable: ReadableStream; writable: WritableStream }
  /** Chromium: another camera; where its frames go stays. */
  | { kind: 'source'; readable: ReadableStream }
  /** Others: one frame; one comes back. */
  | { kind: 'frame'; frame: VideoFrame }
  /** What is seen may be another place now. */
  | { kind: 'cover' }
  /** A page that is not seen has no callback for a frame: say `tick` so often instead. 0: no more. */
  | { kind: 'ticks'; everyMs: number }
  /** Answered by `alive`. */
  | { kind: 'ask' }
  | { kind: 'close' };

export type FromWorker =
  | { kind: 'ready' }
  | { kind: 'failed'; failure: BackgroundFailure }
  | { kind: 'frame'; frame: VideoFrame }
  | { kind: 'effort'; from: Effort; to: Effort }
  /** The camera's stream is at its end. */
  | { kind: 'ended' }
  | { kind: 'tick' }
  | { kind: 'alive' }
  | ({ kind: 'report' } & BackgroundReport);

// Of the page ---------------------------------------------------------------------------------------------------------------

/**
 * - `starting`: module or model are on their way; what comes out is a plain colour.
 * - `running`: frames go through the engine. Whether people were found: the reports' `covered`.
 * - `failed`: nothing comes out but a plain colour, a blurred picture, or nothing at all; see `failure`. A worker that ended is
 *   started again by itself, three times at most; setSource and setType try again, too. `track` is another one then.
 */
export type BackgroundState = 'starting' | 'running' | 'failed' | 'closed';

export interface BackgroundOptions {
  /** Default: blur-strong. */
  type?: BackgroundType;
  /** For `image`: anything that can be drawn; its pixels stay on this device. */
  image?: ImageBitmapSource;
  /** Folder of worker, module and models. Default: `assets` beside the folder of this module. */
  assets?: string | URL;
  /** Frames a second at most where the page makes them (Firefox). Default: 30. */
  frameRate?: number;
}

export interface BackgroundEvents {
  /** `state`, `failure`, `type`, `effort` or `track` changed. */
  change: undefined;
  failed: BackgroundFailure;
  effort: { from: Effort; to: Effort };
  report: BackgroundReport;
}
