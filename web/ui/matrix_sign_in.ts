/** <siegel-matrix-sign-in>: homeserver first, then the ways in that it offers. Nothing is kept unless asked for. */
import { css, html, nothing } from 'lit';
import type { Homeserver, MatrixAccount, MatrixBackend, MatrixProblem, MatrixTarget, SignIn } from '../matrix/types';
import { define, SiegelElement } from './element';
import { icons } from './icons';
import { sharedStyles } from './styles';

/** The problem of a rejection, as far as it names one. */
export function problemOf(error: unknown, known: Readonly<Record<string, unknown>>): MatrixProblem {
  const problem = (error as { problem?: unknown } | null)?.problem;
  return typeof problem === 'string' && Object.hasOwn(known, problem) ? (problem as MatrixProblem) : 'internal';
}

/** What the page waits for: an answer here, or the page of an identity provider that a server leads to. */
export type SigningIn = 'here' | { awayFrom: string } | undefined;

export class SiegelMatrixSignIn extends SiegelElement {
  static override properties = {
    backend: { attribute: false },
    target: { attribute: false },
    problem: { attribute: false },
    server: { state: true },
    busy: { state: true },
    withToken: { state: true },
    pictures: { state: true },
  };
  declare backend: MatrixBackend;
  declare target: MatrixTarget | undefined;
  declare problem: MatrixProblem | undefined;
  declare server: Homeserver | undefined;
  declare busy: boolean;
  declare withToken: boolean;
  /** Of identity providers, by id, as far as they have come. */
  declare pictures: ReadonlyMap<string, string>;

  static override styles = [
    sharedStyles,
    css`
      :host {
        display: block;
      }
      main {
        display: grid;
        gap: 1.4rem;
        width: min(27rem, 100%);
        margin-inline: auto;
        padding: clamp(1rem, 5vw, 3.5rem) clamp(1rem, 4vw, 1.5rem) 3rem;
      }
      .words {
        display: grid;
        gap: 0.6rem;
      }
      .card,
      form {
        display: grid;
        gap: 1.1rem;
      }
      .card {
        padding: clamp(1.1rem, 4vw, 1.6rem);
      }
      .at {
        display: flex;
        align-items: center;
        gap: 0.6rem;
        padding: 0.35rem 0.35rem 0.35rem 0.85rem;
        border-radius: var(--radius-control);
        background: var(--surface-2);
        min-width: 0;
      }
      .at span {
        flex: 1;
        min-width: 0;
        overflow-wrap: anywhere;
        font-weight: 560;
      }
      .at .button {
        min-height: 40px;
      }
      .or {
        display: grid;
        grid-template-columns: 1fr auto 1fr;
        align-items: center;
        gap: 0.8rem;
        color: var(--text-2);
        font-size: var(--size-s);
      }
      .or::before,
      .or::after {
        content: '';
        border-top: 1px solid var(--line);
      }
      .check {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 0.15rem 0.7rem;
        align-items: start;
      }
      .check input {
        width: 1.5rem;
        height: 1.5rem;
        margin: 0;
        accent-color: var(--accent);
      }
      .check .small {
        grid-column: 2;
      }
      .ways {
        display: grid;
        gap: 0.6rem;
      }
      .ways .button {
        overflow-wrap: anywhere;
      }
      .ways img {
        width: 1.5rem;
        height: 1.5rem;
        object-fit: contain;
        border-radius: 0.25rem;
      }
    `,
  ];

  constructor() {
    super();
    this.target = undefined;
    this.problem = undefined;
    this.server = undefined;
    this.busy = false;
    this.withToken = false;
    this.pictures = new Map();
  }

  override render() {
    const { t, server } = this;
    return html`<main>
      <div class="words">
        <h1>${t.matrix.title}</h1>
        <p class="quiet">${this.target ? t.matrix.invitedTo(this.target.room.startsWith('#') ? this.target.room : t.matrix.aRoom) : t.matrix.text}</p>
      </div>
      <div class="card">
        ${server ? this.#ways(server) : this.#server()}
        <div role="alert">
          ${this.problem ? html`<div class="hint bad" data-problem=${this.problem}>${icons.warning}<span>${t.matrixProblem[this.problem]}</span></div>` : nothing}
        </div>
      </div>
    </main>`;
  }

