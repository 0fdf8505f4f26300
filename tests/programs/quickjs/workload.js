// A deterministic mixed workload: no clock, no Math.random, and no function
// (sin, exp, ...) whose last digit depends on the C library.
"use strict";

let seed = 42;
function random(n) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor(seed / 4294967296 * n);
}

function hash(text) {
    let h = 0x811c9dc5;
    for (let i = 0; i < text.length; i++)
        h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
    return h.toString(16).padStart(8, "0");
}

const tests = [];
function test(name, run) { tests.push([name, run]); }

// An operating system kernel in miniature: tasks with priorities pass packets
// to each other; a lot of polymorphic method calls.
test("scheduler", () => {
    class Task {
        constructor(kernel, id, priority) {
            this.kernel = kernel;
            this.id = id;
            this.priority = priority;
            this.inbox = [];
            this.ran = 0;
        }
        get ready() { return this.inbox.length > 0; }
        send(id, packet) { this.kernel.tasks[id].inbox.push(packet); }
    }
    class Source extends Task {
        constructor(kernel, id, priority, count) {
            super(kernel, id, priority);
            this.left = count;
        }
        get ready() { return this.left > 0; }
        run() { this.send(1 + this.left % 3, { hops: 0, sum: this.left-- }); }
    }
    class Worker extends Task {
        run() {
            const p = this.inbox.shift();
            p.hops++;
            p.sum = (p.sum * 31 + this.id) % 65521;
            this.send(p.hops < 4 ? 1 + (this.id + p.sum) % 3 : 4, p);
        }
    }
    class Sink extends Task {
        total = 0;
        run() { this.total += this.inbox.pop().sum; }
    }
    class Kernel {
        tasks = [];
        pick() {
            let best = null;
            for (const t of this.tasks)
                if (t.ready && (best === null || t.priority > best.priority))
                    best = t;
            return best;
        }
        run() {
            let steps = 0;
            for (let t; (t = this.pick()); steps++) {
                t.run();
                t.ran++;
                t.priority = (t.priority * 7 + 3) % 101;
            }
            return steps;
        }
    }
    const k = new Kernel();
    k.tasks.push(new Source(k, 0, 10, 8000));
    for (let i = 1; i <= 3; i++) k.tasks.push(new Worker(k, i, 20 * i));
    k.tasks.push(new Sink(k, 4, 5));
    const steps = k.run();
    return [steps, k.tasks[4].total, k.tasks.map(t => t.ran).join()];
});

// One-way constraints, kept up to date by walking the graph in order.
test("constraints", () => {
    class Variable {
        constructor(value) { this.value = value; this.users = []; }
    }
    class Constraint {
        constructor(output, ...inputs) {
            this.output = output;
            this.inputs = inputs;
            for (const v of inputs) v.users.push(this);
        }
        execute() {
            const value = this.compute(...this.inputs.map(v => v.value));
            const changed = value !== this.output.value;
            this.output.value = value;
            return changed;
        }
    }
    class Scale extends Constraint { compute(a, b) { return (a * b + 1) % 9973; } }
    class Sum extends Constraint { compute(...v) { return v.reduce((a, b) => a + b, 0); } }
    class Clamp extends Constraint { compute(a) { return Math.min(Math.max(a, 10), 5000); } }
    const inputs = Array.from({ length: 8 }, (_, i) => new Variable(i + 1));
    let layer = inputs, all = [];
    for (let depth = 0; depth < 12; depth++) {
        layer = layer.map((v, i) => {
            const out = new Variable(0), next = layer[(i + 1) % layer.length];
            const kind = [Scale, Sum, Clamp][(i + depth) % 3];
            all.push(new kind(out, v, ...(kind === Clamp ? [] : [next])));
            return out;
        });
    }
    let runs = 0;
    for (let round = 0; round < 150; round++) {
        const changed = inputs[random(8)];
        changed.value = random(1000);
        const dirty = new Set(changed.users);
        for (const c of all)
            if (dirty.has(c)) {
                runs++;
                if (c.execute()) for (const u of c.output.users) dirty.add(u);
            }
    }
    return [runs, layer.map(v => v.value).join()];
});

