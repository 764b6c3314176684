/**
 * Jingle as jicofo speaks it (XEP-0166, 0167, 0176, 0320, 0338, 0339, 0343): parsing what comes into checked values, building
 * what goes. Everything that later stands in an SDP line is matched against what it may be; unknown elements are left out.
 *
 * Source: tests/vectors/jitsi-wire. Threads: any. Errors: undefined for what is not to be used.
 */
import { kRtp, type OwnSource, type ReadSources, readSources, writeSources } from './sources';
import { attr, child, childrenOf, textOf, type XmlElement, x } from './xml';

export const kJingle = 'urn:xmpp:jingle:1';
const kFeedback = 'urn:xmpp:jingle:apps:rtp:rtcp-fb:0';
const kExtension = 'urn:xmpp:jingle:apps:rtp:rtp-hdrext:0';
const kIce = 'urn:xmpp:jingle:transports:ice-udp:1';
const kDtls = 'urn:xmpp:jingle:apps:dtls:0';
const kSctp = 'urn:xmpp:jingle:transports:dtls-sctp:1';
const kGroup = 'urn:xmpp:jingle:apps:grouping:0';
const kFocus = 'http://jitsi.org/protocol/focus';
const kColibri = 'http://jitsi.org/protocol/colibri';

const kMaxPayloads = 40;
const kMaxExtensions = 20;
const kMaxCandidates = 40;

export type JingleAction =
  | 'session-initiate'
  | 'session-terminate'
  | 'source-add'
  | 'source-remove'
  | 'transport-info'
  | 'transport-replace'
  | 'session-info'
  | 'other';

export interface PayloadType {
  id: number;
  name: string;
  rate: number;
  channels: number;
  parameters: ReadonlyArray<readonly [string, string]>;
  feedback: ReadonlyArray<{ type: string; subtype?: string }>;
}

export interface Candidate {
  foundation: string;
  component: number;
  transport: 'udp' | 'tcp';
  priority: number;
  ip: string;
  port: number;
  type: 'host' | 'srflx' | 'prflx' | 'relay';
  generation: number;
  tcptype?: string;
}

export interface Transport {
  ufrag: string;
  pwd: string;
  fingerprint: { hash: string; value: string; setup: 'actpass' | 'active' | 'passive' };
  candidates: readonly Candidate[];
  /** Bridge channel over WebSocket. */
  channel?: string;
  sctpPort?: number;
}

export interface MediaDescription {
  kind: 'audio' | 'video';
  payloads: readonly PayloadType[];
  extensions: ReadonlyArray<{ id: number; uri: string }>;
}

export interface Jingle {
  action: JingleAction;
  sid: string;
  element: XmlElement;
  descriptions: readonly MediaDescription[];
  transport: Transport | undefined;
  /** There is a content for a data channel. */
  data: boolean;
  sources: ReadSources;
  bridgeSession?: string;
  /** session-terminate: a condition, e.g. `success`, and a text for people of the trade. */
  reason?: string;
  reasonText?: string;
  startMuted: { audio: boolean; video: boolean };
}

const kActions: readonly string[] = [
  'session-initiate',
  'session-terminate',
  'source-add',
  'source-remove',
  'transport-info',
  'transport-replace',
  'session-info',
];

