// The bridge: forwards what a participant sends to the others, without seeing into it. ICE, DTLS and SRTP are werift's
// objects below RTCPeerConnection, because those keep the SSRC of a forwarded packet.
//
// What it does as the genuine one does: simulcast is projected on one SSRC (projection.mjs), a receiver gets what its
// constraints and lastN say, senders are told what somebody looks at, PLIs reach the layer in use, the channel to each client
// is a WebSocket or a data channel. What it does not: retransmissions, bandwidth estimation (it sends REMB with a fixed rate).
import { randomBytes, randomUUID } from 'node:crypto';
import { IceCandidate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport, RTCSctpTransport, RtpHeader } from 'werift';
import { Projection, startsVp8Key } from './projection.mjs';
import { pli, remb } from './rtcp.mjs';
import { Witness } from './witness.mjs';

export const kOpus = 111;
/** Payload types that everybody is offered: [of the codec, of its retransmissions]. */
export const kVideo = { VP8: [100, 96], VP9: [101, 97], H264: [107, 99], AV1: [41, 42] };
const kRtx = new Set(Object.values(kVideo).map(([, rtx]) => rtx));
const kVp8 = kVideo.VP8[0];
const kIp = '127.0.0.1';
const kHeights = [180, 360, 720];
/** A layer of which nothing came for so long is off. */
const kAliveMs = 700;
const kSpeakerMs = 900;
const kAudioLevel = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level';

/** One participant's transport at the bridge. */
export class Endpoint {
  /** @type {Map<number, Projection>} by primary SSRC of who is watched */
  projections = new Map();
  sources = [];
  groups = [];
  lastSeen = new Map();
  lastAsked = new Map();
  constraints = { lastN: -1, defaultMaxHeight: 180, maxHeights: new Map(), onStage: [], selected: [] };
  told = { sender: new Map(), forwarded: '' };
  loudness = 0;
  loudAt = 0;
  channel;
  up = false;

  constructor(bridge, { room, nick, sctp }) {
    this.bridge = bridge;
    this.room = room;
    this.nick = nick;
    this.id = randomUUID();
    this.password = randomBytes(12).toString('base64url');
    this.wantsSctp = sctp;
  }

  async gather() {
    this.gatherer = new RTCIceGatherer({
      // A full agent that decides, as the genuine bridge: clients that answer wait for its nomination.
      iceLite: false,
      useTcp: false,
      useIpv6: false,
      // Firefox does not use the loopback address; Chromium may have no other.
      additionalHostAddresses: [kIp],
    });
    this.ice = new RTCIceTransport(this.gatherer);
    this.ice.connection.iceControlling = true;
    const certificate = await this.bridge.certificate;
    // AEAD_AES_128_GCM, AES128_CM_HMAC_SHA1_80
    this.dtls = new RTCDtlsTransport({}, this.ice, certificate, [7, 1]);
    await this.ice.gather();
    const { usernameFragment: ufrag, password: pwd } = this.ice.localParameters;
    const fingerprint = certificate.getFingerprints().find((one) => one.algorithm === 'sha-256').value;
    return { ufrag, pwd, fingerprint, candidates: this.ice.localCandidates };
  }

