// The session that the focus offers, in the words of the recorded one (tests/vectors/jitsi-wire, *-jingle-session-initiate).
// Left out: sdes:mid and transport-cc, which a forwarder must rewrite; this one keeps header extensions as they are.
import { xml } from '@xmpp/component';
import { kOpus, kVideo } from './bridge.mjs';
import { jsonSources, kNs, xmlSources } from './sources.mjs';

/** The bridge's own sources, announced first: they take the first places in a client's description. */
export const kBridgeSources = {
  sources: [
    { ssrc: 0x10001, kind: 'video', name: 'jvb-v0', msid: 'mixedmslabel mixedlabelvideo0' },
    { ssrc: 0x10002, kind: 'audio', name: 'jvb-a0', msid: 'mixedmslabel mixedlabelaudio0' },
  ],
  groups: [],
};

const feedback = (type, subtype) => xml('rtcp-fb', { xmlns: kNs.feedback, type, ...(subtype && { subtype }) });
const parameter = (name, value) => xml('parameter', { name, value });
const extension = (id, uri) => xml('rtp-hdrext', { xmlns: kNs.extension, id: String(id), uri });

function videoTypes(codecs) {
  return codecs.flatMap((name) => {
    const [id, rtx] = kVideo[name];
    // One odd parameter, as the genuine focus sends it.
    const h264 = [parameter('profile-level-id', '42e01f;level-asymmetry-allowed=1;packetization-mode=1;')];
    return [
      xml(
        'payload-type',
        { id: String(id), name, clockrate: '90000' },
        feedback('ccm', 'fir'),
        feedback('nack'),
        feedback('nack', 'pli'),
        feedback('goog-remb'),
        ...(name === 'H264' ? h264 : []),
      ),
      xml('payload-type', { id: String(rtx), name: 'rtx', clockrate: '90000' }, parameter('apt', String(id))),
    ];
  });
}

/**
 * @param {{ action: string, initiator: string, sid: string, endpoint: any, local: any, channel: string | undefined,
 *   sources: Map<string, any>, json: boolean, codecs: string[], startMuted?: { audio: boolean, video: boolean } }} options
 */
export function offer({ action, initiator, sid, endpoint, local, channel, sources, json, codecs, startMuted }) {
  const transport = () =>
    xml(
      'transport',
      { xmlns: kNs.ice, ufrag: local.ufrag, pwd: local.pwd },
      ...(channel ? [xml('web-socket', { xmlns: kNs.colibri, url: channel })] : []),
      xml('rtcp-mux'),
      xml(
        'fingerprint',
        { xmlns: kNs.dtls, hash: 'sha-256', required: 'false', setup: 'actpass', cryptex: 'false' },
        local.fingerprint,
      ),
      ...(endpoint.wantsSctp
        ? [xml('sctpmap', { xmlns: kNs.sctp, number: '5000', protocol: 'webrtc-datachannel', streams: '1024' })]
        : []),
      ...local.candidates.map((one, index) =>
        xml('candidate', {
          component: '1',
          foundation: String(one.foundation),
          generation: '0',
          id: `c${index}`,
          ip: one.ip,
          network: '0',
          port: String(one.port),
          priority: String(one.priority),
          protocol: one.protocol.toLowerCase(),
          type: one.type,
        }),
      ),
    );
  const all = new Map([['jvb', kBridgeSources], ...sources]);
  const content = (media, attributes, ...children) =>
    xml(
      'content',
      { creator: 'initiator', name: media, senders: 'both' },
      xml(
        'description',
        { xmlns: kNs.rtp, media, ...attributes },
        ...children,
        ...(json ? [] : xmlSources(all, media)),
        xml('extmap-allow-mixed', { xmlns: kNs.extension }),
        xml('rtcp-mux'),
      ),
      transport(),
    );
  const names = ['audio', 'video', ...(endpoint.wantsSctp ? ['data'] : [])];
  return xml(
    'jingle',
    { xmlns: kNs.jingle, action, initiator, sid },
    content(
      'audio',
      { maxptime: '60' },
      xml(
        'payload-type',
        { id: String(kOpus), name: 'opus', clockrate: '48000', channels: '2' },
        parameter('minptime', '10'),
        parameter('useinbandfec', '1'),
      ),
      xml('payload-type', { id: '126', name: 'telephone-event', clockrate: '8000' }),
      extension(endpoint.bridge.audioLevelId, endpoint.bridge.audioLevelUri),
    ),
    content(
      'video',
      {},
      ...videoTypes(codecs),
      extension(3, 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time'),
      extension(11, 'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension'),
    ),
    ...(endpoint.wantsSctp
      ? [
          xml(
            'content',
            { creator: 'initiator', name: 'data', senders: 'both' },
            xml('description', { xmlns: kNs.rtp, media: 'application' }),
            transport(),
          ),
        ]
      : []),
    xml('group', { xmlns: kNs.group, semantics: 'BUNDLE' }, ...names.map((name) => xml('content', { name }))),
    xml('bridge-session', { xmlns: kNs.focus, id: endpoint.id }),
    ...(startMuted?.audio || startMuted?.video
      ? [xml('startmuted', { xmlns: kNs.focus, audio: String(startMuted.audio), video: String(startMuted.video) })]
      : []),
    ...(json ? [jsonSources(all)] : []),
  );
}
