import { describe, expect, it } from 'vitest';
import { kMeet, kRtp, kSsma, type OwnSource, readSources, SourceTable, writeSources } from '../../../web/jitsi/sources';
import { child, type XmlElement, x } from '../../../web/jitsi/xml';
import { recorded } from './support/xml';

const kJingle = 'urn:xmpp:jingle:1';
const jingleOf = (name: string): XmlElement => child(recorded(name), 'jingle', kJingle) as XmlElement;
const json = (sources: unknown): XmlElement =>
  x('jingle', { xmlns: kJingle }, x('json-message', { xmlns: kMeet }, JSON.stringify({ sources })));
const read = (sources: unknown) => readSources(json(sources));
const reasons = (problems: ReadonlyArray<{ reason: string }>): string[] => problems.map(({ reason }) => reason);

/** A table that holds what these sets say, in order. */
function table(...sets: unknown[]): SourceTable {
  const result = new SourceTable();
  for (const set of sets) result.add(read(set), 'me');
  return result;
}

describe('reading sources', () => {
  it('reads both forms alike', () => {
    const fromJson = readSources(jingleOf('a-031'));
    const fromXml = readSources(jingleOf('xml-a-033'));
    expect(fromJson.problems).toEqual([]);
    expect(fromXml.problems).toEqual([]);
    const shape = (set: ReturnType<typeof readSources>) =>
      set.sources.map(({ kind, name, owner, videoType }) => [kind, name.replace(owner, ''), videoType]).sort();
    expect(shape(fromJson)).toEqual([
      ['audio', '-a0', undefined],
      ['video', '-v0', 'camera'],
      ['video', '-v0', 'camera'],
    ]);
    expect(shape(fromXml)).toEqual(shape(fromJson));
    expect(fromJson.groups).toEqual([
      { semantics: 'FID', kind: 'video', owner: 'c924e8d2', ssrcs: [2405872798, 3923657189] },
    ]);
    expect(fromXml.groups).toEqual([
      { semantics: 'FID', kind: 'video', owner: 'd6dab819', ssrcs: [3429549918, 3929209479] },
    ]);
    expect(fromXml.sources[0]).toEqual({
      ssrc: 1470432844,
      owner: 'd6dab819',
      kind: 'audio',
      name: 'd6dab819-a0',
      msid: 'd6dab819-audio-0-1 19824377-11b0-4469-a7ff-95e6c1fde6e5-1',
    });
  });

  it('names what clients of 2021 leave without a name', () => {
    const set = readSources(jingleOf('old-b-041'));
    expect(set.problems).toEqual([]);
    expect(set.sources.filter(({ owner }) => owner === '3d4f1b39').map(({ name }) => name)).toEqual([
      '3d4f1b39-v0',
      '3d4f1b39-v0',
      '3d4f1b39-a0',
    ]);
  });

  it('takes an owner that is a full address in the room', () => {
    const source = x(
      'source',
      { xmlns: kSsma, ssrc: 7, name: 'a-a0' },
      x('ssrc-info', { xmlns: kMeet, owner: 'r@c.x/a' }),
    );
    const content = x('content', { name: 'audio' }, x('description', { xmlns: kRtp, media: 'audio' }, source));
    expect(readSources(x('jingle', { xmlns: kJingle }, content)).sources).toMatchObject([{ ssrc: 7, owner: 'a' }]);
  });

  it('refuses what is out of shape, and uses the rest', () => {
    const bad: unknown[] = [
      { s: 0 },
      { s: 2 ** 32 },
      { s: -1 },
      { s: 1.5 },
      { s: '5' },
      { s: null },
      {},
      null,
      'text',
      { s: 5, n: 'a b' },
      { s: 5, n: 'a\r\na=x' },
      { s: 5, n: '' },
      { s: 5, n: 7 },
      { s: 5, n: 'n'.repeat(129) },
      { s: 5, n: 'a‮b' },
    ];
    for (const one of bad) {
      const set = read({ a: [[one, { s: 9, n: 'a-v0' }], [], []] });
      expect(
        set.sources.map(({ ssrc }) => ssrc),
        JSON.stringify(one),
      ).toEqual([9]);
      expect(reasons(set.problems), JSON.stringify(one)).toEqual(['malformed']);
    }
    for (const owner of ['', 'a b', '../x', 'a\nb', 'x'.repeat(65), '__proto__ ', '-a']) {
      expect(read({ [owner]: [[{ s: 9 }], [], []] }).sources, owner).toEqual([]);
    }
    for (const shape of [null, [], 7, 'text', { a: 7 }, { a: null }, { a: {} }])
      expect(read(shape).sources).toEqual([]);
    const notJson = x('jingle', { xmlns: kJingle }, x('json-message', { xmlns: kMeet }, '{"sources":'));
    expect(reasons(readSources(notJson).problems)).toEqual(['malformed']);
  });

  it('leaves out a stream name that is not plain text', () => {
    for (const m of ['a\r\na=ssrc:1 x', 'a b c', 'ä b', '', 'a\u0000', 5, 'x'.repeat(500)]) {
      const [source] = read({ a: [[{ s: 9, m }], [], []] }).sources;
      expect(source, String(m)).toBeDefined();
      expect(source?.msid, String(m)).toBeUndefined();
    }
  });

  it('does not touch what every object inherits', () => {
    const message = '{"sources":{"__proto__":[[{"s":5,"polluted":1}],[],[]],"constructor":[[{"s":6}],[],[]]}}';
    const set = readSources(x('jingle', { xmlns: kJingle }, x('json-message', { xmlns: kMeet }, message)));
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(set.sources.map(({ owner }) => owner)).toEqual(['constructor']);
  });

  it('takes two thousand of ten thousand, and says so', () => {
    const many = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, index) => [`m${index}`, [[], [], [{ s: index + 1, n: `m${index}-a0` }]]]),
    );
    const set = read(many);
    expect(set.sources).toHaveLength(2000);
    expect(reasons(set.problems)).toContain('too-many');
    expect(set.problems.length).toBeLessThan(100);
    const one = read({
      a: [Array.from({ length: 10_000 }, (_, index) => ({ s: index + 1 })), [], []],
      b: [[], [], [{ s: 20_000 }]],
    });
    expect(one.sources.filter(({ owner }) => owner === 'a')).toHaveLength(64);
    // One person's flood is not another's loss.
    expect(one.sources.filter(({ owner }) => owner === 'b')).toHaveLength(1);
  });

  it('refuses groups that are none', () => {
    for (const group of [
      null,
      [],
      ['f'],
      ['f', 1],
      ['x', 1, 2],
      ['f', 1, 'b'],
      ['f', 0, 1],
      ['s', 1, 2, 3, 4, 5, 6, 7, 8, 9],
    ])
      expect(read({ a: [[], [group], []] }).groups, JSON.stringify(group)).toEqual([]);
  });
});

