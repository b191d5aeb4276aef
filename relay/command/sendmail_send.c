// SPDX-License-Identifier: ISC
// sendmail's errand: the message from standard input to the relay's Unix socket, in one transaction (RFC 5321, BDAT
// of RFC 3030, so that no byte of the message can end it). All recipients or none: a program that hears of a failure
// may send the message again.
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "config/value.h"
#include "relay/base/exit.h"
#include "relay/base/mem.h"
#include "relay/command/sendmail.h"
#include "relay/smtp/reply.h"

#define PIECE     65536
#define PATIENCE  600 // seconds without a word from the relay
#define LINE_SIZE 4096

struct errand {
    const struct sendmail *mail;
    int in, relay;
    struct sendmail_lines lines;
    bool begun;      // the first line is there
    bool all;        // of standard input has been read
    struct buf text; // read, not yet sent
    struct buf said; // by the relay, beyond its last reply
    struct smtp_reply reply;
    struct strings to;
    char *user, *from;
    char origin[LINE_SIZE];
};

static int fail(int status, const char *text)
{
    fprintf(stderr, "sendmail: %s\n", text);
    return status;
}

// ---- standard input

static int read_more(struct errand *e)
{
    unsigned char bytes[PIECE];
    ssize_t n;
    do
        n = read(e->in, bytes, sizeof bytes);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return fail(SENDMAIL_IOERR, "the message cannot be read: nothing was sent");
    sendmail_lines(&e->lines, span_of(bytes, (size_t)n), &e->text);
    e->all = n == 0 || e->lines.ended;
    if (n == 0)
        sendmail_lines_end(&e->lines, &e->text);
    return EXIT_YES;
}

// A mailbox's first line is no part of the message.
static void drop_mbox_line(struct errand *e)
{
    ptrdiff_t end = span_find(buf_span(&e->text), '\n');
    if (e->begun || end < 0)
        return;
    e->begun = true;
    if (span_starts_nocase(buf_span(&e->text), "From "))
        buf_drop(&e->text, (size_t)end + 1);
}

// The header's bytes are then the first *n of e->text.
static int read_header(struct errand *e, size_t *n)
{
    ptrdiff_t length = -1;
    do {
        int status = read_more(e);
        if (status != EXIT_YES)
            return status;
        drop_mbox_line(e);
        length = sendmail_header_length(buf_span(&e->text), e->all);
        if (length < 0 && e->text.len > SENDMAIL_HEADER)
            return fail(EXIT_DATA, "the header of the message has no end: nothing was sent");
    } while (length < 0);
    *n = (size_t)length;
    return EXIT_YES;
}

// ---- the relay

static int lost(const char *what)
{
    fprintf(stderr, "sendmail: the relay %s: the message was not sent, try again later\n", what);
    return EXIT_TEMP;
}

static int connect_relay(struct errand *e)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const char *path = e->mail->socket;
    if (strlen(path) >= sizeof un.sun_path)
        return fail(EXIT_USAGE, "the path of the socket is too long");
    memcpy(un.sun_path, path, strlen(path) + 1);
    e->relay = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = PATIENCE};
    if (e->relay >= 0) {
        setsockopt(e->relay, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(e->relay, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    }
    if (e->relay >= 0 && connect(e->relay, (struct sockaddr *)&un, sizeof un) == 0)
        return EXIT_YES;
    int error = errno;
    fprintf(stderr, "sendmail: the relay does not answer on %s (%s): the message was not sent%s\n",
            path, strerror(error),
            error == EACCES ? "; this user may not use that socket" : ", try again later");
    return error == EACCES ? SENDMAIL_NOPERM : EXIT_TEMP;
}

static int put(struct errand *e, struct span bytes)
{
    while (bytes.n) {
        ssize_t n = send(e->relay, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0)
            bytes = span_from(bytes, (size_t)n);
    }
    return 0;
}

static int hear_more(struct errand *e)
{
    unsigned char bytes[LINE_SIZE];
    ssize_t n;
    do
        n = recv(e->relay, bytes, sizeof bytes, 0);
    while (n < 0 && errno == EINTR);
    return n > 0 ? buf_add(&e->said, bytes, (size_t)n) : -1;
}

// One reply into e->reply; -1: the relay is gone.
static int hear(struct errand *e)
{
    struct why why;
    smtp_reply_reset(&e->reply);
    for (;;) {
        size_t used;
        enum smtp_reply_state state = smtp_reply_feed(&e->reply, buf_span(&e->said), &used, &why);
        buf_drop(&e->said, used);
        if (state == SMTP_REPLY_DONE)
            return 0;
        if (state == SMTP_REPLY_BAD || hear_more(e) < 0)
            return -1;
    }
}

// What a refusal means to the program that called.
static int exit_of(const struct smtp_reply *reply)
{
    char status[12];
    smtp_reply_status(reply, status);
    if (reply->code < 500)
        return EXIT_TEMP;
    if (strcmp(status, "5.1.1") == 0)
        return SENDMAIL_NOUSER;
    if (strncmp(status, "5.7.", 4) == 0)
        return SENDMAIL_NOPERM;
    bool data = strncmp(status, "5.1.", 4) == 0 || strncmp(status, "5.6.", 4) == 0 ||
                strcmp(status, "5.3.4") == 0;
    return data ? EXIT_DATA : SENDMAIL_UNAVAILABLE;
}

static int refused(struct errand *e, const char *about)
{
    char text[512];
    smtp_reply_text(&e->reply, text, sizeof text);
    fprintf(stderr, "sendmail: %s%sthe relay said: %s: nothing was sent\n", about,
            *about ? ": " : "", text);
    return exit_of(&e->reply);
}

// A line, and its reply, which must be of the class 2.
static int say(struct errand *e, const char *line, const char *about)
{
    bool sent = !line || put(e, span_text(line)) == 0; // where not, it may have said why
    if (hear(e) < 0)
        return lost("has hung up, or says nothing");
    if (e->reply.code / 100 != 2)
        return refused(e, about);
    return sent ? EXIT_YES : lost("has hung up");
}

// The relay says what completes an address; without, its own name does.
static void read_origin(struct errand *e)
{
    struct smtp_extensions offered;
    smtp_extensions_read(&e->reply, &offered);
    snprintf(e->origin, sizeof e->origin, "%s", offered.name);
    for (unsigned i = 1; i < e->reply.lines; i++) {
        struct span line = smtp_reply_line(&e->reply, i);
        if (span_starts_nocase(line, "XORIGIN ")) {
            char *origin = span_dup(span_trim(span_from(line, 8)));
            snprintf(e->origin, sizeof e->origin, "%s", origin);
            free(origin);
        }
    }
}

// ---- the transaction

static struct sendmail_origin origin_of(const struct errand *e)
{
    return (struct sendmail_origin){e->user, e->origin};
}

static bool sendmail_is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text > 126)
            return false;
    return true;
}

