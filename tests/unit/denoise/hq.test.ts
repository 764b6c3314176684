/** The shipped denoiser module with the real weights, against the published model run by onnxruntime. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { collect } from '../../../tools/denoise/dfn3_weights.mjs';
import { readOnnx } from '../../../tools/denoise/onnx.mjs';
import { pack } from '../../../tools/weights_file.mjs';
import { assets, decibels, type Exports, engine, kFrame, kHq, shipped } from './engine';
import { kBands, kOnnx, onnxFiles, reference } from './reference';

function run(exports: Exports, x: Float32Array) {
  const frames = x.length / kFrame;
  const output = new Float32Array(x.length);
  const mask = new Float32Array(frames * kBands);
  const lsnr = new Float32Array(frames);
  const view = (place: number, count: number) => new Float32Array(exports.memory.buffer, place, count);
  for (let t = 0; t < frames; ++t) {
    view(exports.denoise_input(), kFrame).set(x.subarray(t * kFrame, (t + 1) * kFrame));
    exports.denoise_process(kHq);
    output.set(view(exports.denoise_output(), kFrame), t * kFrame);
    mask.set(view(exports.denoise_mask(), kBands), t * kBands);
    lsnr[t] = exports.denoise_snr();
  }
  return { output, mask, lsnr };
}

/** Something like a voice with pauses, in noise. */
function voice(frames: number): Float32Array {
  let seed = 1;
  const random = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32 - 0.5;
  };
  return Float32Array.from({ length: frames * kFrame }, (_, i) => {
    const t = i / 48000;
    const pitch = 120 + 30 * Math.sin(5 * t);
    let sum = 0;
    for (let h = 1; h < 25; ++h) sum += Math.sin(2 * Math.PI * pitch * h * t) / h;
    return 0.08 * sum * (Math.sin(4 * Math.PI * t) > -0.3 ? 1 : 0) + 0.03 * random();
  });
}

function difference(ours: Float32Array, theirs: ArrayLike<number>, from: number): number {
  let [error, power] = [0, 0];
  for (let i = from; i < ours.length - kFrame; ++i) {
    error += ((ours[i] ?? 0) - (theirs[i] ?? 0)) ** 2;
    power += (theirs[i] ?? 0) ** 2;
  }
  return decibels(error, power);
}
const largest = (ours: Float32Array, theirs: Float32Array): number =>
  ours.reduce((most, value, i) => Math.max(most, Math.abs(value - (theirs[i] ?? 0))), 0);

const x = voice(100);

describe('hq', () => {
  const weights = shipped('hq');

  test('the module needs nothing from outside', async () => {
    const module = await WebAssembly.compile(readFileSync(join(assets, 'siegel-denoise.wasm')));
    expect(WebAssembly.Module.imports(module)).toEqual([]);
  });

  // What is left is rounding: activations of 16 bits, floats instead of doubles.
  test('every layer is that of the published graph: with the same recurrent weights, 70 dB below the output', async () => {
    const tensors = collect(kOnnx);
    for (const tensor of tensors) if (!tensor.name.includes('gru')) tensor.quantised = false;
    const exports = await engine(kHq, pack(tensors));
    exports.denoise_follow(0);
    const ours = run(exports, x);
    const theirs = await reference(x, onnxFiles({ int8: true }));
    expect(largest(ours.mask, theirs.mask)).toBeLessThan(2e-4);
    expect(largest(ours.lsnr, theirs.lsnr)).toBeLessThan(2e-2);
    expect(difference(ours.output, theirs.output, 4 * kFrame)).toBeLessThan(-70);
  });

  // int8 costs this much on a signal that is no speech; what it costs in quality is for the quality benchmark.
  test('the shipped weights stay near the published model', async () => {
    const exports = await engine(kHq, weights);
    exports.denoise_follow(0);
    const ours = run(exports, x);
    const theirs = await reference(x, onnxFiles());
    const mean =
      ours.mask.reduce((sum, value, i) => sum + Math.abs(value - (theirs.mask[i] ?? 0)), 0) / ours.mask.length;
    expect(mean).toBeLessThan(0.01);
    expect(difference(ours.output, theirs.output, 4 * kFrame)).toBeLessThan(-18);
  });

  test('noise alone becomes much quieter; a limit leaves what it says', async () => {
    let seed = 5;
    const noise = Float32Array.from({ length: 300 * kFrame }, () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return 0.05 * (seed / 2 ** 31 - 1);
    });
    const power = (values: Float32Array): number =>
      values.subarray(150 * kFrame).reduce((sum, value) => sum + value * value, 0);
    const full = await engine(kHq, weights);
    expect(decibels(power(run(full, noise).output), power(noise))).toBeLessThan(-20);
    const limited = await engine(kHq, weights);
    limited.denoise_limit(12);
    const left = decibels(power(run(limited, noise).output), power(noise));
    expect(left).toBeGreaterThan(-12.5);
    expect(left).toBeLessThan(-10.5);
  });

  test('reset is a new beginning; the same sound twice gives the same bits', async () => {
    const exports = await engine(kHq, weights);
    const first = run(exports, x).output;
    exports.denoise_reset();
    expect(run(exports, x).output).toEqual(first);
  });

  test('a file that is cut off is no ONNX file, a tensor of another shape no weights', () => {
    const file = onnxFiles().enc;
    expect(() => readOnnx(file.subarray(0, 1000))).toThrow(/truncated|no graph/);
    expect(readOnnx(file).tensors.size).toBeGreaterThan(30);
  });
});
