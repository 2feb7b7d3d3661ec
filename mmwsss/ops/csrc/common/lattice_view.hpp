// Licensed under Apache-2.0.
//
// A lattice and the terms of a CRF as kernels see them. The namespace keeps names
// apart from those of the CPU, which go into the same library.
#pragma once

#include <cstdint>

namespace mmwsss::gpu {

struct LatticeSize {
  int64_t batch;
  int64_t pixels;  // of one image
  int dim;         // number of features
  bool origin;     // each image has the vertices around feature 0 too

  int64_t num_pixels() const { return batch * pixels; }
  // What has a simplex: the pixels of an image, then its origin.
  int64_t points() const { return pixels + (origin ? 1 : 0); }
  int64_t num_points() const { return batch * points(); }
  int64_t entries() const { return num_points() * (dim + 1); }
};

// Where the lattice is written to. The shapes are those of
// `PermutohedralLattice`; M may exceed the number of vertices.
struct LatticeOutputs {
  int64_t rows;            // M
  int32_t* vertices;       // (N, d + 1)
  float* slice_weights;    // (N, d + 1)
  int32_t* splat_pixels;   // (E,)
  float* splat_weights;    // (E,)
  int32_t* splat_offsets;  // (M + 1,)
  int32_t* neighbours;     // (d + 1, M + 1, 2)
};

// The same, to be read.
struct LatticeView {
  int64_t num_pixels;
  int64_t rows;
  int64_t entries;  // of the splat: E
  int axes;         // d + 1
  const int32_t* vertices;
  const float* slice_weights;
  const int32_t* splat_pixels;
  const float* splat_weights;
  const int32_t* splat_offsets;
  const int32_t* neighbours;
};

// What is wrong with the features, worst last.
enum LatticeState : int64_t {
  kFits = 0,
  kTooWide = -1,    // more than 63 bits for the keys
  kTooLarge = -2,   // coordinates that float32 doesn't resolve
  kNotFinite = -3,  // NaN or infinite
};

constexpr int kMaxLatticeDim = 16;

// How vertices are packed into keys; computed and kept on the device.
struct LatticeLayout {
  int64_t state;
  int64_t vertices;  // how many there are
  int64_t low[kMaxLatticeDim];
  int64_t extent[kMaxLatticeDim];
  uint64_t stride[kMaxLatticeDim + 1];  // of the last coordinate: 0
  uint64_t image_stride;
  uint64_t stride_sum;
  float slice_scale;  // NaN where the features don't fit
};

// What is added to the logits of a label: the same mass for all of them, with a
// factor for each, or a product with a matrix.
enum CompatKind { kPotts, kPerLabel, kMatrix };

template <typename T>
struct Term {
  LatticeView lattice;
  const T* compat;  // (n,) or (n, n)
  CompatKind kind;
};

struct MeanFieldSize {
  int64_t batch;
  int64_t labels;
  int64_t pixels;  // of one image
  int64_t iter_max;

  int64_t num_pixels() const { return batch * pixels; }
};

}  // namespace mmwsss::gpu
