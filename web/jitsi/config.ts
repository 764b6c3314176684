/**
 * Reads a deployment's config.js without running any of it. The file is JavaScript because the stock client runs it; to us it
 * is text of a stranger. acorn parses it; what follows is a static reading of the few forms that such files use: literals,
 * objects, arrays, variables that were assigned before, strings put together, `||`, conditions whose outcome is known. All
 * else is `undefined`, and so is whatever depends on it.
 *
 * Errors: JitsiError 'not-jitsi' (no such file), 'bad-config' (no hosts in it). Threads: any. Cost: a parse of at most 500 kB.
 */
import { type Node, parse } from 'acorn';
import { isLoopback } from '../call/hosts';
import { type Deployment, type JitsiAddress, JitsiError } from './types';

const kMaxLength = 500_000;
const kMaxNodes = 60_000;
const kMaxDepth = 40;
const kMaxText = 20_000;

type Value = string | number | boolean | null | undefined | Value[] | Map<string, Value>;

/** Any node of acorn; every field is checked when it is used. */
type Tree = Node & Record<string, unknown>;
const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && typeof (value as Tree).type === 'string';
const treesOf = (value: unknown): Tree[] => (Array.isArray(value) ? value.filter(isTree) : []);

class Reader {
  readonly variables = new Map<string, Value>();
  #nodes = 0;

  program(tree: Tree): void {
    for (const statement of treesOf(tree.body)) this.#statement(statement, 0);
  }

  #count(depth: number): void {
    if (depth > kMaxDepth || ++this.#nodes > kMaxNodes) throw new JitsiError('bad-config');
  }

  #statement(tree: Tree, depth: number): void {
    this.#count(depth);
    if (tree.type === 'VariableDeclaration') {
      for (const one of treesOf(tree.declarations)) {
        const name = isTree(one.id) && one.id.type === 'Identifier' ? String(one.id.name) : undefined;
        if (name !== undefined && isTree(one.init)) this.variables.set(name, this.#value(one.init, depth + 1));
      }
    } else if (tree.type === 'ExpressionStatement' && isTree(tree.expression)) {
      if (tree.expression.type === 'AssignmentExpression') this.#assign(tree.expression, depth + 1);
    } else if (tree.type === 'IfStatement' && isTree(tree.test)) {
      const test = this.#value(tree.test, depth + 1);
      // A condition that is not known leaves what stood there before.
      if (test === undefined) return;
      const branch = test ? tree.consequent : tree.alternate;
      if (isTree(branch)) this.#statement(branch, depth + 1);
    } else if (tree.type === 'BlockStatement') {
      for (const one of treesOf(tree.body)) this.#statement(one, depth + 1);
    }
  }

