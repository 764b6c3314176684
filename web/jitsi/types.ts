/**
 * What a page, or another program, sees of the Jitsi layer, and below it the ports between the parts of this folder. web/ui
 * imports the first half only, as types. demo/jitsi/main.ts puts page and layer together.
 *
 * A frame's way: jingle.ts says who sends what, session.ts attaches each sender and receiver to a MediaCipher before any
 * packet, key_exchange.ts hands that cipher the keys. Signalling: xmpp.ts → muc.ts → jitsi_room.ts.
 *
 * Threads: main. Errors: JitsiError with a `problem` of JitsiProblem; anything else is shown as 'internal'.
 */
import type { CallRoom, LocalMedia } from '../call';
import type { EngineInfo, MediaCipherApi } from '../media/types';
import type { XmlElement } from './xml';

// --- For pages -----------------------------------------------------------------------------------------------------------

/** What went wrong, in a form a person can act on. Each has a text in web/ui/i18n. */
export type JitsiProblem =
  | 'bad-address' // not a Jitsi room's address
  | 'insecure-server' // http that is not this computer
  | 'unknown-server' // no answer
  | 'not-jitsi' // an answer, but no config.js of a deployment
  | 'cross-origin' // the server answers, but does not let other origins read config.js, and has not the stock layout
  | 'bad-config' // config.js names neither hosts nor a way in
  | 'xmpp-unreachable' // neither WebSocket nor BOSH answers
  | 'login-required' // the deployment wants a token, none was given
  | 'token-expired'
  | 'token-refused' // not valid here, or for another room
  | 'focus-absent' // nobody answered the conference request
  | 'conference-refused' // the focus said no
  | 'room-full'
  | 'banned'
  | 'name-taken'
  | 'password-required'
  | 'wrong-password'
  | 'lobby-denied' // a moderator said no
  | 'lobby-closed' // the lobby went away while waiting
  | 'kicked'
  | 'room-closed' // the conference ended
  | 'bridge-lost' // media could not be brought back
  | 'connection-lost' // XMPP could not be brought back
  | 'no-e2ee' // Olm did not start
  | 'internal';

export class JitsiError extends Error {
  constructor(
    readonly problem: JitsiProblem,
    message: string = problem,
  ) {
    super(message);
    this.name = 'JitsiError';
  }
}

/** Where the way into a conference stands. */
export type JitsiStage =
  | 'idle'
  | 'reading-config'
  | 'connecting'
  | 'requesting' // asking the focus
  | 'focus-away' // it does not answer; asked again until it does, or the time is up
  | 'password' // waits for enterPassword()
  | 'knock' // the room has a lobby; waits for knock()
  | 'waiting' // knocked; waits for a moderator
  | 'joining'
  | 'joined'
  | 'left'
  | 'failed';

/** Somebody in the lobby, as a moderator sees them. */
export interface Knocker {
  id: string;
  name: string;
}

/** Comparison of short codes with one other person; both show the same symbols when nobody sits between. */
export interface SasState {
  /** The other member's id. */
  member: string;
  stage: 'offered' | 'waiting' | 'compare' | 'confirmed' | 'done' | 'cancelled' | 'failed';
  /** Seven, from `compare` on. */
  emoji?: ReadonlyArray<{ symbol: string; name: string }>;
  decimal?: readonly [number, number, number];
  /** Mismatch: the other side holds other keys than we saw. */
  reason?: 'mismatch' | 'timeout' | 'left' | 'cancelled';
}

/** Who hears us and how sealed it is; both are about the whole call. */
export type JitsiPrivacy =
  | 'sealed' // only those who hold keys
  | 'open'; // the person let in people without end-to-end encryption: the operator can hear and see

export interface JitsiCallOptions {
  /** `https://host/room` or `https://host/tenant/room`. */
  address: string;
  media: LocalMedia;
  /** JSON web token; or a function that gets a fresh one, asked before each (re)connection. Never kept. */
  token?: string | (() => Promise<string>);
  password?: string;
  /** Keys come from outside instead of from the room (Jitsi's externallyManagedKey): 16, 24 or 32 bytes, or a CryptoKey. */
  externalKeys?: boolean;
  /** For tests and for deployments that allow only one: default 'auto' (WebSocket, then BOSH). */
  transport?: 'auto' | 'websocket' | 'bosh';
}

