import { describe, expect, it } from 'vitest';
import {
  iceFailed,
  kJingle,
  type LocalTransport,
  type MediaDescription,
  readJingle,
  sessionAccept,
  sessionTerminate,
  sourceChange,
} from '../../../web/jitsi/jingle';
import { kMeet, kRtp, type OwnSource } from '../../../web/jitsi/sources';
import { attr, child, childrenOf, textOf, writeElement, type XmlElement, x } from '../../../web/jitsi/xml';
import { parse, recorded, recordedNames } from './support/xml';

const jingleOf = (name: string): XmlElement => child(recorded(name), 'jingle', kJingle) as XmlElement;
const kIce = 'urn:xmpp:jingle:transports:ice-udp:1';
const kDtls = 'urn:xmpp:jingle:apps:dtls:0';

const kPrint = Array.from({ length: 32 }, () => 'AB').join(':');
const transport = (change: Record<string, string> = {}, print = kPrint, ...more: XmlElement[]): XmlElement =>
  x(
    'transport',
    { xmlns: kIce, ufrag: 'ufrag', pwd: 'p'.repeat(22), ...change },
    x('fingerprint', { xmlns: kDtls, hash: 'sha-256', setup: 'actpass' }, print),
    ...more,
  );
const candidate = (change: Record<string, string> = {}): XmlElement =>
  x('candidate', {
    foundation: '1',
    component: '1',
    protocol: 'udp',
    priority: '2130706431',
    ip: '192.0.2.1',
    port: '10000',
    type: 'host',
    generation: '0',
    ...change,
  });
const initiate = (...content: XmlElement[]): XmlElement =>
  x('jingle', { xmlns: kJingle, action: 'session-initiate', sid: 's1' }, x('content', { name: 'audio' }, ...content));

