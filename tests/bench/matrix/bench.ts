/**
 * Joining and changing keys in calls of 2, 10 and 50 members, on the real servers. Prints and judges nothing.
 *
 * Members: one person in our page and one in genuine Element Call with camera and microphone who stay ("publishers"; with two
 * members only one of them), a newcomer who is one or the other in turn, and members without media (member.ts), half of whom
 * follow our rules for keys, half the SDK's. A call takes place as follows: all come at once; then, round by round, the newcomer
 * joins (every key is older than ten seconds, so everybody changes theirs) and leaves; at the end half of those without media
 * leave at once.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { initAsync } from '@matrix-org/matrix-sdk-crypto-wasm';
import type { Browser } from '@playwright/test';
import { writePatternY4m, writeToneWav } from '../../browser/support/media_files';
import { startSoundServer } from '../../browser/support/sound_server';
import { type ElementCallSite, startElementCallSite } from '../../matrix/support/element_call_site';
import { type Account, type Stack, startStack } from '../../servers/matrix/stack.mjs';
import {
  type KeyView,
  opensAt,
  parseAccessLine,
  type RequestKind,
  type Seen,
  type Spread,
  spread,
  sums,
  total,
} from './counting';
import { now, type Rules, SimulatedMember } from './member';
import { type Client, launchBrowser, PageMember } from './pages';

const kRoot = join(import.meta.dirname, '../../..');
const sizes = (process.env.SIEGEL_BENCH_MEMBERS ?? '2,10,50').split(',').map(Number);
const rounds = Number(process.env.SIEGEL_BENCH_ROUNDS ?? 3);
/** None: simulated members alone, without a browser. */
const clients = (process.env.SIEGEL_BENCH_CLIENTS ?? 'siegel,element call').split(',').filter(Boolean) as Client[];
/** After this a key is old: the next who joins makes everybody change theirs. */
const kGraceMs = 10_500;
const kPatienceMs = 90_000;
/** What comes after everything has settled still belongs to it. */
const kTailMs = 1500;

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const log = (text: string) => console.error(`[${new Date().toISOString().slice(11, 19)}] ${text}`);

interface Member extends KeyView {
  group: string;
}

/** What happened to whom at one event. Times in ms after it. */
interface Event {
  members: number;
  what: 'join' | 'leave' | 'all join' | 'half leave';
  newcomer: string;
  publisher: string;
  /** Undefined when not everything was as it should be in time; the rest is then what had come by then. */
  settled: number | undefined;
  /** By group: the moment from which each uses its new key. */
  changed: Record<string, number[]>;
  /** The newcomer can open what this group seals; and this group what the newcomer seals. */
  opens: Record<string, number[]>;
  opened: Record<string, number[]>;
  /** By group of whoever seals: keys that came to somebody after they were in use, of how many; the longest. */
  late: Record<string, { count: number; of: number; ms: number }>;
  /** What the process with all simulated members needed of a processor, ms. */
  simulation: number;
  firstFrame?: number;
  allFrames?: number;
  shownExposure?: number;
  /** By group: what one member of it asked of the homeserver. */
  asked: Record<string, Counted>;
  server: ServerCounted;
  busy: Record<string, number>;
  keysMade?: Record<string, Spread>;
}
interface Counted {
  keyRequests: number;
  keyMessages: number;
  keyBytes: number;
  claims: number;
  queries: number;
  state: number;
  others: number;
  syncs: number;
  syncBytes: number;
}
interface ServerCounted {
  requests: number;
  syncs: number;
  renewals: number;
  cpuMs: number;
  bytes: number;
  keyRequests: number;
  keyMessages: number;
  stateEvents: number;
}

/** Processor time so far: s of each page's main thread, µs of this process. */
interface Busy {
  pages: Map<PageMember, number>;
  simulation: number;
}

class Call {
  readonly seen: Seen[] = [];
  readonly sims: SimulatedMember[] = [];
  readonly pages: PageMember[] = [];
  readonly problems = new Map<string, number>();
  #people: string[] = [];
  #waiting: SimulatedMember[] = [];
  roomId = '';

  constructor(
    readonly stack: Stack,
    readonly site: ElementCallSite,
    readonly organiser: Account,
    readonly size: number,
  ) {}

