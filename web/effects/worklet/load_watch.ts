/**
 * Whether the machine keeps up. Looks at the time that denoising takes and at how far the sound falls behind the clock;
 * says when a cheaper profile is due, and when a better one may be tried again.
 *
 * Shapes: milliseconds. The clock may be coarse (whole milliseconds in worklets): only sums over a window count. No timers:
 * it is told about every block. Errors: none. Cost: no allocation.
 */
import { type DenoiseProfile, kProfiles, type StepReason } from '../types';

const kWindow = 500;
/** Of the time there is: so near to it sound breaks up at the next disturbance, so there is no waiting for a second look. */
const kAlarm = 0.5;
/** Falling behind by so much within a window is a missed deadline, not the batching of blocks. */
const kLate = 20;
/** More than that is no load: the machine slept or the page was frozen. */
const kSlept = 1000;
/** Without such a part of the budget it is not the cause of being late. */
const kPartOfBudget = 1 / 3;
/** hq costs about so many times as much as eco (docs/benchmarks.md). */
const kHqToEco = 6;
const kFirstPatience = 10_000;
const kMostPatience = 300_000;

export interface Step {
  from: DenoiseProfile;
  to: DenoiseProfile;
  reason: StepReason;
}

export class LoadWatch {
  readonly #budget: number;
  #wanted: DenoiseProfile = 'off';
  #now: DenoiseProfile = 'off';
  // Of this window.
  #audio = 0;
  #busy = 0;
  #behind = Number.POSITIVE_INFINITY;
  // Since the beginning.
  #started: number | undefined;
  #played = 0;
  #before = Number.POSITIVE_INFINITY;
  #share = 0;
  #slow = 0;
  #late = 0;
  /** Milliseconds without trouble, and how many are asked for before stepping up. */
  #calm = 0;
  #patience = kFirstPatience;
  #sinceUp = Number.POSITIVE_INFINITY;

  constructor(budget: number) {
    this.#budget = budget;
  }

  /** Of the time of a core, over the last window. */
  get share(): number {
    return this.#share;
  }

  /** What the person wants runs from now on. */
  begin(profile: DenoiseProfile): void {
    this.#wanted = profile;
    this.#now = profile;
    this.#slow = 0;
    this.#late = 0;
    this.#calm = 0;
    this.#patience = kFirstPatience;
    this.#sinceUp = Number.POSITIVE_INFINITY;
  }

  /** The step that was asked for could not be done; this is what runs. */
  at(profile: DenoiseProfile): void {
    this.#now = profile;
  }

  /** After a block of `audio` ms that took `busy`, at `clock`. What it returns is done: the next block counts for `to`. */
  add(audio: number, busy: number, clock: number): Step | undefined {
    this.#started ??= clock - audio;
    this.#played += audio;
    this.#audio += audio;
    this.#busy += busy;
    this.#behind = Math.min(this.#behind, clock - this.#started - this.#played);
    if (this.#audio < kWindow) return undefined;
    const step = this.#window(this.#behind - this.#before);
    this.#before = this.#behind;
    this.#audio = 0;
    this.#busy = 0;
    this.#behind = Number.POSITIVE_INFINITY;
    return step;
  }

  #window(fell: number): Step | undefined {
    const share = this.#busy / this.#audio;
    this.#share = share;
    this.#sinceUp += this.#audio;
    const slow = share > this.#budget;
    const late = fell > kLate && fell < kSlept && share > this.#budget * kPartOfBudget;
    this.#slow = slow ? this.#slow + 1 : 0;
    // One late window is a disturbance; what counts is a second one soon after.
    this.#late = late ? this.#late + 2 : Math.max(0, this.#late - 0.5);
    this.#calm = slow || late ? 0 : this.#calm + this.#audio;
    if (this.#now !== 'off') {
      if (share > kAlarm || this.#slow >= 2) return this.#down('slow');
      if (this.#late >= 3) return this.#down('late');
    }
    return this.#up();
  }

  #down(reason: StepReason): Step {
    // Up was too early: wait longer the next time.
    if (this.#sinceUp < 6 * this.#patience) this.#patience = Math.min(this.#patience * 2, kMostPatience);
    return this.#go(-1, reason);
  }

  #up(): Step | undefined {
    if (this.#now === this.#wanted || this.#calm < this.#patience) return undefined;
    // From nothing at all only trying tells.
    if (this.#now === 'eco' && this.#share * kHqToEco > this.#budget) return undefined;
    this.#sinceUp = 0;
    return this.#go(1, 'recovered');
  }

  #go(by: 1 | -1, reason: StepReason): Step {
    const from = this.#now;
    this.#now = kProfiles[kProfiles.indexOf(from) + by] ?? 'off';
    this.#slow = 0;
    this.#late = 0;
    this.#calm = 0;
    return { from, to: this.#now, reason };
  }
}
