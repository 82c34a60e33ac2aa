#include <kvsim/layout/layouts.h>

namespace kvsim {

Registry<LayoutRow>& layouts() {
    static Registry<LayoutRow> registry = [] {
        Registry<LayoutRow> r("layout");
        r.add({"prefix", "blocks shared by common prefix and kept after a request ends, to be hit by later ones",
               "--eviction --accounting pinned|flat|tree --match block --decode on|off"});
        return r;
    }();
    return registry;
}

}  // namespace kvsim
