/**
 * The media of a conference: one Jingle session with the bridge at a time, a new one whenever the focus says so, or we ask.
 *
 * Sealed from the first packet: the connection is made so that an unattached sender sends nothing; every sender is attached to
 * the cipher before it has a track; tracks are put in, and the session accepted, only when our own key is in use. A receiver
 * is attached under its owner's name before the description that lets frames through is applied, and never changes its owner.
 *
 * Without a cipher ('open') the session is an ordinary one: that is a new session by the person's explicit act, never a state
 * into which a sealed one can fall.
 *
 * Threads: main. Errors: `state`, `problem`. Ownership: of its RTCPeerConnection and channel; tracks and cipher are borrowed.
 */
import { Emitter } from '../call/emitter';
import { kLanes, type Lane, laneKind } from '../call/room';
import type { MediaCipherApi } from '../media/types';
import { BridgeChannel, checkChannelUrl } from './bridge_channel';
import {
  iceFailed,
  type Jingle,
  kJingle,
  type MediaDescription,
  type Parties,
  readJingle,
  sessionAccept,
  sessionTerminate,
  sourceChange,
  type Transport,
} from './jingle';
import { chooseMedia, codecsOf, kBridgeMids, kLaneMids, readLocal, remoteOffer, type Section } from './sdp';
import { kBridge, type OwnSource, type RemoteTrack, SourceTable } from './sources';
import {
  type IqAnswer,
  type MediaSessionPort,
  type ReceiverConstraints,
  type SessionEvents,
  StanzaError,
  type XmppPort,
} from './types';
import { attr, type XmlElement, x } from './xml';

/** ICE mends itself after a short break; then a new session is asked for. */
const kInterruptedMs = 8000;
/** The focus answers a restart with a new session within so long, or we ask again. */
const kInitiateMs = 15_000;
const kMaxRestarts = 6;
const kRestartMs = 250;
const kMaxRestartMs = 4000;
const kSsrcWaitMs = 2000;
const kMaxSections = 400;
const kLayerBitrates = [200_000, 500_000, 2_000_000];

export interface SessionOptions {
  xmpp: XmppPort;
  /** The room's JID. */
  room: string;
  me: string;
  /** Real JID, as it is now. */
  jid(): string;
  /** Whether an address in the room is that of the verified focus. */
  isFocus(address: string): boolean;
  cipher: MediaCipherApi | undefined;
  ownKeyReady: Promise<void>;
  iceServers: RTCIceServer[];
  /** The deployment is this computer: its bridge may be without TLS. */
  local: boolean;
  /** For tests. */
  createConnection?: (configuration: RTCConfiguration) => RTCPeerConnection;
}

/** One Jingle session. */
interface Link {
  sid: string;
  parties: Parties;
  connection: RTCPeerConnection;
  cipher: MediaCipherApi | undefined;
  audio: MediaDescription;
  video: MediaDescription;
  transport: Transport;
  data: boolean;
  bridgeSession: string | undefined;
  sections: Section[];
  sessionId: number;
  version: number;
  nextMid: number;
  accepted: boolean;
  senders: Map<Lane, RTCRtpTransceiver>;
  announced: Map<Lane, OwnSource>;
  attached: Map<string, RTCRtpReceiver>;
  channel: BridgeChannel | undefined;
  dataChannel: RTCDataChannel | undefined;
  interrupted: ReturnType<typeof setTimeout> | undefined;
  closed: boolean;
}

/** Source: XEP-0166, section 7.2. */
const kUnknownSession = x('error', {}, x('unknown-session', { xmlns: 'urn:xmpp:jingle:errors:1' }));

const kNames: Record<Lane, string> = { audio: 'a0', video: 'v0', screen: 'v1', 'screen-audio': 'a1' };

