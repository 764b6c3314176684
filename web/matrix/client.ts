/**
 * From a homeserver to a running client: signing in, the SDK's cryptography, the first answer of the server; and out again.
 * A session lives in memory, and is kept in this browser only where the person asked for it.
 *
 * Threads: main; the SDK's WebAssembly (7.8 MB, from our own assets) runs here as well. Errors: MatrixError.
 */
import { initAsync } from '@matrix-org/matrix-sdk-crypto-wasm';
import {
  type AccessTokens,
  ClientEvent,
  createClient,
  type LoginRequest,
  type MatrixClient,
  MemoryStore,
  MatrixError as SdkError,
  SyncState,
} from 'matrix-js-sdk/lib/matrix';
import { MatrixError, problemOf } from './errors';
import { isUserId } from './links';
import { silentLogger } from './quiet';
import { type KeptSession, KeptSessionWriter, kCryptoPrefix, sessionStore } from './store';
import { TokenRenewal } from './tokens';
import type { Homeserver } from './types';
import { kVerificationMethods, type SecretKeys } from './verification';

/** Name of the SDK's WebAssembly file in the folder of assets; tools/build.mjs puts it there. */
export const kCryptoWasm = 'matrix-sdk-crypto.wasm';
const kRequestTimeoutMs = 30_000;
const kFirstSyncMs = 60_000;

export interface Session extends KeptSession {
  remember: boolean;
  /** This page made the device: nobody else needs it after signing out. */
  ownDevice: boolean;
  /** How long the access token lives, if the server said, ms from signing in. */
  lifeMs?: number;
  /** Where an OAuth session's tokens are handed back; of sessions that are not kept. */
  revokeAt?: string;
}

/** A client for single requests. */
export const temporary = (baseUrl: string, accessToken?: string): MatrixClient =>
  createClient({
    baseUrl,
    logger: silentLogger,
    localTimeoutMs: kRequestTimeoutMs,
    store: new MemoryStore(),
    ...(accessToken ? { accessToken } : {}),
  });

// Signing in ----------------------------------------------------------------------------------------------------------

/** The last step of every older way: the homeserver makes a device and gives its tokens. */
export async function login(
  server: Pick<Homeserver, 'baseUrl' | 'name'>,
  request: LoginRequest,
  remember: boolean,
  name: string,
): Promise<Session> {
  const answer = await temporary(server.baseUrl).loginRequest({
    initial_device_display_name: name,
    refresh_token: true,
    ...request,
  });
  if (!isUserId(answer.user_id) || !answer.device_id || !answer.access_token) throw new MatrixError('not-a-homeserver');
  return {
    baseUrl: server.baseUrl,
    serverName: server.name,
    userId: answer.user_id,
    deviceId: answer.device_id,
    accessToken: answer.access_token,
    ...(answer.refresh_token ? { refreshToken: answer.refresh_token } : {}),
    ...(answer.expires_in_ms ? { lifeMs: answer.expires_in_ms } : {}),
    remember,
    ownDevice: true,
  };
}

export async function signInWithPassword(
  server: Homeserver,
  user: string,
  password: string,
  remember: boolean,
  deviceName: string,
): Promise<Session> {
  const request: LoginRequest = {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: user.trim() },
    password,
  };
  try {
    return await login(server, request, remember, deviceName);
  } catch (error) {
    if (error instanceof SdkError && error.errcode === 'M_FORBIDDEN') throw new MatrixError('wrong-password');
    throw new MatrixError(problemOf(error));
  }
}

/**
 * With a token that belongs to a device which has no keys yet: taking over the keys of a device in use is not possible, and
 * publishing others for it would break it.
 */
export async function signInWithToken(server: Homeserver, token: string, remember: boolean): Promise<Session> {
  const accessToken = token.trim();
  if (accessToken === '' || /\s/.test(accessToken)) throw new MatrixError('wrong-token');
  const client = temporary(server.baseUrl, accessToken);
  try {
    const { user_id: userId, device_id: deviceId, is_guest: guest } = await client.whoami();
    // Guests have no keys that anybody could trust, and most rooms do not let them in.
    if (guest) throw new MatrixError('sign-in-unsupported');
    if (!deviceId || !isUserId(userId)) throw new MatrixError('wrong-token');
    const known = await client.downloadKeysForUsers([userId]);
    if (known.device_keys?.[userId]?.[deviceId]) throw new MatrixError('crypto-failed');
    return {
      baseUrl: server.baseUrl,
      serverName: server.name,
      userId,
      deviceId,
      accessToken,
      remember,
      ownDevice: false,
    };
  } catch (error) {
    const problem = problemOf(error);
    throw new MatrixError(problem === 'token-expired' ? 'wrong-token' : problem);
  }
}

// Running -------------------------------------------------------------------------------------------------------------

const writers = new WeakMap<MatrixClient, KeptSessionWriter>();

function keepable(session: Session): KeptSession {
  const { remember: _remember, ownDevice: _ownDevice, lifeMs: _life, revokeAt: _revokeAt, ...kept } = session;
  return kept;
}

/**
 * Starts cryptography and sync. Resolves when the rooms are known.
 * @param assets folder with the SDK's WebAssembly
 * @param secrets where the cryptography asks for the key of the secret storage
 */
