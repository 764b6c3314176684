/**
 * Who gets this device's media key, when it changes, and whose keys are believed. The format and the rules are MatrixRTC's
 * (to-device `io.element.call.encryption_keys`, one key of 16 bytes per sender, a new one when somebody leaves, and when
 * somebody joins a key that is older than ten seconds), so that Element Call takes part. The SDK's own manager is not used,
 * because it believes the device id that a message claims, takes messages that were not encrypted, forgets a member whose
 * message could not be sent, and cannot say who holds the key in use.
 *
 * Known limit: there is no acknowledgement in MatrixRTC. "Holds the key" means: the homeserver took the message.
 *
 * Threads: main. Ownership: material handed to `install` and `received` is theirs to wipe.
 */
import { wipe } from '../keys/bytes';

export const kKeyEvent = 'io.element.call.encryption_keys';

export interface Device {
  userId: string;
  deviceId: string;
}

export interface CallMember extends Device {
  /** Same device, other session: everything is new to it. */
  since: number | string;
}

/** Unambiguous: no server name holds a `|`, while with `:` a device could be named so that it looks like another person's. */
export const deviceKey = ({ userId, deviceId }: Device): string => `${userId}|${deviceId}`;

/** The user of a deviceKey. Names before the `:` and devices may hold a `|`, servers may not. */
export const userOfKey = (key: string): string => key.slice(0, key.indexOf('|', key.indexOf(':')));

/** How key messages travel. */
export interface KeyTransport {
  /** Encrypted for each device. Resolves with those that it could not be sent to; rejects when the homeserver is away. */
  send(content: KeyContent, to: readonly Device[]): Promise<Device[]>;
}

export interface KeyContent {
  keys: { index: number; key: string };
  member: { id: string; claimed_device_id: string };
  room_id: string;
  session: { application: string; call_id: string; scope: string };
  sent_ts: number;
}

export interface OwnKeysOptions {
  me: Device & { memberId: string };
  roomId: string;
  transport: KeyTransport;
  /** Sealing uses this key from now on. */
  install(index: number, material: Uint8Array<ArrayBuffer>): Promise<void>;
  changed(): void;
  /** How long others have to take in a key before it is used. */
  useDelayMs?: number;
  /** A younger key is handed to joiners instead of a new one. */
  graceMs?: number;
  retryMs?: number;
  now?: () => number;
}

interface OwnKey {
  index: number;
  material: Uint8Array<ArrayBuffer>;
  madeAt: number;
  /** Who was in the call when it was made, or got it when they joined: `since` by device. */
  meant: Map<string, number | string>;
  /** The homeserver took the message for them. */
  holders: Map<string, number | string>;
  /** Beside those: a message for them was on its way, and whether the homeserver took it is not known. */
  mayHold: Set<string>;
}

const kMaxRetryMs = 30_000;

export class OwnKeys {
  readonly #options: Required<OwnKeysOptions>;
  #members = new Map<string, CallMember>();
  /** The newest, the one that the engine was told to use, and the one under which frames were counted last. */
  #latest: OwnKey | undefined;
  #installed: OwnKey | undefined;
  #live: OwnKey | undefined;
  /** When devices left that hold, or may hold, a key that is not out of use. */
  readonly #leftAt = new Map<string, number>();
  /** Holders of keys that were in use for a moment between `#live` and `#installed`. */
  readonly #listened = new Set<string>();
  #lastExposure: number | undefined;
  #sent = 0;
  #running = false;
  #again = false;
  #closed = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #retryMs: number;
  #wake: (() => void) | undefined;

  constructor(options: OwnKeysOptions) {
    this.#options = { useDelayMs: 1000, graceMs: 10_000, retryMs: 1000, now: () => performance.now(), ...options };
    this.#retryMs = this.#options.retryMs;
  }

