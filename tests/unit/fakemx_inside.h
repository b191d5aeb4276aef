// SPDX-License-Identifier: ISC
// The inside of the MX host for unit tests, shared by tests/unit/fakemx*.c alone.
#ifndef TESTS_UNIT_FAKEMX_INSIDE_H
#define TESTS_UNIT_FAKEMX_INSIDE_H

#include <gnutls/gnutls.h>
#include <pthread.h>
#include "tests/unit/chaos.h"
#include "tests/unit/fakemx.h"

#define RULES    64
#define REPLY    2048 // bytes of one
#define WAIT_US  50000
#define SESSIONS 64
#define MESSAGES 256

struct rule {
    char step[16];
    char reply[REPLY];
    bool once, used;
};

struct session {
    struct mx *mx;
    pthread_t thread;
    int fd;
    gnutls_session_t tls;
    char room[65536];
    char *in; // what was received and not used yet, n bytes
    size_t n;
    struct mx_message now;
    bool mail, more, leaves;
    struct chaos chaos;
    size_t said;
};

struct mx {
    pthread_mutex_t lock;
    pthread_t thread;
    int fd;
    uint16_t port;
    char extensions[512];
    struct rule rules[RULES];
    size_t nrules;
    struct session *sessions[SESSIONS];
    size_t nsessions;
    struct mx_message *messages[MESSAGES];
    size_t nmessages;
    char heard[65536];
    unsigned resumed, clear_mails;
    uint64_t chaos; // seed, 0: a good server
    unsigned percent;
    unsigned replies, strike_at; // 0: nothing is struck
    bool strike_missing, struck, nests, slow, stays;
    char strike[128];
    size_t cut, said; // cut: SIZE_MAX: never
    bool implicit, stopping, hold, no_names;
    unsigned held; // handshakes that wait
    gnutls_certificate_credentials_t cred, old[9];
    size_t nold;
    gnutls_datum_t ticket_key;
};

#endif
