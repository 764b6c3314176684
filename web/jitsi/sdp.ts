/**
 * From Jingle to what a browser takes (Unified Plan), by the library sdp-transform. The bridge has no description of its own,
 * so this file decides on the layout:
 *
 *   0 audio  1 video   our microphone and camera
 *   2 video  3 audio   our screen and its sound
 *   4        (data)    the bridge channel, where it is a data channel
 *   5 audio  6 video   what the bridge itself sends (padding, probing), so that it has a place of its own
 *   then one section for each thing that somebody else sends. It goes (port 0) with its source; its place is taken by the
 *   next one under a new name, so that no receiver ever changes its owner and descriptions do not grow for ever.
 *
 * What is sealed with JFrame is Opus and VP8, so in a sealed session nothing else is negotiated: a codec whose packetizer
 * looks into the frame would not work, and would show more of it.
 *
 * Threads: any. Errors: undefined where a description lacks what it must have.
 */
import { parse, type SessionDescription, write } from 'sdp-transform';
import type { CodecName } from '../media/engine_types';
import type { LocalTransport, MediaDescription, PayloadType, Transport } from './jingle';
import { kBridge, type RemoteTrack } from './sources';
import type { SourceSet } from './types';

export const kLaneMids = { audio: '0', video: '1', screen: '2', 'screen-audio': '3' } as const;
const kDataMid = '4';
export const kBridgeMids = { audio: '5', video: '6' } as const;

/** Header extensions that frames can do without a server's help. Not sdes:mid: forwarded ones name somebody else's section. */
const kExtensions = new Set([
  'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
]);

/** Browsers want it for a picture in several sizes. Only between us and our own description: the focus is not told. */
const kRid = 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id';

const kSealed = new Set(['opus', 'vp8']);
const kOpen = new Set(['opus', 'vp8', 'vp9', 'h264', 'av1']);

/** What of the offer is used: codecs by name with their retransmissions, VP8 before all others. */
export function chooseMedia(description: MediaDescription, sealed: boolean): MediaDescription {
  const allowed = sealed ? kSealed : kOpen;
  const main = description.payloads.filter((one) => allowed.has(one.name.toLowerCase()));
  main.sort((a, b) => Number(b.name.toLowerCase() === 'vp8') - Number(a.name.toLowerCase() === 'vp8'));
  const aptOf = (one: PayloadType): number => Number(one.parameters.find(([name]) => name === 'apt')?.[1]);
  const rtx = description.payloads.filter(
    (one) => one.name.toLowerCase() === 'rtx' && main.some((other) => other.id === aptOf(one)),
  );
  // An id means one thing.
  const seen = new Set<number>();
  const payloads = [...main, ...rtx].filter((one) => !seen.has(one.id) && seen.add(one.id));
  const ids = new Set<number>();
  const extensions = description.extensions.filter(
    (one) => kExtensions.has(one.uri) && !ids.has(one.id) && ids.add(one.id),
  );
  return { kind: description.kind, payloads, extensions };
}

/** Payload type → codec, for browsers that do not name a frame's codec. */
export function codecsOf(descriptions: readonly MediaDescription[]): Map<number, CodecName> {
  const names: Record<string, CodecName> = { opus: 'opus', vp8: 'vp8', vp9: 'vp9', h264: 'h264', av1: 'av1' };
  const result = new Map<number, CodecName>();
  for (const { payloads } of descriptions) {
    for (const { id, name } of payloads) {
      const codec = Object.hasOwn(names, name.toLowerCase()) ? names[name.toLowerCase()] : undefined;
      if (codec) result.set(id, codec);
    }
  }
  return result;
}

/** A place in the description for somebody else's track; `undefined` while it is free. */
export interface Section {
  mid: string;
  kind: 'audio' | 'video';
  track: RemoteTrack | undefined;
}

export interface RemoteDescription {
  version: number;
  sessionId: number;
  audio: MediaDescription;
  video: MediaDescription;
  transport: Transport;
  data: boolean;
  bridge: SourceSet;
  sections: readonly Section[];
  /** The camera goes out in three sizes. */
  simulcast: boolean;
}

type Media = SessionDescription['media'][number];

const fmtp = (one: PayloadType): string =>
  one.parameters
    .map(([name, value]) => (name ? `${name}=${value}` : value))
    .join(';')
    .replace(/;+$/, '');

