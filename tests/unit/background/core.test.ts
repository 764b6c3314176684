/**
 * Frames through the engine as the worker does it, in Node: nothing of the room comes out while nobody knows where people are,
 * whatever the frame's layout and whatever goes wrong.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BackgroundCore } from '../../../web/effects/background/core';
import { type BackgroundFailure, kEffects, kJudged, kLayouts, kModels } from '../../../web/effects/background/types';
import { FakeFrame, lumaOf, made, makeFrame, model, module, person, room, texture } from './frames';

const kFine = 60;

async function open({ models = true } = {}): Promise<{ core: BackgroundCore; failures: BackgroundFailure[] }> {
  const failures: BackgroundFailure[] = [];
  const core = new BackgroundCore({ makeFrame, onFailure: (failure) => failures.push(failure) });
  expect(await core.start(module())).toBe(true);
  if (models) for (const name of kModels) expect(core.load(name, model(name))).toBe(true);
  return { core, failures };
}

describe('nothing of the room', () => {
  test('before the module is there: a plain colour, as large as the frame', async () => {
    const core = new BackgroundCore({ makeFrame });
    const frame = new FakeFrame(room(321, 181), { timestamp: 77 });
    const out = made(await core.process(frame.video));
    expect(out.init).toMatchObject({ format: 'I420', codedWidth: 321, codedHeight: 181, timestamp: 77 });
    expect(texture(out)).toBe(0);
    expect(frame.closed).toBe(1);
    expect(core.judged).toBe('covered');
  });

  test('before there is a model, and when it is refused: blurred as a whole', async () => {
    const { core, failures } = await open({ models: false });
    for (const type of kEffects) {
      core.type = type;
      const out = made(await core.process(new FakeFrame(room(640, 360)).video));
      expect(texture(out), type).toBeLessThan(10);
      expect(core.judged).toBe('covered');
    }
    expect(core.load('landscape', model('landscape').subarray(0, 5000))).toBe(false);
    expect(failures).toEqual(['model']);
    expect(texture(made(await core.process(new FakeFrame(room(640, 360)).video)))).toBeLessThan(10);
  });

  test('where nobody is, in every layout', async () => {
    const { core } = await open();
    for (const format of ['I420', 'NV12', 'RGBA', 'RGBX', 'BGRA', 'BGRX', 'I420A', null]) {
      const out = made(await core.process(new FakeFrame(room(640, 360), { format }).video));
      expect(core.judged).not.toBe('covered');
      expect(texture(out), `${format}`).toBeLessThan(kFine);
    }
  });

  test('after the module trapped: plain for good, said once', async () => {
    let trap = false;
    const failures: BackgroundFailure[] = [];
    const core = new BackgroundCore({
      makeFrame: (data, init) => {
        if (trap) {
          trap = false;
          throw new WebAssembly.RuntimeError('unreachable');
        }
        return makeFrame(data, init);
      },
      onFailure: (failure) => failures.push(failure),
    });
    await core.start(module());
    core.load('landscape', model('landscape'));
    const seen = person(640, 360);
    expect(texture(made(await core.process(new FakeFrame(seen).video)))).toBeGreaterThan(kFine);
    trap = true;
    for (let i = 0; i < 3; ++i) {
      const frame = new FakeFrame(seen);
      expect(texture(made(await core.process(frame.video)))).toBe(0);
      expect(frame.closed).toBe(1);
    }
    expect(failures).toEqual(['engine']);
  });

  test('a module that is none', async () => {
    const failures: BackgroundFailure[] = [];
    const core = new BackgroundCore({ makeFrame, onFailure: (failure) => failures.push(failure) });
    expect(await core.start(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 1]))).toBe(false);
    expect(failures).toEqual(['module']);
    expect(texture(made(await core.process(new FakeFrame(room(64, 64)).video)))).toBe(0);
  });

  test('a frame that cannot be read or is too small: plain, and the next one works', async () => {
    const { core, failures } = await open();
    const broken = new FakeFrame(room(640, 360));
    broken.copyTo = () => Promise.reject(new DOMException('gone', 'OperationError'));
    expect(texture(made(await core.process(broken.video)))).toBe(0);
    expect(texture(made(await core.process(new FakeFrame(room(8, 8)).video)))).toBe(0);
    expect(failures).toEqual(['frame']);
    expect(texture(made(await core.process(new FakeFrame(person(640, 360)).video)))).toBeGreaterThan(kFine);
  });

  test('cover, and an effort of none: blurred as a whole, until there is a matte again', async () => {
    const { core } = await open();
    const seen = person(640, 360);
    const next = async () => texture(made(await core.process(new FakeFrame(seen).video)));
    expect(await next()).toBeGreaterThan(kFine);
    core.effort = 'cover';
    for (let i = 0; i < 3; ++i) {
      expect(await next()).toBeLessThan(20);
      expect(core.judged).toBe('covered');
    }
    core.effort = 'full';
    expect(await next()).toBeGreaterThan(kFine);
    expect(core.judged).toBe('fresh');
  });
});

test('the person stays, in every layout alike', async () => {
  const seen = person(640, 360);
  let first: Uint8Array | undefined;
  for (const format of ['I420', 'NV12', 'RGBA', 'RGBX', 'BGRA', 'BGRX', 'I420A', null]) {
    const { core } = await open();
    const luma = lumaOf(made(await core.process(new FakeFrame(seen, { format }).video)));
    expect(core.judged).toBe('fresh');
    const matte = core.matte() as Uint8Array;
    const people = matte.filter((alpha) => alpha === 255).length / matte.length;
    expect(people, `${format}`).toBeGreaterThan(0.15);
    first ??= luma;
    const off = luma.reduce((sum, value, i) => sum + Math.abs(value - ((first as Uint8Array)[i] as number)), 0);
    expect(off / luma.length, `${format}`).toBeLessThan(1.5);
  }
});

test('what the browser says of a frame comes out again', async () => {
  const { core } = await open();
  const options = {
    timestamp: 12345,
    duration: 33_333,
    rotation: 90,
    flip: true,
    display: [360, 640] as [number, number],
  };
  const { init } = made(await core.process(new FakeFrame(person(640, 360), options).video));
  expect(init).toMatchObject({
    format: 'I420',
    timestamp: 12345,
    duration: 33_333,
    rotation: 90,
    flip: true,
    displayWidth: 360,
    displayHeight: 640,
    colorSpace: { matrix: 'smpte170m', fullRange: false },
  });
});

test('only what is visible, also where a plane would have to be cut in the middle of a pixel', async () => {
  const { core } = await open();
  for (const corner of [
    [4, 6],
    [3, 5],
  ] as [number, number][]) {
    const out = made(await core.process(new FakeFrame(person(640, 360), { corner }).video));
    expect(out.init).toMatchObject({ codedWidth: 640, codedHeight: 360 });
    expect(texture(out)).toBeGreaterThan(kFine);
  }
});

test('another size begins anew; a portrait frame gets the model for it', async () => {
  const { core } = await open();
  for (const [width, height] of [
    [640, 360],
    [360, 640],
    [1280, 720],
    [33, 17],
  ] as const) {
    const out = made(await core.process(new FakeFrame(person(width, height)).video));
    expect(out.init).toMatchObject({ codedWidth: width, codedHeight: height });
    expect(out.data.length).toBe(width * height + 2 * ((width + 1) >> 1) * ((height + 1) >> 1));
    expect(core.judged).toBe('fresh');
  }
});

test('an image, and none again', async () => {
  const { core } = await open();
  core.type = 'image';
  const rgba = new Uint8Array(4 * 16 * 9);
  for (let i = 0; i < rgba.length; i += 4) rgba.set([0, 0, 255, 255], i);
  expect(core.image(16, 9, rgba)).toBe(true);
  const luma = lumaOf(made(await core.process(new FakeFrame(room(640, 360)).video)));
  const blue = luma.filter((value) => Math.abs(value - 41) <= 2).length / luma.length;
  expect(blue).toBeGreaterThan(0.5);
  expect(core.image(16, 10, rgba)).toBe(false);
  expect(core.image(5000, 1, new Uint8Array(20_000))).toBe(false);
  core.type = 'none';
  const frame = new FakeFrame(room(640, 360));
  expect(await core.process(frame.video)).toBe(frame);
  expect(frame.closed).toBe(0);
});

test('numbers that C++ and TypeScript have in common', () => {
  const read = (name: string) =>
    readFileSync(join(import.meta.dirname, `../../../engine/include/siegel/matte/${name}.h`), 'utf8');
  const numbers = (header: string, name: string) => {
    const body = new RegExp(`enum class ${name}[^{]*\\{([^}]*)\\}`).exec(read(header))?.[1] ?? '';
    return [...body.matchAll(/k(\w+) = (\d+)/g)].map(([, each, number]) => [Number(number), each?.toLowerCase()]);
  };
  const wanted = (names: readonly string[]) => names.map((name, i) => [i, name.replaceAll('-', '').toLowerCase()]);
  expect(numbers('compositor', 'Effect')).toEqual(wanted(kEffects));
  expect(numbers('segmenter', 'Model')).toEqual(wanted(kModels));
  expect(numbers('background', 'Judged')).toEqual(wanted(kJudged));
  expect(numbers('background', 'Layout')).toEqual(wanted(kLayouts));
});
