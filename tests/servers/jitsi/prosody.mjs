// Debian's Prosody for a Jitsi deployment on the loopback interface: an anonymous host, a host that wants tokens, the rooms
// with lobby, and a place for the focus to plug in. Contract: stack.d.mts.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../matrix/child.mjs';

const plugins = new URL('./plugins', import.meta.url).pathname;

/**
 * @param {{ domain: string, hiddenDomain: string, folder: string, httpPort: number, componentPort: number, secret: string,
 *   tokenSecret?: string, places?: number, smacksHibernation?: number }} options
 */
export function prosodyConfig(options) {
  const { domain, hiddenDomain, folder, httpPort, componentPort, secret, tokenSecret, places = 0 } = options;
  const text = (value) => JSON.stringify(value);
  return `-- Written by tests/servers/jitsi/prosody.mjs
daemonize = false
pidfile = ${text(join(folder, 'prosody.pid'))}
data_path = ${text(join(folder, 'data'))}
log = { info = ${text(join(folder, 'prosody-info.log'))} }
interfaces = { "127.0.0.1" }
c2s_ports = {}
s2s_ports = {}
http_ports = { ${httpPort} }
https_ports = {}
http_interfaces = { "127.0.0.1" }
component_ports = { ${componentPort} }
component_interfaces = { "127.0.0.1" }
plugin_paths = { ${text(plugins)} }
modules_enabled = { "saslauth", "disco", "ping", "posix", "bosh", "websocket", "smacks", "conference_identities" }
modules_disabled = { "s2s", "tls" }
consider_bosh_secure = true
consider_websocket_secure = true
c2s_require_encryption = false
http_default_host = ${text(domain)}
smacks_hibernation_time = ${options.smacksHibernation ?? 60}
conference_components = { lobbyrooms = ${text(`lobby.${domain}`)}, av_moderation = ${text(`avmoderation.${domain}`)} }
admins = { ${text(`focus@focus.${domain}`)} }

VirtualHost ${text(domain)}
  authentication = "conference"
${tokenSecret ? `  conference_token_secret = ${text(tokenSecret)}` : ''}
VirtualHost ${text(hiddenDomain)}
  authentication = "conference"

Component ${text(`conference.${domain}`)} "muc"
  modules_enabled = { "conference_rooms" }
  storage = "memory"
  restrict_room_creation = true
  muc_room_locking = false
  muc_room_default_public_jids = true
  conference_places = ${places}
  conference_lobby = ${text(`lobby.${domain}`)}
  conference_focus = ${text(`focus@focus.${domain}`)}

Component ${text(`lobby.${domain}`)} "muc"
  storage = "memory"
  restrict_room_creation = true
  muc_room_locking = false
  muc_room_default_public_jids = true

Component ${text(`focus.${domain}`)}
  component_secret = ${text(secret)}

Component ${text(`avmoderation.${domain}`)}
  component_secret = ${text(secret)}
`;
}

/** @param {Parameters<typeof prosodyConfig>[0]} options */
export function prosody(options) {
  mkdirSync(join(options.folder, 'data'), { recursive: true });
  const file = join(options.folder, 'prosody.cfg.lua');
  writeFileSync(file, prosodyConfig(options));
  // Prosody does not work as root. The death signal is set again, because it is lost with the change of user.
  const root = process.getuid?.() === 0;
  if (root) execFileSync('chown', ['-R', 'prosody:prosody', options.folder]);
  const user = ['--reuid=prosody', '--regid=prosody', '--clear-groups', '--pdeathsig', 'KILL', '--', 'prosody'];
  return new Child('Prosody', {
    command: root ? 'setpriv' : 'prosody',
    args: [...(root ? user : []), '--config', file, '-F'],
    cwd: options.folder,
    log: join(options.folder, 'prosody.log'),
    ready: async () => {
      const answer = await fetch(`http://127.0.0.1:${options.httpPort}/http-bind`, {
        headers: { Host: options.domain },
      });
      return answer.ok;
    },
    readyWithinMs: 15_000,
  });
}
