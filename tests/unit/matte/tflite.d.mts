export function oracle(name: string): Promise<(picture: Float32Array) => Float32Array>;
export function picture(name: string, width: number, height: number): Float32Array;
export const kPeople: readonly string[];
