/** <siegel-numbers>: the figures behind a badge, straight from the engine's counters. */
import { css, html, nothing } from 'lit';
import type { CallRoom, Member, Numbers } from '../call';
import type { EngineInfo, RejectReason, TrackCounters } from '../media/types';
import './badge';
import { define, SiegelElement } from './element';
import { language } from './i18n';
import { icons } from './icons';
import { sharedStyles } from './styles';

export class SiegelNumbers extends SiegelElement {
  static override properties = {
    room: { attribute: false },
    engine: { attribute: false },
    /** '' shows nothing, 'call' everybody, else a member's id. */
    target: {},
    verifies: {},
  };
  declare room: CallRoom;
  declare engine: EngineInfo | undefined;
  declare target: string;
  /** Where people and devices are verified; undefined: this kind of call has no such thing. */
  declare verifies: 'here' | 'client' | 'codes' | undefined;
  #stop: (() => void) | undefined;

  static override styles = [
    sharedStyles,
    css`
      .verdict {
        display: grid;
        gap: 0.6rem;
        justify-items: start;
      }
      table {
        width: 100%;
        border-collapse: collapse;
        font-size: var(--size-s);
        font-variant-numeric: tabular-nums;
      }
      th,
      td {
        padding: 0.42rem 0;
        text-align: left;
        vertical-align: top;
        border-bottom: 1px solid var(--line);
        font-weight: 400;
      }
      th {
        color: var(--text-2);
        padding-right: 1rem;
      }
      td {
        text-align: right;
        overflow-wrap: anywhere;
      }
      tr:last-child > * {
        border-bottom: 0;
      }
      .bad {
        color: var(--red-text);
        font-weight: 600;
      }
      section {
        display: grid;
        gap: 0.5rem;
      }
      .people {
        display: grid;
        gap: 0.65rem;
        padding: 0;
        margin: 0;
        list-style: none;
      }
      .people li {
        display: flex;
        align-items: center;
        justify-content: space-between;
        gap: 1rem;
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        gap: 0.5rem;
      }
      .people span {
        overflow-wrap: anywhere;
      }
    `,
  ];

  constructor() {
    super();
    this.target = '';
    this.engine = undefined;
    this.verifies = undefined;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stop = this.room.on('change', () => {
      if (this.target !== '') this.requestUpdate();
    });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
  }

  override updated(): void {
    const dialog = this.renderRoot.querySelector('dialog');
    if (this.target !== '' && dialog && !dialog.open) dialog.showModal();
    else if (this.target === '' && dialog?.open) dialog.close();
  }

  override render() {
    const { t } = this;
    const member = this.room.members.find((each) => each.id === this.target);
    // Someone who has left meanwhile has no numbers any more.
    const title = member ? t.numbersOf(member.name || t.someone) : t.numbersOfCall;
    return html`<dialog aria-labelledby="title" @close=${this.#closed} @click=${this.#outside}>
      <div class="dialog-head">
        <h2 id="title">${title}</h2>
        <button type="button" class="icon-button" aria-label=${t.close} @click=${() => this.renderRoot.querySelector('dialog')?.close()}>${icons.close}</button>
      </div>
      <div class="dialog-body">${this.target === '' ? nothing : member ? this.#member(member) : this.#call()}</div>
    </dialog>`;
  }

