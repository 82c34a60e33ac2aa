#include "cli.h"

#include "cli_main.h"
#include "complete.h"
#include "config_file.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <kvsim/core/error.h>
#include <kvsim/core/output_file.h>
#include <kvsim/core/suggest.h>
#include <kvsim/core/version.h>

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>

namespace kvsim {

namespace app {

static CLI::Option* add_version(CLI::App& command) {
    return command.add_flag_callback(
        "--version", [] { throw CLI::CallForVersion(std::string("kvsim ") + version() + " (" + git_commit() + ")", 0); },
        "print the version and stop");
}

// ---- Command -------------------------------------------------------------------------------------------------

Command::Command(CLI::App& parent, const std::string& name, const std::string& summary, const std::string& examples) {
    app_ = parent.add_subcommand(name, summary);
    path_ = parent.get_parent() ? parent.get_name() + " " + name : name;
    app_->allow_extras();
    app_->footer("Examples:\n" + examples);
    app_->option_defaults()->ignore_underscore(false);
    const std::string group = "Output";
    option("--report", common.report, "write the JSON report to FILE (- = standard output)", group, "FILE");
    option("--config", common.config, "read options from a JSON file; for replay a report of it works too", "General", "FILE");
    flag("--print-config", common.print_config, "print the merged configuration as JSON and stop", "General");
    flag("--quiet", common.console.quiet, "no narration on standard error", "General");
    flag("--verbose", common.console.verbose, "explain decisions on standard error", "General");
    option("--color", common.console.color, "auto: on a terminal, unless NO_COLOR is set or TERM is dumb", "General", "auto|always|never");
    add_version(*app_)->group("General");
}

CLI::Option* Command::positional(const std::string& name, std::string& target, const std::string& help, bool required) {
    positional_name_ = name;
    positional_target_ = &target;
    positional_required_ = required;
    return app_->add_option(name, target, help)->type_name(required ? "" : "[optional]");
}

CLI::Option* Command::option(const std::string& name, std::string& target, const std::string& help,
                             const std::string& group, const std::string& type) {
    return app_->add_option(name, target, help)->group(group)->type_name(type)->capture_default_str();
}

CLI::Option* Command::list(const std::string& name, std::vector<std::string>& target, const std::string& help,
                           const std::string& group, const std::string& type) {
    return app_->add_option(name, target, help)
        ->group(group)
        ->type_name(type)
        ->type_size(1)
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

CLI::Option* Command::positionals(const std::string& name, std::vector<std::string>& target, const std::string& help,
                                  bool required) {
    positional_name_ = name;
    positional_targets_ = &target;
    positional_required_ = required;
    return app_->add_option(name, target, help)->type_name("");
}

CLI::Option* Command::flag(const std::string& name, bool& target, const std::string& help, const std::string& group) {
    return app_->add_flag(name, target, help)->group(group);
}

void check_outputs(const std::string& input, const std::vector<std::string>& outputs) {
    namespace fs = std::filesystem;
    for (size_t i = 0; i < outputs.size(); ++i) {
        if (outputs[i].empty()) continue;
        for (size_t k = 0; k < i; ++k)
            if (outputs[i] == outputs[k] || (outputs[i] != "-" && outputs[k] != "-" &&
                                             fs::weakly_canonical(outputs[i]) == fs::weakly_canonical(outputs[k])))
                throw_input(outputs[i] == "-" ? "two outputs cannot share standard output"
                                              : outputs[i] + ": named for two outputs");
        std::error_code ignored;
        if (outputs[i] != "-" && input != "-" && fs::equivalent(outputs[i], input, ignored) &&
            fs::is_regular_file(input, ignored))
            throw_input(outputs[i] + ": is the input; give the output another name");
    }
}

static std::vector<std::string> long_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* o : app.get_options())
        for (const std::string& n : o->get_lnames()) names.push_back("--" + n);
    return names;
}

static bool on_command_line(CLI::App& app, const std::vector<std::string>& names) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& n) {
        const CLI::Option* o = app.get_option_no_throw(n);
        return o != nullptr && o->count() > 0;
    });
}

static bool takes_list(const CLI::App& app, const std::string& name) {
    const CLI::Option* o = app.get_option_no_throw("--" + name);
    return o != nullptr && o->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
}

