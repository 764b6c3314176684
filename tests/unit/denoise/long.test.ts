/**
 * Half an hour of sound in an AudioWorklet's blocks, at every rate: not one sample lost, doubled or bent. A tone obeys
 * x[n] = 2 cos(w) x[n-1] - x[n-2]; wherever it does not there is a click.
 *
 * With everything passing (a limit of 0 dB) what the engines do is the sound itself, so they take part; to run half an hour of each
 * at each rate takes minutes, which is left out where time is short (SIEGEL_SHORT).
 */
import { expect, test } from 'vitest';
import { engine, kEco, kHq, shipped } from './engine';

const kBlock = 128;
const kSize = 0.3;
const short = process.env.SIEGEL_SHORT !== undefined;

const cases = [8000, 16_000, 44_100, 48_000].flatMap((rate) => [
  { rate, profile: 'off' as const, minutes: 30 },
  { rate, profile: 'eco' as const, minutes: short ? 2 : 30 },
  { rate, profile: 'hq' as const, minutes: short ? 1 : 30 },
]);

test.each(cases)('$minutes minutes at $rate Hz, $profile', { timeout: 900_000 }, async ({ rate, profile, minutes }) => {
  const number = profile === 'hq' ? kHq : kEco;
  const exports = await engine(number, shipped(profile === 'hq' ? 'hq' : 'eco'));
  exports.denoise_limit(0);
  exports.denoise_choose(profile === 'off' ? 0 : number);
  expect(exports.denoise_open(rate)).toBe(1);
  const { buffer } = exports.memory;
  const block = new Float32Array(buffer, exports.denoise_block(), kBlock);
  const turn = (2 * Math.PI * 440) / rate;
  const factor = 2 * Math.cos(turn);
  const blocks = Math.ceil((minutes * 60 * rate) / kBlock);
  let [before, last, worst, heard] = [0, 0, 0, 0];
  // Where a tone begins it is none yet, and the resamplers' filters ring.
  const steady = Math.ceil((0.5 * rate) / kBlock);
  for (let at = 0; at < blocks; ++at) {
    for (let i = 0; i < kBlock; ++i) block[i] = kSize * Math.sin(turn * (at * kBlock + i));
    exports.denoise_run(kBlock);
    for (let i = 0; i < kBlock; ++i) {
      const value = block[i] as number;
      if (at > steady) {
        worst = Math.max(worst, Math.abs(value - factor * last + before));
        heard += value * value;
      }
      before = last;
      last = value;
    }
  }
  expect(worst).toBeLessThan(1e-3 * kSize);
  const samples = (blocks - steady - 1) * kBlock;
  expect(Math.abs(10 * Math.log10(heard / samples / (kSize ** 2 / 2)))).toBeLessThan(0.2);
  // Nothing was allocated: the memory never grew.
  expect(exports.memory.buffer).toBe(buffer);
});
