// Licensed under Apache-2.0.
//
// The permutohedral lattice of a batch of images; see `_fallback/build.py`.
//
// Chunks of pixels number their vertices on their own, in parallel; merged in
// the order of the chunks, that is the order of first appearance, whatever the
// number of threads. Vertices of pixels that are close have close numbers.
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "operators.hpp"
#include "key_packing.hpp"
#include "key_table.hpp"
#include "simplex.hpp"

namespace mmwsss::cpu {
namespace {

constexpr int64_t kChunk = 1 << 13;  // pixels; its table stays in the cache

// What a chunk of pixels finds out before all chunks are merged.
struct Chunk {
  Ranges ranges;
  KeyTable table;
  std::vector<int32_t> entries;  // of each vertex; later where they go
  std::vector<int32_t> number;   // of each vertex among those of all chunks
};

template <int kDim>
class Builder {
 public:
  Builder(const Tensor& features, bool with_origin)
      : features_(features.const_data_ptr<float>()),
        batch_(features.size(0)),
        run_time_dim_(static_cast<int>(features.size(1))),
        pixels_(features.size(2)),
        rows_(batch_ * pixels_),
        origins_(with_origin ? batch_ : 0),
        base_(rows_ * dim()),
        axes_(rows_ * count()),
        chunks_((rows_ + kChunk - 1) / kChunk),
        options_(features.options()) {}

  Lattice build(bool exact_size) {
    const auto index = options_.dtype(at::kInt);
    weights_ = at::empty({rows_, count()}, options_);
    vertices_ = at::empty({rows_, count()}, index);
    for_chunks([&](int64_t c) { find_simplices(c); });
    Ranges ranges;
    for (int j = 0; origins_ > 0 && j < dim(); ++j) ranges.add(j, 0.0f);
    for (const Chunk& chunk : chunks_) {
      for (int j = 0; j < dim(); ++j) {
        ranges.add(j, chunk.ranges.low[j]);
        ranges.add(j, chunk.ranges.high[j]);
      }
    }
    packing_ = pack(ranges, dim(), batch_);
    for_chunks([&](int64_t c) { number_vertices(c); });
    add_origins();
    merge();
    const int64_t entries = (rows_ + origins_) * count();
    const int64_t size = exact_size ? found() : entries;
    splat_pixels_ = at::empty({entries}, index);
    splat_weights_ = at::empty({entries}, options_);
    Tensor offsets = write_offsets(size);
    write_origin_entries(offsets);
    for_chunks([&](int64_t c) { write_entries(c, offsets); });
    return {vertices_,      weights_, splat_pixels_,
            splat_weights_, offsets,  find_neighbours(size)};
  }

 private:
  int dim() const { return kDim > 0 ? kDim : run_time_dim_; }
  int count() const { return dim() + 1; }
  int64_t found() const { return static_cast<int64_t>(merged_.keys().size()); }

  template <typename F>
  void for_chunks(const F& f) const {
    at::parallel_for(0, chunks_.size(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) f(c);
    });
  }

  template <typename F>
  void for_pixels(int64_t chunk, const F& f) const {
    const int64_t end = std::min(rows_, (chunk + 1) * kChunk);
    for (int64_t i = chunk * kChunk; i < end; ++i) f(i);
  }

  void find_simplices(int64_t c) {
    const ElevationScales scales(dim());
    Ranges ranges;
    Simplex<kDim> simplex;
    float elevated[Simplex<kDim>::kCount];
    float* weights = weights_.template data_ptr<float>();
    for_pixels(c, [&](int64_t i) {
      const int64_t image = i / pixels_;
      const float* pixel = features_ + image * (dim() - 1) * pixels_ + i;
      elevate<kDim>(pixel, pixels_, scales, dim(), elevated);
      enclosing_simplex<kDim>(elevated, dim(), simplex);
      for (int j = 0; j < dim(); ++j) {
        ranges.add(j, simplex.base[j]);
        base_[i * dim() + j] = simplex.base[j];
      }
      for (int j = 0; j < count(); ++j) {
        axes_[i * count() + simplex.slot[j]] = static_cast<uint8_t>(j);
        weights[i * count() + j] = simplex.weight[j];
      }
    });
    chunks_[c].ranges = ranges;
  }

  void number_vertices(int64_t c) {
    Chunk& chunk = chunks_[c];
    int32_t* vertices = vertices_.template data_ptr<int32_t>();
    std::array<int64_t, kMaxDim + 1> last;
    last.fill(-1);
    for_pixels(c, [&](int64_t i) {
      int64_t key = i / pixels_ * packing_.image_stride;
      for (int j = 0; j < dim(); ++j) {
        const int64_t base = static_cast<int64_t>(base_[i * dim() + j]);
        key += (base * count() - packing_.low[j]) * packing_.stride[j];
      }
      for (int k = 0; k < count(); ++k) {
        int32_t& vertex = vertices[i * count() + k];
        // Often the simplex of the pixel before.
        const bool same = key == last[k];
        vertex = same ? vertices[(i - 1) * count() + k] : chunk.table.add(key);
        last[k] = key;
        const int axis = axes_[i * count() + k];
        key += packing_.total - count() * packing_.stride[axis];
        if (static_cast<size_t>(vertex) == chunk.entries.size()) {
          chunk.entries.push_back(0);
        }
        ++chunk.entries[vertex];
      }
    });
  }

  // The vertices around feature 0 of each image come first, with an entry each.
  // All coordinates are 0, the base too, and ties: coordinate j has slot d - j.
  void add_origins() {
    for (int64_t image = 0; image < origins_; ++image) {
      int64_t key = image * packing_.image_stride;
      for (int j = 0; j < dim(); ++j) key -= packing_.low[j] * packing_.stride[j];
      for (int k = 0; k < count(); ++k) {
        merged_.add(key);
        counts_.push_back(1);
        key += packing_.total - count() * packing_.stride[dim() - k];
      }
    }
  }

