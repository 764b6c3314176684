/**
 * Joining a conference on the test servers. `join`: from the click (stock client: from the call of its library) until the first
 * picture of somebody who is there was decoded, sealed in both cases, turn by turn. `bytes`: XMPP up and down of somebody who
 * joins with 2, 25 and 100 participants, until they have everybody's keys, and for five seconds more.
 *
 * The others of `bytes` are members without media transport (Ghost): they say what clients say, exchange keys with the newcomer
 * through Olm, and announce sources of three sizes.
 */
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import Olm from '@matrix-org/olm';
import { startServer } from '../../../tools/serve.mjs';
import { KeyExchange } from '../../../web/jitsi/key_exchange';
import type { Olm as OlmModule } from '../../../web/jitsi/olm';
import type { Occupant } from '../../../web/jitsi/types';
import { launchPerson, type Person } from '../../browser/support/people';
import { genuineFolders } from '../../jitsi/support/genuine.mjs';
import { type RawClient, rawClient } from '../../jitsi/support/raw_client';
import { type JitsiStack, startJitsi } from '../../servers/jitsi/stack.mjs';

const kSite = new URL('../../../build/test-site', `file://${import.meta.dirname}/`).pathname;
const kPatienceMs = 60_000;
const require = createRequire(import.meta.url);
const option = (given: readonly string[], name: string, otherwise: string): string => {
  const at = given.indexOf(`--${name}`);
  return at >= 0 ? (given[at + 1] ?? otherwise) : otherwise;
};
const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[numbers.length >> 1] as number;

type Which = 'ours' | 'stock';
interface Genuine {
  join(options: Record<string, unknown>): Promise<{ id: string }>;
  encrypt(on: boolean): Promise<void>;
  leave(): Promise<void>;
  received(): Promise<Record<string, { frames: number }>>;
}
declare const genuine: Genuine;

interface Scene {
  stack: JitsiStack;
  site: { port: number; close(): Promise<void> };
}

async function withScene(work: (scene: Scene) => Promise<void>): Promise<void> {
  const stack = await startJitsi({ folders: genuineFolders({ client: 'lyno' }) });
  const { host } = new URL(stack.origin);
  const site = await startServer({ port: 0, root: kSite, matrix: { connect: [`http://${host}`, `ws://${host}`] } });
  try {
    await work({ stack, site });
  } finally {
    await site.close();
    await stack.close();
  }
}

/** Our page, with everything filled in. */
async function openOurs({ stack, site }: Scene, index: number, media: boolean): Promise<Person> {
  const person = await launchPerson('chromium', { index, camera: { width: 640, height: 360 } });
  const { page } = person;
  await page.goto(`http://127.0.0.1:${site.port}/jitsi/#${stack.roomUrl('bench')}`);
  await page.getByLabel('Your name').fill(person.name);
  if (media) {
    await page.getByRole('button', { name: 'Turn on camera and microphone' }).click();
    await page.getByRole('button', { name: 'Join now', exact: true }).and(page.locator(':enabled')).waitFor();
  }
  await page.getByText('Encryption is ready.').waitFor();
  return person;
}
const kJoin = (media: boolean): string => (media ? 'Join now' : 'Join without camera and microphone');

async function openStock({ stack }: Scene, index: number): Promise<Person> {
  const person = await launchPerson('chromium', { index });
  await person.page.goto(`${stack.origin}/stock/index.html`);
  await person.page.waitForSelector('body[data-ready]', { state: 'attached' });
  return person;
}
const stockOptions = ({ stack }: Scene, name: string): Record<string, unknown> => ({
  domain: stack.domain,
  room: 'bench',
  name,
  audio: false,
  video: false,
});

/** Milliseconds until the first decoded picture. */
async function firstFrame(scene: Scene, which: Which): Promise<number> {
  if (which === 'stock') {
    const person = await openStock(scene, 1);
    try {
      return await person.page.evaluate(
        async ([options, patience]) => {
          const began = performance.now();
          await genuine.join(options);
          void genuine.encrypt(true);
          while (performance.now() - began < patience) {
            if (Object.values(await genuine.received()).some(({ frames }) => frames > 0)) break;
            await new Promise((done) => setTimeout(done, 10));
          }
          return performance.now() - began;
        },
        [stockOptions(scene, 'Stock'), kPatienceMs] as const,
      );
    } finally {
      await person.page.evaluate(() => genuine.leave());
      await person.finish();
    }
  }
  const person = await openOurs(scene, 1, false);
  try {
    const frames = person.page.evaluate(async (patience) => {
      const began = await new Promise<number>((done) =>
        addEventListener('click', () => done(performance.now()), { capture: true, once: true }),
      );
      while (performance.now() - began < patience) {
        if ((await siegelProbe.inbound()).some((one) => one.kind === 'video' && one.framesDecoded > 0)) break;
        await new Promise((done) => setTimeout(done, 10));
      }
      return performance.now() - began;
    }, kPatienceMs);
    await person.page.getByRole('button', { name: kJoin(false), exact: true }).click();
    return await frames;
  } finally {
    await person.page.getByRole('button', { name: 'Leave call' }).click();
    await person.page.getByText('You have left').waitFor();
    await person.finish();
  }
}

