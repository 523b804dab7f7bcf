// SPDX-License-Identifier: Apache-2.0

/*
 * vedette_audit is a builtin for interactive bash, 4.4 to 5.3. It records each command before it runs and again when the
 * next prompt is shown, without a fork and without a line of shell code at either moment.
 *
 *   vedette_audit check                            tells whether this bash is laid out as the builtin thinks it is
 *   vedette_audit arm SPOOL SOCKET [ignorespace]   begins to record
 *
 * What it hooks, and why there:
 *
 *   The start of a command is an expansion of PS0, which bash makes when a command has been read and before it runs. PS0 gets
 *   a reference to a variable without a value of its own: reading it calls start.
 *   The end is where readline prepares the terminal for the next prompt. PROMPT_COMMAND would be some milliseconds sooner,
 *   but it belongs to the user, and a command in it changes the PIPESTATUS and $_ that the rest of it sees. So a duration
 *   contains the making of the prompt. A bash that does not use readline tells an end when the next command starts, with its
 *   time unknown.
 *   What was typed is taken from readline line by line, so that lines which the history does not keep are whole too:
 *   HISTCONTROL, HISTIGNORE, set +o history, and the lines of a loop or here-document.
 *
 * PS0 and the variable are set anew at every prompt, so nothing that a user's files do to PS0 or PROMPT_COMMAND ends it.
 *
 * Promises: it never waits, prints, or changes $?, $_, PIPESTATUS or errno. A record is one write to the file of this user, which
 * the collector made; or to a file in the drop box, while there is none; or is counted, and the number told when a record can be written
 * again. After that it is sent to the collector's socket, if that takes it at once. Processes forked from the shell record nothing.
 *
 * What it does not see: commands of scripts, of bash -c, and of shells started with --norc; what a program asks for itself; with neither
 * editing nor history, anything; the one command with which a user switches promptvars back on. History expansion in a command of several lines that history does not keep is recorded as
 * typed. The kernel's side of the audit sees these run.
 *
 * The few declarations of bash that it needs are its own, so that one object fits all releases, and check proves them first
 * in a subshell. The object stays loaded (-z nodelete): enable -d takes the name away and nothing else.
 */

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

/* bash */
struct word {
	char *text;
	int flags;
};
struct words {
	struct words *next;
	struct word *word;
};
struct variable {
	char *name;
	char *value;
	char *exported;
	struct variable *(*dynamic_value)(struct variable *);
	struct variable *(*assign)(struct variable *, char *, long, char *);
	int attributes;
	int context;
};
struct builtin {
	char *name;
	int (*function)(struct words *);
	int flags;
	char *const *long_doc;
	const char *short_doc;
	char *handle;
};
enum { ENABLED = 1, READ_ONLY = 2, ARRAY = 4, ASSOCIATIVE = 0x40, NAMEREF = 0x800 };

extern struct variable *find_variable(const char *);
extern struct variable *bind_variable(const char *, char *, int);
extern int unbind_variable(const char *);
extern int last_command_exit_value, executing_builtin, interactive_shell, promptvars, remember_on_history, history_expansion;
extern char *ps0_prompt, *ps1_prompt, *current_prompt_string, *current_readline_line;
extern int current_readline_line_index;

/* readline */
struct entry {
	char *line;
	char *timestamp;
	void *data;
};
extern struct entry *history_get(int);
extern int history_expand(char *, char **);
extern int history_base, history_length;
extern char history_expansion_char;
extern char *rl_line_buffer;
extern int rl_done;
extern void (*rl_prep_term_function)(int);
extern void (*rl_deprep_term_function)(void);

enum {
	cwd_limit = 1 << 10,
	cmd_limit = 16 << 10,
	record_limit = 18 << 10,
	/* Descriptors below are the user's, and bash's own. */
	first_descriptor = 230,
};

#define VARIABLE "_vedette_audit"
#define REFERENCE "${" VARIABLE "-}"

/* The shell that records. A process forked from it has this too, and another number. */
static pid_t shell;
static unsigned long long shell_start;
static unsigned long long sequence;
static int respect_ignorespace;

static char spool[PATH_MAX / 4];
static struct sockaddr_un collector;

/* The lines that readline has taken and bash has not yet run; gathered_full counts what did not fit, too. */
static char gathered[cmd_limit + 1];
static size_t gathered_full;

/* The number of the newest history entry when the prompt was shown. */
static long history_seen;

/* The command that runs. */
static int running;
static long running_hist;
static long long running_since, last_time;

static int mine(void)
{
	return shell != 0 && getpid() == shell;
}

/* now is later than every time that it has told before, so that a time names a command of this shell. */
static long long now(void)
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
			random = (unsigned long long)now() * 2862933555777941757ULL + (unsigned long long)shell;
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

struct record {
	char kind;
	long hist;
	long long t0, t1;
	int rc;
	const char *cwd, *cmd;
	size_t cmd_len, full;
};

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

