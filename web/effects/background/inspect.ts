/** The engine in the page itself, for those who want to look at its work. Calls use createBackground: a worker, and closed. */
import { assetUrl, chooseVariant } from '../../media/features';
import { fetchOnce } from '../assets';
import { BackgroundCore } from './core';
import { kModels } from './types';

/**
 * How the network calculates: floats; 16-bit whole numbers where they are as good; the same with relaxed SIMD, which calls take
 * where the browser has it.
 */
export const kArithmetics = ['f32', 'int16', 'relaxed'] as const;
export type Arithmetic = (typeof kArithmetics)[number];

/** What this browser can run, best last. */
export function arithmetics(): readonly Arithmetic[] {
  const variant = chooseVariant();
  if (variant === 'simd-relaxed') return kArithmetics;
  return variant === 'simd' ? ['f32', 'int16'] : [];
}

/** Errors: undefined when a file is missing or the browser cannot run it. */
export async function createBackgroundCore(
  arithmetic: Arithmetic,
  assets?: string | URL,
): Promise<BackgroundCore | undefined> {
  const url = (name: string) => assetUrl(name, assets, import.meta.url).href;
  const core = new BackgroundCore();
  try {
    const variant = arithmetic === 'relaxed' ? 'relaxed' : 'simd';
    if (!(await core.start(await fetchOnce(url(`siegel-matte-${variant}.wasm`))))) return undefined;
    for (const name of kModels)
      if (!core.load(name, new Uint8Array(await fetchOnce(url(`siegel-matte-${name}.bin`))))) return undefined;
  } catch {
    return undefined;
  }
  core.exact(arithmetic === 'f32');
  return core;
}
