// SPDX-License-Identifier: ISC
// A reply against the table: its text is brought into one form, then the first row that fits decides. Never does I/O,
// never decides whether to try again (relay/deliver/outcome.h does).
#include "relay/smtp/reply_inside.h"

#include <stdio.h>
#include <string.h>
#include "relay/base/reasons.h"
#include "relay/smtp/reply.h"

#define CLASS_TEXT 2048 // bytes of a reply that are looked at

static const char *const class_words[] = {
    [REPLY_OTHER] = "other",
    [REPLY_ADDRESS_UNKNOWN] = "address-unknown",
    [REPLY_ADDRESS_CLOSED] = "address-closed",
    [REPLY_MAILBOX_FULL] = "mailbox-full",
    [REPLY_MAILBOX_BUSY] = "mailbox-busy",
    [REPLY_POLICY] = "policy",
    [REPLY_REPUTATION] = "reputation",
    [REPLY_CONTENT] = "content",
    [REPLY_AUTH] = "auth",
    [REPLY_LOGIN] = "login",
    [REPLY_RELAY] = "relay",
    [REPLY_TLS] = "tls",
    [REPLY_DNS] = "dns",
    [REPLY_NETWORK] = "network",
    [REPLY_RATE] = "rate",
    [REPLY_GREYLIST] = "greylist",
    [REPLY_SIZE] = "size",
    [REPLY_LOOP] = "loop",
    [REPLY_PROTOCOL] = "protocol",
    [REPLY_SYSTEM] = "system",
    [REPLY_OURS] = "ours",
};

const char *reply_class_word(enum reply_class class)
{
    return class < REPLY_CLASSES ? class_words[class] : "other";
}

static const char *const class_about[REPLY_CLASSES] = {
    [REPLY_ADDRESS_UNKNOWN] = "there is no such mailbox",
    [REPLY_ADDRESS_CLOSED] = "the mailbox takes no mail",
    [REPLY_MAILBOX_FULL] = "the mailbox is full",
    [REPLY_MAILBOX_BUSY] = "the mailbox gets mail too fast",
    [REPLY_POLICY] = "a rule of the receiver",
    [REPLY_REPUTATION] = "a block list, or a bad reputation of this relay's address or domain",
    [REPLY_CONTENT] = "its filter objects to the message",
    [REPLY_AUTH] = "it cannot verify who sends (SPF, DKIM, DMARC, reverse DNS)",
    [REPLY_LOGIN] = "a login that it wants, or does not take",
    [REPLY_RELAY] = "it takes no mail for this domain",
    [REPLY_TLS] = "TLS is not as it wants it",
    [REPLY_DNS] = "a name that it cannot find in the DNS",
    [REPLY_RATE] = "too much mail at once, or too many connections",
    [REPLY_GREYLIST] = "greylisting, it takes the message when that comes again later",
    [REPLY_SIZE] = "the message is too large",
    [REPLY_LOOP] = "mail runs in a circle",
    [REPLY_SYSTEM] = "trouble of its own",
};

const char *reply_class_about(enum reply_class class)
{
    return class < REPLY_CLASSES && class_about[class] ? class_about[class] : "";
}

enum reply_class reply_class_parse(const char *word)
{
    for (int i = 0; i < REPLY_CLASSES; i++)
        if (strcmp(word, class_words[i]) == 0)
            return (enum reply_class)i;
    return REPLY_CLASSES;
}

// An address is somebody's choice, and the enhanced code stands in every line of a reply: neither is text.
static bool is_noise(struct span word)
{
    char status[12];
    return span_find(word, '@') >= 0 || smtp_status_parse(word, status) == 0;
}

static bool next_word(struct span *rest, struct span *word)
{
    size_t start = 0, end;
    while (start < rest->n && rest->p[start] <= ' ')
        start++;
    for (end = start; end < rest->n && rest->p[end] > ' ';)
        end++;
    *word = span_slice(*rest, start, end);
    *rest = span_from(*rest, end);
    return word->n > 0;
}

// " lower-case words with single spaces ", as much as there is room for.
static struct span one_form(struct span text, char out[static CLASS_TEXT])
{
    size_t n = 0;
    out[n++] = ' ';
    for (struct span word; next_word(&text, &word);) {
        if (is_noise(word))
            continue;
        if (word.n + 1 > CLASS_TEXT - n)
            break;
        for (size_t i = 0; i < word.n; i++)
            out[n++] = (char)ascii_lower(word.p[i]);
        out[n++] = ' ';
    }
    return span_of(out, n);
}

