/**
 * A member of a call without media: a real device with real keys at a real homeserver. Its Olm is the SDK's own (OlmMachine);
 * its requests are those of a client, without what has nothing to do with calls. Who gets its media key follows the rules
 * of our page (web/matrix/media_keys.ts, one request for all) or those of Element Call (matrix-js-sdk's RTCEncryptionManager,
 * requests of 20 devices), so both kinds are measured in the same events.
 */
import { EventEmitter } from 'node:events';
import {
  DeviceId,
  DeviceLists,
  OlmMachine,
  type ProcessedToDeviceEvent,
  RequestType,
  UserId,
} from '@matrix-org/matrix-sdk-crypto-wasm';
import { RTCEncryptionManager } from 'matrix-js-sdk/lib/matrixrtc/RTCEncryptionManager';
import {
  type Device,
  deviceKey,
  type KeyContent,
  kKeyEvent,
  OwnKeys,
  parseKeyMessage,
  toBase64,
} from '../../../web/matrix/media_keys';
import type { Account } from '../../servers/matrix/stack.mjs';
import { type KeyView, kindOf, messagesIn, type Seen } from './counting';

const kMemberEvent = 'org.matrix.msc3401.call.member';
/** As Element Call and our page. */
const kLeaveDelayMs = 18_000;
const kRenewMs = 4000;
const kSdkBatch = 20;
const kSyncMs = 25_000;

export type Rules = 'siegel' | 'matrix-js-sdk';

/** ms since 1970, without the steps of the wall clock: the same in every process of this machine. */
export const now = (): number => performance.timeOrigin + performance.now();

interface CallMemberState extends Device {
  since: number;
}

interface SyncAnswer {
  next_batch: string;
  to_device?: { events: object[] };
  device_lists?: { changed?: string[]; left?: string[] };
  device_one_time_keys_count?: Record<string, number>;
  device_unused_fallback_key_types?: string[];
  rooms?: { join?: Record<string, { state?: { events: StateEvent[] }; timeline?: { events: StateEvent[] } }> };
}
interface StateEvent {
  type: string;
  state_key?: string;
  sender: string;
  origin_server_ts: number;
  content: Record<string, unknown>;
}

export interface SimulatedMemberOptions {
  /** http://127.0.0.1:… */
  homeserver: string;
  account: Account;
  roomId: string;
  /** Address of the token service in the membership. */
  service: string;
  rules: Rules;
  seen: Seen[];
  onProblem(text: string): void;
}

export class SimulatedMember implements KeyView {
  readonly name: string;
  readonly identity: string;
  readonly rules: Rules;
  inUse: { index: number; at: number } | undefined;
  /** Keys of its own so far, the first one included. */
  keysMade = 0;
  readonly #options: SimulatedMemberOptions;
  readonly #me: Device & { memberId: string };
  readonly #stateKey: string;
  readonly #received = new Map<string, number>();
  #machine!: OlmMachine;
  #members = new Map<string, CallMemberState>();
  #own: OwnKeys | undefined;
  #sdk: RTCEncryptionManager | undefined;
  #sdkTransport = new EventEmitter();
  #queue: Promise<void> = Promise.resolve();
  #claims: Promise<void> = Promise.resolve();
  #outgoing: Promise<void> = Promise.resolve();
  #since = '';
  #txn = 0;
  #renewal: ReturnType<typeof setInterval> | undefined;
  #delayId = '';
  #stop = new AbortController();

  constructor(options: SimulatedMemberOptions) {
    this.#options = options;
    this.rules = options.rules;
    const { userId, deviceId } = options.account;
    this.#me = { userId, deviceId, memberId: `${userId}:${deviceId}` };
    this.name = userId.slice(1, userId.indexOf(':'));
    this.identity = `${userId}:${deviceId}`;
    this.#stateKey = `_${userId}_${deviceId}_m.call`;
  }

  get userId(): string {
    return this.#me.userId;
  }

