/**
 * From what a person types to a homeserver and the ways to sign in there.
 * Errors: MatrixError 'bad-server', 'insecure-server', 'unknown-server', 'not-a-homeserver', 'rate-limited'.
 */
import { AutoDiscovery, createClient, MatrixError as SdkError } from 'matrix-js-sdk/lib/matrix';
import { cleanName } from '../call';
import { isLoopback } from '../call/hosts';
import { MatrixError, problemOf } from './errors';
import { isServerName } from './links';
import { silentLogger } from './quiet';
import type { Homeserver } from './types';

const kTimeoutMs = 10_000;
const kMaxBytes = 100_000;

/** No slash at the end. http only for this computer. */
export function checkBaseUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new MatrixError('bad-server');
  }
  if (url.username || url.password || url.search || url.hash) throw new MatrixError('bad-server');
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) throw new MatrixError('insecure-server');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new MatrixError('bad-server');
  return url.href.replace(/\/+$/, '');
}

/** An address to which tokens or people are sent: https, or this computer. Returns it as it is. */
export function checkEndpoint(text: unknown): string {
  let url: URL;
  try {
    url = new URL(String(text));
  } catch {
    throw new MatrixError('sign-in-unsupported');
  }
  if (url.username || url.password) throw new MatrixError('sign-in-unsupported');
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) throw new MatrixError('insecure-server');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new MatrixError('sign-in-unsupported');
  return url.href;
}

/** Reads an answer up to a limit: no server may fill the memory. Undefined when it is longer, or empty. */
export async function readBody(response: Response, maxBytes: number): Promise<Blob | undefined> {
  const reader = response.body?.getReader();
  if (!reader) return undefined;
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > maxBytes) {
      await reader.cancel();
      return undefined;
    }
    parts.push(value);
  }
  return new Blob(parts as BlobPart[], { type: response.headers.get('content-type') ?? '' });
}

