// SPDX-License-Identifier: ISC
// How a key is written, for waxwing.yaml(5): the words of this table, or else what its type suggests, in flow style
// from the top of the file on ("delivery: {connections: {idle: 30s}}").
#include <stdio.h>
#include <string.h>
#include "config/schema_manual.h"
#include "relay/base/span.h"

// Where the type alone would say nothing or something odd; lists are parted by blanks.
static const struct {
    const char *path, *value;
} told[] = {
    {"include", "conf.d"},
    {"senders.user", "app"},
    {"senders.certificate", "email:printer@example.org"},
    {"listen.client_ca", "tls/clients.pem"},
    {"senders.unix_user", "www-data"},
    {"senders.from", "example.org *.example.org alerts@example.net"},
    {"senders.network", "10.0.0.0/24"},
    {"senders.trust_results_of", "mx.example.org"},
    {"senders.limits.recipients", "5000/h"},
    {"senders.milters", "none"},
    {"milters.name", "rspamd"},
    {"audit.dnsbl", "zen.spamhaus.org"},
    {"dkim.headers", "From To Cc Subject Date Message-ID"},
    {"dkim.oversign", "From Subject"},
    {"dkim.expire", "30d"},
    {"dkim.directory", "/var/lib/waxwing/dkim"},
    {"dkim.rotate.every", "90d"},
    {"dkim.rotate.publish_command", "/usr/local/sbin/publish-txt"},
    {"certificate.tls_priority", "SECURE192:-VERS-TLS1.2"},
    {"delivery.tls_priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3"},
    {"delivery.destinations.tls_priority", "NORMAL:%COMPAT"},
    {"delivery.destinations.reason", "ticket 4711, they promise STARTTLS by spring"},
    {"delivery.destinations.auth.user", "relay"},
    {"delivery.smarthost", "[smtp1.example.net]:587 [smtp2.example.net]:587"},
    {"delivery.retry", "5m 10m 20m 40m 1h 2h 4h"},
    {"delivery.families", "ipv4"},
    {"tls_report.organization", "Example Org"},
    {"tls_report.contact", "mailto:postmaster@example.org"},
    {"policy.listen", "127.0.0.1:8461"},
    {"dns.servers.tls_name", "dns.quad9.net"},
    {"dns.servers.address", "9.9.9.9"},
    {"certificate.chain", "tls/fullchain.pem"},
    {"certificate.key", "tls/key.pem"},
    {"http.token_file", "/etc/waxwing/http.token"},
    {"http.certificate.chain", "tls/fullchain.pem"},
    {"http.certificate.key", "tls/key.pem"},
    {"dkim.domains.keys.file", "dkim/example.org.r2026.pem"},
    {"arc.file", "dkim/example.org.r2026.pem"},
    {"dns.trust_anchor", "/usr/share/dns/root.key"},
    {"dns.root_hints", "/usr/share/dns/root.hints"},
    {"delivery.ca_file", "/etc/ssl/certs/ca-certificates.crt"},
    {"delivery.destinations.domain", "partner.example"},
    {"delivery.destinations.ca_file", "partner-ca.pem"},
    {"delivery.destinations.auth.password_file", "partner.secret"},
    {"delivery.destinations.auth.oauth.user", "relay@example.org"},
    {"delivery.destinations.auth.oauth.token_command", "/usr/local/sbin/token"},
    {"delivery.destinations.auth.oauth.tenant", "example.org"},
    {"delivery.destinations.auth.oauth.client_id", "6731de76-14a6-49ae-97bc-6eba6914391e"},
    {"delivery.destinations.auth.oauth.client_secret_file", "/var/lib/waxwing/client.secret"},
    {"delivery.destinations.auth.oauth.refresh_token_file", "/var/lib/waxwing/refresh.token"},
    {"delivery.destinations.auth.oauth.service_account_file", "service-account.json"},
    {"delivery.destinations.auth.oauth.token_endpoint", "https://login.example.net/oauth2/token"},
    {"delivery.destinations.auth.oauth.scope", "https://mail.google.com/"},
    {"senders.next_hop_auth.user", "alerts@example.org"},
    {"senders.next_hop_auth.password_file", "partner.secret"},
    {"senders.next_hop_auth.oauth.user", "alerts@example.org"},
    {"senders.next_hop_auth.oauth.token_command", "/usr/local/sbin/token"},
    {"senders.next_hop_auth.oauth.tenant", "example.org"},
    {"senders.next_hop_auth.oauth.client_id", "6731de76-14a6-49ae-97bc-6eba6914391e"},
    {"senders.next_hop_auth.oauth.client_secret_file", "/var/lib/waxwing/client.secret"},
    {"senders.next_hop_auth.oauth.refresh_token_file", "/var/lib/waxwing/refresh.token"},
    {"senders.next_hop_auth.oauth.service_account_file", "service-account.json"},
    {"senders.next_hop_auth.oauth.token_endpoint", "https://login.example.net/oauth2/token"},
    {"senders.next_hop_auth.oauth.scope", "https://mail.google.com/"},
    {"delivery.destinations.certificate.chain", "tls/client.pem"},
    {"delivery.destinations.certificate.key", "tls/client.key"},
    {"delivery.destinations.oauth.user", "relay@example.org"},
    {"delivery.destinations.oauth.token_command", "/usr/local/sbin/token"},
    {"events.name", "shop"},
    {"events.url", "https://shop.example.org/mail-events"},
    {"events.secret_file", "/etc/waxwing/shop.secret"},
    {"events.ca_file", "/etc/waxwing/shop-ca.pem"},
    {"events.file", "/var/log/waxwing/events.jsonl"},
    {"events.socket", "/run/shop/events.sock"},
    {"events.types", "failed expired"},
    {"events.users", "app"},
    {"events.from", "example.org *.example.org"},
    {"event_log.directory", "/var/lib/waxwing/events"},
    {"trace.directory", "/var/lib/waxwing/trace"},
    {"suppress.bounces", "30d"},
    {"suppress.files", "/etc/waxwing/suppressed"},
    {"fleet.database", "postgresql://waxwing@db.example.org/waxwing"},
    {"fleet.name", "node-1"},
    {"fleet.password_file", "/etc/waxwing/fleet.secret"},
    {"fleet.ca_file", "/etc/waxwing/fleet-ca.pem"},
    {"control", "/run/waxwing/control.sock"},
    {"spool", "/srv/waxwing/spool"},
    {"state", "/srv/waxwing/state.db"},
    {"users", "users"},
    {"auth.dovecot", "/run/dovecot/auth-client"},
    {"auth.command", "/usr/local/sbin/check-login"},
    {"user", "mail"},
};

