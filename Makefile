# SPDX-License-Identifier: MIT
# dualwire: `make demo` shows it, `make test` tests it; both install what is missing. `make help` lists the rest.

VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr
DESTDIR ?=
V       ?=
WERROR  ?=
SAN     ?=
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(SAN),)
CFLAGS  ?= -O2 -g
else
CFLAGS  := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif

WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 -Wpointer-arith
DEPS := liburing libmnl jansson smartcols libcap-ng inih
PKG_CFLAGS := $(shell pkg-config --cflags $(DEPS) 2>/dev/null)
LIBS       := $(shell pkg-config --libs $(DEPS) 2>/dev/null) -pthread
ALL_CFLAGS  = -std=gnu17 -D_GNU_SOURCE -DDUALWIRE_VERSION='"$(VERSION)"' $(WARN) \
              $(if $(WERROR),-Werror) $(CFLAGS) $(PKG_CFLAGS) -MMD -MP
Q          := $(if $(V),,@)
say         = $(if $(V),,@printf '  %-4s %s\n' $(1) $(2))

# Sources by hand, a list a room, in layer order: tools -> uring -> rawstack, checked by scripts/check-layers.
ADDR_SRC := \
	rawstack/addr.c \
	rawstack/addr_class.c \
	rawstack/siphash.c
WIRE_SRC := \
	rawstack/wire/csum.c \
	rawstack/wire/eth.c \
	rawstack/wire/link.c \
	rawstack/wire/ipv4.c \
	rawstack/wire/ipv6.c \
	rawstack/wire/icmp.c \
	rawstack/wire/icmp_msg.c \
	rawstack/wire/arp.c \
	rawstack/wire/nd.c \
	rawstack/wire/udp.c \
	rawstack/wire/tcp.c \
	rawstack/wire/frame.c \
	rawstack/wire/frame_print.c \
	rawstack/wire/build.c
NETLINK_SRC := \
	rawstack/netlink/netns.c \
	rawstack/netlink/nl.c \
	rawstack/netlink/lab.c \
	rawstack/netlink/lab_extra.c \
	rawstack/netlink/rps.c \
	rawstack/netlink/sockdiag.c \
	rawstack/netlink/dispatch.c \
	rawstack/netlink/dispatch_ask.c
CAPTURE_SRC := \
	rawstack/capture/filter.c \
	rawstack/capture/ring.c \
	rawstack/capture/tap.c \
	rawstack/capture/pcapng_write.c \
	rawstack/capture/pcap_read.c \
	rawstack/capture/pcapng_read.c
STACK_SRC := \
	rawstack/stack/rate.c \
	rawstack/stack/reasm.c \
	rawstack/stack/neigh_wire.c \
	rawstack/stack/neigh_own.c \
	rawstack/stack/neigh.c \
	rawstack/stack/slab.c \
	rawstack/stack/binding.c \
	rawstack/stack/bind.c \
	rawstack/stack/neighbours.c \
	rawstack/stack/fragment.c \
	rawstack/stack/icmp.c \
	rawstack/stack/udp.c \
	rawstack/stack/out.c \
	rawstack/stack/tcp.c \
	rawstack/stack/tcp_timer.c \
	rawstack/stack/tcp_sent.c \
	rawstack/stack/tcp_rack.c \
	rawstack/stack/tcp_out.c \
	rawstack/stack/tcp_rcv.c \
	rawstack/stack/tcp_ack.c \
	rawstack/stack/tcp_cookie.c \
	rawstack/stack/tcp_syn.c \
	rawstack/stack/tcp_wait.c \
	rawstack/stack/tcp_in.c \
	rawstack/stack/tcp_user.c \
	rawstack/stack/ip.c \
	rawstack/stack/stack.c \
	rawstack/stack/socket_opt.c \
	rawstack/stack/socket_dgram.c \
	rawstack/stack/socket_msg.c \
	rawstack/stack/socket_stream.c \
	rawstack/stack/socket.c
LINK_SRC := \
	rawstack/stack/link_check.c \
	rawstack/stack/link_ring.c \
	rawstack/stack/link_xdp.c
