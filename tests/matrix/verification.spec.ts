/**
 * Verified devices and people, on a real homeserver: with the recovery key, from nothing, by comparing symbols between our
 * pages and with a genuine Matrix client, and what a call shows of it.
 */

import { expect, type Locator, type Page, test } from '@playwright/test';
import { decodeRecoveryKey, encodeRecoveryKey } from 'matrix-js-sdk/lib/crypto-api/index.js';
import { germanSymbol } from '../../web/ui/i18n/symbols';
import { badgeOf } from '../browser/support/call_page';
import { takePictures } from '../browser/support/screens';
import { until } from '../browser/support/until';
import type { Account } from '../servers/matrix/stack.mjs';
import { type Guest, type Meeting, meets, withMeeting } from './support/meeting';
import { type SdkPeer, startSdkPeer } from './support/sdk_peer';

const button = (page: Page | Locator, name: string | RegExp) => page.getByRole('button', { name, exact: true });

/** Whose signatures the homeserver has on a device: what every other member can check. */
async function signers(asker: Account, { userId, deviceId }: { userId: string; deviceId: string }): Promise<string[]> {
  const answer = (await asker.request('POST', '/_matrix/client/v3/keys/query', {
    device_keys: { [userId]: [] },
  })) as {
    device_keys: Record<string, Record<string, { signatures: Record<string, Record<string, string>> }>>;
    self_signing_keys?: Record<string, { keys: Record<string, string> }>;
  };
  const identity = Object.keys(answer.self_signing_keys?.[userId]?.keys ?? {});
  const signatures = Object.keys(answer.device_keys[userId]?.[deviceId]?.signatures[userId] ?? {});
  return signatures.filter((id) => identity.includes(id));
}

/** The device that a page signed in with: the account's newest that is none of `others`. */
async function deviceOf(account: Account, others: readonly string[]): Promise<string> {
  const { devices } = (await account.request('GET', '/_matrix/client/v3/devices')) as {
    devices: Array<{ device_id: string }>;
  };
  const found = devices.map(({ device_id }) => device_id).filter((id) => !others.includes(id));
  expect(found, 'one device of the page').toHaveLength(1);
  return found[0] ?? '';
}

async function isSigned(meeting: Meeting, account: Account, deviceId: string, signed = true): Promise<void> {
  await expect
    .poll(async () => (await signers(meeting.organiser, { userId: account.userId, deviceId })).length, {
      timeout: 20_000,
      message: `${deviceId} is ${signed ? '' : 'not '}signed by the identity of ${account.userId}`,
    })
    .toBe(signed ? 1 : 0);
}

/** Nothing of a secret is in what the page stored, logged or sent. */
async function keepsNothingOf(guest: Guest, secrets: readonly string[]): Promise<void> {
  const stored = await guest.page.evaluate(async () => {
    const local = JSON.stringify({ ...localStorage, ...sessionStorage });
    const databases = await indexedDB.databases().catch(() => []);
    return [location.href, document.cookie, local, JSON.stringify(databases), document.body.outerHTML].join('\n');
  });
  const sent = guest.requests.map(({ url, body }) => `${url}\n${body ?? ''}`).join('\n');
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(8);
    for (const [where, text] of Object.entries({ stored, sent, console: guest.console.join('\n') }))
      expect(text.includes(secret), `a secret is in what is ${where}`).toBe(false);
  }
}

const symbolsOf = (place: Page | Locator): Promise<string[]> =>
  place
    .locator('siegel-comparison li[data-symbol]')
    .evaluateAll((items) => items.map((each) => (each as HTMLElement).dataset.symbol ?? ''));

async function sevenSymbols(page: Page): Promise<string[]> {
  await expect(page.locator('siegel-comparison li[data-symbol]')).toHaveCount(7, { timeout: 30_000 });
  return symbolsOf(page);
}

/** Through the whole set-up in a page; the recovery key. */
async function setUp(page: Page): Promise<string> {
  const place = page.locator('siegel-verify-device');
  await button(place, 'Set it up').click();
  const key = (await place.locator('[data-new-key]').textContent()) ?? '';
  await button(place, 'I have saved it').click();
  await expect(place.getByRole('heading', { name: 'This device is verified' })).toBeVisible({ timeout: 40_000 });
  return key.trim();
}

