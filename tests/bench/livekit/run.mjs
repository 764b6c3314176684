#!/usr/bin/env node
// Our drop-in worker against the one that livekit-client publishes, under the unmodified livekit-client on a real LiveKit
// server, in one run, turn by turn. Bots in one browser publish sealed media; a receiver in another takes all of it with
// one worker, then with the other, and so on. Prints CPU time of the receiver's worker thread and main thread per 1,000
// frames: from /proc/<pid>/task/<tid>/schedstat, in ns on a processor. Judges nothing.
//   node tools/bench.mjs livekit      SIEGEL_BENCH_SENDERS=1,9,25 SIEGEL_BENCH_ROUNDS=3 SIEGEL_BENCH_SECONDS=6
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from '@playwright/test';
import { matrixHeaders, staticFiles } from '../../../tools/serve.mjs';
import { startStack } from '../../servers/matrix/stack.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const numbers = (text) => text.split(',').map(Number);
const senders = numbers(process.env.SIEGEL_BENCH_SENDERS ?? '1,9,25');
const rounds = Number(process.env.SIEGEL_BENCH_ROUNDS ?? 3);
const seconds = Number(process.env.SIEGEL_BENCH_SECONDS ?? 6);
const workers = ['worker', 'published'];

const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--mute-audio',
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      '--autoplay-policy=no-user-gesture-required',
      '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1',
    ],
  });

const keyOf = (name) =>
  Array.from({ length: 16 }, (_, i) => (name.length * 31 + name.charCodeAt(name.length - 1) + i) & 255);

/** ns on a processor so far, by thread name: the dedicated worker and the main thread of the process that has one. */
async function threads(cdp) {
  const { processInfo } = await cdp.send('SystemInfo.getProcessInfo');
  for (const { type, id } of processInfo) {
    if (type !== 'renderer') continue;
    const found = { worker: 0, main: 0, all: 0 };
    for (const task of readdirSync(`/proc/${id}/task`)) {
      try {
        const name = readFileSync(`/proc/${id}/task/${task}/comm`, 'utf8').trim();
        const spent = Number(readFileSync(`/proc/${id}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
        found.all += spent;
        if (name.startsWith('DedicatedWorker')) found.worker += spent;
        else if (Number(task) === id) found.main += spent;
      } catch {
        // A thread that just ended.
      }
    }
    if (found.worker > 0) return found;
  }
  throw new Error('no process with a worker');
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

async function main() {
  const stack = await startStack();
  const { url } = stack.livekit;
  const server = createServer(
    staticFiles(join(root, 'build/test-site'), matrixHeaders({ connect: [url, url.replace(/^ws/, 'http')] })),
  );
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://localhost:${server.address().port}/tests/dropin/`;
  const open = async (browser) => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(address);
    await page.waitForFunction(() => 'dropin' in globalThis);
    return page;
  };
  const enter = async (page, room, identity, options) =>
    page.evaluate((what) => globalThis.dropin.join(what), {
      url,
      token: await stack.livekit.token(identity, room),
      worker: 'worker',
      keys: [[identity, 0, keyOf(identity)]],
      ...options,
    });
  try {
    console.log(
      `${cpus().length} x ${cpus()[0]?.model}; Chromium, LiveKit on loopback; ${rounds} rounds of ${seconds} s, medians`,
    );
    console.log('ms of CPU per 1,000 received frames\n');
    console.log(
      'kind   senders  frames/s   worker thread: ours  theirs  ours/theirs   worker + main: ours  theirs  ours/theirs',
    );
    for (const kind of ['audio', 'video']) {
      for (const count of senders) {
        const room = `bench-${kind}-${count}`;
        await stack.livekit.makeRoom(room);
        const bots = await launch();
        const publisher = await open(bots);
        const names = Array.from({ length: count }, (_, i) => `bot-${i}`);
        for (const name of names)
          await enter(publisher, room, name, {
            publish: { audio: kind === 'audio', video: kind === 'video' },
            subscribe: false,
          });
        const results = { worker: [], published: [] };
        for (let round = 0; round < rounds; round++) {
          for (const worker of round % 2 ? [...workers].reverse() : workers) {
            const browser = await launch();
            const page = await open(browser);
            const cdp = await browser.newBrowserCDPSession();
            await enter(page, room, `receiver-${worker}-${round}`, {
              worker,
              keys: names.map((name) => [name, 0, keyOf(name)]),
            });
            const frames = async () => {
              const heard = (await page.evaluate(() => globalThis.dropin.received())).filter(
                (each) => each.kind === kind,
              );
              return { tracks: heard.length, frames: heard.reduce((sum, each) => sum + each.frames, 0), heard };
            };
            const playing = async () => {
              const { heard } = await frames();
              return (
                heard.filter((each) => (kind === 'video' ? each.framesDecoded > 5 : each.frames > 50)).length === count
              );
            };
            for (let tries = 0; !(await playing()); tries++) {
              if (tries > 60) throw new Error(`${kind}, ${count} senders, ${worker}: not everybody is received`);
              await sleep(500);
            }
            await sleep(1500);
            const [before, spentBefore] = [await frames(), await threads(cdp)];
            await sleep(seconds * 1000);
            const [after, spent] = [await frames(), await threads(cdp)];
            const number = after.frames - before.frames;
            const per = (name) => (spent[name] - spentBefore[name]) / 1e6 / (number / 1000);
            results[worker].push({ worker: per('worker'), main: per('main'), rate: number / seconds });
            await browser.close();
          }
        }
        await bots.close();
        const of = (worker, what) => median(results[worker].map(what));
        const [ours, theirs] = workers.map((each) => of(each, ({ worker }) => worker));
        const [oursBoth, theirsBoth] = workers.map((each) => of(each, ({ worker, main }) => worker + main));
        const cell = (value, width, digits = 1) => value.toFixed(digits).padStart(width);
        console.log(
          `${kind}  ${String(count).padStart(7)}  ${cell(
            of('worker', ({ rate }) => rate),
            8,
            0,
          )}   ` +
            `${cell(ours, 19)}  ${cell(theirs, 6)}  ${cell(ours / theirs, 11, 2)}   ` +
            `${cell(oursBoth, 19)}  ${cell(theirsBoth, 6)}  ${cell(oursBoth / theirsBoth, 11, 2)}`,
        );
      }
    }
  } finally {
    server.close();
    await stack.close();
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(`bench livekit: ${error.message.slice(0, 400)}`);
    process.exit(1);
  },
);
