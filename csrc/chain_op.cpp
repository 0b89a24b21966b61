// conv_chain: convolutions one after another as one operator, for inference.
//
// Values are numbered: the tensors that were given, then the result of each step. A step is 14 numbers: the values that
// are x, w, bias, residual and pack (-1: none), then stride, padding, dilation and groups of conv_fused in 2-D; and two
// names, activation and algo.
#include "chain.h"
#include "common/parallel.h"
#include "ops.h"
#include "pack.h"
#include "profile.h"
#include "workspace.h"

namespace torchconv {
namespace {

constexpr size_t kNumbers = 14;

struct Value {
  Tensor given;  // none for what a step makes
  Tensor image;  // dense; none for what stays between two links of a segment
  Sizes size;
  MemoryFormat format;
  size_t uses, last_use;  // as x or residual, by a step; a result of the chain is used for ever
  bool result;
};

class Chain {
 public:
  Chain(const std::vector<Tensor>& tensors, const Sizes& steps, const Sizes& results,
        const std::vector<std::string>& names)
      : given_(tensors.size()), steps_(steps) {
    const size_t count = names.size() / 2;
    TORCHCONV_CHECK(count && names.size() == 2 * count && steps.size() == kNumbers * count, "steps: expected ",
                    kNumbers, " numbers and 2 names for each step, got ", steps.size(), " and ", names.size());
    values_.reserve(given_ + count);
    for (const Tensor& t : tensors) values_.push_back({t, {}, {}, MemoryFormat::Contiguous, 0, 0, false});
    for (size_t i = 0; i < count; ++i) add(i, names[2 * i], names[2 * i + 1]);
    for (int64_t r : results) {
      TORCHCONV_CHECK(r >= int64_t(given_) && r < int64_t(values_.size()), "results: expected results of steps, ",
                      given_, " to ", values_.size() - 1, ", got ", r);
      values_[size_t(r)].result = true;
    }
    for (size_t i = 0; i + 1 < count; ++i) {
      const Value& y = values_[given_ + i];
      links_[i].to_next_alone = !y.result && y.uses == 1 && at(i + 1, 0) == int64_t(given_ + i);
    }
  }

  void run() {
    // A copy: rows may look for problems of their own.
    const std::vector<Segment> segments = empty_ ? one_by_one() : segments_of(links_);
    with_team(num_threads(), [&] {
      for (const Segment& segment : segments) {
        run(segment);
        for (size_t i = segment.first; i < segment.end; ++i) release(i);
      }
    });
  }

  std::vector<Tensor> results(const Sizes& numbers) const {
    std::vector<Tensor> found;
    for (int64_t n : numbers) found.push_back(values_[size_t(n)].image);
    return found;
  }

 private:
  int64_t at(size_t step, size_t place) const { return steps_[step * kNumbers + place]; }

  Value& value(size_t step, size_t place) {
    const int64_t n = at(step, place);
    TORCHCONV_CHECK(n >= 0 && n < int64_t(values_.size()), "steps: expected in place ", place, " of step ", step,
                    " a value from 0 to ", values_.size() - 1, ", got ", n);
    return values_[size_t(n)];
  }
  const Tensor& given(size_t step, size_t place) {
    const Value& v = value(step, place);
    TORCHCONV_CHECK(at(step, place) < int64_t(given_), "steps: expected in place ", place, " of step ", step,
                    " a tensor that was given, got the result of a step");
    return v.given;
  }
  std::optional<Tensor> given_or_none(size_t step, size_t place) {
    return at(step, place) < 0 ? std::optional<Tensor>() : given(step, place);
  }

  // An image that a step reads, dense.
  Value& image(size_t step, size_t place, const MemoryFormat* format) {
    Value& v = value(step, place);
    if (at(step, place) < int64_t(given_) && v.size.empty()) {
      v.size = sizes_of(v.given);
      v.format = format ? *format : format_of(v.given);
      v.image = make_dense(v.given, v.format);
    }
    ++v.uses, v.last_use = step;
    return v;
  }

