/**
 * What a worker of ours finds around it in a browser: the engine's files beside the script, a web lock to hold, a clock.
 * Both worker scripts (ours and the one for LiveKit) take theirs from here.
 */
import { loadEngine } from '../engine_loader';
import type { EngineModule } from '../engine_types';
import { chooseVariant } from '../features';
import type { EngineSurroundings } from './start';

/** A server that never answers is told apart from a slow one by this. */
const kLoadLimitMs = 30_000;

type Factory = (options: { wasmBinary: ArrayBuffer }) => Promise<EngineModule>;

/** `folder`: where script, glue and wasm lie (`new URL('./', import.meta.url)` of the script). */
export function browserSurroundings(folder: URL): EngineSurroundings {
  return {
    loadEngine: () =>
      loadEngine(folder, {
        fetch: (url) => fetch(url, { credentials: 'same-origin', signal: AbortSignal.timeout(kLoadLimitMs) }),
        importGlue: async (variant): Promise<Factory> => {
          // @ts-expect-error Built by Emscripten and put beside the script; not part of its bundle.
          if (variant === 'simd') return (await import('./siegel-simd.mjs')).default;
          // @ts-expect-error As above.
          return (await import('./siegel-relaxed.mjs')).default;
        },
        chooseVariant,
      }),
    holdLock: (name) =>
      new Promise((resolve) => {
        navigator.locks
          ?.request(name, () => {
            resolve();
            return new Promise(() => {});
          })
          .catch(() => {});
      }),
    subtle: globalThis.crypto?.subtle,
    now: () => performance.now(),
  };
}
