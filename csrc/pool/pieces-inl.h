// One thread's part of the workspace, in pieces.
namespace torchconv::ISA_NS {

using pool::Axis;
using pool::Origin;
using pool::PoolProblem;
using pool::Range;
using pool::Scratch;
using pool::Window;

template <class T>
struct Pieces {
  T* lines;           // [stride][length]: a row of x or grad_x, cut by the stride
  T* count;           // [length]: the divisor's factor for each output
  Index<T>* first;    // [length]: the first column of each output's window
  Index<T>* columns;  // [length]: where the maxima of the columns of adaptive windows stand
  T* value;           // [slots][length]: rows pooled along W, or rows of grad_y
  Index<T>* at;       // [slots][length]: their indices
  int64_t* offset;    // [kernel]: where in lines a tap finds the first output's element
  int64_t* held;      // [slots]: the row of x or y that a slot holds
  int64_t* listed;    // [slots]: where the rows begin that take part in the row at hand
  int64_t* tap;       // [slots]: the number of their first tap in the window
  T* plane;           // [x_plane]: the sums of max_pool_grad by indices, where grad_x has a narrower type

  Pieces(const PoolProblem& p, const Scratch& s, void* workspace, int thread) {
    const Axis& w = p.axis[2];
    offset = (int64_t*)((char*)workspace + thread * s.bytes);
    held = offset + w.kernel, listed = held + s.slots, tap = listed + s.slots;
    lines = (T*)(tap + s.slots), count = lines + w.stride * s.length;
    first = (Index<T>*)(count + s.length), columns = first + s.length, at = columns + s.length;
    value = (T*)(at + s.slots * s.length), plane = value + s.slots * s.length;
    for (int64_t k = 0; k < w.kernel; ++k) offset[k] = k * w.dil % w.stride * s.length + k * w.dil / w.stride;
  }
};

}  // namespace torchconv::ISA_NS
