/* SPDX-License-Identifier: MIT */
/* t_damage.h - every way to spoil good evidence, and what is to be said of it then */
#ifndef TESTS_UNIT_T_DAMAGE_H
#define TESTS_UNIT_T_DAMAGE_H

#include "../../rawstack/witness/judge.h"

struct t_damage {
	const char *name;
	void (*apply)(struct evidence *ev); /* to the document of t_evidence_good() */
	uint16_t port;			    /* of the connection that is looked at */
	enum verdict verdict;
	enum reason reason; /* that must be among its reasons; REASON_NUM: it must have none */
};

extern const struct t_damage T_DAMAGES[];
extern const size_t T_N_DAMAGES;

/* The damage of that name, applied. */
void t_damage(struct evidence *ev, const char *name);

#endif
