/** Backgrounds in calls, chosen by people in the page. The camera shows a pattern with sharp edges and nobody. */
import { expect, type Page, test } from '@playwright/test';
import { isAccessible } from '../browser/support/axe';
import { Call } from '../browser/support/call';
import { elementsOf } from '../browser/support/call_page';
import { takePictures } from '../browser/support/screens';

/** The largest step between neighbours in what an element shows, in levels of 255; and whether a new frame came for it. */
async function look(page: Page, selector: string): Promise<{ step: number; fresh: boolean }> {
  return page
    .locator(selector)
    .first()
    .evaluate(async (video) => {
      if (!(video instanceof HTMLVideoElement)) return { step: 0, fresh: false };
      const fresh = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), 2000);
        video.requestVideoFrameCallback(() => {
          clearTimeout(timer);
          resolve(true);
        });
      });
      const canvas = document.createElement('canvas');
      canvas.width = 320;
      canvas.height = 180;
      const context = canvas.getContext('2d', { willReadFrequently: true })!;
      context.drawImage(video, 0, 0, 320, 180);
      const { data } = context.getImageData(0, 0, 320, 180);
      let step = 0;
      // Two pixels apart: what a coder makes of an edge is no step of one.
      for (let at = 0; at < data.length - 8; at += 4)
        if ((at / 4) % 320 < 317) step = Math.max(step, Math.abs((data[at + 1] ?? 0) - (data[at + 9] ?? 0)));
      return { step, fresh };
    });
}

/** With edges as the camera has them; and less than any edge of the room can be after blurring. */
const kSharp = 80;
const kSoft = 45;

/** So many frames, none of them sharp. */
async function staysSoft(page: Page, selector: string, frames: number): Promise<void> {
  const end = performance.now() + 30_000;
  for (let seen = 0; seen < frames; ) {
    const { step, fresh } = await look(page, selector);
    expect(step, 'nothing of the room is sharp').toBeLessThan(kSoft);
    if (fresh) ++seen;
    expect(performance.now(), `${seen} frames arrived in time`).toBeLessThan(end);
  }
}

const choose = (page: Page, name: string) => page.getByRole('radio', { name }).check({ force: true });
const state = (page: Page, is: string) => expect(page.locator(`[data-behind=${is}]`)).toBeVisible({ timeout: 30_000 });

test('chosen in the lobby, and changed in the call: what the other one sees', async () => {
  const call = await Call.start();
  const ada = await call.add('chromium');
  const bert = await call.add('firefox');
  await call.join(bert);
  await call.toLobby(ada);
  const { page } = ada;
  await page.locator('summary', { hasText: 'Background' }).click();
  await state(page, 'none');
  await choose(page, 'Strong blur');
  await state(page, 'running');
  await staysSoft(page, '.preview video', 10);
  await page.getByRole('button', { name: 'Join now' }).click();
  await expect(page.locator('siegel-call')).toBeVisible({ timeout: 15_000 });

  const { video } = await elementsOf(bert, ada);
  await expect.poll(async () => (await look(bert.page, video)).fresh, { timeout: 30_000 }).toBe(true);
  await test.step('from the first frame on', () => staysSoft(bert.page, video, 20));
  await test.step('after the camera was off', async () => {
    await page.getByRole('button', { name: 'Turn camera off' }).click();
    await page.getByRole('button', { name: 'Turn camera on' }).click();
    await expect(page.getByRole('button', { name: 'Turn camera off' })).toBeVisible({ timeout: 20_000 });
    await elementsOf(bert, ada);
    await staysSoft(bert.page, video, 20);
  });
  await page.getByRole('button', { name: 'More', exact: false }).first().click();
  await test.step('with a picture, which has soft edges itself', async () => {
    await choose(page, 'Plain wall');
    await state(page, 'running');
    await staysSoft(bert.page, video, 20);
  });
  await isAccessible(page, 'settings');
  await test.step('as it is, by choice', async () => {
    await choose(page, 'As it is');
    await state(page, 'none');
    await expect.poll(async () => (await look(bert.page, video)).step, { timeout: 20_000 }).toBeGreaterThan(kSharp);
  });
  await test.step('and not any more', async () => {
    await choose(page, 'Light blur');
    await state(page, 'running');
    await expect.poll(async () => (await look(bert.page, video)).step, { timeout: 20_000 }).toBeLessThan(kSoft);
    await staysSoft(bert.page, video, 20);
  });
  // Whatever was switched, every frame was sealed.
  await call.finish();
});

