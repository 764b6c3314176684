/**
 * The Jitsi page with a made-up call (tests/browser/pages/screens): every state on the way in and in the call, in both
 * languages, at phone and desktop width; what axe-core finds, and whether a keyboard is enough.
 */
import { expect, type Page, test } from '@playwright/test';
import type { RunningServer } from '../../tools/serve.mjs';
import type { JitsiState } from './pages/screens/main';
import { isAccessible } from './support/axe';
import { startSite } from './support/call';
import { takePictures } from './support/screens';

const kSizes = [
  { width: 360, height: 740 },
  { width: 1280, height: 800 },
];
const kRoom = 'https://meet.example.org/Weekly';

let site: RunningServer;
test.beforeAll(async () => {
  site = await startSite();
});
test.afterAll(async () => {
  await site.close();
});

const becomes = (page: Page, state: Partial<JitsiState>): Promise<void> =>
  page.evaluate((what) => screens.jitsiBecomes(what), state);
const asked = (page: Page): Promise<string[]> => page.evaluate(() => screens.asked.splice(0));

async function open(page: Page, address?: string): Promise<void> {
  await page.goto(`${site.url}/tests/screens/`);
  await page.locator('html[data-ready]').waitFor({ state: 'attached' });
  await page.evaluate((where) => screens.jitsi(where), address);
}
async function look(page: Page, name: string): Promise<void> {
  await isAccessible(page, name);
  await takePictures(page, `${test.info().project.name}-jitsi-${name}`, kSizes);
}
async function toCall(page: Page): Promise<void> {
  await page.getByLabel(/Your name|Ihr Name/).fill('Ada');
  await page
    .getByRole('button', { name: /^(Join|Ohne|Teilnehmen|Jetzt)/ })
    .last()
    .click();
  await becomes(page, { stage: 'joined', phase: 'joined' });
  await expect(page.locator('siegel-call')).toBeVisible();
}

test('the way in: address, lobby, what is waited for, password, knocking, and every refusal in words', async ({
  page,
}) => {
  await open(page);
  await look(page, 'address');
  await page.getByLabel('Address of the room').fill('not an address');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toContainText('This is not the address of a Jitsi room.');
  await expect(page.getByLabel('Address of the room')).toBeFocused();
  await look(page, 'bad-address');
  await page.getByLabel('Address of the room').fill(kRoom);
  await page.keyboard.press('Enter');
  await expect(page.getByText('You join “Weekly” at meet.example.org.')).toBeVisible();
  await look(page, 'lobby');
  await page.getByLabel('Your name').fill('Ada');
  await page.getByRole('button', { name: 'Join without camera and microphone' }).click();
  expect(await asked(page)).toEqual(['join Ada']);
  await becomes(page, { stage: 'focus-away' });
  await expect(page.getByText('does not answer yet. Trying again.')).toBeVisible();
  await look(page, 'focus-away');

  await becomes(page, { stage: 'password' });
  await look(page, 'password');
  await becomes(page, { problem: 'wrong-password' });
  await expect(page.getByRole('alert')).toContainText('This is not the room’s password.');
  await page.getByLabel('Password', { exact: true }).fill('secret');
  await page.keyboard.press('Enter');
  await expect(page.getByLabel('Password', { exact: true })).toHaveValue('');
  expect(await asked(page)).toEqual(['password 6']);

  await becomes(page, { stage: 'knock', problem: undefined });
  await look(page, 'knock');
  await page.getByRole('button', { name: 'Ask to join' }).click();
  await becomes(page, { stage: 'waiting' });
  await look(page, 'waiting');

  const seen = new Set<string>();
  for (const problem of [
    'unknown-server',
    'not-jitsi',
    'cross-origin',
    'xmpp-unreachable',
    'login-required',
    'token-expired',
    'token-refused',
    'focus-absent',
    'conference-refused',
    'room-full',
    'banned',
    'lobby-denied',
    'lobby-closed',
    'kicked',
    'room-closed',
    'bridge-lost',
    'connection-lost',
    'no-e2ee',
    'internal',
  ] as const) {
    await becomes(page, { stage: 'failed', phase: 'refused', problem });
    const notice = page.locator('siegel-notice');
    await expect(notice).toBeVisible();
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    seen.add(await notice.evaluate((element) => (element.shadowRoot as ShadowRoot).textContent));
  }
  // Each says something of its own.
  expect(seen.size).toBe(19);
  await look(page, 'refused');
  await page.getByRole('button', { name: 'Try again' }).click();
  // Nothing has to be typed again.
  await expect(page.getByLabel('Your name')).toHaveValue('Ada');
});

