// The convolution problem as plain numbers: no torch, no pointers into tensors.
// Every layer below ops.cpp (registry, rows, kernels) speaks in these terms.
#pragma once
#include <cstdint>

#include "common/epilogue.h"

namespace torchconv {

// Forward, grad_input and grad_weight are bilinear, and the derivatives of each are the other two.
//   pass         a        b        out
//   fwd          x        w        y
//   grad_input   grad_y   w        grad_x
//   grad_weight  x        grad_y   grad_w
enum class Pass : int { fwd = 0, grad_input = 1, grad_weight = 2 };
enum class DType : int { f32 = 0, f64 = 1, f16 = 2, bf16 = 3 };
enum class Device : int { cpu = 0, cuda = 1 };
// The memory format of the image operands (x, y and their gradients), with depth too (NCDHW, NDHWC); weights come with
// strides.
enum class Layout : int { nchw = 0, nhwc = 1 };
// avx512_bf16: with the VNNI and BF16 instructions too.
enum class Isa : int { baseline = 0, avx2 = 1, avx512 = 2, avx512_bf16 = 3 };

constexpr const char* to_string(Pass p) {
  return p == Pass::fwd ? "fwd" : p == Pass::grad_input ? "grad_input" : "grad_weight";
}
constexpr const char* to_string(DType t) {
  return t == DType::f32 ? "float32" : t == DType::f64 ? "float64" : t == DType::f16 ? "float16" : "bfloat16";
}
constexpr const char* to_string(Device d) { return d == Device::cpu ? "cpu" : "cuda"; }
constexpr const char* to_string(Layout l) { return l == Layout::nchw ? "nchw" : "nhwc"; }
constexpr const char* to_string(Isa i) {
  return i == Isa::baseline ? "baseline" : i == Isa::avx2 ? "avx2" : i == Isa::avx512 ? "avx512" : "avx512_bf16";
}
constexpr int64_t itemsize(DType t) { return t == DType::f64 ? 8 : t == DType::f32 ? 4 : 2; }

struct ConvProblem {
  Pass pass;
  Device device;
  DType dtype;
  Layout layout;  // of x and y alike; both are dense in it
  Isa isa;
  int threads;
  bool has_bias;
  bool packed;        // b is what the row's own pack() made of the weights
  Epilogue epilogue;  // of fwd

  // Without depth D, T and O are 1, and so is the step; 1-D has no height either.
  int64_t N, C, D, H, W;  // x  [N, C, D, H, W]
  int64_t K, T, R, S;     // w  [K, C/G, T, R, S]
  int64_t O, P, Q;        // y  [N, K, O, P, Q]
  int64_t G;
  int64_t stride_d, stride_h, stride_w;
  int64_t pad_front, pad_back, pad_top, pad_bottom, pad_left, pad_right;
  int64_t dil_d, dil_h, dil_w;
  int64_t w_stride[5];  // of w or grad_w, in elements, in the order K C T R S

  int64_t Cg() const { return C / G; }  // channels per group
  int64_t Kg() const { return K / G; }
  // How many products the sum behind one output has.
  double products_per_output() const {
    return pass == Pass::fwd          ? double(Cg()) * T * R * S
           : pass == Pass::grad_input ? double(Kg()) * T * R * S
                                      : double(N) * O * P * Q;
  }
  double macs() const { return double(N) * K * O * P * Q * Cg() * T * R * S; }
  // Padding in front alone puts the one plane of a result beyond that of x.
  bool has_depth() const { return D != 1 || T != 1 || O != 1 || pad_front != 0; }

  // Strides of the image tensors, in elements, from the layout: n c d h w.
  int64_t x_stride_n() const { return C * D * H * W; }
  int64_t x_stride_c() const { return layout == Layout::nchw ? D * H * W : 1; }
  int64_t x_stride_d() const { return layout == Layout::nchw ? H * W : H * W * C; }
  int64_t x_stride_h() const { return layout == Layout::nchw ? W : W * C; }
  int64_t x_stride_w() const { return layout == Layout::nchw ? 1 : C; }
  int64_t y_stride_n() const { return K * O * P * Q; }
  int64_t y_stride_c() const { return layout == Layout::nchw ? O * P * Q : 1; }
  int64_t y_stride_d() const { return layout == Layout::nchw ? P * Q : P * Q * K; }
  int64_t y_stride_h() const { return layout == Layout::nchw ? Q : Q * K; }
  int64_t y_stride_w() const { return layout == Layout::nchw ? 1 : K; }
};

// The strides of weights that are dense in a layout.
inline void set_dense_weights(ConvProblem& p, Layout layout) {
  const int64_t innermost = layout == Layout::nchw ? 1 : p.Cg();
  p.w_stride[4] = innermost, p.w_stride[3] = innermost * p.S, p.w_stride[2] = innermost * p.S * p.R;
  p.w_stride[1] = layout == Layout::nchw ? p.T * p.R * p.S : 1;
  p.w_stride[0] = p.Cg() * p.T * p.R * p.S;
}

// What a row reads and writes. a, b and out follow the table above; bias has as many
// entries as out has channels, residual is as out. workspace is 64-byte aligned and of the size the row asked for.
struct ConvOperands {
  const void* a;
  const void* b;
  const void* bias;
  void* out;
  void* workspace;
  const void* residual = nullptr;
};

// A thread more for each 50,000 multiply-adds: fewer are not worth waking one.
inline int64_t useful_threads(double macs, int64_t threads) {
  const double most = 1 + macs / 50000;
  return most < double(threads) ? int64_t(most) : threads;
}

}  // namespace torchconv
