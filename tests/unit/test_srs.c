// SPDX-License-Identifier: ISC
// SRS both ways, against addresses that postsrsd 1.10 wrote under the same secret on the same day.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "relay/base/mem.h"
#include "relay/returns/srs.h"

#define DAY_S 86400
#define TODAY (20784LL * DAY_S + 3600) // the 304th of its 1024 days

static struct secrets *secrets;
static struct srs srs;

static struct secrets *parse(const char *text)
{
    struct why why;
    struct secrets *s = secrets_parse(span_text(text), "f", &why);
    assert_non_null(s);
    return s;
}

static int begin(void **state)
{
    (void)state;
    secrets = parse("tops3cret-first\nolder-secret-2\n");
    srs = (struct srs){"fwd.example", secrets, 21, 4};
    return 0;
}

static int end(void **state)
{
    (void)state;
    secrets_unref(secrets);
    return 0;
}

static void assert_forward(const char *sender, const char *want)
{
    struct buf out;
    buf_init(&out, 1024);
    int rc = srs_forward(&srs, sender, TODAY, &out);
    assert_int_equal(rc, want ? 0 : -1);
    assert_string_equal(buf_text(&out), want ? want : "");
    buf_free(&out);
}

// `want`: the address, or the status of the refusal.
static void assert_reverse_at(const char *address, int64_t now_s, const char *want)
{
    struct buf out;
    struct why why;
    buf_init(&out, 1024);
    int rc = srs_reverse(&srs, address, now_s, &out, &why);
    assert_string_equal(rc < 0 ? why.status : buf_text(&out), want);
    buf_free(&out);
}

static void assert_reverse(const char *address, const char *want)
{
    assert_reverse_at(address, TODAY, want);
}

static void what_postsrsd_writes_is_written(void **state)
{
    (void)state;
    assert_forward("User@orig.example", "SRS0=1xI0=JQ=orig.example=User@fwd.example");
    assert_forward("a+b=c@x.example", "SRS0=VD2W=JQ=x.example=a+b=c@fwd.example");
    assert_forward("SRS0=abcd=XY=orig.example=joe@first.example",
                   "SRS1=p/4G=first.example==abcd=XY=orig.example=joe@fwd.example");
    assert_forward("srs0+abcd=XY=orig.example=joe@First.Example",
                   "SRS1=7FX5=first.example=+abcd=XY=orig.example=joe@fwd.example");
    assert_forward("SRS1=wxyz=first.example==abcd=XY=orig.example=joe@second.example",
                   "SRS1=p/4G=first.example==abcd=XY=orig.example=joe@fwd.example");
}

static void what_postsrsd_wrote_is_read_in_any_case(void **state)
{
    (void)state;
    assert_reverse("SRS0=1xI0=JQ=Orig.example=User@fwd.example", "User@Orig.example");
    assert_reverse("srs0=1xi0=jq=orig.example=user@FWD.example", "user@orig.example");
    assert_reverse("SRS0+1xI0=JQ=Orig.example=User@fwd.example", "User@Orig.example");
    assert_reverse("SRS0-VD2W=JQ=x.example=a+b=c@fwd.example", "a+b=c@x.example");
    // The day of an inner address that no clock would write.
    assert_reverse_at("SRS1=p/4G=first.example==abcd=XY=orig.example=joe@fwd.example",
                      TODAY - 304 * DAY_S + 760 * DAY_S,
                      "SRS0=abcd=XY=orig.example=joe@first.example");
    assert_reverse_at("srs1=P/4g=first.example==abcd=xy=orig.example=joe@fwd.example",
                      TODAY - 304 * DAY_S + 761 * DAY_S,
                      "SRS0=abcd=xy=orig.example=joe@first.example");
}

static void a_digest_that_is_not_ours_is_refused(void **state)
{
    (void)state;
    static const char *const forged[] = {
        "SRS0=1xI1=JQ=Orig.example=User@fwd.example",
        "SRS0=1xI0=JR=Orig.example=User@fwd.example",
        "SRS0=1xI0=JQ=Evil.example=User@fwd.example",
        "SRS0=1xI0=JQ=Orig.example=Usex@fwd.example",
        "SRS0=1xI=JQ=Orig.example=User@fwd.example",
        "SRS0==JQ=Orig.example=User@fwd.example",
        "SRS0=1xI0=JQ=Orig.example=@fwd.example",
        "SRS0=1xI0=JQ=Orig.example@fwd.example",
        "SRS0=1xI0@fwd.example",
        "SRS0=@fwd.example",
        "SRS2=1xI0=JQ=Orig.example=User@fwd.example",
        "SRS01xI0=JQ=Orig.example=User@fwd.example",
        "SRS1=1xI0=JQ=Orig.example=User@fwd.example",
        "SRS1=p/4G=evil.example==abcd=XY=o=j@fwd.example",
        "SRS1=p/4G=first.example@fwd.example",
        "user@fwd.example",
        "SRS0=1xI0AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=JQ=Orig.example=User@fwd.example"};
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++)
        assert_reverse(forged[i], "5.7.1");
    srs.hash_length = 6; // a short one is not believed any more
    assert_reverse("SRS0=1xI0=JQ=Orig.example=User@fwd.example", "5.7.1");
}

