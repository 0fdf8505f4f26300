// Exercises the Rust standard library: collections, strings, formatting,
// sorting, iterators, trait objects, Rc graphs and error values.
// Input: a size as first argument, arithmetic expressions on standard input.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::cmp::Reverse;
use std::fmt;
use std::io::{self, BufRead, Write};
use std::rc::{Rc, Weak};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

fn fnv1a<T: AsRef<[u8]>>(data: T) -> u64 {
    data.as_ref().iter().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3)
    })
}

// A parser and evaluator of expressions, with errors as values.

#[derive(Debug, PartialEq)]
enum Error {
    Unexpected(char, usize),
    End,
    Unknown(String),
    DivisionByZero,
    Overflow,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Unexpected(c, at) => write!(f, "unexpected {:?} at {}", c, at),
            Error::End => f.write_str("unexpected end"),
            Error::Unknown(name) => write!(f, "unknown name {}", name),
            Error::DivisionByZero => f.write_str("division by zero"),
            Error::Overflow => f.write_str("overflow"),
        }
    }
}

impl std::error::Error for Error {}

type Scope = BTreeMap<String, i64>;

trait Node {
    fn eval(&self, scope: &Scope) -> Result<i64, Error>;
}

struct Number(i64);
struct Name(String);
struct Negate(Box<dyn Node>);
struct Binary(char, Box<dyn Node>, Box<dyn Node>);

impl Node for Number {
    fn eval(&self, _: &Scope) -> Result<i64, Error> {
        Ok(self.0)
    }
}

impl Node for Name {
    fn eval(&self, scope: &Scope) -> Result<i64, Error> {
        scope.get(&self.0).copied().ok_or_else(|| Error::Unknown(self.0.clone()))
    }
}

impl Node for Negate {
    fn eval(&self, scope: &Scope) -> Result<i64, Error> {
        self.0.eval(scope)?.checked_neg().ok_or(Error::Overflow)
    }
}

impl Node for Binary {
    fn eval(&self, scope: &Scope) -> Result<i64, Error> {
        let (a, b) = (self.1.eval(scope)?, self.2.eval(scope)?);
        match self.0 {
            '+' => a.checked_add(b),
            '-' => a.checked_sub(b),
            '*' => a.checked_mul(b),
            '/' | '%' if b == 0 => return Err(Error::DivisionByZero),
            '/' => a.checked_div(b),
            _ => a.checked_rem(b),
        }
        .ok_or(Error::Overflow)
    }
}

struct Parser<'a> {
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
}

impl<'a> Parser<'a> {
    fn peek(&mut self) -> Option<char> {
        while self.chars.next_if(|(_, c)| c.is_whitespace()).is_some() {}
        self.chars.peek().map(|&(_, c)| c)
    }

    fn expr(&mut self, level: usize) -> Result<Box<dyn Node>, Error> {
        const LEVELS: [&str; 2] = ["+-", "*/%"];
        if level == LEVELS.len() {
            return self.atom();
        }
        let mut left = self.expr(level + 1)?;
        while let Some(op) = self.peek().filter(|c| LEVELS[level].contains(*c)) {
            self.chars.next();
            left = Box::new(Binary(op, left, self.expr(level + 1)?));
        }
        Ok(left)
    }

    fn word(&mut self) -> String {
        let mut text = String::new();
        while let Some((_, c)) = self.chars.next_if(|(_, c)| c.is_alphanumeric()) {
            text.push(c);
        }
        text
    }

    fn atom(&mut self) -> Result<Box<dyn Node>, Error> {
        match self.peek().ok_or(Error::End)? {
            '-' => {
                self.chars.next();
                Ok(Box::new(Negate(self.atom()?)))
            }
            '(' => {
                self.chars.next();
                let inner = self.expr(0)?;
                match self.peek() {
                    Some(')') => self.chars.next(),
                    _ => return Err(self.unexpected()),
                };
                Ok(inner)
            }
            c if c.is_ascii_digit() => {
                let number = self.word().parse().map_err(|_| Error::Overflow)?;
                Ok(Box::new(Number(number)))
            }
            c if c.is_alphabetic() => Ok(Box::new(Name(self.word()))),
            _ => Err(self.unexpected()),
        }
    }

    fn unexpected(&mut self) -> Error {
        match self.chars.peek() {
            Some(&(at, c)) => Error::Unexpected(c, at),
            None => Error::End,
        }
    }
}

fn evaluate(line: &str, scope: &mut Scope) -> Result<i64, Box<dyn std::error::Error>> {
    let (target, text) = match line.split_once('=') {
        Some((name, text)) => (name.trim(), text),
        None => ("it", line),
    };
    let mut parser = Parser { chars: text.char_indices().peekable() };
    let tree = parser.expr(0)?;
    if parser.peek().is_some() {
        return Err(parser.unexpected().into());
    }
    let value = tree.eval(scope)?;
    scope.insert(target.to_string(), value);
    Ok(value)
}

