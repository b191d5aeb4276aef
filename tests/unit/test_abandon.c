// SPDX-License-Identifier: ISC
// What a process that may say nothing more had given to the kernel does not leave after its end.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "relay/net/abandon.h"

struct pair {
    int listener, from, to;
};

static void pair_open(struct pair *p)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    p->from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(p->listener, 1), 0);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&at, &n), 0);
    assert_int_equal(connect(p->from, (struct sockaddr *)&at, n), 0);
    p->to = accept(p->listener, NULL, NULL);
    assert_true(p->to >= 0);
}

static ssize_t fill(int fd)
{
    static const char piece[65536];
    ssize_t sum = 0;
    for (ssize_t n; (n = send(fd, piece, sizeof piece, MSG_DONTWAIT)) > 0;)
        sum += n;
    return sum;
}

// All that the kernel can hold goes in, in a process of its own, which then ends.
static ssize_t read_after_the_end(const struct pair *p, bool abandoned, int *error, ssize_t *put)
{
    int counted[2];
    assert_int_equal(pipe(counted), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        ssize_t sum = fill(p->from);
        (void)!write(counted[1], &sum, sizeof sum);
        if (abandoned)
            net_abandon();
        _exit(0);
    }
    close(p->from);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(read(counted[0], put, sizeof *put), sizeof *put);
    close(counted[0]);
    close(counted[1]);
    static char bytes[65536];
    ssize_t sum = 0, n;
    while ((n = read(p->to, bytes, sizeof bytes)) > 0)
        sum += n;
    *error = n < 0 ? errno : 0;
    close(p->to);
    close(p->listener);
    return sum;
}

static void what_the_kernel_holds_goes_with_the_process(void **state)
{
    (void)state;
    struct pair p;
    int error;
    ssize_t put;
    pair_open(&p);
    ssize_t got = read_after_the_end(&p, false, &error, &put);
    assert_int_equal(got, put); // as it is without
    assert_int_equal(error, 0);
    pair_open(&p);
    got = read_after_the_end(&p, true, &error, &put);
    assert_true(got < put);
    assert_int_equal(error, ECONNRESET);
}

static void a_listener_stays_as_it_was(void **state)
{
    (void)state;
    struct pair p;
    struct linger linger;
    socklen_t n = sizeof linger;
    pair_open(&p);
    net_abandon();
    assert_int_equal(getsockopt(p.listener, SOL_SOCKET, SO_LINGER, &linger, &n), 0);
    assert_int_equal(linger.l_onoff, 0);
    assert_int_equal(getsockopt(p.to, SOL_SOCKET, SO_LINGER, &linger, &n), 0);
    assert_int_equal(linger.l_onoff, 1);
    close(p.from);
    close(p.to);
    close(p.listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_kernel_holds_goes_with_the_process),
        cmocka_unit_test(a_listener_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
