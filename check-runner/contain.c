#define _DEFAULT_SOURCE 1

#include "contain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "status.h"
#include "util.h"

/* Defined here because the headers of older systems do not have it. */
#define LANDLOCK_NET_BIND ((uint64_t)1 << 0)
#define LANDLOCK_NET_CONNECT ((uint64_t)1 << 1)
#define LANDLOCK_PORT_RULE 2
#define LANDLOCK_SCOPE_ALL ((uint64_t)3)

#if defined(__x86_64__)
#define CONTAIN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define CONTAIN_ARCH AUDIT_ARCH_AARCH64
#endif

/* Which restrictions are in force, for --version. */
struct containment {
	bool no_new_privs;
	int landlock; /* the kernel's ABI; 0: none */
	bool seccomp;
};

struct ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

struct port_rule {
	uint64_t allowed_access;
	uint64_t port;
};

static void
set_limit(int resource, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return;
	if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > most)
		limit.rlim_max = most;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit((__rlimit_resource_t)resource, &limit);
}

static void
set_limits(void)
{
	set_limit(RLIMIT_CORE, 0);
	set_limit(RLIMIT_NOFILE, 64);
	set_limit(RLIMIT_NPROC, 0);
	set_limit(RLIMIT_MEMLOCK, 0);
	set_limit(RLIMIT_MSGQUEUE, 0);
#ifndef __SANITIZE_ADDRESS__
	set_limit(RLIMIT_AS, (rlim_t)512 << 20);
#endif
}

static int
landlock_abi(void)
{
	long abi = syscall(
		SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

/* All rights over files that this ABI knows. The first ABI has 13, later ones add to them. */
static uint64_t
all_file_rights(int abi)
{
	static const unsigned bits[] = { 0, 13, 14, 15, 15, 16 };
	unsigned nr = bits[abi < 5 ? abi : 5];

	return ((uint64_t)1 << nr) - 1;
}

static int
allow_port(int ruleset, uint16_t port)
{
	struct port_rule rule = { .allowed_access = LANDLOCK_NET_CONNECT, .port = port };

	if (port == 0)
		return 0;
	return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_PORT_RULE, &rule, 0);
}

static int
allow_folder(int ruleset, int folder)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG,
		.parent_fd = folder,
	};

	if (folder < 0)
		return 0;
	return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

/* Returns the ABI that is in force, 0 if the kernel has none, -1 for a failure. */
static int
use_landlock(const struct options *o, int folder)
{
	int abi = landlock_abi();
	struct ruleset rules = { 0 };
	size_t size = sizeof(rules.handled_access_fs);
	int result = -1;

	if (abi <= 0)
		return 0;
	rules.handled_access_fs = all_file_rights(abi);
	if (abi >= 4) {
		rules.handled_access_net = LANDLOCK_NET_BIND | LANDLOCK_NET_CONNECT;
		size += sizeof(rules.handled_access_net);
	}
	if (abi >= 6) {
		rules.scoped = LANDLOCK_SCOPE_ALL;
		size += sizeof(rules.scoped);
	}
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (ruleset < 0)
		return -1;
	if (abi >= 4 && (allow_port(ruleset, o->port) < 0 || allow_port(ruleset, o->tls_port) < 0))
		goto close_ruleset;
	if (allow_folder(ruleset, folder) < 0)
		goto close_ruleset;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) == 0)
		result = abi;

close_ruleset:
	close(ruleset);
	return result;
}

#ifdef CONTAIN_ARCH

/* The system calls that the rest of a run needs. All others are denied. */
static const int calls[] = {
	SYS_read,
	SYS_write,
	SYS_readv,
	SYS_writev,
	SYS_pread64,
	SYS_close,
	SYS_lseek,
	SYS_fcntl,
	SYS_fsync,
#ifdef SYS_poll
	SYS_poll,
#endif
	SYS_ppoll,
	SYS_connect,
	SYS_getsockopt,
	SYS_setsockopt,
	SYS_getsockname,
	SYS_getpeername,
	SYS_sendto,
	SYS_recvfrom,
	SYS_sendmsg,
	SYS_recvmsg,
	SYS_shutdown,
	SYS_brk,
	SYS_munmap,
	SYS_mremap,
	SYS_madvise,
	SYS_futex,
	SYS_getrandom,
	SYS_clock_gettime,
	SYS_clock_nanosleep,
	SYS_gettimeofday,
	SYS_setitimer,
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_rt_sigreturn,
	SYS_restart_syscall,
	SYS_sigaltstack,
	SYS_getpid,
	SYS_gettid,
	SYS_exit,
	SYS_exit_group,
#ifdef SYS_newfstatat
	SYS_newfstatat,
#endif
#ifdef SYS_fstat
	SYS_fstat,
#endif
};

/* One BPF instruction each; the program is short enough for one-byte jumps. */
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), yes, no)
#define IF_ANY_BIT(mask, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)(mask), yes, no)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (uint32_t)(value))
#define ALLOW SECCOMP_RET_ALLOW
#define DENY (SECCOMP_RET_ERRNO | EPERM)
#define NUMBER offsetof(struct seccomp_data, nr)
#define ARCH offsetof(struct seccomp_data, arch)
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n))

#define MAX_PROGRAM 160

struct program {
	struct sock_filter line[MAX_PROGRAM];
	unsigned short nr;
};

static void
add(struct program *p, const struct sock_filter *lines, size_t nr)
{
	memcpy(p->line + p->nr, lines, nr * sizeof(lines[0]));
	p->nr = (unsigned short)(p->nr + nr);
}

#define ADD(program, ...) \
	do { \
		const struct sock_filter lines[] = { __VA_ARGS__ }; \
		add(program, lines, UTIL_COUNT(lines)); \
	} while (0)

