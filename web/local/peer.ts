/**
 * The connection to one other member: handshake, sealed channel, one RTCPeerConnection with four fixed lanes (microphone,
 * camera, screen, sound of the screen).
 *
 * The member with the smaller id makes every offer, so offers never cross. Both sides attach the media cipher to a lane
 * while it has no track yet and before anything is negotiated; tracks are put in and taken out by `replaceTrack`, which
 * needs no negotiation. So there is no moment in which a sender with a track has no cipher.
 *
 * Threads: main. Errors: events. Ownership: owns its connection; tracks of this person stay with LocalMedia.
 */

import { BadgeMeter } from '../call/badge';
import { Emitter } from '../call/emitter';
import { kLanes, type Lane, laneKind } from '../call/room';
import type { Bytes } from '../keys';
import { Handshake, type HandshakeState, type Identity, type SealedChannel } from '../keys';
import type { CodecName } from '../media/engine_types';
import type { MediaCipherApi } from '../media/types';
import {
  type Candidate,
  type MemberState,
  readEnvelope,
  readSealed,
  type SealedContent,
  writeSealed,
} from './messages';
import { outgoing, payloadTypes, wantedCodecs } from './sdp';

export type LinkState = 'new' | 'connecting' | 'connected' | 'lost';

export interface PeerEvents {
  handshake: HandshakeState;
  link: LinkState;
  state: MemberState;
  key: { epoch: number; index: number; material: Bytes };
  'key-ack': { epoch: number };
  /** The connection cannot be set up; a text for developers, without addresses or keys. */
  failed: string;
}

export interface PeerOptions {
  me: string;
  id: string;
  room: string;
  secret: Bytes;
  identity: Identity;
  cipher: MediaCipherApi;
  /** Hands a text to the signalling server; false when it is away. */
  relay(body: string): boolean;
  /** For tests. */
  createConnection?: (configuration: RTCConfiguration) => RTCPeerConnection;
}

/** How long a broken connection may heal by itself before ICE starts again. */
const kRestartAfterMs = 4000;

export class Peer extends Emitter<PeerEvents> {
  readonly id: string;
  readonly meter = new BadgeMeter();
  readonly joinedAt = performance.now();
  state: MemberState | undefined;
  /** Everything the person sends: for elements, one stream a lane. */
  readonly streams = new Map<Lane, MediaStream>();

  readonly #options: PeerOptions;
  readonly #offers: boolean;
  readonly #handshake: Handshake;
  #channel: SealedChannel | undefined;
  #connection: RTCPeerConnection | undefined;
  #senders = new Map<Lane, RTCRtpSender>();
  #tracks = new Map<Lane, MediaStreamTrack | null>();
  #link: LinkState = 'new';
  #connectedAt = 0;
  #round = 0;
  #answered = 0;
  #earlyCandidates: Candidate[] = [];
  #earlyConfirm: string | undefined;
  #confirmation: string | undefined;
  #work: Promise<void> = Promise.resolve();
  #restartTimer: ReturnType<typeof setTimeout> | undefined;
  #codecs = new Map<number, CodecName>();
  #maxBitrate = 1_500_000;
  #keyEpoch = 0;
  #closed = false;

