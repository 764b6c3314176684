/**
 * What this client can do, as jicofo asks for it (XEP-0030, XEP-0115). Left out on purpose: `ssrc-rewriting-1`, with which one
 * receiver would carry frames of changing owners, and opus-red, which JFrame does not seal packet by packet.
 */
import { type IqAnswer, StanzaError } from './types';
import { attr, type XmlElement, x } from './xml';

/** In presence, and in disco: does Jitsi's end-to-end encryption. */
export const kE2eeFeature = 'https://jitsi.org/meet/e2ee';
/** Another Siegel client: chat, hand and typing between such go sealed. */
export const kSiegelFeature = 'urn:siegel:sealed:1';

export const kCapsNode = 'urn:siegel:client';
export const kCaps = 'http://jabber.org/protocol/caps';
export const kDisco = 'http://jabber.org/protocol/disco#info';

export const kFeatures: readonly string[] = [
  kCaps,
  'http://jitsi.org/json-encoded-sources',
  'http://jitsi.org/receive-multiple-video-streams',
  'http://jitsi.org/remb',
  'http://jitsi.org/source-name',
  'http://jitsi.org/tcc',
  kE2eeFeature,
  'urn:ietf:rfc:4588',
  kSiegelFeature,
  'urn:xmpp:jingle:1',
  'urn:xmpp:jingle:apps:dtls:0',
  'urn:xmpp:jingle:apps:rtp:1',
  'urn:xmpp:jingle:apps:rtp:audio',
  'urn:xmpp:jingle:apps:rtp:video',
  'urn:xmpp:jingle:transports:dtls-sctp:1',
  'urn:xmpp:jingle:transports:ice-udp:1',
].sort();

const kIdentity = { category: 'client', type: 'web', name: 'Siegel' };

/** The `ver` of XEP-0115, section 5.1. */
export async function capsVersion(features: readonly string[] = kFeatures): Promise<string> {
  const { category, type, name } = kIdentity;
  const text = `${category}/${type}//${name}<${[...features]
    .sort()
    .map((one) => `${one}<`)
    .join('')}`;
  const hash = await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(hash)));
}

/** Answers a disco#info query. A node that is not ours is not found. */
export function answerDisco(query: XmlElement, version: string): IqAnswer {
  const node = attr(query, 'node');
  if (node !== undefined && node !== `${kCapsNode}#${version}`) return new StanzaError('item-not-found', 'cancel');
  return x(
    'query',
    { xmlns: kDisco, node },
    x('identity', kIdentity),
    ...kFeatures.map((one) => x('feature', { var: one })),
  );
}
