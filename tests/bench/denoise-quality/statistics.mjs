// Means, quantiles, and the paired bootstrap of ./bench denoise-quality.

/** `q` of 0..1. */
export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Numbers 0..1, the same ones for the same seed. */
function chance(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Mean of differences with its 95 % interval, drawn over clusters: what shares a speaker is no independent evidence.
 * @param {{ cluster: string, value: number }[]} differences
 */
export function bootstrap(differences, { draws = 10000, seed = 1 } = {}) {
  const clusters = new Map();
  for (const { cluster, value } of differences) {
    const one = clusters.get(cluster) ?? { sum: 0, count: 0 };
    one.sum += value;
    one.count += 1;
    clusters.set(cluster, one);
  }
  const all = [...clusters.values()];
  const random = chance(seed);
  const means = Float64Array.from({ length: draws }, () => {
    let sum = 0;
    let count = 0;
    for (let i = 0; i < all.length; ++i) {
      const one = all[Math.floor(random() * all.length)];
      sum += one.sum;
      count += one.count;
    }
    return sum / count;
  }).sort();
  return {
    mean: mean(differences.map(({ value }) => value)),
    low: means[Math.floor(0.025 * draws)],
    high: means[Math.ceil(0.975 * draws) - 1],
    clusters: all.length,
  };
}