static void add_xtext(const char *text, struct buf *out)
{
    for (; *text; text++)
        if (*text > 32 && *text < 127 && *text != '+' && *text != '=')
            buf_addc(out, *text);
        else
            buf_addf(out, "+%02X", (unsigned char)*text);
}

static int say_mail(struct errand *e)
{
    const struct sendmail *m = e->mail;
    struct buf line;
    bool ascii = sendmail_is_ascii(e->from);
    for (size_t i = 0; i < e->to.n; i++)
        ascii = ascii && sendmail_is_ascii(e->to.at[i]);
    buf_init(&line, LINE_SIZE);
    buf_addf(&line, "MAIL FROM:<%s> BODY=8BITMIME%s", e->from, ascii ? "" : " SMTPUTF8");
    if (m->ret)
        buf_addf(&line, " RET=%s", m->ret);
    if (m->envid) {
        buf_adds(&line, " ENVID=");
        add_xtext(m->envid, &line);
    }
    buf_adds(&line, "\r\n");
    int status = say(e, buf_text(&line), "");
    buf_free(&line);
    return status;
}

// root and postmaster have no mailbox anywhere: they are whom the relay's configuration names.
static bool is_administrator(const char *name)
{
    return strcasecmp(name, "root") == 0 || strcasecmp(name, "postmaster") == 0;
}

static int say_rcpt(struct errand *e, const char *to)
{
    const struct sendmail_origin origin = {e->user, e->origin};
    const char *at = strchr(e->origin, '@');
    struct buf line;
    buf_init(&line, LINE_SIZE);
    if (is_administrator(to))
        buf_adds(&line, "RCPT TO:<postmaster>");
    else if (strchr(to, '@'))
        buf_addf(&line, "RCPT TO:<%s>", to);
    else
        buf_addf(&line, "RCPT TO:<%s@%s>", to, at ? at + 1 : origin.origin);
    if (e->mail->notify)
        buf_addf(&line, " NOTIFY=%s", e->mail->notify);
    buf_adds(&line, "\r\n");
    int status = say(e, buf_text(&line), to);
    buf_free(&line);
    return status;
}

static int send_chunk(struct errand *e, struct span bytes, bool last)
{
    char line[64];
    snprintf(line, sizeof line, "BDAT %zu%s\r\n", bytes.n, last ? " LAST" : "");
    if (put(e, span_text(line)) < 0 || put(e, bytes) < 0)
        return hear(e) == 0 ? refused(e, "") : lost("has hung up");
    return say(e, NULL, "");
}

static int send_message(struct errand *e, size_t header)
{
    struct buf head;
    struct why why;
    const struct sendmail_origin origin = origin_of(e);
    struct span rest = span_from(buf_span(&e->text), header);
    buf_init(&head, SENDMAIL_HEADER + LINE_SIZE);
    int status = EXIT_YES;
    if (sendmail_header(e->mail, span_slice(buf_span(&e->text), 0, header), &origin, &head, &why) <
        0)
        status = fail(EXIT_DATA, why.text);
    if (rest.n < 2 || memcmp(rest.p, "\r\n", 2) != 0)
        buf_adds(&head, "\r\n");
    if (status == EXIT_YES)
        status = send_chunk(e, buf_span(&head), false);
    buf_free(&head);
    buf_drop(&e->text, header);
    while (status == EXIT_YES && !e->all) {
        if (e->text.len) {
            status = send_chunk(e, buf_span(&e->text), false);
            buf_reset(&e->text);
        }
        if (status == EXIT_YES)
            status = read_more(e);
    }
    return status == EXIT_YES ? send_chunk(e, buf_span(&e->text), true) : status;
}

