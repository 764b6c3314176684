/**
 * The invitation link: `<origin>/call/<room>#<secret>`. The room id is public (the server sees it); the secret is 256 bits
 * from the browser's generator and stays in the fragment, which browsers do not send. Whoever reads a link removes the
 * fragment from the address bar at once (`takeInvitation`) and keeps the secret in memory only.
 */
import { type Bytes, fromBase64Url, randomBytes, toBase64Url, wipe } from './bytes';

export const kSecretBytes = 32;
const kRoom = /^[A-Za-z0-9_-]{8,64}$/;

/** Why a link cannot be used; each has a text in web/ui/i18n. */
export type LinkProblem =
  | 'no-room' // the path names no room
  | 'bad-room' // it does, with characters or a length that rooms do not have
  | 'no-secret' // no fragment: the part with the key got lost
  | 'bad-secret' // a fragment that is not 43 characters of base64url
  | 'other-site' // a pasted link that leads to another origin
  | 'not-a-link'; // a pasted text that is no address

export class Invitation {
  constructor(
    readonly room: string,
    /** Owned by this object; `wipe()` clears it. */
    readonly secret: Bytes,
  ) {}

  static create(): Invitation {
    return new Invitation(toBase64Url(randomBytes(16)), randomBytes(kSecretBytes));
  }

  /** The text to hand to others. It contains the key: show and copy it only when asked to. */
  toLink(origin: string): string {
    return `${origin}/call/${this.room}#${toBase64Url(this.secret)}`;
  }

  wipe(): void {
    wipe(this.secret);
  }
}

/** Reads a link's parts. Never throws; anything but one exact form is a problem with a name. */
export function parseInvitation(link: { pathname: string; hash: string }): Invitation | LinkProblem {
  const match = /^\/call\/([^/]*)$/.exec(link.pathname);
  const room = match?.[1] ?? '';
  if (room === '') return 'no-room';
  if (!kRoom.test(room)) return 'bad-room';
  const fragment = link.hash.replace(/^#/, '');
  if (fragment === '') return 'no-secret';
  const secret = fragment.length === 43 ? fromBase64Url(fragment) : null;
  return secret?.length === kSecretBytes ? new Invitation(room, secret) : 'bad-secret';
}

/** Reads what someone pasted. Links of other sites are refused: their server would serve the code. */
export function parsePastedLink(text: string, origin: string): Invitation | LinkProblem {
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    return 'not-a-link';
  }
  if (url.origin !== origin) return 'other-site';
  return parseInvitation(url);
}

/** Takes the invitation out of the address bar: afterwards neither the bar nor the history holds the secret. */
export function takeInvitation(location: Location, history: History): Invitation | LinkProblem {
  const result = parseInvitation(location);
  if (location.hash !== '') history.replaceState(null, '', location.pathname);
  return result;
}
