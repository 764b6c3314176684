// One connection to a media server: its states, whose tracks are received, what is published, which keys it remembers; on a
// livekit Room that does what a test says.
import {
  ConnectionError,
  ConnectionState,
  DisconnectReason,
  type ElementInfo,
  KeyProviderEvent,
  RemoteVideoTrack,
  type Room,
  RoomEvent,
  Track,
} from 'livekit-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CallKeys, SfuConnection, type SfuEvents, type SfuState } from '../../../web/matrix/sfu';
import { FakeCipher, FakeMedia } from './fakes';

type Listener = (...parts: never[]) => void;

class FakePublication {
  isDesired = false;
  isMuted = false;
  track: unknown;
  constructor(
    readonly source: Track.Source,
    readonly trackSid: string,
  ) {}
  setSubscribed(on: boolean): void {
    this.isDesired = on;
  }
}

class FakeParticipant {
  readonly trackPublications = new Map<string, FakePublication>();
  constructor(readonly identity: string) {}
  publish(source: Track.Source, sid: string): FakePublication {
    const publication = new FakePublication(source, sid);
    this.trackPublications.set(sid, publication);
    return publication;
  }
  getTrackPublication(source: Track.Source): FakePublication | undefined {
    return [...this.trackPublications.values()].find((each) => each.source === source);
  }
}

class FakeLocalTrack {
  isMuted = false;
  readonly replaced: unknown[] = [];
  async mute() {
    this.isMuted = true;
  }
  async unmute() {
    this.isMuted = false;
  }
  async replaceTrack(track: unknown) {
    this.replaced.push(track);
  }
}

