#include <kvsim/layout/strategy_scope.h>

#include <kvsim/core/error.h>
#include <kvsim/eviction/sequence_policy.h>
#include <kvsim/eviction/token_policy.h>
#include <kvsim/layout/prefix.h>

namespace kvsim {

void refuse_other_scope(const std::string& eviction, const std::string& scope) {
    std::string id = eviction.substr(0, eviction.find(':')), given;
    if (size_t slash = id.find('/'); slash != std::string::npos) {
        given = id.substr(0, slash);
        id.erase(0, slash + 1);
    }
    struct Scope {
        std::string name;
        bool there;
        const char* layouts;
    };
    const Scope scopes[] = {{"block", block_strategies().find(id) != nullptr, "prefix"},
                            {"sequence", sequence_strategies().find(id) != nullptr, "paged, contiguous"},
                            {"token", token_strategies().find(id) != nullptr, "quantized"}};
    for (const Scope& s : scopes)
        if (s.name == scope && s.there && (given.empty() || given == scope)) return;
    for (const Scope& s : scopes)
        if (s.name != scope && s.there && (given.empty() || given == s.name))
            throw_input("--eviction " + eviction + " is a " + s.name + " strategy; expected a " + scope +
                        " strategy, or --layout " + s.layouts);
}

}  // namespace kvsim
