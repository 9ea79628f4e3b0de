/* ldx-interp: prints or sets the program interpreter (PT_INTERP) of an ELF program. */
#include "interp-edit.h"
#include "replace-file.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

struct options {
  const char *set, *out, *file;
  bool verbose;
};

static void usage(FILE *out) {
  fputs("Usage: ldx-interp FILE                         print FILE's interpreter\n"
        "       ldx-interp --set PATH [-o OUT] FILE     make PATH its interpreter\n"
        "\n"
        "The interpreter is the loader that the kernel starts when FILE is executed.\n"
        "\n"
        "  -s, --set PATH    the new interpreter; it may be longer than the old one\n"
        "  -o, --output OUT  write the result to OUT, and leave FILE alone\n"
        "  -v, --verbose     say where the new name was put\n"
        "  -h, --help        this text\n"
        "\n"
        "FILE is replaced atomically and keeps mode, owner and attributes; other hard links to it keep the\n"
        "old contents. A longer name is put into unused bytes of a loaded page, or, where there are none,\n"
        "at the end of the file: strip such a file before setting its interpreter, not afterwards.\n"
        "\n"
        "Example: ldx-interp --set /usr/local/lib/ldx -o ./git-ldx /usr/bin/git\n",
        out);
}

static bool parse(int argc, char **argv, struct options *options) {
  static const struct option longs[] = {{"set", required_argument, NULL, 's'},
                                        {"output", required_argument, NULL, 'o'},
                                        {"verbose", no_argument, NULL, 'v'},
                                        {"help", no_argument, NULL, 'h'},
                                        {0}};
  for (int c; (c = getopt_long(argc, argv, "s:o:vh", longs, NULL)) != -1;) {
    switch (c) {
    case 's':
      options->set = optarg;
      break;
    case 'o':
      options->out = optarg;
      break;
    case 'v':
      options->verbose = true;
      break;
    case 'h':
      usage(stdout);
      exit(0);
    default:
      return false;
    }
  }
  if (argc - optind != 1 || (options->out && !options->set))
    return false;
  options->file = argv[optind];
  return true;
}

static const char *set(struct interp_image *image, const struct options *options) {
  static const char *const places[] = {
      [INTERP_IN_PLACE] = "in place",
      [INTERP_IN_SLACK] = "in unused bytes of a loaded page",
      [INTERP_APPENDED] = "at the end of the file",
  };
  enum interp_place place;
  const char *error = interp_replace(image, options->set, &place);
  if (error)
    return error;
  const char *target = options->out ? options->out : options->file;
  if (!replace_file(target, options->file, image->bytes, image->size))
    exit(1);
  if (options->verbose)
    printf("%s: %s, %s\n", target, options->set, places[place]);
  return NULL;
}

static const char *print(const struct interp_image *image) {
  const char *name;
  const char *error = interp_read(image, &name);
  if (!error)
    puts(name);
  return error;
}

int main(int argc, char **argv) {
  struct options options = {0};
  struct interp_image image;
  if (!parse(argc, argv, &options)) {
    usage(stderr);
    return 2;
  }
  if (!read_whole_file(options.file, &image.bytes, &image.size))
    return 1;
  const char *error = options.set ? set(&image, &options) : print(&image);
  if (error)
    fprintf(stderr, "ldx-interp: %s: %s\n", options.file, error);
  free(image.bytes);
  return error ? 1 : 0;
}
