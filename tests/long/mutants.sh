#!/usr/bin/env bash
# Plants one bug after another in a scratch copy of the library and expects the unit, property and golden tests to fail.
# Usage: mutants.sh SOURCE_DIR [NAME...]   Long. Needs g++ and the libraries of the build; the tree is not touched.
# KVSIM_SHARED adds the golden tests. MUTANTS_PART=K/N: every N-th bug, from the K-th on (1 to N).
set -euo pipefail
[[ $# -ge 1 ]] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
source=$(realpath "$1")
shift
part=${MUTANTS_PART:-1/1}

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
flat: a hit is not touched|layout/flat_steps.h|++n) this->on_hit(begin + n);|++n) (void)0;
flat: lru: a stretch is longer than it is|eviction/flat_lru.h|stamp[n] == place + n|stamp[n] >= place
flat: a block that is filled stays partly filled|layout/prefix_flat.h|            this->partial_.clear_run(begin, count);|
flat: a leading block that is filled stays partly filled|layout/prefix_flat.h|if (lead < kept) this->partial_.clear_run(s.begin, std::min(n, kept - lead));|
flat: the tail weighs as much as the rest|layout/prefix_flat.h|if (hits.last && position >= edges.tail)|if (false)
flat: old content taken for new|layout/prefix_flat.h|            seen_ = std::max(seen_, begin + count);  // runs|            // runs
flat: output is told of late|layout/prefix_flat.h|            this->strategy_.mark(last);\n        }\n        return last;|        }\n        return last;
flat: last blocks: used again, still empty|layout/prefix_flat.h|if (length == c.length) [[unlikely]] last_blocks_.used_again(row);|
flat: last blocks: one that is not its request's own|layout/prefix_flat.h|own.shared < own.length && in_order_|in_order_
flat: last blocks: out of order|eviction/flat_s3_fifo.h|return !rules_.fill_main \|\| evicted_ > 0;|return true;
flat: last blocks: who has gone keeps its places|layout/last_blocks.h|            total_ -= e.missing;|
flat: last blocks: the line is too short|layout/last_blocks.h|if (end_ - first_ == line_.size()) [[unlikely]] lengthen();|
flat: s3_fifo: a block to be promoted goes|eviction/flat_s3_fifo.h|plain_below_ = kSmall + std::min<uint32_t>(rules_.promote, kMost) * kOne;|plain_below_ = kSmall + (rules_.promote + 1u) * kOne;
flat: s3_fifo: a place that a ghost left counts|eviction/flat_s3_fifo.h|block >= named_ \|\| state[forgotten] != ghost_at(oldest)|block >= named_
flat: s3_fifo: main is not asked|eviction/flat_s3_fifo.h| \|\| main_.size > main_size_ \|\| most_ghosts_ == 0| \|\| most_ghosts_ == 0
flat runs: what is evicted comes from the deep end|layout/prefix_flat_runs.cpp|        s.low = from + n;|        s.high -= n;
flat runs: a last block that is taken stays partly filled|layout/prefix_flat_runs.cpp|        if (piece.end == holder.high) {|        if (false) {
flat runs: pieces from the last to the first|layout/prefix_flat_runs.cpp|for (size_t i = pieces_.size(); i-- > 0;) {|for (size_t i = 0; i < pieces_.size(); ++i) {
flat runs: what is left of a holder is neither taken nor evicted|layout/prefix_flat_runs.cpp|            holder.cut = piece.begin;  // what is left of it is evicted, not taken|
flat runs: a holder keeps what was taken|layout/prefix_flat_runs.cpp|            holder.cut = piece.end;|
flat runs: who has gone as a whole is a miss|layout/prefix_flat_runs.cpp|if (holder.low > piece.begin) {|if (holder.low >= piece.end) {
flat runs: stranded by the taken part alone|layout/prefix_flat_runs.cpp|taken < s.cut \|\| s.low > s.cut ? taken : s.high|taken < s.cut ? taken : s.high
flat runs: output is stranded, too|layout/prefix_flat_runs.cpp|uint32_t named = std::min(s.high, trace.chains[r].length)|uint32_t named = s.high
flat runs: used for content|layout/prefix.cpp|return !trace.content && !trace.objects;|return !trace.objects;
stranded: the row before|layout/prefix_blocks.h|for (; step > 0; step /= 2)|for (; step > 1; step /= 2)
flat: arc: nobody is told after renewal|eviction/flat_log.h|for (uint32_t number : marked) mark(tail + number);|
flat: log: the edge stays behind|eviction/flat_log.h|edge = head_ + before_edge;|edge = head_ + before_edge / 2;
flat: log: old numbers stay|eviction/flat_log.h|if (stamp >= first_place_ && stamp < head_) stamp = 0;|(void)stamp;
flat: log: whoever has left still stands there|eviction/flat_log.h|        live_.clear_run(at, here);|
flat: arc: B1 grows beyond the cache|eviction/flat_arc.h|if (!once_full) n = std::min(n, room_ - once);|
flat: arc: a ghost that there is not is forgotten|eviction/flat_arc.h|std::min<uint64_t>(steps, once_.ghosts)|steps
flat: arc: B2 alone decides nothing|eviction/flat_arc.h|(size == target_ && !once)|false
flat: arc: output leaves ghosts|eviction/flat_arc.h|if (block < named_) return;|return;
flat: gdsf: newcomers are young|eviction/flat_gdsf.h|old_ += rank == floor_;|old_ += rank == kNone;
flat: gdsf: who was used since goes|eviction/flat_gdsf.h|settle(upper_);|
flat: gdsf: a bucket in no order|eviction/flat_gdsf.h|        std::sort(upper_|        if (false) std::sort(upper_
flat: gdsf: a larger rank is taken for this one|eviction/flat_gdsf.h|if (seats_[number].rank == rank) {|if (true) {
heap: a void place stands for whoever comes again|eviction/key_heap.h|        state_[block] = static_cast<ByteNumber>(state_[block] & kVoid);|        state_[block] = kGone;
heap: a smaller key waits in line|eviction/key_heap.h|            mark(block, kVoid);|            mark(block, kWaiting \| kRaised);
heap: everybody stands in line|eviction/key_heap.h|(first_ != last_ && before(e, newest_))|false
heap: whoever enters stays on top|eviction/key_heap.h|if (!before(e, heap_[kRoot])) return sink(kRoot, e);|
flat: room is left in a run|eviction/flat_fifo.h|if (count > free_) evict(count - free_, leave);|if (count > free_) evict(std::min<uint64_t>(count, most_ - free_), leave);
flat: fifo: who enters again goes before its time|eviction/flat_fifo.h|push({begin, n, next_});|push({begin, n, next_ > 0 ? next_ - 1 : 0});
flat: fifo: the queue of those who entered again is not asked|eviction/flat_fifo.h|if (end_ == first_) next_run_at_ = run.before;|
flat: fifo: a run ends where newcomers end|eviction/flat_fifo.h|if (n == count \|\| !contains(begin + n)) return n;|return n;
flat: fifo: a run that goes stays resident|eviction/flat_fifo.h|            again_.clear_run(s.begin, n);|
flat: a run longer than the cache|eviction/flat_lru.h|std::min<uint64_t>(count, most_));|uint64_t{count});
flat: clock: whoever is spared keeps its mark|eviction/flat_hits.h|        hit_.clear_run(run.begin, n);|
flat: clock: newcomers are resident late|eviction/flat_hits.h|            resident_.set_run(begin, n);  // before: the first may be gone when the last enters\n            self().replace(begin, n, leave);|            self().replace(begin, n, leave);\n            resident_.set_run(begin, n);
flat: queue of runs: a neighbour of the newest|eviction/flat_hits.h|static_cast<uint32_t>(newest >> 32) == s.begin|static_cast<uint32_t>(newest >> 32) >= s.begin
flat: sieve: the hand waits at the newest|eviction/flat_sieve.h|                behind_.push({oldest.begin, n});\n                if (ahead_.empty()) std::swap(ahead_, behind_);|                behind_.push({oldest.begin, n});
flat: sieve: the last of several wraps the hand|eviction/flat_sieve.h|if (n == 1 && ahead_.empty())|if (ahead_.empty())
flat: sieve: who is spared is young again|eviction/flat_sieve.h|behind_.push({oldest.begin, n});|ahead_.push({oldest.begin, n});
flat: lfu: who has a seat goes in line|eviction/flat_lfu.h|if (where[at] <= kMarked) victim = at;|victim = at;
flat: lfu: the heap is not settled|eviction/flat_lfu.h|if (seat.time == top.time) break;|break;
flat: s3_fifo: a ghost's old place is its own|eviction/flat_s3_fifo.h|if (state_[block] == ghost_at(oldest_ghost_)) {|if ((state_[block] \& 3) == kGhost) {
block bits: runs longer than a word|eviction/block_bits.h|begin += count - count % kPiece;|
partial blocks: a gap cuts a search off|layout/partial_blocks.h|            slots_[at] = slots_[from];\n            at = from;|
flat: evicts before full|layout/prefix_blocks.h|bool full() const { return resident_ >= capacity(); }|bool full() const { return resident_ + 1 >= capacity() \&\& resident_ > 0; }
tree: deepest hit unprotected|layout/prefix_tree.h|return b != protected_ && b != protected_lookup_ &&|return
tree: own blocks always protected|layout/prefix_tree.h|!(protect_chain_ && b == tip_)|b != tip_
tree: goes on without its parent|layout/prefix_tree.h|if (victim == tip_) {|if (false) {
tree: parent never a leaf again|layout/prefix_tree.h|this->strategy_.on_leaf(above);|(void)0;
tree: inner nodes stay candidates|layout/prefix_tree.h|this->strategy_.on_inner(tip_);|(void)0;
stranded by parent only|layout/prefix_blocks.h|parent >= from && reachable.has(parent - from)|strategy_.contains(parent)
held: no meeting point|layout/prefix_running.h|if (skip > 0 && left == 0) meet(s.begin + skip - 1);|
held: parted at once|layout/prefix_running.cpp|if (--others_[block] == 0) met_.clear(block);|met_.clear(block);
held: bisection stops early|layout/prefix_running.cpp|return before + low;|return before + 1;
held: released by a later end only|layout/prefix_running.cpp|ends_.top().first <= lifetimes_.start|ends_.top().first < lifetimes_.start
held: one too many run|layout/prefix_running.cpp|running_ >= concurrency_ ?|running_ > concurrency_ ?
held: nobody waits|layout/prefix_holding.h|waits = true;|
held: waits with room left|layout/prefix_holding.h|- held_.leading(this->segments_) > this->capacity()|> this->capacity()
pinned: a held block stays in the order|eviction/block_lru.h|stamp[i] = kHeld;|stamp[i] = stamp[i] == 0 ? kHeld : stamp[i];
pinned: output blocks never released|layout/prefix_pinned.h|for (BlockId block : running.unnamed) let_go(block);|
pinned: held block stays partial|layout/prefix_pinned.h|for (const Segment& s : running.named) this->partial_.clear_run(s.begin, s.count);|
tree: a running request is no child|layout/prefix_tree.h|if (children_.add(tip_)) this->strategy_.on_inner(tip_);|children_.add(tip_);
tree: never a leaf after release|layout/prefix_tree.h|if (children_.remove(deepest)) this->strategy_.on_leaf(deepest);|children_.remove(deepest);
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
token: the bound counts the last one|layout/prefix.cpp|hits = std::min(hits, trace.prompt_tokens[r] - 1);|
compaction drops a leaf|eviction/block_lru.h|leaves_.insert(to);|(void)0;
compaction keeps stale entries|eviction/block_lru.h|if (stamp_[block] != from) continue;|if (stamp_[block] == 0) continue;
first in first out|eviction/block_lru.h|        push(block);\n        if (leaf)|        if (leaf)
sieve: the hand begins at the oldest each time|eviction/block_sieve.h|place + 1 < queue_.end() ? place + 1 : kOldest|kOldest
sieve: the hand waits for the next block|eviction/block_sieve.h|place + 1 < queue_.end() ? place + 1 : kOldest|place + 1
sieve: two walks|eviction/block_sieve.h|walk < 3|walk < 2
slru: a cold cache fills the lowest segment only|eviction/block_slru.h|while (to < segments_.size() && segments_[to].size() >= size_) ++to;|
slru: nobody is handed down|eviction/block_slru.h|segments_[segment].size() > size_|segments_[segment].size() > size_ + 1
slru: one hit is enough for SGLang|eviction/block_slru.h|steps_ = sized_ ? 0 : 1;|steps_ = 0;
slru: release renews nothing|eviction/block_slru.h|segment_of(block).renew(block);|(void)block;
two_q: A1in gives at its target|eviction/block_two_q.h|in_.size() > in_target_|in_.size() >= in_target_
two_q: Am leaves ghosts|eviction/block_two_q.h|bool leaves_ghost = where_[block] == kIn;|bool leaves_ghost = true;
two_q: release renews nothing|eviction/block_two_q.h|void on_release(BlockId block) { on_hit(block); }|void on_release(BlockId) {}
ghosts: of blocks without a name|eviction/block_ghosts.h|limit_ == 0 \|\| block >= named_|limit_ == 0
ghosts: one too few|eviction/block_ghosts.h|queue_.size() == limit_|queue_.size() + 1 >= limit_
ghosts: the newest is forgotten|eviction/block_ghosts.h|remove(queue_.front());|return;
qdlp: a full CLOCK gives nothing more|eviction/block_qdlp.h|return comes_back_ && clock_.size() >= clock_room_;|return false;
qdlp: moves into a full CLOCK|eviction/block_qdlp.h|clock_.size() >= clock_room_ ? of_clock(eligible) : kNone;|kNone;
qdlp: counters to 2|eviction/block_qdlp.h|kMost = 3;|kMost = 2;
qdlp: a moved block keeps its count|eviction/block_qdlp.h|where_[block] = kClock;\n            count_[block] = ByteNumber{0};|where_[block] = kClock;
wanted room: flat|layout/prefix_flat_blocks.h|while (this->strategy_.wants_room() && make_room(block)) {}|
wanted room: pinned|layout/prefix_pinned.h|while (this->strategy_.wants_room()) {|while (false) {
wanted room: tree|layout/prefix_tree.h|while (this->full() \|\| this->strategy_.wants_room()) {|while (this->full()) {
queue: a leaf is none in the next queue|eviction/block_queue.h|if (leaf) other.on_leaf(block);|
queue: one victim per request|eviction/block_queue.h|from_ = std::min(place, head_);|from_ = head_;
queue: compaction leaves the hand|eviction/block_queue.h|hand_ = at_hand == kNone ? to : places_[at_hand];|
bitmap forgets its summary|eviction/bitmap_min.h|if (before != 0) return;|return;
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
objects: counted from 0|trace/writer_objects.cpp|OracleRecord::kNever : next[at];|OracleRecord::kNever : next[at] - 1;
objects: not by first appearance|trace/writer_objects.cpp|            dense.renumber(ids);|
objects: a chunk that repeats|trace/writer_objects.cpp|content_ids(trace, r, ids);|content_ids(trace, r, ids); std::sort(ids.begin(), ids.end());
objects: growing loses ids|trace/object_reader.h|while (slots_[at].row != 0) at = (at + 1) & mask;|
objects: ids alike in their place|trace/object_reader.h|slot.row != 0 && slot.id == id|slot.row != 0
objects: sorted by time|trace/object_reader.h|const override { return false; }|const override { return true; }
objects: a header in every row|trace/format_object_csv.cpp|std::exchange(first, false)|first
objects: names are numbers|trace/format_object_csv.cpp|named_.emplace(std::string(text), row).first->second;|rows_.introducer(text.size(), row);
records: torn apart|trace/line_source.cpp|have < size ? have : have - have % size|have
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
fork without its parent's priority|trace/format_kvsim.cpp|if (trace.priority.has(parent)) trace.priority.set(row, trace.priority[parent]);|
reserve: output that is never stored|layout/contiguous.cpp|if (!decode && !trace.events.empty()) {|if (false) {
recomputed: trimmed tokens too|layout/sequence_events.h|recomputed_tokens += held_tokens(p.extent);|recomputed_tokens += p.extent.tokens;
never fits unnoticed|layout/sequence_events.h|if (never_fits(whole) \|\| (rules_|if ((rules_
admitted again beyond N|layout/sequence_requests.h|} while (admit_again());|} while (false); while (admit_again()) {}
peak of a move: one run only|block/contiguous_store.cpp|if (!moved) return fail(need);\n            stats_.peak_used_blocks = std::max(stats_.peak_used_blocks, arena_.used());|if (!moved) return fail(need);
peak of the warm-up|layout/sequence_replay.h|if (request == options_.warmup_requests) cache_.store().forget_peaks();|
shared peak between requests only|layout/sequence_replay.h|store().shared_blocks(), s.peak_shared_blocks});|store().shared_blocks()});
evicted tokens: shared ones too|layout/sequence_cache.h|return {victim, blocks, before - store_.held_tokens()};|return {victim, blocks, before};
trimmed tokens: shared ones too|layout/sequence_events.h|evicted_tokens += before - store().held_tokens();|evicted_tokens += t.dropped_tokens;
waited: of the warm-up, late|layout/sequence_replay.h|if (counted() && id < options_.warmup_requests) ++result_->warmup.waited;|
oldest: who ends first|layout/sequence_requests.h|void release_oldest() { release(running_.begin()->second.first); }|void release_oldest() { if (options_.concurrency == kByTrace) return release_next(); release(running_.begin()->second.first); }
wait: children go on without their parent|layout/sequence_events.h|put_[id].state == State::unborn ? put_[id].behind : id;|id;
wait: what was put off is forgotten|layout/sequence_events.h|for (const Event& e : done.later) serve(e);|
wait: nobody gives up|layout/sequence_events.h|} else if (store().size() == stored_waiting_) {|} else if (false) {
wait: too long by what was put off|layout/sequence_events.h|if (never_fits(w.whole)) give_up(first);|
wait: unborn children of the rejected|layout/sequence_events.h|if (e.kind == EventKind::fork) reject(e.sequence);|
preempt: the request's first sample only|layout/sequence_requests.h|key = std::min(key, cache_.strategy().key(store().facts(q.sequence(i))));|(void)i;
samples: the last holder copies too|block/paged_store.h|uint64_t copies = empty != 0 ? samples - 1 : 0;|uint64_t copies = empty != 0 ? samples : 0;
samples: the tail is not filled first|block/paged_store.h|(tokens > empty ? samples * blocks_for(tokens - empty) : 0)|samples * blocks_for(tokens)
peak between events only|layout/sequence_replay.h|std::max(store().used_blocks(), s.peak_used_blocks);|store().used_blocks();
recomputed: trimmed tokens too|layout/sequence_events.h|recomputed_tokens += held_tokens(p.extent);|recomputed_tokens += p.extent.tokens;
never fits unnoticed|layout/sequence_events.h|if (never_fits(whole) \|\| (rules_|if ((rules_
admitted again beyond N|layout/sequence_requests.h|} while (admit_again());|} while (false); while (admit_again()) {}
peak after the threshold|layout/sequence_events.h|if (begins) this->note_peak();|
mru: hits forgotten|eviction/block_mru.h|void on_hit(BlockId block) { stack_.renew(block); }|void on_hit(BlockId) {}
mru: release forgotten|eviction/block_mru.h|void on_release(BlockId block) { stack_.renew(block); }|void on_release(BlockId) {}
stack: compaction drops a leaf|eviction/block_stack.h|if (leaf) leaves_.insert(to);|(void)leaf;
stack: renewed as no leaf|eviction/block_stack.h|if (leaf) on_leaf(block);|(void)leaf;
stack: a walk goes on behind new blocks|eviction/block_stack.h|static_cast<uint32_t>(top_);\n        from_ = 0;|static_cast<uint32_t>(top_);
plain queue: whole blocks stay partial|layout/prefix_plain_queue.h|fill_whole(block);|(void)0;
plain queue: looked up behind the first miss only|layout/prefix_plain_queue.h|count_behind(r, result.hit_blocks[r], result);|count_behind(r, t.lookup_blocks(r), result);
ttl: a use begins no life|eviction/block_ttl.h|if (from_use_) begin_life(block, heap_.tie(block));|
ttl: over in order of use|eviction/block_ttl.h|heap_.change(block, kOver, inserted_[block]);|heap_.change(block, kOver, heap_.tie(block));
ttl: stale lives count|eviction/block_ttl.h|return stamp == (from_use_ ? heap_.tie(block) : inserted_[block]);|return stamp != 0;
lives: over a moment later|eviction/trace_clock.h|if (now - life.since < seconds_) return;|if (now - life.since <= seconds_) return;
lives: only the last one released begins|eviction/trace_clock.h|--i) at(i - 1).since = now;|--i) { at(i - 1).since = now; break; }
tlru: partly needed is spare|eviction/block_tlru.h|(needed + trace_->block_size - 1) / trace_->block_size|needed / trace_->block_size
tlru: needed by the last user only|eviction/block_tlru.h|kNeeded : heap_.key(block), time_.next());|kNeeded : kSpare, time_.next());
tlru: output is not part of it|eviction/block_tlru.h|+ trace_->output_tokens[view.request] + next_|+ next_
priority: the first one stays|eviction/block_priority.h|uint64_t level = has_ ? level_ : heap_.key(block);|uint64_t level = heap_.key(block);
priority: over at the least recently used end|eviction/block_priority.h|heap_.change(block, default_level_, time_.next());|heap_.change(block, default_level_, heap_.tie(block));
priority: time runs while running|eviction/block_priority.h|at_release_ = context.concurrent;|at_release_ = false;
class log: a leaf in use is none|eviction/class_log.h|if (!kLeaves \|\| leaf) candidates_|if (!kLeaves) candidates_
class log: compaction loses candidates|eviction/class_log.h|if (candidate) candidates.insert(to);|(void)candidate;
workload: first to last|eviction/block_workload_aware.h|reverse_ = !context.last_to_first;|reverse_ = false;
workload: class of the new use|eviction/block_workload_aware.h|fits_[log_.class_of(block)].observe(seconds);|fits_[class_].observe(seconds);
workload: ties to the front|eviction/block_workload_aware.h|? depth_[a] > depth_[b]|? depth_[a] < depth_[b]
workload: everything is recent|eviction/workload_classes.h|count_[1] = count_[0];|count_[1] += count_[0];
workload: no rate of all|eviction/block_workload_aware.h|fits_[c].empty() ? all :|fits_[c].empty() ? rates_[c] :
workload: system prompts count|eviction/block_workload_aware.h|if (seconds < kSystemPrompt) return;|
workload: released at the request before|eviction/block_workload_aware.h|last_use_[block] = request() + 1;|last_use_[block] = request();
belady: the front first|eviction/block_belady.h|<< 32 \| depth_[block]|<< 32 \| (0xFFFFFFFFu - depth_[block])
belady: stores what is useless|eviction/block_belady.h|next_[incoming] != kNone && key|key
belady: the tail keeps its use|eviction/block_belady.h|if (last_to_first_) requests_.for_tails(view.request, tell_heap);|
belady: a chunk twice|eviction/block_belady.h|void on_miss(BlockId block) { pass(block); }|void on_miss(BlockId) {}
belady: storing is a use|eviction/next_requests.cpp|limit.push_back(0);|limit.push_back(kNone);
belady: nothing left out|eviction/next_requests.cpp|position < runs[run].low) {|position + 1 == 0) {
eight digits|trace/json_reader.cpp|(*p == '0' && next_count > 1)|(*p == '0' \&\& next_count > 99)
confidence: blocks end at the end|sim/confidence.cpp|add(sums, start, requests_);|
confidence: other draws for other cells|sim/confidence.cpp|Random random(o.seed);|Random random(o.seed + first);
confidence: p may be 0|sim/confidence.cpp|2 * (1 + count)|2 * count
confidence: one-sided p|sim/confidence.cpp|2 * (1 + count)|(1 + count)
confidence: draws of no difference on one side only|sim/confidence.cpp|std::upper_bound(draws.begin(), draws.end(), 0.0)|std::lower_bound(draws.begin(), draws.end(), 0.0)
confidence: one draw further in|sim/confidence.cpp|c.low = draws[k - 1];|c.low = draws[k];
confidence: Bonferroni|sim/confidence.cpp|static_cast<double>(p.size() - i) * p|static_cast<double>(p.size()) * p
confidence: Holm may fall|sim/confidence.cpp|before = std::max(before, |before = std::max(0.0, 
confidence: blocks as long as the trace|sim/confidence.cpp|(table.requests / kLeastBlocks, 1|(table.requests, 1
confidence: few requests say a lot|sim/confidence.cpp|if (table.too_few) c.p = 1;|
cost: a window sees everything|model/cost.cpp|std::clamp(window, begin, end);|end;
cost: a token sees itself|model/cost.cpp|(bend - begin) - (bend - begin);|(bend - begin) + (bend - begin);
cost: values as wide as keys|model/cost.cpp|group.value_head_dim == 0 ?|true ?
arc: target of the wrong list|eviction/block_arc.h|if (from_ == kB1) {|if (from_ != kB1) {
arc: target by one only|eviction/block_arc.h|std::max(b2 / b1, 1.0)|1.0
arc: ratio without the ghost|eviction/block_arc.h|auto b1 = static_cast<double>(b1_.size()),|auto b1 = static_cast<double>(b1_.size() - (from_ == kB1 ? 1 : 0)),
arc: equal goes to T2|eviction/block_arc.h|(once == target_ && from_ == kB2)|false
arc: T1 always leaves a ghost|eviction/block_arc.h|no_ghost_ = b1_.empty();\n            if (!no_ghost_)|if (!b1_.empty())
arc: all four lists without limit|eviction/block_arc.h|>= 2 * room_|> 2 * room_
arc: output leaves a ghost|eviction/block_arc.h|if (no_ghost_ \|\| block >= named_) return;|if (no_ghost_) return;
arc: nobody steps in|eviction/block_arc.h|if (block == kNone) block = first ?|if (false) block = first ?
arc vllm: ghost list one too long|eviction/block_arc.h|ghosts.size() > room_|ghosts.size() > room_ + 1
arc vllm: a ghost is not renewed|eviction/block_arc.h|return ghosts.renew(block);|return;
arc vllm: target not cut to a whole number|eviction/block_arc.h|t1_.size() >= static_cast<uint64_t>(target_)|static_cast<double>(t1_.size()) >= target_
s3_fifo: one round at most|eviction/block_s3_fifo.h|kRounds = 3|kRounds = 2
s3_fifo: counter survives the promotion|eviction/block_s3_fifo.h|small_.move_to(main_, block);\n            state_[block] = kMain;|small_.move_to(main_, block);\n            state_[block] \|= kMain;
s3_fifo: promoted one later|eviction/block_s3_fifo.h|state_[block] / kOne < promote_|state_[block] / kOne <= promote_
s3_fifo: main over its size unnoticed|eviction/block_s3_fifo.h|main_.size() > main_size_ \|\| small_.empty()|small_.empty()
s3_fifo: ghosts enter small|eviction/block_s3_fifo.h|bool main = ghost_hit_ \|\| (|bool main = (
s3_fifo: warm-up never ends|eviction/block_s3_fifo.h|evicted_ = true;|
s3_fifo: ghost stays behind|eviction/block_s3_fifo.h|if (ghost_hit_) forget(block);|
s3_fifo: output leaves a ghost|eviction/block_s3_fifo.h|block >= named_ \|\| ghost_size_ == 0|ghost_size_ == 0
s3_fifo: ghosts forgotten early|eviction/block_s3_fifo.h|if (ghosts_.size() == ghost_size_)|if (ghosts_.size() + 1 >= ghost_size_ \&\& !ghosts_.empty())
s3_fifo: main not asked last|eviction/block_s3_fifo.h|return block != kNone ? block : pick_main(eligible);|return block;
lirs: not pruned|eviction/block_lirs.h|        prune();\n        while (stack_.size()|        while (stack_.size()
lirs: stack without limit|eviction/block_lirs.h|stack_.size() > 2 * room_|stack_.size() > 3 * room_
lirs: stays HIR though in the stack|eviction/block_lirs.h|} else if (in_stack_[block] != 0) {|} else if (in_stack_[block] != 0 \&\& block % 2 == 0) {
lirs: HIR hit does not enter the stack|eviction/block_lirs.h|queue_.renew(block);\n            stack_.push(block);|queue_.renew(block);
lirs: one LIR too many|eviction/block_lirs.h|if (lir_ < most_lir_) {|if (lir_ <= most_lir_) {
lirs: output leaves an id|eviction/block_lirs.h|if (block >= named_) return stack_.erase(block);|
lirs: becomes LIR as no leaf|eviction/block_lirs.h|if (leaf) stack_.on_leaf(block);|
lirs: leaves the stack as no leaf|eviction/block_lirs.h|if (leaf) queue_.on_leaf(lowest);|
w_tinylfu: equals win|eviction/block_w_tinylfu.h|often(candidate) <= often(rival)|often(candidate) < often(rival)
w_tinylfu: no way back to probation|eviction/block_w_tinylfu.h|if (protected_.size() <= protected_size_) return;|return;
w_tinylfu: protected spared|eviction/block_w_tinylfu.h|if (rival == kNone) rival = protected_.oldest(eligible);|
misses: stranded is regretted too|sim/misses.cpp|regret -= std::min(regret, run.stranded_in_bound[r]);|
misses: last token stranded, flat|layout/prefix_flat.h|position == edges.computed + 1) continue;|false) continue;
misses: last token stranded|layout/prefix_blocks.h|position == computed \|\||
misses: warm-up explained|sim/misses.cpp|for (uint64_t i = warmup; i < trace.requests(); ++i) {|for (uint64_t i = 0; i < trace.requests(); ++i) {
blame: the first block's request|sim/misses.cpp|hit_blocks[r])], misses|0)], misses
blame: each block a request|sim/misses.cpp|++s.requests;|s.requests += blocks;
w_tinylfu: misses are not counted|eviction/block_w_tinylfu.h|void on_miss(BlockId block) { count(block); }|void on_miss(BlockId) {}
w_tinylfu: output counts as never used|eviction/block_w_tinylfu.h|if (block >= named_) return 1;|if (block >= named_) return 0;
w_tinylfu: window grows|eviction/block_w_tinylfu.h|if (window_.size() > window_size_ && room)|if (window_.size() > window_size_ + 1 \&\& room)
w_tinylfu: table never halves|eviction/block_w_tinylfu.h|if (++added_ == period_) halve();|
sketch: three counters|eviction/frequency_sketch.h|i < 4; ++i, hash >>= 8)\n            least|i < 3; ++i, hash >>= 8)\n            least
sketch: never halves|eviction/frequency_sketch.h|if (raised && ++added_ == period_) halve();|
sketch: halving keeps the additions|eviction/frequency_sketch.h|added_ /= 2;|
sketch: counters run over|eviction/frequency_sketch.h|if ((word >> shift & 15) == 15) continue;|
queue: moves as no leaf|eviction/block_queue.h|if (leaf) other.on_leaf(block);|
heap: ties by block|eviction/key_heap.h|(uint64_t{e.tie} << 32 \| e.block)|uint64_t{e.block}
heap: a raised one goes at its old place|eviction/key_heap.h|sink(kRoot, now);|return true;
heap: line before a smaller entry|eviction/key_heap.h|!before(heap_[kRoot], entry(line_front()))|true
heap: line forgets who was raised|eviction/key_heap.h|state_[block] = static_cast<ByteNumber>(state \| kRaised);|(void)0;
heap: an ineligible one is gone for good|eviction/key_heap.h|} else if ((state & kQueued) == 0) {|} else if (false) {
heap: nobody set aside comes back|eviction/key_heap.h|if ((state_[block] & (kLeaf \| kQueued)) == kLeaf) push(block);|(void)block;
heap: hole filled anywhere|eviction/key_heap.h|if (!before(e, heap_[kRoot])) return sink(kRoot, e);|if (!before(e, heap_[kRoot])) { heap_[kRoot] = e; return; }
heap: fresh leaves unseen|eviction/key_heap.h|for (uint32_t i = 0; i < fresh_; ++i) {|for (uint32_t i = 1; i < fresh_; ++i) {
heap: inner nodes go|eviction/key_heap.h|} else if (kLeaves && (state & kLeaf) == 0) {|} else if (false) {
heap: never a leaf again|eviction/key_heap.h|if ((state_[block] & (kQueued \| kWaiting)) == 0) push(block);|(void)block;
heap: the fourth child unseen|eviction/key_heap.h|b = 2 + before(four[3], four[2]);|b = 2;
heap: the last child unseen|eviction/key_heap.h|for (size_t i = begin + 1; i < end; ++i) least =|for (size_t i = begin + 1; i + 1 < end; ++i) least =
heap: a smaller key is noted only|eviction/key_heap.h|--queued_;  // its entry stays behind\n        push(block);|(void)0;
heap: a run in line forwards|eviction/key_heap.h|line[i] = next - 1 - i;|line[i] = next - here + i;
heap: many from the line, raised or not|eviction/key_heap.h|if ((state[block] & (kRaised \| kVoid)) != 0 \|\| before(top, entry(block))) break;|if (before(top, entry(block))) break;
heap: many from the line, whoever is eligible|eviction/key_heap.h|bool goes = eligible(block);|bool goes = true;
lfu: a hit does not count|eviction/block_lfu.h|heap_.key(block) + 1, time_.next()|heap_.key(block), time_.next()
lfu: a release counts|eviction/block_lfu.h|heap_.raise(block, heap_.key(block), time_.next())|heap_.raise(block, heap_.key(block) + 1, time_.next())
lfu: a release is no use|eviction/block_lfu.h|heap_.raise(block, heap_.key(block), time_.next())|heap_.raise(block, heap_.key(block), heap_.tie(block))
lfu_history: output remembers|eviction/block_lfu_history.h|block < named_ ?|true ?
lfu_history: forgets|eviction/block_lfu_history.h|heap_.key(block) + 1 : 1;|1 : 1;
lfuda: newcomers at the lowest level|eviction/block_lfuda.h|lowest() + 1)|std::max<uint64_t>(lowest(), 1))
lfuda: ageing from the start|eviction/block_lfuda.h|if (!ageing_) return 0;|
lfuda: window not moved|eviction/block_lfuda.h|move_window(each);|(void)each;
lfuda: no end of levels|eviction/block_lfuda.h|std::min(kHighest, level + lowest())|level + lowest()
lfuda: lowest of candidates only|eviction/block_lfuda.h|if (counts_[level - base_]++ == 0) used_.insert(level - base_);|if (++counts_[level - base_] == 2) used_.insert(level - base_);
length_aware: late is early|eviction/block_length_aware.h|early_ ? depth_[block] : ~depth_[block]|early_ ? ~depth_[block] : depth_[block]
gdsf: rank after room was made|eviction/block_gdsf.h|heap_.insert_last(block, incoming_rank_, time_.next());|heap_.insert_last(block, floor_ + 1, time_.next());
gdsf: always stored|eviction/block_gdsf.h|!kLeaves && incoming != kNone && incoming_rank_ < rank|false
gdsf: ties to the newcomer|eviction/block_gdsf.h|incoming_rank_ < rank;|incoming_rank_ <= rank;
gdsf: L falls|eviction/block_gdsf.h|std::max(floor_, declined ? incoming_rank_ : rank)|declined ? incoming_rank_ : rank
gdsf: cheaper tails rise|eviction/block_gdsf.h|heap_.change(block, rank|heap_.raise(block, rank
gdsf: position in blocks|eviction/block_gdsf.h|uint64_t{position} * trace_->block_size|uint64_t{position}
hyperbolic: age without this access|eviction/block_hyperbolic.h|uint64_t now = uint64_t{now_} + 1;|uint64_t now = uint64_t{now_};
hyperbolic: ties to the latest|eviction/block_hyperbolic.h|: inserted < inserted_[other];|: inserted > inserted_[other];
hyperbolic: first head found|eviction/block_hyperbolic.h|!may(uses_[head], inserted_[head])) continue;|best != kNone) continue;
hyperbolic: hits are not filed anew|eviction/block_hyperbolic.h|if (may_go && risen) {|if (false) {
hyperbolic: search stops early|eviction/block_hyperbolic.h|if ((node & (node + 1)) == 0) return kEnd;|return kEnd;
hyperbolic: segment tree by one child|eviction/block_hyperbolic.h|std::min(oldest_[2 * node], oldest_[2 * node + 1])|oldest_[2 * node]
codec: groups over rows|quant/dtype.cpp|return group / std::gcd(group, shape.head_dim);|return 1;
codec: a token's share rounds down|quant/dtype.cpp|return (row - 1) / codec->unit_tokens() + 1;|return row / codec->unit_tokens();
codec: units without their place|quant/dtype.cpp|encode(values + i * count, unit_tokens(), out + i * bytes);|encode(values, unit_tokens(), out + i * bytes);
affine: the scale's rounding is not in the bound|quant/affine.cpp|double metadata = steps * half_ulp(f, scale) +|double metadata =
affine: channels grouped along the row|quant/affine.cpp|u.groups = u.value_stride = unit_values();|u.groups = u.value_stride = unit_values() / 2;
affine: any residual window|quant/affine.cpp|if (p.common.residual % p.group != 0)|if (false)
affine: f32 metadata by default|quant/affine.cpp|== "f16";|== "f16" \&\& spec.has("scale");
blocks: nibbles in the order of the values|quant/blocks.cpp|return j < 16 ? codes[j] & 15u : codes[j - 16] >> 4;|return kv::code_at(codes, j, 4);
blocks: nothing is cut off|quant/blocks.cpp|(code(block, j) & 7) == 7 ? 2.0 : e2m1|false ? 2.0 : e2m1
rotated: decoded only|quant/rotated.cpp|        kv::cpu::rotate(room.data(), count, width_);|
rotated: over the head whatever the group|quant/rotated.cpp|std::max<uint64_t>(codec->shape().head_dim, group)|codec->shape().head_dim
plain: a step, not half of it, is no error|quant/plain.cpp|kv::cpu::Narrow::bf16, 2, 0x1p-8|kv::cpu::Narrow::bf16, 2, 0x1p-10
random: leaf bit of the last one lost|eviction/block_random.h|leaf ? on_leaf(last) : on_inner(last);|on_leaf(last);
safetensors: products wrap round|kvdata/safetensors.cpp|fits = !__builtin_mul_overflow(t.values, axis, &t.values) && fits;|t.values *= axis;
safetensors: an end beyond the file|kvdata/safetensors.cpp|if (t.end > data_bytes_)|if (false)
safetensors: tensors overlap|kvdata/safetensors.cpp|if (t.begin < at)|if (t.begin + 1 < at)
safetensors: bytes left over|kvdata/safetensors.cpp|if (at != data_bytes_)|if (at > data_bytes_)
safetensors: pieces after the first go astray|kvdata/safetensors.cpp|uint64_t first = direct ? done / 4 : done / 2,|uint64_t first = direct ? done / 4 : 0,
safetensors: infinities are numbers|kvdata/safetensors.cpp|if (largest < 0x7F800000u) continue;|if (largest <= 0x7F800000u) continue;
kv data: values of other heads than keys|kvdata/kv_data.cpp|check_beside(file, v, k, true);|check_beside(file, v, k, false);
synthetic: partners are shared|kvdata/synthetic.cpp|partner_[size_t{g} * kTypes + types_[t]]|types_[t]
synthetic: the sink is a token like others|kvdata/synthetic.cpp|if (t == 0) continue;|
scores: weights do not add up|trace/format_kvsim_line.cpp|for (const ScoreWeight& w : row.top) sum += w.weight;|
scores: a position beyond the sequence|trace/format_kvsim.cpp|if (w.position >= tokens)|if (w.position > tokens)
tokens: the younger of equals leaves|eviction/token_base.cpp|ids[i] > oldest))|ids[i] < oldest))
tokens: a later tile with the same lowest score is passed over|eviction/token_base.cpp|lowest > best \|\| lowest == kHighest|lowest >= best
tokens: one recent token less|eviction/token_base.cpp|step.token - room_.recent);|step.token - room_.recent + 1);
tokens: sinks leave first|eviction/token_base.cpp|id < first ? kNoSlot : id|id < first ? id : kNoSlot
tokens: a share as doubles multiply|eviction/token_base.cpp| * (1 + 1e-12)|
rule: a window wider than what is left|eviction/token_base.cpp|std::min(room.recent, rule.keep - rule.sinks)|std::min(room.recent, rule.keep)
rule: sinks beyond what is kept|eviction/token_base.cpp|std::min(room.sinks, rule.keep)|room.sinks
rule: tova adds up|eviction/token_tova.cpp|token_rule_of(room, TokenRule::Scores::last)|token_rule_of(room, TokenRule::Scores::sum)
token kv: scores stay where they were|backend/token_kv.cpp|std::swap(scores_, kept_scores_);|
token kv: last scores are added up|backend/token_kv.cpp|memory_.backend().fill(scores_.data(), 0, layer_scores * layout.layers * sizeof(float));|(void)0;
prefix kv: a clone holds nothing|backend/prefix_kv.cpp|for (const Block& b : clone.blocks) ++references_[b.place];|
prefix kv: a freed clone's blocks stay|backend/prefix_kv.cpp|for (const Block& b : found->second.blocks) give_back(b.place);|
explain: evictions for the request itself count|sim/explain.cpp|if (by == request_) return;  // room for what missed already|
explain: what comes after the lookup counts|sim/explain.cpp|if (looked_up_ \|\| owner == request_) return;|if (owner == request_) return;
window: a window beyond the budget|eviction/token_window.h|std::min(room.budget, room.sinks + window)|room.sinks + window
h2o: the mean forgets the query of the token itself|eviction/token_h2o.cpp|step.token - ids[i] + 1.0|step.token - ids[i] + 2.0
h2o: sums stay in their slots|eviction/token_h2o.cpp|take_place(sums_[victim.head], victim.slot, last);|sums_[victim.head].resize(last);
tova: per layer, the first head decides|eviction/token_tova.cpp|if (!per_layer_ \|\| head == 0) scores.assign(row.size(), 0);|if (head == 0 \|\| !per_layer_) scores.assign(row.size(), 0);\n            if (per_layer_ \&\& head > 0) continue;
snap_kv: a token that came later inherits weights|eviction/token_snap_kv.cpp|row[victim.slot] = 0;|(void)0;
snap_kv: the order keeps the old slot|eviction/token_snap_kv.cpp|head.order[rank(head, last)] = victim.slot;|
snap_kv: queries never leave the window|eviction/token_snap_kv.cpp|sum[i] -= on_grid(row[i]);|(void)sum;
pyramid_kv: nobody is raised to one token|eviction/token_pyramid_kv.cpp|--*most;|
ada_kv: the lower head before the older token|eviction/token_ada_kv.cpp|score == lowest && head.ids[slot] < oldest|false
ada_kv: scores of a step forgotten after a victim|eviction/token_ada_kv.cpp|if (r.fresh) take_place(r.scores, victim.slot, last);|r.fresh = false;
key_diff: who left stays in the mean|eviction/token_key_diff.cpp|head.sum[d] -= whole(|(void)whole(
k_norm: as long as the first coordinate|eviction/token_k_norm.cpp|d < context_.head_dim; ++d) squares|d < 1; ++d) squares
random: one draw for all steps|eviction/token_random.cpp|, uint64_t{step.token}})|})
expected_attention: queries turned on|eviction/token_expected_attention.cpp|query_[second_of(i, halves_)] = y * turn_[i].cosine - x|query_[second_of(i, halves_)] = y * turn_[i].cosine + x
expected_attention: sinks are in the sum|eviction/token_expected_attention.cpp|if (step.token < room_.sinks) return;|
flat by block: a hit behind a miss leads|layout/prefix_flat_blocks.h|if (hit && lead == i) {|if (hit) {
flat by block: the verifying way is the fast one|layout/prefix.cpp|as.by_block = path == RunPath::blocks;|
byte counts: 255 is no table|layout/byte_counts.h|if (count + 1 == kMany) many_[block] = kMany;|if (count + 1 == kMany) return false;
compare: decode does not tell runs apart|cache/cache.h|bool operator==(const RunOptions&) const = default;|bool operator==(const RunOptions& o) const { return capacity_blocks == o.capacity_blocks; }
compare: everybody has the value of the first|sim/compare.cpp|results[same[k]].outcome.value = values[k];|results[same[k]].outcome.value = values[0];
bailian: told by chat_id alone|trace/format_bailian.cpp|(head.count("chat_id") != 0 \|\| head.count("parent_chat_id") != 0)|head.count("chat_id") != 0
dynamo: any event is an envelope|trace/format_dynamo.cpp|&&\n                               head.size() == 1 + head.count("timestamp");|;
violation: a scope hides the name|trace/names.h|return key[kind] == 'n' ? name(std::stoull(text)) : text;|return text;
encoded: the window is one too short|layout/encoded_tokens.cpp|waiting > window ? waiting - window : 0|waiting + 1 > window ? waiting + 1 - window : 0
encoded: groups are encoded one by one|layout/encoded_tokens.cpp|uint32_t gather = std::max(window, unit_tokens_);|uint32_t gather = unit_tokens_;
encoded: given back with the first head|layout/encoded_tokens.cpp|if (--slab.holding[group] == 0) give_back|if (--slab.holding[group] + 1 != 0) give_back
encoded: waiting bytes stay|layout/encoded_tokens.cpp|        if (held_[i] == 0) continue;\n        bytes_.data -=|        if (held_[i] == 0) continue;\n        bytes_.data += 0 *
encoded: the other half of a unit|layout/encoded_tokens.cpp|size_t{head % codec_.unit_heads()} * dim|size_t{0} * dim
quantized: the last slot keeps its number|layout/quantized_cache.cpp|slots_[size_t{head.ids[last]} * config_.kv_heads + victim.head] = victim.slot;|
quantized: weights of the last query head alone|layout/quantized_cache.cpp|weights_[h][i] += row_[i] / static_cast<float>(group)|weights_[h][i] = row_[i]
quantized: what is attended to is not what is stored|layout/quantized_cache.cpp|        if (slot == kNoSlot) continue;\n        std::copy_n(values|        if (slot == kNoSlot \|\| true) continue;\n        std::copy_n(values
quantized replay: samples keep as one|layout/quantized_replay.cpp|kept_tokens_ += s.samples * (kept - s.kept);|kept_tokens_ += kept - s.kept;
quantized replay: nobody waits|layout/quantized_replay.cpp|            waited = true;|
quantized replay: rejected one block early|layout/quantized_replay.cpp|need > options_.capacity_blocks / samples|need + 1 > options_.capacity_blocks / samples
compression: measured before the budget is full|sim/compression.cpp|t >= budget) measure|t + 1 >= budget) measure
compression: mass of all tokens|sim/compression.cpp|for (uint32_t id : cache_.heads()[kv_head].ids) mass += double{full_[id]};|for (uint32_t id = 0; id <= t; ++id) mass += double{full_[id]};
kv cache: copy on write without the copy|backend/kv_cache.h|if (copied.to != kNone \&\& memory) memory->copy_block(|if (false) memory->copy_block(
kv cache: a run that grew where it stands keeps its rows|backend/kv_cache.h|now.begin != old.begin \|\| now.count != old.count|now.begin != old.begin
kv cache: a fork's child has its own beginning|backend/kv_cache.h|owners_.fork(parent, child, Store::extent(parent).tokens);|owners_.begin(child);
kv cache: the hole is read|backend/kv_cache.h|part(first + before_hole + hole, count - before_hole);|part(first + before_hole, count - before_hole);
kv cache: stale handles come alive again|backend/kv_cache.h|Store::contains(id) \&\& generations_[id] == generation|Store::contains(id)
kv cache: a clone takes a number that is in use|backend/kv_cache.h|std::max(next_clone_, static_cast<SequenceId>(generations_.size()))|0
kv memory: the pool is one block short|backend/kv_memory.cpp|pool_.blocks = static_cast<uint32_t>(layout.blocks);|pool_.blocks = static_cast<uint32_t>(layout.blocks) - 1;
kv memory: later pieces of a write begin at the first|backend/kv_memory.cpp|source(op.layer, begin, count,|source(op.layer, first, count,
kv memory: a contiguous run at the arena's beginning|backend/kv_memory.cpp|uint64_t row = begin * pool_.block_rows();|uint64_t row = 0 * begin * pool_.block_rows();
prefix data: new tokens of a block are not written|backend/prefix_kv.cpp|if (tokens <= b.tokens) return;|if (b.tokens > 0) return;
prefix data: a recycled number keeps its values|backend/prefix_kv.cpp|for (BlockId id : s.unnamed) drop(id);|
prefix data: who left stays|backend/prefix_kv.cpp|if (s.evicted_blocks != evicted_) {|if (false) {
values: a child's tokens are its parent's beyond the fork|backend/token_values.h|pieces.push_back({tokens, next_++});|
compression: the first KV head for all|sim/compression.cpp|uint32_t kv_head = h / d_.group();|uint32_t kv_head = 0;
bench: median of an even number|sim/bench_stats.cpp|(us[n / 2 - 1] + us[n / 2]) / 2;|us[n / 2];
bench: interval a rank too narrow|sim/bench_stats.cpp|return {k - 1, samples - k};|return {k, samples - k - 1};
bench: one set of buffers too few|sim/bench_stats.cpp|/ bytes + 1;|/ bytes;
bench: held against the farthest size|sim/bench.cpp|distance(r) < distance(*best)|distance(r) > distance(*best)
bench: not every set is used before|sim/bench.cpp|i < std::max(copies, options.warmup)|i < options.warmup
bench: a sample counts as one launch|sim/bench.cpp|r.calls = us.size() * launches;|r.calls = us.size();
bench: axes that a kernel lacks|sim/bench.cpp|if (!has_axis(*cell.kernel, axis)) break;|
bench: rows are not compared|sim/bench_case.cpp|if (found[i] == want[i]) continue;|continue;
bench: room is asked for too late|sim/bench.cpp|if (need(1) > have) {|if (false) {
vllm: unpublished blocks are appended|engine/vllm_pool.cpp|} else if (unpublished_first_) {|} else if (false) {
vllm: classic puts them in front|engine/vllm_manager.cpp|options.caching && !options.classic|options.caching
vllm: in front without caching|engine/vllm_manager.cpp|options.caching && !options.classic|!options.classic
vllm: released from first to last|engine/vllm_pool.cpp|for (size_t i = blocks.size(); i-- > 0;) {|for (size_t i = 0; i < blocks.size(); ++i) {
vllm: the newest copy is found|engine/vllm_pool.cpp|    ++duplicates_;|    ++duplicates_;\n    oldest_[b.key] = id;
vllm: copies in another order|engine/vllm_pool.cpp|if (oldest_[b.key] == id) oldest_[b.key] = b.newer;|if (oldest_[b.key] == id) oldest_[b.key] = b.older;
vllm: a taken block keeps its copies' ring|engine/vllm_pool.h|remove_copy(id);\n            }|oldest_[b.key] = b.newer;\n            }
vllm: never taken blocks before those in front|engine/vllm_pool.h|if (id == kNull) {\n            id = new_block();|if (fresh_ <= usable_) {\n            id = new_block();
vllm: the last token may be hit|engine/vllm_manager.cpp|uint64_t most = s.length - 1;|uint64_t most = s.length;
vllm: the watermark counts for everybody|engine/vllm_manager.cpp|admission.others_running ? watermark_blocks_ : 0|watermark_blocks_
vllm: the watermark without the null block|engine/vllm_manager.h|limited_ ? pool_.usable() + 1 : 0|limited_ ? pool_.usable() : 0
vllm: the first chunk is enough|engine/vllm_manager.cpp|if (reserve_full_ && tokens < s.length|if (false
vllm: windows reserve the whole prompt|engine/vllm_manager.cpp|needed(s, s.length, admission.batch_tokens)|needed(s, s.length, kUncapped)
vllm: free hits need no room|engine/vllm_manager.cpp|need += g.hits[k] != VllmPool::kNull && pool_.references(g.hits[k]) == 0;|(void)k;
vllm: a window looks back over itself|engine/vllm_manager.cpp|blocks_of(kind.window - 1, block_), together|blocks_of(kind.window, block_), together
vllm: a gap does not matter to a window|engine/vllm_manager.cpp|together = hit ? together + 1 : 0;|together += hit;
vllm: groups are asked once|engine/vllm_manager.cpp|if (!shorter \|\| once) break;|break;
vllm: a token early out of the window|engine/vllm_manager.h|(tokens - window + 1) / block_|(tokens - window + 2) / block_
vllm: what left the window stays|engine/vllm_manager.cpp|if (has_windows_) skip(s);|
vllm: skipped hits are held|engine/vllm_manager.cpp|g.skipped = skipped_at(i, hits * block_);\n        std::fill|g.skipped = 0;\n        std::fill
vllm: decoding strides over the end of a window|engine/vllm_manager.cpp|if (!has_windows_) return most;|if (most > 0) return most;
vllm: a block is published before it is full|engine/vllm_manager.cpp|std::min(tokens, s.length) / block_|blocks_of(std::min(tokens, s.length), block_)
vllm: published late|engine/vllm_manager.cpp|std::min(tokens, s.length) / block_|(std::min(tokens, s.length) - 1) / block_
vllm: the last output token is computed|engine/vllm_sequential.cpp|replay.outputs(s.request) - 1|replay.outputs(s.request)
vllm: output completes a block by its prompt's name|engine/vllm_replay.cpp|(row == trace.lookup_row(r) ? 0 : outputs(r))|outputs(r)
vllm: warm-up evictions are counted|engine/vllm_replay.cpp|        result.total.evicted_blocks = evictions;\n|
vllm: admits in a step that preempted|engine/vllm_scheduler.cpp|if (!schedule_running(budget)) admit_waiting(budget);|schedule_running(budget);\n            admit_waiting(budget);
vllm: the preempted goes to the end|engine/vllm_scheduler.cpp|wait(r, true);|wait(r, false);
vllm: the most urgent is preempted|engine/vllm_scheduler.cpp|> urgency(running_[at]->sequence.request)|< urgency(running_[at]->sequence.request)
vllm: tokens of a victim are lost|engine/vllm_scheduler.cpp|            budget += victim.scheduled;\n|
vllm: after a victim somebody is left out|engine/vllm_scheduler.cpp|            --index;\n|
vllm: own output is not found again|engine/vllm_scheduler.cpp|name_output(s.sequence);\n            VllmManager|(void)0;\n            VllmManager
vllm: one sequence too many|engine/vllm_scheduler.cpp|running_.size() < options_.max_num_seqs|running_.size() <= options_.max_num_seqs
vllm: arrivals by the trace's order alone|engine/vllm_scheduler.cpp|<= step_; ++next_)|<= step_ + 1; ++next_)
vllm: computed for ever|engine/vllm_scheduler.cpp|if (s.alone > computed) return give_up(s);|if (s.alone > computed + 1) return give_up(s);
vllm: hits of a second admission are those of the first|engine/vllm_scheduler.cpp|if (s.was_admitted) return replay_.readmitted(s.sequence, hits, s.lost);|
vllm: a block that gets full is passed over|engine/vllm_manager.cpp|(g.published + 1) * block_ - 1|(g.published + 1) * block_
sglang: the earlier row goes up|engine/sglang_paths.h|uint32_t& later = x > y ? x : y;|uint32_t\& later = x > y ? y : x;
sglang: a partly filled page is one|engine/sglang_paths.h|named = std::min(named, trace.prompt_tokens[r] / trace.block_size);|
sglang: no way back along a path|engine/sglang_paths.h|while (position < before_) before_ -= runs_[--run_].count;|
sglang: leaves in line out of order|engine/sglang_leaves.h|if (!last && before(front(), e)) return false;|
sglang: never first in line|engine/sglang_leaves.h|(last ? end_++ : --first_)|end_++
sglang: a longer line forgets|engine/sglang_leaves.h|for (uint64_t i = first_; i != end_; ++i) longer|for (uint64_t i = first_ + 1; i != end_; ++i) longer
sglang: lines in any order|engine/sglang_leaves.h|return &*lines_.insert(at, Line(key));|return \&*lines_.insert(lines_.end(), Line(key));
sglang: one line for all keys|engine/sglang_leaves.h|if (lines_.size() == kMostLines) return nullptr;|if (lines_.size() == kMostLines) return \&lines_.back();
sglang: sweeping loses the first|engine/sglang_leaves.h|uint64_t to = first_;|uint64_t to = first_++;
sglang: the line goes first|engine/sglang_leaves.h|(heap_.empty() \|\| before(line->front(), heap_.front()))|true
sglang: ties by chance|engine/sglang_leaves.h|return a.key != b.key ? a.key < b.key : a.last < b.last;|return a.key < b.key;
sglang: a gap in the table stays|engine/sglang_leaves.h|            slots_[gap] = slots_[at];\n            gap = at;|
sglang: slru protects from three on|engine/sglang_tree.cpp|n.hits >= 2|n.hits >= 3
sglang: mru keeps old keys|engine/sglang_tree.cpp|if (nodes_[node].children == 0) enter(node);|
sglang: mru evicts by old keys|engine/sglang_tree.cpp|if (!n.queued) continue;|
sglang: a split is not used now|engine/sglang_tree.cpp|u.last = now();|now();
sglang: both trees split alike|engine/sglang_tree.cpp|if (!unified_) u.born = u.last;|u.born = u.last;
sglang: a lookup forgets the partly matched node|engine/sglang_tree.cpp|        touch(child, time);\n        const SglangNode& c = nodes_[child];\n        if (whole|        const SglangNode\& c = nodes_[child];\n        if (whole(path, c, pages)) touch(child, time);\n        if (whole
sglang: an insertion does not touch|engine/sglang_tree.cpp|        touch(child, time);\n        const SglangNode& c = nodes_[child];\n        parted|        const SglangNode\& c = nodes_[child];\n        parted
sglang: pieces count as hits|engine/sglang_tree.cpp|if (!chunked) ++reached.hits;|++reached.hits;
sglang: new pieces count as hits|engine/sglang_tree.cpp|nodes_[leaf].hits = chunked ? 0 : 1;|nodes_[leaf].hits = 1;
sglang: priorities are not raised|engine/sglang_tree.cpp|reached.priority = std::max(reached.priority, priority);|
sglang: the locked leaf is lost|engine/sglang_tree.cpp|if (node != kRoot && nodes_[node].children == 0 && !nodes_[node].queued) enter(node);|(void)node;
sglang: a locked leaf goes|engine/sglang_tree.cpp|n.children != 0 \|\| e.node == locked_|n.children != 0
sglang: grown keys go at once|engine/sglang_tree.cpp|if (SglangLeaves::before(e, entry(e.node))) {|if (false) {
sglang: the parent never goes|engine/sglang_tree.cpp|if (parent.children == 0 && gone.parent != kRoot && !parent.queued) enter(gone.parent);|(void)parent;
sglang: the last token is looked up|engine/sglang.cpp|std::max<int64_t>(q.prompt - 1, 0) / page_|q.prompt / page_
sglang: budget up to the rim|engine/sglang.h|return tokens < available() + evictable_tokens();|return tokens <= available() + evictable_tokens();
sglang: all output is budgeted|engine/sglang.cpp|std::min(q.outputs, kMostBudgeted)|q.outputs
sglang: no page in the budget|engine/sglang.cpp|std::min(q.outputs, kMostBudgeted) + page_;|std::min(q.outputs, kMostBudgeted);
sglang: no second test|engine/sglang.cpp|        room = fits(budget);\n        if|        if
sglang: rejected and locked|engine/sglang.cpp|if (!room) tree_.unlock();|
sglang: evicts what is missing|engine/sglang.cpp|freed < tokens;) {|available() < tokens;) {
sglang: copies stay|engine/sglang.cpp|used_ -= copies;|
sglang: the lock stays behind|engine/sglang.cpp|tree_.lock(end.node);|
sglang: a long prompt is not cut|engine/sglang.cpp|ceil_page(q.prompt - start) > chunk|q.prompt - start > chunk + page_
sglang: the first piece ends anywhere|engine/sglang.cpp|end = floor_page(start + floor_page(chunk));|end = start + chunk;
sglang: prefill asks for what it needs|engine/sglang.cpp|(page_ == 1 ? 0 : page_)|0
sglang: pages are asked for when needed|engine/sglang.cpp|        need(page_);\n|        if (q.committed % page_ == 0) need(page_);\n
sglang: too many pages in one go|engine/sglang.cpp|available() / page_ - 1) * page_|available() / page_) * page_
sglang: the last token is computed|engine/sglang.cpp|int64_t left = q.outputs - 1;|int64_t left = q.outputs;
sglang: the prompt is not published|engine/sglang.cpp|publish(q, q.prompt, false);|
sglang: half pages are kept|engine/sglang.cpp|used_ -= ceil_page(q.committed) - floor_page(q.committed);|
sglang: decode off decodes|engine/sglang.cpp|q.outputs = options.decode ?|q.outputs = true ?
sglang: pages without room are not counted|engine/sglang.cpp|if (!room) counts_.out_of_room += static_cast<uint64_t>(taken / page_);|
series: points one later|sim/series.cpp|t.requests.push_back(r - 1);|t.requests.push_back(r);
series: windows are never left|sim/series.cpp|        if (r < requests_) return;|        return;
series: who found no room shows nothing|sim/series.cpp|if (run.samples[r].resident != AdmissionSample::kNever) now|now
series: free without what is evictable|sim/series.cpp|capacity - std::min(capacity, now.resident)|capacity - active
series: deep tokens count at every depth|sim/series.cpp|std::min(tokens, bin_begin(bin + 1) * unit) - bin|tokens - bin
series: depths of the warm-up|sim/series.cpp|for (uint64_t i = warmup_requests; i|for (uint64_t i = 0; i
series: ages one too high|sim/series.cpp|last == kNone ? 0 : s.request - last|last == kNone ? 0 : s.request - last + 1
series: evicted blocks keep their last use|sim/series.cpp|        last = kNone;\n        if|        if
series: a hit is no use|layout/prefix_blocks.h|for (BlockId b : hits) used(b);|
series: what was hit is used after evictions|layout/prefix_blocks.h|            events_.insert(events_.end(), evictions.begin(), evictions.end());\n            for|            events_.insert(events_.begin(), evictions.begin(), evictions.end());\n            for
series: what was stored and went again is used|layout/prefix_blocks.h|if (resident(b)) used(b);|used(b);
series: flat tails are not used|layout/prefix_flat_blocks.h|                this->used(block);|
series: flat blocks are used by whoever stored them|layout/prefix_flat_blocks.h|        this->used(block);\n        if (count|        if (count
series: a plain queue forgets hits|layout/prefix_plain_queue.h|if (observed) use_hits(result.hit_blocks[r]);|
series: samples of readmissions|engine/vllm_replay.cpp|    sample_admission(s);\n}\n\nvoid VllmReplay::reject|    result.sampled(s.request, 0, 0);\n    sample_admission(s);\n}\n\nvoid VllmReplay::reject
series: the seed that is not shown|sim/compare.cpp|shown.cache.eviction = cell.by_seed[median];|
check: the limit itself fails|report/check.cpp|return !(drop > (|return (drop < (
check: a rise is a drop|report/check.cpp|(interval ? is.low : is.exact) - before;|before - (interval ? is.low : is.exact);
check: at least, but not equal|report/check.cpp|return !(is.high < rule.limit);|return is.high > rule.limit;
check: at most, but not equal|report/check.cpp|return !(is.low > rule.limit);|return is.low < rule.limit;
check: a share of the report|report/check.cpp|rule.relative ? rule.limit * before.abs()|rule.relative ? rule.limit * is.exact.abs()
check: printed rates instead of counts|report/check.cpp|return made ? Exact::ratio(p, w) : exact_of(*leaf.value);|return exact_of(*leaf.value);
check: counts that make another rate|report/check.cpp|return made ? Exact::ratio(p, w)|return true ? Exact::ratio(p, w)
check: less or equal is less|report/check.cpp|if (rule.op == "<=") return is.high > rule.limit;|if (rule.op == "<=") return !(is.high < rule.limit);
check: a gone cell passes|report/check.cpp|add(CheckVerdict::missing, u.ok, u, "the report|add(CheckVerdict::missing, false, u, "the report
check: a skipped cell passes|report/check.cpp|bool gone = before && before->ok,|bool gone = false,
check: an interrupted cell passes|report/check.cpp|gone \|\| cut, u,|gone, u,
check: the first of several|report/check.cpp|if (found.size() == 1) return found.front();|if (!found.empty()) return found.front();
check: noise in one report is enough|report/check.cpp|!(by > *now) && !(by > *then)|!(by > *now)
check: noise to the farther end|report/check.cpp|return down < up ? down : up;|return down < up ? up : down;
check: five samples are enough|report/check.cpp|kFewestSamples = 6;|kFewestSamples = 5;
check: unfavourable ends|report/check.cpp|v.low = speed ? v.exact * m / h : l;|v.low = speed ? v.exact * m / l : h;
check: observed is looked up first|report/check_parts.cpp|if (name != "observed")|if (true)
check: half words are keys|report/check_parts.cpp|leaf.path[n - k - 1] == '.' &&|
check: traces go by their names|report/check_parts.cpp|if (axis == "trace" && traces.count(text) != 0) text = traces[text];|
check: whole numbers as doubles|report/check_parts.cpp|return a.type() == b.type() ? a == b : exact_of(a) == exact_of(b);|return a.get<double>() == b.get<double>();
check: any trace will do|report/check_comparable.cpp|if (same_name != was.end() && same_name->second != digest)|if (false)
check: any device will do|report/check_comparable.cpp|if (bench)|if (false)
check: any data will do|report/check_comparable.cpp|for (const char* key : {"kind", "sha256"})|for (const char* key : {"kind"})
check: definitions are not read|report/check_comparable.cpp|found->second == text \|\| beside(key, paths)|true \|\| beside(key, paths)
check: other texts for the same cells|report/check_comparable.cpp|if (other_cells && (within|if ((within
check: an improvement is equal|report/check_equal.cpp|} else if (same_value(now, *found->second)) {|} else if (same_value(now, *found->second) \|\| (now.is_number() \&\& direction(path) > 0 \&\& now > *found->second)) {
check: what is gone is equal|report/check_equal.cpp|if (is.count(path) == 0) add(CheckVerdict::missing,|if (false) add(CheckVerdict::missing,
check: columns hold from the next on|report/check_equal.cpp|auto next = c.upper_bound(blocks);|auto next = c.lower_bound(blocks);
check: times: the tolerance alone|report/check_times.cpp|is->low > was->high * (Exact(1) + tolerance)|is->low > was->low * (Exact(1) + tolerance)
check: times: missing kernels pass|report/check_times.cpp|CheckVerdict::missing, true, u.name|CheckVerdict::missing, false, u.name
check: numbers: carry lost|report/check_number.cpp|carry != 0; ++i) {|false; ++i) {
check: numbers: sign of a difference|report/check_number.cpp|return Exact(b.negative_, less(right, left)|return Exact(negative_, less(right, left)
check: properties of annotations are texts|report/check_table.cpp|(property && (c == ':' \|\| c == ','))|(false \&\& property)
suggest: beginnings say nothing|core/suggest.cpp|if (c.size() > word.size() && c.compare(0, word.size(), word) == 0) return c;|
LIST
}

scratch=$(mktemp -d "${TMPDIR:-/tmp}/kvsim-mutants.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cp -r "$source/lib" "$scratch/lib"
mkdir "$scratch/lib/kernels"  # beside kvsim/, so that one rule compiles all; found before those of the tree
cp -r "$source/kernels/common" "$source/kernels/cpu" "$scratch/lib/kernels/"
cat >"$scratch/Makefile" <<MAKE
CXX := $(command -v ccache) g++
FLAGS = -std=c++20 -O1 -ffp-contract=off -Ilib -I$source/tests -I$source -MMD -DKVSIM_SOURCE_DIR='"$source"' -DKVSIM_BINARY='""' \
        -DKVSIM_PYTHON3='""' -DKVSIM_VERSION='""' -DKVSIM_GIT='""'
LIB := \$(filter-out lib/kvsim/report/%,\$(wildcard lib/kvsim/*/*.cpp lib/kernels/cpu/*.cpp))
LIB += \$(filter-out %/check_texts.cpp,\$(wildcard lib/kvsim/report/check*.cpp)) lib/kvsim/report/escape.cpp lib/kvsim/report/export_parts.cpp
# Reports but for the gate are left out, and so are the tests that need them.
TESTS := $(grep -LE 'kvsim/report/([^c]|c[^h])' "$source"/tests/support/*.cpp "$source"/tests/property/*.cpp "$source"/tests/golden/*.cpp "$source"/tests/unit/*.cpp | paste -sd' ')
OBJECTS := \$(LIB:lib/%.cpp=o/%.o) \$(TESTS:$source/tests/%.cpp=o/tests/%.o)
all_tests: \$(OBJECTS)
	@\$(CXX) -o \$@ \$^ -lrapidcheck -lsimdjson -lfmt -lzstd -lz -lcrypto -lhwy -lpthread
o/%.o: lib/%.cpp
	@mkdir -p \$(@D); \$(CXX) \$(FLAGS) -c -o \$@ \$<
o/tests/%.o: $source/tests/%.cpp
	@mkdir -p \$(@D); \$(CXX) \$(FLAGS) -c -o \$@ \$<
-include \$(OBJECTS:.o=.d)
MAKE
# Every bug is planted and taken back, and the parts build the same tree: with a compiler cache all is compiled once.
export CCACHE_BASEDIR=$scratch CCACHE_NOHASHDIR=1
build() { make -s -C "$scratch" -j"$(nproc)" >"$scratch/build.log" 2>&1; }
limit_s=600
run() { timeout "$limit_s" "$scratch/all_tests" --source-file="$2" --test-case-exclude="long:*" --abort-after=1 >"$scratch/$1.log" 2>&1; }
# The tests that name what was changed come first: most bugs die there, in a second. Then all, in two halves.
tests() {
    local word=$1 files failed=0
    rm -f "$scratch"/*_tests.log
    files=$(cd "$source/tests" && grep -lwE "$word" unit/*.cpp property/*.cpp golden/*.cpp | sed 's/^/*/' | paste -sd,) || true
    [[ -z $word || -z $files ]] || run named_tests "$files" || return 1
    run unit_tests "*/unit/*" &
    run other_tests "*/property/*,*/golden/*" || failed=1
    wait $! || failed=1
    return $failed
}

build || { cat "$scratch/build.log" >&2; exit 1; }
started=$SECONDS
tests "" || { tail -n 40 "$scratch"/*_tests.log >&2; echo "mutants: the tests fail without any" >&2; exit 1; }
limit_s=$((60 + 4 * (SECONDS - started)))
# Plants it; fails where the text is not there any more.
plant() {
    FROM=$2 TO=$3 perl -0pi -e '
        BEGIN { $from = $ENV{FROM}; $to = $ENV{TO}; s/\\n/\n/g for $from, $to; $to =~ s/\\&/&/g; }
        $n = s/\Q$from\E/$to/; END { exit($n ? 0 : 1) }' "$1"
}
survivors=0 killed=0 number=0
while IFS= read -r line; do
    # Fields are parted by single bars; a bar of the code is written \|.
    mapfile -t field < <(sed 's/\\|/\x01/g; s/|/\n/g' <<<"$line" | sed 's/\x01/|/g')
    name=${field[0]} file=$scratch/lib/kvsim/${field[1]}
    if [[ $# -gt 0 && " $* " != *" $name "* ]]; then continue; fi
    if (((number++ - ${part%/*} + 1) % ${part#*/} != 0)); then continue; fi
    cp "$file" "$scratch/before"
    if ! plant "$file" "${field[2]}" "${field[3]-}"; then
        echo "mutants: '$name' does not apply any more: ${field[2]}" >&2
        cp "$scratch/before" "$file"
        survivors=$((survivors + 1))
        continue
    fi
    if ! build; then
        echo "DOES NOT BUILD  $name"
        tail -n 3 "$scratch/build.log"
        survivors=$((survivors + 1))
    elif tests "$(basename "${file%.*}" | sed -E 's/^(block|sequence|token|prefix|format|writer)_//')"; then
        echo "SURVIVED        $name"
        survivors=$((survivors + 1))
    else
        by=$(awk '/^TEST CASE:/ { name = $0 } /ERROR:/ { sub(/^TEST CASE: */, "", name); print name; exit }' "$scratch"/*_tests.log)
        echo "killed          $name  by ${by:-a crash or a time-out}"
        killed=$((killed + 1))
    fi
    cp "$scratch/before" "$file"
done < <(mutants)
echo "mutants: $killed killed, $survivors not"
[[ $survivors -eq 0 ]]
