/**
 * From a folder of files to a running engine. Every way in which that fails has a name, because the remedy differs: a
 * server that sends the wrong MIME type is not a missing file.
 *
 * Threads: runs in the worker (and in tests and tools). Cost: two requests, compiling about 60 kB.
 */
import type { EngineModule } from './engine_types';
import type { chooseVariant, Variant } from './features';
import { MediaError } from './types';

/** What the loader needs from the outside, so that a test can stand in for the network. */
export interface LoaderEnvironment {
  fetch(url: URL): Promise<Response>;
  /** The Emscripten module's default export. */
  importGlue(variant: Variant): Promise<(options: { wasmBinary: ArrayBuffer }) => Promise<EngineModule>>;
  chooseVariant(): ReturnType<typeof chooseVariant>;
}

/** `assets`: the folder with the .wasm files, as an absolute URL that ends in a slash. Rejects with a MediaError. */
export async function loadEngine(assets: URL, environment: LoaderEnvironment): Promise<EngineModule> {
  const variant = environment.chooseVariant();
  if (variant === 'no-wasm') throw new MediaError('no-wasm', 'This browser does not run WebAssembly.');
  if (variant === 'no-simd') throw new MediaError('no-simd', 'This browser lacks 128-bit SIMD for WebAssembly.');
  const file = `siegel-${variant === 'simd-relaxed' ? 'relaxed' : 'simd'}.wasm`;

  // The script travels while the binary does.
  const glue = environment.importGlue(variant);
  glue.catch(() => {});
  const wasmBinary = await fetchWasm(new URL(file, assets), environment);
  try {
    return await (await glue)({ wasmBinary });
  } catch {
    // Refused by the content security policy, a broken file, or out of memory; the browser's text may name addresses.
    throw new MediaError('wasm-load', `${file} did not start.`);
  }
}

async function fetchWasm(url: URL, environment: LoaderEnvironment): Promise<ArrayBuffer> {
  const name = url.pathname.split('/').pop();
  let response: Response;
  try {
    response = await environment.fetch(url);
  } catch {
    throw new MediaError('wasm-load', `${name} could not be fetched.`);
  }
  if (!response.ok) throw new MediaError('wasm-load', `${name}: the server answered ${response.status}.`);
  const type = response.headers.get('Content-Type')?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (type !== 'application/wasm')
    throw new MediaError('wasm-mime', `${name} is served as "${type.slice(0, 60)}" instead of application/wasm.`);
  try {
    return await response.arrayBuffer();
  } catch {
    throw new MediaError('wasm-load', `${name} arrived broken.`);
  }
}
