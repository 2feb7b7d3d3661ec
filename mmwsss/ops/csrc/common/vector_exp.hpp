// Licensed under Apache-2.0.
//
// exp for softmax: plain arithmetic without branches or calls, so that a loop
// over it becomes vector instructions of any width with the same bits in each.
//
//   for (int i = 0; i < n; ++i) y[i] = exp_nonpositive(x[i]);
//
// float: x <= 0 (up to +88 is fine too); error below 1 ulp where the result is
// a normal number; exactly 1 at 0; exactly 0 below -87.3365, where e^x is no
// normal number any more, also at -infinity; NaN gives NaN.
// double: std::exp.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace mmwsss {

inline float exp_nonpositive(float x) {
  constexpr float kLowest = -87.3365f;       // about log(2^-126)
  constexpr float kRound = 12582912.0f;      // 1.5 * 2^23: adding it rounds
  constexpr float kLog2High = 0.693359375f;  // few bits: exact products
  constexpr float kLog2Low = -2.12194440e-4f;
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * kLog2High) - n * kLog2Low;
  // 1 + r + r^2 p(r), minimax over |r| <= log(2) / 2.
  float p = 1.38145401e-3f;
  p = p * r + 8.36874514e-3f;
  p = p * r + 4.16683908e-2f;
  p = p * r + 1.66665204e-1f;
  p = p * r + 4.99999934e-1f;
  const float fraction = p * (r * r) + r + 1.0f;
  // The low bits of `shifted` hold n: moved into the exponent they make 2^n.
  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof(bits));
  bits = (bits + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof(power));
  float result = fraction * power;
  // A mask, no branch: compilers would not vectorise one.
  std::memcpy(&bits, &result, sizeof(bits));
  bits &= x < kLowest ? 0u : ~0u;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

inline double exp_nonpositive(double x) { return std::exp(x); }

}  // namespace mmwsss
