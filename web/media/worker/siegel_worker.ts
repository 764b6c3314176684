/**
 * The worker's script. Both handlers stand before the first `await`: a transform or a message that comes early would
 * otherwise be lost, and with it the promise that nothing passes unsealed.
 */

import { MediaError } from '../types';
import type { WorkerScope } from './globals';
import { MediaWorker } from './media_worker';
import { browserSurroundings } from './surroundings';

const scope = globalThis as unknown as WorkerScope;

const worker = new MediaWorker({
  ...browserSurroundings(new URL('./', import.meta.url)),
  post: (message) => scope.postMessage(message),
});

scope.onmessage = ({ data }) => worker.onMessage(data);
scope.onrtctransform = ({ transformer }) => worker.onTransform(transformer);
globalThis.addEventListener('unhandledrejection', () =>
  worker.fail(new MediaError('worker-died', 'An error that nobody expected.')),
);
scope.postMessage({ kind: 'started', data: null });
