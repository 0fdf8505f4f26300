// Counts matches of regular expressions in standard input.
#include "input.h"
#include "oniguruma.h"

static const char *const PATTERNS[] = {
    "[a-z]+_[a-z]+\\(",       "(?i)select|insert|update", "\\b(\\w+)\\s+\\1\\b",
    "/\\*[^*]*\\*/",          "0x[0-9a-fA-F]+",           "\"([^\"\\\\]|\\\\.)*\"",
    "^\\s*(if|while|for)\\b",
};

int main(void) {
  size_t size;
  const OnigUChar *input = read_input(&size), *end = input + size;
  OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
  onig_initialize(encodings, 1);
  for (size_t i = 0; i < sizeof PATTERNS / sizeof *PATTERNS; i++) {
    const OnigUChar *pattern = (const OnigUChar *)PATTERNS[i];
    regex_t *regex;
    OnigErrorInfo error;
    if (onig_new(&regex, pattern, pattern + strlen(PATTERNS[i]), ONIG_OPTION_DEFAULT,
                 ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT, &error) != ONIG_NORMAL) {
      fprintf(stderr, "not a regular expression: %s\n", PATTERNS[i]);
      return 1;
    }
    OnigRegion *region = onig_region_new();
    unsigned matches = 0;
    for (const OnigUChar *at = input; at < end; matches++) {
      int found = onig_search(regex, input, end, at, end, region, ONIG_OPTION_NONE);
      if (found < 0)
        break;
      at = input + (region->end[0] > found ? region->end[0] : found + 1);
    }
    printf("%s: %u\n", PATTERNS[i], matches);
    onig_region_free(region, 1);
    onig_free(regex);
  }
}
