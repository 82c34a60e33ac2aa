#include "options.h"

#include <kvsim/core/error.h>
#include <kvsim/core/units.h>
#include <kvsim/report/list_report.h>
#include <kvsim/trace/generator.h>
#include <kvsim/trace/stats.h>
#include <kvsim/trace/writer.h>

#include <unistd.h>

#include <cstdio>
#include <optional>

namespace kvsim::app {

namespace {

class InfoCommand : public Command {
  public:
    explicit InfoCommand(CLI::App& parent)
        : Command(parent, "info", "what a trace holds: counts, lengths, reuse, hit ceiling, sharing by depth",
                  "  kvsim trace info conversation_trace.jsonl.zst\n"
                  "  kvsim trace info log.jsonl --block-size 16 --report info.json") {
        trace_.add_to(*this, true);
        run = [this] { return execute(); };
    }

  private:
    int execute() {
        check_outputs(trace_.path, {common.report});
        std::optional<OutputFile> out;
        if (!common.report.empty()) out.emplace(common.report);
        Console silent = common.console;  // the table has the notes
        silent.notes = false;
        Trace trace = trace_.load(silent, out.has_value());
        if (trace.expand_samples()) trace.notes.emplace_back("parallel samples (n) count as requests of their own");
        TraceStats stats = trace_stats(trace);
        if (out) {
            out->write(stats_json(stats));
            out->commit();
        }
        bool taken = common.report == "-";
        if (!taken || !common.console.quiet) std::fputs(stats_table(stats).c_str(), taken ? stderr : stdout);
        return 0;
    }
    TraceOptions trace_;
};

class ValidateCommand : public Command {
  public:
    explicit ValidateCommand(CLI::App& parent)
        : Command(parent, "validate", "check a trace and list its problems; exit code 2 if there are any",
                  "  kvsim trace validate log.jsonl\n  kvsim trace validate log.jsonl --problems 100") {
        trace_.add_to(*this, false);
        option("--problems", problems_, "stop after N problems", "Trace", "N");
        run = [this] { return execute(); };
    }

  private:
    int execute() {
        uint64_t limit = 0;
        if (!parse_whole(problems_, limit) || limit == 0)
            throw_input("--problems " + problems_ + ": expected a whole number from 1");
        check_outputs(trace_.path, {common.report});
        std::optional<OutputFile> out;
        if (!common.report.empty()) out.emplace(common.report);
        ProblemList problems;
        problems.limit = limit;
        LoadOptions options = trace_.load_options();
        options.problems = &problems;
        Trace trace;
        try {
            trace = load_trace(options);
        } catch (const Error& e) {
            // What ends the reading (a broken stream, an empty file) is a problem like the others.
            if (e.kind() != ErrorKind::input) throw;
            problems.lines.emplace_back(e.what());
        }
        if (out) {
            out->write(problems_json(trace.name, trace.format, problems.lines));
            out->commit();
        }
        std::FILE* to = common.report == "-" ? stderr : stdout;
        for (const std::string& line : problems.lines) std::fprintf(to, "%s\n", line.c_str());
        if (problems.lines.empty()) {
            for (const std::string& note : trace.notes) common.console.say("note: " + note);
            std::fprintf(to, "%s: ok: %s requests, format %s\n", trace.name.c_str(),
                         format_count(trace.requests()).c_str(), trace.format.c_str());
            return 0;
        }
        common.console.say(format_count(problems.lines.size()) + (problems.lines.size() == 1 ? " problem" : " problems") +
                           (problems.full() ? "; there may be more, see --problems" : ""));
        return 2;
    }
    TraceOptions trace_;
    std::string problems_ = "20";
};

/// --report of the commands that write a trace: what is in it, as `trace info` says it.
void report_written(const Trace& trace, const std::string& path) {
    if (path.empty()) return;
    OutputFile out(path);
    out.write(stats_json(trace_stats(trace)));
    out.commit();
}

class ConvertCommand : public Command {
  public:
    explicit ConvertCommand(CLI::App& parent)
        : Command(parent, "convert", "write a trace in another format, sorted, limited and re-blocked as asked",
                  "  kvsim trace convert conversation_trace.jsonl.zst --to kvsim --output out.jsonl\n"
                  "  kvsim trace convert log.jsonl --to mooncake --block-size 512 --output -") {
        trace_.add_to(*this, true);
        option("--to", to_, "format to write, see `kvsim list formats`", "Output", "ID");
        option("-o,--output", output_, "file to write (- = standard output)", "Output", "FILE");
        run = [this] { return execute(); };
    }

