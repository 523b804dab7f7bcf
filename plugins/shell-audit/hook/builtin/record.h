// SPDX-License-Identifier: Apache-2.0

// A record is what the shell tells of a command: to the file of its user, and to the collector.
#pragma once

#include <stddef.h>
#include <sys/types.h>

enum {
	cwd_limit = 1 << 10,
	cmd_limit = 16 << 10,
	record_limit = 18 << 10,
};

struct record {
	char kind;
	long hist;
	long long t0, t1;
	int rc;
	const char *cwd, *cmd;
	size_t cmd_len, full;
};

// record_begin makes this process the shell that records. It returns 0, or -1 for paths that are too long.
int record_begin(const char *spool, const char *socket);

// record_is_mine tells the shell from the processes that it forks, which record nothing.
int record_is_mine(void);

// record_time is now in microseconds, later than every time that it has told before, so that a time names a command of this shell.
long long record_time(void);

// record_start_time is when the kernel made this process, in ticks since boot: with the pid it names the process.
unsigned long long record_start_time(void);

// record_emit writes a record and tells it. It does not wait.
void record_emit(const struct record *);
