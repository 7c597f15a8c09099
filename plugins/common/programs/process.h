/*
 * What the small programs of the plugins share: how they speak and fail, how they become another
 * program, how they die with their parent, and how they open a file that somebody else controls.
 *
 * Linking this module also defines util_program: messages start with " !     ", and a program
 * that runs out of memory exits with 1.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Prints "WHAT: reason of errno" and exits with 1. */
_Noreturn void fail(const char *what);

/* Prints how the program is called and exits with 1. words: its name and its arguments. */
_Noreturn void misuse(const char *words);

/*
 * Replaces this process with command, which ends with NULL and is looked up in PATH. If that
 * fails, prints why and exits with 127 (no such program) or 126, as a shell does.
 */
_Noreturn void become(char **command);

/*
 * Asks the kernel to send SIGKILL to this process when its parent ends. parent is the process
 * that should be the parent. If it has ended already, this process kills itself at once.
 */
void die_with(pid_t parent);

/* The signal that asked this process to end, or 0. Only fork_and_outlive sets it. */
extern volatile sig_atomic_t ended_by;

/*
 * fork, for a program that has to end its child before itself. From here on SIGHUP, SIGINT and
 * SIGTERM only set ended_by in this process: they are held back during the fork, so none can end
 * it and leave the child. The end of parent, which should be the parent, counts as SIGTERM. The
 * end of a child interrupts poll. In the child all signals act as before. If fork fails, prints
 * why and exits with 1.
 */
pid_t fork_and_outlive(pid_t parent);

/* The exit status that a shell gives to the status of waitpid: 128 + N for signal N. */
int exit_status_of(int status);

/*
 * Opens a regular file for reading and fills in *status. flags: O_NOFOLLOW or 0. A pipe, a device
 * or, with O_NOFOLLOW, a link is refused with a message and exit status 1. Never blocks.
 */
int open_regular(const char *file, int flags, struct stat *status);

#endif
