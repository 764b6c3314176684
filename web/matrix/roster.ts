/**
 * Who is in the call, by the room's membership events. Their senders choose nearly everything in them, so nobody may push out
 * somebody else: not by many devices, not by an early time, not by a name that gives another's identity at the media server.
 * Pure; the SDK has left out memberships that are expired, malformed, or of people who are not in the room.
 */
import type { CallMembership } from 'matrix-js-sdk/lib/matrixrtc';
import { type Device, deviceKey } from './media_keys';
import { serviceUrl } from './transports';

/** What this needs of the SDK's memberships. */
export type Membership = Pick<
  CallMembership,
  'userId' | 'deviceId' | 'memberId' | 'rtcBackendIdentity' | 'eventId' | 'createdTs' | 'getTransport'
>;

/** Somebody else's device in the call. */
export interface RosterMember extends Device {
  key: string;
  /** Its name at media servers. */
  identity: string;
  memberId: string;
  /** Of its membership. */
  eventId: string;
  /** Same device, other session: everything is new to it. */
  since: number;
  /** Token service of the media server that it sends to; undefined: none that we may use. */
  service: string | undefined;
}

export interface Roster {
  /** Our own membership, once the room has it. */
  mine: { eventId: string } | undefined;
  /** By deviceKey. */
  members: Map<string, RosterMember>;
  /** Memberships that do not count. */
  refused: Array<{ userId: string; identity: string }>;
}

const kMaxMembers = 200;

/** @param memberships oldest first, as the SDK sorts them */
export function readRoster(memberships: readonly Membership[], me: Device, oldest: Membership | undefined): Roster {
  const roster: Roster = { mine: undefined, members: new Map(), refused: [] };
  const identities = new Set<string>([`${me.userId}:${me.deviceId}`]);
  for (const membership of memberships) {
    const { userId, deviceId, memberId, eventId, rtcBackendIdentity: identity } = membership;
    if (userId === me.userId && deviceId === me.deviceId) {
      roster.mine = { eventId };
      continue;
    }
    // Two names that give the same identity at the media server: whoever came first has it, or keys would mix.
    if (identities.has(identity) || roster.members.size >= kMaxMembers) {
      roster.refused.push({ userId, identity });
      continue;
    }
    identities.add(identity);
    const key = deviceKey({ userId, deviceId });
    const service = serviceUrl(membership.getTransport((oldest ?? membership) as CallMembership));
    roster.members.set(key, {
      key,
      userId,
      deviceId,
      identity,
      memberId,
      eventId,
      since: membership.createdTs(),
      service,
    });
  }
  return roster;
}