for (const kind of ['chromium', 'firefox'] as const)
  test(`a recovery key or phrase verifies this device in ${kind}; a wrong one says so; nothing of it is kept${kind === 'firefox' ? ' @long' : ''}`, async () => {
    await withMeeting({}, async (meeting) => {
      const room = await meeting.room();
      const account = await meeting.stack.synapse.register('ada', { displayName: 'Ada' });
      await meeting.organiser.invite(room, account.userId);
      await account.join(room);
      const peer = await startSdkPeer(account, meeting.stack.synapse.http);
      try {
        const phrase = kind === 'firefox' ? 'seven quiet lighthouses at noon' : undefined;
        const recoveryKey = await peer.setUp(phrase);
        const ada = await meeting.siegel(kind, room, { account, verifying: true });
        const { page } = ada;
        const picture = (name: string) => takePictures(page, `${kind}-matrix-verify-${name}`);
        const device = await deviceOf(account, [account.deviceId]);
        await isSigned(meeting, account, device, false);
        await expect(page.getByRole('heading', { name: 'Verify this device' })).toBeVisible();
        await picture('ways');
        await page.getByRole('button', { name: /^With the recovery key/ }).click();
        const field = page.getByRole('textbox', { name: phrase ? 'Recovery key or security phrase' : 'Recovery key' });
        await expect(field).toBeFocused();

        // Well-formed, and of somebody else; then no key at all.
        for (const wrong of [encodeRecoveryKey(crypto.getRandomValues(new Uint8Array(32))) ?? '', 'open sesame']) {
          await field.fill(wrong);
          await button(page, 'Verify').click();
          await expect(page.locator('[data-problem="wrong-recovery-key"]')).toBeVisible();
          await isSigned(meeting, account, device, false);
        }
        await picture('wrong-key');
        await field.fill(phrase ?? recoveryKey);
        await button(page, 'Verify').click();
        await expect(page.getByRole('heading', { name: 'This device is verified' })).toBeVisible({ timeout: 30_000 });
        await isSigned(meeting, account, device);
        await picture('verified');
        const { privateKeysInSecretStorage } = await peer.crypto.getCrossSigningStatus();
        expect(privateKeysInSecretStorage, 'the storage is as it was').toBe(true);
        expect(await peer.verified(), 'the identity is as it was').toBe(true);
        const raw = Buffer.from(decodeRecoveryKey(recoveryKey));
        await keepsNothingOf(ada, [
          recoveryKey,
          recoveryKey.replaceAll(' ', ''),
          raw.toString('base64').replaceAll('=', ''),
          raw.toString('hex'),
          ...(phrase ? [phrase] : []),
        ]);
        await button(page, 'Continue').click();
        await button(page, 'Back to the rooms').click({ timeout: 30_000 });
        await expect(page.locator('[data-own-device="verified"]')).toBeVisible();
      } finally {
        peer.close();
      }
    });
  });

for (const kind of ['chromium', 'firefox'] as const)
  test(`an account without an identity gets one in ${kind}, and its recovery key works in a genuine client${kind === 'firefox' ? ' @long' : ''}`, async () => {
    await withMeeting({}, async (meeting) => {
      const room = await meeting.room();
      const ada = await meeting.siegel(kind, room, { verifying: true });
      const { page, account } = ada;
      const picture = (name: string) => takePictures(page, `${kind}-matrix-verify-${name}`);
      const device = await deviceOf(account, [account.deviceId]);
      await picture('no-identity');

      // Given up: nothing was made.
      await button(page, 'Set it up').click();
      const first = (await page.locator('[data-new-key]').textContent()) ?? '';
      await picture('new-key');
      await button(page, 'Cancel').click();
      await button(page, 'Not now').click();
      await button(page, 'Back to the rooms').click({ timeout: 30_000 });
      await expect(page.locator('[data-own-device="no-identity"]')).toBeVisible();
      await picture('rooms');
      expect(await signers(meeting.organiser, { userId: account.userId, deviceId: device })).toEqual([]);

      // Again, from the account's corner.
      await page.locator('[data-own-device]').getByRole('button').click();
      const recoveryKey = await setUp(page);
      expect(recoveryKey).not.toBe(first);
      await isSigned(meeting, account, device);
      await page.getByRole('dialog').getByRole('button', { name: 'Close' }).first().click();
      await expect(page.locator('[data-own-device="verified"]')).toBeVisible();
      await keepsNothingOf(ada, [recoveryKey, recoveryKey.replaceAll(' ', '')]);

      const other = await meeting.stack.synapse.login(account.userId, account.password);
      const peer = await startSdkPeer(other, meeting.stack.synapse.http);
      try {
        await peer.recover(decodeRecoveryKey(recoveryKey));
        await isSigned(meeting, account, other.deviceId);
      } finally {
        peer.close();
      }
    });
  });

