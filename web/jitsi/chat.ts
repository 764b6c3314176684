/**
 * Chat of a conference. Among Siegel clients it goes sealed, over the Olm sessions; stock clients read and write the room's
 * own messages, which its server reads as well. To whom a message goes is chosen before it is sent, and stands beside it
 * afterwards; without a choice it goes sealed.
 *
 * Threads: main. Errors: a message that reached nobody is 'failed'.
 */
import { type Chat, type ChatAudience, type ChatMessage, Emitter } from '../call';

const kMaxMessages = 500;
const kMaxLength = 4000;

export interface JitsiChatEvents {
  change: undefined;
  message: ChatMessage;
}

export interface JitsiChatPort {
  /** To everybody, readable by the server. */
  sendPlain(text: string): string;
  /** Returns to how many it went. */
  sendSealed(message: { id: string; text: string; at: number }): number;
  nameOf(member: string): string;
  /** Names of members who read no sealed messages, and how many do. */
  audience(): { unreached: string[]; sealed: number };
}

export class JitsiChat extends Emitter<JitsiChatEvents> implements Chat {
  readonly maxLength = kMaxLength;
  readonly #port: JitsiChatPort;
  #messages: ChatMessage[] = [];
  readonly #ids = new Set<string>();
  #audience: ChatAudience = 'sealed';
  #unread = 0;

  constructor(port: JitsiChatPort) {
    super();
    this.#port = port;
  }

  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  get unread(): number {
    return this.#unread;
  }

  get unreached(): readonly string[] {
    return this.#port.audience().unreached;
  }

  get audience(): ChatAudience {
    return this.#audience;
  }

  setAudience(audience: ChatAudience): void {
    this.#audience = audience;
    this.emit('change', undefined);
  }

  async send(text: string): Promise<void> {
    const plain = text.slice(0, kMaxLength).trim();
    if (!plain) return;
    const at = Date.now();
    const base = { member: '', name: '', text: plain, at, edited: false };
    if (this.#audience === 'everyone') {
      this.#add({ ...base, id: this.#port.sendPlain(plain), state: 'sent', encrypted: false });
      return;
    }
    const id = crypto.randomUUID();
    const reached = this.#port.sendSealed({ id, text: plain, at });
    this.#add({ ...base, id, state: reached > 0 ? 'sent' : 'failed', encrypted: true });
  }

  async retry(id: string): Promise<void> {
    const message = this.#messages.find((one) => one.id === id && one.state === 'failed');
    if (!message) return;
    const reached = this.#port.sendSealed({ id, text: message.text, at: message.at });
    if (reached > 0) message.state = 'sent';
    this.emit('change', undefined);
  }

  markRead(): void {
    if (!this.#unread) return;
    this.#unread = 0;
    this.emit('change', undefined);
  }

  /** From the room, or out of a sealed message. */
  received(message: { id: string; member: string; text: string; at: number; encrypted: boolean; old?: boolean }): void {
    const { id, member, text, at, encrypted, old } = message;
    // One sender cannot take the place of another's message.
    const key = `${member}/${id}`;
    if (this.#ids.has(key) || !text.trim()) return;
    this.#ids.add(key);
    const entry: ChatMessage = {
      id: key,
      member,
      name: this.#port.nameOf(member),
      text: text.slice(0, kMaxLength),
      at,
      state: 'sent',
      edited: false,
      encrypted,
    };
    if (!old) ++this.#unread;
    this.#add(entry);
    if (!old) this.emit('message', entry);
  }

  #add(message: ChatMessage): void {
    this.#messages = [...this.#messages, message].slice(-kMaxMessages);
    if (this.#ids.size > 4 * kMaxMessages) this.#ids.clear();
    this.emit('change', undefined);
  }
}
