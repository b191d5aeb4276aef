// SPDX-License-Identifier: ISC
// Notifications: the parts of a multipart, then the groups of the report. Two passes of spans over the same bytes, no
// copy but of what is told.
#include "relay/returns/notice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "relay/returns/mime.h"

struct reading {
    struct span report;   // the fields of message/delivery-status
    struct span returned; // the message that came back, or its header
    size_t parts;
};

static const char *const report_types[] = {"message/delivery-status",
                                           "message/global-delivery-status"};
static const char *const returned_types[] = {"message/rfc822", "text/rfc822-headers",
                                             "message/global", "message/global-headers"};

static bool is_one_of(const char *type, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(type, list[i]) == 0)
            return true;
    return false;
}

// RFC 3464 section 2.1 wants these parts without an encoding.
static bool notice_is_plain(const struct header *h)
{
    const struct field *f = header_find(h, "Content-Transfer-Encoding", 0);
    struct span how = f ? span_trim(f->value) : span_text("7bit");
    return span_is_nocase(how, "7bit") || span_is_nocase(how, "8bit") ||
           span_is_nocase(how, "binary");
}

static void read_parts(struct reading *r, struct span body, const char *boundary, unsigned depth);

static void read_entity(struct reading *r, const struct header *h, struct span body, unsigned depth)
{
    struct mime_type type;
    const struct field *f = header_find(h, "Content-Type", 0);
    if (!f || !mime_type_read(f->value, &type))
        return;
    if (strncmp(type.name, "multipart/", 10) == 0 && type.boundary[0] && depth < NOTICE_DEPTH)
        read_parts(r, body, type.boundary, depth + 1);
    else if (is_one_of(type.name, report_types, 2) && !r->report.n && notice_is_plain(h))
        r->report = body;
    else if (is_one_of(type.name, returned_types, 4) && !r->returned.n && notice_is_plain(h))
        r->returned = body;
}

static void read_parts(struct reading *r, struct span body, const char *boundary, unsigned depth)
{
    struct span part, rest = body;
    while (mime_next_part(&rest, boundary, &part) && r->parts++ < NOTICE_PARTS) {
        struct header h;
        struct why why;
        size_t used;
        if (header_parse(&h, part, &used, &why) < 0)
            continue;
        read_entity(r, &h, span_from(part, used), depth);
        header_free(&h);
    }
}

// ---- the report

static const struct {
    const char *word;
    enum notice_action action;
    char class;
} actions[] = {{"failed", NOTICE_FAILED, '5'},
               {"delayed", NOTICE_DELAYED, '4'},
               {"delivered", NOTICE_DELIVERED, '2'},
               {"relayed", NOTICE_DELIVERED, '2'},
               {"expanded", NOTICE_DELIVERED, '2'}};
#define ACTIONS (sizeof actions / sizeof *actions)

const char *notice_action_word(enum notice_action action)
{
    static const char *const words[] = {"failed", "delayed", "delivered"};
    return words[action];
}

// One line of printable bytes; what is not is a space, and spaces are one.
static void copy_line(struct span from, char *out, size_t room)
{
    size_t n = 0;
    from = span_trim(from);
    for (size_t i = 0; i < from.n && n + 1 < room; i++) {
        bool blank = from.p[i] <= 32 || from.p[i] == 127;
        if (!blank)
            out[n++] = (char)from.p[i];
        else if (n && out[n - 1] != ' ')
            out[n++] = ' ';
    }
    out[n] = 0;
}

// Behind the type of "rfc822; a@b.example"; the whole where there is none.
static struct span untyped(const struct field *f)
{
    struct span type, value;
    if (!f)
        return span_of(NULL, 0);
    return span_cut(f->value, ';', &type, &value) ? span_trim(value) : span_trim(f->value);
}

static bool names(const struct header *group, const char *field, const char *recipient)
{
    struct span address = untyped(header_find(group, field, 0));
    if (address.n > 2 && address.p[0] == '<' && address.p[address.n - 1] == '>')
        address = span_slice(address, 1, address.n - 1);
    return address.n && span_is_nocase(address, recipient);
}

