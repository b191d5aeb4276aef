// SPDX-License-Identifier: ISC
// The header, field by field: how it is written (RFC 5322 sections 2.1 to 2.2, 3.6), and which of the known fields are
// there.
#include <string.h>
#include "relay/base/maxima.h"
#include "relay/base/utf8.h"
#include "relay/preflight/inside.h"

enum field_kind { FIELD_MAIL, FIELD_MIME, FIELD_LIST, FIELD_ANY }; // ANY: there may be several
enum field_form { FORM_OTHER, FORM_TEXT, FORM_ADDRESSES };

static const struct {
    const char *name;
    enum field_kind kind;
    enum field_form form; // where encoded words may stand
    bool filled;          // an empty one is none
} known[KNOWN_FIELDS] = {
    [KNOWN_FROM] = {"From", FIELD_ANY, FORM_ADDRESSES, false}, // has reasons of its own
    [KNOWN_SENDER] = {"Sender", FIELD_MAIL, FORM_ADDRESSES, true},
    [KNOWN_REPLY_TO] = {"Reply-To", FIELD_MAIL, FORM_ADDRESSES, true},
    [KNOWN_TO] = {"To", FIELD_MAIL, FORM_ADDRESSES, true},
    [KNOWN_CC] = {"Cc", FIELD_MAIL, FORM_ADDRESSES, true},
    [KNOWN_BCC] = {"Bcc", FIELD_MAIL, FORM_ADDRESSES, false},
    [KNOWN_DATE] = {"Date", FIELD_MAIL, FORM_OTHER, false},
    [KNOWN_MESSAGE_ID] = {"Message-ID", FIELD_MAIL, FORM_OTHER, false},
    [KNOWN_IN_REPLY_TO] = {"In-Reply-To", FIELD_MAIL, FORM_OTHER, true},
    [KNOWN_REFERENCES] = {"References", FIELD_MAIL, FORM_OTHER, true},
    [KNOWN_SUBJECT] = {"Subject", FIELD_MAIL, FORM_TEXT, false},
    [KNOWN_MIME_VERSION] = {"MIME-Version", FIELD_MIME, FORM_OTHER, false},
    [KNOWN_CONTENT_TYPE] = {"Content-Type", FIELD_MIME, FORM_OTHER, false},
    [KNOWN_ENCODING] = {"Content-Transfer-Encoding", FIELD_MIME, FORM_OTHER, false},
    [KNOWN_CONTENT_ID] = {"Content-ID", FIELD_MIME, FORM_OTHER, false},
    [KNOWN_DESCRIPTION] = {"Content-Description", FIELD_MIME, FORM_TEXT, false},
    [KNOWN_DISPOSITION] = {"Content-Disposition", FIELD_MIME, FORM_OTHER, false},
    [KNOWN_LIST_ID] = {"List-Id", FIELD_LIST, FORM_TEXT, false},
    [KNOWN_LIST_UNSUBSCRIBE] = {"List-Unsubscribe", FIELD_LIST, FORM_OTHER, false},
    [KNOWN_LIST_UNSUBSCRIBE_POST] = {"List-Unsubscribe-Post", FIELD_LIST, FORM_OTHER, false},
    [KNOWN_LIST_HELP] = {"List-Help", FIELD_LIST, FORM_OTHER, false},
    [KNOWN_LIST_SUBSCRIBE] = {"List-Subscribe", FIELD_LIST, FORM_OTHER, false},
    [KNOWN_LIST_POST] = {"List-Post", FIELD_LIST, FORM_OTHER, false},
    [KNOWN_LIST_OWNER] = {"List-Owner", FIELD_LIST, FORM_OTHER, false},
    [KNOWN_LIST_ARCHIVE] = {"List-Archive", FIELD_LIST, FORM_OTHER, false},
    [KNOWN_PRECEDENCE] = {"Precedence", FIELD_ANY, FORM_OTHER, false},
    [KNOWN_FEEDBACK_ID] = {"Feedback-ID", FIELD_ANY, FORM_OTHER, false},
    [KNOWN_AUTO_SUBMITTED] = {"Auto-Submitted", FIELD_ANY, FORM_OTHER, false},
};