  #member(member: Member) {
    const { t } = this;
    const [word = '', meaning = ''] = t.badge[member.badge.cause];
    return html`
      <div class="verdict">
        <siegel-badge .badge=${member.badge} .label=${word}></siegel-badge>
        <p>${meaning}</p>
      </div>
      ${this.#who(member)} ${this.#verify(member)} ${this.#actions(member)} ${this.#numbers(member.numbers, 'receive')} ${this.#tracks(member.tracks)}
      <p class="quiet small">${t.numbersHint} ${t.insiders}</p>
    `;
  }

  #who(member: Member) {
    const { t } = this;
    if (!member.address && !member.trust) return nothing;
    const bad = member.trust === 'unverified' || member.trust === 'changed';
    return html`<table>
      <tbody>
        ${member.address ? html`<tr><th scope="row">${t.addressLabel}</th><td>${member.address}</td></tr>` : nothing}
        ${member.trust ? html`<tr><th scope="row">${t.trustLabel}</th><td class=${bad ? 'bad' : ''}>${t.trust[member.trust]}</td></tr>` : nothing}
      </tbody>
    </table>`;
  }

  #verify(member: Member) {
    const t = this.t.verify;
    const name = member.name || this.t.someone;
    if (this.verifies === 'client') return html`<p class="quiet small">${t.inClient}</p>`;
    if (this.verifies === undefined || member.trust === undefined || member.trust === 'verified') return nothing;
    if (this.verifies === 'codes' && member.trust === 'changed') return nothing;
    if (member.trust === 'unverified') return html`<p class="quiet small">${t.peerFirst(name)}</p>`;
    const changed = member.trust === 'changed';
    return html`${changed ? html`<p class="small">${t.again}</p>` : nothing}
      <div><button type="button" class="button" data-verify @click=${() => this.#ask(member.id, name)}>${icons.shieldGreen}${changed ? t.personAgain(name) : t.person(name)}</button></div>`;
  }

  /** What a moderator may do. */
  #actions(member: Member) {
    const actions = this.room.actionsFor?.(member.id) ?? [];
    if (actions.length === 0) return nothing;
    return html`<div class="actions">${actions.map(
      (action) =>
        html`<button type="button" class="button ${action === 'remove' ? 'danger' : ''}" data-action=${action} @click=${() => {
          this.room.act?.(member.id, action).catch(() => this.announce('action-failed'));
        }}>${this.t.memberAction[action]}</button>`,
    )}</div>`;
  }

  #ask(member: string, name: string): void {
    this.renderRoot.querySelector('dialog')?.close();
    this.announce('verify-member', { member, name });
  }

  #call() {
    const { t } = this;
    const { badge, members, mayListen, lastExposure } = this.room;
    const [word = '', meaning = ''] = t.badge[badge.cause];
    return html`
      <div class="verdict">
        <siegel-badge .badge=${badge} .label=${word}></siegel-badge>
        <p>${meaning}</p>
        ${mayListen.length > 0 ? html`<p>${t.mayListen(mayListen.map((name) => name || t.someone).join(', '))}</p>` : nothing}
      </div>
      ${
        members.length > 0
          ? html`<ul class="people">
              ${members.map(
                (member) => html`<li>
                  <span>${member.name || t.someone} ${member.mark}</span>
                  <siegel-badge .badge=${member.badge} .label=${t.showNumbers(member.name || t.someone)} @numbers=${() => this.announce('numbers-of', member.id)}></siegel-badge>
                </li>`,
              )}
            </ul>`
          : nothing
      }
      <section>
        <h3>${t.sentByYou}</h3>
        ${this.#numbers(this.room.ownNumbers, 'send')}
        ${
          lastExposure === undefined
            ? nothing
            : html`<p class="quiet small">${t.exposure}: ${t.exposureText((lastExposure / 1000).toLocaleString(language(), { maximumFractionDigits: 1 }))}</p>`
        }
      </section>
      <p class="quiet small">${t.insiders}</p>
    `;
  }

  #count(value: number): string {
    return value.toLocaleString(language());
  }

  #rejected(rejected: Numbers['rejected']): string {
    const parts = Object.entries(rejected).filter(([reason, count]) => reason !== 'replay' && count > 0);
    return parts.map(([reason, count]) => `${this.#count(count)} ${this.t.reason[reason as RejectReason]}`).join(', ');
  }

  #numbers(numbers: Numbers, direction: 'send' | 'receive') {
    const { t } = this;
    const rejected = this.#rejected(numbers.rejected);
    const replays = numbers.rejected.replay ?? 0;
    const row = (name: string, value: unknown, bad = false) =>
      html`<tr><th scope="row">${name}</th><td class=${bad ? 'bad' : ''}>${value}</td></tr>`;
    return html`<table>
      <tbody>
        ${row(direction === 'send' ? t.sealed : t.opened, this.#count(numbers.passed))}
        ${row(t.rejectedFrames, rejected || '0', rejected !== '')}
        ${direction === 'receive' ? row(t.replays, this.#count(replays), replays > 0) : nothing}
        ${numbers.empty > 0 ? row(t.emptyFrames, this.#count(numbers.empty)) : nothing}
        ${row(t.bytes, this.#count(numbers.bytes))}
        ${row(t.keyIndex, numbers.keyIndex < 0 ? t.noKey : t.keyText(numbers.keyIndex, numbers.generation))}
        ${row(t.codecs, numbers.codecs.join(', ') || '–')}
        ${this.engine ? row(t.engine, t.engineText[this.engine.variant]) : nothing}
        ${row(t.perFrame, t.micros(numbers.microsPerFrame.toLocaleString(language(), { maximumFractionDigits: 1 })))}
        ${numbers.viaWebCrypto > 0 ? row(t.viaWebCrypto, this.#count(numbers.viaWebCrypto)) : nothing}
      </tbody>
    </table>`;
  }

  #tracks(tracks: readonly TrackCounters[]) {
    const { t } = this;
    const used = tracks.filter((track) => track.frames > 0);
    if (used.length < 2) return nothing;
    const lanes: Readonly<Record<string, string>> = t.lanes;
    return html`<table>
      <thead>
        <tr><th scope="col">${t.track}</th><td>${t.opened}</td></tr>
      </thead>
      <tbody>
        ${used.map((track) => html`<tr><th scope="row">${lanes[track.track] ?? t.track}</th><td>${this.#count(track.passed)}</td></tr>`)}
      </tbody>
    </table>`;
  }

  #closed(): void {
    if (this.target !== '') this.announce('numbers-of', '');
  }

  #outside(event: MouseEvent): void {
    if (event.target === event.currentTarget) (event.currentTarget as HTMLDialogElement).close();
  }
}
define('siegel-numbers', SiegelNumbers);
