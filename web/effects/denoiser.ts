/**
 * Noise suppression for a microphone: a track in, a track out.
 *
 * The sound goes through an audio graph of its own: microphone → worklet (the engine) → outgoing track. Beside the worklet
 * there is a direct way, which is open exactly while the engine is not at work and the policy is `raw`. What comes out keeps
 * its track through everything, with one exception: where the browser's audio does not run at all, `track` is the microphone
 * itself until it does; a `change` says so.
 *
 * Ownership: the microphone stays the caller's; it is not stopped. The outgoing track is ours. Threads: page. Errors: none
 * are thrown; `failed` tells, the policy decides what others hear. Cost: docs/denoise.md.
 */
import { Emitter } from '../media/emitter';
import { chooseVariant } from '../media/features';
import { fetchDenoise, workletUrl } from './assets';
import {
  type DenoiseFailure,
  type DenoiseProfile,
  type DenoiserEvents,
  type DenoiserOptions,
  type DenoiseState,
  type FromWorklet,
  kWorkletName,
  type ToWorklet,
  type WorkletOptions,
} from './types';
import { DenoiseError } from './worklet/core';

const kRate = 48_000;
const kBudget = 0.15;
/** Seconds of cross-fading between the ways. */
const kFade = 0.02;
const kLook = 500;
/** So often in a row nothing may be heard of the worklet, or the context not run. */
const kMissed = 4;
const kNoLimit = 1000;

/** Live options; `close` ends it. */
export class Denoiser extends Emitter<DenoiserEvents> {
  readonly #options: DenoiserOptions;
  readonly #onFailure: 'raw' | 'mute';
  #source: MediaStreamTrack;
  #profile: DenoiseProfile;
  #strength: number;
  #state: DenoiseState = 'starting';
  #failure: DenoiseFailure | undefined;
  #running: DenoiseProfile = 'off';
  #delay = 0;
  #muted = false;
  #context: AudioContext | undefined;
  #input: MediaStreamAudioSourceNode | undefined;
  #node: AudioWorkletNode | undefined;
  #direct: GainNode | undefined;
  #through: GainNode | undefined;
  #output: MediaStreamAudioDestinationNode | undefined;
  /** The browser's audio does not run: the microphone itself is the way out. */
  #aside = false;
  #stream: MediaStream | undefined;
  readonly #weights = new Set<DenoiseProfile>(['off']);
  /** The engine has what it needs. */
  #ready = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #heard = 0;
  #missed = 0;
  #settled!: () => void;
  /** When it runs or has failed; never rejects. */
  readonly settled = new Promise<void>((resolve) => {
    this.#settled = resolve;
  });

