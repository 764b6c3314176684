/** Runs the checker of tests/vectors against a shipped module, the way the page's policy lets it load. */
import type { EngineModule } from '../../../../web/media/engine_types';
// @ts-expect-error: the checker is plain JavaScript, shared with Node.
import { checkAll } from '../../../vectors/check_vectors.mjs';

export interface VectorsResult {
  passed: number;
  failed: string[];
}

declare global {
  var runVectors: (variant: 'simd' | 'relaxed', files: Record<string, unknown>) => Promise<VectorsResult>;
}

globalThis.runVectors = async (variant, files) => {
  const glue: { default(options: object): Promise<EngineModule> } = await import(`/assets/siegel-${variant}.mjs`);
  const module = await glue.default({});
  return checkAll(module, (name: string) => {
    const file = files[name];
    if (file === undefined) throw new Error(`no vectors ${name}`);
    return file;
  });
};
