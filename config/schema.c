// SPDX-License-Identifier: ISC
// The table of keys, all but the section `delivery` (config/schema_delivery.c).
#include "config/schema.h"

#include <stdio.h>
#include <string.h>
#include "config/value.h"
#include "relay/base/span.h"

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define TIB ((uint64_t)1 << 40)

static const struct schema_key listen_keys[] = {
    {"address", KEY_LISTEN, SHARED, .flags = KEY_REQUIRED,
     .text = "address and port, such as 0.0.0.0:587 or [::]:587; port 0 takes any free one. "
             "unix:/run/waxwing/submit.sock is a socket for programs on this machine: SMTP without "
             "TLS and AUTH, where the client's user finds its row by unix_user"},
    {"tls", KEY_SWITCH, AT(cfg_listen, implicit_tls), .choices = "starttls implicit",
     .initial = "starttls",
     .text = "starttls: AUTH is offered only after STARTTLS; implicit: TLS from the first byte, as "
             "on port 465"},
    {"client_certificates", KEY_BOOL, AT(cfg_listen, client_certificates), .initial = "false",
     .text =
         "ask clients for a certificate, with which they may log in (AUTH EXTERNAL) as the user "
         "whose row names it; those that have none go on as ever"},
    {"client_ca", KEY_FILE, AT(cfg_listen, client_ca), .flags = KEY_EMPTY,
     .text = "PEM file of the authorities whose client certificates are believed; names in "
             "certificates count only with it"},
    {"proxy", KEY_NETWORK, .list = true, MANY(cfg_listen, proxy.at, proxy.n),
     .text =
         "load balancers: a PROXY header (version 1 or 2) is mandatory from these addresses and "
         "refused from others"},
    {"mode", KEY_WORD, AT(cfg_listen, mode), .choices = "0666 0660 0600", .initial = "0666",
     .text = "Unix sockets: who may connect; what they may send is the rows' affair"},
    END_OF_KEYS,
};
static const struct schema_group listen_group = {listen_keys, "address"};

static const struct schema_key certificate_keys[] = {
    {"chain", KEY_FILE, AT(cfg_certificate, chain), .flags = KEY_REQUIRED,
     .text = "PEM file: the certificate, then its intermediates; read again when it changes"},
    {"key", KEY_FILE, AT(cfg_certificate, key), .flags = KEY_REQUIRED,
     .text = "PEM file of the private key"},
    {"tls_min", KEY_WORD, AT(cfg_certificate, tls_min), .choices = "1.2 1.3", .initial = "1.2",
     .text = "the oldest TLS version that clients may use"},
    {"tls_priority", KEY_TEXT, AT(cfg_certificate, tls_priority), .flags = KEY_EMPTY,
     .text = "a GnuTLS priority string that replaces the built-in one"},
    {"tickets", KEY_BOOL, AT(cfg_certificate, tickets), .initial = "true",
     .text = "whether clients get session tickets; some old clients break on them"},
    END_OF_KEYS,
};
static const struct schema_group certificate_group = {certificate_keys, NULL};

static const struct schema_key sender_limit_keys[] = {
    {"messages", KEY_RATE, AT(cfg_sender, messages), .initial = "0",
     .text = "messages that it may submit in a time; 0: no limit"},
    {"recipients", KEY_RATE, AT(cfg_sender, recipients), .initial = "0",
     .text = "recipients that it may name in a time; 0: no limit"},
    END_OF_KEYS,
};
static const struct schema_group sender_limit_group = {sender_limit_keys, NULL};

