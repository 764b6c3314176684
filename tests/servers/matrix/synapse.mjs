// Synapse with the unstable parts switched on that MatrixRTC needs; on loopback, without federation, mail or telemetry.
import { createHmac, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from './child.mjs';

/** Events of a call that ordinary members must be allowed to send: without this only moderators can join calls. */
const kCallEvents = {
  'org.matrix.msc3401.call': 0,
  'org.matrix.msc3401.call.member': 0,
  'org.matrix.msc4143.rtc.slot': 0,
};

/** A Matrix error, or an unexpected status. Its text holds no token. */
export class MatrixError extends Error {
  constructor(path, status, errcode, error) {
    super(`${path}: ${status} ${errcode} ${error}`);
    this.status = status;
    this.errcode = errcode;
  }
}

/** One login: an access token with its device. */
export class Account {
  constructor(synapse, { user_id, device_id, access_token }, password) {
    this.synapse = synapse;
    this.userId = user_id;
    this.deviceId = device_id;
    this.accessToken = access_token;
    this.password = password;
  }

  /** The client-server API in this account's name. */
  request(method, path, body) {
    return this.synapse.request(method, path, body, this.accessToken);
  }

  /**
   * Creates a room. Encrypted unless told otherwise; by invitation, or `open` to everyone who knows the alias.
   * @returns {Promise<string>} the room id
   */
  async createRoom({ name, alias, invite = [], encrypted = true, open = false } = {}) {
    const { room_id } = await this.request('POST', '/_matrix/client/v3/createRoom', {
      preset: open ? 'public_chat' : 'private_chat',
      visibility: 'private',
      ...(name === undefined ? {} : { name }),
      ...(alias === undefined ? {} : { room_alias_name: alias }),
      invite,
      initial_state: encrypted
        ? [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }]
        : [],
      power_level_content_override: { events: kCallEvents },
    });
    return room_id;
  }

  async join(roomIdOrAlias) {
    const path = `/_matrix/client/v3/join/${encodeURIComponent(roomIdOrAlias)}`;
    return (await this.request('POST', path, {})).room_id;
  }

  async invite(roomId, userId) {
    await this.request('POST', `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/invite`, { user_id: userId });
  }

  /** All state events of a type, also those of people who left the call (empty content). */
  async roomState(roomId, type) {
    const all = await this.request('GET', `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/state`);
    return type === undefined ? all : all.filter((event) => event.type === type);
  }

  async logout() {
    const { auth } = this.synapse.settings;
    if (auth) return auth.endToken(this.accessToken);
    await this.request('POST', '/_matrix/client/v3/logout', {});
  }
}

/** One entry of `oidc_providers`. */
function provider({ id, title, url, clientId, clientSecret }, icon) {
  return {
    idp_id: id,
    idp_name: title,
    ...(icon === undefined ? {} : { idp_icon: icon }),
    issuer: `${url}/`,
    // http on loopback; a real provider has https, and this line is not needed.
    skip_verification: true,
    client_id: clientId,
    client_secret: clientSecret,
    scopes: ['openid', 'profile'],
    user_profile_method: 'userinfo_endpoint',
    allow_existing_users: true,
    user_mapping_provider: {
      config: { localpart_template: '{{ user.preferred_username }}', display_name_template: '{{ user.name }}' },
    },
  };
}

