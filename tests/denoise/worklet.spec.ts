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
  test(`a context of ${rate} Hz: noise goes, a voice stays${rate === 16_000 || rate === 44_100 ? ' @long' : ''}`, async ({
    page,
  }) => {
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

test('a voice in noise stays, and is known as one @once', async ({ page }) => {
  await open(page);
  await page.evaluate(() => lab.start('both'));
  await heard(page, 2);
  const both = await heard(page, 3);
  expect(both.voice).toBeGreaterThan(0.8);
  expect(both.before - both.after).toBeLessThan(6);
  expect(both.share).toBeGreaterThan(0);
  expect(both.reports).toBeGreaterThan(15);
});

test('in a context of its own, synchronously: there is a track at once, the sound changes later', async ({ page }) => {
  await open(page);
  await page.evaluate(() => lab.start('noise', { own: true, sync: true }));
  const begun = await heard(page, 1);
  await heard(page, 2);
  const done = await heard(page, 2);
  expect(done).toMatchObject({ state: 'running', running: 'hq', failed: [] });
  expect(done.label).toBe(begun.label);
  expect(done.before - done.after).toBeGreaterThan(20);
});

test('strength, original sound and back, live @once', async ({ page }) => {
  await open(page);
  await page.evaluate(() => lab.start('noise', { strength: 12 }));
  await heard(page, 2);
  const limited = await heard(page, 2);
  expect(limited.before - limited.after).toBeGreaterThan(10);
  expect(limited.before - limited.after).toBeLessThan(13);
  await page.evaluate(() => lab.denoiser?.setStrength('full'));
  const full = await heard(page, 2);
  expect(full.before - full.after).toBeGreaterThan(20);
  await page.evaluate(() => lab.denoiser?.setProfile('off'));
  await heard(page, 1);
  const original = await heard(page, 1);
  expect(original.running).toBe('off');
  expect(Math.abs(original.before - original.after)).toBeLessThan(0.5);
  // The delay stays, so nothing jumps.
  expect(original.delay).toBeCloseTo(full.delay, 5);
  await page.evaluate(() => lab.denoiser?.setProfile('eco'));
  await heard(page, 2);
  const eco = await heard(page, 2);
  expect(eco.running).toBe('eco');
  expect(eco.before - eco.after).toBeGreaterThan(15);
  const { silent } = await page.evaluate(() => lab.crackle());
  expect(silent).toBeLessThan(128);
});

test('muted: nothing comes out, and who talks is still known', async ({ page }) => {
  await open(page);
  await page.evaluate(() => lab.start('both'));
  await heard(page, 2);
  await page.evaluate(() => lab.denoiser?.setMuted(true));
  await heard(page, 1);
  const muted = await heard(page, 2);
  expect(muted.after).toBeLessThan(-110);
  expect(muted.before).toBeGreaterThan(-40);
  expect(muted.voice).toBeGreaterThan(0.8);
});

test('six times as slow: down with an event, no crackle; fast again: back up @once', async ({ page }) => {
  test.setTimeout(180_000);
  await open(page, 48_000, true);
  await page.evaluate(() => lab.start('both', { strength: 'full' }));
  await heard(page, 2);
  const fine = await heard(page, 3);
  expect(fine.running).toBe('hq');
  const before = await page.evaluate(() => lab.crackle());
  // Six times what it takes here must be too much, twice that must not.
  await page.evaluate(
    (budget) => {
      lab.denoiser?.close();
      return lab.start('both', { budget });
    },
    Math.max(0.02, fine.share * 3),
  );
  await heard(page, 3);
  await page.evaluate(() => lab.slow(6));
  await expect.poll(async () => (await heard(page, 0.5)).steps, { timeout: 20_000 }).toContain('hq eco slow');
  await heard(page, 2);
  const slow = await heard(page, 2);
  expect(slow.running).toBe('eco');
  expect(slow.state).toBe('running');
  // The voice goes on: no hole, and no jump that was not there before.
  const during = await page.evaluate(() => lab.crackle());
  expect(during.silent).toBeLessThan(480);
  expect(during.step).toBeLessThan(1.5 * Math.max(before.step, 0.05));
  await page.evaluate(() => lab.slow(1));
  await expect.poll(async () => (await heard(page, 1)).steps, { timeout: 60_000 }).toContain('eco hq recovered');
  await heard(page, 2);
  expect((await heard(page, 1)).running).toBe('hq');
});

for (const onFailure of ['raw', 'mute'] as const) {
  test(`files that are not there: ${onFailure}, and it is said @once`, async ({ page }) => {
    await open(page);
    await page.evaluate((onFailure) => lab.start('noise', { missing: true, onFailure }), onFailure);
    await heard(page, 1);
    const failed = await heard(page, 1);
    expect(failed.failed).toEqual(['module']);
    expect(failed.state).toBe(onFailure === 'raw' ? 'raw' : 'muted');
    if (onFailure === 'raw') expect(Math.abs(failed.before - failed.after)).toBeLessThan(0.5);
    else expect(failed.after).toBeLessThan(-110);
  });

  test(`a module that traps while it runs: ${onFailure}, and it is said`, async ({ page }) => {
    await open(page, 48_000, true);
    await page.evaluate((onFailure) => lab.start('noise', { onFailure }), onFailure);
    await heard(page, 2);
    await page.evaluate(() => lab.slow(-1));
    await heard(page, 1);
    const failed = await heard(page, 1);
    expect(failed.failed).toEqual(['engine']);
    expect(failed.state).toBe(onFailure === 'raw' ? 'raw' : 'muted');
    if (onFailure === 'raw') expect(Math.abs(failed.before - failed.after)).toBeLessThan(0.5);
    else expect(failed.after).toBeLessThan(-110);
  });
}

test('weights that are damaged: raw, and it is said @once', async ({ page }) => {
  await open(page);
  await page.route('**/siegel-denoise-hq.bin', (route) => route.fulfill({ body: Buffer.alloc(100_000, 1) }));
  await page.evaluate(() => lab.start('noise'));
  await heard(page, 1);
  const failed = await heard(page, 1);
  expect(failed.failed).toEqual(['weights']);
  expect(failed.state).toBe('raw');
});

test('audio that is suspended: said, and mended by itself when it runs again @once', async ({ page }) => {
  await open(page);
  await page.evaluate(() => lab.start('noise'));
  await heard(page, 1);
  // As a browser does to a page without a click, or a phone during a telephone call: resume() is refused.
  await page.evaluate(async () => {
    lab.context.resume = () => Promise.resolve();
    await lab.context.suspend();
  });
  await expect.poll(async () => (await heard(page, 0.3)).failed, { timeout: 10_000 }).toEqual(['silent']);
  const aside = await page.evaluate(() => ({
    state: lab.denoiser?.state,
    itself: lab.denoiser?.track === lab.denoiser?.source,
  }));
  expect(aside).toEqual({ state: 'raw', itself: true });
  await page.evaluate(() => {
    Reflect.deleteProperty(lab.context, 'resume');
    return lab.context.resume();
  });
  await expect.poll(async () => (await heard(page, 0.3)).state, { timeout: 10_000 }).toBe('running');
  expect(await page.evaluate(() => lab.denoiser?.track === lab.denoiser?.source)).toBe(false);
});

test('in a background tab it goes on', async ({ page, context }) => {
  await open(page);
  await page.evaluate(() => lab.start('noise'));
  await heard(page, 2);
  const front = await context.newPage();
  await front.goto(`${server.url}/call/`);
  await front.bringToFront();
  await front.waitForTimeout(3000);
  const hidden = await heard(page, 4);
  expect(hidden).toMatchObject({ state: 'running', running: 'hq', failed: [], steps: [] });
  expect(hidden.before - hidden.after).toBeGreaterThan(20);
  expect(hidden.reports).toBeGreaterThan(20);
  await front.close();
});

test('as a processor of livekit-client @once', async ({ page }) => {
  await open(page);
  const seen = await page.evaluate(() => lab.liveKit());
  expect(seen).toMatchObject({ name: 'siegel-noise-suppression', restarted: true, after: true });
  expect(seen.attenuation).toBeGreaterThan(15);
});

test('as an effect of lib-jitsi-meet: synchronous, one track throughout', async ({ page }) => {
  await open(page);
  const seen = await page.evaluate(() => lab.jitsi());
  expect(seen).toMatchObject({ sync: true, same: true, stopped: true, video: false });
  expect(seen.attenuation).toBeGreaterThan(15);
});