  async start({ ufrag, pwd, fingerprint, hash, setup, candidates, sctpPort }) {
    this.ice.setRemoteParams({ usernameFragment: ufrag, password: pwd, iceLite: false });
    for (const one of candidates) await this.addCandidate(one);
    this.dtls.role = setup === 'active' ? 'server' : 'client';
    const role = setup === 'active' ? 'client' : 'server';
    this.dtls.setRemoteParams({ role, fingerprints: [{ algorithm: hash, value: fingerprint }] });
    this.dtls.onRtp.subscribe((packet) => this.#onRtp(packet));
    this.dtls.onRtcp.subscribe((packet) => this.#onRtcp(packet));
    await this.ice.start();
    if (this.wantsSctp && sctpPort) {
      this.sctp = new RTCSctpTransport(5000);
      this.sctp.setDtlsTransport(this.dtls);
      this.sctp.setRemotePort(sctpPort);
      this.sctp.onDataChannel.subscribe((channel) => {
        channel.onMessage.subscribe((data) => this.#onMessage(String(data)));
        this.openChannel({ send: (text) => channel.send(Buffer.from(text)), close: () => channel.close() });
      });
    }
    await this.dtls.start();
    if (this.sctp) await this.sctp.start(sctpPort);
    this.up = true;
    this.#timer = setInterval(() => this.#sendRemb(), 500);
    // Whoever came gets pictures at once.
    for (const other of this.room.others(this))
      for (const one of other.sources) if (one.kind === 'video') other.askKey(one.ssrc);
  }

  #timer;

  async addCandidate({ component, foundation, ip, port, priority, protocol, type }) {
    await this.ice.addRemoteCandidate(new IceCandidate(component, foundation, ip, port, priority, protocol, type));
  }

  // --- Media -------------------------------------------------------------------------------------------------------------

  layersOf(ssrc) {
    return this.groups.find((one) => one.semantics === 'SIM' && one.ssrcs.includes(ssrc))?.ssrcs ?? [ssrc];
  }

  sourceOf(ssrc) {
    return this.sources.find((one) => one.ssrc === ssrc);
  }

  #onRtp({ header, payload }) {
    const { ssrc, payloadType } = header;
    if (kRtx.has(payloadType) || !payload.length || this.bridge.dead) return;
    const source = this.sourceOf(ssrc);
    const whole = payloadType === kOpus || header.marker;
    this.bridge.witness.see({
      ssrc,
      payloadType,
      owner: this.nick,
      kind: source?.kind ?? (payloadType === kOpus ? 'audio' : 'video'),
      whole,
      payload,
    });
    if (!source) return;
    const now = Date.now();
    this.lastSeen.set(ssrc, now);
    if (source.kind === 'audio') this.#hear(header, now);
    const layers = this.layersOf(ssrc);
    const primary = layers[0];
    const layer = layers.indexOf(ssrc);
    const name = this.sourceOf(primary)?.name ?? source.name;
    for (const to of this.room.others(this)) {
      if (!to.up || to.bridge.dead) continue;
      if (source.kind === 'audio') {
        to.forward(header, payload, ssrc, header);
        continue;
      }
      const height = to.heightFor(name);
      if (height === 0) continue;
      let projection = to.projections.get(primary);
      if (!projection) {
        projection = new Projection();
        to.projections.set(primary, projection);
      }
      // Codecs with layers in one stream begin anywhere; their receiver asks for a key frame.
      const key = payloadType === kVp8 ? startsVp8Key(payload) : projection.layer < 0;
      const want = this.#bestLayer(layers, height, now);
      const { sequenceNumber, timestamp } = header;
      const { forward, needKey } = projection.take({ layer, want, sequenceNumber, timestamp, key });
      if (needKey) this.askKey(layers[want]);
      if (forward) to.forward(header, payload, primary, forward);
    }
  }

  #bestLayer(layers, height, now) {
    let best = 0;
    for (const [index, ssrc] of layers.entries()) {
      if (now - (this.lastSeen.get(ssrc) ?? 0) < kAliveMs && (index === 0 || kHeights[index - 1] < height))
        best = index;
    }
    return best;
  }

  forward(header, payload, ssrc, { sequenceNumber, timestamp }) {
    const copy = Object.assign(new RtpHeader(header), {
      ssrc,
      sequenceNumber,
      timestamp,
      padding: false,
      paddingSize: 0,
    });
    this.dtls.sendRtp(payload, copy).catch?.(() => {});
  }

  #hear(header, now) {
    const level = header.extensions?.find((one) => one.id === this.bridge.audioLevelId)?.payload?.[0];
    if (level === undefined) return;
    // RFC 6464: -dBov.
    this.loudness = this.loudness * 0.9 + (127 - (level & 0x7f)) * 0.1;
    this.loudAt = now;
    this.room.listen(now);
  }

  askKey(ssrc) {
    const now = Date.now();
    if (!this.up || now - (this.lastAsked.get(ssrc) ?? 0) < 300) return;
    this.lastAsked.set(ssrc, now);
    this.#sendRtcp(pli(ssrc));
  }

