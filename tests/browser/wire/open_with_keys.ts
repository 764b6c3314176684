/**
 * The strongest statement about a captured frame: its tag verifies under the key its sender used, computed by OpenSSL and
 * not by the engine. Then the bytes behind the clear ones are AES-GCM output and nothing else, for every single frame.
 */
import type { SeenKey } from '../support/probe';
import type { WireFrame } from './frames';
import { splitSealed } from './judge';
import { frameKey, openFrame } from './seal_for_test';

const kGenerations = 12;

/** Keys of one sender by key index, each with its ratchet successors. Later material for an index stands beside earlier. */
export class KeyBook {
  readonly #keys = new Map<number, Uint8Array[]>();

  constructor(seen: readonly SeenKey[]) {
    for (const { keyIndex, material } of seen) {
      const list = this.#keys.get(keyIndex) ?? [];
      const bytes = new Uint8Array(Buffer.from(material, 'hex'));
      for (let generation = 0; generation <= kGenerations; generation++) list.push(frameKey(bytes, generation));
      this.#keys.set(keyIndex, list);
    }
  }

  get indexes(): number[] {
    return [...this.#keys.keys()];
  }

  /** The plain frame, or null when no key of the book verifies the tag. */
  open(frame: WireFrame): WireFrame | null {
    const parts = splitSealed(frame);
    if (typeof parts === 'string') return null;
    const keys = this.#keys.get(parts.keyIndex);
    if (keys === undefined) return null;
    const opened = openFrame(frame, keys.slice(0, 1)) ?? openFrame(frame, keys.slice(1));
    return opened;
  }
}
