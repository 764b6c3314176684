/**
 * LiveKit's optional frame metadata ("packet trailer"): what an application chose to send in clear behind a sealed video
 * frame. Not authenticated; a server can read and change it. Layout (livekit-client 2.23.0, src/frameMetadata):
 * items of tag, length, value; the length of the whole; "LKTS". Everything but the four letters is XORed with 0xFF.
 */

const kLetters = [0x4c, 0x4b, 0x54, 0x53];
const kEnvelope = 5;
const kTimestamp = 1;
const kFrameId = 2;
const kUserData = 3;

export interface TrailerMetadata {
  /** µs since 1970; 0n: none. */
  userTimestamp: bigint;
  /** 0: none. */
  frameId: number;
  userData?: Uint8Array;
}

/** Length of the frame without its trailer, and what the trailer said; undefined: there is none. */
export function readTrailer(frame: Uint8Array): { size: number; metadata: TrailerMetadata } | undefined {
  const { length } = frame;
  if (length < kEnvelope || kLetters.some((letter, i) => frame[length - 4 + i] !== letter)) return undefined;
  const whole = (frame[length - kEnvelope] ?? 0) ^ 0xff;
  if (whole < kEnvelope || whole > length) return undefined;
  const size = length - whole;
  const items = frame.slice(size, length - kEnvelope).map((byte) => byte ^ 0xff);
  const view = new DataView(items.buffer);
  const metadata: TrailerMetadata = { userTimestamp: 0n, frameId: 0 };
  let found = false;
  for (let at = 0; at + 2 <= items.length; ) {
    const [tag, count] = [view.getUint8(at), view.getUint8(at + 1)];
    at += 2;
    if (at + count > items.length) break;
    if (tag === kTimestamp && count === 8) metadata.userTimestamp = view.getBigUint64(at);
    else if (tag === kFrameId && count === 4) metadata.frameId = view.getUint32(at);
    else if (tag === kUserData) metadata.userData = items.slice(at, at + count);
    else {
      at += count;
      continue;
    }
    found = true;
    at += count;
  }
  return found ? { size, metadata } : undefined;
}

/** The frame with a trailer behind it; without anything to say, the frame. */
export function withTrailer(frame: ArrayBuffer, userTimestamp: bigint, frameId: number): ArrayBuffer {
  const size = (userTimestamp ? 10 : 0) + (frameId ? 6 : 0);
  if (size === 0) return frame;
  const items = new Uint8Array(size + 1);
  const view = new DataView(items.buffer);
  let at = 0;
  if (userTimestamp) {
    view.setUint16(at, (kTimestamp << 8) | 8);
    view.setBigUint64(at + 2, userTimestamp);
    at += 10;
  }
  if (frameId) {
    view.setUint16(at, (kFrameId << 8) | 4);
    view.setUint32(at + 2, frameId);
    at += 6;
  }
  view.setUint8(at, size + kEnvelope);
  const out = new Uint8Array(frame.byteLength + size + kEnvelope);
  out.set(new Uint8Array(frame));
  out.set(
    items.map((byte) => byte ^ 0xff),
    frame.byteLength,
  );
  out.set(kLetters, out.length - 4);
  return out.buffer;
}
