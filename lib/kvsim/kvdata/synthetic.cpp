#include <kvsim/core/error.h>
#include <kvsim/kvdata/synthetic.h>

namespace kvsim {

KvData make_synthetic(const std::string& text) { throw_input(text + ": not supported yet"); }

}  // namespace kvsim
