/**
 * The address decides: what a person pastes may be a call by link, a Matrix room or a Jitsi room. This says which page it
 * belongs to; that page then checks it.
 */

import { isLoopback } from '../call/hosts';

/** Page and fragment for an address that is no call by link of ours; undefined: not an address of either kind. */
export function pageFor(text: string): string | undefined {
  const typed = text.trim();
  if (!typed || typed.length > 4000 || /\s/.test(typed)) return undefined;
  // `#room:server`, `!id:server`, links of matrix.to and of our own Matrix page.
  if (/^[#!][^\s:]+:[^\s/]+$/.test(typed)) return `/matrix/#/room/${typed}`;
  const matrix = /^(?:https:\/\/matrix\.to\/#\/|.*\/matrix\/#\/room\/)(.+)$/.exec(typed);
  if (matrix?.[1]) return `/matrix/#/room/${matrix[1]}`;
  let url: URL;
  try {
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(typed) ? typed : `https://${typed}`);
  } catch {
    return undefined;
  }
  const local = isLoopback(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && local)) return undefined;
  // A call by link at another place: its key is in the fragment and goes nowhere else.
  if (/^\/call\//.test(url.pathname)) return undefined;
  if (url.username || url.password || !url.pathname.replaceAll('/', '')) return undefined;
  if (!local && !url.hostname.includes('.')) return undefined;
  return `/jitsi/#${typed}`;
}
