/* The text of an answer as it grows: quotations with their numbers, in paragraphs and bullets, cut
 * into pieces. */
#ifndef MILLRACE_GENERATOR_ANSWER_TEXT_H
#define MILLRACE_GENERATOR_ANSWER_TEXT_H

#include "workers/generator/ranking.h"

struct answer_text {
    struct buffer text;
    size_t *ends; /* of the pieces */
    size_t count, capacity;
};

void answer_start(struct answer_text *answer);
void answer_free(struct answer_text *answer);
void answer_append(struct answer_text *answer, struct slice text);
/* What was appended since the last one is a piece. */
void answer_end_piece(struct answer_text *answer);
/* "**Title**:", the document's name. */
void answer_label(struct answer_text *answer, const struct passage *passage);
/* The candidates from `first` to `last`, parts of one list when they are several, quoted as one and
 * cited: "sentence [n]". */
void answer_quote(struct answer_text *answer, const struct ranking *ranking, size_t first,
                  size_t last, size_t bytes_max);

#endif
