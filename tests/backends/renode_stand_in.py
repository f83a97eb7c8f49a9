"""Takes Renode's place in tests: reads the script and platform that Renode would get, and executes them in Unicorn.

It is no Renode, and that it agrees says nothing of Renode beyond what is written here: it knows the commands and the
platform's entries that tinyprop uses, refuses everything else, and behaves as both versions of Renode were seen to, or
as their sources say. Hooks are Python 2.7 (IronPython) there, and Python 3 here. Tests against a real Renode make the
same assertions where there is one.

STAND_IN in the environment is a version whose registers are read as it reads them (1.14.0, 1.16.1), or ``hang``.
"""

import os
import re
import signal
import struct
import subprocess
import sys
import time
from types import SimpleNamespace

import unicorn
from unicorn import arm_const

STARTED_AS = ["--disable-xwt", "--plain", "--console", "-e", "i @run.resc"]
CORES = {
    "cortex-m0+": arm_const.UC_CPU_ARM_CORTEX_M0,
    "cortex-m3": arm_const.UC_CPU_ARM_CORTEX_M3,
    "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m7": arm_const.UC_CPU_ARM_CORTEX_M7,
    "cortex-m33": arm_const.UC_CPU_ARM_CORTEX_M33,
}
ENTRY = re.compile(r"(\w+): ([\w.]+) @ sysbus(?: (0x[0-9A-Fa-f]+)| <(0x[0-9A-Fa-f]+), \+(0x[0-9A-Fa-f]+)>)?")
ATTRIBUTE = re.compile(r'    (?:(\w+): ("[\w+-]+"|\w+)|(?:(\w+) )?-> (\w+@\d+))')
ENTRIES = {  # what each kind of entry needs, and may have
    "Memory.MappedMemory": ({"size"}, {"size"}),
    "IRQControllers.NVIC": ({"IRQ"}, {"IRQ", "priorityMask", "systickFrequency"}),
    "CPU.CortexM": ({"cpuType", "nvic"}, {"cpuType", "nvic", "PerformanceInMips"}),
    "UART.STM32_UART": (set(), {None}),
}
BRANCH_TO_ITSELF = b"\xfe\xe7"
TRANSMITS = 1 << 13 | 1 << 3


class CommandError(Exception):
    """What Renode would print before it leaves the rest of a script undone."""


class Core:
    """A core with its memories: counts instructions by block, calls hooks, and is frozen in a branch to itself."""

    def __init__(self, name, mips, memories, line_address):
        self.mips = mips
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self.uc.ctl_set_cpu_model(CORES[name])
        for address, size in (*memories, (0xE000E000, 0x1000)):
            self.uc.mem_map(address, size)
        self.line = SerialLine()
        self.uc.mmio_map(
            line_address & ~0xFFF, 0x1000, self.line.read, line_address & 0xFFF, self.line.write, line_address & 0xFFF
        )
        self.uc.hook_add(unicorn.UC_HOOK_BLOCK, self.enter)
        self.executed = 0
        self.limit = 0
        self.frozen = False
        self.previous = None
        self.hooks = {}
        self.lengths = {}

    def run(self, seconds):
        self.limit = self.executed + round(float(seconds) * self.mips * 1e6)
        if self.frozen:
            return
        try:
            self.uc.emu_start(self.uc.reg_read(arm_const.UC_ARM_REG_PC) | 1, 0xFFFFFFFE)
        except unicorn.UcError as error:
            place = self.uc.reg_read(arm_const.UC_ARM_REG_PC)
            if error.errno != unicorn.UC_ERR_FETCH_UNMAPPED:
                sys.exit(f"stand-in: {error} at {place:#x}")
            log("ERROR", f"CPU abort [PC=0x{place:X}]: Trying to execute code outside RAM or ROM at 0x{place:08X}.")
            flush_log()
            time.sleep(1e6)

    def enter(self, uc, address, size, _):
        if self.executed >= self.limit:
            uc.emu_stop()
            return
        if address in self.hooks:
            code, variables = self.hooks[address]
            try:
                exec(code, variables)
            except Exception as error:
                log("ERROR", f"Python runtime error: {error}")
        if (address, size) not in self.lengths:
            self.lengths[address, size] = instructions(bytes(uc.mem_read(address, size)))
        if address == self.previous and uc.mem_read(address, 2) == BRANCH_TO_ITSELF:
            self.frozen = True
            uc.emu_stop()
            return
        self.previous = address
        self.executed += self.lengths[address, size]

    def add_hook(self, address, code):
        register = lambda number: SimpleNamespace(RawValue=self.uc.reg_read(arm_const.UC_ARM_REG_R0 + number))
        reads = "GetRegisterUnsafe" if os.environ.get("STAND_IN") == "1.14.0" else "GetRegister"
        core = self

        class Cpu:
            ExecutedInstructions = property(lambda _: core.executed)
            InfoLog = staticmethod(lambda message: log("INFO", message))

        setattr(Cpu, reads, staticmethod(register))
        self.hooks[address] = (compile(code, "hook", "exec"), {"self": Cpu(), "cpu": Cpu()})


