/**
 * Sealed or clear? Three independent looks at the frames a browser sent:
 *
 * 1. Structure, frame by frame: the JFrame trailer (16 bytes of tag, 12 of IV, 0x0C, key index) with the stream's own
 *    SSRC and the frame's own RTP timestamp in the IV, no IV twice, and the clear bytes in front that the format allows.
 * 2. Statistics over the bytes behind the clear ones: a cipher's output is uniform, a codec's is not.
 * 3. A real decoder (decoder.ts): can someone without the key see the sender's picture or hear the sender's tone?
 *
 * A frame that fails the first is clear. A stream that fails any is.
 */
import type { Page } from '@playwright/test';
import type { Capture, Person } from '../support/people';
import { type Decoded, decodeAudio, decodeVideo } from './decoder';
import { collectFrames, type WireContent, type WireFrame } from './frames';

const kTagSize = 16;
const kIvSize = 12;
const kTrailerSize = kTagSize + kIvSize + 2;

/** Bytes in front that stay readable, so that a server can forward: the Opus TOC, or the VP8 header. */
export function clearPrefix(frame: Pick<WireFrame, 'kind' | 'bytes'>): number {
  if (frame.kind === 'audio') return 1;
  return ((frame.bytes[0] ?? 1) & 1) === 0 ? 10 : 3;
}

export interface SealedParts {
  clear: Uint8Array;
  /** Ciphertext and tag. */
  body: Uint8Array;
  iv: Uint8Array;
  keyIndex: number;
}

/** The parts of a JFrame frame, or in words why it is none. */
export function splitSealed(frame: WireFrame): SealedParts | string {
  const { bytes } = frame;
  const clear = clearPrefix(frame);
  if (bytes.length < clear + kTrailerSize) return `${bytes.length} bytes are too few for a sealed frame`;
  const keyIndex = bytes[bytes.length - 1] ?? 255;
  if (bytes[bytes.length - 2] !== kIvSize) return 'no IV length in the trailer';
  if (keyIndex > 15) return `key index ${keyIndex}`;
  const iv = bytes.subarray(bytes.length - 2 - kIvSize, bytes.length - 2);
  const view = new DataView(iv.buffer, iv.byteOffset, iv.byteLength);
  if (view.getUint32(0) !== frame.ssrc) return 'the IV names another SSRC';
  if (view.getUint32(4) !== frame.timestamp) return 'the IV names another timestamp';
  if (frame.kind === 'video' && clear === 10 && (bytes[3] !== 0x9d || bytes[4] !== 0x01 || bytes[5] !== 0x2a))
    return 'no VP8 start code in the clear part of a key frame';
  return { clear: bytes.subarray(0, clear), body: bytes.subarray(clear, bytes.length - 2 - kIvSize), iv, keyIndex };
}

/** Pearson's statistic of byte values against a uniform distribution, as standard deviations above its mean. */
export function uniformity(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return 0;
  const expected = total / counts.length;
  const statistic = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  const freedom = counts.length - 1;
  return (statistic - freedom) / Math.sqrt(2 * freedom);
}

export interface ByteStatistics {
  /** Over all bytes of the bodies. */
  overall: number;
  /** The worst of the first eight body positions, over half-bytes: shows a header that stayed readable. */
  start: number;
}

/** Of the bytes behind `skip(frame)`, without the trailer's IV and key index. */
export function byteStatistics(frames: readonly WireFrame[], end: number): ByteStatistics {
  const kPositions = 8;
  const overall = new Array<number>(256).fill(0);
  const start = Array.from({ length: kPositions * 2 }, () => new Array<number>(16).fill(0));
  for (const frame of frames) {
    const body = frame.bytes.subarray(clearPrefix(frame), Math.max(clearPrefix(frame), frame.bytes.length - end));
    for (const [at, byte] of body.entries()) {
      overall[byte] = (overall[byte] ?? 0) + 1;
      if (at >= kPositions) continue;
      for (const [which, half] of [byte >> 4, byte & 15].entries()) {
        const row = start[at * 2 + which];
        if (row !== undefined) row[half] = (row[half] ?? 0) + 1;
      }
    }
  }
  return { overall: uniformity(overall), start: Math.max(...start.map(uniformity)) };
}

/** What an eavesdropper who knows the format would hand to a decoder. */
function withoutTrailer(frame: WireFrame): WireFrame {
  if (typeof splitSealed(frame) === 'string') return frame;
  return { ...frame, bytes: frame.bytes.subarray(0, frame.bytes.length - kTrailerSize) };
}

