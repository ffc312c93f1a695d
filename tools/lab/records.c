/* SPDX-License-Identifier: MIT */
/* records.c - what server and clients of a lab report, as evidence */
#include "records.h"

struct evidence_api record_of_client(const struct client_record *rec)
{
	return (struct evidence_api){
		.side = SIDE_CLIENT,
		.call = CALL_CONNECT,
		.proto = (uint8_t)rec->proto,
		.family = rec->family,
		.error = rec->error,
		.local = rec->local,
		.peer = rec->peer,
		.cookie = rec->cookie,
		.ts_ns = rec->real_ns,
		.bytes_in = rec->bytes_in,
		.bytes_out = rec->bytes_out,
	};
}

struct evidence_api record_of_server(const struct server_record *rec)
{
	return (struct evidence_api){
		.side = SIDE_SERVER,
		.call = rec->event == SERVER_DATAGRAM ? CALL_RECVFROM : CALL_ACCEPT,
		.proto = (uint8_t)rec->proto,
		.family = rec->family,
		.local = rec->local,
		.peer = rec->peer,
		.cookie = rec->cookie,
		.ts_ns = rec->real_ns,
		.bytes_in = rec->bytes_in,
		.bytes_out = rec->bytes_out,
	};
}
