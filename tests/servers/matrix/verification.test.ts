// Verification on the real homeserver without browsers: our layer, a second one of ours, and a genuine matrix-js-sdk client.
import { decodeRecoveryKey } from 'matrix-js-sdk/lib/crypto-api/index.js';
import { ClientEvent, createClient, type MatrixClient, SyncState } from 'matrix-js-sdk/lib/matrix.js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { trustOf } from '../../../web/matrix/devices';
import { silentLogger } from '../../../web/matrix/quiet';
import type { ComparisonPhase } from '../../../web/matrix/types';
import { ClientVerification, kVerificationMethods, SecretKeys } from '../../../web/matrix/verification';
import { until } from '../../browser/support/until';
import { type SdkPeer, startSdkPeer } from '../../matrix/support/sdk_peer';
import { type Account, type Stack, startStack } from './stack.mjs';

let stack: Stack;
const open: Array<() => void> = [];
beforeAll(async () => {
  stack = await startStack();
}, 120_000);
afterEach(() => {
  for (const close of open.splice(0)) close();
});
afterAll(async () => stack?.close());

interface Ours {
  account: Account;
  client: MatrixClient;
  verification: ClientVerification;
}

let people = 0;
const person = () => stack.synapse.register(`person${++people}`);
const again = ({ userId, password }: Account) => stack.synapse.login(userId, password);

/** What the page makes of a session, without the page. */
async function ours(account: Account): Promise<Ours> {
  const secrets = new SecretKeys();
  const client = createClient({
    baseUrl: stack.synapse.http,
    userId: account.userId,
    deviceId: account.deviceId,
    accessToken: account.accessToken,
    logger: silentLogger,
    cryptoCallbacks: secrets.callbacks,
    verificationMethods: kVerificationMethods,
  });
  await client.initRustCrypto({ useIndexedDB: false });
  const ready = new Promise<void>((resolve) =>
    client.on(ClientEvent.Sync, (state) => {
      if (state === SyncState.Prepared) resolve();
    }),
  );
  await client.startClient({ initialSyncLimit: 5 });
  await ready;
  const verification = new ClientVerification(client, secrets);
  open.push(() => {
    verification.close();
    client.stopClient();
  });
  await verification.ready;
  return { account, client, verification };
}

async function genuine(account: Account): Promise<SdkPeer> {
  const peer = await startSdkPeer(account, stack.synapse.http);
  open.push(() => peer.close());
  return peer;
}

const reaches = ({ verification }: Ours, phase: ComparisonPhase) =>
  until(
    () => verification.comparison?.phase === phase,
    45_000,
    () => `${verification.comparison?.phase} ${verification.comparison?.end}, not ${phase}`,
  );
const symbols = ({ verification }: Ours) => verification.comparison?.symbols.map(({ symbol }) => symbol);

/** An account with an identity that our layer made. */
async function established(): Promise<Ours & { recoveryKey: string }> {
  const one = await ours(await person());
  expect(one.verification.own).toBe('no-identity');
  const made = await one.verification.newIdentity();
  await made.finish();
  expect([one.verification.own, one.verification.hasRecovery, one.verification.canVouch]).toEqual([
    'verified',
    true,
    true,
  ]);
  return { ...one, recoveryKey: made.recoveryKey };
}

/** Both in an encrypted room, knowing each other's devices, as people in a call do. */
async function meet(one: Ours, peer: SdkPeer, other: Account): Promise<string> {
  const room = await one.account.createRoom({ invite: [other.userId] });
  await other.join(room);
  for (const client of [one.client, peer.client]) {
    await until(
      () => client.getRoom(room) !== null,
      20_000,
      () => 'the room has not come',
      100,
    );
    client.getCrypto()?.prepareToEncrypt(client.getRoom(room) as never);
  }
  const knows = async (client: MatrixClient, whom: Account) =>
    (await client.getCrypto()?.getDeviceVerificationStatus(whom.userId, whom.deviceId))?.signedByOwner ?? false;
  await until(
    () => knows(one.client, other),
    20_000,
    () => 'we do not know the other device',
    100,
  );
  await until(
    () => knows(peer.client, one.account),
    20_000,
    () => 'the other side does not know our device',
    100,
  );
  return room;
}

