/** End-to-end encryption for LiveKit applications: the drop-in worker, and a class that owns one. See docs/livekit.md. */

export { EngineError } from '../media/errors';
export { MediaError } from '../media/types';
export { DataCipher } from './data';
export { createLiveKitWorker, LiveKitCipher } from './livekit_cipher';
export type {
  DataCipherApi,
  DataContext,
  LiveKitCipherApi,
  LiveKitCipherEvents,
  LiveKitCipherOptions,
  LiveKitPolicy,
  SecurityWarning,
  SecurityWarningKind,
} from './types';
