// SPDX-License-Identifier: Apache-2.0

// What the builtin needs of bash and readline, the same in 4.4 to 5.3.
#pragma once

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
