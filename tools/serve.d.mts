/** What tests use of the server; the contract is in serve.mjs. */
export interface RunningServer {
  url: string;
  port: number;
  close(): Promise<void>;
}
export interface RoomLimits {
  maxMembers?: number;
  maxRooms?: number;
  maxPerAddress?: number;
  graceMs?: number;
  joinWithinMs?: number;
  heartbeatMs?: number;
  messagesPerSecond?: number;
  messageBurst?: number;
}
export function startServer(options?: {
  port?: number;
  host?: string;
  root?: string;
  cert?: Buffer;
  key?: Buffer;
  rooms?: RoomLimits;
}): Promise<RunningServer>;
/** The handler of the static files alone; `extraHeaders` go out with every answer. */
export function staticFiles(
  root: string,
  extraHeaders?: Record<string, string>,
): (request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => Promise<void>;
