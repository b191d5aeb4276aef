// SPDX-License-Identifier: ISC
// Any message as a notification: what is read of it is one line of bounded text each, and a status of its class.
#include <assert.h>
#include <string.h>
#include "relay/returns/notice.h"

static void is_line(const char *text, size_t room)
{
    assert(strlen(text) < room);
    for (; *text; text++)
        assert((unsigned char)*text >= 32 && *text != 127);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char classes[][3] = {"54", "4", "2"};
    struct header header;
    struct notice notice;
    struct why why;
    size_t used;
    if (header_parse(&header, span_of(data, size), &used, &why) < 0)
        return 0;
    if (notice_read(&header, span_of(data + used, size - used), "gone@dest.example", &notice)) {
        assert(strchr(classes[notice.action], notice.status[0]) && notice.status[1] == '.');
        is_line(notice.host, sizeof notice.host);
        is_line(notice.reply, sizeof notice.reply);
        assert(strlen(notice.from) < NOTICE_FROM);
        notice_why(&notice, &why);
        assert(why.scope == WHY_RECIPIENT);
    }
    header_free(&header);
    return 0;
}
