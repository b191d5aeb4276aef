// SPDX-License-Identifier: ISC
// Who writes to whom: From, Sender, Reply-To, To, Cc and Subject (RFC 5322 section 3.6), and what our signatures prove
// of From (RFC 9989).
#include <string.h>
#include "config/idn.h"
#include "dns/name.h"
#include "relay/preflight/inside.h"

// Services that publish a policy against mail of their users from elsewhere, or whose guideline for senders names it.
static bool is_freemail(const char *domain)
{
    static const char *const names[] = {"gmail.com", "googlemail.com", "yahoo.com",  "ymail.com",
                                        "aol.com",   "rocketmail.com", "icloud.com", "me.com",
                                        "mac.com",   "mail.ru"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(domain, names[i]) == 0)
            return true;
    return false;
}

// An @ outside the addresses themselves: a name that shows another one.
static void look_at_names(struct look *l, struct span value, const struct addresses *list)
{
    char quoted[PREFLIGHT_QUOTE];
    for (size_t i = 0; i < value.n; i++) {
        bool inside = value.p[i] != '@';
        for (size_t k = 0; k < list->n && !inside; k++)
            inside =
                value.p + i >= list->spec[k].p && value.p + i < list->spec[k].p + list->spec[k].n;
        if (!inside) {
            look_find(l, FROM_NAME_ADDRESS, preflight_quote(value, quoted));
            return;
        }
    }
}

static void look_at_author(struct look *l, const struct addresses *list, size_t i,
                           const char *first)
{
    char domain[IDN_NAME], quoted[PREFLIGHT_QUOTE], other[PREFLIGHT_QUOTE];
    idn_domain(address_domain(list->at[i]), domain);
    preflight_quote(span_text(domain), quoted);
    if (list->spec[i].n > 4 && memmem(list->spec[i].p, list->spec[i].n, "=?", 2) &&
        memmem(list->spec[i].p, list->spec[i].n, "?=", 2))
        look_find(l, WORD_ADDRESS, preflight_quote(list->spec[i], other));
    if (domain[0] == '[' || address_domain(list->at[i])[0] == '[')
        look_find(l, FROM_ADDRESS_LITERAL, preflight_quote(span_text(list->at[i]), other));
    else if (!preflight_public(domain))
        look_find(l, FROM_HOST_UNKNOWN, quoted);
    else if (is_freemail(domain) && !l->in->others_sign)
        look_find(l, FROM_FREEMAIL, quoted);
    if (i && strcmp(domain, first) != 0)
        look_find(l, FROM_DOMAINS, preflight_quote(span_text(first), other), quoted);
}

static void look_at_authors(struct look *l, struct span value, const struct addresses *list)
{
    char first[IDN_NAME];
    idn_domain(address_domain(list->at[0]), first);
    for (size_t i = 0; i < list->n; i++)
        look_at_author(l, list, i, first);
    if (list->n > 1 && !l->at[KNOWN_SENDER])
        look_find(l, FROM_MANY_NO_SENDER, list->n);
    else if (list->n > 1)
        look_find(l, FROM_MANY, list->n);
    look_at_names(l, value, list);
}

static void look_at_from(struct look *l)
{
    struct addresses list = {0};
    const struct field *from = l->at[KNOWN_FROM];
    if (!from) {
        look_find(l, FROM_MISSING);
        return;
    }
    if (l->count[KNOWN_FROM] > 1)
        look_find(l, FROM_TWICE);
    if (header_addresses(from->value, &list) < 0)
        look_find(l, FROM_UNREADABLE);
    else if (list.group)
        look_find(l, FROM_GROUP);
    else if (!list.n)
        look_find(l, FROM_EMPTY);
    else
        look_at_authors(l, from->value, &list);
    addresses_free(&list);
}

static bool readable(const struct field *f, size_t *n)
{
    struct addresses list = {0};
    bool good = header_addresses(f->value, &list) == 0;
    *n = list.n;
    addresses_free(&list);
    return good;
}

static bool unreadable(const struct look *l, enum known_field k,
                       char quoted[static PREFLIGHT_QUOTE])
{
    size_t n;
    const struct field *f = l->at[k];
    if (!f || !span_trim(f->value).n || readable(f, &n))
        return false;
    preflight_quote(f->value, quoted);
    return true;
}

static void look_at_others(struct look *l)
{
    char quoted[PREFLIGHT_QUOTE];
    size_t n;
    const struct field *sender = l->at[KNOWN_SENDER];
    if (sender && span_trim(sender->value).n && (!readable(sender, &n) || n != 1))
        look_find(l, SENDER_UNREADABLE, preflight_quote(sender->value, quoted));
    if (unreadable(l, KNOWN_REPLY_TO, quoted))
        look_find(l, REPLY_TO_UNREADABLE, quoted);
    if (unreadable(l, KNOWN_TO, quoted))
        look_find(l, TO_UNREADABLE, quoted);
    if (unreadable(l, KNOWN_CC, quoted))
        look_find(l, CC_UNREADABLE, quoted);
    if (!l->at[KNOWN_TO] && !l->at[KNOWN_CC])
        look_find(l, TO_MISSING);
    if (!l->at[KNOWN_SUBJECT])
        look_find(l, SUBJECT_MISSING);
    else if (!span_trim(l->at[KNOWN_SUBJECT]->value).n)
        look_find(l, SUBJECT_EMPTY);
}

void look_at_people(struct look *l)
{
    look_at_from(l);
    look_at_others(l);
}

// --- what is proved of From ---

// One is the other, or lies below it: as close as one comes to an organizational domain without the DNS.
static bool related(const char *a, const char *b)
{
    return a[0] && b[0] && (name_below(a, b) || name_below(b, a));
}

static bool aligned(const struct look *l, const char *domain, const char *sender_domain)
{
    const struct preflight_input *in = l->in;
    if (in->dmarc == PREFLIGHT_DMARC_PASS || in->dmarc == PREFLIGHT_DMARC_FAIL)
        return in->dmarc == PREFLIGHT_DMARC_PASS;
    return (in->signer && related(domain, in->signer)) || !in->sender || !in->sender[0] ||
           related(domain, sender_domain);
}

void look_at_signing(struct look *l)
{
    const struct preflight_input *in = l->in;
    char domain[256], sender[IDN_NAME] = "", quoted[PREFLIGHT_QUOTE], by[PREFLIGHT_QUOTE];
    header_from_domain(in->header, domain);
    if (!domain[0] || l->count[KNOWN_FROM] != 1)
        return;
    preflight_quote(span_text(domain), quoted);
    if (in->dmarc == PREFLIGHT_DMARC_NONE)
        look_find(l, DMARC_MISSING, quoted);
    if (in->others_sign)
        return;
    if (!in->signer)
        look_find(l, KEY_MISSING, quoted);
    if (in->sender)
        idn_domain(address_domain(in->sender), sender);
    if (!aligned(l, domain, sender))
        look_find(l, FROM_NOT_ALIGNED, quoted, in->signer ? in->signer : "nobody",
                  sender[0] ? preflight_quote(span_text(sender), by) : "nobody");
}
