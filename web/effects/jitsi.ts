/**
 * Noise suppression as an effect of lib-jitsi-meet (`JitsiLocalTrack.setEffect`), without importing it: its interface
 * IStreamEffect by shape. `startEffect` is synchronous: the stream it gives is the microphone as it is (or silence, by
 * policy) until the engine runs, and the same track afterwards.
 */
import { type Denoiser, startDenoiser } from './denoiser';
import type { DenoiserOptions } from './types';

/** What of a JitsiLocalTrack is looked at. */
export interface JitsiTrackLike {
  isAudioTrack(): boolean;
}

export class JitsiNoiseSuppression {
  #denoiser: Denoiser | undefined;
  readonly #options: DenoiserOptions;

  constructor(options: DenoiserOptions = {}) {
    this.#options = options;
  }

  /** For strength, profile and events; while it is in use. */
  get denoiser(): Denoiser | undefined {
    return this.#denoiser;
  }

  isEnabled(track: JitsiTrackLike): boolean {
    return track.isAudioTrack();
  }

  startEffect(stream: MediaStream): MediaStream {
    this.stopEffect();
    const [track] = stream.getAudioTracks();
    if (!track) throw new TypeError('The stream has no sound: noise suppression is for microphones.');
    this.#denoiser = startDenoiser(track, this.#options);
    return this.#denoiser.stream;
  }

  stopEffect(): void {
    this.#denoiser?.close();
    this.#denoiser = undefined;
  }
}