static const struct schema_key sender_keys[] = {
    {"user", KEY_TEXT, AT(cfg_sender, user),
     .text = "the row is about this user, who logs in with AUTH"},
    {"certificate", KEY_TEXT, .list = true, MANY(cfg_sender, certificate.at, certificate.n),
     .text = "user rows: client certificates that log in as this user without a password (AUTH "
             "EXTERNAL): sha256: and the fingerprint of the certificate or of its public key, or, "
             "where listen.client_ca vouches for it, dns:, email: or uri: and a name in it"},
    {"network", KEY_NETWORK, .list = true, MANY(cfg_sender, networks.at, networks.n),
     .text = "the row is about clients with these addresses, who need no AUTH; the first matching "
             "row counts"},
    {"unix_user", KEY_TEXT, AT(cfg_sender, unix_user),
     .text =
         "the row is about this user of this machine, by name or number, who submits over a Unix "
         "socket, as sendmail does; * is everybody who has no row"},
    {"tls", KEY_SWITCH, AT(cfg_sender, tls_required), .choices = "optional required",
     .initial = "optional", .text = "network rows: whether mail is taken only over TLS"},
    {"from", KEY_SENDER, .list = true, MANY(cfg_sender, from, nfrom),
     .text = "what may stand in From and MAIL FROM: example.org is that domain, *.example.org what "
             "is below it, alerts@example.net one address, * anything"},
    {"limits", KEY_GROUP, SHARED, .group = &sender_limit_group,
     .text = "how much the row may send"},
    {"priority", KEY_SWITCH, AT(cfg_sender, high), .choices = "normal high", .initial = "normal",
     .text = "high: its mail goes before that of others at each site, but for every eighth turn"},
    {"jumps", KEY_SWITCH, AT(cfg_sender, may_jump), .choices = "hold ignore", .initial = "hold",
     .text = "ignore: this login is never held for sending in an unusual way"},
    {"next_hop", KEY_HOP, .list = true, MANY(cfg_sender, next_hops, nnext_hops),
     .otherwise = "where the recipient's domain leads",
     .text = "where its mail goes, tried in order, written as next_hop of a destination; a rule "
             "that names a next hop for the recipient's domain stands before it, one for * and "
             "delivery.smarthost behind it"},
    {"next_hop_auth", KEY_GROUP, AT(cfg_sender, login), .group = &schema_login,
     .text = "log in there; the host has to prove its name"},
    {"source", KEY_ROWS, MANY(cfg_sender, sources, nsources), .group = &schema_source,
     .otherwise = "delivery.source",
     .text = "addresses that connections for its mail come from, as delivery.source; where there "
             "is none of a family, that family is not used"},
    {"bare_lf", KEY_SWITCH, AT(cfg_sender, fix_bare_lf), .choices = "refuse fix",
     .initial = "refuse",
     .text = "lines that end in LF alone: refuse the message, or mend it before it is signed"},
    {"forward", KEY_BOOL, AT(cfg_sender, forward), .initial = "false",
     .text = "mail from domains that are not its own is sealed (ARC) and sent, not refused"},
    {"own_networks", KEY_NETWORK, .list = true, MANY(cfg_sender, own_networks.at, own_networks.n),
     .text = "forwarders: original clients (XFORWARD, XCLIENT) in these networks count as ours"},
    {"trust_results_of", KEY_TEXT, .list = true,
     MANY(cfg_sender, trust_results_of.at, trust_results_of.n),
     .text =
         "forwarders: Authentication-Results with these authserv-ids count where they stand above "
         "the topmost Received field, as those of OpenDKIM and OpenDMARC do in Postfix; the host "
         "must write a Received field, and must remove what comes in from outside under its id "
         "(OpenDKIM: RemoveARFrom)"},
    {"trusted_hops", KEY_NUMBER, AT(cfg_sender, trusted_hops), .initial = "0", .min = 0, .max = 50,
     .text = "so many Received fields may stand above those results: one for rspamd, which writes "
             "below the Received field of its host, one more for each time the mail is taken in "
             "again. From 1 on only the removal of forged fields on that host keeps strangers from "
             "writing such results"},
    {"trusted_sealers", KEY_DOMAIN, .list = true,
     MANY(cfg_sender, trusted_sealers.at, trusted_sealers.n),
     .text =
         "domains whose ARC seals are believed: a valid chain that records dmarc=pass, sealed by "
         "them alone from there on, satisfies on_dmarc_fail"},
    {"bounces_from", KEY_HOST, .list = true, MANY(cfg_sender, bounces_from.at, bounces_from.n),
     .text =
         "hosts whose own notices it hands on: mail from the null sender (or double-bounce) may "
         "be From MAILER-DAEMON, postmaster or double-bounce there"},
    {"xforward", KEY_BOOL, AT(cfg_sender, xforward), .initial = "false",
     .text = "it may name the original client with XFORWARD, for SPF and the origin test"},
    {"xclient", KEY_BOOL, AT(cfg_sender, xclient), .initial = "false",
     .text = "it may name the original client of a session with XCLIENT, for SPF and the origin "
             "test"},
    {"on_dmarc_fail", KEY_SWITCH, AT(cfg_sender, refuse_dmarc_fail), .choices = "seal refuse",
     .initial = "seal",
     .text = "forwarders: what happens to mail from elsewhere that fails DMARC; a failing own "
             "domain is always refused"},
    {"on_own_fail", KEY_CHOICE, AT(cfg_sender, on_own_fail), .choices = "refuse seal discard",
     .initial = "refuse",
     .text = "forwarders: what happens to mail that claims an own domain in From and that nothing "
             "shows to be from there; seal sends it on as somebody else's, never DKIM-signed "
             "(own mail that comes back from a list), discard takes it and drops it"},
    {"long_lines", KEY_SWITCH, AT(cfg_sender, refuse_long_lines), .choices = "pass refuse",
     .initial = "pass",
     .text =
         "own mail with lines of more than 998 octets, which other servers may refuse or break, "
         "and with it the signature"},
    {"preflight", KEY_CHOICE, AT(cfg_sender, preflight), .base = -1,
     .choices = "default off note refuse", .initial = "default",
     .text = "the same for mail of this row"},
    {"tls_required_no", KEY_CHOICE, AT(cfg_sender, tls_required_no), .base = -1,
     .choices = "default ignore honour", .initial = "default",
     .text = "whether the header field `TLS-Required: No' counts; default: honoured in own mail, "
             "ignored in forwarded mail"},
    {"suppressed", KEY_CHOICE, AT(cfg_sender, suppressed), .choices = "refuse drop send",
     .initial = "refuse",
     .text = "what becomes of a recipient on the suppression list: refuse it with the reason, take "
             "it and drop it with an event, or send to it all the same"},
    {"require_tls", KEY_BOOL, AT(cfg_sender, require_tls), .initial = "false",
     .text = "REQUIRETLS (RFC 8689) for all its mail"},
    {"require_signature", KEY_BOOL, AT(cfg_sender, require_signature), .initial = "false",
     .text = "refuse mail that cannot be DKIM-signed"},
    {"rewrite", KEY_ROWS, MANY(cfg_sender, rewrites, nrewrites), .group = &schema_rewrite,
     .text =
         "addresses of what cannot be configured, replaced in the envelope sender and in From (the "
         "old one is kept in Reply-To where there is none), Sender, Errors-To and whatever asks "
         "for a receipt; the first rule that fits counts, see waxwing-rewrite(7)"},
    {"default_from", KEY_MAILBOX, AT(cfg_sender, default_from), .flags = KEY_EMPTY,
     .text = "the From of mail that names no address there"},
    {"force_from", KEY_MAILBOX, AT(cfg_sender, force_from), .flags = KEY_EMPTY,
     .text = "the From of all its mail, whatever it says, with its display name; it is the "
             "envelope sender too where that is not the row's own"},
    {"strip_headers", KEY_TEXT, .list = true, MANY(cfg_sender, strip_headers.at, strip_headers.n),
     .text = "header fields that are not sent on: X-Originating-IP, or X-Internal-* for all that "
             "begin so; in forwarded mail not those that a signature there covers"},
    {"archive", KEY_MAILBOX, AT(cfg_sender, archive), .flags = KEY_EMPTY,
     .text = "gets a copy of each message; where that fails the sender does not hear of it, an "
             "alarm tells"},
    {"srs", KEY_GROUP, AT(cfg_sender, srs), .group = &schema_srs,
     .text = "forwarders: strangers' envelope senders become addresses of an own domain (SRS), so "
             "that SPF passes and bounces find their way, see waxwing-rewrite(7)"},
    {"verp", KEY_GROUP, AT(cfg_sender, verp), .group = &schema_verp,
     .text = "each recipient gets an envelope sender of its own, so that what bounces later is "
             "known to be about it and becomes an event, see waxwing-rewrite(7)"},
    {"returns", KEY_BOOL, AT(cfg_sender, returns), .initial = "false",
     .text = "it hands in what comes back to the domains of srs and verp, as the mail server of "
             "these domains does; nobody else can"},
    {"milters", KEY_TEXT, .list = true, .offset = offsetof(struct cfg_sender, milters.at),
     .count = offsetof(struct cfg_sender, milters.n), .size = sizeof(char *),
     .written = SCHEMA_NONE, .word_field = offsetof(struct cfg_sender, milters_all), .word = "all",
     .initial = "all",
     .text = "which of the filters in milters see its mail, by their names; all, or none. They are "
             "asked in the order in which milters names them"},
    END_OF_KEYS,
};
static const struct schema_group sender_group = {sender_keys, NULL};

