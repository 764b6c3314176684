/** The media layer: end-to-end encryption of a call's sound and picture. */

export type { CodecName, FormatName } from './engine_types';
export { EngineError, type ErrorName, kErrorNames } from './errors';
export { chooseVariant, missingFeature, type TransformPath, transformPath } from './features';
export { MediaCipher } from './media_cipher';
export {
  type EngineInfo,
  type KeyOptions,
  type MediaCipherApi,
  type MediaCipherEvents,
  type MediaCipherOptions,
  MediaError,
  type MediaFailure,
  type RejectReason,
  type StatsSnapshot,
  type TrackCounters,
  type TrackInfo,
} from './types';
