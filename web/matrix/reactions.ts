/**
 * Raised hands and reactions in Element Call's form: a hand is an annotation 🖐️ on the person's membership event and is
 * lowered by removing it; a reaction is an event of its own that refers to the membership event. Both count only from the
 * sender of that membership. In encrypted rooms the reaction is encrypted; annotations never are in Matrix.
 */
import {
  EventType,
  type MatrixClient,
  type MatrixEvent,
  MatrixEventEvent,
  RelationType,
  type Room,
  RoomEvent,
} from 'matrix-js-sdk/lib/matrix';
import { Emitter } from '../call';
import { isPassing, problemOf } from './errors';

export const kReactionEvent = 'io.element.call.reaction';
const kHand = '🖐️';
const kShownMs = 3000;
const kRetryMs = 5000;
/** Old reactions come along with the history. */
const kFreshMs = 30_000;

/** Emoji that are offered, with the names by which Element Call finds its sounds. */
const kNames: ReadonlyMap<string, string> = new Map([
  ['👍', 'thumbsup'],
  ['🎉', 'party'],
  ['👏', 'clapping'],
  ['🥰', 'heart'],
  ['😄', 'laugh'],
  ['💡', 'lightbulb'],
  ['👋', 'wave'],
]);
export const kReactions: readonly string[] = [...kNames.keys()];

/** What this needs of a membership. */
export interface Reacting {
  key: string;
  userId: string;
  eventId: string;
}

export interface CallReactionsEvents {
  change: undefined;
  reaction: { key: string; emoji: string };
}

export class CallReactions extends Emitter<CallReactionsEvents> {
  readonly #hands = new Map<string, { membership: string; event: string }>();
  readonly #shown = new Map<string, string>();
  #members: readonly Reacting[] = [];
  #me: Reacting | undefined;
  #raised = false;
  #raisedFor: { membership: string; event: string } | undefined;
  /** Hands of ours that are to be taken down; tried until the homeserver did. */
  readonly #lowering = new Set<string>();
  #retry: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  #sending: Promise<void> = Promise.resolve();
  #stop: Array<() => void> = [];

  constructor(
    private readonly client: MatrixClient,
    private readonly room: Room,
  ) {
    super();
  }

