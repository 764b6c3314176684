#!/usr/bin/env node
// Runs the benchmarks of tests/bench. Called by ./bench after set-up.
//   node tools/bench.mjs [name…] [-- option…]      a name is a folder or a .mjs file in tests/bench; options go to each of them
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(root, 'tests/bench');
const all = readdirSync(folder, { withFileTypes: true })
  .filter((entry) =>
    entry.isDirectory() ? existsSync(join(folder, entry.name, 'run.mjs')) : entry.name.endsWith('.mjs'),
  )
  .map((entry) => entry.name.replace(/\.mjs$/, ''));
const given = process.argv.slice(2);
const split = given.includes('--') ? given.indexOf('--') : given.length;
const [asked, options] = [given.slice(0, split), given.slice(split + 1)];
const unknown = asked.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`unknown benchmark: ${unknown.join(', ')}. There are: ${all.join(' ')}`);
  process.exit(2);
}
execFileSync(process.execPath, ['tools/build.mjs', '--tests'], { cwd: root, stdio: 'inherit' });
let status = 0;
for (const name of asked.length > 0 ? asked : all) {
  console.log(`\n== ${name}`);
  const single = join(folder, `${name}.mjs`);
  const script = existsSync(single) ? single : join(folder, name, 'run.mjs');
  const { status: code } = spawnSync(process.execPath, [script, ...options], { cwd: root, stdio: 'inherit' });
  if (code !== 0) status = 1;
}
process.exit(status);
