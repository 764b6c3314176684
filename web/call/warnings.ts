/** The standing warnings of a call: what a person has to know for as long as it holds. One for each matter. */
import { Emitter } from './emitter';
import type { Warning, WarningKind } from './room';

/** Of each kind: nobody fills a page with some, or keeps others out with them. */
const kMaxOfKind = 20;

export interface WarningsEvents {
  change: undefined;
  /** A new one. */
  warning: Warning;
}

export class Warnings extends Emitter<WarningsEvents> {
  readonly #standing = new Map<string, Warning>();

  get list(): readonly Warning[] {
    return [...this.#standing.values()];
  }

  /**
   * @param id names the matter: said once, until `clear` @param name who it is about, '' for the whole call
   * @param member id, where something can be done about it
   */
  say(id: string, kind: WarningKind, name: string, member?: string): void {
    if (this.#standing.has(id) || this.list.filter((each) => each.kind === kind).length >= kMaxOfKind) return;
    const warning: Warning = { id, kind, name, at: Date.now(), ...(member ? { member } : {}) };
    this.#standing.set(id, warning);
    this.emit('warning', warning);
    this.emit('change', undefined);
  }

  clear(id: string): void {
    if (this.#standing.delete(id)) this.emit('change', undefined);
  }

  while(holds: boolean, id: string, kind: WarningKind, name: string, member?: string): void {
    if (holds) this.say(id, kind, name, member);
    else this.clear(id);
  }

  close(): void {
    this.clearListeners();
    this.#standing.clear();
  }
}
