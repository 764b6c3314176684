// Everything that comes from outside before a call: links, addresses, answers of servers, parameters of a host.
import { computeRtcIdentityRaw } from 'matrix-js-sdk/lib/matrixrtc/membershipData/rtc';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Avatars, clientDownload } from '../../../web/matrix/avatars';
import {
  checkBaseUrl,
  discover,
  providerIcon,
  providersOf,
  readBody,
  readJson,
  waysToSignIn,
} from '../../../web/matrix/discovery';
import { MatrixError } from '../../../web/matrix/errors';
import { callMode, cleanAddress, isUserId, parseTarget, roomLink } from '../../../web/matrix/links';
import { firstEmoji } from '../../../web/matrix/reactions';
import { finishRedirect, redirectAnswer } from '../../../web/matrix/redirect';
import { getTicket, ownTransport, readTicket, serviceUrl } from '../../../web/matrix/transports';
import { capabilities, onlyFrom, widgetParameters } from '../../../web/matrix/widget';

const problem = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return error instanceof MatrixError ? error.problem : error;
  }
};
const rejected = (promise: Promise<unknown>): Promise<unknown> =>
  promise.catch((error: unknown) => (error instanceof MatrixError ? error.problem : error));

afterEach(() => vi.unstubAllGlobals());

describe('how a page announces people', () => {
  it.each([
    ['https://siegel.example/matrix/#/room/!abc?hs=a.org&mode=matrix_2_0', 'matrix_2_0'],
    ['https://siegel.example/matrix/?mode=matrix_2_0#/room/!abc?hs=a.org', 'matrix_2_0'],
    ['https://siegel.example/matrix/#?widgetId=w&mode=compatibility', 'compatibility'],
    ['https://siegel.example/matrix/#/room/!abc', undefined],
    ['https://siegel.example/matrix/#/room/!abc?mode=legacy', undefined],
    ['https://siegel.example/matrix/#/room/!abc?mode=__proto__', undefined],
  ])('%s', (address, mode) => expect(callMode(address)).toBe(mode));
});

describe('names of rooms', () => {
  it.each([
    ['#team:example.org', { room: '#team:example.org' }],
    [' !abc:example.org ', { room: '!abc:example.org' }],
    ['!hashWithoutServer', { room: '!hashWithoutServer' }],
    ['https://matrix.to/#/#team:example.org', { room: '#team:example.org' }],
    [
      'https://matrix.to/#/%21abc%3Aexample.org?via=a.org&via=b.org',
      { room: '!abc:example.org', via: ['a.org', 'b.org'] },
    ],
    ['https://matrix.to/#/!abc:example.org/$event?via=a.org', { room: '!abc:example.org', via: ['a.org'] }],
    ['matrix:r/team:example.org?action=join', { room: '#team:example.org' }],
    ['matrix:roomid/abc:example.org?via=a.org', { room: '!abc:example.org', via: ['a.org'] }],
    ['#/room/%23team%3Aexample.org?hs=example.org', { room: '#team:example.org', server: 'example.org' }],
    ['https://siegel.example/matrix/#/room/!abc?via=a.org', { room: '!abc', via: ['a.org'] }],
    ['/room/!abc', { room: '!abc' }],
  ])('%s', (link, target) => expect(parseTarget(link)).toEqual(target));

  it.each([
    '',
    'team',
    '#team',
    '#:example.org',
    '#team:exa mple',
    '@anna:example.org',
    'https://example.org/',
    'https://matrix.to/#/@anna:example.org',
    'matrix:u/anna:example.org',
    '#/room/%E0%A4%A',
    `#${'a'.repeat(300)}:example.org`,
    `https://matrix.to/#/${'a'.repeat(5000)}`,
    'javascript:alert(1)#/room/team',
  ])('refused: %s', (link) => expect(problem(() => parseTarget(link))).toBe('bad-address'));

  it('servers that are none are left out, and not more than ten are kept', () => {
    const many = Array.from({ length: 30 }, (_, i) => `via=s${i}.org`).join('&');
    const { via } = parseTarget(`#/room/!abc?via=a b&via=http://x&${many}`);
    expect(via).toEqual(Array.from({ length: 10 }, (_, i) => `s${i}.org`));
  });

  it('our links are read as they were written', () => {
    const link = roomLink('https://siegel.example/matrix/?x=1', '!abc:example.org', 'hs.example.org', [
      'a.org',
      'b.org:8448',
    ]);
    expect(link.startsWith('https://siegel.example/matrix/?x=1#/room/')).toBe(true);
    expect(parseTarget(link)).toEqual({
      room: '!abc:example.org',
      server: 'hs.example.org',
      via: ['a.org', 'b.org:8448'],
    });
  });

  it('addresses of people', () => {
    expect(['@a:b', '@anna:example.org:8448', '@x:[::1]:80'].every(isUserId)).toBe(true);
    expect(cleanAddress('@a\u202eb\u200b\n:hs')).toBe('@ab:hs');
    expect(['anna', '@anna', '@:b', '@a b:c', '@a\u202eb:c', '@a:b c', `@${'a'.repeat(300)}:b`].some(isUserId)).toBe(
      false,
    );
  });
});

