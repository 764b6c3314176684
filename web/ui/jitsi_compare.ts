/** <siegel-jitsi-compare>: comparing codes with one other member of a Jitsi conference, as a dialog over the call. */
import { css, html, nothing } from 'lit';
import type { JitsiCall, SasState } from '../jitsi/types';
import { define, SiegelElement } from './element';
import { icons } from './icons';
import { sharedStyles } from './styles';

export class SiegelJitsiCompare extends SiegelElement {
  static override properties = { call: { attribute: false } };
  declare call: JitsiCall;
  #stop: (() => void) | undefined;
  /** The one that the person closed. */
  #closed: SasState | undefined;

  static override styles = [
    sharedStyles,
    css`
      .symbols {
        display: grid;
        grid-template-columns: repeat(3, minmax(0, 1fr));
        gap: 0.5rem;
        margin: 1rem 0;
        padding: 0;
        list-style: none;
      }
      @media (min-width: 40rem) {
        .symbols {
          grid-template-columns: repeat(4, minmax(0, 1fr));
        }
      }
      .symbols li {
        display: grid;
        justify-items: center;
        align-content: start;
        gap: 0.3rem;
        padding: 0.6rem 0 0.5rem;
        border-radius: var(--radius-control);
        background: var(--surface-2);
        font-size: 0.75rem;
        line-height: 1.2;
        text-align: center;
        overflow-wrap: anywhere;
      }
      .sign {
        font-size: 2rem;
        line-height: 1.15;
      }
      .numbers {
        font-variant-numeric: tabular-nums;
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        gap: 0.6rem;
        margin-top: 1rem;
      }
      .result {
        display: flex;
        gap: 0.8rem;
        align-items: start;
      }
      .result .icon {
        flex: none;
        width: 2rem;
        height: 2rem;
      }
      .good {
        color: var(--green-text);
      }
      .bad {
        color: var(--red-text);
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stop = this.call.on('change', () => this.requestUpdate());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
  }

  override updated(): void {
    const dialog = this.renderRoot.querySelector('dialog');
    if (dialog && !dialog.open) dialog.showModal();
  }

  override render() {
    const { t } = this;
    const { sas } = this.call;
    if (!sas || sas === this.#closed) return nothing;
    const name = this.call.members.find((one) => one.id === sas.member)?.name || t.someone;
    return html`<dialog aria-labelledby="compare-title" data-stage=${sas.stage} @close=${() => this.#close(sas)}>
      <div class="dialog-head"><h2 id="compare-title">${t.jitsi.compareTitle(name)}</h2>
        <button type="button" class="icon-button" aria-label=${t.close} @click=${() => this.renderRoot.querySelector('dialog')?.close()}>${icons.close}</button></div>
      <div class="dialog-body" role="status">${this.#content(sas, name)}</div>
    </dialog>`;
  }

  #content(sas: SasState, name: string) {
    const { jitsi, verify } = this.t;
    switch (sas.stage) {
      case 'compare':
      case 'confirmed':
        return html`<p>${jitsi.compareText(name)}</p>
          <ol class="symbols">${sas.emoji?.map(
            (one) =>
              html`<li data-symbol=${one.symbol}><span class="sign" aria-hidden="true">${one.symbol}</span><span>${verify.symbol(one.name)}</span></li>`,
          )}</ol>
          <p class="quiet small numbers">${sas.decimal?.join(' ')}</p>
          ${
            sas.stage === 'confirmed'
              ? html`<p>${jitsi.compareConfirmed(name)}</p>`
              : html`<div class="actions">
                  <button type="button" class="button primary" @click=${() => this.call.answerVerification(true)}>${icons.check}${jitsi.compareSame}</button>
                  <button type="button" class="button" @click=${() => this.call.answerVerification(false)}>${icons.close}${jitsi.compareOther}</button>
                </div>`
          }`;
      case 'done':
        return html`<div class="result"><span class="good">${icons.shieldGreen}</span><p>${jitsi.compareDone(name)}</p></div>`;
      case 'failed':
        return sas.reason === 'mismatch'
          ? html`<div class="result"><span class="bad">${icons.shieldRed}</span><p>${jitsi.compareFailed}</p></div>`
          : html`<p>${jitsi.compareCancelled}</p>`;
      case 'cancelled':
        return html`<p>${jitsi.compareCancelled}</p>`;
      default:
        return html`<p>${jitsi.compareWaiting(name)}</p>`;
    }
  }

  #close(sas: SasState): void {
    if (['offered', 'waiting', 'compare', 'confirmed'].includes(sas.stage)) this.call.cancelVerification();
    this.#closed = this.call.sas;
    this.requestUpdate();
  }
}
define('siegel-jitsi-compare', SiegelJitsiCompare);
