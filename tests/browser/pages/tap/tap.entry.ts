/**
 * A receiver without any key: reports every encoded frame it gets, with SSRC and timestamp, and hands it on to the
 * browser's decoder unopened. Runs as the worker of an RTCRtpScriptTransform.
 */
interface RTCRtpScriptTransformer {
  readable: ReadableStream<RTCEncodedVideoFrame | RTCEncodedAudioFrame>;
  writable: WritableStream<RTCEncodedVideoFrame | RTCEncodedAudioFrame>;
}
interface TapScope {
  onrtctransform: ((event: { transformer: RTCRtpScriptTransformer }) => void) | null;
  postMessage(message: unknown): void;
}
const scope = globalThis as unknown as TapScope;

scope.onrtctransform = ({ transformer }) => {
  const writer = transformer.writable.getWriter();
  void (async () => {
    const reader = transformer.readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const frame = value;
      scope.postMessage({
        kind: 'type' in frame && frame.type !== undefined ? 'video' : 'audio',
        ssrc: frame.getMetadata().synchronizationSource,
        timestamp: frame.timestamp,
        bytes: new Uint8Array(frame.data.slice(0)),
      });
      await writer.write(frame);
    }
  })();
};
