import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { safePath, startServer } from '../../../tools/serve.mjs';

let folder;
let server;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'siegel-serve-'));
  const root = join(folder, 'dist');
  mkdirSync(join(root, 'demo/call'), { recursive: true });
  mkdirSync(join(root, 'assets'));
  writeFileSync(join(folder, 'secret.txt'), 'outside');
  writeFileSync(join(root, '.hidden'), 'hidden');
  writeFileSync(join(root, 'favicon.svg'), '<svg/>');
  writeFileSync(join(root, 'demo/call/index.html'), '<!doctype html>call');
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