static const struct schema_key key_keys[] = {
    {"selector", KEY_SELECTOR, AT(cfg_key, selector), .flags = KEY_REQUIRED,
     .text = "the selector under which the public key is published"},
    {"file", KEY_FILE, AT(cfg_key, file), .flags = KEY_REQUIRED,
     .text = "PEM file of the private key, RSA or Ed25519"},
    END_OF_KEYS,
};
static const struct schema_group key_group = {key_keys, NULL};

static const struct schema_key dkim_domain_keys[] = {
    {"domain", KEY_DOMAIN, AT(cfg_dkim_domain, domain), .flags = KEY_REQUIRED,
     .text = "the signing domain (d=)"},
    {"subdomains", KEY_BOOL, AT(cfg_dkim_domain, subdomains), .initial = "false",
     .text = "sign for what is below the domain too, unless that has keys of its own"},
    {"keys", KEY_ROWS, MANY(cfg_dkim_domain, keys, nkeys), .group = &key_group,
     .flags = KEY_REQUIRED, .text = "the keys; each adds a signature"},
    END_OF_KEYS,
};
static const struct schema_group dkim_domain_group = {dkim_domain_keys, NULL};

static const struct schema_key rotate_keys[] = {
    {"every", KEY_DURATION, AT(config, signing.rotate_every), .initial = "0s", .min = 0,
     .max = 3650 * DAY_MS,
     .text =
         "how old a key of dkim.directory becomes before the next one is made; 0: until waxwing "
         "key rotate is called"},
    {"retire", KEY_DURATION, AT(config, signing.rotate_retire), .initial = "7d", .min = DAY_MS,
     .max = 365 * DAY_MS,
     .text = "how long the record of a key that signs no more stays published, and delivery.expire "
             "at least"},
    {"publish_command", KEY_TEXT, AT(config, signing.publish_command), .flags = KEY_EMPTY,
     .text = "a shell command that is called with add NAME RECORD and remove NAME RECORD for TXT "
             "records; empty: they are published by hand"},
    END_OF_KEYS,
};
static const struct schema_group rotate_group = {rotate_keys, NULL};

