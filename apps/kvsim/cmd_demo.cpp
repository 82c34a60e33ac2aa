// A tour: the commands that people come for, run one after the other on a trace that is made on the spot, each shown as it
// would be typed and its numbers explained. They are called as the command line calls them, so what is shown works.
#include "cli.h"
#include "outputs.h"

#include <kvsim/core/error.h>
#include <kvsim/report/exports.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generator.h>

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace kvsim::app {

namespace {

constexpr const char* kDemoTrace = "kvsim-demo.jsonl";
constexpr const char* kDemoBase = "kvsim-demo-base.json";
constexpr const char* kDemoNew = "kvsim-demo-new.json";
constexpr const char* kDemoGenerator = "chat:sessions=200";
constexpr uint64_t kDemoSeed = 1;

struct DemoStep {
    std::string title;
    std::vector<std::string> command;
    std::vector<std::string> meaning;  ///< "word: what it says"
    size_t lines = ~size_t{0};         ///< of what it prints that are shown
    int exit_code = 0;                 ///< that it ends with
};

/// What goes to standard output meanwhile is kept.
class CapturedOutput {
  public:
    CapturedOutput() : file_(std::tmpfile()), saved_(dup(STDOUT_FILENO)) {
        std::fflush(stdout);
        if (!file_ || saved_ < 0 || dup2(fileno(file_), STDOUT_FILENO) < 0) throw_io("demo: no room for temporary files");
    }
    ~CapturedOutput() {
        restore();
        if (file_) std::fclose(file_);
    }
    CapturedOutput(const CapturedOutput&) = delete;
    CapturedOutput& operator=(const CapturedOutput&) = delete;

    std::string text() {
        restore();
        std::string out;
        std::rewind(file_);
        char buffer[4096];
        for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, file_)) > 0;) out.append(buffer, n);
        return out;
    }

  private:
    void restore() {
        if (saved_ < 0) return;
        std::fflush(stdout);
        dup2(saved_, STDOUT_FILENO);
        close(saved_);
        saved_ = -1;
    }
    std::FILE* file_;
    int saved_;
};

class DemoCommand : public Command {
  public:
    explicit DemoCommand(CLI::App& parent)
        : Command(parent, "demo", "a guided tour of half a minute on a trace made on the spot; writes kvsim-demo.* here",
                  "  kvsim demo\n"
                  "  kvsim demo --export-html tour.html"),
          root_(parent) {
        option("--export-html", page_, "where the page at the end goes", "Output", "FILE");
        run = [this] { return execute(); };
    }

  private:
    int execute() {
        if (!common.report.empty()) throw_input("--report has no effect on demo: the commands it shows write reports of their own");
        if (page_ == "-") throw_input("--export-html -: expected a file; standard output has the tour");
        has_page_ = exports().get("html").takes("compare");
        has_gate_ = root_.get_subcommand("check")->get_option_no_throw("--max-drop") != nullptr;
        check_outputs("", {kDemoTrace, kDemoBase, kDemoNew, page_});
        refuse_foreign();
        std::vector<DemoStep> tour = steps();
        say("kvsim demo: a small chat service, and what a KV cache does for it. Everything below can be typed as it stands.\n");
        for (size_t i = 0; i < tour.size(); ++i)
            if (int code = show(tour[i], i + 1)) return code;
        end();
        return 0;
    }

    std::vector<DemoStep> steps() const {
        const std::vector<std::string> cache = {"--memory", "10GiB", "--model", "llama-3.1-8b"};
        auto with = [](std::vector<std::string> a, const std::vector<std::string>& b) {
            a.insert(a.end(), b.begin(), b.end());
            return a;
        };
        std::vector<DemoStep> tour;
        tour.push_back({"A trace: who asked what, when. Yours comes from your engine's log; this one is made up.",
                        {"trace", "generate", kDemoGenerator, "--seed", std::to_string(kDemoSeed), "--output", kDemoTrace},
                        {}});
        tour.push_back({"One cache: what would 10 GiB for keys and values do?",
                        with(with({"replay", kDemoTrace}, cache), {"--report", kDemoBase}),
                        {"token hit rate: prompt tokens that were still there, so that nobody computes them again",
                         "ceiling: the same with endless memory; the rest was never seen before",
                         "of the optimum: how close it comes to a cache that knows the future, in the same memory",
                         "regretted: missed blocks that a better strategy would have kept",
                         "FLOP-weighted: late tokens cost more than early ones; this is the work saved",
                         "active, evictable: blocks in use by a running request, and blocks kept in case they are asked for again"}});
        tour.push_back({"Which strategy: the same trace, other rules about what goes, in more and less memory.",
                        with({"compare", kDemoTrace, "--eviction", "lru,fifo,lfu,s3_fifo", "--memory", "5GiB,10GiB,20GiB",
                              "--model", "llama-3.1-8b"},
                             has_page_ ? std::vector<std::string>{"--export-html", page_} : std::vector<std::string>{}),
                        {"a cell: the token hit rate, then the share of the optimum; * is the best of its column",
                         "+ - =: better or worse than lru beyond chance, or nothing that this trace can show"}});
        tour.push_back({"How much memory: the smallest cache that gets 90 % of what is there to get.",
                        {"size", kDemoTrace, "--goal", "ceiling=0.9", "--model", "llama-3.1-8b"},
                        {"blocks, tokens, GiB: the same room in three units; engines log tokens, machines have GiB"},
                        2});
        if (!has_gate_) return tour;
        tour.push_back({"A gate: somebody changes the strategy, and CI runs the same replay again ...",
                        with(with({"replay", kDemoTrace}, cache), {"--eviction", "fifo", "--report", kDemoNew}),
                        {},
                        0});
        tour.push_back({"... and compares the two reports: not more than one point of the hit rate may go.",
                        {"check", kDemoNew, "--baseline", kDemoBase, "--max-drop", "token_hit_rate=0.01"},
                        {"exit code 1: the gate failed, which is what it is there for; 0 would have let the change pass"},
                        ~size_t{0},
                        1});
        return tour;
    }

