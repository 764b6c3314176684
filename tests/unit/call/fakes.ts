/** Stand-ins for what browsers and engines give to LocalMedia. */

export class FakeTrack extends EventTarget {
  enabled = true;
  readyState = 'live';
  settings: MediaTrackSettings;
  applied: MediaTrackConstraints[] = [];
  /** The browser keeps its own suppression, whatever it is asked. */
  stubborn = false;
  constructor(
    readonly id: string,
    readonly kind: 'audio' | 'video',
  ) {
    super();
    this.settings = { deviceId: id };
  }
  stop(): void {
    this.readyState = 'ended';
  }
  getSettings(): MediaTrackSettings {
    return this.settings;
  }
  async applyConstraints(wish: MediaTrackConstraints): Promise<void> {
    this.applied.push(wish);
    if (!this.stubborn) this.settings = { ...this.settings, noiseSuppression: wish.noiseSuppression === true };
  }
}

export class FakeStream {
  constructor(readonly tracks: FakeTrack[] = []) {}
  getTracks = () => this.tracks;
  getAudioTracks = () => this.tracks.filter(({ kind }) => kind === 'audio');
  getVideoTracks = () => this.tracks.filter(({ kind }) => kind === 'video');
}

/** What an engine tells; one listener of each kind is enough here. */
export class FakeEngine {
  readonly #listeners = new Map<string, (event: never) => void>();
  closed = false;
  on(kind: string, listener: (event: never) => void): () => void {
    this.#listeners.set(kind, listener);
    return () => {};
  }
  tell(kind: string, event: unknown): void {
    this.#listeners.get(kind)?.(event as never);
  }
  close(): void {
    this.closed = true;
  }
}