/** Something that a moderator did to this person. */
export interface JitsiNotice {
  /** stopped: it was on, and a moderator turned it off. held: this person wanted it on and may not. allowed: may now. */
  what: 'stopped' | 'held' | 'allowed';
  kind: 'audio' | 'video';
  /** Name of who did it; empty when that is not known. */
  by: string;
}

/** A call in a Jitsi conference. */
export interface JitsiCall extends CallRoom {
  readonly ready: Promise<EngineInfo>;
  readonly stage: JitsiStage;
  readonly problem: JitsiProblem | undefined;
  readonly address: JitsiAddress;
  /** Resolves when joined; rejects with JitsiError. While it is pending, `stage` says what is waited for. `name` may be empty. */
  join(name: string): Promise<void>;
  enterPassword(password: string): void;
  knock(): void;
  /** Moderator. */
  readonly moderator: boolean;
  readonly knockers: readonly Knocker[];
  readonly lobbyOn: boolean;
  readonly locked: boolean;
  /** What moderators let us turn on (av-moderation). */
  readonly allowed: { audio: boolean; video: boolean };
  /** What the moderators' rule for everybody is; on = people need permission. */
  readonly moderation: { audio: boolean; video: boolean };
  isModerator(member: string): boolean;
  admit(id: string): void;
  deny(id: string): void;
  setLobby(on: boolean): Promise<void>;
  /** Empty: no password. */
  setPassword(password: string): Promise<void>;
  muteMember(member: string, kind: 'audio' | 'video'): Promise<void>;
  kick(member: string): Promise<void>;
  makeModerator(member: string): Promise<void>;
  setModeration(kind: 'audio' | 'video', on: boolean): Promise<void>;
  allow(member: string, kind: 'audio' | 'video'): void;
  /** Nobody else's presence or message changes this; only this person. 'open' after they confirmed the consequences. */
  readonly privacy: JitsiPrivacy;
  setPrivacy(privacy: JitsiPrivacy): Promise<void>;
  /** Members who cannot be sent keys: they hear nothing while `privacy` is 'sealed'. */
  readonly withoutE2ee: readonly string[];
  readonly sas: SasState | undefined;
  startVerification(member: string): void;
  answerVerification(matches: boolean): void;
  cancelVerification(): void;
  /** Only with externalKeys. Copied; the caller wipes its own. */
  setMediaKey(key: Uint8Array | CryptoKey, index: number): Promise<void>;
  /** What moderators did to us since the last call, oldest first; each is told once. */
  takeNotices(): JitsiNotice[];
  /** Sealed typing between Siegel clients: what others type, as they type. */
  readonly typing: ReadonlyMap<string, string>;
  sendTyping(text: string): void;
}

/** What the pages need: a real implementation, or one for tests. */
export interface JitsiBackend {
  /** Throws JitsiError('bad-address' | 'insecure-server'). */
  parseAddress(text: string): JitsiAddress;
  createCall(options: JitsiCallOptions): JitsiCall;
}

// --- address.ts, config.ts -----------------------------------------------------------------------------------------------

export interface JitsiAddress {
  /** Origin of the deployment, e.g. `https://meet.example`. */
  origin: string;
  /** `` or `/tenant`. */
  base: string;
  /** As people see it. */
  room: string;
  /** As the MUC wants it: lower case, percent-encoded as the stock client does. */
  roomName: string;
  /** `?jwt=` or `?token=` of the address: taken out of it, never put back. */
  token?: string;
}

/** What config.js says, as far as it is used. Every value was checked; the rest was not read. */
export interface Deployment {
  domain: string;
  anonymousDomain?: string;
  /** Where recorders sign in. Stock clients hide its people; we do not. */
  hiddenDomain?: string;
  mucDomain: string;
  /** Address of the conference request; a full JID is possible. */
  focus: string;
  websocket?: string;
  bosh?: string;
  /** HTTP form of the conference request. */
  conferenceRequestUrl?: string;
  /** The operator's wish; shown, never obeyed when it would open a path. */
  e2eeDisabled: boolean;
  externallyManagedKey: boolean;
  /** Of the operator, as a default. */
  startMuted: { audio: boolean; video: boolean };
  stun: readonly string[];
  preferBridgeChannel?: 'websocket' | 'datachannel';
}

