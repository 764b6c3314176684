/** Genuine Element Call as the tests read it (0.26): its tiles, and its mark for media that is not encrypted. */
import type { Frame, Locator } from '@playwright/test';
import type { Guest } from './meeting';

/** The tile of `other`'s camera at `guest`, who sits in Element Call. */
export function elementCallTile(guest: Guest, other: Pick<Guest, 'name'>): Locator {
  const name = guest.frame().getByTestId('name_tag').getByText(other.name, { exact: true });
  return guest.frame().getByTestId('videoTile').filter({ has: name });
}

/** An icon with this label, which no text search finds. */
export function unencryptedMark(where: Frame | Locator): Locator {
  return where.getByRole('img', { name: 'Not encrypted', exact: true });
}
