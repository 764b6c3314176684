/**
 * The conference's room (XEP-0045): who is here, what they say, what moderators do. Presence and messages count only from
 * this room's JID; the focus only with the real JID that the conference request named; av-moderation only from the component
 * that the domain's disco names.
 *
 * Threads: main. Errors: JitsiError of join() and of what moderators do; later `ended`.
 */

import { Emitter } from '../call/emitter';
import { answerDisco, capsVersion, kDisco } from './caps';
import { knock as knockAt, LobbyDesk } from './lobby';
import { bareJid, kEndpointId, kMucUser, readPresence, resourceOf, writePresence } from './presence';
import {
  type IqAnswer,
  JitsiError,
  type JitsiProblem,
  type MucEvents,
  type MucPort,
  type Occupant,
  type OwnPresence,
  StanzaError,
  type XmppPort,
} from './types';
import { attr, child, childrenOf, elements, textOf, type XmlElement, x } from './xml';

const kAdmin = 'http://jabber.org/protocol/muc#admin';
const kOwner = 'http://jabber.org/protocol/muc#owner';
const kConfig = 'http://jabber.org/protocol/muc#roomconfig';
const kStanzas = 'urn:ietf:params:xml:ns:xmpp-stanzas';
const kMeet = 'http://jitsi.org/jitmeet';
const kDelay = 'urn:xmpp:delay';
const kMuteNs = { audio: `${kMeet}/audio`, video: `${kMeet}/video` } as const;

const kMaxOccupants = 1000;
const kMaxText = 20_000;
const kMaxJson = 200_000;
const kJoinLimitMs = 20_000;
const kPresenceGapMs = 150;

/** Components that belong to a conference, by the names under which the domain's disco lists them. */
interface Components {
  lobby: string | undefined;
  moderation: string | undefined;
}

export interface MucOptions {
  xmpp: XmppPort;
  /** `room@conference.domain`. */
  room: string;
  domain: string;
  focusJid: string;
  hiddenDomain?: string | undefined;
  /** Another nick than the account's own, when that one is taken. */
  me?: string;
}

