//! One step of unwinding: from a frame's registers to its caller's, by the
//! call frame information (`.eh_frame`). A pure function over bytes and a
//! closure that reads the stack: no allocation, no lock, no knowledge of this
//! process or of WebAssembly.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, Encoding, EndianSlice, Evaluation,
    EvaluationResult, EvaluationStorage, FrameDescriptionEntry, Location, NativeEndian,
    ParsedEhFrameHdr, Piece, Register, RegisterRule, UnwindContext, UnwindContextStorage,
    UnwindExpression, UnwindSection, UnwindTableRow, Value,
};

use super::arch::{REGISTERS, RETURN_ADDRESS, Registers, STACK_POINTER};

type Slice<'a> = EndianSlice<'a, NativeEndian>;
type Row = UnwindTableRow<usize, InPlace>;

/// The call frame information of one object: `.eh_frame`, found through the
/// binary search table of `.eh_frame_hdr`.
#[derive(Clone)]
pub(crate) struct Cfi<'a> {
    header: ParsedEhFrameHdr<Slice<'a>>,
    frames: EhFrame<Slice<'a>>,
    bases: BaseAddresses,
}

/// Why a frame's caller could not be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepError {
    /// The tables are absent, damaged, or of a kind that is not supported.
    Cfi(gimli::Error),
    /// The outermost frame: it has no return address.
    Outermost,
    /// The tables ask for a register whose value is not known.
    UnknownRegister(Register),
    /// The tables ask for memory outside the stack.
    OutsideStack(u64),
}

impl From<gimli::Error> for StepError {
    fn from(error: gimli::Error) -> Self {
        StepError::Cfi(error)
    }
}

/// A frame's caller.
pub(crate) struct Caller {
    /// Its registers, after the call.
    pub(crate) registers: Registers,
    /// Whether its pc follows a call (and not an interrupted instruction).
    pub(crate) after_call: bool,
    /// First address of the function that was called.
    pub(crate) callee: u64,
}

/// Room for gimli's work, inside itself: nothing is allocated.
struct InPlace;

impl UnwindContextStorage<usize> for InPlace {
    // Each of the tracked registers once, some vector registers beside.
    type Rules = [(Register, RegisterRule<usize>); 24];
    type Stack = [Row; 4];
}

impl<'a> EvaluationStorage<Slice<'a>> for InPlace {
    type Stack = [Value; 16];
    type ExpressionStack = [(Slice<'a>, Slice<'a>); 1];
    type Result = [Piece<Slice<'a>>; 1];
}

/// Steps that are remembered: a recursion takes few of them, often.
const REMEMBERED: usize = 32;

/// What finds callers, step by step, and the working memory for that: some
/// kilobytes, to be reused.
pub(crate) struct Cursor {
    context: UnwindContext<usize, InPlace>,
    plans: [Option<Plan>; REMEMBERED],
    walk: u64,
}

/// How to find the caller of a frame at `pc`: a row of the table.
struct Plan {
    pc: u64,
    walk: u64,
    callee: u64,
    encoding: Encoding,
    after_call: bool,
    cfa: CfaRule<usize>,
    registers: [Option<RegisterRule<usize>>; REGISTERS as usize],
}

impl<'a> Cfi<'a> {
    /// Reads the head of `header` (`.eh_frame_hdr` at address `header_start`).
    /// `image` is memory from `image_start` on that contains `.eh_frame`; it
    /// may be longer.
    ///
    /// # Errors
    /// Those of gimli.
    pub(crate) fn new(
        header: &'a [u8],
        header_start: u64,
        image: &'a [u8],
        image_start: u64,
    ) -> gimli::Result<Self> {
        let bases = BaseAddresses::default().set_eh_frame_hdr(header_start);
        let address_size = size_of::<usize>() as u8;
        let header = EhFrameHdr::new(header, NativeEndian).parse(&bases, address_size)?;
        let start = header.eh_frame_ptr().direct()?;
        let frames = usize::try_from(start.wrapping_sub(image_start))
            .ok()
            .and_then(|offset| image.get(offset..))
            .ok_or(gimli::Error::OffsetOutOfBounds(start))?;
        let bases = bases.set_eh_frame(start);
        Ok(Cfi { header, frames: EhFrame::new(frames, NativeEndian), bases })
    }

    /// First address of the function around `pc`.
    ///
    /// # Errors
    /// There is none, or the tables are damaged.
    pub(crate) fn function_start(&self, pc: u64) -> gimli::Result<u64> {
        Ok(self.entry(pc)?.initial_address())
    }

    fn entry(&self, pc: u64) -> gimli::Result<FrameDescriptionEntry<Slice<'a>>> {
        let table = self.header.table().ok_or(gimli::Error::NoUnwindInfoForAddress)?;
        table.fde_for_address(&self.frames, &self.bases, pc, EhFrame::cie_from_offset)
    }
}

impl Cursor {
    /// A new one.
    pub(crate) fn new() -> Self {
        let plans = [const { None }; REMEMBERED];
        Cursor { context: UnwindContext::new_in(), plans, walk: 0 }
    }

    /// Starts a walk: forgets what may have been unloaded since the last.
    pub(crate) fn start(&mut self) {
        self.walk += 1;
    }

