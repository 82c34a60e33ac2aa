// The shells' side of completion: a script hands over what stands before the cursor and shows what comes back, so that the
// rules are written once (complete.cpp) and belong to the program that is being called.
#include "cli.h"

#include <kvsim/core/error.h>
#include <kvsim/core/suggest.h>

#include <cstdio>

namespace kvsim::app {

namespace {

// bash cuts words at ':' and '=', so what stood together is put together again, and the part that bash holds to be done
// is cut from what comes back.
constexpr const char* kBash = R"(# bash completion of kvsim. Made by: kvsim completion bash
_kvsim() {
    local rest=${COMP_LINE:0:COMP_POINT} trimmed line candidate head files= i
    local words=() last=-1
    for ((i = 0; i <= COMP_CWORD; i++)); do
        trimmed=${rest#"${rest%%[![:space:]]*}"}
        if ((i == COMP_CWORD)); then candidate=$trimmed; else candidate=${COMP_WORDS[i]}; fi
        if ((last >= 0)) && [[ $trimmed == "$rest" ]]; then
            words[last]+=$candidate
        else
            last=$((last + 1))
            words[last]=$candidate
        fi
        rest=${trimmed#"${COMP_WORDS[i]}"}
    done
    head=
    if [[ $COMP_WORDBREAKS == *[:=]* && ${words[last]} == *[:=]* ]]; then
        head=${words[last]%"${words[last]##*[:=]}"}
    fi
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            files=1
        else
            candidate=${line%%$'\t'*}
            COMPREPLY+=("${candidate#"$head"}")
        fi
    done < <("${words[0]/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:=] ]]; then compopt -o nospace 2>/dev/null; fi
    if [[ $files ]]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "${words[last]##*[:=]}")
    fi
}
complete -F _kvsim kvsim
)";

constexpr const char* kZsh = R"(#compdef kvsim
# zsh completion of kvsim. Made by: kvsim completion zsh
_kvsim() {
    local line word files
    local -a plain open plain_help open_help
    while IFS= read -r line; do
        word=${line%%$'\t'*}
        if [[ $line == :files ]]; then
            files=1
        elif [[ $word == *[:=] ]]; then
            open+=("$word")
            open_help+=("${line/$'\t'/  -- }")
        else
            plain+=("$word")
            plain_help+=("${line/$'\t'/  -- }")
        fi
    done < <("${(Q)words[1]/#\~/$HOME}" __complete "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)
    if (( $#plain )); then compadd -l -d plain_help -- "${plain[@]}"; fi
    if (( $#open )); then compadd -l -d open_help -S '' -- "${open[@]}"; fi
    if [[ -n $files ]]; then
        compset -P '--*='
        _files
    fi
}
if [[ $funcstack[1] == _kvsim ]]; then _kvsim "$@"; else compdef _kvsim kvsim; fi
)";

constexpr const char* kFish = R"(# fish completion of kvsim. Made by: kvsim completion fish
function __kvsim_complete
    set -l words (commandline -opc)
    $words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c kvsim -f -n 'not __kvsim_complete | string match -q :files' -a '(__kvsim_complete)'
complete -c kvsim -F -n '__kvsim_complete | string match -q :files' -a '(__kvsim_complete | string match -v :files)'
)";

class CompletionCommand : public Command {
  public:
    explicit CompletionCommand(CLI::App& parent)
        : Command(parent, "completion", "a script that lets bash, zsh or fish complete commands, options and ids",
                  "  kvsim completion bash > ~/.local/share/bash-completion/completions/kvsim\n"
                  "  kvsim completion zsh > ~/.zfunc/_kvsim\n"
                  "  kvsim completion fish > ~/.config/fish/completions/kvsim.fish") {
        positional("shell", shell_, "bash, zsh or fish", true);
        run = [this] { return execute(); };
    }

  private:
    int execute() {
        const std::pair<const char*, const char*> scripts[] = {{"bash", kBash}, {"zsh", kZsh}, {"fish", kFish}};
        std::vector<std::string> known;
        for (const auto& [shell, script] : scripts) {
            known.emplace_back(shell);
            if (shell_ != shell) continue;
            if (!common.report.empty()) throw_input("--report has no effect on completion: a script is not a report");
            std::fputs(script, stdout);
            return 0;
        }
        throw_input("no completion for '" + shell_ + "'" + did_you_mean(shell_, known) + "; known: " + join(known));
    }
    std::string shell_;
};

}  // namespace

std::unique_ptr<Command> completion_command(CLI::App& parent) { return std::make_unique<CompletionCommand>(parent); }

}  // namespace kvsim::app
