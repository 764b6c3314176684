/** Whom our page talks to from joining to leaving, what of it is in an address, and what is left in the browser. */
import { expect, test } from '@playwright/test';
import { meets, press } from '../browser/support/call_page';
import { kept, kNothing } from '../browser/support/kept';
import { kRoom, withConference } from './support/conference';

const isNetwork = (url: string): boolean => !/^(data|blob|about):/.test(url);

for (const [kind, transport] of [
  ['chromium', 'websocket'],
  ['firefox', 'bosh'],
] as const) {
  test(`in ${kind} over ${transport}: the deployment and our own page, nobody else, and nothing is kept${kind === 'firefox' ? ' @long' : ''}`, async () => {
    await withConference({ tokens: true, dataChannel: transport === 'bosh' }, async (conference) => {
      const { stack } = conference;
      const token = stack.token();
      const ada = await conference.guest(kind, { transport, token });
      const bert = await conference.guest('chromium', { token: stack.token() });
      await meets(ada, bert);
      await ada.page.locator('footer .open-chat').click();
      await ada.page.getByPlaceholder('Message').fill('a canary in the mine');
      await ada.page.keyboard.press('Enter');
      // Strophe would keep the state of the stream, stanzas and all, while it lasts.
      expect(await kept(ada.page)).toEqual(kNothing);
      await press(ada, 'Leave call');
      await expect(ada.page.getByText('You have left')).toBeVisible();
      await ada.page.waitForTimeout(1000);

      const page = new URL(conference.origin).host;
      const deployment = new URL(stack.origin).host;
      const addresses = [...ada.requests.map(({ url }) => url), ...ada.sockets].filter(isNetwork);
      expect(new Set(addresses.map((url) => new URL(url).host))).toEqual(new Set([page, deployment]));
      // What is asked of the deployment: its configuration as text, signalling, the bridge's channel. None of its code.
      const paths = addresses.map((url) => new URL(url)).filter(({ host }) => host === deployment);
      const kinds = new Set(paths.map(({ pathname }) => pathname.replace(/^\/colibri-ws\/.*/, '/colibri-ws')));
      expect(kinds).toEqual(
        new Set(transport === 'bosh' ? ['/config.js', '/http-bind'] : ['/config.js', '/xmpp-websocket', '/colibri-ws']),
      );
      const scripts = await ada.page.evaluate(() =>
        performance
          .getEntriesByType('resource')
          .filter((entry) => (entry as PerformanceResourceTiming).initiatorType === 'script')
          .map(({ name }) => new URL(name).host),
      );
      expect(new Set(scripts)).toEqual(new Set([page]));
      // The token goes where the stock client sends it, and nowhere else; names and words are in no address.
      for (const url of paths) {
        expect(url.href.includes(token)).toBe(/xmpp-websocket|http-bind/.test(url.pathname));
        expect(url.href).not.toMatch(/Ada|canary/);
        expect([kRoom.toLowerCase(), null]).toContain(url.searchParams.get('room'));
      }
      for (const { url } of ada.requests.filter(({ url }) => isNetwork(url) && new URL(url).host === page))
        expect(url).not.toContain(token);
      expect(ada.requests.some(({ body }) => body?.includes('canary'))).toBe(false);
      expect(ada.console.join()).not.toMatch(/canary|eyJ/);

      expect(await kept(ada.page)).toEqual(kNothing);
      expect(await ada.context.cookies()).toEqual([]);
    });
  });
}
