/**
 * Noise suppression in the browser: what pages use (Denoiser), and what page and worklet say to each other. No logic.
 *
 * Source of the profiles: docs/denoise.md.
 */

/** `hq` DeepFilterNet3, `eco` RNNoise 0.2, `off` original sound: nothing is taken away, only the delay stays. */
export type DenoiseProfile = 'off' | 'eco' | 'hq';

/** Index is the number in siegel/denoise/denoiser.h; a test compares both. */
export const kProfiles: readonly DenoiseProfile[] = ['off', 'eco', 'hq'];

export type DenoiseFailure =
  | 'unsupported' // no AudioWorklet, no WebAssembly with SIMD
  | 'module' // worklet or module could not be fetched or compiled
  | 'weights' // the weights could not be fetched, or are of another version
  | 'rate' // a sampling rate that is none
  | 'engine' // it trapped
  | 'silent' // the browser's audio does not run, so nothing would come out
  | 'stalled'; // it ran and came to a halt

/**
 * - `starting`: module or weights are on their way. What comes out until then is `onFailure`'s business, too.
 * - `running`: the sound went through the engine. Which profile: Denoiser.running, as the engine says.
 * - `raw`: failed; the microphone as it is, with the browser's own suppression where it can be had.
 * - `muted`: failed; silence.
 */
export type DenoiseState = 'starting' | 'running' | 'raw' | 'muted' | 'closed';

export interface DenoiserOptions {
  /** What is wanted; the machine may not do it (event `step`). Default: hq. */
  profile?: DenoiseProfile;
  /** At most so many dB are taken away, 0 and more. Default: no limit. */
  strength?: number | 'full';
  /** What others hear when it fails, and until it runs: the raw microphone, or nothing. Either is an event. Default: raw. */
  onFailure?: 'raw' | 'mute';
  /** Folder of the worklet, the module and the weights. Default: `assets` beside the folder of this module. */
  assets?: string | URL;
  /** Audio context to use, which stays open afterwards. Default: one of its own. */
  context?: AudioContext;
  /** Share of the time of a core that it may take before it steps down. Default: 0.15. */
  budget?: number;
}

/** Ten times a second. */
export interface DenoiseReport {
  /** RMS of the loudest frame since the last report, after suppression, dBFS. */
  level: number;
  /** How likely somebody spoke, 0..1: the most since the last report. */
  voice: number;
  /** Of the time of a core, 0..1. */
  share: number;
}

export type StepReason =
  | 'slow' // it took more than the budget
  | 'late' // sound came late, and it has a part in that
  | 'recovered';

export interface DenoiserEvents {
  /** `state`, `running`, `failure` or `track` changed. */
  change: undefined;
  /** The machine was too slow for the wanted profile, or is fast enough again. */
  step: { from: DenoiseProfile; to: DenoiseProfile; reason: StepReason };
  /** It failed. The state says what others hear now. */
  failed: DenoiseFailure;
  report: DenoiseReport;
}

// Between page and worklet -----------------------------------------------------------------------------------------------

export const kWorkletName = 'siegel-denoise';

export interface WorkletOptions {
  /** siegel-denoise.wasm */
  module: ArrayBuffer;
  budget: number;
  onFailure: 'raw' | 'mute';
}

export type ToWorklet =
  | { kind: 'weights'; profile: DenoiseProfile; bytes: ArrayBuffer }
  | { kind: 'choose'; profile: DenoiseProfile }
  | { kind: 'limit'; decibels: number }
  /** Another microphone: begins anew. */
  | { kind: 'anew' }
  | { kind: 'close' };

export type FromWorklet =
  | { kind: 'ready' }
  | { kind: 'failed'; failure: DenoiseFailure }
  | { kind: 'loaded'; profile: DenoiseProfile }
  /** What is heard changed. `delay` in samples of the context. */
  | { kind: 'running'; profile: DenoiseProfile; delay: number }
  | { kind: 'step'; from: DenoiseProfile; to: DenoiseProfile; reason: StepReason }
  | ({ kind: 'report' } & DenoiseReport);
