#include "compose.h"

#include <algorithm>
#include <cstring>

#include "common/error.h"
#include "common/parallel.h"
#include "common/rearrange.h"

namespace torchconv {
namespace {

// How one spatial axis is cut: into `dilation` phases that stand beside each other, or `stride` phases that are
// channels.
struct Side {
  int64_t stride, dilation;  // one of them is 1
  CutAxis x, y;
  int64_t taps, pad;  // of the leaf
  bool cuts() const { return stride * dilation > 1; }
};

Side cut_side(int64_t in, int64_t out, int64_t taps, int64_t stride, int64_t pad, int64_t dilation, int64_t more_taps) {
  Side side{stride, taps > 1 ? dilation : 1, {}, {}, taps, pad};
  const int64_t step = side.stride * side.dilation, d = side.dilation, length = (in + pad % step + step - 1) / step;
  side.pad = pad / step;
  if (stride > 1) side.taps = (taps + stride - 1) / stride + more_taps;
  const int64_t outputs = (out + d - 1) / d;
  // A phase ends where neither its outputs' taps nor the padding before the next one meets another's elements.
  const int64_t pitch = std::max({length + side.pad, outputs + taps - 1 - side.pad, outputs});
  side.x = {in, step, pad % step, length, d > 1, pitch, d > 1 ? (d - 1) * pitch + length : length};
  side.y = {out, d, 0, outputs, true, pitch, (d - 1) * pitch + outputs};
  return side;
}

struct Plan {
  Side h, w;
  ConvProblem leaf;

