/** Members who publish at different media servers, as people of different homeservers do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@playwright/test';
import { badgeOf } from '../browser/support/call_page';
import { showsPictureOf } from '../browser/support/people';
import { until } from '../browser/support/until';
import { liveKitRoom } from '../servers/matrix/stack.mjs';
import { everybodyMeets, type Guest, meets, received, withMeeting } from './support/meeting';

/** Frames decoded of the other one's picture so far. */
async function decodedOf(guest: Guest, other: Guest): Promise<number> {
  const { pictures } = await received(guest, 0);
  return Math.max(0, ...pictures.filter(({ means }) => showsPictureOf(means, other)).map(({ decoded }) => decoded));
}

test('two media servers: everybody decodes everybody, one dies and comes back, and nobody stays where nobody sends @long', async () => {
  test.setTimeout(400_000);
  await withMeeting({ sfus: 2 }, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.siegel('chromium', room, { site: 0 });
    const bert = await meeting.siegel('chromium', room, { site: 1 });
    const cleo = await meeting.elementCall('chromium', room, { site: 0 });
    await everybodyMeets([ada, bert, cleo]);

    /** How many tracks everybody publishes there, by user. */
    const at = async (site: number) => {
      const list = await meeting.stack.sites[site]!.livekit.rooms.listParticipants(liveKitRoom(room)).catch(() => []);
      return list.map(({ tracks }) => tracks.length).sort();
    };
    expect(await at(0)).toEqual([0, 2, 2]);
    expect(await at(1)).toEqual([0, 0, 2]);

    const { livekit } = meeting.stack.sites[1]!;
    await livekit.kill();
    const before = [await decodedOf(ada, cleo), await decodedOf(bert, ada), await decodedOf(bert, cleo)] as const;
    // Nothing of bert can be measured any more, so the badge no longer says what would otherwise be all.
    await expect(badgeOf(ada, bert)).not.toHaveAttribute('data-cause', 'unverified-device', { timeout: 20_000 });
    await sleep(5000);
    expect(await decodedOf(ada, cleo), 'media of the other server goes on').toBeGreaterThan(before[0] + 20);
    expect(await decodedOf(bert, ada), 'media of the other server goes on').toBeGreaterThan(before[1] + 20);
    expect(await decodedOf(bert, cleo), 'media of the other server goes on').toBeGreaterThan(before[2] + 20);
    await livekit.start();
    const took = await until(
      async () => (await at(1)).filter((tracks) => tracks === 2).length === 1,
      15_000,
      () => 'bert does not publish again 15 s after the media server came back',
      200,
    );
    console.log(`  publishes again ${(took / 1000).toFixed(1)} s after the media server came back`);
    await everybodyMeets([ada, bert]);
    await meets(bert, cleo);
    await meets(ada, cleo);
    // Element Call 0.26.1 goes on with its own media server, and does not come back to the other one.
    await meets(cleo, ada);

    await meeting.leave(bert, room);
    await expect.poll(() => at(1), { timeout: 20_000 }).toEqual([]);
    expect(await at(0)).toEqual([2, 2]);
    await meets(ada, cleo);
    await meets(cleo, ada);
  });
});
