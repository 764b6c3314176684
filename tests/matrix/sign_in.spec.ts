/**
 * Signing in at an identity provider, on real servers: Synapse with two OpenID providers behind it (the older sign-in by
 * redirect), and Synapse that leaves sign-in to an authorization server (OAuth 2.0). The provider is the npm package
 * oidc-provider, as it comes; around it stands, for OAuth, what Synapse wants of the Matrix Authentication Service.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@playwright/test';
import { kept, kNothing } from '../browser/support/kept';
import { takePictures } from '../browser/support/screens';
import { until } from '../browser/support/until';
import { type Guest, type Meeting, meets, withMeeting } from './support/meeting';
import { atProvider, Requests, says, signInByRedirect, toProvider, toWays } from './support/sign_in';

const kWay = 'University of Kassel';
const kinds = ['chromium', 'firefox'] as const;

/** A blue square, 16 × 16. */
const kPicture = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mNgSPtPGhrVMKph5GoAADbXLyhN8x2oAAAAAElFTkSuQmCC',
  'base64',
);

const lobby = ({ page }: Guest) => page.getByRole('button', { name: 'Turn on camera and microphone' });
const inLobby = (guest: Guest) => expect(lobby(guest)).toBeVisible({ timeout: 60_000 });

async function devicesOf({ account }: Guest): Promise<string[]> {
  const { devices } = (await account.request('GET', '/_matrix/client/v3/devices')) as {
    devices: { device_id: string }[];
  };
  return devices.map(({ device_id: id }) => id);
}

/** A login token of somebody else, fresh and unused, as an attacker gets it: from their own sign-in, stopped at the end. */
async function stolenReturn(meeting: Meeting, { browser }: Guest): Promise<URL> {
  const [provider] = meeting.stack.providers;
  if (!provider) throw new Error('no provider');
  const password = await provider.addUser('mallory');
  const context = await browser.newContext();
  const page = await context.newPage();
  let found: URL | undefined;
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (url.searchParams.has('loginToken')) found = url;
  });
  // To an address beside our page, where no script runs.
  const back = `${meeting.stack.pages?.url}/matrix/none.txt?sign-in=attacker`;
  await page.goto(
    `${meeting.stack.synapse.url}/_matrix/client/v3/login/sso/redirect/oidc-university?redirectUrl=${encodeURIComponent(back)}`,
  );
  await page.getByLabel('User name').fill('mallory');
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await until(
    () => found !== undefined,
    20_000,
    () => 'the attacker gets no token',
  );
  await context.close();
  found!.pathname = '/matrix/';
  return found!;
}