  void add(size_t i, const std::string& activation, const std::string& algo) {
    const Tensor& like = given(0, 0);
    const int64_t* n = steps_.data() + i * kNumbers;
    if (n[0] < int64_t(given_)) check_same("x", given(i, 0), "x of step 0", like);
    Value& x = image(i, 0, nullptr);
    const Geometry g{Sizes(n + 5, n + 7), Sizes(n + 7, n + 11), Sizes(n + 11, n + 13), n[13]};
    auto [y_size, format, p] = check_forward(like, x.size, x.format, given(i, 1), g);
    const bool residual = n[3] >= 0;
    if (residual) {
      const Value& r = image(i, 3, &format);
      if (n[3] < int64_t(given_)) check_same("residual", r.given, "x", like);
      check_residual(r.size, y_size);
      TORCHCONV_CHECK(r.format == format, "residual: expected the memory format of x, got another");
    }
    const auto pack = given_or_none(i, 4);
    biases_.push_back(dense_bias(given_or_none(i, 2)));
    const Row* row = check_fused(p, like, biases_.back(), residual, pack, activation, algo);
    empty_ = empty_ || !row;
    links_.push_back({p, row, false});
    operands_.push_back({nullptr, pack ? weights_in(*pack) : given(i, 1).const_data_ptr(), data_or_null(biases_[i]),
                         nullptr, nullptr, nullptr});
    values_.push_back({Tensor(), Tensor(), std::move(y_size), format, 0, i, false});
  }

  std::vector<Segment> one_by_one() const {
    std::vector<Segment> all;
    for (size_t i = 0; i < links_.size(); ++i) all.push_back({i, i + 1, 1, 0, {}, 0, 0});
    return all;
  }

  void run(const Segment& s) {
    const Tensor& like = given(0, 0);
    Value& y = values_[given_ + s.end - 1];
    y.image = allocate(y.size, y.format, like);
    operands_[s.first].a = value(s.first, 0).image.const_data_ptr();
    operands_[s.end - 1].out = y.image.mutable_data_ptr();
    for (size_t i = s.first; i < s.end; ++i)
      if (at(i, 3) >= 0) operands_[i].residual = value(i, 3).image.const_data_ptr();
    const Link& first = links_[s.first];
    const ProfiledRange range([&] {
      if (s.links() > 1) return describe(s, links_);
      const Sizes w = sizes_of(given(s.first, 1));
      return join(first.row ? first.row->algo : "nothing", " fwd ", to_string(value(s.first, 0).size), " x ",
                  to_string(w));
    });
    if (s.links() > 1) {
      const Workspace workspace(first.p.threads * s.thread_bytes, like);
      run_segment(s, links_, operands_, workspace.data());
    } else if (first.row) {
      const Workspace workspace(first.row->workspace(first.p), like);
      operands_[s.first].workspace = workspace.data();
      first.row->run(first.p, operands_[s.first]);
    }
  }

  // Lets go of what no later step reads.
  void release(size_t step) {
    for (size_t place : {size_t(0), size_t(3)}) {
      if (at(step, place) < 0) continue;
      Value& v = value(step, place);
      if (v.last_use == step && !v.result) v.image = Tensor();
    }
  }

  size_t given_;
  Sizes steps_;
  std::vector<Value> values_;
  std::vector<std::optional<Tensor>> biases_;
  std::vector<Link> links_;
  std::vector<ConvOperands> operands_;
  bool empty_ = false;
};

}  // namespace

std::vector<Tensor> conv_chain(std::vector<Tensor> tensors, Sizes steps, Sizes results,
                               std::vector<std::string> names) {
  Chain chain(tensors, steps, results, names);
  chain.run();
  return chain.results(results);
}

}  // namespace torchconv