export async function join(given: readonly string[]): Promise<void> {
  const rounds = Number(option(given, 'rounds', '5'));
  await withScene(async (scene) => {
    const publisher = await openOurs(scene, 0, true);
    await publisher.page.getByRole('button', { name: kJoin(true), exact: true }).click();
    await publisher.page.locator('siegel-call').waitFor();
    const results: Record<Which, number[]> = { ours: [], stock: [] };
    for (let round = 0; round < rounds; ++round) {
      for (const which of round % 2 ? (['stock', 'ours'] as const) : (['ours', 'stock'] as const)) {
        results[which].push(await firstFrame(scene, which));
        // Everybody has changed keys and forgotten the one who left.
        await sleep(3000);
      }
    }
    await publisher.finish();
    for (const which of ['ours', 'stock'] as const) {
      const sorted = [...results[which]].sort((a, b) => a - b).map(Math.round);
      console.log(
        `join to first decoded frame, ${which.padEnd(5)} ${Math.round(median(sorted))} ms (${sorted.join(' ')})`,
      );
    }
    console.log(`ratio ${(median(results.ours) / median(results.stock)).toFixed(2)}`);
  });
}

// --- Bytes -----------------------------------------------------------------------------------------------------------------

const toXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;').replaceAll("'", '&apos;');
const fromXml = (text: string): string =>
  text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&');

/** Somebody who is there without media transport. Ghosts exchange no keys with each other. */
class Ghost {
  readonly id = `ff${randomBytes(3).toString('hex')}`;
  readonly keys: KeyExchange;
  readonly #room: string;
  #client: RawClient | undefined;
  #there: () => void = () => {};

  constructor(room: string, olm: OlmModule) {
    this.#room = room;
    this.keys = new KeyExchange({
      olm,
      room,
      cipher: {
        setKey: async () => {},
        ratchet: async () => 1,
        dropKey: async () => {},
        removeParticipant: () => {},
      } as never,
      send: (to, data) =>
        this.#send(
          `<message xmlns="jabber:client" to="${room}/${to}" type="chat"><json-message xmlns="http://jitsi.org/jitmeet">${toXml(JSON.stringify(data))}</json-message></message>`,
        ),
      failed: (error) => console.error(error),
    });
  }

  #send(text: string): void {
    this.#client?.send(text);
  }

  async join(port: number, domain: string): Promise<void> {
    this.#client = await rawClient(port, domain);
    await this.keys.start(this.id);
    const there = new Promise<void>((done) => {
      this.#there = done;
    });
    this.#client.onStanza = (text) => this.#heard(text);
    const { curve25519, ed25519 } = this.keys.idKeys;
    this.#send(
      `<presence xmlns="jabber:client" to="${this.#room}/${this.id}"><x xmlns="http://jabber.org/protocol/muc"/><features><feature var="https://jitsi.org/meet/e2ee"/></features><SourceInfo>${toXml(JSON.stringify({ [`${this.id}-a0`]: { muted: false }, [`${this.id}-v0`]: { muted: false } }))}</SourceInfo><jitsi_participant_codecList>vp8,av1,vp9,h264</jitsi_participant_codecList><jitsi_participant_e2ee.enabled>true</jitsi_participant_e2ee.enabled><jitsi_participant_e2ee.idKey.curve25519>${curve25519}</jitsi_participant_e2ee.idKey.curve25519><jitsi_participant_e2ee.idKey.ed25519>${ed25519}</jitsi_participant_e2ee.idKey.ed25519><nick xmlns="http://jabber.org/protocol/nick">Member ${this.id}</nick></presence>`,
    );
    await there;
  }

  #heard(text: string): void {
    if (text.includes("code='110'")) this.#there();
    const from = /^<\w+[^>]* from=["'][^"'/]+\/([^"']+)/.exec(text)?.[1] ?? '';
    const ghost = from.startsWith('ff') || from === 'focus';
    if (text.startsWith('<presence') && !ghost && from) {
      if (/ type=["']unavailable/.test(text.slice(0, 300))) {
        this.keys.occupantLeft(from);
        return;
      }
      const keyOf = (name: string): string | undefined => new RegExp(`e2ee\\.idKey\\.${name}>([^<]+)<`).exec(text)?.[1];
      const curve25519 = keyOf('curve25519');
      const occupant = {
        id: from,
        e2ee: text.includes('meet/e2ee'),
        e2eeEnabled: text.includes('e2ee.enabled>true'),
        siegel: false,
        ...(curve25519 && { idKeys: { curve25519, ed25519: keyOf('ed25519') } }),
      } as unknown as Occupant;
      this.keys.occupantChanged(occupant);
    } else if (text.startsWith('<message') && !ghost) {
      const json = /<json-message[^>]*>([^<]*)</.exec(text)?.[1];
      if (json) this.keys.receive(from, JSON.parse(fromXml(json)));
    } else if (/^<iq[^>]* type=["'](get|set)/.test(text)) {
      const id = /^<iq[^>]* id=["']([^"']+)/.exec(text)?.[1];
      const to = /^<iq[^>]* from=["']([^"']+)/.exec(text)?.[1];
      this.#send(`<iq xmlns="jabber:client" type="result" id="${id}" to="${to}"/>`);
      if (/action=["']session-initiate/.test(text)) this.#accept(/ sid=["']([^"']+)/.exec(text)?.[1] ?? '', to ?? '');
    }
  }

  #accept(sid: string, to: string): void {
    const ssrc = randomBytes(4).readUInt32BE() & 0x7ffffff0;
    const v = (offset: number): object => ({
      s: ssrc + offset,
      n: `${this.id}-v0`,
      m: `${this.id}-video-0-1 ${this.id}`,
    });
    const sources = {
      [this.id]: [
        [0, 1, 2, 3, 4, 5].map(v),
        [
          ['s', ssrc, ssrc + 1, ssrc + 2],
          ['f', ssrc, ssrc + 3],
          ['f', ssrc + 1, ssrc + 4],
          ['f', ssrc + 2, ssrc + 5],
        ],
        [{ s: ssrc + 6, n: `${this.id}-a0`, m: `${this.id}-audio-0-1 ${this.id}` }],
        [],
      ],
    };
    const print = Array.from({ length: 32 }, () => 'AB').join(':');
    this.#send(
      `<iq xmlns="jabber:client" type="set" id="acc" to="${to}"><jingle xmlns="urn:xmpp:jingle:1" action="session-accept" sid="${sid}"><content creator="responder" name="audio" senders="both"><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="ghost" pwd="ghostghostghostghostghost"><fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256" setup="active">${print}</fingerprint></transport></content><json-message xmlns="http://jitsi.org/jitmeet">${toXml(JSON.stringify({ sources }))}</json-message></jingle></iq>`,
    );
  }

  leave(): void {
    this.#client?.close();
    this.keys.stop();
  }
}

