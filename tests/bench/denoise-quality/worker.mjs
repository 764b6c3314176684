// One of the threads of ./bench denoise-quality: sends a passage through a system and has the result scored.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parentPort, workerData } from 'node:worker_threads';
import { systems, through } from '../denoise/systems.mjs';

const { folder, items, temporary, python, script } = workerData;
const kRate = 48000;
const { all } = systems(join(folder, 'peers'));

const scorer = spawn(python, [script, join(folder, 'dnsmos.onnx')], { stdio: ['pipe', 'pipe', 'inherit'] });
const answers = createInterface({ input: scorer.stdout })[Symbol.asyncIterator]();

const read = (name, gain) => {
  const bytes = readFileSync(join(items, `${name}.f32`));
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).map((sample) => sample * gain);
};

parentPort.on('message', async ({ id, system: name, delay, item }) => {
  const input = read(item.input, item.gain);
  let output = input;
  if (name !== 'noisy') {
    const before = item.before === 'same' ? input : item.before && read(item.before, item.gain);
    output = await through(
      all.find((system) => system.name === name),
      input,
      { delay, before },
    );
  }
  const path = join(temporary, `${id}.f32`);
  writeFileSync(path, new Uint8Array(output.buffer, output.byteOffset, output.byteLength));
  const job = {
    output: path,
    clean: join(items, `${item.clean}.f32`),
    input: join(items, `${item.input}.f32`),
    gain: item.gain,
    start: item.start * kRate,
    scores: item.scores,
  };
  scorer.stdin.write(`${JSON.stringify(job)}\n`);
  const { value, done } = await answers.next();
  if (done) throw new Error('the scorer ended (its error stands above)');
  parentPort.postMessage({ id, scores: JSON.parse(value), file: path });
});
parentPort.once('close', () => scorer.stdin.end());
