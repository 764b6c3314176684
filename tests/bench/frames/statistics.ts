export interface Summary {
  /** µs a frame. */
  median: number;
  p99: number;
  /** The tenth percentile: what it costs while the machine does nothing else. */
  quiet: number;
  samples: number;
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

/** `batches`: means of whole batches, exact also with a coarse clock; `singles`: frames timed one by one, for the tail. */
export function summarise(batches: readonly number[], singles: readonly number[]): Summary {
  return {
    median: quantile(batches, 0.5),
    p99: quantile(singles, 0.99),
    quiet: quantile(batches, 0.1),
    samples: singles.length,
  };
}

/** A new order each round, so that no contender always runs behind the same one. */
export function shuffled<T>(items: readonly T[]): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [result[i], result[j]] = [result[j] as T, result[i] as T];
  }
  return result;
}
