#!/usr/bin/env node
// Serves the built pages and the signalling of the local room. Static files out of dist/ with the headers the product
// demands (strict CSP, right MIME types), and a WebSocket at /signal.
//
//   node tools/serve.mjs [--port 8080] [--host 127.0.0.1] [--root dist] [--lan] [--cert file --key file]
//                        [--connect "origin …"] [--embed "origin …"]
//
// `--connect` names the origins that the Matrix page may talk to (homeservers, token services, media servers with
// https:, wss:, http: or ws:); without it that page may talk to any https: and wss: address, because a person may type any
// homeserver. `--embed` names the origins that may show the Matrix page in a frame, as a widget; without it only this one.
//
// Listens on the loopback interface only. `--lan` listens on every interface; browsers give camera and microphone to
// plain http only on localhost, so other devices need `--cert` and `--key` (PEM).
import { readFileSync } from 'node:fs';
import { readFile, realpath, stat } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { networkInterfaces } from 'node:os';
import { dirname, extname, join, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { WebSocketServer } from 'ws';
import { kMaxMessage, Rooms } from './signalling.mjs';

const compress = promisify(gzip);
const kRoot = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');

const kTypes = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};
const kCompressible = new Set(['.html', '.js', '.mjs', '.css', '.json', '.map', '.txt', '.svg', '.wasm', '.bin']);

/** Goes out with every answer: a worker takes its policy from its own script's headers. */
export const kHeaders = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self'",
    "connect-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "media-src 'self' blob: mediastream:",
    "font-src 'self'",
    "manifest-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'Permissions-Policy': [
    'camera=(self)',
    'microphone=(self)',
    'display-capture=(self)',
    'fullscreen=(self)',
    'autoplay=(self)',
    'speaker-selection=(self)',
    'screen-wake-lock=(self)',
    'geolocation=()',
    'payment=()',
    'usb=()',
    'serial=()',
    'hid=()',
    'midi=()',
    'accelerometer=()',
    'gyroscope=()',
    'magnetometer=()',
  ].join(', '),
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** The only pages that talk to other servers and may stand in a frame (Matrix, Jitsi); everything else they are given stays as above. */
export function matrixHeaders({ connect = ['https:', 'wss:'], embed = [] } = {}) {
  const policy = kHeaders['Content-Security-Policy']
    .replace("connect-src 'self'", ["connect-src 'self'", ...connect].join(' '))
    .replace("frame-ancestors 'none'", ["frame-ancestors 'self'", ...embed].join(' '));
  return { 'Content-Security-Policy': policy };
}

/** What may stand in a source list: an origin, or a scheme alone. Anything else could smuggle in another directive. */
export function sources(text) {
  const list = text.split(/\s+/).filter((each) => each !== '');
  for (const each of list) {
    if (!/^(https|wss|http|ws):(\/\/(\*\.)?[A-Za-z0-9.-]+(:(\d+|\*))?|\/\/\[[0-9a-fA-F:]+\](:(\d+|\*))?)?$/.test(each))
      throw new Error(`not an origin: ${each}`);
  }
  return list;
}