describe('servers', () => {
  it('http only for this computer', () => {
    expect(checkBaseUrl('https://example.org/')).toBe('https://example.org');
    expect(checkBaseUrl('http://localhost:8008')).toBe('http://localhost:8008');
    expect(problem(() => checkBaseUrl('http://example.org'))).toBe('insecure-server');
    expect(problem(() => checkBaseUrl('http://localhost.evil.org'))).toBe('insecure-server');
    for (const bad of ['ftp://x', 'javascript:1', 'https://u:p@example.org', 'https://example.org/?q', 'nonsense'])
      expect(problem(() => checkBaseUrl(bad))).toBe('bad-server');
  });

  it('what is no address is not asked', async () => {
    const fetch = vi.fn();
    vi.stubGlobal('fetch', fetch);
    for (const bad of ['', 'a b', 'x/y', '..\\', 'é'.repeat(10), 'a'.repeat(400)])
      expect(await rejected(discover(bad))).toBe('bad-server');
    expect(await rejected(discover('http://example.org'))).toBe('insecure-server');
    expect(fetch).not.toHaveBeenCalled();
  });

  it('says whether nobody answers, or somebody else', async () => {
    vi.stubGlobal('fetch', vi.fn().mockRejectedValue(new TypeError('no')));
    expect(await rejected(discover('http://localhost:1'))).toBe('unknown-server');
    vi.stubGlobal('fetch', async () => new Response('<html>', { status: 200 }));
    expect(await rejected(discover('http://localhost:1'))).toBe('not-a-homeserver');
    vi.stubGlobal('fetch', async () => new Response('{}', { status: 429 }));
    expect(await rejected(discover('http://localhost:1'))).toBe('rate-limited');
  });

  it('reads the ways to sign in', async () => {
    const answers: Record<string, unknown> = {
      '/_matrix/client/versions': { versions: ['v1.11'] },
      '/_matrix/client/v3/login': {
        flows: [
          { type: 'm.login.password' },
          {
            type: 'm.login.sso',
            identity_providers: [
              { id: 'a', name: 'A' },
              { id: 5, name: 'B' },
            ],
          },
        ],
      },
    };
    vi.stubGlobal('fetch', async (url: URL | string) => {
      const answer = answers[new URL(url).pathname];
      return new Response(JSON.stringify(answer ?? { errcode: 'M_UNRECOGNIZED' }), {
        status: answer ? 200 : 404,
        headers: { 'content-type': 'application/json' },
      });
    });
    expect(await discover('localhost:8008')).toEqual({
      baseUrl: 'http://localhost:8008',
      name: 'localhost:8008',
      password: true,
      sso: [{ id: 'a', name: 'A' }],
      oidc: false,
    });
  });

  it('an answer without end is not read to its end', async () => {
    let parts = 0;
    const endless = new ReadableStream({
      pull(controller) {
        parts++;
        controller.enqueue(new Uint8Array(50_000));
      },
    });
    expect(await readJson(new Response(endless))).toBeUndefined();
    expect(parts).toBeLessThan(10);
    expect(await readBody(new Response('12345'), 4)).toBeUndefined();
    expect((await readBody(new Response('1234', { headers: { 'content-type': 'image/png' } }), 4))?.type).toBe(
      'image/png',
    );
    expect(await readJson(new Response('[1]'))).toBeUndefined();
    expect(await readJson(new Response('{"a":1}'))).toEqual({ a: 1 });
  });
});

