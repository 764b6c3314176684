/**
 * The components of the page with a call, an account and a homeserver that are made up: as many people as wanted, with
 * names, pictures and troubles as wanted, without servers. For looking at, and for what a program can check of the look.
 */

import type {
  Badge,
  CallEvents,
  CallPhase,
  CallRoom,
  Chat,
  ChatMessage,
  Lane,
  Member,
  Numbers,
  Warning,
} from '../../../../web/call';
import { Emitter, LocalMedia } from '../../../../web/call';
import { parseAddress } from '../../../../web/jitsi/address';
import type {
  JitsiBackend,
  JitsiCall,
  JitsiNotice,
  JitsiPrivacy,
  JitsiProblem,
  JitsiStage,
  Knocker,
  SasState,
} from '../../../../web/jitsi/types';
import type {
  Homeserver,
  MatrixAccount,
  MatrixAccountEvents,
  MatrixBackend,
  MatrixCall,
  MatrixProblem,
  RoomSummary,
  VideoCodec,
} from '../../../../web/matrix/types';
import { SiegelCall } from '../../../../web/ui/call';
import { SiegelJitsiApp } from '../../../../web/ui/jitsi_app';
import { wakeAudio } from '../../../../web/ui/level_meter';
import { SiegelMatrixApp } from '../../../../web/ui/matrix_app';

/** One made-up person; everything that is left out is good. */
export interface Actor {
  name: string;
  mark?: string;
  camera?: boolean;
  avatar?: boolean;
  muted?: boolean;
  hand?: boolean;
  speaking?: boolean;
  screen?: boolean;
  reaction?: string;
  badge?: Badge;
}

export interface Scene {
  people: Actor[];
  /** This person's own name, camera and screen. */
  name?: string;
  camera?: boolean;
  share?: boolean;
  warnings?: Warning[];
  mayListen?: string[];
  phase?: CallPhase;
}

/** What a test sets of a made-up Jitsi call. */
export interface JitsiState {
  stage: JitsiStage;
  problem: JitsiProblem | undefined;
  phase: CallPhase;
  moderator: boolean;
  knockers: Knocker[];
  lobbyOn: boolean;
  locked: boolean;
  allowed: { audio: boolean; video: boolean };
  privacy: JitsiPrivacy;
  withoutE2ee: string[];
  sas: SasState | undefined;
  notices: JitsiNotice[];
  warnings: Warning[];
}

declare global {
  var screens: {
    /** What the page told the call with `show`, the latest for each: 'video @ada' → '640 x 368'. */
    shown: Record<string, string>;
    call(scene: Scene): Promise<void>;
    say(name: string, text: string): void;
    app(): void;
    /** The Jitsi page with a made-up call; `address`: as the address bar names it. */
    jitsi(address?: string): void;
    /** Changes the made-up Jitsi call. */
    jitsiBecomes(state: Partial<JitsiState>): void;
    /** What the page asked of it, newest last. */
    asked: string[];
  };
}

const kNoNumbers: Numbers = {
  frames: 1840,
  passed: 1834,
  rejected: {},
  empty: 0,
  bytes: 4_200_000,
  microsPerFrame: 8.2,
  viaWebCrypto: 0,
  keyIndex: 3,
  generation: 0,
  codecs: ['opus', 'vp8'],
};

/** A moving picture without a camera: a face of sorts on a colour of its own. */
function picture(seed: number, screen = false): MediaStream {
  const canvas = document.createElement('canvas');
  canvas.width = screen ? 1280 : 640;
  canvas.height = screen ? 800 : 360;
  const context = canvas.getContext('2d');
  let frame = 0;
  const draw = () => {
    if (!context) return;
    frame++;
    context.fillStyle = screen ? '#fdfdfb' : `hsl(${(seed * 67) % 360} 30% 62%)`;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = screen ? '#223' : `hsl(${(seed * 67 + 20) % 360} 35% 30%)`;
    if (screen) {
      context.font = '34px sans-serif';
      for (let i = 0; i < 16; i++)
        context.fillText(`${i + 1}.  Agenda of the meeting, point ${i + 1}`, 60, 70 + i * 44);
    } else {
      context.beginPath();
      context.arc(320, 150 + 4 * Math.sin(frame / 5), 70, 0, 7);
      context.ellipse(320, 360, 150, 120, 0, 0, 7);
      context.fill();
    }
    context.fillRect((frame * 7) % canvas.width, 0, 12, 6);
  };
  draw();
  setInterval(draw, 100);
  return canvas.captureStream(10);
}

