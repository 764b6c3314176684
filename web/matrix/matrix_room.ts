/**
 * A call in a Matrix room, together with people who use Element Call. The room's memberships say who is in the call, to-device
 * messages carry the keys, media servers (LiveKit) carry sealed media. No DOM; a page listens to `change` and draws.
 *
 * Who counts: a member is somebody with a membership in the room; what a media server shows beside that is no member, is not
 * received and gets no key. What is shown as sealed is what our own engine opened.
 *
 * Rooms that are not encrypted: joined only with `allowUnencryptedRoom`. Media stays sealed and its keys still travel between
 * devices, not through the room; but whoever runs the homeserver can read chat and memberships, and can put a member into the
 * room whose device then gets keys like any other. Nothing in such a call is vouched for, so its badge is red throughout.
 *
 * Its parts: roster.ts (who is here), own_membership.ts (that we are), media_keys.ts and member_keys.ts (who holds which key),
 * media_servers.ts and sfu.ts (media), chat.ts, reactions.ts, warnings.ts. This class puts them together, and measures.
 *
 * Threads: main. Errors: `phase`, `problem` and `failure`, never exceptions after join(). Ownership: owns ciphers and
 * connections; borrows client, room and media (closes the latter in `leave`).
 */

import { CryptoEvent } from 'matrix-js-sdk/lib/crypto-api';
import {
  ClientEvent,
  KnownMembership,
  type MatrixClient,
  type Room,
  RoomEvent,
  RoomMemberEvent,
  RoomStateEvent,
  SyncState,
} from 'matrix-js-sdk/lib/matrix';
import { type MatrixRTCSession, MatrixRTCSessionEvent } from 'matrix-js-sdk/lib/matrixrtc';
import { computeRtcIdentityRaw } from 'matrix-js-sdk/lib/matrixrtc/membershipData/rtc';
import {
  type Badge,
  type BadgeInput,
  BadgeMeter,
  type CallEvents,
  type CallPhase,
  type Chat,
  cleanName,
  Emitter,
  type Lane,
  lookAlikes,
  type Member,
  type Numbers,
  type Trust,
  type Warning,
  Warnings,
  worst,
} from '../call';
import { LiveKitCipher, type LiveKitCipherApi, type SecurityWarning } from '../livekit';
import { type EngineInfo, MediaError, type StatsSnapshot, type TrackCounters } from '../media/types';
import type { Avatars } from './avatars';
import { RoomChat } from './chat';
import { sendableCodecs } from './codecs';
import { type DeviceMessages, type KeyMessage, knownDevices, trustOf } from './devices';
import { isPassing, MatrixError, problemOf } from './errors';
import { cleanAddress, roomLink } from './links';
import { type Device, deviceKey, OwnKeys, userOfKey } from './media_keys';
import { type MediaConnection, MediaServers } from './media_servers';
import { MemberKeys } from './member_keys';
import { kMemberEvent, membershipStateKey, OwnMembership, sendStickyAgain } from './own_membership';
import { CallReactions, kReactions } from './reactions';
import { type RosterMember, readRoster } from './roster';
import type { SfuOptions } from './sfu';
import { getTicket, ownTransport } from './transports';
import type { CallMode, MatrixCall, MatrixCallOptions, MatrixProblem, VideoCodec } from './types';

const kTickMs = 250;
const kLateMs = 1000;
const kSilentMs = 3000;
const kRetryMs = 3000;
/** A member whose membership went while their media still comes: the homeserver may have been away. */
const kVanishMs = 10_000;
const kUnknownIdentityMs = 6000;
const kNoKeysMs = 10_000;
/** A picture that is drawn again waits for a key frame. */
const kShownAgainMs = 3000;
/** A red badge for clear frames stays this long after the last. */
const kClearFramesMs = 10_000;
/** Whose devices are looked up when joining. */
const kMaxUsers = 200;
const kMaxNames = 500;

export interface MatrixRoomParts {
  client: MatrixClient;
  room: Room;
  messages: DeviceMessages;
  avatars: Avatars;
  options: MatrixCallOptions;
  /** Folder with the worker; same origin. */
  assets: URL;
  linkBase: string;
  /** Homeserver that people with the link may use. */
  serverName?: string;
  widget?: boolean;
  /** The person chose how their video is coded. */
  onCodec?: (codec: VideoCodec) => void;
  /** For tests. */
  createCipher?: () => LiveKitCipherApi;
  createConnection?: (options: SfuOptions) => MediaConnection;
}

