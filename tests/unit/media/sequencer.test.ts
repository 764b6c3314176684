import { expect, test } from 'vitest';
import { Sequencer } from '../../../web/media/worker/sequencer';

test('leaves in the order of entry, whatever settles first', () => {
  for (let round = 0; round < 200; round++) {
    const out: number[] = [];
    const sequencer = new Sequencer<number>((item) => out.push(item));
    const places: (() => void)[] = [];
    const expected: number[] = [];
    for (let i = 0; i < 20; i++) {
      if (Math.random() < 0.3) sequencer.push(i);
      else {
        const place = sequencer.reserve();
        const dropped = Math.random() < 0.2;
        places.push(() => sequencer.settle(place, dropped ? null : i));
        if (dropped) continue;
      }
      expected.push(i);
    }
    while (places.length > 0) places.splice(Math.floor(Math.random() * places.length), 1)[0]?.();
    expect(out).toEqual(expected);
    expect(sequencer.idle).toBe(true);
    expect(sequencer.inFlight).toBe(0);
  }
});

test('settling twice counts once', () => {
  const out: string[] = [];
  const sequencer = new Sequencer<string>((item) => out.push(item));
  const place = sequencer.reserve();
  sequencer.settle(place, 'a');
  sequencer.settle(place, 'b');
  expect(out).toEqual(['a']);
  expect(sequencer.inFlight).toBe(0);
});

test('below() waits for room', async () => {
  const sequencer = new Sequencer<number>(() => {});
  const places = [sequencer.reserve(), sequencer.reserve()];
  let through = false;
  const waiting = sequencer.below(1).then(() => {
    through = true;
  });
  await Promise.resolve();
  expect(through).toBe(false);
  sequencer.settle(places[0]!, 1);
  await new Promise((resolve) => setTimeout(resolve));
  expect(through).toBe(false);
  sequencer.settle(places[1]!, null);
  await waiting;
  expect(through).toBe(true);
});