let audio: AudioContext | undefined;
function tone(): MediaStream {
  audio ??= new AudioContext();
  const source = audio.createOscillator();
  const out = audio.createMediaStreamDestination();
  source.connect(out);
  source.start();
  return out.stream;
}

function avatar(seed: number): string {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 96;
  const context = canvas.getContext('2d');
  if (context) {
    context.fillStyle = `hsl(${seed * 50} 60% 55%)`;
    context.fillRect(0, 0, 96, 96);
    context.fillStyle = '#fff';
    context.fillRect(24, 24, 48, 48);
  }
  return canvas.toDataURL();
}

class MadeUpChat extends Emitter<{ change: undefined }> implements Chat {
  messages: ChatMessage[] = [];
  unread = 0;
  readonly maxLength = 4000;
  async send(text: string): Promise<void> {
    this.add('', 'You', text);
  }
  async retry(): Promise<void> {}
  markRead(): void {
    this.unread = 0;
  }
  add(member: string, name: string, text: string): ChatMessage {
    const message: ChatMessage = {
      id: String(this.messages.length),
      member,
      name,
      text,
      at: Date.now(),
      state: 'sent',
      edited: false,
      encrypted: true,
    };
    this.messages = [...this.messages, message];
    if (member) this.unread++;
    return message;
  }
}

class MadeUpRoom extends Emitter<CallEvents> implements CallRoom {
  readonly failure = undefined;
  readonly me = 'me';
  readonly name: string;
  handRaised = false;
  readonly members: Member[];
  readonly mayListen: string[];
  readonly ownNumbers = kNoNumbers;
  readonly ownTracks = [];
  readonly warnings: Warning[];
  readonly chat = new MadeUpChat();
  readonly reactions = ['👍', '🎉', '👏', '❤️', '😂', '🤔'];
  readonly phase: CallPhase;

  constructor(scene: Scene) {
    super();
    this.name = scene.name ?? 'Ada Lovelace';
    this.phase = scene.phase ?? 'joined';
    this.mayListen = scene.mayListen ?? [];
    this.warnings = scene.warnings ?? [];
    this.members = scene.people.map((actor, i) => {
      const streams = new Map<Lane, MediaStream>();
      if (actor.camera) streams.set('video', picture(i + 1));
      if (actor.screen) streams.set('screen', picture(i + 1, true));
      if (actor.speaking) streams.set('audio', tone());
      return {
        id: `@${i}:example.org|DEVICE`,
        name: actor.name,
        mark: actor.mark ?? '',
        state: {
          audio: !actor.muted,
          video: actor.camera ?? false,
          screen: actor.screen ?? false,
          screenAudio: false,
          hand: actor.hand ?? false,
        },
        badge: actor.badge ?? { level: 'green', cause: 'verified' },
        numbers: kNoNumbers,
        tracks: [],
        streams,
        connected: true,
        address: `@${i}:example.org`,
        trust: 'known',
        ...(actor.avatar ? { avatar: avatar(i) } : {}),
        ...(actor.reaction ? { reaction: actor.reaction } : {}),
      };
    });
  }

