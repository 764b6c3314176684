/**
 * The drop-in worker for stock Jitsi clients, without its globals: lib-jitsi-meet's messages in, transforms, nothing out. Same
 * messages and same bytes as its own worker (modules/e2ee/{Worker,Context}.ts); what differs (docs/jitsi.md):
 *
 * - A frame is sealed or opened, or dropped. Without a key nothing passes, in either direction: not before the first key, not
 *   with `key: false`, not after `setEnabled: false`.
 * - A ratchet of a receiving key counts only after a tag verified: no frame that does not open can spoil the key. Frames from
 *   before it that come late are dropped, and a key frame is asked for.
 * - What was opened once is not opened again.
 * - Shared keys (externallyManagedKey) work, as bytes and as CryptoKeys, which need not be exportable.
 *
 * Messages are worked through in order, none before the engine runs; until then frames stay unread. Errors: in the console, once
 * for each kind and participant, without anything of keys or frames. Ownership: key bytes are copied, the copies wiped.
 */
import { type Fields, fields } from '../../media/fields';
import { MediaError } from '../../media/types';
import { CryptoKeys } from '../../media/worker/frame_engine';
import type { ScriptTransformer } from '../../media/worker/globals';
import { Participant } from '../../media/worker/participant';
import { Pipe, type PipeEnds, type PipeShared } from '../../media/worker/pipe';
import { type EngineSurroundings, startEngine } from '../../media/worker/start';

const kRing = 16;
/** As upstream: so many generations ahead are looked for. */
const kRatchetWindow = 8;
const kSizes = [16, 24, 32];
const kMaxSaid = 500;
const kMaxParticipants = 1000;

export interface Surroundings extends EngineSurroundings {
  /** To the console. */
  warn(text: string): void;
}

/**
 * CryptoKeys that the engine does not know: it holds random bytes in their place, so that whatever does not go through WebCrypto
 * is sealed for nobody and opens nothing.
 */
class ForeignKeys extends CryptoKeys {
  readonly #foreign = new Map<number, CryptoKey>();
  /** By the engine's serial, which is another one for every key: of an index that got another key, nothing is found here. */
  readonly #bySerial = new Map<number, CryptoKey>();

  /** From now on a new key of this index is that one; none: it is what the engine holds. */
  stand(index: number, key: CryptoKey | undefined): void {
    if (key) this.#foreign.set(index, key);
    else this.#foreign.delete(index);
  }
  /** After a new key of any index: those still standing are looked up again. */
  override clear(): void {
    super.clear();
    this.#bySerial.clear();
  }
  /** `clear`, and none stands any more. */
  forget(): void {
    this.clear();
    this.#foreign.clear();
  }
  override get(serial: number): CryptoKey | undefined {
    return this.#bySerial.get(serial) ?? super.get(serial);
  }
  override import(serial: number, key: Uint8Array<ArrayBuffer>, index: number): Promise<void> {
    const foreign = this.#foreign.get(index);
    if (!foreign) return super.import(serial, key, index);
    this.#bySerial.set(serial, foreign);
    return Promise.resolve();
  }
}

type SharedKey = Uint8Array<ArrayBuffer> | CryptoKey;

interface Member {
  id: string;
  participant: Participant;
  sealKeys: ForeignKeys;
  openKeys: ForeignKeys;
  /** Hash of what was last set, by index: the same key again changes nothing, above all no ratchet goes back. */
  origins: Map<number, string>;
}

export class JitsiWorker {
  readonly #around: Surroundings;
  #shared = false;
  #enabled = true;
  readonly #sharedKeys = new Map<number, SharedKey>();
  #sharedIndex = -1;
  readonly #members = new Map<string, Member>();
  #running: PipeShared | undefined;
  #ended = false;
  #queue: Promise<void>;
  readonly #said = new Set<string>();
  #tracks = 0;

  constructor(around: Surroundings) {
    this.#around = around;
    this.#queue = this.#start();
  }

