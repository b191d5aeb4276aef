// SPDX-License-Identifier: ISC
// What a refusal is about, told by the words that hosts really use.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "relay/smtp/reply.h"
#include "relay/smtp/reply_class.h"

// One line as it stands in a log: "550 5.1.1 text".
static struct reply_meaning meaning(const char *reply)
{
    struct why why;
    why_set(&why, WHY_HOST, reply[0] == '4' ? "4.0.0" : "5.0.0", "the host refused");
    why_reply(&why, reply);
    return reply_meaning_of(&why);
}

static void expect(const char *reply, enum reply_class class, const char *rule, bool throttle)
{
    struct reply_meaning m = meaning(reply);
    if (m.class != class || strcmp(m.rule, rule) != 0 || m.throttle != throttle)
        fail_msg("%s: %s by %s, throttle %d", reply, reply_class_word(m.class), m.rule, m.throttle);
}

static const struct {
    const char *reply;
    enum reply_class class;
    const char *rule;
    bool throttle;
} said[] = {
    {"421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from "
     "4.7.28 "
     "your IP address. To protect our users from spam, mail sent from your IP address has been "
     "temporarily rate limited. For more information, go to 4.7.28 "
     "https://support.google.com/mail/?p=UnsolicitedRateLimitError",
     REPLY_RATE, "gmail-rate", true},
    {"550 5.1.1 The email account that you tried to reach does not exist. Please try 5.1.1 "
     "double-checking the recipient's email address for typos or 5.1.1 unnecessary spaces.",
     REPLY_ADDRESS_UNKNOWN, "gmail-unknown", false},
    {"552 5.2.2 The recipient's inbox is out of storage space and inactive.", REPLY_MAILBOX_FULL,
     "gmail-full", false},
    {"450 4.2.1 The user you are trying to contact is receiving mail too quickly. Please "
     "resend",
     REPLY_MAILBOX_BUSY, "gmail-mailbox-busy", false},
    {"550 5.7.26 This mail is unauthenticated, which poses a security risk to the sender",
     REPLY_AUTH, "unauthenticated", false},
    {"451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP "
     "reputation. For e-mail delivery information, see https://postmaster.live.com (S775)",
     REPLY_RATE, "microsoft-rate", true},
    {"451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (AS77712008)", REPLY_RATE,
     "microsoft-as", true},
    {"550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your "
     "Internet service provider since part of their network is on our block list (S3150).",
     REPLY_REPUTATION, "microsoft-block-list", true},
    {"550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", REPLY_ADDRESS_UNKNOWN,
     "microsoft-unknown", false},
    {"550 5.4.1 Recipient address rejected: Access denied. [AS201806281]", REPLY_ADDRESS_UNKNOWN,
     "microsoft-unknown", false},
    {"550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).",
     REPLY_ADDRESS_UNKNOWN, "microsoft-unknown", false},
    {"421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume "
     "or "
     "user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes",
     REPLY_RATE, "yahoo-deferred", true},
    {"554 delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com) [0]",
     REPLY_ADDRESS_UNKNOWN, "yahoo-unknown", false},
    {"421 mwinf5c10 ME Trop de connexions, veuillez verifier votre configuration. Too many "
     "connections, slow down. OFR004_104 [104]",
     REPLY_RATE, "orange-connections", true},
    {"554 gmx.net (mxgmx101) Nemesis ESMTP Service not available No SMTP service IP address is "
     "block listed. For explanation visit "
     "https://postmaster.gmx.net/en/error-messages?ip=192.0.2.1&c=bl",
     REPLY_REPUTATION, "gmx-block-list", true},
    {"421 4.1.0 192.0.2.1 Throttled - try again later. Please see "
     "http://postmaster.comcast.net/smtp-error-codes.php#RL000010",
     REPLY_RATE, "comcast-rate", true},
    {"554 5.7.1 [HM08] Message rejected due to local policy. Please visit "
     "https://support.apple.com/en-us/HT204137",
     REPLY_REPUTATION, "apple-reputation", true},
    {"451 Internal resource temporarily unavailable - "
     "https://community.mimecast.com/docs/DOC-1369#451",
     REPLY_GREYLIST, "mimecast-greylist", false},
    {"554 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1", REPLY_REPUTATION,
     "proofpoint-reputation", true},
};

static void providers_are_known_by_their_own_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        expect(said[i].reply, said[i].class, said[i].rule, said[i].throttle);
}

