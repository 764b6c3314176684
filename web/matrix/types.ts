/**
 * What a page, or another program, sees of the Matrix layer: sign-in, rooms and calls. The SDKs stay behind this interface;
 * web/ui imports these types only, so pages can be tested with another implementation, and an upgrade of an SDK touches
 * nothing outside this folder. demo/matrix/main.ts puts the two together.
 *
 * Threads: main. Errors: rejections with a `problem` of MatrixProblem (MatrixError); anything else is shown as 'internal'.
 */
import type { CallRoom, LocalMedia } from '../call';
import type { EngineInfo } from '../media/types';

/** What went wrong, in a form a person can act on. Each has a text in web/ui/i18n. */
export type MatrixProblem =
  | 'bad-server' // not an address
  | 'unknown-server' // no answer
  | 'not-a-homeserver' // an answer, but no Matrix
  | 'insecure-server' // http that is not this computer
  | 'wrong-password'
  | 'wrong-token'
  | 'account-disabled'
  | 'rate-limited'
  | 'sign-in-cancelled' // came back from the identity provider without a result
  | 'sign-in-refused' // the provider, or the homeserver, did not accept it
  | 'sign-in-unasked' // came back without this page having asked: not used
  | 'sign-in-unsupported' // the server offers no way that we know
  | 'no-storage' // the browser lets nothing be kept
  | 'token-expired' // signed out by the server
  | 'crypto-failed' // the SDK's cryptography did not start
  | 'bad-address' // names no room
  | 'room-not-found'
  | 'not-invited'
  | 'room-not-encrypted'
  | 'no-permission' // the room does not let this person take part in calls
  | 'create-failed'
  | 'no-transport' // the homeserver names no media server
  | 'token-service-refused'
  | 'token-service-unreachable'
  | 'sfu-unreachable'
  | 'offline'
  | 'internal';

export interface Homeserver {
  baseUrl: string;
  /** As typed or discovered, for people. */
  name: string;
  password: boolean;
  /** Identity providers of the older sign-in by redirect. `icon`: for MatrixBackend.icon. */
  sso: ReadonlyArray<{ id: string; name: string; icon?: string }>;
  /** The newer one (OAuth 2.0). */
  oidc: boolean;
}

export interface RoomSummary {
  id: string;
  name: string;
  encrypted: boolean;
  /** People in a call there at the moment. */
  inCall: number;
  avatar?: string;
}

export type SignIn =
  | { kind: 'password'; user: string; password: string }
  | { kind: 'token'; token: string }
  | { kind: 'sso'; provider?: string }
  | { kind: 'oidc' };

/** Where the person wanted to go before signing in; survives the way to an identity provider and back. */
export interface MatrixTarget {
  /** Alias, id, or a link of any kind that names a room. */
  room: string;
  server?: string;
  via?: readonly string[];
}

export interface MatrixCallOptions {
  media: LocalMedia;
  /** The person saw that the room is not encrypted, and wants to join all the same. */
  allowUnencryptedRoom?: boolean;
  /** Default: what this person chose last, as far as that is kept; else vp8, which every member's browser can show. */
  codec?: VideoCodec;
  /** Default compatibility. */
  mode?: CallMode;
}

/** How video is coded that this person sends. */
export type VideoCodec = 'vp8' | 'vp9' | 'h264';

/**
 * How membership is announced. compatibility: state events, what Element Call uses by default. matrix_2_0: sticky events
 * (MSC4354) and hashed media server identities; the homeserver and the other members must know them.
 */
export type CallMode = 'compatibility' | 'matrix_2_0';

/** A call that can be joined. `join` and everything after reports through `phase` and `problem`. */
export interface MatrixCall extends CallRoom {
  readonly ready: Promise<EngineInfo>;
  readonly problem: MatrixProblem | undefined;
  /** Link for other members. */
  readonly link: string;
  /** Codings that this browser can send; vp8 is always among them. */
  readonly codecs: readonly VideoCodec[];
  /** What this call sends. Can be set until `join`, to one of `codecs`; anything else is ignored. */
  codec: VideoCodec;
  /** Call from a click. */
  join(): Promise<void>;
  retryNow(): void;
}