  async open(people: readonly Account[]): Promise<void> {
    this.roomId = await this.organiser.createRoom({
      name: `Call of ${this.size}`,
      alias: `call-${this.size}-${Date.now()}`,
      open: true,
    });
    for (const person of people) await person.join(this.roomId);
    this.#people = [...people, this.organiser].map(({ userId }) => userId);
  }

  async addSimulated(account: Account, rules: Rules): Promise<void> {
    const member = new SimulatedMember({
      homeserver: this.stack.synapse.http,
      account,
      roomId: this.roomId,
      service: this.stack.token.url,
      rules,
      seen: this.seen,
      onProblem: (text) => {
        const name = text.replace(/^[^:]*: /, '');
        this.problems.set(name, (this.problems.get(name) ?? 0) + 1);
      },
    });
    await member.start(this.#people);
    this.#waiting.push(member);
  }

  /** All of those without media join at once. */
  async joinSimulated(): Promise<void> {
    const members = this.#waiting.splice(0);
    this.sims.push(...members);
    await Promise.all(members.map((member) => member.joinCall()));
  }

  get members(): Member[] {
    const of = <T extends KeyView>(member: T, group: string): Member => ({
      group,
      name: member.name,
      identity: member.identity,
      inUse: member.inUse,
      received: (identity, index) => member.received(identity, index),
    });
    return [
      ...this.pages.map((page) => of(page, `${page.client} page`)),
      ...this.sims.map((member) => of(member, `${member.rules} rules`)),
    ];
  }

  async refresh(): Promise<void> {
    await Promise.all(this.pages.map((page) => page.refresh()));
  }

  /** Waits until everybody can open everybody and those who should have another key than before use it. */
  async settle(from: number, mustChange: ReadonlySet<string>): Promise<number | undefined> {
    const end = now() + kPatienceMs;
    for (;;) {
      await this.refresh();
      const members = this.members;
      const all = members.every(
        (reader) =>
          (!mustChange.has(reader.name) || (reader.inUse !== undefined && reader.inUse.at >= from)) &&
          members.every((writer) => writer === reader || opensAt(reader, writer) !== undefined),
      );
      if (all) return now();
      if (now() > end) {
        for (const reader of members) {
          if (mustChange.has(reader.name) && !(reader.inUse && reader.inUse.at >= from))
            log(`  ${reader.name} (${reader.group}) keeps its key`);
          const lacks = members.filter((writer) => writer !== reader && !opensAt(reader, writer));
          if (lacks.length > 0)
            log(`  ${reader.name} (${reader.group}) lacks keys of ${lacks.map(({ name }) => name).slice(0, 5)}`);
        }
        return undefined;
      }
      await sleep(100);
    }
  }

  /** What all members look like after an event at `from`. */
  async measure(
    what: Event['what'],
    from: number,
    settledAt: number | undefined,
    names: { newcomer: string; publisher: string },
    { pages: busyBefore, simulation: cpuBefore }: Busy,
  ): Promise<Event> {
    await sleep(kTailMs);
    await this.refresh();
    const to = now();
    const members = this.members;
    const add = (into: Record<string, number[]>, group: string, value: number) => {
      into[group] ??= [];
      into[group].push(value);
    };
    const event: Event = {
      members: this.size,
      what,
      ...names,
      settled: undefined,
      changed: {},
      opens: {},
      opened: {},
      late: {},
      simulation: (process.cpuUsage().user - cpuBefore) / 1000,
      asked: {},
      server: this.#server(from, to),
      busy: {},
    };
    let last = 0;
    const newcomer = members.find(({ name }) => name === names.newcomer);
    for (const member of members) {
      if (member !== newcomer && member.inUse && member.inUse.at >= from) {
        last = Math.max(last, member.inUse.at - from);
        add(event.changed, member.group, member.inUse.at - from);
      }
      for (const writer of members) {
        if (writer === member) continue;
        const opens = opensAt(member, writer);
        if (!opens || opens.at < from) continue;
        last = Math.max(last, opens.at - from);
        event.late[writer.group] ??= { count: 0, of: 0, ms: 0 };
        const late = event.late[writer.group] as { count: number; of: number; ms: number };
        late.of++;
        if (opens.late > 0) late.count++;
        late.ms = Math.max(late.ms, opens.late);
        if (what === 'join' && member === newcomer) add(event.opens, writer.group, opens.at - from);
        if (what === 'join' && writer === newcomer) add(event.opened, member.group, opens.at - from);
      }
    }
    if (settledAt !== undefined) event.settled = last;
    const groups = new Map<string, string[]>();
    for (const page of this.pages)
      groups.set(page.name === names.newcomer ? 'newcomer' : `${page.client} page`, [page.account.userId]);
    for (const member of this.sims) {
      const group = `${member.rules} rules`;
      groups.set(group, [...(groups.get(group) ?? []), member.userId]);
    }
    for (const [group, users] of groups) {
      const found = sums(this.seen, { from, to, users: new Set(users) });
      const of = (...kinds: RequestKind[]) => total(found, kinds);
      const each = (value: number) => value / users.length;
      const keys = of('to-device');
      event.asked[group] = {
        keyRequests: each(keys.requests),
        keyMessages: each(keys.messages),
        keyBytes: each(keys.up),
        claims: each(of('key claim').requests),
        queries: each(of('key query').requests),
        state: each(of('membership', 'delayed leave').requests),
        others: each(of('openid', 'other', 'key upload').requests),
        syncs: each(of('sync').requests),
        syncBytes: each(of('sync').down),
      };
    }
    for (const page of this.pages)
      event.busy[page.name === names.newcomer ? 'newcomer' : `${page.client} page`] =
        ((await page.busy()) - (busyBefore.get(page) ?? 0)) / ((to - from) / 1000);
    return event;
  }

  /** The homeserver's own count. */
  #server(from: number, to: number): ServerCounted {
    const lines = readFileSync(join(this.stack.folder, 'synapse/synapse.log'), 'utf8').split('\n');
    const seen = lines.map(parseAccessLine).filter((each) => each !== undefined);
    const found = sums(seen, { from, to });
    const all = total(found);
    return {
      requests: all.requests,
      syncs: total(found, ['sync']).requests,
      renewals: total(found, ['renewal']).requests,
      cpuMs: all.cpu,
      bytes: all.down,
      keyRequests: total(found, ['to-device']).requests,
      // How many messages a request holds is not in its log; the clients' own count.
      keyMessages: total(sums(this.seen, { from, to }), ['to-device']).messages,
      stateEvents: total(found, ['membership']).requests,
    };
  }

