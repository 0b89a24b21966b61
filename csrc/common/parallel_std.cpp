// parallel.h on std::thread: stands in for parallel.cpp where torch is not linked, as in the sanitizer builds.
#include <algorithm>
#include <thread>
#include <vector>

#include "common/parallel.h"

namespace torchconv {

int num_threads() { return int(std::max(1u, std::thread::hardware_concurrency())); }

void run_threads(int threads, void (*body)(void*, int), void* context) {
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(body, context, t);
  body(context, 0);
  for (std::thread& other : others) other.join();
}

}  // namespace torchconv
