/** The few places where session descriptions are read or changed as text. Pure functions. */
import type { CodecName } from '../media/engine_types';

const kCodecs: Readonly<Record<string, CodecName>> = {
  opus: 'opus',
  vp8: 'vp8',
  vp9: 'vp9',
  h264: 'h264',
  h265: 'h265',
  av1: 'av1',
};

/** Payload type → codec, for every type that carries frames (not RTX, RED or FEC). */
export function payloadTypes(sdp: string): Map<number, CodecName> {
  const map = new Map<number, CodecName>();
  for (const [, type, name] of sdp.matchAll(/^a=rtpmap:(\d{1,3}) ([A-Za-z0-9_-]+)\/\d+/gm)) {
    const codec = kCodecs[(name ?? '').toLowerCase()];
    if (codec) map.set(Number(type), codec);
  }
  return map;
}

/**
 * Takes out what would tell listeners on the way how loud someone speaks: the audio-level header extensions (RFC 6464,
 * 6465) are not covered by SRTP's encryption. The other side then does not offer them back, so neither side sends them.
 */
export function withoutAudioLevels(sdp: string): string {
  return sdp.replace(/^a=extmap:\d+(?:\/\w+)? urn:ietf:params:rtp-hdrext:(?:ssrc|csrc)-audio-level[^\r\n]*\r?\n/gm, '');
}

/** VP8 and Opus only, with retransmission for video: the codecs whose clear bytes the frame format defines. */
export function wantedCodecs<T extends { mimeType: string }>(codecs: readonly T[]): T[] {
  const rank = (codec: T) => ['video/vp8', 'audio/opus', 'video/rtx'].indexOf(codec.mimeType.toLowerCase());
  return codecs.filter((codec) => rank(codec) >= 0).sort((a, b) => rank(a) - rank(b));
}
