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
/** Origins that the Matrix page may talk to, and that may show it in a frame. */
export interface MatrixPage {
  connect?: string[];
  embed?: string[];
}
export function matrixHeaders(page?: MatrixPage): Record<string, string>;
/** Checks a list of origins; throws on anything else. */
export function sources(text: string): string[];
export function startServer(options?: {
  port?: number;
  host?: string;
  root?: string;
  cert?: Buffer;
  key?: Buffer;
  rooms?: RoomLimits;
  matrix?: MatrixPage;
}): Promise<RunningServer>;
/** The handler of the static files alone; `extraHeaders` go out with every answer. */
export function staticFiles(
  root: string,
  extraHeaders?: Record<string, string>,
  matrix?: MatrixPage,
): (request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => Promise<void>;
