/*
 * The steps of an nftables rule. Each function adds one or more to the end of rule, and each step
 * works on register 1 of the kernel.
 */
#ifndef RULE_H
#define RULE_H

#include <stdbool.h>
#include <stdint.h>

struct nftnl_rule;

/*
 * The address at offset of the IP header must be one of the half addresses from first on, of a
 * network that has two such halves.
 */
void rule_match_half(struct nftnl_rule *rule, uint32_t offset, uint32_t first, uint32_t half);

/* The packet must be TCP to a port from first to last. */
void rule_match_ports(struct nftnl_rule *rule, uint16_t first, uint16_t last);

/* The packet must be one that conntrack calls invalid. */
void rule_match_invalid(struct nftnl_rule *rule);

/* Refuses the packet with a reset, or drops it. */
void rule_end(struct nftnl_rule *rule, bool refuse);

#endif
