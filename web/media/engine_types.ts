/**
 * The WebAssembly module as the worker and the tools see it: objects for the control plane (wasm/control.js over Embind
 * functions), raw exports for frames. wasm/bindings.cc implements exactly this; tests/unit checks the enums against it.
 * The factory needs `wasmBinary` in Node; in browsers it finds the .wasm beside itself.
 *
 * Frame area: one region of the heap per module. A frame is copied to `area + headroom`, handled in place, and copied out
 * from `result.offset`. Nothing on this path allocates. `HEAPU8` may be replaced after control-plane calls (memory
 * growth), never during a frame call: read it anew per frame.
 */
export const Format = { jframe: 0, livekit: 1, sframe: 2 } as const;
export const Codec = { unknown: 0, opus: 1, vp8: 2, vp9: 3, h264: 4, h265: 5, av1: 6 } as const;
export const FrameType = { audio: 0, key: 1, delta: 2, other: 3 } as const;
export const Derivation = { hkdf: 0, pbkdf2: 1, raw: 2, chain: 3, chain256: 4 } as const;
export type FormatName = keyof typeof Format;
export type CodecName = keyof typeof Codec;

/**
 * Index into the Uint32Array view of the result block (`_siegel_result()`), valid until the next frame call.
 */
export const ResultField = {
  /** Byte offset in the heap (absolute address) of the sealed or opened frame. */
  offset: 0,
  /** Its length in bytes. */
  size: 1,
  /** Clear bytes in front (AAD). */
  clear: 2,
  /** Key index (or low 32 bits of the SFrame KID) that was used. */
  keyIndex: 3,
  /** SSRC carried in the IV (JFrame, LiveKit); 0 for SFrame. */
  ivSsrc: 4,
  /** Ratchet generation of the key that was used. */
  generation: 5,
  /** Split path only: absolute address of the 12-byte IV. */
  iv: 6,
  /** Split path only: absolute address and length of the AES key to import into WebCrypto. */
  key: 7,
  keySize: 8,
  /** Split path only: a number that changes whenever the AES key behind (object, key index) changes: the CryptoKey cache key. */
  keySerial: 9,
  /** Split path only: absolute address and length of the text to encrypt or of ciphertext and tag to decrypt. */
  text: 10,
  textSize: 11,
  /** Split path only: ticket to hand to the finish call. */
  ticket: 12,
  /** 1: a silent frame of the SFU that the policy let through; not end-to-end encrypted media, not to be counted as such. */
  injected: 13,
} as const;

/** Control plane of one sender. `handle` goes into the raw calls. Wiped by `delete()`. */
export interface Sealer {
  readonly handle: number;
  /** Derive and install; `current` makes it the key that seals. Material is copied and the copy wiped. Returns an Error number. */
  setKey(keyIndex: number, material: Uint8Array, derivation: number, current: boolean): number;
  /** SFrame: suite and KID instead of derivation. */
  setSFrameKey(suite: number, kid: bigint, baseKey: Uint8Array): number;
  /** SFrame application metadata that goes into the AAD of every frame from now on (at most 512 bytes). */
  setMetadata(metadata: Uint8Array): number;
  /** Advance the current key by one generation; returns the new generation, or minus an Error number. */
  ratchet(): number;
  dropKey(keyIndex: number): number;
  currentKeyIndex(): number; // -1 when there is none
  delete(): void;
}

/** Control plane of one remote sender. */
export interface Opener {
  readonly handle: number;
  setKey(keyIndex: number, material: Uint8Array, derivation: number): number;
  setSFrameKey(suite: number, kid: bigint, baseKey: Uint8Array): number;
  setMetadata(metadata: Uint8Array): number;
  dropKey(keyIndex: number): number;
  /** LiveKit: trailer of server-injected frames, and whether known silent payloads are let through (default false). */
  setInjectedFrames(trailer: Uint8Array, accept: boolean): number;
  delete(): void;
}

export interface EngineModule {
  readonly HEAPU8: Uint8Array;
  readonly HEAPU32: Uint32Array;
  /** `ringSize` 1..256, `ratchetWindow` 0..16 (ignored by SFrame). */
  readonly Sealer: new (
    format: number,
    ringSize: number,
  ) => Sealer;
  readonly Opener: new (format: number, ringSize: number, ratchetWindow: number) => Opener;
  /** How many Error values the module knows: web/media/errors.ts must have as many. */
  errorCount(): number;
  /** "simd-relaxed" | "simd". */
  variant(): string;

  _siegel_area(): number;
  _siegel_capacity(): number; // longest frame that fits, without headroom and tailroom
  _siegel_headroom(): number;
  _siegel_result(): number;
  /** Length of the sealed frame, or minus an Error number. */
  _siegel_seal(sealer: number, length: number, codec: number, type: number, ssrc: number, timestamp: number): number;
  /** Length of the opened frame, or minus an Error number. `nowMs` (any monotonic clock) limits trial ratchets. */
  _siegel_open(opener: number, length: number, codec: number, type: number, nowMs: number): number;
  /**
   * Split path for WebCrypto. begin parses, picks key and IV and fills the result block (returns 0 or minus an Error number);
   * the caller copies IV, AAD and text out of the heap, runs WebCrypto, puts ciphertext and tag (seal) behind the clear bytes in
   * the area again, and calls finish. Several tickets may be in flight; each seal ticket has used up its IV for good. A replay
   * window moves only in open_finish, and only with `verified`.
   * For Opus, VP8 and VP9 the two begin calls read only the first and last 128 bytes of a frame, and seal_finish writes only
   * the trailer behind `length`: the caller may leave out the rest.
   */
  _siegel_seal_begin(
    sealer: number,
    length: number,
    codec: number,
    type: number,
    ssrc: number,
    timestamp: number,
  ): number;
  _siegel_seal_finish(sealer: number, ticket: number, length: number): number;
  /** Ends a ticket whose frame will not be sent. */
  _siegel_seal_cancel(sealer: number, ticket: number): void;
  _siegel_open_begin(opener: number, length: number, codec: number, type: number): number;
  /** `length` is that of the plaintext frame. Returns 0 or minus an Error number. */
  _siegel_open_finish(opener: number, ticket: number, length: number, verified: number): number;
  /** Overwrites the frame area. Before the worker ends. */
  _siegel_wipe(): void;
}