class SerialLine:
    """STM32_UART: always ready, sends what is written to its data register if it was enabled."""

    def __init__(self):
        self.control = 0
        self.file = None

    def read(self, uc, offset, size, base):
        return {0x0: 0xC0, 0xC: self.control}[offset - base]

    def write(self, uc, offset, size, value, base):
        if offset - base == 0xC:
            self.control = value
        elif offset - base == 0x4 and self.control & TRANSMITS == TRANSMITS:
            self.file.write(bytes([value & 0xFF]))
        else:
            sys.exit(f"stand-in: {value:#x} written to the serial line at {offset - base:#x}")


def instructions(code):
    """How many Thumb instructions: of 32 bits where the first half begins with 0b11101, 0b11110 or 0b11111."""
    count = at = 0
    while at < len(code):
        at += 4 if struct.unpack_from("<H", code, at)[0] >> 11 in (0b11101, 0b11110, 0b11111) else 2
        count += 1
    return count


def platform(text):
    """The core that a platform description describes."""
    entries = {}
    for paragraph in text.rstrip("\n").split("\n\n"):
        first, *rest = paragraph.split("\n")
        entry = ENTRY.fullmatch(first)
        if not entry or entry[2] not in ENTRIES:
            raise CommandError(f"Error E00: Syntax error, unexpected {first}")
        attributes = {}
        for line in rest:
            attribute = ATTRIBUTE.fullmatch(line)
            if not attribute:
                raise CommandError(f"Error E00: Syntax error, unexpected {line}")
            attributes[attribute[1] or attribute[3]] = attribute[2] or attribute[4]
        needed, known = ENTRIES[entry[2]]
        if not needed <= attributes.keys() <= known:
            raise CommandError(f"Error E19: {entry[1]} has {sorted(map(str, attributes))}")
        entries[entry[1]] = (entry[2], int(entry[3] or entry[4] or "-1", 16), attributes)
    memories = [(at, int(has["size"], 16)) for kind, at, has in entries.values() if kind == "Memory.MappedMemory"]
    kinds = [kind for kind, _, _ in entries.values()]
    if (
        [kinds.count(kind) for kind in ENTRIES] != [len(memories), 1, 1, 1]
        or "cpu" not in entries
        or "usart2" not in entries
    ):
        raise CommandError("stand-in: not the platform that it stands in for")
    cpu = entries["cpu"][2]
    return Core(cpu["cpuType"].strip('"'), int(cpu["PerformanceInMips"]), memories, entries["usart2"][1])


