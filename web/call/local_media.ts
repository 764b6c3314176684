/**
 * This person's camera, microphone and screen, with noise suppression and another background. Nothing is opened until a method
 * is called from a click; turning the camera off or leaving stops the track, so that the lamp goes out. Muting keeps the
 * microphone open and disables its track (the others get silence), because opening it anew takes a second; the engine goes on
 * listening, here, so that it can tell who talks while muted.
 *
 * With a background chosen the camera itself is never what `camera` is, whatever fails: it is what the engine makes of it, a plain
 * colour, or nothing. Turned on, or another one chosen, it is covered until the engine knows where people are.
 *
 * Ownership: owns its tracks; others may add them to senders and elements but not stop them. Errors: a MediaProblem, as
 * return value; never an exception.
 */
import {
  type Background,
  type BackgroundImage,
  type BackgroundReport,
  type BackgroundType,
  type DenoiseReport,
  type Denoiser,
  startBackground,
  startDenoiser,
} from '../effects';
import { Emitter } from './emitter';

/** Why a device cannot be had; each has a text in web/ui/i18n. */
export type MediaProblem =
  | 'denied' // by the person or a policy
  | 'denied-by-system' // the operating system does not let the browser
  | 'missing' // there is none
  | 'busy' // another program has it, or it failed
  | 'insecure' // no https: the browser hides the interface
  | 'cancelled' // the screen picker was closed
  | 'no-background'; // this browser cannot change what is behind people, and the person wants it changed

export type DeviceKind = 'audioinput' | 'videoinput' | 'audiooutput';

export interface DeviceChoice {
  id: string;
  /** Empty until a permission was given. */
  label: string;
}

/** Who takes noise away: our engine, nobody (music), or the browser as it always did. */
export type NoiseMode = 'suppress' | 'original' | 'browser';

/**
 * - `reduced`, `paused`: the machine is too slow for the best profile, or for any.
 * - `restored`: it is fast enough again, or works again.
 * - `failed`: it does not run; the microphone is sent as it is.
 */
export type NoiseNotice = 'reduced' | 'paused' | 'restored' | 'failed';

/**
 * - `reduced`: the machine is busy; people are looked for in every second frame only.
 * - `covered`: it is too busy to look for people; the whole picture is blurred.
 * - `restored`: it is fast enough again.
 * - `failed`: it does not run; others see a blurred picture or a plain colour.
 */
export type BackgroundNotice = 'reduced' | 'covered' | 'restored' | 'failed';

export interface LocalMediaOptions {
  /** Default: none. */
  background?: BackgroundType;
  /** Default: suppress. */
  noise?: NoiseMode;
  /** Folder of the worklet, its module and the weights; see DenoiserOptions. */
  assets?: string | URL;
}

export interface LocalMediaEvents {
  /** Any of the properties changed. */
  change: undefined;
  /**
   * A device in use was unplugged or taken away, and no other could take its place; for a screen: the sharing was ended
   * elsewhere than here, by the browser's own control or because the window is gone.
   */
  lost: 'microphone' | 'camera' | 'screen';
  noise: NoiseNotice;
  background: BackgroundNotice;
  /** Somebody speaks, and nobody hears it. At most every `kRemindMs`. */
  talkingMuted: undefined;
}

/** `?noise=` of an address: what whoever embeds or links to a page wants at first. */
export function noiseFromAddress(search: string): NoiseMode {
  const wish = new URLSearchParams(search).get('noise');
  return wish === 'original' || wish === 'browser' ? wish : 'suppress';
}

/** `?background=` of an address, likewise. */
export function backgroundFromAddress(search: string): BackgroundType {
  const wish = new URLSearchParams(search).get('background');
  return wish === 'blur-light' || wish === 'blur-strong' ? wish : 'none';
}

const kRemindMs = 20_000;
/** Reports in a row with a voice that is near. */
const kTalks = 4;
const kVoice = 0.8;
const kVoiceLevel = -45;
/** What is felt as silence, and as loud. */
const kQuietest = -60;
const kLoudest = -10;

