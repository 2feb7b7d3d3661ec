// Licensed under Apache-2.0.
//
// The mean-field updates on a GPU, see `_fallback/crf.py`. Rows (N, n), labels
// innermost; no sum over the labels of a pixel is split among threads.
#pragma once

#include <cmath>
#include <vector>

#include "each.cuh"
#include "lattice_filter.cuh"
#include "workspace.cuh"

namespace mmwsss::gpu {

template <typename T>
struct MeanFieldBuffers {
  T* bias;     // (N, n)
  T* logits;   // (N, n)
  T* rows;     // (N, n), Q
  T* message;  // (N, n), only for matrices
  T* stats;    // (N, 2)
  std::vector<FilterBuffers<T>> filters;  // one for each term
  size_t bytes;
};

// --- steps ---------------------------------------------------------------------
// (B, n, P) energies -> (B * P, n) logits
template <typename T>
struct Bias {
  const T* unary;
  const T* log_count;  // (n,) or null
  int labels;
  Columns pixels;
  T* bias;

  MMWSSS_HD void operator()(int64_t i) const {
    const RowColumn at = pixels.split(i);
    const T* in = unary + at.row * labels * pixels + at.column;
    T* out = bias + i * labels;
    for (int l = 0; l < labels; ++l, in += pixels) {
      out[l] = log_count ? log_count[l] - *in : -*in;
    }
  }
};

template <typename T>
struct Softness {
  T max;
  T scale;  // 1 / sum of exp(logit - max)
};

// One pass: a memory access takes longer than an exponential.
template <typename T>
MMWSSS_HD Softness<T> softness(const T* logits, int labels) {
  T max = logits[0];
  T sum = 1;
  for (int l = 1; l < labels; ++l) {
    const T logit = logits[l];
    const bool larger = logit > max;
    const T difference = larger ? max - logit : logit - max;
    const T part = logit == max ? T(1) : std::exp(difference);
    sum = larger ? sum * part + T(1) : sum + part;
    max = larger ? logit : max;
  }
  return {max, T(1) / sum};
}

template <typename T>
struct RowStats {
  const T* logits;
  int labels;
  T* stats;

  MMWSSS_HD void operator()(int64_t i) const {
    const Softness<T> found = softness(logits + i * labels, labels);
    stats[2 * i] = found.max;
    stats[2 * i + 1] = found.scale;
  }
};

template <typename T>
MMWSSS_HD T marginal(T logit, T max, T scale, const T* log_count, int64_t label) {
  const T q = std::exp(logit - max) * scale;
  // A row that stands for r labels: the result of one.
  return log_count ? q * std::exp(-log_count[label]) : q;
}

template <typename T>
struct Softmax {
  const T* logits;
  const T* stats;
  const T* log_count;
  Columns labels;
  T* rows;

  MMWSSS_HD void operator()(int64_t i) const {
    const T logit = logits[i];
    const RowColumn at = labels.split(i);
    const T* row = stats + 2 * at.row;
    rows[i] = marginal(logit, row[0], row[1], log_count, at.column);
  }
};

// The last softmax writes (B, n, P).
template <typename T>
struct SoftmaxToMaps {
  const T* logits;
  const T* log_count;
  int labels;
  Columns pixels;
  T* maps;

  MMWSSS_HD void operator()(int64_t i) const {
    const T* row = logits + i * labels;
    const Softness<T> found = softness(row, labels);
    const RowColumn at = pixels.split(i);
    T* out = maps + at.row * labels * pixels + at.column;
    for (int l = 0; l < labels; ++l, out += pixels) {
      *out = marginal(row[l], found.max, found.scale, log_count, l);
    }
  }
};

// logits = base + message @ compat.T
template <typename T>
struct AddCompat {
  const T* message;
  const T* compat;
  const T* base;
  Columns labels;
  T* logits;