static const struct schema_key dkim_keys[] = {
    {"require_published", KEY_BOOL, AT(config, require_published), .initial = "true",
     .text =
         "leave out a key that is not published while another of the domain is; the last usable "
         "key always signs"},
    {"headers", KEY_TEXT, .list = true, MANY(config, signing.headers.at, signing.headers.n),
     .otherwise = "the fields that readers look at and those that say how to treat the message",
     .text = "the header fields that are signed where present; From must be among them"},
    {"oversign", KEY_TEXT, .list = true, MANY(config, signing.oversign.at, signing.oversign.n),
     .otherwise = "From, To, Cc, Subject, Date, Reply-To, Message-ID, Content-Type, "
                  "List-Unsubscribe, List-Unsubscribe-Post",
     .text = "fields of which no further one may be added without breaking the signature"},
    {"expire", KEY_DURATION, AT(config, signing.expire), .initial = "0s", .min = 0,
     .max = 3650 * DAY_MS, .text = "after what time a signature ends (x=); 0: never"},
    {"directory", KEY_PATH, AT(config, signing.directory), .flags = KEY_EMPTY,
     .text = "a directory with one folder a domain and a key in each SELECTOR.pem, read again by a "
             "reload; a domain with a row of its own is passed over"},
    {"subdomains", KEY_BOOL, AT(config, signing.subdomains), .initial = "false",
     .text =
         "the domains of the directory sign for what is below them too, unless that has keys of "
         "its own"},
    {"rotate", KEY_GROUP, SHARED, .group = &rotate_group,
     .text = "how the keys of dkim.directory turn, see waxwing-key(8)"},
    {"domains", KEY_ROWS, MANY(config, dkim, ndkim), .group = &dkim_domain_group,
     .text = "domains and their keys"},
    END_OF_KEYS,
};
static const struct schema_group dkim_group = {dkim_keys, NULL};

