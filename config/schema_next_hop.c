// SPDX-License-Identifier: ISC
// The table of keys: what belongs to a next hop, wherever it is named: addresses that connections come from, a login
// there, a certificate to show.
#include "config/schema.h"
#include "config/value.h"

static const struct schema_key source_keys[] = {
    {"address", KEY_ADDRESS, AT(cfg_source, address), .flags = KEY_REQUIRED,
     .text = "local IPv4 or IPv6 address that connections come from"},
    {"helo", KEY_HOST, AT(cfg_source, helo),
     .otherwise = "what delivery.source says of the address, else the hostname",
     .text = "the name to say in EHLO from there"},
    END_OF_KEYS,
};
const struct schema_group schema_source = {source_keys, "address"};

static const struct schema_key oauth_keys[] = {
    {"user", KEY_TEXT, AT(cfg_login, user), .flags = KEY_SECOND,
     .text = "the user name at the next hop"},
    {"provider", KEY_WORD, AT(cfg_login, oauth.provider), .choices = "microsoft google",
     .otherwise = "neither", .text = "whose endpoint and scope are taken where none is given"},
    {"tenant", KEY_TEXT, AT(cfg_login, oauth.tenant),
     .text = "microsoft: the directory, by its domain or its number"},
    {"client_id", KEY_TEXT, AT(cfg_login, oauth.client_id),
     .text = "the registered application; with a secret alone the grant is client_credentials"},
    {"client_secret_file", KEY_FILE, AT(cfg_login, oauth.client_secret_file),
     .text = "file whose first line is the application's secret"},
    {"refresh_token_file", KEY_FILE, AT(cfg_login, oauth.refresh_token_file),
     .text = "file whose first line is a refresh token; a new one that the provider gives is "
             "written there (mode 0600) before it is used, so the relay's user must be able to "
             "write in its directory"},
    {"service_account_file", KEY_FILE, AT(cfg_login, oauth.service_account_file),
     .text = "google: the JSON key file of a service account that may act for the user"},
    {"token_endpoint", KEY_TEXT, AT(cfg_login, oauth.token_endpoint), .otherwise = "the provider's",
     .text = "https: URL where tokens are fetched"},
    {"scope", KEY_TEXT, AT(cfg_login, oauth.scope), .otherwise = "the provider's",
     .text = "what the token is to be good for"},
    {"token_command", KEY_TEXT, AT(cfg_login, oauth.token_command),
     .text = "instead: a command that prints an access token; where it prints none, the last line "
             "of its "
             "standard error is told"},
    END_OF_KEYS,
};
const struct schema_group schema_oauth = {oauth_keys, NULL};

static const struct schema_key login_keys[] = {
    {"user", KEY_TEXT, AT(cfg_login, user), .text = "the user name at the next hop"},
    {"password_file", KEY_FILE, AT(cfg_login, password_file),
     .text = "file whose first line is the password"},
    {"mechanism", KEY_WORD, AT(cfg_login, mechanism), .choices = "scram plain login",
     .otherwise = "the best that the host offers: SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN",
     .text = "how the password is told; scram takes nothing less"},
    {"oauth", KEY_GROUP, SHARED, .group = &schema_oauth, .text = "a token instead of a password"},
    END_OF_KEYS,
};
const struct schema_group schema_login = {login_keys, NULL};

static const struct schema_key identity_keys[] = {
    {"chain", KEY_FILE, AT(cfg_certificate, chain),
     .text = "PEM file: the certificate, then its intermediates; read again when it changes"},
    {"key", KEY_FILE, AT(cfg_certificate, key), .text = "PEM file of the private key"},
    END_OF_KEYS,
};
const struct schema_group schema_identity = {identity_keys, NULL};
