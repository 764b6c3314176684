/**
 * Data packets of one participant, in two schemes (docs/formats.md, "Data packets"): LiveKit's, for everybody who speaks it,
 * and ours, which says who sent a packet, on which topic and in which order, and opens it once.
 *
 * AES-GCM is WebCrypto's. Errors: DataError with the engine's error number. Nothing moves before a tag verified.
 */
import { kErrorNames } from '../../media/errors';
import type { DataContext } from '../types';
import type { KeyStore, Slot } from './key_store';

const kVersion = 1;
/** version, key index, stream (8), counter (4). */
const kHeader = 14;
const kStream = 8;
const kTag = 16;
const kIv = 12;
const kLabel = 'SiegelDataKey';
const kMaxPayload = 1 << 20;
const kMaxName = 256;
/** Streams (one per worker of a sender) under one key. More than a person's devices and reloads need. */
const kMaxStreams = 64;
const kWindow = 1024;
/** Of LiveKit's scheme, which has no counter to go by. */
const kRememberedIvs = 2048;
const kLastCounter = 0xffffffff;

const code = (name: (typeof kErrorNames)[number]) => kErrorNames.indexOf(name);
const utf8 = new TextEncoder();

export class DataError extends Error {
  readonly code: number;
  constructor(name: (typeof kErrorNames)[number]) {
    super(name.slice(1));
    this.code = code(name);
  }
}

