/** What a request to the homeserver is for, what it carries, and sums of many. */
import { quantile } from '../frames/statistics';

export const kKinds = [
  'to-device',
  'key claim',
  'key query',
  'key upload',
  'membership',
  'delayed leave',
  'renewal',
  'openid',
  'sync',
  'other',
] as const;
export type RequestKind = (typeof kKinds)[number];

const kMembership = /\/rooms\/[^/]+\/state\/(?:org\.matrix\.msc3401\.call\.member)(?:\/|$)/;

/** @param address path with query, or a whole address */
export function kindOf(method: string, address: string): RequestKind {
  const { pathname: path, searchParams } = new URL(address, 'http://x');
  if (method === 'PUT' && path.includes('/sendToDevice/')) return 'to-device';
  if (method === 'PUT' && kMembership.test(path))
    return searchParams.has('org.matrix.msc4140.delay') ? 'delayed leave' : 'membership';
  // Restarting, cancelling and sending what was delayed.
  if (path.includes('/delayed_events/')) return 'renewal';
  if (method === 'GET' && path.endsWith('/sync')) return 'sync';
  if (method === 'POST' && path.endsWith('/keys/claim')) return 'key claim';
  if (method === 'POST' && path.endsWith('/keys/query')) return 'key query';
  if (method === 'POST' && path.endsWith('/keys/upload')) return 'key upload';
  if (method === 'POST' && path.endsWith('/openid/request_token')) return 'openid';
  return 'other';
}

/** Messages to single devices in the body of a sendToDevice request; 0 for anything else. */
export function messagesIn(body: string | null | undefined): number {
  try {
    const { messages } = JSON.parse(body ?? '') as { messages?: Record<string, object> };
    return Object.values(messages ?? {}).reduce((sum, devices) => sum + Object.keys(devices).length, 0);
  } catch {
    return 0;
  }
}

export interface Seen {
  /** ms since 1970, when it was answered. */
  at: number;
  user: string;
  kind: RequestKind;
  /** Bytes of the body to and from the homeserver. */
  up: number;
  down: number;
  /** Messages to single devices. */
  messages: number;
  /** Processor time of the homeserver, ms; only it knows. */
  cpu: number;
}

const kAccess =
  /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d),(\d{3}) .*?\{([^}]*)\} Processed request: \S+ ru=\(([\d.]+)sec, ([\d.]+)sec\) db=\(\S+\) (\d+)B \d+!? "([A-Z]+) (\S+) /;

/** A line of Synapse's access log; undefined for any other line and for what nobody signed in asked. */
export function parseAccessLine(line: string): Seen | undefined {
  const found = kAccess.exec(line);
  if (!found) return undefined;
  const [, day, time, ms, user = '', inUser, inSystem, down, method = '', path = ''] = found;
  if (!user.startsWith('@')) return undefined;
  return {
    at: new Date(`${day}T${time}.${ms}`).getTime(),
    // Behind a blank or a | may stand the device.
    user: user.split(/[\s|]/)[0] ?? '',
    kind: kindOf(method, path),
    up: 0,
    down: Number(down),
    messages: 0,
    cpu: (Number(inUser) + Number(inSystem)) * 1000,
  };
}

export interface Sum {
  requests: number;
  messages: number;
  up: number;
  down: number;
  cpu: number;
}

export const nothing = (): Sum => ({ requests: 0, messages: 0, up: 0, down: 0, cpu: 0 });

/** Sums by kind over [from, to), of these users or of all. */
export function sums(
  seen: readonly Seen[],
  { from = 0, to = Number.POSITIVE_INFINITY, users }: { from?: number; to?: number; users?: ReadonlySet<string> },
): Map<RequestKind, Sum> {
  const found = new Map<RequestKind, Sum>();
  for (const { at, user, kind, up, down, messages, cpu } of seen) {
    if (at < from || at >= to || (users && !users.has(user))) continue;
    const sum = found.get(kind) ?? nothing();
    found.set(kind, sum);
    sum.requests++;
    sum.messages += messages;
    sum.up += up;
    sum.down += down;
    sum.cpu += cpu;
  }
  return found;
}

/** The sum of some kinds, all unless named. */
export function total(sums: ReadonlyMap<RequestKind, Sum>, kinds: readonly RequestKind[] = kKinds): Sum {
  const all = nothing();
  for (const kind of kinds) {
    const sum = sums.get(kind);
    if (!sum) continue;
    for (const name of Object.keys(all) as (keyof Sum)[]) all[name] += sum[name];
  }
  return all;
}

/** Which key somebody seals with, since when; and when the others' keys came. Times in ms since 1970. */
export interface KeyView {
  name: string;
  /** As the media server knows them: `@user:server:DEVICE`. */
  identity: string;
  inUse: { index: number; at: number } | undefined;
  received(identity: string, index: number): number | undefined;
}

/**
 * When `reader` can open what `writer` seals at this moment: from when on the key is used, or, if later, from when it is here.
 * Undefined while it cannot.
 */
export function opensAt(reader: KeyView, writer: KeyView): { at: number; late: number } | undefined {
  const { inUse, identity } = writer;
  const came = inUse && reader.received(identity, inUse.index);
  if (inUse === undefined || came === undefined) return undefined;
  return { at: Math.max(inUse.at, came), late: Math.max(0, came - inUse.at) };
}

export interface Spread {
  median: number;
  min: number;
  max: number;
  count: number;
}

export function spread(values: readonly number[]): Spread {
  return {
    median: quantile(values, 0.5),
    min: Math.min(...values),
    max: Math.max(...values),
    count: values.length,
  };
}
