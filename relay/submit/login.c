// SPDX-License-Identifier: ISC
// The memory of a login.
#include "relay/submit/login.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

void submit_login_forget(struct submit_login *login)
{
    sasl_words_free(&login->words);
    sasl_free(login->scram);
    free(login->verifier);
    dovecot_cancel(login->call);
    *login = (struct submit_login){0};
}

bool submit_login_abandon(struct submit_login *login)
{
    bool owed = login->job ? auth_cancel(login->job) : login->call && login->asked;
    dovecot_cancel(login->call);
    login->job = NULL;
    login->call = NULL;
    return owed;
}

// Who changes the user and comes back has more to pay, not less.
bool submit_failed_anew(struct submit_failed *failed, const struct submit_login *login)
{
    const char *user = login->words.user;
    unsigned bit = 1u << login->mechanism;
    bool same = failed->user && user && strcmp(failed->user, user) == 0;
    if (same && !(failed->mechanisms & bit)) {
        failed->mechanisms |= bit;
        return false;
    }
    failed->mechanisms = same ? ~0u : bit;
    if (!same) {
        free(failed->user);
        failed->user = mem_dup(user);
    }
    return true;
}

void submit_failed_free(struct submit_failed *failed)
{
    free(failed->user);
    *failed = (struct submit_failed){0};
}
