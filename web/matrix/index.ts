/** Calls in Matrix rooms, together with Element Call. Everything that talks to the Matrix and LiveKit SDKs is in this folder. */

// First: the SDK binds its loggers while its modules load.
import './quiet';

export { createMatrixBackend } from './backend';
export { MatrixError } from './errors';
export { callMode, parseTarget, roomLink } from './links';
export { MatrixRoom, type MatrixRoomParts } from './matrix_room';
export type {
  CallMode,
  Comparison,
  ComparisonEnd,
  ComparisonPhase,
  Homeserver,
  MatrixAccount,
  MatrixAccountEvents,
  MatrixBackend,
  MatrixBackendOptions,
  MatrixCall,
  MatrixCallOptions,
  MatrixProblem,
  MatrixTarget,
  NewIdentity,
  OwnDevice,
  RoomSummary,
  SignIn,
  Verification,
  VerificationProblem,
  VideoCodec,
} from './types';
export { capabilities, widgetParameters } from './widget';
