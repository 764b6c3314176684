/**
 * `lib-jitsi-meet.e2ee-worker.js`: the drop-in worker as one classic script with the engine inside, because that is one file that
 * an operator can replace. Both handlers stand before the first turn: a transform that comes early is not lost.
 */
// @ts-expect-error Built by Emscripten; part of this bundle.
import createRelaxed from '#engine/siegel-relaxed.mjs';
// @ts-expect-error As above.
import relaxed from '#engine/siegel-relaxed.wasm';
// @ts-expect-error As above.
import createSimd from '#engine/siegel-simd.mjs';
// @ts-expect-error As above.
import simd from '#engine/siegel-simd.wasm';
import { chooseVariant } from '../../media/features';
import { MediaError } from '../../media/types';
import type { WorkerScope } from '../../media/worker/globals';
import { JitsiWorker } from './jitsi_worker';

const scope = globalThis as unknown as WorkerScope;

const worker = new JitsiWorker({
  loadEngine: async () => {
    const variant = chooseVariant();
    if (variant === 'no-wasm') throw new MediaError('no-wasm', 'This browser does not run WebAssembly.');
    if (variant === 'no-simd') throw new MediaError('no-simd', 'This browser lacks 128-bit SIMD for WebAssembly.');
    const [create, bytes] = variant === 'simd' ? [createSimd, simd] : [createRelaxed, relaxed];
    try {
      return await create({ wasmBinary: (bytes as Uint8Array<ArrayBuffer>).slice().buffer });
    } catch {
      throw new MediaError('wasm-load', 'The engine did not start; a content security policy needs wasm-unsafe-eval.');
    }
  },
  holdLock: () => new Promise(() => {}),
  subtle: globalThis.crypto?.subtle,
  now: () => performance.now(),
  warn: (text) => console.warn(text),
});

scope.onmessage = ({ data }) => worker.onMessage(data);
scope.onrtctransform = ({ transformer }) => worker.onTransform(transformer);
globalThis.addEventListener('unhandledrejection', () =>
  worker.fail(new MediaError('worker-died', 'An error that nobody expected.')),
);
