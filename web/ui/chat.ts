/** <siegel-chat>: the room's own messages beside the call. Texts are drawn as texts; addresses in them are no links. */
import { css, html, nothing, type PropertyValues } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { Chat, ChatMessage } from '../call';
import { clockTime } from './clock';
import { define, SiegelElement } from './element';
import { icons } from './icons';
import { sharedStyles } from './styles';

/** Messages of one person this close together share one heading. */
const kGroupMs = 5 * 60_000;

export class SiegelChat extends SiegelElement {
  static override properties = {
    chat: { attribute: false },
    /** Grows with every change of the chat. */
    version: { type: Number },
    encrypted: { type: Boolean },
    length: { state: true },
  };
  declare chat: Chat;
  declare version: number;
  declare encrypted: boolean;
  declare length: number;
  #atEnd = true;

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: grid;
        grid-template: auto auto minmax(0, 1fr) auto / minmax(0, 1fr);
        background: var(--surface);
        color: var(--text);
      }
      .head {
        display: flex;
        align-items: center;
        justify-content: space-between;
        padding: 0.35rem 0.4rem 0.1rem 1rem;
      }
      .note {
        display: flex;
        gap: 0.5rem;
        padding: 0 1rem 0.6rem;
        border-bottom: 1px solid var(--line);
        font-size: var(--size-s);
        color: var(--text-2);
        line-height: 1.4;
      }
      .note .icon {
        width: 1.1rem;
        height: 1.1rem;
        margin-top: 0.1rem;
        color: var(--green);
      }
      .note.bad,
      .note.bad .icon {
        color: var(--red-text);
      }
      .log {
        display: grid;
        align-content: start;
        overflow: auto;
        overscroll-behavior: contain;
        scrollbar-width: thin;
        scrollbar-color: var(--line-strong) transparent;
      }
      .log:has(.empty) {
        align-content: center;
      }
      ol {
        display: flex;
        flex-direction: column;
        gap: 0.2rem;
        margin: 0;
        padding: 0.8rem 1rem;
        list-style: none;
      }
      .empty {
        display: grid;
        place-items: center;
        padding: 1rem;
        color: var(--text-2);
        font-size: var(--size-s);
      }
      li {
        display: grid;
        justify-items: start;
        gap: 0.15rem;
        max-width: 100%;
      }
      li.own {
        justify-items: end;
      }
      li.first {
        margin-top: 0.6rem;
      }
      .who {
        display: flex;
        gap: 0.5rem;
        font-size: 0.8125rem;
        color: var(--text-2);
      }
      .who b {
        font-weight: 620;
        color: var(--text);
      }
      .text {
        max-width: 88%;
        padding: 0.45rem 0.75rem;
        border-radius: 0.9rem;
        background: var(--surface-2);
        line-height: 1.45;
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      .own .text {
        background: var(--accent-tint);
      }
      .audience {
        display: flex;
        gap: 0.5rem;
        padding: 0.6rem 1rem 0;
      }
      .audience .button {
        flex: 1;
        min-height: 40px;
      }
      .audience [aria-pressed='true'] {
        background: var(--accent);
        color: var(--on-accent);
        border-color: transparent;
      }
      .unreadable .text {
        color: var(--text-2);
        font-style: italic;
      }
      .state {
        display: flex;
        align-items: center;
        gap: 0.4rem;
        font-size: 0.8125rem;
        color: var(--text-2);
      }
      .state.bad {
        color: var(--red-text);
      }
      .state button {
        min-height: 32px;
        border: 0;
        background: none;
        color: inherit;
        font-weight: 600;
        text-decoration: underline;
        padding: 0 0.25rem;
      }
      form {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        gap: 0.25rem 0.5rem;
        padding: 0.7rem 1rem calc(0.85rem + env(safe-area-inset-bottom));
        border-top: 1px solid var(--line);
      }
      textarea {
        font: inherit;
        color: inherit;
        min-height: 46px;
        max-height: 9rem;
        field-sizing: content;
        padding: 0.6rem 0.85rem;
        border: 1px solid var(--line-strong);
        border-radius: var(--radius-control);
        background: var(--surface);
        resize: none;
        line-height: 1.4;
      }
      .send {
        align-self: end;
        width: 46px;
        height: 46px;
        padding: 0;
      }
      .long {
        grid-column: 1 / -1;
        font-size: 0.8125rem;
        color: var(--red-text);
      }
    `,
  ];

  constructor() {
    super();
    this.version = 0;
    this.encrypted = true;
    this.length = 0;
  }

  override willUpdate(): void {
    const list = this.renderRoot?.querySelector('.log');
    this.#atEnd = !list || list.scrollHeight - list.scrollTop - list.clientHeight < 48;
  }

  override firstUpdated(): void {
    this.renderRoot.querySelector('textarea')?.focus();
  }

  override updated(changed: PropertyValues<this>): void {
    if (!changed.has('version') && !changed.has('chat')) return;
    this.chat.markRead();
    const list = this.renderRoot.querySelector('.log');
    if (list && this.#atEnd) list.scrollTop = list.scrollHeight;
  }

  override render() {
    const { t, chat } = this;
    const messages = chat.messages;
    const over = this.length - chat.maxLength;
    return html`
      <div class="head">
        <h2>${t.chat}</h2>
        <button type="button" class="icon-button" aria-label=${t.close} @click=${() => this.announce('close-chat')}>${icons.close}</button>
      </div>
      ${this.#note()}
      <div class="log" role="log" aria-label=${t.chat} tabindex="0">${
        messages.length === 0
          ? html`<div class="empty">${t.chatEmpty}</div>`
          : html`<ol>${repeat(
              messages,
              ({ id }) => id,
              (message, i) => this.#message(message, messages[i - 1]),
            )}</ol>`
      }</div>
      <form @submit=${this.#submit}>
        <textarea rows="1" aria-label=${t.chatPlaceholder} placeholder=${t.chatPlaceholder} autocomplete="off"
          aria-invalid=${over > 0 ? 'true' : 'false'} @input=${this.#onInput} @keydown=${this.#onKey}></textarea>
        <button type="submit" class="button primary send" aria-label=${t.chatSend} title=${t.chatSend} ?disabled=${this.length === 0 || over > 0}>${icons.send}</button>
        ${over > 0 ? html`<span class="long" role="alert">${t.chatTooLong(over)}</span>` : nothing}
      </form>
    `;
  }

  /** How the next message goes. Where not everybody can read sealed ones, the person chooses. */
  #note() {
    const { t, chat } = this;
    const note = (good: boolean, text: string) =>
      html`<div class="note ${good ? '' : 'bad'}">${good ? icons.shieldGreen : icons.shieldRed}<span>${text}</span></div>`;
    const unreached = chat.unreached ?? [];
    if (chat.audience === undefined || (unreached.length === 0 && chat.audience === 'sealed'))
      return note(this.encrypted, this.encrypted ? t.chatSealed : t.chatClear);
    const sealed = chat.audience === 'sealed';
    return html`<div class="audience" role="group" aria-label=${t.chatAudience}>
        <button type="button" class="button" aria-pressed=${sealed} @click=${() => chat.setAudience?.('sealed')}>${t.chatToSealed}</button>
        <button type="button" class="button" aria-pressed=${!sealed} @click=${() => chat.setAudience?.('everyone')}>${t.chatToEveryone}</button>
      </div>
      ${note(sealed, sealed ? t.chatSealedTo(unreached.join(', ')) : t.chatEveryone)}`;
  }

  #message(message: ChatMessage, before: ChatMessage | undefined) {
    const { t } = this;
    const own = message.member === '';
    const first = !before || before.member !== message.member || message.at - before.at > kGroupMs;
    const time = clockTime(message.at);
    const unreadable = message.state === 'unreadable';
    return html`<li class="${own ? 'own' : ''} ${first ? 'first' : ''} ${unreadable ? 'unreadable' : ''}">
      ${first ? html`<span class="who">${own ? nothing : html`<b>${message.name || t.someone}</b>`}<time>${time}</time></span>` : nothing}
      <span class="text" dir="auto">${unreadable ? t.chatUnreadable : message.text}</span>
      ${
        // In a sealed room nothing else may look as if it were sealed: the server can write it under any name.
        this.encrypted && !message.encrypted && !unreadable
          ? html`<span class="state bad">${t.chatNotSealed}</span>`
          : nothing
      }
      ${message.edited ? html`<span class="state">${t.chatEdited}</span>` : nothing}
      ${message.state === 'sending' ? html`<span class="state">${t.chatSending}</span>` : nothing}
      ${
        message.state === 'failed'
          ? html`<span class="state bad">${t.chatFailed}<button type="button" @click=${() => void this.chat.retry(message.id)}>${t.tryAgain}</button></span>`
          : nothing
      }
    </li>`;
  }

  readonly #onInput = (event: InputEvent): void => {
    this.length = (event.target as HTMLTextAreaElement).value.trim().length;
  };

  readonly #onKey = (event: KeyboardEvent): void => {
    // An input method's Enter accepts a word.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      (event.target as HTMLTextAreaElement).form?.requestSubmit();
    } else if (event.key === 'Escape') this.announce('close-chat');
  };

  readonly #submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const area = this.renderRoot.querySelector('textarea');
    const text = area?.value.trim() ?? '';
    if (!area || text === '' || text.length > this.chat.maxLength) return;
    area.value = '';
    this.length = 0;
    this.#atEnd = true;
    void this.chat.send(text);
  };
}
define('siegel-chat', SiegelChat);