export class MediaSession extends Emitter<SessionEvents> implements MediaSessionPort {
  readonly localSources: ReadonlyMap<Lane, string>;
  readonly ownKeyReady: Promise<void>;
  cipher: MediaCipherApi | undefined;
  readonly #options: SessionOptions;
  readonly #table = new SourceTable();
  readonly #tracks = new Map<Lane, MediaStreamTrack>();
  readonly #stop: Array<() => void> = [];
  #link: Link | undefined;
  /** Session that the focus opened and that waits for its turn. */
  #coming: string | undefined;
  #work: Promise<void> = Promise.resolve();
  #round = 0;
  #restarts = 0;
  #waiting: ReturnType<typeof setTimeout> | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #constraints: ReceiverConstraints | undefined;
  readonly #wanted = new Map<string, number>();
  #closed = false;
  #connectedOnce = false;

  constructor(options: SessionOptions) {
    super();
    this.#options = options;
    this.cipher = options.cipher;
    this.ownKeyReady = options.ownKeyReady;
    this.localSources = new Map(kLanes.map((lane) => [lane, `${options.me}-${kNames[lane]}`]));
    this.#stop.push(options.xmpp.onIq(kJingle, (iq, payload) => this.#heard(iq, payload)));
  }

  // --- Signalling ------------------------------------------------------------------------------------------------------------

