#!/usr/bin/env node
// Another background for a video file, with the module that browsers get.
//   node tools/matte.mjs in.y4m out.y4m [--matte out_matte.y4m] [--effect blur-light|blur-strong|image:FILE]
// YUV4MPEG2, 8 bits, 4:2:0, 16 x 16 to 4096 x 4096; images PNG or JPEG. As in a call, each frame follows from those before it.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { decode } from 'jpeg-js';
import { PNG } from 'pngjs';
import { cache } from './cache.mjs';
import { createY4m, openY4m, Y4mError } from './matte/y4m.mjs';

const kModule = fileURLToPath(new URL('../build/wasm-simd/wasm/siegel-matte-simd.wasm', import.meta.url));
/** Numbers of siegel/matte/compositor.h. */
const kEffects = { 'blur-light': 0, 'blur-strong': 1, image: 2 };
const kModels = { landscape: 0, square: 1 };

class MatteError extends Error {}

function readImage(path) {
  if (!existsSync(path)) throw new MatteError(`there is no file ${path}`);
  const bytes = readFileSync(path);
  try {
    if (bytes.subarray(1, 4).toString('latin1') === 'PNG') return PNG.sync.read(bytes);
    return decode(bytes, { useTArray: true, maxMemoryUsageInMB: 512 });
  } catch {
    throw new MatteError(`${path} cannot be read: PNG and JPEG can be used`);
  }
}

/** The module with both models: a function for each step. */
export async function openBackground({ module = kModule, models = join(cache, 'matte-1') } = {}) {
  if (!existsSync(module)) throw new MatteError('the engine is not built: run ./start --build first');
  const { instance } = await WebAssembly.instantiate(readFileSync(module), {});
  const { exports } = instance;
  exports._initialize?.();
  const write = (bytes, place) => new Uint8Array(exports.memory.buffer).set(bytes, place);
  for (const [name, number] of Object.entries(kModels)) {
    const weights = readFileSync(join(models, `siegel-matte-${name}.bin`));
    write(weights, exports.matte_room(weights.length));
    if (exports.matte_load(number, weights.length) !== 0)
      throw new MatteError('the models are of another version: run tools/setup.sh again');
  }
  let size = [0, 0];
  const bytesOf = (place, length) => new Uint8Array(exports.memory.buffer, place, length).slice();
  return {
    exports,
    open(width, height) {
      if (exports.matte_open(width, height) !== 1)
        throw new MatteError(`frames of ${width} x ${height} cannot be used`);
      size = [width, height];
    },
    image({ width, height, data }) {
      write(data, exports.matte_room(data.length));
      if (exports.matte_image(width, height) !== 1)
        throw new MatteError(`an image of ${width} x ${height} cannot be used: 4096 x 4096 at most`);
    },
    /** One I420 frame; what became of it and how the matte came about (siegel/matte/background.h). */
    frame(frame, { effect, fullRange = false, turn = 0 }) {
      write(frame, exports.matte_input(0));
      exports.matte_see(0, fullRange ? 1 : 0, 0, turn);
      const judged = exports.matte_judge(0);
      exports.matte_compose(kEffects[effect]);
      return { judged, frame: bytesOf(exports.matte_output(), frame.length) };
    },
    matte: () => bytesOf(exports.matte_show(...size), size[0] * size[1]),
  };
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { effect: { type: 'string', default: 'blur-strong' }, matte: { type: 'string' } },
  });
  const [from, to, ...more] = positionals;
  if (!from || !to || more.length > 0)
    throw new MatteError(
      'usage: node tools/matte.mjs in.y4m out.y4m [--matte out_matte.y4m] [--effect blur-light|blur-strong|image:FILE]',
    );
  const [effect, ...file] = values.effect.split(':');
  if (!Object.hasOwn(kEffects, effect) || (effect === 'image') !== file.length > 0)
    throw new MatteError(`there is no effect ${values.effect}; there are: blur-light, blur-strong, image:FILE`);
  if (!existsSync(from)) throw new MatteError(`there is no file ${from}`);
  const image = effect === 'image' ? readImage(file.join(':')) : undefined;
  const video = openY4m(from);
  const background = await openBackground();
  background.open(video.width, video.height);
  if (image) background.image(image);
  const out = createY4m(to, video.head);
  const mattes = values.matte ? createY4m(values.matte, video.head) : undefined;
  const gray = Buffer.alloc(2 * Math.ceil(video.width / 2) * Math.ceil(video.height / 2), 128);
  let frames = 0;
  for (let frame = video.next(); frame; frame = video.next()) {
    out.add(background.frame(frame, { effect, fullRange: video.fullRange }).frame);
    mattes?.add(background.matte(), gray);
    ++frames;
  }
  for (const each of [video, out, mattes]) each?.close();
  if (frames === 0) throw new MatteError(`${from} has no frames`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error) => {
    if (!(error instanceof MatteError || error instanceof Y4mError)) throw error;
    console.error(error.message);
    process.exit(2);
  });
}
