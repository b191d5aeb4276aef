// SPDX-License-Identifier: ISC
// Command lines: found, bounded, parsed, and handed to their handler where the state allows the
// command. RFC 5321 sections 4.1.1 and 4.5.3.1; a line ends in CRLF and nowhere else.
#include "relay/submit/auth_inside.h"

#include <string.h>

#define IN(state) (1u << SUBMIT_##state)
#define ANY       (IN(CONNECTED) | IN(READY) | IN(ENVELOPE) | IN(ADDRESSED) | IN(CHUNKED))

static enum submit_state stay(struct submit *s)
{
    return s->state;
}

static enum submit_state line_noop(struct submit *s, struct span args)
{
    (void)args;
    submit_reply(s, 250, "2.0.0", "OK");
    return stay(s);
}

static enum submit_state line_vrfy(struct submit *s, struct span args)
{
    (void)args;
    submit_reply(s, 252, "2.1.5", "Send some mail, it will be tried");
    return stay(s);
}

static enum submit_state line_help(struct submit *s, struct span args)
{
    (void)args;
    submit_reply(s, 214, "2.0.0", "RFC 5321 and 6409; this is Waxwing, a mail relay");
    return stay(s);
}

static enum submit_state line_not_here(struct submit *s, struct span args)
{
    (void)args;
    submit_reply(s, 502, "5.5.1", "This command is not served here");
    s->bad++;
    return stay(s);
}

static enum submit_state line_quit(struct submit *s, struct span args)
{
    (void)args;
    return submit_leave(s, 221, "2.0.0", "Bye");
}

// Which command may come when, and who handles it. Elsewhere: 503.
static const struct {
    unsigned states;
    submit_command_fn *run;
} commands[SMTP_VERBS] = {
    [SMTP_EHLO] = {ANY, submit_ehlo},
    [SMTP_HELO] = {ANY, submit_helo},
    [SMTP_STARTTLS] = {IN(CONNECTED) | IN(READY), submit_starttls},
    [SMTP_AUTH] = {IN(READY), submit_auth},
    [SMTP_XFORWARD] = {IN(READY), submit_xforward},
    [SMTP_MAIL] = {IN(READY), submit_mail},
    [SMTP_RCPT] = {IN(ENVELOPE) | IN(ADDRESSED), submit_rcpt},
    [SMTP_DATA] = {IN(ENVELOPE) | IN(ADDRESSED), submit_data},
    [SMTP_BDAT] = {ANY, submit_bdat}, // its bytes follow, allowed or not
    [SMTP_RSET] = {ANY, submit_rset},
    [SMTP_NOOP] = {ANY, line_noop},
    [SMTP_VRFY] = {ANY, line_vrfy},
    [SMTP_EXPN] = {ANY, line_not_here},
    [SMTP_HELP] = {ANY, line_help},
    [SMTP_QUIT] = {ANY, line_quit},
    [SMTP_XCLIENT] = {IN(CONNECTED) | IN(READY), submit_xclient},
};

static enum submit_state bad_line(struct submit *s, const char *text)
{
    s->bad++;
    submit_reply(s, 500, "5.5.2", "%s", text);
    return s->state;
}

// How many bytes this line may have: AUTH carries tokens (RFC 4954 section 4).
static size_t line_limit(const struct submit *s, struct span line)
{
    bool long_one = s->state == SUBMIT_CREDENTIALS || span_starts_nocase(line, "AUTH ");
    return long_one ? MAX_COMMAND_LINE : MAX_PLAIN_COMMAND;
}

enum line { LINE_NONE, LINE_WHOLE, LINE_OVERLONG };

// The next line, CRLF included, and whether it is within its limit.
static enum line next_line(struct submit *s, struct span *line)
{
    struct span in = submit_input(s);
    ptrdiff_t lf = span_find(in, '\n');
    size_t limit = line_limit(s, in);
    if (lf < 0)
        return in.n > limit ? LINE_OVERLONG : LINE_NONE;
    *line = span_of(in.p, (size_t)lf + 1);
    if (line->n > limit)
        return LINE_OVERLONG;
    s->used += line->n;
    return LINE_WHOLE;
}

static enum submit_state too_many_errors(struct submit *s)
{
    return submit_leave(s, 421, "4.7.0", "Too many errors");
}

enum submit_state submit_skip_line(struct submit *s)
{
    struct span in = submit_input(s);
    ptrdiff_t lf = span_find(in, '\n');
    size_t n = lf < 0 ? in.n : (size_t)lf + 1;
    s->used += n;
    s->skipped += n;
    if (s->skipped > MAX_SKIPPED) // no end comes
        return submit_leave(s, 421, "4.7.0", "Line too long");
    if (lf < 0)
        return SUBMIT_WAIT;
    // A message under way is given up with the command that was too long.
    submit_end_transaction(s);
    s->bad++;
    submit_reply(s, 500, "5.5.2", "Line too long");
    return s->bad > MAX_BAD_COMMANDS ? too_many_errors(s) : submit_idle(s);
}

static bool has_control(struct span line)
{
    for (size_t i = 0; i < line.n; i++)
        if ((line.p[i] < 32 && line.p[i] != '\t') || line.p[i] == 127)
            return true;
    return false;
}

static bool has_eightbit(struct span line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] > 127)
            return true;
    return false;
}

static enum submit_state line_run(struct submit *s, struct span line)
{
    struct smtp_command command;
    if (line.n < 2 || line.p[line.n - 2] != '\r')
        return bad_line(s, "Lines end in CR LF");
    line.n -= 2;
    smtp_command_parse(line, &command);
    if (has_control(line))
        return bad_line(s, "Control character in a command");
    if (has_eightbit(line) && command.verb != SMTP_MAIL && command.verb != SMTP_RCPT)
        return bad_line(s, "Non-ASCII character in a command");
    if (command.verb == SMTP_UNKNOWN)
        return bad_line(s, "Command not recognized");
    if (!(commands[command.verb].states & 1u << s->state)) {
        s->bad++;
        submit_reply(s, 503, "5.5.1", "%s comes at the wrong time", smtp_verb_word(command.verb));
        return s->state;
    }
    return commands[command.verb].run(s, command.args);
}

enum submit_state submit_read_command(struct submit *s)
{
    struct span line;
    switch (next_line(s, &line)) {
    case LINE_NONE:
        return SUBMIT_WAIT;
    case LINE_OVERLONG:
        s->skipped = 0;
        return SUBMIT_OVERLONG;
    case LINE_WHOLE:
        break;
    }
    if (++s->commands > MAX_COMMANDS)
        return submit_leave(s, 421, "4.7.0", "Too many commands without a message");
    enum submit_state next = line_run(s, line);
    return next != SUBMIT_GONE && s->bad > MAX_BAD_COMMANDS ? too_many_errors(s) : next;
}

enum submit_state submit_read_credentials(struct submit *s)
{
    struct span line;
    switch (next_line(s, &line)) {
    case LINE_NONE:
        return SUBMIT_WAIT;
    case LINE_OVERLONG:
        s->skipped = 0;
        return SUBMIT_OVERLONG;
    case LINE_WHOLE:
        break;
    }
    if (line.n < 2 || line.p[line.n - 2] != '\r') {
        bad_line(s, "Lines end in CR LF");
        return SUBMIT_READY;
    }
    line.n -= 2;
    return submit_credentials(s, line);
}
