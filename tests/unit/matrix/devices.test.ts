// Whose key message is believed, what becomes of devices that cannot be reached, and which of our keys livekit-client may repeat.
import { ClientEvent, ConnectionError, type MatrixClient, MatrixEvent } from 'matrix-js-sdk/lib/matrix';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  ClientDeviceMessages,
  type KeyMessage,
  knownDevices,
  trustOf,
  WidgetDeviceMessages,
} from '../../../web/matrix/devices';
import { deviceKey, kKeyEvent } from '../../../web/matrix/media_keys';
import { CallKeys } from '../../../web/matrix/sfu';

type Listener = (event: never) => void;

function stand() {
  const listeners = new Map<string, Set<Listener>>();
  const devices = new Map([
    [
      '@a:hs',
      new Map([
        ['REAL', { deviceId: 'REAL', getIdentityKey: () => 'curve-real' }],
        ['OTHER', { deviceId: 'OTHER', getIdentityKey: () => 'curve-other' }],
      ]),
    ],
  ]);
  const sent: Array<[string, string[]]> = [];
  const crypto = {
    calls: 0,
    away: false,
    broken: new Set<string>(),
    unknown: new Set<string>(),
    getUserDeviceInfo: async (users: string[]) => new Map(users.map((user) => [user, devices.get(user) ?? new Map()])),
    encryptToDeviceMessages: async (
      _type: string,
      to: Array<{ userId: string; deviceId: string }>,
      payload: object,
    ) => {
      crypto.calls++;
      if (crypto.away) throw new ConnectionError('away');
      if (to.some((device) => crypto.broken.has(deviceKey(device)))) throw new Error('no session');
      const batch = to
        .filter((device) => !crypto.unknown.has(deviceKey(device)))
        .map((device) => ({ ...device, payload: { sealed: Object.keys(payload).length } }));
      return { eventType: 'm.room.encrypted', batch };
    },
  };
  const client = {
    on: (kind: string, listener: Listener) => listeners.set(kind, (listeners.get(kind) ?? new Set()).add(listener)),
    off: (kind: string, listener: Listener) => listeners.get(kind)?.delete(listener),
    getCrypto: () => crypto,
    sendToDevice: async (type: string, map: Map<string, Map<string, unknown>>) => {
      sent.push([
        type,
        [...map].flatMap(([userId, list]) => [...list.keys()].map((deviceId) => deviceKey({ userId, deviceId }))),
      ]);
    },
  };
  const emit = (kind: string, event: unknown) => {
    for (const listener of listeners.get(kind) ?? []) listener(event as never);
  };
  return { client: client as unknown as MatrixClient, crypto, sent, emit, listeners };
}

const content = { keys: { index: 0, key: 'x' }, member: { claimed_device_id: 'REAL' } } as never;
const info = (change: object = {}) => ({
  sender: '@a:hs',
  senderDevice: 'REAL',
  senderCurve25519KeyBase64: 'curve-real',
  senderVerified: false,
  ...change,
});

