/**
 * A call on the real servers between people in genuine Element Call and people in our page, each in a browser of their own
 * with a tone and a picture of their own.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, type Frame, test } from '@playwright/test';
import type { CallMode } from '../../../web/matrix/types';
import { kPatternColumns, kPatternRows } from '../../browser/support/media_files';
import {
  type BrowserKind,
  kTones,
  type LaunchPersonOptions,
  launchPerson,
  type Person,
  showsPictureOf,
} from '../../browser/support/people';
import type { PersonSeen } from '../../browser/support/probe';
import { until } from '../../browser/support/until';
import { type Account, plainIdentity, type Stack, type StackOptions, startStack } from '../../servers/matrix/stack.mjs';
import type { KeyFate } from '../pages/host/main';
import { type ElementCallSite, type ElementCallWorker, startElementCallSite } from './element_call_site';
import { installKeyNotes } from './recorder';

export const kSite = resolve(import.meta.dirname, process.env.SIEGEL_TEST_SITE ?? '../../../build/test-site');

export type Client = 'element call' | 'siegel' | 'siegel widget';

/** A person in whatever page plays a call. */
export interface Caller extends Person {
  readonly client: string;
  /** The frame that plays the call. */
  frame(): Frame;
}

/** How a person's browser is started. */
export type Device = Pick<LaunchPersonOptions, 'viewport' | 'tab' | 'camera' | 'locale'>;

export interface Guest extends Caller {
  readonly client: Client;
  readonly account: Account;
}

export interface SiegelOptions extends Device {
  /** Default true; otherwise the person stays in the lobby. */
  join?: boolean;
  mode?: CallMode;
  site?: number;
  /** Default: with the password. */
  signIn?: (guest: Guest) => Promise<void>;
  /** An account that is in the room already: another device of the same person. */
  account?: Account;
  /** Stays at the step after signing in that verifies this device, which others skip. */
  verifying?: boolean;
}

export interface ElementCallOptions extends Device {
  worker?: ElementCallWorker;
  /** Which of the stack's media servers this person's homeserver names; default the first. */
  site?: number;
  /** Default compatibility, which is Element Call's own default. */
  mode?: CallMode;
  /** The host keeps incoming media keys from Element Call. */
  withholdKeys?: boolean;
  keyFate?: KeyFate;
}

/** A received picture that is shown. */
export interface Picture {
  /** Of its MediaStreamTrack. */
  track: string;
  means: number[];
  /** Frames of this track so far. */
  decoded: number;
}

/** What a frame receives: every received picture that is shown, and every received sound. */
interface Received {
  decoded: number;
  bytes: number;
  pictures: Picture[];
  sounds: PersonSeen[];
}

export class Meeting {
  readonly guests: Guest[] = [];

  private constructor(
    readonly stack: Stack,
    readonly host: ElementCallSite,
    /** Makes rooms and invites; takes part in no call. */
    readonly organiser: Account,
  ) {}

  static async start(options: StackOptions = {}): Promise<Meeting> {
    if (!existsSync(resolve(kSite, 'tests/host/main.js')))
      throw new Error('build/test-site is missing or old: run `node tools/build.mjs --tests` first');
    const host = await startElementCallSite(kSite);
    try {
      const stack = await startStack({ ...options, pages: { root: kSite, embed: [host.url] } });
      return new Meeting(stack, host, await stack.synapse.register('organiser'));
    } catch (error) {
      await host.close();
      throw error;
    }
  }

  room(wish: { name?: string; encrypted?: boolean } = {}): Promise<string> {
    return this.organiser.createRoom({ name: 'Call room', ...wish });
  }

