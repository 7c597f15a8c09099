/*
 * New connections to a service address that wait. While the set held of the map's table has the
 * address, the kernel drops the first packet of each of them, and the sender repeats it: after one
 * second, then after two, four and so on, or each second on newer kernels. An element has a
 * timeout, so nobody waits for a process that was killed. Open connections go on, and so do those
 * to the port for previews.
 */
#ifndef HELD_H
#define HELD_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Writes a message about one address of the set to at, which has 256 bytes: NFT_MSG_NEWSETELEM with
 * seconds, NFT_MSG_DELSETELEM or NFT_MSG_GETSETELEM. Returns NULL if there is no memory.
 */
struct nlmsghdr *held_message(void *at, uint16_t type, uint16_t flags, uint32_t sequence,
	uint32_t address, uint32_t seconds);

/* Writes the question whether the set exists, in the same way. */
struct nlmsghdr *held_question(void *at, uint32_t sequence);

/*
 * Whether a connection waits, if its first packet is repeated in ms_left milliseconds. It does not
 * if the packet was sent, or will be sent, within a moment: an answer may come, and the connection
 * may have a request by the time at which it would be ended.
 */
bool held_is_waiting(uint32_t ms_left);

/*
 * Ends the connections to this address that wait, with an error that makes nginx open others at
 * once. Where the kernel cannot do that, they go on when they repeat their first packet.
 */
void held_wake(uint32_t address);

#endif
