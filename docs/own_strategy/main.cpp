// kvsim with one strategy more.
#include <kvsim/cli_main.h>
#include <kvsim/layout/block_row.h>

#include "head_clock.h"

int main(int argc, char** argv) {
    kvsim::block_strategies().add(kvsim::block_row<HeadClock>());
    return kvsim::cli_main(argc, argv);
}
