import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Codec, Derivation, type EngineModule, Format, FrameType } from '../../../web/media/engine_types';
import { EngineError, kEmptyFrame, kErrorNames, rejectReason } from '../../../web/media/errors';

const root = join(import.meta.dirname, '../../..');
const header = (name: string) => readFileSync(join(root, 'engine/include/siegel', name), 'utf8');

/** The names and numbers of a C++ enum class, in the order of the text. */
function cppEnum(text: string, name: string): [string, number][] {
  const body = new RegExp(`enum class ${name}\\b[^{]*\\{([^}]*)\\}`).exec(text)?.[1] ?? '';
  return [...body.matchAll(/(k\w+) = (\d+)/g)].map(([, key, value]) => [key!, Number(value)]);
}

test('the error names are those of result.h, under the same numbers', () => {
  const errors = cppEnum(header('result.h'), 'Error');
  expect(errors.length).toBeGreaterThan(10);
  expect(errors.map(([, value]) => value)).toEqual(errors.map((_, i) => i));
  expect(errors.map(([name]) => name)).toEqual([...kErrorNames]);
  expect(/kErrorCount = (\d+)/.exec(header('result.h'))?.[1]).toBe(String(kErrorNames.length));
});

test.each(['simd', 'relaxed'])('the %s module has as many errors, and knows its name', async (variant) => {
  // Node 20 does not compile the relaxed build.
  const binary = readFileSync(join(root, `dist/assets/siegel-${variant}.wasm`));
  if (!WebAssembly.validate(binary)) {
    expect([variant, Number(process.versions.node.split('.')[0])]).toEqual(['relaxed', 20]);
    return;
  }
  const { default: create } = await import(join(root, `dist/assets/siegel-${variant}.mjs`));
  const module = (await create({ wasmBinary: binary })) as EngineModule;
  expect(module.errorCount()).toBe(kErrorNames.length);
  expect(module.variant()).toBe(variant === 'simd' ? 'simd' : 'simd-relaxed');
});

test('the enums of a frame are those of frame.h', () => {
  const key = (name: string) => `k${name[0]!.toUpperCase()}${name.slice(1)}`.toLowerCase();
  const text = header('frame.h');
  for (const [name, ours] of Object.entries({ Format, Codec, FrameType, Derivation })) {
    const theirs = cppEnum(text, name).map(([each, value]) => [each.toLowerCase(), value]);
    expect(theirs.length, name).toBeGreaterThan(2);
    expect(
      Object.entries(ours).map(([each, value]) => [key(each), value]),
      name,
    ).toEqual(theirs);
  }
});

test('every error has a reason, and only those that no frame meets are internal', () => {
  const reasons = kErrorNames.map((_, code) => rejectReason(code));
  const internal = kErrorNames.filter((_, code) => reasons[code] === 'internal');
  expect(internal).toEqual([
    'kNone',
    'kInvalidArgument',
    'kInvalidKey',
    'kUnsupportedSuite',
    'kEmptyFrame',
    'kKeyUsage',
  ]);
  // The closed list of types.ts, but 'internal'.
  const types = readFileSync(join(root, 'web/media/types.ts'), 'utf8');
  const list = /type RejectReason =([^;]*);/.exec(types)?.[1] ?? '';
  const listed = [...list.matchAll(/'(\w+)'/g)].map(([, reason]) => reason);
  expect(new Set(reasons)).toEqual(new Set(listed));
  expect(rejectReason(2)).toBe('authentication');
  expect(rejectReason(99)).toBe('internal');
  expect(kEmptyFrame).toBe(13);
});

test('an EngineError names the error and nothing else', () => {
  expect(new EngineError(11).message).toBe('the engine refused: InvalidKey');
  expect(new EngineError(200).message).toBe('the engine refused: unknown error');
});
