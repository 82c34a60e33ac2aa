#include "outputs.h"

#include <kvsim/core/error.h>
#include <kvsim/report/exports.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace kvsim::app {

std::string text_of_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in || std::filesystem::is_directory(path)) throw Error(ErrorKind::io, path + ": cannot be read");
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (in.bad()) throw Error(ErrorKind::io, path + ": cannot be read");
    return text;
}

void Outputs::add_to(Command& command, const std::vector<std::string>& ids) {
    for (const ExportRow& row : kvsim::exports().rows()) {
        if (!ids.empty() && std::find(ids.begin(), ids.end(), row.id) == ids.end()) continue;
        Export& e = exports_.emplace_back(Export{row.id, {}});
        command.option("--export-" + row.id, e.path, row.summary + " (- = standard output)", "Output", "FILE");
    }
}

void Outputs::open(const Command& command, const std::string& kind, const std::vector<std::string>& inputs,
                   const std::vector<std::string>& others) {
    command_ = &command;
    for (const Export& e : exports_)
        if (!e.path.empty() && !kind.empty()) check_export(kvsim::exports().get(e.id), kind);
    std::vector<std::string> all = {command.common.report};
    for (const Export& e : exports_) all.push_back(e.path);
    all.insert(all.end(), others.begin(), others.end());
    check_outputs("", all);
    for (const std::string& input : inputs) check_outputs(input, all);
    taken_ = std::find(all.begin(), all.end(), "-") != all.end();
    if (!command.common.report.empty()) open_.emplace_back(std::piecewise_construct, std::tuple(""), std::tuple(command.common.report));
    for (const Export& e : exports_)
        if (!e.path.empty()) open_.emplace_back(std::piecewise_construct, std::tuple(e.id), std::tuple(e.path));
}

bool Outputs::given(const std::string& id) const {
    return std::any_of(exports_.begin(), exports_.end(), [&](const Export& e) { return e.id == id && !e.path.empty(); });
}

void Outputs::write(const std::vector<std::pair<std::string, std::string>>& reports) {
    std::vector<std::string> ids;
    for (const auto& [id, file] : open_)
        if (!id.empty()) ids.push_back(id);
    std::vector<std::string> texts;
    if (!ids.empty()) texts = export_texts(ids, reports);
    size_t next = 0;
    for (auto& [id, file] : open_) file.write(id.empty() ? report_text(reports.front().second) : texts[next++]);
    for (auto& [id, file] : open_) file.commit();
}

void Outputs::print(const std::string& table) const {
    if (taken_ && command_->common.console.quiet) return;
    std::fputs(table.c_str(), taken_ ? stderr : stdout);
}

bool Outputs::colored() const { return command_->common.console.colored(taken_ ? STDERR_FILENO : STDOUT_FILENO); }

}  // namespace kvsim::app
