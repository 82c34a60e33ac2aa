#include "options.h"
#include "outputs.h"

#include <kvsim/core/error.h>
#include <kvsim/core/output_file.h>
#include <kvsim/core/spec.h>
#include <kvsim/report/check_bench.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <iterator>

namespace kvsim::app {

namespace {

std::string text_of(const std::string& path) {
    std::string text = text_of_file(path);
    if (text.empty()) throw_input(path + ": is empty; expected a report of kvsim bench");
    return text;
}

class CheckCommand : public Command {
  public:
    explicit CheckCommand(CLI::App& parent)
        : Command(parent, "check", "a report of kvsim bench against an earlier one: exit code 1 if a kernel got slower",
                  "  kvsim check new.json --baseline base.json\n"
                  "  kvsim check new.json --baseline base.json --tolerance 10% --report verdicts.json") {
        positional("report", report_, "a report of kvsim bench; gates of other reports are not there yet", true);
        option("--baseline", baseline_, "the report to hold it against, of the same device", "Gate", "FILE");
        option("--tolerance", tolerance_, "what may be lost beyond the noise of both runs (default 5%)", "Gate", "P%");
        run = [this] { return execute(); };
    }

  private:
    int execute() {
        if (baseline_.empty()) throw_input("check: expected --baseline FILE");
        double percent = 0;
        bool is_percent = !tolerance_.empty() && tolerance_.back() == '%';
        if (!is_percent || !parse_number(tolerance_.substr(0, tolerance_.size() - 1), percent) || percent < 0 || percent >= 100)
            throw_input("--tolerance " + tolerance_ + ": expected a percentage from 0% to below 100%");
        check_outputs(report_, {common.report});
        check_outputs(baseline_, {common.report});
        std::optional<OutputFile> file;
        if (!common.report.empty()) file.emplace(common.report);
        auto name = [](const std::string& path) { return std::filesystem::path(path).filename().string(); };
        BenchCheck c = check_bench(name(report_), text_of(report_), name(baseline_), text_of(baseline_), percent / 100);
        if (file) file->write(check_bench_json(c));
        if (file) file->commit();
        bool taken = common.report == "-";
        if (!taken || !common.console.quiet) std::fputs(check_bench_table(c).c_str(), taken ? stderr : stdout);
        if (c.passed()) return 0;
        std::fprintf(stderr, "to accept it as the baseline: cp '%s' '%s'\n", report_.c_str(), baseline_.c_str());
        return 1;
    }

    std::string report_, baseline_, tolerance_ = "5%";
};

}  // namespace

std::unique_ptr<Command> check_command(CLI::App& parent) { return std::make_unique<CheckCommand>(parent); }

}  // namespace kvsim::app
