// Model shapes from any Hugging Face config.json: MHA, GQA, MQA, MLA, sliding windows, hybrids, multimodal.
#pragma once

#include <kvsim/model/model.h>

#include <string>

namespace kvsim {

/// The shape that a config.json describes; a directory stands for the config.json in it. What the config
/// leaves open or kvsim does not count is in the shape's caveats. Throws Error(input) in one line
/// "file: key: expected ..., found ..." (file:line:column where it is not JSON), Error(io) if it cannot be
/// read.
ModelShape model_from_hf_config(const std::string& path);

/// What `--model` takes: a preset id, else a path if it exists, contains '/' or ends in .json, else
/// Error(input) with the closest preset.
ModelShape resolve_model(const std::string& id_or_path);

}  // namespace kvsim
