/**
 * The Matrix page and a call with made-up people (tests/browser/pages/screens), so that every state can be had without a
 * server: what axe-core finds in it, whether a keyboard is enough, and how one to many people look, for people to look at.
 */
import { expect, firefox, type Page, test } from '@playwright/test';
import type { RunningServer } from '../../tools/serve.mjs';
import type { Actor, Scene } from './pages/screens/main';
import { isAccessible, violations } from './support/axe';
import { startSite } from './support/call';
import { firefoxOptions } from './support/launch_options';
import { takePictures } from './support/screens';

const kSizes = [
  { width: 360, height: 740 },
  { width: 768, height: 1024 },
  { width: 1280, height: 800 },
  { width: 1920, height: 1080 },
];
const kKinds = ['light', 'dark'] as const;

let site: RunningServer;
test.beforeAll(async () => {
  site = await startSite();
});
test.afterAll(async () => {
  await site.close();
});

const picture = (page: Page, name: string, sizes = kSizes) =>
  takePictures(page, `${test.info().project.name}-${name}`, sizes);

async function open(page: Page): Promise<void> {
  await page.goto(`${site.url}/tests/screens/`);
  await page.locator('html[data-ready]').waitFor({ state: 'attached' });
}

const kNames = [
  'Bert',
  'Margarethe Freifrau von Hohenstein-Wittgenstein zu Donaueschingen',
  'محمد عبد الرحمن الخوارزمي',
  'Cleo',
  'Dr. Ingeborg Schmidt',
  'Zoë',
  'Ana María García-López',
  'Paul',
];

/** One of everything: camera and picture, muted and speaking, a hand, badges of all colours, a name that is there twice. */
function people(count: number, more: Record<number, Partial<Actor>> = {}): Actor[] {
  return Array.from({ length: count }, (_, i) => ({
    name: kNames[i % kNames.length] ?? '',
    mark: i === 3 ? '@cleo:example.org' : '',
    camera: i % 3 !== 2,
    avatar: i === 2,
    muted: i % 2 === 1,
    speaking: i === 0,
    hand: i === 1,
    badge:
      i === 4
        ? { level: 'amber', cause: 'unverified-device' }
        : i === 5
          ? { level: 'red', cause: 'rejected' }
          : { level: 'green', cause: 'verified' },
    ...more[i],
  }));
}

async function show(page: Page, scene: Scene): Promise<void> {
  await page.evaluate((what) => screens.call(what), scene);
  await expect(page.locator('siegel-call')).toBeVisible();
  // Toasts about hands and screens that were there from the start.
  await page.locator('siegel-toasts').evaluate((element) => {
    (element as never as { toasts: unknown[] }).toasts = [];
  });
}

for (const count of [1, 2, 3, 5, 9, 25]) {
  test(`a call of ${count}: every tile in the window, nobody twice, as large as there is room`, async ({ page }) => {
    await open(page);
    await show(page, { people: people(count - 1), camera: true });
    await picture(page, `gallery-${count}`);
    for (const size of kSizes) {
      await page.setViewportSize(size);
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      const boxes = await page.locator('siegel-tile').evaluateAll((tiles) =>
        tiles.map((tile) => {
          const { left, top, right, bottom } = tile.getBoundingClientRect();
          return { left, top, right, bottom };
        }),
      );
      expect(boxes.length).toBe(count);
      for (const [i, a] of boxes.entries()) {
        expect(a.left).toBeGreaterThanOrEqual(0);
        expect(a.right).toBeLessThanOrEqual(size.width);
        expect(a.bottom - a.top).toBeGreaterThanOrEqual(100);
        for (const b of boxes.slice(i + 1))
          expect(a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top).toBe(true);
      }
      const middle = boxes.reduce((sum, { left, right }) => sum + left + right, 0) / boxes.length / 2;
      // Rows and the last, shorter row stand in the middle.
      const lefts = Math.min(...boxes.map(({ left }) => left));
      const rights = Math.max(...boxes.map(({ right }) => right));
      expect(Math.abs(middle - (lefts + rights) / 2)).toBeLessThan(2);
    }
  });
}

test('tiles say how large they are drawn; scrolled away they are not, and the large place is the largest', async ({
  page,
}) => {
  await open(page);
  await page.setViewportSize({ width: 1280, height: 800 });
  await show(page, { people: people(3) });
  const shown = () => page.evaluate(() => screens.shown);
  const id = (i: number) => `video @${i}:example.org|DEVICE`;
  const width = async (i: number) => Number((await shown())[id(i)]?.split(' ')[0] ?? -1);
  await expect.poll(() => width(0)).toBeGreaterThan(500);
  const before = await width(0);
  const tile = page.locator('siegel-tile').first();
  await tile.hover();
  await tile.getByRole('button', { name: 'Show large: Bert' }).click();
  await expect.poll(() => width(0)).toBeGreaterThan(before);
  await expect.poll(() => width(1)).toBeLessThan(400);
  await show(page, { people: people(24) });
  await page.setViewportSize({ width: 360, height: 740 });
  await expect.poll(() => width(0)).toBeGreaterThan(100);
  await expect.poll(() => width(23)).toBe(0);
  await page.locator('siegel-tile').nth(23).scrollIntoViewIfNeeded();
  await expect.poll(() => width(23)).toBeGreaterThan(100);
  await expect.poll(() => width(0)).toBe(0);
});

