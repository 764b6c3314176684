/**
 * Authenticated, encrypted, ordered messages between two members: AES-256-GCM with one key per direction, IV = 96-bit
 * message number, transcript as AAD. A message number is never used twice; on receipt numbers must grow (gaps are allowed: a
 * server can always drop), so that repeated or reordered messages are refused. The length is padded to 256 bytes so that
 * sizes tell little.
 *
 * Messages are opened in the order of the calls. Cost: one WebCrypto call a message.
 */
import { type Bytes, fromBase64Url, toBase64Url, utf8 } from './bytes';

const kPadding = 256;
export const kMaxText = 40 * 1024;

export interface SealedMessage {
  n: number;
  box: string;
}

export class SealedChannel {
  #sent = 0;
  #received = 0;
  #opening: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly sendKey: CryptoKey,
    private readonly receiveKey: CryptoKey,
    private readonly aad: Bytes,
  ) {}

  /** Numbers are given at the call, so messages may be sealed concurrently. REQUIRES: text.length <= kMaxText. */
  async seal(text: string): Promise<SealedMessage> {
    const n = ++this.#sent;
    const bytes = utf8(text);
    // Trailing blanks mean nothing in JSON.
    const padded = new Uint8Array(Math.ceil(Math.max(1, bytes.length) / kPadding) * kPadding).fill(0x20);
    padded.set(bytes);
    const box = await crypto.subtle.encrypt(
      { name: 'AES-GCM', iv: iv(n), additionalData: this.aad },
      this.sendKey,
      padded,
    );
    return { n, box: toBase64Url(new Uint8Array(box)) };
  }

  /** The text, or null when it does not verify or came before. A message that fails changes nothing. */
  open(message: SealedMessage): Promise<string | null> {
    const result = this.#opening.then(() => this.#open(message));
    this.#opening = result;
    return result;
  }

  async #open({ n, box }: SealedMessage): Promise<string | null> {
    if (!Number.isSafeInteger(n) || n <= this.#received) return null;
    const bytes = fromBase64Url(box);
    if (!bytes) return null;
    try {
      const plain = await crypto.subtle.decrypt(
        { name: 'AES-GCM', iv: iv(n), additionalData: this.aad },
        this.receiveKey,
        bytes,
      );
      this.#received = n;
      return new TextDecoder('utf-8', { fatal: true }).decode(plain).trimEnd();
    } catch {
      return null;
    }
  }
}

function iv(n: number): Bytes {
  const out = new Uint8Array(12);
  new DataView(out.buffer).setBigUint64(4, BigInt(n));
  return out;
}
