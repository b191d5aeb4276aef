// SPDX-License-Identifier: ISC
// What a token endpoint answers: the first byte chooses the status, the rest is the body.
#include <assert.h>
#include <string.h>
#include "relay/oauth/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = {200, 400, 401, 503};
    struct oauth_answer answer;
    struct why why;
    bool revoked;
    why_clear(&why);
    long status = size ? statuses[data[0] % 4] : 200;
    struct span body = size ? span_of(data + 1, size - 1) : span_of("", 0);
    int rc = oauth_answer_read(status, body, &answer, &revoked, &why);
    assert((rc == 0) == (answer.token != NULL) && (rc < 0) == why_is_set(&why));
    assert(!revoked || (rc < 0 && status != 200));
    assert(rc < 0 || (answer.lives_ms > 0 && !strpbrk(answer.token, " \r\n\001")));
    oauth_answer_free(&answer);
    return 0;
}
