/** The page of effects with backgrounds, as a person uses it. */
import { expect, type Page, test } from '@playwright/test';
import { isAccessible } from '../browser/support/axe';
import { kept, kNothing } from '../browser/support/kept';
import { takePictures } from '../browser/support/screens';
import { server, serves } from './stage';

serves();

async function open(page: Page): Promise<string[]> {
  const hosts: string[] = [];
  page.on('request', (request) => hosts.push(new URL(request.url()).host));
  await page.goto(`${server.url}/effects#background`);
  await expect(page.getByRole('heading', { name: 'Try backgrounds' })).toBeVisible();
  return hosts;
}

/** Mean colour of the canvas with the result. */
const after = (page: Page): Promise<number[]> =>
  page.locator('canvas.after').evaluate((canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height);
    const sum = [0, 0, 0];
    for (let at = 0; at < data.length; at += 4)
      for (let i = 0; i < 3; ++i) sum[i] = (sum[i] ?? 0) + (data[at + i] ?? 0) / (width * height);
    return sum;
  });

const cost = async (page: Page): Promise<number> =>
  Number(/([\d.]+) ms/.exec((await page.locator('.bars span.sum').textContent()) ?? '')?.[1]);

test('the camera: figures of every stage, every arithmetic, every view and effect; let go afterwards', async ({
  page,
}) => {
  const hosts = await open(page);
  await page.getByRole('button', { name: 'Turn on camera' }).click();
  await expect(page.getByRole('heading', { name: 'Time for a frame on this device' })).toBeVisible({ timeout: 30_000 });
  await expect(page.locator('.bars meter')).toHaveCount(6);
  expect(await cost(page)).toBeGreaterThan(0.3);
  for (const name of ['Floats (f32)', 'Whole numbers (int16)']) {
    await page.getByLabel('Arithmetic of the network').selectOption({ label: name });
    await expect.poll(() => cost(page), { timeout: 20_000 }).toBeGreaterThan(0.3);
  }
  await page.getByLabel('Background').selectOption({ label: 'Hills' });
  // Nobody stands before the camera: what is seen is the picture, green below and blue above.
  await expect
    .poll(
      async () => {
        const [red = 0, green = 0] = await after(page);
        return green - red;
      },
      { timeout: 20_000 },
    )
    .toBeGreaterThan(3);
  await page.getByLabel('Right half shows').selectOption({ label: 'The matte' });
  // Grey, whatever the camera shows.
  await expect
    .poll(
      async () => {
        const [red = 0, green = 255, blue = 0] = await after(page);
        return Math.max(Math.abs(red - green), Math.abs(green - blue));
      },
      { timeout: 20_000 },
    )
    .toBeLessThan(0.5);
  await page.getByLabel('Right half shows').selectOption({ label: 'Edges' });
  await page.getByLabel('Right half shows').selectOption({ label: 'The result' });
  const slider = page.getByRole('slider', { name: 'Where after begins' });
  await slider.focus();
  await page.keyboard.press('Home');
  await expect(slider).toHaveValue('0');
  await isAccessible(page, 'the lab of backgrounds');
  await takePictures(page, `${test.info().project.name}-lab-background`);
  await page.getByRole('button', { name: 'Turn camera off' }).click();
  await expect(page.locator('canvas.after')).toHaveCount(0);
  expect(new Set(hosts)).toEqual(new Set([new URL(server.url).host]));
  expect(await kept(page)).toEqual(kNothing);
});

test('a film, and one that is none', async ({ page }) => {
  await open(page);
  await page
    .locator('input[type=file]')
    .setInputFiles({ name: 'notes.webm', mimeType: 'video/webm', buffer: Buffer.from('no film') });
  await expect(page.locator('[data-problem=unreadable]')).toBeVisible({ timeout: 20_000 });
  const film = await page.evaluate(async () => {
    const canvas = document.createElement('canvas');
    canvas.width = 320;
    canvas.height = 240;
    const context = canvas.getContext('2d')!;
    const recorder = new MediaRecorder(canvas.captureStream(), { mimeType: 'video/webm' });
    const parts: Blob[] = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.start();
    for (let i = 0; i < 30; ++i) {
      context.fillStyle = `hsl(${i * 12} 60% 50%)`;
      context.fillRect(0, 0, 320, 240);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await new Promise((resolve) => {
      recorder.onstop = resolve;
      recorder.stop();
    });
    return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
  });
  await page
    .locator('input[type=file]')
    .setInputFiles({ name: 'film.webm', mimeType: 'video/webm', buffer: Buffer.from(film) });
  await expect(page.getByText('320 × 240')).toBeVisible({ timeout: 30_000 });
  await expect(page.locator('[data-problem]')).toHaveCount(0);
});

test('without module: said; and the other page of effects is one click away', async ({ page }) => {
  await page.route('**/siegel-matte-*.wasm', (route) => route.fulfill({ status: 404 }));
  await open(page);
  await page.getByRole('button', { name: 'Turn on camera' }).click();
  await expect(page.locator('[data-problem=failed]')).toBeVisible({ timeout: 20_000 });
  await page.getByRole('link', { name: 'Noise suppression' }).click();
  await expect(page.getByRole('heading', { name: 'Try noise suppression' })).toBeVisible();
  await page.getByRole('link', { name: 'Background' }).click();
  await expect(page.getByRole('heading', { name: 'Try backgrounds' })).toBeVisible();
});
