/* The /bin/sh of the samples' base image: the little of a shell that the RUN lines of the lessons use.

   A real static shell is 73 KB and more, compressed, in every committed image; this one is 1.5. It knows
   `sh -c LINE` with words, '...', "...", $NAME, && and > FILE, and the commands echo, cat, rm [-r] and
   mkdir. There is no C library in it: Linux on x86-64 only. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/syscall.h>

#define WORDS 32

static char **environment;

static long call(long number, long a, long b, long c, long d)
{
	long result;
	register long fourth __asm__("r10") = d;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
			 : "rcx", "r11", "memory");
	return result;
}

static unsigned length(const char *text)
{
	unsigned n = 0;
	while (text[n])
		n++;
	return n;
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static void say(int to, const char *text) { call(SYS_write, to, (long)text, length(text), 0); }

static int is_name(char c)
{
	return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static const char *variable(const char *name, unsigned size)
{
	for (char **each = environment; *each; each++) {
		unsigned i = 0;
		while (i < size && (*each)[i] == name[i])
			i++;
		if (i == size && (*each)[i] == '=')
			return *each + i + 1;
	}
	return "";
}

static int echo(char **words, int to)
{
	for (int i = 1; words[i]; i++) {
		say(to, words[i]);
		say(to, words[i + 1] ? " " : "\n");
	}
	return 0;
}

static int cat(char **words, int to)
{
	char block[4096];
	for (int i = 1; words[i]; i++) {
		long from = call(SYS_open, (long)words[i], O_RDONLY, 0, 0), n;
		if (from < 0)
			return 1;
		while ((n = call(SYS_read, from, (long)block, sizeof block, 0)) > 0)
			call(SYS_write, to, (long)block, n, 0);
		call(SYS_close, from, 0, 0, 0);
	}
	return 0;
}

static int remove_at(long folder, const char *name)
{
	char block[1024];
	long n, inside;
	if (!call(SYS_unlinkat, folder, (long)name, 0, 0))
		return 0;
	inside = call(SYS_openat, folder, (long)name, O_RDONLY | O_DIRECTORY, 0);
	while (inside >= 0 && (n = call(SYS_getdents64, inside, (long)block, sizeof block, 0)) > 0)
		for (char *entry = block; entry < block + n; entry += *(unsigned short *)(entry + 16))
			if (!same(entry + 19, ".") && !same(entry + 19, ".."))
				remove_at(inside, entry + 19);
	call(SYS_close, inside, 0, 0, 0);
	return call(SYS_unlinkat, folder, (long)name, 0x200 /* AT_REMOVEDIR */, 0) != 0;
}

static int run(char **words, int to)
{
	int failed = 0, i = 1;
	if (same(words[0], "echo"))
		return echo(words, to);
	if (same(words[0], "cat"))
		return cat(words, to);
	if (same(words[0], "rm")) {
		for (i += words[i] && same(words[i], "-r"); words[i]; i++)
			failed |= remove_at(AT_FDCWD, words[i]);
		return failed;
	}
	if (same(words[0], "mkdir")) {
		for (; words[i]; i++)
			failed |= call(SYS_mkdir, (long)words[i], 0755, 0, 0) != 0;
		return failed;
	}
	say(2, "sh: not in this shell: ");
	say(2, words[0]);
	say(2, "\n");
	return 127;
}

/* Reads one word of `line` into `out`; returns where the line goes on. */
static const char *word(const char *line, char **out)
{
	char quote = 0;
	for (; *line && (quote || *line != ' '); line++) {
		if (*line == quote) {
			quote = 0;
		} else if (!quote && (*line == '\'' || *line == '"')) {
			quote = *line;
		} else if (*line == '$' && quote != '\'' && is_name(line[1])) {
			unsigned size = 1;
			while (is_name(line[1 + size]))
				size++;
			for (const char *value = variable(line + 1, size); *value; value++)
				*(*out)++ = *value;
			line += size;
		} else {
			*(*out)++ = *line;
		}
	}
	*(*out)++ = 0;
	return line;
}

static int interpret(const char *line)
{
	static char text[65536];
	char *words[WORDS + 1], *out = text;
	int count = 0, to = 1, failed = 0;
	for (;;) {
		while (*line == ' ' || *line == '\t')
			line++;
		if (!*line || (line[0] == '&' && line[1] == '&')) {
			words[count] = 0;
			failed = count ? run(words, to) : 0;
			if (failed || !*line)
				return failed;
			count = 0, to = 1, line += 2;
		} else if (*line == '>') {
			char *file = out;
			for (line++; *line == ' ';)
				line++;
			line = word(line, &out);
			to = call(SYS_open, (long)file, O_WRONLY | O_CREAT | O_TRUNC, 0644, 0);
			if (to < 0)
				return 1;
		} else if (count < WORDS) {
			words[count++] = out;
			line = word(line, &out);
		} else {
			return 2;
		}
	}
}

__attribute__((used)) void begin(long *stack)
{
	char **arguments = (char **)(stack + 1);
	environment = arguments + stack[0] + 1;
	int usable = stack[0] >= 3 && same(arguments[1], "-c");
	if (!usable)
		say(2, "usage: sh -c LINE\n");
	call(SYS_exit, usable ? interpret(arguments[2]) : 2, 0, 0, 0);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
