// Synthetic attention heads with a sink, a recency kernel, content matches and heavy hitters.
#pragma once

#include <kvsim/kvdata/kv_data.h>

namespace kvsim {

/// `synthetic:key=value,...`. Throws Error(input).
KvData make_synthetic(const std::string& text);

}  // namespace kvsim
