// AES-GCM in 16-byte vectors: one source for WASM SIMD128, WASM relaxed SIMD and x86 SSSE3 (see v128.h).
//
// AES: the S-box of aes_tables.h, counter mode with the first two rounds shared between blocks. GHASH: nibble tables in
// transposed form. docs/crypto-kernels.md explains both and what was measured.
//
// Constant time: data is never an address, a branch condition or a loop bound. Lengths are.
#include "siegel/aes_gcm.h"

#if SIEGEL_HAS_SIMD_AES

#include <algorithm>
#include <cstring>

#include "aes_circuit.h"
#include "aes_tables.h"
#include "siegel/secret.h"
#include "v128.h"

namespace siegel::simd {
namespace {

using circuit::at;
using circuit::invert;
using circuit::Inverted;
using circuit::mixColumns;
using circuit::sub1;
using circuit::sub2;
using circuit::subLast;
using circuit::toTower;
using tables::Lanes;
using tables::Start;
using tables::Tables;
using v128::load;
using v128::lookup;
using v128::store;
using v128::Vec;
using Schedule = AesGcm::Schedule;

constexpr std::size_t kBlock = 16;

std::uint64_t swapBytes(std::uint64_t w) { return __builtin_bswap64(w); }

std::uint64_t load64(const std::uint8_t* p) {
  std::uint64_t w = 0;
  std::memcpy(&w, p, sizeof w);
  return w;
}

std::uint32_t load32(const std::uint8_t* p) {
  std::uint32_t w = 0;
  std::memcpy(&w, p, sizeof w);
  return w;
}

// n < 16 bytes as a little-endian number, the rest zero. Reads nothing behind p + n, and in the same pieces as
// storePieces writes, so that a load soon after the store gets its bytes straight from the store buffer.
struct Pair {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

Pair loadPieces(const std::uint8_t* p, std::size_t n) {
  std::uint64_t first = 0;
  const bool both = n >= 8;
  if (both) {
    first = load64(p);
    p += 8;
    n -= 8;
  }
  std::uint64_t word = 0;
  unsigned bits = 0;
  if (n >= 4) {
    word = load32(p);
    bits = 32;
    p += 4;
    n -= 4;
  }
  for (; n > 0; --n, bits += 8) word |= static_cast<std::uint64_t>(*p++) << bits;
  return both ? Pair{first, word} : Pair{word, 0};
}

void storePieces(std::uint8_t* p, std::size_t n, Pair pair) {
  std::uint64_t word = pair.low;
  if (n >= 8) {
    std::memcpy(p, &word, 8);
    word = pair.high;
    p += 8;
    n -= 8;
  }
  if (n >= 4) {
    const auto low = static_cast<std::uint32_t>(word);
    std::memcpy(p, &low, 4);
    word >>= 32;
    p += 4;
    n -= 4;
  }
  for (; n > 0; --n) {
    *p++ = static_cast<std::uint8_t>(word);
    word >>= 8;
  }
}

SIEGEL_VECTOR Vec loadPartial(const std::uint8_t* p, std::size_t n) {
  const Pair pair = loadPieces(p, n);
  return v128::make(pair.low, pair.high);
}

SIEGEL_VECTOR void storePartial(std::uint8_t* p, std::size_t n, Vec v) {
  storePieces(p, n, {v128::low64(v), v128::high64(v)});
}

// ---- AES ------------------------------------------------------------------------------------------------------------

SIEGEL_VECTOR const Start& startFor(const Tables& t, int rounds) { return rounds == 12 ? t.start12 : t.start10or14; }

// Rounds 3 to the last for N states. Leaves key stream in natural order.
template <int N>
SIEGEL_VECTOR void finish(const Tables& t, const Schedule& s, int rounds, std::size_t layout, Vec (&x)[N]) {
  for (int r = 3; r < rounds; ++r) {
    layout = (layout + 1) % 4;
    const Vec down1 = at(t.rotations[layout].down1);
    const Vec down3 = at(t.rotations[layout].down3);
    const Vec key = load(s.roundKeys[r]);
    for (int n = 0; n < N; ++n) {
      const Inverted inverted = invert(t, x[n]);
      x[n] = mixColumns(sub1(t, inverted), sub2(t, inverted), down1, down3) ^ key;
    }
  }
  const Vec key = load(s.roundKeys[rounds]);
  for (int n = 0; n < N; ++n) x[n] = subLast(t, invert(t, x[n])) ^ key;
}

// What the counter blocks of one run (equal but for the lowest counter byte) share in rounds 1 and 2.
struct Run {
  Vec column;  // column 0 after round 1, without the counter byte's part, four times over
  Vec rest;    // the state after round 2 without column 0's part
};

SIEGEL_VECTOR Run startRun(const Tables& t, const Start& start, const Schedule& s, Vec counterBlock) {
  const std::size_t one = (start.layout + 1) % 4;
  const std::size_t two = (start.layout + 2) % 4;
  const Vec x = toTower(t, lookup(counterBlock, at(start.permute))) ^ load(s.roundKeys[0]);
  const Inverted first = invert(t, x);
  const Vec shared = at(start.withoutCounter);
  const Vec y = mixColumns(sub1(t, first) & shared, sub2(t, first) & shared, at(t.rotations[one].down1),
                           at(t.rotations[one].down3)) ^
                load(s.roundKeys[1]);
  const Inverted second = invert(t, y);
  const Vec others = at(start.withoutColumn);
  const Vec rest = mixColumns(sub1(t, second) & others, sub2(t, second) & others, at(t.rotations[two].down1),
                              at(t.rotations[two].down3)) ^
                   load(s.roundKeys[2]);
  return {lookup(y, at(start.column)), rest};
}

// Column 0 after round 1 of the 16 blocks whose lowest counter bytes are low, low + 1, ...: four blocks a vector.
struct Columns {
  Vec four[4];
};

SIEGEL_VECTOR Columns firstRound(const Tables& t, const Schedule& s, const Run& run, std::uint8_t low) {
  const Vec counters = v128::add8(v128::splat8(low), at(t.counting));
  const Inverted inverted = invert(t, toTower(t, counters) ^ load(s.lowKey));
  const Vec s1 = sub1(t, inverted);
  const Vec s2 = sub2(t, inverted);
  const Vec s3 = s1 ^ s2;
  // Row 3 of column 0 goes to rows 0..3 with the factors 1, 1, 3, 2.
  const Vec low11 = v128::interleaveLow8(s1, s1);
  const Vec low32 = v128::interleaveLow8(s3, s2);
  const Vec high11 = v128::interleaveHigh8(s1, s1);
  const Vec high32 = v128::interleaveHigh8(s3, s2);
  return {{run.column ^ v128::interleaveLow16(low11, low32), run.column ^ v128::interleaveHigh16(low11, low32),
           run.column ^ v128::interleaveLow16(high11, high32), run.column ^ v128::interleaveHigh16(high11, high32)}};
}

SIEGEL_VECTOR void secondRound(const Tables& t, const Start& start, const Run& run, Vec columns, Vec* x) {
  const Inverted inverted = invert(t, columns);
  const Vec s1 = sub1(t, inverted);
  const Vec s2 = sub2(t, inverted);
  for (std::size_t n = 0; n < 4; ++n) {
    x[n] = run.rest ^ lookup(s1, at(start.spread1[n])) ^ lookup(s2, at(start.spread2[n]));
  }
}

SIEGEL_VECTOR void keyStream4(const Tables& t, const Start& start, const Schedule& s, int rounds, const Run& run,
                              Vec columns, Vec (&x)[4]) {
  secondRound(t, start, run, columns, x);
  finish<4>(t, s, rounds, start.layout + 2, x);
}

// A counter block with its lowest byte zero, and the counter.
SIEGEL_VECTOR Vec counterBlock(const std::uint8_t* prefix, std::uint32_t counter) {
  const std::uint32_t upper = __builtin_bswap32(counter & 0xFFFFFF00U);
  return v128::make(load64(prefix), load32(prefix + 8) | (static_cast<std::uint64_t>(upper) << 32));
}

// Where a key stream stands: `counter` is that of the next four blocks, columns.four[quarter] their state.
struct Stream {
  Run run;
  Columns columns;
  Vec ahead[4];  // key stream of the four blocks before `counter`; ahead[used..] is not used up yet
  std::size_t used;
  std::size_t quarter;
  std::uint32_t counter;
  std::uint8_t prefix[12];
};

// Key stream is as good as plaintext to who has the ciphertext; it does not stay on the stack.
SIEGEL_VECTOR_TARGET void wipe(Stream& stream) {
  for (Vec& v : stream.ahead) v = v128::zero();
  for (Vec& v : stream.columns.four) v = v128::zero();
  stream.run = {v128::zero(), v128::zero()};
  __asm__ volatile("" : : "r"(&stream) : "memory");  // the stores above are seen to be needed
}

SIEGEL_VECTOR void nextFour(const Tables& t, const Start& start, const Schedule& s, int rounds, Stream& stream) {
  keyStream4(t, start, s, rounds, stream.run, stream.columns.four[stream.quarter], stream.ahead);
}

// Starts at `counter` and makes the first four blocks.
SIEGEL_VECTOR_TARGET void startStream(const Schedule& s, int rounds, const std::uint8_t* prefix, std::uint32_t counter,
                                      Stream& stream) {
  const Tables& t = *v128::opaque(&tables::kTables);
  const Start& start = startFor(t, rounds);
  std::memcpy(stream.prefix, prefix, sizeof stream.prefix);
  stream.run = startRun(t, start, s, counterBlock(prefix, counter));
  stream.columns = firstRound(t, s, stream.run, static_cast<std::uint8_t>(counter));
  stream.quarter = 0;
  stream.used = 0;
  nextFour(t, start, s, rounds, stream);
  stream.quarter = 1;
  stream.counter = counter + 4;
}

// Takes the first block off a stream just started.
SIEGEL_VECTOR_TARGET void takeFirst(Stream& stream, std::uint8_t* block) {
  store(block, stream.ahead[0]);
  stream.used = 1;
}

// XORs the key stream over the text. (One call a stream: what is left of a last block is not kept.)
SIEGEL_VECTOR_TARGET void xorStream(const Schedule& s, int rounds, Stream& stream, std::uint8_t* text,
                                    std::size_t size) {
  const Tables& t = *v128::opaque(&tables::kTables);
  const Start& start = startFor(t, rounds);
  for (;;) {
    // The four blocks at hand, of which those whose counter's lowest byte has wrapped are not valid.
    const std::uint32_t first = stream.counter - 4;
    const std::size_t valid = std::min<std::size_t>(4, 256 - (first & 0xFF));
    if (stream.used == 0 && valid == 4 && size >= 4 * kBlock) {
      for (std::size_t n = 0; n < 4; ++n) store(text + kBlock * n, stream.ahead[n] ^ load(text + kBlock * n));
      text += 4 * kBlock;
      size -= 4 * kBlock;
    } else {
      for (std::size_t n = stream.used; n < valid && size > 0; ++n) {
        const std::size_t bytes = std::min(size, kBlock);
        if (bytes == kBlock) {
          store(text, stream.ahead[n] ^ load(text));
        } else {
          storePartial(text, bytes, stream.ahead[n] ^ loadPartial(text, bytes));
        }
        text += bytes;
        size -= bytes;
      }
    }
    if (size == 0) return;
    stream.used = 0;
    if (valid < 4 || (stream.counter & 0xFF) == 0) {
      stream.counter = first + static_cast<std::uint32_t>(valid);
      stream.run = startRun(t, start, s, counterBlock(stream.prefix, stream.counter));
      stream.quarter = 4;
    }
    if (stream.quarter == 4) {
      stream.columns = firstRound(t, s, stream.run, static_cast<std::uint8_t>(stream.counter));
      stream.quarter = 0;
    }
    nextFour(t, start, s, rounds, stream);
    ++stream.quarter;
    stream.counter += 4;
  }
}

// ---- GHASH ----------------------------------------------------------------------------------------------------------
//
// A block is 16 bytes of weight x^(8i). For the hash key's power P, byte j of n * P for all 16 values n of a nibble is
// one vector, so one lookup gives byte j of (nibble * P) for all 16 bytes of the block at once: 32 lookups a block.
// Lane i of that result has weight x^(8(i + j)). Results of different blocks and powers are added up for each j, and
// only the sums are moved to their places and folded: once for up to eight blocks.

// Adds up bytes 8 * half .. 8 * half + 7 over n blocks and appends them to the sum, highest byte first.
struct Wide {
  Vec low;
  Vec high;
};

SIEGEL_VECTOR void append(Wide& sum, Vec byte) {
  sum.high = v128::shiftUpOne(sum.low, sum.high);
  sum.low = v128::shiftUpOne(v128::zero(), sum.low) ^ byte;
}

SIEGEL_VECTOR void hashQuarter(Vec nibble, const std::uint8_t (*table)[16], Vec y, const std::uint8_t* p, int blocks,
                               Wide& sum) {
  Vec a0 = v128::zero();
  Vec a1 = a0;
  Vec a2 = a0;
  Vec a3 = a0;
#pragma clang loop unroll(disable)
  for (int n = blocks; n > 0; --n) {
    const Vec v = load(p) ^ y;
    const Vec low = v & nibble;
    const Vec high = v128::shiftRight4(v) & nibble;
    a0 = a0 ^ lookup(load(table[0]), low) ^ lookup(load(table[16]), high);
    a1 = a1 ^ lookup(load(table[1]), low) ^ lookup(load(table[17]), high);
    a2 = a2 ^ lookup(load(table[2]), low) ^ lookup(load(table[18]), high);
    a3 = a3 ^ lookup(load(table[3]), low) ^ lookup(load(table[19]), high);
    y = v128::zero();
    p += kBlock;
    table -= 32;
  }
  append(sum, a3);
  append(sum, a2);
  append(sum, a1);
  append(sum, a0);
}

// (y + block 0) * H^n + block 1 * H^(n-1) + ... for n = 1..8 blocks.
SIEGEL_VECTOR_TARGET Vec hashBlocks(const Tables& t, const Schedule& s, Vec y, const std::uint8_t* p, int blocks) {
  const Vec nibble = at(t.nibble);
  Wide sum = {v128::zero(), v128::zero()};
  for (int first = 12; first >= 0; first -= 4) hashQuarter(nibble, &s.tables[blocks - 1][first], y, p, blocks, sum);
  const Vec low = sum.high & nibble;
  const Vec high = v128::shiftRight4(sum.high) & nibble;
  const Vec first = lookup(at(t.fold[0][0]), low) ^ lookup(at(t.fold[1][0]), high);
  const Vec second = lookup(at(t.fold[0][1]), low) ^ lookup(at(t.fold[1][1]), high);
  return sum.low ^ first ^ v128::shiftUpOne(v128::zero(), second);
}

// element * x.
SIEGEL_VECTOR Vec timesX(const Tables& t, Vec v) {
  // Bytes are shifted right by one; the bit that falls out of byte i enters byte i + 1 at the top, and the one that
  // falls out of byte 15 comes back as x^128 = 1 + x + x^2 + x^7.
  const Vec lowBits = v & v128::splat8(0x01);
  const Vec shifted = v128::shiftRight1(v) & v128::splat8(0x7F);
  const Vec carried = v128::shiftLeft7(lowBits);
  const Vec out = v128::shiftUpOne(carried, v128::zero());  // lane 0: the bit that left the block, as 0x80
  // 0x80 >> 0 ^ >> 1 ^ >> 2 ^ >> 7 = 0xE1.
  const Vec nibble = at(t.nibble);
  (void)nibble;
  const Vec bit = v128::shiftRight1(out) ^ v128::shiftRight1(v128::shiftRight1(out));
  const Vec last = v128::shiftRight4(v128::shiftRight1(v128::shiftRight1(v128::shiftRight1(out))));
  return shifted ^ v128::shiftUpOne(v128::zero(), carried) ^ out ^ bit ^ last;
}

SIEGEL_VECTOR void buildTable(const Tables& t, std::uint8_t (*table)[16], Vec power) {
  // Bit 7 - d of a byte has weight x^d: power * x^d for d = 0..7.
  Vec multiple[8];
  multiple[0] = power;
  for (int d = 1; d < 8; ++d) multiple[d] = timesX(t, multiple[d - 1]);
  for (int j = 0; j < 16; ++j) {
    const Vec lane = v128::splat8(static_cast<std::uint8_t>(j));
    Vec low = v128::zero();
    Vec high = v128::zero();
    for (int bit = 0; bit < 4; ++bit) {
      const Vec mask = at(t.bitOf[static_cast<std::size_t>(bit)]);
      low = low ^ (lookup(multiple[7 - bit], lane) & mask);
      high = high ^ (lookup(multiple[3 - bit], lane) & mask);
    }
    store(table[j], low);
    store(table[16 + j], high);
  }
}

SIEGEL_VECTOR_TARGET void buildPowers(Schedule& s, int from, int to) {
  const Tables& t = *v128::opaque(&tables::kTables);
  for (int p = from; p < to; ++p) {
    if (p > 0) store(s.power, hashBlocks(t, s, v128::zero(), s.power, 1));
    buildTable(t, s.tables[p], load(s.power));
  }
}

// What GHASH runs over: additional data, text, lengths, the first two filled up to whole blocks.
struct Message {
  const std::uint8_t* aad;
  std::size_t aadSize;
  const std::uint8_t* text;
  std::size_t textSize;
  std::size_t aadBlocks;
  std::size_t blocks;  // all, with the length block
};

Message makeMessage(std::span<const std::uint8_t> aad, std::span<const std::uint8_t> text) {
  const std::size_t aadBlocks = (aad.size() + kBlock - 1) / kBlock;
  const std::size_t textBlocks = (text.size() + kBlock - 1) / kBlock;
  return {aad.data(), aad.size(), text.data(), text.size(), aadBlocks, aadBlocks + textBlocks + 1};
}

SIEGEL_VECTOR Vec messageBlock(const Message& m, std::size_t index) {
  if (index + 1 == m.blocks) {
    return v128::make(swapBytes(static_cast<std::uint64_t>(m.aadSize) * 8),
                      swapBytes(static_cast<std::uint64_t>(m.textSize) * 8));
  }
  const bool inAad = index < m.aadBlocks;
  const std::uint8_t* p = inAad ? m.aad : m.text;
  const std::size_t offset = kBlock * (inAad ? index : index - m.aadBlocks);
  const std::size_t left = (inAad ? m.aadSize : m.textSize) - offset;
  return left >= kBlock ? load(p + offset) : loadPartial(p + offset, left);
}

// REQUIRES: the powers 1..min(8, blocks) have tables.
SIEGEL_VECTOR_TARGET void computeTag(const Schedule& s, const Message& m, const std::uint8_t* mask, std::uint8_t* tag) {
  const Tables& t = *v128::opaque(&tables::kTables);
  Vec y = v128::zero();
  std::size_t index = 0;
  // The odd group comes first, so that all the others are full.
  std::size_t group = (m.blocks - 1) % AesGcm::kPowers + 1;
  alignas(16) std::uint8_t gathered[AesGcm::kPowers * kBlock];
  while (index < m.blocks) {
    const std::uint8_t* p = gathered;
    if (index >= m.aadBlocks && kBlock * (index - m.aadBlocks + group) <= m.textSize) {
      p = m.text + kBlock * (index - m.aadBlocks);
    } else {
      for (std::size_t n = 0; n < group; ++n) store(gathered + kBlock * n, messageBlock(m, index + n));
    }
    y = hashBlocks(t, s, y, p, static_cast<int>(group));
    index += group;
    group = AesGcm::kPowers;
  }
  store(tag, y ^ load(mask));
}

// ---- key set-up -----------------------------------------------------------------------------------------------------

SIEGEL_VECTOR_TARGET std::uint32_t subWord(const Tables& t, std::uint32_t word) {
  const Vec x = toTower(t, v128::splat32(word));
  return static_cast<std::uint32_t>(v128::low64(subLast(t, invert(t, x)))) ^ 0x63636363U;
}

SIEGEL_VECTOR_TARGET void expandKey(Schedule& s, std::span<const std::uint8_t> key, int rounds) {
  const Tables& t = *v128::opaque(&tables::kTables);
  const Start& start = startFor(t, rounds);
  const std::size_t keyWords = key.size() / 4;
  const std::size_t words = 4 * (static_cast<std::size_t>(rounds) + 1);
  std::uint32_t w[60] = {};
  std::memcpy(w, key.data(), key.size());
  std::uint32_t roundConstant = 1;
  for (std::size_t i = keyWords; i < words; ++i) {
    std::uint32_t word = w[i - 1];
    if (i % keyWords == 0) {
      word = subWord(t, (word >> 8) | (word << 24)) ^ roundConstant;
      roundConstant = (roundConstant << 1) ^ ((roundConstant >> 7) * 0x11BU);
    } else if (keyWords > 6 && i % keyWords == 4) {
      word = subWord(t, word);
    }
    w[i] = w[i - keyWords] ^ word;
  }
  const Vec affineConstant = v128::splat8(0x63);
  for (std::size_t r = 0; r <= static_cast<std::size_t>(rounds); ++r) {
    Vec k = load(w + 4 * r);
    if (r != 0) k = k ^ affineConstant;
    // The last round ends in layout 0 and leaves the tower.
    if (r != static_cast<std::size_t>(rounds)) {
      const Lanes layout = tables::toLayout((start.layout + r) % 4);
      k = toTower(t, lookup(k, at(layout)));
    }
    store(s.roundKeys[r], k);
  }
  store(s.lowKey, v128::splat8(s.roundKeys[0][tables::laneOf(3, 3, start.layout)]));
  memzero({reinterpret_cast<std::uint8_t*>(w), sizeof w});
}

// The hash key: the zero block encrypted.
SIEGEL_VECTOR_TARGET void makeHashKey(Schedule& s, int rounds) {
  const std::uint8_t zeros[12] = {};
  Stream stream;
  startStream(s, rounds, zeros, 0, stream);
  store(s.power, stream.ahead[0]);
  wipe(stream);
}

}  // namespace

Error AesGcm::setKey(std::span<const std::uint8_t> key) {
  clear();
  if (key.size() != 16 && key.size() != 24 && key.size() != 32) return Error::kInvalidKey;
  rounds_ = static_cast<int>(key.size() / 4) + 6;
  expandKey(schedule_, key, rounds_);
  makeHashKey(schedule_, rounds_);
  return Error::kNone;
}

void AesGcm::clear() {
  memzero({reinterpret_cast<std::uint8_t*>(&schedule_), sizeof schedule_});
  rounds_ = 0;
  powers_ = 0;
}

void AesGcm::needPowers(std::size_t blocks) {
  const int wanted = static_cast<int>(std::min<std::size_t>(blocks, kPowers));
  if (powers_ >= wanted) return;
  buildPowers(schedule_, powers_, wanted);
  powers_ = wanted;
}

void AesGcm::ctr(std::span<const std::uint8_t, 16> counterBlock, std::span<std::uint8_t> text) {
  if (text.empty()) return;
  Stream stream;
  startStream(schedule_, rounds_, counterBlock.data(), __builtin_bswap32(load32(counterBlock.data() + 12)), stream);
  xorStream(schedule_, rounds_, stream, text.data(), text.size());
  wipe(stream);
}

// The block of counter 1 hides the tag; the text begins with counter 2. One stream serves both.

void AesGcm::seal(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<std::uint8_t> text, GcmTag tag) {
  const Message message = makeMessage(aad, text);
  needPowers(message.blocks);
  Stream stream;
  startStream(schedule_, rounds_, nonce.data(), 1, stream);
  SecretBytes<kBlock> mask;
  takeFirst(stream, mask.span().data());
  xorStream(schedule_, rounds_, stream, text.data(), text.size());
  computeTag(schedule_, message, mask.span().data(), tag.data());
  wipe(stream);
}

bool AesGcm::verify(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<const std::uint8_t> text,
                    GcmTagView tag) {
  const Message message = makeMessage(aad, text);
  needPowers(message.blocks);
  Stream stream;
  startStream(schedule_, rounds_, nonce.data(), 1, stream);
  SecretBytes<kBlock> mask;
  takeFirst(stream, mask.span().data());
  SecretBytes<kGcmTagSize> expected;
  computeTag(schedule_, message, mask.span().data(), expected.span().data());
  wipe(stream);
  return equal(expected.span(), tag);
}

Error AesGcm::open(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<std::uint8_t> text, GcmTagView tag) {
  const Message message = makeMessage(aad, text);
  needPowers(message.blocks);
  Stream stream;
  startStream(schedule_, rounds_, nonce.data(), 1, stream);
  SecretBytes<kBlock> mask;
  takeFirst(stream, mask.span().data());
  SecretBytes<kGcmTagSize> expected;
  computeTag(schedule_, message, mask.span().data(), expected.span().data());
  const bool valid = equal(expected.span(), tag);
  if (valid) {
    xorStream(schedule_, rounds_, stream, text.data(), text.size());
  }
  wipe(stream);
  return valid ? Error::kNone : Error::kAuthentication;
}

}  // namespace siegel::simd

#endif
