/** What moderators do to others, and what that looks like there. */
import { expect, test } from '@playwright/test';
import { badgeOf, elementsOf, meets, press, tileOf } from '../browser/support/call_page';
import { hears } from '../browser/support/checks';
import type { Person } from '../browser/support/people';
import { until } from '../browser/support/until';
import { allSealed, idOf, notice, withConference } from './support/conference';

/** Does something with somebody, in the dialog behind their badge. */
async function does(person: Person, other: Person, action: string): Promise<void> {
  await badgeOf(person, other).getByRole('button').click();
  const dialog = person.page.getByRole('dialog', { name: `Encryption: ${other.name}` });
  await dialog.getByRole('button', { name: action, exact: true }).click();
  if (await dialog.isVisible()) await dialog.getByRole('button', { name: 'Close' }).click();
}

async function rule(person: Person, name: string, on: boolean): Promise<void> {
  await person.page.getByRole('button', { name: /Settings/ }).click();
  const box = person.page.getByLabel(name);
  await box.setChecked(on);
  await expect(box).toBeChecked({ checked: on });
  await person.page.getByRole('dialog', { name: 'Settings' }).getByRole('button', { name: 'Close' }).click();
}

test('mute, stop a camera, make a moderator, remove', async () => {
  await withConference({}, async (conference) => {
    const ada = await conference.guest('chromium');
    const bert = await conference.guest('firefox');
    await meets(ada, bert);
    const id = await idOf(bert);

    await test.step('a microphone is muted: silence at the bridge, words at its owner, who can turn it on again', async () => {
      await does(ada, bert, 'Mute');
      await expect(bert.page.getByText('Ada muted you')).toBeVisible();
      await expect(bert.page.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();
      await expect(tileOf(ada, bert).locator('.off')).toBeVisible();
      await press(bert, 'Unmute microphone');
      await hears(ada, bert, await elementsOf(ada, bert));
    });

    await test.step('a camera is stopped', async () => {
      await does(ada, bert, 'Stop the camera');
      await expect(bert.page.getByText('Ada stopped your camera')).toBeVisible();
      await expect(bert.page.getByRole('button', { name: 'Turn camera on' })).toBeVisible();
      const frames = (): number =>
        conference.stack.witness
          .of(id)
          .filter(({ kind }) => kind === 'video')
          .reduce((sum, one) => sum + one.frames, 0);
      await bert.page.waitForTimeout(1000);
      const before = frames();
      await bert.page.waitForTimeout(2000);
      expect(frames(), 'no frame while the camera is off').toBe(before);
      await press(bert, 'Turn camera on');
      await meets(ada, bert);
    });

    await test.step('a participant cannot; a new moderator can', async () => {
      await badgeOf(bert, ada).getByRole('button').click();
      const dialog = bert.page.getByRole('dialog', { name: 'Encryption: Ada' });
      await expect(dialog.getByRole('button', { name: 'Remove from the call' })).toHaveCount(0);
      await dialog.getByRole('button', { name: 'Close' }).click();
      await does(ada, bert, 'Make moderator');
      await until(
        async () => conference.stack.focus.participant(id)?.role === 'moderator',
        5000,
        () => 'the room does not say that he is a moderator',
      );
      await does(bert, ada, 'Mute');
      await expect(ada.page.getByText('Bert muted you')).toBeVisible();
    });

    await test.step('removed: nothing is sent any more, and it is said why', async () => {
      await does(bert, ada, 'Remove from the call');
      await expect(notice(ada)).toContainText('A moderator removed you from the call.');
      await expect(tileOf(bert, ada)).toHaveCount(0);
      await expect(ada.page.locator('siegel-call')).toHaveCount(0);
      const open = await ada.page.evaluate(
        () => siegelProbe.peers.filter(({ connectionState }) => connectionState !== 'closed').length,
      );
      expect(open).toBe(0);
    });
    allSealed(conference.stack, id);
  });
});

test('microphones and cameras only for who is allowed @long', async () => {
  await withConference({}, async (conference) => {
    const ada = await conference.guest('firefox');
    const bert = await conference.guest('chromium');
    await meets(ada, bert);
    await rule(ada, 'Only who is allowed may turn on a microphone', true);
    await rule(ada, 'Only who is allowed may turn on a camera', true);
    await expect(bert.page.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();
    await expect(bert.page.getByRole('button', { name: 'Turn camera on' })).toBeVisible();

    await test.step('trying all the same sends nothing, and says why', async () => {
      await press(bert, 'Unmute microphone');
      await expect(
        bert.page.getByText('The moderators have to allow you to turn on your microphone.').first(),
      ).toBeVisible();
      await press(bert, 'Turn camera on');
      await expect(
        bert.page.getByText('The moderators have to allow you to turn on camera or screen.').first(),
      ).toBeVisible();
      await expect(bert.page.getByRole('button', { name: 'Turn camera on' })).toBeVisible();
      await bert.page.waitForTimeout(1000);
      const id = await idOf(bert);
      const frames = (): number =>
        conference.stack.witness.of(id).reduce((sum, one) => sum + (one.kind === 'video' ? one.frames : 0), 0);
      const before = frames();
      await bert.page.waitForTimeout(1500);
      expect(frames()).toBe(before);
      await expect(bert.page.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();
    });

    await test.step('allowed', async () => {
      await does(ada, bert, 'Allow microphone');
      await expect(bert.page.getByText('You may turn on your microphone now.')).toBeVisible();
      await does(ada, bert, 'Allow camera');
      await press(bert, 'Unmute microphone');
      await press(bert, 'Turn camera on');
      await meets(ada, bert);
    });

    await test.step('the moderator was never stopped', async () => {
      await meets(bert, ada);
    });

    await test.step('who comes later is told, too', async () => {
      const cleo = await conference.guest('chromium', { media: false });
      await press(cleo, 'Unmute microphone');
      await expect(
        cleo.page.getByText('The moderators have to allow you to turn on your microphone.').first(),
      ).toBeVisible();
      await rule(ada, 'Only who is allowed may turn on a microphone', false);
      await press(cleo, 'Unmute microphone');
      await expect(cleo.page.getByRole('button', { name: 'Mute microphone' })).toBeVisible();
    });
  });
});
