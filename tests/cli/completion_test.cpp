// What the shells complete: asked of the program, of a bash whose variables are set as at the prompt, and of real shells at
// a terminal.
#include "cli.h"

using namespace kvsim_test;

namespace completion_test {

/// The candidates, without what they are.
std::vector<std::string> candidates(const Args& words) {
    std::vector<std::string> out;
    for (const std::string& line : lines_of(succeeds(Args{"__complete"} + words).out)) out.push_back(line.substr(0, line.find('\t')));
    return out;
}

bool has(const std::vector<std::string>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

using Words = std::vector<std::string>;

TEST_CASE("completion: commands and their own commands") {
    Words top = candidates({""});
    for (const char* command : {"replay", "compare", "curve", "size", "bench", "check", "report", "trace", "list", "demo", "completion"})
        CHECK(has(top, command));
    CHECK(candidates({"com"}) == Words{"compare", "completion"});
    CHECK(candidates({"trace", ""}) == Words{"info", "validate", "convert", "generate"});
    CHECK(candidates({"trace", "val"}) == Words{"validate"});
    CHECK(candidates({"trace", "nothing"}).empty());
    CHECK(candidates({"completion", ""}) == Words{"bash", "zsh", "fish"});
}

TEST_CASE("completion: options of the command, each once unless it may repeat") {
    CHECK(candidates({"replay", "--evic"}) == Words{"--eviction", "--evict-threshold", "--evict-target"});
    CHECK(candidates({"replay", "--eviction", "lru", "--evic"}) == Words{"--evict-threshold", "--evict-target"});
    CHECK(has(candidates({"compare", "--eviction", "lru", "--evic"}), "--eviction"));
    CHECK(candidates({"trace", "convert", "--o"}) == Words{"--output"});
    CHECK(candidates({"list", "--blocks"}).empty());
    CHECK(has(candidates({"replay", "t.jsonl", ""}), "--blocks"));
}

TEST_CASE("completion: values are ids of the registries") {
    CHECK(candidates({"replay", "--eviction", "s3"}) == Words{"s3_fifo"});
    CHECK(candidates({"replay", "--eviction=s3"}) == Words{"--eviction=s3_fifo"});
    CHECK(candidates({"replay", "--layout", ""}) == Words{"prefix", "paged", "contiguous", "quantized"});
    CHECK(candidates({"replay", "--engine", "sg"}) == Words{"sglang", "sglang_unified"});
    CHECK(candidates({"replay", "--accounting", ""}) == Words{"pinned", "flat", "tree"});
    CHECK(candidates({"replay", "--on-full", ""}) == Words{"evict", "preempt", "wait", "fail"});
    CHECK(candidates({"replay", "--decode", ""}) == Words{"on", "off", "linked"});
    CHECK(candidates({"replay", "--color", "al"}) == Words{"always"});
    CHECK(candidates({"replay", "--model", "llama-3.1-8"}) == Words{"llama-3.1-8b", ":files"});
    CHECK(candidates({"replay", "--gpu", "h2"}).size() >= 1);
    CHECK(has(candidates({"replay", "--kv-dtype", "fp"}), "fp8_e4m3"));
    CHECK(has(candidates({"replay", "--format", ""}), "auto"));
    CHECK(has(candidates({"replay", "--format", "moon"}), "mooncake"));
    CHECK(candidates({"replay", "--backend", ""}) == Words{"none", "cpu", "cuda"});
    CHECK(candidates({"bench", "--backend", ""}) == Words{"all", "cpu", "cuda"});
    CHECK(candidates({"trace", "convert", "t", "--to", "kvsim_"}) == Words{"kvsim_blocks"});
    CHECK(candidates({"replay", "--preempt", "late"}) == Words{"latest"});
    CHECK(candidates({"size", "--goal", ""}) == Words{"token_hit_rate=", "block_hit_rate=", "ceiling="});
    CHECK(candidates({"replay", "--blocks", ""}) == Words{"unlimited"});
    CHECK(candidates({"replay", "--limit", ""}).empty());
    CHECK(candidates({"bench", "deq"}) == Words{"dequantize"});
    CHECK(candidates({"list", "mo"}) == Words{"models"});
    CHECK(candidates({"trace", "generate", "be"}) == Words{"beam"});
}

// A list says what may follow: another item, or one more parameter of the last one.
TEST_CASE("completion: lists and parameters") {
    Words second = candidates({"compare", "t", "--eviction", "lru,s3"});
    CHECK(second == Words{"lru,s3_fifo"});
    CHECK_FALSE(has(candidates({"compare", "t", "--eviction", "lru,"}), "lru,lru"));
    CHECK(has(candidates({"compare", "t", "--eviction", "lru,"}), "lru,fifo"));
    CHECK(candidates({"replay", "--eviction", "s3_fifo:sm"}) == Words{"s3_fifo:small="});
    CHECK(candidates({"replay", "--eviction", "s3_fifo:small=0.1,gh"}) == Words{"s3_fifo:small=0.1,ghost="});
    CHECK_FALSE(has(candidates({"replay", "--eviction", "s3_fifo:small=0.1,"}), "s3_fifo:small=0.1,small="));
    Words either = candidates({"compare", "--eviction", "s3_fifo:small=0.1,"});
    CHECK(has(either, "s3_fifo:small=0.1,ghost="));
    CHECK(has(either, "s3_fifo:small=0.1,lru"));
    CHECK(candidates({"replay", "--accounting", "tree:protect="}) == Words{"tree:protect=hits", "tree:protect=chain"});
    CHECK(candidates({"replay", "--kv-dtype=int4:sc"}) == Words{"--kv-dtype=int4:scale="});
    CHECK(has(candidates({"replay", "--engine", "vllm:"}), "vllm:caching="));
    CHECK(candidates({"trace", "generate", "chat:sess"}) == Words{"chat:sessions="});
    CHECK(candidates({"compare", "--blocks", "5%,un"}) == Words{"5%,unlimited"});
}

TEST_CASE("completion: file names where a file is meant, and nowhere else") {
    for (const Args& words : {Args{"replay", ""}, {"replay", "--report", ""}, {"compare", "a", "b"}, {"replay", "--config", "x"},
                              {"replay", "--model", ""}, {"check", ""}, {"report", ""}, {"replay", "--report=x"}}) {
        INFO(shown(words));
        CHECK(has(candidates(words), ":files"));
    }
    for (const Args& words : {Args{""}, {"replay", "--eviction", ""}, {"list", ""}, {"trace", ""}, {"replay", "--limit", ""},
                              {"trace", "generate", ""}, {"bench", ""}}) {
        INFO(shown(words));
        CHECK_FALSE(has(candidates(words), ":files"));
    }
}

// A new option with ids needs a row in value_words.cpp.
TEST_CASE("completion: every option that takes an id knows some") {
    for (const Args& command : {Args{"replay"}, {"compare"}, {"curve"}, {"size"}, {"bench"}, {"check"}, {"report"}, {"trace", "info"},
                                {"trace", "convert"}, {"trace", "generate"}, {"list"}}) {
        for (const std::string& line : lines_of(kvsim(command + Args{"--help"}).out)) {
            std::string text = line.substr(std::min(line.size(), line.find_first_not_of(' ')));
            if (text.rfind("--", 0) != 0) continue;
            std::string name = text.substr(0, text.find(' ')), type = text.substr(std::min(text.size(), name.size() + 1));
            if (type.rfind("ID", 0) != 0) continue;
            INFO(shown(command + Args{name}));
            CHECK_FALSE(candidates(command + Args{name, ""}).empty());
        }
    }
}

TEST_CASE("completion: nothing breaks it") {
    for (const Args& words : {Args{}, {"--"}, {"-"}, {"replay", "--nope", ""}, {"replay", "--nope=", ""}, {"replay", "--eviction", ","},
                              {"compare", "--eviction", ",,"}, {"compare", "--eviction", ":"}, {"compare", "--eviction", "=,:"}, {"replay", "--report=", "--eviction", "x:y=z,"},
                              {"nope", "nope", ""}, {"replay", "\xff"}})
        CHECK(kvsim(Args{"__complete"} + words).exit_code == 0);
}

TEST_CASE("completion: a shell that there is no script for") {
    fails({"completion", "bsh"}, {"no completion for 'bsh' (did you mean 'bash'?); known: bash, zsh, fish"});
    fails({"completion"}, {"expected the argument shell"});
    fails({"completion", "bash", "--report", "x"}, {"--report has no effect"});
}

// ---- bash ----------------------------------------------------------------------------------------------------

struct Typed {
    std::string line, breaks, replies;
};

/// COMPREPLY for each line up to its end. One bash for all: the words are cut as readline cuts them, at white space and at
/// each run of the characters in `breaks`.
std::vector<std::string> bash_replies(const std::vector<Typed>& lines) {
    const char* script = R"(source <("$1" completion bash)
program=$1
shift
while (($#)); do
    COMP_WORDBREAKS=$' \t\n'$2 COMP_LINE=$program${1#kvsim}
    COMP_POINT=${#COMP_LINE} COMP_WORDS=("$program") rest=${1#kvsim}
    while [[ $rest ]]; do
        rest=${rest#"${rest%%[! ]*}"}
        [[ $rest ]] || { COMP_WORDS+=(''); break; }
        word=${rest%%[ $2]*}
        [[ $word ]] || word=${rest%%[!$2]*}
        COMP_WORDS+=("$word")
        rest=${rest#"$word"}
    done
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _kvsim
    echo "${COMPREPLY[*]}"
    shift 2
done)";
    Args args{"--norc", "-c", script, "bash", kvsim_binary()};
    for (const Typed& t : lines) args = args + Args{t.line, t.breaks};
    ProcessResult r = run_program("bash", args);
    INFO(r.err);
    CHECK(r.exit_code == 0);
    return lines_of(r.out);
}

TEST_CASE("completion: bash") {
    TempDir dir;
    dir.write("one trace.jsonl", "");
    const std::string both = ":=";
    const std::vector<Typed> typed = {
        {"kvsim tr", both, "trace"},
        {"kvsim trace ", both, "info validate convert generate"},
        {"kvsim replay --evict", both, "--eviction --evict-threshold --evict-target"},
        {"kvsim replay --eviction s3", both, "s3_fifo"},
        // What stands before ':' or '=' is another word to readline, so it is not said again.
        {"kvsim replay --eviction s3_fifo:sm", both, "small="},
        {"kvsim replay --eviction s3_fifo:", both, "small= ghost= promote= variant="},
        {"kvsim replay --eviction=s3", both, "s3_fifo"},
        {"kvsim replay --eviction=s3_fifo:small=0.1,gh", both, "0.1,ghost="},
        {"kvsim replay --eviction s3_fifo:sm", ";", "s3_fifo:small="},
        {"kvsim compare --eviction lru,s3", both, "lru,s3_fifo"},
        {"kvsim replay --accounting tree:protect=", both, "hits chain"},
        {"kvsim replay " + dir.dir() + "/on", both, dir.dir() + "/one trace.jsonl"},
        {"kvsim replay --report=" + dir.dir() + "/on", both, dir.dir() + "/one trace.jsonl"},
        {"kvsim nothing x", both, ""},
    };
    std::vector<std::string> replies = bash_replies(typed);
    REQUIRE(replies.size() == typed.size());
    for (size_t i = 0; i < typed.size(); ++i) {
        INFO(typed[i].line);
        CHECK(replies[i] == typed[i].replies);
    }
}

// ---- at a terminal -------------------------------------------------------------------------------------------

/// What a shell writes behind `typed`, its last character a tab.
std::string at_prompt(const std::string& shell, const Args& arguments, const std::string& typed, const std::string& wait_for) {
    Args args{source_file("tests/support/at_terminal.py"), "--type", typed, "--wait-for", wait_for, shell};
    return run_program(KVSIM_PYTHON3, args + arguments).out;
}

bool there(const std::string& shell) {
    bool found = run_program("sh", {"-c", "command -v " + shell}).exit_code == 0;
    if (!found) std::printf("skipped: %s is not installed\n", shell.c_str());
    return found;
}

TEST_CASE("completion: a real bash completes at its prompt") {
    TempDir dir;
    std::string rc = dir.write("rc", "PS1='> '\nPATH=" + dir.dir() + ":$PATH\nsource <(kvsim completion bash)\n");
    run_program("ln", {"-s", kvsim_binary(), dir.path("kvsim")});
    std::string out = at_prompt("bash", {"--noprofile", "--rcfile", rc, "-i"}, "kvsim replay --eviction=s3_f\\tx", "s3_fifo x");
    INFO(out);
    CHECK(contains(out, "--eviction=s3_fifo x"));  // a space after a whole word
    out = at_prompt("bash", {"--noprofile", "--rcfile", rc, "-i"}, "kvsim replay --eviction s3_fifo:sma\\t0.1,gh\\t", "ghost=");
    CHECK(contains(out, "s3_fifo:small=0.1,ghost="));
}

TEST_CASE("completion: zsh") {
    if (!there("zsh")) return;
    TempDir dir;
    std::string script = dir.write("_kvsim", kvsim({"completion", "zsh"}).out);
    ProcessResult syntax = run_program("zsh", {"-n", script});
    INFO(syntax.err);
    CHECK(syntax.exit_code == 0);
    run_program("ln", {"-s", kvsim_binary(), dir.path("kvsim")});
    dir.write(".zshrc", "PS1='> '\nPATH=" + dir.dir() + ":$PATH\nfpath=(" + dir.dir() + " $fpath)\nautoload -U compinit; compinit -u -D\n");
    Args interactive{"ZDOTDIR=" + dir.dir(), "TERM=dumb", "zsh", "-i"};
    auto typed = [&](const std::string& keys, const std::string& wait_for) {
        std::string out = at_prompt("env", interactive, keys, wait_for);
        INFO(out);
        CHECK(contains(out, wait_for));
    };
    typed("kvsim replay --evictio\\ts3_f\\t", "s3_fifo");
    typed("kvsim replay --eviction=s3_fifo:sma\\t0.1,gh\\t", "--eviction=s3_fifo:small=0.1,ghost=");
    dir.write("only.jsonl", "");
    typed("kvsim replay --report=" + dir.dir() + "/onl\\t", "/only.jsonl");
}

TEST_CASE("completion: fish") {
    if (!there("fish")) return;
    TempDir dir;
    std::string script = dir.write("kvsim.fish", kvsim({"completion", "fish"}).out);
    run_program("ln", {"-s", kvsim_binary(), dir.path("kvsim")});
    auto completes = [&](const std::string& line) {
        return run_program("env", {"HOME=" + dir.dir(), "PATH=" + dir.dir() + ":/usr/bin:/bin", "fish", "--no-config", "-c", "source " + script + "; complete -C '" + line + "'"}).out;
    };
    CHECK(contains(completes("kvsim replay --eviction s3"), "s3_fifo\tnewcomers"));
    CHECK(contains(completes("kvsim tr"), "trace\t"));
    CHECK_FALSE(contains(completes("kvsim replay --report "), ":files"));
}

}  // namespace completion_test
