// Bundles a benchmark that is written in TypeScript and uses the tests' helpers, so that plain Node runs it.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as esbuild from 'esbuild';

/** @param {string} entry, @param {string} outfile, @param {import('esbuild').BuildOptions} more */
export async function bundle(entry, outfile, more) {
  await esbuild.build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
    sourcemap: 'inline',
    ...more,
    plugins: [
      {
        name: 'where each source is',
        setup(build) {
          // Scripts of ours stay where they are; those of packages go into the bundle.
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
  return import(outfile);
}