const kNotFound = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Not found</title></head>
<body><h1>Not found</h1><p>There is no page at this address. <a href="/call/">Start a call</a></p>
<p lang="de">Unter dieser Adresse gibt es keine Seite. <a href="/call/">Gespräch beginnen</a></p></body></html>
`;

/** Where the short addresses lead: /call/<room> is the call page, everything beside it is a file of its folder; so /matrix/. */
function route(path) {
  if (path === '/favicon.ico') return '/favicon.svg';
  const page = /^\/(call|matrix|jitsi|effects)\/([^/]*)$/.exec(path);
  if (!page) return path;
  return page[2].includes('.') ? `/demo/${page[1]}/${page[2]}` : `/demo/${page[1]}/index.html`;
}

/** The URL's path, decoded and harmless, or null. */
export function safePath(url) {
  let path;
  try {
    path = decodeURIComponent(new URL(url, 'http://localhost').pathname);
  } catch {
    return null;
  }
  if (!path.startsWith('/') || path.includes('\0') || path.includes('\\')) return null;
  if (path.split('/').some((part) => part.startsWith('.'))) return null;
  return path;
}

/** A request handler for GET and HEAD below `root`. `matrix`: see matrixHeaders. */
export function staticFiles(root, extraHeaders = {}, matrix = {}) {
  const compressed = new Map(); // file path → { tag, body }
  const headers = { ...kHeaders, ...extraHeaders };
  const forMatrix = matrixHeaders(matrix);

  async function find(path) {
    let file = join(root, path);
    let info = await stat(file).catch(() => null);
    if (info?.isDirectory() && path.endsWith('/')) {
      file = join(file, 'index.html');
      info = await stat(file).catch(() => null);
    }
    if (!info?.isFile()) return null;
    // A link inside the folder must not lead out of it.
    const [real, realRoot] = await Promise.all([realpath(file), realpath(root)]);
    return real.startsWith(realRoot + sep) ? { file: real, info } : null;
  }

  return async (request, response) => {
    const finish = (status, extra, body) => {
      response.writeHead(status, { ...headers, ...extra, 'Content-Length': Buffer.byteLength(body) });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return finish(405, { Allow: 'GET, HEAD', 'Content-Type': 'text/plain; charset=utf-8' }, 'Method not allowed\n');
    const path = safePath(request.url);
    if (path === null) return finish(400, { 'Content-Type': 'text/plain; charset=utf-8' }, 'Bad request\n');
    if (path === '/call' || path === '/matrix' || path === '/jitsi' || path === '/effects')
      return finish(308, { Location: `${path}/` }, '');
    let found = await find(route(path));
    if (!found && path === '/') return finish(302, { Location: '/call/' }, '');
    if (!found && !path.endsWith('/')) {
      // /demo/x without the slash: relative addresses in the page need it.
      found = await find(`${path}/`);
      if (found) return finish(308, { Location: encodeURI(`${path}/`).replace(/^\/+/, '/') }, '');
    }
    if (!found) return finish(404, { 'Content-Type': kTypes['.html'] }, kNotFound);

    const extension = extname(found.file).toLowerCase();
    const tag = `"${found.info.size.toString(36)}-${Math.floor(found.info.mtimeMs).toString(36)}"`;
    const about = {
      'Content-Type': kTypes[extension] ?? 'application/octet-stream',
      // File names carry no hash: every load asks, and an unchanged file costs only a 304.
      'Cache-Control': 'no-cache',
      ETag: tag,
      Vary: 'Accept-Encoding',
      ...(/^\/demo\/(matrix|jitsi)\/[^/]*\.html$/.test(route(path)) ? forMatrix : {}),
    };
    if (request.headers['if-none-match'] === tag) {
      response.writeHead(304, { ...headers, ...about });
      return response.end();
    }
    const wantsGzip = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
    if (wantsGzip && kCompressible.has(extension) && found.info.size > 1024) {
      let kept = compressed.get(found.file);
      if (kept?.tag !== tag) {
        kept = { tag, body: await compress(await readFile(found.file)) };
        compressed.set(found.file, kept);
      }
      return finish(200, { ...about, 'Content-Encoding': 'gzip' }, kept.body);
    }
    finish(200, about, await readFile(found.file));
  };
}

/** A page of another origin must not talk to this server in a visitor's name. Non-browsers send no Origin. */
function sameOrigin(request) {
  const origin = request.headers.origin;
  if (origin === undefined) return true;
  try {
    return new URL(origin).host === request.headers.host;
  } catch {
    return false;
  }
}

/**
 * Starts server and signalling. `port` 0 picks a free one. `rooms` are options of `Rooms` (limits and times), for tests.
 * Resolves when it listens; `close()` ends every connection and resolves when the port is free again.
 */
export async function startServer({
  port = 8080,
  host = '127.0.0.1',
  root = kRoot,
  cert = undefined,
  key = undefined,
  rooms: roomOptions = {},
  matrix = {},
} = {}) {
  const secure = cert !== undefined && key !== undefined;
  const extra = secure ? { 'Strict-Transport-Security': 'max-age=31536000' } : {};
  const serve = staticFiles(resolve(root), extra, matrix);
  const handler = (request, response) => {
    serve(request, response).catch(() => {
      if (!response.headersSent) response.writeHead(500, { ...kHeaders, 'Content-Type': 'text/plain; charset=utf-8' });
      response.end('Internal error\n');
    });
  };
  const server = secure ? createHttpsServer({ cert, key }, handler) : createHttpServer(handler);
  server.headersTimeout = 10_000;
  server.requestTimeout = 20_000;

  const rooms = new Rooms(roomOptions);
  const sockets = new WebSocketServer({ noServer: true, maxPayload: kMaxMessage, perMessageDeflate: false });
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const refuse = (status) => {
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    };
    if (safePath(request.url) !== '/signal') return refuse('404 Not Found');
    if (!sameOrigin(request)) return refuse('403 Forbidden');
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      rooms.attach(webSocket, request.socket.remoteAddress ?? '');
    });
  });

  await new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      done();
    });
  });
  const address = server.address();
  const name = host === '127.0.0.1' || host === '::1' || host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return {
    url: `${secure ? 'https' : 'http'}://${name}:${address.port}`,
    port: address.port,
    rooms,
    async close() {
      rooms.close();
      sockets.close();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

function parseArguments(list) {
  const options = {};
  let lan = false;
  for (let i = 0; i < list.length; i++) {
    const name = list[i];
    const value = () => {
      const next = list[++i];
      if (next === undefined) throw new Error(`${name} needs a value`);
      return next;
    };
    if (name === '--port') {
      const port = Number(value());
      if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error('--port takes a number from 0 to 65535');
      options.port = port;
    } else if (name === '--host') options.host = value();
    else if (name === '--root') options.root = value();
    else if (name === '--cert') options.cert = readFileSync(value());
    else if (name === '--key') options.key = readFileSync(value());
    else if (name === '--connect') options.matrix = { ...options.matrix, connect: sources(value()) };
    else if (name === '--embed') options.matrix = { ...options.matrix, embed: sources(value()) };
    else if (name === '--lan') lan = true;
    else throw new Error(`unknown option ${name}`);
  }
  if ((options.cert === undefined) !== (options.key === undefined)) throw new Error('--cert and --key go together');
  if (lan) options.host ??= '0.0.0.0';
  return { options, lan };
}

async function main() {
  const { options, lan } = parseArguments(process.argv.slice(2));
  const server = await startServer(options);
  console.log(`Siegel is running: ${server.url}/call/`);
  if (lan) {
    const addresses = Object.values(networkInterfaces())
      .flat()
      .filter((each) => each && each.family === 'IPv4' && !each.internal);
    const scheme = options.cert ? 'https' : 'http';
    for (const { address } of addresses) console.log(`  in the network: ${scheme}://${address}:${server.port}/call/`);
    if (!options.cert)
      console.log(
        '  Browsers give camera and microphone only to https or localhost: for other devices add --cert and --key.',
      );
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close().then(() => process.exit(0)));
}

if (process.argv[1] && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  main().catch((error) => {
    console.error(
      error.code === 'EADDRINUSE'
        ? `Port ${error.port} is in use. Choose another with --port.`
        : `Cannot start: ${error.message}`,
    );
    process.exit(1);
  });
}