WITNESS_SRC := \
	rawstack/witness/evidence.c \
	rawstack/witness/evidence_read.c \
	rawstack/witness/evidence_write.c \
	rawstack/witness/flow.c \
	rawstack/witness/socket_index.c \
	rawstack/witness/join.c \
	rawstack/witness/reason.c \
	rawstack/witness/judge.c \
	rawstack/witness/tracker.c \
	rawstack/witness/flow_index.c \
	rawstack/witness/ladder.c \
	rawstack/witness/ladder_notes.c \
	rawstack/witness/ladder_print.c \
	rawstack/witness/witness.c
ENGINE_SRC := \
	uring/sockopt.c \
	uring/pktinfo.c \
	uring/listener.c \
	uring/resolve.c \
	uring/client.c \
	uring/caps.c \
	uring/wheel.c \
	uring/conns.c \
	uring/admit.c \
	uring/bufring.c \
	uring/uring.c \
	uring/uring_accept.c \
	uring/uring_sock.c \
	uring/uring_tcp.c \
	uring/uring_udp.c \
	uring/bufpool.c \
	uring/epoll.c \
	uring/epoll_accept.c \
	uring/epoll_tcp.c \
	uring/epoll_udp.c \
	uring/bypass_open.c \
	uring/bypass_stream.c \
	uring/bypass_dgram.c \
	uring/bypass.c \
	uring/engine.c \
	uring/http.c \
	uring/workload_http.c \
	uring/workload.c \
	uring/stackstats.c \
	uring/metrics.c \
	uring/server.c \
	uring/workers.c
LOAD_SRC := \
	uring/load/histogram.c \
	uring/load/run.c \
	uring/load/sources.c \
	uring/load/guard.c \
	uring/load/template.c \
	uring/load/exchange.c \
	uring/load/neighbour.c \
	uring/load/rawio.c \
	uring/load/raw.c \
	uring/load/responder.c \
	uring/load/http_answer.c \
	uring/load/sockets.c

CASE_SRC := \
	tools/lab/value.c \
	tools/lab/words.c \
	tools/lab/names.c \
	tools/lab/step.c \
	tools/lab/step_other.c \
	tools/lab/expect.c \
	tools/lab/setting.c \
	tools/lab/case_file.c \
	tools/lab/cases.c

LAB_SRC := \
	tools/lab/result.c \
	tools/lab/records.c \
	tools/lab/lab_server.c \
	tools/lab/program.c \
	tools/lab/resolver.c \
	tools/lab/socket_host.c \
	tools/lab/stack_host.c \
	tools/lab/bypass_plan.c \
	tools/lab/stage.c \
	tools/lab/mib.c \
	tools/lab/play.c \
	tools/lab/play_socket.c \
	tools/lab/play_option.c \
	tools/lab/play_message.c \
	tools/lab/play_frame.c \
	tools/lab/play_name.c \
	tools/lab/play_pure.c \
	tools/lab/verify.c \
	tools/lab/raw_frames.c \
	tools/lab/scene.c \
	tools/lab/run.c \
	tools/lab/table.c \
	tools/lab/grid.c \
	tools/lab/check_table.c \
	tools/lab/case_evidence.c \
	tools/lab/markup.c \
	tools/lab/tap.c \
	tools/lab/junit.c \
	tools/lab/svg.c \
	tools/lab/html_case.c \
	tools/lab/html.c \
	tools/lab/choice.c
AUDIT_SRC := \
	tools/audit/finding.c \
	tools/audit/prefix.c \
	tools/audit/traces.c \
	tools/audit/service.c \
	tools/audit/probe.c \
	tools/audit/speech.c \
	tools/audit/options.c \
	tools/audit/forge.c \
	tools/audit/log.c \
	tools/audit/client.c \
	tools/audit/check_listeners.c \
	tools/audit/check_reach.c \
	tools/audit/check_acl.c \
	tools/audit/check_identity.c \
	tools/audit/check_udp_source.c \
	tools/audit/check_forged_mapped.c \
	tools/audit/check_scope.c \
	tools/audit/check_restart.c \
	tools/audit/checks.c \
	tools/audit/run.c \
	tools/audit/attach.c \
	tools/audit/show.c \
	tools/audit/page.c \
	tools/audit/files.c
