// Licensed under Apache-2.0.
//
// The mean-field updates of the dense CRF; see `_fallback/crf.py`.
//
// Rows of labels are padded to whole vectors, with logits of -infinity, that
// is probabilities of 0. Slice, compatibility and softmax are done together,
// a tile of pixels at a time, which stays in the cache.
#include <limits>
#include <vector>

#include "../operators.hpp"
#include "lattice_tables.hpp"
#include "softmax.hpp"

namespace mmwsss::cpu {
namespace {

constexpr int64_t kTile = 64;  // pixels
constexpr int kTensors = 6;    // of a lattice

template <typename T>
class MeanField {
 public:
  MeanField(const Tensor& unary, at::TensorList lattices,
            at::TensorList compats, const std::optional<Tensor>& log_count)
      : unary_(unary.const_data_ptr<T>()),
        labels_(unary.size(1)),
        pixels_(unary.size(2) * unary.size(3)),
        num_rows_(unary.size(0) * pixels_),
        blocks_(channel_blocks(labels_)),
        stride_(blocks_.back().first + blocks_.back().width()),
        options_(unary.options()) {
    bias_ = at::empty({num_rows_, stride_}, options_);
    rows_ = at::empty_like(bias_);
    Tensor log = at::zeros({labels_}, options_);
    if (log_count.has_value()) log.copy_(*log_count);
    log_count_ = padded(log);
    share_ = padded(log.neg().exp());
    has_share_ = log_count.has_value();
    int64_t largest = 0;
    for (size_t t = 0; t < compats.size(); ++t) {
      add_term(lattices.slice(kTensors * t, kTensors), compats[t]);
      largest = std::max(largest, terms_[t].lattice.missing);
    }
    scratch_ = at::empty({(largest + 1) * kMaxOctets * kLanes}, options_);
  }

  void run(int64_t iter_max, Tensor& out) {
    for_tiles([&](int64_t image, int64_t first, int64_t n) {
      read_bias(image, first, n);
      T* rows = row(rows_, image * pixels_ + first);
      std::copy_n(row(bias_, image * pixels_ + first), n * stride_, rows);
      normalise(rows, n);
    });
    for (int64_t update = 0; update < iter_max; ++update) {
      filter_rows();
      for_tiles([&](int64_t image, int64_t first, int64_t n) {
        update_rows(image * pixels_ + first, n);
      });
    }
    for_tiles([&](int64_t image, int64_t first, int64_t n) {
      write(image, first, n, out.data_ptr<T>());
    });
  }

 private:
  struct Term {
    LatticeView lattice;
    std::vector<Tensor> tables;  // filtered, one for each block
    Tensor compat;  // none, (stride) or (labels, stride): what each label gives
  };

  T* row(Tensor& rows, int64_t i) const {
    return rows.data_ptr<T>() + i * stride_;
  }

  // (..., labels) -> (..., stride), padded by 0.
  Tensor padded(const Tensor& values) const {
    return at::constant_pad_nd(values.to(options_), {0, stride_ - labels_})
        .contiguous();
  }

  void add_term(at::TensorList tensors, const Tensor& compat) {
    Term term{view_lattice(tensors.data()), {}, {}};
    TORCH_CHECK(term.lattice.num_pixels == num_rows_,
                "a lattice must be built on the pixels of unary");
    for (const Block& block : blocks_) {
      term.tables.push_back(empty_table(term.lattice, block.width(), options_));
    }
    if (compat.numel() > 0) {
      term.compat = padded(compat.dim() == 2 ? compat.t() : compat);
    }
    terms_.push_back(term);
  }

  // f(image, first pixel, number of pixels)
  template <typename F>
  void for_tiles(const F& f) const {
    const int64_t each = (pixels_ + kTile - 1) / kTile;
    const int64_t count = num_rows_ / pixels_ * each;
    at::parallel_for(0, count, kGrain / kTile, [&](int64_t begin, int64_t end) {
      with_wide_vectors([&] {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t first = i % each * kTile;
          f(i / each, first, std::min(kTile, pixels_ - first));
        }
      });
    });
  }

  void read_bias(int64_t image, int64_t first, int64_t n) {
    T* bias = row(bias_, image * pixels_ + first);
    const T* log_count = log_count_.template const_data_ptr<T>();
    for (int64_t l = 0; l < labels_; ++l) {
      const T* energy = unary_ + (image * labels_ + l) * pixels_ + first;
      for (int64_t i = 0; i < n; ++i) {
        bias[i * stride_ + l] = log_count[l] - energy[i];
      }
    }
    for (int64_t i = 0; i < n; ++i) {
      std::fill(bias + i * stride_ + labels_, bias + (i + 1) * stride_,
                -std::numeric_limits<T>::infinity());
    }
  }

