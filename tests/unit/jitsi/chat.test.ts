/** Chat: to whom a message goes, and what becomes of it when the line is cut. */
import { beforeEach, describe, expect, test } from 'vitest';
import { JitsiChat } from '../../../web/jitsi/chat';

const plain: string[] = [];
const sealed: Array<{ id: string; text: string; again?: true }> = [];
let online = true;
let reach = 1;
let chat: JitsiChat;

beforeEach(() => {
  plain.length = 0;
  sealed.length = 0;
  online = true;
  reach = 1;
  chat = new JitsiChat({
    sendPlain: (text) => {
      plain.push(text);
      return `p${plain.length}`;
    },
    sendSealed: (message) => {
      sealed.push(message);
      return reach;
    },
    online: () => online,
    nameOf: (id) => id.toUpperCase(),
    audience: () => ({ unreached: ['Stock'], sealed: 1 }),
  });
});
const states = (): string[] => chat.messages.map(({ state, text }) => `${text}: ${state}`);

describe('audience', () => {
  test('sealed without a choice; to everyone only by choice, and marked', async () => {
    await chat.send(' one ');
    chat.setAudience('everyone');
    await chat.send('two');
    expect(sealed.map(({ text }) => text)).toEqual(['one']);
    expect(plain).toEqual(['two']);
    expect(chat.messages.map(({ encrypted }) => encrypted)).toEqual([true, false]);
    expect(chat.unreached).toEqual(['Stock']);
  });

  test('reached nobody: failed, and can be tried again', async () => {
    reach = 0;
    await chat.send('one');
    expect(states()).toEqual(['one: failed']);
    reach = 2;
    await chat.retry(chat.messages[0]?.id ?? '');
    expect(states()).toEqual(['one: sent']);
    // The same message, not another one.
    expect(new Set(sealed.map(({ id }) => id)).size).toBe(1);
  });
});

describe('a line that is cut', () => {
  test('waits, then goes out in order', async () => {
    online = false;
    await chat.send('one');
    chat.setAudience('everyone');
    await chat.send('two');
    expect(states()).toEqual(['one: sending', 'two: sending']);
    expect([...plain, ...sealed]).toEqual([]);
    online = true;
    chat.resume();
    expect(states()).toEqual(['one: sent', 'two: sent']);
    expect(sealed.map(({ text, again }) => [text, again])).toEqual([['one', undefined]]);
    expect(plain).toEqual(['two']);
  });

  test('not resumed: what was said last is said once more, and says so; older is not', async () => {
    await chat.send('long ago');
    const message = chat.messages[0] as { at: number };
    message.at -= 60_000;
    await chat.send('just now');
    chat.resume(Date.now() - 20_000);
    expect(sealed.map(({ text, again }) => [text, again])).toEqual([
      ['long ago', undefined],
      ['just now', undefined],
      ['just now', true],
    ]);
  });

  test('heard twice from somebody who came back under another id: shown once', () => {
    const message = { id: 'm1', text: 'hello', at: 1, encrypted: true };
    chat.received({ ...message, member: 'aaaa' });
    chat.received({ ...message, member: 'bbbb', again: true });
    expect(chat.messages).toHaveLength(1);
    // Somebody else cannot make a message disappear by its id.
    chat.received({ ...message, id: 'm2', text: 'mine', member: 'eeee' });
    chat.received({ ...message, id: 'm2', text: 'theirs', member: 'bbbb', again: true });
    expect(chat.messages.map(({ text }) => text)).toEqual(['hello', 'mine', 'theirs']);
  });
});

test('bounded: lengths, number, and empty ones not at all', async () => {
  await chat.send('x'.repeat(10_000));
  await chat.send('   ');
  for (let index = 0; index < 600; ++index)
    chat.received({ id: `${index}`, member: 'a', text: `${index}`, at: 1, encrypted: true });
  chat.received({ id: 'e', member: 'a', text: ' ', at: 1, encrypted: true });
  expect(chat.messages).toHaveLength(500);
  expect(sealed[0]?.text).toHaveLength(4000);
  expect(chat.unread).toBe(600);
  chat.markRead();
  expect(chat.unread).toBe(0);
});
