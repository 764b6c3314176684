/**
 * The same call inside another Matrix client, as a widget. That client has signed in and does the encryption of the room and of
 * messages to devices; this page gets no access token. It asks for what Element Call asks for, as far as it needs it, and takes
 * the same parameters in its address, so a client that embeds Element Call can embed this.
 *
 * Trust: whose device a key came from is known to the host only; badges say nothing about devices here.
 *
 * Errors: MatrixError 'internal' when the host does not answer.
 */
import {
  createRoomWidgetClient,
  EventType,
  type MatrixClient,
  MemoryStore,
  MsgType,
  type Room,
} from 'matrix-js-sdk/lib/matrix';
import {
  type IRoomEvent,
  type IWidgetApiRequest,
  MatrixCapabilities,
  WidgetApi,
  WidgetApiToWidgetAction,
} from 'matrix-widget-api';
import { cleanName, Emitter, type LocalMedia } from '../call';
import { Avatars } from './avatars';
import { WidgetDeviceMessages } from './devices';
import { MatrixError } from './errors';
import { isRoomAddress, isUserId } from './links';
import { MatrixRoom } from './matrix_room';
import { kKeyEvent } from './media_keys';
import { kMemberEvent } from './own_membership';
import { silentLogger } from './quiet';
import { kReactionEvent } from './reactions';
import { summarize } from './rooms';
import type { MatrixAccount, MatrixAccountEvents, MatrixCall, MatrixCallOptions, RoomSummary } from './types';

const kStartMs = 30_000;

export interface WidgetParameters {
  widgetId: string;
  /** Origin of the host: nobody else is talked to. */
  parentOrigin: string;
  userId: string;
  deviceId: string;
  roomId: string;
  baseUrl: string;
}

/**
 * What a host put into the address, before or after the `#` (Element Call's way: `#?widgetId=…`). Undefined: no widget.
 * Throws MatrixError 'bad-address' when it wants to be one and something is missing.
 */
export function widgetParameters(address: string): WidgetParameters | undefined {
  const url = new URL(address);
  const query = url.hash.includes('?') ? url.hash.slice(url.hash.indexOf('?') + 1) : '';
  const fragment = new URLSearchParams(query);
  const read = (name: string): string => fragment.get(name) ?? url.searchParams.get(name) ?? '';
  const widgetId = read('widgetId');
  const parentUrl = read('parentUrl');
  if (widgetId === '' || parentUrl === '') return undefined;
  const [userId, deviceId, roomId, baseUrl] = [read('userId'), read('deviceId'), read('roomId'), read('baseUrl')];
  try {
    const parentOrigin = new URL(parentUrl).origin;
    const { protocol } = new URL(baseUrl);
    const complete =
      isUserId(userId) && deviceId !== '' && deviceId.length < 256 && roomId.startsWith('!') && isRoomAddress(roomId);
    if (complete && parentOrigin !== 'null' && (protocol === 'https:' || protocol === 'http:'))
      return { widgetId: widgetId.slice(0, 500), parentOrigin, userId, deviceId, roomId, baseUrl };
  } catch {
    // Below.
  }
  throw new MatrixError('bad-address');
}

/** What the host is asked for; it may show the list to the person. */
export function capabilities({ userId, deviceId }: Pick<WidgetParameters, 'userId' | 'deviceId'>) {
  const both = [EventType.Reaction, EventType.RoomRedaction, kReactionEvent, EventType.RTCMembership];
  return {
    sendEvent: both,
    receiveEvent: both,
    sendMessage: [MsgType.Text],
    receiveMessage: [MsgType.Text, MsgType.Emote, MsgType.Notice],
    // With and without the underscore that keeps state of others from being overwritten: depends on the room's version.
    sendState: [userId, `_${userId}_${deviceId}_m.call`, `${userId}_${deviceId}_m.call`].map((stateKey) => ({
      eventType: kMemberEvent,
      stateKey,
    })),
    receiveState: [
      EventType.RoomCreate,
      EventType.RoomName,
      EventType.RoomAvatar,
      EventType.RoomMember,
      EventType.RoomEncryption,
      EventType.RTCSlot,
      kMemberEvent,
    ].map((eventType) => ({ eventType })),
    sendToDevice: [kKeyEvent],
    receiveToDevice: [kKeyEvent],
    sendDelayedEvents: true,
    updateDelayedEvents: true,
    sendSticky: true,
    receiveSticky: true,
    rtcTransports: true,
  };
}

