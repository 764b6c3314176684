// The focus: an XMPP component (XEP-0114) that answers conference requests, sits in each room as occupant `focus`, offers a
// media session to everybody, tells all who sends what, and does what moderators ask. Rules that genuine clients need are
// numbered as in docs/jitsi-servers.md.
import { randomBytes, randomUUID } from 'node:crypto';
import { component, xml } from '@xmpp/component';
import { MediaRoom } from './bridge.mjs';
import { offer } from './offer.mjs';
import { announced, difference, jsonSources, kNs, readSources, xmlSources } from './sources.mjs';

const kMuc = 'http://jabber.org/protocol/muc';
const kUser = `${kMuc}#user`;
const kAdmin = `${kMuc}#admin`;
const kDisco = 'http://jabber.org/protocol/disco#info';
const kJson = 'http://jitsi.org/json-encoded-sources';
const kIqLimitMs = 15_000;

class Participant {
  sid = '';
  accepted = false;
  endpoint;
  channelCloses = 0;
  /** What this client was told of the others, by endpoint id. */
  told = new Map();
  json = true;
  role = 'participant';

  constructor(conference, nick, jid) {
    this.conference = conference;
    this.nick = nick;
    this.jid = jid;
    this.address = `${conference.jid}/${nick}`;
  }
}

class Conference {
  /** @type {Map<string, Participant>} */
  participants = new Map();
  media = new MediaRoom();
  moderation = { audio: false, video: false };
  whitelist = { audio: new Set(), video: new Set() };

  constructor(jid) {
    this.jid = jid;
    this.joined = new Promise((resolve) => {
      this.onJoined = resolve;
    });
  }
}

export class Focus {
  /** @type {Map<string, Conference>} */
  conferences = new Map();
  /** Asked and not answered while true. */
  absent = false;
  /** Every Jingle stanza and mute that came or went, newest last: `{ to|from, action, element }`. */
  log = [];
  #xmpp;
  #moderator;
  #waiting = new Map();
  #options;

