// Swaps by the copy engines. Never run on a GPU so far: compiled, and its list of pieces tested on the CPU.
#if KVSIM_HAVE_CUDA

#include <kvsim/backend/cuda_call.h>
#include <kvsim/backend/swap_pieces.h>

namespace kvsim {
namespace {

void copy_one_by_one(const std::vector<CopyPiece>& pieces, cudaStream_t stream) {
    for (const CopyPiece& p : pieces)
        cuda_check(cudaMemcpyAsync(p.to, p.from, p.bytes, cudaMemcpyDefault, stream), "swap");
}

}  // namespace

void cuda_swap_by_copies(const kv::Swap& op, const uint32_t* blocks, const uint32_t* host_blocks,
                         cudaStream_t stream) {
    std::vector<CopyPiece> pieces = swap_pieces(op, blocks, host_blocks);
    if (pieces.empty()) return;
    cudaStreamCaptureStatus recording = cudaStreamCaptureStatusNone;
    cuda_check(cudaStreamIsCapturing(stream, &recording), "stream");
    // Whether batches can be recorded into a graph is not written down.
    if (recording != cudaStreamCaptureStatusNone) return copy_one_by_one(pieces, stream);
    std::vector<void*> to;
    std::vector<const void*> from;
    std::vector<size_t> bytes;
    for (const CopyPiece& p : pieces) {
        to.push_back(p.to);
        from.push_back(p.from);
        bytes.push_back(p.bytes);
    }
    // Read when their turn on the stream has come: what an earlier swap wrote to host memory is there by then.
    cudaMemcpyAttributes attributes{};
    attributes.srcAccessOrder = cudaMemcpySrcAccessOrderStream;
    size_t first = 0;
    cudaError_t code = cudaMemcpyBatchAsync(to.data(), from.data(), bytes.data(), pieces.size(), &attributes, &first, 1,
                                            stream);
    if (code == cudaErrorNotSupported || code == cudaErrorCallRequiresNewerDriver || code == cudaErrorInvalidValue) {
        cudaGetLastError();
        return copy_one_by_one(pieces, stream);  // an older driver; or what is wrong with a piece shows now
    }
    cuda_check(code, "swap");
}

}  // namespace kvsim

#endif
