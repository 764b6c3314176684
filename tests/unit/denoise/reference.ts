/**
 * DeepFilterNet3 as it was published: its ONNX graphs run by onnxruntime over all frames at once, everything around them in
 * double. What our engine is held against.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-web';
import { cache } from '../../../tools/cache.mjs';
import { collect } from '../../../tools/denoise/dfn3_weights.mjs';

const kFrame = 480;
const kWindow = 960;
const kBins = 481;
export const kBands = 32;
const kFiltered = 96;
const kWidths = [
  2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 5, 5, 7, 7, 8, 10, 12, 13, 15, 18, 20, 24, 28, 31, 37, 42, 50, 56, 67,
];

export const kOnnx = join(cache, 'denoise-2/onnx');

export interface Reference {
  /** 32 a frame. */
  mask: Float32Array;
  lsnr: Float32Array;
  /** Of frame t, for the samples that begin at 480 (t - 2); as long as the input. */
  output: Float64Array;
}

type Files = Record<'enc' | 'erb_dec' | 'df_dec', Buffer>;

/** The files; `int8`: with the recurrent layers' weights as our engine has them. */
export function onnxFiles({ int8 = false } = {}): Files {
  const files = Object.fromEntries(
    ['enc', 'erb_dec', 'df_dec'].map((name) => [name, readFileSync(join(kOnnx, `${name}.onnx`))]),
  ) as Files;
  if (!int8) return files;
  for (const tensor of collect(kOnnx)) {
    if (!tensor.quantised || !tensor.name.includes('gru')) continue;
    const { values, scales } = tensor.quantise();
    const rounded = new Float32Array(values.length);
    for (let i = 0; i < values.length; ++i)
      rounded[i] = (values[i] as number) * (scales[Math.floor(i / 256)] as number);
    const before = Buffer.from(tensor.data.buffer);
    const file = Object.values(files).find((each) => each.includes(before));
    if (!file) throw new Error(`${tensor.name} is in no file`);
    Buffer.from(rounded.buffer).copy(file, file.indexOf(before));
  }
  return files;
}

const kCos = Float64Array.from({ length: kWindow }, (_, k) => Math.cos((2 * Math.PI * k) / kWindow));
const kSin = Float64Array.from({ length: kWindow }, (_, k) => Math.sin((2 * Math.PI * k) / kWindow));
const kShape = Float64Array.from({ length: kWindow }, (_, n) =>
  Math.sin((Math.PI / 2) * Math.sin((Math.PI * (n + 0.5)) / kWindow) ** 2),
);
type Spectrum = { re: Float64Array; im: Float64Array };
const at = (values: ArrayLike<number>, index: number): number => values[index] ?? 0;

function forward(x: Float64Array): Spectrum {
  const re = new Float64Array(kBins);
  const im = new Float64Array(kBins);
  for (let k = 0; k < kBins; ++k) {
    let [a, b] = [0, 0];
    for (let n = 0, turn = 0; n < kWindow; ++n, turn = (turn + k) % kWindow) {
      a += at(x, n) * at(kCos, turn);
      b -= at(x, n) * at(kSin, turn);
    }
    re[k] = a / kWindow;
    im[k] = b / kWindow;
  }
  return { re, im };
}

function backward({ re, im }: Spectrum): Float64Array {
  return Float64Array.from({ length: kWindow }, (_, n) => {
    let sum = at(re, 0) + at(re, kBins - 1) * (n % 2 ? -1 : 1);
    for (let k = 1, turn = n; k < kBins - 1; ++k, turn = (turn + n) % kWindow)
      sum += 2 * (at(re, k) * at(kCos, turn) - at(im, k) * at(kSin, turn));
    return sum;
  });
}

