#include "links.h"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* The attributes of a link that matter here. netns is -1 if the link has no end elsewhere. */
struct attributes {
	uint32_t master, peer;
	int64_t netns;
	bool is_up;
};

static bool
has_type(const struct nlattr *attribute, uint16_t type, enum mnl_attr_data_type data)
{
	return mnl_attr_get_type(attribute) == type && mnl_attr_validate(attribute, data) >= 0;
}

static int
take_attribute(const struct nlattr *attribute, void *context)
{
	struct attributes *link = context;

	if (has_type(attribute, IFLA_MASTER, MNL_TYPE_U32))
		link->master = mnl_attr_get_u32(attribute);
	else if (has_type(attribute, IFLA_LINK, MNL_TYPE_U32))
		link->peer = mnl_attr_get_u32(attribute);
	else if (has_type(attribute, IFLA_LINK_NETNSID, MNL_TYPE_U32))
		link->netns = mnl_attr_get_u32(attribute);
	else if (has_type(attribute, IFLA_CARRIER, MNL_TYPE_U8))
		link->is_up = mnl_attr_get_u8(attribute) != 0;
	return MNL_CB_OK;
}

static void
add_port(struct links *links, int index, const struct attributes *link)
{
	if (link->netns < 0 || !link->is_up || links->nr == LINKS_MAX)
		return;
	for (size_t i = 0; i < links->nr; i++) {
		if (links->port[i].index == index)
			return;
	}
	links->port[links->nr++] = (struct link_port){ index, link->peer, (uint32_t)link->netns };
}

/* Only a message of the family AF_BRIDGE says which bridge a port that is gone was at. */
int
links_collect(const struct nlmsghdr *header, void *context)
{
	struct links *links = context;
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(header);
	struct attributes link = { .netns = -1 };

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*info))
		return MNL_CB_OK;
	mnl_attr_parse(header, sizeof(*info), take_attribute, &link);
	if (link.master == 0 || link.master != links->bridge)
		return MNL_CB_OK;
	if (header->nlmsg_type == RTM_NEWLINK && info->ifi_family == AF_UNSPEC)
		add_port(links, info->ifi_index, &link);
	else if (header->nlmsg_type == RTM_DELLINK && info->ifi_family == AF_BRIDGE)
		links->has_lost = true;
	return MNL_CB_OK;
}

static int
take_mac(const struct nlattr *attribute, void *context)
{
	struct link_mac *mac = context;

	if (mnl_attr_get_type(attribute) == IFLA_ADDRESS &&
		mnl_attr_get_payload_len(attribute) == LINKS_MAC_SIZE) {
		memcpy(mac->byte, mnl_attr_get_payload(attribute), LINKS_MAC_SIZE);
		mac->is_known = true;
	}
	return MNL_CB_OK;
}

int
links_read_mac(const struct nlmsghdr *header, void *context)
{
	mnl_attr_parse(header, sizeof(struct ifinfomsg), take_mac, context);
	return MNL_CB_OK;
}

int
links_read_entry(const struct nlmsghdr *header, void *context)
{
	struct link_entry *wanted = context;
	const struct ndmsg *entry = mnl_nlmsg_get_payload(header);

	if (header->nlmsg_type == RTM_NEWNEIGH &&
		mnl_nlmsg_get_payload_len(header) >= sizeof(*entry) &&
		entry->ndm_ifindex == wanted->index && (entry->ndm_flags & NTF_STICKY) != 0)
		wanted->is_sticky = true;
	return MNL_CB_OK;
}
