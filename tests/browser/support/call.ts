/**
 * A call over the real page and the real server, with everything armed that shows whether something leaked: packets before
 * SRTP, tcpdump, requests, consoles, storage, and the secret and every key as canaries.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, type Locator, test } from '@playwright/test';
import { type RunningServer, startServer } from '../../../tools/serve.mjs';
import { decodeAudio, decodeVideo } from '../wire/decoder';
import { collectFrames, type WireStream } from '../wire/frames';
import { judge, objections, type Verdict } from '../wire/judge';
import { judgeLoopback, type LoopbackCapture, portsOf, startLoopbackCapture } from '../wire/loopback';
import { KeyBook } from '../wire/open_with_keys';
import { withJudge } from './checks';
import {
  type BrowserKind,
  type Capture,
  finishAll,
  type LaunchPersonOptions,
  launchPerson,
  type Person,
} from './people';
import type { SeenKey } from './probe';

export const kSite = resolve(import.meta.dirname, process.env.SIEGEL_TEST_SITE ?? '../../../build/test-site');

/** The real server on a free port. */
export async function startSite(): Promise<RunningServer> {
  if (!existsSync(kSite)) throw new Error('build/test-site is missing: run `node tools/build.mjs --tests` first');
  return startServer({ port: 0, root: kSite });
}

export interface Link {
  url: string;
  secret: Buffer;
}

export function newLink(server: RunningServer): Link {
  const secret = randomBytes(32);
  return { url: `${server.url}/call/${randomBytes(16).toString('base64url')}#${secret.toString('base64url')}`, secret };
}

