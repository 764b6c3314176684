/**
 * A call as a page sees it, wherever it takes place: the local room, a Matrix room, a Jitsi conference. web/ui draws
 * nothing else. What only some calls can do is optional: a page offers it when it is there.
 *
 * Threads: main. Everything shown comes from here; `change` says that some property changed. Errors: `phase`, `failure`.
 */
import type { TrackCounters } from '../media/types';
import type { Badge, Numbers } from './badge';

/** What a member can send at a time; each lane is at most one track. */
export const kLanes = ['audio', 'video', 'screen', 'screen-audio'] as const;
export type Lane = (typeof kLanes)[number];
export const laneKind = (lane: Lane): 'audio' | 'video' =>
  lane === 'audio' || lane === 'screen-audio' ? 'audio' : 'video';

/** What a member says of themselves. Never decides whether anything is opened or played. */
export interface Presence {
  /** Microphone on (not muted). */
  audio: boolean;
  /** Camera on. */
  video: boolean;
  screen: boolean;
  screenAudio: boolean;
  hand: boolean;
}

/** What is known about the device that holds this member's keys; calls without device identities have none. */
export type Trust =
  | 'verified' // cross-signed, and this person verified the owner
  | 'known' // cross-signed by its owner, who was not verified by this person
  | 'uncompared' // its keys came through the server, and codes were not compared
  | 'unverified' // not signed by its owner: anybody who controls the account or its server could have added it
  | 'changed'; // the owner's identity changed since it was first seen

export interface Member {
  id: string;
  name: string;
  /** Distinguishes two members whose names look alike; else empty. */
  mark: string;
  state: Presence | undefined;
  badge: Badge;
  numbers: Numbers;
  tracks: readonly TrackCounters[];
  streams: ReadonlyMap<Lane, MediaStream>;
  connected: boolean;
  /** Object URL of a picture that the call owns and revokes. */
  avatar?: string;
  /** Who this is in the network that the call uses, e.g. `@user:server`; shown in the details. */
  address?: string;
  trust?: Trust;
  /** Coding of this member's video, when this browser cannot show it, e.g. `H264`. */
  unplayable?: string;
  /** Emoji that this member sent a moment ago. */
  reaction?: string;
}

/** Things a person has to know because they touch who can listen. Each kind has a text in web/ui/i18n. */
export type WarningKind =
  | 'clear-media' // frames that were not encrypted came in under a member's name: refused
  | 'claimed-clear' // the server says that a member's track is not encrypted: ignored
  | 'keys-without-membership' // somebody who is not in the call sent or holds keys
  | 'membership-without-keys' // in the call for a while, no key came
  | 'unknown-identity' // the media server shows somebody who is not in the call: not shown, gets no keys
  | 'unverified-device' // a member's device is not signed by its owner
  | 'changed-identity' // a member's cryptographic identity changed
  | 'own-device' // this person's own device is not verified: the others see it as such
  | 'new-device' // a member came with a device that this person had not seen before
  | 'room-not-encrypted' // names, chat and who is here are readable by the server
  | 'open-to-operator' // the person let people without end-to-end encryption in: the operator can hear and see
  | 'without-e2ee' // a member's client does no end-to-end encryption
  | 'asked-clear' // a member's presence, or the server in its name, says that encryption is off: nothing changed here
  | 'hidden-listener' // somebody whom stock clients do not show is in the call and gets keys
  | 'forged-key' // a message about keys did not verify, or came twice: not used
  | 'claimed-source'; // a stream was claimed for two members: the second claim is refused

export interface Warning {
  /** Same id: same matter; shown once, removed when it is over. */
  id: string;
  kind: WarningKind;
  /** Who it is about; empty for the whole call. */
  name: string;
  /** Id of the member, where there is something to do about it. */
  member?: string;
  /** Milliseconds since 1970. */
  at: number;
}