  received(identity: string, index: number): number | undefined {
    return this.#received.get(`${identity} ${index}`);
  }

  /** Makes and uploads its keys, learns the devices of the room's people, and stays in sync from then on. */
  async start(people: readonly string[]): Promise<void> {
    const { userId, deviceId } = this.#me;
    this.#machine = await OlmMachine.initialize(new UserId(userId), new DeviceId(deviceId));
    await this.#flush();
    await this.#sync(0);
    await this.#machine.updateTrackedUsers(people.map((each) => new UserId(each)));
    await this.#flush();
    void this.#keepInSync();
  }

  async joinCall(): Promise<void> {
    const { roomId, service } = this.#options;
    const delayed = await this.#request<{ delay_id: string }>(
      'PUT',
      `${this.#statePath}?org.matrix.msc4140.delay=${kLeaveDelayMs}`,
      {},
    );
    this.#delayId = delayed.delay_id;
    await this.#request('PUT', this.#statePath, {
      application: 'm.call',
      call_id: '',
      scope: 'm.room',
      device_id: this.#me.deviceId,
      membershipID: this.#me.memberId,
      expires: 14_400_000,
      'm.call.intent': 'video',
      focus_active: { type: 'livekit', focus_selection: 'multi_sfu' },
      foci_preferred: [{ type: 'livekit', livekit_service_url: service, livekit_alias: roomId }],
    });
    const renew = () =>
      this.#request('POST', `/_matrix/client/unstable/org.matrix.msc4140/delayed_events/${this.#delayId}/restart`, {});
    this.#renewal = setInterval(() => void renew().catch(() => {}), kRenewMs);
    if (this.rules === 'siegel') await this.#startOwnKeys();
    else this.#startSdkKeys();
    this.#onMembers();
  }

  async leaveCall(): Promise<void> {
    clearInterval(this.#renewal);
    this.#own?.close();
    this.#sdk?.leave();
    this.#own = undefined;
    this.#sdk = undefined;
    this.inUse = undefined;
    await this.#request('PUT', this.#statePath, {});
    const cancel = `/_matrix/client/unstable/org.matrix.msc4140/delayed_events/${this.#delayId}/cancel`;
    await this.#request('POST', cancel, {}).catch(() => {});
  }

  stop(): void {
    clearInterval(this.#renewal);
    this.#own?.close();
    this.#sdk?.leave();
    this.#stop.abort();
  }

  get #statePath(): string {
    const path = [this.#options.roomId, 'state', kMemberEvent, this.#stateKey].map(encodeURIComponent).join('/');
    return `/_matrix/client/v3/rooms/${path}`;
  }

  // Keys --------------------------------------------------------------------------------------------------------------

  #use(index: number): void {
    this.inUse = { index, at: now() };
    this.keysMade++;
  }

  async #startOwnKeys(): Promise<void> {
    const keys = new OwnKeys({
      me: this.#me,
      roomId: this.#options.roomId,
      transport: { send: (content, to) => this.#sendKeys(content, to) },
      install: async (index, material) => {
        material.fill(0);
        this.#use(index);
        setTimeout(() => keys.confirm(index), 0);
      },
      changed: () => {},
    });
    this.#own = keys;
    await keys.start();
  }

  #startSdkKeys(): void {
    const { roomId } = this.#options;
    const { userId, deviceId, memberId } = this.#me;
    const queue = (content: KeyContent, to: Device[]): void => {
      // As the SDK's queue: in parts, one after the other; nobody waits for them.
      this.#queue = this.#queue.then(async () => {
        try {
          await this.#sendKeys(content, to, kSdkBatch);
        } catch (error) {
          if (!this.#stop.signal.aborted) this.#options.onProblem(`${this.name}: keys not sent (${String(error)})`);
        }
      });
    };
    const transport = Object.assign(this.#sdkTransport, {
      start: () => {},
      stop: () => {},
      sendKey: async (key: string, index: number, to: Device[]): Promise<void> => {
        const others = to.filter((each) => deviceKey(each) !== deviceKey(this.#me));
        if (others.length === 0) return;
        queue(
          {
            keys: { index, key },
            member: { id: memberId, claimed_device_id: deviceId },
            room_id: roomId,
            session: { application: 'm.call', call_id: '', scope: 'm.room' },
            sent_ts: Date.now(),
          },
          others.map(({ userId: user, deviceId: device }) => ({ userId: user, deviceId: device })),
        );
      },
    });
    const memberships = () =>
      [...this.#members.values()].map(({ userId: sender, deviceId: device, since }) => ({
        sender,
        userId: sender,
        deviceId: device,
        rtcBackendIdentity: `${sender}:${device}`,
        createdTs: () => since,
      }));
    const manager = new RTCEncryptionManager(
      { userId, deviceId, memberId },
      memberships as never,
      transport as never,
      (_key, index, membership) => {
        if (membership.userId === userId && membership.deviceId === deviceId) this.#use(index);
      },
    );
    this.#sdk = manager;
    manager.join(undefined);
  }

  #onMembers(): void {
    if (this.#own) this.#own.update([...this.#members.values()]);
    this.#sdk?.onMembershipsUpdate();
  }

  /** One request, or one for each `part` devices. Returns those that could not be encrypted for. */
  async #sendKeys(content: KeyContent, to: readonly Device[], part = Number.POSITIVE_INFINITY): Promise<Device[]> {
    const users = [...new Set(to.map(({ userId }) => userId))];
    await this.#ensureSessions(users);
    const sealed: [Device, object][] = [];
    const missing: Device[] = [];
    for (const device of to) {
      const found = await this.#machine.getDevice(new UserId(device.userId), new DeviceId(device.deviceId));
      const text = await found?.encryptToDeviceEvent(kKeyEvent, content).catch(() => undefined);
      if (text === undefined) missing.push(device);
      else sealed.push([device, JSON.parse(text) as object]);
    }
    for (let from = 0; from < sealed.length; from += part) {
      const messages: Record<string, Record<string, object>> = {};
      for (const [{ userId, deviceId }, payload] of sealed.slice(from, from + part)) {
        messages[userId] ??= {};
        messages[userId][deviceId] = payload;
      }
      await this.#request('PUT', `/_matrix/client/v3/sendToDevice/m.room.encrypted/${Date.now()}-${this.#txn++}`, {
        messages,
      });
    }
    return missing;
  }

  /** One claim at a time, as the SDK demands. */
  #ensureSessions(users: string[]): Promise<void> {
    this.#claims = this.#claims
      .catch(() => {})
      .then(async () => {
        const claim = await this.#machine.getMissingSessions(users.map((user) => new UserId(user)));
        if (!claim) return;
        const answer = await this.#request('POST', '/_matrix/client/v3/keys/claim', claim.body);
        await this.#machine.markRequestAsSent(claim.id, claim.type, JSON.stringify(answer));
      });
    return this.#claims;
  }

  // Sync --------------------------------------------------------------------------------------------------------------

  async #keepInSync(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#sync(kSyncMs);
        // Requests of the cryptography do not hold up the next sync.
        void this.#flush().catch(() => {});
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#options.onProblem(`${this.name}: sync failed (${String(error)})`);
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  }

  async #sync(timeout: number): Promise<void> {
    const { roomId } = this.#options;
    const nothing = { types: [], limit: 0 };
    const filter = {
      presence: nothing,
      account_data: nothing,
      room: {
        rooms: [roomId],
        timeline: { types: [kMemberEvent], limit: 100 },
        state: { types: [kMemberEvent] },
        ephemeral: nothing,
        account_data: nothing,
      },
    };
    const query = new URLSearchParams({ timeout: String(timeout), filter: JSON.stringify(filter) });
    if (this.#since) query.set('since', this.#since);
    const answer = await this.#request<SyncAnswer>('GET', `/_matrix/client/v3/sync?${query}`);
    const processed = await this.#machine.receiveSyncChanges(
      JSON.stringify(answer.to_device?.events ?? []),
      new DeviceLists(
        (answer.device_lists?.changed ?? []).map((user) => new UserId(user)),
        (answer.device_lists?.left ?? []).map((user) => new UserId(user)),
      ),
      new Map(Object.entries(answer.device_one_time_keys_count ?? {})),
      new Set(answer.device_unused_fallback_key_types ?? []),
    );
    this.#since = answer.next_batch;
    for (const each of processed) this.#onToDevice(each);
    const room = answer.rooms?.join?.[roomId];
    let changed = false;
    for (const event of [...(room?.state?.events ?? []), ...(room?.timeline?.events ?? [])])
      changed = this.#onState(event) || changed;
    if (changed) this.#onMembers();
  }

  #onState({ type, state_key: key, sender, origin_server_ts: at, content }: StateEvent): boolean {
    if (type !== kMemberEvent || key === undefined) return false;
    const { device_id: deviceId, created_ts: created } = content;
    if (typeof deviceId !== 'string') return this.#members.delete(key);
    this.#members.set(key, { userId: sender, deviceId, since: typeof created === 'number' ? created : at });
    return true;
  }

  #onToDevice(event: ProcessedToDeviceEvent): void {
    if (!('encryptionInfo' in event)) {
      this.#options.onProblem(`${this.name}: a message that cannot be opened`);
      return;
    }
    const { type, sender, content } = JSON.parse(event.rawEvent) as { type: string; sender: string; content: object };
    if (type !== kKeyEvent) return;
    const proven = event.encryptionInfo.senderDevice?.toString();
    const parsed = parseKeyMessage(content, this.#options.roomId, { userId: sender, deviceId: proven });
    if (!parsed) {
      this.#options.onProblem(`${this.name}: a key message that is none`);
      return;
    }
    const { device, key } = parsed;
    const identity = `${device.userId}:${device.deviceId}`;
    if (!this.#received.has(`${identity} ${key.index}`)) this.#received.set(`${identity} ${key.index}`, now());
    this.#sdkTransport.emit(
      'received_keys',
      { ...device, memberId: identity },
      toBase64(key.material),
      key.index,
      Date.now(),
    );
    key.material.fill(0);
  }

  /** What the cryptography wants to send: its keys, questions for devices. One pass at a time. */
  #flush(): Promise<void> {
    this.#outgoing = this.#outgoing
      .catch(() => {})
      .then(async () => {
        for (const request of await this.#machine.outgoingRequests()) {
          const address = {
            [RequestType.KeysUpload]: '/_matrix/client/v3/keys/upload',
            [RequestType.KeysQuery]: '/_matrix/client/v3/keys/query',
            [RequestType.KeysClaim]: '/_matrix/client/v3/keys/claim',
          }[request.type as number];
          if (address === undefined || !('body' in request) || request.id === undefined) continue;
          const answer = await this.#request('POST', address, request.body);
          await this.#machine.markRequestAsSent(request.id, request.type, JSON.stringify(answer));
        }
      });
    return this.#outgoing;
  }

  async #request<T = object>(method: string, path: string, body?: object | string): Promise<T> {
    const { homeserver, account, seen } = this.#options;
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const response = await fetch(`${homeserver}${path}`, {
      method,
      signal: this.#stop.signal,
      headers: {
        authorization: `Bearer ${account.accessToken}`,
        ...(text === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(text === undefined ? {} : { body: text }),
    });
    const answer = await response.text();
    const kind = kindOf(method, path);
    seen.push({
      at: now(),
      user: account.userId,
      kind,
      up: text?.length ?? 0,
      down: answer.length,
      messages: kind === 'to-device' ? messagesIn(text) : 0,
      cpu: 0,
    });
    // The text of a refusal holds no token.
    if (!response.ok) throw new Error(`${kind}: ${response.status} ${answer.slice(0, 200)}`);
    return JSON.parse(answer) as T;
  }
}