static const char *const by_type[] = {
    [KEY_TEXT] = "text",
    [KEY_HOST] = "relay.example.org",
    [KEY_DOMAIN] = "example.org",
    [KEY_RULE] = "*.example.net",
    [KEY_MAILBOX] = "postmaster@example.org",
    [KEY_SELECTOR] = "r2026",
    [KEY_PIN] = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    [KEY_PROBE] = "example.net",
    [KEY_HTTP] = "127.0.0.1:9587",
    [KEY_FILE] = "file.pem",
    [KEY_PATH] = "/var/lib/waxwing/file",
    [KEY_NUMBER] = "10",
    [KEY_PORT] = "2525",
    [KEY_DURATION] = "1h",
    [KEY_SIZE] = "64MiB",
    [KEY_RATE] = "1000/h",
    [KEY_UNTIL] = "2027-03-31",
    [KEY_ADDRESS] = "192.0.2.7",
    [KEY_SERVER] = "127.0.0.1",
    [KEY_LISTEN] = "0.0.0.0:587",
    [KEY_SOCKET] = "127.0.0.1:11332",
    [KEY_NETWORK] = "192.0.2.0/24",
    [KEY_SENDER] = "example.org",
    [KEY_HOP] = "[smtp.example.net]:587",
};

// A word that is not the default, or the only one there is.
static struct span other_choice(const struct schema_key *key)
{
    struct span rest = span_text(key->choices), head, chosen = {0};
    while (span_cut(rest, ' ', &head, &rest))
        if (!key->initial || !span_is(head, key->initial))
            chosen = head;
    if (rest.n && (!key->initial || !span_is(rest, key->initial)))
        chosen = rest;
    return chosen.n ? chosen : span_text(key->choices);
}

struct span manual_value(const struct schema_key *key, const char *path)
{
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (strcmp(told[i].path, path) == 0)
            return span_text(told[i].value);
    if (key->type == KEY_BOOL)
        return span_text(key->initial && strcmp(key->initial, "true") == 0 ? "false" : "true");
    if (key->choices)
        return other_choice(key);
    bool amount = key->type == KEY_NUMBER || key->type == KEY_DURATION || key->type == KEY_SIZE;
    if (amount && key->initial && key->initial[0] != '0')
        return span_text(key->initial);
    return span_text(by_type[key->type] ? by_type[key->type] : "");
}

static bool manual_is_plain(struct span text)
{
    static const char also[] = "._/-@";
    for (size_t i = 0; i < text.n; i++)
        if (!strchr(also, text.p[i]) && !(text.p[i] >= '0' && text.p[i] <= '9') &&
            !((text.p[i] | 32) >= 'a' && (text.p[i] | 32) <= 'z'))
            return false;
    return text.n > 0;
}

static void manual_add_value(struct buf *out, struct span text)
{
    bool plain = manual_is_plain(text);
    buf_adds(out, plain ? "" : "\"");
    buf_addspan(out, text);
    buf_adds(out, plain ? "" : "\"");
}

void manual_example(struct buf *out, const struct schema_key *key, const char *path)
{
    struct span rest = manual_value(key, path), head;
    if (!key->list) {
        manual_add_value(out, rest);
        return;
    }
    buf_adds(out, "[");
    while (span_cut(rest, ' ', &head, &rest)) {
        manual_add_value(out, head);
        buf_adds(out, ", ");
    }
    manual_add_value(out, rest);
    buf_adds(out, "]");
}
