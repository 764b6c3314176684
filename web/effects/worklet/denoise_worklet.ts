/** The AudioWorklet: one microphone, mono. Everything is decided in core.ts (engine) and load_watch.ts (machine). */
import { type DenoiseProfile, type FromWorklet, kWorkletName, type ToWorklet, type WorkletOptions } from '../types';
import { DenoiseCore, DenoiseError } from './core';
import { LoadWatch, type Step } from './load_watch';

// Of the worklet's scope; the DOM library knows only the page's side.
declare const sampleRate: number;
declare const currentTime: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(
  name: string,
  processor: new (options: { processorOptions: WorkletOptions }) => AudioWorkletProcessor,
): void;

/** Seconds between two reports. */
const kReport = 0.1;

const clock: () => number = typeof performance === 'undefined' ? () => Date.now() : performance.now.bind(performance);

class DenoiseProcessor extends AudioWorkletProcessor {
  #core: DenoiseCore | undefined;
  #failed = false;
  #closed = false;
  readonly #onFailure: 'raw' | 'mute';
  readonly #watch: LoadWatch;
  #running: DenoiseProfile = 'off';
  #delay = -1;
  #nothing = new Float32Array(128);
  #level = -120;
  #voice = 0;
  #reported = 0;

  constructor({ processorOptions }: { processorOptions: WorkletOptions }) {
    super();
    this.#onFailure = processorOptions.onFailure;
    this.#watch = new LoadWatch(processorOptions.budget);
    this.port.onmessage = ({ data }: MessageEvent<ToWorklet>) => {
      try {
        this.#on(data);
      } catch (error) {
        this.#fail(error);
      }
    };
    DenoiseCore.open(processorOptions.module, sampleRate).then(
      (core) => {
        this.#core = core;
        this.#say({ kind: 'ready' });
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #say(message: FromWorklet): void {
    this.port.postMessage(message);
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#core = undefined;
    this.#say({ kind: 'failed', failure: error instanceof DenoiseError ? error.failure : 'engine' });
  }

  #on(message: ToWorklet): void {
    const core = this.#core;
    switch (message.kind) {
      case 'weights':
        core?.load(message.profile, new Uint8Array(message.bytes));
        this.#say({ kind: 'loaded', profile: message.profile });
        return;
      case 'choose':
        if (core?.choose(message.profile)) this.#watch.begin(message.profile);
        return;
      case 'limit':
        core?.limit(message.decibels);
        return;
      case 'anew':
        core?.anew();
        return;
      case 'close':
        this.#closed = true;
    }
  }

  process(inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const out = outputs[0]?.[0];
    if (!out) return !this.#closed;
    let input = inputs[0]?.[0];
    if (!input) {
      if (this.#nothing.length !== out.length) this.#nothing = new Float32Array(out.length);
      input = this.#nothing;
    }
    const core = this.#core;
    if (core) {
      try {
        this.#denoise(core, input, out);
        return !this.#closed;
      } catch (error) {
        this.#fail(error);
      }
    }
    // Silence is what a block is at first.
    if (this.#onFailure === 'raw') out.set(input);
    return !this.#closed;
  }

  #denoise(core: DenoiseCore, input: Float32Array, out: Float32Array): void {
    const begin = clock();
    core.run(input, out);
    const end = clock();
    const step = this.#watch.add((1000 * out.length) / sampleRate, end - begin, end);
    if (step) this.#step(core, step);
    this.#level = Math.max(this.#level, core.level);
    this.#voice = Math.max(this.#voice, core.voice);
    if (currentTime - this.#reported < kReport) return;
    this.#report(core);
  }

  #step(core: DenoiseCore, step: Step): void {
    let { to } = step;
    if (!core.choose(to)) {
      // Eco's weights may not be there yet: then it is nothing.
      to = 'off';
      core.choose(to);
      this.#watch.at(to);
    }
    if (to !== step.from) this.#say({ kind: 'step', from: step.from, to, reason: step.reason });
  }

  #report(core: DenoiseCore): void {
    this.#reported = currentTime;
    const { running, delay } = core;
    if (running !== this.#running || delay !== this.#delay) {
      this.#running = running;
      this.#delay = delay;
      this.#say({ kind: 'running', profile: running, delay });
    }
    this.#say({ kind: 'report', level: this.#level, voice: this.#voice, share: this.#watch.share });
    this.#level = -120;
    this.#voice = 0;
  }
}

registerProcessor(kWorkletName, DenoiseProcessor);
