/**
 * A call among up to six people who opened the same link: signalling, one Peer each, keys, states and badges. No DOM;
 * a page listens to `change` and draws what it finds.
 *
 * Order on joining: own key pair and sending key, then signalling, then with each member a handshake, then keys, then media.
 * Nothing is sealed without a key, nothing is sent unsealed. Leaving closes connections, wipes keys and, by closing the
 * cipher, ends the worker.
 *
 * Threads: main. Errors: `phase` and `problem`, never exceptions after join(). Ownership: borrows cipher and media (closes
 * both when `leave()` is called), copies the secret and wipes its copy.
 */

import { type Badge, type BadgeInput, BadgeMeter, type Numbers, numbersOf, worst } from '../call/badge';
import { Emitter } from '../call/emitter';
import type { LocalMedia } from '../call/local_media';
import { cleanName, sameLook } from '../call/names';
import { type CallEvents, type CallPhase, type CallRoom, kLanes, type Lane, type Member } from '../call/room';
import {
  type Bytes,
  createIdentity,
  type Invitation,
  randomBytes,
  SenderKey,
  SenderKeys,
  toBase64Url,
  wipe,
} from '../keys';
import {
  type MediaCipherApi,
  MediaError,
  type MediaFailure,
  type StatsSnapshot,
  type TrackCounters,
} from '../media/types';
import type { MemberState, ServerError } from './messages';
import { Peer, type PeerOptions } from './peer';
import { Signalling, type SignallingOptions } from './signalling';

/** Why the call had to stop; each has a text in web/ui/i18n. */
export type RoomFailure =
  | MediaFailure
  | 'no-x25519' // the browser cannot do the key agreement
  | 'insecure' // no https: no cryptography
  | 'internal';

export interface RoomOptions {
  invitation: Invitation;
  cipher: MediaCipherApi;
  media: LocalMedia;
  name: string;
  signalUrl: string;
  /** Same for all tabs of this browser: ClientId. */
  client: string;
  /** For tests. */
  signalling?: Partial<SignallingOptions>;
  createConnection?: PeerOptions['createConnection'];
}

/**
 * No counts for this long: what is shown is old. A dead worker is noticed by the cipher at once; this is for one that
 * hangs, and a busy machine must not raise an alarm.
 */
const kLateMs = 1000;
const kSilentMs = 3000;
const kDropOldKeyMs = 5000;
/** A member that the server no longer lists is kept this long while its connection is broken, too. */
const kVanishMs = 10_000;

/** What belongs to one membership: a new one starts when the server put us out while we were away. */
interface Session {
  me: string;
  signalling: Signalling;
  keys: SenderKeys;
  peers: Map<string, Peer>;
  /** For each peer: key indexes to drop once the next one is in use. */
  keyIndexes: Map<string, number>;
  identity: Awaited<ReturnType<typeof createIdentity>>;
}

export class LocalRoom extends Emitter<CallEvents> implements CallRoom {
  readonly #options: RoomOptions;
  readonly #secret: Bytes;
  #session: Session | undefined;
  #phase: CallPhase = 'idle';
  #refusal: ServerError | undefined;
  #failure: RoomFailure | undefined;
  #engine: 'starting' | 'running' | 'failed' = 'starting';
  #snapshotAt = 0;
  #silentTicks = 0;
  #name: string;
  #hand = false;
  #stateVersion = 0;
  #sentState = '';
  #max = 6;
  #watch: ReturnType<typeof setInterval> | undefined;
  #rekeyedAt = Number.NEGATIVE_INFINITY;
  #leftNames = new Map<string, string>();
  readonly #ownMeter = new BadgeMeter();
  #unsubscribe: Array<() => void> = [];

  constructor(options: RoomOptions) {
    super();
    this.#options = options;
    this.#secret = options.invitation.secret.slice();
    this.#name = cleanName(options.name);
  }

  get phase(): CallPhase {
    return this.#phase;
  }
  get refusal(): ServerError | undefined {
    return this.#refusal;
  }
  get failure(): RoomFailure | undefined {
    return this.#failure;
  }
  get me(): string {
    return this.#session?.me ?? '';
  }
  get name(): string {
    return this.#name;
  }
  get handRaised(): boolean {
    return this.#hand;
  }
  get maxMembers(): number {
    return this.#max;
  }

