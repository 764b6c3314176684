/** Numbers that C++ and TypeScript must have in common, read from the header. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { kProfiles } from '../../../web/effects/types';

const header = readFileSync(join(import.meta.dirname, '../../../engine/include/siegel/denoise/denoiser.h'), 'utf8');

test('profiles', () => {
  const body = /enum class Profile[^{]*\{([^}]*)\}/.exec(header)?.[1] ?? '';
  const found = [...body.matchAll(/k(\w+) = (\d+)/g)].map(([, name, number]) => [Number(number), name?.toLowerCase()]);
  expect(found).toEqual(kProfiles.map((name, number) => [number, name]));
});
