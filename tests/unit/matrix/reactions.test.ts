// Hands and reactions on the SDK's own room: whose count, when they end, and that ours end where they should.
import {
  ConnectionError,
  type MatrixClient,
  type MatrixEvent,
  MatrixEventEvent,
  type Room,
  RoomEvent,
} from 'matrix-js-sdk/lib/matrix';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CallReactions, kReactionEvent, type Reacting } from '../../../web/matrix/reactions';
import { arrive, event, kRoomId, newClient, newRoom, sealed } from './fakes';

const a: Reacting = { key: '@a:hs|A', userId: '@a:hs', eventId: '$a' };
const b: Reacting = { key: '@b:hs|B', userId: '@b:hs', eventId: '$b' };
const me: Reacting = { key: '@me:hs|MINE', userId: '@me:hs', eventId: '$me' };

const hand = (sender: string, target: string, key = '🖐️'): MatrixEvent =>
  event({
    type: 'm.reaction',
    sender,
    content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: target, key } },
  });
const reaction = (sender: string, target: string, emoji: unknown, part: object = {}): MatrixEvent =>
  sealed({
    type: kReactionEvent,
    sender,
    content: { emoji, name: 'x', 'm.relates_to': { rel_type: 'm.reference', event_id: target } },
    ...part,
  });

async function stand(before: MatrixEvent[] = []) {
  const client: MatrixClient = newClient();
  const room: Room = await newRoom(client);
  await arrive(room, ...before);
  const log: string[] = [];
  const server = { away: false, refuses: false };
  const answer = (what: string): { event_id: string } => {
    if (server.away) throw new ConnectionError('away');
    if (server.refuses) throw new Error('no');
    log.push(what);
    return { event_id: `$sent${log.length}` };
  };
  vi.spyOn(client, 'sendEvent').mockImplementation((async (_room: string, type: string) => answer(type)) as never);
  vi.spyOn(client, 'redactEvent').mockImplementation((async (_room: string, id: string) => answer(`-${id}`)) as never);
  const hands = new CallReactions(client, room);
  const heard: Array<{ key: string; emoji: string }> = [];
  hands.on('reaction', (each) => heard.push(each));
  hands.open();
  hands.update([a, b], undefined);
  return { client, room, hands, heard, log, server };
}

afterEach(() => vi.useRealTimers());

describe('hands of others', () => {
  it('go up with an annotation of their own membership, and down with its removal', async () => {
    const { room, hands } = await stand();
    const up = hand('@a:hs', '$a');
    await arrive(room, up);
    expect([hands.hand(a.key), hands.hand(b.key)]).toEqual([true, false]);
    const removal = event({ type: 'm.room.redaction', sender: '@a:hs', content: { redacts: up.getId() } });
    room.emit(RoomEvent.Redaction, removal, room);
    expect(hands.hand(a.key)).toBe(false);
  });

  it('nobody raises the hand of somebody else', async () => {
    const { room, hands } = await stand();
    await arrive(room, hand('@b:hs', '$a'), hand('@a:hs', '$nothing'), hand('@a:hs', '$a', '👍'));
    expect([hands.hand(a.key), hands.hand(b.key)]).toEqual([false, false]);
  });

  it('that were up before we came are up', async () => {
    const target = event({ type: 'org.matrix.msc3401.call.member', sender: '@a:hs', content: {}, event_id: '$a' });
    const { hands } = await stand([target, hand('@a:hs', '$a')]);
    expect(hands.hand(a.key)).toBe(true);
  });

  it('end with the membership that they were for', async () => {
    const { room, hands } = await stand();
    await arrive(room, hand('@a:hs', '$a'));
    hands.update([{ ...a, eventId: '$a2' }], undefined);
    expect(hands.hand(a.key)).toBe(false);
  });
});

