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
 * editing nor history, anything. History expansion in a command of several lines that history does not keep is recorded as
 * typed. The kernel's side of the audit sees these run.
 *
 * The few declarations of bash that it needs are its own, so that one object fits all releases, and check proves them first
 * in a subshell. The object stays loaded (-z nodelete): enable -d takes the name away and nothing else.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bash.h"
#include "record.h"

#define VARIABLE "_vedette_audit"
#define REFERENCE "${" VARIABLE "-}"

static int respect_ignorespace;

/* The lines that readline has taken and bash has not yet run; gathered_full counts what did not fit, too. */
static char gathered[cmd_limit + 1];
static size_t gathered_full;

/* The number of the newest history entry when the prompt was shown. */
static long history_seen;

/* The command that runs. */
static int running;
static long running_hist;
static long long running_since;

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
	record_emit(&(struct record){.kind = 'E', .hist = running_hist, .t0 = running_since, .t1 = t1, .rc = last_command_exit_value, .cwd = "", .cmd = ""});
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
		running_since = record_time();
		record_emit(&(struct record){.kind = 'S', .hist = running_hist, .t0 = running_since, .rc = -1, .cwd = directory(), .cmd = text, .cmd_len = n, .full = full});
	}
	free(expanded);
	history_seen = number;
	keep_rest();
}

/*
 * unannounced records what was typed and remembered without an expansion of PS0: a comment, what bash does not understand, and a
 * command that was typed while promptvars was off. It is evidence too, and its number in the history would be missing.
 */
static void unannounced(void)
{
	long number = newest();
	size_t unread = strlen(rest());
	size_t full = gathered_full > unread ? gathered_full - unread : 0;
	size_t n = full < cmd_limit ? full : cmd_limit;

	if (running || number == history_seen)
		return;
	if (full > n)
		full--; /* its last line's end */
	while (n > 0 && n == full && gathered[n - 1] == '\n')
		n = --full;
	if (n == 0 || wants_privacy(gathered))
		return;
	long long now = record_time();
	record_emit(&(struct record){.kind = 'C', .hist = number, .t0 = now, .t1 = now, .rc = -1, .cwd = directory(), .cmd = gathered, .cmd_len = n, .full = full});
}

static struct variable *variable_read(struct variable *self)
{
	if (record_is_mine()) {
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
	if (record_is_mine() && current_prompt_string == ps1_prompt && executing_builtin == 0) {
		int saved = errno;
		unannounced();
		end(record_time());
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
	if (record_is_mine() && rl_done && rl_line_buffer != NULL && executing_builtin == 0) {
		add(rl_line_buffer, strlen(rl_line_buffer));
		add("\n", 1);
	}
	if (restore_terminal != NULL)
		restore_terminal();
}

/* The builtin. */

static void hello(void)
{
	char claims[4096], tty[256];
	ssize_t n = readlink("/proc/self/fd/0", tty, sizeof tty - 1);
	tty[n > 0 ? n : 0] = '\0';
	int len = snprintf(claims, sizeof claims, "version=%.64s\x1ftty=%s\x1fppid=%d\x1fshlvl=%.16s\x1fssh=%.256s\x1fuser=%.256s\x1fmode=builtin",
		value_of("BASH_VERSION"), tty, (int)getppid(), value_of("SHLVL"), value_of("SSH_CONNECTION"), value_of("USER"));
	record_emit(&(struct record){.kind = 'H', .hist = -1, .t0 = record_time(), .rc = -1, .cwd = directory(), .cmd = claims, .cmd_len = (size_t)len, .full = (size_t)len});
}

static int arm(struct words *args)
{
	if (record_is_mine())
		return 0;
	if (args == NULL || args->next == NULL || !interactive_shell || record_begin(args->word->text, args->next->word->text) != 0)
		return 1;
	args = args->next->next;
	respect_ignorespace = args != NULL && strcmp(args->word->text, "ignorespace") == 0;
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
	return find_variable(name) != NULL || record_start_time() == 0;
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
