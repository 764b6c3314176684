/** Noise suppression as an effect of stock lib-jitsi-meet: its own track, its own setEffect. */
import { join } from 'node:path';
import { chromium, expect, firefox, test } from '@playwright/test';
import { startSite } from '../browser/support/call';
import { chromiumOptions, firefoxOptions } from '../browser/support/launch_options';
import { clientFolder } from './support/genuine.mjs';

interface StockTrack {
  getOriginalStream(): MediaStream;
  setEffect(effect: unknown): Promise<void>;
  mute(): Promise<void>;
  unmute(): Promise<void>;
  dispose(): Promise<void>;
  isMuted(): boolean;
}
interface StockLibrary {
  init(options: object): void;
  createLocalTracks(options: object): Promise<StockTrack[]>;
}

for (const [client, kind] of [
  ['lyno', 'chromium'],
  ['solyd', 'firefox'],
] as const) {
  test(`${client} in ${kind}: set, muted, taken away${kind === 'firefox' ? ' @long' : ''}`, async () => {
    const site = await startSite();
    const browser = await (kind === 'chromium' ? chromium.launch(chromiumOptions()) : firefox.launch(firefoxOptions()));
    try {
      const page = await browser.newPage();
      await page.route('**/lib-jitsi-meet.min.js', (route) =>
        route.fulfill({ path: join(clientFolder(client), 'lib-jitsi-meet.min.js'), contentType: 'text/javascript' }),
      );
      await page.goto(`${site.url}/tests/denoise/`);
      await page.waitForFunction(() => 'lab' in globalThis);
      await page.addScriptTag({ url: '/tests/denoise/lib-jitsi-meet.min.js' });
      const seen = await page.evaluate(async () => {
        const { JitsiMeetJS } = globalThis as unknown as { JitsiMeetJS: StockLibrary };
        JitsiMeetJS.init({ disableAudioLevels: true });
        const [track] = await JitsiMeetJS.createLocalTracks({ devices: ['audio'] });
        if (!track) throw new Error('no track');
        const raw = track.getOriginalStream().getAudioTracks()[0];
        const effect = lab.jitsiEffect();
        await track.setEffect(effect);
        const out = track.getOriginalStream().getAudioTracks()[0];
        await effect.denoiser?.settled;
        const during = { other: out !== raw, state: effect.denoiser?.state, same: effect.denoiser?.track === out };
        await track.mute();
        const muted = { muted: track.isMuted(), enabled: out?.enabled };
        await track.unmute();
        const unmuted = { muted: track.isMuted(), enabled: out?.enabled };
        await track.setEffect(undefined);
        const after = {
          raw: track.getOriginalStream().getAudioTracks()[0] === raw,
          live: raw?.readyState,
          out: out?.readyState,
        };
        await track.dispose();
        return { during, muted, unmuted, after };
      });
      expect(seen).toEqual({
        during: { other: true, state: 'running', same: true },
        muted: { muted: true, enabled: false },
        unmuted: { muted: false, enabled: true },
        after: { raw: true, live: 'live', out: 'ended' },
      });
    } finally {
      await browser.close();
      await site.close();
    }
  });
}
