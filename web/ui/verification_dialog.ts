/**
 * <siegel-verification>: everything about verifying that lies over a page: the dialog for this device, comparisons with people,
 * and a card when somebody else asks for one (which takes no focus: it may come in the middle of a sentence).
 */
import { css, html, nothing } from 'lit';
import type { Verification, VerificationProblem } from '../matrix/types';
import './comparison';
import { define, SiegelElement } from './element';
import { icons } from './icons';
import { sharedStyles } from './styles';
import './verify_device';
import { type SiegelVerifyDevice, verificationProblem } from './verify_device';

export class SiegelVerification extends SiegelElement {
  static override properties = {
    verification: { attribute: false },
    address: {},
    elsewhere: { type: Boolean },
    open: { state: true },
    problem: { state: true },
    about: { state: true },
    member: { state: true },
  };
  declare verification: Verification;
  declare address: string;
  /** Comparisons with own devices are shown by another element at the moment (the step after signing in). */
  declare elsewhere: boolean;
  declare open: boolean;
  declare problem: VerificationProblem | undefined;
  /** What the dialog is about: this device, or a person. */
  declare about: 'device' | 'person';
  /** Name of the person it is about, when there is no comparison. */
  declare member: string;
  #stop: (() => void) | undefined;

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: contents;
      }
      .ask {
        position: fixed;
        z-index: 18;
        top: calc(4rem + env(safe-area-inset-top));
        inset-inline: 0.75rem;
        display: grid;
        gap: 0.7rem;
        width: min(26rem, calc(100% - 1.5rem));
        margin-inline: auto;
        padding: 0.95rem 1.1rem 1.05rem;
        box-shadow: var(--shadow-float);
      }
      dialog .ask {
        position: static;
        width: auto;
        margin: 0;
      }
      .ask p {
        overflow-wrap: anywhere;
      }
    `,
  ];

  constructor() {
    super();
    this.address = '';
    this.elsewhere = false;
    this.open = false;
    this.problem = undefined;
    this.about = 'device';
    this.member = '';
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stop = this.verification.on('change', () => this.#onChange());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
  }

  /** About this device. */
  openDevice(): void {
    this.about = 'device';
    this.problem = undefined;
    this.open = true;
  }

  /** Asks the device of a member of the call. */
  async openMember(member: string, name: string): Promise<void> {
    this.about = 'person';
    this.member = name;
    this.problem = undefined;
    try {
      await this.verification.compareMember(member);
    } catch (error) {
      this.problem = verificationProblem(error, this.t.verify.problem);
    }
    this.open = true;
  }

  #onChange(): void {
    const { comparison } = this.verification;
    if (comparison && comparison.phase !== 'incoming' && !(this.elsewhere && comparison.kind === 'own-device')) {
      this.about = comparison.kind === 'person' ? 'person' : 'device';
      // What was declined on the card needs no dialog.
      if (comparison.phase === 'ended' && !this.open) {
        this.verification.dismiss();
        return;
      }
      this.open = true;
    }
    this.requestUpdate();
  }

  override updated(): void {
    const dialog = this.renderRoot.querySelector('dialog');
    if (this.open && dialog && !dialog.open) dialog.showModal();
    else if (!this.open && dialog?.open) dialog.close();
  }

  override render() {
    return html`${this.open ? nothing : this.#card()}
      <dialog aria-labelledby="title" @close=${this.#closed} @verified-enough=${this.#close} @comparison-over=${this.#close}>
        <div class="dialog-head">
          <h2 id="title">${this.#title()}</h2>
          <button type="button" class="icon-button" aria-label=${this.t.close} @click=${this.#close}>${icons.close}</button>
        </div>
        <div class="dialog-body">${this.open ? html`${this.#isOther ? this.#card() : nothing}${this.#content()}` : nothing}</div>
      </dialog>`;
  }

  #title(): string {
    const t = this.t.verify;
    const { comparison } = this.verification;
    if (this.about === 'device') return t.security;
    return comparison ? t.person(comparison.name || comparison.address) : t.person(this.member);
  }

  /** Somebody asks about something else than the dialog is about; what lies behind a dialog cannot be clicked. */
  get #isOther(): boolean {
    const { comparison } = this.verification;
    return comparison !== undefined && (comparison.kind === 'person') !== (this.about === 'person');
  }

  #content() {
    const { comparison } = this.verification;
    if (this.about === 'device')
      return html`<siegel-verify-device .verification=${this.verification} .address=${this.address}></siegel-verify-device>`;
    if (comparison?.kind === 'person')
      return html`<siegel-comparison .comparison=${comparison} .phase=${comparison.phase}></siegel-comparison>`;
    const { problem } = this;
    return html`${problem ? html`<div class="hint bad" role="alert" data-problem=${problem}>${icons.warning}<span>${this.t.verify.problem[problem]}</span></div>` : nothing}
      ${
        problem === 'own-first'
          ? html`<div class="actions"><button type="button" class="button primary" @click=${() => this.openDevice()}>${icons.shieldAmber}${this.t.verify.device}</button></div>`
          : nothing
      }`;
  }

  #card() {
    const t = this.t.verify;
    const { comparison } = this.verification;
    if (comparison?.phase !== 'incoming') return nothing;
    const own = comparison.kind === 'own-device';
    if (own && this.elsewhere) return nothing;
    const name = comparison.name || comparison.address;
    return html`<section class="card ask" role="alert" data-verification-request>
      <h3>${own ? t.incomingOwn : t.incoming(name)}</h3>
      <p class="quiet small">${(own ? [comparison.device] : [comparison.address, comparison.device]).filter((part) => part !== '').join(' · ')}</p>
      <p class="small">${own ? t.incomingOwnText : t.incomingText}</p>
      ${comparison.blocked ? html`<div class="hint">${icons.warning}<span>${t.blocked}</span></div>` : nothing}
      <div class="actions">
        ${
          comparison.blocked
            ? html`<button type="button" class="button primary" @click=${() => {
                comparison.cancel();
                this.openDevice();
              }}>${t.device}</button>`
            : html`<button type="button" class="button primary" @click=${() => comparison.accept()}>${t.accept}</button>`
        }
        <button type="button" class="button" @click=${() => comparison.cancel()}>${t.decline}</button>
      </div>
    </section>`;
  }

  readonly #close = (): void => {
    this.open = false;
  };

  /** However it was closed: a comparison that nobody looks at any more is over, and a new key is forgotten. */
  readonly #closed = (): void => {
    this.open = false;
    this.problem = undefined;
    this.renderRoot.querySelector<SiegelVerifyDevice>('siegel-verify-device')?.reset();
    const { comparison } = this.verification;
    if (comparison && comparison.phase !== 'incoming') this.verification.dismiss();
  };
}
define('siegel-verification', SiegelVerification);
