// SPDX-License-Identifier: ISC
// Every limit that is not configuration, in one place, with its unit and where it comes from.
#ifndef RELAY_BASE_MAXIMA_H
#define RELAY_BASE_MAXIMA_H

// SMTP, RFC 5321 section 4.5.3.1 and its extensions
#define MAX_COMMAND_LINE  12288   // bytes with CRLF: AUTH's limit (RFC 4954 section 4); others 2048
#define MAX_PLAIN_COMMAND 2048    // bytes: 512 plus what the extensions add
#define MAX_TEXT_LINE     998     // octets of message text without CRLF, RFC 5321 4.5.3.1.6
#define MAX_LOCAL_PART    64      // octets, RFC 5321 4.5.3.1.1
#define MAX_DOMAIN        255     // octets, RFC 5321 4.5.3.1.2
#define MAX_PATH          320     // local part, @, domain
#define MAX_REPLY_LINE    1024    // bytes kept; RFC 5321 says 512, some answer longer
#define MAX_REPLY         16384   // bytes kept of one multi-line reply
#define MAX_REPLY_LINES   100     // kept
#define MAX_REPLY_BYTES   1048576 // after which a reply is given up
#define MAX_REPLY_TOLD    4096    // bytes of a reply in the spool and in reports
#define MAX_COMMANDS      10000   // commands in one session without a message
#define MAX_BAD_COMMANDS  20      // errors before 421
#define MAX_VOID_CHUNK    65536   // bytes of a BDAT outside a transaction that are read and dropped
#define MAX_SKIPPED       65536   // bytes of a line that is too long
#define MAX_RECEIVED      50      // Received fields before it is a loop
#define MAX_DSN_ENVID     100     // RFC 3461 section 4.4
#define MAX_DSN_ORCPT     500     // RFC 3461 section 4.2
#define MAX_TRANSACTION_S 3600    // seconds from MAIL to the end of the data

// messages
#define MAX_MEMORY_BODY   262144   // bytes of a body kept in memory; more goes to a file
#define MAX_HEADER        16777216 // bytes of a received header, whatever limits.header_size says
#define MAX_HEADER_FIELDS 2000
#define MAX_PREFIX        131072 // bytes of fields that we add on top

// routes: what one domain may make of a lookup
#define MAX_MX_HOSTS     20
#define MAX_ADDRESSES    20
#define MAX_TLSA         64
#define MAX_CNAME        10
#define MAX_TTL          86400 // seconds
#define MAX_CHAIN        10    // certificates
#define MAX_KEY_BITS     8192
#define MAX_CERTIFICATE  65536  // bytes, DER
#define MAX_ANY_KEY_BITS 16384  // where the key proves nothing; other TLS libraries stop there too
#define MAX_HANDSHAKE    262144 // bytes of one TLS handshake message: a chain of certificates

// spool
#define SPOOL_SEGMENT     67108864 // bytes after which a new segment begins
#define SPOOL_BATCH       4194304  // bytes written under one sync
#define SPOOL_RESULT_MS   100      // a result waits this long for somebody else's sync
#define SPOOL_PIECES      1024     // parts of one vector write (IOV_MAX)
#define SPOOL_TEXT        67108864 // bytes of one envelope or result as text
#define SPOOL_COPY        1048576 // bytes copied to the head with one batch, to empty the oldest segment
#define SPOOL_GARBAGE     4       // segments' worth of dead records left alone
#define SPOOL_RETRY_MS    1000 // between attempts to begin a segment, or to tidy, after a failure
#define SPOOL_RESERVES    8    // files that keep space for results on a full disk
#define SPOOL_RESERVE_MAX 2097152 // bytes of each
#define SPOOL_ROOM_MS     1000    // between two looks at the free space
#define SPOOL_AWAY_MS     250     // between two looks at a second place that is away

#endif
