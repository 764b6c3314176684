// Reads what is needed of an ONNX file (protobuf; onnx.proto3): tensors by name and nodes in their order.

/** Fields of one protobuf message: `[field, value]`, value a number (varint) or the bytes. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('truncated ONNX file');
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    switch (tag & 7) {
      case 0:
        yield [field, varint()];
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const length = varint();
        if (at + length > bytes.length) throw new Error('truncated ONNX file');
        yield [field, bytes.subarray(at, at + length)];
        at += length;
        break;
      }
      case 5:
        at += 4;
        break;
      default:
        throw new Error(`ONNX file: wire type ${tag & 7}`);
    }
  }
}
const text = (bytes) => Buffer.from(bytes).toString('utf8');

/** TensorProto → name, shape, values. Other types than float are left without values. */
function tensor(bytes) {
  const result = { name: '', dims: [], data: undefined };
  let type = 0;
  let raw;
  const floats = [];
  for (const [field, value] of fields(bytes)) {
    if (field === 1) {
      if (typeof value === 'number') result.dims.push(value);
      else
        for (const [, each] of fields(Buffer.concat([...value].map((byte) => Buffer.from([8, byte])))))
          result.dims.push(each);
    } else if (field === 2) type = value;
    else if (field === 4) floats.push(value);
    else if (field === 8) result.name = text(value);
    else if (field === 9) raw = value;
  }
  if (type !== 1) return result;
  const bytesOf = raw ?? Buffer.concat(floats);
  const count = result.dims.reduce((product, each) => product * each, 1);
  if (bytesOf.length !== 4 * count)
    throw new Error(`tensor ${result.name}: ${bytesOf.length} bytes for ${count} values`);
  result.data = new Float32Array(Uint8Array.from(bytesOf).buffer);
  return result;
}

/** @returns {{ tensors: Map<string, { dims: number[], data: Float32Array }>, nodes: Array<{ type: string, inputs: string[], outputs: string[] }> }} */
export function readOnnx(bytes) {
  const tensors = new Map();
  const nodes = [];
  const graph = [...fields(bytes)].find(([field]) => field === 7)?.[1];
  if (!graph) throw new Error('no graph in this ONNX file');
  for (const [field, value] of fields(graph)) {
    if (field === 5) {
      const { name, ...rest } = tensor(value);
      tensors.set(name, rest);
    } else if (field === 1) {
      const node = { type: '', inputs: [], outputs: [] };
      let constant;
      for (const [inner, content] of fields(value)) {
        if (inner === 1) node.inputs.push(text(content));
        else if (inner === 2) node.outputs.push(text(content));
        else if (inner === 4) node.type = text(content);
        else if (inner === 5) constant ??= [...fields(content)].find(([each]) => each === 5)?.[1];
      }
      nodes.push(node);
      // Some weights are constants of the graph.
      if (node.type === 'Constant' && constant) tensors.set(node.outputs[0], tensor(constant));
    }
  }
  return { tensors, nodes };
}
