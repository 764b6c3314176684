/**
 * Jitsi's key exchange: an Olm session with every member that does end-to-end encryption, and over it the keys with which
 * each seals its own media. Messages are private messages of the room; the server passes them on, and is not trusted.
 *
 *   smaller id                         larger id
 *     session-init (idKey, otKey)  →
 *                                  ←  session-ack (first Olm message)
 *     key-info                     ↔  key-info          one's own key and its index
 *     key-info-ack                 ↔  key-info-ack
 *
 * Ours on top: the first key seals before any media is sent; a peer's identity key cannot change during its stay; what was
 * said once is not accepted twice; `e2ee.enabled=false` closes nothing and opens nothing. Rotation and ratchet are those of
 * web/keys (SenderKeys): a new key goes out as soon as somebody left, not five seconds later.
 *
 * Source: lib-jitsi-meet modules/e2ee/{OlmAdapter,ManagedKeyHandler} (behaviour). Threads: main.
 * Ownership: of Olm's objects and of all key material, wiped in stop(). Errors: `problem`; start() rejects with JitsiError.
 */
import { Emitter } from '../call/emitter';
import { type Bytes, type KeyMessage, randomBytes, SenderKey, SenderKeys, wipe } from '../keys';
import type { MediaCipherApi } from '../media/types';
import type { Olm, OlmAccount, OlmSession } from './olm';
import { SasExchange } from './sas';
import { checkKeys, type SignatureForm, signKeys } from './signatures';
import { JitsiError, type KeyExchangeEvents, type KeyExchangePort, type KeyProblem, type Occupant } from './types';

const kRing = 16;
const kKey = /^[A-Za-z0-9+/]{43}$/;
const kKeyBytes = 32;
const kAnswerMs = 5000;
const kMaxInits = 8;
const kNoSessionMs = 15_000;
/** Stanzas are not lost, and with a hundred members an answer takes a while. */
const kResendMs = 4000;
const kMaxCiphertext = 100_000;
const kMaxUuids = 500;
/** Messages of one peer: so many at once, so many a second. Work for a flood is bounded. */
const kBurst = 240;
const kPerSecond = 20;

type Json = Readonly<Record<string, unknown>>;
const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const isUuid = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= 100;

