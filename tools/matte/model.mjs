#!/usr/bin/env node
// MediaPipe's selfie segmentation (TFLite) → the weights file of our engine (engine/include/siegel/weights.h has the format).
//   node tools/matte/model.mjs model.tflite out.bin
// Operators must stand in the known order with the known shapes and options; anything else is refused, because the engine's
// network is built for just this one. Numbers stay f16, as they were published.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { pack } from '../weights_file.mjs';
import { ModelError, readModel } from './tflite.mjs';

/** Two models of one network. */
export const models = {
  landscape: {
    width: 256,
    height: 144,
    file: 'selfie_segmentation_landscape.tflite',
    sha256: '4aafe6223bb8dac6fac8ca8ed56852870a33051ef3f6238822d282a109962894',
  },
  square: {
    width: 256,
    height: 256,
    file: 'selfie_segmentation.tflite',
    sha256: '8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27',
  },
};

// The layers with weights in their order: name, kind, outputs, inputs (or taps' edge), stride.
const dense = (name, outputs, inputs) => ({ name, kind: 'CONV_2D', outputs, inputs, edge: 1, stride: 1 });
const depth = (name, channels, edge, stride) => ({ name, kind: 'DEPTHWISE_CONV_2D', outputs: channels, edge, stride });
const gate = (name, wide, narrow) => [dense(`${name}.squeeze`, narrow, wide), dense(`${name}.excite`, wide, narrow)];
const block = (name, [from, wide, to], edge, stride, narrow) => [
  dense(`${name}.expand`, wide, from),
  depth(`${name}.depth`, wide, edge, stride),
  ...(narrow ? gate(name, wide, narrow) : []),
  dense(`${name}.project`, to, wide),
];
const step = (name, from, to) => [
  dense(`${name}.up`, to, from),
  ...gate(name, to, to),
  dense(`${name}.mix`, to, to),
  depth(`${name}.depth`, to, 3, 1),
];
const kTransposed = 'Convolution2DTransposeBias';
const layers = [
  { name: 'stem', kind: 'CONV_2D', outputs: 16, inputs: 3, edge: 3, stride: 2 },
  ...block('a', [16, 16, 16], 3, 2, 8),
  ...block('b', [16, 72, 24], 3, 2),
  ...block('c', [24, 88, 24], 3, 1),
  ...block('d', [24, 96, 32], 5, 2, 24),
  ...block('e', [32, 128, 32], 5, 1, 32),
  ...block('f', [32, 128, 32], 5, 1, 32),
  ...block('g', [32, 96, 32], 5, 1, 24),
  ...block('h', [32, 96, 32], 5, 1, 24),
  dense('head.value', 128, 32),
  dense('head.gate', 128, 32),
  ...step('x', 128, 24),
  ...step('y', 24, 16),
  ...step('z', 16, 16),
  { name: 'out', kind: kTransposed, outputs: 1, inputs: 16, edge: 2, stride: 2 },
];

// What stands between them, in order, without those with weights.
const kRelu = ['RELU'];
const kGate = ['MEAN', 'RELU', 'LOGISTIC', 'MUL'];
const kStep = ['RESIZE_BILINEAR', 'ADD', 'MEAN', 'RELU', 'LOGISTIC', 'MUL', 'ADD', 'RELU', 'RELU', 'ADD'];
const kSwish = ['HARD_SWISH'];
const between = [
  ...kSwish,
  ...[...kRelu, ...kRelu, ...kGate],
  ...[...kRelu, ...kRelu],
  ...[...kRelu, ...kRelu, 'ADD'],
  ...[...kSwish, ...kSwish, ...kGate],
  ...Array.from({ length: 4 }, () => [...kSwish, ...kSwish, ...kGate, 'ADD']).flat(),
  ...['MEAN', 'RELU', 'LOGISTIC', 'MUL'],
  ...kStep,
  ...kStep,
  ...kStep,
  'LOGISTIC',
];

const expect = (what, found, wanted) => {
  if (`${found}` !== `${wanted}`) throw new ModelError(`${what} is ${found}, not ${wanted}`);
};

