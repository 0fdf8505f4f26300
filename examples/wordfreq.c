// Prints the most frequent words of its standard input:
//
//   wordfreq [COUNT] < TEXT
//
// At a terminal, or with nothing to read, it counts a text of its own.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char SAMPLE[] =
    "How doth the little crocodile\n"
    "Improve his shining tail,\n"
    "And pour the waters of the Nile\n"
    "On every golden scale!\n"
    "How cheerfully he seems to grin,\n"
    "How neatly spreads his claws,\n"
    "And welcomes little fishes in\n"
    "With gently smiling jaws!\n";

struct entry {
  char *word;
  size_t length;
  unsigned count;
};

// An open-addressing hash table; its size is a power of two.
static struct entry *table;
static size_t room, used;

static void *checked(void *memory) {
  if (!memory) {
    fputs("wordfreq: out of memory\n", stderr);
    exit(1);
  }
  return memory;
}

static struct entry *find(const char *word, size_t length) {
  unsigned hash = 2166136261u;
  for (size_t i = 0; i < length; i++)
    hash = (hash ^ (unsigned char)word[i]) * 16777619u;
  size_t at = hash & (room - 1);
  while (table[at].word && (table[at].length != length ||
                            memcmp(table[at].word, word, length) != 0))
    at = (at + 1) & (room - 1);
  return &table[at];
}

static void grow(void) {
  struct entry *old = table;
  size_t old_room = room;
  room = room ? room * 2 : 64;
  table = checked(calloc(room, sizeof *table));
  for (size_t i = 0; i < old_room; i++)
    if (old[i].word)
      *find(old[i].word, old[i].length) = old[i];
  free(old);
}

static void add(char *word, size_t length) {
  if (used * 2 >= room)
    grow();
  struct entry *entry = find(word, length);
  if (!entry->word) {
    entry->word = word;
    entry->length = length;
    used++;
  }
  entry->count++;
}

static char *read_all(FILE *file, size_t *size) {
  size_t capacity = 4096;
  char *text = checked(malloc(capacity));
  *size = 0;
  for (size_t n; (n = fread(text + *size, 1, capacity - *size, file)) > 0;) {
    *size += n;
    if (*size == capacity)
      text = checked(realloc(text, capacity *= 2));
  }
  return text;
}

// Bytes above 127 belong to letters outside ASCII.
static int is_letter(unsigned char c) { return isalpha(c) || c > 127; }

static int by_count_then_word(const void *a, const void *b) {
  const struct entry *x = a, *y = b;
  if (x->count != y->count)
    return x->count < y->count ? 1 : -1;
  size_t shorter = x->length < y->length ? x->length : y->length;
  int order = memcmp(x->word, y->word, shorter);
  return order ? order : (x->length > y->length) - (x->length < y->length);
}

int main(int argc, char **argv) {
  size_t wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;
  size_t size = 0, total = 0;
  char *text = isatty(0) ? NULL : read_all(stdin, &size);
  if (size == 0) {
    size = sizeof SAMPLE - 1;
    text = memcpy(checked(realloc(text, size)), SAMPLE, size);
  }

  for (size_t i = 0; i < size;) {
    size_t start = i;
    for (; i < size && is_letter((unsigned char)text[i]); i++)
      text[i] = (char)tolower((unsigned char)text[i]);
    if (i > start) {
      add(text + start, i - start);
      total++;
    } else {
      i++;
    }
  }

  // Sorting moves the entries together, so the table is no table after this.
  size_t kept = 0;
  for (size_t i = 0; i < room; i++)
    if (table[i].word)
      table[kept++] = table[i];
  if (kept)
    qsort(table, kept, sizeof *table, by_count_then_word);
  printf("%zu words, %zu different\n", total, kept);
  for (size_t i = 0; i < kept && i < wanted; i++)
    printf("%7u %.*s\n", table[i].count, (int)table[i].length, table[i].word);
  return 0;
}
