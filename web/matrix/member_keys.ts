/**
 * Media keys of the others, from key messages to the keys that a member's frames are opened with; and what is strange about
 * them: keys of devices that are not in the call. Messages and memberships may come in any order.
 *
 * Threads: main. Errors: none; what cannot be believed is dropped and its bytes wiped.
 */
import type { KeyMessage } from './devices';
import { type Device, deviceKey, PeerKeys, parseKeyMessage } from './media_keys';

/** Somebody whose key came before the homeserver said that they are in the room. */
const kEarlyMs = 60_000;
const kMaxEarly = 100;
const kMaxEarlyOfUser = 5;
const kStrayMs = 10_000;
const kForgetStrayMs = 120_000;

export interface MemberKeysOptions {
  roomId: string;
  me: Device;
  /** Is this person in the room? Others have nothing to say about its call. */
  inRoom(userId: string): boolean;
  now?: () => number;
}

interface Early {
  parsed: NonNullable<ReturnType<typeof parseKeyMessage>>;
  at: number;
}

export class MemberKeys {
  readonly #options: Required<MemberKeysOptions>;
  readonly #keys: PeerKeys;
  /** Devices that were in the call, and sent no key since they left. */
  readonly #departed = new Set<string>();
  #early: Early[] = [];

  constructor(options: MemberKeysOptions) {
    this.#options = { now: () => performance.now(), ...options };
    this.#keys = new PeerKeys(this.#options.now);
  }

  /** The device (deviceKey) and index that have a new key; undefined when nothing changed. */
  async take({ userId, deviceId, content }: KeyMessage): Promise<{ key: string; index: number } | undefined> {
    const { roomId, me, inRoom, now } = this.#options;
    const parsed = parseKeyMessage(content, roomId, { userId, deviceId });
    if (!parsed) return undefined;
    if (deviceKey(parsed.device) === deviceKey(me)) {
      parsed.key.material.fill(0);
      return undefined;
    }
    if (inRoom(userId)) return this.#add(parsed);
    // Messages to devices overtake the room's events, and are sent once only.
    const [oldest] = this.#early;
    const ofUser = this.#early.filter((each) => each.parsed.device.userId === userId);
    if (ofUser[0] && ofUser.length >= kMaxEarlyOfUser) this.#drop(ofUser[0]);
    else if (oldest && this.#early.length >= kMaxEarly) this.#drop(oldest);
    this.#early.push({ parsed, at: now() });
    return undefined;
  }

  /** Looks again at keys that came too early. What is new, as `take` says it. */
  async review(): Promise<Array<{ key: string; index: number }>> {
    if (this.#early.length === 0) return [];
    const now = this.#options.now();
    for (const each of this.#early.filter(({ at }) => now - at > kEarlyMs)) this.#drop(each);
    const here = this.#early.filter(({ parsed }) => this.#options.inRoom(parsed.device.userId));
    this.#early = this.#early.filter((each) => !here.includes(each));
    const added = await Promise.all(here.map(({ parsed }) => this.#add(parsed)));
    return added.filter((each) => each !== undefined);
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Index and key: one for each index, the newest by its sender's clock. */
  of(key: string): Array<[number, CryptoKey]> {
    return this.#keys.of(key);
  }

  /** This device is a member now. */
  joined(key: string): void {
    this.#departed.delete(key);
  }

  /** Its keys are kept: a device whose membership lapsed and is back goes on with the same one and does not send it again. */
  left(key: string): void {
    if (this.#keys.has(key)) this.#departed.add(key);
  }

  /** Devices that gave us keys and are no members, while that lasts. Forgets those that stay so for long. */
  strays(isMember: (key: string) => boolean): string[] {
    const strays: string[] = [];
    for (const [key, at] of this.#keys.devices) {
      if (isMember(key) || this.#departed.has(key)) continue;
      const age = this.#options.now() - at;
      if (age > kForgetStrayMs) this.#keys.forget(key);
      else if (age > kStrayMs) strays.push(key);
    }
    for (const key of this.#departed) if (!this.#keys.has(key)) this.#departed.delete(key);
    return strays;
  }

  close(): void {
    for (const each of [...this.#early]) this.#drop(each);
    this.#keys.clear();
    this.#departed.clear();
  }

  async #add({ device, key }: Early['parsed']): Promise<{ key: string; index: number } | undefined> {
    const { index } = key;
    if (!(await this.#keys.add(device, key))) return undefined;
    const name = deviceKey(device);
    this.#departed.delete(name);
    return { key: name, index };
  }

  #drop(early: Early): void {
    early.parsed.key.material.fill(0);
    this.#early = this.#early.filter((each) => each !== early);
  }
}