  open(): void {
    const onEvent = (event: MatrixEvent): void => this.#onEvent(event);
    const onRedaction = (event: MatrixEvent): void =>
      this.#onRedaction(event.event.redacts ?? event.getContent().redacts);
    this.room.on(RoomEvent.Timeline, onEvent);
    this.room.on(RoomEvent.Redaction, onRedaction);
    this.client.on(MatrixEventEvent.Decrypted, onEvent);
    this.#stop.push(
      () => void this.room.off(RoomEvent.Timeline, onEvent),
      () => void this.room.off(RoomEvent.Redaction, onRedaction),
      () => void this.client.off(MatrixEventEvent.Decrypted, onEvent),
    );
  }

  close(): void {
    for (const stop of this.#stop.splice(0)) stop();
    this.#closed = true;
    clearTimeout(this.#retry);
    if (this.#raised) this.raise(false);
    this.clearListeners();
  }

  get raised(): boolean {
    return this.#raised;
  }
  hand(key: string): boolean {
    return this.#hands.has(key);
  }
  reaction(key: string): string | undefined {
    return this.#shown.get(key);
  }

  /** Memberships of now; `me` is undefined until ours is in the room. */
  update(members: readonly Reacting[], me: Reacting | undefined): void {
    this.#members = members;
    this.#me = me;
    for (const [key, { membership }] of this.#hands)
      if (!members.some((member) => member.key === key && member.eventId === membership)) this.#hands.delete(key);
    for (const { key, eventId, userId } of members) {
      if (this.#hands.has(key)) continue;
      const found = this.room.relations
        .getChildEventsForEvent(eventId, RelationType.Annotation, EventType.Reaction)
        ?.getRelations()
        .find((event) => event.getSender() === userId && !event.isRedacted() && relation(event).key === kHand);
      const id = found?.getId();
      if (id) this.#hands.set(key, { membership: eventId, event: id });
    }
    // A membership that was renewed carries no hand: put it up again.
    this.#sync();
  }

  raise(up: boolean): void {
    this.#raised = up;
    this.#sync();
    this.emit('change', undefined);
  }

  react(emoji: string): void {
    const me = this.#me;
    const name = kNames.get(emoji);
    if (!me || !name || this.#shown.has(me.key)) return;
    const content = { 'm.relates_to': { rel_type: RelationType.Reference, event_id: me.eventId }, emoji, name };
    this.#show(me.key, emoji);
    void this.client.sendEvent(this.room.roomId, kReactionEvent as never, content as never).catch(() => {});
  }

  /** One request after the other, so that a hand that goes up and down quickly ends where it should. */
  #sync(): void {
    this.#sending = this.#sending.then(async () => {
      const { roomId } = this.room;
      const placed = this.#raisedFor;
      const wanted = this.#raised ? this.#me?.eventId : undefined;
      if (placed && placed.membership !== wanted) {
        this.#raisedFor = undefined;
        this.#lowering.add(placed.event);
      }
      try {
        for (const event of this.#lowering) {
          await this.client.redactEvent(roomId, event).catch((error: unknown) => {
            if (isPassing(problemOf(error))) throw error;
          });
          this.#lowering.delete(event);
        }
        if (wanted && this.#raisedFor?.membership !== wanted) {
          const content = { 'm.relates_to': { rel_type: RelationType.Annotation, event_id: wanted, key: kHand } };
          const { event_id: event } = await this.client.sendEvent(roomId, EventType.Reaction, content as never);
          this.#raisedFor = { membership: wanted, event };
        }
      } catch (error) {
        // What is refused is tried again with the next change of memberships only.
        clearTimeout(this.#retry);
        if (!this.#closed && isPassing(problemOf(error))) this.#retry = setTimeout(() => this.#sync(), kRetryMs);
      }
    });
  }

  #onEvent(event: MatrixEvent): void {
    if (event.getRoomId() !== this.room.roomId || event.isRedacted() || event.isSending()) return;
    if (event.isBeingDecrypted() || event.isDecryptionFailure()) return;
    const type = event.getType();
    if (type !== EventType.Reaction && type !== kReactionEvent) return;
    const { event_id: target, key } = relation(event);
    const member = this.#members.find(({ eventId, userId }) => eventId === target && userId === event.getSender());
    const id = event.getId();
    if (!member || !id) return;
    if (type === EventType.Reaction) {
      if (key !== kHand) return;
      this.#hands.set(member.key, { membership: member.eventId, event: id });
      this.emit('change', undefined);
    } else {
      const emoji = firstEmoji(event.getContent().emoji);
      // One at a time is enough. Their age is the homeserver's word, because clocks differ.
      if (!emoji || this.#shown.has(member.key) || Date.now() - event.localTimestamp > kFreshMs) return;
      this.#show(member.key, emoji);
      this.emit('reaction', { key: member.key, emoji });
    }
  }

  #onRedaction(redacted: unknown): void {
    for (const [key, { event }] of this.#hands) {
      if (event !== redacted) continue;
      this.#hands.delete(key);
      this.emit('change', undefined);
    }
  }

  #show(key: string, emoji: string): void {
    this.#shown.set(key, emoji);
    setTimeout(() => {
      this.#shown.delete(key);
      this.emit('change', undefined);
    }, kShownMs);
    this.emit('change', undefined);
  }
}

function relation(event: MatrixEvent): { event_id?: unknown; key?: unknown } {
  const found: unknown = event.getContent()['m.relates_to'] ?? event.getWireContent()['m.relates_to'];
  return typeof found === 'object' && found !== null ? found : {};
}

/** One visible character, as Element Call cuts it; nothing that only changes others. */
export function firstEmoji(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 1000) return undefined;
  const first = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(value)[Symbol.iterator]().next();
  const emoji = first.done ? '' : first.value.segment.trim();
  return emoji !== '' && emoji.length <= 40 && !/^[\p{C}\p{Z}\p{M}]+$/u.test(emoji) ? emoji : undefined;
}