export class LocalMedia extends Emitter<LocalMediaEvents> {
  /** From the device. */
  #raw: MediaStreamTrack | undefined;
  /** What is sent: the same, or what the denoiser makes of it. */
  #microphone: MediaStreamTrack | undefined;
  #denoiser: Denoiser | undefined;
  #report: DenoiseReport | undefined;
  #noise: NoiseMode;
  #strength: number | 'full' = 'full';
  readonly #assets: string | URL | undefined;
  #talks = 0;
  #reminded = Number.NEGATIVE_INFINITY;
  /** From the device. */
  #rawCamera: MediaStreamTrack | undefined;
  /** What is sent: the same where no background is chosen, else what the engine makes of it. */
  #camera: MediaStreamTrack | undefined;
  #behind: Background | undefined;
  #background: BackgroundType;
  #image: BackgroundImage | undefined;
  #ownImage: BackgroundImage | undefined;
  #seen: BackgroundReport | undefined;
  #screen: MediaStream | undefined;
  #muted = false;
  #closed = false;
  #chosen: Partial<Record<DeviceKind, string>> = {};
  #devices: Record<DeviceKind, DeviceChoice[]> = { audioinput: [], videoinput: [], audiooutput: [] };
  #cameraStream: MediaStream | undefined;
  #microphoneStream: MediaStream | undefined;
  readonly #onDeviceChange = () => void this.refreshDevices();

