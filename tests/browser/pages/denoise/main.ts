/** Noise suppression in a real audio graph. Tests drive it through `lab`. */
import { createLocalAudioTrack, LocalAudioTrack } from 'livekit-client';
import { LocalMedia } from '../../../../web/call';
import {
  createDenoiser,
  type DenoiseProfile,
  type Denoiser,
  type DenoiserOptions,
  JitsiNoiseSuppression,
  LiveKitNoiseSuppression,
  startDenoiser,
} from '../../../../web/effects';
import { type FromWorklet, kWorkletName, type ToWorklet } from '../../../../web/effects/types';
import { DenoiseCore } from '../../../../web/effects/worklet/core';
import { decibels, mixed, noise, voice } from './signals';

const assets = new URL('/assets/', location.href);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export interface Heard {
  state: string;
  running: string;
  failure: string | undefined;
  delay: number;
  before: number;
  after: number;
  steps: string[];
  failed: string[];
  reports: number;
  voice: number;
  share: number;
  label: string;
}

async function fetched(name: string): Promise<ArrayBuffer> {
  return (await fetch(new URL(name, assets))).arrayBuffer();
}

/** Plays a sound over and over as a microphone track. */
function play(context: AudioContext, samples: Float32Array<ArrayBuffer>): { track: MediaStreamTrack; node: AudioNode } {
  const buffer = new AudioBuffer({ length: samples.length, sampleRate: context.sampleRate, numberOfChannels: 1 });
  buffer.copyToChannel(samples, 0);
  const node = new AudioBufferSourceNode(context, { buffer, loop: true });
  const output = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  node.connect(output);
  node.start();
  return { track: output.stream.getAudioTracks()[0] as MediaStreamTrack, node };
}

/** Records what comes in on some nodes, in step. */
class Recording {
  readonly #parts: Float32Array[][] = [];
  readonly node: AudioWorkletNode;
  constructor(context: AudioContext, inputs: readonly AudioNode[]) {
    this.node = new AudioWorkletNode(context, 'recorder', {
      numberOfInputs: inputs.length,
      numberOfOutputs: 1,
      channelCount: 1,
      channelCountMode: 'explicit',
    });
    this.node.port.onmessage = ({ data }) => this.#parts.push(data as Float32Array[]);
    for (const [i, input] of inputs.entries()) input.connect(this.node, 0, i);
    // Only what leads to the end is worked through.
    const silence = new GainNode(context, { gain: 0 });
    this.node.connect(silence).connect(context.destination);
  }
  get samples(): Float32Array<ArrayBuffer>[] {
    return (this.#parts[0] ?? []).map((_, input) => {
      const parts = this.#parts.map((part) => part[input] as Float32Array);
      const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of parts) {
        all.set(part, at);
        at += part.length;
      }
      return all;
    });
  }
}

class Lab {
  context!: AudioContext;
  denoiser: Denoiser | undefined;
  readonly steps: string[] = [];
  readonly failed: string[] = [];
  #recording: Recording | undefined;
  #reports = 0;
  #voice = 0;
  #share = 0;
  #slow: AudioWorkletNode | undefined;

  /** What the browser's audio runs at, and whether it runs at all. */
  async open(sampleRate: number, slow = false): Promise<{ state: string; rate: number }> {
    this.context = new AudioContext({ sampleRate });
    await Promise.race([this.context.resume(), sleep(5000)]);
    await this.context.audioWorklet.addModule('recorder.entry.js');
    if (slow) {
      await this.context.audioWorklet.addModule('slow.entry.js');
      this.#slow = new AudioWorkletNode(this.context, 'slow');
      this.#slow.connect(this.context.destination);
    }
    return { state: this.context.state, rate: this.context.sampleRate };
  }

  slow(times: number): void {
    this.#slow?.port.postMessage(times);
  }

