//! As much of WASI preview 1 as programs need to run from standard input to
//! standard output: no files, a clock that ticks at each look, zeroes for
//! random numbers.

use super::{Exit, Host, Then};
use wasmrun::Value;

const SUCCESS: i32 = 0;
const EBADF: i32 = 8;
const EFAULT: i32 = 21;
const ENOSYS: i32 = 52;

/// A program's surroundings.
#[derive(Clone)]
pub struct Wasi {
    args: Vec<String>,
    /// What is still to be read.
    stdin: Vec<u8>,
    clock: u64,
}

impl Host for Wasi {
    fn call(
        &mut self,
        (_, name): (&str, &str),
        args: &[Value],
        results: &mut [Value],
        memory: &mut [u8],
    ) -> Result<Then, Exit> {
        let args: Vec<u64> = args
            .iter()
            .map(|arg| match *arg {
                Value::I32(n) => u64::from(n as u32),
                Value::I64(n) => n as u64,
                ref other => panic!("WASI has no arguments like {other:?}"),
            })
            .collect();
        if name == "proc_exit" {
            return Err(Exit(args[0] as u32));
        }
        let errno = self.answer(name, &args, &mut Memory(memory)).unwrap_or(EFAULT);
        results[0] = Value::I32(errno);
        Ok(Then::Return)
    }
}

impl Wasi {
    /// Surroundings with these arguments, the program's name first, and this
    /// input.
    pub fn new(args: Vec<String>, stdin: Vec<u8>) -> Wasi {
        Wasi { args, stdin, clock: 0 }
    }

    /// The error number; none when an address is outside.
    fn answer(&mut self, name: &str, args: &[u64], memory: &mut Memory<'_>) -> Option<i32> {
        match name {
            "args_sizes_get" => {
                memory.put_u32(args[0], self.args.len() as u32)?;
                let bytes: usize = self.args.iter().map(|arg| arg.len() + 1).sum();
                memory.put_u32(args[1], bytes as u32)?;
            }
            "args_get" => {
                let mut at = args[1];
                for (index, arg) in self.args.iter().enumerate() {
                    memory.put_u32(args[0] + 4 * index as u64, at as u32)?;
                    memory.put(at, arg.as_bytes())?;
                    memory.put(at + arg.len() as u64, &[0])?;
                    at += arg.len() as u64 + 1;
                }
            }
            "environ_sizes_get" => {
                memory.put_u32(args[0], 0)?;
                memory.put_u32(args[1], 0)?;
            }
            "environ_get" | "fd_close" | "fd_fdstat_set_flags" | "fd_sync" => {}
            "clock_time_get" => {
                self.clock += 1_000_000;
                memory.put(args[2], &self.clock.to_le_bytes())?;
            }
            "random_get" => memory.range(args[0], args[1])?.fill(0),
            "fd_fdstat_get" => {
                let stat = memory.range(args[1], 24)?;
                stat.fill(0);
                // A character device with all rights.
                stat[0] = 2;
                stat[8..].fill(0xff);
            }
            "fd_write" => {
                let mut written = 0;
                for index in 0..args[2] {
                    written += memory.u32(args[1] + 8 * index + 4)?;
                }
                memory.put_u32(args[3], written)?;
            }
            "fd_read" => {
                let mut read = 0;
                for index in 0..args[2] {
                    let at = memory.u32(args[1] + 8 * index)?;
                    let len = self.stdin.len().min(memory.u32(args[1] + 8 * index + 4)? as usize);
                    memory.put(at.into(), &self.stdin[..len])?;
                    self.stdin.drain(..len);
                    read += len as u32;
                }
                memory.put_u32(args[3], read)?;
            }
            "fd_prestat_get" | "fd_seek" | "path_open" => return Some(EBADF),
            _ => return Some(ENOSYS),
        }
        Some(SUCCESS)
    }
}

/// Access with checks.
struct Memory<'a>(&'a mut [u8]);

impl Memory<'_> {
    fn range(&mut self, at: u64, len: u64) -> Option<&mut [u8]> {
        self.0.get_mut(at as usize..at.checked_add(len)? as usize)
    }

    fn put(&mut self, at: u64, bytes: &[u8]) -> Option<()> {
        self.range(at, bytes.len() as u64)?.copy_from_slice(bytes);
        Some(())
    }

    fn put_u32(&mut self, at: u64, value: u32) -> Option<()> {
        self.put(at, &value.to_le_bytes())
    }

    fn u32(&mut self, at: u64) -> Option<u32> {
        Some(u32::from_le_bytes(self.range(at, 4)?.try_into().expect("4 bytes")))
    }
}