  bool strided() const { return h.stride * w.stride > 1; }      // then the taps are cut, too
  bool dilated() const { return h.dilation * w.dilation > 1; }  // then y is
};

Plan plan_of(const ConvProblem& p, int64_t more_taps) {
  Plan plan{cut_side(p.H, p.P, p.R, p.stride_h, p.pad_top, p.dil_h, more_taps),
            cut_side(p.W, p.Q, p.S, p.stride_w, p.pad_left, p.dil_w, more_taps), p};
  ConvProblem& leaf = plan.leaf;
  leaf.C = p.C * plan.h.stride * plan.w.stride;
  leaf.H = plan.h.x.whole, leaf.W = plan.w.x.whole, leaf.P = plan.h.y.whole, leaf.Q = plan.w.y.whole;
  leaf.R = plan.h.taps, leaf.S = plan.w.taps;
  leaf.pad_top = plan.h.pad, leaf.pad_left = plan.w.pad;
  leaf.pad_bottom = leaf.P + leaf.R - 1 - leaf.H - leaf.pad_top;
  leaf.pad_right = leaf.Q + leaf.S - 1 - leaf.W - leaf.pad_left;
  leaf.stride_h = leaf.stride_w = leaf.dil_h = leaf.dil_w = 1;
  // Weights keep the order in which they come.
  if (plan.strided()) set_dense_weights(leaf, p.w_stride[1] == 1 && p.Cg() > 1 ? Layout::nhwc : Layout::nchw);
  return plan;
}

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

std::string refuses_all(const ConvProblem& p) {
  if (p.N == 0 || p.C == 0 || p.H == 0 || p.W == 0 || p.K == 0 || p.P == 0 || p.Q == 0) return "the sum is empty";
  if (p.has_depth()) return "it cuts planes, and 3-D images have depth";
  const bool dilated = (p.dil_h > 1 && p.R > 1) || (p.dil_w > 1 && p.S > 1);
  if (p.stride_h == 1 && p.stride_w == 1 && !dilated) return "there is no stride and no dilation to cut by";
  const std::string reason = refuses_axis("H", p.stride_h, p.dil_h, p.R, p.P);
  return reason.empty() ? refuses_axis("W", p.stride_w, p.dil_w, p.S, p.Q) : reason;
}

// A plan that a leaf can run: with another tap of zeros along the axes of the stride where the leaf has no kernels of
// the size that is left (4 taps: those of 7x7 with stride 2).
Plan plan_for(const Row& leaf, const ConvProblem& p) {
  const Plan plan = plan_of(p, 0);
  if (!plan.strided() || leaf.refuses(plan.leaf).empty()) return plan;
  const Plan larger = plan_of(p, 1);
  return leaf.refuses(larger.leaf).empty() ? larger : plan;
}

CutImages cut_x(const ConvProblem& p, const Plan& plan) {
  return {p.layout, p.isa, itemsize(p.dtype), p.threads, p.N, p.G, p.Cg(), plan.h.x, plan.w.x};
}
CutImages cut_y(const ConvProblem& p, const Plan& plan) {
  return {p.layout, p.isa, itemsize(p.dtype), p.threads, p.N, 1, p.K, plan.h.y, plan.w.y};
}

// Where everything stands in the workspace, in bytes; what is not needed takes none.
struct Pieces {
  int64_t x, y, w, bias, residual, leaf, size;
};

Pieces pieces_of(const Row& leaf, const ConvProblem& p, const Plan& plan) {
  const int64_t item = itemsize(p.dtype), of_y = plan.dilated() ? cut_y(p, plan).cut_elements() : 0;
  const bool fwd = p.pass == Pass::fwd, grad_input = p.pass == Pass::grad_input;
  Pieces at{};
  const auto place = [&](int64_t& piece, int64_t bytes) { piece = at.size, at.size += (bytes + 63) / 64 * 64; };
  place(at.x, cut_x(p, plan).cut_elements() * item);
  place(at.y, of_y * item);
  place(at.w, plan.strided() ? plan.leaf.K * plan.leaf.Cg() * plan.leaf.R * plan.leaf.S * item : 0);
  place(at.bias, grad_input && plan.strided() ? plan.leaf.C * item : 0);
  place(at.residual, fwd && p.epilogue.residual ? of_y * item : 0);
  place(at.leaf, leaf.workspace(plan.leaf));
  return at;
}

// Every weight of the leaf, and the weight of p that it is or, beyond the kernel, null: f(leaf's, p's).
template <class S, class F>
void for_each_weight(const ConvProblem& p, const Plan& plan, const S* of_leaf, const S* of_p, const F& f) {
  const ConvProblem& leaf = plan.leaf;
  const int64_t *in = p.w_stride, *out = leaf.w_stride, rows = plan.h.stride, columns = plan.w.stride;
  parallel_tasks(
      p.K, int(useful_threads(double(p.K * leaf.Cg() * leaf.R * leaf.S) * 8, p.threads)), [&](int64_t k, int) {
        for (int64_t phase = 0; phase < rows * columns; ++phase)
          for (int64_t tap = 0; tap < leaf.R * leaf.S; ++tap) {
            const int64_t r = tap / leaf.S * rows + phase / columns, s = tap % leaf.S * columns + phase % columns;
            const S* to =
                of_leaf + k * out[0] + phase * p.Cg() * out[1] + tap / leaf.S * out[3] + tap % leaf.S * out[4];
            const S* from = r < p.R && s < p.S ? of_p + k * in[0] + r * in[3] + s * in[4] : nullptr;
            for (int64_t c = 0; c < p.Cg(); ++c) f(to + c * out[1], from ? from + c * in[1] : nullptr);
          }
      });
}

template <class F>
void dispatch_item(int64_t item, const F& f) {
  item == 8 ? f(uint64_t()) : item == 4 ? f(uint32_t()) : f(uint16_t());
}

void cut_weights(const ConvProblem& p, const Plan& plan, const void* w, void* cut) {
  dispatch_item(itemsize(p.dtype), [&](auto s) {
    using S = decltype(s);
    for_each_weight(p, plan, (const S*)cut, (const S*)w,
                    [](const S* to, const S* from) { *const_cast<S*>(to) = from ? *from : S(0); });
  });
}

void join_weights(const ConvProblem& p, const Plan& plan, const void* cut, void* w) {
  dispatch_item(itemsize(p.dtype), [&](auto s) {
    using S = decltype(s);
    for_each_weight(p, plan, (const S*)cut, (const S*)w, [](const S* from, const S* to) {
      if (to) *const_cast<S*>(to) = *from;
    });
  });
}

// The bias of grad_x for each of the channels that a phase became.
void cut_bias(const ConvProblem& p, const Plan& plan, const void* bias, void* cut) {
  const int64_t bytes = p.Cg() * itemsize(p.dtype), phases = plan.h.stride * plan.w.stride;
  for (int64_t i = 0; i < p.G * phases; ++i)
    std::memcpy((char*)cut + i * bytes, (const char*)bias + i / phases * bytes, size_t(bytes));
}

void run(const Row& leaf, const ConvProblem& p, const ConvOperands& o) {
  const Plan plan = plan_for(leaf, p);
  const Pieces at = pieces_of(leaf, p, plan);
  char* const workspace = (char*)o.workspace;
  const CutImages x = cut_x(p, plan), y = cut_y(p, plan);
  void *const cut_x = workspace + at.x, *const cut_y = workspace + at.y, *const cut_w = workspace + at.w;
  const bool dilated = plan.dilated(), strided = plan.strided();
  ConvOperands of_leaf = o;
  of_leaf.workspace = workspace + at.leaf;
  if (p.pass != Pass::grad_input) cut_images(x, o.a, cut_x), of_leaf.a = cut_x;
  if (p.pass == Pass::fwd) {
    if (strided) cut_weights(p, plan, o.b, cut_w), of_leaf.b = cut_w;
    if (dilated && o.residual)
      cut_images(y, o.residual, workspace + at.residual), of_leaf.residual = workspace + at.residual;
    if (dilated) of_leaf.out = cut_y;
  } else if (p.pass == Pass::grad_input) {
    if (dilated) cut_images(y, o.a, cut_y), of_leaf.a = cut_y;
    if (strided) cut_weights(p, plan, o.b, cut_w), of_leaf.b = cut_w;
    if (strided && o.bias) cut_bias(p, plan, o.bias, workspace + at.bias), of_leaf.bias = workspace + at.bias;
    of_leaf.out = cut_x;
  } else {
    if (dilated) cut_images(y, o.b, cut_y), of_leaf.b = cut_y;
    if (strided) of_leaf.out = cut_w;
  }
  leaf.run(plan.leaf, of_leaf);
  if (p.pass == Pass::fwd && dilated) join_images(y, cut_y, o.out);
  if (p.pass == Pass::grad_input) join_images(x, cut_x, o.out);
  if (p.pass == Pass::grad_weight && strided) join_weights(p, plan, cut_w, o.out);
}

// Measured on a Zen 4: phases are written and read at 8 GB/s by two threads, as the leaf's own operands are.
double cost(const Row& leaf, const ConvProblem& p) {
  const Plan plan = plan_for(leaf, p);
  const bool of_weights = p.pass == Pass::grad_weight;
  double moved = double(cut_x(p, plan).cut_elements());
  if (plan.dilated()) moved += double(cut_y(p, plan).cut_elements()) * (p.epilogue.residual ? 2 : 1);
  if (plan.strided())
    moved += double(of_weights ? p.Cg() * p.R * p.S : plan.leaf.Cg() * plan.leaf.R * plan.leaf.S) * double(p.K);
  return 10e-6 + leaf.cost(plan.leaf) + 2 * moved * double(itemsize(p.dtype)) / 8e9;
}

std::string describe(const Row& leaf, const ConvProblem& p) {
  const Plan plan = plan_for(leaf, p);
  const ConvProblem& of = plan.leaf;
  const auto phases = [](int64_t h, int64_t w, const char* as) {
    return h * w > 1 ? join(h, "x", w, " phases ", as) : "";
  };
  const std::string beside = phases(plan.h.dilation, plan.w.dilation, "side by side");
  const std::string channels = phases(plan.h.stride, plan.w.stride, "as channels");
  return join(beside, !beside.empty() && !channels.empty() ? ", " : "", channels, "; ", leaf.algo, " on x [", of.N,
              ", ", of.C, ", ", of.H, ", ", of.W, "] and w [", of.K, ", ", of.Cg(), ", ", of.R, ", ", of.S, "]");
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

}  // namespace

void add_composed_rows(const std::deque<Row>& leaves) {
  static std::deque<std::string> names;
  std::vector<const Row*> found;
  for (const Row& row : leaves)
    if (row.device == Device::cpu && takes_unit_steps_alone(row)) found.push_back(&row);
  for (const Row* leaf : found) {
    names.push_back(join("phases(", leaf->algo, ")"));
    Row row{};
    row.algo = names.back().c_str(), row.pass = leaf->pass, row.device = leaf->device;
    row.supports = [leaf](const ConvProblem& p) {
      const std::string reason = refuses_all(p);
      if (!reason.empty()) return reason;
      const std::string of_leaf = leaf->supports(plan_for(*leaf, p).leaf);
      return of_leaf.empty() ? "" : join("of the problem that is left, ", leaf->algo, " says: ", of_leaf);
    };
    row.cost = [leaf](const ConvProblem& p) { return cost(*leaf, p); };
    row.error = [leaf](const ConvProblem& p) { return leaf->error(plan_for(*leaf, p).leaf); };
    row.workspace = [leaf](const ConvProblem& p) { return pieces_of(*leaf, p, plan_for(*leaf, p)).size; };
    row.run = [leaf](const ConvProblem& p, const ConvOperands& o) { run(*leaf, p, o); };
    row.describe = [leaf](const ConvProblem& p) { return describe(*leaf, p); };
    row.direct = false, row.fuses = leaf->fuses;
    add_row(row);
  }
}

}  // namespace torchconv
