/**
 * From captured packets to encoded frames: Opus (RFC 7587: one frame a packet) and VP8 (RFC 7741), retransmissions
 * (RFC 4588) folded in. Nothing may stay unexplained: a packet that fits no known stream, a codec that cannot be read or
 * a frame with a hole is a fault, because bytes nobody judged could be clear ones.
 */
import type { CapturedPacket } from './dump';
import { describeStreams, isRtcp, parseRtp, parseVp8Payload, type RtpPacket } from './rtp';

export interface WireFrame {
  ssrc: number;
  kind: 'audio' | 'video';
  codec: 'opus' | 'vp8';
  timestamp: number;
  /** Milliseconds of the day of the first packet. */
  at: number;
  bytes: Uint8Array;
}

export interface WireStream {
  ssrc: number;
  kind: 'audio' | 'video';
  codec: 'opus' | 'vp8';
  frames: WireFrame[];
  packets: number;
  retransmissions: number;
  paddingPackets: number;
}

export interface WireContent {
  streams: WireStream[];
  rtcpPackets: number;
  /** Packets per SSRC with retransmissions and padding, also of streams that carried padding only. */
  packets: Map<number, number>;
  /** Why some bytes could not be judged; empty when all were. */
  faults: string[];
}

interface Piece extends RtpPacket {
  at: number;
}

/** What one browser sent. `packets` in the order they were written down. */
export function collectFrames(packets: readonly CapturedPacket[], descriptions: readonly string[]): WireContent {
  const known = describeStreams(descriptions);
  const faults: string[] = [];
  const pieces = new Map<number, { codec: 'opus' | 'vp8'; kind: 'audio' | 'video'; bySequence: Map<number, Piece> }>();
  const counts = new Map<number, { packets: number; retransmissions: number; padding: number }>();
  const extended = new Map<number, number>();
  let rtcpPackets = 0;

  /** Sequence numbers without the wrap: the value nearest to the last one seen. */
  const extend = (ssrc: number, sequence: number): number => {
    const last = extended.get(ssrc);
    let value = sequence;
    if (last !== undefined) value = last + ((((sequence - last) & 0xffff) + 0x8000) & 0xffff) - 0x8000;
    if (last === undefined || value > last) extended.set(ssrc, value);
    return value;
  };
  const addCount = (ssrc: number, field: 'packets' | 'retransmissions' | 'padding') => {
    const count = counts.get(ssrc) ?? { packets: 0, retransmissions: 0, padding: 0 };
    count[field]++;
    counts.set(ssrc, count);
  };

  for (const { outbound, bytes, at } of packets) {
    if (!outbound) continue;
    if (isRtcp(bytes)) {
      rtcpPackets++;
      continue;
    }
    const packet = parseRtp(bytes);
    if (packet === null) {
      faults.push(`${bytes.length} bytes that are no RTP packet`);
      continue;
    }
    const stream = known.get(packet.ssrc);
    const codec = stream?.codecs.get(packet.payloadType);
    if (stream === undefined || codec === undefined) {
      faults.push(`packet of unknown SSRC ${packet.ssrc} or payload type ${packet.payloadType}`);
      continue;
    }
    let ssrc = packet.ssrc;
    let piece: Piece = { ...packet, at };
    let name = codec;
    if (codec === 'rtx') {
      const repeated = stream.repeats.get(packet.payloadType);
      const original = stream.original;
      if (packet.payload.length === 0) {
        addCount(original ?? ssrc, 'padding');
        continue;
      }
      if (repeated === undefined || original === null || packet.payload.length < 2) {
        faults.push(`retransmission on SSRC ${ssrc} that repeats nothing known`);
        continue;
      }
      name = stream.codecs.get(repeated) ?? 'unknown';
      ssrc = original;
      addCount(ssrc, 'retransmissions');
      const sequence = ((packet.payload[0] ?? 0) << 8) | (packet.payload[1] ?? 0);
      piece = { ...piece, ssrc, sequence, payload: packet.payload.subarray(2) };
    } else {
      if (packet.payload.length > 0) addCount(ssrc, 'packets');
      else {
        addCount(ssrc, 'padding');
        // Padding takes a sequence number and ends no frame.
        extend(ssrc, packet.sequence);
        continue;
      }
    }
    if (name === 'red' && stream.kind === 'video') {
      // RFC 2198 as video uses it: one block, a header of one byte with the payload type inside.
      const header = piece.payload[0] ?? 0x80;
      const inner = stream.codecs.get(header & 127);
      if ((header & 0x80) !== 0 || inner === undefined) {
        faults.push('a RED packet with several blocks');
        continue;
      }
      name = inner;
      piece = { ...piece, payload: piece.payload.subarray(1) };
    }
    if (name !== 'opus' && name !== 'vp8') {
      faults.push(`a packet of codec ${name}, which is not read here`);
      continue;
    }
    const entry = pieces.get(ssrc) ?? { codec: name, kind: stream.kind, bySequence: new Map<number, Piece>() };
    if (entry.codec !== name) {
      faults.push(`SSRC ${ssrc} changes from ${entry.codec} to ${name}`);
      continue;
    }
    pieces.set(ssrc, entry);
    const at16 = extend(ssrc, piece.sequence);
    const before = entry.bySequence.get(at16);
    if (before !== undefined) {
      if (Buffer.compare(before.payload, piece.payload) !== 0) faults.push(`SSRC ${ssrc}: a repeated packet differs`);
      continue;
    }
    entry.bySequence.set(at16, piece);
  }

  const streams: WireStream[] = [];
  for (const [ssrc, { codec, kind, bySequence }] of pieces) {
    const ordered = [...bySequence.entries()].sort(([a], [b]) => a - b);
    const count = counts.get(ssrc) ?? { packets: 0, retransmissions: 0, padding: 0 };
    const frames: WireFrame[] = [];
    if (codec === 'opus') {
      for (const [, { timestamp, payload, at }] of ordered)
        frames.push({ ssrc, kind, codec, timestamp, at, bytes: payload });
    } else {
      assembleVp8(ssrc, ordered, frames, faults);
    }
    streams.push({
      ssrc,
      kind,
      codec,
      frames,
      packets: count.packets,
      retransmissions: count.retransmissions,
      paddingPackets: count.padding,
    });
  }
  const totals = new Map<number, number>();
  for (const [ssrc, { packets, retransmissions, padding }] of counts)
    totals.set(ssrc, packets + retransmissions + padding);
  return { streams, rtcpPackets, packets: totals, faults: summarise(faults) };
}

