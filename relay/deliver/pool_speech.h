// SPDX-License-Identifier: ISC
// How the address of a connection speaks, as it is remembered for all connections to it: whether its answers are in step,
// whether it knows BDAT, whether it has earned that messages overlap. Judges no reply: sessions say what they heard.
#ifndef RELAY_DELIVER_POOL_SPEECH_H
#define RELAY_DELIVER_POOL_SPEECH_H

#include "relay/deliver/pool.h"

#define POOL_CLEAN 5 // messages by which overlap is earned

// How the connection's address speaks, remembered for a month. Out of step: it once answered more, or less, than
// was asked. No chunking: it offers CHUNKING and does not know BDAT, or its answers do not tell what they answer.
// Takes chunks: it answered a BDAT with 250 under this connection's key.
void pool_note_out_of_step(struct connection *c);
// Bytes are waiting that nobody asked for. (421 may come at any time.)
bool connection_unasked(const struct connection *c);
bool pool_out_of_step(const struct connection *c);
void pool_note_no_chunking(struct connection *c);
bool pool_no_chunking(const struct connection *c);
void pool_note_chunks(struct connection *c);
bool pool_takes_chunks(const struct connection *c);

// Overlap: the next message's commands are sent before the last one's answer is there. Then a reply too many, or too
// few, passes for another's, so a host earns it: by POOL_CLEAN messages without it in which the answer to a message could
// be told from those to MAIL, RCPT and RSET, one for several recipients. Astray: it answered too much, too little or too
// late; a month without overlap, also after a restart (relay/deliver/strays.h).
void pool_note_clean(struct connection *c, size_t recipients);
void pool_note_astray(struct connection *c);
void pool_unearn(struct connection *c); // a shared connection was lost: it is earned anew
bool pool_clean(struct connection *c);  // POOL_CLEAN and not astray
bool pool_overlaps(struct connection *c);
size_t pool_several(const struct connection *c); // the most recipients of such a message
// The answer to RSET, as a digest, which stands between messages that go out whole. Known once it came twice alike.
void pool_note_reset(struct connection *c, uint64_t digest);
bool pool_reset_known(const struct connection *c);
bool pool_is_reset(const struct connection *c, uint64_t digest);

#endif
