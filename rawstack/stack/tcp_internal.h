/* SPDX-License-Identifier: MIT */
/* tcp_internal.h - connections, half-open ones and those in TIME-WAIT; for tcp*.c and their tests
 */
#ifndef RAWSTACK_STACK_TCP_INTERNAL_H
#define RAWSTACK_STACK_TCP_INTERNAL_H

#include "../siphash.h"
#include "../wire/tcp.h"
#include "ilist.h"
#include "stack_internal.h"

/*
 * Three kinds of connection, by what they cost:
 *
 *	struct tcp_mini  64 bytes	SYN-RECEIVED of a passive open, and TIME-WAIT
 *	struct tcp_conn 272 bytes	every other state; buffers only while they hold data
 *	nothing				LISTEN (a binding), and a half-open one that lives in a
 *cookie
 *
 * All are found in one hash table by peer, ports and our address. Addresses are the sixteen-byte
 * form, so that one table and one code serve both families; @v6 says how the segments travel and
 * decides header size, default MSS and nothing else.
 *
 * Time is in milliseconds modulo 2^32, compared by difference; round-trip times in microseconds.
 */
enum {
	TCP_RTO_INIT_MS = 1000,	    /* RFC 6298 2.1 */
	TCP_RTO_LOST_SYN_MS = 3000, /* RFC 6298 5.7 */
	TCP_RTO_MAX_MS = 120000,    /* RFC 6298 2.5 allows 60 s or more */
	TCP_RETRIES = 15,	    /* R2, about 15 minutes (MUST-20; RFC 1122 4.2.3.5) */
	TCP_SYN_RETRIES = 7,	    /* 247 s, over 3 minutes (MUST-23) */
	TCP_SYNACK_RETRIES = 5,	    /* 63 s, as Linux */
	TCP_ORPHAN_RETRIES = 8,
	TCP_KEEPALIVE_PROBES = 9,
	TCP_KEEPALIVE_INTERVAL_MS = 75000,
	TCP_IW_SEGMENTS = 10, /* RFC 6928 2 */
	TCP_MSS_V4 = 536,     /* MUST-15 */
	TCP_MSS_V6 = 1220,
	TCP_MSS_MIN = 64,			  /* what a peer may bring us down to */
	TCP_WSCALE_MAX = 14,			  /* RFC 7323 2.3 */
	TCP_DUPACKS = 3,			  /* RFC 5681 3.2 */
	TCP_PAWS_IDLE_MS = 24 * 24 * 3600 * 1000, /* RFC 7323 5.5 */
	TCP_CHALLENGES = 8, /* in a second, and up to as many more by chance (RFC 5961 7) */
	TCP_CWND_MAX = 1 << 30,
	TCP_TS_OPTION = 12, /* bytes of the timestamps option, padded */
};

enum tcp_state {
	TCP_S_CLOSED, /* over; waits for its user to close it */
	TCP_S_SYN_SENT,
	TCP_S_SYN_RECEIVED, /* of a simultaneous open */
	TCP_S_ESTABLISHED,
	TCP_S_FIN_WAIT_1,
	TCP_S_FIN_WAIT_2,
	TCP_S_CLOSE_WAIT,
	TCP_S_CLOSING,
	TCP_S_LAST_ACK,
	TCP_S_TIME_WAIT, /* on its way into struct tcp_mini */
	TCP_S_NUM
};

