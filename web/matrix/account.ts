/**
 * Somebody who is signed in: their rooms, and calls in them.
 * Threads: main. Ownership: owns client, pictures and calls. Errors: MatrixError.
 */
import {
  ClientEvent,
  HttpApiEvent,
  type MatrixClient,
  type MatrixEvent,
  type Room,
  RoomEvent,
  RoomStateEvent,
} from 'matrix-js-sdk/lib/matrix';
import { cleanName, Emitter } from '../call';
import { Avatars, clientDownload } from './avatars';
import { dropDevice, dropMembership, endClient, type Session } from './client';
import { ClientDeviceMessages, type DeviceMessages } from './devices';
import { checkEndpoint } from './discovery';
import { MatrixError } from './errors';
import { MatrixRoom } from './matrix_room';
import { kMemberEvent } from './own_membership';
import { createRoom, enterRoom, joinedRooms, summarize } from './rooms';
import { sessionStore } from './store';
import type {
  MatrixAccount,
  MatrixAccountEvents,
  MatrixCall,
  MatrixCallOptions,
  MatrixTarget,
  RoomSummary,
  VideoCodec,
} from './types';
import { ClientVerification, type SecretKeys } from './verification';

const kRefreshMs = 200;

export class ClientAccount extends Emitter<MatrixAccountEvents> implements MatrixAccount {
  readonly userId: string;
  readonly verification: ClientVerification;
  readonly #client: MatrixClient;
  readonly #session: Session;
  readonly #assets: URL;
  readonly #linkBase: string;
  readonly #avatars: Avatars;
  readonly #messages: DeviceMessages;
  readonly #calls = new Set<MatrixRoom>();
  #rooms: RoomSummary[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended = false;
  #manageUrl: string | undefined;
  /** Chosen in this session, or kept from the last one. */
  #codec: VideoCodec | undefined;
  #stop: Array<() => void> = [];

  constructor(client: MatrixClient, session: Session, assets: URL, linkBase: string, secrets: SecretKeys) {
    super();
    this.#client = client;
    this.#session = session;
    this.#assets = assets;
    this.#linkBase = linkBase;
    this.userId = session.userId;
    this.#avatars = new Avatars(clientDownload(client), () => this.#refreshSoon());
    this.#messages = new ClientDeviceMessages(client);
    this.verification = new ClientVerification(client, secrets);
    const refresh = (): void => this.#refreshSoon();
    const onState = (event: MatrixEvent): void => {
      if (event.getType() === kMemberEvent || event.getType().startsWith('m.room.')) this.#refreshSoon();
    };
    const onLoggedOut = (): void => void this.#end('token-expired', false);
    const onPageHide = (): void => {
      for (const call of this.#calls) {
        const key = call.membershipKey;
        if (key !== undefined) dropMembership(session, call.roomId, key);
      }
      dropDevice(session);
    };
    client.on(ClientEvent.Room, refresh);
    client.on(RoomEvent.Name, refresh);
    client.on(RoomEvent.MyMembership, refresh);
    client.on(RoomStateEvent.Events, onState);
    client.on(HttpApiEvent.SessionLoggedOut, onLoggedOut);
    globalThis.addEventListener?.('pagehide', onPageHide);
    this.#stop.push(
      () => void client.off(ClientEvent.Room, refresh),
      () => void client.off(RoomEvent.Name, refresh),
      () => void client.off(RoomEvent.MyMembership, refresh),
      () => void client.off(RoomStateEvent.Events, onState),
      () => void client.off(HttpApiEvent.SessionLoggedOut, onLoggedOut),
      () => globalThis.removeEventListener?.('pagehide', onPageHide),
    );
    void this.#refresh();
    if (session.oauthClientId) void this.#findManagement();
    if (session.remember)
      void sessionStore.loadCodec().then((codec) => {
        this.#codec ??= codec;
      });
  }

  get manageUrl(): string | undefined {
    return this.#manageUrl;
  }
  get name(): string {
    return cleanName(this.#client.getUser(this.userId)?.displayName ?? '') || this.userId;
  }
  get rooms(): readonly RoomSummary[] {
    return this.#rooms;
  }

  async enter(target: MatrixTarget): Promise<RoomSummary> {
    return summarize(await enterRoom(this.#client, target), this.#avatars);
  }

  async create(name: string, invite: readonly string[]): Promise<RoomSummary> {
    return summarize(await createRoom(this.#client, name, invite), this.#avatars);
  }

  call(id: string, options: MatrixCallOptions): MatrixCall {
    const room = this.#client.getRoom(id);
    if (!room) throw new MatrixError('room-not-found');
    for (const call of this.#calls)
      if (!['left', 'failed', 'refused', 'replaced'].includes(call.phase)) void call.leave({ keepMedia: true });
    this.#calls.clear();
    const call = new MatrixRoom({
      client: this.#client,
      room: room as Room,
      messages: this.#messages,
      avatars: this.#avatars,
      options: { ...(this.#codec ? { codec: this.#codec } : {}), ...options },
      onCodec: (codec) => {
        this.#codec = codec;
        if (this.#session.remember) void sessionStore.saveCodec(codec);
      },
      assets: this.#assets,
      linkBase: this.#linkBase,
      serverName: this.#session.serverName,
    });
    this.#calls.add(call);
    return call;
  }

  async signOut(): Promise<void> {
    await this.#end(undefined, true);
  }

  async #end(problem: 'token-expired' | undefined, logout: boolean): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stop.splice(0)) stop();
    await Promise.all([...this.#calls].map((call) => call.leave().catch(() => {})));
    this.verification.close();
    this.#avatars.close();
    this.#rooms = [];
    if (!logout) this.emit('ended', problem);
    await endClient(this.#client, logout);
    if (logout) this.emit('ended', problem);
    this.clearListeners();
  }

  async #findManagement(): Promise<void> {
    try {
      const { account_management_uri: address } = await this.#client.getAuthMetadata();
      if (!address || this.#ended) return;
      this.#manageUrl = checkEndpoint(address);
      this.emit('change', undefined);
    } catch {
      // No link.
    }
  }

  #refreshSoon(): void {
    if (this.#ended) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#refresh();
    }, kRefreshMs);
  }

  async #refresh(): Promise<void> {
    const rooms = await Promise.all(joinedRooms(this.#client).map((room) => summarize(room, this.#avatars)));
    if (this.#ended) return;
    // Where a call goes on comes first.
    this.#rooms = [...rooms.filter(({ inCall }) => inCall > 0), ...rooms.filter(({ inCall }) => inCall === 0)];
    this.emit('change', undefined);
  }
}