  async busy(): Promise<Busy> {
    const pages = new Map(await Promise.all(this.pages.map(async (page) => [page, await page.busy()] as const)));
    return { pages, simulation: process.cpuUsage().user };
  }

  async close(): Promise<void> {
    for (const member of [...this.sims, ...this.#waiting]) member.stop();
    await Promise.all(this.pages.map((page) => page.close()));
  }
}

interface Stand {
  stack: Stack;
  site: ElementCallSite;
  organiser: Account;
  /** Undefined when there are no clients to open. */
  publishers: Browser | undefined;
  newcomers: Browser | undefined;
}

const failures: string[] = [];
let serial = 0;
const register = (stack: Stack, name: string) => stack.synapse.register(`${name}${++serial}`);

async function openPage(
  call: Call,
  browser: Browser | undefined,
  client: Client,
  account: Account,
): Promise<PageMember> {
  if (!browser) throw new Error('no browser');
  const { stack, site, roomId, seen } = call;
  // A device of its own each time: our page makes one by signing in.
  const device = client === 'siegel' ? account : await stack.synapse.login(account.userId, account.password);
  return PageMember.open({ browser, stack, site, client, account: device, roomId, seen });
}

/** All come at once: the publishers first, because without media nobody would notice. */
async function form(
  stand: Stand,
  size: number,
  publishers: readonly Client[],
): Promise<{ call: Call; newcomers: Map<Client, Account>; formed: Event }> {
  const { stack, site, organiser } = stand;
  const call = new Call(stack, site, organiser, size);
  const staying = await Promise.all(
    publishers.map(async (client) => [client, await register(stack, client === 'siegel' ? 'ada' : 'bert')] as const),
  );
  const newcomers = new Map<Client, Account>();
  for (const client of clients) newcomers.set(client, await register(stack, client === 'siegel' ? 'nora' : 'nils'));
  const simulated: Account[] = [];
  for (let i = 0; i < size - (clients.length > 0 ? 1 : 0) - publishers.length; i++)
    simulated.push(await register(stack, 'sim'));
  await call.open([...staying.map(([, account]) => account), ...newcomers.values(), ...simulated]);
  for (const [i, account] of simulated.entries())
    await call.addSimulated(account, i % 2 === 0 ? 'siegel' : 'matrix-js-sdk');
  const from = now();
  for (const [client, account] of staying) {
    const page = await openPage(call, stand.publishers, client, account);
    await page.join();
    call.pages.push(page);
  }
  await call.settle(from, new Set());
  for (const page of call.pages) await page.rest();
  const names = { newcomer: '', publisher: publishers.join(' and ') };
  const busy = await call.busy();
  const at = now();
  await call.joinSimulated();
  const settled = await call.settle(at, new Set());
  const formed = await call.measure('all join', at, settled, names, busy);
  formed.keysMade = keysMade(call, new Map());
  return { call, newcomers, formed };
}

function keysMade(call: Call, before: ReadonlyMap<SimulatedMember, number>): Record<string, Spread> {
  const found: Record<string, number[]> = {};
  for (const member of call.sims) {
    const group = `${member.rules} rules`;
    found[group] ??= [];
    found[group].push(member.keysMade - (before.get(member) ?? 0));
  }
  return Object.fromEntries(Object.entries(found).map(([group, values]) => [group, spread(values)]));
}

async function round(stand: Stand, call: Call, client: Client, account: Account): Promise<Event[]> {
  const newcomer = await openPage(call, stand.newcomers, client, account);
  try {
    // Until every key is old, and the lobby has nothing more to do.
    const youngest = Math.max(...call.members.map(({ inUse }) => inUse?.at ?? 0));
    await sleep(Math.max(2000, youngest + kGraceMs - now()));
    const publisher = call.pages.map((page) => page.client).join(' and ');
    const names = { newcomer: newcomer.name, publisher };
    const staying = new Set(call.members.map(({ name }) => name));
    const publishing = call.pages.length;
    const busy = await call.busy();
    busy.pages.set(newcomer, await newcomer.busy());
    const from = await newcomer.join();
    call.pages.push(newcomer);
    const settled = await call.settle(from, staying);
    const end = now() + kPatienceMs;
    let frames = await newcomer.decoded();
    while (frames.length < publishing && now() < end) {
      await sleep(100);
      frames = await newcomer.decoded();
    }
    await newcomer.rest();
    const joined = await call.measure('join', from, settled, names, busy);
    if (frames[0] !== undefined) joined.firstFrame = frames[0] - from;
    if (frames.length >= publishing) joined.allFrames = (frames[publishing - 1] ?? 0) - from;

    const busyThen = await call.busy();
    const left = await newcomer.leave();
    call.pages.splice(call.pages.indexOf(newcomer), 1);
    const again = await call.settle(left, staying);
    const leave = await call.measure('leave', left, again, names, busyThen);
    const shown = await call.pages.find((page) => page.client === 'siegel')?.shownExposure();
    if (shown !== undefined) leave.shownExposure = shown;
    for (const event of [joined, leave]) {
      event.newcomer = client;
      log(
        `  ${event.what} of ${client}: ${event.settled === undefined ? 'NOT SETTLED' : `settled after ${event.settled.toFixed(0)} ms`}` +
          `${event.firstFrame === undefined ? '' : `, first frame ${event.firstFrame.toFixed(0)} ms`}; ${event.server.requests} requests; load ${loadavg()[0]?.toFixed(1)}`,
      );
    }
    return [joined, leave];
  } finally {
    const at = call.pages.indexOf(newcomer);
    if (at >= 0) call.pages.splice(at, 1);
    await newcomer.close();
  }
}

async function halfLeave(call: Call): Promise<Event> {
  const half = call.sims.filter((_, i) => i % 4 < 2);
  const staying = new Set(
    call.members.map(({ name }) => name).filter((name) => !half.some((member) => member.name === name)),
  );
  const busy = await call.busy();
  const from = now();
  call.sims.splice(0, call.sims.length, ...call.sims.filter((member) => !half.includes(member)));
  const before = new Map(call.sims.map((member) => [member, member.keysMade]));
  await Promise.all(half.map((member) => member.leaveCall()));
  const settled = await call.settle(from, staying);
  // Rounds that follow each other: as long as there are such.
  let last = 0;
  while (last !== Math.max(...call.members.map(({ inUse }) => inUse?.at ?? 0))) {
    last = Math.max(...call.members.map(({ inUse }) => inUse?.at ?? 0));
    await sleep(3000);
    await call.refresh();
  }
  const event = await call.measure(
    'half leave',
    from,
    settled,
    { newcomer: '', publisher: call.pages.map(({ client }) => client).join(' and ') },
    busy,
  );
  event.keysMade = keysMade(call, before);
  for (const member of half) member.stop();
  return event;
}

/** Adds to `events` as it goes: what was measured before a failure is printed as well. */
async function calls(stand: Stand, size: number, events: Event[]): Promise<void> {
  log(`${size} members: registering and forming`);
  // Two people: a call for each kind of publisher. More: both in one.
  const kinds: Client[][] = size <= 2 && clients.length > 0 ? clients.map((client) => [client]) : [clients];
  const formed: Awaited<ReturnType<typeof form>>[] = [];
  try {
    for (const publishers of kinds) formed.push(await form(stand, size, publishers));
    events.push(...formed.map(({ formed: event }) => event));
    for (let i = 0; i < rounds; i++) {
      for (const client of i % 2 === 0 ? clients : [...clients].reverse()) {
        for (const { call, newcomers } of formed) {
          const account = newcomers.get(client);
          if (!account) continue;
          try {
            events.push(...(await round(stand, call, client, account)));
          } catch (error) {
            // One round less; what stands of it is not hidden.
            failures.push(`${size} members, ${client} joins: ${String(error).slice(0, 300)}`);
            log(`  failed: ${failures.at(-1)}`);
          }
        }
      }
    }
    for (const { call } of formed) if (call.sims.length >= 4) events.push(await halfLeave(call));
    for (const { call } of formed) for (const [text, count] of call.problems) log(`  ${count} x ${text}`);
  } finally {
    await Promise.all(formed.map(({ call }) => call.close()));
  }
}

// Printing ---------------------------------------------------------------------------------------------------------------

const ms = (values: readonly (number | undefined)[]): string => {
  const found = values.filter((value) => value !== undefined);
  if (found.length === 0) return '-';
  const { median, min, max } = spread(found);
  return found.length === 1 ? median.toFixed(0) : `${median.toFixed(0)} (${min.toFixed(0)}-${max.toFixed(0)})`;
};
const middle = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : spread(values).median;
const ratio = (ours: number | undefined, theirs: number | undefined): string =>
  ours === undefined || theirs === undefined || theirs === 0 ? '-' : (ours / theirs).toFixed(2);

function table(head: string[], rows: string[][]): void {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)));
  for (const row of [head, ...rows])
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

