// The parts of the stand-in focus and bridge (tests/servers/jitsi): what they say is what the recorded genuine ones say.
import { readFileSync } from 'node:fs';
import { JSDOM } from 'jsdom';
import { describe, expect, test } from 'vitest';
import { Bridge, MediaRoom } from '../../servers/jitsi/bridge.mjs';
import { offer } from '../../servers/jitsi/offer.mjs';
import { Projection, startsVp8Key } from '../../servers/jitsi/projection.mjs';
import { pli, remb } from '../../servers/jitsi/rtcp.mjs';
import { announced, difference, jsonSources, readSources, xmlSources } from '../../servers/jitsi/sources.mjs';
import { signToken } from '../../servers/jitsi/stack.mjs';
import { looksSealed, Witness } from '../../servers/jitsi/witness.mjs';

const { DOMParser } = new JSDOM('').window;
const folder = new URL('../../vectors/jitsi-wire/', import.meta.url);
const recorded = (name) =>
  new DOMParser().parseFromString(readFileSync(new URL(name, folder), 'utf8'), 'text/xml').documentElement;

/** A DOM element with the few methods of the XMPP library's that readSources uses. */
const ltx = (element) => ({
  attrs: Object.fromEntries([...element.attributes].map(({ name, value }) => [name, value])),
  getChildren: (name) => [...element.children].filter((one) => one.localName === name).map(ltx),
  getChild: (name) => [...element.children].filter((one) => one.localName === name).map(ltx)[0],
  getChildText: (name) => [...element.children].find((one) => one.localName === name)?.textContent,
});
const jingleOf = (name) => ltx(recorded(name).querySelector('jingle'));

const person = (id, first) => ({
  sources: [
    { ssrc: first, kind: 'video', name: `${id}-v0`, msid: 'm v' },
    { ssrc: first + 1, kind: 'video', name: `${id}-v0`, msid: 'm v' },
    { ssrc: first + 10, kind: 'video', name: `${id}-v0`, msid: 'm v' },
    { ssrc: first + 11, kind: 'video', name: `${id}-v0`, msid: 'm v' },
    { ssrc: first + 20, kind: 'audio', name: `${id}-a0`, msid: 'm a' },
  ],
  groups: [
    { semantics: 'SIM', kind: 'video', ssrcs: [first, first + 1] },
    { semantics: 'FID', kind: 'video', ssrcs: [first, first + 10] },
    { semantics: 'FID', kind: 'video', ssrcs: [first + 1, first + 11] },
  ],
});

describe('sources', () => {
  test.each(['a-030-sent-jingle-session-accept.xml', 'xml-a-029-sent-jingle-session-accept.xml'])(
    'of a recorded acceptance: %s',
    (wanted) => {
      const name = wanted;
      const { sources, groups } = readSources(jingleOf(name), 'nick');
      expect(sources.filter(({ kind }) => kind === 'audio').length).toBeGreaterThan(0);
      expect(groups.some(({ semantics }) => semantics === 'SIM')).toBe(true);
      for (const one of sources) expect(one.ssrc).toBeGreaterThan(0);
    },
  );

  test('of several sizes only the first is told, with its retransmissions', () => {
    const told = announced(person('ada', 100));
    expect(told.sources.map(({ ssrc }) => ssrc)).toEqual([100, 110, 120]);
    expect(told.groups).toEqual([{ semantics: 'FID', kind: 'video', ssrcs: [100, 110] }]);
  });

  test('the difference: what came, what went, nothing when nothing changed', () => {
    const ada = announced(person('ada', 100));
    const bert = announced(person('bert', 200));
    const before = new Map([['ada', ada]]);
    expect(difference(before, before)).toEqual({ remove: new Map(), add: new Map() });
    expect([...difference(new Map(), before).add.keys()]).toEqual(['ada']);
    const swapped = difference(before, new Map([['bert', bert]]));
    expect([[...swapped.remove.keys()], [...swapped.add.keys()]]).toEqual([['ada'], ['bert']]);
    // A camera that goes, a screen that comes: only that, not the sound.
    const screen = {
      sources: [
        ...ada.sources.filter(({ kind }) => kind === 'audio'),
        { ssrc: 5, kind: 'video', name: 'ada-v1', videoType: 'desktop' },
      ],
      groups: [],
    };
    const changed = difference(before, new Map([['ada', screen]]));
    expect(changed.remove.get('ada').sources.map(({ ssrc }) => ssrc)).toEqual([100, 110]);
    expect(changed.add.get('ada').sources.map(({ ssrc }) => ssrc)).toEqual([5]);
  });

  test('as JSON and as XML: read again they are the same', () => {
    const told = announced(person('ada', 100));
    const { sources } = JSON.parse(jsonSources(new Map([['ada', told]])).getText());
    expect(sources.ada[0]).toEqual([
      { s: 100, n: 'ada-v0', m: 'm v' },
      { s: 110, n: 'ada-v0', m: 'm v' },
    ]);
    expect(sources.ada[1]).toEqual([['f', 100, 110]]);
    const texts = xmlSources(new Map([['ada', told]]), 'video').map(String);
    expect(texts[0]).toContain('ssrc="100"');
    expect(texts[0]).toContain('owner="ada"');
    expect(texts.at(-1)).toContain('semantics="FID"');
  });
});

