/**
 * Tells when a worker is gone: at once by a web lock that the worker holds for as long as it lives, and by a heartbeat for
 * one that hangs, or where there are no locks. Shared by the pages' two kinds of worker.
 *
 * Threads: page. Calls `died` at most once, never after `stop()`.
 */
import { MediaError } from './types';

/** How often the worker is asked whether it is there. */
const kBeatMs = 200;
/** Unanswered beats after which it counts as dead where there are no web locks to tell at once. */
const kMissedBeats = 3;
/** With web locks a dead worker is known at once; a busy machine may then keep a living one waiting this long. */
const kMissedBeatsWithLock = 20;
/** A worker script that has not reported by then will not. */
const kStartLimitMs = 15_000;

export class WorkerWatch {
  /** The name of the lock: for the worker's first message. */
  readonly lock = `siegel-${crypto.getRandomValues(new Uint32Array(4)).join('-')}`;
  readonly #ping: (count: number) => void;
  readonly #onDied: (error: MediaError) => void;
  readonly #unlocked = new AbortController();
  #beats = 0;
  #answered = 0;
  #locked = false;
  #started = false;
  #ended = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #startTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(ping: (count: number) => void, died: (error: MediaError) => void) {
    this.#ping = ping;
    this.#onDied = died;
    this.#startTimer = setTimeout(
      () => this.#died(new MediaError('worker-load', 'The worker script did not report.')),
      kStartLimitMs,
    );
  }

  /** The script runs. */
  started(): void {
    if (this.#started || this.#ended) return;
    this.#started = true;
    clearTimeout(this.#startTimer);
    this.#timer = setInterval(() => this.#beat(), kBeatMs);
  }

  /** The worker holds the lock: the browser gives it on as soon as its holder is gone. */
  locked(): void {
    if (this.#locked || this.#ended) return;
    this.#locked = true;
    navigator.locks
      .request(this.lock, { signal: this.#unlocked.signal }, () =>
        this.#died(new MediaError('worker-died', 'The worker has ended.')),
      )
      .catch(() => {});
  }

  answered(count: number): void {
    this.#answered = count;
  }

  /** An `error` event of the worker. */
  onError(event: { preventDefault(): void }): void {
    event.preventDefault();
    this.#died(
      this.#started
        ? new MediaError('worker-died', 'The worker threw an error.')
        : new MediaError('worker-load', 'The worker script did not load.'),
    );
  }

  stop(): void {
    this.#ended = true;
    clearInterval(this.#timer);
    clearTimeout(this.#startTimer);
    this.#unlocked.abort();
  }

  #died(error: MediaError): void {
    if (this.#ended) return;
    this.stop();
    this.#onDied(error);
  }

  /** Counts turns of this timer, not time: while the page itself stands still, no beat is missed. */
  #beat(): void {
    const missed = this.#beats - this.#answered;
    if (missed >= (this.#locked ? kMissedBeatsWithLock : kMissedBeats)) {
      this.#died(new MediaError('worker-died', 'The worker no longer answers.'));
      return;
    }
    this.#ping(++this.#beats);
  }
}