export async function reference(x: Float32Array, files: Files): Promise<Reference> {
  ort.env.wasm.numThreads = 1;
  const frames = x.length / kFrame;
  const spectra = Array.from({ length: frames }, (_, t) =>
    forward(Float64Array.from({ length: kWindow }, (_none, i) => at(x, (t - 1) * kFrame + i) * at(kShape, i))),
  );
  const bands = new Float32Array(frames * kBands);
  const bins = new Float32Array(2 * frames * kFiltered);
  const mean = Float64Array.from({ length: kBands }, (_, b) => -60 - (30 * b) / (kBands - 1));
  const size = Float64Array.from({ length: kFiltered }, (_, f) => 0.001 - (0.0009 * f) / (kFiltered - 1));
  for (const [t, { re, im }] of spectra.entries()) {
    let bin = 0;
    for (let b = 0; b < kBands; ++b) {
      const width = at(kWidths, b);
      let power = 0;
      for (const end = bin + width; bin < end; ++bin) power += at(re, bin) ** 2 + at(im, bin) ** 2;
      const level = 10 * Math.log10(power / width + 1e-10);
      mean[b] = 0.01 * level + 0.99 * at(mean, b);
      bands[t * kBands + b] = (level - at(mean, b)) / 40;
    }
    for (let f = 0; f < kFiltered; ++f) {
      size[f] = 0.01 * Math.hypot(at(re, f), at(im, f)) + 0.99 * at(size, f);
      bins[t * kFiltered + f] = at(re, f) / Math.sqrt(at(size, f));
      bins[(frames + t) * kFiltered + f] = at(im, f) / Math.sqrt(at(size, f));
    }
  }
  const session = (name: keyof Files) => ort.InferenceSession.create(files[name]);
  const encoder = await session('enc');
  const encoded = await encoder.run({
    feat_erb: new ort.Tensor('float32', bands, [1, 1, frames, kBands]),
    feat_spec: new ort.Tensor('float32', bins, [1, 2, frames, kFiltered]),
  });
  const pick = (...names: string[]) =>
    Object.fromEntries(names.map((name) => [name, encoded[name] as ort.Tensor])) as Record<string, ort.Tensor>;
  const masker = await session('erb_dec');
  const masked = await masker.run(pick('emb', 'e3', 'e2', 'e1', 'e0'));
  const filterer = await session('df_dec');
  const filtered = await filterer.run(pick('emb', 'c0'));
  const mask = (masked[masker.outputNames[0] as string] as ort.Tensor).data as Float32Array;
  const filter = (filtered.coefs as ort.Tensor).data as Float32Array;
  const lsnr = (encoded.lsnr as ort.Tensor).data as Float32Array;

  const output = new Float64Array(x.length + kWindow);
  for (let t = 2; t < frames; ++t) {
    const noisy = spectra[t - 2] as Spectrum;
    const result = { re: new Float64Array(kBins), im: new Float64Array(kBins) };
    // Ours: above 8 kHz less of it while somebody speaks.
    const air = 1 - 0.35 * Math.min(1, Math.max(0, (at(lsnr, t) + 5) / 20));
    let bin = 0;
    for (let b = 0; b < kBands; ++b) {
      const gain = bin < 160 ? at(mask, t * kBands + b) : at(mask, t * kBands + b) ** air;
      for (const end = bin + at(kWidths, b); bin < end; ++bin) {
        result.re[bin] = at(noisy.re, bin) * gain;
        result.im[bin] = at(noisy.im, bin) * gain;
      }
    }
    for (let f = 0; f < kFiltered; ++f) {
      let [re, im] = [0, 0];
      for (let n = 0; n < 5; ++n) {
        const each = spectra[t - 4 + n];
        if (!each) continue;
        const [cr, ci] = [
          at(filter, (t * kFiltered + f) * 10 + 2 * n),
          at(filter, (t * kFiltered + f) * 10 + 2 * n + 1),
        ];
        re += at(each.re, f) * cr - at(each.im, f) * ci;
        im += at(each.re, f) * ci + at(each.im, f) * cr;
      }
      result.re[f] = re;
      result.im[f] = im;
    }
    // And no rumble.
    result.re[0] = 0;
    result.im[0] = 0;
    for (const [n, value] of backward(result).entries())
      output[t * kFrame + n] = at(output, t * kFrame + n) + value * at(kShape, n);
  }
  return { mask, lsnr, output: output.subarray(0, x.length) };
}
