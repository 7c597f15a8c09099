#include "rule.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

static void
load_bytes(struct nftnl_rule *rule, uint32_t base, uint32_t offset, uint32_t size)
{
	struct nftnl_expr *e = nftnl_expr_alloc("payload");

	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, size);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	nftnl_rule_add_expr(rule, e);
}

static void
mask_bits(struct nftnl_rule *rule, uint32_t mask)
{
	struct nftnl_expr *e = nftnl_expr_alloc("bitwise");
	const uint32_t none = 0;

	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, sizeof(mask));
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof(mask));
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, &none, sizeof(none));
	nftnl_rule_add_expr(rule, e);
}

static void
compare(struct nftnl_rule *rule, uint32_t operation, const void *value, uint32_t size)
{
	struct nftnl_expr *e = nftnl_expr_alloc("cmp");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, operation);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, value, size);
	nftnl_rule_add_expr(rule, e);
}

void
rule_match_half(struct nftnl_rule *rule, uint32_t offset, uint32_t first, uint32_t half)
{
	const uint32_t value = htonl(first);

	load_bytes(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof(value));
	mask_bits(rule, htonl(~(half - 1)));
	compare(rule, NFT_CMP_EQ, &value, sizeof(value));
}

void
rule_match_ports(struct nftnl_rule *rule, uint16_t first, uint16_t last)
{
	const uint16_t lowest = htons(first), highest = htons(last);
	const uint8_t tcp = IPPROTO_TCP;
	struct nftnl_expr *e = nftnl_expr_alloc("meta");

	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_L4PROTO);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
	nftnl_rule_add_expr(rule, e);
	compare(rule, NFT_CMP_EQ, &tcp, sizeof(tcp));
	load_bytes(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(lowest));
	compare(rule, NFT_CMP_GTE, &lowest, sizeof(lowest));
	compare(rule, NFT_CMP_LTE, &highest, sizeof(highest));
}

void
rule_match_invalid(struct nftnl_rule *rule)
{
	const uint32_t none = 0;
	struct nftnl_expr *e = nftnl_expr_alloc("ct");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	nftnl_rule_add_expr(rule, e);
	mask_bits(rule, NF_CT_STATE_INVALID_BIT);
	compare(rule, NFT_CMP_NEQ, &none, sizeof(none));
}

void
rule_end(struct nftnl_rule *rule, bool refuse)
{
	struct nftnl_expr *e = nftnl_expr_alloc(refuse ? "reject" : "immediate");

	if (refuse) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_TCP_RST);
		nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, 0);
	} else {
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, NF_DROP);
	}
	nftnl_rule_add_expr(rule, e);
}
