// A homeserver that is slow to list the devices of a room's people holds nobody up.
import { afterEach, expect, it, vi } from 'vitest';
import { Avatars } from '../../../web/matrix/avatars';
import { MatrixRoom } from '../../../web/matrix/matrix_room';
import { FakeCipher, FakeMedia, newClient, newRoom } from './fakes';

afterEach(() => vi.unstubAllGlobals());

it('joining goes on while the list of devices is waited for', async () => {
  vi.stubGlobal('fetch', async () => {
    throw new TypeError('no network');
  });
  const client = newClient();
  const room = await newRoom(client);
  const lists = vi.fn(() => new Promise(() => {}));
  Object.assign(client, {
    getCrypto: () => ({ prepareToEncrypt: () => {}, getUserDeviceInfo: lists }),
    // The next thing that is asked for; without one the call is over at once.
    _unstable_getRTCTransports: async () => [],
  });
  const call = new MatrixRoom({
    client,
    room,
    messages: { send: async () => [], listen: () => () => {} } as never,
    avatars: new Avatars(
      async () => undefined as never,
      () => {},
    ),
    options: { media: new FakeMedia() } as never,
    assets: new URL('https://page/'),
    linkBase: 'https://page/',
    createCipher: () => new FakeCipher(),
  });
  const joined = call.join().then(() => call.problem);
  expect(await Promise.race([joined, new Promise((resolve) => setTimeout(() => resolve('held up'), 5000))])).toBe(
    'no-transport',
  );
  expect(lists).toHaveBeenCalledOnce();
  await call.leave();
});
