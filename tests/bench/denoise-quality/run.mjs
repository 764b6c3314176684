#!/usr/bin/env node
// Quality of our noise suppression against every peer that npm ships, on the same items. See docs/benchmarks.md.
//   ./bench denoise-quality                                  everything; about an hour the first time, then only what changed
//   ./bench denoise-quality -- --only hq --split dev         compute hq alone; peers are shown as far as they are known
//   --split dev|test|all   settings may be chosen on dev only        --sets A,B,R     a part of the sets
//   --quick                a small part of the items                 --twins          peers with the same network, too
//   --json FILE            all scores and tables                     --list           the items with their hashes, no more
//   --jobs N               threads
// SIEGEL_SPEECH: folder with the VoiceBank-DEMAND pairs and the sequences of set B (default: ../shared/data/speech).
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { delayBetween, fingerprint, systems, through } from '../denoise/systems.mjs';
import { report, table } from './tables.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const here = fileURLToPath(new URL('./', import.meta.url));
const { values: options } = parseArgs({
  options: {
    split: { type: 'string', default: 'all' },
    sets: { type: 'string' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    twins: { type: 'boolean', default: false },
    json: { type: 'string' },
    list: { type: 'boolean', default: false },
    jobs: { type: 'string', default: String(availableParallelism()) },
  },
});
if (!['dev', 'test', 'all'].includes(options.split)) throw new Error('--split is dev, test or all');

const folder = execFileSync(join(root, 'tools/setup/denoise_bench.sh'), ['quality'], {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
}).trim();
const python = join(folder, 'python/bin/python');
const sha = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 24);
};

// --- Items -----------------------------------------------------------------------------------------------------------
const speech = resolve(process.env.SIEGEL_SPEECH ?? join(root, '../shared/data/speech'));
const given = existsSync(speech)
  ? readdirSync(speech)
      .filter((name) => name.endsWith('.flac'))
      .sort()
  : [];
if (given.length === 0)
  console.log(`Without sets A and B: ${speech} is not there (SIEGEL_SPEECH names another folder). All other sets come
out of Debian packages.`);
const kItems = `items-${sha(
  readFileSync(join(here, 'items.py')),
  readFileSync(join(root, 'tools/setup/denoise_bench.sh')),
  ...given.map((name) => readFileSync(join(speech, name))),
)}`;
const itemsFolder = join(folder, kItems);
if (!existsSync(join(itemsFolder, 'items.json'))) {
  console.log('making the items');
  for (const old of readdirSync(folder).filter((name) => name.startsWith('items-')))
    rmSync(join(folder, old), { recursive: true });
  const unfinished = `${itemsFolder}.${process.pid}`;
  execFileSync(python, [join(here, 'items.py'), join(folder, 'debian'), speech, unfinished], { stdio: 'inherit' });
  renameSync(unfinished, itemsFolder);
}
const wanted = options.sets?.split(',');
const first = (list) => new Set([...new Set(list)].slice(0, 2));
const everything = JSON.parse(readFileSync(join(itemsFolder, 'items.json'), 'utf8'));
const items = everything.filter((item) => {
  if (options.split !== 'all' && item.split !== options.split) return false;
  if (wanted && !wanted.includes(item.set)) return false;
  if (!options.quick) return true;
  const alike = everything.filter(({ set, split }) => set === item.set && split === item.split);
  if ('BRF'.includes(item.set) && !first(alike.map(({ cluster }) => cluster)).has(item.cluster)) return false;
  if ('BR'.includes(item.set)) return item.snr === 0 || item.snr === 10;
  return item.set !== 'F' || [-45, -26, -15].includes(item.level);
});
if (options.list) {
  for (const { id, split, hash } of items) console.log(`${hash}  ${split.padEnd(4)}  ${id}`);
  process.exit(0);
}
console.log(
  `${items.length} items (${sha(...items.map(({ id, hash }) => id + hash))}; --list has the hash of each); PESQ-WB, ` +
    'STOI, ESTOI, SI-SDR to 8 kHz, DNSMOS P.835, level above 8.5 kHz, first 80 ms of words',
);

// --- Systems ---------------------------------------------------------------------------------------------------------
const { all, missing } = systems(join(folder, 'peers'));
for (const line of missing) console.log(`not measured: ${line}`);
const only = options.only?.split(',');
for (const name of only ?? [])
  if (!all.some((system) => system.name === name)) throw new Error(`there is no system ${name} (or it is not built)`);
