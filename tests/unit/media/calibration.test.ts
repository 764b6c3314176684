import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { EngineModule } from '../../../web/media/engine_types';
import { calibrate, crossing, undisturbed } from '../../../web/media/worker/calibration';
import { FrameEngine } from '../../../web/media/worker/frame_engine';
import { fakeEngine } from './fake_engine';

// Costs at 2 kB and 32 kB.
test('the crossing of two lines', () => {
  // Direct: 1 µs per kB. Split: 10 µs and 0.4 µs per kB. 0.97 n = 10 + 0.4 n at n = 17.5.
  const at = crossing([2, 32], [10.8, 22.8]);
  expect(at / 1024).toBeCloseTo(17.5, 1);
});

test('WebCrypto with the steeper line, or none at all: never', () => {
  expect(crossing([2, 32], [10, 100])).toBe(Number.POSITIVE_INFINITY);
  expect(crossing([2, 32], [10, 40])).toBe(Number.POSITIVE_INFINITY);
  expect(crossing([0, 0], [0, 0])).toBe(Number.POSITIVE_INFINITY);
  expect(crossing([Number.NaN, 32], [10, 11])).toBe(Number.POSITIVE_INFINITY);
});

test('WebCrypto ahead everywhere: from the smallest size on', () => {
  expect(crossing([20, 320], [1, 2])).toBe(512);
});

test('what stands out does not count', () => {
  expect(undisturbed([3, 2, 900, 2, 4])).toBe(2);
  expect(undisturbed([5, 5, 5, 5, 800, 900, 700, 5, 6, 1])).toBe(5);
});

test('without WebCrypto, for SFrame, and when the measurement fails: never', async () => {
  const never = { seal: Number.POSITIVE_INFINITY, open: Number.POSITIVE_INFINITY };
  const engine = new FrameEngine(fakeEngine(), undefined);
  expect(await calibrate(engine, undefined, 'jframe', () => 0)).toEqual(never);
  expect(await calibrate(engine, crypto.subtle, 'sframe', () => 0)).toEqual(never);
  const broken = fakeEngine();
  const trapped = new FrameEngine(broken, crypto.subtle);
  broken.trap = true;
  expect(await calibrate(trapped, crypto.subtle, 'jframe', () => performance.now())).toEqual(never);
});

test('leaves nothing behind in the engine', async () => {
  const module = fakeEngine();
  await calibrate(new FrameEngine(module, crypto.subtle), crypto.subtle, 'jframe', () => performance.now());
  expect(module.live()).toBe(0);
});

test('the real engine is measured within its time', async () => {
  const assets = join(import.meta.dirname, '../../../dist/assets');
  const { default: create } = await import(join(assets, 'siegel-simd.mjs'));
  const module = (await create({ wasmBinary: readFileSync(join(assets, 'siegel-simd.wasm')) })) as EngineModule;
  const engine = new FrameEngine(module, crypto.subtle);
  const began = process.cpuUsage();
  const { seal, open } = await calibrate(engine, crypto.subtle, 'jframe', () => performance.now());
  // Processor time of all threads, garbage collection and compiling included: on a busy machine the clock says nothing.
  const { user, system } = process.cpuUsage(began);
  expect((user + system) / 1000).toBeLessThan(400);
  for (const size of [seal, open]) expect(size).toBeGreaterThanOrEqual(512);
});

/** A device whose times are given: in ms, `perByte` for WebAssembly, `fixed` and `slope` per byte for WebCrypto. */
function device(perByte: number, fixed: number, slope: number) {
  let time = 0;
  const module = fakeEngine();
  const { _siegel_seal: seal, _siegel_open: open } = module;
  Object.assign(module, {
    _siegel_seal: (...args: Parameters<typeof seal>) => {
      time += args[1] * perByte;
      return seal(...args);
    },
    _siegel_open: (...args: Parameters<typeof open>) => {
      time += args[1] * perByte;
      return open(...args);
    },
  });
  const { subtle } = crypto;
  const timed = async (result: Promise<ArrayBuffer>, size: number): Promise<ArrayBuffer> => {
    time += fixed + slope * size;
    return result;
  };
  const slow = {
    importKey: async (...args: Parameters<SubtleCrypto['importKey']>) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return subtle.importKey(...args);
    },
    encrypt: (...args: Parameters<SubtleCrypto['encrypt']>) => timed(subtle.encrypt(...args), args[2].byteLength),
    decrypt: (...args: Parameters<SubtleCrypto['decrypt']>) => timed(subtle.decrypt(...args), args[2].byteLength),
  } as unknown as SubtleCrypto;
  const now = () => {
    time += 0.0001;
    return time;
  };
  return { engine: new FrameEngine(module, slow), subtle: slow, now };
}

test.each([
  ['a fine clock', 0.0001, 0.05],
  ['a clock of one millisecond', 1, 0.35],
])('with %s it finds where the two ways cost the same', async (_, step, tolerance) => {
  // 1 µs per 1000 bytes against 12 µs and 0.2 µs per 1000 bytes.
  const { engine, subtle, now } = device(1e-6, 0.012, 0.2e-6);
  const stepped = () => Math.floor(now() / step) * step;
  const found = await calibrate(engine, subtle, 'jframe', stepped);
  const expected = 0.012 / (0.97e-6 - 0.2e-6);
  for (const size of [found.seal, found.open]) {
    expect(size).toBeGreaterThan(expected * (1 - tolerance));
    expect(size).toBeLessThan(expected * (1 + tolerance));
  }
});

test('WebCrypto that is slower everywhere is not chosen', async () => {
  const { engine, subtle, now } = device(1e-6, 0.05, 2e-6);
  const never = Number.POSITIVE_INFINITY;
  expect(await calibrate(engine, subtle, 'jframe', now)).toEqual({ seal: never, open: never });
});
