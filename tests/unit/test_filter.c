/* SPDX-License-Identifier: MIT */
/* test_filter.c - the capture program, run in an interpreter and in the kernel */
#include "../../rawstack/capture/filter.h"
#include "bpf_interp.h"

#include "../../rawstack/wire/span.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The kernel runs a program over arbitrary bytes when it is attached to one end of an AF_UNIX
 * datagram pair: an accepted datagram arrives cut to the returned length, a rejected one does not.
 */
enum { MAGIC = 0x64776972, PORT = 7000, BYTES_MAX = 256 };

static const struct port_range one_port[] = {{PORT, PORT}};

struct bytes {
	uint8_t b[BYTES_MAX];
	size_t len;
};

struct rig {
	struct sock_filter insns[FILTER_INSNS_MAX];
	size_t n;
	int tx, rx;
};

static struct filter_spec spec_of(const struct port_range *ranges, size_t n)
{
	return (struct filter_spec){
		.ranges = ranges, .n_ranges = n, .accept_canary = true, .canary_magic = MAGIC};
}

static void rig_open(struct rig *rig, const struct filter_spec *spec)
{
	int pair[2];
	int n = filter_generate(spec, rig->insns, FILTER_INSNS_MAX);
	struct sock_fprog prog = {.len = (unsigned short)n, .filter = rig->insns};

	cr_assert(n > 0, "filter_generate: %d", n);
	rig->n = (size_t)n;
	cr_assert(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0);
	rig->tx = pair[0];
	rig->rx = pair[1];
	cr_assert(setsockopt(rig->rx, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) == 0,
		  "the kernel refuses the program: errno %d", errno);
}

static void rig_close(const struct rig *rig)
{
	close(rig->tx);
	close(rig->rx);
}

/* Bytes kept, 0 when rejected. */
static size_t kernel_run(const struct rig *rig, const struct bytes *f)
{
	uint8_t got[BYTES_MAX];
	ssize_t len;

	cr_assert(send(rig->tx, f->b, f->len, 0) == (ssize_t)f->len);
	len = recv(rig->rx, got, sizeof(got), MSG_DONTWAIT);
	cr_assert(len >= 0 || errno == EAGAIN);
	return len < 0 ? 0 : (size_t)len;
}

static size_t interp_run(const struct rig *rig, const struct bytes *f)
{
	uint32_t keep = t_bpf_run(rig->insns, rig->n, f->b, f->len);

	return keep < f->len ? keep : f->len;
}

static void check(const struct rig *rig, const char *name, const struct bytes *f, bool accept)
{
	size_t in_kernel = kernel_run(rig, f);
	size_t in_interp = interp_run(rig, f);

	cr_expect((in_interp > 0) == accept, "%s: interpreter %s it", name,
		  accept ? "rejects" : "accepts");
	cr_expect((in_kernel > 0) == accept, "%s: kernel %s it", name,
		  accept ? "rejects" : "accepts");
}

/* "0800 45 xx …": hexadecimal with spaces; the 12 bytes of the two MAC addresses are put in front.
 */
static struct bytes frame_of(const char *hex)
{
	struct bytes f = {.len = 12};

	while (*hex) {
		char digits[3] = {hex[0], hex[1], 0};

		if (*hex == ' ') {
			hex++;
			continue;
		}
		cr_assert(f.len < BYTES_MAX);
		f.b[f.len++] = (uint8_t)strtoul(digits, NULL, 16);
		hex += 2;
	}
	return f;
}

/* IPv4 header up to the protocol: IHL 5, no fragment. Then checksum and addresses. */
#define V4		"0800 4500 0028 0001 0000 40 "
#define V4_FRAG(off)	"0800 4500 0028 0001 " off " 40 "
#define V4_ADDR		" 0000 c6336401 c6336402 "
#define V4_OPTIONS	"0800 4600 002c 0001 0000 40 "
#define V4_OPTIONS_LONG "0800 4f00 0050 0001 0000 40 "
#define V6(nexthdr)	"86dd 60000000 0014 " nexthdr " 40 " V6_ADDR V6_ADDR
#define V6_ADDR		" 20010db8 00000000 00000000 00000001 "
#define PORTS_CLIENT	" 9c41 1b58 " /* 40001 > 7000 */
#define PORTS_SERVER	" 1b58 9c41 "
#define PORTS_OTHER	" 9c41 1b59 "
#define TCP_REST	" 00000001 00000000 5002 ffff 0000 0000 "
#define UDP_REST	" 000c 0000 00000000 "
#define NOPS_40		"0101010101010101010101010101010101010101" NOPS_20
#define NOPS_20		"0101010101010101010101010101010101010101"