const passage = (() => {
  const { clean } = everything.find(({ id }) => id === 'C/nn/cold');
  const bytes = readFileSync(join(itemsFolder, `${clean}.f32`));
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).slice(0, 4 * 48000);
})();
const results = join(folder, 'results');
const known = (path) => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined);
const keep = (path, value) => {
  writeFileSync(`${path}.${process.pid}`, JSON.stringify(value));
  renameSync(`${path}.${process.pid}`, path);
};
for (const system of all) {
  system.fingerprint = fingerprint(system);
  mkdirSync(join(results, system.name), { recursive: true });
  const path = join(results, system.name, `delay-${sha(system.fingerprint, kItems)}.json`);
  const found = known(path) ?? { delay: delayBetween(passage, await through(system, passage)) };
  keep(path, found);
  system.measured = found.delay;
  if (system.delay !== undefined && Math.abs(system.delay - found.delay) > 8)
    throw new Error(`${system.name}: its delay is ${found.delay} samples here, ${system.delay} were expected`);
}
const noisy = { name: 'noisy', label: 'unprocessed', fingerprint: 'none', measured: 0 };
mkdirSync(join(results, 'noisy'), { recursive: true });

// The same network in another package gives the same sound: said, checked and computed once.
const outputs = new Map();
const alike = [];
for (const system of all.filter(({ twin }) => twin)) {
  const path = join(results, system.name, `twin-${sha(system.fingerprint, system.twin, kItems)}.json`);
  let found = known(path);
  if (!found) {
    const other = all.find(({ name }) => name === system.twin);
    for (const one of [system, other])
      if (!outputs.has(one.name)) outputs.set(one.name, await through(one, passage, { delay: one.measured }));
    const [a, b] = [outputs.get(system.name), outputs.get(other.name)];
    let difference = 1e-12;
    let power = 1e-12;
    for (let i = 0; i < a.length; ++i) {
      difference += (a[i] - b[i]) ** 2;
      power += b[i] ** 2;
    }
    found = { below: 10 * Math.log10(power / difference) };
    keep(path, found);
  }
  alike.push(`${system.package} is the network of ${system.twin} (differs ${found.below.toFixed(0)} dB below it)`);
}
console.log(
  table(
    ['', 'package', 'delay ms'],
    all.map(({ label, package: name, measured }) => [label, name, (measured / 48).toFixed(2)]),
  ),
);
if (!options.twins) console.log(`Not scored again: ${alike.join('; ')}.`);
const compared = [noisy, ...all.filter(({ twin }) => !twin || options.twins)];

// --- Scores ----------------------------------------------------------------------------------------------------------
const scorer = sha(
  readFileSync(join(here, 'score.py')),
  readFileSync(join(root, 'tools/setup/denoise_bench.txt')),
  readFileSync(join(here, 'worker.mjs')),
);
const place = (system, item) =>
  join(results, system.name, `${sha(system.fingerprint, String(system.measured), item.hash, scorer)}.json`);
const scores = new Map();
const jobs = [];
for (const system of compared) {
  for (const item of items) {
    const found = known(place(system, item));
    if (found) scores.set(`${system.name} ${item.id}`, found);
    else if (!only || system.name === 'noisy' || only.includes(system.name)) jobs.push({ system, item });
  }
}
if (jobs.length > 0) {
  const temporary = mkdtempSync(join(tmpdir(), 'siegel-quality-'));
  const begin = Date.now();
  let next = 0;
  let done = 0;
  const total = jobs.length;
  const progress = setInterval(() => {
    const seconds = (Date.now() - begin) / 1000;
    console.error(
      `  ${done} of ${total}, ${seconds.toFixed(0)} s, about ${((seconds / done) * (total - done)).toFixed(0)} s more`,
    );
  }, 30000);
  // Items one after another, all systems for each: the clean sound is then read once.
  jobs.sort((a, b) => a.item.id.localeCompare(b.item.id));
  const workers = Array.from({ length: Math.max(1, Math.min(Number(options.jobs), total)) }, async () => {
    const worker = new Worker(join(here, 'worker.mjs'), {
      workerData: { folder, items: itemsFolder, temporary, python, script: join(here, 'score.py') },
    });
    const failed = new Promise((_, reject) => worker.once('error', reject));
    while (next < total) {
      const id = next++;
      const { system, item } = jobs[id];
      const answer = new Promise((answered) => worker.once('message', answered));
      worker.postMessage({ id, system: system.name, delay: system.measured, item });
      const { scores: found, file } = await Promise.race([answer, failed]);
      unlinkSync(file);
      keep(place(system, item), found);
      scores.set(`${system.name} ${item.id}`, found);
      ++done;
    }
    worker.postMessage = undefined;
    await worker.terminate();
  });
  try {
    await Promise.all(workers);
  } finally {
    clearInterval(progress);
    rmSync(temporary, { recursive: true });
  }
}

const data = report({
  items,
  systems: compared,
  scores: (name, item) => scores.get(`${name} ${item.id}`),
});
if (options.json) {
  const every = compared.map(({ name, label, package: from, fingerprint: code, measured }) => ({
    name,
    label,
    package: from,
    code,
    delay: measured,
    scores: Object.fromEntries(items.map(({ id }) => [id, scores.get(`${name} ${id}`)])),
  }));
  writeFileSync(
    options.json,
    JSON.stringify({ node: process.version, cpu: cpus()[0]?.model, items, systems: every, tables: data }, null, 1),
  );
}
process.exit(0);
