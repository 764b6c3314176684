/**
 * People of a call: each one is a browser of their own, with a tone and a picture of their own, and with every packet
 * that leaves it written down before SRTP.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, firefox, type Page, type Request } from '@playwright/test';
import { type CapturedPacket, readDump } from '../wire/dump';
import { chromiumOptions, firefoxOptions, stringEnvironment } from './launch_options';
import { kPatternColumns, kPatternRows, patternBits, writePatternY4m, writeToneWav } from './media_files';
import { installProbe, matchPattern, type OutboundCount } from './probe';

export type BrowserKind = 'chromium' | 'firefox';

/** No tone is a harmonic of another. */
export const kTones = [530, 730, 1130, 1490, 1870, 2270] as const;

export interface Capture {
  packets: CapturedPacket[];
  /** Local session descriptions, for payload types and SSRCs. */
  descriptions: string[];
  /** The browser's own last count of packets per outbound stream, taken before the end. */
  counted: OutboundCount[];
}

export interface Person {
  readonly kind: BrowserKind;
  readonly index: number;
  readonly name: string;
  readonly tone: number;
  readonly browser: Browser;
  readonly context: BrowserContext;
  readonly page: Page;
  /** Everything the pages wrote to the console, and uncaught errors. */
  readonly console: string[];
  /** `frame` is the address of the frame that asked, without its fragment; `token`: with an access token in a header. */
  readonly requests: { url: string; body: string | null; frame: string; token: boolean }[];
  /** Addresses of WebSockets, those of workers included. */
  readonly sockets: string[];
  /** Reads the counts of all streams of live connections now; a capture must hold at least the largest ever read. */
  count(): Promise<OutboundCount[]>;
  /** Time, in the capture's own clock, of the last packet that was written down so far. */
  mark(): number;
  /** Closes the browser and returns what it sent. Call once. */
  finish(): Promise<Capture>;
}

const kNames = ['Ada', 'Bert', 'Cleo', 'Dora', 'Emil', 'Fritz'] as const;

export interface LaunchPersonOptions {
  index: number;
  locale?: string;
  viewport?: { width: number; height: number };
  colorScheme?: 'light' | 'dark';
  extraArguments?: string[];
  /** Chromium: title of the tab that screen sharing captures. */
  tab?: string;
  /** Chromium: size of the camera's picture; 320 × 180 without. */
  camera?: { width: number; height: number };
}

export async function launchPerson(kind: BrowserKind, options: LaunchPersonOptions): Promise<Person> {
  const { index } = options;
  const tone = kTones[index];
  const name = kNames[index];
  if (tone === undefined || name === undefined) throw new Error('at most six people');
  const folder = mkdtempSync(join(tmpdir(), 'siegel-person-'));
  const log = join(folder, 'packets');
  let browser: Browser;
  if (kind === 'chromium') {
    const sound = join(folder, 'tone.wav');
    const picture = join(folder, 'picture.y4m');
    writeToneWav(sound, tone);
    writePatternY4m(picture, index + 1, options.camera);
    const tab = options.tab === undefined ? {} : { tab: options.tab };
    const launch = chromiumOptions({ tone: sound, picture, ...tab }, [
      '--force-fieldtrials=WebRTC-Debugging-RtpDump/Enabled/',
      '--enable-logging',
      '--vmodule=srtp_session=3',
      ...(options.extraArguments ?? []),
    ]);
    browser = await chromium.launch({ ...launch, env: { ...stringEnvironment(), CHROME_LOG_FILE: log } });
  } else {
    browser = await firefox.launch(firefoxOptions(tone, { MOZ_LOG: 'sync,RtpLogger:5', MOZ_LOG_FILE: log }));
  }
  const context = await browser.newContext({
    locale: options.locale ?? 'en-GB',
    // Small: without a graphics card every picture is composed by the processor that also has to encode and decode.
    viewport: options.viewport ?? { width: 720, height: 480 },
    colorScheme: options.colorScheme ?? 'light',
  });
  context.setDefaultTimeout(20_000);
  await context.addInitScript(installProbe);
  const page = await context.newPage();
  const lines: string[] = [];
  const requests: Person['requests'] = [];
  const sockets: string[] = [];
  page.on('console', (message) => lines.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => lines.push(`uncaught: ${error.message}`));
  page.on('websocket', (socket) => sockets.push(socket.url()));
  context.on('request', (request) => {
    const url = request.url();
    // Firefox's driver has no event of its own for them, and leaves out the header `Upgrade`.
    if ('sec-websocket-key' in request.headers()) sockets.push(url);
    else {
      const token = 'authorization' in request.headers();
      requests.push({ url, body: request.postData(), frame: frameOf(request), token });
    }
  });

  const counted = new Map<number, OutboundCount>();
  const descriptions = new Set<string>();
  const count = async () => {
    for (const open of context.pages()) {
      const seen = await open
        .evaluate(async () =>
          'siegelProbe' in globalThis
            ? { counts: await siegelProbe.outbound(), descriptions: siegelProbe.descriptions }
            : { counts: [], descriptions: [] },
        )
        .catch(() => ({ counts: [] as OutboundCount[], descriptions: [] as string[] }));
      for (const each of seen.descriptions) descriptions.add(each);
      for (const each of seen.counts)
        if (each.packets >= (counted.get(each.ssrc)?.packets ?? 0)) counted.set(each.ssrc, each);
    }
    return [...counted.values()];
  };
  return {
    kind,
    index,
    name,
    tone,
    browser,
    context,
    page,
    console: lines,
    requests,
    sockets,
    count,
    mark: () => readDump(log).reduce((latest, { outbound, at }) => (outbound ? Math.max(latest, at) : latest), 0),
    async finish() {
      await browser.close();
      const packets = readDump(log);
      rmSync(folder, { recursive: true, force: true });
      return { packets, descriptions: [...descriptions], counted: [...counted.values()] };
    },
  };
}

function frameOf(request: Request): string {
  try {
    return request.frame().url().split('#')[0] ?? '';
  } catch {
    return ''; // a page that is not there yet
  }
}

/**
 * Ends all browsers and returns what each sent. The counts are taken while all are still there: a browser goes on counting
 * packets that it could no longer hand to a vanished peer's SRTP.
 */
export async function finishAll(people: readonly Person[]): Promise<Capture[]> {
  await Promise.all(people.map((person) => person.count()));
  return Promise.all(people.map((person) => person.finish()));
}

/** True when the block means show the picture of this person: their pattern, or Firefox's flat fake picture. */
export function showsPictureOf(means: readonly number[] | null, person: { kind: BrowserKind; index: number }): boolean {
  if (means === null || means.length !== kPatternColumns * kPatternRows) return false;
  const { right, contrast } = matchPattern(means, patternBits(person.index + 1));
  if (person.kind === 'chromium') return contrast > 60 && right >= means.length - 2;
  return contrast < 24;
}
