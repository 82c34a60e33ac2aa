#include "options.h"
#include "outputs.h"

#include <kvsim/backend/row_format.h>
#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/suggest.h>
#include <kvsim/core/units.h>
#include <kvsim/model/hf_config.h>
#include <kvsim/report/bench_report.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace kvsim::app {

namespace {

class BenchCommand : public Command {
  public:
    explicit BenchCommand(CLI::App& parent)
        : Command(parent, "bench", "time the kernels of a KV cache on this machine's processor and GPU",
                  "  kvsim bench\n"
                  "  kvsim bench decode gather --kv-dtype bf16,int8,int4 --batch 1,8,32 --context 512,4096,32768\n"
                  "  kvsim bench append --model llama-3.1-8b --backend cpu --report bench.json") {
        positionals("kernel", kernels_, "kernels, see `kvsim list kernels` (default: all)", false);
        add_shapes();
        const std::string group = "Measurement";
        option("--backend", backend_, "all (default), or one of `kvsim list backends`, with parameters: cpu:threads=1",
               group, "ID");
        option("--min-time", min_time_, "seconds that the samples of a kernel take together at least", group, "S");
        option("--samples", samples_,
               "so many samples, however long they take (default: until --min-time is over and the median "
               "is known to 2 %, or four times --min-time)",
               group, "N");
        option("--buffers", buffers_,
               "memory that buffers to go round take at most; with less, small shapes are measured warm", group,
               "SIZE");
        option("--warmup", warmup_, "launches before the first sample at least; every buffer is used once anyway",
               group, "N");
        outputs_.add_to(*this);
        run = [this] { return execute(); };
    }

  private:
    void add_shapes() {
        const std::string group = "Shapes (lists are crossed)";
        list("--kv-dtype", kv_dtype_,
             "types of stored keys and values: f32, f16, bf16, fp8_e4m3, int8, int4 with "
             "group=, scale=, symmetric= (default bf16,int8,int4; with --model the model's)",
             group);
        list("--batch", batch_, "sequences (default 4)", group);
        list("--context", context_, "tokens of each (default 512,2048,8192)", group);
        list("--block-size", block_size_, "tokens per block (default 16)", group);
        list("--order", order_, "order of a block's rows: hnd (default) or nhd", group);
        list("--kv-heads", kv_heads_, "KV heads (default 8)", group);
        list("--q-heads", q_heads_, "query heads (default 32)", group);
        list("--head-dim", head_dim_, "values of a head's key (default 128)", group);
        option("--model", model_,
               "heads, head dimension and KV dtype of a model: a preset of `kvsim list models`, or a Hugging "
               "Face config.json",
               group, "ID|FILE");
    }

    int execute() {
        auto start = std::chrono::steady_clock::now();
        resolve();
        std::vector<BenchCell> cells = bench_cells(kernels_, axes_);
        std::vector<std::string> chosen = chosen_backends();
        outputs_.open(*this, "bench", {});
        stop_on_interrupt(stop_);
        BenchReport report;
        for (const std::string& backend : chosen) report.runs.push_back(run_on(backend, cells));
        refuse_if_nothing(report);
        report.interrupted = stop_;
        report.config = resolved();
        report.wall_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
        if (outputs_.wants_json()) outputs_.write(bench_json(report));
        outputs_.print(bench_table(report));
        if (report.interrupted) common.console.say("interrupted: what was finished is there");
        return report.interrupted ? kExitInterrupted : 0;
    }

    // ---- options -------------------------------------------------------------------------------------------

    static void numbers(const std::vector<std::string>& given, const std::string& option, uint64_t high,
                        std::vector<uint32_t>& into) {
        if (given.empty()) return;
        into.clear();
        for (const std::string& item : list_items(given, option)) {
            into.push_back(static_cast<uint32_t>(whole_option(item, option, 1, high)));
            if (std::count(into.begin(), into.end(), into.back()) > 1)
                throw_input(option + " " + item + ": given twice");
        }
    }

