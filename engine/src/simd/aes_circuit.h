// The S-box and MixColumns on 16 bytes at once. aes_tables.h has the algebra.
#pragma once

#include "aes_tables.h"
#include "v128.h"

namespace siegel::simd::circuit {

using tables::Lanes;
using tables::Tables;
using v128::lookup;
using v128::Vec;

SIEGEL_VECTOR Vec at(const Lanes& lanes) { return v128::load(lanes.data()); }

SIEGEL_VECTOR Vec toTower(const Tables& t, Vec x) {
  const Vec nibble = at(t.nibble);
  return lookup(at(t.toTowerLow), x & nibble) ^ lookup(at(t.toTowerHigh), v128::shiftRight4(x) & nibble);
}

struct Inverted {
  Vec io;
  Vec jo;
};

SIEGEL_VECTOR Inverted invert(const Tables& t, Vec x) {
  const Vec nibble = at(t.nibble);
  const Vec inverse = at(t.inverse);
  const Vec k = x & nibble;
  const Vec i = v128::shiftRight4(x) & nibble;
  const Vec aOverK = lookup(at(t.aOver), k);
  const Vec j = k ^ i;
  const Vec overI = lookup(inverse, i) ^ aOverK;
  const Vec overJ = lookup(inverse, j) ^ aOverK;
  return {lookup(inverse, overI) ^ j, lookup(inverse, overJ) ^ i};
}

// S(x) without its constant, in tower coordinates.
SIEGEL_VECTOR Vec sub1(const Tables& t, Inverted x) {
  return lookup(at(t.sub1FromIo), x.io) ^ lookup(at(t.sub1FromJo), x.jo);
}

// 2 * S(x) without its constant, in tower coordinates.
SIEGEL_VECTOR Vec sub2(const Tables& t, Inverted x) {
  return lookup(at(t.sub2FromIo), x.io) ^ lookup(at(t.sub2FromJo), x.jo);
}

// S(x) without its constant, as plain bytes.
SIEGEL_VECTOR Vec subLast(const Tables& t, Inverted x) {
  return lookup(at(t.lastFromIo), x.io) ^ lookup(at(t.lastFromJo), x.jo);
}

// MixColumns of a state in the layout that `rotations` belongs to; s1 = S and s2 = 2 * S.
SIEGEL_VECTOR Vec mixColumns(Vec s1, Vec s2, Vec down1, Vec down3) {
  const Vec twoAndNext = s2 ^ lookup(s1, down1);
  return twoAndNext ^ lookup(twoAndNext, down1) ^ lookup(s1, down3);
}

}  // namespace siegel::simd::circuit