BENCH_SRC := \
	tools/bench/figures.c \
	tools/bench/plan.c \
	tools/bench/processor.c \
	tools/bench/taskclock.c \
	tools/bench/sample.c \
	tools/bench/arena.c \
	tools/bench/commands.c \
	tools/bench/answer.c \
	tools/bench/session.c \
	tools/bench/watching.c \
	tools/bench/measure.c \
	tools/bench/idle.c \
	tools/bench/results.c \
	tools/bench/environment.c \
	tools/bench/report_json.c \
	tools/bench/report_table.c \
	tools/bench/plot.c
COMMAND_SRC := \
	tools/bench.c \
	tools/bench_options.c \
	tools/bench_idle.c \
	tools/guest.c \
	tools/cli.c \
	tools/report.c \
	tools/evidence_file.c \
	tools/show_ladder.c \
	tools/netns_arg.c \
	tools/holders.c \
	tools/sockets_view.c \
	tools/sockets_print.c \
	tools/sockets.c \
	tools/owner.c \
	tools/pcap_expr.c \
	tools/trace.c \
	tools/flow_notes.c \
	tools/doctor_probe.c \
	tools/doctor_judge.c \
	tools/doctor.c \
	tools/watch.c \
	tools/replay.c \
	tools/witness_options.c \
	tools/witness_target.c \
	tools/witness_report.c \
	tools/addr.c \
	tools/connect.c \
	tools/activation.c \
	tools/metrics_http.c \
	tools/serve_output.c \
	tools/link_arg.c \
	tools/serve.c \
	tools/witness.c \
	tools/judge.c \
	tools/lab_output.c \
	tools/lab_files.c \
	tools/lab.c \
	tools/load_options.c \
	tools/load_report.c \
	tools/load.c \
	tools/audit.c
MAIN_SRC := tools/main.c

RAWSTACK_SRC := $(ADDR_SRC) $(WIRE_SRC) $(NETLINK_SRC) $(CAPTURE_SRC) $(STACK_SRC) $(LINK_SRC) $(WITNESS_SRC)
URING_SRC    := $(ENGINE_SRC) $(LOAD_SRC)
TOOLS_SRC    := $(CASE_SRC) $(LAB_SRC) $(AUDIT_SRC) $(BENCH_SRC) $(COMMAND_SRC)

# Tests by hand too: tests/unit/test_NAME.c, tests/lab/test_NAME.c, tests/fuzz/fuzz_NAME.c.
UNIT_TESTS := \
	addr addr_class addr_cmd \
	wire frame \
	netlink lab sockdiag \
	filter ring tap pcapng pcap_read \
	siphash icmp_msg nd rate reasm neigh stack_ip stack_udp link simlink socket socket_msg \
	flow judge judge_damage evidence \
	tracker owner \
	ladder dispatch \
	stack_binding stack_open stack_data stack_close stack_loss stack_recovery stack_idle \
	doctor \
	case_report \
	wheel ration engine server client http \
	histogram exchange load http_answer \
	audit_judges \
	bench \
	case_value case_file mib
LAB_TESTS := \
	confirmed sabotage drain \
	socket_api differential library \
	foreign capture_file tshark \
	cli cli_lab \
	cases \
	report who_gets_it bypass lab_bypass stack_real stack_harm stack_attack sockets \
	audit audit_peers \
	load load_cli \
	faults serve soak \
	doctor_here \
	bench_cli
# Of the tests, those that have a long form: with SOAK_SECONDS in the environment they go on for so long.
SOAK_TESTS := \
	lab/test_audit \
	lab/test_soak \
	lab/test_stack_real \
	lab/test_stack_harm \
	lab/test_differential \
	unit/test_stack_idle
FUZZERS := \
	addr frame evidence pcap http load case stack
SEEDERS := \
	frame pcap stack
TEST_SRC := \
	tests/unit/t_main.c \
	tests/unit/t_net.c \
	tests/unit/t_capture.c \
	tests/unit/t_lab.c \
	tests/simlink.c \
	tests/unit/t_world.c \
	tests/unit/t_evidence.c \
	tests/unit/t_damage.c \
	tests/unit/t_stack.c \
	tests/unit/t_script.c \
	tests/unit/t_script_segment.c \
	tests/unit/bpf_interp.c \
	tests/lab/t_bench.c \
	tests/lab/diff_packet.c \
	tests/lab/diff_generate.c \
	tests/lab/diff_host.c \
	tests/lab/diff_excuse.c \
	tests/lab/t_json.c \
	tests/lab/t_program.c \
	tests/lab/t_real.c \
	tests/lab/t_stream.c \
	tests/lab/t_forwarder.c \
	tests/lab/t_harm.c \
	tests/lab/t_witness.c

