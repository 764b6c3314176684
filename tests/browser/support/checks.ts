/** What a person of a call must hear and see; shared by the control calls and the real ones. */
import { chromium, type Page } from '@playwright/test';
import { chromiumOptions } from './launch_options';
import { kPatternColumns, kPatternRows } from './media_files';
import { kTones, type Person, showsPictureOf } from './people';
import { startBlankSite } from './plain_call';
import type { PersonSeen } from './probe';
import { until } from './until';

/** Selectors of the elements that play the other person; also found inside open shadow roots. */
export interface MediaElements {
  audio: string;
  video: string;
}

/** What `person` hears from an element now. */
export function listen(person: Person, selector: string): Promise<PersonSeen> {
  return person.page
    .locator(selector)
    .first()
    .evaluate(
      (element, frequencies) =>
        element instanceof HTMLMediaElement && element.srcObject instanceof MediaStream
          ? siegelProbe.hear(element.srcObject, frequencies, 700)
          : { rms: 0, shares: frequencies.map(() => 0) },
      [...kTones],
    );
}

/** The other person's tone must be most of what arrives, within `deadlineMs`. */
export async function hears(
  person: Person,
  other: Person,
  elements: MediaElements,
  deadlineMs = 15_000,
): Promise<void> {
  let seen: PersonSeen = { rms: 0, shares: [] };
  await until(
    async () => {
      seen = await listen(person, elements.audio);
      return seen.rms > 0.01 && (seen.shares[other.index] ?? 0) > 0.8;
    },
    deadlineMs,
    () => `${person.name} (${person.kind}) does not hear ${other.name}'s ${other.tone} Hz: ${JSON.stringify(seen)}`,
  );
}

export async function sees(person: Person, other: Person, elements: MediaElements, deadlineMs = 15_000): Promise<void> {
  let means: number[] | null = null;
  await until(
    async () => {
      means = await person.page
        .locator(elements.video)
        .first()
        .evaluate(
          (video, [columns, rows]) =>
            video instanceof HTMLVideoElement ? siegelProbe.look(video, columns, rows) : null,
          [kPatternColumns, kPatternRows] as const,
        );
      return showsPictureOf(means, other);
    },
    deadlineMs,
    () => `${person.name} (${person.kind}) does not see ${other.name}'s picture: ${JSON.stringify(means)}`,
  );
}

/** A Chromium page for the judge's decoders, apart from every page under test. */
export async function withJudge(work: (page: Page) => Promise<void>): Promise<void> {
  const site = await startBlankSite();
  const browser = await chromium.launch(chromiumOptions());
  try {
    const page = await browser.newPage();
    await page.goto(site.url);
    await work(page);
  } finally {
    await browser.close();
    await site.close();
  }
}