function section(
  description: MediaDescription,
  transport: Transport,
  mid: string,
  direction: 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive',
): Media {
  const { kind, payloads, extensions } = description;
  return {
    type: kind,
    port: 9,
    protocol: 'UDP/TLS/RTP/SAVPF',
    payloads: payloads.map((one) => one.id).join(' '),
    connection: { version: 4, ip: '0.0.0.0' },
    mid,
    direction,
    iceUfrag: transport.ufrag,
    icePwd: transport.pwd,
    fingerprint: { type: transport.fingerprint.hash, hash: transport.fingerprint.value },
    setup: transport.fingerprint.setup,
    rtcpMux: 'rtcp-mux',
    ext: extensions.map(({ id, uri }) => ({ value: id, uri })),
    rtp: payloads.map((one) => ({
      payload: one.id,
      codec: one.name,
      rate: one.rate,
      ...(one.channels > 1 && { encoding: one.channels }),
    })),
    fmtp: payloads.filter((one) => fmtp(one)).map((one) => ({ payload: one.id, config: fmtp(one) })),
    rtcpFb: payloads.flatMap((one) =>
      one.feedback.map(({ type, subtype }) => ({ payload: one.id, type, ...(subtype && { subtype }) })),
    ),
  };
}

/**
 * SSRCs with the stream named on the section, not on each SSRC: Chromium takes the latter for an older way of description, and
 * then answers without its layers.
 */
function sends(media: Media, ssrcs: readonly number[], stream: string, track: string): void {
  media.ssrcs = ssrcs.map((id) => ({ id, attribute: 'cname', value: 'mixed' }));
  media.msid = [{ id: stream, appdata: track }];
}

/** The remote description, as an offer. */
export function remoteOffer(remote: RemoteDescription): string {
  const { audio, video, transport, bridge, sections, simulcast } = remote;
  const own = (kind: 'audio' | 'video', mid: string): Media => {
    const media = section(kind === 'audio' ? audio : video, transport, mid, 'recvonly');
    if (mid === kLaneMids.video && simulcast) {
      media.rids = ['0', '1', '2'].map((id) => ({ id, direction: 'recv' }));
      media.simulcast = { dir1: 'recv', list1: '0;1;2' };
      // Sections share their ids: one that neither kind uses.
      const used = new Set([...audio.extensions, ...video.extensions].map((one) => one.id));
      const free = [14, 13, 12, 9, 8, 7, 6, 4, 2].find((id) => !used.has(id));
      if (free !== undefined) media.ext = [...(media.ext ?? []), { value: free, uri: kRid }];
    }
    return media;
  };
  const media: Media[] = [
    own('audio', kLaneMids.audio),
    own('video', kLaneMids.video),
    own('video', kLaneMids.screen),
    own('audio', kLaneMids['screen-audio']),
  ];
  if (remote.data) {
    media.push({
      type: 'application',
      port: 9,
      protocol: 'UDP/DTLS/SCTP',
      payloads: 'webrtc-datachannel',
      connection: { version: 4, ip: '0.0.0.0' },
      mid: kDataMid,
      iceUfrag: transport.ufrag,
      icePwd: transport.pwd,
      fingerprint: { type: transport.fingerprint.hash, hash: transport.fingerprint.value },
      setup: transport.fingerprint.setup,
      sctpPort: transport.sctpPort ?? 5000,
      maxMessageSize: 65_536,
      rtp: [],
      fmtp: [],
    });
  }
  for (const kind of ['audio', 'video'] as const) {
    const source = bridge.sources.find((one) => one.owner === kBridge && one.kind === kind);
    const one = section(
      kind === 'audio' ? audio : video,
      transport,
      kBridgeMids[kind],
      source ? 'sendonly' : 'inactive',
    );
    if (source) sends(one, [source.ssrc], kBridge, `${kBridge}-${kind}`);
    media.push(one);
  }
  for (const { mid, kind, track } of sections) {
    const one = section(kind === 'audio' ? audio : video, transport, mid, track ? 'sendonly' : 'inactive');
    if (track) {
      const ssrcs = [track.ssrc, ...(track.rtx === undefined ? [] : [track.rtx])];
      sends(one, ssrcs, track.owner, track.name);
      if (track.rtx !== undefined) one.ssrcGroups = [{ semantics: 'FID', ssrcs: ssrcs.join(' ') }];
    } else one.port = 0;
    media.push(one);
  }
  const first = media[0] as Media;
  first.candidates = transport.candidates.map((one) => ({
    foundation: one.foundation,
    component: one.component,
    transport: one.transport,
    priority: one.priority,
    ip: one.ip,
    port: one.port,
    type: one.type,
    generation: one.generation,
    ...(one.tcptype && { tcptype: one.tcptype }),
  }));
  const mids = media.filter((one) => one.port !== 0).map((one) => one.mid);
  return write({
    version: 0,
    origin: {
      username: '-',
      sessionId: remote.sessionId,
      sessionVersion: remote.version,
      netType: 'IN',
      ipVer: 4,
      address: '127.0.0.1',
    },
    name: '-',
    timing: { start: 0, stop: 0 },
    groups: [{ type: 'BUNDLE', mids: mids.join(' ') }],
    extmapAllowMixed: 'extmap-allow-mixed',
    msidSemantic: { semantic: 'WMS', token: '*' },
    media,
  } as SessionDescription);
}

