// SPDX-License-Identifier: ISC
// Rows of `senders` against accounts, keys and certificates.
#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"
#include "relay/command/check.h"

static bool has_row(const struct config *config, const char *user)
{
    for (size_t i = 0; i < config->nsenders; i++)
        if (strcmp(config->senders[i].user, user) == 0)
            return true;
    return false;
}

static void check_accounts(struct report *r, const struct config *config, const struct users *users)
{
    unsigned before = r->errors + r->warnings;
    bool elsewhere = config->auth.dovecot[0] || config->auth.command.n; // they may be there
    for (size_t i = 0; i < config->nsenders; i++) {
        const char *user = config->senders[i].user;
        if (user[0] && !users_find(users, user) && !elsewhere && !config->senders[i].certificate.n)
            check_say(
                r, "ERROR",
                "senders: '%s' has no account in %s, so it cannot log in: waxwing user add %s",
                user, config->users, user);
    }
    for (size_t i = 0; i < users_count(users); i++)
        if (!has_row(config, users_name(users, i)))
            check_say(
                r, "warning",
                "'%s' has an account and no row in senders, so it may log in and send nothing",
                users_name(users, i));
    if (r->errors + r->warnings == before)
        check_say(r, "ok", "every sender has an account (%zu)", users_count(users));
}

static const char *check_submission_domain_of(const struct sender_pattern *p)
{
    const char *at = strrchr(p->text, '@');
    return at ? at + 1 : p->text;
}

static bool has_key(const struct config *config, const struct sender_pattern *p)
{
    char *below = mem_printf("any.%s", check_submission_domain_of(p));
    bool has =
        config_dkim_for(config, p->kind == SENDER_BELOW ? below : check_submission_domain_of(p));
    free(below);
    return has;
}

// Once a domain, whichever rows name it.
static bool is_first(const struct config *config, size_t row, size_t at)
{
    const struct sender_pattern *p = &config->senders[row].from[at];
    for (size_t i = 0; i <= row; i++)
        for (size_t k = 0; k < (i == row ? at : config->senders[i].nfrom); k++) {
            const struct sender_pattern *other = &config->senders[i].from[k];
            if ((other->kind == SENDER_BELOW) == (p->kind == SENDER_BELOW) &&
                strcmp(check_submission_domain_of(other), check_submission_domain_of(p)) == 0)
                return false;
        }
    return true;
}

static void check_signed(struct report *r, const struct config *config)
{
    bool all = true;
    for (size_t i = 0; i < config->nsenders; i++)
        for (size_t k = 0; k < config->senders[i].nfrom; k++) {
            const struct sender_pattern *p = &config->senders[i].from[k];
            if (p->kind == SENDER_ANY || has_key(config, p) || !is_first(config, i, k))
                continue;
            all = false;
            check_say(r, config->senders[i].require_signature ? "ERROR" : "warning",
                      "senders: mail from %s%s %s: dkim.domains has no key for it",
                      p->kind == SENDER_BELOW ? "below " : "", check_submission_domain_of(p),
                      config->senders[i].require_signature ? "is refused" : "goes out unsigned");
        }
    if (all && config->nsenders)
        check_say(r, "ok", "every sender's domain has a signing key");
}

// Where something else keeps the configuration from being used, whose errors have been told.
static struct users *bare_users(const struct config *config)
{
    struct why why;
    struct buf complaints;
    buf_init(&complaints, 65536);
    struct users *users = config->users[0] ? users_load(config->users, &complaints, &why) : NULL;
    buf_free(&complaints);
    return users;
}

void check_submission(struct report *r, const struct config *config, const struct setup *setup)
{
    if (!config->nsenders)
        check_say(r, "warning", "senders: there is no row, so nobody may send anything");
    struct users *users = setup ? users_ref(setup->users) : bare_users(config);
    if (users)
        check_accounts(r, config, users);
    users_unref(users);
    check_signed(r, config);
    if (setup && setup->creds && creds_have(setup->creds, config->hostname))
        check_say(r, "ok", "a certificate is for %s", config->hostname);
    else if (setup && setup->creds)
        check_say(
            r, "warning",
            "no certificate is for %s (hostname): clients that were given this name and look at it "
            "will refuse the certificate of another",
            config->hostname);
}
