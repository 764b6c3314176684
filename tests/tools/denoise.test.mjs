// The command line of the denoiser: every kind of WAV file, clear words for anything else.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readWav, writeWav } from '../../tools/denoise/wav.mjs';

const tool = new URL('../../tools/denoise.mjs', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'siegel-denoise-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sound = (rate, seconds, size = 0.05) => {
  let seed = 3;
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, n) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return size * (seed / 2 ** 31 - 1) + 0.2 * Math.sin((2 * Math.PI * 440 * n) / rate) * (n % 7 ? 0 : 1);
  });
};

describe('WAV', () => {
  test.each([
    [false, 8, 0.008],
    [false, 16, 4e-5],
    [false, 24, 2e-7],
    [false, 32, 1e-7],
    [true, 32, 0],
    [true, 64, 0],
  ])('float %s, %i bits: written and read again', (float, bits, error) => {
    const channels = [sound(8000, 0.1), sound(8000, 0.1, 0.5)];
    const wav = readWav(writeWav({ rate: 8000, channels, format: { float, bits } }));
    expect(wav.rate).toBe(8000);
    expect(wav.format).toEqual({ float, bits });
    for (const [index, channel] of channels.entries()) {
      expect(wav.channels[index].length).toBe(channel.length);
      for (const [n, value] of channel.entries())
        expect(Math.abs(wav.channels[index][n] - value)).toBeLessThanOrEqual(error);
    }
  });

  test('too loud is cut, not turned over', () => {
    const wav = readWav(
      writeWav({ rate: 48000, channels: [Float32Array.of(2, -2)], format: { float: false, bits: 16 } }),
    );
    expect(wav.channels[0][0]).toBeGreaterThan(0.99);
    expect(wav.channels[0][1]).toBe(-1);
  });
});

describe('the command', () => {
  test.each([
    [48000, 1],
    [44100, 2],
    [16000, 1],
  ])('%i Hz, %i channels: as long as before, quieter, not delayed', (rate, count) => {
    const [from, to] = [join(folder, `${rate}.wav`), join(folder, `${rate}-out.wav`)];
    const channels = Array.from({ length: count }, () => sound(rate, 2));
    writeFileSync(from, writeWav({ rate, channels, format: { float: false, bits: 16 } }));
    execFileSync(process.execPath, [tool, from, to]);
    const wav = readWav(readFileSync(to));
    expect([wav.rate, wav.channels.length, wav.channels[0].length]).toEqual([rate, count, channels[0].length]);
    const power = (x) => x.subarray(x.length / 2).reduce((sum, value) => sum + value * value, 0);
    expect(power(wav.channels[0])).toBeLessThan(0.3 * power(channels[0]));
    // With strength 0 everything passes, where it was.
    execFileSync(process.execPath, [tool, from, to, '--strength', '0']);
    const same = readWav(readFileSync(to)).channels[0];
    const error = same.reduce((sum, value, n) => sum + (n > rate / 2 ? (value - channels[0][n]) ** 2 : 0), 0);
    if (rate === 48000) expect(error).toBeLessThan(1e-4 * power(channels[0]));
  });

  test.each([
    [['nothing.wav', 'out.wav'], /there is no file/],
    [[tool, 'out.wav'], /no WAV file/],
    [['x'], /usage/],
    [[tool, 'out.wav', '--profile', 'better'], /no profile better/],
    [[tool, 'out.wav', '--strength', 'much'], /number of dB/],
  ])('%o: says what to do', (args, words) => {
    const { status, stderr } = spawnSync(process.execPath, [tool, ...args], { encoding: 'utf8', cwd: folder });
    expect(status).toBe(2);
    expect(stderr).toMatch(words);
    expect(stderr).not.toContain('at ');
  });
});
