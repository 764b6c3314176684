/**
 * Serves the widget host and genuine Element Call (the npm package's own files, unchanged, straight from node_modules) on an
 * origin of its own. `/ec/` is Element Call as it comes. `/ec-siegel/` and `/ec-deaf/` are the same files with one more
 * script in the page that gives Element Call another encryption worker: ours, or the published one made deaf to keys.
 * `/ec-matrix-2/` has one more line in config.json, as an operator would put it there: the mode with sticky events.
 */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize, resolve, sep } from 'node:path';

const kRoot = resolve(import.meta.dirname, '../../..');
const kElementCall = join(kRoot, 'node_modules/@element-hq/element-call-embedded/dist');
const kTypes: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.ogg': 'audio/ogg',
  '.mp3': 'audio/mpeg',
};

/** Which encryption worker Element Call runs. */
export type ElementCallWorker = 'its own' | 'siegel' | 'deaf';
const kFolders: Record<ElementCallWorker, string> = { 'its own': 'ec', siegel: 'ec-siegel', deaf: 'ec-deaf' };
const kMatrix2 = 'ec-matrix-2';
const kWorkers: Record<string, string> = {
  'ec-siegel': '/assets/siegel-livekit-worker.js',
  'ec-deaf': '/worker/deaf.mjs',
};

/**
 * Element Call makes its encryption worker from a blob; it is the only one of type "module" made that way. `redirected`
 * counts how often another one took its place, and what that one was told.
 */
const redirect = (worker: string) => `(() => {
  const Native = globalThis.Worker;
  const seen = (globalThis.redirectedWorkers = { made: 0, kinds: {} });
  globalThis.Worker = class extends Native {
    constructor(url, options) {
      const hit = /^(blob|data):/.test(String(url)) && options?.type === 'module';
      super(hit ? new URL(${JSON.stringify(worker)}, location.href) : url, options);
      if (!hit) return;
      seen.made++;
      this.addEventListener('message', ({ data }) => {
        const kind = 'from worker: ' + data?.kind;
        seen.kinds[kind] = (seen.kinds[kind] ?? 0) + 1;
      });
      const post = this.postMessage.bind(this);
      this.postMessage = (message, ...rest) => {
        seen.kinds[message?.kind] = (seen.kinds[message?.kind] ?? 0) + 1;
        post(message, ...rest);
      };
    }
  };
})();`;

const kDeaf = `self.addEventListener('message', (event) => {
  if (event.data?.kind === 'setKey') event.stopImmediatePropagation();
});
`;

export interface ElementCallSite {
  readonly url: string;
  address(worker: ElementCallWorker): string;
  /** Element Call as it comes, but for its setting `matrix_rtc_mode`. */
  readonly matrix2: string;
  close(): Promise<void>;
}

async function answer(path: string, site: string): Promise<{ body: Buffer | string; type: string } | null> {
  const file = async (folder: string, rest: string) => {
    const name = normalize(join(folder, rest));
    if (!name.startsWith(folder + sep)) return null;
    const body = await readFile(name).catch(() => null);
    return body === null ? null : { body, type: kTypes[extname(name)] ?? 'application/octet-stream' };
  };
  const [, top = '', rest = ''] = /^\/([^/]*)\/?(.*)$/.exec(path) ?? [];
  if (path === '/') return file(join(site, 'tests/host'), 'index.html');
  if (path === '/main.js') return file(join(site, 'tests/host'), 'main.js');
  // Where matrix-js-sdk looks for it: beside the script.
  if (path === '/pkg/matrix_sdk_crypto_wasm_bg.wasm') return file(join(site, 'assets'), 'matrix-sdk-crypto.wasm');
  if (top === 'assets') return file(join(site, 'assets'), rest);
  if (path === '/worker/deaf.mjs') {
    const published = join(kRoot, 'node_modules/livekit-client/dist/livekit-client.e2ee.worker.mjs');
    return { body: kDeaf + (await readFile(published, 'utf8')), type: kTypes['.mjs'] ?? '' };
  }
  const worker = kWorkers[top];
  if (worker !== undefined && rest === 'redirect.js') return { body: redirect(worker), type: kTypes['.js'] ?? '' };
  if (worker !== undefined && rest === 'index.html') {
    const html = await readFile(join(kElementCall, 'index.html'), 'utf8');
    if (!html.includes('<script type="module"')) throw new Error('Element Call’s page has changed');
    const body = html.replace('<script type="module"', '<script src="./redirect.js"></script><script type="module"');
    return { body, type: kTypes['.html'] ?? '' };
  }
  if (top === kMatrix2 && rest === 'config.json') {
    const settings = JSON.parse(await readFile(join(kElementCall, rest), 'utf8')) as object;
    return { body: JSON.stringify({ ...settings, matrix_rtc_mode: 'matrix_2_0' }), type: kTypes['.json'] ?? '' };
  }
  if (top === 'ec' || top === kMatrix2 || worker !== undefined) return file(kElementCall, rest);
  return null;
}

export async function startElementCallSite(site: string): Promise<ElementCallSite> {
  const server: Server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname);
    answer(path, site)
      .catch((error: unknown) => ({ body: String(error), type: 'failed' }))
      .then((found) => {
        response.writeHead(found === null ? 404 : found.type === 'failed' ? 500 : 200, {
          'Content-Type': found?.type ?? 'text/plain',
          'Cache-Control': 'no-store',
        });
        response.end(found?.body ?? 'not found');
      });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://localhost:${(server.address() as AddressInfo).port}`;
  return {
    url,
    address: (worker) => `${url}/${kFolders[worker]}/index.html`,
    matrix2: `${url}/${kMatrix2}/index.html`,
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
