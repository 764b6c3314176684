/**
 * Verifying this device and other people: with the recovery key, by comparing symbols with another device, and making an
 * identity for an account that has none. Cross-signing, secret storage and the protocol itself are the SDK's; what is shown as
 * verified is what its cryptography says afterwards, never that a dialog ended well.
 *
 * Secrets: a recovery key, phrase or password is used once. Key bytes are overwritten after use; the strings that people typed
 * cannot be. None of them is stored, logged or part of an error.
 *
 * Threads: main. Errors: VerificationError.
 */
import {
  type CryptoApi,
  type CryptoCallbacks,
  CryptoEvent,
  decodeRecoveryKey,
  deriveRecoveryKeyFromPassphrase,
  type ShowSasCallbacks,
  VerificationPhase,
  type VerificationRequest,
  VerificationRequestEvent,
  type Verifier,
  VerifierEvent,
} from 'matrix-js-sdk/lib/crypto-api';
import { ClientEvent, type MatrixClient, type MatrixEvent, MatrixError as SdkError } from 'matrix-js-sdk/lib/matrix';
import type { SecretStorageKeyDescriptionAesV1 } from 'matrix-js-sdk/lib/secret-storage';
import { cleanName, Emitter } from '../call';
import { problemOf } from './errors';
import type {
  Comparison,
  ComparisonEnd,
  ComparisonPhase,
  NewIdentity,
  OwnDevice,
  Verification,
  VerificationProblem,
} from './types';

/** The only method offered: a page cannot be sure of a camera for QR codes. For `createClient`. */
export const kVerificationMethods: string[] = ['m.sas.v1'];
/** Whoever was asked lets the asker begin, so that rarely both do. */
const kStartMs = 2000;
/** The Matrix specification's limit for an unanswered request. */
const kRequestMs = 600_000;
/** How long after a comparison the signatures may take to come back from the homeserver. */
const kSettleMs = 30_000;
const kPollMs = 500;
const kReadyMs = 6000;
/** More would only keep this device busy: a homeserver may say any number. */
const kMaxIterations = 10_000_000;

export class VerificationError extends Error {
  constructor(readonly problem: VerificationProblem) {
    super(problem);
    this.name = 'VerificationError';
  }
}

