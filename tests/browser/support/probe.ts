/**
 * What a test needs to see inside a page. `installProbe` runs in the page before its own scripts (init script): it keeps
 * references to the peer connections and workers the page makes and writes down the local session descriptions, and
 * changes nothing about them. Must not refer to anything outside its own body.
 */
export interface PersonSeen {
  /** Root-mean-square level and, per asked frequency, the share of the energy that lies at it (0..1). */
  rms: number;
  shares: number[];
}

export interface OutboundCount {
  ssrc: number;
  kind: string;
  packets: number;
  retransmitted: number;
  frames: number;
  bytes: number;
  connection: number;
}

export interface InboundCount {
  ssrc: number;
  kind: string;
  packets: number;
  framesDecoded: number;
  framesReceived: number;
  connection: number;
}

/** A key as the page hands it to the engine's worker, noted before it is transferred. */
export interface SeenKey {
  participant: string;
  usage: string;
  keyIndex: number;
  material: string;
  at: number;
}

export interface Probe {
  peers: RTCPeerConnection[];
  workers: Worker[];
  keys: SeenKey[];
  /** Every text the page sent over a WebSocket. */
  sentTexts: string[];
  /** performance.now() at which a selector (open shadow roots included) first matched; see `watch`. */
  firstSeen: Record<string, number>;
  watch(name: string, selector: string): void;
  /** Notes in `firstSeen.frames` when the first packet of any stream arrived. */
  watchFrames(): void;
  /** Frames decoded of the received track that a video element shows. */
  decoded(video: HTMLVideoElement): Promise<number>;
  /** Set by a test: may change a message on its way to the worker. */
  tamper: ((message: unknown) => void) | null;
  /** Local descriptions as applied, each once. */
  descriptions: string[];
  violations: string[];
  outbound(): Promise<OutboundCount[]>;
  inbound(): Promise<InboundCount[]>;
  /** All media elements of the page, also those inside open shadow roots. */
  elements(): HTMLMediaElement[];
  /** Listens to a stream for `ms` and returns the best window's shares. */
  hear(stream: MediaStream, frequencies: number[], ms: number): Promise<PersonSeen>;
  /** Mean luma of columns × rows blocks of the element's picture, or null while it has none. */
  look(video: HTMLVideoElement, columns: number, rows: number): number[] | null;
}

declare global {
  var siegelProbe: Probe;
}