static const struct schema_key arc_keys[] = {
    {"domain", KEY_DOMAIN, AT(cfg_arc, domain), .flags = KEY_REQUIRED,
     .text = "the sealing domain (d=)"},
    {"selector", KEY_SELECTOR, AT(cfg_arc, selector), .flags = KEY_REQUIRED,
     .text = "the selector of the key"},
    {"file", KEY_FILE, AT(cfg_arc, file), .flags = KEY_REQUIRED,
     .text = "PEM file of the private key, RSA"},
    END_OF_KEYS,
};
static const struct schema_group arc_group = {arc_keys, NULL};

static const struct schema_key server_keys[] = {
    {"address", KEY_SERVER, AT(cfg_dns_server, address), .flags = KEY_REQUIRED,
     .text = "IP, IP:PORT or [IP6]:PORT; the port is 53, or 853 with a tls_name"},
    {"tls_name", KEY_HOST, AT(cfg_dns_server, tls_name),
     .text = "DNS over TLS: the name that the server's certificate must bear"},
    END_OF_KEYS,
};
static const struct schema_group server_group = {server_keys, "address"};

static const struct schema_key dns_keys[] = {
    {"mode", KEY_CHOICE, AT(cfg_dns, mode), .choices = "recursive stub", .initial = "recursive",
     .text = "recursive: resolve from the root and validate; stub: ask the servers named"},
    {"servers", KEY_ROWS, MANY(cfg_dns, servers, nservers), .group = &server_group,
     .otherwise = "127.0.0.1", .text = "stub mode: the resolvers"},
    {"dnssec", KEY_CHOICE, AT(cfg_dns, dnssec), .choices = "auto ad off", .initial = "auto",
     .text = "stub mode, whose AD bit is trusted: auto from 127.0.0.1, ::1 and authenticated DNS "
             "over TLS; ad from every server named; off from none"},
    {"self_check", KEY_PROBE, AT(cfg_dns, self_check), .initial = ".",
     .text = "a name that must be found secure, asked every few minutes; or off"},
    {"on_failure", KEY_SWITCH, AT(cfg_dns, defer_on_failure), .choices = "continue defer",
     .initial = "continue",
     .text = "while the self-check fails: continue without DANE where none was seen, or defer all"},
    {"half_dane", KEY_BOOL, AT(cfg_dns, half_dane), .initial = "false",
     .text = "use TLSA records of secure hosts behind an insecure MX"},
    {"trust_anchor", KEY_FILE, AT(cfg_dns, trust_anchor), .initial = "/usr/share/dns/root.key",
     .flags = KEY_RECURSIVE, .text = "recursive mode: the root's keys; read again when it changes"},
    {"root_hints", KEY_FILE, AT(cfg_dns, root_hints), .initial = "/usr/share/dns/root.hints",
     .flags = KEY_RECURSIVE, .text = "recursive mode: the root's servers"},
    END_OF_KEYS,
};
static const struct schema_group dns_group = {dns_keys, NULL};

#define COUNT .min = 1, .max = 100000000
static const struct schema_key limit_keys[] = {
    {"message_size", KEY_SIZE, AT(cfg_limits, message_size), .initial = "50MiB", .min = KIB,
     .max = 4096 * MIB, .text = "the largest message, as SIZE announces it"},
    {"header_size", KEY_SIZE, AT(cfg_limits, header_size), .initial = "256KiB", .min = KIB,
     .max = 64 * MIB, .text = "the largest message header"},
    {"recipients", KEY_NUMBER, AT(cfg_limits, recipients), .initial = "1000", .min = 1,
     .max = 100000, .text = "recipients of one message"},
    {"connections", KEY_NUMBER, AT(cfg_limits, connections), .initial = "10000", COUNT,
     .text = "client connections at once"},
    {"per_client", KEY_NUMBER, AT(cfg_limits, per_client), .initial = "100", COUNT,
     .text = "connections at once from one address (IPv6: one /64)"},
    {"memory", KEY_SIZE, AT(cfg_limits, memory), .initial = "512MiB", .min = 16 * MIB,
     .max = 1024 * TIB, .text = "memory for message bytes and I/O buffers"},
    {"queued", KEY_NUMBER, AT(cfg_limits, queued), .initial = "1000000", COUNT,
     .text = "recipients in the queue; more are refused with 452"},
    {"queue_memory", KEY_SIZE, AT(cfg_limits, queue_memory), .initial = "0", .min = 0,
     .max = 1024 * TIB,
     .text = "memory for what is queued, contents apart; more is refused with 452. 0: 1 KiB for "
             "each of queued"},
    {"disk_reserve", KEY_SIZE, AT(cfg_limits, disk_reserve), .initial = "1GiB", .min = 0,
     .max = 1024 * TIB, .text = "free space kept on the spool's disk"},
    END_OF_KEYS,
};
static const struct schema_group limit_group = {limit_keys, NULL};