static void an_address_ages(void **state)
{
    (void)state;
    const char *address = "SRS0=1xI0=JQ=Orig.example=User@fwd.example";
    assert_reverse_at(address, TODAY + 21 * DAY_S, "User@Orig.example");
    assert_reverse_at(address, TODAY + 22 * DAY_S, "5.1.1");
    assert_reverse_at(address, TODAY - DAY_S, "User@Orig.example"); // another host's clock
    assert_reverse_at(address, TODAY - 2 * DAY_S, "5.1.1");
    assert_reverse_at(address, TODAY + 1024LL * DAY_S,
                      "User@Orig.example"); // the count begins anew
    // The first forwarder's address in SRS1 has a day too.
    assert_reverse("SRS1=p/4G=first.example==abcd=XY=orig.example=joe@fwd.example", "5.1.1");
}

static void an_old_secret_still_reads(void **state)
{
    (void)state;
    secrets_unref(secrets);
    srs.secrets = secrets = parse("brand-new-one\r\n\r\ntops3cret-first\r\n");
    assert_int_equal(secrets_count(secrets), 2);
    assert_reverse("SRS0=1xI0=JQ=Orig.example=User@fwd.example", "User@Orig.example");
    struct buf out;
    buf_init(&out, 1024);
    assert_int_equal(srs_forward(&srs, "User@orig.example", TODAY, &out), 0);
    assert_null(strstr(buf_text(&out), "1xI0"));
    assert_reverse(buf_text(&out), "User@orig.example");
    secrets_unref(secrets);
    srs.secrets = secrets = parse("brand-new-one");
    assert_reverse("SRS0=1xI0=JQ=Orig.example=User@fwd.example", "5.7.1");
    buf_free(&out);
}

static void round_trip(const char *sender, const char *back)
{
    struct buf out;
    buf_init(&out, 1024);
    assert_int_equal(srs_forward(&srs, sender, TODAY, &out), 0);
    assert_true(srs_is(buf_text(&out)));
    assert_reverse(buf_text(&out), back);
    buf_free(&out);
}

static void odd_addresses_come_back_as_they_were(void **state)
{
    (void)state;
    round_trip("\"john doe\"@orig.example", "\"john doe\"@orig.example");
    round_trip("\"a@b\\\"c\\\\\"@orig.example", "\"a@b\\\"c\\\\\"@orig.example");
    round_trip("\"plain\"@orig.example", "plain@orig.example");
    round_trip("j\xc3\xb6rg@b\xc3\xbc"
               "cher.example",
               "j\xc3\xb6rg@xn--bcher-kva.example");
    round_trip("=a==b=@orig.example", "=a==b=@orig.example");
    round_trip("SRS1=nonsense@orig.example", "SRS1=nonsense@orig.example");
    round_trip("SRS0@orig.example", "SRS0@orig.example");
    round_trip("SRS0=@orig.example", "SRS0=@orig.example");
    assert_forward("a@[192.0.2.1]", NULL);
    assert_forward("postmaster", NULL);
    assert_forward("\"\"@orig.example", NULL);
    assert_false(srs_is("srs0@x.example"));
    assert_false(srs_is("srs@x.example"));
    assert_true(srs_is("\"srs0=a b\"@x.example"));
}

static void a_path_has_an_end(void **state)
{
    (void)state;
    char sender[400];
    snprintf(sender, sizeof sender, "%0200d@orig.example", 7); // over 64 octets, which others take
    round_trip(sender, sender);
    snprintf(sender, sizeof sender, "%0230d@orig.example", 7);
    assert_forward(sender, NULL);
}

static void files_of_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *fault;
    } bad[] = {{"", "f has no secret; waxwing srs key makes one"},
               {"\n\r\n", "f has no secret; waxwing srs key makes one"},
               {"short\n", "f has a secret of less than 8 characters"},
               {"long enough\nx\n", "f has a secret of less than 8 characters"}};
    struct why why;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(secrets_parse(span_text(bad[i].text), "f", &why));
        assert_string_equal(why.text, bad[i].fault);
    }
    assert_null(secrets_parse(span_of("long enough\0x", 13), "f", &why));
    struct buf many;
    buf_init(&many, 10000);
    for (int i = 0; i < 65; i++)
        buf_adds(&many, "long enough\n");
    assert_null(secrets_parse(buf_span(&many), "f", &why));
    assert_string_equal(why.text, "f has more than 64 secrets");
    buf_free(&many);
    assert_null(secrets_load("/no/such/file", &why));
    assert_string_equal(why.text, "/no/such/file cannot be read: No such file or directory");
    assert_null(secrets_load("/tmp", &why));
    assert_null(secrets_load("/dev/zero", &why));
    assert_string_equal(why.text, "/dev/zero is larger than 65536 bytes");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(what_postsrsd_writes_is_written),
        STORY(what_postsrsd_wrote_is_read_in_any_case),
        STORY(a_digest_that_is_not_ours_is_refused),
        STORY(an_address_ages),
        STORY(an_old_secret_still_reads),
        STORY(odd_addresses_come_back_as_they_were),
        STORY(a_path_has_an_end),
        STORY(files_of_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