  get badge(): Badge {
    return this.members.find(({ badge }) => badge.level !== 'green')?.badge ?? { level: 'green', cause: 'verified' };
  }
  show(member: string, lane: Lane, width: number, height: number): void {
    screens.shown[`${lane} ${member}`] = `${width} x ${height}`;
  }
  tell<K extends keyof CallEvents>(kind: K, event: CallEvents[K]): void {
    this.emit(kind, event);
  }
  raiseHand(up: boolean): void {
    this.handRaised = up;
    this.emit('change', undefined);
  }
  react(): void {}
  async leave(): Promise<void> {}
}

let room: MadeUpRoom | undefined;

class MadeUpCall extends MadeUpRoom implements MatrixCall {
  readonly ready = Promise.resolve({ variant: 'simd' as const, version: '', buildId: '' }) as never;
  problem: MatrixProblem | undefined;
  readonly codecs = ['vp8', 'vp9', 'h264'] as const;
  #codec: VideoCodec = 'vp8';
  get codec(): VideoCodec {
    return this.#codec;
  }
  set codec(codec: VideoCodec) {
    this.#codec = codec;
    this.tell('change', undefined);
  }
  readonly link = 'https://calls.example.org/matrix/#/room/x';
  override phase: CallPhase = 'idle';
  async join(): Promise<void> {
    this.phase = 'joined';
    this.emit('change', undefined);
  }
  retryNow(): void {}
  override async leave(): Promise<void> {
    this.phase = 'left';
  }
}

const kRooms: RoomSummary[] = [
  { id: '!a:x', name: 'Weekly meeting', encrypted: true, inCall: 3 },
  { id: '!b:x', name: 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerk: Abstimmung', encrypted: true, inCall: 1 },
  { id: '!c:x', name: 'فريق التصميم', encrypted: true, inCall: 0 },
  { id: '!d:x', name: 'Town square', encrypted: false, inCall: 0 },
];

class MadeUpAccount extends Emitter<MatrixAccountEvents> implements MatrixAccount {
  readonly userId = '@ada:example.org';
  readonly name = 'Ada Lovelace';
  readonly rooms = kRooms;
  async enter(): Promise<RoomSummary> {
    throw Object.assign(new Error(), { problem: 'room-not-found' });
  }
  async create(name: string): Promise<RoomSummary> {
    return { id: '!new:x', name, encrypted: true, inCall: 0 };
  }
  call(): MatrixCall {
    return new MadeUpCall({ people: [{ name: 'Bert', camera: true }, { name: 'Cleo' }] });
  }
  async signOut(): Promise<void> {
    this.emit('ended', undefined);
  }
}

class MadeUpBackend implements MatrixBackend {
  readonly widget = false;
  readonly lastServer = undefined;
  async icon(): Promise<undefined> {
    return undefined;
  }
  async discover(server: string): Promise<Homeserver> {
    if (!server.includes('.')) throw Object.assign(new Error(), { problem: 'unknown-server' });
    return { baseUrl: `https://${server}`, name: server, password: true, sso: [{ id: '', name: '' }], oidc: true };
  }
  async signIn(): Promise<MatrixAccount> {
    return new MadeUpAccount();
  }
  async resume(): Promise<undefined> {
    return undefined;
  }
}

class MadeUpJitsiCall extends MadeUpRoom implements JitsiCall {
  readonly ready = Promise.resolve({ variant: 'simd' as const, version: '', buildId: '' }) as never;
  readonly address = parseAddress('https://meet.example.org/Weekly');
  stage: JitsiStage = 'idle';
  problem: JitsiProblem | undefined;
  override phase: CallPhase = 'idle';
  moderator = false;
  knockers: Knocker[] = [];
  lobbyOn = false;
  locked = false;
  allowed = { audio: true, video: true };
  moderation = { audio: false, video: false };
  privacy: JitsiPrivacy = 'sealed';
  withoutE2ee: string[] = [];
  sas: SasState | undefined;
  notices: JitsiNotice[] = [];
  override warnings: Warning[] = [];
  readonly typing = new Map<string, string>();
  #say(text: string): void {
    screens.asked.push(text);
    this.emit('change', undefined);
  }
  async join(name: string): Promise<void> {
    this.phase = 'joining';
    this.stage = 'connecting';
    this.#say(`join ${name}`);
  }
  enterPassword = (password: string): void => this.#say(`password ${password.length}`);
  knock = (): void => this.#say('knock');
  isModerator = (): boolean => false;
  admit = (id: string): void => this.#say(`admit ${id}`);
  deny = (id: string): void => this.#say(`deny ${id}`);
  async setLobby(on: boolean): Promise<void> {
    this.lobbyOn = on;
    this.#say(`lobby ${on}`);
  }
  async setPassword(password: string): Promise<void> {
    this.locked = password !== '';
    this.#say(`lock ${password.length}`);
  }
  async muteMember(): Promise<void> {}
  async kick(): Promise<void> {}
  async makeModerator(): Promise<void> {}
  async setModeration(kind: 'audio' | 'video', on: boolean): Promise<void> {
    this.moderation = { ...this.moderation, [kind]: on };
    this.#say(`moderation ${kind} ${on}`);
  }
  allow(): void {}
  actionsFor = () => (this.moderator ? (['mute', 'stop-camera', 'make-moderator', 'remove'] as const) : []);
  async act(member: string, action: string): Promise<void> {
    this.#say(`${action} ${member}`);
    if (action === 'stop-camera') throw new Error('refused');
  }
  async setPrivacy(privacy: JitsiPrivacy): Promise<void> {
    this.privacy = privacy;
    this.#say(`privacy ${privacy}`);
  }
  startVerification = (member: string): void => this.#say(`verify ${member}`);
  answerVerification = (matches: boolean): void => this.#say(`answer ${matches}`);
  cancelVerification = (): void => this.#say('cancel');
  async setMediaKey(): Promise<void> {}
  takeNotices = (): JitsiNotice[] => this.notices.splice(0);
  sendTyping(): void {}
  override async leave(): Promise<void> {
    this.phase = 'left';
    this.stage = 'left';
  }
}