// Options that decide what others mean: one of the former on the command line, and the file's word on the latter goes.
static std::vector<std::string> overruled(CLI::App& app) {
    static const std::vector<std::pair<std::string, std::vector<std::string>>> decides = {
        {"--layout",
         {"--eviction", "--accounting", "--match", "--on-full", "--preempt", "--evict-threshold", "--evict-target", "--reserve", "--engine"}},
        {"--engine",
         {"--layout", "--eviction", "--accounting", "--match", "--on-full", "--preempt", "--evict-threshold", "--evict-target", "--reserve",
          "--concurrency"}},
        {"--match", {"--eviction", "--accounting"}},
        {"--on-full", {"--eviction", "--preempt"}},
        {"--evict-threshold", {"--evict-target"}}};
    bool beside = takes_list(app, "engine");  // compare: engines and layouts stand side by side
    std::vector<std::string> options;
    for (const auto& [decider, meant] : decides)
        if (on_command_line(app, {decider}) && !(beside && decider == "--engine")) options.insert(options.end(), meant.begin(), meant.end());
    if (beside) options.erase(std::remove(options.begin(), options.end(), "--engine"), options.end());
    return options;
}

// Flags beat the file. Options that exclude each other count as one: any of them on the command line beats all of
// them in the file.
void Command::merge_config() {
    if (common.config.empty()) return;
    static const std::vector<std::string> capacity = {"--blocks", "--tokens", "--memory"};
    static const std::vector<std::string> never = {"config", "help", "version", "print-config"};
    std::vector<std::string> without = overruled(*app_);
    if (on_command_line(*app_, capacity)) without.insert(without.end(), capacity.begin(), capacity.end());
    std::vector<std::string> known;
    for (const std::string& n : long_names(*app_))
        if (std::find(never.begin(), never.end(), n.substr(2)) == never.end()) known.push_back(n.substr(2));
    for (const ConfigItem& item : read_config(common.config)) {
        bool is_trace = !positional_name_.empty() && item.key == positional_name_;
        if (item.values.size() > 1 && !(is_trace ? positional_targets_ != nullptr : takes_list(*app_, item.key)))
            throw_at(item.where, item.key + ": expected one value, found " + std::to_string(item.values.size()));
        for (const std::string& value : item.values)
            if (value.empty()) throw_at(item.where, item.key + ": expected a value, found an empty string");
        if (is_trace && positional_targets_) {
            if (positional_targets_->empty()) *positional_targets_ = item.values;
            continue;
        }
        if (!positional_name_.empty() && item.key == positional_name_) {
            if (positional_target_->empty()) *positional_target_ = item.values.front();
            continue;
        }
        if (std::find(known.begin(), known.end(), item.key) == known.end())
            throw_at(item.where, "unknown key '" + item.key + "'" + did_you_mean(item.key, known) + " for kvsim " +
                                     path_);
        CLI::Option* o = app_->get_option_no_throw("--" + item.key);
        bool excluded = std::find(without.begin(), without.end(), "--" + item.key) != without.end();
        if (o->count() > 0 || excluded) continue;
        bool flag = o->get_expected_max() == 0;
        if (flag && item.values.front() != "true" && item.values.front() != "false")
            throw_at(item.where, item.key + ": expected true or false, found '" + item.values.front() + "'");
        for (const std::string& value : item.values) o->add_result(value);
        o->run_callback();
    }
}

void Command::print_config() const {
    std::vector<ConfigItem> items;
    if (positional_target_ && !positional_target_->empty())
        items.push_back({positional_name_, {*positional_target_}, {}});
    if (positional_targets_ && !positional_targets_->empty())
        items.push_back({positional_name_, *positional_targets_, {}});
    for (const CLI::Option* o : app_->get_options()) {
        if (o->get_lnames().empty()) continue;
        const std::string& name = o->get_lnames().front();
        if (name == "help" || name == "version" || name == "config" || name == "print-config") continue;
        if (name == "layout" && o->count() == 0 && on_command_line(*app_, {"--engine"})) continue;  // they exclude each other
        std::vector<std::string> values = o->results();
        if (o->count() == 0 && !takes_list(*app_, name)) values = {o->get_default_str()};
        if (!values.empty() && !values.front().empty()) items.push_back({name, values, {}});
    }
    std::fputs(config_text(items).c_str(), stdout);
}