test("regexp", () => {
    const words = ["alpha", "Beta", "x42", "3.14", "-7e3", "été", "foo_bar", "\"q s\"", "==", "/*c*/"];
    let text = "";
    for (let i = 0; i < 4000; i++) text += words[random(words.length)] + (random(8) ? " " : "\n");
    const token = /(?<ws>\s+)|(?<num>-?\d+(?:\.\d+)?(?:e\d+)?)|(?<id>[\p{L}_][\p{L}\d_]*)|(?<str>"[^"]*")|(?<com>\/\*.*?\*\/)|(?<op>[=<>]+)/guy;
    const counts = {};
    for (const m of text.matchAll(token)) {
        const kind = Object.keys(m.groups).find(k => m.groups[k] !== undefined);
        counts[kind] = (counts[kind] ?? 0) + 1;
    }
    const swapped = text.replace(/(\w+)\s+(\w+)/g, "$2 $1");
    const upper = text.replace(/(?<=\s)[a-z](?!\d)/g, c => c.toUpperCase());
    return [JSON.stringify(counts), hash(swapped), hash(upper),
        text.split(/\n+/).length, /^(?:a+)+b$/.test("a".repeat(18)), "aBc".search(/b/i),
        "2024-02-29".replace(/(?<y>\d+)-(?<m>\d+)-(?<d>\d+)/, "$<d>.$<m>.$<y>")];
});

test("json", () => {
    const make = depth => depth === 0
        ? [null, true, random(1000), random(1000) / 8, "s\u00e9\n\"" + random(99)][random(5)]
        : random(2) ? Array.from({ length: 4 }, () => make(depth - 1))
            : Object.fromEntries(Array.from({ length: 4 }, (_, i) => ["k" + i, make(depth - 1)]));
    const tree = make(6);
    const flat = JSON.stringify(tree);
    let round = flat;
    for (let i = 0; i < 5; i++) round = JSON.stringify(JSON.parse(round));
    const doubled = JSON.parse(flat, (k, v) => typeof v === "number" ? v * 2 : v);
    return [flat.length, flat === round, hash(flat), hash(JSON.stringify(doubled, null, 2))];
});

test("bigint", () => {
    let q = 1n, r = 0n, t = 1n, k = 1n, n = 3n, l = 3n, pi = "";
    while (pi.length < 120) {
        if (4n * q + r - t < n * t) {
            pi += n;
            [q, r, n] = [10n * q, 10n * (r - n * t), 10n * (3n * q + r) / t - 10n * n];
        } else {
            [q, r, t, k, n, l] = [q * k, (2n * q + r) * l, t * l, k + 1n,
                (q * (7n * k) + 2n + r * l) / (t * l), l + 2n];
        }
    }
    let f = 1n;
    for (let i = 2n; i <= 400n; i++) f *= i;
    const pow = (b, e, m) => { let x = 1n; for (; e; e >>= 1n, b = b * b % m) if (e & 1n) x = x * b % m; return x; };
    const p = 2n ** 521n - 1n;
    return [pi, hash(f.toString()), pow(3n, p - 1n, p), BigInt.asIntN(64, f + (1n << 63n)),
        (-(2n ** 100n) / 7n).toString(36), BigInt("0x" + "f0".repeat(20)) ^ -1n];
});

test("arrays", () => {
    const a = Array.from({ length: 6000 }, (_, i) => ({ key: random(500), i }));
    a.sort((x, y) => x.key - y.key);
    const stable = a.every((x, i) => i === 0 || a[i - 1].key < x.key || a[i - 1].i < x.i);
    const words = a.map(x => (x.key * 7919 % 1000).toString(36)).sort();
    const groups = Object.groupBy(a, x => x.key % 3);
    const compose = (...fs) => x => fs.reduce((v, f) => f(v), x);
    const adders = Array.from({ length: 10 }, (_, i) => { let calls = 0; return x => x + i + calls++; });
    let s = 0;
    for (let i = 0; i < 400; i++) s = compose(...adders)(s) % 1000003;
    return [stable, hash(words.join()), groups[0].length, [3, 1, 2].toSorted().join(),
        a.findLast(x => x.key === 77)?.i ?? "none", [1, [2, [3, [4]]]].flat(Infinity).join(), s];
});

test("typed arrays", () => {
    const sieve = new Uint8Array(100000).fill(1);
    let primes = 0;
    for (let i = 2; i < sieve.length; i++) {
        if (!sieve[i]) continue;
        primes++;
        for (let j = i * 2; j < sieve.length; j += i) sieve[j] = 0;
    }
    const n = 32, m = new Float64Array(n * n), p = new Float64Array(n * n);
    for (let i = 0; i < n * n; i++) m[i] = random(100) / 16;
    for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++) {
            let sum = 0;
            for (let k = 0; k < n; k++) sum += m[i * n + k] * m[k * n + j];
            p[i * n + j] = sum;
        }
    const view = new DataView(new ArrayBuffer(32));
    view.setFloat64(0, Math.sqrt(p[77]));
    view.setFloat32(8, 1 / 3, true);
    view.setBigInt64(16, -5n);
    view.setInt16(24, -2);
    return [primes, p[5], p[n * n - 1], Array.from(new Uint8Array(view.buffer), b => b.toString(16)).join(""),
        new Uint8ClampedArray([300, -5, 1.5, 2.5]).join(), new Int32Array([2 ** 31, NaN, -1.9]).join()];
});

