// What the Matrix layer's tests put in the place of servers.
import { type IEvent, MatrixEvent } from 'matrix-js-sdk/lib/matrix';
import type { KeyMessage } from '../../../web/matrix/devices';
import { type KeyContent, toBase64 } from '../../../web/matrix/media_keys';
import type { Membership } from '../../../web/matrix/roster';

export const kRoomId = '!room:hs';
export const kMe = { userId: '@me:hs', deviceId: 'MINE', memberId: '@me:hs:MINE' };

let count = 0;
export const nextId = (): string => `$${++count}`;

/** An event as it comes from the homeserver. */
export function event(part: Partial<IEvent> & { type: string; content: object; sender: string }): MatrixEvent {
  return new MatrixEvent({ event_id: nextId(), room_id: kRoomId, origin_server_ts: Date.now(), ...part });
}

/** The same as if it had come sealed. */
export function sealed(part: Parameters<typeof event>[0]): MatrixEvent {
  const plain = event(part);
  const found = new MatrixEvent({ ...plain.event, type: 'm.room.encrypted', content: { algorithm: 'x' } });
  (found as unknown as { clearEvent: object }).clearEvent = { type: part.type, content: part.content };
  return found;
}

export function membership(userId: string, deviceId: string, part: Partial<Membership> = {}): Membership {
  return {
    userId,
    deviceId,
    memberId: `${userId}:${deviceId}`,
    rtcBackendIdentity: `${userId}:${deviceId}`,
    eventId: nextId(),
    slotDescription: { application: 'm.call', id: 'ROOM' },
    createdTs: () => 1,
    getAbsoluteExpiry: () => 14_400_000,
    getTransport: () => ({ type: 'livekit', livekit_service_url: 'https://sfu.hs/jwt' }),
    ...part,
  };
}

export function keyMessage(userId: string, deviceId: string, index: number, fill: number, sentAt: number): KeyMessage {
  const content: KeyContent = {
    keys: { index, key: toBase64(new Uint8Array(16).fill(fill)) },
    member: { id: `${userId}:${deviceId}`, claimed_device_id: deviceId },
    room_id: kRoomId,
    session: { application: 'm.call', call_id: '', scope: 'm.room' },
    sent_ts: sentAt,
  };
  return { userId, deviceId, content };
}

/** The same numbers for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const all = [...list];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [all[i], all[j]] = [all[j] as T, all[i] as T];
  }
  return all;
}
