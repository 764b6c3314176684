/** Our page and genuine Element Call in one call, on real servers, by real clicks. */
import { expect, test } from '@playwright/test';
import { badgeOf } from '../browser/support/call_page';
import { type Guest, type Meeting, meets, received, withMeeting } from './support/meeting';

/** Element Call's own view must not say that anybody's media is not encrypted. */
async function showsNoWarning(guest: Guest): Promise<void> {
  const warning = guest.frame().getByText(/not encrypted|unencrypted|cannot be decrypted|waiting for media/i);
  await expect(warning, `${guest.name}'s Element Call`).toHaveCount(0);
}

/** Our page opens the other one's frames, and says what is left to doubt: nobody has compared devices. */
async function saysSealed(guest: Guest, other: Guest): Promise<void> {
  const badge = badgeOf(guest, other);
  await expect(badge).toHaveAttribute('data-cause', 'unverified-device', { timeout: 20_000 });
  await expect(badge).toHaveAttribute('data-level', 'amber');
}

async function both(meeting: Meeting, kind: 'chromium' | 'firefox'): Promise<void> {
  const room = await meeting.room();
  const ada = await meeting.elementCall('chromium', room);
  const bert = await meeting.siegel(kind, room);
  await meets(bert, ada);
  await meets(ada, bert);
  await saysSealed(bert, ada);
  await showsNoWarning(ada);
}

for (const kind of ['chromium', 'firefox'] as const) {
  test(`our page in ${kind} and Element Call see and hear each other`, async () => {
    await withMeeting({}, (meeting) => both(meeting, kind));
  });
}

test('three people, two clients: a late joiner gets everybody, a leaver gets nobody', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.siegel('chromium', room);
    const bert = await meeting.elementCall('chromium', room);
    await meets(ada, bert);
    await meets(bert, ada);
    const cleo = await meeting.siegel('chromium', room);
    for (const [one, other] of [
      [cleo, ada],
      [cleo, bert],
      [ada, cleo],
      [bert, cleo],
    ] as const)
      await meets(one, other);
    await cleo.frame().getByRole('button', { name: 'Leave call', exact: true }).click();
    await expect(cleo.frame().locator('siegel-notice')).toBeVisible();
    await expect
      .poll(
        async () =>
          (await meeting.organiser.roomState(room, 'org.matrix.msc3401.call.member')).filter(
            ({ sender, content }) => sender === cleo.account.userId && Object.keys(content).length > 0,
          ).length,
      )
      .toBe(0);
    await meets(ada, bert);
    await meets(bert, ada);
    expect((await received(cleo, 0)).pictures).toEqual([]);
  });
});

test('Element Call with our encryption worker, and untouched Element Call', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.elementCall('chromium', room, { worker: 'siegel' });
    const bert = await meeting.elementCall('chromium', room);
    await meets(ada, bert);
    await meets(bert, ada);
    await showsNoWarning(ada);
    await showsNoWarning(bert);
    const { made, kinds } = await ada
      .frame()
      .evaluate(
        () =>
          (globalThis as never as { redirectedWorkers: { made: number; kinds: Record<string, number> } })
            .redirectedWorkers,
      );
    expect(made).toBeGreaterThan(0);
    expect(kinds).toMatchObject({ init: made, 'from worker: initAck': made });
    expect(kinds.setKey).toBeGreaterThanOrEqual(2);
  });
});

test('Element Call with a worker that is told no key sends nothing that plays', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.elementCall('chromium', room, { worker: 'deaf' });
    const bert = await meeting.elementCall('chromium', room);
    await new Promise((resolve) => setTimeout(resolve, 15_000));
    expect((await received(ada)).decoded).toBe(0);
    expect((await received(bert)).decoded).toBe(0);
  });
});

test('our page as a widget of a Matrix client, with Element Call in the same room', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.elementCall('chromium', room);
    const bert = await meeting.siegelWidget('chromium', room);
    await meets(bert, ada);
    await meets(ada, bert);
    // The widget asks its host for everything; its own pages hold no access token.
    const token = bert.account.accessToken;
    const own = bert.requests.filter(({ url }) => url.startsWith(meeting.stack.pages?.url ?? '-'));
    for (const { url, body } of own) expect(`${url} ${body}`).not.toContain(token);
  });
});
