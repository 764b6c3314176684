/** The effects page, as a person uses it. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type Page, test } from '@playwright/test';
import { readWav, writeWav } from '../../tools/denoise/wav.mjs';
import type { RunningServer } from '../../tools/serve.mjs';
import { decibels, mixed, noise, voice } from '../browser/pages/denoise/signals';
import { isAccessible } from '../browser/support/axe';
import { startSite } from '../browser/support/call';
import { kept, kNothing } from '../browser/support/kept';
import { takePictures } from '../browser/support/screens';

const tool = join(import.meta.dirname, '../../tools/denoise.mjs');
const seconds = 4.8;
const sound = mixed(voice(48_000, seconds), noise(48_000, seconds, 0.02));

let site: RunningServer;
test.beforeAll(async () => {
  site = await startSite();
});
test.afterAll(() => site.close());

async function open(page: Page): Promise<string[]> {
  const hosts: string[] = [];
  page.on('request', (request) => hosts.push(new URL(request.url()).host));
  await page.goto(`${site.url}/effects`);
  await expect(page.getByRole('heading', { name: 'Try noise suppression' })).toBeVisible();
  return hosts;
}

async function give(page: Page, samples = sound): Promise<string> {
  const path = test.info().outputPath('a kitchen.wav');
  writeFileSync(path, writeWav({ rate: 48_000, channels: [samples], format: { float: false, bits: 16 } }));
  await page.locator('input[type=file]').setInputFiles(path);
  await expect(page.getByRole('table')).toBeVisible({ timeout: 30_000 });
  return path;
}

/** The file that a click makes. Firefox's driver tells nothing of downloads, so it is taken where the page makes its address. */
async function saved(page: Page, name: string): Promise<Float32Array> {
  await page.evaluate(() => {
    const original = URL.createObjectURL;
    URL.createObjectURL = (blob: Blob) => {
      Object.assign(globalThis, { savedBlob: blob });
      URL.createObjectURL = original;
      return original(blob);
    };
  });
  await page.getByRole('button', { name }).click();
  const bytes = await page.evaluate(async () => {
    const { savedBlob } = globalThis as unknown as { savedBlob: Blob };
    const bytes = new Uint8Array(await savedBlob.arrayBuffer());
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  });
  const [channel] = readWav(Buffer.from(bytes, 'base64')).channels;
  if (!channel) throw new Error('no channel');
  return channel;
}

const figure = async (page: Page, row: string, column: number): Promise<number> => {
  const text = await page.getByRole('row', { name: row }).getByRole('cell').nth(column).textContent();
  return Number(/−?[\d.]+/.exec(text ?? '')?.[0].replace('−', '-'));
};

test('a file: figures, pictures, and what is saved is what the command line makes', async ({ page }) => {
  const hosts = await open(page);
  const path = await give(page);
  expect(await figure(page, 'Between words', 0)).toBeGreaterThan(-50);
  for (const column of [1, 2]) expect(await figure(page, 'Between words', column)).toBeLessThan(-60);
  expect(await figure(page, 'Delay in a call', 1)).toBe(30);
  expect(await figure(page, 'Delay in a call', 2)).toBe(40);
  expect(await figure(page, 'Time for 10 ms', 1)).toBeGreaterThan(0);

  for (const profile of ['eco', 'hq'] as const) {
    const ours = await saved(page, `Save ${profile} as WAV`);
    const out = test.info().outputPath(`${profile}.wav`);
    execFileSync(process.execPath, [tool, path, out, '--profile', profile]);
    const [theirs] = readWav(readFileSync(out)).channels;
    expect(ours.length).toBe(theirs?.length);
    // Browsers read 16 bits as floats in their own ways, and engines round: the same sound, not the same bits.
    const rest = ours.map((value, i) => value - (theirs?.[i] ?? 9));
    expect(decibels(rest) - decibels(ours)).toBeLessThan(-50);
  }

  // Both pictures show something, and the lower one less of it.
  const brightness = await page.evaluate(() =>
    [...(document.querySelector('siegel-effects-lab')?.shadowRoot?.querySelectorAll('canvas') ?? [])].map((canvas) => {
      const { data } = (canvas.getContext('2d') as CanvasRenderingContext2D).getImageData(
        0,
        0,
        canvas.width,
        canvas.height,
      );
      return data.reduce((sum, value, i) => sum + (i % 4 === 0 ? value : 0), 0) / (data.length / 4);
    }),
  );
  expect(brightness[0]).toBeGreaterThan(3 * (brightness[1] ?? 0));
  expect(brightness[1]).toBeGreaterThan(1);

  expect(new Set(hosts)).toEqual(new Set([new URL(site.url).host]));
  expect(await kept(page)).toEqual(kNothing);
});