export interface StreamVerdict {
  ssrc: number;
  kind: 'audio' | 'video';
  frames: number;
  sealed: number;
  /** Frames that are not sealed, by reason. */
  clear: Record<string, number>;
  keyIndexes: number[];
  statistics: ByteStatistics;
  decoded: Decoded;
}

export interface Verdict {
  streams: StreamVerdict[];
  /** Bytes nobody could judge, packets the browser counted but the capture lacks, an IV used twice. */
  faults: string[];
}

/** A uniform source exceeds this less than once in a million judged streams; clear Opus and VP8 lie at 20 to 900. */
const kMostDeviations = 11;
/** Below this many frames the statistics say nothing. */
const kEnoughFrames = 40;

/** Judges what a person's browser sent. `page`: any Chromium page, for the decoder. */
export async function judge(page: Page, person: Pick<Person, 'kind' | 'index'>, capture: Capture): Promise<Verdict> {
  const content = collectFrames(capture.packets, capture.descriptions);
  const verdict = await judgeContent(page, person, content);
  verdict.faults.push(...missing(content, capture));
  return verdict;
}

/** The same for frames that are already collected. */
export async function judgeContent(
  page: Page,
  person: Pick<Person, 'kind' | 'index'>,
  content: Pick<WireContent, 'streams' | 'faults'>,
): Promise<Verdict> {
  const faults = [...content.faults];
  const streams: StreamVerdict[] = [];
  const ivs = new Set<string>();
  for (const stream of content.streams) {
    const verdict: StreamVerdict = {
      ssrc: stream.ssrc,
      kind: stream.kind,
      frames: stream.frames.length,
      sealed: 0,
      clear: {},
      keyIndexes: [],
      statistics: byteStatistics(stream.frames, kIvSize + 2),
      decoded: await (stream.kind === 'video' ? decodeVideo : decodeAudio)(
        page,
        stream.frames.map(withoutTrailer),
        person,
      ),
    };
    for (const frame of stream.frames) {
      const parts = splitSealed(frame);
      if (typeof parts === 'string') {
        verdict.clear[parts] = (verdict.clear[parts] ?? 0) + 1;
        continue;
      }
      verdict.sealed++;
      if (!verdict.keyIndexes.includes(parts.keyIndex)) verdict.keyIndexes.push(parts.keyIndex);
      const iv = Buffer.from(parts.iv).toString('hex');
      if (ivs.has(iv)) faults.push(`IV ${iv} used twice`);
      ivs.add(iv);
    }
    streams.push(verdict);
  }
  return { streams, faults };
}

/** The capture must hold at least what the browser says it had sent some moments before its end. */
function missing(content: WireContent, capture: Capture): string[] {
  const faults: string[] = [];
  for (const { ssrc, kind, packets } of capture.counted) {
    const captured = content.packets.get(ssrc) ?? 0;
    if (captured < packets) faults.push(`${kind} ${ssrc}: ${packets} packets sent, ${captured} captured`);
  }
  return faults;
}

/** In words, everything about a verdict that speaks against "sealed"; empty for a sealed capture. */
export function objections(verdict: Verdict): string[] {
  const found = [...verdict.faults];
  for (const { ssrc, kind, clear, statistics, decoded, frames } of verdict.streams) {
    const name = `${kind} ${ssrc}`;
    for (const [reason, count] of Object.entries(clear))
      found.push(`${name}: ${count} of ${frames} frames clear (${reason})`);
    if (frames >= kEnoughFrames) {
      const { overall, start } = statistics;
      if (overall > kMostDeviations) found.push(`${name}: bytes are not uniform (${overall.toFixed(1)} deviations)`);
      if (start > kMostDeviations)
        found.push(`${name}: the first bytes are not uniform (${start.toFixed(1)} deviations)`);
    }
    // Noise through an Opus decoder rings at the tone's frequency now and then; clear audio gives 80 % and more.
    const chance = kind === 'audio' ? 2 + decoded.audible / 100 : 0;
    if (decoded.recognised > chance)
      found.push(`${name}: a decoder without key recognises the sender in ${decoded.recognised} of ${frames} frames`);
    if (kind === 'video' && decoded.decoded > 0)
      found.push(`${name}: a decoder without key decodes ${decoded.decoded} frames`);
  }
  return found;
}
