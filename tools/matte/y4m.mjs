// YUV4MPEG2 files, frame by frame: 8 bits, 4:2:0. Anything else is refused by name.
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';

export class Y4mError extends Error {}

const kMostHead = 1024;

/** Text up to the next line feed, at most kMostHead; undefined at the end of the file. */
function readLine(file, at, what) {
  const bytes = Buffer.alloc(kMostHead);
  const length = readSync(file, bytes, 0, kMostHead, at);
  if (length === 0) return undefined;
  const end = bytes.subarray(0, length).indexOf(10);
  if (end < 0) throw new Y4mError(`${what} has no end: this is no YUV4MPEG2 file, or it is cut off`);
  return bytes.toString('latin1', 0, end);
}

/** Opens a file to read: width, height, fullRange, the head as it was, and `next()`: a frame's bytes (I420) or undefined. */
export function openY4m(path) {
  const file = openSync(path, 'r');
  const head = readLine(file, 0, 'the head');
  const [magic, ...parts] = (head ?? '').split(' ');
  if (magic !== 'YUV4MPEG2')
    throw new Y4mError(`${path} is no YUV4MPEG2 file (ffmpeg -i … -pix_fmt yuv420p out.y4m makes one)`);
  const get = (letter) => parts.find((part) => part.startsWith(letter))?.slice(1);
  const [width, height] = [Number(get('W')), Number(get('H'))];
  if (
    !Number.isInteger(width) ||
    !Number.isInteger(height) ||
    width < 16 ||
    height < 16 ||
    width > 4096 ||
    height > 4096
  )
    throw new Y4mError(`${path} has frames of ${get('W')} x ${get('H')}; 16 x 16 to 4096 x 4096 can be used`);
  const colors = get('C') ?? '420';
  if (!/^420(jpeg|mpeg2|paldv)?$/.test(colors))
    throw new Y4mError(`${path} has colours ${colors}; 4:2:0 with 8 bits can be used (ffmpeg … -pix_fmt yuv420p)`);
  if (get('I') && !['p', '?'].includes(get('I')))
    throw new Y4mError(`${path} is interlaced; make it progressive first`);
  const size = width * height + 2 * Math.ceil(width / 2) * Math.ceil(height / 2);
  let at = head.length + 1;
  const { size: whole } = fstatSync(file);
  return {
    width,
    height,
    head,
    fullRange: colors === '420jpeg' || parts.includes('XCOLORRANGE=FULL'),
    next() {
      const line = readLine(file, at, 'a frame');
      if (line === undefined) return undefined;
      if (!/^FRAME( |$)/.test(line)) throw new Y4mError(`${path} has something else than a frame at byte ${at}`);
      at += line.length + 1;
      if (at + size > whole) throw new Y4mError(`${path} is cut off in its last frame`);
      const frame = Buffer.alloc(size);
      readSync(file, frame, 0, size, at);
      at += size;
      return frame;
    },
    close: () => closeSync(file),
  };
}

/** Opens a file to write, with a head of `openY4m`. */
export function createY4m(path, head) {
  const file = openSync(path, 'w');
  writeSync(file, `${head}\n`);
  return {
    add(...planes) {
      writeSync(file, 'FRAME\n');
      for (const plane of planes) writeSync(file, plane);
    },
    close: () => closeSync(file),
  };
}
