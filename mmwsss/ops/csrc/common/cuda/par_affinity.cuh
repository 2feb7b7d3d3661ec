// Licensed under Apache-2.0.
//
// The affinity of PAR in two launches: the deviation of each pixel and channel
// over its neighbours, then the weights of each pixel.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "../par_position.hpp"
#include "each.cuh"
#include "par_launchers.hpp"

namespace mmwsss {

// As kernel arguments: the same for all threads, nothing to copy.
template <typename T>
struct Rings {
  int count;
  int dilation[kMaxDilations];
  T straight[kMaxDilations], diagonal[kMaxDilations];  // position weight * w2
};

// Positions of the 8 neighbours of a pixel, row-major without the centre.
MMWSSS_HD void ring_positions(int y, int x, int dilation, const ImageSize& size,
                              int* at) {
  const int above = y < dilation ? 0 : y - dilation;
  const int below = dilation < size.height - y ? y + dilation : size.height - 1;
  const int left = x < dilation ? 0 : x - dilation;
  const int right = dilation < size.width - x ? x + dilation : size.width - 1;
  const int rows[3] = {above * size.width, y * size.width, below * size.width};
  at[0] = rows[0] + left;
  at[1] = rows[0] + x;
  at[2] = rows[0] + right;
  at[3] = rows[1] + left;
  at[4] = rows[1] + right;
  at[5] = rows[2] + left;
  at[6] = rows[2] + x;
  at[7] = rows[2] + right;
}

// One pixel of one channel: 1 / (w1 (deviation + eps)) over its neighbours. Two
// passes: mean of squares minus square of the mean would lose the small
// deviations of smooth regions to cancellation, and they divide.
template <typename T>
struct InverseDeviation {
  const T* image;
  T* inverse;
  ImageSize size;
  T w1;
  Rings<T> rings;

  MMWSSS_HD void operator()(int64_t i) const {
    const int pixels = size.height * size.width;
    const int64_t start = i / pixels * pixels;
    const int pixel = static_cast<int>(i - start);
    const int y = pixel / size.width, x = pixel - y * size.width;
    const T* plane = image + start;
    const T count = static_cast<T>(8 * rings.count);
    int at[8];
    T mean = 0, sum = 0;
    for (int d = 0; d < rings.count; ++d) {
      ring_positions(y, x, rings.dilation[d], size, at);
      for (int r = 0; r < 8; ++r) mean += plane[at[r]];
    }
    mean /= count;
    for (int d = 0; d < rings.count; ++d) {
      ring_positions(y, x, rings.dilation[d], size, at);
      for (int r = 0; r < 8; ++r) {
        const T difference = plane[at[r]] - mean;
        sum += difference * difference;
      }
    }
    const T deviation = std::sqrt(sum / (count - 1)) + static_cast<T>(kParEps);
    inverse[i] = 1 / (deviation * w1);
  }
};

// One pixel: softmax over its neighbours plus the position weights. The terms
// wait in the output between the passes.
template <typename T>
struct AffinityWeights {
  const T* image;
  const T* inverse;
  T* affinity;
  ImageSize size;
  Rings<T> rings;

  MMWSSS_HD void operator()(int64_t i) const {
    const int pixels = size.height * size.width;
    const int64_t batch = i / pixels;
    const int pixel = static_cast<int>(i - batch * pixels);
    const int64_t start = batch * size.channels * pixels;
    T* output = affinity + batch * 8 * rings.count * pixels + pixel;
    const T lowest = write_terms(image + start, inverse + start, pixel, output);
    T sum = 0;
    for (int64_t k = 0; k < 8 * rings.count; ++k) {
      const T weight = std::exp(lowest - output[k * pixels]);
      output[k * pixels] = weight;
      sum += weight;
    }
    const T scale = 1 / sum;
    for (int64_t k = 0; k < 8 * rings.count; ++k) {
      const int r = k % 8, d = static_cast<int>(k / 8);
      const bool diagonal = r == 0 || r == 2 || r == 5 || r == 7;
      const T position = diagonal ? rings.diagonal[d] : rings.straight[d];
      output[k * pixels] = output[k * pixels] * scale + position;
    }
  }

  // mean_c of the squared scaled differences to each neighbour; gives the lowest.
  MMWSSS_HD T write_terms(const T* planes, const T* scales, int pixel,
                          T* output) const {
    const int64_t pixels = static_cast<int64_t>(size.height) * size.width;
    const int y = pixel / size.width, x = pixel - y * size.width;
    const T channels = static_cast<T>(size.channels);
    T lowest = 0;
    for (int d = 0; d < rings.count; ++d) {
      int at[8];
      T terms[8];
      ring_positions(y, x, rings.dilation[d], size, at);
      for (int r = 0; r < 8; ++r) terms[r] = 0;
      for (int64_t c = 0; c < size.channels; ++c) {
        const T* plane = planes + c * pixels;
        const T centre = plane[pixel], scale = scales[c * pixels + pixel];
        for (int r = 0; r < 8; ++r) {
          const T value = (plane[at[r]] - centre) * scale;
          terms[r] += value * value;
        }
      }
      for (int r = 0; r < 8; ++r) {
        terms[r] /= channels;
        lowest = (d == 0 && r == 0) || terms[r] < lowest ? terms[r] : lowest;
        output[(d * 8 + r) * pixels] = terms[r];
      }
    }
    return lowest;
  }
};

// At most kMaxDilations dilations.
template <typename T>
Rings<T> make_rings(const std::vector<int64_t>& dilations, const ImageSize& size,
                    double w1, double w2) {
  const auto position = position_weights(ring_offsets(dilations), w1);
  const int64_t most = std::max(size.height, size.width);
  Rings<T> rings{};
  for (const int64_t dilation : dilations) {
    const int d = rings.count++;
    rings.dilation[d] = static_cast<int>(std::min(dilation, most));
    rings.diagonal[d] = static_cast<T>(w2 * position[8 * d]);
    rings.straight[d] = static_cast<T>(w2 * position[8 * d + 1]);
  }
  return rings;
}

template <typename T>
cudaError_t par_affinity(const T* image, T* inverse, T* affinity,
                         const ImageSize& size,
                         const std::vector<int64_t>& dilations, double w1,
                         double w2, cudaStream_t stream) {
  const Rings<T> rings = make_rings<T>(dilations, size, w1, w2);
  const int64_t pixels = static_cast<int64_t>(size.height) * size.width;
  const cudaError_t error =
      each(size.batch * size.channels * pixels, stream,
           InverseDeviation<T>{image, inverse, size, static_cast<T>(w1), rings});
  if (error != cudaSuccess) return error;
  return each(size.batch * pixels, stream,
              AffinityWeights<T>{image, inverse, affinity, size, rings});
}

}  // namespace mmwsss
