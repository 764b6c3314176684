// Steps of a comparison, whichever way it ends, and what happens with recovery keys: with the SDK's side played here.
import { EventEmitter } from 'node:events';
import {
  CryptoEvent,
  encodeRecoveryKey,
  VerificationPhase,
  type VerificationRequest,
  VerificationRequestEvent,
  VerifierEvent,
} from 'matrix-js-sdk/lib/crypto-api';
import { type MatrixClient, MatrixError as SdkError } from 'matrix-js-sdk/lib/matrix';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ComparisonEnd } from '../../../web/matrix/types';
import {
  authorize,
  ClientVerification,
  SasComparison,
  SecretKeys,
  secretStorageKey,
} from '../../../web/matrix/verification';
import { de } from '../../../web/ui/i18n/de';
import { kSymbols } from '../../../web/ui/i18n/symbols';

const kEmoji = kSymbols.slice(0, 7).map((name) => ['*', name] as [string, string]);

/** The SDK's request and verifier, moved on by the test. */
class FakeRequest extends EventEmitter {
  phase = VerificationPhase.Requested;
  initiatedByMe = true;
  isSelfVerification = false;
  otherUserId = '@b:hs';
  otherDeviceId: string | undefined = 'THEIRS';
  timeout: number | null = 600_000;
  pending = true;
  chosenMethod: string | null = null;
  cancellationCode: string | null = null;
  cancellingUserId: string | undefined;
  supports = true;
  verifier: (EventEmitter & { verify(): Promise<void>; getShowSasCallbacks(): unknown }) | undefined;
  readonly told: string[] = [];
  sas: object | null = null;

  otherPartySupportsMethod(method: string): boolean {
    return method === 'm.sas.v1' && this.supports;
  }
  async accept(): Promise<void> {
    this.told.push('accept');
  }
  async cancel(): Promise<void> {
    this.told.push('cancel');
  }
  async startVerification(method: string): Promise<unknown> {
    this.told.push(`start ${method}`);
    return undefined;
  }
  to(phase: VerificationPhase): void {
    this.phase = phase;
    this.emit(VerificationRequestEvent.Change);
  }
  cancelled(code: string): void {
    this.cancellationCode = code;
    this.to(VerificationPhase.Cancelled);
  }
  /** The SDK tells the change first, and the symbols after it. */
  show(sas: object = { emoji: kEmoji }): void {
    const verifier = Object.assign(new EventEmitter(), {
      verify: async () => {
        this.told.push('verify');
      },
      getShowSasCallbacks: () => this.sas,
    });
    this.verifier = verifier;
    this.chosenMethod = 'm.sas.v1';
    this.to(VerificationPhase.Started);
    this.sas = {
      sas,
      confirm: async () => void this.told.push('confirm'),
      mismatch: () => void this.told.push('mismatch'),
      cancel: () => void this.told.push('cancel sas'),
    };
    verifier.emit(VerifierEvent.ShowSas, this.sas);
  }
}

const flush = () => new Promise<void>((resolve) => setImmediate(resolve));

function comparison(change: Partial<FakeRequest> = {}, settled = true, canVouch = true) {
  const request = Object.assign(new FakeRequest(), change);
  const parts = { changed: vi.fn(), settled: vi.fn(async (_device: string) => settled) };
  const made = new SasComparison({
    request: request as unknown as VerificationRequest,
    name: 'Bert',
    canVouch: () => canVouch,
    ...parts,
  });
  return { request, made, ...parts };
}