    void resolve() {
        numbers(batch_, "--batch", 1 << 16, axes_.batch);
        numbers(context_, "--context", 1 << 24, axes_.context);
        numbers(block_size_, "--block-size", 1 << 16, axes_.block_size);
        numbers(kv_heads_, "--kv-heads", 1 << 12, axes_.kv_heads);
        numbers(q_heads_, "--q-heads", 1 << 12, axes_.q_heads);
        numbers(head_dim_, "--head-dim", 1 << 12, axes_.head_dim);
        if (!kv_dtype_.empty()) axes_.kv_dtype = list_items(kv_dtype_, "--kv-dtype");
        if (!order_.empty()) resolve_order();
        if (!model_.empty()) resolve_model_shape();
        for (const std::string& dtype : axes_.kv_dtype) check_dtype(dtype);
        for (size_t i = 0; i < kernels_.size(); ++i) {
            bench_kernels().get(kernels_[i]);
            if (std::count(kernels_.begin(), kernels_.end(), kernels_[i]) > 1)
                throw_input("kernel " + kernels_[i] + ": given twice");
        }
        double seconds = 0;
        if (!parse_number(min_time_, seconds) || seconds < 0 || seconds > 3600)
            throw_input("--min-time " + min_time_ + ": expected seconds from 0 to 3600");
        measure_.min_time_us = seconds * 1e6;
        if (!samples_.empty()) measure_.samples = whole_option(samples_, "--samples", 1, 1 << 20);
        measure_.warmup = whole_option(warmup_, "--warmup", 0, 1 << 20);
        measure_.memory_bytes = parse_size_bytes(buffers_, "--buffers");
        measure_.stop = &stop_;
    }

    void resolve_order() {
        axes_.order.clear();
        for (const std::string& item : list_items(order_, "--order")) {
            if (item != "hnd" && item != "nhd")
                throw_input("--order " + item + ": expected hnd or nhd" + did_you_mean(item, {"hnd", "nhd"}));
            axes_.order.push_back(item == "hnd" ? kv::Order::hnd : kv::Order::nhd);
        }
    }

    /// Of the first layers that have keys and values of their own.
    void resolve_model_shape() {
        for (const auto& [option, given] :
             {std::pair("--kv-heads", &kv_heads_), {"--q-heads", &q_heads_}, {"--head-dim", &head_dim_}})
            if (!given->empty()) throw_input(std::string(option) + " and --model exclude each other; give one of them");
        ModelShape shape = resolve_model(model_);
        for (const LayerGroup& g : shape.groups) {
            if (g.kind != LayerKind::full && g.kind != LayerKind::window) continue;
            if (g.value_head_dim != 0 && g.value_head_dim != g.head_dim)
                throw_input("--model " + model_ + ": its keys have " + std::to_string(g.head_dim) +
                            " values and its values " + std::to_string(g.value_head_dim) +
                            "; kernels are timed on equal ones");
            axes_.kv_heads = {static_cast<uint32_t>(g.kv_heads)};
            axes_.q_heads = {static_cast<uint32_t>(shape.query_heads.value_or(g.kv_heads))};
            axes_.head_dim = {static_cast<uint32_t>(g.head_dim)};
            if (kv_dtype_.empty()) axes_.kv_dtype = {shape.default_dtype};
            return;
        }
        throw_input("--model " + model_ + ": no layer keeps keys and values of heads");
    }

    /// A dtype that suits no head dimension is an error; one that suits some skips the others.
    void check_dtype(const std::string& dtype) const {
        std::string first;
        for (uint32_t dim : axes_.head_dim) {
            try {
                row_format(dtype, dim);
                return;
            } catch (const Error& e) {
                if (first.empty()) first = e.what();
            }
        }
        throw_input("--kv-dtype " + dtype + ": " + first);
    }

