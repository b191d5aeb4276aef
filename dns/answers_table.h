// SPDX-License-Identifier: ISC
// Between the reader of an answer file (dns/answers_load.c) and its table (dns/answers.c): statements
// about names, as they are read. Nobody else includes this.
#ifndef DNS_ANSWERS_TABLE_H
#define DNS_ANSWERS_TABLE_H

#include "dns/answers.h"

enum said_kind { SAID_RECORDS, SAID_ERROR, SAID_SECURE, SAID_INSECURE };
enum said_error {
    SAID_NXDOMAIN,
    SAID_NODATA,
    SAID_SERVFAIL,
    SAID_TIMEOUT,
    SAID_BOGUS,
    SAID_REFUSED
};
#define SAID_ANY_TYPE 0
#define SAID_ANY_NAME "*"

struct said {
    struct said *next;
    enum said_kind kind;
    uint16_t type;          // SAID_ANY_TYPE: all types
    enum said_error error;  // of SAID_ERROR
    struct dns_answer *set; // of SAID_RECORDS: holds the rdata, at least one
};

struct answers *answers_new(void);
// A new statement about a normal name (or SAID_ANY_NAME), for the caller to complete.
struct said *answers_say(struct answers *answers, const char *name, enum said_kind kind,
                         uint16_t type);
// The name exists, and so do its ancestors (RFC 8020 section 2).
void answers_exists(struct answers *answers, const char *name);
// -1 when the host has a page already.
int answers_page(struct answers *answers, const char *host, int status, const char *type,
                 const char *body, const char *error);

#endif
