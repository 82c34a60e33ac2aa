// K8, top-k: which tokens of a (sequence, KV head) stay, in ascending order.
//
// Idea: radix select. Scores become u32 keys in the same order (sign bit flipped, negative ones inverted; -0 is 0, NaN
// is 0 and counted). Four passes of 8 bits find the key of the last token that stays: a histogram of the digit among
// the keys that agree so far, and the digit at which enough lie above. Of the tokens with just that key the newest
// stay, as many as are left. Then every warp walks its own part of the tokens twice: counting, and, once all counts are
// known, writing each kept index to its place: ascending, without sorting, and the same on every run.
//
// A block of threads per (sequence, head); up to 8192 keys are held in shared memory, more are read again in each pass
// (from L2). After the radix selects of CUB and others, which leave open which of equals they return, and in what
// order.
#pragma once

#include <kernels/common/ops.h>
#include <kernels/device/context.h>

namespace kv::device {

struct TopKKernel {
    using Op = TopK;
    static constexpr uint32_t kThreads = 256;
    static constexpr uint32_t kResident = 2;
    static constexpr uint32_t kWarps = kThreads / kWarp;
    static constexpr bool kSynchronizes = true;
    static constexpr uint32_t kHeld = 8192;
    static constexpr uint32_t kBins = 256, kGroup = 16;
    struct Shared {
        uint32_t keys[kHeld];
        uint32_t counts[kWarps / 2][kBins];  ///< two warps share one
        uint32_t bins[kBins], groups[kBins / kGroup];
        uint32_t digit, left, equal;
        uint32_t sure[kWarps], maybe[kWarps];
    };
    /// The tokens that compete: [begin, end) for `places` places; all outside stay.
    struct Race {
        const float* scores;
        uint32_t length, begin, end, places;
        uint32_t key = 0;   ///< of the last that stays
        uint32_t ties = 0;  ///< tokens of that key that stay
        uint32_t equal = 0;  ///< tokens of that key
    };

    KV_HD static uint64_t blocks(const Op& op) { return uint64_t{op.sequences} * op.heads; }

    KV_DEVICE static uint32_t key_of(float score) {
        if (score != score) score = 0;
        uint32_t bits = bits_of(score + 0.0f);
        return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
    }
    KV_DEVICE static uint32_t key_at(const Race& race, const Shared& shared, uint32_t i) {
        return race.length <= kHeld ? shared.keys[i] : key_of(load<float>(race.scores + i));
    }

    template <class Lane>
    KV_DEVICE static void run(Lane& lane, const Op& op, Shared& shared) {
        for (uint64_t row = lane.block(); row < blocks(op); row += lane.blocks()) {
            Race race;
            race.scores = op.scores + row * op.stride;
            race.length = load<uint32_t>(op.lengths + small(row) / op.heads);
            uint32_t* kept = op.kept + row * op.keep;
            read(lane, op, race, shared);
            if (race.length <= op.keep) {
                for (uint32_t i = lane.thread(); i < op.keep; i += lane.threads())
                    kept[i] = i < race.length ? i : kUnmapped;
            } else {
                race.begin = op.sinks;
                race.end = race.length - op.window;
                race.places = op.keep - op.sinks - op.window;
                lane.sync();
                if (race.places > 0) select(lane, race, shared);
                count(lane, race, shared);
                lane.sync();
                write(lane, race, shared, kept);
            }
            lane.sync();  // shared memory is used again, and `kept` is there
            if (!op.kept_scores) continue;
            for (uint32_t i = lane.thread(); i < op.keep; i += lane.threads())
                if (kept[i] != kUnmapped) op.kept_scores[row * op.stride + i] = load<float>(race.scores + kept[i]);
        }
    }

    template <class Lane>
    KV_DEVICE static void read(Lane& lane, const Op& op, const Race& race, Shared& shared) {
        uint32_t bad = 0;
        for (uint32_t i = lane.thread(); i < race.length; i += lane.threads()) {
            float score = load<float>(race.scores + i);
            bad += score != score ? 1 : 0;
            if (race.length <= kHeld) shared.keys[i] = key_of(score);
        }
        if (bad > 0 && op.not_a_number) lane.add(op.not_a_number, bad);
    }