/** The tensors of the weights file, from a model's bytes. */
export function collect(bytes, { width, height }) {
  const { inputs, outputs, operators, tensor } = readModel(bytes);
  expect('the input', [inputs.length, ...tensor(inputs[0]).shape], [1, 1, height, width, 3]);
  expect('the output', [outputs.length, ...tensor(outputs[0]).shape], [1, 1, height, width, 1]);
  const weighted = new Set(layers.map(({ kind }) => kind));
  const others = operators.filter(({ kind }) => !weighted.has(kind));
  // The mean over the whole map has two names.
  expect(
    'the order of operators',
    others.map(({ kind }) => (kind === 'AVERAGE_POOL_2D' ? 'MEAN' : kind)),
    between,
  );
  for (const { kind, options } of others)
    if (kind === 'RESIZE_BILINEAR')
      expect('resizing (corners aligned, half pixels)', [options?.i8(2), options?.i8(3)], [0, 1]);
  const found = operators.filter(({ kind }) => weighted.has(kind));
  expect('the number of layers', found.length, layers.length);

  const constant = (number, shape, what) => {
    const { shape: has, type, data } = tensor(number);
    expect(`the shape of ${what}`, has, shape);
    expect(`the type of ${what}`, type, 'f16');
    const count = shape.reduce((a, b) => a * b, 1);
    expect(`the size of ${what}`, data.length, 2 * count);
    // A copy, because bytes of a file lie anywhere.
    return new Uint16Array(new Uint8Array(data).buffer);
  };
  return layers.flatMap(({ name, kind, outputs: to, inputs: from, edge, stride }, index) => {
    const operator = found[index];
    expect(`layer ${index}`, operator.kind, kind);
    const { options } = operator;
    if (kind === 'CONV_2D' || kind === 'DEPTHWISE_CONV_2D') {
      expect(`the stride of ${name}`, [options.i32(2), options.i32(1)], [stride, stride]);
      expect(`the activation of ${name}`, options.i8(kind === 'CONV_2D' ? 3 : 4), 0);
      if (edge > 1) expect(`the padding of ${name} (same)`, options.i8(0), 0);
    }
    const [, weights, bias] = operator.inputs;
    const half = (suffix, shape, data) => ({ name: `${name}${suffix}`, shape, data, quantised: false, half: true });
    const shapes = {
      CONV_2D: [to, edge, edge, from],
      DEPTHWISE_CONV_2D: [1, edge, edge, to],
      [kTransposed]: [1, edge, edge, from],
    };
    const values = constant(weights, shapes[kind], name);
    const added = half('.b', [1, 1, to, 1], constant(bias, [to], `the bias of ${name}`));
    if (kind === 'DEPTHWISE_CONV_2D') return [half('.w', [1, edge * edge, to, 1], values), added];
    if (kind === kTransposed) {
      // The four pixels of one side by side.
      const turned = values.map((_, at) => values[(at % 4) * from + Math.floor(at / 4)]);
      return [half('.w', [1, from, edge * edge, 1], turned), added];
    }
    // Eight outputs side by side for each input: what the engine's kernels read in one go.
    const taps = edge * edge * from;
    const packed = new Uint16Array(values.length);
    for (let o = 0; o < to; ++o)
      for (let i = 0; i < taps; ++i) packed[(Math.floor(o / 8) * taps + i) * 8 + (o % 8)] = values[o * taps + i];
    return [half('.w', [to / 8, taps, 8, 1], packed), added];
  });
}

function main() {
  const [from, to] = process.argv.slice(2);
  if (!from || !to) throw new ModelError('usage: node tools/matte/model.mjs model.tflite out.bin');
  const bytes = readFileSync(from);
  const hash = createHash('sha256').update(bytes).digest('hex');
  const model = Object.values(models).find(({ sha256 }) => sha256 === hash);
  if (!model) throw new ModelError(`${from} has another content than expected: not used`);
  const tensors = collect(bytes, model);
  const file = pack(tensors);
  writeFileSync(to, file);
  console.log(`${tensors.length} tensors, ${file.length} bytes`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    main();
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}