function fromBase64(text: string): Bytes | undefined {
  try {
    const binary = atob(text);
    return Uint8Array.from(binary, (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}

const toBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

interface Peer {
  id: string;
  curve25519: string | undefined;
  ed25519: string | undefined;
  siegel: boolean;
  enabled: boolean;
  /** They said that it is off after it was on. */
  switchedOff: boolean;
  session: OlmSession | undefined;
  /** A message of theirs was opened with this session. */
  confirmed: boolean;
  /** What we asked for and have no answer to. */
  pending: { uuid: string; timer: ReturnType<typeof setTimeout> } | undefined;
  inits: number;
  /** Ids of messages that were accepted once. */
  seen: Set<string>;
  /** key-info of ours without acknowledgement: uuid → epoch. */
  requests: Map<string, number>;
  /** In which words this client signs; undefined: it does not. */
  signs: SignatureForm | undefined;
  /** In the room before us. */
  wasHere: boolean;
  /** Their key in use: only its hash is kept, to know it again. */
  keyIndex: number | undefined;
  keyHash: string;
  /** The identity changed during its stay: nothing goes to it any more. */
  blocked: boolean;
  acked: boolean;
  noSession: ReturnType<typeof setTimeout> | undefined;
  tokens: number;
  tokensAt: number;
  queue: Promise<void>;
}

export interface KeyExchangeOptions {
  olm: Olm;
  cipher: Pick<MediaCipherApi, 'setKey' | 'ratchet' | 'dropKey' | 'removeParticipant'>;
  /** A private json-message. */
  send(to: string, data: unknown): void;
  /** Room's name: bound into our keys. */
  room: string;
  /** The engine refused a key of ours: media must not go on. */
  failed(error: unknown): void;
  /** For tests. */
  leaveMs?: number;
  joinMs?: number;
}

export class KeyExchange extends Emitter<KeyExchangeEvents> implements KeyExchangePort {
  readonly idKeys: { curve25519: string; ed25519: string };
  readonly #options: KeyExchangeOptions;
  readonly #olm: Olm;
  readonly #account: OlmAccount;
  readonly #peers = new Map<string, Peer>();
  /** Identity by id, also of those who left. */
  readonly #identities = new Map<string, string>();
  #me = '';
  #keys: SenderKeys | undefined;
  #sas: SasExchange | undefined;
  #leftAt = new Map<string, number>();
  #mayListen: readonly string[] = [];
  #stopped = false;

  constructor(options: KeyExchangeOptions) {
    super();
    this.#options = options;
    this.#olm = options.olm;
    this.#account = new options.olm.Account();
    this.#account.create();
    const { curve25519, ed25519 } = JSON.parse(this.#account.identity_keys()) as Record<string, string>;
    if (!curve25519 || !ed25519) throw new JitsiError('no-e2ee');
    this.idKeys = { curve25519, ed25519 };
  }

  get recipients(): readonly string[] {
    return [...this.#peers.values()].filter((one) => this.#keys?.hasKey(one.id) || one.acked).map((one) => one.id);
  }

  keyIndexOf(id: string): number | undefined {
    return this.#peers.get(id)?.keyIndex;
  }

  /** Our first key is in use when this resolves. Nothing may be sent before. */
  async start(me: string): Promise<void> {
    this.#me = me;
    const secret = randomBytes(kKeyBytes);
    const { cipher } = this.#options;
    this.#keys = new SenderKeys({
      create: (keyIndex) => SenderKey.create({ secret, room: this.#options.room, member: me, keyIndex }),
      install: async (keyIndex, material) => {
        await cipher.setKey({ participant: me, usage: 'send', keyIndex, material, derivation: 'hkdf' });
        wipe(material);
        this.#installed(keyIndex);
      },
      ratchet: async () => {
        this.emit('ratcheted', { generation: await cipher.ratchet(me) });
      },
      drop: (keyIndex) => cipher.dropKey(me, 'send', keyIndex),
      // Stock clients lose the key when a frame from before a ratchet comes after one from behind it, as pictures do.
      renewOnJoin: () => [...this.#peers.values()].some((one) => !one.siegel && one.session !== undefined),
      send: (id, message) => this.#sendKey(id, message),
      changed: () => this.#exposure(),
      failed: (error) => this.#options.failed(error),
      joinMs: this.#options.joinMs ?? 50,
      leaveMs: this.#options.leaveMs ?? 200,
      resendMs: kResendMs,
    });
    await this.#keys.start();
  }

  #installed(keyIndex: number): void {
    if (!this.#leftAt.size) return;
    const exposureMs = performance.now() - Math.min(...this.#leftAt.values());
    this.#leftAt.clear();
    this.emit('rotated', { keyIndex, exposureMs });
  }

  #exposure(): void {
    const now = [...(this.#keys?.mayListen ?? [])];
    if (now.join() === this.#mayListen.join()) return;
    this.#mayListen = now;
    this.emit('mayListen', now);
  }

  // --- Who is here -----------------------------------------------------------------------------------------------------------

  /** `wasHere`: in the room before us. */
  occupantJoined(occupant: Occupant, wasHere = false): void {
    if (occupant.focus || !occupant.e2ee || this.#stopped || this.#peers.has(occupant.id)) return;
    const { id, idKeys } = occupant;
    const identity = idKeys ? `${idKeys.curve25519}/${idKeys.ed25519 ?? ''}` : '';
    const before = this.#identities.get(id);
    if (identity) this.#identities.set(id, identity);
    if (before && identity && before !== identity) {
      // Came back as somebody else under the same id: a new person as far as keys go.
      this.emit('problem', { id, problem: 'identity-changed' });
    }
    const peer: Peer = {
      id,
      curve25519: idKeys?.curve25519,
      ed25519: idKeys?.ed25519,
      siegel: occupant.siegel,
      enabled: occupant.e2eeEnabled === true || occupant.siegel,
      switchedOff: false,
      session: undefined,
      confirmed: false,
      pending: undefined,
      inits: 0,
      seen: new Set(),
      requests: new Map(),
      signs: undefined,
      wasHere,
      keyIndex: undefined,
      keyHash: '',
      blocked: false,
      acked: false,
      noSession: undefined,
      tokens: kBurst,
      tokensAt: performance.now(),
      queue: Promise.resolve(),
    };
    this.#peers.set(id, peer);
    if (peer.enabled) this.#begin(peer);
  }

  occupantChanged(occupant: Occupant): void {
    const peer = this.#peers.get(occupant.id);
    if (!peer) {
      this.occupantJoined(occupant);
      return;
    }
    const { idKeys } = occupant;
    const changed =
      (peer.curve25519 && idKeys && idKeys.curve25519 !== peer.curve25519) ||
      (peer.ed25519 && idKeys && idKeys.ed25519 !== peer.ed25519);
    if (changed) {
      this.#block(peer);
      return;
    }
    if (idKeys && !peer.curve25519) {
      peer.curve25519 = idKeys.curve25519;
      peer.ed25519 = idKeys.ed25519;
      this.#identities.set(peer.id, `${idKeys.curve25519}/${idKeys.ed25519 ?? ''}`);
    }
    const enabled = occupant.e2eeEnabled === true || peer.siegel;
    if (enabled && !peer.enabled) {
      // A stock client that switched it off and on again threw its session away, and our key with it. One that says for the
      // first time that it is on may have begun a session before it said so.
      if (peer.switchedOff && peer.session && peer.acked) {
        this.#reset(peer);
        this.#keys?.remove(peer.id);
      }
      peer.switchedOff = false;
      peer.enabled = true;
      this.#begin(peer);
    } else if (!enabled && occupant.e2eeEnabled === false) {
      peer.switchedOff ||= peer.enabled || peer.session !== undefined;
      peer.enabled = false;
    }
  }

  occupantLeft(id: string): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    if (this.#sas?.state.member === id) this.#sas.cancel('left');
    this.#leftAt.set(id, performance.now());
    this.#keys?.remove(id);
    if (!this.#keys?.mayListen.has(id)) this.#leftAt.delete(id);
    this.#free(peer);
    this.#peers.delete(id);
    this.#options.cipher.removeParticipant(id);
  }

  #block(peer: Peer): undefined {
    if (peer.blocked) return;
    this.#reset(peer);
    peer.blocked = true;
    this.#keys?.remove(peer.id);
    this.#options.cipher.removeParticipant(peer.id);
    peer.keyIndex = undefined;
    peer.keyHash = '';
    this.emit('problem', { id: peer.id, problem: 'identity-changed' });
    this.emit('peer', { id: peer.id, ours: false, theirs: false });
  }

  #reset(peer: Peer): void {
    clearTimeout(peer.pending?.timer);
    peer.pending = undefined;
    peer.session?.free();
    peer.session = undefined;
    peer.confirmed = false;
    peer.acked = false;
    peer.inits = 0;
    peer.requests.clear();
  }

  #free(peer: Peer): void {
    this.#reset(peer);
    clearTimeout(peer.noSession);
    peer.keyHash = '';
    peer.blocked = true;
  }

  // --- Sessions --------------------------------------------------------------------------------------------------------------

  #begin(peer: Peer): void {
    clearTimeout(peer.noSession);
    peer.noSession = setTimeout(() => {
      if (!peer.session && !peer.blocked) this.emit('problem', { id: peer.id, problem: 'no-session' });
    }, kNoSessionMs);
    if (this.#me < peer.id && !peer.session && !peer.pending) this.#sendInit(peer);
  }

  #sendInit(peer: Peer): void {
    if (peer.blocked || this.#stopped || peer.inits >= kMaxInits) return;
    ++peer.inits;
    this.#account.generate_one_time_keys(1);
    const { curve25519 } = JSON.parse(this.#account.one_time_keys()) as { curve25519: Record<string, string> };
    const otKey = Object.values(curve25519)[0];
    if (!otKey) return;
    this.#account.mark_keys_as_published();
    const uuid = crypto.randomUUID();
    const idKey = this.idKeys.curve25519;
    const timer = setTimeout(() => {
      if (peer.pending?.uuid !== uuid) return;
      peer.pending = undefined;
      if (!peer.session && peer.enabled) this.#sendInit(peer);
    }, kAnswerMs * Math.min(peer.inits, 4));
    peer.pending = { uuid, timer };
    const signature = signKeys(this.#account, { uuid, idKey, otKey, from: this.#me, to: peer.id }, peer.signs);
    this.#say(peer.id, 'session-init', { idKey, otKey, uuid, signature });
  }

  receive(from: string, data: unknown): boolean {
    if (!isJson(data) || data.type !== 'olm') return false;
    const peer = this.#peers.get(from);
    if (!peer || peer.blocked || this.#stopped || !isJson(data.olm)) return true;
    const { type, data: inner } = data.olm;
    if (!this.#spend(peer) || typeof type !== 'string' || !isJson(inner)) return true;
    // In order, one after the other: handing a key to the engine takes a moment.
    peer.queue = peer.queue
      .then(() => (this.#peers.get(from) === peer && !peer.blocked ? this.#handle(peer, type, inner) : undefined))
      .catch(() => this.#problem(peer, 'malformed'));
    return true;
  }

  #spend(peer: Peer): boolean {
    const now = performance.now();
    peer.tokens = Math.min(kBurst, peer.tokens + ((now - peer.tokensAt) / 1000) * kPerSecond);
    peer.tokensAt = now;
    if (peer.tokens < 1) return false;
    --peer.tokens;
    return true;
  }

  #problem(peer: Peer, problem: KeyProblem): undefined {
    this.emit('problem', { id: peer.id, problem });
  }

  /** False: this id was used before. */
  #first(peer: Peer, uuid: string): boolean {
    if (peer.seen.has(uuid)) {
      this.#problem(peer, 'replayed');
      return false;
    }
    if (peer.seen.size >= kMaxUuids) {
      const oldest = peer.seen.values().next().value;
      if (oldest !== undefined) peer.seen.delete(oldest);
    }
    peer.seen.add(uuid);
    return true;
  }

  async #handle(peer: Peer, type: string, data: Json): Promise<void> {
    switch (type) {
      case 'session-init':
        this.#gotInit(peer, data);
        break;
      case 'session-ack':
        await this.#gotAck(peer, data);
        break;
      case 'key-info':
        await this.#gotKeyInfo(peer, data);
        break;
      case 'key-info-ack':
        await this.#gotKeyAck(peer, data);
        break;
      case 'siegel-sealed':
        this.#gotSealed(peer, data);
        break;
      case 'sas-start':
      case 'sas-accept':
      case 'sas-key':
      case 'sas-mac':
        this.#gotSas(peer, type, data);
        break;
      default:
        // 'error' and what later versions say: nothing to do.
        break;
    }
  }

  /** Signed as it must be? Notes in which words. */
  #signed(peer: Peer, data: Json, keys: { uuid: string; idKey: string; otKey?: string }): boolean {
    const form = checkKeys(this.#olm, peer.ed25519, { ...keys, from: peer.id, to: this.#me }, data);
    // Once signed, always signed; and Siegel clients always sign.
    if (form === 'bad' || (form === 'none' && (peer.siegel || peer.signs)) || (peer.siegel && form !== 'siegel')) {
      this.#problem(peer, 'bad-signature');
      return false;
    }
    if (form !== 'none') peer.signs = form;
    return true;
  }

  #gotInit(peer: Peer, data: Json): undefined {
    const { idKey, otKey, uuid } = data;
    if (typeof idKey !== 'string' || typeof otKey !== 'string' || !isUuid(uuid))
      return this.#problem(peer, 'malformed');
    if (!kKey.test(idKey) || !kKey.test(otKey)) return this.#problem(peer, 'malformed');
    if (!this.#first(peer, uuid)) return;
    // The smaller id begins; both at once cannot happen among honest clients.
    if (!(peer.id < this.#me)) return this.#problem(peer, 'forged');
    if (peer.curve25519 && peer.curve25519 !== idKey) return this.#block(peer);
    if (!this.#signed(peer, data, { uuid, idKey, otKey })) return;
    if (peer.session && (peer.confirmed || peer.acked)) {
      // A working session is not given up because somebody asks.
      this.#problem(peer, 'replayed');
      this.#say(peer.id, 'error', { error: 'Session already established' });
      return;
    }
    peer.session?.free();
    const session = new this.#olm.Session();
    try {
      session.create_outbound(this.#account, idKey, otKey);
    } catch {
      session.free();
      peer.session = undefined;
      return this.#problem(peer, 'malformed');
    }
    peer.curve25519 ??= idKey;
    peer.session = session;
    const signature = signKeys(
      this.#account,
      { uuid, idKey: this.idKeys.curve25519, from: this.#me, to: peer.id },
      peer.signs,
    );
    this.#say(peer.id, 'session-ack', {
      uuid,
      ciphertext: session.encrypt('{}'),
      idKey: this.idKeys.curve25519,
      signature,
    });
    this.#established(peer);
  }

  async #gotAck(peer: Peer, data: Json): Promise<void> {
    const { uuid, ciphertext } = data;
    if (!isUuid(uuid)) return this.#problem(peer, 'malformed');
    if (peer.pending?.uuid !== uuid) return this.#problem(peer, 'replayed');
    if (!this.#first(peer, uuid)) return;
    const message = this.#ciphertext(ciphertext);
    if (message?.type !== 0) return this.#problem(peer, 'malformed');
    const idKey = typeof data.idKey === 'string' ? data.idKey : peer.curve25519;
    if (!idKey || (peer.curve25519 && idKey !== peer.curve25519)) return this.#block(peer);
    if (!this.#signed(peer, data, { uuid, idKey })) return;
    const session = new this.#olm.Session();
    let text: string;
    try {
      // Only if it was made with the identity key that we know of them.
      session.create_inbound_from(this.#account, idKey, message.body);
      text = session.decrypt(message.type, message.body);
    } catch {
      session.free();
      return this.#problem(peer, 'forged');
    }
    this.#account.remove_one_time_keys(session);
    clearTimeout(peer.pending.timer);
    peer.pending = undefined;
    peer.session?.free();
    peer.curve25519 ??= idKey;
    peer.session = session;
    peer.confirmed = true;
    await this.#useKey(peer, text);
    this.#established(peer);
  }

  #established(peer: Peer): void {
    clearTimeout(peer.noSession);
    this.#keys?.admit(peer.id, peer.wasHere);
    this.emit('peer', { id: peer.id, ours: peer.acked, theirs: peer.keyIndex !== undefined });
  }

  #ciphertext(value: unknown): { type: number; body: string } | undefined {
    if (!isJson(value)) return undefined;
    const { type, body } = value;
    if ((type !== 0 && type !== 1) || typeof body !== 'string' || body.length > kMaxCiphertext) return undefined;
    return { type, body };
  }

  /** Opens a message of the session; undefined when it is not theirs or was opened before. */
  #open(peer: Peer, uuid: string, value: unknown): string | undefined {
    const message = this.#ciphertext(value);
    if (!peer.session || !message) {
      this.#problem(peer, peer.session ? 'malformed' : 'no-session');
      return undefined;
    }
    let text: string;
    try {
      text = peer.session.decrypt(message.type, message.body);
    } catch {
      this.#problem(peer, peer.seen.has(uuid) ? 'replayed' : 'forged');
      return undefined;
    }
    peer.confirmed = true;
    return text;
  }

  // --- Keys ------------------------------------------------------------------------------------------------------------------

  #sendKey(id: string, message: KeyMessage): void {
    const peer = this.#peers.get(id);
    if (!peer?.session) return;
    const uuid = crypto.randomUUID();
    if (peer.requests.size > 50) peer.requests.clear();
    peer.requests.set(uuid, message.epoch);
    const info = JSON.stringify({ key: toBase64(message.material), keyIndex: message.index });
    this.#say(id, 'key-info', { ciphertext: peer.session.encrypt(info), uuid });
  }

  async #gotKeyInfo(peer: Peer, data: Json): Promise<void> {
    const { uuid, ciphertext } = data;
    if (!isUuid(uuid)) return this.#problem(peer, 'malformed');
    const text = this.#open(peer, uuid, ciphertext);
    if (text === undefined) return;
    // Opened, so it is theirs and new; an id may come again only with a replay.
    peer.seen.add(uuid);
    const ok = await this.#useKey(peer, text);
    if (!ok || !peer.session || peer.blocked) return;
    this.#say(peer.id, 'key-info-ack', { ciphertext: peer.session.encrypt('{}'), uuid });
  }

  async #gotKeyAck(peer: Peer, data: Json): Promise<void> {
    const { uuid, ciphertext } = data;
    if (!isUuid(uuid)) return this.#problem(peer, 'malformed');
    const text = this.#open(peer, uuid, ciphertext);
    if (text === undefined) return;
    const epoch = peer.requests.get(uuid);
    if (epoch === undefined) return this.#problem(peer, 'replayed');
    peer.requests.delete(uuid);
    await this.#useKey(peer, text);
    peer.acked = true;
    this.#keys?.acknowledge(peer.id, epoch);
    this.emit('peer', { id: peer.id, ours: true, theirs: peer.keyIndex !== undefined });
  }

  /** Their key out of an opened message; false when there is none in it. */
  async #useKey(peer: Peer, text: string): Promise<boolean> {
    let info: unknown;
    try {
      info = JSON.parse(text);
    } catch {
      this.#problem(peer, 'malformed');
      return false;
    }
    if (!isJson(info) || info.key === undefined || info.keyIndex === undefined) return false;
    const { key, keyIndex } = info;
    if (typeof keyIndex !== 'number' || !Number.isSafeInteger(keyIndex) || keyIndex < 0) {
      this.#problem(peer, 'malformed');
      return false;
    }
    const index = keyIndex % kRing;
    const { cipher } = this.#options;
    if (key === false) {
      // They switched it off: what they send from now on is not opened, and not played.
      if (peer.keyIndex !== undefined) await cipher.dropKey(peer.id, 'receive', peer.keyIndex).catch(() => {});
      peer.keyIndex = undefined;
      peer.keyHash = '';
      this.emit('peer', { id: peer.id, ours: peer.acked, theirs: false });
      return true;
    }
    const material = typeof key === 'string' && key.length <= 100 ? fromBase64(key) : undefined;
    if (material?.length !== kKeyBytes) {
      this.#problem(peer, 'malformed');
      return false;
    }
    const hash = this.#hash(material);
    const same = peer.keyIndex === index && peer.keyHash === hash;
    if (!same) {
      await cipher.setKey({ participant: peer.id, usage: 'receive', keyIndex: index, material, derivation: 'hkdf' });
      peer.keyHash = hash;
      peer.keyIndex = index;
    }
    wipe(material);
    if (!same) this.emit('peer', { id: peer.id, ours: peer.acked, theirs: true });
    return true;
  }

  #hash(bytes: Uint8Array): string {
    const utility = new this.#olm.Utility();
    try {
      // The library wipes what it is given.
      return utility.sha256(bytes.slice());
    } finally {
      utility.free();
    }
  }

  // --- Sealed messages between Siegel clients ----------------------------------------------------------------------------------

  /** To every Siegel client with whom there is a session, or to one. Returns to whom it went. */
  sendSealed(data: unknown, to?: string): string[] {
    const text = JSON.stringify(data);
    const reached: string[] = [];
    for (const peer of this.#peers.values()) {
      if (!peer.siegel || !peer.session || peer.blocked || (to !== undefined && peer.id !== to)) continue;
      this.#say(peer.id, 'siegel-sealed', { uuid: crypto.randomUUID(), ciphertext: peer.session.encrypt(text) });
      reached.push(peer.id);
    }
    return reached;
  }

  #gotSealed(peer: Peer, data: Json): undefined {
    const { uuid, ciphertext } = data;
    if (!isUuid(uuid) || !peer.siegel) return;
    const text = this.#open(peer, uuid, ciphertext);
    if (text === undefined || text.length > kMaxCiphertext) return;
    peer.seen.add(uuid);
    let content: unknown;
    try {
      content = JSON.parse(text);
    } catch {
      return this.#problem(peer, 'malformed');
    }
    this.emit('sealed', { from: peer.id, data: content });
  }

  // --- Comparing codes -------------------------------------------------------------------------------------------------------

  #exchange(peer: Peer): SasExchange | undefined {
    const { curve25519, ed25519 } = peer;
    if (!curve25519 || !ed25519) return undefined;
    return new SasExchange({
      olm: this.#olm,
      me: this.#me,
      peer: peer.id,
      own: this.idKeys,
      theirs: { curve25519, ed25519 },
      bindsCurve: peer.siegel || peer.signs !== undefined,
      send: (type, data) => this.#say(peer.id, type, data),
      changed: (state) => this.emit('sas', state),
      verified: () => {
        this.emit('verified', { id: peer.id });
      },
    });
  }

  startVerification(id: string): void {
    const peer = this.#peers.get(id);
    if (!peer?.session || peer.blocked || (this.#sas && !this.#sas.over)) return;
    this.#sas = this.#exchange(peer);
    if (this.#sas) this.#sas.start();
    // Its client cannot (before 2022), so there is nothing to compare.
    else this.emit('sas', { member: id, stage: 'failed', reason: 'cancelled' });
  }

  #gotSas(peer: Peer, type: 'sas-start' | 'sas-accept' | 'sas-key' | 'sas-mac', data: Json): undefined {
    if (!peer.session) return this.#problem(peer, 'no-session');
    if (type !== 'sas-start') {
      if (this.#sas?.state.member === peer.id) this.#sas.receive(type, data);
      return;
    }
    const current = this.#sas;
    if (current && !current.over) {
      // Both began at once: the smaller id's attempt counts. Somebody else's has to wait.
      if (current.state.member !== peer.id || current.state.stage !== 'waiting' || this.#me < peer.id) return;
      current.cancel();
    }
    this.#sas = this.#exchange(peer);
    this.#sas?.accept(data);
  }

  answerVerification(matches: boolean): void {
    this.#sas?.answer(matches);
  }

  cancelVerification(): void {
    this.#sas?.cancel();
  }

  #say(to: string, type: string, data: Json): void {
    this.#options.send(to, { type: 'olm', olm: { type, data } });
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#sas?.cancel('left');
    this.#keys?.close();
    for (const peer of this.#peers.values()) this.#free(peer);
    this.#peers.clear();
    this.#account.free();
    this.clearListeners();
  }
}
