// A swap as a list of copies, for backends whose copies are made elsewhere (the copy engines of a GPU). All keys of a
// block are neighbours in a layer, in both orders, and so are its values: two pieces, two more where there are scales.
#pragma once

#include <kernels/common/ops.h>

#include <cstddef>
#include <vector>

namespace kvsim {

struct CopyPiece {
    void* to = nullptr;
    const void* from = nullptr;
    size_t bytes = 0;
};

/// `blocks` and `host_blocks` can be read here; op's own lists are not looked at.
std::vector<CopyPiece> swap_pieces(const kv::Swap& op, const uint32_t* blocks, const uint32_t* host_blocks);

}  // namespace kvsim
