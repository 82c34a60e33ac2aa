// SGLang's managers as rows of the registry of engines.
#pragma once

#include <kvsim/engine/engines.h>

namespace kvsim {

EngineRow sglang_engine();
EngineRow sglang_unified_engine();

}  // namespace kvsim
