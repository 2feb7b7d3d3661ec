// Licensed under Apache-2.0.
//
// What PAR knows without an image: the ring of neighbours of each dilation and
// how much their distance alone weighs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace mmwsss {

// Added to deviations, which divide.
constexpr double kParEps = 1e-8;

// y, x of 8 neighbours for each dilation, row-major without the centre.
inline std::vector<int64_t> ring_offsets(const std::vector<int64_t>& dilations) {
  std::vector<int64_t> offsets;
  for (const int64_t d : dilations)
    for (int64_t y = -1; y <= 1; ++y)
      for (int64_t x = -1; x <= 1; ++x)
        if (y != 0 || x != 0) offsets.insert(offsets.end(), {d * y, d * x});
  return offsets;
}

// Softmax over the neighbours of -(distance / (deviation + eps) / w1)^2.
inline std::vector<double> position_weights(const std::vector<int64_t>& offsets,
                                            double w1) {
  std::vector<double> weights;
  double mean = 0, variance = 0, total = 0;
  for (size_t k = 0; k < offsets.size(); k += 2)
    weights.push_back(std::hypot(offsets[k], offsets[k + 1]));
  const double count = static_cast<double>(weights.size());
  for (const double d : weights) mean += d / count;
  for (const double d : weights) variance += (d - mean) * (d - mean) / (count - 1);
  const double scale = 1 / ((std::sqrt(variance) + kParEps) * w1);
  const double nearest = *std::min_element(weights.begin(), weights.end());
  const double highest = -(nearest * scale) * (nearest * scale);
  for (double& weight : weights) {
    weight = std::exp(-(weight * scale) * (weight * scale) - highest);
    total += weight;
  }
  for (double& weight : weights) weight /= total;
  return weights;
}

}  // namespace mmwsss
