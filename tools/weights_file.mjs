// The weights files of the networks (engine/include/siegel/weights.h has the format).

const kMagic = 0x444c4753; // "SGLD"
const kVersion = 2;
const kHead = 16;
const kEntry = 48;
const up16 = (value) => (value + 15) & ~15;

/** Numbers of Kind. */
const kindOf = ({ quantised, half, data }) => {
  if (quantised) return 1;
  if (half) return 4;
  if (data instanceof Int8Array) return 2;
  return data instanceof Uint16Array ? 3 : 0;
};

/**
 * Bytes of the file. A tensor has a name, a shape and data (f32, or int8 or u16 as they are); `quantised`: its f32 become int8
 * with scales, by its own `quantise`; `half`: the u16 are f16.
 */
export function pack(tensors) {
  let at = up16(kHead + tensors.length * kEntry);
  const parts = [];
  const place = (array) => {
    const offset = at;
    parts.push([offset, array]);
    at = up16(at + array.byteLength);
    return offset;
  };
  const entries = tensors.map((tensor) => {
    if (!tensor.quantised) return { tensor, data: place(tensor.data), scales: 0 };
    const { values, scales } = tensor.quantise();
    return { tensor, data: place(values), scales: place(scales) };
  });
  const bytes = new Uint8Array(at);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of [kMagic, kVersion, tensors.length, at].entries()) view.setUint32(4 * index, value, true);
  for (const [index, { tensor, data, scales }] of entries.entries()) {
    const entry = kHead + index * kEntry;
    const name = Buffer.from(tensor.name, 'latin1');
    if (name.length > 15) throw new Error(`name too long: ${tensor.name}`);
    if (tensor.shape.reduce((a, b) => a * b, 1) !== tensor.data.length)
      throw new Error(`${tensor.name} has ${tensor.data.length} values, not ${tensor.shape.join(' × ')}`);
    bytes.set(name, entry);
    for (const [field, value] of [kindOf(tensor), ...tensor.shape, data, scales, 0].entries())
      view.setUint32(entry + 16 + 4 * field, value, true);
  }
  for (const [offset, array] of parts)
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), offset);
  return bytes;
}
