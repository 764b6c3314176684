/**
 * What members say to each other, and the strict readers for it. Everything that arrives is hostile until a reader has
 * returned it; readers never throw and give null for anything that is not exactly right.
 *
 * Envelope (seen by the server): hello and confirm of the handshake in clear, everything else sealed.
 * Sealed: keys, session descriptions, candidates, states. So the server learns neither addresses nor who is muted.
 */

import { cleanName } from '../call/names';
import {
  type Bytes,
  fromBase64Url,
  type Hello,
  kKeyIndexes,
  kMaterialBytes,
  kMaxText,
  type SealedMessage,
  toBase64Url,
} from '../keys';

export type Envelope =
  | { kind: 'hello'; data: Hello }
  | { kind: 'confirm'; data: { mac: string } }
  | { kind: 'sealed'; data: SealedMessage };

/** What a member sends and shows; `version` grows with every change. */
export interface MemberState {
  version: number;
  name: string;
  /** Microphone on (not muted). */
  audio: boolean;
  /** Camera on. */
  video: boolean;
  screen: boolean;
  screenAudio: boolean;
  hand: boolean;
}

export interface Candidate {
  candidate: string;
  sdpMid: string | null;
  sdpMLineIndex: number | null;
  usernameFragment: string | null;
}

export type SealedContent =
  | { kind: 'key'; data: { epoch: number; index: number; material: Bytes } }
  | { kind: 'key-ack'; data: { epoch: number } }
  | { kind: 'offer' | 'answer'; data: { round: number; sdp: string } }
  | { kind: 'candidate'; data: Candidate }
  | { kind: 'restart'; data: Record<string, never> }
  | { kind: 'state'; data: MemberState };

export const kMaxSdp = 32 * 1024;
const kMaxCandidate = 1024;

type Json = Record<string, unknown>;

function parse(text: string): { kind: unknown; data: Json } | null {
  if (text.length > 64 * 1024) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(value) || !isObject(value.data)) return null;
  return { kind: value.kind, data: value.data };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown, max: number): value is string {
  return typeof value === 'string' && value.length <= max;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function readEnvelope(text: string): Envelope | null {
  const message = parse(text);
  if (!message) return null;
  const { kind, data } = message;
  if (kind === 'hello') {
    const { pub, nonce } = data;
    return isText(pub, 64) && isText(nonce, 64) ? { kind, data: { pub, nonce } } : null;
  }
  if (kind === 'confirm') return isText(data.mac, 64) ? { kind, data: { mac: data.mac } } : null;
  if (kind === 'sealed') {
    const { n, box } = data;
    return isCount(n) && isText(box, 2 * kMaxText) ? { kind, data: { n, box } } : null;
  }
  return null;
}

export function writeSealed(message: SealedContent): string {
  if (message.kind !== 'key') return JSON.stringify(message);
  const { epoch, index, material } = message.data;
  return JSON.stringify({ kind: 'key', data: { epoch, index, material: toBase64Url(material) } });
}

export function readSealed(text: string): SealedContent | null {
  const message = parse(text);
  if (!message) return null;
  const { kind, data } = message;
  switch (kind) {
    case 'key': {
      const { epoch, index } = data;
      const material = isText(data.material, 64) ? fromBase64Url(data.material) : null;
      if (!isCount(epoch) || !isCount(index) || index >= kKeyIndexes || material?.length !== kMaterialBytes)
        return null;
      return { kind, data: { epoch, index, material } };
    }
    case 'key-ack':
      return isCount(data.epoch) ? { kind, data: { epoch: data.epoch } } : null;
    case 'offer':
    case 'answer': {
      const { round, sdp } = data;
      return isCount(round) && isText(sdp, kMaxSdp) ? { kind, data: { round, sdp } } : null;
    }
    case 'candidate': {
      const { candidate, sdpMid, sdpMLineIndex, usernameFragment } = data;
      if (!isText(candidate, kMaxCandidate)) return null;
      if (sdpMid !== null && !isText(sdpMid, 32)) return null;
      if (sdpMLineIndex !== null && !(isCount(sdpMLineIndex) && sdpMLineIndex < 16)) return null;
      if (usernameFragment !== null && !isText(usernameFragment, 256)) return null;
      return { kind, data: { candidate, sdpMid, sdpMLineIndex, usernameFragment } };
    }
    case 'state': {
      const { version, name, audio, video, screen, screenAudio, hand } = data;
      if (!isCount(version) || !isText(name, 1000)) return null;
      for (const flag of [audio, video, screen, screenAudio, hand]) if (typeof flag !== 'boolean') return null;
      return {
        kind,
        data: {
          version,
          name: cleanName(name),
          audio: audio as boolean,
          video: video as boolean,
          screen: screen as boolean,
          screenAudio: screenAudio as boolean,
          hand: hand as boolean,
        },
      };
    }
    case 'restart':
      return { kind, data: {} };
    default:
      return null;
  }
}

function isMemberCount(value: unknown): value is number {
  return isCount(value) && value >= 1 && value <= 64;
}

const kId = /^[A-Za-z0-9_-]{22}$/;

export function isMemberId(value: unknown): value is string {
  return typeof value === 'string' && kId.test(value);
}

export type ServerError = 'full' | 'duplicate' | 'busy' | 'rate' | 'bad-message';

export type ServerMessage =
  | {
      kind: 'welcome';
      data: { member: string; token: string; members: string[]; max: number; instance: string; resumed: boolean };
    }
  | { kind: 'joined' | 'left'; data: { member: string } }
  | { kind: 'relay'; data: { from: string; body: string } }
  | { kind: 'error'; data: { code: ServerError; max?: number } }
  | { kind: 'pong' | 'replaced'; data: Record<string, never> };

/** The server is not trusted either: a message that is not exactly right is as if it had not come. */
export function readServerMessage(text: unknown): ServerMessage | null {
  if (typeof text !== 'string' || text.length > 256 * 1024) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(value) || !isObject(value.data)) return null;
  const { kind } = value;
  const data = value.data;
  switch (kind) {
    case 'welcome': {
      const { member, token, members, max, instance, resumed } = data;
      if (!isMemberId(member) || !isMemberId(token) || !isMemberId(instance) || typeof resumed !== 'boolean')
        return null;
      if (!isMemberCount(max)) return null;
      if (!Array.isArray(members) || members.length > 64 || !members.every(isMemberId)) return null;
      return { kind, data: { member, token, members: [...new Set<string>(members)], max, instance, resumed } };
    }
    case 'joined':
    case 'left':
      return isMemberId(data.member) ? { kind, data: { member: data.member } } : null;
    case 'relay':
      return isMemberId(data.from) && typeof data.body === 'string'
        ? { kind, data: { from: data.from, body: data.body } }
        : null;
    case 'error': {
      const code = data.code;
      return code === 'full' || code === 'duplicate' || code === 'busy' || code === 'rate' || code === 'bad-message'
        ? { kind, data: { code, ...(isMemberCount(data.max) ? { max: data.max } : {}) } }
        : null;
    }
    case 'pong':
    case 'replaced':
      return { kind, data: {} };
    default:
      return null;
  }
}
