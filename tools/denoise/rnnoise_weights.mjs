#!/usr/bin/env node
// RNNoise 0.2 (sparse model, BSD-3, Xiph.Org) as npm's @jitsi/rnnoise-wasm publishes it → the weights file of our engine.
//   node tools/denoise/rnnoise_weights.mjs <rnnoise-sync.js> <out>
// The package holds a WebAssembly module as base64; its data segments hold a table of {name, type, size, place}. Every array is
// taken by name, and its size checked; the module itself by its hash. Blocks of 8 rows × 4 columns are laid out anew, so that
// one instruction of the kernel meets what it multiplies.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { pack } from '../weights_file.mjs';

const kModule = '4f513a50613de74378331237886138eab52fa2650e8b1a41eb587d932d9b8850';

const kInput = 195; // three frames of 65 features
const kConv = 128;
const kHidden = 384;
const kBands = 32;
/** A third of all blocks, spread unevenly over the groups of eight rows. */
const kSparse = (3 * kHidden * kHidden) / 3 / 32;
const kRows = 8;
const kColumns = 4;
const kBlock = kRows * kColumns;

/** The module out of the package's script. */
export function moduleOf(script) {
  const found = /base64,([A-Za-z0-9+/=]{1000,})/.exec(script)?.[1];
  if (!found) throw new Error('rnnoise-sync.js holds no module');
  const bytes = Buffer.from(found, 'base64');
  const hash = createHash('sha256').update(bytes).digest('hex');
  if (hash !== kModule)
    throw new Error(`the module of @jitsi/rnnoise-wasm has another content than expected (${hash})`);
  return bytes;
}

/** Memory as the data segments of a module set it up. */
function memoryOf(bytes) {
  let at = 8;
  const unsigned = () => {
    let [value, shift, byte] = [0, 0, 0];
    do {
      byte = bytes[at++];
      value |= (byte & 127) << shift;
      shift += 7;
    } while (byte & 128);
    return value >>> 0;
  };
  const segments = [];
  while (at < bytes.length) {
    const id = bytes[at++];
    const size = unsigned();
    const end = at + size;
    if (id === 11) {
      for (let left = unsigned(); left > 0; --left) {
        if (unsigned() !== 0) throw new Error('a data segment without a place');
        ++at; // i32.const; addresses are positive, so read as unsigned
        const place = unsigned();
        ++at; // end
        const length = unsigned();
        segments.push([place, bytes.subarray(at, at + length)]);
        at += length;
      }
    }
    at = end;
  }
  const memory = Buffer.alloc(Math.max(...segments.map(([place, data]) => place + data.length)) + 16);
  for (const [place, data] of segments) data.copy(memory, place);
  return memory;
}

/** All arrays of the table, by name. */
export function arraysOf(module) {
  const memory = memoryOf(module);
  const arrays = new Map();
  for (let at = 0; at + 16 <= memory.length; at += 4) {
    const [name, , size, place] = [0, 4, 8, 12].map((offset) => memory.readUInt32LE(at + offset));
    if (size === 0 || place + size > memory.length || name + 48 > memory.length || name < 8) continue;
    const end = memory.indexOf(0, name);
    if (end < 0 || end - name > 47) continue;
    const text = memory.toString('latin1', name, end);
    if (/^(conv|gru|dense|vad)\w+$/.test(text)) arrays.set(text, memory.subarray(place, place + size));
  }
  return arrays;
}

