/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ends over stale memory: a libicbmsg end that does what lib/proto/SESSIONS.md says, and a peer
 * that is another one (PEER 0), Zephyr (1), or either at each of its starts (2). Each is killed at
 * any step, KILLS_A and KILLS_B times, and starts again with nothing but what memory holds.
 *
 * There are no doorbells: an end may look at any time, which covers lost, merged, late and spurious
 * ones as long as the timed look (rescue) exists. An end that would find nothing to do blocks, so
 * that `timeout` is the state in which nobody will ever do anything: there both must be connected
 * and have all of the other's messages. Cycles (pan -l) would be livelocks.
 *
 * The ring is cells of one packet each, 0 to N - 1; 0 is what rule R1 keeps empty, so what wraps
 * goes on at 1. Each step of an end is at most one store to shared memory; memory is sequentially
 * consistent (the C code has the fences for it). Tags in packets are for the assertions only: no
 * packet is taken that was not written for exactly this session, in order, without a gap.
 *
 * Taken for granted: Zephyr zeroes wr and rd in one step (Z_SPLIT shows what happens otherwise), and
 * does not restart between our seeing its magic and our storing the first rd. The peer's kind changes
 * at most once. Ids do not wrap while one end stands still. A cold start over live Zephyr ends in `held`, which is to be reported.
 *
 * MISTAKE_x leaves out one rule; each must make the verification fail. Numbers (3) are SESSIONS.md's.
 */
#ifndef N
#define N 9
#endif
#ifndef D
#define D 1
#endif
#ifndef IDS
#define IDS 7
#endif
#ifndef KILLS_A
#define KILLS_A 1
#endif
#ifndef KILLS_B
#define KILLS_B 1
#endif
/* PEER: 0 library, 1 zephyr, 2 either at each start */
#ifndef PEER
#define PEER 0
#endif
#define EMPTY 0
#define MAGIC 1
#define FILL 2
#define OLD 3
#define DATA 4
#define TYPE(c) ((c) & 7)
#define TAG(c) ((c) >> 3)
#define CELL(t,g) ((t) | ((g) << 3))
#define LOW(w) ((w) & 15)
#define HIGH(w) ((w) >> 4)
/* A session word: own id low, the other's as acknowledged high. */
#define WORD(l,h) ((l) | ((h) << 4))
#define NEXT(p) ((p) + 1 < N -> (p) + 1 : 1)
#define C(r,i) cell[(r) * N + (i)]
#ifdef MISTAKE_ACK
#define IS_ACK (acked != 0)
#else
#define IS_ACK (HIGH(word[T]) == id)
#endif
#define FITS(x) ((x) + 2 <= N - 1)

byte rd[2], wr[2];
byte word[2];
short cell[2 * N];
bool kill[2];
bool zephyr[2];		/* ghost: what runs there */
byte incarnation;		/* ghost: Zephyr's incarnation */
bool up[2], held[2];
byte received[2], sent[2];
byte zpos;		/* ghost: where Zephyr really reads */
bool zbound;		/* ghost: it has seen a magic */
bool read_by_zephyr[2];	/* ghost: who has last published rd */
byte kills[2];
#define ID_NEXT(o) ((o) % IDS + 1)

/* Our tx region and the other's; word[r], like rd[r], is written by the one who reads r. */
#define T me
/* Rescues change nothing any more: the reader is idle, and not where we want it. */
#define STUCK (zephyr[R] && zpos != w && (zpos == wr[T] || TYPE(C(T, zpos)) == EMPTY))
#define R (1 - me)

