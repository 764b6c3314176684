// What the provider sees: per SSRC, how many frames are sealed. JFrame's trailer ends with the length of the nonce (12) and
// the key index (0..15); it is on the last packet of a frame, which for Opus is every packet.

/** Nonce (12), its length, key index, tag (16): no sealed frame is shorter. */
const kLeast = 30;

export const looksSealed = (payload) =>
  payload.length > kLeast && payload[payload.length - 2] === 12 && payload[payload.length - 1] < 16;

/** @typedef {{ owner: string, kind: string, payloadType: number, packets: number, frames: number, sealed: number, run: number, firstClear: number, keyIndexes: number[] }} Count */

export class Witness {
  /** @type {Map<number, Count>} */
  #counts = new Map();

  /** `whole`: the last packet of a frame. Clear video can look sealed by chance (1 in 4096 or so), clear Opus as good as never. */
  see({ ssrc, payloadType, owner, kind, whole, payload }) {
    let count = this.#counts.get(ssrc);
    if (!count) {
      count = { owner, kind, payloadType, packets: 0, frames: 0, sealed: 0, run: 0, firstClear: 0, keyIndexes: [] };
      this.#counts.set(ssrc, count);
    }
    ++count.packets;
    if (!whole) return;
    ++count.frames;
    if (looksSealed(payload)) {
      ++count.sealed;
      ++count.run;
      const index = payload[payload.length - 1];
      if (!count.keyIndexes.includes(index)) count.keyIndexes.push(index);
    } else {
      count.run = 0;
      count.firstClear ||= count.frames;
    }
  }

  /** By SSRC. Everything ever seen, also of those who left. */
  get counts() {
    return new Map(this.#counts);
  }

  /** Of one sender (endpoint id). */
  of(owner) {
    return [...this.#counts.values()].filter((count) => count.owner === owner);
  }

  reset() {
    this.#counts.clear();
  }
}
