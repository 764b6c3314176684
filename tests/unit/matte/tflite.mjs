/** The oracle: TFLite as 100ms publishes it, with the untouched model; and pictures of people. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode } from 'jpeg-js';
import { cache } from '../../../tools/cache.mjs';

const kTflite = join(cache, 'tflite-1/src/tflite');
const kPictures = join(cache, 'faces-1/examples/media');
const kModels = join(import.meta.dirname, '../../../node_modules/@mediapipe/selfie_segmentation');

/** A function from a picture to where people are; `name`: file of the package @mediapipe/selfie_segmentation. */
export async function oracle(name) {
  // Its script takes itself to be in a page: without Node's names it wants nothing but the bytes.
  const script = readFileSync(join(kTflite, 'tflite-simd.js'), 'utf8');
  const make = new Function('process', 'require', '__filename', 'console', `${script}\nreturn createTFLiteSIMDModule;`);
  const create = make(undefined, undefined, undefined, { log() {}, warn() {}, error() {} });
  const module = await create({ wasmBinary: readFileSync(join(kTflite, 'tflite-simd.wasm')), print() {} });
  const model = readFileSync(join(kModels, name));
  module.HEAPU8.set(model, module._getModelBufferMemoryOffset());
  if (module._loadModel(model.length) !== 0) throw new Error('TFLite refuses the model');
  return (picture) => {
    module.HEAPF32.set(picture, module._getInputMemoryOffset() / 4);
    module._runInference();
    const at = module._getOutputMemoryOffset() / 4;
    return module.HEAPF32.slice(at, at + picture.length / 3);
  };
}

/** Red, green, blue of 0..1, stretched to this size (bilinear, from every pixel it covers). */
export function picture(name, width, height) {
  const { width: w, height: h, data } = decode(readFileSync(join(kPictures, name)), { useTArray: true });
  const result = new Float32Array(width * height * 3);
  const [stepX, stepY] = [w / width, h / height];
  for (let y = 0; y < height; ++y)
    for (let x = 0; x < width; ++x)
      for (let c = 0; c < 3; ++c) {
        let [sum, weights] = [0, 0];
        const [middleX, middleY] = [(x + 0.5) * stepX - 0.5, (y + 0.5) * stepY - 0.5];
        const [reachX, reachY] = [Math.max(1, stepX), Math.max(1, stepY)];
        for (let j = Math.ceil(middleY - reachY); j <= middleY + reachY; ++j)
          for (let i = Math.ceil(middleX - reachX); i <= middleX + reachX; ++i) {
            const weight = (1 - Math.abs(i - middleX) / reachX) * (1 - Math.abs(j - middleY) / reachY);
            if (i < 0 || j < 0 || i >= w || j >= h || weight <= 0) continue;
            sum += weight * data[(j * w + i) * 4 + c];
            weights += weight;
          }
        result[(y * width + x) * 3 + c] = sum / weights / 255;
      }
  return result;
}

export const kPeople = [
  'franck_01829.jpg',
  'franck_02221.jpg',
  'franck_04117.jpg',
  'audrey.jpg',
  'cage.jpg',
  'SeanConnery.jpg',
  'clmtrackr01.jpg',
  'bieber_small.jpg',
];