test('in the call: who cannot seal, who knocks, what a moderator can do, and giving up encryption takes two steps', async ({
  page,
}) => {
  await open(page, kRoom);
  await toCall(page);
  await asked(page);
  const ids = await page
    .locator('siegel-tile[data-member]')
    .evaluateAll((tiles) => tiles.map((tile) => tile.getAttribute('data-member') ?? ''));
  await becomes(page, {
    moderator: true,
    withoutE2ee: [ids.find((id) => id.startsWith('@2')) ?? ''],
    knockers: [{ id: 'k1', name: 'Dora' }],
    warnings: [{ id: 'w', kind: 'asked-clear', name: 'Bert', at: 1e12 }],
  });
  await expect(page.locator('[data-banner="without"]')).toContainText('Cleo');
  await look(page, 'call');
  await page.getByRole('button', { name: 'Let in' }).click();
  expect(await asked(page)).toEqual(['admit k1']);
  await becomes(page, { knockers: [] });

  await page.getByRole('button', { name: 'What can I do?' }).click();
  const dialog = page.getByRole('dialog', { name: 'Let in people without encryption?' });
  await look(page, 'let-in');
  // Nothing happens by accident: what has the focus cancels.
  await page.keyboard.press('Enter');
  await expect(dialog).toBeHidden();
  expect(await asked(page)).toEqual([]);
  await page.getByRole('button', { name: 'What can I do?' }).click();
  await page.getByRole('button', { name: 'Give up encryption in this call' }).click();
  expect(await asked(page)).toEqual(['privacy open']);
  await look(page, 'open');
  await page.getByRole('button', { name: 'Seal again' }).click();
  expect(await asked(page)).toEqual(['privacy sealed']);

  await page.getByRole('button', { name: /Settings/ }).click();
  await look(page, 'settings');
  await page.getByLabel('Lobby: people wait until a moderator lets them in').check();
  await page.getByLabel('Only who is allowed may turn on a camera').check();
  await page.getByLabel('Password of the room').fill('12345678');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Remove password' })).toBeVisible();
  expect(await asked(page)).toEqual(['lobby true', 'moderation video true', 'lock 8']);
  await page.keyboard.press('Escape');

  await page
    .getByRole('button', { name: /Encryption of Bert/ })
    .first()
    .click();
  await look(page, 'member');
  await page.getByRole('button', { name: 'Stop the camera' }).click();
  await expect(page.getByText('The server did not do that.')).toBeVisible();
  await page.keyboard.press('Escape');
  await becomes(page, { notices: [{ what: 'stopped', kind: 'audio', by: 'Bert' }] });
  await expect(page.getByText('Bert muted you')).toBeVisible();
});

test('comparing codes, with the keyboard', async ({ page }) => {
  await open(page, kRoom);
  await toCall(page);
  const member = (await page.locator('siegel-tile[data-member^="@0"]').first().getAttribute('data-member')) ?? '';
  const emoji = ['🐶', '🔑', '☂️', '🌍', '🎸', '⏰', '🍄'].map((symbol) => ({ symbol, name: symbol }));
  await becomes(page, { sas: { member, stage: 'waiting' } });
  await look(page, 'compare-waiting');
  await becomes(page, { sas: { member, stage: 'compare', emoji, decimal: [1234, 5678, 9012] } });
  await look(page, 'compare');
  await asked(page);
  const same = page.getByRole('button', { name: 'They match' });
  for (let count = 0; count < 12 && !(await same.evaluate((one) => one.matches(':focus'))); ++count)
    await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  expect(await asked(page)).toEqual(['answer true']);
  for (const [stage, reason] of [
    ['done', undefined],
    ['failed', 'mismatch'],
  ] as const) {
    await becomes(page, { sas: { member, stage, ...(reason && { reason }) } });
    await look(page, `compare-${stage}`);
  }
});

test('auf Deutsch, dunkel', async ({ browser }) => {
  const context = await browser.newContext({ locale: 'de-DE', colorScheme: 'dark' });
  const page = await context.newPage();
  await open(page);
  await expect(page.locator('html')).toHaveAttribute('lang', 'de');
  await look(page, 'de-address');
  await page.evaluate((where) => screens.jitsi(where), kRoom);
  await toCall(page);
  await becomes(page, {
    moderator: true,
    withoutE2ee: ['@2:example.org|DEVICE'],
    knockers: [{ id: 'k1', name: 'Dora' }],
    privacy: 'open',
  });
  await look(page, 'de-call');
  await page.getByRole('button', { name: /Einstellungen/ }).click();
  await look(page, 'de-settings');
  await context.close();
});
