/** Genuine Element Call with itself: what the servers and the measuring can do, before our own parts are looked at. */
import { expect, test } from '@playwright/test';
import { getsNothing, meets, withMeeting } from './support/meeting';

test('two people in Element Call see and hear each other @long', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.elementCall('chromium', room);
    const bert = await meeting.elementCall('firefox', room);
    await meets(ada, bert);
    await meets(bert, ada);
    const seen = await ada.page.evaluate(() => widgetHost.seen);
    expect(seen.keysReceived.length).toBeGreaterThan(0);
    expect(seen.keysReceived.filter(({ encrypted }) => !encrypted)).toEqual([]);
    expect(meeting.stack.token.answered.get('/sfu/get 200')).toBeGreaterThanOrEqual(2);
  });
});

test('without the other one’s key Element Call gets the media and plays none of it @long', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.elementCall('chromium', room);
    const bert = await meeting.elementCall('chromium', room, { withholdKeys: true });
    await meets(ada, bert);
    await getsNothing(bert, 5000, 100_000);
  });
});
