/**
 * Signing in at an identity provider: the page is left, and comes back with an answer in its address. Two kinds:
 *
 * - 'sso': the homeserver speaks with the provider and sends a login token (`?loginToken=…`). Matrix defines no protection
 *   against somebody who sends a person here with a login token of their own account, so the address to come back to holds a
 *   random value of ours.
 * - 'oidc': OAuth 2.0 with the homeserver's authorization server: PKCE, `state`, and the issuer's name (RFC 9207).
 *
 * What must be known again lies in sessionStorage for as long as the page is away; an answer without it is not used.
 * Errors: MatrixError 'sign-in-cancelled', 'sign-in-refused', 'sign-in-unasked', 'sign-in-unsupported', 'insecure-server',
 * 'no-storage', 'account-disabled', 'rate-limited', 'offline'.
 */
import { SSOAction } from 'matrix-js-sdk/lib/@types/auth';
import { OAuth2, type ValidatedAuthMetadata } from 'matrix-js-sdk/lib/oauth';
import { login, type Session, temporary } from './client';
import { checkBaseUrl, checkEndpoint } from './discovery';
import { MatrixError, problemOf } from './errors';
import { isUserId } from './links';
import { silentLogger } from './quiet';
import { type RedirectNote, redirectNote } from './store';
import type { Homeserver, MatrixTarget } from './types';

/** Name of our random value in the address to come back to. */
const kState = 'sign-in';

export interface RedirectOptions {
  remember: boolean;
  target?: MatrixTarget;
  /** Of Homeserver.sso. */
  provider?: string;
  /** Address of this page, without query and fragment. */
  redirect: string;
  /** The page's `#/room/…`, to be put back. */
  hash?: string;
  /** Its query, to be put back. */
  search?: string;
  /** Shown by the authorization server. */
  appName: string;
}

const random = (): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
};

/** Every address to which the person, the code or the tokens go. */
function checkMetadata(metadata: ValidatedAuthMetadata): void {
  checkEndpoint(metadata.authorization_endpoint);
  checkEndpoint(metadata.token_endpoint);
  checkEndpoint(metadata.registration_endpoint);
  checkEndpoint(metadata.revocation_endpoint);
}

/** Where the page has to go. Leaves the note for the way back. */
export async function startRedirect(
  kind: 'sso' | 'oidc',
  server: Homeserver,
  options: RedirectOptions,
): Promise<string> {
  const state = random();
  const note = {
    kind,
    baseUrl: server.baseUrl,
    serverName: server.name,
    remember: options.remember,
    state,
    leftAt: Date.now(),
    ...(options.target ? { target: options.target } : {}),
    ...(options.hash ? { hash: options.hash } : {}),
    ...(options.search ? { search: options.search } : {}),
  };
  const client = temporary(server.baseUrl);
  if (kind === 'sso') {
    const redirect = new URL(options.redirect);
    redirect.searchParams.set(kState, state);
    redirectNote.save({ ...note, redirectUri: redirect.href });
    return client.getSsoLoginUrl(redirect.href, 'sso', options.provider || undefined, SSOAction.LOGIN);
  }
  try {
    const metadata = await client.getAuthMetadata();
    checkMetadata(metadata);
    const page = new URL(options.redirect);
    const clientId = await OAuth2.registerClient(
      metadata,
      {
        client_name: options.appName,
        client_uri: `${page.origin}/`,
        redirect_uris: [options.redirect],
        application_type: 'web',
      },
      silentLogger,
    );
    const oauth = new OAuth2(metadata, { clientId }, silentLogger);
    const { deviceId, codeVerifier } = oauth.context;
    const address = await oauth.generateAuthorizationCodeGrantUrl(state, options.redirect, 'fragment');
    redirectNote.save({
      ...note,
      redirectUri: options.redirect,
      issuer: metadata.issuer,
      clientId,
      deviceId,
      codeVerifier,
    });
    return address;
  } catch (error) {
    throw new MatrixError(problemOf(error, 'sign-in-unsupported'));
  }
}

/** What an identity provider appended to the address of this page. */
export interface RedirectAnswer {
  kind: 'sso' | 'oidc';
  /** Ours, if this page asked. */
  state?: string;
  loginToken?: string;
  code?: string;
  issuer?: string;
  /** The provider's error code. */
  error?: string;
  /** The address without all that. */
  rest: string;
}

