// The command line as a function, for programs that add rows of their own to a registry first:
// docs/OWN_STRATEGY.md. Installed as <kvsim/cli_main.h>; link kvsim::cli.
#pragma once

namespace kvsim {

/// The whole program: parses, runs, prints, returns the exit code. Takes over SIGINT, SIGTERM, SIGHUP, SIGQUIT and
/// SIGPIPE, so that no half-written file stays. Throws nothing.
int cli_main(int argc, const char* const* argv);

}  // namespace kvsim
