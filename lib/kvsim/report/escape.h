// Texts that come from files (names of traces, sequences, strategies with parameters) inside formats that give some
// characters a meaning. Whatever stands in a name, it stays a name.
#pragma once

#include <string>
#include <string_view>

namespace kvsim {

/// One field (RFC 4180: quoted where it has to be). A text that a spreadsheet would run as a formula, because it begins
/// with = + - @ or a tab, gets an apostrophe before it, and so does one that begins with an apostrophe: whoever takes
/// one leading apostrophe away has the text again. NUL, which CSV readers refuse, becomes U+FFFD.
std::string csv_text(std::string_view text);

/// Running text in Markdown: nothing in it is markup, HTML or a mention; a newline becomes a space.
std::string markdown_text(std::string_view text);
/// A name in Markdown, set as code, also inside a table.
std::string markdown_code(std::string_view name);

/// Text or the value of an attribute in XML 1.0; characters that it forbids become U+FFFD.
std::string xml_text(std::string_view text);

/// A title or label in a Mermaid chart, in quotes. Mermaid has no way to escape: what could end the quotes, the line or
/// the code block, or begin an entity, a comment or a directive, becomes _.
std::string mermaid_text(std::string_view text);

}  // namespace kvsim
