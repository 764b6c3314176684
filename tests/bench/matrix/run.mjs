#!/usr/bin/env node
// How long joining and changing keys takes with 2, 10 and 50 members, and how many messages it needs; see bench.ts.
//   node tools/bench.mjs matrix      SIEGEL_BENCH_MEMBERS=2,10,50 SIEGEL_BENCH_ROUNDS=3 SIEGEL_BENCH_CLIENTS="siegel,element call"
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../bundle.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
await bundle(fileURLToPath(new URL('./bench.ts', import.meta.url)), join(root, 'build/bench-matrix/bench.mjs'), {
  external: ['@playwright/test', '@matrix-org/matrix-sdk-crypto-wasm', 'esbuild'],
  // CommonJS parts of the SDK ask for Node's own modules.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
});
