// Containers that tests print.
use std::rc::Rc;
use std::sync::Arc;

#[allow(dead_code)]
enum Shape {
    Dot(i16, i64),
    Circle { radius: f64 },
    Nothing,
}

struct Part {
    id: i32,
    name: String,
    next: Option<Box<Part>>,
}

fn main() {
    let numbers = vec![3, 1, 4, 1, 5];
    let none: Vec<u64> = Vec::new();
    let words = vec![String::from("some"), String::from("words")];
    let rows = vec![vec![1i16, 2], vec![], vec![3]];
    let shapes = vec![Shape::Dot(-3, 1 << 40), Shape::Circle { radius: 1.5 }, Shape::Nothing];
    let fixed = [Shape::Nothing, Shape::Dot(1, 2)];
    let slice = &numbers[1..3];
    let texts = ["a", "slice", "of texts"];
    let some_texts = &texts[1..];
    let last = Part { id: 2, name: String::from("axle"), next: None };
    let part = Box::new(Part { id: 1, name: String::from("wheel"), next: Some(Box::new(last)) });
    let shared = Rc::new(12u16);
    let other = Rc::clone(&shared);
    let atomic = Arc::new(Shape::Dot(5, 6));
    let maybe = Some("text");
    let shape = &shapes[1];
    let long_one = vec![8u8; 300];
    let count = numbers.len() + none.len() + words.len() + rows.len() + fixed.len();
    let sum = count + slice.len() + some_texts.len() + *other as usize + long_one.len(); // stop
    assert!(sum > 0 && part.id < 9 && maybe.is_some() && Arc::strong_count(&atomic) == 1);
    assert!(part.name.len() + part.next.map_or(0, |next| next.name.len()) > 3);
    assert!(matches!(shape, Shape::Circle { .. }));
}