struct vector {
	const char *name;
	const char *hex;
	bool accept;
};

static const struct vector vectors[] = {
	{"v4 TCP to the port", V4 "06" V4_ADDR PORTS_CLIENT TCP_REST, true},
	{"v4 TCP from the port", V4 "06" V4_ADDR PORTS_SERVER TCP_REST, true},
	{"v4 UDP to the port", V4 "11" V4_ADDR PORTS_CLIENT UDP_REST, true},
	{"v4 TCP, other port", V4 "06" V4_ADDR PORTS_OTHER TCP_REST, false},
	{"v4 UDP, other port", V4 "11" V4_ADDR PORTS_OTHER UDP_REST, false},
	{"v4 SCTP with the port", V4 "84" V4_ADDR PORTS_CLIENT TCP_REST, false},
	{"v4 options", V4_OPTIONS "06" V4_ADDR "01010101" PORTS_CLIENT TCP_REST, true},
	{"v4 options, other port", V4_OPTIONS "06" V4_ADDR "1b581b58" PORTS_OTHER TCP_REST, false},
	{"v4 40 bytes of options", V4_OPTIONS_LONG "11" V4_ADDR NOPS_40 PORTS_CLIENT UDP_REST,
	 true},
	{"v4 40 bytes of options, other port",
	 V4_OPTIONS_LONG "11" V4_ADDR NOPS_40 PORTS_OTHER UDP_REST, false},
	{"v4 first fragment", V4_FRAG("2000") "11" V4_ADDR PORTS_CLIENT UDP_REST, true},
	{"v4 first fragment, other port", V4_FRAG("2000") "11" V4_ADDR PORTS_OTHER UDP_REST, false},
	{"v4 DF, other port", V4_FRAG("4000") "06" V4_ADDR PORTS_OTHER TCP_REST, false},
	{"v4 later fragment", V4_FRAG("2001") "11" V4_ADDR PORTS_OTHER UDP_REST, true},
	{"v4 fragment, only the top offset bit", V4_FRAG("1000") "06" V4_ADDR PORTS_OTHER TCP_REST,
	 true},
	{"v4 last fragment", V4_FRAG("1fff") "06" V4_ADDR PORTS_OTHER TCP_REST, true},
	{"v4 ICMP echo", V4 "01" V4_ADDR "0800 0000 00010001 00000000", false},
	{"v4 ICMP echo reply", V4 "01" V4_ADDR "0000 0000 00010001 00000000", false},
	{"v4 ICMP redirect", V4 "01" V4_ADDR "0501 0000 00010001 00000000", false},
	{"v4 ICMP port unreachable", V4 "01" V4_ADDR "0303 0000 00000000 45000028", true},
	{"v4 ICMP time exceeded", V4 "01" V4_ADDR "0b00 0000 00000000 45000028", true},
	{"v4 ICMP parameter problem", V4 "01" V4_ADDR "0c00 0000 00000000 45000028", true},
	{"v4 ICMP error behind options",
	 V4_OPTIONS "01" V4_ADDR "01010101 0303 0000 00000000 45000028", true},
	{"v4 ICMP later fragment", V4_FRAG("2001") "01" V4_ADDR "0303 0000 00000000", false},
	{"6in4", V4 "29" V4_ADDR "60000000 0014 06 40" V6_ADDR, true},
	{"4in4", V4 "04" V4_ADDR "45000028", true},
	{"GRE in v4", V4 "2f" V4_ADDR "00000800", true},
	{"ESP in v4", V4 "32" V4_ADDR "00000001 00000001", false},
	{"v6 TCP to the port", V6("06") PORTS_CLIENT TCP_REST, true},
	{"v6 TCP from the port", V6("06") PORTS_SERVER TCP_REST, true},
	{"v6 UDP to the port", V6("11") PORTS_CLIENT UDP_REST, true},
	{"v6 TCP, other port", V6("06") PORTS_OTHER TCP_REST, false},
	{"v6 UDP, other port", V6("11") PORTS_OTHER UDP_REST, false},
	{"v6 hop-by-hop", V6("00") "0600 0104 00000000" PORTS_OTHER TCP_REST, true},
	{"v6 routing", V6("2b") "0600 0000 00000000" PORTS_OTHER TCP_REST, true},
	{"v6 fragment header", V6("2c") "0600 0001 00000001" PORTS_OTHER TCP_REST, true},
	{"v6 destination options + TCP", V6("3c") "0600 0104 00000000" PORTS_CLIENT TCP_REST, true},
	{"v6 AH", V6("33") "0604 0000 00000001", true},
	{"v6 mobility", V6("87") "3b00 0000 00000000", true},
	{"v6 HIP", V6("8b") "3b00 0000 00000000", true},
	{"v6 shim6", V6("8c") "3b00 0000 00000000", true},
	{"4in6", V6("04") "45000028", true},
	{"6in6", V6("29") "60000000", true},
	{"GRE in v6", V6("2f") "000086dd", true},
	{"v6 no next header", V6("3b") "00000000", false},
	{"ESP in v6", V6("32") "00000001 00000001", false},
	{"v6 ICMP destination unreachable", V6("3a") "0104 0000 00000000", true},
	{"v6 ICMP packet too big", V6("3a") "0200 0000 00000500", true},
	{"v6 ICMP time exceeded", V6("3a") "0300 0000 00000000", true},
	{"v6 ICMP parameter problem", V6("3a") "0401 0000 00000000", true},
	{"v6 ICMP type 0", V6("3a") "0000 0000 00000000", false},
	{"v6 ICMP type 5", V6("3a") "0500 0000 00000000", false},
	{"v6 ICMP echo", V6("3a") "8000 0000 00010001", false},
	{"NDP router solicitation", V6("3a") "8500 0000 00000000", false},
	{"NDP neighbour solicitation", V6("3a") "8700 0000 00000000" V6_ADDR, false},
	{"NDP neighbour advertisement", V6("3a") "8800 0000 60000000" V6_ADDR, false},
	{"802.1Q in the bytes", "8100 0005" V4 "06" V4_ADDR PORTS_OTHER TCP_REST, true},
	{"QinQ, 802.1ad outside", "88a8 0005 8100 0006" V4 "06" V4_ADDR PORTS_OTHER TCP_REST, true},
	{"QinQ, old EtherType", "9100 0005 8100 0006" V4 "06" V4_ADDR PORTS_OTHER TCP_REST, true},
	{"0x0800 with version 6", "0800 60000000 0014 06 40" V6_ADDR V6_ADDR PORTS_OTHER, true},
	{"0x0800 with version 0", "0800 05000028 00010000 4006 0000 c6336401 c6336402", true},
	{"0x86dd with version 4", "86dd 4500 0028 00010000 4006" V4_ADDR V4_ADDR V4_ADDR V4_ADDR,
	 true},
	{"0x86dd with version 15", "86dd f0000000 0014 11 40" V6_ADDR V6_ADDR PORTS_OTHER, true},
	{"v4 with IHL 4", "0800 4400 0028 00010000 4011" V4_ADDR PORTS_OTHER, true},
	{"ARP", "0806 0001 0800 0604 0001 020000000001 c6336401 000000000000 c6336402", false},
	{"ARP, short", "0806 0001", false},
	{"LLDP", "88cc 0207 04 020000000001 00000000 00000000 00000000", false},
	{"802.3 length field", "0026 4242 03 0000", false},
	{"canary", "88b5 64776972 0000000000000001 0000", true},
	{"canary, wrong magic", "88b5 64776973 0000000000000001 0000", false},
	{"canary, wrong magic in the first byte", "88b5 65776972 0000000000000001", false},
	{"the other local experimental EtherType", "88b6 64776972 0000000000000001", false},
};

