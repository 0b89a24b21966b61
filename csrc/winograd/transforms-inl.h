// Written by tools/generate_winograd.py, which says what it is; do not edit.

namespace torchconv::ISA_NS::winograd {

// At 0, 1, -1 and infinity.

struct Data4 {
  static constexpr int in = 4, out = 4;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    to[0] = from[2] - from[0];
    const V even1 = from[2];
    const V odd1 = from[1];
    to[1] = even1 + odd1;
    to[2] = even1 - odd1;
    to[3] = from[3] - from[1];
  }
};

// At 1/2, -1/2, 5/4, -5/4 and infinity.

struct Data5 {
  static constexpr int in = 5, out = 5;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V even0 = from[3] - T(1.5625) * from[1];
    const V odd0 = from[2] - T(1.5625) * from[0];
    to[0] = even0 + T(0.5) * odd0;
    to[1] = even0 - T(0.5) * odd0;
    const V even2 = from[3] - T(0.25) * from[1];
    const V odd2 = from[2] - T(0.25) * from[0];
    to[2] = even2 + T(1.25) * odd2;
    to[3] = even2 - T(1.25) * odd2;
    to[4] = from[4] + T(0.390625) * from[0] - T(1.8125) * from[2];
  }
};

// At 0, 3/4, -3/4, 3/2, -3/2 and infinity.

struct Data6 {
  static constexpr int in = 6, out = 6;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    to[0] = from[4] + T(1.265625) * from[0] - T(2.8125) * from[2];
    const V even1 = from[4] - T(2.25) * from[2];
    const V odd1 = from[3] - T(2.25) * from[1];
    to[1] = even1 + T(0.75) * odd1;
    to[2] = even1 - T(0.75) * odd1;
    const V even3 = from[4] - T(0.5625) * from[2];
    const V odd3 = from[3] - T(0.5625) * from[1];
    to[3] = even3 + T(1.5) * odd3;
    to[4] = even3 - T(1.5) * odd3;
    to[5] = from[5] + T(1.265625) * from[1] - T(2.8125) * from[3];
  }
};

// At 3/8, -3/8, 7/8, -7/8, 3/2, -3/2 and infinity.

struct Data7 {
  static constexpr int in = 7, out = 7;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V even0 = from[5] + T(1.72265625) * from[1] - T(3.015625) * from[3];
    const V odd0 = from[4] + T(1.72265625) * from[0] - T(3.015625) * from[2];
    to[0] = even0 + T(0.375) * odd0;
    to[1] = even0 - T(0.375) * odd0;
    const V even2 = from[5] + T(0.31640625) * from[1] - T(2.390625) * from[3];
    const V odd2 = from[4] + T(0.31640625) * from[0] - T(2.390625) * from[2];
    to[2] = even2 + T(0.875) * odd2;
    to[3] = even2 - T(0.875) * odd2;
    const V even4 = from[5] + T(0.107666015625) * from[1] - T(0.90625) * from[3];
    const V odd4 = from[4] + T(0.107666015625) * from[0] - T(0.90625) * from[2];
    to[4] = even4 + T(1.5) * odd4;
    to[5] = even4 - T(1.5) * odd4;
    to[6] = from[6] - T(0.24224853515625) * from[0] + T(2.146728515625) * from[2] - T(3.15625) * from[4];
  }
};

// At 0, 1, -1, 1/2, -1/2, 2, -2 and infinity.

struct Data8 {
  static constexpr int in = 8, out = 8;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    to[0] = from[6] - from[0] + T(5.25) * from[2] - T(5.25) * from[4];
    const V even1 = from[2] + from[6] - T(4.25) * from[4];
    const V odd1 = from[1] + from[5] - T(4.25) * from[3];
    to[1] = even1 + odd1;
    to[2] = even1 - odd1;
    const V even3 = from[6] + T(4.0) * from[2] - T(5.0) * from[4];
    const V odd3 = from[5] + T(4.0) * from[1] - T(5.0) * from[3];
    to[3] = even3 + T(0.5) * odd3;
    to[4] = even3 - T(0.5) * odd3;
    const V even5 = from[6] + T(0.25) * from[2] - T(1.25) * from[4];
    const V odd5 = from[5] + T(0.25) * from[1] - T(1.25) * from[3];
    to[5] = even5 + T(2.0) * odd5;
    to[6] = even5 - T(2.0) * odd5;
    to[7] = from[7] - from[1] + T(5.25) * from[3] - T(5.25) * from[5];
  }
};