const of = (
  events: readonly Event[],
  what: Event['what'],
  size: number,
  publisher: string,
  newcomer?: string,
): Event[] =>
  events.filter(
    (each) =>
      each.what === what &&
      each.members === size &&
      each.publisher === publisher &&
      (newcomer === undefined || each.newcomer === newcomer),
  );
const counts = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, ''));
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

function print(events: readonly Event[]): void {
  const cells = [...new Set(events.map(({ members, publisher }) => JSON.stringify([members, publisher])))].map(
    (text) => JSON.parse(text) as [number, string],
  );
  console.log(
    '\nJOIN: ms after the click, median (least-most) of the rounds. The key of everybody else is older than 10 s, so all change theirs',
  );
  const ours = clients.includes('siegel') ? 'siegel' : '';
  const rows: string[][] = [];
  for (const [size, publisher] of cells) {
    for (const client of clients) {
      const found = of(events, 'join', size, publisher, client);
      const opens = found.map(({ opens: by }) => Math.max(0, ...Object.values(by).flat()));
      const opened = found.map(({ opened: by }) => Math.max(0, ...Object.values(by).flat()));
      rows.push([
        String(size),
        publisher,
        client,
        ms(found.map(({ firstFrame }) => firstFrame)),
        ms(found.map(({ allFrames }) => allFrames)),
        ms(opens),
        ms(opened),
        ms(found.map(({ settled }) => settled)),
        String(found.filter(({ settled }) => settled === undefined).length),
      ]);
    }
    const first = (client: string) =>
      middle(of(events, 'join', size, publisher, client).map(({ firstFrame }) => firstFrame ?? Number.NaN));
    if (ours && clients.length > 1)
      rows.push(['', '', 'ours / theirs', ratio(first(ours), first('element call')), '', '', '', '', '']);
  }
  table(
    [
      'members',
      'with media',
      'newcomer',
      'first frame',
      'of all with media',
      'can open everybody',
      'everybody can open it',
      'settled',
      'not in time',
    ],
    rows,
  );

  console.log(
    '\nLEAVE: ms from the click until the others use a key that the leaver does not have; all rounds and members of a group',
  );
  const leaves: string[][] = [];
  for (const [size, publisher] of cells) {
    const found = of(events, 'leave', size, publisher);
    const groups = [...new Set(found.flatMap(({ changed }) => Object.keys(changed)))];
    for (const group of groups)
      leaves.push([
        String(size),
        publisher,
        group,
        ms(found.flatMap(({ changed }) => changed[group] ?? [])),
        ms(found.map(({ changed }) => Math.max(...(changed[group] ?? [0])))),
      ]);
    const by = (group: string) => middle(found.flatMap(({ changed }) => changed[group] ?? []));
    leaves.push([
      '',
      '',
      'ours / theirs: pages, rules',
      `${ratio(by('siegel page'), by('element call page'))}, ${ratio(by('siegel rules'), by('matrix-js-sdk rules'))}`,
      '',
    ]);
    const shown = found.map(({ shownExposure }) => shownExposure);
    leaves.push(['', '', 'our page showed, from seeing the leave to sealed frames', ms(shown), '']);
  }
  table(['members', 'with media', 'who', 'each', 'the last of a group'], leaves);

  console.log(
    '\nMESSAGES: what one member asks of the homeserver, mean of the rounds; key messages / requests / kB, claims, queries for devices, memberships, others, syncs / kB',
  );
  const asked: string[][] = [];
  for (const what of ['all join', 'join', 'leave', 'half leave'] as const) {
    for (const [size, publisher] of cells) {
      for (const client of what === 'join' ? clients : [undefined]) {
        const found = of(events, what, size, publisher, client);
        for (const group of [...new Set(found.flatMap((each) => Object.keys(each.asked)))]) {
          const get = (pick: (counted: Counted) => number) =>
            mean(found.flatMap((each) => (each.asked[group] ? [pick(each.asked[group])] : [])));
          asked.push([
            `${what}${client ? ` of ${client}` : ''}`,
            String(size),
            size <= 2 ? publisher : '',
            group,
            `${counts(get((c) => c.keyMessages))} / ${counts(get((c) => c.keyRequests))} / ${counts(get((c) => c.keyBytes) / 1000)}`,
            counts(get((c) => c.claims)),
            counts(get((c) => c.queries)),
            counts(get((c) => c.state)),
            counts(get((c) => c.others)),
            `${counts(get((c) => c.syncs))} / ${counts(get((c) => c.syncBytes) / 1000)}`,
          ]);
        }
      }
    }
  }
  table(['event', 'members', 'with media', 'who', 'keys', 'claims', 'queries', 'member', 'other', 'syncs'], asked);

  console.log('\nHOMESERVER: its own count over an event, from the click until 1.5 s after everything is settled');
  const server: string[][] = [];
  for (const what of ['all join', 'join', 'leave', 'half leave'] as const) {
    for (const [size, publisher] of cells) {
      const found = of(events, what, size, publisher);
      if (found.length === 0) continue;
      const get = (pick: (counted: ServerCounted) => number) => mean(found.map((each) => pick(each.server)));
      server.push([
        what,
        String(size),
        size <= 2 ? publisher : '',
        counts(get((c) => c.requests)),
        counts(get((c) => c.syncs)),
        counts(get((c) => c.renewals)),
        counts(get((c) => c.stateEvents)),
        counts(get((c) => c.keyRequests)),
        counts(get((c) => c.keyMessages)),
        counts(get((c) => c.bytes) / 1000),
        counts(get((c) => c.cpuMs)),
        counts(mean(found.map(({ simulation }) => simulation))),
        [...new Set(found.flatMap(({ late }) => Object.keys(late)))]
          .map((group) => {
            const each = found.flatMap(({ late }) => late[group] ?? []);
            const share = mean(each.map(({ count, of: all }) => count / all));
            return `${group} ${(100 * share).toFixed(0)} %, ${Math.max(...each.map(({ ms: most }) => most)).toFixed(0)} ms`;
          })
          .join('; '),
        found.some(({ keysMade: made }) => made)
          ? Object.entries(found[0]?.keysMade ?? {})
              .map(([group, { median, max }]) => `${group} ${median} (most ${max})`)
              .join(', ')
          : '',
      ]);
    }
  }
  table(
    [
      'event',
      'members',
      'with media',
      'requests',
      'syncs',
      'renewals',
      'memberships',
      'key requests',
      'key messages',
      'kB out',
      'CPU ms',
      'CPU ms of the simulation',
      'keys that came after their use, the latest',
      'new keys of each',
    ],
    server,
  );

  console.log('\nMAIN THREAD of the pages: share of the time that it is busy');
  const busy: string[][] = [];
  for (const what of ['all join', 'join', 'leave', 'half leave'] as const)
    for (const [size, publisher] of cells)
      for (const client of what === 'join' ? clients : [undefined]) {
        const found = of(events, what, size, publisher, client);
        const groups = [...new Set(found.flatMap((each) => Object.keys(each.busy)))];
        if (groups.length > 0)
          busy.push([
            `${what}${client ? ` of ${client}` : ''}`,
            String(size),
            size <= 2 ? publisher : '',
            groups
              .map((group) => `${group} ${mean(found.flatMap((each) => each.busy[group] ?? [])).toFixed(2)}`)
              .join(', '),
          ]);
      }
  table(['event', 'members', 'with media', 'busy'], busy);
}

