/** The real module in Node: the direct and the split path make and take the same frames. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  Codec,
  type CodecName,
  Derivation,
  type EngineModule,
  Format,
  type FormatName,
  FrameType,
} from '../../../web/media/engine_types';
import { CryptoKeys, FrameEngine } from '../../../web/media/worker/frame_engine';

let module: EngineModule;
let engine: FrameEngine;

beforeAll(async () => {
  const assets = join(import.meta.dirname, '../../../dist/assets');
  const { default: create } = await import(join(assets, 'siegel-simd.mjs'));
  module = await create({ wasmBinary: readFileSync(join(assets, 'siegel-simd.wasm')) });
  engine = new FrameEngine(module, crypto.subtle);
});

const random = (size: number): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65536)));
  return bytes;
};

/** An Annex B frame with a slice whose text is full of what looks like start codes. */
function annexB(size: number, nal: number[]): Uint8Array<ArrayBuffer> {
  const bytes = random(size);
  for (let at = 40; at + 3 < size; at += 23) bytes.set([0, 0, at & 3], at);
  bytes.set([0, 0, 1, ...nal]);
  return bytes;
}

class Pair {
  readonly owner = { removed: false };
  readonly sealer;
  readonly opener;
  readonly sealKeys = new CryptoKeys(crypto.subtle);
  readonly openKeys = new CryptoKeys(crypto.subtle);
  timestamp = 1;
  constructor(
    format: FormatName,
    readonly codec: number,
    readonly type: number,
  ) {
    this.sealer = new module.Sealer(Format[format], 16);
    this.opener = new module.Opener(Format[format], 16, 8);
    expect(this.sealer.setKey(1, new Uint8Array(32).fill(1), Derivation.hkdf, true)).toBe(0);
    expect(this.opener.setKey(1, new Uint8Array(32).fill(1), Derivation.hkdf)).toBe(0);
  }
  seal(frame: ArrayBuffer): ArrayBuffer | number {
    return engine.seal(this.sealer.handle, frame, this.codec, this.type, 9, ++this.timestamp);
  }
  open(frame: ArrayBuffer): ArrayBuffer | number {
    return engine.open(this.opener.handle, frame, this.codec, this.type, 0);
  }
  sealSplit(frame: ArrayBuffer) {
    const { owner, sealKeys, codec, type } = this;
    return engine.sealSplit(owner, this.sealer.handle, sealKeys, frame, codec, type, 9, ++this.timestamp);
  }
  openSplit(frame: ArrayBuffer) {
    return engine.openSplit(this.owner, this.opener.handle, this.openKeys, frame, this.codec, this.type);
  }
  /** The first frame of the split path only starts the import. */
  async ready(): Promise<void> {
    const frame = this.seal(plainFor(this.codec, 100).buffer) as ArrayBuffer;
    for (let i = 0; i < 50; i++) {
      const sealed = this.sealSplit(plainFor(this.codec, 100).buffer);
      const opened = this.openSplit(frame);
      if (sealed !== undefined && opened !== undefined) {
        await Promise.all([sealed, opened]);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    throw new Error('keys were not imported');
  }
  delete(): void {
    this.owner.removed = true;
    this.sealer.delete();
    this.opener.delete();
  }
}

function plainFor(codec: number, size: number): Uint8Array<ArrayBuffer> {
  if (codec === Codec.h264) return annexB(size, [0x65]);
  if (codec === Codec.h265) return annexB(size, [0x26, 0x01]);
  return random(size);
}

const cases: [FormatName, CodecName, keyof typeof FrameType][] = [
  ['jframe', 'opus', 'audio'],
  ['jframe', 'vp8', 'key'],
  ['jframe', 'vp9', 'delta'],
  ['livekit', 'opus', 'audio'],
  ['livekit', 'vp8', 'delta'],
  ['livekit', 'vp9', 'key'],
  ['livekit', 'h264', 'key'],
  ['livekit', 'h265', 'key'],
];

describe.each(cases)('%s %s %s', (format, codec, type) => {
  test('each way opens what the other sealed, at every size', async () => {
    const pair = new Pair(format, Codec[codec], FrameType[type]);
    await pair.ready();
    for (const size of [20, 100, 255, 256, 257, 300, 1200, 5000, 70_000]) {
      const plain = plainFor(pair.codec, size);
      // Rewriting start codes changes the clear part: what comes out is the frame as the far side's depacketiser sees it.
      const expected = (opened: ArrayBuffer) => {
        const bytes = [...new Uint8Array(opened)];
        const wanted = codec.startsWith('h26') ? [0, ...plain] : [...plain];
        expect(bytes, `${size} bytes`).toEqual(wanted);
      };
      const direct = pair.seal(plain.buffer) as ArrayBuffer;
      const split = (await pair.sealSplit(plain.buffer)) as { output: ArrayBuffer; keyIndex: number };
      expect(split.keyIndex).toBe(1);
      expect(split.output).toBeInstanceOf(ArrayBuffer);
      if (!codec.startsWith('h26')) expect(split.output.byteLength).toBe(direct.byteLength);
      expected(pair.open(split.output) as ArrayBuffer);
      expected(((await pair.openSplit(direct)) as { output: ArrayBuffer }).output);
      // The frames were given, not taken.
      expect(plain.byteLength).toBe(size);
      // And the same frame again is a replay, either way.
      expect(pair.open(direct)).toBe(-3);
      expect(pair.openSplit(split.output)).toBe(-3);
    }
    pair.delete();
  });

  test('a changed bit anywhere is refused by the split path, and changes nothing', async () => {
    const pair = new Pair(format, Codec[codec], FrameType[type]);
    await pair.ready();
    const plain = plainFor(pair.codec, 700);
    const sealed = new Uint8Array(pair.seal(plain.buffer) as ArrayBuffer);
    const positions = Array.from({ length: 24 }, (_, i) => sealed.length - 1 - i).concat([0, 1, 50, 130, 350, 600]);
    for (const at of positions) {
      const changed = sealed.slice();
      changed[at]! ^= 0x10;
      const result = await pair.openSplit(changed.buffer);
      if (typeof result === 'number') expect(result).toBeLessThan(0);
      else expect(result, `bit at ${at}`).toBeNull();
    }
    expect(await pair.openSplit(sealed.buffer)).toMatchObject({ keyIndex: 1, output: expect.any(ArrayBuffer) });
    pair.delete();
  });
});

test('a key that WebCrypto does not take leaves the frame to the engine', async () => {
  const sealer = new module.Sealer(Format.jframe, 16);
  sealer.setKey(0, new Uint8Array(16).fill(3), Derivation.raw, true);
  const refusing = { importKey: () => Promise.reject(new DOMException('', 'NotSupportedError')) } as never;
  const keys = new CryptoKeys(refusing);
  for (let i = 0; i < 70; i++) {
    expect(
      engine.sealSplit(
        { removed: false },
        sealer.handle,
        keys,
        new ArrayBuffer(500),
        Codec.opus,
        FrameType.audio,
        1,
        i,
      ),
    ).toBeUndefined();
    await Promise.resolve();
  }
  // No ticket was lost on the way: the engine has only 64.
  expect(engine.seal(sealer.handle, new ArrayBuffer(500), Codec.opus, FrameType.audio, 1, 99)).toBeInstanceOf(
    ArrayBuffer,
  );
  sealer.delete();
});

test('with the key to import comes its index in the ring, the same number in both directions', async () => {
  class Noting extends CryptoKeys {
    readonly asked: [serial: number, index: number | undefined][] = [];
    override import(serial: number, key: Uint8Array<ArrayBuffer>, index?: number): Promise<void> {
      this.asked.push([serial, index]);
      return super.import(serial, key, index);
    }
  }
  const [sealKeys, openKeys] = [new Noting(crypto.subtle), new Noting(crypto.subtle)];
  const sealer = new module.Sealer(Format.jframe, 16);
  const opener = new module.Opener(Format.jframe, 16, 0);
  const owner = { removed: false };
  const plain = random(500).buffer;
  const { vp8 } = Codec;
  // The third takes the place of the first, from beyond the ring.
  for (const [at, index] of [2, 15, 18].entries()) {
    const material = new Uint8Array(16).fill(at + 1);
    expect(sealer.setKey(index, material.slice(), Derivation.raw, true)).toBe(0);
    expect(opener.setKey(index, material.slice(), Derivation.raw)).toBe(0);
    const sealed = engine.seal(sealer.handle, plain, vp8, FrameType.key, 1, at) as ArrayBuffer;
    expect(new Uint8Array(sealed).at(-1)).toBe(index % 16);
    expect(engine.sealSplit(owner, sealer.handle, sealKeys, plain, vp8, FrameType.key, 1, 10 + at)).toBeUndefined();
    expect(engine.openSplit(owner, opener.handle, openKeys, sealed, vp8, FrameType.key)).toBeUndefined();
    await Promise.all([sealKeys.imported(), openKeys.imported()]);
  }
  for (const { asked } of [sealKeys, openKeys]) {
    expect(asked.map(([, index]) => index)).toEqual([2, 15, 2]);
    // A key that replaces another is not known by the old one's serial.
    expect(new Set(asked.map(([serial]) => serial)).size).toBe(3);
  }
  sealer.delete();
  opener.delete();
});

test('a frame longer than the area is refused, not cut', () => {
  const pair = new Pair('jframe', Codec.vp8, FrameType.key);
  const huge = new ArrayBuffer(module._siegel_capacity() + 1);
  expect(pair.seal(huge)).toBe(-8);
  expect(pair.open(huge)).toBe(-8);
  expect(pair.sealSplit(huge)).toBe(-8);
  expect(pair.openSplit(huge)).toBe(-8);
  pair.delete();
});

test('the eight youngest CryptoKeys are kept, none can be exported', async () => {
  const keys = new CryptoKeys(crypto.subtle);
  for (let serial = 1; serial <= 12; serial++) await keys.import(serial, new Uint8Array(16).fill(serial));
  const kept = Array.from({ length: 13 }, (_, serial) => serial).filter((serial) => keys.get(serial));
  expect(kept).toEqual([5, 6, 7, 8, 9, 10, 11, 12]);
  expect(keys.get(12)?.extractable).toBe(false);
  keys.clear();
  expect(keys.get(12)).toBeUndefined();
});
