/**
 * Recorded stanzas and bridge messages, spoilt at random, through everything that reads them. FUZZ_SECONDS says for how long (without it: a
 * fixed number of rounds), FUZZ_SEED where to begin; a failure names the seed of its round.
 */
import { readFileSync } from 'node:fs';
import { parse as parseSdp } from 'sdp-transform';
import { describe, expect, it, vi } from 'vitest';
import { BridgeChannel } from '../../../web/jitsi/bridge_channel';
import { kJingle, type MediaDescription, readJingle } from '../../../web/jitsi/jingle';
import { chooseMedia, remoteOffer } from '../../../web/jitsi/sdp';
import { SourceTable } from '../../../web/jitsi/sources';
import { child, writeElement, type XmlElement, XmlError } from '../../../web/jitsi/xml';
import { parse, recorded, recordedNames } from './support/xml';

const kRounds = 1500;
const seconds = Number(process.env.FUZZ_SECONDS ?? 0);
const firstSeed = Number(process.env.FUZZ_SEED ?? 1);

/** Mulberry32: small, and the same everywhere. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Calls `round` with a new seed each time until it was enough. */
function repeat(round: (random: () => number) => void): void {
  const until = performance.now() + seconds * 500;
  for (let seed = firstSeed, done = 0; seconds ? performance.now() < until : done < kRounds; ++seed, ++done) {
    try {
      round(randomOf(seed));
    } catch (error) {
      throw new Error(`FUZZ_SEED=${seed}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
}

const kNasty = [
  '',
  '\r\na=ssrc:1 cname:evil',
  '\r\nm=evil 9 x 0',
  '\nevil',
  '\u2028evil',
  '"><evil/>',
  '\u202eevil',
  '-1',
  '0',
  '4294967296',
  '1e9',
  'NaN',
  '__proto__',
  'constructor',
  ' evil',
  '٣',
  '𝟙',
  'evil'.repeat(2000),
];

const pick = <T>(random: () => number, all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;

/** One of several things done to a text. */
function spoilText(random: () => number, text: string): string {
  const at = Math.floor(random() * (text.length + 1));
  switch (Math.floor(random() * 5)) {
    case 0:
      return pick(random, kNasty);
    case 1:
      return text.slice(0, at) + pick(random, kNasty) + text.slice(at);
    case 2:
      return text.slice(0, at);
    case 3:
      return text.slice(0, at) + String.fromCharCode(Math.floor(random() * 0x3000)) + text.slice(at + 1);
    default:
      return text.repeat(2);
  }
}

/** JSON inside a text is spoilt by its values, so that it stays JSON. */
function spoilJson(random: () => number, value: unknown, chance: number): unknown {
  if (random() < chance)
    return pick(random, [
      null,
      true,
      -1,
      0,
      1.5,
      2 ** 32,
      7,
      'evil',
      [],
      {},
      [[[]]],
      '\r\na=evil',
      { s: 7 },
    ] as unknown[]);
  if (Array.isArray(value)) {
    const all = value.map((one) => spoilJson(random, one, chance));
    return random() < chance ? [...all, ...all] : all;
  }
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([key, one]) => [
        random() < chance ? spoilText(random, key) : key,
        spoilJson(random, one, chance),
      ]),
    );
  return typeof value === 'string' && random() < chance ? spoilText(random, value) : value;
}

function spoil(random: () => number, element: XmlElement, chance: number): XmlElement {
  const attrs = Object.entries(element.attrs)
    .filter(() => random() >= chance / 2)
    .map(([key, value]) => [key, random() < chance ? spoilText(random, value) : value]);
  const children = element.children.flatMap((one): Array<XmlElement | string> => {
    if (random() < chance / 2) return [];
    if (typeof one !== 'string') {
      const spoilt = spoil(random, one, chance);
      return random() < chance / 2 ? [spoilt, spoilt] : [spoilt];
    }
    if (one.startsWith('{')) return [JSON.stringify(spoilJson(random, JSON.parse(one), chance))];
    return [random() < chance ? spoilText(random, one) : one];
  });
  return { ...element, attrs: Object.fromEntries(attrs), children };
}

/** What may stand in a line of a description: no control characters, nothing outside of ASCII. */
const kLine = /^[a-z]=[\x20-\x7e]*$/;

describe('spoilt Jingle', () => {
  it('neither throws, nor gets out of its line, nor lets one SSRC be two people', () => {
    const originals = recordedNames('jingle')
      .filter((name) => name.includes('recv'))
      .map((name) => child(recorded(name), 'jingle', kJingle) as XmlElement);
    const whole = readJingle(originals[0] as XmlElement);
    let described = 0;
    repeat((random) => {
      const chance = random() < 0.5 ? 0.01 : 0.1;
      const table = new SourceTable();
      table.own = new Set([2405872798]);
      const owners = new Map<number, string>();
      for (let stanzas = 0; stanzas < 3; ++stanzas) {
        const read = readJingle(spoil(random, pick(random, originals), chance));
        if (!read) continue;
        if (read.action === 'source-remove') {
          table.remove(read.sources);
          for (const ssrc of owners.keys()) if (!table.ownerOf(ssrc)) owners.delete(ssrc);
        } else expect(table.add(read.sources, 'c924e8d2').length).toBeLessThan(100);
        for (const { ssrc, owner } of table.set.sources) {
          expect(owners.get(ssrc) ?? owner).toBe(owner);
          owners.set(ssrc, owner);
          expect(owner).not.toBe('c924e8d2');
        }
        expect(table.ownerOf(2405872798)).toBeUndefined();
        const media = [0, 1].map((at) => read.descriptions[at] ?? whole?.descriptions[at]) as MediaDescription[];
        const transport = read.transport ?? whole?.transport;
        const [audio, video] = media.map((one) => chooseMedia(one, random() < 0.5));
        if (!transport || !audio || !video) throw new Error('nothing to describe');
        const sections = table.tracks().map((track, index) => ({ mid: `${10 + index}`, kind: track.kind, track }));
        const text = remoteOffer({
          version: 1,
          sessionId: 1,
          audio,
          video,
          transport,
          data: read.data,
          bridge: table.set,
          sections,
          simulcast: random() < 0.5,
        });
        expect(text.split('\r\n').find((line) => line && !kLine.test(line))).toBeUndefined();
        expect(text.match(/^m=/gm)).toHaveLength(6 + Number(read.data) + sections.length);
        const ssrcs = parseSdp(text).media.flatMap((one) => [
          ...new Set((one.ssrcs ?? []).map(({ id }) => Number(id))),
        ]);
        expect(new Set(ssrcs).size).toBe(ssrcs.length);
        ++described;
      }
    });
    expect(described).toBeGreaterThan(seconds ? 10 : kRounds);
  });
});

describe('spoilt text of stanzas', () => {
  it('is read, or refused by XmlError, and what is read can be written', () => {
    const texts = recordedNames().map((name) => writeElement(recorded(name)));
    let read = 0;
    repeat((random) => {
      let text = pick(random, texts);
      if (text.length > 3000) text = `${text.slice(0, 1500)}${text.slice(-1500)}`;
      for (let times = 1 + Math.floor(random() * 3); times > 0; --times) {
        const at = Math.floor(random() * text.length);
        const until = at + Math.floor(random() * 20);
        text = pick(random, [
          text.slice(0, at) + text.slice(until),
          text.slice(0, at) + text.slice(at, until) + text.slice(at),
          text.slice(0, at) + pick(random, kNasty) + text.slice(at),
        ]);
      }
      let element: XmlElement;
      try {
        element = parse(text);
      } catch (error) {
        if (error instanceof XmlError || (error instanceof Error && error.message === 'Not XML')) return;
        throw error;
      }
      ++read;
      readJingle(element);
      try {
        writeElement(element);
      } catch (error) {
        if (!(error instanceof XmlError)) throw error;
      }
    });
    expect(read).toBeGreaterThan(0);
  });
});

describe('spoilt bridge messages', () => {
  it('throw nothing, and tell only what is in shape', () => {
    const messages = ['a', 'b', 'old-b'].flatMap((name) =>
      readFileSync(new URL(`../../vectors/jitsi-wire/${name}-bridge-channel.jsonl`, import.meta.url), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as { msg?: unknown }).msg)
        .filter((one) => one !== undefined),
    );
    const data = { readyState: 'open', send: () => {}, close: () => {} } as unknown as RTCDataChannel;
    const channel = new BridgeChannel({ channel: data });
    const name = /^[A-Za-z0-9_-]{1,128}$/;
    const heard = vi.fn();
    channel.on('dominantSpeaker', ({ id }) => heard(expect(id).toMatch(name)));
    channel.on('forwarded', ({ sources }) => heard(sources.forEach((one) => void expect(one).toMatch(name))));
    channel.on('senderConstraints', ({ source, maxHeight }) => {
      expect(source).toMatch(name);
      heard(expect(Number.isFinite(maxHeight)).toBe(true));
    });
    repeat((random) => {
      const text = JSON.stringify(spoilJson(random, pick(random, messages), 0.1));
      data.onmessage?.({ data: random() < 0.2 ? spoilText(random, text) : text } as MessageEvent);
    });
    expect(heard).toHaveBeenCalled();
  });
});
