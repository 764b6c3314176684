#!/usr/bin/env node
// Brings up a Jitsi deployment and our pages on this machine for people to try, and prints links that work. Everything is on
// loopback and thrown away at the end (Ctrl-C).
//   node tests/servers/jitsi/run.mjs [--port 8080] [--room Name] [--tokens] [--bosh] [--stock] [--folder path] [--root dist]
// --tokens: the server lets in only people with a token, which the link then has; --bosh: without WebSocket; --stock: also a
// page with a stock client (of 2021), to see that it takes part.
import { startServer } from '../../../tools/serve.mjs';
import { startJitsi } from './stack.mjs';

function parse(list) {
  const options = { room: 'Conference', stack: { bridges: 2 } };
  for (let i = 0; i < list.length; i++) {
    const name = list[i];
    const value = () => {
      const next = list[++i];
      if (next === undefined) throw new Error(`${name} needs a value`);
      return next;
    };
    if (name === '--port') options.port = Number(value());
    else if (name === '--room') {
      options.room = value();
      if (!/^[A-Za-z0-9-]{1,60}$/.test(options.room)) throw new Error('a room is letters, digits and hyphens');
    } else if (name === '--tokens') options.stack.tokens = true;
    else if (name === '--bosh') options.stack.transport = 'bosh';
    else if (name === '--stock') options.stock = true;
    else if (name === '--folder') options.stack.folder = value();
    else if (name === '--root') options.root = value();
    else throw new Error(`unknown option ${name}`);
  }
  return options;
}

async function main() {
  const options = parse(process.argv.slice(2));
  console.log('Starting Prosody, a focus and two bridges on this machine …');
  if (options.stock) {
    const { genuineFolders } = await import('../../jitsi/support/genuine.mjs');
    options.stack.folders = genuineFolders({ client: 'lyno' });
  }
  const stack = await startJitsi(options.stack);
  const { host } = new URL(stack.origin);
  const site = await startServer({
    port: options.port ?? 8080,
    ...(options.root && { root: options.root }),
    matrix: { connect: [`http://${host}`, `ws://${host}`, 'https:', 'wss:'] },
  });
  let ending = false;
  const end = async (code) => {
    if (ending) return;
    ending = true;
    await site.close();
    await stack.close();
    process.exit(code);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void end(0));

  const room = stack.roomUrl(options.room);
  const token = options.stack.tokens ? `?jwt=${stack.token({ room: options.room.toLowerCase() })}` : '';
  const stock = `${stack.origin}/stock/index.html?room=${options.room.toLowerCase()}`;
  console.log(`Ready.

  Conference   http://localhost:${site.port}/jitsi/#${room}${token}

  Open it in two or more browser windows. The address of the room itself is ${room};
  it can be pasted on http://localhost:${site.port}/call/ as well.
${options.stock ? `\n  A stock client in the same room: ${stock}\n` : ''}
  What the provider sees (sealed frames per stream): ${stack.origin}/witness
  Logs and data: ${stack.folder}${options.stack.folder ? '' : ' (removed at the end)'}
  Ctrl-C ends everything.
`);
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