struct Weights2x3 {
  static constexpr int in = 3, out = 4;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    to[0] = -from[0];
    const V even1 = T(0.5) * from[0] + T(0.5) * from[2];
    const V odd1 = from[1];
    to[1] = even1 + T(0.5) * odd1;
    to[2] = even1 - T(0.5) * odd1;
    to[3] = from[2];
  }
};
struct Result2x3 {
  static constexpr int in = 4, out = 2;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V sum1 = from[1] + from[2];
    const V difference1 = from[1] - from[2];
    to[0] = from[0] + sum1;
    to[1] = from[3] + difference1;
  }
};
struct ResultTransposed2x3 {
  static constexpr int in = 2, out = 4;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    to[0] = from[0];
    const V even1 = from[0];
    const V odd1 = from[1];
    to[1] = even1 + odd1;
    to[2] = even1 - odd1;
    to[3] = from[1];
  }
};
struct WeightsTransposed2x3 {
  static constexpr int in = 4, out = 3;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V sum1 = from[1] + from[2];
    const V difference1 = from[1] - from[2];
    to[0] = -from[0] + T(0.5) * sum1;
    to[1] = T(0.5) * difference1;
    to[2] = from[3] + T(0.5) * sum1;
  }
};

struct Weights4x3 {
  static constexpr int in = 3, out = 6;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    to[0] = T(64.0 / 81) * from[0];
    const V even1 = -T(128.0 / 243) * from[0] - T(8.0 / 27) * from[2];
    const V odd1 = from[1];
    to[1] = even1 - T(32.0 / 81) * odd1;
    to[2] = even1 + T(32.0 / 81) * odd1;
    const V even3 = T(32.0 / 243) * from[0] + T(8.0 / 27) * from[2];
    const V odd3 = from[1];
    to[3] = even3 + T(16.0 / 81) * odd3;
    to[4] = even3 - T(16.0 / 81) * odd3;
    to[5] = from[2];
  }
};
struct Result4x3 {
  static constexpr int in = 6, out = 4;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V sum1 = from[1] + from[2];
    const V difference1 = from[1] - from[2];
    const V sum3 = from[3] + from[4];
    const V difference3 = from[3] - from[4];
    to[0] = from[0] + sum1 + sum3;
    to[1] = T(0.75) * difference1 + T(1.5) * difference3;
    to[2] = T(0.5625) * sum1 + T(2.25) * sum3;
    to[3] = from[5] + T(0.421875) * difference1 + T(3.375) * difference3;
  }
};
struct ResultTransposed4x3 {
  static constexpr int in = 4, out = 6;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    to[0] = from[0];
    const V even1 = from[0] + T(0.5625) * from[2];
    const V odd1 = from[3] + T(16.0 / 9) * from[1];
    to[1] = even1 + T(0.421875) * odd1;
    to[2] = even1 - T(0.421875) * odd1;
    const V even3 = from[0] + T(2.25) * from[2];
    const V odd3 = from[3] + T(4.0 / 9) * from[1];
    to[3] = even3 + T(3.375) * odd3;
    to[4] = even3 - T(3.375) * odd3;
    to[5] = from[3];
  }
};
struct WeightsTransposed4x3 {
  static constexpr int in = 6, out = 3;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V sum1 = from[1] + from[2];
    const V difference1 = from[1] - from[2];
    const V sum3 = from[3] + from[4];
    const V difference3 = from[3] - from[4];
    to[0] = T(64.0 / 81) * from[0] - T(128.0 / 243) * sum1 + T(32.0 / 243) * sum3;
    to[1] = -T(32.0 / 81) * difference1 + T(16.0 / 81) * difference3;
    to[2] = from[5] - T(8.0 / 27) * sum1 + T(8.0 / 27) * sum3;
  }
};