describe('key messages', () => {
  async function heard(message: object, encryptionInfo: unknown): Promise<KeyMessage[]> {
    const { client, emit } = stand();
    const found: KeyMessage[] = [];
    new ClientDeviceMessages(client).listen((each) => found.push(each));
    emit(ClientEvent.ReceivedToDeviceMessage, {
      message: { type: kKeyEvent, sender: '@a:hs', content, ...message },
      encryptionInfo,
    });
    await new Promise((resolve) => setTimeout(resolve, 0));
    return found;
  }

  it('come with the device that their Olm session proves, whatever it calls itself', async () => {
    expect(await heard({}, info())).toEqual([{ userId: '@a:hs', deviceId: 'REAL', content }]);
    expect(
      (await heard({}, info({ senderDevice: 'REAL', senderCurve25519KeyBase64: 'curve-other' })))[0]?.deviceId,
    ).toBe('OTHER');
  });

  it('in clear are not heard', async () => expect(await heard({}, null)).toEqual([]));
  it('from a key that belongs to no device of the sender are not heard', async () =>
    expect(await heard({}, info({ senderCurve25519KeyBase64: 'curve-unknown' }))).toEqual([]));
  it('whose sender is another than the session says are not heard', async () =>
    expect(await heard({ sender: '@b:hs' }, info())).toEqual([]));
  it('of another type are not heard', async () => expect(await heard({ type: 'm.room_key' }, info())).toEqual([]));

  describe('from a device that is not known yet', () => {
    afterEach(() => vi.useRealTimers());
    function late() {
      vi.useFakeTimers();
      const { client, crypto, emit } = stand();
      const found: KeyMessage[] = [];
      const stop = new ClientDeviceMessages(client).listen((each) => found.push(each));
      const come = (part: object = {}) =>
        emit(ClientEvent.ReceivedToDeviceMessage, {
          message: { type: kKeyEvent, sender: '@a:hs', content },
          encryptionInfo: info(part),
        });
      const asked = vi.spyOn(crypto, 'getUserDeviceInfo');
      return { crypto, found, stop, come, asked, pass: (ms: number) => vi.advanceTimersByTimeAsync(ms) };
    }

    it('are heard when the list of devices has it', async () => {
      const { found, come, asked, pass } = late();
      asked.mockResolvedValueOnce(new Map()).mockResolvedValueOnce(new Map());
      come();
      await pass(3999);
      expect(found).toEqual([]);
      await pass(1);
      expect(found.map(({ deviceId }) => deviceId)).toEqual(['REAL']);
      await pass(100_000);
      expect(found.length).toBe(1);
    });

    it('are heard when the homeserver is back', async () => {
      const { found, come, asked, pass } = late();
      asked.mockRejectedValueOnce(new Error('away'));
      come();
      await pass(1000);
      expect(found.length).toBe(1);
    });

    it('are given up after a while, and after stopping', async () => {
      const { found, come, asked, stop, pass } = late();
      come({ senderCurve25519KeyBase64: 'curve-unknown' });
      await pass(200_000);
      expect(asked).toHaveBeenCalledTimes(5);
      asked.mockResolvedValueOnce(new Map());
      come();
      await pass(0);
      stop();
      await pass(200_000);
      expect(asked).toHaveBeenCalledTimes(6);
      expect(found).toEqual([]);
    });

    it('are looked up again for so many at a time only', async () => {
      const { come, asked, pass } = late();
      for (let i = 0; i < 1000; i++) come({ senderCurve25519KeyBase64: 'curve-unknown' });
      await pass(0);
      expect(asked).toHaveBeenCalledTimes(1000);
      await pass(100_000);
      expect(asked).toHaveBeenCalledTimes(1000 + 4 * 100);
    });
  });

  it('are no longer heard after stopping', () => {
    const { client, listeners } = stand();
    new ClientDeviceMessages(client).listen(() => {})();
    expect(listeners.get(ClientEvent.ReceivedToDeviceMessage)?.size).toBe(0);
  });

  it('in a widget: only what the host says came encrypted', () => {
    const { client, emit } = stand();
    const found: KeyMessage[] = [];
    new WidgetDeviceMessages(client).listen((each) => found.push(each));
    const clear = new MatrixEvent({ type: kKeyEvent, sender: '@a:hs', content });
    const sealed = new MatrixEvent({ type: kKeyEvent, sender: '@a:hs', content });
    sealed.makeEncrypted('m.room.encrypted', {}, '', '');
    emit(ClientEvent.ToDeviceEvent, clear);
    expect(found).toEqual([]);
    emit(ClientEvent.ToDeviceEvent, sealed);
    expect(found.map(({ userId, deviceId }) => [userId, deviceId])).toEqual([['@a:hs', undefined]]);
  });
});