enum tcp_flag {
	TCP_F_V6 = 1 << 0,     /* wire family */
	TCP_F_INET6 = 1 << 1,  /* socket family */
	TCP_F_V6ONLY = 1 << 2, /* of the socket */
	TCP_F_TS = 1 << 3,     /* timestamps are in use */
	TCP_F_SACK = 1 << 4,   /* both may send SACK */
	TCP_F_NODELAY = 1 << 5,
	TCP_F_WAITING = 1 << 6,	   /* in a listener's queue */
	TCP_F_ORPHAN = 1 << 7,	   /* its user has closed it */
	TCP_F_FIN_QUEUED = 1 << 8, /* FIN follows the data in the queue */
	TCP_F_FIN_RCVD = 1 << 9,
	TCP_F_NO_RECV = 1 << 10, /* shut down for receiving */
	TCP_F_ACK_NOW = 1 << 11, /* an acknowledgement leaves with the next flush */
	TCP_F_ON_OUT = 1 << 12,	 /* on the list that a flush goes through */
	TCP_F_ON_EVENTS = 1 << 13,
	TCP_F_ON_WHEEL = 1 << 14,
	TCP_F_HASHED = 1 << 15,
	TCP_F_RECOVERY = 1 << 16,     /* fast recovery, until recover is acknowledged */
	TCP_F_RTO_RECOVERY = 1 << 17, /* the timer fired; until recover is acknowledged */
	TCP_F_REORDERED = 1 << 18,    /* segments were seen to overtake each other */
	TCP_F_WANT_SEND = 1 << 19,    /* stack_send() took less than asked */
	TCP_F_PROBING = 1 << 20,      /* the retransmission timer is the persist timer */
	TCP_F_FIN_AHEAD = 1 << 21,    /* FIN came, data before it did not */
	TCP_F_REO_TIMER = 1 << 22,    /* TCP_T_PROBE waits for what may be late, not lost */
	TCP_F_PROBED = 1 << 23,	      /* a tail loss probe is out, up to probe_end */
	TCP_F_PROBED_AGAIN = 1 << 24, /* it was one sent again */
	TCP_F_ALONE = 1 << 25,	      /* one segment is out, from snd_una to snd_nxt, no record */
};

enum tcp_timer {
	TCP_T_RTX = 1 << 0,   /* retransmission or persist */
	TCP_T_ACK = 1 << 1,   /* delayed acknowledgement */
	TCP_T_LIFE = 1 << 2,  /* keep-alive */
	TCP_T_PROBE = 1 << 3, /* tail loss probe, or TCP_F_REO_TIMER */
};

enum tcp_event_bit {
	TCP_E_CONNECTED = 1 << 0,
	TCP_E_READABLE = 1 << 1,
	TCP_E_WRITABLE = 1 << 2,
	TCP_E_CLOSED = 1 << 3,
};

struct tcp_conn {
	/* What every segment looks at comes first. */
	uint32_t hash_next, hash;
	uint16_t pport, lport; /* host order */
	struct addr peer;
	uint8_t own; /* our address */
	uint8_t state;
	uint8_t timers; /* enum tcp_timer: armed */
	uint8_t events; /* enum tcp_event_bit: pending */
	uint32_t flags;

	uint32_t rcv_nxt;
	uint32_t rcv_edge; /* rcv_nxt + RCV.WND as advertised; never moves back (SHLD-14) */
	uint32_t last_ack; /* Last.ACK.sent (RFC 7323 4.3) */
	uint32_t ts_recent, ts_recent_ms;
	uint32_t ts_off; /* our clock's offset towards this peer */

	uint32_t snd_una;
	uint32_t snd_nxt; /* behind the last record of what is out (tcp_sent.c) */
	uint32_t snd_max; /* the same, or by the octet of a window probe more */
	uint32_t snd_end; /* behind the last octet queued */
	uint32_t snd_wnd, snd_wl1, snd_wl2;
	uint32_t max_wnd; /* the largest window the peer has offered */

	uint32_t cwnd, ssthresh;
	uint32_t recover; /* snd_max when recovery began (RFC 6582) */
	uint32_t srtt_us, rttvar_us;
	uint32_t min_rtt_us, min_rtt_ms; /* the shortest of late, and when that was */
	uint32_t syn_us;		 /* when our SYN left first */
	uint32_t probe_end;		 /* TCP_F_PROBED */
	uint32_t alone_us;		 /* TCP_F_ALONE: when it left */
	uint32_t rto_ms;

	uint16_t mss; /* octets of data in a full segment, options already subtracted */
	uint8_t snd_shift, rcv_shift;
	uint8_t dupacks, retries, probes;
	uint8_t unacked; /* segments received since the last acknowledgement, up to 255 */
	uint8_t reo_mult, reo_persist; /* RFC 8985: reo_wnd_mult - 1, reo_wnd_persist */

	uint32_t rtx_ms, ack_ms, life_ms, probe_ms; /* deadlines of the timers armed */
	uint32_t wheel_ms;			    /* where it hangs in the wheel */
	struct ilink wheel, out, event;		    /* event: also the listener's queue */

