// The vector kernels as WebAssembly against node:crypto, on random keys, lengths, places in memory and additional data.
// The relaxed build is tried where the engine has relaxed SIMD (the suite also runs under a Node that has it).
import { createCipheriv, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const kSupportsRelaxed = WebAssembly.validate(
  // A function that returns i8x16.relaxed_swizzle of two splats.
  Uint8Array.of(
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b],
    ...[0x03, 0x02, 0x01, 0x00],
    ...[0x0a, 0x0f, 0x01, 0x0d, 0x00, 0x41, 0x01, 0xfd, 0x0f, 0x41, 0x02, 0xfd, 0x0f, 0xfd, 0x80, 0x02, 0x0b],
  ),
);

function load(build) {
  const path = new URL(`../../build/wasm-${build}/wasm/test-aead.wasm`, import.meta.url);
  const module = new WebAssembly.Module(readFileSync(path));
  const imports = {};
  for (const entry of WebAssembly.Module.imports(module)) {
    imports[entry.module] ??= {};
    imports[entry.module][entry.name] = () => 0;
  }
  const { exports } = new WebAssembly.Instance(module, imports);
  exports._initialize?.();
  const heap = new Uint8Array(exports.memory.buffer);
  const put = (at, bytes) => heap.set(bytes, at);
  const get = (at, size) => Buffer.from(heap.subarray(at, at + size));
  return { exports, put, get };
}

// A small generator (xorshift32), so that a printed seed repeats a run.
function generator(seed) {
  let state = seed;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  return { below: (n) => next() % n, bytes: (n) => Buffer.from(Array.from({ length: n }, () => next() >>> 24)) };
}

const builds = kSupportsRelaxed ? ['simd', 'relaxed'] : ['simd'];

describe.each(builds)('AES-GCM in WebAssembly, %s', (build) => {
  const seed = randomBytes(4).readUInt32LE() || 1;

  it(`seals as node:crypto does and opens it again (seed ${seed})`, () => {
    const { exports, put, get } = load(build);
    const random = generator(seed);
    const sizes = Array.from({ length: 400 }, (_, n) => n);
    for (let n = 0; n < 60; n++) sizes.push(random.below(30000));
    sizes.push(4048, 4064, 4080, 4096, 8176, 8192, 65536, 300000);
    const aesKeys = [16, 24, 32].map((size) => random.bytes(size));
    for (const [n, size] of sizes.entries()) {
      const key = aesKeys[n % 3];
      put(exports.keyAt(), key);
      expect(exports.setKey(key.length)).toBe(0);
      const nonce = random.bytes(12);
      const aad = random.bytes(random.below(101));
      const text = random.bytes(size);
      const offset = random.below(17);
      const cipher = createCipheriv(`aes-${key.length * 8}-gcm`, key, nonce);
      cipher.setAAD(aad);
      const expected = Buffer.concat([cipher.update(text), cipher.final()]);
      put(exports.counterAt(), nonce);
      put(exports.aadAt(), aad);
      put(exports.textAt() + offset, text);
      exports.seal(offset, size, aad.length);
      const label = `${key.length * 8} bit, ${size} bytes, ${aad.length} bytes of additional data`;
      expect(get(exports.textAt() + offset, size).equals(expected), `text, ${label}`).toBe(true);
      expect(get(exports.tagAt(), 16).equals(cipher.getAuthTag()), `tag, ${label}`).toBe(true);
      // A wrong tag first: refused, and nothing written.
      const tag = get(exports.tagAt(), 16);
      tag[random.below(16)] ^= 1 << random.below(8);
      const right = get(exports.tagAt(), 16);
      put(exports.tagAt(), tag);
      expect(exports.open(offset, size, aad.length), label).toBe(2);
      expect(get(exports.textAt() + offset, size).equals(expected), label).toBe(true);
      put(exports.tagAt(), right);
      expect(exports.open(offset, size, aad.length), label).toBe(0);
      expect(get(exports.textAt() + offset, size).equals(text), label).toBe(true);
    }
  });

  it(`counter mode (seed ${seed})`, () => {
    const { exports, put, get } = load(build);
    const random = generator(seed);
    for (const keySize of [16, 24, 32]) {
      const key = random.bytes(keySize);
      put(exports.keyAt(), key);
      expect(exports.setKey(keySize)).toBe(0);
      for (const start of [0, 1, 3, 250, 255, 0x1234]) {
        for (const size of [0, 1, 16, 63, 64, 65, 127, 128, 129, 1000, 9000]) {
          const block = Buffer.concat([random.bytes(12), Buffer.alloc(4)]);
          block.writeUInt32BE(start, 12);
          const text = random.bytes(size);
          put(exports.counterAt(), block);
          put(exports.textAt(), text);
          exports.ctr(0, size);
          const expected = createCipheriv(`aes-${keySize * 8}-ctr`, key, block).update(text);
          expect(get(exports.textAt(), size).equals(expected), `${keySize} ${start} ${size}`).toBe(true);
        }
      }
    }
  });
});
