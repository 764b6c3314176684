/**
 * Every row of docs/bad-input.md, tried in Chromium and Firefox. Faults are real where a browser can be made to have them
 * (no devices, permission blocked, no WebRTC, wrong MIME type, missing files, dead server, foreign origin); the others are
 * played by replacing one browser function, and say so. Each test ends with `quiet`: nothing in the console, nothing stored.
 */
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Browser,
  type BrowserContext,
  expect as baseExpect,
  chromium,
  firefox,
  type LaunchOptions,
  type Page,
  test,
} from '@playwright/test';
import { WebSocketServer } from 'ws';
import { type RoomLimits, type RunningServer, startServer, staticFiles } from '../../tools/serve.mjs';
import { kSite } from './support/call';
import { chromiumOptions, firefoxOptions } from './support/launch_options';

type Kind = 'chromium' | 'firefox';

// Several browsers on two cores: what takes a moment alone may take long here. Times that matter are measured elsewhere.
test.describe.configure({ timeout: 120_000 });
const expect = baseExpect.configure({ timeout: 20_000 });

const cleanups: Array<() => Promise<unknown> | unknown> = [];
const logs = new Map<Page, string[]>();

test.afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  logs.clear();
});

const kindOf = (): Kind => (test.info().project.name === 'firefox' ? 'firefox' : 'chromium');

async function serve(rooms: RoomLimits = {}, root = kSite): Promise<RunningServer> {
  const server = await startServer({ port: 0, root, rooms });
  cleanups.push(() => server.close());
  return server;
}

/** A copy of the site in which `broken` files are missing. */
function siteWithout(broken: (name: string) => boolean): string {
  const folder = mkdtempSync(join(tmpdir(), 'siegel-bad-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(kSite, folder, { recursive: true });
  for (const name of readdirSync(join(folder, 'assets'))) if (broken(name)) rmSync(join(folder, 'assets', name));
  return folder;
}

interface Odd {
  /** Arguments or preferences that make the fault. */
  chromium?: string[];
  firefox?: Record<string, string | number | boolean>;
  /** Leave these away from the usual ones. */
  without?: RegExp;
  init?: () => void;
}

async function launch(odd: Odd = {}): Promise<Browser> {
  const kind = kindOf();
  const options: LaunchOptions = kind === 'chromium' ? chromiumOptions() : firefoxOptions();
  if (kind === 'chromium') {
    options.args = [...(options.args ?? []).filter((each) => !odd.without?.test(each)), ...(odd.chromium ?? [])];
  } else {
    const usual = Object.entries(options.firefoxUserPrefs ?? {}).filter(([name]) => !odd.without?.test(name));
    options.firefoxUserPrefs = { ...Object.fromEntries(usual), ...odd.firefox };
  }
  const browser = await (kind === 'chromium' ? chromium : firefox).launch(options);
  cleanups.push(() => browser.close());
  return browser;
}

function watch(page: Page): void {
  const lines: string[] = [];
  logs.set(page, lines);
  page.on('console', (message) => {
    if (message.type() === 'error') lines.push(message.text());
  });
  page.on('pageerror', (error) => lines.push(`uncaught: ${error.message}`));
}

async function open(odd: Odd = {}, browser?: Browser): Promise<{ page: Page; context: BrowserContext }> {
  const context = await (browser ?? (await launch(odd))).newContext({ locale: 'en-GB' });
  const page = await context.newPage();
  if (odd.init) await page.addInitScript(odd.init);
  watch(page);
  return { page, context };
}

function linkTo(server: { url: string }, room = randomBytes(16).toString('base64url')): string {
  return `${server.url}/call/${room}#${randomBytes(32).toString('base64url')}`;
}

const notice = (page: Page, kind: string) => page.locator(`siegel-notice[data-kind="${kind}"]`);
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
const devicesOn = (page: Page) => button(page, 'Turn on camera and microphone').click();

/** Joins without devices: nothing is asked. */
async function joinBare(page: Page, link: string): Promise<void> {
  await page.goto(link);
  await button(page, 'Join without camera and microphone').click();
}

const inCall = (page: Page) => expect(page.locator('siegel-call')).toBeVisible({ timeout: 15_000 });

/** Nothing uncaught, no complaint but those expected, nothing stored, no secret in the address. */
async function quiet(page: Page, expected = /^$/): Promise<void> {
  expect((logs.get(page) ?? []).filter((line) => !expected.test(line))).toEqual([]);
  const left = await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length, location.hash]);
  expect(left).toEqual(['', 0, 0, '']);
}

