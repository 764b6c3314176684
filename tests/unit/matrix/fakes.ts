// What the Matrix layer's tests put in the place of servers. Rooms, events and clients are the SDK's own.
import { EventEmitter } from 'node:events';
import {
  createClient,
  type IEvent,
  type MatrixClient,
  MatrixEvent,
  MatrixEventEvent,
  Room,
} from 'matrix-js-sdk/lib/matrix';
import { MatrixRTCSessionEvent } from 'matrix-js-sdk/lib/matrixrtc';
import type { TypedReEmitter } from 'matrix-js-sdk/lib/ReEmitter';
import { Emitter, type Lane, type LocalMediaEvents } from '../../../web/call';
import type { LiveKitCipherApi, LiveKitCipherEvents } from '../../../web/livekit';
import type { DeviceMessages, KeyMessage } from '../../../web/matrix/devices';
import { type Device, deviceKey, type KeyContent, toBase64 } from '../../../web/matrix/media_keys';
import type { MediaConnection } from '../../../web/matrix/media_servers';
import { kMemberEvent } from '../../../web/matrix/own_membership';
import { silentLogger } from '../../../web/matrix/quiet';
import type { Membership } from '../../../web/matrix/roster';
import type { Received, SentMedia, SfuEvents, SfuOptions, SfuState } from '../../../web/matrix/sfu';
import type { EngineInfo, StatsSnapshot } from '../../../web/media/types';

export const kRoomId = '!room:hs';
export const kMe = { userId: '@me:hs', deviceId: 'MINE', memberId: '@me:hs:MINE' };

let count = 0;
export const nextId = (): string => `$${++count}`;

/** An event as it comes from the homeserver. */
export function event(part: Partial<IEvent> & { type: string; content: object; sender: string }): MatrixEvent {
  return new MatrixEvent({ event_id: nextId(), room_id: kRoomId, origin_server_ts: Date.now(), ...part });
}

/** The same as if it had come sealed. */
export function sealed(part: Parameters<typeof event>[0]): MatrixEvent {
  const plain = event(part);
  const relates = 'm.relates_to' in part.content ? { 'm.relates_to': part.content['m.relates_to'] } : {};
  const wire = { algorithm: 'm.megolm.v1.aes-sha2', ...relates };
  const found = new MatrixEvent({ ...plain.event, type: 'm.room.encrypted', content: wire as object });
  (found as unknown as { clearEvent: object }).clearEvent = { type: part.type, content: part.content };
  return found;
}

export function membership(userId: string, deviceId: string, part: Partial<Membership> = {}): Membership {
  return {
    userId,
    deviceId,
    memberId: `${userId}:${deviceId}`,
    rtcBackendIdentity: `${userId}:${deviceId}`,
    eventId: nextId(),
    slotDescription: { application: 'm.call', id: 'ROOM' },
    createdTs: () => 1,
    getAbsoluteExpiry: () => 14_400_000,
    getTransport: () => ({ type: 'livekit', livekit_service_url: 'https://sfu.hs/jwt' }),
    ...part,
  };
}

export function keyMessage(userId: string, deviceId: string, index: number, fill: number, sentAt: number): KeyMessage {
  const content: KeyContent = {
    keys: { index, key: toBase64(new Uint8Array(16).fill(fill)) },
    member: { id: `${userId}:${deviceId}`, claimed_device_id: deviceId },
    room_id: kRoomId,
    session: { application: 'm.call', call_id: '', scope: 'm.room' },
    sent_ts: sentAt,
  };
  return { userId, deviceId, content };
}

/** The same numbers for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const all = [...list];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [all[i], all[j]] = [all[j] as T, all[i] as T];
  }
  return all;
}

/** A worker that counts nothing by itself. */
export class FakeCipher extends Emitter<LiveKitCipherEvents> implements LiveKitCipherApi {
  readonly worker = {} as Worker;
  readonly ready = Promise.resolve({} as EngineInfo);
  readonly data = {} as LiveKitCipherApi['data'];
  readonly removed: string[] = [];
  closed = false;
  async snapshot(): Promise<StatsSnapshot> {
    return { now: 0, tracks: [] } as unknown as StatsSnapshot;
  }
  removeParticipant(identity: string): void {
    this.removed.push(identity);
  }
  async close(): Promise<void> {
    this.closed = true;
  }
  say<K extends keyof LiveKitCipherEvents>(kind: K, event: LiveKitCipherEvents[K]): void {
    this.emit(kind, event);
  }
}

export class FakeMedia extends Emitter<LocalMediaEvents> implements SentMedia {
  microphone: MediaStreamTrack | undefined;
  camera: MediaStreamTrack | undefined;
  screenVideo: MediaStreamTrack | undefined;
  screenAudio: MediaStreamTrack | undefined;
  muted = false;
  closed = false;
  close(): void {
    this.closed = true;
  }
  changed(): void {
    this.emit('change', undefined);
  }
}

/** The SDK's own client; each request that a test did not answer fails. */
export function newClient(): MatrixClient {
  return createClient({
    baseUrl: 'https://hs',
    userId: kMe.userId,
    deviceId: kMe.deviceId,
    accessToken: 'token',
    logger: silentLogger,
    timelineSupport: true,
    fetchFn: async () => {
      throw new TypeError('no network');
    },
  });
}

