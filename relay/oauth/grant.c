// SPDX-License-Identifier: ISC
// Forms and assertions.
#include "relay/oauth/grant.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config/login.h"
#include "relay/base/mem.h"
#include "relay/oauth/secret_file.h"
#include "sign/base64.h"
#include "sign/key.h"

#define ASSERTION_S 3600 // RFC 7523 leaves it open; Google takes an hour at most

void grant_field(struct buf *form, const char *name, const char *value)
{
    buf_addf(form, "%s%s=", form->len ? "&" : "", name);
    for (const unsigned char *c = (const unsigned char *)value; *c; c++)
        if (ascii_is_alnum(*c) || strchr("-._~", *c))
            buf_addc(form, (char)*c);
        else
            buf_addf(form, "%%%02X", *c);
}

void grant_base64url(char *base64)
{
    char *to = base64;
    for (char *c = base64; *c && *c != '='; c++)
        *to++ = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    *to = 0;
}

// Encoded and appended, behind a dot where it is not the first part.
static void add_part(struct buf *out, const void *bytes, size_t n)
{
    struct buf part;
    buf_init(&part, GRANT_MAX);
    base64_encode(bytes, n, &part);
    char *text = buf_take(&part);
    grant_base64url(text);
    buf_addf(out, "%s%s", out->len ? "." : "", text);
    free(text);
}

static void add_json(struct buf *out, json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT);
    add_part(out, text, strlen(text));
    free(text);
    json_decref(j);
}

// The signature comes in base64 of its own kind.
static int add_signature(struct buf *out, const char *pem, const char *file, struct why *why)
{
    struct buf signature;
    buf_init(&signature, GRANT_MAX);
    struct sign_key *key = sign_key_read(span_text(pem), file, why);
    int rc = key ? 0 : -1;
    if (key && sign_key_type(key) != KEY_RSA)
        rc = why_say(why, TOKEN_ACCOUNT, file, "its key is not an RSA key");
    if (rc == 0)
        rc = sign_key_sign(key, out->data, out->len, &signature, why);
    if (rc == 0) {
        char *text = buf_take(&signature);
        grant_base64url(text);
        buf_addf(out, ".%s", text);
        free(text);
    }
    buf_free(&signature);
    sign_key_unref(key);
    return rc;
}

int grant_assertion(struct span json, const struct cfg_login *login, int64_t now_s, struct buf *out,
                    struct why *why)
{
    const char *file = login->oauth.service_account_file;
    json_t *account = json_loadb((const char *)json.p, json.n, 0, NULL);
    const char *who = json_string_value(json_object_get(account, "client_email"));
    const char *pem = json_string_value(json_object_get(account, "private_key"));
    const char *id = json_string_value(json_object_get(account, "private_key_id"));
    int rc = 0;
    if (!who || !pem) {
        rc = why_say(why, TOKEN_ACCOUNT, file,
                     account ? "it lacks client_email or private_key" : "it is not JSON");
    } else {
        add_json(out, json_pack("{s:s, s:s, s:s*}", "alg", "RS256", "typ", "JWT", "kid", id));
        add_json(out, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", who, "sub", login->user,
                                "scope", login->oauth.scope, "aud", login->oauth.token_endpoint,
                                "iat", (json_int_t)now_s, "exp", (json_int_t)now_s + ASSERTION_S));
        rc = add_signature(out, pem, file, why);
    }
    json_decref(account);
    return rc;
}

static int add_secret(struct buf *out, const char *name, const char *file, struct why *why)
{
    if (!file[0])
        return 0;
    char *secret = secret_read(file, why);
    if (!secret)
        return -1;
    grant_field(out, name, secret);
    secret_wipe(secret);
    return 0;
}

// A key file is larger than a line.
static int read_account(const char *file, struct buf *out, struct why *why)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    unsigned char *room;
    ssize_t n = -1;
    while (fd >= 0 && buf_reserve(out, 4096, &room) == 0 && (n = read(fd, room, 4096)) > 0)
        out->len += (size_t)n;
    int error = errno;
    if (fd >= 0)
        close(fd);
    return fd < 0 || n < 0 ? why_say(why, TOKEN_ACCOUNT, file, strerror(error)) : 0;
}

static int add_assertion(const struct cfg_login *login, int64_t now_s, struct buf *out,
                         struct why *why)
{
    struct buf json, jwt;
    buf_init(&json, SECRET_MAX);
    buf_init(&jwt, GRANT_MAX);
    grant_field(out, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    int rc = read_account(login->oauth.service_account_file, &json, why);
    if (rc == 0)
        rc = grant_assertion(buf_span(&json), login, now_s, &jwt, why);
    if (rc == 0)
        grant_field(out, "assertion", buf_text(&jwt));
    if (json.data)
        explicit_bzero(json.data, json.cap);
    buf_free(&json);
    buf_free(&jwt);
    return rc;
}

int grant_form(const struct cfg_login *login, int64_t now_s, struct buf *out, struct why *why)
{
    const struct cfg_oauth *o = &login->oauth;
    enum login_kind kind = login_kind(login);
    if (kind == LOGIN_BY_ACCOUNT)
        return add_assertion(login, now_s, out, why);
    grant_field(out, "grant_type", login_kind_word(kind));
    grant_field(out, "client_id", o->client_id);
    if (o->scope[0])
        grant_field(out, "scope", o->scope);
    if (kind == LOGIN_BY_REFRESH &&
        add_secret(out, "refresh_token", o->refresh_token_file, why) < 0)
        return -1;
    return add_secret(out, "client_secret", o->client_secret_file, why);
}
