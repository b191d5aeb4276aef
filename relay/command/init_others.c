// SPDX-License-Identifier: ISC
// What `waxwing init` sets up in other programs, where asked: certbot's hook, and a Postfix on the same machine
// that hands everything over.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/command/init.h"

#define HOOKS     "/etc/letsencrypt/renewal-hooks/deploy"
#define HOOK      HOOKS "/waxwing"
#define PASSWORDS "/etc/postfix/waxwing_password"
#define CANONICAL "/etc/postfix/waxwing_sender"

static void hook_text(const struct init *in, struct buf *out)
{
    const struct cfg_certificate *files = &in->config->certificates[0];
    const char *user = *in->config->user ? in->config->user : "root";
    buf_addf(out,
             "#!/bin/sh\n"
             "# Laid down by waxwing init: certbot runs it for each renewed certificate. Gives the "
             "one of the\n"
             "# relay to the relay, which reads it again by itself; others pass by.\n"
             "set -eu\n"
             "case \" $RENEWED_DOMAINS \" in *\" %s \"*) ;; *) exit 0 ;; esac\n"
             "put() { # FROM TO MODE: whole or not at all\n"
             "    install -o %s -g \"$(id -gn %s)\" -m \"$3\" \"$RENEWED_LINEAGE/$1\" \"$2.new\"\n"
             "    mv \"$2.new\" \"$2\"\n"
             "}\n"
             "put privkey.pem '%s' 0600\n"
             "put fullchain.pem '%s' 0644\n",
             in->config->hostname, user, user, files->key, files->chain);
}

int init_certbot(const struct init *in, struct why *why)
{
    if (!in->config->ncertificates)
        return why_set(why, WHY_OURS, "4.3.5", "--certbot: the configuration names no certificate");
    if (init_exists(HOOK)) {
        init_say("kept", HOOK);
        return 0;
    }
    struct buf text;
    buf_init(&text, INIT_TEXT_MAX);
    hook_text(in, &text);
    mkdir("/etc/letsencrypt", 0755);
    mkdir("/etc/letsencrypt/renewal-hooks", 0755);
    mkdir(HOOKS, 0755);
    int rc = init_write(HOOK, buf_span(&text), 0755, (uid_t)-1, (gid_t)-1, why);
    buf_free(&text);
    if (rc < 0)
        return rc;
    const char *host = in->config->hostname;
    init_say("made", HOOK ": certbot gives the certificate of %s to the relay with it", host);
    if (init_exists("/etc/letsencrypt/live"))
        init_say("",
                 "for the one that is there: RENEWED_DOMAINS=%s "
                 "RENEWED_LINEAGE=/etc/letsencrypt/live/%s " HOOK,
                 host, host);
    else
        init_say("", "for the first one: certbot certonly --standalone -d %s", host);
    return 0;
}

// Where a program on this machine reaches the relay: a listener that begins with clear text, as Postfix does.
static char *submission(const struct init *in)
{
    for (size_t i = 0; i < in->config->nlisten; i++) {
        const struct cfg_listen *l = &in->config->listen[i];
        const char *port = strrchr(l->text, ':');
        if (l->implicit_tls || l->proxy.n || !port || l->address.ss_family == AF_UNIX)
            continue;
        if (strncmp(l->text, "0.0.0.0:", 8) == 0)
            return mem_printf("[127.0.0.1]%s", port);
        if (strncmp(l->text, "[::]:", 5) == 0)
            return mem_printf("[::1]%s", port);
        return *l->text == '[' ? mem_dup(l->text)
                               : mem_printf("[%.*s]%s", (int)(port - l->text), l->text, port);
    }
    return NULL;
}

// One value of main.cf, for the caller to free; NULL: Postfix does not answer.
static char *postfix_value(const char *name)
{
    const char *const argv[] = {"postconf", "-h", name, NULL};
    struct buf out;
    buf_init(&out, 65536);
    char *value = init_run(argv, &out) == 0 ? span_dup(span_trim(buf_span(&out))) : NULL;
    buf_free(&out);
    return value;
}

// The name as a regular expression of Postfix has it.
static void add_escaped(struct buf *out, const char *name)
{
    for (; *name; name++)
        buf_addf(out, *name == '.' ? "\\%c" : "%c", *name);
}

// Mail of this machine's own programs (root@host) leaves as that of the mail domain, which can be answered.
static int write_canonical(const struct init *in, const char *host, struct why *why)
{
    if (init_exists(CANONICAL)) {
        init_say("kept", CANONICAL);
        return 0;
    }
    struct buf text;
    buf_init(&text, INIT_TEXT_MAX);
    buf_adds(&text, "# Laid down by waxwing init: senders of this machine become senders of the "
                    "mail domain.\n");
    const char *const names[] = {host, "localhost", "localhost.localdomain"};
    for (size_t i = 0; i < 3; i++) {
        buf_adds(&text, "/^([^@]+)@");
        add_escaped(&text, names[i]);
        buf_addf(&text, "$/  ${1}@%s\n", in->domain.at[0]);
    }
    int rc = init_write(CANONICAL, buf_span(&text), 0644, (uid_t)-1, (gid_t)-1, why);
    buf_free(&text);
    if (rc == 0)
        init_say("made", CANONICAL ": root@%s leaves as root@%s", host, in->domain.at[0]);
    return rc;
}