describe('who has an SSRC', () => {
  it('is whoever had it first', () => {
    const all = table({ a: [[], [], [{ s: 5, n: 'a-a0' }]] });
    expect(
      all.add(
        read({
          b: [
            [],
            [],
            [
              { s: 5, n: 'b-a0' },
              { s: 6, n: 'b-a1' },
            ],
          ],
        }),
        'me',
      ),
    ).toEqual([{ reason: 'claimed-twice', ssrc: 5, owner: 'b', other: 'a' }]);
    expect(all.ownerOf(5)).toBe('a');
    expect(all.ownerOf(6)).toBe('b');
    // Nor does the second get it out of the way.
    all.remove(read({ b: [[], [], [{ s: 5 }]] }));
    expect(all.ownerOf(5)).toBe('a');
    all.remove(read({ a: [[], [], [{ s: 5 }]] }));
    expect(all.ownerOf(5)).toBeUndefined();
  });

  it('is whoever had it first within one set, too, and the bridge like anybody', () => {
    const all = new SourceTable();
    const set = {
      a: [[{ s: 5 }], [], []],
      b: [[], [], [{ s: 5 }]],
      jvb: [[{ s: 8 }], [], []],
      c: [[{ s: 8 }], [], []],
    };
    expect(all.add(read(set), 'me').map(({ reason, owner, other }) => [reason, owner, other])).toEqual([
      ['claimed-twice', 'b', 'a'],
      ['claimed-twice', 'c', 'jvb'],
    ]);
  });

  it('is never somebody else where it is ours', () => {
    const all = new SourceTable();
    all.own = new Set([5]);
    expect(all.add(read({ a: [[{ s: 5 }, { s: 6 }], [['f', 6, 5]], []] }), 'me')).toEqual([
      { reason: 'own', ssrc: 5, owner: 'a' },
    ]);
    expect(all.tracks()).toMatchObject([{ owner: 'a', ssrc: 6 }]);
    expect(all.tracks()[0]).not.toHaveProperty('rtx');
    // What the focus repeats of us is not something to receive.
    expect(all.add(read({ me: [[{ s: 7 }], [], []] }), 'me')).toEqual([]);
    expect(all.ownerOf(7)).toBeUndefined();
  });

  it('refuses groups across owners, of unknown ones, twice the same, or in a circle', () => {
    const set = (groups: unknown[]) => ({ a: [[{ s: 1 }, { s: 2 }, { s: 3 }], groups, []], b: [[{ s: 9 }], [], []] });
    for (const groups of [
      [['f', 1, 9]],
      [['f', 1, 77]],
      [['f', 1, 1]],
      [
        ['f', 1, 2],
        ['f', 2, 1],
      ],
      [
        ['f', 1, 2],
        ['f', 2, 3],
      ],
      [
        ['f', 1, 2],
        ['f', 3, 2],
      ],
      [
        ['s', 1, 2],
        ['s', 2, 3],
      ],
    ]) {
      const all = new SourceTable();
      expect(reasons(all.add(read(set(groups)), 'me')), JSON.stringify(groups)).toEqual(['cyclic-group']);
      expect(all.set.groups.length, JSON.stringify(groups)).toBe(groups.length - 1);
    }
    const all = table(set([['f', 1, 2]]));
    expect(all.add(read(set([['f', 1, 2]])), 'me')).toEqual([]);
    expect(all.set.groups).toHaveLength(1);
  });

  it('has limits that hold over many sets', () => {
    const all = new SourceTable();
    let next = 1;
    for (let round = 0; round < 10; ++round) {
      all.add(read({ a: [Array.from({ length: 64 }, () => ({ s: next++ })), [], []] }), 'me');
    }
    expect(all.set.sources).toHaveLength(64);
    for (let owner = 0; owner < 60; ++owner) {
      all.add(read({ [`o${owner}`]: [Array.from({ length: 64 }, () => ({ s: next++ })), [], []] }), 'me');
    }
    expect(all.set.sources).toHaveLength(2000);
    all.removeOwner('o1');
    expect(all.set.sources).toHaveLength(2000 - 64);
  });

  it('knows tracks: one for each name, without layers and retransmissions', () => {
    const all = table({
      jvb: [[{ s: 90, n: 'jvb-v0' }], [], [{ s: 91, n: 'jvb-a0' }]],
      a: [
        [1, 2, 3, 11, 12, 13]
          .map((s) => ({ s, n: 'a-v0' }))
          .concat([{ s: 20, n: 'a-v1' }])
          .map((one) => (one.s === 20 ? { ...one, v: 'd' } : one)),
        [
          ['s', 1, 2, 3],
          ['f', 1, 11],
          ['f', 2, 12],
          ['f', 3, 13],
        ],
        [{ s: 30, n: 'a-a0' }],
      ],
    });
    expect(all.tracks()).toEqual([
      { key: 'a/video/a-v0', owner: 'a', kind: 'video', name: 'a-v0', ssrc: 1, rtx: 11, videoType: 'camera' },
      { key: 'a/video/a-v1', owner: 'a', kind: 'video', name: 'a-v1', ssrc: 20, videoType: 'desktop' },
      { key: 'a/audio/a-a0', owner: 'a', kind: 'audio', name: 'a-a0', ssrc: 30 },
    ]);
  });

  it('follows the recorded restart of a peer', () => {
    const all = new SourceTable();
    for (const [action, name] of [
      ['add', 'a-031'],
      ['remove', 'a-049'],
      ['add', 'a-050'],
    ] as const) {
      const set = readSources(jingleOf(name));
      if (action === 'add') expect(all.add(set, 'ff2ab7be')).toEqual([]);
      else {
        all.remove(set);
        expect(all.set).toEqual({ sources: [], groups: [] });
      }
    }
    expect(all.tracks().map(({ ssrc, rtx }) => [ssrc, rtx])).toEqual([
      [2385965139, 1643354934],
      [3305974717, undefined],
    ]);
  });
});

