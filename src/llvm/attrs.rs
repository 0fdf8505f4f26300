//! Sets of function and call-site attributes, each with its reason.

use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::context::ContextRef;
use inkwell::values::{CallSiteValue, FunctionValue};

/// The attributes in use, made once per context.
pub struct Attributes {
    wasm_function: Vec<Attribute>,
    vmctx: Vec<Attribute>,
    vmctx_register: Attribute,
    trap: Vec<Attribute>,
    no_inline: Attribute,
}

impl Attributes {
    /// The attributes of `context`; the first `vmctx_size` bytes of an instance
    /// can always be read.
    /// `cpu` and `features` are LLVM's.
    pub fn new(context: ContextRef<'_>, vmctx_size: u64, cpu: &str, features: &str) -> Self {
        let flag = |name, value| {
            context.create_enum_attribute(Attribute::get_named_enum_kind_id(name), value)
        };
        let text = |name, value| context.create_string_attribute(name, value);
        Attributes {
            wasm_function: vec![
                // Nothing unwinds by exception: traps leave by switching stacks.
                flag("nounwind", 0),
                // 2 is async: exact at every instruction, not only at calls.
                flag("uwtable", 2),
                text("frame-pointer", "all"),
                // Overflow touches the guard page by page, never beyond it.
                text("probe-stack", "inline-asm"),
                text("target-cpu", cpu),
                text("target-features", features),
            ],
            vmctx: vec![
                flag("nonnull", 0),
                flag("noundef", 0),
                flag("align", wasm2so_abi::VmLayout::ALIGN as u64),
                flag("dereferenceable", vmctx_size),
            ],
            vmctx_register: flag("swiftself", 0),
            // No memory attributes: the host looks at globals after a trap.
            trap: vec![flag("cold", 0), flag("noreturn", 0), flag("nounwind", 0)],
            no_inline: flag("noinline", 0),
        }
    }

    /// Of every function compiled from wasm, and of thunks.
    pub fn set_wasm_function(&self, function: FunctionValue<'_>) {
        for &attribute in &self.wasm_function {
            function.add_attribute(AttributeLoc::Function, attribute);
        }
    }

    /// Of a function's first parameter when it is vmctx.
    pub fn set_vmctx(&self, function: FunctionValue<'_>) {
        for &attribute in &self.vmctx {
            function.add_attribute(AttributeLoc::Param(0), attribute);
        }
    }

    /// Of a function of the wasm convention: its first parameter is in a register
    /// that functions preserve, so that passing it on costs nothing.
    pub fn set_vmctx_register(&self, function: FunctionValue<'_>) {
        function.add_attribute(AttributeLoc::Param(0), self.vmctx_register);
    }

    /// Of a call of such a function.
    pub fn set_vmctx_argument(&self, call: CallSiteValue<'_>) {
        call.add_attribute(AttributeLoc::Param(0), self.vmctx_register);
    }

    /// Of a call of the function that raises a trap. The function itself jumps
    /// on to the runtime, which LLVM takes for returning.
    pub fn set_trap_site(&self, call: CallSiteValue<'_>) {
        for &attribute in &self.trap {
            call.add_attribute(AttributeLoc::Function, attribute);
        }
    }

    /// Of a function whose frame, or whose absence of one, must show.
    pub fn set_no_inline(&self, function: FunctionValue<'_>) {
        function.add_attribute(AttributeLoc::Function, self.no_inline);
    }

    /// Of a call whose callee must not be inlined.
    pub fn set_site_no_inline(&self, call: CallSiteValue<'_>) {
        call.add_attribute(AttributeLoc::Function, self.no_inline);
    }
}