// --- xmpp.ts -------------------------------------------------------------------------------------------------------------

export type XmppState = 'connecting' | 'connected' | 'interrupted' | 'closed';

export class StanzaError extends Error {
  constructor(
    /** RFC 6120, 8.3.3, e.g. `not-authorized`; `timeout` and `closed` are ours. */
    readonly condition: string,
    readonly type: string = '',
    readonly stanza?: XmlElement,
  ) {
    super(`Stanza error: ${condition}`);
    this.name = 'StanzaError';
  }
}

export interface XmppEvents {
  /** 'interrupted': being resumed or connected anew; `fresh` = the server forgot us, rooms must be joined again. */
  state: { state: XmppState; fresh: boolean; problem?: JitsiProblem };
}

/** A handler's answer to an IQ: `true` = empty result, an element = its payload, a StanzaError = that error. */
export type IqAnswer = true | XmlElement | StanzaError;

/** One authenticated stream. Stanzas in flight while it is resumed (XEP-0198) are neither lost nor doubled. */
export interface XmppPort {
  /** Full JID. */
  readonly jid: string;
  readonly state: XmppState;
  /** XMPP services of the domain found by disco, e.g. features and items like lobby, av-moderation. */
  disco(jid: string): Promise<DiscoInfo>;
  /** Resolves with the `result`; rejects with StanzaError. Default limit 15 s. */
  iq(options: { to?: string; type: 'get' | 'set'; payload: XmlElement; timeoutMs?: number }): Promise<XmlElement>;
  /** Presence or message; `id` is added to messages that have none. */
  send(stanza: XmlElement): void;
  /** Every message and presence, before which nothing else saw it. Handlers must not throw; if one does, the others still run. */
  onStanza(handler: (stanza: XmlElement) => void): () => void;
  /** One handler per namespace of payload; without one the answer is `service-unavailable`. */
  onIq(ns: string, handler: (iq: XmlElement, payload: XmlElement) => IqAnswer | Promise<IqAnswer>): () => void;
  on<K extends keyof XmppEvents>(kind: K, listener: (event: XmppEvents[K]) => void): () => void;
  close(): Promise<void>;
}

export interface DiscoInfo {
  identities: ReadonlyArray<{ category: string; type: string; name?: string }>;
  features: ReadonlySet<string>;
  /** Fields of an attached form (XEP-0128), e.g. `muc#roominfo_lobbyroom`. */
  form: ReadonlyMap<string, string>;
}

// --- muc.ts --------------------------------------------------------------------------------------------------------------

/** Somebody in the MUC. `id` is the resource part: Jitsi's endpoint id. */
export interface Occupant {
  id: string;
  /** Cleaned by web/call/names.ts; '' when none was given. */
  name: string;
  /** Real JID, when the room shows it. */
  jid?: string;
  role: 'moderator' | 'participant' | 'visitor' | 'none';
  affiliation: 'owner' | 'admin' | 'member' | 'none' | 'outcast';
  /** The conference's focus; not a member. Verified by its real JID. */
  focus: boolean;
  /** In the deployment's hidden domain (recorders): stock clients do not show these. We do. */
  hidden: boolean;
  /** Bots such as recorders and transcribers, by what they say of themselves. */
  bot?: string;
  features: ReadonlySet<string>;
  /** Says it does Jitsi's E2EE (feature or identity keys in presence). */
  e2ee: boolean;
  /** What its presence claims; a notice at most. */
  e2eeEnabled?: boolean;
  /** Clients before 2022 announce only the first, and cannot compare codes. */
  idKeys?: { curve25519: string; ed25519?: string };
  /** Source name → what its owner says. */
  sources: ReadonlyMap<string, { muted: boolean; videoType?: 'camera' | 'desktop' }>;
  hand: boolean;
  /** Another Siegel client. */
  siegel: boolean;
}

export interface OwnPresence {
  name: string;
  sources: ReadonlyMap<string, { muted: boolean; videoType?: 'camera' | 'desktop' }>;
  hand: boolean;
  /** Milliseconds since 1970: who raised it first is called first. */
  handAt?: number;
  idKeys?: { curve25519: string; ed25519: string };
  e2eeEnabled: boolean;
  codecs: readonly string[];
}

