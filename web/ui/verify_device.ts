/**
 * <siegel-verify-device>: what the account says about this device, and the ways to verify it. As a step after signing in
 * (`step`, can be skipped) and inside a dialog. Says `verified-enough` when the person is through or skips it.
 *
 * What is typed here is a secret: no form history, no password manager prompt, cleared after use.
 */
import { css, html, nothing } from 'lit';
import type { NewIdentity, Verification, VerificationProblem } from '../matrix/types';
import './comparison';
import { define, SiegelElement } from './element';
import { icons } from './icons';
import { sharedStyles } from './styles';

type View = 'choose' | 'key' | 'new' | 'done';

/** Of a VerificationError, which only its `problem` tells. */
export function verificationProblem(error: unknown, known: object): VerificationProblem {
  const { problem } = (error ?? {}) as { problem?: unknown };
  return typeof problem === 'string' && problem in known ? (problem as VerificationProblem) : 'internal';
}

export class SiegelVerifyDevice extends SiegelElement {
  static override properties = {
    verification: { attribute: false },
    address: {},
    step: { type: Boolean, reflect: true },
    view: { state: true },
    busy: { state: true },
    problem: { state: true },
    shown: { state: true },
    copied: { state: true },
    askPassword: { state: true },
  };
  declare verification: Verification;
  /** Of this person; goes into the file with the recovery key. */
  declare address: string;
  declare step: boolean;
  declare view: View;
  declare busy: boolean;
  declare problem: VerificationProblem | undefined;
  declare shown: boolean;
  declare copied: boolean;
  declare askPassword: boolean;
  #identity: NewIdentity | undefined;
  #stop: (() => void) | undefined;
  #viewShown: View = 'choose';

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: grid;
        gap: 1rem;
      }
      :host([step]) {
        display: grid;
        place-items: center;
        align-content: center;
        padding: 1.25rem;
      }
      .body {
        display: grid;
        gap: 1rem;
        min-width: 0;
      }
      :host([step]) .body {
        width: min(34rem, 100%);
        padding: clamp(1.2rem, 5vw, 2rem);
        background: var(--surface);
        border: 1px solid var(--line);
        border-radius: var(--radius-card);
        box-shadow: var(--shadow-card);
      }
      h2:focus {
        outline: none;
      }
      .head {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr);
        gap: 0.75rem;
        align-items: center;
      }
      .head .icon {
        width: 1.9rem;
        height: 1.9rem;
        color: var(--amber-text);
      }
      .head.good .icon {
        color: var(--green-text);
      }
      .ways {
        display: grid;
        gap: 0.6rem;
      }
      .way {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr);
        gap: 0.1rem 0.9rem;
        align-items: center;
        width: 100%;
        padding: 0.8rem 0.95rem;
        border: 1px solid var(--line-strong);
        border-radius: var(--radius-control);
        background: var(--surface);
        text-align: left;
      }
      .way:hover:not(:disabled) {
        background: var(--surface-2);
      }
      .way .icon {
        grid-row: span 2;
        color: var(--accent);
      }
      .way b {
        font-weight: 600;
      }
      form {
        display: grid;
        gap: 1rem;
      }
      .secret.covered {
        -webkit-text-security: disc;
        text-security: disc;
      }
      .check {
        display: inline-flex;
        align-items: center;
        gap: 0.55rem;
        min-height: 32px;
        font-size: var(--size-s);
      }
      .check input {
        width: 24px;
        height: 24px;
        margin: 0;
        accent-color: var(--accent);
      }
      .new-key {
        display: block;
        padding: 0.9rem 1rem;
        border-radius: var(--radius-control);
        background: var(--surface-2);
        font-family: ui-monospace, 'Cascadia Mono', 'DejaVu Sans Mono', monospace;
        font-size: 1.0625rem;
        line-height: 1.6;
        word-spacing: 0.25em;
        overflow-wrap: anywhere;
        user-select: all;
      }
    `,
  ];

  constructor() {
    super();
    this.address = '';
    this.step = false;
    this.#empty();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stop = this.verification.on('change', () => this.requestUpdate());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
    this.reset();
  }

  #empty(): void {
    this.view = 'choose';
    this.busy = false;
    this.problem = undefined;
    this.shown = false;
    this.copied = false;
    this.askPassword = false;
  }

  /** Back to the beginning; forgets a key that is not in use. */
  reset(): void {
    this.#identity?.drop();
    this.#identity = undefined;
    this.#clearInputs();
    this.#empty();
  }

  override render() {
    const { comparison } = this.verification;
    return html`<div class="body">${
      comparison?.kind === 'own-device'
        ? html`<siegel-comparison .comparison=${comparison} .phase=${comparison.phase} @comparison-over=${this.#onOver}></siegel-comparison>`
        : this.#content()
    }</div>`;
  }

  override firstUpdated(): void {
    // A step takes the place of the form that had the focus.
    if (this.step) this.renderRoot.querySelector<HTMLElement>('h2')?.focus();
  }

  override updated(): void {
    if (this.view === this.#viewShown) return;
    this.#viewShown = this.view;
    const field = this.renderRoot.querySelector<HTMLElement>('input.secret');
    (field ?? this.renderRoot.querySelector<HTMLElement>('h2'))?.focus();
  }

  #content() {
    switch (this.view) {
      case 'key':
        return this.#key();
      case 'new':
        return this.#new();
      case 'done':
        return this.#done();
      default:
        return this.#choose();
    }
  }

  #head(text: string, good = false) {
    return html`<div class="head ${good ? 'good' : ''}">${good ? icons.shieldGreen : icons.shieldAmber}<h2 tabindex="-1">${text}</h2></div>`;
  }

  #problem() {
    const { problem } = this;
    return html`<div role="alert">${
      problem
        ? html`<div class="hint bad" data-problem=${problem}>${icons.warning}<span>${this.t.verify.problem[problem]}</span></div>`
        : nothing
    }</div>`;
  }

  /** Where it is a step, there is always a way past it. */
  #skip() {
    if (!this.step) return nothing;
    return html`<button type="button" class="button" @click=${this.#leave}>${this.verification.own === 'verified' ? this.t.verify.toCall : this.t.verify.notNow}</button>`;
  }

  #choose() {
    const t = this.t.verify;
    const { own, hasRecovery, hasOtherDevice, canVouch } = this.verification;
    if (own === 'verified')
      return html`${this.#head(t.own.verified, true)}
        <p>${t.verifiedText}</p>
        ${canVouch ? nothing : html`<p class="quiet">${t.cannotVouch}</p>`}
        ${!canVouch && hasRecovery ? html`<div class="ways">${this.#wayKey()}</div>` : nothing}
        <div class="actions">${this.#skip()}</div>`;
    if (own === 'no-identity')
      return html`${this.#head(t.own['no-identity'])}
        <p>${t.whyNone}</p>
        ${this.#problem()}
        <div class="actions">
          <button type="button" class="button primary" ?disabled=${this.busy} @click=${this.#begin}>${icons.key}${t.setUp}</button>
          ${this.#skip()}
        </div>
        <p class="quiet small">${t.lasts}</p>`;
    return html`${this.#head(own === 'unknown' ? t.own.unknown : t.device)}
      <p>${hasRecovery || hasOtherDevice ? t.why : own === 'unknown' ? this.t.verify.problem.offline : t.noWay}</p>
      ${this.#problem()}
      <div class="ways">
        ${hasRecovery ? this.#wayKey() : nothing}
        ${
          hasOtherDevice
            ? html`<button type="button" class="way" ?disabled=${this.busy} @click=${this.#compare}>${icons.tabs}<b>${t.withDevice}</b><span class="quiet small">${t.withDeviceHint}</span></button>`
            : nothing
        }
      </div>
      <div class="actions">${this.#skip()}</div>
      <p class="quiet small">${t.lasts}</p>`;
  }

  #wayKey() {
    const t = this.t.verify;
    return html`<button type="button" class="way" ?disabled=${this.busy} @click=${() => this.#go('key')}>${icons.key}<b>${t.withKey}</b><span class="quiet small">${t.withKeyHint}</span></button>`;
  }

  #key() {
    const t = this.t.verify;
    return html`${this.#head(t.device)}
      <form autocomplete="off" @submit=${this.#recover}>
        <div class="field">
          <label for="secret">${this.verification.hasPhrase ? t.keyOrPhrase : t.key}</label>
          <input class="input secret ${this.shown ? '' : 'covered'}" id="secret" type="text" required autocomplete="off" autocapitalize="none" autocorrect="off" spellcheck="false" aria-describedby="secret-hint" ?readonly=${this.busy} />
          <span id="secret-hint" class="quiet small">${t.keyHint}</span>
          <label class="check"><input type="checkbox" .checked=${this.shown} @change=${(event: Event) => {
            this.shown = (event.target as HTMLInputElement).checked;
          }} />${t.show}</label>
        </div>
        ${this.#problem()}
        <div class="actions">
          <button type="submit" class="button primary" ?disabled=${this.busy}>${this.busy ? t.verifying : t.verifyButton}</button>
          <button type="button" class="button" ?disabled=${this.busy} @click=${() => this.#go('choose')}>${this.t.cancel}</button>
        </div>
      </form>`;
  }

  #new() {
    const t = this.t.verify;
    return html`${this.#head(t.newTitle)}
      <p>${t.newText}</p>
      <output class="new-key" data-new-key aria-label=${t.newTitle}>${this.#identity?.recoveryKey ?? ''}</output>
      <div class="actions">
        <button type="button" class="button" @click=${this.#copy}>${this.copied ? icons.check : icons.copy}${this.copied ? t.copied : t.copy}</button>
        <button type="button" class="button" @click=${this.#save}>${icons.download}${t.save}</button>
      </div>
      <form autocomplete="off" @submit=${this.#finish}>
        ${
          this.askPassword
            ? html`<div class="field">
                <label for="password">${t.password}</label>
                <input class="input secret" id="password" type="password" required autocomplete="off" aria-describedby="password-hint" />
                <span id="password-hint" class="quiet small">${t.passwordHint}</span>
              </div>`
            : nothing
        }
        ${this.#problem()}
        <div class="actions">
          <button type="submit" class="button primary" ?disabled=${this.busy}>${this.busy ? t.saving : t.saved}</button>
          <button type="button" class="button" ?disabled=${this.busy} @click=${() => this.reset()}>${this.t.cancel}</button>
        </div>
      </form>`;
  }

  #done() {
    const t = this.t.verify;
    return html`${this.#head(t.done, true)}
      <p>${t.doneText}</p>
      <div class="actions"><button type="button" class="button primary" @click=${this.#leave}>${this.step ? t.toCall : this.t.close}</button></div>
      <p class="quiet small">${t.lasts}</p>`;
  }

  #go(view: View): void {
    this.#clearInputs();
    this.problem = undefined;
    this.shown = false;
    this.view = view;
  }

  #clearInputs(): void {
    for (const input of this.renderRoot?.querySelectorAll<HTMLInputElement>('input.secret') ?? []) input.value = '';
  }

  readonly #leave = (): void => {
    this.announce('verified-enough');
    this.reset();
  };

  readonly #onOver = (event: Event): void => {
    event.stopPropagation();
    const { comparison } = this.verification;
    // What was not asked for here leads back to where the person was.
    const over = comparison?.end === 'done' || (comparison?.incoming === true && !this.step);
    this.verification.dismiss();
    if (over) this.#leave();
  };

  readonly #compare = (): void => void this.#run(() => this.verification.compareOwn());

  readonly #begin = (): void =>
    void this.#run(async () => {
      this.#identity = await this.verification.newIdentity();
      this.view = 'new';
    });

  readonly #recover = (event: SubmitEvent): void => {
    event.preventDefault();
    const input = this.renderRoot.querySelector<HTMLInputElement>('#secret');
    if (!input || this.busy) return;
    void this.#run(async () => {
      await this.verification.recover(input.value);
      this.#go('done');
    });
  };

  readonly #finish = (event: SubmitEvent): void => {
    event.preventDefault();
    const identity = this.#identity;
    if (!identity || this.busy) return;
    const password = this.renderRoot.querySelector<HTMLInputElement>('#password')?.value;
    void this.#run(async () => {
      try {
        await identity.finish(password);
      } catch (error) {
        const problem = verificationProblem(error, this.t.verify.problem);
        if (problem === 'password-needed' || problem === 'wrong-password') this.askPassword = true;
        throw error;
      }
      this.#identity = undefined;
      this.#go('done');
    });
  };

  readonly #copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(this.#identity?.recoveryKey ?? '');
      this.copied = true;
    } catch {
      // It can be selected and copied by hand.
      const shown = this.renderRoot.querySelector('[data-new-key]');
      if (shown) getSelection()?.selectAllChildren(shown);
    }
  };

  readonly #save = (): void => {
    const text = this.t.verify.fileText(this.address, this.#identity?.recoveryKey ?? '');
    const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = 'matrix-recovery-key.txt';
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };

  async #run(work: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problem = undefined;
    try {
      await work();
    } catch (error) {
      this.problem = verificationProblem(error, this.t.verify.problem);
    } finally {
      this.busy = false;
    }
  }
}
define('siegel-verify-device', SiegelVerifyDevice);
