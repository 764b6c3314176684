/** The life of a stream, on a real WebSocket with a scripted server at the other end. */
import { readFileSync } from 'node:fs';
import { JSDOM } from 'jsdom';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Deployment, JitsiError, StanzaError } from '../../../web/jitsi/types';
import { attr, x } from '../../../web/jitsi/xml';
import { XmppConnection } from '../../../web/jitsi/xmpp';
import { recordedNames } from './support/xml';
import { XmppServer } from './support/xmpp_server';

vi.stubGlobal('DOMParser', new JSDOM('').window.DOMParser);
/** Strophe would use it. */
const stored = new Map<string, string>();
vi.stubGlobal('sessionStorage', {
  getItem: (key: string) => stored.get(key) ?? null,
  setItem: (key: string, value: string) => stored.set(key, value),
  removeItem: (key: string) => stored.delete(key),
});

let server: XmppServer;
let url: string;
let xmpp: XmppConnection | undefined;
const states: Array<{ state: string; fresh: boolean; problem?: string }> = [];

function connection(token?: string | (() => Promise<string>)): XmppConnection {
  const deployment = {
    domain: 'meet.test',
    mucDomain: 'conference.meet.test',
    websocket: url,
  } as unknown as Deployment;
  xmpp = new XmppConnection({ deployment, roomName: 'room', ...(token !== undefined && { token }) });
  xmpp.on('state', (event) => states.push(event));
  return xmpp;
}

