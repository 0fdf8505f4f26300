//! Machine instructions of a function, as far as they touch memory. Knows
//! x86-64, and nothing of wasm.

use crate::image::{Function, Image};
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};

/// A machine instruction.
pub struct Machine {
    pub instruction: Instruction,
    /// What it touches, unless that is the stack or a constant.
    pub memory: Option<Memory>,
    /// Whether it is a jump through a jump table, within the function.
    pub through_table: bool,
}

/// A memory operand.
pub struct Memory {
    pub reads: bool,
    pub writes: bool,
    /// In bytes.
    pub size: usize,
    pub displacement: u64,
    /// Whether there is an index register.
    pub indexed: bool,
    /// Whether it is relative to segment GS, where only linear memory is.
    pub in_gs: bool,
    /// Whether the base is the address of something in the file: a jump table.
    pub in_file: bool,
}

/// All instructions of `function`.
pub fn decode(image: &Image<'_>, function: &Function<'_>) -> Vec<Machine> {
    let code = image.code(&function.range);
    let mut info = InstructionInfoFactory::new();
    let mut machines: Vec<Machine> = Vec::new();
    for instruction in Decoder::with_ip(64, code, function.range.start, DecoderOptions::NONE) {
        let mut memory = memory(&mut info, &instruction);
        if let Some(memory) = &mut memory {
            let parts = [instruction.memory_base(), instruction.memory_index()];
            memory.in_file = !memory.in_gs
                && parts.iter().any(|&part| is_address_in_file(&mut info, &machines, part));
        }
        let jumps = instruction.flow_control() == FlowControl::IndirectBranch;
        let through_table = jumps && mark_jump_table(&mut info, &mut machines, &instruction);
        machines.push(Machine { instruction, memory, through_table });
    }
    machines
}

/// What is read with an index and sign-extended, before something is added to it and
/// it is jumped to: no value of wasm becomes the target of a jump, so that is an entry
/// of a jump table, wherever its base comes from. Whether there is one.
fn mark_jump_table(
    info: &mut InstructionInfoFactory,
    before: &mut [Machine],
    jump: &Instruction,
) -> bool {
    let target = jump.op0_register();
    let mut sets = before.iter_mut().rev().filter(|m| writes(info, &m.instruction, target));
    let entry = match sets.find(|machine| machine.instruction.mnemonic() != Mnemonic::Add) {
        Some(Machine { instruction, memory: Some(memory), .. })
            if instruction.mnemonic() == Mnemonic::Movsxd =>
        {
            memory
        }
        _ => return false,
    };
    entry.in_file |= entry.indexed;
    entry.in_file
}

fn memory(info: &mut InstructionInfoFactory, instruction: &Instruction) -> Option<Memory> {
    let info = info.info(instruction);
    (0..instruction.op_count()).find_map(|operand| {
        use OpAccess::{CondRead, CondWrite, Read, ReadCondWrite, ReadWrite, Write};
        let access = info.op_access(operand);
        let reads = matches!(access, Read | CondRead | ReadWrite | ReadCondWrite);
        let writes = matches!(access, Write | CondWrite | ReadWrite | ReadCondWrite);
        let explicit = instruction.op_kind(operand) == OpKind::Memory;
        // Those of string instructions.
        let implicit = matches!(
            instruction.op_kind(operand),
            OpKind::MemorySegSI
                | OpKind::MemorySegESI
                | OpKind::MemorySegRSI
                | OpKind::MemorySegDI
                | OpKind::MemorySegEDI
                | OpKind::MemorySegRDI
                | OpKind::MemoryESDI
                | OpKind::MemoryESEDI
                | OpKind::MemoryESRDI
        );
        let elsewhere = instruction.is_ip_rel_memory_operand()
            || matches!(instruction.memory_base(), Register::RSP | Register::RBP);
        // `lea`, `nop` and prefetches do neither.
        let touches = reads || writes;
        (touches && (implicit || explicit && !elsewhere)).then(|| Memory {
            reads,
            writes,
            size: instruction.memory_size().size(),
            displacement: instruction.memory_displacement64(),
            indexed: instruction.memory_index() != Register::None,
            in_gs: instruction.segment_prefix() == Register::GS,
            in_file: false,
        })
    })
}

/// Whether `register` was last set to an address relative to the code.
fn is_address_in_file(
    info: &mut InstructionInfoFactory,
    before: &[Machine],
    register: Register,
) -> bool {
    let mut before = before.iter().rev().map(|machine| &machine.instruction);
    before
        .find(|instruction| writes(info, instruction, register))
        .is_some_and(|i| i.mnemonic() == Mnemonic::Lea && i.is_ip_rel_memory_operand())
}

/// Whether `instruction` sets `register`, or a part of it.
fn writes(
    info: &mut InstructionInfoFactory,
    instruction: &Instruction,
    register: Register,
) -> bool {
    info.info(instruction).used_registers().iter().any(|used| {
        used.register().full_register() == register.full_register()
            && matches!(used.access(), OpAccess::Write | OpAccess::ReadWrite)
    })
}
