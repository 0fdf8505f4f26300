// Rust that tests debug; variables are set where they are declared.
static mut CALLS: u32 = 0;

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

fn area(shape: &Shape) -> f64 {
    unsafe { CALLS += 1 };
    match shape {
        Shape::Dot(point) => {
            let sum = point.x as i64 + point.y;
            sum as f64 * 0.0
        }
        Shape::Circle { centre, radius } => {
            let square = radius * radius;
            let moved = Point { x: centre.x + 1, y: centre.y };
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
    }
    best
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
    let text = "text";
    let length = text.len() + *first as usize;
    let closure = |n: usize| {
        let result = n + length;
        result * 2
    };
    let last = closure(best as usize);
    assert!(pair.1 && wide > 1.0 && letter == 'x' && boxed.x < 0 && last > 0);
}
