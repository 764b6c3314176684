/** The two ways in which MatrixRTC announces who is in a call: state events (compatibility), and sticky events (matrix_2_0). */
import { expect, test } from '@playwright/test';
import { badgeOf } from '../browser/support/call_page';
import { liveKitRoom } from '../servers/matrix/stack.mjs';
import { everybodyMeets, type Meeting, meets, withMeeting } from './support/meeting';

const namesAtServer = async ({ stack }: Meeting, room: string) =>
  (await stack.livekit.rooms.listParticipants(liveKitRoom(room))).map(({ identity }) => identity);

const stateMembers = async ({ organiser }: Meeting, room: string) =>
  (await organiser.roomState(room, 'org.matrix.msc3401.call.member')).filter(({ content }) => content.device_id);

test('matrix_2_0: two of ours and Element Call, by sticky events, under names that say nothing @long', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.siegel('chromium', room, { mode: 'matrix_2_0' });
    // A sticky event is sealed for the devices that there are: those of cleo and bert are younger than ada's membership.
    const cleo = await meeting.siegel('firefox', room, { mode: 'matrix_2_0' });
    const bert = await meeting.elementCall('chromium', room, { mode: 'matrix_2_0' });
    await everybodyMeets([ada, bert, cleo]);
    expect(await stateMembers(meeting, room)).toEqual([]);
    const names = await namesAtServer(meeting, room);
    expect(names).toHaveLength(3);
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9+/]{43}$/);
    for (const other of [bert, cleo])
      await expect(badgeOf(ada, other)).toHaveAttribute('data-cause', 'unverified-device', { timeout: 20_000 });
    await expect(ada.page.locator('[data-warning="unknown-identity"]')).toHaveCount(0);

    await cleo.page.getByRole('button', { name: 'Leave call', exact: true }).click();
    await expect(ada.page.locator('siegel-tile:not([own])')).toHaveCount(1, { timeout: 20_000 });
    await meets(ada, bert);
    await meets(bert, ada);
  });
});

test('members of both modes in one call', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.siegel('chromium', room);
    const bert = await meeting.siegel('chromium', room, { mode: 'matrix_2_0' });
    const cleo = await meeting.elementCall('chromium', room);
    await everybodyMeets([ada, bert, cleo]);
    expect(await stateMembers(meeting, room)).toHaveLength(2);
  });
});
