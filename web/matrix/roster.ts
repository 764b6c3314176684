/**
 * Who is in the call, by the room's membership events. Their senders choose nearly everything in them, so nobody may push out
 * somebody else: not by many devices, not by an early time, not by a name that gives another's identity at the media server,
 * and not by an event that cannot be read. Pure; the SDK has left out memberships that are expired, or of people who are not
 * in the room.
 */
import type { CallMembership } from 'matrix-js-sdk/lib/matrixrtc';
import { isUserId } from './links';
import { type Device, deviceKey } from './media_keys';
import { serviceUrl } from './transports';

/** What this needs of the SDK's memberships. */
export type Membership = Pick<
  CallMembership,
  | 'userId'
  | 'deviceId'
  | 'memberId'
  | 'rtcBackendIdentity'
  | 'eventId'
  | 'createdTs'
  | 'getAbsoluteExpiry'
  | 'getTransport'
  | 'slotDescription'
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
  since: number | string;
  /** Token service of the media server that it sends to; undefined: none that we may use. */
  service: string | undefined;
}

export interface Roster {
  /** Our own membership, once the room has it. */
  mine: { eventId: string } | undefined;
  /** By deviceKey. */
  members: Map<string, RosterMember>;
  /** People who have memberships that do not count. */
  refused: Set<string>;
}

const kMaxMembers = 200;
/** Devices of one person. */
const kMaxDevices = 10;
const kMaxId = 255; // characters

/**
 * @param memberships oldest first, as the SDK sorts them
 * @param before members as this said last: they keep their identity and their place
 */
export function readRoster(
  memberships: readonly Membership[],
  me: Device & { memberId: string },
  before: ReadonlyMap<string, { identity: string }>,
): Roster {
  const roster: Roster = { mine: undefined, members: new Map(), refused: new Set() };
  const oldest = memberships[0];
  // A device that began anew has two for a while: the newer counts.
  const found = new Map<string, RosterMember>();
  for (const membership of memberships) {
    const member = read(membership, oldest);
    if (!member) continue;
    if (member.userId !== me.userId || member.deviceId !== me.deviceId) found.set(member.key, member);
    else if (member.memberId === me.memberId) roster.mine = { eventId: member.eventId };
  }
  const isKnown = ({ key, identity }: RosterMember): boolean => before.get(key)?.identity === identity;
  const all = [...found.values()];
  const identities = new Set<string>([`${me.userId}:${me.deviceId}`]);
  const devices = new Map<string, number>();
  for (const member of [...all.filter(isKnown), ...all.filter((each) => !isKnown(each))]) {
    const { key, userId, identity } = member;
    const count = devices.get(userId) ?? 0;
    // Two names that give the same identity at the media server: whoever was here first has it, or keys would mix.
    if (identities.has(identity) || count >= kMaxDevices || roster.members.size >= kMaxMembers) {
      roster.refused.add(userId);
      continue;
    }
    identities.add(identity);
    devices.set(userId, count + 1);
    roster.members.set(key, member);
  }
  return roster;
}

/** Undefined: nothing that we understand. Never throws: the SDK's getters do, on some of what its checks let through. */
function read(membership: Membership, oldest: Membership | undefined): RosterMember | undefined {
  try {
    const { userId, deviceId, memberId, eventId, rtcBackendIdentity: identity } = membership;
    if (membership.slotDescription.application !== 'm.call' || !isUserId(userId)) return undefined;
    if (deviceId === '' || deviceId.length > kMaxId || identity.length > 4 * kMaxId) return undefined;
    if (typeof memberId !== 'string' || memberId.length > 4 * kMaxId) return undefined;
    // Sticky events are sent again from time to time, and their time is that of the last one.
    const sticky = membership.getAbsoluteExpiry() === undefined;
    return {
      key: deviceKey({ userId, deviceId }),
      userId,
      deviceId,
      identity,
      memberId,
      eventId,
      since: sticky ? memberId : membership.createdTs(),
      service: serviceOf(membership, oldest),
    };
  } catch {
    return undefined;
  }
}

function serviceOf(membership: Membership, oldest: Membership | undefined): string | undefined {
  try {
    return serviceUrl(membership.getTransport((oldest ?? membership) as CallMembership));
  } catch {
    // No list of media servers: still somebody who is here and listens.
    return undefined;
  }
}
