/**
 * "Hear yourself": a few seconds of a microphone before and after suppression, recorded at the same time. In memory only,
 * gone with the object.
 *
 * Errors: undefined when this browser cannot record, or nothing came. Cost: two recorders for so long.
 */
export interface Hearing {
  before: AudioBuffer;
  after: AudioBuffer;
}

export async function recordHearing(
  before: MediaStreamTrack,
  after: MediaStreamTrack,
  seconds: number,
  signal: AbortSignal,
): Promise<Hearing | undefined> {
  if (typeof MediaRecorder === 'undefined') return undefined;
  // Clones: the person may be muted, and what is recorded must not depend on it, nor change it.
  const tracks = [before.clone(), after.clone()];
  for (const track of tracks) track.enabled = true;
  // Through a graph that runs already: the first recording of a page in Firefox is all but empty otherwise.
  const graph = new AudioContext();
  try {
    const streams = tracks.map((track) => {
      const output = new MediaStreamAudioDestinationNode(graph, { channelCount: 1 });
      graph.createMediaStreamSource(new MediaStream([track])).connect(output);
      return output.stream;
    });
    await graph.resume();
    const blobs = await Promise.all(streams.map((stream) => record(stream, seconds, signal)));
    if (signal.aborted) return undefined;
    const context = new OfflineAudioContext(1, 1, 48_000);
    const [first, second] = await Promise.all(
      blobs.map(async (blob) => context.decodeAudioData(await blob.arrayBuffer())),
    );
    return first && second && { before: first, after: second };
  } catch {
    return undefined;
  } finally {
    for (const track of tracks) track.stop();
    void graph.close().catch(() => {});
  }
}

function record(stream: MediaStream, seconds: number, signal: AbortSignal): Promise<Blob> {
  return new Promise((resolve, reject) => {
    const parts: Blob[] = [];
    const recorder = new MediaRecorder(stream, { audioBitsPerSecond: 128_000 });
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => resolve(new Blob(parts, { type: recorder.mimeType }));
    recorder.onerror = () => reject(new Error('recorder'));
    recorder.start();
    const stop = (): void => {
      if (recorder.state !== 'inactive') recorder.stop();
    };
    const timer = setTimeout(stop, 1000 * seconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      stop();
    });
  });
}

/** Through a speaker; returns what ends it. `ended` is called once, either way. */
export function playHearing(buffer: AudioBuffer, sinkId: string, ended: () => void): () => void {
  const context = new AudioContext();
  const source = new AudioBufferSourceNode(context, { buffer });
  const output = new MediaStreamAudioDestinationNode(context);
  const element = new Audio();
  let over = false;
  const stop = (): void => {
    if (over) return;
    over = true;
    element.pause();
    element.srcObject = null;
    void context.close().catch(() => {});
    ended();
  };
  source.connect(output);
  source.onended = stop;
  element.srcObject = output.stream;
  void (async () => {
    if (sinkId !== '' && 'setSinkId' in element) await element.setSinkId(sinkId).catch(() => {});
    await element.play().catch(stop);
    if (!over) source.start();
  })();
  return stop;
}