test.describe('devices', () => {
  const kNoDevices: Odd = {
    without: /fake-device|streams\.fake|fake_frequency/,
    firefox: { 'media.navigator.streams.fake': false },
  };

  test('rows 1, 5: no camera and no microphone; joining without works', async () => {
    const server = await serve();
    const { page } = await open(kNoDevices);
    await page.goto(linkTo(server));
    // A machine with a sound server has a microphone: then only the camera is missing, which is row 5.
    const microphones = await page.evaluate(
      async () => (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === 'audioinput').length,
    );
    await devicesOn(page);
    const hints = page.locator('[data-problem="missing"]');
    await expect(hints.filter({ hasText: 'Camera:' })).toContainText('No device found');
    if (microphones === 0) await expect(hints.filter({ hasText: 'Microphone:' })).toBeVisible();
    await page.getByRole('button', { name: /^Join (now|without)/ }).click();
    await inCall(page);
    await expect(page.getByRole('button', { name: 'Turn camera on' })).toBeVisible();
    await quiet(page);
  });

  test('row 2: permission denied, and what helps', async () => {
    const server = await serve();
    const { page } = await open({
      chromium: ['--deny-permission-prompts'],
      without: /fake-ui|permission\.disabled/,
      firefox: { 'permissions.default.camera': 2, 'permissions.default.microphone': 2 },
    });
    await page.goto(linkTo(server));
    await devicesOn(page);
    const hints = page.locator('[data-problem="denied"]');
    await expect(hints).toHaveCount(2);
    await expect(hints.first()).toContainText('address bar');
    await hints.first().getByRole('button', { name: 'Try again' }).click();
    await expect(hints).toHaveCount(2);
    await button(page, 'Join without camera and microphone').click();
    await inCall(page);
    // The same from inside the call: a message, and the control stays off.
    await button(page, 'Turn camera on').click();
    await expect(page.locator('siegel-toasts')).toContainText('Camera: The browser was told not to give access');
    await expect(button(page, 'Turn camera on')).toBeVisible();
    await quiet(page);
  });

  for (const [row, name, message, problem, text] of [
    [3, 'NotAllowedError', 'Permission denied by system', 'denied-by-system', 'operating system'],
    [4, 'NotReadableError', 'Could not start video source', 'busy', 'in use by another program'],
  ] as const) {
    test(`row ${row}: ${problem} (getUserMedia replaced)`, async () => {
      const server = await serve();
      const { page } = await open();
      await page.addInitScript(
        ([errorName, errorMessage]) => {
          if (!navigator.mediaDevices) return; // the empty page before
          navigator.mediaDevices.getUserMedia = async () => {
            throw new DOMException(errorMessage, errorName);
          };
        },
        [name, message] as const,
      );
      await page.goto(linkTo(server));
      await devicesOn(page);
      await expect(page.locator(`[data-problem="${problem}"]`)).toHaveCount(2);
      await expect(page.locator(`[data-problem="${problem}"]`).first()).toContainText(text);
      await quiet(page);
    });
  }

  test('row 6: a camera that is unplugged is replaced, or its control shows off (its `ended` played)', async () => {
    const server = await serve();
    const { page } = await open({
      init: () => {
        if (!navigator.mediaDevices) return;
        const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        const state = { opened: [] as MediaStream[], gone: false, ended: [] as Array<[unknown, () => void]> };
        // Firefox does not deliver an `ended` that a script dispatches: remember who waits for it.
        const add = MediaStreamTrack.prototype.addEventListener;
        MediaStreamTrack.prototype.addEventListener = function (this: MediaStreamTrack, ...args: unknown[]) {
          if (args[0] === 'ended') state.ended.push([this, args[1] as () => void]);
          (add as (...all: unknown[]) => void).apply(this, args);
        } as typeof add;
        Object.assign(globalThis, { cameras: state });
        navigator.mediaDevices.getUserMedia = async (wish) => {
          if (state.gone) throw new DOMException('', 'NotFoundError');
          const stream = await original(wish);
          state.opened.push(stream);
          return stream;
        };
      },
    });
    await page.goto(linkTo(server));
    await devicesOn(page);
    await button(page, 'Join now').click();
    await inCall(page);
    const unplug = (gone: boolean) =>
      page.evaluate((last) => {
        const { cameras } = globalThis as unknown as {
          cameras: { opened: MediaStream[]; gone: boolean; ended: Array<[unknown, () => void]> };
        };
        cameras.gone = last;
        const track = cameras.opened.findLast((stream) => stream.getVideoTracks().length > 0)?.getVideoTracks()[0];
        track?.stop();
        for (const [who, listener] of cameras.ended) if (who === track) listener();
        return cameras.opened.length;
      }, gone);
    const before = await unplug(false);
    await expect
      .poll(() =>
        page.evaluate(() => (globalThis as unknown as { cameras: { opened: unknown[] } }).cameras.opened.length),
      )
      .toBe(before + 1);
    await expect(button(page, 'Turn camera off')).toBeVisible();
    await unplug(true);
    await expect(page.locator('siegel-toasts')).toContainText('The camera was disconnected');
    await expect(button(page, 'Turn camera on')).toBeVisible();
    await quiet(page);
  });

  test('nothing is asked, opened or sent before a click', async () => {
    const server = await serve();
    const { page } = await open({
      init: () => {
        if (!navigator.mediaDevices) return;
        const calls: string[] = [];
        Object.assign(globalThis, { calls });
        for (const name of ['getUserMedia', 'getDisplayMedia'] as const)
          navigator.mediaDevices[name] = async () => {
            calls.push(name);
            throw new DOMException('', 'NotAllowedError');
          };
        const Native = WebSocket;
        globalThis.WebSocket = class extends Native {
          constructor(url: string | URL, protocols?: string | string[]) {
            calls.push('WebSocket');
            super(url, protocols);
          }
        };
      },
    });
    await page.goto(linkTo(server));
    await expect(page.getByText('Encryption is ready.')).toBeVisible({ timeout: 15_000 });
    const calls = () => page.evaluate(() => (globalThis as unknown as { calls: string[] }).calls);
    expect(await calls()).toEqual([]);
    await button(page, 'Join without camera and microphone').click();
    await inCall(page);
    expect(await calls()).toEqual(['WebSocket']);
  });
});

