#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_BUCKETS 257

struct word {
    char *text;
    unsigned count;
    struct word *next;
};

static struct word *buckets[N_BUCKETS];

static unsigned long hash(const char *text)
{
    unsigned long value = 5381;
    for (; *text != '\0'; text++)
        value = value * 33 + (unsigned char)*text;
    return value % N_BUCKETS;
}

static struct word *find(const char *text, int create)
{
    unsigned long at = hash(text);
    struct word *word;

    for (word = buckets[at]; word != NULL; word = word->next) {
        if (strcmp(word->text, text) == 0) {
            return word;
        }
    }
    if (!create) {
        return NULL;
    }
    word = calloc(1, sizeof *word);
    if (word == NULL || (word->text = strdup(text)) == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(EXIT_FAILURE);
    }
    word->next = buckets[at];
    buckets[at] = word;
    return word;
}

/* Read one word of letters into buffer; 0 at the end of the file. */
static int read_word(FILE *file, char *buffer, size_t size)
{
    size_t length = 0;
    int c;

    while ((c = fgetc(file)) != EOF && !isalpha(c)) {
        continue;
    }
    while (c != EOF && isalpha(c)) {
        if (length + 1 < size) {
            buffer[length++] = (char)tolower(c);
        }
        c = fgetc(file);
    }
    buffer[length] = '\0';
    return length > 0;
}

int main(int argc, char **argv)
{
    char buffer[128];
    FILE *file = argc > 1 ? fopen(argv[1], "r") : stdin;
    unsigned at;

    if (file == NULL) {
        perror(argv[1]);
        return EXIT_FAILURE;
    }
    while (read_word(file, buffer, sizeof buffer)) {
        find(buffer, 1)->count++;
    }
    for (at = 0; at < N_BUCKETS; at++) {
        const struct word *word;
        for (word = buckets[at]; word != NULL; word = word->next) {
            printf("%6u %s\n", word->count, word->text);
        }
    }
    return fclose(file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
