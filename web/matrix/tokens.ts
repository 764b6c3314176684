/**
 * Access tokens that expire, for sessions made by password or redirect: renews them with the session's refresh token
 * (POST /refresh), before they end where the server said when, else when it says so. The SDK does this by itself for OAuth
 * sessions only. Put in as the client's `fetchFn`: every request passes here and gets the token of now.
 *
 * Errors: as `fetch`; when the server takes the refresh token no longer, its answer to the request is handed on, and the SDK
 * signs out.
 */
import { plainFetch, readJson } from './discovery';

export interface Tokens {
  baseUrl: string;
  accessToken: string;
  refreshToken?: string;
}

/** Renewed when a third of its life is left. */
const kRest = 3;
/** More than requests can wait. */
const kMaxOld = 8;
/** After an answer that says "not now". */
const kPauseMs = 5000;

export class TokenRenewal {
  /** Tokens that this session had: requests that were prepared before a renewal carry them. */
  readonly #old = new Set<string>();
  #renewing: Promise<boolean> | undefined;
  #renewAt = Number.POSITIVE_INFINITY;

  /**
   * @param tokens changed in place
   * @param lifeMs of the token at hand, if the server said
   * @param changed called with new tokens
   */
  constructor(
    private readonly tokens: Tokens,
    lifeMs: number | undefined,
    private readonly changed: () => void,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#lives(lifeMs);
  }

  readonly fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    if (!this.#ours(init)) return fetch(input, init);
    // It still works for a while: trouble here is none yet.
    if (this.now() >= this.#renewAt) await this.#renew().catch(() => false);
    const used = this.tokens.accessToken;
    const response = await fetch(input, this.#with(init));
    if (response.status !== 401 || !this.tokens.refreshToken) return response;
    const { errcode } = (await readJson(response.clone()).catch(() => undefined)) ?? {};
    if (errcode !== 'M_UNKNOWN_TOKEN') return response;
    // Another request may have renewed it meanwhile.
    if (this.tokens.accessToken === used && !(await this.#renew())) return response;
    return fetch(input, this.#with(init));
  };

  #ours({ headers }: RequestInit): boolean {
    const given = new Headers(headers).get('authorization');
    return (
      given === `Bearer ${this.tokens.accessToken}` || (given !== null && this.#old.has(given.slice('Bearer '.length)))
    );
  }

  #with(init: RequestInit): RequestInit {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${this.tokens.accessToken}`);
    return { ...init, headers };
  }

  #lives(lifeMs: number | undefined): void {
    const known = lifeMs !== undefined && this.tokens.refreshToken !== undefined && lifeMs > 0;
    this.#renewAt = known ? this.now() + lifeMs - lifeMs / kRest : Number.POSITIVE_INFINITY;
  }

  /** False: the server refuses. Rejects when it cannot be reached. */
  #renew(): Promise<boolean> {
    this.#renewing ??= this.#ask().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #ask(): Promise<boolean> {
    const { baseUrl, refreshToken } = this.tokens;
    if (!refreshToken) return false;
    const response = await plainFetch(`${baseUrl}/_matrix/client/v3/refresh`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refresh_token: refreshToken }),
    });
    if (response.status >= 500 || response.status === 429) {
      // Every request would ask again otherwise.
      this.#renewAt = Math.max(this.#renewAt, this.now() + kPauseMs);
      throw new TypeError('the server cannot renew the token now');
    }
    // Once refused, it would be refused again.
    this.#renewAt = Number.POSITIVE_INFINITY;
    const answer = response.ok ? await readJson(response) : undefined;
    const { access_token: token, refresh_token: next, expires_in_ms: life } = answer ?? {};
    if (typeof token !== 'string' || token === '') return false;
    this.#old.add(this.tokens.accessToken);
    if (this.#old.size > kMaxOld) this.#old.delete(this.#old.values().next().value as string);
    this.tokens.accessToken = token;
    if (typeof next === 'string' && next !== '') this.tokens.refreshToken = next;
    this.#lives(typeof life === 'number' ? life : undefined);
    this.changed();
    return true;
  }
}