/** The same room with another secret. */
export function withOtherSecret(link: Link): Link {
  const secret = randomBytes(32);
  return { url: link.url.replace(/#.*/, `#${secret.toString('base64url')}`), secret };
}

export interface FinishedPerson {
  person: Person;
  capture: Capture;
  streams: WireStream[];
  verdict: Verdict;
  keys: SeenKey[];
}

interface LastLook {
  keys: SeenKey[];
  sentTexts: string[];
  violations: string[];
  stored: Record<string, unknown>;
  address: string;
}

export interface CallOptions {
  /** People whose page is made to do something odd: their frames need not open under their keys. */
  mediaExpected?: boolean;
}

const kJoin = /^(Join now|Jetzt teilnehmen)$/;

export class Call {
  readonly people: Person[] = [];
  readonly #looks = new Map<Person, LastLook>();
  readonly #secrets: Buffer[] = [];
  /** Playwright's screenshots put a style element into Firefox's pages, which the page's policy refuses and reports. */
  takesScreenshots = false;
  #ended = false;

  private constructor(
    readonly server: RunningServer,
    readonly link: Link,
    readonly outside: LoopbackCapture | string,
  ) {
    this.#secrets.push(link.secret);
  }

  static async start(): Promise<Call> {
    const server = await startSite();
    return new Call(server, newLink(server), await startLoopbackCapture());
  }

  /** Starts a browser for the next person. */
  async add(kind: BrowserKind, options: Omit<LaunchPersonOptions, 'index'> = {}): Promise<Person> {
    const person = await launchPerson(kind, { ...options, index: this.people.length });
    this.people.push(person);
    return person;
  }

  /** Opens the link, turns the devices on and joins, the way a person does. */
  async join(person: Person, link: Link = this.link): Promise<void> {
    if (!this.#secrets.some((known) => known.equals(link.secret))) this.#secrets.push(link.secret);
    await test.step(`${person.name} joins`, async () => {
      await this.toLobby(person, link);
      await person.page.getByRole('button', { name: kJoin }).click();
      await expect(callView(person)).toBeVisible({ timeout: 15_000 });
    });
  }

  async toLobby(person: Person, link: Link = this.link): Promise<void> {
    const { page } = person;
    // People are known by tones, which is just what noise suppression takes away.
    await page.goto(link.url.replace('#', '?noise=browser#'));
    await page
      .getByRole('button', { name: /^(Turn on camera and microphone|Kamera und Mikrofon einschalten)$/ })
      .click({ timeout: 15_000 });
    await page.getByLabel(/^(Your name|Ihr Name)$/).fill(person.name);
    await expect(page.getByRole('button', { name: kJoin })).toBeEnabled({ timeout: 15_000 });
  }

  /** Notes what can only be seen while the page is open. Called by `finish`; call before a page goes away on its own. */
  async look(person: Person): Promise<void> {
    await person.count();
    const seen = await person.page.evaluate(async () => ({
      keys: siegelProbe.keys,
      sentTexts: siegelProbe.sentTexts,
      violations: siegelProbe.violations,
      address: location.href,
      stored: {
        cookie: document.cookie,
        local: { ...localStorage },
        session: { ...sessionStorage },
        databases: (await indexedDB.databases()).map(({ name }) => name ?? ''),
        caches: 'caches' in globalThis ? await caches.keys() : [],
        workers: 'serviceWorker' in navigator ? (await navigator.serviceWorker.getRegistrations()).length : 0,
      },
    }));
    this.#looks.set(person, seen);
  }

  /**
   * Ends the call and judges it: no frame clear, each sealed frame genuine, nothing on the wire that was not judged, no
   * request elsewhere, nothing stored, no secret or key in any text.
   */
  async finish(): Promise<FinishedPerson[]> {
    this.#ended = true;
    for (const person of this.people) if (!this.#looks.has(person) || !person.page.isClosed()) await this.look(person);
    const cookies = await Promise.all(this.people.map(({ context }) => context.cookies()));
    const captures = await finishAll(this.people);
    const datagrams = typeof this.outside === 'string' ? null : await this.outside.stop();
    await this.server.close();

    for (const [i, person] of this.people.entries()) this.#checkTraces(person, cookies[i]);
    if (datagrams === null) test.info().annotations.push({ type: 'not checked', description: String(this.outside) });
    else {
      const ports = portsOf(captures.flatMap(({ descriptions }) => descriptions));
      const sent = captures.flatMap(({ packets }) => packets);
      const seen = judgeLoopback(datagrams, sent, ports);
      expect(seen.faults, 'on the wire').toEqual([]);
      if (sent.length > 0) expect(seen.srtp, 'SRTP packets seen outside').toBeGreaterThan(0);
    }
    const finished: FinishedPerson[] = [];
    await withJudge(async (page) => {
      for (const [i, person] of this.people.entries()) {
        const capture = captures[i]!;
        const verdict = await judge(page, person, capture);
        const who = `${person.name} (${person.kind})`;
        expect(objections(verdict), `what ${who} sent`).toEqual([]);
        const keys = this.#looks.get(person)?.keys ?? [];
        const { streams } = collectFrames(capture.packets, capture.descriptions);
        const book = new KeyBook(keys.filter(({ usage }) => usage === 'send'));
        for (const stream of streams) {
          const opened = stream.frames.map((frame) => book.open(frame));
          const genuine = opened.filter((frame) => frame !== null);
          expect(genuine.length, `${who}, ${stream.kind} ${stream.ssrc}: frames whose tag verifies`).toBe(
            opened.length,
          );
          await this.#showsWithKey(page, person, stream, genuine);
        }
        finished.push({ person, capture, streams, verdict, keys });
        console.log(`  ${who}: ${summary(verdict)}`);
      }
    });
    return finished;
  }

  /** What everybody sees and what their consoles say, for the report of a failed test. */
  async attachViews(): Promise<void> {
    for (const person of this.people) {
      const name = `${person.name}-${person.kind}`;
      const figures = () =>
        person.page
          .evaluate(async () => [...(await siegelProbe.outbound()), ...(await siegelProbe.inbound())])
          .then((rows) => rows.map((row) => JSON.stringify(row)).join('\n'))
          .catch(() => 'no figures');
      const first = await figures();
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const body = [...person.console, first, 'one second later', await figures()].join('\n');
      await test.info().attach(`${name}.txt`, { body, contentType: 'text/plain' });
      // To hide the caret, Playwright would add a style element, which the page's policy forbids.
      const picture = await person.page.screenshot({ timeout: 5000, caret: 'initial' }).catch(() => null);
      if (picture !== null) await test.info().attach(`${name}.png`, { body: picture, contentType: 'image/png' });
    }
  }

  /** Ends everything without judging; for `finally`. */
  async abandon(): Promise<void> {
    if (this.#ended) {
      for (const { browser } of this.people) await browser.close();
      return;
    }
    for (const { browser } of this.people) await browser.close();
    if (typeof this.outside !== 'string') await this.outside.stop();
    await this.server.close();
  }

  /** With the key, the very frames the decoder could make nothing of must show the sender: the judge is not blind. */
  async #showsWithKey(
    page: Parameters<typeof judge>[0],
    person: Person,
    stream: WireStream,
    genuine: Parameters<typeof decodeVideo>[1],
  ): Promise<void> {
    if (genuine.length < 60) return;
    if (stream.kind === 'video') {
      const { decoded, recognised } = await decodeVideo(page, genuine, person);
      // A shared screen shows something else; the first video stream is the camera.
      if (recognised === 0) expect(decoded).toBeGreaterThan(0);
      else expect(recognised / decoded).toBeGreaterThan(0.5);
    } else {
      const { audible, recognised, tones } = await decodeAudio(page, genuine, person);
      if (audible > 100)
        expect(recognised / audible, `${person.name}'s tone with the key (${tones} of ${audible})`).toBeGreaterThan(
          0.3,
        );
    }
  }

  #checkTraces(person: Person, cookies: unknown): void {
    const look = this.#looks.get(person);
    const who = person.name;
    expect(look, `${who}'s page was looked at`).toBeDefined();
    if (look === undefined) return;
    expect(cookies, `${who}: cookies`).toEqual([]);
    expect(look.stored, `${who}: storage`).toEqual({
      cookie: '',
      local: {},
      session: {},
      databases: [],
      caches: [],
      workers: 0,
    });
    const violations = look.violations.filter((each) => !this.takesScreenshots || each !== 'style-src-elem inline');
    expect(violations, `${who}: content security policy`).toEqual([]);
    expect(look.address, `${who}: address bar`).not.toContain('#');
    const origin = new URL(this.server.url);
    for (const { url } of person.requests) {
      if (/^(data|blob|about):/.test(url)) continue;
      expect(new URL(url).host, `${who}: requests only the own origin (${url})`).toBe(origin.host);
    }
    const texts = [
      ...person.console,
      ...look.sentTexts,
      ...person.requests.flatMap(({ url, body }) => [url, body ?? '']),
    ];
    const canaries = [
      ...this.#secrets,
      ...[...this.#looks.values()].flatMap(({ keys }) => keys.map((key) => Buffer.from(key.material, 'hex'))),
    ];
    const forms = canaries.flatMap((canary) => [
      canary.toString('base64url'),
      canary.toString('base64').replace(/=+$/, ''),
      canary.toString('hex'),
      [...canary].join(','),
    ]);
    const told = texts.filter((text) => forms.some((form) => text.includes(form)));
    expect(
      told.map((text) => text.slice(0, 60)),
      `${who}: texts with a secret in them`,
    ).toEqual([]);
    const errors = person.console
      .filter((line) => /^(error|uncaught)/.test(line))
      .filter((line) => !this.takesScreenshots || !/blocked an inline style \(style-src-elem\)/.test(line));
    expect(errors, `${who}: errors in the console`).toEqual([]);
  }
}

/** Counts for the log of the run. */
function summary(verdict: Verdict): string {
  return verdict.streams
    .map(({ kind, sealed, frames, keyIndexes }) => `${kind} ${sealed}/${frames} sealed (keys ${keyIndexes.join(' ')})`)
    .join(', ');
}

export function callView(person: Person): Locator {
  return person.page.locator('siegel-call');
}
