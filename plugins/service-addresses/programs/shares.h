/*
 * How the kernel's two maps say where connections to a service address go. An address with one
 * container has an element in the map services. An address with several has LINES_SHARES elements
 * in the map shares, dealt out to the containers in turn; the kernel takes a random one for each
 * connection.
 */
#ifndef SHARES_H
#define SHARES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lines.h"
#include "network.h"

enum map { MAP_SERVICES, MAP_SHARES };

/* The key of an element. Only the map shares uses share, in host byte order as numgen gives it. */
struct key {
	struct endpoint service;
	uint32_t share;
};

/* An element of one of the maps. */
struct entry {
	struct key key;
	enum map map;
	struct endpoint target;
};

/* A growing list of elements. A zeroed struct is an empty list. */
struct entries {
	struct entry *entry;
	size_t nr;
};

void entries_add(struct entries *entries, struct entry entry);
void entries_release(struct entries *entries);

/* All elements of one service address. An empty target stands for a missing element. */
struct shares {
	struct endpoint single;
	struct endpoint share[LINES_SHARES];
	bool differ; /* the ports at which nginx asks do not have the same elements */
};

bool shares_is_empty(const struct shares *shares);
bool shares_equal(const struct shares *a, const struct shares *b);

/* The elements that line asks for. There are none unless its verb is LINE_SET or LINE_ADD. */
struct shares shares_wanted(const struct line *line);

/*
 * Prints "SERVICE PORT IP:PORT…" as a line, or nothing if there is no element. Shares that are not
 * a list of different containers, dealt out in turn, are printed as "?". An address that is in both
 * maps is printed as the map services has it, which the rules of the table ask first. If the ports
 * differ, "?" follows.
 */
void shares_print(FILE *out, struct endpoint service, const struct shares *shares);

/*
 * Prints all addresses that entries has elements of, in order. Sorts entries. For the ports at
 * which nginx asks, it prints one line, that of the first port.
 */
void shares_print_all(FILE *out, struct entries *entries);

#endif
