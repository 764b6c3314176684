/**
 * A worker that livekit-client takes for an E2EE worker and that opens nothing: what comes out of one stream goes into the
 * other. Under the name "streams" it does only that: the benchmark's floor, no worker can cost less. Under "copies" it takes
 * the bytes out of each frame and puts a copy in, as whoever seals or opens has to. The senders must not seal.
 */
interface Frame {
  data: ArrayBuffer;
}

interface Message {
  kind: string;
  data: { readableStream?: ReadableStream<Frame>; writableStream?: WritableStream<Frame> };
}

const scope = globalThis as unknown as {
  name: string;
  onmessage: (event: { data: Message }) => void;
  postMessage(message: unknown): void;
};

const copies = scope.name === 'copies';

async function carry(readable: ReadableStream<Frame>, writable: WritableStream<Frame>): Promise<void> {
  const reader = readable.getReader();
  const writer = writable.getWriter();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    if (copies) value.data = value.data.slice(0);
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