static void
build_filter(struct program *p, bool may_rename)
{
	ADD(p, LOAD(ARCH), IF_EQUAL(CONTAIN_ARCH, 1, 0), RETURN(DENY), LOAD(NUMBER));
	for (size_t i = 0; i < UTIL_COUNT(calls); i++)
		ADD(p, IF_EQUAL(calls[i], 0, 1), RETURN(ALLOW));
	/* Memory may be mapped, but never as executable. */
	ADD(p, IF_EQUAL(SYS_mmap, 0, 4), LOAD(ARGUMENT(2)), IF_ANY_BIT(4, 0, 1), RETURN(DENY),
		RETURN(ALLOW));
	ADD(p, IF_EQUAL(SYS_mprotect, 0, 4), LOAD(ARGUMENT(2)), IF_ANY_BIT(4, 0, 1), RETURN(DENY),
		RETURN(ALLOW));
	/* TCP sockets only. The lowest four bits are the type; the others are flags. */
	ADD(p, IF_EQUAL(SYS_socket, 0, 7), LOAD(ARGUMENT(0)), IF_EQUAL(AF_INET, 1, 0),
		IF_EQUAL(AF_INET6, 0, 3), LOAD(ARGUMENT(1)), IF_ANY_BIT(0xe, 1, 0), RETURN(ALLOW),
		RETURN(DENY));
	/*
	 * The C library asks by ioctl what kind of file stdout is, and libcurl makes sockets
	 * non-blocking with it.
	 */
	ADD(p, IF_EQUAL(SYS_ioctl, 0, 5), LOAD(ARGUMENT(1)), IF_EQUAL(0x5401, 1, 0),
		IF_EQUAL(0x5421, 0, 1), RETURN(ALLOW), RETURN(DENY));
	if (may_rename) {
		ADD(p, IF_EQUAL(SYS_renameat, 0, 1), RETURN(ALLOW));
		ADD(p, IF_EQUAL(SYS_unlinkat, 0, 1), RETURN(ALLOW));
	}
	ADD(p, RETURN(DENY));
}

static bool
use_seccomp(bool may_rename)
{
	struct program p = { .nr = 0 };

	build_filter(&p, may_rename);
	struct sock_fprog filter = { .len = p.nr, .filter = p.line };
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

#else

static bool
use_seccomp(bool may_rename)
{
	(void)may_rename;
	return false;
}

#endif

static int
apply(const struct options *o, int folder, struct containment *c)
{
	*c = (struct containment){ 0 };
	set_limits();
	c->no_new_privs = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	c->landlock = use_landlock(o, folder);
	c->seccomp = use_seccomp(folder >= 0);
	return c->landlock < 0 ? -1 : 0;
}

int
contain(const struct options *o, int folder)
{
	struct containment c;

	return apply(o, folder, &c);
}

static void
print_parts(FILE *out, const struct containment *c)
{
	fputs("containment: rlimits", out);
	fputs(c->no_new_privs ? ", no_new_privs" : ", no no_new_privs", out);
	if (c->landlock > 0)
		fprintf(out, ", landlock (ABI %d: files%s)", c->landlock,
			c->landlock >= 4 ? ", ports" : "; this kernel cannot restrict ports");
	else
		fputs(", no landlock (not in this kernel)", out);
	fputs(c->seccomp ? ", seccomp\n" : ", no seccomp (not in this kernel)\n", out);
}

void
contain_print(FILE *out)
{
	struct options o = { .port = 1 };
	struct containment c;

	(void)apply(&o, -1, &c);
	print_parts(out, &c);
}

/*
 * result is that of a call that must have been denied. A success or another error counts as wrong.
 */
static int
say(FILE *out, const char *what, long result)
{
	int error = errno;
	bool denied = result < 0 && (error == EPERM || error == EACCES || error == EAGAIN);

	if (denied)
		fprintf(out, "denied      %s: %s\n", what, strerror(error));
	else
		fprintf(out, "NOT DENIED  %s\n", what);
	return denied ? 0 : 1;
}

static int
connect_to(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(fd, (const struct sockaddr *)&address, sizeof(address));
}

static int
open_to_write(void)
{
	static const char path[] = "/tmp/check-runner-selftest";
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (fd >= 0)
		(void)unlink(path);
	return fd;
}

static long
new_process(void)
{
	long pid = syscall(SYS_clone, 17, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid;
}

/* Does not return unless exec is denied. Then the new program prints that it runs. */
static int
start_program(FILE *out)
{
	char *const words[] = { (char[]){ "sh" }, (char[]){ "-c" },
		(char[]){ "echo 'NOT DENIED  starting a program'; exit 1" }, NULL };

	fflush(out);
	return execve("/bin/sh", words, words + 3);
}

int
contain_selftest(FILE *out)
{
	struct options o = { .port = 1 };
	struct containment c;
	int left = 0;

	if (apply(&o, -1, &c) < 0)
		return EXIT_INTERNAL;
	print_parts(out, &c);
	left += say(out, "opening a file to read", open("/etc/passwd", O_RDONLY));
	left += say(out, "opening a file to write", open_to_write());
	left += say(out, "a new process", new_process());
	left += say(out, "a UDP socket", socket(AF_INET, SOCK_DGRAM, 0));
	left += say(out, "a Unix socket", socket(AF_UNIX, SOCK_STREAM, 0));
	left += say(out, "memory to run code from", mprotect(NULL, 0, PROT_READ | PROT_EXEC));
	left += say(out, "a connection to another port", connect_to(2));
	left += say(out, "starting a program", start_program(out));
	return left == 0 ? EXIT_PASS : EXIT_FAIL;
}
