/**
 * From what a person types or pastes to a room of a Jitsi deployment. A token in it is taken out, so that it stands in no
 * address bar, history or link afterwards.
 *
 * Errors: JitsiError 'bad-address', 'insecure-server'. Threads: any.
 */
import { isLoopback } from '../call/hosts';
import { type JitsiAddress, JitsiError } from './types';

const kMaxLength = 4000;
const kMaxRoom = 200;

/** Characters that a MUC's name cannot carry, or that the stock client takes out of a room's name. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones
const kUnsafe = /[\u0000-\u0020?&:'"%#./<>@\\\u007f]/gu;

/**
 * As the stock client makes the local part of the MUC: without the characters above, lower case, everything that is not plain
 * ASCII percent-encoded (lib-jitsi-meet `modules/util/…` and jitsi-meet `getBackendSafeRoomName`).
 */
export function roomName(room: string): string {
  const plain = room.normalize('NFKC').toLowerCase().replace(kUnsafe, '');
  return encodeURIComponent(plain).toLowerCase();
}

/** `host/room`, `https://host/room`, `https://host/tenant/room`, with or without `?jwt=` and `#config…`. */
export function parseAddress(text: string): JitsiAddress {
  const typed = text.trim();
  if (!typed || typed.length > kMaxLength || /\s/.test(typed)) throw new JitsiError('bad-address');
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(typed) ? typed : `https://${typed}`;
  let url: URL;
  try {
    url = new URL(withScheme);
  } catch {
    throw new JitsiError('bad-address');
  }
  if (url.username || url.password) throw new JitsiError('bad-address');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new JitsiError('bad-address');
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) throw new JitsiError('insecure-server');
  const parts = url.pathname.split('/').filter(Boolean);
  const last = parts.pop();
  if (!last || parts.length > 3) throw new JitsiError('bad-address');
  let room: string;
  try {
    room = decodeURIComponent(last).normalize('NFC');
  } catch {
    throw new JitsiError('bad-address');
  }
  const name = roomName(room);
  if (!name || room.length > kMaxRoom || name.length > 1000) throw new JitsiError('bad-address');
  if (parts.some((part) => !/^[\w.~%-]+$/.test(part))) throw new JitsiError('bad-address');
  const token = url.searchParams.get('jwt') ?? url.searchParams.get('token');
  return {
    origin: url.origin,
    base: parts.length ? `/${parts.join('/')}` : '',
    room,
    roomName: name,
    ...(token && { token }),
  };
}

/** The address that others can be given: never with a token. */
export const addressText = (address: JitsiAddress): string =>
  `${address.origin}${address.base}/${encodeURIComponent(address.room)}`;
