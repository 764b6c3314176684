#!/usr/bin/env node
// Jitsi: our worker against the stock one; joining until the first decoded frame; bytes of signalling for each who joins.
//   ./bench jitsi                                           everything, about 15 minutes
//   ./bench jitsi -- workers --senders 9,25 --rounds 5      a part of it: workers, join, bytes
// See workers.ts and joining.ts. Prints and judges nothing.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../bundle.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const parts = ['workers', 'join', 'bytes'];
const given = process.argv.slice(2);
const asked = given.filter((one) => parts.includes(one));
const stray = given.find(
  (one, at) => !parts.includes(one) && !one.startsWith('--') && !given[at - 1]?.startsWith('--'),
);
if (stray !== undefined) throw new Error(`unknown part: ${stray}. There are: ${parts.join(' ')}`);

const part = (name) =>
  bundle(fileURLToPath(new URL(`./${name}.ts`, import.meta.url)), join(root, `build/bench-jitsi/${name}.mjs`), {
    packages: 'external',
  });

const wanted = asked.length > 0 ? asked : parts;
if (wanted.includes('workers')) await (await part('workers')).run(given);
if (wanted.includes('join')) await (await part('joining')).join(given);
if (wanted.includes('bytes')) await (await part('joining')).bytes(given);
