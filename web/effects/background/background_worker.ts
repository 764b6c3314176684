/** Entry point of the worker: messages in and out, nothing else. */
import type { ToWorker } from './types';
import { BackgroundWorker } from './worker';

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: unknown, transfer: Transferable[]): void;
};
const worker = new BackgroundWorker((message, transfer = []) => scope.postMessage(message, transfer));
scope.onmessage = ({ data }) => void worker.onMessage(data);
