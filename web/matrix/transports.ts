/**
 * Where media goes: which media server (LiveKit) the homeserver names, and the ticket for it from its token service.
 * Errors: MatrixError 'no-transport', 'token-service-refused', 'token-service-unreachable', 'rate-limited', 'offline'.
 */
import type { IOpenIDToken, MatrixClient } from 'matrix-js-sdk/lib/matrix';
import { computeRtcIdentityRaw } from 'matrix-js-sdk/lib/matrixrtc/membershipData/rtc';
import { checkBaseUrl, plainFetch, readJson } from './discovery';
import { MatrixError, problemOf } from './errors';
import { isServerName } from './links';
import type { CallMode } from './types';

const kMaxTicket = 10_000;
const kWellKnownMs = 4000;

/** Address of a token service; undefined unless it is https, or http on this computer. */
export function serviceUrl(transport: unknown): string | undefined {
  const { type, livekit_service_url: url } = (transport ?? {}) as { type?: unknown; livekit_service_url?: unknown };
  if (type !== 'livekit' || typeof url !== 'string' || url.length > 2000) return undefined;
  try {
    return checkBaseUrl(url);
  } catch {
    return undefined;
  }
}

/** The media server of our own homeserver. */
export async function ownTransport(client: MatrixClient): Promise<string> {
  let problem: unknown;
  try {
    for (const transport of await client._unstable_getRTCTransports()) {
      const url = serviceUrl(transport);
      if (url) return url;
    }
  } catch (error) {
    problem = error;
  }
  const found = await wellKnownTransport(client);
  if (found) return found;
  // Away is not the same as not set up.
  const passing = problemOf(problem, 'no-transport');
  throw new MatrixError(passing === 'offline' || passing === 'rate-limited' ? passing : 'no-transport');
}

/** What homeservers without the newer question say. */
async function wellKnownTransport(client: MatrixClient): Promise<string | undefined> {
  const domain = client.getDomain();
  if (!domain || !isServerName(domain)) return undefined;
  try {
    const response = await plainFetch(`https://${domain}/.well-known/matrix/client`, {}, kWellKnownMs);
    const foci = response.ok ? (await readJson(response))?.['org.matrix.msc4143.rtc_foci'] : undefined;
    for (const focus of Array.isArray(foci) ? foci.slice(0, 20) : []) {
      const url = serviceUrl(focus);
      if (url) return url;
    }
  } catch {
    // No file, no transport.
  }
  return undefined;
}

export interface Ticket {
  url: string;
  jwt: string;
  /** Our name at the media server. */
  identity: string;
}

export interface TicketOptions {
  service: string;
  roomId: string;
  me: { userId: string; deviceId: string; memberId: string };
  /** How this device publishes there; undefined: it only receives, under whatever name. */
  mode: CallMode | undefined;
}

/** A ticket lasts an hour; the media server itself renews it while connected. */
export async function getTicket(client: MatrixClient, options: TicketOptions): Promise<Ticket> {
  let openid: IOpenIDToken;
  try {
    openid = await client.getOpenIdToken();
  } catch (error) {
    throw new MatrixError(problemOf(error, 'offline'));
  }
  const { service, roomId, me, mode } = options;
  const hashed = (): Promise<Ticket> =>
    ask(`${service}/get_token`, {
      room_id: roomId,
      slot_id: 'm.call#ROOM',
      openid_token: openid,
      member: { id: me.memberId, claimed_user_id: me.userId, claimed_device_id: me.deviceId },
    });
  const plain = (): Promise<Ticket> =>
    ask(`${service}/sfu/get`, { room: roomId, openid_token: openid, device_id: me.deviceId });
  if (mode === undefined) return hashed().catch(plain);
  const { userId, deviceId, memberId } = me;
  const ticket = await (mode === 'matrix_2_0' ? hashed() : plain());
  // The others know us by this name only: under another one our media would be nobody's, or somebody else's.
  const identity =
    mode === 'matrix_2_0' ? await computeRtcIdentityRaw(userId, deviceId, memberId) : `${userId}:${deviceId}`;
  if (ticket.identity !== identity) throw new MatrixError('token-service-refused');
  return ticket;
}

async function ask(url: string, body: object): Promise<Ticket> {
  let response: Response;
  try {
    const headers = { 'content-type': 'application/json' };
    response = await plainFetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  } catch {
    throw new MatrixError('token-service-unreachable');
  }
  if (response.status === 429) throw new MatrixError('rate-limited');
  if (response.status >= 500) throw new MatrixError('token-service-unreachable');
  const answer = response.ok ? await readJson(response).catch(() => undefined) : undefined;
  const ticket = answer && readTicket(answer);
  if (!ticket) throw new MatrixError('token-service-refused');
  return ticket;
}

/** Undefined unless it is whole; the signature is the media server's business. */
export function readTicket({ url, jwt }: Record<string, unknown>): Ticket | undefined {
  if (typeof url !== 'string' || typeof jwt !== 'string' || url.length > 2000 || jwt.length > kMaxTicket)
    return undefined;
  try {
    checkBaseUrl(url.replace(/^ws/, 'http'));
    const payload = jwt.split('.')[1] ?? '';
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (char) =>
      char.charCodeAt(0),
    );
    const { sub } = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown };
    return typeof sub === 'string' && sub !== '' && sub.length < 1000 ? { url, jwt, identity: sub } : undefined;
  } catch {
    return undefined;
  }
}
