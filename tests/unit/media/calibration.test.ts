import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { EngineModule } from '../../../web/media/engine_types';
import { calibrate, crossing, lowerQuartile } from '../../../web/media/worker/calibration';
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
  expect(lowerQuartile([3, 1, 900, 2, 2])).toBe(2);
  expect(lowerQuartile([5, 5, 5, 5, 800, 900, 700, 5, 6, 7])).toBe(5);
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

test('WebCrypto that costs next to nothing is chosen; keys that come late are waited for', async () => {
  const { subtle } = crypto;
  const late = {
    importKey: async (...args: Parameters<SubtleCrypto['importKey']>) => {
      await new Promise((resolve) => setTimeout(resolve, 60));
      return subtle.importKey(...args);
    },
    encrypt: async (_: unknown, __: unknown, text: Uint8Array) => new ArrayBuffer(text.length + 16),
    decrypt: async (_: unknown, __: unknown, text: Uint8Array) => new ArrayBuffer(text.length - 16),
  } as unknown as SubtleCrypto;
  const assets = join(import.meta.dirname, '../../../dist/assets');
  const { default: create } = await import(join(assets, 'siegel-simd.mjs'));
  const module = (await create({ wasmBinary: readFileSync(join(assets, 'siegel-simd.wasm')) })) as EngineModule;
  const { seal, open } = await calibrate(new FrameEngine(module, late), late, 'jframe', () => performance.now());
  expect(seal).toBeLessThan(8192);
  expect(open).toBeLessThan(8192);
});
