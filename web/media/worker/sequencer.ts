/**
 * Keeps the frames of one stream in order while some of them are with WebCrypto. Frames enter in order and leave in that
 * order, whatever finishes first; a frame that is dropped gives way to those behind it.
 *
 * Cost: nothing while nothing is in flight: callers then write straight through (`idle`).
 */
export interface Place<T> {
  /** undefined: still in flight; null: dropped. */
  outcome: T | null | undefined;
}

export class Sequencer<T> {
  readonly #queue: Place<T>[] = [];
  readonly #write: (item: T) => void;
  #wake: (() => void) | undefined;
  #inFlight = 0;

  constructor(write: (item: T) => void) {
    this.#write = write;
  }

  /** Nothing is in flight: the next item may be written directly. */
  get idle(): boolean {
    return this.#queue.length === 0;
  }
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Takes a place for an item that is not ready yet. Settle it exactly once. */
  reserve(): Place<T> {
    const place: Place<T> = { outcome: undefined };
    this.#queue.push(place);
    this.#inFlight++;
    return place;
  }

  /** `null`: the item is dropped. */
  settle(place: Place<T>, outcome: T | null): void {
    if (place.outcome !== undefined) return;
    place.outcome = outcome;
    this.#inFlight--;
    this.#flush();
  }

  /** An item that is ready, behind those in flight. */
  push(item: T): void {
    if (this.idle) this.#write(item);
    else this.#queue.push({ outcome: item });
  }

  /** Resolves when fewer than `limit` items are in flight and waiting. One waiter at a time. */
  async below(limit: number): Promise<void> {
    while (this.#queue.length >= limit) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #flush(): void {
    for (let head = this.#queue[0]; head !== undefined && head.outcome !== undefined; head = this.#queue[0]) {
      this.#queue.shift();
      if (head.outcome !== null) this.#write(head.outcome);
    }
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