for (const kind of kinds) {
  test(`by redirect in ${kind}: to the room of the link, and nothing is kept or told to others`, async () => {
    await withMeeting({ signIn: 'sso', homeserver: { openMedia: true } }, async (meeting) => {
      const { synapse } = meeting.stack;
      const upload = await fetch(`${synapse.http}/_matrix/media/v3/upload`, {
        method: 'POST',
        headers: { authorization: `Bearer ${meeting.organiser.accessToken}`, 'content-type': 'image/png' },
        body: kPicture,
      });
      const { content_uri: icon } = (await upload.json()) as { content_uri: string };
      synapse.configure({ openMedia: false, icons: { university: icon } });
      await synapse.stop();
      await synapse.start();

      const room = await meeting.room({ name: 'Weekly meeting' });
      const ada = await meeting.visitor(kind, room);
      const { page } = ada;
      const requests = await Requests.of(ada);
      await toWays(page);
      await expect(page.getByRole('button', { name: /^Continue with/ })).toHaveCount(2);
      await expect(page.locator('.ways img')).toHaveCount(1);
      await expect(page.locator('.ways img')).toHaveJSProperty('naturalWidth', 16);
      await takePictures(page, `${kind}-matrix-sign-in-providers`);

      const addresses: string[] = [];
      page.on('framenavigated', (frame) => addresses.push(frame.url()));
      await signInByRedirect(ada, { way: kWay });
      await inLobby(ada);
      await expect(page.getByText('Weekly meeting')).toBeVisible();
      expect(page.url()).toBe(meeting.link(room));
      expect(await page.evaluate(() => location.href)).toBe(meeting.link(room));

      // The token came in the address (Matrix has no other way), went to the homeserver, and nowhere else.
      const [token = '', ...more] = requests.values('loginToken');
      expect(token.length).toBeGreaterThan(10);
      expect(more).toEqual([]);
      expect(addresses.at(-1)).not.toContain(token);
      const pages = meeting.stack.pages?.url;
      expect(await requests.holding(token)).toEqual([
        `GET ${pages}/matrix/`,
        `POST ${synapse.url}/_matrix/client/v3/login`,
      ]);
      expect(ada.console.join('\n')).not.toContain(token);
      expect(await kept(page)).toEqual(kNothing);

      // Used once, with the address as it was: a replay is refused.
      const replay = new URL(`${pages}/matrix/`);
      replay.searchParams.set('loginToken', token);
      replay.searchParams.set('sign-in', requests.values('sign-in')[0] ?? '');
      await page.goto(replay.href);
      await says(page, 'sign-in-unasked', 'It was not used');
      expect(page.url()).toBe(`${pages}/matrix/`);
      expect(requests.to('/_matrix/client/v3/login').filter((each) => each.method() === 'POST')).toHaveLength(1);
    });
  });

  test(`by redirect in ${kind}: staying signed in lasts until signing out${kind === 'firefox' ? ' @long' : ''}`, async () => {
    await withMeeting({ signIn: 'sso' }, async (meeting) => {
      const room = await meeting.room({ name: 'Weekly meeting' });
      const ada = await meeting.visitor(kind, room);
      const { page } = ada;
      const before = await devicesOf(ada);
      await signInByRedirect(ada, { way: kWay, remember: true });
      await inLobby(ada);
      const with1 = await kept(page);
      expect(with1).toMatchObject({ cookie: '', local: [], session: [], caches: [] });
      expect(with1.databases).toContain('siegel-matrix-session');
      const devices = await devicesOf(ada);
      expect(devices.length).toBe(before.length + 1);

      await page.reload();
      await inLobby(ada);
      expect(await devicesOf(ada)).toEqual(devices);

      // Somebody's link with a token does not touch the session that is there.
      await page.goto(`${meeting.stack.pages?.url}/matrix/?loginToken=theirs&sign-in=x`);
      await says(page, 'sign-in-unasked', 'It was not used');
      await expect(page.getByText(`Signed in as ${ada.account.userId}`)).toBeVisible();

      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('Homeserver').waitFor();
      await expect.poll(() => devicesOf(ada), { timeout: 20_000 }).toEqual(before);
      await expect.poll(() => kept(page)).toEqual(kNothing);
    });
  });

  test(`by redirect in ${kind}: given up on the way, and at the provider${kind === 'firefox' ? ' @long' : ''}`, async () => {
    await withMeeting({ signIn: 'sso' }, async (meeting) => {
      const room = await meeting.room({ name: 'Weekly meeting' });
      const ada = await meeting.visitor(kind, room);
      const { page } = ada;

      // A homeserver that leads nowhere (to the page, as one that is slow to answer): said, and there is a way out.
      await toWays(page);
      await page.route('**/login/sso/redirect/**', (route) => route.abort('aborted'));
      // Not by Playwright's own click: it waits for the page that does not come.
      await page
        .getByRole('button', { name: `Continue with ${kWay}` })
        .evaluate((button: HTMLElement) => button.click());
      await expect(page.locator('[data-leaving]')).toContainText(
        'You are being taken to the sign-in page of localhost',
      );
      await takePictures(page, `${kind}-matrix-sign-in-leaving`);
      await page.getByRole('button', { name: 'Cancel' }).click();
      await says(page, 'sign-in-cancelled', 'Signing in was not completed.');
      await page.unroute('**/login/sso/redirect/**');
      expect(await kept(page)).toEqual(kNothing);

      // The homeserver keeps the answer "cancelled" to itself: back is the only way.
      await toProvider(ada, { way: kWay });
      await page.getByRole('button', { name: 'Cancel' }).click();
      await expect(page.getByText('access_denied')).toBeVisible();
      await page.goBack();
      if (!page.url().includes('/matrix/#')) await page.goBack();
      await says(page, 'sign-in-cancelled', 'Signing in was not completed.');
      await takePictures(page, `${kind}-matrix-sign-in-cancelled`);
      expect(page.url()).toBe(meeting.link(room));
      expect(await kept(page)).toEqual(kNothing);
      await expect(page.getByLabel('Homeserver')).toHaveValue(new URL(meeting.stack.synapse.url).host);

      // And once more, to the end, in the room of the link.
      await signInByRedirect(ada, { way: 'Ministry of Culture' });
      await inLobby(ada);
      expect(page.url()).toBe(meeting.link(room));
    });
  });

  test(`by redirect in ${kind}: nobody is signed in to an account of somebody else${kind === 'firefox' ? ' @long' : ''}`, async () => {
    await withMeeting({ signIn: 'sso' }, async (meeting) => {
      const room = await meeting.room({ name: 'Weekly meeting' });
      const ada = await meeting.visitor(kind, room);
      const { page } = ada;
      const requests = await Requests.of(ada);
      const theirs = await stolenReturn(meeting, ada);
      const token = theirs.searchParams.get('loginToken') ?? '';
      const pages = `${meeting.stack.pages?.url}/matrix/`;

      // Without having asked for anything.
      await page.goto(theirs.href);
      await says(page, 'sign-in-unasked', 'It was not used');
      await takePictures(page, `${kind}-matrix-sign-in-unasked`);
      expect(page.url()).toBe(pages);

      // While a sign-in is under way in this very window, with their value and without one.
      for (const forged of [theirs.href, `${pages}?loginToken=${encodeURIComponent(token)}`]) {
        await page.goto(meeting.link(room));
        await toProvider(ada, { way: kWay });
        await page.goto(forged);
        await says(page, 'sign-in-unasked', 'It was not used');
        expect(page.url()).toBe(meeting.link(room));
        expect(await kept(page)).toEqual(kNothing);
      }
      expect((await requests.holding(token)).filter((each) => !each.startsWith('GET '))).toEqual([]);

      // It would have worked: the homeserver takes it now, for the first time.
      const answer = await fetch(`${meeting.stack.synapse.http}/_matrix/client/v3/login`, {
        method: 'POST',
        body: JSON.stringify({ type: 'm.login.token', token }),
      });
      expect(await answer.json()).toMatchObject({ user_id: `@mallory:${meeting.stack.synapse.serverName}` });
    });
  });

  test(`by OAuth in ${kind}: a call goes on over renewed tokens, and ends when they are renewed no longer @long`, async () => {
    // Servers may go on with one refresh token, or give a new one each time.
    const rotate = kind === 'chromium';
    await withMeeting({ signIn: 'oidc', auth: { accessTokenSeconds: 15, rotate } }, async (meeting) => {
      const { auth, synapse } = meeting.stack;
      const room = await meeting.room({ name: 'Weekly meeting' });
      const how = { way: synapse.serverName, allow: true };
      const signIn = (guest: Guest) => signInByRedirect(guest, how);
      const ada = await meeting.siegel(kind, room, { signIn });
      const bert = await meeting.siegel('chromium', room, { signIn });
      await meets(ada, bert, 60_000);
      await meets(bert, ada, 60_000);
      const first = await auth!.state();
      await sleep(40_000);
      const second = await auth!.state();
      expect(second.sessions).toHaveLength(2);
      expect(second.refreshed - first.refreshed).toBeGreaterThanOrEqual(4);
      await meets(ada, bert);
      await meets(bert, ada);
      // Over the homeserver, with the token of now.
      await ada.page.getByRole('button', { name: 'Raise hand' }).click();
      const tile = bert.page.locator(`siegel-tile[data-member^="${ada.account.userId}|"]`);
      await expect(tile.getByRole('img', { name: 'Hand raised' })).toBeVisible({ timeout: 20_000 });

      await auth!.withholdRefresh('ada');
      await says(ada.page, 'token-expired', 'The server has ended your session. Sign in again.');
      await takePictures(ada.page, `${kind}-matrix-sign-in-expired`);
      await expect(ada.page.locator('siegel-call')).toHaveCount(0);
      expect(await kept(ada.page)).toEqual(kNothing);
      await expect(tile).toHaveCount(0, { timeout: 60_000 });
      // Back into the same call.
      await ada.page.getByRole('button', { name: 'Continue', exact: true }).click();
      await ada.page.getByRole('button', { name: `Continue with ${how.way}` }).click();
      await ada.page.getByRole('button', { name: 'Allow', exact: true }).click();
      await meeting.joinFromLobby(ada);
      await meets(bert, ada, 60_000);
    });
  });

  test(`by OAuth in ${kind}: signing out and closing the page hand the tokens back${kind === 'firefox' ? ' @long' : ''}`, async () => {
    await withMeeting({ signIn: 'oidc' }, async (meeting) => {
      const { auth, synapse } = meeting.stack;
      const room = await meeting.room({ name: 'Weekly meeting' });
      const how = { way: synapse.serverName, allow: true };
      const ada = await meeting.visitor(kind, room);
      const { page } = ada;
      const requests = await Requests.of(ada);
      const before = await devicesOf(ada);
      await toWays(page);
      await expect(page.getByLabel('Password', { exact: true })).toHaveCount(0);
      await takePictures(page, `${kind}-matrix-sign-in-oauth`);

      const answered = page.waitForResponse((response) => new URL(response.url()).pathname === '/token');
      await signInByRedirect(ada, { ...how, remember: true });
      const tokens = (await (await answered).json()) as { access_token: string; refresh_token: string; scope: string };
      await inLobby(ada);
      expect(page.url()).toBe(meeting.link(room));
      expect(await page.evaluate(() => Object.keys(sessionStorage))).toEqual([]);
      const { sessions } = await auth!.state();
      expect(sessions.map(({ user }) => user)).toEqual(['ada']);
      expect(await devicesOf(ada)).toEqual(expect.arrayContaining(sessions.map(({ device }) => device)));
      expect(tokens.scope.split(' ').sort()).toEqual(
        ['urn:matrix:client:api:*', `urn:matrix:client:device:${sessions[0]?.device}`].sort(),
      );
      // The code came in the fragment, so that no server saw it in an address, and went to the authorization server.
      const form = new URLSearchParams(requests.body('/token'));
      for (const name of ['code', 'code_verifier', 'client_id']) expect(form.get(name), name).toMatch(/^.{10,}$/);
      expect(await requests.holding(form.get('code') ?? '-')).toEqual([`POST ${auth!.url}/token`]);
      expect(await requests.holding(form.get('code_verifier') ?? '-')).toEqual([`POST ${auth!.url}/token`]);
      const [asked] = requests.to('/auth');
      expect(new URL(asked?.url() ?? '').searchParams.get('code_challenge_method')).toBe('S256');

      await page.reload();
      await inLobby(ada);
      await page.getByRole('button', { name: 'Back to the rooms' }).click();
      const manage = page.getByRole('link', { name: 'Manage account' });
      await expect(manage).toHaveAttribute('href', `${auth!.url}/account`);
      await expect(manage).toHaveAttribute('rel', /noopener/);
      await takePictures(page, `${kind}-matrix-rooms-oauth`);

      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('Homeserver').waitFor();
      await expect.poll(async () => (await auth!.state()).sessions, { timeout: 20_000 }).toEqual([]);
      await expect.poll(() => kept(page)).toEqual(kNothing);
      await expect.poll(() => devicesOf(ada)).toEqual(before);
      const whoami = await fetch(`${synapse.http}/_matrix/client/v3/account/whoami`, {
        headers: { authorization: `Bearer ${tokens.access_token}` },
      });
      expect(whoami.status).toBe(401);
      const again = await fetch(`${auth!.http}/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'refresh_token',
          refresh_token: tokens.refresh_token,
          client_id: form.get('client_id') ?? '',
        }),
      });
      expect(await again.json()).toMatchObject({ error: 'invalid_grant' });

      // Not kept: gone with the page.
      await page.goto('about:blank');
      await page.goto(meeting.link(room));
      await page.getByRole('button', { name: 'Continue', exact: true }).click();
      await page.getByRole('button', { name: `Continue with ${how.way}` }).click();
      await page.getByRole('button', { name: 'Allow', exact: true }).click();
      await inLobby(ada);
      expect((await auth!.state()).sessions).toHaveLength(1);
      expect(await kept(page)).toEqual(kNothing);
      await page.goto('about:blank');
      await expect.poll(async () => (await auth!.state()).sessions, { timeout: 20_000 }).toEqual([]);
    });
  });

  test(`by OAuth in ${kind}: given up at the provider, and an answer that nobody asked for${kind === 'firefox' ? ' @long' : ''}`, async () => {
    await withMeeting({ signIn: 'oidc' }, async (meeting) => {
      const { synapse } = meeting.stack;
      const room = await meeting.room({ name: 'Weekly meeting' });
      const ada = await meeting.visitor(kind, room);
      const { page } = ada;
      const requests = await Requests.of(ada);
      const how = { way: synapse.serverName, allow: true };
      await toProvider(ada, how);
      await page.getByRole('button', { name: 'Cancel' }).click();
      await says(page, 'sign-in-cancelled', 'Signing in was not completed.');
      expect(page.url()).toBe(meeting.link(room));
      expect(await kept(page)).toEqual(kNothing);

      const pages = `${meeting.stack.pages?.url}/matrix/`;
      await page.goto('about:blank');
      await page.goto(`${pages}#code=theirs&state=theirs&iss=${encodeURIComponent(meeting.stack.auth!.url)}`);
      await says(page, 'sign-in-unasked', 'It was not used');
      expect(page.url()).toBe(pages);
      await page.goto('about:blank');
      await page.goto(meeting.link(room));
      await toProvider(ada, how);
      await page.goto(`${pages}#code=theirs&state=theirs`);
      await says(page, 'sign-in-unasked', 'It was not used');
      expect(await kept(page)).toEqual(kNothing);
      expect(requests.to('/token')).toEqual([]);

      await toProvider(ada, how);
      await atProvider(ada, how);
      await inLobby(ada);
    });
  });
}
