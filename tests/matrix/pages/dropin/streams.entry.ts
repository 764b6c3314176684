/**
 * A worker that livekit-client takes for an E2EE worker and that does nothing: what comes out of one stream goes into the other.
 * The benchmark's floor: no worker can cost less. Frames stay as they came, so the senders must not seal.
 */
interface Message {
  kind: string;
  data: { readableStream?: ReadableStream<unknown>; writableStream?: WritableStream<unknown> };
}

const scope = globalThis as unknown as {
  onmessage: (event: { data: Message }) => void;
  postMessage(message: unknown): void;
};

async function carry(readable: ReadableStream<unknown>, writable: WritableStream<unknown>): Promise<void> {
  const reader = readable.getReader();
  const writer = writable.getWriter();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    await writer.write(value);
  }
}

scope.onmessage = ({ data: message }) => {
  if (message.kind === 'init') scope.postMessage({ kind: 'initAck', data: { enabled: false } });
  // livekit-client waits for the very same message.
  if (message.kind === 'enable') scope.postMessage(message);
  const { readableStream, writableStream } = message.data ?? {};
  // A stream that ended.
  if (readableStream && writableStream) carry(readableStream, writableStream).catch(() => {});
};

// Makes this a module: other entries have names of their own like these.
export {};
