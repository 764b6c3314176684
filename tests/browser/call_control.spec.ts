/**
 * The instruments themselves, on calls without any of the product's code. What such a call sends is clear inside SRTP: the
 * judge must say so, or its word about the product is worth nothing.
 */
import { randomBytes } from 'node:crypto';
import { expect, test } from '@playwright/test';
import { hears, sees, withJudge } from './support/checks';
import { type BrowserKind, finishAll, launchPerson } from './support/people';
import { plainCall, startBlankSite } from './support/plain_call';
import { until } from './support/until';
import { collectFrames, type WireContent } from './wire/frames';
import { judge, judgeContent, objections } from './wire/judge';
import { judgeLoopback, portsOf, startLoopbackCapture } from './wire/loopback';
import { isRtcp } from './wire/rtp';
import { openFrame, pretendToSeal, sealFrame } from './wire/seal_for_test';

const kPairs: [BrowserKind, BrowserKind][] = [
  ['chromium', 'chromium'],
  ['firefox', 'chromium'],
];

for (const [one, two] of kPairs) {
  test(`control: a clear call ${one} ↔ ${two} is heard, seen, captured and judged clear`, async () => {
    const site = await startBlankSite();
    const people = await Promise.all([launchPerson(one, { index: 0 }), launchPerson(two, { index: 1 })] as const);
    try {
      const [a, b] = people;
      for (const { page } of people) await page.goto(site.url);
      const outside = await startLoopbackCapture();
      await plainCall(a, b);
      for (const [person, other] of [
        [a, b],
        [b, a],
      ] as const) {
        const elements = { audio: 'audio', video: 'video' };
        await hears(person, other, elements);
        await sees(person, other, elements);
      }
      await until(
        async () =>
          (await a.count())
            .concat(await b.count())
            .every(({ kind, packets, frames }) => (kind === 'video' ? frames >= 60 : packets >= 100)),
        20_000,
        () => 'too few packets to judge',
      );
      const captures = await finishAll(people);
      await withJudge(async (page) => {
        for (const [i, person] of people.entries()) {
          const capture = captures[i]!;
          const verdict = await judge(page, person, capture);
          expect(verdict.faults).toEqual([]);
          expect(verdict.streams.map(({ kind }) => kind).sort()).toEqual(['audio', 'video']);
          for (const stream of verdict.streams) {
            expect(stream.sealed, 'no frame passes for sealed').toBe(0);
            expect(stream.statistics.start).toBeGreaterThan(11);
            expect(stream.statistics.overall).toBeGreaterThan(11);
            const { recognised, audible, offered } = stream.decoded;
            if (stream.kind === 'video') expect(recognised / offered, 'picture').toBeGreaterThan(0.9);
            else expect(recognised / audible, 'tone').toBeGreaterThan(0.5);
          }
          expect(objections(verdict).length).toBeGreaterThanOrEqual(8);
        }
        await judgesSealedAndCheats(page, people[0], collectFrames(captures[0]!.packets, captures[0]!.descriptions));
      });
      if (typeof outside === 'string') {
        test.info().annotations.push({ type: 'not checked', description: outside });
      } else {
        const ports = portsOf(captures.flatMap(({ descriptions }) => descriptions));
        const seen = judgeLoopback(
          await outside.stop(),
          captures.flatMap(({ packets }) => packets),
          ports,
        );
        expect(seen.faults).toEqual([]);
        expect(seen.srtp).toBeGreaterThan(300);
        // Taken away from the dump, the same packets must be missed.
        const one = captures[0]!.packets.find(({ outbound, bytes }) => outbound && !isRtcp(bytes))!;
        const plain = { ports: [...ports].slice(0, 2) as [number, number], payload: one.bytes };
        expect(judgeLoopback([plain], [], ports).faults.join()).toContain('that no dump has');
        expect(judgeLoopback([plain], [one], ports).faults.join()).toContain('no authentication tag');
        const text = { ...plain, payload: Buffer.from('hello') };
        expect(judgeLoopback([text], [], ports).faults.join()).toContain('neither STUN, DTLS nor SRTP');
      }
    } finally {
      for (const { browser } of people) await browser.close();
      await site.close();
    }
  });
}

/** The same frames, sealed by OpenSSL, must pass; a perfect trailer on a clear body and one clear frame must not. */
async function judgesSealedAndCheats(
  page: Parameters<typeof judge>[0],
  person: Parameters<typeof judge>[1],
  content: WireContent,
): Promise<void> {
  const key = randomBytes(16);
  let counter = 0;
  const change = (edit: (frame: WireContent['streams'][0]['frames'][0], at: number) => typeof frame) => ({
    faults: [],
    streams: content.streams.map((stream) => ({ ...stream, frames: stream.frames.map(edit) })),
  });
  const sealed = change((frame) => sealFrame(frame, key, counter++));
  expect(objections(await judgeContent(page, person, sealed))).toEqual([]);
  for (const [i, stream] of sealed.streams.entries())
    for (const [j, frame] of stream.frames.entries())
      expect(Buffer.compare(openFrame(frame, [key])!.bytes, content.streams[i]!.frames[j]!.bytes)).toBe(0);

  const cheat = objections(
    await judgeContent(
      page,
      person,
      change((frame) => pretendToSeal(frame, counter++)),
    ),
  );
  expect(cheat.join('\n')).toMatch(/audio .* bytes are not uniform/);
  expect(cheat.join('\n')).toMatch(/audio .* recognises the sender/);
  expect(cheat.join('\n')).toMatch(/video .* bytes are not uniform/);
  expect(cheat.join('\n')).toMatch(/video .* recognises the sender/);

  const slip = objections(
    await judgeContent(
      page,
      person,
      change((frame, at) => (at === 40 ? frame : sealFrame(frame, key, counter++))),
    ),
  );
  expect(slip.filter((text) => text.includes(': 1 of '))).toHaveLength(2);

  const repeat = objections(
    await judgeContent(
      page,
      person,
      change((frame) => sealFrame({ ...frame }, key, 7)),
    ),
  );
  expect(repeat, 'one counter for all is fine while timestamps differ').toEqual([]);
  const twice = change((frame) => sealFrame(frame, key, counter++));
  twice.streams[0]!.frames.push(twice.streams[0]!.frames[0]!);
  expect(objections(await judgeContent(page, person, twice)).join()).toMatch(/used twice/);
}