describe('a comparison', () => {
  it('that this person asked for: begins when the other side accepts, and verifies when both said yes', async () => {
    const { request, made, settled } = comparison();
    expect([made.kind, made.incoming, made.phase, made.device]).toEqual(['person', false, 'waiting', 'THEIRS']);
    request.to(VerificationPhase.Ready);
    request.to(VerificationPhase.Ready);
    expect(made.phase).toBe('preparing');
    expect(request.told).toEqual(['start m.sas.v1']);
    request.show();
    expect(request.told).toEqual(['start m.sas.v1', 'verify']);
    expect(made.phase).toBe('compare');
    expect(made.symbols.map(({ name }) => name)).toEqual(kSymbols.slice(0, 7));
    expect(made.numbers).toEqual([]);
    made.confirm();
    made.confirm();
    expect(request.told.filter((what) => what === 'confirm')).toHaveLength(1);
    expect([made.phase, made.end]).toEqual(['confirmed', undefined]);
    expect(settled).not.toHaveBeenCalled();
    // The SDK forgets the device's name when all is done.
    request.otherDeviceId = undefined;
    request.to(VerificationPhase.Done);
    expect(made.end, 'not before the cryptography says so').toBeUndefined();
    await flush();
    expect([made.phase, made.end]).toEqual(['ended', 'done']);
    expect(settled).toHaveBeenCalledExactlyOnceWith('THEIRS');
  });

  it('is not done when the cryptography does not count the other side as verified', async () => {
    const { request, made } = comparison({}, false);
    request.to(VerificationPhase.Ready);
    request.show();
    made.confirm();
    request.to(VerificationPhase.Done);
    await flush();
    expect(made.end).toBe('failed');
  });

  it('is not done without this person’s word, whatever the other side claims', async () => {
    const { request, made, settled } = comparison();
    request.to(VerificationPhase.Ready);
    request.show();
    request.to(VerificationPhase.Done);
    await flush();
    expect(made.end).toBe('failed');
    expect(settled).not.toHaveBeenCalled();
  });

  it('shows numbers where the other side has no symbols', () => {
    const { request, made } = comparison();
    request.to(VerificationPhase.Ready);
    request.show({ decimal: [1, 2, 3] });
    expect([made.phase, made.symbols, made.numbers]).toEqual(['compare', [], [1, 2, 3]]);
  });

  it('that does not match tells the other side so, and is over at once', () => {
    const { request, made } = comparison();
    request.to(VerificationPhase.Ready);
    request.show();
    made.mismatch();
    expect(request.told.at(-1)).toBe('mismatch');
    expect([made.phase, made.end]).toEqual(['ended', 'mismatch']);
    request.to(VerificationPhase.Done);
    expect(made.end, 'nothing changes it any more').toBe('mismatch');
  });

  it('cannot be answered before there is something to compare', () => {
    const { request, made } = comparison();
    made.confirm();
    made.mismatch();
    made.accept();
    expect([request.told, made.phase]).toEqual([[], 'waiting']);
  });

  it('is withdrawn', () => {
    const { request, made } = comparison();
    made.cancel();
    made.cancel();
    expect([request.told, made.end]).toEqual([['cancel'], 'cancelled']);
  });

  it.each<[string, ComparisonEnd]>([
    ['m.user', 'declined'],
    ['m.timeout', 'timeout'],
    ['m.accepted', 'elsewhere'],
    ['m.mismatched_sas', 'mismatch'],
    ['m.mismatched_commitment', 'mismatch'],
    ['m.key_mismatch', 'mismatch'],
    ['m.user_mismatch', 'mismatch'],
    ['m.unknown_method', 'unsupported'],
    ['m.unexpected_message', 'failed'],
    ['constructor', 'failed'],
    ['', 'failed'],
  ])('ended with %s by the other side: %s', (code, end) => {
    const { request, made } = comparison();
    request.cancelled(code);
    expect([made.phase, made.end]).toEqual(['ended', end]);
  });

  it('with a device that cannot compare is called off', () => {
    const { request, made } = comparison({ supports: false });
    request.to(VerificationPhase.Ready);
    expect([request.told, made.end]).toEqual([['cancel'], 'unsupported']);
  });

  it('by another method than symbols is called off', () => {
    const { request, made } = comparison();
    request.chosenMethod = 'm.reciprocate.v1';
    request.to(VerificationPhase.Started);
    expect([request.told, made.end]).toEqual([['cancel'], 'unsupported']);
  });

  describe('with time', () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());

    it('that came in waits for a click, then lets the other side begin, then begins itself', async () => {
      const { request, made } = comparison({ initiatedByMe: false, isSelfVerification: true });
      expect([made.kind, made.incoming, made.phase]).toEqual(['own-device', true, 'incoming']);
      expect(request.told).toEqual([]);
      made.accept();
      expect([request.told, made.phase]).toEqual([['accept'], 'preparing']);
      request.to(VerificationPhase.Ready);
      expect(request.told).toEqual(['accept']);
      await vi.advanceTimersByTimeAsync(5000);
      expect(request.told).toEqual(['accept', 'start m.sas.v1']);
    });

    it('that came in and was begun by the other side is not begun twice', async () => {
      const { request, made } = comparison({ initiatedByMe: false });
      made.accept();
      request.to(VerificationPhase.Ready);
      request.show();
      await vi.advanceTimersByTimeAsync(5000);
      expect(request.told).toEqual(['accept', 'verify']);
      expect(made.phase).toBe('compare');
    });

    it('that nobody answers ends', async () => {
      const { request, made } = comparison({ timeout: 60_000 });
      await vi.advanceTimersByTimeAsync(59_000);
      expect(made.phase).toBe('waiting');
      await vi.advanceTimersByTimeAsync(2000);
      expect([request.told, made.end]).toEqual([['cancel'], 'timeout']);
    });
  });

  it('with a person cannot be accepted by a device that cannot vouch; with an own device it can', () => {
    const person = comparison({ initiatedByMe: false }, true, false);
    expect(person.made.blocked).toBe(true);
    person.made.accept();
    expect(person.request.told).toEqual([]);
    const own = comparison({ initiatedByMe: false, isSelfVerification: true }, true, false);
    expect(own.made.blocked).toBe(false);
    own.made.accept();
    expect(own.request.told).toEqual(['accept']);
  });
});