// What a run over a field's bytes finds.
struct field_bytes {
    bool eightbit, control, fold_blank, word;
    size_t longest;
};

static void end_line(struct field_bytes *b, size_t octets, bool blank, bool first)
{
    if (octets > b->longest)
        b->longest = octets;
    b->fold_blank |= blank && !first && octets;
}

static struct field_bytes read_bytes(struct span s)
{
    struct field_bytes b = {0};
    size_t start = 0;
    bool blank = true, first = true;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = s.p[i];
        if (c == '\n') {
            size_t octets = i - start - (i > start && s.p[i - 1] == '\r');
            end_line(&b, octets, blank, first);
            start = i + 1;
            first = false;
            blank = true;
            continue;
        }
        b.eightbit |= c > 127;
        b.control |= (c < ' ' && c != '\t' && c != '\r') || c == 127;
        b.word |= c == '?' && i && s.p[i - 1] == '=';
        blank &= c == ' ' || c == '\t' || c == '\r';
    }
    if (start < s.n)
        end_line(&b, s.n - start, blank, first);
    return b;
}

static void look_at_bytes(struct look *l, const struct field *f, const struct field_bytes *b)
{
    char name[PREFLIGHT_QUOTE];
    preflight_quote(f->name, name);
    if (b->eightbit && !utf8_valid(f->value))
        look_find(l, FIELD_NOT_UTF8, name);
    else if (b->eightbit && !l->in->smtputf8)
        look_find(l, FIELD_8BIT, name);
    if (b->control)
        look_find(l, FIELD_CONTROL, name);
    if (b->longest > MAX_TEXT_LINE)
        look_find(l, FIELD_LINE_LONG, name, b->longest);
    if (b->fold_blank)
        look_find(l, FIELD_FOLD_BLANK, name);
    if (f->whole.n > f->name.n && f->whole.p[f->name.n] != ':')
        look_find(l, FIELD_NAME_BLANK, name);
}

static enum known_field known_of(struct span name)
{
    int first = ascii_lower(name.p[0]);
    for (enum known_field i = 0; i < KNOWN_FIELDS; i++)
        if (ascii_lower(known[i].name[0]) == first && span_is_nocase(name, known[i].name))
            return i;
    return KNOWN_FIELDS;
}

static void fields_take(struct look *l, const struct field *f)
{
    struct field_bytes b = read_bytes(f->whole);
    l->bytes += f->whole.n;
    enum known_field k = known_of(f->name);
    look_at_bytes(l, f, &b);
    if (k < KNOWN_FIELDS) {
        if (!l->count[k]++)
            l->at[k] = f;
        if (known[k].filled && !span_trim(f->value).n)
            look_find(l, FIELD_EMPTY, known[k].name);
        if (b.word && known[k].form != FORM_OTHER)
            look_at_field_words(l, f, known[k].form == FORM_ADDRESSES);
    } else if (span_is_nocase(f->name, "Received")) {
        l->received++;
    } else if (span_starts_nocase(f->name, "Resent-")) {
        l->resent++;
        l->resent_from += span_is_nocase(f->name, "Resent-From");
        l->resent_date += span_is_nocase(f->name, "Resent-Date");
    }
}

static void look_at_counts(struct look *l)
{
    for (enum known_field k = 0; k < KNOWN_FIELDS; k++) {
        if (l->count[k] < 2)
            continue;
        if (known[k].kind == FIELD_MAIL)
            look_find(l, FIELD_TWICE, known[k].name, l->count[k]);
        else if (known[k].kind == FIELD_MIME)
            look_find(l, MIME_FIELD_TWICE, known[k].name, l->count[k]);
        else if (known[k].kind == FIELD_LIST)
            look_find(l, LIST_FIELD_TWICE, known[k].name, l->count[k]);
    }
}

void look_at_fields(struct look *l)
{
    for (size_t i = 0; i < l->in->header->n; i++)
        fields_take(l, &l->in->header->fields[i]);
    look_at_counts(l);
    if (l->resent && !l->resent_from)
        look_find(l, RESENT_INCOMPLETE, "Resent-From");
    else if (l->resent && !l->resent_date)
        look_find(l, RESENT_INCOMPLETE, "Resent-Date");
}