describe('media servers', () => {
  const jwt = (payload: object): string => `h.${btoa(JSON.stringify(payload)).replaceAll('=', '')}.s`;
  const client = (parts: object) =>
    ({ getOpenIdToken: async () => ({ access_token: 'secret' }), getDomain: () => null, ...parts }) as never;
  const me = { userId: '@a:hs', deviceId: 'DEV', memberId: 'member' };

  it('transports that are none, or not safe, are no transports', () => {
    expect(serviceUrl({ type: 'livekit', livekit_service_url: 'https://x.org/jwt/' })).toBe('https://x.org/jwt');
    for (const bad of [null, 5, {}, { type: 'livekit' }, { type: 'other', livekit_service_url: 'https://x' }])
      expect(serviceUrl(bad)).toBeUndefined();
    expect(serviceUrl({ type: 'livekit', livekit_service_url: 'http://x.org' })).toBeUndefined();
    expect(serviceUrl({ type: 'livekit', livekit_service_url: 'javascript:1' })).toBeUndefined();
  });

  it('a homeserver without one is told from one that is away', async () => {
    expect(await rejected(ownTransport(client({ _unstable_getRTCTransports: async () => [] })))).toBe('no-transport');
    const { ConnectionError } = await import('matrix-js-sdk/lib/matrix');
    const away = async () => {
      throw new ConnectionError('x');
    };
    expect(await rejected(ownTransport(client({ _unstable_getRTCTransports: away })))).toBe('offline');
  });

  it('tickets are checked before they are used', () => {
    expect(readTicket({ url: 'wss://sfu.org', jwt: jwt({ sub: 'me' }) })).toMatchObject({ identity: 'me' });
    expect(readTicket({ url: 'ws://localhost:7880', jwt: jwt({ sub: 'me' }) })).toBeDefined();
    expect(readTicket({ url: 'ws://sfu.org', jwt: jwt({ sub: 'me' }) })).toBeUndefined();
    expect(readTicket({ url: 'wss://sfu.org', jwt: 'x' })).toBeUndefined();
    expect(readTicket({ url: 'wss://sfu.org', jwt: jwt({ sub: 5 }) })).toBeUndefined();
    expect(readTicket({ url: 5, jwt: 6 })).toBeUndefined();
  });

  it.each([
    [401, 'token-service-refused'],
    [404, 'token-service-refused'],
    [429, 'rate-limited'],
    [502, 'token-service-unreachable'],
    [200, 'token-service-refused'],
  ])('status %d of the token service', async (status, what) => {
    vi.stubGlobal('fetch', async () => new Response('{}', { status }));
    const options = { service: 'https://x', roomId: '!r', me, mode: 'compatibility' as const };
    expect(await rejected(getTicket(client({}), options))).toBe(what);
  });

  it('asks the endpoint of its mode, and both where it only receives', async () => {
    const asked: Array<[string, unknown]> = [];
    vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
      asked.push([url, JSON.parse(String(init.body))]);
      const ok = url.endsWith('/sfu/get');
      return new Response(JSON.stringify({ url: 'wss://s', jwt: jwt({ sub: '@a:hs:DEV' }) }), {
        status: ok ? 200 : 404,
      });
    });
    const options = { service: 'https://x', roomId: '!r', me };
    await getTicket(client({}), { ...options, mode: 'compatibility' });
    await getTicket(client({}), { ...options, mode: undefined });
    expect(await rejected(getTicket(client({}), { ...options, mode: 'matrix_2_0' }))).toBe('token-service-refused');
    expect(asked.map(([url]) => url)).toEqual([
      'https://x/sfu/get',
      'https://x/get_token',
      'https://x/sfu/get',
      'https://x/get_token',
    ]);
    expect(asked[0]?.[1]).toEqual({ room: '!r', openid_token: { access_token: 'secret' }, device_id: 'DEV' });
    expect(asked[1]?.[1]).toEqual({
      room_id: '!r',
      slot_id: 'm.call#ROOM',
      openid_token: { access_token: 'secret' },
      member: { id: 'member', claimed_user_id: '@a:hs', claimed_device_id: 'DEV' },
    });
  });
});

