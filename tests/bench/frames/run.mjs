// Ours and the peers on the same frames, interleaved in one run, in a dedicated worker of a real browser.
//
//   node tests/bench/frames/run.mjs [chromium] [firefox] [--effort 1]
//
// Prints medians, 99th percentiles and ratios, and against which target each stands; writes build/reports/bench-frames.json.
// Needs dist/ (./bench builds it first) and the browsers of the distribution.
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, firefox } from '@playwright/test';
import * as esbuild from 'esbuild';
import { staticFiles } from '../../../tools/serve.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const site = join(root, 'build/bench-frames');
const args = process.argv.slice(2);
const at = args.indexOf('--effort');
const effort = at >= 0 ? Number(args[at + 1]) : 1;
if (!(effort > 0 && effort <= 100)) throw new Error('--effort takes a number above 0');
const asked = args.filter((each) => each === 'chromium' || each === 'firefox');
const names = asked.length > 0 ? asked : ['chromium', 'firefox'];

/** At most this share of the peer's time. */
const kTargets = {
  chromium: { crypto: 1 / 4, path: 1 / 3 },
  firefox: { crypto: 1 / 12, path: 1 / 8 },
};
const kForgedMicros = 10;

async function buildSite() {
  rmSync(site, { recursive: true, force: true });
  mkdirSync(site, { recursive: true });
  const assets = join(root, 'dist/assets');
  for (const name of readdirSync(assets)) {
    if (/^siegel-(simd|relaxed)\.(mjs|wasm)$/.test(name)) cpSync(join(assets, name), join(site, name));
  }
  cpSync(
    join(root, 'node_modules/livekit-client/dist/livekit-client.e2ee.worker.mjs'),
    join(site, 'livekit-client.e2ee.worker.mjs'),
  );
  const here = fileURLToPath(new URL('./', import.meta.url));
  cpSync(join(here, 'index.html'), join(site, 'index.html'));
  await esbuild.build({
    entryPoints: [join(here, 'page.ts'), join(here, 'bench_worker.ts')],
    outdir: site,
    bundle: true,
    format: 'esm',
    minify: true,
    target: ['chrome114', 'firefox117'],
    logLevel: 'warning',
  });
}

/** The product's headers, and isolation: it makes the browsers' clocks finer. */
async function serve() {
  const handler = staticFiles(site, { 'Cross-Origin-Embedder-Policy': 'require-corp' });
  const server = createServer((request, response) => void handler(request, response));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://localhost:${server.address().port}/`, close: () => server.close() };
}

function launch(name) {
  if (name === 'chromium')
    return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  return firefox.launch({
    executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
    channel: 'moz-firefox',
    // Otherwise the clock is rounded to 1 ms (20 µs when isolated) and jittered.
    firefoxUserPrefs: { 'privacy.reduceTimerPrecision': false },
  });
}

const ratio3 = (value) => value.toFixed(3);
const fixed = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const cell = ({ median, p99 }) => `${fixed(median).padStart(7)} (${fixed(p99).padStart(6)})`;
const bytes = (size) => (size < 1000 ? `${size} B` : size % 1024 === 0 ? `${size / 1024} KiB` : `${size / 1000} kB`);
const both = (row, name, figure = 'median') => row.seal[name][figure] + row.open[name][figure];

function judge(what, value, limit, unit = '') {
  const show = unit === '' ? ratio3 : fixed;
  return {
    what,
    value,
    limit,
    met: value <= limit,
    text: `${what}: ${show(value)}${unit}, target ≤ ${show(limit)}${unit}`,
  };
}

