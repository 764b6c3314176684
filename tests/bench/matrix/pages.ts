/** Members of a call that are real browsers: our page, and genuine Element Call in a page that hosts it as a widget. */
import type { BrowserContext, CDPSession, Frame, Page } from '@playwright/test';
import { type Browser, chromium } from '@playwright/test';
import { chromiumOptions } from '../../browser/support/launch_options';
import type {} from '../../matrix/pages/host/main';
import type { ElementCallSite } from '../../matrix/support/element_call_site';
import type { Account, Stack } from '../../servers/matrix/stack.mjs';
import { type KeyView, kindOf, messagesIn, type Seen } from './counting';
import { now } from './member';

export type Client = 'siegel' | 'element call';

interface Watch {
  armed: boolean;
  clickedAt: number;
  /** [identity, index, when] of every key that was given to an encryption worker. */
  keys: [string, number, number][];
  /** When the first picture of a received track was decoded. */
  decoded: Record<string, number>;
}
declare global {
  var benchWatch: Watch;
}

/**
 * Runs in every frame before its scripts. Both clients give keys to their worker in livekit-client's language, so keys are
 * seen at the same place in both. Must not refer to anything outside its own body.
 */
function installWatch(): void {
  const at = (): number => performance.timeOrigin + performance.now();
  const peers: RTCPeerConnection[] = [];
  const watch: Watch = { armed: false, clickedAt: 0, keys: [], decoded: {} };
  globalThis.benchWatch = watch;
  const Native = globalThis.RTCPeerConnection;
  if (Native)
    globalThis.RTCPeerConnection = class extends Native {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        peers.push(this);
      }
    };
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (this: Worker, message: unknown, ...rest: never[]): void {
    const { kind, data } = (message ?? {}) as {
      kind?: string;
      data?: { participantIdentity?: string; keyIndex?: number };
    };
    if (kind === 'setKey' && data) watch.keys.push([String(data.participantIdentity), data.keyIndex ?? 0, at()]);
    post.call(this, message, ...rest);
  } as typeof post;
  const look = async (): Promise<void> => {
    for (const peer of peers) {
      if (peer.connectionState !== 'connected') continue;
      const rows: Iterable<[string, Record<string, unknown>]> = (await peer.getStats()) as never;
      for (const [, { type, kind, framesDecoded, trackIdentifier }] of rows)
        if (type === 'inbound-rtp' && kind === 'video' && Number(framesDecoded) > 0)
          watch.decoded[String(trackIdentifier)] ??= at();
    }
  };
  const keepLooking = async (): Promise<void> => {
    // Asked for nothing when nobody measures: questions cost time.
    if (watch.clickedAt > 0 && watch.armed) await look().catch(() => {});
    setTimeout(() => void keepLooking(), 50);
  };
  void keepLooking();
  globalThis.addEventListener(
    'click',
    () => {
      if (watch.armed && watch.clickedAt === 0) watch.clickedAt = at();
    },
    true,
  );
}

export async function launchBrowser(media: { tone: string; picture: string }): Promise<Browser> {
  return chromium.launch(chromiumOptions(media));
}

export interface PageMemberOptions {
  browser: Browser;
  stack: Stack;
  site: ElementCallSite;
  client: Client;
  /** Registered and in the room. Element Call's host takes its device over; our page signs in and makes one of its own. */
  account: Account;
  roomId: string;
  seen: Seen[];
}

export class PageMember implements KeyView {
  readonly name: string;
  readonly client: Client;
  readonly account: Account;
  inUse: { index: number; at: number } | undefined;
  identity = '';
  #keys: [string, number, number][] = [];
  #received = new Map<string, number>();

  private constructor(
    readonly page: Page,
    private readonly context: BrowserContext,
    private readonly cdp: CDPSession,
    private readonly options: PageMemberOptions,
  ) {
    this.client = options.client;
    this.account = options.account;
    this.name = options.account.userId.slice(1, options.account.userId.indexOf(':'));
  }

