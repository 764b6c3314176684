#!/usr/bin/env node
// Builds dist/: the WebAssembly modules (CMake, incremental), the worker, the library entry points and the demo pages.
//   node tools/build.mjs            what ./start serves
//   node tools/build.mjs --tests    also build/test-site: a copy of dist with the test pages under /tests/
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import * as esbuild from 'esbuild';
import { cache } from './cache.mjs';
import { sbom } from './sbom.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const withTests = process.argv.includes('--tests');
const started = performance.now();
const say = (text) => console.error(`[build ${((performance.now() - started) / 1000).toFixed(1)}s] ${text}`);

/** Configures once, then builds; shows the compiler's output only when it fails. */
function cmake(preset) {
  const run = (args) => {
    try {
      // Two builds in one folder at a time would mix glue and wasm of different links.
      execFileSync('flock', [join(root, 'build', '.lock'), 'cmake', ...args], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'pipe'],
        maxBuffer: 1 << 26,
      });
    } catch (error) {
      process.stderr.write(`${error.stdout ?? ''}${error.stderr ?? ''}`);
      throw new Error(`cmake ${args.join(' ')} failed (output above)`);
    }
  };
  if (!existsSync(join(root, 'build', preset, 'build.ninja'))) {
    say(`configure ${preset}`);
    run(['--preset', preset]);
  }
  say(`compile ${preset}`);
  run(['--build', '--preset', preset]);
}

/** Every source file that went into a bundle, for the SBOM. */
const inputs = new Set();
async function build(options) {
  const { metafile } = await esbuild.build({ ...options, metafile: true });
  for (const path of Object.keys(metafile.inputs)) inputs.add(path);
}

const shared = {
  bundle: true,
  format: 'esm',
  target: ['chrome114', 'firefox117', 'safari16.4'],
  minify: true,
  legalComments: 'none',
  charset: 'utf8',
  logLevel: 'warning',
  absWorkingDir: root,
  // matrix-js-sdk names the global object as Node does.
  define: { global: 'globalThis' },
  // Olm asks for these only where it finds itself in Node.
  alias: Object.fromEntries(['fs', 'path', 'crypto'].map((name) => [name, join(root, 'tools/nothing.mjs')])),
};

const folders = (path) =>
  existsSync(join(root, path))
    ? readdirSync(join(root, path)).filter((name) => statSync(join(root, path, name)).isDirectory())
    : [];

/** A page folder: main.ts is bundled, everything that is not TypeScript is copied. */
async function page(from, to) {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    if (!name.endsWith('.ts')) cpSync(join(from, name), join(to, name), { recursive: true });
  }
  const entries = readdirSync(from).filter((name) => /^(main|.*\.entry)\.ts$/.test(name));
  if (entries.length === 0) return;
  // Scripts shared with Node import node:* where only Node gets to.
  await build({
    ...shared,
    entryPoints: entries.map((name) => join(from, name)),
    outdir: to,
    sourcemap: true,
    external: ['node:*'],
  });
}