test.describe('browser @once', () => {
  test('row 7: no WebRTC', async () => {
    const server = await serve();
    // Firefox has a switch; in Chromium the interface is taken away.
    const { page } = await open({
      firefox: { 'media.peerconnection.enabled': false },
      ...(kindOf() === 'chromium' ? { init: () => void Reflect.deleteProperty(globalThis, 'RTCPeerConnection') } : {}),
    });
    await page.goto(linkTo(server));
    await expect(notice(page, 'no-webrtc')).toContainText('cannot make calls');
    await expect(page.locator('siegel-lobby')).toHaveCount(0);
    await quiet(page);
  });

  test('row 8: no encoded transforms (interfaces taken away)', async () => {
    const server = await serve();
    const { page } = await open({
      init: () => {
        Reflect.deleteProperty(globalThis, 'RTCRtpScriptTransform');
        Reflect.deleteProperty(RTCRtpSender.prototype, 'createEncodedStreams');
      },
    });
    await page.goto(linkTo(server));
    await expect(notice(page, 'no-encoded-transform')).toContainText('cannot encrypt calls');
    await quiet(page);
  });

  test('row 9: no WebAssembly', async () => {
    const server = await serve();
    // Firefox has a switch; in Chromium the interface is taken away.
    const { page } = await open({
      firefox: { 'javascript.options.wasm': false },
      ...(kindOf() === 'chromium' ? { init: () => void Reflect.deleteProperty(globalThis, 'WebAssembly') } : {}),
    });
    await page.goto(linkTo(server));
    await expect(notice(page, 'no-wasm')).toContainText('WebAssembly is switched off');
    await quiet(page);
  });

  test('row 10: WebAssembly without SIMD (validate replaced: browsers have no switch)', async () => {
    const server = await serve();
    const { page } = await open({
      init: () => {
        const original = WebAssembly.validate;
        // 0xfd opens every vector instruction.
        WebAssembly.validate = (source) =>
          !new Uint8Array(source as ArrayBuffer).includes(0xfd) && original(source as ArrayBuffer);
      },
    });
    await page.goto(linkTo(server));
    await expect(notice(page, 'no-simd')).toContainText('too old');
    await quiet(page);
  });

  test('row 26: plain http from elsewhere', async () => {
    const server = await startServer({ port: 0, root: kSite });
    cleanups.push(() => server.close());
    const { page } = await open({
      without: /host-resolver-rules/,
      chromium: ['--host-resolver-rules=MAP siegel.test 127.0.0.1 , MAP * ~NOTFOUND , EXCLUDE 127.0.0.1'],
      firefox: { 'network.dns.localDomains': 'siegel.test' },
    });
    await page.goto(linkTo({ url: `http://siegel.test:${server.port}` }));
    await expect(notice(page, 'insecure')).toContainText('not secure');
    await quiet(page, /Cross-Origin-Opener-Policy|untrustworthy/);
  });
});