/** The SDK's own room, encrypted, with these people in it. */
export async function newRoom(
  client: MatrixClient,
  people: readonly string[] = ['@me:hs', '@a:hs', '@b:hs'],
  { encrypted = true, id = kRoomId, power = {} as object } = {},
): Promise<Room> {
  const room = new Room(id, client, kMe.userId, { timelineSupport: true });
  client.store.storeRoom(room);
  const state = (type: string, key: string, content: object, sender = '@a:hs'): MatrixEvent =>
    event({ type, state_key: key, content, sender, room_id: id, origin_server_ts: 1 });
  const before = [
    state('m.room.create', '', { room_version: '11' }),
    state('m.room.power_levels', '', { users: { '@a:hs': 100 }, events: { [kMemberEvent]: 0 }, ...power }),
    ...people.map((user) => state('m.room.member', user, { membership: 'join', displayname: user.slice(1, -3) }, user)),
    ...(encrypted ? [state('m.room.encryption', '', { algorithm: 'm.megolm.v1.aes-sha2' })] : []),
  ];
  room.currentState.setStateEvents(before);
  room.updateMyMembership('join');
  return room;
}

/** As if sync had brought them. */
export async function arrive(room: Room, ...events: MatrixEvent[]): Promise<void> {
  // Its mapper of events does this.
  const { reEmitter } = room.client as unknown as { reEmitter: TypedReEmitter<string, never> };
  for (const each of events) reEmitter.reEmit(each as never, [MatrixEventEvent.Decrypted, MatrixEventEvent.Replaced]);
  await room.addLiveEvents(events, { addToState: true });
  await new Promise((resolve) => setImmediate(resolve));
}

/** The SDK's session: memberships as a test sets them. */
export class FakeSession extends EventEmitter {
  memberships: Membership[] = [];
  readonly initialMembershipCalculated = Promise.resolve();
  joined = false;
  readonly joins: unknown[][] = [];
  leaves = 0;
  isJoined(): boolean {
    return this.joined;
  }
  joinRTCSession(...parts: unknown[]): void {
    this.joined = true;
    this.joins.push(parts);
  }
  async leaveRoomSession(): Promise<boolean> {
    this.joined = false;
    this.leaves++;
    return true;
  }
  set(...memberships: Membership[]): void {
    this.memberships = memberships;
    this.emit(MatrixRTCSessionEvent.MembershipsChanged);
  }
}

/** Key messages as they leave and come. */
export class FakeMessages implements DeviceMessages {
  readonly sent: Array<{ content: KeyContent; to: string[] }> = [];
  readonly listeners = new Set<(message: KeyMessage) => void>();
  async send(content: KeyContent, to: readonly Device[]): Promise<Device[]> {
    this.sent.push({ content, to: to.map(deviceKey) });
    return [];
  }
  listen(onKey: (message: KeyMessage) => void): () => void {
    this.listeners.add(onKey);
    return () => this.listeners.delete(onKey);
  }
  come(message: KeyMessage): void {
    for (const listener of this.listeners) listener(message);
  }
}

const nobody: Received = { streams: new Map(), audio: false, video: false, screen: false, screenAudio: false };

/** A connection to a media server that shows whom a test wants. */
export class FakeConnection extends Emitter<SfuEvents> implements MediaConnection {
  state: SfuState = 'new';
  connectedFor = 0;
  identity = '';
  shown = new Set<string>();
  wanted = new Set<string>();
  /** By identity and index; taken away with the identity, as the real one does. */
  readonly keys = new Map<string, Map<number, CryptoKey>>();
  readonly ownKeys: number[] = [];
  /** What the call said of the size of pictures, the latest for each. */
  readonly sizes = new Map<string, string>();
  /** Whether those who are shown have their camera on. */
  camera = false;
  /** By the worker's names of tracks. */
  lanes: Record<string, Lane> = {};
  closed = false;
  /** What connecting comes to. */
  connecting: () => Promise<void> = async () => {};
  constructor(readonly options: SfuOptions) {
    super();
  }
  get service(): string {
    return this.options.service;
  }
  get identities(): string[] {
    return [...this.shown];
  }
  received(identity: string): Received | undefined {
    return this.shown.has(identity) ? { ...nobody, video: this.camera } : undefined;
  }
  setOwnKey(index: number): void {
    this.ownKeys.push(index);
  }
  setKey(identity: string, index: number, key: CryptoKey): void {
    this.keys.set(identity, (this.keys.get(identity) ?? new Map()).set(index, key));
  }
  want(identities: ReadonlySet<string>): void {
    for (const identity of this.wanted) if (!identities.has(identity)) this.keys.delete(identity);
    this.wanted = new Set(identities);
  }
  show(identity: string, lane: Lane, width: number, height: number): void {
    this.sizes.set(`${identity} ${lane}`, `${width}x${height}`);
  }
  laneOf(_identity: string, track: string): Lane | undefined {
    return this.lanes[track];
  }
  async connect(): Promise<void> {
    const ticket = await this.options.ticket();
    await this.connecting();
    this.identity = ticket.identity;
    this.become('connected');
  }
  retryNow(): void {}
  async close(): Promise<void> {
    this.closed = true;
    this.state = 'closed';
    this.clearListeners();
  }
  become(state: SfuState): void {
    this.state = state;
    this.emit('change', undefined);
  }
  say<K extends keyof SfuEvents>(kind: K, event: SfuEvents[K]): void {
    this.emit(kind, event);
  }
}
