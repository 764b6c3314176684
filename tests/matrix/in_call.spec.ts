/** What happens in a call besides talking: shared screens both ways, codings of video, layers that follow the size of tiles. */
import { expect, type Locator, test } from '@playwright/test';
import { badgeOf, press, tileOf } from '../browser/support/call_page';
import { takePictures } from '../browser/support/screens';
import { until } from '../browser/support/until';
import { elementCallTile, unencryptedMark } from './support/element_call';
import { type Guest, meets, received, withMeeting } from './support/meeting';
import { isSlides, kSlides, openSlides, seesSlides } from './support/slides';

const kLarge = { width: 1280, height: 800 };
const kSmall = { width: 720, height: 480 };

/** The other one's shared screen in our page. */
const screenOf = (guest: Guest, other: Guest): Locator =>
  guest.page.locator('siegel-tile[screen]:not([data-member="own"])').filter({ hasText: `${other.name}: screen` });

/** Frames of each lane of the other one that our engine opened and verified. */
async function opened(guest: Guest, other: Guest): Promise<Record<string, number>> {
  return guest.page.locator('siegel-call').evaluate((element, name) => {
    const { room } = element as never as {
      room: { members: { name: string; tracks: { track: string; passed: number }[] }[] };
    };
    const tracks = room.members.find((member) => member.name === name)?.tracks ?? [];
    return Object.fromEntries(tracks.map(({ track, passed }) => [track, passed]));
  }, other.name);
}

async function area(locator: Locator): Promise<number> {
  const box = await locator.boundingBox();
  return box === null ? 0 : box.width * box.height;
}

