export { addressText, parseAddress } from './address';
export { createJitsiBackend } from './backend';
export { JitsiRoom } from './jitsi_room';
export {
  type JitsiAddress,
  type JitsiBackend,
  type JitsiCall,
  type JitsiCallOptions,
  JitsiError,
  type JitsiPrivacy,
  type JitsiProblem,
  type JitsiStage,
  type Knocker,
  type SasState,
} from './types';
