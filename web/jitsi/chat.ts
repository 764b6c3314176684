/**
 * Chat of a conference. Among Siegel clients it goes sealed, over the Olm sessions; stock clients read and write the room's
 * own messages, which its server reads as well. To whom a message goes is chosen before it is sent, and stands beside it
 * afterwards; without a choice it goes sealed.
 *
 * While the stream to the server is interrupted, messages wait. After a stream that could not be resumed, those of its last
 * moments are said once more; whoever got them already shows them once.
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
  /** Returns to how many it went. `again`: it may have arrived before. */
  sendSealed(message: { id: string; text: string; at: number; again?: true }): number;
  /** False: what is sent now would be lost. */
  online(): boolean;
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
    const base = { member: '', name: '', text: plain, at: Date.now(), edited: false, state: 'sending' as const };
    const message: ChatMessage = { ...base, id: crypto.randomUUID(), encrypted: this.#audience === 'sealed' };
    this.#say(message);
    this.#add(message);
  }

  #say(message: ChatMessage, again = false): void {
    const { id, text, at, encrypted } = message;
    if (!this.#port.online()) message.state = 'sending';
    else if (encrypted) {
      const reached = this.#port.sendSealed({ id, text, at, ...(again && { again }) });
      message.state = reached > 0 ? 'sent' : 'failed';
    } else {
      this.#port.sendPlain(text);
      message.state = 'sent';
    }
  }

  async retry(id: string): Promise<void> {
    const message = this.#messages.find((one) => one.id === id && one.state === 'failed');
    if (!message) return;
    this.#say(message);
    this.emit('change', undefined);
  }

  /** The stream is back. `lostSince`: what was said after that moment (Date.now()) may not have arrived. */
  resume(lostSince = Number.POSITIVE_INFINITY): void {
    for (const message of this.#messages) {
      if (message.member !== '') continue;
      if (message.state === 'sending') this.#say(message);
      else if (message.state === 'sent' && message.encrypted && message.at >= lostSince) this.#say(message, true);
    }
    this.emit('change', undefined);
  }

  markRead(): void {
    if (!this.#unread) return;
    this.#unread = 0;
    this.emit('change', undefined);
  }

  /** From the room, or out of a sealed message. */
  received(message: {
    id: string;
    member: string;
    text: string;
    at: number;
    encrypted: boolean;
    old?: boolean;
    again?: boolean;
  }): void {
    const { id, member, text, at, encrypted, old, again } = message;
    // One sender cannot take the place of another's message.
    const key = `${member}/${id}`;
    if (this.#ids.has(key) || !text.trim()) return;
    // Said once more by somebody who is back under another id: only what is here word for word is left out.
    if (again && this.#messages.some((one) => one.id.endsWith(`/${id}`) && one.text === text)) return;
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
