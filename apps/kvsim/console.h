// What is said to people: narration on stderr, a progress line on a terminal, colour where it is wanted.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace kvsim::app {

class Console {
  public:
    bool quiet = false;
    bool verbose = false;
    bool notes = true;           ///< say what readers of traces remark
    std::string color = "auto";  ///< auto, always, never

    /// A line on stderr unless quiet.
    void say(const std::string& line) const;
    /// A line on stderr if verbose, once.
    void explain(const std::string& line) const;
    bool explains() const { return verbose && !quiet; }
    /// Columns of the terminal that `fd` is; 0 where it is none.
    static unsigned width(int fd);
    /// Whether to colour what goes to `fd`: the flag beats NO_COLOR, which beats the terminal.
    bool colored(int fd) const;

  private:
    mutable std::vector<std::string> said_;  ///< by explain()
};

/// A line on stderr that is redrawn ten times a second once the work has taken half a second; only on a terminal.
class Progress {
  public:
    Progress(const Console& console, std::string what, uint64_t whole);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    std::atomic<uint64_t>& done() { return done_; }

  private:
    void draw();
    std::string what_;
    uint64_t whole_;  ///< 0 = not known: the count is shown as bytes
    std::atomic<uint64_t> done_{0};
    std::atomic<bool> end_{false};
    std::thread thread_;
};

}  // namespace kvsim::app
