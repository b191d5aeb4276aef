// SPDX-License-Identifier: ISC
// The steps of an outbound session, shared by relay/deliver/*.c alone, in the order in which they may call each
// other (relay/deliver/inside.h says what each file is for, and the one exception). Those that return a state are
// called with the connection, or the transaction, that their row in session.c says.
#ifndef RELAY_DELIVER_STEPS_INSIDE_H
#define RELAY_DELIVER_STEPS_INSIDE_H

#include "relay/deliver/notes_inside.h"

// relay/deliver/step.c
void deliver_command(struct deliver *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// The facts of the present attempt, with a reference for the caller: of the connection, else of what would have
// been connected to. `reply` NULL: none.
struct attempt *deliver_attempt(const struct deliver *d, const char *reply);
// The same with the reply that was just heard, in full.
struct attempt *deliver_attempt_heard(const struct deliver *d);
void deliver_verdict(struct verdict *v, const struct why *why, struct attempt *attempt); // takes it
void deliver_verdict_clear(struct verdict *v);
// A recipient is refused for why, by this attempt (borrowed).
void deliver_refuse(struct delivery_rcpt *r, const struct why *why, struct attempt *attempt);
void deliver_refuse_rest(struct deliver *d, const struct why *why,
                         struct attempt *attempt); // open and taken ones alike
// Those whose RCPT was accepted, and those meant for another transaction, go back to open: another host or connection
// will be asked. Who was refused stays refused.
void deliver_reopen(struct deliver *d);
bool deliver_somebody_open(const struct deliver *d);
void deliver_auth_forget(struct deliver *d);
void deliver_transaction_end(struct deliver *d); // resets the transaction
void deliver_drop(struct deliver *d, bool now);  // ends it, where no others keep it
void deliver_quit(struct deliver *d); // says QUIT, where no others go on with the connection
// Leaves the connection and goes on to the next address. `lacking`: the host answered and lacks something.
enum deliver_state deliver_next(struct deliver *d, const struct why *why, bool lacking);
enum deliver_state deliver_quit_next(struct deliver *d, const struct why *why); // politely
// A reply that ends this host.
enum deliver_state deliver_refused(struct deliver *d, enum smtp_stage stage);
// Leaves the connection and comes back to the same address.
enum deliver_state deliver_again(struct deliver *d, const struct why *why);
// Whether the host has the message is not known: RFC 5321 section 4.5.3.2.6.
enum deliver_state deliver_unknown(struct deliver *d, const struct why *why);

// relay/deliver/transaction.c
// Chooses the recipients; 0: nobody is left.
size_t deliver_transaction_begin(struct deliver *d);
static inline bool deliver_mail_refused(const struct deliver *d)
{
    return why_is_set(&d->trans.refused.why);
}
bool deliver_utf8_local(const char *address); // its local part is not ASCII
bool deliver_unasked(const struct deliver *d);
void deliver_heard_add(struct deliver *d, size_t i); // remembers the envelope's i-th reply
void deliver_said(
    struct deliver *d); // remembers what the transaction was answered, final reply included
bool deliver_addressed(const struct deliver *d);  // the reply speaks of an address
bool deliver_suspicious(const struct deliver *d); // the reply may be one of the envelope's
void deliver_clean(
    struct deliver *d); // no other answer looks like the message's: towards overlap (pool_speech.h)
bool deliver_reset_heard(struct deliver *d); // RSET's answer is remembered, and is what it was
// The host's replies are out of step: nothing they said counts. The host is asked again, one command at a time.
enum deliver_state deliver_out_of_step(struct deliver *d);
// BDAT was refused as a command. It is remembered, and the message goes by DATA on a new connection.
bool deliver_chunking_refused(const struct deliver *d);
enum deliver_state deliver_without_chunking(struct deliver *d);
void deliver_settle(struct deliver *d, const struct why *why, struct attempt *attempt);
// CLEAN: the host took the message, nothing is to be reset. RESET: before the connection is used again. DOUBT: at
// once, since what answers the RSET says whether the refusal was for the message. CLOSE: the connection is of
// no more use.
enum deliver_after { AFTER_CLEAN, AFTER_RESET, AFTER_DOUBT, AFTER_CLOSE };
enum deliver_state deliver_transaction_over(struct deliver *d, enum deliver_after after);

// relay/deliver/auth.c
enum deliver_state deliver_auth_begin(struct deliver *d); // what comes before MAIL
enum deliver_state deliver_token(struct deliver *d);
enum deliver_state deliver_auth(struct deliver *d);
enum deliver_state deliver_auth_reply(struct deliver *d);

// relay/deliver/tls.c
enum deliver_state deliver_ehlo_reply(struct deliver *d);
enum deliver_state deliver_starttls(struct deliver *d);
enum deliver_state deliver_starttls_reply(struct deliver *d);
enum deliver_state deliver_secure(struct deliver *d);
enum deliver_state deliver_secured(struct deliver *d);
void deliver_keep_tickets(struct deliver *d); // of its connection, for others
enum deliver_state deliver_tls_failed(struct deliver *d, struct why *why, bool answered);
bool deliver_clear_allowed(const struct deliver *d); // nothing is demanded, no password has to pass

// relay/deliver/data.c
enum deliver_state deliver_early_body(struct deliver *d);
enum deliver_state deliver_data_reply(struct deliver *d);
enum deliver_state deliver_prefix(struct deliver *d);
enum deliver_state deliver_prefix_reply(struct deliver *d);
enum deliver_state deliver_probe(struct deliver *d);
enum deliver_state deliver_probe_reply(struct deliver *d);
enum deliver_state deliver_body(struct deliver *d);
enum deliver_state deliver_body_reply(struct deliver *d);
enum deliver_state deliver_final_reply(struct deliver *d);
enum deliver_state deliver_confirm(struct deliver *d);
enum deliver_state deliver_confirm_reply(struct deliver *d);
void deliver_body_go_on(struct deliver *d); // the stream has room again

// relay/deliver/envelope.c
enum deliver_state deliver_turn(struct deliver *d);
enum deliver_state deliver_clear(struct deliver *d);
enum deliver_state deliver_clear_reply(struct deliver *d);
enum deliver_state deliver_mail(struct deliver *d);
enum deliver_state deliver_mail_reply(struct deliver *d);
enum deliver_state deliver_rcpt_reply(struct deliver *d);
enum deliver_state deliver_rcpt_421(struct deliver *d);
enum deliver_state deliver_rcpt_left(struct deliver *d, const struct why *why); // and it hung up

// relay/deliver/host.c
enum deliver_state deliver_from_pool(struct deliver *d);
enum deliver_state deliver_choose(struct deliver *d);
void deliver_hop_works(struct deliver *d);  // the present host is logged in to, and takes mail
void deliver_probe_over(struct deliver *d); // harmless where there was none
void deliver_ride(struct deliver *d, const struct deliver *behind); // shares its connection

// relay/deliver/loss.c
enum deliver_state deliver_lost(struct deliver *d, struct why *why);
enum deliver_state deliver_421(struct deliver *d);
enum deliver_state deliver_after_the_dead(struct deliver *d); // the same address again

#endif
