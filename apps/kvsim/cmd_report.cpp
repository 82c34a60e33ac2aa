#include "cli.h"
#include "outputs.h"

#include <kvsim/core/error.h>
#include <kvsim/report/exports.h>

#include <cstdio>

namespace kvsim::app {

namespace {

class ReportCommand : public Command {
  public:
    explicit ReportCommand(CLI::App& parent)
        : Command(parent, "report", "a page, tables or test cases of reports that were written before",
                  "  kvsim report compare.json --export-html page.html\n"
                  "  kvsim report page.html --report again.json --export-csv -") {
        positionals("report", reports_, "reports of kvsim (JSON), or pages that carry one; Markdown is printed if nothing else is asked for",
                    true);
        outputs_.add_to(*this);
        run = [this] { return execute(); };
    }

  private:
    int execute() {
        outputs_.open(*this, "", reports_);
        if (reports_.size() > 1 && !common.report.empty())
            throw_input("--report takes one report, not " + std::to_string(reports_.size()) + "; the exports csv, markdown and junit take several");
        NamedTexts texts;
        for (const std::string& file : reports_) texts.emplace_back(file, text_of_file(file));
        if (outputs_.wants_json()) outputs_.write(texts);
        else std::fputs(export_texts({"markdown"}, texts).front().c_str(), stdout);
        return 0;
    }

    std::vector<std::string> reports_;
    Outputs outputs_;
};

}  // namespace

std::unique_ptr<Command> report_command(CLI::App& parent) { return std::make_unique<ReportCommand>(parent); }

}  // namespace kvsim::app