// The account ---------------------------------------------------------------------------------------------------------

const kKey = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const kRecoveryKey = encodeRecoveryKey(kKey) ?? '';

interface World {
  identity: boolean;
  signed: boolean;
  inStorage: boolean;
  cached: boolean;
  otherSigned: boolean;
  storageKey: boolean;
  passphrase: object | undefined;
  rightKey: Uint8Array;
  /** What the SDK does when it is asked to take up the identity. */
  bootstrap(options: object): Promise<void>;
}

async function account(change: Partial<World> = {}) {
  const world: World = {
    identity: true,
    signed: false,
    inStorage: true,
    cached: false,
    otherSigned: false,
    storageKey: true,
    passphrase: undefined,
    rightKey: kKey,
    bootstrap: async () => {
      world.signed = true;
      world.cached = true;
    },
    ...change,
  };
  const secrets = new SecretKeys();
  const client = new EventEmitter();
  const seen = { bootstraps: [] as object[], lent: [] as unknown[], given: [] as Uint8Array[], storages: 0, signs: 0 };
  const cached = () => ({ masterKey: world.cached, selfSigningKey: world.cached, userSigningKey: world.cached });
  const crypto = {
    getCrossSigningStatus: async () => ({
      publicKeysOnDevice: world.identity,
      privateKeysInSecretStorage: world.inStorage,
      privateKeysCachedLocally: cached(),
    }),
    getDeviceVerificationStatus: async (_user: string, device: string) =>
      device === 'MINE'
        ? { crossSigningVerified: world.signed, signedByOwner: world.signed }
        : { crossSigningVerified: world.otherSigned, signedByOwner: world.otherSigned },
    getUserVerificationStatus: async () => ({ isCrossSigningVerified: () => true }),
    getUserDeviceInfo: async () =>
      new Map([
        [
          '@a:hs',
          new Map([
            ['MINE', { deviceId: 'MINE', dehydrated: false }],
            ['OTHER', { deviceId: 'OTHER', dehydrated: false }],
          ]),
        ],
      ]),
    userHasCrossSigningKeys: async () => world.identity,
    bootstrapCrossSigning: async (options: { authUploadDeviceSigningKeys: (request: never) => Promise<unknown> }) => {
      seen.bootstraps.push(options);
      const lent = await secrets.callbacks.getSecretStorageKey?.(
        { keys: { k1: {} as never } },
        'm.cross_signing.master',
      );
      seen.lent.push(lent && [lent[0], [...lent[1]]]);
      if (lent) seen.given.push(lent[1]);
      await world.bootstrap(options);
    },
    crossSignDevice: async () => {
      seen.signs++;
      world.signed = true;
    },
    createRecoveryKeyFromPassphrase: async () => {
      const privateKey = Uint8Array.from(kKey);
      seen.given.push(privateKey);
      return { privateKey, encodedPrivateKey: kRecoveryKey };
    },
    bootstrapSecretStorage: async ({
      createSecretStorageKey,
    }: {
      createSecretStorageKey(): Promise<{ privateKey: never }>;
    }) => {
      const { privateKey } = await createSecretStorageKey();
      secrets.callbacks.cacheSecretStorageKey?.('new', {} as never, privateKey);
      const lent = await secrets.callbacks.getSecretStorageKey?.(
        { keys: { new: {} as never } },
        'm.cross_signing.master',
      );
      seen.lent.push(lent && [lent[0], [...lent[1]]]);
      seen.storages++;
      world.inStorage = true;
    },
    requestOwnUserVerification: async () => new FakeRequest(),
    requestDeviceVerification: async (otherUserId: string, otherDeviceId: string) =>
      Object.assign(new FakeRequest(), { otherUserId, otherDeviceId }),
  };
  Object.assign(client, {
    getSafeUserId: () => '@a:hs',
    getDeviceId: () => 'MINE',
    getCrypto: () => crypto,
    getUser: () => ({ displayName: 'B\u202eert' }),
    secretStorage: {
      getKey: async () => (world.storageKey ? ['k1', { passphrase: world.passphrase }] : null),
      hasKey: async () => world.storageKey,
      getDefaultKeyId: async () => 'k1',
      isStored: async () => ({ k1: { passphrase: world.passphrase } }),
      checkKey: async (key: Uint8Array) => Buffer.from(key).equals(Buffer.from(world.rightKey)),
    },
  });
  const verification = new ClientVerification(client as unknown as MatrixClient, secrets);
  await verification.ready;
  const ask = (request: FakeRequest) => client.emit(CryptoEvent.VerificationRequestReceived, request);
  return { world, verification, client, crypto, secrets, seen, ask };
}