test.describe('engine @once', () => {
  test('row 11: wasm with the wrong MIME type', async () => {
    const files = staticFiles(kSite);
    const server: Server = createServer((request, response) => {
      if (request.url?.endsWith('.wasm')) {
        const original = response.writeHead.bind(response);
        response.writeHead = ((status: number, headers: Record<string, string>) =>
          original(status, { ...headers, 'Content-Type': 'text/plain' })) as typeof response.writeHead;
      }
      void files(request, response);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    cleanups.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const { page } = await open();
    await page.goto(linkTo({ url: `http://localhost:${port}` }));
    await expect(notice(page, 'wasm-mime')).toContainText('application/wasm');
    await quiet(page, /wasm|MIME/i);
  });

  test('row 12: wasm does not come', async () => {
    const server = await serve(
      {},
      siteWithout((name) => name.endsWith('.wasm')),
    );
    const { page } = await open();
    await page.goto(linkTo(server));
    await expect(notice(page, 'wasm-load')).toContainText('could not be loaded');
    await expect(page.locator('siegel-lobby')).toHaveCount(0);
    await quiet(page, /404|Failed to load|wasm/i);
  });

  test('row 13: the worker does not load, and loads at the second try', async () => {
    const server = await serve();
    const { page } = await open();
    let broken = true;
    await page.route('**/siegel-worker.js', (route) => (broken ? route.abort() : route.continue()));
    await page.goto(linkTo(server));
    await expect(notice(page, 'worker-load')).toContainText('did not start');
    broken = false;
    await button(page, 'Try again').click();
    await expect(page.getByText('Encryption is ready.')).toBeVisible({ timeout: 15_000 });
    await quiet(page, /Failed to load|ERR_FAILED|NetworkError|worker/i);
  });

  test('row 14: the engine ends in the call; joining again works', async () => {
    const server = await serve();
    const { page } = await open({
      init: () => {
        const workers: Worker[] = [];
        Object.assign(globalThis, { workers });
        const Native = Worker;
        globalThis.Worker = class extends Native {
          constructor(url: string | URL, options?: WorkerOptions) {
            super(url, options);
            workers.push(this);
          }
        };
      },
    });
    await page.goto(linkTo(server));
    await devicesOn(page);
    await page.getByLabel('Your name').fill('Ada');
    await button(page, 'Join now').click();
    await inCall(page);
    await page.evaluate(() => {
      for (const worker of (globalThis as unknown as { workers: Worker[] }).workers) worker.terminate();
    });
    await expect(notice(page, 'worker-died')).toContainText('The encryption has stopped', { timeout: 3000 });
    await expect(page.locator('siegel-badge[data-call]')).toHaveAttribute('data-cause', 'engine-failed');
    await button(page, 'Join again').click();
    await expect(notice(page, 'worker-died')).toHaveCount(0);
    await inCall(page);
    await expect(page.locator('siegel-badge[data-call]')).toHaveAttribute('data-cause', 'alone');
    await expect(page.locator('siegel-tile[own]')).toContainText('Ada (You)');
    await quiet(page);
  });
});

test.describe('server @once', () => {
  test('row 15: does not answer on joining; the call begins when it is back', async () => {
    const server = await startServer({ port: 0, root: kSite });
    const { page } = await open();
    await page.goto(linkTo(server));
    await expect(page.getByText('Encryption is ready.')).toBeVisible({ timeout: 15_000 });
    await server.close();
    await button(page, 'Join without camera and microphone').click();
    await expect(notice(page, 'unreachable')).toContainText('does not answer');
    await button(page, 'Try again').click();
    await expect(notice(page, 'unreachable')).toBeVisible();
    await expect(button(page, 'Cancel')).toBeVisible();
    const again = await startServer({ port: server.port, root: kSite });
    cleanups.push(() => again.close());
    await inCall(page);
    await quiet(page, /WebSocket|ERR_CONNECTION|can.t establish/i);
  });

  test('row 16: goes away during the call; sound and picture go on, and it comes back by itself', async () => {
    const server = await startServer({ port: 0, root: kSite });
    const link = linkTo(server);
    const browser = await launch();
    const [ada, bert] = [(await open({}, browser)).page, (await open({}, browser)).page];
    for (const [page, name] of [
      [ada, 'Ada'],
      [bert, 'Bert'],
    ] as const) {
      // Firefox opens devices only for the page in front.
      await page.bringToFront();
      await page.goto(link);
      await devicesOn(page);
      await page.getByLabel('Your name').fill(name);
      await button(page, 'Join now').click();
      await inCall(page);
    }
    const badge = ada.locator('siegel-tile:not([own]) siegel-badge');
    await expect(badge).toHaveAttribute('data-level', 'green');
    await server.close();
    await expect(ada.locator('[data-banner="away"]')).toContainText('The call goes on');
    const time = () =>
      ada.locator('siegel-tile:not([own]) video').evaluate((video: HTMLVideoElement) => video.currentTime);
    const before = await time();
    await expect.poll(time).toBeGreaterThan(before + 1);
    await expect(badge).toHaveAttribute('data-level', 'green');
    await button(bert, 'Mute microphone').click();
    const again = await startServer({ port: server.port, root: kSite });
    cleanups.push(() => again.close());
    await expect(ada.locator('[data-banner="away"]')).toHaveCount(0);
    await expect(ada.locator('siegel-tile:not([own])').getByRole('img', { name: 'Microphone is muted' })).toBeVisible();
    await expect(badge).toHaveAttribute('data-level', 'green');
    for (const page of [ada, bert]) await quiet(page, /WebSocket|ERR_CONNECTION|can.t establish/i);
  });

  test('rows 17, 18: full room, busy server', async () => {
    const server = await serve({ maxMembers: 1, maxRooms: 1 });
    const link = linkTo(server);
    const browser = await launch();
    const first = (await open({}, browser)).page;
    await joinBare(first, link);
    await inCall(first);
    const second = (await open({}, browser)).page;
    await joinBare(second, link);
    await expect(notice(second, 'full')).toContainText('There is already 1 person in it');
    const third = (await open({}, browser)).page;
    await joinBare(third, linkTo(server));
    await expect(notice(third, 'busy')).toContainText('The server is busy');
    // Someone leaves: then there is room.
    await button(first, 'Leave call').click();
    await expect(notice(first, 'left')).toBeVisible();
    await button(second, 'Try again').click();
    await button(second, 'Join without camera and microphone').click();
    await inCall(second);
    for (const page of [first, second, third]) await quiet(page);
  });

  test('rows 23, 24: the same person a second time', async () => {
    const server = await serve();
    const link = linkTo(server);
    const { page: first, context } = await open();
    await first.goto(link);
    await devicesOn(first);
    await button(first, 'Join now').click();
    await inCall(first);
    const second = await context.newPage();
    watch(second);
    await joinBare(second, link);
    await expect(notice(second, 'duplicate')).toContainText('already in this call');
    await button(second, 'Take over here').click();
    await inCall(second);
    await expect(notice(first, 'replaced')).toContainText('goes on in another tab');
    await expect(first.locator('video')).toHaveCount(0);
    for (const page of [first, second]) await quiet(page);
  });

  test('row 25: someone with another secret', async () => {
    const server = await serve();
    const link = linkTo(server);
    const browser = await launch();
    const ada = (await open({}, browser)).page;
    await joinBare(ada, link);
    await inCall(ada);
    const mallory = (await open({}, browser)).page;
    await joinBare(mallory, link.replace(/#.*/, `#${randomBytes(32).toString('base64url')}`));
    for (const page of [ada, mallory]) {
      const tile = page.locator('siegel-tile:not([own])');
      await expect(tile.locator('siegel-badge')).toHaveAttribute('data-cause', 'other-link');
      await expect(tile).toContainText('Someone');
      await expect(page.locator('siegel-badge[data-call]')).toHaveAttribute('data-level', 'red');
    }
    await expect(ada.locator('siegel-toasts')).toContainText('different link');
    for (const page of [ada, mallory]) await quiet(page);
  });

  test('row 28: a server that sends rubbish', async () => {
    const files = staticFiles(kSite);
    const server: Server = createServer((request, response) => void files(request, response));
    const sockets = new WebSocketServer({ server });
    const member = () => randomBytes(16).toString('base64url');
    sockets.on('connection', (socket) => {
      socket.on('error', () => {});
      socket.on('message', (text) => {
        const message = JSON.parse(String(text)) as { kind: string; data: { member: string } };
        if (message.kind !== 'join') return;
        const ghost = member();
        const say = (value: unknown) => socket.send(typeof value === 'string' ? value : JSON.stringify(value));
        say('{');
        say('null');
        socket.send(randomBytes(100));
        say({ kind: 'welcome', data: { member: message.data.member } });
        say({
          kind: 'welcome',
          data: {
            member: message.data.member,
            token: member(),
            members: [ghost],
            max: 6,
            instance: member(),
            resumed: false,
          },
        });
        say({ kind: 'joined', data: { member: '<img src=x onerror=alert(1)>' } });
        say({ kind: 'left', data: { member: member() } });
        for (const body of [
          '',
          '{',
          'null',
          '[]',
          '{"kind":"hello","data":{"pub":"x","nonce":"y"}}',
          'x'.repeat(100_000),
        ])
          say({ kind: 'relay', data: { from: ghost, body } });
        say({ kind: 'relay', data: { from: ghost, body: '{"kind":"confirm","data":{"mac":"AAAA"}}' } });
        say({ kind: 'relay', data: { from: ghost, body: '{"kind":"sealed","data":{"n":1,"box":"AAAA"}}' } });
        say({ kind: 'relay', data: { from: member(), body: '{"kind":"sealed","data":{"n":1,"box":"AAAA"}}' } });
      });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    cleanups.push(() => {
      sockets.close();
      server.closeAllConnections();
      server.close();
    });
    const address = server.address();
    const { page } = await open();
    await joinBare(
      page,
      linkTo({ url: `http://localhost:${typeof address === 'object' && address ? address.port : 0}` }),
    );
    await inCall(page);
    // The invented member is shown, without name and never green.
    const ghost = page.locator('siegel-tile:not([own])');
    await expect(ghost).toHaveCount(1);
    await expect(ghost).toContainText('Someone');
    await expect(ghost.locator('siegel-badge')).toHaveAttribute('data-cause', 'handshake');
    await expect(page.locator('siegel-tile[own]')).toBeVisible();
    await quiet(page);
  });
});

test.describe('links @once', () => {
  for (const [row, name, path, text] of [
    [19, 'link-no-secret', '/call/abcdefghijklmnop', 'The key is missing'],
    [20, 'link-bad-secret', `/call/abcdefghijklmnop#${'A'.repeat(42)}`, 'The key in this link is damaged'],
    [20, 'link-bad-secret', `/call/abcdefghijklmnop#${'A'.repeat(42)}!`, 'The key in this link is damaged'],
    [21, 'link-bad-room', `/call/short#${'A'.repeat(43)}`, 'The name of the room in this link is damaged'],
  ] as const) {
    test(`row ${row}: ${path}`, async ({ page }) => {
      const server = await serve();
      watch(page);
      await page.goto(server.url + path);
      await expect(notice(page, name)).toContainText(text);
      await quiet(page);
      await button(page, 'Back to start').click();
      await expect(button(page, 'Start a call')).toBeVisible();
    });
  }

  test('row 19: reloading a call says where the key went', async ({ page }) => {
    const server = await serve();
    watch(page);
    await page.goto(linkTo(server));
    await expect(page.locator('siegel-lobby')).toBeVisible();
    await page.reload();
    await expect(notice(page, 'link-no-secret')).toContainText('reloaded the page');
    await quiet(page);
  });

  test('row 22: pasted texts that are no invitation; a good one opens', async ({ page }) => {
    const server = await serve();
    watch(page);
    await page.goto(server.url);
    const field = page.getByLabel('Invitation link');
    for (const [text, answer] of [
      ['hello', 'This is not a link'],
      ['', 'This is not a link'],
      ['https://evil.example/call/abcdefghijklmnop#x', 'another site'],
      [`${server.url}/call/abcdefghijklmnop`, 'The key is missing'],
      [`${server.url}/call/abcdefghijklmnop#xyz`, 'The key in this link is damaged'],
    ] as const) {
      await field.fill(text);
      await button(page, 'Join').click();
      await expect(page.getByRole('alert')).toContainText(answer);
    }
    await field.fill(linkTo(server));
    await button(page, 'Join').click();
    await expect(page.locator('siegel-lobby')).toBeVisible();
    expect(page.url()).toMatch(/\/call\/[\w-]{22}$/);
    await quiet(page);
  });

  test('row 27: copying is not allowed (clipboard replaced)', async ({ page }) => {
    const server = await serve();
    watch(page);
    await page.addInitScript(() => {
      if (!navigator.clipboard) return;
      navigator.clipboard.writeText = async () => {
        throw new DOMException('', 'NotAllowedError');
      };
    });
    const link = linkTo(server);
    await joinBare(page, link);
    await inCall(page);
    await page.getByRole('button', { name: 'Copy invitation link' }).first().click();
    await expect(page.getByLabel(/Copy the link from this field/)).toHaveValue(link);
    await quiet(page);
  });

  test('German says the same', async ({ browser }) => {
    const server = await serve();
    const context = await browser.newContext({ locale: 'de-DE' });
    const page = await context.newPage();
    watch(page);
    await page.goto(`${server.url}/call/abcdefghijklmnop`);
    await expect(notice(page, 'link-no-secret')).toContainText('Dieser Link funktioniert nicht');
    await expect(page.locator('html')).toHaveAttribute('lang', 'de');
    await page.getByLabel('Sprache').selectOption('en');
    await expect(notice(page, 'link-no-secret')).toContainText('This link does not work');
    await expect(page.locator('html')).toHaveAttribute('lang', 'en');
    await quiet(page);
    await context.close();
  });
});