int Command::finish() {
    for (const std::string& extra : app_->remaining()) {
        bool option = extra.size() > 1 && extra[0] == '-';
        std::string name = extra.substr(0, extra.find('='));
        throw_input(option ? "unknown option '" + name + "'" + did_you_mean(name, long_names(*app_))
                           : "unexpected argument '" + extra + "'");
    }
    for (const CLI::Option* o : app_->get_options())
        if (o->count() > 0 && o->get_expected_max() > 0 && o->results().front().empty())
            throw_input(o->get_name() + ": expected a value, found an empty string");
    for (const CLI::Option* o : app_->get_options())
        if (o->count() > 0 && o->get_expected_max() == 0 && o->results().front() != "true" && o->results().front() != "false")
            throw_input(o->get_name() + ": takes no value");
    merge_config();
    const std::string& color = common.console.color;
    if (color != "auto" && color != "always" && color != "never")
        throw_input("--color " + color + ": expected auto, always or never" + did_you_mean(color, {"auto", "always", "never"}));
    if (common.print_config) {
        print_config();
        return 0;
    }
    if (positional_required_ && (positional_target_ ? positional_target_->empty() : positional_targets_->empty()))
        throw_input("expected the argument " + positional_name_ + "; see kvsim " + path_ + " --help");
    return run();
}

}  // namespace app

// ---- the program ---------------------------------------------------------------------------------------------

static constexpr int kExitInput = 2, kExitIo = 3;

extern "C" void kvsim_on_signal(int) {
    OutputFile::remove_all_unfinished();
    _exit(app::kExitInterrupted);
}

static std::atomic<bool>* stop_flag = nullptr;

extern "C" void kvsim_on_stop(int) {
    stop_flag->store(true);
    std::signal(SIGINT, kvsim_on_signal);
}

void app::stop_on_interrupt(std::atomic<bool>& stop) {
    stop_flag = &stop;
    if (std::signal(SIGINT, kvsim_on_stop) == SIG_IGN) std::signal(SIGINT, SIG_IGN);
}

// A reader that has gone away (`| head`) ends the program as it does others, but no half file stays.
extern "C" void kvsim_on_pipe(int) {
    OutputFile::remove_all_unfinished();
    std::signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
}

static void handle_signals() {
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
        if (std::signal(number, kvsim_on_signal) == SIG_IGN) std::signal(number, SIG_IGN);
    if (std::signal(SIGPIPE, kvsim_on_pipe) == SIG_IGN) std::signal(SIGPIPE, SIG_IGN);
}

/// What CLI11 says of a missing, repeated or unwanted value, in our words.
static std::string parse_error(const CLI::ParseError& e) {
    std::string text = e.what();
    std::string name = text.substr(0, text.find(':'));
    if (text.rfind("Could not convert: ", 0) == 0) {
        text = text.substr(19);
        return text.substr(0, text.find(' ')) + ": takes no value";
    }
    if (text.find("At Most 1 required") != std::string::npos) return name + ": given twice";
    if (text.find("required") != std::string::npos && text.find("missing") != std::string::npos)
        return name + ": expected a value";
    return text;
}

static int fail(const std::string& command, const std::string& message, int code) {
    // Names out of files may be anything; a terminal gets one line of readable text.
    constexpr size_t kLongest = 2000;
    std::string line = message.size() <= kLongest ? message : message.substr(0, kLongest) + "...";
    std::replace_if(line.begin(), line.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
    std::fprintf(stderr, "kvsim%s%s: error: %s\n", command.empty() ? "" : " ", command.c_str(), line.c_str());
    return code;
}

// A table that could not be written is not a success.
static int flushed(int code, const std::string& command) {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
    return fail(command, "standard output: cannot write", kExitIo);
}

static std::vector<std::string> command_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(sub->get_name());
    return names;
}

// The innermost command that was named, with its path ("trace info").
static CLI::App* innermost(CLI::App& root, std::string& path) {
    CLI::App* at = &root;
    while (!at->get_subcommands().empty()) {
        at = at->get_subcommands().front();
        path += (path.empty() ? "" : " ") + at->get_name();
    }
    return at;
}

