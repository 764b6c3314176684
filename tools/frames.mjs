#!/usr/bin/env node
// Seals and opens frames with the shipped WebAssembly module: one JSON object a line in, one a line out.
//   node tools/frames.mjs < lines.jsonl
//   {"op":"seal"|"open","stream":id,"format":"jframe"|"livekit"|"sframe","codec":…,"type":"key"|"delta"|"audio",
//    "material":hex|"passphrase":text|"key":hex,"keyIndex":n,"ssrc":n,"timestamp":n,"frame":hex}
//   sframe: "suite":n,"kid":n,"baseKey":hex,"metadata":hex in place of the key fields; codec and type may be missing.
//   → {"frame":hex,"clear":n} or {"error":"Name","message":text}
// State lives per stream id (counters, key ring, ratchet, replay windows); what a stream was given once may be left out.
// A stream has one sealer and one opener: the same id may do both. The engine alone chooses IVs, so a line that has one
// is an error. Bad input is an error line; the next line still works, and the exit code is 0.
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { loadEngine } from './engine.mjs';

const kFields = [
  ...['op', 'stream', 'format', 'codec', 'type', 'material', 'passphrase', 'key', 'keyIndex', 'ssrc', 'timestamp'],
  ...['frame', 'suite', 'kid', 'baseKey', 'metadata'],
];
const kCodecs = ['opus', 'vp8', 'vp9', 'h264', 'h265', 'av1'];
const kSecrets = { material: 'hkdf', passphrase: 'pbkdf2', key: 'raw' };
const kRing = { jframe: 16, livekit: 256, sframe: 1 };

/** For people; never with a byte of a key or frame in it. */
const kMessages = {
  MissingKey: 'no key under this key index or key id',
  Authentication: 'the tag does not verify',
  Replay: 'this frame was opened before, or is older than the replay window',
  Malformed: 'these bytes are not a frame of this format and codec',
  FrameTooShort: 'shorter than its clear bytes, or than header, tag and trailer together',
  UnsupportedCodec: 'this codec has no layout in this format: such frames are dropped, never sent in the clear',
  UnsupportedFrameType: 'this codec has no frames of this type',
  BufferTooSmall: 'longer than the engine takes',
  CounterExhausted: 'this key has sealed as many frames as it may',
  InvalidArgument: 'a number out of range, or a combination that the format does not have',
  InvalidKey: 'key material of a length that the format does not take',
  UnsupportedSuite: 'a cipher suite other than 1 to 5',
  EmptyFrame: 'an empty frame carries nothing to seal or open',
  TooManyStreams: 'more SSRCs under one key than one sender may use',
};

class Problem extends Error {
  constructor(name, message = kMessages[name] ?? 'refused') {
    super(message);
    this.name = name;
  }
}

const badInput = (message) => new Problem('BadInput', message);

function bytes(line, field) {
  const hex = line[field];
  if (typeof hex !== 'string' || hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex))
    throw badInput(`"${field}" is not hexadecimal`);
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

function whole(line, field, highest) {
  const value = line[field];
  if (!Number.isSafeInteger(value) || value < 0 || value > highest)
    throw badInput(`"${field}" is not a whole number from 0 to ${highest}`);
  return value;
}

function oneOf(value, field, choices) {
  if (!choices.includes(value)) throw badInput(`"${field}" is none of ${choices.join(', ')}`);
  return value;
}

export class Frames {
  #engine;
  #streams = new Map();
  constructor(engine) {
    this.#engine = engine;
  }

  /** One line in, one object out; never throws. */
  line(text) {
    try {
      let line;
      try {
        line = JSON.parse(text);
      } catch {
        throw badInput('not JSON');
      }
      if (line === null || typeof line !== 'object' || Array.isArray(line)) throw badInput('not a JSON object');
      return this.#run(line);
    } catch (error) {
      if (error instanceof Problem) return { error: error.name, message: error.message };
      return { error: 'Internal', message: 'this line could not be handled' };
    }
  }

  #run(line) {
    for (const field of Object.keys(line)) {
      if (kFields.includes(field)) continue;
      throw badInput(
        /^(iv|nonce|counter|ctr)$/i.test(field)
          ? 'the engine chooses IVs and counters itself'
          : 'a field that nobody knows',
      );
    }
    const op = oneOf(line.op, 'op', ['seal', 'open']);
    if (typeof line.stream !== 'string' && !Number.isSafeInteger(line.stream))
      throw badInput('"stream" is neither a text nor a whole number');
    // Everything of the line is read before anything of it is done, so that a bad line changes nothing.
    const before = this.#streams.get(line.stream);
    const format = oneOf(line.format ?? before?.format, 'format', Object.keys(kRing));
    if (before && before.format !== format) throw badInput(`this stream is ${before.format}`);
    const sframe = format === 'sframe';
    const codec = oneOf(line.codec ?? (sframe ? 'opus' : undefined), 'codec', kCodecs);
    const kind = line.type ?? (codec === 'opus' ? 'audio' : sframe ? 'delta' : undefined);
    const type = oneOf(kind, 'type', ['key', 'delta', 'audio']);
    const frame = bytes(line, 'frame');
    const ssrc = line.ssrc === undefined ? 0 : whole(line, 'ssrc', 0xffffffff);
    const timestamp = line.timestamp === undefined ? 0 : whole(line, 'timestamp', 0xffffffff);
    const key = sframe ? this.#sframeKey(line, before) : this.#ringKey(line, format, before);

