// The RTCP packets that the bridge sends, as bytes.

/** Receiver Estimated Max Bitrate (draft-alvestrand-rmcat-remb-03, section 2.2). */
export function remb(bitrate, ssrcs) {
  const packet = Buffer.alloc(20 + 4 * ssrcs.length);
  packet[0] = 0x80 | 15;
  packet[1] = 206;
  packet.writeUInt16BE(packet.length / 4 - 1, 2);
  packet.writeUInt32BE(1, 4);
  packet.write('REMB', 12, 'latin1');
  let exponent = 0;
  let mantissa = bitrate;
  while (mantissa >= 1 << 18) {
    mantissa /= 2;
    ++exponent;
  }
  mantissa = Math.floor(mantissa);
  packet[16] = ssrcs.length;
  packet[17] = (exponent << 2) | (mantissa >> 16);
  packet.writeUInt16BE(mantissa & 0xffff, 18);
  for (const [index, ssrc] of ssrcs.entries()) packet.writeUInt32BE(ssrc, 20 + 4 * index);
  return packet;
}

/** Picture Loss Indication (RFC 4585, section 6.3.1). */
export function pli(ssrc) {
  const packet = Buffer.alloc(12);
  packet[0] = 0x80 | 1;
  packet[1] = 206;
  packet.writeUInt16BE(2, 2);
  packet.writeUInt32BE(1, 4);
  packet.writeUInt32BE(ssrc, 8);
  return packet;
}
