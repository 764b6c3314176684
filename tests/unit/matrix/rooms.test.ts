// Finding and entering rooms, on the SDK's own client and rooms: aliases, upgrades, refusals.
import { type MatrixClient, type Room, MatrixError as SdkError } from 'matrix-js-sdk/lib/matrix';
import { describe, expect, it, vi } from 'vitest';
import { MatrixError } from '../../../web/matrix/errors';
import { createRoom, enterRoom, joinedRooms, summarize } from '../../../web/matrix/rooms';
import { arrive, event, newClient, newRoom } from './fakes';

const rejected = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: unknown) => (error instanceof MatrixError ? error.problem : error),
  );
const avatars = { get: () => undefined } as never;

/** This person is in `old`, which was replaced; `joinable` are let in to. */
async function upgraded(next: string, { predecessor = '!old:hs', joinable = [next] } = {}) {
  const client: MatrixClient = newClient();
  const old = await newRoom(client, ['@me:hs', '@a:hs'], { id: '!old:hs' });
  await arrive(
    old,
    event({
      type: 'm.room.tombstone',
      state_key: '',
      sender: '@a:far',
      content: { replacement_room: next },
      room_id: old.roomId,
    }),
  );
  const joined: unknown[] = [];
  vi.spyOn(client, 'joinRoom').mockImplementation((async (id: string, options: unknown) => {
    joined.push([id, options]);
    if (!joinable.includes(id)) throw new SdkError({ errcode: 'M_FORBIDDEN' }, 403);
    const room = await newRoom(client, ['@me:hs'], { id });
    room.currentState.setStateEvents([
      event({
        type: 'm.room.create',
        state_key: '',
        sender: '@a:hs',
        room_id: id,
        content: { room_version: '11', predecessor: { room_id: predecessor } },
      }),
    ]);
    return room;
  }) as never);
  return { client, joined };
}

describe('entering', () => {
  it('an alias: joins by its id, over the servers that know it', async () => {
    const client = newClient();
    vi.spyOn(client, 'getRoomIdForAlias').mockResolvedValue({ room_id: '!x:far', servers: ['far', 'b', 'c', 'd'] });
    const join = vi
      .spyOn(client, 'joinRoom')
      .mockImplementation((async (id: string) => newRoom(client, ['@me:hs'], { id })) as never);
    const room = await enterRoom(client, { room: '#team:far', via: ['v', 'far'] });
    expect(room.roomId).toBe('!x:far');
    expect(join).toHaveBeenCalledExactlyOnceWith('!x:far', { viaServers: ['v', 'far', 'b', 'c'] });
  });

  it('a room that this person is in already: nothing is asked', async () => {
    const client = newClient();
    await newRoom(client);
    const join = vi.spyOn(client, 'joinRoom');
    expect((await enterRoom(client, { room: '!room:hs' })).roomId).toBe('!room:hs');
    expect(join).not.toHaveBeenCalled();
  });

  it.each([
    ['M_FORBIDDEN', 403, 'not-invited'],
    ['M_NOT_FOUND', 404, 'room-not-found'],
    ['M_LIMIT_EXCEEDED', 429, 'rate-limited'],
    ['M_UNKNOWN_TOKEN', 401, 'token-expired'],
    ['M_WHATEVER', 502, 'offline'],
  ])('%s', async (errcode, status, problem) => {
    const client = newClient();
    vi.spyOn(client, 'joinRoom').mockRejectedValue(new SdkError({ errcode }, status));
    expect(await rejected(enterRoom(client, { room: '!x:hs' }))).toBe(problem);
  });

  it('what is no address is not asked for', async () => {
    const client = newClient();
    const join = vi.spyOn(client, 'joinRoom');
    expect(await rejected(enterRoom(client, { room: 'javascript:alert(1)' }))).toBe('bad-address');
    expect(join).not.toHaveBeenCalled();
  });
});

describe('a room that was replaced', () => {
  const entered = async (client: MatrixClient) =>
    ((await rejected(enterRoom(client, { room: '!old:hs' }))) as Room).roomId;

  it('leads to the new one, where the call is', async () => {
    const { client, joined } = await upgraded('!new:hs');
    expect(await entered(client)).toBe('!new:hs');
    expect(joined).toEqual([['!new:hs', { viaServers: ['far'] }]]);
  });

  it('does not lead to one that knows nothing of it', async () => {
    const { client } = await upgraded('!evil:hs', { predecessor: '!other:hs' });
    expect(await entered(client)).toBe('!old:hs');
  });

  it('is entered itself where the new one does not let us in, or is none', async () => {
    expect(await entered((await upgraded('!new:hs', { joinable: [] })).client)).toBe('!old:hs');
    for (const bad of ['', '#alias:hs', 'https://evil', 5 as never]) {
      const { client, joined } = await upgraded(bad);
      expect(await entered(client)).toBe('!old:hs');
      expect(joined).toEqual([]);
    }
  });
});

describe('a new room', () => {
  it('is private, encrypted, and lets everybody take part in calls', async () => {
    const client = newClient();
    const create = vi.spyOn(client, 'createRoom').mockImplementation((async () => {
      const room = await newRoom(client, ['@me:hs'], { id: '!made:hs' });
      return { room_id: room.roomId };
    }) as never);
    await createRoom(client, ' Team\u202e ', ['@a:hs', 'nonsense', '@b:hs', '@e\u202evil:hs']);
    const [options] = create.mock.calls[0] ?? [];
    expect(options).toMatchObject({
      name: 'Team',
      preset: 'private_chat',
      visibility: 'private',
      invite: ['@a:hs', '@b:hs'],
    });
    expect(options?.initial_state).toEqual([
      { type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } },
    ]);
    expect(options?.power_level_content_override).toMatchObject({
      events: { 'org.matrix.msc3401.call.member': 0, 'm.room.encryption': 100 },
    });
  });
});

describe('the list', () => {
  it('has rooms that this person is in, without control characters in their names', async () => {
    const client = newClient();
    const room = await newRoom(client);
    const left = await newRoom(client, ['@me:hs'], { id: '!left:hs', encrypted: false });
    left.updateMyMembership('leave');
    expect(joinedRooms(client).map(({ roomId }) => roomId)).toEqual(['!room:hs']);
    room.name = 'A\u202eB';
    expect(await summarize(room, avatars)).toEqual({ id: '!room:hs', name: 'AB', encrypted: true, inCall: 0 });
    room.name = '\u200b';
    expect(await summarize(room, avatars)).toMatchObject({ name: '!room:hs' });
    expect(await summarize(left, avatars)).toMatchObject({ encrypted: false });
  });
});