struct Weights5x3 {
  static constexpr int in = 3, out = 7;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V even0 = T(256.0 / 675) * from[1];
    const V odd0 = from[2] + T(64.0 / 9) * from[0];
    to[0] = even0 + T(32.0 / 225) * odd0;
    to[1] = even0 - T(32.0 / 225) * odd0;
    const V even2 = -T(256.0 / 475) * from[1];
    const V odd2 = from[2] + T(64.0 / 49) * from[0];
    to[2] = even2 - T(224.0 / 475) * odd2;
    to[3] = even2 + T(224.0 / 475) * odd2;
    const V even4 = T(2048.0 / 12825) * from[1];
    const V odd4 = from[2] + T(4.0 / 9) * from[0];
    to[4] = even4 + T(1024.0 / 4275) * odd4;
    to[5] = even4 - T(1024.0 / 4275) * odd4;
    to[6] = from[2];
  }
};
struct Result5x3 {
  static constexpr int in = 7, out = 5;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V sum0 = from[0] + from[1];
    const V difference0 = from[0] - from[1];
    const V sum2 = from[2] + from[3];
    const V difference2 = from[2] - from[3];
    const V sum4 = from[4] + from[5];
    const V difference4 = from[4] - from[5];
    to[0] = sum0 + sum2 + sum4;
    to[1] = T(0.375) * difference0 + T(0.875) * difference2 + T(1.5) * difference4;
    to[2] = T(0.140625) * sum0 + T(0.765625) * sum2 + T(2.25) * sum4;
    to[3] = T(0.052734375) * difference0 + T(0.669921875) * difference2 + T(3.375) * difference4;
    to[4] = from[6] + T(0.019775390625) * sum0 + T(0.586181640625) * sum2 + T(5.0625) * sum4;
  }
};
struct ResultTransposed5x3 {
  static constexpr int in = 5, out = 7;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V even0 = from[0] + T(0.140625) * from[2] + T(0.019775390625) * from[4];
    const V odd0 = from[3] + T(64.0 / 9) * from[1];
    to[0] = even0 + T(0.052734375) * odd0;
    to[1] = even0 - T(0.052734375) * odd0;
    const V even2 = from[0] + T(0.765625) * from[2] + T(0.586181640625) * from[4];
    const V odd2 = from[3] + T(64.0 / 49) * from[1];
    to[2] = even2 + T(0.669921875) * odd2;
    to[3] = even2 - T(0.669921875) * odd2;
    const V even4 = from[0] + T(2.25) * from[2] + T(5.0625) * from[4];
    const V odd4 = from[3] + T(4.0 / 9) * from[1];
    to[4] = even4 + T(3.375) * odd4;
    to[5] = even4 - T(3.375) * odd4;
    to[6] = from[4];
  }
};
struct WeightsTransposed5x3 {
  static constexpr int in = 7, out = 3;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V sum0 = from[0] + from[1];
    const V difference0 = from[0] - from[1];
    const V sum2 = from[2] + from[3];
    const V difference2 = from[2] - from[3];
    const V sum4 = from[4] + from[5];
    const V difference4 = from[4] - from[5];
    to[0] = T(2048.0 / 2025) * difference0 - T(2048.0 / 3325) * difference2 + T(4096.0 / 38475) * difference4;
    to[1] = T(256.0 / 675) * sum0 - T(256.0 / 475) * sum2 + T(2048.0 / 12825) * sum4;
    to[2] = from[6] + T(32.0 / 225) * difference0 - T(224.0 / 475) * difference2 + T(1024.0 / 4275) * difference4;
  }
};

