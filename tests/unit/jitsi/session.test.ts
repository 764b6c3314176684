import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { kJingle } from '../../../web/jitsi/jingle';
import { MediaSession } from '../../../web/jitsi/session';
import { kMeet, kRtp } from '../../../web/jitsi/sources';
import { type IqAnswer, type SessionEvents, StanzaError, type XmppPort } from '../../../web/jitsi/types';
import { attr, child, childrenOf, type XmlElement, x } from '../../../web/jitsi/xml';
import type { MediaCipherApi } from '../../../web/media/types';
import { FakeConnection } from './support/connection';
import { recorded } from './support/xml';

const kRoom = 'rt5@conference.meet.test';
const kFocus = `${kRoom}/focus`;

const clone = (element: XmlElement, attrs: Record<string, string>): XmlElement => ({
  ...element,
  attrs: { ...element.attrs, ...attrs },
});
/** The recorded offer; without its bridge channel, which nobody here answers on. */
const offer = (
  sid: string,
  sources: unknown = { jvb: [[{ s: 90, n: 'jvb-v0' }], [], [{ s: 91, n: 'jvb-a0' }]] },
): XmlElement => {
  const jingle = child(recorded('a-029'), 'jingle', kJingle) as XmlElement;
  const without = (element: XmlElement): XmlElement => ({
    ...element,
    children: element.children
      .filter((one) => typeof one === 'string' || (one.name !== 'web-socket' && one.name !== 'json-message'))
      .map((one) => (typeof one === 'string' ? one : without(one))),
  });
  const plain = without(jingle);
  const message = x('json-message', { xmlns: kMeet }, JSON.stringify({ sources }));
  return clone({ ...plain, children: [...plain.children, message] }, { sid });
};
const change = (action: string, sid: string, sources: unknown): XmlElement =>
  x('jingle', { xmlns: kJingle, action, sid }, x('json-message', { xmlns: kMeet }, JSON.stringify({ sources })));
const person = (id: string, first: number): Record<string, unknown> => ({
  [id]: [
    [
      { s: first, n: `${id}-v0` },
      { s: first + 1, n: `${id}-v0` },
    ],
    [['f', first, first + 1]],
    [{ s: first + 2, n: `${id}-a0` }],
  ],
});

class Scene {
  readonly log: string[] = [];
  readonly said: XmlElement[] = [];
  readonly connections: FakeConnection[] = [];
  readonly events: Array<[string, unknown]> = [];
  readonly owners = new Map<unknown, string>();
  readonly session: MediaSession;
  key: () => void = () => {};
  answers: (payload: XmlElement) => Promise<void> = async () => {};
  #handler: ((iq: XmlElement, payload: XmlElement) => IqAnswer | Promise<IqAnswer>) | undefined;

  constructor(sealed = true, ready = true) {
    const xmpp = {
      onIq: (_: string, handler: (iq: XmlElement, payload: XmlElement) => IqAnswer) => {
        this.#handler = handler;
        return () => {};
      },
      iq: async ({ payload }: { payload: XmlElement }) => {
        this.said.push(payload);
        this.log.push(attr(payload, 'action') ?? '');
        await this.answers(payload);
        return x('iq');
      },
    } as unknown as XmppPort;
    const cipher = {
      rtcConfiguration: (base: RTCConfiguration) => ({ ...base, sealed: true }),
      attachSender: (_: unknown, { track }: { track: string }) => this.log.push(`sealed ${track}`),
      attachReceiver: (receiver: unknown, { participant, track }: { participant: string; track: string }) => {
        if (this.owners.has(receiver) && this.owners.get(receiver) !== participant) throw new Error('another owner');
        this.owners.set(receiver, participant);
        this.log.push(`opens ${participant} ${track}`);
      },
      setPayloadTypes: (map: Map<number, string>) => this.log.push(`types ${[...map.values()].join()}`),
    } as unknown as MediaCipherApi;
    this.session = new MediaSession({
      xmpp,
      room: kRoom,
      me: 'me',
      jid: () => 'me@meet.test/x',
      isFocus: (address) => address === kFocus,
      cipher: sealed ? cipher : undefined,
      ownKeyReady: ready ? Promise.resolve() : new Promise((resolve) => (this.key = resolve)),
      iceServers: [],
      local: true,
      createConnection: (configuration) => {
        const connection = new FakeConnection(configuration, (text) => this.log.push(text));
        this.connections.push(connection);
        return connection as unknown as RTCPeerConnection;
      },
    });
    for (const kind of ['track', 'ended', 'state', 'problem'] as const)
      this.session.on(kind, (event: SessionEvents[typeof kind]) => this.events.push([kind, event]));
  }