    /// As specs. Throws Error(input) on one that is not there, but for `all`.
    std::vector<std::string> chosen_backends() const {
        if (backend_ == "all") return backends().ids();
        std::vector<std::string> known = backends().ids();
        known.emplace_back("all");
        std::string id = Spec::parse(backend_).id();
        const BackendRow* row = backends().find(id);
        if (!row) throw_input("--backend " + backend_ + ": expected one of " + join(known) + did_you_mean(id, known));
        if (std::string why = row->unavailable(); !why.empty()) throw_input("--backend " + backend_ + ": " + why);
        return {backend_};
    }

    BenchRun run_on(const std::string& text, const std::vector<BenchCell>& cells) {
        Spec spec = Spec::parse(text);
        const BackendRow& row = backends().get(spec.id());
        if (std::string why = row.unavailable(); !why.empty()) {
            common.console.explain("skipped: backend " + row.id + ": " + why);
            return bench_unavailable(row.id, why, cells);
        }
        std::unique_ptr<Backend> backend = row.make(spec);
        spec.finish();
        uint64_t calibrated = 1 + (calibrations().size() - 1) * measure_.calibration_bytes.size();
        common.console.explain(row.id + ": " + format_count(calibrated) + " calibrations, then " + format_count(cells.size()) +
                               " kernels and shapes, each until " +
                               (measure_.samples ? format_count(measure_.samples) + " samples are there"
                                                 : min_time_ + " s are over and the median is known to 2 %"));
        Progress progress(common.console, "measuring on " + row.id, cells.size() + calibrated);
        BenchOptions options = measure_;
        options.done = &progress.done();
        return bench_on(*backend, row.id, cells, options);
    }

    void refuse_if_nothing(const BenchReport& report) const {
        const BenchResult* skipped = nullptr;
        for (const BenchRun& there : report.runs)
            for (const BenchResult& r : there.kernels) {
                if (r.status == BenchStatus::ok || r.status == BenchStatus::interrupted) return;
                if (r.status == BenchStatus::skipped && !skipped) skipped = &r;
            }
        if (skipped)
            throw_input("kernel " + skipped->name + " (" + bench_words(skipped->cell) + "): " + skipped->reason);
    }

    ConfigEntries resolved() const {
        auto texts = [](const std::vector<uint32_t>& numbers) {
            std::vector<std::string> out;
            for (uint32_t n : numbers) out.push_back(std::to_string(n));
            return out;
        };
        std::vector<std::string> orders;
        for (kv::Order o : axes_.order) orders.emplace_back(o == kv::Order::hnd ? "hnd" : "nhd");
        ConfigEntries c;
        c.emplace_back("kernel", kernels_.empty() ? bench_kernels().ids() : kernels_);
        c.emplace_back("kv_dtype", axes_.kv_dtype);
        c.emplace_back("batch", texts(axes_.batch));
        c.emplace_back("context", texts(axes_.context));
        c.emplace_back("block_size", texts(axes_.block_size));
        c.emplace_back("order", orders);
        if (model_.empty()) {
            c.emplace_back("kv_heads", texts(axes_.kv_heads));
            c.emplace_back("q_heads", texts(axes_.q_heads));
            c.emplace_back("head_dim", texts(axes_.head_dim));
        } else {
            c.emplace_back("model", model_);
        }
        c.emplace_back("backend", backend_);
        c.emplace_back("min_time", min_time_);
        if (!samples_.empty()) c.emplace_back("samples", samples_);
        c.emplace_back("buffers", buffers_);
        c.emplace_back("warmup", warmup_);
        return c;
    }

    std::vector<std::string> kernels_, kv_dtype_, batch_, context_, block_size_, order_, kv_heads_, q_heads_, head_dim_;
    std::string model_, backend_ = "all", min_time_ = "0.05", samples_, buffers_ = "1536MiB", warmup_ = "1";
    BenchAxes axes_;
    Outputs outputs_;
    BenchOptions measure_;
    std::atomic<bool> stop_{false};  // lives as long as signals can come
};

}  // namespace

std::unique_ptr<Command> bench_command(CLI::App& parent) { return std::make_unique<BenchCommand>(parent); }

}  // namespace kvsim::app