Test(filter, table_of_frames_gives_the_same_answer_in_interpreter_and_kernel)
{
	struct filter_spec spec = spec_of(one_port, 1);
	struct rig rig;

	rig_open(&rig, &spec);
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct bytes f = frame_of(vectors[i].hex);

		check(&rig, vectors[i].name, &f, vectors[i].accept);
	}
	rig_close(&rig);
}

/* From @from bytes on the frame says that it is irrelevant; before, nobody can tell. */
static const struct {
	const char *name;
	const char *hex;
	size_t from;
} cuts[] = {
	{"v4, other port", V4 "06" V4_ADDR PORTS_OTHER TCP_REST, 38},
	{"v4 options, other port", V4_OPTIONS "06" V4_ADDR "01010101" PORTS_OTHER TCP_REST, 42},
	{"v4 ICMP echo", V4 "01" V4_ADDR "0800 0000 00010001 00000000", 35},
	{"v6, other port", V6("11") PORTS_OTHER UDP_REST, 58},
	{"v6 NDP", V6("3a") "8700 0000 00000000" V6_ADDR, 55},
	{"canary, wrong magic", "88b5 64776973 0000000000000001 0000", 18},
	{"ARP", "0806 0001 0800 0604 0001", 14},
};

Test(filter, frame_too_short_to_tell_is_accepted)
{
	struct filter_spec spec = spec_of(one_port, 1);
	struct rig rig;

	rig_open(&rig, &spec);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		struct bytes f = frame_of(cuts[i].hex);
		size_t whole = f.len;

		for (f.len = 1; f.len <= whole; f.len++) {
			char name[64];

			snprintf(name, sizeof(name), "%s, %zu bytes", cuts[i].name, f.len);
			check(&rig, name, &f, f.len < cuts[i].from);
		}
	}
	rig_close(&rig);
}

