// parallel.h on torch's thread pool, so that torch.set_num_threads holds.
#include "common/parallel.h"

#include <torch/csrc/stable/ops.h>

#include "common/team.h"

namespace torchconv {

int num_threads() { return int(torch::stable::get_num_threads()); }

void run_threads(int threads, void (*body)(void*, int), void* context) {
  with_team(threads, [&] { team->run(threads, body, context); });
}

void with_team(int threads, void (*body)(void*), void* context) {
  if (team) return body(context);
  Team own(threads);
  std::exception_ptr failed;  // around torch, which would add its words to an error that crosses it
  const auto lead_or_keep = [&] {
    try {
      lead(own, body, context);
    } catch (...) {
      failed = std::current_exception();
    }
  };
  // A pool that has one thread for all of them begins with 0.
  torch::stable::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) t == 0 ? lead_or_keep() : own.follow();
  });
  if (failed) std::rethrow_exception(failed);
}

}  // namespace torchconv
