#include "guard_table.h"

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stddef.h>

#include "netlink.h"
#include "rule.h"

enum {
	BATCH_SIZE = 16384,
	/* The ports of service addresses. */
	PORT_FIRST = 80,
	PORT_LAST = 299,
	/* Priorities after and before the filter chains of the map's table, which have 0. */
	BEHIND = 10,
	BEFORE = -10
};

static const char WAIT[] = "wait", HOLD[] = "hold";

/* A batch that is being written. */
struct change {
	struct guard_table *table;
	size_t used;
	char at[BATCH_SIZE];
};

/* Begins the next message of the batch. The caller adds its length to used when it is complete. */
static struct nlmsghdr *
begin(struct change *change, uint16_t type, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(change->at + change->used, type, NFPROTO_IPV4,
		flags | NLM_F_ACK, ++change->table->sequence);
}

static void
start_change(struct change *change, struct guard_table *table)
{
	change->table = table;
	change->used = nftnl_batch_begin(change->at, ++table->sequence)->nlmsg_len;
}

/* Returns 0, or the first error that the kernel gives. Then nothing has changed. */
static int
commit(struct change *change)
{
	change->used +=
		nftnl_batch_end(change->at + change->used, ++change->table->sequence)->nlmsg_len;
	return netlink_commit(change->table->socket, change->at, change->used);
}

static void
add_table(struct change *change)
{
	struct nftnl_table *new = nftnl_table_alloc();
	struct nlmsghdr *header = begin(change, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);

	nftnl_table_set_str(new, NFTNL_TABLE_NAME, GUARD_TABLE);
	nftnl_table_set_u32(new, NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	nftnl_table_nlmsg_build_payload(header, new);
	nftnl_table_free(new);
	change->used += header->nlmsg_len;
}

static void
add_chain(
	struct change *change, const char *name, const char *type, uint32_t hook, int32_t priority)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *header = begin(change, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, GUARD_TABLE);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, type);
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
	nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
	nftnl_chain_nlmsg_build_payload(header, chain);
	nftnl_chain_free(chain);
	change->used += header->nlmsg_len;
}

/* Removes all rules of a chain. */
static void
empty_chain(struct change *change, const char *name)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct nlmsghdr *header = begin(change, NFT_MSG_DELRULE, 0);

	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, GUARD_TABLE);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, name);
	nftnl_rule_nlmsg_build_payload(header, rule);
	nftnl_rule_free(rule);
	change->used += header->nlmsg_len;
}

static struct nftnl_rule *
new_rule(const char *chain)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();

	nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_IPV4);
	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, GUARD_TABLE);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
	return rule;
}

static void
add_rule(struct change *change, struct nftnl_rule *rule)
{
	struct nlmsghdr *header = begin(change, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

	nftnl_rule_nlmsg_build_payload(header, rule);
	nftnl_rule_free(rule);
	change->used += header->nlmsg_len;
}

/*
 * Adds a rule for packets whose destination is still a service address, because no rule of the map
 * has translated it.
 */
static void
add_untranslated(struct change *change, const char *chain, bool refuse)
{
	struct nftnl_rule *rule = new_rule(chain);
	const struct network *network = &change->table->network;

	rule_match_half(rule, 16, network->low, network->half);
	rule_match_ports(rule, PORT_FIRST, PORT_LAST);
	rule_end(rule, refuse);
	add_rule(change, rule);
}

/*
 * Adds the rule that the map's table has, too: it drops an answer of a container that conntrack
 * does not translate back. Otherwise this host would reset the connection.
 */
static void
add_invalid(struct change *change)
{
	struct nftnl_rule *rule = new_rule("invalid");
	const struct network *network = &change->table->network;

	rule_match_half(rule, 12, network->low + network->half, network->half);
	rule_match_invalid(rule);
	rule_end(rule, false);
	add_rule(change, rule);
}

void
guard_table_make(struct guard_table *table)
{
	struct change change;

	start_change(&change, table);
	add_table(&change);
	add_chain(&change, "translate", "nat", NF_INET_LOCAL_OUT, BEFORE);
	add_chain(&change, HOLD, "filter", NF_INET_LOCAL_OUT, BEFORE);
	add_chain(&change, WAIT, "filter", NF_INET_LOCAL_OUT, BEHIND);
	add_untranslated(&change, WAIT, false);
	add_chain(&change, "invalid", "filter", NF_INET_LOCAL_IN, BEHIND);
	add_invalid(&change);
	table->exists = commit(&change) == 0;
}

void
guard_table_set(struct guard_table *table, bool hold, bool refuse)
{
	struct change change;

	if (!table->exists || (hold == table->is_held && refuse == table->refuses))
		return;
	start_change(&change, table);
	if (hold != table->is_held)
		empty_chain(&change, HOLD);
	if (hold && !table->is_held)
		add_untranslated(&change, HOLD, false);
	if (refuse != table->refuses) {
		empty_chain(&change, WAIT);
		add_untranslated(&change, WAIT, refuse);
	}
	if (commit(&change) == 0) {
		table->is_held = hold;
		table->refuses = refuse;
	}
}

void
guard_table_drop(struct guard_table *table)
{
	struct change change;
	struct nftnl_table *old = nftnl_table_alloc();
	struct nlmsghdr *header;

	start_change(&change, table);
	header = begin(&change, NFT_MSG_DELTABLE, 0);
	nftnl_table_set_str(old, NFTNL_TABLE_NAME, GUARD_TABLE);
	nftnl_table_nlmsg_build_payload(header, old);
	nftnl_table_free(old);
	change.used += header->nlmsg_len;
	commit(&change);
	table->exists = table->is_held = table->refuses = false;
}
