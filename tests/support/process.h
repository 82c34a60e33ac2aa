// Runs programs for the tests: the kvsim binary above all.
#pragma once

#include <string>
#include <vector>

namespace kvsim_test {

struct ProcessResult {
    int exit_code = -1;  ///< 128 + signal if killed by one
    std::string out;
    std::string err;
};

/// Runs `program` with `arguments`, feeding `input` to its standard input.
ProcessResult run_program(const std::string& program, const std::vector<std::string>& arguments,
                          const std::string& input = {});
/// The kvsim binary under test.
/// The program under test: what the environment names in KVSIM_BINARY, else the one of this build.
const char* kvsim_binary();
ProcessResult kvsim(const std::vector<std::string>& arguments, const std::string& input = {});

/// A directory that is removed with everything in it.
class TempDir {
  public:
    TempDir();
    ~TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    std::string path(const std::string& name) const { return dir_ + "/" + name; }
    /// Writes a file and returns its path.
    std::string write(const std::string& name, const std::string& text) const;
    const std::string& dir() const { return dir_; }

  private:
    std::string dir_;
};

std::string read_file(const std::string& path);
bool file_exists(const std::string& path);

/// $KVSIM_SHARED + "/" + name, or "" with a printed reason where it is unset or the file is missing.
std::string shared_file(const std::string& name);
/// A file of this repository.
std::string source_file(const std::string& name);

}  // namespace kvsim_test
