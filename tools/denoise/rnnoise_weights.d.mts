import type { PackedTensor } from '../weights_file.mjs';
/** The WebAssembly module out of the package's script; its hash is checked. */
export function moduleOf(script: string): Buffer<ArrayBuffer>;
export function arraysOf(module: Buffer): Map<string, Buffer>;
export function collect(script: string): PackedTensor[];