	uint32_t snd_q, snd_q_last; /* data from snd_una on; struct seg */
	uint32_t snd_cursor;	    /* where the last segment was cut from, 0: nowhere */
	uint32_t rcv_q, rcv_q_last; /* data in order, not yet taken */
	uint32_t ooo_q;		    /* behind a gap, in order of sequence */
	uint32_t held;		    /* octets in order that are unread or lent */
	uint32_t flight;	    /* struct tcp_flight; 0: nothing is out, or TCP_F_ALONE */
	uint32_t ooo_n;		    /* segments there */
	uint32_t ooo_recent;	    /* what came last: equal to fin_seq, the FIN (RFC 2018 4) */
	uint32_t fin_seq;	    /* TCP_F_FIN_AHEAD: where the peer's FIN is */
	uint32_t acked;		    /* octets of ours the peer has acknowledged, up to 2^32 - 1 */

	uint32_t gen; /* of the handle */
	uint16_t binding;
	uint8_t error, soft_error; /* errno */
	uint16_t challenge_s;	   /* the second of the last challenge */
	uint8_t challenges, challenge_max;
	uint32_t user;
	uint32_t confirm_ms; /* when the neighbour was last said to be alive */
	uint32_t keepalive_ms, heard_ms, sent_ms;
};
_Static_assert(sizeof(struct tcp_conn) <= 296, "an idle connection is at most 512 bytes in all");

/* FIN_WAIT_2: of connections whose user has closed them. */
enum { TCP_MINI_SYN = 1, TCP_MINI_TIME_WAIT = 2, TCP_MINI_FIN_WAIT_2 = 3 };

struct tcp_mini {
	uint32_t hash_next, hash;
	uint16_t pport, lport;
	struct addr peer;
	uint8_t own;
	uint8_t kind;
	uint8_t retries;   /* SYN-ACKs sent again: also which list it is on */
	uint8_t snd_shift; /* TCP_WSCALE_NONE: none */
	struct ilink age;
	uint32_t rcv_nxt; /* SYN: IRS + 1 */
	uint32_t snd_nxt; /* SYN: ISS + 1 */
	uint32_t ts_recent;
	uint32_t due_ms;
	uint16_t flags;	 /* TCP_F_V6, TCP_F_TS, TCP_F_SACK, TCP_F_ACK_NOW */
	uint16_t window; /* SYN: as offered by the peer */
	uint16_t binding;
	uint16_t mss; /* SYN: as offered by the peer */
};
_Static_assert(sizeof(struct tcp_mini) <= 64, "a half-open connection is at most 64 bytes");

/* A segment that is out, or is to be sent again. */
enum { TCP_SENT_SACKED = 1 << 0, TCP_SENT_LOST = 1 << 1, TCP_SENT_AGAIN = 1 << 2 };

struct tcp_sent {
	uint32_t seq, end; /* FIN included */
	uint32_t sent_us;  /* the last time */
	uint32_t flags;	   /* TCP_SENT_ */
	struct ilink order, line;
};
_Static_assert(sizeof(struct tcp_sent) == 32, "a record is 32 bytes");

/* What a connection needs while something is out. */
struct tcp_flight {
	struct ilist order; /* by sequence: all */
	struct ilist line;  /* by time of sending: those in flight */
	struct ilist lost;  /* those to be sent again */
	uint32_t n, n_sacked;
	uint32_t sacked, lost_octets;
	uint32_t cursor; /* the record that was SACKed last, 0: none */
	/* RFC 8985 6.1: the latest sent of what has arrived, and its round trip. */
	uint32_t rack_us, rack_end, rack_rtt_us;
	uint32_t fack;	/* behind the highest octet that has arrived */
	uint32_t round; /* in_round: one DSACK counts until this is acknowledged */
	/* RFC 6937: octets since recovery began, and what was out then. */
	uint32_t prr_delivered, prr_out, prr_flight;
	/* What was before, and segments sent again since that did not come twice. */
	uint32_t undo_cwnd, undo_ssthresh, undo_n;
	uint8_t probes; /* since anything has arrived */
	bool rack_any, in_round;
};

/* What one acknowledgement says. */
struct tcp_news {
	uint32_t delivered; /* octets that had not arrived before */
	uint32_t rtt_us;    /* timed: of the oldest that was sent once */
	uint32_t twice;	    /* octets that arrived twice (RFC 2883) */
	uint32_t fack;	    /* of the flight, before */
	bool timed;
};

enum { TCP_WHEEL_SLOTS = 8192 }; /* of one millisecond */

struct tcp_wheel {
	struct ilist slot[TCP_WHEEL_SLOTS];
	uint64_t busy[TCP_WHEEL_SLOTS / 64];
	uint32_t tick; /* the first millisecond not yet looked at */
	uint32_t armed;
};

