#include "log.h"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>

#include "common/error.h"

namespace torchconv {

bool logging() {
  static const bool on = [] {
    const char* value = std::getenv("TORCHCONV_LOG");
    return value && std::string(value) == "1";
  }();
  return on;
}

// "fwd of x 8x64x56x56, w 64x64x3x3, stride 1x1, ...": all that a pick depends on. Depth where there is one.
static std::string describe(const ConvProblem& p, const std::string& algo) {
  const bool depth = p.has_depth();
  const auto three = [&](int64_t d, int64_t h, int64_t w) { return depth ? join(d, "x", h, "x", w) : join(h, "x", w); };
  const std::string sides = depth ? join(p.pad_front, ",", p.pad_back, ",") : "";
  return join(to_string(p.pass), " of x ", p.N, "x", p.C, "x", three(p.D, p.H, p.W), ", w ", p.K, "x", p.Cg(), "x",
              three(p.T, p.R, p.S), ", stride ", three(p.stride_d, p.stride_h, p.stride_w), ", padding ", sides,
              p.pad_top, ",", p.pad_bottom, ",", p.pad_left, ",", p.pad_right, ", dilation ",
              three(p.dil_d, p.dil_h, p.dil_w), ", groups ", p.G, ", ", to_string(p.dtype), " ", to_string(p.layout),
              " on ", to_string(p.device), " (", to_string(p.isa), ", ", p.threads, " threads), algo ", algo);
}

static bool is_new(const std::string& text) {
  static std::mutex lock;
  static std::set<std::string> seen;
  const std::lock_guard<std::mutex> guard(lock);
  return seen.insert(text).second;
}

void log_once(const std::string& line) {
  if (is_new(line)) std::fprintf(stderr, "torchconv: %s\n", line.c_str());
}

void log_pick(const ConvProblem& p, const std::string& algo) {
  const std::string problem = describe(p, algo);
  if (!is_new(problem)) return;
  std::string picked, others;
  for (const Candidate& c : explain(p, algo))
    if (c.reason.empty())
      picked = join(c.row->algo, c.measured ? join(", measured ", c.measured * 1e6, " us by tune()") : "",
                    ", predicted ", c.cost * 1e6, " us and an error of ", c.error);
    else
      others += join("; ", c.row->algo, ": ", c.reason);
  std::fprintf(stderr, "torchconv: %s: %s%s\n", problem.c_str(), picked.c_str(), others.c_str());
}

}  // namespace torchconv
