/**
 * The drop-in worker's script (`siegel/livekit-worker`). Both handlers stand before the first `await`: a transform or a
 * message that comes early would otherwise be lost, and with it the promise that nothing passes unsealed.
 */
import { MediaError } from '../../media/types';
import type { WorkerScope } from '../../media/worker/globals';
import { browserSurroundings } from '../../media/worker/surroundings';
import { LiveKitWorker } from './livekit_worker';

const scope = globalThis as unknown as WorkerScope;

const worker = new LiveKitWorker({
  ...browserSurroundings(new URL('./', import.meta.url)),
  post: (message, transfer) => scope.postMessage(message, transfer),
});

scope.onmessage = ({ data }) => worker.onMessage(data);
scope.onrtctransform = ({ transformer }) => worker.onTransform(transformer);
globalThis.addEventListener('unhandledrejection', () =>
  worker.fail(new MediaError('worker-died', 'An error that nobody expected.')),
);
scope.postMessage({ kind: 'siegel', data: { kind: 'started' } });
