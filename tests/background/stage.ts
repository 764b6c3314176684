/** What tests of backgrounds do with their page (tests/browser/pages/background). */
import { expect, type Page, test } from '@playwright/test';
import type { RunningServer } from '../../tools/serve.mjs';
import type { Told, Watched } from '../browser/pages/background/main';
import { startSite } from '../browser/support/call';

export let server: RunningServer;

/** For the tests of one file. */
export function serves(): void {
  test.beforeAll(async () => {
    server = await startSite();
  });
  test.afterAll(() => server.close());
}

export const watched = (page: Page): Promise<Watched> => page.evaluate(() => stage.watched());
export const told = (page: Page): Promise<Told> => page.evaluate(() => stage.told());

export async function goto(page: Page): Promise<void> {
  await page.goto(`${server.url}/tests/background/`);
  await page.waitForFunction(() => 'stage' in globalThis);
}
export async function open(
  page: Page,
  type: 'none' | 'blur-light' | 'blur-strong' | 'image' = 'blur-strong',
): Promise<void> {
  await goto(page);
  await page.evaluate((type) => stage.open(type), type);
}
/** So many more frames at the receiver. */
export async function more(page: Page, count: number): Promise<Watched> {
  const { frames } = await watched(page);
  await expect.poll(async () => (await watched(page)).frames, { timeout: 30_000 }).toBeGreaterThan(frames + count);
  return watched(page);
}
/** No frame had the pattern. */
export async function nothing(page: Page): Promise<void> {
  const { leaks, most } = await watched(page);
  expect({ leaks, most: most < 30 }).toEqual({ leaks: 0, most: true });
}