    /// Finds the caller of the frame with `registers`. `pc` is where to look the
    /// frame up: its program counter, or one less after a call, as that may be
    /// its function's last instruction.
    ///
    /// # Errors
    /// See [`StepError`].
    pub(crate) fn step(
        &mut self,
        cfi: &Cfi<'_>,
        registers: &Registers,
        pc: u64,
        read_stack: impl Fn(u64) -> Option<u64>,
    ) -> Result<Caller, StepError> {
        let place = (pc ^ pc >> 5) as usize % REMEMBERED;
        let plan = match &mut self.plans[place] {
            Some(plan) if plan.pc == pc && plan.walk == self.walk => plan,
            other => other.insert(Plan::new(cfi, &mut self.context, pc, self.walk)?),
        };
        Frame { cfi, plan, registers, read_stack }.caller()
    }
}

impl Plan {
    fn new(
        cfi: &Cfi<'_>,
        context: &mut UnwindContext<usize, InPlace>,
        pc: u64,
        walk: u64,
    ) -> gimli::Result<Self> {
        let entry = cfi.entry(pc)?;
        let row = entry.unwind_info_for_address(&cfi.frames, &cfi.bases, context, pc)?;
        let mut registers = [const { None }; REGISTERS as usize];
        for (register, rule) in row.registers() {
            if let Some(place) = registers.get_mut(usize::from(register.0)) {
                *place = Some(rule.clone());
            }
        }
        Ok(Plan {
            pc,
            walk,
            callee: entry.initial_address(),
            encoding: entry.cie().encoding(),
            after_call: !entry.is_signal_trampoline(),
            cfa: row.cfa().clone(),
            registers,
        })
    }
}

/// A frame, and all that finding its caller refers to.
struct Frame<'r, 'a, F> {
    cfi: &'r Cfi<'a>,
    plan: &'r Plan,
    registers: &'r Registers,
    read_stack: F,
}

impl<F: Fn(u64) -> Option<u64>> Frame<'_, '_, F> {
    fn caller(&self) -> Result<Caller, StepError> {
        let cfa = self.cfa()?;
        let mut registers = Registers::default();
        registers.set(STACK_POINTER, cfa);
        for (number, rule) in self.plan.registers.iter().enumerate() {
            let register = Register(number as u16);
            if let Some(value) = self.value_in_caller(register, rule.as_ref(), cfa)? {
                registers.set(register, value);
            }
        }
        match registers.get(RETURN_ADDRESS) {
            None | Some(0) => Err(StepError::Outermost),
            Some(_) => {
                let Plan { after_call, callee, .. } = *self.plan;
                Ok(Caller { registers, after_call, callee })
            }
        }
    }

    /// The canonical frame address: the stack pointer after the return.
    fn cfa(&self) -> Result<u64, StepError> {
        match self.plan.cfa {
            CfaRule::RegisterAndOffset { register, offset } => {
                Ok(self.register(register)?.wrapping_add_signed(offset))
            }
            CfaRule::Expression(expression) => self.evaluate(expression, None),
        }
    }

    fn value_in_caller(
        &self,
        register: Register,
        rule: Option<&RegisterRule<usize>>,
        cfa: u64,
    ) -> Result<Option<u64>, StepError> {
        let Some(rule) = rule else {
            let preserved = Registers::is_preserved(register);
            return Ok(self.registers.get(register).filter(|_| preserved));
        };
        Ok(match *rule {
            RegisterRule::SameValue => self.registers.get(register),
            RegisterRule::Offset(offset) => Some(self.read(cfa.wrapping_add_signed(offset))?),
            RegisterRule::ValOffset(offset) => Some(cfa.wrapping_add_signed(offset)),
            RegisterRule::Register(other) => self.registers.get(other),
            RegisterRule::Expression(expression) => {
                Some(self.read(self.evaluate(expression, Some(cfa))?)?)
            }
            RegisterRule::ValExpression(expression) => Some(self.evaluate(expression, Some(cfa))?),
            RegisterRule::Constant(value) => Some(value),
            RegisterRule::Undefined | RegisterRule::Architectural => None,
        })
    }

    fn register(&self, register: Register) -> Result<u64, StepError> {
        self.registers.get(register).ok_or(StepError::UnknownRegister(register))
    }

    fn read(&self, address: u64) -> Result<u64, StepError> {
        (self.read_stack)(address).ok_or(StepError::OutsideStack(address))
    }

    fn evaluate(
        &self,
        expression: UnwindExpression<usize>,
        cfa: Option<u64>,
    ) -> Result<u64, StepError> {
        let code = expression.get(&self.cfi.frames)?.0;
        let mut evaluation = Evaluation::<_, InPlace>::new_in(code, self.plan.encoding);
        evaluation.set_max_iterations(64);
        if let Some(cfa) = cfa {
            evaluation.set_initial_value(cfa);
        }
        let mut state = evaluation.evaluate()?;
        loop {
            state = match state {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    evaluation.resume_with_register(Value::Generic(self.register(register)?))?
                }
                EvaluationResult::RequiresMemory { address, .. } => {
                    evaluation.resume_with_memory(Value::Generic(self.read(address)?))?
                }
                _ => return Err(gimli::Error::UnsupportedEvaluation.into()),
            };
        }
        match evaluation.as_result() {
            [Piece { location: Location::Address { address }, .. }] => Ok(*address),
            _ => Err(gimli::Error::UnsupportedEvaluation.into()),
        }
    }
}
