// grad_w = grad_y^T x: blocks of grad_y are outputs by pixels, those of x pixels by channels. Each of the seven
// products is the weight gradient of a problem of half the size, and all of them are in the workspace before they are
// summed up.
#include <algorithm>

#include "common/gemm/grad_weight.h"
#include "common/parallel.h"
#include "common/simd.h"
#include "strassen/halves.h"
#include "strassen/strassen.h"

#define TORCHCONV_INL "strassen/grad_weight-inl.h"
#include "common/foreach_isa.h"

namespace torchconv::strassen {

namespace {

// The parts of the workspace, in elements of T, a multiple of a cache line each.
struct Plan {
  Gather even, rest;  // an even number of images (or pixels), and the last one of an odd number
  Halves h;
  bool has_rest;
  int64_t rest_x, rest_y;                      // where its operands begin
  int64_t x_sum, y_sum, product;               // one of the sums of x and of grad_y, and one product
  int64_t y_sums, products, rest_at, scratch;  // where each begins; the sums of x are first
  int64_t bytes;
};

Plan plan_for(const ConvProblem& p) {
  Plan plan{};
  const Gather g = forward_gather(p);
  const int64_t size = itemsize(p.dtype), line = 64 / size, count = divisible(g);
  const auto whole_lines = [&](int64_t n) { return (n + line - 1) / line * line; };
  plan.even = take(g, count - count % 2), plan.rest = take(g, 1), plan.has_rest = count % 2;
  const bool row = is_one_row(g);
  plan.rest_x = (count - 1) * (row ? g.src_w : g.src_n), plan.rest_y = (count - 1) * (row ? g.dst_w : g.dst_n);
  plan.h = halve(plan.even);
  plan.x_sum = source_blocks(plan.h).elements(), plan.y_sum = destination_blocks(plan.h).elements();
  plan.product = whole_lines(plan.h.g.outputs * plan.h.g.depth());
  plan.y_sums = whole_lines(4 * plan.x_sum);
  plan.products = plan.y_sums + whole_lines(4 * plan.y_sum);
  plan.rest_at = plan.products + 7 * plan.product;
  plan.scratch = plan.rest_at + (plan.has_rest ? whole_lines(g.groups * g.outputs * g.depth()) : 0);
  Gather half = plan.h.g;
  half.groups = 1;
  const int64_t leaf = std::max(grad_weight_workspace(p.isa, p.dtype, half),
                                plan.has_rest ? grad_weight_workspace(p.isa, p.dtype, plan.rest) : 0);
  plan.bytes = plan.scratch * size + leaf;
  return plan;
}

// The seven products of one group, in the workspace.
template <class T>
void multiply(const ConvProblem& p, const Plan& plan, int64_t group, const T* x, const T* grad_y, T* workspace) {
  const Halves& h = plan.h;
  const ImageBlocks x_blocks = source_blocks(h), y_blocks = destination_blocks(h);
  for (int i = 0; i < 7; ++i) {
    const Operand left = kLeft[i], right = kRight[i];
    Gather g = h.g;
    const T* y = grad_y + group * y_blocks.stride_group + y_blocks.block(left % 2, left / 2);
    if (left >= kSum1) {
      g = with_destination_sums(g);
      y = workspace + plan.y_sums + (left - kSum1) * plan.y_sum + group * g.outputs * g.dst_c;
    }
    const T* source = x + group * x_blocks.stride_group + x_blocks.block(right / 2, right % 2);
    if (right >= kSum1) {
      g = with_source_sums(g);
      source = workspace + (right - kSum1) * plan.x_sum + group * g.channels * g.src_c;
    }
    g.groups = 1;
    torchconv::run_grad_weight(p.isa, p.dtype, g, source, y, workspace + plan.products + i * plan.product,
                               workspace + plan.scratch);
  }
}

template <class T>
void run(const ConvProblem& p, const T* x, const T* grad_y, T* grad_w, T* workspace) {
  const Plan plan = plan_for(p);
  const ImageBlocks x_blocks = source_blocks(plan.h), y_blocks = destination_blocks(plan.h);
  const int threads = int(useful_threads(p.macs(), p.threads));
  const int64_t row = plan.even.taps() * plan.even.channels, outputs = plan.even.outputs;
  TORCHCONV_DISPATCH_ISA(p.isa, sum_x, x_blocks, x, workspace, threads);
  TORCHCONV_DISPATCH_ISA(p.isa, sum_grad_y, y_blocks, grad_y, workspace + plan.y_sums, threads);
  for (int64_t group = 0; group < p.G; ++group) {
    multiply(p, plan, group, x, grad_y, workspace);
    TORCHCONV_DISPATCH_ISA(p.isa, combine_grad_w, plan.h, workspace + plan.products, plan.product,
                           grad_w + group * outputs * row, threads);
  }
  if (!plan.has_rest) return;
  T* rest = workspace + plan.rest_at;
  torchconv::run_grad_weight(p.isa, p.dtype, plan.rest, x + plan.rest_x, grad_y + plan.rest_y, rest,
                             workspace + plan.scratch);
  TORCHCONV_DISPATCH_ISA(p.isa, add_rest, rest, grad_w, p.K * row, threads);
}

}  // namespace

void run_grad_weight(const ConvProblem& p, const ConvOperands& o) {
  dispatch_wide(p.dtype, [&](auto s) {
    using T = decltype(s);
    run(p, static_cast<const T*>(o.a), static_cast<const T*>(o.b), static_cast<T*>(o.out),
        static_cast<T*>(o.workspace));
  });
}

int64_t workspace_grad_weight(const ConvProblem& p) { return plan_for(p).bytes; }

}  // namespace torchconv::strassen
