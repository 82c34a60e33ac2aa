#include "outputs.h"

#include <kvsim/core/error.h>
#include <kvsim/report/exports.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace kvsim::app {

std::string text_of_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) throw_io(path + ": is a directory; expected a report");
    if (!in) throw_io(path + ": cannot open: " + std::strerror(errno));
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (in.bad()) throw Error(ErrorKind::io, path + ": cannot be read");
    return text;
}

std::string shell_word(const std::string& path) {
    std::string word = path.rfind('-', 0) == 0 ? "'./" : "'";
    for (char c : path) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return word + "'";
}

// The keys that every report begins with. Only of files that can be read twice.
static bool begins_like_report(const std::string& path) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) return false;
    std::ifstream in(path, std::ios::binary);
    std::string head(4096, '\0');
    in.read(head.data(), static_cast<std::streamsize>(head.size()));
    head.resize(static_cast<size_t>(in.gcount()));
    size_t first = head.find_first_not_of(" \t\r\n");
    return first != std::string::npos && head[first] == '{' && head.find("\"schema_version\"") != std::string::npos &&
           head.find("\"kind\"") != std::string::npos;
}

void refuse_reports(const std::vector<std::string>& inputs) {
    if (inputs.size() != 2 || !begins_like_report(inputs[0]) || !begins_like_report(inputs[1])) return;
    auto word = [](const std::string& path) {
        static const char* const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
        return path[0] != '-' && path.find_first_not_of(plain) == std::string::npos ? path : shell_word(path);
    };
    throw_input(inputs[0] + " and " + inputs[1] +
                " are reports, not traces; to hold the second against the first type: kvsim check " + word(inputs[1]) + " --baseline " + word(inputs[0]));
}

void Outputs::add_to(Command& command, const std::vector<std::string>& ids) {
    for (const ExportRow& row : kvsim::exports().rows()) {
        if (!ids.empty() && std::find(ids.begin(), ids.end(), row.id) == ids.end()) continue;
        Export& e = exports_.emplace_back(Export{row.id, {}});
        std::string more = row.id == "markdown" ? "; summary = append to the file of GITHUB_STEP_SUMMARY" : "";
        command.option("--export-" + row.id, e.path, row.summary + " (- = standard output" + more + ")", "Output", "FILE");
    }
}

void Outputs::open(const Command& command, const std::string& kind, const std::vector<std::string>& inputs,
                   const std::vector<std::string>& others) {
    command_ = &command;
    appended_ = summary_file();
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
    return (id == "markdown" && !appended_.empty()) ||
           std::any_of(exports_.begin(), exports_.end(), [&](const Export& e) { return e.id == id && !e.path.empty(); });
}

void Outputs::write(const NamedTexts& reports) {
    write(reports, command_->common.report.empty() ? std::string() : report_text(reports.front().first, reports.front().second));
}

void Outputs::write(const NamedTexts& reports, const std::string& json) {
    std::vector<std::string> ids;
    for (const auto& [id, file] : open_)
        if (!id.empty()) ids.push_back(id);
    if (!appended_.empty()) ids.emplace_back("markdown");
    std::vector<std::string> texts;
    if (!ids.empty()) texts = export_texts(ids, reports);
    size_t next = 0;
    for (auto& [id, file] : open_) file.write(id.empty() ? json : texts[next++]);
    for (auto& [id, file] : open_) file.commit();
    if (!appended_.empty()) append(texts.back());
}

// The file that is appended to, which then is none of the exports; empty if there is none.
std::string Outputs::summary_file() {
    const char* named = std::getenv("GITHUB_STEP_SUMMARY");
    std::string file = named ? named : "";
    for (Export& e : exports_) {
        if (e.id != "markdown" || e.path.empty() || (e.path != "summary" && e.path != file)) continue;
        if (file.empty())
            throw_input("--export-markdown summary: expected the environment variable GITHUB_STEP_SUMMARY to name a file");
        e.path.clear();
        if (!std::ofstream(file, std::ios::app)) throw_io(file + ": cannot write (GITHUB_STEP_SUMMARY)");
        return file;
    }
    return {};
}

void Outputs::append(const std::string& text) const {
    std::ofstream out(appended_, std::ios::app | std::ios::binary);
    out << text << std::flush;
    if (!out) throw_io(appended_ + ": cannot write (GITHUB_STEP_SUMMARY)");
}

void Outputs::print(const std::string& table) const {
    if (taken_ && command_->common.console.quiet) return;
    std::fputs(table.c_str(), taken_ ? stderr : stdout);
}

bool Outputs::colored() const { return command_->common.console.colored(taken_ ? STDERR_FILENO : STDOUT_FILENO); }

}  // namespace kvsim::app
