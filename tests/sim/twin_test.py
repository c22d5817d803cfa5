#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our firmware stand-in against the project's Python twin, command by command.

usage: twin_test.py FW_CMD SOURCE_DIR [FIRST_SEED]

Four links carry out the same random commands: ours with ours, twin with twin, and one of each with
either in the role of initiator. After every command all four answers and all four memories must be
equal. Sides are restarted on the way, with doorbells pending. Every run is given by its seed.
Exit status 77: there is no twin here."""
import json
import mmap
import os
import random
import select
import subprocess
import sys
import tempfile

COMMANDS = 500          # per run
ANSWER_SECONDS = 60     # only ends what hangs
# (word size, alignment or None, [offset, size, blocks] of F and of I, number of endpoints, fill)
RUNS = [
    (4, None, (0, 2048, 16), (2048, 2048, 32), 8, 'zero'),
    (8, None, (0, 2048, 16), (2048, 2048, 32), 8, 'a5'),
    (4, 32, (0, 4096, 16), (4096, 4096, 16), 3, 'random'),
    (8, 32, (20, 2028, 5), (2057, 2023, 7), 3, 'zero'),
    (4, 64, (0, 0x4000, 1), (0x4000, 0x4000, 2), 2, 'a5'),
    (8, 64, (0, 0x8000, 64), (0x8000, 0x8000, 256), 8, 'random'),
    (4, 128, (0, 0x8000, 256), (0x8000, 0x6000, 3), 20, 'zero'),
    (8, 128, (0, 0x4000, 4), (0x4000, 0x4000, 4), 1, 'random'),
]


class Side:
    """One process: a firmware stand-in in command mode."""

    def __init__(self, argv, inherit):
        self.argv, self.inherit = argv, inherit
        self.start()

    def start(self):
        self.p = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  pass_fds=self.inherit, bufsize=0)
        self.rest = b''
        self.limit = json.loads(self.line())['max']

    def line(self):
        while b'\n' not in self.rest:
            if not select.select([self.p.stdout], [], [], ANSWER_SECONDS)[0]:
                raise SystemExit('no answer from %s' % self.argv)
            more = os.read(self.p.stdout.fileno(), 1 << 16)
            if not more:
                raise SystemExit('%s ended' % self.argv)
            self.rest += more
        line, self.rest = self.rest.split(b'\n', 1)
        return line.decode()

    def ask(self, command):
        self.p.stdin.write(command.encode() + b'\n')

    def answer(self):
        lines = [self.line()]
        while not lines[-1].startswith(('ok ', 'err ')):
            lines.append(self.line())
        return lines

    def stop(self):
        self.p.kill()
        self.p.wait()
        self.p.stdin.close()
        self.p.stdout.close()


class Link:
    """Memory, doorbells and two sides, each of either kind."""

    def __init__(self, tools, run, image, f_kind, i_kind):
        word, align, lo, hi, num_ep, _ = run
        self.file = tempfile.NamedTemporaryFile(prefix='icbmsg-twin-')
        self.file.write(image)
        self.file.flush()
        self.memory = mmap.mmap(self.file.fileno(), len(image))
        self.bells = [os.eventfd(0), os.eventfd(0)]
        self.sides = {}
        for name, kind, tx, rx, bells in (('F', f_kind, lo, hi, self.bells),
                                          ('I', i_kind, hi, lo, self.bells[::-1])):
            sizes = [len(image), tx[0], tx[1], rx[0], rx[1], tx[2], rx[2]]
            if kind == 'ours':
                argv = [tools['ours'], self.file.name] + sizes + [align or 0, word, num_ep] + bells
            else:
                argv = [sys.executable, tools['twin'], '--mode', 'cmd', '--shm', self.file.name]
                for key, value in zip(('map-size', 'tx-off', 'tx-size', 'rx-off', 'rx-size',
                                       'tx-blocks', 'rx-blocks'), sizes):
                    argv += ['--' + key, value]
                argv += ['--word', word, '--num-ep', num_ep, '--db-rx-fd', bells[0],
                         '--db-tx-fd', bells[1]] + (['--align', align] if align else [])
            self.sides[name] = Side([str(x) for x in argv], self.bells)

    def close(self):
        for side in self.sides.values():
            side.stop()
        for fd in self.bells:
            os.close(fd)
        self.memory.close()
        self.file.close()


class Choice:
    """What is done next: random, but mostly something that works."""

    def __init__(self, rng, blocks, limit):
        self.rng, self.blocks, self.limit = rng, blocks, limit
        self.sequence = 0
        self.restarted('F')
        self.restarted('I')

    def restarted(self, side):
        if not hasattr(self, 'buffers'):
            self.buffers, self.held = {}, {}
        self.buffers[side], self.held[side] = [], 0     # sizes taken; number held
        self.fresh = getattr(self, 'fresh', {})
        self.kept = getattr(self, 'kept', {})
        self.fresh[side], self.kept[side] = [], []      # not given back yet

    def learn(self, side, answer):
        for line in answer:
            if line.startswith('{"buf"'):
                self.fresh[side].append(len(self.buffers[side]))
                self.buffers[side].append(json.loads(line)['len'])
            elif line.startswith('{"ev":"rx"') and not line.endswith('"held":-1}'):
                self.kept[side].append(self.held[side])
                self.held[side] += 1

    def one_of(self, fresh, count):
        """A number below count: one that was not used yet, rarely any (what Zephyr does then is
        part of what it is)."""
        if fresh and self.rng.random() < 0.93:
            return fresh.pop(self.rng.randrange(len(fresh)))
        return self.rng.randrange(count) if count and self.rng.random() < 0.1 else None

    def name(self):
        return 'ep%d' % self.rng.choice((0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4))

    def payload(self, limit):
        rng = self.rng
        self.sequence += 1
        size = rng.choice((1, rng.randint(1, 8), rng.randint(1, 64), rng.randint(1, 200),
                           rng.randint(1, max(1, limit // 4)), rng.randint(0, limit), limit))
        return 'prng:%d:%d' % (self.sequence, min(size, limit))

    def control(self, side):
        rng = self.rng
        if rng.random() < 0.1:
            return rng.randbytes(rng.choice((1, 2, 4, 13, 20, 60, 124))).hex()
        last = self.blocks['I' if side == 'F' else 'F'] if rng.random() < 0.5 else self.blocks[side]
        kind = rng.choice((0, 1, 1, 2, 3, 0x7f))
        more = rng.randbytes(rng.choice((0, 0, 1, 3)))
        return (bytes((kind, rng.choice((0, 0, 1, 2, 200)), rng.randrange(min(last + 1, 256))))
                + more).hex()

    def command(self, side):
        rng = self.rng
        kind = rng.choices(('pump', 'send', 'alloc', 'sendnc', 'drop', 'release', 'hold', 'register',
                            'deregister', 'state', 'rawctl', 'rawdata', 'ring', 'work', 'open'),
                           (34, 24, 6, 8, 4, 14, 2, 6, 1, 3, 1.2, 1, 1, 1, 0.5))[0]
        if kind == 'send':
            return 'send %s %s' % (self.name(), self.payload(self.limit[side] + 1))
        if kind == 'alloc':
            return 'alloc %s %d' % (self.name(), rng.choice((0, rng.randint(1, 100),
                                                             rng.randint(1, self.limit[side]))))
        if kind in ('sendnc', 'drop'):
            n = self.one_of(self.fresh[side], len(self.buffers[side]))
            if n is not None:
                return 'drop %d' % n if kind == 'drop' else \
                       'sendnc %d %s' % (n, self.payload(self.buffers[side][n]))
        if kind == 'release':
            n = self.one_of(self.kept[side], self.held[side])
            if n is not None:
                return 'release %d' % n
        if kind == 'hold':
            return 'hold %d' % (rng.random() < 0.4)
        if kind in ('register', 'deregister'):
            return '%s %s' % (kind, self.name())
        if kind == 'rawctl':
            return 'rawctl ' + self.control(side)
        if kind == 'rawdata':
            return 'rawdata %d %s %d' % (rng.randint(0, 3), self.payload(40),
                                         rng.choice((0, 1, 200, self.limit[side] + 1, 1 << 31)))
        return kind if kind in ('state', 'ring', 'work', 'open') else 'pump'


def fill(kind, size, rng):
    return {'zero': bytes(size), 'a5': b'\xa5' * size, 'random': rng.randbytes(size)}[kind]


def compare(links, side, command, where):
    for link in links:
        link.sides[side].ask(command)
    answers = [link.sides[side].answer() for link in links]
    for link, answer in zip(links, answers):
        if answer != answers[1]:
            raise SystemExit('%s: %s of %s answers\n%s\nthe twin\n%s'
                             % (where, command, side, answer, answers[1]))
        if link.memory[:] != links[1].memory[:]:
            at = next(k for k in range(len(link.memory)) if link.memory[k] != links[1].memory[k])
            raise SystemExit('%s: after %s of %s byte %d is %02x, %02x with the twin'
                             % (where, command, side, at, link.memory[at], links[1].memory[at]))
    return answers[0]


def opening(rng):
    """Start and bind, in one of several orders."""
    steps = [('F', 'open'), ('I', 'open'), ('F', 'register ep0'), ('I', 'register ep0')]
    rng.shuffle(steps)
    return steps + [(side, 'pump') for side in 'FIFIFI']


def run_one(tools, number, run, totals):
    rng = random.Random(number)
    lo, hi = run[2], run[3]
    image = fill(run[5], (max(lo[0] + lo[1], hi[0] + hi[1]) + 4095) // 4096 * 4096, rng)
    links = [Link(tools, run, image, f, i) for f, i in (('ours', 'ours'), ('twin', 'twin'),
                                                        ('ours', 'twin'), ('twin', 'ours'))]
    choice = Choice(rng, {'F': lo[2], 'I': hi[2]},
                    {side: links[1].sides[side].limit for side in 'FI'})
    plan = opening(rng)
    quiet = 0
    for step in range(COMMANDS):
        quiet += 1
        if rng.random() < 0.003 or quiet > 100:
            # Both die at once, or one alone: a live Zephyr does not take a new peer back. A link
            # that leaked its last block or was sent nonsense is dead as well.
            for side in 'FI' if quiet > 100 else rng.choice(('F', 'I', 'FI')):
                for link in links:
                    link.sides[side].stop()
                    link.sides[side].start()
                choice.restarted(side)
                totals['restarts'] += 1
            plan = opening(rng)
            quiet = 0
        side, command = plan.pop(0) if plan else (None, None)
        if not side:
            side = rng.choice('FI')
            command = choice.command(side)
        answer = compare(links, side, command, 'run %d, command %d' % (number, step))
        choice.learn(side, answer)
        totals['commands'] += 1
        messages = sum(line.startswith('{"ev":"rx"') for line in answer)
        totals['messages'] += messages
        quiet = 0 if messages else quiet
        totals['bound'] += sum(line.startswith('{"ev":"bound"') for line in answer)
    for link in links:
        link.close()


def main():
    ours, source = sys.argv[1:3]
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    tools = {'ours': ours, 'twin': os.path.join(source, '..', 'shared', 'twin', 'twin.py')}
    if not os.path.exists(tools['twin']):
        print('skipped: there is no twin at %s' % tools['twin'])
        return 77
    totals = {'commands': 0, 'messages': 0, 'bound': 0, 'restarts': 0}
    for number, run in enumerate(RUNS):
        run_one(tools, first + number, run, totals)
    print(json.dumps(totals))
    # A test that exchanged next to nothing would prove nothing.
    return 0 if totals['messages'] > 100 and totals['restarts'] > 10 else 1


if __name__ == '__main__':
    sys.exit(main())
