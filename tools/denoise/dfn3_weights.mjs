#!/usr/bin/env node
// DeepFilterNet3's ONNX files → the weights file of our engine (engine/include/siegel/weights.h has the format).
//   node tools/denoise/dfn3_weights.mjs <folder with enc.onnx, erb_dec.onnx, df_dec.onnx> <out>
// Every tensor's name and shape is checked. int8, symmetric, one scale per output channel; biases stay f32. Layouts are those of
// the kernels: maps channel-last, so the output channel is the fastest index wherever it can be.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pack } from '../weights_file.mjs';
import { readOnnx } from './onnx.mjs';

const kChannels = 64;
const kHidden = 256;

/** One tensor of the file: value (g, o, c, i) lies at ((g·outer + o)·channels + c)·inner + i, its scale at g·channels + c. */
class Tensor {
  constructor(name, [groups, outer, channels, inner], value, quantised = true) {
    this.name = name;
    this.shape = [groups, outer, channels, inner];
    this.data = new Float32Array(groups * outer * channels * inner);
    this.quantised = quantised;
    let at = 0;
    for (let g = 0; g < groups; ++g)
      for (let o = 0; o < outer; ++o)
        for (let c = 0; c < channels; ++c) for (let i = 0; i < inner; ++i) this.data[at++] = value(g, o, c, i);
  }

  /** int8 values and one scale per output channel. */
  quantise() {
    const [groups, outer, channels, inner] = this.shape;
    const scales = new Float32Array(groups * channels);
    const index = (g, o, c, i) => ((g * outer + o) * channels + c) * inner + i;
    const values = new Int8Array(this.data.length);
    for (let g = 0; g < groups; ++g) {
      for (let c = 0; c < channels; ++c) {
        let most = 0;
        for (let o = 0; o < outer; ++o)
          for (let i = 0; i < inner; ++i) most = Math.max(most, Math.abs(this.data[index(g, o, c, i)]));
        const scale = most > 0 ? most / 127 : 1;
        scales[g * channels + c] = scale;
        for (let o = 0; o < outer; ++o)
          for (let i = 0; i < inner; ++i) values[index(g, o, c, i)] = Math.round(this.data[index(g, o, c, i)] / scale);
      }
    }
    return { values, scales };
  }
}