struct tcp {
	uint32_t *buckets; /* heads of chains; TCP_TAG marks a struct tcp_mini */
	uint32_t mask;
	struct slab conns, minis, flights, sents;
	struct siphash_key hash_key, isn_key, cookie_key;
	struct ilist syns[TCP_SYNACK_RETRIES + 1]; /* by retries, the oldest first */
	struct ilist time_wait, fin_wait_2;	   /* the oldest first */
	struct ilist out, events;
	/* What came twice: said with that connection's next acknowledgement, or never. */
	const struct tcp_conn *dsack_of;
	struct tcp_sack dsack;
	uint32_t dsack_gen;
	uint64_t arrivals; /* of segments out of order, ever */
	uint32_t n_half_open, n_time_wait;
	uint32_t n_alone; /* TCP_F_ALONE: a record is kept back for each */
	uint64_t random;  /* a counter; its hash is what is random */
	bool cookies_sent;
	uint32_t cookie_ms; /* when the last one was: for as long as they may come back */
	uint64_t now;
	uint32_t now_ms;
	struct tcp_wheel wheel;
};

#define TCP_TAG 0x80000000U /* in the table: a struct tcp_mini */

/*
 * Of a four-tuple, with a secret key: where it is in the table, and what our timestamps towards it
 * begin with (RFC 7323 7.1). Neither half tells anything about the other.
 */
struct tcp_tuple_hash {
	uint32_t table, ts_off;
};

/* A segment, read. */
struct tcp_in {
	const struct packet *p;
	struct tcp_hdr h;
	const uint8_t *data;
	uint32_t len; /* octets of data */
	struct tcp_tuple_hash hash;
};

/* Sequence numbers (RFC 9293 3.4): differences modulo 2^32. Times too. */
static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static inline struct tcp_conn *conn_at(const struct tcp *t, uint32_t i)
{
	return (struct tcp_conn *)slab_at(&t->conns, i);
}

static inline struct tcp_mini *mini_at(const struct tcp *t, uint32_t i)
{
	return (struct tcp_mini *)slab_at(&t->minis, i);
}

static inline struct seg *seg_at(const struct stack *s, uint32_t i)
{
	return (struct seg *)slab_at(&s->segs, i);
}

static inline struct tcp_sent *sent_at(const struct stack *s, uint32_t i)
{
	return (struct tcp_sent *)slab_at(&s->tcp->sents, i);
}

static inline struct tcp_flight *flight_of(const struct stack *s, const struct tcp_conn *c)
{
	return c->flight == 0 ? NULL : (struct tcp_flight *)slab_at(&s->tcp->flights, c->flight);
}

/* tcp.c: the table */
void tcp_now(struct stack *s, uint64_t now);
struct tcp_tuple_hash tcp_hash(const struct tcp *t, const struct addr *peer, uint8_t own,
			       uint16_t pport, uint16_t lport);
/* Tagged index of who has this four-tuple, 0: nobody. */
uint32_t tcp_lookup(const struct tcp *t, uint32_t hash, const struct addr *peer, uint8_t own,
		    uint16_t pport, uint16_t lport);
uint32_t tcp_random(struct tcp *t);
/* A zeroed connection with its handle's generation, not hashed; 0: at the limit. */
uint32_t conn_alloc(struct stack *s);
void conn_hash(struct stack *s, uint32_t i, uint32_t hash);
void conn_unhash(struct stack *s, uint32_t i);
/* Gives everything it holds back. */
void conn_free(struct stack *s, uint32_t i);
stack_conn conn_handle(const struct tcp *t, uint32_t i);
/* The index behind a handle, 0: gone. */
uint32_t conn_find(const struct tcp *t, stack_conn conn);
void mini_hash(struct stack *s, uint32_t i, uint32_t hash);
/* Unhashes, unlists and frees. */
void mini_free(struct stack *s, uint32_t i);
void conn_want_out(struct stack *s, uint32_t i); /* to be looked at by the next flush */
void conn_event(struct stack *s, uint32_t i, uint8_t bits);
/* To TCP_S_CLOSED with @error (errno, 0: orderly): frees an orphan, tells the user otherwise. */
void conn_done(struct stack *s, uint32_t i, int error);
/* Our MSS towards this wire family, and the options' share of a segment. */
uint16_t tcp_mss(const struct stack *s, bool v6);
uint16_t tcp_mss_effective(const struct stack *s, bool v6, uint16_t peer_mss, bool ts);
uint8_t tcp_rcv_shift(const struct stack *s);
/* What a connection of either origin starts from, MSS and options being known. */
void conn_start(struct stack *s, struct tcp_conn *c);

