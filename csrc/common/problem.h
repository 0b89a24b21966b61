// The convolution problem as plain numbers: no torch, no pointers into tensors.
// Every layer below ops.cpp (registry, rows, kernels) speaks in these terms.
#pragma once
#include <cstdint>

namespace torchconv {

// Forward, grad_input and grad_weight are bilinear, and the derivatives of each are the other two.
//   pass         a        b        out
//   fwd          x        w        y
//   grad_input   grad_y   w        grad_x
//   grad_weight  x        grad_y   grad_w
enum class Pass : int { fwd = 0, grad_input = 1, grad_weight = 2 };
enum class DType : int { f32 = 0, f64 = 1, f16 = 2, bf16 = 3 };
enum class Device : int { cpu = 0, cuda = 1 };
// The memory format of the image operands (x, y and their gradients); weights come with strides.
enum class Layout : int { nchw = 0, nhwc = 1 };
enum class Isa : int { baseline = 0, avx2 = 1, avx512 = 2 };

constexpr const char* to_string(Pass p) {
  return p == Pass::fwd ? "fwd" : p == Pass::grad_input ? "grad_input" : "grad_weight";
}
constexpr const char* to_string(DType t) {
  return t == DType::f32 ? "float32" : t == DType::f64 ? "float64" : t == DType::f16 ? "float16" : "bfloat16";
}
constexpr const char* to_string(Device d) { return d == Device::cpu ? "cpu" : "cuda"; }
constexpr const char* to_string(Layout l) { return l == Layout::nchw ? "nchw" : "nhwc"; }
constexpr const char* to_string(Isa i) { return i == Isa::baseline ? "baseline" : i == Isa::avx2 ? "avx2" : "avx512"; }
constexpr int64_t itemsize(DType t) { return t == DType::f64 ? 8 : t == DType::f32 ? 4 : 2; }

struct ConvProblem {
  Pass pass;
  Device device;
  DType dtype;
  Layout layout;  // of x and y alike; both are dense in it
  Isa isa;
  int threads;
  bool has_bias;

  int64_t N, C, H, W;  // x  [N, C, H, W]
  int64_t K, R, S;     // w  [K, C/G, R, S]
  int64_t P, Q;        // y  [N, K, P, Q]
  int64_t G;
  int64_t stride_h, stride_w;
  int64_t pad_top, pad_bottom, pad_left, pad_right;
  int64_t dil_h, dil_w;
  int64_t w_stride[4];  // of w or grad_w, in elements, in the order K C R S

  int64_t Cg() const { return C / G; }  // channels per group
  int64_t Kg() const { return K / G; }
  // How many products the sum behind one output has.
  double products_per_output() const {
    return pass == Pass::fwd          ? double(Cg()) * R * S
           : pass == Pass::grad_input ? double(Kg()) * R * S
                                      : double(N) * P * Q;
  }
  double macs() const { return double(N) * K * P * Q * Cg() * R * S; }

  // Strides of the image tensors, in elements, from the layout: n c h w.
  int64_t x_stride_n() const { return C * H * W; }
  int64_t x_stride_c() const { return layout == Layout::nchw ? H * W : 1; }
  int64_t x_stride_h() const { return layout == Layout::nchw ? W : W * C; }
  int64_t x_stride_w() const { return layout == Layout::nchw ? 1 : C; }
  int64_t y_stride_n() const { return K * P * Q; }
  int64_t y_stride_c() const { return layout == Layout::nchw ? P * Q : 1; }
  int64_t y_stride_h() const { return layout == Layout::nchw ? Q : Q * K; }
  int64_t y_stride_w() const { return layout == Layout::nchw ? 1 : K; }
};

// What a row reads and writes. a, b and out follow the table above; bias has as many
// entries as out has channels. workspace is 64-byte aligned and of the size the row asked for.
struct ConvOperands {
  const void* a;
  const void* b;
  const void* bias;
  void* out;
  void* workspace;
};

// A thread more for each 50,000 multiply-adds: fewer are not worth waking one.
inline int64_t useful_threads(double macs, int64_t threads) {
  const double most = 1 + macs / 50000;
  return most < double(threads) ? int64_t(most) : threads;
}

}  // namespace torchconv
