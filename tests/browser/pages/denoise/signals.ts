/** Sounds that tests make: deterministic, any rate. */

export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

export function noise(rate: number, seconds: number, size = 0.05, seed = 7): Float32Array<ArrayBuffer> {
  const random = randomNumbers(seed);
  return Float32Array.from({ length: Math.round(rate * seconds) }, () => size * random());
}

/**
 * Vowels with a gliding pitch, three formants and pauses: enough of a voice for the networks to let it through.
 */
export function voice(rate: number, seconds: number, size = 0.15): Float32Array<ArrayBuffer> {
  const vowels = [
    [730, 1090, 2440],
    [270, 2290, 3010],
    [530, 1840, 2480],
    [300, 870, 2240],
  ] as const;
  const out = new Float32Array(Math.round(rate * seconds));
  const random = randomNumbers(11);
  let phase = 0;
  const memory = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < out.length; ++i) {
    const t = i / rate;
    const vowel = vowels[Math.floor(t / 0.22) % vowels.length] as readonly [number, number, number];
    const inSyllable = (t % 0.22) / 0.22;
    const talks = t % 1.6 < 1.1 ? Math.sin(Math.PI * inSyllable) ** 0.5 : 0;
    phase += (125 + 25 * Math.sin(2.1 * t)) / rate;
    if (phase >= 1) phase -= 1;
    // A pulse of the glottis, and a little breath.
    const source = (phase < 0.4 ? Math.sin((Math.PI * phase) / 0.4) : 0) - 0.25 + 0.02 * random();
    let sum = 0;
    for (const [k, frequency] of vowel.entries()) {
      if (frequency > rate / 2.2) continue;
      const r = Math.exp((-Math.PI * (60 + 30 * k)) / rate);
      const y =
        source * (1 - r) +
        2 * r * Math.cos((2 * Math.PI * frequency) / rate) * (memory[2 * k] as number) -
        r * r * (memory[2 * k + 1] as number);
      memory[2 * k + 1] = memory[2 * k] as number;
      memory[2 * k] = y;
      sum += y / (1 + k);
    }
    out[i] = sum * talks;
  }
  const most = out.reduce((peak, value) => Math.max(peak, Math.abs(value)), 1e-9);
  return out.map((value) => (value * size) / most);
}

export function mixed(a: Float32Array, b: Float32Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(a, (value, i) => value + (b[i] ?? 0));
}

export const decibels = (samples: Float32Array): number =>
  10 * Math.log10(samples.reduce((sum, value) => sum + value * value, 0) / Math.max(1, samples.length) + 1e-12);
