import { describe, expect, test } from 'vitest';
import type { DenoiseProfile } from '../../../web/effects/types';
import { LoadWatch, type Step } from '../../../web/effects/worklet/load_watch';
import { randomNumbers } from '../../browser/pages/denoise/signals';

const kBlock = 128 / 48;

/** A machine: hq takes `hq` of the time, eco a sixth of it; sound comes late by `stall` ms every second. */
class Machine {
  readonly watch = new LoadWatch(0.15);
  readonly steps: string[] = [];
  hq = 0.03;
  stall = 0;
  clock = 5000;
  now: DenoiseProfile = 'hq';
  #sinceStall = 0;
  readonly #random = randomNumbers(5);

  constructor(profile: DenoiseProfile = 'hq') {
    this.now = profile;
    this.watch.begin(profile);
  }

  run(seconds: number): this {
    for (let at = 0; at < seconds * 1000; at += kBlock) {
      const share = this.now === 'hq' ? this.hq : this.now === 'eco' ? this.hq / 6 : 0;
      this.clock += kBlock;
      this.#sinceStall += kBlock;
      if (this.stall > 0 && this.#sinceStall > 1000) {
        this.#sinceStall = 0;
        this.clock += this.stall;
      }
      // Blocks come a little late, each by something else, and the worklet's clock knows whole milliseconds only.
      const begin = this.clock + 2 * Math.abs(this.#random());
      const end = Math.floor(begin + share * kBlock);
      const step: Step | undefined = this.watch.add(kBlock, end - Math.floor(begin), end);
      if (!step) continue;
      this.now = step.to;
      this.steps.push(`${step.from} ${step.to} ${step.reason}`);
    }
    return this;
  }
}

describe('whether the machine keeps up', () => {
  test('a quick machine is left alone for an hour', () => {
    expect(new Machine().run(3600).steps).toEqual([]);
  });

  test('the share is right although the clock is coarse', () => {
    const machine = new Machine().run(10);
    expect(machine.watch.share).toBeGreaterThan(0.015);
    expect(machine.watch.share).toBeLessThan(0.05);
  });

  test('over the budget: down within two seconds, and no further when that helps', () => {
    const machine = new Machine();
    machine.hq = 0.3;
    expect(machine.run(2).steps).toEqual(['hq eco slow']);
    expect(machine.run(60).steps).toHaveLength(1);
  });

  test('so slow that sound breaks up: at once, all the way if need be', () => {
    const machine = new Machine();
    machine.hq = 4;
    expect(machine.run(1.2).steps).toEqual(['hq eco slow', 'eco off slow']);
  });

  test('one hiccup is no reason, being late again and again is', () => {
    const machine = new Machine();
    machine.hq = 0.08;
    machine.clock += 80;
    expect(machine.run(20).steps).toEqual([]);
    machine.stall = 60;
    expect(machine.run(5).steps).toEqual(['hq eco late']);
  });

  test('late, but not because of us: nothing would be gained', () => {
    const machine = new Machine();
    machine.hq = 0.02;
    machine.stall = 60;
    expect(machine.run(60).steps).toEqual([]);
  });

  test('a machine that slept has not been slow', () => {
    const machine = new Machine();
    machine.hq = 0.08;
    for (let night = 0; night < 5; ++night) {
      machine.run(3);
      machine.clock += 3_600_000;
    }
    expect(machine.run(5).steps).toEqual([]);
  });

  test('fast again: up after ten quiet seconds; up in vain: longer each time', () => {
    const machine = new Machine();
    machine.hq = 0.3;
    machine.run(2);
    machine.hq = 0.05;
    expect(machine.run(9).steps).toHaveLength(1);
    expect(machine.run(3).steps).toEqual(['hq eco slow', 'eco hq recovered']);
    // A machine that pretends: quick while eco runs, slow with hq.
    const before = machine.steps.length;
    for (let second = 0; second < 300; ++second) {
      machine.hq = machine.now === 'hq' ? 0.3 : 0.05;
      machine.run(1);
    }
    const tries = machine.steps.slice(before).filter((step) => step.endsWith('recovered'));
    expect(tries.length).toBeGreaterThan(1);
    expect(tries.length).toBeLessThan(6);
  });

  test('never above what the person chose', () => {
    const machine = new Machine('eco');
    expect(machine.run(120).steps).toEqual([]);
    expect(machine.now).toBe('eco');
  });

  test('a step that could not be done is not believed', () => {
    const machine = new Machine();
    machine.hq = 0.3;
    machine.run(2);
    machine.watch.at('off');
    machine.now = 'off';
    machine.hq = 0.01;
    machine.run(25);
    expect(machine.steps).toEqual(['hq eco slow', 'off eco recovered', 'eco hq recovered']);
  });
});
