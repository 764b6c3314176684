#!/usr/bin/env node
// What noise suppression costs: ours and every peer that npm ships, each out of its own package, in one process on the same
// sound, turn by turn. Prints milliseconds for 10 ms of sound, bytes that a page loads, and delay. See docs/benchmarks.md.
//   ./bench denoise
//   ./bench denoise -- --rounds 60 --seconds 2     turns of each, and how much sound a turn has
//   ./bench denoise -- --only hq,jitsi             some of them
//   ./bench denoise -- --wav FILE                  on this sound (48 kHz) instead of a made-up voice in noise
//   ./bench denoise -- --json FILE
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { readWav } from '../../../tools/denoise/wav.mjs';
import { mean, quantile } from '../denoise-quality/statistics.mjs';
import { table } from '../denoise-quality/tables.mjs';
import { delayBetween, systems, through } from './systems.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const kRate = 48000;
const kTen = 480; // samples of 10 ms
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '40' },
    seconds: { type: 'string', default: '2' },
    only: { type: 'string' },
    wav: { type: 'string' },
    json: { type: 'string' },
  },
});
const [rounds, seconds] = [Number(options.rounds), Number(options.seconds)];
if (!(rounds >= 1 && seconds >= 0.1)) throw new Error('--rounds is at least 1, --seconds at least 0.1');

/** A voice with syllables and pauses in noise, the same in every run. */
function voiceInNoise(length) {
  let state = 1;
  const chance = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const samples = new Float32Array(length);
  let [phase, hum] = [0, 0];
  for (let i = 0; i < length; ++i) {
    const t = i / kRate;
    phase += (2 * Math.PI * (130 + 25 * Math.sin(2 * Math.PI * 0.7 * t))) / kRate;
    const syllable = Math.max(0, Math.sin(2 * Math.PI * 3.1 * t)) * (t % 4 < 2.8 ? 1 : 0);
    let voice = 0;
    for (let n = 1; n <= 24; ++n) voice += Math.sin(n * phase) / n ** (1.1 + 0.4 * Math.sin(2 * Math.PI * 1.3 * t));
    hum = 0.95 * hum + 0.05 * chance();
    samples[i] = 0.08 * voice * syllable + 0.01 * chance() + 0.1 * hum;
  }
  return samples;
}

function sound() {
  if (!options.wav) return voiceInNoise(rounds * seconds * kRate);
  const { rate, channels } = readWav(readFileSync(options.wav));
  if (rate !== kRate) throw new Error(`${options.wav} has ${rate} Hz; this benchmark takes 48,000 Hz`);
  return channels[0];
}

const folder = execFileSync(join(root, 'tools/setup/denoise_bench.sh'), ['peers'], {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
}).trim();
const { all, missing } = systems(join(folder, 'peers'));
for (const line of missing) console.log(`not measured: ${line}`);
const only = options.only?.split(',');
for (const name of only ?? [])
  if (!all.some((system) => system.name === name)) throw new Error(`there is no system ${name} (or it is not built)`);

const input = sound();
const passage = voiceInNoise(3 * kRate);
const contenders = [];
for (const system of all.filter(({ name }) => !only || only.includes(name))) {
  const delay = delayBetween(passage, await through(system, passage));
  // What a module costs once, from its bytes to the first frame, is in no turn; nor is what is compiled late.
  const run = await (await system.open())();
  const frame = new Float32Array(system.frame);
  for (let at = 0; at + system.frame <= passage.length; at += system.frame) {
    frame.set(passage.subarray(at, at + system.frame));
    run(frame);
  }
  const [bytes, gzipped] = system.files
    .map((file) => readFileSync(file))
    .reduce(([raw, zipped], file) => [raw + file.length, zipped + gzipSync(file, { level: 9 }).length], [0, 0]);
  contenders.push({ system, run, frame, delay, bytes, gzipped, at: 0, turns: [], frames: [] });
}

// One turn: so many seconds of the sound, where this one left it. Frames are timed one by one.
function turn(contender) {
  const { run, frame, frames } = contender;
  const count = Math.round((seconds * kRate) / frame.length);
  let spent = 0;
  for (let i = 0; i < count; ++i) {
    if (contender.at + frame.length > input.length) contender.at = 0;
    frame.set(input.subarray(contender.at, contender.at + frame.length));
    contender.at += frame.length;
    const begin = process.hrtime.bigint();
    run(frame);
    const took = Number(process.hrtime.bigint() - begin) / 1e6;
    spent += took;
    frames.push(took);
  }
  contender.turns.push((spent / count) * (kTen / frame.length));
}

const shuffled = (list) => {
  const mixed = [...list];
  for (let i = mixed.length - 1; i > 0; --i) {
    const j = Math.floor(Math.random() * (i + 1));
    [mixed[i], mixed[j]] = [mixed[j], mixed[i]];
  }
  return mixed;
};
const load = loadavg()[0];
for (let round = 0; round < rounds; ++round) for (const contender of shuffled(contenders)) turn(contender);

const byName = (name) => contenders.find(({ system }) => system.name === name);
/** Round by round, so that a busy moment of the machine hits both. */
const ratio = (one, other) =>
  one && other
    ? quantile(
        one.turns.map((t, i) => t / other.turns[i]),
        0.5,
      )
    : undefined;

console.log(
  `${rounds} turns of ${seconds} s each; Node ${process.version}; ${cpus().length} x ${cpus()[0]?.model}; load before: ${load.toFixed(1)}
ms for 10 ms of sound; p99 of single calls, and how much sound a call has; sizes of what a page loads for it`,
);
const rows = contenders.map(({ system, turns, frames, bytes, gzipped, delay }) => [
  system.label,
  mean(turns).toFixed(3),
  quantile(turns, 0.5).toFixed(3),
  quantile(frames, 0.99).toFixed(3),
  ((system.frame / kRate) * 1000).toFixed(1),
  (delay / 48).toFixed(1),
  (bytes / 1000).toFixed(0),
  (gzipped / 1000).toFixed(0),
]);
console.log(table(['', 'mean', 'median', 'p99', 'call ms', 'delay ms', 'kB', 'kB gz'], rows));

const neural = contenders.filter(({ system }) => system.neural && !system.ours);
const cheapest =
  neural.length > 0 ? neural.reduce((a, b) => (quantile(b.turns, 0.5) < quantile(a.turns, 0.5) ? b : a)) : undefined;
const against = [
  ['eco', cheapest, '< 1'],
  ['eco', byName('jitsi')],
  ['hq', byName('jitsi'), '<= 0.45'],
  ['hq', byName('shiguredo'), '<= 0.22'],
  ['hq', byName('sapphi-gtcrn')],
];
console.log('\nRatios, medians over the rounds:');
const ratios = {};
for (const [name, peer, target] of against) {
  const value = ratio(byName(name), peer);
  if (value === undefined) continue;
  ratios[`${name} / ${peer.system.name}`] = value;
  console.log(`  ${name} / ${peer.system.label}: ${value.toFixed(3)}${target ? `   (target ${target})` : ''}`);
}
if (options.json) {
  const results = contenders.map(({ system, turns, frames, bytes, gzipped, delay }) => ({
    name: system.name,
    package: system.package,
    mean: mean(turns),
    median: quantile(turns, 0.5),
    p99: quantile(frames, 0.99),
    frame: system.frame,
    delay,
    bytes,
    gzipped,
  }));
  writeFileSync(
    options.json,
    JSON.stringify({ node: process.version, cpu: cpus()[0]?.model, results, ratios }, null, 1),
  );
}
process.exit(0);
