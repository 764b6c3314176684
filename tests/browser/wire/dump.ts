/**
 * Reads what the browsers write down about every RTP and RTCP packet on its way into SRTP: the last place where a packet
 * is still readable, and behind everything the page can do to a frame.
 *
 * Chromium: field trial `WebRTC-Debugging-RtpDump`, log lines `O 07:17:02.759 000000 80 6f … # RTP_DUMP`.
 * Firefox: log module `RtpLogger:5`, lines `… RTP_PACKET|>> O 07:17:02.759036  000000 80 6f …`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export interface CapturedPacket {
  outbound: boolean;
  /** Milliseconds in the log's own clock, never far back in a log; only differences count. */
  at: number;
  bytes: Uint8Array;
}

const kLine =
  /(?:^|RTP_PACKET\|>> )([OI]) +(\d\d):(\d\d):(\d\d)\.(\d+) +([0-9a-f]{4,8})((?: [0-9a-f]{2})+) *(?:# RTP_DUMP)?\s*$/;

/** One line of a log: a packet, null for a line about something else; throws on a packet line that cannot be read. */
export function parseDumpLine(line: string): CapturedPacket | null {
  if (!line.includes('RTP_DUMP') && !line.includes('RTP_PACKET') && !line.includes('RTCP_PACKET')) return null;
  const match = kLine.exec(line.replace('RTCP_PACKET|>> ', 'RTP_PACKET|>> '));
  if (match === null) throw new Error(`unreadable packet line in the capture: ${line.slice(0, 160)}`);
  const [, direction, hours, minutes, seconds, fraction, , hex] = match;
  const at =
    ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 + Number(`0.${fraction ?? '0'}`) * 1000;
  return {
    outbound: direction === 'O',
    at,
    bytes: new Uint8Array(Buffer.from((hex ?? '').replaceAll(' ', ''), 'hex')),
  };
}

/** All packets of a log text. A last line without its end is still being written and is left out. */
export function parseDump(text: string): CapturedPacket[] {
  const packets: CapturedPacket[] = [];
  let latest = 0;
  let offset = 0;
  for (const line of text.split('\n').slice(0, -1)) {
    const packet = parseDumpLine(line);
    if (packet === null) continue;
    // Chromium's clock starts anew every minute, Firefox's every day.
    while (packet.at + offset < latest - 30_000) offset += 60_000;
    packet.at += offset;
    latest = Math.max(latest, packet.at);
    packets.push(packet);
  }
  return packets;
}

/** Reads `path` and the files a browser's child processes wrote beside it (`path.child-1.moz_log`). */
export function readDump(path: string): CapturedPacket[] {
  const folder = dirname(path);
  const stem = basename(path);
  const files = readdirSync(folder).filter((name) => name === stem || name.startsWith(`${stem}.`));
  return files.flatMap((name) => parseDump(readFileSync(join(folder, name), 'latin1')));
}
