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

const kMaxMessages = 200;
const kHistory = 30;

export interface RoomChatEvents {
  change: undefined;
  message: ChatMessage;
}

export class RoomChat extends Emitter<RoomChatEvents> implements Chat {
  readonly maxLength = 4000;
  #messages: ChatMessage[] = [];
  #known: Set<string> | undefined;
  #readAt = Date.now();
  #openedAt = Date.now();
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
    this.#openedAt = Date.now();
    this.#readAt = this.#openedAt;
    const plan = (): void => this.#plan();
    const onDecrypted = (event: MatrixEvent): void => {
      if (event.getRoomId() === this.room.roomId) this.#plan();
    };
    this.room.on(RoomEvent.Timeline, plan);
    this.room.on(RoomEvent.Redaction, plan);
    this.room.on(RoomEvent.LocalEchoUpdated, plan);
    this.client.on(MatrixEventEvent.Decrypted, onDecrypted);
    this.client.on(MatrixEventEvent.Replaced, onDecrypted);
    this.#stop.push(
      () => void this.room.off(RoomEvent.Timeline, plan),
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
    this.#readAt = Date.now();
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
    const events = this.room
      .getLiveTimeline()
      .getEvents()
      .slice(-2 * kMaxMessages);
    this.#messages = events.flatMap((event) => this.#message(event) ?? []).slice(-kMaxMessages);
    const known = this.#known;
    this.#known = new Set(this.#messages.map(({ id }) => id));
    if (known) {
      for (const message of this.#messages) {
        if (known.has(message.id) || message.member === '' || message.at < this.#openedAt) continue;
        if (message.at >= this.#readAt) this.#unread++;
        this.emit('message', message);
      }
    }
    this.emit('change', undefined);
  }

  #message(event: MatrixEvent): ChatMessage | undefined {
    const sender = event.getSender();
    const id = event.getId();
    if (!sender || !id || event.isRedacted() || event.isRelation(RelationType.Replace)) return undefined;
    const at = event.getTs();
    const unreadable = event.isDecryptionFailure();
    // A new device cannot read what was said before it came: nobody needs a list of that.
    if (unreadable && at < this.#openedAt) return undefined;
    if (!unreadable && event.getType() !== EventType.RoomMessage) return undefined;
    const name = cleanName(this.room.getMember(sender)?.rawDisplayName ?? '') || sender;
    const text = unreadable ? '' : textOf(event, name, this.maxLength);
    if (text === undefined) return undefined;
    const mine = sender === this.client.getUserId();
    return {
      id,
      member: mine ? '' : sender,
      name,
      text,
      at,
      state: unreadable ? 'unreadable' : stateOf(event.status),
      edited: event.replacingEvent() !== null && event.replacingEvent() !== undefined,
      encrypted: this.widget || event.status !== null ? this.room.hasEncryptionStateEvent() : event.isEncrypted(),
    };
  }
}

function stateOf(status: EventStatus | null): ChatMessage['state'] {
  if (status === EventStatus.NOT_SENT || status === EventStatus.CANCELLED) return 'failed';
  return status === null || status === EventStatus.SENT ? 'sent' : 'sending';
}

function textOf(event: MatrixEvent, name: string, maxLength: number): string | undefined {
  const content = event.getContent();
  const { msgtype, body } = content as { msgtype?: unknown; body?: unknown };
  if (typeof body !== 'string') return undefined;
  if (msgtype !== MsgType.Text && msgtype !== MsgType.Notice && msgtype !== MsgType.Emote) return undefined;
  let text = body.slice(0, 4 * maxLength);
  // Older clients repeat what they answer to.
  if (event.replyEventId) text = text.replace(/^(?:> [^\n]*\n)+\n?/, '');
  text = text.slice(0, maxLength).trim();
  if (text === '') return undefined;
  return msgtype === MsgType.Emote ? `* ${name} ${text}` : text;
}