  /**
   * @param {{ domain: string, port: number, secret: string, bridges: import('./bridge.mjs').Bridge[], channelBase: () => string,
   *   codecs?: string[], sctp?: boolean, startMuted?: { audio: boolean, video: boolean } }} options
   */
  constructor(options) {
    this.#options = { ...options, codecs: options.codecs ?? ['VP8', 'AV1', 'H264', 'VP9'] };
    const { domain, port, secret } = options;
    this.host = `focus.${domain}`;
    this.bare = `focus@${this.host}`;
    this.full = `${this.bare}/focus`;
    const service = `xmpp://127.0.0.1:${port}`;
    this.#xmpp = component({ service, domain: this.host, password: secret });
    this.#moderator = component({ service, domain: `avmoderation.${domain}`, password: secret });
    for (const one of [this.#xmpp, this.#moderator]) one.on('error', () => {});
    this.#xmpp.on('stanza', (stanza) => this.#onStanza(stanza));
    // Answered here, so that the library does not add an answer of its own (rule 1).
    this.#xmpp.middleware.use(({ stanza }, next) => this.#onIq(stanza, next));
    this.#moderator.on('stanza', (stanza) => this.#onModeration(stanza));
    this.#moderator.middleware.use(({ stanza }, next) =>
      stanza.is('iq') && ['get', 'set'].includes(stanza.attrs.type) ? xml('query', { xmlns: kDisco }) : next(),
    );
  }

  async start() {
    await Promise.all([this.#xmpp.start(), this.#moderator.start()]);
  }

  async stop() {
    for (const conference of this.conferences.values()) {
      for (const one of conference.participants.values())
        if (one.endpoint) one.endpoint.bridge.remove(one.endpoint, 1001);
    }
    await Promise.all([this.#xmpp.stop(), this.#moderator.stop()].map((one) => one.catch(() => {})));
  }

  #send(stanza) {
    this.#xmpp.send(stanza).catch(() => {});
  }

  #iq(to, type, ...children) {
    const id = randomUUID();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        resolve(undefined);
      }, kIqLimitMs);
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.#send(xml('iq', { to, from: this.full, type, id }, ...children));
    });
  }

  #jingle(participant, action, ...children) {
    const element = xml(
      'jingle',
      { xmlns: kNs.jingle, action, initiator: this.full, sid: participant.sid },
      ...children,
    );
    this.#record({ to: participant.nick, action, element });
    return this.#iq(participant.address, 'set', element);
  }

  #record(entry) {
    this.log.push(entry);
    if (this.log.length > 5000) this.log.shift();
  }

  // --- Rooms -------------------------------------------------------------------------------------------------------------

  /** Opens the room if need be; resolves when the focus is in it. */
  async conference(jid) {
    let conference = this.conferences.get(jid);
    if (!conference) {
      conference = new Conference(jid);
      this.conferences.set(jid, conference);
      const properties = { 'support-terminate-restart': 'true', 'bridge-count': String(this.#options.bridges.length) };
      this.#send(
        xml(
          'presence',
          { to: `${jid}/focus`, from: this.full },
          xml('x', { xmlns: kMuc }),
          xml('nick', { xmlns: 'http://jabber.org/protocol/nick' }, 'focus'),
          xml(
            'conference-properties',
            { xmlns: kNs.focus },
            ...Object.entries(properties).map(([key, value]) => xml('property', { key, value })),
          ),
        ),
      );
    }
    await conference.joined;
    return conference;
  }

  async answerRequest(room) {
    await this.conference(room);
    return {
      room,
      ready: true,
      focusJid: this.bare,
      properties: { 'visitors-supported': 'false', authentication: 'false' },
    };
  }

  #onStanza(stanza) {
    if (stanza.is('iq') && ['result', 'error'].includes(stanza.attrs.type)) {
      this.#waiting.get(stanza.attrs.id)?.(stanza);
      this.#waiting.delete(stanza.attrs.id);
      return;
    }
    if (!stanza.is('presence')) return;
    const [jid, nick] = (stanza.attrs.from ?? '').split('/');
    const conference = this.conferences.get(jid);
    if (!conference || !nick) return;
    if (nick === 'focus') {
      if (stanza.attrs.type === 'error') this.conferences.delete(jid);
      else if (!stanza.attrs.type) conference.onJoined();
      return;
    }
    const item = stanza.getChild('x', kUser)?.getChild('item');
    if (stanza.attrs.type === 'unavailable') return this.#left(conference, nick);
    if (stanza.attrs.type) return;
    const known = conference.participants.get(nick);
    if (known) {
      known.role = item?.attrs.role ?? known.role;
      return;
    }
    void this.#joined(conference, nick, item, stanza);
  }

  async #joined(conference, nick, item, presence) {
    const participant = new Participant(conference, nick, item?.attrs.jid);
    participant.role = item?.attrs.role ?? 'participant';
    const first = conference.participants.size === 0;
    conference.participants.set(nick, participant);
    if (first && participant.jid) void this.grant(conference.jid, participant.jid);
    for (const kind of ['audio', 'video']) {
      if (!conference.moderation[kind]) continue;
      const actor = conference.moderator;
      this.#say(participant, { type: 'av_moderation', enabled: true, room: conference.jid, actor, mediaType: kind });
    }
    const caps = presence.getChild('c', 'http://jabber.org/protocol/caps');
    if (caps) {
      const node = `${caps.attrs.node}#${caps.attrs.ver}`;
      const answer = await this.#iq(participant.address, 'get', xml('query', { xmlns: kDisco, node }));
      const features =
        answer
          ?.getChild('query', kDisco)
          ?.getChildren('feature')
          .map((one) => one.attrs.var) ?? [];
      participant.features = features;
      participant.json = features.includes(kJson);
    }
    if (conference.participants.get(nick) === participant) await this.#invite(participant);
  }

  /** Ownership makes a moderator. */
  grant(room, jid) {
    const [bare] = jid.split('/');
    return this.#iq(room, 'set', xml('query', { xmlns: kAdmin }, xml('item', { affiliation: 'owner', jid: bare })));
  }

  #left(conference, nick) {
    const participant = conference.participants.get(nick);
    if (!participant) return;
    conference.participants.delete(nick);
    this.#drop(participant, 1001);
    this.#syncOthers(participant);
    const moderator = [...conference.participants.values()].some((one) => one.role === 'moderator');
    const next = conference.participants.values().next().value;
    if (!moderator && next?.jid) void this.grant(conference.jid, next.jid);
    if (conference.participants.size) return;
    this.conferences.delete(conference.jid);
    this.#send(xml('presence', { to: `${conference.jid}/focus`, from: this.full, type: 'unavailable' }));
  }

  #drop(participant, code) {
    const { endpoint, conference } = participant;
    participant.accepted = false;
    participant.endpoint = undefined;
    if (!endpoint) return;
    conference.media.endpoints.delete(participant.nick);
    for (const other of conference.media.endpoints.values()) {
      for (const one of endpoint.sources) other.projections.delete(one.ssrc);
    }
    endpoint.bridge.remove(endpoint, code);
  }

  // --- Sessions ----------------------------------------------------------------------------------------------------------

  /** The bridge with the fewest sessions that is alive, or the one named. */
  #bridge(name) {
    const alive = this.#options.bridges.filter((one) => !one.dead);
    return alive.find((one) => one.name === name) ?? alive.sort((a, b) => a.sessions.size - b.sessions.size)[0];
  }

  async #invite(participant, bridgeName = participant.conference.bridgeName) {
    const { conference, nick } = participant;
    this.#drop(participant, 1001);
    const bridge = this.#bridge(bridgeName);
    if (!bridge) return;
    conference.bridgeName ??= bridge.name;
    const { sctp, codecs, startMuted, channelBase } = this.#options;
    const endpoint = bridge.createEndpoint({ room: conference.media, nick, sctp });
    participant.endpoint = endpoint;
    participant.sid = randomBytes(7).toString('hex');
    const local = await endpoint.gather();
    if (participant.endpoint !== endpoint) return;
    conference.media.endpoints.set(nick, endpoint);
    participant.told = this.#wanted(participant);
    const channel = sctp
      ? undefined
      : `${channelBase()}/colibri-ws/${bridge.name}/${endpoint.id}/${nick}?pwd=${endpoint.password}`;
    const jingle = offer({
      action: 'session-initiate',
      initiator: this.full,
      sid: participant.sid,
      endpoint,
      local,
      channel,
      sources: participant.told,
      json: participant.json,
      codecs,
      startMuted,
    });
    this.#record({ to: nick, action: 'session-initiate', element: jingle });
    void this.#iq(participant.address, 'set', jingle);
  }

  #wanted(participant) {
    const result = new Map();
    for (const other of participant.conference.participants.values()) {
      if (other === participant || !other.accepted || !other.endpoint) continue;
      const set = announced(other.endpoint);
      if (set.sources.length) result.set(other.nick, set);
    }
    return result;
  }

  /** Source changes wait until the session is accepted (rule 3). */
  #sync(participant) {
    if (!participant.accepted) return;
    const now = this.#wanted(participant);
    const { remove, add } = difference(participant.told, now);
    participant.told = now;
    for (const [action, change] of [
      ['source-remove', remove],
      ['source-add', add],
    ]) {
      if (!change.size) continue;
      if (participant.json) void this.#jingle(participant, action, jsonSources(change));
      else {
        const contents = ['audio', 'video'].map((media) =>
          xml(
            'content',
            { creator: 'initiator', name: media, senders: 'both' },
            xml('description', { xmlns: kNs.rtp, media }, ...xmlSources(change, media)),
          ),
        );
        void this.#jingle(participant, action, ...contents);
      }
    }
  }

  #syncOthers(participant) {
    for (const other of participant.conference.participants.values()) if (other !== participant) this.#sync(other);
    participant.conference.media.constraintsChanged();
  }

  #onJingle(participant, jingle) {
    const { action, sid } = jingle.attrs;
    this.#record({ from: participant.nick, action, element: jingle });
    // A message for a session that was replaced is answered and ignored (rule 4).
    if (sid !== participant.sid) return;
    const { endpoint, nick } = participant;
    const transport = jingle
      .getChildren('content')
      .map((one) => one.getChild('transport', kNs.ice))
      .find(Boolean);
    const candidates = (transport?.getChildren('candidate') ?? []).map(({ attrs }) => ({
      component: Number(attrs.component),
      foundation: attrs.foundation,
      ip: attrs.ip,
      port: Number(attrs.port),
      priority: Number(attrs.priority),
      protocol: attrs.protocol,
      type: attrs.type,
    }));
    const { sources, groups } = readSources(jingle, nick);
    switch (action) {
      case 'session-accept': {
        const fingerprint = transport?.getChild('fingerprint', kNs.dtls);
        if (!fingerprint || !endpoint || participant.accepted) return;
        endpoint.sources = sources;
        endpoint.groups = groups;
        const map = jingle
          .getChildren('content')
          .map((one) => one.getChild('transport', kNs.ice)?.getChild('sctpmap', kNs.sctp))
          .find(Boolean);
        endpoint
          .start({
            ufrag: transport.attrs.ufrag,
            pwd: transport.attrs.pwd,
            fingerprint: fingerprint.getText(),
            hash: fingerprint.attrs.hash,
            setup: fingerprint.attrs.setup,
            candidates,
            sctpPort: Number(map?.attrs.number ?? 5000),
          })
          .catch((error) => this.#record({ from: nick, action: `transport failed: ${error.message}` }));
        participant.accepted = true;
        this.#sync(participant);
        this.#syncOthers(participant);
        break;
      }
      case 'transport-info':
        for (const one of candidates) endpoint?.addCandidate(one).catch(() => {});
        break;
      case 'source-add':
        if (!endpoint) return;
        endpoint.sources = [...endpoint.sources, ...sources];
        endpoint.groups = [...endpoint.groups, ...groups];
        this.#syncOthers(participant);
        break;
      case 'source-remove': {
        if (!endpoint) return;
        const gone = new Set(sources.map((one) => one.ssrc));
        endpoint.sources = endpoint.sources.filter((one) => !gone.has(one.ssrc));
        endpoint.groups = endpoint.groups.filter((one) => !one.ssrcs.some((ssrc) => gone.has(ssrc)));
        this.#syncOthers(participant);
        break;
      }
      case 'session-terminate': {
        this.#drop(participant, 1001);
        participant.sid = '';
        this.#syncOthers(participant);
        if (jingle.getChild('bridge-session', kNs.focus)?.attrs.restart === 'true') void this.#invite(participant);
        break;
      }
    }
  }

  // --- Requests ----------------------------------------------------------------------------------------------------------

  async #onIq(stanza, next) {
    if (!stanza.is('iq') || !['get', 'set'].includes(stanza.attrs.type)) return next();
    const [jid, nick] = (stanza.attrs.from ?? '').split('/');
    const request = stanza.getChild('conference', kNs.focus);
    if (request) {
      if (this.absent) return next();
      await this.conference(request.attrs.room);
      return xml(
        'conference',
        { xmlns: kNs.focus, ready: 'true', focusjid: this.bare, room: request.attrs.room },
        xml('property', { name: 'authentication', value: 'false' }),
        xml('property', { name: 'visitors-supported', value: 'false' }),
      );
    }
    const participant = this.conferences.get(jid)?.participants.get(nick);
    const jingle = stanza.getChild('jingle', kNs.jingle);
    if (jingle) {
      if (!participant) return next();
      setImmediate(() => this.#onJingle(participant, jingle));
      return true;
    }
    for (const kind of ['audio', 'video']) {
      const mute = stanza.getChild('mute', kind === 'audio' ? `${kNs.meet}/audio` : `${kNs.meet}/video`);
      if (mute) return this.#onMute(participant, kind, mute);
    }
    const query = stanza.getChild('query');
    if (query) return xml('query', { xmlns: query.attrs.xmlns });
    return next();
  }

  #onMute(participant, kind, mute) {
    const target = participant?.conference.participants.get(mute.attrs.jid?.split('/')[1]);
    if (!participant || !target)
      return xml('error', { type: 'cancel' }, xml('item-not-found', 'urn:ietf:params:xml:ns:xmpp-stanzas'));
    // One's own; of others only a moderator, and never to unmute.
    if (target !== participant) {
      if (participant.role !== 'moderator' || mute.getText() !== 'true') {
        return xml('error', { type: 'auth' }, xml('forbidden', 'urn:ietf:params:xml:ns:xmpp-stanzas'));
      }
      const ns = kind === 'audio' ? `${kNs.meet}/audio` : `${kNs.meet}/video`;
      this.#record({ to: target.nick, action: `mute-${kind}` });
      void this.#iq(
        target.address,
        'set',
        xml('mute', { xmlns: ns, actor: participant.address, jid: target.address }, 'true'),
      );
    }
    return true;
  }

  // --- What everybody may turn on ------------------------------------------------------------------------------------------

  #onModeration(stanza) {
    const command = stanza.is('message') && stanza.getChild('av_moderation', kNs.meet);
    if (!command) return;
    const found = this.#byJid(stanza.attrs.from);
    if (found?.role !== 'moderator') return;
    const { conference } = found;
    const { enable, mediaType: kind, jidToWhitelist, jidToBlacklist } = command.attrs;
    if (kind !== 'audio' && kind !== 'video') return;
    if (enable !== undefined) {
      conference.moderation[kind] = enable === 'true';
      conference.moderator = found.address;
      conference.whitelist[kind].clear();
      for (const one of conference.participants.values())
        this.#say(one, {
          type: 'av_moderation',
          enabled: enable === 'true',
          room: conference.jid,
          actor: found.address,
          mediaType: kind,
        });
    }
    const address = jidToWhitelist ?? jidToBlacklist;
    if (!address || !conference.moderation[kind]) return;
    const target = conference.participants.get(address.split('/')[1]);
    if (!target) return;
    const approved = jidToWhitelist !== undefined;
    if (approved) conference.whitelist[kind].add(target.nick);
    else conference.whitelist[kind].delete(target.nick);
    this.#say(target, {
      type: 'av_moderation',
      room: conference.jid,
      mediaType: kind,
      ...(approved ? { approved: true } : { removed: true }),
    });
    const whitelists = Object.fromEntries(
      Object.entries(conference.whitelist).map(([media, nicks]) => [
        media,
        [...nicks].map((nick) => `${conference.jid}/${nick}`),
      ]),
    );
    for (const one of conference.participants.values()) {
      if (one.role === 'moderator')
        this.#say(one, { type: 'av_moderation', room: conference.jid, mediaType: kind, whitelists });
    }
  }

  #say(participant, data) {
    const from = `avmoderation.${this.#options.domain}`;
    const message = xml('json-message', { xmlns: kNs.meet }, JSON.stringify(data));
    this.#moderator.send(xml('message', { to: participant.jid, from }, message)).catch(() => {});
  }

  #byJid(jid) {
    for (const conference of this.conferences.values()) {
      for (const one of conference.participants.values()) if (one.jid === jid) return one;
    }
  }

  // --- For tests ---------------------------------------------------------------------------------------------------------

  participant(nick) {
    for (const conference of this.conferences.values()) {
      const found = conference.participants.get(nick);
      if (found) return found;
    }
  }

  /** As jicofo when it moves somebody: a new transport, which clients answer with a new session. */
  async moveSession(nick, bridgeName) {
    const participant = this.participant(nick);
    participant.conference.bridgeName = bridgeName;
    await this.#invite(participant, bridgeName);
  }

  /** A bridge died. `noticed`: the focus knows, and offers new sessions at once; else clients find out. */
  async killBridge(name, { noticed = true } = {}) {
    const bridge = this.#options.bridges.find((one) => one.name === name);
    const hit = [...bridge.sessions.values()].map((one) => one.nick);
    bridge.kill();
    for (const conference of this.conferences.values()) {
      if (conference.bridgeName === name) conference.bridgeName = undefined;
    }
    if (noticed) for (const nick of hit) await this.#invite(this.participant(nick));
  }

  /** Sends any stanza under the focus' own address: what a hostile operator could do. */
  sendRaw(stanza) {
    this.#send(stanza);
  }

  /** Offers somebody more sources than there are, or false ones. `sources`: as in a json-message. */
  forgeSources(nick, action, sources) {
    const participant = this.participant(nick);
    return this.#jingle(participant, action, xml('json-message', { xmlns: kNs.meet }, JSON.stringify({ sources })));
  }
}
