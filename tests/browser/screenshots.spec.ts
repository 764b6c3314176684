/**
 * Every screen at three widths, in both browsers, into test-results/screenshots, for people to look at. What a program can
 * see is asserted: nothing wider than the window, every control inside it and large enough to hit, and the text of the
 * state there.
 */
import { expect, firefox, type Page, test } from '@playwright/test';
import { Call, newLink, startSite } from './support/call';
import { badgeTurns, meets, press } from './support/call_page';
import { firefoxOptions } from './support/launch_options';
import type { BrowserKind } from './support/people';
import { kSizes, takePictures } from './support/screens';

const kindOf = (): BrowserKind => (test.info().project.name === 'firefox' ? 'firefox' : 'chromium');

const takeAll = (page: Page, name: string, sizes = kSizes) => takePictures(page, `${kindOf()}-${name}`, sizes);

test('start page, bad links, lobby', async ({ page, browser }) => {
  const server = await startSite();
  try {
    await page.goto(`${server.url}/call/`);
    await expect(page.getByRole('button', { name: 'Start a call' })).toBeVisible();
    await takeAll(page, 'start');

    await page.goto(`${server.url}/call/${'a'.repeat(22)}`);
    await expect(page.getByText('This link does not work')).toBeVisible();
    await takeAll(page, 'link-without-key');

    await page.goto(newLink(server).url);
    await expect(page.getByText('Encryption is ready.')).toBeVisible({ timeout: 15_000 });
    await takeAll(page, 'lobby-devices-off');
    await page.getByRole('button', { name: 'Turn on camera and microphone' }).click();
    await expect(page.getByRole('button', { name: 'Join now' })).toBeEnabled({ timeout: 15_000 });
    await page.getByLabel('Your name').fill('Ada');
    await takeAll(page, 'lobby');

    // This Firefox has its colours from a preference, not from the driver.
    const darkFirefox = kindOf() === 'firefox' ? await firefox.launch(firefoxOptions(1000, {}, { dark: true })) : null;
    const context = await (darkFirefox ?? browser).newContext({ colorScheme: 'dark', locale: 'de-DE' });
    const dark = await context.newPage();
    await dark.goto(`${server.url}/call/`);
    await expect(dark.locator('html')).toHaveAttribute('lang', 'de');
    expect(await dark.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches)).toBe(true);
    await takeAll(dark, 'start-dark-german');
    await dark.goto(newLink(server).url);
    await expect(dark.locator('siegel-lobby')).toBeVisible({ timeout: 15_000 });
    await takeAll(dark, 'lobby-dark-german');
    await context.close();
    await darkFirefox?.close();
  } finally {
    await server.close();
  }
});

test('call: alone, three people, figures, shared screen, stranger, dead engine, goodbye @once', async () => {
  test.setTimeout(240_000);
  const call = await Call.start();
  call.takesScreenshots = true;
  try {
    const ada = await call.add(kindOf());
    await call.join(ada);
    await takeAll(ada.page, 'call-alone');
    const bert = await call.add('chromium');
    const cleo = await call.add('chromium', { colorScheme: 'dark', locale: 'de-DE' });
    await call.join(bert);
    await call.join(cleo);
    for (const other of [bert, cleo]) {
      await meets(ada, other);
      await badgeTurns(ada, other, 'green', 'verified');
    }
    await takeAll(ada.page, 'call');
    if (kindOf() === 'chromium') await takeAll(cleo.page, 'call-dark-german');

    await ada.page.locator('siegel-badge[data-call]').getByRole('button').click();
    await expect(ada.page.getByRole('dialog', { name: 'Encryption of this call' })).toBeVisible();
    await takeAll(ada.page, 'numbers');
    await ada.page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
    await press(ada, 'More: Settings');
    await expect(ada.page.getByRole('dialog', { name: 'Settings' })).toBeVisible();
    await takeAll(ada.page, 'settings');
    await ada.page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();

    await press(bert, 'Mute microphone');
    await press(bert, 'Share screen');
    await expect(ada.page.locator('siegel-tile[screen] video')).toHaveCount(1, { timeout: 15_000 });
    await takeAll(ada.page, 'call-screen');

    await call.look(ada);
    await ada.page.evaluate(() => {
      for (const worker of siegelProbe.workers) worker.terminate();
    });
    await expect(ada.page.locator('siegel-notice[data-kind="worker-died"]')).toBeVisible({ timeout: 10_000 });
    await takeAll(ada.page, 'engine-stopped');
    await ada.page.locator('siegel-notice').getByRole('button', { name: 'Leave call' }).click();
    await expect(ada.page.locator('siegel-notice[data-kind="left"]')).toBeVisible();
    await takeAll(ada.page, 'left');
    await call.finish();
  } catch (error) {
    await call.attachViews();
    throw error;
  } finally {
    await call.abandon();
  }
});
