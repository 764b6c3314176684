// Our module against the published worker of livekit-client 2.23, both ways, on frames that are new in every run. A failure
// prints the seed: SIEGEL_SEED=… repeats it. (Module: relaxed SIMD where this Node has it.)
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadEngine } from '../../tools/engine.mjs';
import { participant, startWorker, tell, throughWorker } from './livekit_worker.mjs';
import { addEscapes, concat, toHex } from './reference.mjs';

const seed = Number(process.env.SIEGEL_SEED ?? crypto.getRandomValues(new Uint32Array(1))[0]);
console.log(`livekit oracle: SIEGEL_SEED=${seed}`);

/** Mulberry32: small, seeded, good enough to choose bytes. */
let state = seed >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const bytes = (size) => Uint8Array.from({ length: size }, () => below(256));
/** Rich in zeros and small numbers: what start codes and escapes are made of. */
const spiky = (size) => Uint8Array.from({ length: size }, () => (random() < 0.6 ? below(5) : below(256)));

const longCode = [0, 0, 0, 1];
const shortCode = [0, 0, 1];

/** A NAL unit as an encoder makes it: header, then a payload without start codes that does not end in a zero. */
const unit = (header, size) => concat(header, addEscapes(concat(spiky(size), [0x80 | below(128)])));

function annexB(codec, type) {
  const h265 = codec === 'h265';
  const header = (number) => (h265 ? [number << 1, 1] : [0x60 | number]);
  const before = [];
  if (random() < 0.3) before.push(unit(header(h265 ? 35 : 9), 1)); // access unit delimiter
  if (type === 'key') {
    if (h265) before.push(unit(header(32), 5 + below(20)));
    before.push(unit(header(h265 ? 33 : 7), 5 + below(30)), unit(header(h265 ? 34 : 8), 3 + below(6)));
  }
  if (random() < 0.3) before.push(unit(header(h265 ? 39 : 6), 4 + below(40))); // SEI
  const slice = h265 ? (type === 'key' ? pick([19, 20, 21]) : pick([0, 1, 8, 9])) : type === 'key' ? 5 : 1;
  const slices = Array.from({ length: 1 + below(3) }, () => unit(header(slice), 4 + below(600)));
  const code = () => (random() < 0.5 ? longCode : shortCode);
  const plain = concat(...[...before, ...slices].flatMap((nal) => [code(), nal]));
  return plain;
}

/** What the far side gets: the start codes up to the first slice have four bytes. */
function normalised(frame) {
  if (frame.codec !== 'h264' && frame.codec !== 'h265') return frame.data;
  const out = [];
  const { data } = frame;
  let clear = true;
  for (let i = 0; i < data.length; i++) {
    const starts = data[i] === 0 && data[i + 1] === 0 && data[i + 2] === 1;
    if (!clear || !starts) {
      out.push(data[i]);
      continue;
    }
    if (out.at(-1) !== 0 || out.length === 0) out.push(0);
    out.push(0, 0, 1);
    i += 2;
    const header = data[i + 1];
    const number = frame.codec === 'h264' ? header & 31 : (header >> 1) & 63;
    clear = !(frame.codec === 'h264' ? number === 1 || number === 5 : number < 10 || (number > 15 && number < 22));
  }
  return Uint8Array.from(out);
}

let clock = below(2 ** 32);
function randomFrame(codec) {
  const type = codec === 'opus' ? 'audio' : pick(['key', 'delta']);
  const size = pick([0, 1, 2, 3, 15, 16, 17, below(200), below(1500), below(9000)]);
  const least = { opus: 1, vp8: type === 'key' ? 10 : 3, vp9: 1 }[codec];
  const data = codec.startsWith('h') ? annexB(codec, type) : (random() < 0.5 ? bytes : spiky)(size + least);
  clock = (clock + pick([0, 1, 960, 3000])) >>> 0;
  return { data, codec, type, ssrc: pick([1, 0x12345678, 0xffffffff]), timestamp: clock };
}

const kRing = 256;
const kWindow = 10;
let engine;

beforeAll(async () => {
  engine = await loadEngine();
  // Element Call's settings; no tolerance, so that rejected frames do not silence a participant for the next test.
  const options = {
    sharedKey: false,
    ratchetWindowSize: kWindow,
    failureTolerance: -1,
    keyringSize: kRing,
    keySize: 128,
  };
  await startWorker(options);
});

let people = 0;
/** A participant of the worker, and our two objects with the same key. */
async function meeting(material, keyIndex, how = 'hkdf') {
  const name = `person-${++people}`;
  await participant(name, material, keyIndex, how === 'hkdf' ? 'HKDF' : 'PBKDF2');
  const raw = typeof material === 'string' ? new TextEncoder().encode(material) : material;
  const [sealer, opener] = [engine.sealer('livekit', kRing), engine.opener('livekit', kRing, kWindow)];
  for (const side of [sealer, opener]) expect(side.setKey(keyIndex, raw, how)).toBe('None');
  return { name, sealer, opener };
}

const shown = (result) => result.error ?? toHex(result.frame);

test('the installed worker is the version that this was written against', () => {
  const url = new URL('../../node_modules/livekit-client/package.json', import.meta.url);
  expect(JSON.parse(readFileSync(url, 'utf8')).version).toMatch(/^2\.23\./);
});

