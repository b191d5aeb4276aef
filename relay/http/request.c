// SPDX-License-Identifier: ISC
// Reads one request head (RFC 9112 sections 2 to 6). Anything that two readers could read in two ways is
// refused: bare LF, bare CR, folded fields, spaces before a colon, a body of any kind.
#include "relay/http/request.h"

#include <string.h>

// What a head may hold at all; said early, so that a TLS client or an attacker is not waited for.
static bool is_text(struct span in)
{
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = in.p[i];
        bool control = (c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 127;
        bool bare_lf = c == '\n' && (i == 0 || in.p[i - 1] != '\r');
        bool bare_cr = c == '\r' && i + 1 < in.n && in.p[i + 1] != '\n';
        if (control || bare_lf || bare_cr)
            return false;
    }
    return true;
}

// The next line without its CRLF. False: no whole line is left.
static bool request_next_line(struct span *rest, struct span *line)
{
    ptrdiff_t lf = span_find(*rest, '\n');
    if (lf < 1)
        return false;
    *line = span_slice(*rest, 0, (size_t)lf - 1);
    *rest = span_from(*rest, (size_t)lf + 1);
    return true;
}

// RFC 9110 section 5.6.2
static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alnum(s.p[i]) && !strchr("!#$%&'*+-.^_`|~", s.p[i]))
            return false;
    return s.n > 0;
}

// Origin form, or absolute form, which a server must take too, and whose authority stands for the Host field
// (RFC 9112 section 3.2.2).
static bool parse_target(struct span target, struct span *path, struct span *authority)
{
    static const char scheme[] = "http://";
    for (size_t i = 0; i < target.n; i++)
        if (target.p[i] <= ' ' || target.p[i] > 126)
            return false;
    if (span_starts_nocase(target, scheme)) {
        target = span_from(target, sizeof scheme - 1);
        ptrdiff_t slash = span_find(target, '/');
        if (slash < 1)
            return false;
        *authority = span_slice(target, 0, (size_t)slash);
        target = span_from(target, (size_t)slash);
    }
    if (target.n == 0 || target.p[0] != '/')
        return false;
    ptrdiff_t query = span_find(target, '?');
    *path = query < 0 ? target : span_slice(target, 0, (size_t)query);
    return true;
}

struct fields {
    unsigned hosts;
    struct span host;
    bool body;
};

static bool parse_field(struct span line, struct fields *fields)
{
    struct span name, value;
    if (!span_cut(line, ':', &name, &value) || !is_token(name))
        return false;
    value = span_trim(value);
    if (span_is_nocase(name, "Host")) {
        fields->hosts++;
        fields->host = value;
    }
    fields->body |= span_is_nocase(name, "Transfer-Encoding") ||
                    (span_is_nocase(name, "Content-Length") && !span_is(value, "0"));
    return true;
}

// RFC 9112 section 3: method SP target SP version.
static bool parse_request_line(struct span line, struct span *method, struct span *path,
                               struct span *authority, bool *needs_host)
{
    struct span target, version;
    if (!span_cut(line, ' ', method, &line) || !span_cut(line, ' ', &target, &version))
        return false;
    *needs_host = span_is(version, "HTTP/1.1");
    return is_token(*method) && parse_target(target, path, authority) &&
           (*needs_host || span_is(version, "HTTP/1.0"));
}

enum http_verdict http_request_parse(struct span in, struct http_request *out)
{
    struct span rest = in, line, method, path, authority = {0};
    struct fields fields = {0};
    bool needs_host;
    if (!is_text(in) || in.n > HTTP_REQUEST_MAX)
        return HTTP_BAD;
    enum http_verdict wait = in.n < HTTP_REQUEST_MAX ? HTTP_INCOMPLETE : HTTP_BAD;
    if (!request_next_line(&rest, &line))
        return wait;
    if (!parse_request_line(line, &method, &path, &authority, &needs_host))
        return HTTP_BAD;
    for (;;) {
        if (!request_next_line(&rest, &line))
            return wait;
        if (line.n == 0)
            break;
        if (!parse_field(line, &fields))
            return HTTP_BAD;
    }
    if (fields.hosts > 1 || (needs_host && fields.hosts == 0)) // RFC 9112 section 3.2
        return HTTP_BAD;
    out->head = span_is(method, "HEAD");
    out->path = path;
    out->host = authority.n ? authority : fields.host;
    if (!out->head && !span_is(method, "GET"))
        return HTTP_METHOD;
    return fields.body ? HTTP_BAD : HTTP_OK;
}
