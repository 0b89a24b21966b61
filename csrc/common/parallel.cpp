// parallel.h on torch's thread pool, so that torch.set_num_threads holds.
#include "common/parallel.h"

#include <torch/csrc/stable/ops.h>

namespace torchconv {

int num_threads() { return int(torch::stable::get_num_threads()); }

void run_threads(int threads, void (*body)(void*, int), void* context) {
  torch::stable::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) body(context, int(t));
  });
}

}  // namespace torchconv
