// SPDX-License-Identifier: ISC
// The envelope sender as the row's rules want it (senders.rewrite, force_from): replaced before anything looks at it.
#include "relay/submit/sender.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/ingest/rewrite.h"

// The name that completes an address without a domain.
static const char *own_domain(const struct cfg_sender *row, char origin[static PRINCIPAL_NAME])
{
    principal_origin(row, origin);
    const char *at = strrchr(origin, '@');
    return at ? at + 1 : origin;
}

// "FROM:<root>", as devices and cron jobs say it: the row's domain completes it, as sendmail would.
static int read_bare(const struct cfg_sender *row, struct span args, struct smtp_mail *mail,
                     char **was)
{
    struct span head, inner, rest;
    char origin[PRINCIPAL_NAME];
    struct why why;
    struct smtp_mail whole;
    const char *domain = own_domain(row, origin);
    if (!domain[0] || !span_cut(args, '<', &head, &inner) || !span_cut(inner, '>', &inner, &rest) ||
        !inner.n || span_find(inner, '@') >= 0)
        return -1;
    char *text = mem_printf("%.*s<%.*s@%s>%.*s", (int)head.n, (const char *)head.p, (int)inner.n,
                            (const char *)inner.p, domain, (int)rest.n, (const char *)rest.p);
    int rc = smtp_mail_parse(span_text(text), &whole, &why);
    free(text);
    if (rc < 0)
        return -1;
    *mail = whole;
    *was = span_dup(inner);
    return 0;
}

static void put_sender(const struct cfg_sender *row, struct smtp_mail *mail, char **was)
{
    char *to = rewrite_sender(row, mail->from.address);
    struct smtp_path path;
    struct why why;
    if (!to || smtp_mailbox_parse(span_text(to), &path, &why) < 0) {
        free(to);
        return;
    }
    free(to);
    if (!*was)
        *was = mem_dup(mail->from.address);
    smtp_path_free(&mail->from);
    mail->from = path;
    mail->smtputf8 |= path.utf8;
}

int submit_read_mail(struct submit *s, struct span args, struct smtp_mail *mail, char **was,
                     struct why *why)
{
    const struct cfg_sender *row = s->principal.row;
    int rc = smtp_mail_parse(args, mail, why);
    *was = NULL;
    // A forwarder may be handing on a stranger's: what shows that it is not comes with the header.
    if (row->forward || !rewrite_wanted(row))
        return rc;
    if (rc < 0 && (mail->unknown || read_bare(row, args, mail, was) < 0))
        return -1;
    put_sender(row, mail, was);
    return 0;
}
