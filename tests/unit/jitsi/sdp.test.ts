import { parse } from 'sdp-transform';
import { describe, expect, it } from 'vitest';
import { type Jingle, kJingle, type MediaDescription, readJingle, type Transport } from '../../../web/jitsi/jingle';
import {
  chooseMedia,
  codecsOf,
  kBridgeMids,
  kLaneMids,
  type RemoteDescription,
  readLocal,
  remoteOffer,
} from '../../../web/jitsi/sdp';
import { kMeet, SourceTable } from '../../../web/jitsi/sources';
import { child, type XmlElement, x } from '../../../web/jitsi/xml';
import { recorded, recordedNames } from './support/xml';

const jingleOf = (name: string): Jingle => readJingle(child(recorded(name), 'jingle', kJingle) as XmlElement) as Jingle;

function description(jingle: Jingle, change: Partial<RemoteDescription> = {}, sealed = true): RemoteDescription {
  const table = new SourceTable();
  table.add(jingle.sources, 'me');
  const [audio, video] = jingle.descriptions.map((one) => chooseMedia(one, sealed)) as [
    MediaDescription,
    MediaDescription,
  ];
  return {
    version: 1,
    sessionId: 1,
    audio,
    video,
    transport: jingle.transport as Transport,
    data: false,
    bridge: table.set,
    sections: table.tracks().map((track, index) => ({ mid: `${10 + index}`, kind: track.kind, track })),
    simulcast: true,
    ...change,
  };
}

/** What stands in a description that only the texts of the test can have brought there. */
const foreign = (text: string): string[] =>
  ['evil', 'cname:x', 'm=audio\r', '\u2028', '\u0000'].filter((one) => text.includes(one));

describe('the remote description', () => {
  it('is made of every recorded session-initiate', () => {
    const names = recordedNames('session-initiate');
    expect(names.length).toBeGreaterThan(7);
    for (const name of names) {
      const remote = description(jingleOf(name));
      const text = remoteOffer(remote);
      const session = parse(text);
      const mids = session.media.map((one) => `${one.mid}`);
      expect(new Set(mids).size, name).toBe(mids.length);
      for (const mid of [...Object.values(kLaneMids), ...Object.values(kBridgeMids)]) expect(mids, name).toContain(mid);
      expect(session.groups?.[0], name).toEqual({ type: 'BUNDLE', mids: mids.join(' ') });
      expect(text, name).toContain('a=extmap-allow-mixed\r\n');
      for (const media of session.media) {
        expect(media.rtcpMux, name).toBe('rtcp-mux');
        expect(media.setup, name).toBe('actpass');
        expect(media.iceUfrag, name).toBe(remote.transport.ufrag);
        expect(media.fingerprint, name).toEqual({ type: 'sha-256', hash: remote.transport.fingerprint.value });
      }
      expect(
        session.media.flatMap((one) => one.candidates ?? []),
        name,
      ).toHaveLength(1);
      // Our lanes only send to the bridge, each remote source only comes; and each has its place.
      const lane = (mid: string) => session.media.find((one) => `${one.mid}` === mid);
      for (const mid of Object.values(kLaneMids)) expect(lane(mid)?.direction, name).toBe('recvonly');
      for (const { mid, kind, track } of remote.sections) {
        const media = lane(mid);
        expect([media?.type, media?.direction], name).toEqual([kind, 'sendonly']);
        const ssrcs = [...new Set(media?.ssrcs?.map(({ id }) => Number(id)))];
        expect(ssrcs, name).toEqual([track?.ssrc, track?.rtx].filter((one) => one !== undefined));
        expect(media?.msid, name).toEqual([{ id: track?.owner, appdata: track?.name }]);
      }
      const all = session.media.flatMap((one) => [...new Set((one.ssrcs ?? []).map(({ id }) => id))]);
      expect(new Set(all).size, name).toBe(all.length);
    }
  });

  it('has one place for each name that the recorded peer sends', () => {
    const remote = description(jingleOf('xml-b-027'));
    expect(remote.sections.map(({ track }) => track?.name.replace(/^[0-9a-f]+/, ''))).toEqual(['-a0', '-v0']);
    const bridge = parse(remoteOffer(remote)).media.filter((one) => one.msid?.[0]?.id === 'jvb');
    expect(bridge.map((one) => `${one.mid}`).sort()).toEqual(Object.values(kBridgeMids).sort());
  });

  it('keeps a place that is free, closed and out of the bundle', () => {
    const jingle = jingleOf('xml-b-027');
    const session = parse(
      remoteOffer(description(jingle, { sections: [{ mid: '10', kind: 'audio', track: undefined }] })),
    );
    const free = session.media.at(-1);
    expect([free?.port, free?.direction, free?.ssrcs]).toEqual([0, 'inactive', undefined]);
    expect(session.groups?.[0]?.mids.split(' ')).not.toContain('10');
  });

  it('has the data channel where one is offered', () => {
    const data = parse(remoteOffer(description(jingleOf('a-029'), { data: true }))).media.find(
      (one) => one.type === 'application',
    );
    expect(data).toMatchObject({ protocol: 'UDP/DTLS/SCTP', sctpPort: 5000, mid: 4 });
  });

  it('cannot be broken out of by anything that was read', () => {
    const nasty = ['x\r\na=ssrc:1 cname:x', 'x\nm=audio', '\r\na=evil', 'x\u2028a=evil', 'x\u0000a=evil', 'x evil=1'];
    for (const text of nasty) {
      // Every attribute and text of the recorded offer, one after the other.
      const jingle = child(recorded('xml-b-027'), 'jingle', kJingle) as XmlElement;
      let place = 0;
      let at = 0;
      const spoil = (element: XmlElement): XmlElement => ({
        ...element,
        attrs: Object.fromEntries(
          Object.entries(element.attrs).map(([key, value]) => [key, place++ === at ? `${value}${text}` : value]),
        ),
        children: element.children.map((one) =>
          typeof one === 'string' ? (place++ === at ? `${one}${text}` : one) : spoil(one),
        ),
      });
      for (at = 0; ; ++at) {
        place = 0;
        const read = readJingle(spoil(jingle));
        if (at >= place) break;
        if (!read?.transport || read.descriptions.length < 2) continue;
        const offer = remoteOffer(description(read, {}, false));
        expect(foreign(offer), `${at} ${JSON.stringify(text)}`).toEqual([]);
        expect(offer.match(/^m=/gm)?.length).toBe(parse(offer).media.length);
      }
      expect(at).toBeGreaterThan(100);
      const message = JSON.stringify({
        sources: {
          [`a${text}`]: [[{ s: 5, n: text, m: text }], [], []],
          a: [
            [
              { s: 6, n: `a-v0${text}` },
              { s: 7, m: text },
            ],
            [],
            [],
          ],
        },
      });
      const withJson = { ...jingle, children: [...jingle.children, x('json-message', { xmlns: kMeet }, message)] };
      expect(foreign(remoteOffer(description(readJingle(withJson) as Jingle)))).toEqual([]);
    }
  });
});

