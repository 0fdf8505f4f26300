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
    /// Whether the frame is gone: a jump leaves the function.
    pub after_epilogue: bool,
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
            memory.in_file = is_address_in_file(&mut info, &machines, instruction.memory_base());
        }
        let after_epilogue = machines.last().is_some_and(|previous| {
            previous.instruction.mnemonic() == Mnemonic::Pop
                && previous.instruction.op0_register() == Register::RBP
        });
        if instruction.flow_control() == FlowControl::IndirectBranch {
            mark_jump_table(&mut machines);
        }
        machines.push(Machine { instruction, memory, after_epilogue });
    }
    machines
}

/// What is read, sign-extended, shortly before an indirect jump: wasm has none,
/// so that is an entry of a jump table wherever its base comes from.
fn mark_jump_table(before: &mut [Machine]) {
    let mut last = before.iter_mut().rev().take(4);
    let entry = last.find(|machine| machine.instruction.mnemonic() == Mnemonic::Movsxd);
    if let Some(Machine { memory: Some(memory), .. }) = entry {
        memory.in_file |= memory.indexed;
    }
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
    let sets = before.iter().rev().map(|machine| &machine.instruction).find(|instruction| {
        let info = info.info(instruction);
        let mut used = info.used_registers().iter();
        used.any(|used| {
            used.register().full_register() == register.full_register()
                && matches!(used.access(), OpAccess::Write | OpAccess::ReadWrite)
        })
    });
    sets.is_some_and(|i| i.mnemonic() == Mnemonic::Lea && i.is_ip_rel_memory_operand())
}
