#!/usr/bin/env node
// Our drop-in worker against the one that livekit-client publishes, under the unmodified livekit-client on a real LiveKit
// server, in one run, turn by turn; and against two that open nothing: "streams" only passes each frame on, which is what the
// browser costs whatever a worker does; "copies" also takes the bytes out and puts a copy in, as every worker has to.
// Bots (publisher/main.go) publish sealed media; a receiver takes all of it. CPU time is that of the receiver's worker thread
// and main thread, from /proc/<pid>/task/<tid>/schedstat. Judges nothing.
//
//   ./bench livekit                                        everything, 15 to 20 minutes
//   ./bench livekit -- audio 9 25 --rounds 5 --seconds 10   a part of it
//   … --profile                                            also `perf record` of the worker thread into build/reports
import { execFileSync, spawn } from 'node:child_process';
import { hkdfSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from '@playwright/test';
import { matrixHeaders, staticFiles } from '../../../tools/serve.mjs';
import { LiveKit } from '../../servers/matrix/livekit.mjs';
import { reservePorts } from '../../servers/matrix/ports.mjs';
import { serverPrograms } from '../../servers/matrix/stack.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '6' },
    workers: { type: 'string', default: 'worker,published,copies,streams' },
    profile: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const kinds = ['audio', 'video'].filter(
  (kind) => positionals.includes(kind) || !positionals.some((each) => each in { audio: 0, video: 0 }),
);
const asked = positionals.map(Number).filter((count) => count > 0);
const counts = asked.length > 0 ? asked : [1, 9, 25];
const workers = values.workers.split(',');
const stray = positionals.find((each) => !(each in { audio: 0, video: 0 }) && !(Number(each) > 0));
if (stray !== undefined) throw new Error(`not a kind and not a number of senders: ${stray}`);
const kNames = { worker: 'ours', published: 'theirs', copies: 'copies', streams: 'streams' };
/** These open nothing: senders must not seal. They are steady, so they sit out the last round of three. */
const kFloors = ['copies', 'streams'];

/** Code is compiled only after a few hundred frames. */
const kWarmUpFrames = 600;
const kWarmUpMs = { least: 3000, most: 9000 };
/** ms from frame to frame, and frames of a loop. */
const kMedia = { audio: { every: 20, loop: 250 }, video: { every: 1000 / 15, loop: 60 } };

const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--mute-audio',
      '--autoplay-policy=no-user-gesture-required',
      '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1',
    ],
  });

const keyOf = (name) =>
  Array.from({ length: 16 }, (_, i) => (name.length * 31 + name.charCodeAt(name.length - 1) + i) & 255);
/** LiveKit's derivation: HKDF with its salt and 128 zero bytes. */
const aesKeyOf = (name) =>
  Buffer.from(hkdfSync('sha256', Buffer.from(keyOf(name)), 'LKFrameEncryptionKey', Buffer.alloc(128), 16));

// What the machine spends -----------------------------------------------------------------------------------------------

/** The renderer that has a dedicated worker. */
async function findThreads(cdp) {
  const { processInfo } = await cdp.send('SystemInfo.getProcessInfo');
  for (const { type, id } of processInfo) {
    if (type !== 'renderer') continue;
    for (const task of readdirSync(`/proc/${id}/task`)) {
      try {
        const name = readFileSync(`/proc/${id}/task/${task}/comm`, 'utf8');
        if (name.startsWith('DedicatedWorker')) return { process: id, worker: Number(task), main: id };
      } catch {
        // A thread that just ended.
      }
    }
  }
  throw new Error('no process with a worker');
}

function spent({ process, worker, main }) {
  const of = (task) => {
    const [ns] = readFileSync(`/proc/${process}/task/${task}/schedstat`, 'utf8').split(' ').map(Number);
    const switches = /^voluntary_ctxt_switches:\s*(\d+)/m.exec(
      readFileSync(`/proc/${process}/task/${task}/status`, 'utf8'),
    );
    return { ns, wakeUps: Number(switches?.[1] ?? 0) };
  };
  const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1, 9).map(Number);
  const all = fields.reduce((sum, each) => sum + each, 0);
  return { worker: of(worker), main: of(main), idle: fields[3] + fields[4], all };
}

const sorted = (numbers) => [...numbers].sort((a, b) => a - b);
const median = (numbers) => {
  const [all, half] = [sorted(numbers), numbers.length >> 1];
  return all.length % 2 ? all[half] : (all[half - 1] + all[half]) / 2;
};

// Bots ------------------------------------------------------------------------------------------------------------------

