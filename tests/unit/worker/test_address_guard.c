/* Which addresses a provider must not have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "workers/address_guard.h"

static const struct {
    const char *address;
    bool want;
} cases[] = {
    {"169.254.0.0", true},
    {"169.254.169.254", true},
    {"169.254.255.255", true},
    {"169.253.255.255", false},
    {"169.255.0.0", false},
    {"100.100.100.200", true},
    {"100.100.100.201", false},
    {"168.63.129.16", true},
    {"192.0.0.192", true},
    {"127.0.0.1", false},
    {"0.0.0.0", false},
    {"10.0.0.1", false},
    {"192.168.1.1", false},
    {"8.8.8.8", false},
    {"fe80::", true},
    {"fe80::1", true},
    {"febf:ffff::1", true},
    {"fec0::1", false},
    {"fe7f::1", false},
    {"fd00:ec2::254", true},
    {"fd00:ec3::254", false},
    {"fd20:ce::254", true},
    {"fd12:3456::1", false},
    {"::1", false},
    {"2001:db8::1", false},
    {"::ffff:169.254.169.254", true},
    {"::ffff:100.100.100.200", true},
    {"::ffff:127.0.0.1", false},
    {"::169.254.169.254", true},
    {"64:ff9b::169.254.169.254", true},
    {"64:ff9b::8.8.8.8", false},
    {"2002:a9fe:a9fe::1", true},
    {"2002:0808:0808::1", false},
};

static bool is_refused(const char *address)
{
    struct sockaddr_in ip4 = {.sin_family = AF_INET};
    struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, address, &ip4.sin_addr) == 1)
        return address_refused((struct sockaddr *)&ip4);
    assert_int_equal(inet_pton(AF_INET6, address, &ip6.sin6_addr), 1);
    return address_refused((struct sockaddr *)&ip6);
}

static void link_local_and_metadata_addresses_are_refused_in_every_spelling(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (is_refused(cases[i].address) != cases[i].want)
            fail_msg("%s: want %d", cases[i].address, cases[i].want);
}

static void addresses_that_are_not_of_the_internet_are_refused(void **state)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    (void)state;
    assert_true(address_refused((struct sockaddr *)&path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_local_and_metadata_addresses_are_refused_in_every_spelling),
        cmocka_unit_test(addresses_that_are_not_of_the_internet_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
