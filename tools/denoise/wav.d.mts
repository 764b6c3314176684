export interface Wav {
  rate: number;
  channels: Float32Array[];
  format: { float: boolean; bits: number };
}
export class WavError extends Error {}
export function readWav(bytes: Uint8Array): Wav;
export function writeWav(wav: Wav): Buffer;
