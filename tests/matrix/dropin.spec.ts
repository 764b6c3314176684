/**
 * Unmodified livekit-client on a real LiveKit server: one side with our worker, the other with the published one, both
 * directions, every codec that the browsers have. Not a word of Matrix in it.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, expect, firefox, type Page, test } from '@playwright/test';
import { matrixHeaders, staticFiles } from '../../tools/serve.mjs';
import { chromiumOptions, firefoxOptions } from '../browser/support/launch_options';
import { type Stack, startStack } from '../servers/matrix/stack.mjs';
import type { Heard, JoinOptions } from './pages/dropin/main';
import { kSite } from './support/meeting';

let stack: Stack;
let site: { url: string; close(): void };
const browsers: Browser[] = [];
let rooms = 0;

test.beforeAll(async () => {
  test.setTimeout(180_000);
  stack = await startStack();
  const { url } = stack.livekit;
  const policy = matrixHeaders({ connect: [url, url.replace(/^ws/, 'http')] });
  const server = createServer(staticFiles(kSite, policy));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  site = { url: `http://localhost:${port}/tests/dropin/`, close: () => server.close() };
});
test.afterEach(async () => {
  await Promise.all(browsers.splice(0).map((browser) => browser.close()));
});
test.afterAll(async () => {
  site?.close();
  await stack?.close();
});

type Kind = 'chromium' | 'firefox';
const keyOf = (identity: string) => Array.from({ length: 16 }, (_, i) => (identity.charCodeAt(0) * 7 + i) & 255);

async function open(kind: Kind): Promise<Page> {
  const browser = await (kind === 'chromium' ? chromium.launch(chromiumOptions()) : firefox.launch(firefoxOptions()));
  browsers.push(browser);
  const page = await (await browser.newContext()).newPage();
  await page.goto(site.url);
  await page.waitForFunction(() => 'dropin' in globalThis);
  return page;
}

async function enter(page: Page, room: string, identity: string, options: Partial<JoinOptions>): Promise<void> {
  const keys: JoinOptions['keys'] = ['ours', 'theirs'].map((name) => [name, 0, keyOf(name)]);
  const join: JoinOptions = {
    url: stack.livekit.url,
    token: await stack.livekit.token(identity, room),
    worker: 'cipher',
    keys,
    publish: {},
    data: true,
    ...options,
  };
  await page.evaluate((what) => dropin.join(what), join);
}

/** Frames of `from` are decoded and heard at `page`, and go on being so. */
async function hears(page: Page, from: string, codec: string): Promise<void> {
  const read = async (kind: string): Promise<Heard | undefined> =>
    (await page.evaluate(() => dropin.received())).find((each) => each.identity === from && each.kind === kind);
  await expect.poll(async () => (await read('video'))?.framesDecoded ?? 0, { timeout: 60_000 }).toBeGreaterThan(30);
  const before = (await read('video'))!.framesDecoded;
  await expect
    .poll(async () => (await read('video'))?.framesDecoded ?? 0, { timeout: 20_000 })
    .toBeGreaterThan(before + 10);
  await expect.poll(async () => (await read('audio'))?.audioEnergy ?? 0, { timeout: 20_000 }).toBeGreaterThan(0.001);
  expect((await read('video'))?.codec.toLowerCase()).toBe(`video/${codec}`);
}

const cases: { ours: Kind; theirs: Kind; codec: 'vp8' | 'vp9' | 'h264' }[] = [
  { ours: 'chromium', theirs: 'chromium', codec: 'vp8' },
  { ours: 'chromium', theirs: 'chromium', codec: 'vp9' },
  { ours: 'chromium', theirs: 'chromium', codec: 'h264' },
  { ours: 'firefox', theirs: 'chromium', codec: 'vp8' },
  { ours: 'chromium', theirs: 'firefox', codec: 'vp8' },
];

for (const { ours, theirs, codec } of cases) {
  test(`ours in ${ours}, the published worker in ${theirs}: ${codec} and sound, both ways`, async () => {
    const room = `dropin-${++rooms}`;
    await stack.livekit.makeRoom(room);
    const [a, b] = await Promise.all([open(ours), open(theirs)]);
    const [here, there] = await Promise.all([a, b].map((page) => page.evaluate(() => dropin.codecs())));
    for (const codecs of [here, there]) expect(codecs, `this browser has ${codec}`).toContain(`video/${codec}`);
    await enter(a, room, 'ours', { publish: { codec } });
    await enter(b, room, 'theirs', { worker: 'published', publish: { codec } });
    await hears(b, 'ours', codec);
    await hears(a, 'theirs', codec);
    expect(await a.evaluate(() => dropin.seen.encrypted)).toBe(true);

    // Data packets of LiveKit's scheme.
    await a.evaluate(() => dropin.say('from ours'));
    await b.evaluate(() => dropin.say('from theirs'));
    await expect.poll(() => b.evaluate(() => dropin.seen.data)).toEqual(['ours: from ours']);
    await expect.poll(() => a.evaluate(() => dropin.seen.data)).toEqual(['theirs: from theirs']);

    // A new key of each, under another index.
    const fresh = (identity: string) => keyOf(identity).map((byte) => byte ^ 0x55);
    for (const identity of ['ours', 'theirs'])
      for (const page of [a, b])
        await page.evaluate(([who, raw]) => dropin.putKey(who, 1, raw), [identity, fresh(identity)] as const);
    await hears(b, 'ours', codec);
    await hears(a, 'theirs', codec);
    const counters = await a.evaluate(() => dropin.seen.stats?.tracks ?? []);
    const sent = counters.filter(({ direction }) => direction === 'send');
    const got = counters.filter(({ direction, passed }) => direction === 'receive' && passed > 0);
    expect(sent.map(({ keyIndex }) => keyIndex)).toEqual([1, 1]);
    expect(got.map(({ keyIndex }) => keyIndex)).toEqual([1, 1]);
    expect(await a.evaluate(() => dropin.seen.warnings.filter(({ kind }) => kind !== 'send-blocked'))).toEqual([]);
  });
}

test('with another key nothing is played, and the application hears of it by name', async () => {
  const room = `dropin-${++rooms}`;
  await stack.livekit.makeRoom(room);
  const [a, b] = await Promise.all([open('chromium'), open('chromium')]);
  const wrong: JoinOptions['keys'] = [
    ['ours', 0, keyOf('ours')],
    ['theirs', 0, keyOf('x')],
  ];
  await enter(a, room, 'ours', { worker: 'worker', keys: wrong, data: false });
  await enter(b, room, 'theirs', { worker: 'published', data: false });
  await hears(b, 'ours', 'vp8');
  const got = await a.evaluate(() => dropin.received());
  expect(got.find(({ kind }) => kind === 'video')?.bytes).toBeGreaterThan(1000);
  expect(got.map(({ framesDecoded }) => framesDecoded)).toEqual([0, 0]);
  expect(await a.evaluate(() => dropin.seen.errors.some((text) => /^InvalidKey: .*\btheirs\b/.test(text)))).toBe(true);
});