Test(filter, without_ranges_every_tcp_and_udp_frame_is_accepted)
{
	static const struct vector any[] = {
		{"v4 TCP", V4 "06" V4_ADDR PORTS_OTHER TCP_REST, true},
		{"v4 UDP", V4 "11" V4_ADDR PORTS_OTHER UDP_REST, true},
		{"v4 later fragment", V4_FRAG("0001") "11" V4_ADDR PORTS_OTHER, true},
		{"v6 TCP", V6("06") PORTS_OTHER TCP_REST, true},
		{"v6 UDP", V6("11") PORTS_OTHER UDP_REST, true},
		{"v4 ICMP echo", V4 "01" V4_ADDR "0800 0000 00010001", false},
		{"v4 ICMP error", V4 "01" V4_ADDR "0303 0000 00000000", true},
		{"NDP", V6("3a") "8700 0000 00000000", false},
		{"ARP", "0806 0001 0800 0604 0001", false},
	};
	struct filter_spec spec = spec_of(NULL, 0);
	struct rig rig;

	rig_open(&rig, &spec);
	for (size_t i = 0; i < sizeof(any) / sizeof(any[0]); i++) {
		struct bytes f = frame_of(any[i].hex);

		check(&rig, any[i].name, &f, any[i].accept);
	}
	rig_close(&rig);
}

Test(filter, canary_is_rejected_unless_asked_for)
{
	struct filter_spec spec = {.ranges = one_port, .n_ranges = 1};
	struct bytes f = frame_of("88b5 64776972 0000000000000001 0000");
	struct rig rig;

	rig_open(&rig, &spec);
	check(&rig, "canary", &f, false);
	rig_close(&rig);
}

/* A frame of one family that has @sport and @dport. */
static struct bytes frame_with_ports(bool v6, uint16_t sport, uint16_t dport)
{
	struct bytes f =
		frame_of(v6 ? V6("06") PORTS_OTHER TCP_REST : V4 "06" V4_ADDR PORTS_OTHER TCP_REST);
	size_t at = v6 ? 54 : 34;

	put_be16(f.b + at, sport);
	put_be16(f.b + at + 2, dport);
	return f;
}

static void check_port(const struct rig *rig, uint16_t port, bool accept)
{
	static const uint16_t elsewhere = 64999;

	for (int i = 0; i < 4; i++) {
		bool v6 = i & 1, as_source = i & 2;
		struct bytes f = as_source ? frame_with_ports(v6, port, elsewhere)
					   : frame_with_ports(v6, elsewhere, port);
		char name[64];

		snprintf(name, sizeof(name), "%s %s port %u", v6 ? "v6" : "v4",
			 as_source ? "source" : "destination", port);
		check(rig, name, &f, accept);
	}
}

Test(filter, both_ends_of_a_range_belong_to_it)
{
	static const struct port_range ranges[] = {{0, 0}, {1000, 1999}, {65535, 65535}};
	static const struct {
		uint16_t port;
		bool accept;
	} ports[] = {{0, true},	   {1, false},	  {999, false},	  {1000, true}, {1500, true},
		     {1999, true}, {2000, false}, {65534, false}, {65535, true}};
	struct filter_spec spec = spec_of(ranges, 3);
	struct rig rig;

	rig_open(&rig, &spec);
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		check_port(&rig, ports[i].port, ports[i].accept);
	rig_close(&rig);
}