export async function startClient(session: Session, assets: URL, secrets: SecretKeys): Promise<MatrixClient> {
  try {
    await initAsync(new URL(kCryptoWasm, assets));
  } catch {
    throw new MatrixError('crypto-failed');
  }
  const writer = new KeptSessionWriter();
  if (session.remember) await writer.save(keepable(session));
  const save = (): void => {
    if (session.remember) void writer.save(keepable(session)).catch(() => {});
  };
  const renewal = new TokenRenewal(session, session.lifeMs, () => {
    client.setAccessToken(session.accessToken);
    save();
  });
  const client: MatrixClient = createClient({
    baseUrl: session.baseUrl,
    userId: session.userId,
    deviceId: session.deviceId,
    accessToken: session.accessToken,
    // The SDK renews the tokens of OAuth sessions, we those of the older kind.
    ...(session.oauthClientId
      ? {
          oauthClientId: session.oauthClientId,
          ...(session.refreshToken ? { refreshToken: session.refreshToken } : {}),
          onTokenRefresh: (tokens: AccessTokens) => {
            session.accessToken = tokens.accessToken;
            // A server may go on with the refresh token that it gave before (RFC 6749 §6); the SDK would forget it.
            if (tokens.refreshToken) session.refreshToken = tokens.refreshToken;
            else if (session.refreshToken) tokens.refreshToken = session.refreshToken;
            save();
          },
        }
      : { fetchFn: renewal.fetch }),
    logger: silentLogger,
    localTimeoutMs: kRequestTimeoutMs,
    store: new MemoryStore(),
    timelineSupport: true,
    disableVoip: true,
    cryptoCallbacks: secrets.callbacks,
    verificationMethods: kVerificationMethods,
  });
  writers.set(client, writer);
  try {
    await client.initRustCrypto({ useIndexedDB: session.remember, cryptoDatabasePrefix: kCryptoPrefix });
  } catch {
    throw new MatrixError('crypto-failed');
  }
  try {
    await firstSync(client);
  } catch (error) {
    client.stopClient();
    throw error;
  }
  return client;
}

async function firstSync(client: MatrixClient): Promise<void> {
  let listener: ((state: SyncState, before: SyncState | null, data?: { error?: Error }) => void) | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const ready = new Promise<void>((resolve, reject) => {
    timer = setTimeout(() => reject(new MatrixError('offline')), kFirstSyncMs);
    listener = (state, _before, data) => {
      if (state === SyncState.Prepared || state === SyncState.Syncing) resolve();
      else if (state === SyncState.Error) reject(new MatrixError(problemOf(data?.error, 'offline')));
    };
    client.on(ClientEvent.Sync, listener);
  });
  ready.catch(() => {});
  try {
    await client.startClient({ initialSyncLimit: 20, lazyLoadMembers: true });
    await ready;
  } finally {
    clearTimeout(timer);
    if (listener) client.off(ClientEvent.Sync, listener);
  }
}

/**
 * Ends the client and removes what was kept. With `logout` the device is removed at the homeserver as well, as far as it can
 * be reached within five seconds. Never rejects.
 */
export async function endClient(client: MatrixClient, logout: boolean): Promise<void> {
  client.stopClient();
  if (logout) {
    const patience = new Promise((resolve) => setTimeout(resolve, 5000));
    await Promise.race([client.logout(false).catch(() => {}), patience]);
  }
  client.http.abort();
  await (writers.get(client)?.end() ?? sessionStore.clear());
  await client.clearStores({ cryptoDatabasePrefix: kCryptoPrefix }).catch(() => {});
}

/**
 * For a page that is being closed in a call: ends the membership now. What the SDK sends is cut off with the page, and the
 * homeserver would notice only after the delay of the leave event.
 */
export function dropMembership(session: Session, roomId: string, stateKey: string): void {
  const path = [roomId, 'state', 'org.matrix.msc3401.call.member', stateKey].map(encodeURIComponent).join('/');
  void fetch(`${session.baseUrl}/_matrix/client/v3/rooms/${path}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${session.accessToken}`, 'content-type': 'application/json' },
    body: '{}',
    keepalive: true,
    credentials: 'omit',
    referrerPolicy: 'no-referrer',
  }).catch(() => {});
}

/** For a page that is being closed: removes a device that was made for this page only. */
export function dropDevice(session: Session): void {
  if (session.remember || !session.ownDevice) return;
  const how = { method: 'POST', keepalive: true, credentials: 'omit', referrerPolicy: 'no-referrer' } as const;
  if (session.oauthClientId) {
    if (!session.revokeAt) return;
    // With the refresh token the whole session ends.
    const [token, hint] = session.refreshToken
      ? [session.refreshToken, 'refresh_token']
      : [session.accessToken, 'access_token'];
    const body = new URLSearchParams({ token, token_type_hint: hint, client_id: session.oauthClientId });
    void fetch(session.revokeAt, { ...how, body }).catch(() => {});
    return;
  }
  void fetch(`${session.baseUrl}/_matrix/client/v3/logout`, {
    ...how,
    headers: { authorization: `Bearer ${session.accessToken}`, 'content-type': 'application/json' },
    body: '{}',
  }).catch(() => {});
}
