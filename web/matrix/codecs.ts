/** How video is coded: what this browser can send and show. The engine seals and opens each of these. */
import { supportsVP9 } from 'livekit-client';
import type { VideoCodec } from './types';

const kCodecs: readonly VideoCodec[] = ['vp8', 'vp9', 'h264'];

function known(capabilities: RTCRtpCapabilities | null | undefined): Set<string> {
  return new Set((capabilities?.codecs ?? []).map(({ mimeType }) => mimeType.toLowerCase()));
}

/**
 * What this browser can send; VP8, which every browser with WebRTC has, comes first. Firefox's VP9 has no layers that a
 * media server could choose from, so it is not offered there (livekit-client would quietly send VP8).
 */
export function sendableCodecs(): VideoCodec[] {
  const own = known(globalThis.RTCRtpSender?.getCapabilities?.('video'));
  return kCodecs.filter(
    (codec) => codec === 'vp8' || (own.has(`video/${codec}`) && (codec !== 'vp9' || supportsVP9())),
  );
}

/** Asked once: it is wanted for every member and every change. */
let playable: Set<string> | undefined;

/** False for a MIME type such as `video/H264` that this browser cannot decode; true where nothing is known. Cheap. */
export function isPlayable(mimeType: string | undefined): boolean {
  playable ??= known(globalThis.RTCRtpReceiver?.getCapabilities?.('video'));
  return !mimeType || playable.size === 0 || playable.has(mimeType.toLowerCase());
}

export const isVideoCodec = (value: unknown): value is VideoCodec => kCodecs.includes(value as VideoCodec);