describe.each(['opus', 'vp8', 'vp9', 'h264', 'h265'])('%s', (codec) => {
  test(`what the worker seals opens here (seed ${seed})`, async () => {
    const keyIndex = below(kRing);
    const { name, opener } = await meeting(bytes(pick([16, 32])), keyIndex);
    const frames = Array.from({ length: 200 }, () => randomFrame(codec));
    const sealed = await throughWorker('encode', name, frames);
    expect(sealed.length).toBe(frames.length);
    for (const [i, { data }] of sealed.entries()) {
      const opened = opener.open(data, frames[i]);
      expect(shown(opened)).toBe(toHex(normalised(frames[i])));
      expect(opened.keyIndex).toBe(keyIndex);
      expect(opened.ivSsrc).toBe(frames[i].ssrc);
      expect(opener.open(data, frames[i]).error).toBe('Replay');
    }
  });

  test(`what we seal opens in the worker (seed ${seed})`, async () => {
    const { name, sealer } = await meeting(bytes(16), below(kRing));
    const frames = Array.from({ length: 200 }, () => randomFrame(codec));
    const sealed = frames.map((frame) => {
      const result = sealer.seal(frame.data, frame);
      expect(result.error).toBe(undefined);
      return { ...frame, data: result.frame };
    });
    const opened = await throughWorker('decode', name, sealed);
    expect(opened.map(({ data }) => toHex(data))).toEqual(frames.map((frame) => toHex(normalised(frame))));
  });

  test(`both refuse what was damaged, and nothing else (seed ${seed})`, async () => {
    const { name, sealer, opener } = await meeting(bytes(16), below(kRing));
    const frames = Array.from({ length: 40 }, () => randomFrame(codec));
    const wire = frames.map((frame, i) => {
      const data = sealer.seal(frame.data, frame).frame.slice();
      // The last byte is the key index: another index is another matter (a missing key), so it stays.
      if (i % 4 === 3) data[data.length - 3 - below(20)] ^= 0x80;
      return { ...frame, data };
    });
    const good = wire.flatMap((_, i) => (i % 4 === 3 ? [] : [i]));
    const ours = wire.flatMap((frame, i) => (opener.open(frame.data, frame).frame ? [i] : []));
    expect(ours).toEqual(good);
    const theirs = await throughWorker('decode', name, wire);
    expect(theirs.map(({ index }) => index)).toEqual(good);
  });
});

test(`a pass phrase (PBKDF2), both ways (seed ${seed})`, async () => {
  const { name, sealer, opener } = await meeting(`geheim ${below(1e9)}`, 0, 'pbkdf2');
  const frames = Array.from({ length: 20 }, () => randomFrame('vp8'));
  const theirs = await throughWorker('encode', name, frames);
  expect(theirs.map(({ data }, i) => shown(opener.open(data, frames[i])))).toEqual(frames.map((f) => toHex(f.data)));
  const ours = frames.map((frame) => ({ ...frame, data: sealer.seal(frame.data, frame).frame }));
  const back = await throughWorker('decode', name, ours);
  expect(back.map(({ data }) => toHex(data))).toEqual(frames.map((f) => toHex(f.data)));
});

test(`one ratchet step, both ways (seed ${seed})`, async () => {
  const { name, sealer, opener } = await meeting(bytes(16), 3);
  const frames = Array.from({ length: 10 }, () => randomFrame('opus'));
  // Ours first: the worker finds the next generation by trial. (Its retry derives the same next key again and again, so one
  // step is as far as it goes; we go further, see engine/tests.)
  expect(sealer.ratchet()).toBe(1);
  const ours = frames.map((frame) => ({ ...frame, data: sealer.seal(frame.data, frame).frame }));
  const back = await throughWorker('decode', name, ours);
  expect(back.map(({ data }) => toHex(data))).toEqual(frames.map((f) => toHex(f.data)));
  // And theirs, which by now stands at the same generation, ratcheted on request.
  await tell('ratchetRequest', { participantIdentity: name, keyIndex: 3 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const theirs = await throughWorker('encode', name, frames);
  const opened = theirs.map(({ data }, i) => opener.open(data, frames[i]));
  expect(opened.map(shown)).toEqual(frames.map((f) => toHex(f.data)));
  expect(opened.every(({ generation }) => generation === 2)).toBe(true);
});

test('silence that the server puts in: both know it, we want to be asked first', async () => {
  const { name, opener } = await meeting(bytes(16), 0);
  const trailer = bytes(12);
  await tell('setSifTrailer', { trailer });
  const silence = concat([0xf8, 0xff, 0xfe], new Uint8Array(77));
  const frame = (payload) => ({
    data: concat(payload, trailer),
    codec: 'opus',
    type: 'audio',
    ssrc: 1,
    timestamp: 960,
  });
  const other = concat([0xf8, 0xff, 0xfd], new Uint8Array(77));
  const theirs = await throughWorker('decode', name, [frame(silence), frame(other)]);
  expect(theirs.map(({ data }) => toHex(data))).toEqual([toHex(silence)]);

  expect(opener.setInjectedFrames(trailer, false)).toBe('None');
  expect(opener.open(frame(silence).data, frame(silence), 0).error).toBe('InjectedFrame');
  expect(opener.setInjectedFrames(trailer, true)).toBe('None');
  const letThrough = opener.open(frame(silence).data, frame(silence), 0);
  expect(shown(letThrough)).toBe(toHex(silence));
  expect(letThrough.injected).toBe(true);
  expect(opener.open(frame(other).data, frame(other), 0).error).toBe('InjectedFrame');
  await tell('setSifTrailer', { trailer: new Uint8Array(0) });
});