  /** Up to the button that joins. */
  static async open(options: PageMemberOptions): Promise<PageMember> {
    const { browser, stack, site, client, account, roomId, seen } = options;
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 720, height: 480 } });
    context.setDefaultTimeout(45_000);
    await context.addInitScript(installWatch);
    const page = await context.newPage();
    context.on('requestfinished', async (request) => {
      if (!request.url().startsWith(stack.synapse.url) || request.method() === 'OPTIONS') return;
      const sizes = await request.sizes().catch(() => undefined);
      const kind = kindOf(request.method(), request.url());
      seen.push({
        at: now(),
        user: account.userId,
        kind,
        up: sizes?.requestBodySize ?? 0,
        down: sizes?.responseBodySize ?? 0,
        messages: kind === 'to-device' ? messagesIn(request.postData()) : 0,
        cpu: 0,
      });
    });
    const cdp = await context.newCDPSession(page);
    await cdp.send('Performance.enable');
    const member = new PageMember(page, context, cdp, options);
    if (client === 'siegel') {
      const skip = page.locator('siegel-verify-device[step]').getByRole('button', { name: 'Not now' });
      await page.addLocatorHandler(skip, () => skip.click());
      await page.goto(stack.link(roomId));
      const user = page.getByLabel('User name');
      const next = page.getByRole('button', { name: 'Continue', exact: true });
      await user.or(next).first().waitFor();
      if (await next.isVisible()) await next.click();
      await user.fill(account.userId);
      await page.getByLabel('Password', { exact: true }).fill(account.password);
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await page.getByRole('button', { name: 'Turn on camera and microphone' }).click();
      await page.locator('button:enabled', { hasText: /^\s*Join now\s*$/ }).waitFor();
    } else {
      await page.goto(`${site.url}/`);
      await page.locator('html[data-ready]').waitFor({ state: 'attached' });
      await page.evaluate(([hs, id, token, device]) => widgetHost.signIn(hs, id, token, device), [
        stack.synapse.url,
        account.userId,
        account.accessToken,
        account.deviceId,
      ] as const);
      await page.evaluate(([room, url]) => widgetHost.open(room, url, { skipLobby: 'false' }), [
        roomId,
        site.address('its own'),
      ] as const);
      await member.#joinButton().waitFor();
    }
    return member;
  }

  frame(): Frame {
    const frame = this.client === 'siegel' ? this.page.mainFrame() : this.page.frames()[1];
    if (!frame) throw new Error(`${this.name}'s call is in no frame`);
    return frame;
  }

  #joinButton() {
    return this.client === 'siegel'
      ? this.page.getByRole('button', { name: 'Join now', exact: true })
      : this.page.frameLocator('#widget').getByTestId('lobby_joinCall');
  }

  /** Clicks; returns when the click reached the page. */
  async join(): Promise<number> {
    await this.frame().evaluate(() => {
      benchWatch.armed = true;
    });
    await this.#joinButton().click();
    return this.frame().evaluate(() => benchWatch.clickedAt);
  }

  /** Clicks; returns when it was clicked. */
  async leave(): Promise<number> {
    await this.frame().evaluate(() => {
      benchWatch.clickedAt = 0;
      benchWatch.armed = true;
    });
    if (this.client === 'siegel') await this.page.getByRole('button', { name: 'Leave call', exact: true }).click();
    // Its buttons hide while no pointer moves.
    else
      await this.page
        .frameLocator('#widget')
        .getByTestId('incall_leave')
        .evaluate((button: HTMLElement) => button.click());
    return this.frame()
      .evaluate(() => benchWatch.clickedAt)
      .catch(() => now());
  }

  /** When the first picture of each received track was decoded. */
  async decoded(): Promise<number[]> {
    return Object.values(await this.frame().evaluate(() => benchWatch.decoded)).sort((a, b) => a - b);
  }

  /** Measures nothing until the next click. */
  async rest(): Promise<void> {
    await this.frame().evaluate(() => {
      benchWatch.armed = false;
    });
  }

  /** Brings `inUse` and `received` up to date. */
  async refresh(): Promise<void> {
    const from = this.#keys.length;
    const fresh = await this.frame().evaluate((n) => benchWatch.keys.slice(n), from);
    this.#keys.push(...fresh);
    for (const [identity, index, at] of fresh) {
      const name = `${identity} ${index}`;
      const first = !this.#received.has(name);
      if (first) this.#received.set(name, at);
      if (!identity.startsWith(`${this.account.userId}:`)) continue;
      this.identity = identity;
      // livekit-client repeats keys when it connects: those are no news.
      if (first) this.inUse = { index, at };
    }
  }

  received(identity: string, index: number): number | undefined {
    return this.#received.get(`${identity} ${index}`);
  }

  /** What our page says of its last change of key, ms. */
  async shownExposure(): Promise<number | undefined> {
    if (this.client !== 'siegel') return undefined;
    return this.page.evaluate(() => {
      const find = (root: Document | ShadowRoot): unknown => {
        for (const element of root.querySelectorAll('*')) {
          if (element.localName === 'siegel-call') return (element as unknown as { room: unknown }).room;
          const inside = element.shadowRoot ? find(element.shadowRoot) : undefined;
          if (inside) return inside;
        }
        return undefined;
      };
      return (find(document) as { lastExposure?: number } | undefined)?.lastExposure;
    });
  }

  /** Seconds that the page's main thread was busy so far. */
  async busy(): Promise<number> {
    const { metrics } = await this.cdp.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0;
  }

  async close(): Promise<void> {
    // So that the page says goodbye.
    await this.page.goto('about:blank').catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 300));
    await this.context.close();
    if (this.client === 'element call') await this.options.account.logout().catch(() => {});
  }
}
