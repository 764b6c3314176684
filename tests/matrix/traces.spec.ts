/** Whom our page talks to from joining to leaving, what of a person's secrets is in an address, and what is left in the browser. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@playwright/test';
import { kept, kNothing } from '../browser/support/kept';
import { type Guest, type Meeting, meets, withMeeting } from './support/meeting';
import { keysHeldBy } from './support/recorder';

const host = (url: string) => new URL(url).host;
const isNetwork = (url: string) => !/^(data|blob|about):/.test(url);

/** Which of the meeting's servers these addresses are of; an address of none of them as it is. */
function serversOf({ stack, host: embedding }: Meeting, addresses: readonly string[]): string[] {
  const names = new Map([
    [host(stack.pages?.url ?? ''), 'page'],
    [host(stack.synapse.url), 'homeserver'],
    [host(stack.token.url), 'token service'],
    [host(stack.livekit.url), 'media server'],
    [host(embedding.url), 'embedding client'],
  ]);
  return [...new Set(addresses.filter(isNetwork).map((url) => names.get(host(url)) ?? url))].sort();
}

/** What a frame asked for over the network. */
const askedBy = (guest: Guest, frame: string) =>
  guest.requests.filter((request) => request.frame === frame && isNetwork(request.url));

/** The only secret in an address is the media server's ticket, which livekit-client can send in no other way. */
function holdsNoSecret(guest: Guest, meeting: Meeting, keys: readonly string[]): void {
  const secrets = [guest.account.password, ...keys.flatMap((key) => [key, Buffer.from(key, 'hex').toString('base64')])];
  for (const address of [...guest.requests.map(({ url }) => url), ...guest.sockets]) {
    for (const secret of secrets) expect(address).not.toContain(secret);
    expect(address).not.toContain(guest.account.accessToken);
    const { livekit } = meeting.stack;
    if (host(address) === host(livekit.url)) continue;
    expect(address).not.toMatch(/access_token=|eyJ[\w-]+\.eyJ/);
  }
  // Key messages go through Olm, so a key is in no body either.
  for (const { body } of guest.requests)
    for (const key of keys) expect(body ?? '').not.toContain(Buffer.from(key, 'hex').toString('base64'));
}

/** What workers ask for is seen as well; otherwise the lists would say nothing about ours. */
async function workersAreSeen({ page, requests, sockets }: Guest, { host: embedding, stack }: Meeting): Promise<void> {
  await page.goto(`${embedding.url}/`);
  const [socket, request] = [`${stack.livekit.url}/from-a-worker`, `${stack.synapse.url}/from-a-worker`];
  await page.evaluate(
    (addresses) => {
      const script = `new WebSocket('${addresses[0]}'); fetch('${addresses[1]}').catch(() => {});`;
      new Worker(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })));
    },
    [socket, request],
  );
  const plain = (url: string) => url.replace(/^ws/, 'http');
  await expect.poll(() => sockets.map(plain)).toContain(plain(socket));
  await expect.poll(() => requests.map(({ url }) => url)).toContain(request);
}

for (const kind of ['chromium', 'firefox'] as const) {
  test(`in ${kind}: the homeserver, the token service and the media server, and nothing is kept${kind === 'firefox' ? ' @long' : ''}`, async () => {
    await withMeeting({}, async (meeting) => {
      const room = await meeting.room();
      const ada = await meeting.siegel(kind, room);
      const bert = await meeting.siegel('chromium', room);
      await meets(ada, bert);
      await meets(bert, ada);
      const keys = await keysHeldBy(ada);
      await meeting.leave(ada, room);
      await expect(ada.page.locator('siegel-notice')).toBeVisible();
      await sleep(2000);

      const asked = ada.requests.map(({ url }) => url);
      expect(serversOf(meeting, asked)).toEqual(['homeserver', 'page', 'token service']);
      expect(serversOf(meeting, ada.sockets)).toEqual(['media server']);
      holdsNoSecret(ada, meeting, keys);
      // The media server's log does not take the ticket over from the address.
      expect(meeting.stack.livekit.tail(5000)).toContain('participant');
      expect(meeting.stack.livekit.tail(5000)).not.toMatch(/eyJ[\w-]+\.eyJ/);
      expect(await kept(ada.frame())).toEqual(kNothing);
      expect(await ada.context.cookies()).toEqual([]);
      await workersAreSeen(ada, meeting);
    });
  });

  test(`as a widget in ${kind}: nothing of the homeserver that needs an account, and nothing is kept @long`, async () => {
    await withMeeting({}, async (meeting) => {
      const room = await meeting.room();
      const ada = await meeting.siegelWidget(kind, room);
      const bert = await meeting.siegel('chromium', room);
      await meets(ada, bert);
      await meets(bert, ada);
      const keys = await keysHeldBy(ada);
      const frame = ada.frame().url().split('#')[0] ?? '';
      await meeting.leave(ada, room);
      await expect(ada.frame().locator('siegel-notice')).toBeVisible();
      await sleep(2000);

      const asked = askedBy(ada, frame);
      const servers = serversOf(
        meeting,
        asked.map(({ url }) => url),
      );
      expect(servers).toEqual(['homeserver', 'page', 'token service']);
      expect(serversOf(meeting, ada.sockets)).toEqual(['media server']);
      // Of the homeserver it asks what it can do, and nothing that needs an account.
      const versions = asked.filter(({ url }) => host(url) === host(meeting.stack.synapse.url));
      expect(new Set(versions.map(({ url }) => new URL(url).pathname))).toEqual(new Set(['/_matrix/client/versions']));
      for (const { url, body, token } of asked) {
        expect(token).toBe(false);
        expect(`${url} ${body}`).not.toContain(ada.account.accessToken);
      }
      holdsNoSecret(ada, meeting, keys);
      expect(await kept(ada.frame())).toEqual(kNothing);
      expect(await ada.context.cookies()).toEqual([]);
    });
  });
}
