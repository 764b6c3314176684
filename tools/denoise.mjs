#!/usr/bin/env node
// Noise suppression for a WAV file with the module that is shipped (dist/assets; `./start --build` makes it).
//   node tools/denoise.mjs in.wav out.wav [--profile hq|eco] [--strength dB]
// Any rate from 8 to 192 kHz, any number of channels, each by itself. The result is as long as the input and not delayed.
// --strength: at most so many dB are taken away; default: no limit.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { readWav, WavError, writeWav } from './denoise/wav.mjs';

const assets = fileURLToPath(new URL('../dist/assets/', import.meta.url));
/** Numbers of siegel/denoise/denoiser.h. */
const kProfiles = { eco: 1, hq: 2 };

/** A denoiser for one channel: a function from samples to as many, `delay` samples late. */
export async function openDenoiser({ rate, profile = 'hq', strength = Number.POSITIVE_INFINITY, folder = assets }) {
  const { instance } = await WebAssembly.instantiate(readFileSync(`${folder}/siegel-denoise.wasm`), {});
  const { exports } = instance;
  exports._initialize?.();
  const number = kProfiles[profile];
  const weights = readFileSync(`${folder}/siegel-denoise-${profile}.bin`);
  new Uint8Array(exports.memory.buffer).set(weights, exports.denoise_weights(number, weights.length));
  if (exports.denoise_load(number, weights.length) !== 0)
    throw new Error('the weights in dist/assets are of another version: build again');
  exports.denoise_limit(Number.isFinite(strength) ? strength : 1000);
  exports.denoise_choose(number);
  if (exports.denoise_open(rate) === 0)
    throw new WavError(`${rate} Hz cannot be resampled to 48,000 Hz; convert the file to a usual rate`);
  const delay = exports.denoise_delay();
  const most = exports.denoise_block_size();
  const place = exports.denoise_block();
  return {
    delay,
    run(samples) {
      const result = new Float32Array(samples.length);
      for (let at = 0; at < samples.length; at += most) {
        const part = samples.subarray(at, at + most);
        const view = new Float32Array(exports.memory.buffer, place, part.length);
        view.set(part);
        exports.denoise_run(part.length);
        result.set(view, at);
      }
      return result;
    },
  };
}

/** The whole of a channel, without delay. */
export async function denoiseChannel(samples, options) {
  const { delay, run } = await openDenoiser(options);
  const longer = new Float32Array(samples.length + delay);
  longer.set(samples);
  return run(longer).slice(delay);
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { profile: { type: 'string', default: 'hq' }, strength: { type: 'string' } },
  });
  const [from, to, ...more] = positionals;
  if (!from || !to || more.length > 0)
    throw new WavError('usage: node tools/denoise.mjs in.wav out.wav [--profile hq|eco] [--strength dB]');
  if (!Object.hasOwn(kProfiles, values.profile))
    throw new WavError(`there is no profile ${values.profile}; there are: hq, eco`);
  const strength = values.strength === undefined ? undefined : Number(values.strength);
  if (strength !== undefined && !(strength >= 0)) throw new WavError('--strength is a number of dB from 0');
  if (!existsSync(from)) throw new WavError(`there is no file ${from}`);
  if (!existsSync(`${assets}siegel-denoise.wasm`)) throw new WavError('dist/ is not built: run ./start --build first');
  const wav = readWav(readFileSync(from));
  const channels = [];
  for (const channel of wav.channels)
    channels.push(await denoiseChannel(channel, { rate: wav.rate, profile: values.profile, strength }));
  writeFileSync(to, writeWav({ ...wav, channels }));
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error) => {
    if (!(error instanceof WavError)) throw error;
    console.error(error.message);
    process.exit(2);
  });
}
