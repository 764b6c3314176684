/** The shipped worklet, module and weights in the audio graphs of real browsers. */
import { expect, type Page, test } from '@playwright/test';
import type { RunningServer } from '../../tools/serve.mjs';
import type { Heard } from '../browser/pages/denoise/main';
import { startSite } from '../browser/support/call';

let server: RunningServer;
test.beforeAll(async () => {
  server = await startSite();
});
test.afterAll(() => server.close());

async function open(page: Page, rate = 48_000, slow = false): Promise<void> {
  await page.goto(`${server.url}/tests/denoise/`);
  await page.waitForFunction(() => 'lab' in globalThis);
  const { state } = await page.evaluate(([rate, slow]) => lab.open(rate, slow), [rate, slow] as const);
  expect(state).toBe('running');
}

const heard = (page: Page, seconds: number): Promise<Heard> => page.evaluate((seconds) => lab.heard(seconds), seconds);

for (const profile of ['hq', 'eco'] as const) {
  test(`${profile}: in a live graph, sample by sample what the module does offline`, async ({ page }) => {
    await open(page);
    const { difference, length, power } = await page.evaluate((profile) => lab.exact(profile, 3), profile);
    // The same instructions on the same numbers.
    expect(difference).toBe(0);
    expect(length).toBeGreaterThan(2 * 48_000);
    expect(power).toBeGreaterThan(-50);
  });
}

for (const rate of [8000, 16_000, 44_100, 48_000]) {
  test(`a context of ${rate} Hz: noise goes, a voice stays`, async ({ page }) => {
    await open(page, rate);
    await page.evaluate(() => lab.start('noise'));
    await heard(page, 2);
    const quiet = await heard(page, 2);
    expect(quiet).toMatchObject({ state: 'running', running: 'hq', failed: [], steps: [] });
    expect(quiet.before - quiet.after).toBeGreaterThan(20);
    expect(quiet.delay).toBeGreaterThan(0.03);
    expect(quiet.delay).toBeLessThan(0.08);
    expect(quiet.voice).toBeLessThan(0.5);
  });
}
