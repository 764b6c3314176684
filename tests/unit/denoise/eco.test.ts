/** The shipped module with RNNoise's weights, against RNNoise itself as npm's @jitsi/rnnoise-wasm has it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { arraysOf, collect, moduleOf } from '../../../tools/denoise/rnnoise_weights.mjs';
import { pack } from '../../../tools/weights_file.mjs';
import { mixed, noise, voice } from '../../browser/pages/denoise/signals';
import { decibels, type Exports, engine, kEco, kFrame, shipped } from './engine';

const script = readFileSync(
  join(dirname(createRequire(import.meta.url).resolve('@jitsi/rnnoise-wasm/package.json')), 'dist/rnnoise-sync.js'),
  'utf8',
);

/** RNNoise 0.2, as it was published; its exports have one letter each. */
async function oracle(): Promise<(x: Float32Array) => { out: Float32Array; voice: number }> {
  let memory: WebAssembly.Memory | undefined;
  const { instance } = await WebAssembly.instantiate(moduleOf(script), {
    a: {
      a: () => {
        throw new Error('more memory than expected');
      },
      b: (to: number, from: number, count: number) => {
        new Uint8Array(memory?.buffer as ArrayBuffer).copyWithin(to, from, from + count);
        return to;
      },
    },
  });
  const {
    c,
    d: start,
    e: malloc,
    h: create,
    j: process,
  } = instance.exports as never as {
    c: WebAssembly.Memory;
    d(): void;
    e(size: number): number;
    h(model: number): number;
    j(state: number, out: number, into: number): number;
  };
  memory = c;
  start();
  const state = create(0);
  const [into, out] = [malloc(4 * kFrame), malloc(4 * kFrame)];
  return (x) => {
    new Float32Array(c.buffer, into, kFrame).set(x.map((value) => value * 32768));
    const voice = process(state, out, into);
    return { out: new Float32Array(c.buffer, out, kFrame).map((value) => value / 32768), voice };
  };
}

function ours(exports: Exports): (x: Float32Array) => { out: Float32Array; voice: number } {
  return (x) => {
    new Float32Array(exports.memory.buffer, exports.denoise_input(), kFrame).set(x);
    exports.denoise_process(kEco);
    return {
      out: new Float32Array(exports.memory.buffer, exports.denoise_output(), kFrame).slice(),
      voice: exports.denoise_eco_voice(),
    };
  };
}

const seconds = 12;
const speech = voice(48_000, seconds);
const sounds = {
  'a voice': speech,
  'a voice in noise': mixed(speech, noise(48_000, seconds, 0.03)),
  'a loud voice': speech.map((value) => value * 6),
  'a quiet voice': mixed(speech, noise(48_000, seconds, 0.01)).map((value) => value * 0.03),
  noise: noise(48_000, seconds),
};

describe('eco', () => {
  let weights: Uint8Array;
  beforeAll(() => {
    weights = shipped('eco');
  });

  /*
   * Both round activations to 8 bits, so most of what differs is the order of sums. Where that order decides a tie of the pitch
   * search, one frame gets another comb filter: the mean is asked for, and that few frames are far off. Noise has no period, so
   * there ties are many; what is left of it is 40 dB below what came in.
   */
  test.each([
    ['a voice', -55, 0.01],
    ['a voice in noise', -55, 0.01],
    ['a loud voice', -55, 0.01],
    ['a quiet voice', -55, 0.01],
    ['noise', -40, 0.15],
  ] as const)('%s: what RNNoise 0.2 makes of it', async (name, below, few) => {
    const x = sounds[name];
    const [theirs, mine] = [await oracle(), ours(await engine(kEco, weights))];
    let [error, power, far, frames, most] = [0, 0, 0, 0, 0];
    for (let at = 0; at + kFrame <= x.length; at += kFrame) {
      const block = x.subarray(at, at + kFrame);
      const [a, b] = [theirs(block), mine(block)];
      let [off, all] = [0, 0];
      for (const [i, value] of a.out.entries()) {
        off += (value - (b.out[i] ?? 0)) ** 2;
        all += value ** 2;
      }
      error += off;
      power += all;
      frames++;
      most = Math.max(most, Math.abs(a.voice - b.voice));
      if (off > 1e-3 * all && all > 1e-8) far++;
    }
    expect(decibels(error, power)).toBeLessThan(below);
    expect(far / frames).toBeLessThan(few);
    expect(most).toBeLessThan(0.05);
  });

  test('every array of the package is there, by name', () => {
    const tensors = collect(script);
    expect(tensors).toHaveLength(44);
    expect(pack(tensors)).toEqual(new Uint8Array(weights));
  });

  test('another package is not taken', () => {
    expect(() => moduleOf('no module')).toThrow(/holds no module/);
    expect(() => moduleOf(`base64,${'AGFzbQEAAAA'.repeat(200)}`)).toThrow(/another content/);
    expect(arraysOf(moduleOf(script)).size).toBeGreaterThan(40);
  });

  test('reset is a new beginning; the same sound twice gives the same bits', async () => {
    const exports = await engine(kEco, weights);
    const run = (): Float32Array[] => {
      const process = ours(exports);
      return Array.from({ length: 100 }, (_, t) => process(speech.subarray(t * kFrame, (t + 1) * kFrame)).out);
    };
    const first = run();
    exports.denoise_reset();
    expect(run()).toEqual(first);
  });

  test('noise alone becomes much quieter; a limit leaves what it says', async () => {
    const level = async (limit: number | undefined): Promise<number> => {
      const exports = await engine(kEco, weights);
      if (limit !== undefined) exports.denoise_limit(limit);
      const process = ours(exports);
      let [before, after] = [0, 0];
      for (let t = 0; t < 600; ++t) {
        const block = sounds.noise.subarray(t * kFrame, (t + 1) * kFrame);
        const { out } = process(block);
        if (t < 300) continue;
        before += block.reduce((sum, value) => sum + value * value, 0);
        after += out.reduce((sum, value) => sum + value * value, 0);
      }
      return decibels(after, before);
    };
    expect(await level(undefined)).toBeLessThan(-20);
    const limited = await level(12);
    expect(limited).toBeGreaterThan(-12.5);
    expect(limited).toBeLessThan(-10.5);
  });
});