const nobodyHolds = async ({ secrets }: { secrets: SecretKeys }) =>
  expect(
    await secrets.callbacks.getSecretStorageKey?.({ keys: { k1: {} as never, new: {} as never } }, 'x'),
  ).toBeNull();

describe('what is said of this device', () => {
  it('is what the cryptography says', async () => {
    expect((await account()).verification.own).toBe('unverified');
    expect((await account({ identity: false })).verification.own).toBe('no-identity');
    const { verification } = await account({ signed: true, cached: true, otherSigned: true });
    expect([verification.own, verification.canVouch, verification.hasOtherDevice]).toEqual(['verified', true, true]);
    // Verified by another device, and the private keys have not come: it cannot sign others.
    expect((await account({ signed: true })).verification.canVouch).toBe(false);
  });

  it('follows when another device signs this one', async () => {
    const { verification, world, client } = await account();
    const changed = new Promise<void>((resolve) => verification.on('change', resolve));
    world.signed = true;
    client.emit(CryptoEvent.DevicesUpdated, ['@a:hs'], false);
    await changed;
    expect(verification.own).toBe('verified');
  });

  it('is unknown while the homeserver does not answer, never "no identity"', async () => {
    const stand = await account({ identity: false });
    expect(stand.verification.own).toBe('no-identity');
    const fresh = new EventEmitter();
    Object.assign(fresh, stand.client, {
      getCrypto: () => ({ ...stand.crypto, userHasCrossSigningKeys: () => Promise.reject(new Error('away')) }),
    });
    const verification = new ClientVerification(fresh as unknown as MatrixClient, new SecretKeys());
    await verification.ready;
    expect(verification.own).toBe('unknown');
  });
});

