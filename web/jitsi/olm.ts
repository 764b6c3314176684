/**
 * Olm, as Jitsi's key exchange uses it: `@matrix-org/olm`. The library is loaded when the first call needs it; its wasm is a file of ours.
 *
 * Threads: main. Errors: JitsiError 'no-e2ee'. Ownership: objects of the library are freed by whoever made them.
 */
import type OlmLibrary from '@matrix-org/olm';
import { JitsiError } from './types';

export type Olm = typeof OlmLibrary;
export type OlmSession = InstanceType<Olm['Session']>;
export type OlmAccount = InstanceType<Olm['Account']>;
export type OlmSas = InstanceType<Olm['SAS']>;

let loading: Promise<Olm> | undefined;

/** Loads the library once. `wasm`: where its file is; not needed outside browsers. */
export function loadOlm(wasm?: URL | string): Promise<Olm> {
  loading ??= (async () => {
    try {
      const module = (await import('@matrix-org/olm')) as unknown as { default?: Olm } & Olm;
      const olm = module.default ?? module;
      // The library sets this name without declaring it, which modules do not allow.
      Object.assign(globalThis, { OLM_OPTIONS: undefined });
      await olm.init(wasm ? { locateFile: () => `${wasm}` } : undefined);
      return olm;
    } catch {
      loading = undefined;
      throw new JitsiError('no-e2ee');
    }
  })();
  return loading;
}
