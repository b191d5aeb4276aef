// SPDX-License-Identifier: ISC
// What belongs to a next hop wherever it is named, in rules for destinations and in rows of senders: its name, the
// addresses that connections come from, the login, the certificate to show. Units and conventions as in
// config/config.h, which includes this.
#ifndef CONFIG_NEXT_HOP_H
#define CONFIG_NEXT_HOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

// A next hop: a name to look up (MX), a host in brackets, or an address in brackets.
enum next_hop_kind { HOP_MX, HOP_HOST, HOP_ADDRESS };
struct cfg_next_hop {
    enum next_hop_kind kind;
    char *name; // domain, host name or address text
    uint16_t port;
    bool implicit_tls; // port 465
};

struct cfg_source {
    struct sockaddr_storage address;
    char *helo; // "": hostname
};

struct cfg_certificate {
    char *chain, *key, *tls_min, *tls_priority;
    bool tickets;
};

struct cfg_oauth {
    char *provider; // "microsoft" or "google": endpoint and scope where none is given; "": neither
    char *tenant;   // Microsoft's
    char *token_endpoint; // https://HOST[:PORT]/PATH
    char *client_id, *scope;
    char *client_secret_file;
    char *refresh_token_file; // the relay writes it where the provider gives a new one
    char *service_account_file;
    char *token_command; // instead of all of these
};

struct cfg_login {
    char *user; // "": none, and then nobody logs in
    char *password_file;
    char *mechanism; // "scram", "plain" or "login"; "": the best that the host offers
    struct cfg_oauth oauth;
};

#endif