static int write_passwords(const struct init *in, const char *hop, struct why *why)
{
    char *line = mem_printf("%s %s:%s\n", hop, init_login_name(in), in->password);
    int rc = init_write(PASSWORDS, span_text(line), 0600, (uid_t)-1, (gid_t)-1, why);
    explicit_bzero(line, strlen(line));
    free(line);
    if (rc == 0)
        init_say("made", PASSWORDS ", mode 0600");
    return rc;
}

static int configure_postfix(const struct init *in, const char *hop, struct why *why)
{
    char *relayhost = mem_printf("relayhost=%s", hop);
    char *origin = mem_printf("myorigin=%s", in->domain.at[0]);
    const char *const postconf[] = {"postconf",
                                    "-e",
                                    relayhost,
                                    origin,
                                    "smtp_tls_security_level=encrypt",
                                    "smtp_sasl_auth_enable=yes",
                                    "smtp_sasl_password_maps=texthash:" PASSWORDS,
                                    "smtp_sasl_security_options=noanonymous",
                                    "sender_canonical_maps=regexp:" CANONICAL,
                                    NULL};
    const char *const reload[] = {"postfix", "reload", NULL}, *const status[] = {"postfix",
                                                                                 "status", NULL};
    int rc = init_run(postconf, NULL);
    if (rc != 0)
        why_set(why, WHY_OURS, "4.3.5", "postconf could not change main.cf");
    else
        init_say("changed",
                 "Postfix: everything goes to the relay at %s, over TLS, with the login %s", hop,
                 init_login_name(in));
    struct buf ignored;
    buf_init(&ignored, 65536);
    if (rc == 0 && init_run(status, &ignored) == 0)
        init_run(reload, NULL);
    buf_free(&ignored);
    free(relayhost);
    free(origin);
    return rc == 0 ? 0 : -1;
}

struct postfix {
    char *hop;                    // where it is to hand over to
    char *relayhost, *myhostname; // what it has; NULL: postconf does not run
};

static int postfix_find(const struct init *in, struct postfix *p, struct why *why)
{
    *p = (struct postfix){submission(in), postfix_value("relayhost"), postfix_value("myhostname")};
    if (!p->hop)
        return why_set(why, WHY_OURS, "4.3.5",
                       "--postfix: no listener offers STARTTLS, as on port 587");
    if (!p->relayhost || !p->myhostname)
        return why_set(why, WHY_OURS, "4.3.5",
                       "--postfix: postconf does not run; is Postfix installed?");
    if (*p->relayhost && strcmp(p->relayhost, p->hop) != 0)
        return why_set(
            why, WHY_OURS, "4.3.5",
            "--postfix: Postfix has relayhost = %s, and init does not take it from there; "
            "empty it with: postconf -e relayhost=",
            p->relayhost);
    return 0;
}

static void postfix_free(struct postfix *p)
{
    free(p->hop);
    free(p->relayhost);
    free(p->myhostname);
}

int init_postfix_look(const struct init *in, struct why *why)
{
    struct postfix p;
    int rc = postfix_find(in, &p, why);
    if (rc == 0 && !*p.relayhost && !init_login_usable(in))
        rc = why_set(why, WHY_OURS, "4.3.5",
                     "--postfix: the login %s is there already and its password not known; name a "
                     "file with it (--password-file), or another login (--user)",
                     init_login_name(in));
    postfix_free(&p);
    return rc;
}

int init_postfix(const struct init *in, struct why *why)
{
    struct postfix p;
    int rc = postfix_find(in, &p, why);
    if (rc == 0 && *p.relayhost)
        init_say("kept", "Postfix hands over to %s already", p.hop);
    else if (rc == 0)
        rc = write_passwords(in, p.hop, why) < 0 || write_canonical(in, p.myhostname, why) < 0
                 ? -1
                 : configure_postfix(in, p.hop, why);
    postfix_free(&p);
    return rc;
}

void init_postfix_hint(const struct init *in)
{
    char *hop = submission(in);
    if (hop)
        printf("  3. programs send to port %s of %s with STARTTLS and this login;\n"
               "     the Postfix of this machine gets one of its own: waxwing init --postfix "
               "--user postfix\n",
               strrchr(hop, ':') + 1, in->config->hostname);
    free(hop);
}