    const stream = before ?? { format, sides: {}, given: {} };
    const side = this.#side(stream, op);
    this.#install(stream, op, side, key);
    stream.given = key;
    this.#streams.set(line.stream, stream);
    const info = { codec, type, ssrc, timestamp };
    const result = op === 'seal' ? side.object.seal(frame, info) : side.object.open(frame, info);
    if (result.error) throw new Problem(result.error);
    return { frame: Buffer.from(result.frame).toString('hex'), clear: result.clear };
  }

  #ringKey(line, format, before) {
    for (const field of ['suite', 'kid', 'baseKey', 'metadata'])
      if (line[field] !== undefined) throw badInput(`"${field}" belongs to sframe`);
    const given = Object.keys(kSecrets).filter((field) => line[field] !== undefined);
    if (given.length > 1) throw badInput(`"${given[0]}" and "${given[1]}" in one line`);
    // Both formats count their slots around the ring.
    const asked = line.keyIndex === undefined ? (before?.given.keyIndex ?? 0) : whole(line, 'keyIndex', 255);
    const keyIndex = asked % kRing[format];
    const keys = new Map(before?.given.keys);
    const field = given[0];
    if (field !== undefined) {
      if (typeof line[field] !== 'string') throw badInput(`"${field}" is not a text`);
      const material = field === 'passphrase' ? new TextEncoder().encode(line[field]) : bytes(line, field);
      keys.set(keyIndex, { material, how: kSecrets[field], id: `${field} ${line[field]}` });
    }
    return { keyIndex, keys };
  }

  #sframeKey(line, before) {
    for (const field of [...Object.keys(kSecrets), 'keyIndex'])
      if (line[field] !== undefined) throw badInput(`"${field}" does not belong to sframe`);
    const given = { ...before?.given };
    if (line.suite !== undefined) given.suite = whole(line, 'suite', 0xffff);
    // Numbers end at 2^53 in JSON as JavaScript reads it; larger key ids are written as a text of digits.
    if (line.kid !== undefined) {
      const long = typeof line.kid === 'string' && /^\d{1,20}$/.test(line.kid) && BigInt(line.kid) < 1n << 64n;
      given.kid = long ? BigInt(line.kid) : BigInt(whole(line, 'kid', Number.MAX_SAFE_INTEGER));
    }
    if (line.baseKey !== undefined) given.baseKey = bytes(line, 'baseKey');
    if (line.metadata !== undefined) given.metadata = bytes(line, 'metadata');
    return given;
  }

  #side(stream, op) {
    stream.sides[op] ??= {
      object:
        op === 'seal'
          ? this.#engine.sealer(stream.format, kRing[stream.format])
          : this.#engine.opener(stream.format, kRing[stream.format]),
      installed: new Map(),
      current: undefined,
    };
    return stream.sides[op];
  }

  /** Hands over what this side has not got yet. Handing a key over again would change nothing; it only costs. */
  #install(stream, op, side, given) {
    const must = (error) => {
      if (error !== 'None') throw new Problem(error);
    };
    const { object, installed } = side;
    if (stream.format === 'sframe') {
      const missing = ['suite', 'kid', 'baseKey'].filter((field) => given[field] === undefined);
      if (missing.length > 0) {
        if (missing.length < 3) throw badInput(`"${missing[0]}" is missing`);
        return;
      }
      const id = `${given.suite} ${given.kid} ${Buffer.from(given.baseKey).toString('hex')}`;
      if (side.current !== id) must(object.setSFrameKey(given.suite, given.kid, given.baseKey));
      side.current = id;
      if (given.metadata !== undefined) must(object.setMetadata(given.metadata));
      return;
    }
    for (const [index, { material, how, id }] of given.keys) {
      const current = index === given.keyIndex;
      if (installed.get(index) === id && !(op === 'seal' && current && side.current !== index)) continue;
      must(object.setKey(index, material, how, current));
      installed.set(index, id);
      if (current) side.current = index;
    }
    // A sealer must not go on with another index than the one asked for.
    if (op === 'seal' && !given.keys.has(given.keyIndex)) throw new Problem('MissingKey');
  }
}

async function main() {
  const frames = new Frames(await loadEngine());
  for await (const text of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (text.trim() !== '') process.stdout.write(`${JSON.stringify(frames.line(text))}\n`);
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
