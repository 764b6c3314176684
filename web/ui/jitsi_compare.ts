/** <siegel-jitsi-compare>: comparing codes with one other member of a Jitsi conference, as a dialog over the call. */
import { html, nothing } from 'lit';
import type { JitsiCall, SasState } from '../jitsi/types';
import type { Comparison, ComparisonEnd, ComparisonPhase } from '../matrix/types';
import './comparison';
import { define, SiegelElement } from './element';
import { icons } from './icons';
import { sharedStyles } from './styles';

function phaseOf({ stage }: SasState): ComparisonPhase {
  if (stage === 'compare' || stage === 'confirmed') return stage;
  return stage === 'done' || stage === 'failed' || stage === 'cancelled' ? 'ended' : 'waiting';
}

function endOf({ stage, reason }: SasState): ComparisonEnd | undefined {
  if (stage === 'done') return 'done';
  if (stage !== 'failed' && stage !== 'cancelled') return undefined;
  return reason === 'left' || reason === undefined ? 'failed' : reason;
}

export class SiegelJitsiCompare extends SiegelElement {
  static override properties = { call: { attribute: false } };
  declare call: JitsiCall;
  #stop: (() => void) | undefined;
  /** The one that the person closed. */
  #closed: SasState | undefined;

  static override styles = [sharedStyles];

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stop = this.call.on('change', () => this.requestUpdate());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
  }

  override updated(): void {
    const dialog = this.#dialog;
    if (dialog && !dialog.open) dialog.showModal();
  }

  get #dialog(): HTMLDialogElement | null {
    return this.renderRoot.querySelector('dialog');
  }

  override render() {
    const { t, call } = this;
    const { sas } = call;
    if (!sas || sas === this.#closed) return nothing;
    const name = call.members.find((one) => one.id === sas.member)?.name || t.someone;
    const comparison: Comparison = {
      kind: 'person',
      incoming: false,
      phase: phaseOf(sas),
      blocked: false,
      end: endOf(sas),
      name,
      address: sas.member,
      device: '',
      symbols: sas.emoji ?? [],
      numbers: sas.decimal ?? [],
      accept: () => {},
      confirm: () => call.answerVerification(true),
      mismatch: () => call.answerVerification(false),
      cancel: () => this.#dialog?.close(),
    };
    return html`<dialog aria-label=${t.verify.person(name)} data-stage=${sas.stage} @close=${() => this.#close(sas)} @comparison-over=${() => this.#dialog?.close()}>
      <div class="dialog-head"><span></span>
        <button type="button" class="icon-button" aria-label=${t.close} @click=${() => this.#dialog?.close()}>${icons.close}</button></div>
      <div class="dialog-body"><siegel-comparison .comparison=${comparison} .phase=${comparison.phase}></siegel-comparison></div>
    </dialog>`;
  }

  #close(sas: SasState): void {
    if (phaseOf(sas) !== 'ended') this.call.cancelVerification();
    this.#closed = this.call.sas;
    this.requestUpdate();
  }
}
define('siegel-jitsi-compare', SiegelJitsiCompare);