/** What the cryptography says about this person's own account and this device. */
export type OwnDevice =
  | 'unknown' // not looked up yet, or the homeserver did not answer
  | 'no-identity' // the account has no cross-signing identity: none of its devices can be verified
  | 'unverified' // it has one, and it did not sign this device
  | 'verified'; // it signed this device, and this device trusts it

export type VerificationProblem =
  | 'wrong-recovery-key' // opens nothing
  | 'no-recovery' // nothing is kept at the homeserver that a recovery key could open
  | 'other-identity' // it opens keys that are not those of the account as it is now
  | 'password-needed'
  | 'wrong-password'
  | 'set-up-elsewhere' // a part of it exists already: another client has to finish it
  | 'no-other-device'
  | 'own-first' // this device has to be verified before it can vouch for somebody
  | 'peer-first' // the other person's device is not signed by its owner
  | 'busy' // another comparison is going on
  | 'offline'
  | 'internal';

/** How a comparison ended. Only 'done' verified anything. */
export type ComparisonEnd =
  | 'done'
  | 'cancelled' // by this person
  | 'declined' // by the other side
  | 'mismatch' // one of the two said that the symbols differ, or the keys did not match
  | 'timeout'
  | 'elsewhere' // answered on another device of this person
  | 'unsupported' // the other device cannot compare symbols
  | 'failed';

export type ComparisonPhase =
  | 'incoming' // the other side asks; accept() or cancel()
  | 'waiting' // for the other side to accept
  | 'preparing' // keys are exchanged
  | 'compare' // `symbols` or `numbers` are to be compared; confirm() or mismatch()
  | 'confirmed' // this person said they match; waiting for the other side
  | 'ended'; // see `end`

/**
 * Two devices that show the same seven symbols (Matrix: m.sas.v1). People compare them over a channel that the servers do not
 * control: by looking, or in the call. Nothing is verified before both said that they match.
 */
export interface Comparison {
  readonly kind: 'own-device' | 'person';
  readonly incoming: boolean;
  readonly phase: ComparisonPhase;
  /** Cannot be accepted: this device has to be verified before it can vouch for a person. */
  readonly blocked: boolean;
  readonly end: ComparisonEnd | undefined;
  /** Of the other person; of the other device when it is one's own. */
  readonly name: string;
  /** `@user:server`, never chosen freely; with the device's id where that is known. */
  readonly address: string;
  readonly device: string;
  /** Seven, with their English names as the specification has them. Empty before, and where only numbers can be compared. */
  readonly symbols: ReadonlyArray<{ symbol: string; name: string }>;
  readonly numbers: readonly number[];
  accept(): void;
  confirm(): void;
  mismatch(): void;
  /** Also declines. Tells the other side. */
  cancel(): void;
}

/** A new identity that was made up and is not in use yet: nothing was sent. Exactly one of finish or drop ends it. */
export interface NewIdentity {
  /** Opens the identity's private keys on other devices. Shown to the person once; kept nowhere by this page. */
  readonly recoveryKey: string;
  /**
   * Publishes the identity, keeps its private keys encrypted at the homeserver, signs this device.
   * @param password for homeservers that ask for it; rejects with 'password-needed' or 'wrong-password', then call it again
   */
  finish(password?: string): Promise<void>;
  /** Forgets the key. */
  drop(): void;
}

/**
 * Verifying this device and other people. States come from the SDK's cryptography alone. Errors: VerificationError.
 * Ownership: belongs to the account and ends with it.
 */
