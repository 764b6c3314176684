// Access tokens that end while a call goes on.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { TokenRenewal } from '../../../web/matrix/tokens';

afterEach(() => vi.unstubAllGlobals());

/** A homeserver that knows one access token and one refresh token at a time. */
function server() {
  const state = { token: 'a0', refresh: 'r0', serial: 0, down: false, refused: false };
  const seen: string[] = [];
  const json = (status: number, body: object) => new Response(JSON.stringify(body), { status });
  vi.stubGlobal('fetch', async (url: string, init: RequestInit = {}) => {
    if (state.down) throw new TypeError('down');
    const path = new URL(url).pathname;
    const token = new Headers(init.headers).get('authorization')?.slice(7) ?? '';
    seen.push(`${path} ${token}`);
    if (path.endsWith('/refresh')) {
      const { refresh_token: given } = JSON.parse(String(init.body)) as { refresh_token: string };
      if (given !== state.refresh || state.refused) return json(401, { errcode: 'M_UNKNOWN_TOKEN' });
      state.serial++;
      state.token = `a${state.serial}`;
      state.refresh = `r${state.serial}`;
      return json(200, { access_token: state.token, refresh_token: state.refresh, expires_in_ms: 30_000 });
    }
    return token === state.token
      ? json(200, { ok: true })
      : json(401, { errcode: 'M_UNKNOWN_TOKEN', soft_logout: true });
  });
  return { state, seen };
}

function session(lifeMs?: number) {
  const tokens = { baseUrl: 'http://localhost', accessToken: 'a0', refreshToken: 'r0' as string };
  const clock = { now: 0 };
  const changed = vi.fn();
  const renewal = new TokenRenewal(tokens, lifeMs, changed, () => clock.now);
  const ask = (token = tokens.accessToken) =>
    renewal.fetch('http://localhost/sync', { headers: { Authorization: `Bearer ${token}` } });
  return { tokens, clock, changed, renewal, ask };
}

describe('access tokens', () => {
  it('are renewed before they end, when the server said when', async () => {
    const { seen } = server();
    const { clock, ask, tokens, changed } = session(30_000);
    clock.now = 19_999;
    await ask();
    clock.now = 20_000;
    expect((await ask()).status).toBe(200);
    expect(seen).toEqual(['/sync a0', '/_matrix/client/v3/refresh ', '/sync a1']);
    expect(tokens).toMatchObject({ accessToken: 'a1', refreshToken: 'r1' });
    expect(changed).toHaveBeenCalledTimes(1);
  });

  it('are not asked for with every request while the server says "not now"', async () => {
    const { clock, ask } = session(30_000);
    const asked: string[] = [];
    vi.stubGlobal('fetch', async (url: string) => {
      asked.push(new URL(url).pathname.split('/').at(-1) ?? '');
      return new Response('{}', { status: url.endsWith('refresh') ? 429 : 200 });
    });
    clock.now = 20_000;
    for (let i = 0; i < 50; i++) await ask();
    expect(asked.filter((what) => what === 'refresh').length).toBe(1);
    clock.now = 25_000;
    await ask();
    expect(asked.filter((what) => what === 'refresh').length).toBe(2);
  });

  it('of long ago are forgotten', async () => {
    server();
    const { clock, ask } = session(30_000);
    for (let i = 1; i <= 20; i++) {
      clock.now += 30_000;
      expect((await ask()).status).toBe(200);
    }
    // Prepared just before the last renewal, and an hour ago.
    expect((await ask('a19')).status).toBe(200);
    expect((await ask('a1')).status).toBe(401);
  });

  it('are renewed once when many requests find out at the same time', async () => {
    const { state, seen } = server();
    const { ask } = session();
    state.token = 'gone';
    const answers = await Promise.all([ask(), ask(), ask()]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(seen.filter((line) => line.includes('/refresh'))).toHaveLength(1);
  });

  it('a request that was prepared with the old one goes out with the new one', async () => {
    const { seen } = server();
    const { clock, ask } = session(30_000);
    clock.now = 20_000;
    await ask();
    expect((await ask('a0')).status).toBe(200);
    expect(seen.at(-1)).toBe('/sync a1');
  });

  it('that cannot be renewed end the session: the answer is handed on, and the server is not asked again and again', async () => {
    const { state } = server();
    const { ask } = session();
    Object.assign(state, { token: 'gone', refused: true });
    const response = await ask();
    expect(response.status).toBe(401);
    // Still readable for the SDK, which looks for the reason.
    expect(await response.json()).toMatchObject({ errcode: 'M_UNKNOWN_TOKEN' });
  });

  it('with the server away nothing ends: it is a failed request like any other', async () => {
    const { state } = server();
    const { clock, ask, tokens } = session(30_000);
    clock.now = 20_000;
    state.down = true;
    await expect(ask()).rejects.toThrow(TypeError);
    state.down = false;
    expect((await ask()).status).toBe(200);
    expect(tokens.accessToken).toBe('a1');
  });

  it('of others are left alone: requests without ours pass as they are', async () => {
    const { seen } = server();
    const { renewal } = session();
    await renewal.fetch('http://localhost/versions', {});
    await renewal.fetch('http://localhost/other', { headers: { Authorization: 'Bearer foreign' } });
    expect(seen).toEqual(['/versions ', '/other foreign']);
  });
});