const card = (page: Page): Locator => page.locator('[data-verification-request]');
const result = (page: Page, end: string): Locator => page.locator(`siegel-comparison [data-end="${end}"]`);

test('two of our own pages compare symbols: what differs verifies nothing, what matches verifies the new one', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const old = await meeting.siegel('chromium', room, { verifying: true });
    const { account } = old;
    await setUp(old.page);
    await button(old.page, 'Continue').click();
    const oldDevice = await deviceOf(account, [account.deviceId]);
    const fresh = await meeting.siegel('firefox', room, { account, verifying: true });
    const device = await deviceOf(account, [account.deviceId, oldDevice]);
    const asks = async () => {
      await fresh.page.getByRole('button', { name: /^With another device/ }).click({ timeout: 20_000 });
      await expect(fresh.page.getByRole('heading', { name: 'Accept on your other device' })).toBeVisible();
      await expect(card(old.page)).toContainText(device, { timeout: 30_000 });
    };

    // Declined.
    await asks();
    await takePictures(old.page, 'chromium-matrix-verify-asked');
    await button(card(old.page), 'Decline').click();
    await expect(result(fresh.page, 'declined')).toBeVisible({ timeout: 20_000 });
    await button(fresh.page, 'Close').click();

    // Withdrawn.
    await asks();
    await button(fresh.page, 'Cancel').click();
    await expect(result(fresh.page, 'cancelled')).toBeVisible();
    await expect(card(old.page)).toHaveCount(0, { timeout: 20_000 });
    await button(fresh.page, 'Close').click();

    // Different, says one of the two.
    await asks();
    await button(card(old.page), 'Accept').click();
    expect(await sevenSymbols(fresh.page)).toEqual(await sevenSymbols(old.page));
    await takePictures(fresh.page, 'firefox-matrix-verify-symbols');
    await takePictures(old.page, 'chromium-matrix-verify-symbols');
    await button(old.page, 'They do not match').click();
    await expect(result(old.page, 'mismatch')).toBeVisible();
    await expect(result(fresh.page, 'mismatch')).toBeVisible({ timeout: 20_000 });
    await takePictures(fresh.page, 'firefox-matrix-verify-mismatch');
    await isSigned(meeting, account, device, false);
    await button(old.page.getByRole('dialog'), 'Close').last().click();
    await button(fresh.page, 'Close').click();

    // Equal, for both; one word is not enough.
    await asks();
    await button(card(old.page), 'Accept').click();
    expect(await sevenSymbols(fresh.page)).toEqual(await sevenSymbols(old.page));
    await button(fresh.page, 'They match').click();
    await expect(fresh.page.locator('siegel-comparison')).toContainText('Waiting for the other side to confirm');
    await isSigned(meeting, account, device, false);
    await button(old.page, 'They match').click();
    await expect(result(fresh.page, 'done')).toBeVisible({ timeout: 40_000 });
    await expect(result(old.page, 'done')).toBeVisible({ timeout: 40_000 });
    await isSigned(meeting, account, device);
    await takePictures(fresh.page, 'firefox-matrix-verify-matched');
    await button(fresh.page, 'Close').click();
    await button(fresh.page, 'Back to the rooms').click({ timeout: 30_000 });
    await expect(fresh.page.locator('[data-own-device="verified"]')).toBeVisible();
  });
});

