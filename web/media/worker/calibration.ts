/**
 * From which frame size WebCrypto is worth its promise on this device. WebAssembly's cost is nearly proportional to the
 * size; WebCrypto's has a large fixed part and a small slope. Both are measured at two sizes, seal and open apart, through
 * the very code that carries frames, and the crossing of the two lines is the answer.
 *
 * Cost: at most about 45 ms, once, before the engine reports that it is ready.
 */
import { Codec, Derivation, Format, type FormatName, FrameType } from '../engine_types';
import { CryptoKeys, type FrameEngine } from './frame_engine';

export interface Thresholds {
  seal: number;
  open: number;
}

const kSizes = [2048, 32768] as const;
/** WebCrypto must be clearly ahead: it also costs order, memory and another thread's time. */
const kAdvantage = 0.9;
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

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
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
  const owner = { removed: false };
  const keys = { seal: new CryptoKeys(subtle), open: new CryptoKeys(subtle) };
  const { opus } = Codec;
  const { audio } = FrameType;
  let ticks = 0;

  const direct = {
    seal: (frame: ArrayBuffer) => engine.seal(sealer.handle, frame, opus, audio, 1, ++ticks),
    open: (frame: ArrayBuffer) => engine.open(opener.handle, frame, opus, audio, 0),
  };
  const split = {
    seal: (frame: ArrayBuffer) => engine.sealSplit(owner, sealer.handle, keys.seal, frame, opus, audio, 1, ++ticks),
    open: (frame: ArrayBuffer) => engine.openSplit(owner, opener.handle, keys.open, frame, opus, audio),
  };

  try {
    const material = crypto.getRandomValues(new Uint8Array(32));
    const refused = sealer.setKey(0, material, Derivation.hkdf, true) || opener.setKey(0, material, Derivation.hkdf);
    if (refused !== 0) return never;
    const began = now();
    const plain = kSizes.map((size) => new ArrayBuffer(size));
    const sealed = (frame: ArrayBuffer): ArrayBuffer => {
      const result = direct.seal(frame);
      if (typeof result === 'number') throw new Error('calibration');
      return result;
    };
    // Keys get imported, code gets warm.
    for (let i = 0; i < 30; i++) {
      for (const [j, frame] of plain.entries()) {
        if (j > 0 && i > 3) continue;
        direct.open(sealed(frame));
        await split.seal(frame);
        await split.open(sealed(frame));
      }
      if (now() - began > 12) break;
    }

    const samples = [0, 1].map(() => ({ sealDirect: [], sealSplit: [], openDirect: [], openSplit: [] }) as Samples);
    // A clock of 1 ms (Firefox) needs batches; ten frames of 32 kB take about that long in all.
    const batches = [12, 3] as const;
    for (let round = 0; round < 40 && (round < 3 || now() - began < 32); round++) {
      for (const [j, frame] of plain.entries()) {
        const count = batches[j] ?? 1;
        const into = samples[j];
        if (into === undefined) continue;
        const frames = Array.from({ length: 2 * count }, () => sealed(frame));
        let start = now();
        for (let i = 0; i < count; i++) direct.seal(frame);
        into.sealDirect.push((now() - start) / count);
        start = now();
        for (let i = 0; i < count; i++) await split.seal(frame);
        into.sealSplit.push((now() - start) / count);
        start = now();
        for (let i = 0; i < count; i++) direct.open(frames[i] ?? frame);
        into.openDirect.push((now() - start) / count);
        start = now();
        for (let i = 0; i < count; i++) await split.open(frames[count + i] ?? frame);
        into.openSplit.push((now() - start) / count);
      }
    }
    const cost = (name: keyof Samples): [number, number] => [typical(samples[0]?.[name]), typical(samples[1]?.[name])];
    return {
      seal: crossing(cost('sealDirect'), cost('sealSplit')),
      open: crossing(cost('openDirect'), cost('openSplit')),
    };
  } catch {
    return never;
  } finally {
    owner.removed = true;
    sealer.delete();
    opener.delete();
  }
}

type Samples = Record<'sealDirect' | 'sealSplit' | 'openDirect' | 'openSplit', number[]>;

/** The median; where a coarse clock shows mostly zeros, the mean says more. */
function typical(values: number[] | undefined): number {
  if (!values || values.length === 0) return Number.NaN;
  const middle = median(values);
  const zeros = values.filter((value) => value === 0).length;
  return zeros * 3 > values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : middle;
}
