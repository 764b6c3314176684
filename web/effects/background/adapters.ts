/**
 * Backgrounds as a processor of livekit-client (`LocalVideoTrack.setProcessor`) and as an effect of lib-jitsi-meet
 * (`JitsiLocalTrack.setEffect`), without importing either: their interfaces TrackProcessor<Track.Kind.Video> and IStreamEffect by
 * shape. Both give a track at once that shows nothing of the room until the engine knows where people are.
 */
import { type Background, startBackground } from './background';
import type { BackgroundOptions } from './types';

export class LiveKitBackground {
  readonly name = 'siegel-background';
  processedTrack?: MediaStreamTrack;
  #background: Background | undefined;
  readonly #options: BackgroundOptions;

  constructor(options: BackgroundOptions = {}) {
    this.#options = options;
  }

  /** For type, image and events; while it is in use. */
  get background(): Background | undefined {
    return this.#background;
  }

  async init({ track }: { readonly track: MediaStreamTrack }): Promise<void> {
    this.#background?.close();
    const background = startBackground(track, this.#options);
    this.#background = background;
    this.#publish();
    // A worker that was started again gives another track.
    background.on('change', () => this.#publish());
    if (!background.track) throw new TypeError('Backgrounds cannot be shown in this browser.');
  }

  async restart({ track }: { readonly track: MediaStreamTrack }): Promise<void> {
    const background = this.#background;
    if (!background) return this.init({ track });
    background.setSource(track);
    this.#publish();
  }

  async destroy(): Promise<void> {
    this.#background?.close();
    this.#background = undefined;
    delete this.processedTrack;
  }

  #publish(): void {
    const track = this.#background?.track;
    if (track) this.processedTrack = track;
  }
}

export class JitsiBackground {
  #background: Background | undefined;
  readonly #options: BackgroundOptions;

  constructor(options: BackgroundOptions = {}) {
    this.#options = options;
  }

  /** For type, image and events; while it is in use. */
  get background(): Background | undefined {
    return this.#background;
  }

  /** Cameras, not shared screens. */
  isEnabled(track: { isVideoTrack(): boolean; readonly videoType?: string }): boolean {
    return track.isVideoTrack() && track.videoType !== 'desktop';
  }

  startEffect(stream: MediaStream): MediaStream {
    this.stopEffect();
    const [camera] = stream.getVideoTracks();
    if (!camera) throw new TypeError('The stream has no picture: backgrounds are for cameras.');
    this.#background = startBackground(camera, this.#options);
    const { track } = this.#background;
    if (!track) {
      this.stopEffect();
      throw new TypeError('Backgrounds cannot be shown in this browser.');
    }
    return new MediaStream([track]);
  }

  stopEffect(): void {
    this.#background?.close();
    this.#background = undefined;
  }
}
