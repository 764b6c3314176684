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
using circuit::fromTower;
using circuit::invert;
using circuit::Inverted;
using circuit::mixBits;
using circuit::mixColumns;
using circuit::sub1;
using circuit::sub2;
using circuit::subBits;
using circuit::subLast;
using circuit::subLast2;
using circuit::toTower;
using circuit::transposeBits;
using tables::Lanes;
using tables::Start;
using tables::Tables;
using v128::load;
using v128::lookup;
using v128::store;
using v128::Vec;
using Schedule = AesGcm::Schedule;

// Which code makes long key streams. Both are always compiled in; see docs/crypto-kernels.md for the figures. A relaxed
// lookup is one instruction, which favours lookups; an exact one is two, which favours bit slices.
#if defined(__wasm_relaxed_simd__)
constexpr bool kBitSlices = false;
#else
constexpr bool kBitSlices = true;
#endif

constexpr std::size_t kBlock = 16;

std::size_t blocksOf(std::size_t bytes) { return (bytes + kBlock - 1) / kBlock; }

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
  Vec rows;    // the same as plain bytes in row order, where the bit-sliced rounds begin
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
  return {lookup(y, at(start.column)), rest, lookup(fromTower(t, rest), at(start.rows))};
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

// Eight blocks of key stream, bit-sliced from round 3 on. A function of its own: its size is most of the kernel's.
SIEGEL_VECTOR_TARGET __attribute__((noinline)) void keyStream8(const Schedule& s, int rounds, const Run& run,
                                                               const Vec* columns, Vec* out) {
  const Tables& t = *v128::opaque(&tables::kTables);
  const Start& start = startFor(t, rounds);
  Vec x[8];
  for (std::size_t half = 0; half < 2; ++half) {
    const Inverted inverted = invert(t, columns[half]);
    const Vec s1 = subLast(t, inverted);
    const Vec s2 = subLast2(t, inverted);
    for (std::size_t n = 0; n < 4; ++n) {
      x[4 * half + n] = run.rows ^ lookup(s1, at(start.spreadRows1[n])) ^ lookup(s2, at(start.spreadRows2[n]));
    }
  }
  transposeBits(t, x);
  const Vec shiftRows = at(t.shiftRows);
#pragma clang loop unroll(disable)
  for (int r = 3; r < rounds; ++r) {
    for (Vec& v : x) v = lookup(v, shiftRows);
    subBits(x);
    mixBits(x, s.bitKeys[r - 3]);
  }
  subBits(x);
  for (int b = 0; b < 8; ++b) x[b] = x[b] ^ load(s.bitKeys[rounds - 3][b]);
  transposeBits(t, x);
  const Vec natural = at(t.shiftRowsToNatural);
  for (int n = 0; n < 8; ++n) out[n] = lookup(x[n], natural);
}

// A counter block with its lowest byte zero, and the counter.
SIEGEL_VECTOR Vec counterBlock(const std::uint8_t* prefix, std::uint32_t counter) {
  const std::uint32_t upper = __builtin_bswap32(counter & 0xFFFFFF00U);
  return v128::make(load64(prefix), load32(prefix + 8) | (static_cast<std::uint64_t>(upper) << 32));
}

// Where a key stream stands. The batch at hand is key stream of the counters up to `counter`, which is that of the next
// batch; columns.four[quarter] is the latter's state.
struct Stream {
  Run run;
  Columns columns;
  Vec batch[8];
  std::size_t used;   // blocks of the batch that are used up
  std::size_t count;  // blocks in the batch: 4 or 8
  std::size_t quarter;
  std::uint32_t counter;
  std::uint8_t prefix[12];
};

// Key stream is as good as plaintext to who has the ciphertext; it does not stay on the stack.
SIEGEL_VECTOR void wipe(Stream& stream) {
  const Vec nothing = v128::opaqueZero();
  for (Vec& v : stream.batch) v = nothing;
  for (Vec& v : stream.columns.four) v = nothing;
  stream.run = {nothing, nothing, nothing};
  __asm__ volatile("" : : "r"(&stream) : "memory");  // the stores above are seen to be needed
}

// Makes the next batch: large enough for `blocks`, if possible.
SIEGEL_VECTOR void nextBatch(const Tables& t, const Start& start, const Schedule& s, int rounds, std::size_t blocks,
                             Stream& stream) {
  const Vec* columns = &stream.columns.four[stream.quarter];
  stream.count = blocks > 4 && stream.quarter % 2 == 0 ? 8 : 4;
  if (kBitSlices && stream.count == 8) {
    keyStream8(s, rounds, stream.run, columns, stream.batch);
  } else {
#pragma clang loop unroll(disable)
    for (std::size_t done = 0; done < stream.count; done += 4) {
      Vec x[4];
      keyStream4(t, start, s, rounds, stream.run, columns[done / 4], x);
      for (std::size_t n = 0; n < 4; ++n) stream.batch[done + n] = x[n];
    }
  }
  stream.used = 0;
  stream.quarter += stream.count / 4;
  stream.counter += static_cast<std::uint32_t>(stream.count);
}