  constructor({ noise = 'suppress', background = 'none', assets }: LocalMediaOptions = {}) {
    super();
    this.#background = background;
    this.#noise = noise;
    this.#assets = assets;
    navigator.mediaDevices?.addEventListener('devicechange', this.#onDeviceChange);
  }

  /** What others hear; after noise suppression. */
  get microphone(): MediaStreamTrack | undefined {
    return this.#microphone;
  }
  /** What the device hears. For "hear yourself" only: never to be sent. */
  get rawMicrophone(): MediaStreamTrack | undefined {
    return this.#raw;
  }
  /** What others see; with the chosen background. */
  get camera(): MediaStreamTrack | undefined {
    return this.#camera;
  }
  get screenVideo(): MediaStreamTrack | undefined {
    return this.#screen?.getVideoTracks()[0];
  }
  get screenAudio(): MediaStreamTrack | undefined {
    return this.#screen?.getAudioTracks()[0];
  }
  /** For previews and meters; the same object as long as the track is the same. */
  get cameraStream(): MediaStream | undefined {
    return this.#cameraStream;
  }
  get microphoneStream(): MediaStream | undefined {
    return this.#microphoneStream;
  }
  get screenStream(): MediaStream | undefined {
    return this.#screen;
  }
  /** Microphone open and not muted. */
  get talking(): boolean {
    return this.#microphone !== undefined && !this.#muted;
  }
  get muted(): boolean {
    return this.#muted;
  }
  get noise(): NoiseMode {
    return this.#noise;
  }
  /** At most so many dB are taken away. */
  get noiseStrength(): number | 'full' {
    return this.#strength;
  }
  /** While the microphone is open and the mode needs it. What is really going on: its `state` and `running`. */
  get denoiser(): Denoiser | undefined {
    return this.#denoiser;
  }
  get background(): BackgroundType {
    return this.#background;
  }
  /** For `image`; what setBackground was given last. */
  get backgroundImage(): BackgroundImage | undefined {
    return this.#image;
  }
  /** The person's own picture, if there was one, so that they need not look for it again. */
  get ownImage(): BackgroundImage | undefined {
    return this.#ownImage;
  }
  /** Folder of what effects need. */
  get assets(): string | URL | undefined {
    return this.#assets;
  }
  /** While the camera is on with a background. What is really going on: its `state`, `failure` and `effort`. */
  get backgroundEngine(): Background | undefined {
    return this.#behind;
  }
  /** The whole picture is blurred at the moment, because nobody knows where people are. Undefined: not known yet. */
  get covered(): boolean | undefined {
    return this.#seen && this.#seen.covered > 0;
  }
  /** 0 to 1, roughly as loudness is felt, after suppression. Undefined: not measured by the engine. */
  get loudness(): number | undefined {
    const level = this.#report?.level;
    return level === undefined ? undefined : Math.min(1, Math.max(0, (level - kQuietest) / (kLoudest - kQuietest)));
  }
  /** The engine hears a voice. Undefined: it does not look. */
  get speaking(): boolean | undefined {
    const report = this.#denoiser?.running === 'off' ? undefined : this.#report;
    return report && report.voice > kVoice && report.level > kVoiceLevel;
  }
  get devices(): Readonly<Record<DeviceKind, DeviceChoice[]>> {
    return this.#devices;
  }
  /** Id of the device in use, or chosen for later. */
  chosen(kind: DeviceKind): string {
    const track = kind === 'audioinput' ? this.#raw : kind === 'videoinput' ? this.#rawCamera : undefined;
    return track?.getSettings().deviceId ?? this.#chosen[kind] ?? '';
  }

  /** Camera and microphone with one question; falls back to one of them when only one can be had. */
  async openBoth(): Promise<{ microphone?: MediaProblem; camera?: MediaProblem }> {
    const stream = await this.#get({ audio: this.#audioWish(), video: this.#videoWish() });
    if (typeof stream === 'string') {
      if (stream === 'insecure') return { microphone: stream, camera: stream };
      const microphone = await this.openMicrophone();
      const camera = await this.openCamera();
      return { ...(microphone ? { microphone } : {}), ...(camera ? { camera } : {}) };
    }
    this.#setMicrophone(stream.getAudioTracks()[0]);
    const camera = this.#setCamera(stream.getVideoTracks()[0]);
    await this.refreshDevices();
    return camera ? { camera } : {};
  }

  async openMicrophone(deviceId?: string): Promise<MediaProblem | undefined> {
    if (deviceId) this.#chosen.audioinput = deviceId;
    const stream = await this.#get({ audio: this.#audioWish() });
    if (typeof stream === 'string') return stream;
    this.#setMicrophone(stream.getAudioTracks()[0]);
    await this.refreshDevices();
    return undefined;
  }

  setMuted(muted: boolean): void {
    this.#muted = muted;
    this.#talks = 0;
    if (this.#denoiser) {
      this.#denoiser.setMuted(muted);
      if (this.#raw && !muted) this.#raw.enabled = true;
    } else if (this.#raw) this.#raw.enabled = !muted;
    this.#changed();
  }

  /** Takes effect at once; where the browser does not let go of its own suppression, the microphone is opened anew. */
  async setNoise(mode: NoiseMode): Promise<MediaProblem | undefined> {
    if (mode === this.#noise) return undefined;
    this.#noise = mode;
    const track = this.#raw;
    if (!track) {
      this.#changed();
      return undefined;
    }
    this.#treat(track);
    this.#adopt();
    await track.applyConstraints(this.#audioWish()).catch(() => {});
    const wanted = mode === 'browser';
    if (this.#raw !== track || this.#noise !== mode) return undefined;
    if ((track.getSettings().noiseSuppression ?? wanted) === wanted) return undefined;
    return this.openMicrophone(track.getSettings().deviceId);
  }

  setNoiseStrength(strength: number | 'full'): void {
    this.#strength = strength;
    this.#denoiser?.setStrength(strength);
    this.#changed();
  }

  closeMicrophone(): void {
    this.#setMicrophone(undefined);
  }

  async openCamera(deviceId?: string): Promise<MediaProblem | undefined> {
    if (deviceId) this.#chosen.videoinput = deviceId;
    // Some phones refuse a second camera while the first is open.
    if (deviceId && this.#rawCamera) this.#rawCamera.stop();
    const stream = await this.#get({ video: this.#videoWish() });
    if (typeof stream === 'string') {
      if (this.#rawCamera?.readyState === 'ended') this.#setCamera(undefined);
      return stream;
    }
    const problem = this.#setCamera(stream.getVideoTracks()[0]);
    await this.refreshDevices();
    return problem;
  }

  /**
   * Takes effect at once: until the engine runs the picture is covered. `image` stays on this device. Where the browser cannot do
   * it the camera is turned off, and that is the answer.
   */
  async setBackground(type: BackgroundType, image?: BackgroundImage): Promise<MediaProblem | undefined> {
    this.#background = type;
    if (image) {
      this.#image = image;
      if (image.id === 'own') this.#ownImage = image;
      void this.#behind?.setImage(image.picture);
    }
    return this.#rawCamera ? this.#setCamera(this.#rawCamera) : void this.#changed();
  }

  closeCamera(): void {
    this.#setCamera(undefined);
  }

  /** Opens the browser's picker; sound comes along only when the person ticks it there. */
  async shareScreen(): Promise<MediaProblem | undefined> {
    if (!navigator.mediaDevices?.getDisplayMedia) return 'missing';
    try {
      const wish: DisplayMediaStreamOptions & Record<string, unknown> = {
        video: { frameRate: { max: 15 } },
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
        // Hints to the picker (Chromium): not this page itself, sound where there is any, another tab without a new choice.
        selfBrowserSurface: 'exclude',
        systemAudio: 'include',
        surfaceSwitching: 'include',
      };
      const stream = await navigator.mediaDevices.getDisplayMedia(wish);
      if (this.#closed) {
        stop(...stream.getTracks());
        return 'cancelled';
      }
      this.stopSharing();
      const video = stream.getVideoTracks()[0];
      if (video && 'contentHint' in video) video.contentHint = 'detail';
      video?.addEventListener('ended', () => {
        if (this.#screen !== stream) return;
        this.stopSharing();
        this.emit('lost', 'screen');
      });
      this.#screen = stream;
      this.#changed();
      return undefined;
    } catch (error) {
      const problem = problemOf(error);
      return problem === 'denied' ? 'cancelled' : problem;
    }
  }

  stopSharing(): void {
    if (!this.#screen) return;
    stop(...this.#screen.getTracks());
    this.#screen = undefined;
    this.#changed();
  }

  chooseSpeaker(deviceId: string): void {
    this.#chosen.audiooutput = deviceId;
    this.#changed();
  }

  async refreshDevices(): Promise<void> {
    if (!navigator.mediaDevices?.enumerateDevices || this.#closed) return;
    const found: Record<DeviceKind, DeviceChoice[]> = { audioinput: [], videoinput: [], audiooutput: [] };
    try {
      for (const device of await navigator.mediaDevices.enumerateDevices()) {
        if (device.deviceId !== '') found[device.kind].push({ id: device.deviceId, label: device.label });
      }
    } catch {
      return;
    }
    this.#devices = found;
    this.#changed();
  }

  /** Stops every track. Nothing can be opened afterwards. */
  close(): void {
    this.#closed = true;
    navigator.mediaDevices?.removeEventListener('devicechange', this.#onDeviceChange);
    this.#setMicrophone(undefined);
    this.#setCamera(undefined);
    this.stopSharing();
    this.clearListeners();
  }

  #changed(): void {
    this.emit('change', undefined);
  }

  #audioWish(): MediaTrackConstraints {
    const id = this.#chosen.audioinput;
    const browser = this.#noise === 'browser';
    const wish: MediaTrackConstraints & { voiceIsolation?: boolean } = {
      // Ours comes after the browser's, so that an echo is gone before it.
      echoCancellation: true,
      noiseSuppression: browser,
      ...(browser ? {} : { voiceIsolation: false }),
      // Evening out the loudness is not for music.
      autoGainControl: this.#noise !== 'original',
      ...(id ? { deviceId: { exact: id } } : {}),
    };
    return wish;
  }

  #videoWish(): MediaTrackConstraints {
    const id = this.#chosen.videoinput;
    return {
      width: { ideal: 1280 },
      height: { ideal: 720 },
      frameRate: { ideal: 30, max: 30 },
      ...(id ? { deviceId: { exact: id } } : { facingMode: 'user' }),
    };
  }

  async #get(wish: MediaStreamConstraints): Promise<MediaStream | MediaProblem> {
    if (!navigator.mediaDevices?.getUserMedia) return 'insecure';
    try {
      const stream = await navigator.mediaDevices.getUserMedia(wish);
      if (!this.#closed) return stream;
      stop(...stream.getTracks());
      return 'cancelled';
    } catch (error) {
      // The chosen device is gone: any other is better than none.
      if ((error as { name?: unknown } | null)?.name === 'OverconstrainedError') {
        const kind = wish.video ? 'videoinput' : 'audioinput';
        if (this.#chosen[kind] !== undefined) {
          delete this.#chosen[kind];
          return this.#get({
            ...(wish.audio ? { audio: this.#audioWish() } : {}),
            ...(wish.video ? { video: this.#videoWish() } : {}),
          });
        }
      }
      return problemOf(error);
    }
  }

  #setMicrophone(track: MediaStreamTrack | undefined): void {
    if (this.#raw) stop(this.#raw);
    this.#raw = track;
    if (track) {
      track.addEventListener('ended', () => void this.#replace('microphone', track));
      this.#treat(track);
    } else this.#dropDenoiser();
    this.#adopt();
  }

  /** Through the engine or not, by the mode. */
  #treat(track: MediaStreamTrack): void {
    if (this.#noise === 'browser') {
      this.#dropDenoiser();
      return;
    }
    const profile = this.#noise === 'suppress' ? 'hq' : 'off';
    // Muted by disabling the microphone itself it stays so until it is not muted any more: it may still be what is sent.
    if (!this.#muted) track.enabled = true;
    if (this.#denoiser) {
      this.#denoiser.setSource(track);
      this.#denoiser.setProfile(profile);
      return;
    }
    const denoiser = startDenoiser(track, {
      profile,
      strength: this.#strength,
      ...(this.#assets === undefined ? {} : { assets: this.#assets }),
    });
    this.#denoiser = denoiser;
    denoiser.setMuted(this.#muted);
    denoiser.on('change', () => this.#adopt());
    denoiser.on('report', (report) => this.#onReport(report));
    denoiser.on('failed', () => this.emit('noise', 'failed'));
    denoiser.on('step', ({ to, reason }) => {
      this.emit(
        'noise',
        reason === 'recovered' && to === denoiser.profile ? 'restored' : to === 'off' ? 'paused' : 'reduced',
      );
    });
  }

  #dropDenoiser(): void {
    this.#denoiser?.close();
    this.#denoiser = undefined;
    this.#report = undefined;
  }

  /** What is sent may be another track now. */
  #adopt(): void {
    const track = this.#denoiser?.track ?? this.#raw;
    if (track !== this.#microphone) {
      this.#microphone = track;
      this.#microphoneStream = this.#denoiser?.stream ?? (track && new MediaStream([track]));
    }
    if (track && !this.#denoiser) track.enabled = !this.#muted;
    if (this.#denoiser?.state !== 'running') this.#report = undefined;
    this.#changed();
  }

  #onReport(report: DenoiseReport): void {
    this.#report = report;
    if (!this.#muted || !this.speaking) {
      this.#talks = 0;
      return;
    }
    this.#talks++;
    const now = performance.now();
    if (this.#talks < kTalks || now - this.#reminded < kRemindMs) return;
    this.#reminded = now;
    this.emit('talkingMuted', undefined);
  }

  #setCamera(track: MediaStreamTrack | undefined): MediaProblem | undefined {
    const before = this.#rawCamera;
    this.#rawCamera = track;
    if (track !== before) {
      // The engine turns to the new one before the old one ends: an end would be taken for a failure.
      track?.addEventListener('ended', () => void this.#replace('camera', track));
    }
    this.#putBehind(track);
    if (before && before !== track) stop(before);
    if (track && !this.#camera) {
      this.#setCamera(undefined);
      return 'no-background';
    }
    return undefined;
  }

  /** Through the engine or not, as it was chosen. */
  #putBehind(track: MediaStreamTrack | undefined): void {
    if (!track || this.#background === 'none') {
      const before = this.#behind;
      this.#behind = undefined;
      this.#seen = undefined;
      this.#adoptCamera();
      before?.close();
      return;
    }
    if (this.#behind) {
      this.#seen = undefined;
      this.#behind.setType(this.#background);
      this.#behind.setSource(track);
      this.#adoptCamera();
      return;
    }
    const behind = startBackground(track, {
      type: this.#background,
      ...(this.#image === undefined ? {} : { image: this.#image.picture }),
      ...(this.#assets === undefined ? {} : { assets: this.#assets }),
    });
    this.#behind = behind;
    behind.on('change', () => this.#adoptCamera());
    behind.on('report', (report) => {
      const covered = this.covered;
      this.#seen = report;
      if (covered !== this.covered) this.#changed();
    });
    // One frame that cannot be used is not worth a word.
    behind.on('failed', (failure) => {
      if (failure !== 'frame') this.emit('background', 'failed');
    });
    behind.on('effort', ({ to }) =>
      this.emit('background', to === 'cover' ? 'covered' : to === 'half' ? 'reduced' : 'restored'),
    );
    this.#adoptCamera();
  }

  /** What is sent may be another track now; never the camera itself while a background is chosen. */
  #adoptCamera(): void {
    const track = this.#background === 'none' ? this.#rawCamera : this.#behind?.track;
    if (track !== this.#camera) {
      this.#camera = track;
      this.#cameraStream = track && new MediaStream([track]);
    }
    this.#changed();
  }

  /** A device was unplugged: take another one if there is one. */
  async #replace(what: 'microphone' | 'camera', ended: MediaStreamTrack): Promise<void> {
    if (this.#closed || ended !== (what === 'camera' ? this.#rawCamera : this.#raw)) return;
    const kind = what === 'camera' ? 'videoinput' : 'audioinput';
    delete this.#chosen[kind];
    const problem = what === 'camera' ? await this.openCamera() : await this.openMicrophone();
    if (!problem) return;
    if (what === 'camera') this.#setCamera(undefined);
    else this.#setMicrophone(undefined);
    this.emit('lost', what);
  }
}

function stop(...tracks: MediaStreamTrack[]): void {
  for (const track of tracks) track.stop();
}

/** By name: an OverconstrainedError is no DOMException everywhere. */
export function problemOf(error: unknown): MediaProblem {
  const { name, message } = (error ?? {}) as { name?: unknown; message?: unknown };
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return /system/i.test(String(message)) ? 'denied-by-system' : 'denied';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'missing';
    default:
      return 'busy';
  }
}