    /// Finds race.key, ties and equal.
    template <class Lane>
    KV_DEVICE static void select(Lane& lane, Race& race, Shared& shared) {
        uint32_t left = race.places, t = lane.thread();
        for (uint32_t shift = 24;; shift -= 8) {
            for (uint32_t i = t; i < kWarps / 2 * kBins; i += lane.threads()) (&shared.counts[0][0])[i] = 0;
            lane.sync();
            for (uint32_t i = race.begin + t; i < race.end; i += lane.threads()) {
                uint32_t key = key_at(race, shared, i);
                bool agrees = shift == 24 || (key ^ race.key) >> (shift + 8) == 0;
                if (agrees) lane.add(&shared.counts[t / kWarp / 2][key >> shift & 0xFFu], 1);
            }
            lane.sync();
            find_digit(lane, left, shared);
            race.key |= shared.digit << shift;
            left = shared.left;
            race.equal = shared.equal;
            lane.sync();
            if (shift == 0) break;
        }
        race.ties = left;
    }
    /// The digit whose tokens are the last to get a place, if those of higher digits come first.
    template <class Lane>
    KV_DEVICE static void find_digit(Lane& lane, uint32_t left, Shared& shared) {
        static_assert(kThreads == kBins);
        uint32_t t = lane.thread(), mine = 0;
        for (uint32_t n = 0; n < kWarps / 2; ++n) mine += shared.counts[n][t];
        shared.bins[t] = mine;
        lane.sync();
        if (t < kBins / kGroup) {
            uint32_t sum = 0;
            for (uint32_t i = 0; i < kGroup; ++i) sum += shared.bins[t * kGroup + i];
            shared.groups[t] = sum;
        }
        lane.sync();
        uint32_t above = 0;
        for (uint32_t i = t + 1; i < (t / kGroup + 1) * kGroup; ++i) above += shared.bins[i];
        for (uint32_t i = t / kGroup + 1; i < kBins / kGroup; ++i) above += shared.groups[i];
        if (above < left && left <= above + mine) {
            shared.digit = t;
            shared.left = left - above;
            shared.equal = mine;
        }
        lane.sync();
    }

    /// Part of a warp: whole steps of 32 tokens.
    KV_DEVICE static uint32_t part_tokens(const Race& race) {
        return static_cast<uint32_t>(ceil_div(race.length, kThreads)) * kWarp;
    }
    KV_DEVICE static bool is_sure(const Race& race, const Shared& shared, uint32_t i) {
        if (i >= race.length) return false;
        if (i < race.begin || i >= race.end) return true;
        return race.places > 0 && key_at(race, shared, i) > race.key;
    }
    KV_DEVICE static bool is_maybe(const Race& race, const Shared& shared, uint32_t i) {
        return i >= race.begin && i < race.end && race.places > 0 && key_at(race, shared, i) == race.key;
    }
    KV_DEVICE static uint32_t bits_set(uint32_t x) {
#if defined(__CUDA_ARCH__)
        return static_cast<uint32_t>(__popc(x));
#else
        return static_cast<uint32_t>(__builtin_popcount(x));
#endif
    }

    template <class Lane>
    KV_DEVICE static void count(Lane& lane, const Race& race, Shared& shared) {
        uint32_t warp = lane.thread() / kWarp, first = warp * part_tokens(race), sure = 0, maybe = 0;
        for (uint32_t i = first; i < first + part_tokens(race); i += kWarp) {
            uint32_t at = i + lane.thread() % kWarp;
            sure += bits_set(lane.ballot(is_sure(race, shared, at)));
            maybe += bits_set(lane.ballot(is_maybe(race, shared, at)));
        }
        if (lane.thread() % kWarp == 0) shared.sure[warp] = sure, shared.maybe[warp] = maybe;
    }
    template <class Lane>
    KV_DEVICE static void write(Lane& lane, const Race& race, Shared& shared, uint32_t* kept) {
        uint32_t warp = lane.thread() / kWarp, in_warp = lane.thread() % kWarp, below = (1u << in_warp) - 1;
        uint32_t sure = 0, maybe = 0, out_of = race.equal - race.ties;  // so many of the oldest equals go
        for (uint32_t n = 0; n < warp; ++n) sure += shared.sure[n], maybe += shared.maybe[n];
        uint32_t first = warp * part_tokens(race);
        for (uint32_t i = first; i < first + part_tokens(race); i += kWarp) {
            uint32_t at = i + in_warp;
            bool is = is_sure(race, shared, at), may = is_maybe(race, shared, at);
            uint32_t sures = lane.ballot(is), maybes = lane.ballot(may);
            uint32_t maybe_before = maybe + bits_set(maybes & below);
            uint32_t tied_before = maybe_before > out_of ? maybe_before - out_of : 0;
            uint32_t place = sure + bits_set(sures & below) + tied_before;
            if (is || (may && maybe_before >= out_of)) kept[place] = at;
            sure += bits_set(sures);
            maybe += bits_set(maybes);
        }
    }
};

template <class Launcher>
void dispatch(const TopK& op, Launcher& launcher) {
    launcher.template launch<TopKKernel>(op);
}

}  // namespace kv::device
