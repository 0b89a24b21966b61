// Strips of NCHW planes in the workspace.
namespace torchconv::ISA_NS {

using depthwise::Planes;

template <class T>
TORCHCONV_INLINE void zero_strip(T* strip, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) store(strip + i, Vector<T>{});
  for (; i < count; ++i) strip[i] = T(0);
}

// Rows of a plane of width W, cut as planes.h says. The padding around them stays as it was.
template <class S, class T = Compute<S>>
static void cut_rows(const Planes& planes, int64_t W, const S* plane, const Range& rows, T* strip) {
  for (int64_t h = rows.begin; h < rows.end; ++h, strip += planes.pitch)
    cut_row(plane + h * W, W, planes.pad, planes.cut, strip, planes.length);
}

}  // namespace torchconv::ISA_NS
