// What all passes do with a tile whose rows are transformed: a spectrum has w.size / 2 columns, and a column h.size
// slots of two chunks. Column 0 is two real ones, of the outputs 0 and w.size / 2 of the rows; where they are real
// again, at slots 0 and h.size / 2, a slot is a pair of real numbers.
namespace torchconv::ISA_NS {

using fft::Series;
using fft::Transform;

// h is null where the kernel has one row and columns are left as they are.
template <class T>
struct Transforms {
  const Transform<T>*h, *w;
  int64_t rows, columns;  // of a spectrum

  Transforms(Isa isa, int64_t h_size, int64_t w_size)
      : h(h_size == 1 ? nullptr : &fft::transform<T>(isa, h_size)),
        w(&fft::transform<T>(isa, w_size)),
        rows(h_size),
        columns(w_size / 2) {}
  TORCHCONV_INLINE bool is_pair(const Transforms& t, int64_t column, int64_t slot) {
    return column == 0 && (slot == 0 || 2 * slot == t.rows);
  }
};

// Zeros in the slots of `count` rows.
template <class T>
static void zero_slots(int64_t slots, int64_t count, const Series<T>& s) {
  for (int64_t j = 0; j < slots; ++j)
    for (int64_t i = 0; i < count; ++i) {
      T* slot = s.data + j * s.step + i * s.next;
      zero_chunk(slot), zero_chunk(slot + s.im);
    }
}

template <class T>
static void copy_columns(int64_t count, Series<const T> in, Series<T> out) {
  for (; count > 0; --count, in.data += in.next, out.data += out.next)
    copy_chunk(out.data, in.data), copy_chunk(out.data + out.im, in.data + in.im);
}

// `count` columns of as many tiles or channels. in: the rows' slots, of which those from `nonzero` on are zero.
template <class T>
TORCHCONV_INLINE void forward_columns(const Transforms<T>& t, int64_t column, int64_t count, const Series<const T>& in,
                                      int64_t nonzero, const Series<T>& out) {
  if (!t.h) {
    copy_columns(count, in, out);
  } else if (column == 0) {
    t.h->real(count, in, out);
    t.h->real(count, {in.data + in.im, in.step, 0, in.next}, out.at(t.rows / 2));
  } else {
    t.h->complex(count, in, nonzero, out);
  }
}

template <class T>
TORCHCONV_INLINE void inverse_columns(const Transforms<T>& t, int64_t column, int64_t count, const Series<const T>& in,
                                      const Series<T>& out) {
  if (!t.h) {
    copy_columns(count, in, out);
  } else if (column == 0) {
    t.h->inverse(count, in, out);
    t.h->inverse(count, in.at(t.rows / 2), {out.data + out.im, out.step, 0, out.next});
  } else {
    t.h->complex_inverse(count, in, out);
  }
}

}  // namespace torchconv::ISA_NS
