// Strategies of three scopes share the option --eviction: what is said when one stands under a layout of another scope.
#pragma once

#include <string>

namespace kvsim {

/// `scope`: "block", "sequence" or "token", that of the layout. Throws Error(input) that names the layouts where the strategy
/// does run; nothing if it is of this scope, or of none.
void refuse_other_scope(const std::string& eviction, const std::string& scope);

}  // namespace kvsim
