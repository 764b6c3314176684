/** Frames as a camera gives them, without a browser: every layout, a visible part, turned or not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cache } from '../../../tools/cache.mjs';
import type { MakeFrame } from '../../../web/effects/background/core';
import { picture } from '../matte/tflite.mjs';

export const module = (): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(join(import.meta.dirname, '../../../build/wasm-simd/wasm/siegel-matte-simd.wasm')));
export const model = (name: 'landscape' | 'square'): Buffer =>
  readFileSync(join(cache, `matte-1/siegel-matte-${name}.bin`));

export interface Rgb {
  width: number;
  height: number;
  /** 0..255 */
  data: Uint8ClampedArray;
}

export function person(width: number, height: number, name = 'audrey.jpg'): Rgb {
  return { width, height, data: Uint8ClampedArray.from(picture(name, width, height), (value) => 255 * value) };
}

/** Squares of two pixels, which a receiver would find again. */
export function room(width: number, height: number): Rgb {
  const data = new Uint8ClampedArray(3 * width * height);
  for (let y = 0; y < height; ++y)
    for (let x = 0; x < width; ++x)
      data.fill(((x >> 1) + (y >> 1)) % 2 ? 200 : 40, 3 * (y * width + x), 3 * (y * width + x) + 3);
  return { width, height, data };
}

const byte = (value: number) => Math.min(255, Math.max(0, Math.round(value)));

/** BT.601, 16..235. */
function yuv({ width, height, data }: Rgb) {
  const [across, down] = [(width + 1) >> 1, (height + 1) >> 1];
  const y = new Uint8Array(width * height);
  const [u, v] = [new Uint8Array(across * down), new Uint8Array(across * down)];
  for (let row = 0; row < height; ++row)
    for (let x = 0; x < width; ++x) {
      const at = 3 * (row * width + x);
      const [r, g, b] = [data[at], data[at + 1], data[at + 2]] as [number, number, number];
      y[row * width + x] = byte(16 + 0.257 * r + 0.504 * g + 0.098 * b);
      if (row % 2 || x % 2) continue;
      u[(row >> 1) * across + (x >> 1)] = byte(128 - 0.148 * r - 0.291 * g + 0.439 * b);
      v[(row >> 1) * across + (x >> 1)] = byte(128 + 0.439 * r - 0.368 * g - 0.071 * b);
    }
  return { y, u, v, across, down };
}

export interface FrameOptions {
  format?: string | null;
  /** Corner of the visible part; the picture lies there in a larger frame. */
  corner?: [x: number, y: number];
  timestamp?: number;
  duration?: number | null;
  rotation?: number;
  flip?: boolean;
  display?: [width: number, height: number];
}

/** What the core uses of a VideoFrame, and no more. `closed` counts. */
export class FakeFrame {
  closed = 0;
  readonly format: string | null;
  readonly timestamp: number;
  readonly duration: number | null;
  readonly rotation: number | undefined;
  readonly flip: boolean | undefined;
  readonly codedWidth: number;
  readonly codedHeight: number;
  readonly displayWidth: number;
  readonly displayHeight: number;
  readonly visibleRect: { x: number; y: number; width: number; height: number };
  readonly colorSpace = {
    fullRange: false,
    matrix: 'smpte170m',
    toJSON: () => ({ fullRange: false, matrix: 'smpte170m' }),
  };
  readonly #picture: Rgb;

  constructor(picture: Rgb, options: FrameOptions = {}) {
    const { format = 'I420', corner = [0, 0], timestamp = 0, duration = null, rotation, flip, display } = options;
    this.#picture = picture;
    this.format = format;
    this.timestamp = timestamp;
    this.duration = duration;
    this.rotation = rotation;
    this.flip = flip;
    this.codedWidth = picture.width + 2 * corner[0];
    this.codedHeight = picture.height + 2 * corner[1];
    [this.displayWidth, this.displayHeight] = display ?? [picture.width, picture.height];
    this.visibleRect = { x: corner[0], y: corner[1], width: picture.width, height: picture.height };
  }

  async copyTo(to: Uint8Array, options: { rect: DOMRectInit; layout: PlaneLayout[]; format?: string }): Promise<void> {
    if (this.closed) throw new TypeError('closed');
    await Promise.resolve();
    const { width, height, data } = this.#picture;
    const format = options.format ?? this.format;
    const place = (plane: Uint8Array, index: number, length: number) => {
      const { offset, stride } = options.layout[index] as PlaneLayout;
      for (let row = 0; row * length < plane.length; ++row)
        to.set(plane.subarray(row * length, (row + 1) * length), offset + row * stride);
    };
    if (format === 'I420' || format === 'NV12') {
      const { x = 0, y = 0 } = options.rect;
      if (x % 2 || y % 2) throw new TypeError('rect is not aligned');
      const planes = yuv(this.#picture);
      place(planes.y, 0, width);
      if (format === 'I420') {
        place(planes.u, 1, planes.across);
        place(planes.v, 2, planes.across);
        return;
      }
      const pairs = new Uint8Array(2 * planes.u.length);
      for (const [i, u] of planes.u.entries()) pairs.set([u, planes.v[i] as number], 2 * i);
      place(pairs, 1, 2 * planes.across);
      return;
    }
    if (!/^(RGB|BGR)[AX]$/.test(format ?? '')) throw new TypeError(`no way from ${this.format} to ${format}`);
    const order = format?.startsWith('R') ? [0, 1, 2] : [2, 1, 0];
    const rgba = new Uint8Array(4 * width * height).fill(255);
    for (let i = 0; i < width * height; ++i)
      for (const [to4, from] of order.entries()) rgba[4 * i + to4] = data[3 * i + from] as number;
    place(rgba, 0, 4 * width);
  }

  close(): void {
    ++this.closed;
  }
  /** As the core takes it. */
  get video(): VideoFrame {
    return this as unknown as VideoFrame;
  }
}

/** What came out. */
export interface Made {
  data: Uint8Array;
  init: VideoFrameBufferInit & { rotation?: number; flip?: boolean };
  closed: number;
  close(): void;
}
export const makeFrame: MakeFrame = (data, init) => {
  const made: Made = {
    data: data.slice(),
    init,
    closed: 0,
    close() {
      ++made.closed;
    },
  };
  return made as unknown as VideoFrame;
};
export const made = (frame: VideoFrame): Made => frame as unknown as Made;

export const lumaOf = ({ data, init }: Made): Uint8Array => data.subarray(0, init.codedWidth * init.codedHeight);

/** How much pixels two apart differ, at most: what is left of fine things. */
export function texture(frame: Made): number {
  const { codedWidth: width, codedHeight: height } = frame.init;
  const luma = lumaOf(frame);
  let most = 0;
  for (let y = 0; y < height; ++y)
    for (let x = 0; x + 2 < width; ++x)
      most = Math.max(most, Math.abs((luma[y * width + x] as number) - (luma[y * width + x + 2] as number)));
  return most;
}
