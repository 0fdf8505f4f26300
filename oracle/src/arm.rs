//! The rewrite that makes a module trap on demand: at site number [`ARMED`],
//! the [`COUNTDOWN`]th time it is executed, an operand becomes one that traps.
//! The instruction stays what it was, and what it works on is only masked, so
//! the module is like the original to the compiler. The result is a module of
//! its own, to be judged as any other.

use crate::layout::Layout;
use crate::random::Random;
use crate::rewrite::{Edit, Output, rewrite};
use crate::sites::{Site, site};
use anyhow::Result;
use std::collections::HashMap;
use wasm_encoder::{BlockType, HeapType, Instruction, ValType};
use wasmparser::Operator;

/// Exported global: number of the site that is to trap, or -1.
pub const ARMED: &str = "oracle.armed";
/// Exported global: which of its executions is to trap, from 1.
pub const COUNTDOWN: &str = "oracle.countdown";

/// What to do to a module.
#[derive(Default)]
pub struct Plan {
    /// Offsets of the sites to arm and their numbers.
    pub sites: HashMap<u32, u32>,
    /// Whether executions are counted; otherwise the first one traps.
    pub counted: bool,
    /// When given, chooses sites whose operands are also made harmless, and
    /// places where functions further on are called, so that execution gets far
    /// and deep.
    pub tame: Option<Random>,
}

/// A module that can be made to trap.
pub struct Armed {
    /// The module.
    pub wasm: Vec<u8>,
    /// The numbers of all its sites in order; none for those that are not armed.
    pub order: Vec<Option<u32>>,
}

/// Rewrites `wasm` according to `plan`.
///
/// # Errors
/// When `wasm` is not valid.
pub fn arm(wasm: &[u8], plan: Plan) -> Result<Armed> {
    let layout = Layout::of(wasm)?;
    let mut edit = Arm { plan, layout: &layout, last_function: None, order: Vec::new() };
    let wasm = rewrite(wasm, &layout, &mut edit)?;
    Ok(Armed { wasm, order: edit.order })
}

struct Arm<'a> {
    plan: Plan,
    layout: &'a Layout,
    /// The function that was written to last.
    last_function: Option<usize>,
    /// As in [`Armed`].
    order: Vec<Option<u32>>,
}

/// One to put aside an operand of each type, and one more number.
const LOCALS: [ValType; 8] = [
    ValType::I32,
    ValType::I64,
    ValType::F32,
    ValType::F64,
    ValType::V128,
    ValType::FUNCREF,
    ValType::EXTERNREF,
    ValType::I32,
];

/// The local variable for an operand of type `ty`.
fn local(ty: wasmparser::ValType, out: &Output<'_>) -> u32 {
    use wasmparser::ValType as V;
    out.first_local
        + match ty {
            V::I32 => 0,
            V::I64 => 1,
            V::F32 => 2,
            V::F64 => 3,
            V::V128 => 4,
            V::Ref(wasmparser::RefType::FUNCREF) => 5,
            V::Ref(_) => 6,
        }
}

/// Makes the operands of a bulk operation harmless.
fn tame_bulk(operator: &Operator<'_>, out: &mut Output<'_>) {
    use Instruction::{I32And, I32Const, LocalGet, LocalSet};
    let (to, from, len) = match operator {
        Operator::MemoryCopy { .. } => (0xfff, 0xfff, 15),
        Operator::MemoryFill { .. } => (0xfff, -1, 15),
        Operator::MemoryInit { .. } => (0xfff, 0, 0),
        Operator::TableFill { .. } => {
            out.put(&[I32Const(0), I32And]);
            return;
        }
        _ => (0, 0, 0),
    };
    let (x, y) = (out.first_local, out.first_local + LOCALS.len() as u32 - 1);
    out.put(&[LocalSet(x), LocalSet(y), I32Const(to), I32And]);
    out.put(&[LocalGet(y), I32Const(from), I32And, LocalGet(x), I32Const(len), I32And]);
}