test('a genuine Matrix client and our page verify each other’s devices, whoever asks; symbols have German names', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const account = await meeting.stack.synapse.register('ada', { displayName: 'Ada' });
    await meeting.organiser.invite(room, account.userId);
    await account.join(room);
    const peers: SdkPeer[] = [];
    const start = async (as: Account) => {
      const peer = await startSdkPeer(as, meeting.stack.synapse.http);
      peers.push(peer);
      return peer;
    };
    try {
      const first = await start(account);
      await first.setUp();
      const ada = await meeting.siegel('chromium', room, { account, verifying: true });
      const { page } = ada;
      const device = await deviceOf(account, [account.deviceId]);

      // Our page asks.
      await page.getByRole('button', { name: /^With another device/ }).click({ timeout: 20_000 });
      const request = await first.incoming();
      await request.accept();
      const shown = await first.symbols(request);
      await page.getByRole('combobox', { name: 'Language' }).selectOption('de');
      expect(await sevenSymbols(page)).toEqual(shown.sas.emoji?.map(([symbol]) => symbol));
      const names = await page.locator('siegel-comparison li[data-symbol] span:last-child').allTextContents();
      expect(names).toEqual(shown.sas.emoji?.map(([, name]) => germanSymbol(name)));
      await takePictures(page, 'chromium-matrix-verify-german');
      await page.getByRole('combobox', { name: 'Sprache' }).selectOption('en');
      await shown.confirm();
      await isSigned(meeting, account, device, false);
      await button(page, 'They match').click();
      await expect(result(page, 'done')).toBeVisible({ timeout: 40_000 });
      await isSigned(meeting, account, device);
      await button(page, 'Close').click();

      // The genuine client asks: a third device, which our page and the first one can answer.
      const third = await meeting.stack.synapse.login(account.userId, account.password);
      const peer = await start(third);
      await isSigned(meeting, account, third.deviceId, false);
      const asked = await peer.crypto.requestOwnUserVerification();
      await expect(card(page)).toContainText(third.deviceId, { timeout: 30_000 });
      await button(card(page), 'Accept').click();
      const theirs = await peer.symbols(asked);
      expect(await sevenSymbols(page)).toEqual(theirs.sas.emoji?.map(([symbol]) => symbol));
      await button(page, 'They match').click();
      await theirs.confirm();
      await expect(result(page, 'done')).toBeVisible({ timeout: 40_000 });
      await isSigned(meeting, account, third.deviceId);
      await until(peer.verified, 20_000, () => 'the genuine client does not count itself as verified', 200);
    } finally {
      for (const peer of peers) peer.close();
    }
  });
});

test('another person’s genuine client asks in a room, as Element does', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.siegel('chromium', room, { verifying: true });
    const bert = await meeting.stack.synapse.register('bert', { displayName: 'Bert' });
    const peer = await startSdkPeer(bert, meeting.stack.synapse.http);
    try {
      await peer.setUp();
      await meeting.organiser.invite(room, bert.userId);
      await bert.join(room);
      const asks = async () => {
        await until(
          () => peer.client.getRoom(room) !== null,
          20_000,
          () => 'the peer is not in the room',
          100,
        );
        await peer.crypto.userHasCrossSigningKeys(ada.account.userId, true);
        peer.crypto.prepareToEncrypt(peer.client.getRoom(room) as never);
        const known = () => peer.crypto.userHasCrossSigningKeys(ada.account.userId);
        await until(known, 20_000, () => 'the peer does not know Ada’s identity', 200);
        return peer.crypto.requestVerificationDM(ada.account.userId, room);
      };
      const theirs = async () => peer.crypto.getUserVerificationStatus(ada.account.userId);
      await setUp(ada.page);
      await button(ada.page, 'Continue').click();
      const request = await asks();
      await expect(card(ada.page)).toContainText(bert.userId, { timeout: 30_000 });
      await expect(card(ada.page).getByRole('heading')).toHaveText('Bert wants to verify you');
      await button(card(ada.page), 'Accept').click();
      const shown = await peer.symbols(request);
      expect(await sevenSymbols(ada.page)).toEqual(shown.sas.emoji?.map(([symbol]) => symbol));
      await shown.confirm();
      expect((await theirs()).isCrossSigningVerified()).toBe(false);
      await button(ada.page, 'They match').click();
      await expect(result(ada.page, 'done')).toBeVisible({ timeout: 40_000 });
      await until(
        async () => (await theirs()).isCrossSigningVerified(),
        20_000,
        () => 'Ada is not verified',
        200,
      );
    } finally {
      peer.close();
    }
  });
});

test('as a widget the page says that the client around it verifies, and offers nothing', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.siegelWidget('chromium', room);
    const frame = ada.frame();
    await frame.getByRole('button', { name: 'Settings' }).click();
    await expect(frame.locator('#settings')).toContainText('in the hands of the Matrix client that shows this call');
    await expect(frame.getByRole('button', { name: 'Verify this device' })).toHaveCount(0);
    await expect(frame.locator('siegel-verification')).toHaveCount(0);
    await expect(frame.locator('[data-warning="own-device"]')).toHaveCount(0);
  });
});

