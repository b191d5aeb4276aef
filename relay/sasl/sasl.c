// SPDX-License-Identifier: ISC
// A dialogue step by step, and the library's one handle. Knows neither names nor passwords.
#include "relay/sasl/inside.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sign/base64.h"

static const char *const words[SASL_MECHANISMS] = {
    [SASL_PLAIN] = "PLAIN",
    [SASL_LOGIN] = "LOGIN",
    [SASL_SCRAM_SHA_256] = "SCRAM-SHA-256",
    [SASL_SCRAM_SHA_256_PLUS] = "SCRAM-SHA-256-PLUS",
    [SASL_EXTERNAL] = "EXTERNAL",
    [SASL_OAUTHBEARER] = "OAUTHBEARER",
    [SASL_XOAUTH2] = "XOAUTH2",
};

static Gsasl *library; // made once, for the life of the process
static pthread_once_t library_once = PTHREAD_ONCE_INIT;

const char *sasl_word(enum sasl_mechanism mechanism)
{
    return words[mechanism];
}

enum sasl_mechanism sasl_mechanism(struct span word)
{
    enum sasl_mechanism m = 0;
    while (m < SASL_MECHANISMS && !span_is_nocase(word, words[m]))
        m++;
    return m;
}

bool sasl_is_scram(enum sasl_mechanism mechanism)
{
    return mechanism == SASL_SCRAM_SHA_256 || mechanism == SASL_SCRAM_SHA_256_PLUS;
}

static int sasl_on_property(Gsasl *context, Gsasl_session *session, Gsasl_property property)
{
    (void)context;
    struct sasl *sasl = gsasl_session_hook_get(session);
    sasl->side->property(sasl, property);
    return GSASL_OK; // the library looks whether the property is there now
}

static void sasl_load(void)
{
    if (gsasl_init(&library) != GSASL_OK) {
        fputs("waxwing: libgsasl does not start\n", stderr);
        abort();
    }
    gsasl_callback_set(library, sasl_on_property);
}

int sasl_begin(struct sasl *sasl, const struct sasl_side *side, enum sasl_mechanism mechanism,
               struct why *why)
{
    pthread_once(&library_once, sasl_load);
    sasl->side = side;
    int rc = side->server ? gsasl_server_start(library, words[mechanism], &sasl->session)
                          : gsasl_client_start(library, words[mechanism], &sasl->session);
    if (rc != GSASL_OK)
        return why_say(why, SASL_LIBRARY, words[mechanism], gsasl_strerror(rc));
    gsasl_session_hook_set(sasl->session, sasl);
    return 0;
}

void sasl_set_base64(struct sasl *sasl, Gsasl_property property, const void *bytes, size_t n)
{
    struct buf text;
    buf_init(&text, 2 * n + 4);
    base64_encode(bytes, n, &text);
    gsasl_property_set(sasl->session, property, buf_text(&text));
    explicit_bzero(text.data, text.cap);
    buf_free(&text);
}

void sasl_set_binding(struct sasl *sasl, const unsigned char binding[static SASL_BINDING])
{
    sasl_set_base64(sasl, GSASL_CB_TLS_EXPORTER, binding, SASL_BINDING);
}

static enum sasl_answer sasl_failed(int code, struct why *why)
{
    switch (code) {
    case GSASL_MECHANISM_PARSE_ERROR:
    case GSASL_BASE64_ERROR:
    case GSASL_MECHANISM_CALLED_TOO_MANY_TIMES:
        why_say(why, SASL_MESSAGE, "this is no message of the mechanism");
        break;
    case GSASL_MALLOC_ERROR:
    case GSASL_CRYPTO_ERROR:
        why_say(why, SASL_LIBRARY, "a dialogue", gsasl_strerror(code));
        break;
    default:
        why_say(why, SASL_PROOF);
    }
    return SASL_FAILED;
}

// The library reads messages as C texts in places.
static int look_at(struct sasl *sasl, struct span message, struct why *why)
{
    if (message.n > SASL_MESSAGE || span_find(message, 0) >= 0)
        return why_say(why, SASL_MESSAGE, "this is no message of the mechanism");
    return sasl->side->look ? sasl->side->look(sasl, message, why) : 0;
}

enum sasl_answer sasl_step(struct sasl *sasl, struct span message, struct buf *out, struct why *why)
{
    if (look_at(sasl, message, why) < 0)
        return SASL_FAILED;
    char *answer = NULL;
    size_t n = 0;
    int rc =
        gsasl_step(sasl->session, message.n ? (const char *)message.p : "", message.n, &answer, &n);
    sasl->steps++;
    if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
        return sasl_failed(rc, why);
    int added = buf_add(out, answer, n);
    gsasl_free(answer);
    if (added < 0)
        return sasl_failed(GSASL_MECHANISM_PARSE_ERROR, why);
    return rc == GSASL_OK ? SASL_DONE : SASL_MORE;
}

void sasl_free(struct sasl *sasl)
{
    if (!sasl)
        return;
    if (sasl->session)
        gsasl_finish(sasl->session);
    sasl->side->free(sasl);
}
