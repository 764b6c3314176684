/**
 * Who sends which SSRC. Read from JSON (`json-encoded-sources`) or from plain elements, within limits; every field is of a
 * kind that cannot be anything else in an SDP line. One SSRC has one owner: whoever had it first keeps it, because the key
 * of a frame is chosen by its owner.
 *
 * Source: tests/vectors/jitsi-wire (session-initiate, source-add); XEP-0339, XEP-0338. Threads: any. Errors: SourceProblem.
 */
import { kEndpointId } from './presence';
import type { Source, SourceGroup, SourceProblem, SourceSet } from './types';
import { attr, child, childrenOf, textOf, type XmlElement, x } from './xml';

export const kRtp = 'urn:xmpp:jingle:apps:rtp:1';
export const kSsma = 'urn:xmpp:jingle:apps:rtp:ssma:0';
export const kMeet = 'http://jitsi.org/jitmeet';
/** The bridge's own sources. */
export const kBridge = 'jvb';

const kMaxSources = 2000;
const kMaxPerOwner = 64;
const kMaxGroups = 2000;
const kMaxJson = 1_000_000;
const kName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;
const kMsid = /^[\x21-\x7e]{1,200}( [\x21-\x7e]{1,200})?$/;

type Kind = 'audio' | 'video';

const isSsrc = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 0xffffffff;

