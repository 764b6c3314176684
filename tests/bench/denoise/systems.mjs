// What can be compared: ours as it is shipped (dist/assets), and the peers. Every passage gets a fresh instance.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { peers } from './peers.mjs';

const root = new URL('../../../', import.meta.url).pathname;

/** Numbers of siegel/denoise/denoiser.h. */
const kProfiles = { eco: 1, hq: 2 };

/** Frames of 480 as the peers take them, without what turns an AudioWorklet's blocks into frames. */
async function frameByFrame(bytes, profile, weights) {
  const module = await WebAssembly.compile(bytes);
  const number = kProfiles[profile];
  return async () => {
    const { exports } = await WebAssembly.instantiate(module, {});
    exports._initialize?.();
    new Uint8Array(exports.memory.buffer).set(weights, exports.denoise_weights(number, weights.length));
    if (exports.denoise_load(number, weights.length) !== 0)
      throw new Error('the weights in dist/ are refused: build again');
    exports.denoise_limit(1000);
    const { buffer } = exports.memory;
    const into = new Float32Array(buffer, exports.denoise_input(), 480);
    const out = new Float32Array(buffer, exports.denoise_output(), 480);
    return (frame) => {
      into.set(frame);
      exports.denoise_process(number);
      frame.set(out);
    };
  };
}

/** @returns systems of ours, and those that are not built, with the reason */
function ours() {
  const assets = join(root, 'dist/assets');
  const wasm = join(assets, 'siegel-denoise.wasm');
  if (!existsSync(wasm)) throw new Error('dist/ is not built: run ./start --build first');
  const built = [];
  const missing = [];
  for (const profile of ['hq', 'eco']) {
    const weights = join(assets, `siegel-denoise-${profile}.bin`);
    if (!existsSync(weights)) {
      missing.push(`${profile}: this build has no weights for it (${weights})`);
      continue;
    }
    built.push({
      name: profile,
      label: `Siegel ${profile}`,
      package: 'this tree',
      ours: true,
      neural: true,
      frame: 480,
      files: [wasm, weights],
      open: () => frameByFrame(readFileSync(wasm), profile, readFileSync(weights)),
    });
  }
  return { built, missing };
}

/** All, ours first. `folder`: the peers' packages. */
export function systems(folder) {
  const { built, missing } = ours();
  const others = peers.map((peer) => {
    let loaded;
    return {
      ...peer,
      files: peer.files.map((file) => join(folder, file)),
      open: () => {
        loaded ??= peer.open(folder);
        return loaded;
      },
    };
  });
  return { all: [...built, ...others], missing };
}

/** Changes when the system's own code does: its files, and how it is called. */
export function fingerprint(system) {
  const hash = createHash('sha256');
  for (const file of system.files) hash.update(readFileSync(file));
  hash.update(String(system.ours ? frameByFrame : peers.find(({ name }) => name === system.name).open));
  return hash.digest('hex').slice(0, 24);
}

/** `samples` through a fresh instance, `delay` samples taken off again; `before` is heard first and not returned. */
export async function through(system, samples, { delay = 0, before } = {}) {
  const run = await (await system.open())();
  const head = before?.length ?? 0;
  const frames = Math.ceil((head + samples.length + delay) / system.frame);
  const all = new Float32Array(frames * system.frame);
  if (before) all.set(before);
  all.set(samples, head);
  for (let at = 0; at < all.length; at += system.frame) run(all.subarray(at, at + system.frame));
  return all.slice(head + delay, head + delay + samples.length);
}

/** Samples from in to out, by correlation of pre-emphasised speech or noise. */
export function delayBetween(input, output, most = 4800) {
  const emphasised = (x) => x.map((value, i) => value - 0.95 * (x[i - 1] ?? 0));
  const [from, to] = [emphasised(input), emphasised(output)];
  let best = 0;
  let found = 0;
  for (let delay = 0; delay < most; ++delay) {
    let sum = 0;
    for (let i = 0; i + delay < to.length; ++i) sum += from[i] * to[i + delay];
    if (sum > best) [best, found] = [sum, delay];
  }
  return found;
}