struct Weights6x3 {
  static constexpr int in = 3, out = 8;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    to[0] = -from[0];
    const V even1 = -T(2.0 / 9) * from[0] - T(2.0 / 9) * from[2];
    const V odd1 = from[1];
    to[1] = even1 - T(2.0 / 9) * odd1;
    to[2] = even1 + T(2.0 / 9) * odd1;
    const V even3 = T(32.0 / 45) * from[0] + T(8.0 / 45) * from[2];
    const V odd3 = from[1];
    to[3] = even3 + T(16.0 / 45) * odd3;
    to[4] = even3 - T(16.0 / 45) * odd3;
    const V even5 = T(1.0 / 90) * from[0] + T(2.0 / 45) * from[2];
    const V odd5 = from[1];
    to[5] = even5 + T(1.0 / 45) * odd5;
    to[6] = even5 - T(1.0 / 45) * odd5;
    to[7] = from[2];
  }
};
struct Result6x3 {
  static constexpr int in = 8, out = 6;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V sum1 = from[1] + from[2];
    const V difference1 = from[1] - from[2];
    const V sum3 = from[3] + from[4];
    const V difference3 = from[3] - from[4];
    const V sum5 = from[5] + from[6];
    const V difference5 = from[5] - from[6];
    to[0] = from[0] + sum1 + sum3 + sum5;
    to[1] = difference1 + T(0.5) * difference3 + T(2.0) * difference5;
    to[2] = sum1 + T(0.25) * sum3 + T(4.0) * sum5;
    to[3] = difference1 + T(0.125) * difference3 + T(8.0) * difference5;
    to[4] = sum1 + T(0.0625) * sum3 + T(16.0) * sum5;
    to[5] = from[7] + difference1 + T(0.03125) * difference3 + T(32.0) * difference5;
  }
};
struct ResultTransposed6x3 {
  static constexpr int in = 6, out = 8;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    to[0] = from[0];
    const V even1 = from[0] + from[2] + from[4];
    const V odd1 = from[1] + from[3] + from[5];
    to[1] = even1 + odd1;
    to[2] = even1 - odd1;
    const V even3 = from[0] + T(0.25) * from[2] + T(0.0625) * from[4];
    const V odd3 = from[5] + T(16.0) * from[1] + T(4.0) * from[3];
    to[3] = even3 + T(0.03125) * odd3;
    to[4] = even3 - T(0.03125) * odd3;
    const V even5 = from[0] + T(4.0) * from[2] + T(16.0) * from[4];
    const V odd5 = from[5] + T(0.0625) * from[1] + T(0.25) * from[3];
    to[5] = even5 + T(32.0) * odd5;
    to[6] = even5 - T(32.0) * odd5;
    to[7] = from[5];
  }
};
struct WeightsTransposed6x3 {
  static constexpr int in = 8, out = 3;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V sum1 = from[1] + from[2];
    const V difference1 = from[1] - from[2];
    const V sum3 = from[3] + from[4];
    const V difference3 = from[3] - from[4];
    const V sum5 = from[5] + from[6];
    const V difference5 = from[5] - from[6];
    to[0] = -from[0] - T(2.0 / 9) * sum1 + T(32.0 / 45) * sum3 + T(1.0 / 90) * sum5;
    to[1] = -T(2.0 / 9) * difference1 + T(16.0 / 45) * difference3 + T(1.0 / 45) * difference5;
    to[2] = from[7] - T(2.0 / 9) * sum1 + T(8.0 / 45) * sum3 + T(2.0 / 45) * sum5;
  }
};

struct Weights2x5 {
  static constexpr int in = 5, out = 6;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    to[0] = T(64.0 / 81) * from[0];
    const V even1 = -T(128.0 / 243) * from[0] - T(8.0 / 27) * from[2] - T(1.0 / 6) * from[4];
    const V odd1 = from[3] + T(16.0 / 9) * from[1];
    to[1] = even1 - T(2.0 / 9) * odd1;
    to[2] = even1 + T(2.0 / 9) * odd1;
    const V even3 = T(32.0 / 243) * from[0] + T(8.0 / 27) * from[2] + T(2.0 / 3) * from[4];
    const V odd3 = from[3] + T(4.0 / 9) * from[1];
    to[3] = even3 + T(4.0 / 9) * odd3;
    to[4] = even3 - T(4.0 / 9) * odd3;
    to[5] = from[4];
  }
};
struct Result2x5 {
  static constexpr int in = 6, out = 2;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V sum1 = from[1] + from[2];
    const V difference1 = from[1] - from[2];
    const V sum3 = from[3] + from[4];
    const V difference3 = from[3] - from[4];
    to[0] = from[0] + sum1 + sum3;
    to[1] = from[5] + T(0.75) * difference1 + T(1.5) * difference3;
  }
};
struct ResultTransposed2x5 {
  static constexpr int in = 2, out = 6;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    to[0] = from[0];
    const V even1 = from[0];
    const V odd1 = from[1];
    to[1] = even1 + T(0.75) * odd1;
    to[2] = even1 - T(0.75) * odd1;
    const V even3 = from[0];
    const V odd3 = from[1];
    to[3] = even3 + T(1.5) * odd3;
    to[4] = even3 - T(1.5) * odd3;
    to[5] = from[1];
  }
};
struct WeightsTransposed2x5 {
  static constexpr int in = 6, out = 5;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V sum1 = from[1] + from[2];
    const V difference1 = from[1] - from[2];
    const V sum3 = from[3] + from[4];
    const V difference3 = from[3] - from[4];
    to[0] = T(64.0 / 81) * from[0] - T(128.0 / 243) * sum1 + T(32.0 / 243) * sum3;
    to[1] = -T(32.0 / 81) * difference1 + T(16.0 / 81) * difference3;
    to[2] = -T(8.0 / 27) * sum1 + T(8.0 / 27) * sum3;
    to[3] = -T(2.0 / 9) * difference1 + T(4.0 / 9) * difference3;
    to[4] = from[5] - T(1.0 / 6) * sum1 + T(2.0 / 3) * sum3;
  }
};

