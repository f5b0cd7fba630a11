# Writes, for each exported function, the statuses that include/lnkeep.h says that it returns.
#   awk -f torture/ffi/answers.awk include/lnkeep.h > build/ffi/answers.h
BEGIN {
    print "/* Made by torture/ffi/answers.awk of include/lnkeep.h: what each function may answer. */"
    print "static const struct answers answers[] = {"
}
/^#define LNKEEP_[A-Z_]+ \(-[0-9]+\)$/ { is_status[$2] = 1 }
/^#define LNKEEP_(DONE|ALREADY|ALREADY_EXISTS|ALREADY_QUEUED) / { is_status[$2] = 1 }
/^\/\*\*/ { text = ""; is_told = 1 }
/^ \* (In|Out|Durable|Threads|Ownership):/ { is_told = 0 }
/^ \*/ { if (is_told) text = text " " $0 }
/^ \*\// { is_told = 0 }
/^(int|lnkeep_status|lnkeep_class|const char \*|uint32_t|void) ?\*?lnkeep_[a-z_]+\(/ {
    name = $0
    sub(/\(.*/, "", name)
    sub(/.*[ *]/, "", name)
    line = "    {\"" name "\", {"
    while (match(text, /LNKEEP_[A-Z_]+/)) {
        word = substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
        if ((word in is_status) && !((name, word) in seen)) {
            seen[name, word] = 1
            line = line word ", "
        }
    }
    print line "ANSWERS_END}},"
    text = ""
}
END { print "};" }
