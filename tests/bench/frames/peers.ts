/**
 * What the peers do with a frame, as sequences of operations: the cryptographic calls, allocations and copies of
 * lib-jitsi-meet's and livekit-client's workers in their order, written anew. The wire format is JFrame (clear header,
 * ciphertext, tag, IV, its length, key index), so ours and theirs open each other's frames; the benchmark checks that before
 * it measures.
 */

const kTag = 16;
const kIv = 12;
const kTrailer = 2;
/** Generations that a receiver tries before it gives a frame up (Jitsi's RATCHET_WINDOW_SIZE, LiveKit's default). */
export const kRatchetWindow = 8;

export interface Clear {
  audio: number;
  key: number;
  delta: number;
}
export const kClear: Clear = { audio: 1, key: 10, delta: 3 };

export type Labels = 'jframe' | 'livekit';

const text = (value: string) => new TextEncoder().encode(value);

function kdf(labels: Labels, purpose: 'key' | 'ratchet'): HkdfParams {
  if (labels === 'livekit')
    return { name: 'HKDF', hash: 'SHA-256', salt: text('LKFrameEncryptionKey'), info: new ArrayBuffer(128) };
  const salt = text(purpose === 'key' ? 'JFrameEncryptionKey' : 'JFrameRatchetKey');
  return { name: 'HKDF', hash: 'SHA-256', salt, info: new ArrayBuffer(0) };
}

export interface KeySet {
  material: CryptoKey;
  key: CryptoKey;
}

export function importMaterial(bytes: BufferSource): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveBits', 'deriveKey']);
}

export async function deriveKeys(material: CryptoKey, labels: Labels): Promise<KeySet> {
  const algorithm = { name: 'AES-GCM', length: 128 };
  const key = await crypto.subtle.deriveKey(kdf(labels, 'key'), material, algorithm, false, ['encrypt', 'decrypt']);
  return { material, key };
}

/** Jitsi's and LiveKit's frame code over one key. */
export class PeerCryptor {
  readonly #labels: Labels;
  readonly #counts = new Map<number, number>();
  readonly keyIndex = 0;
  keys: KeySet;

  constructor(keys: KeySet, labels: Labels) {
    this.keys = keys;
    this.#labels = labels;
  }

  #iv(ssrc: number, timestamp: number): ArrayBuffer {
    const iv = new ArrayBuffer(kIv);
    const view = new DataView(iv);
    if (!this.#counts.has(ssrc)) this.#counts.set(ssrc, Math.floor(Math.random() * 0xffff));
    const count = this.#counts.get(ssrc) ?? 0;
    view.setUint32(0, ssrc);
    view.setUint32(4, timestamp);
    view.setUint32(8, this.#labels === 'jframe' ? count % 0xffff : timestamp - (count % 0xffff));
    this.#counts.set(ssrc, count + 1);
    return iv;
  }

  async seal(frame: ArrayBuffer, clear: number, ssrc: number, timestamp: number): Promise<ArrayBuffer> {
    const iv = this.#iv(ssrc, timestamp);
    const header = new Uint8Array(frame, 0, clear);
    const trailer = new Uint8Array(kTrailer);
    trailer[0] = kIv;
    trailer[1] = this.keyIndex;
    const sealed = await crypto.subtle.encrypt(
      { name: 'AES-GCM', iv, additionalData: new Uint8Array(frame, 0, clear) },
      this.keys.key,
      new Uint8Array(frame, clear),
    );
    if (this.#labels === 'livekit') {
      // Body first, then header and body: one allocation and one copy more than Jitsi.
      const body = new Uint8Array(sealed.byteLength + kIv + kTrailer);
      body.set(new Uint8Array(sealed));
      body.set(new Uint8Array(iv), sealed.byteLength);
      body.set(trailer, sealed.byteLength + kIv);
      const output = new Uint8Array(header.byteLength + body.byteLength);
      output.set(header);
      output.set(body, header.byteLength);
      return output.buffer;
    }
    const output = new ArrayBuffer(header.byteLength + sealed.byteLength + kIv + kTrailer);
    const bytes = new Uint8Array(output);
    bytes.set(header);
    bytes.set(new Uint8Array(sealed), header.byteLength);
    bytes.set(new Uint8Array(iv), header.byteLength + sealed.byteLength);
    bytes.set(trailer, header.byteLength + sealed.byteLength + kIv);
    return output;
  }

  /** Rejects when the tag does not verify. */
  async open(frame: ArrayBuffer, clear: number, key = this.keys.key): Promise<ArrayBuffer> {
    const header = new Uint8Array(frame, 0, clear);
    const trailer = new Uint8Array(frame, frame.byteLength - kTrailer, kTrailer);
    const ivLength = trailer[0] ?? 0;
    const iv = new Uint8Array(frame, frame.byteLength - ivLength - kTrailer, ivLength);
    const length = frame.byteLength - (header.byteLength + ivLength + kTrailer);
    const plain = await crypto.subtle.decrypt(
      { name: 'AES-GCM', iv, additionalData: new Uint8Array(frame, 0, clear) },
      key,
      new Uint8Array(frame, clear, length),
    );
    const output = new ArrayBuffer(header.byteLength + plain.byteLength);
    const bytes = new Uint8Array(output);
    bytes.set(new Uint8Array(frame, 0, clear));
    bytes.set(new Uint8Array(plain), clear);
    return output;
  }

  /** As above, with what a receiver does about a frame that does not verify: the next generations, one after another. */
  async openOrRatchet(frame: ArrayBuffer, clear: number): Promise<ArrayBuffer | undefined> {
    const first = this.keys;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.open(frame, clear);
      } catch {
        if (attempt === kRatchetWindow) {
          this.keys = first;
          return undefined;
        }
        const next = await crypto.subtle.deriveBits(kdf(this.#labels, 'ratchet'), this.keys.material, 256);
        this.keys = await deriveKeys(await importMaterial(next), this.#labels);
      }
    }
  }
}

export const kOverhead = kTag + kIv + kTrailer;