export interface LocalDescription {
  transport: LocalTransport;
  /** What was agreed on, by kind. */
  descriptions: MediaDescription[];
  /** SSRCs by section, as far as the browser writes them. */
  ssrcs: ReadonlyMap<string, { ssrcs: number[]; rtx: number[] }>;
}

/** Our own description (a browser's, but read with the same care). */
export function readLocal(sdp: string): LocalDescription | undefined {
  const session = parse(sdp);
  const first = session.media.find((one) => one.port !== 0 && (one.iceUfrag ?? session.iceUfrag));
  const print = first?.fingerprint ?? session.fingerprint;
  const ufrag = first?.iceUfrag ?? session.iceUfrag;
  const pwd = first?.icePwd ?? session.icePwd;
  if (!first || !print || !ufrag || !pwd) return undefined;
  const setup = (first.setup ?? session.setup) === 'passive' ? 'passive' : 'active';
  const ssrcs = new Map<string, { ssrcs: number[]; rtx: number[] }>();
  for (const one of session.media) {
    if (one.mid === undefined || !one.ssrcs?.length) continue;
    const ids = [...new Set(one.ssrcs.map(({ id }) => Number(id)))];
    const pairs = (one.ssrcGroups ?? [])
      .filter(({ semantics }) => semantics === 'FID')
      .map((group) => group.ssrcs.split(' ').map(Number));
    const rtx = new Set(pairs.map(([, second]) => second));
    const main = ids.filter((id) => !rtx.has(id));
    ssrcs.set(`${one.mid}`, {
      ssrcs: main,
      rtx: main.map((id) => pairs.find(([a]) => a === id)?.[1]).filter((id) => id !== undefined),
    });
  }
  const describe = (kind: 'audio' | 'video'): MediaDescription | undefined => {
    const media = session.media.find((one) => one.type === kind && `${one.mid}` === kLaneMids[kind]);
    if (!media) return undefined;
    return {
      kind,
      payloads: media.rtp.map((one) => {
        const config = media.fmtp.find(({ payload }) => payload === one.payload)?.config ?? '';
        return {
          id: one.payload,
          name: one.codec,
          rate: one.rate ?? 90_000,
          channels: Number(one.encoding ?? 1),
          parameters: config
            .split(';')
            .filter(Boolean)
            .map((pair) => {
              const at = pair.indexOf('=');
              return [pair.slice(0, Math.max(at, 0)).trim(), pair.slice(at + 1)] as const;
            }),
          feedback: (media.rtcpFb ?? [])
            .filter(({ payload }) => payload === one.payload || `${payload}` === '*')
            .map(({ type, subtype }) => ({ type, ...(subtype && { subtype }) })),
        };
      }),
      extensions: (media.ext ?? [])
        .filter(({ uri }) => kExtensions.has(uri))
        .map(({ value, uri }) => ({ id: value, uri })),
    };
  };
  return {
    transport: { ufrag, pwd, fingerprint: { hash: print.type, value: print.hash }, setup },
    descriptions: (['audio', 'video'] as const).map(describe).filter((one) => one !== undefined),
    ssrcs,
  };
}