describe('the offer', () => {
  const endpoint = { id: 'session', wantsSctp: false, bridge: new Bridge('jvb1') };
  const local = {
    ufrag: 'u',
    pwd: 'p',
    fingerprint: 'AB:CD',
    candidates: [{ foundation: 'f', ip: '127.0.0.1', port: 1, priority: 2, protocol: 'UDP', type: 'host' }],
  };
  const make = (more = {}) =>
    new DOMParser().parseFromString(
      `${offer({ action: 'session-initiate', initiator: 'i', sid: 's', endpoint, local, channel: 'ws://b/colibri-ws/jvb1/x/y?pwd=z', sources: new Map(), json: true, codecs: ['VP8', 'AV1', 'H264', 'VP9'], ...more })}`,
      'text/xml',
    ).documentElement;
  /** Paths of elements with namespace, without what only differs in number. */
  const shape = (element, path = '') => {
    const here = `${path}/${element.localName}{${element.namespaceURI}}`;
    return new Set([here, ...[...element.children].flatMap((one) => [...shape(one, here)])]);
  };

  test('has no element that the recorded one has not, and lacks none that a client needs', () => {
    const genuine = shape(recorded('a-029-recv-jingle-session-initiate.xml').querySelector('jingle'));
    const ours = shape(make());
    expect([...ours].filter((one) => !genuine.has(one))).toEqual([]);
    const missing = [...genuine].filter((one) => !ours.has(one)).map((one) => one.split('/').at(-1).split('{')[0]);
    // A mark for tracing, of no use to clients.
    expect(missing).toEqual(['traceparent']);
  });

  test('plain XML for who does not read JSON; a data channel when asked; muted from the start when asked', () => {
    const sources = new Map([['ada', announced(person('ada', 100))]]);
    const plain = make({ json: false, sources });
    expect(plain.querySelector('json-message')).toBeNull();
    expect([...plain.querySelectorAll('description > source')].map((one) => one.getAttribute('ssrc'))).toContain('100');
    const withData = make({ endpoint: { ...endpoint, wantsSctp: true }, channel: undefined });
    expect(withData.querySelector('content[name="data"] sctpmap')?.getAttribute('number')).toBe('5000');
    expect(withData.querySelector('web-socket')).toBeNull();
    expect(
      make({ startMuted: { audio: true, video: false } })
        .querySelector('startmuted')
        ?.getAttribute('audio'),
    ).toBe('true');
  });
});

describe('RTCP, byte by byte', () => {
  test('REMB', () => {
    // draft-alvestrand-rmcat-remb-03: 5,000,000 = 156250 * 2^5
    expect(remb(5_000_000, [0x01020304, 0xfffefdfc]).toString('hex')).toBe(
      `8fce0006${'00000001'}${'00000000'}52454d42${'02'}${'16625a'}01020304fffefdfc`,
    );
  });
  test('PLI', () => {
    expect(pli(0xdeadbeef).toString('hex')).toBe('81ce000200000001deadbeef');
  });
});

