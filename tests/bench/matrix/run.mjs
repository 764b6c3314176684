#!/usr/bin/env node
// How long joining and changing keys takes with 2, 10 and 50 members, and how many messages it needs; see bench.ts.
//   node tools/bench.mjs matrix      SIEGEL_BENCH_MEMBERS=2,10,50 SIEGEL_BENCH_ROUNDS=3 SIEGEL_BENCH_CLIENTS="siegel,element call"
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const outfile = join(root, 'build/bench-matrix/bench.mjs');
await esbuild.build({
  entryPoints: [fileURLToPath(new URL('./bench.ts', import.meta.url))],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  logLevel: 'warning',
  sourcemap: 'inline',
  external: ['@playwright/test', '@matrix-org/matrix-sdk-crypto-wasm', 'esbuild'],
  // CommonJS parts of the SDK ask for Node's own modules.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  plugins: [
    {
      name: 'where each source is',
      setup(build) {
        // The servers' scripts stay where they are.
        build.onResolve({ filter: /\.mjs$/ }, ({ path, resolveDir }) =>
          path.startsWith('.') && !resolveDir.includes('node_modules')
            ? { path: join(resolveDir, path), external: true }
            : undefined,
        );
        build.onLoad({ filter: /\/tests\/.*\.ts$/ }, async ({ path }) => ({
          contents: (await readFile(path, 'utf8')).replaceAll('import.meta.dirname', JSON.stringify(dirname(path))),
          loader: 'ts',
        }));
      },
    },
  ],
});
await import(outfile);