  MMWSSS_HD void operator()(int64_t i) const {
    const RowColumn at = labels.split(i);
    const T* row = message + at.row * labels;
    const T* factors = compat + at.column * labels;
    T sum = 0;
    for (int64_t l = 0; l < labels; ++l) sum += row[l] * factors[l];
    logits[i] = base[i] + sum;
  }
};

// --- sequences -----------------------------------------------------------------
// Buffers in `memory`; with a null pointer only `bytes` is of use.
template <typename T>
MeanFieldBuffers<T> mean_field_buffers(const MeanFieldSize& size,
                                       const std::vector<Term<T>>& terms,
                                       void* memory) {
  const int64_t elements = size.num_pixels() * size.labels;
  Workspace workspace(memory);
  FilterSize filter_size;
  bool matrix = false;
  for (const Term<T>& term : terms) {
    filter_size.include(term.lattice);
    matrix = matrix || term.kind == kMatrix;
  }
  MeanFieldBuffers<T> buffers{};
  buffers.bias = workspace.take<T>(elements);
  buffers.logits = workspace.take<T>(elements);
  buffers.rows = workspace.take<T>(elements);
  buffers.message = workspace.take<T>(matrix ? elements : 0);
  buffers.stats = workspace.take<T>(2 * size.num_pixels());
  const FilterBuffers<T> shared = take_filter<T>(workspace, filter_size, size.labels);
  for (const Term<T>& term : terms) {
    buffers.filters.push_back(shared);
    buffers.filters.back().chunk_rows =
        workspace.take<int32_t>(num_chunks(term.lattice));
  }
  buffers.bytes = workspace.bytes();
  return buffers;
}

// logits = base + the term's message
template <typename T>
cudaError_t add_message(const Term<T>& term, const FilterBuffers<T>& filter_buffers,
                        const MeanFieldBuffers<T>& buffers, const T* base,
                        int64_t labels, cudaStream_t stream) {
  const T* table = nullptr;
  MMWSSS_TRY(splat_and_blur<T>(term.lattice, buffers.rows, labels, false,
                               filter_buffers, &table, stream));
  if (term.kind != kMatrix) {
    const T* scale = term.kind == kPerLabel ? term.compat : nullptr;
    return slice<T>(term.lattice, table, labels, base, scale, buffers.logits, stream);
  }
  MMWSSS_TRY(slice<T>(term.lattice, table, labels, nullptr, nullptr, buffers.message,
                      stream));
  return each(term.lattice.num_pixels * labels, stream,
              AddCompat<T>{buffers.message, term.compat, base, labels,
                           buffers.logits});
}

// unary (B, n, P) -> maps (B, n, P)
template <typename T>
cudaError_t mean_field(const MeanFieldSize& size, const std::vector<Term<T>>& terms,
                       const T* unary, const T* log_count,
                       const MeanFieldBuffers<T>& buffers, T* maps,
                       cudaStream_t stream) {
  const int64_t pixels = size.num_pixels();
  const int labels = static_cast<int>(size.labels);
  MMWSSS_TRY(each(pixels, stream,
                  Bias<T>{unary, log_count, labels, size.pixels, buffers.bias}));
  for (size_t t = 0; t < terms.size(); ++t) {
    MMWSSS_TRY(find_chunk_rows(terms[t].lattice, buffers.filters[t].chunk_rows,
                               stream));
  }
  const T* logits = buffers.bias;
  const int64_t updates = terms.empty() ? 0 : size.iter_max;
  for (int64_t update = 0; update < updates; ++update) {
    MMWSSS_TRY(each(pixels, stream, RowStats<T>{logits, labels, buffers.stats}));
    MMWSSS_TRY(each(pixels * labels, stream,
                    Softmax<T>{logits, buffers.stats, log_count, labels,
                               buffers.rows}));
    logits = buffers.bias;
    for (size_t t = 0; t < terms.size(); ++t) {
      MMWSSS_TRY(add_message(terms[t], buffers.filters[t], buffers, logits, labels,
                             stream));
      logits = buffers.logits;
    }
  }
  return each(pixels, stream,
              SoftmaxToMaps<T>{logits, log_count, labels, size.pixels, maps});
}

}  // namespace mmwsss::gpu