async function main(): Promise<void> {
  await initAsync();
  const folder = mkdtempSync(join(tmpdir(), 'siegel-bench-matrix-'));
  const media = { tone: join(folder, 'tone.wav'), picture: join(folder, 'picture.y4m') };
  writeToneWav(media.tone, 530);
  writePatternY4m(media.picture, 1);
  const sound = await startSoundServer();
  Object.assign(process.env, sound.environment);
  const site = await startElementCallSite(join(kRoot, 'build/test-site'));
  const events: Event[] = [];
  let stack: Stack | undefined;
  const browsers: Browser[] = [];
  try {
    stack = await startStack({ pages: { root: join(kRoot, 'build/test-site'), embed: [site.url] } });
    if (clients.length > 0) browsers.push(await launchBrowser(media), await launchBrowser(media));
    const [publishers, newcomers] = browsers;
    const organiser = await stack.synapse.register('organiser');
    console.log(
      `${cpus().length} x ${cpus()[0]?.model.trim()}, load ${loadavg()[0]?.toFixed(1)}; Chromium ${publishers?.version() ?? 'not used'}; Synapse (SQLite) and LiveKit on loopback; ${rounds} rounds`,
    );
    console.log(
      'Real browsers with camera and microphone (320 x 180, 20/s): one in our page and one in Element Call who stay (of two members: one), and the newcomer.\n' +
        'All others are simulated: real devices, keys and memberships, no media; half with our rules, half with matrix-js-sdk’s, all in one process.',
    );
    for (const size of sizes) await calls({ stack, site, organiser, publishers, newcomers }, size, events);
  } finally {
    await Promise.all(browsers.map((browser) => browser.close()));
    await stack?.close();
    await site.close();
    await sound.stop();
    rmSync(folder, { recursive: true, force: true });
    if (events.length > 0) {
      mkdirSync(join(kRoot, 'build/reports'), { recursive: true });
      writeFileSync(join(kRoot, 'build/reports/bench-matrix.json'), `${JSON.stringify(events, null, 1)}\n`);
      print(events);
      for (const failure of failures) console.log(`\nROUND THAT FAILED: ${failure}`);
    }
  }
}

main().then(
  () => process.exit(failures.length > 0 ? 1 : 0),
  (error: Error) => {
    console.error(`bench matrix: ${(error.stack ?? error.message).slice(0, 1500)}`);
    process.exit(1);
  },
);