describe('our name at the media server', () => {
  const me = { userId: '@a:hs', deviceId: 'DEV', memberId: 'member' };
  const client = { getOpenIdToken: async () => ({}), getDomain: () => null } as never;
  const answer = (sub: string): void => {
    const body = JSON.stringify({ url: 'wss://s', jwt: `h.${btoa(JSON.stringify({ sub }))}.s` });
    vi.stubGlobal('fetch', async () => new Response(body));
  };

  it('is the one that the others expect, or there is no ticket', async () => {
    const options = { service: 'https://x', roomId: '!r', me };
    const hash = await computeRtcIdentityRaw(me.userId, me.deviceId, me.memberId);
    answer('@a:hs:DEV');
    expect(await getTicket(client, { ...options, mode: 'compatibility' })).toMatchObject({ identity: '@a:hs:DEV' });
    expect(await rejected(getTicket(client, { ...options, mode: 'matrix_2_0' }))).toBe('token-service-refused');
    answer(hash);
    expect(await getTicket(client, { ...options, mode: 'matrix_2_0' })).toMatchObject({ identity: hash });
    answer('@victim:hs:DEV');
    expect(await rejected(getTicket(client, { ...options, mode: 'compatibility' }))).toBe('token-service-refused');
    // Where we only listen, any name will do.
    expect(await getTicket(client, { ...options, mode: undefined })).toMatchObject({ identity: '@victim:hs:DEV' });
  });
});