  async #start(): Promise<void> {
    const around = this.#around;
    try {
      const { engine, info } = await startEngine(around, 'jframe', undefined);
      this.#running = {
        engine,
        webCryptoFrom: info.webCryptoFrom,
        now: around.now,
        trapped: () => this.fail(new MediaError('worker-died', 'The engine trapped.')),
        watch: {
          rejected: (pipe, reason) => {
            if (reason !== 'replay')
              this.#warn(
                `${pipe.info.direction === 'send' ? 'sending' : 'receiving'}: ${reason}`,
                pipe.info.participant,
              );
          },
          ratcheted: () => {},
        },
      };
    } catch (error) {
      this.fail(error instanceof MediaError ? error : new MediaError('wasm-load', 'The engine did not start.'));
    }
  }

  /** Nothing passes any more. */
  fail(error: MediaError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#warn(`${error.message} No sound and no picture is sent or played any more; load the page again.`, '');
    for (const id of [...this.#members.keys()]) this.#remove(id);
    this.#forgetShared();
    this.#running = undefined;
  }

  /** Resolves when everything that was said until now is done. For tests. */
  idle(): Promise<void> {
    return this.#queue;
  }

  onMessage(message: unknown): void {
    const data = fields(message);
    this.#enqueue(() => this.#handle(data));
  }

  onTransform(transformer: ScriptTransformer): void {
    const { operation, participantId } = fields(transformer.options);
    this.#enqueue(() => this.#attach(operation, participantId, transformer));
  }

  #enqueue(task: () => Promise<void> | void): void {
    this.#queue = this.#queue.then(async () => {
      if (this.#ended) return;
      try {
        await task();
      } catch (error) {
        if (typeof WebAssembly !== 'undefined' && error instanceof WebAssembly.RuntimeError) this.#running?.trapped();
        // The name only: texts of the browser may hold what was worked on.
        else this.#warn(`a message was refused (${(error as Error).name})`, '');
      }
    });
  }

  async #handle(data: Fields): Promise<void> {
    switch (data.operation) {
      case 'initialize':
        this.#shared = !!data.sharedKey;
        return;
      case 'encode':
      case 'decode': {
        const { readableStream: readable, writableStream: writable } = data;
        if (readable && writable) this.#attach(data.operation, data.participantId, { readable, writable } as PipeEnds);
        return;
      }
      case 'setEnabled':
        this.#enabled = data.enabled !== false;
        for (const member of this.#members.values()) this.#follow(member);
        if (!this.#enabled) this.#warn('encryption was switched off: nothing is sent until it is on again', '');
        return;
      case 'setKey':
        return this.#setKey(data);
      case 'cleanup':
        this.#remove(`${data.participantId}`);
        return;
      case 'cleanupAll':
        for (const id of [...this.#members.keys()]) this.#remove(id);
        this.#forgetShared();
        return;
      default:
        this.#warn('a message of a kind that is not known here', '');
    }
  }

  #attach(operation: unknown, participantId: unknown, ends: PipeEnds): void {
    const shared = this.#running;
    if (!shared || typeof participantId !== 'string' || !participantId) return;
    if (operation !== 'encode' && operation !== 'decode') return;
    const member = this.#member(participantId);
    if (!member) return;
    const direction = operation === 'encode' ? ('send' as const) : ('receive' as const);
    const task = {
      info: { participant: participantId, track: `${++this.#tracks}`, kind: 'audio' as const, direction },
      participant: member.participant,
      // Without a word of the browser: the layout that upstream uses for everything.
      codec: 'vp8' as const,
      kindFromFrames: true,
    };
    void new Pipe(task, shared, ends).run();
  }

  // Keys ------------------------------------------------------------------------------------------------------------------

  async #setKey({ participantId, key, keyIndex }: Fields): Promise<void> {
    if (typeof keyIndex !== 'number' || !Number.isSafeInteger(keyIndex)) throw new TypeError();
    if (this.#shared) return this.#setShared(key, keyIndex);
    if (typeof participantId !== 'string' || !participantId) throw new TypeError();
    const member = this.#member(participantId);
    if (!member) return;
    // `key: false` comes with index -1 or the last one: everything of theirs is over.
    if (!key) {
      this.#drop(member);
      return;
    }
    const bytes =
      key instanceof Uint8Array || key instanceof ArrayBuffer ? new Uint8Array(key as Uint8Array) : undefined;
    if (!bytes?.length || keyIndex < 0) throw new TypeError();
    const index = keyIndex % kRing;
    const digest = this.#around.subtle && new Uint8Array(await this.#around.subtle.digest('SHA-256', bytes)).join();
    if (digest && member.origins.get(index) === digest && !member.participant.removed) {
      bytes.fill(0);
      return;
    }
    if (digest) member.origins.set(index, digest);
    this.#install(member, index, bytes, 'hkdf');
    bytes.fill(0);
  }

  /**
   * For sending and receiving: which of the two this participant is shows only when streams come. `foreign`: the key that
   * `bytes` stand for.
   */
  #install(member: Member, index: number, bytes: Uint8Array, derivation: 'hkdf' | 'raw', foreign?: CryptoKey): void {
    const { participant } = member;
    if (participant.removed) return;
    member.sealKeys.stand(index, foreign);
    member.openKeys.stand(index, foreign);
    for (const use of ['send', 'receive'] as const) {
      if (participant.install(use, index, bytes.slice(), derivation, true) !== 0) throw new RangeError();
    }
    this.#follow(member);
    for (const pipe of participant.pipes) {
      if (pipe.info.direction === 'receive') pipe.onReceiveKey();
      else pipe.onSendKey();
    }
  }

  #drop(member: Member): void {
    for (let index = 0; index < kRing; ++index) {
      member.participant.dropKey('send', index);
      member.participant.dropKey('receive', index);
    }
    member.sealKeys.forget();
    member.openKeys.forget();
    member.origins.clear();
  }

  #follow({ participant }: Member): void {
    participant.blocked = !this.#enabled;
  }

  async #setShared(key: unknown, keyIndex: number): Promise<void> {
    // Versions differ in what they hand over: the bytes, the CryptoKey, or an object around it.
    const inner = fields(key).encryptionKey ?? key;
    if (!inner) {
      this.#forgetShared();
      for (const member of this.#members.values()) this.#drop(member);
      return;
    }
    if (keyIndex < 0) throw new TypeError();
    let given: SharedKey;
    if (inner instanceof Uint8Array) given = new Uint8Array(inner);
    else if (typeof CryptoKey !== 'undefined' && inner instanceof CryptoKey && inner.algorithm.name === 'AES-GCM') {
      const { subtle } = this.#around;
      given = inner.extractable && subtle ? new Uint8Array(await subtle.exportKey('raw', inner)) : inner;
    } else throw new TypeError();
    if (given instanceof Uint8Array && !kSizes.includes(given.length)) throw new RangeError();
    const index = keyIndex % kRing;
    this.#wipe(index);
    this.#sharedKeys.set(index, given);
    this.#sharedIndex = index;
    for (const member of this.#members.values()) this.#installShared(member, index, given);
  }

  #installShared(member: Member, index: number, key: SharedKey): void {
    if (key instanceof Uint8Array) {
      this.#install(member, index, key, 'raw');
      return;
    }
    const length = (key.algorithm as AesKeyAlgorithm).length / 8;
    const stand = crypto.getRandomValues(new Uint8Array(length));
    this.#install(member, index, stand, 'raw', key);
    stand.fill(0);
    // Only WebCrypto has this key.
    const running = this.#running;
    if (running) Object.assign(running.webCryptoFrom, { seal: 0, open: 0 });
  }

  #wipe(index: number): void {
    const old = this.#sharedKeys.get(index);
    if (old instanceof Uint8Array) old.fill(0);
    this.#sharedKeys.delete(index);
  }

  #forgetShared(): void {
    for (const index of [...this.#sharedKeys.keys()]) this.#wipe(index);
    this.#sharedIndex = -1;
  }

  // Participants -----------------------------------------------------------------------------------------------------------

  #member(id: string): Member | undefined {
    const known = this.#members.get(id);
    if (known) return known;
    const { engine } = this.#running ?? {};
    if (!engine || this.#members.size >= kMaxParticipants) return undefined;
    const { subtle } = this.#around;
    const [sealKeys, openKeys] = [new ForeignKeys(subtle), new ForeignKeys(subtle)];
    const participant = new Participant(engine, subtle, {
      format: 'jframe',
      keyringSize: kRing,
      ratchetWindow: this.#shared ? 0 : kRatchetWindow,
      sealKeys,
      openKeys,
    });
    const member: Member = { id, participant, sealKeys, openKeys, origins: new Map() };
    this.#members.set(id, member);
    this.#follow(member);
    // The one that seals comes last.
    const indices = [...this.#sharedKeys.keys()].sort((a) => (a === this.#sharedIndex ? 1 : -1));
    for (const index of indices) this.#installShared(member, index, this.#sharedKeys.get(index) as SharedKey);
    return member;
  }

  #remove(id: string): void {
    const member = this.#members.get(id);
    if (!member) return;
    this.#members.delete(id);
    member.participant.remove();
    member.sealKeys.forget();
    member.openKeys.forget();
    member.origins.clear();
  }

  #warn(text: string, participant: string): void {
    const about = `${participant} ${text}`;
    if (this.#said.has(about) || this.#said.size >= kMaxSaid) return;
    this.#said.add(about);
    this.#around.warn(`Siegel e2ee worker: ${participant ? `participant ${participant}, ` : ''}${text}`);
  }
}
