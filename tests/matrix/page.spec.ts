/**
 * Our Matrix page as a person sees it, in both browsers at three widths, and what two people of ours do together besides
 * talking: messages, a raised hand, notices, leaving. The pictures are for people to look at.
 */
import { expect, test } from '@playwright/test';
import { takePictures } from '../browser/support/screens';
import { meets, withMeeting } from './support/meeting';

for (const kind of ['chromium', 'firefox'] as const) {
  test(`from signing in to the goodbye in ${kind}: messages, hand, notices${kind === 'firefox' ? ' @long' : ''}`, async () => {
    await withMeeting({}, async (meeting) => {
      const room = await meeting.room({ name: 'Weekly meeting' });
      const bert = await meeting.siegel('chromium', room);
      const ada = await meeting.siegel(kind, room, { join: false });
      const { page } = ada;
      const picture = (name: string) => takePictures(page, `${kind}-matrix-${name}`);

      await page.getByRole('button', { name: 'Turn on camera and microphone' }).waitFor({ timeout: 60_000 });
      await picture('lobby');
      await page.getByRole('button', { name: 'Back to the rooms' }).click();
      await expect(page.locator(`[data-room="${room}"]`)).toContainText('1 person in the call');
      await picture('rooms');
      await page.locator(`[data-room="${room}"]`).click();
      await meeting.joinFromLobby(ada);
      await meets(ada, bert);
      await meets(bert, ada);

      // A message goes both ways, in the room's own encrypted timeline.
      await bert.page.getByRole('button', { name: 'Open chat' }).click();
      await bert.page.getByRole('textbox', { name: 'Message' }).fill('Can you see the agenda?');
      await bert.page.keyboard.press('Enter');
      const unread = page.getByRole('button', { name: '1 new message' });
      await unread.click({ timeout: 20_000 });
      const log = page.getByRole('log');
      await expect(log).toContainText('Can you see the agenda?');
      await page.getByRole('textbox', { name: 'Message' }).fill('Yes, point two first <b>please</b>');
      await page.keyboard.press('Enter');
      await expect(bert.page.getByRole('log')).toContainText('Yes, point two first <b>please</b>', { timeout: 20_000 });
      await picture('chat');
      await page.locator('siegel-chat').getByRole('button', { name: 'Close' }).click();
      await bert.page.locator('siegel-chat').getByRole('button', { name: 'Close' }).click();

      // A hand.
      await bert.page.getByRole('button', { name: 'Raise hand' }).click();
      const tile = page.locator(`siegel-tile[data-member^="${bert.account.userId}|"]`);
      await expect(tile.getByRole('img', { name: 'Hand raised' })).toBeVisible({ timeout: 20_000 });
      await picture('call');

      // Nobody vouches for a device of an account that has just been made: said, not hidden.
      await page.getByRole('button', { name: /security notice/ }).click();
      await expect(page.locator('[data-warning="unverified-device"]').first()).toBeVisible();
      await picture('notices');
      await page.keyboard.press('Escape');

      await bert.page.getByRole('button', { name: 'Leave call' }).click();
      await expect(tile).toHaveCount(0, { timeout: 30_000 });
      await page.getByRole('button', { name: 'Leave call' }).click();
      await expect(page.getByRole('heading', { name: 'You have left the call' })).toBeVisible();
      await picture('left');
    });
  });
}
