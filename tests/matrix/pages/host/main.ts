/**
 * A Matrix client as far as a widget needs one: signs in, keeps Olm, and shows a widget (genuine Element Call, or our own
 * page) through matrix-widget-api's ClientWidgetApi. `globalThis.widgetHost` is driven by the tests, which can also make it
 * an unreliable postman for media keys.
 */
import {
  ClientEvent,
  createClient,
  Direction,
  type MatrixClient,
  type MatrixEvent,
  MatrixEventEvent,
  RoomStateEvent,
} from 'matrix-js-sdk';
import {
  ClientWidgetApi,
  type IRoomEvent,
  type ISendDelayedEventDetails,
  type ISendEventDetails,
  MatrixWidgetType,
  OpenIDRequestState,
  Widget,
  WidgetDriver,
} from 'matrix-widget-api';

const kKeys = 'io.element.call.encryption_keys';

/** What may happen to a message with a media key on its way out. Returns the messages to send in its place, in order. */
export type KeyFate =
  | { kind: 'deliver' }
  | { kind: 'lose' }
  | { kind: 'delay'; ms: number }
  | { kind: 'repeat'; times: number }
  /** Names another room, as if the key were for a call there. */
  | { kind: 'room'; roomId: string }
  /** Claims to come from another device of the sender. */
  | { kind: 'device'; deviceId: string };

export interface HostSeen {
  capabilities: string[];
  keysSent: { to: string; index: number }[];
  keysReceived: { sender: string; encrypted: boolean; index: number }[];
  actions: string[];
}

export interface WidgetHost {
  seen: HostSeen;
  /** Incoming media keys are not handed to the widget. */
  withholdKeys: boolean;
  keyFate: KeyFate;
  signIn(homeserver: string, userId: string, accessToken: string, deviceId: string): Promise<void>;
  /** Makes a cross-signing identity for this account and signs this device with it, as Element does for everybody. */
  vouch(password: string): Promise<void>;
  /** `url` without parameters; `extra` are added to those that every Element Call gets. */
  open(roomId: string, url: string, extra?: Record<string, string>): Promise<void>;
  /** The same with a URL template of widget variables ($matrix_user_id …), as a room's widget event carries it. */
  openTemplate(roomId: string, template: string): Promise<void>;
  close(): void;
}

declare global {
  var widgetHost: WidgetHost;
}

type Loose = never;
let client: MatrixClient | undefined;
let homeserver = '';

const theClient = (): MatrixClient => {
  if (client === undefined) throw new Error('not signed in');
  return client;
};

interface KeyMessage {
  keys?: { index?: number };
  room_id?: string;
  member?: { claimed_device_id?: string };
}

class Driver extends WidgetDriver {
  constructor(
    private readonly matrix: MatrixClient,
    private readonly roomId: string,
  ) {
    super();
  }

  override async validateCapabilities(requested: Set<string>): Promise<Set<string>> {
    host.seen.capabilities = [...requested];
    return requested;
  }

  override async sendEvent(
    type: string,
    content: unknown,
    stateKey: string | null = null,
    roomId: string | null = null,
  ): Promise<ISendEventDetails> {
    const room = roomId ?? this.roomId;
    const { event_id } =
      stateKey === null
        ? await this.matrix.sendEvent(room, type as Loose, content as Loose)
        : await this.matrix.sendStateEvent(room, type as Loose, content as Loose, stateKey);
    return { roomId: room, eventId: event_id };
  }

  override async sendStickyEvent(
    durationMs: number,
    type: string,
    content: unknown,
    roomId: string | null = null,
  ): Promise<ISendEventDetails> {
    const room = roomId ?? this.roomId;
    const sent = await this.matrix._unstable_sendStickyEvent(room, durationMs, null, type as Loose, content as Loose);
    return { roomId: room, eventId: sent.event_id };
  }

  override async sendDelayedEvent(
    delay: number,
    type: string,
    content: unknown,
    stateKey: string | null = null,
    roomId: string | null = null,
  ): Promise<ISendDelayedEventDetails> {
    const room = roomId ?? this.roomId;
    const { delay_id } =
      stateKey === null
        ? await this.matrix._unstable_sendDelayedEvent(room, { delay }, null, type as Loose, content as Loose)
        : await this.matrix._unstable_sendDelayedStateEvent(room, { delay }, type as Loose, content as Loose, stateKey);
    return { roomId: room, delayId: delay_id };
  }

  override async sendDelayedStickyEvent(
    delay: number,
    durationMs: number,
    type: string,
    content: unknown,
    roomId: string | null = null,
  ): Promise<ISendDelayedEventDetails> {
    const room = roomId ?? this.roomId;
    const { delay_id } = await this.matrix._unstable_sendStickyDelayedEvent(
      room,
      durationMs,
      { delay },
      null,
      type as Loose,
      content as Loose,
    );
    return { roomId: room, delayId: delay_id };
  }

  override async cancelScheduledDelayedEvent(delayId: string): Promise<void> {
    await this.matrix._unstable_cancelScheduledDelayedEvent(delayId);
  }

