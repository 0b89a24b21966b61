#include "pack.h"

#include <cstring>

namespace torchconv {

// In front of the weights, on a cache line of its own; all that they may depend on.
struct alignas(64) PackHeader {
  char algo[28];
  int32_t isa, dtype, layout;
  int32_t K, Cg, T, R, S, G;
};

static PackHeader header_of(const char* algo, const ConvProblem& p) {
  PackHeader h{};
  std::strncpy(h.algo, algo, sizeof h.algo - 1);
  h.isa = int32_t(p.isa), h.dtype = int32_t(p.dtype), h.layout = int32_t(p.layout);
  h.K = int32_t(p.K), h.Cg = int32_t(p.Cg()), h.G = int32_t(p.G);
  h.T = int32_t(p.T), h.R = int32_t(p.R), h.S = int32_t(p.S);
  return h;
}

static std::string describe(const PackHeader& h) {
  return join(h.algo, ", ", to_string(Isa(h.isa)), ", ", to_string(DType(h.dtype)), ", ", to_string(Layout(h.layout)),
              ", w [", h.K, ", ", h.Cg, ", ", h.T, ", ", h.R, ", ", h.S, "] in ", h.G, " groups");
}

Tensor make_pack(const Row& row, const ConvProblem& p, const Tensor& w) {
  if (!row.pack || !p.products_per_output() || !p.K || !row.pack_bytes(p)) return allocate_workspace(0, w);
  const Tensor pack = allocate_workspace(int64_t(sizeof(PackHeader)) + row.pack_bytes(p), w);
  char* bytes = (char*)pack.mutable_data_ptr();
  const PackHeader header = header_of(row.algo, p);
  std::memcpy(bytes, &header, sizeof header);
  row.pack(p, w.const_data_ptr(), bytes + sizeof header);
  return pack;
}

const Row& row_of_pack(const Tensor& pack, const ConvProblem& p) {
  TORCHCONV_CHECK(pack.is_cpu() && pack.scalar_type() == ScalarType::Byte && pack.is_contiguous() &&
                      pack.numel() >= int64_t(sizeof(PackHeader)),
                  "pack: expected what conv_pack returned, got ", pack.numel(), " elements of dtype ",
                  torch::headeronly::toString(pack.scalar_type()), " on ", device_of(pack));
  PackHeader header;
  std::memcpy(&header, pack.const_data_ptr(), sizeof header);
  header.algo[sizeof header.algo - 1] = 0;
  for (const Row& row : rows()) {
    if (row.pass != p.pass || row.device != p.device || !row.pack || std::strcmp(row.algo, header.algo) != 0) continue;
    const PackHeader expected = header_of(row.algo, p);
    TORCHCONV_CHECK(std::memcmp(&header, &expected, sizeof header) == 0, "pack: expected one for (", describe(expected),
                    "), got one for (", describe(header), ")");
    const std::string reason = row.refuses(p);
    TORCHCONV_CHECK(reason.empty(), "pack: expected a problem that ", row.algo, ", which made it, can run: ", reason);
    const int64_t bytes = row.pack_bytes(p);
    TORCHCONV_CHECK(bytes, "pack: expected none, since ", row.algo, " prepares no weights for such a problem, got one");
    TORCHCONV_CHECK(pack.numel() == int64_t(sizeof header) + bytes, "pack: expected ", int64_t(sizeof header) + bytes,
                    " bytes, got ", pack.numel());
    return row;
  }
  fail("pack: expected what conv_pack returned, got bytes that no algorithm has made");
}

const void* weights_in(const Tensor& pack) { return (const char*)pack.const_data_ptr() + sizeof(PackHeader); }

}  // namespace torchconv