describe('projection', () => {
  test('where a VP8 key frame begins: with and without an extended descriptor', () => {
    const cases = [
      [[0x10, 0x00], true],
      [[0x10, 0x01], false],
      [[0x00, 0x00], false],
      [[0x11, 0x00], false],
      [[0x90, 0x80, 0x85, 0x12, 0x00], true],
      [[0x90, 0x80, 0x05, 0x00], true],
      [[0x90, 0xf0, 0x85, 0x12, 1, 2, 0x00], true],
      [[0x90, 0xf0, 0x85, 0x12, 1, 2, 0x01], false],
      [[0x90], false],
      [[], false],
    ];
    for (const [bytes, wanted] of cases) expect([bytes, startsVp8Key(Uint8Array.from(bytes))]).toEqual([bytes, wanted]);
  });

  test('one stream out of several: numbers go on across a change of size, over the wrap, too', () => {
    const projection = new Projection();
    const out = [];
    const take = (layer, want, sequenceNumber, timestamp, key = false) => {
      const { forward, needKey } = projection.take({ layer, want, sequenceNumber, timestamp, key });
      if (forward) out.push(forward);
      return needKey ?? false;
    };
    take(0, 0, 65534, 0xfffffff0, true);
    take(0, 0, 65535, 0xfffffff0);
    take(0, 0, 0, 2984);
    // Another size is wanted: a key frame of it has to come first, meanwhile the old one goes on.
    expect(take(1, 1, 5000, 777)).toBe(true);
    take(0, 1, 1, 5984);
    expect(take(1, 1, 5001, 778, true)).toBe(false);
    take(0, 1, 2, 8984);
    take(1, 1, 5002, 778);
    expect(out.map(({ sequenceNumber }) => sequenceNumber)).toEqual([65534, 65535, 0, 1, 2, 3]);
    const steps = out.slice(1).map(({ timestamp }, index) => (timestamp - out[index].timestamp) >>> 0);
    expect(steps.every((step) => step < 90_000)).toBe(true);
  });
});