export async function bytes(given: readonly string[]): Promise<void> {
  const counts = option(given, 'participants', '2,25,100').split(',').map(Number);
  await Olm.init({ locateFile: () => require.resolve('@matrix-org/olm/olm.wasm') });
  for (const count of counts) {
    await withScene(async (scene) => {
      const { stack } = scene;
      const room = stack.roomJid('bench');
      const results: Partial<Record<Which, { total: number; keys: number }>> = {};
      // The focus opens the room for the first who asks for it.
      await (stack.focus as unknown as { conference(jid: string): Promise<unknown> }).conference(room);
      const ghosts: Ghost[] = [];
      for (let index = 0; index < count - 1; ++index) {
        const ghost = new Ghost(room, Olm as unknown as OlmModule);
        await ghost.join(stack.ports.xmpp as number, stack.domain);
        ghosts.push(ghost);
      }
      await sleep(1000 + 20 * count);
      for (const which of ['ours', 'stock'] as const) {
        const known = new Set(stack.web.bytes.keys());
        let held = 0;
        const stops = ghosts.map((ghost) => {
          let counted = false;
          return ghost.keys.on('peer', ({ theirs, ours }) => {
            if (theirs && ours && !counted) {
              counted = true;
              ++held;
            }
          });
        });
        const person = which === 'ours' ? await openOurs(scene, 1, false) : await openStock(scene, 1);
        if (which === 'ours') await person.page.getByRole('button', { name: kJoin(false), exact: true }).click();
        else {
          await person.page.evaluate(
            async (options) => {
              await genuine.join(options);
              void genuine.encrypt(true);
            },
            stockOptions(scene, 'Stock'),
          );
        }
        for (const began = Date.now(); held < ghosts.length && Date.now() - began < kPatienceMs; ) await sleep(100);
        await sleep(5000);
        const total = [...stack.web.bytes].filter(([id]) => !known.has(id)).reduce((sum, [, size]) => sum + size, 0);
        results[which] = { total, keys: held };
        for (const stop of stops) stop();
        await person.finish();
        await sleep(2000 + 50 * count);
      }
      const { ours, stock } = results;
      const kilo = (value = 0): string => (value / 1000).toFixed(1).padStart(8);
      console.log(
        `${String(count).padStart(3)} participants: ours ${kilo(ours?.total)} kB (keys of ${ours?.keys}), stock ${kilo(stock?.total)} kB (keys of ${stock?.keys}), ratio ${((ours?.total ?? 0) / (stock?.total ?? 1)).toFixed(2)}`,
      );
      for (const ghost of ghosts) ghost.leave();
    });
  }
}
