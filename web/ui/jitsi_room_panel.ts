/**
 * What a Jitsi conference has beyond other calls: who waits in the lobby, who cannot take part sealed and what to do about
 * that (<siegel-jitsi-banners>), and the room's settings for moderators (<siegel-jitsi-settings>).
 */
import { css, html, nothing } from 'lit';
import type { JitsiCall } from '../jitsi/types';
import { define, SiegelElement } from './element';
import { icons } from './icons';
import { sharedStyles } from './styles';

/** Follows a call. */
class CallElement extends SiegelElement {
  static override properties = { call: { attribute: false } };
  declare call: JitsiCall;
  #stop: (() => void) | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stop = this.call.on('change', () => this.requestUpdate());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
  }

  protected nameOf(id: string): string {
    return this.call.members.find((one) => one.id === id)?.name || this.t.someone;
  }
}

export class SiegelJitsiBanners extends CallElement {
  static override styles = [
    sharedStyles,
    css`
      .banner {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: center;
        text-align: center;
        gap: 0.35rem 0.9rem;
        padding: 0.5rem 1rem;
        font-size: var(--size-s);
        font-weight: 560;
        background: var(--amber-tint);
        color: var(--amber-text);
        overflow-wrap: anywhere;
      }
      .banner.bad {
        background: var(--red-solid);
        color: #fff;
      }
      .banner.calm {
        background: var(--surface);
        color: var(--text);
        border-bottom: 1px solid var(--line);
      }
      .banner .button {
        min-height: 36px;
        padding: 0.2rem 0.8rem;
        background: transparent;
        color: inherit;
        border-color: currentColor;
      }
      .typing {
        padding: 0.3rem 1rem;
        font-size: var(--size-s);
        color: var(--text-2);
        text-align: center;
        overflow-wrap: anywhere;
      }
      dialog p + p {
        margin-top: 0.75rem;
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        gap: 0.6rem;
        margin-top: 1.25rem;
      }
    `,
  ];

  override render() {
    const { t, call } = this;
    const without = call.privacy === 'sealed' ? call.withoutE2ee : [];
    return html`
      ${
        call.privacy === 'open'
          ? html`<div class="banner bad" data-banner="open">${icons.shieldRed}<span>${t.jitsi.openBanner}</span>
              <button type="button" class="button" @click=${() => void call.setPrivacy('sealed')}>${t.jitsi.seal}</button></div>`
          : nothing
      }
      ${
        without.length > 0
          ? html`<div class="banner" data-banner="without">${t.jitsi.withoutBanner(without.map((id) => this.nameOf(id)).join(', '))}
              <button type="button" class="button" @click=${() => this.#dialog?.showModal()}>${t.jitsi.letIn}</button></div>`
          : nothing
      }
      ${call.knockers.map(
        ({
          id,
          name,
        }) => html`<div class="banner calm" data-knocker=${id}><span>${t.jitsi.wants(name || t.someone)}</span>
          <button type="button" class="button" @click=${() => call.admit(id)}>${t.jitsi.admit}</button>
          <button type="button" class="button" @click=${() => call.deny(id)}>${t.jitsi.deny}</button></div>`,
      )}
      ${[...call.typing].map(([id, text]) => html`<div class="typing" dir="auto" data-typing=${id}>${t.typing(this.nameOf(id), text)}</div>`)}
      <dialog aria-labelledby="open-title">
        <div class="dialog-head"><h2 id="open-title">${t.jitsi.openTitle}</h2>
          <button type="button" class="icon-button" aria-label=${t.close} @click=${() => this.#dialog?.close()}>${icons.close}</button></div>
        <div class="dialog-body">
          <p>${t.jitsi.openBetter}</p>
          <p>${t.jitsi.openText}</p>
          <div class="actions">
            <button type="button" class="button primary" autofocus @click=${() => this.#dialog?.close()}>${t.cancel}</button>
            <button type="button" class="button danger" data-open @click=${() => {
              this.#dialog?.close();
              void call.setPrivacy('open');
            }}>${t.jitsi.openConfirm}</button>
          </div>
        </div>
      </dialog>`;
  }

  get #dialog(): HTMLDialogElement | null {
    return this.renderRoot.querySelector('dialog');
  }
}
define('siegel-jitsi-banners', SiegelJitsiBanners);

export class SiegelJitsiSettings extends CallElement {
  static override styles = [
    sharedStyles,
    css`
      :host {
        display: grid;
        gap: 0.8rem;
      }
      .row {
        display: flex;
        gap: 0.6rem;
      }
      .row .input {
        flex: 1;
        min-width: 0;
      }
      label.check {
        display: flex;
        gap: 0.6rem;
        align-items: center;
        min-height: 44px;
      }
      label.check input {
        width: 24px;
        height: 24px;
        flex: none;
      }
    `,
  ];

  override render() {
    const { t, call } = this;
    if (!call.moderator) {
      const held = !call.allowed.audio || !call.allowed.video;
      return html`${call.locked ? html`<p class="quiet small">${icons.lock} ${t.jitsi.locked}</p>` : nothing}
        ${held ? html`<p class="quiet small">${t.jitsi.notAllowed}</p>` : nothing}`;
    }
    const check = (on: boolean, text: string, run: (on: boolean) => Promise<void>) =>
      html`<label class="check"><input type="checkbox" .checked=${on} @change=${(event: Event) => {
        const input = event.target as HTMLInputElement;
        void run(input.checked).catch(() => {
          input.checked = on;
          this.announce('action-failed');
        });
      }} /><span>${text}</span></label>`;
    return html`<h3>${t.jitsi.room}</h3>
      ${check(call.lobbyOn, t.jitsi.lobby, (on) => call.setLobby(on))}
      ${check(call.moderation.audio, t.jitsi.moderateAudio, (on) => call.setModeration('audio', on))}
      ${check(call.moderation.video, t.jitsi.moderateVideo, (on) => call.setModeration('video', on))}
      <form @submit=${this.#lock}>
        <label class="label" for="lock">${t.jitsi.lock}</label>
        <div class="row">
          <input class="input" id="lock" name="password" type="password" autocomplete="off" ?disabled=${call.locked} />
          <button type="submit" class="button">${call.locked ? t.jitsi.lockRemove : t.jitsi.lockSet}</button>
        </div>
      </form>`;
  }

  readonly #lock = (event: SubmitEvent): void => {
    event.preventDefault();
    const input = (event.target as HTMLFormElement).elements.namedItem('password') as HTMLInputElement;
    const password = this.call.locked ? '' : input.value;
    input.value = '';
    if (!password && !this.call.locked) return;
    this.call.setPassword(password).catch(() => this.announce('action-failed'));
  };
}
define('siegel-jitsi-settings', SiegelJitsiSettings);