export interface Verification {
  readonly own: OwnDevice;
  /** Resolves when `own` was looked up, or after a few seconds. Never rejects. */
  readonly ready: Promise<void>;
  /** The account's private keys are at the homeserver, encrypted: a recovery key opens them. */
  readonly hasRecovery: boolean;
  /** ... or a phrase that the person chose. */
  readonly hasPhrase: boolean;
  /** Another device of this account is signed in and verified. */
  readonly hasOtherDevice: boolean;
  /** This device can vouch for other people: it is verified and holds the keys for that. */
  readonly canVouch: boolean;
  /** The one that goes on, also one that came in; stays after its end until `dismiss`. */
  readonly comparison: Comparison | undefined;
  on(kind: 'change', listener: () => void): () => void;
  /** Verifies this device. Input is a recovery key or, with `hasPhrase`, the phrase. It is used once and not kept. */
  recover(input: string): Promise<void>;
  /** For accounts in the state 'no-identity'. */
  newIdentity(): Promise<NewIdentity>;
  /** Asks the account's other devices. */
  compareOwn(): Promise<void>;
  /** Asks the device of a member of the call. `member` is a member's id. */
  compareMember(member: string): Promise<void>;
  dismiss(): void;
}

export interface MatrixAccountEvents {
  /** Rooms, name or picture changed. */
  change: undefined;
  /** Signed out by the server or another device; everything here is wiped. */
  ended: MatrixProblem | undefined;
}

export interface MatrixAccount {
  readonly userId: string;
  readonly name: string;
  readonly rooms: readonly RoomSummary[];
  /** Page of the homeserver's account service, where it has one: devices, password, profile. */
  readonly manageUrl?: string | undefined;
  /** Undefined in a widget: there the client around it has the keys. */
  readonly verification?: Verification;
  on<K extends keyof MatrixAccountEvents>(kind: K, listener: (event: MatrixAccountEvents[K]) => void): () => void;
  /** Joins it if need be. The room's id. */
  enter(target: MatrixTarget): Promise<RoomSummary>;
  /** A new encrypted room; `invite` are user ids. */
  create(name: string, invite: readonly string[]): Promise<RoomSummary>;
  /** Starts the engine; nothing is sent before `join`. */
  call(room: string, options: MatrixCallOptions): MatrixCall;
  /** Removes the device at the homeserver and everything kept here. */
  signOut(): Promise<void>;
}

export interface MatrixBackend {
  /** Widget of another Matrix client: no signing in, one room, given from outside. */
  readonly widget: boolean;
  discover(server: string): Promise<Homeserver>;
  /** Homeserver of a sign-in by redirect that brought no result, so that nobody has to type it again. */
  readonly lastServer: string | undefined;
  /** Picture of an identity provider as a data: address; asked of the homeserver only. Never rejects. */
  icon(server: Homeserver, icon: string): Promise<string | undefined>;
  /** For sso and oidc the page is left; what comes back is found by `resume`. Never resolves then. */
  signIn(
    server: Homeserver,
    how: SignIn,
    options: { remember: boolean; target?: MatrixTarget },
  ): Promise<MatrixAccount>;
  /**
   * At the start of the page: finishes a sign-in by redirect, or takes up a kept session, or is a widget. `problem`: a sign-in
   * came back that nobody asked for; the kept session goes on.
   * `kept`: this device was signed in before.
   */
  resume(): Promise<
    { account: MatrixAccount; target?: MatrixTarget; problem?: MatrixProblem; kept?: boolean } | undefined
  >;
}

export interface MatrixBackendOptions {
  /** Folder with the worker and the .wasm files; same origin. Default: `../assets/` as seen from this module. */
  assets?: string | URL;
  /** Page that identity providers send people back to; must not contain a fragment. Default: this page. */
  redirect?: string | URL;
  /** Shown by the homeserver in its list of devices. */
  deviceName?: string;
  /** Start of the links that `MatrixCall.link` gives out; `#/room/…` is added. Default: this page. */
  linkBase?: string | URL;
}
