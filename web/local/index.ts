export { ClientId } from './client_id';
export type { MemberState, ServerError } from './messages';
export { Peer } from './peer';
export { LocalRoom, type RoomFailure, type RoomOptions } from './room';
export { Signalling } from './signalling';
