/**
 * A conference on the Jitsi servers, with people in our page and in stock clients, each in a browser of their own with a tone
 * and a picture of their own.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, type Locator, test } from '@playwright/test';
import { startServer } from '../../../tools/serve.mjs';
import {
  type BrowserKind,
  finishAll,
  type LaunchPersonOptions,
  launchPerson,
  type Person,
} from '../../browser/support/people';
import { until } from '../../browser/support/until';
import { type JitsiOptions, type JitsiStack, startJitsi } from '../../servers/jitsi/stack.mjs';
import { genuineFolders } from './genuine.mjs';

export const kSite = resolve(import.meta.dirname, process.env.SIEGEL_TEST_SITE ?? '../../../build/test-site');
export const kRoom = 'Conference';

export type StockClient = 'lyno' | 'solyd';

export interface ConferenceOptions extends JitsiOptions {
  /** Stock clients of this package can join. */
  client?: StockClient;
}

export interface GuestOptions extends Partial<Omit<LaunchPersonOptions, 'index'>> {
  room?: string;
  /** false: stays in the lobby page, with everything filled in. */
  join?: boolean;
  /** false: neither camera nor microphone. */
  media?: boolean;
  transport?: 'websocket' | 'bosh';
  token?: string;
}

/** What of a participant a stock client decoded until now. */
export interface Decoded {
  frames: number;
  width: number;
  energy: number;
  packets: number;
}

interface GenuinePage {
  join(options: Record<string, unknown>): Promise<{ id: string; e2ee: boolean }>;
  encrypt(on: boolean): Promise<void>;
  encrypted(): boolean;
  leave(): Promise<void>;
  say(text: string): void;
  received(): Promise<Record<string, Decoded>>;
  participants(): Array<{ id: string; name: string; role: string; e2ee: boolean }>;
  state: { messages: Array<[string, string]>; errors: string[]; log: Array<[string, string]> };
}
declare const genuine: GenuinePage;

export interface StockPerson extends Person {
  id: string;
  received(): Promise<Record<string, Decoded>>;
  encrypt(on: boolean): Promise<void>;
}

export class Conference {
  readonly people: Person[] = [];
  #index = 0;

  private constructor(
    readonly stack: JitsiStack,
    readonly site: { port: number; close(): Promise<void> },
  ) {}

  static async start(options: ConferenceOptions = {}): Promise<Conference> {
    if (!existsSync(resolve(kSite, 'demo/jitsi/main.js')))
      throw new Error('build/test-site is missing or old: run `node tools/build.mjs --tests` first');
    const { client, ...stackOptions } = options;
    const stack = await startJitsi({
      ...stackOptions,
      ...(client && { folders: genuineFolders({ client }) }),
    });
    const { host } = new URL(stack.origin);
    const site = await startServer({
      port: 0,
      root: kSite,
      matrix: { connect: [`http://${host}`, `ws://${host}`] },
    });
    return new Conference(stack, site);
  }

  get origin(): string {
    return `http://127.0.0.1:${this.site.port}`;
  }