describe('the bridge', () => {
  const room = () => {
    const media = new MediaRoom();
    const bridge = new Bridge('jvb1');
    const said = new Map();
    const add = (nick, first) => {
      const endpoint = bridge.createEndpoint({ room: media, nick, sctp: false });
      Object.assign(endpoint, person(nick, first));
      media.endpoints.set(nick, endpoint);
      said.set(nick, []);
      endpoint.openChannel({ send: (text) => said.get(nick).push(JSON.parse(text)), close: () => {} });
      return endpoint;
    };
    return { media, bridge, said, add };
  };
  const last = (list, kind) => list.filter(({ colibriClass }) => colibriClass === kind).at(-1);

  test('says hello, and to senders what is looked at', () => {
    const { said, add } = room();
    add('ada', 100);
    const bert = add('bert', 200);
    expect(said.get('ada')[0]).toEqual({ colibriClass: 'ServerHello' });
    bert.receive(
      JSON.stringify({
        colibriClass: 'ReceiverVideoConstraints',
        lastN: -1,
        constraints: { 'ada-v0': { maxHeight: 720 } },
        defaultConstraints: { maxHeight: 180 },
      }),
    );
    expect(last(said.get('ada'), 'SenderSourceConstraints')).toMatchObject({ sourceName: 'ada-v0', maxHeight: 720 });
    bert.receive(
      JSON.stringify({ colibriClass: 'ReceiverVideoConstraints', constraints: { 'ada-v0': { maxHeight: 0 } } }),
    );
    expect(last(said.get('ada'), 'SenderSourceConstraints').maxHeight).toBe(0);
    expect(last(said.get('bert'), 'ForwardedSources').forwardedSources).toEqual([]);
  });

  test('last-N: who is on stage first, then who spoke last; nobody else', () => {
    const { said, add, media } = room();
    const ada = add('ada', 100);
    add('bert', 200);
    const cleo = add('cleo', 300);
    cleo.loudAt = 1000;
    ada.receive(JSON.stringify({ colibriClass: 'ReceiverVideoConstraints', lastN: 1 }));
    expect(last(said.get('ada'), 'ForwardedSources').forwardedSources).toEqual(['cleo-v0']);
    ada.receive(JSON.stringify({ colibriClass: 'ReceiverVideoConstraints', lastN: 1, onStageSources: ['bert-v0'] }));
    expect(last(said.get('ada'), 'ForwardedSources').forwardedSources).toEqual(['bert-v0']);
    expect(ada.heightFor('cleo-v0')).toBe(0);
    expect(media.ranking(ada)).toEqual(['bert-v0', 'cleo-v0']);
  });

  test('messages of clients of 2021 are understood; what is no JSON is not', () => {
    const { add } = room();
    const ada = add('ada', 100);
    add('bert', 200);
    ada.receive('{');
    ada.receive(JSON.stringify({ colibriClass: 'ReceiverVideoConstraint', maxFrameHeight: 360 }));
    ada.receive(JSON.stringify({ colibriClass: 'LastNChangedEvent', lastN: 0 }));
    expect(ada.constraints).toMatchObject({ defaultMaxHeight: 360, lastN: 0 });
    expect(ada.heightFor('bert-v0')).toBe(0);
  });

  test('endpoint messages go to whom they are for, with their sender', () => {
    const { said, add } = room();
    const ada = add('ada', 100);
    add('bert', 200);
    add('cleo', 300);
    ada.receive(JSON.stringify({ colibriClass: 'EndpointMessage', to: 'bert', msgPayload: { a: 1 } }));
    expect(last(said.get('bert'), 'EndpointMessage')).toMatchObject({ from: 'ada', msgPayload: { a: 1 } });
    expect(last(said.get('cleo'), 'EndpointMessage')).toBeUndefined();
  });

  test('a channel opens with its own password only', () => {
    const { bridge, add } = room();
    const { id, password } = add('ada', 100);
    const url = (name, session, nick, pwd) => `/colibri-ws/${name}/${session}/${nick}?pwd=${pwd}`;
    expect(bridge.endpointFor(url('jvb1', id, 'ada', password))?.nick).toBe('ada');
    for (const wrong of [
      url('jvb2', id, 'ada', password),
      url('jvb1', id, 'bert', password),
      url('jvb1', id, 'ada', 'x'),
      '/other',
    ])
      expect(bridge.endpointFor(wrong)).toBeUndefined();
  });
});

describe('the witness', () => {
  const sealed = (length, index) => {
    const bytes = new Uint8Array(length).fill(5);
    bytes[length - 2] = 12;
    bytes[length - 1] = index;
    return bytes;
  };
  test('sealed is what ends as JFrame ends and is long enough for it', () => {
    expect(looksSealed(sealed(31, 15))).toBe(true);
    expect(looksSealed(sealed(30, 0))).toBe(false);
    expect(looksSealed(sealed(60, 16))).toBe(false);
    expect(looksSealed(new Uint8Array(60))).toBe(false);
  });

  test('counts frames, runs, key indexes and the first clear one', () => {
    const witness = new Witness();
    const see = (payload, whole = true) =>
      witness.see({ ssrc: 1, payloadType: 111, owner: 'ada', kind: 'audio', whole, payload });
    see(sealed(60, 0));
    see(sealed(60, 1));
    see(new Uint8Array(60), false);
    see(new Uint8Array(60));
    see(sealed(60, 1));
    expect(witness.of('ada')).toEqual([
      {
        owner: 'ada',
        kind: 'audio',
        payloadType: 111,
        packets: 5,
        frames: 4,
        sealed: 3,
        run: 1,
        firstClear: 3,
        keyIndexes: [0, 1],
      },
    ]);
    expect(witness.of('bert')).toEqual([]);
  });
});

test('tokens are JWTs, HS256', () => {
  const [head, body, signature] = signToken('secret', { room: 'x' }).split('.');
  expect(JSON.parse(Buffer.from(head, 'base64url'))).toEqual({ alg: 'HS256', typ: 'JWT' });
  expect(JSON.parse(Buffer.from(body, 'base64url'))).toEqual({ room: 'x' });
  expect(Buffer.from(signature, 'base64url')).toHaveLength(32);
});
