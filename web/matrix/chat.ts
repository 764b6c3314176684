/**
 * The room's own timeline as the chat of the call: what was said since joining and a page before it. Encrypted by the SDK in
 * encrypted rooms. Edits and removals count; anything but text is left out.
 */
import {
  Direction,
  EventStatus,
  EventType,
  type MatrixClient,
  type MatrixEvent,
  MatrixEventEvent,
  MsgType,
  RelationType,
  type Room,
  RoomEvent,
} from 'matrix-js-sdk/lib/matrix';
import { type Chat, type ChatMessage, cleanName, Emitter } from '../call';
import { cleanAddress } from './links';

const kMaxMessages = 200;
/** How far back they are looked for, among events of every kind. */
const kMaxEvents = 5000;
const kHistory = 30;

export interface RoomChatEvents {
  change: undefined;
  message: ChatMessage;
}

export class RoomChat extends Emitter<RoomChatEvents> implements Chat {
  readonly maxLength = 4000;
  #messages: ChatMessage[] = [];
  /** Messages that were announced, newest last. */
  readonly #known = new Set<string>();
  /** Events that were there before, by id: the clocks of servers do not say it. */
  readonly #old = new Set<string>();
  #unread = 0;
  #planned = false;
  #stop: Array<() => void> = [];

  /** @param widget events come from the host, which opened them and does not say how they were sealed */
  constructor(
    private readonly client: MatrixClient,
    private readonly room: Room,
    private readonly widget: boolean,
  ) {
    super();
  }

  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }
  get unread(): number {
    return this.#unread;
  }

  open(): void {
    const plan = (): void => this.#plan();
    const onTimeline = (event: MatrixEvent, _room?: Room, toStart?: boolean): void => {
      if (toStart) this.#remember(event);
      this.#plan();
    };
    for (const event of this.room.getLiveTimeline().getEvents()) this.#remember(event);
    const onDecrypted = (event: MatrixEvent): void => {
      if (event.getRoomId() === this.room.roomId) this.#plan();
    };
    this.room.on(RoomEvent.Timeline, onTimeline);
    this.room.on(RoomEvent.Redaction, plan);
    this.room.on(RoomEvent.LocalEchoUpdated, plan);
    this.client.on(MatrixEventEvent.Decrypted, onDecrypted);
    this.client.on(MatrixEventEvent.Replaced, onDecrypted);
    this.#stop.push(
      () => void this.room.off(RoomEvent.Timeline, onTimeline),
      () => void this.room.off(RoomEvent.Redaction, plan),
      () => void this.room.off(RoomEvent.LocalEchoUpdated, plan),
      () => void this.client.off(MatrixEventEvent.Decrypted, onDecrypted),
      () => void this.client.off(MatrixEventEvent.Replaced, onDecrypted),
    );
    this.#plan();
    const few = this.room.getLiveTimeline().getEvents().length < kHistory;
    if (!this.widget && few && this.room.getLiveTimeline().getPaginationToken(Direction.Backward))
      void this.client.scrollback(this.room, kHistory).then(plan, () => {});
  }

  close(): void {
    for (const stop of this.#stop.splice(0)) stop();
    this.#messages = [];
    this.#old.clear();
    this.#known.clear();
    this.clearListeners();
  }

  async send(text: string): Promise<void> {
    const body = text.trim().slice(0, this.maxLength);
    if (body === '') return;
    try {
      await this.client.sendMessage(this.room.roomId, { msgtype: MsgType.Text, body });
    } catch {
      // Stays in the timeline as not sent.
    }
    this.#plan();
  }

  async retry(id: string): Promise<void> {
    const event = this.room
      .getLiveTimeline()
      .getEvents()
      .find((each) => each.getId() === id);
    if (event?.status === EventStatus.NOT_SENT) await this.client.resendEvent(event, this.room).catch(() => {});
    this.#plan();
  }

  markRead(): void {
    if (this.#unread === 0) return;
    this.#unread = 0;
    this.emit('change', undefined);
  }

  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      if (this.#stop.length > 0) this.#read();
    });
  }

  #read(): void {
    const events = this.room.getLiveTimeline().getEvents();
    const messages: ChatMessage[] = [];
    // From the end: reactions and memberships of a long call must not push out what was said.
    for (let i = events.length - 1; i >= Math.max(0, events.length - kMaxEvents); i--) {
      const message = events[i] && this.#message(events[i] as MatrixEvent);
      if (message) messages.push(message);
      if (messages.length === kMaxMessages) break;
    }
    this.#messages = messages.reverse();
    for (const message of this.#messages) {
      if (this.#known.has(message.id) || this.#old.has(message.id) || message.member === '') continue;
      this.#known.add(message.id);
      if (this.#known.size > 4 * kMaxMessages) this.#known.delete(this.#known.values().next().value as string);
      this.#unread++;
      this.emit('message', message);
    }
    this.emit('change', undefined);
  }

  #remember(event: MatrixEvent): void {
    const id = event.getId();
    if (id) this.#old.add(id);
  }

  #message(event: MatrixEvent): ChatMessage | undefined {
    const sender = event.getSender();
    const id = event.getId();
    if (!sender || !id || event.isRedacted() || event.isRelation(RelationType.Replace)) return undefined;
    const at = event.getTs();
    const unreadable = event.isDecryptionFailure();
    // A new device cannot read what was said before it came: nobody needs a list of that.
    if (unreadable && this.#old.has(id)) return undefined;
    if (!unreadable && event.getType() !== EventType.RoomMessage) return undefined;
    const name = cleanName(this.room.getMember(sender)?.rawDisplayName ?? '') || cleanAddress(sender);
    const edit = editOf(event);
    const content = edit ? event.getContent() : event.getOriginalContent();
    const text = unreadable ? '' : textOf(event, content, name, this.maxLength);
    if (text === undefined) return undefined;
    const mine = sender === this.client.getUserId();
    return {
      id,
      member: mine ? '' : sender,
      name,
      text,
      at,
      state: unreadable ? 'unreadable' : stateOf(event.status),
      edited: edit !== undefined,
      encrypted: this.widget || event.status !== null ? this.room.hasEncryptionStateEvent() : event.isEncrypted(),
    };
  }
}

