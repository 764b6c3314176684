/**
 * Keys that come from outside (Jitsi's externallyManagedKey): one key for everybody, used as it is, without derivation or
 * ratchet. Whoever embeds the call hands it over and is answerable for who else has it.
 *
 * Source: lib-jitsi-meet modules/e2ee/ExternallyManagedKeyHandler (behaviour). Threads: main. Errors: JitsiError 'no-e2ee' for
 * a key of another size, or one that must not leave WebCrypto. Ownership: keeps a copy for members who come; wiped in stop().
 */
import { wipe } from '../keys';
import type { MediaCipherApi } from '../media/types';
import { JitsiError } from './types';

const kRing = 16;

export class ExternalKeys {
  readonly #cipher: Pick<MediaCipherApi, 'setKey' | 'removeParticipant'>;
  readonly #members = new Set<string>();
  readonly #keys = new Map<number, Uint8Array<ArrayBuffer>>();
  #me = '';
  #ready!: () => void;
  readonly #first = new Promise<void>((resolve) => {
    this.#ready = resolve;
  });
  #current = -1;

  constructor(cipher: Pick<MediaCipherApi, 'setKey' | 'removeParticipant'>) {
    this.#cipher = cipher;
  }

  /** Resolves with the first key: nothing is sent before. */
  async start(me: string): Promise<void> {
    this.#me = me;
    await this.#first;
    const key = this.#keys.get(this.#current);
    if (key) await this.#install(me, 'send', this.#current, key);
  }

  async #install(
    participant: string,
    usage: 'send' | 'receive',
    keyIndex: number,
    key: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    await this.#cipher.setKey({ participant, usage, keyIndex, material: key.slice(), derivation: 'raw' });
  }

  /** 16, 24 or 32 bytes, or an AES key that may be exported. */
  async setKey(key: Uint8Array | CryptoKey, index: number): Promise<void> {
    if (!Number.isSafeInteger(index) || index < 0)
      throw new JitsiError('no-e2ee', 'The key index is a whole number from 0.');
    let raw: Uint8Array<ArrayBuffer>;
    if (key instanceof Uint8Array) raw = new Uint8Array(key);
    else if (key.extractable) raw = new Uint8Array(await crypto.subtle.exportKey('raw', key));
    else
      throw new JitsiError(
        'no-e2ee',
        'This key cannot be exported: create it with extractable = true, or pass its bytes.',
      );
    if (raw.length !== 16 && raw.length !== 24 && raw.length !== 32) {
      wipe(raw);
      throw new JitsiError('no-e2ee', 'A media key has 16, 24 or 32 bytes.');
    }
    const slot = index % kRing;
    const old = this.#keys.get(slot);
    this.#keys.set(slot, raw);
    this.#current = slot;
    if (old) wipe(old);
    if (this.#me) {
      for (const member of this.#members) await this.#install(member, 'receive', slot, raw);
      await this.#install(this.#me, 'send', slot, raw);
    }
    this.#ready();
  }

  memberJoined(id: string): void {
    this.#members.add(id);
    for (const [slot, key] of this.#keys) void this.#install(id, 'receive', slot, key).catch(() => {});
  }

  memberLeft(id: string): void {
    this.#members.delete(id);
    this.#cipher.removeParticipant(id);
  }

  stop(): void {
    for (const key of this.#keys.values()) wipe(key);
    this.#keys.clear();
    this.#members.clear();
  }
}