    int show(const DemoStep& step, size_t number) const {
        bool bold = common.console.colored(STDOUT_FILENO);
        std::string line = "kvsim";
        for (const std::string& word : step.command) line += " " + word;
        say(std::string(bold ? "\x1b[1m" : "") + std::to_string(number) + ". " + step.title + (bold ? "\x1b[0m" : ""));
        say("   $ " + line + "\n");
        std::fflush(stdout);
        std::vector<std::string> words = step.command;
        if (common.console.quiet) words.emplace_back("--quiet");
        if (common.console.quiet && step.exit_code != 0) return 0;  // a gate leaves no file, only words
        int code = 0;
        if (step.exit_code == 0) {
            CapturedOutput output;
            code = run_command_line(words);
            print(output.text(), step.lines);
        } else {  // what a failed gate says stands on both streams
            code = run_command_line(words);
            say("");
        }
        if (code != step.exit_code) {
            if (code <= 1)
                throw_failed("demo: '" + line + "' ended with " + std::to_string(code) + ", expected " +
                             std::to_string(step.exit_code));
            return code;
        }
        for (const std::string& meaning : step.meaning) say("   > " + meaning);
        if (!step.meaning.empty()) say("");
        return 0;
    }

    void say(const std::string& line) const {
        if (!common.console.quiet) std::printf("%s\n", line.c_str());
    }

    void print(std::string text, size_t lines) const {
        while (text.size() > 1 && text.compare(text.size() - 2, 2, "\n\n") == 0) text.pop_back();
        size_t shown = 0;
        for (size_t at = 0; at < text.size() && shown < lines; ++shown) {
            size_t end = std::min(text.find('\n', at), text.size());
            say(text.substr(at, end - at));
            at = end + 1;
        }
        if (shown > 0) say("");
    }

    void end() const {
        std::string here = std::filesystem::current_path().string() + "/";
        if (has_page_)
            say("The page with all of it: " + std::filesystem::absolute(page_).string() +
                "\n  open it in a browser; it needs no network and can be mailed");
        say("The trace: " + here + kDemoTrace);
        say("More: kvsim list, kvsim COMMAND --help. To clean up: rm kvsim-demo*");
    }

    // A file of one of these names that is not of an earlier tour is somebody's.
    void refuse_foreign() const {
        namespace fs = std::filesystem;
        auto foreign = [](const std::string& path, const std::string& what) {
            throw_input(path + ": is there already and is not " + what + " of kvsim demo; move it, or go to another directory");
        };
        std::error_code ignored;
        if (fs::exists(kDemoTrace, ignored)) {
            bool ours = false;
            try {
                LoadOptions o;
                o.path = kDemoTrace;
                Trace there = load_trace(o), made = generate_trace(kDemoGenerator, kDemoSeed);
                ours = there.name == made.name && there.requests() == made.requests() && there.unique_blocks() == made.unique_blocks();
            } catch (const Error&) {
            }
            if (!ours) foreign(kDemoTrace, "the trace");
        }
        std::vector<std::string> reports = {kDemoBase, kDemoNew};
        if (has_page_) reports.push_back(page_);
        for (const std::string& path : reports) {
            if (!fs::exists(path, ignored)) continue;
            bool ours = false;
            try {
                nlohmann::ordered_json report = read_report(path, text_of_file(path));
                const auto& trace = report.at("config").at("trace");
                ours = trace == kDemoTrace || (trace.is_array() && trace.size() == 1 && trace[0] == kDemoTrace);
            } catch (const std::exception&) {
            }
            if (!ours) foreign(path, path == page_ ? "the page" : "a report");
        }
    }

    CLI::App& root_;
    std::string page_ = "kvsim-demo.html";
    bool has_page_ = false, has_gate_ = false;
};

}  // namespace

std::unique_ptr<Command> demo_command(CLI::App& parent) { return std::make_unique<DemoCommand>(parent); }

}  // namespace kvsim::app
