/**
 * A genuine Matrix client as the other side: matrix-js-sdk with its Rust cryptography, as it comes, in Node. What our page does
 * with it is thereby no agreement between two pages of ours.
 */
import {
  type CryptoApi,
  CryptoEvent,
  type GeneratedSecretStorageKey,
  type ShowSasCallbacks,
  VerificationPhase,
  type VerificationRequest,
} from 'matrix-js-sdk/lib/crypto-api/index.js';
import { type Logger, logger } from 'matrix-js-sdk/lib/logger.js';
import { ClientEvent, createClient, type MatrixClient, SyncState } from 'matrix-js-sdk/lib/matrix.js';
import { until } from '../../browser/support/until';
import type { Account } from '../../servers/matrix/stack.mjs';

// The SDK counts on Node 22.
const promises = Promise as unknown as { withResolvers?: () => unknown };
promises.withResolvers ??= () => {
  let resolve: unknown;
  let reject: unknown;
  const promise = new Promise((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
};
// For what does not take the logger of its client.
(logger as unknown as { setLevel(level: 'silent', persist: boolean): void }).setLevel('silent', false);
const nothing = () => {};
const silent: Logger = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  getChild: () => silent,
};

export interface SdkPeer {
  readonly client: MatrixClient;
  readonly crypto: CryptoApi;
  /** Requests that came in, newest last. */
  readonly requests: VerificationRequest[];
  /** Makes an identity and a recovery key, or a phrase, for the account, as Element does. The encoded recovery key. */
  setUp(phrase?: string): Promise<string>;
  /** Replaces the identity: what somebody does who lost everything, or who took over the account. */
  replaceIdentity(): Promise<void>;
  /** Takes up the identity with a recovery key. */
  recover(recoveryKey: Uint8Array<ArrayBuffer>): Promise<void>;
  /** The request that came in since `since` requests had. */
  incoming(since?: number): Promise<VerificationRequest>;
  /** Goes on until the symbols are there. */
  symbols(request: VerificationRequest): Promise<ShowSasCallbacks>;
  verified(): Promise<boolean>;
  close(): void;
}

export async function startSdkPeer(account: Account, homeserver: string): Promise<SdkPeer> {
  let key: { id: string; bytes: Uint8Array<ArrayBuffer> } | undefined;
  let given: Uint8Array<ArrayBuffer> | undefined;
  const client = createClient({
    baseUrl: homeserver,
    userId: account.userId,
    deviceId: account.deviceId,
    accessToken: account.accessToken,
    logger: silent,
    cryptoCallbacks: {
      getSecretStorageKey: async ({ keys }) => {
        if (key && key.id in keys) return [key.id, key.bytes];
        const id = Object.keys(keys)[0];
        return given && id !== undefined ? [id, given] : null;
      },
      cacheSecretStorageKey: (id, _info, bytes) => {
        key = { id, bytes };
      },
    },
  });
  await client.initRustCrypto({ useIndexedDB: false });
  const crypto = client.getCrypto();
  if (!crypto) throw new Error('the SDK has no cryptography');
  const requests: VerificationRequest[] = [];
  client.on(CryptoEvent.VerificationRequestReceived, (request) => requests.push(request));
  const ready = new Promise<void>((resolve) => {
    client.on(ClientEvent.Sync, (state) => {
      if (state === SyncState.Prepared) resolve();
    });
  });
  await client.startClient({ initialSyncLimit: 5 });
  await ready;
  const authorize = async <T>(request: (auth: never) => Promise<T>): Promise<T> => {
    const send = request as (auth: unknown) => Promise<T>;
    try {
      return await send(null);
    } catch (error) {
      const { session } = (error as { data?: { session?: string } }).data ?? {};
      const identifier = { type: 'm.id.user', user: account.userId };
      return send({ type: 'm.login.password', identifier, password: account.password, session });
    }
  };
  const verified = async () =>
    (await crypto.getDeviceVerificationStatus(account.userId, account.deviceId))?.crossSigningVerified ?? false;
  return {
    client,
    crypto,
    requests,
    verified,
    async setUp(phrase) {
      let made: GeneratedSecretStorageKey | undefined;
      await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: authorize });
      await crypto.bootstrapSecretStorage({
        createSecretStorageKey: async () => {
          made = await crypto.createRecoveryKeyFromPassphrase(phrase);
          return made;
        },
        setupNewKeyBackup: true,
      });
      await until(verified, 15_000, () => 'the peer did not verify itself', 200);
      return made?.encodedPrivateKey ?? '';
    },
    async replaceIdentity() {
      // The old storage is not opened for that, and stays as it is: with the keys of the identity that was.
      const storage = await client.secretStorage.getDefaultKeyId();
      const becomes = (id: string | null) =>
        until(
          async () => (await client.secretStorage.getDefaultKeyId()) === id,
          10_000,
          () => `the storage is not ${id}`,
        );
      await client.secretStorage.setDefaultKeyId(null);
      await becomes(null);
      await crypto.bootstrapCrossSigning({ setupNewCrossSigning: true, authUploadDeviceSigningKeys: authorize });
      await client.secretStorage.setDefaultKeyId(storage);
      await becomes(storage);
    },
    async recover(recoveryKey) {
      given = recoveryKey;
      // The SDK needs the public keys first.
      await crypto.userHasCrossSigningKeys();
      await crypto.bootstrapCrossSigning({});
      await until(verified, 15_000, () => 'the peer is not verified with this key', 200);
    },
    async incoming(since = 0) {
      await until(
        async () => requests.length > since,
        30_000,
        () => 'no request came',
        100,
      );
      return requests.at(-1) as VerificationRequest;
    },
    async symbols(request) {
      let found: ShowSasCallbacks | null = null;
      await until(
        async () => {
          const { verifier, phase } = request;
          if (phase === VerificationPhase.Cancelled) throw new Error(`cancelled: ${request.cancellationCode}`);
          if (verifier) {
            // The second call of verify() does nothing.
            void verifier.verify().catch(() => {});
            found = verifier.getShowSasCallbacks();
          }
          return found !== null;
        },
        30_000,
        () => `no symbols in phase ${request.phase}`,
        100,
      );
      return found as unknown as ShowSasCallbacks;
    },
    close: () => client.stopClient(),
  };
}