  /** Devices that are no longer in the call and can open what is sealed at this moment. */
  get mayListen(): string[] {
    const holders = new Set([...(this.#live?.mayHold ?? []), ...(this.#installed?.mayHold ?? [])]);
    return [...holders].filter((key) => !this.#members.has(key));
  }
  /** How long the last leaver could have listened, ms. */
  get lastExposure(): number | undefined {
    return this.#lastExposure;
  }
  /** A key is being handed out, or waits for being used. */
  get changing(): boolean {
    return this.#running || this.#installed !== this.#live;
  }
  /** Index that the engine was told to use and that waits for `confirm`. */
  get unconfirmed(): number | undefined {
    return this.#installed === this.#live ? undefined : this.#installed?.index;
  }
  /** Key messages that the homeserver took. */
  get messages(): number {
    return this.#sent;
  }

  /** Makes the first key and uses it at once: nothing was sealed before. */
  async start(): Promise<void> {
    const key = this.#make(0, new Map());
    this.#latest = key;
    await this.#use(key);
    this.#live = key;
    void this.#run();
  }

  /** Everybody in the call; this device is left out. */
  update(members: readonly CallMember[]): void {
    const me = deviceKey(this.#options.me);
    const now = this.#options.now();
    const next = new Map(members.map((member) => [deviceKey(member), member] as const).filter(([key]) => key !== me));
    const keys = [this.#live, this.#installed, this.#latest];
    for (const name of this.#members.keys())
      if (!next.has(name) && keys.some((key) => key?.mayHold.has(name))) this.#leftAt.set(name, now);
    for (const key of next.keys()) this.#leftAt.delete(key);
    this.#members = next;
    this.#options.changed();
    void this.#run();
  }

  /** The engine counted frames under this key, or seals nothing at all: whoever does not hold it is out. */
  confirm(index: number): void {
    const key = this.#installed;
    if (!key || key === this.#live || key.index !== index) return;
    const before = this.#live;
    this.#live = key;
    const now = this.#options.now();
    const windows: number[] = [];
    for (const [name, left] of this.#leftAt) {
      if (key.mayHold.has(name)) continue;
      this.#leftAt.delete(name);
      if (before?.mayHold.has(name) || this.#listened.has(name)) windows.push(Math.max(0, now - left));
    }
    if (windows.length > 0) this.#lastExposure = Math.max(...windows);
    this.#listened.clear();
    this.#options.changed();
  }

  /** The homeserver is back: does not wait for the timer. */
  retryNow(): void {
    this.#wake?.();
    void this.#run();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#wake?.();
    if (this.#latest) wipe(this.#latest.material);
    this.#latest = undefined;
    this.#installed = undefined;
    this.#live = undefined;
    this.#leftAt.clear();
    this.#listened.clear();
  }

  #make(index: number, meant: OwnKey['meant']): OwnKey {
    const material = crypto.getRandomValues(new Uint8Array(16));
    return { index, material, madeAt: this.#options.now(), meant, holders: new Map(), mayHold: new Set() };
  }

  async #use(key: OwnKey): Promise<void> {
    await this.#options.install(key.index, key.material.slice());
    if (this.#closed) return;
    if (this.#installed !== this.#live) for (const name of this.#installed?.mayHold ?? []) this.#listened.add(name);
    this.#installed = key;
    this.#options.changed();
  }

  async #run(): Promise<void> {
    if (this.#running) {
      this.#again = true;
      return;
    }
    if (!this.#latest || this.#closed) return;
    this.#running = true;
    try {
      do {
        this.#again = false;
        await this.#round();
      } while (this.#again && !this.#closed);
    } finally {
      this.#running = false;
      if (!this.#closed) this.#options.changed();
    }
  }

  async #round(): Promise<void> {
    const latest = this.#latest;
    if (!latest) return;
    clearTimeout(this.#retry);
    const members = this.#members;
    const gone = [...latest.mayHold].some((key) => !members.has(key));
    const joined = [...members].filter(([key, { since }]) => latest.meant.get(key) !== since);
    const old = this.#options.now() - latest.madeAt >= this.#options.graceMs;
    if (gone || (joined.length > 0 && old)) {
      await this.#rotate(latest);
      return;
    }
    for (const [key, { since }] of joined) latest.meant.set(key, since);
    const missing = [...members.values()].filter((member) => latest.holders.get(deviceKey(member)) !== member.since);
    if (missing.length > 0 && (await this.#give(latest, missing)) !== 'all') this.#retryLater();
  }

  /** A new key for everybody who is here, used a moment after it was sent. */
  async #rotate(before: OwnKey): Promise<void> {
    let next = before;
    for (;;) {
      const members = this.#members;
      // The first time, and again when somebody left who may have got it from a homeserver that did not answer.
      if (next === before || [...next.mayHold].some((key) => !members.has(key))) {
        wipe(next.material);
        next = this.#make((next.index + 1) % 256, new Map());
        this.#latest = next;
      }
      next.meant = new Map([...members].map(([key, { since }]) => [key, since]));
      const given = members.size === 0 ? 'all' : await this.#give(next, [...members.values()]);
      if (this.#closed) return;
      if (given !== 'none') {
        if (given === 'some') this.#retryLater();
        break;
      }
      // Until the homeserver takes it the old one stays in use: nobody could open the new one. mayListen shows for how long.
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#retryMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
      this.#retryMs = Math.min(kMaxRetryMs, this.#retryMs * 2);
      if (this.#closed) return;
    }
    if (next.holders.size > 0) await new Promise((resolve) => setTimeout(resolve, this.#options.useDelayMs));
    if (!this.#closed) await this.#use(next);
  }

  /** Whom it could be sent to. Those who are missing are tried again later. */
  async #give(key: OwnKey, to: CallMember[]): Promise<'all' | 'some' | 'none'> {
    const { me, roomId, transport } = this.#options;
    const content: KeyContent = {
      keys: { index: key.index, key: toBase64(key.material) },
      member: { id: me.memberId, claimed_device_id: me.deviceId },
      room_id: roomId,
      session: { application: 'm.call', call_id: '', scope: 'm.room' },
      sent_ts: Date.now(),
    };
    // Before the answer: it may get lost, and the message not.
    const before = new Set(key.mayHold);
    for (const member of to) key.mayHold.add(deviceKey(member));
    let failed: Set<string>;
    try {
      failed = new Set((await transport.send(content, to)).map(deviceKey));
    } catch {
      return 'none';
    }
    if (this.#closed) return 'none';
    this.#sent += to.length - failed.size;
    for (const member of to) {
      const name = deviceKey(member);
      if (!failed.has(name)) key.holders.set(name, member.since);
      else if (!before.has(name)) key.mayHold.delete(name);
    }
    this.#options.changed();
    if (failed.size > 0) return 'some';
    this.#retryMs = this.#options.retryMs;
    return 'all';
  }

  #retryLater(): void {
    clearTimeout(this.#retry);
    if (this.#closed) return;
    this.#retry = setTimeout(() => void this.#run(), this.#retryMs);
    this.#retryMs = Math.min(kMaxRetryMs, this.#retryMs * 2);
  }
}

// Keys of the others ----------------------------------------------------------------------------------------------------

/** What a key message holds, once its sender is proven. */
export interface PeerKey {
  index: number;
  material: Uint8Array<ArrayBuffer>;
  /** By the sender's clock. */
  sentAt: number;
}

/**
 * Checks a decrypted key message, field by field. Undefined: not for this call, or malformed.
 * @param sender the device that the Olm session proves; in a widget the host knows it and tells the user only
 */
export function parseKeyMessage(
  content: unknown,
  roomId: string,
  sender: { userId: string; deviceId: string | undefined },
): { device: Device; key: PeerKey } | undefined {
  const { keys, member, room_id: room, session, sent_ts: sentAt } = record(content);
  const { index, key } = record(keys);
  const { claimed_device_id: claimed } = record(member);
  const { application, call_id: callId } = record(session);
  if (room !== roomId) return undefined;
  if (application !== undefined && application !== 'm.call') return undefined;
  // '' is how the call of a room was called before it became 'ROOM'.
  if (callId !== undefined && callId !== '' && callId !== 'ROOM') return undefined;
  if (typeof claimed !== 'string' || claimed === '' || claimed.length > 255) return undefined;
  if (sender.deviceId !== undefined && claimed !== sender.deviceId) return undefined;
  if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index > 255) return undefined;
  if (typeof key !== 'string' || key.length > 64) return undefined;
  const material = fromBase64(key);
  if (!material || (material.length !== 16 && material.length !== 32)) return undefined;
  return {
    device: { userId: sender.userId, deviceId: claimed },
    key: { index, material, sentAt: typeof sentAt === 'number' && Number.isFinite(sentAt) ? sentAt : 0 },
  };
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** Devices whose keys are kept, those included whose membership has not come yet; and how many of one person. */
const kMaxDevices = 500;
const kMaxDevicesOfUser = 20;

/**
 * Keys by device, as handles that cannot be read out again. A device may be here before its membership is; which LiveKit
 * identity it has is known only then.
 */
export class PeerKeys {
  readonly #devices = new Map<string, { keys: Map<number, CryptoKey>; sentAt: Map<number, number>; at: number }>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * False: an older or the same message again. Late messages must not bring back an older key, and a key that is in use is
   * not installed twice, because that would forget which frames were seen.
   */
  async add(device: Device, { index, material, sentAt }: PeerKey): Promise<CryptoKey | undefined> {
    const name = deviceKey(device);
    const known = this.#devices.get(name) ?? { keys: new Map(), sentAt: new Map(), at: 0 };
    const before = known.sentAt.get(index);
    if (before !== undefined && (sentAt === 0 || sentAt <= before)) {
      wipe(material);
      return undefined;
    }
    // Before anything is waited for: two messages may come at once.
    known.sentAt.set(index, sentAt);
    known.at = this.#now();
    // The newest last.
    this.#devices.delete(name);
    this.#devices.set(name, known);
    this.#makeRoom(device.userId);
    const key = await crypto.subtle.importKey('raw', material, 'HKDF', false, ['deriveBits', 'deriveKey']);
    wipe(material);
    if (known.sentAt.get(index) !== sentAt || this.#devices.get(name) !== known) return undefined;
    known.keys.set(index, key);
    return key;
  }

  /** Nobody gets the keys of others forgotten by sending many. */
  #makeRoom(userId: string): void {
    const ofUser = [...this.#devices.keys()].filter((name) => userOfKey(name) === userId);
    if (ofUser.length > kMaxDevicesOfUser) this.#devices.delete(ofUser[0] as string);
    else if (this.#devices.size > kMaxDevices) this.#devices.delete(this.#devices.keys().next().value as string);
  }

  has(name: string): boolean {
    return this.#devices.has(name);
  }

  of(name: string): Array<[number, CryptoKey]> {
    return [...(this.#devices.get(name)?.keys ?? [])];
  }

  /** Devices with keys, and when the last one came. */
  get devices(): Array<[string, number]> {
    return [...this.#devices].map(([name, { at }]) => [name, at]);
  }

  forget(name: string): void {
    this.#devices.delete(name);
  }

  clear(): void {
    this.#devices.clear();
  }
}

/** Standard alphabet, padded: what Element Call's side writes. */
export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** Both alphabets, with or without padding. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  const plain = text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
  if (!/^[A-Za-z0-9+/]*$/.test(plain) || plain.length % 4 === 1) return undefined;
  return Uint8Array.from(atob(plain), (char) => char.charCodeAt(0));
}
