/**
 * An RTCPeerConnection for unit tests of what is negotiated: it keeps the rules of descriptions (sections keep their place and
 * kind, a place is taken again only after it was free on both sides) and answers with SSRCs; no media. Anything against the rules throws, as
 * in browsers.
 */
import { parse, type SessionDescription, write } from 'sdp-transform';

type Media = SessionDescription['media'][number];

class Sender {
  track: MediaStreamTrack | null = null;
  constructor(
    readonly owner: FakeConnection,
    readonly mid: string,
  ) {}
  async replaceTrack(track: MediaStreamTrack | null): Promise<void> {
    if (this.owner.connectionState === 'closed' && track) throw new Error('closed');
    this.track = track;
    this.owner.log(`${track ? 'track' : 'no track'} ${this.mid}`);
  }
  getParameters() {
    return { encodings: this.owner.layers(this.mid).map(() => ({ ...this.owner.encoding })) };
  }
  async setParameters(parameters: { encodings: Array<{ active?: boolean }> }): Promise<void> {
    this.owner.active.set(
      this.mid,
      parameters.encodings.map((one) => one.active !== false),
    );
  }
  async getStats(): Promise<Map<string, unknown>> {
    return new Map();
  }
}

export class FakeTransceiver {
  direction: Exclude<RTCRtpTransceiverDirection, 'stopped'> = 'recvonly';
  readonly receiver = { track: { kind: 'x' } };
  readonly sender: Sender;
  constructor(
    owner: FakeConnection,
    public mid: string,
  ) {
    this.sender = new Sender(owner, mid);
  }
}

export class FakeConnection {
  static ssrc = 100_000;
  readonly transceivers = new Map<string, FakeTransceiver>();
  readonly active = new Map<string, boolean[]>();
  readonly encoding = { active: true };
  readonly candidates: RTCIceCandidateInit[] = [];
  readonly channels: string[] = [];
  remote: SessionDescription | undefined;
  local: SessionDescription | undefined;
  localDescription: { sdp: string } | undefined;
  connectionState = 'new';
  iceConnectionState = 'new';
  signalingState: 'stable' | 'have-remote-offer' = 'stable';
  onconnectionstatechange: (() => void) | undefined;
  oniceconnectionstatechange: (() => void) | undefined;
  readonly #ssrcs = new Map<string, number[]>();

  constructor(
    readonly configuration: RTCConfiguration,
    readonly log: (text: string) => void,
  ) {}

  layers(mid: string): readonly number[] {
    const media = this.remote?.media.find((one) => `${one.mid}` === mid);
    return Array.from({ length: media?.rids?.length ?? 1 }, (_, index) => index);
  }

  async setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
    if (this.connectionState === 'closed') throw new Error('closed');
    if (this.signalingState !== 'stable') throw new Error('signalling state');
    const next = parse(sdp);
    const before = this.remote?.media ?? [];
    if (next.media.length < before.length) throw new Error('sections were taken away');
    const mids = new Set<string>();
    const ssrcs = new Set<number>();
    for (const [index, media] of next.media.entries()) {
      const mid = `${media.mid}`;
      if (mids.has(mid)) throw new Error(`two sections ${mid}`);
      mids.add(mid);
      for (const ssrc of new Set((media.ssrcs ?? []).map(({ id }) => Number(id)))) {
        if (ssrcs.has(ssrc)) throw new Error(`SSRC ${ssrc} twice`);
        ssrcs.add(ssrc);
      }
      const old = before[index] as Media | undefined;
      if (old && old.type !== media.type) throw new Error('another kind');
      if (old && `${old.mid}` !== mid) {
        const free = old.port === 0 && this.local?.media[index]?.port === 0;
        if (!free) throw new Error(`place of ${old.mid} taken by ${mid}`);
        this.transceivers.delete(`${old.mid}`);
      }
      if (media.type !== 'application' && !this.transceivers.has(mid) && media.port !== 0)
        this.transceivers.set(mid, new FakeTransceiver(this, mid));
      if (media.port === 0) this.transceivers.delete(mid);
    }
    this.remote = next;
    this.signalingState = 'have-remote-offer';
    this.log('offer');
  }

  async createAnswer(): Promise<{ type: 'answer'; sdp: string }> {
    if (this.signalingState !== 'have-remote-offer' || !this.remote) throw new Error('signalling state');
    const media = this.remote.media.map((one) => {
      const mid = `${one.mid}`;
      const transceiver = this.transceivers.get(mid);
      const answer: Media = {
        ...one,
        iceUfrag: 'mine',
        icePwd: 'm'.repeat(24),
        setup: 'active',
        fingerprint: { type: 'sha-256', hash: Array.from({ length: 32 }, () => 'CD').join(':') },
        direction: transceiver?.direction ?? 'inactive',
      };
      delete answer.ssrcs;
      delete answer.ssrcGroups;
      delete answer.candidates;
      if (transceiver?.direction.startsWith('send') && one.type !== 'application') {
        const count = this.layers(mid).length;
        const mine = this.#ssrcs.get(mid) ?? Array.from({ length: 2 * count }, () => FakeConnection.ssrc++);
        this.#ssrcs.set(mid, mine);
        answer.ssrcs = mine.map((id) => ({ id, attribute: 'cname', value: 'c' }));
        answer.ssrcGroups = Array.from({ length: count }, (_, index) => ({
          semantics: 'FID',
          ssrcs: `${mine[index]} ${mine[count + index]}`,
        }));
      }
      return answer;
    });
    return { type: 'answer', sdp: write({ ...this.remote, media }) };
  }

  async setLocalDescription({ sdp }: { sdp: string }): Promise<void> {
    if (this.connectionState === 'closed') throw new Error('closed');
    if (this.signalingState !== 'have-remote-offer') throw new Error('signalling state');
    this.local = parse(sdp);
    this.localDescription = { sdp };
    this.signalingState = 'stable';
    this.log('answer');
  }

  getTransceivers(): FakeTransceiver[] {
    return [...this.transceivers.values()];
  }

  createDataChannel(label: string) {
    this.channels.push(label);
    return { readyState: 'connecting', send: () => {}, close: () => {} };
  }

  async addIceCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    this.candidates.push(candidate);
  }

  async getStats(): Promise<Map<string, unknown>> {
    return new Map();
  }

  /** As if ICE and DTLS came to this. */
  become(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  close(): void {
    this.connectionState = 'closed';
    this.log('closed');
  }
}
