/* SPDX-License-Identifier: MIT */
/* netns.h - network namespaces by file descriptor: sockets that live in another one, threads that
 * visit it */
#ifndef RAWSTACK_NETLINK_NETNS_H
#define RAWSTACK_NETLINK_NETNS_H

#include <stdint.h>

/* Opens the calling thread's network namespace. Returns a close-on-exec descriptor or -errno. */
int netns_open_self(void);

/*
 * Makes a new network namespace and returns its descriptor; the calling thread stays where it was.
 * No name, no mount: it is gone when the last descriptor, socket and thread in it are. Its lo is
 * down. Returns fd or -errno; -EPERM also when the thread could not come back, see
 * netns_become_capable().
 */
int netns_new(void);

/*
 * Moves the calling thread into @netns_fd. @back receives a descriptor of where it was, for
 * netns_leave(). Returns 0 or -errno (and then the thread has not moved); -EPERM also when there
 * would be no way back.
 */
int netns_enter(int netns_fd, int *back);

/* Moves the thread back and closes @back. A failure cannot be handled by any caller and aborts. */
void netns_leave(int back);

/* socket(2) in @netns_fd (-1: here); the socket keeps that namespace for life. Returns fd or
 * -errno. */
int netns_socket(int netns_fd, int domain, int type, int protocol);

/* The namespace's inode number, its identity in reports; 0 when it cannot be read. */
uint64_t netns_inode(int netns_fd);

/*
 * Gives the calling, still single-threaded process the right to make namespaces: nothing to do when
 * CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW are effective and suffice to make one. Else the
 * process moves into a user namespace in which its ids map to 0, together with a new network
 * namespace that has only lo, up: from a network namespace that it does not own, a thread could
 * leave but never come back. Returns 0 (has not moved); 1 (moved); -EPERM when this kernel forbids
 * user namespaces; -EINVAL when there are more threads; other -errno. After an error the process
 * may be in an unmapped user namespace and should end.
 */
int netns_become_capable(void);

#endif