static void emit(const struct record *r)
{
	static char bytes[record_limit];
	static unsigned long long lost;
	static int reason;
	int err = 0;
	size_t n;

	if (lost > 0) {
		char claim[96];
		struct record report = {.kind = 'X', .hist = -1, .t0 = now(), .rc = -1, .cwd = "", .cmd = claim};
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

static const char *directory(void)
{
	static char path[PATH_MAX];
	return getcwd(path, sizeof path) != NULL ? path : "";
}

/* The command line. */

/* rest is what readline has given to bash, and bash has not yet read: the further lines of a paste. */
static const char *rest(void)
{
	return current_readline_line != NULL ? current_readline_line + current_readline_line_index : "";
}

static void add(const char *text, size_t n)
{
	if (gathered_full < cmd_limit) {
		size_t fits = n < cmd_limit - gathered_full ? n : cmd_limit - gathered_full;
		memcpy(gathered + gathered_full, text, fits);
	}
	gathered_full += n;
}

/* keep_rest forgets the lines that bash has read. */
static void keep_rest(void)
{
	gathered_full = 0;
	add(rest(), strlen(rest()));
}

static long newest(void)
{
	return history_length > 0 ? history_base + history_length - 1L : 0;
}

static const char *value_of(const char *name)
{
	struct variable *v = find_variable(name);
	return v != NULL && v->value != NULL && !(v->attributes & (ARRAY | ASSOCIATIVE)) ? v->value : "";
}

/* wants_privacy is about a line with a leading space that its user keeps out of the history, where the site lets that count. */
static int wants_privacy(const char *text)
{
	return respect_ignorespace && text[0] == ' ' &&
	       (strstr(value_of("HISTCONTROL"), "ignorespace") != NULL || strstr(value_of("HISTCONTROL"), "ignoreboth") != NULL);
}

static void end(long long t1)
{
	if (!running)
		return;
	running = 0;
	emit(&(struct record){.kind = 'E', .hist = running_hist, .t0 = running_since, .t1 = t1, .rc = last_command_exit_value, .cwd = "", .cmd = ""});
}

/*
 * start records the command that bash is about to run. If nothing was typed or remembered since the last one, then it was not PS0
 * that read the variable.
 */
static void start(void)
{
	long number = newest();
	int fresh = number != history_seen;
	size_t unread = strlen(rest());
	size_t full = gathered_full > unread ? gathered_full - unread : 0;
	size_t n = full < cmd_limit ? full : cmd_limit;
	char *expanded = NULL;
	const char *text = gathered;

	if (full == 0 && !fresh)
		return;
	end(0);

	if (full > n)
		full--; /* its last line's end */
	while (n > 0 && n == full && gathered[n - 1] == '\n')
		n = --full;
	int bang = n == full && n > 0 && (gathered[0] == '^' || memchr(gathered, history_expansion_char, n) != NULL);
	struct entry *e = fresh && (n == 0 || bang) ? history_get((int)number) : NULL;
	if (e != NULL && e->line != NULL) {
		text = e->line;
		n = full = strlen(text);
	} else if (bang && remember_on_history && history_expansion && memchr(gathered, '\n', n) == NULL) {
		/* !! is the line before, so ignoredups keeps it out of the history. Nothing has changed since bash expanded it. */
		gathered[n] = '\0';
		if (history_expand(gathered, &expanded) == 1) {
			text = expanded;
			n = full = strlen(text);
		}
	}
	if (!wants_privacy(text)) {
		running = 1;
		running_hist = fresh ? number : -1;
		running_since = now();
		emit(&(struct record){.kind = 'S', .hist = running_hist, .t0 = running_since, .rc = -1, .cwd = directory(), .cmd = text, .cmd_len = n, .full = full});
	}
	free(expanded);
	history_seen = number;
	keep_rest();
}

static struct variable *variable_read(struct variable *self)
{
	if (mine()) {
		int saved = errno;
		start();
		errno = saved;
	}
	return self;
}

/* set_hooks sees to it that PS0 reads the variable. It leaves alone what it can not change without a message. */
static void set_hooks(void)
{
	static char ps0[64 << 10];

	struct variable *v = find_variable(VARIABLE);
	if (v == NULL || v->dynamic_value != variable_read) {
		if (v != NULL && v->attributes & (READ_ONLY | ARRAY | ASSOCIATIVE | NAMEREF))
			return;
		v = bind_variable(VARIABLE, "", 0);
		if (v == NULL)
			return;
		v->dynamic_value = variable_read;
	}
	v = find_variable("PS0");
	if (v != NULL && v->attributes & (READ_ONLY | ARRAY | ASSOCIATIVE))
		return;
	const char *present = v != NULL && v->value != NULL ? v->value : "";
	const char *ours = strstr(present, REFERENCE);
	int wanted = promptvars != 0; /* otherwise bash would print it as it is */
	if ((ours != NULL) == wanted || strlen(present) + sizeof REFERENCE > sizeof ps0)
		return;
	if (wanted)
		snprintf(ps0, sizeof ps0, REFERENCE "%s", present);
	else
		snprintf(ps0, sizeof ps0, "%.*s%s", (int)(ours - present), present, ours + sizeof REFERENCE - 1);
	v = bind_variable("PS0", ps0, 0);
	if (v != NULL)
		ps0_prompt = v->value; /* bash has looked it up for the line to come already */
}

/* Readline's two moments. */

static void (*prepare_terminal)(int);
static void (*restore_terminal)(void);

/* before_line comes before each line that readline reads: of the prompt, of a command's further lines, and of read -e. */
static void before_line(int meta)
{
	if (mine() && current_prompt_string == ps1_prompt && executing_builtin == 0) {
		int saved = errno;
		end(now());
		history_seen = newest();
		keep_rest();
		set_hooks();
		errno = saved;
	}
	if (prepare_terminal != NULL)
		prepare_terminal(meta);
}

/* after_line comes when a line was entered, and when a signal interrupts it. */
static void after_line(void)
{
	if (mine() && rl_done && rl_line_buffer != NULL && executing_builtin == 0) {
		add(rl_line_buffer, strlen(rl_line_buffer));
		add("\n", 1);
	}
	if (restore_terminal != NULL)
		restore_terminal();
}

/* The builtin. */

/* start_time is when the kernel made this process, in ticks since boot: with the pid it names the process. */
static unsigned long long start_time(void)
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

static void hello(void)
{
	char claims[4096], tty[256];
	ssize_t n = readlink("/proc/self/fd/0", tty, sizeof tty - 1);
	tty[n > 0 ? n : 0] = '\0';
	int len = snprintf(claims, sizeof claims, "version=%.64s\x1ftty=%s\x1fppid=%d\x1fshlvl=%.16s\x1fssh=%.256s\x1fuser=%.256s\x1fmode=builtin",
		value_of("BASH_VERSION"), tty, (int)getppid(), value_of("SHLVL"), value_of("SSH_CONNECTION"), value_of("USER"));
	emit(&(struct record){.kind = 'H', .hist = -1, .t0 = now(), .rc = -1, .cwd = directory(), .cmd = claims, .cmd_len = (size_t)len, .full = (size_t)len});
}

static int arm(struct words *args)
{
	if (mine())
		return 0;
	if (args == NULL || args->next == NULL || strlen(args->word->text) >= sizeof spool ||
	    strlen(args->next->word->text) >= sizeof collector.sun_path || !interactive_shell)
		return 1;
	strcpy(spool, args->word->text);
	collector.sun_family = AF_UNIX;
	strcpy(collector.sun_path, args->next->word->text);
	args = args->next->next;
	respect_ignorespace = args != NULL && strcmp(args->word->text, "ignorespace") == 0;
	shell = getpid();
	shell_start = start_time();
	history_seen = newest();
	if (rl_prep_term_function != before_line) {
		prepare_terminal = rl_prep_term_function;
		rl_prep_term_function = before_line;
		restore_terminal = rl_deprep_term_function;
		rl_deprep_term_function = after_line;
	}
	set_hooks();
	hello();
	return 0;
}

static int probed;

static struct variable *probe(struct variable *self)
{
	probed = 1;
	return self;
}

/* check uses each of the declarations once. A layout that differs shows in the answer, or ends this subshell. */
static int check(void)
{
	static const char name[] = VARIABLE "_check";
	struct variable *v = bind_variable(name, "as set", 0);
	if (v == NULL || v->name == NULL || strcmp(v->name, name) != 0 || v->value == NULL || strcmp(v->value, "as set") != 0)
		return 1;
	if (v->dynamic_value != NULL || v->assign != NULL || v->attributes & (READ_ONLY | ARRAY | ASSOCIATIVE | NAMEREF))
		return 1;
	v->dynamic_value = probe;
	if (find_variable(name) != v || !probed)
		return 1;
	v->dynamic_value = NULL;
	struct entry *e = history_length > 0 ? history_get((int)newest()) : NULL;
	if (e != NULL && (e->line == NULL || strlen(e->line) > INT_MAX))
		return 1;
	unbind_variable(name);
	return find_variable(name) != NULL || start_time() == 0;
}

static int vedette_audit(struct words *args)
{
	int err = errno, status = 2;
	if (args != NULL && strcmp(args->word->text, "arm") == 0)
		status = arm(args->next);
	else if (args != NULL && strcmp(args->word->text, "check") == 0)
		status = check();
	errno = err;
	return status;
}

static char *const long_doc[] = {"Part of the audit of commands on this machine. It has nothing that one would call by hand.", NULL};

__attribute__((visibility("default"))) struct builtin vedette_audit_struct = {
	"vedette_audit", vedette_audit, ENABLED, long_doc, "vedette_audit check | arm SPOOL SOCKET [ignorespace]", NULL};
