/** <siegel-matrix-rooms>: the person's rooms, a new one, or one by its address. */
import { css, html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { initials } from '../call';
import type { MatrixAccount, MatrixProblem, RoomSummary } from '../matrix/types';
import { define, SiegelElement } from './element';
import { icons } from './icons';
import { problemOf } from './matrix_sign_in';
import { sharedStyles } from './styles';

/** From so many rooms on, a search field is worth its space. */
const kFilterFrom = 7;

export class SiegelMatrixRooms extends SiegelElement {
  static override properties = {
    account: { attribute: false },
    problem: { attribute: false },
    problemAt: { state: true },
    badInvite: { state: true },
    busy: { state: true },
    filter: { state: true },
  };
  declare account: MatrixAccount;
  declare problem: MatrixProblem | undefined;
  declare problemAt: 'list' | 'create' | 'open';
  declare badInvite: string;
  declare busy: boolean;
  declare filter: string;
  #stop: (() => void) | undefined;

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: block;
      }
      main {
        display: grid;
        gap: clamp(1.25rem, 4vw, 2.25rem);
        width: min(62rem, 100%);
        margin-inline: auto;
        padding: clamp(0.75rem, 3vw, 2.25rem) clamp(0.9rem, 4vw, 2rem) 3rem;
        align-items: start;
      }
      @media (min-width: 52rem) {
        main {
          grid-template-columns: minmax(0, 1.35fr) minmax(19rem, 1fr);
        }
      }
      section,
      form,
      .side {
        display: grid;
        gap: 0.9rem;
      }
      .side {
        gap: 1.25rem;
      }
      .card {
        padding: clamp(1rem, 4vw, 1.4rem);
      }
      .who {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: space-between;
        gap: 0.25rem 1rem;
      }
      .who p {
        min-width: 0;
        overflow-wrap: anywhere;
      }
      .device {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.35rem 0.6rem;
        font-size: var(--size-s);
        color: var(--amber-text);
      }
      .device.good {
        color: var(--green-text);
      }
      .device .button {
        margin-left: auto;
      }
      ul {
        display: grid;
        gap: 0.5rem;
        margin: 0;
        padding: 0;
        list-style: none;
      }
      .room {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr) auto;
        align-items: center;
        gap: 0.15rem 0.9rem;
        width: 100%;
        min-height: 64px;
        padding: 0.6rem 0.9rem;
        border: 1px solid var(--line);
        border-radius: var(--radius-control);
        background: var(--surface);
        text-align: left;
      }
      .room:hover {
        border-color: var(--line-strong);
        background: var(--surface-2);
      }
      .face {
        display: grid;
        place-items: center;
        width: 42px;
        height: 42px;
        border-radius: 0.8rem;
        overflow: hidden;
        background: var(--accent-tint);
        color: var(--accent);
        font-weight: 640;
      }
      .face img {
        width: 100%;
        height: 100%;
        object-fit: cover;
      }
      .room > span {
        min-width: 0;
      }
      .name {
        display: block;
        font-weight: 600;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .about {
        display: flex;
        align-items: center;
        gap: 0.35rem;
        font-size: var(--size-s);
        color: var(--text-2);
      }
      .about .icon {
        width: 1.05rem;
        height: 1.05rem;
      }
      .about.live {
        color: var(--green-text);
        font-weight: 560;
      }
      .about.clear {
        color: var(--red-text);
      }
    `,
  ];

  constructor() {
    super();
    this.problem = undefined;
    this.problemAt = 'list';
    this.badInvite = '';
    this.busy = false;
    this.filter = '';
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const stops = [
      this.account.on('change', () => this.requestUpdate()),
      this.account.verification?.on('change', () => this.requestUpdate()),
    ];
    this.#stop = () => {
      for (const stop of stops) stop?.();
    };
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
  }

  override render() {
    const { t, account } = this;
    const wanted = this.filter.trim().toLowerCase();
    const rooms = account.rooms.filter(({ name }) => wanted === '' || name.toLowerCase().includes(wanted));
    return html`<main>
      <section aria-labelledby="rooms">
        <div class="who">
          <h1 id="rooms">${t.matrix.rooms}</h1>
        </div>
        ${
          account.rooms.length >= kFilterFrom
            ? html`<input class="input" type="search" aria-label=${t.matrix.roomFilter} placeholder=${t.matrix.roomFilter} @input=${(
                event: InputEvent,
              ) => {
                this.filter = (event.target as HTMLInputElement).value;
              }} />`
            : nothing
        }
        ${this.#problemFor('list')}
        ${
          account.rooms.length === 0
            ? html`<p class="quiet">${t.matrix.roomsNone}</p>`
            : html`<ul>${repeat(
                rooms,
                ({ id }) => id,
                (room) => this.#room(room),
              )}</ul>`
        }
      </section>
      <div class="side">
        <form class="card" @submit=${this.#create}>
          <h2>${t.matrix.create}</h2>
          <div class="field">
            <label for="name">${t.matrix.createName}</label>
            <input class="input" id="name" name="name" required maxlength="120" autocomplete="off" placeholder=${t.matrix.createNamePlaceholder} />
          </div>
          <div class="field">
            <label for="invite">${t.matrix.createInvite}</label>
            <input class="input" id="invite" name="invite" autocomplete="off" autocapitalize="off" spellcheck="false" placeholder=${t.matrix.createInvitePlaceholder} aria-describedby="invite-hint" />
            <span id="invite-hint" class="quiet small">${t.matrix.createInviteHint}</span>
          </div>
          <div role="alert">${this.badInvite ? html`<div class="hint bad">${icons.warning}<span>${t.matrix.badInvite(this.badInvite)}</span></div>` : nothing}</div>
          ${this.#problemFor('create')}
          <button type="submit" class="button primary wide" ?disabled=${this.busy}>${icons.lock}${t.matrix.createButton}</button>
        </form>
        <form class="card" @submit=${this.#open}>
          <h2>${t.matrix.openRoom}</h2>
          <div class="field">
            <label for="address">${t.matrix.openLabel}</label>
            <input class="input" id="address" name="address" required autocomplete="off" autocapitalize="off" spellcheck="false" placeholder=${t.matrix.openPlaceholder} />
          </div>
          ${this.#problemFor('open')}
          <button type="submit" class="button wide" ?disabled=${this.busy}>${this.busy ? t.matrix.opening : t.matrix.open}</button>
        </form>
        ${this.#device()}
        <div class="who">
          <p class="quiet small">${t.matrix.signedInAs} ${account.userId}</p>
          ${
            account.manageUrl
              ? html`<a class="button plain" href=${account.manageUrl} target="_blank" rel="noopener noreferrer">${t.matrix.manageAccount}</a>`
              : nothing
          }
          <button type="button" class="button plain" @click=${() => this.announce('sign-out')}>${t.matrix.signOut}</button>
        </div>
      </div>
    </main>`;
  }

  #room(room: RoomSummary) {
    const { t } = this;
    return html`<li><button type="button" class="room" data-room=${room.id} ?disabled=${this.busy} @click=${() => this.announce('room', room)}>
      <span class="face" aria-hidden="true">${room.avatar ? html`<img src=${room.avatar} alt="" />` : initials(room.name) || '#'}</span>
      <span>
        <span class="name" dir="auto">${room.name}</span>
        ${
          room.inCall > 0
            ? html`<span class="about live">${icons.people}${t.matrix.inCall(room.inCall)}</span>`
            : room.encrypted
              ? nothing
              : html`<span class="about clear">${icons.shieldRed}${t.matrix.notEncrypted}</span>`
        }
      </span>
      ${icons.camera}
    </button></li>`;
  }

  #device() {
    const own = this.account.verification?.own;
    if (own === undefined) return nothing;
    const t = this.t.verify;
    const good = own === 'verified';
    return html`<div class="device ${good ? 'good' : ''}" data-own-device=${own}>
      ${good ? icons.shieldGreen : icons.shieldAmber}<span>${t.own[own]}</span>
      <button type="button" class="button plain" @click=${() => this.announce('verify-device')}>${good ? this.t.details : own === 'no-identity' ? t.setUp : t.device}</button>
    </div>`;
  }

  #problemFor(place: 'list' | 'create' | 'open') {
    const { problem } = this;
    return html`<div role="alert">${
      problem && this.problemAt === place
        ? html`<div class="hint bad" data-problem=${problem}>${icons.warning}<span>${this.t.matrixProblem[problem]}</span></div>`
        : nothing
    }</div>`;
  }

  readonly #create = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const value = (name: string) =>
      ((event.target as HTMLFormElement).elements.namedItem(name) as HTMLInputElement).value.trim();
    const invite = value('invite')
      .split(/[,;\s]+/)
      .filter((each) => each !== '');
    this.badInvite = invite.find((each) => !/^@[^:\s]+:[^\s:]+(:\d+)?$/.test(each)) ?? '';
    if (this.badInvite) return;
    await this.#run('create', () => this.account.create(value('name'), invite));
  };

  readonly #open = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const input = (event.target as HTMLFormElement).elements.namedItem('address') as HTMLInputElement;
    await this.#run('open', () => this.account.enter({ room: input.value.trim() }));
  };

  async #run(place: 'create' | 'open', work: () => Promise<RoomSummary>): Promise<void> {
    this.busy = true;
    this.problem = undefined;
    try {
      this.announce('room', await work());
    } catch (error) {
      this.problemAt = place;
      this.problem = problemOf(error, this.t.matrixProblem);
    } finally {
      this.busy = false;
    }
  }
}
define('siegel-matrix-rooms', SiegelMatrixRooms);