  constructor(options: PeerOptions) {
    super();
    this.#options = options;
    this.id = options.id;
    this.#offers = options.me < options.id;
    this.#handshake = new Handshake({
      secret: options.secret,
      room: options.room,
      identity: options.identity,
      me: options.me,
      peer: options.id,
    });
  }

  get handshake(): HandshakeState {
    return this.#handshake.state;
  }
  get link(): LinkState {
    return this.#link;
  }
  get connectedFor(): number {
    return this.#link === 'connected' ? performance.now() - this.#connectedAt : 0;
  }
  /** Newest state of this member's key that was accepted. */
  get keyEpoch(): number {
    return this.#keyEpoch;
  }
  set keyEpoch(epoch: number) {
    this.#keyEpoch = epoch;
  }

  /** First contact, and again after signalling was away: repeats whatever the other side may have missed. */
  greet(): void {
    if (this.#closed) return;
    if (this.#handshake.state === 'waiting') {
      this.#relay({ kind: 'hello', data: this.#handshake.hello() });
      if (this.#confirmation !== undefined) this.#relay({ kind: 'confirm', data: { mac: this.#confirmation } });
    } else if (this.#handshake.state === 'confirmed') {
      // The other side may still wait for our half.
      if (this.#confirmation !== undefined) this.#relay({ kind: 'confirm', data: { mac: this.#confirmation } });
      const offer = this.#connection?.localDescription;
      if (this.#offers && this.#connection?.signalingState === 'have-local-offer' && offer)
        this.send({ kind: 'offer', data: { round: this.#round, sdp: outgoing(offer.sdp) } });
      else if (this.#link === 'lost') this.#restart();
    }
  }

  /** A relayed text from this member, as far as the server says. */
  receive(body: string): void {
    // One after the other: a confirmation must not overtake its hello.
    this.#enqueue(() => this.#receive(body));
  }

  send(message: SealedContent): void {
    const channel = this.#channel;
    if (!channel || this.#closed) return;
    void channel.seal(writeSealed(message)).then((sealed) => {
      if (!this.#closed) this.#relay({ kind: 'sealed', data: sealed });
    });
  }

  setTrack(lane: Lane, track: MediaStreamTrack | null): void {
    if ((this.#tracks.get(lane) ?? null) === track) return;
    this.#tracks.set(lane, track);
    void this.#senders
      .get(lane)
      ?.replaceTrack(track)
      .catch(() => this.emit('failed', `replaceTrack ${lane}`));
  }

  /** Video is what costs: with more people each gets less. */
  setMaxBitrate(bitsPerSecond: number): void {
    this.#maxBitrate = bitsPerSecond;
    void this.#applyBitrate();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#restartTimer);
    for (const sender of this.#senders.values()) void sender.replaceTrack(null).catch(() => {});
    this.#connection?.close();
    this.#senders.clear();
    this.#tracks.clear();
    for (const stream of this.streams.values()) for (const track of stream.getTracks()) track.stop();
    this.streams.clear();
    this.clearListeners();
  }

  #relay(envelope: object): void {
    this.#options.relay(JSON.stringify(envelope));
  }

  #enqueue(task: () => Promise<void>): void {
    this.#work = this.#work
      .then(async () => {
        if (!this.#closed) await task();
      })
      .catch((error: unknown) => {
        if (this.#closed) return;
        this.emit('failed', error instanceof Error ? error.name : 'unknown');
        // Setting up did not work out, for instance a description that the other browser does not take: once more.
        if (this.#connection && this.#link !== 'connected') {
          this.#setLink('lost');
          this.#planRestart(kRestartAfterMs);
        }
      });
  }

  async #receive(body: string): Promise<void> {
    const envelope = readEnvelope(body);
    if (!envelope) return;
    switch (envelope.kind) {
      case 'hello': {
        const before = this.#handshake.state;
        const confirmation = await this.#handshake.onHello(envelope.data);
        if (this.#closed) return;
        if (confirmation !== null) {
          this.#confirmation = confirmation;
          this.#relay({ kind: 'confirm', data: { mac: confirmation } });
        }
        if (this.#handshake.state !== before) this.emit('handshake', this.#handshake.state);
        const early = this.#earlyConfirm;
        this.#earlyConfirm = undefined;
        if (early !== undefined) await this.#confirm(early);
        return;
      }
      case 'confirm':
        if (this.#confirmation === undefined) this.#earlyConfirm = envelope.data.mac;
        else await this.#confirm(envelope.data.mac);
        return;
      case 'sealed': {
        const text = await this.#channel?.open(envelope.data);
        const message = text ? readSealed(text) : null;
        if (message && !this.#closed) await this.#handle(message);
        return;
      }
    }
  }

  async #confirm(mac: string): Promise<void> {
    const before = this.#handshake.state;
    const state = await this.#handshake.onConfirm(mac);
    if (this.#closed || state === before) return;
    this.#channel = this.#handshake.channel;
    this.emit('handshake', state);
    if (state === 'confirmed') await this.#connect();
  }

  async #handle(message: SealedContent): Promise<void> {
    switch (message.kind) {
      case 'key':
        return this.emit('key', message.data);
      case 'key-ack':
        return this.emit('key-ack', message.data);
      case 'state':
        if (this.state && message.data.version <= this.state.version) return;
        this.state = message.data;
        return this.emit('state', message.data);
      case 'restart':
        if (this.#offers) this.#restart();
        return;
      case 'offer':
        return this.#onOffer(message.data.round, message.data.sdp);
      case 'answer':
        return this.#onAnswer(message.data.round, message.data.sdp);
      case 'candidate':
        return this.#onCandidate(message.data);
    }
  }

  // Connection --------------------------------------------------------------------------------------------------------

  async #connect(): Promise<void> {
    // No servers: candidates of this machine and its network only (nobody else learns that there is a call).
    const configuration = this.#options.cipher.rtcConfiguration({ iceServers: [], bundlePolicy: 'max-bundle' });
    const create = this.#options.createConnection ?? ((each) => new RTCPeerConnection(each));
    const connection = create(configuration);
    this.#connection = connection;
    connection.onicecandidate = ({ candidate }) => {
      if (!candidate || candidate.candidate === '') return;
      const { sdpMid, sdpMLineIndex, usernameFragment } = candidate;
      this.send({
        kind: 'candidate',
        data: { candidate: candidate.candidate, sdpMid, sdpMLineIndex, usernameFragment },
      });
    };
    connection.onconnectionstatechange = () => this.#onConnectionState();
    connection.oniceconnectionstatechange = () => this.#onConnectionState();
    this.#setLink('connecting');
    if (!this.#offers) return;
    for (const lane of kLanes) {
      const transceiver = connection.addTransceiver(laneKind(lane), { direction: 'sendrecv' });
      this.#attach(lane, transceiver);
    }
    await this.#offer();
  }

  /** Cipher first, codecs next, track last. */
  #attach(lane: Lane, transceiver: RTCRtpTransceiver): void {
    const { cipher, me } = this.#options;
    const kind = laneKind(lane);
    cipher.attachSender(transceiver.sender, { participant: me, track: `${lane}.${this.id}`, kind });
    cipher.attachReceiver(transceiver.receiver, { participant: this.id, track: lane, kind });
    const codecs = wantedCodecs(RTCRtpReceiver.getCapabilities(kind)?.codecs ?? []);
    if (codecs.length > 0) transceiver.setCodecPreferences(codecs);
    this.#senders.set(lane, transceiver.sender);
    this.streams.set(lane, new MediaStream([transceiver.receiver.track]));
    const track = this.#tracks.get(lane);
    if (track) void transceiver.sender.replaceTrack(track).catch(() => this.emit('failed', `replaceTrack ${lane}`));
  }

  async #offer(): Promise<void> {
    const connection = this.#connection;
    if (!connection || this.#closed) return;
    await connection.setLocalDescription(await connection.createOffer());
    this.#round++;
    this.#learnCodecs();
    const sdp = connection.localDescription?.sdp ?? '';
    this.send({ kind: 'offer', data: { round: this.#round, sdp: outgoing(sdp) } });
  }

  async #onOffer(round: number, sdp: string): Promise<void> {
    const connection = this.#connection;
    if (!connection || this.#offers) return;
    if (round <= this.#answered) {
      // Asked again: the answer got lost.
      const answer = connection.localDescription;
      if (round === this.#answered && answer) this.send({ kind: 'answer', data: { round, sdp: outgoing(answer.sdp) } });
      return;
    }
    await connection.setRemoteDescription({ type: 'offer', sdp });
    if (this.#closed) return;
    if (this.#senders.size === 0) {
      const transceivers = connection.getTransceivers();
      if (transceivers.length !== kLanes.length) throw new Error('lanes');
      for (const [i, lane] of kLanes.entries()) {
        const transceiver = transceivers[i];
        if (transceiver?.receiver.track.kind !== laneKind(lane)) throw new Error('lanes');
        transceiver.direction = 'sendrecv';
        this.#attach(lane, transceiver);
      }
    }
    await connection.setLocalDescription(await connection.createAnswer());
    if (this.#closed) return;
    this.#answered = round;
    this.#learnCodecs();
    this.send({ kind: 'answer', data: { round, sdp: outgoing(connection.localDescription?.sdp ?? '') } });
    await this.#addEarlyCandidates();
    await this.#applyBitrate();
  }

  async #onAnswer(round: number, sdp: string): Promise<void> {
    const connection = this.#connection;
    if (!connection || !this.#offers || round !== this.#round) return;
    if (connection.signalingState !== 'have-local-offer') return;
    await connection.setRemoteDescription({ type: 'answer', sdp });
    if (this.#closed) return;
    this.#learnCodecs();
    await this.#addEarlyCandidates();
    await this.#applyBitrate();
  }

  async #onCandidate(candidate: Candidate): Promise<void> {
    const connection = this.#connection;
    if (!connection?.remoteDescription) {
      if (this.#earlyCandidates.length < 64) this.#earlyCandidates.push(candidate);
      return;
    }
    // A candidate of an earlier ICE round or of a family this machine lacks is no fault.
    await connection.addIceCandidate(candidate).catch(() => {});
  }

  async #addEarlyCandidates(): Promise<void> {
    for (const candidate of this.#earlyCandidates.splice(0)) await this.#onCandidate(candidate);
  }

  /** Firefox does not say which codec a frame has, only its payload type. */
  #learnCodecs(): void {
    const { cipher, me } = this.#options;
    for (const description of [this.#connection?.localDescription, this.#connection?.remoteDescription])
      for (const [type, codec] of payloadTypes(description?.sdp ?? '')) this.#codecs.set(type, codec);
    cipher.setPayloadTypes(this.#codecs, { participant: this.id });
    cipher.setPayloadTypes(this.#codecs, { participant: me });
  }

  #onConnectionState(): void {
    const connection = this.#connection;
    if (!connection || this.#closed) return;
    const { connectionState, iceConnectionState } = connection;
    if (connectionState === 'connected') {
      clearTimeout(this.#restartTimer);
      this.#restartTimer = undefined;
      if (this.#link !== 'connected') this.#connectedAt = performance.now();
      this.#setLink('connected');
    } else if (connectionState === 'failed' || iceConnectionState === 'failed') {
      this.#setLink('lost');
      this.#restart();
    } else if (connectionState === 'disconnected' || iceConnectionState === 'disconnected') {
      this.#setLink('lost');
      this.#planRestart(kRestartAfterMs);
    }
  }

  #restart(): void {
    if (this.#closed || !this.#connection) return;
    if (!this.#offers) {
      this.send({ kind: 'restart', data: {} });
    } else {
      this.#enqueue(async () => {
        const connection = this.#connection;
        if (!connection || connection.signalingState === 'closed') return;
        if (connection.signalingState === 'have-local-offer')
          await connection.setLocalDescription({ type: 'rollback' });
        connection.restartIce();
        await this.#offer();
      });
    }
    // Once is not enough when the network or the server is still away.
    this.#planRestart(2 * kRestartAfterMs);
  }

  #planRestart(afterMs: number): void {
    this.#restartTimer ??= setTimeout(() => {
      this.#restartTimer = undefined;
      if (this.#link === 'lost') this.#restart();
    }, afterMs);
  }

  #setLink(link: LinkState): void {
    if (link === this.#link) return;
    this.#link = link;
    this.emit('link', link);
  }

  async #applyBitrate(): Promise<void> {
    for (const [lane, sender] of this.#senders) {
      if (laneKind(lane) !== 'video') continue;
      const parameters = sender.getParameters();
      const encoding = parameters.encodings?.[0];
      if (!encoding) continue; // before negotiation
      encoding.maxBitrate = lane === 'screen' ? Math.max(this.#maxBitrate, 800_000) : this.#maxBitrate;
      await sender.setParameters(parameters).catch(() => {});
    }
  }
}
