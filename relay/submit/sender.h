// SPDX-License-Identifier: ISC
// The envelope sender as the row's rules want it (senders.rewrite, senders.force_from), for the session alone.
#ifndef RELAY_SUBMIT_SENDER_H
#define RELAY_SUBMIT_SENDER_H

#include "relay/submit/inside.h"

// The arguments of MAIL; *was: what the client said where something else stands in *mail now, NULL where not.
// Caller frees. -1: as smtp_mail_parse.
int submit_read_mail(struct submit *s, struct span args, struct smtp_mail *mail, char **was,
                     struct why *why);

#endif
