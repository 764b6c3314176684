/**
 * CPU time of the receiver's worker thread for each 1,000 frames: our drop-in worker and the stock one, in one run, turn by turn,
 * on the same kind of streams. One browser seals (always with our worker) and sends, another one receives over a loopback
 * connection, takes, opens and plays all of it through `RTCRtpScriptTransform`, as stock clients do. Time is the kernel's
 * (/proc/…/schedstat), so waking up, streams and garbage collection are in it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, chromium, type Page } from '@playwright/test';
import { clientFolder } from '../../jitsi/support/genuine.mjs';

const kRoot = join(import.meta.dirname, '../../..');
const kWorker = 'lib-jitsi-meet.e2ee-worker.js';
const kKinds = ['audio', 'video'] as const;
type Kind = (typeof kKinds)[number];
type Which = 'ours' | 'stock';

const option = (given: readonly string[], name: string, otherwise: string): string => {
  const at = given.indexOf(`--${name}`);
  return at >= 0 ? (given[at + 1] ?? otherwise) : otherwise;
};

const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--mute-audio',
      '--autoplay-policy=no-user-gesture-required',
      '--disable-features=WebRtcHideLocalIpsWithMdns',
    ],
  });

/** What the pages do; runs there. */
function install(): void {
  const state: { connection?: RTCPeerConnection; worker?: Worker } = {};
  const open = (script: string, senders: number): { connection: RTCPeerConnection; worker: Worker } => {
    const worker = new Worker(script);
    for (let index = 0; index < senders; ++index) {
      const key = new Uint8Array(32).fill(index + 1);
      worker.postMessage({ operation: 'setKey', participantId: `p${index}`, key, keyIndex: 0 });
    }
    const connection = new RTCPeerConnection();
    Object.assign(state, { connection, worker });
    return { connection, worker };
  };
  const gathered = async (connection: RTCPeerConnection): Promise<string> => {
    while (connection.iceGatheringState !== 'complete') await new Promise((done) => setTimeout(done, 20));
    return connection.localDescription?.sdp ?? '';
  };
  const transform = (worker: Worker, operation: string, participantId: string): RTCRtpScriptTransform =>
    new RTCRtpScriptTransform(worker, { operation, participantId });
  Object.assign(globalThis, {
    bench: {
      async send(kind: string, senders: number): Promise<string> {
        const { connection, worker } = open('/ours.js', senders);
        const audio = new AudioContext();
        for (let index = 0; index < senders; ++index) {
          let track: MediaStreamTrack | undefined;
          if (kind === 'audio') {
            const tone = new OscillatorNode(audio, { frequency: 200 + 40 * index });
            const out = audio.createMediaStreamDestination();
            tone.connect(out);
            tone.start();
            [track] = out.stream.getAudioTracks();
          } else {
            const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
            const context = canvas.getContext('2d') as CanvasRenderingContext2D;
            let count = 0;
            setInterval(() => {
              context.fillStyle = `hsl(${(++count * 7 + index * 30) % 360} 70% 50%)`;
              context.fillRect((count * 5) % 320, (count * 3) % 180, 60, 60);
            }, 1000 / 15);
            [track] = canvas.captureStream(15).getVideoTracks();
          }
          const { sender } = connection.addTransceiver(track as MediaStreamTrack, { direction: 'sendonly' });
          sender.transform = transform(worker, 'encode', `p${index}`);
        }
        if (kind === 'video') {
          const codecs = RTCRtpReceiver.getCapabilities('video')?.codecs.filter(({ mimeType }) =>
            /vp8|rtx/i.test(mimeType),
          );
          for (const one of connection.getTransceivers()) one.setCodecPreferences(codecs ?? []);
        }
        await connection.setLocalDescription();
        return gathered(connection);
      },
      async receive(script: string, senders: number, sdp: string): Promise<string> {
        const { connection, worker } = open(script, senders);
        await connection.setRemoteDescription({ type: 'offer', sdp });
        for (const [index, { receiver }] of connection.getTransceivers().entries()) {
          receiver.transform = transform(worker, 'decode', `p${index}`);
          const element = document.createElement(receiver.track.kind) as HTMLMediaElement;
          element.autoplay = true;
          element.srcObject = new MediaStream([receiver.track]);
          document.body.append(element);
        }
        await connection.setLocalDescription();
        return gathered(connection);
      },
      answered: (sdp: string) => state.connection?.setRemoteDescription({ type: 'answer', sdp }),
      async received(): Promise<Array<{ frames: number; good: boolean }>> {
        const result: Array<{ frames: number; good: boolean }> = [];
        for (const [, entry] of (await state.connection?.getStats()) ?? []) {
          if (entry.type !== 'inbound-rtp') continue;
          result.push({
            frames: entry.kind === 'video' ? entry.framesReceived : entry.packetsReceived,
            good: entry.kind === 'video' ? entry.framesDecoded > 5 : entry.totalAudioEnergy > 1e-3,
          });
        }
        return result;
      },
    },
  });
}
declare const bench: {
  send(kind: string, senders: number): Promise<string>;
  receive(script: string, senders: number, sdp: string): Promise<string>;
  answered(sdp: string): Promise<void>;
  received(): Promise<Array<{ frames: number; good: boolean }>>;
};