  /** A person with a browser and an account, invited to and in the room; not in the call yet. */
  async #add(
    client: Client,
    kind: BrowserKind,
    roomId: string,
    frame: (person: Person) => Frame | null,
    device: Device = {},
    site?: number,
    existing?: Account,
    verifying = false,
  ): Promise<Guest> {
    const index = this.guests.length;
    const person = await launchPerson(kind, { ...device, index });
    await person.context.addInitScript(installKeyNotes);
    if (site !== undefined) {
      // As if this person's account were on another homeserver, whose operator has a media server of their own.
      const rtc_transports = [{ type: 'livekit', livekit_service_url: this.stack.sites[site]?.token.url }];
      await person.context.route('**/org.matrix.msc4143/rtc/transports', (route) =>
        route.fulfill({ json: { rtc_transports }, headers: { 'Access-Control-Allow-Origin': '*' } }),
      );
    }
    // Most tests are about something else than this device.
    if (!verifying) {
      const skip = person.page.locator('siegel-verify-device[step]').getByRole('button', { name: 'Not now' });
      await person.page.addLocatorHandler(skip, () => skip.click());
    }
    const name = person.name.toLowerCase();
    const account = existing ?? (await this.stack.synapse.register(name, { displayName: person.name }));
    if (!existing) {
      for (const provider of this.stack.providers)
        await provider.addUser(name, { displayName: person.name, password: account.password });
      await this.organiser.invite(roomId, account.userId);
      await account.join(roomId);
    }
    const guest: Guest = Object.assign(person, {
      client,
      account,
      frame: () => {
        const found = frame(person);
        if (found === null) throw new Error(`${person.name}'s call is in no frame`);
        return found;
      },
    });
    this.guests.push(guest);
    return guest;
  }

  /** A person in genuine Element Call, shown as a widget by our host page; joins at once. */
  async elementCall(kind: BrowserKind, roomId: string, options: ElementCallOptions = {}): Promise<Guest> {
    const { worker, withholdKeys, keyFate, mode, site, ...device } = options;
    const guest = await this.#add('element call', kind, roomId, ({ page }) => page.frames()[1] ?? null, device, site);
    const { account, page } = guest;
    await test.step(`${guest.name} joins with Element Call (${kind})`, async () => {
      await this.#openHost(guest);
      await page.evaluate(
        async ([room, url, withhold, fate]) => {
          widgetHost.withholdKeys = withhold;
          widgetHost.keyFate = fate;
          await widgetHost.open(room, url);
        },
        [
          roomId,
          mode === 'matrix_2_0' ? this.host.matrix2 : this.host.address(worker ?? 'its own'),
          withholdKeys ?? false,
          keyFate ?? { kind: 'deliver' },
        ] as const,
      );
      // Sticky memberships are no state of the room.
      if (options.mode === 'matrix_2_0')
        await page.waitForFunction(() => widgetHost.seen.actions.includes('io.element.join'));
      else await this.isMember(account, roomId);
    });
    return guest;
  }

  async #openHost({ page, account }: Guest): Promise<void> {
    await page.goto(`${this.host.url}/`);
    await page.locator('html[data-ready]').waitFor({ state: 'attached' });
    await page.evaluate(([homeserver, user, token, device]) => widgetHost.signIn(homeserver, user, token, device), [
      this.stack.synapse.url,
      account.userId,
      account.accessToken,
      account.deviceId,
    ] as const);
  }

  /** A person in our page, by real clicks: signs in with the password, turns the devices on, joins. */
  async siegel(kind: BrowserKind, roomId: string, options: SiegelOptions = {}): Promise<Guest> {
    const guest = await this.visitor(kind, roomId, options);
    await test.step(`${guest.name} joins with our page (${kind})`, async () => {
      await (options.signIn ?? ((each) => this.signIn(each)))(guest);
      if (options.verifying) await guest.page.locator('siegel-verify-device[step]').waitFor({ timeout: 60_000 });
      if (options.join === false || options.verifying) return;
      await this.joinFromLobby(guest);
    });
    return guest;
  }

  /** People are known by tones, which is just what noise suppression takes away. */
  link(roomId: string): string {
    return this.stack.link(roomId).replace('/#', '/?noise=browser#');
  }

  /** A person who has opened the link of the room in our page, and is not signed in. */
  async visitor(kind: BrowserKind, roomId: string, options: SiegelOptions = {}): Promise<Guest> {
    const { join: _join, signIn: _signIn, mode: _mode, site, account, verifying, ...device } = options;
    const frame = ({ page }: Person) => page.mainFrame();
    const guest = await this.#add('siegel', kind, roomId, frame, device, site, account, verifying);
    await guest.page.goto(`${this.link(roomId)}${options.mode ? `&mode=${options.mode}` : ''}`);
    return guest;
  }

  async signIn({ page, account }: Guest): Promise<void> {
    const user = page.getByLabel('User name');
    const next = page.getByRole('button', { name: 'Continue', exact: true });
    await user.or(next).first().waitFor({ timeout: 20_000 });
    if (await next.isVisible()) await next.click();
    await user.fill(account.userId);
    await page.getByLabel('Password', { exact: true }).fill(account.password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  }

  async joinFromLobby(guest: Guest): Promise<void> {
    const frame = guest.frame();
    await frame.getByRole('button', { name: 'Turn on camera and microphone' }).click({ timeout: 30_000 });
    const join = frame.getByRole('button', { name: 'Join now', exact: true });
    await expect(join).toBeEnabled({ timeout: 20_000 });
    await join.click();
    await expect(frame.locator('siegel-call')).toBeVisible({ timeout: 30_000 });
  }

  /** The name at the media server of somebody in the call: our page is a device of its own. */
  async identityOf({ name, account: { userId } }: Guest, roomId: string): Promise<string> {
    const members = await this.organiser.roomState(roomId, 'org.matrix.msc3401.call.member');
    const device = members.find(({ sender, content }) => sender === userId && content.device_id)?.content.device_id;
    if (typeof device !== 'string') throw new Error(`${name} is no member of the call`);
    return plainIdentity(userId, device);
  }

  /** By the button that people press; resolves when the homeserver has no membership of theirs any more. */
  async leave(guest: Guest, roomId: string): Promise<void> {
    await test.step(`${guest.name} leaves`, async () => {
      const frame = guest.frame();
      // Element Call hides its buttons from the pointer after a while, not from the keyboard.
      if (guest.client === 'element call') await frame.getByTestId('incall_leave').press('Enter');
      else await frame.getByRole('button', { name: 'Leave call', exact: true }).click();
      await until(
        async () =>
          (await this.organiser.roomState(roomId, 'org.matrix.msc3401.call.member')).every(
            ({ sender, content }) => sender !== guest.account.userId || Object.keys(content).length === 0,
          ),
        20_000,
        () => `${guest.name} is still a member of the call`,
        200,
      );
    });
  }

  /**
   * Our page as a widget of the host page, with the URL template a room's widget event would carry. `vouched`: the person's
   * identity has signed the host's device, so others see that nobody else put it there.
   */
  async siegelWidget(kind: BrowserKind, roomId: string, options: { vouched?: boolean } = {}): Promise<Guest> {
    const guest = await this.#add('siegel widget', kind, roomId, ({ page }) => page.frames()[1] ?? null);
    await test.step(`${guest.name} joins with our page as a widget (${kind})`, async () => {
      await this.#openHost(guest);
      if (options.vouched) await guest.page.evaluate((word) => widgetHost.vouch(word), guest.account.password);
      const variables = {
        widgetId: '$matrix_widget_id',
        roomId: '$matrix_room_id',
        userId: '$matrix_user_id',
        deviceId: '$org.matrix.msc3819.matrix_device_id',
        baseUrl: '$org.matrix.msc4039.matrix_base_url',
        lang: '$org.matrix.msc2873.client_language',
      };
      const query = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
      const parent = `parentUrl=${encodeURIComponent(`${this.host.url}/`)}`;
      const template = `${this.stack.pages?.url}/matrix/?noise=browser#?${[...query, parent].join('&')}`;
      await guest.page.evaluate(([room, url]) => widgetHost.openTemplate(room, url), [roomId, template] as const);
      await this.joinFromLobby(guest);
    });
    return guest;
  }

  /** The homeserver holds a membership of this device, or with `anyDevice` of one of this person's. */
  async isMember(account: Account, roomId: string, deadlineMs = 60_000, anyDevice = false): Promise<void> {
    await until(
      async () => {
        const members = await this.organiser.roomState(roomId, 'org.matrix.msc3401.call.member');
        return members.some(
          ({ content, sender }) =>
            sender === account.userId &&
            (anyDevice ? content.device_id !== undefined : content.device_id === account.deviceId),
        );
      },
      deadlineMs,
      () => `${account.userId} is no member of the call`,
      300,
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.guests.map(({ browser }) => browser.close()));
    await this.host.close();
    await this.stack.close();
  }

  /** For the report of a failed test. */
  async attachViews(): Promise<void> {
    const servers = [this.stack.livekit.tail(40), this.stack.synapse.tail(20)].join('\n\n');
    await test.info().attach('servers.txt', { body: servers, contentType: 'text/plain' });
    for (const guest of this.guests) {
      const name = `${guest.name}-${guest.client.replaceAll(' ', '-')}-${guest.kind}`;
      const path = test.info().outputPath(`${name}.png`);
      const picture = await guest.page.screenshot({ timeout: 5000, caret: 'initial', path }).catch(() => null);
      if (picture !== null) await test.info().attach(`${name}.png`, { path, contentType: 'image/png' });
      // Element Call writes tokens to its console: its lines stay out of the report.
      const lines = guest.client === 'element call' ? ['(console not kept)'] : guest.console;
      const now = await received(guest).catch((error: unknown) => String(error));
      const body = [...lines, JSON.stringify(now)].join('\n');
      await test.info().attach(`${name}.txt`, { body, contentType: 'text/plain' });
    }
  }
}

