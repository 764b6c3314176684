// The whole set of servers of a Matrix call on this machine's loopback interface: Synapse, LiveKit, the token service and,
// when asked, the web pages and a hostile proxy before the media server. Contract of everything: stack.d.mts.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cache } from '../../../tools/cache.mjs';
import { startServer } from '../../../tools/serve.mjs';
import { LiveKit } from './livekit.mjs';
import { OpenIdServer } from './openid.mjs';
import { reservePorts } from './ports.mjs';
import { SfuProxy } from './sfu_proxy.mjs';
import { Synapse } from './synapse.mjs';
import { TokenService } from './token_service.mjs';

export { claimsClear, participantsIn } from './sfu_proxy.mjs';
export { MatrixError } from './synapse.mjs';
export { hashedIdentity, liveKitRoom, plainIdentity } from './token_service.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');

/** Folder with the servers' programs: what tools/setup/matrix.sh made. Runs it when asked, else only looks. */
export function serverPrograms({ setup = false } = {}) {
  const script = join(root, 'tools/setup/matrix.sh');
  if (setup) return execFileSync(script, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();
  const folder = join(cache, 'matrix-1');
  if (!existsSync(join(folder, '.livekit')) || !existsSync(join(folder, '.synapse')))
    throw new Error('the Matrix servers are not installed: run tools/setup.sh matrix first');
  return folder;
}

/** Ports that people know from these servers' manuals. */
export const kUsualPorts = {
  page: 8080,
  synapse: 8008,
  signal: 7880,
  udp: 7882,
  token: 6080,
  proxy: 7980,
  university: 8180,
  ministry: 8181,
  auth: 8190,
};

/** Identity providers behind the homeserver when people sign in with `sso`: id → name on the button. */
const kProviders = { university: 'University of Kassel', ministry: 'Ministry of Culture' };

const signInPorts = ({ signIn }) => ({ sso: Object.keys(kProviders), oidc: ['auth'] })[signIn ?? 'password'] ?? [];

function portsOf(options, sfus) {
  const { ports = 'free' } = options;
  const wanted = {};
  const base = (name, offset) => {
    if (ports === 'free') return 0;
    if (ports === 'usual') return kUsualPorts[name] + offset * 10;
    return ports + Object.keys(wanted).length;
  };
  if (options.pages) wanted.page = base('page', 0);
  wanted.synapse = base('synapse', 0);
  for (const name of signInPorts(options)) wanted[name] = base(name, 0);
  for (let i = 0; i < sfus; i++) {
    for (const name of ['token', 'signal', 'udp', ...(options.proxy ? ['proxy'] : [])])
      wanted[`${name}${i}`] = base(name, i);
  }
  return wanted;
}

export async function startStack(options = {}) {
  const programs = serverPrograms({ setup: options.setup === true });
  const sfuCount = options.sfus ?? 1;
  const own = options.folder === undefined;
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'siegel-matrix-'));
  mkdirSync(folder, { recursive: true });
  const wanted = portsOf(options, sfuCount);
  const ports = await reservePorts(
    wanted,
    Object.keys(wanted).filter((name) => name.startsWith('udp')),
  );

  const started = [];
  let closed = false;
  const close = async () => {
    if (closed) return;
    closed = true;
    await Promise.all(started.reverse().map((each) => each.stop()));
    if (own && !options.keep) rmSync(folder, { recursive: true, force: true });
  };
  const up = async (server) => {
    started.push(server);
    await server.start();
    return server;
  };

  try {
    const homeserver = `http://localhost:${ports.synapse}`;
    const openId = signInPorts(options).map(
      (id) =>
        new OpenIdServer({
          id,
          title: kProviders[id] ?? 'Matrix account service',
          folder: join(folder, 'openid'),
          port: ports[id],
          ...(id === 'auth'
            ? { auth: { homeserver: `http://127.0.0.1:${ports.synapse}`, ...options.auth } }
            : { redirectUri: `${homeserver}/_synapse/client/oidc/callback` }),
        }),
    );
    const auth = openId.find(({ id }) => id === 'auth') ?? null;
    const providers = openId.filter(({ id }) => id !== 'auth');
    const synapse = new Synapse({
      python: join(programs, 'synapse/bin/python'),
      folder: join(folder, 'synapse'),
      port: ports.synapse,
      settings: {
        transports: [`http://localhost:${ports.token0}`],
        providers,
        auth,
        returnTo: options.pages ? [`http://localhost:${ports.page}/matrix/`] : [],
        ...options.homeserver,
      },
    });
    // Synapse asks them about themselves while it starts.
    await Promise.all(openId.map(up));
    const sites = [];
    for (let i = 0; i < sfuCount; i++) {
      const livekit = new LiveKit({
        binary: join(programs, 'livekit-server'),
        folder: join(folder, 'livekit'),
        name: `sfu${i}`,
        ports: { signal: ports[`signal${i}`], udp: ports[`udp${i}`] },
        key: `key${i}`,
        secret: randomBytes(24).toString('hex'),
      });
      const proxy = options.proxy ? new SfuProxy({ port: ports[`proxy${i}`], target: () => livekit.http }) : null;
      const token = new TokenService({
        port: ports[`token${i}`],
        log: join(folder, `token${i}.log`),
        homeserver: { name: synapse.serverName, http: synapse.http },
        livekit,
        sfuUrl: () => proxy?.url ?? livekit.url,
        ttlSeconds: options.tokenSeconds ?? 3600,
      });
      sites.push({ livekit, token, proxy });
    }
    await Promise.all([
      up(synapse),
      ...sites.flatMap(({ livekit, token, proxy }) => [up(livekit), up(token), ...(proxy ? [up(proxy)] : [])]),
    ]);

    const connect = [
      synapse.url,
      ...(auth ? [auth.url] : []),
      ...sites.flatMap(({ livekit, token, proxy }) => [
        token.url,
        livekit.url,
        livekit.url.replace(/^ws/, 'http'),
        ...(proxy ? [proxy.url, proxy.url.replace(/^ws/, 'http')] : []),
      ]),
    ];
    let pages = null;
    if (options.pages) {
      const { root: site, embed = [] } = options.pages;
      pages = await startServer({ port: ports.page, ...(site ? { root: site } : {}), matrix: { connect, embed } });
      started.push({ stop: () => pages.close() });
    }
    const users = {};
    for (const name of options.users ?? []) {
      users[name] = await synapse.register(name);
      // The same people with the same passwords at the providers.
      for (const each of providers) await each.addUser(name, { password: users[name].password });
    }
    return {
      folder,
      synapse,
      providers,
      auth,
      sites,
      livekit: sites[0].livekit,
      token: sites[0].token,
      proxy: sites[0].proxy,
      pages,
      users,
      connect,
      link: (room) =>
        `${pages?.url ?? ''}/matrix/#/room/${encodeURIComponent(room)}?hs=${encodeURIComponent(synapse.url)}`,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