  #heard(iq: XmlElement, payload: XmlElement): IqAnswer {
    const from = attr(iq, 'from') ?? '';
    // Sessions between two participants are not made: their media would go past the conference's rules.
    if (!this.#options.isFocus(from)) return new StanzaError('service-unavailable', 'cancel');
    const jingle = readJingle(payload);
    if (!jingle) return new StanzaError('bad-request', 'modify');
    if (jingle.action === 'session-initiate') {
      const [audio, video] = (['audio', 'video'] as const).map((kind) =>
        jingle.descriptions.find((one) => one.kind === kind && one.payloads.length > 0),
      );
      if (!audio || !video || !jingle.transport) return new StanzaError('bad-request', 'modify');
      if ([audio, video].some((one) => !chooseMedia(one, !!this.cipher).payloads.length)) {
        // A deployment without Opus or VP8: there is nothing that could be sealed.
        this.emit('state', { state: 'failed' });
        return new StanzaError('not-acceptable', 'modify');
      }
      this.#coming = jingle.sid;
      this.#enqueue(() => this.#open(from, jingle, audio, video, jingle.transport as Transport));
      return true;
    }
    const { sid } = jingle;
    const link = this.#link?.sid === sid ? this.#link : undefined;
    if (!link && this.#coming !== sid) return new StanzaError('item-not-found', 'cancel', kUnknownSession);
    // The session that this is about may still wait for its turn.
    const then = (task: (link: Link) => Promise<void>): true => {
      this.#enqueue(async () => {
        if (this.#link?.sid === sid) await task(this.#link);
      });
      return true;
    };
    switch (jingle.action) {
      case 'source-add':
        return then(async (each) => {
          for (const problem of this.#table.add(jingle.sources, this.#options.me)) this.emit('problem', problem);
          await this.#sync(each);
        });
      case 'source-remove':
        return then(async (each) => {
          this.#table.remove(jingle.sources);
          await this.#sync(each);
        });
      case 'transport-info':
        return then((each) => this.#candidates(each, jingle));
      case 'transport-replace':
        // Another bridge. A new session is the one way that every browser takes, with keys and senders as at the first.
        this.emit('state', { state: 'moved' });
        void this.restart('moved');
        return true;
      case 'session-terminate':
        // At once: an opening that waits for something must not be accepted any more.
        if (this.#coming === sid) this.#coming = undefined;
        if (link) this.#drop(link);
        this.emit('state', { state: 'interrupted' });
        if (this.#coming === undefined && this.#count()) this.#expectSession();
        return true;
      case 'session-info':
        return true;
      default:
        return new StanzaError('feature-not-implemented', 'cancel');
    }
  }

  #enqueue(task: () => Promise<void>): void {
    this.#work = this.#work
      .then(async () => {
        if (!this.#closed) await task();
      })
      .catch(() => {
        // A description that the browser does not take, or a connection that ended meanwhile: from the start, at once the
        // first time, then ever later.
        if (this.#closed) return;
        if (!this.#count()) return;
        const wait = this.#restarts > 1 ? Math.min(kRestartMs * 2 ** this.#restarts, kMaxRestartMs) : 0;
        clearTimeout(this.#again);
        this.#again = setTimeout(() => void this.restart('failed'), wait);
      });
  }

  async #ask(link: Link, payload: XmlElement): Promise<boolean> {
    try {
      await this.#options.xmpp.iq({ to: link.parties.focus, type: 'set', payload });
      return true;
    } catch {
      return false;
    }
  }

  // --- Opening ---------------------------------------------------------------------------------------------------------------

  async #open(
    focus: string,
    jingle: Jingle,
    audio: MediaDescription,
    video: MediaDescription,
    transport: Transport,
  ): Promise<void> {
    // Ended, or overtaken by a newer one, before it had its turn.
    if (this.#coming !== jingle.sid) return;
    this.#coming = undefined;
    clearTimeout(this.#waiting);
    clearTimeout(this.#again);
    if (this.#link) this.#drop(this.#link);
    this.emit('state', { state: 'connecting' });
    const { cipher } = this;
    const configuration: RTCConfiguration = { iceServers: this.#options.iceServers, bundlePolicy: 'max-bundle' };
    const create = this.#options.createConnection ?? ((each) => new RTCPeerConnection(each));
    const connection = create(cipher ? cipher.rtcConfiguration(configuration) : configuration);
    const link: Link = {
      sid: jingle.sid,
      parties: { focus, me: this.#options.jid(), sid: jingle.sid },
      connection,
      cipher,
      audio: chooseMedia(audio, !!cipher),
      video: chooseMedia(video, !!cipher),
      transport,
      data: jingle.data && transport.sctpPort !== undefined,
      bridgeSession: jingle.bridgeSession,
      sections: [],
      sessionId: ++this.#round,
      version: 0,
      nextMid: 10,
      accepted: false,
      senders: new Map(),
      announced: new Map(),
      attached: new Map(),
      channel: undefined,
      dataChannel: undefined,
      interrupted: undefined,
      closed: false,
    };
    this.#link = link;
    this.#table.clear();
    this.#table.own = new Set();
    for (const problem of this.#table.add(jingle.sources, this.#options.me)) this.emit('problem', problem);
    connection.onconnectionstatechange = () => this.#onState(link);
    connection.oniceconnectionstatechange = () => this.#onState(link);
    if (link.data) {
      const channel = connection.createDataChannel('JVB data channel', {
        protocol: 'http://jitsi.org/protocols/colibri',
      });
      link.dataChannel = channel;
    }
    this.#place(link);
    await connection.setRemoteDescription({ type: 'offer', sdp: this.#offer(link) });
    if (link.closed) return;
    this.#attachLanes(link);
    this.#attachReceivers(link);
    // Nothing of ours goes anywhere before our key seals it.
    if (cipher) await this.ownKeyReady;
    if (link.closed || this.#coming !== undefined) return;
    const lanes = kLanes.filter((lane) => this.#tracks.has(lane));
    for (const lane of lanes) this.#want(link, lane);
    await this.#answer(link);
    for (const lane of lanes) await this.#fill(link, lane);
    if (link.closed) return;
    await this.#limit(link);
    if (link.closed) return;
    const own = await this.#ownSources(link);
    const local = readLocal(connection.localDescription?.sdp ?? '');
    if (link.closed || this.#coming !== undefined) return;
    if (!local) throw new Error('no local description');
    const payload = sessionAccept(
      link.parties,
      local.transport,
      local.descriptions,
      own,
      link.data ? (transport.sctpPort ?? 5000) : undefined,
    );
    this.#openChannel(link);
    const accepted = await this.#ask(link, payload);
    if (link.closed) return;
    if (!accepted) throw new Error('not accepted');
    link.accepted = true;
    // What came while we were at it.
    await this.#sync(link);
  }

  #offer(link: Link): string {
    return remoteOffer({
      version: ++link.version,
      sessionId: link.sessionId,
      audio: link.audio,
      video: link.video,
      transport: link.transport,
      data: link.data,
      bridge: this.#table.set,
      sections: link.sections,
      simulcast: true,
    });
  }

  /** Senders and the bridge's own receivers. Before any track, and before the answer. */
  #attachLanes(link: Link): void {
    const { connection, cipher } = link;
    const { me } = this.#options;
    for (const transceiver of connection.getTransceivers()) {
      const bridge = (['audio', 'video'] as const).find((one) => kBridgeMids[one] === transceiver.mid);
      // No key is the bridge's, so nothing of it is ever played.
      if (bridge) cipher?.attachReceiver(transceiver.receiver, { participant: kBridge, track: bridge, kind: bridge });
      const lane = kLanes.find((one) => kLaneMids[one] === transceiver.mid);
      if (!lane) continue;
      cipher?.attachSender(transceiver.sender, { participant: me, track: lane, kind: laneKind(lane) });
      transceiver.direction = 'inactive';
      link.senders.set(lane, transceiver);
    }
    if (link.senders.size !== kLanes.length) throw new Error('lanes');
    if (cipher) {
      const codecs = codecsOf([link.audio, link.video]);
      cipher.setPayloadTypes(codecs, { participant: me });
      cipher.setPayloadTypes(codecs, { participant: kBridge });
    }
  }

  /** A lane will send from the next answer on. */
  #want(link: Link, lane: Lane): void {
    const transceiver = link.senders.get(lane);
    if (transceiver) transceiver.direction = 'sendonly';
  }

  /**
   * Gives a lane its track. Only after the answer: when Chromium starts a sender that has a track already, it starts first and puts
   * the transform in afterwards, and a frame of sound that is just ready leaves as it is.
   */
  async #fill(link: Link, lane: Lane): Promise<void> {
    const track = this.#tracks.get(lane);
    if (track && !link.closed) await link.senders.get(lane)?.sender.replaceTrack(track);
  }

  async #answer(link: Link): Promise<void> {
    const { connection } = link;
    await connection.setLocalDescription(await connection.createAnswer());
    if (!link.closed) await this.#limit(link);
  }

  /** Lanes that send and were not announced: with their SSRCs, from the description or from what the sender says of itself. */
  async #ownSources(link: Link): Promise<OwnSource[]> {
    const written = readLocal(link.connection.localDescription?.sdp ?? '')?.ssrcs;
    const result: OwnSource[] = [];
    for (const [lane, transceiver] of link.senders) {
      if (link.announced.has(lane) || !transceiver.sender.track) continue;
      const found = written?.get(kLaneMids[lane]) ?? (await this.#ssrcsOf(link, transceiver.sender));
      if (!found?.ssrcs.length) continue;
      const kind = laneKind(lane);
      const source: OwnSource = {
        kind,
        name: this.localSources.get(lane) as string,
        msid: `${this.#options.me}-${kind}-${lane.startsWith('screen') ? 1 : 0}-1 ${crypto.randomUUID()}`,
        ssrcs: found.ssrcs,
        rtx: found.rtx.length === found.ssrcs.length ? found.rtx : [],
        desktop: lane === 'screen',
      };
      link.announced.set(lane, source);
      result.push(source);
    }
    this.#table.own = new Set([...link.announced.values()].flatMap((one) => [...one.ssrcs, ...one.rtx]));
    return result;
  }

  /** Chromium writes no SSRC of a source in several sizes, but counts under them at once. */
  async #ssrcsOf(link: Link, sender: RTCRtpSender): Promise<{ ssrcs: number[]; rtx: number[] } | undefined> {
    const layers = Math.max(sender.getParameters().encodings.length, 1);
    const until = performance.now() + kSsrcWaitMs;
    while (!link.closed) {
      const found: Array<{ rid: string; ssrc: number; rtx: number | undefined }> = [];
      for (const [, entry] of await sender.getStats()) {
        const one = entry as { type: string; rid?: string; ssrc?: number; rtxSsrc?: number };
        if (one.type === 'outbound-rtp' && one.ssrc)
          found.push({ rid: one.rid ?? '', ssrc: one.ssrc, rtx: one.rtxSsrc });
      }
      if (found.length >= layers || performance.now() > until) {
        found.sort((a, b) => (a.rid < b.rid ? -1 : 1));
        const rtx = found.map((one) => one.rtx).filter((one) => one !== undefined);
        return { ssrcs: found.map((one) => one.ssrc), rtx };
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return undefined;
  }

  #openChannel(link: Link): void {
    const url = link.transport.channel ? checkChannelUrl(link.transport.channel, this.#options.local) : undefined;
    const channel = link.dataChannel
      ? new BridgeChannel({ channel: link.dataChannel })
      : url
        ? new BridgeChannel({ url })
        : undefined;
    if (!channel) return;
    link.channel = channel;
    for (const kind of ['dominantSpeaker', 'forwarded', 'endpointMessage'] as const) {
      channel.on(kind, (event) => this.emit(kind, event as never));
    }
    const names = new Set(this.localSources.values());
    channel.on('senderConstraints', ({ source, maxHeight }) => {
      if (!names.has(source)) return;
      this.#wanted.set(source, maxHeight);
      this.#enqueue(() => this.#limit(link));
      this.emit('senderConstraints', { source, maxHeight });
    });
    if (this.#constraints) channel.setConstraints(this.#constraints);
    for (const [lane, { kind, name }] of link.announced) {
      if (kind === 'video') channel.setVideoType(name, lane === 'screen' ? 'desktop' : 'camera');
    }
  }

  // --- Others' sources -------------------------------------------------------------------------------------------------------

  /** Brings sections in line with the table; true when something changed. */
  #place(link: Link): boolean {
    const tracks = new Map<string, RemoteTrack>(this.#table.tracks().map((one) => [one.key, one]));
    const freed = new Set<Section>();
    let changed = false;
    for (const section of link.sections) {
      if (!section.track) continue;
      const now = tracks.get(section.track.key);
      if (now && now.ssrc === section.track.ssrc && now.rtx === section.track.rtx) {
        tracks.delete(section.track.key);
        continue;
      }
      const { owner, name } = section.track;
      section.track = undefined;
      link.attached.delete(section.mid);
      freed.add(section);
      changed = true;
      this.emit('ended', { owner, source: name });
    }
    for (const track of tracks.values()) {
      // A free place is taken under a new name: for the browser that is a new section with a new receiver. What was freed
      // in this very round stays free until the browser has seen that.
      const free = link.sections.find((one) => !one.track && one.kind === track.kind && !freed.has(one));
      if (free) {
        free.mid = `${link.nextMid++}`;
        free.track = track;
      } else if (link.sections.length < kMaxSections) {
        link.sections.push({ mid: `${link.nextMid++}`, kind: track.kind, track });
      } else {
        this.emit('problem', { reason: 'too-many', owner: track.owner });
        continue;
      }
      changed = true;
    }
    return changed;
  }

  #attachReceivers(link: Link): void {
    const { connection, cipher } = link;
    for (const section of link.sections) {
      const { track, mid } = section;
      if (!track || link.attached.has(mid)) continue;
      const transceiver = connection.getTransceivers().find((one) => one.mid === mid);
      if (!transceiver) continue;
      const { owner, name, kind, videoType } = track;
      if (cipher) {
        cipher.attachReceiver(transceiver.receiver, { participant: owner, track: name, kind });
        cipher.setPayloadTypes(codecsOf([link.audio, link.video]), { participant: owner });
      }
      link.attached.set(mid, transceiver.receiver);
      const stream = new MediaStream([transceiver.receiver.track]);
      this.emit('track', { owner, source: name, kind, ...(videoType && { videoType }), stream });
    }
  }

  async #sync(link: Link): Promise<void> {
    if (link.closed || !link.accepted) return;
    for (let rounds = 0; rounds < 3 && this.#place(link); ++rounds) {
      await link.connection.setRemoteDescription({ type: 'offer', sdp: this.#offer(link) });
      if (link.closed) return;
      this.#attachReceivers(link);
      await this.#answer(link);
      if (link.closed) return;
    }
  }

  async #candidates(link: Link, jingle: Jingle): Promise<void> {
    const { transport } = jingle;
    if (!transport || link.closed || transport.ufrag !== link.transport.ufrag) return;
    for (const one of transport.candidates) {
      const tcp = one.tcptype ? ` tcptype ${one.tcptype}` : '';
      const text = `candidate:${one.foundation} ${one.component} ${one.transport} ${one.priority} ${one.ip} ${one.port} typ ${one.type}${tcp}`;
      await link.connection.addIceCandidate({ candidate: text, sdpMid: kLaneMids.audio }).catch(() => {});
    }
  }

  // --- Our own media ---------------------------------------------------------------------------------------------------------

  async setTrack(lane: Lane, track: MediaStreamTrack | undefined): Promise<void> {
    if (track) this.#tracks.set(lane, track);
    else this.#tracks.delete(lane);
    await new Promise<void>((resolve) => {
      this.#enqueue(async () => {
        try {
          await this.#applyTrack(lane);
        } finally {
          resolve();
        }
      });
    });
  }

  async #applyTrack(lane: Lane): Promise<void> {
    const link = this.#link;
    const transceiver = link?.senders.get(lane);
    if (!link?.accepted || !transceiver || link.closed) return;
    const track = this.#tracks.get(lane);
    if (link.announced.has(lane) || !track) {
      await transceiver.sender.replaceTrack(track ?? null);
      if (link.closed) return;
      await this.#limit(link);
      return;
    }
    this.#want(link, lane);
    await link.connection.setRemoteDescription({ type: 'offer', sdp: this.#offer(link) });
    if (link.closed) return;
    await this.#answer(link);
    await this.#fill(link, lane);
    if (link.closed) return;
    await this.#limit(link);
    const added = await this.#ownSources(link);
    if (link.closed || !added.length) return;
    for (const { kind, name } of added) {
      if (kind === 'video') link.channel?.setVideoType(name, lane === 'screen' ? 'desktop' : 'camera');
    }
    if (!(await this.#ask(link, sourceChange('source-add', link.parties, added)))) throw new Error('source-add');
  }

  /** What nobody looks at is not encoded. */
  async #limit(link: Link): Promise<void> {
    for (const [lane, transceiver] of link.senders) {
      if (laneKind(lane) !== 'video' || transceiver.direction === 'inactive') continue;
      const { track } = transceiver.sender;
      const parameters = transceiver.sender.getParameters();
      const count = parameters.encodings.length;
      const wanted = this.#wanted.get(this.localSources.get(lane) as string);
      const height = track?.getSettings().height ?? 720;
      let changed = false;
      for (const [index, encoding] of parameters.encodings.entries()) {
        const below = height / 2 ** (count - index);
        // Firefox would send a black picture every second of a source without track.
        const active = !!track && (wanted === undefined || (wanted > 0 && (index === 0 || below < wanted)));
        if (encoding.active !== active) {
          encoding.active = active;
          changed = true;
        }
        const bitrate = count === 1 ? (lane === 'screen' ? 2_500_000 : 1_500_000) : kLayerBitrates[index];
        if (bitrate !== undefined && encoding.maxBitrate !== bitrate) {
          encoding.maxBitrate = bitrate;
          changed = true;
        }
      }
      if (changed) await transceiver.sender.setParameters(parameters).catch(() => {});
    }
  }

  setConstraints(constraints: ReceiverConstraints): void {
    this.#constraints = constraints;
    this.#link?.channel?.setConstraints(constraints);
  }

  sendEndpointMessage(to: string | undefined, data: unknown): void {
    this.#link?.channel?.sendMessage(to, data);
  }

  async stats(): Promise<RTCStatsReport | undefined> {
    return this.#link?.connection.getStats();
  }

  // --- Breaks ----------------------------------------------------------------------------------------------------------------

  #onState(link: Link): void {
    if (link.closed || this.#link !== link) return;
    const { connectionState, iceConnectionState } = link.connection;
    if (connectionState === 'connected') {
      clearTimeout(link.interrupted);
      link.interrupted = undefined;
      this.#restarts = 0;
      this.#connectedOnce = true;
      this.emit('state', { state: 'connected' });
    } else if (connectionState === 'failed' || iceConnectionState === 'failed') void this.#lost(link);
    else if (connectionState === 'disconnected' && !link.interrupted) {
      this.emit('state', { state: 'interrupted' });
      link.interrupted = setTimeout(() => void this.#lost(link), kInterruptedMs);
    }
  }

  async #lost(link: Link): Promise<void> {
    if (link.closed || this.#link !== link) return;
    clearTimeout(link.interrupted);
    this.emit('state', { state: 'interrupted' });
    void this.#ask(link, iceFailed(link.parties, link.bridgeSession));
    await this.restart('connectivity-error');
  }

  async restart(reason: string): Promise<void> {
    const link = this.#link;
    if (this.#closed) return;
    if (link) {
      const text = reason === 'connectivity-error' ? 'ICE failed' : 'restart required';
      const payload = sessionTerminate(link.parties, {
        reason: reason === 'connectivity-error' ? 'connectivity-error' : 'success',
        text,
        restart: true,
        bridgeSession: link.bridgeSession,
      });
      this.#drop(link);
      await this.#ask(link, payload);
    }
    if (reason === 'failed' || this.#count()) this.#expectSession();
  }

  /** One more attempt; false when it is one too many. */
  #count(): boolean {
    if (++this.#restarts <= kMaxRestarts) return true;
    this.emit('state', { state: 'failed' });
    return false;
  }

  /** The focus owes us a session. */
  #expectSession(): void {
    clearTimeout(this.#waiting);
    if (this.#closed || this.#link) return;
    this.#waiting = setTimeout(() => {
      if (!this.#link && !this.#closed) this.emit('state', { state: this.#connectedOnce ? 'failed' : 'interrupted' });
    }, kInitiateMs);
  }

  /** The stream to the server is new: the session is gone at the other end. A new one comes after the room was joined again. */
  reset(): void {
    this.#coming = undefined;
    if (this.#link) this.#drop(this.#link);
    this.#restarts = 0;
    clearTimeout(this.#waiting);
  }

  #drop(link: Link): void {
    if (link.closed) return;
    link.closed = true;
    clearTimeout(link.interrupted);
    link.channel?.close();
    for (const { sender } of link.senders.values()) void sender.replaceTrack(null).catch(() => {});
    link.connection.close();
    for (const { track } of link.sections) if (track) this.emit('ended', { owner: track.owner, source: track.name });
    if (this.#link === link) this.#link = undefined;
    this.#wanted.clear();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#waiting);
    clearTimeout(this.#again);
    const link = this.#link;
    for (const stop of this.#stop.splice(0)) stop();
    if (link) {
      const payload = sessionTerminate(link.parties, {
        reason: 'success',
        text: 'left',
        restart: false,
        bridgeSession: link.bridgeSession,
      });
      this.#drop(link);
      // Not waited for: whoever leaves does not depend on an answer.
      void this.#ask(link, payload);
    }
    this.clearListeners();
  }
}