async function until(condition: () => boolean, ms = 6000): Promise<void> {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`this did not happen; heard: ${server.heard.slice(-6).join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const problemOf = async (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'none',
    (error: unknown) => (error instanceof JitsiError ? error.problem : `${error}`),
  );

beforeEach(async () => {
  states.length = 0;
  server = new XmppServer();
  url = await server.start();
});
afterEach(async () => {
  await xmpp?.close();
  xmpp = undefined;
  await server.stop();
});

describe('signing in', () => {
  test('anonymous: the room goes into the address, and the account is what the server says', async () => {
    await connection().connect();
    expect(xmpp?.jid).toBe('0a1b2c3d-0000@meet.test/r1');
    expect(xmpp?.transport).toBe('websocket');
    expect(server.opened[0]).toBe('/xmpp-websocket?room=room');
  });

  test.each([
    [undefined, { condition: 'not-allowed', text: 'token required' }, 'login-required'],
    ['t', { condition: 'not-allowed', text: 'Not acceptable by exp (-61)' }, 'token-expired'],
    ['t', { condition: 'not-allowed', text: 'token expired' }, 'token-expired'],
    ['t', { condition: 'not-allowed', text: 'Room and token mismatched' }, 'token-refused'],
  ])('with token %s refused as %o: %s', async (token, refuse, problem) => {
    server.refuse = refuse;
    expect(await problemOf(connection(token).connect())).toBe(problem);
  });

  test('a server that wants names and passwords', async () => {
    server.mechanisms = ['PLAIN'];
    expect(await problemOf(connection().connect())).toBe('login-required');
  });

  test('nobody there', async () => {
    server.closed = true;
    expect(await problemOf(connection().connect())).toBe('xmpp-unreachable');
  });

  test('a token is asked for anew before every stream, and is in no error', async () => {
    let asked = 0;
    await connection(async () => `token${++asked}`).connect();
    expect(server.opened[0]).toContain('token=token1');
    server.cut();
    await until(() => states.at(-1)?.state === 'connected');
    expect(server.opened.at(-1)).toContain('token=token2');
    server.refuse = { condition: 'not-allowed', text: 'Not acceptable by exp (-1)' };
    server.cut();
    await until(() => states.at(-1)?.state === 'closed');
    expect(states.at(-1)?.problem).toBe('token-expired');
    expect(JSON.stringify(states)).not.toContain('token3');
  });
});

describe('stanzas', () => {
  test('an answer counts only from whom was asked; errors have their condition', async () => {
    await connection().connect();
    const asked = xmpp?.iq({ to: 'focus.meet.test', type: 'get', payload: x('query', { xmlns: 'q' }) });
    await until(() => server.heard.some((text) => text.includes('focus.meet.test')));
    const id = /id="([^"]+)"/.exec(server.heard.find((text) => text.includes('focus.meet.test')) ?? '')?.[1];
    server.say(`<iq xmlns='jabber:client' type='result' id='${id}' from='evil.test'><query xmlns='evil'/></iq>`);
    server.say(
      `<iq xmlns='jabber:client' type='error' id='${id}' from='focus.meet.test'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`,
    );
    const error = await asked?.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StanzaError);
    expect((error as StanzaError).condition).toBe('forbidden');
  });

  test('every recorded stanza that came is read, and every question answered', async () => {
    await connection().connect();
    const heard: string[] = [];
    xmpp?.onStanza((stanza) => heard.push(stanza.name));
    let questions = 0;
    let stanzas = 0;
    for (const name of recordedNames('-recv-')) {
      if (name.includes('stream-')) continue;
      const text = readFileSync(new URL(`../../vectors/jitsi-wire/${name}`, import.meta.url), 'utf8').trim();
      const before = server.heard.length;
      server.say(text);
      const asks = /^<iq[^>]* type=["'](get|set)["']/.test(text);
      if (asks) {
        ++questions;
        const id = /^<iq[^>]*? id=["']([^"']+)/.exec(text)?.[1] as string;
        await until(() =>
          server.heard.slice(before).some((one) => one.includes(`id="${id}"`) && /type="(result|error)"/.test(one)),
        );
      } else if (!text.startsWith('<iq')) ++stanzas;
    }
    await until(() => heard.length === stanzas);
    expect(questions).toBeGreaterThan(12);
    expect(stanzas).toBeGreaterThan(30);
    expect(xmpp?.state).toBe('connected');
  });

  test('questions that nobody takes are refused, pings answered, handlers asked', async () => {
    await connection().connect();
    xmpp?.onIq('urn:mine', (iq) =>
      attr(iq, 'from') === 'a@b/c' ? x('mine', { xmlns: 'urn:mine' }) : new StanzaError('forbidden', 'auth'),
    );
    const ask = async (from: string, payload: string): Promise<string> => {
      const id = crypto.randomUUID();
      server.say(`<iq xmlns='jabber:client' type='get' id='${id}' from='${from}'>${payload}</iq>`);
      await until(() => server.heard.some((text) => text.includes(id)));
      return server.heard.find((text) => text.includes(id)) as string;
    };
    expect(await ask('a@b/c', "<other xmlns='urn:other'/>")).toContain('service-unavailable');
    expect(await ask('a@b/c', "<ping xmlns='urn:xmpp:ping'/>")).toContain('type="result"');
    expect(await ask('a@b/c', "<mine xmlns='urn:mine'/>")).toContain('urn:mine');
    expect(await ask('x@b/c', "<mine xmlns='urn:mine'/>")).toContain('forbidden');
  });

  test.each([
    "<!DOCTYPE x [<!ENTITY a 'b'>]><message xmlns='jabber:client'><body>&a;</body></message>",
    `<message xmlns='jabber:client'>${'<a>'.repeat(400)}${'</a>'.repeat(400)}</message>`,
  ])('XML that must not reach a parser or a handler: %#', async (text) => {
    await connection().connect();
    const heard: string[] = [];
    xmpp?.onStanza((stanza) => heard.push(stanza.name));
    server.say(text);
    server.say("<message xmlns='jabber:client' type='normal'><body>after</body></message>");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(heard.length).toBeLessThan(2);
    expect(heard.filter((name) => name !== 'message')).toEqual([]);
  });
});

describe('interruptions', () => {
  /** Connected, and the server has said that it would resume. */
  const managed = async (): Promise<void> => {
    await connection().connect();
    await until(() => server.heard.some((text) => text.startsWith('<enable')));
    await new Promise((resolve) => setTimeout(resolve, 50));
  };

  test('resumed: the same stream; what was said meanwhile is sent, once and in order', async () => {
    await managed();
    server.closed = true;
    server.cut();
    await until(() => states.at(-1)?.state === 'interrupted');
    for (const text of ['one', 'two'])
      xmpp?.send(x('message', { to: 'r@conference.meet.test', type: 'groupchat' }, x('body', {}, text)));
    await new Promise((resolve) => setTimeout(resolve, 700));
    server.closed = false;
    await until(() => states.at(-1)?.state === 'connected');
    expect(states.at(-1)?.fresh).toBe(false);
    expect(server.opened.at(-1)).toContain('previd=sm1');
    await until(() => server.heard.some((text) => text.includes('two')));
    const bodies = server.heard.flatMap((text) => /<body>(\w+)/.exec(text)?.[1] ?? []);
    expect(bodies).toEqual(['one', 'two']);
    expect(xmpp?.jid).toBe('0a1b2c3d-0000@meet.test/r1');
    // Nothing of the stream is in the browser's storage.
    expect(stored.size).toBe(0);
  });

  test('not resumed: a new stream that is called so, open questions are rejected, nothing old is sent', async () => {
    await managed();
    const asked = xmpp?.iq({ to: 'nobody.test', type: 'get', payload: x('query', { xmlns: 'q' }) });
    const rejected = asked?.catch((error: StanzaError) => error.condition);
    server.resumes = false;
    server.closed = true;
    server.cut();
    await until(() => states.at(-1)?.state === 'interrupted');
    xmpp?.send(x('message', { to: 'r@conference.meet.test', type: 'groupchat' }, x('body', {}, 'old')));
    server.closed = false;
    await until(() => states.at(-1)?.state === 'connected', 10_000);
    expect(states.at(-1)?.fresh).toBe(true);
    expect(xmpp?.jid).toBe('0a1b2c3d-0000@meet.test/r2');
    expect(await rejected).toBe('closed');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(server.heard.some((text) => text.includes('old'))).toBe(false);
    // And it is not tried again and again: one resume, one login after it.
    expect(server.heard.filter((text) => text.startsWith('<resume'))).toHaveLength(1);
  });

  test('a line that is dead although nobody closed it', async () => {
    await managed();
    server.goDeaf();
    const before = server.opened.length;
    await until(() => states.at(-1)?.state === 'interrupted', 18_000);
    await until(() => states.at(-1)?.state === 'connected', 16_000);
    expect(server.opened.length).toBeGreaterThan(before);
    expect(states.at(-1)?.fresh).toBe(false);
  }, 45_000);
});
