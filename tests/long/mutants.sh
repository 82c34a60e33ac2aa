#!/usr/bin/env bash
# Plants one bug after another in a scratch copy of the library and expects the unit, property and golden tests to fail.
# Usage: mutants.sh SOURCE_DIR [NAME...]   Long. Needs g++ and the libraries of the build; the tree is not touched.
# KVSIM_SHARED adds the golden tests. MUTANTS_EXCLUDE: doctest cases to leave out (known failures).
set -euo pipefail
[[ $# -ge 1 ]] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
source=$(realpath "$1")
shift

# name | file below lib/kvsim | what stands there | what to put there (fixed strings, first occurrence)
mutants() {
    cat <<'LIST'
touch order forwards|layout/prefix_pinned.h|for (size_t k = this->segments_.size(); k-- > 0;) {|for (size_t k = 0; k < this->segments_.size(); ++k) {
keep one less|layout/prefix_pinned.h|std::min<uint64_t>(stored, this->capacity()));|std::min<uint64_t>(stored, this->capacity() > 1 ? this->capacity() - 1 : 1));
keep one less, runs|layout/prefix_runs.cpp|std::min<uint64_t>(stored, capacity_));|std::min<uint64_t>(stored, capacity_ > 1 ? capacity_ - 1 : 1));
root shortcut not updated|trace/prefix_walk.h|root.shared = std::min(root.shared, record.shared);|
root latest not updated|trace/prefix_walk.h|root.last = row;|
walk one too far|trace/prefix_walk.h|while (position <= h->cut) {|while (position + 1 < h->cut) {
halving too eager|trace/prefix_walk.h|position <= next.cut && next.cut >= h->cut|position <= next.cut
hits from the last holder|layout/prefix_runs.cpp|if (hits == 0) hits = end;|hits = end;
fill kept after taking over|layout/prefix_runs.cpp|if (end == h.high && missing_[holder] != 0) {|if (end > h.high && missing_[holder] != 0) {
fill kept after eviction|layout/prefix_runs.cpp|resident_missing_ -= missing_[oldest_];|
fill of a cut request|layout/prefix_runs.cpp|if (keep == stored && !trace.content) {|if (!trace.content) {
fill forgotten in blocks|layout/prefix_pinned.h|if (named == stored && named > 0)|if (named == stored \&\& named > 1)
whole block stays partial|layout/prefix_pinned.h|this->partial_.clear_run(s.begin, s.count);|
runs used for long requests under tree|layout/prefix.cpp|> options.capacity_blocks) return false;|> 2 * options.capacity_blocks) return false;
flat: a hit is not touched|layout/prefix_flat.h|if (hit) {\n            this->strategy_.on_hit(block);|if (hit) {\n            (void)0;
flat: evicts before full|layout/prefix_blocks.h|bool full() const { return resident_ >= capacity(); }|bool full() const { return resident_ + 1 >= capacity() \&\& resident_ > 0; }
flat: leading goes on after a miss|layout/prefix_flat.h|leading_ = leading_ && hit;|leading_ = hit;
tree: deepest hit unprotected|layout/prefix_tree.h|return b != protected_ && b != protected_lookup_ &&|return
tree: own blocks always protected|layout/prefix_tree.h|!(protect_chain_ && b == tip_)|b != tip_
tree: goes on without its parent|layout/prefix_tree.h|if (victim == tip_) {|if (false) {
tree: parent never a leaf again|layout/prefix_tree.h|this->strategy_.on_leaf(above);|(void)0;
tree: inner nodes stay candidates|layout/prefix_tree.h|this->strategy_.on_inner(tip_);|(void)0;
stranded by parent only|layout/prefix_blocks.h|reachable[b] = parent[b] == kNone \|\| reachable[parent[b]];|reachable[b] = parent[b] == kNone \|\| strategy_.contains(parent[b]);
held: no meeting point|layout/prefix_running.h|if (skip > 0 && left == 0) meet(s.begin + skip - 1);|
held: parted at once|layout/prefix_running.cpp|if (--others_[block] == 0) met_.clear(block);|met_.clear(block);
held: bisection stops early|layout/prefix_running.cpp|return before + low;|return before + 1;
held: word border|layout/prefix_running.h|>> (63 - (last & 63));\n            f(|>> (62 - (last \& 63));\n            f(
held: released by a later end only|layout/prefix_running.cpp|ends_.top().first <= lifetimes_.start|ends_.top().first < lifetimes_.start
held: one too many run|layout/prefix_running.cpp|running_ >= concurrency_ ?|running_ > concurrency_ ?
held: nobody waits|layout/prefix_holding.h|waits = true;|
held: waits with room left|layout/prefix_holding.h|- held_.leading(this->segments_) > this->capacity()|> this->capacity()
pinned: a held block stays in the order|eviction/block_lru.h|stamp[i] = kHeld;|stamp[i] = stamp[i] == 0 ? kHeld : stamp[i];
pinned: output blocks never released|layout/prefix_pinned.h|for (BlockId block : running.unnamed) this->strategy_.on_release(block);|
pinned: held block stays partial|layout/prefix_pinned.h|for (const Segment& s : running.named) this->partial_.clear_run(s.begin, s.count);|
tree: a running request is no child|layout/prefix_tree.h|if (children_[tip_]++ == 0) this->strategy_.on_inner(tip_);|++children_[tip_];
tree: never a leaf after release|layout/prefix_tree.h|if (--children_[deepest] == 0) this->strategy_.on_leaf(deepest);|--children_[deepest];
tree: release touches nothing|layout/prefix_tree.h|for (uint32_t i = count; i-- > 0;) this->strategy_.on_release(begin + i);|
tree: tip gone unnoticed|layout/prefix_tree.h|tip_ = above;|
runs: taken blocks counted twice|layout/prefix_runs.cpp|if (kConcurrent && holder >= running_) active_ -= end - low;|
runs: one too many run|layout/prefix_runs.cpp|r - running_ >= options.concurrency|r - running_ > options.concurrency
runs: used whatever the order of release|layout/prefix.cpp|if (options.concurrency == kByTrace) return false;|
linked: the next turn need not begin alike|trace/link_outputs.cpp|>= full) next[p] = r;|>= 0 * full) next[p] = r;
linked: beyond the output|trace/link_outputs.cpp|std::min(complete, theirs)|std::max(complete * 0, theirs)
linked: the tail of the next prompt|trace/link_outputs.cpp|std::min(t.lookup_blocks(next[r]), t.prompt_tokens[next[r]] / size)|t.lookup_blocks(next[r])
linked: the first of that name|trace/link_outputs.cpp|latest[t.sequence_name(r)] = r;|latest.emplace(t.sequence_name(r), r);
linked: a named output is renamed|trace/link_outputs.cpp|if (t.has_named_output() && t.stored_rows[r] != kNone) {|if (false) {
token: the last one counts|sim/replay.cpp|(column[r], trace.prompt_tokens[r] - 1)|(column[r], trace.prompt_tokens[r])
token: the bound counts the last one|layout/prefix.cpp|hits = std::min(hits, trace.prompt_tokens[request] - 1);|
compaction drops a leaf|eviction/block_lru.h|leaves_.insert(to);|(void)0;
compaction keeps stale entries|eviction/block_lru.h|if (stamp_[block] != from) continue;|if (stamp_[block] == 0) continue;
first in first out|eviction/block_lru.h|        push(block);\n        if (leaf)|        if (leaf)
bitmap forgets its summary|eviction/block_lru.h|if (before != 0) return;|return;
re-block ratio of shared|trace/prefix_index.cpp|length : r.shared * ratio;|length : r.shared * ratio - 1;
re-block ignores ragged fill|trace/prefix_index.cpp|if (here != there) return false;|
re-block rounds tails down|trace/prefix_index.cpp|(uint64_t{row.tokens} + to - 1) / to);|uint64_t{row.tokens} / to);
re-block by token, one off|trace/prefix_index.cpp|std::min((j + 1) * to, last) - 1;|std::min(j * to + 1, last) - 1;
reordered: seen part forgotten|trace/prefix_index.cpp|limit = std::min(limit, seen);|limit = seen;
reordered: owner of the latest piece|trace/prefix_index.cpp|while (pieces[piece].before != kNone|while (false \&\& pieces[piece].before != kNone
violation leaves ids behind|trace/path_interner.cpp|raw_.resize(known);|
scope keeps branches|trace/path_interner.cpp|std::fill(branches_.begin(), branches_.end(), 0);|
branch without its parent|trace/path_interner.cpp|if (branch_parent_[row] == parent &&|if (
text delta: 12 is 123|trace/format_kv_cache_tester.cpp|std::lower_bound(before.ends.begin()|std::upper_bound(before.ends.begin()
sub-agent times absolute|trace/format_kv_cache_tester.cpp|trace.arrival_s[row] += t;|
ties by the last line|trace/format.cpp|std::stable_sort(order.begin()|std::reverse(order.begin(), order.end()); std::stable_sort(order.begin()
decode counts prompts only|trace/trace.cpp|uint64_t{prompt_tokens[r]} + (decode ? output_tokens[r] : 0);|uint64_t{prompt_tokens[r]};
lengths only: nothing without decode|trace/trace.cpp|if (!decode && !lengths_only)|if (!decode)
lengths only: not passed on|trace/format_kvsim.cpp|trace.lengths_only = named_ == Named::nothing;|
azure: midnight of the first row|trace/format_azure.cpp|return a.seconds < b.seconds; });|return false; });
csv: doubled quotes stay|trace/csv_reader.cpp|doubled = true;|
csv: columns by place|trace/csv_reader.cpp|static_cast<size_t>(found - names.begin());|c;
text: a short token is filled with zeros|trace/format_text.cpp|uint64_t name = ~uint64_t{0};|uint64_t name = 0;
text: models share|trace/format_text.cpp|if (model_.empty()) return;|return;
text: created before t|trace/format_text.cpp|if ((seen_ & (bit - 1) & (kT \| kTimestamp)) == 0) time_ = time;|time_ = time;
chunk weight rounds down|trace/trace.cpp|(2 * uint64_t{prompt_tokens[r]} + chunks)|(2 * uint64_t{prompt_tokens[r]})
warm-up one late|cache/cache.h|if (request == options.warmup_requests) result.warmup = result.total;|if (request == options.warmup_requests + 1) result.warmup = result.total;
peaks during warm-up|cache/run_result.h|if (!is_counted) return;|
next use: empty runs|trace/next_use.cpp|bool counts = std::min(run.high, most) > run.low;|bool counts = std::min(run.high, most) >= run.low;
bounds: hits stay in the cache|sim/bounds.cpp|cached -= waiting[row];|
bounds: hits of the warm-up are sought|sim/bounds.cpp|limit.push_back(counts ? most : 0);|limit.push_back(most);
bounds: the last token is sought|sim/bounds.cpp|uint32_t most = options_.compute_last_token ?|uint32_t most = false ?
bounds: storing is hitting|sim/bounds.cpp|bool counts = r != before && r >=|bool counts = r >=
admit: the others may fill the cache|sim/bounds.cpp|shrink_to(capacity - keep);|shrink_to(capacity);
admit: the chain is not cut|sim/bounds.cpp|std::min(run.high, keep) - run.low|run.high - run.low
time set: latest of before|core/time_set.h|if (at > top_) top_ = at;|
flat min: unused blocks keep their places|sim/flat_min.h|unused_ = std::min(unused_, capacity_ - waiting_);|
flat min: bypass takes the farther one|sim/flat_min.h|if (kBypass && next + i > farthest) return;|
flat min: warm-up sought|sim/flat_min.h|later >= counted ? later : kNever;|later;
flat min: leading after a gap|sim/flat_min.h|if (leading == position) leading += n;|if (leading <= position) leading += n;
curve: total not lowered|sim/curve.cpp|all -= high - low;|
curve: the newest holds what it lost|sim/curve.cpp|newest -= high - low;|
curve: the owner is newer than itself|sim/curve.cpp|held.first(user + size_t{1})|held.first(user)
curve: flat without the owner|sim/curve.cpp|from_newest ? newest : all - held.first(user)|from_newest ? newest : all - held.first(user + size_t{1})
curve: partly filled blocks are whole|sim/curve.cpp|if (less != 0) marks|if (false) marks
curve: warm-up counted|sim/curve.cpp|if (r < options_.warmup_requests) return 0;|
curve: leading as any|sim/curve.cpp|worst = std::max(worst, rank);|worst = rank;
curve: output touches nothing|sim/curve.cpp|for (uint32_t i = stored[r]; i > named; --i) slots.touch();|
curve: stored forwards|sim/curve.cpp|for (size_t k = segments.size(); k-- > 0;)\n            for (uint32_t i = segments[k].count; i-- > 0;)|for (size_t k = 0; k < segments.size(); ++k)\n            for (uint32_t i = 0; i < segments[k].count; ++i)
curve: exact from one block|sim/curve.cpp|std::max<uint64_t>(result.exact_from_blocks, blocks)|1
curve: slope one rank too far|sim/curve_marks.cpp|k.at.hit_blocks += k.more_blocks * since;|k.at.hit_blocks += k.more_blocks * (since + 1);
curve: dropped from a word that is being filled|sim/curve.cpp|if (slot / 64 < next_ / 64)|if (slot / 64 + 1 < next_ / 64)
salt ignored|trace/names.h|.append(scope).append(1, kind)|.append(1, kind)
copy on write not in the need|block/paged_store.cpp|if (fresh + copy > pool_.available())|if (fresh > pool_.available())
last holder copies|block/paged_store.cpp|(s.room == 0 \|\| pool_.references(s.table.back()) == 1)|s.room == 0
trim begins inside the sink|block/paged_store.cpp|uint64_t begin = blocks_for(sink);|uint64_t begin = sink / block_size_;
copied tokens not held|block/paged_store.cpp|        held_tokens_ += filled;|
worst fit|block/arena.h|auto fit = by_size_.lower_bound({count, 0});|auto fit = by_size_.lower_bound({count, 0}); if (fit != by_size_.end()) fit = std::prev(by_size_.end());
contiguous: the child's access first|block/contiguous_store.cpp|c.facts.last_access = c.facts.started = ++clock_;|p.facts.last_access = ++clock_;
victims: ties to the largest id|eviction/sequence_order.h|key > other.key : id > other.id|key > other.key : id < other.id
victims: risen ones forgotten|layout/sequence_cache.h|if (store_.contains(id)) order_.changed(id);|(void)id;
recomputed: trimmed tokens too|layout/sequence_replay.h|recomputed_tokens += held_tokens(p.extent);|recomputed_tokens += p.extent.tokens;
never fits unnoticed|layout/sequence_replay.h|if (never_fits(whole) \|\| (rules_|if ((rules_
admitted again beyond N|layout/sequence_replay.h|} while (admit_again());|} while (false); while (admit_again()) {}
peak after the threshold|layout/sequence_replay.h|        note_peak();\n        if (!cache_.needs|        if (!cache_.needs
eight digits|trace/json_reader.cpp|(*p == '0' && next_count > 1)|(*p == '0' \&\& next_count > 99)
LIST
}

scratch=$(mktemp -d "${TMPDIR:-/tmp}/kvsim-mutants.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cp -r "$source/lib" "$scratch/lib"
cat >"$scratch/Makefile" <<MAKE
FLAGS = -std=c++20 -O1 -I$scratch/lib -I$source/tests -MMD -DKVSIM_SOURCE_DIR='"$source"' -DKVSIM_BINARY='""' \
        -DKVSIM_PYTHON3='""' -DKVSIM_VERSION='""' -DKVSIM_GIT='""'
LIB := \$(wildcard $scratch/lib/kvsim/core/*.cpp $scratch/lib/kvsim/trace/*.cpp $scratch/lib/kvsim/block/*.cpp \
         $scratch/lib/kvsim/eviction/*.cpp $scratch/lib/kvsim/layout/*.cpp $scratch/lib/kvsim/sim/*.cpp)
TESTS := \$(wildcard $source/tests/support/*.cpp $source/tests/property/*.cpp $source/tests/golden/shared_traces_test.cpp \
         $source/tests/golden/beam_test.cpp $source/tests/unit/paged_cache_test.cpp \
         $source/tests/unit/format_*_test.cpp $source/tests/unit/index_test.cpp $source/tests/unit/concurrency_test.cpp \
         $source/tests/unit/source_test.cpp $source/tests/unit/bounds_test.cpp $source/tests/unit/curve_test.cpp)
OBJECTS := \$(LIB:$scratch/lib/%.cpp=$scratch/o/%.o) \$(TESTS:$source/tests/%.cpp=$scratch/o/tests/%.o)
$scratch/tests: \$(OBJECTS)
	@g++ -o \$@ \$^ -lrapidcheck -lsimdjson -lfmt -lzstd -lz -lcrypto -lpthread
$scratch/o/%.o: $scratch/lib/%.cpp
	@mkdir -p \$(@D); g++ \$(FLAGS) -c -o \$@ \$<
$scratch/o/tests/%.o: $source/tests/%.cpp
	@mkdir -p \$(@D); g++ \$(FLAGS) -c -o \$@ \$<
-include \$(OBJECTS:.o=.d)
MAKE
build() { make -s -j"$(nproc)" -f "$scratch/Makefile" >"$scratch/build.log" 2>&1; }
tests() { timeout 120 "$scratch/tests" --test-case-exclude="long:*${MUTANTS_EXCLUDE:+,$MUTANTS_EXCLUDE}" --abort-after=1 >"$scratch/test.log" 2>&1; }

build || { cat "$scratch/build.log" >&2; exit 1; }
tests || { tail -n 40 "$scratch/test.log" >&2; echo "mutants: the tests fail without any" >&2; exit 1; }
survivors=0 killed=0
while IFS= read -r line; do
    # Fields are parted by single bars; a bar of the code is written \|.
    mapfile -t field < <(sed 's/\\|/\x01/g; s/|/\n/g' <<<"$line" | sed 's/\x01/|/g')
    name=${field[0]} file=$scratch/lib/kvsim/${field[1]}
    if [[ $# -gt 0 && " $* " != *" $name "* ]]; then continue; fi
    cp "$file" "$scratch/before"
    if ! FROM=${field[2]} TO=${field[3]-} perl -0pi -e '
        BEGIN { $from = $ENV{FROM}; $to = $ENV{TO}; s/\\n/\n/g for $from, $to; $to =~ s/\\&/&/g; }
        $n = s/\Q$from\E/$to/; END { exit($n ? 0 : 1) }' "$file"; then
        echo "mutants: '$name' does not apply any more: ${field[2]}" >&2
        exit 1
    fi
    if ! build; then
        echo "DOES NOT BUILD  $name"
        tail -n 3 "$scratch/build.log"
        survivors=$((survivors + 1))
    elif tests; then
        echo "SURVIVED        $name"
        survivors=$((survivors + 1))
    else
        echo "killed          $name  by $(grep -m1 -aoP '(?<=TEST CASE:  ).*' "$scratch/test.log" || echo "a crash or a time-out")"
        killed=$((killed + 1))
    fi
    cp "$scratch/before" "$file"
done < <(mutants)
echo "mutants: $killed killed, $survivors not"
[[ $survivors -eq 0 ]]