  /** Names of people who left and could still open what is sealed at this moment (until the new key is in use). */
  get mayListen(): string[] {
    return [...(this.#session?.keys.mayListen ?? [])].map((id) => this.#leftNames.get(id) ?? '');
  }

  /** What this person sends: the engine's counters of the own tracks. */
  get ownNumbers(): Numbers {
    return this.#ownMeter.numbers();
  }
  get ownTracks(): readonly TrackCounters[] {
    return this.#ownMeter.tracks;
  }

  get members(): Member[] {
    const peers = [...(this.#session?.peers.values() ?? [])];
    return peers.map((peer) => {
      const name = peer.state?.name ?? '';
      const alike =
        name !== '' &&
        (sameLook(name, this.#name) || peers.some((p) => p !== peer && p.state && sameLook(p.state.name, name)));
      return {
        id: peer.id,
        name,
        mark: alike
          ? peer.id
              .replace(/[^A-Za-z0-9]/g, '')
              .slice(0, 4)
              .toUpperCase()
          : '',
        state: peer.state,
        badge: peer.meter.evaluate(this.#badgeInput(peer)),
        numbers: peer.meter.numbers(),
        tracks: peer.meter.tracks,
        streams: peer.streams,
        connected: peer.link === 'connected',
      };
    });
  }

  /** Worst of all members; red also when what we send is being refused by our own engine. */
  get badge(): Badge {
    if (this.#engineState() !== 'running') return new BadgeMeter().evaluate(this.#badgeInput(undefined));
    const badges = this.members.map((member) => member.badge);
    if (this.mayListen.length > 0) badges.push({ level: 'amber', cause: 'rekey' });
    return worst(badges);
  }

  /** Call from a click. */
  async join(): Promise<void> {
    if (this.#phase !== 'idle') return;
    this.#setPhase('joining');
    const { cipher, media } = this.#options;
    this.#unsubscribe.push(
      cipher.on('stats', (snapshot) => this.#onStats(snapshot)),
      cipher.on('failed', (error) => this.#fail(error)),
      media.on('change', () => this.#onMediaChange()),
    );
    try {
      await cipher.ready;
      if (!this.#is('joining')) return;
      this.#engine = 'running';
      this.#snapshotAt = performance.now();
      this.#watch = setInterval(() => this.#tick(), 250);
      await this.#start();
    } catch (error) {
      this.#fail(error);
    }
  }

  setName(name: string): void {
    this.#name = cleanName(name);
    this.#sendState();
  }

  raiseHand(up: boolean): void {
    this.#hand = up;
    this.#sendState();
  }

  /** After refusal `duplicate`. */
  takeOver(): void {
    this.#refusal = undefined;
    this.#setPhase('joining');
    this.#session?.signalling.takeOver();
  }

  retryNow(): void {
    this.#session?.signalling.retryNow();
  }

  /** Ends everything: connections, worker, keys, devices. Resolves when the worker has wiped its keys. */
  async leave({ keepMedia = false } = {}): Promise<void> {
    if (!this.#is('failed', 'replaced', 'refused')) this.#setPhase('left');
    // First what must not wait: devices off.
    if (!keepMedia) this.#options.media.close();
    await this.#end();
    this.clearListeners();
  }

  async #end(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    clearInterval(this.#watch);
    this.#endSession();
    wipe(this.#secret);
    await this.#options.cipher.close().catch(() => {});
  }

  #setPhase(phase: CallPhase): void {
    this.#phase = phase;
    this.#changed();
  }

  #is(...phases: CallPhase[]): boolean {
    return phases.includes(this.#phase);
  }

  #changed(): void {
    this.emit('change', undefined);
  }

  // Session -----------------------------------------------------------------------------------------------------------

  async #start(): Promise<void> {
    const { cipher, invitation, client, signalUrl } = this.#options;
    const identity = await createIdentity();
    const me = toBase64Url(randomBytes(16));
    const { room } = invitation;
    const session: Session = {
      me,
      identity,
      peers: new Map(),
      keyIndexes: new Map(),
      signalling: new Signalling({ url: signalUrl, room, member: me, client, ...this.#options.signalling }),
      keys: new SenderKeys({
        create: (keyIndex) => SenderKey.create({ secret: this.#secret, room, member: me, keyIndex }),
        install: (keyIndex, material) => cipher.setKey({ participant: me, keyIndex, material, usage: 'send' }),
        ratchet: async () => void (await cipher.ratchet(me)),
        drop: (keyIndex) => cipher.dropKey(me, 'send', keyIndex),
        send: (member, { epoch, index, material }) =>
          session.peers.get(member)?.send({ kind: 'key', data: { epoch, index, material } }),
        changed: () => {
          this.#rekeyedAt = performance.now();
          this.#changed();
        },
        failed: (error) => this.#fail(error),
      }),
    };
    await session.keys.start();
    if (!this.#is('joining')) {
      session.keys.close();
      return;
    }
    this.#session = session;
    const { signalling } = session;
    signalling.on('welcome', ({ members, max, how }) => {
      this.#max = max;
      if (how === 'evicted') {
        this.#renew();
        return;
      }
      this.#setPhase('joined');
      for (const id of members) this.#meet(session, id);
      if (how !== 'first') {
        for (const peer of session.peers.values()) this.#repeat(session, peer);
        this.#forgetVanished(session, new Set(members));
      }
    });
    signalling.on('joined', (id) => {
      // After a restart of the server: somebody whom we know comes back to it.
      const known = session.peers.get(id);
      if (known) this.#repeat(session, known);
      else this.#meet(session, id);
    });
    signalling.on('left', (id) => this.#part(session, id));
    signalling.on('relay', ({ from, body }) => session.peers.get(from)?.receive(body));
    signalling.on('refused', ({ code, max }) => {
      this.#refusal = code;
      this.#max = max ?? this.#max;
      this.#setPhase('refused');
      if (code !== 'duplicate') void this.#end();
    });
    signalling.on('replaced', () => {
      this.#setPhase('replaced');
      void this.#end().then(() => this.#options.media.close());
    });
    signalling.on('status', (status) => {
      if (status !== 'away') return;
      if (this.#phase === 'joining') this.#setPhase('unreachable');
      else if (this.#phase === 'joined') this.#setPhase('away');
    });
    signalling.connect();
  }

  #endSession(): void {
    const session = this.#session;
    this.#session = undefined;
    if (!session) return;
    session.keys.close();
    session.signalling.close();
    for (const peer of session.peers.values()) {
      this.#options.cipher.removeParticipant(peer.id);
      peer.close();
    }
    this.#options.cipher.removeParticipant(session.me);
  }

  /** Signalling was away on one side: says again what may have been lost. */
  #repeat(session: Session, peer: Peer): void {
    peer.greet();
    if (peer.handshake !== 'confirmed') return;
    peer.send({ kind: 'state', data: this.#state() });
    session.keys.resync();
  }

  /** The server put us out while we were away: the others have forgotten us, so come back as someone new. */
  #renew(): void {
    this.#endSession();
    this.#setPhase('joining');
    this.#start().catch((error: unknown) => this.#fail(error));
  }

  #meet(session: Session, id: string): void {
    if (session.peers.has(id) || id === session.me || session.peers.size >= this.#max) return;
    const peer = new Peer({
      me: session.me,
      id,
      room: this.#options.invitation.room,
      secret: this.#secret,
      identity: session.identity,
      cipher: this.#options.cipher,
      relay: (body) => session.signalling.relay(id, body),
      ...(this.#options.createConnection ? { createConnection: this.#options.createConnection } : {}),
    });
    session.peers.set(id, peer);
    peer.on('handshake', (state) => {
      if (state === 'confirmed') {
        peer.send({ kind: 'state', data: this.#state() });
        session.keys.admit(id);
        this.#giveTracks(peer);
        this.#shareBandwidth(session);
      } else if (state === 'wrong-secret') {
        const member = this.members.find((each) => each.id === id);
        if (member) this.emit('stranger', member);
      }
      this.#changed();
    });
    peer.on('link', () => this.#changed());
    peer.on('state', () => {
      if (!this.#announced.has(id)) {
        this.#announced.add(id);
        const member = this.members.find((each) => each.id === id);
        if (member) this.emit('joined', member);
      }
      this.#changed();
    });
    peer.on('key', ({ epoch, index, material }) => void this.#onKey(session, peer, epoch, index, material));
    peer.on('key-ack', ({ epoch }) => session.keys.acknowledge(id, epoch));
    peer.greet();
    this.#changed();
  }

  readonly #announced = new Set<string>();

  #part(session: Session, id: string): void {
    const peer = session.peers.get(id);
    if (!peer) return;
    session.peers.delete(id);
    session.keyIndexes.delete(id);
    const name = peer.state?.name ?? '';
    this.#leftNames.set(id, name);
    const known = this.#announced.delete(id);
    peer.close();
    session.keys.remove(id);
    this.#options.cipher.removeParticipant(id);
    this.#shareBandwidth(session);
    if (known) this.emit('left', { id, name });
    this.#changed();
  }

  /** After the server came back: members that do not, and whose connection is broken as well, are gone. */
  #forgetVanished(session: Session, listed: Set<string>): void {
    const missing = [...session.peers.keys()].filter((id) => !listed.has(id));
    if (missing.length === 0) return;
    setTimeout(() => {
      if (this.#session !== session) return;
      for (const id of missing) if (session.peers.get(id)?.link === 'lost') this.#part(session, id);
    }, kVanishMs);
  }

  // Keys --------------------------------------------------------------------------------------------------------------

  async #onKey(session: Session, peer: Peer, epoch: number, index: number, material: Bytes): Promise<void> {
    if (epoch < peer.keyEpoch) return wipe(material);
    if (epoch > peer.keyEpoch) {
      peer.keyEpoch = epoch;
      try {
        await this.#options.cipher.setKey({ participant: peer.id, keyIndex: index, material, usage: 'receive' });
      } catch (error) {
        this.#fail(error);
        return;
      }
      const before = session.keyIndexes.get(peer.id);
      session.keyIndexes.set(peer.id, index);
      if (before !== undefined && before !== index) {
        // Frames on their way still need it for a moment.
        setTimeout(() => {
          if (session.peers.get(peer.id) === peer && session.keyIndexes.get(peer.id) !== before)
            void this.#options.cipher.dropKey(peer.id, 'receive', before).catch(() => {});
        }, kDropOldKeyMs);
      }
    } else wipe(material);
    peer.send({ kind: 'key-ack', data: { epoch } });
    this.#changed();
  }

  // Media and states --------------------------------------------------------------------------------------------------

  #onMediaChange(): void {
    for (const peer of this.#session?.peers.values() ?? []) if (peer.handshake === 'confirmed') this.#giveTracks(peer);
    this.#sendState();
    this.#changed();
  }

  #giveTracks(peer: Peer): void {
    if (this.#engine !== 'running') return;
    const { media } = this.#options;
    const tracks: Record<Lane, MediaStreamTrack | undefined> = {
      audio: media.microphone,
      video: media.camera,
      screen: media.screenVideo,
      'screen-audio': media.screenAudio,
    };
    for (const lane of kLanes) peer.setTrack(lane, tracks[lane] ?? null);
  }

  #shareBandwidth(session: Session): void {
    const others = Math.max(1, session.peers.size);
    for (const peer of session.peers.values()) peer.setMaxBitrate(Math.max(250_000, Math.round(1_800_000 / others)));
  }

  #state(): MemberState {
    const { media } = this.#options;
    return {
      version: this.#stateVersion,
      name: this.#name,
      audio: media.talking,
      video: media.camera !== undefined,
      screen: media.screenVideo !== undefined,
      screenAudio: media.screenAudio !== undefined,
      hand: this.#hand,
    };
  }

  #sendState(): void {
    const { version: _, ...content } = this.#state();
    const text = JSON.stringify(content);
    if (text === this.#sentState) return;
    this.#sentState = text;
    this.#stateVersion++;
    for (const peer of this.#session?.peers.values() ?? []) peer.send({ kind: 'state', data: this.#state() });
    this.#changed();
  }

  // Measuring ---------------------------------------------------------------------------------------------------------

  #onStats(snapshot: StatsSnapshot): void {
    this.#snapshotAt = performance.now();
    this.#silentTicks = 0;
    const session = this.#session;
    if (!session) return;
    const of = (direction: TrackCounters['direction'], participant: string) =>
      snapshot.tracks.filter((track) => track.direction === direction && track.participant === participant);
    for (const peer of session.peers.values()) peer.meter.update(of('receive', peer.id), snapshot.now);
    this.#ownMeter.update(of('send', session.me), snapshot.now);
    this.#changed();
  }

  #tick(): void {
    if (performance.now() - this.#snapshotAt <= kLateMs) return;
    // After a pause of the page itself the snapshots come right after this timer: wait for the second time.
    if (++this.#silentTicks >= 2) this.#changed();
  }

  #engineState(): BadgeInput['engine'] {
    if (this.#engine === 'failed') return 'failed';
    if (this.#engine === 'starting') return 'starting';
    if (this.#silentTicks < 2) return 'running';
    return performance.now() - this.#snapshotAt > kSilentMs ? 'silent' : 'late';
  }

  #badgeInput(peer: Peer | undefined): BadgeInput {
    return {
      handshake: peer?.handshake ?? 'waiting',
      engine: this.#engineState(),
      link: peer?.link ?? 'new',
      connectedFor: peer?.connectedFor ?? 0,
      expected: { audio: peer?.state?.audio ?? false, video: peer?.state?.video ?? false },
      rekeying: performance.now() - this.#rekeyedAt < 2000 || (this.#session?.keys.changing ?? false),
    };
  }

  /** Fail closed: no track stays in a sender, nothing more is played. */
  #fail(error: unknown): void {
    if (this.#engine === 'failed' || this.#is('left', 'replaced')) return;
    this.#engine = 'failed';
    this.#failure =
      error instanceof MediaError
        ? error.reason
        : error instanceof DOMException && error.name === 'NotSupportedError'
          ? 'no-x25519'
          : 'internal';
    for (const peer of this.#session?.peers.values() ?? []) for (const lane of kLanes) peer.setTrack(lane, null);
    this.#setPhase('failed');
  }
}

export { numbersOf };