static const struct schema_key dsn_keys[] = {
    {"from", KEY_MAILBOX, AT(config, dsn_from), .otherwise = "MAILER-DAEMON@ and the hostname",
     .text = "the From address of bounces and other notices"},
    {"expire", KEY_DURATION, AT(config, dsn_expire), .initial = "1d", .min = MINUTE_MS,
     .max = 100 * DAY_MS, .text = "how long a notice is tried before it is dropped"},
    {"postmaster", KEY_MAILBOX, AT(config, dsn_postmaster), .flags = KEY_EMPTY,
     .text = "gets the headers of notices that could not be delivered"},
    END_OF_KEYS,
};
static const struct schema_group dsn_group = {dsn_keys, NULL};

static const struct schema_key report_keys[] = {
    {"send", KEY_BOOL, AT(cfg_tls_report, send), .initial = "false",
     .text = "send a report (RFC 8460) of each day's TLS sessions to the domains that ask for it "
             "with a "
             "_smtp._tls record, by mail or HTTPS; see waxwing tls reports"},
    {"organization", KEY_TEXT, AT(cfg_tls_report, organization), .otherwise = "the hostname",
     .text = "organization-name in the reports"},
    {"contact", KEY_TEXT, AT(cfg_tls_report, contact), .otherwise = "mailto: and the postmaster",
     .text = "contact-info in the reports"},
    {"from", KEY_MAILBOX, AT(cfg_tls_report, from), .otherwise = "tls-reports@ and the hostname",
     .text = "the address that reports come from; its domain should be one that is DKIM-signed"},
    {"keep", KEY_DURATION, AT(cfg_tls_report, keep), .initial = "30d", .min = 2 * DAY_MS,
     .max = 3650 * DAY_MS, .text = "how long TLS facts, and what became of reports, are kept"},
    {"spread", KEY_DURATION, AT(cfg_tls_report, spread), .initial = "6h", .min = 0,
     .max = 20 * HOUR_MS,
     .text =
         "the reports of a day go out from one o'clock (UTC) of the next, each at a random time "
         "within this"},
    {"suppress", KEY_RULE, .list = true, MANY(cfg_tls_report, suppress.at, suppress.n),
     .text = "domains about which, and to whose addresses, no report is sent: example.org is that "
             "domain, *.example.org what is below it"},
    END_OF_KEYS,
};
static const struct schema_group report_group = {report_keys, NULL};

static const struct schema_key policy_keys[] = {
    {"listen", KEY_HTTP, AT(config, policy_listen), .initial = "", .flags = KEY_EMPTY,
     .text = "address where a Postfix that delivers by itself asks for the TLS policy of a domain "
             "(smtp_tls_policy_maps = socketmap:inet:ADDRESS:PORT:QUERY); empty: off"},
    END_OF_KEYS,
};
static const struct schema_group policy_group = {policy_keys, NULL};

static const struct schema_key http_certificate_keys[] = {
    {"chain", KEY_FILE, AT(config, http_chain), .flags = KEY_REQUIRED | KEY_EMPTY,
     .text = "PEM file: the certificate, then its intermediates; read again when it changes"},
    {"key", KEY_FILE, AT(config, http_key), .flags = KEY_REQUIRED | KEY_EMPTY,
     .text = "PEM file of the private key"},
    END_OF_KEYS,
};
static const struct schema_group http_certificate_group = {http_certificate_keys, NULL};