fn calculator(out: &mut dyn Write) -> io::Result<()> {
    let mut scope = Scope::new();
    let mut lines = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        match evaluate(&line, &mut scope) {
            Ok(value) => writeln!(out, "{:<24} = {:>22}", line, value)?,
            Err(error) => writeln!(out, "{:<24} ! {}", line, error)?,
        }
        lines.push(line);
    }
    // The same lines many times over, to give the allocator something to do.
    let mut sum = 0i64;
    for _ in 0..300 {
        for line in &lines {
            sum = sum.wrapping_mul(31).wrapping_add(evaluate(line, &mut scope).unwrap_or(7));
        }
    }
    writeln!(out, "again: {} {:?}", sum, scope.keys().collect::<Vec<_>>())
}

fn collections(n: usize, random: &mut Random, out: &mut dyn Write) -> io::Result<()> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut order = BTreeMap::new();
    let mut recent = VecDeque::new();
    for i in 0..n {
        let word = format!("w{:x}", random.below(n / 8));
        *counts.entry(word.clone()).or_default() += 1;
        order.insert(random.next() >> 20, word.len() + i);
        recent.push_back(word);
        if recent.len() > 100 {
            recent.pop_front();
        }
        if i % 7 == 0 {
            let first = order.keys().next().copied();
            first.and_then(|k| order.remove(&k));
        }
    }
    let mut top: Vec<_> = counts.iter().collect();
    top.sort_unstable_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let unique: HashSet<_> = recent.iter().collect();
    writeln!(out, "words: {} {:?} {}", counts.len(), &top[..3], unique.len())?;
    let text: String = order.range(1 << 40..).map(|(k, v)| format!("{}:{};", k, v)).collect();
    writeln!(out, "order: {} {:016x}", order.len(), fnv1a(&text))?;

    let a: BTreeSet<_> = (0..500).map(|_| random.below(1000)).collect();
    let b: BTreeSet<_> = (0..500).map(|_| random.below(1000)).collect();
    writeln!(out, "sets: {} {} {:?}", a.union(&b).count(), a.intersection(&b).sum::<usize>(),
        a.difference(&b).take(4).collect::<Vec<_>>())
}

fn shortest_paths(n: usize, random: &mut Random, out: &mut dyn Write) -> io::Result<()> {
    let mut edges = vec![Vec::new(); n];
    for from in 0..n {
        for _ in 0..5 {
            edges[from].push((random.below(n), 1 + random.below(100)));
        }
    }
    let mut best = vec![None; n];
    let mut heap = BinaryHeap::from([Reverse((0, 0))]);
    while let Some(Reverse((cost, at))) = heap.pop() {
        if best[at].is_some() {
            continue;
        }
        best[at] = Some(cost);
        heap.extend(edges[at].iter().filter(|e| best[e.0].is_none())
            .map(|&(to, weight)| Reverse((cost + weight, to))));
    }
    let reached: Vec<usize> = best.into_iter().flatten().collect();
    writeln!(out, "paths: {} of {}, longest {:?}, total {}", reached.len(), n,
        reached.iter().max(), reached.iter().sum::<usize>())
}

fn sorting(n: usize, random: &mut Random, out: &mut dyn Write) -> io::Result<()> {
    let mut records: Vec<(u16, String, f64)> = (0..n)
        .map(|i| (random.next() as u16 % 997, format!("{:05}", i), random.below(1 << 20) as f64 / 1024.0))
        .collect();
    records.sort_by_key(|r| r.0);
    let stable = records.windows(2).all(|w| w[0].0 < w[1].0 || w[0].1 < w[1].1);
    records.sort_by(|a, b| b.2.partial_cmp(&a.2).unwrap().then(a.0.cmp(&b.0)));
    let text: Vec<_> = records.iter().map(|r| format!("{}/{}/{}", r.0, r.1, r.2)).collect();
    writeln!(out, "sorted: stable {} {:016x}", stable, fnv1a(text.join(",")))?;
    let mut words: Vec<&str> = text.iter().flat_map(|t| t.split('/')).collect();
    words.sort_unstable();
    words.dedup();
    writeln!(out, "words: {} {:?} {:?}", words.len(), words[1], words.binary_search(&"00042"))
}

// A tree whose children know their parent, freed by reference counts.
struct Branch {
    value: u64,
    parent: RefCell<Weak<Branch>>,
    children: RefCell<Vec<Rc<Branch>>>,
    freed: Rc<RefCell<u64>>,
}

impl Drop for Branch {
    fn drop(&mut self) {
        *self.freed.borrow_mut() += 1;
    }
}

fn grow(depth: u32, random: &mut Random, freed: &Rc<RefCell<u64>>) -> Rc<Branch> {
    let branch = Rc::new(Branch {
        value: random.next() % 1000,
        parent: RefCell::new(Weak::new()),
        children: RefCell::default(),
        freed: Rc::clone(freed),
    });
    for _ in 0..if depth == 0 { 0 } else { 1 + random.below(4) } {
        let child = grow(depth - 1, random, freed);
        *child.parent.borrow_mut() = Rc::downgrade(&branch);
        branch.children.borrow_mut().push(child);
    }
    branch
}

