/**
 * The denoiser module, for whoever has samples: worklet, effects lab, tests. One microphone each.
 *
 * Shapes: mono blocks at the rate of `open`, up to `most` samples, in place. Ownership: copies what it is given. Errors: a
 * DenoiseError from open and load; a trap of the module goes through. Cost: run() allocates nothing.
 */
import { type DenoiseFailure, type DenoiseProfile, kProfiles } from '../types';

interface Exports {
  readonly memory: WebAssembly.Memory;
  _initialize?(): void;
  denoise_weights(profile: number, size: number): number;
  denoise_load(profile: number, size: number): number;
  denoise_choose(profile: number): number;
  denoise_running(): number;
  denoise_limit(decibels: number): void;
  denoise_open(rate: number): number;
  denoise_block(): number;
  denoise_block_size(): number;
  denoise_run(count: number): void;
  denoise_delay(): number;
  denoise_voice(): number;
  denoise_level(): number;
}

/** 100 dB and more: no limit (HqDenoiser::setLimit). */
const kNoLimit = 1000;

export class DenoiseError extends Error {
  constructor(
    readonly failure: DenoiseFailure,
    message: string,
  ) {
    super(message);
    this.name = 'DenoiseError';
  }
}

export class DenoiseCore {
  readonly most: number;
  readonly #exports: Exports;
  readonly #rate: number;
  // The memory never grows.
  readonly #block: Float32Array;

  private constructor(exports: Exports, rate: number) {
    this.#exports = exports;
    this.#rate = rate;
    this.most = exports.denoise_block_size();
    this.#block = new Float32Array(exports.memory.buffer, exports.denoise_block(), this.most);
  }

  static async open(module: BufferSource, rate: number): Promise<DenoiseCore> {
    let exports: Exports;
    try {
      const { instance } = await WebAssembly.instantiate(module, {});
      exports = instance.exports as unknown as Exports;
      exports._initialize?.();
    } catch {
      throw new DenoiseError('module', 'The denoiser module does not run here.');
    }
    if (exports.denoise_open(rate) === 0) throw new DenoiseError('rate', `${rate} Hz cannot be denoised.`);
    return new DenoiseCore(exports, rate);
  }

  /** siegel-denoise-<profile>.bin */
  load(profile: DenoiseProfile, bytes: Uint8Array): void {
    const { memory, denoise_weights, denoise_load } = this.#exports;
    const number = kProfiles.indexOf(profile);
    const place = denoise_weights(number, bytes.length);
    const fits = place !== 0 && place + bytes.length <= memory.buffer.byteLength;
    if (fits) new Uint8Array(memory.buffer).set(bytes, place);
    if (!fits || denoise_load(number, bytes.length) !== 0)
      throw new DenoiseError('weights', `The weights of ${profile} are of another version.`);
  }

  /** False: it has no weights yet; nothing changes. */
  choose(profile: DenoiseProfile): boolean {
    return this.#exports.denoise_choose(kProfiles.indexOf(profile)) !== 0;
  }

  /** At most so many dB are taken away. */
  limit(decibels: number): void {
    this.#exports.denoise_limit(Number.isFinite(decibels) ? decibels : kNoLimit);
  }

  /** Forgets what was heard. */
  anew(): void {
    this.#exports.denoise_open(this.#rate);
  }

  /** REQUIRES: no more than `most` samples; `to` as long as `from`, or the same. */
  run(from: Float32Array, to: Float32Array): void {
    this.#block.set(from);
    this.#exports.denoise_run(from.length);
    if (from.length === this.most) to.set(this.#block);
    // A view of a part would be an allocation for every block.
    else for (let i = 0; i < from.length; ++i) to[i] = this.#block[i] as number;
  }

  get running(): DenoiseProfile {
    return kProfiles[this.#exports.denoise_running()] ?? 'off';
  }
  /** Samples at the rate of `open`. */
  get delay(): number {
    return this.#exports.denoise_delay();
  }
  get voice(): number {
    return this.#exports.denoise_voice();
  }
  get level(): number {
    return this.#exports.denoise_level();
  }
}
