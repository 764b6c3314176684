/** Worklet of the tests: what comes in on each input, whole, in order, from its first block. */
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

const kPart = 4096;

class Recorder extends AudioWorkletProcessor {
  #parts: Float32Array[] = [];
  #filled = 0;

  process(inputs: Float32Array[][]): boolean {
    if (this.#parts.length !== inputs.length) this.#parts = inputs.map(() => new Float32Array(kPart));
    const length = inputs[0]?.[0]?.length ?? 128;
    for (const [i, input] of inputs.entries()) {
      const part = this.#parts[i] as Float32Array;
      if (input[0]) part.set(input[0], this.#filled);
      else part.fill(0, this.#filled, this.#filled + length);
    }
    this.#filled += length;
    if (this.#filled === kPart) {
      this.port.postMessage(this.#parts);
      this.#filled = 0;
    }
    return true;
  }
}
registerProcessor('recorder', Recorder);

export {};