describe('reading Jingle', () => {
  it('reads every recorded stanza', () => {
    const names = recordedNames('jingle');
    expect(names.length).toBeGreaterThan(25);
    for (const name of names) {
      const read = readJingle(jingleOf(name));
      const action = /jingle-([a-z-]+)\.xml$/.exec(name)?.[1];
      // session-accept is only said by us.
      expect(read?.action, name).toBe(action === 'session-accept' ? 'other' : action);
      expect(read?.sid, name).toMatch(/^[a-z0-9]{12,14}$/);
      if (name.includes('recv')) expect(read?.sources.problems, name).toEqual([]);
      if (action !== 'session-initiate') continue;
      expect(
        read?.descriptions.map(({ kind }) => kind),
        name,
      ).toEqual(['audio', 'video']);
      expect(read?.bridgeSession, name).toMatch(/^[0-9a-f-]{36}$/);
      expect(read?.transport?.candidates, name).toEqual([
        {
          foundation: '1',
          component: 1,
          transport: 'udp',
          priority: 2130706431,
          ip: '10.99.0.1',
          port: 10000,
          type: 'host',
          generation: 0,
        },
      ]);
      expect(read?.transport?.channel, name).toMatch(/^ws:\/\/127\.0\.0\.1:9090\/colibri-ws\/jvb1\//);
      expect(read?.transport?.fingerprint.setup, name).toBe('actpass');
      expect(read?.data, name).toBe(false);
      // The focus may name the bridge's own sources later.
      expect(
        read?.sources.sources.some(({ owner }) => owner === 'jvb'),
        name,
      ).toBe(!name.startsWith('b-025'));
    }
  });

  it('reads codecs, feedback and extensions of an offer', () => {
    const video = readJingle(jingleOf('a-029'))?.descriptions[1] as MediaDescription;
    expect(video.payloads.map(({ id, name }) => `${id} ${name}`)).toEqual([
      '41 AV1',
      '100 VP8',
      '107 H264',
      '101 VP9',
      '42 rtx',
      '96 rtx',
      '97 rtx',
      '99 rtx',
    ]);
    expect(video.payloads[1]?.feedback).toEqual([
      { type: 'ccm', subtype: 'fir' },
      { type: 'nack' },
      { type: 'nack', subtype: 'pli' },
      { type: 'transport-cc' },
    ]);
    expect(video.payloads[2]?.parameters).toEqual([
      ['profile-level-id', '42e01f;level-asymmetry-allowed=1;packetization-mode=1;'],
    ]);
    expect(video.extensions.map(({ id }) => id)).toEqual([11, 10, 3, 5]);
    expect(readJingle(jingleOf('a-029'))?.descriptions[0]?.payloads[0]).toMatchObject({ id: 111, channels: 2 });
  });

  it('reads why a session ends, and what the room wants muted', () => {
    expect(readJingle(jingleOf('a-046'))).toMatchObject({ reason: 'success', reasonText: 'restart required' });
    const muted = x('startmuted', { xmlns: 'http://jitsi.org/protocol/focus', audio: 'true', video: 'false' });
    expect(
      readJingle(x('jingle', { xmlns: kJingle, action: 'session-initiate', sid: 's' }, muted))?.startMuted,
    ).toEqual({
      audio: true,
      video: false,
    });
  });

  it('is none without action, with an odd sid, or in another namespace', () => {
    for (const element of [
      x('jingle', { xmlns: kJingle, sid: 's' }),
      x('jingle', { xmlns: kJingle, action: 'session-initiate' }),
      x('jingle', { xmlns: kJingle, action: 'session-initiate', sid: 'a b' }),
      x('jingle', { xmlns: kJingle, action: 'session-initiate', sid: 's\r\n' }),
      x('jingle', { xmlns: kJingle, action: 'session-initiate', sid: 's'.repeat(101) }),
      x('jingle', { xmlns: 'other', action: 'session-initiate', sid: 's' }),
      x('query', { xmlns: kJingle, action: 'session-initiate', sid: 's' }),
    ])
      expect(readJingle(element), writeElement(element)).toBeUndefined();
  });

  it('knows no other action, be it named like something every object has', () => {
    for (const action of ['constructor', '__proto__', 'toString', 'SESSION-INITIATE'])
      expect(readJingle(x('jingle', { xmlns: kJingle, action, sid: 's' }))?.action).toBe('other');
  });

  it('uses no transport with anything out of shape', () => {
    expect(readJingle(initiate(transport()))?.transport?.ufrag).toBe('ufrag');
    for (const element of [
      transport({ ufrag: 'a' }),
      transport({ ufrag: 'ufrag\r\na=candidate' }),
      transport({ pwd: 'short' }),
      transport({ pwd: `${'p'.repeat(22)} x` }),
      transport({}, 'AB'),
      transport({}, `${kPrint}\r\na=x`.replace('AB', 'AB ')),
      transport({}, kPrint.replace('AB', 'XY')),
      x('transport', { xmlns: kIce, ufrag: 'ufrag', pwd: 'p'.repeat(22) }),
      x(
        'transport',
        { xmlns: kIce, ufrag: 'ufrag', pwd: 'p'.repeat(22) },
        x('fingerprint', { xmlns: kDtls, hash: 'sha-256\r\n', setup: 'actpass' }, kPrint),
      ),
      x(
        'transport',
        { xmlns: kIce, ufrag: 'ufrag', pwd: 'p'.repeat(22) },
        x('fingerprint', { xmlns: kDtls, hash: 'sha-256', setup: 'holdconn' }, kPrint),
      ),
    ])
      expect(readJingle(initiate(element))?.transport, writeElement(element)).toBeUndefined();
  });

  it('leaves out candidates with anything out of shape, and all above forty', () => {
    const count = (...all: XmlElement[]): number | undefined =>
      readJingle(initiate(transport({}, kPrint, ...all)))?.transport?.candidates.length;
    expect(count(candidate(), candidate({ ip: '2001:db8::1' }))).toBe(2);
    expect(count(candidate({ protocol: 'tcp', tcptype: 'passive', port: '4443' }))).toBe(1);
    for (const change of [
      { ip: 'name.example' },
      { ip: '192.0.2.1 typ host\r\na=x' },
      { ip: 'x.local' },
      { port: '0' },
      { port: '65536' },
      { port: '1e3' },
      { protocol: 'ssltcp' },
      { protocol: 'tcp' },
      { protocol: 'tcp', tcptype: 'active\n' },
      { type: 'other' },
      { priority: '-1' },
      { foundation: 'a b' },
    ])
      expect(count(candidate(change)), JSON.stringify(change)).toBe(0);
    const many = Array.from({ length: 300 }, (_, index) => candidate({ port: `${index + 1}` }));
    expect(count(...many)).toBe(40);
  });

  it('leaves out codecs and extensions with anything out of shape', () => {
    const read = (...all: XmlElement[]) =>
      readJingle(initiate(x('description', { xmlns: kRtp, media: 'audio' }, ...all)))?.descriptions[0];
    const payload = (change: Record<string, string>, ...more: XmlElement[]) =>
      x('payload-type', { id: '111', name: 'opus', clockrate: '48000', channels: '2', ...change }, ...more);
    expect(read(payload({}))?.payloads).toHaveLength(1);
    for (const change of [
      { id: '128' },
      { id: '-1' },
      { id: '' },
      { name: 'op us' },
      { name: 'opus\r\na=x' },
      { name: '' },
      { clockrate: '0' },
      { clockrate: '9999999' },
    ])
      expect(read(payload(change))?.payloads, JSON.stringify(change)).toEqual([]);
    const parameter = (name: string, value: string) => x('parameter', { name, value });
    expect(
      read(payload({}, parameter('a', '1\r\na=x'), parameter('b b', '1'), parameter('c', '1')))?.payloads[0]
        ?.parameters,
    ).toEqual([['c', '1']]);
    const extension = (id: string, uri: string) =>
      x('rtp-hdrext', { xmlns: 'urn:xmpp:jingle:apps:rtp:rtp-hdrext:0', id, uri });
    expect(
      read(extension('1', 'urn:x\r\na=y'), extension('0', 'urn:x'), extension('256', 'urn:x'), extension('2', 'urn:x'))
        ?.extensions,
    ).toEqual([{ id: 2, uri: 'urn:x' }]);
    expect(read(...Array.from({ length: 500 }, () => payload({})))?.payloads).toHaveLength(40);
  });
});

describe('what we say', () => {
  const parties = { focus: 'rt5@conference.meet.test/focus', me: 'me@meet.test/x', sid: '6utfghv8hjuk4' };
  const local: LocalTransport = {
    ufrag: 'yHql',
    pwd: 'qvRyw9GXC7Inis+t/9+FeAQD',
    fingerprint: { hash: 'sha-256', value: kPrint },
    setup: 'active',
  };
  const media: MediaDescription[] = [
    {
      kind: 'audio',
      payloads: [
        {
          id: 111,
          name: 'opus',
          rate: 48000,
          channels: 2,
          parameters: [['minptime', '10']],
          feedback: [{ type: 'transport-cc' }],
        },
      ],
      extensions: [{ id: 1, uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level' }],
    },
    {
      kind: 'video',
      payloads: [
        {
          id: 100,
          name: 'VP8',
          rate: 90000,
          channels: 1,
          parameters: [],
          feedback: [{ type: 'nack', subtype: 'pli' }],
        },
      ],
      extensions: [{ id: 3, uri: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time' }],
    },
  ];
  const own: OwnSource[] = [
    { kind: 'audio', name: 'me-a0', msid: 'me-audio-0-1 t', ssrcs: [5], rtx: [], desktop: false },
    { kind: 'video', name: 'me-v0', msid: 'me-video-0-1 t', ssrcs: [6, 7, 8], rtx: [16, 17, 18], desktop: false },
  ];
  const wire = (element: XmlElement): XmlElement => parse(writeElement(element));

  /** Which elements stand in which, without those that only jicofo's own tracing reads. */
  const shape = (element: XmlElement): unknown => {
    const children = element.children.filter((one): one is XmlElement => typeof one !== 'string');
    const known = children.filter((one) => !['traceparent'].includes(one.name));
    return [
      ...new Set(known.map((one) => JSON.stringify([`${one.ns} ${one.name}`, Object.keys(one.attrs).sort()]))),
    ].sort();
  };

  it('accepts as the recorded stock client accepts', () => {
    const mine = wire(sessionAccept(parties, local, media, own));
    const theirs = jingleOf('a-030');
    expect(Object.keys(mine.attrs).sort()).toEqual(Object.keys(theirs.attrs).sort());
    expect(mine.attrs.initiator).toBe(theirs.attrs.initiator);
    expect(shape(mine)).toEqual(shape(theirs));
    for (const [index, name] of ['audio', 'video'].entries()) {
      const [a, b] = [mine, theirs].map((one) => childrenOf(one, 'content', kJingle)[index] as XmlElement) as [
        XmlElement,
        XmlElement,
      ];
      expect(a.attrs).toEqual(b.attrs);
      expect(attr(a, 'name')).toBe(name);
      expect(shape(child(a, 'description', kRtp) as XmlElement)).toEqual(
        shape(child(b, 'description', kRtp) as XmlElement),
      );
      const [mineIce, theirIce] = [a, b].map((one) => child(one, 'transport', kIce) as XmlElement) as [
        XmlElement,
        XmlElement,
      ];
      expect(Object.keys(mineIce.attrs).sort()).toEqual(Object.keys(theirIce.attrs).sort());
      expect(child(mineIce, 'fingerprint', kDtls)?.attrs).toEqual(child(theirIce, 'fingerprint', kDtls)?.attrs);
    }
    const group = child(mine, 'group', 'urn:xmpp:jingle:apps:grouping:0') as XmlElement;
    expect(childrenOf(group, 'content').map((one) => attr(one, 'name'))).toEqual(['audio', 'video']);
  });

  it('takes part in a data channel when one is offered', () => {
    const mine = wire(sessionAccept(parties, local, media, own, 5000));
    const data = childrenOf(mine, 'content', kJingle)[2] as XmlElement;
    expect(attr(data, 'name')).toBe('data');
    expect(child(child(data, 'transport', kIce), 'sctpmap')?.attrs).toMatchObject({ number: '5000' });
    expect(readJingle(mine)).toMatchObject({ data: true, transport: { sctpPort: 5000, ufrag: 'yHql' } });
  });

  it('asks for a new session as the recorded stock client asks', () => {
    const mine = wire(
      sessionTerminate(parties, {
        reason: 'success',
        text: 'restart required',
        restart: true,
        bridgeSession: '5ce8117f-e1d2-452c-8892-302b7ca01025',
      }),
    );
    const theirs = jingleOf('a-046');
    expect(mine.attrs).toMatchObject({ ...theirs.attrs });
    expect(mine.children).toEqual(theirs.children);
    const leave = wire(
      sessionTerminate(parties, { reason: 'success', text: 'left', restart: false, bridgeSession: 'b' }),
    );
    expect(attr(child(leave, 'bridge-session'), 'restart')).toBeUndefined();
  });

  it('announces what was added, by kind', () => {
    const mine = wire(sourceChange('source-add', parties, own.slice(1)));
    expect(attr(mine, 'action')).toBe('source-add');
    const contents = childrenOf(mine, 'content', kJingle);
    expect(contents.map((one) => attr(one, 'name'))).toEqual(['video']);
    const description = child(contents[0], 'description', kRtp) as XmlElement;
    expect(childrenOf(description, 'source').map((one) => attr(one, 'ssrc'))).toEqual([
      '6',
      '7',
      '8',
      '16',
      '17',
      '18',
    ]);
    expect(
      childrenOf(description, 'ssrc-group')
        .map((one) => attr(one, 'semantics'))
        .sort(),
    ).toEqual(['FID', 'FID', 'FID', 'SIM']);
  });

  it('says that ICE failed', () => {
    const mine = wire(iceFailed(parties, 'b-1'));
    expect(attr(mine, 'action')).toBe('session-info');
    expect(textOf(child(mine, 'ice-state', 'http://jitsi.org/protocol/focus'))).toBe('failed');
    expect(attr(child(mine, 'bridge-session', 'http://jitsi.org/protocol/focus'), 'id')).toBe('b-1');
  });

  it('escapes whatever the browser or the server named', () => {
    const nasty = '"><script/>';
    const mine = wire(sessionTerminate({ ...parties, me: nasty }, { reason: 'success', text: nasty, restart: false }));
    expect(mine.attrs.responder).toBe(nasty);
    expect(textOf(child(child(mine, 'reason'), 'text'))).toBe(nasty);
    expect(childrenOf(mine, 'json-message', kMeet)).toEqual([]);
  });
});
