#!/usr/bin/env bash
# Plants one bug after another in a scratch copy of the device kernels and expects the kernel tests to fail.
# Usage: kernel_mutants.sh SOURCE_DIR [NAME...]   Long. Needs g++ and the libraries of the build; the tree is not touched.
# Only the kernel tests are compiled, with what they use of the library.
set -euo pipefail
[[ $# -ge 1 ]] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
source=$(realpath "$1")
shift

# name | file of kernels | what stands there | what to put there (fixed strings, first occurrence; see mutants.sh)
mutants() {
    cat <<'LIST'
append: slot -1 is written|device/append.h|if (slot < 0) return m;|if (slot < -1) return m;
append: values where keys go|device/append.h|in = item % 2 == 0 ? o.keys : o.values;|in = o.keys;
append: strides swapped|device/append.h|token * op->token_stride + head * op->head_stride|token * op->head_stride + head * op->token_stride
append: layer forgotten|device/append.h|op->pool.row(op->layer,|op->pool.row(0,
append: one row too few|device/append.h|all - first < kTileRows ? all - first|all - first < kTileRows ? all - first - 1
append: order of the pool ignored|common/pool.h|order == Order::hnd ? (uint64_t{block}|order <= Order::nhd ? (uint64_t{block}
rows: tail of a tile|device/rows.h|RowMove m = i < tile.rows ? tile.row(i) : RowMove{};|RowMove m = tile.row(i);
rows: pieces beyond the row|device/rows.h|bool mine = row.from \&\& piece < pieces;|bool mine = row.from;
rows: alignment not looked at|device/rows.h|if (bits % 16 == 0)|if (bytes % 16 == 0)
rows: metadata left behind|device/rows.h|if (meta > 0) copy_part|if (meta > 99) copy_part
rows: one step of the grid|device/rows.h|item < items; item += lane.blocks()|item < lane.blocks(); item += lane.blocks()
quantize: half of a group|device/rows.h|mask = group_lanes(f) / 2; mask > 0;|mask = group_lanes(f) / 2; mask > 1;
quantize: idle threads count|device/rows.h|Range range{float_of(0x7F800000u), float_of(0xFF800000u)};\n    if (mine)|Range range{0, 0};\n    if (mine)
quantize: divergent shuffle|device/rows.h|    if (!mine) return;\n    AffineGroup g|    AffineGroup g
quantize: shuffle after some left|device/rows.h|    Range range{float_of(0x7F800000u), float_of(0xFF800000u)};\n    if (mine)|    Range range{float_of(0x7F800000u), float_of(0xFF800000u)};\n    if (!mine) return;\n    if (mine)
quantize: metadata of the first group only|device/rows.h|if (piece * kPiece % f.group == 0) store_group|if (piece == 0) store_group
quantize: low from the wrong place|device/values.h|g.low = wide_f16(load<uint16_t>(meta + 2 * (groups + k)));|g.low = wide_f16(load<uint16_t>(meta + 2 * k));
dequantize: both groups of a piece|device/values.h|if (rest < kPiece) h = load_group(f, meta, k + 1);|
not finite: every thread counts|device/rows.h|if (at % lanes == 0 \&\& of_row != 0)|if (of_row != 0)
not finite: of the whole warp|device/rows.h|lanes == kWarp ? ~0u : (1u << lanes) - 1|~0u
e4m3: NaN and 448|device/values.h|(code \& 0x7Fu) == 0x7Fu ? float_of|(code \& 0x7Fu) >= 0x7Eu ? float_of
values: unaligned f16|device/values.h|raw.word[i / 2] \|= uint32_t{load<uint16_t>(at + 2 * i)} << (i % 2 * 16);|raw.word[i / 2] = uint32_t{load<uint16_t>(at + 2 * i)} << (i % 2 * 16);
copy blocks: whole blocks|device/copy_blocks.h|tokens(o.tokens) {|tokens(o.pool.block_size) {
copy blocks: one layer|device/copy_blocks.h|layer = rest % o.pool.layers;|layer = 0;
copy blocks: the other way|device/copy_blocks.h|pair.from, head, place), *pool_rows,\n                       pool->row(layer, pair.to|pair.to, head, place), *pool_rows,\n                       pool->row(layer, pair.from
gather: start ignored|device/gather.h|if (token < start) return {};|
gather: block table ignored|device/gather.h|load<uint32_t>(blocks + index)|load<uint32_t>(blocks)
gather: one token too many|device/gather.h|length - at.first < kTileRows ? length - at.first|length - at.first < kTileRows ? length - at.first + 1
gather: heads of the whole length|device/gather.h|uint64_t{at.head} * (length - start)|uint64_t{at.head} * length
gather: table of the first sequence|device/gather.h|blocks = o.table.blocks + uint64_t{at.sequence} * o.table.max_blocks;|blocks = o.table.blocks;
transpose: order of the source|device/transpose.h|op->to.row(layer, block, head, place)|op->from.row(layer, block, head, place)
compact: places of the old block|device/compact.h|head, first + i - new_index * size);|head, token - old_index * size);
compact: unmapped is a token|device/compact.h|if (token == kUnmapped) return {};|
compact: kept of the first head|device/compact.h|o.kept + uint64_t{rest} * o.keep;|o.kept + uint64_t{sequence} * o.pool.heads * o.keep;
swap: second line lost|device/swap.h|part.offset + line * kLine;|part.offset;
swap: metadata not in front of values|device/swap.h|part < 2 ? 0 : count * p.keys.format.bytes();|part < 2 ? 0 : count * p.keys.format.data_bytes();
swap: in is out|device/swap.h|op.to_host ? here : there, op.to_host ? there : here|here, there
decode: context guard dropped|device/decode.h|if (token >= w.end) continue;|
decode: context off by one|device/decode.h|w.end = end < length ? static_cast<uint32_t>(end) : length;|w.end = end < length ? static_cast<uint32_t>(end) : length > 1 ? length - 1 : length;
decode: chunk off by one|device/decode.h|begin + op.chunk_tokens : length|begin + op.chunk_tokens - 1 : length
decode: block table ignored|device/decode.h|load<uint32_t>(blocks_of + index)|index
decode: keys for values|device/decode.h|v[r] = fetched(vt, values,|v[r] = fetched(vt, keys,
decode: no rescale of sums|device/decode.h|state.sum[g].x[i] *= rescale;|(void)rescale;
decode: no rescale of weights|device/decode.h|state.l[g] *= rescale;|
decode: maximum of the new rows only|device/decode.h|float top = state.m[g];|float top = minus_infinity();
decode: merge without maximum|device/decode.h|m[g] > other.m[g] ? m[g] : other.m[g]|m[g]
decode: warps merged without maximum|device/decode.h|m = shared.m[n][g] > m ? shared.m[n][g] : m;|m = 0;
decode: only the first warp|device/decode.h|sum += shared.sum[n][g][d] * part;|sum += n == 0 ? shared.sum[n][g][d] * part : 0;
decode: first barrier|device/decode.h|load_queries(lane, op, w, first, shared);\n                lane.sync();|load_queries(lane, op, w, first, shared);
decode: second barrier|device/decode.h|merge_in_warp(lane, op, state, shared);\n                lane.sync();|merge_in_warp(lane, op, state, shared);
decode: divergent shuffle|device/decode.h|Scores other = lane.shuffle_xor(s, mask);|Scores other = has_key ? lane.shuffle_xor(s, mask) : s;
decode: half of a dot product|device/decode.h|mask = lanes / 2; mask > 0; mask /= 2) {|mask = lanes / 2; mask > 1; mask /= 2) {
decode: groups of a warp not merged|device/decode.h|mask = lanes; mask < kWarp; mask *= 2|mask = kWarp; mask < kWarp; mask *= 2
decode: query of the first head|device/decode.h|uint64_t query = uint64_t{w.sequence} * op.query_heads + w.head * w.queries + first;\n        for|uint64_t query = uint64_t{w.sequence} * op.query_heads + first;\n        for
decode: second pass of queries|device/decode.h|first < w.queries; first += kQueries|first < kQueries; first += kQueries
decode: scale twice|device/decode.h|s.x[r][g] * kLn2;|s.x[r][g];
decode: empty sequence|device/decode.h|float x = l > 0 ? sum / l : 0.0f;|float x = sum / l;
combine: maximum forgotten|device/decode.h|m = level > m ? level : m;|m = 0;
combine: first chunk only|device/decode.h|c < chunks; ++c)\n                    sum|c < 1; ++c)\n                    sum
combine: a chunk too many|device/decode.h|(length - 1) / op.chunk_tokens + 1;|op.splits;
accumulate: lse of the first query|device/accumulate.h|load<float>(op.lse + query + g)|load<float>(op.lse + query)
accumulate: overwritten|device/accumulate.h|op.scores[row * op.stride + i] += sum;|op.scores[row * op.stride + i] = sum;
accumulate: beyond the length|device/accumulate.h|first + kTile < length ? first + kTile : length|first + kTile < op.stride ? first + kTile : op.stride
top-k: older ones stay|device/top_k.h|if (is \|\| (may \&\& maybe_before >= out_of))|if (is \|\| (may \&\& maybe_before < race.ties))
top-k: negative scores|device/top_k.h|bits >> 31 != 0 ? ~bits|bits >> 31 != 0 ? bits
top-k: minus zero|device/top_k.h|bits_of(score + 0.0f)|bits_of(score)
top-k: NaN is the highest|device/top_k.h|if (score != score) score = 0;|
top-k: window forgotten|device/top_k.h|race.end = race.length - op.window;|race.end = race.length;
top-k: last digit|device/top_k.h|if (shift == 0) break;|if (shift == 8) break;
top-k: histogram not cleared|device/top_k.h|(\&shared.counts[0][0])[i] = 0;|(\&shared.counts[0][0])[i] += 0;
top-k: barrier after counting|device/top_k.h|count(lane, race, shared);\n                lane.sync();|count(lane, race, shared);
top-k: barrier after the histogram|device/top_k.h|            lane.sync();\n            find_digit|            find_digit
top-k: barrier between rows|device/top_k.h|lane.sync();  // shared memory is used again|
top-k: keys of the held only|device/top_k.h|race.length <= kHeld ? shared.keys[i]|race.length <= kHeld + 1 ? shared.keys[i % kHeld]
split: chunks need not be blocks|device/split_plan.h|pool.block_size) * pool.block_size);|pool.block_size) * pool.block_size + 1);
split: a part costs nothing|device/split_plan.h|if (splits > 1 \&\& chunk < least) break;|
split: waves not rounded up|device/split_plan.h|ceil_div(blocks * pool.heads, slots)|(blocks * pool.heads / slots)
LIST
}

scratch=$(mktemp -d "${TMPDIR:-/tmp}/kvsim-kernel-mutants.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/kernels"  # found before those of the tree
cp -r "$source/kernels/device" "$source/kernels/emu" "$source/kernels/common" "$scratch/kernels/"
cat >"$scratch/Makefile" <<MAKE
CXX := $(command -v ccache) g++
FLAGS = -std=c++20 -ffp-contract=off -I. -I$source/lib -I$source/tests -I$source -MMD
LIB := \$(wildcard $source/lib/kvsim/core/*.cpp $source/lib/kvsim/quant/*.cpp $source/lib/kvsim/backend/*.cpp $source/kernels/cpu/*.cpp)
TESTS := \$(wildcard $source/tests/kernels/*.cpp) $source/tests/support/doctest_main.cpp
EMU := \$(wildcard $source/tests/kernels/support/*.cpp)
MINE := \$(TESTS:$source/%.cpp=o/%.o) \$(EMU:$source/%.cpp=o1/%.o) o1/kernels/emu/fibers.o
all_tests: \$(MINE) library.a
	@\$(CXX) -o \$@ \$^ -lfmt -lcrypto -lhwy -lpthread
library.a: \$(LIB:$source/%.cpp=o1/%.o)
	@ar cr \$@ \$^
o1/kernels/emu/%.o: kernels/emu/%.cpp
	@mkdir -p \$(@D); \$(CXX) \$(FLAGS) -O1 -c -o \$@ \$<
o1/%.o: $source/%.cpp
	@mkdir -p \$(@D); \$(CXX) \$(FLAGS) -O1 -DKVSIM_VERSION='""' -DKVSIM_GIT='""' -c -o \$@ \$<
o/%.o: $source/%.cpp
	@mkdir -p \$(@D); \$(CXX) \$(FLAGS) -O0 -c -o \$@ \$<
-include \$(MINE:.o=.d)
MAKE
export CCACHE_BASEDIR=$scratch CCACHE_NOHASHDIR=1
build() { make -s -C "$scratch" -j"$(nproc)" all_tests >"$scratch/build.log" 2>&1; }
limit_s=600
tests() { (timeout "$limit_s" "$scratch/all_tests" --abort-after=1) >"$scratch/tests.log" 2>&1; }

build || { cat "$scratch/build.log" >&2; exit 1; }
started=$SECONDS
tests || { tail -n 40 "$scratch/tests.log" >&2; echo "kernel_mutants: the tests fail without any" >&2; exit 1; }
limit_s=$((30 + 4 * (SECONDS - started)))
plant() {
    FROM=$2 TO=$3 perl -0pi -e '
        BEGIN { $from = $ENV{FROM}; $to = $ENV{TO}; s/\\n/\n/g, s/\\&/&/g for $from, $to; }
        $n = s/\Q$from\E/$to/; END { exit($n ? 0 : 1) }' "$1"
}
survivors=0 killed=0
while IFS= read -r line; do
    mapfile -t field < <(sed 's/\\|/\x01/g; s/|/\n/g' <<<"$line" | sed 's/\x01/|/g')
    name=${field[0]} file=$scratch/kernels/${field[1]}
    if [[ $# -gt 0 && " $* " != *" $name "* ]]; then continue; fi
    cp "$file" "$scratch/before"
    if ! plant "$file" "${field[2]}" "${field[3]-}"; then
        echo "kernel_mutants: '$name' does not apply any more: ${field[2]}" >&2
        survivors=$((survivors + 1))
    elif ! build; then
        echo "DOES NOT BUILD  $name"
        tail -n 3 "$scratch/build.log"
        survivors=$((survivors + 1))
    elif tests; then
        echo "SURVIVED        $name"
        survivors=$((survivors + 1))
    else
        by=$(awk '/^TEST CASE:/ { name = $0 } /ERROR:/ { sub(/^TEST CASE: */, "", name); print name; exit }' "$scratch/tests.log")
        echo "killed          $name  by ${by:-a crash or a time-out}"
        killed=$((killed + 1))
    fi
    cp "$scratch/before" "$file"
done < <(mutants)
echo "kernel_mutants: $killed killed, $survivors not"
[[ $survivors -eq 0 ]]
