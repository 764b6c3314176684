/**
 * From which frame size WebCrypto is worth its promise on this device. WebAssembly's cost is nearly proportional to the
 * size; WebCrypto's has a large fixed part and a small slope. Both are measured at two sizes, sealing and opening, through
 * the very code that carries frames, and the crossing of the two lines is the answer.
 *
 * Cost: about 40 ms (at most 150 where others keep the processor busy), once, before the engine reports that it is ready.
 */
import { Codec, Derivation, Format, type FormatName, FrameType } from '../engine_types';
import { CryptoKeys, type FrameEngine } from './frame_engine';

export interface Thresholds {
  seal: number;
  open: number;
}

const kSizes = [2048, 32768] as const;
/** WebCrypto must be ahead by a little: it also costs order, memory and another thread's time. */
const kAdvantage = 0.97;
const kSmallest = 512;
const kLargest = 1 << 20;

/** The size at which `split` costs `kAdvantage` of `direct`; each is [µs at kSizes[0], µs at kSizes[1]]. */
export function crossing(direct: readonly [number, number], split: readonly [number, number]): number {
  const [small, large] = kSizes;
  const slope = (cost: readonly [number, number]) => (cost[1] - cost[0]) / (large - small);
  const gain = kAdvantage * slope(direct) - slope(split);
  const fixed = split[0] - slope(split) * small - kAdvantage * (direct[0] - slope(direct) * small);
  if (!(gain > 0)) return Number.POSITIVE_INFINITY;
  const size = Math.ceil(fixed / gain);
  if (size > kLargest) return Number.POSITIVE_INFINITY;
  return Math.max(kSmallest, size);
}

/**
 * What it costs when nothing else gets in between: a machine that is busy at the start is not always busy. Of many values
 * the lowest eighth is left out, where a coarse clock has its luck.
 */
export function undisturbed(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 3] ?? Number.NaN;
}

interface Way {
  seal(frame: ArrayBuffer): ReturnType<FrameEngine['sealSplit'] | FrameEngine['seal']>;
  open(frame: ArrayBuffer): ReturnType<FrameEngine['openSplit'] | FrameEngine['open']>;
}

/** µs or ms (as the clock's) for one frame sealed and one opened, over a batch that lasts at least `atLeast`. */
async function measure(way: Way, frame: ArrayBuffer, now: () => number, atLeast: number): Promise<[number, number]> {
  const sealed: ArrayBuffer[] = [];
  let start = edge(now, atLeast);
  do {
    const job = way.seal(frame);
    const result = job instanceof Promise ? (await job).output : job;
    if (!(result instanceof ArrayBuffer)) throw new Error('calibration');
    sealed.push(result);
  } while (now() - start < atLeast);
  const sealing = (now() - start) / sealed.length;
  start = edge(now, atLeast);
  for (const each of sealed) {
    const job = way.open(each);
    if (job instanceof Promise) await job;
  }
  return [sealing, (now() - start) / sealed.length];
}

/** With a coarse clock a measurement begins when it has just moved. */
function edge(now: () => number, atLeast: number): number {
  const start = now();
  if (atLeast < kCoarse.atLeast) return start;
  let moved = now();
  while (moved === start) moved = now();
  return moved;
}

/** Firefox's clock steps by a millisecond: few long measurements instead of many short ones. */
const kCoarse = { atLeast: 2, rounds: 2 };
const kFine = { atLeast: 0.5, rounds: 6 };
/** As many more rounds as fit; on a machine that is busy the wanted rounds may take up to the limit. */
const kBudgetMs = 38;
const kLimitMs = 150;

function clockIsCoarse(now: () => number): boolean {
  const start = now();
  let moved = now();
  while (moved === start) moved = now();
  return moved - start > 0.3;
}

/** Never: without WebCrypto (plain http), for SFrame, and should anything about the measurement fail. */
export async function calibrate(
  engine: FrameEngine,
  subtle: SubtleCrypto | undefined,
  format: FormatName,
  now: () => number,
): Promise<Thresholds> {
  const never = { seal: Number.POSITIVE_INFINITY, open: Number.POSITIVE_INFINITY };
  if (subtle === undefined || format === 'sframe') return never;
  const { module } = engine;
  const sealer = new module.Sealer(Format[format], 16);
  const opener = new module.Opener(Format[format], 16, 0);
  const [sealing, opening] = [sealer.handle, opener.handle];
  const owner = { removed: false };
  const keys = { seal: new CryptoKeys(subtle), open: new CryptoKeys(subtle) };
  const { opus } = Codec;
  const { audio } = FrameType;
  let ticks = 0;
  const direct: Way = {
    seal: (frame) => engine.seal(sealing, frame, opus, audio, 1, ++ticks),
    open: (frame) => engine.open(opening, frame, opus, audio, 0),
  };
  const split: Way = {
    seal: (frame) => engine.sealSplit(owner, sealing, keys.seal, frame, opus, audio, 1, ++ticks),
    open: (frame) => engine.openSplit(owner, opening, keys.open, frame, opus, audio),
  };

  try {
    const material = crypto.getRandomValues(new Uint8Array(32));
    const refused = sealer.setKey(0, material, Derivation.hkdf, true) || opener.setKey(0, material, Derivation.hkdf);
    if (refused !== 0) return never;
    const plain = kSizes.map((size) => new ArrayBuffer(size));
    const first = direct.seal(new ArrayBuffer(64));
    if (!(first instanceof ArrayBuffer)) return never;
    // The first frame of the split path only starts the import of its key.
    split.seal(first);
    split.open(first);
    await Promise.all([keys.seal.imported(), keys.open.imported()]);
    const began = now();
    for (const frame of plain) for (const way of [direct, split]) await measure(way, frame, now, 0.3);

    const { atLeast, rounds } = clockIsCoarse(now) ? kCoarse : kFine;
    const samples = { direct: [[], []] as Samples, split: [[], []] as Samples };
    for (let round = 0; round === 0 || now() - began < (round < rounds ? kLimitMs : kBudgetMs); round++) {
      for (const [i, frame] of plain.entries()) {
        samples.direct[i]?.push(await measure(direct, frame, now, atLeast));
        samples.split[i]?.push(await measure(split, frame, now, atLeast));
      }
    }
    // Sealing and opening cost nearly the same either way: together they are measured better than apart.
    const cost = (of: Samples) =>
      of.map((each) => undisturbed(each.map(([seal]) => seal)) + undisturbed(each.map(([, open]) => open))) as [
        number,
        number,
      ];
    const from = crossing(cost(samples.direct), cost(samples.split));
    return { seal: from, open: from };
  } catch {
    return never;
  } finally {
    owner.removed = true;
    sealer.delete();
    opener.delete();
  }
}

/** Per size: [sealing, opening] of each round. */
type Samples = [number, number][][];
