#include "sockets.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include "netlink.h"

enum { REQUEST_SIZE = 256 };

/* A program of the kernel's socket filter: is this address the peer, at ports first to last? */
struct filter {
	struct inet_diag_bc_op peer;
	/* These four are a struct inet_diag_hostcond, whose last member has no size. */
	uint8_t family, prefix_len;
	int32_t port;
	uint32_t address;
	struct inet_diag_bc_op first[2], last[2];
};

static struct filter
filter_for(uint32_t address, uint16_t first, uint16_t last)
{
	/* A step that does not hold jumps four bytes beyond the end, which means no. */
	enum { PEER = 16, BOUND = 8, END = 4 };

	return (struct filter){
		.peer = { INET_DIAG_BC_D_COND, PEER, PEER + 2 * BOUND + END },
		.family = AF_INET,
		.prefix_len = 32,
		.port = -1,
		.address = address,
		.first = { { INET_DIAG_BC_D_GE, BOUND, 2 * BOUND + END }, { .no = first } },
		.last = { { INET_DIAG_BC_D_LE, BOUND, BOUND + END }, { .no = last } },
	};
}

/* Begins a message to the kernel about connections in some states. */
static struct inet_diag_req_v2 *
begin_request(struct nlmsghdr *header, uint16_t type, uint16_t flags, uint32_t states)
{
	struct inet_diag_req_v2 *request;

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = 1;
	request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
	request->sdiag_family = AF_INET;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_states = states;
	return request;
}

int
sockets_list(struct mnl_socket *socket, uint32_t address, uint16_t first, uint16_t last,
	uint32_t states, mnl_cb_t on_socket, void *context)
{
	char buffer[REQUEST_SIZE];
	struct filter filter = filter_for(address, first, last);
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);

	begin_request(header, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, states);
	mnl_attr_put(header, INET_DIAG_REQ_BYTECODE, sizeof(filter), &filter);
	return netlink_exchange(socket, header, on_socket, context);
}

void
sockets_end(struct mnl_socket *socket, uint32_t states, const struct inet_diag_sockid *name)
{
	char buffer[REQUEST_SIZE];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);

	begin_request(header, SOCK_DESTROY, NLM_F_ACK, states)->id = *name;
	netlink_exchange(socket, header, NULL, NULL);
}
