#include "chain.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "common/axis.h"
#include "common/parallel.h"
#include "common/error.h"
#include "common/recent.h"
#include "log.h"
#include "plans.h"

namespace torchconv {
namespace {

// Of an L2 cache, what is between the links of a segment may take so much, and their weights so much: of 128 KiB to
// 768 KiB for the strips the best on a Zen 5 for MobileNetV2 (cache of 1 MiB), one row at a time or more.
constexpr int64_t kStrips = 512 << 10, kWeights = 512 << 10;
// A result from so many bytes for each thread on leaves the cache before the next layer has read it. 512 KiB: as fast
// at batch 8, 1.03x slower at batch 1.
constexpr int64_t kLeaves = 256 << 10;
constexpr int64_t kFewPixels = 16;  // of a row of an image

int64_t x_row_bytes(const ConvProblem& p) { return p.W * p.C * itemsize(p.dtype); }
int64_t y_row_bytes(const ConvProblem& p) { return p.Q * p.K * itemsize(p.dtype); }
int64_t weight_bytes(const ConvProblem& p) { return p.K * p.Cg() * p.R * p.S * itemsize(p.dtype); }

// What a link does in one strip: these rows of its result, from those of x.
struct Step {
  Range rows, x;
};

// Rows step.rows of p's result on one image, as a problem whose x is the rows step.x alone.
ConvProblem strip_of(const ConvProblem& p, const Step& step) {
  ConvProblem strip = p;
  strip.N = 1, strip.threads = 1, strip.H = step.x.size(), strip.P = step.rows.size();
  strip.pad_top = std::max<int64_t>(0, p.pad_top - step.rows.begin * p.stride_h);
  strip.pad_bottom = (strip.P - 1) * p.stride_h + (p.R - 1) * p.dil_h + 1 - strip.pad_top - strip.H;
  return strip;
}

// Goes down rows `of` the last result, strip by strip. f(i, step, held, from) for each link i in turn: held[i] are the
// rows of its result that are there from the strip before, of which those before `from` are done with.
template <class F>
void for_each_step(const Segment& s, const std::vector<Link>& chain, Range of, const F& f) {
  std::vector<Range> held(s.links(), Range{0, 0});
  std::vector<Step> steps(s.links());
  for (int64_t row = of.begin; row < of.end; row += s.rows) {
    Range wanted{row, std::min(row + s.rows, of.end)};
    for (size_t i = s.links(); i-- > 0;) {
      Range& rows = steps[i].rows = {std::max(wanted.begin, held[i].end), std::max(wanted.end, held[i].end)};
      const Axis h = height(chain[s.first + i].p, false);
      wanted = steps[i].x = rows.size() ? rows_between(h, rows.begin, rows.end) : Range{0, 0};
    }
    for (size_t i = 0; i < s.links(); ++i) {
      if (!steps[i].rows.size()) continue;
      const int64_t from = i + 1 < s.links() ? steps[i + 1].x.begin : row;
      f(i, steps[i], held, from);
      held[i] = {from, steps[i].rows.end};
    }
  }
}

Range rows_of(const Segment& s, const ConvProblem& last, int64_t range) {
  return {last.P * range / s.ranges, last.P * (range + 1) / s.ranges};
}

// As many as occupy all threads; more than one for an image makes some rows of what is between twice.
int64_t ranges_for(const ConvProblem& last) {
  if (last.N >= 4 * last.threads) return 1;
  int64_t ranges = 1;
  while (last.N * ranges % last.threads != 0 && last.N * ranges < 4 * last.threads) ++ranges;
  return std::min(ranges, last.P);
}

// The most rows of the last result at a time for which what is between takes kStrips; 0 if one takes more.
int64_t rows_that_fit(const Segment& s, const std::vector<Link>& chain) {
  const int64_t most = (chain[s.end - 1].p.P + s.ranges - 1) / s.ranges;
  const auto bytes = [&](int64_t rows) {
    int64_t sum = 0;
    for (size_t i = s.end - 1; i > s.first; --i) {
      const ConvProblem& p = chain[i].p;
      rows = std::min((rows - 1) * p.stride_h + (p.R - 1) * p.dil_h + 1, p.H);
      sum += rows * x_row_bytes(p);
    }
    return sum;
  };
  int64_t rows = 0;
  while (rows < most && bytes(rows + 1) <= kStrips) ++rows;
  if (!rows) return 0;
  const int64_t strips = (most + rows - 1) / rows;
  return (most + strips - 1) / strips;
}

int64_t whole_lines(int64_t bytes) { return (bytes + 63) / 64 * 64; }

// Finds out what the strips hold and need; false if a row refuses one.
bool lay_out(Segment& s, const std::vector<Link>& chain) {
  s.held.assign(s.links(), 0);
  s.leaf_bytes = 0;
  bool runs = true;
  for (int64_t range = 0; range < s.ranges && runs; ++range)
    for_each_step(s, chain, rows_of(s, chain[s.end - 1].p, range),
                  [&](size_t i, const Step& step, const std::vector<Range>&, int64_t from) {
                    const Link& link = chain[s.first + i];
                    const ConvProblem strip = strip_of(link.p, step);
                    runs = runs && step.x.size() && link.row->refuses(strip).empty();
                    if (runs) s.leaf_bytes = std::max(s.leaf_bytes, link.row->workspace(strip));
                    s.held[i] = std::max(s.held[i], step.rows.end - from);
                  });
  s.leaf_bytes = whole_lines(s.leaf_bytes), s.thread_bytes = s.leaf_bytes;
  for (size_t i = 0; i + 1 < s.links(); ++i)
    s.thread_bytes += whole_lines(s.held[i] * y_row_bytes(chain[s.first + i].p));
  return runs;
}

// Whether the result of a link goes to the next one strip by strip rather than as a tensor.
bool passes_strips(const Link& link, const Link& next) {
  const auto can = [](const Link& l) {
    // Of few pixels a row may read weights that are not packed in another order, and then other bits come out.
    const bool same_order = l.p.packed || l.p.Cg() == 1 || l.p.Q > kFewPixels;
    return l.row->direct && same_order && !l.p.has_depth() && l.p.device == Device::cpu && l.p.layout == Layout::nhwc;
  };
  const int64_t bytes = link.p.N * link.p.P * y_row_bytes(link.p);
  return link.to_next_alone && can(link) && can(next) && bytes > kLeaves * link.p.threads;
}

Segment segment_from(size_t first, const std::vector<Link>& chain) {
  Segment found{first, first + 1, 1, 0, {}, 0, 0};
  int64_t weights = weight_bytes(chain[first].p);
  for (size_t i = first; i + 1 < chain.size() && passes_strips(chain[i], chain[i + 1]); ++i) {
    weights += weight_bytes(chain[i + 1].p);
    Segment longer{first, i + 2, ranges_for(chain[i + 1].p), 0, {}, 0, 0};
    longer.rows = rows_that_fit(longer, chain);
    if (weights > kWeights || !longer.rows || !lay_out(longer, chain)) break;
    if (chain[i + 1].p.threads * longer.thread_bytes > workspace_limit()) break;
    found = longer;
  }
  return found;
}

std::string image(int64_t N, int64_t C, int64_t H, int64_t W) { return join("[", N, ", ", C, ", ", H, ", ", W, "]"); }

std::vector<Segment> cut(const std::vector<Link>& chain) {
  std::vector<Segment> segments;
  for (size_t i = 0; i < chain.size(); i = segments.back().end) segments.push_back(segment_from(i, chain));
  if (logging())
    for (const Segment& s : segments)
      if (s.links() > 1) log_once("depth first: " + describe(s, chain));
  return segments;
}

}  // namespace

std::string describe(const Segment& s, const std::vector<Link>& chain) {
  const ConvProblem &x = chain[s.first].p, &y = chain[s.end - 1].p;
  std::string rows;
  for (size_t i = s.first; i < s.end; ++i)
    rows += (i == s.first ? "" : i + 1 < s.end ? ", " : " and ") + std::string(chain[i].row->algo);
  return join(rows, ", x ", image(x.N, x.C, x.H, x.W), " to y ", image(y.N, y.K, y.P, y.Q), ", ", s.rows,
              " rows at a time");
}

const std::vector<Segment>& segments_of(const std::vector<Link>& chain) {
  const int64_t limit = workspace_limit();
  std::string key((const char*)&limit, sizeof limit);
  for (const Link& link : chain) {
    key.append((const char*)&link.p, sizeof link.p).append((const char*)&link.row, sizeof link.row);
    key.push_back(link.to_next_alone);
  }
  thread_local Recent<std::string, std::vector<Segment>> chains;
  return chains.get(key, chain[0].p, [&] { return cut(chain); });
}

void run_segment(const Segment& s, const std::vector<Link>& chain, const std::vector<ConvOperands>& operands,
                 void* workspace) {
  const ConvProblem &first = chain[s.first].p, &last = chain[s.end - 1].p;
  parallel_tasks(last.N * s.ranges, last.threads, [&](int64_t task, int thread) {
    const int64_t n = task / s.ranges;
    char* const own = (char*)workspace + thread * s.thread_bytes;
    std::vector<char*> between(s.links(), own + s.leaf_bytes);
    for (size_t i = 1; i < s.links(); ++i)
      between[i] = between[i - 1] + whole_lines(s.held[i - 1] * y_row_bytes(chain[s.first + i - 1].p));
    for_each_step(s, chain, rows_of(s, last, task % s.ranges),
                  [&](size_t i, const Step& step, const std::vector<Range>& held, int64_t from) {
                    const Link& link = chain[s.first + i];
                    const int64_t x_row = x_row_bytes(link.p), y_row = y_row_bytes(link.p);
                    ConvOperands o = operands[s.first + i];
                    o.workspace = own;
                    o.a = i == 0 ? (const char*)o.a + (n * first.H + step.x.begin) * x_row
                                 : between[i - 1] + (step.x.begin - held[i - 1].begin) * x_row;
                    if (o.residual) o.residual = (const char*)o.residual + (n * link.p.P + step.rows.begin) * y_row;
                    if (i + 1 < s.links()) {
                      if (held[i].end > from)
                        std::memmove(between[i], between[i] + (from - held[i].begin) * y_row,
                                     size_t((held[i].end - from) * y_row));
                      o.out = between[i] + (step.rows.begin - from) * y_row;
                    } else {
                      o.out = (char*)o.out + (n * last.P + step.rows.begin) * y_row;
                    }
                    link.row->run(strip_of(link.p, step), o);
                  });
  });
}

}  // namespace torchconv
