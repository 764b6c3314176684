/** The files of noise suppression: fetched on first use, once for a page. */
import { assetUrl } from '../media/features';
import type { DenoiseFailure, DenoiseProfile } from './types';
import { DenoiseError } from './worklet/core';

const held = new Map<string, Promise<ArrayBuffer>>();

export function workletUrl(assets: string | URL | undefined): URL {
  return assetUrl('siegel-denoise-worklet.js', assets, import.meta.url);
}

/** The module, or the weights of a profile. Errors: a DenoiseError; the next call tries again. */
export function fetchDenoise(what: 'module' | DenoiseProfile, assets: string | URL | undefined): Promise<ArrayBuffer> {
  const name = what === 'module' ? 'siegel-denoise.wasm' : `siegel-denoise-${what}.bin`;
  const failure: DenoiseFailure = what === 'module' ? 'module' : 'weights';
  const url = assetUrl(name, assets, import.meta.url).href;
  const known = held.get(url);
  if (known) return known;
  const coming = (async () => {
    try {
      const response = await fetch(url, { credentials: 'same-origin' });
      if (response.ok) return await response.arrayBuffer();
    } catch {
      // Said below.
    }
    throw new DenoiseError(failure, `${name} could not be fetched.`);
  })();
  held.set(url, coming);
  coming.catch(() => held.delete(url));
  return coming;
}