/* tcp_in.c */
void conn_input(struct stack *s, uint32_t i, const struct tcp_in *in);
/* The rest of the segment that completed the handshake: data, FIN. */
void conn_text(struct stack *s, uint32_t i, const struct tcp_in *in);

/* tcp_ack.c */
void conn_ack(struct stack *s, uint32_t i, const struct tcp_in *in);
void conn_rtt_sample(struct stack *s, struct tcp_conn *c, uint32_t rtt_us);
void conn_rto_loss(struct stack *s, struct tcp_conn *c);
/* Looks for losses after @news, and begins or goes on with recovery. */
void conn_losses(struct stack *s, uint32_t i, const struct tcp_news *news);
/* Octets that may be in the network still (RFC 6675 pipe). */
uint32_t conn_pipe(const struct stack *s, const struct tcp_conn *c);

/* tcp_rcv.c */
/* Takes data into the queues, all inside the window. Returns false when rcv_nxt did not move. */
bool rcv_data(struct stack *s, uint32_t i, uint32_t seq, const uint8_t *data, uint32_t len);
void rcv_free(struct stack *s, struct tcp_conn *c);
void seg_list_free(struct stack *s, uint32_t first);
/* Blocks for an acknowledgement that leaves now. */
int rcv_sacks(struct stack *s, const struct tcp_conn *c, struct tcp_sack *sack, int max);
/* RFC 2883: [left, right) came twice; the next acknowledgement tells, if there is SACK. */
void rcv_duplicate(struct stack *s, const struct tcp_conn *c, uint32_t left, uint32_t right);
/* The same of what is below rcv_nxt in [seq, end). */
void rcv_old(struct stack *s, const struct tcp_conn *c, uint32_t seq, uint32_t end);
/* The stream has ended: nothing is waited for, and nothing more is told of what came twice. */
void rcv_fin(struct stack *s, struct tcp_conn *c);
/* Behind the highest octet received, rcv_nxt where nothing is behind a gap. */
uint32_t rcv_highest(const struct stack *s, const struct tcp_conn *c);
/* Octets the window may have: what is free of the buffer. */
uint32_t rcv_space(const struct stack *s, const struct tcp_conn *c);
/* After space was made: an update leaves only when it matters (MUST-39). */
void rcv_opened(struct stack *s, uint32_t i);

/* tcp_sent.c */
/* A record of what is about to leave, or false: not now, for lack of memory. */
bool sent_add(struct stack *s, struct tcp_conn *c, uint32_t seq, uint32_t end);
void sent_take_back(struct stack *s, struct tcp_conn *c); /* the last one: it did not leave */
void sent_free(struct stack *s, struct tcp_conn *c);
/* What is out with a record for each, TCP_F_ALONE too; NULL: nothing is, or memory is out. */
struct tcp_flight *sent_flight(struct stack *s, struct tcp_conn *c);
/* Everything below snd_una is forgotten; snd_una has moved by @acked, and snd_nxt not yet. */
void sent_acked(struct stack *s, struct tcp_conn *c, const struct tcp_in *in, uint32_t acked,
		struct tcp_news *news);
void sent_sacked(struct stack *s, struct tcp_conn *c, const struct tcp_in *in,
		 struct tcp_news *news);
void sent_lost(struct stack *s, struct tcp_flight *f, uint32_t k);
/* All that is not SACKed (@sacked_too: all), but the first, unless younger than @young_us. */
void sent_all_lost(struct stack *s, struct tcp_conn *c, uint32_t young_us, bool sacked_too);
/* What to send again next, made to fit into a segment and into the window; 0: nothing. */
uint32_t sent_next_lost(struct stack *s, struct tcp_conn *c);
void sent_again(struct stack *s, struct tcp_flight *f, uint32_t k); /* it has left again */

/* tcp_rack.c */
void rack_min_rtt(const struct stack *s, struct tcp_conn *c, uint32_t rtt_us);
/* A segment has arrived that was sent once. */
void rack_timed(const struct stack *s, struct tcp_conn *c, uint32_t rtt_us, struct tcp_news *news);
/* A record has arrived that had not. */
void rack_delivered(struct stack *s, struct tcp_conn *c, const struct tcp_sent *r,
		    const struct tcp_in *in, struct tcp_news *news);