/** @returns the tensors of the file. */
export function collect(script) {
  const arrays = arraysOf(moduleOf(script));
  const used = new Set();
  const get = (name, Type, count) => {
    const bytes = arrays.get(name);
    if (bytes?.length !== count * Type.BYTES_PER_ELEMENT)
      throw new Error(`${name} has ${bytes?.length ?? 'no'} bytes, not ${count * Type.BYTES_PER_ELEMENT}`);
    used.add(name);
    return new Type(Uint8Array.from(bytes).buffer);
  };
  const tensors = [];
  const floats = (name, from, count) =>
    tensors.push({ name, shape: [1, 1, 1, count], data: get(from, Float32Array, count), quantised: false });

  /** Eight rows by four columns, row by row, become pairs of columns for four rows at a time. */
  const blocks = (values) =>
    Int8Array.from(values, (_, at) => {
      const block = at - (at % kBlock);
      const [pair, half, row, column] = [(at % kBlock) >> 4, (at >> 3) & 1, (at >> 1) & 3, at & 1];
      return values[block + (4 * half + row) * kColumns + 2 * pair + column];
    });
  /** How many blocks each group of rows has, and the first column of each block. */
  const matrix = (name, from, rows, counts, positions) => {
    const count = positions.length;
    const values = get(`${from}_weights_int8`, Int8Array, count * kBlock);
    tensors.push({ name: `${name}.w`, shape: [1, 1, count, kBlock], data: blocks(values), quantised: false });
    tensors.push({ name: `${name}.n`, shape: [1, 1, 1, rows / kRows], data: counts, quantised: false });
    tensors.push({ name: `${name}.at`, shape: [1, 1, 1, count], data: positions, quantised: false });
    floats(`${name}.s`, `${from}_scale`, rows);
    floats(`${name}.b`, `${from}_bias`, rows);
    // Another bias, for machines that multiply unsigned by signed bytes.
    get(`${from}_subias`, Float32Array, rows);
  };
  const sparse = (name, from) => {
    const rows = 3 * kHidden;
    const table = get(`${from}_weights_idx`, Int32Array, rows / kRows + kSparse);
    const [counts, positions] = [[], []];
    for (let at = 0; at < table.length; at += 1 + table[at]) {
      counts.push(table[at]);
      positions.push(...table.subarray(at + 1, at + 1 + table[at]));
    }
    if (counts.length !== rows / kRows || positions.length !== kSparse)
      throw new Error(`${from}: a table that is none`);
    if (positions.some((position) => position < 0 || position > kHidden - kColumns || position % kColumns !== 0))
      throw new Error(`${from}: a block that lies outside`);
    matrix(name, from, rows, Uint16Array.from(counts), Uint16Array.from(positions));
  };

  floats('conv1.w', 'conv1_weights_float', kInput * kConv);
  floats('conv1.b', 'conv1_bias', kConv);
  const all = (3 * kConv) / kColumns;
  const groups = kHidden / kRows;
  const everywhere = Uint16Array.from({ length: groups * all }, (_, at) => (at % all) * kColumns);
  matrix('conv2', 'conv2', kHidden, new Uint16Array(groups).fill(all), everywhere);
  for (const gru of ['gru1', 'gru2', 'gru3']) {
    sparse(`${gru}.in`, `${gru}_input`);
    sparse(`${gru}.re`, `${gru}_recurrent`);
    floats(`${gru}.diag`, `${gru}_recurrent_weights_diag`, 3 * kHidden);
  }
  floats('dense.w', 'dense_out_weights_float', kHidden * kBands);
  floats('dense.b', 'dense_out_bias', kBands);
  floats('voice.w', 'vad_dense_weights_float', kHidden);
  floats('voice.b', 'vad_dense_bias', 1);
  const unused = [...arrays.keys()].filter((name) => !used.has(name));
  if (unused.length > 0) throw new Error(`arrays that were not expected: ${unused.join(', ')}`);
  return tensors;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , script, out] = process.argv;
  if (!script || !out) {
    console.error('usage: node tools/denoise/rnnoise_weights.mjs <rnnoise-sync.js> <out>');
    process.exit(2);
  }
  const tensors = collect(readFileSync(script, 'utf8'));
  const bytes = pack(tensors);
  writeFileSync(out, bytes);
  console.error(`${tensors.length} tensors, ${bytes.length} bytes`);
}
