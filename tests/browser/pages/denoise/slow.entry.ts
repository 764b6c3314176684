/**
 * Worklet of the tests: everything that the denoiser's module does from now on takes `times` as long, by doing it once more
 * in copies of the module. Loaded into a context before the denoiser's own worklet. `globalThis.slow` is the factor, set by
 * messages to the processor "slow"; below nothing: the next call traps.
 */
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

type Exports = Record<string, (...numbers: number[]) => number> & { memory: WebAssembly.Memory };

let times = 1;

const original = WebAssembly.instantiate;
const slow = async (
  bytes: BufferSource,
  imports: WebAssembly.Imports,
): Promise<WebAssembly.WebAssemblyInstantiatedSource> => {
  const [real, shadow] = await Promise.all([original(bytes, imports), original(bytes, imports)]);
  const [ours, copy] = [real.instance.exports as Exports, shadow.instance.exports as Exports];
  copy._initialize?.();
  let place = 0;
  const exports = {
    ...ours,
    denoise_weights(profile: number, size: number): number {
      place = copy.denoise_weights?.(profile, size) ?? 0;
      return ours.denoise_weights?.(profile, size) ?? 0;
    },
    denoise_load(profile: number, size: number): number {
      new Uint8Array(copy.memory.buffer).set(new Uint8Array(ours.memory.buffer, place, size), place);
      copy.denoise_load?.(profile, size);
      return ours.denoise_load?.(profile, size) ?? 0;
    },
    denoise_choose(profile: number): number {
      copy.denoise_choose?.(profile);
      return ours.denoise_choose?.(profile) ?? 0;
    },
    denoise_open(rate: number): number {
      copy.denoise_open?.(rate);
      return ours.denoise_open?.(rate) ?? 0;
    },
    denoise_run(count: number): void {
      if (times < 0) throw new WebAssembly.RuntimeError('unreachable');
      ours.denoise_run?.(count);
      for (let i = 1; i < times; ++i) copy.denoise_run?.(count);
    },
  };
  return { module: real.module, instance: { exports: exports as unknown as WebAssembly.Exports } };
};
Object.assign(WebAssembly, { instantiate: slow });

class Slow extends AudioWorkletProcessor {
  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      times = data as number;
    };
  }
  process(): boolean {
    return true;
  }
}
registerProcessor('slow', Slow);

export {};