describe('our hand', () => {
  it('goes up once, and down', async () => {
    const { hands, log } = await stand();
    hands.update([a, me], me);
    hands.raise(true);
    hands.update([a, me], me);
    await vi.waitFor(() => expect(log).toEqual(['m.reaction']));
    hands.raise(false);
    await vi.waitFor(() => expect(log).toEqual(['m.reaction', '-$sent1']));
    expect(hands.raised).toBe(false);
  });

  it('up and down quickly ends down', async () => {
    const { hands, log } = await stand();
    hands.update([a, me], me);
    for (const up of [true, false, true, false]) hands.raise(up);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(log.filter((what) => what === 'm.reaction').length).toBe(log.filter((what) => what.startsWith('-')).length);
  });

  it('is put up again for a membership that was renewed', async () => {
    const { hands, log } = await stand();
    hands.update([me], me);
    hands.raise(true);
    await vi.waitFor(() => expect(log.length).toBe(1));
    const renewed = { ...me, eventId: '$me2' };
    hands.update([renewed], renewed);
    await vi.waitFor(() => expect(log).toEqual(['m.reaction', '-$sent1', 'm.reaction']));
  });

  it('comes down as soon as the homeserver is back', async () => {
    const { hands, log, server } = await stand();
    hands.update([me], me);
    hands.raise(true);
    await vi.waitFor(() => expect(log.length).toBe(1));
    vi.useFakeTimers();
    server.away = true;
    hands.raise(false);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(log.length).toBe(1);
    server.away = false;
    await vi.advanceTimersByTimeAsync(5000);
    expect(log).toEqual(['m.reaction', '-$sent1']);
  });

  it('that the homeserver refuses is not asked for again and again', async () => {
    const { client, hands, server } = await stand();
    vi.useFakeTimers();
    server.refuses = true;
    hands.update([me], me);
    await vi.advanceTimersByTimeAsync(0);
    hands.raise(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(client.sendEvent).toHaveBeenCalledTimes(1);
    hands.close();
  });

  it('comes down when the call is left, and nothing is heard or tried afterwards', async () => {
    const { room, client, hands, log } = await stand();
    hands.update([me], me);
    hands.raise(true);
    await vi.waitFor(() => expect(log.length).toBe(1));
    const on = () => [
      client.listenerCount(MatrixEventEvent.Decrypted),
      ...[RoomEvent.Timeline, RoomEvent.Redaction].map((kind) => room.listenerCount(kind)),
    ];
    const open = on();
    hands.close();
    await vi.waitFor(() => expect(log).toEqual(['m.reaction', '-$sent1']));
    expect(on()).toEqual(open.map((count) => count - 1));
  });
});

describe('reactions', () => {
  it('of members are heard once at a time', async () => {
    const { room, hands, heard } = await stand();
    await arrive(room, reaction('@a:hs', '$a', '🎉'), reaction('@a:hs', '$a', '👍'), reaction('@b:hs', '$a', '👏'));
    expect(heard).toEqual([{ key: a.key, emoji: '🎉' }]);
    expect([hands.reaction(a.key), hands.reaction(b.key)]).toEqual(['🎉', undefined]);
  });

  it('are fresh by the time since they were sent, not by what clock somebody has', async () => {
    const { room, heard } = await stand();
    const hour = 3_600_000;
    await arrive(
      room,
      reaction('@a:hs', '$a', '🎉', { origin_server_ts: Date.now() - hour, unsigned: { age: 50 } }),
      reaction('@b:hs', '$b', '👍', { origin_server_ts: Date.now(), unsigned: { age: hour } }),
    );
    expect(heard.map(({ key }) => key)).toEqual([a.key]);
  });

  it('ours go out with the name that Element Call plays a sound by', async () => {
    const { client, hands } = await stand();
    hands.react('👍');
    hands.update([me], me);
    hands.react('constructor');
    hands.react('👍');
    hands.react('👍');
    expect(client.sendEvent).toHaveBeenCalledExactlyOnceWith(kRoomId, kReactionEvent, {
      'm.relates_to': { rel_type: 'm.reference', event_id: '$me' },
      emoji: '👍',
      name: 'thumbsup',
    });
  });
});