  #server() {
    const { t } = this;
    return html`<form @submit=${this.#discover}>
      <div class="field">
        <label for="server">${t.matrix.server}</label>
        <input class="input" id="server" name="server" required inputmode="url" autocomplete="off" autocapitalize="off" spellcheck="false"
          placeholder=${t.matrix.serverPlaceholder} .value=${this.backend.lastServer ?? this.target?.server ?? ''} aria-describedby="server-hint" />
        <span id="server-hint" class="quiet small">${t.matrix.serverHint}</span>
      </div>
      <button type="submit" class="button primary wide" ?disabled=${this.busy}>${this.busy ? t.matrix.searching : t.matrix.next}</button>
    </form>`;
  }

  #ways(server: Homeserver) {
    const { t } = this;
    const redirect = server.oidc || server.sso.length > 0;
    return html`
      <div class="at">${icons.server}<span>${server.name}</span>
        <button type="button" class="button plain" @click=${this.#otherServer}>${t.matrix.change}</button></div>
      ${
        redirect
          ? html`${this.#remember()}
            <div class="ways">
              ${
                server.oidc
                  ? html`<button type="button" class="button primary wide" ?disabled=${this.busy} @click=${() => this.#signIn({ kind: 'oidc' })}>${icons.door}<span>${t.matrix.with(server.name)}</span></button>`
                  : nothing
              }
              ${server.sso.map(
                ({ id, name }) =>
                  html`<button type="button" class="button wide" ?disabled=${this.busy} @click=${() => this.#signIn(id === '' ? { kind: 'sso' } : { kind: 'sso', provider: id })}>${this.#picture(id)}<span>${t.matrix.with(name || t.matrix.provider)}</span></button>`,
              )}
            </div>`
          : nothing
      }
      ${redirect && (server.password || this.withToken) ? html`<div class="or">${t.matrix.or}</div>` : nothing}
      ${
        this.withToken
          ? html`<form @submit=${this.#token}>
              <div class="field">
                <label for="token">${t.matrix.token}</label>
                <input class="input" id="token" name="token" type="password" required autocomplete="off" />
              </div>
              <button type="submit" class="button primary wide" ?disabled=${this.busy}>${this.busy ? t.matrix.signingIn : t.matrix.signIn}</button>
            </form>`
          : server.password
            ? html`<form @submit=${this.#password}>
                <div class="field">
                  <label for="user">${t.matrix.user}</label>
                  <input class="input" id="user" name="user" required autocomplete="username" autocapitalize="off" spellcheck="false" placeholder=${t.matrix.userPlaceholder} />
                </div>
                <div class="field">
                  <label for="password">${t.matrix.password}</label>
                  <input class="input" id="password" name="password" type="password" required autocomplete="current-password" />
                </div>
                <button type="submit" class="button primary wide" ?disabled=${this.busy}>${this.busy ? t.matrix.signingIn : t.matrix.signIn}</button>
              </form>`
            : nothing
      }
      ${redirect ? nothing : this.#remember()}
      ${
        this.withToken
          ? nothing
          : html`<button type="button" class="button plain" @click=${() => {
              this.withToken = true;
              this.problem = undefined;
            }}>${icons.key}${t.matrix.tokenInstead}</button>`
      }
    `;
  }

  /** Before what it applies to: a redirect leaves the page with one press. */
  #remember() {
    const { t } = this;
    return html`<div class="check">
      <input type="checkbox" id="remember" aria-describedby="remember-hint" />
      <label for="remember">${t.matrix.remember}</label>
      <span id="remember-hint" class="quiet small">${t.matrix.rememberHint}</span>
    </div>`;
  }

  #picture(id: string) {
    const picture = this.pictures.get(id);
    return picture ? html`<img src=${picture} alt="" />` : icons.door;
  }

  readonly #otherServer = (): void => {
    this.server = undefined;
    this.withToken = false;
    this.problem = undefined;
  };

  readonly #discover = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    await this.discover(field(event, 'server').value.trim());
  };

  async discover(name: string): Promise<void> {
    this.busy = true;
    this.problem = undefined;
    try {
      this.server = await this.backend.discover(name);
      if (!this.server.password && !this.server.oidc && this.server.sso.length === 0) this.withToken = true;
      void this.#findPictures(this.server);
    } catch (error) {
      this.problem = problemOf(error, this.t.matrixProblem);
    } finally {
      this.busy = false;
    }
  }

  async #findPictures(server: Homeserver): Promise<void> {
    this.pictures = new Map();
    await Promise.all(
      server.sso.map(async ({ id, icon }) => {
        const picture = icon ? await this.backend.icon(server, icon) : undefined;
        if (picture && this.server === server) this.pictures = new Map([...this.pictures, [id, picture]]);
      }),
    );
  }

  readonly #password = (event: SubmitEvent): void => {
    event.preventDefault();
    const user = field(event, 'user').value.trim();
    const password = field(event, 'password');
    void this.#signIn({ kind: 'password', user, password: password.value });
  };

  readonly #token = (event: SubmitEvent): void => {
    event.preventDefault();
    void this.#signIn({ kind: 'token', token: field(event, 'token').value.trim() });
  };

  async #signIn(how: SignIn): Promise<void> {
    if (!this.server || this.busy) return;
    const remember = this.renderRoot.querySelector<HTMLInputElement>('#remember')?.checked ?? false;
    this.busy = true;
    this.problem = undefined;
    const away = how.kind === 'sso' || how.kind === 'oidc';
    this.announce<SigningIn>('signing-in', away ? { awayFrom: this.server.name } : 'here');
    try {
      const account = await this.backend.signIn(this.server, how, {
        remember,
        ...(this.target ? { target: this.target } : {}),
      });
      this.announce<MatrixAccount>('account', account);
    } catch (error) {
      this.problem = problemOf(error, this.t.matrixProblem);
    } finally {
      this.busy = false;
      this.announce<SigningIn>('signing-in', undefined);
    }
  }
}
define('siegel-matrix-sign-in', SiegelMatrixSignIn);

const field = (event: Event, name: string) =>
  (event.target as HTMLFormElement).elements.namedItem(name) as HTMLInputElement;
