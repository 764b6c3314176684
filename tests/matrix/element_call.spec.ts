/** Our page and genuine Element Call in one call, on real servers, by real clicks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@playwright/test';
import { badgeOf } from '../browser/support/call_page';
import { until } from '../browser/support/until';
import { liveKitRoom, plainIdentity } from '../servers/matrix/stack.mjs';
import { elementCallTile, unencryptedMark } from './support/element_call';
import { startForger } from './support/forger';
import { type Guest, type Meeting, meets, received, withMeeting } from './support/meeting';
import {
  keyIndexesOf,
  keysHeldBy,
  openWith,
  type RecordedFrame,
  type Recorder,
  startRecorder,
} from './support/recorder';

/** Element Call's own view must show the others, and not say that anybody's media is not encrypted. */
async function showsNoWarning(guest: Guest, ...others: Guest[]): Promise<void> {
  for (const other of others) {
    const tile = elementCallTile(guest, other);
    await expect(tile, `${guest.name}'s Element Call shows ${other.name}`).toHaveCount(1);
    await expect(unencryptedMark(tile)).toHaveCount(0);
  }
  await expect(unencryptedMark(guest.frame()), `${guest.name}'s Element Call`).toHaveCount(0);
  await expect(guest.frame().getByText(/cannot be decrypted|waiting for media/i)).toHaveCount(0);
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
  await showsNoWarning(ada, bert);
}

for (const kind of ['chromium', 'firefox'] as const) {
  test(`our page in ${kind} and Element Call see and hear each other`, async () => {
    await withMeeting({}, (meeting) => both(meeting, kind));
  });
}

test('Element Call does mark somebody who sends unsealed: the mark that is looked for above exists @long', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.elementCall('chromium', room);
    const bert = await meeting.elementCall('chromium', room);
    await meets(ada, bert);
    await showsNoWarning(ada, bert);
    // Bert's browser is gone, his membership stays for a while (a page of ours would take it along): somebody takes his place
    // at the media server.
    await bert.browser.close();
    const forger = await startForger(2, meeting.stack);
    try {
      await forger.forge(plainIdentity(bert.account.userId, bert.account.deviceId), liveKitRoom(room));
      await expect(unencryptedMark(elementCallTile(ada, bert))).toHaveCount(1, { timeout: 15_000 });
    } finally {
      await forger.close();
    }
  });
});

/**
 * `leaver` leaves, the others go on, each of them under a new key: of what the media server passes on then, none of the keys
 * that were ever in the leaver's page opens a frame. They open what was recorded before, so the opening can fail; and the
 * keys of those who stay open what was recorded afterwards.
 */
async function leavesForGood(
  meeting: Meeting,
  recorder: Recorder,
  room: string,
  leaver: Guest,
  others: readonly Guest[],
): Promise<void> {
  const names = await Promise.all(others.map((guest) => meeting.identityOf(guest, room)));
  const before = await recorder.record(names);
  await meeting.leave(leaver, room);
  let after: RecordedFrame[] = [];
  await until(
    async () => {
      after = await recorder.record(names);
      return names.every((name) => {
        const old = keyIndexesOf(before, name);
        return keyIndexesOf(after, name).every((index) => !old.includes(index));
      });
    },
    40_000,
    () => `not everybody changed their key: ${names.map((name) => `${name} ${keyIndexesOf(after, name)}`)}`,
    200,
  );
  const held = await keysHeldBy(leaver);
  expect(held.length, 'keys of everybody were in the leaver’s page').toBeGreaterThan(others.length);
  expect(await openWith(held, before)).toEqual({ frames: before.length, opened: before.length, refused: 0 });
  expect(await openWith(held, after)).toEqual({ frames: after.length, opened: 0, refused: after.length });
  const kept = (await Promise.all(others.map(keysHeldBy))).flat();
  expect(await openWith(kept, after)).toEqual({ frames: after.length, opened: after.length, refused: 0 });
  expect((await received(leaver, 0)).pictures).toEqual([]);
}

test('three people, two clients: a late joiner opens nothing from before, a leaver nothing of what comes after', async () => {
  test.setTimeout(400_000);
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const recorder = await startRecorder(meeting.stack, liveKitRoom(room));
    try {
      const ada = await meeting.siegel('chromium', room);
      const bert = await meeting.elementCall('chromium', room);
      await meets(ada, bert);
      await meets(bert, ada);
      const early = await recorder.record(
        await Promise.all([ada, bert].map((guest) => meeting.identityOf(guest, room))),
      );
      // MatrixRTC hands a key that is younger than ten seconds to joiners instead of making a new one.
      await sleep(11_000);
      const cleo = await meeting.siegel('chromium', room);
      for (const [one, other] of [
        [cleo, ada],
        [cleo, bert],
        [ada, cleo],
        [bert, cleo],
      ] as const)
        await meets(one, other);
      const joined = await keysHeldBy(cleo);
      expect(joined.length).toBeGreaterThanOrEqual(3);
      expect(await openWith(joined, early)).toEqual({ frames: early.length, opened: 0, refused: early.length });

      await leavesForGood(meeting, recorder, room, cleo, [ada, bert]);
      await meets(ada, bert);
      await meets(bert, ada);

      // Back again; and now the one in Element Call goes.
      await cleo.page.getByRole('button', { name: 'Join again', exact: true }).click();
      await meeting.joinFromLobby(cleo);
      await meets(bert, cleo);
      await meets(cleo, bert);
      await meets(cleo, ada);
      await leavesForGood(meeting, recorder, room, bert, [ada, cleo]);
      await meets(ada, cleo);
      await meets(cleo, ada);
    } finally {
      await recorder.close();
    }
  });
});

for (const kind of ['chromium', 'firefox'] as const) {
  test(`Element Call with our encryption worker in ${kind}, and untouched Element Call @long`, async () => {
    await withMeeting({}, async (meeting) => {
      const room = await meeting.room();
      const ada = await meeting.elementCall(kind, room, { worker: 'siegel' });
      const bert = await meeting.elementCall('chromium', room);
      await meets(ada, bert);
      await meets(bert, ada);
      await showsNoWarning(ada, bert);
      await showsNoWarning(bert, ada);
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
}

test('Element Call with a worker that is told no key sends nothing that plays @long', async () => {
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
