/** What goes wrong in a call: a hostile media server, lost keys, servers that go away, and rooms that cannot have a call. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Encryption_Type } from '@livekit/protocol';
import { expect, test } from '@playwright/test';
import { badgeOf, badgeTurns, tileOf, warnings, warns } from '../browser/support/call_page';
import { showsPictureOf } from '../browser/support/people';
import { until } from '../browser/support/until';
import { claimsClear, liveKitRoom, participantsIn, plainIdentity } from '../servers/matrix/stack.mjs';
import type { KeyFate } from './pages/host/main';
import { startForger } from './support/forger';
import { type Guest, getsNothing, type Meeting, meets, received, withMeeting } from './support/meeting';

const identityOf = ({ account }: Guest) => plainIdentity(account.userId, account.deviceId);

test('a media server that calls a sender unencrypted changes nothing, and is reported', async () => {
  await withMeeting({ proxy: true }, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.elementCall('chromium', room);
    const clear = claimsClear(identityOf(ada));
    // Only towards others: Element Call believes what it is told of itself.
    meeting.stack.proxy!.onResponse = (message, from) => (from.identity === identityOf(ada) ? message : clear(message));
    const bert = await meeting.siegel('chromium', room);
    await meets(bert, ada);
    await meets(ada, bert);
    await warns(bert.name, bert.frame(), 'claimed-clear');
  });
});

for (const claim of ['NONE', 'GCM'] as const) {
  test(`clear media under a member's name does not play when the media server says ${claim}${claim === 'GCM' ? ' @long' : ''}`, async () => {
    await withMeeting({ proxy: true }, async (meeting) => {
      const room = await meeting.room();
      const ada = await meeting.elementCall('chromium', room);
      const bert = await meeting.siegel('chromium', room);
      await meets(bert, ada);
      const identity = identityOf(ada);
      meeting.stack.proxy!.onResponse = (message) => {
        for (const participant of participantsIn(message))
          if (participant.identity === identity)
            for (const track of participant.tracks) track.encryption = Encryption_Type[claim];
        return message;
      };
      // Ada's browser is gone, her membership stays until the homeserver ends it: bert still has her key.
      await ada.browser.close();
      const forger = await startForger(2, meeting.stack);
      try {
        const before = await received(bert, 0);
        await forger.forge(identity, liveKitRoom(room));
        let now = before;
        const end = performance.now() + 12_000;
        while (performance.now() < end) {
          now = await received(bert, 300);
          for (const { means } of now.pictures) expect(forger.isSeenIn(means), 'the forger’s picture').toBe(false);
          for (const sound of now.sounds) expect(forger.isHeardIn(sound), 'the forger’s tone').toBe(false);
          await sleep(300);
        }
        expect(now.bytes, 'forged media arrives').toBeGreaterThan(20_000);
        await warns(bert.name, bert.frame(), 'clear-media', 5000);
      } finally {
        await forger.close();
      }
    });
  });
}

const fates: Record<string, { fate: KeyFate; opens: boolean; long?: boolean }> = {
  'a key that is lost': { fate: { kind: 'lose' }, opens: false },
  'a key that comes eight seconds late': { fate: { kind: 'delay', ms: 8000 }, opens: true, long: true },
  'a key that comes three times': { fate: { kind: 'repeat', times: 3 }, opens: true, long: true },
  'a key for another room': { fate: { kind: 'room', roomId: '!another:room' }, opens: false, long: true },
  'a key of an unknown device': { fate: { kind: 'device', deviceId: 'UNKNOWN' }, opens: false, long: true },
};
for (const [name, { fate, opens, long }] of Object.entries(fates)) {
  test(`${name}: ${opens ? 'the media opens' : 'nothing of it plays, and that is shown'}${long ? ' @long' : ''}`, async () => {
    await withMeeting({}, async (meeting) => {
      const room = await meeting.room();
      const ada = await meeting.elementCall('chromium', room, { keyFate: fate });
      const bert = await meeting.siegel('chromium', room);
      await meets(ada, bert);
      if (opens) {
        await meets(bert, ada);
        return;
      }
      await getsNothing(bert, 6000, 50_000);
      await expect(badgeOf(bert, ada)).toHaveAttribute('data-cause', /^(no-key|waiting-key)$/, { timeout: 20_000 });
    });
  });
}

test('the homeserver is away for 30 seconds: media goes on, and the call is whole afterwards @long', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.siegel('chromium', room);
    const bert = await meeting.siegel('chromium', room);
    await meets(ada, bert);
    await meets(bert, ada);
    await meeting.stack.synapse.stop();
    await sleep(20_000);
    const half = await received(ada, 0);
    await sleep(10_000);
    const end = await received(ada, 0);
    expect(end.decoded - half.decoded, 'video frames in ten seconds').toBeGreaterThan(40);
    await meets(ada, bert);
    await meets(bert, ada);
    await meeting.stack.synapse.start();
    await meeting.isMember(ada.account, room, 40_000, true);
    await meeting.isMember(bert.account, room, 40_000, true);
    // Somebody who comes now gets keys, and everybody gets theirs.
    const cleo = await meeting.elementCall('chromium', room);
    await meets(cleo, ada, 60_000);
    await meets(ada, cleo, 60_000);
    await meets(bert, cleo, 60_000);
  });
});

test('the media server is killed and started again: back within 15 seconds with mute, hand and what is known of devices', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.siegel('chromium', room);
    const bert = await meeting.siegel('chromium', room);
    const cleo = await meeting.siegelWidget('chromium', room, { vouched: true });
    await meets(ada, bert);
    await meets(bert, ada);
    await meets(ada, cleo);
    /** Both badges are measured, and differ in what is known of the device behind them. */
    const judged = async () => {
      await badgeTurns(ada, bert, 'amber', 'unverified-device');
      await badgeTurns(ada, cleo, 'green', 'verified');
    };
    await judged();
    await bert.page.getByRole('button', { name: 'Mute microphone', exact: true }).click();
    await bert.page.getByRole('button', { name: 'Turn camera off', exact: true }).click();
    await sleep(2000);
    await bert.page.getByRole('button', { name: 'Turn camera on', exact: true }).click();
    await bert.page.getByRole('button', { name: 'Raise hand', exact: true }).click();
    // Muting and the camera going off make the media server fill in frames of its own, without a false alarm.
    expect(await warnings(ada.frame())).not.toContain('clear-media');
    const shown = async () => new Set((await received(ada, 0)).pictures.map(({ track }) => track));
    await expect.poll(async () => (await shown()).size, { timeout: 20_000 }).toBe(2);
    const before = await shown();
    await meeting.stack.livekit.kill();
    await sleep(3000);
    await meeting.stack.livekit.start();
    const took = await until(
      async () => {
        const fresh = (await received(ada, 0)).pictures.filter(
          ({ track, decoded }) => !before.has(track) && decoded > 0,
        );
        return [bert, cleo].every((other) => fresh.some(({ means }) => showsPictureOf(means, other)));
      },
      15_000,
      () => 'no new pictures 15 s after the media server came back',
      200,
    );
    console.log(`  media again ${(took / 1000).toFixed(1)} s after the media server came back`);
    await meets(bert, ada);
    await expect(bert.page.getByRole('button', { name: 'Unmute microphone', exact: true })).toBeVisible();
    await expect(bert.page.getByRole('button', { name: 'Lower hand', exact: true })).toBeVisible();
    await meets(ada, cleo);
    await judged();
    await expect(tileOf(ada, bert).getByRole('img', { name: 'Hand raised' })).toBeVisible();
    const sounds = (await received(ada)).sounds.filter(({ rms }) => rms > 0.001);
    for (const { shares } of sounds) expect(shares[bert.index], 'bert is still muted').toBeLessThan(0.05);
  });
});

