// What is needed of the TFLite format: operators in their order with shapes and options, and constants. A FlatBuffer; the
// field numbers are those of tensorflow/lite/schema/schema.fbs (version 3). Every offset is checked.

export class ModelError extends Error {}

/** Numbers of BuiltinOperator. */
const kOperators = {
  0: 'ADD',
  1: 'AVERAGE_POOL_2D',
  3: 'CONV_2D',
  4: 'DEPTHWISE_CONV_2D',
  6: 'DEQUANTIZE',
  14: 'LOGISTIC',
  18: 'MUL',
  19: 'RELU',
  23: 'RESIZE_BILINEAR',
  32: 'CUSTOM',
  40: 'MEAN',
  117: 'HARD_SWISH',
};
const kTypes = { 0: 'f32', 1: 'f16', 2: 'i32' };

class Table {
  constructor(file, at) {
    this.file = file;
    this.at = at;
    this.fields = at - file.i32(at);
    this.size = file.u16(this.fields);
  }
  /** Where a field lies, 0 if it is not there. */
  field(number) {
    const slot = 4 + 2 * number;
    const offset = slot + 2 <= this.size ? this.file.u16(this.fields + slot) : 0;
    return offset && this.at + offset;
  }
  i8(number, otherwise = 0) {
    const at = this.field(number);
    return at ? this.file.i8(at) : otherwise;
  }
  i32(number, otherwise = 0) {
    const at = this.field(number);
    return at ? this.file.i32(at) : otherwise;
  }
  table(number) {
    const at = this.field(number);
    return at ? new Table(this.file, at + this.file.u32(at)) : undefined;
  }
  /** Start and length of a vector. */
  vector(number) {
    const at = this.field(number);
    if (!at) return [0, 0];
    const start = at + this.file.u32(at);
    return [start + 4, this.file.u32(start)];
  }
  tables(number) {
    const [start, length] = this.vector(number);
    if (length > 10_000) throw new ModelError('more parts than any such model has');
    return Array.from({ length }, (_, i) => new Table(this.file, start + 4 * i + this.file.u32(start + 4 * i)));
  }
  integers(number) {
    const [start, length] = this.vector(number);
    if (length > 64) throw new ModelError('more dimensions than any such model has');
    return Array.from({ length }, (_, i) => this.file.i32(start + 4 * i));
  }
  bytes(number) {
    const [start, length] = this.vector(number);
    return this.file.bytes(start, length);
  }
}

class File {
  constructor(bytes) {
    this.all = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  get(what, at, size) {
    if (!(at >= 0 && at + size <= this.all.length)) throw new ModelError('the file is cut off or no TFLite model');
    return this.view[what](at, true);
  }
  i8 = (at) => this.get('getInt8', at, 1);
  u16 = (at) => this.get('getUint16', at, 2);
  i32 = (at) => this.get('getInt32', at, 4);
  u32 = (at) => this.get('getUint32', at, 4);
  bytes(start, length) {
    if (!(start >= 0 && length >= 0 && start + length <= this.all.length))
      throw new ModelError('the file is cut off or no TFLite model');
    return this.all.subarray(start, start + length);
  }
}

/**
 * @returns input and output tensors' numbers and the operators: kind, inputs, outputs, options as a table of the schema, and the
 * tensors: shape, type, data (empty: computed). What DEQUANTIZE makes of a constant counts as that constant.
 */
export function readModel(bytes) {
  const file = new File(bytes);
  if (Buffer.from(file.bytes(4, 4)).toString('latin1') !== 'TFL3') throw new ModelError('this is no TFLite model');
  const model = new Table(file, file.u32(0));
  const codes = model.tables(1).map((code) => {
    const number = Math.max(code.i8(0), code.i32(3));
    const kind = kOperators[number];
    if (!kind) throw new ModelError(`operator ${number} is none of this network's`);
    return kind === 'CUSTOM' ? Buffer.from(code.bytes(1)).toString('latin1') : kind;
  });
  const buffers = model.tables(4);
  const [graph, ...more] = model.tables(2);
  if (!graph || more.length > 0) throw new ModelError('the model has not one graph');
  const tensors = graph.tables(0).map((tensor) => {
    const buffer = buffers[tensor.i32(2)];
    return { shape: tensor.integers(0), type: kTypes[tensor.i8(1)], data: buffer ? buffer.bytes(0) : new Uint8Array() };
  });
  const tensor = (number) => {
    const found = tensors[number];
    if (!found) throw new ModelError(`tensor ${number} is not there`);
    return found;
  };
  const operators = [];
  for (const operator of graph.tables(3)) {
    const kind = codes[operator.i32(0)];
    const [inputs, outputs] = [operator.integers(1), operator.integers(2)];
    if (kind !== 'DEQUANTIZE') {
      operators.push({ kind, inputs, outputs, options: operator.table(4) });
      continue;
    }
    const from = tensor(inputs[0]);
    if (from.type !== 'f16') throw new ModelError('a constant is no f16');
    Object.assign(tensor(outputs[0]), { type: 'f16', data: from.data });
  }
  return { inputs: graph.integers(1), outputs: graph.integers(2), operators, tensor };
}
