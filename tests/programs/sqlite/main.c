// In-memory SQLite workload. Everything printed is an exact function of the
// SQL below, so any two builds of this program must print the same bytes.
#include "sqlite3.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *db;

static void check(int rc, const char *what) {
  if (rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW)
    return;
  printf("error %d in %s: %s\n", rc, what, sqlite3_errmsg(db));
  exit(1);
}

static int print_row(void *unused, int columns, char **values, char **names) {
  (void)unused;
  (void)names;
  for (int i = 0; i < columns; i++)
    printf("%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
  putchar('\n');
  return 0;
}

static void exec(const char *sql) {
  check(sqlite3_exec(db, sql, print_row, NULL, NULL), sql);
}

static void section(const char *title, const char *sql) {
  printf("-- %s\n", title);
  exec(sql);
}

static unsigned next_random(void) {
  static unsigned state = 12345;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

// A scalar function, an aggregate and a collation of our own: SQLite calls
// back into this file through function pointers.

static void sql_fnv1a(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  unsigned hash = 2166136261u;
  for (int i = 0; i < argc; i++) {
    const unsigned char *p = sqlite3_value_text(argv[i]);
    int n = sqlite3_value_bytes(argv[i]);
    for (int j = 0; j < n; j++)
      hash = (hash ^ p[j]) * 16777619u;
  }
  sqlite3_result_int64(ctx, hash);
}

static void xor_step(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  sqlite3_int64 *acc = sqlite3_aggregate_context(ctx, sizeof *acc);
  if (acc)
    *acc = (*acc * 31) ^ sqlite3_value_int64(argv[0]);
}

static void xor_final(sqlite3_context *ctx) {
  sqlite3_int64 *acc = sqlite3_aggregate_context(ctx, 0);
  sqlite3_result_int64(ctx, acc ? *acc & 0x7fffffffffffLL : 0);
}

static int compare_reversed(void *unused, int an, const void *a, int bn,
                            const void *b) {
  (void)unused;
  const unsigned char *x = a, *y = b;
  while (an && bn)
    if (x[--an] != y[--bn])
      return x[an] - y[bn];
  return an - bn;
}

static const char *const CITIES[] = {"Oslo",   "Lima",  "Kyoto", "Quito",
                                     "Tunis",  "Perth", "Turin", "Accra",
                                     "Bergen", "Cusco", "Dakar", "Erfurt"};

static void fill(int customers, int orders) {
  sqlite3_stmt *st;
  exec("BEGIN");
  check(sqlite3_prepare_v2(db, "INSERT INTO customer VALUES(?,?,?,?)", -1, &st,
                           NULL),
        "prepare customer");
  for (int i = 1; i <= customers; i++) {
    char name[32];
    int n = snprintf(name, sizeof name, "%c%c%c-%05d", 'a' + next_random() % 26,
                     'a' + next_random() % 26, 'a' + next_random() % 26, i);
    sqlite3_bind_int(st, 1, i);
    sqlite3_bind_text(st, 2, name, n, SQLITE_TRANSIENT);
    sqlite3_bind_text(st, 3, CITIES[next_random() % 12], -1, SQLITE_STATIC);
    if (i % 17)
      sqlite3_bind_double(st, 4, (next_random() % 100000) / 64.0);
    else
      sqlite3_bind_null(st, 4);
    check(sqlite3_step(st), "insert customer");
    sqlite3_reset(st);
  }
  sqlite3_finalize(st);

  check(sqlite3_prepare_v2(db, "INSERT INTO purchase VALUES(?,?,?,?,?)", -1,
                           &st, NULL),
        "prepare purchase");
  for (int i = 1; i <= orders; i++) {
    unsigned char blob[16];
    for (int j = 0; j < 16; j++)
      blob[j] = (unsigned char)next_random();
    sqlite3_bind_int(st, 1, i);
    sqlite3_bind_int(st, 2, 1 + next_random() % customers);
    sqlite3_bind_int(st, 3, next_random() % 3650);
    sqlite3_bind_int64(st, 4, (sqlite3_int64)next_random() * 3);
    sqlite3_bind_blob(st, 5, blob, 1 + next_random() % 16, SQLITE_TRANSIENT);
    check(sqlite3_step(st), "insert purchase");
    sqlite3_reset(st);
  }
  sqlite3_finalize(st);
  exec("COMMIT");
}

int main(void) {
  check(sqlite3_open(":memory:", &db), "open");
  sqlite3_create_function(db, "fnv1a", -1, SQLITE_UTF8, NULL, sql_fnv1a, NULL,
                          NULL);
  sqlite3_create_function(db, "xorsum", 1, SQLITE_UTF8, NULL, NULL, xor_step,
                          xor_final);
  sqlite3_create_collation(db, "reversed", SQLITE_UTF8, NULL, compare_reversed);

  section("schema",
          "CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
          "  city TEXT, credit REAL);"
          "CREATE TABLE purchase(id INTEGER PRIMARY KEY,"
          "  customer INTEGER REFERENCES customer(id), day INT, cents INT,"
          "  tag BLOB);"
          "CREATE TABLE audit(what TEXT, id INT);"
          "CREATE VIEW spending AS SELECT c.city, c.name, sum(p.cents) AS total"
          "  FROM customer c JOIN purchase p ON p.customer = c.id GROUP BY c.id;"
          "SELECT name FROM sqlite_master ORDER BY name;");
  fill(2000, 30000);

  section("index and check",
          "CREATE INDEX purchase_customer ON purchase(customer, day);"
          "CREATE INDEX purchase_cents ON purchase(cents) WHERE cents % 2 = 0;"
          "CREATE INDEX customer_name ON customer(name COLLATE reversed);"
          "ANALYZE; PRAGMA integrity_check;"
          "SELECT count(*), sum(cents), min(day), max(day) FROM purchase;"
          "SELECT count(*), sum(length(tag)), xorsum(fnv1a(hex(tag)))"
          "  FROM purchase;");

  section("joins and aggregates",
          "SELECT city, count(DISTINCT c.id), count(*), sum(cents), avg(credit)"
          "  FROM customer c JOIN purchase p ON p.customer = c.id"
          "  GROUP BY city HAVING count(*) > 10 ORDER BY sum(cents) DESC;"
          "SELECT count(*) FROM customer c LEFT JOIN purchase p"
          "  ON p.customer = c.id AND p.day > 3600 WHERE p.id IS NULL;"
          "SELECT a.day, count(*) FROM purchase a JOIN purchase b"
          "  ON a.customer = b.customer AND a.day = b.day AND a.id < b.id"
          "  GROUP BY a.day ORDER BY count(*) DESC, a.day LIMIT 5;"
          "SELECT city, name, total FROM spending ORDER BY total DESC LIMIT 5;"
          "SELECT day / 365 AS year, sum(cents) FILTER (WHERE cents % 2 = 0),"
          "  group_concat(DISTINCT cents % 7) FROM (SELECT * FROM purchase"
          "  ORDER BY id) GROUP BY year ORDER BY year;");

  section("windows",
          "SELECT city, name, rank FROM (SELECT city, name, row_number() OVER"
          "  (PARTITION BY city ORDER BY total DESC, name) AS rank"
          "  FROM spending) WHERE rank <= 2 ORDER BY city, rank;"
          "SELECT xorsum(running), xorsum(around), xorsum(tile) FROM (SELECT"
          "  sum(cents) OVER (PARTITION BY customer ORDER BY day, id) AS running,"
          "  max(cents) OVER (ORDER BY id ROWS BETWEEN 5 PRECEDING AND"
          "    5 FOLLOWING) AS around,"
          "  ntile(100) OVER (ORDER BY cents, id) AS tile"
          "  FROM purchase WHERE id <= 8000);");

  section("recursive queries",
          "WITH RECURSIVE f(n, a, b) AS (SELECT 1, 0, 1 UNION ALL"
          "  SELECT n + 1, b, a + b FROM f WHERE n < 80)"
          "  SELECT n, a FROM f WHERE n % 20 = 0;"
          "WITH RECURSIVE xaxis(x) AS (VALUES(-2.0) UNION ALL"
          "    SELECT x + 0.0625 FROM xaxis WHERE x < 1.0),"
          "  yaxis(y) AS (VALUES(-1.0) UNION ALL"
          "    SELECT y + 0.125 FROM yaxis WHERE y < 1.0),"
          "  m(iter, cx, cy, x, y) AS ("
          "    SELECT 0, x, y, 0.0, 0.0 FROM xaxis, yaxis UNION ALL"
          "    SELECT iter + 1, cx, cy, x*x - y*y + cx, 2.0*x*y + cy FROM m"
          "    WHERE x*x + y*y < 4.0 AND iter < 28),"
          "  m2(iter, cx, cy) AS (SELECT max(iter), cx, cy FROM m"
          "    GROUP BY cx, cy),"
          "  a(cy, t) AS (SELECT cy, group_concat(substr(' .+*#',"
          "    1 + min(iter / 7, 4), 1), '') FROM (SELECT * FROM m2"
          "    ORDER BY cy, cx) GROUP BY cy)"
          "  SELECT rtrim(t) FROM a ORDER BY cy;");

  section("text and json",
          "SELECT upper(city), replace(city, 'i', '_'), instr(city, 'o'),"
          "  substr(city, -3), trim(city, 'aeiou'), printf('%-8s|%08.3f|%+d|%x',"
          "  city, sum(credit), count(*), count(*)), quote(city || '''s')"
          "  FROM customer GROUP BY city ORDER BY city;"
          "SELECT count(*) FROM customer WHERE name LIKE 'a%' OR name GLOB"
          "  '[x-z]?b-*7';"
          "SELECT name FROM customer ORDER BY name COLLATE reversed LIMIT 5;"
          "SELECT json_extract(j, '$.city'), json_array_length(j, '$.names'),"
          "  fnv1a(j) FROM (SELECT json_object('city', city, 'names',"
          "  json_group_array(name)) AS j FROM (SELECT * FROM customer"
          "  ORDER BY id) GROUP BY city) ORDER BY 1;"
          "SELECT sum(value) FROM json_each('[1, 2.5, 3e2, null, \"4\"]');"
          "SELECT date('2024-01-31', '+1 month'), julianday('2000-01-01'),"
          "  strftime('%W %j', '2023-07-14 12:34:56'), 1e100, 0.1 + 0.2, 1.0/3,"
          "  9223372036854775807 + 1, CAST('12abc' AS INT), -7 / 2, -7 % 3,"
          "  1 << 62, ~5, round(2.5), hex(zeroblob(3)), unicode('é');");

  section("updates and transactions",
          "CREATE TRIGGER gone AFTER DELETE ON customer BEGIN"
          "  INSERT INTO audit VALUES('gone', old.id);"
          "  DELETE FROM purchase WHERE customer = old.id; END;"
          "BEGIN; UPDATE purchase SET cents = cents + day WHERE day % 3 = 0;"
          "SELECT changes(), total(cents) FROM purchase;"
          "SAVEPOINT s; DELETE FROM customer WHERE city = 'Lima';"
          "SELECT count(*), (SELECT count(*) FROM audit) FROM purchase;"
          "ROLLBACK TO s; SELECT count(*) FROM purchase; RELEASE s;"
          "ROLLBACK; SELECT total(cents) FROM purchase;"
          "DELETE FROM customer WHERE id % 5 = 0;"
          "SELECT count(*), xorsum(id) FROM audit;"
          "INSERT INTO customer SELECT id, 'back', 'Lima', 1 FROM audit WHERE"
          "  true ON CONFLICT DO NOTHING;"
          "INSERT INTO customer VALUES(1, 'x', 'y', 2) ON CONFLICT(id) DO UPDATE"
          "  SET credit = excluded.credit RETURNING id, name, credit;"
          "VACUUM; PRAGMA integrity_check; PRAGMA page_count;");

  // An error has to come back as an error, not as a crash.
  printf("-- errors\n");
  const char *bad[] = {"SELECT * FROM nowhere",
                       "INSERT INTO customer VALUES(1, 'dup', NULL, NULL)",
                       "INSERT INTO customer(id) VALUES(99999)", "SELEC 1"};
  for (int i = 0; i < 4; i++) {
    int rc = sqlite3_exec(db, bad[i], NULL, NULL, NULL);
    printf("%d %s\n", rc, sqlite3_errmsg(db));
  }
  check(sqlite3_close(db), "close");
  return 0;
}
