#include "compose.h"

#include <algorithm>
#include <cstring>

#include "common/error.h"
#include "common/parallel.h"
#include "common/peak.h"
#include "common/rearrange.h"
#include "common/recent.h"

namespace torchconv {
namespace {

// One spatial axis of a problem, and how its images are cut: into `dilation` phases that stand beside each other, or
// into `stride` phases that do not.
struct Side {
  int64_t taps, pad, stride, dilation;  // stride or dilation is 1
  CutAxis x, y;
};

Side cut_side(int64_t in, int64_t out, int64_t taps, int64_t stride, int64_t pad, int64_t dilation, bool apart) {
  const int64_t d = taps > 1 ? dilation : 1, step = stride * d, shift = apart && stride > 1 ? 0 : pad % step;
  const int64_t length = (in + shift + step - 1) / step, outputs = (out + d - 1) / d;
  // A phase ends where neither the taps of its outputs nor the padding before the next one meets another's elements.
  const int64_t pitch = std::max({length + pad / d, outputs + taps - 1 - pad / d, outputs});
  return {taps,
          pad,
          stride,
          d,
          {in, step, shift, length, d > 1, pitch, d > 1 ? (d - 1) * pitch + length : length},
          {out, d, 0, outputs, true, pitch, (d - 1) * pitch + outputs}};
}

// The taps that meet phase `phase` of x: every stride-th from `first` on; and the padding of the phase.
struct Taps {
  int64_t first, count, pad;
};
Taps taps_of(const Side& s, int64_t phase, bool apart) {
  if (!apart) return {phase, (s.taps + s.stride - 1) / s.stride, s.pad / s.stride / s.dilation};
  const int64_t first = (phase + s.pad) % s.stride;
  return {first, (s.taps - first + s.stride - 1) / s.stride, (s.pad + phase - first) / s.stride / s.dilation};
}

// What one leaf runs, with the taps it has of w: all of the problem, or a phase that lies apart.
struct Part {
  const Row* row;
  ConvProblem problem;
  Taps h, w;
  int64_t weights;  // where its weights begin among those that were cut, or in w, in elements
};

struct Plan {
  std::string reason;  // why there is none
  Side h, w;
  bool apart;  // phases of x are images of their own, one for each part
  bool cuts_weights;
  std::vector<Part> parts;
  double seconds, error;  // predicted

