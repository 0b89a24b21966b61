// Strips of NCHW planes in the workspace.
namespace torchconv::ISA_NS {

using depthwise::Planes;

// Rows of a plane of width W, cut as planes.h says. The padding around them stays as it was.
template <class S, class T = Compute<S>>
static void cut_rows(const Planes& planes, int64_t W, const S* plane, const Range& rows, T* strip) {
  for (int64_t h = rows.begin; h < rows.end; ++h, strip += planes.pitch)
    cut_row(plane + h * W, W, planes.pad, planes.cut, strip, planes.length);
}

}  // namespace torchconv::ISA_NS
