export function readOnnx(bytes: Uint8Array): {
  tensors: Map<string, { dims: number[]; data: Float32Array }>;
  nodes: Array<{ type: string; inputs: string[]; outputs: string[] }>;
};