export function installProbe(): void {
  if ('siegelProbe' in globalThis) return;
  const peers: RTCPeerConnection[] = [];
  const workers: Worker[] = [];
  const descriptions: string[] = [];
  const violations: string[] = [];
  let audio: AudioContext | undefined;
  const analysers = new WeakMap<MediaStreamTrack, AnalyserNode>();

  const note = (peer: RTCPeerConnection) => {
    const text = peer.localDescription?.sdp;
    if (text !== undefined && !descriptions.includes(text)) descriptions.push(text);
  };
  const NativePeer = globalThis.RTCPeerConnection;
  if (NativePeer !== undefined) {
    globalThis.RTCPeerConnection = class extends NativePeer {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        peers.push(this);
        // Noted when it took effect and again at each state change: a rolled-back one is no harm, a missed one is.
        this.addEventListener('signalingstatechange', () => note(this));
        this.addEventListener('icecandidate', () => note(this));
      }
      override async setLocalDescription(description?: RTCLocalSessionDescriptionInit): Promise<void> {
        await (description === undefined ? super.setLocalDescription() : super.setLocalDescription(description));
        note(this);
      }
      override async setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
        await super.setRemoteDescription(description);
        note(this);
      }
    };
  }
  const NativeWorker = globalThis.Worker;
  globalThis.Worker = class extends NativeWorker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      workers.push(this);
    }
    override postMessage(message: unknown, transfer?: Transferable[] | StructuredSerializeOptions): void {
      noteKeys(message, {});
      globalThis.siegelProbe.tamper?.(message);
      super.postMessage(message, transfer as StructuredSerializeOptions);
    }
  };
  const keys: SeenKey[] = [];
  /** Any object with bytes called `material` counts as a key, however the message is built. */
  const noteKeys = (value: unknown, outer: Record<string, unknown>) => {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
    const fields: Record<string, unknown> = { ...outer, ...value };
    const { material } = fields;
    if (material instanceof Uint8Array && 'material' in value) {
      keys.push({
        participant: String(fields.participant),
        usage: String(fields.usage),
        keyIndex: Number(fields.keyIndex),
        material: Array.from(material, (byte) => byte.toString(16).padStart(2, '0')).join(''),
        at: performance.now(),
      });
    }
    for (const inner of Object.values(value)) if (inner !== value) noteKeys(inner, fields);
  };
  const sentTexts: string[] = [];
  const NativeSocket = globalThis.WebSocket;
  globalThis.WebSocket = class extends NativeSocket {
    override send(data: string | Blob | BufferSource): void {
      sentTexts.push(String(data));
      super.send(data);
    }
  };
  const firstSeen: Record<string, number> = {};
  /** querySelector that looks into open shadow roots as well. */
  const find = (root: Document | ShadowRoot, selector: string): Element | null => {
    const direct = root.querySelector(selector);
    if (direct !== null) return direct;
    for (const element of root.querySelectorAll('*')) {
      const inside = element.shadowRoot === null ? null : find(element.shadowRoot, selector);
      if (inside !== null) return inside;
    }
    return null;
  };
  globalThis.addEventListener('securitypolicyviolation', (event) => {
    violations.push(`${event.violatedDirective} ${event.blockedURI}`);
  });

  const stats = async (kind: string) => {
    const rows: { connection: number; row: Record<string, unknown> }[] = [];
    for (const [connection, peer] of peers.entries()) {
      if (peer.connectionState !== 'connected') continue;
      try {
        const report: Iterable<[string, Record<string, unknown>]> = (await peer.getStats()) as never;
        for (const [, row] of report) if (row.type === kind) rows.push({ connection, row });
      } catch {
        // Closed in between: its last counts stand in the caller's earlier reading.
      }
    }
    return rows;
  };
  const number = (value: unknown) => (typeof value === 'number' ? value : 0);

  const share = (
    samples: Float32Array,
    rate: number,
    frequency: number,
    from: number,
    size: number,
    energy: number,
  ) => {
    // Goertzel: the energy at one frequency. A pure tone of this frequency gives 1.
    const w = (2 * Math.PI * frequency) / rate;
    const c = 2 * Math.cos(w);
    let a = 0;
    let b = 0;
    for (let i = from; i < from + size; i++) {
      const next = (samples[i] ?? 0) + c * a - b;
      b = a;
      a = next;
    }
    return (2 * (a * a + b * b - c * a * b)) / (size * energy);
  };

  globalThis.siegelProbe = {
    peers,
    workers,
    keys,
    sentTexts,
    firstSeen,
    tamper: null,
    watch(name, selector) {
      const timer = setInterval(() => {
        if (find(document, selector) === null) return;
        firstSeen[name] = performance.now();
        clearInterval(timer);
      }, 20);
    },
    watchFrames() {
      const timer = setInterval(async () => {
        const arrived = (await globalThis.siegelProbe.inbound()).some(({ packets }) => packets > 0);
        if (!arrived || firstSeen.frames !== undefined) return;
        firstSeen.frames = performance.now();
        clearInterval(timer);
      }, 20);
    },
    async decoded(video) {
      const track = video.srcObject instanceof MediaStream ? video.srcObject.getVideoTracks()[0] : undefined;
      for (const peer of peers) {
        if (track === undefined || !peer.getReceivers().some((receiver) => receiver.track === track)) continue;
        const report: Iterable<[string, Record<string, unknown>]> = (await peer.getStats(track)) as never;
        for (const [, row] of report) if (row.type === 'inbound-rtp') return number(row.framesDecoded);
      }
      return 0;
    },
    descriptions,
    violations,
    async outbound() {
      return (await stats('outbound-rtp')).map(({ connection, row }) => ({
        connection,
        ssrc: number(row.ssrc),
        kind: String(row.kind),
        packets: number(row.packetsSent),
        retransmitted: number(row.retransmittedPacketsSent),
        frames: number(row.framesEncoded),
        bytes: number(row.bytesSent),
      }));
    },
    async inbound() {
      return (await stats('inbound-rtp')).map(({ connection, row }) => ({
        connection,
        ssrc: number(row.ssrc),
        kind: String(row.kind),
        packets: number(row.packetsReceived),
        framesDecoded: number(row.framesDecoded),
        framesReceived: number(row.framesReceived),
      }));
    },
    elements() {
      const found: HTMLMediaElement[] = [];
      const walk = (root: Document | ShadowRoot) => {
        for (const element of root.querySelectorAll('*')) {
          if (element instanceof HTMLMediaElement) found.push(element);
          if (element.shadowRoot !== null) walk(element.shadowRoot);
        }
      };
      walk(document);
      return found;
    },
    async hear(stream, frequencies, ms) {
      const silent = { rms: 0, shares: frequencies.map(() => 0) };
      const track = stream.getAudioTracks()[0];
      if (track === undefined) return silent;
      audio ??= new AudioContext();
      if (audio.state !== 'running') {
        const resumed = audio.resume().then(() => true);
        const late = new Promise<false>((resolve) => setTimeout(() => resolve(false), 3000));
        if (!(await Promise.race([resumed, late])))
          throw new Error('AudioContext does not start: is there a sound server?');
      }
      let analyser = analysers.get(track);
      if (analyser === undefined) {
        analyser = audio.createAnalyser();
        analyser.fftSize = 8192;
        audio.createMediaStreamSource(new MediaStream([track])).connect(analyser);
        analysers.set(track, analyser);
      }
      const samples = new Float32Array(analyser.fftSize);
      const window = 2048;
      let best = silent;
      const start = performance.now();
      do {
        await new Promise((resolve) => setTimeout(resolve, 60));
        analyser.getFloatTimeDomainData(samples);
        for (let from = 0; from + window <= samples.length; from += window) {
          let energy = 0;
          for (let i = from; i < from + window; i++) energy += (samples[i] ?? 0) ** 2;
          const rms = Math.sqrt(energy / window);
          if (rms <= best.rms) continue;
          best = {
            rms,
            shares: frequencies.map((each) => share(samples, audio?.sampleRate ?? 48000, each, from, window, energy)),
          };
        }
      } while (performance.now() - start < ms);
      return best;
    },
    look(video, columns, rows) {
      if (video.videoWidth === 0 || video.readyState < 2) return null;
      const canvas = document.createElement('canvas');
      canvas.width = columns * 8;
      canvas.height = rows * 8;
      const context = canvas.getContext('2d', { willReadFrequently: true });
      if (context === null) return null;
      context.drawImage(video, 0, 0, canvas.width, canvas.height);
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      const means: number[] = [];
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          let sum = 0;
          for (let y = 2; y < 6; y++) {
            for (let x = 2; x < 6; x++) {
              const at = ((row * 8 + y) * canvas.width + column * 8 + x) * 4;
              sum += 0.299 * (data[at] ?? 0) + 0.587 * (data[at + 1] ?? 0) + 0.114 * (data[at + 2] ?? 0);
            }
          }
          means.push(sum / 16);
        }
      }
      return means;
    },
  };
}

/** How a picture's block means compare with a person's pattern. */
export function matchPattern(means: readonly number[], bits: readonly number[]): { right: number; contrast: number } {
  const sorted = [...means].sort((a, b) => a - b);
  const low = sorted[Math.floor(sorted.length * 0.1)] ?? 0;
  const high = sorted[Math.floor(sorted.length * 0.9)] ?? 0;
  const middle = (low + high) / 2;
  let right = 0;
  for (const [i, mean] of means.entries()) if ((mean > middle ? 1 : 0) === bits[i]) right++;
  return { right, contrast: high - low };
}
