/** Names come from other people: what they may consist of, and how two alike are told apart. */

export const kMaxName = 40;

/**
 * A name that is safe to show as text: no control, format, private-use or unassigned characters (so no direction marks and
 * no zero-width ones), blanks collapsed, at most two combining marks in a row, at most kMaxName code points.
 */
export function cleanName(text: string): string {
  const plain = text
    .slice(0, 1000)
    .replaceAll('\ufeff', '') // blank to \s, and zero-width
    .normalize('NFC')
    .replace(/\s+/gu, ' ')
    .replace(/[\p{C}\u115f\u1160\u2800\u3164\uffa0]/gu, '')
    .replace(/(\p{M}{2})\p{M}+/gu, '$1')
    .replace(/ +/g, ' ')
    .trim();
  return [...plain].slice(0, kMaxName).join('').trim();
}

/** One or two letters for a picture without a picture. */
export function initials(name: string): string {
  const words = name.split(' ').filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letter = (word: string | undefined) => [...(word ?? '')].find((char) => /[\p{L}\p{N}]/u.test(char)) ?? '';
  const first = letter(words[0]);
  const last = words.length > 1 ? letter(words.at(-1)) : '';
  return (first + last).toUpperCase();
}

/** What of a name counts to the eye, roughly: not case, width, compatibility forms, blanks, marks. */
const lookOf = (name: string): string =>
  name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s\p{P}\p{M}]/gu, '');

/** Alike to the eye, roughly: case, width and compatibility forms do not count. */
export function sameLook(a: string, b: string): boolean {
  return lookOf(a) === lookOf(b);
}

/** Places of the names that look like each of these, its own included. Time grows with the number of names, not its square. */
export function lookAlikes(names: readonly string[]): Array<readonly number[]> {
  const looks = names.map(lookOf);
  const places = new Map<string, number[]>();
  for (const [i, look] of looks.entries()) {
    const found = places.get(look);
    if (found) found.push(i);
    else places.set(look, [i]);
  }
  return looks.map((look) => places.get(look) ?? []);
}
