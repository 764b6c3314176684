/** <siegel-start>: begin a call, or paste an invitation. Asks for nothing and connects to nothing. */
import { css, html, nothing } from 'lit';
import { Invitation, type LinkProblem, parsePastedLink } from '../keys';
import { define, SiegelElement } from './element';
import { icons } from './icons';
import { sharedStyles } from './styles';
import { pageFor } from './where';

export class SiegelStart extends SiegelElement {
  static override properties = { problem: { state: true } };
  declare problem: LinkProblem | undefined;

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: block;
      }
      main {
        display: grid;
        gap: clamp(1.75rem, 5vw, 3.5rem);
        width: min(66rem, 100%);
        margin-inline: auto;
        padding: clamp(1.5rem, 6vw, 4.5rem) clamp(1.1rem, 4vw, 2rem) 3rem;
      }
      .top {
        display: grid;
        gap: clamp(1.75rem, 5vw, 4rem);
        align-items: center;
      }
      @media (min-width: 52rem) {
        .top {
          grid-template-columns: 1.15fr 1fr;
        }
      }
      .words {
        display: grid;
        gap: 1.1rem;
      }
      h1 {
        font-size: clamp(2rem, 1.3rem + 3vw, 3.1rem);
        letter-spacing: -0.03em;
      }
      .words p {
        font-size: var(--size-m);
        max-width: 34rem;
        line-height: 1.6;
      }
      .card {
        display: grid;
        gap: 1.25rem;
        padding: clamp(1.25rem, 4vw, 1.9rem);
      }
      .begin {
        display: grid;
        gap: 0.6rem;
      }
      hr {
        width: 100%;
        margin: 0;
        border: 0;
        border-top: 1px solid var(--line);
      }
      form {
        display: grid;
        gap: 0.7rem;
      }
      .row {
        display: flex;
        gap: 0.6rem;
      }
      .row .input {
        flex: 1;
      }
      .points {
        display: grid;
        gap: 1.5rem 2rem;
        grid-template-columns: repeat(auto-fit, minmax(min(16rem, 100%), 1fr));
        padding: 0;
        margin: 0;
        list-style: none;
      }
      .points li {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 0.25rem 0.85rem;
        align-content: start;
      }
      .points .icon {
        grid-row: span 2;
        color: var(--accent);
        margin-top: 0.1rem;
      }
      .points p {
        font-size: var(--size-s);
        line-height: 1.5;
      }
    `,
  ];

  override render() {
    const { t } = this;
    return html`<main>
      <div class="top">
        <div class="words">
          <h1>${t.startTitle}</h1>
          <p class="quiet">${t.startText}</p>
        </div>
        <div class="card">
          <div class="begin">
            <button type="button" class="button primary large wide" @click=${this.#start}>${icons.camera} ${t.startCall}</button>
            <p class="quiet small">${t.startCallHint}</p>
          </div>
          <hr />
          <form @submit=${this.#open}>
            <h3>${t.haveLink}</h3>
            <div class="row">
              <input class="input" name="link" type="text" inputmode="url" autocomplete="off" spellcheck="false" autocapitalize="off"
                aria-label=${t.linkLabel} placeholder=${t.linkPlaceholder} aria-describedby="problem"
                aria-invalid=${this.problem ? 'true' : 'false'} @input=${() => {
                  this.problem = undefined;
                }} />
              <button type="submit" class="button">${t.openLink}</button>
            </div>
            <div id="problem" role="alert">
              ${this.problem ? html`<div class="hint bad">${icons.warning}<span>${t.linkProblem[this.problem]}</span></div>` : nothing}
            </div>
          </form>
        </div>
      </div>
      <ul class="points">
        <li>${icons.key}<h3>${t.pointKeyTitle}</h3><p class="quiet">${t.pointKeyText}</p></li>
        <li>${icons.gauge}<h3>${t.pointMeasureTitle}</h3><p class="quiet">${t.pointMeasureText}</p></li>
        <li>${icons.leaf}<h3>${t.pointNothingTitle}</h3><p class="quiet">${t.pointNothingText}</p></li>
      </ul>
    </main>`;
  }

  #start(): void {
    this.announce('invitation', { invitation: Invitation.create(), fresh: true });
  }

  #open(event: SubmitEvent): void {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    const input = form.elements.namedItem('link') as HTMLInputElement;
    const result = parsePastedLink(input.value, location.origin);
    if (typeof result === 'string') {
      // A room of an existing deployment has a page of its own.
      const page = result === 'other-site' || result === 'not-a-link' ? pageFor(input.value) : undefined;
      if (page) {
        input.value = '';
        location.assign(page);
        return;
      }
      this.problem = result;
      input.focus();
      return;
    }
    input.value = '';
    this.announce('invitation', { invitation: result, fresh: false });
  }
}
define('siegel-start', SiegelStart);