/// Pushes small values of these types.
fn constants(types: &[wasmparser::ValType], n: u64, out: &mut Output<'_>) {
    use wasmparser::ValType as V;
    for ty in types {
        out.put(&[match ty {
            V::I32 => Instruction::I32Const(n as i32 & 0xff),
            V::I64 => Instruction::I64Const(n as i64 & 0xff),
            V::F32 => Instruction::F32Const(2.5.into()),
            V::F64 => Instruction::F64Const(3.5.into()),
            V::V128 => Instruction::V128Const(n.into()),
            V::Ref(wasmparser::RefType::FUNCREF) => Instruction::RefNull(HeapType::FUNC),
            V::Ref(_) => Instruction::RefNull(HeapType::EXTERN),
        }]);
    }
}

impl Edit for Arm<'_> {
    fn globals(&self) -> &'static [(&'static str, i32)] {
        &[(ARMED, -1), (COUNTDOWN, 1)]
    }

    fn locals(&self) -> &'static [ValType] {
        &LOCALS
    }

    fn least_pages(&self) -> u64 {
        if self.plan.tame.is_some() { 2 } else { 0 }
    }

    fn operator(
        &mut self,
        operator: &Operator<'_>,
        offset: u32,
        instruction: &Instruction<'_>,
        out: &mut Output<'_>,
    ) {
        let first = self.last_function.replace(out.place) != Some(out.place);
        if let Some(random) = &mut self.plan.tame
            && random.below(if first { 2 } else { 30 }) == 0
        {
            let n = random.next();
            self.call(n, out);
        }
        if let Some(site) = site(operator) {
            let tame = self.plan.tame.as_mut().is_some_and(|random| random.below(40) > 0);
            let number = self.plan.sites.get(&offset).copied();
            if tame && site == Site::Unreachable {
                // Of the same type as the original.
                constants(self.layout.defined()[out.place].results(), 7, out);
                out.put(&[Instruction::Return]);
                return;
            }
            if tame && site == Site::Bulk {
                tame_bulk(operator, out);
            }
            if tame || number.is_some() {
                self.guard(site, number, tame, out);
            }
            // Of a call with a guard, the guard is what traps.
            self.order.push(number.filter(|_| !matches!(site, Site::Call | Site::TailCall)));
        }
        out.put(std::slice::from_ref(instruction));
    }
}

