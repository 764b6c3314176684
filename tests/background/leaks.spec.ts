/**
 * A room with a pattern in front of the camera and nobody in it: at the other end of a real connection no frame may show the
 * pattern, whatever happens. That the receiver would find it is shown by the type `none`.
 */
import { expect, test } from '@playwright/test';
import { goto, more, nothing, open, server, serves, told } from './stage';

serves();

test('the receiver finds the pattern where the camera goes out as it is', async ({ page }) => {
  await open(page, 'none');
  const { leaks } = await more(page, 20);
  expect(leaks).toBeGreaterThan(10);
});

test('from the first frame on, through types, toggles, an image, another camera and another size', async ({ page }) => {
  await open(page);
  await more(page, 10);
  expect((await told(page)).state).toBe('running');
  for (let i = 0; i < 20; ++i) {
    await page.evaluate((i) => stage.type(i % 2 ? 'blur-strong' : 'blur-light'), i);
    await more(page, 2);
  }
  expect(await page.evaluate(() => stage.image())).toBe(true);
  await page.evaluate(() => stage.type('image'));
  await more(page, 10);
  await page.evaluate(() => stage.camera());
  await more(page, 10);
  await page.evaluate(() => stage.type('blur-strong'));
  await page.evaluate(() => stage.resize(960, 540));
  await more(page, 15);
  await page.evaluate(() => stage.resize(320, 240));
  await more(page, 15);
  await nothing(page);
  expect((await told(page)).failed).toEqual([]);
});

test('after `none`, once it is gone from what is on its way', async ({ page }) => {
  await open(page, 'none');
  await more(page, 10);
  await page.evaluate(() => stage.type('blur-strong'));
  await more(page, 30);
  await page.evaluate(() => stage.reset());
  await more(page, 20);
  await nothing(page);
});

test('without module and without models', async ({ page }) => {
  await page.route('**/siegel-matte-*.bin', (route) => route.abort());
  await open(page);
  await more(page, 20);
  await nothing(page);
  await expect.poll(async () => (await told(page)).failed).toEqual(['model']);
  await page.unroute('**/siegel-matte-*.bin');
  await page.route('**/siegel-matte-*.wasm', (route) => route.fulfill({ status: 404 }));
  await open(page);
  await page.waitForTimeout(3000);
  await nothing(page);
  await expect.poll(async () => (await told(page)).failed).toEqual(['module']);
});

test("as a processor of livekit-client's own track, and with another camera", async ({ page }) => {
  await goto(page);
  await page.evaluate(() => stage.liveKit());
  await more(page, 20);
  await page.evaluate(() => stage.liveKitCamera());
  await more(page, 20);
  await nothing(page);
});

test('as an effect of lib-jitsi-meet: the track that it gives at once', async ({ page }) => {
  await goto(page);
  await page.evaluate(() => stage.jitsi());
  await more(page, 20);
  await nothing(page);
  expect(await told(page)).toMatchObject({ state: 'running', failed: [] });
});

test('a page that nobody sees goes on', async ({ page, context }) => {
  await open(page);
  await more(page, 10);
  const other = await context.newPage();
  await other.goto(`${server.url}/`);
  await other.bringToFront();
  const before = (await told(page)).frames;
  await page.waitForTimeout(4000);
  expect((await told(page)).frames - before).toBeGreaterThan(10);
  await page.bringToFront();
  await more(page, 10);
  await nothing(page);
});