function summarise(faults: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const fault of faults) counts.set(fault, (counts.get(fault) ?? 0) + 1);
  return [...counts].map(([fault, count]) => (count === 1 ? fault : `${fault} (${count} times)`));
}

function assembleVp8(
  ssrc: number,
  ordered: readonly [sequence: number, piece: Piece][],
  frames: WireFrame[],
  faults: string[],
): void {
  let parts: Uint8Array[] = [];
  let expected = Number.NaN;
  let started: Piece | null = null;
  const lastTimestamp = ordered.at(-1)?.[1].timestamp;
  for (const [sequence, piece] of ordered) {
    const part = parseVp8Payload(piece.payload);
    if (part === null) {
      faults.push(`SSRC ${ssrc}: VP8 descriptor runs past its packet`);
      continue;
    }
    const follows = started !== null && sequence === expected && piece.timestamp === started.timestamp;
    if (part.startOfFrame && !follows) {
      if (started !== null) faults.push(`SSRC ${ssrc}: frame at ${started.timestamp} does not end`);
      parts = [];
      started = piece;
    } else if (!follows) {
      faults.push(`SSRC ${ssrc}: a packet at ${piece.timestamp} belongs to no frame`);
      started = null;
      continue;
    }
    parts.push(part.data);
    expected = sequence + 1;
    if (piece.marker && started !== null) {
      frames.push({
        ssrc,
        kind: 'video',
        codec: 'vp8',
        timestamp: started.timestamp,
        at: started.at,
        bytes: Buffer.concat(parts),
      });
      started = null;
    }
  }
  // The browser was closed while it sent this one; any other open frame is a hole.
  if (started !== null && started.timestamp !== lastTimestamp)
    faults.push(`SSRC ${ssrc}: frame at ${started.timestamp} does not end`);
}