export interface ChatMessage {
  id: string;
  /** Of the sender; '' for this person. */
  member: string;
  name: string;
  text: string;
  at: number;
  /** sending: not confirmed; failed: can be sent again; unreadable: its key is not there; sealed or clear by `encrypted`. */
  state: 'sent' | 'sending' | 'failed' | 'unreadable';
  edited: boolean;
  encrypted: boolean;
}

/** sealed: to those whose client can; everyone: readable by the server as well. */
export type ChatAudience = 'sealed' | 'everyone';

/** Chat of the call. Newest last. */
export interface Chat {
  readonly messages: readonly ChatMessage[];
  /** Received since `markRead()`. */
  readonly unread: number;
  /** Rejects nothing: a failed message stays in `messages` as failed. At most `maxLength` characters. */
  send(text: string): Promise<void>;
  retry(id: string): Promise<void>;
  markRead(): void;
  readonly maxLength: number;
  /** Calls in which not everybody can read sealed messages: to whom the next one goes. */
  readonly audience?: ChatAudience;
  setAudience?(audience: ChatAudience): void;
  /** Members who cannot read what is sealed; empty: everybody can. */
  readonly unreached?: readonly string[];
}

export type CallPhase =
  | 'idle'
  | 'joining'
  | 'unreachable' // the server did not answer yet; trying again
  | 'joined'
  | 'away' // in the call, signalling lost: media goes on, nobody new can come; trying again
  | 'reconnecting' // media lost, trying again
  | 'refused' // see the room's own `refusal`
  | 'replaced' // another tab took over
  | 'failed' // the engine is gone: nothing is sent or played; see `failure`
  | 'left';

export interface CallEvents {
  change: undefined;
  joined: Member;
  left: { id: string; name: string };
  /** Local room: somebody is here with another link. */
  stranger: Member;
  /** A new security warning; the standing ones are in `warnings`. */
  warning: Warning;
  message: ChatMessage;
  reaction: { id: string; name: string; emoji: string };
}

/** What this person may do about a member, e.g. as a moderator. Each has a text in web/ui/i18n. */
export type MemberAction = 'mute' | 'stop-camera' | 'allow-audio' | 'allow-video' | 'make-moderator' | 'remove';

export interface CallRoom {
  readonly phase: CallPhase;
  /** Why the call had to stop, when `phase` is 'failed'; a key of web/ui/i18n `fail`. */
  readonly failure: string | undefined;
  /** Own member id; '' before joining. */
  readonly me: string;
  readonly name: string;
  readonly handRaised: boolean;
  readonly members: Member[];
  /** Of the whole call: the worst of all. */
  readonly badge: Badge;
  /** Names of people who left and could still open what is sealed at this moment (until the new key is in use). */
  readonly mayListen: string[];
  /** How long the last such window lasted in ms, from leaving to the new key in use; undefined before the first. */
  readonly lastExposure?: number | undefined;
  readonly ownNumbers: Numbers;
  readonly ownTracks: readonly TrackCounters[];
  readonly warnings?: readonly Warning[];
  readonly chat?: Chat;
  /** Member whom the media server or the call regards as speaking most; only a hint for the layout. */
  readonly activeSpeaker?: string;
  /**
   * How large the picture of a member's lane is drawn, in device pixels; 0 × 0: nowhere. Calls over a media server receive
   * no more than that and nothing of what is not drawn; others ignore it. Without a word about a lane the call guesses.
   * Cheap enough for every change of layout, but not for every frame of an animation.
   */
  show?(member: string, lane: Lane, width: number, height: number): void;
  raiseHand(up: boolean): void;
  react?(emoji: string): void;
  /** Emoji offered by `react`. */
  readonly reactions?: readonly string[];
  /** Empty or missing: nothing. */
  actionsFor?(member: string): readonly MemberAction[];
  /** Rejects when the server said no. */
  act?(member: string, action: MemberAction): Promise<void>;
  leave(options?: { keepMedia?: boolean }): Promise<void>;
  on<K extends keyof CallEvents>(kind: K, listener: (event: CallEvents[K]) => void): () => void;
}
