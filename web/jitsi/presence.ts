/**
 * What an occupant says of itself in presence, read within limits, and what we say. None of it decides whether a frame is
 * opened or sent: it names, it does not prove.
 *
 * Source: the recorded presences in tests/vectors/jitsi-wire; lib-jitsi-meet modules/xmpp/ChatRoom. Threads: any.
 */
import { cleanName } from '../call/names';
import { kCaps, kCapsNode, kE2eeFeature, kSiegelFeature } from './caps';
import type { Occupant, OwnPresence } from './types';
import { attr, child, childrenOf, elements, textOf, type XmlElement, x } from './xml';

export const kMuc = 'http://jabber.org/protocol/muc';
export const kMucUser = 'http://jabber.org/protocol/muc#user';
const kNick = 'http://jabber.org/protocol/nick';

const kMaxSources = 50;
const kMaxSourceInfo = 20_000;
const kMaxFeatures = 50;
/** Endpoint ids: what Jitsi's servers let through, and nothing that could be more than a name. */
export const kEndpointId = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const kSourceName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;
/** 32 bytes, base64 without padding. */
const kKey = /^[A-Za-z0-9+/]{43}$/;
const kRoles = ['moderator', 'participant', 'visitor', 'none'] as const;
const kAffiliations = ['owner', 'admin', 'member', 'none', 'outcast'] as const;

const oneOf = <T extends string>(list: readonly T[], text: string | undefined, fallback: T): T =>
  list.find((one) => one === text) ?? fallback;

export const bareJid = (jid: string): string => jid.split('/')[0] as string;
export const resourceOf = (jid: string): string => jid.slice(jid.indexOf('/') + 1);

function readSources(text: string): Occupant['sources'] {
  const result = new Map<string, { muted: boolean; videoType?: 'camera' | 'desktop' }>();
  if (!text || text.length > kMaxSourceInfo) return result;
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return result;
  }
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return result;
  for (const [name, info] of Object.entries(data).slice(0, kMaxSources)) {
    if (!kSourceName.test(name) || typeof info !== 'object' || info === null) continue;
    const { muted, videoType } = info as Record<string, unknown>;
    result.set(name, {
      // Without a word a source is on: stock clients leave it out.
      muted: muted === true,
      ...((videoType === 'desktop' || videoType === 'camera') && { videoType }),
    });
  }
  return result;
}

/** Clients before 2022: one microphone and one picture, of which they say whether it is the screen. */
function oldSources(presence: XmlElement, id: string): Occupant['sources'] {
  const said = (name: string): string | undefined => {
    const element = child(presence, name);
    return element && textOf(element).trim();
  };
  const result = new Map<string, { muted: boolean; videoType?: 'camera' | 'desktop' }>();
  const audio = said('audiomuted');
  const video = said('videomuted');
  const desktop = said('videoType') === 'desktop';
  if (audio !== undefined) result.set(`${id}-a0`, { muted: audio === 'true' });
  if (video !== undefined)
    result.set(`${id}-v0`, { muted: video === 'true', videoType: desktop ? 'desktop' : 'camera' });
  return result;
}

export interface PresenceContext {
  /** Bare real JID of the focus. */
  focusJid: string | undefined;
  hiddenDomain: string | undefined;
}

/** An available presence from the room → occupant; undefined when it is none that we accept. */
export function readPresence(presence: XmlElement, context: PresenceContext): Occupant | undefined {
  const id = resourceOf(attr(presence, 'from') ?? '');
  if (!kEndpointId.test(id)) return undefined;
  const item = child(child(presence, 'x', kMucUser), 'item');
  const jid = attr(item, 'jid');
  const focus = !!jid && !!context.focusJid && bareJid(jid) === context.focusJid;
  const features = new Set(
    childrenOf(child(presence, 'features'), 'feature')
      .slice(0, kMaxFeatures)
      .map((one) => attr(one, 'var') ?? ''),
  );
  const property = (name: string): string | undefined => {
    const found = elements(presence).find((one) => one.name === `jitsi_participant_${name}`);
    return found && textOf(found).trim();
  };
  const keyOf = (name: string): string | undefined => {
    const key = property(name);
    return key && kKey.test(key) ? key : undefined;
  };
  const curve25519 = keyOf('e2ee.idKey.curve25519') ?? keyOf('e2ee.idKey');
  const ed25519 = keyOf('e2ee.idKey.ed25519');
  const enabled = property('e2ee.enabled');
  const hand = property('raisedHand');
  const domain = jid ? bareJid(jid).split('@')[1] : undefined;
  const hidden = !!domain && (domain === context.hiddenDomain || domain.startsWith('recorder.'));
  const idKeys = curve25519 ? { curve25519, ...(ed25519 && { ed25519 }) } : undefined;
  const bot = attr(child(presence, 'bot'), 'type');
  const info = child(presence, 'SourceInfo');
  const sources = info ? readSources(textOf(info)) : oldSources(presence, id);
  return {
    id,
    name: cleanName(textOf(child(presence, 'nick', kNick))),
    ...(jid && { jid }),
    role: oneOf(kRoles, attr(item, 'role'), 'none'),
    affiliation: oneOf(kAffiliations, attr(item, 'affiliation'), 'none'),
    focus,
    hidden,
    ...(bot && { bot: cleanName(bot) }),
    features,
    e2ee: features.has(kE2eeFeature),
    ...(enabled !== undefined && { e2eeEnabled: enabled === 'true' }),
    ...(idKeys && { idKeys }),
    sources,
    hand: !!hand && hand !== 'false' && hand !== '0',
    siegel: features.has(kSiegelFeature),
  };
}

/** Our presence in the room. `join`: the first one, with the password if there is one. */
export function writePresence(
  to: string,
  own: OwnPresence,
  version: string,
  join?: { password?: string | undefined },
): XmlElement {
  const sources = JSON.stringify(
    Object.fromEntries(
      [...own.sources].map(([name, { muted, videoType }]) => [
        name,
        { muted, ...(videoType === 'desktop' && { videoType }) },
      ]),
    ),
  );
  const property = (name: string, value: string | undefined): XmlElement | undefined =>
    value === undefined ? undefined : x(`jitsi_participant_${name}`, {}, value);
  return x(
    'presence',
    { xmlns: 'jabber:client', to },
    join && x('x', { xmlns: kMuc }, join.password ? x('password', {}, join.password) : undefined),
    x('c', { xmlns: kCaps, hash: 'sha-1', node: kCapsNode, ver: version }),
    x('features', {}, x('feature', { var: kE2eeFeature }), x('feature', { var: kSiegelFeature })),
    x('SourceInfo', {}, sources),
    property('codecList', own.codecs.join(',')),
    property('e2ee.enabled', own.e2eeEnabled ? 'true' : undefined),
    property('e2ee.idKey.curve25519', own.idKeys?.curve25519),
    property('e2ee.idKey.ed25519', own.idKeys?.ed25519),
    property('raisedHand', own.hand ? `${own.handAt ?? 1}` : undefined),
    x('nick', { xmlns: kNick }, own.name),
  );
}
