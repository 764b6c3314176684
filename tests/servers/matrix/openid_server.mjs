#!/usr/bin/env node
// An OpenID provider (npm package oidc-provider, as it comes) with a small page for signing in and allowing. Two uses:
// - one of the identity providers that Synapse's own sign-in by redirect sends people to;
// - with `auth`, the authorization server of a homeserver that leaves sign-in to it. Around the same provider there is then
//   what Synapse knows of the Matrix Authentication Service: the Matrix scopes, introspection with a shared secret, and the
//   calls that make and remove users and devices at Synapse. It stands in for that service, which no package registry has.
// A process of its own, because the package needs Node.js 22. Started by openid.mjs; the configuration (secrets) comes in a file.
import { generateKeyPairSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { id, title, port, issuer, clients, control, auth } = config;

/** name → { password, displayName } */
const users = new Map();

// Matrix side -----------------------------------------------------------------------------------------------------------

const kHomeserver = 'urn:homeserver'; // the resource that tokens are for
const kScope = /^urn:matrix:(?:client|org\.matrix\.msc2967\.client):(?:api:\*|device:([A-Za-z0-9._~-]{10,255}))$/;
const isMatrixScope = (scope) => kScope.test(scope);
const deviceOf = (scopes) => scopes.map((scope) => kScope.exec(scope)?.[1]).find((device) => device !== undefined);

/** Grants of people: id → { user, device }. */
const sessions = new Map();
/** Tokens that were not made by a redirect (the service's "compatibility" tokens): token → { user, device }. */
const compatibility = new Map();
const counts = { granted: 0, refreshed: 0, revoked: 0 };

async function synapse(call, body) {
  const response = await fetch(`${auth.homeserver}/_synapse/mas/${call}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${auth.secret}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(`Synapse answers ${call} with ${response.status}`);
}

async function provision(user, device, displayName) {
  await synapse('provision_user', { localpart: user, set_displayname: users.get(user).displayName });
  await synapse('upsert_device', { localpart: user, device_id: device, display_name: displayName });
}

async function introspect(token) {
  const compat = compatibility.get(token);
  if (compat)
    return {
      active: true,
      scope: 'urn:matrix:client:api:*',
      username: compat.user,
      sub: compat.user,
      device_id: compat.device,
    };
  const found = await provider.AccessToken.find(token);
  if (!found || !sessions.has(found.grantId)) return { active: false };
  return {
    active: true,
    scope: found.scope,
    username: found.accountId,
    sub: found.accountId,
    client_id: found.clientId,
    expires_in: found.remainingTTL,
    exp: found.exp,
  };
}

// The provider ----------------------------------------------------------------------------------------------------------

const requestedScopes = ({ oidc }) =>
  [oidc.params?.scope, oidc.entities.AuthorizationCode?.scope, oidc.entities.RefreshToken?.scope]
    .flatMap((scope) => (scope ?? '').split(' '))
    .filter(isMatrixScope);

const signingKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const accessTokenSeconds = auth?.accessTokenSeconds ?? 3600;

const provider = new Provider(issuer, {
  clients,
  responseTypes: ['code'],
  jwks: { keys: [{ ...signingKey, use: 'sig', alg: 'RS256', kid: id }] },
  cookies: {
    keys: [randomBytes(24).toString('hex')],
    // Providers share the host name localhost, and so its cookies.
    names: { session: `_${id}_session`, interaction: `_${id}_interaction`, resume: `_${id}_resume` },
  },
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'] },
  findAccount: (_ctx, name) =>
    users.has(name)
      ? {
          accountId: name,
          claims: () => ({ sub: name, name: users.get(name).displayName, preferred_username: name }),
        }
      : undefined,
  interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
  // The homeserver is no stranger: nobody is asked whether it may know who they are. Everybody else needs consent.
  async loadExistingGrant({ oidc }) {
    const known = oidc.result?.consent?.grantId ?? oidc.session.grantIdFor(oidc.client.clientId);
    if (known) return provider.Grant.find(known);
    if (auth) return undefined;
    const grant = new provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope('openid profile');
    await grant.save();
    return grant;
  },
  features: {
    devInteractions: { enabled: false },
    rpInitiatedLogout: { enabled: false },
    registration: { enabled: auth !== undefined },
    revocation: { enabled: auth !== undefined },
    resourceIndicators: {
      enabled: auth !== undefined,
      defaultResource: () => kHomeserver,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx) => ({
        scope: requestedScopes(ctx).join(' '),
        accessTokenFormat: 'opaque',
        accessTokenTTL: accessTokenSeconds,
      }),
    },
  },
  ...(auth
    ? {
        discovery: {
          account_management_uri: `${issuer}/account`,
          account_management_actions_supported: ['org.matrix.profile', 'org.matrix.sessions_list'],
        },
        clientAuthMethods: ['none'],
        // The session ends as a whole, whichever of its tokens is handed in.
        revokeGrantPolicy: () => true,
        rotateRefreshToken: auth.rotate ?? true,
        issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
      }
    : {}),
  expiresWithSession: () => false,
  renderError: (ctx, { error, error_description: text }) => {
    ctx.type = 'html';
    ctx.body = page('Something went wrong', `<p id="error">${html(error)}: ${html(text ?? '')}</p>`);
  },
  ttl: {
    AccessToken: accessTokenSeconds,
    AuthorizationCode: 60,
    Interaction: 600,
    Session: 3600,
    Grant: 86_400,
    RefreshToken: 86_400,
  },
});

provider.on('server_error', (_ctx, error) => console.error(error.stack));
provider.on('grant.error', (_ctx, error) => console.log(`token refused: ${error.message} ${error.error_detail ?? ''}`));
provider.on('grant.success', ({ oidc }) => {
  if (oidc.params.grant_type === 'refresh_token') counts.refreshed += 1;
});
provider.on('grant.revoked', (_ctx, grantId) => void end(grantId).catch((error) => console.error(error.message)));

/** The session's device goes from the homeserver, as the real service does it. */
async function end(grantId) {
  const session = sessions.get(grantId);
  if (!session) return;
  sessions.delete(grantId);
  counts.revoked += 1;
  await synapse('delete_device', { localpart: session.user, device_id: session.device });
}

// Pages -----------------------------------------------------------------------------------------------------------------

const html = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

function page(heading, body) {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>${html(title)}</title>
<style>body{font:17px/1.5 system-ui,sans-serif;max-width:24rem;margin:3rem auto;padding:0 1rem}
input,button{font:inherit;display:block;width:100%;box-sizing:border-box;min-height:44px;margin:.3rem 0 1rem}
code{overflow-wrap:anywhere}</style></head><body><p>${html(title)}</p><h1>${html(heading)}</h1>${body}</body></html>`;
}

const cancel = (uid) => `<form method="post" action="/interaction/${uid}/cancel"><button>Cancel</button></form>`;

function signInPage(uid, wrong) {
  return page(
    'Sign in',
    `${wrong ? '<p role="alert">User name or password is wrong.</p>' : ''}
<form method="post" action="/interaction/${uid}/login">
<label>User name<input name="user" autocomplete="username" required></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required></label>
<button>Sign in</button></form>${cancel(uid)}`,
  );
}

async function consentPage(uid, { params, session }) {
  const client = await provider.Client.find(params.client_id);
  const scopes = (params.scope ?? '').split(' ').map((scope) => `<li><code>${html(scope)}</code></li>`);
  return page(
    'Allow access?',
    `<p><b>${html(client.clientName ?? client.clientId)}</b> at <b>${html(new URL(params.redirect_uri).origin)}</b>
wants to use the account <b>${html(session.accountId)}</b>:</p><ul>${scopes.join('')}</ul>
<form method="post" action="/interaction/${uid}/allow"><button>Allow</button></form>${cancel(uid)}`,
  );
}

async function readBody(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > 20_000) throw new Error('too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

async function interaction(request, response, path) {
  const [, , uid, action] = path.split('/');
  const show = (text) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
    response.end(text);
  };
  const details = await provider.interactionDetails(request, response).catch(() => undefined);
  if (!details || details.uid !== uid)
    return show(page('This sign-in is over', '<p>Go back to the application and start again.</p>'));
  const finish = (result) => provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  if (action === undefined)
    return show(details.prompt.name === 'login' ? signInPage(uid, false) : await consentPage(uid, details));
  if (request.method !== 'POST') return show(page('Not found', ''));
  if (action === 'cancel')
    return finish({ error: 'access_denied', error_description: 'The person did not want to sign in' });
  if (action === 'login' && details.prompt.name === 'login') {
    const form = new URLSearchParams(await readBody(request));
    const user = (form.get('user') ?? '').trim().toLowerCase();
    if (!users.has(user) || users.get(user).password !== form.get('password')) return show(signInPage(uid, true));
    return finish({ login: { accountId: user } });
  }
  if (action === 'allow' && details.prompt.name === 'consent') {
    const { params, session, prompt } = details;
    const grant = details.grantId
      ? await provider.Grant.find(details.grantId)
      : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(' '));
    for (const [resource, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {}))
      grant.addResourceScope(resource, scopes.join(' '));
    const grantId = await grant.save();
    if (auth) {
      const device = deviceOf((params.scope ?? '').split(' '));
      if (device === undefined) return finish({ error: 'invalid_scope', error_description: 'No device' });
      const { clientName } = await provider.Client.find(params.client_id);
      await provision(session.accountId, device, clientName);
      sessions.set(grantId, { user: session.accountId, device });
      counts.granted += 1;
    }
    return finish({ consent: { grantId } });
  }
  return show(page('Not found', ''));
}

// For the tests, and for making users -----------------------------------------------------------------------------------

const commands = {
  async user({ name, password, displayName }) {
    users.set(name, { password, displayName });
    return {};
  },
  /** A device with a token that does not expire. */
  async token({ name, device = randomBytes(6).toString('hex').toUpperCase() }) {
    await provision(name, device, 'made by the operator');
    const token = `mct_${randomBytes(24).toString('base64url')}`;
    compatibility.set(token, { user: name, device });
    return { device, token };
  },
  async endToken({ token }) {
    const session = compatibility.get(token);
    if (!session || !compatibility.delete(token)) return {};
    await synapse('delete_device', { localpart: session.user, device_id: session.device });
    return {};
  },
  async state() {
    return { ...counts, sessions: [...sessions.values()] };
  },
  /** Refresh tokens of this user work no longer; access tokens do until they expire. */
  async withholdRefresh({ name }) {
    for (const [grantId, { user }] of sessions) if (user === name) await provider.RefreshToken.revokeByGrantId(grantId);
    return {};
  },
};

const sameSecret = (given, secret) => {
  const a = Buffer.from(given ?? '');
  const b = Buffer.from(`Bearer ${secret}`);
  return a.length === b.length && timingSafeEqual(a, b);
};

const respond = provider.callback();

async function handle(request, response) {
  // The package makes its addresses out of this header; the homeserver may have come by number.
  request.headers.host = new URL(issuer).host;
  const path = new URL(request.url, issuer).pathname;
  const json = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(JSON.stringify(body));
  };
  if (path === '/health') return json(200, {});
  if (path.startsWith('/interaction/')) return interaction(request, response, path);
  if (path.startsWith('/control/')) {
    const run = commands[path.slice('/control/'.length)];
    if (!run || request.method !== 'POST' || !sameSecret(request.headers.authorization, control)) return json(403, {});
    return json(200, await run(JSON.parse(await readBody(request))));
  }
  if (auth && path === '/oauth2/introspect' && request.method === 'POST') {
    if (!sameSecret(request.headers.authorization, auth.secret)) return json(401, {});
    return json(200, await introspect(new URLSearchParams(await readBody(request)).get('token') ?? ''));
  }
  if (auth && path === '/account') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    return response.end(page('Your account', '<p>Devices, password, profile: here the real service shows them.</p>'));
  }
  if (auth && path === '/reg') {
    // The package leaves this one without: applications in browsers register themselves.
    response.setHeader('access-control-allow-origin', '*');
    if (request.method === 'OPTIONS') {
      response.writeHead(204, {
        'access-control-allow-methods': 'POST',
        'access-control-allow-headers': 'content-type, accept',
      });
      return response.end();
    }
  }
  return respond(request, response);
}

createServer((request, response) => {
  handle(request, response).catch((error) => {
    console.error(error.stack);
    if (!response.headersSent) response.writeHead(500);
    response.end();
  });
}).listen(port, '127.0.0.1');
