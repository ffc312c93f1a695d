/* SPDX-License-Identifier: MIT */
/* test_mib.c - counters found by the names that nstat gives them */
#include "../../tools/lab/mib.h"

#include <criterion/criterion.h>
#include <errno.h>

static const struct mib SAMPLE = {
	.text = {"Ip: Forwarding DefaultTTL InReceives\nIp: 1 64 12\n"
		 "Icmp: InMsgs InErrors\nIcmp: 3 0\n"
		 "Udp: InDatagrams NoPorts\nUdp: 4294967296 -1\n",
		 "TcpExt: SyncookiesSent ListenDrops\nTcpExt: 7 8\nIpExt: InOctets\nIpExt: 99\n",
		 "Ip6InReceives                   \t20\nIp6InHdrErrors\t2\nUdp6InDatagrams 5\n"},
};

Test(mib, names_are_those_of_nstat)
{
	static const struct {
		const char *name;
		int64_t value;
	} rows[] = {
		{"IpInReceives", 12},  {"IcmpInMsgs", 3},	 {"UdpInDatagrams", 1LL << 32},
		{"UdpNoPorts", -1},    {"TcpExtListenDrops", 8}, {"IpExtInOctets", 99},
		{"Ip6InReceives", 20}, {"Ip6InHdrErrors", 2},	 {"Udp6InDatagrams", 5},
	};
	int64_t value;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(mib_get(&SAMPLE, rows[i].name, &value), 0, "%s", rows[i].name);
		cr_expect_eq(value, rows[i].value, "%s: %lld", rows[i].name, (long long)value);
	}
}

Test(mib, what_is_not_there_is_not_found)
{
	static const char *const names[] = {
		"",	 "Ip",	   "IpIn",	  "InReceives",	  "IpInReceivesX",
		"Ip6In", "TcpExt", "UdpInErrors", "Ip:InReceives"};
	const struct mib empty = {{"", "", ""}}, odd = {{"Ip: A B", "Ip: A\nIp:\n", "\n\n"}};
	int64_t value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cr_expect_eq(mib_get(&SAMPLE, names[i], &value), -ENOENT, "'%s'", names[i]);
		cr_expect_eq(mib_get(&empty, names[i], &value), -ENOENT);
	}
	cr_expect_eq(mib_get(&odd, "IpB", &value), -ENOENT);
}

Test(mib, our_own_counters_can_be_read)
{
	int64_t a, b;
	static struct mib m;

	cr_assert_eq(mib_read(-1, &m), 0);
	cr_expect_eq(mib_get(&m, "IpInReceives", &a), 0);
	cr_expect_eq(mib_get(&m, "TcpExtListenDrops", &b), 0);
	cr_expect(a >= 0 && b >= 0);
}
