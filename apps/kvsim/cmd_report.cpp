#include "cli.h"
#include "outputs.h"

#include <kvsim/core/error.h>
#include <kvsim/report/exports.h>

namespace kvsim::app {

namespace {

class ReportCommand : public Command {
  public:
    explicit ReportCommand(CLI::App& parent)
        : Command(parent, "report", "a page, tables or test cases of a report that was written before",
                  "  kvsim report compare.json --export-html page.html\n"
                  "  kvsim report page.html --report again.json --export-markdown -") {
        positional("report", report_, "a report of kvsim (JSON), or a page that carries one", true);
        outputs_.add_to(*this);
        run = [this] { return execute(); };
    }

  private:
    int execute() {
        outputs_.open(*this, {report_});
        outputs_.write(report_text(report_, text_of_file(report_)));
        return 0;
    }

    std::string report_;
    Outputs outputs_;
};

}  // namespace

std::unique_ptr<Command> report_command(CLI::App& parent) { return std::make_unique<ReportCommand>(parent); }

}  // namespace kvsim::app
