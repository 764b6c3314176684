// Simulcast: a receiver gets one of a source's layers at a time, all on the SSRC of the first, as one continuous stream.

/** Whether this packet begins a VP8 key frame: descriptor of RFC 7741, section 4.2, then the first byte, which JFrame leaves clear. */
export function startsVp8Key(payload) {
  const first = payload[0];
  if (first === undefined || !(first & 0x10) || first & 7) return false;
  let at = 1;
  if (first & 0x80) {
    const extended = payload[at++];
    if (extended === undefined) return false;
    if (extended & 0x80) at += (payload[at] ?? 0) & 0x80 ? 2 : 1;
    if (extended & 0x40) ++at;
    if (extended & 0x30) ++at;
  }
  const byte = payload[at];
  return byte !== undefined && !(byte & 1);
}

/** 90 kHz ticks between the last packet of one layer and the first of another: less than a frame at 30 per second. */
const kStep = 3000;

/** One source on its way to one receiver. */
export class Projection {
  layer = -1;
  #seqOffset = 0;
  #tsOffset = 0;
  #seq = 0;
  #ts = 0;

  /**
   * @param {{ layer: number, want: number, sequenceNumber: number, timestamp: number, key: boolean }} packet `want`: the
   *   layer that this receiver should have
   * @returns {{ forward?: { sequenceNumber: number, timestamp: number }, needKey?: boolean }} needKey: ask layer `want` for one
   */
  take({ layer, want, sequenceNumber, timestamp, key }) {
    const result = {};
    if (want !== this.layer && layer === want) {
      if (key) {
        const first = this.layer < 0;
        this.#seqOffset = first ? 0 : (this.#seq + 1 - sequenceNumber) & 0xffff;
        this.#tsOffset = first ? 0 : (this.#ts + kStep - timestamp) >>> 0;
        this.layer = layer;
      } else result.needKey = true;
    }
    if (layer !== this.layer) return result;
    const seq = (sequenceNumber + this.#seqOffset) & 0xffff;
    const ts = (timestamp + this.#tsOffset) >>> 0;
    // Only forwards: a late packet of the same layer keeps its place.
    if (((seq - this.#seq) & 0xffff) < 0x8000 || this.#seq === 0) {
      this.#seq = seq;
      this.#ts = ts;
    }
    result.forward = { sequenceNumber: seq, timestamp: ts };
    return result;
  }

  /** The layer stopped: the next key frame of another one is taken. */
  stop() {
    this.layer = this.layer < 0 ? -1 : -2;
  }
}
