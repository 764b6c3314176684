export {
  type Badge,
  type BadgeCause,
  type BadgeInput,
  type BadgeLevel,
  BadgeMeter,
  type Numbers,
  numbersOf,
  worst,
} from './badge';
export { Emitter } from './emitter';
export {
  type BackgroundNotice,
  backgroundFromAddress,
  type DeviceChoice,
  type DeviceKind,
  LocalMedia,
  type LocalMediaEvents,
  type LocalMediaOptions,
  type MediaProblem,
  type NoiseMode,
  type NoiseNotice,
  noiseFromAddress,
} from './local_media';
export { cleanName, initials, kMaxName, lookAlikes, sameLook } from './names';
export {
  type CallEvents,
  type CallPhase,
  type CallRoom,
  type Chat,
  type ChatAudience,
  type ChatMessage,
  kLanes,
  type Lane,
  laneKind,
  type Member,
  type MemberAction,
  type Presence,
  type Trust,
  type Warning,
  type WarningKind,
} from './room';
export { Warnings } from './warnings';