function print(name, report, version) {
  const { thresholds } = report;
  const from = (size) => (Number.isFinite(size) && size !== null ? `${size} B` : 'never');
  console.log(`\n### ${version}, dedicated worker, headless; ${cpus()[0]?.model.trim()}, ${cpus().length} cores`);
  console.log(
    `engine ${report.variant}; WebCrypto from ${from(thresholds.seal)} (seal), ${from(thresholds.open)} (open), calibrated in ` +
      `${report.calibrationMs.toFixed(0)} ms; clock step ${fixed(report.clock)} µs; ${report.checks} frames opened across ` +
      `implementations; load ${loadavg()[0].toFixed(1)}`,
  );
  const judgements = [];
  const target = kTargets[name];
  for (const way of ['seal', 'open']) {
    console.log(`\n${way}, with all copies: µs a frame, median (p99)`);
    const contenders = Object.keys(report.crypto[0][way]);
    console.log(`${'size'.padEnd(8)}${contenders.map((each) => each.padStart(22)).join('')}`);
    for (const row of report.crypto)
      console.log(
        `${bytes(row.size).padEnd(8)}${contenders.map((each) => cell(row[way][each]).padStart(22)).join('')}`,
      );
  }
  console.log(
    '\nseal + open, ours as a share of the peer’s: medians (tenth percentiles: what is left on a busy machine)',
  );
  for (const row of report.crypto) {
    const ratios = ['Jitsi', 'LiveKit'].map((peer) => [
      peer,
      both(row, 'ours') / both(row, peer),
      both(row, 'ours', 'quiet') / both(row, peer, 'quiet'),
    ]);
    console.log(
      `${bytes(row.size).padEnd(8)}${ratios.map(([peer, ratio, quiet]) => `${peer} ${ratio.toFixed(3)} (${quiet.toFixed(3)})`.padStart(26)).join('')}`,
    );
    for (const [peer, ratio] of ratios) {
      const limit = row.size === 100 ? target.crypto : 1;
      judgements.push(judge(`seal+open ${bytes(row.size)} against ${peer}`, ratio, limit));
    }
  }
  console.log('\nwhole worker, stream to stream: µs a frame, median (p99 of single frames)');
  for (const row of report.path) {
    const peers = Object.keys(row.seal);
    for (const way of ['seal', 'open'])
      console.log(
        `${`${row.name}, ${way}`.padEnd(28)}${peers.map((peer) => `${peer} ${cell(row[way][peer])}`.padStart(31)).join('')}`,
      );
    for (const peer of peers.filter((each) => each !== 'ours' && each !== 'streams alone')) {
      const ratio = both(row, 'ours') / both(row, peer);
      const limit = row.name.startsWith('audio') ? target.path : 1;
      console.log(
        `${''.padEnd(28)}seal + open, ours / ${peer}: ${ratio.toFixed(3)} (${(both(row, 'ours', 'quiet') / both(row, peer, 'quiet')).toFixed(3)})`,
      );
      judgements.push(judge(`worker path ${row.name} against ${peer}`, ratio, limit));
    }
  }
  console.log('\nforged frame: µs, median (p99)');
  for (const { size, cost } of report.forged) {
    console.log(
      `${bytes(size).padEnd(8)}${Object.entries(cost)
        .map(([who, value]) => `${who} ${cell(value)}`.padStart(28))
        .join('')}`,
    );
    judgements.push(judge(`forged frame of ${bytes(size)}`, cost.ours.median, kForgedMicros, ' µs'));
  }
  console.log('\ntargets');
  for (const { met, text } of judgements) console.log(`  ${met ? 'met    ' : 'NOT MET'}  ${text}`);
  return judgements;
}

await buildSite();
const server = await serve();
const results = {};
let broken = false;
try {
  for (const name of names) {
    const browser = await launch(name);
    try {
      const page = await browser.newPage();
      page.on('console', (message) => {
        if (message.type() === 'error') console.error(`${name}: ${message.text()}`);
      });
      await page.goto(server.url);
      let shown = '';
      const ticker = setInterval(async () => {
        const text = await page.evaluate(() => globalThis.siegelBench.progress).catch(() => '');
        if (text === shown) return;
        shown = text;
        process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${name}: ${text}` : `${name}: ${text}\n`);
      }, 1000);
      const report = await page
        .evaluate((value) => globalThis.siegelBench.run(value), effort)
        .finally(() => clearInterval(ticker));
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
      const version = `${name === 'chromium' ? 'Chromium' : 'Firefox'} ${browser.version()}`;
      results[name] = { version, report, judgements: print(name, report, version) };
    } catch (error) {
      broken = true;
      console.error(`${name}: ${error.message}`);
    } finally {
      await browser.close();
    }
  }
} finally {
  server.close();
}
mkdirSync(join(root, 'build/reports'), { recursive: true });
writeFileSync(join(root, 'build/reports/bench-frames.json'), `${JSON.stringify(results, null, 1)}\n`);
process.exit(broken ? 1 : 0);
