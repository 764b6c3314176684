// Free ports of the loopback interface. Two stacks that ask at the same moment must not get the same one, so a port is
// held open until all of a request are found.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** Ports handed out by this process: a port that was just released is not given to the next who asks. */
const given = new Set();

function holdTcp(port) {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () =>
      done({ port: server.address().port, release: () => new Promise((closed) => server.close(closed)) }),
    );
  });
}

function holdUdp(port) {
  return new Promise((done, fail) => {
    const socket = createSocket('udp4');
    socket.once('error', fail);
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () =>
      done({ port: socket.address().port, release: () => new Promise((closed) => socket.close(closed)) }),
    );
  });
}

/**
 * Free ports, one per name. A number asks for that very port, 0 for any; `udp` names are UDP, all others TCP.
 * @param {Record<string, number>} wanted
 * @param {string[]} udp
 * @returns {Promise<Record<string, number>>}
 * @throws an Error that names the port that is in use
 */
export async function reservePorts(wanted, udp = []) {
  const held = [];
  const result = {};
  try {
    for (const [name, port] of Object.entries(wanted)) {
      const hold = udp.includes(name) ? holdUdp : holdTcp;
      for (let tries = 0; ; tries++) {
        const one = await hold(port).catch((error) => {
          throw new Error(
            error.code === 'EADDRINUSE'
              ? `port ${port} (${name}) is in use`
              : `port ${port} (${name}): ${error.message}`,
            { cause: error },
          );
        });
        held.push(one);
        if (port === 0 && given.has(one.port) && tries < 50) continue;
        given.add(one.port);
        result[name] = one.port;
        break;
      }
    }
    return result;
  } finally {
    await Promise.all(held.map((one) => one.release()));
  }
}
