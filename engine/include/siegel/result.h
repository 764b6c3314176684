// Closed error enum and the return type of every fallible engine call.
//
// Rules: kNone is the only value that tests as success; values never change their number, because web/media/errors.ts
// mirrors them and a test compares the two lists. No strings are built here: the text for people lives in TypeScript.
// Threads: plain values, no shared state. Cost: one word.
#pragma once

#include <cassert>
#include <cstdint>

namespace siegel {

enum class Error : std::uint8_t {
  kNone = 0,                  // success
  kMissingKey = 1,            // no key at this key index (or no current key to seal with): the frame is dropped
  kAuthentication = 2,        // the tag did not verify; nothing changed
  kReplay = 3,                // this frame was opened before, or is older than the replay window
  kMalformed = 4,             // the bytes do not parse as a frame of this format
  kFrameTooShort = 5,         // shorter than its own clear header, or than header and trailer together
  kUnsupportedCodec = 6,      // no clear-byte layout for this codec in this format (AV1, unknown)
  kUnsupportedFrameType = 7,  // neither key, delta nor audio
  kBufferTooSmall = 8,        // the caller's buffer cannot hold the result
  kCounterExhausted = 9,      // this key has sealed as many frames as it may; a new key is needed
  kInvalidArgument = 10,      // a caller's mistake: index out of range, null span
  kInvalidKey = 11,           // key material of a length that the format or cipher does not take
  kUnsupportedSuite = 12,     // SFrame cipher suite that is not 1..5
  kEmptyFrame = 13,           // zero-length frame: dropped without being counted as a fault
  kInjectedFrame = 14,        // a server-injected frame (SIF) that the policy does not let through
  kKeyUsage = 15,             // an SFrame key that may only send was asked to open, or the reverse
  kTooManyStreams = 16,       // more SSRCs (or key ids) than one sender may use
};
inline constexpr int kErrorCount = 17;

// A value or an Error. Not an exception carrier: callers test ok() before value().
template <typename T>
class [[nodiscard]] Result {
 public:
  constexpr Result(T value) : value_(value), error_(Error::kNone) {}  // NOLINT(google-explicit-constructor)
  constexpr Result(Error error) : value_(), error_(error) {}          // NOLINT(google-explicit-constructor)
  constexpr bool ok() const { return error_ == Error::kNone; }
  constexpr Error error() const { return error_; }
  constexpr const T& value() const {
    assert(ok());
    return value_;
  }

 private:
  T value_;
  Error error_;
};

}  // namespace siegel
