/** A browser that publishes unsealed media at the media server under an identity that is not its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { chromiumOptions } from '../../browser/support/launch_options';
import { writePatternY4m, writeToneWav } from '../../browser/support/media_files';
import { kTones, showsPictureOf } from '../../browser/support/people';
import type { PersonSeen } from '../../browser/support/probe';
import type { Stack } from '../../servers/matrix/stack.mjs';
import type {} from '../pages/forger/main';

export interface Forger {
  forge(identity: string, liveKitRoom: string): Promise<void>;
  isSeenIn(means: readonly number[]): boolean;
  isHeardIn(sound: PersonSeen): boolean;
  close(): Promise<void>;
}

/** `index` gives it a tone and a picture of its own, as people have. */
export async function startForger(index: number, stack: Stack): Promise<Forger> {
  const folder = mkdtempSync(join(tmpdir(), 'siegel-forger-'));
  const tone = join(folder, 'tone.wav');
  const picture = join(folder, 'picture.y4m');
  writeToneWav(tone, kTones[index] ?? 0);
  writePatternY4m(picture, index + 1);
  const browser = await chromium.launch(chromiumOptions({ tone, picture }));
  // Without the content security policy of the pages: it talks to the media server itself, past any proxy. (A page that the
  // test answers itself would count as one from elsewhere, which Chromium keeps from this machine's own ports.)
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  await page.goto(`${stack.pages?.url}/tests/forger/`);
  await page.locator('html[data-ready]').waitFor({ state: 'attached' });
  return {
    async forge(identity, liveKitRoom) {
      const token = await stack.livekit.token(identity, liveKitRoom);
      await page.evaluate(([url, jwt]) => forge(url, jwt), [stack.livekit.url, token] as const);
    },
    isSeenIn: (means) => showsPictureOf(means, { kind: 'chromium', index }),
    isHeardIn: ({ rms, shares }) => rms > 0.01 && (shares[index] ?? 0) > 0.8,
    async close() {
      await browser.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