static const struct schema_key http_keys[] = {
    {"listen", KEY_HTTP, AT(config, http), .initial = "127.0.0.1:9587", .flags = KEY_EMPTY,
     .text = "address and port; empty: off. http: \"127.0.0.1:9587\" says the same in short"},
    {"token_file", KEY_FILE, AT(config, http_token_file), .flags = KEY_EMPTY,
     .text = "a file with a token of 16 characters or more, which a browser asks for as a password "
             "and a program sends as Authorization: Bearer; only /healthz and /readyz do without. "
             "Read again when it changes"},
    {"certificate", KEY_GROUP, SHARED, .group = &http_certificate_group,
     .text = "serve HTTPS with this certificate"},
    END_OF_KEYS,
};
static const struct schema_group http_group = {http_keys, "listen"};

static const struct schema_key metrics_keys[] = {
    {"logins", KEY_BOOL, AT(config, metrics_logins), .initial = "false",
     .text =
         "count what each login or network row sends, by its name; 100 of them, the rest as other"},
    END_OF_KEYS,
};
static const struct schema_group metrics_group = {metrics_keys, NULL};

static const struct schema_key log_keys[] = {
    {"format", KEY_CHOICE, AT(config, log_format), .choices = "text json", .initial = "text",
     .text = "one line or one JSON object a moment, on standard error"},
    {"level", KEY_CHOICE, AT(config, log_level), .choices = "error warning info debug",
     .initial = "info", .text = "how much is logged"},
    {"mask", KEY_BOOL, AT(config, log_mask), .initial = "false",
     .text = "hide the local parts of addresses"},
    END_OF_KEYS,
};
static const struct schema_group log_group = {log_keys, NULL};

static const struct schema_key audit_keys[] = {
    {"dnsbl", KEY_DOMAIN, .list = true, MANY(cfg_audit, dnsbl.at, dnsbl.n),
     .text = "DNS blocklists in which the addresses that mail leaves from are looked up; their "
             "operators say who may ask, and how often"},
    END_OF_KEYS,
};
static const struct schema_group audit_group = {audit_keys, NULL};

