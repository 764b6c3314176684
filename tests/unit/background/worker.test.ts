/** The worker's side: streams and single frames, the newest frame wins, less work when the machine does not keep up. */
import { describe, expect, test } from 'vitest';
import { EffortWatch } from '../../../web/effects/background/effort';
import type { FromWorker } from '../../../web/effects/background/types';
import { BackgroundWorker } from '../../../web/effects/background/worker';
import { FakeFrame, type Made, made, makeFrame, model, module, person, room, texture } from './frames';

const kFine = 60;

function worker(now?: () => number) {
  const said: FromWorker[] = [];
  const one = new BackgroundWorker((message) => said.push(message), { makeFrame, ...(now ? { now } : {}) });
  const of = <K extends FromWorker['kind']>(kind: K) =>
    said.filter((message): message is Extract<FromWorker, { kind: K }> => message.kind === kind);
  return { one, said, of };
}
const bytes = (of: Uint8Array): ArrayBuffer => new Uint8Array(of).buffer;
const start = (type: 'none' | 'blur-strong' = 'blur-strong') => ({
  kind: 'start' as const,
  module: bytes(module()),
  models: { landscape: bytes(model('landscape')), square: bytes(model('square')) },
  type,
});

/** A camera that gives the next frame when asked, and what came out. */
function streams(frames: FakeFrame[]) {
  const out: Made[] = [];
  let at = 0;
  const readable = new ReadableStream<VideoFrame>(
    {
      pull(controller) {
        const next = frames[at++];
        if (next) controller.enqueue(next.video);
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const writable = new WritableStream<VideoFrame>({
    write(frame) {
      out.push(made(frame));
    },
  });
  return { readable, writable, out };
}

test('frames of a stream, in order; before the module is there a plain colour', async () => {
  const { one, of } = worker();
  const early = streams([new FakeFrame(room(320, 180), { timestamp: 1 })]);
  await one.onMessage({ kind: 'streams', ...early });
  expect(early.out.map(({ init }) => init.timestamp)).toEqual([1]);
  expect(texture(early.out[0] as Made)).toBe(0);
  expect(of('ended').length).toBe(1);

  const next = worker();
  const seen = person(640, 360);
  const frames = [1, 2, 3].map((timestamp) => new FakeFrame(seen, { timestamp }));
  const { readable, writable, out } = streams(frames);
  await next.one.onMessage(start());
  expect(next.of('ready').length).toBe(1);
  await next.one.onMessage({ kind: 'streams', readable, writable });
  expect(out.map(({ init }) => init.timestamp)).toEqual([1, 2, 3]);
  for (const each of out) expect(texture(each)).toBeGreaterThan(kFine);
  expect(frames.map(({ closed }) => closed)).toEqual([1, 1, 1]);
  expect(next.of('failed')).toEqual([]);
});

test('whoever watches goes away: it ends, and the camera is let go', async () => {
  const { one, of } = worker();
  await one.onMessage(start());
  let cancelled = false;
  const readable = new ReadableStream<VideoFrame>({
    pull: (controller) => controller.enqueue(new FakeFrame(room(64, 48)).video),
    cancel() {
      cancelled = true;
    },
  });
  const writable = new WritableStream<VideoFrame>({
    write: () => Promise.reject(new Error('gone')),
  });
  await one.onMessage({ kind: 'streams', readable, writable });
  expect(cancelled).toBe(true);
  expect(of('ended').length).toBe(1);
});

test('single frames: the newest one wins, the others are closed unseen', async () => {
  const { one, of } = worker();
  await one.onMessage(start());
  const frames = [1, 2, 3, 4].map((timestamp) => new FakeFrame(person(320, 180), { timestamp }));
  await Promise.all(frames.map((frame) => one.onMessage({ kind: 'frame', frame: frame.video })));
  for (let i = 0; i < 100 && of('frame').length < 2; ++i) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(of('frame').map(({ frame }) => made(frame).init.timestamp)).toEqual([1, 4]);
  expect(frames.map(({ closed }) => closed)).toEqual([1, 1, 1, 1]);
});

test('after `none` nothing of the room is seen, whatever was seen before', async () => {
  const { one, of } = worker();
  await one.onMessage(start('none'));
  const raw = new FakeFrame(room(320, 180));
  await one.onMessage({ kind: 'frame', frame: raw.video });
  expect(of('frame')[0]?.frame).toBe(raw);
  await one.onMessage({ kind: 'type', type: 'blur-strong' });
  await one.onMessage({ kind: 'frame', frame: new FakeFrame(room(320, 180)).video });
  expect(texture(made(of('frame')[1]?.frame as VideoFrame))).toBeLessThan(kFine);
});

test('closed: what is still on its way goes nowhere', async () => {
  const { one, of } = worker();
  await one.onMessage(start());
  const frame = new FakeFrame(person(320, 180));
  const coming = one.onMessage({ kind: 'frame', frame: frame.video });
  await one.onMessage({ kind: 'close' });
  await coming;
  expect(of('frame')).toEqual([]);
  expect(frame.closed).toBe(1);
});

test('twice a second it says what it does', async () => {
  let clock = 0;
  const { one, of } = worker(() => (clock += 5));
  await one.onMessage(start());
  for (let i = 0; i < 30; ++i) await one.onMessage({ kind: 'frame', frame: new FakeFrame(room(64, 48)).video });
  const [report] = of('report');
  expect(report).toMatchObject({ width: 64, height: 48, covered: 0 });
  expect(report?.frames).toBeGreaterThan(5);
  for (const time of Object.values(report?.times ?? {})) expect(time).toBeCloseTo(5, 0);
});

describe('how much work', () => {
  /** So many seconds of 30 frames each that take `busy` ms; the steps. */
  const run = (watch: EffortWatch, seconds: number, busy: number, from = 0) => {
    const steps: string[] = [];
    for (let i = 0; i < seconds * 30; ++i) {
      const step = watch.add(busy, from + (i * 1000) / 30);
      if (step) steps.push(`${step.from}-${step.to}`);
    }
    return steps;
  };

  test('as long as there is time, all of it', () => {
    expect(run(new EffortWatch(), 60, 20)).toEqual([]);
  });

  test('too slow: the network sees every second frame, then none; not less than nothing', () => {
    const watch = new EffortWatch();
    expect(run(watch, 5, 32)).toEqual(['full-half', 'half-cover']);
    expect(watch.effort).toBe('cover');
  });

  test('when there is time again it comes back, and waits longer after each attempt in vain', () => {
    const watch = new EffortWatch();
    expect(run(watch, 1, 32)).toEqual(['full-half']);
    // With a pause before each part, so that no half second has of both.
    expect(run(watch, 6, 5, 3000)).toEqual(['half-full']);
    expect(run(watch, 1, 32, 11_000)).toEqual(['full-half']);
    expect(run(watch, 8, 5, 14_000)).toEqual([]);
    expect(run(watch, 4, 5, 22_000)).toEqual(['half-full']);
  });

  test('a page that slept was not slow', () => {
    const watch = new EffortWatch();
    run(watch, 1, 10);
    expect(watch.add(900, 60_000)).toBeUndefined();
    expect(run(watch, 2, 10, 61_500)).toEqual([]);
  });
});
