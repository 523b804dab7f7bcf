// SPDX-License-Identifier: Apache-2.0

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "record.h"

/* Descriptors below are the user's, and bash's own. */
enum { first_descriptor = 230 };

/* The shell that records. A process forked from it has this too, and another number. */
static pid_t shell;
static unsigned long long shell_start;
static unsigned long long sequence;
static long long last_time;

static char spool[PATH_MAX / 4];
static struct sockaddr_un collector;

int record_is_mine(void)
{
	return shell != 0 && getpid() == shell;
}

long long record_time(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	long long us = t.tv_sec * 1000000LL + t.tv_nsec / 1000;
	last_time = us > last_time ? us : last_time + 1;
	return last_time;
}

/* cut is how much of a text fits, with no character cut in two. */
static size_t cut(const char *text, size_t n, size_t limit)
{
	if (n <= limit)
		return n;
	for (n = limit; n > limit - 4 && (text[n] & 0xC0) == 0x80; n--)
		;
	return n;
}

/* Writing to files. */

/* A write that did not fit leaves half a record. The next one closes it with a NUL of its own. */
static int torn;

/* fstat as the kernel has it: the C library's has a version that older ones lack. */
static int status_of(int fd, struct stat *st)
{
	return (int)syscall(SYS_fstat, fd, st);
}

/* write_to writes a record in one piece to a file whose owner is as expected, and closes it. It returns an errno. */
static int write_to(int fd, uid_t owner, const char *record, size_t n)
{
	static char with_end[record_limit + 1];
	struct stat st;
	struct rlimit most;
	int err = 0;

	if (status_of(fd, &st) != 0)
		err = errno;
	else if (!S_ISREG(st.st_mode) || st.st_uid != owner || st.st_nlink != 1)
		err = EPERM;
	else if (getrlimit(RLIMIT_FSIZE, &most) == 0 && most.rlim_cur != RLIM_INFINITY &&
		 (rlim_t)st.st_size + 4 * record_limit > most.rlim_cur)
		err = EFBIG; /* to try would be the shell's death by SIGXFSZ */
	if (err == 0) {
		if (torn) {
			with_end[0] = '\0';
			memcpy(with_end + 1, record, n);
			record = with_end;
			n++;
		}
		ssize_t written = write(fd, record, n);
		if (written == (ssize_t)n) {
			torn = 0;
		} else {
			err = written < 0 ? errno : ENOSPC;
			torn = torn || written > 0;
		}
	}
	close(fd);
	return err;
}

enum { append_only = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC };

/* append writes to the user's file. Where the collector has not made it there is the drop box, with a file for each shell. */
static int append(const char *record, size_t n)
{
	static char dropped[PATH_MAX];
	char path[PATH_MAX];
	unsigned uid = geteuid();

	snprintf(path, sizeof path, "%s/u/%u.log", spool, uid);
	int fd = open(path, append_only);
	if (fd >= 0)
		return write_to(fd, 0, record, n);
	if (errno != ENOENT)
		return errno;
	fd = dropped[0] ? open(dropped, append_only) : -1;
	for (int tries = 0; fd < 0 && tries < 3; tries++) {
		unsigned long long random;
		if (syscall(SYS_getrandom, &random, sizeof random, 1 /* do not wait */) != sizeof random)
			random = (unsigned long long)record_time() * 2862933555777941757ULL + (unsigned long long)shell;
		snprintf(dropped, sizeof dropped, "%s/new/%u.%d.%016llx", spool, uid, (int)shell, random);
		fd = open(dropped, append_only | O_CREAT | O_EXCL, 0600);
		if (fd < 0 && errno != EEXIST) {
			dropped[0] = '\0';
			return errno;
		}
	}
	if (fd < 0)
		return EEXIST;
	return write_to(fd, uid, record, n);
}

/* Telling the collector. */

static int channel = -1;
static dev_t channel_device;
static ino_t channel_inode;

/* The user may have closed the descriptor, or made it something else. Then it is not ours to use or to close. */
static int channel_is_ours(void)
{
	struct stat st;
	return status_of(channel, &st) == 0 && st.st_dev == channel_device && st.st_ino == channel_inode;
}

