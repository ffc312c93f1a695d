/* SPDX-License-Identifier: MIT */
/* veth_rate.c - what it costs a sender to be watched: veth_rate SECONDS [COMMAND...] */
#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/lab.h"
#include "../../rawstack/netlink/netns.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Makes the usual lab: two hosts and a cable. COMMAND watches the server's end (interface "vb")
 * from within the server's namespace; when it has said a line on stderr, this process sends empty
 * IPv4 datagrams to a bound socket of port 7000 on the server, as fast as one core can, from the
 * client's. Then COMMAND gets SIGINT; what it says on stderr is passed on. Without COMMAND nobody
 * watches.
 *
 * Sender and watcher are kept on different processors, else they would be measured taking turns.
 */
enum { PORT = 7000, BATCH = 64 };

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static pid_t start_watcher(const struct lab *lab, char **argv, FILE **said)
{
	int pipefd[2], back;
	pid_t pid;

	if (pipe(pipefd) < 0)
		exit(3);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(1);
		dup2(pipefd[1], STDERR_FILENO);
		close(pipefd[0]);
		close(pipefd[1]);
		if (netns_enter(lab->host[LAB_SERVER].netns_fd, &back) == 0)
			execvp(argv[0], argv);
		fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(pipefd[1]);
	*said = fdopen(pipefd[0], "r");
	return pid;
}

static int server_socket(const struct lab *lab, int family, const struct endpoint *ep, bool bound)
{
	enum lab_side side = bound ? LAB_SERVER : LAB_CLIENT;
	int fd = netns_socket(lab->host[side].netns_fd, family, SOCK_DGRAM, 0);
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(ep, family, &ss);

	if (fd < 0 || (bound ? bind(fd, (struct sockaddr *)&ss, (socklen_t)len)
			     : connect(fd, (struct sockaddr *)&ss, (socklen_t)len)) < 0) {
		perror("socket");
		exit(3);
	}
	return fd;
}

static uint64_t blast(int fd, double seconds)
{
	static struct mmsghdr msgs[BATCH];
	struct iovec empty = {(void *)"", 0};
	uint64_t sent = 0, end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);

	for (int i = 0; i < BATCH; i++)
		msgs[i].msg_hdr = (struct msghdr){.msg_iov = &empty, .msg_iovlen = 1};
	while (clock_ns(CLOCK_MONOTONIC) < end) {
		int n = sendmmsg(fd, msgs, BATCH, 0);

		sent += n > 0 ? (uint64_t)n : 0;
	}
	return sent;
}

static double cpu_seconds(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void pass_on(FILE *said)
{
	char line[512];

	while (said && fgets(line, sizeof(line), said))
		printf("    %s", line);
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 0, cpu;
	struct endpoint server = {.port = PORT};
	FILE *said = NULL;
	char line[512];
	struct lab lab;
	struct lab_error why = {0};
	pid_t pid = 0;
	uint64_t sent;
	int fd;

	if (!(seconds > 0)) {
		fprintf(stderr, "usage: veth_rate SECONDS [COMMAND...]\n");
		return 64;
	}
	if (netns_become_capable() < 0 || lab_create(&lab, &why) < 0) {
		fprintf(stderr, "no lab: cannot %s\n", why.step);
		return 3;
	}
	server.addr = lab.host[LAB_SERVER].v4[0];
	server_socket(&lab, AF_INET, &server, true);
	fd = server_socket(&lab, AF_INET, &server, false);
	pin(0);
	if (argc > 2) {
		pid = start_watcher(&lab, argv + 2, &said);
		if (!said || !fgets(line, sizeof(line), said))
			return 3;
	}
	cpu = cpu_seconds(RUSAGE_SELF);
	sent = blast(fd, seconds);
	cpu = cpu_seconds(RUSAGE_SELF) - cpu;
	printf("%-12s %8.0f frames/s  %5.0f ns of CPU a frame", argc > 2 ? argv[2] : "unwatched",
	       (double)sent / seconds, cpu * 1e9 / (double)sent);
	if (pid) {
		kill(pid, SIGINT);
		printf("\n");
		pass_on(said);
		waitpid(pid, NULL, 0);
		printf("    %.2f s of CPU for watching, %llu frames sent\n",
		       cpu_seconds(RUSAGE_CHILDREN), (unsigned long long)sent);
	} else {
		printf("\n");
	}
	lab_destroy(&lab);
	return 0;
}
