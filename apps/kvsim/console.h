// What is said to people: narration on stderr, a progress line on a terminal, colour where it is wanted.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

namespace kvsim::app {

class Console {
  public:
    bool quiet = false;
    bool verbose = false;
    std::string color = "auto";  ///< auto, always, never

    /// A line on stderr unless quiet.
    void say(const std::string& line) const;
    /// A line on stderr if verbose.
    void explain(const std::string& line) const;
    /// Whether to colour what goes to `fd`: the flag beats NO_COLOR, which beats the terminal.
    bool colored(int fd) const;
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
