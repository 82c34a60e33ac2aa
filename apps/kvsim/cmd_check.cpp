#include "options.h"
#include "outputs.h"

#include <kvsim/core/error.h>
#include <kvsim/report/check.h>

#include <cstdio>
#include <deque>
#include <filesystem>

namespace kvsim::app {

namespace {

class CheckCommand : public Command {
  public:
    explicit CheckCommand(CLI::App& parent)
        : Command(
              parent, "check", "the gate for CI: a report against rules or an earlier report; exit code 1 if it fails",
              "  kvsim check new.json --baseline base.json --max-drop token_hit_rate=0.005\n"
              "  kvsim check new.json --min token_hit_rate=0.3 --max requests.rejected=0 --export-junit gate.xml\n\n"
              "KEY is a dotted path of the report, or the end of one. Without rules everything must equal the "
              "baseline.") {
        positional("report", report_,
                   "a report of replay, compare, curve, size or bench (JSON, or a page that carries one)", true);
        option("--baseline", baseline_, "the report to hold it against", "Gate", "FILE");
        rule(CheckKind::max_drop, "what KEY may lose against the baseline: 0.005, or 1% of it", "KEY=N|P%");
        rule(CheckKind::max_rise, "what KEY may gain against the baseline", "KEY=N|P%");
        rule(CheckKind::min, "the least KEY may be", "KEY=V");
        rule(CheckKind::max, "the most KEY may be", "KEY=V");
        rule(CheckKind::fail_if, "fail where this is so, for example 'token_hit_rate < 0.3' (< <= > >= == !=)",
             "'KEY < V'");
        option("--within-noise", within_noise_,
               "ignore: a drop or rise of compare's token_hit_rate passes within the interval of its difference "
               "(default: fail)",
               "Gate", "fail|ignore");
        option("--tolerance", tolerance_,
               "bench reports without rules: what may be lost beyond the noise of both runs (default 5%)", "Gate",
               "P%");
        outputs_.add_to(*this, {"markdown", "junit"});
        option("--annotate", annotate_, "github: failures as ::error lines on standard output", "Output", "github");
        run = [this] { return execute(); };
    }

  private:
    void rule(CheckKind kind, const std::string& help, const std::string& type) {
        auto& [of, texts] = rules_.emplace_back();
        of = kind;
        list("--" + std::string(check_option(kind)), texts, help, "Gate", type);
    }

    CheckOptions options() const {
        CheckOptions o;
        for (const auto& [kind, texts] : rules_)
            for (const std::string& text : texts) o.rules.push_back(CheckRule::parse(kind, text));
        if (!within_noise_.empty() && within_noise_ != "fail" && within_noise_ != "ignore")
            throw_input("--within-noise " + within_noise_ + ": expected fail or ignore");
        o.ignore_noise = within_noise_ == "ignore";
        if (tolerance_.empty()) return o;
        bool percent = tolerance_.back() == '%';
        std::optional<Exact> value = Exact::parse(tolerance_.substr(0, tolerance_.size() - 1));
        if (!percent || !value || *value < Exact() || !(*value < Exact(100)))
            throw_input("--tolerance " + tolerance_ + ": expected a percentage from 0% to below 100%");
        o.tolerance = *value / Exact(100);
        o.tolerance_text = tolerance_;
        return o;
    }

    int execute() {
        CheckOptions o = options();
        if (!annotate_.empty() && annotate_ != "github") throw_input("--annotate " + annotate_ + ": expected github");
        outputs_.open(*this, "check", {report_, baseline_});
        if (!annotate_.empty() && outputs_.on_stdout())
            throw_input("--annotate github writes to standard output; give the other output a file");
        auto name = [](const std::string& path) { return std::filesystem::path(path).filename().string(); };
        std::string text = text_of_file(report_), before;
        if (!baseline_.empty()) before = text_of_file(baseline_);
        Check check = check_texts(name(report_), text, name(baseline_), baseline_.empty() ? nullptr : &before, o);
        if (outputs_.wants_json()) outputs_.write(check_json(check));
        outputs_.print(check_table(check));
        if (!annotate_.empty()) std::fputs(check_annotations(check).c_str(), stdout);
        if (check.passed()) return 0;
        if (!baseline_.empty()) {
            std::fflush(stdout);
            std::fprintf(stderr, "to accept it as the baseline: cp %s %s\n", shell_word(report_).c_str(),
                         shell_word(baseline_).c_str());
        }
        return 1;
    }

    std::string report_, baseline_, tolerance_, within_noise_, annotate_;
    std::deque<std::pair<CheckKind, std::vector<std::string>>> rules_;
    Outputs outputs_;
};

}  // namespace

std::unique_ptr<Command> check_command(CLI::App& parent) { return std::make_unique<CheckCommand>(parent); }

}  // namespace kvsim::app
