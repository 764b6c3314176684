import { expect, test, vi } from 'vitest';
import { type LoaderEnvironment, loadEngine } from '../../../web/media/engine_loader';
import { chooseVariant } from '../../../web/media/features';
import { fakeEngine } from './fake_engine';

const assets = new URL('https://example.test/assets/');
const kWasm = { headers: { 'Content-Type': 'application/wasm' } };

function environment(changes: Partial<LoaderEnvironment> = {}): LoaderEnvironment {
  return {
    fetch: vi.fn(async () => new Response('bytes', kWasm)),
    importGlue: vi.fn(async () => async () => fakeEngine()),
    chooseVariant: () => 'simd',
    ...changes,
  };
}

test('loads the chosen build and hands its bytes to the glue', async () => {
  const factory = vi.fn(async () => fakeEngine());
  const around = environment({ importGlue: vi.fn(async () => factory), chooseVariant: () => 'simd-relaxed' });
  const engine = await loadEngine(assets, around);
  expect(engine.variant()).toBe('simd');
  expect(around.fetch).toHaveBeenCalledWith(new URL('https://example.test/assets/siegel-relaxed.wasm'));
  expect(around.importGlue).toHaveBeenCalledWith('simd-relaxed');
  expect(factory).toHaveBeenCalledWith({ wasmBinary: expect.any(ArrayBuffer) });
});

test.each(['no-wasm', 'no-simd'] as const)('%s: refuses before anything is fetched', async (missing) => {
  const around = environment({ chooseVariant: () => missing });
  await expect(loadEngine(assets, around)).rejects.toMatchObject({ name: 'MediaError', reason: missing });
  expect(around.fetch).not.toHaveBeenCalled();
  expect(around.importGlue).not.toHaveBeenCalled();
});

test.each(['application/octet-stream', 'text/html', ''])('MIME type "%s": wasm-mime', async (type) => {
  const fetch = async () => new Response('bytes', { headers: { 'Content-Type': type } });
  await expect(loadEngine(assets, environment({ fetch }))).rejects.toMatchObject({ reason: 'wasm-mime' });
});

test('a MIME type with parameters is the same type', async () => {
  const fetch = async () => new Response('bytes', { headers: { 'Content-Type': 'Application/WASM; charset=binary' } });
  await expect(loadEngine(assets, environment({ fetch }))).resolves.toBeDefined();
});

test.each([
  ['not found', { fetch: async () => new Response('', { status: 404, ...kWasm }) }],
  ['network', { fetch: async () => Promise.reject(new TypeError('Failed to fetch')) }],
  ['glue missing', { importGlue: async () => Promise.reject(new TypeError('no module')) }],
  [
    'refused by the content security policy',
    { importGlue: async () => async () => Promise.reject(new WebAssembly.CompileError('unsafe-eval')) },
  ],
])('%s: wasm-load', async (_, changes) => {
  await expect(loadEngine(assets, environment(changes as Partial<LoaderEnvironment>))).rejects.toMatchObject({
    reason: 'wasm-load',
  });
});

test('relaxed SIMD first, then SIMD, else none', () => {
  const probes: number[] = [];
  const accept = (count: number) => (bytes: Uint8Array) => {
    probes.push(bytes.length);
    return probes.length <= count;
  };
  const choose = (count: number) => {
    probes.length = 0;
    return chooseVariant(accept(count));
  };
  expect(choose(2)).toBe('simd-relaxed');
  expect(choose(1)).toBe('simd');
  expect(choose(0)).toBe('no-simd');
  expect(probes).toHaveLength(1);
  vi.stubGlobal('WebAssembly', undefined);
  expect(chooseVariant()).toBe('no-wasm');
  vi.unstubAllGlobals();
});

test('the probes are modules that a real engine judges by its features', () => {
  // Node 20 has SIMD and not relaxed SIMD; 22 has both.
  const relaxed = Number(process.versions.node.split('.')[0]) >= 22;
  expect(chooseVariant()).toBe(relaxed ? 'simd-relaxed' : 'simd');
});
