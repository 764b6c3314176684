// The web host of a deployment: config.js, the way to Prosody (WebSocket and BOSH), to the bridges' channels and to the focus'
// HTTP request. Between client and Prosody it can cut, hold, and put in stanzas of its own: what a hostile operator can do.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { extname, join, normalize } from 'node:path';
import { WebSocket, WebSocketServer } from 'ws';

const kTypes = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
};

export class WebHost {
  /** Every stanza between clients and Prosody over WebSocket: `{ client, direction: 'up' | 'down', text }`. */
  traffic = [];
  recordTraffic = false;
  /** Bytes of signalling per client number. */
  bytes = new Map();
  /** Changes what goes up or down: `(text, { client, direction }) => string | undefined`; undefined leaves it out. */
  tamper;
  #server;
  #clients = new Map();
  #count = 0;
  #cutUntil = 0;
  #options;
  #sockets = new Set();

  /**
   * @param {{ port: number, domain: string, xmppPort: number, focus: any, bridges: any[], config: () => string,
   *   folders?: Record<string, string | string[]>, pageHandler?: (req: any, res: any) => boolean }} options
   */
  constructor(options) {
    this.#options = options;
  }

  get origin() {
    return `http://127.0.0.1:${this.#options.port}`;
  }

  async start() {
    const server = http.createServer((request, response) => this.#onRequest(request, response));
    this.#server = server;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    const xmpp = new WebSocketServer({ noServer: true, handleProtocols: () => 'xmpp' });
    const bridge = new WebSocketServer({ noServer: true });
    server.on('upgrade', (request, socket, head) => {
      const { pathname } = new URL(request.url, this.origin);
      if (pathname.endsWith('/xmpp-websocket')) {
        if (this.#isCut) return socket.destroy();
        xmpp.handleUpgrade(request, socket, head, (client) => this.#joinXmpp(client, request));
      } else if (pathname.startsWith('/colibri-ws/')) {
        bridge.handleUpgrade(request, socket, head, (client) => this.#joinBridge(client, request));
      } else socket.destroy();
    });
    await new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#options.port, '127.0.0.1', resolve);
    });
  }

  get #isCut() {
    return performance.now() < this.#cutUntil;
  }

  /** Nothing of XMPP gets through for so long. `silent`: connections stay open and dead, as when a network changes. */
  cutXmpp(ms, { silent = false } = {}) {
    this.#cutUntil = performance.now() + ms;
    if (!silent) for (const { client } of this.#clients.values()) client.terminate();
  }

  /** Puts a stanza into the stream of the client whose JID or presence contains `text` (its nick). */
  inject(nick, stanza) {
    let hit = 0;
    for (const one of this.#clients.values()) {
      if (!one.nicks.has(nick)) continue;
      one.client.send(stanza);
      ++one.injected;
      ++hit;
    }
    return hit;
  }

  /** Stanzas that went to a client and contain `part`, as text. */
  sentTo(nick, part) {
    const ids = [...this.#clients.entries()].filter(([, one]) => one.nicks.has(nick)).map(([id]) => id);
    return this.traffic
      .filter((one) => one.direction === 'down' && ids.includes(one.client) && one.text.includes(part))
      .map((one) => one.text);
  }

  #pass(id, direction, text) {
    this.bytes.set(id, (this.bytes.get(id) ?? 0) + Buffer.byteLength(text));
    const out = this.tamper ? this.tamper(text, { client: id, direction }) : text;
    if (this.recordTraffic && out !== undefined) {
      this.traffic.push({ client: id, direction, text: out });
      if (this.traffic.length > 20_000) this.traffic.shift();
    }
    return out;
  }

  #joinXmpp(client, request) {
    const id = ++this.#count;
    const { search } = new URL(request.url, this.origin);
    const { xmppPort, domain } = this.#options;
    const upstream = new WebSocket(`ws://127.0.0.1:${xmppPort}/xmpp-websocket${search}`, 'xmpp', {
      headers: { Host: domain },
    });
    const entry = { client, nicks: new Set(), injected: 0 };
    this.#clients.set(id, entry);
    const waiting = [];
    upstream.on('open', () => {
      for (const text of waiting.splice(0)) upstream.send(text);
    });
    client.on('message', (data) => {
      if (this.#isCut) return;
      // Prosody must not learn from the count (XEP-0198) of what it did not send.
      const counted = String(data).replace(
        /^<(a|resume)( [^>]*?)h="(\d+)"/,
        (_, name, rest, h) => `<${name}${rest}h="${h - entry.injected}"`,
      );
      const text = this.#pass(id, 'up', counted);
      if (text === undefined) return;
      const nick = /^<presence[^>]* to=["'][^"'/]*@conference\.[^"'/]*\/([^"']+)/.exec(text)?.[1];
      if (nick) entry.nicks.add(nick);
      if (upstream.readyState === WebSocket.OPEN) upstream.send(text);
      else waiting.push(text);
    });
    upstream.on('message', (data) => {
      if (this.#isCut) return;
      const text = this.#pass(id, 'down', String(data));
      if (text !== undefined && client.readyState === WebSocket.OPEN) client.send(text);
    });
    const end = () => {
      this.#clients.delete(id);
      // Cut off rather than closed, so that Prosody keeps the session for whoever comes back.
      upstream.terminate();
      client.close();
    };
    client.on('close', end);
    client.on('error', end);
    upstream.on('close', end);
    upstream.on('error', end);
  }

  #joinBridge(client, request) {
    const endpoint = this.#options.bridges
      .filter((one) => !one.dead)
      .map((one) => one.endpointFor(request.url))
      .find(Boolean);
    if (!endpoint) return client.close(4000);
    const channel = {
      send: (text) => client.readyState === WebSocket.OPEN && client.send(text),
      close: (code) => (code === 1006 ? client.terminate() : client.close(code)),
    };
    endpoint.openChannel(channel);
    client.on('message', (data) => endpoint.receive(String(data)));
    client.on('close', () => {
      if (endpoint.channel === channel) endpoint.channel = undefined;
    });
    client.on('error', () => {});
  }

  async #onRequest(request, response) {
    const url = new URL(request.url, this.origin);
    const headers = { 'Access-Control-Allow-Origin': '*', 'Cache-Control': 'no-store' };
    if (request.method === 'OPTIONS') {
      response.writeHead(204, {
        ...headers,
        'Access-Control-Allow-Headers': 'Content-Type, Authorization',
        'Access-Control-Allow-Methods': 'GET, POST, OPTIONS',
      });
      response.end();
      return;
    }
    try {
      if (url.pathname.endsWith('/http-bind')) return this.#bosh(request, response, url);
      if (url.pathname.endsWith('/config.js')) {
        response.writeHead(200, { ...headers, 'Content-Type': kTypes['.js'] });
        response.end(this.#options.config());
        return;
      }
      if (url.pathname === '/conference-request/v1') return await this.#conference(request, response, headers);
      if (url.pathname === '/witness') {
        const counts = Object.fromEntries(this.#options.bridges.flatMap((one) => [...one.witness.counts]));
        response.writeHead(200, { ...headers, 'Content-Type': kTypes['.json'] });
        response.end(JSON.stringify(counts));
        return;
      }
      for (const [prefix, folder] of Object.entries(this.#options.folders ?? {})) {
        if (!url.pathname.startsWith(prefix)) continue;
        const name = normalize(`/${decodeURIComponent(url.pathname.slice(prefix.length))}`);
        const file = [folder]
          .flat()
          .map((one) => join(one, name))
          .find(existsSync);
        if (!file) continue;
        const body = await readFile(file);
        response.writeHead(200, { ...headers, 'Content-Type': kTypes[extname(file)] ?? 'application/octet-stream' });
        response.end(body);
        return;
      }
      response.writeHead(404, headers);
      response.end();
    } catch {
      if (!response.headersSent) response.writeHead(404, headers);
      response.end();
    }
  }

  #bosh(request, response, url) {
    if (this.#isCut) return request.socket.destroy();
    const { xmppPort, domain } = this.#options;
    const upstream = http.request(
      {
        host: '127.0.0.1',
        port: xmppPort,
        path: `/http-bind${url.search}`,
        method: request.method,
        headers: { ...request.headers, host: domain },
      },
      (answer) => {
        if (this.#isCut) return request.socket.destroy();
        response.writeHead(answer.statusCode, { ...answer.headers, 'access-control-allow-origin': '*' });
        answer.pipe(response);
      },
    );
    upstream.on('error', () => {
      if (!response.headersSent) response.writeHead(502);
      response.end();
    });
    response.on('close', () => upstream.destroy());
    request.pipe(upstream);
  }

  async #conference(request, response, headers) {
    const parts = [];
    for await (const part of request) parts.push(part);
    const { room } = JSON.parse(Buffer.concat(parts).toString());
    if (this.#options.focus.absent) {
      response.writeHead(503, headers);
      response.end();
      return;
    }
    const answer = await this.#options.focus.answerRequest(room);
    response.writeHead(200, { ...headers, 'Content-Type': kTypes['.json'] });
    response.end(JSON.stringify(answer));
  }

  async stop() {
    for (const { client } of this.#clients.values()) client.terminate();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => (this.#server ? this.#server.close(resolve) : resolve()));
  }
}
