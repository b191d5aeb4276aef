// SPDX-License-Identifier: ISC
// The scan of message bytes. A state is kept only across the few bytes around a line end; inside a
// line two memchr find the next byte that matters.
#include "relay/ingest/scan.h"

#include <string.h>

const char *receive_fault_text(enum receive_fault fault)
{
    switch (fault) {
    case FAULT_BARE_CR:
        return "a CR that is not followed by LF";
    case FAULT_BARE_LF:
        return "an LF that does not follow CR";
    case FAULT_NUL:
        return "a NUL";
    case FAULT_NONE:
        break;
    }
    return "";
}

void receive_scan_init(struct receive_scan *scan, bool chunks, bool fix_lf,
                       void (*content)(void *arg, struct span bytes), void *arg)
{
    *scan = (struct receive_scan){
        .chunks = chunks, .fix_lf = fix_lf, .content = content, .arg = arg, .at = SCAN_LINE_START};
}

static void scan_fault(struct receive_scan *scan, enum receive_fault what)
{
    if (!scan->fault)
        scan->fault = what;
}

// `n` more octets of the line under way, then its end where `end`.
static void count(struct receive_scan *scan, size_t n, bool end)
{
    scan->column += n;
    if (scan->column > scan->longest)
        scan->longest = scan->column;
    if (end)
        scan->column = 0;
}

static void hand_on(struct receive_scan *scan, const unsigned char *from, const unsigned char *to)
{
    if (to > from && !scan->fault)
        scan->content(scan->arg, span_of(from, (size_t)(to - from)));
}

static bool has_eightbit(struct span s)
{
    uint64_t all = 0, word;
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        memcpy(&word, s.p + i, 8);
        all |= word;
    }
    for (; i < s.n; i++)
        all |= s.p[i];
    return (all & 0x8080808080808080u) != 0;
}

static void bare_lf(struct receive_scan *scan)
{
    if (!scan->fix_lf)
        scan_fault(scan, FAULT_BARE_LF);
    else if (!scan->fault)
        scan->content(scan->arg, span_of("\r\n", 2));
}

// Whole lines and the start of the last one, from inside a line. Returns where a state begins that
// is not IN_LINE: at a line start with a dot, behind the last byte, or behind a CR that is the last
// byte.
static const unsigned char *in_lines(struct receive_scan *scan, const unsigned char *p,
                                     const unsigned char *end)
{
    const unsigned char *run = p; // what was not handed on yet
    while (p < end) {
        const unsigned char *lf = memchr(p, '\n', (size_t)(end - p));
        const unsigned char *stop = lf ? lf : end;
        const unsigned char *cr = memchr(p, '\r', (size_t)(stop - p));
        count(scan, (size_t)((cr && (cr + 1 == lf || cr + 1 == end) ? cr : stop) - p), lf != NULL);
        if (cr && cr + 1 == end) { // LF may come with the next bytes
            hand_on(scan, run, cr);
            scan->at = SCAN_CR;
            return end;
        }
        if (cr && cr + 1 != lf) {
            scan_fault(scan, FAULT_BARE_CR);
            p = run = cr + 1;
        } else if (!lf) {
            p = end;
        } else if (!cr) {
            hand_on(scan, run, lf);
            bare_lf(scan);
            p = run = lf + 1;
        } else {
            p = lf + 1;
            if (!scan->chunks && (p == end || *p == '.')) {
                scan->at = SCAN_LINE_START;
                break;
            }
        }
    }
    hand_on(scan, run, p);
    return p;
}

// One byte at a place where the bytes before it matter; returns where to go on.
static const unsigned char *at_edge(struct receive_scan *scan, const unsigned char *p)
{
    switch (scan->at) {
    case SCAN_LINE_START:
        scan->at = *p == '.' && !scan->chunks ? SCAN_DOT : SCAN_IN_LINE;
        return scan->at == SCAN_DOT ? p + 1 : p;
    case SCAN_DOT: // the dot is dropped, whatever follows
        scan->at = *p == '\r' ? SCAN_DOT_CR : SCAN_IN_LINE;
        return scan->at == SCAN_DOT_CR ? p + 1 : p;
    case SCAN_DOT_CR:
        if (*p == '\n') {
            scan->done = true;
            return p + 1;
        }
        scan_fault(scan, FAULT_BARE_CR);
        scan->at = SCAN_IN_LINE;
        return p;
    case SCAN_CR:
        if (*p == '\n') {
            hand_on(scan, (const unsigned char *)"\r\n", (const unsigned char *)"\r\n" + 2);
            count(scan, 0, true);
            scan->at = SCAN_LINE_START;
            return p + 1;
        }
        scan_fault(scan, FAULT_BARE_CR);
        scan->at = SCAN_IN_LINE;
        return p;
    case SCAN_IN_LINE:
        break;
    }
    return p;
}

size_t receive_scan_feed(struct receive_scan *scan, struct span in)
{
    if (!in.n)
        return 0;
    const unsigned char *p = in.p, *end = in.p + in.n;
    const unsigned char *nul = memchr(p, 0, in.n);
    while (p < end && !scan->done) {
        if (nul && p >= nul) {
            scan_fault(scan, FAULT_NUL);
            nul = NULL;
        }
        // Up to a NUL the bytes are clean; behind it nothing is handed on, so one look is enough.
        p = scan->at == SCAN_IN_LINE ? in_lines(scan, p, nul ? nul : end) : at_edge(scan, p);
    }
    size_t used = (size_t)(p - in.p);
    if (!scan->eightbit)
        scan->eightbit = has_eightbit(span_of(in.p, used));
    return used;
}

void receive_scan_end(struct receive_scan *scan)
{
    if (scan->at == SCAN_CR)
        scan_fault(scan, FAULT_BARE_CR);
}
