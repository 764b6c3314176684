// Constants of the vector AES and GHASH circuits, all derived here at compile time.
//
// AES by vector permutation (Mike Hamburg, "Accelerating AES with Vector Permute Instructions", CHES 2009). The S-box
// is inversion in GF(2^8), done in GF(16) with 16-entry tables that fit one vector register, so a lookup is one
// constant-time byte shuffle and no memory address depends on data.
//
// The algebra. Let F = GF(16) inside AES's field GF(256), and q outside F with q + q^16 = q^17 = a (so a is in F).
// Write x = k + i*q with i, k in F. Then the norm is N = x^17 = k^2 + a*i*k + a*i^2 and 1/x = x^16 / N. With j = i + k:
//    io = 1/(1/i + a/k) + j = N / (k + a*i)            jo = 1/(1/j + a/k) + i = N / (k + a*i + a*k)
// and x^16 = (k + a*i) * e1 + (k + a*i + a*k) * e2  for  e1 = 1 + q/a + q/a^2,  e2 = q/a^2.
// Hence 1/x = e1/io + e2/jo: any GF(2)-linear map of 1/x is one table of io plus one table of jo. Division by zero
// gives "infinity", marked by bit 7, for which a lookup yields 0; that makes all corner cases (i, j, k or a denominator
// = 0) come out right.
//
// The state is kept in the coordinates (i << 4 | k), reached by the linear map `toTower`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace siegel::simd::tables {

using Lanes = std::array<std::uint8_t, 16>;

inline constexpr std::uint8_t kInfinity = 0x80;  // also: "this lane yields zero" in a lookup index

constexpr std::uint8_t multiply(std::uint8_t a, std::uint8_t b) {
  unsigned product = 0;
  unsigned shifted = a;
  for (unsigned bit = 0; bit < 8; ++bit) {
    if ((b >> bit) & 1U) product ^= shifted;
    shifted = (shifted << 1) ^ ((shifted & 0x80U) != 0 ? 0x11BU : 0U);
  }
  return static_cast<std::uint8_t>(product);
}

constexpr std::uint8_t power(std::uint8_t a, unsigned exponent) {
  std::uint8_t result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if (exponent & 1U) result = multiply(result, a);
    a = multiply(a, a);
  }
  return result;
}

constexpr std::uint8_t inverse(std::uint8_t a) { return power(a, 254); }

// The linear part of AES's affine map; its constant 0x63 goes into the round keys.
constexpr std::uint8_t affine(std::uint8_t a) {
  unsigned out = 0;
  for (unsigned turn = 0; turn < 5; ++turn) out ^= (static_cast<unsigned>(a) << turn) | (a >> (8 - turn));
  return static_cast<std::uint8_t>(out);
}

struct Tower {
  std::uint8_t q = 0;
  std::uint8_t a = 0;
  std::array<std::uint8_t, 16> element{};       // nibble -> element of F; linear, so that XOR is addition
  std::array<std::uint8_t, 256> coordinates{};  // byte -> i << 4 | k
};

constexpr Tower makeTower() {
  Tower tower;
  for (unsigned x = 2; x < 256 && tower.q == 0; ++x) {
    const auto candidate = static_cast<std::uint8_t>(x);
    const std::uint8_t conjugate = power(candidate, 16);
    if (conjugate != candidate && (conjugate ^ candidate) == multiply(conjugate, candidate)) tower.q = candidate;
  }
  tower.a = power(tower.q, 17);
  // A basis of F over GF(2): 1, g, g^2, g^3 for g of order 15.
  std::uint8_t g = 0;
  for (unsigned x = 2; x < 256 && g == 0; ++x) {
    const auto candidate = power(static_cast<std::uint8_t>(x), 17);
    if (power(candidate, 3) != 1 && power(candidate, 5) != 1) g = candidate;
  }
  for (unsigned nibble = 0; nibble < 16; ++nibble) {
    std::uint8_t element = 0;
    for (unsigned bit = 0; bit < 4; ++bit) {
      if ((nibble >> bit) & 1U) element = static_cast<std::uint8_t>(element ^ power(g, bit));
    }
    tower.element[nibble] = element;
  }
  for (unsigned i = 0; i < 16; ++i) {
    for (unsigned k = 0; k < 16; ++k) {
      const auto x = static_cast<std::uint8_t>(tower.element[k] ^ multiply(tower.element[i], tower.q));
      tower.coordinates[x] = static_cast<std::uint8_t>(i << 4 | k);
    }
  }
  return tower;
}

