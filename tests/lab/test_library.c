/* SPDX-License-Identifier: MIT */
/* test_library.c - librawstack as it is installed: what it shows, and a program that uses only it
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[64];

/* Runs a command of the shell with D and I set; its output goes to @out. Returns its exit status.
 */
static int run(const char *command, char *out, size_t cap)
{
	char line[1024];
	size_t n;
	FILE *f;

	snprintf(line, sizeof(line), "D=%s; I=$D/usr; { %s; } 2>&1", root, command);
	f = popen(line, "r");
	cr_assert(f);
	n = fread(out, 1, cap - 1, f);
	out[n] = '\0';
	return pclose(f);
}

static void start(void)
{
	char out[4096];

	snprintf(root, sizeof(root), "/tmp/rawstack-test-XXXXXX");
	cr_assert(mkdtemp(root));
	cr_assert(run("env -u MAKEFLAGS -u MAKELEVEL make -s install DESTDIR=$D PREFIX=/usr "
		      "BUILD=build SAN=",
		      out, sizeof(out)) == 0,
		  "%s", out);
}

static void finish(void)
{
	char out[256];

	run("rm -rf $D", out, sizeof(out));
}

TestSuite(library, .init = start, .fini = finish);

static const char compile[] = "PKG_CONFIG_PATH=$I/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$D; "
			      "export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR; "
			      "cc -Wall -Werror -o $D/example docs/examples/two_hosts.c "
			      "$(pkg-config --cflags rawstack) ";

static const char expected[] = "from ::ffff:198.51.100.1: hello\nfrom 2001:db8:1::1: hello\n";

Test(library, a_program_uses_the_shared_one)
{
	char command[512], out[8192];

	snprintf(command, sizeof(command), "%s $(pkg-config --libs rawstack)", compile);
	cr_assert(run(command, out, sizeof(out)) == 0, "%s", out);
	cr_assert(run("LD_LIBRARY_PATH=$I/lib $D/example", out, sizeof(out)) == 0, "%s", out);
	cr_assert(strcmp(out, expected) == 0, "%s", out);
	cr_assert(run("LD_LIBRARY_PATH=$I/lib ldd $D/example | grep -c librawstack.so.0", out,
		      sizeof(out)) == 0,
		  "not linked against it");
}

Test(library, a_program_uses_the_static_one)
{
	char command[512], out[8192];

	snprintf(command, sizeof(command), "%s $I/lib/librawstack.a", compile);
	cr_assert(run(command, out, sizeof(out)) == 0, "%s", out);
	cr_assert(run("$D/example", out, sizeof(out)) == 0, "%s", out);
	cr_assert(strcmp(out, expected) == 0, "%s", out);
}

Test(library, shows_its_public_calls_and_nothing_else)
{
	char out[32768];

	cr_assert(run("nm -D --defined-only $I/lib/librawstack.so | awk '{print $3}' | "
		      "grep -vE '^(rawstack|stack|endpoint)_|^addr_(parse|print)$|^port_parse$'",
		      out, sizeof(out)) != 0,
		  "also shows: %s", out);
	cr_assert(run("nm -D --defined-only $I/lib/librawstack.so | grep -c ' T rawstack_'", out,
		      sizeof(out)) == 0);
	cr_assert(atoi(out) >= 22, "%s calls", out);
	cr_assert(run("ldd $I/lib/librawstack.so | grep -vE 'libc\\.so|vdso|ld-linux|linux-gate'",
		      out, sizeof(out)) != 0,
		  "needs more than libc: %s", out);
}

/* Every installed header stands by itself. */
Test(library, headers_are_whole)
{
	char out[8192];

	cr_assert(run("cd $I/include && for h in $(find . -name '*.h'); do "
		      "cc -fsyntax-only -Wall -Werror -x c $h || exit 1; done",
		      out, sizeof(out)) == 0,
		  "%s", out);
}
