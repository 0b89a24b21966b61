// Threads without torch: kernels include this header; parallel.cpp runs it on torch's own pool,
// parallel_std.cpp on std::thread for sanitizer builds.
#pragma once
#include <atomic>
#include <cstdint>

namespace torchconv {

int num_threads();

// Runs body(context, thread) once for each thread in [0, threads), in parallel.
void run_threads(int threads, void (*body)(void* context, int thread), void* context);

// Runs f(task, thread) for every task in [0, tasks). Tasks are taken from a shared counter, so a
// slow core takes fewer; which thread runs a task must not change its result.
template <class F>
void parallel_tasks(int64_t tasks, int threads, const F& f) {
  if (tasks <= 1 || threads <= 1) {
    for (int64_t t = 0; t < tasks; ++t) f(t, 0);
    return;
  }
  struct Context {
    const F& f;
    int64_t tasks;
    std::atomic<int64_t> next{0};
  } context{f, tasks};
  run_threads(
      int(tasks < threads ? tasks : threads),
      [](void* c, int thread) {
        auto& ctx = *static_cast<Context*>(c);
        for (int64_t t; (t = ctx.next.fetch_add(1, std::memory_order_relaxed)) < ctx.tasks;) ctx.f(t, thread);
      },
      &context);
}

}  // namespace torchconv