/** Everything that arrives at a guest and is played, whoever made the page. */
export function received(guest: Pick<Caller, 'frame'>, listenMs = 600): Promise<Received> {
  return guest.frame().evaluate(
    async ({ frequencies, columns, rows, ms }) => {
      const receivers = siegelProbe.peers
        .filter(({ connectionState }) => connectionState === 'connected')
        .flatMap((peer) => peer.getReceivers());
      let decoded = 0;
      let bytes = 0;
      const decodedOf = new Map<MediaStreamTrack, number>();
      for (const receiver of receivers) {
        const report: Iterable<[string, Record<string, unknown>]> = (await receiver.getStats()) as never;
        for (const [, row] of report) {
          if (row.type !== 'inbound-rtp') continue;
          bytes += Number(row.bytesReceived ?? 0);
          if (row.kind !== 'video') continue;
          decodedOf.set(receiver.track, Number(row.framesDecoded ?? 0));
          decoded += Number(row.framesDecoded ?? 0);
        }
      }
      const tracks = new Set(receivers.map(({ track }) => track));
      const pictures: Picture[] = [];
      for (const element of siegelProbe.elements()) {
        const track = element.srcObject instanceof MediaStream ? element.srcObject.getVideoTracks()[0] : undefined;
        if (!(element instanceof HTMLVideoElement) || track === undefined || !tracks.has(track)) continue;
        const means = siegelProbe.look(element, columns, rows);
        if (means !== null) pictures.push({ track: track.id, means, decoded: decodedOf.get(track) ?? 0 });
      }
      const sounds: PersonSeen[] = [];
      for (const track of tracks)
        if (track.kind === 'audio' && ms > 0)
          sounds.push(await siegelProbe.hear(new MediaStream([track]), frequencies, ms));
      return { decoded, bytes, pictures, sounds };
    },
    { frequencies: [...kTones] as number[], columns: kPatternColumns, rows: kPatternRows, ms: listenMs },
  );
}

