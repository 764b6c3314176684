/**
 * Finding, joining and making rooms. Errors: MatrixError 'bad-address', 'room-not-found', 'not-invited', 'create-failed',
 * 'rate-limited', 'token-expired', 'offline'.
 */
import {
  ClientEvent,
  EventType,
  KnownMembership,
  type MatrixClient,
  Preset,
  type Room,
  MatrixError as SdkError,
  safeGetRetryAfterMs,
  Visibility,
} from 'matrix-js-sdk/lib/matrix';
import { MatrixRTCSession } from 'matrix-js-sdk/lib/matrixrtc';
import { cleanName } from '../call';
import type { Avatars } from './avatars';
import { MatrixError, problemOf } from './errors';
import { isRoomAddress, isUserId, parseTarget } from './links';
import { kMemberEvent } from './own_membership';
import type { MatrixTarget, RoomSummary } from './types';

const kSyncMs = 20_000;
/** How long a person waits for their turn to enter a room. */
const kPatienceMs = 30_000;
const kMaxInvites = 100;
const kMaxUpgrades = 5;

/** Sticky membership events and what belongs to them; state events of the older kind are `kMemberEvent`. */
const kCallEvents = [
  'org.matrix.msc4143.rtc.member',
  'org.matrix.msc4143.rtc.slot',
  'org.matrix.msc4075.rtc.notification',
];

export async function summarize(room: Room, avatars: Avatars): Promise<RoomSummary> {
  const calling = await MatrixRTCSession.sessionMembershipsForSlot(room, { application: 'm.call', id: 'ROOM' }).catch(
    () => [],
  );
  const avatar = avatars.get(room.getMxcAvatarUrl() ?? room.getAvatarFallbackMember()?.getMxcAvatarUrl());
  return {
    id: room.roomId,
    name: cleanName(room.name) || room.roomId,
    encrypted: room.hasEncryptionStateEvent(),
    inCall: calling.length,
    ...(avatar ? { avatar } : {}),
  };
}

/** Rooms that this person is in, those with a call first, then by the last thing said. */
export function joinedRooms(client: MatrixClient): Room[] {
  return client
    .getVisibleRooms()
    .filter((room) => room.getMyMembership() === KnownMembership.Join && !room.isSpaceRoom())
    .sort((a, b) => b.getLastActiveTimestamp() - a.getLastActiveTimestamp());
}

/** The room as the SDK knows it once sync brought it. */
async function arrived(client: MatrixClient, roomId: string): Promise<Room> {
  const here = (): Room | undefined => {
    const room = client.getRoom(roomId);
    // Without its creation event the rest of its state is not there either.
    return room?.getMyMembership() === KnownMembership.Join &&
      room.currentState.getStateEvents(EventType.RoomCreate, '')
      ? room
      : undefined;
  };
  return new Promise((resolve, reject) => {
    const room = here();
    if (room) {
      resolve(room);
      return;
    }
    const look = (): void => {
      const found = here();
      if (found) done(() => resolve(found));
    };
    const timer = setTimeout(() => done(() => reject(new MatrixError('offline'))), kSyncMs);
    const done = (act: () => void): void => {
      clearTimeout(timer);
      client.off(ClientEvent.Sync, look);
      act();
    };
    client.on(ClientEvent.Sync, look);
  });
}

/**
 * The room that this one was replaced with, if so: the call is there. Only one that names this room as the one before it, and
 * that lets us in; else the old one.
 */
async function newest(client: MatrixClient, room: Room, servers: readonly string[]): Promise<Room> {
  let last = room;
  for (let steps = 0; steps < kMaxUpgrades; steps++) {
    const next: unknown = last.currentState.getStateEvents(EventType.RoomTombstone, '')?.getContent().replacement_room;
    if (typeof next !== 'string' || !next.startsWith('!') || !isRoomAddress(next)) break;
    try {
      if (client.getRoom(next)?.getMyMembership() !== KnownMembership.Join)
        await client.joinRoom(next, { viaServers: [...new Set([...servers, ...viaOf(last)])].slice(0, 10) });
      const found = await arrived(client, next);
      if (found.findPredecessor()?.roomId !== last.roomId) break;
      last = found;
    } catch {
      break;
    }
  }
  return last;
}

/** The server of whoever closed the room is in the new one as well. */
function viaOf(room: Room): string[] {
  const sender = room.currentState.getStateEvents(EventType.RoomTombstone, '')?.getSender() ?? '';
  return isUserId(sender) ? [sender.slice(sender.indexOf(':') + 1)] : [];
}

/**
 * Again, when the homeserver asks for patience: Synapse lets ten people into a room at once and one a second after that, and
 * a whole meeting may follow its link in the same moment. They do not all come back together.
 */
async function patiently<T>(act: () => Promise<T>): Promise<T> {
  for (let left = kPatienceMs; ; ) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof SdkError) || !error.isRateLimitError()) throw error;
      const asked = Math.max(0, safeGetRetryAfterMs(error, 1000));
      // At least a second of spread: those who wait are as many as those who were too many.
      const wait = asked + ((crypto.getRandomValues(new Uint16Array(1))[0] ?? 0) / 65_536) * Math.max(1000, asked);
      if (wait > left) throw error;
      left -= wait;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

export async function enterRoom(client: MatrixClient, { room: text, via }: MatrixTarget): Promise<Room> {
  const target = parseTarget(text);
  const servers = [...new Set([...(via ?? []), ...(target.via ?? [])])].slice(0, 10);
  try {
    let roomId = target.room;
    if (roomId.startsWith('#')) {
      const found = await client.getRoomIdForAlias(roomId);
      roomId = found.room_id;
      servers.push(...found.servers.slice(0, 3));
    }
    if (client.getRoom(roomId)?.getMyMembership() !== KnownMembership.Join)
      await patiently(() => client.joinRoom(roomId, { viaServers: [...new Set(servers)] }));
    return await newest(client, await arrived(client, roomId), servers);
  } catch (error) {
    if (error instanceof SdkError) {
      if (error.errcode === 'M_FORBIDDEN') throw new MatrixError('not-invited');
      if (error.httpStatus === 404 || error.errcode === 'M_UNKNOWN' || error.errcode === 'M_INVALID_PARAM')
        throw new MatrixError('room-not-found');
    }
    throw new MatrixError(problemOf(error, 'room-not-found'));
  }
}

/** A private, encrypted room in which everybody may take part in calls. */
export async function createRoom(client: MatrixClient, name: string, invite: readonly string[]): Promise<Room> {
  const people = invite.filter(isUserId).slice(0, kMaxInvites);
  try {
    const { room_id: roomId } = await client.createRoom({
      ...(cleanName(name) ? { name: cleanName(name) } : {}),
      preset: Preset.PrivateChat,
      visibility: Visibility.Private,
      invite: people,
      initial_state: [
        { type: EventType.RoomEncryption, state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } },
      ],
      power_level_content_override: {
        events: {
          [EventType.RoomName]: 50,
          [EventType.RoomAvatar]: 50,
          [EventType.RoomPowerLevels]: 100,
          [EventType.RoomHistoryVisibility]: 100,
          [EventType.RoomEncryption]: 100,
          [EventType.RoomTombstone]: 100,
          [EventType.RoomServerAcl]: 100,
          [kMemberEvent]: 0,
          ...Object.fromEntries(kCallEvents.map((type) => [type, 0])),
        },
      },
    });
    return await arrived(client, roomId);
  } catch (error) {
    throw new MatrixError(problemOf(error, 'create-failed'));
  }
}