test('access tokens that expire are renewed during the call @long', async () => {
  await withMeeting({ homeserver: { accessTokenSeconds: 15 } }, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.siegel('chromium', room);
    await sleep(35_000);
    // Needs the homeserver on Ada's side: the membership of the newcomer, and to-device messages both ways.
    const bert = await meeting.elementCall('chromium', room);
    await meets(bert, ada, 60_000);
    await meets(ada, bert, 60_000);
    expect(ada.requests.filter(({ url }) => url.endsWith('/refresh')).length).toBeGreaterThan(0);
  });
});

test('a room that is not encrypted is refused with an explanation, and joined only by choice under a red badge', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room({ encrypted: false });
    const ada = await meeting.siegel('chromium', room, { join: false });
    await expect(ada.page.getByRole('heading', { name: 'This room is not encrypted' })).toBeVisible({
      timeout: 30_000,
    });
    await expect(ada.page.locator('siegel-lobby')).toHaveCount(0);
    await ada.page.getByRole('button', { name: 'Join all the same' }).click();
    await meeting.joinFromLobby(ada);
    await warns(ada.name, ada.frame(), 'room-not-encrypted');
    await expect(ada.page.locator('siegel-badge').first()).toHaveAttribute('data-level', 'red');
  });
});

for (const [name, homeserver] of Object.entries({
  'names no media server': { transports: [] },
  'does not know the question for media servers': { transportEndpoint: false },
})) {
  test(`a homeserver that ${name}: the error says what the operator must set${name.startsWith('names') ? '' : ' @long'}`, async () => {
    await withMeeting({ homeserver }, async (meeting: Meeting) => {
      const room = await meeting.room();
      const ada = await meeting.siegel('chromium', room, { join: false });
      await ada.page.getByRole('button', { name: 'Turn on camera and microphone' }).click({ timeout: 30_000 });
      const join = ada.page.getByRole('button', { name: 'Join now', exact: true });
      await expect(join).toBeEnabled({ timeout: 20_000 });
      await join.click();
      await expect(ada.page.getByText('must set up a MatrixRTC transport (LiveKit)')).toBeVisible({ timeout: 30_000 });
      await expect(ada.page.locator('siegel-call')).toHaveCount(0);
    });
  });
}
