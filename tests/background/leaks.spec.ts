/**
 * A room with a pattern in front of the camera and nobody in it: at the other end of a real connection no frame may show the
 * pattern, whatever happens. That the receiver would find it is shown by the type `none`.
 */
import { expect, type Page, test } from '@playwright/test';
import type { RunningServer } from '../../tools/serve.mjs';
import type { Told, Watched } from '../browser/pages/background/main';
import { startSite } from '../browser/support/call';

let server: RunningServer;
test.beforeAll(async () => {
  server = await startSite();
});
test.afterAll(() => server.close());

const watched = (page: Page): Promise<Watched> => page.evaluate(() => stage.watched());
const told = (page: Page): Promise<Told> => page.evaluate(() => stage.told());

async function open(page: Page, type: 'none' | 'blur-light' | 'blur-strong' | 'image' = 'blur-strong'): Promise<void> {
  await page.goto(`${server.url}/tests/background/`);
  await page.waitForFunction(() => 'stage' in globalThis);
  await page.evaluate((type) => stage.open(type), type);
}
/** So many more frames at the receiver. */
async function more(page: Page, count: number): Promise<Watched> {
  const { frames } = await watched(page);
  await expect.poll(async () => (await watched(page)).frames, { timeout: 30_000 }).toBeGreaterThan(frames + count);
  return watched(page);
}
async function nothing(page: Page): Promise<void> {
  const { leaks, most } = await watched(page);
  expect({ leaks, most: most < 30 }).toEqual({ leaks: 0, most: true });
}

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
  await page.goto(`${server.url}/tests/background/`);
  await page.waitForFunction(() => 'stage' in globalThis);
  await page.evaluate(() => stage.liveKit());
  await more(page, 20);
  await page.evaluate(() => stage.liveKitCamera());
  await more(page, 20);
  await nothing(page);
});

test('as an effect of lib-jitsi-meet: the track that it gives at once', async ({ page }) => {
  await page.goto(`${server.url}/tests/background/`);
  await page.waitForFunction(() => 'stage' in globalThis);
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

test('the page is blocked for three seconds: no frame waits for it (Chromium)', async ({ page, browserName }) => {
  test.skip(browserName !== 'chromium', 'elsewhere frames come from the page');
  await page.goto(`${server.url}/tests/background/`);
  await page.waitForFunction(() => 'stage' in globalThis);
  // The camera of the browser: a canvas would stand still with the page.
  await page.evaluate(() => stage.device());
  await expect.poll(async () => (await told(page)).frames).toBeGreaterThan(20);
  const before = (await told(page)).frames;
  await page.evaluate(() => stage.block(3000));
  await page.waitForTimeout(700);
  // The fake camera gives 20 frames a second.
  expect((await told(page)).frames - before).toBeGreaterThan(50);
});

test('the worker ends: nothing more comes out until it is started again, by itself (Chromium)', async ({
  page,
  browserName,
}) => {
  test.skip(browserName !== 'chromium', 'only there a test can end a worker');
  await open(page);
  await more(page, 10);
  const worker = page.workers().find((each) => each.url().includes('siegel-background-worker'));
  expect(worker).toBeDefined();
  await worker?.evaluate(() => close()).catch(() => {});
  await page.waitForTimeout(1000);
  const { frames } = await watched(page);
  await page.waitForTimeout(1500);
  expect((await watched(page)).frames - frames).toBeLessThan(3);
  await expect.poll(async () => (await told(page)).failed, { timeout: 10_000 }).toEqual(['worker']);
  await expect.poll(async () => (await told(page)).state, { timeout: 10_000 }).toBe('running');
  await more(page, 10);
  await nothing(page);
});