/** Somebody else's device in the call, and what is known of it. */
interface Peer extends RosterMember {
  meter: BadgeMeter;
  trust: Trust | undefined;
  joinedAt: number;
  /** Since when the membership is gone, while media still comes. */
  goneAt: number | undefined;
  /** Which keys the connection of its server has. */
  given: { connection: MediaConnection | undefined; indexes: Set<number> };
  clearAt: number;
  announced: boolean;
  otherIdentities: string[];
  /** What the page said of its pictures' sizes, device pixels. */
  shown: Map<Lane, readonly [width: number, height: number]>;
  /** When the picture of the camera was last drawn again after it was not. */
  shownAt: number;
}

export class MatrixRoom extends Emitter<CallEvents> implements MatrixCall {
  readonly ready: Promise<EngineInfo>;
  readonly chat: Chat;
  readonly reactions = kReactions;
  readonly codecs: readonly VideoCodec[] = sendableCodecs();
  readonly #parts: MatrixRoomParts;
  readonly #chat: RoomChat;
  readonly #hands: CallReactions;
  readonly #me: Device & { memberId: string };
  readonly #mode: CallMode;
  #codec: VideoCodec = 'vp8';
  #phase: CallPhase = 'idle';
  #problem: MatrixProblem | undefined;
  #failure: string | undefined;
  #engine: 'starting' | 'running' | 'failed' = 'starting';
  #session: MatrixRTCSession | undefined;
  #membership: OwnMembership | undefined;
  readonly #servers: MediaServers;
  readonly #peers = new Map<string, Peer>();
  readonly #memberKeys: MemberKeys;
  #ownKeys: OwnKeys | undefined;
  /** Names by device, kept for a while after they left. */
  readonly #names = new Map<string, string>();
  readonly #ownMeter = new BadgeMeter();
  #ownPassed = new Map<string, number>();
  #quietSnapshots = 0;
  readonly #warnings = new Warnings();
  readonly #unknown = new Map<string, number>();
  #refused: ReadonlySet<string> = new Set();
  #strays: ReadonlySet<string> = new Set();
  /** Devices that were there before the call. Joining does not wait for the list: a homeserver may be slow to give it. */
  #knownDevices: Promise<ReadonlySet<string>> = Promise.resolve(new Set<string>());
  #activeSpeaker = '';
  #away = false;
  #snapshotAt = 0;
  #silentTicks = 0;
  #rekeyedAt = Number.NEGATIVE_INFINITY;
  #watch: ReturnType<typeof setInterval> | undefined;
  #wake: (() => void) | undefined;
  #ending: Promise<void> | undefined;
  #stop: Array<() => void> = [];

