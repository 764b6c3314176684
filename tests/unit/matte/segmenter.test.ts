/**
 * The segmentation network against TFLite with the untouched models, on pictures of people. Both add up
 * floats in their own order, and folding 1x1 convolutions before resizing changes it too: that is all the difference there may be.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cache } from '../../../tools/cache.mjs';
import { collect, models } from '../../../tools/matte/model.mjs';
import { pack } from '../../../tools/weights_file.mjs';
import { kPeople, oracle, picture } from './tflite.mjs';

const kModule = join(import.meta.dirname, '../../../build/wasm-simd/wasm/siegel-matte-simd.wasm');
const kModels = join(import.meta.dirname, '../../../node_modules/@mediapipe/selfie_segmentation');

interface Exports {
  memory: WebAssembly.Memory;
  _initialize?(): void;
  matte_room(size: number): number;
  matte_load(model: number, size: number): number;
  matte_exact(exact: number): void;
  matte_picture(): number;
  matte_person(): number;
  matte_run(model: number): number;
}

async function open(model: number, file: Uint8Array, expected = 0): Promise<Exports> {
  const { instance } = await WebAssembly.instantiate(readFileSync(kModule), {});
  const exports = instance.exports as unknown as Exports;
  exports._initialize?.();
  new Uint8Array(exports.memory.buffer).set(file, exports.matte_room(file.length));
  expect(exports.matte_load(model, file.length)).toBe(expected);
  exports.matte_exact(1);
  return exports;
}
function run(exports: Exports, model: number, seen: Float32Array): Float32Array {
  new Float32Array(exports.memory.buffer, exports.matte_picture(), seen.length).set(seen);
  expect(exports.matte_run(model)).toBe(1);
  return new Float32Array(exports.memory.buffer, exports.matte_person(), seen.length / 3).slice();
}
const weights = (name: string): Buffer => readFileSync(join(cache, `matte-1/siegel-matte-${name}.bin`));

test('the module needs nothing from outside', async () => {
  const module = await WebAssembly.compile(readFileSync(kModule));
  expect(WebAssembly.Module.imports(module)).toEqual([]);
});

describe.each([
  ['landscape', 0],
  ['square', 1],
] as const)('%s', (name, number) => {
  const { width, height, file } = models[name];

  test('the weights are those of the published model', () => {
    const tensors = collect(readFileSync(join(kModels, file)), models[name]);
    expect(Buffer.compare(pack(tensors), weights(name))).toBe(0);
    expect(tensors.reduce((sum, { data }) => sum + data.length, 0)).toBe(106_401);
  });

  test('people: TFLite finds them at the same places', async () => {
    const theirs = await oracle(file);
    const ours = await open(number, weights(name));
    const { buffer } = ours.memory;
    let found = 0;
    for (const person of kPeople) {
      const seen = picture(person, width, height);
      const [wanted, got] = [theirs(seen), run(ours, number, seen)];
      let worst = 0;
      for (let i = 0; i < wanted.length; ++i)
        worst = Math.max(worst, Math.abs((wanted[i] as number) - (got[i] as number)));
      expect(worst, person).toBeLessThan(5e-4);
      const share = wanted.filter((value) => value > 0.5).length / wanted.length;
      if (share > 0.1 && share < 0.9) ++found;
    }
    // Else the pictures would prove nothing.
    expect(found).toBeGreaterThanOrEqual(6);
    expect(ours.memory.buffer).toBe(buffer);
  });

  test('with whole numbers in the 1x1 convolutions people stay where they are', async () => {
    const theirs = await oracle(file);
    const ours = await open(number, weights(name));
    ours.matte_exact(0);
    let change = 0;
    for (const person of kPeople) {
      const seen = picture(person, width, height);
      const [wanted, got] = [theirs(seen), run(ours, number, seen)];
      let [both, either, off] = [0, 0, 0];
      for (let i = 0; i < wanted.length; ++i) {
        const [a, b] = [(wanted[i] as number) > 0.5, (got[i] as number) > 0.5];
        if (a && b) ++both;
        if (a || b) ++either;
        off += Math.abs((wanted[i] as number) - (got[i] as number));
      }
      change += either === 0 ? 0 : 1 - both / either;
      expect(off / wanted.length, person).toBeLessThan(2e-3);
    }
    // Intersection over union with what the published model says, in the mean.
    expect(change / kPeople.length).toBeLessThan(1e-3);
  });

  test('no people: noise, black, white', async () => {
    const theirs = await oracle(file);
    const ours = await open(number, weights(name));
    let state = 1;
    const noise = () => {
      state = (Math.imul(state, 48271) >>> 0) % 2147483647;
      return state / 2147483647;
    };
    for (const fill of [() => 0, () => 1, noise]) {
      const seen = new Float32Array(width * height * 3).map(fill);
      const [wanted, got] = [theirs(seen), run(ours, number, seen)];
      for (let i = 0; i < wanted.length; ++i)
        expect(Math.abs((wanted[i] as number) - (got[i] as number))).toBeLessThan(1e-3);
    }
  });

  test('a picture is taken by itself: the same gives the same bits, whatever came before', async () => {
    const ours = await open(number, weights(name));
    const [a, b] = [picture('audrey.jpg', width, height), picture('cage.jpg', width, height)];
    const first = run(ours, number, a);
    run(ours, number, b);
    expect(run(ours, number, a)).toEqual(first);
  });

  test('damaged files are refused, and then nobody is seen', async () => {
    const good = weights(name);
    for (const length of [0, 15, 16, 1000, good.length - 16, good.length - 1])
      await open(number, good.subarray(0, length), 1);
    const other = Buffer.from(good);
    other.writeUInt32LE(1, 4);
    await open(number, other, 2);
    other.set(good);
    // Name of the second tensor.
    other[16 + 48] = 88;
    const exports = await open(number, other, 3);
    expect(exports.matte_load(number, 1000)).toBe(1);
    expect(exports.matte_load(7, good.length)).toBe(1);
  });
});

test('another model is refused by name of what is wrong, when files are made', () => {
  const bytes = readFileSync(join(kModels, models.landscape.file));
  expect(() => collect(bytes, models.square)).toThrow(/the input is .*144.*, not .*256/);
  expect(() => collect(bytes.subarray(0, 5000), models.landscape)).toThrow(/cut off/);
  expect(() => collect(Buffer.from('no model at all'), models.landscape)).toThrow(/no TFLite model/);
});
