// Noise suppressors of others, each out of its own npm package (tools/setup/denoise_bench.sh unpacks them), called as the
// package's own worklet or example calls them: full scale, frame size and loader are theirs. Ours is in systems.mjs.
//
// Their loaders are made for browsers. Where Node needs a word changed, or a class is not exported, an edited copy is
// written beside the original; an edit whose place is not found is an error.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

// What worklet scripts expect to find.
globalThis.AudioWorkletProcessor ??= class {};
globalThis.registerProcessor ??= () => {};

async function importEdited(path, { before = '', after = '', replace } = {}) {
  let text = readFileSync(path, 'utf8');
  if (replace) {
    if (!text.includes(replace[0])) throw new Error(`${path} is not what this benchmark was written for`);
    text = text.replace(...replace);
  }
  text = before + text + after;
  const copy = join(dirname(path), `siegel-${path.replace(/^.*peers\//, '').replace(/[^a-z0-9]/gi, '-')}.mjs`);
  if (!existsSync(copy) || readFileSync(copy, 'utf8') !== text) writeFileSync(copy, text);
  return import(pathToFileURL(copy).href);
}

// The C interface of RNNoise as Emscripten exports it: frames of 480, 16-bit scale, in place. One state for each module, as
// on a page: with a second one Jitsi's build writes beside its memory.
function rnnoise(module) {
  const size = 480;
  const scale = 32768;
  const at = module._malloc(size * 4);
  const state = module._rnnoise_create(0);
  return (frame) => {
    const heap = module.HEAPF32.subarray(at >> 2, (at >> 2) + size);
    for (let i = 0; i < size; ++i) heap[i] = frame[i] * scale;
    module._rnnoise_process_frame(state, at, at);
    const result = module.HEAPF32.subarray(at >> 2, (at >> 2) + size);
    for (let i = 0; i < size; ++i) frame[i] = result[i] / scale;
  };
}

/**
 * name; what it is; the files that a page loads for it (code and weights in one, in all of them); samples of a frame at
 * 48 kHz; delay in samples from block in to block out (checked in each run); `twin`: whose network it is, too.
 * open(folder) loads it; what it gives makes fresh instances: functions that work on one frame in place.
 */