function says(now: Received): string {
  const tones = now.sounds.map(({ rms, shares }) => `${rms.toFixed(3)}[${shares.map((s) => s.toFixed(2)).join(' ')}]`);
  return `decoded ${now.decoded}, ${now.bytes} bytes, ${now.pictures.length} pictures, sounds ${tones.join(', ')}`;
}

/** Frames with the other one's picture that must be decoded while a test looks: the last one of a stream stays to be seen. */
const kNewFrames = 10;

/** Picture and tone of `other` reach `guest`, are theirs, and go on. */
export async function meets(guest: Caller, other: Caller, deadlineMs = 45_000): Promise<void> {
  await test.step(`${guest.name} (${guest.client}) sees and hears ${other.name} (${other.client})`, async () => {
    let now: Received = { decoded: 0, bytes: 0, pictures: [], sounds: [] };
    /** Frames decoded of each track when it first showed the other one. */
    const since = new Map<string, number>();
    await until(
      async () => {
        now = await received(guest);
        const theirs = now.pictures.filter(({ means }) => showsPictureOf(means, other));
        for (const { track, decoded } of theirs) since.set(track, Math.min(since.get(track) ?? decoded, decoded));
        return (
          theirs.some(({ track, decoded }) => decoded >= (since.get(track) ?? decoded) + kNewFrames) &&
          now.sounds.some(({ rms, shares }) => rms > 0.01 && (shares[other.index] ?? 0) > 0.8)
        );
      },
      deadlineMs,
      () => `${guest.name} (${guest.client}, ${guest.kind}) does not see and hear ${other.name}: ${says(now)}`,
      200,
    );
  });
}

export async function everybodyMeets(guests: readonly Guest[]): Promise<void> {
  for (const guest of guests) for (const other of guests) if (other !== guest) await meets(guest, other, 60_000);
}

/** Media arrives, and none of it can be played, for `ms`. */
export async function getsNothing(guest: Caller, ms: number, minBytes: number): Promise<Received> {
  let now: Received = { decoded: 0, bytes: 0, pictures: [], sounds: [] };
  const end = performance.now() + ms;
  while (performance.now() < end || now.bytes < minBytes) {
    now = await received(guest, 300);
    expect(now.decoded, `${guest.name} decodes nothing`).toBe(0);
    expect(now.pictures.length, `${guest.name} sees nothing`).toBe(0);
    for (const { rms } of now.sounds) expect(rms, `${guest.name} hears nothing`).toBeLessThan(0.001);
    if (performance.now() > end + 30_000) throw new Error(`only ${now.bytes} bytes arrive at ${guest.name}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  return now;
}

/** A meeting that is ended whatever happens, with pictures when it fails. */
export async function withMeeting(options: StackOptions, work: (meeting: Meeting) => Promise<void>): Promise<void> {
  const meeting = await Meeting.start(options);
  try {
    await work(meeting);
  } catch (error) {
    await meeting.attachViews();
    throw error;
  } finally {
    await meeting.close();
  }
}