/** The nick must be the beginning of the account's id where deployments check it (mod_muc_resource_validate). */
export function endpointIdFor(jid: string): string {
  const [node] = jid.split('@');
  if (node && /^[0-9a-f]{8}-/.test(node)) return node.slice(0, 8);
  return [...crypto.getRandomValues(new Uint8Array(4))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

const problemOfError = (error: XmlElement | undefined, hadPassword: boolean): JitsiProblem | 'lobby' => {
  const condition = elements(error).find((one) => one.ns === kStanzas && one.name !== 'text')?.name;
  switch (condition) {
    case 'not-authorized':
      return hadPassword ? 'wrong-password' : 'password-required';
    case 'registration-required':
      return 'lobby';
    case 'forbidden':
      return 'banned';
    case 'service-unavailable':
    case 'resource-constraint':
      return 'room-full';
    case 'conflict':
      return 'name-taken';
    case 'not-allowed':
      // Only tokens are refused like that; a room that does not exist yet answers item-not-found.
      return textOf(child(error, 'text')).toLowerCase().includes('token') ? 'token-refused' : 'focus-absent';
    case 'item-not-found':
      return 'focus-absent';
    case 'gone':
      return 'room-closed';
    default:
      return 'conference-refused';
  }
};

export class Muc extends Emitter<MucEvents> implements MucPort {
  readonly #options: MucOptions;
  readonly #occupants = new Map<string, Occupant>();
  readonly #stop: Array<() => void> = [];
  readonly #me: string;
  #version = '';
  #role: Occupant['role'] = 'none';
  #in = false;
  #own: OwnPresence = { name: '', sources: new Map(), hand: false, e2eeEnabled: true, codecs: ['vp8'] };
  #joining: { resolve(how: 'joined' | 'lobby'): void; reject(error: JitsiError): void; password: boolean } | undefined;
  #presenceTimer: ReturnType<typeof setTimeout> | undefined;
  #components: Promise<Components> | undefined;
  #moderationJid: string | undefined;
  #lobbyRoom: string | undefined;
  #desk: LobbyDesk | undefined;
  #locked = false;
  #lobbyOn = false;
  #messages = 0;
  readonly #sent = new Set<string>();
  readonly #abort = new AbortController();

  constructor(options: MucOptions) {
    super();
    this.#options = options;
    this.#me = options.me ?? endpointIdFor(options.xmpp.jid);
    const { xmpp } = options;
    this.#stop.push(
      xmpp.onStanza((stanza) => this.#heard(stanza)),
      xmpp.onIq(kDisco, (_iq, query) => answerDisco(query, this.#version)),
      xmpp.onIq(kMuteNs.audio, (iq, mute) => this.#heardMute('audio', iq, mute)),
      xmpp.onIq(kMuteNs.video, (iq, mute) => this.#heardMute('video', iq, mute)),
    );
  }

  get me(): string {
    return this.#me;
  }

  get jid(): string {
    return this.#options.room;
  }

  get occupants(): ReadonlyMap<string, Occupant> {
    return this.#occupants;
  }

  get focus(): Occupant | undefined {
    for (const one of this.#occupants.values()) if (one.focus) return one;
    return undefined;
  }

  get role(): Occupant['role'] {
    return this.#role;
  }

  get #address(): string {
    return `${this.#options.room}/${this.#me}`;
  }

  // --- Coming and going ----------------------------------------------------------------------------------------------------

  async join(options: { password?: string } = {}): Promise<'joined' | 'lobby'> {
    this.#version ||= await capsVersion();
    this.#components ??= this.#findComponents();
    void this.#components;
    this.#occupants.clear();
    return this.#enter(options.password);
  }

  #enter(password: string | undefined): Promise<'joined' | 'lobby'> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(() => reject(new JitsiError('focus-absent'))), kJoinLimitMs);
      const settle = (work: () => void): void => {
        clearTimeout(timer);
        this.#joining = undefined;
        work();
      };
      this.#joining = {
        resolve: (how) => settle(() => resolve(how)),
        reject: (error) => settle(() => reject(error)),
        password: !!password,
      };
      this.#options.xmpp.send(writePresence(this.#address, this.#own, this.#version, { password }));
    });
  }

  async knock(name: string): Promise<{ password?: string }> {
    const lobby = this.#lobbyRoom;
    if (!lobby) throw new JitsiError('lobby-closed');
    const { xmpp, room } = this.#options;
    return knockAt({ xmpp, lobby, room, me: this.#me, name }, this.#abort.signal);
  }

  async #findComponents(): Promise<Components> {
    const found: Components = { lobby: undefined, moderation: undefined };
    try {
      const { identities } = await this.#options.xmpp.disco(this.#options.domain);
      for (const { category, type, name } of identities) {
        if (category !== 'component' || !name) continue;
        if (type === 'lobbyrooms') found.lobby = name;
        if (type === 'av_moderation') found.moderation = name;
      }
    } catch {
      // A domain that does not say has neither.
    }
    this.#moderationJid = found.moderation;
    return found;
  }

  setPresence(presence: OwnPresence): void {
    this.#own = presence;
    if (!this.#in || this.#presenceTimer) return;
    // Several changes of one moment are one presence.
    this.#presenceTimer = setTimeout(() => {
      this.#presenceTimer = undefined;
      if (this.#in) this.#options.xmpp.send(writePresence(this.#address, this.#own, this.#version));
    }, kPresenceGapMs);
  }

  leave(): void {
    this.#abort.abort();
    if (this.#presenceTimer) clearTimeout(this.#presenceTimer);
    this.#desk?.close();
    if (this.#in || this.#joining) {
      this.#options.xmpp.send(x('presence', { xmlns: 'jabber:client', to: this.#address, type: 'unavailable' }));
    }
    this.#in = false;
    this.#joining?.reject(new JitsiError('room-closed'));
    for (const stop of this.#stop.splice(0)) stop();
    this.clearListeners();
  }

  /** The stream is new: the server forgot that we are in the room. Everybody counts as gone until they are seen again. */
  forget(): void {
    this.#in = false;
    this.#desk?.close(false);
    this.#desk = undefined;
    for (const occupant of [...this.#occupants.values()]) this.#remove(occupant.id);
  }

  // --- Hearing -------------------------------------------------------------------------------------------------------------

  #heard(stanza: XmlElement): void {
    const from = attr(stanza, 'from') ?? '';
    if (stanza.name === 'message' && this.#moderationJid && bareJid(from) === this.#moderationJid) {
      this.#heardModeration(stanza);
      return;
    }
    if (bareJid(from) !== this.#options.room) return;
    if (stanza.name === 'presence') this.#heardPresence(stanza, from);
    else this.#heardMessage(stanza, from);
  }

  #heardPresence(presence: XmlElement, from: string): void {
    const type = attr(presence, 'type');
    const id = resourceOf(from);
    if (type === 'error') {
      if (id === this.#me) this.#refused(presence);
      return;
    }
    if (!kEndpointId.test(id)) return;
    const user = child(presence, 'x', kMucUser);
    const codes = childrenOf(user, 'status').map((one) => attr(one, 'code'));
    const self = codes.includes('110') || id === this.#me;
    if (type === 'unavailable') {
      if (self) this.#ended(user, codes);
      else this.#remove(id, codes.includes('307') ? 'kicked' : codes.includes('301') ? 'banned' : undefined);
      return;
    }
    if (type) return;
    const { focusJid, hiddenDomain } = this.#options;
    const occupant = readPresence(presence, { focusJid, hiddenDomain });
    if (!occupant) return;
    if (self) {
      if (id !== this.#me) return;
      this.#ownPresence(occupant);
      return;
    }
    const before = this.#occupants.get(id);
    if (!before && this.#occupants.size >= kMaxOccupants) return;
    // Another account under the same nick is another person.
    if (before && before.jid !== occupant.jid) this.#remove(id);
    this.#occupants.set(id, occupant);
    if (before && before.jid === occupant.jid) this.emit('changed', { occupant, before });
    else this.emit('joined', occupant);
  }

  #ownPresence(occupant: Occupant): void {
    const before = this.#role;
    this.#role = occupant.role;
    if (!this.#in) {
      this.#in = true;
      this.#joining?.resolve('joined');
      void this.#readRoom();
    }
    if (before !== occupant.role) {
      this.#tendLobby();
      this.emit('room', this.#room());
    }
  }

  #refused(presence: XmlElement): void {
    const error = child(presence, 'error');
    const joining = this.#joining;
    if (!joining) return;
    const problem = problemOfError(error, joining.password);
    if (problem !== 'lobby') {
      joining.reject(new JitsiError(problem));
      return;
    }
    const named = textOf(child(error, 'lobbyroom')).trim();
    void this.#components?.then(({ lobby }) => {
      // The lobby is where the domain says that lobbies are, whatever the refusal names.
      const host = named.split('@')[1] ?? '';
      const plain = `${this.#options.room.split('@')[0]}@${lobby ?? ''}`;
      this.#lobbyRoom = lobby && host === lobby ? named : lobby ? plain : undefined;
      if (this.#lobbyRoom) joining.resolve('lobby');
      else joining.reject(new JitsiError('conference-refused'));
    });
  }

  #ended(user: XmlElement | undefined, codes: readonly (string | undefined)[]): void {
    if (!this.#in) return;
    this.#in = false;
    const by = attr(child(child(user, 'item'), 'actor'), 'nick');
    let problem: JitsiProblem = 'room-closed';
    if (codes.includes('307')) problem = 'kicked';
    else if (codes.includes('301')) problem = 'banned';
    else if (!child(user, 'destroy') && !codes.includes('332')) problem = 'connection-lost';
    this.emit('ended', { problem, ...(by && { by }) });
  }

  #remove(id: string, reason?: 'kicked' | 'banned'): void {
    const occupant = this.#occupants.get(id);
    if (!occupant) return;
    this.#occupants.delete(id);
    this.emit('left', { occupant, ...(reason && { reason }) });
  }

  #heardMessage(message: XmlElement, from: string): void {
    const type = attr(message, 'type') ?? 'normal';
    const user = child(message, 'x', kMucUser);
    if (childrenOf(user, 'status').some((one) => attr(one, 'code') === '104')) void this.#readRoom();
    const id = from.includes('/') ? resourceOf(from) : '';
    const json = child(message, 'json-message', kMeet);
    if (json) {
      const text = textOf(json);
      if (!kEndpointId.test(id) || id === this.#me || text.length > kMaxJson || type === 'error') return;
      let data: unknown;
      try {
        data = JSON.parse(text);
      } catch {
        return;
      }
      this.emit('json', { from: id, group: type === 'groupchat', data });
      return;
    }
    const body = child(message, 'body');
    if (type !== 'groupchat' || !body || !kEndpointId.test(id)) return;
    const text = textOf(body).slice(0, kMaxText);
    const messageId = attr(message, 'id') ?? '';
    if (!text || (id === this.#me && this.#sent.delete(messageId))) return;
    const stamp = attr(child(message, 'delay', kDelay), 'stamp');
    const at = stamp ? Date.parse(stamp) : Number.NaN;
    this.emit('message', {
      id: messageId || `${id}-${++this.#messages}`,
      from: id,
      text,
      at: Number.isFinite(at) ? at : Date.now(),
      delayed: stamp !== undefined,
    });
  }

  #heardMute(kind: 'audio' | 'video', iq: XmlElement, mute: XmlElement): IqAnswer {
    const from = attr(iq, 'from') ?? '';
    const occupant = this.#occupants.get(resourceOf(from));
    if (bareJid(from) !== this.#options.room || !occupant?.focus || mute.name !== 'mute') {
      return new StanzaError('forbidden', 'auth');
    }
    // Nobody turns somebody else's microphone on.
    if (textOf(mute).trim() === 'true') {
      const actor = attr(mute, 'actor') ?? '';
      this.emit('muted', { kind, by: bareJid(actor) === this.#options.room ? resourceOf(actor) : '' });
    }
    return true;
  }

  #heardModeration(stanza: XmlElement): void {
    const text = textOf(child(stanza, 'json-message', kMeet));
    if (!text || text.length > kMaxJson) return;
    let data: unknown;
    try {
      data = JSON.parse(text);
    } catch {
      return;
    }
    if (typeof data !== 'object' || data === null) return;
    const { type, room, enabled, mediaType, actor, approved, removed } = data as Record<string, unknown>;
    if (type !== 'av_moderation' || (mediaType !== 'audio' && mediaType !== 'video')) return;
    if (room !== undefined && room !== this.#options.room) return;
    if (typeof enabled === 'boolean') {
      const by = typeof actor === 'string' && bareJid(actor) === this.#options.room ? resourceOf(actor) : undefined;
      this.emit('moderation', { kind: mediaType, on: enabled, ...(by && { by }) });
    } else if (approved === true) this.emit('permitted', { kind: mediaType, permitted: true });
    else if (removed === true) this.emit('permitted', { kind: mediaType, permitted: false });
  }

  // --- The room ------------------------------------------------------------------------------------------------------------

  #room(): MucEvents['room'] {
    return { locked: this.#locked, lobby: this.#lobbyOn, ...(this.#lobbyRoom && { lobbyRoom: this.#lobbyRoom }) };
  }

  async #readRoom(): Promise<void> {
    const { xmpp, room } = this.#options;
    try {
      const answer = await xmpp.iq({ to: room, type: 'get', payload: x('query', { xmlns: kDisco }) });
      const query = child(answer, 'query', kDisco);
      const features = new Set(childrenOf(query, 'feature').map((one) => attr(one, 'var')));
      const fields = new Map<string, string>();
      for (const field of childrenOf(child(query, 'x', 'jabber:x:data'), 'field').slice(0, 100)) {
        fields.set(attr(field, 'var') ?? '', textOf(child(field, 'value')));
      }
      const { lobby } = (await this.#components) ?? { lobby: undefined };
      const named = fields.get('muc#roominfo_lobbyroom');
      this.#locked = features.has('muc_passwordprotected');
      this.#lobbyOn = features.has('muc_membersonly') && !!lobby;
      if (lobby) this.#lobbyRoom = named?.endsWith(`@${lobby}`) ? named : `${room.split('@')[0]}@${lobby}`;
      const meetingId = fields.get('muc#roominfo_meetingId');
      this.#tendLobby();
      this.emit('room', { ...this.#room(), ...(meetingId && { meetingId }) });
    } catch {
      // The room is as it was; the next change says so again.
    }
  }

  #tendLobby(): void {
    const wanted = this.#in && this.#role === 'moderator' && this.#lobbyOn && !!this.#lobbyRoom;
    if (wanted && !this.#desk) {
      const { xmpp, room } = this.#options;
      const lobby = this.#lobbyRoom as string;
      this.#desk = new LobbyDesk(
        { xmpp, room, lobby, me: this.#me, name: this.#own.name },
        {
          knocked: (knocker) => this.emit('knocked', knocker),
          ended: (id) => this.emit('knockEnded', { id }),
        },
      );
    } else if (!wanted && this.#desk) {
      this.#desk.close();
      this.#desk = undefined;
    }
  }

  sendMessage(text: string): string {
    const id = crypto.randomUUID();
    this.#sent.add(id);
    this.#options.xmpp.send(
      x('message', { xmlns: 'jabber:client', to: this.#options.room, type: 'groupchat', id }, x('body', {}, text)),
    );
    return id;
  }

  sendJson(to: string | undefined, data: unknown): void {
    const json = x('json-message', { xmlns: kMeet }, JSON.stringify(data));
    const type = to === undefined ? 'groupchat' : 'chat';
    const address = to === undefined ? this.#options.room : `${this.#options.room}/${to}`;
    this.#options.xmpp.send(x('message', { xmlns: 'jabber:client', to: address, type }, json));
  }

  admit(id: string): void {
    this.#desk?.admit(id);
  }

  deny(id: string): void {
    this.#desk?.deny(id);
  }

  async #configure(values: Readonly<Record<string, string>>): Promise<void> {
    const field = (name: string, value: string): XmlElement => x('field', { var: name }, x('value', {}, value));
    const form = x(
      'x',
      { xmlns: 'jabber:x:data', type: 'submit' },
      field('FORM_TYPE', kConfig),
      ...Object.entries(values).map(([name, value]) => field(name, value)),
    );
    await this.#ask(this.#options.room, x('query', { xmlns: kOwner }, form));
    await this.#readRoom();
  }

  async #ask(to: string, payload: XmlElement): Promise<void> {
    try {
      await this.#options.xmpp.iq({ to, type: 'set', payload });
    } catch (error) {
      throw new JitsiError(
        error instanceof StanzaError && error.condition === 'closed' ? 'connection-lost' : 'internal',
      );
    }
  }

  setLobby(on: boolean): Promise<void> {
    return this.#configure({ 'muc#roomconfig_membersonly': on ? '1' : '0' });
  }

  setPassword(password: string): Promise<void> {
    return this.#configure({
      'muc#roomconfig_roomsecret': password,
      'muc#roomconfig_passwordprotectedroom': password ? '1' : '0',
      // Real JIDs stay visible: the focus is known by its own.
      'muc#roomconfig_whois': 'anyone',
    });
  }

  async mute(id: string, kind: 'audio' | 'video'): Promise<void> {
    const { room } = this.#options;
    const focus = this.focus;
    if (!focus) throw new JitsiError('focus-absent');
    await this.#ask(`${room}/${focus.id}`, x('mute', { xmlns: kMuteNs[kind], jid: `${room}/${id}` }, 'true'));
  }

  async kick(id: string): Promise<void> {
    await this.#ask(this.#options.room, x('query', { xmlns: kAdmin }, x('item', { nick: id, role: 'none' })));
  }

  async grantModerator(id: string): Promise<void> {
    const jid = this.#occupants.get(id)?.jid;
    if (!jid) throw new JitsiError('internal');
    const item = x('item', { affiliation: 'owner', jid: bareJid(jid) });
    await this.#ask(this.#options.room, x('query', { xmlns: kAdmin }, item));
  }

  async setModeration(kind: 'audio' | 'video', on: boolean): Promise<void> {
    this.#command({ enable: `${on}`, mediaType: kind });
  }

  permit(id: string, kind: 'audio' | 'video', permitted: boolean): void {
    const jid = `${this.#options.room}/${id}`;
    this.#command({ [permitted ? 'jidToWhitelist' : 'jidToBlacklist']: jid, mediaType: kind });
  }

  #command(attributes: Readonly<Record<string, string>>): void {
    if (!this.#moderationJid) return;
    const command = x('av_moderation', { xmlns: kMeet, ...attributes });
    this.#options.xmpp.send(x('message', { xmlns: 'jabber:client', to: this.#moderationJid }, command));
  }
}
