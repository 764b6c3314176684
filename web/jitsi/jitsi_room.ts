/**
 * A call in a Jitsi conference, from our own origin: none of the provider's code runs here. Puts the parts together
 * (deployment.ts, xmpp.ts, conference_request.ts, muc.ts, key_exchange.ts, session.ts) and measures.
 *
 * Sealed from the first packet, and for as long as this person wants it: our key is in use before the room is entered; nobody's
 * presence, no server and no configuration can change `privacy`. Members whose client cannot seal hear nothing and are not
 * heard, and are shown as such, unless this person lets them in for the whole call.
 *
 * What is shown as sealed is what our own engine opened. Who is shown is everybody in the room who can get keys, also those
 * whom stock clients hide.
 *
 * Threads: main. Errors: join() rejects with JitsiError; later `phase`, `problem`, `failure`. Ownership: of cipher, stream and
 * session; LocalMedia is borrowed and closed in leave(). Nothing is stored.
 */
import {
  type Badge,
  type BadgeInput,
  BadgeMeter,
  type CallEvents,
  type CallPhase,
  Emitter,
  kLanes,
  type Lane,
  laneKind,
  lookAlikes,
  type Member,
  type MemberAction,
  type Numbers,
  type Presence,
  type Trust,
  type Warning,
  Warnings,
  worst,
} from '../call';
import { isLoopback } from '../call/hosts';
import { cleanName } from '../call/names';
import {
  type EngineInfo,
  type MediaCipherApi,
  MediaError,
  type StatsSnapshot,
  type TrackCounters,
} from '../media/types';
import { parseAddress } from './address';
import { JitsiChat } from './chat';
import { requestConference } from './conference_request';
import { findDeployment } from './deployment';
import { ExternalKeys } from './external_keys';
import { KeyExchange } from './key_exchange';
import { endpointIdFor, Muc } from './muc';
import type { Olm } from './olm';
import { MediaSession } from './session';
import { relays } from './turn';
import {
  type Deployment,
  type JitsiAddress,
  type JitsiCall,
  type JitsiCallOptions,
  JitsiError,
  type JitsiNotice,
  type JitsiPrivacy,
  type JitsiProblem,
  type JitsiStage,
  type Knocker,
  type Occupant,
  type SasState,
} from './types';
import { connectXmpp, type XmppConnection } from './xmpp';

const kTickMs = 250;
const kLateMs = 1000;
const kSilentMs = 3000;
const kNoKeysMs = 10_000;
const kReactionMs = 3000;
const kTypingMs = 6000;
const kConstraintsMs = 200;
const kMaxTyping = 500;
const kMaxNotices = 20;
/** A line is noticed to be dead so long afterwards at most. */
const kUnheardMs = 20_000;
/** So long the others' sessions are waited for before messages are said again. */
const kSessionsMs = 10_000;
/** A member's client that says nothing of encryption may still be about to. */
const kWithoutMs = 4000;

/** Reactions of the stock client, by their names there. */
const kReactions: ReadonlyMap<string, string> = new Map([
  ['👍', 'like'],
  ['👏', 'clap'],
  ['😂', 'laugh'],
  ['😮', 'surprised'],
  ['👎', 'boo'],
  ['🤫', 'silence'],
  ['❤️', 'love'],
]);

interface Track {
  source: string;
  kind: 'audio' | 'video';
  videoType: 'camera' | 'desktop' | undefined;
  stream: MediaStream;
}

interface Peer {
  occupant: Occupant;
  meter: BadgeMeter;
  joinedAt: number;
  tracks: Map<string, Track>;
  shown: Map<Lane, readonly [width: number, height: number]>;
  /** We hold a key of theirs; they confirmed ours. */
  theirs: boolean;
  ours: boolean;
  verified: boolean;
  changedIdentity: boolean;
  hand: boolean;
  reaction: string | undefined;
  reactionTimer: ReturnType<typeof setTimeout> | undefined;
}

export interface JitsiRoomParts {
  options: JitsiCallOptions;
  createCipher(): MediaCipherApi;
  loadOlm(): Promise<Olm>;
  /** For tests. */
  createConnection?: (configuration: RTCConfiguration) => RTCPeerConnection;
}

/** Everything that belongs to one stay in the room; made anew when the server forgot us. */
interface Stay {
  muc: Muc;
  session: MediaSession;
  keys: KeyExchange | undefined;
}

export class JitsiRoom extends Emitter<CallEvents> implements JitsiCall {
  readonly ready: Promise<EngineInfo>;
  readonly address: JitsiAddress;
  readonly chat: JitsiChat;
  readonly reactions: readonly string[] = [...kReactions.keys()];
  readonly #parts: JitsiRoomParts;
  readonly #cipher: MediaCipherApi;
  readonly #external: ExternalKeys | undefined;
  readonly #machineUid = crypto.randomUUID().replaceAll('-', '');
  readonly #warnings = new Warnings();
  readonly #peers = new Map<string, Peer>();
  readonly #names = new Map<string, string>();
  readonly #knockers = new Map<string, Knocker>();
  readonly #typing = new Map<string, { text: string; timer: ReturnType<typeof setTimeout> }>();
  readonly #ownMeter = new BadgeMeter();
  #deployment: Deployment | undefined;
  #xmpp: XmppConnection | undefined;
  #stay: Stay | undefined;
  #iceServers: RTCIceServer[] = [];
  #stage: JitsiStage = 'idle';
  #phase: CallPhase = 'idle';
  #problem: JitsiProblem | undefined;
  #failure: string | undefined;
  #engine: 'starting' | 'running' | 'failed' = 'starting';
  #privacy: JitsiPrivacy = 'sealed';
  #password: string | undefined;
  #awaitPassword: ((password: string) => void) | undefined;
  #awaitKnock: (() => void) | undefined;
  #name = '';
  #hand = false;
  #handAt = 0;
  #activeSpeaker = '';
  #media: 'connecting' | 'connected' | 'interrupted' | 'failed' = 'connecting';
  #connectedAt = 0;
  #away = false;
  #awaySince = 0;
  #room = { locked: false, lobby: false };
  #moderation = { audio: false, video: false };
  #allowed = { audio: true, video: true };
  #mayListen: readonly string[] = [];
  #lastExposure: number | undefined;
  #rekeyedAt = Number.NEGATIVE_INFINITY;
  #snapshotAt = 0;
  #silentTicks = 0;
  #sas: SasState | undefined;
  #announced = new Set<Lane>();
  #lanes = new Map<Lane, MediaStreamTrack>();
  #watch: ReturnType<typeof setInterval> | undefined;
  #constraintsTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #notices: JitsiNotice[] = [];
  readonly #stop: Array<() => void> = [];
  readonly #abort = new AbortController();
  #ending: Promise<void> | undefined;