/** @returns {Tensor[]} in the order of the engine's table. */
export function collect(folder) {
  const tensors = [];
  const file = (name) => {
    const { tensors: all, nodes } = readOnnx(readFileSync(join(folder, `${name}.onnx`)));
    const convolutions = nodes.filter(({ type }) => type === 'Conv' || type === 'ConvTranspose');
    const get = (tensor, ...dims) => {
      const found = all.get(tensor);
      if (!found?.data) throw new Error(`${name}.onnx has no tensor ${tensor}`);
      if (found.dims.join() !== dims.join())
        throw new Error(`${name}.onnx: ${tensor} is ${found.dims.join('x')}, not ${dims.join('x')}`);
      return found.data;
    };
    let at = 0;
    /** Input `which` of the next convolution (1: weight, 2: bias). */
    const next = () => {
      const node = convolutions[at++];
      if (!node) throw new Error(`${name}.onnx has fewer convolutions than expected`);
      return (which, ...dims) => get(node.inputs[which], ...dims);
    };
    const done = () => {
      if (at !== convolutions.length)
        throw new Error(`${name}.onnx has ${convolutions.length} convolutions, not ${at}`);
    };
    return { get, next, done };
  };
  const add = (name, shape, value, quantised) => tensors.push(new Tensor(name, shape, value, quantised));
  const vector = (name, data) => add(name, [1, 1, 1, data.length], (_g, _o, _c, i) => data[i], false);
  const pointwise = (name, data, inputs = kChannels, outputs = kChannels) =>
    add(name, [1, inputs, outputs, 1], (_g, i, o) => data[o * inputs + i]);
  const depthwise = (name, data) => add(name, [1, 3, kChannels, 1], (_g, k, c) => data[c * 3 + k]);
  const linear = (name, data, groups, inputs, outputs) =>
    add(name, [groups, inputs, outputs, 1], (g, i, h) => data[(g * inputs + i) * outputs + h]);
  const gru = (name, from, [w, r, b]) => {
    const rows = 3 * kHidden;
    for (const [suffix, tensor] of [
      ['.w', w],
      ['.r', r],
    ]) {
      const data = from.get(tensor, 1, rows, kHidden);
      add(name + suffix, [1, 1, rows, kHidden], (_g, _o, c, i) => data[c * kHidden + i]);
    }
    vector(`${name}.b`, from.get(b, 1, 2 * rows));
  };
  /** Depthwise, then pointwise with its bias. */
  const separable = (name, from) => {
    depthwise(`${name}.dw`, from.next()(1, kChannels, 1, 1, 3));
    const conv = from.next();
    pointwise(`${name}.pw`, conv(1, kChannels, kChannels, 1, 1));
    vector(`${name}.b`, conv(2, kChannels));
  };

  const enc = file('enc');
  const conv0 = enc.next();
  const erb0 = conv0(1, kChannels, 1, 3, 3);
  add('erb0.w', [1, 9, kChannels, 1], (_g, k, c) => erb0[c * 9 + k]);
  vector('erb0.b', conv0(2, kChannels));
  for (const name of ['erb1', 'erb2', 'erb3']) separable(name, enc);
  const df0 = enc.next()(1, kChannels, 1, 3, 3);
  add('df0.w', [1, 9, kChannels, 1], (_g, k, c) => df0[c * 9 + k]);
  const df0p = enc.next();
  pointwise('df0.pw', df0p(1, kChannels, kChannels, 1, 1));
  vector('df0.b', df0p(2, kChannels));
  separable('df1', enc);
  enc.done();
  linear('enc.df', enc.get('df_fc_emb.0.weight', 32, 96, 16), 32, 96, 16);
  linear('enc.in', enc.get('emb_gru.linear_in.0.weight', 16, 32, 16), 16, 32, 16);
  gru(
    'enc.gru',
    enc,
    [3, 4, 5].map((k) => `/emb_gru/Constant_${k}_output_0`),
  );
  linear('enc.out', enc.get('emb_gru.linear_out.0.weight', 16, 16, 32), 16, 16, 32);
  vector('lsnr.w', enc.get('onnx::MatMul_337', 512, 1));
  vector('lsnr.b', enc.get('lsnr_fc.0.bias', 1));

  const erb = file('erb_dec');
  linear('erb.in', erb.get('emb_gru.linear_in.0.weight', 16, 32, 16), 16, 32, 16);
  gru(
    'erb.gru1',
    erb,
    [3, 4, 5].map((k) => `/emb_gru/Constant_${k}_output_0`),
  );
  gru(
    'erb.gru2',
    erb,
    [9, 10, 11].map((k) => `/emb_gru/Constant_${k}_output_0`),
  );
  linear('erb.out', erb.get('emb_gru.linear_out.0.weight', 16, 16, 32), 16, 16, 32);
  for (const name of ['3', '2', '1']) {
    const skip = erb.next();
    vector(`skip${name}.s`, skip(1, kChannels, 1, 1, 1));
    vector(`skip${name}.b`, skip(2, kChannels));
    separable(`up${name}`, erb);
  }
  const skip0 = erb.next();
  vector('skip0.s', skip0(1, kChannels, 1, 1, 1));
  vector('skip0.b', skip0(2, kChannels));
  const mask = erb.next();
  const maskWeights = mask(1, 1, kChannels, 1, 3);
  add(
    'mask.w',
    [1, 1, 1, 3 * kChannels],
    (_g, _o, _c, i) => maskWeights[(i % kChannels) * 3 + Math.floor(i / kChannels)],
  );
  vector('mask.b', mask(2, 1));
  erb.done();

  const df = file('df_dec');
  linear('df.in', df.get('df_gru.linear_in.0.weight', 8, 64, 32), 8, 64, 32);
  gru('df.gru1', df, ['onnx::GRU_291', 'onnx::GRU_292', 'onnx::GRU_293']);
  gru('df.gru2', df, ['onnx::GRU_311', 'onnx::GRU_312', 'onnx::GRU_313']);
  linear('df.skip', df.get('df_skip.weight', 16, 32, 16), 16, 32, 16);
  linear('df.out', df.get('df_out.0.weight', 16, 16, 60), 16, 16, 60);
  const path = df.get('df_convp.1.weight', 10, 32, 5, 1);
  add('path.w', [1, 5, 10, 32], (_g, k, o, i) => path[(o * 32 + i) * 5 + k]);
  pointwise('path.pw', df.get('onnx::Conv_268', 10, 10, 1, 1), 10, 10);
  vector('path.b', df.get('onnx::Conv_269', 10));
  return tensors;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , folder, out] = process.argv;
  if (!folder || !out) {
    console.error('usage: node tools/denoise/dfn3_weights.mjs <folder with the ONNX files> <out>');
    process.exit(2);
  }
  const tensors = collect(folder);
  const bytes = pack(tensors);
  writeFileSync(out, bytes);
  const count = tensors.reduce((sum, { data }) => sum + data.length, 0);
  console.error(`${tensors.length} tensors, ${count} values, ${bytes.length} bytes`);
}