export const peers = [
  {
    name: 'jitsi',
    label: 'RNNoise 0.2, Jitsi',
    package: '@jitsi/rnnoise-wasm 0.2.1',
    files: ['jitsi/dist/rnnoise-sync.js'],
    frame: 480,
    delay: 960,
    neural: true,
    async open(folder) {
      // jitsi-meet: RnnoiseProcessor.ts, SHIFT_16_BIT_NR.
      const { default: create } = await importEdited(join(folder, 'jitsi/dist/rnnoise-sync.js'));
      return async () => rnnoise(create());
    },
  },
  {
    name: 'shiguredo',
    label: 'RNNoise 2025, Shiguredo',
    package: '@shiguredo/rnnoise-wasm 2025.1.5',
    files: ['shiguredo/dist/rnnoise.js'],
    frame: 480,
    delay: 960,
    neural: true,
    async open(folder) {
      const { Rnnoise } = await importEdited(join(folder, 'shiguredo/dist/rnnoise.js'), {
        replace: ['|| typeof WorkerGlobalScope < "u"', '|| true'],
      });
      const library = await Rnnoise.load();
      return () => {
        const state = library.createDenoiseState();
        // @shiguredo/noise-suppression: 0x7fff.
        return (frame) => {
          for (let i = 0; i < frame.length; ++i) frame[i] *= 0x7fff;
          state.processFrame(frame);
          for (let i = 0; i < frame.length; ++i) frame[i] /= 0x7fff;
        };
      };
    },
  },
  {
    name: 'sapphi-rnnoise',
    label: 'RNNoise 0.1 SIMD, sapphi',
    package: '@sapphi-red/web-noise-suppressor 0.4.1',
    files: ['sapphi/dist/rnnoise_simd.wasm', 'sapphi/dist/rnnoise/workletProcessor.js'],
    frame: 480,
    delay: 480,
    neural: true,
    async open(folder) {
      const { Rnnoise, scaleUp, scaleDown } = await importEdited(
        join(folder, 'sapphi/dist/rnnoise/workletProcessor.js'),
        {
          before: 'const __dirname = "";',
          after: '\nexport { s as Rnnoise, u as scaleUp, d as scaleDown };\n',
        },
      );
      const library = await Rnnoise.loadBinary(readFileSync(join(folder, 'sapphi/dist/rnnoise_simd.wasm')));
      return () => {
        const state = library.createDenoiseState();
        return (frame) => {
          scaleUp(frame);
          state.processFrame(frame);
          scaleDown(frame);
        };
      };
    },
  },
  {
    name: 'sapphi-gtcrn',
    label: 'GTCRN, sapphi',
    package: '@sapphi-red/web-noise-suppressor 0.4.1',
    files: ['sapphi/dist/gtcrn.wasm', 'sapphi/dist/gtcrn/workletProcessor.js'],
    frame: 768,
    delay: 890,
    neural: true,
    async open(folder) {
      const { Gtcrn, load } = await importEdited(join(folder, 'sapphi/dist/gtcrn/workletProcessor.js'), {
        after: '\nexport { r as Gtcrn, i as load };\n',
      });
      const module = await load({
        locateFile: (name) => name,
        wasmBinary: readFileSync(join(folder, 'sapphi/dist/gtcrn.wasm')),
      });
      return () => {
        const state = new Gtcrn(module, { sampleRate: 48000 });
        return (frame) => frame.set(state.process(frame));
      };
    },
  },
  {
    name: 'sapphi-speex',
    label: 'Speex, sapphi',
    package: '@sapphi-red/web-noise-suppressor 0.4.1',
    files: ['sapphi/dist/speex.wasm', 'sapphi/dist/speex/workletProcessor.js'],
    frame: 128,
    delay: 128,
    neural: false,
    async open(folder) {
      const { Speex, load } = await importEdited(join(folder, 'sapphi/dist/speex/workletProcessor.js'), {
        after: '\nexport { a as Speex, o as load };\n',
      });
      const module = await load({
        locateFile: (name) => name,
        wasmBinary: readFileSync(join(folder, 'sapphi/dist/speex.wasm')),
      });
      return () => {
        // Frames of one render quantum, as its worklet does.
        const state = new Speex(module, 128, 48000);
        state.denoise = true;
        return (frame) => {
          state.process(frame);
        };
      };
    },
  },
  {
    name: 'pexip',
    label: 'nnnoiseless, Pexip',
    package: '@pexip/denoise 16.4.0',
    files: ['pexip/denoise_bg.wasm', 'pexip/denoise.js'],
    frame: 480,
    delay: 480,
    neural: true,
    twin: 'sapphi-rnnoise',
    async open(folder) {
      const { default: load, Denoise } = await importEdited(join(folder, 'pexip/denoise.js'), {
        replace: ["import {TextDecoder, TextEncoder} from './EncoderDecoder';", ''],
      });
      const wasm = await load(readFileSync(join(folder, 'pexip/denoise_bg.wasm')));
      return () => {
        const state = Denoise.new(480, 1);
        return (frame) => {
          new Float32Array(wasm.memory.buffer, state.input(), 480).set(frame);
          state.process_frames();
          frame.set(new Float32Array(wasm.memory.buffer, state.output(), 480));
        };
      };
    },
  },
  {
    name: 'timephy',
    label: 'RNNoise 0.2, timephy',
    package: '@timephy/rnnoise-wasm 1.0.0',
    files: ['timephy/dist/generated/rnnoise-sync.js'],
    frame: 480,
    delay: 960,
    neural: true,
    twin: 'jitsi',
    async open(folder) {
      const { default: create } = await importEdited(join(folder, 'timephy/dist/generated/rnnoise-sync.js'));
      return async () => rnnoise(await create());
    },
  },
  {
    name: 'echogarden',
    label: 'RNNoise 0.1, echogarden',
    package: '@echogarden/rnnoise-wasm 0.2.0',
    files: ['echogarden/rnnoise.wasm', 'echogarden/rnnoise.js'],
    frame: 480,
    delay: 480,
    neural: true,
    twin: 'sapphi-rnnoise',
    async open(folder) {
      const { default: create } = await importEdited(join(folder, 'echogarden/rnnoise.js'));
      return async () => rnnoise(await create());
    },
  },
];