/** What the details of a member say about their device. */
async function details(page: Page, member: Locator, name: string): Promise<Locator> {
  await member.locator('siegel-badge button').click();
  const dialog = page.locator('siegel-numbers').getByRole('dialog');
  await expect(dialog.getByRole('heading', { name: new RegExp(name) })).toBeVisible();
  return dialog;
}

test('people verify themselves and each other in a call: badges follow, and a replaced identity is red @long', async () => {
  test.setTimeout(360_000);
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.siegel('chromium', room, { verifying: true });
    await setUp(ada.page);
    await button(ada.page, 'Continue').click();
    await meeting.joinFromLobby(ada);
    const bert = await meeting.siegel('firefox', room);
    await meets(ada, bert);
    const tile = ada.page.locator(`siegel-tile[data-member^="${bert.account.userId}|"]`);
    const badge = (cause: string) =>
      expect(badgeOf(ada, bert), `Bert’s badge says ${cause}`).toHaveAttribute('data-cause', cause, {
        timeout: 30_000,
      });
    await badge('unverified-device');

    // Nobody vouches for a device that its owner did not sign.
    let dialog = await details(ada.page, tile, 'Bert');
    await expect(dialog).toContainText('Not signed by its owner');
    await expect(dialog.locator('[data-verify]')).toHaveCount(0);
    await ada.page.keyboard.press('Escape');

    // Bert sees that his own device is not verified, and does something about it during the call.
    await bert.page.getByRole('button', { name: /security notice/ }).click();
    await expect(bert.page.locator('[data-warning="own-device"]')).toBeVisible();
    await takePictures(bert.page, 'firefox-matrix-verify-notice');
    await button(bert.page.locator('[data-warning="own-device"]'), 'Verify this device').click();
    await setUp(bert.page);
    await takePictures(bert.page, 'firefox-matrix-verify-in-call');
    await bert.page.getByRole('dialog').getByRole('button', { name: 'Close' }).first().click();
    await badge('verified');
    await expect(bert.page.locator('[data-warning="own-device"]')).toHaveCount(0);

    // Ada verifies Bert: his device in the call answers, the room sees nothing of it.
    dialog = await details(ada.page, tile, 'Bert');
    await expect(dialog).toContainText('Signed by its owner');
    await takePictures(ada.page, 'chromium-matrix-verify-person');
    await dialog.locator('[data-verify]').click();
    await expect(card(bert.page)).toContainText(ada.account.userId, { timeout: 30_000 });
    await takePictures(bert.page, 'firefox-matrix-verify-asked');
    await button(card(bert.page), 'Accept').click();
    expect(await sevenSymbols(ada.page)).toEqual(await sevenSymbols(bert.page));
    await takePictures(ada.page, 'chromium-matrix-verify-person-symbols');
    await button(ada.page, 'They match').click();
    await button(bert.page, 'They match').click();
    await expect(result(ada.page, 'done')).toBeVisible({ timeout: 40_000 });
    await expect(result(bert.page, 'done')).toBeVisible({ timeout: 40_000 });
    for (const { page } of [ada, bert]) await button(page.locator('siegel-comparison'), 'Close').click();
    dialog = await details(ada.page, tile, 'Bert');
    await expect(dialog).toContainText('Verified by you');
    await expect(dialog.locator('[data-verify]')).toHaveCount(0);
    await ada.page.keyboard.press('Escape');

    // Somebody who got Bert's password replaces his identity.
    const thief = await startSdkPeer(
      await meeting.stack.synapse.login(bert.account.userId, bert.account.password),
      meeting.stack.synapse.http,
    );
    try {
      await thief.replaceIdentity();
      await badge('changed-identity');
      await expect(badgeOf(ada, bert)).toHaveAttribute('data-level', 'red');
      await ada.page.getByRole('button', { name: /security notice/ }).click();
      const notice = ada.page.locator('[data-warning="changed-identity"]');
      await expect(notice).toBeVisible();
      await takePictures(ada.page, 'chromium-matrix-verify-replaced');
      await expect(button(notice, 'Verify Bert again')).toBeVisible();
    } finally {
      thief.close();
    }
  });
});