  override async restartScheduledDelayedEvent(delayId: string): Promise<void> {
    await this.matrix._unstable_restartScheduledDelayedEvent(delayId);
  }

  override async sendScheduledDelayedEvent(delayId: string): Promise<void> {
    await this.matrix._unstable_sendScheduledDelayedEvent(delayId);
  }

  override async sendToDevice(
    type: string,
    encrypted: boolean,
    contents: { [userId: string]: { [deviceId: string]: object } },
  ): Promise<void> {
    const each = Object.entries(contents).flatMap(([userId, devices]) =>
      Object.entries(devices).map(([deviceId, payload]) => ({ userId, deviceId, payload })),
    );
    if (!encrypted) {
      await this.matrix.queueToDevice({ eventType: type, batch: each as Loose });
      return;
    }
    // As Element Web does it: those who get the same get it in one go.
    const groups = new Map<string, { payload: object; to: { userId: string; deviceId: string }[] }>();
    for (const { userId, deviceId, payload } of each) {
      const text = JSON.stringify(payload);
      const group = groups.get(text) ?? { payload, to: [] };
      groups.set(text, group);
      group.to.push({ userId, deviceId });
    }
    for (const { payload, to } of groups.values()) {
      const send = (content: object) => this.matrix.encryptAndSendToDevice(type, to, content as Loose);
      if (type !== kKeys) {
        await send(payload);
        continue;
      }
      const message = payload as KeyMessage;
      for (const { userId, deviceId } of to)
        host.seen.keysSent.push({ to: `${userId}:${deviceId}`, index: message.keys?.index ?? -1 });
      const fate = host.keyFate;
      if (fate.kind === 'deliver') await send(payload);
      else if (fate.kind === 'delay') setTimeout(() => void send(payload), fate.ms);
      else if (fate.kind === 'repeat') for (let i = 0; i < fate.times; i++) await send(payload);
      else if (fate.kind === 'room') await send({ ...message, room_id: fate.roomId });
      else if (fate.kind === 'device')
        await send({ ...message, member: { ...message.member, claimed_device_id: fate.deviceId } });
    }
  }

  override async readRoomState(roomId: string, type: string, key: string | undefined): Promise<IRoomEvent[]> {
    const state = this.matrix.getRoom(roomId)?.getLiveTimeline().getState(Direction.Forward);
    if (!state) return [];
    const events = key === undefined ? state.getStateEvents(type) : [state.getStateEvents(type, key)];
    return events.flatMap((event) => (event ? [raw(event)] : []));
  }

  override async readRoomTimeline(
    roomId: string,
    type: string,
    _msgtype: string | undefined,
    key: string | undefined,
    limit: number,
  ): Promise<IRoomEvent[]> {
    const events = this.matrix.getRoom(roomId)?.getLiveTimeline().getEvents() ?? [];
    return events
      .filter((event) => event.getType() === type && (key === undefined || event.getStateKey() === key))
      .slice(-(limit || 50))
      .map(raw);
  }

  override async readStickyEvents(roomId: string): Promise<IRoomEvent[]> {
    return [...(this.matrix.getRoom(roomId)?._unstable_getStickyEvents() ?? [])].map(raw);
  }

  override async readEventRelations(): Promise<{ chunk: IRoomEvent[] }> {
    return { chunk: [] };
  }

  override askOpenID(observer: Parameters<WidgetDriver['askOpenID']>[0]): void {
    observer.update({ state: OpenIDRequestState.PendingUserConfirmation });
    this.matrix.getOpenIdToken().then(
      (token) => observer.update({ state: OpenIDRequestState.Allowed, token }),
      () => observer.update({ state: OpenIDRequestState.Blocked }),
    );
  }

  override async getRtcTransports(): ReturnType<WidgetDriver['getRtcTransports']> {
    return { rtc_transports: (await this.matrix._unstable_getRTCTransports()) as Loose };
  }

  override async getMediaConfig(): ReturnType<WidgetDriver['getMediaConfig']> {
    return { ...(await this.matrix.getMediaConfig()) };
  }

  override async downloadFile(contentUri: string): ReturnType<WidgetDriver['downloadFile']> {
    const address = this.matrix.mxcUrlToHttp(contentUri, undefined, undefined, undefined, false, true, true);
    const headers = { Authorization: `Bearer ${this.matrix.getAccessToken()}` };
    return { file: await (await fetch(String(address), { headers })).blob() };
  }

  override getKnownRooms(): string[] {
    return this.matrix.getRooms().map(({ roomId }) => roomId);
  }

  override processError(error: unknown): ReturnType<WidgetDriver['processError']> {
    const known = error as { asWidgetApiErrorData?: () => unknown };
    return typeof known?.asWidgetApiErrorData === 'function'
      ? ({ matrix_api_error: known.asWidgetApiErrorData() } as Loose)
      : undefined;
  }
}

const raw = (event: MatrixEvent) => event.getEffectiveEvent() as IRoomEvent;

let stop = () => {};

