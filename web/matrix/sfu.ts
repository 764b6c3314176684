/**
 * One connection to one media server (LiveKit), with a worker of its own that seals and opens. The one to our own server
 * sends and receives; those to other members' servers only receive.
 *
 * What the server says decides nothing about encryption: sealing is switched on before connecting and never off, the worker
 * refuses clear frames whatever flag a track carries, and only tracks of identities that the room's memberships name are
 * received at all.
 *
 * Threads: main. Ownership: of its cipher and its livekit Room; borrows the tracks of LocalMedia and never stops them.
 * Errors: `connect` rejects with MatrixError; afterwards it tries again by itself until `close`.
 */
import {
  BaseKeyProvider,
  ConnectionError,
  ConnectionErrorReason,
  ConnectionState,
  DefaultReconnectPolicy,
  DisconnectReason,
  type ElementInfo,
  KeyProviderEvent,
  type LocalTrack,
  type LocalTrackPublication,
  type RemoteParticipant,
  type RemoteTrack,
  type RemoteTrackPublication,
  RemoteVideoTrack,
  Room,
  RoomEvent,
  type RoomOptions,
  ScreenSharePresets,
  Track,
  type TrackPublishOptions,
  VideoPresets,
} from 'livekit-client';
import { Emitter, kLanes, type Lane, type LocalMedia } from '../call';
import type { LiveKitCipherApi, SecurityWarning } from '../livekit';
import type { MediaError, StatsSnapshot } from '../media/types';
import { isPlayable } from './codecs';
import { isPassing, MatrixError, problemOf } from './errors';
import './quiet';
import type { Ticket } from './transports';
import type { MatrixProblem, VideoCodec } from './types';

/** Fits 2, 3 and 4 tries of livekit's own in about five seconds; then we begin anew, with a new ticket. */
const kOwnRetries = [0, 300, 1200, 2500];
const kAgainMs = [500, 1000, 2000, 3000];
const kSealingMs = 5000;
const kPublishAgainMs = 2000;
const kMaxPublishAgainMs = 30_000;
/** So often in this time: somebody else is here with our identity, and means it. */
const kReplacedTimes = 3;
const kReplacedMs = 30_000;

export type SfuState = 'new' | 'connecting' | 'connected' | 'reconnecting' | 'closed';

export interface SfuEvents {
  change: undefined;
  stats: StatsSnapshot;
  warning: SecurityWarning;
  failed: MediaError;
  speakers: string[];
  /** Somebody with our identity connects again and again, most likely this person in another tab. */
  replaced: undefined;
}

/** What this needs of LocalMedia. */
export type SentMedia = Pick<LocalMedia, 'microphone' | 'camera' | 'screenVideo' | 'screenAudio' | 'muted' | 'on'>;

export interface SfuOptions {
  /** Address of the token service: names this connection. */
  service: string;
  ticket(): Promise<Ticket>;
  cipher: LiveKitCipherApi;
  /** What is sent; undefined: only receives. */
  media?: SentMedia;
  codec?: VideoCodec;
  /** For tests. */
  createRoom?: (options: RoomOptions) => Room;
}

/**
 * Hands keys to the worker by way of livekit-client. livekit-client gives all keys to the worker again whenever it connects,
 * and would switch our own sending key back to one that people who left still hold; so only the newest of ours is told. Its
 * base class would also remember every key for good: here those of people who left are forgotten.
 */
export class CallKeys extends BaseKeyProvider {
  readonly #keys = new Map<string, Map<number, CryptoKey>>();
  #own: { identity: string; index: number } | undefined;

  constructor() {
    // Nobody in MatrixRTC ratchets.
    super({ ratchetWindowSize: 0, keyringSize: 256, failureTolerance: -1 });
  }

  set(identity: string, index: number, key: CryptoKey): void {
    const keys = this.#keys.get(identity) ?? new Map<number, CryptoKey>();
    this.#keys.set(identity, keys.set(index, key));
    this.emit(KeyProviderEvent.SetKey, { key, participantIdentity: identity, keyIndex: index }, true);
  }

