import type { PackedTensor } from '../weights_file.mjs';
export const models: Record<'landscape' | 'square', { width: number; height: number; file: string; sha256: string }>;
export function collect(bytes: Uint8Array, size: { width: number; height: number }): PackedTensor[];