  get connection(): FakeConnection {
    return this.connections.at(-1) as FakeConnection;
  }

  hear(jingle: XmlElement, from = kFocus): IqAnswer {
    return this.#handler?.(x('iq', { from, type: 'set', id: '1' }, jingle), jingle) as IqAnswer;
  }

  /** Until everything that can happen has happened. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 60; ++turn) await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 0; turn < 60; ++turn) await Promise.resolve();
  }

  async open(sid: string, sources?: unknown): Promise<void> {
    expect(this.hear(offer(sid, sources))).toBe(true);
    await this.settle();
  }

  of(action: string): XmlElement[] {
    return this.said.filter((one) => attr(one, 'action') === action);
  }

  /** Whose each section of the last remote description is. */
  get sections(): string[] {
    return (this.connection.remote?.media ?? []).map((one) => (one.port === 0 ? '' : (one.msid?.[0]?.id ?? '-')));
  }
}

const track = (kind: string): MediaStreamTrack =>
  ({ kind, getSettings: () => ({ height: 720 }) }) as unknown as MediaStreamTrack;

beforeEach(() => {
  vi.stubGlobal(
    'MediaStream',
    class {
      constructor(readonly tracks: unknown[]) {}
    },
  );
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const conditionOf = (answer: IqAnswer): unknown => (answer instanceof StanzaError ? answer.condition : answer);

describe('a sealed session', () => {
  it('waits for our own key before anything of ours goes anywhere, and before it is accepted', async () => {
    const scene = new Scene(true, false);
    void scene.session.setTrack('audio', track('audio'));
    void scene.session.setTrack('video', track('video'));
    await scene.open('s1', person('a', 10));
    expect(scene.connection.configuration).toMatchObject({ sealed: true, bundlePolicy: 'max-bundle' });
    expect(scene.said).toEqual([]);
    expect(scene.log.filter((one) => /^(track|answer)/.test(one))).toEqual([]);
    for (const lane of ['audio', 'video', 'screen', 'screen-audio']) expect(scene.log).toContain(`sealed ${lane}`);
    scene.key();
    await scene.settle();
    // Tracks after the answer: Chromium starts a sender with a track before it puts the transform in.
    const order = ['sealed audio', 'sealed video', 'opens a a-v0', 'answer', 'track 0', 'track 1', 'session-accept'];
    const places = order.map((one) => scene.log.indexOf(one));
    expect(places.every((place) => place >= 0)).toBe(true);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
  });

  it('negotiates nothing but what can be sealed', async () => {
    const scene = new Scene();
    await scene.open('s1');
    const codecs = new Set(scene.connection.remote?.media.flatMap((one) => one.rtp.map(({ codec }) => codec)));
    expect([...codecs].sort()).toEqual(['VP8', 'opus', 'rtx']);
    expect(scene.log).toContain('types opus,vp8');
    const text = JSON.stringify(scene.of('session-accept'));
    expect(text).not.toMatch(/AV1|H264|VP9|"red"/);
    // A deployment that offers nothing of the kind.
    const bare = offer('s2');
    const no = JSON.parse(JSON.stringify(bare).replaceAll('"VP8"', '"VP9"')) as XmlElement;
    expect(conditionOf(scene.hear(no))).toBe('not-acceptable');
    expect(scene.events.at(-1)).toEqual(['state', { state: 'failed' }]);
  });

  it('accepts with its sources: three sizes of the camera, each with its retransmissions', async () => {
    const scene = new Scene();
    await scene.session.setTrack('audio', track('audio'));
    await scene.session.setTrack('video', track('video'));
    await scene.open('s1');
    const [accept] = scene.of('session-accept');
    expect(accept?.attrs).toMatchObject({ initiator: kFocus, responder: 'me@meet.test/x', sid: 's1' });
    const [audio, video] = childrenOf(accept, 'content').map((one) => child(one, 'description', kRtp));
    expect(childrenOf(audio, 'source').map((one) => attr(one, 'name'))).toEqual(['me-a0', 'me-a0']);
    expect(childrenOf(video, 'source')).toHaveLength(6);
    expect(
      childrenOf(video, 'ssrc-group')
        .map((one) => attr(one, 'semantics'))
        .sort(),
    ).toEqual(['FID', 'FID', 'FID', 'SIM']);
    // Nobody else gets our SSRCs.
    const mine = Number(attr(childrenOf(video, 'source')[0], 'ssrc'));
    scene.hear(change('source-add', 's1', { b: [[{ s: mine, n: 'b-v0' }], [], []] }));
    await scene.settle();
    expect(scene.events).toContainEqual(['problem', { reason: 'own', ssrc: mine, owner: 'b' }]);
    expect(scene.sections).not.toContain('b');
  });

  it('gives each source a section and a receiver of its own, which never gets another owner', async () => {
    const scene = new Scene();
    await scene.open('s1', person('a', 10));
    expect(scene.sections.filter((one) => one === 'a')).toHaveLength(2);
    scene.hear(change('source-add', 's1', person('b', 20)));
    await scene.settle();
    expect(scene.sections.filter((one) => one === 'b')).toHaveLength(2);
    const places = scene.sections.length;
    scene.hear(change('source-remove', 's1', person('a', 10)));
    await scene.settle();
    expect(scene.sections.filter((one) => one === '')).toHaveLength(2);
    expect(scene.events.filter(([kind]) => kind === 'ended')).toHaveLength(2);
    scene.hear(change('source-add', 's1', person('c', 30)));
    await scene.settle();
    expect(scene.sections).toHaveLength(places);
    expect(scene.sections.filter((one) => one === 'c')).toHaveLength(2);
    // The receivers' owners were checked by attachReceiver above.
    expect(new Set(scene.owners.values())).toEqual(new Set(['a', 'b', 'c', 'jvb']));
    expect(scene.connections).toHaveLength(1);
  });

  it('does not grow in a long meeting', async () => {
    const scene = new Scene();
    await scene.open('s1', person('a', 10));
    let most = 0;
    for (let round = 0; round < 200; ++round) {
      const id = `p${round}`;
      scene.hear(change('source-add', 's1', person(id, 1000 + 10 * round)));
      if (round % 3) await scene.settle();
      scene.hear(change('source-remove', 's1', person(id, 1000 + 10 * round)));
      if (round % 2) await scene.settle();
      most = Math.max(most, scene.sections.length);
    }
    await scene.settle();
    expect(most).toBeLessThan(20);
    expect(scene.connections).toHaveLength(1);
    expect(scene.sections.filter((one) => one === 'a')).toHaveLength(2);
  });

  it('takes a renewed source of the same owner as a new one', async () => {
    const scene = new Scene();
    await scene.open('s1', person('a', 10));
    scene.hear(change('source-remove', 's1', person('a', 10)));
    scene.hear(change('source-add', 's1', person('a', 40)));
    await scene.settle();
    const ssrcs = scene.connection.remote?.media.flatMap((one) => (one.ssrcs ?? []).map(({ id }) => Number(id)));
    expect(ssrcs).not.toContain(10);
    expect(ssrcs).toContain(40);
    expect(scene.events.filter(([kind]) => kind === 'track')).toHaveLength(4);
  });

  it('reports an SSRC that two claim, and leaves it with the first', async () => {
    const scene = new Scene();
    await scene.open('s1', person('a', 10));
    scene.hear(change('source-add', 's1', { b: [[], [], [{ s: 12, n: 'b-a0' }]] }));
    await scene.settle();
    expect(scene.events).toContainEqual(['problem', { reason: 'claimed-twice', ssrc: 12, owner: 'b', other: 'a' }]);
    expect(scene.sections).not.toContain('b');
  });

  it('announces a late screen with its sound, once', async () => {
    const scene = new Scene();
    await scene.session.setTrack('audio', track('audio'));
    await scene.open('s1');
    await scene.session.setTrack('screen', track('video'));
    await scene.session.setTrack('screen-audio', track('audio'));
    const added = scene.of('source-add').map((one) => {
      const content = child(one, 'content');
      const source = child(child(content, 'description', kRtp), 'source');
      return [attr(content, 'name'), attr(source, 'name'), attr(source, 'videoType')];
    });
    expect(added).toEqual([
      ['video', 'me-v1', 'desktop'],
      ['audio', 'me-a1', undefined],
    ]);
    // Off and on again: the source stays.
    await scene.session.setTrack('screen', undefined);
    await scene.session.setTrack('screen', track('video'));
    expect(scene.of('source-add')).toHaveLength(2);
    expect(scene.log.slice(-2)).toEqual(['no track 2', 'track 2']);
  });
});

describe('signalling', () => {
  it('is heard from the focus alone', async () => {
    const scene = new Scene();
    for (const from of [`${kRoom}/a`, 'focus@auth.meet.test/focus', kRoom, `${kRoom}/focus2`, ''])
      expect(conditionOf(scene.hear(offer('s1'), from)), from).toBe('service-unavailable');
    await scene.open('s1', person('a', 10));
    expect(conditionOf(scene.hear(change('source-remove', 's1', person('a', 10)), `${kRoom}/a`))).toBe(
      'service-unavailable',
    );
    await scene.settle();
    expect(scene.sections).toContain('a');
  });

  it('is answered by an error where it cannot be used', async () => {
    const scene = new Scene();
    const bad = offer('s1');
    expect(conditionOf(scene.hear(clone(bad, { sid: 'a b' })))).toBe('bad-request');
    expect(conditionOf(scene.hear({ ...bad, children: [] }))).toBe('bad-request');
    const noTransport = JSON.parse(JSON.stringify(bad).replaceAll('"ufrag"', '"other"')) as XmlElement;
    expect(conditionOf(scene.hear(noTransport))).toBe('bad-request');
    expect(scene.connections).toHaveLength(0);
    expect(conditionOf(scene.hear(change('source-add', 's0', person('a', 10))))).toBe('item-not-found');
    await scene.open('s1');
    expect(conditionOf(scene.hear(change('source-add', 's0', person('a', 10))))).toBe('item-not-found');
    expect(conditionOf(scene.hear(change('content-add', 's1', {})))).toBe('feature-not-implemented');
    expect(scene.hear(change('session-info', 's1', {}))).toBe(true);
    await scene.settle();
    expect(scene.sections).not.toContain('a');
  });

  it('loses no source that is added while the session waits for its turn', async () => {
    const scene = new Scene(true, false);
    expect(scene.hear(offer('s1'))).toBe(true);
    expect(scene.hear(change('source-add', 's1', person('a', 10)))).toBe(true);
    await scene.settle();
    scene.key();
    await scene.settle();
    expect(scene.sections.filter((one) => one === 'a')).toHaveLength(2);
  });

  it('accepts the newest of several sessions, once', async () => {
    const scene = new Scene(true, false);
    expect(scene.hear(offer('s1'))).toBe(true);
    await scene.settle();
    expect(scene.hear(offer('s2'))).toBe(true);
    expect(scene.hear(offer('s3'))).toBe(true);
    scene.key();
    await scene.settle();
    expect(scene.of('session-accept').map((one) => attr(one, 'sid'))).toEqual(['s3']);
    expect(scene.of('session-terminate')).toEqual([]);
    expect(scene.connections.map((one) => one.connectionState)).toEqual(['closed', 'new']);
  });

  it('does not accept what the focus ended meanwhile', async () => {
    const scene = new Scene(true, false);
    scene.hear(offer('s1'));
    await scene.settle();
    const end = x('jingle', { xmlns: kJingle, action: 'session-terminate', sid: 's1' }, x('reason', {}, x('expired')));
    expect(scene.hear(end)).toBe(true);
    scene.key();
    await scene.settle();
    expect(scene.said).toEqual([]);
    expect(scene.connection.connectionState).toBe('closed');
    await scene.open('s2');
    expect(scene.of('session-accept').map((one) => attr(one, 'sid'))).toEqual(['s2']);
  });

  it('hands candidates on that belong to this transport', async () => {
    const scene = new Scene();
    await scene.open('s1');
    const info = (change: Record<string, string>): XmlElement => {
      const { children } = offer('s1');
      const only = children
        .filter((one) => typeof one !== 'string' && one.name === 'content')
        .slice(0, 1) as XmlElement[];
      const text = JSON.stringify(only);
      const named = Object.entries(change).reduce((all, [from, to]) => all.replaceAll(from, to), text);
      return { ...x('jingle', { xmlns: kJingle, action: 'transport-info', sid: 's1' }), children: JSON.parse(named) };
    };
    scene.hear(info({ '10.99.0.1': '10.99.0.2' }));
    scene.hear(info({ d8hpu1k843la9u: 'another' }));
    await scene.settle();
    expect(scene.connection.candidates).toEqual([
      { candidate: 'candidate:1 1 udp 2130706431 10.99.0.2 10000 typ host', sdpMid: '0' },
    ]);
  });
});

describe('breaks', () => {
  it('says that ICE failed, asks for a new session, and takes it with the same tracks', async () => {
    const scene = new Scene();
    await scene.session.setTrack('audio', track('audio'));
    await scene.open('s1', person('a', 10));
    scene.connection.become('connected');
    scene.connection.become('failed');
    await scene.settle();
    expect(scene.said.slice(1).map((one) => attr(one, 'action'))).toEqual(['session-info', 'session-terminate']);
    const terminate = scene.said[2] as XmlElement;
    expect(child(terminate, 'bridge-session')?.attrs).toMatchObject({ restart: 'true' });
    expect(scene.events.filter(([kind]) => kind === 'ended')).toHaveLength(2);
    await scene.open('s2', person('a', 50));
    expect(scene.connections.map((one) => one.connectionState)).toEqual(['closed', 'new']);
    const accept = scene.of('session-accept')[1];
    expect(attr(accept, 'sid')).toBe('s2');
    expect(childrenOf(child(childrenOf(accept, 'content')[0], 'description', kRtp), 'source').length).toBeGreaterThan(
      0,
    );
    // What the old session still says is nobody's.
    expect(conditionOf(scene.hear(change('source-remove', 's1', person('a', 50))))).toBe('item-not-found');
  });

  it('moves to another bridge by a new session', async () => {
    const scene = new Scene();
    await scene.open('s1');
    scene.hear(clone(offer('s1'), { action: 'transport-replace' }));
    await scene.settle();
    expect(scene.events).toContainEqual(['state', { state: 'moved' }]);
    expect(scene.of('session-terminate')).toHaveLength(1);
    await scene.open('s2');
    expect(scene.of('session-accept').map((one) => attr(one, 'sid'))).toEqual(['s1', 's2']);
  });

  it('comes back from a short break without a new session', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const scene = new Scene();
    await scene.open('s1');
    scene.connection.become('connected');
    scene.connection.become('disconnected');
    await vi.advanceTimersByTimeAsync(7000);
    scene.connection.become('connected');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(scene.of('session-terminate')).toEqual([]);
    scene.connection.become('disconnected');
    await vi.advanceTimersByTimeAsync(9000);
    await scene.settle();
    expect(scene.of('session-terminate')).toHaveLength(1);
  });

  it('gives up where every session fails', async () => {
    const scene = new Scene();
    scene.answers = async (payload) => {
      if (attr(payload, 'action') === 'session-accept') throw new Error('refused');
    };
    for (let round = 0; round < 10; ++round) await scene.open(`s${round}`);
    expect(scene.events).toContainEqual(['state', { state: 'failed' }]);
  });

  it('ends with everything closed and nothing sent any more', async () => {
    const scene = new Scene();
    await scene.session.setTrack('audio', track('audio'));
    await scene.open('s1');
    await scene.session.close();
    await scene.settle();
    expect(scene.connection.connectionState).toBe('closed');
    expect(scene.log.filter((one) => /track 0$/.test(one))).toEqual(['track 0', 'no track 0']);
    expect(attr(scene.said.at(-1), 'action')).toBe('session-terminate');
    expect(child(scene.said.at(-1), 'bridge-session')?.attrs.restart).toBeUndefined();
  });
});

describe('an open session', () => {
  it('is one that the person asked for, by a new session', async () => {
    const scene = new Scene();
    await scene.open('s1');
    scene.session.cipher = undefined;
    // The one that is stays sealed.
    await scene.session.setTrack('audio', track('audio'));
    expect(scene.connection.configuration).toMatchObject({ sealed: true });
    void scene.session.restart('privacy');
    await scene.settle();
    await scene.open('s2');
    expect(scene.connection.configuration).not.toHaveProperty('sealed');
    expect(scene.log.filter((one) => one === 'sealed audio')).toHaveLength(1);
  });
});
