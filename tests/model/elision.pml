/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doorbell elision (protocol.md section 6): a producer that rings only if the ring was empty before
 * its packet, and a consumer that looks again before it sleeps.
 *
 * Each side has a store buffer of one entry, as a CPU has: a store enters the buffer, and reaches
 * memory at any later moment, at a fence, or when the next store needs the room. Loads of the other
 * side's index go past the own buffer: that is what the fences are for.
 *
 * NO_PRODUCER_FENCE, NO_CONSUMER_FENCE and NO_RECHECK are the seeded mistakes. LOSSY loses any
 * doorbell; RESCUE is the timed look. Verdict: `done` is reached, and a process that sleeps with
 * packets in the ring for ever is an invalid end state.
 */
#ifndef PACKETS
#define PACKETS 4
#endif

byte wr, rd;		/* shared memory */
byte wr_buf, rd_buf;	/* stores on their way */
bool wr_full, rd_full;
bool bell;		/* merges: a second ring before the first is taken is the same */
byte consumed;

inline flush(held, memory, buffer) {
	atomic { if :: held -> memory = buffer; held = false :: else fi }
}

inline ring() {
#ifdef LOSSY
	if :: bell = true :: skip fi
#else
	bell = true
#endif
}

/* Buffers drain whenever they like. */
active proctype Memory() {
end:	do
	:: atomic { wr_full -> wr = wr_buf; wr_full = false }
	:: atomic { rd_full -> rd = rd_buf; rd_full = false }
	od
}

active proctype Producer() {
	byte n, seen;

	do
	:: n < PACKETS ->
		/* publish */
		flush(wr_full, wr, wr_buf);
		atomic { n++; wr_buf = n; wr_full = true }
#ifndef NO_PRODUCER_FENCE
		flush(wr_full, wr, wr_buf);
#endif
		seen = rd;
		if
		:: seen == n - 1 ->
			/* empty before this packet: the consumer may sleep. A doorbell is a device
			 * access behind a barrier: what was published is visible before it. */
			flush(wr_full, wr, wr_buf);
			ring()
		:: else
		fi;
		seen = 0
	:: n == PACKETS -> break
	od
}

active proctype Consumer() {
	byte n, w;

look:	w = wr;
	do
	:: n != w ->
		n++;
		consumed = n;
		flush(rd_full, rd, rd_buf);
		atomic { rd_buf = n; rd_full = true }
	:: n == w -> break
	od;
#ifndef NO_CONSUMER_FENCE
	flush(rd_full, rd, rd_buf);
#endif
#ifndef NO_RECHECK
	if
	:: wr != n -> w = 0; goto look
	:: else
	fi;
#endif
	w = 0;
	if
	:: n == PACKETS -> goto done
	:: atomic { bell -> bell = false }
#ifdef RESCUE
	:: atomic { wr != n -> skip }
#endif
	fi;
	goto look;
done:	assert(consumed == PACKETS)
}
