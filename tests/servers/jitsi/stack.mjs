// A whole Jitsi deployment on this machine's loopback interface: Debian's Prosody, a focus, bridges, a web host.
// Contract of everything: stack.d.mts.
import { createHmac, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reservePorts } from '../matrix/ports.mjs';
import { Bridge } from './bridge.mjs';
import { Focus } from './focus.mjs';
import { prosody } from './prosody.mjs';
import { WebHost } from './web.mjs';
import { Witness } from './witness.mjs';

export { looksSealed } from './witness.mjs';

const base64url = (data) => Buffer.from(data).toString('base64url');

/** A token as Jitsi deployments take it: JWT, HS256. */
export function signToken(secret, claims) {
  const head = base64url(JSON.stringify({ alg: 'HS256', typ: 'JWT' }));
  const body = base64url(JSON.stringify(claims));
  const signature = createHmac('sha256', secret).update(`${head}.${body}`).digest('base64url');
  return `${head}.${body}.${signature}`;
}

/** config.js in the shape of the Debian package (`debian`), or of the container images (`docker`). */
export function configText({ domain, origin, shape = 'debian', http, bosh, websocket, extra = '' }) {
  const ws = origin.replace(/^http/, 'ws');
  if (shape === 'docker') {
    return `/* eslint comma-dangle: ["error", "always-multiline"] */
var config = {};
if (!config.hasOwnProperty('hosts')) config.hosts = {};
config.hosts.domain = '${domain}';
config.focusUserJid = 'focus@focus.${domain}';
var subdir = '<!--# echo var="subdir" default="" -->';
var subdomain = '<!--# echo var="subdomain" default="" -->';
if (subdomain) { subdomain = subdomain.substr(0, subdomain.length - 1).split('.').join('_').toLowerCase() + '.'; }
config.hosts.muc = 'conference.' + subdomain + '${domain}';
${bosh ? `config.bosh = '${origin}/' + subdir + 'http-bind';` : ''}
${websocket ? `config.websocket = '${ws}/' + subdir + 'xmpp-websocket';` : ''}
${http ? `config.conferenceRequestUrl = '${origin}/' + subdir + 'conference-request/v1';` : ''}
config.e2ee = { externallyManagedKey: false };
${extra}
`;
  }
  return `/* eslint-disable no-unused-vars, no-var */
var subdomain = '<!--# echo var="subdomain" default="" -->';
if (subdomain.startsWith('<!--')) { subdomain = ''; }
var config = {
    hosts: { domain: '${domain}', muc: 'conference.' + subdomain + '${domain}', focus: 'focus.${domain}' },
    ${bosh ? `bosh: '${origin}/http-bind',` : ''}
    ${websocket ? `websocket: '${ws}/xmpp-websocket',` : ''}
    ${http ? `conferenceRequestUrl: '${origin}/conference-request/v1',` : ''}
    hiddenDomain: 'recorder.${domain}',
    testing: { p2pTestMode: false },
    p2p: { enabled: false, stunServers: [] },
    e2ping: { enabled: false },
};
${extra}
`;
}

/** @param {import('./stack.d.mts').JitsiOptions} options */
export async function startJitsi(options = {}) {
  const own = options.folder === undefined;
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'siegel-jitsi-'));
  mkdirSync(folder, { recursive: true });
  const domain = options.domain ?? 'meet.test';
  const ports = await reservePorts({ web: options.port ?? 0, xmpp: 0, component: 0 });
  const secret = randomBytes(16).toString('hex');
  const tokenSecret = options.tokens ? randomBytes(32).toString('hex') : undefined;
  const server = prosody({
    domain,
    hiddenDomain: `recorder.${domain}`,
    folder,
    httpPort: ports.xmpp,
    componentPort: ports.component,
    secret,
    tokenSecret,
    places: options.places,
    smacksHibernation: options.smacksHibernation,
  });
  const witness = new Witness();
  const bridges = Array.from(
    { length: options.bridges ?? 1 },
    (_, index) => new Bridge(`jvb${index + 1}`, { witness }),
  );
  const origin = `http://127.0.0.1:${ports.web}`;
  const focus = new Focus({
    domain,
    port: ports.component,
    secret,
    bridges,
    channelBase: () => origin.replace(/^http/, 'ws'),
    codecs: options.codecs,
    sctp: options.dataChannel === true,
    startMuted: options.startMuted,
  });
  const ways = options.transport ?? 'both';
  let config = configText({
    domain,
    origin,
    shape: options.config,
    http: options.httpRequest === true,
    bosh: ways !== 'websocket',
    websocket: ways !== 'bosh',
    extra: options.extraConfig,
  });
  const web = new WebHost({
    port: ports.web,
    domain,
    xmppPort: ports.xmpp,
    focus,
    bridges,
    folders: options.folders,
    config: () => config,
  });
  const close = async () => {
    await web.stop().catch(() => {});
    await focus.stop().catch(() => {});
    await server.stop();
    if (own) rmSync(folder, { recursive: true, force: true });
  };
  try {
    await server.start();
    await focus.start();
    await web.start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    origin,
    domain,
    folder,
    ports,
    focus,
    bridges,
    web,
    witness,
    prosody: server,
    roomUrl: (room) => `${origin}/${encodeURIComponent(room)}`,
    roomJid: (room) => `${room.toLowerCase()}@conference.${domain}`,
    token: (claims = {}) =>
      signToken(tokenSecret ?? 'none', {
        aud: 'jitsi',
        iss: 'siegel',
        sub: domain,
        room: '*',
        exp: Math.floor(Date.now() / 1000) + 3600,
        ...claims,
      }),
    setConfig: (text) => {
      config = text;
    },
    close,
  };
}
