// Threads that wait in a loop for work, and whom nobody waits for: see with_team() in parallel.h.
#pragma once
#include <sched.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>

namespace torchconv {

// One leads, and gives out a job at a time: body(context, i) for each i below a number. Whoever is awake claims the
// next i; the leader claims those that nobody else does, and waits for those that were claimed.
//
// After 20 ms of idleness Linux often wakes a thread on the core of the one that woke it, where it gets no time for
// several milliseconds: one in ten calls of a small convolution took 12 to 15 ms. So the leader steps aside once, and
// such a thread leaves the core: 1 ms.
class Team {
 public:
  explicit Team(int threads) : threads_(threads), leaders_core_(sched_getcpu()) {}
  int threads() const { return threads_; }

  // By the leader, who takes i = 0 itself.
  void run(int count, void (*body)(void*, int), void* context) {
    if (++jobs_ == 2) let_others_in();
    body_ = body, context_ = context;
    done_.store(0, std::memory_order_relaxed);
    job_.store(uint64_t(count) << 32 | 1, std::memory_order_release);
    call(0);
    while (work()) {
    }
    for (int turn = 0; done_.load(std::memory_order_acquire) < count;) wait(turn);
    if (failed_.exchange(false)) std::rethrow_exception(error_);
  }
  void dismiss() {
    dismissed_.store(true, std::memory_order_release);
    let_others_in();
  }

  // By all others, until they are dismissed.
  void follow() {
    if (dismissed_.load(std::memory_order_acquire)) return;  // the leader itself, where one thread does all
    if (sched_getcpu() == leaders_core_) leave_core();
    present_.fetch_add(1, std::memory_order_relaxed);
    for (int turn = 0; !dismissed_.load(std::memory_order_acquire);)
      if (work())
        turn = 0;
      else
        wait(turn);
  }

 private:
  // Claims one i and runs it; false if there is none.
  bool work() {
    uint64_t job = job_.load(std::memory_order_acquire);
    while (uint32_t(job) < job >> 32) {
      // Until this i is done no other job is given out, so that body and context are those of this one. Should this job
      // have been followed by one of the same count meanwhile, then the i is one of that.
      if (!job_.compare_exchange_weak(job, job + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      call(int(uint32_t(job)));
      return true;
    }
    return false;
  }

  void call(int i) {
    try {
      body_(context_, i);
    } catch (...) {
      if (!failed_.exchange(true)) error_ = std::current_exception();
    }
    done_.fetch_add(1, std::memory_order_release);
  }

  // Lets others have the core where there are more threads than cores.
  static void wait(int& turn) {
    if (++turn % 4096 == 0) return std::this_thread::yield();
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  void let_others_in() const {
    if (present_.load(std::memory_order_relaxed) < threads_ - 1) std::this_thread::yield();
  }

  void leave_core() const {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    cpu_set_t others = allowed;
    CPU_CLR(leaders_core_, &others);
    if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0)
      sched_setaffinity(0, sizeof allowed, &allowed);
  }

  const int threads_, leaders_core_;
  int jobs_ = 0;
  void (*body_)(void*, int) = nullptr;
  void* context_ = nullptr;
  std::exception_ptr error_;                  // of the first that failed
  alignas(64) std::atomic<uint64_t> job_{0};  // how many i there are, and how many were claimed
  alignas(64) std::atomic<int> done_{0};
  std::atomic<int> present_{0};
  std::atomic<bool> dismissed_{false}, failed_{false};
};

// That this thread leads now, or null.
inline thread_local Team* team = nullptr;

// Leads a team while body(context) runs.
inline void lead(Team& own, void (*body)(void*), void* context) {
  struct Leading {
    explicit Leading(Team& own) { team = &own; }
    ~Leading() { team->dismiss(), team = nullptr; }
  } leading(own);
  body(context);
}

}  // namespace torchconv
