// The command line: one row per command, options declared once, merged from defaults < --config < flags.
#pragma once

#include "console.h"

#include <CLI/App.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace kvsim::app {

/// Throws Error(input) if two of the outputs are the same file, or one of them is `input`. Empty and "-" are no files.
void check_outputs(const std::string& input, const std::vector<std::string>& outputs);

/// From now on the first interrupt (Ctrl-C) only sets `stop`; the next one ends the program as always.
void stop_on_interrupt(std::atomic<bool>& stop);
inline constexpr int kExitInterrupted = 130;

/// Options that every command has.
struct Common {
    Console console;
    std::string report;
    std::string config;
    bool print_config = false;
};

/// A command while it is being parsed. Options keep their text; the library's parsers give the errors.
class Command {
  public:
    Command(CLI::App& parent, const std::string& name, const std::string& summary, const std::string& examples);

    virtual ~Command() = default;
    Command(const Command&) = delete;
    Command& operator=(const Command&) = delete;

    CLI::Option* positional(const std::string& name, std::string& target, const std::string& help, bool required);
    CLI::Option* option(const std::string& name, std::string& target, const std::string& help,
                        const std::string& group, const std::string& type = "TEXT");
    /// An axis of compare: a comma starts a new item (see split_spec_list), and so does giving the option again.
    CLI::Option* list(const std::string& name, std::vector<std::string>& target, const std::string& help,
                      const std::string& group, const std::string& type = "LIST");
    CLI::Option* positionals(const std::string& name, std::vector<std::string>& target, const std::string& help,
                             bool required);
    CLI::Option* flag(const std::string& name, bool& target, const std::string& help, const std::string& group);
    /// What to do once everything is parsed and merged; returns the exit code.
    std::function<int()> run;

    Common common;
    CLI::App& app() { return *app_; }
    /// Runs the command after the configuration has been merged in.
    int finish();

  private:
    void merge_config();
    void print_config() const;
    CLI::App* app_;
    std::string path_;  ///< "trace info"
    std::string positional_name_;
    std::string* positional_target_ = nullptr;
    std::vector<std::string>* positional_targets_ = nullptr;
    bool positional_required_ = false;
};

// One per command; each file cmd_<name>.cpp defines its own.
std::unique_ptr<Command> replay_command(CLI::App& parent);
std::unique_ptr<Command> compare_command(CLI::App& parent);
std::unique_ptr<Command> curve_command(CLI::App& parent);
std::unique_ptr<Command> size_command(CLI::App& parent);
std::unique_ptr<Command> bench_command(CLI::App& parent);
std::unique_ptr<Command> check_command(CLI::App& parent);
std::unique_ptr<Command> report_command(CLI::App& parent);
std::unique_ptr<Command> trace_info_command(CLI::App& parent);
std::unique_ptr<Command> trace_validate_command(CLI::App& parent);
std::unique_ptr<Command> trace_convert_command(CLI::App& parent);
std::unique_ptr<Command> trace_generate_command(CLI::App& parent);
std::unique_ptr<Command> list_command(CLI::App& parent);
std::unique_ptr<Command> demo_command(CLI::App& parent);
std::unique_ptr<Command> completion_command(CLI::App& parent);

/// Parses, runs and prints as the program does with these words after its name; returns the exit code. Throws nothing.
int run_command_line(const std::vector<std::string>& words);

}  // namespace kvsim::app