export interface MucEvents {
  joined: Occupant;
  changed: { occupant: Occupant; before: Occupant };
  left: { occupant: Occupant; reason?: 'kicked' | 'banned' };
  /** We left, not by our own wish. */
  ended: { problem: JitsiProblem; by?: string };
  /** Group message. `id`, `at` from the stanza; delayed ones are history. */
  message: { id: string; from: string; text: string; at: number; delayed: boolean };
  /** Private or group `<json-message>`; already JSON, otherwise unchecked. */
  json: { from: string; group: boolean; data: unknown };
  /** The focus asks us to be quiet. */
  muted: { kind: 'audio' | 'video'; by: string };
  /** Room's properties. */
  room: { locked: boolean; lobby: boolean; lobbyRoom?: string; meetingId?: string };
  moderation: { kind: 'audio' | 'video'; on: boolean; by?: string };
  /** A moderator permitted or refused us. */
  permitted: { kind: 'audio' | 'video'; permitted: boolean };
  knocked: Knocker;
  knockEnded: { id: string };
}

/** The conference's MUC and what belongs to it: lobby, moderation, chat. */
export interface MucPort {
  readonly me: string;
  /** `room@conference.domain`. */
  readonly jid: string;
  readonly occupants: ReadonlyMap<string, Occupant>;
  readonly focus: Occupant | undefined;
  readonly role: Occupant['role'];
  /** Rejects with JitsiError: room-full, password-required, wrong-password, banned, …; 'lobby': one must knock. */
  join(options: { password?: string }): Promise<'joined' | 'lobby'>;
  /** Resolves when admitted (then join again with what it gives); rejects with lobby-denied, lobby-closed. */
  knock(name: string): Promise<{ password?: string }>;
  setPresence(presence: OwnPresence): void;
  leave(): void;
  /** The stream is new (see XmppEvents): join() again. Everybody counts as gone. */
  forget(): void;
  sendMessage(text: string): string;
  sendJson(to: string | undefined, data: unknown): void;
  on<K extends keyof MucEvents>(kind: K, listener: (event: MucEvents[K]) => void): () => void;
  admit(id: string): void;
  deny(id: string): void;
  setLobby(on: boolean): Promise<void>;
  setPassword(password: string): Promise<void>;
  mute(id: string, kind: 'audio' | 'video'): Promise<void>;
  kick(id: string): Promise<void>;
  grantModerator(id: string): Promise<void>;
  setModeration(kind: 'audio' | 'video', on: boolean): Promise<void>;
  permit(id: string, kind: 'audio' | 'video', permitted: boolean): void;
}

// --- jingle.ts, session.ts, bridge_channel.ts ------------------------------------------------------------------------------

/** One SSRC that somebody sends. All fields were checked: nothing of them can break out of an SDP line. */
export interface Source {
  ssrc: number;
  /** Endpoint id, or `jvb`. */
  owner: string;
  kind: 'audio' | 'video';
  /** `OWNER-v0`; older clients have none: then made from owner and kind. */
  name: string;
  msid?: string;
  videoType?: 'camera' | 'desktop';
}

export interface SourceGroup {
  semantics: 'SIM' | 'FID' | 'FEC-FR';
  kind: 'audio' | 'video';
  owner: string;
  ssrcs: readonly number[];
}

export interface SourceSet {
  sources: readonly Source[];
  groups: readonly SourceGroup[];
}

/** What was refused in a set of sources, and why; the rest of the set is still used. */
export interface SourceProblem {
  reason: 'malformed' | 'too-many' | 'claimed-twice' | 'cyclic-group' | 'unknown-owner' | 'own';
  ssrc?: number;
  owner?: string;
  /** `claimed-twice`: who had it first. */
  other?: string;
}