impl Arm<'_> {
    /// Calls one of the functions further on, which one `n` says; that cannot
    /// become recursion by itself.
    fn call(&mut self, n: u64, out: &mut Output<'_>) {
        let further = &self.layout.defined()[out.place + 1..];
        if further.is_empty() {
            return;
        }
        let step = n as usize % further.len().min(3);
        constants(further[step].params(), n, out);
        let place = out.place + 1 + step;
        self.order.push(None);
        out.put(&[Instruction::Call(self.layout.imported_functions + place as u32)]);
        further[step].results().iter().for_each(|_| out.put(&[Instruction::Drop]));
    }

    /// Changes the operands of `site`, which are on the stack.
    fn guard(&mut self, site: Site, number: Option<u32>, tame: bool, out: &mut Output<'_>) {
        use Instruction as I;
        use wasmparser::{RefType, ValType as V};
        let odd = number.is_some_and(|number| number % 2 == 1);
        match site {
            Site::Unreachable => {}
            Site::Access(above) => self.index(0xfff, number, tame, above, out),
            Site::TableGet => self.index(1, number, tame, None, out),
            Site::TableSet(table) => {
                let funcref = self.layout.funcref_tables[table as usize];
                let ty = if funcref { RefType::FUNCREF } else { RefType::EXTERNREF };
                self.index(1, number, tame, Some(V::Ref(ty)), out);
            }
            Site::Bulk => self.index(-1, number, false, None, out),
            // Function 0 of a table is often null or of another type.
            Site::CallIndirect | Site::TailCallIndirect if odd => {
                self.mask(number, out);
                out.put(&[I::I32Const(-1), I::I32Xor, I::I32And]);
            }
            Site::CallIndirect | Site::TailCallIndirect => self.index(7, number, tame, None, out),
            Site::Call | Site::TailCall => {
                if number.is_some() {
                    self.mask(number, out);
                    out.put(&[I::If(BlockType::Empty), I::Unreachable, I::End]);
                    self.order.push(number);
                }
            }
            Site::Divide(V::I32) => {
                if tame {
                    out.put(&[I::I32Const(1), I::I32Or]);
                }
                self.mask(number, out);
                out.put(&[I::I32Const(-1), I::I32Xor, I::I32And]);
            }
            Site::Divide(_) => {
                if tame {
                    out.put(&[I::I64Const(1), I::I64Or]);
                }
                self.mask(number, out);
                out.put(&[I::I64ExtendI32S, I::I64Const(-1), I::I64Xor, I::I64And]);
            }
            Site::Truncate(V::F32) => {
                if tame {
                    let x = local(V::F32, out);
                    out.put(&[I::F32Abs, I::LocalTee(x), I::F32Const(1.0.into())]);
                    let limit = I::F32Const(1000.0.into());
                    out.put(&[I::LocalGet(x), limit, I::F32Lt, I::Select]);
                }
                let bad: f32 = if odd { 3e38 } else { f32::NAN };
                out.put(&[I::F32Const(bad.into())]);
                self.mask(number, out);
                out.put(&[I::I32Eqz, I::Select]);
            }
            Site::Truncate(_) => {
                if tame {
                    let x = local(V::F64, out);
                    out.put(&[I::F64Abs, I::LocalTee(x), I::F64Const(1.0.into())]);
                    let limit = I::F64Const(1000.0.into());
                    out.put(&[I::LocalGet(x), limit, I::F64Lt, I::Select]);
                }
                let bad: f64 = if odd { 1e300 } else { f64::NAN };
                out.put(&[I::F64Const(bad.into())]);
                self.mask(number, out);
                out.put(&[I::I32Eqz, I::Select]);
            }
        }
    }

    /// Changes an index or length that may have another operand above it: tame,
    /// it is at most `most`; armed, it is the greatest there is.
    fn index(
        &self,
        most: i32,
        number: Option<u32>,
        tame: bool,
        above: Option<wasmparser::ValType>,
        out: &mut Output<'_>,
    ) {
        let above = above.map(|ty| local(ty, out));
        if let Some(above) = above {
            out.put(&[Instruction::LocalSet(above)]);
        }
        if tame {
            out.put(&[Instruction::I32Const(most), Instruction::I32And]);
        }
        self.mask(number, out);
        out.put(&[Instruction::I32Or]);
        if let Some(above) = above {
            out.put(&[Instruction::LocalGet(above)]);
        }
    }

    /// Pushes -1 if site `number` is to trap now, else 0.
    fn mask(&self, number: Option<u32>, out: &mut Output<'_>) {
        use Instruction::{
            GlobalGet, GlobalSet, I32And, I32Const, I32Eq, I32Eqz, I32Sub, LocalGet, LocalTee,
        };
        let (armed, countdown) = (out.first_global, out.first_global + 1);
        let Some(number) = number else {
            out.put(&[I32Const(0)]);
            return;
        };
        let number = I32Const(number as i32);
        if !self.plan.counted {
            out.put(&[I32Const(0), GlobalGet(armed), number, I32Eq, I32Sub]);
            return;
        }
        let hit = out.first_local + LOCALS.len() as u32 - 1;
        out.put(&[GlobalGet(countdown), GlobalGet(armed), number, I32Eq, LocalTee(hit), I32Sub]);
        out.put(&[GlobalSet(countdown), I32Const(0), LocalGet(hit), GlobalGet(countdown), I32Eqz]);
        out.put(&[I32And, I32Sub]);
    }
}
