/**
 * Noise suppression of sound that is there already, with the module that calls use. On the page's thread, in slices, so that
 * the page stays usable.
 *
 * Shapes: mono at any rate from 8 to 192 kHz; the result is as long and not late. Errors: a DenoiseError; undefined when
 * `signal` ended it. Cost: about 3 % (hq) or 1 % (eco) of the sound's length.
 */
import { fetchDenoise } from './assets';
import type { DenoiseProfile } from './types';
import { DenoiseCore } from './worklet/core';

const kSlice = 40; // ms

export interface OfflineOptions {
  profile: Exclude<DenoiseProfile, 'off'>;
  strength?: number | 'full';
  assets?: string | URL;
  signal?: AbortSignal;
  /** 0 to 1. */
  progress?: (done: number) => void;
}

export interface OfflineResult {
  samples: Float32Array<ArrayBuffer>;
  /** Measured, for 10 ms of sound. */
  msPerFrame: number;
  /** Seconds from block in to block out when it runs live. */
  delay: number;
}

export async function denoiseOffline(
  samples: Float32Array,
  rate: number,
  { profile, strength = 'full', assets, signal, progress }: OfflineOptions,
): Promise<OfflineResult | undefined> {
  const [module, weights] = await Promise.all([fetchDenoise('module', assets), fetchDenoise(profile, assets)]);
  const core = await DenoiseCore.open(module, rate);
  core.load(profile, new Uint8Array(weights));
  core.choose(profile);
  core.anew();
  core.limit(strength === 'full' ? Number.POSITIVE_INFINITY : strength);
  const { delay } = core;
  const late = new Float32Array(samples.length + delay);
  const block = new Float32Array(core.most);
  let busy = 0;
  for (let at = 0; at < late.length; ) {
    const begin = performance.now();
    while (at < late.length && performance.now() - begin < kSlice) {
      const part = samples.subarray(at, at + block.length);
      block.set(part);
      block.fill(0, part.length);
      core.run(block, block);
      late.set(block.subarray(0, Math.min(block.length, late.length - at)), at);
      at += block.length;
    }
    busy += performance.now() - begin;
    progress?.(Math.min(1, at / late.length));
    await new Promise((resolve) => setTimeout(resolve));
    if (signal?.aborted) return undefined;
  }
  const frames = (late.length / rate) * 100;
  return { samples: late.slice(delay), msPerFrame: busy / frames, delay: delay / rate };
}
