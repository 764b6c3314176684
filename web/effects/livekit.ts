/**
 * Noise suppression as a processor of livekit-client (`LocalAudioTrack.setProcessor`), without importing it: its interface
 * TrackProcessor<Track.Kind.Audio> by shape. Survives device changes (`restart`); muting is livekit-client's own, on the
 * microphone. Uses an audio context of its own, so `webAudioMix` is not needed, only what setProcessor asks for.
 */
import type { Denoiser } from './denoiser';
import { createDenoiser } from './denoiser';
import type { DenoiserOptions } from './types';

/** What livekit-client hands over; more is not looked at. */
export interface LiveKitProcessorOptions {
  readonly track: MediaStreamTrack;
}

export class LiveKitNoiseSuppression {
  readonly name = 'siegel-noise-suppression';
  processedTrack?: MediaStreamTrack;
  #denoiser: Denoiser | undefined;
  readonly #options: DenoiserOptions;

  constructor(options: DenoiserOptions = {}) {
    this.#options = options;
  }

  /** For strength, profile and events; while it is in use. */
  get denoiser(): Denoiser | undefined {
    return this.#denoiser;
  }

  async init({ track }: LiveKitProcessorOptions): Promise<void> {
    this.#denoiser?.close();
    const denoiser = await createDenoiser(track, this.#options);
    this.#denoiser = denoiser;
    this.processedTrack = denoiser.track;
  }

  async restart({ track }: LiveKitProcessorOptions): Promise<void> {
    const denoiser = this.#denoiser;
    if (!denoiser) return this.init({ track });
    denoiser.setSource(track);
    this.processedTrack = denoiser.track;
  }

  async destroy(): Promise<void> {
    this.#denoiser?.close();
    this.#denoiser = undefined;
    delete this.processedTrack;
  }
}
