/**
 * When our sending key changes, and who gets it.
 *
 * Join: the key is ratcheted first, then its new state is handed to the newcomer, who therefore cannot open anything sealed
 * before. Members who were there follow by ratcheting on receipt; nothing is sent to them.
 * Leave: a new key under the next key index goes to those who remain; sealing switches to it when all have it, at the latest
 * after `switchWithinMs`. Until then `mayListen` names who left.
 * Several joins and leaves that come together cost one change (joins that coincide with a leave only get the new key). A leave
 * waits `leaveMs` for others to come with it, a join only `joinMs`, because the newcomer hears nothing until then.
 *
 * Changes run one after the other. If the engine cannot ratchet, or `kMaxRatchets` is reached (receivers look ahead only so
 * far), a join is answered with a new key for everybody: never with an old state.
 */
import { type Bytes, wipe } from './bytes';
import type { SenderKey } from './sender_key';

/** Ring size of JFrame. */
export const kKeyIndexes = 16;
/** Below the receivers' look-ahead of 8, for someone whose frames paused the whole time. */
export const kMaxRatchets = 6;

export interface KeyMessage {
  /** Grows with every state of our key; what is acknowledged. */
  epoch: number;
  index: number;
  material: Bytes;
}

export interface SenderKeysOptions {
  create(keyIndex: number): Promise<SenderKey>;
  /** Makes this the key that seals. The material is consumed. */
  install(keyIndex: number, material: Bytes): Promise<void>;
  /** Ratchets the sealing key in the engine. */
  ratchet(): Promise<void>;
  /** True: somebody here cannot follow a ratchet, so a newcomer means a new key for everybody. */
  renewOnJoin?: () => boolean;
  /** Forgets a key that no longer seals. */
  drop(keyIndex: number): Promise<void>;
  /** Sends over the sealed channel. The material is wiped after the call returns. */
  send(member: string, message: KeyMessage): void;
  /** Something a badge shows has changed. */
  changed?(): void;
  /** A change did not work out in the engine: media must not go on. */
  failed?(error: unknown): void;
  joinMs?: number;
  leaveMs?: number;
  switchWithinMs?: number;
  resendMs?: number;
}

interface Recipient {
  /** Epoch last sent to them, and last acknowledged; 0 = none. */
  sent: number;
  acknowledged: number;
  resends: number;
}

export class SenderKeys {
  readonly #options: SenderKeysOptions;
  readonly #joinMs: number;
  readonly #leaveMs: number;
  readonly #switchWithinMs: number;
  readonly #resendMs: number;
  #current: SenderKey | undefined;
  /** While a new key waits for its acknowledgements. */
  #next: SenderKey | undefined;
  #epoch = 0;
  #handedOut = false;
  #recipients = new Map<string, Recipient>();
  /** Who waits for a key, and whether they were in the call before us. */
  #joining = new Map<string, boolean>();
  #mayListen = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #resendTimer: ReturnType<typeof setTimeout> | undefined;
  #queue: Promise<void> = Promise.resolve();
  #acknowledgedAll: (() => void) | undefined;
  #awaited: ReadonlySet<string> = new Set();
  #closed = false;

  constructor(options: SenderKeysOptions) {
    this.#options = options;
    this.#joinMs = options.joinMs ?? 50;
    this.#leaveMs = options.leaveMs ?? 200;
    this.#switchWithinMs = options.switchWithinMs ?? 2000;
    this.#resendMs = options.resendMs ?? 1000;
  }

  /** Members who left and still hold the key that seals at this moment. */
  get mayListen(): ReadonlySet<string> {
    return this.#mayListen;
  }

  /** True from a join or leave until the change it causes is done. */
  get changing(): boolean {
    return this.#joining.size > 0 || this.#mayListen.size > 0 || this.#next !== undefined;
  }

  get keyIndex(): number | undefined {
    return this.#current?.keyIndex;
  }

  get generation(): number | undefined {
    return this.#current?.generation;
  }

  /** Whether this member has confirmed the state of the key that it was last sent. */
  hasKey(member: string): boolean {
    const recipient = this.#recipients.get(member);
    return recipient !== undefined && recipient.sent > 0 && recipient.acknowledged === recipient.sent;
  }