/** Undefined when there is nothing of that kind. Something said twice counts as not said. */
export function redirectAnswer(address: string): RedirectAnswer | undefined {
  const url = new URL(address);
  const only = (from: URLSearchParams, name: string, as: string): Record<string, string> => {
    const [value, ...more] = from.getAll(name);
    return value && more.length === 0 ? { [as]: value } : {};
  };
  const query = url.searchParams;
  if (query.has('loginToken')) {
    const answer = { ...only(query, 'loginToken', 'loginToken'), ...only(query, kState, 'state') };
    query.delete('loginToken');
    query.delete(kState);
    return { kind: 'sso', ...answer, rest: url.href };
  }
  if (url.hash.startsWith('#/')) return undefined;
  const fragment = new URLSearchParams(url.hash.slice(1));
  if (!fragment.has('code') && !fragment.has('error')) return undefined;
  url.hash = '';
  return {
    kind: 'oidc',
    ...only(fragment, 'state', 'state'),
    ...only(fragment, 'code', 'code'),
    ...only(fragment, 'iss', 'issuer'),
    ...only(fragment, 'error', 'error'),
    rest: url.href,
  };
}

/** This page asked for this very answer. */
const isAsked = (answer: RedirectAnswer, note: RedirectNote | undefined): note is RedirectNote =>
  note !== undefined && answer.kind === note.kind && answer.state === note.state;

/** The second half of startRedirect. */
export async function finishRedirect(
  answer: RedirectAnswer,
  note: RedirectNote | undefined,
  deviceName: string,
): Promise<{ session: Session; target?: MatrixTarget }> {
  if (!isAsked(answer, note)) throw new MatrixError('sign-in-unasked');
  if (answer.error === 'access_denied') throw new MatrixError('sign-in-cancelled');
  if (answer.error !== undefined) throw new MatrixError('sign-in-refused');
  const baseUrl = checkBaseUrl(note.baseUrl);
  const to = note.target ? { target: note.target } : {};
  try {
    if (note.kind === 'oidc') return { session: await exchange(baseUrl, answer, note), ...to };
    if (!answer.loginToken) throw new MatrixError('sign-in-refused');
    const request = { type: 'm.login.token', token: answer.loginToken };
    const session = await login({ baseUrl, name: note.serverName }, request, note.remember, deviceName);
    return { session, ...to };
  } catch (error) {
    throw new MatrixError(problemOf(error, 'sign-in-refused'));
  }
}

async function exchange(baseUrl: string, answer: RedirectAnswer, note: RedirectNote): Promise<Session> {
  const { clientId, deviceId, codeVerifier, redirectUri, issuer } = note;
  if (!answer.code || !clientId || !deviceId || !codeVerifier) throw new MatrixError('sign-in-refused');
  const metadata = await temporary(baseUrl).getAuthMetadata();
  checkMetadata(metadata);
  const named = (metadata as { authorization_response_iss_parameter_supported?: unknown })
    .authorization_response_iss_parameter_supported;
  // The code goes to the server that made it, and to no other (mix-up).
  const from = named === true || answer.issuer !== undefined ? answer.issuer : metadata.issuer;
  if (metadata.issuer !== issuer || from !== issuer) throw new MatrixError('sign-in-refused');
  const oauth = new OAuth2(metadata, { clientId, deviceId, codeVerifier }, silentLogger);
  const tokens = await oauth.completeAuthorizationCodeGrant(answer.code, redirectUri);
  try {
    const { user_id: userId, device_id: granted } = await temporary(baseUrl, tokens.access_token).whoami();
    // Another device than the one that was asked for may have keys already.
    if (!isUserId(userId) || granted !== deviceId) throw new MatrixError('sign-in-refused');
    return {
      baseUrl,
      serverName: note.serverName,
      userId,
      deviceId,
      accessToken: tokens.access_token,
      ...(tokens.refresh_token ? { refreshToken: tokens.refresh_token } : {}),
      oauthClientId: clientId,
      revokeAt: metadata.revocation_endpoint,
      remember: note.remember,
      ownDevice: true,
    };
  } catch (error) {
    await oauth.revokeToken(tokens.refresh_token ?? tokens.access_token).catch(() => {});
    throw error;
  }
}
