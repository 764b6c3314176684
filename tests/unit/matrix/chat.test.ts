// The room's timeline as chat, on the SDK's own room: what counts as new, whose edits count, what text may hold.
import { type MatrixClient, type MatrixEvent, MatrixEventEvent, type Room, RoomEvent } from 'matrix-js-sdk/lib/matrix';
import { describe, expect, it, vi } from 'vitest';
import type { ChatMessage } from '../../../web/call';
import { cleanText, RoomChat } from '../../../web/matrix/chat';
import { arrive, event, newClient, newRoom, sealed } from './fakes';

const text = (sender: string, body: unknown, part: object = {}, make = sealed): MatrixEvent =>
  make({ type: 'm.room.message', sender, content: { msgtype: 'm.text', body }, ...part });

const edit = (of: MatrixEvent, body: string, make = sealed, sender = of.getSender() ?? ''): MatrixEvent =>
  make({
    type: 'm.room.message',
    sender,
    content: {
      msgtype: 'm.text',
      body: `* ${body}`,
      'm.new_content': { msgtype: 'm.text', body },
      'm.relates_to': { rel_type: 'm.replace', event_id: of.getId() ?? '' },
    },
  });

interface Stand {
  chat: RoomChat;
  room: Room;
  client: MatrixClient;
  heard: ChatMessage[];
  texts(): string[];
}

async function stand({ before = [] as MatrixEvent[], widget = false } = {}): Promise<Stand> {
  const client = newClient();
  const room = await newRoom(client);
  await arrive(room, ...before);
  const chat = new RoomChat(client, room, widget);
  const heard: ChatMessage[] = [];
  chat.on('message', (message) => heard.push(message));
  chat.open();
  await new Promise((resolve) => setImmediate(resolve));
  return { chat, room, client, heard, texts: () => chat.messages.map((each) => each.text) };
}

describe('what is said', () => {
  it('is shown with its sender, and counts as unread until it was read', async () => {
    const { chat, room, heard } = await stand();
    await arrive(room, text('@a:hs', 'hello'), text('@me:hs', 'mine'), text('@b:hs', 'well'));
    expect(chat.messages.map(({ member, name, text: said }) => [member, name, said])).toEqual([
      ['@a:hs', 'a', 'hello'],
      ['', 'me', 'mine'],
      ['@b:hs', 'b', 'well'],
    ]);
    expect(heard.map(({ member }) => member)).toEqual(['@a:hs', '@b:hs']);
    expect(chat.unread).toBe(2);
    chat.markRead();
    expect(chat.unread).toBe(0);
  });

  it('before joining is shown, and is not news', async () => {
    const { chat, room, heard, texts } = await stand({ before: [text('@a:hs', 'old')] });
    const earlier = text('@a:hs', 'earlier');
    room.addEventsToTimeline([earlier], true, true, room.getLiveTimeline());
    await arrive(room, text('@a:hs', 'new'));
    expect(texts()).toEqual(['earlier', 'old', 'new']);
    expect(heard.map(({ text: said }) => said)).toEqual(['new']);
    expect(chat.unread).toBe(1);
  });

  it('is news whatever the sender’s server thinks that the time is', async () => {
    const { heard, room } = await stand();
    const now = Date.now();
    await arrive(
      room,
      text('@a:hs', 'behind', { origin_server_ts: now - 3_600_000 }),
      text('@b:hs', 'ahead', { origin_server_ts: now + 3_600_000 }),
    );
    expect(heard.map(({ text: said }) => said)).toEqual(['behind', 'ahead']);
  });

  it('is not pushed out by what else happens in the room', async () => {
    const { room, texts } = await stand();
    await arrive(room, text('@a:hs', 'first'));
    const noise = Array.from({ length: 900 }, () =>
      event({ type: 'm.reaction', sender: '@b:hs', content: { 'm.relates_to': {} } }),
    );
    await arrive(room, ...noise);
    expect(texts()).toEqual(['first']);
  });

  it('is kept up to two hundred, and one that shows up again is no news', async () => {
    const { room, heard, texts } = await stand();
    const all = Array.from({ length: 250 }, (_, i) => text('@a:hs', `${i}`));
    await arrive(room, ...all);
    expect([texts().length, texts()[0], texts().at(-1)]).toEqual([200, '50', '249']);
    const before = heard.length;
    const last = all.at(-1) as MatrixEvent;
    last.makeRedacted(event({ type: 'm.room.redaction', sender: '@a:hs', content: {} }), room);
    room.emit(RoomEvent.Redaction, last, room);
    await new Promise((resolve) => setImmediate(resolve));
    expect([texts().length, texts()[0], texts().at(-1)]).toEqual([200, '49', '248']);
    // 49 was within the first fifty, which were never shown as news; 50 and on must not be said twice.
    expect(heard.slice(before).map(({ text: said }) => said)).toEqual(['49']);
  });

  it('nothing is heard or held after close', async () => {
    const { chat, room, client } = await stand({ before: [text('@a:hs', 'old')] });
    expect(chat.messages.length).toBe(1);
    const on = () => [
      client.listenerCount(MatrixEventEvent.Decrypted),
      client.listenerCount(MatrixEventEvent.Replaced),
      ...[RoomEvent.Timeline, RoomEvent.Redaction, RoomEvent.LocalEchoUpdated].map((kind) => room.listenerCount(kind)),
    ];
    const open = on();
    chat.close();
    expect(on()).toEqual(open.map((count) => count - 1));
    expect(chat.messages).toEqual([]);
  });
});

