#include "cli.h"

#include <kvsim/backend/backend.h>
#include <kvsim/core/error.h>
#include <kvsim/core/output_file.h>
#include <kvsim/core/suggest.h>
#include <kvsim/eviction/sequence_policy.h>
#include <kvsim/eviction/token_policy.h>
#include <kvsim/engine/engines.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/quant/dtype.h>
#include <kvsim/model/gpu.h>
#include <kvsim/model/model.h>
#include <kvsim/report/list_report.h>
#include <kvsim/sim/bench_case.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generator.h>
#include <kvsim/trace/writer.h>

#include <unistd.h>

#include <cstdio>
#include <optional>

namespace kvsim::app {

namespace {

ListSection layout_section() {
    ListSection s{"layouts", {}};
    for (const LayoutRow& r : layouts().rows()) {
        std::string detail;
        for (const auto& [option, fallback] : r.options) {
            detail += (detail.empty() ? "" : " ") + option;
            if (!fallback.empty()) detail += "=" + fallback;
        }
        s.rows.push_back({r.id, r.summary, detail});
    }
    return s;
}

std::string token_detail(const TokenStrategyRow& r) {
    std::string detail = "under quantized";
    if (r.needs_weights) detail += "; needs attention weights";
    if (r.needs_keys_before_rotation) detail += "; needs keys before rotation";
    if (!r.parameters.empty()) detail += "; parameters " + r.parameters;
    return r.source.empty() ? detail : detail + "; " + r.source;
}

ListSection eviction_section() {
    ListSection s{"evictions", {}};
    for (const SequenceStrategyRow& r : sequence_strategies().rows())
        s.rows.push_back({"sequence/" + r.id, r.summary,
                          "under paged, contiguous" + (r.parameters.empty() ? "" : "; parameters " + r.parameters)});
    for (const BlockStrategyRow& r : block_strategies().rows())
        s.rows.push_back({"block/" + r.id, r.info.summary, "under " + r.info.accountings + "; " + r.info.verified +
                                                               (r.info.parameters.empty() ? "" : "; parameters " + r.info.parameters)});
    for (const TokenStrategyRow& r : token_strategies().rows())
        s.rows.push_back({"token/" + r.id, r.summary, token_detail(r)});
    return s;
}

ListSection format_section() {
    ListSection s{"formats", {}};
    for (const FormatRow& r : trace_formats().rows()) {
        std::string detail = "ids name " + r.ids;
        if (!r.parameters.empty()) detail += "; parameters " + r.parameters;
        if (trace_writers().find(r.id)) detail += "; can be written";
        s.rows.push_back({r.id, r.summary, detail});
    }
    return s;
}

ListSection generator_section() {
    ListSection s{"generators", {}};
    for (const GeneratorRow& r : trace_generators().rows()) {
        std::string detail;
        for (const GeneratorParameter& p : r.parameters) detail += (detail.empty() ? "" : " ") + p.key + "=" + p.fallback;
        s.rows.push_back({r.id, r.summary, detail});
    }
    return s;
}

ListSection model_section() {
    ListSection s{"models", {}};
    for (const ModelRow& r : models().rows()) s.rows.push_back({r.id, r.summary, {}});
    return s;
}

ListSection gpu_section() {
    ListSection s{"gpus", {}};
    for (const GpuRow& r : gpus().rows()) s.rows.push_back({r.id, r.summary, r.detail});
    return s;
}

ListSection dtype_section() {
    ListSection s{"dtypes", {}};
    for (const KvDtypeRow& r : kv_dtypes().rows()) s.rows.push_back({r.id, r.summary, r.parameters});
    return s;
}

ListSection backend_section() {
    ListSection s{"backends", {}};
    for (const BackendRow& r : backends().rows()) {
        std::string why = r.unavailable();
        std::string detail = r.parameters.empty() ? "" : "parameters " + r.parameters;
        if (!why.empty()) detail += (detail.empty() ? "" : "; ") + std::string("not available here: ") + why;
        s.rows.push_back({r.id, r.summary, detail});
    }
    return s;
}

ListSection kernel_section() {
    ListSection s{"kernels", {}};
    for (const BenchKernelRow& r : bench_kernels().rows())
        s.rows.push_back({r.id, r.summary, "moves " + r.bytes + "; axes " + join(r.axes) + "; held against " + r.ceiling});
    return s;
}

ListSection engine_section() {
    ListSection s{"engines", {}};
    for (const EngineRow& r : engines().rows())
        s.rows.push_back({r.id, r.cache.summary, "rules of " + r.upstream_commit + ", " + r.rules_date + "; verified: " + r.verified,
                          {{"upstream_commit", r.upstream_commit}, {"rules_date", r.rules_date}, {"verified", r.verified}}, r.parameters});
    return s;
}

struct Kind {
    const char* plural;
    const char* singular;
    ListSection (*make)();
};
constexpr Kind kKinds[] = {{"layouts", "layout", layout_section},       {"evictions", "eviction", eviction_section},
                           {"engines", "engine", engine_section},
                           {"formats", "format", format_section},       {"generators", "generator", generator_section},
                           {"models", "model", model_section},          {"gpus", "gpu", gpu_section},
                           {"dtypes", "dtype", dtype_section},          {"backends", "backend", backend_section},
                           {"kernels", "kernel", kernel_section}};

class ListCommand : public Command {
  public:
    explicit ListCommand(CLI::App& parent)
        : Command(parent, "list", "what there is: layouts, evictions, engines, formats, generators, models, gpus, dtypes, backends, kernels",
                  "  kvsim list\n  kvsim list models") {
        positional("kind", kind_, "layouts, evictions, engines, formats, generators, models, gpus, dtypes, backends or kernels; default all", false);
        run = [this] { return execute(); };
    }

  private:
    int execute() {
        std::vector<ListSection> sections;
        std::vector<std::string> known;
        for (const Kind& k : kKinds) {
            known.emplace_back(k.plural);
            if (kind_.empty() || kind_ == k.plural || kind_ == k.singular) sections.push_back(k.make());
        }
        if (sections.empty())
            throw_input("cannot list '" + kind_ + "'" + did_you_mean(kind_, known) + "; known: " + join(known));
        if (!common.report.empty()) {
            OutputFile out(common.report);
            out.write(list_json(sections));
            out.commit();
        }
        if (common.report != "-") std::fputs(list_table(sections, common.console.colored(STDOUT_FILENO), Console::width(STDOUT_FILENO)).c_str(), stdout);
        return 0;
    }
    std::string kind_;
};

}  // namespace

std::unique_ptr<Command> list_command(CLI::App& parent) { return std::make_unique<ListCommand>(parent); }

}  // namespace kvsim::app
