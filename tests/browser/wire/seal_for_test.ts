/** Seals frames the way the format says, with OpenSSL behind node:crypto: the judge's own known-good input. */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import type { WireFrame } from './frames';
import { clearPrefix, splitSealed } from './judge';

/** AES-128 key of `material` after `generation` ratchet steps. */
export function frameKey(material: Uint8Array, generation = 0): Uint8Array {
  let input = material;
  for (let i = 0; i < generation; i++)
    input = new Uint8Array(hkdfSync('sha256', input, Buffer.from('JFrameRatchetKey'), '', 32));
  return new Uint8Array(hkdfSync('sha256', input, Buffer.from('JFrameEncryptionKey'), '', 16));
}

function trailer(frame: WireFrame, counter: number, keyIndex: number): { iv: Buffer; tail: Buffer } {
  const iv = Buffer.alloc(12);
  iv.writeUInt32BE(frame.ssrc, 0);
  iv.writeUInt32BE(frame.timestamp, 4);
  iv.writeUInt32BE(counter, 8);
  return { iv, tail: Buffer.concat([iv, Buffer.from([12, keyIndex])]) };
}

export function sealFrame(frame: WireFrame, key: Uint8Array, counter: number, keyIndex = 0): WireFrame {
  const clear = frame.bytes.subarray(0, clearPrefix(frame));
  const { iv, tail } = trailer(frame, counter, keyIndex);
  const cipher = createCipheriv('aes-128-gcm', key, iv);
  cipher.setAAD(clear);
  const text = Buffer.concat([cipher.update(frame.bytes.subarray(clear.length)), cipher.final()]);
  return { ...frame, bytes: Buffer.concat([clear, text, cipher.getAuthTag(), tail]) };
}

/** The cheat the judge must see through: a perfect trailer behind a body that nobody encrypted. */
export function pretendToSeal(frame: WireFrame, counter: number): WireFrame {
  return { ...frame, bytes: Buffer.concat([frame.bytes, Buffer.alloc(16, counter), trailer(frame, counter, 0).tail]) };
}

/** The plain frame, or null when no tag verifies under any key of the list. */
export function openFrame(frame: WireFrame, keys: readonly Uint8Array[]): WireFrame | null {
  const parts = splitSealed(frame);
  if (typeof parts === 'string') return null;
  for (const key of keys) {
    const cipher = createDecipheriv('aes-128-gcm', key, parts.iv);
    cipher.setAAD(parts.clear);
    cipher.setAuthTag(parts.body.subarray(parts.body.length - 16));
    const text = cipher.update(parts.body.subarray(0, parts.body.length - 16));
    try {
      cipher.final();
      return { ...frame, bytes: Buffer.concat([parts.clear, text]) };
    } catch {
      // Not under this key.
    }
  }
  return null;
}
