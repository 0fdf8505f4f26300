//! Micro figures beside wasmtime's, from one run: calls, traps, instantiation,
//! loading. Run it with `scripts/bench-micro`.

mod measure;
mod modules;
mod ours;
mod theirs;

use measure::{Work, compare};
use std::path::PathBuf;
use theirs::Allocator;
use wasmtime::Engine;

/// Addresses in 64 MiB.
const PLACES: &[i32] = &[0, 1 << 20, 2 << 20, 5 << 20, 11 << 20, 23 << 20, 47 << 20, 63 << 20];

/// A module, compiled by both.
struct Module {
    ours: PathBuf,
    on_demand: PathBuf,
    pooling: PathBuf,
    _folder: tempfile::TempDir,
}

struct Bench {
    compiler: PathBuf,
    on_demand: Engine,
    pooling: Engine,
    filter: String,
}

fn main() {
    let compiler = std::env::var_os("WASM2SO").expect("WASM2SO says where the compiler is");
    let bench = Bench {
        compiler: compiler.into(),
        on_demand: theirs::engine(Allocator::OnDemand),
        pooling: theirs::engine(Allocator::Pooling),
        filter: std::env::args().nth(1).unwrap_or_default(),
    };
    println!("{:34} {:>12} {:>12} {:>12} {:>7}", "", "wasm2so", "wasmtime", "… pooling", "ratio");
    bench.calls();
    bench.lives();
}

impl Bench {
    fn compile(&self, text: &str) -> Module {
        let wasm = wat::parse_str(text).expect("it is a module");
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let sub = |name: &str| {
            let folder = folder.path().join(name);
            std::fs::create_dir(&folder).expect("it is new");
            folder
        };
        Module {
            ours: ours::compile(&self.compiler, &wasm, &sub("ours")),
            on_demand: theirs::compile(&self.on_demand, &wasm, &sub("on demand")),
            pooling: theirs::compile(&self.pooling, &wasm, &sub("pooling")),
            _folder: folder,
        }
    }

    fn calls(&self) {
        let module = self.compile(modules::CALLS);
        let mut ours = ours::Calls::new(&module.ours);
        let mut theirs = theirs::Calls::new(&self.on_demand, &module.on_demand);
        let name = "identity";
        self.row("call: host, wasm", || [ours.each(name), theirs.each(name)]);
        self.row("the same, untyped", || [ours.untyped(name), theirs.untyped(name)]);
        let name = "through";
        self.row("call: host, wasm, host", || [ours.each(name), theirs.each(name)]);
        let name = "often";
        self.row("call: wasm, host (in a loop)", || [ours.inside(name), theirs.inside(name)]);
        for name in ["unreachable", "fault"] {
            let row = format!("trap and catch: {name}");
            self.row(&row, || [ours.trap(name), theirs.trap(name)]);
        }
    }

    fn lives(&self) {
        let page = self.compile(modules::PAGE);
        let data = self.compile(&modules::data(64 << 20));
        let functions = self.compile(&modules::functions(2000));
        let instantiations: [(_, _, &'static [i32]); 5] = [
            ("1 page", &page, &[]),
            ("1 page, read 1 byte", &page, &[1024]),
            ("64 MiB of data", &data, &[]),
            ("64 MiB of data, read 8 bytes", &data, PLACES),
            ("2,000 functions", &functions, &[]),
        ];
        for (name, module, touched) in instantiations {
            self.row(&format!("instantiate: {name}"), || {
                [
                    ours::instantiate(&module.ours, touched),
                    theirs::instantiate(&self.on_demand, &module.on_demand, touched),
                    theirs::instantiate(&self.pooling, &module.pooling, touched),
                ]
            });
        }
        let modules = [("1 page", page), ("64 MiB of data", data), ("2,000 functions", functions)];
        for (name, module) in &modules {
            self.row(&format!("load: {name}"), || {
                [ours::load(&module.ours), theirs::load(&self.on_demand, &module.on_demand)]
            });
        }
    }

    /// Measures ours and theirs, and prints how many times as long their fastest
    /// takes.
    fn row<'a, const N: usize>(&self, name: &str, works: impl FnOnce() -> [Work<'a>; N]) {
        if !name.contains(&self.filter) {
            return;
        }
        let times = compare(&mut works());
        let ratio = times[1..].iter().copied().fold(f64::INFINITY, f64::min) / times[0];
        print!("{name:34}");
        for column in 0..3 {
            print!(" {:>12}", times.get(column).map_or(String::new(), |&time| show(time)));
        }
        println!(" {ratio:>6.2}x");
    }
}

fn show(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 1e3 => format!("{n:.1} ns"),
        n if n < 1e6 => format!("{:.2} µs", n / 1e3),
        n => format!("{:.2} ms", n / 1e6),
    }
}