static bool has_words(const struct reply_pattern *pattern, struct span text)
{
    for (size_t i = 0; i < PATTERN_WORDS && pattern->words[i]; i++)
        if (!memmem(text.p, text.n, pattern->words[i], strlen(pattern->words[i])))
            return false;
    return true;
}

static bool has_status(const char *wanted, const char *status)
{
    return !wanted || (status[0] && strcmp(wanted + 1, status + 1) == 0 &&
                       (wanted[0] == 'x' || wanted[0] == status[0]));
}

static const struct reply_pattern *find_pattern(int code, const char *status, struct span text)
{
    for (unsigned i = 0; i < reply_npatterns; i++) {
        const struct reply_pattern *p = &reply_patterns[i];
        if ((!p->digit || p->digit == '0' + code / 100) && has_status(p->status, status) &&
            has_words(p, text))
            return p;
    }
    return NULL;
}

static const struct reply_enhanced *find_enhanced(const char *status)
{
    for (unsigned i = 0; status[0] && i < reply_nenhanced; i++)
        if (strcmp(status + 1, reply_enhanced[i].detail) == 0)
            return &reply_enhanced[i];
    return NULL;
}

// RFC 5321 section 4.2.3, of the codes that mean one thing alone.
static struct reply_meaning by_code(int code)
{
    switch (code) {
    case 421:
    case 451:
    case 452:
        return (struct reply_meaning){REPLY_SYSTEM, "code-system", false};
    case 500:
    case 501:
    case 502:
    case 503:
    case 504:
    case 555:
        return (struct reply_meaning){REPLY_PROTOCOL, "code-protocol", false};
    case 530:
    case 534:
    case 535:
    case 538:
        return (struct reply_meaning){REPLY_LOGIN, "code-login", false};
    case 552:
        return (struct reply_meaning){REPLY_MAILBOX_FULL, "code-552", false};
    case 556:
        return (struct reply_meaning){REPLY_DNS, "code-556", false};
    default:
        return (struct reply_meaning){REPLY_OTHER, code < 500 ? "code-4xx" : "code-5xx", false};
    }
}

struct reply_meaning reply_meaning(int code, const char *status, struct span text)
{
    if (code < 400 || code > 599)
        return (struct reply_meaning){REPLY_OTHER, "", false};
    if (!status)
        status = "";
    char form[CLASS_TEXT];
    const struct reply_pattern *p = find_pattern(code, status, one_form(text, form));
    if (p)
        return (struct reply_meaning){p->class, p->rule, p->throttle};
    const struct reply_enhanced *e = find_enhanced(status);
    if (e)
        return (struct reply_meaning){e->class, e->rule, false};
    return by_code(code);
}

// "550 5.1.1 text" as why_reply has it.
static bool class_read(const char *reply, int *code, char status[static 12])
{
    struct span head, tail;
    uint64_t number;
    status[0] = 0;
    if (!span_cut(span_text(reply), ' ', &head, &tail))
        head = span_text(reply);
    if (head.n != 3 || !span_number(head, 599, &number))
        return false;
    *code = (int)number;
    smtp_status_parse(tail, status);
    return *code >= 400;
}

// Found here, without a reply: the scope says what it is about, and the status the rest.
static struct reply_meaning found_here(const struct why *why)
{
    const struct reply_enhanced *e = find_enhanced(why->status);
    const char *name = reason_row(why->reason)->name;
    enum reply_class class = why->scope == WHY_OURS ? REPLY_OURS : e ? e->class : REPLY_OTHER;
    if (class == REPLY_SYSTEM && act_is_ours(why->act)) // "system" is the host's own trouble
        class = REPLY_OURS;
    if (name && name[0])
        return (struct reply_meaning){class, name, false};
    return (struct reply_meaning){class,
                                  class == REPLY_OURS ? "ours"
                                  : e                 ? e->rule
                                                      : "found-here",
                                  false};
}

struct reply_meaning reply_meaning_of(const struct why *why)
{
    if (!why || !why_is_set(why))
        return (struct reply_meaning){REPLY_OTHER, "", false};
    const char *name = reason_row(why->reason)->name;
    // The result type of RFC 8460 is told beside it, under its own name.
    if (why->tls != WHY_TLS_NONE)
        return (struct reply_meaning){REPLY_TLS, name && name[0] ? name : why_tls_word(why->tls),
                                      false};
    int code;
    char status[12];
    if (!class_read(why->reply, &code, status))
        return found_here(why);
    const char *space = strchr(why->reply, ' ');
    return reply_meaning(code, status, span_text(space));
}
