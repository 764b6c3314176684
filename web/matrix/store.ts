/**
 * What is kept in this browser, and only where a person asked for it: the session (address, tokens, chosen video coding), in
 * IndexedDB; the SDK
 * keeps the keys of the device in databases of its own beside it. The way to an identity provider and back needs a note in
 * sessionStorage, which is read once and removed.
 *
 * Errors: MatrixError 'no-storage'.
 */
import { isVideoCodec } from './codecs';
import { MatrixError } from './errors';
import type { MatrixTarget, VideoCodec } from './types';

/** Prefix of the databases that the SDK's cryptography uses. */
export const kCryptoPrefix = 'siegel-matrix';
const kDatabase = 'siegel-matrix-session';
const kTable = 'session';
const kCodec = 'video-codec';

export interface KeptSession {
  baseUrl: string;
  serverName: string;
  userId: string;
  deviceId: string;
  accessToken: string;
  refreshToken?: string;
  /** Id of this page at the homeserver's identity provider; then the session is an OAuth one. */
  oauthClientId?: string;
}

function database(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    let request: IDBOpenDBRequest;
    try {
      request = indexedDB.open(kDatabase, 1);
    } catch {
      reject(new MatrixError('no-storage'));
      return;
    }
    request.onupgradeneeded = () => request.result.createObjectStore(kTable);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(new MatrixError('no-storage'));
    request.onblocked = () => reject(new MatrixError('no-storage'));
  });
}

async function transact<T>(mode: IDBTransactionMode, act: (table: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const db = await database();
  try {
    return await new Promise<T>((resolve, reject) => {
      const transaction = db.transaction(kTable, mode);
      const request = act(transaction.objectStore(kTable));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(new MatrixError('no-storage'));
      transaction.onabort = () => reject(new MatrixError('no-storage'));
    });
  } finally {
    db.close();
  }
}

const text = (value: unknown): value is string => typeof value === 'string' && value !== '' && value.length < 10_000;

export const sessionStore = {
  async save(session: KeptSession): Promise<void> {
    await transact('readwrite', (table) => table.put(session, 'session'));
  },

  /** Undefined when nothing is kept, or the browser keeps nothing. Never rejects. */
  async load(): Promise<KeptSession | undefined> {
    // Opening would create the database: a person who asked for nothing to be kept must find nothing.
    if (!(await databaseExists())) return undefined;
    try {
      const found = (await transact('readonly', (table) => table.get('session'))) as Partial<KeptSession> | undefined;
      const complete =
        found &&
        text(found.baseUrl) &&
        text(found.serverName) &&
        text(found.userId) &&
        text(found.deviceId) &&
        text(found.accessToken);
      return complete ? (found as KeptSession) : undefined;
    } catch {
      return undefined;
    }
  },

  /** How this person wants their video coded; beside the session, and only where there is one. Never rejects. */
  async saveCodec(codec: VideoCodec): Promise<void> {
    if (await databaseExists()) await transact('readwrite', (table) => table.put(codec, kCodec)).catch(() => {});
  },

  async loadCodec(): Promise<VideoCodec | undefined> {
    if (!(await databaseExists())) return undefined;
    const found: unknown = await transact('readonly', (table) => table.get(kCodec)).catch(() => undefined);
    return isVideoCodec(found) ? found : undefined;
  },

  /** Removes the session and its database. Never rejects. */
  async clear(): Promise<void> {
    if (!(await databaseExists())) return;
    await new Promise<void>((resolve) => {
      const request = indexedDB.deleteDatabase(kDatabase);
      request.onsuccess = () => resolve();
      request.onerror = () => resolve();
      request.onblocked = () => resolve();
    });
  },
};

/** A session that is kept while it changes, until it ends: a renewal that was on its way must not bring back what was removed. */
export class KeptSessionWriter {
  #ended = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(private readonly store: Pick<typeof sessionStore, 'save' | 'clear'> = sessionStore) {}

  /** Rejects with MatrixError 'no-storage'. */
  save(session: KeptSession): Promise<void> {
    const written = this.#writing.then(() => (this.#ended ? undefined : this.store.save(session)));
    this.#writing = written.catch(() => {});
    return written;
  }

  /** Removes it. Never rejects. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#writing;
    await this.store.clear();
  }
}

async function databaseExists(): Promise<boolean> {
  if (typeof indexedDB === 'undefined') return false;
  try {
    // Firefox before 126 has no list: then opening is the only way to know.
    if (!indexedDB.databases) return true;
    return (await indexedDB.databases()).some(({ name }) => name === kDatabase);
  } catch {
    return false;
  }
}

/** What has to be known again after the identity provider sent the person back. */
export interface RedirectNote {
  kind: 'sso' | 'oidc';
  baseUrl: string;
  serverName: string;
  remember: boolean;
  /** Random; comes back with the answer, or the answer is not ours. */
  state: string;
  redirectUri: string;
  /** When the page was left, ms since the epoch. */
  leftAt: number;
  target?: MatrixTarget;
  /** The page's own `#/room/…`, which providers do not carry. */
  hash?: string;
  /** Its query: what the link says about the page (`?noise=…`). */
  search?: string;
  /** OIDC only. */
  issuer?: string;
  clientId?: string;
  deviceId?: string;
  /** PKCE: without it nobody can use the code. */
  codeVerifier?: string;
}

const kNote = 'siegel-matrix-redirect';
/** Nobody takes longer at a provider; an older note is of a way that was given up. */
const kNoteLifeMs = 3_600_000;

export const redirectNote = {
  save(note: RedirectNote): void {
    try {
      sessionStorage.setItem(kNote, JSON.stringify(note));
    } catch {
      throw new MatrixError('no-storage');
    }
  },

  /** Reads and removes it. */
  take(): RedirectNote | undefined {
    try {
      const found = sessionStorage.getItem(kNote);
      sessionStorage.removeItem(kNote);
      const note = found ? (JSON.parse(found) as Partial<RedirectNote>) : undefined;
      const known =
        note &&
        (note.kind === 'sso' || note.kind === 'oidc') &&
        text(note.baseUrl) &&
        text(note.serverName) &&
        text(note.state) &&
        text(note.redirectUri) &&
        typeof note.leftAt === 'number' &&
        Math.abs(Date.now() - note.leftAt) < kNoteLifeMs;
      return known ? (note as RedirectNote) : undefined;
    } catch {
      return undefined;
    }
  },
};
