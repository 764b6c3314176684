#!/usr/bin/env node
// Brings up the servers of a Matrix call on this machine for people to try, and prints links that work. Everything is on
// loopback and thrown away at the end (Ctrl-C).
//   node tests/servers/matrix/run.mjs [--users ada,bert,cleo] [--port-base 9000] [--folder path] [--root dist]
//                                     [--embed "origin …"] [--setup] [--sso | --oauth]
// Without --port-base the usual ports are used (page 8080, Synapse 8008, LiveKit 7880, token service 6080); with a number
// that many consecutive ones from there; with 0 free ones. --folder keeps logs and data; --setup installs the servers first.
// --sso: people can also sign in at one of two OpenID providers; --oauth: only at an authorization server of the homeserver.
import { sources } from '../../../tools/serve.mjs';
import { startStack } from './stack.mjs';

function parse(list) {
  const options = { users: ['ada', 'bert', 'cleo'], ports: 'usual', pages: {} };
  for (let i = 0; i < list.length; i++) {
    const name = list[i];
    const value = () => {
      const next = list[++i];
      if (next === undefined) throw new Error(`${name} needs a value`);
      return next;
    };
    if (name === '--users') {
      options.users = value().split(',');
      for (const user of options.users)
        if (!/^[a-z0-9._-]{1,32}$/.test(user)) throw new Error(`not a user name: ${user}`);
    } else if (name === '--port-base') {
      const port = Number(value());
      if (!Number.isInteger(port) || port < 0 || port > 65_500) throw new Error('--port-base takes a port number or 0');
      options.ports = port === 0 ? 'free' : port;
    } else if (name === '--folder') options.folder = value();
    else if (name === '--root') options.pages.root = value();
    else if (name === '--embed') options.pages.embed = sources(value());
    else if (name === '--setup') options.setup = true;
    else if (name === '--sso') options.signIn = 'sso';
    else if (name === '--oauth') options.signIn = 'oidc';
    else throw new Error(`unknown option ${name}`);
  }
  return options;
}

function ways({ providers, auth }) {
  if (auth)
    return `  by “Continue with …”; the page there (${auth.url}) wants the part between @ and colon, and the password.\n`;
  if (providers.length === 0) return '';
  return `  with the password, or by ${accountsAt(providers)}: there the part between @ and colon, and the same password.\n`;
}

const accountsAt = (providers) => providers.map(({ title }) => `“Continue with ${title}”`).join(' or ');

async function main() {
  const options = parse(process.argv.slice(2));
  console.log('Starting Synapse, LiveKit and the token service on this machine …');
  const began = performance.now();
  const stack = await startStack(options);
  let ending = false;
  const end = async (code) => {
    if (ending) return;
    ending = true;
    await stack.close();
    process.exit(code);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void end(0));

  const accounts = Object.values(stack.users);
  const alias = `#call:${stack.synapse.serverName}`;
  await accounts[0].createRoom({ name: 'Call room', alias: 'call', open: true });
  for (const other of accounts.slice(1)) await other.join(alias);
  // The logins that made the room are not left behind as devices of its members.
  for (const account of accounts) await account.logout();

  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const width = Math.max(...accounts.map(({ userId }) => userId.length));
  console.log(`Ready after ${seconds} s.

  Call room   ${stack.link(alias)}

  Log in there as one of these people of this throw-away homeserver (one browser profile each):
${accounts.map(({ userId, password }) => `    ${userId.padEnd(width)}   ${password}`).join('\n')}
${ways(stack)}
  Homeserver ${stack.synapse.url}   media server ${stack.livekit.url}   token service ${stack.token.url}
  Logs and data: ${stack.folder}${options.folder ? '' : ' (removed at the end)'}
  End with Ctrl-C.`);
  setInterval(() => {
    for (const server of [stack.synapse, stack.livekit]) {
      if (server.running || ending) continue;
      console.error(`A server ended by itself. The end of its log:\n${server.tail()}`);
      void end(1);
    }
  }, 1000);
}

main().catch((error) => {
  console.error(`Cannot start: ${error.message}`);
  process.exit(1);
});