let jitsiCall: MadeUpJitsiCall | undefined;
const jitsiBackend: JitsiBackend = {
  parseAddress,
  createCall: () => {
    jitsiCall = new MadeUpJitsiCall({
      people: [
        { name: 'Bert', camera: true },
        { name: 'Margarethe Freifrau von Hohenstein-Wittgenstein', muted: true, hand: true },
        { name: 'Cleo', badge: { level: 'red', cause: 'cannot-seal' } },
      ],
    });
    return jitsiCall;
  },
};

globalThis.screens = {
  shown: {},
  asked: [],
  jitsi(address) {
    const app = new SiegelJitsiApp();
    app.backend = jitsiBackend;
    app.address = address;
    document.body.replaceChildren(app);
  },
  jitsiBecomes(state) {
    if (!jitsiCall) return;
    Object.assign(jitsiCall, state);
    jitsiCall.tell('change', undefined);
  },
  async call(scene) {
    screens.shown = {};
    wakeAudio();
    const media = new LocalMedia();
    if (scene.camera) await media.openBoth();
    if (scene.share) {
      navigator.mediaDevices.getDisplayMedia = async () => picture(9, true);
      await media.shareScreen();
    }
    room = new MadeUpRoom(scene);
    const call = new SiegelCall();
    call.room = room;
    call.media = media;
    call.link = () => 'https://calls.example.org/matrix/#/room/x';
    call.openLink = false;
    document.body.replaceChildren(call);
    await call.updateComplete;
    room.tell('change', undefined);
  },
  say(name, text) {
    const message = room?.chat.add('@0:example.org|DEVICE', name, text);
    if (message) room?.tell('message', message);
    room?.tell('change', undefined);
  },
  app() {
    const app = new SiegelMatrixApp();
    app.backend = new MadeUpBackend();
    document.body.replaceChildren(app);
  },
};
document.documentElement.dataset.ready = 'yes';
