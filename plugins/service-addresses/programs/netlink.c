#define _DEFAULT_SOURCE /* for SO_RCVBUFFORCE */
#include "netlink.h"

#include <errno.h>
#include <sys/socket.h>

/* The kernel's errors are the negatives of smaller numbers. */
enum { MAX_ERRNO = 4096 };

/* Each change has an answer, which takes about 600 bytes of the room of the socket. */
enum { ANSWERS_ROOM = 16 << 20 };

struct mnl_socket *
netlink_open(int bus, unsigned groups)
{
	struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);

	if (socket && mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0) {
		int error = errno;
		mnl_socket_close(socket);
		errno = error;
		return NULL;
	}
	return socket;
}

void
netlink_close(struct mnl_socket *socket)
{
	if (socket)
		mnl_socket_close(socket);
}

/*
 * Whether bytes are whole messages, each as long as its header says. libmnl takes a length of 2^31
 * or more for a negative one.
 */
static bool
is_whole(const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size >= sizeof(struct nlmsghdr)) {
		size_t length = ((const struct nlmsghdr *)(const void *)at)->nlmsg_len;

		if (length < sizeof(struct nlmsghdr) || length > size)
			return false;
		length = (length + 3) & ~(size_t)3;
		if (length > size)
			break;
		at += length;
		size -= length;
	}
	return true;
}

int
netlink_run(const void *bytes, size_t size, unsigned sequence, unsigned port, mnl_cb_t on_message,
	void *context)
{
	if (is_whole(bytes, size))
		return mnl_cb_run(bytes, size, sequence, port, on_message, context);
	errno = EBADMSG;
	return -1;
}

int
netlink_exchange(struct mnl_socket *socket, const struct nlmsghdr *request, mnl_cb_t on_answer,
	void *context)
{
	char buffer[NETLINK_SIZE];
	int more = 1;

	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return errno;
	while (more > 0) {
		ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));

		if (n <= 0)
			return n == 0 ? EIO : errno;
		more = netlink_run(buffer, (size_t)n, request->nlmsg_seq,
			mnl_socket_get_portid(socket), on_answer, context);
		if (more < 0)
			return errno;
	}
	return 0;
}

void
netlink_read_answer(struct netlink_answer *answer, const void *bytes, size_t size)
{
	const struct nlmsghdr *header = bytes;
	int left = is_whole(bytes, size) ? (int)size : 0;

	for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
		const struct nlmsgerr *said = mnl_nlmsg_get_payload(header);

		if (header->nlmsg_type != NLMSG_ERROR ||
			mnl_nlmsg_get_payload_len(header) < sizeof(said->error))
			continue;
		answer->is_acknowledged = true;
		if (answer->error == 0 && said->error != 0)
			answer->error =
				said->error < 0 && said->error > -MAX_ERRNO ? -said->error : EIO;
	}
}

int
netlink_commit(struct mnl_socket *socket, const void *batch, size_t size)
{
	char buffer[NETLINK_SIZE];
	struct netlink_answer answer = { 0 };
	int room = ANSWERS_ROOM;
	ssize_t n;

	/* Without room for all answers there is an ENOBUFS, and no error would be known. */
	setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (mnl_socket_sendto(socket, batch, size) < 0)
		return errno;
	/* The kernel has answered completely when sendto returns, so this never waits. */
	while ((n = recv(mnl_socket_get_fd(socket), buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		netlink_read_answer(&answer, buffer, (size_t)n);
	return answer.error || answer.is_acknowledged ? answer.error : EIO;
}
