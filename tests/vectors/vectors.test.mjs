// The vectors in Node, with every variant of the module that this Node can run.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { hasRelaxedSimd, loadEngine } from '../../tools/engine.mjs';
import { checkAll } from './check_vectors.mjs';

const load = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));

/** Six seconds on an idle machine; WebCrypto's threads suffer most on a busy one. */
const slow = 300_000;

for (const variant of hasRelaxedSimd() ? ['simd', 'relaxed'] : ['simd']) {
  test(
    `all vectors, ${variant}`,
    async () => {
      const { module } = await loadEngine(variant);
      const { passed, failed } = await checkAll(module, load);
      expect(failed).toEqual([]);
      expect(passed).toBeGreaterThan(5000);
    },
    slow,
  );
}

// The module must be told apart from one that knows no vectors: a wrong file is noticed.
test(
  'a changed vector fails',
  async () => {
    const { module } = await loadEngine('simd');
    const changed = (name) => {
      const data = load(name);
      if (name === 'jitsi-jframe-vectors.json') data.frames[3].encrypted = data.frames[4].encrypted;
      return data;
    };
    const { failed } = await checkAll(module, changed);
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.every((name) => name.startsWith('JFrame vp8-key50'))).toBe(true);
  },
  slow,
);
