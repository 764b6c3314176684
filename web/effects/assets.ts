/** The files of effects: fetched on first use, once for a page. */
import { assetUrl } from '../media/features';
import type { DenoiseFailure, DenoiseProfile } from './types';
import { DenoiseError } from './worklet/core';

const held = new Map<string, Promise<ArrayBuffer>>();

/** A file of ours, once for a page. Rejects when it is not there; the next call tries again. */
export function fetchOnce(url: string): Promise<ArrayBuffer> {
  const known = held.get(url);
  if (known) return known;
  const coming = (async () => {
    const response = await fetch(url, { credentials: 'same-origin' });
    if (!response.ok) throw new Error(`${response.status}`);
    return response.arrayBuffer();
  })();
  held.set(url, coming);
  coming.catch(() => held.delete(url));
  return coming;
}

/** What came turned out to be of no use: the next call fetches it anew. */
export function forget(url: string): void {
  held.delete(url);
}

export function workletUrl(assets: string | URL | undefined): URL {
  return assetUrl('siegel-denoise-worklet.js', assets, import.meta.url);
}

/** The module, or the weights of a profile. Errors: a DenoiseError; the next call tries again. */
export async function fetchDenoise(
  what: 'module' | DenoiseProfile,
  assets: string | URL | undefined,
): Promise<ArrayBuffer> {
  const name = what === 'module' ? 'siegel-denoise.wasm' : `siegel-denoise-${what}.bin`;
  const failure: DenoiseFailure = what === 'module' ? 'module' : 'weights';
  try {
    return await fetchOnce(assetUrl(name, assets, import.meta.url).href);
  } catch {
    throw new DenoiseError(failure, `${name} could not be fetched.`);
  }
}