  /** First key: until it is installed nothing is sealed, and so nothing is sent. */
  start(): Promise<void> {
    return this.#enqueue(async () => {
      this.#current = await this.#options.create(0);
      this.#epoch = 1;
      await this.#options.install(0, this.#current.material());
    });
  }

  /**
   * A member has proved that it knows the secret: it gets a key. `wasHere`: it was in the call before us, so there is nothing
   * of ours that it must not open.
   */
  admit(member: string, wasHere = false): void {
    if (this.#closed || this.#recipients.has(member)) return;
    this.#recipients.set(member, { sent: 0, acknowledged: 0, resends: 0 });
    this.#joining.set(member, wasHere);
    this.#schedule(this.#joinMs);
  }

  /** A member has left, or was cut off. */
  remove(member: string): void {
    const recipient = this.#recipients.get(member);
    if (this.#closed || !recipient) return;
    this.#recipients.delete(member);
    this.#joining.delete(member);
    if (recipient.sent > 0) {
      this.#mayListen.add(member);
      this.#schedule(this.#leaveMs);
      this.#checkAcknowledged();
    }
    this.#options.changed?.();
  }

  acknowledge(member: string, epoch: number): void {
    const recipient = this.#recipients.get(member);
    if (!recipient || epoch > recipient.sent || epoch <= recipient.acknowledged) return;
    recipient.acknowledged = epoch;
    recipient.resends = 0;
    this.#checkAcknowledged();
    this.#options.changed?.();
  }

  /** After signalling was away: whoever has not confirmed gets the key again. */
  resync(): void {
    for (const recipient of this.#recipients.values()) recipient.resends = 0;
    this.#resend();
  }

  /** Wipes all keys. Nothing is sent any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#resendTimer);
    this.#acknowledgedAll?.();
    this.#current?.wipe();
    this.#next?.wipe();
    this.#current = undefined;
    this.#next = undefined;
    this.#recipients.clear();
    this.#joining.clear();
    this.#mayListen.clear();
  }

  #schedule(afterMs: number): void {
    this.#options.changed?.();
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#enqueue(() => this.#change());
    }, afterMs);
  }

  #enqueue(task: () => Promise<void>): Promise<void> {
    const run = this.#queue.then(async () => {
      if (!this.#closed) await task();
    });
    this.#queue = run.catch((error: unknown) => {
      if (!this.#closed) this.#options.failed?.(error);
    });
    return run;
  }

  async #change(): Promise<void> {
    const current = this.#current;
    if (!current) return;
    const left = [...this.#mayListen];
    if (left.length > 0) return this.#renew(left);
    if (this.#joining.size === 0) return;
    if (this.#handedOut && [...this.#joining.values()].includes(false)) {
      if (current.generation >= kMaxRatchets || this.#options.renewOnJoin?.()) return this.#renew([]);
      try {
        await this.#options.ratchet();
      } catch {
        return this.#renew([]);
      }
      await current.ratchet();
      if (this.#closed) return;
      this.#epoch++;
    }
    this.#hand(current, [...this.#joining.keys()]);
    this.#handedOut = true;
    this.#options.changed?.();
  }

  /** A new key for everybody who is here now. */
  async #renew(left: string[]): Promise<void> {
    const old = this.#current;
    if (!old) return;
    const next = await this.#options.create((old.keyIndex + 1) % kKeyIndexes);
    if (this.#closed) return next.wipe();
    this.#next = next;
    this.#epoch++;
    const members = [...this.#recipients.keys()];
    // Whoever did not answer the last time is not waited for; who has no key yet has nothing to lose.
    const awaited = members.filter((member) => this.hasKey(member));
    this.#hand(next, members);
    await this.#allAcknowledged(awaited);
    if (this.#closed) return;
    await this.#options.install(next.keyIndex, next.material());
    if (this.#closed) return;
    this.#current = next;
    this.#next = undefined;
    this.#handedOut = members.length > 0;
    old.wipe();
    for (const member of left) this.#mayListen.delete(member);
    await this.#options.drop(old.keyIndex);
    this.#options.changed?.();
  }

  #hand(key: SenderKey, members: string[]): void {
    for (const member of members) {
      const recipient = this.#recipients.get(member);
      if (!recipient) continue;
      this.#joining.delete(member);
      recipient.sent = this.#epoch;
      recipient.resends = 0;
      this.#send(member, key);
    }
    this.#planResend();
  }

  #send(member: string, key: SenderKey): void {
    const material = key.material();
    this.#options.send(member, { epoch: this.#epoch, index: key.keyIndex, material });
    wipe(material);
  }

  #unconfirmed(): Array<[string, Recipient]> {
    return [...this.#recipients].filter(([, each]) => each.sent > 0 && each.acknowledged < each.sent);
  }

  #planResend(): void {
    if (this.#resendTimer !== undefined || this.#closed) return;
    this.#resendTimer = setTimeout(() => {
      this.#resendTimer = undefined;
      this.#resend();
    }, this.#resendMs);
  }

  #resend(): void {
    const key = this.#next ?? this.#current;
    if (!key || this.#closed) return;
    let again = false;
    for (const [member, recipient] of this.#unconfirmed()) {
      // Someone who never answers is given up on; their badge says that they have no key.
      if (recipient.resends >= 10) continue;
      recipient.resends++;
      recipient.sent = this.#epoch;
      this.#send(member, key);
      again = true;
    }
    if (again) this.#planResend();
  }

  #checkAcknowledged(): void {
    if (!this.#isAwaited()) this.#acknowledgedAll?.();
  }

  /** Somebody who is still here and answers has not confirmed yet. */
  #isAwaited(): boolean {
    return [...this.#awaited].some((member) => {
      const recipient = this.#recipients.get(member);
      return recipient !== undefined && recipient.acknowledged < recipient.sent;
    });
  }

  #allAcknowledged(members: readonly string[]): Promise<void> {
    this.#awaited = new Set(members);
    if (!this.#isAwaited()) return Promise.resolve();
    return new Promise((done) => {
      const timer = setTimeout(() => this.#acknowledgedAll?.(), this.#switchWithinMs);
      this.#acknowledgedAll = () => {
        clearTimeout(timer);
        this.#acknowledgedAll = undefined;
        done();
      };
    });
  }
}
