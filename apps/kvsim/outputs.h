// What a command leaves behind: the JSON report, exports made of it, and the table people read.
#pragma once

#include "cli.h"

#include <kvsim/core/output_file.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace kvsim::app {

/// The text of a file. Throws Error(io) if it cannot be read.
std::string text_of_file(const std::string& path);

/// As a shell takes it: 'it'\''s'.
std::string shell_word(const std::string& path);

/// Throws Error(input) that says what to type if two of the inputs of a comparison, all there are, are reports.
void refuse_reports(const std::vector<std::string>& inputs);

using NamedTexts = std::vector<std::pair<std::string, std::string>>;

class Outputs {
  public:
    /// --export-<id> for the ids given; all of them if none are. `--export-markdown summary` (and the path that
    /// GITHUB_STEP_SUMMARY holds) appends to that file, as GitHub's jobs do.
    void add_to(Command& command, const std::vector<std::string>& ids = {});
    /// Opens --report and the exports before any work is done. Throws Error(input) where two outputs, or an output and one
    /// of `inputs`, are the same file, or an export makes nothing of reports of this kind ("": that shows later).
    /// `others`: outputs that the command opens itself.
    void open(const Command& command, const std::string& kind, const std::vector<std::string>& inputs,
              const std::vector<std::string>& others = {});
    bool given(const std::string& id) const;
    /// Whether a file of these took standard output.
    bool on_stdout() const { return taken_; }
    /// Whether anything is made of the JSON report at all.
    bool wants_json() const { return !open_.empty() || !appended_.empty(); }
    /// Writes what was asked for; nothing is written before all of it is made, nothing renamed before all is written.
    void write(const std::string& json) { write({{"report", json}}, json); }
    /// Of several reports, each with its name; --report takes one.
    void write(const NamedTexts& reports);
    /// The table goes to standard output, or to standard error where a file took that; with --quiet not there.
    void print(const std::string& table) const;
    /// Where the table goes, for colours.
    bool colored() const;

  private:
    /// `json`: what --report gets.
    void write(const NamedTexts& reports, const std::string& json);
    struct Export {
        std::string id, path;
    };
    std::string summary_file();
    void append(const std::string& text) const;
    std::deque<Export> exports_;
    std::deque<std::pair<std::string, OutputFile>> open_;  ///< id ("" = the report) and file
    std::string appended_;  ///< the file of GITHUB_STEP_SUMMARY, if asked for
    const Command* command_ = nullptr;
    bool taken_ = false;
};

}  // namespace kvsim::app
