// Who sends what, as the focus keeps it: reading a client's sources out of Jingle, saying them to others, and the difference
// between what somebody was told and what holds.
import { xml } from '@xmpp/component';

export const kNs = {
  jingle: 'urn:xmpp:jingle:1',
  rtp: 'urn:xmpp:jingle:apps:rtp:1',
  ssma: 'urn:xmpp:jingle:apps:rtp:ssma:0',
  feedback: 'urn:xmpp:jingle:apps:rtp:rtcp-fb:0',
  extension: 'urn:xmpp:jingle:apps:rtp:rtp-hdrext:0',
  ice: 'urn:xmpp:jingle:transports:ice-udp:1',
  dtls: 'urn:xmpp:jingle:apps:dtls:0',
  sctp: 'urn:xmpp:jingle:transports:dtls-sctp:1',
  group: 'urn:xmpp:jingle:apps:grouping:0',
  focus: 'http://jitsi.org/protocol/focus',
  meet: 'http://jitsi.org/jitmeet',
  colibri: 'http://jitsi.org/protocol/colibri',
};

/** @typedef {{ ssrc: number, kind: string, name: string, msid?: string, videoType?: string }} Source */
/** @typedef {{ semantics: string, kind: string, ssrcs: number[] }} Group */

/** @returns {{ sources: Source[], groups: Group[] }} */
export function readSources(jingle, nick) {
  const sources = [];
  const groups = [];
  const message = jingle.getChildText('json-message', kNs.meet);
  if (message) {
    for (const [, [video = [], videoGroups = [], audio = [], audioGroups = []]] of Object.entries(
      JSON.parse(message).sources ?? {},
    )) {
      for (const [kind, list] of [
        ['video', video],
        ['audio', audio],
      ]) {
        for (const { s, n, m, v } of list)
          sources.push({
            ssrc: s,
            kind,
            name: n ?? `${nick}-${kind[0]}0`,
            msid: m,
            ...(v === 'd' && { videoType: 'desktop' }),
          });
      }
      for (const [kind, list] of [
        ['video', videoGroups],
        ['audio', audioGroups],
      ]) {
        for (const [semantics, ...ssrcs] of list)
          groups.push({ semantics: semantics === 'f' ? 'FID' : 'SIM', kind, ssrcs });
      }
    }
  }
  for (const content of jingle.getChildren('content')) {
    const description = content.getChild('description', kNs.rtp);
    if (!description) continue;
    const kind = description.attrs.media ?? content.attrs.name;
    for (const one of description.getChildren('source', kNs.ssma)) {
      const msid = one.getChildren('parameter').find((parameter) => parameter.attrs.name === 'msid')?.attrs.value;
      sources.push({
        ssrc: Number(one.attrs.ssrc),
        kind,
        name: one.attrs.name ?? `${nick}-${kind[0]}0`,
        msid,
        ...(one.attrs.videoType === 'desktop' && { videoType: 'desktop' }),
      });
    }
    for (const one of description.getChildren('ssrc-group', kNs.ssma)) {
      const ssrcs = one.getChildren('source').map((source) => Number(source.attrs.ssrc));
      groups.push({ semantics: one.attrs.semantics, kind, ssrcs });
    }
  }
  return { sources, groups };
}

/** What others are told: of a simulcast group only the first SSRC and its retransmissions (jicofo does the same). */
export function announced({ sources, groups }) {
  const hidden = new Set(groups.filter((one) => one.semantics === 'SIM').flatMap((one) => one.ssrcs.slice(1)));
  for (const one of groups) if (one.semantics === 'FID' && hidden.has(one.ssrcs[0])) hidden.add(one.ssrcs[1]);
  return {
    sources: sources.filter((one) => !hidden.has(one.ssrc)),
    groups: groups.filter((one) => one.semantics === 'FID' && !hidden.has(one.ssrcs[0])),
  };
}

const kNothing = { sources: [], groups: [] };
const key = (value) => JSON.stringify(value);

/** What is in `now` and not in `before`. */
function minus(now, before) {
  const sources = new Set(before.sources.map(key));
  const groups = new Set(before.groups.map(key));
  return {
    sources: now.sources.filter((one) => !sources.has(key(one))),
    groups: now.groups.filter((one) => !groups.has(key(one))),
  };
}

/**
 * What to say to somebody who was told `told`, so that they know `now`; both by endpoint id.
 * @returns {{ remove: Map<string, any>, add: Map<string, any> }}
 */
export function difference(told, now) {
  const remove = new Map();
  const add = new Map();
  for (const nick of new Set([...told.keys(), ...now.keys()])) {
    const before = told.get(nick) ?? kNothing;
    const after = now.get(nick) ?? kNothing;
    const gone = minus(before, after);
    const come = minus(after, before);
    if (gone.sources.length || gone.groups.length) remove.set(nick, gone);
    if (come.sources.length || come.groups.length) add.set(nick, come);
  }
  return { remove, add };
}

const short = (one) => ({
  s: one.ssrc,
  n: one.name,
  ...(one.msid && { m: one.msid }),
  ...(one.videoType === 'desktop' && { v: 'd' }),
});

/** As JSON in a json-message. */
export function jsonSources(byOwner) {
  const sources = {};
  for (const [nick, set] of byOwner) {
    const of = (kind) => set.sources.filter((one) => one.kind === kind).map(short);
    const groupsOf = (kind) =>
      set.groups.filter((one) => one.kind === kind).map((one) => [one.semantics === 'FID' ? 'f' : 's', ...one.ssrcs]);
    const parts = [of('video'), groupsOf('video'), of('audio'), groupsOf('audio')];
    while (parts.length > 1 && !parts.at(-1).length) parts.pop();
    sources[nick] = parts;
  }
  return xml('json-message', { xmlns: kNs.meet }, JSON.stringify({ sources }));
}

/** As elements of a description of `kind`, for clients without json-encoded-sources. */
export function xmlSources(byOwner, kind) {
  const result = [];
  for (const [nick, set] of byOwner) {
    for (const one of set.sources.filter((source) => source.kind === kind)) {
      result.push(
        xml(
          'source',
          {
            xmlns: kNs.ssma,
            ssrc: String(one.ssrc),
            name: one.name,
            ...(kind === 'video' && { videoType: one.videoType ?? 'camera' }),
          },
          xml('ssrc-info', { xmlns: kNs.meet, owner: nick }),
          ...(one.msid ? [xml('parameter', { name: 'msid', value: one.msid })] : []),
        ),
      );
    }
    for (const one of set.groups.filter((group) => group.kind === kind)) {
      const ssrcs = one.ssrcs.map((ssrc) => xml('source', { xmlns: kNs.ssma, ssrc: String(ssrc) }));
      result.push(xml('ssrc-group', { xmlns: kNs.ssma, semantics: one.semantics }, ...ssrcs));
    }
  }
  return result;
}
