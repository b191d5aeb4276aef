// SPDX-License-Identifier: ISC
// Command lines of a client, all arguments of all commands.
#include <stdint.h>
#include "relay/smtp/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct smtp_command command;
    struct smtp_mail mail;
    struct smtp_rcpt rcpt;
    struct smtp_forward forward = {0};
    struct why why;
    uint64_t n;
    bool last;
    char helo[MAX_DOMAIN + 1];
    smtp_command_parse(span_of(data, size), &command);
    (void)smtp_mail_parse(command.args, &mail, &why);
    smtp_mail_free(&mail);
    (void)smtp_rcpt_parse(command.args, &rcpt, &why);
    smtp_rcpt_free(&rcpt);
    (void)smtp_forward_parse(command.args, &forward, &why);
    (void)smtp_xclient_parse(command.args, &forward, &why);
    (void)smtp_bdat_parse(command.args, &n, &last, &why);
    (void)smtp_helo_parse(command.args, helo, &why);
    return 0;
}