  void normalise(T* rows, int64_t n) const {
    softmax_rows(rows, n, stride_);
    if (has_share_) {
      const T* share = share_.template const_data_ptr<T>();
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t c = 0; c < stride_; ++c) rows[i * stride_ + c] *= share[c];
      }
    }
  }

  void filter_rows() {
    T* scratch = scratch_.template data_ptr<T>();
    for (Term& term : terms_) {
      for (size_t b = 0; b < blocks_.size(); ++b) {
        const Block& block = blocks_[b];
        std::fill_n(scratch + term.lattice.missing * block.width(),
                    block.width(), T(0));
        fill_table(term.lattice, block.octets, row(rows_, 0) + block.first,
                   stride_, false, term.tables[b].template data_ptr<T>(),
                   scratch);
      }
    }
  }

  void update_rows(int64_t first, int64_t n) {
    T* rows = row(rows_, first);
    std::copy_n(row(bias_, first), n * stride_, rows);
    for (const Term& term : terms_) {
      if (term.compat.defined()) {
        add_compat_message(term, first, n, rows);
      } else {
        add_message(term, first, n, rows);
      }
    }
    normalise(rows, n);
  }

  void add_message(const Term& term, int64_t first, int64_t n, T* rows) const {
    for (size_t b = 0; b < blocks_.size(); ++b) {
      const T* table = term.tables[b].template const_data_ptr<T>();
      with_octets(blocks_[b].octets, [&](auto octets) {
        Row<T, octets> sum;
        for (int64_t i = 0; i < n; ++i) {
          T* to = rows + i * stride_ + blocks_[b].first;
          sum.load(to);
          slice<T, octets>(term.lattice, table, first + i, sum);
          sum.store(to);
        }
      });
    }
  }

  void add_compat_message(const Term& term, int64_t first, int64_t n,
                          T* rows) const {
    std::vector<T> message(n * stride_);
    add_message(term, first, n, message.data());
    const T* compat = term.compat.template const_data_ptr<T>();
    for (int64_t i = 0; i < n; ++i) {
      T* to = rows + i * stride_;
      const T* from = message.data() + i * stride_;
      if (term.compat.dim() == 1) {
        for (int64_t c = 0; c < stride_; ++c) to[c] += from[c] * compat[c];
        continue;
      }
      for (int64_t l = 0; l < labels_; ++l) {
        const T* given = compat + l * stride_;
        for (int64_t c = 0; c < stride_; ++c) to[c] += from[l] * given[c];
      }
    }
  }

  void write(int64_t image, int64_t first, int64_t n, T* out) {
    const T* rows = row(rows_, image * pixels_ + first);
    for (int64_t l = 0; l < labels_; ++l) {
      T* to = out + (image * labels_ + l) * pixels_ + first;
      for (int64_t i = 0; i < n; ++i) to[i] = rows[i * stride_ + l];
    }
  }

  const T* unary_;
  const int64_t labels_, pixels_, num_rows_;
  const std::vector<Block> blocks_;
  const int64_t stride_;
  const at::TensorOptions options_;
  Tensor bias_, rows_, log_count_, share_, scratch_;
  bool has_share_ = false;
  std::vector<Term> terms_;
};

}  // namespace
}  // namespace mmwsss::cpu

Tensor mmwsss_mean_field_cpu(const Tensor& unary, at::TensorList lattices,
                             at::TensorList compats, int64_t iter_max,
                             const std::optional<Tensor>& log_count) {
  TORCH_CHECK(unary.dim() == 4 && lattices.size() == 6 * compats.size(),
              "mean_field needs (B, n, H, W) energies and six tensors a term");
  const Tensor energies = unary.contiguous();
  Tensor out = at::empty_like(energies);
  if (energies.scalar_type() == at::kDouble) {
    mmwsss::cpu::MeanField<double>(energies, lattices, compats, log_count)
        .run(iter_max, out);
  } else {
    mmwsss::cpu::MeanField<float>(energies, lattices, compats, log_count)
        .run(iter_max, out);
  }
  return out;
}

REGISTER_DEVICE_IMPL(mmwsss_mean_field, CPU, mmwsss_mean_field_cpu);
