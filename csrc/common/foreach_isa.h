// Includes TORCHCONV_INL once per instruction set, each time in a namespace of its own (ISA_NS).
// The file that includes this includes every other header first: a header first seen inside a
// target region would be compiled for that target and could leak into the baseline (and -inl.h
// files must not instantiate std templates, for the same reason).
// No include guard: one use per translation unit. TORCHCONV_WITH_BF16, defined before it, adds the copy for
// avx512_bf16.
#if defined(__clang__)
#error "g++ is needed: clang ignores #pragma GCC target, so every instruction set would be compiled for one"
#endif

#define TORCHCONV_ISA 0
#define ISA_NS isa_baseline
#include TORCHCONV_INL
#undef TORCHCONV_ISA
#undef ISA_NS

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#define TORCHCONV_ISA 1
#define ISA_NS isa_avx2
#include TORCHCONV_INL
#undef TORCHCONV_ISA
#undef ISA_NS
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,prefer-vector-width=512")
#define TORCHCONV_ISA 2
#define ISA_NS isa_avx512
#include TORCHCONV_INL
#undef TORCHCONV_ISA
#undef ISA_NS
#pragma GCC pop_options

#if defined(TORCHCONV_WITH_BF16)
#pragma GCC push_options
#pragma GCC target("avx512bf16,avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,prefer-vector-width=512")
#define TORCHCONV_ISA 3
#define ISA_NS isa_avx512_bf16
#include TORCHCONV_INL
#undef TORCHCONV_ISA
#undef ISA_NS
#pragma GCC pop_options
#endif
#endif

// Calls the copy of `function` that was compiled for `isa`; that for AVX-512 serves avx512_bf16 too.
#if defined(__x86_64__)
#define TORCHCONV_DISPATCH_ISA(isa, function, ...)                       \
  ((isa) >= ::torchconv::Isa::avx512 ? isa_avx512::function(__VA_ARGS__) \
   : (isa) == ::torchconv::Isa::avx2 ? isa_avx2::function(__VA_ARGS__)   \
                                     : isa_baseline::function(__VA_ARGS__))
#else
#define TORCHCONV_DISPATCH_ISA(isa, function, ...) isa_baseline::function(__VA_ARGS__)
#endif

// The same in a file with TORCHCONV_WITH_BF16, for operands of the dependent type S: avx512_bf16 has a copy for bf16.
#if defined(__x86_64__)
#define TORCHCONV_DISPATCH_BF16(S, isa, function, ...)                                           \
  [&] {                                                                                          \
    if constexpr (::torchconv::kIsBf16<S>)                                                       \
      if ((isa) == ::torchconv::Isa::avx512_bf16) return isa_avx512_bf16::function(__VA_ARGS__); \
    return TORCHCONV_DISPATCH_ISA(isa, function, __VA_ARGS__);                                   \
  }()
#else
#define TORCHCONV_DISPATCH_BF16(S, isa, function, ...) isa_baseline::function(__VA_ARGS__)
#endif
