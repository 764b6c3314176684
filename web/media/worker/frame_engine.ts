/**
 * One frame at a time through the module: directly (WebAssembly does all of it) or split (WebCrypto does the AES-GCM).
 * Used by the worker's pipes, by the calibration and by the benchmark, so all three measure the same thing.
 *
 * Shapes: frames are whole encoded frames. Results are new ArrayBuffers, or minus an engine Error number.
 * Ownership: the frame handed in stays untouched, so a caller can try again. Errors: a trap in the module throws.
 * Cost: direct: one copy in, one copy out, one result object (the ArrayBuffer); split: a promise more, and WebCrypto's own copies.
 */
import { Codec, type EngineModule, ResultField } from '../engine_types';

/** What came out of the split path; fields of the result block as they were when the frame began. */
export interface SplitResult {
  /** The frame, or minus an Error number. */
  output: ArrayBuffer | number;
  keyIndex: number;
  generation: number;
}

/** Whose frame it is. Once removed, its engine objects are gone: jobs that come back must not touch them. */
export interface Owner {
  readonly removed: boolean;
}

const kInternal = -255;
const kTag = 16;
/** More than clear bytes in front, or tag, IV, trailer and a server's mark at the end. */
const kEdge = 128;

/** Codecs whose frames the engine judges by their first and last bytes alone; H.264 and H.265 are rewritten throughout. */
const hasEdges = (codec: number) => codec === Codec.opus || codec === Codec.vp8 || codec === Codec.vp9;

/** CryptoKeys by the engine's key serial; at most `kKept` of them. They cannot be exported again. */
export class CryptoKeys {
  static readonly kKept = 8;
  readonly #keys = new Map<number, CryptoKey | null>();
  #importing: Promise<void> = Promise.resolve();
  readonly #subtle: SubtleCrypto | undefined;

  constructor(subtle: SubtleCrypto | undefined) {
    this.#subtle = subtle;
  }

  get(serial: number): CryptoKey | undefined {
    return this.#keys.get(serial) ?? undefined;
  }

