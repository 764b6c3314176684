#include "siegel/layout.h"

#include <algorithm>

namespace siegel {
namespace {

using Bytes = std::span<const std::uint8_t>;

// VP8's uncompressed chunk: 3 bytes of frame tag, and in a key frame 7 more with start code, width and height
// (RFC 6386 9.1). SFUs read the key frame bit and the height there.
constexpr std::size_t kVp8Key = 10;
constexpr std::size_t kVp8Delta = 3;
// Opus TOC byte (RFC 6716 3.1).
constexpr std::size_t kOpusToc = 1;

bool startCodeAt(Bytes frame, std::size_t pos) { return frame[pos] == 0 && frame[pos + 1] == 0 && frame[pos + 2] == 1; }

bool isSlice(Codec codec, std::uint8_t header) {
  if (codec == Codec::kH264) {
    const int type = header & 0x1F;
    return type == 1 || type == 5;  // Table 7-1: coded slice of a non-IDR, of an IDR picture
  }
  const int type = (header >> 1) & 0x3F;
  return type <= 9 || (type >= 16 && type <= 21);  // H.265 Table 7-1: slice segments that are in use
}

// Two bytes into the first slice. A NAL unit so close to the end that fewer than four bytes are left does not count;
// LiveKit's scanner never reports it either, and both sides must agree.
Result<std::size_t> sliceHeader(Codec codec, Bytes frame) {
  if (frame.size() < 4) return Error::kMalformed;
  const std::size_t end = frame.size() - 3;
  bool first = true;
  for (std::size_t pos = 0; pos < end;) {
    if (!startCodeAt(frame, pos)) {
      // An Annex B stream begins with a start code; only zeros may stand before it.
      if (first && frame[pos] != 0) return Error::kMalformed;
      ++pos;
      continue;
    }
    first = false;
    pos += 3;
    if (pos < end && isSlice(codec, frame[pos])) return pos + 2;
  }
  return Error::kMalformed;
}

Result<std::size_t> videoPrefix(FrameType type) {
  if (type == FrameType::kKey) return kVp8Key;
  if (type == FrameType::kDelta) return kVp8Delta;
  return Error::kUnsupportedFrameType;
}

Result<std::size_t> prefix(Format format, Codec codec, FrameType type, Bytes frame) {
  const bool video = type == FrameType::kKey || type == FrameType::kDelta;
  switch (codec) {
    case Codec::kOpus:
      if (type != FrameType::kAudio) return Error::kUnsupportedFrameType;
      return format == Format::kSFrame ? 0 : kOpusToc;
    case Codec::kVp8:
      if (!video) return Error::kUnsupportedFrameType;
      if (format == Format::kSFrame) return std::size_t{0};
      return videoPrefix(type);
    case Codec::kVp9:
      if (!video) return Error::kUnsupportedFrameType;
      // JFrame has one rule for all video; LiveKit relies on the RTP payload descriptor and leaves nothing clear.
      if (format == Format::kJFrame) return videoPrefix(type);
      return std::size_t{0};
    case Codec::kH264:
    case Codec::kH265:
      if (format == Format::kJFrame) return Error::kUnsupportedCodec;
      if (!video) return Error::kUnsupportedFrameType;
      if (format == Format::kSFrame) return std::size_t{0};
      return sliceHeader(codec, frame);
    case Codec::kAv1:
    case Codec::kUnknown:
      break;
  }
  return Error::kUnsupportedCodec;
}

}  // namespace

Result<std::size_t> clearBytes(Format format, Codec codec, FrameType type, Bytes frame) {
  if (frame.empty()) return Error::kEmptyFrame;
  const Result<std::size_t> size = prefix(format, codec, type, frame);
  if (size.ok() && frame.size() < size.value()) return Error::kFrameTooShort;
  return size;
}

std::size_t countShortStartCodes(Bytes prefix) {
  std::size_t count = 0;
  for (std::size_t pos = 0; pos + 3 <= prefix.size(); ++pos) {
    if (startCodeAt(prefix, pos)) {
      if (pos == 0 || prefix[pos - 1] != 0) ++count;
      pos += 2;
    }
  }
  return count;
}

std::size_t normaliseStartCodes(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t size) {
  const std::size_t added = countShortStartCodes(buffer.subspan(offset, size));
  if (added == 0) return size;
  std::size_t to = offset - added;
  const std::size_t end = offset + size;
  // Writing never catches up with reading: `to` starts `added` bytes behind and gains one at each short code.
  for (std::size_t from = offset; from < end;) {
    if (from + 3 <= end && startCodeAt(buffer, from)) {
      if (from == offset || buffer[from - 1] != 0) buffer[to++] = 0;
      buffer[to++] = 0;
      buffer[to++] = 0;
      buffer[to++] = 1;
      from += 3;
    } else {
      buffer[to++] = buffer[from++];
    }
  }
  return size + added;
}

Result<std::size_t> escapeInPlace(std::span<std::uint8_t> buffer, std::size_t offset, std::size_t size) {
  std::size_t extra = 0;
  int zeros = 0;
  for (const std::uint8_t byte : buffer.subspan(offset, size)) {
    if (zeros >= 2 && byte <= 3) {
      ++extra;
      zeros = 0;
    }
    zeros = byte == 0 ? zeros + 1 : 0;
  }
  if (extra == 0) return size;
  if (buffer.size() - offset < size + extra) return Error::kBufferTooSmall;
  // Move everything to the back of its new place, then copy forward with the extra bytes.
  std::uint8_t* data = buffer.data() + offset;
  std::copy_backward(data, data + size, data + size + extra);
  std::size_t to = 0;
  zeros = 0;
  for (std::size_t from = extra; from < size + extra; ++from) {
    const std::uint8_t byte = data[from];
    if (zeros >= 2 && byte <= 3) {
      data[to++] = 3;
      zeros = 0;
    }
    data[to++] = byte;
    zeros = byte == 0 ? zeros + 1 : 0;
  }
  return size + extra;
}

std::size_t unescapeInPlace(std::span<std::uint8_t> bytes) {
  std::size_t to = 0;
  int zeros = 0;
  for (const std::uint8_t byte : bytes) {
    if (zeros >= 2 && byte == 3) {
      zeros = 0;
      continue;
    }
    bytes[to++] = byte;
    zeros = byte == 0 ? zeros + 1 : 0;
  }
  return to;
}

}  // namespace siegel
