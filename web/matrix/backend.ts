/** What a page starts with: signing in, coming back from an identity provider, a kept session, or being a widget. */
import { ClientAccount } from './account';
import { dropDevice, type Session, signInWithPassword, signInWithToken, startClient } from './client';
import { checkBaseUrl, discover, providerIcon } from './discovery';
import { MatrixError, problemOf } from './errors';
import './quiet';
import { finishRedirect, type RedirectAnswer, redirectAnswer, startRedirect } from './redirect';
import { kCryptoPrefix, type RedirectNote, redirectNote, sessionStore } from './store';
import type {
  Homeserver,
  MatrixAccount,
  MatrixBackend,
  MatrixBackendOptions,
  MatrixProblem,
  MatrixTarget,
  SignIn,
} from './types';
import { SecretKeys } from './verification';
import { startWidget, type WidgetParameters, widgetParameters } from './widget';

/** The page as it is now, without what must not travel. */
function thisPage(): string {
  const url = new URL(location.href);
  url.hash = '';
  url.search = '';
  return url.href;
}

class Backend implements MatrixBackend {
  readonly #assets: URL;
  readonly #options: MatrixBackendOptions;
  readonly #widget: WidgetParameters | undefined;
  readonly #widgetProblem: MatrixError | undefined;
  /** The way back from an identity provider, as it was found when the page opened; used once. */
  #back: { answer?: RedirectAnswer; note?: RedirectNote } = {};
  readonly lastServer: string | undefined;

  constructor(options: MatrixBackendOptions) {
    this.#options = options;
    this.#assets = new URL(options.assets ?? new URL('../assets/', import.meta.url), location.href);
    try {
      this.#widget = widgetParameters(location.href);
    } catch (error) {
      this.#widgetProblem = new MatrixError(problemOf(error));
    }
    if (this.widget) return;
    const answer = redirectAnswer(location.href);
    const note = redirectNote.take();
    this.#back = { ...(answer ? { answer } : {}), ...(note ? { note } : {}) };
    this.lastServer = note?.serverName;
    if (!answer) return;
    // Out of the address at once: it holds a token or a code. The room that the person was on the way to stands there again, and what the link
    // says beside it (`?noise=…`).
    const rest = new URL(answer.rest);
    if (note?.hash?.startsWith('#/room/')) rest.hash = note.hash;
    if (note?.search?.startsWith('?')) rest.search = note.search;
    history.replaceState(history.state, '', rest);
  }

  get widget(): boolean {
    return this.#widget !== undefined || this.#widgetProblem !== undefined;
  }

  discover(server: string): Promise<Homeserver> {
    return discover(server);
  }

  icon(server: Homeserver, icon: string): Promise<string | undefined> {
    return providerIcon(server.baseUrl, icon);
  }

  async signIn(
    server: Homeserver,
    how: SignIn,
    { remember, target }: { remember: boolean; target?: MatrixTarget },
  ): Promise<MatrixAccount> {
    checkBaseUrl(server.baseUrl);
    switch (how.kind) {
      case 'password':
        return this.#start(await signInWithPassword(server, how.user, how.password, remember, this.#deviceName));
      case 'token':
        return this.#start(await signInWithToken(server, how.token, remember));
      case 'sso':
      case 'oidc': {
        const address = await startRedirect(how.kind, server, {
          remember,
          redirect: String(this.#options.redirect ?? thisPage()),
          appName: this.#deviceName,
          ...(location.hash.startsWith('#/room/') ? { hash: location.hash } : {}),
          ...(location.search ? { search: location.search } : {}),
          ...(target ? { target } : {}),
          ...(how.kind === 'sso' && how.provider ? { provider: how.provider } : {}),
        });
        // Never with another scheme than a page has, whatever the server says.
        if (!/^https?:$/.test(new URL(address).protocol)) throw new MatrixError('sign-in-unsupported');
        location.assign(address);
        return new Promise(() => {});
      }
    }
  }

  async resume(): Promise<
    { account: MatrixAccount; target?: MatrixTarget; problem?: MatrixProblem; kept?: boolean } | undefined
  > {
    if (this.#widgetProblem) throw this.#widgetProblem;
    if (this.#widget) {
      const account = await startWidget(this.#widget, this.#assets);
      return { account, target: { room: this.#widget.roomId } };
    }
    const { answer, note } = this.#back;
    this.#back = {};
    let problem: MatrixProblem | undefined;
    if (answer) {
      try {
        const { session, target } = await finishRedirect(answer, note, this.#deviceName);
        return { account: await this.#start(session), ...(target ? { target } : {}) };
      } catch (error) {
        problem = problemOf(error);
        if (problem !== 'sign-in-unasked') throw error;
      }
    } else if (note) {
      // Back without an answer: some homeservers show an error of their own and lead nowhere.
      problem = 'sign-in-cancelled';
    }
    const kept = await sessionStore.load();
    if (kept)
      return {
        kept: true,
        account: await this.#start({ ...kept, remember: true, ownDevice: true }),
        ...(problem === 'sign-in-unasked' ? { problem } : {}),
      };
    if (problem) throw new MatrixError(problem);
    return undefined;
  }

  get #deviceName(): string {
    return this.#options.deviceName ?? 'Siegel';
  }

  async #start(session: Session): Promise<MatrixAccount> {
    try {
      const secrets = new SecretKeys();
      const client = await startClient(session, this.#assets, secrets);
      return new ClientAccount(client, session, this.#assets, String(this.#options.linkBase ?? thisPage()), secrets);
    } catch (error) {
      const problem = problemOf(error);
      // A session that the server ended is of no use to anybody.
      if (problem === 'token-expired') await forget();
      // Nor is a device whose tokens this page is about to lose.
      dropDevice(problem === 'no-storage' ? { ...session, remember: false } : session);
      throw new MatrixError(problem);
    }
  }
}

async function forget(): Promise<void> {
  await sessionStore.clear();
  for (const name of [`${kCryptoPrefix}::matrix-sdk-crypto`, `${kCryptoPrefix}::matrix-sdk-crypto-meta`]) {
    try {
      indexedDB.deleteDatabase(name);
    } catch {
      // Nothing is kept where nothing can be.
    }
  }
}

export function createMatrixBackend(options: MatrixBackendOptions = {}): MatrixBackend {
  return new Backend(options);
}
