// What is there, by id: one row per layout, strategy, format, model, ... Option checks, "did you mean" and
// `kvsim list` all read the same row. Rows keep the order of registration; registration is open, so a program
// that links the library can add rows of its own before it calls the command line.
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/core/suggest.h>

#include <string>
#include <string_view>
#include <vector>

namespace kvsim {

/// Row needs `std::string id`. `What` names the kind in messages ("trace format", "model", ...).
template <class Row>
class Registry {
  public:
    explicit Registry(std::string what) : what_(std::move(what)) {}

    /// Throws Error(failed) if the id is taken, or could not be written as `id:key=value,...` or in a list.
    void add(Row row) {
        if (row.id.empty() || std::string_view(row.id).find_first_of(":,= \t\r\n\v\f") != std::string_view::npos)
            throw_failed(what_ + " '" + std::string(row.id) +
                         "': an id needs a character and has no ':', ',', '=' or white space");
        if (find(row.id)) throw_failed(what_ + " '" + row.id + "' is registered twice");
        rows_.push_back(std::move(row));
    }
    const std::vector<Row>& rows() const { return rows_; }
    const Row* find(std::string_view id) const {
        for (const Row& row : rows_)
            if (row.id == id) return &row;
        return nullptr;
    }
    std::vector<std::string> ids() const {
        std::vector<std::string> out;
        for (const Row& row : rows_) out.emplace_back(row.id);
        return out;
    }
    /// Throws Error(input): "unknown model 'x' (did you mean 'y'?); known: ..."
    const Row& get(std::string_view id) const {
        if (const Row* row = find(id)) return *row;
        std::string all = rows_.size() <= 12 ? "; known: " + join(ids()) : "; `kvsim list` shows all " + std::to_string(rows_.size());
        throw_input("unknown " + what_ + " '" + std::string(id) + "'" + did_you_mean(id, ids()) + all);
    }

  private:
    std::string what_;
    std::vector<Row> rows_;
};

}  // namespace kvsim
