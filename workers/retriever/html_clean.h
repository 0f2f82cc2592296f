/* HTML before it is parsed: without what holds no text, and without what makes the parser slow. */
#ifndef MILLRACE_RETRIEVER_HTML_CLEAN_H
#define MILLRACE_RETRIEVER_HTML_CLEAN_H

#include "common/buffer.h"

/* Appends `html` without comments, declarations, scripts, styles, the tags of html and body, and
 * tags of more than HTML_TAG_BYTES_MAX (pictures written into the page are such; the parser
 * compares attributes in pairs). A '<' that starts none of these becomes "&lt;". Takes time in
 * proportion to the length, and leaves the parser nothing that would cost it more. */
enum { HTML_TAG_BYTES_MAX = 8192 };
void html_clean(struct slice html, struct buffer *out);

#endif
