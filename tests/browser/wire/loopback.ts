/**
 * The outside view: tcpdump sees every UDP datagram on every interface. It shows that what is judged in front of SRTP is
 * all there is (each RTP packet on the wire has its line in a dump) and that behind SRTP it is not readable either.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../support/until';
import type { CapturedPacket } from './dump';
import { isRtcp, parseRtp } from './rtp';

export interface Datagram {
  /** Of sender and receiver. */
  ports: readonly [number, number];
  payload: Uint8Array;
}

export interface LoopbackCapture {
  /** Ends tcpdump and returns what it saw. */
  stop(): Promise<Datagram[]>;
}

/** Starts tcpdump, or says in words why it cannot run here (not installed, no right to capture). */
export async function startLoopbackCapture(): Promise<LoopbackCapture | string> {
  const folder = mkdtempSync(join(tmpdir(), 'siegel-wire-'));
  const file = join(folder, 'wire.pcap');
  let errors = '';
  let ended = false;
  const arguments_ = ['-i', 'any', '-n', '-U', '-s', '0', '-B', '8192', '-Z', 'root', '-w', file, 'udp'];
  const tool: ChildProcess = spawn('tcpdump', arguments_, { stdio: ['ignore', 'ignore', 'pipe'] });
  tool.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  tool.once('error', (error) => {
    ended = true;
    errors += error.message;
  });
  tool.once('exit', () => {
    ended = true;
  });
  await until(
    () => errors.includes('listening on') || ended,
    5000,
    () => `tcpdump says nothing: ${errors}`,
  );
  if (ended) {
    rmSync(folder, { recursive: true, force: true });
    return `tcpdump cannot capture here: ${errors.trim().slice(-300)}`;
  }
  return {
    async stop() {
      tool.kill('SIGINT');
      await until(
        () => ended,
        5000,
        () => 'tcpdump does not end',
      );
      const dropped = Number(/(\d+) packets dropped by kernel/.exec(errors)?.[1] ?? '0');
      if (dropped > 0) throw new Error(`tcpdump lost ${dropped} packets`);
      const datagrams = readPcap(readFileSync(file));
      rmSync(folder, { recursive: true, force: true });
      return datagrams;
    },
  };
}

/** UDP datagrams of a pcap file with link type LINUX_SLL2 or LINUX_SLL (what `-i any` writes), IPv4 and IPv6. */
export function readPcap(file: Uint8Array): Datagram[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 24) throw new Error('no pcap file');
  const little = view.getUint32(0, true) === 0xa1b2c3d4;
  if (!little && view.getUint32(0) !== 0xa1b2c3d4) throw new Error('no pcap file');
  const linkType = view.getUint32(20, little);
  const header = linkType === 276 ? 20 : linkType === 113 ? 16 : -1;
  if (header < 0) throw new Error(`link type ${linkType}`);
  const found: Datagram[] = [];
  for (let at = 24; at + 16 <= file.length; ) {
    const size = view.getUint32(at + 8, little);
    const start = at + 16;
    at = start + size;
    if (at > file.length) break; // tcpdump was writing this one
    const ip = start + header;
    if (ip + 40 > at) continue;
    const version = view.getUint8(ip) >> 4;
    let udp = -1;
    if (version === 4 && view.getUint8(ip + 9) === 17) udp = ip + (view.getUint8(ip) & 15) * 4;
    if (version === 6 && view.getUint8(ip + 6) === 17) udp = ip + 40;
    if (udp < 0 || udp + 8 > at) continue;
    const end = Math.max(udp + 8, Math.min(at, udp + view.getUint16(udp + 4)));
    found.push({ ports: [view.getUint16(udp), view.getUint16(udp + 2)], payload: file.subarray(udp + 8, end) });
  }
  return found;
}

export interface LoopbackVerdict {
  stun: number;
  dtls: number;
  srtp: number;
  srtcp: number;
  other: number;
  /** SRTP packets that no dump knows, or whose payload is the same as before SRTP. */
  faults: string[];
}

/** The UDP ports of the browsers under test: of the host candidates in their local descriptions. */
export function portsOf(descriptions: readonly string[]): Set<number> {
  const candidates = descriptions.flatMap((text) => [...text.matchAll(/^a=candidate:\S+ \d udp \d+ \S+ (\d+) /gim)]);
  return new Set(candidates.map(([, port]) => Number(port)));
}

/**
 * Compares the wire with everything the people of a call wrote down as sent. `ours` (of `portsOf`) leaves out what other
 * programs on the machine send.
 */
export function judgeLoopback(
  datagrams: readonly Datagram[],
  sent: readonly CapturedPacket[],
  ours: ReadonlySet<number>,
): LoopbackVerdict {
  const before = new Map<string, Uint8Array>();
  for (const { outbound, bytes } of sent) {
    const packet = outbound && !isRtcp(bytes) ? parseRtp(bytes) : null;
    if (packet !== null) before.set(`${packet.ssrc} ${packet.sequence} ${packet.timestamp}`, bytes);
  }
  const verdict: LoopbackVerdict = { stun: 0, dtls: 0, srtp: 0, srtcp: 0, other: 0, faults: [] };
  const unknown = new Map<number, number>();
  for (const { ports, payload: datagram } of datagrams) {
    if (!ports.some((port) => ours.has(port))) continue;
    const first = datagram[0] ?? 255;
    // RFC 7983: the first byte says which protocol it is.
    if (first < 4) verdict.stun++;
    else if (first >= 20 && first < 64) verdict.dtls++;
    else if (first < 128 || first > 191 || datagram.length < 12) {
      verdict.other++;
      verdict.faults.push('a datagram that is neither STUN, DTLS nor SRTP');
    } else if (isRtcp(datagram)) verdict.srtcp++;
    else {
      verdict.srtp++;
      // SRTP leaves header and extensions alone; whatever the padding bit says counts only inside.
      const copy = Uint8Array.from(datagram);
      copy[0] = first & ~0x20;
      const packet = parseRtp(copy);
      if (packet === null) {
        verdict.faults.push('a datagram that looks like RTP and is none');
        continue;
      }
      const plain = before.get(`${packet.ssrc} ${packet.sequence} ${packet.timestamp}`);
      if (plain === undefined) {
        unknown.set(packet.ssrc, (unknown.get(packet.ssrc) ?? 0) + 1);
        continue;
      }
      if (datagram.length <= plain.length)
        verdict.faults.push(`SSRC ${packet.ssrc}: no authentication tag behind a packet`);
      const behind = Buffer.from(packet.payload);
      const inside = parseRtp(plain)?.payload ?? new Uint8Array();
      if (inside.length >= 8 && behind.includes(Buffer.from(inside)))
        verdict.faults.push(`SSRC ${packet.ssrc}: a packet left without SRTP`);
    }
  }
  for (const [ssrc, count] of unknown)
    verdict.faults.push(`SSRC ${ssrc}: ${count} packets on the wire that no dump has`);
  return verdict;
}
