import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { safePath, sources, startServer } from '../../../tools/serve.mjs';

let folder;
let server;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'siegel-serve-'));
  const root = join(folder, 'dist');
  mkdirSync(join(root, 'demo/call'), { recursive: true });
  mkdirSync(join(root, 'demo/matrix'));
  mkdirSync(join(root, 'assets'));
  writeFileSync(join(folder, 'secret.txt'), 'outside');
  writeFileSync(join(root, '.hidden'), 'hidden');
  writeFileSync(join(root, 'favicon.svg'), '<svg/>');
  writeFileSync(join(root, 'demo/call/index.html'), '<!doctype html>call');
  writeFileSync(join(root, 'demo/matrix/index.html'), '<!doctype html>matrix');
  writeFileSync(join(root, 'demo/matrix/main.js'), '//');
  writeFileSync(join(root, 'demo/call/main.js'), `// ${'x'.repeat(5000)}`);
  writeFileSync(join(root, 'assets/engine.wasm'), Buffer.from([0, 97, 115, 109]));
  symlinkSync(join(folder, 'secret.txt'), join(root, 'link.txt'));
  server = await startServer({ port: 0, root });
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** Raw, because fetch would tidy the path before it is sent. */
function get(path, { method = 'GET', headers = {} } = {}) {
  return new Promise((done, fail) => {
    const req = request({ host: '127.0.0.1', port: server.port, path, method, headers }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () =>
        done({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts).toString('latin1') }),
      );
    });
    req.on('error', fail);
    req.end();
  });
}

describe('static files', () => {
  it('serves the call page for every room and its files beside it', async () => {
    expect((await get('/call/')).body).toContain('call');
    const room = await get('/call/abcdefgh');
    expect([room.status, room.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect((await get('/call/main.js')).headers['content-type']).toBe('text/javascript; charset=utf-8');
    expect((await get('/')).headers.location).toBe('/call/');
    expect((await get('/call')).headers.location).toBe('/call/');
  });

  it('lets only the Matrix page itself talk to other servers, and only those that are named', async () => {
    const policy = async (port, path) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      expect(response.status).toBe(200);
      return response.headers.get('content-security-policy');
    };
    expect(await policy(server.port, '/matrix/')).toContain("connect-src 'self' https: wss:;");
    expect(await policy(server.port, '/matrix/')).toContain("frame-ancestors 'self'");
    for (const path of ['/matrix/main.js', '/call/', '/assets/engine.wasm']) {
      expect(await policy(server.port, path)).toContain("connect-src 'self';");
      expect(await policy(server.port, path)).toContain("frame-ancestors 'none'");
    }
    const connect = sources('https://hs.example wss://sfu.example:7880');
    const strict = await startServer({
      port: 0,
      root: join(folder, 'dist'),
      matrix: { connect, embed: sources('https://chat.example') },
    });
    try {
      const text = await policy(strict.port, '/matrix/');
      expect(text).toContain("connect-src 'self' https://hs.example wss://sfu.example:7880;");
      expect(text).toContain("frame-ancestors 'self' https://chat.example");
    } finally {
      await strict.close();
    }
  });

  it('takes origins and nothing else for the policy', () => {
    expect(
      sources(' https:  http://localhost:8008 wss://*.example.org http://[::1]:80 http://localhost:* '),
    ).toHaveLength(5);
    for (const bad of [
      "'unsafe-inline'",
      '*',
      'https://a;script-src',
      'data:',
      'https://a/path',
      'javascript:',
      'https://a,b',
    ])
      expect(() => sources(bad)).toThrow('not an origin');
  });

  it('sends WebAssembly with its own type', async () => {
    expect((await get('/assets/engine.wasm')).headers['content-type']).toBe('application/wasm');
  });

  it('sends the security headers with every answer', async () => {
    for (const path of ['/call/', '/assets/engine.wasm', '/missing', '/%', '/']) {
      const { headers } = await get(path);
      const policy = headers['content-security-policy'];
      expect(policy).toContain("script-src 'self' 'wasm-unsafe-eval'");
      expect(policy).toContain("worker-src 'self'");
      expect(policy).not.toMatch(/unsafe-inline|'unsafe-eval'|\*/);
      expect(policy.match(/(script|worker)-src[^;]*(blob|data):/)).toBeNull();
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['referrer-policy']).toBe('no-referrer');
      expect(headers['cross-origin-opener-policy']).toBe('same-origin');
      expect(headers['permissions-policy']).toContain('camera=(self)');
      expect(headers['set-cookie']).toBeUndefined();
    }
  });

  it.each([
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/assets/%2e%2e/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/assets\\..\\..\\secret.txt',
    '/%5c..%5csecret.txt',
    '/.hidden',
    '/link.txt',
    '/%00',
    '/call/%2e%2e%2f%2e%2e%2fsecret.txt',
    '//etc/passwd',
  ])('does not leave its folder for %s', async (path) => {
    const answer = await get(path);
    expect([400, 404]).toContain(answer.status);
    expect(answer.body).not.toContain('outside');
    expect(answer.body).not.toContain('hidden');
  });

  it('answers HEAD without a body, other methods with 405, unknown paths with 404', async () => {
    const head = await get('/call/', { method: 'HEAD' });
    expect([head.status, head.body, head.headers['content-length']]).toEqual([200, '', '19']);
    expect((await get('/call/', { method: 'POST' })).status).toBe(405);
    expect((await get('/nothing')).status).toBe(404);
    expect((await get('/favicon.ico')).headers['content-type']).toContain('image/svg+xml');
  });

  it('lets a browser keep a file and compresses it', async () => {
    const first = await get('/call/main.js', { headers: { 'accept-encoding': 'gzip' } });
    expect(first.headers['content-encoding']).toBe('gzip');
    expect(first.body.length).toBeLessThan(500);
    const again = await get('/call/main.js', { headers: { 'if-none-match': first.headers.etag } });
    expect([again.status, again.body]).toEqual([304, '']);
  });
});

describe('safePath', () => {
  it('decodes once and refuses what could climb', () => {
    expect(safePath('/a/b?x=../c')).toBe('/a/b');
    expect(safePath('/a%20b')).toBe('/a b');
    expect(safePath('/%')).toBeNull();
    expect(safePath('/a/%2e%2e/b')).toBe('/b');
    expect(safePath('/..%2f..')).toBeNull();
  });
});