export interface SessionEvents {
  /** A remote member's track came or went. */
  track: {
    owner: string;
    source: string;
    kind: 'audio' | 'video';
    videoType?: 'camera' | 'desktop';
    stream: MediaStream;
  };
  ended: { owner: string; source: string };
  state: { state: 'connecting' | 'connected' | 'interrupted' | 'failed' | 'moved' };
  problem: SourceProblem;
  dominantSpeaker: { id: string };
  /** What the bridge wants of a source of ours. 0: nobody looks. */
  senderConstraints: { source: string; maxHeight: number };
  forwarded: { sources: readonly string[] };
  /** An endpoint's message over the bridge; unchecked JSON. */
  endpointMessage: { from: string; data: unknown };
}

export interface ReceiverConstraints {
  lastN: number;
  selected: readonly string[];
  onStage: readonly string[];
  defaultMaxHeight: number;
  /** By source name. */
  maxHeights: ReadonlyMap<string, number>;
}

/** The media of one conference, over every Jingle session that the focus opens. */
export interface MediaSessionPort {
  /** Names of our own sources, in lane order. */
  readonly localSources: ReadonlyMap<'audio' | 'video' | 'screen' | 'screen-audio', string>;
  /** Puts a track on a lane or takes it off; source-add and source-remove follow where needed. */
  setTrack(lane: 'audio' | 'video' | 'screen' | 'screen-audio', track: MediaStreamTrack | undefined): Promise<void>;
  /** Nothing is accepted before this resolved: our own sending key is in use. */
  readonly ownKeyReady: Promise<void>;
  setConstraints(constraints: ReceiverConstraints): void;
  sendEndpointMessage(to: string | undefined, data: unknown): void;
  /** Ask the focus for a new session, e.g. after `privacy` changed. */
  restart(reason: string): Promise<void>;
  /** undefined: a session without end-to-end encryption ('open'). Takes effect with restart(). */
  cipher: MediaCipherApi | undefined;
  stats(): Promise<RTCStatsReport | undefined>;
  on<K extends keyof SessionEvents>(kind: K, listener: (event: SessionEvents[K]) => void): () => void;
  close(): Promise<void>;
}

// --- key_exchange.ts -------------------------------------------------------------------------------------------------------

export type KeyProblem =
  | 'forged' // a message that did not verify: key-info, ack, MAC
  | 'replayed' // seen before
  | 'identity-changed' // another identity key than this member had before, in this call
  | 'bad-signature' // keys for a session that their owner did not sign, though it signs them
  | 'no-session' // no Olm session with a member that says it can
  | 'malformed';

export interface KeyExchangeEvents {
  /** We hold a key of theirs, and whether they confirmed ours. */
  peer: { id: string; ours: boolean; theirs: boolean };
  problem: { id: string; problem: KeyProblem };
  /** A new own key came into use; `lostMs`: how long people who had left could still open what was sent. */
  rotated: { keyIndex: number; exposureMs: number };
  ratcheted: { generation: number };
  /** Who could still listen though they have left. */
  mayListen: readonly string[];
  sas: SasState | undefined;
  /** A peer proved the identity keys that it announced, by SAS. */
  verified: { id: string };
  /** A sealed message between Siegel clients (chat, hand, typing), opened and verified. */
  sealed: { from: string; data: unknown };
}

/** Jitsi's Olm protocol. Reads and writes only through this; the cipher is the only place that a media key goes to. */
export interface KeyExchangePort {
  /** For OwnPresence, before joining. */
  readonly idKeys: { curve25519: string; ed25519: string };
  start(me: string): Promise<void>;
  /** `wasHere`: in the room before us. */
  occupantJoined(occupant: Occupant, wasHere?: boolean): void;
  occupantChanged(occupant: Occupant): void;
  occupantLeft(id: string): void;
  /** A private `json-message` whose `type` is `olm`, or ours; returns false when it is not meant for us. */
  receive(from: string, data: unknown): boolean;
  /** Sealed for every Siegel client that we have a session with. */
  sendSealed(data: unknown): void;
  /** Who was given our current key. */
  readonly recipients: readonly string[];
  /** Names of lanes do not matter: one key for all of a member's media. Undefined: no key of theirs. */
  keyIndexOf(id: string): number | undefined;
  startVerification(id: string): void;
  answerVerification(matches: boolean): void;
  cancelVerification(): void;
  on<K extends keyof KeyExchangeEvents>(kind: K, listener: (event: KeyExchangeEvents[K]) => void): () => void;
  /** Wipes all key material. */
  stop(): void;
}
