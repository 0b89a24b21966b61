// parallel.h on std::thread: stands in for parallel.cpp where torch is not linked, as in the sanitizer builds.
#include <algorithm>
#include <thread>
#include <vector>

#include "common/parallel.h"
#include "common/team.h"

namespace torchconv {

int num_threads() { return int(std::max(1u, std::thread::hardware_concurrency())); }

void run_threads(int threads, void (*body)(void*, int), void* context) {
  with_team(threads, [&] { team->run(threads, body, context); });
}

void with_team(int threads, void (*body)(void*), void* context) {
  if (team) return body(context);
  Team own(threads);
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(&Team::follow, &own);
  lead(own, body, context);
  for (std::thread& other : others) other.join();
}

}  // namespace torchconv
