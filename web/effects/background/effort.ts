/**
 * Whether the machine keeps up with the camera: how long frames take against how often they come. Says when there should be
 * less work for each, and when more may be tried again.
 *
 * Shapes: milliseconds. No timers: it is told about every frame. Errors: none. Cost: no allocation.
 */
import { type Effort, kEfforts } from './types';

const kWindow = 500;
/** Of the time between frames. */
const kDown = 0.7;
const kUp = 0.3;
const kFirstPatience = 5000;
const kMostPatience = 120_000;
/** A longer pause is no slow camera: the page slept, or the camera was off. */
const kPause = 1000;

export interface EffortStep {
  from: Effort;
  to: Effort;
}

export class EffortWatch {
  #effort: Effort = 'full';
  #began: number | undefined;
  #last = 0;
  #busy = 0;
  #calm = 0;
  #patience = kFirstPatience;
  #sinceUp = Number.POSITIVE_INFINITY;

  get effort(): Effort {
    return this.#effort;
  }

  /** A frame that took `busy` is done, at `clock`. */
  add(busy: number, clock: number): EffortStep | undefined {
    if (this.#began === undefined || clock - this.#last > kPause) {
      this.#began = clock;
      this.#last = clock;
      this.#busy = 0;
      return undefined;
    }
    this.#last = clock;
    this.#busy += busy;
    const time = clock - this.#began;
    if (time < kWindow) return undefined;
    const share = this.#busy / time;
    this.#began = clock;
    this.#busy = 0;
    this.#sinceUp += time;
    if (share > kDown) {
      this.#calm = 0;
      return this.#go(1);
    }
    this.#calm = share < kUp ? this.#calm + time : 0;
    if (this.#calm < this.#patience) return undefined;
    this.#calm = 0;
    return this.#go(-1);
  }

  #go(by: 1 | -1): EffortStep | undefined {
    const from = this.#effort;
    const to = kEfforts[kEfforts.indexOf(from) + by];
    if (!to) return undefined;
    // Up was too early: wait longer the next time.
    if (by === 1 && this.#sinceUp < 6 * this.#patience) this.#patience = Math.min(2 * this.#patience, kMostPatience);
    if (by === -1) this.#sinceUp = 0;
    this.#effort = to;
    return { from, to };
  }
}
