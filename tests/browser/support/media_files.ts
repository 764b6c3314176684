/**
 * Sound and pictures by which a test recognises a person: a gated tone of their own as WAV and a block pattern of their
 * own as Y4M, both for Chromium's file-backed fake devices. Firefox makes its own fake stream: a tone whose pitch is a
 * preference, and a flat picture that changes colour.
 */
import { writeFileSync } from 'node:fs';

export const kPatternColumns = 8;
export const kPatternRows = 6;
const kSize = { width: 320, height: 180 };
const kFramesPerSecond = 20;
const kFrames = 20;
const kDark = 60;
const kLight = 190;

/** Block values (0 dark, 1 light), row by row. Deterministic in `seed`; two seeds differ in about half of the blocks. */
export function patternBits(seed: number): number[] {
  const bits: number[] = [];
  let state = (seed * 2654435761 + 0x9e3779b9) >>> 0;
  for (let i = 0; i < kPatternColumns * kPatternRows; i++) {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    bits.push(state & 1);
  }
  return bits;
}

/**
 * One second of video, looped by the browser: the blocks of `patternBits(seed)` and a small square that runs along the
 * top row, so that every delta frame has something to carry.
 */
export function writePatternY4m(path: string, seed: number, { width, height } = kSize): void {
  const bits = patternBits(seed);
  const still = Buffer.alloc(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const row = Math.floor((y * kPatternRows) / height);
      const column = Math.floor((x * kPatternColumns) / width);
      still[y * width + x] = bits[row * kPatternColumns + column] === 1 ? kLight : kDark;
    }
  }
  const chroma = Buffer.alloc((width * height) / 4, 110 + ((seed * 13) % 40));
  const parts: Buffer[] = [Buffer.from(`YUV4MPEG2 W${width} H${height} F${kFramesPerSecond}:1 Ip A1:1 C420jpeg\n`)];
  const side = 14;
  for (let frame = 0; frame < kFrames; frame++) {
    const luma = Buffer.from(still);
    const left = Math.floor((frame / kFrames) * (width - side));
    for (let y = 2; y < 2 + side; y++) luma.fill(frame % 2 === 0 ? 235 : 20, y * width + left, y * width + left + side);
    parts.push(Buffer.from('FRAME\n'), luma, chroma, chroma);
  }
  writeFileSync(path, Buffer.concat(parts));
}

/**
 * 48 kHz mono, 16 bit, two seconds: `frequency` Hz in bursts of 350 ms with 150 ms pauses and soft edges. The pauses keep
 * the browser's noise suppression from learning the tone away.
 */
export function writeToneWav(path: string, frequency: number): void {
  const rate = 48000;
  const count = rate * 2;
  const data = Buffer.alloc(44 + count * 2);
  data.write('RIFF', 0);
  data.writeUInt32LE(36 + count * 2, 4);
  data.write('WAVEfmt ', 8);
  data.writeUInt32LE(16, 16);
  data.writeUInt16LE(1, 20);
  data.writeUInt16LE(1, 22);
  data.writeUInt32LE(rate, 24);
  data.writeUInt32LE(rate * 2, 28);
  data.writeUInt16LE(2, 32);
  data.writeUInt16LE(16, 34);
  data.write('data', 36);
  data.writeUInt32LE(count * 2, 40);
  for (let i = 0; i < count; i++) {
    const inBurst = (i / rate) % 0.5;
    const edge = Math.min(1, inBurst / 0.01, Math.max(0, (0.35 - inBurst) / 0.01));
    const value = Math.sin((2 * Math.PI * frequency * i) / rate) * 0.5 * edge;
    data.writeInt16LE(Math.round(value * 32767), 44 + i * 2);
  }
  writeFileSync(path, data);
}