// Starts at `counter` and makes the first batch.
SIEGEL_VECTOR_TARGET __attribute__((noinline)) void startStream(const Schedule& s, int rounds,
                                                                const std::uint8_t* prefix, std::uint32_t counter,
                                                                std::size_t blocks, Stream& stream) {
  const Tables& t = *v128::opaque(&tables::kTables);
  const Start& start = startFor(t, rounds);
  std::memcpy(stream.prefix, prefix, sizeof stream.prefix);
  stream.counter = counter;
  stream.run = startRun(t, start, s, counterBlock(prefix, counter));
  stream.columns = firstRound(t, s, stream.run, static_cast<std::uint8_t>(counter));
  stream.quarter = 0;
  nextBatch(t, start, s, rounds, blocks, stream);
}

// 16 bytes that are wiped when they go out of scope, without a call.
struct SecretBlock {
  alignas(16) std::uint8_t bytes[kBlock];
  SecretBlock() = default;
  SecretBlock(const SecretBlock&) = delete;
  SecretBlock& operator=(const SecretBlock&) = delete;
  ~SecretBlock() {
    std::memset(bytes, 0, sizeof bytes);
    __asm__ volatile("" : : "r"(bytes) : "memory");
  }
};

SIEGEL_VECTOR_TARGET bool equalBlocks(const std::uint8_t* a, const std::uint8_t* b) {
  const Vec difference = load(a) ^ load(b);
  return (v128::low64(difference) | v128::high64(difference)) == 0;
}

// Takes the first block off a stream just started.
SIEGEL_VECTOR_TARGET void takeFirst(Stream& stream, std::uint8_t* block) {
  store(block, stream.batch[0]);
  stream.used = 1;
}

struct Text {
  std::uint8_t* at;
  std::size_t size;
};

// XORs the batch at hand over the text and returns what of the text is left.
SIEGEL_VECTOR Text useBatch(Stream& stream, Text text) {
  // Blocks behind the wrap of the counter's lowest byte are not valid: they lack the carry.
  const std::uint32_t first = stream.counter - static_cast<std::uint32_t>(stream.count);
  const std::size_t valid = std::min<std::size_t>(stream.count, 256 - (first & 0xFF));
  const std::size_t whole = std::min(valid - stream.used, text.size / kBlock);
  const Vec* batch = stream.batch + stream.used;
  for (std::size_t n = 0; n < whole; ++n) store(text.at + kBlock * n, batch[n] ^ load(text.at + kBlock * n));
  text.at += kBlock * whole;
  text.size -= kBlock * whole;
  if (text.size > 0 && stream.used + whole < valid) {
    storePartial(text.at, text.size, batch[whole] ^ loadPartial(text.at, text.size));
    text.size = 0;
  }
  stream.counter = first + static_cast<std::uint32_t>(valid);
  return text;
}

// All that does not fit the first batch.
SIEGEL_VECTOR_TARGET __attribute__((noinline)) void xorRest(const Schedule& s, int rounds, Stream& stream, Text text) {
  const Tables& t = *v128::opaque(&tables::kTables);
  const Start& start = startFor(t, rounds);
  while (text.size > 0) {
    if ((stream.counter & 0xFF) == 0) {
      stream.run = startRun(t, start, s, counterBlock(stream.prefix, stream.counter));
      stream.quarter = 4;
    }
    if (stream.quarter == 4) {
      stream.columns = firstRound(t, s, stream.run, static_cast<std::uint8_t>(stream.counter));
      stream.quarter = 0;
    }
    nextBatch(t, start, s, rounds, blocksOf(text.size), stream);
    text = useBatch(stream, text);
  }
}

