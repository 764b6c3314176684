/**
 * The key material a member seals its media with, as it is handed to the other members. Born as
 * HKDF-SHA256(ikm = S, salt = 32 fresh random bytes, info = parts(label, room, member, key index)); ratcheted exactly as
 * JFrame does it, HKDF-SHA256(material, salt "JFrameRatchetKey", no info), in step with the engine's copy.
 *
 * Others get the material, not the salt: with the salt and the secret of the link a joiner could compute the state before the
 * ratchet. Owned by SenderKeys; `wipe()` ends it.
 */
import { type Bytes, encodeParts, randomBytes, utf8, wipe } from './bytes';

const kLabel = utf8('siegel/1 sender key');
const kRatchetSalt = utf8('JFrameRatchetKey');
export const kMaterialBytes = 32;

export class SenderKey {
  #material: Bytes;
  #generation = 0;

  private constructor(
    readonly keyIndex: number,
    material: Bytes,
  ) {
    this.#material = material;
  }

  static async create(options: { secret: Bytes; room: string; member: string; keyIndex: number }): Promise<SenderKey> {
    const { secret, room, member, keyIndex } = options;
    const info = encodeParts(kLabel, utf8(room), utf8(member), new Uint8Array([keyIndex]));
    return new SenderKey(keyIndex, await hkdf(secret, randomBytes(32), info));
  }

  get generation(): number {
    return this.#generation;
  }

  /** A copy; whoever asks wipes it. */
  material(): Bytes {
    return this.#material.slice();
  }

  /** One way: afterwards the earlier material exists nowhere in this object. */
  async ratchet(): Promise<void> {
    const next = await hkdf(this.#material, kRatchetSalt, new Uint8Array(0));
    wipe(this.#material);
    this.#material = next;
    this.#generation++;
  }

  wipe(): void {
    wipe(this.#material);
  }
}

async function hkdf(ikm: Bytes, salt: Bytes, info: Bytes): Promise<Bytes> {
  const key = await crypto.subtle.importKey('raw', ikm, 'HKDF', false, ['deriveBits']);
  return new Uint8Array(
    await crypto.subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt, info }, key, kMaterialBytes * 8),
  );
}
