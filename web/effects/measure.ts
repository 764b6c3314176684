/** Levels of a sound, and a WAV file of it. */

export interface Levels {
  /** Root mean square over everything, dBFS. */
  mean: number;
  /** What the quietest tenth of all moments (10 ms) stay below, dBFS: the noise between words. */
  floor: number;
}

const kFloor = -120;
const decibels = (power: number): number => Math.max(kFloor, 10 * Math.log10(power + 1e-12));

export function levels(samples: Float32Array, rate: number): Levels {
  const size = Math.max(1, Math.round(rate / 100));
  const moments: number[] = [];
  let total = 0;
  for (let at = 0; at + size <= samples.length; at += size) {
    let power = 0;
    for (let i = at; i < at + size; ++i) power += (samples[i] as number) ** 2;
    total += power;
    moments.push(power / size);
  }
  moments.sort((a, b) => a - b);
  return {
    mean: decibels(total / Math.max(1, moments.length * size)),
    floor: decibels(moments[Math.floor(moments.length / 10)] ?? 0),
  };
}

/** RIFF, 16 bit PCM, mono. Too loud is cut, not turned over. */
export function encodeWav(samples: Float32Array, rate: number): Blob {
  const header = 44;
  const bytes = new DataView(new ArrayBuffer(header + 2 * samples.length));
  const text = (at: number, value: string): void => {
    for (const [i, letter] of [...value].entries()) bytes.setUint8(at + i, letter.charCodeAt(0));
  };
  text(0, 'RIFF');
  bytes.setUint32(4, bytes.byteLength - 8, true);
  text(8, 'WAVEfmt ');
  bytes.setUint32(16, 16, true);
  bytes.setUint16(20, 1, true);
  bytes.setUint16(22, 1, true);
  bytes.setUint32(24, rate, true);
  bytes.setUint32(28, 2 * rate, true);
  bytes.setUint16(32, 2, true);
  bytes.setUint16(34, 16, true);
  text(36, 'data');
  bytes.setUint32(40, 2 * samples.length, true);
  for (const [i, sample] of samples.entries())
    bytes.setInt16(header + 2 * i, Math.round(Math.min(1, Math.max(-1, sample)) * 32767), true);
  return new Blob([bytes.buffer as ArrayBuffer], { type: 'audio/wav' });
}
