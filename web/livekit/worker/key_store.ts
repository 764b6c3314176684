/**
 * The keys of one participant as livekit-client hands them over: CryptoKeys that nobody can export, from which the worker
 * may derive bits. One derivation gives 32 bytes: its beginning is the AES key, the whole is the material of the next
 * generation (docs/formats.md, "Keys").
 *
 * Ownership: derived bytes are given to the caller, who wipes them (Participant.install does). Kept are the CryptoKeys and,
 * to recognise a key that is posted again, a hash. Errors: a CryptoKey that cannot be derived from rejects.
 */
import type { Derivation } from '../../media/engine_types';
import { type KeyProviderOptions, kDefaultSalt } from '../protocol';

/** `info` of LiveKit's HKDF: 128 zero bytes. */
const kInfo = new Uint8Array(128);
const kRounds = 100_000;
const utf8 = new TextEncoder();

export interface Slot {
  /** Of the current generation. */
  material: CryptoKey;
  /** Of the key as it was posted, whatever ratchets came since. */
  origin: string;
  /** How many generations the engine has gone, seen from the key that was last installed. */
  followed: number;
}

export interface Prepared {
  bytes: Uint8Array<ArrayBuffer>;
  derivation: keyof typeof Derivation;
}

export interface RatchetResult {
  chainKey: ArrayBuffer;
  cryptoKey: CryptoKey;
}

const canDerive = (key: unknown): key is CryptoKey => {
  const name = (key as CryptoKey | undefined)?.algorithm?.name;
  return name === 'HKDF' || name === 'PBKDF2';
};

export class KeyStore {
  /** The index that seals; LiveKit starts at 0, whether there is a key or not. */
  current = 0;
  readonly slots = new Map<number, Slot>();
  readonly #subtle: SubtleCrypto;
  readonly #options: KeyProviderOptions;

  constructor(subtle: SubtleCrypto, options: KeyProviderOptions) {
    this.#subtle = subtle;
    this.#options = options;
  }

  /** LiveKit's rule: none means 0, a negative one the current, others modulo the ring. */
  index(keyIndex: unknown): number {
    if (typeof keyIndex !== 'number' || !Number.isInteger(keyIndex)) return 0;
    return keyIndex < 0 ? this.current : keyIndex % this.#options.keyringSize;
  }

  /**
   * `changed`: another key than before at this index; `moved`: another index seals from now on. The same key posted again
   * changes nothing, above all no ratchet goes back (livekit-client posts all keys again at every `enable`).
   */
  async add(
    key: unknown,
    keyIndex: unknown,
    use: boolean,
  ): Promise<{ index: number; changed: boolean; moved: boolean }> {
    if (!canDerive(key)) throw new TypeError();
    const index = this.index(keyIndex);
    const chain = await this.#derive(key, this.#options.ratchetSalt, kInfo, 256);
    const origin = await this.#fingerprint(chain);
    chain.fill(0);
    const changed = this.slots.get(index)?.origin !== origin;
    if (changed) this.slots.set(index, { material: key, origin, followed: 0 });
    const moved = use && this.current !== index;
    if (use) this.current = index;
    return { index, changed, moved };
  }

  /** What the engine takes for the current generation at this index; the caller wipes it. */
  async prepare(index: number): Promise<Prepared | undefined> {
    const slot = this.slots.get(index);
    if (!slot) return undefined;
    const { ratchetSalt, keySize } = this.#options;
    const chain = await this.#derive(slot.material, ratchetSalt, kInfo, 256);
    // The engine ratchets with LiveKit's own salt; a pass phrase would cost 100,000 rounds for every forged frame.
    if (slot.material.algorithm.name === 'HKDF' && ratchetSalt === kDefaultSalt)
      return { bytes: chain, derivation: keySize === 256 ? 'chain256' : 'chain' };
    const bytes = chain.slice(0, keySize / 8);
    chain.fill(0);
    return { bytes, derivation: 'raw' };
  }

  /** The next generation at this index. The chain key goes to the application, as LiveKit has it. */
  async advance(index: number, steps = 1): Promise<RatchetResult | undefined> {
    const slot = this.slots.get(index);
    if (!slot) return undefined;
    let result: RatchetResult | undefined;
    for (let step = 0; step < steps; step++) {
      const name = slot.material.algorithm.name;
      const chain = await this.#derive(slot.material, this.#options.ratchetSalt, kInfo, 256);
      const usages: KeyUsage[] = ['deriveBits', 'deriveKey'];
      const cryptoKey = await this.#subtle.importKey('raw', chain, name, false, usages);
      if (step < steps - 1) chain.fill(0);
      slot.material = cryptoKey;
      result = { chainKey: chain.buffer, cryptoKey };
    }
    return result;
  }

  /** LiveKit's AES key, for data packets of its scheme. */
  aesKey(slot: Slot): Promise<CryptoKey> {
    const parameters = this.#parameters(slot.material, this.#options.ratchetSalt, kInfo);
    const algorithm = { name: 'AES-GCM', length: this.#options.keySize };
    return this.#subtle.deriveKey(parameters, slot.material, algorithm, false, ['encrypt', 'decrypt']);
  }

  /** A key of ours for one purpose and sender, independent of the frames' (AES-256-GCM). */
  ownKey(slot: Slot, label: string, sender: string): Promise<CryptoKey> {
    // PBKDF2 has no info: the sender goes into the salt there.
    const salt = slot.material.algorithm.name === 'HKDF' ? label : `${label}\0${sender}`;
    const parameters = this.#parameters(slot.material, salt, utf8.encode(sender));
    return this.#subtle.deriveKey(parameters, slot.material, { name: 'AES-GCM', length: 256 }, false, [
      'encrypt',
      'decrypt',
    ]);
  }

  clear(): void {
    this.slots.clear();
    this.current = 0;
  }

  #parameters(key: CryptoKey, salt: string, info: Uint8Array<ArrayBuffer>): HkdfParams | Pbkdf2Params {
    const { name } = key.algorithm;
    const common = { hash: 'SHA-256', salt: utf8.encode(salt) };
    return name === 'HKDF' ? { name, ...common, info } : { name, ...common, iterations: kRounds };
  }

  async #derive(key: CryptoKey, salt: string, info: Uint8Array<ArrayBuffer>, bits: number) {
    return new Uint8Array(await this.#subtle.deriveBits(this.#parameters(key, salt, info), key, bits));
  }

  async #fingerprint(chain: Uint8Array): Promise<string> {
    const label = utf8.encode('Siegel posted key');
    const input = new Uint8Array(label.length + chain.length);
    input.set(label);
    input.set(chain, label.length);
    const digest = new Uint8Array(await this.#subtle.digest('SHA-256', input));
    input.fill(0);
    return digest.join();
  }
}
