/**
 * The servers of a Matrix call for tests and for people: Synapse, LiveKit, a token service, all on loopback, all real.
 *
 * Every server is ended by its own process id: by `close()`, when this process exits, and by the kernel when this process
 * is killed. Keep the result in one thread; start a second stack for a second set of servers (ports are free ones unless
 * asked otherwise). Programs come from `tools/setup.sh matrix`.
 */

import type { ParticipantInfo, SignalRequest, SignalResponse } from '@livekit/protocol';
import type { RoomServiceClient } from 'livekit-server-sdk';
import type { RunningServer } from '../../../tools/serve.mjs';

/** A server that can be stopped and started again on the same port with the same data. */
export interface StackServer {
  readonly running: boolean;
  /** Resolves when it answers; throws with the end of its log otherwise. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface ProcessServer extends StackServer {
  readonly pid: number | null;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Last lines of its log. */
  tail(lines?: number): string;
}

export interface LiveKit extends ProcessServer {
  /** For clients (ws://localhost:…) and for this machine (http://127.0.0.1:…). */
  readonly url: string;
  readonly http: string;
  readonly ports: { signal: number; udp: number };
  readonly rooms: RoomServiceClient;
  makeRoom(room: string): Promise<void>;
  /**
   * A token for any identity: what a media server's operator can always make. Lasts an hour unless told otherwise. `hidden`:
   * nobody in the room is told of this participant.
   */
  token(identity: string, room: string, ttlSeconds?: number, options?: { hidden?: boolean }): Promise<string>;
}

export interface TokenService extends StackServer {
  readonly url: string;
  /** Counts by "path status", e.g. "/sfu/get 200". */
  readonly answered: Map<string, number>;
}

export interface SeenSignal {
  identity: string;
  way: 'up' | 'down';
  kind: string;
}

/** Sees and changes the signalling between browsers and the media server, as a hostile media server could. */
export interface SfuProxy extends StackServer {
  readonly url: string;
  /** Return what to pass on: the message (may be changed in place), several, or null to drop it. */
  onResponse:
    | ((message: SignalResponse, from: { identity: string; path: string }) => SignalResponse | SignalResponse[] | null)
    | null;
  onRequest:
    | ((message: SignalRequest, from: { identity: string; path: string }) => SignalRequest | SignalRequest[] | null)
    | null;
  seen: SeenSignal[];
  /** Breaks every signalling connection. */
  cut(): void;
}

/** An OpenID provider (npm package oidc-provider) with a page for signing in and one for allowing. */
export interface OpenIdServer extends ProcessServer {
  readonly id: string;
  /** Name that people see. */
  readonly title: string;
  readonly url: string;
  readonly http: string;
  /** Returns the password. An existing user is changed. */
  addUser(name: string, options?: { displayName?: string; password?: string }): Promise<string>;
}

/**
 * The authorization server of a homeserver that leaves sign-in to one. It stands in for the Matrix Authentication Service
 * around the same provider.
 */
export interface AuthServer extends OpenIdServer {
  /** A token that does not expire, with a device; a random one unless named. */
  token(name: string, device?: string): Promise<{ device: string; token: string }>;
  /** Ends such a token, and removes its device. */
  endToken(token: string): Promise<void>;
  /** Sessions of applications: allowed, ended by them, refresh tokens exchanged. */
  state(): Promise<{
    granted: number;
    refreshed: number;
    revoked: number;
    sessions: { user: string; device: string }[];
  }>;
  /** From now on the refresh tokens of this user are refused. */
  withholdRefresh(name: string): Promise<void>;
}

export interface HomeserverSettings {
  /** Addresses of token services that clients are told. [] = the operator configured none. */
  transports?: string[];
  /** False: the homeserver does not know the request for transports at all. */
  transportEndpoint?: boolean;
  /** MSC4354. */
  stickyEvents?: boolean;
  /** MSC4140. */
  delayedEvents?: boolean;
  /** Life of access tokens for clients that ask for refresh tokens; null = they do not expire. */
  accessTokenSeconds?: number | null;
  /** Sign-in with a password; default true, and always off with an authorization server. */
  password?: boolean;
  /** Addresses to which people are sent back from a provider without being asked; default: our page. */
  returnTo?: string[];
  /** Pictures of the providers (mxc:) by id. */
  icons?: Record<string, string>;
  /** While set, pictures that are put in can be had by everybody. */
  openMedia?: boolean;
}

