/* SPDX-License-Identifier: MIT */
/* t_stream.c - a client of an echo server that sends and receives at the same time */
#include "t_stream.h"

#include "t_program.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK = 65536 };

void digest_start(struct digest *d)
{
	char *const argv[] = {(char *)"sha256sum", NULL};
	int in[2], out[2];

	cr_assert(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	d->pid = fork();
	cr_assert(d->pid >= 0);
	if (d->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup2(in[0], STDIN_FILENO) >= 0 && dup2(out[1], STDOUT_FILENO) >= 0)
			execvp(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	d->in = in[1];
	d->out = out[0];
}

void digest_add(const struct digest *d, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(d->in, data, len);

		cr_assert(n > 0, "sha256sum: %s", strerror(errno));
		data += n;
		len -= (size_t)n;
	}
}

void digest_end(struct digest *d, char hex[65])
{
	close(d->in);
	cr_assert(read(d->out, hex, 64) == 64, "sha256sum says nothing");
	hex[64] = '\0';
	close(d->out);
	waitpid(d->pid, NULL, 0);
}

struct stream {
	int fd;
	uint64_t left, state;
	struct digest sent, received;
	uint8_t block[BLOCK];
	size_t at, len; /* of the block: sent up to, filled up to */
	bool ended;	/* the peer's side */
	struct stream_result *out;
};

/* splitmix64, by Sebastiano Vigna. */
static uint64_t next_noise(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

void stream_noise(uint64_t *state, uint8_t *block, size_t len)
{
	for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
		uint64_t v = next_noise(state);

		memcpy(block + i, &v, sizeof(v));
	}
}

static void fill(struct stream *s)
{
	s->at = 0;
	s->len = s->left < BLOCK ? (size_t)s->left : BLOCK;
	s->left -= s->len;
	stream_noise(&s->state, s->block, BLOCK);
	digest_add(&s->sent, s->block, s->len);
}

/* Returns whether anything moved. */
static bool send_some(struct stream *s)
{
	ssize_t n;

	if (s->at == s->len && s->left > 0)
		fill(s);
	if (s->at == s->len)
		return false;
	n = send(s->fd, s->block + s->at, s->len - s->at, MSG_NOSIGNAL | MSG_DONTWAIT);
	cr_assert(n > 0 || errno == EAGAIN, "sending, %llu received: %s",
		  (unsigned long long)s->out->received, strerror(errno));
	if (n <= 0)
		return false;
	s->at += (size_t)n;
	if (s->at == s->len && s->left == 0)
		shutdown(s->fd, SHUT_WR);
	return true;
}

static bool receive_some(struct stream *s)
{
	static uint8_t buf[4 * BLOCK];
	ssize_t n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);

	cr_assert(n >= 0 || errno == EAGAIN, "receiving, after %llu: %s",
		  (unsigned long long)s->out->received, strerror(errno));
	s->ended = n == 0;
	if (n <= 0)
		return false;
	digest_add(&s->received, buf, (size_t)n);
	s->out->received += (uint64_t)n;
	return true;
}

void stream_through(int fd, uint64_t bytes, uint64_t seed, unsigned int silence_ms,
		    unsigned int limit_ms, struct stream_result *out)
{
	static struct stream s;
	uint64_t start = program_now_ms();

	*out = (struct stream_result){.received = 0};
	s = (struct stream){.fd = fd, .left = bytes, .state = seed, .out = out};
	digest_start(&s.sent);
	digest_start(&s.received);
	while (!s.ended) {
		bool more = s.left > 0 || s.at < s.len;
		struct pollfd p = {.fd = fd, .events = (short)(POLLIN | (more ? POLLOUT : 0))};

		cr_assert(poll(&p, 1, (int)silence_ms) == 1,
			  "silence for %u ms: %llu not sent yet, %llu received", silence_ms,
			  (unsigned long long)(s.left + s.len - s.at),
			  (unsigned long long)out->received);
		cr_assert(program_now_ms() - start < limit_ms, "%llu received in %u ms",
			  (unsigned long long)out->received, limit_ms);
		if (p.revents & (POLLIN | POLLHUP | POLLERR))
			receive_some(&s);
		if (!s.ended)
			send_some(&s);
	}
	out->seconds = (double)(program_now_ms() - start) / 1e3;
	digest_end(&s.sent, out->sent_sha);
	digest_end(&s.received, out->received_sha);
	close(fd);
}
