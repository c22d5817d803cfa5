// SPDX-License-Identifier: Apache-2.0
/*
 * What a library client asks for on its socket: endpoints, and to be looked at.
 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the client is a member of @group. */
static bool has_group(const struct link_client *c, gid_t group)
{
	struct ucred peer;
	gid_t groups[256];
	socklen_t size = sizeof(peer);

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.gid == group)
		return true;
	size = sizeof(groups);
	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t n = 0; n < size / sizeof(*groups); n++)
		if (groups[n] == group)
			return true;
	return false;
}

/* As the kernel does for who connects to a socket: one has to be allowed to write to its file. */
static bool may_write(const struct link_client *c, mode_t mode, uid_t owner, gid_t group)
{
	if (c->uid == 0)
		return true;
	if (c->uid == owner)
		return mode & S_IWUSR;
	return mode & (has_group(c, group) ? S_IWGRP : S_IWOTH);
}

/* An endpoint that is not exported yet would have a socket like this. */
static bool may_have_section(const struct link_client *c, const struct endpoint_settings *s)
{
	return may_write(c, s->mode, s->owner == (uid_t)-1 ? geteuid() : s->owner,
			 s->group == (gid_t)-1 ? getegid() : s->group);
}

/* Who could not connect to the endpoint's socket does not get it here. */
static bool may_have(const struct link_client *c, const struct exported *e)
{
	struct stat st;

	return stat(e->listener.path, &st) == 0 && may_write(c, st.st_mode, st.st_uid, st.st_gid);
}

static int refuse(char why[ERROR_SIZE], int error, const char *text)
{
	snprintf(why, ERROR_SIZE, "%s", text);
	return error;
}

static int register_name(struct link_client *c, const char *name, char why[ERROR_SIZE])
{
	static const char forbidden[] = "the mode, owner and group of its socket do not allow this "
					"user to use the endpoint";
	struct instance *i = c->instance;
	struct link_ept *p = link_ept_find(c, name);
	struct exported *e = instance_find(i, name);
	const struct endpoint_section *section;
	int ret;

	if (p && !p->closing)
		return refuse(why, -EEXIST, "this connection has the endpoint already");
	if (p) {
		/* What it sent before is still on its way. */
		p->closing = false;
		c->closing--;
		return 0;
	}
	if (i->server->draining)
		return refuse(why, -ESHUTDOWN, "the daemon is stopping");
	section = settings_find_endpoint(i->server->settings, i->name, name);
	if (!e && section && !may_have_section(c, &section->values))
		return refuse(why, -EACCES, forbidden);
	ret = exported_provide(&e, i, name, c->uid, why);
	if (ret < 0)
		return ret;
	if (!may_have(c, e))
		return refuse(why, -EACCES, forbidden);
	return link_ept_new(c, e, why);
}

/* Into the socket, or kept until that takes it. */
static void answer(struct link_client *c, int error, const char *why)
{
	struct client_answer head = { .type = CLIENT_ANSWER, .error = error };
	size_t length = strlen(why);

	if (length > sizeof(c->answer) - sizeof(head))
		length = sizeof(c->answer) - sizeof(head);
	memcpy(c->answer, &head, sizeof(head));
	memcpy(c->answer + sizeof(head), why, length);
	c->answer_size = sizeof(head) + length;
	link_answer_again(c);
}

void link_answer_again(struct link_client *c)
{
	ssize_t n = send(c->fd, c->answer, c->answer_size, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		event_add(&c->writable, NULL);
		return;
	}
	/* Who has gone is noticed by what comes, or does not come, from the socket. */
	c->answer_size = 0;
}

static void take_register(struct link_client *c, const char *name)
{
	struct link_ept *p;
	char why[ERROR_SIZE] = "";
	int ret;

	if (c->answer_size > 0) {
		link_end_badly(c, "it asks without waiting for the answer before");
		return;
	}
	ret = register_name(c, name, why);
	answer(c, ret, why);
	p = link_ept_find(c, name);
	if (ret == 0 && p)
		link_ept_announce(p);
}

static void take_deregister(struct link_client *c, const char *name)
{
	struct link_ept *p = link_ept_find(c, name);

	if (p && !p->closing)
		link_ept_close(p);
	else
		link_end_badly(c, "it deregisters an endpoint that it has not registered");
}

void link_packet(struct link_client *c, const uint8_t *packet, size_t size)
{
	char name[ICBMSG_EPT_NAME_MAX + 1];
	uint8_t type = packet[0];

	if (type == CLIENT_RING) {
		link_turn_later(c);
		return;
	}
	if (type != CLIENT_REGISTER && type != CLIENT_DEREGISTER) {
		link_end_badly(c, "its packet is of a kind that a client does not send");
		return;
	}
	size--;
	if (size == 0 || size >= sizeof(name) || memchr(packet + 1, '\0', size)) {
		link_end_badly(c, "its packet holds no name of an endpoint");
		return;
	}
	memcpy(name, packet + 1, size);
	name[size] = '\0';
	if (type == CLIENT_REGISTER)
		take_register(c, name);
	else
		take_deregister(c, name);
}