test('a message’s notice goes when the chat is opened, and none comes while it is open', async ({ page }) => {
  await open(page);
  await show(page, { people: people(2) });
  const notice = page.locator('siegel-toasts').getByText('Bert wrote a message.');
  await page.evaluate(() => screens.say('Bert', 'Hello'));
  await expect(notice).toBeVisible();
  await page.getByRole('button', { name: '1 new message' }).click();
  await expect(page.getByRole('log')).toContainText('Hello');
  expect(await notice.count()).toBe(0);
  await page.evaluate(() => screens.say('Bert', 'Are you there?'));
  await expect(page.getByRole('log')).toContainText('Are you there?');
  expect(await notice.count()).toBe(0);
});

test('shared screens: large with people beside it, the own one small, whoever is pinned instead', async ({ page }) => {
  await open(page);
  await show(page, { people: people(5, { 1: { screen: true }, 3: { screen: true } }), camera: true, share: true });
  await picture(page, 'screens');
  const large = page.locator('siegel-tile[large]');
  await expect(large).toHaveAttribute('screen', '');
  await isAccessible(page, 'screens');
  await page.getByRole('button', { name: 'Show large: Bert', exact: true }).focus();
  await page.keyboard.press('Enter');
  await expect(large).toContainText('Bert');
  await picture(page, 'pinned');
  await page.getByRole('button', { name: 'No longer large: Bert' }).focus();
  await page.keyboard.press('Enter');
  await expect(large).toHaveAttribute('screen', '');
  // Only the own one: no hall of mirrors, people stay large.
  await show(page, { people: people(2), camera: true, share: true });
  await expect(large).toHaveCount(0);
  await expect(page.getByText('You are sharing your screen.')).toBeVisible();
  await picture(page, 'sharing');
});

for (const look of kKinds) {
  test(`axe-core finds nothing in any state of a call (${look})`, async ({ page: usual, browserName }) => {
    // Firefox has its colours from a preference, so the dark ones need another one.
    const own =
      look === 'dark' && browserName === 'firefox'
        ? await firefox.launch(firefoxOptions(1000, {}, { dark: true }))
        : null;
    const page = (await own?.newPage()) ?? usual;
    await page.emulateMedia({ colorScheme: look });
    await open(page);
    expect(await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches)).toBe(look === 'dark');
    await show(page, { people: [] });
    await isAccessible(page, 'alone');
    await show(page, {
      people: people(8),
      camera: true,
      phase: 'away',
      mayListen: ['Cleo'],
      warnings: [{ id: '1', kind: 'unverified-device', name: 'Bert', at: 1e12 }],
    });
    await isAccessible(page, 'call');
    await page.evaluate(() => screens.say('Bert', 'Hello'));
    await page.getByRole('button', { name: 'React', exact: true }).click();
    await isAccessible(page, 'call with notices and reactions');
    await page.getByRole('button', { name: '1 new message' }).click();
    await isAccessible(page, 'chat');
    await page.getByRole('button', { name: 'Settings' }).click();
    await isAccessible(page, 'settings');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /^Encrypted\. Encryption of Bert/ }).click();
    await isAccessible(page, 'numbers');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /security notice/ }).click();
    await isAccessible(page, 'security notices');
    await own?.close();
  });
}

test('axe-core sees into the components: a button without a name is found', async ({ page }) => {
  await open(page);
  await show(page, { people: people(1) });
  await page
    .locator('siegel-tile')
    .first()
    .evaluate((tile) => {
      tile.shadowRoot?.querySelector('.tool')?.removeAttribute('aria-label');
      tile.shadowRoot?.querySelector('.tool')?.removeAttribute('title');
    });
  expect((await violations(page)).join()).toContain('button-name');
});

test('from signing in to leaving with the keyboard alone, and axe-core finds nothing on the way', async ({ page }) => {
  await open(page);
  await page.evaluate(() => screens.app());
  const tabTo = async (name: string | RegExp, role: 'button' | 'textbox' = 'button', key = 'Tab') => {
    const wanted = page.getByRole(role, { name }).first();
    await wanted.waitFor();
    for (let i = 0; i < 60; i++) {
      if (await wanted.evaluate((element) => element.matches(':focus'))) return;
      await page.keyboard.press(key);
    }
    throw new Error(`the keyboard does not get to ${name}`);
  };
  await isAccessible(page, 'homeserver');
  await picture(page, 'app-homeserver');
  await tabTo('Homeserver', 'textbox');
  await page.keyboard.type('example.org');
  await page.keyboard.press('Enter');
  await page.getByLabel('User name').waitFor();
  await isAccessible(page, 'sign-in');
  await picture(page, 'app-sign-in');
  await tabTo('User name', 'textbox');
  await page.keyboard.type('ada');
  await page.keyboard.press('Tab');
  await page.keyboard.type('secret');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Your rooms' }).waitFor();
  await isAccessible(page, 'rooms');
  await picture(page, 'app-rooms');
  await tabTo(/Weekly meeting/);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Ready to join?' }).waitFor();
  await isAccessible(page, 'lobby');
  // Backwards: it stands before the heading. Behind the last element Firefox goes to its own controls, where no test gets it back.
  await tabTo('Turn on camera and microphone', 'button', 'Shift+Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Join now' }).waitFor();
  await page.getByText('More settings').focus();
  await page.keyboard.press('Enter');
  await page.getByLabel('Video coding').selectOption('vp9');
  await expect(page.getByText('more work for this device')).toBeVisible();
  await isAccessible(page, 'lobby with everything');
  await picture(page, 'app-lobby');
  await tabTo('Join now');
  await page.keyboard.press('Enter');
  await page.locator('siegel-call').waitFor();
  await isAccessible(page, 'call');
  await tabTo('Leave call');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'You have left the call' }).waitFor();
  await isAccessible(page, 'left');
});
