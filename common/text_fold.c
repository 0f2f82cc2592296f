/* Folding: every letter to lower case and without its accents, code point by code point. The tables
 * hold what Unicode's decompositions say of Latin, Greek and Cyrillic; other scripts pass as they
 * are. */
#include "common/text.h"

/* Sixteen code points a row. A letter is what the code point becomes, a digit stands for two
 * letters (see `pairs`), '.' leaves it alone. */
static const char latin[] = "aaaaaa0ceeeeiiii" /* U+00C0 */
                            "dnooooo.ouuuuy12" /* U+00D0 */
                            "aaaaaa0ceeeeiiii" /* U+00E0 */
                            "dnooooo.ouuuuy1y" /* U+00F0 */
                            "aaaaaaccccccccdd" /* U+0100 */
                            "ddeeeeeeeeeegggg" /* U+0110 */
                            "gggghhhhiiiiiiii" /* U+0120 */
                            "ii33jjkkkllllll." /* U+0130 */
                            ".llnnnnnn.nnoooo" /* U+0140 */
                            "oo44rrrrrrssssss" /* U+0150 */
                            "ssttttttuuuuuuuu" /* U+0160 */
                            "uuuuwwyyyzzzzzzs" /* U+0170 */
                            "bb....occdd....." /* U+0180 */
                            ".ffg...ikkl..nn." /* U+0190 */
                            "oo..ppr....ttttu" /* U+01A0 */
                            "u.vyyzz........." /* U+01B0 */
                            "....555666777aai" /* U+01C0 */
                            "ioouuuuuuuuuu.aa" /* U+01D0 */
                            "aa00ggggkkoooo.." /* U+01E0 */
                            "j555gg..nnaa00oo" /* U+01F0 */
                            "aaaaeeeeiiiioooo" /* U+0200 */
                            "rrrruuuusstt..hh" /* U+0210 */
                            "nd..zzaaeeoooooo" /* U+0220 */
                            "ooyylntj..acclts" /* U+0230 */
                            "z..bu.eejjqqrryy" /* U+0240 */;
static const char latin_additional[] = "aabbbbbbccdddddd" /* U+1E00 */
                                       "ddddeeeeeeeeeeff" /* U+1E10 */
                                       "gghhhhhhhhhhiiii" /* U+1E20 */
                                       "kkkkkkllllllllmm" /* U+1E30 */
                                       "mmmmnnnnnnnnoooo" /* U+1E40 */
                                       "oooopppprrrrrrrr" /* U+1E50 */
                                       "sssssssssstttttt" /* U+1E60 */
                                       "ttuuuuuuuuuuvvvv" /* U+1E70 */
                                       "wwwwwwwwwwxxxxyy" /* U+1E80 */
                                       "zzzzzzhtwy.sss2d" /* U+1E90 */
                                       "aaaaaaaaaaaaaaaa" /* U+1EA0 */
                                       "aaaaaaaaeeeeeeee" /* U+1EB0 */
                                       "eeeeeeeeiiiioooo" /* U+1EC0 */
                                       "oooooooooooooooo" /* U+1ED0 */
                                       "oooouuuuuuuuuuuu" /* U+1EE0 */
                                       "uuyyyyyyyy......" /* U+1EF0 */;
static const char pairs[][3] = {"ae", "th", "ss", "ij", "oe", "dz", "lj", "nj"};

/* Runs of capitals that lie a fixed distance from their small letters. */
static const struct {
    uint32_t first, last, distance;
} capitals[] = {
    {0x0391, 0x03AB, 32}, /* Greek */
    {0x0400, 0x040F, 80}, /* Cyrillic */
    {0x0410, 0x042F, 32}, /* Cyrillic */
    {0xFF21, 0xFF3A, 32}, /* full-width Latin */
};

/* Small letters that lose an accent, and accented capitals outside the runs above. */
static const struct {
    uint32_t from, to;
} plain[] = {
    {0x0386, 0x03B1}, {0x0388, 0x03B5}, {0x0389, 0x03B7}, {0x038A, 0x03B9}, {0x038C, 0x03BF},
    {0x038E, 0x03C5}, {0x038F, 0x03C9}, {0x0390, 0x03B9}, {0x03AC, 0x03B1}, {0x03AD, 0x03B5},
    {0x03AE, 0x03B7}, {0x03AF, 0x03B9}, {0x03B0, 0x03C5}, {0x03C2, 0x03C3}, {0x03CA, 0x03B9},
    {0x03CB, 0x03C5}, {0x03CC, 0x03BF}, {0x03CD, 0x03C5}, {0x03CE, 0x03C9}, {0x0439, 0x0438},
    {0x0450, 0x0435}, {0x0451, 0x0435}, {0x0453, 0x0433}, {0x0457, 0x0456}, {0x045C, 0x043A},
    {0x045D, 0x0438}, {0x045E, 0x0443},
};

/* What vanishes: combining marks, the soft hyphen, joiners and variation selectors. */
static const struct {
    uint32_t first, last;
} ignored[] = {
    {0x00AD, 0x00AD}, {0x0300, 0x036F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200D, 0x200D},
    {0x2060, 0x2060}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF},
};

static bool is_ignored(uint32_t c)
{
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        if (c >= ignored[i].first && c <= ignored[i].last) return true;
    return false;
}

static uint32_t lower(uint32_t c)
{
    for (size_t i = 0; i < ARRAY_LEN(capitals); i++)
        if (c >= capitals[i].first && c <= capitals[i].last) c += capitals[i].distance;
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (c == plain[i].from) return plain[i].to;
    return c;
}

/* The table's entry for a Latin letter beyond ASCII; '.' where there is none. */
static char latin_entry(uint32_t c)
{
    if (c >= 0x00C0 && c <= 0x024F) return latin[c - 0x00C0];
    if (c >= 0x1E00 && c <= 0x1EFF) return latin_additional[c - 0x1E00];
    return '.';
}

static void fold_code_point(uint32_t c, struct buffer *out)
{
    char entry = latin_entry(c);
    if (entry >= 'a')
        buffer_append_char(out, entry);
    else if (entry != '.')
        buffer_append(out, pairs[entry - '0'], 2);
    else if (!is_ignored(c))
        text_append(lower(c), out);
}

static void fold_ascii(struct slice run, struct buffer *out)
{
    char *to = buffer_reserve(out, run.len);
    for (size_t i = 0; i < run.len; i++) {
        char c = run.ptr[i];
        to[i] = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
    }
    out->len += run.len;
}

static size_t ascii_run(struct slice text)
{
    size_t n = 0;
    for (uint64_t eight; n + sizeof eight <= text.len; n += sizeof eight) {
        memcpy(&eight, text.ptr + n, sizeof eight);
        if (eight & UINT64_C(0x8080808080808080)) break;
    }
    while (n < text.len && (unsigned char)text.ptr[n] < 0x80) n++;
    return n;
}

void text_fold(struct slice text, struct buffer *out)
{
    while (text.len) {
        size_t run = ascii_run(text);
        if (run) fold_ascii((struct slice){text.ptr, run}, out);
        text = (struct slice){text.ptr + run, text.len - run};
        if (text.len) fold_code_point(text_take(&text), out);
    }
}