async function show(roomId: string, template: string): Promise<void> {
  const matrix = theClient();
  for (let tries = 0; !matrix.getRoom(roomId)?.hasEncryptionStateEvent() && tries < 100; tries++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  stop();
  const widget = new Widget({
    id: `widget${Math.random().toString(36).slice(2)}`,
    creatorUserId: matrix.getSafeUserId(),
    type: MatrixWidgetType.Custom,
    url: template,
    waitForIframeLoad: false,
    roomId,
  } as ConstructorParameters<typeof Widget>[0]);
  const iframe = document.createElement('iframe');
  iframe.id = 'widget';
  iframe.allow = 'camera *; microphone *; display-capture *; autoplay *; fullscreen *; clipboard-write *';
  document.getElementById('stage')?.replaceChildren(iframe);
  const api = new ClientWidgetApi(widget, iframe, new Driver(matrix, roomId));
  api.setViewedRoomId(roomId);
  for (const name of [
    'io.element.join',
    'im.vector.hangup',
    'io.element.close',
    'io.element.device_mute',
    'set_always_on_screen',
  ]) {
    api.on(`action:${name}`, (event: CustomEvent) => {
      event.preventDefault();
      host.seen.actions.push(name);
      api.transport.reply(event.detail, (name === 'set_always_on_screen' ? { success: true } : {}) as Loose);
    });
  }
  const feed = (event: MatrixEvent) => {
    if (event.getRoomId() !== roomId || event.isBeingDecrypted() || event.isDecryptionFailure()) return;
    if (event.isEncrypted() && !event.getClearContent()) return;
    api.feedEvent(raw(event)).catch(() => {});
  };
  const feedState = (event: MatrixEvent) => {
    if (event.getRoomId() === roomId) api.feedStateUpdate(raw(event)).catch(() => {});
  };
  const feedDevice = ({ message, encryptionInfo }: { message: Record<string, unknown>; encryptionInfo: unknown }) => {
    if (message.type === kKeys) {
      const content = message.content as KeyMessage;
      host.seen.keysReceived.push({
        sender: String(message.sender),
        encrypted: encryptionInfo !== null && encryptionInfo !== undefined,
        index: content.keys?.index ?? -1,
      });
      if (host.withholdKeys) return;
    }
    api.feedToDevice(message as Loose, !!encryptionInfo).catch(() => {});
  };
  matrix.on(ClientEvent.Event, feed);
  matrix.on(MatrixEventEvent.Decrypted, feed);
  matrix.on(RoomStateEvent.Events, feedState);
  matrix.on(ClientEvent.ReceivedToDeviceMessage, feedDevice as Loose);
  stop = () => {
    matrix.off(ClientEvent.Event, feed);
    matrix.off(MatrixEventEvent.Decrypted, feed);
    matrix.off(RoomStateEvent.Events, feedState);
    matrix.off(ClientEvent.ReceivedToDeviceMessage, feedDevice as Loose);
    api.stop();
    iframe.remove();
    stop = () => {};
  };
  iframe.src = widget.getCompleteUrl({
    widgetRoomId: roomId,
    currentUserId: matrix.getSafeUserId(),
    deviceId: matrix.getDeviceId() ?? '',
    baseUrl: homeserver,
    clientLanguage: 'en',
  } as Parameters<Widget['getCompleteUrl']>[0]);
}

const host: WidgetHost = {
  seen: { capabilities: [], keysSent: [], keysReceived: [], actions: [] },
  withholdKeys: false,
  keyFate: { kind: 'deliver' },
  async signIn(base, userId, accessToken, deviceId) {
    homeserver = base;
    client = createClient({ baseUrl: base, userId, accessToken, deviceId, timelineSupport: true });
    await client.initRustCrypto({ useIndexedDB: false });
    const synced = new Promise<void>((done) => {
      const look = (state: string) => {
        if (state === 'PREPARED' || state === 'SYNCING') done();
      };
      client?.on(ClientEvent.Sync, look);
    });
    await client.startClient({ initialSyncLimit: 50 });
    await synced;
  },
  async vouch(password) {
    const matrix = theClient();
    await matrix.getCrypto()?.bootstrapCrossSigning({
      authUploadDeviceSigningKeys: async (request) => {
        const identifier = { type: 'm.id.user', user: matrix.getSafeUserId() };
        await request({ type: 'm.login.password', identifier, password } as never);
      },
    });
  },
  async open(roomId, url, extra = {}) {
    const parameters = new URLSearchParams({
      roomId,
      userId: theClient().getSafeUserId(),
      deviceId: theClient().getDeviceId() ?? '',
      baseUrl: homeserver,
      lang: 'en',
      theme: 'light',
      intent: 'join_existing',
      skipLobby: 'true',
      perParticipantE2EE: 'true',
      confineToRoom: 'true',
      parentUrl: location.origin + location.pathname,
      ...extra,
    });
    // The widget's own id stays a variable: the class fills it in.
    await show(roomId, `${url}#?widgetId=$matrix_widget_id&${parameters.toString().replaceAll('+', '%20')}`);
  },
  openTemplate: show,
  close: () => stop(),
};
globalThis.widgetHost = host;
document.documentElement.dataset.ready = 'yes';