// XORs the key stream over the text. (One call a stream: what is left of a last block is not kept.)
SIEGEL_VECTOR void xorStream(const Schedule& s, int rounds, Stream& stream, std::span<std::uint8_t> text) {
  const Text rest = useBatch(stream, {text.data(), text.size()});
  if (rest.size > 0) xorRest(s, rounds, stream, rest);
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
    const Vec high = v128::shiftRight<4>(v) & nibble;
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
// Inlined on purpose: as a function of its own, V8 12 moves the last turn of each loop above out of it and spills.
SIEGEL_VECTOR Vec hashBlocks(const Tables& t, const Schedule& s, Vec y, const std::uint8_t* p, int blocks) {
  const Vec nibble = at(t.nibble);
  Wide sum = {v128::zero(), v128::zero()};
  for (int first = 12; first >= 0; first -= 4) hashQuarter(nibble, &s.tables[blocks - 1][first], y, p, blocks, sum);
  const Vec low = sum.high & nibble;
  const Vec high = v128::shiftRight<4>(sum.high) & nibble;
  const Vec first = lookup(at(t.fold[0][0]), low) ^ lookup(at(t.fold[1][0]), high);
  const Vec second = lookup(at(t.fold[0][1]), low) ^ lookup(at(t.fold[1][1]), high);
  return sum.low ^ first ^ v128::shiftUpOne(v128::zero(), second);
}

// element * x. Bytes are shifted right by one; the bit that falls out of byte i enters byte i + 1 at the top, and the
// one that falls out of byte 15 comes back as x^128 = 1 + x + x^2 + x^7, the bits 0xE1 of byte 0.
SIEGEL_VECTOR Vec timesX(Vec v) {
  const Vec shifted = v128::shiftRight<1>(v) & v128::splat8(0x7F);
  const Vec carried = v128::shiftLeft<7>(v & v128::splat8(0x01));
  const Vec out = v128::shiftUpOne(carried, v128::zero());  // lane 0: 0x80 where a bit left the block
  const Vec folded = out ^ v128::shiftRight<1>(out) ^ v128::shiftRight<2>(out) ^ v128::shiftRight<7>(out);
  return shifted ^ v128::shiftUpOne(v128::zero(), carried) ^ folded;
}

SIEGEL_VECTOR void buildTable(const Tables& t, std::uint8_t (*table)[16], Vec power) {
  // Bit 7 - d of a byte has weight x^d: power * x^d for d = 0..7.
  Vec multiple[8];
  multiple[0] = power;
  for (int d = 1; d < 8; ++d) multiple[d] = timesX(multiple[d - 1]);
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
  const std::size_t aadBlocks = blocksOf(aad.size());
  return {aad.data(), aad.size(), text.data(), text.size(), aadBlocks, aadBlocks + blocksOf(text.size()) + 1};
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
SIEGEL_VECTOR_TARGET __attribute__((noinline)) void computeTag(const Schedule& s, const Message& m,
                                                               const std::uint8_t* mask, std::uint8_t* tag) {
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
  for (std::size_t r = 3; kBitSlices && r <= static_cast<std::size_t>(rounds); ++r) {
    const bool last = r == static_cast<std::size_t>(rounds);
    const Vec k = lookup(load(w + 4 * r) ^ affineConstant, at(last ? t.beforeShiftRows : t.naturalToRows));
    for (std::size_t b = 0; b < 8; ++b) store(s.bitKeys[r - 3][b], v128::equal8(k & at(t.bit[b]), at(t.bit[b])));
  }
  store(s.lowKey, v128::splat8(s.roundKeys[0][tables::laneOf(3, 3, start.layout)]));
  memzero({reinterpret_cast<std::uint8_t*>(w), sizeof w});
}

// The hash key: the zero block encrypted.
SIEGEL_VECTOR_TARGET void makeHashKey(Schedule& s, int rounds) {
  const std::uint8_t zeros[12] = {};
  Stream stream;
  startStream(s, rounds, zeros, 0, 1, stream);
  store(s.power, stream.batch[0]);
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

SIEGEL_VECTOR_TARGET void AesGcm::ctr(std::span<const std::uint8_t, 16> counterBlock, std::span<std::uint8_t> text) {
  if (text.empty()) return;
  Stream stream;
  startStream(schedule_, rounds_, counterBlock.data(), __builtin_bswap32(load32(counterBlock.data() + 12)),
              blocksOf(text.size()), stream);
  xorStream(schedule_, rounds_, stream, text);
  wipe(stream);
}

// The block of counter 1 hides the tag; the text begins with counter 2. One stream serves both.

SIEGEL_VECTOR_TARGET void AesGcm::seal(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<std::uint8_t> text,
                                       GcmTag tag) {
  const Message message = makeMessage(aad, text);
  needPowers(message.blocks);
  Stream stream;
  startStream(schedule_, rounds_, nonce.data(), 1, 1 + blocksOf(text.size()), stream);
  SecretBlock mask;
  takeFirst(stream, mask.bytes);
  xorStream(schedule_, rounds_, stream, text);
  computeTag(schedule_, message, mask.bytes, tag.data());
  wipe(stream);
}

SIEGEL_VECTOR_TARGET bool AesGcm::verify(GcmNonce nonce, std::span<const std::uint8_t> aad,
                                         std::span<const std::uint8_t> text, GcmTagView tag) {
  const Message message = makeMessage(aad, text);
  needPowers(message.blocks);
  Stream stream;
  startStream(schedule_, rounds_, nonce.data(), 1, 1, stream);
  SecretBlock mask;
  takeFirst(stream, mask.bytes);
  SecretBlock expected;
  computeTag(schedule_, message, mask.bytes, expected.bytes);
  wipe(stream);
  return equalBlocks(expected.bytes, tag.data());
}

SIEGEL_VECTOR_TARGET Error AesGcm::open(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<std::uint8_t> text,
                                        GcmTagView tag) {
  const Message message = makeMessage(aad, text);
  needPowers(message.blocks);
  Stream stream;
  startStream(schedule_, rounds_, nonce.data(), 1, 1 + blocksOf(text.size()), stream);
  SecretBlock mask;
  takeFirst(stream, mask.bytes);
  SecretBlock expected;
  computeTag(schedule_, message, mask.bytes, expected.bytes);
  const bool valid = equalBlocks(expected.bytes, tag.data());
  if (valid) {
    xorStream(schedule_, rounds_, stream, text);
  }
  wipe(stream);
  return valid ? Error::kNone : Error::kAuthentication;
}

}  // namespace siegel::simd

#endif
