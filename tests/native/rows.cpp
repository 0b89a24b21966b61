// Runs every CPU row on small problems, without torch, against the reference rows: for sanitizer builds.
// Operands are integers, and lie in buffers of exactly their size, so that a read or write beyond one is seen.
//
// rows [CASES]: the first so many cases alone, without the large ones, as slow tools want it
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "common/isa.h"
#include "geometry.h"
#include "memory.h"
#include "registry.h"

using namespace torchconv;

namespace {

struct Case {
  Sizes x, w;
  Geometry geometry;
};

const std::vector<Case> kCases = {
    {{1, 1, 1, 1}, {1, 1, 1, 1}, {{1, 1}, {0, 0, 0, 0}, {1, 1}, 1}},
    {{2, 3, 7, 9}, {5, 3, 3, 3}, {{1, 1}, {1, 1, 1, 1}, {1, 1}, 1}},
    {{2, 16, 6, 5}, {33, 16, 1, 1}, {{1, 1}, {0, 0, 0, 0}, {1, 1}, 1}},
    {{3, 17, 29, 21}, {45, 17, 1, 1}, {{1, 1}, {0, 0, 0, 0}, {1, 1}, 1}},  // NCHW: x in place, several blocks an image
    {{2, 10, 16, 17}, {6, 5, 1, 1}, {{1, 1}, {0, 0, 0, 0}, {1, 1}, 2}},
    {{1, 6, 8, 11}, {4, 3, 3, 2}, {{2, 3}, {0, 2, 1, 3}, {1, 2}, 2}},
    {{2, 4, 9, 9}, {4, 1, 5, 5}, {{1, 1}, {2, 2, 2, 2}, {1, 1}, 4}},
    {{2, 35, 9, 16}, {35, 1, 3, 3}, {{1, 1}, {1, 1, 1, 1}, {1, 1}, 35}},  // depthwise, from here to the multiplier
    {{1, 40, 15, 8}, {40, 1, 7, 7}, {{2, 2}, {3, 3, 3, 3}, {1, 1}, 40}},
    {{1, 33, 8, 9}, {33, 1, 4, 13}, {{3, 1}, {1, 3, 6, 5}, {1, 1}, 33}},
    {{1, 9, 10, 7}, {9, 1, 3, 3}, {{2, 1}, {3, 2, 2, 4}, {2, 3}, 9}},
    {{1, 3, 40, 60}, {3, 1, 5, 5}, {{1, 1}, {2, 2, 2, 2}, {1, 1}, 3}},
    {{1, 2, 41, 59}, {2, 1, 3, 3}, {{2, 2}, {1, 1, 1, 1}, {1, 1}, 2}},
    {{2, 2, 130}, {2, 1, 4}, {{1}, {3, 0}, {1}, 2}},
    {{1, 3, 7, 8}, {6, 1, 3, 3}, {{2, 1}, {1, 1, 1, 1}, {1, 1}, 3}},
    {{2, 24, 7, 9}, {24, 4, 3, 3}, {{1, 1}, {1, 1, 1, 1}, {1, 1}, 6}},  // groups, from here to those of 12
    {{1, 40, 9, 8}, {20, 8, 3, 3}, {{2, 2}, {1, 1, 1, 1}, {1, 1}, 5}},
    {{1, 6, 8, 19}, {9, 2, 2, 5}, {{1, 3}, {2, 0, 1, 3}, {3, 2}, 3}},
    {{1, 36, 6, 5}, {48, 12, 3, 3}, {{1, 1}, {2, 1, 0, 1}, {1, 1}, 3}},
    {{1, 3, 5, 5}, {2, 3, 2, 2}, {{5, 4}, {0, 0, 0, 0}, {2, 3}, 1}},
    {{3, 17, 30}, {19, 17, 7}, {{2}, {3, 4}, {1}, 1}},
    {{1, 3, 70, 70}, {5, 3, 7, 7}, {{2, 2}, {3, 3, 3, 3}, {1, 1}, 1}},  // grad_input scatters
    {{2, 3, 4, 6, 7}, {17, 3, 3, 3, 3}, {{1, 2, 1}, {1, 1, 1, 1, 1, 1}, {1, 1, 1}, 1}},
    {{1, 34, 3, 4, 5}, {4, 17, 2, 3, 2}, {{2, 1, 3}, {2, 0, 0, 1, 1, 2}, {1, 2, 1}, 2}},
    {{2, 19, 3, 5, 7}, {35, 19, 1, 1, 1}, {{1, 1, 1}, {0, 0, 0, 0, 0, 0}, {1, 1, 1}, 1}},
    {{2, 2, 5, 9, 8}, {5, 2, 3, 3, 4}, {{2, 1, 2}, {1, 2, 0, 1, 2, 1}, {1, 1, 1}, 1}},  // grad_input scatters
    {{1, 1, 9, 9}, {2, 1, 2, 3}, {{7, 40}, {0, 1, 0, 40}, {1, 3}, 1}},  // strides that leave most pixels unreached
};

// Large enough to take another way: results written past the caches, weights in parts, several strips. Run with one
// instruction set.
const std::vector<Case> kLarge = {
    {{1, 2, 330, 330}, {17, 2, 1, 1}, {{1, 1}, {0, 0, 0, 0}, {1, 1}, 1}},
    {{1, 4, 157, 160}, {64, 4, 1, 2}, {{1, 1}, {0, 0, 0, 1}, {1, 1}, 1}},
    {{1, 480, 2, 2}, {1150, 480, 3, 3}, {{1, 1}, {1, 1, 1, 1}, {1, 1}, 1}},
    {{1, 3, 230, 230}, {2, 3, 3, 3}, {{1, 1}, {1, 1, 1, 1}, {1, 1}, 1}},
};

int64_t numel_x(const ConvProblem& p) { return p.N * p.x_stride_n(); }
int64_t numel_w(const ConvProblem& p) { return p.K * p.Cg() * p.T * p.R * p.S; }
int64_t numel_y(const ConvProblem& p) { return p.N * p.y_stride_n(); }
int64_t numel_a(const ConvProblem& p) { return p.pass == Pass::grad_input ? numel_y(p) : numel_x(p); }
int64_t numel_b(const ConvProblem& p) { return p.pass == Pass::grad_weight ? numel_y(p) : numel_w(p); }
int64_t numel_out(const ConvProblem& p) {
  return p.pass == Pass::fwd ? numel_y(p) : p.pass == Pass::grad_input ? numel_x(p) : numel_w(p);
}

void run(const Row& row, const ConvProblem& p, ConvOperands operands, const Buffer& out) {
  const Buffer workspace(row.workspace(p));
  operands.out = out.data();
  operands.workspace = workspace.data();
  row.run(p, operands);
}

ConvProblem problem(const Case& c, Pass pass, DType dtype, Layout layout, Isa isa, bool has_bias) {
  ConvProblem p = make_problem(pass, c.x, c.w, conv_output_size(c.x, c.w, c.geometry), c.geometry);
  p.device = Device::cpu;
  p.dtype = dtype;
  p.layout = layout;
  p.isa = isa;
  p.threads = 3;
  p.has_bias = has_bias;
  set_dense_weights(p, layout);
  return p;
}

const Row& reference_row(Pass pass) {
  for (const Row& row : rows())
    if (std::string(row.algo) == "reference" && row.pass == pass) return row;
  throw ConvError("torchconv: expected a reference row for every pass, got none");
}

// Runs every row that takes the problem; returns how many did.
int check_rows(const ConvProblem& p, std::mt19937& random) {
  const int64_t channels = p.pass == Pass::fwd ? p.K : p.C;
  const Buffer a(numel_a(p) * itemsize(p.dtype)), b(numel_b(p) * itemsize(p.dtype)), bias(channels * itemsize(p.dtype));
  fill_with_integers(p.dtype, a, numel_a(p), random);
  fill_with_integers(p.dtype, b, numel_b(p), random);
  fill_with_integers(p.dtype, bias, channels, random);
  const ConvOperands operands{a.data(), b.data(), p.has_bias ? bias.data() : nullptr, nullptr, nullptr};
  const Buffer expected(numel_out(p) * itemsize(p.dtype));
  run(reference_row(p.pass), p, operands, expected);
  double largest = 0;
  for (int64_t i = 0; i < numel_out(p); ++i) largest = std::max(largest, std::fabs(get(p.dtype, expected.data(), i)));
  int ran = 0;
  for (const Row& row : rows()) {
    if (row.pass != p.pass || row.device != Device::cpu || !row.supports(p).empty()) continue;
    const Buffer out(numel_out(p) * itemsize(p.dtype));
    run(row, p, operands, out);
    ++ran;
    const double off = largest_difference(p.dtype, out, expected, numel_out(p));
    // Sums of these integers are exact in every dtype that sums directly. Others have an error; where few outputs all
    // happen to cancel, their standard deviation is the scale.
    const double scale = std::max(largest, std::sqrt(p.products_per_output()));
    TORCHCONV_CHECK(off <= (row.direct ? 0 : 2 * row.error(p) * scale), row.algo, " ", to_string(p.pass), " ",
                    to_string(p.dtype), " ", to_string(p.layout), " ", to_string(p.isa),
                    ": expected the result of the reference row, got one off by ", off);
  }
  return ran;
}

}  // namespace

int main(int argc, char** argv) {
  std::mt19937 random(0);
  int ran = 0;
  const size_t few = argc > 1 ? size_t(std::atoi(argv[1])) : kCases.size();
  for (size_t i = 0; i < few; ++i)
    for (Pass pass : {Pass::fwd, Pass::grad_input, Pass::grad_weight})
      for (DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16})
        for (Layout layout : {Layout::nchw, Layout::nhwc})
          for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512, Isa::avx512_bf16})
            if (isa <= detected_isa())
              ran += check_rows(problem(kCases[i], pass, dtype, layout, isa, pass != Pass::grad_weight), random);
  for (const Case& c : argc > 1 ? std::vector<Case>() : kLarge)
    for (Pass pass : {Pass::fwd, Pass::grad_input, Pass::grad_weight})
      for (DType dtype : {DType::f32, DType::f64})
        for (Layout layout : {Layout::nchw, Layout::nhwc})
          ran += check_rows(problem(c, pass, dtype, layout, detected_isa(), false), random);
  std::printf("%d runs agree with the reference\n", ran);
  return 0;
}
