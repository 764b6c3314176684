/**
 * Speech with a range of at least 7 kHz while suppression is on (EN 301 549 clause 6.1): recorded words at 48 kHz keep their
 * level in every band, and a sweep shows that nothing on the way is narrower than the rate of the context.
 *
 * The words are those of Debian's alsa-utils ("Front Center", …), real and with sound above 12 kHz.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readWav } from '../../../tools/denoise/wav.mjs';
import { kBins, spectrogram } from '../../../web/effects/spectrogram';
import { engine, kEco, kHq, shipped } from './engine';

const kSounds = '/usr/share/sounds/alsa';
const kBlock = 128;
const profiles = [
  ['hq', kHq],
  ['eco', kEco],
] as const;

/** Everything said in the recordings, at 48 kHz. */
function words(): Float32Array {
  const files = readdirSync(kSounds).filter((name) => name.endsWith('.wav') && name !== 'Noise.wav');
  expect(files.length).toBe(8);
  const all = files.sort().map((name) => {
    const { rate, channels } = readWav(readFileSync(join(kSounds, name)));
    expect(rate).toBe(48_000);
    return channels[0] as Float32Array;
  });
  const joined = new Float32Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const one of all) {
    joined.set(one, at);
    at += one.length;
  }
  return joined;
}

/** To 16 kHz: low-pass of 191 taps at 7.6 kHz, every third sample. */
function thirds(samples: Float32Array): Float32Array {
  const half = 95;
  const cut = (2 * 7600) / 48_000;
  const taps = Float64Array.from({ length: 2 * half + 1 }, (_, i) => {
    const n = i - half;
    const sinc = n === 0 ? cut : Math.sin(Math.PI * cut * n) / (Math.PI * n);
    return sinc * (0.42 + 0.5 * Math.cos((Math.PI * n) / half) + 0.08 * Math.cos((2 * Math.PI * n) / half));
  });
  return Float32Array.from({ length: Math.floor(samples.length / 3) }, (_, i) =>
    taps.reduce((sum, tap, k) => sum + tap * (samples[3 * i + k - half] ?? 0), 0),
  );
}

/** As an AudioWorklet does it, delay taken off; `limit`: at most so many dB are taken away. */
async function through(samples: Float32Array, rate: number, profile: 'hq' | 'eco', number: number, limit: number) {
  const exports = await engine(number, shipped(profile));
  exports.denoise_limit(limit);
  exports.denoise_choose(number);
  expect(exports.denoise_open(rate)).toBe(1);
  const delay = exports.denoise_delay();
  const blocks = Math.ceil((samples.length + delay) / kBlock);
  const all = new Float32Array(blocks * kBlock);
  all.set(samples);
  const block = new Float32Array(exports.memory.buffer, exports.denoise_block(), kBlock);
  for (let at = 0; at < all.length; at += kBlock) {
    block.set(all.subarray(at, at + kBlock));
    exports.denoise_run(kBlock);
    all.set(block, at);
  }
  return all.slice(delay, delay + samples.length);
}

function bandLevels(samples: Float32Array, rate: number, bands: readonly (readonly [number, number])[]): number[] {
  const columns = Math.floor(samples.length / 512);
  const decibels = spectrogram(samples, columns);
  return bands.map(([low, high]) => {
    let sum = 0;
    for (let column = 0; column < columns; ++column)
      for (let bin = 0; bin < kBins; ++bin) {
        const frequency = (bin * rate) / (2 * kBins);
        if (frequency >= low && frequency < high) sum += 10 ** ((decibels[column * kBins + bin] as number) / 10);
      }
    return 10 * Math.log10(sum);
  });
}

const kBands = [
  [100, 300],
  [300, 1000],
  [1000, 2000],
  [2000, 3500],
  [3500, 5000],
  [5000, 6000],
  [6000, 7000],
] as const;
const kUpper = [
  [7000, 8500],
  [8500, 12_000],
  [12_000, 20_000],
] as const;

describe.each(profiles)('%s', (profile, number) => {
  test('spoken words keep their level in every band up to 20 kHz, at full strength', async () => {
    const spoken = words();
    const bands = [...kBands, ...kUpper];
    const wanted = bandLevels(spoken, 48_000, bands);
    // From the first word on, which comes before the engine knows the microphone.
    const heard = bandLevels(await through(spoken, 48_000, profile, number, Number.POSITIVE_INFINITY), 48_000, bands);
    const differences = heard.map((level, i) => level - (wanted[i] as number));
    for (const [i, difference] of differences.entries())
      expect(Math.abs(difference), `${bands[i]} Hz: ${differences.map((d) => d.toFixed(2)).join(' ')}`).toBeLessThan(1);
  });

  test('and in a context of 16 kHz up to 7 kHz', async () => {
    const spoken = thirds(words());
    const wanted = bandLevels(spoken, 16_000, kBands);
    const heard = bandLevels(await through(spoken, 16_000, profile, number, Number.POSITIVE_INFINITY), 16_000, kBands);
    for (const [i, level] of heard.entries())
      expect(Math.abs(level - (wanted[i] as number)), `${kBands[i]} Hz`).toBeLessThan(1);
  });

  // A sweep is no speech, so at full strength it is taken away like any whistle. With a limit what is shown is the way itself:
  // all stages run, and their answer is bounded.
  test.each([16_000, 44_100, 48_000])('a sweep from 100 Hz to 7 kHz at %i Hz passes level', async (rate) => {
    const seconds = 8;
    const sweep = new Float32Array(seconds * rate);
    let phase = 0;
    for (let i = 0; i < sweep.length; ++i) {
      phase += (2 * Math.PI * 100 * 70 ** (i / sweep.length)) / rate;
      sweep[i] = 0.2 * Math.sin(phase);
    }
    for (const [limit, least] of [
      [0, -0.5],
      [6, -6.5],
    ] as const) {
      const out = await through(sweep, rate, profile, number, limit);
      const part = rate / 10;
      for (let at = part; at + 2 * part < sweep.length; at += part) {
        const power = (x: Float32Array) => x.subarray(at, at + part).reduce((sum, value) => sum + value * value, 0);
        const change = 10 * Math.log10(power(out) / power(sweep));
        const frequency = Math.round(100 * 70 ** (at / sweep.length));
        expect(change, `${frequency} Hz, limit ${limit} dB`).toBeGreaterThan(least);
        expect(change, `${frequency} Hz, limit ${limit} dB`).toBeLessThan(0.5);
      }
    }
  });
});
