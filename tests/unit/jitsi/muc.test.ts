/** The room, its lobby and its moderators, on a server that is scripted or lies. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Muc } from '../../../web/jitsi/muc';
import { type IqAnswer, JitsiError, type MucEvents, StanzaError, type XmppPort } from '../../../web/jitsi/types';
import { attr, child, writeElement, type XmlElement, x } from '../../../web/jitsi/xml';
import { parse, recorded, recordedNames } from './support/xml';

const kRoom = 'rt5@conference.meet.test';
const kFocusJid = 'focus@auth.meet.test';
const kUser = "xmlns='http://jabber.org/protocol/muc#user'";
type Handler = (iq: XmlElement, payload: XmlElement) => IqAnswer | Promise<IqAnswer>;

class Scene {
  readonly sent: XmlElement[] = [];
  readonly asked: Array<{ to: string | undefined; payload: XmlElement }> = [];
  readonly events: Array<[keyof MucEvents, never]> = [];
  readonly handlers = new Map<string, Handler>();
  readonly listeners = new Set<(stanza: XmlElement) => void>();
  identities = [
    { category: 'component', type: 'lobbyrooms', name: 'lobby.meet.test' },
    { category: 'component', type: 'av_moderation', name: 'avmoderation.meet.test' },
  ];
  answer: (to: string | undefined, payload: XmlElement) => XmlElement | Error = () => x('iq');
  readonly muc: Muc;

  constructor(me = 'aaaaaaaa') {
    const xmpp = {
      jid: `${me}-1@meet.test/r`,
      send: (stanza: XmlElement) => this.sent.push(stanza),
      iq: async ({ to, payload }: { to?: string; payload: XmlElement }) => {
        this.asked.push({ to, payload });
        const answer = this.answer(to, payload);
        if (answer instanceof Error) throw answer;
        return answer;
      },
      onStanza: (handler: (stanza: XmlElement) => void) => {
        this.listeners.add(handler);
        return () => this.listeners.delete(handler);
      },
      onIq: (ns: string, handler: Handler) => {
        this.handlers.set(ns, handler);
        return () => this.handlers.delete(ns);
      },
      disco: async () => ({ identities: this.identities, features: new Set(), form: new Map() }),
    } as unknown as XmppPort;
    this.muc = new Muc({
      xmpp,
      room: kRoom,
      domain: 'meet.test',
      focusJid: kFocusJid,
      hiddenDomain: 'hidden.meet.test',
      me,
    });
    for (const kind of [
      'joined',
      'changed',
      'left',
      'ended',
      'message',
      'json',
      'muted',
      'room',
      'moderation',
      'permitted',
      'knocked',
      'knockEnded',
    ] as const)
      this.muc.on(kind, (event) => this.events.push([kind, event as never]));
  }

  hear(stanza: XmlElement | string): void {
    const tree = typeof stanza === 'string' ? parse(stanza) : stanza;
    for (const listener of [...this.listeners]) listener(tree);
  }
  presence(
    id: string,
    { jid = `${id}-1@meet.test/r`, role = 'participant', more = '', codes = '', type = '' } = {},
  ): void {
    const item = `<item jid='${jid}' role='${role}' affiliation='none'/>`;
    this.hear(
      `<presence xmlns='jabber:client' from='${kRoom}/${id}'${type && ` type='${type}'`}>${more}<x ${kUser}>${item}${codes}</x></presence>`,
    );
  }
  of<K extends keyof MucEvents>(kind: K): Array<MucEvents[K]> {
    return this.events.filter(([name]) => name === kind).map(([, event]) => event);
  }
  async join(role = 'participant'): Promise<void> {
    const joined = this.muc.join({});
    await settle();
    this.presence('aaaaaaaa', { role, codes: "<status code='110'/>" });
    expect(await joined).toBe('joined');
    await settle();
  }
}
const settle = async (): Promise<void> => {
  // Joining begins with a hash, which takes as long as it takes.
  for (let turn = 0; turn < 200 && scene.sent.length === 0; ++turn) await new Promise((done) => setTimeout(done, 5));
  await new Promise((done) => setTimeout(done, 10));
};
const problem = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'none',
    (error: JitsiError) => error.problem,
  );
const refusal = (condition: string, inside = '', text = ''): string =>
  `<presence xmlns='jabber:client' type='error' from='${kRoom}/aaaaaaaa'><error type='auth'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>${text && `<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>${text}</text>`}${inside}</error></presence>`;

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});

describe('coming in', () => {
  test('what we say of ourselves: the nick is the account’s beginning, with what we can', async () => {
    await scene.join();
    const [first] = scene.sent;
    expect(attr(first, 'to')).toBe(`${kRoom}/aaaaaaaa`);
    const text = writeElement(first as XmlElement);
    expect(text).toContain('https://jitsi.org/meet/e2ee');
    expect(text).not.toContain('ssrc-rewriting');
  });

  test.each([
    ['not-authorized', 'password-required'],
    ['forbidden', 'banned'],
    ['service-unavailable', 'room-full'],
    ['resource-constraint', 'room-full'],
    ['conflict', 'name-taken'],
    ['item-not-found', 'focus-absent'],
    ['gone', 'room-closed'],
    ['bad-request', 'conference-refused'],
  ])('refused with %s: %s', async (condition, wanted) => {
    const joined = problem(scene.muc.join({}));
    await settle();
    scene.hear(refusal(condition));
    expect(await joined).toBe(wanted);
  });

  test('a wrong password, and a token for another room', async () => {
    let joined = problem(scene.muc.join({ password: 'no' }));
    await settle();
    expect(writeElement(scene.sent.at(-1) as XmlElement)).toContain('<password>no</password>');
    scene.hear(refusal('not-authorized'));
    expect(await joined).toBe('wrong-password');
    joined = problem(scene.muc.join({}));
    await settle();
    scene.hear(refusal('not-allowed', '', 'Room and token mismatched'));
    expect(await joined).toBe('token-refused');
  });
});

describe('the lobby', () => {
  const toLobby = async (named: string): Promise<'joined' | 'lobby'> => {
    const joined = scene.muc.join({});
    await settle();
    scene.hear(refusal('registration-required', `<lobbyroom xmlns='http://jitsi.org/jitmeet'>${named}</lobbyroom>`));
    return joined;
  };

  test('a lobby elsewhere than where the domain has its lobbies is not gone to', async () => {
    expect(await toLobby('rt5@lobby.evil.test')).toBe('lobby');
    void scene.muc.knock('Ada').catch(() => {});
    await settle();
    expect(attr(scene.sent.at(-1), 'to')).toBe('rt5@lobby.meet.test/aaaaaaaa');
  });

  test('invited by the room itself: in, with the password; not by anybody else', async () => {
    await toLobby('rt5@lobby.meet.test');
    let opened: unknown;
    void scene.muc.knock('Ada').then((result) => {
      opened = result;
    });
    const invite = (from: string): string =>
      `<message xmlns='jabber:client' from='${from}'><x ${kUser}><invite from='z'/><password>1234</password></x></message>`;
    scene.hear(invite('rt5@lobby.meet.test/mallory'));
    scene.hear(invite('rt5@conference.meet.test/mallory'));
    await settle();
    expect(opened).toBeUndefined();
    scene.hear(invite(kRoom));
    await settle();
    expect(opened).toEqual({ password: '1234' });
  });

  test.each([
    [`<x ${kUser}><status code='307'/></x>`, 'lobby-denied'],
    [`<x ${kUser}><destroy/></x>`, 'lobby-closed'],
  ])('%s: %s', async (inside, wanted) => {
    await toLobby('rt5@lobby.meet.test');
    const knocking = problem(scene.muc.knock('Ada'));
    scene.hear(
      `<presence xmlns='jabber:client' type='unavailable' from='rt5@lobby.meet.test/aaaaaaaa'>${inside}</presence>`,
    );
    expect(await knocking).toBe(wanted);
  });

  test('a moderator sees who knocks, lets in by invitation, turns away by removing', async () => {
    scene.answer = (_, payload) =>
      payload.ns.includes('disco')
        ? parse(
            `<iq xmlns='jabber:client' type='result'><query xmlns='http://jabber.org/protocol/disco#info'><feature var='muc_membersonly'/></query></iq>`,
          )
        : x('iq');
    await scene.join('moderator');
    await settle();
    const knocks = (id: string, name: string): void =>
      scene.hear(
        `<presence xmlns='jabber:client' from='rt5@lobby.meet.test/${id}'><nick xmlns='http://jabber.org/protocol/nick'>${name}</nick><x ${kUser}><item jid='${id}@meet.test/r' role='participant'/></x></presence>`,
      );
    knocks('bbbbbbbb', 'Bert\u202e');
    knocks('cccccccc', 'Cleo');
    expect(scene.of('knocked')).toEqual([
      { id: 'bbbbbbbb', name: 'Bert' },
      { id: 'cccccccc', name: 'Cleo' },
    ]);
    scene.muc.admit('bbbbbbbb');
    expect(writeElement(scene.sent.at(-1) as XmlElement)).toContain('<invite to="bbbbbbbb@meet.test/r"/>');
    scene.muc.deny('cccccccc');
    expect(scene.asked.at(-1)?.to).toBe('rt5@lobby.meet.test');
    expect(scene.of('knockEnded').map(({ id }) => id)).toEqual(['bbbbbbbb', 'cccccccc']);
  });
});

describe('who is here', () => {
  test('the recorded presences: names, keys, sources, and the focus by its real JID only', async () => {
    await scene.join();
    const names = recordedNames('recv-presence-client').filter((name) => name.startsWith('b-'));
    for (const name of names) {
      const presence = recorded(name);
      scene.hear({
        ...presence,
        attrs: { ...presence.attrs, from: `${kRoom}/${attr(presence, 'from')?.split('/')[1]}` },
      });
    }
    const [other] = [...scene.muc.occupants.values()];
    expect(other?.e2ee).toBe(true);
    expect(other?.idKeys?.curve25519).toMatch(/^[\w+/]{43}$/);
    expect(scene.muc.focus).toBeUndefined();
    scene.presence('focus', { jid: 'focus@evil.test/x', role: 'moderator' });
    expect(scene.muc.focus).toBeUndefined();
    scene.presence('focus', { jid: `${kFocusJid}/focus`, role: 'moderator' });
    expect(scene.muc.focus?.id).toBe('focus');
  });

  test('hidden ones are told; another account under the same nick is another person', async () => {
    await scene.join();
    scene.presence('bbbbbbbb', { jid: 'rec@recorder.meet.test/r' });
    expect(scene.of('joined').at(-1)?.hidden).toBe(true);
    scene.presence('cccccccc');
    scene.presence('cccccccc', { jid: 'other-1@meet.test/r' });
    expect(scene.of('left').map(({ occupant }) => occupant.id)).toEqual(['cccccccc']);
    expect(scene.of('joined')).toHaveLength(3);
  });

  test('presence of another room, and nicks that are none, change nothing', async () => {
    await scene.join();
    scene.hear(`<presence xmlns='jabber:client' from='other@conference.meet.test/bbbbbbbb'/>`);
    scene.presence('&lt;script>');
    scene.presence('b'.repeat(300));
    expect(scene.muc.occupants.size).toBe(0);
  });

  test('at most a thousand', async () => {
    await scene.join();
    for (let index = 0; index < 1100; ++index) scene.presence(`u${index}`);
    expect(scene.muc.occupants.size).toBe(1000);
  });

  test.each([
    ["<status code='110'/><status code='307'/>", 'kicked'],
    ["<status code='110'/><status code='301'/>", 'banned'],
    ["<status code='110'/><destroy/>", 'room-closed'],
  ])('we leave with %s: %s', async (codes, wanted) => {
    await scene.join();
    scene.presence('aaaaaaaa', { type: 'unavailable', codes });
    expect(scene.of('ended').map(({ problem: found }) => found)).toEqual([wanted]);
  });
});

describe('messages', () => {
  const message = (from: string, inside: string, type = 'groupchat'): void =>
    scene.hear(`<message xmlns='jabber:client' type='${type}' from='${from}'>${inside}</message>`);

  test('chat from the room; our own comes back once and is not shown twice', async () => {
    await scene.join();
    message(`${kRoom}/bbbbbbbb`, '<body>hello</body>');
    const id = scene.muc.sendMessage('mine');
    scene.hear(
      `<message xmlns='jabber:client' type='groupchat' id='${id}' from='${kRoom}/aaaaaaaa'><body>mine</body></message>`,
    );
    message('x@evil.test/bbbbbbbb', '<body>not from the room</body>');
    expect(scene.of('message').map(({ from, text }) => [from, text])).toEqual([['bbbbbbbb', 'hello']]);
  });

  test('json: private and of the group, from members only, and only what is JSON', async () => {
    await scene.join();
    const json = (text: string): string => `<json-message xmlns='http://jitsi.org/jitmeet'>${text}</json-message>`;
    message(`${kRoom}/bbbbbbbb`, json('{"type":"olm"}'), 'chat');
    message(`${kRoom}/bbbbbbbb`, json('{"a":'), 'chat');
    message(kRoom, json('{}'), 'chat');
    expect(scene.of('json')).toEqual([{ from: 'bbbbbbbb', group: false, data: { type: 'olm' } }]);
  });
});

describe('moderators', () => {
  const mute = (from: string, text: string): unknown => {
    const payload = x('mute', { xmlns: 'http://jitsi.org/jitmeet/audio', actor: `${kRoom}/bbbbbbbb` }, text);
    return scene.handlers.get('http://jitsi.org/jitmeet/audio')?.(x('iq', { from }, payload), payload);
  };

  test('only the focus mutes, and nobody unmutes', async () => {
    await scene.join();
    scene.presence('focus', { jid: `${kFocusJid}/focus` });
    scene.presence('bbbbbbbb', { role: 'moderator' });
    expect(mute(`${kRoom}/bbbbbbbb`, 'true')).toBeInstanceOf(StanzaError);
    expect(mute('focus@evil.test/focus', 'true')).toBeInstanceOf(StanzaError);
    expect(mute(`${kRoom}/focus`, 'false')).toBe(true);
    expect(scene.of('muted')).toEqual([]);
    expect(mute(`${kRoom}/focus`, 'true')).toBe(true);
    expect(scene.of('muted')).toEqual([{ kind: 'audio', by: 'bbbbbbbb' }]);
  });

  test('av-moderation counts only from the component that the domain names', async () => {
    await scene.join();
    const say = (from: string, data: unknown): void =>
      scene.hear(
        `<message xmlns='jabber:client' from='${from}'><json-message xmlns='http://jitsi.org/jitmeet'>${JSON.stringify(data)}</json-message></message>`,
      );
    const on = { type: 'av_moderation', enabled: true, room: kRoom, actor: `${kRoom}/bbbbbbbb`, mediaType: 'audio' };
    say('avmoderation.evil.test', on);
    say('avmoderation.meet.test', { ...on, room: 'other@conference.meet.test' });
    say('avmoderation.meet.test', { ...on, mediaType: 'everything' });
    expect(scene.of('moderation')).toEqual([]);
    say('avmoderation.meet.test', on);
    say('avmoderation.meet.test', { type: 'av_moderation', room: kRoom, mediaType: 'video', approved: true });
    expect(scene.of('moderation')).toEqual([{ kind: 'audio', on: true, by: 'bbbbbbbb' }]);
    expect(scene.of('permitted')).toEqual([{ kind: 'video', permitted: true }]);
  });

  test('what we ask for: kick, mute, moderator, password; a refusal is an error', async () => {
    await scene.join('moderator');
    scene.presence('focus', { jid: `${kFocusJid}/focus` });
    scene.presence('bbbbbbbb');
    await scene.muc.kick('bbbbbbbb');
    await scene.muc.mute('bbbbbbbb', 'video');
    await scene.muc.grantModerator('bbbbbbbb');
    await scene.muc.setPassword('s<>"');
    const texts = scene.asked
      .map(({ to, payload }) => `${to} ${writeElement(payload)}`)
      .filter((text) => !text.includes('disco'));
    expect(texts[0]).toContain(
      `${kRoom} <query xmlns="http://jabber.org/protocol/muc#admin"><item nick="bbbbbbbb" role="none"/>`,
    );
    expect(texts[1]).toContain(
      `${kRoom}/focus <mute xmlns="http://jitsi.org/jitmeet/video" jid="${kRoom}/bbbbbbbb">true`,
    );
    expect(texts[2]).toContain('<item affiliation="owner" jid="bbbbbbbb-1@meet.test"/>');
    expect(texts[3]).toContain('<value>s&lt;&gt;');
    scene.answer = () => new StanzaError('forbidden', 'auth');
    await expect(scene.muc.kick('bbbbbbbb')).rejects.toBeInstanceOf(JitsiError);
  });
});

test('who leaves hears nothing more and says so once', async () => {
  await scene.join();
  scene.muc.leave();
  expect(attr(scene.sent.at(-1), 'type')).toBe('unavailable');
  const before = scene.events.length;
  scene.presence('bbbbbbbb');
  expect(scene.events.length).toBe(before);
  expect(scene.listeners.size).toBe(0);
  expect(child(scene.sent.at(-1), 'x')).toBeUndefined();
});
