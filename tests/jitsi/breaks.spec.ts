/** Connections that end: the bridge's, the one to the server, closed or silently dead. Nothing of the call is lost. */
import { expect, test } from '@playwright/test';
import { badgeTurns, meets, press } from '../browser/support/call_page';
import type { Person } from '../browser/support/people';
import { until } from '../browser/support/until';
import { allSealed, idOf, withConference } from './support/conference';

const write = async (person: Person, text: string): Promise<void> => {
  await person.page.getByPlaceholder('Message').fill(text);
  await person.page.keyboard.press('Enter');
};

/** What is said of the connection while it is away. */
const away = (person: Person) => person.page.locator('[data-banner="away"]');

test('sessions are moved to another bridge, then that bridge dies, noticed by the focus and not @long', async () => {
  await withConference({ bridges: 3 }, async (conference) => {
    const { focus } = conference.stack;
    const ada = await conference.guest('chromium');
    const bert = await conference.guest('firefox');
    await meets(ada, bert);
    await meets(bert, ada);
    const [a, b] = [await idOf(ada), await idOf(bert)];
    await press(bert, 'Raise hand');
    const both = async (): Promise<void> => {
      await meets(ada, bert);
      await meets(bert, ada);
      await badgeTurns(ada, bert, 'green', 'verified');
      for (const id of [a, b]) allSealed(conference.stack, id);
    };

    await test.step('moved', async () => {
      await focus.moveSession(a, 'jvb2');
      await focus.moveSession(b, 'jvb2');
      await both();
    });
    await test.step('dead, and the focus says so', async () => {
      await focus.killBridge('jvb2');
      await both();
    });
    await test.step('dead, and nobody says so', async () => {
      const used = focus.participant(a)?.endpoint?.bridge.name as string;
      await focus.killBridge(used, { noticed: false });
      await expect(ada.page.getByText('Media connection lost. Trying again…')).toBeVisible({ timeout: 30_000 });
      await both();
    });
    // The same people as before: nobody had to join again, and hands are where they were.
    expect([await idOf(ada), await idOf(bert)]).toEqual([a, b]);
    await expect(ada.page.getByText('Bert joined')).toHaveCount(0);
    await expect(bert.page.getByRole('button', { name: 'Lower hand' })).toBeVisible();
  });
});

for (const [transport, silent] of [
  ['websocket', true],
  ['bosh', false],
] as const) {
  test(`the server is away for 15 seconds (${transport}, ${silent ? 'silent' : 'closed'}): media and words go on${transport === 'bosh' ? ' @long' : ''}`, async () => {
    await withConference({ transport }, async (conference) => {
      const ada = await conference.guest('chromium');
      const bert = await conference.guest('firefox');
      await meets(ada, bert);
      await meets(bert, ada);
      const id = await idOf(ada);
      await ada.page.locator('footer .open-chat').click();
      await bert.page.locator('footer .open-chat').click();
      await write(ada, 'before');
      await expect(bert.page.getByText('before', { exact: true })).toBeVisible();
      const frames = (): number => conference.stack.witness.of(id).reduce((sum, one) => sum + one.frames, 0);
      conference.stack.web.cutXmpp(15_000, { silent });
      const start = frames();
      await write(ada, 'in the gap');
      await expect(away(ada)).toBeVisible({ timeout: 20_000 });
      await meets(ada, bert);
      expect(frames() - start, 'media does not wait').toBeGreaterThan(50);
      await expect(bert.page.getByText('in the gap', { exact: true })).toBeVisible({ timeout: 45_000 });
      await expect(bert.page.getByText('in the gap', { exact: true })).toHaveCount(1);
      await expect(away(ada)).toHaveCount(0);
      // Closed this time, and only for a moment.
      if (silent) {
        conference.stack.web.cutXmpp(2000);
        await expect(away(ada)).toBeVisible();
        await expect(away(ada)).toHaveCount(0, { timeout: 20_000 });
      }
      await write(bert, 'after');
      await expect(ada.page.getByText('after', { exact: true })).toBeVisible();
      await expect(ada.page.getByText('before', { exact: true })).toBeVisible();
      await meets(bert, ada);
      await meets(ada, bert);
      allSealed(conference.stack, id);
      expect(await idOf(ada)).toBe(id);
    });
  });
}

test('the server forgot us meanwhile: back in the room by itself, with name, hand and chat @long', async () => {
  await withConference({ smacksHibernation: 1 }, async (conference) => {
    const ada = await conference.guest('firefox');
    const bert = await conference.guest('chromium');
    await meets(ada, bert);
    await press(ada, 'Raise hand');
    await ada.page.locator('footer .open-chat').click();
    await write(ada, 'before');
    await expect(bert.page.getByRole('button', { name: /new message/ })).toBeVisible();
    const id = await idOf(ada);
    conference.stack.web.cutXmpp(5000);
    await until(
      async () => (await idOf(ada)) !== id && (await idOf(ada)) !== '',
      60_000,
      () => 'not back in the room',
    );
    await meets(ada, bert);
    await meets(bert, ada);
    await badgeTurns(bert, ada, 'green', 'verified');
    await expect(bert.page.locator('siegel-tile', { hasText: 'Ada' })).toHaveCount(1);
    await expect(ada.page.getByText('before', { exact: true })).toBeVisible();
    await expect(ada.page.getByRole('button', { name: 'Lower hand' })).toBeVisible();
    allSealed(conference.stack, await idOf(ada));
  });
});