static int transact(struct errand *e, size_t header)
{
    int status = connect_relay(e);
    if (status == EXIT_YES)
        status = say(e, NULL, "");
    if (status == EXIT_YES)
        status = say(e, "EHLO localhost\r\n", "");
    if (status != EXIT_YES)
        return status;
    read_origin(e);
    const struct sendmail_origin origin = origin_of(e);
    char *from = sendmail_complete(e->from, &origin);
    free(e->from);
    e->from = from;
    status = say_mail(e);
    for (size_t i = 0; i < e->to.n && status == EXIT_YES; i++)
        status = say_rcpt(e, e->to.at[i]);
    if (status == EXIT_YES)
        status = send_message(e, header);
    if (status == EXIT_YES)
        (void)put(e, span_text("QUIT\r\n"));
    return status;
}

// ---- who and to whom

static int find_sender(struct errand *e)
{
    struct passwd *user = getpwuid(getuid());
    struct strings found = {0};
    struct why why;
    e->user = user ? mem_dup(user->pw_name) : mem_printf("uid%u", (unsigned)getuid());
    if (!e->mail->from) {
        e->from = mem_dup(e->user);
        return EXIT_YES;
    }
    int rc = sendmail_addresses(span_text(e->mail->from), &found, &why);
    if (rc == 0 && found.n <= 1)
        e->from = mem_dup(found.n ? found.at[0] : "");
    sendmail_forget(&found);
    return e->from ? EXIT_YES : fail(EXIT_DATA, "-f: that is no address");
}

static int find_recipients(struct errand *e, size_t header)
{
    struct why why;
    for (size_t i = 0; i < e->mail->to.n; i++)
        if (strpbrk(e->mail->to.at[i], "\r\n")) // a form field that a program handed on unread
            return fail(EXIT_DATA, "a recipient of more than one line is no address");
        else if (sendmail_addresses(span_text(e->mail->to.at[i]), &e->to, &why) < 0)
            return fail(EXIT_DATA, why.text);
    struct span fields = span_slice(buf_span(&e->text), 0, header);
    if (e->mail->from_header && sendmail_recipients(fields, &e->to, &why) < 0)
        return fail(EXIT_DATA, why.text);
    return e->to.n ? EXIT_YES : fail(EXIT_DATA, "the message names no recipient: nothing was sent");
}

int sendmail_send(const struct sendmail *mail, int in)
{
    struct errand e = {.mail = mail, .in = in, .relay = -1, .lines = {.dots = mail->dots}};
    size_t header = 0;
    if (!mail->to.n && !mail->from_header)
        return fail(EXIT_USAGE,
                    "to whom? Recipients are arguments, or stand in the header with -t");
    buf_init(&e.text, SENDMAIL_HEADER + 4 * (size_t)PIECE);
    buf_init(&e.said, 2 * (size_t)MAX_REPLY);
    smtp_reply_init(&e.reply);
    int status = find_sender(&e);
    if (status == EXIT_YES)
        status = read_header(&e, &header);
    if (status == EXIT_YES)
        status = find_recipients(&e, header);
    if (status == EXIT_YES)
        status = transact(&e, header);
    if (e.relay >= 0)
        close(e.relay);
    sendmail_forget(&e.to);
    smtp_reply_free(&e.reply);
    buf_free(&e.said);
    buf_free(&e.text);
    free(e.user);
    free(e.from);
    return status;
}

// ---- -bs

// Bytes from one to the other. 0: more may come, -1: it has ended.
static int pass(int from, int to)
{
    unsigned char bytes[PIECE];
    ssize_t n = read(from, bytes, sizeof bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    for (ssize_t done = 0, m; done<n; done += m> 0 ? m : 0) {
        m = write(to, bytes + done, (size_t)(n - done));
        if (m < 0 && errno != EINTR)
            return -1;
    }
    return n > 0 ? 0 : -1;
}

int sendmail_smtp(const struct sendmail *mail, int in, int out)
{
    struct errand e = {.mail = mail, .relay = -1};
    int status = connect_relay(&e);
    struct pollfd fds[2] = {{in, POLLIN, 0}, {e.relay, POLLIN, 0}};
    signal(SIGPIPE, SIG_IGN);
    while (status == EXIT_YES && fds[1].fd >= 0) {
        if (poll(fds, 2, PATIENCE * 1000) <= 0) {
            status = errno == EINTR ? EXIT_YES : lost("says nothing");
            continue;
        }
        if (fds[0].revents && pass(in, e.relay) < 0) {
            shutdown(e.relay, SHUT_WR); // what the relay still has to say is heard
            fds[0].fd = -1;
        }
        if (fds[1].revents && pass(e.relay, out) < 0)
            fds[1].fd = -1;
    }
    if (e.relay >= 0)
        close(e.relay);
    return status;
}