  /** The worklet by itself in a live graph, and the same module offline on what went in: the most that they differ. */
  async exact(
    profile: DenoiseProfile,
    seconds: number,
  ): Promise<{ difference: number; length: number; power: number }> {
    const { context } = this;
    const rate = context.sampleRate;
    await context.audioWorklet.addModule(new URL('siegel-denoise-worklet.js', assets));
    const { node: source } = play(context, mixed(voice(rate, 3), noise(rate, 3, 0.02)));
    const [module, weights] = await Promise.all([
      fetched('siegel-denoise.wasm'),
      fetched(`siegel-denoise-${profile}.bin`),
    ]);
    const worklet = new AudioWorkletNode(context, kWorkletName, {
      channelCount: 1,
      channelCountMode: 'explicit',
      outputChannelCount: [1],
      processorOptions: { module, budget: 100, onFailure: 'raw' },
    });
    source.connect(worklet);
    const tell = (message: ToWorklet): void => worklet.port.postMessage(message);
    const told = (kind: FromWorklet['kind']): Promise<void> =>
      new Promise((resolve) => {
        const listener = ({ data }: MessageEvent<FromWorklet>): void => {
          if (data.kind === 'failed') throw new Error(data.failure);
          if (data.kind !== kind) return;
          worklet.port.removeEventListener('message', listener);
          resolve();
        };
        worklet.port.addEventListener('message', listener);
        worklet.port.start();
      });
    const ready = told('ready');
    await ready;
    const loaded = told('loaded');
    tell({ kind: 'weights', profile, bytes: weights.slice(0) });
    await loaded;
    tell({ kind: 'choose', profile });
    const recording = new Recording(context, [source, worklet]);
    await sleep(300);
    // A new beginning, at a block that nobody is told: looked for below.
    tell({ kind: 'anew' });
    await sleep(1000 * seconds);
    tell({ kind: 'close' });
    const [input, output] = recording.samples as [Float32Array, Float32Array];
    worklet.disconnect();
    source.disconnect();

    const offline = async (from: number, count: number): Promise<Float32Array> => {
      const core = await DenoiseCore.open(module, rate);
      core.load(profile, new Uint8Array(weights));
      core.choose(profile);
      core.anew();
      const result = new Float32Array(count);
      for (let at = 0; at + 128 <= count; at += 128)
        core.run(input.subarray(from + at, from + at + 128), result.subarray(at, at + 128));
      return result;
    };
    const differ = (result: Float32Array, from: number): number =>
      result.reduce((most, value, i) => Math.max(most, Math.abs(value - (output[from + i] ?? 0))), 0);
    // After the beginning there is silence for a frame: candidates are blocks before such.
    for (let from = 0; from < Math.min(input.length - rate, rate); from += 128) {
      if (output.subarray(from, from + 384).some((value) => value !== 0)) continue;
      const length = Math.floor((input.length - from) / 128) * 128;
      if (differ(await offline(from, 4096), from) > 1e-6) continue;
      const result = await offline(from, length);
      // The first one is that of the node itself; the second is the one that was asked for.
      if (differ(result, from) > 1e-3) continue;
      return { difference: differ(result, from), length, power: decibels(result) };
    }
    throw new Error('the beginning was not found');
  }

  /** A denoiser in the lab's context, or in one of its own. */
  async start(
    sound: 'noise' | 'voice' | 'both' | 'silence',
    options: DenoiserOptions & { own?: boolean; sync?: boolean; missing?: boolean } = {},
  ): Promise<void> {
    const { own, sync, missing, ...rest } = options;
    const { context } = this;
    const rate = context.sampleRate;
    const samples = {
      noise: () => noise(rate, 4),
      voice: () => voice(rate, 4.8),
      both: () => mixed(voice(rate, 4.8), noise(rate, 4.8, 0.02)),
      silence: () => new Float32Array(rate),
    }[sound]();
    const { track } = play(context, samples);
    const all: DenoiserOptions = {
      assets: missing ? new URL('/nowhere/', location.href) : assets,
      ...(own ? {} : { context }),
      ...rest,
    };
    const denoiser = startDenoiser(track, all);
    this.denoiser = denoiser;
    denoiser.on('step', ({ from, to, reason }) => this.steps.push(`${from} ${to} ${reason}`));
    denoiser.on('failed', (failure) => this.failed.push(failure));
    denoiser.on('report', ({ voice, share }) => {
      this.#reports++;
      this.#voice = Math.max(this.#voice, voice);
      this.#share = share;
    });
    if (!sync) await denoiser.settled;
    this.record(track);
  }