  async #launch(kind: BrowserKind, options: GuestOptions): Promise<Person> {
    const { room: _r, join: _j, media: _m, transport: _t, token: _k, ...launch } = options;
    const person = await launchPerson(kind, {
      ...launch,
      index: this.#index++,
    });
    this.people.push(person);
    return person;
  }

  /** Somebody in our page. */
  async guest(kind: BrowserKind, options: GuestOptions = {}): Promise<Person> {
    return test.step(`somebody opens the page in ${kind}`, async () => {
      const { room = kRoom, join = true, media = true, transport, token } = options;
      const person = await this.#launch(kind, options);
      const { page } = person;
      // People are known by tones, which is just what noise suppression takes away.
      const query = `?noise=browser${transport ? `&transport=${transport}` : ''}`;
      await page.goto(`${this.origin}/jitsi/${query}#${this.stack.roomUrl(room)}${token ? `?jwt=${token}` : ''}`);
      await page.getByLabel('Your name').fill(person.name);
      if (media) {
        await page.getByRole('button', { name: 'Turn on camera and microphone' }).click();
        await expect(page.getByRole('button', { name: 'Join now', exact: true })).toBeEnabled({ timeout: 15_000 });
      }
      await expect(page.getByText('Encryption is ready.')).toBeVisible();
      if (join) {
        await this.pressJoin(person, media);
        await expect(page.locator('siegel-call')).toBeVisible({ timeout: 30_000 });
      }
      return person;
    });
  }

  async pressJoin(person: Person, media = true): Promise<void> {
    const name = media ? 'Join now' : 'Join without camera and microphone';
    await person.page.getByRole('button', { name, exact: true }).click();
  }

  /** Somebody in a stock client, in Chromium. */
  async stock(
    options: { encrypt?: boolean; room?: string; focus?: string; worker?: 'stock' | 'siegel' } = {},
  ): Promise<StockPerson> {
    return test.step('somebody comes with a stock client', async () => {
      const { encrypt = false, room = kRoom, focus, worker = 'stock' } = options;
      const person = await this.#launch('chromium', {});
      const { page } = person;
      await page.goto(`${this.stack.origin}/stock/index.html?worker=${worker}`);
      await page.waitForSelector('body[data-ready]', { state: 'attached' });
      const { id, e2ee } = await page.evaluate((how) => genuine.join(how), {
        domain: this.stack.domain,
        room: room.toLowerCase(),
        name: person.name,
        ...(focus && { focus }),
      });
      expect(e2ee, 'the stock client can encrypt').toBe(true);
      const stock: StockPerson = Object.assign(person, {
        id,
        received: () => page.evaluate(() => genuine.received()),
        encrypt: async (on: boolean) => {
          // Stock clients wait for acknowledgements that not everybody sends; what counts is what comes of it.
          await page.evaluate(
            (value) => Promise.race([genuine.encrypt(value), new Promise((done) => setTimeout(done, 12_000))]),
            on,
          );
          expect(await page.evaluate(() => genuine.encrypted())).toBe(on);
        },
      });
      if (encrypt) await stock.encrypt(true);
      return stock;
    });
  }

  async close(): Promise<void> {
    await finishAll(this.people).catch(() => {});
    await this.site.close();
    await this.stack.close();
  }
}

/** Starts a conference, ends it whatever happens. */
export async function withConference(
  options: ConferenceOptions,
  work: (conference: Conference) => Promise<void>,
): Promise<void> {
  const conference = await Conference.start(options);
  try {
    await work(conference);
  } catch (error) {
    const { focus, witness } = conference.stack;
    const log = focus.log.map(({ to, from, action }) => `${to ? `>${to}` : `<${from}`} ${action}`).join('  ');
    await test.info().attach('focus', { body: log });
    const prosody = readFileSync(resolve(conference.stack.folder, 'prosody-info.log'), 'utf8');
    await test.info().attach('prosody', {
      body: prosody
        .split('\n')
        .filter((line) => /error|warn/.test(line))
        .join('\n'),
    });
    await test.info().attach('witness', { body: JSON.stringify([...witness.counts]) });
    for (const { name, console: lines } of conference.people)
      await test.info().attach(`console ${name}`, { body: lines.join('\n') });
    throw error;
  } finally {
    await conference.close();
  }
}

/** Endpoint id of somebody in our page. */
export function idOf(person: Person): Promise<string> {
  return person.page
    .locator('siegel-call')
    .evaluate((element) => (element as unknown as { room: { me: string } }).room.me);
}

export const banner = (person: Person, name: string): Locator => person.page.locator(`[data-banner="${name}"]`);

export const notice = (person: Person): Locator => person.page.locator('siegel-notice');

/** A stock client decodes more of somebody: `frames` of video, and sound that is heard. */
export async function stockDecodes(stock: StockPerson, id: string, frames = 60): Promise<void> {
  let before: Record<string, Decoded> | undefined;
  let now: Record<string, Decoded> = {};
  await until(
    async () => {
      now = await stock.received();
      before ??= now;
      const more = (key: string, what: 'frames' | 'energy'): number =>
        (now[key]?.[what] ?? 0) - (before?.[key]?.[what] ?? 0);
      return more(`${id}:video`, 'frames') > frames && more(`${id}:audio`, 'energy') > 0.05;
    },
    30_000,
    () => `the stock client ${stock.name} does not decode ${id}: ${JSON.stringify(now)}`,
    300,
  );
}

/** Every frame of this sender that the bridge saw was sealed, the first one too; and there were some of both kinds. */
export function allSealed(stack: JitsiStack, id: string): void {
  const counts = stack.witness.of(id);
  expect(
    counts.filter(({ sealed, frames }) => sealed !== frames),
    'frames that the bridge could read',
  ).toEqual([]);
  expect(new Set(counts.map(({ kind }) => kind))).toEqual(new Set(['audio', 'video']));
  for (const count of counts.filter(({ kind }) => kind === 'audio')) expect(count.frames).toBeGreaterThan(20);
}