describe('edits', () => {
  it('of the sender count', async () => {
    const { chat, room } = await stand();
    const said = text('@a:hs', 'helo');
    await arrive(room, said, edit(said, 'hello'));
    await vi.waitFor(() => expect(chat.messages).toMatchObject([{ text: 'hello', edited: true, encrypted: true }]));
  });

  it('in clear change nothing of what was sealed: the homeserver could have written them', async () => {
    const { chat, room } = await stand();
    const said = text('@a:hs', 'no');
    await arrive(room, said, edit(said, 'yes', event));
    await vi.waitFor(() => expect(said.replacingEvent()).toBeTruthy());
    await new Promise((resolve) => setImmediate(resolve));
    expect(chat.messages).toMatchObject([{ text: 'no', edited: false, encrypted: true }]);
  });

  it('of others do not count', async () => {
    const { chat, room } = await stand();
    const said = text('@a:hs', 'no');
    await arrive(room, said, edit(said, 'yes', sealed, '@b:hs'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(chat.messages).toMatchObject([{ text: 'no', edited: false }]);
  });
});

describe('what came in clear', () => {
  it('is told from what was sealed', async () => {
    const { chat, room } = await stand();
    await arrive(room, text('@a:hs', 'sealed'), text('@a:hs', 'clear', {}, event));
    expect(chat.messages.map(({ encrypted }) => encrypted)).toEqual([true, false]);
  });

  it('is the host’s word in a widget', async () => {
    const { chat, room } = await stand({ widget: true });
    await arrive(room, text('@a:hs', 'opened by the host', {}, event));
    expect(chat.messages.map(({ encrypted }) => encrypted)).toEqual([true]);
  });
});

describe('hostile text', () => {
  it('anything but text is left out', async () => {
    const { room, texts } = await stand();
    await arrive(
      room,
      text('@a:hs', 5),
      text('@a:hs', null),
      text('@a:hs', { toString: 'x' }),
      text('@a:hs', '   '),
      text('@a:hs', '\u202e\u0000'),
      sealed({
        type: 'm.room.message',
        sender: '@a:hs',
        content: { msgtype: 'm.image', body: 'cat.png', url: 'mxc://x/y' },
      }),
      sealed({ type: 'm.room.message', sender: '@a:hs', content: { msgtype: '__proto__', body: 'x' } }),
      sealed({ type: 'm.room.topic', sender: '@a:hs', content: { topic: 'x' } }),
      text('@a:hs', 'fine'),
    );
    expect(texts()).toEqual(['fine']);
  });

  it('is cut, and read as it is written', async () => {
    const { room, texts } = await stand();
    await arrive(room, text('@a:hs', 'x'.repeat(1_000_000)), text('@a:hs', 'a\u202egpj.exe\u0007\nb\u2067c'));
    expect(texts()[0]?.length).toBe(4000);
    expect(texts()[1]).toBe('agpj.exe\nbc');
  });

  it.each([
    ['one\r\ntwo\rthree\tfour', 'one\ntwo\nthree\tfour'],
    ['👨‍👩‍👧 שלום مرحبا क्षि', '👨‍👩‍👧 שלום مرحبا क्षि'],
    [`a${'\u0301'.repeat(100)}b`, `a${'\u0301'.repeat(8)}b`],
    ['a\ud800b', 'ab'],
    ['\u001b[31mred', '[31mred'],
  ])('%j', (dirty, clean) => expect(cleanText(dirty)).toBe(clean));

  it('somebody without a name is shown by an address that can be read', async () => {
    const { chat, room } = await stand();
    await arrive(room, text('@x\u202ey:hs', 'hi'));
    expect(chat.messages[0]?.name).toBe('@xy:hs');
  });
});

describe('sending', () => {
  it('sends what is left after trimming, and rejects nothing', async () => {
    const { chat, client } = await stand();
    const send = vi.spyOn(client, 'sendMessage').mockRejectedValue(new Error('away') as never);
    await chat.send('   ');
    expect(send).not.toHaveBeenCalled();
    await chat.send(` ${'y'.repeat(5000)} `);
    expect(send).toHaveBeenCalledWith('!room:hs', { msgtype: 'm.text', body: 'y'.repeat(4000) });
  });
});