  private:
    int execute() {
        if (output_.empty()) throw_input("expected --output FILE");
        trace_writers().get(to_);
        check_outputs(trace_.path, {output_, common.report});
        OutputFile out(output_);
        Trace trace = trace_.load(common.console, false);
        write_trace(trace, to_, out);
        for (const std::string& line : what_is_lost(trace, to_)) common.console.say("note: the copy loses " + line);
        report_written(trace, common.report);
        out.commit();
        return 0;
    }
    TraceOptions trace_;
    std::string to_ = "kvsim", output_;
};

class GenerateCommand : public Command {
  public:
    explicit GenerateCommand(CLI::App& parent)
        : Command(parent, "generate", "make a synthetic trace; the same spec and seed give the same bytes",
                  "  kvsim trace generate chat:sessions=200,turns=6 --seed 1 --output chat.jsonl\n"
                  "  kvsim trace generate uniform --to mooncake --output -") {
        std::string kinds;
        for (const GeneratorRow& row : trace_generators().rows()) {
            kinds += "\n" + row.id + ": " + row.summary + "\n";
            for (const GeneratorParameter& p : row.parameters)
                kinds += "  " + p.key + "=" + p.fallback + "  " + p.meaning + "\n";
        }
        app().footer(app().get_footer() + "\n" + kinds);
        positional("kind", kind_, "kind of trace, with parameters: id:key=value,...", true);
        option("--seed", seed_, "seed of the random numbers", "Trace", "N");
        option("--to", to_, "format to write, see `kvsim list formats`", "Output", "ID");
        option("-o,--output", output_, "file to write (- = standard output)", "Output", "FILE");
        run = [this] { return execute(); };
    }

  private:
    int execute() {
        uint64_t seed = 0;
        if (!parse_whole(seed_, seed)) throw_input("--seed " + seed_ + ": expected a whole number");
        if (output_.empty()) throw_input("expected --output FILE");
        trace_writers().get(to_);
        check_outputs("-", {output_, common.report});
        OutputFile out(output_);
        Trace trace = generate_trace(kind_, seed);
        explain_spec();
        write_trace(trace, to_, out);
        report_written(trace, common.report);
        out.commit();
        common.console.say("wrote " + format_count(trace.requests()) + " requests, " +
                           format_count(trace.unique_blocks()) + " unique blocks of " +
                           std::to_string(trace.block_size) + " tokens");
        return 0;
    }
    /// The kind with all its parameters.
    void explain_spec() const {
        if (!common.console.explains()) return;
        Spec spec = Spec::parse(kind_);
        std::string all;
        for (const GeneratorParameter& p : trace_generators().get(spec.id()).parameters)
            all += (all.empty() ? ":" : ",") + p.key + "=" + spec.text(p.key, p.fallback);
        common.console.explain("made: " + spec.id() + all + ", seed " + seed_);
    }

    std::string kind_, seed_ = "1", to_ = "kvsim", output_;
};

}  // namespace

std::unique_ptr<Command> trace_info_command(CLI::App& parent) { return std::make_unique<InfoCommand>(parent); }
std::unique_ptr<Command> trace_validate_command(CLI::App& parent) { return std::make_unique<ValidateCommand>(parent); }
std::unique_ptr<Command> trace_convert_command(CLI::App& parent) { return std::make_unique<ConvertCommand>(parent); }
std::unique_ptr<Command> trace_generate_command(CLI::App& parent) { return std::make_unique<GenerateCommand>(parent); }

}  // namespace kvsim::app