function failure(error: unknown, other: VerificationProblem = 'internal'): VerificationError {
  if (error instanceof VerificationError) return error;
  const problem = problemOf(error, 'internal');
  return new VerificationError(problem === 'offline' || problem === 'rate-limited' ? 'offline' : other);
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Gives the SDK the key of the secret storage while, and only while, a person has just entered or made it. */
export class SecretKeys {
  #lent: { id: string | undefined; key: Uint8Array<ArrayBuffer> } | undefined;

  /** For `createClient`. */
  readonly callbacks: CryptoCallbacks = {
    getSecretStorageKey: async ({ keys }) => {
      const lent = this.#lent;
      return lent?.id !== undefined && Object.hasOwn(keys, lent.id) ? [lent.id, lent.key] : null;
    },
    cacheSecretStorageKey: (id, _description, key) => {
      if (this.#lent?.key === key) this.#lent.id = id;
    },
  };

  /** `id` undefined: the SDK is about to make a storage with this key. */
  async lend<T>(id: string | undefined, key: Uint8Array<ArrayBuffer>, work: () => Promise<T>): Promise<T> {
    if (this.#lent) throw new VerificationError('busy');
    this.#lent = { id, key };
    try {
      return await work();
    } finally {
      this.#lent = undefined;
    }
  }
}

/** The bytes of a recovery key, or of the phrase that stands for it. Throws 'wrong-recovery-key'. The caller overwrites them. */
export async function secretStorageKey(
  input: string,
  passphrase: SecretStorageKeyDescriptionAesV1['passphrase'] | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return decodeRecoveryKey(input.replace(/\s/g, ''));
  } catch {
    // No recovery key. Its text may hold what was typed, so it goes no further.
  }
  if (passphrase?.algorithm !== 'm.pbkdf2' || input === '') throw new VerificationError('wrong-recovery-key');
  const { salt, iterations, bits = 256 } = passphrase;
  if (!Number.isInteger(iterations) || iterations < 1 || iterations > kMaxIterations || bits !== 256 || !salt)
    throw new VerificationError('set-up-elsewhere');
  return deriveRecoveryKeyFromPassphrase(input, salt, iterations, bits);
}

const kEnds: Readonly<Record<string, ComparisonEnd>> = {
  'm.timeout': 'timeout',
  'm.accepted': 'elsewhere',
  'm.mismatched_sas': 'mismatch',
  'm.mismatched_commitment': 'mismatch',
  'm.key_mismatch': 'mismatch',
  'm.user_mismatch': 'mismatch',
  'm.unknown_method': 'unsupported',
};

interface SasParts {
  request: VerificationRequest;
  name: string;
  /** This device is verified and holds the keys to vouch for others. */
  canVouch(): boolean;
  changed(): void;
  /** True once the cryptography counts the other side as verified; false when it does not within a while. */
  settled(device: string): Promise<boolean>;
}

/** One comparison, from asking to its end: a view of the SDK's request, and the steps that need no person. */
export class SasComparison implements Comparison {
  readonly kind: 'own-device' | 'person';
  readonly incoming: boolean;
  readonly name: string;
  readonly #parts: SasParts;
  #device = '';
  #accepted = false;
  #confirmed = false;
  #startAt: ReturnType<typeof setTimeout> | undefined;
  #starting = false;
  #limit: ReturnType<typeof setTimeout> | undefined;
  #verifier: Verifier | undefined;
  #sas: ShowSasCallbacks | undefined;
  #end: ComparisonEnd | undefined;
  #settling = false;
  readonly #onChange = (): void => this.#follow();

  constructor(parts: SasParts) {
    this.#parts = parts;
    const { request } = parts;
    this.kind = request.isSelfVerification ? 'own-device' : 'person';
    this.incoming = !request.initiatedByMe;
    this.name = parts.name;
    request.on(VerificationRequestEvent.Change, this.#onChange);
    this.#limit = setTimeout(() => this.#stop('timeout'), request.timeout ?? kRequestMs);
    this.#follow();
  }

  of(request: VerificationRequest): boolean {
    return this.#parts.request === request;
  }

  get address(): string {
    return this.#parts.request.otherUserId;
  }
  get device(): string {
    return this.#device;
  }
  get end(): ComparisonEnd | undefined {
    return this.#end;
  }
  get phase(): ComparisonPhase {
    if (this.#end) return 'ended';
    if (this.#confirmed) return 'confirmed';
    if (this.#sas) return 'compare';
    if (this.#phase === VerificationPhase.Requested) {
      if (!this.incoming) return 'waiting';
      return this.#accepted ? 'preparing' : 'incoming';
    }
    return 'preparing';
  }
  get symbols(): ReadonlyArray<{ symbol: string; name: string }> {
    return (this.#sas?.sas.emoji ?? []).map(([symbol, name]) => ({ symbol, name }));
  }
  get numbers(): readonly number[] {
    return this.symbols.length > 0 ? [] : (this.#sas?.sas.decimal ?? []);
  }

  get blocked(): boolean {
    return this.kind === 'person' && !this.#parts.canVouch();
  }

  accept(): void {
    if (this.phase !== 'incoming' || this.blocked) return;
    this.#accepted = true;
    this.#parts.request.accept().catch(() => this.#stop('failed'));
    this.#parts.changed();
  }

  confirm(): void {
    if (this.phase !== 'compare' || !this.#sas) return;
    this.#confirmed = true;
    this.#sas.confirm().catch(() => this.#stop('failed'));
    this.#parts.changed();
  }

  mismatch(): void {
    if (this.phase !== 'compare' || !this.#sas) return;
    this.#sas.mismatch();
    this.#finish('mismatch');
  }

  cancel(): void {
    this.#stop('cancelled');
  }

  /** Ends it without telling anybody: the account is gone. */
  drop(): void {
    this.#finish('cancelled');
  }

  #stop(end: ComparisonEnd): void {
    if (this.#end) return;
    this.#finish(end);
    void this.#parts.request.cancel().catch(() => {});
  }

  #finish(end: ComparisonEnd): void {
    if (this.#end) return;
    this.#end = end;
    clearTimeout(this.#startAt);
    clearTimeout(this.#limit);
    this.#parts.request.off(VerificationRequestEvent.Change, this.#onChange);
    this.#verifier?.off(VerifierEvent.ShowSas, this.#onChange);
    this.#parts.changed();
  }

  get #phase(): VerificationPhase {
    try {
      return this.#parts.request.phase;
    } catch {
      // Between two states of the SDK: the next change tells.
      return VerificationPhase.Ready;
    }
  }

  #follow(): void {
    if (this.#end) return;
    const { request } = this.#parts;
    // Known when the other side answers, and no longer told when all is done.
    this.#device = request.otherDeviceId || this.#device;
    switch (this.#phase) {
      case VerificationPhase.Ready:
        if (!request.otherPartySupportsMethod('m.sas.v1')) this.#stop('unsupported');
        else if (!this.incoming) this.#start();
        else this.#startAt ??= setTimeout(() => this.#start(), kStartMs);
        break;
      case VerificationPhase.Started:
        this.#compare();
        break;
      case VerificationPhase.Cancelled: {
        const code = request.cancellationCode ?? '';
        // Our own cancelling is no longer followed, so this was the other side, also when it is the same user.
        const end = code === 'm.user' ? 'declined' : Object.hasOwn(kEnds, code) ? kEnds[code] : undefined;
        this.#finish(end ?? 'failed');
        break;
      }
      case VerificationPhase.Done:
        // Done without this person's word: not by this protocol.
        if (this.#confirmed) this.#settle();
        else this.#finish('failed');
        break;
      default:
        break;
    }
    if (!this.#end) this.#parts.changed();
  }

  #start(): void {
    if (this.#starting || this.#end || this.#phase !== VerificationPhase.Ready) return;
    this.#starting = true;
    this.#parts.request.startVerification('m.sas.v1').then(
      () => this.#follow(),
      () => this.#stop('failed'),
    );
  }

  #compare(): void {
    const { verifier, chosenMethod } = this.#parts.request;
    if (chosenMethod !== null && chosenMethod !== 'm.sas.v1') {
      this.#stop('unsupported');
      return;
    }
    if (verifier && verifier !== this.#verifier) {
      this.#verifier?.off(VerifierEvent.ShowSas, this.#onChange);
      this.#verifier = verifier;
      // Comes after the change that made the symbols.
      verifier.on(VerifierEvent.ShowSas, this.#onChange);
      // Ends with the request, which says how.
      verifier.verify().catch(() => {});
    }
    this.#sas ??= verifier?.getShowSasCallbacks() ?? undefined;
  }

  #settle(): void {
    if (this.#settling) return;
    this.#settling = true;
    void this.#parts.settled(this.device).then((verified) => this.#finish(verified ? 'done' : 'failed'));
  }
}

interface Looked {
  own: OwnDevice;
  hasRecovery: boolean;
  hasPhrase: boolean;
  hasOtherDevice: boolean;
  canVouch: boolean;
}

const kNothing: Looked = {
  own: 'unknown',
  hasRecovery: false,
  hasPhrase: false,
  hasOtherDevice: false,
  canVouch: false,
};

export class ClientVerification extends Emitter<{ change: undefined }> implements Verification {
  readonly ready: Promise<void>;
  readonly #client: MatrixClient;
  readonly #secrets: SecretKeys;
  readonly #me: string;
  readonly #device: string;
  #state = kNothing;
  #looking: Promise<void> | undefined;
  #again = false;
  /** An identity was made here and did not reach the homeserver: what the SDK says of it does not count. */
  #unpublished = false;
  #comparison: SasComparison | undefined;
  #asking = false;
  #closed = false;
  #stop: Array<() => void> = [];

  constructor(client: MatrixClient, secrets: SecretKeys) {
    super();
    this.#client = client;
    this.#secrets = secrets;
    this.#me = client.getSafeUserId();
    this.#device = client.getDeviceId() ?? '';
    const look = (): void => void this.#look();
    const onDevices = (users: string[]): void => {
      if (users.includes(this.#me)) look();
    };
    const onTrust = (user: string): void => {
      if (user === this.#me) look();
    };
    const onData = (event: MatrixEvent): void => {
      if (/^m\.(secret_storage|cross_signing)\./.test(event.getType())) look();
    };
    const onRequest = (request: VerificationRequest): void => this.#onRequest(request);
    client.on(CryptoEvent.KeysChanged, look);
    client.on(CryptoEvent.DevicesUpdated, onDevices);
    client.on(CryptoEvent.UserTrustStatusChanged, onTrust);
    client.on(CryptoEvent.VerificationRequestReceived, onRequest);
    client.on(ClientEvent.AccountData, onData);
    this.#stop.push(
      () => void client.off(CryptoEvent.KeysChanged, look),
      () => void client.off(CryptoEvent.DevicesUpdated, onDevices),
      () => void client.off(CryptoEvent.UserTrustStatusChanged, onTrust),
      () => void client.off(CryptoEvent.VerificationRequestReceived, onRequest),
      () => void client.off(ClientEvent.AccountData, onData),
    );
    this.ready = Promise.race([this.#look(), sleep(kReadyMs)]);
  }

  get own(): OwnDevice {
    return this.#state.own;
  }
  get hasRecovery(): boolean {
    return this.#state.hasRecovery;
  }
  get hasPhrase(): boolean {
    return this.#state.hasPhrase;
  }
  get hasOtherDevice(): boolean {
    return this.#state.hasOtherDevice;
  }
  get canVouch(): boolean {
    return this.#state.canVouch;
  }
  get comparison(): Comparison | undefined {
    return this.#comparison;
  }

  async recover(input: string): Promise<void> {
    const crypto = this.#crypto();
    const storage = this.#client.secretStorage;
    try {
      const status = await crypto.getCrossSigningStatus();
      // Without them the SDK could not see whether the private keys belong to them.
      if (!status.publicKeysOnDevice) await crypto.userHasCrossSigningKeys(this.#me, true);
      if (!status.privateKeysInSecretStorage) throw new VerificationError('no-recovery');
      const had = Object.values(status.privateKeysCachedLocally).every(Boolean);
      const keys = await storage.isStored('m.cross_signing.master');
      const usual = await storage.getDefaultKeyId();
      const id = keys && usual && Object.hasOwn(keys, usual) ? usual : Object.keys(keys ?? {})[0];
      const description = id === undefined ? undefined : keys?.[id];
      if (id === undefined || !description) throw new VerificationError('no-recovery');
      const key = await secretStorageKey(input, description.passphrase);
      try {
        if (!(await storage.checkKey(key, description))) throw new VerificationError('wrong-recovery-key');
        await this.#secrets.lend(id, key, () =>
          crypto.bootstrapCrossSigning({
            // This only reads: an identity that exists must never be replaced by another one here.
            authUploadDeviceSigningKeys: () => Promise.reject(new VerificationError('other-identity')),
          }),
        );
      } catch (error) {
        // The key is right, and what it opens does not fit the account.
        throw failure(error, 'other-identity');
      } finally {
        key.fill(0);
      }
      // Keys that were here before (from another device that did not sign this one): the SDK has nothing to import then.
      if (had) await crypto.crossSignDevice(this.#device);
      if (!(await this.#holds(async () => (await this.#lookNow()).own === 'verified')))
        throw new VerificationError('other-identity');
    } catch (error) {
      throw failure(error);
    } finally {
      await this.#look();
    }
  }

  async newIdentity(): Promise<NewIdentity> {
    const crypto = this.#crypto();
    let hasStorage: boolean;
    try {
      if (this.#state.own !== 'no-identity') throw new VerificationError('set-up-elsewhere');
      hasStorage = await this.#client.secretStorage.hasKey();
    } catch (error) {
      throw failure(error);
    }
    // A storage without an identity: its key would have to be replaced, and with it the way to what is in there.
    if (hasStorage) throw new VerificationError('set-up-elsewhere');
    const made = await crypto.createRecoveryKeyFromPassphrase();
    const key = made.privateKey;
    const { encodedPrivateKey } = made;
    if (encodedPrivateKey === undefined) throw new VerificationError('internal');
    let published = false;
    let open = true;
    const close = (): void => {
      open = false;
      key.fill(0);
    };
    return {
      recoveryKey: encodedPrivateKey,
      drop: close,
      finish: async (password) => {
        if (!open) throw new VerificationError('internal');
        try {
          if (!published) {
            // Somebody may have made one on another device meanwhile.
            if (!this.#unpublished && (await crypto.userHasCrossSigningKeys(this.#me, true)))
              throw new VerificationError('set-up-elsewhere');
            this.#unpublished = true;
            await crypto.bootstrapCrossSigning({
              setupNewCrossSigning: true,
              authUploadDeviceSigningKeys: (request) => authorize(request, this.#me, password),
            });
            published = true;
            this.#unpublished = false;
          }
          await this.#secrets.lend(undefined, key, () =>
            crypto.bootstrapSecretStorage({ createSecretStorageKey: async () => made, setupNewSecretStorage: true }),
          );
          close();
          if (!(await this.#holds(async () => (await this.#lookNow()).own === 'verified')))
            throw new VerificationError('internal');
        } catch (error) {
          throw failure(error);
        } finally {
          await this.#look();
        }
      },
    };
  }

  compareOwn(): Promise<void> {
    return this.#ask(async (crypto) => {
      if (!this.#state.hasOtherDevice) throw new VerificationError('no-other-device');
      return crypto.requestOwnUserVerification();
    });
  }

  compareMember(member: string): Promise<void> {
    const userId = member.slice(0, member.indexOf('|'));
    const deviceId = member.slice(member.indexOf('|') + 1);
    return this.#ask(async (crypto) => {
      if (userId !== this.#me) {
        if (!this.#state.canVouch) throw new VerificationError('own-first');
        // Without the owner's signature this would say something about one device only, and only here.
        const device = await crypto.getDeviceVerificationStatus(userId, deviceId);
        if (!device?.signedByOwner) throw new VerificationError('peer-first');
      }
      return crypto.requestDeviceVerification(userId, deviceId);
    });
  }

  dismiss(): void {
    const comparison = this.#comparison;
    if (!comparison) return;
    comparison.cancel();
    this.#comparison = undefined;
    this.#changed();
  }

  /** Ends with the account. */
  close(): void {
    this.#closed = true;
    for (const stop of this.#stop.splice(0)) stop();
    this.#comparison?.drop();
    this.#comparison = undefined;
    this.clearListeners();
  }

  #crypto(): CryptoApi {
    const crypto = this.#client.getCrypto();
    if (!crypto || this.#closed) throw new VerificationError('internal');
    return crypto;
  }

  #changed(): void {
    if (!this.#closed) this.emit('change', undefined);
  }

  // Comparing ---------------------------------------------------------------------------------------------------------

  async #ask(request: (crypto: CryptoApi) => Promise<VerificationRequest>): Promise<void> {
    if (this.#asking || (this.#comparison && this.#comparison.phase !== 'ended')) throw new VerificationError('busy');
    this.#asking = true;
    try {
      this.#take(await request(this.#crypto()));
    } catch (error) {
      throw failure(error);
    } finally {
      this.#asking = false;
    }
  }

  #onRequest(request: VerificationRequest): void {
    if (this.#closed || request.initiatedByMe || !request.pending) return;
    // One at a time. (Where both sides asked, the SDK has called off both requests.)
    if (this.#comparison && this.#comparison.phase !== 'ended') return;
    if (this.#asking) return;
    this.#take(request);
  }

  #take(request: VerificationRequest): void {
    const { otherUserId, isSelfVerification } = request;
    const comparison = new SasComparison({
      request,
      name: cleanName((!isSelfVerification && this.#client.getUser(otherUserId)?.displayName) || ''),
      canVouch: () => this.#state.canVouch,
      changed: () => {
        // Not while it is being made: then it is no comparison yet.
        if (this.#comparison?.of(request)) this.#changed();
      },
      settled: (device) => this.#holds(() => this.#isVerified(otherUserId, device)),
    });
    this.#comparison = comparison;
    this.#changed();
  }

  /** What a comparison was for came true, for the cryptography. */
  async #isVerified(userId: string, deviceId: string): Promise<boolean> {
    const crypto = this.#crypto();
    if (userId !== this.#me) return (await crypto.getUserVerificationStatus(userId)).isCrossSigningVerified();
    if ((await this.#lookNow()).own !== 'verified') return false;
    return (await crypto.getDeviceVerificationStatus(userId, deviceId))?.crossSigningVerified ?? false;
  }

  /** Signatures travel by the homeserver and come back with its list of devices. */
  async #holds(check: () => Promise<boolean>, within = kSettleMs): Promise<boolean> {
    for (const end = performance.now() + within; ; await sleep(kPollMs)) {
      if (this.#closed) return false;
      if (await check().catch(() => false)) return true;
      if (performance.now() > end) return false;
    }
  }

  // Own state ---------------------------------------------------------------------------------------------------------

  /** At most one look at a time, and one more when something changed meanwhile. */
  #look(): Promise<void> {
    if (this.#looking) {
      this.#again = true;
      return this.#looking;
    }
    this.#looking = (async () => {
      do {
        this.#again = false;
        await this.#lookNow().catch(() => {});
      } while (this.#again && !this.#closed);
      this.#looking = undefined;
    })();
    return this.#looking;
  }

  async #lookNow(): Promise<Looked> {
    const crypto = this.#crypto();
    const [status, device, devices, storage] = await Promise.all([
      crypto.getCrossSigningStatus(),
      crypto.getDeviceVerificationStatus(this.#me, this.#device),
      crypto.getUserDeviceInfo([this.#me], true),
      this.#client.secretStorage.getKey(),
    ]);
    const others = [...(devices.get(this.#me)?.values() ?? [])].filter(
      ({ deviceId, dehydrated }) => deviceId !== this.#device && !dehydrated,
    );
    const signed = await Promise.all(
      others.map(async ({ deviceId }) => (await crypto.getDeviceVerificationStatus(this.#me, deviceId))?.signedByOwner),
    );
    let own: OwnDevice;
    if (this.#unpublished) own = 'no-identity';
    else if (device?.crossSigningVerified) own = 'verified';
    else if (status.publicKeysOnDevice || (await crypto.userHasCrossSigningKeys(this.#me, true))) own = 'unverified';
    else own = 'no-identity';
    const next: Looked = {
      own,
      hasRecovery: status.privateKeysInSecretStorage,
      hasPhrase: status.privateKeysInSecretStorage && storage?.[1].passphrase?.algorithm === 'm.pbkdf2',
      hasOtherDevice: signed.includes(true),
      canVouch: own === 'verified' && status.privateKeysCachedLocally.userSigningKey,
    };
    const before = this.#state;
    this.#state = next;
    if ((Object.keys(next) as Array<keyof Looked>).some((name) => next[name] !== before[name])) this.#changed();
    return next;
  }
}

/**
 * Uploading an identity: most homeservers take the first one of an account without a password (MSC3967, Synapse among them),
 * others ask for it.
 */
export async function authorize<T>(
  request: (auth: never) => Promise<T>,
  userId: string,
  password: string | undefined,
): Promise<T> {
  const send = request as (auth: Record<string, unknown> | null) => Promise<T>;
  try {
    return await send(null);
  } catch (error) {
    if (!(error instanceof SdkError) || error.httpStatus !== 401) throw error;
    const { flows, session } = error.data as { flows?: Array<{ stages?: string[] }>; session?: string };
    const byPassword = flows?.some(({ stages }) => stages?.length === 1 && stages[0] === 'm.login.password');
    if (!byPassword) throw new VerificationError('set-up-elsewhere');
    if (password === undefined) throw new VerificationError('password-needed');
    try {
      return await send({
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: userId },
        password,
        ...(session ? { session } : {}),
      });
    } catch (again) {
      if (again instanceof SdkError && (again.httpStatus === 401 || again.httpStatus === 403))
        throw new VerificationError('wrong-password');
      throw again;
    }
  }
}
