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

const kAudioLevel = /^a=extmap:\d+(?:\/\w+)? urn:ietf:params:rtp-hdrext:(?:ssrc|csrc)-audio-level/;
const kCodecLine = /^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) /;

/**
 * A description as it goes out, without two kinds of lines:
 * - the audio-level header extensions (RFC 6464, 6465): SRTP does not encrypt them, so listeners on the way could tell who
 *   speaks how loudly. The other side does not offer back what it was not offered, so neither side sends them.
 * - attributes of payload types that their media line does not list. Firefox leaves some behind after
 *   setCodecPreferences, and Chromium then refuses the whole description.
 */
export function outgoing(sdp: string): string {
  let listed = new Set<string>();
  const lines = sdp.split('\r\n').filter((line) => {
    if (line.startsWith('m=')) listed = new Set(line.split(' ').slice(3));
    const type = kCodecLine.exec(line)?.[1];
    return !kAudioLevel.test(line) && (type === undefined || listed.has(type));
  });
  return lines.join('\r\n');
}

/** VP8 and Opus only, with retransmission for video: the codecs whose clear bytes the frame format defines. */
export function wantedCodecs<T extends { mimeType: string }>(codecs: readonly T[]): T[] {
  const rank = (codec: T) => ['video/vp8', 'audio/opus', 'video/rtx'].indexOf(codec.mimeType.toLowerCase());
  return codecs.filter((codec) => rank(codec) >= 0).sort((a, b) => rank(a) - rank(b));
}