  constructor(source: MediaStreamTrack, options: DenoiserOptions = {}) {
    super();
    this.#source = source;
    this.#options = options;
    this.#onFailure = options.onFailure ?? 'raw';
    this.#profile = options.profile ?? 'hq';
    this.#strength = decibels(options.strength);
    this.#build();
    if (this.#context) void this.#start(this.#context);
    else this.#fail('unsupported');
  }

  get state(): DenoiseState {
    return this.#state;
  }
  get failure(): DenoiseFailure | undefined {
    return this.#failure;
  }
  /** What is wanted. */
  get profile(): DenoiseProfile {
    return this.#profile;
  }
  /** What the engine says is heard. `off` until it runs. */
  get running(): DenoiseProfile {
    return this.#running;
  }
  /** Seconds from the microphone to the outgoing track, as the engine says; the browser's own buffers not counted. */
  get delay(): number {
    return this.#context && this.#state === 'running' ? this.#delay / this.#context.sampleRate : 0;
  }
  /** The microphone. */
  get source(): MediaStreamTrack {
    return this.#source;
  }
  /** What to send. */
  get track(): MediaStreamTrack {
    return this.stream.getAudioTracks()[0] as MediaStreamTrack;
  }
  /** The same, as a stream; the same object as long as the track is the same. */
  get stream(): MediaStream {
    this.#stream ??= this.#output && !this.#aside ? this.#output.stream : new MediaStream([this.#source]);
    return this.#stream;
  }
  /**
   * The browser suppresses noise as well, whatever it was asked: twice is worse than once. As its track says.
   */
  get doubled(): boolean {
    return this.#state === 'running' && this.#profile !== 'off' && this.#source.getSettings().noiseSuppression === true;
  }

  get muted(): boolean {
    return this.#muted;
  }
  /** Silence on the outgoing track; the engine goes on listening, for `report`. */
  setMuted(muted: boolean): void {
    this.#muted = muted;
    this.#enable();
    if (!muted && !this.#aside) this.#listen();
  }

  setProfile(profile: DenoiseProfile): void {
    if (this.#profile === profile) return;
    this.#profile = profile;
    void this.#choose();
    this.emit('change', undefined);
  }

  setStrength(strength: number | 'full'): void {
    this.#strength = decibels(strength);
    this.#tell({ kind: 'limit', decibels: this.#strength });
  }

  /** Another microphone; the outgoing track stays. */
  setSource(source: MediaStreamTrack): void {
    if (this.#state === 'closed' || source === this.#source) return;
    const before = this.#source;
    this.#source = source;
    const context = this.#context;
    if (context) {
      const input = this.#sourceNode(context, source);
      if (!input) {
        this.#source = before;
        // A sampling rate that this context does not take (Firefox): a new graph, which is a new track.
        this.#dispose();
        this.#source = source;
        this.#failure = undefined;
        this.#build();
        if (this.#context) void this.#start(this.#context);
        else this.#fail('unsupported');
        this.#changed(true);
        return;
      }
      this.#input?.disconnect();
      this.#input = input;
      this.#connect();
      this.#tell({ kind: 'anew' });
    }
    if (this.#aside) this.#changed(true);
    void this.#constrain(this.#state !== 'raw' && this.#state !== 'muted');
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#dispose();
    this.#settled();
    this.clearListeners();
  }

  // The graph -------------------------------------------------------------------------------------------------------------

  #build(): void {
    const given = this.#options.context;
    // Firefox takes a microphone only at the rate at which it runs; then the engine resamples.
    for (const wish of given ? [given] : [{ sampleRate: kRate, latencyHint: 'interactive' } as const, {}]) {
      let context: AudioContext | undefined;
      try {
        context = wish instanceof AudioContext ? wish : new AudioContext(wish);
        this.#input = context.createMediaStreamSource(new MediaStream([this.#source]));
        this.#direct = new GainNode(context, { gain: this.#onFailure === 'raw' ? 1 : 0 });
        this.#through = new GainNode(context, { gain: 0 });
        this.#output = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
        this.#direct.connect(this.#output);
        this.#through.connect(this.#output);
        this.#context = context;
        this.#connect();
        break;
      } catch {
        if (!given) void context?.close().catch(() => {});
      }
    }
    this.#stream = undefined;
    this.#enable();
  }

  #sourceNode(context: AudioContext, track: MediaStreamTrack): MediaStreamAudioSourceNode | undefined {
    try {
      return context.createMediaStreamSource(new MediaStream([track]));
    } catch {
      return undefined;
    }
  }

  #connect(): void {
    if (this.#direct) this.#input?.connect(this.#direct);
    if (this.#node) this.#input?.connect(this.#node);
  }

  #dispose(): void {
    clearInterval(this.#timer);
    this.#tell({ kind: 'close' });
    this.#input?.disconnect();
    this.#node?.disconnect();
    this.#direct?.disconnect();
    this.#through?.disconnect();
    for (const track of this.#output?.stream.getTracks() ?? []) track.stop();
    this.#context?.removeEventListener('statechange', this.#onContext);
    if (this.#context && this.#context !== this.#options.context) void this.#context.close().catch(() => {});
    this.#context = undefined;
    this.#node = undefined;
    this.#output = undefined;
    this.#aside = false;
    this.#stream = undefined;
    this.#weights.clear();
    this.#weights.add('off');
    this.#ready = false;
  }

  /** Which way is open. */
  #route(way: 'direct' | 'through' | 'none'): void {
    const now = this.#context?.currentTime ?? 0;
    for (const [node, open] of [
      [this.#direct, way === 'direct'],
      [this.#through, way === 'through'],
    ] as const) {
      if (!node) continue;
      node.gain.cancelScheduledValues(now);
      node.gain.setValueAtTime(node.gain.value, now);
      node.gain.linearRampToValueAtTime(open ? 1 : 0, now + kFade);
    }
  }

  // Starting ----------------------------------------------------------------------------------------------------------------

  async #start(context: AudioContext): Promise<void> {
    this.#state = 'starting';
    this.#heard = performance.now();
    this.#missed = 0;
    context.addEventListener('statechange', this.#onContext);
    this.#timer = setInterval(() => this.#look(context), kLook);
    if (context.state === 'suspended') void context.resume().catch(() => {});
    void this.#constrain(true);
    try {
      if (!context.audioWorklet || typeof AudioWorkletNode === 'undefined' || chooseVariant().startsWith('no-'))
        throw new DenoiseError('unsupported', 'No AudioWorklet or no WebAssembly with SIMD.');
      const { assets } = this.#options;
      const [module] = await Promise.all([
        fetchDenoise('module', assets),
        context.audioWorklet.addModule(workletUrl(assets)).catch(() => {
          throw new DenoiseError('module', 'The worklet could not be loaded.');
        }),
      ]);
      if (this.#context !== context || this.#closed) return;
      await this.#load(context, module);
    } catch (error) {
      if (this.#context === context) this.#fail(error instanceof DenoiseError ? error.failure : 'module');
    }
  }

  async #load(context: AudioContext, module: ArrayBuffer): Promise<void> {
    const options: WorkletOptions = {
      module,
      budget: this.#options.budget ?? kBudget,
      onFailure: this.#onFailure,
    };
    const node = new AudioWorkletNode(context, kWorkletName, {
      numberOfInputs: 1,
      numberOfOutputs: 1,
      outputChannelCount: [1],
      // Stereo microphones are mixed by the browser.
      channelCount: 1,
      channelCountMode: 'explicit',
      processorOptions: options,
    });
    this.#node = node;
    node.onprocessorerror = () => {
      if (this.#node === node) this.#fail('engine');
    };
    const ready = new Promise<void>((resolve) => {
      node.port.onmessage = ({ data }: MessageEvent<FromWorklet>) => {
        if (this.#node !== node || this.#state === 'closed') return;
        if (data.kind === 'ready') resolve();
        else this.#on(data);
      };
    });
    if (this.#through) node.connect(this.#through);
    this.#connect();
    await ready;
    this.#tell({ kind: 'limit', decibels: this.#strength });
    if (!(await this.#choose()) || this.#node !== node) return;
    this.#ready = true;
    if (this.#failure === undefined) {
      this.#state = 'running';
      this.#route('through');
      this.#settled();
      this.emit('change', undefined);
    }
    // What stepping down would need must be there before it is needed.
    if (this.#profile === 'hq') void this.#fetchWeights('eco').catch(() => {});
  }

  /** False: it failed, or something else was chosen meanwhile. */
  async #choose(): Promise<boolean> {
    const profile = this.#profile;
    try {
      await this.#fetchWeights(profile);
      if (profile !== this.#profile || this.#closed) return false;
      this.#tell({ kind: 'choose', profile });
      if (this.#failure === 'weights') {
        this.#ready = true;
        this.#recover();
      }
      return true;
    } catch (error) {
      if (profile === this.#profile) this.#fail(error instanceof DenoiseError ? error.failure : 'weights');
      return false;
    }
  }

  get #closed(): boolean {
    return this.#state === 'closed';
  }

  async #fetchWeights(profile: DenoiseProfile): Promise<void> {
    const node = this.#node;
    if (!node || this.#weights.has(profile)) return;
    const bytes = (await fetchDenoise(profile, this.#options.assets)).slice(0);
    if (this.#node !== node || this.#weights.has(profile)) return;
    this.#weights.add(profile);
    const message: ToWorklet = { kind: 'weights', profile, bytes };
    node.port.postMessage(message, [bytes]);
  }

  /** The browser's own suppression off while ours is at work, and back on when it is not. Echo cancellation stays as it is. */
  async #constrain(ours: boolean): Promise<void> {
    const track = this.#source;
    if (typeof track.applyConstraints !== 'function') return;
    const settings = track.getSettings() as MediaTrackSettings & { voiceIsolation?: boolean };
    if (
      ours ? settings.noiseSuppression !== true && settings.voiceIsolation !== true : settings.noiseSuppression === true
    )
      return;
    const wish: MediaTrackConstraints & { voiceIsolation?: boolean } = {
      ...track.getConstraints(),
      noiseSuppression: !ours,
      ...('voiceIsolation' in settings && ours ? { voiceIsolation: false } : {}),
    };
    await track.applyConstraints(wish).catch(() => {});
  }

  // What is heard of it ---------------------------------------------------------------------------------------------------

  #tell(message: ToWorklet): void {
    this.#node?.port.postMessage(message);
  }

  #on(message: FromWorklet): void {
    this.#heard = performance.now();
    this.#missed = 0;
    switch (message.kind) {
      case 'failed':
        this.#fail(message.failure);
        return;
      case 'running':
        this.#running = message.profile;
        this.#delay = message.delay;
        this.emit('change', undefined);
        return;
      case 'step':
        this.emit('step', { from: message.from, to: message.to, reason: message.reason });
        return;
      case 'report':
        if (this.#failure === 'stalled' || this.#failure === 'silent') this.#recover();
        this.emit('report', { level: message.level, voice: message.voice, share: message.share });
        return;
      default:
    }
  }

  readonly #onContext = (): void => {
    const context = this.#context;
    if (!context || this.#state === 'closed') return;
    if (context.state === 'suspended') void context.resume().catch(() => {});
  };

  /** Whether the audio runs: a context that was suspended, or a worklet that came to a halt, gives silence and no error. */
  #look(context: AudioContext): void {
    if (this.#context !== context || this.#state === 'closed') return;
    const silent = context.state !== 'running';
    if (silent) void context.resume().catch(() => {});
    const halted = this.#state === 'running' && performance.now() - this.#heard > kLook * 2;
    this.#missed = silent || halted ? this.#missed + 1 : 0;
    if (this.#missed >= kMissed && this.#failure === undefined) this.#fail(silent ? 'silent' : 'stalled');
    // It ran again before the engine was there.
    if (!silent && this.#failure === 'silent' && !this.#node) this.#recover();
  }

  #fail(failure: DenoiseFailure): void {
    if (this.#state === 'closed' || this.#failure !== undefined) return;
    this.#failure = failure;
    this.#state = this.#onFailure === 'raw' ? 'raw' : 'muted';
    this.#running = 'off';
    this.#enable();
    this.#route(this.#onFailure === 'raw' ? 'direct' : 'none');
    // With audio that does not run, no way through the graph is one.
    if (this.#onFailure === 'raw' && (failure === 'silent' || failure === 'unsupported')) this.#stepAside(true);
    void this.#constrain(false);
    this.#settled();
    this.emit('failed', failure);
    this.emit('change', undefined);
  }

  #recover(): void {
    this.#failure = undefined;
    this.#state = this.#ready ? 'running' : 'starting';
    this.#route(this.#state === 'running' ? 'through' : this.#onFailure === 'raw' ? 'direct' : 'none');
    this.#stepAside(false);
    this.#enable();
    void this.#constrain(true);
    this.emit('change', undefined);
  }

  #stepAside(aside: boolean): void {
    if (this.#aside === aside || !this.#output) return;
    this.#aside = aside;
    this.#changed(false);
    // Muted, it may still be what is sent: until it is not muted any more, the engine hears nothing.
    if (!aside && !this.#muted) this.#listen();
  }

  /** The microphone itself is never what is muted, but while it was the way out. */
  #listen(): void {
    if (this.#output && this.#state !== 'muted') this.#source.enabled = true;
  }

  /** Muted is muted on whatever is sent; the microphone itself is not sent where silence is the policy. */
  #enable(): void {
    const { track } = this;
    track.enabled = !this.#muted && !(track === this.#source && this.#state === 'muted');
  }

  /** The way out is another track now. Muted stays muted, before anybody is told. */
  #changed(tell: boolean): void {
    this.#stream = undefined;
    this.#enable();
    if (tell) this.emit('change', undefined);
  }
}

function decibels(strength: number | 'full' | undefined): number {
  return typeof strength === 'number' && Number.isFinite(strength) ? Math.max(0, strength) : kNoLimit;
}

/** At once; the sound is raw, or silence, until it runs (`onFailure`). From a click, so that the browser lets audio run. */
export function startDenoiser(track: MediaStreamTrack, options?: DenoiserOptions): Denoiser {
  return new Denoiser(track, options);
}

/** When it runs, or has failed: look at `state`. Never rejects. */
export async function createDenoiser(track: MediaStreamTrack, options?: DenoiserOptions): Promise<Denoiser> {
  const denoiser = startDenoiser(track, options);
  await denoiser.settled;
  return denoiser;
}