  #sendRtcp(bytes) {
    this.dtls.sendRtcp([{ serialize: () => bytes }]).catch?.(() => {});
  }

  #sendRemb() {
    const ssrcs = this.sources.map((one) => one.ssrc).slice(0, 200);
    if (ssrcs.length && !this.bridge.dead) this.#sendRtcp(remb(this.bridge.bitrate, ssrcs));
  }

  #onRtcp(packet) {
    // A PLI is format 1; the library gives the format with the feedback, not with a header.
    const ssrc = packet.feedback?.mediaSsrc;
    if (packet.type !== 206 || ssrc === undefined || packet.feedback?.count !== 1 || this.bridge.dead) return;
    for (const from of this.room.others(this)) {
      if (!from.sourceOf(ssrc)) continue;
      const layer = this.projections.get(ssrc)?.layer ?? 0;
      from.askKey(from.layersOf(ssrc)[Math.max(layer, 0)]);
    }
  }

  // --- What this one gets ------------------------------------------------------------------------------------------------

  /** Height that this receiver wants of a source; 0: nothing of it. */
  heightFor(name) {
    const { lastN, defaultMaxHeight, maxHeights } = this.constraints;
    const height = maxHeights.get(name) ?? defaultMaxHeight;
    if (height <= 0) return 0;
    if (lastN < 0) return height;
    return this.room.ranking(this).slice(0, lastN).includes(name) ? height : 0;
  }

  openChannel(channel) {
    this.channel?.close(1000);
    this.channel = channel;
    this.told = { sender: new Map(), forwarded: '' };
    this.say({ colibriClass: 'ServerHello' });
    this.room.constraintsChanged();
  }

  say(message) {
    this.channel?.send(JSON.stringify(message));
  }

  receive(text) {
    this.#onMessage(text);
  }

  #onMessage(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    const { colibriClass } = message;
    this.bridge.messages.push({ from: this.nick, message });
    if (this.bridge.messages.length > 2000) this.bridge.messages.shift();
    if (colibriClass === 'ReceiverVideoConstraints') {
      const c = this.constraints;
      if (message.lastN !== undefined) c.lastN = message.lastN;
      if (message.defaultConstraints) c.defaultMaxHeight = message.defaultConstraints.maxHeight;
      if (message.constraints)
        c.maxHeights = new Map(Object.entries(message.constraints).map(([name, one]) => [name, one.maxHeight]));
      if (message.onStageSources) c.onStage = message.onStageSources;
      if (message.selectedSources) c.selected = message.selectedSources;
      this.room.constraintsChanged();
    } else if (colibriClass === 'LastNChangedEvent') {
      this.constraints.lastN = message.lastN;
      this.room.constraintsChanged();
    } else if (colibriClass === 'ReceiverVideoConstraint') {
      // Clients of 2021.
      this.constraints.defaultMaxHeight = message.maxFrameHeight;
      this.room.constraintsChanged();
    } else if (colibriClass === 'EndpointMessage' || colibriClass === 'EndpointStats') {
      for (const other of this.room.others(this)) {
        if (!message.to || message.to === other.nick) other.say({ ...message, from: this.nick });
      }
    }
  }

  stop(code = 1001) {
    clearInterval(this.#timer);
    this.up = false;
    this.channel?.close(code);
    this.channel = undefined;
    this.sctp?.stop().catch(() => {});
    this.dtls?.stop().catch(() => {});
    this.ice?.stop().catch(() => {});
  }
}

/** Everybody of one conference, over all bridges. */
export class MediaRoom {
  /** @type {Map<string, Endpoint>} */
  endpoints = new Map();
  #speaker = '';
  #speakerAt = 0;

  others(endpoint) {
    const result = [];
    for (const one of this.endpoints.values()) if (one !== endpoint) result.push(one);
    return result;
  }