// "5.1.1" at the front, which a comment may follow.
static void read_status(const struct header *group, char out[12])
{
    const struct field *f = header_find(group, "Status", 0);
    unsigned a, b, c;
    char text[16];
    copy_line(f ? f->value : span_of(NULL, 0), text, sizeof text);
    out[0] = 0;
    if (sscanf(text, "%1u.%3u.%3u", &a, &b, &c) == 3 && (a == 2 || a == 4 || a == 5))
        snprintf(out, 12, "%u.%u.%u", a, b, c);
}

// False: the group is about no recipient.
static bool read_group(const struct header *group, struct notice *out)
{
    const struct field *f = header_find(group, "Action", 0);
    char word[16];
    size_t i = 0;
    *out = (struct notice){0};
    read_status(group, out->status);
    copy_line(f ? f->value : span_of(NULL, 0), word, sizeof word);
    while (i < ACTIONS && strcasecmp(actions[i].word, word) != 0)
        i++;
    if (i == ACTIONS) // none that is known: the class of the status says it too
        for (i = 0; i < ACTIONS && actions[i].class != out->status[0]; i++)
            ;
    if (i == ACTIONS)
        return false;
    out->action = actions[i].action;
    // What failed after many tries bears the class of the last one (4.4.7).
    bool agrees = out->status[0] == actions[i].class ||
                  (out->action == NOTICE_FAILED && out->status[0] == '4');
    if (!agrees)
        snprintf(out->status, sizeof out->status, "%c.0.0", actions[i].class);
    copy_line(untyped(header_find(group, "Remote-MTA", 0)), out->host, sizeof out->host);
    copy_line(untyped(header_find(group, "Diagnostic-Code", 0)), out->reply, sizeof out->reply);
    return true;
}

struct groups {
    size_t n;
    bool agree, found; // all say the same; the one that names the recipient was there
    struct notice best;
    char reporter[256];
};

static void take_group(struct groups *g, const struct header *group, const char *recipient)
{
    struct notice one;
    const struct field *f = header_find(group, "Reporting-MTA", 0);
    if (f && !g->reporter[0])
        copy_line(untyped(f), g->reporter, sizeof g->reporter);
    bool about = header_find(group, "Final-Recipient", 0) || header_find(group, "Action", 0);
    if (g->found || !about || !read_group(group, &one))
        return;
    g->found =
        names(group, "Original-Recipient", recipient) || names(group, "Final-Recipient", recipient);
    g->agree = !g->n || (g->agree && one.action == g->best.action);
    if (!g->n++ || g->found)
        g->best = one;
}

static bool read_report(struct span report, const char *recipient, struct notice *out)
{
    struct groups g = {0};
    for (size_t i = 0; report.n && i < NOTICE_GROUPS && !g.found; i++) {
        struct header group;
        struct why why;
        size_t used;
        if (header_parse(&group, report, &used, &why) < 0) {
            report = mime_behind_empty_line(report);
            continue;
        }
        take_group(&g, &group, recipient);
        header_free(&group);
        report = span_from(report, used);
    }
    *out = g.best;
    if (!out->host[0])
        memcpy(out->host, g.reporter, sizeof out->host);
    return g.found || (g.n && g.agree);
}

static void read_author(struct span returned, char out[NOTICE_FROM])
{
    struct header h;
    struct why why;
    size_t used;
    struct addresses list;
    if (header_parse(&h, returned, &used, &why) < 0)
        return;
    const struct field *from = header_find(&h, "From", 0);
    if (from && header_addresses(from->value, &list) == 0) {
        if (list.n && strlen(list.at[0]) < NOTICE_FROM)
            memcpy(out, list.at[0], strlen(list.at[0]) + 1);
        addresses_free(&list);
    }
    header_free(&h);
}

bool notice_read(const struct header *header, struct span body, const char *recipient,
                 struct notice *out)
{
    struct reading r = {0};
    *out = (struct notice){0};
    read_entity(&r, header, span_slice(body, 0, body.n < NOTICE_BYTES ? body.n : NOTICE_BYTES), 0);
    if (!r.report.n || !read_report(r.report, recipient, out))
        return false;
    read_author(r.returned, out->from);
    return true;
}

void notice_why(const struct notice *notice, struct why *why)
{
    if (notice->action == NOTICE_DELAYED)
        why_say(why, RETURNED_DELAYED);
    else
        why_say(why, RETURNED_FAILED);
    why_status(why, notice->status);
    why_host(why, notice->host);
    why_reply(why, notice->reply);
}
