/**
 * The room in front of the room. Who knocks waits in a second MUC until a moderator of the first invites or turns away.
 * Source: jitsi-meet resources/prosody-plugins/mod_muc_lobby_rooms, lib-jitsi-meet modules/xmpp/Lobby (behaviour).
 *
 * Threads: main. Errors: JitsiError 'lobby-denied', 'lobby-closed'.
 */
import { cleanName } from '../call/names';
import { bareJid, kEndpointId, kMuc, kMucUser, resourceOf } from './presence';
import { JitsiError, type Knocker, type XmppPort } from './types';
import { attr, child, childrenOf, textOf, type XmlElement, x } from './xml';

const kNick = 'http://jabber.org/protocol/nick';
const kAdmin = 'http://jabber.org/protocol/muc#admin';
const kMaxKnockers = 200;
const kJoinLimitMs = 15_000;

const statusCodes = (presence: XmlElement): string[] =>
  childrenOf(child(presence, 'x', kMucUser), 'status').map((one) => attr(one, 'code') ?? '');

export interface LobbyOptions {
  xmpp: XmppPort;
  /** Of the lobby. */
  lobby: string;
  /** Of the conference. */
  room: string;
  me: string;
  name: string;
}

const entering = (options: LobbyOptions): XmlElement =>
  x(
    'presence',
    { xmlns: 'jabber:client', to: `${options.lobby}/${options.me}` },
    x('x', { xmlns: kMuc }),
    x('nick', { xmlns: kNick }, options.name),
  );

const leaving = (options: LobbyOptions): XmlElement =>
  x('presence', { xmlns: 'jabber:client', to: `${options.lobby}/${options.me}`, type: 'unavailable' });

/** Knocks and waits. Resolves with the password that came with the invitation, if any. */
export function knock(options: LobbyOptions, signal: AbortSignal): Promise<{ password?: string }> {
  const { xmpp, lobby, room, me } = options;
  return new Promise((resolve, reject) => {
    const end = (work: () => void): void => {
      clearTimeout(timer);
      stop();
      signal.removeEventListener('abort', aborted);
      work();
    };
    const timer = setTimeout(() => end(() => reject(new JitsiError('lobby-closed'))), kJoinLimitMs);
    const aborted = (): void => {
      xmpp.send(leaving(options));
      end(() => reject(new JitsiError('lobby-closed')));
    };
    signal.addEventListener('abort', aborted);
    const stop = xmpp.onStanza((stanza) => {
      const from = attr(stanza, 'from') ?? '';
      if (stanza.name === 'message' && from === room) {
        // Invitations come through the conference's own room, so nobody else can let us in.
        const invited = child(stanza, 'x', kMucUser);
        if (!child(invited, 'invite')) return;
        const password = textOf(child(invited, 'password'));
        xmpp.send(leaving(options));
        end(() => resolve(password ? { password } : {}));
        return;
      }
      if (stanza.name !== 'presence' || from !== `${lobby}/${me}`) return;
      const type = attr(stanza, 'type');
      if (type === 'error') end(() => reject(new JitsiError('lobby-closed')));
      else if (type === 'unavailable') {
        const destroyed = child(child(stanza, 'x', kMucUser), 'destroy');
        if (destroyed && attr(destroyed, 'jid') === room) end(() => resolve({}));
        else if (destroyed) end(() => reject(new JitsiError('lobby-closed')));
        else end(() => reject(new JitsiError(statusCodes(stanza).includes('307') ? 'lobby-denied' : 'lobby-closed')));
      } else clearTimeout(timer);
    });
    xmpp.send(entering(options));
  });
}

/** The moderators' side: who waits. */
export class LobbyDesk {
  readonly #options: LobbyOptions;
  readonly #waiting = new Map<string, { knocker: Knocker; jid: string }>();
  readonly #events: { knocked(knocker: Knocker): void; ended(id: string): void };
  readonly #stop: () => void;

  constructor(options: LobbyOptions, events: { knocked(knocker: Knocker): void; ended(id: string): void }) {
    this.#options = options;
    this.#events = events;
    this.#stop = options.xmpp.onStanza((stanza) => this.#heard(stanza));
    options.xmpp.send(entering(options));
  }

  #heard(stanza: XmlElement): void {
    const from = attr(stanza, 'from') ?? '';
    if (stanza.name !== 'presence' || bareJid(from) !== this.#options.lobby) return;
    const id = resourceOf(from);
    if (id === this.#options.me || !kEndpointId.test(id)) return;
    const type = attr(stanza, 'type');
    if (type === 'unavailable') this.#gone(id);
    if (type) return;
    const item = child(child(stanza, 'x', kMucUser), 'item');
    const jid = attr(item, 'jid');
    // Other moderators stand there, too.
    if (!jid || attr(item, 'role') === 'moderator' || this.#waiting.size >= kMaxKnockers) return;
    const knocker = { id, name: cleanName(textOf(child(stanza, 'nick', kNick))) };
    this.#waiting.set(id, { knocker, jid });
    this.#events.knocked(knocker);
  }

  #gone(id: string): void {
    if (this.#waiting.delete(id)) this.#events.ended(id);
  }

  admit(id: string): void {
    const found = this.#waiting.get(id);
    if (!found) return;
    const { room, xmpp } = this.#options;
    xmpp.send(
      x('message', { xmlns: 'jabber:client', to: room }, x('x', { xmlns: kMucUser }, x('invite', { to: found.jid }))),
    );
    this.#gone(id);
  }

  deny(id: string): void {
    if (!this.#waiting.has(id)) return;
    const { lobby, xmpp } = this.#options;
    const item = x('item', { nick: id, role: 'none' });
    xmpp.iq({ to: lobby, type: 'set', payload: x('query', { xmlns: kAdmin }, item) }).catch(() => {});
    this.#gone(id);
  }

  close(leave = true): void {
    this.#stop();
    if (leave) this.#options.xmpp.send(leaving(this.#options));
    for (const id of [...this.#waiting.keys()]) this.#gone(id);
  }
}
