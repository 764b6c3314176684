/** `node tools/matte.mjs` on pictures of people: what stays, what goes, and what it says to files that it cannot use. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { picture } from './tflite.mjs';

const kTool = join(import.meta.dirname, '../../../tools/matte.mjs');
const [width, height] = [640, 360];
const kChroma = (width / 2) * (height / 2);
const kSize = width * height + 2 * kChroma;
const kHead = `YUV4MPEG2 W${width} H${height} F30:1 Ip A1:1 C420jpeg`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'siegel-matte-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** I420, 0..255. */
function frameOf(name: string): Buffer {
  const rgb = picture(name, width, height);
  const frame = Buffer.alloc(kSize);
  for (let y = 0; y < height; ++y)
    for (let x = 0; x < width; ++x) {
      const at = 3 * (y * width + x);
      const [r, g, b] = [0, 1, 2].map((c) => 255 * (rgb[at + c] as number)) as [number, number, number];
      const luma = 0.299 * r + 0.587 * g + 0.114 * b;
      frame[y * width + x] = Math.round(luma);
      if (x % 2 || y % 2) continue;
      const chroma = width * height + (y / 2) * (width / 2) + x / 2;
      frame[chroma] = Math.round((b - luma) * 0.564 + 128);
      frame[chroma + kChroma] = Math.round((r - luma) * 0.713 + 128);
    }
  return frame;
}
function video(name: string, frames: readonly Buffer[], head = kHead): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([Buffer.from(`${head}\n`), ...frames.flatMap((f) => [Buffer.from('FRAME\n'), f])]));
  return path;
}
function framesOf(path: string): Buffer[] {
  const bytes = readFileSync(path);
  const start = bytes.indexOf(10) + 1;
  const count = (bytes.length - start) / (kSize + 6);
  return Array.from({ length: count }, (_, i) => bytes.subarray(start + i * (kSize + 6) + 6).subarray(0, kSize));
}
function run(...args: string[]): { code: number; text: string } {
  try {
    execFileSync(process.execPath, [kTool, ...args], { stdio: 'pipe' });
    return { code: 0, text: '' };
  } catch (error) {
    const { status, stderr } = error as { status: number; stderr: Buffer };
    return { code: status, text: `${stderr}` };
  }
}

test('blur: the person stays, of the room nothing fine is left, from the first frame on', () => {
  const frame = frameOf('audrey.jpg');
  // Fine stripes that a receiver would find again.
  for (let y = 0; y < height; ++y)
    for (let x = 0; x < width; ++x)
      frame[y * width + x] = Math.min(255, Math.max(0, (frame[y * width + x] as number) + (x % 4 < 2 ? 12 : -12)));
  const from = video('in.y4m', [frame, frame, frame]);
  const [to, matte] = [join(folder, 'out.y4m'), join(folder, 'matte.y4m')];
  expect(run(from, to, '--matte', matte, '--effect', 'blur-strong')).toEqual({ code: 0, text: '' });
  const [outs, mattes] = [framesOf(to), framesOf(matte)];
  expect(outs.length).toBe(3);
  for (const [i, out] of outs.entries()) {
    const alpha = mattes[i] as Buffer;
    let [people, rooms, stripes] = [0, 0, 0];
    for (let at = 0; at < width * height; ++at) {
      if (alpha[at] === 255) {
        ++people;
        // All of it, or 255 of 256 parts.
        expect(Math.abs((out[at] as number) - (frame[at] as number))).toBeLessThanOrEqual(1);
      } else if (alpha[at] === 0 && alpha[at - 2] === 0 && at % width > 4) {
        ++rooms;
        stripes = Math.max(stripes, Math.abs((out[at] as number) - (out[at - 2] as number)));
      }
    }
    expect(people / width / height).toBeGreaterThan(0.15);
    expect(rooms / width / height).toBeGreaterThan(0.15);
    // 24 of the stripes, and what the picture itself has, are gone.
    expect(stripes).toBeLessThan(10);
  }
}, 30_000);

test('an image instead of the room', () => {
  const png = new PNG({ width: 64, height: 36 });
  for (let i = 0; i < png.data.length; i += 4) png.data.set([0, 160, 0, 255], i);
  const image = join(folder, 'green.png');
  writeFileSync(image, PNG.sync.write(png));
  const frame = frameOf('franck_01829.jpg');
  const from = video('franck.y4m', [frame]);
  const [to, matte] = [join(folder, 'green.y4m'), join(folder, 'green-matte.y4m')];
  expect(run(from, to, '--matte', matte, '--effect', `image:${image}`)).toEqual({ code: 0, text: '' });
  const [out, alpha] = [framesOf(to)[0] as Buffer, framesOf(matte)[0] as Buffer];
  let rooms = 0;
  for (let at = 0; at < width * height; ++at) {
    if (alpha[at] !== 0) continue;
    ++rooms;
    // 0.587 * 160; this file's colours go from 0 to 255.
    expect(Math.abs((out[at] as number) - 94)).toBeLessThanOrEqual(1);
  }
  expect(rooms / width / height).toBeGreaterThan(0.15);
}, 30_000);

describe('says what is wrong, writes nothing and ends with 2', () => {
  const frame = Buffer.alloc(kSize, 100);
  test.each([
    ['nothing', () => [], /usage: node tools\/matte.mjs/],
    ['no file', () => [join(folder, 'none.y4m'), 'x'], /there is no file/],
    ['no video', () => [video('text.y4m', [], 'Hello there'), 'x'], /no YUV4MPEG2 file/],
    ['no line', () => [video('line.y4m', [], 'A'.repeat(5000)), 'x'], /no end/],
    ['other colours', () => [video('444.y4m', [frame], kHead.replace('420jpeg', '444')), 'x'], /colours 444/],
    ['interlaced', () => [video('int.y4m', [frame], kHead.replace('Ip', 'It')), 'x'], /interlaced/],
    ['small', () => [video('small.y4m', [frame], kHead.replace('W640', 'W8')), 'x'], /8 x 360/],
    ['cut off', () => [video('cut.y4m', [frame.subarray(0, 5000)]), join(folder, 'cut-out.y4m')], /cut off/],
    ['effect', () => [video('ok.y4m', [frame]), 'x', '--effect', 'sepia'], /there is no effect sepia/],
    ['no image', () => [video('ok.y4m', [frame]), 'x', '--effect', 'image:none.png'], /there is no file none.png/],
    ['image is none', () => [video('ok.y4m', [frame]), 'x', '--effect', `image:${kTool}`], /PNG and JPEG/],
    ['no frames', () => [video('empty.y4m', []), join(folder, 'empty-out.y4m')], /no frames/],
  ] as const)('%s', (_, args, message) => {
    const { code, text } = run(...args());
    expect(text).toMatch(message);
    expect(text).not.toContain('    at ');
    expect(code).toBe(2);
  });
});