static const struct schema_key top_keys[] = {
    {"include", KEY_PATH, AT(config, include), .flags = KEY_EMPTY | KEY_UNPRINTED,
     .text = "folder of further files, as if what they say stood in this one: see INCLUDED FILES"},
    {"hostname", KEY_HOST, AT(config, hostname), .otherwise = "the system's full host name",
     .text = "the relay's name in HELO, Received and Message-ID"},
    {"postmaster", KEY_MAILBOX, AT(config, postmaster), .flags = KEY_EMPTY,
     .text = "where mail to <postmaster>, and to postmaster and abuse at the hostname, goes"},
    {"listen", KEY_ROWS, MANY(config, listen, nlisten), .group = &listen_group,
     .otherwise = "0.0.0.0:587 and [::]:587 with a certificate, else 127.0.0.1:587",
     .text = "where mail is taken"},
    {"certificate", KEY_ROWS, MANY(config, certificates, ncertificates),
     .group = &certificate_group,
     .text = "the certificate for clients, or a list of them, chosen by the name asked for (SNI)"},
    {"users", KEY_FILE, AT(config, users), .flags = KEY_EMPTY,
     .text = "file of name:crypt(5) lines, see waxwing user; read again when it changes"},
    {"senders", KEY_ROWS, MANY(config, senders, nsenders), .group = &sender_group,
     .text = "who may send what; nobody else may send"},
    {"milters", KEY_ROWS, MANY(config, milters, nmilters), .group = &schema_milter,
     .text = "filters that see each message before it is signed, one after the other, see "
             "waxwing-milter(7)"},
    {"dkim", KEY_GROUP, SHARED, .group = &dkim_group, .text = "DKIM signing"},
    {"arc", KEY_GROUP, AT(config, arc), .group = &arc_group,
     .text = "the key that seals forwarded mail; none: no sealing"},
    {"preflight", KEY_CHOICE, AT(config, preflight), .choices = "off note refuse", .initial = "off",
     .text = "look at own mail as receivers will: note says what is found in the 250 and in the "
             "log, refuse takes no mail with a problem, see waxwing-preflight(8)"},
    {"audit", KEY_GROUP, AT(config, audit), .group = &audit_group,
     .text = "the daily look at own domains and addresses, see waxwing-audit(8)"},
    {"authserv_id", KEY_HOST, AT(config, authserv_id), .otherwise = "the hostname",
     .text = "the name under which Authentication-Results are written"},
    {"dns", KEY_GROUP, AT(config, dns), .group = &dns_group, .text = "how names are looked up"},
    {"delivery", KEY_GROUP, AT(config, delivery), .group = &schema_delivery,
     .text = "how mail goes out"},
    {"limits", KEY_GROUP, AT(config, limits), .group = &limit_group, .text = "what is too much"},
    {"jumps", KEY_GROUP, AT(config, jumps), .group = &schema_jumps,
     .text = "when a login that sends in an unusual way is held: waxwing-logins(8)"},
    {"auth", KEY_GROUP, AT(config, auth), .group = &schema_auth,
     .text = "logins and their failures"},
    {"dsn", KEY_GROUP, SHARED, .group = &dsn_group, .text = "delivery status notifications"},
    {"tls_report", KEY_GROUP, AT(config, tls_report), .group = &report_group,
     .text = "TLS reports (RFC 8460)"},
    {"events", KEY_ROWS, MANY(config, sinks, nsinks), .group = &schema_sink,
     .text = "where what became of each message is told, see waxwing-events(7)"},
    {"event_log", KEY_GROUP, AT(config, event_log), .group = &schema_event_log,
     .text = "how events are kept"},
    {"trace", KEY_GROUP, AT(config, trace), .group = &schema_trace,
     .text = "the story of each message, see waxwing-trace(8)"},
    {"suppress", KEY_GROUP, AT(config, suppress), .group = &schema_suppress,
     .text = "addresses that get no mail from here, see waxwing-suppress(8)"},
    {"fleet", KEY_GROUP, AT(config, fleet), .group = &schema_fleet, .flags = KEY_FIXED,
     .text = "relays that share what they know, see waxwing-fleet(8)"},
    {"spool", KEY_PATH, AT(config, spool), .initial = "/var/spool/waxwing", .flags = KEY_FIXED,
     .text = "directory of the queue"},
    {"state", KEY_PATH, AT(config, state), .initial = "/var/lib/waxwing/state.db",
     .flags = KEY_FIXED, .text = "database of policies, memory and TLS facts"},
    {"control", KEY_PATH, AT(config, control), .initial = "/run/waxwing/control.sock",
     .flags = KEY_FIXED, .text = "socket for waxwing queue, status and others; mode 0660"},
    {"http", KEY_GROUP, SHARED, .group = &http_group,
     .text = "/metrics, /healthz, /readyz and the pages, see waxwing-pages(7)"},
    {"http_names", KEY_HOST, .list = true, MANY(config, http_names.at, http_names.n),
     .text = "further names by which those pages may be asked for; addresses, localhost and the "
             "hostname always may"},
    {"metrics", KEY_GROUP, SHARED, .group = &metrics_group, .text = "the numbers of /metrics"},
    {"policy", KEY_GROUP, SHARED, .group = &policy_group,
     .text = "TLS policies for a Postfix that delivers by itself"},
    {"log", KEY_GROUP, SHARED, .group = &log_group, .text = "the log"},
    {"received", KEY_SWITCH, AT(config, hide_client), .choices = "full no-client",
     .initial = "full", .text = "whether the Received field names the submitting client"},
    {"workers", KEY_NUMBER, AT(config, workers), .initial = "0", .min = 0, .max = 256,
     .flags = KEY_FIXED, .text = "threads that take and deliver mail; 0: one a core"},
    {"user", KEY_TEXT, AT(config, user), .initial = "waxwing", .flags = KEY_FIXED | KEY_EMPTY,
     .text =
         "the user that root becomes after binding its ports; root stays root only where this says "
         "root; nobody else looks at it"},
    END_OF_KEYS,
};
const struct schema_group schema_top = {top_keys, NULL};

const struct schema_key *schema_find(const struct schema_group *group, const char *name, size_t n)
{
    for (const struct schema_key *key = group->keys; key->name; key++)
        if (strlen(key->name) == n && memcmp(key->name, name, n) == 0)
            return key;
    return NULL;
}
