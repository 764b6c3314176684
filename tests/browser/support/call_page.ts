/** The call page as the tests use it: by roles, texts and the attributes the elements reflect. English texts. */
import { expect, type Frame, type Locator, type Page, test } from '@playwright/test';
import { hears, type MediaElements, sees } from './checks';
import type { Person } from './people';
import { until } from './until';

/** The other person's tile in this person's page. */
export function tileOf(person: Person, other: Pick<Person, 'name'>): Locator {
  return person.page.locator('siegel-tile:not([own]):not([screen])').filter({ hasText: other.name });
}

export async function memberId(person: Person, other: Person): Promise<string> {
  const tile = tileOf(person, other);
  await expect(tile, `${person.name} sees a tile of ${other.name}`).toHaveCount(1, { timeout: 15_000 });
  const id = await tile.getAttribute('data-member');
  if (id === null || id === '') throw new Error('a tile without member');
  return id;
}

export async function elementsOf(person: Person, other: Person): Promise<MediaElements> {
  const id = await memberId(person, other);
  return {
    audio: `audio[data-member="${id}"][data-lane="audio"]`,
    video: `siegel-tile:not([screen])[data-member="${id}"] video`,
  };
}

/** Sound and picture of the other one arrive and are theirs. */
export async function meets(person: Person, other: Person): Promise<void> {
  await test.step(`${person.name} sees and hears ${other.name}`, async () => {
    const elements = await elementsOf(person, other);
    await sees(person, other, elements);
    await hears(person, other, elements);
  });
}

/** Frames decoded so far of what a video element shows. */
export async function decoded(person: Person, selector: string): Promise<number> {
  const video = person.page.locator(selector).first();
  return video.evaluate((element) => (element instanceof HTMLVideoElement ? siegelProbe.decoded(element) : 0));
}

/** More than `count` video frames of the other one are decoded by this person, from now on if `from` is given. */
export async function getsFrames(person: Person, other: Person, count = 100, from = 0): Promise<void> {
  const { video } = await elementsOf(person, other);
  let frames = 0;
  await until(
    async () => {
      frames = await decoded(person, video);
      return frames - from > count;
    },
    90_000,
    () => `${person.name} (${person.kind}) decoded ${frames - from} video frames of ${other.name}, not ${count}`,
    200,
  );
}

export interface ShownBadge {
  level: string | null;
  cause: string | null;
}

export function badgeOf(person: Person, other: Pick<Person, 'name'>): Locator {
  return tileOf(person, other).locator('siegel-badge');
}

/** Both at the same moment, within `deadlineMs`. */
export async function badgeTurns(
  person: Person,
  other: Pick<Person, 'name'>,
  level: string,
  cause: string,
  deadlineMs = 30_000,
): Promise<void> {
  let seen = '';
  await until(
    async () => {
      const badge = badgeOf(person, other);
      if ((await badge.count()) !== 1) return false;
      seen = await badge.evaluate((element) => `${element.dataset.level} ${element.dataset.cause}`);
      return seen === `${level} ${cause}`;
    },
    deadlineMs,
    () => `${person.name}'s badge for ${other.name} is ${seen}, not ${level} ${cause}`,
  );
}

/** Opens the figures behind the other one's badge, reads how many frames were opened, and closes them again. */
export async function openedFrames(person: Person, other: Person): Promise<{ opened: number; rejected: string }> {
  await badgeOf(person, other).getByRole('button').click();
  const dialog = person.page.getByRole('dialog', { name: `Encryption: ${other.name}` });
  await expect(dialog).toBeVisible();
  const cell = async (name: string) => {
    const row = dialog.getByRole('row').filter({ has: person.page.getByRole('rowheader', { name, exact: true }) });
    return (await row.getByRole('cell').first().textContent()) ?? '';
  };
  const opened = Number((await cell('Frames opened and verified')).replace(/[^0-9]/g, ''));
  const rejected = (await cell('Frames rejected')).trim();
  await dialog.getByRole('button', { name: 'Close' }).click();
  await expect(dialog).toBeHidden();
  return { opened, rejected };
}

export async function press(person: Person, name: string): Promise<void> {
  await person.page.getByRole('button', { name, exact: true }).click();
}

/** Kinds of the security notices that somebody is shown. */
export function warnings(where: Page | Frame): Promise<string[]> {
  return where
    .locator('siegel-warnings')
    .evaluateAll((elements) =>
      elements.flatMap((element) =>
        (element as never as { warnings: { kind: string }[] }).warnings.map(({ kind }) => kind),
      ),
    );
}

export async function warns(name: string, where: Page | Frame, kind: string, deadlineMs = 20_000): Promise<void> {
  await expect.poll(() => warnings(where), { timeout: deadlineMs, message: `${name}'s notices` }).toContain(kind);
}
