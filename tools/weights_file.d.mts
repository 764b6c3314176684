export interface PackedTensor {
  name: string;
  /** groups, outer, channels, inner */
  shape: [number, number, number, number];
  data: Float32Array | Int8Array | Uint16Array;
  /** f32 that become int8 in the file. */
  quantised: boolean;
  /** f16 as u16, kept as they are. */
  half?: boolean;
  quantise?(): { values: Int8Array; scales: Float32Array };
}
export function pack(tensors: readonly PackedTensor[]): Uint8Array<ArrayBuffer>;
