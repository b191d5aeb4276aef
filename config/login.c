// SPDX-License-Identifier: ISC
// Questions about a configured login.
#include "config/login.h"

#include <stdlib.h>
#include <string.h>
#include "relay/base/mem.h"

static bool login_given(const char *text)
{
    return text && text[0];
}

enum login_kind login_kind(const struct cfg_login *login)
{
    if (!login || !login_given(login->user))
        return LOGIN_NONE;
    const struct cfg_oauth *o = &login->oauth;
    return login_given(login->password_file)      ? LOGIN_BY_PASSWORD
           : login_given(o->token_command)        ? LOGIN_BY_COMMAND
           : login_given(o->service_account_file) ? LOGIN_BY_ACCOUNT
           : login_given(o->refresh_token_file)   ? LOGIN_BY_REFRESH
           : login_given(o->client_id)            ? LOGIN_BY_CLIENT
                                                  : LOGIN_NONE;
}

const char *login_kind_word(enum login_kind kind)
{
    static const char *const words[] = {"none",          "password",
                                        "token command", "client_credentials",
                                        "refresh_token", "service account"};
    return words[kind];
}

bool login_fetches(const struct cfg_login *login)
{
    return login_kind(login) >= LOGIN_BY_CLIENT;
}

void login_identity(const struct cfg_login *login, struct buf *out)
{
    if (login_kind(login) == LOGIN_NONE)
        return;
    const struct cfg_oauth *o = &login->oauth;
    const char *const texts[] = {
        login->user,     login->password_file,  o->token_endpoint,     o->client_id,
        o->scope,        o->client_secret_file, o->refresh_token_file, o->service_account_file,
        o->token_command};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        buf_adds(out, texts[i] ? texts[i] : "");
        buf_addc(out, '\0'); // so that two values never read as two others
    }
}

bool login_same(const struct cfg_login *a, const struct cfg_login *b)
{
    bool logs_in = login_kind(a) != LOGIN_NONE;
    return a == b || (!logs_in && login_kind(b) == LOGIN_NONE);
}

bool login_provider_is(const struct cfg_login *login, const char *provider)
{
    return login_given(login->oauth.provider) && strcmp(login->oauth.provider, provider) == 0;
}

static void login_default(char **field, char *text)
{
    if (login_given(*field)) {
        free(text);
        return;
    }
    free(*field);
    *field = text;
}

void login_complete(struct cfg_login *login)
{
    struct cfg_oauth *o = &login->oauth;
    enum login_kind kind = login_kind(login);
    if (kind < LOGIN_BY_CLIENT || !o->provider[0])
        return;
    if (login_provider_is(login, "google")) {
        login_default(&o->token_endpoint, mem_dup("https://oauth2.googleapis.com/token"));
        if (kind == LOGIN_BY_ACCOUNT)
            login_default(&o->scope, mem_dup("https://mail.google.com/"));
        return;
    }
    login_default(&o->token_endpoint,
                  mem_printf("https://login.microsoftonline.com/%s/oauth2/v2.0/token",
                             o->tenant[0] ? o->tenant : "common"));
    login_default(&o->scope, mem_dup(kind == LOGIN_BY_CLIENT
                                         ? "https://outlook.office365.com/.default"
                                         : "https://outlook.office.com/SMTP.Send offline_access"));
}