class Bots {
  #child;
  /** Set when they ended by themselves: whatever is measured afterwards means nothing. */
  ended;
  static async start(program, job) {
    const bots = new Bots();
    const child = spawn(program, { stdio: ['pipe', 'pipe', 'pipe'] });
    bots.#child = child;
    let said = '';
    child.stderr.on('data', (data) => {
      said = `${said}${data}`.slice(-500);
    });
    const ready = new Promise((resolve, reject) => {
      createInterface(child.stdout).on('line', (line) => line === 'ready' && resolve());
      child.on('exit', (code) => {
        bots.ended = `the bots ended (${code}): ${said}`;
        reject(new Error(bots.ended));
      });
      setTimeout(() => reject(new Error(`the bots did not get ready: ${said}`)), 90_000).unref();
    });
    child.stdin.on('error', () => {});
    child.stdin.write(`${JSON.stringify(job)}\n`);
    try {
      await ready;
    } catch (error) {
      bots.stop();
      throw error;
    }
    return bots;
  }
  send(what) {
    this.#child.stdin.write(`${what}\n`);
  }
  stop() {
    this.#child.kill('SIGKILL');
  }
}

// One turn --------------------------------------------------------------------------------------------------------------

async function measure({ address, url, token, kind, names, worker, label }) {
  const browser = await launch();
  try {
    const page = await (await browser.newContext()).newPage();
    await page.goto(address);
    await page.waitForFunction(() => 'dropin' in globalThis);
    const cdp = await browser.newBrowserCDPSession();
    await page.evaluate((what) => globalThis.dropin.join(what), {
      url,
      token,
      worker,
      keys: names.map((name) => [name, 0, keyOf(name)]),
    });
    const heard = async () =>
      (await page.evaluate(() => globalThis.dropin.received())).filter((each) => each.kind === kind);
    /** Everybody is decoded: sound that is not opened is noise or silence, so only pictures tell. */
    const plays = (each) => (kind === 'video' ? each.framesDecoded > 10 : each.frames > 50 && each.audioEnergy > 1e-4);
    let last = [];
    for (const began = Date.now(); ; await sleep(500)) {
      last = await heard();
      if (last.filter(plays).length === names.length) break;
      if (Date.now() - began > 60_000)
        throw new Error(`${last.filter(plays).length} of ${names.length} senders play under ${worker}`);
    }
    const perSecond = (names.length * 1000) / kMedia[kind].every;
    await sleep(Math.min(kWarmUpMs.most, Math.max(kWarmUpMs.least, (kWarmUpFrames / perSecond) * 1000)));
    const threads = await findThreads(cdp);
    const counted = await heard();
    await sleep(200);
    const before = spent(threads);
    const began = performance.now();
    if (values.profile) {
      mkdirSync(join(root, 'build/reports'), { recursive: true });
      execFileSync(
        'perf',
        [
          'record',
          '-q',
          '-e',
          'cpu-clock',
          '-F',
          '5000',
          '-g',
          '-t',
          String(threads.worker),
          '-o',
          join(root, `build/reports/perf-${label}.data`),
          '--',
          'sleep',
          String(seconds),
        ],
        { stdio: 'ignore' },
      );
    } else await sleep(seconds * 1000);
    const after = spent(threads);
    const elapsed = performance.now() - began;
    await sleep(200);
    // Frames a second by the browser's own clock, so that asking costs nothing within the measured time.
    const rates = (await heard()).map((each) => {
      const first = counted.find(({ identity }) => identity === each.identity);
      return first ? (each.frames - first.frames) / (each.at - first.at) : 0;
    });
    const frames = rates.reduce((sum, rate) => sum + rate * elapsed, 0);
    const per = (which) => (after[which].ns - before[which].ns) / 1e6 / (frames / 1000);
    return {
      worker: per('worker'),
      both: per('worker') + per('main'),
      wakeUps: (after.worker.wakeUps - before.worker.wakeUps) / frames,
      rate: (frames * 1000) / elapsed,
      busy: 1 - (after.idle - before.idle) / (after.all - before.all),
    };
  } finally {
    await browser.close();
  }
}

// All of it -------------------------------------------------------------------------------------------------------------

const kHead =
  'kind   senders  worker    frames/s  busy  wake-ups/frame   worker thread (range)    to theirs   to copies   with main   to theirs   to copies';

function show(kind, count, results) {
  const of = (worker, what) => median(results[worker].map((each) => each[what]));
  const cell = (value, width, digits) => (Number.isFinite(value) ? value.toFixed(digits) : '-').padStart(width);
  for (const worker of workers) {
    if (results[worker].length === 0) {
      console.log(`${kind}  ${String(count).padStart(7)}  ${kNames[worker].padEnd(8)}  not measured`);
      continue;
    }
    const range = sorted(results[worker].map((each) => each.worker));
    const ratio = (to, what) => (results[to]?.length > 0 ? of(worker, what) / of(to, what) : Number.NaN);
    console.log(
      [
        `${kind}  ${String(count).padStart(7)}  ${kNames[worker].padEnd(8)}`,
        cell(of(worker, 'rate'), 8, 0),
        `${cell(of(worker, 'busy') * 100, 4, 0)}%`,
        cell(of(worker, 'wakeUps'), 14, 2),
        `${cell(of(worker, 'worker'), 9, 1)} (${range[0].toFixed(0)}-${range.at(-1).toFixed(0)})`.padEnd(24),
        cell(ratio('published', 'worker'), 9, 2),
        cell(ratio('copies', 'worker'), 9, 2),
        cell(of(worker, 'both'), 10, 1),
        cell(ratio('published', 'both'), 9, 2),
        cell(ratio('copies', 'both'), 9, 2),
      ].join('  '),
    );
  }
}