  constructor(parts: JitsiRoomParts) {
    super();
    this.#parts = parts;
    this.address = parseAddress(parts.options.address);
    this.#cipher = parts.createCipher();
    this.ready = this.#cipher.ready;
    this.#external = parts.options.externalKeys ? new ExternalKeys(this.#cipher) : undefined;
    this.#password = parts.options.password;
    this.#cipher.on('stats', (snapshot) => this.#onStats(snapshot));
    this.#cipher.on('failed', (error) => this.#fail(error));
    this.#warnings.on('warning', (warning) => this.emit('warning', warning));
    this.#warnings.on('change', () => this.#changed());
    this.chat = new JitsiChat({
      sendPlain: (text) => this.#stay?.muc.sendMessage(text) ?? '',
      sendSealed: (message) => this.#stay?.keys?.sendSealed({ kind: 'chat', ...message }).length ?? 0,
      online: () => !this.#away,
      nameOf: (id) => this.#nameOf(id),
      audience: () => {
        const peers = [...this.#peers.values()];
        const unreached = peers.filter((one) => !one.occupant.siegel).map((one) => this.#nameOf(one.occupant.id));
        return { unreached, sealed: peers.length - unreached.length };
      },
    });
    this.chat.on('change', () => this.#changed());
    this.chat.on('message', (message) => this.emit('message', message));
  }

  // --- What a page reads -----------------------------------------------------------------------------------------------------

  get phase(): CallPhase {
    return this.#phase;
  }
  get stage(): JitsiStage {
    return this.#stage;
  }
  get problem(): JitsiProblem | undefined {
    return this.#problem;
  }
  get failure(): string | undefined {
    return this.#failure;
  }
  get me(): string {
    return this.#stay?.muc.me ?? '';
  }
  get name(): string {
    return this.#name;
  }
  get handRaised(): boolean {
    return this.#hand;
  }
  get activeSpeaker(): string {
    return this.#activeSpeaker;
  }
  get warnings(): readonly Warning[] {
    return this.#warnings.list;
  }
  get ownNumbers(): Numbers {
    return this.#ownMeter.numbers();
  }
  get ownTracks(): readonly TrackCounters[] {
    return this.#ownMeter.tracks;
  }
  get mayListen(): string[] {
    return this.#mayListen.map((id) => this.#nameOf(id));
  }
  get lastExposure(): number | undefined {
    return this.#lastExposure;
  }
  get moderator(): boolean {
    return this.#stay?.muc.role === 'moderator';
  }
  get knockers(): readonly Knocker[] {
    return [...this.#knockers.values()];
  }
  get lobbyOn(): boolean {
    return this.#room.lobby;
  }
  get locked(): boolean {
    return this.#room.locked;
  }
  get allowed(): { audio: boolean; video: boolean } {
    return {
      audio: this.moderator || !this.#moderation.audio || this.#allowed.audio,
      video: this.moderator || !this.#moderation.video || this.#allowed.video,
    };
  }
  get moderation(): { audio: boolean; video: boolean } {
    return { ...this.#moderation };
  }
  get privacy(): JitsiPrivacy {
    return this.#privacy;
  }
  get sas(): SasState | undefined {
    return this.#sas;
  }
  get typing(): ReadonlyMap<string, string> {
    return new Map([...this.#typing].map(([id, { text }]) => [id, text]));
  }
  get withoutE2ee(): readonly string[] {
    return [...this.#peers.values()].filter((one) => this.#cannotSeal(one)).map((one) => one.occupant.id);
  }

  isModerator(member: string): boolean {
    return this.#peers.get(member)?.occupant.role === 'moderator';
  }

  get members(): Member[] {
    const peers = [...this.#peers.values()];
    const names = peers.map((one) => this.#nameOf(one.occupant.id));
    const places = lookAlikes([...names, this.name]);
    return peers.map((peer, index) => {
      const { occupant } = peer;
      const alike = (places[index] ?? []).length > 1;
      const streams = this.#streamsOf(peer);
      const trust = this.#trustOf(peer);
      const { reaction } = peer;
      return {
        id: occupant.id,
        name: names[index] ?? '',
        mark: alike ? occupant.id.slice(0, 4).toUpperCase() : '',
        state: this.#stateOf(peer, streams),
        badge: this.#badgeOf(peer),
        numbers: peer.meter.numbers(),
        tracks: peer.meter.tracks,
        streams,
        connected: this.#media === 'connected',
        address: occupant.id,
        ...(trust && { trust }),
        ...(reaction && { reaction }),
      };
    });
  }

  get badge(): Badge {
    if (this.#engineState() !== 'running') return new BadgeMeter().evaluate(this.#badgeInput(undefined));
    if (this.#privacy === 'open') return { level: 'red', cause: 'open-to-operator' };
    // Who cannot be sealed with hears nothing; that takes nothing away from what is sealed for the others.
    const sealed = [...this.#peers.values()].filter((one) => !this.#cannotSeal(one));
    const badges = (sealed.length > 0 ? sealed : [...this.#peers.values()]).map((one) => this.#badgeOf(one));
    if (this.#mayListen.length > 0) badges.push({ level: 'amber', cause: 'rekey' });
    return worst(badges);
  }

  // --- Joining ---------------------------------------------------------------------------------------------------------------

  async join(name: string): Promise<void> {
    if (this.#phase !== 'idle') return;
    this.#name = cleanName(name);
    this.#setPhase('joining');
    try {
      this.#setStage('reading-config');
      const [{ deployment, assumed }] = await Promise.all([findDeployment(this.address), this.ready]);
      if (!this.#active()) throw new JitsiError('internal');
      this.#engine = 'running';
      this.#snapshotAt = performance.now();
      this.#watch = setInterval(() => this.#tick(), kTickMs);
      this.#deployment = deployment;
      this.#setStage('connecting');
      const token = this.#parts.options.token ?? this.address.token;
      const { transport } = this.#parts.options;
      const xmpp = await connectXmpp({
        deployment,
        roomName: this.address.roomName,
        ...(token !== undefined && { token }),
        ...(transport && { transport }),
      }).catch((error: unknown) => {
        // Its config.js could not be read, and what was assumed instead does not hold.
        if (assumed && error instanceof JitsiError && error.problem === 'xmpp-unreachable')
          throw new JitsiError('cross-origin');
        throw error;
      });
      if (!this.#active()) {
        void xmpp.close();
        throw new JitsiError('internal');
      }
      this.#xmpp = xmpp;
      this.#stop.push(xmpp.on('state', (event) => this.#onXmpp(event)));
      await this.#enter(false);
      this.#listenToMedia();
    } catch (error) {
      const problem = error instanceof JitsiError ? error.problem : 'internal';
      if (error instanceof MediaError) this.#fail(error);
      else this.#refuse(problem);
      throw error instanceof JitsiError ? error : new JitsiError(problem);
    }
  }

  /** Into the room, and everything that belongs to being there. `again`: after the server forgot us. */
  async #enter(again: boolean): Promise<void> {
    const xmpp = this.#xmpp as XmppConnection;
    const deployment = this.#deployment as Deployment;
    const room = `${this.address.roomName}@${deployment.mucDomain}`;
    if (!again) this.#setStage('requesting');
    const token = this.#parts.options.token ?? this.address.token;
    const { focusJid } = await requestConference(
      {
        deployment,
        room,
        xmpp,
        machineUid: this.#machineUid,
        token: typeof token === 'function' ? await token() : token,
        signal: this.#abort.signal,
      },
      () => {
        if (!again) this.#setStage('focus-away');
      },
    );
    this.#iceServers = await relays(xmpp, deployment.domain);
    const olm = this.#external ? undefined : await this.#parts.loadOlm();
    let me = endpointIdFor(xmpp.jid);
    for (let tries = 0; ; ++tries) {
      this.#assertActive();
      const stay = await this.#prepare(xmpp, deployment, room, focusJid, me, olm);
      try {
        await this.#pass(stay, again);
        break;
      } catch (error) {
        this.#dismiss(stay);
        // Our own earlier self may still stand in the room.
        if (!(error instanceof JitsiError) || error.problem !== 'name-taken' || tries >= 3) throw error;
        me = endpointIdFor('');
      }
    }
    this.#problem = undefined;
    this.#setStage('joined');
    this.#setPhase('joined');
    this.#followPhase();
    this.#followMedia();
  }

  /** Listens before it asks for anything: the focus offers a session the moment that we are in. */
  async #prepare(
    xmpp: XmppConnection,
    deployment: Deployment,
    room: string,
    focusJid: string,
    me: string,
    olm: Olm | undefined,
  ): Promise<Stay> {
    const { domain, hiddenDomain } = deployment;
    const muc = new Muc({ xmpp, room, domain, focusJid, hiddenDomain, me });
    const keys =
      olm &&
      new KeyExchange({
        olm,
        cipher: this.#cipher,
        room,
        send: (to, data) => muc.sendJson(to, data),
        failed: (error) => this.#fail(error),
      });
    const ownKeyReady = keys ? keys.start(me) : (this.#external as ExternalKeys).start(me);
    ownKeyReady.catch((error: unknown) => this.#fail(error));
    const session = new MediaSession({
      xmpp,
      room,
      me,
      jid: () => xmpp.jid,
      isFocus: (address) => muc.focus !== undefined && address === `${room}/${muc.focus.id}`,
      cipher: this.#privacy === 'sealed' ? this.#cipher : undefined,
      ownKeyReady,
      iceServers: this.#iceServers,
      local: isLoopback(new URL(this.address.origin).hostname),
      ...(this.#parts.createConnection && { createConnection: this.#parts.createConnection }),
    });
    const stay: Stay = { muc, session, keys };
    this.#stay = stay;
    this.#announced.clear();
    this.#lanes.clear();
    this.#hear(stay);
    this.#sayPresence();
    await ownKeyReady;
    return stay;
  }

  /** Password, lobby: what stands between us and the room. */
  async #pass(stay: Stay, again: boolean): Promise<void> {
    for (;;) {
      this.#assertActive();
      if (!again) this.#setStage('joining');
      try {
        const how = await stay.muc.join(this.#password ? { password: this.#password } : {});
        if (how === 'joined') return;
      } catch (error) {
        const problem = error instanceof JitsiError ? error.problem : 'internal';
        if (problem !== 'password-required' && problem !== 'wrong-password') throw error;
        this.#problem = problem === 'wrong-password' ? problem : undefined;
        this.#setStage('password');
        this.#password = await this.#wait<string>((resolve) => {
          this.#awaitPassword = resolve;
        });
        this.#problem = undefined;
        continue;
      }
      this.#setStage('knock');
      await this.#wait<void>((resolve) => {
        this.#awaitKnock = resolve;
      });
      this.#setStage('waiting');
      const { password } = await stay.muc.knock(this.name);
      if (password) this.#password = password;
    }
  }

  #wait<T>(take: (resolve: (value: T) => void) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const aborted = (): void => reject(new JitsiError('internal'));
      this.#abort.signal.addEventListener('abort', aborted, { once: true });
      take((value) => {
        this.#abort.signal.removeEventListener('abort', aborted);
        resolve(value);
      });
    });
  }

  enterPassword(password: string): void {
    const take = this.#awaitPassword;
    this.#awaitPassword = undefined;
    take?.(password);
  }

  knock(): void {
    const take = this.#awaitKnock;
    this.#awaitKnock = undefined;
    take?.();
  }

  #dismiss(stay: Stay): void {
    stay.muc.leave();
    void stay.session.close();
    stay.keys?.stop();
    this.#cipher.removeParticipant(stay.muc.me);
    if (this.#stay === stay) this.#stay = undefined;
  }

  // --- The stream ------------------------------------------------------------------------------------------------------------

  #onXmpp({ state, fresh, problem }: { state: string; fresh: boolean; problem?: JitsiProblem }): void {
    if (!this.#active()) return;
    if (state === 'interrupted') this.#awaySince = Date.now();
    this.#away = state !== 'connected';
    if (state === 'closed') {
      this.#refuse(problem ?? 'connection-lost');
      return;
    }
    if (state === 'connected' && fresh) void this.#again();
    else if (state === 'connected') this.chat.resume();
    this.#followPhase();
  }

  /** The server forgot us. What was said stays; people, keys and media begin anew. */
  async #again(): Promise<void> {
    const stay = this.#stay;
    if (!stay || this.#stage !== 'joined') return;
    this.#away = true;
    stay.muc.forget();
    stay.session.reset();
    this.#dismiss(stay);
    for (const id of [...this.#peers.keys()]) this.#part(id);
    try {
      await this.#enter(true);
      this.#away = false;
      this.#followPhase();
      await this.#sessions();
      this.chat.resume(this.#awaySince - kUnheardMs);
    } catch (error) {
      this.#refuse(error instanceof JitsiError ? error.problem : 'internal');
    }
  }

  /** Waits until everybody of whom that can be expected has a session with us again. */
  async #sessions(): Promise<void> {
    const until = performance.now() + kSessionsMs;
    const waiting = (): boolean => [...this.#peers.values()].some((one) => one.occupant.siegel && !one.ours);
    while (performance.now() < until && this.#active() && (waiting() || this.#peers.size === 0))
      await new Promise((resolve) => setTimeout(resolve, 200));
  }

  // --- Hearing ---------------------------------------------------------------------------------------------------------------

  #hear({ muc, session, keys }: Stay): void {
    muc.on('joined', (occupant) => this.#joined(occupant));
    muc.on('changed', ({ occupant, before }) => this.#occupantChanged(occupant, before));
    muc.on('left', ({ occupant }) => this.#part(occupant.id));
    muc.on('ended', ({ problem }) => this.#ended(problem));
    muc.on('message', ({ id, from, text, at, delayed }) => {
      const own = from === muc.me;
      if (!own || delayed)
        this.chat.received({ id, member: own ? '' : from, text, at, encrypted: false, old: delayed });
    });
    muc.on('json', ({ from, group, data }) => {
      if (!group) keys?.receive(from, data);
    });
    muc.on('muted', ({ kind, by }) => this.#silence(kind, by));
    muc.on('room', ({ locked, lobby }) => {
      this.#room = { locked, lobby };
      this.#changed();
    });
    muc.on('moderation', ({ kind, on, by }) => {
      this.#moderation[kind] = on;
      this.#allowed[kind] = !on;
      if (on && !this.moderator) this.#silence(kind, by);
      this.#changed();
    });
    muc.on('permitted', ({ kind, permitted }) => {
      const news = permitted && !this.allowed[kind];
      this.#allowed[kind] = permitted;
      if (news) this.#tell('allowed', kind);
      if (!permitted && !this.moderator) this.#silence(kind);
      this.#changed();
    });
    muc.on('knocked', (knocker) => {
      this.#knockers.set(knocker.id, knocker);
      this.#changed();
    });
    muc.on('knockEnded', ({ id }) => {
      this.#knockers.delete(id);
      this.#changed();
    });
    session.on('state', ({ state }) => {
      if (state === 'failed') {
        this.#media = 'failed';
        this.#refuse('bridge-lost');
        return;
      }
      if (state === 'connected' && this.#media !== 'connected') this.#connectedAt = performance.now();
      this.#media = state === 'moved' ? 'interrupted' : state;
      this.#followPhase();
    });
    session.on('track', ({ owner, source, kind, videoType, stream }) => {
      this.#peers.get(owner)?.tracks.set(source, { source, kind, videoType, stream });
      this.#layOut();
      this.#changed();
    });
    session.on('ended', ({ owner, source }) => {
      this.#peers.get(owner)?.tracks.delete(source);
      this.#changed();
    });
    session.on('dominantSpeaker', ({ id }) => {
      if (!this.#peers.has(id) || id === this.#activeSpeaker) return;
      this.#activeSpeaker = id;
      this.#layOut();
      this.#changed();
    });
    session.on('endpointMessage', ({ from, data }) => this.#heardEndpoint(from, data));
    session.on('problem', ({ reason, owner, other }) => {
      if (reason !== 'claimed-twice' && reason !== 'own') return;
      const name = this.#nameOf(owner ?? '');
      this.#warnings.say(`source ${owner} ${other ?? ''}`, 'claimed-source', name, owner);
    });
    if (!keys) return;
    keys.on('peer', ({ id, ours, theirs }) => {
      const peer = this.#peers.get(id);
      if (!peer) return;
      const first = ours && !peer.ours;
      Object.assign(peer, { ours, theirs });
      if (theirs) this.#warnings.clear(`keys ${id}`);
      // Who came later does not know yet.
      if (first && this.#hand) keys.sendSealed({ kind: 'hand', up: true, at: this.#handAt }, id);
      this.#rekeyedAt = performance.now();
      this.#changed();
    });
    keys.on('problem', ({ id, problem }) => {
      const name = this.#nameOf(id);
      if (problem === 'identity-changed') {
        const peer = this.#peers.get(id);
        if (peer) peer.changedIdentity = true;
        this.#warnings.say(`identity ${id}`, 'changed-identity', name, id);
      } else if (problem === 'no-session') {
        if (!this.#peers.get(id)?.theirs) this.#warnings.say(`keys ${id}`, 'membership-without-keys', name, id);
      } else if (problem !== 'malformed') this.#warnings.say(`forged ${id}`, 'forged-key', name, id);
      this.#changed();
    });
    keys.on('mayListen', (ids) => {
      this.#mayListen = ids;
      this.#changed();
    });
    keys.on('rotated', ({ exposureMs }) => {
      this.#lastExposure = exposureMs;
      this.#rekeyedAt = performance.now();
      this.#changed();
    });
    keys.on('ratcheted', () => {
      this.#rekeyedAt = performance.now();
    });
    keys.on('sas', (state) => {
      this.#sas = state;
      this.#changed();
    });
    keys.on('verified', ({ id }) => {
      const peer = this.#peers.get(id);
      if (peer) peer.verified = true;
      this.#changed();
    });
    keys.on('sealed', ({ from, data }) => this.#heardSealed(from, data));
  }

  #joined(occupant: Occupant): void {
    if (occupant.focus) return;
    const { id } = occupant;
    this.#names.set(id, occupant.name);
    if (this.#names.size > 2000) this.#names.delete(this.#names.keys().next().value as string);
    this.#peers.set(id, {
      occupant,
      meter: new BadgeMeter(),
      joinedAt: performance.now(),
      tracks: new Map(),
      shown: new Map(),
      theirs: false,
      ours: false,
      verified: false,
      changedIdentity: false,
      hand: false,
      reaction: undefined,
      reactionTimer: undefined,
    });
    if (occupant.hidden) this.#warnings.say(`hidden ${id}`, 'hidden-listener', this.#nameOf(id), id);
    // The room lists who is there before it lets us in.
    this.#stay?.keys?.occupantJoined(occupant, this.#stay.muc.role === 'none');
    this.#external?.memberJoined(id);
    this.#rekeyedAt = performance.now();
    this.#sayPresence();
    this.#layOut();
    const member = this.members.find((one) => one.id === id);
    if (member) this.emit('joined', member);
    this.#changed();
  }

  #occupantChanged(occupant: Occupant, before: Occupant): void {
    if (occupant.focus) return;
    const { id } = occupant;
    const peer = this.#peers.get(id);
    if (!peer) return;
    peer.occupant = occupant;
    if (occupant.name !== before.name) this.#names.set(id, occupant.name);
    // A notice, and nothing else: what we send stays sealed, what they send unsealed is not played.
    const askedClear = occupant.e2eeEnabled === false && (before.e2eeEnabled === true || peer.theirs);
    if (askedClear) this.#warnings.say(`clear ${id}`, 'asked-clear', this.#nameOf(id), id);
    else if (occupant.e2eeEnabled) this.#warnings.clear(`clear ${id}`);
    this.#stay?.keys?.occupantChanged(occupant);
    this.#changed();
  }

  #part(id: string): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    this.#peers.delete(id);
    clearTimeout(peer.reactionTimer);
    clearTimeout(this.#typing.get(id)?.timer);
    this.#typing.delete(id);
    this.#stay?.keys?.occupantLeft(id);
    this.#external?.memberLeft(id);
    for (const about of ['hidden', 'keys', 'identity', 'forged', 'clear', 'without'])
      this.#warnings.clear(`${about} ${id}`);
    if (this.#activeSpeaker === id) this.#activeSpeaker = '';
    this.#rekeyedAt = performance.now();
    this.emit('left', { id, name: this.#nameOf(id) });
    this.#layOut();
    this.#changed();
  }

  #ended(problem: JitsiProblem): void {
    // A stream that was interrupted says so itself.
    if (problem === 'connection-lost' && this.#away) return;
    this.#refuse(problem);
  }

  #nameOf(id: string): string {
    const name = this.#names.get(id) ?? '';
    // Stock clients show people without a name, too; the id is at least not somebody else's.
    return name || (id ? `Jitsi ${id.slice(0, 4)}` : '');
  }

  /** Sealed messages: what they hold is checked, who they are from was proved. */
  #heardSealed(from: string, data: unknown): void {
    const peer = this.#peers.get(from);
    if (!peer || typeof data !== 'object' || data === null) return;
    const { kind, id, text, at, up, emoji, again } = data as Record<string, unknown>;
    if (kind === 'chat' && typeof id === 'string' && id.length <= 100 && typeof text === 'string') {
      // Their clock may be wrong; nobody's message comes from the future.
      const now = Date.now();
      const when = typeof at === 'number' && Number.isFinite(at) ? Math.min(at, now) : now;
      this.#setTyping(from, '');
      this.chat.received({ id, member: from, text, at: when, encrypted: true, again: again === true });
    } else if (kind === 'hand' && typeof up === 'boolean') {
      peer.hand = up;
      this.#changed();
    } else if (kind === 'typing' && typeof text === 'string') this.#setTyping(from, text.slice(0, kMaxTyping));
    else if (kind === 'reaction' && typeof emoji === 'string' && kReactions.has(emoji)) this.#showReaction(from, emoji);
  }

  #setTyping(from: string, text: string): void {
    clearTimeout(this.#typing.get(from)?.timer);
    if (text) {
      const timer = setTimeout(() => this.#setTyping(from, ''), kTypingMs);
      this.#typing.set(from, { text, timer });
    } else if (!this.#typing.delete(from)) return;
    this.#changed();
  }

  #heardEndpoint(from: string, data: unknown): void {
    if (typeof data !== 'object' || data === null || !this.#peers.has(from)) return;
    const { name, reactions } = data as Record<string, unknown>;
    if (name !== 'endpoint-reaction' || !Array.isArray(reactions)) return;
    const last = reactions.at(-1);
    for (const [emoji, known] of kReactions) if (known === last) this.#showReaction(from, emoji);
  }

  #showReaction(id: string, emoji: string): void {
    const peer = this.#peers.get(id);
    if (!peer) return;
    peer.reaction = emoji;
    clearTimeout(peer.reactionTimer);
    peer.reactionTimer = setTimeout(() => {
      peer.reaction = undefined;
      this.#changed();
    }, kReactionMs);
    this.emit('reaction', { id, name: this.#nameOf(id), emoji });
    this.#changed();
  }

  // --- Our own media ---------------------------------------------------------------------------------------------------------

  #listenToMedia(): void {
    this.#stop.push(this.#parts.options.media.on('change', () => this.#followMedia()));
    this.#followMedia();
  }

  #trackOf(lane: Lane): MediaStreamTrack | undefined {
    const { media } = this.#parts.options;
    switch (lane) {
      case 'audio':
        return media.microphone;
      case 'video':
        return media.camera;
      case 'screen':
        return media.screenVideo;
      case 'screen-audio':
        return media.screenAudio;
    }
  }

  #followMedia(): void {
    const stay = this.#stay;
    if (!stay || this.#stage !== 'joined') return;
    // What the moderators do not let us turn on does not go out, and does not look as if it did.
    for (const kind of ['audio', 'video'] as const) {
      if (this.allowed[kind] || !this.#isOn(kind)) continue;
      this.#tell('held', kind);
      this.#turnOff(kind);
      return;
    }
    for (const lane of kLanes) {
      const track = this.#trackOf(lane);
      if (this.#lanes.get(lane) === track) continue;
      if (track) {
        this.#lanes.set(lane, track);
        this.#announced.add(lane);
      } else this.#lanes.delete(lane);
      void stay.session.setTrack(lane, track);
    }
    this.#sayPresence();
    this.#changed();
  }

  #isOn(kind: 'audio' | 'video'): boolean {
    const { media } = this.#parts.options;
    return kind === 'audio' ? media.talking : media.camera !== undefined || media.screenVideo !== undefined;
  }

  /** Comes back here through the media's own change. */
  #turnOff(kind: 'audio' | 'video'): void {
    const { media } = this.#parts.options;
    if (kind === 'audio') media.setMuted(true);
    else {
      media.closeCamera();
      media.stopSharing();
    }
  }

  /** A moderator's wish; only ever to be quieter. */
  #silence(kind: 'audio' | 'video', by = ''): void {
    if (!this.#isOn(kind)) return;
    this.#tell('stopped', kind, by);
    this.#turnOff(kind);
  }

  #tell(what: JitsiNotice['what'], kind: JitsiNotice['kind'], by = ''): void {
    if (this.#notices.length < kMaxNotices) this.#notices.push({ what, kind, by: this.#nameOf(by) });
    this.#changed();
  }

  takeNotices(): JitsiNotice[] {
    return this.#notices.splice(0);
  }

  #sayPresence(): void {
    const stay = this.#stay;
    if (!stay) return;
    const { media } = this.#parts.options;
    const sources = new Map<string, { muted: boolean; videoType?: 'camera' | 'desktop' }>();
    for (const lane of this.#announced) {
      const name = stay.session.localSources.get(lane) as string;
      const on = this.#lanes.has(lane) && (lane !== 'audio' || media.talking);
      sources.set(name, {
        muted: !on,
        ...(laneKind(lane) === 'video' && {
          videoType: lane === 'screen' ? ('desktop' as const) : ('camera' as const),
        }),
      });
    }
    // Sealed for those who can read that; in presence only when somebody else is here.
    const stock = [...this.#peers.values()].some((one) => !one.occupant.siegel);
    stay.muc.setPresence({
      name: this.name,
      sources,
      hand: this.#hand && stock,
      handAt: this.#handAt,
      ...(stay.keys && { idKeys: stay.keys.idKeys }),
      e2eeEnabled: this.#privacy === 'sealed',
      codecs: ['vp8'],
    });
  }

  raiseHand(up: boolean): void {
    this.#hand = up;
    this.#handAt = Date.now();
    this.#stay?.keys?.sendSealed({ kind: 'hand', up, at: this.#handAt });
    this.#sayPresence();
    this.#changed();
  }

  react(emoji: string): void {
    const name = kReactions.get(emoji);
    const stay = this.#stay;
    if (!name || !stay) return;
    stay.keys?.sendSealed({ kind: 'reaction', emoji });
    for (const { occupant } of this.#peers.values()) {
      if (occupant.siegel) continue;
      const payload = { name: 'endpoint-reaction', reactions: [name], timestamp: Date.now() };
      stay.session.sendEndpointMessage(occupant.id, payload);
    }
    this.emit('reaction', { id: '', name: this.name, emoji });
  }

  sendTyping(text: string): void {
    this.#stay?.keys?.sendSealed({ kind: 'typing', text: text.slice(0, kMaxTyping) });
  }

  // --- Moderators ------------------------------------------------------------------------------------------------------------

  admit(id: string): void {
    this.#stay?.muc.admit(id);
  }
  deny(id: string): void {
    this.#stay?.muc.deny(id);
  }
  async setLobby(on: boolean): Promise<void> {
    await this.#stay?.muc.setLobby(on);
  }
  async setPassword(password: string): Promise<void> {
    await this.#stay?.muc.setPassword(password);
    this.#password = password || undefined;
  }
  async muteMember(member: string, kind: 'audio' | 'video'): Promise<void> {
    await this.#stay?.muc.mute(member, kind);
  }
  async kick(member: string): Promise<void> {
    await this.#stay?.muc.kick(member);
  }
  async makeModerator(member: string): Promise<void> {
    await this.#stay?.muc.grantModerator(member);
  }
  async setModeration(kind: 'audio' | 'video', on: boolean): Promise<void> {
    await this.#stay?.muc.setModeration(kind, on);
  }
  allow(member: string, kind: 'audio' | 'video'): void {
    this.#stay?.muc.permit(member, kind, true);
  }

  actionsFor(member: string): readonly MemberAction[] {
    const peer = this.#peers.get(member);
    if (!this.moderator || !peer) return [];
    const state = this.#stateOf(peer, this.#streamsOf(peer));
    const actions: MemberAction[] = [];
    if (state.audio) actions.push('mute');
    if (state.video) actions.push('stop-camera');
    if (this.#moderation.audio) actions.push('allow-audio');
    if (this.#moderation.video) actions.push('allow-video');
    if (peer.occupant.role !== 'moderator') actions.push('make-moderator');
    return [...actions, 'remove'];
  }

  async act(member: string, action: MemberAction): Promise<void> {
    switch (action) {
      case 'mute':
        return this.muteMember(member, 'audio');
      case 'stop-camera':
        return this.muteMember(member, 'video');
      case 'allow-audio':
        return this.allow(member, 'audio');
      case 'allow-video':
        return this.allow(member, 'video');
      case 'make-moderator':
        return this.makeModerator(member);
      case 'remove':
        return this.kick(member);
    }
  }

  // --- Who can listen --------------------------------------------------------------------------------------------------------

  async setPrivacy(privacy: JitsiPrivacy): Promise<void> {
    if (privacy === this.#privacy || !this.#stay) return;
    this.#privacy = privacy;
    const { session } = this.#stay;
    // A sealed sender cannot become an open one: everything is made anew, and only then said to the others.
    session.cipher = privacy === 'sealed' ? this.#cipher : undefined;
    this.#warnings.while(privacy === 'open', 'open', 'open-to-operator', '');
    this.#sayPresence();
    this.#changed();
    await session.restart('privacy');
  }

  #cannotSeal(peer: Peer): boolean {
    if (this.#external) return false;
    const { occupant, theirs, ours, joinedAt } = peer;
    if (theirs || ours) return false;
    if (!occupant.e2ee) return performance.now() - joinedAt > 500;
    return !occupant.siegel && occupant.e2eeEnabled !== true && performance.now() - joinedAt > kWithoutMs;
  }

  startVerification(member: string): void {
    this.#stay?.keys?.startVerification(member);
  }
  answerVerification(matches: boolean): void {
    this.#stay?.keys?.answerVerification(matches);
  }
  cancelVerification(): void {
    this.#stay?.keys?.cancelVerification();
  }

  async setMediaKey(key: Uint8Array | CryptoKey, index: number): Promise<void> {
    if (!this.#external) throw new JitsiError('internal', 'This call makes its own keys; ask for externalKeys.');
    await this.#external.setKey(key, index);
  }

  #trustOf(peer: Peer): Trust | undefined {
    if (peer.changedIdentity) return 'changed';
    if (peer.verified) return 'verified';
    // Nobody vouches for keys that came through the server, until codes were compared.
    return peer.theirs ? 'uncompared' : undefined;
  }

  // --- Layout ----------------------------------------------------------------------------------------------------------------

  #laneOf(peer: Peer, track: Track): Lane {
    if (track.kind === 'audio') return track.source.endsWith('-a0') ? 'audio' : 'screen-audio';
    const said = peer.occupant.sources.get(track.source)?.videoType ?? track.videoType;
    return said === 'desktop' ? 'screen' : 'video';
  }

  #streamsOf(peer: Peer): Map<Lane, MediaStream> {
    const result = new Map<Lane, MediaStream>();
    for (const track of peer.tracks.values()) {
      const lane = this.#laneOf(peer, track);
      if (!result.has(lane)) result.set(lane, track.stream);
    }
    return result;
  }

  #stateOf(peer: Peer, streams: ReadonlyMap<Lane, MediaStream>): Presence {
    const on = (lane: Lane): boolean => {
      if (!streams.has(lane)) return false;
      const source = [...peer.tracks.values()].find((one) => this.#laneOf(peer, one) === lane)?.source ?? '';
      return peer.occupant.sources.get(source)?.muted !== true;
    };
    return {
      audio: on('audio'),
      video: on('video'),
      screen: on('screen'),
      screenAudio: on('screen-audio'),
      hand: peer.hand || peer.occupant.hand,
    };
  }

  show(member: string, lane: Lane, width: number, height: number): void {
    const peer = this.#peers.get(member);
    if (!peer) return;
    peer.shown.set(lane, [width, height]);
    this.#layOut();
  }

  /** Asks the bridge for pictures as large as they are drawn, and for none that are not. */
  #layOut(): void {
    this.#constraintsTimer ??= setTimeout(() => {
      this.#constraintsTimer = undefined;
      const maxHeights = new Map<string, number>();
      const count = this.#peers.size;
      for (const peer of this.#peers.values()) {
        for (const track of peer.tracks.values()) {
          if (track.kind !== 'video') continue;
          const lane = this.#laneOf(peer, track);
          const shown = peer.shown.get(lane);
          const guess = lane === 'screen' ? 1080 : count <= 2 || peer.occupant.id === this.#activeSpeaker ? 720 : 360;
          // The bridge counts in heights of its layers.
          const height = shown ? (shown[0] <= 0 ? 0 : shown[1] > 400 ? 720 : shown[1] > 200 ? 360 : 180) : guess;
          maxHeights.set(track.source, lane === 'screen' && height > 0 ? 2160 : height);
        }
      }
      this.#stay?.session.setConstraints({
        lastN: -1,
        selected: [],
        onStage: this.#activeSpeaker ? [`${this.#activeSpeaker}-v0`] : [],
        defaultMaxHeight: 360,
        maxHeights,
      });
    }, kConstraintsMs);
  }

  // --- Measuring -------------------------------------------------------------------------------------------------------------

  #onStats(snapshot: StatsSnapshot): void {
    this.#snapshotAt = performance.now();
    this.#silentTicks = 0;
    for (const peer of this.#peers.values()) {
      const { id } = peer.occupant;
      const tracks = snapshot.tracks
        .filter((one) => one.direction === 'receive' && one.participant === id)
        .map((one) => {
          const track = peer.tracks.get(one.track);
          return track ? { ...one, track: this.#laneOf(peer, track) } : one;
        });
      peer.meter.update(tracks, snapshot.now);
    }
    const own = snapshot.tracks.filter((one) => one.direction === 'send' && one.participant === this.me);
    this.#ownMeter.update(own, snapshot.now);
    this.#changed();
  }

  #badgeOf(peer: Peer): Badge {
    const engine = this.#engineState();
    if (engine === 'running' && this.#privacy === 'open') return { level: 'red', cause: 'open-to-operator' };
    const badge = peer.meter.evaluate(this.#badgeInput(peer));
    if (engine !== 'running') return badge;
    if (peer.changedIdentity) return { level: 'red', cause: 'changed-identity' };
    if (this.#cannotSeal(peer)) return { level: 'red', cause: 'cannot-seal' };
    return badge;
  }

  #badgeInput(peer: Peer | undefined): BadgeInput {
    const link = this.#media === 'connected' ? 'connected' : this.#media === 'interrupted' ? 'lost' : 'connecting';
    const waited = peer ? performance.now() - peer.joinedAt : 0;
    const streams = peer && this.#streamsOf(peer);
    const state = peer && streams && this.#stateOf(peer, streams);
    const drawn = (lane: Lane): boolean => peer?.shown.get(lane)?.[0] !== 0;
    return {
      handshake: peer?.theirs || this.#external || waited > kNoKeysMs ? 'confirmed' : 'waiting',
      engine: this.#engineState(),
      link,
      connectedFor: this.#media === 'connected' ? Math.min(performance.now() - this.#connectedAt, waited) : 0,
      expected: {
        audio: state?.audio ?? false,
        video: ((state?.video ?? false) && drawn('video')) || ((state?.screen ?? false) && drawn('screen')),
      },
      rekeying: performance.now() - this.#rekeyedAt < 2000 || this.#mayListen.length > 0,
    };
  }

  #engineState(): BadgeInput['engine'] {
    if (this.#engine !== 'running') return this.#engine;
    if (this.#silentTicks < 2) return 'running';
    return performance.now() - this.#snapshotAt > kSilentMs ? 'silent' : 'late';
  }

  #tick(): void {
    const now = performance.now();
    if (now - this.#snapshotAt > kLateMs && ++this.#silentTicks >= 2) this.#changed();
    for (const peer of this.#peers.values()) {
      const { id, e2ee, e2eeEnabled, siegel } = peer.occupant;
      const cannot = this.#privacy === 'sealed' && this.#cannotSeal(peer);
      this.#warnings.while(cannot, `without ${id}`, 'without-e2ee', this.#nameOf(id), id);
      const should = e2ee && (siegel || e2eeEnabled === true);
      if (should && !peer.theirs && now - peer.joinedAt > kNoKeysMs && !this.#external) {
        this.#warnings.say(`keys ${id}`, 'membership-without-keys', this.#nameOf(id), id);
      }
    }
  }

  // --- Ending ----------------------------------------------------------------------------------------------------------------

  #changed(): void {
    this.emit('change', undefined);
  }

  #setPhase(phase: CallPhase): void {
    this.#phase = phase;
    this.#changed();
  }

  #setStage(stage: JitsiStage): void {
    if (!this.#active() && stage !== 'failed' && stage !== 'left') return;
    this.#stage = stage;
    this.#changed();
  }

  #active(): boolean {
    return !['idle', 'left', 'failed', 'refused', 'replaced'].includes(this.#phase);
  }

  #assertActive(): void {
    if (!this.#active()) throw new JitsiError('internal');
  }

  #followPhase(): void {
    if (this.#stage !== 'joined' || !this.#active()) return;
    const lost = this.#media === 'interrupted';
    const phase: CallPhase = lost ? 'reconnecting' : this.#away ? 'away' : 'joined';
    if (phase !== this.#phase) this.#setPhase(phase);
    else this.#changed();
  }

  #refuse(problem: JitsiProblem): void {
    if (!this.#active()) return;
    this.#problem = problem;
    this.#stage = 'failed';
    this.#setPhase('refused');
    void this.#end();
  }

  /** Fail closed: nothing more is sent or played. */
  #fail(error: unknown): void {
    if (['left', 'failed', 'refused'].includes(this.#phase)) return;
    this.#engine = 'failed';
    this.#failure = error instanceof MediaError ? error.reason : 'internal';
    this.#stage = 'failed';
    this.#setPhase('failed');
    void this.#end();
  }

  async leave({ keepMedia = false } = {}): Promise<void> {
    if (this.#active() || this.#phase === 'idle') {
      this.#stage = 'left';
      this.#setPhase('left');
    }
    // First what must not wait: devices off.
    if (!keepMedia) this.#parts.options.media.close();
    await this.#end();
    this.clearListeners();
  }

  #end(): Promise<void> {
    this.#ending ??= (async () => {
      this.#abort.abort();
      clearInterval(this.#watch);
      clearTimeout(this.#constraintsTimer);
      for (const stop of this.#stop.splice(0)) stop();
      for (const { timer } of this.#typing.values()) clearTimeout(timer);
      for (const { reactionTimer } of this.#peers.values()) clearTimeout(reactionTimer);
      const stay = this.#stay;
      if (stay) this.#dismiss(stay);
      this.#external?.stop();
      this.#password = undefined;
      await Promise.all([this.#xmpp?.close(), this.#cipher.close()]);
      this.#peers.clear();
      this.#knockers.clear();
      this.#warnings.close();
    })();
    return this.#ending;
  }
}