class Monitor:
    """The commands, in any order in which Renode would take them."""

    def __init__(self):
        self.core = None
        self.made = self.shortened = self.immediate = False
        self.commands = [
            (r"using sysbus", self.shorten),
            (r'mach create "\w+"', self.make),
            (r"machine LoadPlatformDescription @(\S+)", self.load_platform),
            (r"sysbus LoadELF @(\S+)", self.load_elf),
            (r"sysbus LoadBinary @(\S+) (0x[0-9a-f]+)", self.load_binary),
            (r"sysbus\.usart2 CreateFileBackend @(\S+) true", self.open_line),
            (r"emulation SetGlobalAdvanceImmediately true", self.advance_immediately),
            (r"cpu VectorTableOffset 0x0", lambda: None),
            (r"cpu SP (0x[0-9a-f]+)", lambda value: self.set("SP", value)),
            (r"cpu PC (0x[0-9a-f]+)", lambda value: self.set("PC", value)),
            (r'cpu AddHook (0x[0-9a-f]+) "([^"]+)"', lambda at, code: self.core.add_hook(int(at, 16), code)),
            (r'emulation RunFor "(\d+\.\d+)"', self.run),
            (r"cpu ExecutedInstructions", lambda: say(f"0x{self.core.executed:016X}")),
            (r'echo "([^"]+)"', lambda text: say(text)),
            (r"quit", self.quit),
        ]

    def execute(self, line):
        for pattern, command in self.commands:
            found = re.fullmatch(pattern, line)
            if found:
                if line.startswith(("cpu", "sysbus.")) and not (self.shortened and self.core):
                    break
                command(*found.groups())
                return
        raise CommandError(f"No such command or device: {line}")

    def shorten(self):
        self.shortened = True

    def make(self):
        self.made = True

    def advance_immediately(self):
        self.immediate = True

    def load_platform(self, file):
        if not self.made:
            raise CommandError("No machine selected")
        with open(file) as text:
            self.core = platform(text.read())

    def load_elf(self, file):
        with open(file, "rb") as elf:
            content = elf.read()
        headers, size, count = struct.unpack_from("<28xI10xHH", content)
        for header in range(headers, headers + count * size, size):
            kind, offset, _, address, length = struct.unpack_from("<5I", content, header)
            if kind == 1:
                self.core.uc.mem_write(address, content[offset : offset + length])

    def load_binary(self, file, address):
        with open(file, "rb") as binary:
            self.core.uc.mem_write(int(address, 16), binary.read())

    def open_line(self, file):
        self.core.line.file = open(file, "xb", buffering=0)  # noqa: SIM115  # until the end

    def set(self, register, value):
        self.core.uc.reg_write(getattr(arm_const, f"UC_ARM_REG_{register}"), int(value, 16))

    def run(self, seconds):
        if os.environ.get("STAND_IN") == "hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)", os.getcwd()])
            time.sleep(1e6)
        if not self.immediate:
            time.sleep(float(seconds))
        self.core.run(seconds)

    def quit(self):
        say("Renode is quitting")
        sys.exit(0)


waiting = []
"""Lines of the log that are not printed yet: they come behind what the monitor prints, as in Renode they may."""


def log(level, message):
    waiting.append(f"12:00:00.0000 [{level}] cpu: {message}")


def flush_log():
    for line in waiting:
        print(line, flush=True)
    waiting.clear()


def say(text):
    print(text, flush=True)
    flush_log()


def main(arguments):
    if arguments != STARTED_AS:
        sys.exit(f"stand-in: started with {arguments}")
    if sys.stdin.read() != "":
        sys.exit("stand-in: there is something on standard input")
    monitor = Monitor()
    say("Renode, version 0.0.0 (stand-in)")
    with open("run.resc") as script:
        for number, line in enumerate(script.read().splitlines(), 1):
            try:
                monitor.execute(line)
            except (CommandError, OSError, SyntaxError) as error:
                say(f"There was an error executing command '{line}' in line {number}\n{error}")
                sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
