/** What stands between somebody and the room: passwords, the lobby, tokens, places, a conference service that is away. */
import { expect, test } from '@playwright/test';
import { meets, press, tileOf } from '../browser/support/call_page';
import type { Person } from '../browser/support/people';
import { allSealed, idOf, kRoom, notice, withConference } from './support/conference';

const inSettings = async (person: Person, work: () => Promise<void>): Promise<void> => {
  await person.page.getByRole('button', { name: /Settings/ }).click();
  await work();
  await person.page.getByRole('dialog', { name: 'Settings' }).getByRole('button', { name: 'Close' }).click();
};

test('a password that a moderator sets: asked for, refused when wrong, and gone when it is removed', async () => {
  await withConference({}, async (conference) => {
    const ada = await conference.guest('chromium', { media: false });
    await inSettings(ada, async () => {
      await ada.page.getByLabel('Password of the room').fill('open sesame');
      await ada.page.getByRole('button', { name: 'Set', exact: true }).click();
      await expect(ada.page.getByRole('button', { name: 'Remove password' })).toBeVisible();
    });
    const bert = await conference.guest('firefox', { join: false });
    await conference.pressJoin(bert);
    await expect(bert.page.getByRole('heading', { name: 'This room has a password' })).toBeVisible();
    const enter = async (password: string): Promise<void> => {
      await bert.page.getByLabel('Password', { exact: true }).fill(password);
      await press(bert, 'Enter');
    };
    await enter('open barley');
    await expect(bert.page.getByRole('alert')).toContainText('This is not the room’s password.');
    await expect(bert.page.getByLabel('Password', { exact: true })).toHaveValue('');
    await expect(tileOf(ada, bert)).toHaveCount(0);
    await enter('open sesame');
    await meets(ada, bert);
    allSealed(conference.stack, await idOf(bert));
    expect(JSON.stringify(bert.requests) + bert.sockets.join() + bert.console.join()).not.toContain('sesame');
    await inSettings(ada, async () => {
      await ada.page.getByRole('button', { name: 'Remove password' }).click();
      await expect(ada.page.getByRole('button', { name: 'Set', exact: true })).toBeVisible();
    });
    const cleo = await conference.guest('chromium', { media: false });
    await expect(tileOf(cleo, bert)).toHaveCount(1);
  });
});

test('a lobby: who knocks waits, is turned away or let in @long', async () => {
  await withConference({}, async (conference) => {
    const ada = await conference.guest('firefox', { media: false });
    await inSettings(ada, async () => {
      const lobby = ada.page.getByLabel('Lobby: people wait until a moderator lets them in');
      await lobby.check();
      await expect(lobby).toBeChecked();
    });
    const bert = await conference.guest('chromium', { join: false });
    await conference.pressJoin(bert);
    const knock = async (): Promise<void> => {
      await expect(bert.page.getByRole('heading', { name: 'This room has a lobby' })).toBeVisible();
      await press(bert, 'Ask to join');
      await expect(bert.page.getByRole('heading', { name: 'Waiting to be let in' })).toBeVisible();
    };
    await knock();
    await expect(ada.page.getByText('Bert wants to join')).toBeVisible();
    await press(ada, 'Turn away');
    await expect(notice(bert)).toContainText('A moderator did not let you in.');
    await expect(ada.page.getByText('Bert wants to join')).toHaveCount(0);
    await expect(tileOf(ada, bert)).toHaveCount(0);

    await test.step('who gives up waiting is not announced any more', async () => {
      await press(bert, 'Try again');
      await conference.pressJoin(bert);
      await knock();
      await expect(ada.page.getByText('Bert wants to join')).toBeVisible();
      await press(bert, 'Cancel');
      await expect(ada.page.getByText('Bert wants to join')).toHaveCount(0);
    });

    await conference.pressJoin(bert);
    await knock();
    await press(ada, 'Let in');
    await meets(ada, bert);
    await expect(ada.page.getByText('Bert wants to join')).toHaveCount(0);
    allSealed(conference.stack, await idOf(bert));

    await test.step('without the lobby anybody comes in', async () => {
      await inSettings(ada, async () => {
        await ada.page.getByLabel('Lobby: people wait until a moderator lets them in').uncheck();
      });
      const cleo = await conference.guest('chromium', { media: false });
      await expect(tileOf(cleo, bert)).toHaveCount(1);
    });
  });
});

test('a host that wants tokens: none, one that has expired, one for another room, a good one', async () => {
  await withConference({ tokens: true }, async (conference) => {
    const { stack } = conference;
    const past = stack.token({ exp: Math.floor(Date.now() / 1000) - 60 });
    const other = stack.token({ room: 'elsewhere' });
    const ada = await conference.guest('chromium', { join: false, media: false });
    const refused = async (token: string | undefined, words: string): Promise<void> => {
      if (token !== undefined) {
        const room = `${stack.roomUrl(kRoom)}?jwt=${token}`;
        await ada.page.goto('about:blank');
        await ada.page.goto(`${conference.origin}/jitsi/#${room}`);
        await expect(ada.page.getByText('Encryption is ready.')).toBeVisible();
      }
      await conference.pressJoin(ada, false);
      await expect(notice(ada)).toContainText(words);
    };
    await refused(undefined, 'This server lets in only people with a token.');
    await refused(past, 'Your token has expired.');
    await refused(other, 'The server did not accept your token.');
    const bert = await conference.guest('firefox', { media: false, token: stack.token() });
    // Used, and nowhere to be read afterwards.
    expect(bert.page.url()).not.toContain('jwt');
    await expect(bert.page.getByText('Nobody else is here yet')).toBeVisible();
  });
});

test('a full room, and a place that becomes free @long', async () => {
  await withConference({ places: 1 }, async (conference) => {
    const ada = await conference.guest('chromium', { media: false });
    const bert = await conference.guest('firefox', { join: false, media: false });
    await conference.pressJoin(bert, false);
    await expect(notice(bert)).toContainText('The room is full.');
    await press(ada, 'Leave call');
    await press(bert, 'Try again');
    await conference.pressJoin(bert, false);
    await expect(bert.page.locator('siegel-call')).toBeVisible();
  });
});

for (const httpRequest of [false, true]) {
  test(`a conference service that is away, asked by ${httpRequest ? 'HTTP' : 'XMPP'}: waited for, with words`, async () => {
    await withConference({ httpRequest }, async (conference) => {
      conference.stack.focus.absent = true;
      const ada = await conference.guest('chromium', { join: false });
      await conference.pressJoin(ada);
      await expect(
        ada.page.getByText('The server’s conference service does not answer yet. Trying again.'),
      ).toBeVisible();
      conference.stack.focus.absent = false;
      await expect(ada.page.locator('siegel-call')).toBeVisible({ timeout: 30_000 });
      // The picture that was on in the lobby is on in the call.
      await expect(ada.page.locator('siegel-tile[own] video')).toHaveCount(1);
    });
  });
}
