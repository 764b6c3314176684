// Stands between browsers and the media server and may do what a hostile media server could: read and change the
// signalling (LiveKit's protobuf messages over a WebSocket), drop it, cut it. Media does not pass here.
import { createServer, request as httpRequest } from 'node:http';
import { Encryption_Type, SignalRequest, SignalResponse } from '@livekit/protocol';
import { WebSocket, WebSocketServer } from 'ws';

/** Who a connection's token names. Not verified: the media server does that. */
function identityOf(url) {
  const token = new URL(url, 'http://x').searchParams.get('access_token') ?? '';
  try {
    return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString('utf8')).sub ?? '';
  } catch {
    return '';
  }
}

/** Every ParticipantInfo that a message to a client carries. */
export function participantsIn(response) {
  const { message } = response;
  if (message.case === 'join')
    return [...(message.value.participant ? [message.value.participant] : []), ...message.value.otherParticipants];
  if (message.case === 'update') return message.value.participants;
  return [];
}

/** A rewriting rule: the media server claims that nobody's tracks (or one identity's) are encrypted. */
export function claimsClear(identity = null) {
  return (response) => {
    for (const participant of participantsIn(response)) {
      if (identity !== null && participant.identity !== identity) continue;
      for (const track of participant.tracks) track.encryption = Encryption_Type.NONE;
    }
    return response;
  };
}

export class SfuProxy {
  /** (message, connection) => message to pass on, several, or null to drop it. Both may change at any time. */
  onResponse = null;
  onRequest = null;
  /** Messages seen, newest last, at most 2000: { identity, way: 'up' | 'down', kind }. */
  seen = [];
  #server = null;
  #sockets = new Set();

  /** @param {{ port: number, target: () => string }} options `target`: http address of the media server */
  constructor({ port, target }) {
    this.port = port;
    this.target = target;
    this.url = `ws://localhost:${port}`;
  }

  async start() {
    if (this.#server) throw new Error('the proxy runs already');
    const server = createServer((request, response) => this.#pass(request, response));
    const sockets = new WebSocketServer({ noServer: true, maxPayload: 1 << 22 });
    server.on('upgrade', (request, socket, head) => {
      socket.on('error', () => socket.destroy());
      sockets.handleUpgrade(request, socket, head, (browser) => this.#join(request, browser));
    });
    await new Promise((done, fail) => {
      server.once('error', fail);
      server.listen(this.port, '127.0.0.1', done);
    });
    this.#server = server;
  }

  /** Ends every signalling connection, as a network failure would. */
  cut() {
    for (const socket of this.#sockets) socket.terminate();
  }

  async stop() {
    const server = this.#server;
    if (!server) return;
    this.#server = null;
    this.cut();
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }

  #pass(request, response) {
    const to = new URL(request.url, this.target());
    const up = httpRequest(to, { method: request.method, headers: { ...request.headers, host: to.host } }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    up.on('error', () => {
      if (!response.headersSent) response.writeHead(502, { 'Access-Control-Allow-Origin': '*' });
      response.end();
    });
    request.pipe(up);
  }

  #join(request, browser) {
    const connection = { identity: identityOf(request.url), path: request.url.split('?')[0] };
    const to = new URL(request.url, this.target().replace(/^http/, 'ws'));
    const server = new WebSocket(to, { maxPayload: 1 << 22 });
    const early = [];
    for (const socket of [browser, server]) this.#sockets.add(socket);
    const relay = (from, into, way, type, rule) => {
      from.on('message', (data, binary) => {
        let out = [data];
        if (binary) {
          const message = type.fromBinary(data);
          this.seen.push({ identity: connection.identity, way, kind: message.message.case ?? '' });
          if (this.seen.length > 2000) this.seen.shift();
          if (rule() !== null) {
            const result = rule()(message, connection);
            out = (result === null ? [] : [result].flat()).map((each) => each.toBinary());
          }
        }
        for (const each of out) {
          if (into.readyState === WebSocket.OPEN) into.send(each, { binary });
          else if (into.readyState === WebSocket.CONNECTING) early.push([each, binary]);
        }
      });
      from.on('close', (code, reason) => {
        this.#sockets.delete(from);
        // 1005 and 1006 say that there was no code; they cannot be sent.
        if (into.readyState === WebSocket.OPEN) into.close(code > 1006 || code === 1000 ? code : 1001, reason);
        else into.terminate();
      });
      from.on('error', () => into.terminate());
    };
    relay(browser, server, 'up', SignalRequest, () => this.onRequest);
    relay(server, browser, 'down', SignalResponse, () => this.onResponse);
    server.on('open', () => {
      for (const [data, binary] of early) server.send(data, { binary });
    });
  }
}