static int run_parsed(CLI::App& root, std::vector<std::unique_ptr<app::Command>>& commands, std::string& path) {
    CLI::App* named = innermost(root, path);
    for (auto& command : commands)
        if (&command->app() == named) return command->finish();
    std::vector<std::string> known = command_names(*named);
    std::vector<std::string> rest = named->remaining();
    if (rest.empty()) throw_input("expected a command, one of: " + join(known) + "; see --help");
    if (rest[0].size() > 1 && rest[0][0] == '-')
        throw_input("unknown option '" + rest[0] + "' before a command" + did_you_mean(rest[0], {"--help", "--version"}));
    throw_input("unknown command '" + rest[0] + "'" + did_you_mean(rest[0], known) + "; known: " + join(known));
}

static void add_commands(CLI::App& root, std::vector<std::unique_ptr<app::Command>>& commands) {
    root.allow_extras();
    app::add_version(root);
    root.footer("Examples:\n  kvsim demo\n  kvsim replay trace.jsonl.zst --blocks 10000\n  kvsim trace info trace.jsonl.zst\n\n"
                "kvsim COMMAND --help tells more. Exit codes: 0 ok, 1 a gate failed, 2 usage, configuration or\n"
                "trace invalid, 3 I/O or internal error, 130 interrupted.");
    commands.push_back(app::replay_command(root));
    commands.push_back(app::compare_command(root));
    commands.push_back(app::curve_command(root));
    commands.push_back(app::size_command(root));
    commands.push_back(app::bench_command(root));
    commands.push_back(app::check_command(root));
    commands.push_back(app::report_command(root));
    CLI::App* trace = root.add_subcommand("trace", "look at, check, convert and make traces");
    trace->allow_extras();
    app::add_version(*trace);
    trace->footer("Examples:\n  kvsim trace info trace.jsonl.zst\n  kvsim trace validate log.jsonl");
    commands.push_back(app::trace_info_command(*trace));
    commands.push_back(app::trace_validate_command(*trace));
    commands.push_back(app::trace_convert_command(*trace));
    commands.push_back(app::trace_generate_command(*trace));
    commands.push_back(app::list_command(root));
    commands.push_back(app::demo_command(root));
    commands.push_back(app::completion_command(root));
}

static int parse_and_run(CLI::App& root, std::vector<std::unique_ptr<app::Command>>& commands, std::vector<std::string> words,
                         std::string& path) {
    if (std::find(words.begin(), words.end(), "--") != words.end())
        throw_input("unexpected argument '--'; a file whose name begins with - is written ./-name");
    try {
        std::reverse(words.begin(), words.end());  // as CLI11 takes them
        root.parse(words);
    } catch (const CLI::Success& e) {
        return root.exit(e);  // --help and --version, on standard output
    } catch (const CLI::ParseError& e) {
        innermost(root, path);
        return fail(path, parse_error(e), kExitInput);
    }
    return run_parsed(root, commands, path);
}

int app::run_command_line(const std::vector<std::string>& words) {
    std::string path;
    CLI::App root("kvsim: what will my KV cache do? Replays LLM serving traces against cache layouts and eviction\n"
                  "strategies and reports hits, utilization and bytes, exactly.",
                  "kvsim");
    try {
        std::vector<std::unique_ptr<Command>> commands;
        add_commands(root, commands);
        // What the scripts of `kvsim completion` ask.
        if (!words.empty() && words.front() == "__complete") {
            std::fputs(completion_text(complete(root, {words.begin() + 1, words.end()})).c_str(), stdout);
            return 0;
        }
        return flushed(parse_and_run(root, commands, words, path), path);
    } catch (const Error& e) {
        return fail(path, e.what(), e.kind() == ErrorKind::input ? kExitInput : kExitIo);
    } catch (const std::bad_alloc&) {
        return fail(path, "not enough memory", kExitIo);
    } catch (const std::exception& e) {
        return fail(path, e.what(), kExitIo);
    }
}

int cli_main(int argc, const char* const* argv) {
    handle_signals();
    return app::run_command_line({argv + std::min(argc, 1), argv + argc});
}

}  // namespace kvsim
