/**
 * How loud each frequency is over time, for pictures. Hann window of 1024, columns of `columns` evenly spread moments.
 * Returns dB (0 = a sine of full scale), row by row from the lowest frequency: value (column, bin) at column * kBins + bin.
 */
export const kBins = 512;
const kWindow = 1024;

export function spectrogram(samples: Float32Array, columns: number): Float32Array {
  const hann = Float32Array.from({ length: kWindow }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / kWindow));
  const result = new Float32Array(columns * kBins);
  const re = new Float32Array(kWindow);
  const im = new Float32Array(kWindow);
  for (let column = 0; column < columns; ++column) {
    const middle = ((column + 0.5) / columns) * samples.length;
    const from = Math.round(middle - kWindow / 2);
    for (let n = 0; n < kWindow; ++n) {
      re[n] = (samples[from + n] ?? 0) * (hann[n] as number);
      im[n] = 0;
    }
    transform(re, im);
    for (let bin = 0; bin < kBins; ++bin) {
      const [x, y] = [re[bin] as number, im[bin] as number];
      // A sine of full scale gives a quarter of the window, squared.
      result[column * kBins + bin] = 10 * Math.log10((x * x + y * y) / (kWindow / 4) ** 2 + 1e-12);
    }
  }
  return result;
}

/** Fourier transform in place, radix 2. */
function transform(re: Float32Array, im: Float32Array): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; ++i) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j] as number, re[i] as number];
      [im[i], im[j]] = [im[j] as number, im[i] as number];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    const step = (-2 * Math.PI) / size;
    for (let k = 0; k < size / 2; ++k) {
      const [c, s] = [Math.cos(step * k), Math.sin(step * k)];
      for (let a = k; a < n; a += size) {
        const b = a + size / 2;
        const [xr, xi] = [re[b] as number, im[b] as number];
        const [tr, ti] = [xr * c - xi * s, xr * s + xi * c];
        re[b] = (re[a] as number) - tr;
        im[b] = (im[a] as number) - ti;
        re[a] = (re[a] as number) + tr;
        im[a] = (im[a] as number) + ti;
      }
    }
  }
}
