/* SPDX-License-Identifier: MIT */
/* program.h - programs of others that a case needs, run in a namespace of the lab */
#ifndef TOOLS_LAB_PROGRAM_H
#define TOOLS_LAB_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PROGRAM_PATH = 64 };

/* Where @name is installed, also where only root looks: into @path. Returns whether it is. */
bool program_find(const char *name, char path[PROGRAM_PATH]);

/*
 * Runs @argv in @netns_fd with @input as its standard input, and waits at most @ms. Returns 0 when
 * it ended well; -EPROTO when not, with the first line it said in @said; -ETIMEDOUT (it was
 * killed); other -errno.
 */
int program_run(int netns_fd, const char *const *argv, const char *input, unsigned int ms,
		char *said, size_t said_len);

/* Starts @argv in @netns_fd, mute; it dies with this process. Returns its pid or -errno. */
pid_t program_start(int netns_fd, const char *const *argv);

/* Ends what program_start() started. */
void program_end(pid_t pid);

#endif