  /**
   * Starts the import; `key` is a view that is copied at once. Nobody waits: until it is there, frames go directly. The key
   * index is for who knows keys by it.
   */
  import(serial: number, key: Uint8Array<ArrayBuffer>, _index?: number): Promise<void> {
    if (this.#keys.has(serial) || !this.#subtle) return Promise.resolve();
    if (this.#keys.size >= CryptoKeys.kKept) this.#keys.delete(this.#keys.keys().next().value ?? serial);
    this.#keys.set(serial, null);
    this.#importing = this.#subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']).then(
      (imported) => {
        if (this.#keys.has(serial)) this.#keys.set(serial, imported);
      },
      () => {}, // a size that this browser's WebCrypto lacks (192 bits in Chromium): those frames stay with WebAssembly
    );
    return this.#importing;
  }

  /** When the last import is done. For whoever has time, as the calibration. */
  imported(): Promise<void> {
    return this.#importing;
  }

  clear(): void {
    this.#keys.clear();
  }
}

export class FrameEngine {
  readonly module: EngineModule;
  readonly #at: number;
  readonly #result: number;
  readonly #capacity: number;
  readonly #subtle: SubtleCrypto | undefined;

  constructor(module: EngineModule, subtle: SubtleCrypto | undefined) {
    this.module = module;
    this.#at = module._siegel_area() + module._siegel_headroom();
    this.#capacity = module._siegel_capacity();
    this.#result = module._siegel_result() >>> 2;
    this.#subtle = subtle;
  }

  /** A field of the result block of the last call. */
  field(index: number): number {
    return this.module.HEAPU32[this.#result + index] ?? 0;
  }

  seal(
    sealer: number,
    frame: ArrayBuffer,
    codec: number,
    type: number,
    ssrc: number,
    timestamp: number,
  ): ArrayBuffer | number {
    const length = this.#copyIn(frame);
    const size = this.module._siegel_seal(sealer, length, codec, type, ssrc, timestamp);
    return size < 0 ? size : this.#copyOut();
  }

  open(opener: number, frame: ArrayBuffer, codec: number, type: number, nowMs: number): ArrayBuffer | number {
    const length = this.#copyIn(frame);
    const size = this.module._siegel_open(opener, length, codec, type, nowMs);
    return size < 0 ? size : this.#copyOut();
  }

  /** undefined: not possible right now (key not imported yet), take the direct path. */
  sealSplit(
    owner: Owner,
    sealer: number,
    keys: CryptoKeys,
    frame: ArrayBuffer,
    codec: number,
    type: number,
    ssrc: number,
    timestamp: number,
  ): Promise<SplitResult> | number | undefined {
    const { module } = this;
    const subtle = this.#subtle;
    if (subtle === undefined) return undefined;
    const edges = hasEdges(codec);
    const length = edges ? this.#copyEdges(frame) : this.#copyIn(frame);
    const code = module._siegel_seal_begin(sealer, length, codec, type, ssrc, timestamp);
    if (code < 0) return code;
    const ticket = this.field(ResultField.ticket);
    const key = this.#key(keys);
    if (key === undefined) {
      module._siegel_seal_cancel(sealer, ticket);
      return undefined;
    }
    const { head, keyIndex, generation, parameters } = this.#plan();
    // WebCrypto copies what it is given before it returns: the views may point into the heap.
    const job = subtle.encrypt(parameters, key, this.#text(frame, edges, head.length));
    const finish = (sealed: ArrayBuffer) => {
      if (owner.removed) return { output: kInternal, keyIndex, generation };
      const body = head.length + sealed.byteLength;
      if (body > this.#capacity + kTag) throw new RangeError('frame area');
      const heap = module.HEAPU8;
      if (!edges) {
        heap.set(head, this.#at);
        heap.set(new Uint8Array(sealed), this.#at + head.length);
      }
      const size = module._siegel_seal_finish(sealer, ticket, body);
      if (size < 0 || !edges) return { output: size < 0 ? size : this.#copyOut(), keyIndex, generation };
      // Only the trailer is the engine's.
      const output = new Uint8Array(size);
      output.set(head);
      output.set(new Uint8Array(sealed), head.length);
      output.set(heap.subarray(this.#at + body, this.#at + size), body);
      return { output: output.buffer, keyIndex, generation };
    };
    return job.then(finish, () => {
      if (!owner.removed) module._siegel_seal_cancel(sealer, ticket);
      return { output: kInternal, keyIndex, generation };
    });
  }

  /** undefined as above. A frame that WebCrypto could not open comes back as null: the direct path decides about it. */
  openSplit(
    owner: Owner,
    opener: number,
    keys: CryptoKeys,
    frame: ArrayBuffer,
    codec: number,
    type: number,
  ): Promise<SplitResult | null> | number | undefined {
    const { module } = this;
    const subtle = this.#subtle;
    if (subtle === undefined) return undefined;
    const edges = hasEdges(codec);
    const length = edges ? this.#copyEdges(frame) : this.#copyIn(frame);
    const code = module._siegel_open_begin(opener, length, codec, type);
    if (code < 0) return code;
    const ticket = this.field(ResultField.ticket);
    const key = this.#key(keys);
    if (key === undefined) {
      module._siegel_open_finish(opener, ticket, 0, 0);
      return undefined;
    }
    const { head, keyIndex, generation, parameters } = this.#plan();
    const job = subtle.decrypt(parameters, key, this.#text(frame, edges, head.length));
    const finish = (text: ArrayBuffer) => {
      if (owner.removed) return { output: kInternal, keyIndex, generation };
      const size = head.length + text.byteLength;
      const refused = module._siegel_open_finish(opener, ticket, size, 1);
      if (refused < 0) return { output: refused, keyIndex, generation };
      const output = new Uint8Array(size);
      output.set(head);
      output.set(new Uint8Array(text), head.length);
      return { output: output.buffer, keyIndex, generation };
    };
    return job.then(finish, () => {
      if (!owner.removed) module._siegel_open_finish(opener, ticket, 0, 0);
      return null;
    });
  }

  /** Too long a frame is not copied: the module refuses its length. */
  #copyIn(frame: ArrayBuffer): number {
    if (frame.byteLength <= this.#capacity) this.module.HEAPU8.set(new Uint8Array(frame), this.#at);
    return frame.byteLength;
  }

  /** The middle of a long frame stays where it is; what the area holds there is of an earlier frame and is not read. */
  #copyEdges(frame: ArrayBuffer): number {
    const length = frame.byteLength;
    if (length <= 2 * kEdge || length > this.#capacity) return this.#copyIn(frame);
    const heap = this.module.HEAPU8;
    heap.set(new Uint8Array(frame, 0, kEdge), this.#at);
    heap.set(new Uint8Array(frame, length - kEdge), this.#at + length - kEdge);
    return length;
  }

  /** What WebCrypto works on: in the frame itself where the area has only its edges. */
  #text(frame: ArrayBuffer, edges: boolean, clear: number): Uint8Array<ArrayBuffer> {
    const size = this.field(ResultField.textSize);
    return edges ? new Uint8Array(frame, clear, size) : this.#view(ResultField.text, ResultField.textSize);
  }

  #copyOut(): ArrayBuffer {
    const offset = this.field(ResultField.offset);
    return this.module.HEAPU8.slice(offset, offset + this.field(ResultField.size)).buffer as ArrayBuffer;
  }

  #view(addressField: number, sizeField: number): Uint8Array<ArrayBuffer> {
    const address = this.field(addressField);
    return this.module.HEAPU8.subarray(address, address + this.field(sizeField)) as Uint8Array<ArrayBuffer>;
  }

  #key(keys: CryptoKeys): CryptoKey | undefined {
    const serial = this.field(ResultField.keySerial);
    const key = keys.get(serial);
    if (key !== undefined) return key;
    void keys.import(serial, this.#view(ResultField.key, ResultField.keySize), this.field(ResultField.keyIndex));
    return keys.get(serial);
  }

  #plan(): {
    head: Uint8Array<ArrayBuffer>;
    keyIndex: number;
    generation: number;
    parameters: AesGcmParams;
  } {
    const heap = this.module.HEAPU8;
    const offset = this.field(ResultField.offset);
    const iv = this.field(ResultField.iv);
    const head = heap.slice(offset, offset + this.field(ResultField.clear)) as Uint8Array<ArrayBuffer>;
    return {
      head,
      keyIndex: this.field(ResultField.keyIndex),
      generation: this.field(ResultField.generation),
      parameters: {
        name: 'AES-GCM',
        iv: heap.subarray(iv, iv + 12) as Uint8Array<ArrayBuffer>,
        additionalData: head,
        tagLength: 128,
      },
    };
  }
}
