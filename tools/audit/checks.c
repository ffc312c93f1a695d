/* SPDX-License-Identifier: MIT */
/* checks.c - the table of checks */
#include "checks.h"

const struct audit_check_info audit_checks[CHECK_NUM] = {
	[CHECK_LISTENERS] = {"listeners",
			     "which families each listener serves, on this system and with "
			     "bindv6only=1; who could share its port",
			     check_listeners_run},
	[CHECK_REACH] = {"reach", "every address by every kind of client: served, refused, silent",
			 check_reach_run},
	[CHECK_ACL] = {"acl", "what --forbid names is not served, what --allow names is",
		       check_acl_run},
	[CHECK_IDENTITY] = {"identity", "a client is written in one form, not as ::ffff: as well",
			    check_identity_run},
	[CHECK_UDP_SOURCE] = {"udp-source", "a UDP answer comes from the address that was asked",
			      check_udp_source_run},
	[CHECK_FORGED_MAPPED] = {"forged-mapped",
				 "a native IPv6 datagram from a ::ffff: address is not answered",
				 check_forged_mapped_run},
	[CHECK_SCOPE] = {"scope",
			 "link-local clients are served, and written so that one can answer them",
			 check_scope_run},
	[CHECK_RESTART] = {"restart",
			   "it listens again while connections of its last run are still there",
			   check_restart_run},
};

const char *audit_check_name(enum audit_check c)
{
	return audit_checks[c].name;
}

const char *audit_check_about(enum audit_check c)
{
	return audit_checks[c].about;
}