describe('codecs', () => {
  const video = jingleOf('a-029').descriptions[1] as MediaDescription;
  const names = (one: MediaDescription): string[] => one.payloads.map(({ name }) => name);

  it('are Opus and VP8 where frames are sealed', () => {
    expect(names(chooseMedia(video, true))).toEqual(['VP8', 'rtx']);
    expect(chooseMedia(video, true).payloads.map(({ id }) => id)).toEqual([100, 96]);
    expect(names(chooseMedia(jingleOf('a-029').descriptions[0] as MediaDescription, true))).toEqual(['opus']);
  });

  it('are more where they are not, and VP8 is still first', () => {
    const open = chooseMedia(video, false);
    expect(names(open)[0]).toBe('VP8');
    expect([...new Set(names(open))].sort()).toEqual(['AV1', 'H264', 'VP8', 'VP9', 'rtx']);
    expect(codecsOf([open])).toEqual(
      new Map([
        [100, 'vp8'],
        [41, 'av1'],
        [107, 'h264'],
        [101, 'vp9'],
      ]),
    );
  });

  it('mean one thing for each id, and never RED', () => {
    const payload = (id: number, name: string) => ({
      id,
      name,
      rate: 90_000,
      channels: 1,
      parameters: [],
      feedback: [],
    });
    const odd: MediaDescription = {
      kind: 'video',
      payloads: [payload(100, 'VP8'), payload(100, 'VP8'), payload(101, 'red'), payload(102, 'constructor')],
      extensions: [
        { id: 3, uri: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time' },
        { id: 3, uri: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01' },
        { id: 10, uri: 'urn:ietf:params:rtp-hdrext:sdes:mid' },
      ],
    };
    for (const sealed of [true, false]) {
      expect(chooseMedia(odd, sealed).payloads.map(({ id }) => id)).toEqual([100]);
      // A section's name in a forwarded packet would be the sender's.
      expect(chooseMedia(odd, sealed).extensions.map(({ id }) => id)).toEqual([3]);
    }
    expect(codecsOf([odd])).toEqual(new Map([[100, 'vp8']]));
  });
});

describe('our own description', () => {
  const remote = description(jingleOf('a-029'));
  const answer = remoteOffer({
    ...remote,
    transport: { ...remote.transport, fingerprint: { ...remote.transport.fingerprint, setup: 'active' } },
  })
    .replaceAll('a=recvonly', 'a=sendonly')
    .replace(
      'a=mid:1\r\n',
      'a=mid:1\r\na=ssrc:5 cname:c\r\na=ssrc:6 cname:c\r\na=ssrc:5 msid:a b\r\na=ssrc-group:FID 5 6\r\n',
    );

  it('says which SSRCs send where', () => {
    const local = readLocal(answer);
    expect(local?.ssrcs.get('1')).toEqual({ ssrcs: [5], rtx: [6] });
    expect(local?.ssrcs.get('0')).toBeUndefined();
    expect(local?.transport).toMatchObject({ ufrag: remote.transport.ufrag, setup: 'active' });
  });

  it('comes back as the codecs and extensions that were agreed on', () => {
    const local = readLocal(answer);
    expect(local?.descriptions.map(({ kind }) => kind)).toEqual(['audio', 'video']);
    expect(local?.descriptions[0]?.payloads).toEqual(remote.audio.payloads);
    expect(local?.descriptions[1]?.payloads.map(({ id, parameters }) => [id, parameters])).toEqual([
      [100, []],
      [96, [['apt', '100']]],
    ]);
    expect(local?.descriptions[1]?.extensions).toEqual(remote.video.extensions);
  });

  it('is none without a transport', () => {
    expect(readLocal('')).toBeUndefined();
    expect(readLocal('v=0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n')).toBeUndefined();
  });
});
