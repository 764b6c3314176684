/** What only Chromium has: frames that never touch the page; and there a test can end a worker. */
import { expect, test } from '@playwright/test';
import { goto, more, nothing, open, serves, told, watched } from './stage';

serves();

test('the page is blocked for three seconds: no frame waits for it', async ({ page }) => {
  await goto(page);
  // The camera of the browser: a canvas would stand still with the page.
  await page.evaluate(() => stage.device());
  await expect.poll(async () => (await told(page)).frames).toBeGreaterThan(20);
  const before = (await told(page)).frames;
  await page.evaluate(() => stage.block(3000));
  await page.waitForTimeout(700);
  // The fake camera gives 20 frames a second.
  expect((await told(page)).frames - before).toBeGreaterThan(50);
});

test('the worker ends: nothing more comes out until it is started again, by itself', async ({ page }) => {
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
