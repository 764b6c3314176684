/** How often the worker may speak about what goes wrong: somebody outside decides how often it does. */

const kErrorEveryMs = 1000;
const kErrorWindowMs = 60_000;
const kErrorsPerWindow = 5;
const kWarningEveryMs = 1000;
/** Names of tracks and participants come from the server. */
const kMaxNames = 2048;

/** Makes room in a map that others fill: what came first goes. */
function bounded<V>(map: Map<string, V>): void {
  if (map.size >= kMaxNames) map.delete(map.keys().next().value ?? '');
}

/** LiveKit's rule: one error a second and five a minute for each (participant, reason). */
export class ErrorThrottle {
  readonly #said = new Map<string, { windowFrom: number; last: number; count: number }>();

  allows(name: string, now: number): boolean {
    let said = this.#said.get(name);
    if (said === undefined || now - said.windowFrom >= kErrorWindowMs) {
      bounded(this.#said);
      said = { windowFrom: now, last: Number.NEGATIVE_INFINITY, count: 0 };
      this.#said.set(name, said);
    }
    if (said.count >= kErrorsPerWindow || now - said.last < kErrorEveryMs) return false;
    said.last = now;
    said.count++;
    return true;
  }
}

/** Warnings are never lost, only gathered: at most one a second for each name, with the number since the last one. */
export class Gathered<T> {
  readonly #open = new Map<string, { what: T; count: number; last: number }>();
  readonly #say: (what: T, count: number) => void;

  constructor(say: (what: T, count: number) => void) {
    this.#say = say;
  }

  add(name: string, what: T, now: number): void {
    let open = this.#open.get(name);
    if (open === undefined) {
      bounded(this.#open);
      open = { what, count: 0, last: Number.NEGATIVE_INFINITY };
      this.#open.set(name, open);
    }
    open.count++;
    if (now - open.last >= kWarningEveryMs) this.#tell(open, now);
  }

  /** What is left from a burst that ended. Call now and then. */
  flush(now: number): void {
    for (const open of this.#open.values()) {
      if (open.count > 0 && now - open.last >= kWarningEveryMs) this.#tell(open, now);
    }
  }

  #tell(open: { what: T; count: number; last: number }, now: number): void {
    const { what, count } = open;
    open.count = 0;
    open.last = now;
    this.#say(what, count);
  }
}