/* Something came twice that was sent twice. */
void rack_twice(struct tcp_conn *c, struct tcp_flight *f);
void rack_recovered(struct tcp_conn *c);
/* Marks what is lost, and returns whether something is; what may be yet, the timer looks at. */
bool rack_detect(struct stack *s, uint32_t i);
/* Younger than that, nothing is known to be lost (RFC 8985 6.3). */
uint32_t rack_young_us(const struct stack *s, const struct tcp_conn *c);
/* After something was sent or acknowledged; the retransmission timer is armed already. */
void probe_arm(struct stack *s, uint32_t i);
void probe_fire(struct stack *s, uint32_t i);
/* TCP_F_PROBED: returns whether it turns out that the probe repaired a loss. */
bool probe_acked(struct tcp_conn *c, const struct tcp_in *in, const struct tcp_news *news);

/* tcp_out.c */
/* Behind all that is queued, FIN included. */
static inline uint32_t snd_total(const struct tcp_conn *c)
{
	return c->snd_end + (c->flags & TCP_F_FIN_QUEUED ? 1 : 0);
}
/* Everything the windows allow; returns false when the link has no room. */
bool conn_output(struct stack *s, uint32_t i);
/* One segment: @len octets of the queue from @seq. Returns 0 or -errno. */
int conn_segment(struct stack *s, uint32_t i, uint32_t seq, uint32_t len, uint8_t flags);
/* A segment of what was never sent, whatever the pipe holds: if there is one and it fits. */
void conn_output_one(struct stack *s, uint32_t i);
/* Record @k again. 0 or -errno. */
int conn_resend(struct stack *s, uint32_t i, uint32_t k);
int conn_send_ack(struct stack *s, uint32_t i); /* 0 or -errno */
void conn_send_rst(struct stack *s, uint32_t i);
void conn_challenge(struct stack *s, uint32_t i);
uint32_t mini_ts_off(const struct stack *s, const struct tcp_mini *m);
/* RFC 9293 3.5.2: in answer to a segment that belongs nowhere. */
void tcp_send_rst(struct stack *s, const struct tcp_in *in);
/* A segment without a connection: to @peer, all of @h given, the checksum not. */
int tcp_send_bare(struct stack *s, uint8_t own, const struct addr *peer, const struct tcp_hdr *h);
/* Window to be written into a segment that is about to leave; remembers the edge. */
uint16_t conn_window(struct stack *s, struct tcp_conn *c);

/* tcp_timer.c */
void wheel_open(struct tcp *t);
void timer_set(struct stack *s, uint32_t i, enum tcp_timer which, uint32_t delay_ms);
void timer_clear(struct tcp_conn *c, enum tcp_timer which);
void timer_forget(struct stack *s, uint32_t i); /* takes it out of the wheel */
/* Retransmission timer by what is outstanding: starts, keeps or stops it. */
void conn_rtx_arm(struct stack *s, uint32_t i, bool restart);

/* tcp_syn.c */
/* @above_iss: the new ISS must be above it (a connection in TIME-WAIT), 0: no matter. */
void listen_input(struct stack *s, int binding, const struct tcp_in *in, uint32_t above_iss);
void syn_input(struct stack *s, uint32_t i, const struct tcp_in *in);
void syn_timers(struct stack *s);
uint64_t syn_deadline_ms(const struct stack *s); /* from now_ms on, UINT64_MAX: none */
/* The initial sequence number of a four-tuple (RFC 6528 3). */
uint32_t tcp_iss(const struct stack *s, const struct addr *peer, uint8_t own, uint16_t pport,
		 uint16_t lport);
void syn_forget_binding(struct stack *s, int binding);

/* tcp_cookie.c */
struct tcp_cookie {
	uint16_t mss;
	uint8_t snd_shift;
	bool sack;
};
uint32_t cookie_make(const struct stack *s, const struct tcp_in *in, uint16_t mss);
/* Our timestamp with what the SYN offered in its low bits. */
uint32_t cookie_ts(uint32_t ts, const struct tcp_hdr *syn);
/* Whether the acknowledgement brings a cookie of ours back, and what it held. */
bool cookie_check(struct stack *s, const struct tcp_in *in, struct tcp_cookie *out);

/* tcp_wait.c */
/* TIME-WAIT, or FIN-WAIT-2 of a connection without a user, by the state it is in. */
void wait_enter(struct stack *s, uint32_t conn);
void wait_input(struct stack *s, uint32_t i, const struct tcp_in *in);
void wait_timers(struct stack *s);

#endif