proctype End(bit me)
{
	byte id, seen, acked, x, w, b, rx, i, pw; byte m; short tag, c; bool got, pinged, at, lib;
	bool z;
again:
	{
		atomic {
			up[me] = 0; held[me] = 0; received[me] = 0; sent[me] = 0;
			id = 0; seen = 0; acked = 0; x = 0; w = 0;
			b = 0; rx = 0; i = 0; pw = 0; m = 0; tag = 0; c = 0; got = 0; pinged = 0;
			z = 0;
			if
			:: me == 1 && PEER != 0 -> z = 1
			:: !(me == 1 && PEER == 1) -> z = 0
			fi;
			zephyr[me] = z;
			if :: z -> goto zstart :: else -> goto open fi;
		}
withdraw:	/* in the handshake nothing but the announcement was read: give it back */
		atomic { if :: got && rd[R] == rx && HIGH(pw) != id -> rd[R] = 0 :: else fi; goto open }
open:		/* (1) the other's word as it is before ours changes */
		atomic { up[me] = 0; held[me] = 0; received[me] = 0; sent[me] = 0;
			got = 0; pinged = 0; at = 0; lib = 0; rx = 0; tag = 0; c = 0; x = 0; w = 0; i = 0; pw = 0; b = 0; acked = 0; id = 0;
			seen = LOW(word[T]); m = HIGH(word[T]); }
		atomic { id = ID_NEXT(LOW(word[R]));
			if :: id == m -> id = ID_NEXT(id) :: else fi; m = 0;
			word[R] = WORD(id, 0); }
hold:
		/* (2) hold: touch nothing while this may be a live session */
		held[me] = 1;
#ifndef MISTAKE_HOLD
		atomic { (HIGH(word[T]) == id || LOW(word[T]) != seen || rd[R] == 0);
			lib = (HIGH(word[T]) == id || LOW(word[T]) != seen);
			held[me] = 0 }
#endif
		/* (3) lay out: for a reader at 0 and for one at x */
lay:		atomic { up[me] = 0; received[me] = 0; sent[me] = 0;
			pinged = 0; at = 0; rx = 0; tag = 0; c = 0; pw = 0; got = 0; b = LOW(word[T]);
			if :: b != seen -> lib = 1; seen = b :: else fi }
		/* never under Zephyr that has a session with this side */
		atomic { assert(!(zephyr[R] && zbound && rd[R] != 0)); C(T, 0) = EMPTY }
#ifndef MISTAKE_ZERO
		atomic { for (i : 1 .. N - 1) { C(T, i) = EMPTY }; i = 0 }
#endif
		atomic { x = rd[T]; w = 0; }
		atomic {
			at = 0; i = 1;
			if
			:: x > 0 && FITS(x) -> w = x + 1
			:: x == 0 || !FITS(x) -> w = 1
			:: x > 0 && !FITS(x) && !lib && HIGH(word[T]) != id -> at = 1
			fi }
		if
		:: at ->
			wr[T] = x;
			C(T, x) = CELL(MAGIC, WORD(id, b));
			atomic { w = NEXT(x); wr[T] = w; acked = b; b = 0 }
			goto wait
		:: else
		fi;
		do
		:: i < w - 1 -> C(T, i) = CELL(FILL, 0); i++
		:: i == w - 1 -> C(T, i) = CELL(MAGIC, WORD(id, b)); i++
		:: i >= w -> break
		od;
		atomic { i = 0; wr[T] = w; }
		C(T, 0) = CELL(MAGIC, WORD(id, b));
		atomic { acked = b; b = 0; word[R] = WORD(id, acked); }
		/* (4) who is it? The index first, then the word */
wait:
		if
		:: atomic { LOW(word[T]) != acked -> lib = 1; goto lay }
#ifndef MISTAKE_RELAY
		/* rescue: the reader is nowhere where something was laid out, and does not move */
		:: atomic { STUCK && rd[R] == 0 -> goto open }
#endif
		:: atomic { LOW(word[T]) == acked && IS_ACK -> if :: at -> goto lay :: else fi; pw = word[T]; goto conn }
		:: rd[T] == w && rd[R] == 0 && LOW(word[T]) == acked && !(IS_ACK)
		fi;
		atomic {
			if
			:: LOW(word[T]) != acked -> lib = 1; goto lay
			:: LOW(word[T]) == acked && IS_ACK -> if :: at -> goto lay :: else fi; pw = word[T]; goto conn
			:: else -> pw = word[T]
			fi }
		atomic { if :: rd[R] != 0 -> pw = 0; goto wait :: else fi; }
		/* (5) shake hands: read the announcement, ping, see the ping read */
conn:
		if
#ifndef MISTAKE_RELAY
		:: atomic { STUCK && HIGH(pw) != id && rd[R] == rx -> goto withdraw }
#endif
		:: atomic { word[T] != pw -> goto withdraw }
		:: atomic { got && rd[R] != rx ->
			/* what we read was left from before; the announcement stands as it is */
			if :: rd[R] == 0 && !at && w + 1 < N - 1 -> got = 0; rx = 0; pw = 0; pinged = 0; goto wait
			   :: else -> goto withdraw fi }
		:: atomic { !got && wr[R] != 0 && TYPE(C(R, 0)) == MAGIC -> c = C(R, 0); }
			if
			:: atomic { word[T] != pw -> goto withdraw }
			:: atomic { word[T] == pw -> m = rd[R] }
			fi;
			atomic {
				if :: rd[R] != m -> goto withdraw :: else fi;
				/* taken for granted, see above */
				if :: zephyr[R] && (wr[R] == 0 || TYPE(C(R, 0)) != MAGIC) -> c = 0; m = 0; goto conn
				   :: else fi;
				if :: zephyr[R] -> c = C(R, 0) :: else fi;
				rd[R] = 1; rx = 1; read_by_zephyr[R] = 0; got = 1; m = 0; tag = TAG(c); c = 0;
				goto conn }
		:: atomic { got && rx != wr[R] && (TYPE(C(R, rx)) == MAGIC || TYPE(C(R, rx)) == FILL) -> skip }
			if
			:: atomic { word[T] != pw -> goto withdraw }
			:: atomic { word[T] == pw -> skip }
			fi;
			atomic {
				if :: rd[R] != rx -> goto withdraw :: else fi;
				rx = NEXT(rx); rd[R] = rx; read_by_zephyr[R] = 0; goto conn }
#ifdef MISTAKE_PING
		:: atomic { got && !pinged && rd[T] == w -> pinged = 1; goto conn }
#else
		:: atomic { got && !pinged && rd[T] == w -> C(T, w) = CELL(FILL, 0) }
			atomic { w = NEXT(w); wr[T] = w; pinged = 1; goto conn }
#endif
		:: atomic { pinged && rd[T] == w -> skip }
			C(T, 0) = EMPTY;
			atomic { if :: word[T] != pw -> goto withdraw :: else fi; }
			atomic { if :: rd[R] != rx -> goto withdraw :: else fi;
				/* ghost: who has read our ping is who wrote what we read */
				if :: HIGH(pw) != id -> assert(read_by_zephyr[T]) :: else fi;
				up[me] = 1; }
		fi;
		/* (6) connected */
connected:
		if
		:: atomic { word[T] != pw -> goto withdraw }
		:: atomic { rd[R] != rx -> goto withdraw }
		:: atomic { sent[me] < D -> C(T, w) = CELL(DATA, (WORD(id, acked) << 2) | sent[me]) }
			atomic { w = NEXT(w); wr[T] = w; sent[me]++; goto connected }
		:: atomic { rx != wr[R] -> c = C(R, rx) }
#ifndef MISTAKE_LOOK
			atomic { if :: rd[R] != rx -> goto withdraw :: else fi }
#endif
			if
			:: atomic { word[T] != pw -> goto withdraw }
			:: atomic { word[T] == pw ->
				if
				:: TYPE(c) == FILL -> skip
				:: TYPE(c) == DATA ->
					assert(TAG(c) == ((tag << 2) | received[me]));
					received[me]++
				:: TYPE(c) == MAGIC ->
#ifndef MISTAKE_MAGIC
					if :: HIGH(pw) != id -> goto withdraw :: else fi
#else
					goto withdraw
#endif
				:: else -> goto withdraw
				fi; c = 0 }
			fi;
			atomic {
				if :: rd[R] != rx -> goto withdraw :: else fi;
				rx = NEXT(rx); rd[R] = rx; read_by_zephyr[R] = 0; goto connected }
		fi;
zstart:
		/* Zephyr */
		atomic { incarnation++; zpos = 0; zbound = 0; wr[T] = 0;
#ifdef Z_SPLIT
		}
		atomic {
#endif
		rd[T] = 0; }
		C(T, 0) = CELL(MAGIC, WORD(incarnation, 0));
		atomic { wr[T] = 1; w = 1; }
zloop:
		if
		:: atomic { rx != wr[R] && TYPE(C(R, rx)) != EMPTY -> c = C(R, rx);
			if
			:: !zbound ->
				if :: TYPE(c) == MAGIC -> zbound = 1; :: else fi
			:: else ->
				if
				:: TYPE(c) == DATA ->
					/* one session's, from the start, in order */
					if :: received[me] == 0 -> tag = TAG(c) >> 2 :: else fi;
					assert(TAG(c) == ((tag << 2) | received[me]));
					received[me]++
				:: TYPE(c) == OLD -> assert(false)
				:: else
				fi
			fi;
			rx = NEXT(rx); zpos = rx; c = 0;
			}
			atomic { rd[R] = rx; read_by_zephyr[R] = 1; goto zloop }
		:: atomic { zbound && sent[me] < D -> C(T, w) = CELL(DATA, (WORD(incarnation, 0) << 2) | sent[me]) }
			atomic { w = NEXT(w); wr[T] = w; sent[me]++; goto zloop }
		fi;
	} unless { atomic { kill[me] -> kill[me] = 0; up[me] = 0; held[me] = 0 } };
	goto again
}

