// Logs of a server may hold requests of several models, or of adapters under names of their own. Equal hashes then
// do not mean equal KV, and blocks differ in bytes: a trace is about one of them, which `model=NAME` chooses.
#pragma once

#include <kvsim/core/spec.h>
#include <kvsim/core/units.h>
#include <kvsim/trace/json_reader.h>
#include <kvsim/trace/trace.h>

#include <string>
#include <string_view>

namespace kvsim {

class OneModel {
  public:
    OneModel(Spec& spec, const char* format, const char* key)
        : format_(format), key_(key), chosen_(spec.text("model", "")) {}

    /// Whether a request of `model` belongs to the trace. Throws at the line if it is of a second model and the user
    /// has not chosen one.
    bool keeps(JsonReader& json, std::string_view model) {
        if (!chosen_.empty()) {
            if (model == chosen_) return true;
            ++others_;
            return false;
        }
        if (model.empty()) return true;  // a recorder that does not say
        if (!known_) first_ = model;
        known_ = true;
        if (model != first_)
            json.fail_line(std::string(key_) + ": expected one model, found '" + printable(std::string(model)) +
                           "' after '" + printable(first_) + "'; choose one with --format " + format_ + ":model=" +
                           printable(std::string(model)));
        return true;
    }

    void note(Trace& trace) const {
        if (others_ > 0)
            trace.notes.push_back(std::to_string(others_) + " requests of models other than " + chosen_ +
                                  " are left out");
    }

  private:
    const char* format_;
    const char* key_;
    std::string chosen_;
    std::string first_;
    bool known_ = false;
    uint64_t others_ = 0;
};

}  // namespace kvsim