export class Synapse extends Child {
  /**
   * @param {{ python: string, folder: string, port: number, settings: object }} options `settings`: see `configure`
   */
  constructor({ python, folder, port, settings }) {
    mkdirSync(folder, { recursive: true });
    const config = join(folder, 'homeserver.yaml');
    const http = `http://127.0.0.1:${port}`;
    super('Synapse', {
      command: python,
      args: ['-m', 'synapse.app.homeserver', '-c', config],
      cwd: folder,
      log: join(folder, 'synapse.out'),
      ready: async () => (await (await fetch(`${http}/health`, { signal: AbortSignal.timeout(2000) })).text()) === 'OK',
      readyWithinMs: 90_000,
    });
    this.python = python;
    this.folder = folder;
    this.config = config;
    this.port = port;
    /** For this machine's own requests. */
    this.http = http;
    /** What browsers are given. */
    this.url = `http://localhost:${port}`;
    this.serverName = `localhost:${port}`;
    this.secrets = {
      registration: randomBytes(24).toString('hex'),
      macaroon: randomBytes(24).toString('hex'),
      form: randomBytes(24).toString('hex'),
    };
    this.settings = settings;
    this.configure({});
  }

  /**
   * Writes the configuration; takes effect at the next start.
   * @param {{ transports?: string[], transportEndpoint?: boolean, stickyEvents?: boolean, delayedEvents?: boolean,
   *   accessTokenSeconds?: number | null, providers?: import('./openid.mjs').OpenIdServer[],
   *   icons?: Record<string, string>, returnTo?: string[], password?: boolean, openMedia?: boolean,
   *   auth?: import('./openid.mjs').OpenIdServer | null }} change `transports`: addresses of token services that clients are
   *   told; [] = none. `transportEndpoint: false`: the homeserver does not even know the request for them (feature off).
   *   `accessTokenSeconds`: life of access tokens of clients that ask for refresh tokens. `providers`: OpenID providers that
   *   people sign in with, by redirect; `icons`: their pictures (mxc:) by id; `returnTo`: pages to which they are sent back
   *   without being asked. `auth`: leaves sign-in to this authorization server
   */
  configure(change) {
    this.settings = {
      transports: [],
      transportEndpoint: true,
      stickyEvents: true,
      delayedEvents: true,
      accessTokenSeconds: null,
      providers: [],
      icons: {},
      returnTo: [],
      password: true,
      openMedia: false,
      auth: null,
      ...this.settings,
      ...change,
    };
    const { transports, transportEndpoint, stickyEvents, delayedEvents, accessTokenSeconds } = this.settings;
    const { providers, icons, returnTo, password, openMedia, auth } = this.settings;
    const much = { per_second: 10_000, burst_count: 10_000 };
    const settings = {
      server_name: this.serverName,
      public_baseurl: `${this.url}/`,
      pid_file: join(this.folder, 'homeserver.pid'),
      report_stats: false,
      signing_key_path: join(this.folder, 'signing.key'),
      media_store_path: join(this.folder, 'media'),
      log_config: join(this.folder, 'log.yaml'),
      macaroon_secret_key: this.secrets.macaroon,
      form_secret: this.secrets.form,
      registration_shared_secret: this.secrets.registration,
      enable_registration: false,
      bcrypt_rounds: 4,
      listeners: [
        {
          port: this.port,
          type: 'http',
          bind_addresses: ['127.0.0.1'],
          x_forwarded: false,
          // 'federation' serves the check of OpenID tokens to the token service.
          resources: [{ names: ['client', 'federation'], compress: false }],
        },
      ],
      database: { name: 'sqlite3', args: { database: join(this.folder, 'homeserver.db') } },
      trusted_key_servers: [],
      federation_domain_whitelist: [],
      ip_range_blacklist: [],
      presence: { enabled: false },
      url_preview_enabled: false,
      experimental_features: {
        msc4143_enabled: transportEndpoint,
        msc4222_enabled: true,
        msc4354_enabled: stickyEvents,
      },
      ...(delayedEvents ? { max_event_delay_duration: '24h' } : {}),
      ...(transports.length > 0
        ? { matrix_rtc: { transports: transports.map((url) => ({ type: 'livekit', livekit_service_url: url })) } }
        : {}),
      ...(accessTokenSeconds === null ? {} : { refreshable_access_token_lifetime: `${accessTokenSeconds}s` }),
      // Pictures that are put in while this is set can be had without a token: those of identity providers must.
      ...(openMedia ? { enable_authenticated_media: false } : {}),
      ...(password && !auth ? {} : { password_config: { enabled: false } }),
      ...(providers.length > 0 ? { oidc_providers: providers.map((each) => provider(each, icons[each.id])) } : {}),
      ...(providers.length > 0 ? { sso: { client_whitelist: returnTo } } : {}),
      ...(auth
        ? { matrix_authentication_service: { enabled: true, endpoint: `${auth.http}/`, secret: auth.secret } }
        : {}),
      // Tests log in, create and send faster than people.
      rc_message: much,
      rc_delayed_event_mgmt: much,
      rc_registration: much,
      rc_login: { address: much, account: much, failed_attempts: much },
      rc_joins: { local: much },
      rc_joins_per_room: much,
      rc_invites: { per_room: much, per_user: much },
      rc_room_creation: much,
    };
    writeFileSync(this.config, JSON.stringify(settings, null, 2), { mode: 0o600 });
    const log = {
      version: 1,
      formatters: { line: { format: '%(asctime)s %(levelname)s %(name)s %(message)s' } },
      handlers: {
        file: { class: 'logging.FileHandler', filename: join(this.folder, 'synapse.log'), formatter: 'line' },
      },
      root: { level: 'WARNING', handlers: ['file'] },
      // Counts of requests come from here; the lines hold paths, no tokens.
      loggers: { 'synapse.access': { level: 'INFO' }, 'synapse.storage.SQL': { level: 'WARNING' } },
      disable_existing_loggers: false,
    };
    writeFileSync(join(this.folder, 'log.yaml'), JSON.stringify(log, null, 2));
  }