  record(raw: MediaStreamTrack): void {
    const { context, denoiser } = this;
    if (!denoiser) return;
    this.#recording = new Recording(context, [
      context.createMediaStreamSource(new MediaStream([raw])),
      context.createMediaStreamSource(new MediaStream([denoiser.track])),
    ]);
  }

  /** Of the last `seconds`. */
  async heard(seconds: number): Promise<Heard> {
    this.#reports = 0;
    this.#voice = 0;
    await sleep(1000 * seconds);
    const { denoiser, context } = this;
    if (!denoiser) throw new Error('none');
    const count = Math.round(seconds * context.sampleRate * 0.8);
    const [before, after] = (this.#recording?.samples ?? []).map((all) => decibels(all.subarray(all.length - count)));
    return {
      state: denoiser.state,
      running: denoiser.running,
      failure: denoiser.failure,
      delay: denoiser.delay,
      before: before ?? 0,
      after: after ?? 0,
      steps: [...this.steps],
      failed: [...this.failed],
      reports: this.#reports,
      voice: this.#voice,
      share: this.#share,
      label: denoiser.track.label,
    };
  }

  /** The largest step between two samples after suppression, and how many samples in a row were exactly nothing. */
  crackle(): { step: number; silent: number; length: number } {
    const all = this.#recording?.samples[1] ?? new Float32Array(0);
    // From when something was heard.
    const begin = all.findIndex((value) => value !== 0);
    let [step, silent, run] = [0, 0, 0];
    for (let i = begin + 1; i < all.length; ++i) {
      step = Math.max(step, Math.abs((all[i] as number) - (all[i - 1] as number)));
      run = all[i] === 0 ? run + 1 : 0;
      silent = Math.max(silent, run);
    }
    return { step, silent, length: all.length - begin };
  }

  async liveKit(): Promise<{ name: string | undefined; attenuation: number; restarted: boolean; after: boolean }> {
    const { context } = this;
    const { track } = play(context, noise(context.sampleRate, 4));
    const local = new LocalAudioTrack(track, undefined, true, context);
    const processor = new LiveKitNoiseSuppression({ assets, context });
    await local.setProcessor(processor as never);
    const processed = local.getProcessor()?.processedTrack as MediaStreamTrack;
    this.denoiser = processor.denoiser;
    this.record(track);
    await this.heard(2);
    const { before, after } = await this.heard(2);
    await processor.restart({ track: play(context, noise(context.sampleRate, 4)).track });
    const restarted = processor.processedTrack === processed;
    const name = local.getProcessor()?.name;
    // Afterwards it puts constraints back, which Firefox refuses on a track that is no microphone.
    await local.stopProcessor().catch(() => {});
    return { name, attenuation: before - after, restarted, after: processed.readyState === 'ended' };
  }

  /** In a context of its own, as whoever embeds it has it. */
  jitsiEffect(): JitsiNoiseSuppression {
    return new JitsiNoiseSuppression({ assets });
  }

  async jitsi(): Promise<{ sync: boolean; same: boolean; attenuation: number; stopped: boolean; video: boolean }> {
    const { context } = this;
    const { track } = play(context, noise(context.sampleRate, 4));
    const effect = new JitsiNoiseSuppression({ assets, context });
    const video = effect.isEnabled({ isAudioTrack: () => false });
    const stream = effect.startEffect(new MediaStream([track]));
    const sync = stream instanceof MediaStream && stream.getAudioTracks().length === 1;
    const [out] = stream.getAudioTracks();
    await effect.denoiser?.settled;
    this.denoiser = effect.denoiser;
    this.record(track);
    await this.heard(2);
    const { before, after } = await this.heard(2);
    const same = this.denoiser?.track === out;
    effect.stopEffect();
    return { sync, same, attenuation: before - after, stopped: out?.readyState === 'ended', video };
  }
}

Object.assign(globalThis, { lab: new Lab(), createDenoiser, createLocalAudioTrack, LocalMedia });
declare global {
  var lab: Lab;
}
