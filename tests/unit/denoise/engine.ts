/** The shipped denoiser module, frame by frame. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const kFrame = 480;
export const assets = join(import.meta.dirname, '../../../dist/assets');
/** Numbers of siegel/denoise/denoiser.h. */
export const kEco = 1;
export const kHq = 2;

export interface Exports {
  memory: WebAssembly.Memory;
  _initialize?(): void;
  denoise_weights(profile: number, size: number): number;
  denoise_load(profile: number, size: number): number;
  denoise_choose(profile: number): number;
  denoise_running(): number;
  denoise_open(rate: number): number;
  denoise_block(): number;
  denoise_run(count: number): void;
  denoise_delay(): number;
  denoise_voice(): number;
  denoise_input(): number;
  denoise_output(): number;
  denoise_process(profile: number): void;
  denoise_reset(): void;
  denoise_limit(decibels: number): void;
  denoise_follow(on: number): void;
  denoise_snr(): number;
  denoise_mask(): number;
  denoise_eco_voice(): number;
}

export function shipped(profile: 'eco' | 'hq'): Uint8Array {
  return readFileSync(join(assets, `siegel-denoise-${profile}.bin`));
}

export async function engine(profile: number, weights: Uint8Array): Promise<Exports> {
  const { instance } = await WebAssembly.instantiate(readFileSync(join(assets, 'siegel-denoise.wasm')), {});
  const exports = instance.exports as unknown as Exports;
  exports._initialize?.();
  const place = exports.denoise_weights(profile, weights.length);
  new Uint8Array(exports.memory.buffer).set(weights, place);
  if (exports.denoise_load(profile, weights.length) !== 0) throw new Error('the weights are refused');
  return exports;
}

export const decibels = (error: number, of: number): number => 10 * Math.log10(error / of);