for (const kind of ['chromium', 'firefox'] as const) {
  test(`a shared tab with its sound reaches our page in ${kind}, large and sealed; two ways of ending it${kind === 'firefox' ? ' @long' : ''}`, async () => {
    await withMeeting({}, async (meeting) => {
      const room = await meeting.room({ name: 'Weekly meeting' });
      const ada = await meeting.siegel('chromium', room, { tab: kSlides });
      const bert = await meeting.siegel(kind, room, { viewport: kLarge });
      await meets(bert, ada);
      const slides = await openSlides(ada, meeting.stack.pages?.url ?? '', 4);

      await press(ada, 'Share screen');
      await expect(ada.page.locator('.banner.share')).toContainText('You are sharing your screen.');
      await expect(ada.page.locator('siegel-tile[screen][data-member="own"] video')).toHaveCount(1);
      const screen = screenOf(bert, ada);
      await expect(screen.locator('video')).toHaveCount(1, { timeout: 20_000 });
      await seesSlides(bert, 4, { sound: true });
      // Camera and microphone of the sharing person go on beside it.
      await meets(bert, ada);
      for (const lane of ['audio', 'video', 'screen', 'screen-audio'])
        await expect.poll(async () => (await opened(bert, ada))[lane] ?? 0, { message: lane }).toBeGreaterThan(10);
      await expect(screen.locator('siegel-badge')).toHaveAttribute('data-level', /^(green|amber)$/);
      expect(await screen.locator('siegel-badge').getAttribute('data-cause')).toBe(
        await badgeOf(bert, ada).getAttribute('data-cause'),
      );
      expect(await area(screen)).toBeGreaterThan(4 * (await area(tileOf(bert, ada))));
      await takePictures(bert.page, `${kind}-matrix-screen`, [
        { width: 360, height: 740 },
        { width: 768, height: 1024 },
        { width: 1920, height: 1080 },
        kLarge,
      ]);
      if (kind === 'chromium') {
        await takePictures(ada.page, 'chromium-matrix-sharing');
        // The window has another size since, and what is shared later is as large as the window.
        await slides.setViewportSize(ada.page.viewportSize() ?? kLarge);
      }

      // A person in the large place instead, and back.
      await tileOf(bert, ada).hover();
      await tileOf(bert, ada).getByRole('button', { name: 'Show large: Ada' }).click();
      await expect(tileOf(bert, ada)).toHaveAttribute('large', '');
      expect(await area(tileOf(bert, ada))).toBeGreaterThan(4 * (await area(screen)));
      await tileOf(bert, ada).getByRole('button', { name: 'No longer large: Ada' }).click();
      await expect(screen).toHaveAttribute('large', '');

      await ada.page.getByRole('button', { name: 'Stop sharing' }).first().click();
      await expect(screen).toHaveCount(0, { timeout: 20_000 });
      await expect(ada.page.locator('siegel-tile[screen]')).toHaveCount(0);
      await expect(ada.page.locator('.banner.share')).toHaveCount(0);

      // Again; this time the browser ends it.
      await press(ada, 'Share screen');
      await seesSlides(bert, 4, { sound: true });
      await slides.close();
      await expect(ada.page.locator('siegel-toasts')).toContainText('Screen sharing has ended.');
      await expect(screen).toHaveCount(0, { timeout: 20_000 });
      await expect(ada.page.getByRole('button', { name: 'Share screen' })).toBeVisible();
      await meets(bert, ada);
    });
  });

  test(`screens go both ways between our page in ${kind} and Element Call @long`, async () => {
    await withMeeting({}, async (meeting) => {
      const room = await meeting.room();
      const site = meeting.stack.pages?.url ?? '';
      const ada = await meeting.elementCall('chromium', room, { tab: kSlides, viewport: kLarge });
      const bert = await meeting.siegel(kind, room, { ...(kind === 'chromium' ? { tab: kSlides } : {}) });
      await meets(bert, ada);
      await meets(ada, bert);

      await openSlides(ada, site, 4);
      await ada.frame().getByTestId('incall_screenshare').click();
      const screen = screenOf(bert, ada);
      await expect(screen.locator('video')).toHaveCount(1, { timeout: 20_000 });
      await seesSlides(bert, 4, { sound: true });
      await meets(bert, ada);
      await expect.poll(async () => (await opened(bert, ada)).screen ?? 0).toBeGreaterThan(10);
      const warnings = await bert.page
        .locator('siegel-call')
        .evaluate((element) =>
          (element as never as { room: { warnings: { kind: string }[] } }).room.warnings.map(({ kind }) => kind),
        );
      expect(warnings).not.toContain('clear-media');
      await ada.frame().getByTestId('incall_screenshare').click();
      await expect(screen).toHaveCount(0, { timeout: 20_000 });
      await meets(bert, ada);

      // Firefox asks by itself which screen to share; nothing answers it here.
      if (kind === 'firefox') return;
      const slides = await openSlides(bert, site, 5);
      await press(bert, 'Share screen');
      await seesSlides(ada, 5, { sound: true });
      await expect(unencryptedMark(ada.frame())).toHaveCount(0);
      await slides.close();
      await expect
        .poll(async () => (await received(ada, 0)).pictures.filter(({ means }) => isSlides(means, 5)).length, {
          timeout: 20_000,
        })
        .toBe(0);
      await expect(elementCallTile(ada, bert)).toHaveCount(1);
      await meets(ada, bert);
    });
  });
}

/** Chooses a coding in the lobby, as a person does. */
async function choosesCodec(guest: Guest, codec: string): Promise<void> {
  await guest.page.getByText('More settings').click({ timeout: 60_000 });
  await guest.page.getByLabel('Video coding').selectOption(codec);
}

/** MIME types of the video that is decoded at a guest, by the receivers' own statistics. */
function codings(guest: Guest): Promise<string[]> {
  return guest.frame().evaluate(async () => {
    const found = new Set<string>();
    for (const peer of siegelProbe.peers) {
      if (peer.connectionState !== 'connected') continue;
      const report = new Map<string, Record<string, unknown>>((await peer.getStats()) as never);
      for (const row of report.values())
        if (row.type === 'inbound-rtp' && row.kind === 'video' && Number(row.framesDecoded) > 30)
          found.add(String(report.get(String(row.codecId))?.mimeType).toLowerCase());
    }
    return [...found].sort();
  });
}

