/**
 * The few types of a dedicated worker that the project's DOM library lacks (the two libraries cannot be loaded together),
 * and encoded frames as both browsers really give them.
 */

/** What `getMetadata()` may tell. Firefox gives no mimeType. */
export interface EncodedFrameMetadata {
  synchronizationSource?: number;
  payloadType?: number;
  rtpTimestamp?: number;
  mimeType?: string;
}

export interface EncodedFrame {
  data: ArrayBuffer;
  /** Video only: 'key', 'delta', 'empty'. */
  readonly type?: string;
  readonly timestamp?: number;
  getMetadata(): EncodedFrameMetadata;
}

export interface ScriptTransformer {
  readonly readable: ReadableStream<EncodedFrame>;
  readonly writable: WritableStream<EncodedFrame>;
  readonly options: unknown;
  /** On a receiver: asks the remote encoder for a key frame. */
  sendKeyFrameRequest?(): Promise<unknown>;
  /** On a sender: asks the own encoder for one. */
  generateKeyFrame?(): Promise<unknown>;
}

export interface WorkerScope {
  onmessage: ((event: { data: unknown }) => void) | null;
  onrtctransform: ((event: { transformer: ScriptTransformer }) => void) | null;
  postMessage(message: unknown, transfer?: Transferable[]): void;
  close(): void;
}