  #assign(tree: Tree, depth: number): void {
    this.#count(depth);
    if (!isTree(tree.left) || !isTree(tree.right) || (tree.operator !== '=' && tree.operator !== '||=')) return;
    const path = this.#path(tree.left, 0);
    if (!path) return;
    const value = this.#value(tree.right, depth + 1);
    const [first, ...rest] = path as [string, ...string[]];
    const last = rest.pop();
    if (last === undefined) {
      if (tree.operator === '=' || !this.variables.get(first)) this.variables.set(first, value);
      return;
    }
    let target = this.variables.get(first);
    for (const key of rest) {
      // `config.hosts = config.hosts || {}` comes in many forms; what is meant is that it is there.
      if (target instanceof Map && target.get(key) === undefined) target.set(key, new Map());
      target = target instanceof Map ? target.get(key) : undefined;
    }
    if (target instanceof Map && (tree.operator === '=' || !target.get(last))) target.set(last, value);
  }

  /** `a.b['c']` as names; window and self in front are left out. */
  #path(tree: Tree, depth: number): string[] | undefined {
    if (depth > 10) return undefined;
    if (tree.type === 'Identifier') return [String(tree.name)];
    if (tree.type !== 'MemberExpression' || !isTree(tree.object) || !isTree(tree.property)) return undefined;
    const before = this.#path(tree.object, depth + 1);
    const key = tree.computed ? this.#value(tree.property, depth + 1) : String(tree.property.name);
    if (!before || typeof key !== 'string') return undefined;
    const path = [...before, key];
    return path[0] === 'window' || path[0] === 'self' || path[0] === 'globalThis' ? path.slice(1) : path;
  }

  #value(tree: Tree, depth: number): Value {
    this.#count(depth);
    switch (tree.type) {
      case 'Literal': {
        const { value } = tree;
        return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null
          ? value
          : undefined;
      }
      case 'TemplateLiteral': {
        const texts = treesOf(tree.quasis).map((one) => (one.value as { cooked?: unknown } | undefined)?.cooked);
        const values = treesOf(tree.expressions).map((one) => this.#value(one, depth + 1));
        let text = '';
        for (const [index, part] of texts.entries()) {
          if (typeof part !== 'string') return undefined;
          text += part;
          if (index < values.length) {
            const value = values[index];
            if (typeof value !== 'string' && typeof value !== 'number') return undefined;
            text += value;
          }
        }
        return text.length > kMaxText ? undefined : text;
      }
      case 'ObjectExpression': {
        const map = new Map<string, Value>();
        for (const one of treesOf(tree.properties)) {
          this.#count(depth);
          if (one.type === 'SpreadElement' && isTree(one.argument)) {
            const spread = this.#value(one.argument, depth + 1);
            if (spread instanceof Map) for (const [key, value] of spread) map.set(key, value);
            continue;
          }
          if (one.type !== 'Property' || one.kind !== 'init' || !isTree(one.key) || !isTree(one.value)) continue;
          const key = one.computed
            ? this.#value(one.key, depth + 1)
            : one.key.type === 'Identifier'
              ? String(one.key.name)
              : String((one.key as Tree).value);
          if (typeof key === 'string') map.set(key, this.#value(one.value, depth + 1));
        }
        return map;
      }
      case 'ArrayExpression':
        return treesOf(tree.elements).map((one) => this.#value(one, depth + 1));
      case 'Identifier':
        return this.variables.get(String(tree.name));
      case 'MemberExpression': {
        const path = this.#path(tree, depth + 1);
        if (!path) return undefined;
        let value = this.variables.get(path[0] as string);
        for (const key of path.slice(1)) value = value instanceof Map ? value.get(key) : undefined;
        return value;
      }
      case 'UnaryExpression': {
        const value = isTree(tree.argument) ? this.#value(tree.argument, depth + 1) : undefined;
        if (tree.operator === '!') return value === undefined ? undefined : !value;
        if (tree.operator === '-' && typeof value === 'number') return -value;
        return undefined;
      }
      case 'BinaryExpression': {
        if (!isTree(tree.left) || !isTree(tree.right)) return undefined;
        const left = this.#value(tree.left, depth + 1);
        const right = this.#value(tree.right, depth + 1);
        if (left === undefined || right === undefined) return undefined;
        if (tree.operator === '===' || tree.operator === '==') return left === right;
        if (tree.operator === '!==' || tree.operator === '!=') return left !== right;
        if (typeof left === 'object' || typeof right === 'object' || tree.operator !== '+') return undefined;
        if (typeof left === 'number' && typeof right === 'number') return left + right;
        const text = `${left}${right}`;
        return text.length > kMaxText ? undefined : text;
      }
      case 'LogicalExpression': {
        if (!isTree(tree.left) || !isTree(tree.right)) return undefined;
        const left = this.#value(tree.left, depth + 1);
        if (tree.operator === '||') return left || this.#value(tree.right, depth + 1);
        if (tree.operator === '&&') return left ? this.#value(tree.right, depth + 1) : left;
        return left ?? this.#value(tree.right, depth + 1);
      }
      case 'ConditionalExpression': {
        if (!isTree(tree.test) || !isTree(tree.consequent) || !isTree(tree.alternate)) return undefined;
        const test = this.#value(tree.test, depth + 1);
        if (test === undefined) return undefined;
        return this.#value(test ? tree.consequent : tree.alternate, depth + 1);
      }
      default:
        return undefined;
    }
  }
}

/** Directives of the web server that were left in the file, as when it is read from the disk: their default counts. */
const withoutDirectives = (text: string): string =>
  text.replace(
    /<!--#\s*echo\s+var="[^"]{0,100}"(?:\s+default="([^"]{0,200})")?\s*-->/g,
    (_, fallback?: string) => fallback ?? '',
  );

/** What the file assigns to `config`, or undefined. */
export function readConfig(text: string): Map<string, Value> | undefined {
  if (text.length > kMaxLength) throw new JitsiError('bad-config');
  let tree: Tree;
  try {
    tree = parse(withoutDirectives(text), { ecmaVersion: 'latest', sourceType: 'script' }) as unknown as Tree;
  } catch {
    throw new JitsiError('not-jitsi');
  }
  const reader = new Reader();
  reader.program(tree);
  const config = reader.variables.get('config');
  return config instanceof Map ? config : undefined;
}

/** A domain, or a full JID where `jid` is allowed; lower case. */
function domainOf(value: Value, jid = false): string | undefined {
  if (typeof value !== 'string' || value.length > 300) return undefined;
  const text = value.trim().toLowerCase();
  const domain = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
  if (domain.test(text)) return text;
  if (!jid) return undefined;
  const [, node, host, resource] = /^([^@/\s<>'"&]+)@([^@/\s]+)(\/[^\s<>'"&]+)?$/.exec(value.trim()) ?? [];
  return node && host && domain.test(host.toLowerCase()) ? `${node}@${host.toLowerCase()}${resource ?? ''}` : undefined;
}

/** Relative forms count from the room's address. TLS, unless deployment and address are this computer: nobody else names our own ports to us. */
function urlOf(
  value: Value,
  address: JitsiAddress,
  schemes: readonly ['wss:' | 'https:', 'ws:' | 'http:'],
): string | undefined {
  if (typeof value !== 'string' || !value || value.length > 2000) return undefined;
  let url: URL;
  try {
    url = new URL(value, `${address.origin}${address.base}/`);
  } catch {
    return undefined;
  }
  // `//host/path` and relative ones inherit http(s).
  if (schemes[0] === 'wss:') {
    if (url.protocol === 'https:') url.protocol = 'wss:';
    else if (url.protocol === 'http:') url.protocol = 'ws:';
  }
  if (url.username || url.password) return undefined;
  const local = isLoopback(url.hostname) && isLoopback(new URL(address.origin).hostname);
  if (url.protocol !== schemes[0] && !(url.protocol === schemes[1] && local)) return undefined;
  url.hash = '';
  return url.href;
}

const mapOf = (value: Value): Map<string, Value> => (value instanceof Map ? value : new Map());

/** What stock deployments have when their config.js says nothing else (or cannot be read from our origin). */
export function stockDeployment(address: JitsiAddress): Deployment {
  const { hostname, host, protocol } = new URL(address.origin);
  const secure = protocol === 'https:' ? 's' : '';
  return {
    domain: hostname,
    mucDomain: `conference.${hostname}`,
    focus: `focus.${hostname}`,
    websocket: `ws${secure}://${host}/xmpp-websocket`,
    bosh: `http${secure}://${host}/http-bind`,
    e2eeDisabled: false,
    externallyManagedKey: false,
    startMuted: { audio: false, video: false },
    stun: [],
  };
}

/** config.js as text → what we use of it. */
export function readDeployment(text: string, address: JitsiAddress): Deployment {
  const config = readConfig(text);
  if (!config) throw new JitsiError('not-jitsi');
  const hosts = mapOf(config.get('hosts'));
  const domain = domainOf(hosts.get('domain'));
  if (!domain) throw new JitsiError('bad-config');
  const tenant = address.base.slice(1).split('/').filter(Boolean).map(decodeURIComponent).join('.').toLowerCase();
  const muc = domainOf(hosts.get('muc'));
  const anonymousDomain = domainOf(hosts.get('anonymousdomain'));
  const hiddenDomain = domainOf(config.get('hiddenDomain')) ?? domainOf(hosts.get('hiddenDomain'));
  // With a tenant, files that the web server did not fill in name the plain MUC; the room then lives in its sub-domain.
  const plainMuc = muc ?? `conference.${domain}`;
  const named = tenant && domainOf(tenant) && plainMuc === `conference.${domain}` && text.includes('subdomain');
  const websocket = urlOf(config.get('websocket'), address, ['wss:', 'ws:']);
  const bosh = urlOf(config.get('bosh'), address, ['https:', 'http:']);
  if (!websocket && !bosh) throw new JitsiError('bad-config');
  const conferenceRequestUrl = urlOf(config.get('conferenceRequestUrl'), address, ['https:', 'http:']);
  const e2ee = mapOf(config.get('e2ee'));
  const bridge = mapOf(config.get('bridgeChannel')).get('preferSctp');
  const openBridge = config.get('openBridgeChannel');
  const prefer =
    bridge === true || openBridge === 'datachannel'
      ? ('datachannel' as const)
      : bridge === false || openBridge === 'websocket'
        ? ('websocket' as const)
        : undefined;
  const stunServers = mapOf(config.get('p2p')).get('stunServers');
  const stun = (Array.isArray(stunServers) ? stunServers : [])
    .map((one) => mapOf(one).get('urls'))
    .filter((one): one is string => typeof one === 'string' && /^stuns?:[\w.-]+(?::\d{1,5})?$/.test(one))
    .slice(0, 4);
  return {
    domain,
    ...(anonymousDomain && { anonymousDomain }),
    ...(hiddenDomain && { hiddenDomain }),
    mucDomain: named ? `conference.${tenant}.${domain}` : plainMuc,
    focus: domainOf(hosts.get('focus'), true) ?? `focus.${domain}`,
    ...(websocket && { websocket }),
    ...(bosh && { bosh }),
    ...(conferenceRequestUrl && { conferenceRequestUrl }),
    e2eeDisabled: e2ee.get('disabled') === true || mapOf(config.get('testing')).get('disableE2EE') === true,
    externallyManagedKey: e2ee.get('externallyManagedKey') === true,
    startMuted: {
      audio: config.get('startWithAudioMuted') === true,
      video: config.get('startWithVideoMuted') === true,
    },
    stun,
    ...(prefer && { preferBridgeChannel: prefer }),
  };
}
