// Runs chains of layers depth first, without torch, against the same rows layer by layer: for sanitizer builds.
// Operands are integers, and lie in buffers of exactly their size, so that a read or write beyond one is seen.
//
// chains [CASES]: the first so many cases alone, as slow tools want it
#include <cstdio>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "chain.h"
#include "common/isa.h"
#include "common/parallel.h"
#include "geometry.h"
#include "memory.h"

using namespace torchconv;

namespace {

struct Layer {
  int64_t K, kernel, stride, pad, dil, groups;
  bool residual;
};

struct Case {
  Sizes x;
  std::vector<Layer> layers;
};

const std::vector<Case> kCases = {
    {{2, 8, 60, 50}, {{96, 1, 1, 0, 1, 1, false}, {96, 3, 1, 1, 1, 96, false}, {8, 1, 1, 0, 1, 1, true}}},
    {{1, 8, 61, 53}, {{96, 3, 1, 1, 1, 1, false}, {96, 5, 2, 2, 1, 96, false}, {7, 3, 1, 1, 1, 1, false}}},
    {{1, 6, 70, 50}, {{80, 1, 1, 0, 1, 1, false}, {80, 2, 1, 0, 1, 20, false}, {80, 3, 1, 2, 2, 80, false}}},
    {{4, 5, 50, 40}, {{100, 1, 1, 0, 1, 1, false}, {90, 1, 1, 0, 1, 1, true}, {3, 1, 3, 0, 1, 1, true}}},
};

const Row& direct_row(const ConvProblem& p) {
  const Row* found = nullptr;
  for (const Row& row : rows())
    if (row.direct && row.pass == p.pass && row.device == p.device && row.refuses(p).empty())
      if (!found || row.cost(p) < found->cost(p)) found = &row;
  TORCHCONV_CHECK(found, "chain: expected a direct row for every layer, got none");
  return *found;
}

std::shared_ptr<Buffer> integers(DType dtype, int64_t count, std::mt19937& random) {
  auto buffer = std::make_shared<Buffer>(count * itemsize(dtype));
  fill_with_integers(dtype, *buffer, count, random);
  return buffer;
}

// Returns how many layers ran within segments.
int check(const Case& c, DType dtype, Isa isa, std::mt19937& random) {
  std::vector<Link> chain;
  std::vector<ConvOperands> operands;
  std::vector<std::shared_ptr<Buffer>> buffers;
  const auto keep = [&](int64_t count) {
    return buffers.push_back(integers(dtype, count, random)), buffers.back()->data();
  };
  Sizes x = c.x;
  const void* a = keep(std::accumulate(x.begin(), x.end(), int64_t(1), std::multiplies<int64_t>()));
  for (const Layer& l : c.layers) {
    const Geometry g{{l.stride, l.stride}, {l.pad, l.pad, l.pad, l.pad}, {l.dil, l.dil}, l.groups};
    const Sizes w = {l.K, x[1] / l.groups, l.kernel, l.kernel}, y = conv_output_size(x, w, g);
    ConvProblem p = make_problem(Pass::fwd, x, w, y, g);
    p.device = Device::cpu, p.dtype = dtype, p.layout = Layout::nhwc, p.isa = isa, p.threads = 3, p.has_bias = true;
    p.epilogue.residual = l.residual;
    set_dense_weights(p, p.layout);
    const int64_t outputs = p.N * p.y_stride_n();
    chain.push_back({p, &direct_row(p), true});
    const void* const b = keep(p.K * p.Cg() * p.R * p.S);
    const void* const bias = keep(p.K);
    const void* const residual = l.residual ? keep(outputs) : nullptr;
    operands.push_back({a, b, bias, keep(outputs), nullptr, residual});
    const Buffer workspace(chain.back().row->workspace(p));
    operands.back().workspace = workspace.data();
    chain.back().row->run(p, operands.back());
    a = operands.back().out, x = y;
  }
  const ConvProblem last = chain.back().p;
  const Buffer expected(last.N * last.y_stride_n() * itemsize(dtype));
  std::memcpy(expected.data(), operands.back().out, size_t(last.N * last.y_stride_n() * itemsize(dtype)));
  std::memset(operands.back().out, 0x7b, size_t(last.N * last.y_stride_n() * itemsize(dtype)));
  int depth_first = 0;
  with_team(3, [&] {
    for (const Segment& s : std::vector<Segment>(segments_of(chain))) {
      if (s.links() > 1) {
        depth_first += int(s.links());
        const Buffer workspace(last.threads * s.thread_bytes);
        run_segment(s, chain, operands, workspace.data());
      } else {
        const Buffer workspace(chain[s.first].row->workspace(chain[s.first].p));
        operands[s.first].workspace = workspace.data();
        chain[s.first].row->run(chain[s.first].p, operands[s.first]);
      }
    }
  });
  const double off =
      std::memcmp(expected.data(), operands.back().out, size_t(last.N * last.y_stride_n() * itemsize(dtype)));
  TORCHCONV_CHECK(off == 0, to_string(dtype), " ", to_string(isa),
                  ": expected the result of layer by layer, got another");
  return depth_first;
}

// Work that is handed out within a team is done once each, also if it fails.
void check_team() {
  for (int threads : {1, 2, 3, 7}) {
    int64_t sum = 0, failed = 0;
    with_team(threads, [&] {
      for (int round = 0; round < 2000; ++round) {
        std::vector<int64_t> found(50);
        parallel_tasks(50, threads, [&](int64_t i, int) { found[size_t(i)] += i; });
        sum += std::accumulate(found.begin(), found.end(), int64_t(0));
      }
      try {
        run_threads(threads, [](void*, int) { throw std::runtime_error("a task"); }, nullptr);
      } catch (const std::runtime_error&) {
        ++failed;
      }
    });
    TORCHCONV_CHECK(sum == 2000 * 1225 && failed == 1, "team: expected every task once and one failure, got ", sum,
                    " and ", failed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::mt19937 random(0);
  int layers = 0;
  const size_t few = argc > 1 ? size_t(std::atoi(argv[1])) : kCases.size();
  for (size_t i = 0; i < std::min(few, kCases.size()); ++i)
    for (DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16})
      for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512, Isa::avx512_bf16})
        if (isa <= detected_isa()) layers += check(kCases[i], dtype, isa, random);
  check_team();
  TORCHCONV_CHECK(layers > 0, "chain: expected segments, got none");
  std::printf("%d layers in segments agree with layer by layer\n", layers);
  return 0;
}