struct Weights4x5 {
  static constexpr int in = 5, out = 8;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    to[0] = -from[0];
    const V even1 = -T(2.0 / 9) * from[0] - T(2.0 / 9) * from[2] - T(2.0 / 9) * from[4];
    const V odd1 = from[1] + from[3];
    to[1] = even1 - T(2.0 / 9) * odd1;
    to[2] = even1 + T(2.0 / 9) * odd1;
    const V even3 = T(32.0 / 45) * from[0] + T(8.0 / 45) * from[2] + T(2.0 / 45) * from[4];
    const V odd3 = from[3] + T(4.0) * from[1];
    to[3] = even3 + T(4.0 / 45) * odd3;
    to[4] = even3 - T(4.0 / 45) * odd3;
    const V even5 = T(1.0 / 90) * from[0] + T(2.0 / 45) * from[2] + T(8.0 / 45) * from[4];
    const V odd5 = from[3] + T(0.25) * from[1];
    to[5] = even5 + T(4.0 / 45) * odd5;
    to[6] = even5 - T(4.0 / 45) * odd5;
    to[7] = from[4];
  }
};
struct Result4x5 {
  static constexpr int in = 8, out = 4;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V sum1 = from[1] + from[2];
    const V difference1 = from[1] - from[2];
    const V sum3 = from[3] + from[4];
    const V difference3 = from[3] - from[4];
    const V sum5 = from[5] + from[6];
    const V difference5 = from[5] - from[6];
    to[0] = from[0] + sum1 + sum3 + sum5;
    to[1] = difference1 + T(0.5) * difference3 + T(2.0) * difference5;
    to[2] = sum1 + T(0.25) * sum3 + T(4.0) * sum5;
    to[3] = from[7] + difference1 + T(0.125) * difference3 + T(8.0) * difference5;
  }
};
struct ResultTransposed4x5 {
  static constexpr int in = 4, out = 8;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    to[0] = from[0];
    const V even1 = from[0] + from[2];
    const V odd1 = from[1] + from[3];
    to[1] = even1 + odd1;
    to[2] = even1 - odd1;
    const V even3 = from[0] + T(0.25) * from[2];
    const V odd3 = from[3] + T(4.0) * from[1];
    to[3] = even3 + T(0.125) * odd3;
    to[4] = even3 - T(0.125) * odd3;
    const V even5 = from[0] + T(4.0) * from[2];
    const V odd5 = from[3] + T(0.25) * from[1];
    to[5] = even5 + T(8.0) * odd5;
    to[6] = even5 - T(8.0) * odd5;
    to[7] = from[3];
  }
};
struct WeightsTransposed4x5 {
  static constexpr int in = 8, out = 5;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V sum1 = from[1] + from[2];
    const V difference1 = from[1] - from[2];
    const V sum3 = from[3] + from[4];
    const V difference3 = from[3] - from[4];
    const V sum5 = from[5] + from[6];
    const V difference5 = from[5] - from[6];
    to[0] = -from[0] - T(2.0 / 9) * sum1 + T(32.0 / 45) * sum3 + T(1.0 / 90) * sum5;
    to[1] = -T(2.0 / 9) * difference1 + T(16.0 / 45) * difference3 + T(1.0 / 45) * difference5;
    to[2] = -T(2.0 / 9) * sum1 + T(8.0 / 45) * sum3 + T(2.0 / 45) * sum5;
    to[3] = -T(2.0 / 9) * difference1 + T(4.0 / 45) * difference3 + T(4.0 / 45) * difference5;
    to[4] = from[7] - T(2.0 / 9) * sum1 + T(2.0 / 45) * sum3 + T(8.0 / 45) * sum5;
  }
};