describe('our own devices', () => {
  it('are verified with the recovery key that our layer made; a genuine client takes it as well', async () => {
    const first = await established();
    const second = await ours(await again(first.account));
    expect([second.verification.own, second.verification.hasRecovery, second.verification.hasOtherDevice]).toEqual([
      'unverified',
      true,
      true,
    ]);
    const wrong = first.recoveryKey.replace(/.$/, (last) => (last === 'x' ? 'y' : 'x'));
    await expect(second.verification.recover(wrong)).rejects.toMatchObject({ problem: 'wrong-recovery-key' });
    expect(second.verification.own).toBe('unverified');
    await second.verification.recover(first.recoveryKey);
    expect([second.verification.own, second.verification.canVouch]).toEqual(['verified', true]);
    const peer = await genuine(await again(first.account));
    await peer.recover(decodeRecoveryKey(first.recoveryKey));
    expect(await peer.verified()).toBe(true);
  }, 90_000);

  it('are verified with a phrase that a genuine client set up, and only with that', async () => {
    const account = await person();
    const peer = await genuine(account);
    await peer.setUp('a quiet evening by the sea');
    const { verification } = await ours(await again(account));
    expect(verification.hasPhrase).toBe(true);
    await expect(verification.recover('a quiet evening at the sea')).rejects.toMatchObject({
      problem: 'wrong-recovery-key',
    });
    await verification.recover('a quiet evening by the sea');
    expect(verification.own).toBe('verified');
  }, 90_000);

  it('are not verified with the key of an identity that was replaced, and nothing is replaced by that', async () => {
    const first = await established();
    const other = await again(first.account);
    const peer = await genuine(other);
    await peer.replaceIdentity();
    const identity = async () => (await peer.crypto.getCrossSigningKeyId()) ?? '';
    const before = await identity();
    const { verification } = await ours(await again(first.account));
    expect(verification.own).toBe('unverified');
    await expect(verification.recover(first.recoveryKey)).rejects.toMatchObject({ problem: 'other-identity' });
    expect(verification.own).toBe('unverified');
    expect(await peer.crypto.userHasCrossSigningKeys()).toBe(true);
    expect(await identity()).toBe(before);
  }, 90_000);

  it('compare symbols: first they differ for one of them, then they match for both', async () => {
    const first = await established();
    const second = await ours(await again(first.account));
    for (const match of [false, true]) {
      await second.verification.compareOwn();
      await reaches(first, 'incoming');
      first.verification.comparison?.accept();
      await Promise.all([reaches(first, 'compare'), reaches(second, 'compare')]);
      expect(symbols(first)).toHaveLength(7);
      expect(symbols(first)).toEqual(symbols(second));
      second.verification.comparison?.confirm();
      if (match) first.verification.comparison?.confirm();
      else first.verification.comparison?.mismatch();
      await Promise.all([reaches(first, 'ended'), reaches(second, 'ended')]);
      const end = match ? 'done' : 'mismatch';
      expect([first.verification.comparison?.end, second.verification.comparison?.end]).toEqual([end, end]);
      expect(second.verification.own).toBe(match ? 'verified' : 'unverified');
      first.verification.dismiss();
      second.verification.dismiss();
    }
    const vouches = () => second.verification.canVouch;
    await until(vouches, 20_000, () => 'the private keys do not come from the other device', 100);
  }, 120_000);

  it('that ask each other at the same time end both requests, and may ask again', async () => {
    const first = await established();
    const second = await ours(await again(first.account));
    await second.verification.recover(first.recoveryKey);
    const other = () => first.verification.hasOtherDevice;
    await until(other, 20_000, () => 'the second device is not known to be verified', 100);
    await Promise.all([first.verification.compareOwn(), second.verification.compareOwn()]);
    await Promise.all([reaches(first, 'ended'), reaches(second, 'ended')]);
    expect([first.verification.comparison?.end, second.verification.comparison?.end]).toEqual(['declined', 'declined']);
    for (const { verification } of [first, second]) verification.dismiss();
    await first.verification.compareOwn();
    await reaches(second, 'incoming');
    second.verification.comparison?.accept();
    await Promise.all([reaches(first, 'compare'), reaches(second, 'compare')]);
    expect(symbols(first)).toEqual(symbols(second));
  }, 90_000);

  it('and a genuine client compare symbols, whoever asks', async () => {
    const account = await person();
    const peer = await genuine(account);
    await peer.setUp();
    const mine = await ours(await again(account));
    await mine.verification.compareOwn();
    const request = await peer.incoming();
    await request.accept();
    const shown = await peer.symbols(request);
    await reaches(mine, 'compare');
    expect(symbols(mine)).toEqual(shown.sas.emoji?.map(([symbol]) => symbol));
    await shown.confirm();
    mine.verification.comparison?.confirm();
    await reaches(mine, 'ended');
    expect([mine.verification.comparison?.end, mine.verification.own]).toEqual(['done', 'verified']);
    mine.verification.dismiss();

    const fresh = await genuine(await again(account));
    const asked = await fresh.crypto.requestOwnUserVerification();
    await reaches(mine, 'incoming');
    expect(mine.verification.comparison).toMatchObject({ kind: 'own-device', incoming: true });
    mine.verification.comparison?.accept();
    const theirs = await fresh.symbols(asked);
    await reaches(mine, 'compare');
    expect(symbols(mine)).toEqual(theirs.sas.emoji?.map(([symbol]) => symbol));
    await theirs.confirm();
    mine.verification.comparison?.confirm();
    await reaches(mine, 'ended');
    expect(mine.verification.comparison?.end).toBe('done');
    await until(fresh.verified, 20_000, () => 'the genuine client does not count itself as verified', 100);
  }, 120_000);
});