const numberIn = (text: string | undefined, low: number, high: number): number | undefined => {
  if (!text || !/^\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= low && value <= high ? value : undefined;
};

function readPayload(element: XmlElement): PayloadType | undefined {
  const id = numberIn(attr(element, 'id'), 0, 127);
  const name = attr(element, 'name') ?? '';
  const rate = numberIn(attr(element, 'clockrate'), 1, 192_000);
  if (id === undefined || rate === undefined || !/^[A-Za-z0-9-]{1,32}$/.test(name)) return undefined;
  const parameters: Array<readonly [string, string]> = [];
  for (const one of childrenOf(element, 'parameter').slice(0, 20)) {
    const key = attr(one, 'name') ?? '';
    const value = attr(one, 'value') ?? '';
    // One genuine parameter carries several (`profile-level-id`): semicolons and equals signs are its own.
    if (/^[A-Za-z0-9-]{0,40}$/.test(key) && /^[A-Za-z0-9.,/=;:_+-]{0,200}$/.test(value)) parameters.push([key, value]);
  }
  const feedback: Array<{ type: string; subtype?: string }> = [];
  for (const one of childrenOf(element, 'rtcp-fb', kFeedback).slice(0, 20)) {
    const type = attr(one, 'type') ?? '';
    const subtype = attr(one, 'subtype');
    if (!/^[a-z-]{1,30}$/.test(type) || (subtype !== undefined && !/^[a-z-]{0,30}$/.test(subtype))) continue;
    feedback.push({ type, ...(subtype && { subtype }) });
  }
  const channels = numberIn(attr(element, 'channels'), 1, 8) ?? 1;
  return { id, name, rate, channels, parameters, feedback };
}

function readDescription(content: XmlElement): MediaDescription | undefined {
  const description = child(content, 'description', kRtp);
  const kind = attr(description, 'media') ?? attr(content, 'name');
  if (!description || (kind !== 'audio' && kind !== 'video')) return undefined;
  const payloads = childrenOf(description, 'payload-type')
    .slice(0, kMaxPayloads)
    .map(readPayload)
    .filter((one) => one !== undefined);
  const extensions: Array<{ id: number; uri: string }> = [];
  for (const one of childrenOf(description, 'rtp-hdrext', kExtension).slice(0, kMaxExtensions)) {
    const id = numberIn(attr(one, 'id'), 1, 255);
    const uri = attr(one, 'uri') ?? '';
    if (id !== undefined && /^[A-Za-z0-9:/._#-]{1,200}$/.test(uri)) extensions.push({ id, uri });
  }
  return { kind, payloads, extensions };
}

const kIp4 = /^(?:\d{1,3}\.){3}\d{1,3}$/;
const kIp6 = /^[0-9a-fA-F:]{2,45}$/;

function readCandidate(element: XmlElement): Candidate | undefined {
  const foundation = attr(element, 'foundation') ?? '';
  const ip = attr(element, 'ip') ?? '';
  const port = numberIn(attr(element, 'port'), 1, 65_535);
  const priority = numberIn(attr(element, 'priority'), 0, 4_294_967_295);
  const type = attr(element, 'type');
  const transport = attr(element, 'protocol')?.toLowerCase();
  if (!/^[A-Za-z0-9+/]{1,32}$/.test(foundation) || (!kIp4.test(ip) && !kIp6.test(ip))) return undefined;
  if (port === undefined || priority === undefined || (transport !== 'udp' && transport !== 'tcp')) return undefined;
  if (type !== 'host' && type !== 'srflx' && type !== 'prflx' && type !== 'relay') return undefined;
  const tcptype = attr(element, 'tcptype');
  if (transport === 'tcp' && !(tcptype && /^(active|passive|so)$/.test(tcptype))) return undefined;
  return {
    foundation,
    component: numberIn(attr(element, 'component'), 1, 2) ?? 1,
    transport,
    priority,
    ip,
    port,
    type,
    generation: numberIn(attr(element, 'generation'), 0, 1000) ?? 0,
    ...(tcptype && transport === 'tcp' && { tcptype }),
  };
}

function readTransport(contents: readonly XmlElement[]): Transport | undefined {
  for (const content of contents) {
    const element = child(content, 'transport', kIce);
    const print = child(element, 'fingerprint', kDtls);
    const ufrag = attr(element, 'ufrag') ?? '';
    const pwd = attr(element, 'pwd') ?? '';
    const value = textOf(print).trim();
    const hash = attr(print, 'hash') ?? '';
    const setup = attr(print, 'setup') ?? 'actpass';
    // RFC 8839, 5.4: ice-char.
    if (!element || !/^[A-Za-z0-9+/]{4,256}$/.test(ufrag) || !/^[A-Za-z0-9+/]{22,256}$/.test(pwd)) continue;
    if (!/^[a-z0-9-]{5,12}$/.test(hash) || !/^(?:[0-9A-Fa-f]{2}:){19,63}[0-9A-Fa-f]{2}$/.test(value)) continue;
    if (setup !== 'actpass' && setup !== 'active' && setup !== 'passive') continue;
    const channel = attr(child(element, 'web-socket', kColibri), 'url');
    const all = contents.flatMap((one) => childrenOf(child(one, 'transport', kIce), 'candidate'));
    const candidates = new Map<string, Candidate>();
    for (const one of all.slice(0, 4 * kMaxCandidates)) {
      const read = readCandidate(one);
      if (read && candidates.size < kMaxCandidates) candidates.set(`${read.transport} ${read.ip} ${read.port}`, read);
    }
    const map = contents.map((one) => child(child(one, 'transport', kIce), 'sctpmap', kSctp)).find(Boolean);
    const sctpPort = numberIn(attr(map, 'number'), 1, 65_535);
    return {
      ufrag,
      pwd,
      fingerprint: { hash, value: value.toUpperCase(), setup },
      candidates: [...candidates.values()],
      ...(channel && channel.length < 2000 && { channel }),
      ...(sctpPort !== undefined && { sctpPort }),
    };
  }
  return undefined;
}

/** A jingle element → what we use of it; undefined when it is none. */
export function readJingle(element: XmlElement): Jingle | undefined {
  const action = attr(element, 'action');
  const sid = attr(element, 'sid') ?? '';
  if (element.name !== 'jingle' || element.ns !== kJingle || !action || !/^[\w.:-]{1,100}$/.test(sid)) return undefined;
  const contents = childrenOf(element, 'content').slice(0, 10);
  const reason = child(element, 'reason');
  const condition = reason?.children.find((one): one is XmlElement => typeof one !== 'string' && one.name !== 'text');
  const muted = child(element, 'startmuted', kFocus);
  const bridgeSession = attr(child(element, 'bridge-session', kFocus), 'id');
  const reasonText = textOf(child(reason, 'text')).slice(0, 200);
  return {
    action: kActions.includes(action) ? (action as JingleAction) : 'other',
    sid,
    element,
    descriptions: contents.map(readDescription).filter((one) => one !== undefined),
    transport: readTransport(contents),
    data: contents.some((one) => attr(one, 'name') === 'data'),
    sources: readSources(element),
    ...(bridgeSession && /^[\w.:-]{1,100}$/.test(bridgeSession) && { bridgeSession }),
    ...(condition && { reason: condition.name }),
    ...(reasonText && { reasonText }),
    startMuted: { audio: attr(muted, 'audio') === 'true', video: attr(muted, 'video') === 'true' },
  };
}

// --- What we say -------------------------------------------------------------------------------------------------------------

export interface Parties {
  /** `room/focus`. */
  focus: string;
  /** Our real JID. */
  me: string;
  sid: string;
}

/** What our side of the transport is, out of the local description. */
export interface LocalTransport {
  ufrag: string;
  pwd: string;
  fingerprint: { hash: string; value: string };
  setup: 'active' | 'passive';
}

const jingle = (
  action: string,
  { focus, me, sid }: Parties,
  ...children: ReadonlyArray<XmlElement | undefined>
): XmlElement => x('jingle', { xmlns: kJingle, action, initiator: focus, responder: me, sid }, ...children);

const transportElement = (local: LocalTransport, sctpPort?: number): XmlElement =>
  x(
    'transport',
    { xmlns: kIce, ufrag: local.ufrag, pwd: local.pwd },
    x('fingerprint', { xmlns: kDtls, hash: local.fingerprint.hash, setup: local.setup }, local.fingerprint.value),
    x('rtcp-mux'),
    sctpPort === undefined
      ? undefined
      : x('sctpmap', { xmlns: kSctp, number: sctpPort, protocol: 'webrtc-datachannel', streams: 1024 }),
  );

function descriptionElement(description: MediaDescription, sources: readonly OwnSource[]): XmlElement {
  const { kind, payloads, extensions } = description;
  return x(
    'description',
    { xmlns: kRtp, media: kind },
    ...payloads.map((one) =>
      x(
        'payload-type',
        { id: one.id, name: one.name, clockrate: one.rate, channels: one.channels },
        ...one.parameters.map(([name, value]) => x('parameter', { name, value })),
        ...one.feedback.map(({ type, subtype }) => x('rtcp-fb', { xmlns: kFeedback, type, subtype })),
      ),
    ),
    ...writeSources(sources, kind),
    x('rtcp-mux'),
    ...extensions.map(({ id, uri }) => x('rtp-hdrext', { xmlns: kExtension, id, uri })),
    x('extmap-allow-mixed', { xmlns: kExtension }),
  );
}

export function sessionAccept(
  parties: Parties,
  local: LocalTransport,
  descriptions: readonly MediaDescription[],
  sources: readonly OwnSource[],
  sctpPort?: number,
): XmlElement {
  const names = [...descriptions.map((one) => one.kind as string), ...(sctpPort === undefined ? [] : ['data'])];
  const contents = descriptions.map((one) =>
    x(
      'content',
      { creator: 'responder', name: one.kind, senders: 'both' },
      descriptionElement(one, sources),
      transportElement(local),
    ),
  );
  const data =
    sctpPort === undefined
      ? undefined
      : x(
          'content',
          { creator: 'responder', name: 'data', senders: 'both' },
          x('description', { xmlns: kRtp, media: 'application' }),
          transportElement(local, sctpPort),
        );
  const group = x('group', { xmlns: kGroup, semantics: 'BUNDLE' }, ...names.map((name) => x('content', { name })));
  return jingle('session-accept', parties, group, ...contents, data);
}

export function sourceChange(
  action: 'source-add' | 'source-remove',
  parties: Parties,
  sources: readonly OwnSource[],
): XmlElement {
  const contents = (['audio', 'video'] as const)
    .filter((kind) => sources.some((one) => one.kind === kind))
    .map((kind) =>
      x(
        'content',
        { creator: 'responder', name: kind, senders: 'both' },
        x('description', { xmlns: kRtp, media: kind }, ...writeSources(sources, kind)),
      ),
    );
  return jingle(action, parties, ...contents);
}

/** `restart`: the focus is asked for a new session, which is also how everything sensitive is changed. */
export function sessionTerminate(
  parties: Parties,
  options: { reason: string; text: string; restart: boolean; bridgeSession?: string | undefined },
): XmlElement {
  const { reason, text, restart, bridgeSession } = options;
  return jingle(
    'session-terminate',
    parties,
    x('reason', {}, x(reason), x('text', {}, text)),
    bridgeSession === undefined
      ? undefined
      : x('bridge-session', { xmlns: kFocus, id: bridgeSession, restart: restart ? 'true' : undefined }),
  );
}

/** Tells the focus that ICE failed here, so that it can look at the bridge. */
export function iceFailed(parties: Parties, bridgeSession: string | undefined): XmlElement {
  return jingle(
    'session-info',
    parties,
    x('ice-state', { xmlns: kFocus }, 'failed'),
    bridgeSession === undefined ? undefined : x('bridge-session', { xmlns: kFocus, id: bridgeSession }),
  );
}
