/** What the browser lacks, before anything is asked of the person. Only looks; opens nothing. */
import type { MediaFailure } from '../media/types';

/** A module of one function that returns an empty 128-bit vector: valid only where SIMD is. */
const kSimdProbe = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

export function missingFeature(): MediaFailure | undefined {
  if (typeof RTCPeerConnection === 'undefined') return 'no-webrtc';
  const hasTransform =
    typeof RTCRtpScriptTransform !== 'undefined' ||
    (typeof RTCRtpSender !== 'undefined' && 'createEncodedStreams' in RTCRtpSender.prototype);
  if (!hasTransform) return 'no-encoded-transform';
  if (typeof WebAssembly === 'undefined') return 'no-wasm';
  if (!WebAssembly.validate(kSimdProbe)) return 'no-simd';
  return undefined;
}
