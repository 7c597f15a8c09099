/* The Docker engine as a process. A killed one is started by systemd, and its containers go on. */
#ifndef ENGINES_H
#define ENGINES_H

#include <stdbool.h>

/* Whether the process whose number is this text is an engine. */
bool engines_is(const char *process);

/* After an engine was killed: lets systemd start it, however often that was so lately. */
void engines_forget_starts(void);

/* Kills process, if it is an engine that has more than most kilobytes of memory to itself. */
bool engines_end_large(const char *process, unsigned long long most);

/*
 * Kills an engine with more than a quarter of the host's memory, while less than a quarter is
 * available. It reads the manifest of an image and the answers of a registry into its memory,
 * however long they are, and the kernel ends apps before it.
 */
void engines_spare_memory(void);

#endif
