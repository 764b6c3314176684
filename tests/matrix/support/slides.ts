/** A tab for sharing: the picture and the tone of a person who is not in the call, so that a test recognises them. */
import type { Page } from '@playwright/test';
import { kPatternColumns, kPatternRows, patternBits } from '../../browser/support/media_files';
import { kTones, showsPictureOf } from '../../browser/support/people';
import { until } from '../../browser/support/until';
import { type Guest, received } from './meeting';

/** Give it to `Meeting.siegel` or `elementCall` as `tab`. */
export const kSlides = 'Slides';

/** Of people who take part in no test with slides. */
export type SlideSet = 4 | 5;

/** Opens them in the guest's browser. Closing the page ends the sharing as the browser's own control does. */
export async function openSlides(guest: Guest, site: string, set: SlideSet): Promise<Page> {
  const page = await guest.context.newPage();
  // Any page of the same origin: what is drawn comes from here.
  await page.goto(`${site}/tests/forger/`);
  await page.evaluate(
    ({ bits, columns, rows, hz, title }) => {
      document.title = title;
      const canvas = document.createElement('canvas');
      canvas.width = columns * 40;
      canvas.height = rows * 40;
      Object.assign(canvas.style, { position: 'fixed', inset: '0', width: '100vw', height: '100vh' });
      document.body.append(canvas);
      const context = canvas.getContext('2d');
      let turn = 0;
      setInterval(() => {
        if (context === null) return;
        for (const [i, bit] of bits.entries()) {
          context.fillStyle = bit === 1 ? '#c4c4c4' : '#303030';
          context.fillRect((i % columns) * 40, Math.floor(i / columns) * 40, 40, 40);
        }
        // Something that moves, so that frames are sent.
        context.fillStyle = '#888';
        context.fillRect((turn++ * 9) % canvas.width, 0, 8, 4);
      }, 100);
      const audio = new AudioContext();
      const source = audio.createOscillator();
      const gain = audio.createGain();
      source.frequency.value = hz;
      gain.gain.value = 0.3;
      source.connect(gain).connect(audio.destination);
      source.start();
    },
    { bits: patternBits(set + 1), columns: kPatternColumns, rows: kPatternRows, hz: kTones[set], title: kSlides },
  );
  // The call is in front again: the shared tab is one in the background, as with people.
  await guest.page.bringToFront();
  return page;
}

export const isSlides = (means: readonly number[], set: SlideSet): boolean =>
  showsPictureOf(means, { kind: 'chromium', index: set });

/** The slides arrive at `guest`: their picture, and with `sound` their tone. */
export async function seesSlides(guest: Guest, set: SlideSet, { sound }: { sound: boolean }): Promise<void> {
  let told = '';
  await until(
    async () => {
      const { pictures, sounds } = await received(guest);
      const seen = pictures.some(({ means }) => isSlides(means, set));
      const heard = sounds.some(({ rms, shares }) => rms > 0.01 && (shares[set] ?? 0) > 0.8);
      told = `${pictures.length} pictures, ${sounds.length} sounds; slides seen: ${seen}, heard: ${heard}`;
      return seen && (heard || !sound);
    },
    45_000,
    () => `the slides do not arrive at ${guest.name}: ${told}`,
    200,
  );
}