  int64_t strides() const { return h.stride * w.stride; }
  bool strided() const { return strides() > 1; }                // then the taps are cut, too
  bool dilated() const { return h.dilation * w.dilation > 1; }  // then y is
};

std::string refuses_axis(const char* axis, int64_t stride, int64_t dilation, int64_t taps, int64_t outputs) {
  if (stride > 1 && dilation > 1 && taps > 1)
    return join("it cuts by a stride or by a dilation, and along ", axis, " there are both");
  if (stride > taps)
    return join("the stride along ", axis, " is ", stride, ", and phases beyond the ", taps, " taps are empty");
  if (taps > 1 && dilation > outputs)
    return join("the dilation along ", axis, " is ", dilation, ", and phases beyond the ", outputs,
                " outputs are empty");
  return "";
}

std::string refuses(const ConvProblem& p) {
  if (p.N == 0 || p.C == 0 || p.H == 0 || p.W == 0 || p.K == 0 || p.P == 0 || p.Q == 0) return "the sum is empty";
  if (p.has_depth()) return "it cuts planes, and 3-D images have depth";
  const bool dilated = (p.dil_h > 1 && p.R > 1) || (p.dil_w > 1 && p.S > 1);
  if (p.stride_h == 1 && p.stride_w == 1 && !dilated) return "there is no stride and no dilation to cut by";
  const std::string reason = refuses_axis("H", p.stride_h, p.dil_h, p.R, p.P);
  return reason.empty() ? refuses_axis("W", p.stride_w, p.dil_w, p.S, p.Q) : reason;
}

// The part of phase r of the rows and s of the columns; its row is still to be found.
Part part_of(const ConvProblem& p, const Plan& plan, int64_t r, int64_t s) {
  Part part{nullptr, p, taps_of(plan.h, r, plan.apart), taps_of(plan.w, s, plan.apart), 0};
  ConvProblem& of = part.problem;
  of.packed = p.packed && !plan.strided();  // taps that a stride cuts are prepared in every call
  if (!plan.apart) of.C = p.C * plan.strides();
  of.H = plan.h.x.whole, of.W = plan.w.x.whole, of.P = plan.h.y.whole, of.Q = plan.w.y.whole;
  of.R = part.h.count, of.S = part.w.count, of.pad_top = part.h.pad, of.pad_left = part.w.pad;
  of.pad_bottom = of.P + of.R - 1 - of.H - of.pad_top, of.pad_right = of.Q + of.S - 1 - of.W - of.pad_left;
  of.stride_h = of.stride_w = of.dil_h = of.dil_w = 1;
  return part;
}

// Taps that were cut are dense; they keep the order in which they come.
void set_taps(const ConvProblem& p, const Plan& plan, ConvProblem& of, int64_t R, int64_t S) {
  of.R = R, of.S = S;
  if (plan.strided()) set_dense_weights(of, p.w_stride[1] == 1 && p.Cg() > 1 ? Layout::nhwc : Layout::nchw);
}

// Finds taps that the leaf has kernels for: as they are or, where a stride left several along an axis, with another one
// of zeros (4, which are left of 7, are 5 to winograd4). Returns why it could not.
std::string fit_leaf(const Row& leaf, const ConvProblem& p, const Plan& plan, Part& part) {
  part.row = &leaf;
  std::string reason;
  for (const int64_t more : {0, 1, 2, 3}) {
    const int64_t more_h = more & 1, more_w = more >> 1;
    if ((more_h && (plan.h.stride == 1 || part.h.count == 1)) || (more_w && (plan.w.stride == 1 || part.w.count == 1)))
      continue;
    set_taps(p, plan, part.problem, part.h.count + more_h, part.w.count + more_w);
    const std::string answer = leaf.refuses(part.problem);
    if (answer.empty()) return "";
    if (!more) reason = answer;
  }
  set_taps(p, plan, part.problem, part.h.count, part.w.count);
  return join("of what is left, ", leaf.algo, " says: ", reason);
}

// The fastest row for a phase of few taps, of those that sum directly.
const Row* direct_row(const ConvProblem& p) {
  const Row* best = nullptr;
  for (const Row& row : rows())
    if (row.direct && row.pass == p.pass && row.device == p.device && row.refuses(p).empty())
      if (!best || row.cost(p) < best->cost(p)) best = &row;
  TORCHCONV_CHECK(best, "algo: no row sums ", to_string(p.pass), " of a phase directly");
  return best;
}

// In fwd the parts that lie apart add up: all but the first have the sums before them as their residual, and the last
// one does what is done to all sums.
void share_epilogue(const ConvProblem& p, bool first, bool last, ConvProblem& of) {
  of.has_bias = p.has_bias && last;
  if (!last) of.epilogue = {};
  of.epilogue.residual = !first || p.epilogue.residual;
}

CutImages cut_x(const ConvProblem& p, const Plan& plan) {
  return {p.layout, p.isa, itemsize(p.dtype), p.threads, p.N, p.G, p.Cg(), plan.h.x, plan.w.x, plan.apart};
}
CutImages cut_y(const ConvProblem& p, const Plan& plan) {
  return {p.layout, p.isa, itemsize(p.dtype), p.threads, p.N, 1, p.K, plan.h.y, plan.w.y, false};
}
int64_t cut_weights_elements(const Plan& plan) {
  const Part& last = plan.parts.back();
  return plan.cuts_weights ? last.weights + last.problem.K * last.problem.Cg() * last.problem.R * last.problem.S : 0;
}

// grad_x has a bias for each channel, and the phases are channels.
bool cuts_bias(const ConvProblem& p, const Plan& plan) {
  return p.pass == Pass::grad_input && p.has_bias && plan.strided() && !plan.apart;
}

// Where everything stands in the workspace, in bytes; what is not needed takes none.
struct Pieces {
  int64_t x, y, w, bias, residual, sums, leaf, size;
};

Pieces pieces_of(const ConvProblem& p, const Plan& plan) {
  const int64_t item = itemsize(p.dtype), of_y = plan.dilated() ? cut_y(p, plan).cut_elements() : 0;
  int64_t of_leaves = 0;
  for (const Part& part : plan.parts) of_leaves = std::max(of_leaves, part.row->workspace(part.problem));
  Pieces at{};
  const auto place = [&](int64_t& piece, int64_t bytes) { piece = at.size, at.size += (bytes + 63) / 64 * 64; };
  place(at.x, cut_x(p, plan).cut_elements() * item);
  place(at.y, of_y * item);
  place(at.w, cut_weights_elements(plan) * item);
  place(at.bias, cuts_bias(p, plan) ? plan.parts[0].problem.C * item : 0);
  place(at.residual, p.epilogue.residual ? of_y * item : 0);
  const ConvProblem& leaf = plan.parts[0].problem;
  place(at.sums, p.pass == Pass::fwd && plan.apart ? leaf.N * leaf.y_stride_n() * item : 0);
  place(at.leaf, of_leaves);
  return at;
}

// The channels of a tap of a filter: every `step`-th element from `at` on; null where a cut ends beyond the taps.
template <class S>
struct Filter {
  S* at;
  int64_t step;
};
template <class S>
void copy(Filter<S> from, Filter<S> to, int64_t channels) {
  if (from.step == 1 && to.step == 1) {
    std::memcpy(to.at, from.at, size_t(channels) * sizeof(S));
  } else {
    for (int64_t c = 0; c < channels; ++c) to.at[c * to.step] = from.at[c * from.step];
  }
}

// Every filter's taps after the cut, and what they are of p: f(cut, of_p).
template <class S, class F>
void for_each_tap(const ConvProblem& p, const Plan& plan, S* cut, S* of_p, const F& f) {
  const int64_t* in = p.w_stride;
  const int64_t elements = cut_weights_elements(plan), rows = plan.h.stride, columns = plan.w.stride;
  parallel_tasks(p.K, int(useful_threads(8 * double(elements), p.threads)), [&](int64_t k, int) {
    for (int64_t phase = 0; phase < rows * columns; ++phase) {
      const Part& part = plan.parts[plan.apart ? size_t(phase) : 0];
      const int64_t* out = part.problem.w_stride;
      const int64_t first_r = plan.apart ? part.h.first : phase / columns;
      const int64_t first_s = plan.apart ? part.w.first : phase % columns;
      S* const of_part = cut + part.weights + k * out[0] + (plan.apart ? 0 : phase * p.Cg() * out[1]);
      for (int64_t i = 0; i < part.problem.R; ++i)
        for (int64_t j = 0; j < part.problem.S; ++j) {
          const int64_t r = first_r + i * rows, s = first_s + j * columns;
          S* const tap = r < p.R && s < p.S ? of_p + k * in[0] + r * in[3] + s * in[4] : nullptr;
          f(Filter<S>{of_part + i * out[3] + j * out[4], out[1]}, Filter<S>{tap, in[1]});
        }
    }
  });
}

void cut_weights(const ConvProblem& p, const Plan& plan, const void* w, void* cut) {
  dispatch_item(itemsize(p.dtype), [&](auto s) {
    using S = decltype(s);
    for_each_tap(p, plan, (S*)cut, (S*)w, [&](Filter<S> to, Filter<S> from) {
      if (from.at) return copy(from, to, p.Cg());
      for (int64_t c = 0; c < p.Cg(); ++c) to.at[c * to.step] = S(0);
    });
  });
}

void join_weights(const ConvProblem& p, const Plan& plan, void* cut, void* w) {
  dispatch_item(itemsize(p.dtype), [&](auto s) {
    using S = decltype(s);
    for_each_tap(p, plan, (S*)cut, (S*)w, [&](Filter<S> from, Filter<S> to) {
      if (to.at) copy(from, to, p.Cg());
    });
  });
}

void cut_bias(const ConvProblem& p, const Plan& plan, const void* bias, char* cut) {
  const int64_t bytes = p.Cg() * itemsize(p.dtype);
  for (int64_t i = 0; i < p.G * plan.strides(); ++i)
    std::memcpy(cut + i * bytes, (const char*)bias + i / plan.strides() * bytes, size_t(bytes));
}

// o: the operands after the cut. In fwd the sums so far are in `sums` and where the result goes in turn, in the end
// there.
void run_parts(const Plan& plan, const ConvOperands& o, void* sums, int64_t item) {
  int64_t image = 0;  // where the phase begins in x
  size_t left = plan.parts.size();
  const void* so_far = o.residual;
  for (const Part& part : plan.parts) {
    const ConvProblem& p = part.problem;
    const int64_t x = image * item, w = part.weights * item;  // both 0 if there is one part
    ConvOperands of_part = o;
    of_part.a = (const char*)o.a + (p.pass == Pass::grad_input ? 0 : x);
    of_part.b = (const char*)o.b + (p.pass == Pass::grad_weight ? 0 : w);
    of_part.out = (char*)o.out + (p.pass == Pass::grad_input ? x : p.pass == Pass::grad_weight ? w : 0);
    if (!p.has_bias) of_part.bias = nullptr;
    if (p.pass == Pass::fwd) {
      if (--left % 2) of_part.out = sums;
      of_part.residual = so_far, so_far = of_part.out;
    }
    part.row->run(p, of_part);
    image += p.N * p.x_stride_n();
  }
}

void run(const ConvProblem& p, const Plan& plan, const ConvOperands& o) {
  const Pieces at = pieces_of(p, plan);
  char* const workspace = (char*)o.workspace;
  char *const of_x = workspace + at.x, *const of_y = workspace + at.y, *const of_w = workspace + at.w;
  const CutImages x = cut_x(p, plan), y = cut_y(p, plan);
  const bool fwd = p.pass == Pass::fwd, grad_input = p.pass == Pass::grad_input, dilated = plan.dilated();
  ConvOperands of_leaf = o;
  of_leaf.workspace = workspace + at.leaf;
  if (!grad_input) cut_images(x, o.a, of_x), of_leaf.a = of_x;
  if (plan.cuts_weights && p.pass != Pass::grad_weight) cut_weights(p, plan, o.b, of_w), of_leaf.b = of_w;
  if (cuts_bias(p, plan)) cut_bias(p, plan, o.bias, workspace + at.bias), of_leaf.bias = workspace + at.bias;
  if (dilated && fwd && o.residual) {
    cut_images(y, o.residual, workspace + at.residual);
    of_leaf.residual = workspace + at.residual;
  }
  if (dilated && !fwd) cut_images(y, grad_input ? o.a : o.b, of_y), (grad_input ? of_leaf.a : of_leaf.b) = of_y;
  if (dilated && fwd) of_leaf.out = of_y;
  if (grad_input) of_leaf.out = of_x;
  if (plan.cuts_weights && p.pass == Pass::grad_weight) of_leaf.out = of_w;
  run_parts(plan, of_leaf, workspace + at.sums, itemsize(p.dtype));
  if (dilated && fwd) join_images(y, of_y, o.out);
  if (grad_input) join_images(x, of_x, o.out);
  if (plan.cuts_weights && p.pass == Pass::grad_weight) join_weights(p, plan, of_w, o.out);
}

// Measured on a Zen 4: 15 to 60 GB/s are read and written, by the layout and by how much of it is in the caches, and
// 6 where steps are large or pixels small: in channels_last each of a group's is a copy of its own, 2.5 ns
// of a thread. Leaves that go on with
// each other's sums take longer than alone: of 3x3 with stride 2 all passes of seven layers took 1.0 to 1.25 times as
// long as without it (Zen 5), next to im2col's. The parts of a gradient are apart in what they write.
double cost(const ConvProblem& p, const Plan& plan) {
  double leaves = 0;
  for (const Part& part : plan.parts) leaves += part.row->cost(part.problem);
  if (plan.apart && p.pass == Pass::fwd) leaves *= 1.15;
  double moved = double(cut_weights_elements(plan)), copies = 0;
  const auto add = [&](const CutImages& c, double times) {
    moved += times * double(c.cut_elements());
    if (c.layout == Layout::nhwc) copies += times * double(c.cut_elements() / c.channels);
  };
  add(cut_x(p, plan), 1);
  if (plan.dilated()) add(cut_y(p, plan), p.epilogue.residual ? 2 : 1);
  const double seconds = 2 * moved * double(itemsize(p.dtype)) / 24e9 + copies * 2.5e-9 / double(p.threads);
  return 10e-6 + leaves + seconds / relative_moves();
}

double error(const Plan& plan) {
  double most = 0;
  for (const Part& part : plan.parts) most = std::max(most, part.row->error(part.problem));
  return most;
}

// "2x2 phases as channels; winograd4 on x [8, 256, 17, 17] and w [128, 256, 2, 2]"
std::string describe(const Plan& plan) {
  const auto phases = [](int64_t h, int64_t w, const char* as) {
    return h * w > 1 ? join(h, "x", w, " phases ", as) : "";
  };
  const std::string beside = phases(plan.h.dilation, plan.w.dilation, "side by side");
  const std::string others = phases(plan.h.stride, plan.w.stride, plan.apart ? "apart" : "as channels");
  std::string text = beside + (!beside.empty() && !others.empty() ? ", " : "") + others;
  for (size_t i = 0, next; i < plan.parts.size(); i = next) {
    const auto leaf = [&](size_t part) {
      const ConvProblem& of = plan.parts[part].problem;
      return join(plan.parts[part].row->algo, " on x [", of.N, ", ", of.C, ", ", of.H, ", ", of.W, "] and w [", of.K,
                  ", ", of.Cg(), ", ", of.R, ", ", of.S, "]");
    };
    for (next = i + 1; next < plan.parts.size() && leaf(next) == leaf(i);) ++next;
    text += "; " + (next > i + 1 ? join(next - i, " times ") : "") + leaf(i);
  }
  return text;
}

// In channels_last the parts of an image read their taps where they stand in w, each a run of channels.
bool takes_taps_in_place(const ConvProblem& p, const Plan& plan) {
  bool in_place = plan.apart && p.pass != Pass::grad_weight && p.w_stride[1] == 1 && p.Cg() > 1;
  for (const Part& part : plan.parts)
    in_place = in_place && part.problem.R == part.h.count && part.problem.S == part.w.count;
  return in_place;
}
// Every row takes weights of any strides in these passes, so leaves that were asked with dense ones run with these.
void take_taps_in_place(const ConvProblem& p, Plan& plan) {
  for (Part& part : plan.parts) {
    int64_t* stride = part.problem.w_stride;
    std::copy_n(p.w_stride, 5, stride);
    stride[3] *= plan.h.stride, stride[4] *= plan.w.stride;
    part.weights = part.h.first * p.w_stride[3] + part.w.first * p.w_stride[4];
  }
}

Plan make_plan(const Row& leaf, const ConvProblem& p, bool apart) {
  Plan plan{"", {}, {}, apart, false, {}, 0, 0};
  plan.h = cut_side(p.H, p.P, p.R, p.stride_h, p.pad_top, p.dil_h, apart);
  plan.w = cut_side(p.W, p.Q, p.S, p.stride_w, p.pad_left, p.dil_w, apart);
  const int64_t count = apart ? plan.strides() : 1;
  bool leaf_runs = false;
  int64_t weights = 0;
  for (int64_t phase = 0; phase < count; ++phase) {
    Part part = part_of(p, plan, phase / plan.w.stride, phase % plan.w.stride);
    if (apart && p.pass == Pass::fwd) share_epilogue(p, phase == 0, phase == count - 1, part.problem);
    const std::string reason = fit_leaf(leaf, p, plan, part);
    if (reason.empty()) leaf_runs = true;
    if (!reason.empty() && plan.reason.empty()) plan.reason = reason;
    if (!reason.empty() && apart) part.row = direct_row(part.problem);
    part.weights = weights;
    weights += part.problem.K * part.problem.Cg() * part.problem.R * part.problem.S;
    plan.parts.push_back(part);
  }
  if (leaf_runs) plan.reason.clear();
  plan.cuts_weights = plan.strided() && !takes_taps_in_place(p, plan);
  if (plan.strided() && !plan.cuts_weights) take_taps_in_place(p, plan);
  plan.seconds = cost(p, plan), plan.error = error(plan);
  return plan;
}

// Half precision would round the sums of every part.
Plan choose_plan(const Row& leaf, const ConvProblem& p) {
  Plan plan = make_plan(leaf, p, false);
  if (p.stride_h * p.stride_w == 1 || (p.pass == Pass::fwd && itemsize(p.dtype) == 2)) return plan;
  Plan apart = make_plan(leaf, p, true);
  const bool better = apart.reason.empty() && (!plan.reason.empty() || apart.seconds < plan.seconds);
  return better ? apart : plan;
}

// Of a problem that refuses() lets pass. Asked several times for each call; to make one takes some 10 us.
const Plan& plan_of(const Row& leaf, const ConvProblem& p) {
  thread_local Recent<const Row*, Plan> plans;
  return plans.get(&leaf, p, [&] { return choose_plan(leaf, p); });
}

// Whether the row does dense layers, but none with a stride.
bool takes_unit_steps_alone(const Row& row) {
  ConvProblem p{};
  p.pass = row.pass, p.isa = Isa::baseline, p.threads = 1;
  p.N = 8, p.C = p.K = 64, p.H = p.W = p.P = p.Q = 32, p.R = p.S = 3, p.D = p.T = p.O = p.G = 1;
  p.stride_d = p.stride_h = p.stride_w = p.dil_d = p.dil_h = p.dil_w = 1;
  p.pad_top = p.pad_bottom = p.pad_left = p.pad_right = 1;
  set_dense_weights(p, p.layout);
  if (!row.supports(p).empty()) return false;
  p.stride_h = p.stride_w = 2, p.P = p.Q = 16;
  return !row.supports(p).empty();
}

// Whether the leaf takes w as it is, and so w as it has prepared it. Weights that are cut by a stride depend on more
// than a pack knows.
bool keeps_weights(const Plan& plan) { return plan.reason.empty() && !plan.strided(); }

Row composed_row(const char* name, const Row& leaf) {
  const Row* of = &leaf;
  Row row{};
  row.algo = name, row.pass = leaf.pass, row.device = leaf.device, row.direct = false, row.fuses = leaf.fuses;
  row.supports = [of](const ConvProblem& p) {
    const std::string reason = refuses(p);
    return reason.empty() ? plan_of(*of, p).reason : reason;
  };
  row.cost = [of](const ConvProblem& p) { return plan_of(*of, p).seconds; };
  row.error = [of](const ConvProblem& p) { return refuses(p).empty() ? plan_of(*of, p).error : 0; };
  row.workspace = [of](const ConvProblem& p) { return pieces_of(p, plan_of(*of, p)).size; };
  row.run = [of](const ConvProblem& p, const ConvOperands& o) { run(p, Plan(plan_of(*of, p)), o); };
  if (leaf.pack) {
    row.pack_bytes = [of](const ConvProblem& p) {
      return refuses(p).empty() && keeps_weights(plan_of(*of, p)) ? of->pack_bytes(plan_of(*of, p).parts[0].problem)
                                                                  : 0;
    };
    row.pack = [of](const ConvProblem& p, const void* w, void* to) {
      of->pack(plan_of(*of, p).parts[0].problem, w, to);
    };
  }
  row.describe = [of](const ConvProblem& p) { return describe(plan_of(*of, p)); };
  return row;
}

}  // namespace

void add_composed_rows(const std::deque<Row>& leaves) {
  static std::deque<std::string> names;
  std::vector<const Row*> found;
  for (const Row& row : leaves)
    if (row.device == Device::cpu && takes_unit_steps_alone(row)) found.push_back(&row);
  for (const Row* leaf : found) {
    names.push_back(join("phases(", leaf->algo, ")"));
    add_row(composed_row(names.back().c_str(), *leaf));
  }
}

}  // namespace torchconv
