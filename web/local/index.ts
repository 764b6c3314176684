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
export { ClientId } from './client_id';
export { type DeviceChoice, type DeviceKind, LocalMedia, type MediaProblem } from './local_media';
export type { MemberState, ServerError } from './messages';
export { cleanName, initials, kMaxName } from './names';
export { type Lane, Peer } from './peer';
export { LocalRoom, type Member, type RoomEvents, type RoomFailure, type RoomOptions, type RoomPhase } from './room';
export { Signalling } from './signalling';