  // They have no mass: weight 0, of the image's last pixel.
  void write_origin_entries(const Tensor& offsets) {
    const int32_t* begin = offsets.const_data_ptr<int32_t>();
    int32_t* splat_pixels = splat_pixels_.template data_ptr<int32_t>();
    float* splat_weights = splat_weights_.template data_ptr<float>();
    for (int64_t v = 0; v < origins_ * count(); ++v) {
      const int64_t image = v / count();
      splat_pixels[begin[v]] = static_cast<int32_t>((image + 1) * pixels_ - 1);
      splat_weights[begin[v]] = 0.0f;
    }
  }

  // Numbers of all chunks' vertices; counts_ gets their numbers of entries, and
  // each chunk where its entries begin among those of the vertex.
  void merge() {
    for (Chunk& chunk : chunks_) {
      const std::vector<int64_t>& keys = chunk.table.keys();
      chunk.number.resize(keys.size());
      for (size_t v = 0; v < keys.size(); ++v) {
        const int32_t number = merged_.add(keys[v]);
        if (static_cast<size_t>(number) == counts_.size()) counts_.push_back(0);
        chunk.number[v] = number;
        const int32_t entries = chunk.entries[v];
        chunk.entries[v] = counts_[number];
        counts_[number] += entries;
      }
    }
  }

  Tensor write_offsets(int64_t size) const {
    Tensor offsets = at::empty({size + 1}, options_.dtype(at::kInt));
    int32_t* out = offsets.data_ptr<int32_t>();
    int32_t sum = 0;
    for (int64_t v = 0; v < found(); ++v) {
      out[v] = sum;
      sum += counts_[v];
    }
    std::fill(out + found(), out + size + 1, sum);
    return offsets;
  }

  void write_entries(int64_t c, const Tensor& offsets) {
    Chunk& chunk = chunks_[c];
    const int32_t* begin = offsets.const_data_ptr<int32_t>();
    for (size_t v = 0; v < chunk.entries.size(); ++v) {
      chunk.entries[v] += begin[chunk.number[v]];
    }
    const float alpha = static_cast<float>(1.0 / (1.0 + std::exp2(-dim())));
    int32_t* vertices = vertices_.template data_ptr<int32_t>();
    float* weights = weights_.template data_ptr<float>();
    int32_t* splat_pixels = splat_pixels_.template data_ptr<int32_t>();
    float* splat_weights = splat_weights_.template data_ptr<float>();
    for_pixels(c, [&](int64_t i) {
      for (int64_t e = i * count(); e < (i + 1) * count(); ++e) {
        const int32_t place = chunk.entries[vertices[e]]++;
        splat_pixels[place] = static_cast<int32_t>(i);
        splat_weights[place] = weights[e];
        weights[e] *= alpha;
        vertices[e] = chunk.number[vertices[e]];
      }
    });
  }

  Tensor find_neighbours(int64_t size) const {
    const auto index = options_.dtype(at::kInt);
    Tensor neighbours = at::full({count(), size + 1, 2}, size, index);
    int32_t* out = neighbours.data_ptr<int32_t>();
    const std::vector<int64_t>& keys = merged_.keys();
    at::parallel_for(0, found(), 1 << 12, [&](int64_t begin, int64_t end) {
      for (int j = 0; j < count(); ++j) {
        const int64_t step = packing_.stride[j] * count() - packing_.total;
        int32_t* pairs = out + j * (size + 1) * 2;
        for (int64_t v = begin; v < end; ++v) {
          const int32_t after = merged_.find(keys[v] + step);
          if (after < 0) continue;
          // Each entry has one writer: v is the one vertex before `after`.
          pairs[2 * v] = after;
          pairs[2 * after + 1] = static_cast<int32_t>(v);
        }
      }
    });
    return neighbours;
  }

  const float* features_;
  const int64_t batch_;
  const int run_time_dim_;
  const int64_t pixels_, rows_;
  const int64_t origins_;      // images that have the vertices around feature 0
  std::vector<float> base_;    // (N, d)
  std::vector<uint8_t> axes_;  // (N, d + 1), coordinate at each slot
  std::vector<Chunk> chunks_;
  const at::TensorOptions options_;
  Packing packing_;
  KeyTable merged_;
  std::vector<int32_t> counts_;  // entries of each vertex
  Tensor vertices_, weights_, splat_pixels_, splat_weights_;
};

}  // namespace
}  // namespace mmwsss::cpu

Lattice mmwsss_lattice_build_cpu(const Tensor& features, bool exact_size,
                                 bool with_origin) {
  const Tensor values = features.contiguous();
  TORCH_CHECK(values.dim() == 3 && values.scalar_type() == at::kFloat &&
                  values.numel() > 0 && values.size(1) <= mmwsss::kMaxDim,
              "features must be a (B, d, P) float32 tensor, d <= 16");
  const int64_t points = values.size(0) * (values.size(2) + with_origin);
  const int64_t entries = points * (values.size(1) + 1);
  TORCH_CHECK_VALUE(entries <= std::numeric_limits<int32_t>::max(), entries,
                    " entries of the lattice exceed 32-bit indices");
  switch (values.size(1)) {
    case 2:
      return mmwsss::cpu::Builder<2>(values, with_origin).build(exact_size);
    case 5:
      return mmwsss::cpu::Builder<5>(values, with_origin).build(exact_size);
    default:
      return mmwsss::cpu::Builder<0>(values, with_origin).build(exact_size);
  }
}

REGISTER_DEVICE_IMPL(mmwsss_lattice_build, CPU, mmwsss_lattice_build_cpu);
