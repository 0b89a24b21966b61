#include "registry.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "common/error.h"
#include "compose.h"

namespace torchconv {

// In the order in which explain() lists them: each folder under csrc/ adds its own through one function.
void add_depthwise_rows();
void add_fft_rows();
void add_im2col_rows();
void add_strassen_rows();
void add_winograd_rows();
void add_reference_rows();

static std::deque<Row>& table() {
  static std::deque<Row> rows;
  return rows;
}

double error_of_rounded_sums(const ConvProblem& p, double unit) {
  return unit * (1 + 0.9 * std::sqrt(p.products_per_output()));
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

const Row& select(const ConvProblem& p, const std::string& algo) {
  const AlgoRequest request = parse_algo(algo, p);
  const Row* best = nullptr;
  double best_cost = std::numeric_limits<double>::infinity();
  for (const Row& row : rows()) {
    if (!wanted(row, p, request) || !within_budget(row, request, row.error(p)) || !row.refuses(p).empty()) continue;
    const double cost = row.cost(p);
    if (cost < best_cost) best = &row, best_cost = cost;
  }
  if (best) return *best;
  std::string reasons;
  for (const Candidate& c : explain(p, algo))
    if (request.name == "auto" || request.name == c.row->algo) reasons += join("\n  ", c.row->algo, ": ", c.reason);
  if (reasons.empty()) reasons = join(" ", algo, " has no row for this pass on this device");
  fail("algo: '", algo, "' cannot run ", to_string(p.pass), " of this problem (", to_string(p.dtype), " on ",
       to_string(p.device), "):", reasons);
}

std::vector<Candidate> explain(const ConvProblem& p, const std::string& algo) {
  const AlgoRequest request = parse_algo(algo, p);
  std::vector<Candidate> out;
  const Candidate* best = nullptr;
  for (const Row& row : rows()) {
    if (row.pass != p.pass || row.device != p.device) continue;
    Candidate c{&row, row.refuses(p), true, 0, 0, 0, ""};
    c.supported = c.reason.empty();
    if (c.supported) c.cost = row.cost(p), c.error = row.error(p), c.workspace = row.workspace(p);
    if (c.supported && row.describe) c.plan = row.describe(p);
    out.push_back(c);
  }
  for (Candidate& c : out) {
    if (!c.supported) continue;
    if (request.name != "auto" && request.name != c.row->algo) {
      c.reason = join("algo='", algo, "' asks for another");
    } else if (!within_budget(*c.row, request, c.error)) {
      c.reason = request.direct_only ? std::string("it does not sum the products directly")
                                     : join("predicted error ", c.error, " is above the budget ", request.budget);
    } else if (!best || c.cost < best->cost) {
      best = &c;
    }
  }
  for (Candidate& c : out)
    if (c.supported && c.reason.empty() && &c != best)
      c.reason = join("slower: predicted ", c.cost / best->cost, "x the time of ", best->row->algo);
  return out;
}

}  // namespace torchconv