describe('another person with a genuine client', () => {
  it('is verified by their device in the call; when their identity is replaced, they count as changed', async () => {
    const mine = await established();
    const other = await person();
    const peer = await genuine(other);
    await peer.setUp();
    await meet(mine, peer, other);
    const trust = () => trustOf(mine.client, other);
    expect(await trust()).toBe('known');
    await mine.verification.compareMember(`${other.userId}|${other.deviceId}`);
    const request = await peer.incoming();
    expect([request.roomId, request.otherDeviceId]).toEqual([undefined, mine.account.deviceId]);
    await request.accept();
    const shown = await peer.symbols(request);
    await reaches(mine, 'compare');
    expect(symbols(mine)).toEqual(shown.sas.emoji?.map(([symbol]) => symbol));
    mine.verification.comparison?.confirm();
    expect(await trust()).toBe('known');
    await shown.confirm();
    await reaches(mine, 'ended');
    expect(mine.verification.comparison).toMatchObject({ kind: 'person', end: 'done', device: other.deviceId });
    expect(await trust()).toBe('verified');
    expect((await peer.crypto.getUserVerificationStatus(mine.account.userId)).isCrossSigningVerified()).toBe(true);

    const thief = await genuine(await again(other));
    await thief.replaceIdentity();
    await until(
      async () => (await trust()) === 'changed',
      20_000,
      async () => `trust is ${await trust()}`,
      100,
    );
  }, 120_000);

  it('asks in a room', async () => {
    const mine = await established();
    const other = await person();
    const peer = await genuine(other);
    await peer.setUp();
    const room = await meet(mine, peer, other);
    const request = await peer.crypto.requestVerificationDM(mine.account.userId, room);
    await reaches(mine, 'incoming');
    expect(mine.verification.comparison).toMatchObject({ kind: 'person', address: other.userId, blocked: false });
    mine.verification.comparison?.accept();
    const shown = await peer.symbols(request);
    await reaches(mine, 'compare');
    expect(symbols(mine)).toEqual(shown.sas.emoji?.map(([symbol]) => symbol));
    shown.mismatch();
    await reaches(mine, 'ended');
    expect(mine.verification.comparison?.end).toBe('mismatch');
    expect(await trustOf(mine.client, other)).toBe('known');
  }, 90_000);
});
