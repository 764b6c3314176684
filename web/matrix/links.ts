/** Names of rooms, in every form in which people pass them on. Pure; everything here comes from outside. */
import { MatrixError } from './errors';
import type { CallMode, MatrixTarget } from './types';

const kMaxLink = 4000;
const kMaxId = 255; // bytes, by the Matrix specification
const kMaxVia = 10;

const kServer = /^(?:[A-Za-z0-9.-]{1,230}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

export const isServerName = (text: string): boolean => kServer.test(text);

/** `@name:server`. */
export function isUserId(text: string): boolean {
  const colon = text.indexOf(':');
  return (
    text.startsWith('@') &&
    colon > 1 &&
    text.length <= kMaxId &&
    !/[\s\p{C}]/u.test(text) &&
    isServerName(text.slice(colon + 1))
  );
}

/** An address for people to read: without characters that are not seen, or turn the direction of others. */
export const cleanAddress = (text: string): string => text.slice(0, kMaxId).replace(/\p{C}/gu, '');

/** `#alias:server`, or `!id` with or without a server (rooms of version 12 have none). */
export function isRoomAddress(text: string): boolean {
  if (text.length > kMaxId || text.length < 2 || /[\s\p{C}]/u.test(text)) return false;
  const colon = text.indexOf(':');
  if (text.startsWith('#')) return colon > 1 && isServerName(text.slice(colon + 1));
  return text.startsWith('!') && (colon < 0 || (colon > 1 && isServerName(text.slice(colon + 1))));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new MatrixError('bad-address');
  }
}

function target(room: string, query: URLSearchParams, serverParameter?: string): MatrixTarget {
  if (!isRoomAddress(room)) throw new MatrixError('bad-address');
  const via = query.getAll('via').filter(isServerName).slice(0, kMaxVia);
  const server = serverParameter === undefined ? null : query.get(serverParameter);
  return { room, ...(via.length > 0 ? { via } : {}), ...(server ? { server: server.slice(0, 300) } : {}) };
}

/**
 * Understands an alias, an id, matrix.to links, matrix: addresses (MSC2312) and our own `…#/room/<room>?hs=…&via=…`, with or
 * without what stands before the `#`. Throws MatrixError 'bad-address'.
 */
export function parseTarget(text: string): MatrixTarget {
  const link = text.trim();
  if (link.length === 0 || link.length > kMaxLink) throw new MatrixError('bad-address');
  if (isRoomAddress(link)) return { room: link };

  const own = /(?:^|#)\/room\/([^?]+)(?:\?(.*))?$/s.exec(link);
  if (own?.[1]) return target(decode(own[1]), new URLSearchParams(own[2] ?? ''), 'hs');

  const matrixTo = /^(?:https?:\/\/)?matrix\.to\/#\/([^?/]+)(?:\/[^?]*)?(?:\?(.*))?$/s.exec(link);
  if (matrixTo?.[1]) return target(decode(matrixTo[1]), new URLSearchParams(matrixTo[2] ?? ''));

  const uri = /^matrix:(?:\/\/[^/]*\/)?(r|roomid)\/([^?/]+)(?:\/[^?]*)?(?:\?(.*))?$/is.exec(link);
  if (uri?.[1] && uri[2]) {
    const sigil = uri[1].toLowerCase() === 'r' ? '#' : '!';
    return target(sigil + decode(uri[2]), new URLSearchParams(uri[3] ?? ''));
  }
  throw new MatrixError('bad-address');
}

/** The part after the page's address. The server is the reader's own homeserver only by default: they may change it. */
export function roomLink(base: string | URL, room: string, server: string | undefined, via: readonly string[]): string {
  const url = new URL(base);
  const query = new URLSearchParams();
  if (server) query.set('hs', server);
  for (const name of via.slice(0, kMaxVia)) query.append('via', name);
  url.hash = `#/room/${encodeURIComponent(room)}${query.size > 0 ? `?${query}` : ''}`;
  return url.href;
}

/**
 * What an address of our page asks for as `mode=…`, before or after its `#`. Undefined where it asks for nothing that we know:
 * then the page's own default counts.
 */
export function callMode(address: string): CallMode | undefined {
  const url = new URL(address);
  const fragment = url.hash.includes('?') ? url.hash.slice(url.hash.indexOf('?') + 1) : '';
  const mode = new URLSearchParams(fragment).get('mode') ?? url.searchParams.get('mode');
  return mode === 'matrix_2_0' || mode === 'compatibility' ? mode : undefined;
}