function stateOf(status: EventStatus | null): ChatMessage['state'] {
  if (status === EventStatus.NOT_SENT || status === EventStatus.CANCELLED) return 'failed';
  return status === null || status === EventStatus.SENT ? 'sent' : 'sending';
}

/**
 * Text of others, line by line: without control characters, and without those that turn the direction of what follows, which
 * make a line read as something else than it is.
 */
export function cleanText(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069\p{Cs}\u{e0001}]/gu, '')
    .replace(/(\p{M}{8})\p{M}+/gu, '$1');
}

/** The edit that counts. What the homeserver can write by itself changes nothing of what was sealed. */
function editOf(event: MatrixEvent): MatrixEvent | undefined {
  const edit = event.replacingEvent();
  if (!edit || (event.isEncrypted() && !edit.isEncrypted() && edit.status === null)) return undefined;
  return edit;
}

function textOf(event: MatrixEvent, content: object, name: string, maxLength: number): string | undefined {
  const { msgtype, body } = content as { msgtype?: unknown; body?: unknown };
  if (typeof body !== 'string') return undefined;
  if (msgtype !== MsgType.Text && msgtype !== MsgType.Notice && msgtype !== MsgType.Emote) return undefined;
  let text = cleanText(body.slice(0, 4 * maxLength));
  // Older clients repeat what they answer to.
  if (event.replyEventId) text = text.replace(/^(?:> [^\n]*\n)+\n?/, '');
  text = text.slice(0, maxLength).trim();
  if (text === '') return undefined;
  return msgtype === MsgType.Emote ? `* ${name} ${text}` : text;
}
