#include "plans.h"

#include <array>
#include <atomic>
#include <limits>
#include <map>
#include <mutex>
#include <shared_mutex>

namespace torchconv {
namespace {

using Key = std::array<int64_t, 32>;
Key key_of(const ConvProblem& p) {
  return {int64_t(p.pass),
          int64_t(p.device),
          int64_t(p.dtype),
          int64_t(p.layout),
          int64_t(p.isa),
          p.threads,
          p.packed,
          p.N,
          p.C,
          p.D,
          p.H,
          p.W,
          p.K,
          p.T,
          p.R,
          p.S,
          p.O,
          p.P,
          p.Q,
          p.G,
          p.stride_d,
          p.stride_h,
          p.stride_w,
          p.pad_front,
          p.pad_back,
          p.pad_top,
          p.pad_bottom,
          p.pad_left,
          p.pad_right,
          p.dil_d,
          p.dil_h,
          p.dil_w};
}

std::shared_mutex lock;
std::map<Key, std::shared_ptr<const Plan>> plans;
std::map<std::pair<Key, std::string>, ConvProblem> watched;
// Read in every call, without the lock.
std::atomic<bool> any_plans, watching;
std::atomic<int64_t> limit = std::numeric_limits<int64_t>::max(), generation;

}  // namespace

void add_plan(const ConvProblem& p, Plan plan) {
  const std::lock_guard<std::shared_mutex> guard(lock);
  plans[key_of(p)] = std::make_shared<const Plan>(std::move(plan));
  any_plans = true;
  ++generation;
}

void clear_plans() {
  const std::lock_guard<std::shared_mutex> guard(lock);
  plans.clear();
  any_plans = false;
  ++generation;
}

std::shared_ptr<const Plan> plan_for(const ConvProblem& p) {
  if (!any_plans) return nullptr;
  const std::shared_lock<std::shared_mutex> guard(lock);
  const auto found = plans.find(key_of(p));
  return found == plans.end() ? nullptr : found->second;
}

void set_workspace_limit(int64_t bytes) {
  limit = bytes;
  ++generation;
}
int64_t workspace_limit() { return limit; }

int64_t plan_generation() { return generation; }

void watch_problems(bool on) {
  const std::lock_guard<std::shared_mutex> guard(lock);
  if (on) watched.clear();
  watching = on;
}

bool watching_problems() { return watching; }

void note_problem(const ConvProblem& p, const std::string& algo) {
  const std::lock_guard<std::shared_mutex> guard(lock);
  watched.insert({{key_of(p), algo}, p});
}

std::vector<std::pair<ConvProblem, std::string>> watched_problems() {
  const std::lock_guard<std::shared_mutex> guard(lock);
  std::vector<std::pair<ConvProblem, std::string>> out;
  for (const auto& [key, p] : watched) out.push_back({p, key.second});
  return out;
}

}  // namespace torchconv
