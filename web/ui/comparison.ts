/** <siegel-comparison>: two devices show the same seven symbols, and a person says whether they do. */
import { css, html, nothing } from 'lit';
import type { Comparison, ComparisonPhase } from '../matrix/types';
import { define, SiegelElement } from './element';
import { icons } from './icons';
import { sharedStyles } from './styles';

export class SiegelComparison extends SiegelElement {
  static override properties = {
    comparison: { attribute: false },
    phase: { attribute: false },
  };
  declare comparison: Comparison;
  /** Given beside the comparison, which is the same object throughout, so that changes are drawn. */
  declare phase: ComparisonPhase;
  #shown: ComparisonPhase | undefined;

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: grid;
        gap: 1rem;
      }
      h2:focus {
        outline: none;
      }
      .who {
        font-size: var(--size-s);
        overflow-wrap: anywhere;
      }
      .symbols {
        display: grid;
        grid-template-columns: repeat(3, minmax(0, 1fr));
        gap: 0.5rem;
        margin: 0;
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
        hyphens: manual;
        overflow-wrap: anywhere;
      }
      .symbols .sign {
        font-size: 2rem;
        line-height: 1.15;
      }
      .numbers {
        display: flex;
        gap: 1.25rem;
        font-size: 1.75rem;
        font-weight: 640;
        font-variant-numeric: tabular-nums;
      }
      .wait {
        display: flex;
        align-items: center;
        gap: 0.8rem;
      }
      .result {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr);
        gap: 0.35rem 0.85rem;
        align-items: center;
      }
      .result .icon {
        width: 2.1rem;
        height: 2.1rem;
      }
      .result p {
        grid-column: 2;
      }
      .good {
        color: var(--green-text);
      }
      .bad {
        color: var(--red-text);
      }
    `,
  ];

  override render() {
    return html`<div role="status" class="visually-hidden">${this.#heading()}</div>${this.#content()}`;
  }

  /** Every step begins at its heading, for readers and keyboards; a step that only waits takes no focus away. */
  override updated(): void {
    const { phase } = this;
    if (phase === this.#shown) return;
    this.#shown = phase;
    if (phase !== 'preparing' && phase !== 'confirmed') this.renderRoot.querySelector<HTMLElement>('h2')?.focus();
  }

  get #name(): string {
    return this.comparison.name || this.comparison.address;
  }

  #heading(): string {
    const t = this.t.verify;
    const { comparison } = this;
    const own = comparison.kind === 'own-device';
    switch (comparison.phase) {
      case 'incoming':
        return own ? t.incomingOwn : t.incoming(this.#name);
      case 'waiting':
        return own ? t.waitingOwn : t.waiting(this.#name);
      case 'compare':
      case 'confirmed':
        return t.compare;
      case 'ended':
        return t.ended[comparison.end ?? 'failed'];
      default:
        return own ? t.device : t.person(this.#name);
    }
  }

  #content() {
    const t = this.t.verify;
    const { comparison } = this;
    const own = comparison.kind === 'own-device';
    const heading = html`<h2 tabindex="-1">${this.#heading()}</h2>`;
    switch (comparison.phase) {
      case 'incoming':
        return html`${heading} ${this.#who()}
          <p>${own ? t.incomingOwnText : t.incomingText}</p>
          ${comparison.blocked ? html`<div class="hint">${icons.warning}<span>${t.blocked}</span></div>` : nothing}
          <div class="actions">
            ${comparison.blocked ? nothing : html`<button type="button" class="button primary" @click=${() => comparison.accept()}>${t.accept}</button>`}
            <button type="button" class="button" @click=${() => comparison.cancel()}>${t.decline}</button>
          </div>`;
      case 'waiting':
        return html`${heading} ${this.#who()}
          <div class="wait"><div class="turning" aria-hidden="true"></div><p>${own ? t.waitingOwnText : t.waitingText}</p></div>
          ${this.#cancel()}`;
      case 'compare':
      case 'confirmed':
        return html`${heading} ${this.#who()}
          <p>${own ? t.compareOwnText : t.compareText(this.#name)}</p>
          ${this.#symbols()} ${comparison.phase === 'confirmed' ? this.#confirmed() : this.#answers()}`;
      case 'ended':
        return this.#ended();
      default:
        return html`${heading} ${this.#who()}
          <div class="wait"><div class="turning" aria-hidden="true"></div><p>${t.preparing}</p></div>
          ${this.#cancel()}`;
    }
  }

  /** Names are free to choose, addresses are not: both are shown. */
  #who() {
    const { address, device, kind, name } = this.comparison;
    const parts = kind === 'person' ? [name, address] : [address, device];
    return html`<p class="who quiet">${parts.filter((part) => part !== '').join(' · ')}</p>`;
  }

  #cancel() {
    return html`<div class="actions">
      <button type="button" class="button" @click=${() => this.comparison.cancel()}>${this.t.cancel}</button>
    </div>`;
  }

  #symbols() {
    const t = this.t.verify;
    const { symbols, numbers } = this.comparison;
    if (symbols.length === 0)
      return html`<p>${t.compareNumbers}</p><div class="numbers">${numbers.map((each) => html`<span>${each}</span>`)}</div>`;
    return html`<ol class="symbols">
      ${symbols.map(({ symbol, name }) => html`<li data-symbol=${symbol}><span class="sign" aria-hidden="true">${symbol}</span><span>${t.symbol(name)}</span></li>`)}
    </ol>`;
  }

  #answers() {
    const t = this.t.verify;
    return html`<div class="actions">
      <button type="button" class="button primary" @click=${() => this.comparison.confirm()}>${icons.check}${t.match}</button>
      <button type="button" class="button" @click=${() => this.comparison.mismatch()}>${icons.close}${t.differ}</button>
    </div>`;
  }

  #confirmed() {
    return html`<div class="wait"><div class="turning" aria-hidden="true"></div><p>${this.t.verify.confirmed}</p></div>
      ${this.#cancel()}`;
  }

  #ended() {
    const t = this.t.verify;
    const { end = 'failed', kind } = this.comparison;
    const look = end === 'done' ? 'good' : end === 'mismatch' ? 'bad' : '';
    const icon = end === 'done' ? icons.shieldGreen : end === 'mismatch' ? icons.shieldRed : icons.shieldAmber;
    return html`<div class="result" data-end=${end}>
        <span class=${look}>${icon}</span>
        <h2 tabindex="-1">${t.ended[end]}</h2>
        <p>${end === 'done' && kind === 'own-device' ? t.endedOwn : t.endedText[end]}</p>
      </div>
      ${kind === 'person' ? this.#who() : nothing}
      <div class="actions">
        <button type="button" class="button primary" @click=${() => this.announce('comparison-over')}>${this.t.close}</button>
      </div>`;
  }
}
define('siegel-comparison', SiegelComparison);