async function main() {
  mkdirSync(join(root, 'build'), { recursive: true });
  cmake('wasm-simd');
  cmake('wasm-relaxed');

  rmSync(dist, { recursive: true, force: true });
  const assets = join(dist, 'assets');
  mkdirSync(assets, { recursive: true });

  say('worker and glue');
  for (const [preset, name] of [
    ['wasm-simd', 'siegel-simd'],
    ['wasm-relaxed', 'siegel-relaxed'],
  ]) {
    const folder = join(root, 'build', preset, 'wasm');
    cpSync(join(folder, `${name}.wasm`), join(assets, `${name}.wasm`));
    // Emscripten's glue has branches for Node; they stay external and unused in browsers.
    await build({
      ...shared,
      entryPoints: [join(folder, `${name}.mjs`)],
      outfile: join(assets, `${name}.mjs`),
      external: ['module', 'node:*', 'fs', 'path', 'url'],
    });
  }
  await build({
    ...shared,
    entryPoints: {
      'siegel-worker': join(root, 'web/media/worker/siegel_worker.ts'),
      'siegel-livekit-worker': join(root, 'web/livekit/worker/siegel_livekit_worker.ts'),
    },
    outdir: assets,
    external: ['./siegel-simd.mjs', './siegel-relaxed.mjs'],
  });

  // For AudioWorklets: the processor, the module without glue, and the weights that set-up made.
  await build({
    ...shared,
    entryPoints: { 'siegel-denoise-worklet': join(root, 'web/effects/worklet/denoise_worklet.ts') },
    outdir: assets,
  });
  cpSync(join(root, 'build/wasm-simd/wasm/siegel-denoise.wasm'), join(assets, 'siegel-denoise.wasm'));
  for (const profile of ['eco', 'hq'])
    cpSync(join(cache, `denoise-2/siegel-denoise-${profile}.bin`), join(assets, `siegel-denoise-${profile}.bin`));

  // The same for cameras: a worker, the module in two builds, and the models.
  await build({
    ...shared,
    entryPoints: { 'siegel-background-worker': join(root, 'web/effects/background/background_worker.ts') },
    outdir: assets,
  });
  for (const variant of ['simd', 'relaxed'])
    cpSync(
      join(root, `build/wasm-${variant}/wasm/siegel-matte-${variant}.wasm`),
      join(assets, `siegel-matte-${variant}.wasm`),
    );
  for (const model of ['landscape', 'square'])
    cpSync(join(cache, `matte-1/siegel-matte-${model}.bin`), join(assets, `siegel-matte-${model}.bin`));
  cpSync(join(root, 'web/effects/background/images'), join(assets, 'backgrounds'), { recursive: true });

  say('drop-in worker for Jitsi');
  await build({
    ...shared,
    entryPoints: { 'lib-jitsi-meet.e2ee-worker': join(root, 'web/jitsi/worker/siegel_jitsi_worker.ts') },
    outdir: join(dist, 'jitsi-worker'),
    // One classic script, with the engine in it.
    format: 'iife',
    alias: { ...shared.alias, '#engine': assets },
    loader: { '.wasm': 'binary' },
    // Stock clients start it from a blob, whose address has no folder; the glue only wants to know one.
    define: { ...shared.define, 'import.meta.url': '"https://engine.invalid/"' },
    external: ['module', 'node:*', 'fs', 'path', 'url'],
  });

  // Served beside our own modules, so that it comes from the same origin and with the right type.
  cpSync(
    join(root, 'node_modules/@matrix-org/matrix-sdk-crypto-wasm/pkg/matrix_sdk_crypto_wasm_bg.wasm'),
    join(assets, 'matrix-sdk-crypto.wasm'),
  );
  cpSync(join(root, 'node_modules/@matrix-org/olm/olm.wasm'), join(assets, 'olm.wasm'));

  say('library and pages');
  for (const name of folders('web')) {
    const entry = join(root, 'web', name, 'index.ts');
    if (existsSync(entry))
      await build({ ...shared, entryPoints: [entry], outfile: join(dist, name, 'index.js'), sourcemap: true });
  }
  for (const name of folders('demo')) await page(join(root, 'demo', name), join(dist, 'demo', name));
  for (const name of existsSync(join(root, 'demo')) ? readdirSync(join(root, 'demo')) : []) {
    const file = join(root, 'demo', name);
    if (statSync(file).isFile() && !name.endsWith('.ts')) cpSync(file, join(dist, name));
  }

  writeManifest();
  if (withTests) {
    say('test pages');
    const site = join(root, 'build', 'test-site');
    rmSync(site, { recursive: true, force: true });
    cpSync(dist, site, { recursive: true });
    for (const from of ['tests/browser/pages', 'tests/matrix/pages']) {
      for (const name of folders(from)) await page(join(root, from, name), join(site, 'tests', name));
    }
    // Beside the product's own page, because only that one may talk to a deployment.
    await page(join(root, 'tests/jitsi/pages'), join(site, 'demo/jitsi'));
  }
  say('done');
}

/** SHA-256 of every file that is served (for reviewers and the verify page), and the SBOM. */
function writeManifest() {
  const files = {};
  const walk = (folder) => {
    for (const name of readdirSync(folder).sort()) {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) walk(path);
      else if (!name.endsWith('.map')) {
        const bytes = readFileSync(path);
        files[relative(dist, path)] = {
          sha256: createHash('sha256').update(bytes).digest('hex'),
          bytes: bytes.length,
          gzip: gzipSync(bytes, { level: 9 }).length,
        };
      }
    }
  };
  walk(dist);
  writeFileSync(join(dist, 'manifest.json'), `${JSON.stringify({ files }, null, 2)}\n`);
  const bom = sbom(root, dist, Object.keys(files), [...inputs]);
  writeFileSync(join(dist, 'sbom.cdx.json'), `${JSON.stringify(bom, null, 2)}\n`);
}

main().catch((error) => {
  console.error(`build failed: ${error.message}`);
  process.exit(1);
});
