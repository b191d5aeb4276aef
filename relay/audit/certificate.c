// SPDX-License-Identifier: ISC
// Certificates before they end: the relay's own, which clients see, and that of the own policy host, without which
// senders keep to an old policy or to none.
#include <stdio.h>
#include "relay/audit/inside.h"

#define DAY_S     86400
#define SOON_DAYS 21 // renewals are due at 30 days of 90
#define LATE_DAYS 7

static void say_ends(struct audit_pass *a, const char *what, int64_t ends_s, const char *prevents)
{
    long long left = (long long)(ends_s - a->in->now_s), days = left / DAY_S;
    enum audit_severity severity = days < LATE_DAYS   ? AUDIT_PROBLEM
                                   : days < SOON_DAYS ? AUDIT_ADVICE
                                                      : AUDIT_OK;
    struct audit_finding *f =
        left < 0
            ? audit_say(a, AUDIT_PROBLEM, "certificate", "%s has ended %lld days ago", what, -days)
            : audit_say(a, severity, "certificate", "%s is valid for %lld more days", what, days);
    f->prevents = prevents;
}

void audit_own_certificate(struct audit_pass *a)
{
    if (a->in->certificate_fault)
        audit_say(a, AUDIT_PROBLEM, "certificate",
                  "when the relay's certificate ends is not known: %s", a->in->certificate_fault)
            ->temporary = true;
    else if (a->in->certificate_ends_s)
        say_ends(a, "the relay's certificate", a->in->certificate_ends_s,
                 "clients that refuse to log in");
}

void audit_policy_certificate(struct audit_pass *a)
{
    char what[320];
    const struct sts_view *view = a->in->sts;
    if (!view || !view->certificate_ends_s)
        return; // there is none, or what is wrong with it stands where its policy is looked at
    snprintf(what, sizeof what, "the certificate of mta-sts.%s", a->in->domain);
    say_ends(a, what, view->certificate_ends_s, "sts-webpki-invalid in the reports of senders");
}