for (const kind of ['chromium', 'firefox'] as const) {
  test(`in the lobby of ${kind}: choices, an own picture, a file that is none, by keyboard`, async () => {
    const call = await Call.start();
    const ada = await call.add(kind);
    const { page } = ada;
    await call.toLobby(ada);
    await page.locator('summary', { hasText: 'Background' }).click();
    await page.getByRole('radio', { name: 'As it is' }).focus();
    await page.keyboard.press('ArrowRight');
    await expect(page.getByRole('radio', { name: 'Light blur' })).toBeChecked();
    await state(page, 'running');
    await choose(page, 'Office');
    await state(page, 'running');
    await isAccessible(page, 'lobby');
    await takePictures(page, `${kind}-lobby-background`);

    const [first] = await Promise.all([
      page.waitForEvent('filechooser'),
      page.getByRole('button', { name: 'Your own picture' }).click(),
    ]);
    await first.setFiles({ name: 'notes.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    await expect(page.getByText('This is not a picture that the browser can read.')).toBeVisible();
    await expect(page.getByRole('radio', { name: 'Office' })).toBeChecked();
    const buffer = await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(64, 64);
      canvas.getContext('2d')!.fillRect(0, 0, 64, 64);
      const blob = await canvas.convertToBlob();
      return [...new Uint8Array(await blob.arrayBuffer())];
    });
    // (Firefox's driver tells of the first picker of a page only.)
    await page
      .locator('siegel-background input[type=file]')
      .setInputFiles({ name: 'wall.png', mimeType: 'image/png', buffer: Buffer.from(buffer) });
    await expect(page.getByRole('radio', { name: 'Your picture' })).toBeChecked();
    await expect(page.getByText('This is not a picture')).toBeHidden();
    await choose(page, 'Hills');
    await choose(page, 'Your picture');
    await expect(page.getByRole('radio', { name: 'Your picture' })).toBeChecked();
    call.takesScreenshots = true;
    await call.finish();
  });

  test(`in the lobby of ${kind}: a module that is none is said, nothing of the room is shown, and trying again mends it${kind === 'firefox' ? ' @long' : ''}`, async () => {
    const call = await Call.start();
    const ada = await call.add(kind);
    const { page } = ada;
    await page.route('**/siegel-matte-*.wasm', (route) =>
      route.fulfill({ contentType: 'application/wasm', body: 'no module' }),
    );
    await call.toLobby(ada);
    await page.locator('summary', { hasText: 'Background' }).click();
    await choose(page, 'Strong blur');
    await expect(page.locator('[data-failure=module]')).toBeVisible({ timeout: 20_000 });
    expect((await look(page, '.preview video')).step).toBeLessThan(kSoft);
    await page.getByRole('button', { name: 'Try again' }).click();
    await expect(page.locator('[data-failure=module]')).toBeVisible({ timeout: 20_000 });
    await choose(page, 'As it is');
    await expect
      .poll(async () => (await look(page, '.preview video')).step, { timeout: 20_000 })
      .toBeGreaterThan(kind === 'chromium' ? kSharp : -1);
    await choose(page, 'Strong blur');
    await expect(page.locator('[data-failure=module]')).toBeVisible({ timeout: 20_000 });
    await page.unroute('**/siegel-matte-*.wasm');
    await page.getByRole('button', { name: 'Try again' }).click();
    await state(page, 'running');
    await staysSoft(page, '.preview video', 10);
    await call.finish();
  });
}