describe('our own sources', () => {
  it('are written as the stock client writes them', () => {
    const accept = jingleOf('a-030');
    const contents = accept.children.filter(
      (one): one is XmlElement => typeof one !== 'string' && one.name === 'content',
    );
    const video = child(contents[1], 'description', kRtp) as XmlElement;
    const recordedSources = video.children.filter(
      (one): one is XmlElement => typeof one !== 'string' && one.ns === kSsma,
    );
    const own: OwnSource = {
      kind: 'video',
      name: 'ff2ab7be-v0',
      msid: 'ff2ab7be-video-0-1 5f216b8a-6a42-4470-a107-c6fbfd3ea7b1-1',
      ssrcs: [2187418531, 21254459, 3908509442],
      rtx: [3898370538, 2378610915, 644101718],
      desktop: false,
    };
    // Namespaces of children are inherited when written, and attributes come in any order.
    const plain = (one: XmlElement): unknown => [
      one.name,
      Object.entries(one.attrs).sort(),
      one.children.map((each) => (typeof each === 'string' ? each : plain(each))),
    ];
    const sorted = (all: readonly XmlElement[]): string[] => all.map((one) => JSON.stringify(plain(one))).sort();
    expect(sorted(writeSources([own], 'video'))).toEqual(sorted(recordedSources));
    expect(writeSources([own], 'audio')).toEqual([]);
  });

  it('are read back as they were written, by those who get them as elements', () => {
    const own: OwnSource = {
      kind: 'video',
      name: 'me-v1',
      msid: 'me-video-1-1 t',
      ssrcs: [7],
      rtx: [8],
      desktop: true,
    };
    const description = x('description', { xmlns: kRtp, media: 'video' }, ...writeSources([own], 'video'));
    const withOwner: XmlElement = {
      ...description,
      children: description.children.map((one) =>
        typeof one !== 'string' && one.name === 'source'
          ? { ...one, children: [...one.children, x('ssrc-info', { xmlns: kMeet, owner: 'me' })] }
          : one,
      ),
    };
    const set = readSources(x('jingle', { xmlns: kJingle }, x('content', { name: 'video' }, withOwner)));
    expect(set.problems).toEqual([]);
    expect(set.sources.map(({ ssrc, videoType }) => [ssrc, videoType])).toEqual([
      [7, 'desktop'],
      [8, 'desktop'],
    ]);
    expect(set.groups).toEqual([{ semantics: 'FID', kind: 'video', owner: 'me', ssrcs: [7, 8] }]);
  });
});