fn leaf_sums(branch: &Rc<Branch>) -> u64 {
    let children = branch.children.borrow();
    if !children.is_empty() {
        return children.iter().map(leaf_sums).sum();
    }
    let mut sum = branch.value;
    let mut up = branch.parent.borrow().upgrade();
    while let Some(parent) = up {
        sum += parent.value;
        up = parent.parent.borrow().upgrade();
    }
    sum
}

fn trees(random: &mut Random, out: &mut dyn Write) -> io::Result<()> {
    let freed = Rc::new(RefCell::new(0));
    let root = grow(9, random, &freed);
    let sum = leaf_sums(&root);
    drop(root);
    let freed = *freed.borrow();
    writeln!(out, "tree: {} {}", sum, freed)
}

#[allow(dead_code)] // read by Debug only
#[derive(Debug, Clone, Default)]
struct Shape {
    name: &'static str,
    points: Vec<(f32, f64)>,
    tag: Option<Box<Shape>>,
}

fn formatting(out: &mut dyn Write) -> io::Result<()> {
    let shape = Shape {
        name: "outer \"q\"\t\u{e9}",
        points: vec![(0.1, 1e300), (-0.0, f64::NAN), (f32::MAX, f64::MIN_POSITIVE)],
        tag: Some(Box::new(Shape::default())),
    };
    writeln!(out, "{:#?}", shape)?;
    writeln!(out, "{:?} {:+.3} {:>10.2e} {:08.3} {:#x} {:#010b} {:<5}| {:^7}| {:*>4}",
        1.0f64 / 3.0, 2.0f64.sqrt(), 123456.789, -3.14159, 255, 5, "ab", 'c', 7)?;
    writeln!(out, "{} {} {} {}", u128::MAX, i128::MIN, f64::MAX, 5e-324)?;
    for text in ["1e23", "0.1", "123456789012345678", "1e-400", "inf", "4.35", "x"] {
        match text.parse::<f64>() {
            Ok(value) => writeln!(out, "{} -> {:?} {:016x}", text, value, value.to_bits())?,
            Err(error) => writeln!(out, "{} -> {}", text, error)?,
        }
    }
    let text = "Zażółć gęślą jaźń, ΣΊΣΥΦΟΣ, ǅ, ß, 日本語, 🦀";
    writeln!(out, "{} {} {:?}", text.to_uppercase(), text.to_lowercase(), text.char_indices().nth(20))?;
    writeln!(out, "{:?} {:?} {}", text.find("jaźń"), text.rsplit(", ").collect::<Vec<_>>(),
        text.chars().rev().collect::<String>())?;
    writeln!(out, "{:?} {:?}", String::from_utf8_lossy(b"ok\xff\xc3"), std::str::from_utf8(b"a\xe2\x82").map_err(|e| e.valid_up_to()))
}

fn numbers(out: &mut dyn Write) -> io::Result<()> {
    let modpow = |mut b: u64, mut e: u64, m: u64| {
        let mut x = 1;
        while e > 0 {
            if e & 1 == 1 {
                x = (x as u128 * b as u128 % m as u128) as u64;
            }
            b = (b as u128 * b as u128 % m as u128) as u64;
            e >>= 1;
        }
        x
    };
    let prime = |n: u64| [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37].iter().all(|&a| {
        let s = (n - 1).trailing_zeros();
        let mut x = modpow(a, (n - 1) >> s, n);
        x == 1 || (0..s).any(|_| { let hit = x == n - 1; x = (x as u128 * x as u128 % n as u128) as u64; hit })
    });
    let found: Vec<u64> = (1u64 << 61..).filter(|&n| n % 2 == 1 && prime(n)).take(5).collect();
    writeln!(out, "primes: {:?}", found)?;
    writeln!(out, "{:?} {:?} {} {} {}", i32::MAX.checked_add(1), 200u8.overflowing_mul(2),
        (-7i32).rem_euclid(3), 300.7f32 as u8, f64::NAN as i32)?;
    writeln!(out, "{} {} {} {}", 0x1234_5678u32.rotate_left(7), u64::MAX.leading_zeros() + 12u64.trailing_zeros(),
        0b1011u16.count_ones(), 0x0102_0304u32.swap_bytes())?;
    writeln!(out, "{} {} {} {}", 2.5f64.round(), (-2.5f64).floor(), 1e10f32.mul_add(2.0, 1.0), f64::hypot(3.0, 4.0))
}

fn main() -> io::Result<()> {
    let n = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1000);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let stdout = io::stdout();
    let out = &mut io::BufWriter::new(stdout.lock());
    calculator(out)?;
    collections(n, &mut random, out)?;
    shortest_paths(n, &mut random, out)?;
    sorting(n, &mut random, out)?;
    trees(&mut random, out)?;
    formatting(out)?;
    numbers(out)?;
    out.flush()
}
