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
  return lookup(at(t.toTowerLow), x & nibble) ^ lookup(at(t.toTowerHigh), v128::shiftRight<4>(x) & nibble);
}

struct Inverted {
  Vec io;
  Vec jo;
};

SIEGEL_VECTOR Inverted invert(const Tables& t, Vec x) {
  const Vec nibble = at(t.nibble);
  const Vec inverse = at(t.inverse);
  const Vec k = x & nibble;
  const Vec i = v128::shiftRight<4>(x) & nibble;
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

// 2 * S(x) without its constant, as plain bytes.
SIEGEL_VECTOR Vec subLast2(const Tables& t, Inverted x) {
  return lookup(at(t.last2FromIo), x.io) ^ lookup(at(t.last2FromJo), x.jo);
}

SIEGEL_VECTOR Vec fromTower(const Tables& t, Vec x) {
  const Vec nibble = at(t.nibble);
  return lookup(at(t.fromTowerLow), x & nibble) ^ lookup(at(t.fromTowerHigh), v128::shiftRight<4>(x) & nibble);
}

// MixColumns of a state in the layout that `rotations` belongs to; s1 = S and s2 = 2 * S.
SIEGEL_VECTOR Vec mixColumns(Vec s1, Vec s2, Vec down1, Vec down3) {
  const Vec twoAndNext = s2 ^ lookup(s1, down1);
  return twoAndNext ^ lookup(twoAndNext, down1) ^ lookup(s1, down3);
}

// ---- bit-sliced: vector b of a state holds bit b of every byte; bit n of its lane l is that of lane l of block n ----

// Exchanges bit groups so that bit b of vector n and bit n of vector b change places, within each lane. Its own
// inverse.
template <unsigned kStep>
SIEGEL_VECTOR void exchange(Vec mask, Vec& a, Vec& b) {
  const Vec t = (v128::shiftRight<kStep>(a) ^ b) & mask;
  b = b ^ t;
  a = a ^ v128::shiftLeft<kStep>(t);
}

SIEGEL_VECTOR void transposeBits(const Tables& t, Vec (&x)[8]) {
  const Vec ones = at(t.transpose[0]);
  for (std::size_t n = 0; n < 8; n += 2) exchange<1>(ones, x[n], x[n + 1]);
  const Vec twos = at(t.transpose[1]);
  for (std::size_t n = 0; n < 8; n += 4) {
    exchange<2>(twos, x[n], x[n + 2]);
    exchange<2>(twos, x[n + 1], x[n + 3]);
  }
  const Vec fours = at(t.transpose[2]);
  for (std::size_t n = 0; n < 4; ++n) exchange<4>(fours, x[n], x[n + 4]);
}

// S without its constant: the circuit of 113 gates by Boyar and Peralta ("A small depth-16 circuit for the AES S-box",
// 2011; the version of least size), here as three steps: a linear one into 22 products' factors, inversion through
// GF(16) and GF(4), and a linear one back.
SIEGEL_VECTOR void subBits(Vec (&x)[8]) {
  const Vec u0 = x[7];
  const Vec u1 = x[6];
  const Vec u2 = x[5];
  const Vec u3 = x[4];
  const Vec u4 = x[3];
  const Vec u5 = x[2];
  const Vec u6 = x[1];
  const Vec u7 = x[0];

  const Vec y14 = u3 ^ u5;
  const Vec y13 = u0 ^ u6;
  const Vec y9 = u0 ^ u3;
  const Vec y8 = u0 ^ u5;
  const Vec t0 = u1 ^ u2;
  const Vec y1 = t0 ^ u7;
  const Vec y4 = y1 ^ u3;
  const Vec y12 = y13 ^ y14;
  const Vec y2 = y1 ^ u0;
  const Vec y5 = y1 ^ u6;
  const Vec y3 = y5 ^ y8;
  const Vec t1 = u4 ^ y12;
  const Vec y15 = t1 ^ u5;
  const Vec y20 = t1 ^ u1;
  const Vec y6 = y15 ^ u7;
  const Vec y10 = y15 ^ t0;
  const Vec y11 = y20 ^ y9;
  const Vec y7 = u7 ^ y11;
  const Vec y17 = y10 ^ y11;
  const Vec y19 = y10 ^ y8;
  const Vec y16 = t0 ^ y11;
  const Vec y21 = y13 ^ y16;
  const Vec y18 = u0 ^ y16;

  const Vec t2 = y12 & y15;
  const Vec t4 = (y3 & y6) ^ t2;
  const Vec t6 = (y4 & u7) ^ t2;
  const Vec t7 = y13 & y16;
  const Vec t9 = (y5 & y1) ^ t7;
  const Vec t11 = (y2 & y7) ^ t7;
  const Vec t12 = y9 & y11;
  const Vec t14 = (y14 & y17) ^ t12;
  const Vec t16 = (y8 & y10) ^ t12;
  const Vec t21 = t4 ^ t14 ^ y20;
  const Vec t22 = t6 ^ t16 ^ y19;
  const Vec t23 = t9 ^ t14 ^ y21;
  const Vec t24 = t11 ^ t16 ^ y18;

  const Vec t25 = t21 ^ t22;
  const Vec t26 = t21 & t23;
  const Vec t27 = t24 ^ t26;
  const Vec t29 = (t25 & t27) ^ t22;
  const Vec t30 = t23 ^ t24;
  const Vec t31 = t22 ^ t26;
  const Vec t33 = (t31 & t30) ^ t24;
  const Vec t34 = t23 ^ t33;
  const Vec t35 = t27 ^ t33;
  const Vec t36 = t24 & t35;
  const Vec t37 = t36 ^ t34;
  const Vec t38 = t27 ^ t36;
  const Vec t40 = t25 ^ (t29 & t38);
  const Vec t41 = t40 ^ t37;
  const Vec t42 = t29 ^ t33;
  const Vec t43 = t29 ^ t40;
  const Vec t44 = t33 ^ t37;
  const Vec t45 = t42 ^ t41;

  const Vec z0 = t44 & y15;
  const Vec z1 = t37 & y6;
  const Vec z2 = t33 & u7;
  const Vec z3 = t43 & y16;
  const Vec z4 = t40 & y1;
  const Vec z5 = t29 & y7;
  const Vec z6 = t42 & y11;
  const Vec z7 = t45 & y17;
  const Vec z8 = t41 & y10;
  const Vec z9 = t44 & y12;
  const Vec z10 = t37 & y3;
  const Vec z11 = t33 & y4;
  const Vec z12 = t43 & y13;
  const Vec z13 = t40 & y5;
  const Vec z14 = t29 & y2;
  const Vec z15 = t42 & y9;
  const Vec z16 = t45 & y14;
  const Vec z17 = t41 & y8;

  const Vec t46 = z15 ^ z16;
  const Vec t47 = z10 ^ z11;
  const Vec t48 = z5 ^ z13;
  const Vec t49 = z9 ^ z10;
  const Vec t50 = z2 ^ z12;
  const Vec t51 = z2 ^ z5;
  const Vec t52 = z7 ^ z8;
  const Vec t53 = z0 ^ z3;
  const Vec t54 = z6 ^ z7;
  const Vec t55 = z16 ^ z17;
  const Vec t56 = z12 ^ t48;
  const Vec t57 = t50 ^ t53;
  const Vec t58 = z4 ^ t46;
  const Vec t59 = z3 ^ t54;
  const Vec t60 = t46 ^ t57;
  const Vec t61 = z14 ^ t57;
  const Vec t62 = t52 ^ t58;
  const Vec t63 = t49 ^ t58;
  const Vec t64 = z4 ^ t59;
  const Vec t65 = t61 ^ t62;
  const Vec t66 = z1 ^ t63;
  const Vec t67 = t64 ^ t65;
  const Vec s3 = t53 ^ t66;
  x[7] = t59 ^ t63;
  x[6] = t64 ^ s3;
  x[5] = t55 ^ t67;
  x[4] = s3;
  x[3] = t51 ^ t66;
  x[2] = t47 ^ t65;
  x[1] = t56 ^ t62;
  x[0] = t48 ^ t60;
}

// MixColumns in row order, and the round key (eight vectors of 0x00 and 0xFF). With d = x + next row, a byte becomes
// 2d + next row + d two rows below.
SIEGEL_VECTOR void mixBits(Vec (&x)[8], const std::uint8_t (*key)[16]) {
  Vec next[8];
  Vec d[8];
  for (int b = 0; b < 8; ++b) {
    next[b] = v128::rotateWords1(x[b]);
    d[b] = x[b] ^ next[b];
  }
  for (int b = 0; b < 8; ++b) {
    const Vec sum = next[b] ^ v128::rotateWords2(d[b]) ^ v128::load(key[b]);
    const Vec doubled = d[(b + 7) % 8];
    x[b] = sum ^ (b == 1 || b == 3 || b == 4 ? doubled ^ d[7] : doubled);
  }
}

}  // namespace siegel::simd::circuit