describe('sending', () => {
  const to = ['X', 'Y', 'Z'].map((deviceId) => ({ userId: '@a:hs', deviceId }));

  it('goes out in one request, encrypted', async () => {
    const { client, sent } = stand();
    expect(await new ClientDeviceMessages(client).send(content, to)).toEqual([]);
    expect(sent).toEqual([['m.room.encrypted', to.map(deviceKey)]]);
  });

  it('one device that cannot be encrypted for does not keep the others from it, and is reported', async () => {
    const { client, crypto, sent } = stand();
    crypto.broken.add('@a:hs|Y');
    expect(await new ClientDeviceMessages(client).send(content, to)).toEqual([to[1]]);
    expect(sent).toEqual([['m.room.encrypted', ['@a:hs|X', '@a:hs|Z']]]);
  });

  it('a homeserver that is away is asked once, not once for each device', async () => {
    const { client, crypto, sent } = stand();
    crypto.away = true;
    await expect(new ClientDeviceMessages(client).send(content, to)).rejects.toThrow('away');
    expect(crypto.calls).toBe(1);
    expect(sent).toEqual([]);
  });

  it('a device that nobody knows is reported, and nothing is sent in clear to it', async () => {
    const { client, crypto, sent } = stand();
    for (const device of to) crypto.unknown.add(deviceKey(device));
    expect(await new ClientDeviceMessages(client).send(content, to)).toEqual(to);
    expect(sent).toEqual([]);
  });

  it('without cryptography nothing is sent at all', async () => {
    const { client, sent } = stand();
    Object.assign(client, { getCrypto: () => undefined });
    expect(await new ClientDeviceMessages(client).send(content, to)).toEqual(to);
    expect(sent).toEqual([]);
  });
});

describe('trust', () => {
  const judged = (user: object, device: object | null) =>
    trustOf(
      {
        getCrypto: () => ({
          getUserVerificationStatus: async () => ({
            needsUserApproval: false,
            isCrossSigningVerified: () => false,
            wasCrossSigningVerified: () => false,
            ...user,
          }),
          getDeviceVerificationStatus: async () =>
            device && { localVerified: false, signedByOwner: false, isVerified: () => false, ...device },
        }),
      } as never,
      { userId: '@a:hs', deviceId: 'D' },
    );

  it('follows from signatures, and is low when nothing is known', async () => {
    const verified = { isCrossSigningVerified: () => true, wasCrossSigningVerified: () => true };
    expect(await judged(verified, { signedByOwner: true })).toBe('verified');
    expect(await judged({}, { signedByOwner: true })).toBe('known');
    expect(await judged({}, {})).toBe('unverified');
    expect(await judged({}, null)).toBe('unverified');
    // A device that the owner did not sign is not theirs, however well the owner is known.
    expect(await judged(verified, {})).toBe('unverified');
    expect(await judged({ needsUserApproval: true }, { signedByOwner: true })).toBe('changed');
    expect(await judged({ wasCrossSigningVerified: () => true }, { signedByOwner: true })).toBe('changed');
    expect(await trustOf({ getCrypto: () => undefined } as never, { userId: '@a:hs', deviceId: 'D' })).toBeUndefined();
  });

  it('lists devices that are known', async () => {
    const { client } = stand();
    expect(await knownDevices(client, ['@a:hs', '@b:hs'])).toEqual(new Set(['@a:hs|REAL', '@a:hs|OTHER']));
  });
});

describe('keys that livekit-client repeats when it connects again', () => {
  const key = () => crypto.subtle.importKey('raw', new Uint8Array(16), 'HKDF', false, ['deriveBits']);

  it('never include an older one of ours, which people who left still hold', async () => {
    const keys = new CallKeys();
    const [first, second, theirs] = await Promise.all([key(), key(), key()]);
    keys.setOwn('me', 0, first);
    keys.set('other', 0, theirs);
    keys.setOwn('me', 1, second);
    // Somebody else's key may come last: the index that is made current again must still be ours.
    keys.set('other', 7, theirs);
    expect(keys.getKeys().filter(({ participantIdentity }) => participantIdentity === 'me')).toEqual([
      { key: second, participantIdentity: 'me', keyIndex: 1 },
    ]);
    expect(keys.getLatestManuallySetKeyIndex()).toBe(1);
    expect(
      keys
        .getKeys()
        .map(({ participantIdentity, keyIndex }) => `${participantIdentity} ${keyIndex}`)
        .sort(),
    ).toEqual(['me 1', 'other 0', 'other 7']);
    keys.forget('other');
    expect(keys.getKeys()).toHaveLength(1);
  });

  it('use our new name when the media server gave us another', async () => {
    const keys = new CallKeys();
    const ours = await key();
    keys.setOwn('before', 0, ours);
    keys.setOwn('after', 0, ours);
    expect(keys.getKeys().map(({ participantIdentity }) => participantIdentity)).toEqual(['after']);
  });
});