describe('coming back from an identity provider', () => {
  const page = 'https://s.example/matrix/';

  it('finds the token or code and takes it out of the address', () => {
    expect(redirectAnswer(`${page}?loginToken=abc&sign-in=s&x=1`)).toEqual({
      kind: 'sso',
      loginToken: 'abc',
      state: 's',
      rest: `${page}?x=1`,
    });
    expect(redirectAnswer(`${page}#code=c&state=s&iss=https%3A%2F%2Fa.example%2F`)).toEqual({
      kind: 'oidc',
      code: 'c',
      state: 's',
      issuer: 'https://a.example/',
      rest: page,
    });
    const refused = { kind: 'oidc', error: 'access_denied', rest: page };
    expect(redirectAnswer(`${page}#error=access_denied&error_description=no`)).toEqual(refused);
  });

  it('what is there twice is not there', () => {
    expect(redirectAnswer(`${page}?loginToken=a&loginToken=b&sign-in=s`)).toEqual({
      kind: 'sso',
      state: 's',
      rest: page,
    });
    expect(redirectAnswer(`${page}?loginToken=a&sign-in=s&sign-in=t`)).toEqual({
      kind: 'sso',
      loginToken: 'a',
      rest: page,
    });
    expect(redirectAnswer(`${page}#code=c&code=d&state=s`)).toEqual({ kind: 'oidc', state: 's', rest: page });
  });

  it('takes no room link for an answer', () => {
    expect(redirectAnswer(`${page}#/room/!abc?code=1&state=2`)).toBeUndefined();
    expect(redirectAnswer(page)).toBeUndefined();
    expect(redirectAnswer(`${page}?error=access_denied&code=1&state=2`)).toBeUndefined();
  });

  const metadata = {
    issuer: 'https://auth.example/',
    authorization_endpoint: 'https://auth.example/authorize',
    token_endpoint: 'https://auth.example/token',
    revocation_endpoint: 'https://auth.example/revoke',
    registration_endpoint: 'https://auth.example/register',
    response_modes_supported: ['query', 'fragment'],
    response_types_supported: ['code'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  };
  const sso = {
    kind: 'sso' as const,
    baseUrl: 'https://hs.example',
    serverName: 'hs.example',
    remember: false,
    state: 'ours',
    redirectUri: page,
    leftAt: Date.now(),
  };
  const oidc = {
    ...sso,
    kind: 'oidc' as const,
    issuer: metadata.issuer,
    clientId: 'client',
    deviceId: 'DEVICE1234',
    codeVerifier: 'verifier',
  };
  const code = { kind: 'oidc' as const, code: 'c', state: 'ours', issuer: metadata.issuer, rest: page };

  /** Answers by path, and what was asked. */
  function servers(change: Record<string, unknown> = {}): { path: string; body: string }[] {
    const asked: { path: string; body: string }[] = [];
    const answers: Record<string, unknown> = {
      '/_matrix/client/v3/login': { user_id: '@a:hs.example', device_id: 'D', access_token: 't' },
      '/_matrix/client/v1/auth_metadata': metadata,
      '/token': { access_token: 't', refresh_token: 'r', token_type: 'Bearer' },
      '/_matrix/client/v3/account/whoami': { user_id: '@a:hs.example', device_id: 'DEVICE1234' },
      '/revoke': {},
      ...change,
    };
    vi.stubGlobal('fetch', async (url: URL | string, init: RequestInit = {}) => {
      const path = new URL(url).pathname;
      asked.push({ path, body: String(init.body ?? '') });
      const answer = answers[path];
      return new Response(JSON.stringify(answer ?? { errcode: 'M_FORBIDDEN', error: 'no' }), {
        status: answer ? 200 : 403,
        headers: { 'content-type': 'application/json' },
      });
    });
    return asked;
  }
  const finish = (...[answer, note]: [Parameters<typeof finishRedirect>[0], Parameters<typeof finishRedirect>[1]]) =>
    rejected(finishRedirect(answer, note, 'Siegel'));

  it('a login token is exchanged only when this page asked for it', async () => {
    const asked = servers();
    const token = { kind: 'sso' as const, loginToken: 'theirs', state: 'ours', rest: page };
    expect(await finish(token, undefined)).toBe('sign-in-unasked');
    expect(await finish({ kind: 'sso', loginToken: 'theirs', rest: page }, sso)).toBe('sign-in-unasked');
    expect(await finish({ ...token, state: 'other' }, sso)).toBe('sign-in-unasked');
    expect(await finish(token, oidc)).toBe('sign-in-unasked');
    expect(asked).toEqual([]);
    expect(await finish(token, sso)).toMatchObject({ session: { userId: '@a:hs.example', deviceId: 'D' } });
    expect(asked.map(({ path }) => path)).toEqual(['/_matrix/client/v3/login']);
  });

  it('a code is exchanged only when this page asked for it, at the server that made it', async () => {
    let asked = servers();
    expect(await finish(code, undefined)).toBe('sign-in-unasked');
    expect(await finish({ ...code, state: 'other' }, oidc)).toBe('sign-in-unasked');
    expect(await finish(code, sso)).toBe('sign-in-unasked');
    expect(asked).toEqual([]);
    const { issuer: _issuer, ...unnamed } = code;
    expect(await finish(unnamed, oidc)).toBe('sign-in-refused');
    expect(await finish({ ...code, issuer: 'https://other.example/' }, oidc)).toBe('sign-in-refused');
    expect(await finish(code, { ...oidc, issuer: 'https://before.example/' })).toBe('sign-in-refused');
    expect(asked.filter(({ path }) => path === '/token')).toEqual([]);
    asked = servers({ '/_matrix/client/v1/auth_metadata': { ...metadata, issuer: 'https://other.example/' } });
    expect(await finish(code, oidc)).toBe('sign-in-refused');
    expect(asked.filter(({ path }) => path === '/token')).toEqual([]);
    asked = servers({
      '/_matrix/client/v1/auth_metadata': { ...metadata, token_endpoint: 'http://auth.example/token' },
    });
    expect(await finish(code, oidc)).toBe('insecure-server');
    expect(asked.filter(({ path }) => path === '/token')).toEqual([]);

    asked = servers();
    expect(await finish(code, oidc)).toMatchObject({
      session: {
        deviceId: 'DEVICE1234',
        refreshToken: 'r',
        oauthClientId: 'client',
        revokeAt: metadata.revocation_endpoint,
      },
    });
    expect(Object.fromEntries(new URLSearchParams(asked.find(({ path }) => path === '/token')?.body))).toEqual({
      grant_type: 'authorization_code',
      client_id: 'client',
      code_verifier: 'verifier',
      redirect_uri: page,
      code: 'c',
    });
  });

  it('tokens for another device than the one asked for are handed back', async () => {
    const other = { user_id: '@a:hs.example', device_id: 'INUSE' };
    const asked = servers({ '/_matrix/client/v3/account/whoami': other });
    expect(await finish(code, oidc)).toBe('sign-in-refused');
    expect(new URLSearchParams(asked.find(({ path }) => path === '/revoke')?.body).get('token')).toBe('r');
  });

  it('says whether the person or the server ended it', async () => {
    servers({ '/_matrix/client/v3/login': undefined, '/token': undefined });
    const { code: _code, ...none } = code;
    expect(await finish({ ...none, error: 'access_denied' }, oidc)).toBe('sign-in-cancelled');
    expect(await finish({ ...none, error: 'server_error' }, oidc)).toBe('sign-in-refused');
    expect(await finish(code, oidc)).toBe('sign-in-refused');
    expect(await finish({ kind: 'sso', loginToken: 'used', state: 'ours', rest: page }, sso)).toBe('sign-in-refused');
  });

  it('names of providers are harmless, and the same way is not offered twice', async () => {
    expect(
      providersOf([
        { id: 'a', name: '\u202eA\u0000', icon: 'mxc://hs.example/abc' },
        { id: 'a', name: 'again' },
        { id: 'b/../c', name: 'B' },
        { id: 'd', name: ' ' },
        { id: 'e', name: 'E', icon: 'https://track.example/pixel.png' },
        null,
      ]),
    ).toEqual([
      { id: 'a', name: 'A', icon: 'mxc://hs.example/abc' },
      { id: 'e', name: 'E' },
    ]);
    expect(providersOf('x')).toEqual([{ id: '', name: '' }]);
    const flow = { type: 'm.login.sso', 'org.matrix.msc3824.delegated_oidc_compatibility': true };
    servers({ '/_matrix/client/v3/login': { flows: [flow] } });
    expect(await waysToSignIn('https://hs.example')).toEqual({ password: false, sso: [], oidc: true });
    servers({ '/_matrix/client/v3/login': { flows: [flow] }, '/_matrix/client/v1/auth_metadata': undefined });
    expect(await waysToSignIn('https://hs.example')).toMatchObject({ sso: [{ id: '', name: '' }], oidc: false });
  });

  it('a picture of a provider comes from the homeserver, and only if it is one', async () => {
    const asked: [string, RequestInit][] = [];
    const answer = (type: string, bytes: number) =>
      vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
        asked.push([url, init]);
        return new Response(new Uint8Array(bytes), { headers: { 'content-type': type } });
      });
    answer('image/png', 3);
    expect(await providerIcon('https://hs.example', 'mxc://o.example/abc')).toBe('data:image/png;base64,AAAA');
    expect(asked[0]?.[0]).toMatch(
      /^https:\/\/hs\.example\/_matrix\/media\/v3\/thumbnail\/o\.example\/abc\?.*allow_remote=false/,
    );
    expect(asked[0]?.[1]).toMatchObject({ credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer' });
    answer('image/svg+xml', 3);
    expect(await providerIcon('https://hs.example', 'mxc://o.example/abc')).toBeUndefined();
    answer('image/png', 200_000);
    expect(await providerIcon('https://hs.example', 'mxc://o.example/abc')).toBeUndefined();
    const before = asked.length;
    expect(await providerIcon('https://hs.example', 'https://o.example/abc')).toBeUndefined();
    expect(await providerIcon('https://hs.example', 'mxc://o.example/../x')).toBeUndefined();
    expect(asked.length).toBe(before);
  });
});

describe('a host of the widget', () => {
  const parameters = new URLSearchParams({
    widgetId: 'w1',
    parentUrl: 'https://element.example/page',
    userId: '@anna:example.org',
    deviceId: 'DEV',
    roomId: '!abc:example.org',
    baseUrl: 'https://matrix.example.org',
  });

  it('is known by its parameters, in front of the # or behind it', () => {
    const found = {
      widgetId: 'w1',
      parentOrigin: 'https://element.example',
      userId: '@anna:example.org',
      deviceId: 'DEV',
      roomId: '!abc:example.org',
      baseUrl: 'https://matrix.example.org',
    };
    expect(widgetParameters(`https://s.example/#?${parameters}`)).toEqual(found);
    expect(widgetParameters(`https://s.example/?${parameters}`)).toEqual(found);
    expect(widgetParameters('https://s.example/#/room/!abc')).toBeUndefined();
  });

  it.each(['userId', 'deviceId', 'roomId', 'baseUrl'])('is refused without %s', (name) => {
    const less = new URLSearchParams(parameters);
    less.delete(name);
    expect(problem(() => widgetParameters(`https://s.example/#?${less}`))).toBe('bad-address');
  });

  it.each([
    ['parentUrl', 'data:text/html,x'],
    ['baseUrl', 'javascript:1'],
    ['userId', 'anna'],
    ['roomId', '#alias:x.org'],
  ])('is refused with %s %s', (name, value) => {
    const wrong = new URLSearchParams(parameters);
    wrong.set(name, value);
    expect(problem(() => widgetParameters(`https://s.example/#?${wrong}`))).toBe('bad-address');
  });

  it('is the only one that is heard', () => {
    const host = {};
    const guard = onlyFrom(host, 'https://element.example');
    const stopped = (event: object): boolean => {
      let result = false;
      guard({ stopImmediatePropagation: () => (result = true), ...event } as never);
      return result;
    };
    const data = { api: 'toWidget', action: 'send_to_device' };
    expect(stopped({ data, source: host, origin: 'https://element.example' })).toBe(false);
    expect(stopped({ data, source: {}, origin: 'https://element.example' })).toBe(true);
    expect(stopped({ data, source: host, origin: 'https://evil.example' })).toBe(true);
    expect(stopped({ data: { api: 'fromWidget' }, source: null, origin: 'null' })).toBe(true);
    // Messages of others are none of its business.
    expect(stopped({ data: { hello: 1 }, source: {}, origin: 'https://evil.example' })).toBe(false);
    expect(stopped({ data: null, source: {}, origin: '' })).toBe(false);
  });

  it('is asked for nothing but the call, messages and keys', () => {
    const { sendState, sendToDevice, receiveToDevice, sendEvent } = capabilities({ userId: '@a:b', deviceId: 'D' });
    expect(sendState).toEqual(
      ['@a:b', '_@a:b_D_m.call', '@a:b_D_m.call'].map((stateKey) => ({
        eventType: 'org.matrix.msc3401.call.member',
        stateKey,
      })),
    );
    expect([sendToDevice, receiveToDevice]).toEqual([
      ['io.element.call.encryption_keys'],
      ['io.element.call.encryption_keys'],
    ]);
    expect(sendEvent).toEqual([
      'm.reaction',
      'm.room.redaction',
      'io.element.call.reaction',
      'org.matrix.msc4143.rtc.member',
    ]);
  });
});

describe('pictures', () => {
  it('that are long are not read to their end, and only real ones are shown', async () => {
    let parts = 0;
    const long = () =>
      new ReadableStream({
        pull(controller) {
          controller.enqueue(new Uint8Array(50_000));
          if (++parts === 100) controller.close();
        },
      });
    const answers: Record<string, () => Response> = {
      big: () => new Response(long(), { headers: { 'content-type': 'image/png' } }),
      svg: () => new Response('<svg/>', { headers: { 'content-type': 'image/svg+xml' } }),
      png: () => new Response('png', { headers: { 'content-type': 'image/png' } }),
    };
    vi.stubGlobal('fetch', async (url: string) => answers[url.slice(-3)]?.());
    const client = { mxcUrlToHttp: (mxc: string) => `https://hs/${mxc.slice(-3)}`, getAccessToken: () => 't' };
    const avatars = new Avatars(clientDownload(client as never), () => {});
    const urls = ['mxc://hs/big', 'mxc://hs/svg', 'mxc://hs/png'];
    for (const url of urls) expect(avatars.get(url)).toBeUndefined();
    await vi.waitFor(() => expect(avatars.get('mxc://hs/png')).toMatch(/^blob:/));
    expect(urls.slice(0, 2).map((url) => avatars.get(url))).toEqual([undefined, undefined]);
    expect(parts).toBeLessThan(12);
    // No addresses of other kinds.
    for (const bad of ['https://evil/x', 'mxc://hs/../x', 'mxc://hs/a?b', '', null])
      expect(avatars.get(bad)).toBeUndefined();
    avatars.close();
    expect(avatars.get('mxc://hs/png')).toBeUndefined();
  });
});

describe('very many pictures', () => {
  it('crowd out those that nobody looks at, and no others', async () => {
    const asked: string[] = [];
    const download = async (mxc: string) => {
      asked.push(mxc);
      return new Blob(['png'], { type: 'image/png' });
    };
    const revoked = vi.spyOn(URL, 'revokeObjectURL');
    const avatars = new Avatars(download, () => {});
    avatars.get('mxc://hs/kept');
    for (let i = 0; i < 1000; i++) {
      avatars.get(`mxc://evil/p${i}`);
      await Promise.resolve();
      avatars.get('mxc://hs/kept');
    }
    await vi.waitFor(() => expect(avatars.get('mxc://hs/kept')).toMatch(/^blob:/));
    expect(asked.length).toBe(1001);
    expect(revoked.mock.calls.length).toBeGreaterThanOrEqual(700);
    expect(avatars.get(['mxc://hs/kept'] as never)).toBeUndefined();
    avatars.close();
    expect(revoked.mock.calls.length).toBe(1001);
    revoked.mockRestore();
  });
});

describe('reactions of others', () => {
  it('are one visible character', () => {
    expect(firstEmoji('👍')).toBe('👍');
    expect(firstEmoji('👨‍👩‍👧‍👦👍')).toBe('👨‍👩‍👧‍👦');
    expect(firstEmoji('hello')).toBe('h');
    for (const bad of ['', ' ', '\u202e', '\u200b', 5, null, 'x'.repeat(2000), `a${'\u0301'.repeat(100)}`])
      expect(firstEmoji(bad)).toBeUndefined();
  });
});