objects = $(1:%.c=$(BUILD)/%.o)
LIB_OBJ := $(call objects,$(RAWSTACK_SRC) $(URING_SRC) $(TOOLS_SRC)) $(BUILD)/gen/builtin.o $(BUILD)/gen/page.o
TESTS   := $(UNIT_TESTS:%=$(BUILD)/tests/unit/test_%) $(LAB_TESTS:%=$(BUILD)/tests/lab/test_%)

# librawstack: the stack and its sockets without any I/O, so without any other library.
LIBRARY_SRC := $(ADDR_SRC) $(WIRE_SRC) $(STACK_SRC)
LIBRARY_HEADERS := rawstack/addr.h rawstack/stack/socket.h rawstack/stack/stack.h \
	rawstack/wire/eth.h rawstack/wire/frame.h rawstack/wire/span.h rawstack/wire/tcp.h
LIBRARY_SO := librawstack.so.$(firstword $(subst ., ,$(VERSION)))
LIBRARY := $(BUILD)/librawstack.a $(BUILD)/librawstack.so $(BUILD)/rawstack.pc

all: $(BUILD)/dualwire $(LIBRARY) ## build build/dualwire and librawstack

demo: ## install what is missing, build, and run the main job
	@scripts/setup build
	@$(MAKE) --no-print-directory all
	$(BUILD)/dualwire lab '*-to-dual' '*-to-v6only' '*-to-ipv4' tcp-reused-socket udp-forged-mapped
	@echo "These were the first; $(BUILD)/dualwire lab runs all cases, $(BUILD)/dualwire lab --list names them."

test: ## install what is missing, build and run all tests, also under sanitizers and fuzzers
	@scripts/setup test
	@$(MAKE) --no-print-directory run-tests

run-tests:
	@$(MAKE) --no-print-directory -j2 WERROR=1 all tests
	@$(MAKE) --no-print-directory -j2 WERROR=1 SAN=1 BUILD=$(BUILD)/san all tests
	@$(MAKE) --no-print-directory -j2 fuzzers
	@BUILD=$(BUILD) scripts/test-all $(TESTS:$(BUILD)/%=%) -- $(FUZZERS)

soak: ## the long forms of the tests that have one: make soak SOAK_SECONDS=600
	@scripts/setup test
	@$(MAKE) --no-print-directory -j2 WERROR=1 all tests
	@SOAK_SECONDS=$(or $(SOAK_SECONDS),60) DUALWIRE=$(BUILD)/dualwire scripts/run-tests soak \
		$(SOAK_TESTS:%=$(BUILD)/tests/%)

check: ## formatting, both compilers, clang-tidy, cppcheck, shellcheck, layers, sizes
	@scripts/setup check
	@scripts/check-all $(RAWSTACK_SRC) $(URING_SRC) $(TOOLS_SRC) $(MAIN_SRC)

fuzz: ## run the fuzzers until stopped: make fuzz FUZZ=frame FUZZ_SECONDS=600
	@$(MAKE) --no-print-directory fuzzers
	@BUILD=$(BUILD) scripts/fuzz $(or $(FUZZ_SECONDS),600) $(or $(FUZZ),$(FUZZERS))

bench: all ## the short benchmark (3 minutes): writes docs/results.md and its picture; BENCH=--long for all of it
	@DUALWIRE=$(BUILD)/dualwire scripts/bench $(BENCH)

bench-witness: all $(BUILD)/bench/make_frames $(BUILD)/bench/veth_rate ## frames per second of witness -r, next to tcpdump and tshark
	@BUILD=$(BUILD) scripts/bench-witness

bench-stack: $(BUILD)/bench/stack_core ## what a connection costs in the stack's core, without link or kernel
	@$(BUILD)/bench/stack_core

