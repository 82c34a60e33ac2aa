#include <kvsim/backend/swap_pieces.h>

namespace kvsim {

std::vector<CopyPiece> swap_pieces(const kv::Swap& op, const uint32_t* blocks, const uint32_t* host_blocks) {
    std::vector<CopyPiece> pieces;
    pieces.reserve(size_t{op.count} * op.pool.layers * 4);
    uint64_t rows = op.pool.block_rows();
    for (uint32_t i = 0; i < op.count; ++i) {
        uint8_t* host = op.host + host_blocks[i] * op.block_bytes();
        auto piece = [&](uint8_t* device, uint64_t bytes) {
            if (bytes != 0)
                pieces.push_back(op.to_host ? CopyPiece{host, device, bytes} : CopyPiece{device, host, bytes});
            host += bytes;
        };
        for (uint32_t layer = 0; layer < op.pool.layers; ++layer) {
            uint64_t first = op.pool.row(layer, blocks[i], 0, 0);
            for (const kv::Rows* r : {&op.pool.keys, &op.pool.values}) {
                piece(r->data_at(first), rows * r->format.data_bytes());
                piece(r->meta_at(first), rows * r->format.meta_bytes());
            }
        }
    }
    return pieces;
}

}  // namespace kvsim