inline constexpr Tower kTower = makeTower();

constexpr std::uint8_t nibbleOf(std::uint8_t elementOfF) { return kTower.coordinates[elementOfF]; }

// numerator / n for every nibble n, as nibbles; 0 gives infinity.
constexpr Lanes quotientTable(std::uint8_t numerator) {
  Lanes table{};
  table[0] = kInfinity;
  for (std::size_t n = 1; n < 16; ++n) table[n] = nibbleOf(multiply(numerator, inverse(kTower.element[n])));
  return table;
}

// factor * affine(e / n), in tower coordinates or as plain bytes. n = 0 never occurs (N = 0 only for x = 0, where io
// and jo are infinity).
constexpr Lanes outputTable(std::uint8_t e, std::uint8_t factor, bool inTower) {
  Lanes table{};
  for (std::size_t n = 1; n < 16; ++n) {
    const std::uint8_t value = multiply(factor, affine(multiply(e, inverse(kTower.element[n]))));
    table[n] = inTower ? kTower.coordinates[value] : value;
  }
  return table;
}

constexpr Lanes toTowerTable(unsigned shift) {
  Lanes table{};
  for (std::size_t n = 0; n < 16; ++n) table[n] = kTower.coordinates[n << shift];
  return table;
}

constexpr std::uint8_t e1() {
  const std::uint8_t byA = multiply(kTower.q, inverse(kTower.a));
  return static_cast<std::uint8_t>(1 ^ byA ^ multiply(byA, inverse(kTower.a)));
}
constexpr std::uint8_t e2() { return multiply(multiply(kTower.q, inverse(kTower.a)), inverse(kTower.a)); }

// ShiftRows is never carried out. After k rounds the byte of row r and column c lies at this lane instead:
constexpr std::size_t laneOf(std::size_t row, std::size_t column, std::size_t k) {
  return 4 * ((column + k * row) % 4) + row;
}

// The index that brings, for each byte in layout k, the byte `down` rows below it in its own column.
constexpr Lanes columnRotation(std::size_t k, std::size_t down) {
  Lanes index{};
  for (std::size_t r = 0; r < 4; ++r) {
    for (std::size_t c = 0; c < 4; ++c) {
      index[laneOf(r, c, k)] = static_cast<std::uint8_t>(laneOf((r + down) % 4, c, k));
    }
  }
  return index;
}

// From the natural order (k = 0) to layout k.
constexpr Lanes toLayout(std::size_t k) {
  Lanes index{};
  for (std::size_t r = 0; r < 4; ++r) {
    for (std::size_t c = 0; c < 4; ++c) index[laneOf(r, c, k)] = static_cast<std::uint8_t>(laneOf(r, c, 0));
  }
  return index;
}

// The layout of the bit-sliced rounds: row after row, so that MixColumns moves whole 32-bit words.
constexpr std::size_t rowLane(std::size_t row, std::size_t column) { return 4 * row + column % 4; }

// From layout k to row order.
constexpr Lanes toRows(std::size_t k) {
  Lanes index{};
  for (std::size_t r = 0; r < 4; ++r) {
    for (std::size_t c = 0; c < 4; ++c) index[rowLane(r, c)] = static_cast<std::uint8_t>(laneOf(r, c, k));
  }
  return index;
}

// ShiftRows in row order, and ShiftRows followed by the way back to the natural order.
constexpr Lanes shiftRowsIndex() {
  Lanes index{};
  for (std::size_t r = 0; r < 4; ++r) {
    for (std::size_t c = 0; c < 4; ++c) index[rowLane(r, c)] = static_cast<std::uint8_t>(rowLane(r, c + r));
  }
  return index;
}
constexpr Lanes shiftRowsToNatural() {
  Lanes index{};
  for (std::size_t r = 0; r < 4; ++r) {
    for (std::size_t c = 0; c < 4; ++c) index[laneOf(r, c, 0)] = static_cast<std::uint8_t>(rowLane(r, c + r));
  }
  return index;
}
// The last round key, for a state whose last ShiftRows is still to come.
constexpr Lanes naturalToBeforeShiftRows() {
  Lanes index{};
  for (std::size_t r = 0; r < 4; ++r) {
    for (std::size_t c = 0; c < 4; ++c) index[rowLane(r, c + r)] = static_cast<std::uint8_t>(laneOf(r, c, 0));
  }
  return index;
}

