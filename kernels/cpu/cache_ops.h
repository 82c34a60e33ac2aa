// The operations of kernels/common/ops.h on the CPU, for memory it can reach: rows are moved in as long pieces as lie
// together, converted and attended to in vectors, all threads share the work. Conversions give the same bits as the
// definitions; sums of attention are f32, in an order of their own.
#pragma once

#include <kernels/common/ops.h>
#include <kernels/cpu/threads.h>

namespace kv::cpu {

void run(const Append& op, Threads& threads);
void run(const CopyBlocks& op, Threads& threads);
void run(const Gather& op, Threads& threads);
void run(const Scatter& op, Threads& threads);
void run(const Transpose& op, Threads& threads);
void run(const Quantize& op, Threads& threads);
void run(const Dequantize& op, Threads& threads);
void run(const Decode& op, Threads& threads);
void run(const Accumulate& op, Threads& threads);
void run(const TopK& op, Threads& threads);
void run(const Compact& op, Threads& threads);
void run(const Swap& op, Threads& threads);

/// f32 values of `count` rows that lie together, and such rows from f32 values: the bytes of the codecs.
void decode_rows(const RowFormat& format, const uint8_t* data, const uint8_t* meta, uint64_t count, float* values);
void encode_rows(const RowFormat& format, const float* values, uint64_t count, uint8_t* data, uint8_t* meta);

}  // namespace kv::cpu