install: all ## install under $(DESTDIR)$(PREFIX)
	install -D -m 755 $(BUILD)/dualwire $(DESTDIR)$(PREFIX)/bin/dualwire
	install -D -m 755 $(BUILD)/$(LIBRARY_SO) $(DESTDIR)$(PREFIX)/lib/$(LIBRARY_SO)
	ln -sf $(LIBRARY_SO) $(DESTDIR)$(PREFIX)/lib/librawstack.so
	install -D -m 644 $(BUILD)/librawstack.a $(DESTDIR)$(PREFIX)/lib/librawstack.a
	install -D -m 644 $(BUILD)/rawstack.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/rawstack.pc
	for h in $(LIBRARY_HEADERS); do install -D -m 644 $$h $(DESTDIR)$(PREFIX)/include/$$h || exit 1; done
	install -D -m 644 docs/dualwire-cases.5 $(DESTDIR)$(PREFIX)/share/man/man5/dualwire-cases.5
	install -D -m 644 docs/dualwire-witness.1 $(DESTDIR)$(PREFIX)/share/man/man1/dualwire-witness.1

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

clean: ## remove everything that was built
	rm -rf $(BUILD)

tests: $(TESTS) $(BUILD)/tests/audit/server
fuzzers: $(FUZZERS:%=$(BUILD)/fuzz/fuzz_%) $(BUILD)/fuzz/seed_frame

$(BUILD)/dualwire: $(call objects,$(MAIN_SRC)) $(BUILD)/libdualwire.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/librawstack.a: $(LIBRARY_SRC:%.c=$(BUILD)/pic/%.o)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/$(LIBRARY_SO): $(LIBRARY_SRC:%.c=$(BUILD)/pic/%.o) rawstack/stack/librawstack.map
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(LIBRARY_SO) \
		-Wl,--version-script=rawstack/stack/librawstack.map -o $@ $(filter %.o,$^)

$(BUILD)/librawstack.so: $(BUILD)/$(LIBRARY_SO)
	$(Q)ln -sf $(LIBRARY_SO) $@

$(BUILD)/rawstack.pc: Makefile
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' 'prefix=$(PREFIX)' 'Name: rawstack' 'Version: $(VERSION)' \
		'Description: a user-space dual-stack TCP/IP: IP packets in, IP packets out, any clock' \
		'Cflags: -I$${prefix}/include' 'Libs: -L$${prefix}/lib -lrawstack' >$@

$(BUILD)/pic/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -fPIC -c -o $@ $<

$(BUILD)/libdualwire.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/libtest.a: $(call objects,$(TEST_SRC))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(TESTS): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/tests/unit/t_main.o $(BUILD)/libtest.a $(BUILD)/libdualwire.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) -lcriterion

# A server with one bug of your choice, for the audit to find: build/tests/audit/server BUG
$(BUILD)/tests/audit/server: $(BUILD)/tests/audit/server.o
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(BUILD)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# The built-in cases, as text inside the program.
CASE_FILES := $(sort $(wildcard tools/lab/cases/*.ini))

$(BUILD)/gen/builtin.c: $(CASE_FILES) scripts/embed-cases
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)scripts/embed-cases $(CASE_FILES) >$@

# Style and script of the lab's report, likewise.
$(BUILD)/gen/page.c: tools/lab/page.css tools/lab/page.js scripts/embed-text
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)scripts/embed-text tools/lab/page.h PAGE_CSS=tools/lab/page.css PAGE_JS=tools/lab/page.js >$@

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -I. -c -o $@ $<

# Fuzzers are clang's; every source of the library is instrumented, so they have objects of their own.
FUZZ_FLAGS := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
FUZZ_OBJ   := $(RAWSTACK_SRC:%.c=$(BUILD)/fuzz/%.o) $(BUILD)/fuzz/uring/http.o \
	      $(CASE_SRC:%.c=$(BUILD)/fuzz/%.o) $(BUILD)/gen/builtin.o \
	      $(patsubst %,$(BUILD)/fuzz/uring/load/%.o,http_answer neighbour sources)

$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/tests/fuzz/fuzz_%.o $(FUZZ_OBJ)
	$(call say,LD,$@)
	$(Q)clang -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)

# Writes the seeds of tests/fuzz/corpus/NAME anew: build/fuzz/seed_NAME DIRECTORY
$(BUILD)/fuzz/seed_%: $(BUILD)/tests/fuzz/seed_%.o $(BUILD)/libtest.a $(BUILD)/libdualwire.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/libdualwire.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/fuzz/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)clang $(ALL_CFLAGS) $(FUZZ_FLAGS) -c -o $@ $<

.PHONY: all demo test run-tests soak check fuzz bench bench-witness bench-stack install help clean tests fuzzers
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
