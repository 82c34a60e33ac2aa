// KV_HD marks what both the CPU and a kernel may call.
#pragma once

#if defined(__CUDACC__)
#define KV_HD __host__ __device__
#else
#define KV_HD
#endif
