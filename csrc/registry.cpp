#include "registry.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "common/error.h"
#include "common/peak.h"
#include "common/recent.h"
#include "compose.h"
#include "plans.h"

namespace torchconv {

// In the order in which explain() lists them: each folder under csrc/ adds its own through one function.
void add_depthwise_rows();
void add_fft_rows();
void add_grouped_rows();
void add_im2col_rows();
void add_strassen_rows();
void add_winograd_rows();
void add_reference_rows();

static std::deque<Row>& table() {
  static std::deque<Row> rows;
  return rows;
}

// Measured on a Zen 4 with 32 MiB of L3: 14 GB/s for each thread where all is in the caches, 6 GB/s beyond. Results
// larger than 32 MiB are new memory of the system in every call (glibc keeps none of that size), which first fills it
// with zeros: 1.2 to 4 GB/s, as it finds pages of 4 KiB or of 2 MiB. Two threads are twice as fast; that more than 4
// still are is not assumed. A Zen 5 is 1.4 times as fast in its caches and twice beyond: with relative_moves(), here
// and in the rows, 92% of its picks on 199 random layers are predicted within a factor of 2, and 73% without.
double seconds_to_move(const ConvProblem& p) {
  constexpr double kNear = 8 << 20, kKept = 32 << 20;
  const double size = double(itemsize(p.dtype)), x = double(p.N) * double(p.x_stride_n()) * size,
               y = double(p.N) * double(p.y_stride_n()) * size, w = double(p.K) * p.Cg() * p.T * p.R * p.S * size;
  const double all = x + y + w, result = p.pass == Pass::fwd ? y : p.pass == Pass::grad_input ? x : w;
  const double seconds = std::min(all, kNear) / 14e9 + std::max(all - kNear, 0.0) / (6e9 * relative_moves()) +
                         (result > kKept ? result / 2.5e9 : 0);
  return seconds / relative_moves() / double(std::min<int64_t>(useful_threads(p.macs(), p.threads), 4));
}

double error_of_rounded_sums(const ConvProblem& p, double unit) {
  return unit * (1 + 0.9 * std::sqrt(p.products_per_output()));
}

double error_of_blocked_sums(const ConvProblem& p, double unit, double block) {
  const double products = p.products_per_output();
  const double shorter = products > block ? std::sqrt((block + products / block) / products) : 1;
  return shorter * error_of_rounded_sums(p, unit);
}

double error_of_result(DType dtype) { return dtype == DType::f16 ? 4.9e-4 : dtype == DType::bf16 ? 3.9e-3 : 0; }

std::string Row::refuses(const ConvProblem& p) const {
  return fuses || p.epilogue.trivial() ? supports(p) : "it fuses no activation and no residual";
}

void add_row(const Row& row) { table().push_back(row); }

const std::deque<Row>& rows() {
  static const bool filled = [] {
    add_depthwise_rows();
    add_fft_rows();
    add_grouped_rows();
    add_im2col_rows();
    add_strassen_rows();
    add_winograd_rows();
    add_reference_rows();
    add_composed_rows(table());
    return true;
  }();
  (void)filled;
  return table();
}

static bool known_algo(const std::string& name) {
  for (const Row& row : rows())
    if (name == row.algo) return true;
  return false;
}

static std::string algo_names() {
  std::set<std::string> names = {"auto"};
  for (const Row& row : rows()) names.insert(row.algo);
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

// What rounding alone costs a direct sum in this dtype: products and sums in float32 or better, then the result.
static double direct_error(const ConvProblem& p) {
  if (p.dtype == DType::f64) return error_of_rounded_sums(p, 1.1e-16);
  return error_of_rounded_sums(p, 6e-8) + error_of_result(p.dtype);
}

AlgoRequest parse_algo(const std::string& algo, const ConvProblem& p) {
  const bool f32 = p.dtype == DType::f32;
  if (algo == "auto" || algo == "auto:balanced") return {"auto", f32 ? 1e-5 : 2 * direct_error(p), false, true};
  if (algo == "auto:exact") return {"auto", f32 ? 1e-6 : direct_error(p), false, true};
  if (algo == "auto:direct") return {"auto", std::numeric_limits<double>::infinity(), true, true};
  if (algo.rfind("auto:", 0) == 0) {
    const char *text = algo.c_str() + 5, *end = algo.c_str() + algo.size();
    double budget = 0;
    TORCHCONV_CHECK(std::from_chars(text, end, budget).ptr == end && budget > 0,
                    "algo: expected auto:direct, auto:exact, auto:balanced or auto: and a positive number, got '", algo,
                    "'");
    return {"auto", budget, false, false};
  }
  TORCHCONV_CHECK(known_algo(algo), "algo: expected one of ", algo_names(), ", or auto:LEVEL, got '", algo, "'");
  return {algo, std::numeric_limits<double>::infinity(), false, true};
}

static bool wanted(const Row& row, const ConvProblem& p, const AlgoRequest& request) {
  return row.pass == p.pass && row.device == p.device && (request.name == "auto" || request.name == row.algo);
}

static bool within_budget(const Row& row, const AlgoRequest& request, double error) {
  if (row.direct && request.direct_fits) return true;
  return !request.direct_only && error <= request.budget;
}

static bool within_limit(const AlgoRequest& request, const Row& row, const ConvProblem& p) {
  const int64_t limit = workspace_limit();
  return request.name != "auto" || limit == std::numeric_limits<int64_t>::max() || row.workspace(p) <= limit;
}

static bool fits(const Row& row, const ConvProblem& p, const AlgoRequest& request) {
  return wanted(row, p, request) && within_budget(row, request, row.error(p)) && row.refuses(p).empty() &&
         within_limit(request, row, p);
}

// The first row of a plan that is still there and fits; null where the predicted times decide.
static const Row* planned(const Plan* plan, const ConvProblem& p, const AlgoRequest& request) {
  if (!plan || request.name != "auto") return nullptr;
  for (const Timed& timed : *plan)
    for (const Row& row : rows())
      if (timed.algo == row.algo && fits(row, p, request)) return &row;
  return nullptr;
}

// What auto goes by: to round twice as much as direct sums do has to save 2% of the time. Predictions are no closer
// than that, and winograd6 rounds 20 times as much.
static double price(const ConvProblem& p, double cost, double error) {
  return cost * (1 + 0.02 * std::max(0.0, std::log2(error / direct_error(p))));
}

[[noreturn]] static void fail_to_select(const ConvProblem& p, const std::string& algo, const AlgoRequest& request) {
  std::string reasons;
  for (const Candidate& c : explain(p, algo))
    if (request.name == "auto" || request.name == c.row->algo) reasons += join("\n  ", c.row->algo, ": ", c.reason);
  if (reasons.empty()) reasons = join(" ", algo, " has no row for this pass on this device");
  fail("algo: '", algo, "' cannot run ", to_string(p.pass), " of this problem (", to_string(p.dtype), " on ",
       to_string(p.device), "):", reasons);
}

static const Row* choose(const ConvProblem& p, const std::string& algo) {
  const AlgoRequest request = parse_algo(algo, p);
  if (const Row* row = planned(plan_for(p).get(), p, request)) return row;
  const Row* best = nullptr;
  double best_price = std::numeric_limits<double>::infinity();
  for (const Row& row : rows()) {
    if (!fits(row, p, request)) continue;
    const double at = price(p, row.cost(p), row.error(p));
    if (at < best_price) best = &row, best_price = at;
  }
  if (!best) fail_to_select(p, algo, request);
  return best;
}

const Row& select(const ConvProblem& p, const std::string& algo) {
  thread_local Recent<std::pair<int64_t, std::string>, const Row*> chosen;
  return *chosen.get({plan_generation(), algo}, p, [&] { return choose(p, algo); });
}

// Why a row that supports the problem may not be taken; "" if it may.
static std::string reason_against(const Candidate& c, const AlgoRequest& request, const std::string& algo) {
  if (request.name != "auto" && request.name != c.row->algo) return join("algo='", algo, "' asks for another");
  if (!within_budget(*c.row, request, c.error))
    return request.direct_only ? std::string("it does not sum the products directly")
                               : join("predicted error ", c.error, " is above the budget ", request.budget);
  if (request.name == "auto" && c.workspace > workspace_limit())
    return join("its workspace of ", c.workspace, " bytes is above the limit of ", workspace_limit());
  return "";
}

static std::string slower(const Candidate& c, const Candidate& best, bool tuned) {
  if (tuned && c.measured)
    return join("slower: measured ", c.measured / best.measured, "x the time of ", best.row->algo);
  if (tuned) return join("not timed by tune(), which found ", best.row->algo, " the fastest of those it timed");
  const std::string than = join(" the time of ", best.row->algo);
  if (c.cost < best.cost)
    return join("it rounds more, and saves too little: predicted ", c.cost / best.cost, "x", than);
  return join("slower: predicted ", c.cost / best.cost, "x", than);
}

std::vector<Candidate> explain(const ConvProblem& p, const std::string& algo) {
  const AlgoRequest request = parse_algo(algo, p);
  const std::shared_ptr<const Plan> plan = plan_for(p);
  const Row* tuned = planned(plan.get(), p, request);
  std::vector<Candidate> out;
  const Candidate* best = nullptr;
  double best_price = std::numeric_limits<double>::infinity();
  for (const Row& row : rows()) {
    if (row.pass != p.pass || row.device != p.device) continue;
    Candidate c{&row, row.refuses(p), true, 0, 0, 0, false, 0, ""};
    c.supported = c.reason.empty();
    if (c.supported) c.cost = row.cost(p), c.error = row.error(p), c.workspace = row.workspace(p);
    if (c.supported && row.describe) c.plan = row.describe(p);
    if (plan)
      for (const Timed& timed : *plan)
        if (timed.algo == row.algo) c.measured = timed.seconds;
    out.push_back(c);
  }
  for (Candidate& c : out) {
    if (!c.supported) continue;
    c.reason = reason_against(c, request, algo);
    c.allowed = c.reason.empty();
    const double at = price(p, c.cost, c.error);
    if (c.allowed && (tuned ? c.row == tuned : at < best_price)) best = &c, best_price = at;
  }
  for (Candidate& c : out)
    if (c.allowed && &c != best) c.reason = slower(c, *best, tuned != nullptr);
  return out;
}

}  // namespace torchconv