export interface RoomWish {
  name?: string;
  /** Local part of the alias. */
  alias?: string;
  invite?: string[];
  /** Default true. */
  encrypted?: boolean;
  /** Everybody who knows the alias may join; default false (by invitation). */
  open?: boolean;
}

export interface StateEvent {
  type: string;
  state_key: string;
  sender: string;
  content: Record<string, unknown>;
}

/** One login (one device). */
export interface Account {
  readonly userId: string;
  readonly deviceId: string;
  readonly accessToken: string;
  readonly password: string;
  request(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Returns the room id. Ids of this Synapse's rooms have no server part. */
  createRoom(wish?: RoomWish): Promise<string>;
  join(roomIdOrAlias: string): Promise<string>;
  invite(roomId: string, userId: string): Promise<void>;
  roomState(roomId: string, type?: string): Promise<StateEvent[]>;
  logout(): Promise<void>;
}

export class MatrixError extends Error {
  readonly status: number;
  readonly errcode: string;
}

export interface Synapse extends ProcessServer {
  readonly url: string;
  readonly http: string;
  readonly serverName: string;
  /** Takes effect at the next start. */
  configure(change: HomeserverSettings): void;
  register(name: string, options?: { displayName?: string; admin?: boolean }): Promise<Account>;
  login(userId: string, password: string, options?: { deviceId?: string; displayName?: string }): Promise<Account>;
}

export interface StackOptions {
  /** Logs, configurations and data; a temporary folder, removed by `close()`, unless given. */
  folder?: string;
  /** Keep the temporary folder. */
  keep?: boolean;
  /** 'free' (default), 'usual' (8080, 8008, 7880 …), or the first of consecutive ports. */
  ports?: 'free' | 'usual' | number;
  /** Media servers, each with a token service; default 1. */
  sfus?: number;
  /** Clients are told the proxy's address. */
  proxy?: boolean;
  homeserver?: HomeserverSettings;
  /** 'sso': two OpenID providers behind the homeserver, beside passwords. 'oidc': an authorization server instead. */
  signIn?: 'password' | 'sso' | 'oidc';
  /** Only with 'oidc'. Life of access tokens, default an hour; `rotate: false`: a refresh token can be used again. */
  auth?: { accessTokenSeconds?: number; rotate?: boolean };
  /** Life of the media server's tokens; default an hour. */
  tokenSeconds?: number;
  users?: readonly string[];
  /** Also serve web pages: `root` is dist/ unless given; `embed` lists origins that may show the Matrix page in a frame. */
  pages?: { root?: string; embed?: string[] };
  /** Run the set-up first. */
  setup?: boolean;
}

export interface Stack {
  readonly folder: string;
  readonly synapse: Synapse;
  /** Only with `signIn: 'sso'`. */
  readonly providers: OpenIdServer[];
  /** Only with `signIn: 'oidc'`. */
  readonly auth: AuthServer | null;
  readonly sites: { livekit: LiveKit; token: TokenService; proxy: SfuProxy | null }[];
  /** Those of the first site. */
  readonly livekit: LiveKit;
  readonly token: TokenService;
  readonly proxy: SfuProxy | null;
  readonly pages: RunningServer | null;
  readonly users: Record<string, Account>;
  /** Origins that a page in a call must be allowed to talk to. */
  readonly connect: string[];
  /** Address of our page for a room (alias or id); nothing secret in it. */
  link(room: string): string;
  close(): Promise<void>;
}

export function startStack(options?: StackOptions): Promise<Stack>;
/** Folder with the programs. Throws when they are not installed and `setup` is not asked for. */
export function serverPrograms(options?: { setup?: boolean }): string;
/** Rule for `SfuProxy.onResponse`: the tracks (of one identity) are said to be unencrypted. */
export function claimsClear(identity?: string | null): (message: SignalResponse) => SignalResponse;
export function participantsIn(message: SignalResponse): ParticipantInfo[];
/** Names at the media server. */
export function liveKitRoom(roomId: string, slot?: string): string;
export function plainIdentity(userId: string, deviceId: string): string;
export function hashedIdentity(userId: string, deviceId: string, memberId: string): string;
