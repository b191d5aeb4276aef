// SPDX-License-Identifier: ISC
// The states of an outbound session: the rows of the table in relay/deliver/session.c, which alone changes them. For
// relay/deliver/*.c.
#ifndef RELAY_DELIVER_STATE_INSIDE_H
#define RELAY_DELIVER_STATE_INSIDE_H

enum deliver_state { // in the order one lives them
    DELIVER_LOAD,
    DELIVER_POOL,    // is there an idle connection?
    DELIVER_ADDRESS, // which address next?
    DELIVER_CONNECT,
    DELIVER_GREETING,
    DELIVER_EHLO,
    DELIVER_HELO,
    DELIVER_STARTTLS,
    DELIVER_SECURE,
    DELIVER_TOKEN,
    DELIVER_AUTH,
    DELIVER_TURN, // others' answers are awaited on the connection: what is said may have to wait for them
    DELIVER_MAIL,
    DELIVER_EARLY, // MAIL, and the body follows its envelope unasked
    DELIVER_CLEAR, // the same behind another message, an RSET between them
    DELIVER_SAID,  // RSET was answered, and MAIL will be
    DELIVER_RCPT,
    DELIVER_DATA,
    DELIVER_PREFIX, // a first chunk of our own lines alone is out, to a host that has not taken a BDAT yet
    DELIVER_PROBE, // NOOP behind an answer to that chunk which may have been another's
    DELIVER_BODY,
    DELIVER_FINAL,
    DELIVER_CONFIRM, // RSET behind a final answer that may have been another's
    DELIVER_RSET,
    DELIVER_END,
    DELIVER_GONE, // done has been told; freed when the event at hand is through
    DELIVER_WAIT  // not a state: the session stays where it is
};

#endif