/** Undefined when it is no JSON object, or too long. */
export async function readJson(response: Response): Promise<Record<string, unknown> | undefined> {
  const body = await readBody(response, kMaxBytes);
  if (!body) return undefined;
  try {
    const value: unknown = JSON.parse(await body.text());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** fetch without cookies, referrer or cache, and with a limit in time. */
export function plainFetch(url: string | URL, init: RequestInit = {}, timeoutMs = kTimeoutMs): Promise<Response> {
  return fetch(url, {
    credentials: 'omit',
    referrerPolicy: 'no-referrer',
    cache: 'no-store',
    ...init,
    signal: AbortSignal.timeout(timeoutMs),
  });
}

async function isHomeserver(baseUrl: string): Promise<void> {
  let response: Response;
  try {
    response = await plainFetch(`${baseUrl}/_matrix/client/versions`);
  } catch {
    throw new MatrixError('unknown-server');
  }
  if (response.status === 429) throw new MatrixError('rate-limited');
  const answer = response.ok ? await readJson(response).catch(() => undefined) : undefined;
  if (!answer || !Array.isArray(answer.versions)) throw new MatrixError('not-a-homeserver');
}

/** Where the clients of this server go, by its .well-known file; undefined when it names nothing. */
async function wellKnown(name: string): Promise<string | undefined> {
  const config = await AutoDiscovery.findClientConfig(name).catch(() => undefined);
  const found = config?.['m.homeserver'];
  return found?.state === AutoDiscovery.SUCCESS && found.base_url ? found.base_url : undefined;
}

/** `text`: a server name, a Matrix address (@name:server) or an https address. */
export async function discover(text: string): Promise<Homeserver> {
  const typed = text.trim().replace(/^@[^:]*:/, '');
  if (typed === '' || typed.length > 300) throw new MatrixError('bad-server');

  let baseUrl: string;
  let name: string;
  if (/^https?:\/\//i.test(typed)) {
    baseUrl = checkBaseUrl(typed);
    name = new URL(baseUrl).host;
    await isHomeserver(baseUrl).catch(async (error: unknown) => {
      // People paste the address of the organisation's web site, too.
      const moved = new URL(baseUrl).protocol === 'https:' ? await wellKnown(name) : undefined;
      if (!moved) throw error;
      baseUrl = checkBaseUrl(moved);
      await isHomeserver(baseUrl);
    });
  } else {
    name = typed.replace(/\/+$/, '').toLowerCase();
    if (!isServerName(name)) throw new MatrixError('bad-server');
    if (isLoopback(name.replace(/:\d+$/, ''))) {
      baseUrl = `http://${name}`;
    } else {
      baseUrl = checkBaseUrl((await wellKnown(name)) ?? `https://${name}`);
    }
    await isHomeserver(baseUrl);
  }
  return { baseUrl, name, ...(await waysToSignIn(baseUrl)) };
}

/** Marks a sign-in by redirect that leads to the authorization server of the newer one (MSC3824). */
const kDelegated = ['delegated_oidc_compatibility', 'org.matrix.msc3824.delegated_oidc_compatibility'] as const;
const kMaxProviders = 30;
const kMxc = /^mxc:\/\/([^/\s]{1,255})\/([A-Za-z0-9_-]{1,255})$/;

/** Exported for tests. Nothing usable: one button without a name, and the homeserver shows its own choice. */
export function providersOf(list: unknown): Homeserver['sso'][number][] {
  const named: Homeserver['sso'][number][] = [];
  for (const each of Array.isArray(list) ? list.slice(0, kMaxProviders) : []) {
    const { id, name, icon } = (each ?? {}) as Record<string, unknown>;
    if (typeof id !== 'string' || !/^[A-Za-z0-9._~-]{1,255}$/.test(id) || typeof name !== 'string') continue;
    const shown = cleanName(name);
    if (shown === '' || named.some((other) => other.id === id)) continue;
    named.push({ id, name: shown, ...(typeof icon === 'string' && kMxc.test(icon) ? { icon } : {}) });
  }
  return named.length > 0 ? named : [{ id: '', name: '' }];
}

const kMaxIcon = 100_000;
/** No SVG: it can hold more than a picture. */
const kIconTypes: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/webp', 'image/gif']);

/** Picture of a provider, from the homeserver and what it has itself; undefined when there is none. Never rejects. */
export async function providerIcon(baseUrl: string, mxc: string): Promise<string | undefined> {
  const [, host, id] = kMxc.exec(mxc) ?? [];
  if (!host || !id) return undefined;
  const path = [host, id].map(encodeURIComponent).join('/');
  const query = 'width=64&height=64&method=scale&allow_remote=false';
  try {
    const response = await plainFetch(`${baseUrl}/_matrix/media/v3/thumbnail/${path}?${query}`, { redirect: 'error' });
    const type = (response.headers.get('content-type') ?? '').split(';')[0]?.trim() ?? '';
    if (!response.ok || !kIconTypes.has(type)) return undefined;
    const body = await readBody(response, kMaxIcon);
    if (!body) return undefined;
    const bytes = new Uint8Array(await body.arrayBuffer());
    return `data:${type};base64,${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))}`;
  } catch {
    return undefined;
  }
}

/** Ways of signing in that this server offers and we know. */
export async function waysToSignIn(baseUrl: string): Promise<Pick<Homeserver, 'password' | 'sso' | 'oidc'>> {
  const client = createClient({ baseUrl, logger: silentLogger, localTimeoutMs: kTimeoutMs });
  const oidc = client.getAuthMetadata().then(
    () => true,
    () => false,
  );
  try {
    const { flows } = await client.loginFlows();
    if (!Array.isArray(flows)) throw new MatrixError('not-a-homeserver');
    const newer = await oidc;
    const sso = flows
      .filter(({ type }) => type === 'm.login.sso')
      // The same way once more, for clients that do not know the newer one.
      .filter(
        (flow) => !(newer && kDelegated.some((name) => (flow as unknown as Record<string, unknown>)[name] === true)),
      )
      .flatMap((flow) => providersOf((flow as { identity_providers?: unknown }).identity_providers));
    return { password: flows.some(({ type }) => type === 'm.login.password'), sso, oidc: newer };
  } catch (error) {
    // Servers with an identity provider of the newer kind alone need not answer the older question.
    if (error instanceof SdkError && (error.httpStatus === 404 || error.errcode === 'M_UNRECOGNIZED')) {
      return { password: false, sso: [], oidc: await oidc };
    }
    const problem = problemOf(error, 'not-a-homeserver');
    throw new MatrixError(problem === 'offline' ? 'unknown-server' : problem);
  }
}