init {
	byte r, v;
	atomic {
#ifdef DIRTY
		/* any words; what a dead session of either kind of peer may have left in the rings */
		for (r : 0 .. 1) {
			select(v : 0 .. N - 1); rd[r] = v;
			select(v : 0 .. 2); word[r] = v;
			select(v : 0 .. 2); word[r] = WORD(word[r], v);
			for (v : 1 .. N - 1) { C(r, v) = CELL(OLD, 99) };
			if
			:: C(r, 0) = EMPTY; select(v : 0 .. N - 1); wr[r] = v
			:: C(r, 0) = CELL(MAGIC, 99); wr[r] = 1
			:: C(r, 0) = CELL(MAGIC, 99); C(r, 1) = CELL(MAGIC, 99); wr[r] = 2
			:: r == 1 && PEER != 0 -> C(r, 0) = CELL(MAGIC, 99); select(v : 1 .. N - 1); wr[r] = v
			fi
		}
#endif
		kills[0] = KILLS_A; kills[1] = KILLS_B;
		run End(0); run End(1);
	}
	do
	:: atomic { kills[0] > 0 && !kill[0] -> kills[0]--; kill[0] = 1 }
	:: atomic { kills[1] > 0 && !kill[1] -> kills[1]--; kill[1] = 1 }
	:: atomic { kills[0] > 0 -> kills[0]-- }
	:: atomic { kills[1] > 0 -> kills[1]-- }
	:: atomic { timeout ->
		if
		:: !zephyr[1] -> assert(up[0] && up[1] && received[0] == D && received[1] == D)
		:: zephyr[1] && held[0] -> assert((KILLS_A > 0 || (PEER == 2 && KILLS_B > 1)) && zbound && rd[1] != 0)
		:: else -> assert(up[0] && zbound && received[0] == D && received[1] == D)
		fi; break }
	od;
end:	false
}
