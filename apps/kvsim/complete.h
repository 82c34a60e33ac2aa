// What may stand where the cursor is: read from the command tree and the registries, so that a shell knows what
// `kvsim --help` and `kvsim list` know. A shell's script (cmd_completion.cpp) asks for it with `kvsim __complete WORDS`.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace kvsim::app {

/// A value that an option or argument takes: an id, or another word that means something there.
struct ValueWord {
    std::string text;
    std::string help;
    std::vector<std::pair<std::string, std::string>> parameters = {};  ///< "page=1": what it is; see Spec
};

/// The values of `name` ("--eviction", or the name of an argument) of `command` ("trace convert"); empty if they are not
/// a matter of ids. Words that the type of an option names itself ("on|off") are not among them.
std::vector<ValueWord> value_words(const std::string& command, const std::string& name);

struct Completion {
    std::vector<std::pair<std::string, std::string>> candidates;  ///< whole words, and what they are
    bool files = false;                                           ///< file names too
};

/// `words`: what stands after the program's name, the last one up to the cursor.
Completion complete(const CLI::App& root, const std::vector<std::string>& words);

/// One candidate a line, a tab before what it is; ":files" where file names are expected as well.
std::string completion_text(const Completion& completion);

}  // namespace kvsim::app
