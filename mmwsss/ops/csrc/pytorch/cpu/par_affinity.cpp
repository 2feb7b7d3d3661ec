// Licensed under Apache-2.0.
//
// The affinity of PAR: a short run of pixels at a time, whose neighbours' terms
// fit the first cache.
#include "../operators.hpp"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>

#include <vector>

#include "pad_rows.hpp"
#include "par_position.hpp"
#include "vector_exp.hpp"
#include "vectors.hpp"

namespace mmwsss {
namespace {

constexpr int kVectors = 2;  // additions that don't wait for each other

// One row of an image and of its affinity.
template <typename T>
struct Row {
  const T* image;  // padded plane 0; neighbour k of pixel x at positions[k] + x
  int64_t plane;   // size of a padded plane
  int64_t centre;  // where pixel (y, 0) is in it
  const int64_t* positions;
  int64_t neighbours, channels, width;
  const T* position_weights;  // times w2, one a neighbour
  T w1;
  T* affinity;  // of neighbour 0; neighbour k is `stride` further
  int64_t stride;
};

// 1 / (w1 (deviation + eps)) of N vectors of pixels, over their neighbours. Two
// passes: mean of squares minus square of the mean would lose the small
// deviations of smooth regions to cancellation, and they divide.
template <typename V, int N, typename T>
MMWSSS_INLINE void inverse_deviation(const Row<T>& row, const T* image, V* result) {
  constexpr int kLanes = sizeof(V) / sizeof(T);
  const T count = static_cast<T>(row.neighbours);
  V mean[N], sum[N];
  for (int n = 0; n < N; ++n) mean[n] = sum[n] = V{};
  for (int64_t k = 0; k < row.neighbours; ++k) {
    for (int n = 0; n < N; ++n) {
      V value;
      load(value, image + row.positions[k] + n * kLanes);
      mean[n] += value;
    }
  }
  for (int n = 0; n < N; ++n) mean[n] /= count;
  for (int64_t k = 0; k < row.neighbours; ++k) {
    for (int n = 0; n < N; ++n) {
      V value;
      load(value, image + row.positions[k] + n * kLanes);
      sum[n] += (value - mean[n]) * (value - mean[n]);
    }
  }
  for (int n = 0; n < N; ++n) {
    T lanes[kLanes];
    store(lanes, sum[n] / (count - 1));
    for (int i = 0; i < kLanes; ++i)
      lanes[i] = 1 / ((std::sqrt(lanes[i]) + static_cast<T>(kParEps)) * row.w1);
    load(result[n], lanes);
  }
}

// Softmax of -terms over the neighbours, plus the weights of the positions.
template <typename V, int N, typename T>
MMWSSS_INLINE void write_weights(const Row<T>& row, int64_t x, T* terms) {
  constexpr int kLanes = sizeof(V) / sizeof(T), kRun = N * kLanes;
  V lowest[N], sum[N], term;
  for (int n = 0; n < N; ++n) load(lowest[n], terms + n * kLanes);
  for (int64_t i = kRun; i < row.neighbours * kRun; i += kRun) {
    for (int n = 0; n < N; ++n) {
      load(term, terms + i + n * kLanes);
      lowest[n] = term < lowest[n] ? term : lowest[n];
    }
  }
  for (int64_t i = 0; i < row.neighbours * kRun; i += kRun) {
    for (int n = 0; n < N; ++n) {
      load(term, terms + i + n * kLanes);
      store(terms + i + n * kLanes, lowest[n] - term);
    }
  }
  for (int64_t i = 0; i < row.neighbours * kRun; ++i)
    terms[i] = exp_nonpositive(terms[i]);
  for (int n = 0; n < N; ++n) sum[n] = V{};
  for (int64_t i = 0; i < row.neighbours * kRun; i += kRun) {
    for (int n = 0; n < N; ++n) {
      load(term, terms + i + n * kLanes);
      sum[n] += term;
    }
  }
  for (int n = 0; n < N; ++n) sum[n] = T{1} / sum[n];
  for (int64_t k = 0; k < row.neighbours; ++k) {
    for (int n = 0; n < N; ++n) {
      load(term, terms + k * kRun + n * kLanes);
      term = term * sum[n] + row.position_weights[k];
      store(row.affinity + k * row.stride + x + n * kLanes, term);
    }
  }
}

// N vectors from pixel x on. terms: room for all neighbours of these pixels.
template <typename V, int N, typename T>
MMWSSS_INLINE void weigh(const Row<T>& row, int64_t x, T* terms) {
  constexpr int kLanes = sizeof(V) / sizeof(T), kRun = N * kLanes;
  for (int64_t i = 0; i < row.neighbours * kRun; ++i) terms[i] = 0;
  for (int64_t c = 0; c < row.channels; ++c) {
    const T* image = row.image + c * row.plane + x;
    V scale[N], centre[N], value, term;
    inverse_deviation<V, N>(row, image, scale);
    for (int n = 0; n < N; ++n)
      load(centre[n], image + row.centre + n * kLanes);
    for (int64_t k = 0; k < row.neighbours; ++k) {
      for (int n = 0; n < N; ++n) {
        load(value, image + row.positions[k] + n * kLanes);
        load(term, terms + k * kRun + n * kLanes);
        value = (value - centre[n]) * scale[n];
        store(terms + k * kRun + n * kLanes, term + value * value);
      }
    }
  }
  const T channels = static_cast<T>(row.channels);
  for (int64_t i = 0; i < row.neighbours * kRun; ++i) terms[i] /= channels;
  write_weights<V, N>(row, x, terms);
}

// The last vector may overlap the one before.
template <typename T>
MMWSSS_INLINE void weigh_row(const Row<T>& row, T* terms) {
  using V = typename VectorOf<T>::type;
  constexpr int kLanes = sizeof(V) / sizeof(T);
  int64_t x = 0;
  for (; x + kVectors * kLanes <= row.width; x += kVectors * kLanes)
    weigh<V, kVectors>(row, x, terms);
  for (; x + kLanes <= row.width; x += kLanes) weigh<V, 1>(row, x, terms);
  if (x < row.width && row.width >= kLanes)
    weigh<V, 1>(row, row.width - kLanes, terms);
  else
    for (; x < row.width; ++x) weigh<T, 1>(row, x, terms);
}

MMWSSS_CLONES void run(const Row<float>& row, float* terms) {
  weigh_row(row, terms);
}
MMWSSS_CLONES void run(const Row<double>& row, double* terms) {
  weigh_row(row, terms);
}

template <typename T>
void par_affinity(const Tensor& image, const Neighbours& neighbours,
                  const std::vector<T>& position_weights, T w1,
                  const Tensor& result) {
  using V = typename VectorOf<T>::type;
  const PaddedSize& size = neighbours.size();
  const int64_t channels = image.size(1), count = neighbours.count();
  const int64_t pixels = size.height * size.width;
  Tensor padded = at::empty({image.size(0), channels, size.plane()}, image.options());
  T* from = padded.data_ptr<T>();
  pad_rows(image.const_data_ptr<T>(), image.size(0) * channels, size, from);
  const int64_t rows = image.size(0) * size.height;
  at::parallel_for(0, rows, 1, [&](int64_t row, int64_t end) {
    std::vector<T> terms(count * kVectors * sizeof(V) / sizeof(T));
    for (; row < end; ++row) {
      const int64_t b = row / size.height, y = row % size.height;
      const std::vector<int64_t> positions = neighbours.positions(y);
      run({from + b * channels * size.plane(), size.plane(),
           y * size.stride() + size.pad, positions.data(), count, channels,
           size.width, position_weights.data(), w1,
           result.data_ptr<T>() + b * count * pixels + y * size.width, pixels},
          terms.data());
    }
  });
}

}  // namespace
}  // namespace mmwsss

Tensor par_affinity_cpu(const Tensor& image, at::IntArrayRef dilations, double w1,
                        double w2) {
  TORCH_CHECK(image.is_contiguous() && !dilations.empty(),
              "par_affinity: needs a contiguous image and dilations");
  const auto offsets = mmwsss::ring_offsets(dilations.vec());
  const mmwsss::Neighbours neighbours(offsets, image.size(2), image.size(3));
  Tensor result = at::empty(
      {image.size(0), neighbours.count(), image.size(2), image.size(3)},
      image.options());
  AT_DISPATCH_FLOATING_TYPES(image.scalar_type(), "par_affinity", [&] {
    std::vector<scalar_t> weights;
    for (const double weight : mmwsss::position_weights(offsets, w1))
      weights.push_back(static_cast<scalar_t>(w2 * weight));
    mmwsss::par_affinity<scalar_t>(image, neighbours, weights,
                                   static_cast<scalar_t>(w1), result);
  });
  return result;
}

REGISTER_DEVICE_IMPL(mmwsss_par_affinity, CPU, par_affinity_cpu);
