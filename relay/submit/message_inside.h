// SPDX-License-Identifier: ISC
// What becomes of a message between DATA and its 250, for the files of relay/submit/: data.c has the bytes, the
// verdict, file and spool; told.c what goes to nobody; filter.c the filters between verdict and signature; envelope.c what its rules say of
// addresses, wherever they come from.
#ifndef RELAY_SUBMIT_MESSAGE_INSIDE_H
#define RELAY_SUBMIT_MESSAGE_INSIDE_H

#include "relay/submit/inside.h"

// data.c
enum submit_state submit_read_data(struct submit *s);
enum submit_state submit_read_chunk(struct submit *s);
void submit_write_body(struct submit *s);
enum submit_state submit_give_up(struct submit *s);
void submit_finish_file(struct submit *s);
void submit_commit(struct submit *s);
enum submit_state submit_sign(struct submit *s); // and on to the disk
enum submit_state submit_refuse_message(struct submit *s, const struct why *why);
// The same with a reply of the caller's, which is due.
enum submit_state submit_end_refused(struct submit *s, const struct why *why);
enum submit_state submit_end_accepted(struct submit *s); // 250
enum submit_state submit_discard_message(struct submit *s, const char *reason);
// told.c: a message that goes to nobody is answered when the disk has its events.
void submit_keep_told(struct submit *s);
// filter.c
bool submit_filtered(const struct submit *s); // some filter sees the message
void submit_filter(struct submit *s);
// noted.c: what pre-flight found, for the 250 ("; note: …" or ""), in the numbers, and as an event.
#define SUBMIT_NOTE 360 // bytes
void submit_note(const struct submit *s, char out[static SUBMIT_NOTE]);
void submit_count_notes(struct submit *s, const struct why *refused); // NULL: it was not
void submit_tell_notes(struct submit *s);
// envelope.c: a recipient, wherever it comes from, may be one of the message; -1 with why.
int submit_add_recipient(struct submit *s, struct smtp_rcpt *rcpt, struct why *why);
// The principal may name this envelope sender.
bool submit_may_send(const struct submit *s, const struct smtp_path *from);

#endif
