export interface Tensor {
  name: string;
  /** groups, outer, channels, inner */
  shape: [number, number, number, number];
  data: Float32Array;
  /** As int8 in the file. */
  quantised: boolean;
  quantise(): { values: Int8Array; scales: Float32Array };
}
export function collect(folder: string): Tensor[];
