// Rust that tests debug; variables are set where they are declared; `probe` as in C.
static mut CALLS: u32 = 0;
static mut PROBED: i32 = 0;

#[inline(never)]
fn probe(n: i32) -> i32 {
    if unsafe { std::ptr::read_volatile(&PROBED) } == 1 << 30 {
        return probe(n + 1) * probe(n + 2);
    }
    unsafe { std::ptr::write_volatile(&mut PROBED, n) };
    n
}

#[derive(Clone, Copy)]
struct Point {
    x: i16,
    y: i64,
}

enum Shape {
    Dot(Point),
    Circle { centre: Point, radius: f64 },
    Nothing,
}

struct Node {
    value: i32,
    next: Option<Box<Node>>,
}

struct Account<'a> {
    owner: &'a str,
    cents: u64,
    open: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Low = 1,
    High = 9,
}

trait Speak {
    fn volume(&self, base: u8) -> u8;
}

impl Speak for Point {
    fn volume(&self, base: u8) -> u8 {
        let twice = base * 2;
        probe(twice as i32);
        (twice as i16 + self.x) as u8
    }
}

impl Account<'_> {
    fn deposit(&mut self, cents: u64) -> Result<u64, i8> {
        if !self.open {
            return Err(-1);
        }
        let before = self.cents;
        self.cents += cents;
        probe(before as i32);
        Ok(self.cents)
    }
}

fn area(shape: &Shape) -> f64 {
    unsafe { CALLS += 1 };
    match shape {
        Shape::Dot(point) => {
            let sum = point.x as i64 + point.y;
            probe(1);
            sum as f64 * 0.0
        }
        Shape::Circle { centre, radius } => {
            let square = radius * radius;
            let moved = Point { x: centre.x + 1, y: centre.y };
            probe(2);
            square * 3.0 + moved.x as f64
        }
        Shape::Nothing => 0.0,
    }
}

fn largest<T: Copy + PartialOrd>(values: &[T]) -> T {
    let mut best = values[0];
    for i in 1..values.len() {
        let value = values[i];
        if value > best {
            best = value;
        }
        probe(i as i32);
    }
    best
}

fn factorial(n: u64) -> u64 {
    if n == 0 {
        return 1;
    }
    let smaller = factorial(n - 1);
    let result = n * smaller;
    probe(result as i32);
    result
}

fn count_words(text: &str) -> usize {
    let mut count = 0;
    let mut inside = false;
    for byte in text.bytes() {
        let space = byte == b' ';
        if !space && !inside {
            count += 1;
        }
        inside = !space;
        probe(count as i32);
    }
    count
}

fn list(count: i32) -> Option<Box<Node>> {
    let mut first = None;
    for value in 0..count {
        let node = Node { value, next: first };
        probe(node.value);
        first = Some(Box::new(node));
    }
    first
}

fn sum_list(mut at: &Option<Box<Node>>) -> i32 {
    let mut sum = 0;
    while let Some(node) = at {
        let value = node.value;
        sum += value;
        probe(sum);
        at = &node.next;
    }
    sum
}

fn halve(number: i32) -> Option<i32> {
    let even = number % 2 == 0;
    probe(even as i32);
    if even {
        return Some(number / 2);
    }
    None
}

fn grid(rows: usize) -> Vec<[u16; 3]> {
    let mut all = Vec::new();
    for row in 0..rows {
        let start = row as u16 * 3;
        let cells = [start, start + 1, start + 2];
        probe(start as i32);
        all.push(cells);
    }
    all
}

fn backwards(text: &str) -> String {
    let mut result = String::new();
    for letter in text.chars().rev() {
        result.push(letter);
        let length = result.len();
        probe(length as i32);
    }
    result
}

fn main() {
    let point = Point { x: -3, y: 1 << 40 };
    let shapes = [Shape::Dot(point), Shape::Circle { centre: point, radius: 1.5 }, Shape::Nothing];
    let mut total = 0.0;
    for i in 0..shapes.len() {
        let one = area(&shapes[i]);
        total += one;
    }
    let numbers = [4u8, 9, 7];
    let first = &numbers[0];
    let best = largest(&numbers);
    let wide = largest(&[1.5f32, -2.0]);
    let pair = (best, total > 1.0);
    let letter = 'x';
    let boxed = Box::new(point);
    let text = "some words in a text";
    let length = text.len() + *first as usize;
    let closure = |n: usize| {
        let result = n + length;
        result * 2
    };
    let last = closure(best as usize);
    let words = count_words(text);
    let product = factorial(9);
    let nodes = list(5);
    let sum = sum_list(&nodes);
    let half = halve(sum);
    let none = halve(7);
    let mut account = Account { owner: "somebody", cents: 150, open: true };
    let deposited = account.deposit(50).unwrap_or(0);
    account.open = false;
    let refused = account.deposit(1).is_err();
    let rows = grid(4);
    let mut cells = 0i64;
    for row in rows.iter() {
        let middle = row[1];
        cells -= middle as i64;
        probe(cells as i32);
    }
    let speaker: &dyn Speak = &point;
    let volume = speaker.volume(11);
    let level = if volume > 10 { Level::High } else { Level::Low };
    let reversed = backwards("abcdefghij");
    let signs = (-1i8, 2u128 << 70, reversed.len() as u32);
    probe(sum);
    assert!(pair.1 && wide > 1.0 && letter == 'x' && boxed.x < 0 && last > 0);
    assert!(words == 5 && product > 1 && refused && level == Level::High && deposited == 200);
    assert!(half.is_some() && none.is_none() && signs.0 < 0 && cells < 0 && account.owner != "");
}