struct Rotations {
  alignas(16) Lanes down1;
  alignas(16) Lanes down3;
};

// The first two rounds of counter mode, for blocks that differ in the counter's lowest byte only (row 3, column 3).
// The layout before round 1 is chosen so that the last round ends in the natural order.
struct Start {
  std::size_t layout = 0;       // before round 1
  alignas(16) Lanes permute{};  // natural order -> layout
  alignas(16) Lanes
      withoutCounter{};  // 0xFF but for the counter's lane: what all blocks share after SubBytes of round 1
  alignas(16) Lanes withoutColumn{};  // 0xFF but for column 0, the one that differs after round 1
  alignas(16) Lanes column{};         // index: rows 0..3 of column 0 after round 1, four times over
  alignas(
      16) std::array<Lanes, 4> spread1{};  // where S(row r of block n's column) goes in round 2, with factors 1 and 3
  alignas(16) std::array<Lanes, 4> spread2{};      // and 2 * S, with factors 2 and 3
  alignas(16) std::array<Lanes, 4> spreadRows1{};  // the same into row order
  alignas(16) std::array<Lanes, 4> spreadRows2{};
  alignas(16) Lanes rows{};  // from the layout after round 2 to row order
};

constexpr Start makeStart(std::size_t rounds) {
  Start start;
  start.layout = (4 - rounds % 4) % 4;
  const std::size_t one = start.layout + 1;
  const std::size_t two = start.layout + 2;
  start.permute = toLayout(start.layout);
  start.withoutCounter.fill(0xFF);
  start.withoutCounter[laneOf(3, 3, start.layout)] = 0;
  start.withoutColumn.fill(0xFF);
  for (std::size_t r = 0; r < 4; ++r) {
    start.withoutColumn[laneOf(r, 0, one)] = 0;
    for (std::size_t n = 0; n < 4; ++n) start.column[4 * n + r] = static_cast<std::uint8_t>(laneOf(r, 0, one));
  }
  for (std::size_t n = 0; n < 4; ++n) {
    start.spread1[n].fill(kInfinity);
    start.spread2[n].fill(kInfinity);
    start.spreadRows1[n].fill(kInfinity);
    start.spreadRows2[n].fill(kInfinity);
    for (std::size_t from = 0; from < 4; ++from) {
      const std::size_t column = (4 - from) % 4;  // ShiftRows moved row `from` of column 0 there
      for (std::size_t to = 0; to < 4; ++to) {
        const std::size_t distance = (from + 4 - to) % 4;  // MixColumns: factors 2, 3, 1, 1
        const auto source = static_cast<std::uint8_t>(4 * n + from);
        if (distance != 0) start.spread1[n][laneOf(to, column, two)] = source;
        if (distance <= 1) start.spread2[n][laneOf(to, column, two)] = source;
        if (distance != 0) start.spreadRows1[n][rowLane(to, column)] = source;
        if (distance <= 1) start.spreadRows2[n][rowLane(to, column)] = source;
      }
    }
  }
  start.rows = toRows(two);
  return start;
}

// GHASH: a byte of weight x^128 * x^(8i) folds into bytes i and i + 1, for x^128 = x^7 + x^2 + x + 1. In GCM's bit
// order (most significant bit first) multiplying by x is a shift to the right.
constexpr Lanes foldTable(bool highNibble, bool secondByte) {
  Lanes table{};
  for (unsigned n = 0; n < 16; ++n) {
    const unsigned wide = (highNibble ? n << 4 : n) << 8;
    const unsigned folded = wide ^ (wide >> 1) ^ (wide >> 2) ^ (wide >> 7);
    table[n] = static_cast<std::uint8_t>(secondByte ? folded : folded >> 8);
  }
  return table;
}

// 0xFF in lane n where bit `bit` of n is set.
constexpr Lanes bitOfLane(unsigned bit) {
  Lanes mask{};
  for (unsigned n = 0; n < 16; ++n) mask[n] = ((n >> bit) & 1U) != 0 ? 0xFF : 0;
  return mask;
}