test("generators", () => {
    function* naturals() { for (let i = 0; ; i++) yield i; }
    function* filter(it, f) { for (const x of it) if (f(x)) yield x; }
    function* take(it, n) { for (const x of it) { if (n-- <= 0) return; yield x; } }
    function* walk(t) { if (t) { yield* walk(t.l); yield t.v; yield* walk(t.r); } }
    const insert = (t, v) => t ? (v < t.v ? t.l = insert(t.l, v) : t.r = insert(t.r, v), t) : { v, l: null, r: null };
    let tree = null;
    for (let i = 0; i < 1000; i++) tree = insert(tree, random(10000));
    const odd = [...take(filter(naturals(), x => x % 7 === 3), 500)];
    let closed = false;
    const g = (function* () { try { yield 1; yield 2; } finally { closed = true; } })();
    for (const x of g) { void x; break; }
    return [odd.at(-1), hash([...walk(tree)].join()), closed];
});

test("language", () => {
    const log = [];
    const p = new Proxy({}, { get: (_, k) => k.toString().length, has: () => true });
    log.push(p.hello, "any" in p, Reflect.ownKeys({ b: 1, a: 2, 1: 3, [Symbol("s")]: 4 }).length);
    const deep = n => n === 0 ? 0 : 1 + deep(n - 1);
    log.push(deep(500));
    for (const bad of ["null.x", "let a; let a", "undefined()", "new Array(-1)", "BigInt(1.5)"])
        try { (0, eval)(bad); } catch (e) { log.push(e.name); }
    let caught = 0;
    for (let i = 0; i < 3000; i++)
        try { if (i % 3) throw new Error("e" + i); } catch ({ message: [, ...d] }) { caught += d.length; }
    const ws = new WeakMap(), key = {};
    ws.set(key, 5);
    const { a = 1, ...rest } = { b: 2, c: 3 };
    label: for (let i = 0; i < 5; i++) for (; ;) { if (i === 3) break label; continue label; }
    log.push(caught, ws.get(key), a, JSON.stringify(rest), `${1 + 1}${[..."añ😀"].length}`,
        "ﬀ".toUpperCase(), "é".normalize("NFD").length, "abc".at(-1), (25).toString(36),
        (0.1).toFixed(20), (1e21).toString(), (123.456).toPrecision(4), (-1.5e-9).toExponential(3),
        parseFloat("3.14abc"), 0.1 + 0.2, 5e-324, 1 / -0, -7 % 3, 2 ** -1074, 1 << 33, -1 >>> 28,
        new Date(Date.UTC(2024, 1, 29, 12)).toISOString(), Number("0b101"), [10, 9, 1].sort().join());
    return log;
});

test("maps", () => {
    const m = new Map();
    for (let i = 0; i < 30000; i++) {
        const k = "k" + random(2000);
        m.set(k, (m.get(k) || 0) + 1);
        if (i % 5 === 0) m.delete("k" + random(2000));
    }
    const top = [...m].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 3);
    const s = new Set(m.keys());
    let text = "";
    for (const k of s) text += k;
    return [m.size, top.join(" "), hash(text), s.has("k5")];
});

test("mandelbrot", () => {
    let rows = "";
    for (let y = -12; y <= 12; y += 2) {
        for (let x = -40; x < 20; x++) {
            const cx = x / 20, cy = y / 10;
            let a = 0, b = 0, i = 0;
            for (; i < 200 && a * a + b * b < 4; i++) [a, b] = [a * a - b * b + cx, 2 * a * b + cy];
            rows += i === 200 ? "#" : i > 8 ? "+" : i > 4 ? "." : " ";
        }
        rows = rows.trimEnd() + "\n";
    }
    return ["\n" + rows];
});

for (const [name, run] of tests) print(name + ":", ...run());

// Last, because it runs from the job queue after the script has returned.
(async () => {
    const order = [];
    const tick = async n => { for (let i = 0; i < n; i++) await null; order.push(n); return n; };
    const all = await Promise.all([3, 1, 2].map(tick));
    const settled = await Promise.allSettled([tick(1), Promise.reject(new Error("no"))]);
    async function* count() { for (let i = 0; i < 300; i++) { await null; yield i; } }
    let sum = 0;
    for await (const i of count()) sum += i;
    print("promises:", order.join(), all.join(), settled.map(s => s.status).join(), sum);
})();
