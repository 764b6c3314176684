/** Asking the focus for the conference, by XMPP and by HTTP. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { requestConference } from '../../../web/jitsi/conference_request';
import { type Deployment, JitsiError, StanzaError, type XmppPort } from '../../../web/jitsi/types';
import { attr, child, writeElement, type XmlElement, x } from '../../../web/jitsi/xml';
import { parse, recorded, recordedNames } from './support/xml';

const kRoom = 'rt5@conference.meet.test';
const deployment = (http?: string): Deployment =>
  ({ focus: 'focus.meet.test', ...(http && { conferenceRequestUrl: http }) }) as unknown as Deployment;
const problem = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'none',
    (error: unknown) => (error instanceof JitsiError ? error.problem : `${error}`),
  );

function ask(answer: (count: number) => XmlElement | Error, token?: string, onAbsent?: () => void) {
  const asked: XmlElement[] = [];
  const xmpp: Pick<XmppPort, 'iq'> = {
    iq: async ({ to, payload }) => {
      expect(to).toBe('focus.meet.test');
      asked.push(payload);
      const result = answer(asked.length);
      if (result instanceof Error) throw result;
      return result;
    },
  };
  const done = requestConference({ deployment: deployment(), room: kRoom, xmpp, machineUid: 'uid', token }, onAbsent);
  return { asked, done };
}
const error = (condition: string, inside?: XmlElement): StanzaError =>
  new StanzaError(condition, 'cancel', x('iq', {}, x('error', {}, inside)));

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe('by XMPP', () => {
  test('what genuine components said: every recorded answer is understood', async () => {
    const names = recordedNames('recv-conference-result');
    expect(names.length).toBeGreaterThan(2);
    for (const name of names) {
      const { done, asked } = ask(() => recorded(name));
      expect((await done).focusJid).toMatch(/^focus@auth\.meet\.test$/);
      const [request] = asked;
      expect(attr(request, 'room')).toBe(kRoom);
      // Nothing about the machine, and as the recorded client asks.
      const sent = child(recorded(recordedNames('sent-conference-request')[0] as string), 'conference');
      expect(request?.ns).toBe(sent?.ns);
    }
  });

  test('not there yet: asked again, and said', async () => {
    vi.useFakeTimers();
    let said = 0;
    const { done, asked } = ask(
      (count) =>
        count < 3 ? error('service-unavailable') : recorded(recordedNames('recv-conference-result')[0] as string),
      undefined,
      () => {
        ++said;
      },
    );
    await vi.advanceTimersByTimeAsync(10_000);
    await done;
    expect(asked).toHaveLength(3);
    expect(said).toBe(1);
  });

  test('never there: given up with words after less than a minute', async () => {
    vi.useFakeTimers();
    const { done } = ask(() => error('remote-server-not-found'));
    const found = problem(done);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await found).toBe('focus-absent');
  });

  test.each([
    [error('not-authorized'), undefined, 'login-required'],
    [error('not-authorized'), 'token', 'token-refused'],
    [error('not-acceptable'), undefined, 'conference-refused'],
    [error('forbidden'), undefined, 'conference-refused'],
    [error('conflict', x('reservation-error', {})), undefined, 'conference-refused'],
  ])('%o with token %s: %s', async (answer, token, wanted) => {
    expect(await problem(ask(() => answer, token).done)).toBe(wanted);
  });

  test.each(['focus@auth.meet.test/x"><evil/>', '', 'no jid', 'a@b@c <'])(
    'a focus called %j is none',
    async (focusjid) => {
      const answer = x(
        'iq',
        {},
        x('conference', { xmlns: 'http://jitsi.org/protocol/focus', ready: 'true', focusjid }),
      );
      const found = await ask(() => answer).done.then(
        ({ focusJid }) => focusJid,
        (reason: JitsiError) => reason.problem,
      );
      expect(['conference-refused', 'focus@auth.meet.test']).toContain(found);
    },
  );

  test('a visitor’s room is not this room', async () => {
    const answer = parse(
      "<iq xmlns='jabber:client'><conference xmlns='http://jitsi.org/protocol/focus' ready='true' vnode='v1' focusjid='focus@auth.meet.test'/></iq>",
    );
    expect(await problem(ask(() => answer).done)).toBe('room-full');
  });
});

describe('by HTTP', () => {
  const post = (status: number, body: unknown, token?: string) => {
    const calls: Array<[string, RequestInit]> = [];
    vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
      calls.push([url, init]);
      return new Response(typeof body === 'string' ? body : JSON.stringify(body), { status });
    });
    const xmpp = { iq: async () => Promise.reject(new Error('not by XMPP')) };
    const url = 'https://meet.test/conference-request/v1';
    const done = requestConference({ deployment: deployment(url), room: kRoom, xmpp, machineUid: 'uid', token });
    return { calls, done };
  };

  test('asked without cookies, with the token in a header', async () => {
    const { calls, done } = post(200, { ready: true, focusJid: 'focus@auth.meet.test' }, 'secret');
    expect((await done).focusJid).toBe('focus@auth.meet.test');
    const [, init] = calls[0] as [string, RequestInit];
    expect(init).toMatchObject({ method: 'POST', credentials: 'omit', referrerPolicy: 'no-referrer' });
    expect((init.headers as Record<string, string>).Authorization).toBe('Bearer secret');
    expect(JSON.parse(init.body as string)).toMatchObject({ room: kRoom, machineUid: 'uid' });
    expect(writeElement(x('x', {}, `${init.body}`))).not.toContain('secret');
  });

  test.each([
    [401, {}, undefined, 'login-required'],
    [403, {}, 'token', 'token-refused'],
    [400, {}, undefined, 'conference-refused'],
    [200, { ready: true, vnode: 'v', focusJid: 'focus@a.b' }, undefined, 'room-full'],
    [200, { ready: true, focusJid: 5 }, undefined, 'conference-refused'],
  ])('%i %o: %s', async (status, body, token, wanted) => {
    expect(await problem(post(status, body, token).done)).toBe(wanted);
  });

  test('an answer that is no answer is asked for again', async () => {
    vi.useFakeTimers();
    const { done, calls } = post(200, '<html>');
    const found = problem(done);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await found).toBe('focus-absent');
    expect(calls.length).toBeGreaterThan(5);
  });
});
