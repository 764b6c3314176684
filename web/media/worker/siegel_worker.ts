/**
 * The worker's script. Both handlers stand before the first `await`: a transform or a message that comes early would
 * otherwise be lost, and with it the promise that nothing passes unsealed.
 */

import { loadEngine } from '../engine_loader';
import type { EngineModule } from '../engine_types';
import { chooseVariant } from '../features';
import { MediaError } from '../types';
import type { WorkerScope } from './globals';
import { MediaWorker } from './media_worker';

const scope = globalThis as unknown as WorkerScope;

/** A server that never answers is told apart from a slow one by this. */
const kLoadLimitMs = 30_000;

type Factory = (options: { wasmBinary: ArrayBuffer }) => Promise<EngineModule>;

const worker = new MediaWorker({
  post: (message) => scope.postMessage(message),
  loadEngine: () =>
    loadEngine(new URL('./', import.meta.url), {
      fetch: (url) => fetch(url, { credentials: 'same-origin', signal: AbortSignal.timeout(kLoadLimitMs) }),
      importGlue: async (variant): Promise<Factory> => {
        // @ts-expect-error Built by Emscripten and put beside this script; not part of this bundle.
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
});

scope.onmessage = ({ data }) => worker.onMessage(data);
scope.onrtctransform = ({ transformer }) => worker.onTransform(transformer);
globalThis.addEventListener('unhandledrejection', () =>
  worker.fail(new MediaError('worker-died', 'An error that nobody expected.')),
);
scope.postMessage({ kind: 'started', data: null });