  async start() {
    // As `--generate-keys` writes it: algorithm, version, seed. That would load all of Synapse once more.
    const key = join(this.folder, 'signing.key');
    const seed = randomBytes(32).toString('base64').replace(/=+$/, '');
    if (!existsSync(key)) writeFileSync(key, `ed25519 a_test ${seed}\n`, { mode: 0o600 });
    await super.start();
  }

  /**
   * @returns {Promise<any>} the parsed answer
   * @throws {MatrixError}
   */
  async request(method, path, body, accessToken) {
    const response = await fetch(`${this.http}${path}`, {
      method,
      signal: AbortSignal.timeout(30_000),
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(accessToken === undefined ? {} : { Authorization: `Bearer ${accessToken}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new MatrixError(`${method} ${path}`, response.status, answer.errcode, answer.error);
    return answer;
  }

  /** Creates a user with a password of its own (at the authorization server, if there is one), logged in once. */
  async register(name, { displayName = name, admin = false } = {}) {
    const { auth } = this.settings;
    if (auth) {
      const user = name.toLowerCase();
      const password = await auth.addUser(user, { displayName });
      const { device, token } = await auth.token(user);
      return new Account(
        this,
        { user_id: `@${user}:${this.serverName}`, device_id: device, access_token: token },
        password,
      );
    }
    const { nonce } = await this.request('GET', '/_synapse/admin/v1/register');
    const username = name.toLowerCase();
    const password = randomBytes(9).toString('base64url');
    const mac = createHmac('sha1', this.secrets.registration)
      .update([nonce, username, password, admin ? 'admin' : 'notadmin'].join('\0'))
      .digest('hex');
    const body = { nonce, username, password, admin, mac, displayname: displayName };
    return new Account(this, await this.request('POST', '/_synapse/admin/v1/register', body), password);
  }

  /** Logs a user in on another device. */
  async login(userId, password, { deviceId, displayName } = {}) {
    const answer = await this.request('POST', '/_matrix/client/v3/login', {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: userId },
      password,
      ...(deviceId === undefined ? {} : { device_id: deviceId }),
      ...(displayName === undefined ? {} : { initial_device_display_name: displayName }),
    });
    return new Account(this, answer, password);
  }
}
