#include "cli_main.h"

int main(int argc, char** argv) { return kvsim::cli_main(argc, argv); }