describe('a recovery key', () => {
  it('that is right verifies this device; it is lent to the SDK for that moment and overwritten', async () => {
    const stand = await account();
    await stand.verification.recover(` ${kRecoveryKey}\n`);
    expect(stand.verification.own).toBe('verified');
    expect(stand.seen.lent).toEqual([['k1', [...kKey]]]);
    expect(stand.seen.given.map((key) => key.every((byte) => byte === 0))).toEqual([true]);
    await nobodyHolds(stand);
  });

  it.each([
    ['of another account', encodeRecoveryKey(new Uint8Array(32).fill(7)) ?? ''],
    ['with a typing error', kRecoveryKey.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a'))],
    ['that is none', 'swordfish'],
    ['that is empty', ''],
  ])('%s is refused, and the SDK does not get it', async (_what, input) => {
    const stand = await account();
    await expect(stand.verification.recover(input)).rejects.toMatchObject({ problem: 'wrong-recovery-key' });
    expect([stand.seen.bootstraps, stand.verification.own]).toEqual([[], 'unverified']);
    await nobodyHolds(stand);
  });

  it('that fails says nothing of what was typed', async () => {
    const stand = await account();
    const error = (await stand.verification.recover('swordfish').catch((each: unknown) => each)) as Error;
    expect(`${error.message}${error.stack}${JSON.stringify(error)}`).not.toContain('swordfish');
  });

  it('never lets an identity be replaced', async () => {
    const upload = vi.fn(async () => ({}));
    const stand = await account({
      bootstrap: async (options) => {
        await (
          options as { authUploadDeviceSigningKeys(request: unknown): Promise<unknown> }
        ).authUploadDeviceSigningKeys(upload);
      },
    });
    await expect(stand.verification.recover(kRecoveryKey)).rejects.toMatchObject({ problem: 'other-identity' });
    expect(upload).not.toHaveBeenCalled();
    expect(stand.seen.bootstraps).toEqual([expect.not.objectContaining({ setupNewCrossSigning: true })]);
    expect(stand.seen.given.every((key) => key.every((byte) => byte === 0))).toBe(true);
  });

  it('is not asked for where nothing was kept', async () => {
    const stand = await account({ inStorage: false });
    await expect(stand.verification.recover(kRecoveryKey)).rejects.toMatchObject({ problem: 'no-recovery' });
    expect(stand.seen.bootstraps).toEqual([]);
  });

  it('signs this device also when the private keys are here already', async () => {
    const stand = await account({ cached: true, bootstrap: async () => {} });
    await stand.verification.recover(kRecoveryKey);
    expect([stand.seen.signs, stand.verification.own]).toEqual([1, 'verified']);
  });

  it('may be a phrase, if the account has one', async () => {
    const passphrase = { algorithm: 'm.pbkdf2' as const, salt: 'salt', iterations: 1000 };
    const key = await secretStorageKey('correct horse', passphrase);
    expect(key).toHaveLength(32);
    expect(Buffer.from(key).equals(Buffer.from(await secretStorageKey('Correct horse', passphrase)))).toBe(false);
    await expect(secretStorageKey('correct horse', undefined)).rejects.toMatchObject({ problem: 'wrong-recovery-key' });
  });

  it.each([
    { iterations: 1e12 },
    { iterations: 0 },
    { iterations: 1.5 },
    { iterations: '1000' },
    { bits: 128 },
    { salt: '' },
  ])('as a phrase with parameters that make no sense is refused: %o', async (change) => {
    const passphrase = { algorithm: 'm.pbkdf2' as const, salt: 'salt', iterations: 1000, ...change } as never;
    await expect(secretStorageKey('phrase', passphrase)).rejects.toMatchObject({ problem: 'set-up-elsewhere' });
  });
});

describe('a new identity', () => {
  const fresh = (change: Partial<World> = {}) =>
    account({
      identity: false,
      inStorage: false,
      storageKey: false,
      ...change,
    });

  it('is published only when the person says so, with its private keys under the key that was shown', async () => {
    const stand = await fresh();
    stand.world.bootstrap = async () => void Object.assign(stand.world, { identity: true, signed: true, cached: true });
    const made = await stand.verification.newIdentity();
    expect(made.recoveryKey).toBe(kRecoveryKey);
    expect([stand.seen.bootstraps.length, stand.seen.storages]).toEqual([0, 0]);
    await made.finish();
    expect(stand.seen.bootstraps).toEqual([expect.objectContaining({ setupNewCrossSigning: true })]);
    // Nothing was lent for the identity, the new key for the storage.
    expect(stand.seen.lent).toEqual([null, ['new', [...kKey]]]);
    expect(stand.verification.own).toBe('verified');
    expect(stand.seen.given.every((key) => key.every((byte) => byte === 0))).toBe(true);
    await nobodyHolds(stand);
    await expect(made.finish()).rejects.toMatchObject({ problem: 'internal' });
  });

  it('that was given up leaves nothing', async () => {
    const stand = await fresh();
    const made = await stand.verification.newIdentity();
    made.drop();
    await expect(made.finish()).rejects.toMatchObject({ problem: 'internal' });
    expect([stand.seen.bootstraps.length, stand.seen.storages]).toEqual([0, 0]);
    expect(stand.seen.given.every((key) => key.every((byte) => byte === 0))).toBe(true);
  });

  it('is not made where one exists, or a storage that belongs to something else', async () => {
    await expect((await account()).verification.newIdentity()).rejects.toMatchObject({ problem: 'set-up-elsewhere' });
    await expect((await fresh({ storageKey: true })).verification.newIdentity()).rejects.toMatchObject({
      problem: 'set-up-elsewhere',
    });
  });

  it('is not published when another device made one meanwhile', async () => {
    const stand = await fresh();
    const made = await stand.verification.newIdentity();
    stand.world.identity = true;
    await expect(made.finish()).rejects.toMatchObject({ problem: 'set-up-elsewhere' });
    expect(stand.seen.bootstraps).toEqual([]);
  });

  it('that the homeserver refused does not count as one, and can be tried again with the password', async () => {
    const stand = await fresh();
    const refusal = new SdkError(
      { errcode: 'M_FORBIDDEN', flows: [{ stages: ['m.login.password'] }], session: 's' },
      401,
    );
    const uploads: unknown[] = [];
    stand.world.bootstrap = async (options) => {
      // The SDK has it locally from now on.
      Object.assign(stand.world, { identity: true, signed: true, cached: true });
      await (
        options as { authUploadDeviceSigningKeys(request: unknown): Promise<unknown> }
      ).authUploadDeviceSigningKeys(async (auth: { password?: string } | null) => {
        uploads.push(auth);
        if (auth?.password !== 'right') throw refusal;
        return {};
      });
    };
    const made = await stand.verification.newIdentity();
    await expect(made.finish()).rejects.toMatchObject({ problem: 'password-needed' });
    expect(stand.verification.own).toBe('no-identity');
    await expect(made.finish('wrong')).rejects.toMatchObject({ problem: 'wrong-password' });
    expect([stand.verification.own, stand.seen.storages]).toEqual(['no-identity', 0]);
    await made.finish('right');
    expect([stand.verification.own, stand.seen.storages]).toEqual(['verified', 1]);
    expect(uploads.at(-1)).toMatchObject({ type: 'm.login.password', password: 'right', session: 's' });
  });
});

describe('uploading an identity', () => {
  const refusal = (stages: string[], status = 401) =>
    new SdkError({ errcode: 'M_FORBIDDEN', flows: [{ stages }], session: 's' }, status);

  it('gives no password to a homeserver that does not ask for it', async () => {
    const request = vi.fn(async () => 'fine');
    expect(await authorize(request, '@a:hs', 'secret')).toBe('fine');
    expect(request.mock.calls).toEqual([[null]]);
  });

  it('that wants something else than a password is for another client', async () => {
    const request = vi.fn(async () => Promise.reject(refusal(['m.oauth'])));
    await expect(authorize(request, '@a:hs', 'secret')).rejects.toMatchObject({ problem: 'set-up-elsewhere' });
    expect(request.mock.calls).toEqual([[null]]);
  });
});

describe('requests', () => {
  it('that come in are offered one at a time; a second one changes nothing', async () => {
    const { verification, ask } = await account({ signed: true, cached: true });
    const first = Object.assign(new FakeRequest(), { initiatedByMe: false });
    const second = Object.assign(new FakeRequest(), { initiatedByMe: false, otherUserId: '@c:hs' });
    ask(first);
    ask(second);
    expect(verification.comparison).toMatchObject({ address: '@b:hs', phase: 'incoming', name: 'Bert' });
    verification.dismiss();
    expect([verification.comparison, first.told, second.told]).toEqual([undefined, ['cancel'], []]);
  });

  it('that are over or ours are no requests', async () => {
    const { verification, ask } = await account();
    ask(Object.assign(new FakeRequest(), { initiatedByMe: false, pending: false }));
    ask(new FakeRequest());
    expect(verification.comparison).toBeUndefined();
  });

  it('to a person need a device that can vouch, and one of theirs that its owner signed', async () => {
    const unable = await account({ signed: true, cached: false });
    await expect(unable.verification.compareMember('@b:hs|X')).rejects.toMatchObject({ problem: 'own-first' });
    const unsigned = await account({ signed: true, cached: true, otherSigned: false });
    await expect(unsigned.verification.compareMember('@b:hs|X')).rejects.toMatchObject({ problem: 'peer-first' });
    const { verification } = await account({ signed: true, cached: true, otherSigned: true });
    await verification.compareMember('@b:hs|X');
    expect(verification.comparison).toMatchObject({ address: '@b:hs', device: 'X', phase: 'waiting' });
    await expect(verification.compareMember('@c:hs|Y')).rejects.toMatchObject({ problem: 'busy' });
  });

  it('to own devices need one that could answer', async () => {
    await expect((await account()).verification.compareOwn()).rejects.toMatchObject({ problem: 'no-other-device' });
    const { verification } = await account({ otherSigned: true });
    await verification.compareOwn();
    expect(verification.comparison?.phase).toBe('waiting');
  });

  it('end with the account', async () => {
    const { verification, ask, client } = await account();
    ask(Object.assign(new FakeRequest(), { initiatedByMe: false }));
    verification.close();
    expect(verification.comparison).toBeUndefined();
    expect(client.eventNames()).toEqual([]);
  });
});

describe('the German names of the symbols', () => {
  it('are 64, and all different', () => {
    const names = kSymbols.map((name) => de.verify.symbol(name));
    expect(kSymbols).toHaveLength(64);
    expect(new Set(names).size).toBe(64);
    expect(de.verify.symbol('Spanner').replace('\u00ad', '')).toBe('Schraubenschlüssel');
    expect(de.verify.symbol('Dog')).toBe('Hund');
    expect(de.verify.symbol('Teapot')).toBe('Teapot');
  });
});