  constructor(parts: MatrixRoomParts) {
    super();
    this.#parts = parts;
    const { client, room } = parts;
    const userId = client.getSafeUserId();
    const deviceId = client.getDeviceId() ?? '';
    this.#mode = parts.options.mode ?? 'compatibility';
    this.#me = {
      userId,
      deviceId,
      memberId: this.#mode === 'matrix_2_0' ? crypto.randomUUID() : `${userId}:${deviceId}`,
    };
    this.#chat = new RoomChat(client, room, parts.widget ?? false);
    this.chat = this.#chat;
    this.#hands = new CallReactions(client, room);
    this.#memberKeys = new MemberKeys({
      roomId: room.roomId,
      me: this.#me,
      inRoom: (id) => room.hasMembershipState(id, KnownMembership.Join),
    });
    const { codec } = parts.options;
    if (codec && this.codecs.includes(codec)) this.#codec = codec;
    const cipher = this.#newCipher();
    this.ready = cipher.ready;
    this.#servers = new MediaServers({
      ticket: (service, mode) => getTicket(client, { service, roomId: room.roomId, me: this.#me, mode }),
      mode: this.#mode,
      media: parts.options.media,
      codec: () => this.#codec,
      cipher,
      newCipher: () => this.#newCipher(),
      createConnection: parts.createConnection,
    });
    this.#servers.on('change', () => this.#onConnection());
    this.#servers.on('stats', ({ connection, snapshot }) => this.#onStats(connection, snapshot));
    this.#servers.on('warning', ({ connection, warning }) => this.#onCipherWarning(connection, warning));
    this.#servers.on('speakers', ({ connection, identities }) => this.#onSpeakers(connection, identities));
    this.#servers.on('failed', (error) => this.#fail(error));
    this.#servers.on('moved', () => this.#connectServers());
    this.#servers.on('replaced', () => this.#stopWith('replaced'));
    this.#warnings.on('warning', (warning) => this.emit('warning', warning));
    this.#warnings.on('change', () => this.#changed());
  }

  get phase(): CallPhase {
    return this.#phase;
  }
  get problem(): MatrixProblem | undefined {
    return this.#problem;
  }
  get failure(): string | undefined {
    return this.#failure;
  }
  get me(): string {
    return this.#session ? deviceKey(this.#me) : '';
  }
  get name(): string {
    return this.#nameOf(this.#me.userId);
  }
  get codec(): VideoCodec {
    return this.#codec;
  }
  set codec(codec: VideoCodec) {
    if (this.#phase !== 'idle' || !this.codecs.includes(codec)) return;
    this.#codec = codec;
    this.#parts.onCodec?.(codec);
    this.#changed();
  }
  get handRaised(): boolean {
    return this.#hands.raised;
  }
  get mayListen(): string[] {
    return (this.#ownKeys?.mayListen ?? []).map((key) => this.#names.get(key) ?? cleanAddress(userOfKey(key)));
  }
  get lastExposure(): number | undefined {
    return this.#ownKeys?.lastExposure;
  }
  /** Key messages that this device sent. */
  get keyMessages(): number {
    return this.#ownKeys?.messages ?? 0;
  }
  get ownNumbers(): Numbers {
    return this.#ownMeter.numbers();
  }
  get ownTracks(): readonly TrackCounters[] {
    return this.#ownMeter.tracks;
  }
  get warnings(): readonly Warning[] {
    return this.#warnings.list;
  }
  get activeSpeaker(): string {
    return this.#activeSpeaker;
  }
  get roomId(): string {
    return this.#parts.room.roomId;
  }
  /** Where our membership stands in the room's state; undefined while there is none, or it is no state. */
  get membershipKey(): string | undefined {
    // Being left counts as well: what was sent for that may not get through any more.
    if (!this.#session || this.#mode === 'matrix_2_0') return undefined;
    return membershipStateKey(this.#me, this.#parts.room.getVersion());
  }
  get encrypted(): boolean {
    return this.#parts.room.hasEncryptionStateEvent();
  }

  get link(): string {
    const { room, linkBase, serverName } = this.#parts;
    const via = [...new Set(room.getJoinedMembers().map(({ userId }) => userId.slice(userId.indexOf(':') + 1)))];
    return roomLink(
      linkBase,
      room.getCanonicalAlias() ?? room.roomId,
      serverName,
      room.getCanonicalAlias() ? [] : via.slice(0, 3),
    );
  }

  get members(): Member[] {
    const peers = [...this.#peers.values()];
    const names = peers.map((peer) => this.#nameOf(peer.userId));
    // We ourselves are the last of them. This is asked for with every change, in calls of 50 as well.
    const places = lookAlikes([...names, this.name]);
    const people = [...peers.map(({ userId }) => userId), this.#me.userId];
    return peers.map((peer, i) => {
      const name = names[i] ?? '';
      const others = (places[i] ?? []).filter((j) => j !== i);
      const sameUser = peer.userId === this.#me.userId || others.some((j) => people[j] === peer.userId);
      const alike = others.some((j) => j < peers.length || people[j] !== peer.userId);
      const received = this.#connectionOf(peer)?.received(peer.identity);
      const avatar = this.#parts.avatars.get(this.#parts.room.getMember(peer.userId)?.getMxcAvatarUrl());
      const reaction = this.#hands.reaction(peer.key);
      return {
        id: peer.key,
        name,
        // Names are free to choose, addresses are not.
        mark: sameUser ? cleanAddress(peer.deviceId).slice(0, 4).toUpperCase() : alike ? cleanAddress(peer.userId) : '',
        state: {
          audio: received?.audio ?? false,
          video: received?.video ?? false,
          screen: received?.screen ?? false,
          screenAudio: received?.screenAudio ?? false,
          hand: this.#hands.hand(peer.key),
        },
        badge: this.#badgeOf(peer),
        numbers: peer.meter.numbers(),
        tracks: peer.meter.tracks,
        streams: received?.streams ?? new Map<Lane, MediaStream>(),
        connected: received !== undefined && this.#connectionOf(peer)?.state === 'connected',
        address: cleanAddress(peer.userId),
        ...(received?.unplayable ? { unplayable: received.unplayable } : {}),
        ...(avatar ? { avatar } : {}),
        ...(peer.trust ? { trust: peer.trust } : {}),
        ...(reaction ? { reaction } : {}),
      };
    });
  }

  get badge(): Badge {
    if (this.#engineState() !== 'running') return new BadgeMeter().evaluate(this.#badgeInput(undefined));
    if (!this.encrypted) return { level: 'red', cause: 'room-not-encrypted' };
    const badges = [...this.#peers.values()].map((peer) => this.#badgeOf(peer));
    if (this.mayListen.length > 0) badges.push({ level: 'amber', cause: 'rekey' });
    return worst(badges);
  }

  raiseHand(up: boolean): void {
    this.#hands.raise(up);
    this.#changed();
  }

  react(emoji: string): void {
    this.#hands.react(emoji);
  }

  show(member: string, lane: Lane, width: number, height: number): void {
    const peer = this.#peers.get(member);
    if (!peer) return;
    // Kept: the track may come later, or anew after the connection was lost.
    if (lane === 'video' && width > 0 && peer.shown.get(lane)?.[0] === 0) peer.shownAt = performance.now();
    peer.shown.set(lane, [width, height]);
    this.#connectionOf(peer)?.show(peer.identity, lane, width, height);
  }

  retryNow(): void {
    this.#wake?.();
    this.#servers.retryNow();
    this.#parts.client.retryImmediately();
    this.#ownKeys?.retryNow();
  }

  /** Call from a click. */
  async join(): Promise<void> {
    if (this.#phase !== 'idle') return;
    this.#setPhase('joining');
    try {
      await this.ready;
      if (!this.#active()) return;
      this.#engine = 'running';
      this.#snapshotAt = performance.now();
      this.#watch = setInterval(() => this.#tick(), kTickMs);
      await this.#prepare();
      while (this.#active()) {
        try {
          await this.#connect();
          break;
        } catch (error) {
          const problem = problemOf(error);
          if (!this.#active() || !isPassing(problem)) throw error;
          this.#problem = problem;
          this.#setPhase('unreachable');
          await this.#pause(kRetryMs);
        }
      }
    } catch (error) {
      if (error instanceof MatrixError) this.#refuse(error.problem);
      else this.#fail(error);
    }
  }

  async leave({ keepMedia = false } = {}): Promise<void> {
    if (!this.#is('failed', 'refused', 'replaced')) this.#setPhase('left');
    // First what must not wait: devices off.
    if (!keepMedia) this.#parts.options.media.close();
    await this.#end();
    this.clearListeners();
  }

  // Joining -----------------------------------------------------------------------------------------------------------

  /** What has to be true of the room, and who is in it. */
  async #prepare(): Promise<void> {
    const { client, room, options, widget, messages } = this.#parts;
    if (!this.encrypted) {
      if (!options.allowUnencryptedRoom) throw new MatrixError('room-not-encrypted');
      this.#warnings.say('room-not-encrypted', 'room-not-encrypted', '');
    }
    if (!widget) {
      if (!this.#mayJoin()) throw new MatrixError('no-permission');
      // Whether somebody is in the room decides about their membership in the call.
      await room.loadMembersIfNeeded().catch((error: unknown) => {
        throw new MatrixError(problemOf(error, 'offline'));
      });
      if (this.encrypted) client.getCrypto()?.prepareToEncrypt(room);
      const users = room.getJoinedMembers().map(({ userId }) => userId);
      this.#knownDevices = knownDevices(client, users.slice(0, kMaxUsers));
    }
    if (!this.#active()) return;
    const session = client.matrixRTC.getRoomSession(room);
    this.#session = session;
    await session.initialMembershipCalculated;
    // Left meanwhile: nobody would take away what comes now.
    if (!this.#active()) return;
    const onMemberships = (): void => this.#onMemberships();
    session.on(MatrixRTCSessionEvent.MembershipsChanged, onMemberships);
    this.#membership = new OwnMembership(session, this.#me, room.roomId, this.#mode, () =>
      sendStickyAgain(client, room, this.#me),
    );
    this.#membership.on('change', () => this.#followPhase());
    this.#membership.on('refused', () => {
      // Rights may change during a call. The others do not see us any more: nobody may think that they do.
      if (!this.#mayJoin()) this.#refuse('no-permission');
    });
    const onSync = (state: SyncState): void => {
      this.#away = state === SyncState.Reconnecting || state === SyncState.Error;
      if (!this.#away) this.#ownKeys?.retryNow();
      this.#followPhase();
    };
    const onDevices = (users: readonly string[]): void => this.#judgeAgain(users);
    const onTrust = (user: string): void => this.#judgeAgain([user]);
    const onName = (): void => this.#changed();
    const onMyMembership = (_room: Room, membership: string): void => {
      if (membership !== KnownMembership.Join) this.#refuse('not-invited');
    };
    client.on(ClientEvent.Sync, onSync);
    client.on(CryptoEvent.DevicesUpdated, onDevices);
    client.on(CryptoEvent.UserTrustStatusChanged, onTrust);
    client.on(RoomMemberEvent.Name, onName);
    room.on(RoomEvent.MyMembership, onMyMembership);
    room.on(RoomStateEvent.Events, onName);
    this.#stop.push(
      () => void session.off(MatrixRTCSessionEvent.MembershipsChanged, onMemberships),
      () => void client.off(ClientEvent.Sync, onSync),
      () => void client.off(CryptoEvent.DevicesUpdated, onDevices),
      () => void client.off(CryptoEvent.UserTrustStatusChanged, onTrust),
      () => void client.off(RoomMemberEvent.Name, onName),
      () => void room.off(RoomEvent.MyMembership, onMyMembership),
      () => void room.off(RoomStateEvent.Events, onName),
      options.media.on('change', () => this.#changed()),
      messages.listen((message) => void this.#onKey(message)),
      this.#chat.on('change', () => this.#changed()),
      this.#chat.on('message', (message) => this.emit('message', message)),
      this.#hands.on('change', () => this.#changed()),
      this.#hands.on('reaction', ({ key, emoji }) =>
        this.emit('reaction', { id: key, name: this.#names.get(key) ?? '', emoji }),
      ),
    );
    const keys = new OwnKeys({
      me: this.#me,
      roomId: room.roomId,
      transport: messages,
      install: (index, material) => this.#installOwnKey(index, material),
      changed: () => this.#changed(),
    });
    this.#ownKeys = keys;
    await keys.start();
    if (!this.#active()) return;
    this.#hands.open();
    this.#chat.open();
  }

  /** Our media server, and our membership that names it. */
  async #connect(): Promise<void> {
    const service = await ownTransport(this.#parts.client);
    if (!this.#active()) return;
    const own = this.#servers.openOwn(service);
    // Who is here already was here before us.
    this.#onMemberships();
    // Before media: the others send their keys to those whose membership they see.
    this.#membership?.announce(service);
    await own.connect();
    if (!this.#active()) return;
    this.#problem = undefined;
    this.#setPhase('joined');
    this.#followPhase();
  }

  #newCipher(): LiveKitCipherApi {
    return this.#parts.createCipher?.() ?? new LiveKitCipher({ assets: this.#parts.assets });
  }

  /** Whether the room lets us say that we are in its call; a widget's host knows that better. */
  #mayJoin(): boolean {
    const { room, widget } = this.#parts;
    return (
      widget === true ||
      this.#mode === 'matrix_2_0' ||
      room.currentState.maySendStateEvent(kMemberEvent, this.#me.userId)
    );
  }

  #refuse(problem: MatrixProblem): void {
    if (!this.#is('left', 'failed', 'refused', 'replaced')) this.#problem = problem;
    this.#stopWith('refused');
  }

  #stopWith(phase: 'refused' | 'replaced'): void {
    if (this.#is('left', 'failed', 'refused', 'replaced')) return;
    this.#setPhase(phase);
    void this.#end();
  }

  /** Fail closed: nothing more is sent or played. */
  #fail(error: unknown): void {
    if (this.#is('left', 'failed', 'refused', 'replaced')) return;
    this.#engine = 'failed';
    this.#failure = error instanceof MediaError ? error.reason : 'internal';
    this.#setPhase('failed');
    void this.#end();
  }

  /** Everything that join() started. Resolves when the worker has wiped its keys and the homeserver knows, or cannot. */
  #end(): Promise<void> {
    this.#ending ??= (async () => {
      clearInterval(this.#watch);
      this.#wake?.();
      this.#hands.close();
      for (const stop of this.#stop.splice(0)) stop();
      this.#chat.close();
      this.#ownKeys?.close();
      this.#memberKeys.close();
      await Promise.all([this.#membership?.close(), this.#servers.close()]);
      this.#peers.clear();
      this.#warnings.close();
    })();
    return this.#ending;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #setPhase(phase: CallPhase): void {
    this.#phase = phase;
    this.#changed();
  }

  #is(...phases: CallPhase[]): boolean {
    return phases.includes(this.#phase);
  }

  #active(): boolean {
    return !this.#is('idle', 'left', 'failed', 'refused', 'replaced');
  }

  #followPhase(): void {
    if (!this.#is('joined', 'away', 'reconnecting')) return;
    const lost = this.#servers.own?.state !== 'connected';
    const phase = lost ? 'reconnecting' : this.#away || this.#membership?.lost ? 'away' : 'joined';
    if (phase !== this.#phase) this.#setPhase(phase);
  }

  #changed(): void {
    this.emit('change', undefined);
  }

  // Members -----------------------------------------------------------------------------------------------------------

  #onMemberships(): void {
    const session = this.#session;
    if (!session || !this.#active()) return;
    const { mine, members, refused } = readRoster(session.memberships, this.#me, this.#peers);
    this.#membership?.seen(mine !== undefined);
    for (const userId of refused) this.#warnings.say(`refused ${userId}`, 'unknown-identity', this.#nameOf(userId));
    for (const userId of this.#refused) if (!refused.has(userId)) this.#warnings.clear(`refused ${userId}`);
    this.#refused = refused;
    // An identity that has another owner than before, or a device that has another one: all that belongs to it goes first.
    const owners = new Map([...members.values()].map(({ identity, key }) => [identity, key]));
    for (const peer of [...this.#peers.values()]) {
      const moved = members.has(peer.key) && members.get(peer.key)?.identity !== peer.identity;
      if (moved || (owners.get(peer.identity) ?? peer.key) !== peer.key) this.#part(peer);
    }
    for (const [key, member] of members) {
      const known = this.#peers.get(key);
      if (known) {
        const renewed = known.memberId !== member.memberId;
        Object.assign(known, member, { goneAt: undefined });
        if (renewed) void this.#learnIdentities(known);
        continue;
      }
      const peer: Peer = {
        ...member,
        meter: new BadgeMeter(),
        trust: undefined,
        joinedAt: performance.now(),
        goneAt: undefined,
        given: { connection: undefined, indexes: new Set() },
        clearAt: Number.NEGATIVE_INFINITY,
        announced: false,
        otherIdentities: [],
        shown: new Map(),
        shownAt: Number.NEGATIVE_INFINITY,
      };
      this.#peers.set(key, peer);
      this.#memberKeys.joined(key);
      this.#remember(key, this.#nameOf(member.userId));
      void this.#judge(peer);
      void this.#learnIdentities(peer);
      if (this.#membership?.announced)
        void this.#knownDevices.then((devices) => devices.has(key) || this.#membership?.newcomer());
      this.#rekeyedAt = performance.now();
    }
    for (const peer of [...this.#peers.values()]) if (!members.has(peer.key)) this.#vanish(peer);
    // Keys follow the memberships at once, also while somebody's media is waited for.
    this.#ownKeys?.update([...members.values()]);
    const reacting = [...members.values()];
    const own = mine && { key: deviceKey(this.#me), userId: this.#me.userId, eventId: mine.eventId };
    this.#hands.update(own ? [...reacting, own] : reacting, own);
    this.#connectServers();
    const newcomers = [...this.#peers.values()].filter((peer) => !peer.announced && peer.goneAt === undefined);
    if (newcomers.length > 0) {
      const members = new Map(this.members.map((member) => [member.id, member]));
      for (const peer of newcomers) {
        peer.announced = true;
        const member = members.get(peer.key);
        if (member) this.emit('joined', member);
      }
    }
    this.#changed();
  }

  #vanish(peer: Peer): void {
    if (peer.goneAt === undefined) this.#rekeyedAt = performance.now();
    peer.goneAt ??= performance.now();
    const stillThere = this.#connectionOf(peer)?.received(peer.identity) !== undefined;
    if (!stillThere || performance.now() - peer.goneAt > kVanishMs) this.#part(peer);
  }

  #part(peer: Peer): void {
    this.#peers.delete(peer.key);
    this.#memberKeys.left(peer.key);
    for (const about of ['keys', 'trust', 'new', 'changed', 'clear', 'flag'])
      this.#warnings.clear(`${about} ${peer.key}`);
    if (this.#activeSpeaker === peer.key) this.#activeSpeaker = '';
    const name = this.#names.get(peer.key) ?? '';
    this.#connectServers();
    if (peer.announced) this.emit('left', { id: peer.key, name });
    this.#changed();
  }

  #nameOf(userId: string): string {
    return cleanName(this.#parts.room.getMember(userId)?.rawDisplayName ?? '') || cleanAddress(userId);
  }

  #remember(key: string, name: string): void {
    this.#names.delete(key);
    this.#names.set(key, name);
    for (const old of this.#names.keys()) {
      if (this.#names.size <= kMaxNames) break;
      if (!this.#peers.has(old)) this.#names.delete(old);
    }
  }

  /** Their devices or identities changed. Ours decide about everybody. */
  #judgeAgain(users: readonly string[]): void {
    const all = users.includes(this.#me.userId);
    for (const peer of this.#peers.values()) if (all || users.includes(peer.userId)) void this.#judge(peer);
  }

  async #judge(peer: Peer): Promise<void> {
    const trust = await trustOf(this.#parts.client, peer);
    if (this.#peers.get(peer.key) !== peer || !trust) return;
    peer.trust = trust;
    const name = this.#nameOf(peer.userId);
    this.#warnings.while(trust === 'unverified', `trust ${peer.key}`, 'unverified-device', name);
    this.#warnings.while(trust === 'changed', `changed ${peer.key}`, 'changed-identity', name, peer.key);
    this.#changed();
    const known = await this.#knownDevices;
    if (this.#peers.get(peer.key) !== peer) return;
    this.#warnings.while(!known.has(peer.key), `new ${peer.key}`, 'new-device', name);
    this.#changed();
  }

  /** Somebody who sends to another media server listens at ours under one of these names. */
  async #learnIdentities(peer: Peer): Promise<void> {
    const { userId, deviceId, memberId: own } = peer;
    const plain = `${userId}:${deviceId}`;
    peer.otherIdentities = [plain];
    for (const memberId of new Set([own, plain]))
      peer.otherIdentities.push(await computeRtcIdentityRaw(userId, deviceId, memberId));
  }

  // Media servers -----------------------------------------------------------------------------------------------------

  #connectionOf(peer: Peer): MediaConnection | undefined {
    return this.#servers.of(peer.service);
  }

  /** One connection for each server that somebody sends to; what is received there, and with which keys. */
  #connectServers(): void {
    if (!this.#servers.own || !this.#active()) return;
    this.#servers.need([...this.#peers.values()].map(({ service }) => service));
    if (!this.#active()) return;
    for (const connection of this.#servers.all) {
      const peers = [...this.#peers.values()].filter((peer) => this.#connectionOf(peer) === connection);
      connection.want(new Set(peers.map(({ identity }) => identity)));
      for (const peer of peers) this.#giveKeys(peer, connection);
    }
    this.#layOut();
  }

  #onConnection(): void {
    if (!this.#active()) return;
    for (const peer of [...this.#peers.values()]) if (peer.goneAt !== undefined) this.#vanish(peer);
    this.#layOut();
    this.#followPhase();
    this.#changed();
  }

  /** A size for each picture: what the page said with `show`, else by how many there are. */
  #layOut(): void {
    const count = this.#peers.size;
    for (const peer of this.#peers.values()) {
      const speaks = peer.key === this.#activeSpeaker;
      const [width, height] = count <= 1 || speaks ? [1280, 720] : count <= 6 ? [640, 360] : [320, 180];
      const connection = this.#connectionOf(peer);
      connection?.show(peer.identity, 'video', ...(peer.shown.get('video') ?? ([width, height] as const)));
      connection?.show(peer.identity, 'screen', ...(peer.shown.get('screen') ?? ([1920, 1080] as const)));
    }
  }

  #onSpeakers(connection: MediaConnection, identities: string[]): void {
    const peer = [...this.#peers.values()].find(
      (each) => this.#connectionOf(each) === connection && identities.includes(each.identity),
    );
    if (!peer || peer.key === this.#activeSpeaker) return;
    this.#activeSpeaker = peer.key;
    this.#layOut();
    this.#changed();
  }

  // Keys --------------------------------------------------------------------------------------------------------------

  async #installOwnKey(index: number, material: Uint8Array<ArrayBuffer>): Promise<void> {
    const key = await crypto.subtle.importKey('raw', material, 'HKDF', false, ['deriveBits', 'deriveKey']);
    material.fill(0);
    if (!this.#active()) return;
    this.#servers.setOwnKey(index, key);
    this.#quietSnapshots = 0;
    this.#rekeyedAt = performance.now();
  }

  async #onKey(message: KeyMessage): Promise<void> {
    if (this.#active()) this.#takeKey(await this.#memberKeys.take(message));
  }

  #takeKey(added: { key: string; index: number } | undefined): void {
    if (!added || !this.#active()) return;
    const peer = this.#peers.get(added.key);
    if (peer) {
      // A second message for an index replaces the first: it is the newer one by its sender's clock.
      peer.given.indexes.delete(added.index);
      const connection = this.#connectionOf(peer);
      if (connection) this.#giveKeys(peer, connection);
      this.#warnings.clear(`keys ${peer.key}`);
    }
    this.#changed();
  }

  #giveKeys(peer: Peer, connection: MediaConnection): void {
    if (peer.given.connection !== connection) peer.given = { connection, indexes: new Set() };
    for (const [index, key] of this.#memberKeys.of(peer.key)) {
      if (peer.given.indexes.has(index)) continue;
      peer.given.indexes.add(index);
      connection.setKey(peer.identity, index, key);
    }
  }

  // Measuring ---------------------------------------------------------------------------------------------------------

  #onStats(connection: MediaConnection, snapshot: StatsSnapshot): void {
    const of = (direction: TrackCounters['direction'], identity: string) =>
      snapshot.tracks
        .filter((counters) => counters.direction === direction && counters.participant === identity)
        .map((counters) => ({ ...counters, track: connection.laneOf(identity, counters.track) ?? counters.track }));
    for (const peer of this.#peers.values())
      if (this.#connectionOf(peer) === connection) peer.meter.update(of('receive', peer.identity), snapshot.now);
    if (connection === this.#servers.own) {
      this.#snapshotAt = performance.now();
      this.#silentTicks = 0;
      const sent = of('send', connection.identity);
      this.#ownMeter.update(sent, snapshot.now);
      this.#confirmKey(sent);
    }
    this.#changed();
  }

  /** The new key counts as in use when the engine sealed under it, or when it seals nothing. */
  #confirmKey(sent: TrackCounters[]): void {
    const flowing = sent.filter(({ track, passed }) => passed > (this.#ownPassed.get(track) ?? 0));
    this.#ownPassed = new Map(sent.map(({ track, passed }) => [track, passed]));
    const index = this.#ownKeys?.unconfirmed;
    if (index === undefined) return;
    // A snapshot may have been on its way when the key was set: only the second says that nothing flows.
    if (flowing.length === 0 && ++this.#quietSnapshots < 3) return;
    if (flowing.every(({ keyIndex }) => keyIndex === index)) this.#ownKeys?.confirm(index);
  }

  #onCipherWarning(connection: MediaConnection, { kind, participant }: SecurityWarning): void {
    const peer = [...this.#peers.values()].find(
      (each) => each.identity === participant && this.#connectionOf(each) === connection,
    );
    if (!peer) return;
    const name = this.#nameOf(peer.userId);
    if (kind === 'clear-frames') {
      peer.clearAt = performance.now();
      this.#warnings.say(`clear ${peer.key}`, 'clear-media', name);
    } else if (kind === 'flagged-unencrypted') this.#warnings.say(`flag ${peer.key}`, 'claimed-clear', name);
  }

  #badgeOf(peer: Peer): Badge {
    const badge = peer.meter.evaluate(this.#badgeInput(peer));
    if (this.#engineState() !== 'running') return badge;
    if (performance.now() - peer.clearAt < kClearFramesMs) return { level: 'red', cause: 'clear-media' };
    if (peer.trust === 'changed') return { level: 'red', cause: 'changed-identity' };
    if (badge.level === 'green' && peer.trust === 'unverified') return { level: 'amber', cause: 'unverified-device' };
    return badge;
  }

  #badgeInput(peer: Peer | undefined): BadgeInput {
    const connection = peer && this.#connectionOf(peer);
    const received = peer && connection?.received(peer.identity);
    const link =
      connection?.state === 'reconnecting'
        ? 'lost'
        : connection?.state !== 'connected'
          ? 'connecting'
          : received
            ? 'connected'
            : 'connecting';
    const waited = peer ? performance.now() - peer.joinedAt : 0;
    // What is not drawn is not sent to us either, and takes a moment to come back.
    const drawn = !peer || (peer.shown.get('video')?.[0] !== 0 && performance.now() - peer.shownAt > kShownAgainMs);
    const keyed = peer !== undefined && this.#memberKeys.has(peer.key);
    return {
      // Without a key for long: the counters say it better.
      handshake: keyed || waited > kNoKeysMs ? 'confirmed' : 'waiting',
      engine: this.#engineState(),
      link,
      connectedFor: connection ? Math.min(connection.connectedFor, waited) : 0,
      expected: {
        audio: received?.audio ?? false,
        video: drawn && !received?.unplayable && (received?.video ?? false),
      },
      rekeying: performance.now() - this.#rekeyedAt < 2000 || (this.#ownKeys?.changing ?? false),
    };
  }

  #engineState(): BadgeInput['engine'] {
    if (this.#engine !== 'running') return this.#engine;
    if (this.#silentTicks < 2) return 'running';
    return performance.now() - this.#snapshotAt > kSilentMs ? 'silent' : 'late';
  }

  /** What comes with time alone. */
  #tick(): void {
    const now = performance.now();
    if (now - this.#snapshotAt > kLateMs && ++this.#silentTicks >= 2) this.#changed();
    for (const peer of [...this.#peers.values()]) {
      if (peer.goneAt !== undefined) this.#vanish(peer);
      const silent = now - peer.joinedAt > kNoKeysMs && !this.#memberKeys.has(peer.key);
      this.#warnings.while(silent, `keys ${peer.key}`, 'membership-without-keys', this.#nameOf(peer.userId));
    }
    void this.#memberKeys.review().then((found) => {
      for (const each of found) this.#takeKey(each);
    });
    const strays = new Set(this.#memberKeys.strays((key) => this.#peers.has(key)));
    for (const key of strays)
      this.#warnings.say(`stray ${key}`, 'keys-without-membership', this.#nameOf(userOfKey(key)));
    for (const key of this.#strays) if (!strays.has(key)) this.#warnings.clear(`stray ${key}`);
    this.#strays = strays;
    this.#watchIdentities(now);
  }

  /** Who the media servers show beside the members, if they stay. */
  #watchIdentities(now: number): void {
    const known = new Set<string>();
    for (const peer of this.#peers.values())
      for (const name of [peer.identity, ...peer.otherIdentities]) known.add(name);
    for (const { identity } of this.#servers.all) known.add(identity);
    const shown = new Set(this.#servers.all.flatMap(({ identities }) => identities));
    for (const identity of this.#unknown.keys()) {
      if (shown.has(identity) && !known.has(identity)) continue;
      this.#unknown.delete(identity);
      this.#warnings.clear(`unknown ${identity}`);
    }
    for (const identity of shown) {
      if (known.has(identity)) continue;
      const since = this.#unknown.get(identity) ?? now;
      this.#unknown.set(identity, since);
      if (now - since > kUnknownIdentityMs)
        this.#warnings.say(`unknown ${identity}`, 'unknown-identity', cleanName(identity));
    }
  }
}
