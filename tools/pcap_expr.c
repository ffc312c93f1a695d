/* SPDX-License-Identifier: MIT */
/* pcap_expr.c - tcpdump's language by way of libpcap, loaded at run time */
#include "pcap_expr.h"

#include "../rawstack/capture/pcap_link.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * libpcap's ABI as far as it is needed, from its manual pages: pcap_open_dead(3), pcap_compile(3),
 * pcap_offline_filter(3). Its structures have had these layouts since its 0.x days.
 */
enum { SNAPLEN = 65535 };

struct bpf_program {
	unsigned int len;
	void *insns;
};

struct pcap_pkthdr {
	struct timeval ts;
	uint32_t caplen, len;
};

struct library {
	void *handle;
	void *(*open_dead)(int linktype, int snaplen);
	int (*compile)(void *p, struct bpf_program *prog, const char *text, int optimize,
		       uint32_t netmask);
	char *(*geterr)(void *p);
	int (*offline_filter)(const struct bpf_program *prog, const struct pcap_pkthdr *h,
			      const uint8_t *bytes);
	void (*freecode)(struct bpf_program *prog);
	void (*close)(void *p);
};

struct pcap_expr {
	struct library lib;
	struct bpf_program prog[LINK_NUM];
};

static const int LINKTYPES[LINK_NUM] = {
	[LINK_ETHERNET] = PCAP_LINK_ETHERNET, [LINK_RAW] = PCAP_LINK_RAW_BSD,
	[LINK_SLL] = PCAP_LINK_LINUX_SLL,     [LINK_SLL2] = PCAP_LINK_LINUX_SLL2,
	[LINK_NULL] = PCAP_LINK_NULL,	      [LINK_LOOP] = PCAP_LINK_LOOP,
};

static bool find(struct library *l, const char *name, void *function)
{
	void *p = dlsym(l->handle, name);

	memcpy(function, &p, sizeof(p));
	return p != NULL;
}

static bool load(struct library *l)
{
	l->handle = dlopen("libpcap.so.0.8", RTLD_NOW | RTLD_LOCAL);
	if (!l->handle)
		l->handle = dlopen("libpcap.so.1", RTLD_NOW | RTLD_LOCAL);
	return l->handle && find(l, "pcap_open_dead", &l->open_dead) &&
	       find(l, "pcap_compile", &l->compile) && find(l, "pcap_geterr", &l->geterr) &&
	       find(l, "pcap_offline_filter", &l->offline_filter) &&
	       find(l, "pcap_freecode", &l->freecode) && find(l, "pcap_close", &l->close);
}

/* An expression may make sense on some links only ("ether host"): Ethernet decides. */
static int compile_for(struct pcap_expr *e, const char *text, enum link_type link, char *why)
{
	void *p = e->lib.open_dead(LINKTYPES[link], SNAPLEN);
	int rc = 0;

	if (!p)
		return -ENOMEM;
	if (e->lib.compile(p, &e->prog[link], text, 1, UINT32_MAX) != 0) {
		e->prog[link] = (struct bpf_program){0};
		rc = link == LINK_ETHERNET ? -EINVAL : 0;
		if (rc < 0)
			snprintf(why, PCAP_EXPR_WHY_MAX, "%s", e->lib.geterr(p));
	}
	e->lib.close(p);
	return rc;
}

int pcap_expr_compile(const char *text, struct pcap_expr **out, char why[PCAP_EXPR_WHY_MAX])
{
	struct pcap_expr *e = calloc(1, sizeof(*e));
	int rc = 0;

	snprintf(why, PCAP_EXPR_WHY_MAX, "out of memory");
	if (!e)
		return -ENOMEM;
	if (!load(&e->lib)) {
		snprintf(why, PCAP_EXPR_WHY_MAX, "libpcap is not installed");
		pcap_expr_free(e);
		return -ENOENT;
	}
	for (int link = 0; link < LINK_NUM && rc == 0; link++)
		rc = compile_for(e, text, (enum link_type)link, why);
	if (rc < 0) {
		pcap_expr_free(e);
		return rc;
	}
	*out = e;
	return 0;
}

bool pcap_expr_match(const struct pcap_expr *e, const struct ring_frame *f)
{
	const struct pcap_pkthdr h = {.caplen = f->meta.caplen, .len = f->meta.wirelen};
	const struct bpf_program *prog = &e->prog[f->meta.link];

	return prog->insns && e->lib.offline_filter(prog, &h, f->bytes) != 0;
}

void pcap_expr_free(struct pcap_expr *e)
{
	if (!e)
		return;
	for (int link = 0; link < LINK_NUM; link++)
		if (e->prog[link].insns)
			e->lib.freecode(&e->prog[link]);
	if (e->lib.handle)
		dlclose(e->lib.handle);
	free(e);
}