test('VP9 and H.264 are chosen in the lobby and decoded by the others; who cannot show one is told so @long', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.siegel('chromium', room, { join: false });
    await choosesCodec(ada, 'vp9');
    await takePictures(ada.page, 'chromium-matrix-codec', [{ width: 360, height: 740 }, kLarge, kSmall]);
    await meeting.joinFromLobby(ada);
    const bert = await meeting.siegel('chromium', room, { join: false });
    await choosesCodec(bert, 'h264');
    await meeting.joinFromLobby(bert);
    await meets(ada, bert);
    await meets(bert, ada);
    await expect.poll(() => codings(ada)).toEqual(['video/h264']);
    await expect.poll(() => codings(bert)).toEqual(['video/vp9']);

    const cleo = await meeting.siegel('firefox', room, { join: false });
    const own = await cleo.page.evaluate(() => ({
      sends: RTCRtpSender.getCapabilities('video')?.codecs.map(({ mimeType }) => mimeType),
      shows: RTCRtpReceiver.getCapabilities('video')?.codecs.map(({ mimeType }) => mimeType),
    }));
    // Only what this browser can send with layers is offered; where that is VP8 alone, there is nothing to choose.
    await cleo.page.getByRole('button', { name: 'Turn on camera and microphone' }).waitFor({ timeout: 60_000 });
    const offered = await cleo.page
      .getByLabel('Video coding')
      .locator('option')
      .evaluateAll((options) => options.map((option) => (option as HTMLOptionElement).value));
    expect(offered).toEqual(own.sends?.includes('video/H264') ? ['vp8', 'h264'] : []);
    await meeting.joinFromLobby(cleo);
    await meets(cleo, ada);
    await expect.poll(() => codings(ada), { timeout: 30_000 }).toEqual(['video/h264', 'video/vp8']);
    await expect.poll(() => codings(cleo)).toContain('video/vp9');
    if (own.shows?.includes('video/H264')) await meets(cleo, bert);
    else await expect(tileOf(cleo, bert)).toContainText('This browser cannot show H.264.', { timeout: 20_000 });
    await takePictures(cleo.page, 'firefox-matrix-cannot-show');
  });
});

/** Width in pixels of the largest video that is decoded at a guest now. */
function decodedWidth(guest: Guest): Promise<number> {
  return guest.frame().evaluate(async () => {
    let width = 0;
    for (const peer of siegelProbe.peers) {
      if (peer.connectionState !== 'connected') continue;
      for (const row of new Map<string, Record<string, unknown>>((await peer.getStats()) as never).values())
        if (row.type === 'inbound-rtp' && row.kind === 'video') width = Math.max(width, Number(row.frameWidth ?? 0));
    }
    return width;
  });
}

/** Which simulcast layers a guest's browser encodes, smallest first. */
function encodes(guest: Guest): Promise<boolean[]> {
  return guest.frame().evaluate(() => {
    for (const peer of siegelProbe.peers)
      for (const sender of peer.getSenders()) {
        const { encodings } = sender.getParameters();
        if (sender.track?.kind === 'video' && encodings.length > 1)
          return encodings.map(({ active }) => active !== false);
      }
    return [];
  });
}

test('a large tile gets the large layer, a small one the small layer, and what nobody needs is not encoded @long', async () => {
  await withMeeting({}, async (meeting) => {
    const room = await meeting.room();
    const ada = await meeting.siegel('chromium', room, { camera: { width: 640, height: 360 } });
    const bert = await meeting.siegel('chromium', room, { viewport: kLarge });
    await meets(bert, ada);
    // With room for a busy machine's encoder, which makes pictures somewhat smaller; the layers are 320 and 640 wide.
    const turns = async (large: boolean) => {
      await until(
        async () => (large ? (await decodedWidth(bert)) > 400 : (await decodedWidth(bert)) <= 320),
        60_000,
        async () => `Bert decodes a width of ${await decodedWidth(bert)}, not of ${large ? 640 : 320}`,
        500,
      );
      await until(
        async () => JSON.stringify(await encodes(ada)) === JSON.stringify([true, large]),
        60_000,
        async () => `Ada encodes ${await encodes(ada)}, not ${[true, large]}`,
        500,
      );
    };
    await turns(true);
    // Bert's own picture in the large place: Ada's is a small one beside it.
    const self = bert.page.locator('siegel-tile[own]');
    await self.hover();
    await self.getByRole('button', { name: /^Show large/ }).click();
    expect(await area(self)).toBeGreaterThan(8 * (await area(tileOf(bert, ada))));
    await turns(false);
    await meets(bert, ada);
    await self.getByRole('button', { name: /^No longer large/ }).click();
    await turns(true);
    await meets(bert, ada);
  });
});
