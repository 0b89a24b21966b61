// What tune() measured: the algorithms that were timed on a problem, fastest first. They go before the predicted times.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/problem.h"

namespace torchconv {

struct Timed {
  std::string algo;  // as in an algo string
  double seconds;
};
using Plan = std::vector<Timed>;  // fastest first

// A plan is for the pass, the sizes and the window, dtype, layout, device, instruction set and threads, and for weights
// that are packed or not. Biases, epilogues and strides of weights hardly change which algorithm is the fastest.
void add_plan(const ConvProblem&, Plan);  // in the place of one that is there
void clear_plans();
std::shared_ptr<const Plan> plan_for(const ConvProblem&);  // null where there is none

// auto takes no row with more bytes of workspace.
void set_workspace_limit(int64_t bytes);
int64_t workspace_limit();

// Grows with whatever may change a choice: what was chosen under another number may be chosen anew.
int64_t plan_generation();

// While watching, each problem that auto chooses a row for is kept once, with what it asked for.
void watch_problems(bool on);  // forgets what was kept before
bool watching_problems();
void note_problem(const ConvProblem&, const std::string& algo);
std::vector<std::pair<ConvProblem, std::string>> watched_problems();

}  // namespace torchconv
