// The shim between SentencePiece and C, and nothing else.
#include "workers/embedder/model_tokens.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

struct model_tokens {
    sentencepiece::SentencePieceProcessor processor;
};

model_tokens *model_tokens_new(const char *path, char *why, size_t why_bytes)
{
    model_tokens *tokens = nullptr;
    try {
        tokens = new model_tokens;
        const auto status = tokens->processor.Load(path);
        if (status.ok()) return tokens;
        std::snprintf(why, why_bytes, "%s", status.ToString().c_str());
    } catch (const std::exception &error) {
        std::snprintf(why, why_bytes, "%s", error.what());
    } catch (...) {
        std::snprintf(why, why_bytes, "it cannot be read");
    }
    delete tokens;
    return nullptr;
}

void model_tokens_destroy(model_tokens **tokens)
{
    delete *tokens;
    *tokens = nullptr;
}

size_t model_tokens_pieces(const model_tokens *tokens)
{
    return static_cast<size_t>(tokens->processor.GetPieceSize());
}

// SentencePiece makes one piece of a run of unknown characters; the model's own program has one for
// each, and one for a text without any piece.
static void append(const model_tokens *tokens,
                   const sentencepiece::ImmutableSentencePieceText &text, std::vector<int32_t> &out)
{
    const int32_t unknown = tokens->processor.unk_id();
    for (const auto &piece : text.pieces()) {
        const int32_t id = static_cast<int32_t>(piece.id());
        const std::string &letters = piece.piece();
        const auto starts = std::count_if(letters.begin(), letters.end(),
                                          [](char c) { return (c & 0xC0) != 0x80; });
        out.insert(out.end(), id == unknown ? std::max<ptrdiff_t>(starts, 1) : 1, id);
    }
    if (text.pieces_size() == 0) out.push_back(unknown);
}

size_t model_tokens_cut(const model_tokens *tokens, const char *text, size_t len, int32_t *out,
                        size_t max)
{
    try {
        std::vector<int32_t> ids{tokens->processor.bos_id()};
        append(tokens, tokens->processor.EncodeAsImmutableProto({text, len}), ids);
        ids.resize(std::min(ids.size() + 1, max));
        ids.back() = tokens->processor.eos_id();
        std::copy(ids.begin(), ids.end(), out);
        return ids.size();
    } catch (...) {
        return 0;
    }
}