/**
 * matrix-widget-api takes messages from any window that knows ours, so another frame could speak as the host and hand us keys.
 * Only the host's window and origin are heard. Registered before the library's own listener.
 */
export function onlyFrom(host: unknown, origin: string): (event: MessageEvent) => void {
  return (event) => {
    const { api } = (event.data ?? {}) as { api?: unknown };
    if (api !== 'toWidget' && api !== 'fromWidget') return;
    if (event.source !== host || event.origin !== origin) event.stopImmediatePropagation();
  };
}

/** Starts talking to the host. Resolves when the host sent the room's state. */
export async function startWidget(parameters: WidgetParameters, assets: URL): Promise<WidgetAccount> {
  const api = new WidgetApi(parameters.widgetId, parameters.parentOrigin);
  addEventListener('message', onlyFrom(window.parent, parameters.parentOrigin), true);
  // The library writes every message to the console, keys included.
  Object.assign(api.transport, {
    sendInternal: (message: unknown) => window.parent.postMessage(message, parameters.parentOrigin),
  });
  let pushed: IRoomEvent[] = [];
  api.once(
    `action:${WidgetApiToWidgetAction.UpdateState}`,
    (event: CustomEvent<{ data: { state?: IRoomEvent[] } }>) => {
      pushed = event.detail.data.state ?? [];
    },
  );
  api.requestCapability(MatrixCapabilities.AlwaysOnScreen);
  api.requestCapability(MatrixCapabilities.MSC4039DownloadFile);
  const { baseUrl, userId, deviceId, roomId } = parameters;
  const client = createRoomWidgetClient(
    api,
    capabilities(parameters),
    roomId,
    {
      baseUrl,
      userId,
      deviceId,
      timelineSupport: true,
      logger: silentLogger,
      store: new MemoryStore(),
      disableVoip: true,
    },
    true,
  );
  const late = new Promise<never>((_, reject) => setTimeout(() => reject(new MatrixError('internal')), kStartMs));
  late.catch(() => {});
  await Promise.race([client.startClient({ lazyLoadMembers: false }), late]);
  const room = client.getRoom(roomId);
  if (!room) throw new MatrixError('room-not-found');
  // The SDK is ready when the state has come, not when it is in place: until then an encrypted room looks like a clear one.
  const inPlace = ({ type, state_key = '' }: IRoomEvent) => room.currentState.getStateEvents(type, state_key) !== null;
  for (const until = Date.now() + kStartMs; !pushed.filter(({ room_id }) => room_id === roomId).every(inPlace); ) {
    if (Date.now() > until) throw new MatrixError('internal');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return new WidgetAccount(api, client, room, assets);
}

/** One room, given by the host. */
export class WidgetAccount extends Emitter<MatrixAccountEvents> implements MatrixAccount {
  readonly userId: string;
  readonly #avatars: Avatars;
  #rooms: RoomSummary[] = [];
  #stop: Array<() => void> = [];

  constructor(
    private readonly api: WidgetApi,
    private readonly client: MatrixClient,
    private readonly room: Room,
    private readonly assets: URL,
  ) {
    super();
    this.userId = client.getSafeUserId();
    this.#avatars = new Avatars(
      async (mxc) => {
        const { file } = await api.downloadFile(mxc);
        return file instanceof Blob ? file : undefined;
      },
      () => this.emit('change', undefined),
    );
    void this.enter().then((summary) => {
      this.#rooms = [summary];
      this.emit('change', undefined);
    });
  }

  get name(): string {
    return cleanName(this.room.getMember(this.userId)?.rawDisplayName ?? '') || this.userId;
  }
  get rooms(): readonly RoomSummary[] {
    return this.#rooms;
  }

  enter(): Promise<RoomSummary> {
    return summarize(this.room, this.#avatars);
  }

  create(): Promise<RoomSummary> {
    return Promise.reject(new MatrixError('create-failed'));
  }

  call(_id: string, options: MatrixCallOptions): MatrixCall {
    for (const stop of this.#stop.splice(0)) stop();
    const call = new MatrixRoom({
      client: this.client,
      room: this.room,
      messages: new WidgetDeviceMessages(this.client),
      avatars: this.#avatars,
      options,
      assets: this.assets,
      linkBase: 'https://matrix.to/',
      widget: true,
    });
    this.#stop.push(connectHost(this.api, call, options.media));
    return call;
  }

  async signOut(): Promise<void> {
    for (const stop of this.#stop.splice(0)) stop();
    this.#avatars.close();
    this.client.stopClient();
    this.clearListeners();
  }
}

/** Element Call's messages between call and host: joined, hang up, microphone and camera, stay on screen. */
export function connectHost(
  api: Pick<WidgetApi, 'on' | 'off' | 'setAlwaysOnScreen'> & {
    transport: Pick<WidgetApi['transport'], 'send' | 'reply'>;
  },
  call: Pick<MatrixCall, 'phase' | 'leave' | 'on'>,
  media: Pick<LocalMedia, 'talking' | 'camera' | 'setMuted' | 'closeCamera' | 'on'>,
): () => void {
  let joined = false;
  let said = '';
  const mute = (): { audio_enabled: boolean; video_enabled: boolean } => ({
    audio_enabled: media.talking,
    video_enabled: media.camera !== undefined,
  });
  const tell = (action: string, data: Record<string, unknown> = {}): void => {
    void api.transport.send(action as never, data as never).catch(() => {});
  };
  const onPhase = (): void => {
    if (call.phase === 'joined' && !joined) {
      joined = true;
      tell('io.element.join');
      void api.setAlwaysOnScreen(true).catch(() => {});
    } else if (joined && ['left', 'refused', 'replaced', 'failed'].includes(call.phase)) {
      joined = false;
      void api.setAlwaysOnScreen(false).catch(() => {});
      tell('im.vector.hangup');
    }
  };
  const onMedia = (): void => {
    const now = JSON.stringify(mute());
    if (now === said) return;
    said = now;
    tell('io.element.device_mute', mute());
  };
  const answer = (event: CustomEvent<IWidgetApiRequest>, data: Record<string, unknown>): void => {
    event.preventDefault();
    api.transport.reply(event.detail, data as never);
  };
  const onHangup = (event: CustomEvent<IWidgetApiRequest>): void => {
    answer(event, {});
    void call.leave();
  };
  /** The host may turn things off; turning a camera or microphone on takes a click here. The answer says what holds. */
  const onMute = (event: CustomEvent<IWidgetApiRequest>): void => {
    const { audio_enabled: audio, video_enabled: video } = (event.detail.data ?? {}) as {
      audio_enabled?: unknown;
      video_enabled?: unknown;
    };
    if (audio === false) media.setMuted(true);
    if (video === false) media.closeCamera();
    answer(event, mute());
  };
  const stops = [call.on('change', onPhase), media.on('change', onMedia)];
  api.on('action:im.vector.hangup', onHangup);
  api.on('action:io.element.device_mute', onMute);
  return () => {
    for (const stop of stops) stop();
    api.off('action:im.vector.hangup', onHangup);
    api.off('action:io.element.device_mute', onMute);
  };
}
