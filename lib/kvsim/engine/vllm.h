// `--engine vllm` and `vllm_classic`: the cache manager of vLLM v1, with its scheduler where requests arrive in time.
#pragma once

#include <kvsim/engine/engines.h>
#include <kvsim/engine/vllm_manager.h>

#include <memory>

namespace kvsim {

class VllmCache : public Cache {
  public:
    /// Throws Error(input) on a trace that the engine cannot serve.
    VllmCache(const std::string& engine, const Trace& trace, const RunOptions& options);

    void run(const Trace& trace, const RunOptions& options, RunResult& result) override;
    void check_invariants() const override;
    const VllmManager& manager() const { return manager_; }

  private:
    VllmOptions options_;
    VllmManager manager_;
};

EngineRow vllm_engine();
EngineRow vllm_classic_engine();

}  // namespace kvsim