function workerThread(pids: readonly number[]): { pid: number; task: string } {
  for (const pid of pids) {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const name = readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8');
      if (name.startsWith('DedicatedWorker')) return { pid, task };
    }
  }
  throw new Error('no thread of a worker');
}
const spent = ({ pid, task }: { pid: number; task: string }): number =>
  Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);

async function turn(origin: string, kind: Kind, senders: number, which: Which, seconds: number): Promise<number> {
  const [one, other] = [await launch(), await launch()];
  try {
    const open = async (browser: Browser): Promise<Page> => {
      const page = await browser.newPage();
      await page.goto(origin);
      await page.evaluate(install);
      return page;
    };
    const [sender, receiver] = [await open(one), await open(other)];
    const offer = await sender.evaluate(([k, n]) => bench.send(k, n), [kind, senders] as const);
    const answer = await receiver.evaluate(([script, n, sdp]) => bench.receive(script, n, sdp), [
      `/${which}.js`,
      senders,
      offer,
    ] as const);
    await sender.evaluate((sdp) => bench.answered(sdp), answer);
    const began = Date.now();
    for (;;) {
      const all = await receiver.evaluate(() => bench.received());
      if (all.length === senders && all.every(({ good }) => good)) break;
      if (Date.now() - began > 60_000) throw new Error(`not everybody plays under ${which}: ${JSON.stringify(all)}`);
      await sleep(300);
    }
    // Code is compiled only after a while.
    await sleep(5000);
    const cdp = await other.newBrowserCDPSession();
    const { processInfo } = (await cdp.send('SystemInfo.getProcessInfo')) as {
      processInfo: Array<{ type: string; id: number }>;
    };
    const thread = workerThread(processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id));
    const frames = async (): Promise<number> =>
      (await receiver.evaluate(() => bench.received())).reduce((sum, each) => sum + each.frames, 0);
    const [framesBefore, timeBefore] = [await frames(), spent(thread)];
    await sleep(seconds * 1000);
    const [timeAfter, framesAfter] = [spent(thread), await frames()];
    return (timeAfter - timeBefore) / 1e6 / ((framesAfter - framesBefore) / 1000);
  } finally {
    await one.close();
    await other.close();
  }
}

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[half] as number) : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2;
};

export async function run(given: readonly string[]): Promise<void> {
  const counts = option(given, 'senders', '9,25').split(',').map(Number);
  const rounds = Number(option(given, 'rounds', '3'));
  const seconds = Number(option(given, 'seconds', '8'));
  const files: Record<string, string> = {
    '/ours.js': join(kRoot, 'dist/jitsi-worker', kWorker),
    '/stock.js': join(clientFolder('lyno'), kWorker),
  };
  const server = createServer((request, response) => {
    const file = files[request.url ?? ''];
    response.writeHead(200, { 'Content-Type': file ? 'text/javascript' : 'text/html' });
    response.end(file ? readFileSync(file) : '<!doctype html><title>bench</title>');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  console.log(
    `${cpus()[0]?.model}, ${cpus().length} cores; ms of worker thread for 1,000 frames, medians of ${rounds} rounds of ${seconds} s`,
  );
  try {
    for (const kind of kKinds) {
      for (const senders of counts) {
        const results: Record<Which, number[]> = { ours: [], stock: [] };
        for (let round = 0; round < rounds; ++round) {
          for (const which of round % 2 ? (['stock', 'ours'] as const) : (['ours', 'stock'] as const))
            results[which].push(await turn(origin, kind, senders, which, seconds));
        }
        const range = (which: Which): string => {
          const sorted = [...results[which]].sort((a, b) => a - b);
          return `${median(sorted).toFixed(0)} (${sorted[0]?.toFixed(0)}-${sorted.at(-1)?.toFixed(0)})`;
        };
        const ratio = median(results.ours) / median(results.stock);
        console.log(
          `${kind}  ${String(senders).padStart(2)} senders  ours ${range('ours').padEnd(16)} stock ${range('stock').padEnd(16)} ratio ${ratio.toFixed(2)}`,
        );
      }
    }
  } finally {
    server.close();
  }
}