const ssrcOf = (text: string | undefined): number | undefined => {
  if (!text || !/^\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return isSsrc(value) ? value : undefined;
};

export interface ReadSources extends SourceSet {
  problems: SourceProblem[];
}

class Collector {
  readonly sources: Source[] = [];
  readonly groups: SourceGroup[] = [];
  readonly problems: SourceProblem[] = [];
  readonly #counts = new Map<string, number>();

  problem(problem: SourceProblem): void {
    if (this.problems.length < 20) this.problems.push(problem);
  }

  source(kind: Kind, owner: unknown, ssrc: unknown, name: unknown, msid: unknown, desktop: boolean): void {
    if (typeof owner !== 'string' || !kEndpointId.test(owner) || !isSsrc(ssrc)) {
      this.problem({ reason: 'malformed' });
      return;
    }
    if (name !== undefined && (typeof name !== 'string' || !kName.test(name))) {
      this.problem({ reason: 'malformed', owner, ssrc });
      return;
    }
    const count = (this.#counts.get(owner) ?? 0) + 1;
    if (this.sources.length >= kMaxSources || count > kMaxPerOwner) {
      this.problem({ reason: 'too-many', owner });
      return;
    }
    this.#counts.set(owner, count);
    this.sources.push({
      ssrc,
      owner,
      kind,
      // Clients before 2022 name nothing.
      name: (name as string | undefined) ?? `${owner}-${kind === 'audio' ? 'a' : 'v'}0`,
      ...(typeof msid === 'string' && kMsid.test(msid) && { msid }),
      ...(kind === 'video' && { videoType: desktop ? ('desktop' as const) : ('camera' as const) }),
    });
  }

  group(kind: Kind, owner: string, semantics: string | undefined, ssrcs: readonly unknown[]): void {
    const known = semantics === 'SIM' || semantics === 'FID' || semantics === 'FEC-FR' ? semantics : undefined;
    if (!known || ssrcs.length < 2 || ssrcs.length > 8 || !ssrcs.every(isSsrc)) {
      this.problem({ reason: 'malformed', owner });
      return;
    }
    if (this.groups.length >= kMaxGroups) {
      this.problem({ reason: 'too-many', owner });
      return;
    }
    this.groups.push({ semantics: known, kind, owner, ssrcs: [...ssrcs] as number[] });
  }
}

/** Sources of a Jingle element, in whichever form. `owners` limits to people who are in the room; others are refused. */
export function readSources(jingle: XmlElement): ReadSources {
  const found = new Collector();
  const message = child(jingle, 'json-message', kMeet);
  if (message) readJson(textOf(message), found);
  for (const content of childrenOf(jingle, 'content').slice(0, 10)) {
    const description = child(content, 'description', kRtp);
    const kind = attr(description, 'media') ?? attr(content, 'name');
    if (!description || (kind !== 'audio' && kind !== 'video')) continue;
    readElements(description, kind, found);
  }
  return found;
}

function readJson(text: string, found: Collector): void {
  let data: unknown;
  try {
    data = text.length > kMaxJson ? undefined : JSON.parse(text);
  } catch {
    data = undefined;
  }
  const all = (data as { sources?: unknown } | null | undefined)?.sources;
  if (typeof all !== 'object' || all === null || Array.isArray(all)) {
    found.problem({ reason: 'malformed' });
    return;
  }
  for (const [owner, lists] of Object.entries(all)) {
    if (!kEndpointId.test(owner) || !Array.isArray(lists)) {
      found.problem({ reason: 'malformed' });
      continue;
    }
    for (const [at, kind] of [
      [0, 'video'],
      [2, 'audio'],
    ] as const) {
      const list: unknown = lists[at];
      for (const one of Array.isArray(list) ? list.slice(0, kMaxSources) : []) {
        if (typeof one !== 'object' || one === null) found.problem({ reason: 'malformed', owner });
        else {
          const { s, n, m, v } = one as Record<string, unknown>;
          found.source(kind, owner, s, n, m, v === 'd');
        }
      }
      const groups: unknown = lists[at + 1];
      for (const one of Array.isArray(groups) ? groups.slice(0, kMaxGroups) : []) {
        if (!Array.isArray(one)) found.problem({ reason: 'malformed', owner });
        else {
          const semantics = one[0] === 'f' ? 'FID' : one[0] === 's' ? 'SIM' : undefined;
          found.group(kind, owner, semantics, one.slice(1));
        }
      }
    }
  }
}

function readElements(description: XmlElement, kind: Kind, found: Collector): void {
  const owners = new Map<number, string>();
  for (const source of childrenOf(description, 'source', kSsma)) {
    const ssrc = ssrcOf(attr(source, 'ssrc'));
    const owner = attr(child(source, 'ssrc-info', kMeet), 'owner');
    const msid = childrenOf(source, 'parameter').find((one) => attr(one, 'name') === 'msid');
    // An owner may come as full address in the room.
    const id = owner?.includes('/') ? owner.slice(owner.lastIndexOf('/') + 1) : owner;
    if (ssrc !== undefined && id !== undefined) owners.set(ssrc, id);
    found.source(
      kind,
      id,
      ssrc,
      attr(source, 'name'),
      msid && attr(msid, 'value'),
      attr(source, 'videoType') === 'desktop',
    );
  }
  for (const group of childrenOf(description, 'ssrc-group', kSsma)) {
    const ssrcs = childrenOf(group, 'source').map((one) => ssrcOf(attr(one, 'ssrc')));
    const owner = ssrcs[0] === undefined ? undefined : owners.get(ssrcs[0]);
    if (owner !== undefined) found.group(kind, owner, attr(group, 'semantics'), ssrcs);
    else found.problem({ reason: 'malformed' });
  }
}

/** What holds: everybody's sources as far as they were accepted. */
export class SourceTable {
  readonly #sources = new Map<number, Source>();
  #groups: SourceGroup[] = [];
  /** SSRCs of our own senders. */
  own: ReadonlySet<number> = new Set();

  get set(): SourceSet {
    return { sources: [...this.#sources.values()], groups: this.#groups };
  }

  ownerOf(ssrc: number): string | undefined {
    return this.#sources.get(ssrc)?.owner;
  }

  clear(): void {
    this.#sources.clear();
    this.#groups = [];
  }

  /** Returns what was refused; the rest holds from now on. `me`: nobody else speaks for us. */
  add(read: ReadSources, me: string): SourceProblem[] {
    const problems = [...read.problems];
    const refused = new Set<number>();
    const refuse = (problem: SourceProblem): void => {
      if (problem.ssrc !== undefined) refused.add(problem.ssrc);
      if (problems.length < 50) problems.push(problem);
    };
    const counts = new Map<string, number>();
    for (const { owner } of this.#sources.values()) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    for (const source of read.sources) {
      const { ssrc, owner } = source;
      const before = this.#sources.get(ssrc);
      if (owner === me) {
        // The focus repeats ours after a restart; nothing to receive there.
        refused.add(ssrc);
      } else if (this.own.has(ssrc)) refuse({ reason: 'own', ssrc, owner });
      else if (before && before.owner !== owner) refuse({ reason: 'claimed-twice', ssrc, owner, other: before.owner });
      else if (!before && (this.#sources.size >= kMaxSources || (counts.get(owner) ?? 0) >= kMaxPerOwner))
        refuse({ reason: 'too-many', ssrc, owner });
      else {
        if (!before) counts.set(owner, (counts.get(owner) ?? 0) + 1);
        this.#sources.set(ssrc, source);
      }
    }
    for (const group of read.groups) {
      if (group.owner === me || group.ssrcs.some((ssrc) => refused.has(ssrc))) continue;
      const bad =
        new Set(group.ssrcs).size !== group.ssrcs.length ||
        group.ssrcs.some((ssrc) => this.#sources.get(ssrc)?.owner !== group.owner) ||
        (group.semantics === 'FID' && this.#secondary(group.ssrcs[0] as number)) ||
        this.#groups.some(
          (one) =>
            one.semantics === group.semantics &&
            one.ssrcs.some((ssrc) => group.ssrcs.includes(ssrc)) &&
            !same(one, group),
        );
      if (bad) refuse({ reason: 'cyclic-group', owner: group.owner });
      else if (!this.#groups.some((one) => same(one, group))) this.#groups.push(group);
    }
    return problems;
  }

  /** Retransmissions of something else. */
  #secondary(ssrc: number): boolean {
    return this.#groups.some((one) => one.semantics === 'FID' && one.ssrcs[1] === ssrc);
  }

  /** Only its owner's entries go. */
  remove(read: ReadSources): void {
    for (const { ssrc, owner } of read.sources) {
      if (this.#sources.get(ssrc)?.owner === owner) this.#sources.delete(ssrc);
    }
    this.#groups = this.#groups.filter((one) => one.ssrcs.every((ssrc) => this.#sources.has(ssrc)));
  }

  removeOwner(owner: string): void {
    for (const [ssrc, source] of this.#sources) if (source.owner === owner) this.#sources.delete(ssrc);
    this.#groups = this.#groups.filter((one) => one.owner !== owner);
  }

  /** One entry for each thing that can be received: its name, first SSRC, and the SSRC of its retransmissions. */
  tracks(): RemoteTrack[] {
    const secondary = new Set(this.#groups.filter((one) => one.semantics === 'FID').map((one) => one.ssrcs[1]));
    const simulcast = new Set(
      this.#groups.filter((one) => one.semantics === 'SIM').flatMap((one) => one.ssrcs.slice(1)),
    );
    const result = new Map<string, RemoteTrack>();
    for (const source of this.#sources.values()) {
      const { ssrc, owner, kind, name, videoType } = source;
      if (owner === kBridge || secondary.has(ssrc) || simulcast.has(ssrc)) continue;
      const key = `${owner}/${kind}/${name}`;
      if (result.has(key)) continue;
      const rtx = this.#groups.find((one) => one.semantics === 'FID' && one.ssrcs[0] === ssrc)?.ssrcs[1];
      result.set(key, {
        key,
        owner,
        kind,
        name,
        ssrc,
        ...(rtx !== undefined && { rtx }),
        ...(videoType && { videoType }),
      });
    }
    return [...result.values()];
  }
}

const same = (a: SourceGroup, b: SourceGroup): boolean =>
  a.semantics === b.semantics &&
  a.ssrcs.length === b.ssrcs.length &&
  a.ssrcs.every((ssrc, index) => ssrc === b.ssrcs[index]);

export interface RemoteTrack {
  key: string;
  owner: string;
  kind: Kind;
  name: string;
  ssrc: number;
  rtx?: number;
  videoType?: 'camera' | 'desktop';
}

/** Our own sources, as the stock client writes them. */
export interface OwnSource {
  kind: Kind;
  name: string;
  msid: string;
  /** Lowest layer first. */
  ssrcs: readonly number[];
  /** As many, or none. */
  rtx: readonly number[];
  desktop: boolean;
}

/** The elements of a description for these sources. */
export function writeSources(sources: readonly OwnSource[], kind: Kind): XmlElement[] {
  const result: XmlElement[] = [];
  for (const one of sources.filter((source) => source.kind === kind)) {
    const videoType = kind === 'video' ? (one.desktop ? 'desktop' : 'camera') : undefined;
    const group = (semantics: string, ssrcs: readonly number[]): XmlElement =>
      x('ssrc-group', { xmlns: kSsma, semantics }, ...ssrcs.map((ssrc) => x('source', { ssrc })));
    for (const ssrc of [...one.ssrcs, ...one.rtx]) {
      const parameter = x('parameter', { name: 'msid', value: one.msid });
      result.push(x('source', { xmlns: kSsma, name: one.name, ssrc, videoType }, parameter));
    }
    for (const [index, ssrc] of one.ssrcs.entries()) {
      const rtx = one.rtx[index];
      if (rtx !== undefined) result.push(group('FID', [ssrc, rtx]));
      if (index === 0 && one.ssrcs.length > 1) result.push(group('SIM', one.ssrcs));
    }
  }
  return result;
}