async function encoded(address, kind) {
  const browser = await launch();
  try {
    const page = await browser.newPage();
    await page.goto(address);
    await page.waitForFunction(() => 'dropin' in globalThis);
    const frames = await page.evaluate(
      ([what, count]) => globalThis.dropin.encode(what, count),
      [kind, kMedia[kind].loop],
    );
    return frames.map(({ data, key }) => ({
      data: Buffer.from(data).toString('base64'),
      clear: kind === 'audio' ? 1 : key ? 10 : 3,
    }));
  } finally {
    await browser.close();
  }
}

async function main() {
  const program = execFileSync(join(root, 'tools/setup/publisher.sh'), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim();
  const binary = join(serverPrograms({ setup: true }), 'livekit-server');
  const folder = mkdtempSync(join(tmpdir(), 'siegel-bench-'));
  const ports = await reservePorts({ signal: 0, udp: 0 }, ['udp']);
  const livekit = new LiveKit({
    binary,
    folder,
    name: 'sfu',
    ports,
    key: 'bench',
    secret: randomBytes(24).toString('hex'),
  });
  await livekit.start();
  const { url } = livekit;
  const server = createServer(
    staticFiles(join(root, 'build/test-site'), matrixHeaders({ connect: [url, url.replace(/^ws/, 'http')] })),
  );
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://localhost:${server.address().port}/tests/dropin/`;
  const report = [];
  let failed = 0;
  let receivers = 0;
  try {
    const version = execFileSync(process.env.CHROMIUM ?? '/usr/bin/chromium', ['--version'], {
      encoding: 'utf8',
    }).trim();
    console.log(
      `${cpus().length} x ${cpus()[0]?.model}; ${version}; LiveKit on loopback; medians of ${rounds} rounds of ${seconds} s`,
    );
    console.log(
      'ms of CPU per 1,000 received frames. streams: frames are passed on; copies: their bytes are taken out and put back. busy: all processors\n',
    );
    console.log(kHead);
    for (const kind of kinds) {
      const frames = await encoded(address, kind);
      for (const count of counts) {
        const room = `bench-${kind}-${count}`;
        let bots;
        try {
          await livekit.makeRoom(room);
          const names = Array.from({ length: count }, (_, i) => `bot-${i}`);
          const list = [];
          for (const name of names)
            list.push({ token: await livekit.token(name, room), key: aesKeyOf(name).toString('base64') });
          const micros = Math.round(kMedia[kind].every * 1000);
          const job = {
            url: url.replace('localhost', '127.0.0.1'),
            kind,
            bots: list,
            frames,
            micros,
          };
          const results = Object.fromEntries(workers.map((worker) => [worker, []]));
          for (let round = 0; round < rounds; round++) {
            for (let turn = 0; turn < workers.length; turn++) {
              const worker = workers[(round + turn) % workers.length];
              if (kFloors.includes(worker) && round > 0 && round === rounds - 1) continue;
              const label = `${kind}-${count}-${worker}`;
              const once = async () => {
                if (bots === undefined || bots.ended) bots = await Bots.start(program, job);
                bots.send(kFloors.includes(worker) ? 'clear' : 'sealed');
                const token = await livekit.token(`receiver-${++receivers}`, room);
                const result = await measure({ address, url, token, kind, names, worker, label });
                if (bots.ended) throw new Error(bots.ended);
                return result;
              };
              // On a busy machine a turn can fail: it is tried once more, then given up, and the rest goes on.
              try {
                results[worker].push(await once().catch(once));
              } catch (error) {
                failed++;
                console.log(`${label}, round ${round + 1}: ${error.message.slice(0, 300)}`);
              }
            }
          }
          show(kind, count, results);
          report.push({ kind, count, results });
        } catch (error) {
          failed++;
          console.log(`${kind}  ${String(count).padStart(7)}  not measured: ${error.message.slice(0, 300)}`);
        } finally {
          bots?.stop();
        }
      }
    }
  } finally {
    server.close();
    await livekit.stop();
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(root, 'build/reports'), { recursive: true });
    writeFileSync(join(root, 'build/reports/bench-livekit.json'), JSON.stringify(report, null, 2));
  }
  if (failed > 0) throw new Error(`${failed} turns failed`);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(`bench livekit: ${error.message.slice(0, 400)}`);
    process.exit(1);
  },
);
