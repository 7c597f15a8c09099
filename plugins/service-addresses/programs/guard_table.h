/*
 * The guard's table. It lives as long as the socket that made it, and a flush does not remove it.
 *   - Its empty chain of type nat makes the kernel go on translating open connections.
 *   - It drops a packet to a service address that no rule has translated. The sender repeats the
 *     packet after a second, when the map may be repaired.
 */
#ifndef GUARD_TABLE_H
#define GUARD_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "network.h"

#define GUARD_TABLE "dokku_guard"

struct guard_table {
	struct network network;
	struct mnl_socket *socket; /* the owner of the table */
	uint32_t sequence; /* of the last message on socket */
	bool exists, is_held, refuses;
};

/*
 * Makes the table, and sets exists if the kernel accepted it. Kernels before 5.12 do not support
 * tables that a socket owns.
 */
void guard_table_make(struct guard_table *table);

/*
 * hold: drop new connections before the map's own rules see them. A map that is only half repaired
 * would refuse the addresses that are not in it yet. refuse: refuse packets that no rule has
 * translated, instead of dropping them. Does nothing without a table.
 */
void guard_table_set(struct guard_table *table, bool hold, bool refuse);

void guard_table_drop(struct guard_table *table);

#endif
