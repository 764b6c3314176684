#!/usr/bin/env node
// Writes tests/fuzz/seeds/<target>/: starting points for libFuzzer made from tests/vectors and from NAL units.
//   node tests/fuzz/make_seeds.mjs
// FuzzedDataProvider takes numbers from the end of an input and byte strings from its beginning; `input` lays them out.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const here = new URL('.', import.meta.url);
const vectors = (name) => JSON.parse(readFileSync(new URL(`../vectors/${name}`, here), 'utf8'));
const hex = (text) => Buffer.from(text, 'hex');

function write(target, seeds) {
  const folder = new URL(`seeds/${target}/`, here);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [i, bytes] of seeds.entries()) writeFileSync(new URL(String(i).padStart(2, '0'), folder), bytes);
}

/** `strings` in front, then `numbers` ([value, size in bytes], in the order in which the target asks for them) from the end. */
function input(strings, numbers) {
  const tail = numbers.map(([value, size]) => {
    const bytes = Buffer.alloc(size);
    for (let i = 0, rest = BigInt(value); i < size; i++, rest >>= 8n) bytes[size - 1 - i] = Number(rest & 255n);
    return bytes;
  });
  return Buffer.concat([...strings, ...tail.reverse()]);
}

const codecs = { opus: 1, vp8: 2, vp9: 3, h264: 4, h265: 5 };
const types = { audio: 0, key: 1, delta: 2 };
const frames = [
  ...vectors('jitsi-jframe-vectors.json').frames.map((v) => [v.type ? 'vp8' : 'opus', v.type ?? 'audio', v.plain]),
  ...vectors('matrix-livekit-worker-oracle.json').frames.map((v) => [v.codec, v.type ?? 'audio', v.plain]),
].filter(([, , plain], i, all) => all.findIndex(([, , other]) => other === plain) === i);
const info = (codec, type) => [
  [codecs[codec], 1],
  [types[type], 1],
  [0x01020304, 4],
  [90000, 4],
];

const headers = vectors('sframe-test-vectors.json').header;
write(
  'fuzz_sframe_header',
  headers.filter((_, i) => i % 17 === 0).map(({ encoded }) => hex(encoded)),
);
write(
  'fuzz_rbsp',
  ['000003', '00000300000300000303', '000000000000', '00000100000200000300000400', '0c00', 'ff0000'].map(hex),
);
write(
  'fuzz_layout',
  frames.flatMap(([codec, type, plain]) =>
    [1, 0].map((format) => input([hex(plain)], [[format, 1], ...info(codec, type)])),
  ),
);
const material = hex('000102030405060708090a0b0c0d0e0f');
write(
  'fuzz_round_trip',
  frames.flatMap(([codec, type, plain]) =>
    [0, 1, 2].map((format) =>
      input(
        [material, hex(plain)],
        [
          [format, 1],
          ...info(codec, type),
          [2 + 5, 2], // key index 5
          [1, 1], // HKDF
          [material.length, 1],
          [4, 1], // suite
          [0x123, 8],
          [0, 1],
          [0, 2], // no metadata
          [15, 1], // ring of 16
          [0, 1],
          [7, 8],
          [3, 4],
          [0, 1],
        ],
      ),
    ),
  ),
);
