// The WebAssembly module for scripts and tests: the calls of web/media/engine_types.ts with whole frames in and out.
// Runs in Node and in browsers (only `loadEngine` needs Node). Convenience, not speed: every call copies.

export const Format = { jframe: 0, livekit: 1, sframe: 2 };
export const Codec = { unknown: 0, opus: 1, vp8: 2, vp9: 3, h264: 4, h265: 5, av1: 6 };
export const FrameType = { audio: 0, key: 1, delta: 2, other: 3 };
export const Derivation = { hkdf: 0, pbkdf2: 1, raw: 2, chain: 3, chain256: 4 };

/** engine/include/siegel/result.h, without the k; tests/tools compares the two. */
export const errorNames = [
  'None',
  'MissingKey',
  'Authentication',
  'Replay',
  'Malformed',
  'FrameTooShort',
  'UnsupportedCodec',
  'UnsupportedFrameType',
  'BufferTooSmall',
  'CounterExhausted',
  'InvalidArgument',
  'InvalidKey',
  'UnsupportedSuite',
  'EmptyFrame',
  'InjectedFrame',
  'KeyUsage',
  'TooManyStreams',
];

export class Engine {
  #module;
  constructor(module) {
    this.#module = module;
  }

  get module() {
    return this.#module;
  }

  sealer(format, ringSize = 16) {
    const sealer = new this.#module.Sealer(Format[format], ringSize);
    return {
      setKey: (index, material, derivation, current = true) =>
        errorNames[sealer.setKey(index, material, Derivation[derivation], current)],
      setSFrameKey: (suite, kid, baseKey) => errorNames[sealer.setSFrameKey(suite, BigInt(kid), baseKey)],
      setMetadata: (metadata) => errorNames[sealer.setMetadata(metadata)],
      /** The new generation, or minus an error number. */
      ratchet: () => sealer.ratchet(),
      dropKey: (index) => errorNames[sealer.dropKey(index)],
      currentKeyIndex: () => sealer.currentKeyIndex(),
      seal: (frame, info) =>
        this.#frame(frame, (length) =>
          this.#module._siegel_seal(
            sealer.handle,
            length,
            Codec[info.codec] ?? 0,
            FrameType[info.type] ?? 3,
            info.ssrc ?? 0,
            info.timestamp ?? 0,
          ),
        ),
      delete: () => sealer.delete(),
    };
  }

  opener(format, ringSize = 16, ratchetWindow = 8) {
    const opener = new this.#module.Opener(Format[format], ringSize, ratchetWindow);
    return {
      setKey: (index, material, derivation) => errorNames[opener.setKey(index, material, Derivation[derivation])],
      setSFrameKey: (suite, kid, baseKey) => errorNames[opener.setSFrameKey(suite, BigInt(kid), baseKey)],
      setMetadata: (metadata) => errorNames[opener.setMetadata(metadata)],
      setInjectedFrames: (trailer, accept) => errorNames[opener.setInjectedFrames(trailer, accept)],
      dropKey: (index) => errorNames[opener.dropKey(index)],
      open: (frame, info, nowMs = performance.now()) =>
        this.#frame(frame, (length) =>
          this.#module._siegel_open(opener.handle, length, Codec[info.codec] ?? 0, FrameType[info.type] ?? 3, nowMs),
        ),
      delete: () => opener.delete(),
    };
  }

  /** { frame, clear, keyIndex, ivSsrc, generation, injected } or { error: name }. */
  #frame(frame, call) {
    const m = this.#module;
    if (frame.length > m._siegel_capacity()) return { error: 'BufferTooSmall' };
    m.HEAPU8.set(frame, m._siegel_area() + m._siegel_headroom());
    const size = call(frame.length);
    if (size < 0) return { error: errorNames[-size] };
    const [offset, , clear, keyIndex, ivSsrc, generation, , , , , , , , injected] = new Uint32Array(
      m.HEAPU8.buffer,
      m._siegel_result(),
      14,
    );
    return {
      frame: m.HEAPU8.slice(offset, offset + size),
      clear,
      keyIndex,
      ivSsrc,
      generation,
      injected: injected === 1,
    };
  }
}

/** Whether this runtime compiles relaxed SIMD (a module with one relaxed instruction). */
export function hasRelaxedSimd() {
  return WebAssembly.validate(
    new Uint8Array([
      0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15,
      253, 128, 2, 11,
    ]),
  );
}

/** Node only. The shipped module from dist/assets; where that is not built, from the build folder. */
export async function loadEngine(variant = hasRelaxedSimd() ? 'relaxed' : 'simd') {
  const { existsSync, readFileSync } = await import('node:fs');
  const { fileURLToPath, pathToFileURL } = await import('node:url');
  const { join } = await import('node:path');
  const root = fileURLToPath(new URL('..', import.meta.url));
  const places = ['dist/assets', `build/wasm-${variant}/wasm`].map((folder) => join(root, folder));
  const place = places.find((folder) => existsSync(join(folder, `siegel-${variant}.wasm`)));
  if (!place) throw new Error(`siegel-${variant}.wasm is not built: node tools/build.mjs`);
  const { default: create } = await import(pathToFileURL(join(place, `siegel-${variant}.mjs`)).href);
  return new Engine(await create({ wasmBinary: readFileSync(join(place, `siegel-${variant}.wasm`)) }));
}
