// Traces small enough to be replayed at every capacity, rich enough that strategies differ.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

namespace kvsim_test {

/// `requests` of a few sessions that grow, share beginnings and come back; blocks of 4 tokens.
inline std::string small_trace(uint32_t seed, int requests, const std::string& name = "small") {
    std::mt19937 random(seed);
    auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
    std::map<std::vector<uint32_t>, size_t> ids;
    std::vector<std::vector<uint32_t>> sessions(6);
    std::string text = "{\"kvsim_trace\":1,\"name\":\"" + name + "\",\"block_size\":4}\n";
    for (int i = 0; i < requests; ++i) {
        uint32_t who = below(6);
        std::vector<uint32_t>& path = sessions[who];
        if (path.size() > 8) path.resize(below(3));
        if (path.empty()) path = {below(2)};
        for (uint32_t more = 1 + below(3); more > 0; --more) path.push_back(below(40));
        std::string blocks;
        std::vector<uint32_t> prefix;
        for (uint32_t symbol : path) {
            prefix.push_back(symbol);
            size_t id = ids.emplace(prefix, ids.size()).first->second;
            blocks += (blocks.empty() ? "" : ",") + std::to_string(id);
        }
        text += "{\"op\":\"request\",\"seq\":\"r" + std::to_string(i) + "\",\"t\":" + std::to_string(i) +
                ",\"t_end\":" + std::to_string(i + 1 + below(4)) +
                ",\"length\":" + std::to_string(4 * path.size() - below(3)) + ",\"blocks\":[" + blocks +
                "],\"output_length\":" + std::to_string(below(6)) + ",\"session\":\"s" + std::to_string(who) +
                "\",\"category\":\"" + (who % 2 == 0 ? "even" : "odd") + "\"}\n";
    }
    return text;
}

/// Sequences that live, fork and end: for layouts of whole sequences.
inline const std::string kEvents =
    "{\"kvsim_trace\":1,\"name\":\"events\",\"block_size\":4}\n"
    "{\"op\":\"prompt\",\"seq\":\"a\",\"t\":0,\"length\":8,\"blocks\":[0,1]}\n"
    "{\"op\":\"decode\",\"seq\":\"a\",\"n\":3}\n"
    "{\"op\":\"prompt\",\"seq\":\"b\",\"t\":1,\"length\":12,\"blocks\":[0,1,2]}\n"
    "{\"op\":\"fork\",\"seq\":\"a\",\"child\":\"c\"}\n"
    "{\"op\":\"decode\",\"seq\":\"c\",\"n\":2}\n"
    "{\"op\":\"free\",\"seq\":\"b\"}\n"
    "{\"op\":\"prompt\",\"seq\":\"d\",\"t\":2,\"length\":12,\"blocks\":[0,1,2]}\n"
    "{\"op\":\"free\",\"seq\":\"a\"}\n"
    "{\"op\":\"free\",\"seq\":\"c\"}\n"
    "{\"op\":\"free\",\"seq\":\"d\"}\n";

}  // namespace kvsim_test