struct Tables {
  alignas(16) Lanes nibble{};
  alignas(16) Lanes inverse{};
  alignas(16) Lanes aOver{};
  alignas(16) Lanes sub1FromIo{};  // S, in tower coordinates
  alignas(16) Lanes sub1FromJo{};
  alignas(16) Lanes sub2FromIo{};  // 2 * S, in tower coordinates
  alignas(16) Lanes sub2FromJo{};
  alignas(16) Lanes lastFromIo{};  // S, as plain bytes
  alignas(16) Lanes lastFromJo{};
  alignas(16) Lanes last2FromIo{};  // 2 * S, as plain bytes
  alignas(16) Lanes last2FromJo{};
  alignas(16) Lanes fromTowerLow{};
  alignas(16) Lanes fromTowerHigh{};
  alignas(16) Lanes shiftRows{};
  alignas(16) Lanes shiftRowsToNatural{};
  alignas(16) Lanes beforeShiftRows{};
  alignas(16) Lanes naturalToRows{};
  alignas(16) std::array<Lanes, 3> transpose{};  // masks of the bit transposition: steps of 1, 2, 4
  alignas(16) std::array<Lanes, 8> bit{};        // one bit in every lane
  alignas(16) Lanes toTowerLow{};
  alignas(16) Lanes toTowerHigh{};
  alignas(16) Lanes counting{};  // 0, 1, 2, ... 15
  alignas(16) std::array<Rotations, 4> rotations{};
  Start start10or14;
  Start start12;
  alignas(16) std::array<std::array<Lanes, 2>, 2> fold{};  // [high nibble][second byte]
  alignas(16) std::array<Lanes, 4> bitOf{};
  // 48 bytes 0x80.., 0..15, 0x80..: an index loaded at 16 + s moves lanes down by s, at 16 - s up by s.
  alignas(16) std::array<std::uint8_t, 48> slide{};
  // 16 bytes of 0xFF, then zeros: loaded at 16 - n, the mask of the first n lanes.
  alignas(16) std::array<std::uint8_t, 32> head{};
};

constexpr Tables makeTables() {
  Tables t;
  t.nibble.fill(0x0F);
  t.inverse = quotientTable(1);
  t.aOver = quotientTable(kTower.a);
  t.sub1FromIo = outputTable(e1(), 1, true);
  t.sub1FromJo = outputTable(e2(), 1, true);
  t.sub2FromIo = outputTable(e1(), 2, true);
  t.sub2FromJo = outputTable(e2(), 2, true);
  t.lastFromIo = outputTable(e1(), 1, false);
  t.lastFromJo = outputTable(e2(), 1, false);
  t.last2FromIo = outputTable(e1(), 2, false);
  t.last2FromJo = outputTable(e2(), 2, false);
  for (std::size_t n = 0; n < 16; ++n) {
    t.fromTowerLow[n] = kTower.element[n];
    t.fromTowerHigh[n] = multiply(kTower.element[n], kTower.q);
  }
  t.shiftRows = shiftRowsIndex();
  t.shiftRowsToNatural = shiftRowsToNatural();
  t.beforeShiftRows = naturalToBeforeShiftRows();
  t.naturalToRows = toRows(0);
  t.transpose[0].fill(0x55);
  t.transpose[1].fill(0x33);
  t.transpose[2].fill(0x0F);
  for (unsigned b = 0; b < 8; ++b) t.bit[b].fill(static_cast<std::uint8_t>(1U << b));
  t.toTowerLow = toTowerTable(0);
  t.toTowerHigh = toTowerTable(4);
  for (std::size_t n = 0; n < 16; ++n) t.counting[n] = static_cast<std::uint8_t>(n);
  for (std::size_t k = 0; k < 4; ++k) t.rotations[k] = {columnRotation(k, 1), columnRotation(k, 3)};
  t.start10or14 = makeStart(10);
  t.start12 = makeStart(12);
  for (std::size_t high = 0; high < 2; ++high) {
    for (std::size_t second = 0; second < 2; ++second) t.fold[high][second] = foldTable(high != 0, second != 0);
  }
  for (unsigned bit = 0; bit < 4; ++bit) t.bitOf[bit] = bitOfLane(bit);
  t.slide.fill(kInfinity);
  for (std::size_t n = 0; n < 16; ++n) {
    t.slide[16 + n] = static_cast<std::uint8_t>(n);
    t.head[n] = 0xFF;
  }
  return t;
}

inline constexpr Tables kTables = makeTables();

}  // namespace siegel::simd::tables
