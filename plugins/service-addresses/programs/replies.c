#define _DEFAULT_SOURCE 1

#include "replies.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <string.h>

/* Whether a message is long enough to have the header that all messages of netfilter have. */
static bool
has_header(const struct nlmsghdr *header)
{
	return mnl_nlmsg_get_payload_len(header) >= sizeof(struct nfgenmsg);
}

/* The value of a key or of data, which is in an attribute of its own. size is what it must have. */
struct value {
	void *bytes;
	size_t size;
	bool is_read;
};

static int
take_value(const struct nlattr *attribute, void *context)
{
	struct value *value = context;

	if (mnl_attr_get_type(attribute) == NFTA_DATA_VALUE &&
		mnl_attr_get_payload_len(attribute) == value->size) {
		memcpy(value->bytes, mnl_attr_get_payload(attribute), value->size);
		value->is_read = true;
	}
	return MNL_CB_OK;
}

/* The two values of an element that matter here. */
struct element {
	struct value key, target;
};

static int
take_part(const struct nlattr *attribute, void *context)
{
	struct element *element = context;

	if (mnl_attr_get_type(attribute) == NFTA_SET_ELEM_KEY)
		return mnl_attr_parse_nested(attribute, take_value, &element->key);
	if (mnl_attr_get_type(attribute) == NFTA_SET_ELEM_DATA)
		return mnl_attr_parse_nested(attribute, take_value, &element->target);
	return MNL_CB_OK;
}

/* Adds one element. Returns MNL_CB_ERROR if our maps cannot have it. */
static int
take_element(const struct nlattr *attribute, void *context)
{
	struct replies *replies = context;
	struct entry entry = { .map = replies->map };
	bool has_share = replies->map == MAP_SHARES;
	struct element element = {
		.key = { &entry.key, has_share ? sizeof(entry.key) : sizeof(entry.key.service),
			false },
		.target = { &entry.target, sizeof(entry.target), false },
	};

	mnl_attr_parse_nested(attribute, take_part, &element);
	if (!element.key.is_read || !element.target.is_read)
		return MNL_CB_ERROR;
	entries_add(&replies->entries, entry);
	return MNL_CB_OK;
}

static int
take_list(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
		return MNL_CB_OK;
	return mnl_attr_parse_nested(attribute, take_element, context);
}

int
replies_collect(const struct nlmsghdr *header, void *context)
{
	if (has_header(header) &&
		mnl_attr_parse(header, sizeof(struct nfgenmsg), take_list, context) >= 0)
		return MNL_CB_OK;
	errno = EBADMSG;
	return MNL_CB_ERROR;
}

/* --- counters ------------------------------------------------------------------------------- */

static int
take_packets(const struct nlattr *attribute, void *context)
{
	uint64_t *count = context;

	if (mnl_attr_get_type(attribute) == NFTA_COUNTER_PACKETS &&
		mnl_attr_validate(attribute, MNL_TYPE_U64) >= 0)
		*count = be64toh(mnl_attr_get_u64(attribute));
	return MNL_CB_OK;
}

/* Only a counter has such an attribute with a number of this size. */
static int
take_expression(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) != NFTA_EXPR_DATA)
		return MNL_CB_OK;
	return mnl_attr_parse_nested(attribute, take_packets, context);
}

static int
take_counter(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_EXPR)
		return MNL_CB_OK;
	return mnl_attr_parse_nested(attribute, take_expression, context);
}

static int
take_counted(const struct nlattr *attribute, void *context)
{
	return mnl_attr_parse_nested(attribute, take_counter, context);
}

static int
take_counted_list(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
		return MNL_CB_OK;
	return mnl_attr_parse_nested(attribute, take_counted, context);
}

int
replies_count(const struct nlmsghdr *header, void *context)
{
	uint64_t *count = context;

	*count = UINT64_MAX;
	if (has_header(header) &&
		mnl_attr_parse(header, sizeof(struct nfgenmsg), take_counted_list, count) >= 0 &&
		*count != UINT64_MAX)
		return MNL_CB_OK;
	errno = EBADMSG;
	return MNL_CB_ERROR;
}

/* --- events --------------------------------------------------------------------------------- */

/* The table that a message is about. Each kind of message has its name as the first attribute. */
static const char *
table_of(const struct nlmsghdr *header)
{
	const struct nlattr *first = mnl_nlmsg_get_payload_offset(header, sizeof(struct nfgenmsg));
	const char *end = mnl_nlmsg_get_payload_tail(header);

	if (mnl_attr_ok(first, (int)(end - (const char *)first)) &&
		mnl_attr_get_type(first) == NFTA_TABLE_NAME &&
		mnl_attr_validate(first, MNL_TYPE_NUL_STRING) >= 0)
		return mnl_attr_get_str(first);
	return "";
}

enum event
replies_event(const struct nlmsghdr *header)
{
	if (!has_header(header))
		return EVENT_OTHER;
	const struct nfgenmsg *message = mnl_nlmsg_get_payload(header);
	const char *table = table_of(header);
	int type = header->nlmsg_type & 0xff;

	if (message->nfgen_family != NFPROTO_IPV4)
		return EVENT_OTHER;
	if (strcmp(table, "nat") == 0)
		return EVENT_DOCKER;
	if (strcmp(table, REPLIES_TABLE) == 0 &&
		(type == NFT_MSG_DELTABLE || type == NFT_MSG_DELCHAIN || type == NFT_MSG_DELRULE))
		return EVENT_LOST;
	return EVENT_OTHER;
}
