/* Protects visitors while the kernel has lost the table of the address map or a container ends. */
#ifndef GUARD_H
#define GUARD_H

#include "network.h"

/*
 * Guards until stdin ends, and returns the exit status. Prints one word or two per event, a line
 * each: "lost" when a part of the map's table was removed, "docker gone" and "docker back" when
 * Docker's NAT rules disappear and return, "saved" when the guard gives its table up for the
 * administrator's saved rules, "ended" one or two seconds after the link of a container has gone.
 * After "lost", new connections to service addresses wait for at most 5 s, or until the line
 * "settled" arrives on stdin.
 */
int guard_run(struct network network);

#endif