/** Which counters of a stream were opened: the last `kWindow`. */
class Window {
  readonly #seen = new Uint8Array(kWindow);
  #highest = -1;
  fresh(counter: number): boolean {
    if (counter > this.#highest) return true;
    return this.#highest - counter < kWindow && this.#seen[counter % kWindow] === 0;
  }
  record(counter: number): void {
    if (counter > this.#highest) {
      if (counter - this.#highest >= kWindow) this.#seen.fill(0);
      else for (let each = this.#highest + 1; each < counter; each++) this.#seen[each % kWindow] = 0;
      this.#highest = counter;
    }
    this.#seen[counter % kWindow] = 1;
  }
}

/** The last IVs under one key. */
class Remembered {
  readonly #ivs = new Set<string>();
  has(iv: Uint8Array): boolean {
    return this.#ivs.has(iv.join());
  }
  add(iv: Uint8Array): void {
    if (this.#ivs.size >= kRememberedIvs) this.#ivs.delete(this.#ivs.values().next().value ?? '');
    this.#ivs.add(iv.join());
  }
}

interface Derived {
  /** Of which generation: a ratchet makes another. */
  material: CryptoKey;
  key: CryptoKey;
}

/** Header, then sender and topic with their lengths: nothing can be moved from one to the other. */
function additionalData(header: Uint8Array, { sender, topic }: DataContext): Uint8Array<ArrayBuffer> {
  const names = [utf8.encode(sender), utf8.encode(topic)];
  if (names.some((name) => name.length > kMaxName)) throw new DataError('kInvalidArgument');
  const out = new Uint8Array(header.length + names.reduce((sum, name) => sum + 2 + name.length, 0));
  out.set(header);
  let at = header.length;
  for (const name of names) {
    new DataView(out.buffer).setUint16(at, name.length);
    out.set(name, at + 2);
    at += 2 + name.length;
  }
  return out;
}

export class DataPackets {
  readonly #subtle: SubtleCrypto;
  readonly #keys: KeyStore;
  readonly #livekitKeys = new Map<number, Derived>();
  readonly #ownKeys = new Map<number, Derived>();
  /** By key index. They end with their key. */
  readonly #windows = new Map<number, Map<string, Window>>();
  readonly #remembered = new Map<number, Remembered>();
  #stream = crypto.getRandomValues(new Uint8Array(kStream));
  #counter = 0;

  constructor(subtle: SubtleCrypto, keys: KeyStore) {
    this.#subtle = subtle;
    this.#keys = keys;
  }

  /** Another key is at this index. */
  replaced(index: number): void {
    this.#livekitKeys.delete(index);
    this.#ownKeys.delete(index);
    this.#windows.delete(index);
    this.#remembered.delete(index);
  }

  // LiveKit's scheme: IV beside the packet, no additional data ---------------------------------------------------------

  async encrypt(payload: Uint8Array<ArrayBuffer>) {
    const keyIndex = this.#keys.current;
    const key = await this.#livekitKey(keyIndex);
    // Random: frames under the same key have their own SSRC, time and counter there.
    const iv = crypto.getRandomValues(new Uint8Array(kIv));
    const sealed = await this.#subtle.encrypt({ name: 'AES-GCM', iv }, key, payload);
    return { payload: new Uint8Array(sealed), iv, keyIndex };
  }

  /** `once`: what was opened before is refused. */
  async decrypt(packet: Uint8Array<ArrayBuffer>, iv: Uint8Array<ArrayBuffer>, keyIndex: number, once: boolean) {
    if (iv.length !== kIv || packet.length < kTag || packet.length > kMaxPayload) throw new DataError('kMalformed');
    const key = await this.#livekitKey(keyIndex);
    let remembered = this.#remembered.get(keyIndex);
    if (once && remembered?.has(iv)) throw new DataError('kReplay');
    const payload = await this.#open({ name: 'AES-GCM', iv }, key, packet);
    if (once) {
      if (!remembered) {
        remembered = new Remembered();
        this.#remembered.set(keyIndex, remembered);
      }
      remembered.add(iv);
    }
    return payload;
  }

  // Ours --------------------------------------------------------------------------------------------------------------

  async seal(payload: Uint8Array<ArrayBuffer>, context: DataContext): Promise<Uint8Array<ArrayBuffer>> {
    if (payload.length > kMaxPayload) throw new DataError('kBufferTooSmall');
    const keyIndex = this.#keys.current;
    const key = await this.#ownKey(keyIndex, context.sender);
    if (this.#counter > kLastCounter) {
      this.#stream = crypto.getRandomValues(new Uint8Array(kStream));
      this.#counter = 0;
    }
    const header = new Uint8Array(kHeader);
    header.set([kVersion, keyIndex]);
    header.set(this.#stream, 2);
    new DataView(header.buffer).setUint32(2 + kStream, this.#counter++);
    const sealed = await this.#subtle.encrypt(
      { name: 'AES-GCM', iv: header.slice(2), additionalData: additionalData(header, context) },
      key,
      payload,
    );
    const packet = new Uint8Array(kHeader + sealed.byteLength);
    packet.set(header);
    packet.set(new Uint8Array(sealed), kHeader);
    return packet;
  }

  async open(packet: Uint8Array<ArrayBuffer>, context: DataContext): Promise<Uint8Array<ArrayBuffer>> {
    const wrong = packet.length < kHeader + kTag || packet.length > kHeader + kTag + kMaxPayload;
    if (wrong || packet[0] !== kVersion) throw new DataError('kMalformed');
    const header = packet.slice(0, kHeader);
    const keyIndex = header[1] ?? 0;
    const key = await this.#ownKey(keyIndex, context.sender);
    const stream = header.slice(2, 2 + kStream).join();
    const counter = new DataView(header.buffer).getUint32(2 + kStream);
    const windows = this.#windows.get(keyIndex) ?? new Map<string, Window>();
    const known = windows.get(stream);
    if (known && !known.fresh(counter)) throw new DataError('kReplay');
    if (!known && windows.size >= kMaxStreams) throw new DataError('kTooManyStreams');
    const payload = await this.#open(
      { name: 'AES-GCM', iv: header.slice(2), additionalData: additionalData(header, context) },
      key,
      packet.subarray(kHeader),
    );
    const window = known ?? new Window();
    window.record(counter);
    windows.set(stream, window);
    this.#windows.set(keyIndex, windows);
    return payload;
  }

  // Keys --------------------------------------------------------------------------------------------------------------

  async #open(parameters: AesGcmParams, key: CryptoKey, packet: Uint8Array<ArrayBuffer>) {
    try {
      return new Uint8Array(await this.#subtle.decrypt(parameters, key, packet));
    } catch {
      throw new DataError('kAuthentication');
    }
  }

  #livekitKey(index: number): Promise<CryptoKey> {
    return this.#derived(index, this.#livekitKeys, (slot) => this.#keys.aesKey(slot));
  }

  #ownKey(index: number, sender: string): Promise<CryptoKey> {
    return this.#derived(index, this.#ownKeys, (slot) => this.#keys.ownKey(slot, kLabel, sender));
  }

  async #derived(index: number, cache: Map<number, Derived>, derive: (slot: Slot) => Promise<CryptoKey>) {
    const slot = this.#keys.slots.get(index);
    if (!slot) throw new DataError('kMissingKey');
    const kept = cache.get(index);
    if (kept?.material === slot.material) return kept.key;
    const { material } = slot;
    const key = await derive(slot);
    cache.set(index, { material, key });
    return key;
  }
}
