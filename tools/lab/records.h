/* SPDX-License-Identifier: MIT */
/* records.h - what server and clients of a lab report, as evidence */
#ifndef TOOLS_LAB_RECORDS_H
#define TOOLS_LAB_RECORDS_H

#include "../../rawstack/witness/evidence.h"
#include "../../uring/client.h"
#include "../../uring/server.h"

struct evidence_api record_of_client(const struct client_record *rec);

/* Of SERVER_ACCEPTED and SERVER_DATAGRAM. */
struct evidence_api record_of_server(const struct server_record *rec);

#endif
