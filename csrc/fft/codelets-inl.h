// Written by tools/generate_fft.py: change that, not this file.
// Discrete Fourier transforms of N inputs, X[k] = sum of x[n] e^(-2 pi i n k / N), on vectors V of numbers T.
//   real              re(i) -> put(k, re, im) for k <= N / 2
//   complex           re(i), im(i) -> put(k, re, im)
//   complex_of_half   the same where the second half of the inputs is zero
//   inverse           re(k), im(k), k <= N / 2 -> put(n, v): N times the inverse of real
// clang-format off
namespace torchconv::ISA_NS {

template <int N>
struct Codelet;

template <class T>
constexpr T c0 = T(0.5);
template <class T>
constexpr T c1 = T(0.8660254037844386);
template <class T>
constexpr T c2 = T(0.7071067811865476);
template <class T>
constexpr T c3 = T(0.766044443118978);
template <class T>
constexpr T c4 = T(0.6427876096865393);
template <class T>
constexpr T c5 = T(0.17364817766693041);
template <class T>
constexpr T c6 = T(0.984807753012208);
template <class T>
constexpr T c7 = T(0.9396926207859083);
template <class T>
constexpr T c8 = T(0.3420201433256689);
template <class T>
constexpr T c9 = T(0.30901699437494745);
template <class T>
constexpr T c10 = T(0.8090169943749473);
template <class T>
constexpr T c11 = T(0.618033988749895);
template <class T>
constexpr T c12 = T(0.9510565162951535);
template <class T>
constexpr T c13 = T(0.5877852522924731);
template <class T>
constexpr T c14 = T(0.4142135623730951);
template <class T>
constexpr T c15 = T(0.9238795325112867);
template <class T>
constexpr T c16 = T(0.3826834323650898);

template <>
struct Codelet<4> {
  template <class T, class V, class Re, class Put>
  TORCHCONV_INLINE void real(const Re& re, const Put& put) {
    const V a0=re(0), a1=re(1), a2=re(2), a3=re(3), t4=a0+a2, t5=a0-a2, t6=a1+a3, t7=a1-a3, t8=t4+t6, t9=t4-t6;
    put(0,t8,V{}); put(1,t5,-t7); put(2,t9,V{});
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void inverse(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), a1=re(1), b2=im(1), a3=re(2), t4=a0+a3, t5=a0-a3, t6=a1+a1, t7=b2+b2, t8=t4+t6, t9=t4-t6,
    t10=t5-t7, t11=t5+t7; put(0,t8); put(1,t10); put(2,t9); put(3,t11);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void complex(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), b1=im(0), a2=re(1), b3=im(1), a4=re(2), b5=im(2), a6=re(3), b7=im(3), t8=a0+a4, t9=b1+b5,
    t10=a0-a4, t11=b1-b5, t12=a2+a6, t13=b3+b7, t14=a2-a6, t15=b3-b7, t16=t12+t8, t17=t13+t9, t18=t8-t12, t19=t9-t13,
    t20=t10+t15, t21=t11-t14, t22=t10-t15, t23=t11+t14; put(0,t16,t17); put(1,t20,t21); put(2,t18,t19); put(3,t22,t23);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void complex_of_half(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), b1=im(0), a2=re(1), b3=im(1), t4=a0+a2, t5=b1+b3, t6=a0-a2, t7=b1-b3, t8=a0+b3, t9=b1-a2,
    t10=a0-b3, t11=a2+b1; put(0,t4,t5); put(1,t8,t9); put(2,t6,t7); put(3,t10,t11);
  }
};

template <>
struct Codelet<6> {
  template <class T, class V, class Re, class Put>
  TORCHCONV_INLINE void real(const Re& re, const Put& put) {
    const V a0=re(0), a1=re(3), t2=a0+a1, t3=a0-a1, a4=re(1), a5=re(4), t6=a4+a5, t7=a4-a5, a8=re(2), a9=re(5),
    t10=a8+a9, t11=a8-a9, t12=t10+t6, t13=t6-t10, t14=t12+t2, t15=c0<T>*t12, t16=t2-t15, t17=c1<T>*t13, t18=c0<T>*t7,
    t19=c1<T>*t7, t20=c0<T>*t11, t21=c1<T>*t11, t22=t18-t20, t23=t19+t21, t24=t18+t20, t25=t21-t19, t26=t22+t3,
    t27=c0<T>*t22, t28=t3-t27, t29=c0<T>*t23, t30=c1<T>*t24, t31=c1<T>*t25, t32=t28+t31, t33=t29-t30; put(0,t14,V{});
    put(1,t26,-t23); put(2,t16,-t17); put(3,t32,t33);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void inverse(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), a1=re(1), b2=im(1), a3=re(2), b4=im(2), a5=re(3), t6=a3+a3, t7=b4+b4, t8=a0+t6, t9=c0<T>*t6,
    t10=a0-t9, t11=c1<T>*t7, t12=t10-t11, t13=t10+t11, t14=a1+a5, t15=a5-a1, t16=a1+t14, t17=c0<T>*b2, t18=b2+t17,
    t19=c0<T>*t14, t20=a1-t19, t21=c1<T>*b2, t22=c1<T>*t15, t23=t18+t22, t24=t20-t21, t25=t18-t22, t26=t20+t21,
    t27=c0<T>*t24, t28=c1<T>*t23, t29=t27-t28, t33=c0<T>*t26, t34=c1<T>*t25, t35=t33+t34, t39=t16+t8, t40=t8-t16,
    t41=t12+t29, t42=t12-t29, t43=t13-t35, t44=t13+t35; put(0,t39); put(1,t41); put(2,t43); put(3,t40); put(4,t42);
    put(5,t44);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void complex(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), b1=im(0), a2=re(3), b3=im(3), t4=a0+a2, t5=b1+b3, t6=a0-a2, t7=b1-b3, a8=re(1), b9=im(1),
    a10=re(4), b11=im(4), t12=a10+a8, t13=b11+b9, t14=a8-a10, t15=b9-b11, a16=re(2), b17=im(2), a18=re(5), b19=im(5),
    t20=a16+a18, t21=b17+b19, t22=a16-a18, t23=b17-b19, t24=t12+t20, t25=t13+t21, t26=t12-t20, t27=t13-t21, t28=t24+t4,
    t29=t25+t5, t30=c0<T>*t24, t31=t4-t30, t32=c0<T>*t25, t33=t5-t32, t34=c1<T>*t26, t35=c1<T>*t27, t36=t31+t35,
    t37=t33-t34, t38=t31-t35, t39=t33+t34, t40=c0<T>*t14, t41=c1<T>*t15, t42=t40+t41, t43=c0<T>*t15, t44=c1<T>*t14,
    t45=t43-t44, t46=c0<T>*t22, t47=c1<T>*t23, t48=t47-t46, t49=c0<T>*t23, t50=c1<T>*t22, t51=t49+t50, t52=t42+t48,
    t53=t45-t51, t54=t42-t48, t55=t45+t51, t56=t52+t6, t57=t53+t7, t58=c0<T>*t52, t59=t6-t58, t60=c0<T>*t53, t61=t7-t60,
    t62=c1<T>*t54, t63=c1<T>*t55, t64=t59+t63, t65=t61-t62, t66=t59-t63, t67=t61+t62; put(0,t28,t29); put(1,t56,t57);
    put(2,t36,t37); put(3,t64,t65); put(4,t38,t39); put(5,t66,t67);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void complex_of_half(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), b1=im(0), a2=re(1), b3=im(1), a4=re(2), b5=im(2), t6=a2+a4, t7=b3+b5, t8=a2-a4, t9=b3-b5,
    t10=a0+t6, t11=b1+t7, t12=c0<T>*t6, t13=a0-t12, t14=c0<T>*t7, t15=b1-t14, t16=c1<T>*t8, t17=c1<T>*t9, t18=t13+t17,
    t19=t15-t16, t20=t13-t17, t21=t15+t16, t22=c0<T>*a2, t23=c1<T>*b3, t24=t22+t23, t25=c0<T>*b3, t26=c1<T>*a2,
    t27=t25-t26, t28=c0<T>*a4, t29=c1<T>*b5, t30=t29-t28, t31=c0<T>*b5, t32=c1<T>*a4, t33=t31+t32, t34=t24+t30,
    t35=t27-t33, t36=t24-t30, t37=t27+t33, t38=a0+t34, t39=b1+t35, t40=c0<T>*t34, t41=a0-t40, t42=c0<T>*t35, t43=b1-t42,
    t44=c1<T>*t36, t45=c1<T>*t37, t46=t41+t45, t47=t43-t44, t48=t41-t45, t49=t43+t44; put(0,t10,t11); put(1,t38,t39);
    put(2,t18,t19); put(3,t46,t47); put(4,t20,t21); put(5,t48,t49);
  }
};

template <>
struct Codelet<8> {
  template <class T, class V, class Re, class Put>
  TORCHCONV_INLINE void real(const Re& re, const Put& put) {
    const V a0=re(0), a1=re(2), a2=re(4), a3=re(6), t4=a0+a2, t5=a0-a2, t6=a1+a3, t7=a1-a3, t8=t4+t6, t9=t4-t6,
    a10=re(1), a11=re(3), a12=re(5), a13=re(7), t14=a10+a12, t15=a10-a12, t16=a11+a13, t17=a11-a13, t18=t14+t16,
    t19=t14-t16, t20=t18+t8, t21=t8-t18, t22=t15-t17, t23=t15+t17, t24=c2<T>*t22, t25=c2<T>*t23, t26=t24+t5, t27=t25+t7,
    t28=t5-t24, t29=t25-t7; put(0,t20,V{}); put(1,t26,-t27); put(2,t9,-t19); put(3,t28,-t29); put(4,t21,V{});
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void inverse(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), a1=re(1), b2=im(1), a3=re(2), b4=im(2), a5=re(3), b6=im(3), a7=re(4), t8=a0+a7, t9=a0-a7,
    t10=b2-b6, t11=a1+a5, t12=b2+b6, t13=a1-a5, t14=c2<T>*t13, t15=c2<T>*t12, t16=t14-t15, t17=t14+t15, t18=a3+a3,
    t19=b4+b4, t20=t18+t8, t21=t8-t18, t22=t11+t11, t23=t10+t10, t24=t20+t22, t25=t20-t22, t26=t21-t23, t27=t21+t23,
    t28=t9-t19, t29=t19+t9, t30=t16+t16, t31=t17+t17, t32=t28+t30, t33=t28-t30, t34=t29-t31, t35=t29+t31; put(0,t24);
    put(1,t32); put(2,t26); put(3,t34); put(4,t25); put(5,t33); put(6,t27); put(7,t35);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void complex(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), b1=im(0), a2=re(2), b3=im(2), a4=re(4), b5=im(4), a6=re(6), b7=im(6), t8=a0+a4, t9=b1+b5,
    t10=a0-a4, t11=b1-b5, t12=a2+a6, t13=b3+b7, t14=a2-a6, t15=b3-b7, t16=t12+t8, t17=t13+t9, t18=t8-t12, t19=t9-t13,
    t20=t10+t15, t21=t11-t14, t22=t10-t15, t23=t11+t14, a24=re(1), b25=im(1), a26=re(3), b27=im(3), a28=re(5),
    b29=im(5), a30=re(7), b31=im(7), t32=a24+a28, t33=b25+b29, t34=a24-a28, t35=b25-b29, t36=a26+a30, t37=b27+b31,
    t38=a26-a30, t39=b27-b31, t40=t32+t36, t41=t33+t37, t42=t32-t36, t43=t33-t37, t44=t34+t39, t45=t35-t38, t46=t34-t39,
    t47=t35+t38, t48=t16+t40, t49=t17+t41, t50=t16-t40, t51=t17-t41, t52=t44+t45, t53=t45-t44, t54=c2<T>*t52,
    t55=c2<T>*t53, t56=t20+t54, t57=t21+t55, t58=t20-t54, t59=t21-t55, t60=t18+t43, t61=t19-t42, t62=t18-t43,
    t63=t19+t42, t64=t47-t46, t65=t46+t47, t66=c2<T>*t64, t67=c2<T>*t65, t68=t22+t66, t69=t23-t67, t70=t22-t66,
    t71=t23+t67; put(0,t48,t49); put(1,t56,t57); put(2,t60,t61); put(3,t68,t69); put(4,t50,t51); put(5,t58,t59);
    put(6,t62,t63); put(7,t70,t71);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void complex_of_half(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), b1=im(0), a2=re(2), b3=im(2), t4=a0+a2, t5=b1+b3, t6=a0-a2, t7=b1-b3, t8=a0+b3, t9=b1-a2,
    t10=a0-b3, t11=a2+b1, a12=re(1), b13=im(1), a14=re(3), b15=im(3), t16=a12+a14, t17=b13+b15, t18=a12-a14,
    t19=b13-b15, t20=a12+b15, t21=b13-a14, t22=a12-b15, t23=a14+b13, t24=t16+t4, t25=t17+t5, t26=t4-t16, t27=t5-t17,
    t28=t20+t21, t29=t21-t20, t30=c2<T>*t28, t31=c2<T>*t29, t32=t30+t8, t33=t31+t9, t34=t8-t30, t35=t9-t31, t36=t19+t6,
    t37=t7-t18, t38=t6-t19, t39=t18+t7, t40=t23-t22, t41=t22+t23, t42=c2<T>*t40, t43=c2<T>*t41, t44=t10+t42,
    t45=t11-t43, t46=t10-t42, t47=t11+t43; put(0,t24,t25); put(1,t32,t33); put(2,t36,t37); put(3,t44,t45);
    put(4,t26,t27); put(5,t34,t35); put(6,t38,t39); put(7,t46,t47);
  }
};

template <>
struct Codelet<9> {
  template <class T, class V, class Re, class Put>
  TORCHCONV_INLINE void real(const Re& re, const Put& put) {
    const V a0=re(0), a1=re(3), a2=re(6), t3=a1+a2, t4=a1-a2, t5=a0+t3, t6=c0<T>*t3, t7=a0-t6, t8=c1<T>*t4, a9=re(1),
    a10=re(4), a11=re(7), t12=a10+a11, t13=a10-a11, t14=a9+t12, t15=c0<T>*t12, t16=a9-t15, t17=c1<T>*t13, a18=re(2),
    a19=re(5), a20=re(8), t21=a19+a20, t22=a19-a20, t23=a18+t21, t24=c0<T>*t21, t25=a18-t24, t26=c1<T>*t22, t27=t14+t23,
    t28=t14-t23, t29=t27+t5, t30=c0<T>*t27, t31=t5-t30, t32=c1<T>*t28, t33=c3<T>*t16, t34=c4<T>*t17, t35=t33-t34,
    t36=c3<T>*t17, t37=c4<T>*t16, t38=t36+t37, t39=c5<T>*t25, t40=c6<T>*t26, t41=t39-t40, t42=c5<T>*t26, t43=c6<T>*t25,
    t44=t42+t43, t45=t35+t41, t46=t38+t44, t47=t35-t41, t48=t44-t38, t49=t45+t7, t50=t46+t8, t51=c0<T>*t45, t52=t7-t51,
    t53=c0<T>*t46, t54=t53-t8, t55=c1<T>*t47, t56=c1<T>*t48, t57=t52+t56, t58=t54-t55, t59=t52-t56, t60=t54+t55;
    put(0,t29,V{}); put(1,t49,-t50); put(2,t59,-t60); put(3,t31,-t32); put(4,t57,t58);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void inverse(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), a1=re(1), b2=im(1), a3=re(2), b4=im(2), a5=re(3), b6=im(3), a7=re(4), b8=im(4), t9=a5+a5,
    t10=b6+b6, t11=a0+t9, t12=c0<T>*t9, t13=a0-t12, t14=c1<T>*t10, t15=t13-t14, t16=t13+t14, t17=b8-b4, t18=a3+a7,
    t19=b4+b8, t20=a7-a3, t21=b2+t17, t22=a1+t18, t23=c0<T>*t17, t24=b2-t23, t25=c0<T>*t18, t26=a1-t25, t27=c1<T>*t19,
    t28=c1<T>*t20, t29=t24+t28, t30=t26-t27, t31=t24-t28, t32=t26+t27, t33=c3<T>*t30, t34=c4<T>*t29, t35=t33-t34,
    t36=c3<T>*t29, t37=c4<T>*t30, t38=t36+t37, t39=c5<T>*t32, t40=c6<T>*t31, t41=t39-t40, t42=c5<T>*t31, t43=c6<T>*t32,
    t44=t42+t43, t45=t22+t22, t46=t21+t21, t47=t11+t45, t48=c0<T>*t45, t49=t11-t48, t50=c1<T>*t46, t51=t49-t50,
    t52=t49+t50, t53=t35+t35, t54=t38+t38, t55=t15+t53, t56=c0<T>*t53, t57=t15-t56, t58=c1<T>*t54, t59=t57-t58,
    t60=t57+t58, t61=t41+t41, t62=t44+t44, t63=t16+t61, t64=c0<T>*t61, t65=t16-t64, t66=c1<T>*t62, t67=t65-t66,
    t68=t65+t66; put(0,t47); put(1,t55); put(2,t63); put(3,t51); put(4,t59); put(5,t67); put(6,t52); put(7,t60);
    put(8,t68);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void complex(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), b1=im(0), a2=re(3), b3=im(3), a4=re(6), b5=im(6), t6=a2+a4, t7=b3+b5, t8=a2-a4, t9=b3-b5,
    t10=a0+t6, t11=b1+t7, t12=c0<T>*t6, t13=a0-t12, t14=c0<T>*t7, t15=b1-t14, t16=c1<T>*t8, t17=c1<T>*t9, t18=t13+t17,
    t19=t15-t16, t20=t13-t17, t21=t15+t16, a22=re(1), b23=im(1), a24=re(4), b25=im(4), a26=re(7), b27=im(7),
    t28=a24+a26, t29=b25+b27, t30=a24-a26, t31=b25-b27, t32=a22+t28, t33=b23+t29, t34=c0<T>*t28, t35=a22-t34,
    t36=c0<T>*t29, t37=b23-t36, t38=c1<T>*t30, t39=c1<T>*t31, t40=t35+t39, t41=t37-t38, t42=t35-t39, t43=t37+t38,
    a44=re(2), b45=im(2), a46=re(5), b47=im(5), a48=re(8), b49=im(8), t50=a46+a48, t51=b47+b49, t52=a46-a48,
    t53=b47-b49, t54=a44+t50, t55=b45+t51, t56=c0<T>*t50, t57=a44-t56, t58=c0<T>*t51, t59=b45-t58, t60=c1<T>*t52,
    t61=c1<T>*t53, t62=t57+t61, t63=t59-t60, t64=t57-t61, t65=t59+t60, t66=t32+t54, t67=t33+t55, t68=t32-t54,
    t69=t33-t55, t70=t10+t66, t71=t11+t67, t72=c0<T>*t66, t73=t10-t72, t74=c0<T>*t67, t75=t11-t74, t76=c1<T>*t68,
    t77=c1<T>*t69, t78=t73+t77, t79=t75-t76, t80=t73-t77, t81=t75+t76, t82=c3<T>*t40, t83=c4<T>*t41, t84=t82+t83,
    t85=c3<T>*t41, t86=c4<T>*t40, t87=t85-t86, t88=c5<T>*t62, t89=c6<T>*t63, t90=t88+t89, t91=c5<T>*t63, t92=c6<T>*t62,
    t93=t91-t92, t94=t84+t90, t95=t87+t93, t96=t84-t90, t97=t87-t93, t98=t18+t94, t99=t19+t95, t100=c0<T>*t94,
    t101=t18-t100, t102=c0<T>*t95, t103=t19-t102, t104=c1<T>*t96, t105=c1<T>*t97, t106=t101+t105, t107=t103-t104,
    t108=t101-t105, t109=t103+t104, t110=c5<T>*t42, t111=c6<T>*t43, t112=t110+t111, t113=c5<T>*t43, t114=c6<T>*t42,
    t115=t113-t114, t116=c7<T>*t64, t117=c8<T>*t65, t118=t117-t116, t119=c7<T>*t65, t120=c8<T>*t64, t121=t119+t120,
    t122=t112+t118, t123=t115-t121, t124=t112-t118, t125=t115+t121, t126=t122+t20, t127=t123+t21, t128=c0<T>*t122,
    t129=t20-t128, t130=c0<T>*t123, t131=t21-t130, t132=c1<T>*t124, t133=c1<T>*t125, t134=t129+t133, t135=t131-t132,
    t136=t129-t133, t137=t131+t132; put(0,t70,t71); put(1,t98,t99); put(2,t126,t127); put(3,t78,t79); put(4,t106,t107);
    put(5,t134,t135); put(6,t80,t81); put(7,t108,t109); put(8,t136,t137);
  }
};

template <>
struct Codelet<10> {
  template <class T, class V, class Re, class Put>
  TORCHCONV_INLINE void real(const Re& re, const Put& put) {
    const V a0=re(0), a1=re(5), t2=a0+a1, t3=a0-a1, a4=re(1), a5=re(6), t6=a4+a5, t7=a4-a5, a8=re(2), a9=re(7),
    t10=a8+a9, t11=a8-a9, a12=re(3), a13=re(8), t14=a12+a13, t15=a12-a13, a16=re(4), a17=re(9), t18=a16+a17,
    t19=a16-a17, t20=t18+t6, t21=t6-t18, t22=t10+t14, t23=t10-t14, t24=t20+t22, t25=t2+t24, t26=c9<T>*t20, t27=t2+t26,
    t28=c10<T>*t22, t29=t27-t28, t30=c10<T>*t20, t31=t2-t30, t32=c9<T>*t22, t33=t31+t32, t34=c11<T>*t23, t35=t21+t34,
    t36=c12<T>*t35, t37=c11<T>*t21, t38=t37-t23, t39=c12<T>*t38, t40=c10<T>*t7, t41=c13<T>*t7, t42=c9<T>*t11,
    t43=c12<T>*t11, t44=c9<T>*t15, t45=c12<T>*t15, t46=c10<T>*t19, t47=c13<T>*t19, t48=t40-t46, t49=t41+t47,
    t50=t40+t46, t51=t47-t41, t52=t42-t44, t53=t43+t45, t54=t42+t44, t55=t45-t43, t56=t48+t52, t57=t49+t53, t58=t3+t56,
    t59=c9<T>*t48, t60=t3+t59, t61=c9<T>*t49, t62=c10<T>*t52, t63=t60-t62, t64=c10<T>*t53, t65=t64-t61, t66=c10<T>*t48,
    t67=t3-t66, t68=c10<T>*t49, t69=c9<T>*t52, t70=t67+t69, t71=c9<T>*t53, t72=t68-t71, t73=c11<T>*t54, t74=t50+t73,
    t75=c11<T>*t55, t76=t51+t75, t77=c12<T>*t74, t78=c12<T>*t76, t79=c11<T>*t50, t80=t79-t54, t81=c11<T>*t51,
    t82=t81-t55, t83=c12<T>*t80, t84=c12<T>*t82, t85=t63+t78, t86=t65-t77, t89=t70+t84, t90=t72-t83; put(0,t25,V{});
    put(1,t58,-t57); put(2,t29,-t36); put(3,t85,t86); put(4,t33,-t39); put(5,t89,t90);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void inverse(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), a1=re(1), b2=im(1), a3=re(2), b4=im(2), a5=re(3), b6=im(3), a7=re(4), b8=im(4), a9=re(5),
    t10=a3+a3, t11=b4+b4, t12=a7+a7, t13=b8+b8, t14=t10+t12, t15=a0+t14, t16=c9<T>*t10, t17=a0+t16, t18=c10<T>*t12,
    t19=t17-t18, t20=c10<T>*t10, t21=a0-t20, t22=c9<T>*t12, t23=t21+t22, t24=c11<T>*t13, t25=t11+t24, t26=c12<T>*t25,
    t27=c11<T>*t11, t28=t27-t13, t29=c12<T>*t28, t30=t19-t26, t31=t19+t26, t32=t23-t29, t33=t23+t29, t34=b6-b2,
    t35=a1+a5, t36=b2+b6, t37=a5-a1, t38=a5+a9, t39=a9-a5, t41=t35+t38, t43=a1+t41, t44=c9<T>*t34, t45=b2+t44,
    t46=c9<T>*t35, t47=a1+t46, t48=c10<T>*b6, t49=t45+t48, t50=c10<T>*t38, t51=t47-t50, t52=c10<T>*t34, t53=b2-t52,
    t54=c10<T>*t35, t55=a1-t54, t56=c9<T>*b6, t57=t53-t56, t58=c9<T>*t38, t59=t55+t58, t60=c11<T>*b6, t61=t36+t60,
    t62=c11<T>*t39, t63=t37+t62, t64=c12<T>*t61, t65=c12<T>*t63, t66=c11<T>*t36, t67=t66-b6, t68=c11<T>*t37,
    t69=t68-t39, t70=c12<T>*t67, t71=c12<T>*t69, t72=t49+t65, t73=t51-t64, t74=t49-t65, t75=t51+t64, t76=t57+t71,
    t77=t59-t70, t78=t57-t71, t79=t59+t70, t80=c10<T>*t73, t81=c13<T>*t72, t82=t80-t81, t86=c9<T>*t77, t87=c12<T>*t76,
    t88=t86-t87, t92=c9<T>*t79, t93=c12<T>*t78, t94=t92+t93, t98=c10<T>*t75, t99=c13<T>*t74, t100=t98+t99, t104=t15+t43,
    t105=t15-t43, t106=t30+t82, t107=t30-t82, t108=t32+t88, t109=t32-t88, t110=t33-t94, t111=t33+t94, t112=t31-t100,
    t113=t100+t31; put(0,t104); put(1,t106); put(2,t108); put(3,t110); put(4,t112); put(5,t105); put(6,t107);
    put(7,t109); put(8,t111); put(9,t113);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void complex(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), b1=im(0), a2=re(5), b3=im(5), t4=a0+a2, t5=b1+b3, t6=a0-a2, t7=b1-b3, a8=re(1), b9=im(1),
    a10=re(6), b11=im(6), t12=a10+a8, t13=b11+b9, t14=a8-a10, t15=b9-b11, a16=re(2), b17=im(2), a18=re(7), b19=im(7),
    t20=a16+a18, t21=b17+b19, t22=a16-a18, t23=b17-b19, a24=re(3), b25=im(3), a26=re(8), b27=im(8), t28=a24+a26,
    t29=b25+b27, t30=a24-a26, t31=b25-b27, a32=re(4), b33=im(4), a34=re(9), b35=im(9), t36=a32+a34, t37=b33+b35,
    t38=a32-a34, t39=b33-b35, t40=t12+t36, t41=t13+t37, t42=t12-t36, t43=t13-t37, t44=t20+t28, t45=t21+t29, t46=t20-t28,
    t47=t21-t29, t48=t40+t44, t49=t41+t45, t50=t4+t48, t51=t49+t5, t52=c9<T>*t40, t53=t4+t52, t54=c9<T>*t41, t55=t5+t54,
    t56=c10<T>*t44, t57=t53-t56, t58=c10<T>*t45, t59=t55-t58, t60=c10<T>*t40, t61=t4-t60, t62=c10<T>*t41, t63=t5-t62,
    t64=c9<T>*t44, t65=t61+t64, t66=c9<T>*t45, t67=t63+t66, t68=c11<T>*t46, t69=t42+t68, t70=c11<T>*t47, t71=t43+t70,
    t72=c12<T>*t69, t73=c12<T>*t71, t74=c11<T>*t42, t75=t74-t46, t76=c11<T>*t43, t77=t76-t47, t78=c12<T>*t75,
    t79=c12<T>*t77, t80=t57+t73, t81=t59-t72, t82=t57-t73, t83=t59+t72, t84=t65+t79, t85=t67-t78, t86=t65-t79,
    t87=t67+t78, t88=c10<T>*t14, t89=c13<T>*t15, t90=t88+t89, t91=c10<T>*t15, t92=c13<T>*t14, t93=t91-t92,
    t94=c9<T>*t22, t95=c12<T>*t23, t96=t94+t95, t97=c9<T>*t23, t98=c12<T>*t22, t99=t97-t98, t100=c9<T>*t30,
    t101=c12<T>*t31, t102=t101-t100, t103=c9<T>*t31, t104=c12<T>*t30, t105=t103+t104, t106=c10<T>*t38, t107=c13<T>*t39,
    t108=t107-t106, t109=c10<T>*t39, t110=c13<T>*t38, t111=t109+t110, t112=t108+t90, t113=t93-t111, t114=t90-t108,
    t115=t111+t93, t116=t102+t96, t117=t99-t105, t118=t96-t102, t119=t105+t99, t120=t112+t116, t121=t113+t117,
    t122=t120+t6, t123=t121+t7, t124=c9<T>*t112, t125=t124+t6, t126=c9<T>*t113, t127=t126+t7, t128=c10<T>*t116,
    t129=t125-t128, t130=c10<T>*t117, t131=t127-t130, t132=c10<T>*t112, t133=t6-t132, t134=c10<T>*t113, t135=t7-t134,
    t136=c9<T>*t116, t137=t133+t136, t138=c9<T>*t117, t139=t135+t138, t140=c11<T>*t118, t141=t114+t140,
    t142=c11<T>*t119, t143=t115+t142, t144=c12<T>*t141, t145=c12<T>*t143, t146=c11<T>*t114, t147=t146-t118,
    t148=c11<T>*t115, t149=t148-t119, t150=c12<T>*t147, t151=c12<T>*t149, t152=t129+t145, t153=t131-t144,
    t154=t129-t145, t155=t131+t144, t156=t137+t151, t157=t139-t150, t158=t137-t151, t159=t139+t150; put(0,t50,t51);
    put(1,t122,t123); put(2,t80,t81); put(3,t152,t153); put(4,t84,t85); put(5,t156,t157); put(6,t86,t87);
    put(7,t158,t159); put(8,t82,t83); put(9,t154,t155);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void complex_of_half(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), b1=im(0), a2=re(1), b3=im(1), a4=re(2), b5=im(2), a6=re(3), b7=im(3), a8=re(4), b9=im(4),
    t10=a2+a8, t11=b3+b9, t12=a2-a8, t13=b3-b9, t14=a4+a6, t15=b5+b7, t16=a4-a6, t17=b5-b7, t18=t10+t14, t19=t11+t15,
    t20=a0+t18, t21=b1+t19, t22=c9<T>*t10, t23=a0+t22, t24=c9<T>*t11, t25=b1+t24, t26=c10<T>*t14, t27=t23-t26,
    t28=c10<T>*t15, t29=t25-t28, t30=c10<T>*t10, t31=a0-t30, t32=c10<T>*t11, t33=b1-t32, t34=c9<T>*t14, t35=t31+t34,
    t36=c9<T>*t15, t37=t33+t36, t38=c11<T>*t16, t39=t12+t38, t40=c11<T>*t17, t41=t13+t40, t42=c12<T>*t39,
    t43=c12<T>*t41, t44=c11<T>*t12, t45=t44-t16, t46=c11<T>*t13, t47=t46-t17, t48=c12<T>*t45, t49=c12<T>*t47,
    t50=t27+t43, t51=t29-t42, t52=t27-t43, t53=t29+t42, t54=t35+t49, t55=t37-t48, t56=t35-t49, t57=t37+t48,
    t58=c10<T>*a2, t59=c13<T>*b3, t60=t58+t59, t61=c10<T>*b3, t62=c13<T>*a2, t63=t61-t62, t64=c9<T>*a4, t65=c12<T>*b5,
    t66=t64+t65, t67=c9<T>*b5, t68=c12<T>*a4, t69=t67-t68, t70=c9<T>*a6, t71=c12<T>*b7, t72=t71-t70, t73=c9<T>*b7,
    t74=c12<T>*a6, t75=t73+t74, t76=c10<T>*a8, t77=c13<T>*b9, t78=t77-t76, t79=c10<T>*b9, t80=c13<T>*a8, t81=t79+t80,
    t82=t60+t78, t83=t63-t81, t84=t60-t78, t85=t63+t81, t86=t66+t72, t87=t69-t75, t88=t66-t72, t89=t69+t75, t90=t82+t86,
    t91=t83+t87, t92=a0+t90, t93=b1+t91, t94=c9<T>*t82, t95=a0+t94, t96=c9<T>*t83, t97=b1+t96, t98=c10<T>*t86,
    t99=t95-t98, t100=c10<T>*t87, t101=t97-t100, t102=c10<T>*t82, t103=a0-t102, t104=c10<T>*t83, t105=b1-t104,
    t106=c9<T>*t86, t107=t103+t106, t108=c9<T>*t87, t109=t105+t108, t110=c11<T>*t88, t111=t110+t84, t112=c11<T>*t89,
    t113=t112+t85, t114=c12<T>*t111, t115=c12<T>*t113, t116=c11<T>*t84, t117=t116-t88, t118=c11<T>*t85, t119=t118-t89,
    t120=c12<T>*t117, t121=c12<T>*t119, t122=t115+t99, t123=t101-t114, t124=t99-t115, t125=t101+t114, t126=t107+t121,
    t127=t109-t120, t128=t107-t121, t129=t109+t120; put(0,t20,t21); put(1,t92,t93); put(2,t50,t51); put(3,t122,t123);
    put(4,t54,t55); put(5,t126,t127); put(6,t56,t57); put(7,t128,t129); put(8,t52,t53); put(9,t124,t125);
  }
};

template <>
struct Codelet<12> {
  template <class T, class V, class Re, class Put>
  TORCHCONV_INLINE void real(const Re& re, const Put& put) {
    const V a0=re(0), a1=re(3), a2=re(6), a3=re(9), t4=a0+a2, t5=a0-a2, t6=a1+a3, t7=a1-a3, t8=t4+t6, t9=t4-t6,
    a10=re(1), a11=re(4), a12=re(7), a13=re(10), t14=a10+a12, t15=a10-a12, t16=a11+a13, t17=a11-a13, t18=t14+t16,
    t19=t14-t16, a20=re(2), a21=re(5), a22=re(8), a23=re(11), t24=a20+a22, t25=a20-a22, t26=a21+a23, t27=a21-a23,
    t28=t24+t26, t29=t24-t26, t30=t18+t28, t31=t18-t28, t32=t30+t8, t33=c0<T>*t30, t34=t8-t33, t35=c1<T>*t31,
    t36=c1<T>*t15, t37=c0<T>*t17, t38=t36-t37, t39=c1<T>*t17, t40=c0<T>*t15, t41=t39+t40, t42=c0<T>*t25, t43=c1<T>*t27,
    t44=t42-t43, t45=c0<T>*t27, t46=c1<T>*t25, t47=t45+t46, t48=t38+t44, t49=t41+t47, t50=t38-t44, t51=t47-t41,
    t52=t48+t5, t53=t49+t7, t54=c0<T>*t48, t55=t5-t54, t56=c0<T>*t49, t57=t56-t7, t58=c1<T>*t50, t59=c1<T>*t51,
    t60=t55+t59, t61=t57-t58, t62=t55-t59, t63=t57+t58, t64=c0<T>*t19, t65=c1<T>*t19, t66=c0<T>*t29, t67=c1<T>*t29,
    t68=t64-t66, t69=t65+t67, t70=t64+t66, t71=t67-t65, t72=t68+t9, t73=c0<T>*t68, t74=t9-t73, t75=c0<T>*t69,
    t76=c1<T>*t70, t77=c1<T>*t71, t78=t74+t77, t79=t75-t76; put(0,t32,V{}); put(1,t52,-t53); put(2,t72,-t69);
    put(3,t62,-t63); put(4,t34,-t35); put(5,t60,t61); put(6,t78,t79);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void inverse(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), a1=re(1), b2=im(1), a3=re(2), b4=im(2), a5=re(3), b6=im(3), a7=re(4), b8=im(4), a9=re(5),
    b10=im(5), a11=re(6), t12=a7+a7, t13=b8+b8, t14=a0+t12, t15=c0<T>*t12, t16=a0-t15, t17=c1<T>*t13, t18=t16-t17,
    t19=t16+t17, t20=b10-b6, t21=a5+a9, t22=b10+b6, t23=a9-a5, t24=b2+t20, t25=a1+t21, t26=c0<T>*t20, t27=b2-t26,
    t28=c0<T>*t21, t29=a1-t28, t30=c1<T>*t22, t31=c1<T>*t23, t32=t27+t31, t33=t29-t30, t34=t27-t31, t35=t29+t30,
    t36=c1<T>*t33, t37=c0<T>*t32, t38=t36-t37, t39=c1<T>*t32, t40=c0<T>*t33, t41=t39+t40, t42=c0<T>*t35, t43=c1<T>*t34,
    t44=t42-t43, t45=c0<T>*t34, t46=c1<T>*t35, t47=t45+t46, t48=a11+a3, t49=a11-a3, t50=a3+t48, t51=c0<T>*b4,
    t52=b4+t51, t53=c0<T>*t48, t54=a3-t53, t55=c1<T>*b4, t56=c1<T>*t49, t57=t52+t56, t58=t54-t55, t59=t52-t56,
    t60=t54+t55, t61=c0<T>*t58, t62=c1<T>*t57, t63=t61-t62, t67=c0<T>*t60, t68=c1<T>*t59, t69=t67+t68, t73=t14+t50,
    t74=t14-t50, t75=t25+t25, t76=t24+t24, t77=t73+t75, t78=t73-t75, t79=t74-t76, t80=t74+t76, t81=t18+t63, t82=t18-t63,
    t83=t38+t38, t84=t41+t41, t85=t81+t83, t86=t81-t83, t87=t82-t84, t88=t82+t84, t89=t19-t69, t90=t19+t69, t91=t44+t44,
    t92=t47+t47, t93=t89+t91, t94=t89-t91, t95=t90-t92, t96=t90+t92; put(0,t77); put(1,t85); put(2,t93); put(3,t79);
    put(4,t87); put(5,t95); put(6,t78); put(7,t86); put(8,t94); put(9,t80); put(10,t88); put(11,t96);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void complex(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), b1=im(0), a2=re(3), b3=im(3), a4=re(6), b5=im(6), a6=re(9), b7=im(9), t8=a0+a4, t9=b1+b5,
    t10=a0-a4, t11=b1-b5, t12=a2+a6, t13=b3+b7, t14=a2-a6, t15=b3-b7, t16=t12+t8, t17=t13+t9, t18=t8-t12, t19=t9-t13,
    t20=t10+t15, t21=t11-t14, t22=t10-t15, t23=t11+t14, a24=re(1), b25=im(1), a26=re(4), b27=im(4), a28=re(7),
    b29=im(7), a30=re(10), b31=im(10), t32=a24+a28, t33=b25+b29, t34=a24-a28, t35=b25-b29, t36=a26+a30, t37=b27+b31,
    t38=a26-a30, t39=b27-b31, t40=t32+t36, t41=t33+t37, t42=t32-t36, t43=t33-t37, t44=t34+t39, t45=t35-t38, t46=t34-t39,
    t47=t35+t38, a48=re(2), b49=im(2), a50=re(5), b51=im(5), a52=re(8), b53=im(8), a54=re(11), b55=im(11), t56=a48+a52,
    t57=b49+b53, t58=a48-a52, t59=b49-b53, t60=a50+a54, t61=b51+b55, t62=a50-a54, t63=b51-b55, t64=t56+t60, t65=t57+t61,
    t66=t56-t60, t67=t57-t61, t68=t58+t63, t69=t59-t62, t70=t58-t63, t71=t59+t62, t72=t40+t64, t73=t41+t65, t74=t40-t64,
    t75=t41-t65, t76=t16+t72, t77=t17+t73, t78=c0<T>*t72, t79=t16-t78, t80=c0<T>*t73, t81=t17-t80, t82=c1<T>*t74,
    t83=c1<T>*t75, t84=t79+t83, t85=t81-t82, t86=t79-t83, t87=t81+t82, t88=c1<T>*t44, t89=c0<T>*t45, t90=t88+t89,
    t91=c1<T>*t45, t92=c0<T>*t44, t93=t91-t92, t94=c0<T>*t68, t95=c1<T>*t69, t96=t94+t95, t97=c0<T>*t69, t98=c1<T>*t68,
    t99=t97-t98, t100=t90+t96, t101=t93+t99, t102=t90-t96, t103=t93-t99, t104=t100+t20, t105=t101+t21, t106=c0<T>*t100,
    t107=t20-t106, t108=c0<T>*t101, t109=t21-t108, t110=c1<T>*t102, t111=c1<T>*t103, t112=t107+t111, t113=t109-t110,
    t114=t107-t111, t115=t109+t110, t116=c0<T>*t42, t117=c1<T>*t43, t118=t116+t117, t119=c0<T>*t43, t120=c1<T>*t42,
    t121=t119-t120, t122=c0<T>*t66, t123=c1<T>*t67, t124=t123-t122, t125=c0<T>*t67, t126=c1<T>*t66, t127=t125+t126,
    t128=t118+t124, t129=t121-t127, t130=t118-t124, t131=t121+t127, t132=t128+t18, t133=t129+t19, t134=c0<T>*t128,
    t135=t18-t134, t136=c0<T>*t129, t137=t19-t136, t138=c1<T>*t130, t139=c1<T>*t131, t140=t135+t139, t141=t137-t138,
    t142=t135-t139, t143=t137+t138, t144=t47-t70, t145=t46+t71, t146=t47+t70, t147=t71-t46, t148=t144+t22,
    t149=t23-t145, t150=c0<T>*t144, t151=t22-t150, t152=c0<T>*t145, t153=t152+t23, t154=c1<T>*t146, t155=c1<T>*t147,
    t156=t151+t155, t157=t153-t154, t158=t151-t155, t159=t153+t154; put(0,t76,t77); put(1,t104,t105); put(2,t132,t133);
    put(3,t148,t149); put(4,t84,t85); put(5,t112,t113); put(6,t140,t141); put(7,t156,t157); put(8,t86,t87);
    put(9,t114,t115); put(10,t142,t143); put(11,t158,t159);
  }
  template <class T, class V, class Re, class Im, class Put>
  TORCHCONV_INLINE void complex_of_half(const Re& re, const Im& im, const Put& put) {
    const V a0=re(0), b1=im(0), a2=re(3), b3=im(3), t4=a0+a2, t5=b1+b3, t6=a0-a2, t7=b1-b3, t8=a0+b3, t9=b1-a2,
    t10=a0-b3, t11=a2+b1, a12=re(1), b13=im(1), a14=re(4), b15=im(4), t16=a12+a14, t17=b13+b15, t18=a12-a14,
    t19=b13-b15, t20=a12+b15, t21=b13-a14, t22=a12-b15, t23=a14+b13, a24=re(2), b25=im(2), a26=re(5), b27=im(5),
    t28=a24+a26, t29=b25+b27, t30=a24-a26, t31=b25-b27, t32=a24+b27, t33=b25-a26, t34=a24-b27, t35=a26+b25, t36=t16+t28,
    t37=t17+t29, t38=t16-t28, t39=t17-t29, t40=t36+t4, t41=t37+t5, t42=c0<T>*t36, t43=t4-t42, t44=c0<T>*t37, t45=t5-t44,
    t46=c1<T>*t38, t47=c1<T>*t39, t48=t43+t47, t49=t45-t46, t50=t43-t47, t51=t45+t46, t52=c1<T>*t20, t53=c0<T>*t21,
    t54=t52+t53, t55=c1<T>*t21, t56=c0<T>*t20, t57=t55-t56, t58=c0<T>*t32, t59=c1<T>*t33, t60=t58+t59, t61=c0<T>*t33,
    t62=c1<T>*t32, t63=t61-t62, t64=t54+t60, t65=t57+t63, t66=t54-t60, t67=t57-t63, t68=t64+t8, t69=t65+t9,
    t70=c0<T>*t64, t71=t8-t70, t72=c0<T>*t65, t73=t9-t72, t74=c1<T>*t66, t75=c1<T>*t67, t76=t71+t75, t77=t73-t74,
    t78=t71-t75, t79=t73+t74, t80=c0<T>*t18, t81=c1<T>*t19, t82=t80+t81, t83=c0<T>*t19, t84=c1<T>*t18, t85=t83-t84,
    t86=c0<T>*t30, t87=c1<T>*t31, t88=t87-t86, t89=c0<T>*t31, t90=c1<T>*t30, t91=t89+t90, t92=t82+t88, t93=t85-t91,
    t94=t82-t88, t95=t85+t91, t96=t6+t92, t97=t7+t93, t98=c0<T>*t92, t99=t6-t98, t100=c0<T>*t93, t101=t7-t100,
    t102=c1<T>*t94, t103=c1<T>*t95, t104=t103+t99, t105=t101-t102, t106=t99-t103, t107=t101+t102, t108=t23-t34,
    t109=t22+t35, t110=t23+t34, t111=t35-t22, t112=t10+t108, t113=t11-t109, t114=c0<T>*t108, t115=t10-t114,
    t116=c0<T>*t109, t117=t11+t116, t118=c1<T>*t110, t119=c1<T>*t111, t120=t115+t119, t121=t117-t118, t122=t115-t119,
    t123=t117+t118; put(0,t40,t41); put(1,t68,t69); put(2,t96,t97); put(3,t112,t113); put(4,t48,t49); put(5,t76,t77);
    put(6,t104,t105); put(7,t120,t121); put(8,t50,t51); put(9,t78,t79); put(10,t106,t107); put(11,t122,t123);
  }
};

}  // namespace torchconv::ISA_NS
