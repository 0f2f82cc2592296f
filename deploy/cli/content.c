#include "deploy/cli/content.h"

#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/settings.h"
#include "common/text.h"

#define FILE_BYTES_MAX (256 * MIB) /* the most that DOCUMENT_BYTES_MAX can be */

static const struct {
    const char *ending;
    const char *format;
} formats[] = {
    {".md", "markdown"}, {".markdown", "markdown"}, {".html", "html"},
    {".htm", "html"},    {".xhtml", "html"},
};

static const struct mark {
    struct slice bytes;
    const char *charset;
} marks[] = {
    {SLICE("\xef\xbb\xbf"), "UTF-8"},
    {SLICE("\xff\xfe"), "UTF-16LE"},
    {SLICE("\xfe\xff"), "UTF-16BE"},
};

const char *content_format(const char *path)
{
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < ARRAY_LEN(formats); i++)
        if (!strcasecmp(dot, formats[i].ending)) return formats[i].format;
    return "text";
}

static bool convert(const char *charset, struct slice bytes, struct buffer *text)
{
    iconv_t into_utf8 = iconv_open("UTF-8", charset);
    if (into_utf8 == (iconv_t)-1) return false;
    char *in = (char *)bytes.ptr;
    size_t left = bytes.len;
    size_t room = bytes.len * 4 + 16; /* no character takes more in UTF-8 */
    char *start = buffer_reserve(text, room), *out = start;
    bool whole = iconv(into_utf8, &in, &left, &out, &room) != (size_t)-1;
    if (whole) text->len += (size_t)(out - start);
    iconv_close(into_utf8);
    return whole;
}

/* Text has white space, but hardly any other control character. */
static bool looks_binary(struct slice bytes)
{
    size_t controls = 0;
    if (memchr(bytes.ptr, '\0', bytes.len)) return true;
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        controls += c < ' ' && !strchr("\t\n\v\f\r\b\033", c);
    }
    return controls * 100 > bytes.len;
}

static const char *take_mark(struct slice *bytes)
{
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        struct slice mark = marks[i].bytes;
        if (bytes->len < mark.len || memcmp(bytes->ptr, mark.ptr, mark.len) != 0) continue;
        *bytes = (struct slice){bytes->ptr + mark.len, bytes->len - mark.len};
        return marks[i].charset;
    }
    return "UTF-8";
}

const char *content_decode(struct slice bytes, struct buffer *text)
{
    const char *charset = take_mark(&bytes);
    if (!text_trim(bytes).len) return "empty";
    if (!strcmp(charset, "UTF-8")) {
        if (looks_binary(bytes)) return "binary";
        if (text_valid(bytes)) {
            buffer_append_slice(text, bytes);
            return NULL;
        }
        charset = "WINDOWS-1252";
    }
    if (!convert(charset, bytes, text)) return "binary";
    return text_valid(buffer_slice(text)) ? NULL : "binary";
}

/* NULL, or why not. */
static const char *read_whole(int fd, struct buffer *bytes)
{
    struct stat status;
    ssize_t got = 1;
    if (fstat(fd, &status)) return strerror(errno);
    if (!S_ISREG(status.st_mode)) return "not a file";
    if ((uint64_t)status.st_size > FILE_BYTES_MAX) return "larger than any document may be";
    while (got > 0 && bytes->len <= FILE_BYTES_MAX) {
        got = read(fd, buffer_reserve(bytes, 65536), 65536);
        if (got > 0) bytes->len += (size_t)got;
    }
    return got < 0 ? strerror(errno) : NULL;
}

const char *content_read(const char *path, struct buffer *text, bool *failed)
{
    struct buffer bytes = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *why = fd < 0 ? strerror(errno) : read_whole(fd, &bytes);
    if (fd >= 0) close(fd);
    *failed = why;
    if (!why) why = content_decode(buffer_slice(&bytes), text);
    buffer_free(&bytes);
    return why;
}