/** What of livekit's Room a connection uses. */
class FakeRoom {
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly remoteParticipants = new Map<string, FakeParticipant>();
  state = ConnectionState.Disconnected;
  isE2EEEnabled = false;
  seals = true;
  connects = 0;
  disconnects = 0;
  /** What connecting comes to; default: it works. */
  connecting: () => Promise<void> = async () => {};
  publishing: () => Promise<void> = async () => {};
  readonly published: Array<{ source: unknown; track: unknown; local: FakeLocalTrack }> = [];
  readonly unpublished: unknown[] = [];
  readonly localParticipant = {
    publishTrack: async (track: unknown, options: { source: unknown }) => {
      await this.publishing();
      const local = new FakeLocalTrack();
      this.published.push({ source: options.source, track, local });
      return { track: local };
    },
    unpublishTrack: async (track: unknown) => {
      this.unpublished.push(track);
    },
  };
  on(kind: string, listener: Listener): this {
    this.#listeners.set(kind, (this.#listeners.get(kind) ?? new Set()).add(listener));
    return this;
  }
  removeAllListeners(): void {
    this.#listeners.clear();
  }
  get listeners(): number {
    return [...this.#listeners.values()].reduce((sum, set) => sum + set.size, 0);
  }
  emit(kind: RoomEvent, ...parts: unknown[]): void {
    for (const listener of this.#listeners.get(kind) ?? []) listener(...(parts as never[]));
  }
  async setE2EEEnabled(): Promise<void> {
    this.isE2EEEnabled = this.seals;
  }
  async connect(): Promise<void> {
    this.connects++;
    this.state = ConnectionState.Connecting;
    await this.connecting();
    this.state = ConnectionState.Connected;
  }
  async disconnect(): Promise<void> {
    this.disconnects++;
    this.lose();
  }
  lose(reason?: DisconnectReason): void {
    this.state = ConnectionState.Disconnected;
    this.emit(RoomEvent.Disconnected, reason);
  }
  join(identity: string): FakeParticipant {
    const participant = new FakeParticipant(identity);
    this.remoteParticipants.set(identity, participant);
    return participant;
  }
}

class FakeStream {
  constructor(readonly tracks: unknown[]) {}
  getTracks(): unknown[] {
    return this.tracks;
  }
}

const key = {} as CryptoKey;

function stand({ sends = true, ticket = async () => ({ url: 'wss://s', jwt: 'j', identity: 'me' }) } = {}) {
  const room = new FakeRoom();
  const cipher = new FakeCipher();
  const media = new FakeMedia();
  const tickets = vi.fn(ticket);
  const connection = new SfuConnection({
    service: 'https://sfu.hs/jwt',
    ticket: tickets,
    cipher,
    ...(sends ? { media } : {}),
    createRoom: () => room as unknown as Room,
  });
  connection.setOwnKey(0, key);
  const states: SfuState[] = [];
  connection.on('change', () => {
    if (states.at(-1) !== connection.state) states.push(connection.state);
  });
  const heard: Array<keyof SfuEvents> = [];
  connection.on('replaced', () => heard.push('replaced'));
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  return { room, cipher, media, tickets, connection, states, heard, pass };
}

const failed = (promise: Promise<unknown>) => promise.catch((error: { problem?: string }) => error.problem ?? error);

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('MediaStream', FakeStream);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('states', () => {
  it('new, connecting, connected, closed', async () => {
    const { connection, states, cipher, room } = stand();
    expect(connection.state).toBe('new');
    await connection.connect();
    expect(connection.identity).toBe('me');
    await connection.close();
    expect(states).toEqual(['connecting', 'connected', 'closed']);
    expect(cipher.closed).toBe(true);
    expect(room.listeners).toBe(0);
  });

  it('a first try that fails says why, and is for the caller to repeat', async () => {
    const { connection, room, pass } = stand();
    room.connecting = async () => {
      throw ConnectionError.notAllowed('no', 401);
    };
    expect(await failed(connection.connect())).toBe('token-service-refused');
    room.connecting = async () => {
      throw new TypeError('no');
    };
    expect(await failed(connection.connect())).toBe('sfu-unreachable');
    room.lose();
    await pass(60_000);
    expect(room.connects).toBe(2);
    room.connecting = async () => {};
    await connection.connect();
    expect(connection.state).toBe('connected');
  });

  it('is not said to be connected when it was lost before sealing began', async () => {
    const { connection, room, pass } = stand();
    room.seals = false;
    const result = failed(connection.connect());
    await pass(100);
    room.lose();
    room.isE2EEEnabled = true;
    await pass(100);
    expect(await result).toBe('sfu-unreachable');
    expect(connection.state).not.toBe('connected');
  });

  it('the same while it comes back: it goes on trying', async () => {
    const { connection, room, pass, media } = stand();
    media.microphone = { kind: 'audio' } as MediaStreamTrack;
    await connection.connect();
    await pass(0);
    room.seals = false;
    room.isE2EEEnabled = false;
    room.lose();
    await pass(100);
    room.lose();
    room.isE2EEEnabled = true;
    await pass(100);
    expect(connection.state).toBe('reconnecting');
    room.seals = true;
    await pass(5000);
    expect(connection.state).toBe('connected');
    expect(room.state).toBe(ConnectionState.Connected);
  });

  it('a worker that does not seal is no connection, and nothing is published', async () => {
    const { connection, room, pass, media } = stand();
    media.microphone = { kind: 'audio' } as MediaStreamTrack;
    room.seals = false;
    const result = failed(connection.connect());
    await pass(6000);
    expect(await result).toBe('internal');
    media.changed();
    await pass(100);
    expect(room.published).toEqual([]);
  });

  it('lost: back with a new ticket and everything published again, less and less often', async () => {
    const { connection, room, pass, media, tickets } = stand();
    media.microphone = { kind: 'audio' } as MediaStreamTrack;
    await connection.connect();
    await pass(0);
    expect(room.published.length).toBe(1);
    room.connecting = async () => {
      throw new TypeError('no');
    };
    room.lose();
    await pass(20_000);
    expect(connection.state).toBe('reconnecting');
    expect(connection.problem).toBe('sfu-unreachable');
    const tries = room.connects;
    expect(tries).toBeGreaterThan(5);
    expect(tries).toBeLessThan(12);
    expect(tickets).toHaveBeenCalledTimes(tries);
    room.connecting = async () => {};
    connection.retryNow();
    await pass(0);
    expect(connection.state).toBe('connected');
    expect(connection.problem).toBeUndefined();
    expect(room.published.length).toBe(2);
  });

  it('closed while it waits for a ticket, or comes back: nothing is connected any more', async () => {
    let give: (value: { url: string; jwt: string; identity: string }) => void = () => {};
    const { connection, room, pass } = stand({ ticket: () => new Promise((resolve) => (give = resolve)) });
    const connecting = connection.connect();
    await connection.close();
    give({ url: 'wss://s', jwt: 'j', identity: 'me' });
    await connecting;
    expect(room.connects).toBe(0);
    const other = stand();
    await other.connection.connect();
    other.room.connecting = async () => {
      throw new TypeError('no');
    };
    other.room.lose();
    await pass(1000);
    await other.connection.close();
    const { connects } = other.room;
    await pass(60_000);
    expect(other.room.connects).toBe(connects);
  });

  it('thrown out by another tab: comes back at first, then gives way to it', async () => {
    const { connection, room, pass, heard } = stand();
    await connection.connect();
    for (const expected of [[], [], ['replaced']]) {
      room.lose(DisconnectReason.DUPLICATE_IDENTITY);
      await pass(1000);
      expect(heard).toEqual(expected);
    }
    await pass(60_000);
    expect(room.connects).toBe(3);
  });

  it('thrown out now and then is no other tab', async () => {
    const { connection, room, pass, heard } = stand();
    await connection.connect();
    for (let i = 0; i < 10; i++) {
      room.lose(DisconnectReason.DUPLICATE_IDENTITY);
      await pass(16_000);
    }
    expect(heard).toEqual([]);
    expect(connection.state).toBe('connected');
  });

  it('another member’s server that says the same ends nothing', async () => {
    const { connection, room, pass, heard } = stand({ sends: false });
    await connection.connect();
    for (let i = 0; i < 5; i++) {
      room.lose(DisconnectReason.DUPLICATE_IDENTITY);
      await pass(1000);
    }
    expect(heard).toEqual([]);
    expect(connection.state).toBe('connected');
  });
});

describe('receiving', () => {
  const subscribed = (participant: FakeParticipant) =>
    [...participant.trackPublications.values()].filter(({ isDesired }) => isDesired).map(({ trackSid }) => trackSid);

  it('members only, by the names that the room gives', async () => {
    const { connection, room, cipher } = stand();
    const [a, ghost] = [room.join('a'), room.join('ghost')];
    a.publish(Track.Source.Camera, 'a1');
    a.publish(Track.Source.Unknown, 'a2');
    ghost.publish(Track.Source.Camera, 'g1');
    connection.want(new Set(['a', 'b']));
    await connection.connect();
    const b = room.join('b');
    b.publish(Track.Source.Microphone, 'b1');
    room.emit(RoomEvent.ParticipantConnected, b);
    expect([subscribed(a), subscribed(b), subscribed(ghost)]).toEqual([['a1'], ['b1'], []]);
    connection.setKey('a', 0, key);
    connection.want(new Set(['b']));
    expect([subscribed(a), subscribed(b)]).toEqual([[], ['b1']]);
    expect(cipher.removed).toEqual(['a']);
    expect(connection.keys.getKeys().map(({ participantIdentity }) => participantIdentity)).not.toContain('a');
  });

  it('one track for each lane, however many are offered, and the next when that one goes', async () => {
    const { connection, room } = stand();
    const a = room.join('a');
    for (let i = 0; i < 500; i++) a.publish(Track.Source.Camera, `c${i}`);
    a.publish(Track.Source.Microphone, 'm');
    connection.want(new Set(['a']));
    await connection.connect();
    expect(subscribed(a)).toEqual(['c0', 'm']);
    const gone = a.trackPublications.get('c0');
    a.trackPublications.delete('c0');
    room.emit(RoomEvent.TrackUnpublished, gone, a);
    expect(subscribed(a)).toEqual(['c1', 'm']);
  });

  it('a track of nobody who was asked for is not shown', async () => {
    const { connection, room } = stand();
    await connection.connect();
    const ghost = room.join('ghost');
    const publication = ghost.publish(Track.Source.Camera, 'g');
    room.emit(RoomEvent.TrackSubscribed, { mediaStreamTrack: {} }, publication, ghost);
    expect(connection.received('ghost')?.streams.size).toBe(0);
    expect(connection.identities).toEqual(['ghost']);
  });

  it('the end of an old track does not take its successor away', async () => {
    const { connection, room } = stand();
    connection.want(new Set(['a']));
    await connection.connect();
    const a = room.join('a');
    const [first, second] = [a.publish(Track.Source.Camera, '1'), a.publish(Track.Source.Camera, '2')];
    const [old, fresh] = [{ mediaStreamTrack: { id: 1 } }, { mediaStreamTrack: { id: 2 } }];
    room.emit(RoomEvent.TrackSubscribed, old, first, a);
    room.emit(RoomEvent.TrackSubscribed, fresh, second, a);
    room.emit(RoomEvent.TrackUnsubscribed, old, first, a);
    expect(connection.received('a')?.streams.get('video')?.getTracks()).toEqual([fresh.mediaStreamTrack]);
    room.emit(RoomEvent.TrackUnsubscribed, fresh, second, a);
    expect(connection.received('a')?.streams.size).toBe(0);
  });

  it('nothing of what was received is held after the connection was lost', async () => {
    const { connection, room } = stand();
    connection.want(new Set(['a']));
    await connection.connect();
    const a = room.join('a');
    room.emit(RoomEvent.TrackSubscribed, { mediaStreamTrack: {} }, a.publish(Track.Source.Camera, '1'), a);
    expect(connection.received('a')?.streams.size).toBe(1);
    room.lose();
    expect(connection.received('a')?.streams.size).toBe(0);
  });
});

describe('pictures', () => {
  /** What livekit's track does with the size that it is told, without a browser. */
  class FakeVideo extends RemoteVideoTrack {
    declare info: ElementInfo | undefined;
    declare resized: number;
    declare turned: number;
    /** Without the constructor, which wants a browser's receiver. */
    static make(): FakeVideo {
      return Object.assign(Object.create(FakeVideo.prototype), { resized: 0, turned: 0 });
    }
    override get mediaStreamTrack(): MediaStreamTrack {
      return { kind: 'video' } as MediaStreamTrack;
    }
    override observeElementInfo(info: ElementInfo): void {
      this.info = info;
      info.handleResize = () => this.resized++;
      info.handleVisibilityChanged = () => this.turned++;
    }
  }

  it('are asked for as large as they are drawn, and not while they are not', async () => {
    const { connection, room } = stand();
    connection.want(new Set(['a']));
    await connection.connect();
    const a = room.join('a');
    const publication = a.publish(Track.Source.Camera, '1');
    const track = FakeVideo.make();
    publication.track = track;
    room.emit(RoomEvent.TrackSubscribed, track, publication, a);
    const told = () => [track.info?.visible, track.info?.width(), track.info?.height(), track.resized, track.turned];
    connection.show('a', 'video', 320, 192);
    expect(told()).toEqual([true, 320, 192, 1, 0]);
    connection.show('a', 'video', 320, 192);
    expect(told()).toEqual([true, 320, 192, 1, 0]);
    connection.show('a', 'video', 0, 0);
    expect(told()).toEqual([false, 320, 192, 1, 1]);
    connection.show('a', 'video', 640, 368);
    expect(told()).toEqual([true, 640, 368, 2, 2]);
    // Nobody's, and of a lane that is not there: nothing.
    connection.show('b', 'video', 1, 1);
    connection.show('a', 'screen', 1, 1);
    expect(told()).toEqual([true, 640, 368, 2, 2]);
  });

  it('in a coding that this browser does not have are named', async () => {
    vi.stubGlobal('RTCRtpReceiver', { getCapabilities: () => ({ codecs: [{ mimeType: 'video/VP8' }] }) });
    vi.resetModules();
    const { isPlayable } = await import('../../../web/matrix/codecs');
    expect(['video/VP8', 'video/vp8', 'video/H264', '', undefined].map(isPlayable)).toEqual([
      true,
      true,
      false,
      true,
      true,
    ]);
  });

  it('and what the worker counts belong together by the track’s name in the connection', async () => {
    const { connection, room } = stand();
    await connection.connect();
    const a = room.join('a');
    a.publish(Track.Source.ScreenShare, '1').track = { mediaStreamID: 'x' };
    a.publish(Track.Source.Unknown, '2').track = { mediaStreamID: 'y' };
    expect(['x', 'y', 'z'].map((track) => connection.laneOf('a', track))).toEqual(['screen', undefined, undefined]);
    expect(connection.laneOf('b', 'x')).toBeUndefined();
  });
});

describe('publishing', () => {
  const audio = { kind: 'audio' } as MediaStreamTrack;
  const video = { kind: 'video' } as MediaStreamTrack;

  it('never without a key', async () => {
    const room = new FakeRoom();
    const media = new FakeMedia();
    media.microphone = audio;
    const connection = new SfuConnection({
      service: 's',
      ticket: async () => ({ url: 'wss://s', jwt: 'j', identity: 'me' }),
      cipher: new FakeCipher(),
      media,
      createRoom: () => room as unknown as Room,
    });
    await connection.connect();
    media.changed();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(room.published).toEqual([]);
    connection.setOwnKey(0, key);
    media.changed();
    await vi.advanceTimersByTimeAsync(0);
    expect(room.published.map(({ track }) => track)).toEqual([audio]);
  });

  it('follows microphone, camera and screen', async () => {
    const { connection, room, media, pass } = stand();
    media.microphone = audio;
    media.muted = true;
    await connection.connect();
    await pass(0);
    const [microphone] = room.published;
    expect(microphone?.local.isMuted).toBe(true);
    media.muted = false;
    media.camera = video;
    media.screenVideo = video;
    media.changed();
    await pass(0);
    expect(microphone?.local.isMuted).toBe(false);
    expect(room.published.map(({ source }) => source)).toEqual([
      Track.Source.Microphone,
      Track.Source.Camera,
      Track.Source.ScreenShare,
    ]);
    media.camera = undefined;
    media.screenVideo = undefined;
    media.changed();
    await pass(0);
    expect(room.published[1]?.local.isMuted).toBe(true);
    expect(room.unpublished).toEqual([room.published[2]?.local]);
    const other = { kind: 'video' } as MediaStreamTrack;
    media.camera = other;
    media.changed();
    await pass(0);
    expect(room.published[1]?.local.replaced).toEqual([other]);
    expect(room.published[1]?.local.isMuted).toBe(false);
    expect(room.published.length).toBe(3);
  });

  it('a camera that is turned off while it is being published ends up muted', async () => {
    const { connection, room, media, pass } = stand();
    media.camera = video;
    room.publishing = async () => {
      media.camera = undefined;
    };
    await connection.connect();
    await pass(0);
    expect(room.published[0]?.local.isMuted).toBe(true);
  });

  it('that failed is tried again, for as long as there is something to send', async () => {
    const { connection, room, media, pass } = stand();
    media.microphone = audio;
    let tries = 0;
    room.publishing = async () => {
      if (++tries < 4) throw new Error('timeout');
    };
    await connection.connect();
    await pass(13_999);
    expect(tries).toBe(3);
    await pass(1);
    expect(tries).toBe(4);
    expect(room.published.length).toBe(1);
    room.publishing = async () => {
      tries++;
      throw new Error('timeout');
    };
    media.camera = video;
    media.changed();
    await pass(0);
    await connection.close();
    const end = tries;
    await pass(20_000);
    expect(tries).toBe(end);
  });
});

describe('keys at the worker', () => {
  it('those of people who left are remembered nowhere, and only the newest of ours', () => {
    const keys = new CallKeys();
    const told: unknown[] = [];
    keys.on(KeyProviderEvent.SetKey, ({ participantIdentity, keyIndex }, update) =>
      told.push([participantIdentity, keyIndex, update]),
    );
    keys.set('a', 0, key);
    keys.set('a', 1, key);
    keys.setOwn('me', 0, key);
    keys.setOwn('me', 1, key);
    expect(told).toEqual([
      ['a', 0, true],
      ['a', 1, true],
      ['me', 0, true],
      ['me', 1, true],
    ]);
    keys.forget('a');
    expect(keys.getKeys()).toEqual([{ key, participantIdentity: 'me', keyIndex: 1 }]);
    expect(keys.getLatestManuallySetKeyIndex()).toBe(1);
    // The base class has a memory of its own: for good, and by its own rules.
    const { keyInfoMap } = keys as unknown as { keyInfoMap: Map<string, unknown> };
    expect(keyInfoMap.size).toBe(0);
  });
});
