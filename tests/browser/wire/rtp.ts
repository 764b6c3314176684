/** RTP as captured (RFC 3550, 8285, 4588, 7741). Every length comes from the packet and is checked before use. */

export interface RtpPacket {
  payloadType: number;
  marker: boolean;
  sequence: number;
  timestamp: number;
  ssrc: number;
  /** Without header extension, CSRC list and padding. */
  payload: Uint8Array;
  paddingSize: number;
}

/** RFC 5761 §4: with RTP and RTCP on one port, these second bytes are RTCP. */
export function isRtcp(bytes: Uint8Array): boolean {
  const type = bytes[1] ?? 0;
  return bytes.length >= 8 && (bytes[0] ?? 0) >> 6 === 2 && type >= 192 && type <= 223;
}

/** The packet, or null when the bytes are no well-formed RTP. */
export function parseRtp(bytes: Uint8Array): RtpPacket | null {
  if (bytes.length < 12) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = view.getUint8(0);
  const second = view.getUint8(1);
  if (first >> 6 !== 2) return null;
  let start = 12 + (first & 15) * 4;
  if ((first & 0x10) !== 0) {
    if (start + 4 > bytes.length) return null;
    start += 4 + view.getUint16(start + 2) * 4;
  }
  if (start > bytes.length) return null;
  let end = bytes.length;
  if ((first & 0x20) !== 0) {
    const padding = view.getUint8(bytes.length - 1);
    // Zero is not allowed by the RFC, but Chromium's dump has it on packets whose padding is counted elsewhere.
    if (padding > end - start) return null;
    end -= padding;
  }
  return {
    payloadType: second & 127,
    marker: (second & 128) !== 0,
    sequence: view.getUint16(2),
    timestamp: view.getUint32(4),
    ssrc: view.getUint32(8),
    payload: bytes.subarray(start, end),
    paddingSize: bytes.length - end,
  };
}

export interface Vp8Payload {
  startOfFrame: boolean;
  data: Uint8Array;
}

/** Takes the payload descriptor of RFC 7741 §4.2 off; null when it runs past the end. */
export function parseVp8Payload(payload: Uint8Array): Vp8Payload | null {
  let at = 0;
  const next = () => (at < payload.length ? (payload[at++] ?? 0) : -1);
  const head = next();
  if (head < 0) return null;
  if ((head & 0x80) !== 0) {
    const extension = next();
    if (extension < 0) return null;
    if ((extension & 0x80) !== 0) {
      const picture = next();
      if (picture < 0 || ((picture & 0x80) !== 0 && next() < 0)) return null;
    }
    if ((extension & 0x40) !== 0 && next() < 0) return null;
    if ((extension & 0x30) !== 0 && next() < 0) return null;
  }
  if (at > payload.length) return null;
  return { startOfFrame: (head & 0x10) !== 0 && (head & 7) === 0, data: payload.subarray(at) };
}

export interface StreamDescription {
  kind: 'audio' | 'video';
  /** Payload type → codec name in lower case, as negotiated for this stream's section. */
  codecs: Map<number, string>;
  /** Payload type of a retransmission → payload type it repeats. */
  repeats: Map<number, number>;
  /** For the SSRC of retransmissions: the SSRC they repeat. */
  original: number | null;
}

/** Reads which SSRCs a browser may send on, and what their payload types mean, out of its local descriptions. */
export function describeStreams(descriptions: readonly string[]): Map<number, StreamDescription> {
  const streams = new Map<number, StreamDescription>();
  for (const description of descriptions) {
    for (const section of description.split(/^m=/m).slice(1)) {
      const kind = section.startsWith('audio') ? 'audio' : section.startsWith('video') ? 'video' : null;
      if (kind === null) continue;
      const codecs = new Map<number, string>();
      const repeats = new Map<number, number>();
      for (const [, type, name] of section.matchAll(/^a=rtpmap:(\d+) ([^/\s]+)/gm))
        codecs.set(Number(type), (name ?? '').toLowerCase());
      for (const [, type, repeated] of section.matchAll(/^a=fmtp:(\d+) (?:.*;)?apt=(\d+)/gm))
        repeats.set(Number(type), Number(repeated));
      const groups = new Map<number, number>();
      for (const [, original, repetition] of section.matchAll(/^a=ssrc-group:FID (\d+) (\d+)/gm))
        groups.set(Number(repetition), Number(original));
      for (const [, text] of section.matchAll(/^a=ssrc:(\d+) /gm)) {
        const ssrc = Number(text);
        const known = streams.get(ssrc);
        const original = groups.get(ssrc) ?? null;
        if (known === undefined) {
          streams.set(ssrc, { kind, codecs: new Map(codecs), repeats: new Map(repeats), original });
          continue;
        }
        for (const [type, name] of codecs) {
          const before = known.codecs.get(type);
          if (before !== undefined && before !== name)
            throw new Error(`payload type ${type} of SSRC ${ssrc} means ${before} and ${name}`);
          known.codecs.set(type, name);
        }
        for (const [type, repeated] of repeats) known.repeats.set(type, repeated);
        known.original ??= original;
      }
    }
  }
  return streams;
}