  setOwn(identity: string, index: number, key: CryptoKey): void {
    if (this.#own && this.#own.identity !== identity) this.#keys.delete(this.#own.identity);
    this.#own = { identity, index };
    this.#keys.set(identity, new Map());
    this.set(identity, index, key);
  }

  forget(identity: string): void {
    this.#keys.delete(identity);
  }

  override getKeys(): Array<{ key: CryptoKey; participantIdentity: string; keyIndex: number }> {
    return [...this.#keys].flatMap(([participantIdentity, keys]) =>
      [...keys].map(([keyIndex, key]) => ({ key, participantIdentity, keyIndex })),
    );
  }

  override getLatestManuallySetKeyIndex(): number {
    return this.#own?.index ?? 0;
  }
}

/** How large a picture is drawn, device pixels: livekit asks the server for no more than that, and for nothing while it is hidden. */
class View implements ElementInfo {
  readonly element = {};
  visible = true;
  readonly pictureInPicture = false;
  visibilityChangedAt: number | undefined;
  handleResize?: () => void;
  handleVisibilityChanged?: () => void;
  #width = 1280;
  #height = 720;

  width(): number {
    return this.#width;
  }
  height(): number {
    return this.#height;
  }
  observe(): void {}
  stopObserving(): void {}

  show(width: number, height: number): void {
    const visible = width > 0 && height > 0;
    if (visible !== this.visible) {
      this.visible = visible;
      this.visibilityChangedAt = Date.now();
      this.handleVisibilityChanged?.();
    }
    if (!visible || (width === this.#width && height === this.#height)) return;
    this.#width = width;
    this.#height = height;
    this.handleResize?.();
  }
}

/** What is received of one identity. */
export interface Received {
  streams: Map<Lane, MediaStream>;
  /** By livekit's own signalling: a hint. */
  audio: boolean;
  video: boolean;
  screen: boolean;
  screenAudio: boolean;
  /** Coding of video that is there and that this browser cannot decode, such as `H264`. */
  unplayable?: string;
}

interface Sent {
  publication: LocalTrackPublication;
  track: LocalTrack;
  source: MediaStreamTrack;
}

const kSources: Record<Lane, Track.Source> = {
  audio: Track.Source.Microphone,
  video: Track.Source.Camera,
  screen: Track.Source.ScreenShare,
  'screen-audio': Track.Source.ScreenShareAudio,
};
const laneOf = (source: Track.Source): Lane | undefined => kLanes.find((lane) => kSources[lane] === source);

export class SfuConnection extends Emitter<SfuEvents> {
  readonly keys = new CallKeys();
  readonly #options: SfuOptions;
  readonly #room: Room;
  #state: SfuState = 'new';
  #connectedAt = 0;
  #identity = '';
  #own: { index: number; key: CryptoKey } | undefined;
  #wanted = new Set<string>();
  readonly #streams = new Map<string, Map<Lane, MediaStream>>();
  readonly #views = new Map<RemoteTrack, View>();
  readonly #sent = new Map<Lane, Sent>();
  #publishing: Promise<void> = Promise.resolve();
  #publishAgain: ReturnType<typeof setTimeout> | undefined;
  #publishAgainMs = kPublishAgainMs;
  #problem: MatrixProblem | undefined;
  #stop: Array<() => void> = [];
  #wake: (() => void) | undefined;

  constructor(options: SfuOptions) {
    super();
    this.#options = options;
    const { cipher } = options;
    const roomOptions: RoomOptions = {
      // Sizes come in device pixels already.
      adaptiveStream: { pixelDensity: 1 },
      dynacast: true,
      // Not `encryption`: that would seal data packets too, which Element Call does not open. We send none.
      e2ee: { keyProvider: this.keys, worker: cipher.worker },
      stopLocalTrackOnUnpublish: false,
      disconnectOnPageLeave: false,
      reconnectPolicy: new DefaultReconnectPolicy(kOwnRetries),
      // Redundant audio would be taken apart by the server, which breaks the seal.
      publishDefaults: { red: false, dtx: true, simulcast: true, stopMicTrackOnMute: false },
    };
    this.#room = options.createRoom?.(roomOptions) ?? new Room(roomOptions);
    this.#listen();
    this.#stop.push(
      cipher.on('stats', (stats) => this.emit('stats', stats)),
      cipher.on('warning', (warning) => this.emit('warning', warning)),
      cipher.on('failed', (error) => this.emit('failed', error)),
    );
    const { media } = options;
    if (media) this.#stop.push(media.on('change', () => this.#publish()));
  }

  get service(): string {
    return this.#options.service;
  }
  get cipher(): LiveKitCipherApi {
    return this.#options.cipher;
  }
  get state(): SfuState {
    return this.#state;
  }
  /** Why it is not connected, as far as that is known. */
  get problem(): MatrixProblem | undefined {
    return this.#problem;
  }
  /** ms; 0 while it is not connected. */
  get connectedFor(): number {
    return this.#state === 'connected' ? performance.now() - this.#connectedAt : 0;
  }
  /** Our name there. */
  get identity(): string {
    return this.#identity;
  }
  /** Names of everybody whom the server shows. */
  get identities(): string[] {
    return [...this.#room.remoteParticipants.keys()];
  }

  received(identity: string): Received | undefined {
    const participant = this.#room.remoteParticipants.get(identity);
    if (!participant) return undefined;
    const on = (lane: Lane) => {
      const publication = participant.getTrackPublication(kSources[lane]);
      return publication !== undefined && !publication.isMuted;
    };
    const coding = (['video', 'screen'] as const)
      .map((lane) => participant.getTrackPublication(kSources[lane]))
      .find((publication) => publication && !publication.isMuted && !isPlayable(publication.mimeType))?.mimeType;
    return {
      ...(coding ? { unplayable: coding.slice(coding.indexOf('/') + 1) } : {}),
      streams: this.#streams.get(identity) ?? new Map(),
      audio: on('audio'),
      video: on('video'),
      screen: on('screen'),
      screenAudio: on('screen-audio'),
    };
  }

  /** What the worker calls a track, as a lane; undefined for tracks that are no longer there. */
  laneOf(identity: string, track: string): Lane | undefined {
    const participant =
      identity === this.#identity ? this.#room.localParticipant : this.#room.remoteParticipants.get(identity);
    for (const publication of participant?.trackPublications.values() ?? [])
      if (publication.track?.mediaStreamID === track) return laneOf(publication.source);
    return undefined;
  }

  /** Our newest key; sealed with from now on. */
  setOwnKey(index: number, key: CryptoKey): void {
    this.#own = { index, key };
    if (this.#identity) this.keys.setOwn(this.#identity, index, key);
  }

  /** A key of somebody who is received here. */
  setKey(identity: string, index: number, key: CryptoKey): void {
    this.keys.set(identity, index, key);
  }

  /** Whose tracks are received: identities of members, and nobody else's. */
  want(identities: ReadonlySet<string>): void {
    for (const identity of this.#wanted) {
      if (identities.has(identity)) continue;
      this.keys.forget(identity);
      this.#options.cipher.removeParticipant(identity);
      this.#streams.delete(identity);
    }
    this.#wanted = new Set(identities);
    for (const participant of this.#room.remoteParticipants.values()) this.#subscribe(participant);
  }

  /** In device pixels; 0 × 0: not drawn, so not received. */
  show(identity: string, lane: Lane, width: number, height: number): void {
    const publication = this.#room.remoteParticipants.get(identity)?.getTrackPublication(kSources[lane]);
    const track = publication?.track as RemoteTrack | undefined;
    if (track) this.#views.get(track)?.show(width, height);
  }

  /** Resolves when media can flow. Rejects when that cannot work, or did not at the first try. */
  async connect(): Promise<void> {
    this.#setState('connecting');
    await this.#open();
  }

  retryNow(): void {
    this.#wake?.();
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#setState('closed');
    clearTimeout(this.#publishAgain);
    for (const stop of this.#stop.splice(0)) stop();
    this.#wake?.();
    this.#sent.clear();
    await Promise.race([this.#room.disconnect(false).catch(() => {}), new Promise((end) => setTimeout(end, 2000))]);
    this.#room.removeAllListeners();
    this.#streams.clear();
    this.#views.clear();
    this.#own = undefined;
    await this.#options.cipher.close().catch(() => {});
    this.clearListeners();
  }

  #setState(state: SfuState): void {
    if (this.#state === 'closed' || this.#state === state) return;
    this.#state = state;
    if (state === 'connected') this.#connectedAt = performance.now();
    this.emit('change', undefined);
  }

  readonly #changed = (): void => {
    this.emit('change', undefined);
  };

  #closed(): boolean {
    return this.#state === 'closed';
  }

  // Connecting --------------------------------------------------------------------------------------------------------

  async #open(): Promise<void> {
    try {
      const ticket = await this.#options.ticket();
      if (this.#closed()) return;
      this.#identity = ticket.identity;
      if (this.#own) this.keys.setOwn(ticket.identity, this.#own.index, this.#own.key);
      await this.#room.setE2EEEnabled(true);
      await this.#room
        .connect(ticket.url, ticket.jwt, {
          autoSubscribe: false,
          maxRetries: 0,
          websocketTimeout: 8000,
          peerConnectionTimeout: 10_000,
        })
        .catch((error: unknown) => {
          const refused = error instanceof ConnectionError && error.reason === ConnectionErrorReason.NotAllowed;
          throw new MatrixError(refused ? 'token-service-refused' : 'sfu-unreachable');
        });
      if (this.#closed()) return;
      await this.#sealing();
      // It may have been lost while we waited; nobody would tell us again.
      if (this.#room.state === ConnectionState.Disconnected) throw new MatrixError('sfu-unreachable');
    } catch (error) {
      this.#problem = problemOf(error, 'sfu-unreachable');
      throw new MatrixError(this.#problem);
    }
    this.#problem = undefined;
    for (const participant of this.#room.remoteParticipants.values()) this.#subscribe(participant);
    this.#setState('connected');
    this.#publish();
  }

  /** The worker answered that it seals. It would drop our frames otherwise; this is for saying so. */
  async #sealing(): Promise<void> {
    const until = performance.now() + kSealingMs;
    while (!this.#room.isE2EEEnabled) {
      if (performance.now() > until) {
        await this.#room.disconnect(false);
        throw new MatrixError('internal');
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** livekit gave up: begin anew, with a new ticket, until it works or somebody closes. */
  async #reopen(): Promise<void> {
    this.#setState('reconnecting');
    for (let attempt = 0; !this.#closed(); attempt++) {
      try {
        await this.#open();
        return;
      } catch (error) {
        this.#changed();
        const problem = problemOf(error);
        const wait = isPassing(problem) ? (kAgainMs[Math.min(attempt, kAgainMs.length - 1)] ?? 3000) : 5000;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, wait);
          this.#wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    }
  }

  #listen(): void {
    const room = this.#room;
    room
      .on(RoomEvent.ParticipantConnected, (participant) => {
        this.#subscribe(participant);
        this.#changed();
      })
      .on(RoomEvent.ParticipantDisconnected, (participant) => {
        this.#streams.delete(participant.identity);
        this.#changed();
      })
      .on(RoomEvent.TrackPublished, (_publication, participant) => {
        this.#subscribe(participant);
        this.#changed();
      })
      .on(RoomEvent.TrackUnpublished, (_publication, participant) => {
        this.#subscribe(participant);
        this.#changed();
      })
      .on(RoomEvent.TrackMuted, this.#changed)
      .on(RoomEvent.TrackUnmuted, this.#changed)
      .on(RoomEvent.TrackSubscribed, (track, publication, participant) =>
        this.#onTrack(track, publication, participant),
      )
      .on(RoomEvent.TrackUnsubscribed, (track, publication, participant) => {
        this.#views.delete(track);
        const lane = laneOf(publication.source);
        const streams = this.#streams.get(participant.identity);
        // Its successor may be here already.
        if (lane && streams?.get(lane)?.getTracks().includes(track.mediaStreamTrack)) streams.delete(lane);
        this.#changed();
      })
      .on(RoomEvent.ActiveSpeakersChanged, (speakers) =>
        this.emit(
          'speakers',
          speakers.map(({ identity }) => identity),
        ),
      )
      .on(RoomEvent.SignalReconnecting, () => this.#setState('reconnecting'))
      .on(RoomEvent.Reconnecting, () => this.#setState('reconnecting'))
      .on(RoomEvent.Reconnected, () => {
        for (const participant of room.remoteParticipants.values()) this.#subscribe(participant);
        this.#setState('connected');
        this.#publish();
      })
      .on(RoomEvent.Disconnected, (reason) => {
        this.#sent.clear();
        this.#streams.clear();
        this.#views.clear();
        if (reason === DisconnectReason.DUPLICATE_IDENTITY && this.#options.media && this.#isReplaced()) {
          this.emit('replaced', undefined);
          return;
        }
        // A failed first try is for the caller of connect().
        if (
          this.#state === 'connected' ||
          (this.#state === 'reconnecting' && this.#connectedAt > 0 && !this.#reopening)
        )
          void this.#again();
      });
  }

  /**
   * Coming back throws the other one out, who comes back in turn. Whoever was here first was thrown out first, and gives way;
   * once does not count, because a ticket that was stolen must not end somebody's call at a stroke.
   */
  #isReplaced(): boolean {
    const now = performance.now();
    this.#thrownOut = [...this.#thrownOut.filter((at) => now - at < kReplacedMs), now];
    return !this.#closed() && this.#thrownOut.length >= kReplacedTimes;
  }

  #thrownOut: number[] = [];
  #reopening = false;
  async #again(): Promise<void> {
    this.#reopening = true;
    await this.#reopen();
    this.#reopening = false;
  }

  // Receiving ---------------------------------------------------------------------------------------------------------

  #subscribe(participant: RemoteParticipant): void {
    const wanted = this.#wanted.has(participant.identity);
    // One for each lane, however many the server offers.
    const lanes = new Set(kLanes.map((lane) => participant.getTrackPublication(kSources[lane])));
    for (const publication of participant.trackPublications.values()) {
      const desired = wanted && lanes.has(publication);
      if (publication.isDesired !== desired) publication.setSubscribed(desired);
    }
  }

  #onTrack(track: RemoteTrack, publication: RemoteTrackPublication, { identity }: RemoteParticipant): void {
    const lane = laneOf(publication.source);
    if (!lane || !this.#wanted.has(identity)) return;
    const streams = this.#streams.get(identity) ?? new Map<Lane, MediaStream>();
    this.#streams.set(identity, streams.set(lane, new MediaStream([track.mediaStreamTrack])));
    if (track instanceof RemoteVideoTrack) {
      // Pages draw the stream themselves; livekit learns from `show` how large.
      const view = new View();
      this.#views.set(track, view);
      track.observeElementInfo(view);
    }
    this.#changed();
  }

  // Sending -----------------------------------------------------------------------------------------------------------

  /** One change after the other: livekit mixes up two at a time. */
  #publish(): void {
    clearTimeout(this.#publishAgain);
    this.#publishing = this.#publishing.then(async () => {
      let failed = false;
      for (const lane of kLanes)
        await this.#send(lane).catch(() => {
          failed = true;
        });
      if (!failed) this.#publishAgainMs = kPublishAgainMs;
      if (!failed || this.#closed()) return;
      // The server did not answer in time, say: somebody who thinks that they are heard must be.
      clearTimeout(this.#publishAgain);
      this.#publishAgain = setTimeout(() => this.#publish(), this.#publishAgainMs);
      this.#publishAgainMs = Math.min(kMaxPublishAgainMs, this.#publishAgainMs * 2);
    });
  }

  async #send(lane: Lane): Promise<void> {
    const { media } = this.#options;
    if (!media || this.#state !== 'connected' || !this.#room.isE2EEEnabled || !this.#own) return;
    const local = this.#room.localParticipant;
    const track = wish(media, lane);
    const sent = this.#sent.get(lane);
    if (!track) {
      if (!sent) return;
      if (lane === 'audio' || lane === 'video') {
        // Stays published, so that turning it on again needs no negotiation.
        if (!sent.track.isMuted) await sent.track.mute();
      } else {
        this.#sent.delete(lane);
        await local.unpublishTrack(sent.track, false);
      }
      return;
    }
    if (!sent) {
      const publication = await local.publishTrack(track, this.#publishOptions(lane));
      if (!publication.track) return;
      this.#sent.set(lane, { publication, track: publication.track, source: track });
    } else if (sent.source !== track) {
      sent.source = track;
      await sent.track.replaceTrack(track, true);
    }
    const now = this.#sent.get(lane);
    const muted = lane === 'audio' && media.muted;
    if (now && now.track.isMuted !== muted) await (muted ? now.track.mute() : now.track.unmute());
    // What came meanwhile: a camera that was turned off while it was being published.
    if (wish(media, lane) !== track) await this.#send(lane);
  }

  #publishOptions(lane: Lane): TrackPublishOptions {
    const { codec = 'vp8' } = this.#options;
    const common: TrackPublishOptions = { source: kSources[lane], red: false, backupCodec: false };
    switch (lane) {
      case 'audio':
        return { ...common, dtx: true };
      case 'video':
        return {
          ...common,
          videoCodec: codec,
          simulcast: true,
          videoEncoding: VideoPresets.h720.encoding,
          videoSimulcastLayers: [VideoPresets.h180, VideoPresets.h360],
        };
      case 'screen':
        return {
          ...common,
          videoCodec: codec,
          simulcast: true,
          screenShareEncoding: ScreenSharePresets.h1080fps15.encoding,
          screenShareSimulcastLayers: [ScreenSharePresets.h360fps15],
        };
      case 'screen-audio':
        return { ...common, dtx: false, forceStereo: true };
    }
  }
}

function wish(media: SentMedia, lane: Lane): MediaStreamTrack | undefined {
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
