#pragma once

#include "base/text_arguments.hpp"
#include "protocol/fields.hpp"
#include "protocol/header_json.hpp"

namespace luna::commands {

/// Tokens between a request and a task.
///
/// The problem: `{"l": [[[49406, 1.0], [{"embedding": "e0", "row": 2}, 1.1], ...], ...]}` comes
/// from anybody, and every entry is used as an index or a factor. So ids are whole numbers of 31
/// bits, weights are finite, and the message names the entry that is not: 'tokens.l[0][3]'.

/// Reads the field `tokens` into the arguments. Problems stay in the reader. Whether ids, rows and
/// lengths fit the model is for the model to say.
void read_tokens(protocol::field_reader& in, token_arguments& to);

/// The tokens of a reply. @param word_ids whether entries have their word's number as the third.
protocol::json to_json(const tokenize_answer& answer, bool word_ids);

} // namespace luna::commands
