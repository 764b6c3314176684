/**
 * Our membership in the call: announced when we join, announced again when the SDK gave up, ended when we leave. The SDK
 * renews it, and leaves the homeserver a delayed event that ends it should this page die.
 *
 * Threads: main. Errors: none; `lost` says that the others may not see us, 'refused' that the SDK gave up (it is told to try
 * again, less and less often).
 */
import { EventType, type MatrixClient, type Room } from 'matrix-js-sdk/lib/matrix';
import { type MatrixRTCSession, MatrixRTCSessionEvent, MembershipManagerEvent } from 'matrix-js-sdk/lib/matrixrtc';
import { Emitter } from '../call';
import type { Device } from './media_keys';
import type { CallMode } from './types';

/** State events that say who is in a call: modes legacy and compatibility. */
export const kMemberEvent = 'org.matrix.msc3401.call.member';

/** As Element Call: how long the homeserver waits before it ends the membership of somebody who is no longer heard. */
const kLeaveDelayMs = 18_000;
const kLeaveRestartMs = 4000;
const kRetryMs = 3000;
const kMaxRetryMs = 60_000;
const kLeaveMs = 3000;
/** People who join at the same time need one event between them. */
const kGatherMs = 1000;
/** As the SDK's own memberships. */
const kStickyMs = 3_600_000;

/** What this needs of the SDK's session. */
export type MembershipSession = Pick<
  MatrixRTCSession,
  'joinRTCSession' | 'leaveRoomSession' | 'isJoined' | 'on' | 'off'
>;

/** Where the membership of a device stands in the room's state, as the SDK names it: rooms with owned state need no underscore. */
export function membershipStateKey({ userId, deviceId }: Device, roomVersion: string): string {
  return `${/^org\.matrix\.msc3(?:757|779)\b/.test(roomVersion) ? '' : '_'}${userId}_${deviceId}_m.call`;
}

export interface OwnMembershipEvents {
  change: undefined;
  refused: undefined;
}

export class OwnMembership extends Emitter<OwnMembershipEvents> {
  #lost = false;
  #refused = false;
  #present = false;
  #retryMs = kRetryMs;
  #service: string | undefined;
  #rejoin: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  #again: ReturnType<typeof setTimeout> | undefined;
  #sending: Promise<unknown> = Promise.resolve();
  #stop: Array<() => void> = [];

  /** @param sendAgain the membership that is in the room; see `newcomer` */
  constructor(
    private readonly session: MembershipSession,
    private readonly me: Device & { memberId: string },
    private readonly roomId: string,
    private readonly mode: CallMode,
    private readonly sendAgain: () => Promise<unknown>,
  ) {
    super();
    const onLost = (left: boolean): void => {
      this.#lost = left;
      this.emit('change', undefined);
    };
    const onError = (): void => {
      this.#refused = true;
      this.#rejoinLater();
      this.emit('refused', undefined);
      this.emit('change', undefined);
    };
    session.on(MembershipManagerEvent.ProbablyLeft, onLost);
    session.on(MatrixRTCSessionEvent.MembershipManagerError, onError);
    this.#stop.push(
      () => void session.off(MembershipManagerEvent.ProbablyLeft, onLost),
      () => void session.off(MatrixRTCSessionEvent.MembershipManagerError, onError),
    );
  }

  /** The homeserver has probably ended it by now, because it does not hear us; or the SDK gave up, and the room has none of ours. */
  get lost(): boolean {
    return this.#lost || (this.#refused && !this.#present);
  }

  get announced(): boolean {
    return this.#service !== undefined;
  }

  /** Whether our membership is in the room. */
  seen(present: boolean): void {
    this.#present = present;
    if (present) {
      this.#retryMs = kRetryMs;
      this.#refused = false;
    }
    this.emit('change', undefined);
  }

  /** @param service token service of the media server that we send to */
  announce(service: string): void {
    this.#service = service;
    if (this.#closed || this.session.isJoined()) return;
    const sticky = this.mode === 'matrix_2_0';
    const transport = { type: 'livekit', livekit_service_url: service };
    this.session.joinRTCSession(this.me, [], sticky ? transport : { ...transport, livekit_alias: this.roomId }, {
      // Keys are ours: media_keys.ts.
      manageMediaKeys: false,
      callIntent: 'video',
      unstableSendStickyEvents: sticky,
      delayedLeaveEventDelayMs: kLeaveDelayMs,
      delayedLeaveEventRestartMs: kLeaveRestartMs,
      networkErrorRetryMs: 2000,
      // A homeserver that is away ends no call: media does not go through it.
      maximumNetworkErrorRetryCount: 1_000_000,
      maximumRateLimitRetryCount: 1000,
    });
  }

  /**
   * Somebody came whose device may be younger than our membership. As a sticky event in an encrypted room that is sealed for the
   * devices of its moment, so they cannot read it: it is sent once more. State events are clear, and need nothing.
   */
  newcomer(): void {
    if (this.mode !== 'matrix_2_0' || !this.announced || this.#closed) return;
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      this.#sending = this.#sending.then(() => (this.#closed ? undefined : this.sendAgain().catch(() => {})));
    }, kGatherMs);
  }

  /** Resolves when the homeserver knows, or cannot know. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#rejoin);
    clearTimeout(this.#again);
    for (const stop of this.#stop.splice(0)) stop();
    this.clearListeners();
    // What is on its way must not come after the end.
    let patience: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise((resolve) => {
      patience = setTimeout(resolve, kLeaveMs);
    });
    await Promise.race([this.#sending, late]);
    clearTimeout(patience);
    if (this.session.isJoined()) await this.session.leaveRoomSession(kLeaveMs).catch(() => false);
  }

  /** The SDK gave up announcing us. */
  #rejoinLater(): void {
    clearTimeout(this.#rejoin);
    if (this.#closed) return;
    this.#rejoin = setTimeout(() => {
      if (this.#service !== undefined) this.announce(this.#service);
    }, this.#retryMs);
    this.#retryMs = Math.min(kMaxRetryMs, this.#retryMs * 2);
  }
}

/** Our sticky membership as the room has it, once more. Nothing where the room has none. */
export async function sendStickyAgain(
  client: MatrixClient,
  room: Room,
  { userId, memberId }: { userId: string; memberId: string },
): Promise<void> {
  const own = [...room._unstable_getStickyEvents()].find(
    (event) =>
      event.getType() === EventType.RTCMembership &&
      event.getSender() === userId &&
      event.getContent().member?.id === memberId,
  );
  if (!own) return;
  const content = own.getContent() as never;
  await client._unstable_sendStickyEvent(room.roomId, kStickyMs, null, EventType.RTCMembership, content);
}