test('playing, switching while it plays, strength', async ({ page }) => {
  await open(page);
  await give(page);
  await page.getByRole('button', { name: 'Play' }).click();
  await expect(page.getByRole('button', { name: 'Stop', exact: true })).toBeVisible();
  await expect(page.locator('.cursor').first()).toBeVisible();
  for (const name of ['Before', 'eco', 'hq']) {
    await page.getByRole('radio', { name }).check({ force: true });
    await expect(page.getByRole('radio', { name })).toBeChecked();
  }
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Play' })).toBeVisible();

  const full = await saved(page, 'Save hq as WAV');
  const slider = page.getByRole('slider', { name: 'Strength' });
  await slider.focus();
  await slider.press('Home');
  await expect(slider).toHaveAttribute('aria-valuetext', 'up to 6 dB');
  await expect(page.getByRole('progressbar')).toHaveCount(0, { timeout: 20_000 });
  // The pause between two sentences.
  const pause = (samples: Float32Array) => decibels(samples.subarray(2.85 * 48_000, 3.15 * 48_000));
  await expect
    .poll(async () => pause(await saved(page, 'Save hq as WAV')) - pause(sound), { timeout: 20_000 })
    .toBeGreaterThan(-7);
  expect(pause(full) - pause(sound)).toBeLessThan(-15);
});

test('a recording: the microphone is let go afterwards', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Record', exact: true }).click();
  await page.waitForTimeout(1500);
  await page.getByRole('button', { name: /^Stop \(\d+ s\)$/ }).click();
  await expect(page.getByRole('table')).toBeVisible({ timeout: 30_000 });
  await expect(page.getByRole('heading', { name: 'Recording' })).toBeVisible();
});

test('what is no sound, or too short, is said; what was there stays @once', async ({ page }) => {
  await open(page);
  await give(page);
  const path = test.info().outputPath('letter.wav');
  writeFileSync(path, 'Dear sound, ...');
  await page.locator('input[type=file]').setInputFiles(path);
  await expect(page.locator('[data-problem=unreadable]')).toBeVisible();
  writeFileSync(
    path,
    writeWav({ rate: 48_000, channels: [new Float32Array(480)], format: { float: false, bits: 16 } }),
  );
  await page.locator('input[type=file]').setInputFiles(path);
  await expect(page.locator('[data-problem=too-short]')).toBeVisible();
  await expect(page.getByRole('heading', { name: 'a kitchen.wav' })).toBeVisible();
});

test('weights that are not there: the other profile still works, and it is said @once', async ({ page }) => {
  await page.route('**/siegel-denoise-hq.bin', (route) => route.fulfill({ status: 404 }));
  await open(page);
  await give(page);
  await expect(page.locator('[data-problem=failed]')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Save eco as WAV' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Save hq as WAV' })).toHaveCount(0);
});

test('accessible, by keyboard too; pictures', async ({ page }) => {
  await open(page);
  await isAccessible(page, 'nothing yet');
  await give(page);
  await isAccessible(page, 'a result');
  await takePictures(page, `${test.info().project.name}-effects`);
  await page.getByRole('combobox').selectOption('de');
  await expect(page.getByRole('heading', { name: 'Geräuschunterdrückung ausprobieren' })).toBeVisible();
  await takePictures(page, `${test.info().project.name}-effects-de`);
});