/* connect_channel does not wait, and after a failure does not try again within a second. */
static int connect_channel(void)
{
	static time_t failed;
	struct timespec t;
	struct stat st;

	clock_gettime(CLOCK_MONOTONIC, &t);
	if (failed != 0 && t.tv_sec - failed < 2)
		return -1;
	failed = t.tv_sec;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, first_descriptor);
	close(fd);
	if (high < 0)
		return -1;
	if (connect(high, (struct sockaddr *)&collector, sizeof collector) != 0 || status_of(high, &st) != 0) {
		close(high);
		return -1;
	}
	failed = 0;
	channel = high;
	channel_device = st.st_dev;
	channel_inode = st.st_ino;
	return 0;
}

static void tell(const char *record, size_t n)
{
	for (int tries = 0; tries < 2; tries++) {
		if (channel >= 0 && !channel_is_ours())
			channel = -1;
		if (channel < 0 && connect_channel() != 0)
			return;
		if (send(channel, record, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return;
		if (errno != EPIPE && errno != ECONNRESET && errno != ENOTCONN)
			return;
		close(channel);
		channel = -1;
	}
}

/* Records. */

static const char *reason_of(int err)
{
	static char number[24];
	switch (err) {
	case EACCES: return "eacces";
	case EDQUOT: return "edquot";
	case EFBIG: return "efbig";
	case EIO: return "eio";
	case EMFILE: return "emfile";
	case ENFILE: return "enfile";
	case ENOENT: return "enoent";
	case ENOSPC: return "enospc";
	case EPERM: return "eperm";
	case EROFS: return "erofs";
	}
	snprintf(number, sizeof number, "errno%d", err);
	return number;
}

/* encode writes a record as it goes to file and socket, with the number that it would have. It returns the length. */
static size_t encode(char *to, const struct record *r, unsigned long long number)
{
	size_t cwd_len = cut(r->cwd, strlen(r->cwd), cwd_limit);
	size_t cmd_len = cut(r->cmd, r->cmd_len, cmd_limit);
	int n = snprintf(to, record_limit, "1 %c raw bash %d %llu %llu %ld %lld %lld %d %zu %zu %zu\n", r->kind, (int)shell, shell_start,
		number, r->hist, r->t0, r->t1, r->rc, cwd_len, cmd_len, r->full);
	memcpy(to + n, r->cwd, cwd_len);
	memcpy(to + n + cwd_len, r->cmd, cmd_len);
	to[(size_t)n + cwd_len + cmd_len] = '\0';
	return (size_t)n + cwd_len + cmd_len + 1;
}

void record_emit(const struct record *r)
{
	static char bytes[record_limit];
	static unsigned long long lost;
	static int reason;
	int err = 0;
	size_t n;

	if (lost > 0) {
		char claim[96];
		struct record report = {.kind = 'X', .hist = -1, .t0 = record_time(), .rc = -1, .cwd = "", .cmd = claim};
		report.cmd_len = report.full = (size_t)snprintf(claim, sizeof claim, "count=%llu\x1freason=%s", lost, reason_of(reason));
		n = encode(bytes, &report, sequence + 1);
		err = append(bytes, n);
		if (err == 0) {
			sequence++;
			lost = 0;
			tell(bytes, n);
		}
	}
	n = encode(bytes, r, ++sequence);
	if (err == 0)
		err = append(bytes, n);
	if (err != 0) {
		lost++;
		reason = err;
	}
	tell(bytes, n);
}

unsigned long long record_start_time(void)
{
	char text[1024];
	unsigned long long ticks = 0;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	char *field = strrchr(text, ')'); /* the second of the fields ends here; a name may have spaces */
	for (int i = 2; field != NULL && i < 22; i++)
		field = strchr(field + 1, ' ');
	if (field != NULL)
		ticks = strtoull(field, NULL, 10);
	return ticks;
}

int record_begin(const char *directory, const char *socket_path)
{
	if (strlen(directory) >= sizeof spool || strlen(socket_path) >= sizeof collector.sun_path)
		return -1;
	strcpy(spool, directory);
	collector.sun_family = AF_UNIX;
	strcpy(collector.sun_path, socket_path);
	shell = getpid();
	shell_start = record_start_time();
	return 0;
}
