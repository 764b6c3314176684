/** Effects on a person's own sound and picture, before anything is sealed. Local; nothing leaves the browser for them. */
export { JitsiBackground, LiveKitBackground } from './background/adapters';
export { Background, createBackground, framePath, startBackground } from './background/background';
export type { BackgroundCore } from './background/core';
export {
  type BackgroundImage,
  type BackgroundImageName,
  backgroundImageUrl,
  kBackgroundImages,
  loadBackgroundImage,
  openBackgroundImage,
} from './background/images';
export { type Arithmetic, arithmetics, createBackgroundCore } from './background/inspect';
export type {
  BackgroundEvents,
  BackgroundFailure,
  BackgroundOptions,
  BackgroundReport,
  BackgroundState,
  BackgroundType,
  Effort,
  StageTimes,
} from './background/types';
export { createDenoiser, Denoiser, startDenoiser } from './denoiser';
export { type Hearing, playHearing, recordHearing } from './hear';
export { JitsiNoiseSuppression, type JitsiTrackLike } from './jitsi';
export { LiveKitNoiseSuppression, type LiveKitProcessorOptions } from './livekit';
export { encodeWav, type Levels, levels } from './measure';
export { denoiseOffline, type OfflineOptions, type OfflineResult } from './offline';
export { kBins, spectrogram } from './spectrogram';
export {
  type DenoiseFailure,
  type DenoiseProfile,
  type DenoiseReport,
  type DenoiserEvents,
  type DenoiserOptions,
  type DenoiseState,
  kProfiles,
  type StepReason,
} from './types';
