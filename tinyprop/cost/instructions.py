"""Thumb code as the classes of instructions that the cycle models know, by the disassembler Capstone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import capstone
from capstone import arm_const as arm

from tinyprop.cost.cycles import Instruction, Kind

_KINDS = {
    Kind.MULTIPLY: "MUL",
    Kind.MULTIPLY_ADD: "MLA MLS",
    Kind.MULTIPLY_LONG: "UMULL SMULL",
    Kind.MULTIPLY_ADD_LONG: "UMLAL SMLAL UMAAL",
    Kind.DIVIDE: "UDIV SDIV",
    Kind.LOAD: "LDR LDRB LDRH LDRSB LDRSH",
    Kind.STORE: "STR STRB STRH",
    Kind.TRANSFER: "LDM STM LDMDB STMDB PUSH POP LDRD STRD VLDMIA VSTMIA VLDMDB VSTMDB VPUSH VPOP",
    Kind.BRANCH: "B CBZ CBNZ",
    Kind.CALL: "BL",
    Kind.BRANCH_REGISTER: "BX BLX",
    Kind.TABLE_BRANCH: "TBB TBH",
    Kind.SYSTEM: "DMB DSB ISB MRS MSR CPS",
    Kind.FLOAT_MULTIPLY_ADD: "VMLA VMLS VFMA VFMS VNMLA VNMLS VFNMA VFNMS",
    Kind.FLOAT_DIVIDE: "VDIV VSQRT",
    Kind.FLOAT_LOAD: "VLDR",
    Kind.FLOAT_STORE: "VSTR",
}
_KIND_OF = {getattr(arm, f"ARM_INS_{name}"): kind for kind, names in _KINDS.items() for name in names.split()}


def decode(code: bytes, address: int) -> list[Instruction]:
    """The instructions of a piece of Thumb code.

    Raises:
        ValueError: it holds something that is no instruction.
    """
    decoded = list(_disassembler().disasm(code, address))
    end = decoded[-1].address + decoded[-1].size if decoded else address
    if end != address + len(code):
        raise ValueError(f"no Thumb instruction at {end:#x}")
    return [_instruction(instruction) for instruction in decoded]


@cache
def _disassembler() -> Any:
    disassembler = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    disassembler.detail = True
    return disassembler


def _instruction(found: Any) -> Instruction:
    read, written = (
        {single for name in names for single in _single(found.reg_name(name))} for names in found.regs_access()
    )
    address = {
        found.reg_name(register)
        for operand in found.operands
        if operand.type == arm.ARM_OP_MEM
        for register in (operand.mem.base, operand.mem.index)
        if register
    }
    kind = _kind(found)
    moved = _moved(found) if kind is Kind.TRANSFER else []
    if "st" in found.mnemonic[:3] or "push" in found.mnemonic:
        read.update(moved)  # of floating-point registers Capstone does not say so
    else:
        written.update(moved)
    return Instruction(kind, len(moved), frozenset(read), frozenset(written), frozenset(address))


def _moved(found: Any) -> list[str]:
    """The 32-bit registers that a transfer moves."""
    registers = [found.reg_name(operand.reg) for operand in found.operands if operand.type == arm.ARM_OP_REG]
    if "{" in found.op_str and not found.op_str.startswith("{"):
        del registers[0]  # the base
    return [single for register in registers for single in _single(register)]


def _kind(found: Any) -> Kind:
    kind = _KIND_OF.get(found.id)
    operands = found.operands
    if kind is None:
        if not found.mnemonic.startswith("v"):
            return Kind.SIMPLE
        return Kind.FLOAT_MOVE_TWO if found.id == arm.ARM_INS_VMOV and len(operands) > 2 else Kind.FLOAT
    if kind is Kind.STORE and any(operand.type == arm.ARM_OP_MEM and operand.mem.index for operand in operands):
        return Kind.STORE_INDEXED
    if kind in (Kind.FLOAT_LOAD, Kind.FLOAT_STORE) and found.reg_name(operands[0].reg).startswith("d"):
        return Kind.TRANSFER
    return kind


def _single(register: str) -> Iterator[str]:
    """A register by the names of its 32-bit halves."""
    if register.startswith("d"):
        first = 2 * int(register[1:])
        yield from (f"s{first}", f"s{first + 1}")
    else:
        yield register