struct Weights4x2 {
  static constexpr int in = 2, out = 5;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V even0 = -T(8.0 / 21) * from[1];
    const V odd0 = from[0];
    to[0] = even0 - T(16.0 / 21) * odd0;
    to[1] = even0 + T(16.0 / 21) * odd0;
    const V even2 = T(8.0 / 21) * from[1];
    const V odd2 = from[0];
    to[2] = even2 + T(32.0 / 105) * odd2;
    to[3] = even2 - T(32.0 / 105) * odd2;
    to[4] = from[1];
  }
};
struct Result4x2 {
  static constexpr int in = 5, out = 4;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V sum0 = from[0] + from[1];
    const V difference0 = from[0] - from[1];
    const V sum2 = from[2] + from[3];
    const V difference2 = from[2] - from[3];
    to[0] = sum0 + sum2;
    to[1] = T(0.5) * difference0 + T(1.25) * difference2;
    to[2] = T(0.25) * sum0 + T(1.5625) * sum2;
    to[3] = from[4] + T(0.125) * difference0 + T(1.953125) * difference2;
  }
};
struct ResultTransposed4x2 {
  static constexpr int in = 4, out = 5;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V even0 = from[0] + T(0.25) * from[2];
    const V odd0 = from[3] + T(4.0) * from[1];
    to[0] = even0 + T(0.125) * odd0;
    to[1] = even0 - T(0.125) * odd0;
    const V even2 = from[0] + T(1.5625) * from[2];
    const V odd2 = from[3] + T(16.0 / 25) * from[1];
    to[2] = even2 + T(1.953125) * odd2;
    to[3] = even2 - T(1.953125) * odd2;
    to[4] = from[3];
  }
};
struct WeightsTransposed4x2 {
  static constexpr int in = 5, out = 2;
  template <class T, class V = Vector<T>>
  TORCHCONV_INLINE void apply(const V* from, V* to) {
    const V sum0 = from[0] + from[1];
    const V difference0 = from[0] - from[1];
    const V sum2 = from[2] + from[3];
    const V difference2 = from[2] - from[3];
    to[0] = -T(16.0 / 21) * difference0 + T(32.0 / 105) * difference2;
    to[1] = from[4] - T(8.0 / 21) * sum0 + T(8.0 / 21) * sum2;
  }
};

struct F2x3 {
  using Data = Data4;
  using Weights = Weights2x3;
  using Result = Result2x3;
  using ResultTransposed = ResultTransposed2x3;
  using WeightsTransposed = WeightsTransposed2x3;
};
struct F4x3 {
  using Data = Data6;
  using Weights = Weights4x3;
  using Result = Result4x3;
  using ResultTransposed = ResultTransposed4x3;
  using WeightsTransposed = WeightsTransposed4x3;
};
struct F5x3 {
  using Data = Data7;
  using Weights = Weights5x3;
  using Result = Result5x3;
  using ResultTransposed = ResultTransposed5x3;
  using WeightsTransposed = WeightsTransposed5x3;
};
struct F6x3 {
  using Data = Data8;
  using Weights = Weights6x3;
  using Result = Result6x3;
  using ResultTransposed = ResultTransposed6x3;
  using WeightsTransposed = WeightsTransposed6x3;
};
struct F2x5 {
  using Data = Data6;
  using Weights = Weights2x5;
  using Result = Result2x5;
  using ResultTransposed = ResultTransposed2x5;
  using WeightsTransposed = WeightsTransposed2x5;
};
struct F4x5 {
  using Data = Data8;
  using Weights = Weights4x5;
  using Result = Result4x5;
  using ResultTransposed = ResultTransposed4x5;
  using WeightsTransposed = WeightsTransposed4x5;
};
struct F4x2 {
  using Data = Data5;
  using Weights = Weights4x2;
  using Result = Result4x2;
  using ResultTransposed = ResultTransposed4x2;
  using WeightsTransposed = WeightsTransposed4x2;
};

}  // namespace torchconv::ISA_NS::winograd
