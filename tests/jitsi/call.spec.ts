/** Calls among our own clients, through Prosody, focus and bridge. */
import { expect, test } from '@playwright/test';
import { badgeTurns, elementsOf, meets, press, tileOf } from '../browser/support/call_page';
import { hears } from '../browser/support/checks';
import { until } from '../browser/support/until';
import { allSealed, banner, idOf, withConference } from './support/conference';

test('three people in two browsers over WebSocket: everybody sees and hears everybody, and the bridge nothing', async () => {
  await withConference({}, async (conference) => {
    const ada = await conference.guest('chromium', { transport: 'websocket' });
    const bert = await conference.guest('firefox', { transport: 'websocket' });
    await meets(ada, bert);
    await meets(bert, ada);
    const cleo = await conference.guest('chromium', { transport: 'websocket' });
    for (const [one, other] of [
      [ada, cleo],
      [cleo, ada],
      [bert, cleo],
      [cleo, bert],
    ] as const)
      await meets(one, other);
    await badgeTurns(ada, bert, 'green', 'verified');
    await badgeTurns(bert, cleo, 'green', 'verified');
    for (const person of [ada, bert, cleo]) allSealed(conference.stack, await idOf(person));

    await test.step('somebody leaves: a new key, and nobody shows them any more', async () => {
      const id = await idOf(ada);
      await press(cleo, 'Leave call');
      await expect(cleo.page.getByText('You have left')).toBeVisible();
      await expect(tileOf(ada, cleo)).toHaveCount(0);
      await until(
        async () => conference.stack.witness.of(id).some(({ keyIndexes }) => keyIndexes.length > 1),
        10_000,
        () => 'no frame under another key index',
      );
      await meets(bert, ada);
      await meets(ada, bert);
      allSealed(conference.stack, id);
    });
  });
});

test('three over BOSH, and the bridge channel over a data channel @long', async () => {
  await withConference(
    { transport: 'bosh', dataChannel: true, httpRequest: true, config: 'docker' },
    async (conference) => {
      const ada = await conference.guest('firefox');
      const bert = await conference.guest('chromium');
      const cleo = await conference.guest('chromium');
      const all = [ada, bert, cleo];
      for (const one of all) for (const other of all) if (one !== other) await meets(one, other);
      for (const { sockets } of all) expect(sockets).toEqual([]);
      const { messages } = conference.stack.bridges[0] as (typeof conference.stack.bridges)[number];
      expect(messages.some(({ message }) => message.colibriClass === 'ReceiverVideoConstraints')).toBe(true);
      for (const person of all) allSealed(conference.stack, await idOf(person));
    },
  );
});

test('without camera at first, then camera, mute, screen and hand', async () => {
  await withConference({}, async (conference) => {
    const ada = await conference.guest('chromium');
    const bert = await conference.guest('firefox', { media: false });
    await meets(bert, ada);

    await test.step('microphone and camera come later', async () => {
      await press(bert, 'Unmute microphone');
      await press(bert, 'Turn camera on');
      await meets(ada, bert);
      allSealed(conference.stack, await idOf(bert));
    });

    await test.step('muted', async () => {
      await press(ada, 'Mute microphone');
      await expect(tileOf(bert, ada).locator('.off')).toBeVisible();
      await press(ada, 'Unmute microphone');
      await hears(bert, ada, await elementsOf(bert, ada));
    });

    await test.step('the screen is a picture of its own', async () => {
      await ada.page.getByRole('button', { name: /^Share/ }).click();
      await expect(bert.page.locator('siegel-tile[screen]')).toHaveCount(1, { timeout: 20_000 });
      const id = await idOf(ada);
      await until(
        async () =>
          bert.page
            .locator('siegel-tile[screen] video')
            .first()
            .evaluate(
              (video) => (video as HTMLVideoElement).videoWidth > 0 && (video as HTMLVideoElement).currentTime > 0,
            ),
        20_000,
        () => 'the screen does not play',
      );
      allSealed(conference.stack, id);
      await ada.page.locator('.banner.share button').click();
      await expect(bert.page.locator('siegel-tile[screen]')).toHaveCount(0, { timeout: 15_000 });
      await meets(bert, ada);
    });

    await test.step('a raised hand goes sealed', async () => {
      conference.stack.web.recordTraffic = true;
      await press(ada, 'Raise hand');
      await expect(bert.page.getByText('Ada raises a hand.').first()).toBeVisible();
      expect(conference.stack.web.traffic.some(({ text }) => text.includes('raisedHand'))).toBe(false);
    });

    await test.step('so does chat', async () => {
      await ada.page.locator('footer .open-chat').click();
      await ada.page.getByPlaceholder('Message').fill('a canary in the mine');
      await ada.page.keyboard.press('Enter');
      await bert.page.locator('footer .open-chat').click();
      await expect(bert.page.getByText('a canary in the mine')).toBeVisible();
      expect(conference.stack.web.traffic.length).toBeGreaterThan(0);
      expect(conference.stack.web.traffic.some(({ text }) => text.includes('canary'))).toBe(false);
      await expect(banner(ada, 'without')).toHaveCount(0);
    });
  });
});