  /** Video sources by how much a receiver wants them: what it chose, then who spoke last, then by arrival. */
  ranking(receiver) {
    const { onStage, selected } = receiver.constraints;
    const names = this.others(receiver)
      .sort((a, b) => (a.nick === this.#speaker ? -1 : b.nick === this.#speaker ? 1 : b.loudAt - a.loudAt))
      .flatMap((one) => primaries(one).map((source) => source.name));
    const first = [...onStage, ...selected].filter((name) => names.includes(name));
    return [...new Set([...first, ...names])];
  }

  listen(now) {
    if (now - this.#speakerAt < kSpeakerMs) return;
    let loudest;
    for (const one of this.endpoints.values()) {
      if (now - one.loudAt < 500 && (!loudest || one.loudness > loudest.loudness)) loudest = one;
    }
    if (!loudest || loudest.nick === this.#speaker) return;
    const current = this.endpoints.get(this.#speaker);
    if (current && now - current.loudAt < 500 && loudest.loudness < current.loudness + 6) return;
    this.#speaker = loudest.nick;
    this.#speakerAt = now;
    const previousSpeakers = [...this.endpoints.keys()].filter((nick) => nick !== loudest.nick);
    for (const one of this.endpoints.values())
      one.say({
        colibriClass: 'DominantSpeakerEndpointChangeEvent',
        dominantSpeakerEndpoint: loudest.nick,
        previousSpeakers,
        silence: false,
      });
    this.constraintsChanged();
  }

  /** Tells senders what is looked at, receivers what they get. */
  constraintsChanged() {
    for (const one of this.endpoints.values()) {
      for (const source of primaries(one)) {
        let maxHeight = 0;
        for (const other of this.others(one)) maxHeight = Math.max(maxHeight, other.heightFor(source.name));
        if (one.told.sender.get(source.name) === maxHeight || !one.channel) continue;
        one.told.sender.set(source.name, maxHeight);
        one.say({ colibriClass: 'SenderSourceConstraints', sourceName: source.name, maxHeight });
      }
      const forwarded = this.ranking(one).filter((name) => one.heightFor(name) > 0);
      const text = forwarded.join();
      if (text === one.told.forwarded || !one.channel) continue;
      one.told.forwarded = text;
      one.say({ colibriClass: 'ForwardedSources', forwardedSources: forwarded });
    }
  }
}

/** The first SSRC of each video source. */
function primaries(endpoint) {
  const seen = new Set();
  return endpoint.sources.filter((one) => {
    if (one.kind !== 'video' || endpoint.layersOf(one.ssrc)[0] !== one.ssrc || seen.has(one.name)) return false;
    if (endpoint.groups.some((group) => group.semantics === 'FID' && group.ssrcs[1] === one.ssrc)) return false;
    seen.add(one.name);
    return true;
  });
}

export class Bridge {
  witness = new Witness();
  /** The newest messages of clients' channels. */
  messages = [];
  dead = false;
  audioLevelId = 1;
  audioLevelUri = kAudioLevel;

  constructor(name, { bitrate = 5_000_000, witness } = {}) {
    this.name = name;
    this.bitrate = bitrate;
    if (witness) this.witness = witness;
    this.certificate = RTCDtlsTransport.SetupCertificate();
    /** @type {Map<string, Endpoint>} by session id */
    this.sessions = new Map();
  }

  createEndpoint(options) {
    const endpoint = new Endpoint(this, options);
    this.sessions.set(endpoint.id, endpoint);
    return endpoint;
  }

  /** Of a channel's address: /colibri-ws/NAME/SESSION/NICK?pwd=… */
  endpointFor(url) {
    const { pathname, searchParams } = new URL(url, 'http://bridge');
    const [, path, name, session, nick] = pathname.split('/');
    if (path !== 'colibri-ws' || name !== this.name) return undefined;
    const endpoint = this.sessions.get(session);
    return endpoint?.nick === nick && endpoint.password === searchParams.get('pwd') ? endpoint : undefined;
  }

  remove(endpoint, code) {
    endpoint.stop(code);
    this.sessions.delete(endpoint.id);
  }

  /** Answers nothing any more, as a machine that lost power. */
  kill() {
    this.dead = true;
    for (const endpoint of this.sessions.values()) endpoint.stop(1006);
    this.sessions.clear();
  }
}
