// The ordered list of what torchconv can run. A row is one algorithm for one pass on one device.
// select() takes the cheapest row that supports the problem within the budgets: by a plan of tune(), else by
// prediction.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "common/problem.h"

namespace torchconv {

struct Row {
  const char* algo;
  Pass pass;
  Device device;
  // "" if the row can run the problem, else the reason why not, as a full sentence part.
  std::function<std::string(const ConvProblem&)> supports;
  std::function<double(const ConvProblem&)> cost;        // predicted seconds
  std::function<double(const ConvProblem&)> error;       // predicted 99th percentile of max|y - ref| / max|ref|
  std::function<int64_t(const ConvProblem&)> workspace;  // bytes
  std::function<void(const ConvProblem&, const ConvOperands&)> run;
  bool direct;         // sums the very products: NaN and Inf stay local, componentwise error bounds hold
  bool fuses = false;  // runs problems with an epilogue
  // Where the row can prepare weights once for many calls: their size, and the way to make them. They may depend on w's
  // sizes, groups, dtype, layout and ISA alone. No bytes: it prepares none for such a problem.
  std::function<int64_t(const ConvProblem&)> pack_bytes = nullptr;
  std::function<void(const ConvProblem&, const void* w, void* to)> pack = nullptr;
  // What a plan (compose.h) makes of the problem, and what its leaf runs; null for the other rows.
  std::function<std::string(const ConvProblem&)> describe = nullptr;

  // supports(), and whether it fuses what the problem asks for.
  std::string refuses(const ConvProblem&) const;
};

// What a call takes beside its kernel: measured from Python.
constexpr double kCallSeconds = 10e-6;
// Seconds in which every operand is moved once. Rows add what they move beyond that.
double seconds_to_move(const ConvProblem&);

// Predicted error of sums that are rounded to `unit` after each product: it grows as the root of their length.
// The factors fit what was measured for 1 to 5,000 products in float32 and float64, within a factor of 2.
double error_of_rounded_sums(const ConvProblem&, double unit);
// The same where blocks of `block` products are summed first, and then the blocks: two short chains, whose squared
// errors add up.
double error_of_blocked_sums(const ConvProblem&, double unit, double block);
// What rounding a sum in float to this dtype adds.
double error_of_result(DType);

void add_row(const Row& row);
const std::deque<Row>& rows();  // a deque: rows that are added later move none

// What an algo string asks for: one algorithm by name, or "auto" within an error budget.
struct AlgoRequest {
  std::string name;  // "auto" or the name of a row
  double budget;     // largest predicted error, for auto
  // Direct rows (those that sum the very products): whether only they will do, and whether they always do.
  bool direct_only, direct_fits;
};
AlgoRequest parse_algo(const std::string& algo, const ConvProblem&);  // throws ConvError

struct Candidate {
  const Row* row;
  std::string reason;  // why it was not taken; "" for the one that was
  bool supported;
  double cost, error;
  int64_t workspace;
  bool allowed;      // supported, asked for, and within the budgets of error and workspace
  double measured;   // seconds, if tune() timed it; else 0
  std::string plan;  // what describe() says of it
};
const Row& select(const ConvProblem&, const std::string& algo);  // throws ConvError with every reason
std::vector<Candidate> explain(const ConvProblem&, const std::string& algo);

}  // namespace torchconv