Test(filter, sixteen_ranges_fit_and_each_one_matches)
{
	struct port_range ranges[FILTER_RANGES_MAX];
	struct filter_spec spec = spec_of(ranges, FILTER_RANGES_MAX);
	struct rig rig;

	for (uint16_t i = 0; i < FILTER_RANGES_MAX; i++)
		ranges[i] =
			(struct port_range){(uint16_t)(i * 1000 + 100), (uint16_t)(i * 1000 + 199)};
	rig_open(&rig, &spec);
	for (size_t i = 0; i < FILTER_RANGES_MAX; i++) {
		check_port(&rig, (uint16_t)(ranges[i].lo - 1), false);
		check_port(&rig, ranges[i].lo, true);
		check_port(&rig, ranges[i].hi, true);
		check_port(&rig, (uint16_t)(ranges[i].hi + 1), false);
	}
	rig_close(&rig);
}

Test(filter, accepted_frame_is_cut_to_snaplen)
{
	struct filter_spec spec = spec_of(one_port, 1);
	struct bytes f = frame_with_ports(false, PORT, 1);
	struct rig rig;

	f.len = BYTES_MAX;
	rig_open(&rig, &spec);
	cr_expect(kernel_run(&rig, &f) == FILTER_SNAPLEN);
	cr_expect(interp_run(&rig, &f) == FILTER_SNAPLEN);
	rig_close(&rig);
	spec.snaplen = 77;
	rig_open(&rig, &spec);
	cr_expect(kernel_run(&rig, &f) == 77);
	cr_expect(interp_run(&rig, &f) == 77);
	rig_close(&rig);
}

Test(filter, impossible_specs_and_small_buffers_are_refused)
{
	static const struct port_range upside_down[] = {{1, 2}, {8, 7}};
	struct port_range many[FILTER_RANGES_MAX + 1] = {{0, 0}};
	struct sock_filter insns[FILTER_INSNS_MAX];
	struct filter_spec spec = spec_of(upside_down, 2);
	int need;

	cr_expect(filter_generate(&spec, insns, FILTER_INSNS_MAX) == -EINVAL);
	spec = spec_of(many, FILTER_RANGES_MAX + 1);
	cr_expect(filter_generate(&spec, insns, FILTER_INSNS_MAX) == -EINVAL);
	spec = spec_of(one_port, 1);
	need = filter_generate(&spec, insns, FILTER_INSNS_MAX);
	cr_assert(need > 0);
	for (size_t cap = 0; cap < (size_t)need; cap++)
		cr_expect(filter_generate(&spec, insns, cap) == -ENOSPC, "cap %zu", cap);
	cr_expect(filter_generate(&spec, insns, (size_t)need) == need);
}

/* xorshift64: the same bytes in every run. */
static uint32_t rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32);
}

/* Half noise, half a frame of the table with a few bytes changed and its end cut off. */
static struct bytes random_frame(uint64_t *state)
{
	size_t row = rnd(state) % (sizeof(vectors) / sizeof(vectors[0]));
	struct bytes f = frame_of(vectors[row].hex);

	if (rnd(state) % 2) {
		for (int changes = rnd(state) % 4; changes > 0; changes--)
			f.b[12 + rnd(state) % (f.len - 12)] = (uint8_t)rnd(state);
		if (rnd(state) % 4 == 0)
			f.len = 1 + rnd(state) % f.len;
		return f;
	}
	f.len = 1 + rnd(state) % (BYTES_MAX - 1);
	for (size_t i = 0; i < f.len; i++)
		f.b[i] = (uint8_t)rnd(state);
	if (rnd(state) % 2) /* noise behind an EtherType that is looked into */
		put_be16(f.b + 12, rnd(state) % 2 ? 0x0800 : 0x86dd);
	return f;
}

Test(filter, interpreter_and_kernel_agree_on_20000_random_frames)
{
	static const struct port_range ranges[] = {{0, 20000}, {PORT, PORT}, {50000, 60000}};
	struct filter_spec spec = spec_of(ranges, 3);
	uint64_t state = 0x9e3779b97f4a7c15;
	size_t accepted = 0;
	struct rig rig;

	rig_open(&rig, &spec);
	for (int i = 0; i < 20000; i++) {
		struct bytes f = random_frame(&state);
		size_t in_kernel = kernel_run(&rig, &f);

		cr_assert(in_kernel == interp_run(&rig, &f), "frame %d of %zu bytes", i, f.len);
		accepted += in_kernel > 0;
	}
	cr_expect(accepted > 2000 && accepted < 18000, "one-sided input: %zu accepted", accepted);
	rig_close(&rig);
}
