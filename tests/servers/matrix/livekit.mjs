// LiveKit's media server, on loopback and nowhere else.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AccessToken, RoomServiceClient } from 'livekit-server-sdk';
import { Child } from './child.mjs';

export class LiveKit extends Child {
  /**
   * @param {{ binary: string, folder: string, name: string, ports: { signal: number, udp: number }, key: string,
   *   secret: string }} options the secret has 32 characters or more
   */
  constructor({ binary, folder, name, ports, key, secret }) {
    mkdirSync(folder, { recursive: true });
    const config = join(folder, `${name}.yaml`);
    // JSON is YAML. What each line is for:
    const settings = {
      port: ports.signal,
      bind_addresses: ['127.0.0.1'],
      rtc: {
        tcp_port: 0, // media over TCP has no address setting: it would listen on every interface
        udp_port: ports.udp,
        use_external_ip: false,
        enable_loopback_candidate: true,
        node_ip: '127.0.0.1',
        interfaces: { includes: ['lo'] }, // bind_addresses does not bind UDP
        ips: { includes: ['127.0.0.1/32'] },
        // Without an entry clients are sent to public STUN servers. Nothing answers here, and nobody needs it. (Not the port
        // of the media server itself: it then takes the browsers' checks for answers of a STUN server and drops them; not
        // one below 1024 either: Firefox refuses the whole configuration.)
        stun_servers: ['127.0.0.1:65533'],
      },
      keys: { [key]: secret },
      room: { auto_create: false },
      logging: { level: 'info', json: false },
    };
    writeFileSync(config, JSON.stringify(settings, null, 2), { mode: 0o600 });
    const http = `http://127.0.0.1:${ports.signal}`;
    super(`LiveKit (${name})`, {
      command: binary,
      args: ['--config', config],
      cwd: folder,
      log: join(folder, `${name}.log`),
      ready: async () => (await (await fetch(http, { signal: AbortSignal.timeout(1000) })).text()) === 'OK',
      readyWithinMs: 20_000,
    });
    this.http = http;
    this.url = `ws://localhost:${ports.signal}`;
    this.ports = ports;
    this.rooms = new RoomServiceClient(http, key, secret);
    this.#key = key;
    this.#secret = secret;
  }
  #key;
  #secret;

  /** Creates the room if it is not there; as the deployed token service does it. */
  async makeRoom(room) {
    await this.rooms.createRoom({ name: room, emptyTimeout: 300, departureTimeout: 20 });
  }

  /**
   * A token for any identity in any room: what the operator of a media server can always make for himself. The token
   * service checks people before it asks for one; tests forge with it.
   */
  async token(identity, room, ttlSeconds = 3600, { hidden = false } = {}) {
    const token = new AccessToken(this.#key, this.#secret, { identity, ttl: ttlSeconds });
    token.addGrant({
      room,
      roomJoin: true,
      roomCreate: false,
      canPublish: true,
      canSubscribe: true,
      canUpdateOwnMetadata: true,
      ...(hidden ? { hidden } : {}),
    });
    return token.toJwt();
  }
}