static void words_that_many_use_are_known_without_a_code(void **state)
{
    (void)state;
    expect("550 <a@example.org>: Recipient address rejected: User unknown in virtual mailbox table",
           REPLY_ADDRESS_UNKNOWN, "user-unknown", false);
    expect("450 4.2.0 <a@example.org>: Recipient address rejected: Greylisted, see http://x/",
           REPLY_GREYLIST, "greylisted", false);
    expect("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
           REPLY_REPUTATION, "spamhaus", true);
    expect("552 5.2.2 <a@example.org> Quota exceeded (mailbox for user is full)",
           REPLY_MAILBOX_FULL, "over-quota", false);
    expect("421 Too many concurrent SMTP connections; please try again later.", REPLY_RATE,
           "too-many-connections", true);
    expect("554 5.7.1 <a@example.org>: Relay access denied", REPLY_RELAY, "relay-denied", false);
    expect("550 5.7.1 Client host rejected: cannot find your hostname", REPLY_AUTH, "reverse-dns",
           false);
}

// A temporary "unknown" is no hard bounce, and a listed sender is no unknown address whatever the code says.
static void an_address_is_given_up_only_where_nothing_else_is_blamed(void **state)
{
    (void)state;
    expect("550 5.1.1 rejected, your host is on our blacklist", REPLY_REPUTATION, "block-list",
           true);
    expect("550 5.1.1 message looks like spam", REPLY_CONTENT, "spam", false);
    expect("450 unknown user, try later", REPLY_OTHER, "code-4xx", false);
    expect("550 5.7.1 no", REPLY_POLICY, "enhanced-x.7.1", false);
    expect("550 5.1.1 no", REPLY_ADDRESS_UNKNOWN, "enhanced-x.1.1", false);
    expect("550 no", REPLY_OTHER, "code-5xx", false);
}

static void an_address_in_the_text_decides_nothing(void **state)
{
    (void)state;
    expect("550 <user-unknown.greylist@spamhaus.org>: no", REPLY_OTHER, "code-5xx", false);
    expect("450 greylisted@example.org not now", REPLY_OTHER, "code-4xx", false);
}

static void what_is_found_here_has_a_class_as_well(void **state)
{
    (void)state;
    struct why why;
    why_set(&why, WHY_HOST, "4.7.5", "the certificate has expired");
    why.tls = WHY_CERTIFICATE_EXPIRED;
    assert_int_equal(reply_meaning_of(&why).class, REPLY_TLS);
    assert_string_equal(reply_meaning_of(&why).rule, "certificate-expired");
    why_say(&why, TLSA_MISMATCH);
    assert_string_equal(reply_meaning_of(&why).rule, "tlsa-mismatch"); // type= has tlsa-invalid
    why_say(&why, STORED_BODY_GONE); // one word for this relay's faults, whatever their status
    assert_int_equal(reply_meaning_of(&why).class, REPLY_OURS);
    why_set(&why, WHY_HOST, "4.4.1", "no connection");
    assert_int_equal(reply_meaning_of(&why).class, REPLY_NETWORK);
    why_set(&why, WHY_DOMAIN, "5.1.2", "the domain does not exist");
    assert_int_equal(reply_meaning_of(&why).class, REPLY_DNS);
    why_set(&why, WHY_OURS, "4.3.0", "no memory");
    assert_int_equal(reply_meaning_of(&why).class, REPLY_OURS);
    why_clear(&why);
    assert_string_equal(reply_meaning_of(&why).rule, "");
    assert_string_equal(reply_meaning_of(NULL).rule, "");
    assert_string_equal(reply_meaning(250, "2.0.0", span_text("fine")).rule, "");
}

static void a_long_reply_is_looked_at_as_far_as_there_is_room(void **state)
{
    (void)state;
    char text[20000];
    memset(text, 'x', sizeof text);
    assert_int_equal(reply_meaning(550, "", span_of(text, sizeof text)).class, REPLY_OTHER);
    memcpy(text, "user unknown ", 13);
    assert_int_equal(reply_meaning(550, "", span_of(text, sizeof text)).class,
                     REPLY_ADDRESS_UNKNOWN);
}

static void every_class_has_its_word(void **state)
{
    (void)state;
    for (int i = 0; i < REPLY_CLASSES; i++)
        assert_int_equal(reply_class_parse(reply_class_word((enum reply_class)i)), i);
    assert_int_equal(reply_class_parse("nonsense"), REPLY_CLASSES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(providers_are_known_by_their_own_words),
        cmocka_unit_test(words_that_many_use_are_known_without_a_code),
        cmocka_unit_test(an_address_is_given_up_only_where_nothing_else_is_blamed),
        cmocka_unit_test(an_address_in_the_text_decides_nothing),
        cmocka_unit_test(what_is_found_here_has_a_class_as_well),
        cmocka_unit_test(a_long_reply_is_looked_at_as_far_as_there_is_room),
        cmocka_unit_test(every_class_has_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
