/* What monitors give out: nothing before it is durable, all of it once, events until acknowledged. */

#include "monitors.h"

#include <fcntl.h>

static int descriptor_of(lnkeep_monitors of) {
    int descriptor = -1;
    CHECK_DONE(lnkeep_monitors_descriptor(of, &descriptor, &err));
    CHECK(descriptor >= 0);
    return descriptor;
}

static int is_readable(void) { return h_readable(descriptor_of(monitors), 0); }

static void outputs_leave_after_what_they_depend_on(void) {
    begin();
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(message(1, "before"));
    lnkeep_capture early = capture();
    CHECK_DONE(update('a', 2, "two"));
    CHECK_DONE(message(2, "after"));
    CHECK_DONE(event(3, "an event"));
    CHECK(check_outputs(""));
    lnkeep_monitors_commit commit = commit_of(early, "m1");
    CHECK_DONE(commit_with(&commit));
    CHECK_EQUAL(committed.applied, 2);
    CHECK(check_outputs("0:1:before"));
    CHECK(check_outputs(""));
    CHECK_DONE(event(4, "another"));
    CHECK_DONE(message(5, "last"));
    /* A commit that is refused lets nothing go. */
    CHECK_REFUSED(commit_all(NULL), LNKEEP_MANAGER_REQUIRED, 'a', NO_VALUE);
    CHECK(check_outputs(""));
    CHECK_DONE(commit_all("m2"));
    CHECK(check_outputs("0:2:after 1:3:an event 2:4:another 0:5:last"));
    CHECK(check_outputs(""));
    end();
}

/* Tags are the host's: any number, also twice. */
static void outputs_come_one_by_one_when_asked_so(void) {
    begin();
    CHECK_DONE(message(UINT64_MAX, "x"));
    CHECK_DONE(message(UINT64_MAX, "y"));
    CHECK_DONE(event(0, "z"));
    CHECK_DONE(commit_all(NULL));
    static const char *const wanted[] = {"x", "y", "z"};
    for (size_t i = 0; i < 3; i++) {
        lnkeep_outputs *outputs = take_outputs(1);
        if (outputs && CHECK_EQUAL(outputs->outputs_len, 1)) {
            CHECK_EQUAL(outputs->outputs->tag, i < 2 ? UINT64_MAX : 0);
            CHECK_EQUAL(outputs->outputs->output_id, i < 2 ? 0 : 1);
            CHECK(is_text(outputs->outputs->payload, wanted[i]));
        }
        lnkeep_outputs_free(outputs);
    }
    CHECK(check_outputs(""));
    lnkeep_outputs_free(NULL);
    lnkeep_outputs *untouched = (lnkeep_outputs *)(void *)&store, *outputs = untouched;
    static const size_t wrong[] = {0, 1025, SIZE_MAX};
    for (size_t i = 0; i < H_COUNT(wrong); i++) {
        lnkeep_status status = lnkeep_monitors_take_outputs(monitors, wrong[i], &outputs, &err);
        CHECK_STATUS(status, LNKEEP_INVALID_ARGUMENT);
        CHECK(outputs == untouched);
    }
    static const uint32_t classes[] = {0, 3, UINT32_MAX};
    for (size_t i = 0; i < H_COUNT(classes); i++) {
        CHECK_STATUS(output_with(classes[i], 1, h_text("x")), LNKEEP_INVALID_ARGUMENT);
    }
    CHECK_STATUS(message(1, ""), LNKEEP_INVALID_ARGUMENT);
    end();
}

static lnkeep_status acknowledge(uint64_t output_id) {
    lnkeep_status status = lnkeep_monitors_acknowledge(monitors, output_id, &err);
    check_err(status);
    return status;
}

static void events_come_again_until_they_are_acknowledged(void) {
    begin();
    CHECK_REFUSED(acknowledge(1), LNKEEP_UNKNOWN_OUTPUT, 0, 1);
    CHECK_DONE(event(1, "one"));
    CHECK_DONE(message(2, "gone"));
    CHECK_DONE(event(3, "two"));
    CHECK_DONE(event(4, "three"));
    CHECK_REFUSED(acknowledge(1), LNKEEP_UNKNOWN_OUTPUT, 0, 1);
    CHECK_DONE(commit_all(NULL));
    CHECK_DONE(acknowledge(2));
    CHECK_REFUSED(acknowledge(2), LNKEEP_UNKNOWN_OUTPUT, 0, 2);
    CHECK_REFUSED(acknowledge(0), LNKEEP_UNKNOWN_OUTPUT, 0, 0);
    CHECK_REFUSED(acknowledge(4), LNKEEP_UNKNOWN_OUTPUT, 0, 4);
    CHECK_STATUS(acknowledge(UINT64_MAX), LNKEEP_UNKNOWN_OUTPUT);
    /* It counts from the next commit on: here is none. */
    reopen();
    CHECK_EQUAL(report.outputs, 3);
    CHECK(check_outputs("1:1:one 2:3:two 3:4:three"));
    CHECK(check_outputs(""));
    CHECK_DONE(acknowledge(2));
    CHECK_DONE(event(5, "four"));
    CHECK_DONE(commit_all(NULL));
    CHECK_REFUSED(acknowledge(2), LNKEEP_UNKNOWN_OUTPUT, 0, 2);
    CHECK(check_outputs("4:5:four"));
    reopen();
    CHECK_EQUAL(report.outputs, 3);
    CHECK_DONE(event(6, "five"));
    CHECK_DONE(commit_all(NULL));
    /* Those of earlier sessions come first. */
    CHECK(check_outputs("1:1:one 3:4:three 4:5:four 5:6:five"));
    uint64_t left[] = {1, 3, 4, 5};
    for (size_t i = 0; i < H_COUNT(left); i++) CHECK_DONE(acknowledge(left[i]));
    CHECK_DONE(commit_all(NULL));
    CHECK_EQUAL(committed.applied, 0);
    reopen();
    CHECK_EQUAL(report.outputs, 0);
    CHECK(check_outputs(""));
    /* A number is never given twice, although nothing is left. */
    CHECK_DONE(event(7, "six"));
    CHECK_DONE(commit_all(NULL));
    CHECK(check_outputs("6:7:six"));
    end();
}

/* Redelivered in pages as small as the host wants them. */
static void many_events_are_redelivered_in_pages(void) {
    begin();
    unsigned count = h_rounds(300, 60);
    for (uint64_t i = 1; i <= count; i++) {
        CHECK_DONE(output_with(LNKEEP_OUTPUT_DURABLE, i * 2, h_bytes(&i, sizeof i)));
    }
    CHECK_DONE(commit_all(NULL));
    reopen();
    CHECK_DONE(message(1, "new"));
    CHECK_DONE(commit_all(NULL));
    uint64_t next = 1;
    for (size_t max = 1, len = 1; len > 0; max = max % 7 + 1) {
        CHECK_EQUAL(is_readable(), next <= count + 1);
        lnkeep_outputs *outputs = take_outputs(max);
        len = outputs ? outputs->outputs_len : 0;
        for (size_t i = 0; i < len; i++, next++) {
            const lnkeep_output *output = output_at(outputs, i);
            int is_new = next == count + 1;
            CHECK_EQUAL(output->output_id, is_new ? 0 : next);
            CHECK_EQUAL(output->tag, is_new ? 1 : next * 2);
            CHECK(is_same_bytes(output->payload, is_new ? h_text("new") : h_bytes(&next, sizeof next)));
        }
        lnkeep_outputs_free(outputs);
    }
    CHECK_EQUAL(next, count + 2);
    end();
}

/* More than one answer holds: fewer come at once, and none is lost. */
static void large_outputs_come_in_several_answers(void) {
    begin();
    size_t large = 3u << 20;
    unsigned count = h_rounds(20, 8);
    uint8_t *bytes = pattern(large, 1);
    for (uint64_t tag = 1; tag <= count; tag++) {
        memcpy(bytes, &tag, sizeof tag);
        CHECK_DONE(output_with(LNKEEP_OUTPUT_DURABLE, tag, h_bytes(bytes, large)));
    }
    /* All of it in one transaction, as any commit. */
    CHECK_DONE(commit_all(NULL));
    CHECK_EQUAL(committed.applied, count);
    for (int session = 0; session < 2; session++) {
        uint64_t tag = 0;
        for (int empty = 0; !empty;) {
            lnkeep_outputs *outputs = take_outputs(1024);
            if (!outputs) break;
            empty = outputs->outputs_len == 0;
            for (size_t i = 0; i < outputs->outputs_len; i++) {
                tag++;
                memcpy(bytes, &tag, sizeof tag);
                CHECK_EQUAL(output_at(outputs, i)->tag, tag);
                CHECK(is_same_bytes(output_at(outputs, i)->payload, h_bytes(bytes, large)));
            }
            lnkeep_outputs_free(outputs);
        }
        CHECK_EQUAL(tag, count);
        if (session == 0) reopen();
    }
    free(bytes);
    end();
}

static void completions_come_once_and_in_order(void) {
    begin();
    lnkeep_monitor_completion taken[3];
    size_t len = 77;
    CHECK_DONE(new_channel('b', 4, "b"));
    CHECK_DONE(update('b', 5, "five"));
    CHECK_DONE(message(1, "no completion"));
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(snapshot('b', 5, "whole"));
    CHECK_DONE(archive('a'));
    CHECK(check_completions(""));
    CHECK_DONE(commit_all("m"));
    memset(taken, 0xee, sizeof taken);
    CHECK_DONE(lnkeep_monitors_completions(monitors, taken, 2, &len, &err));
    CHECK_EQUAL(len, 2);
    CHECK(is_channel(taken[0].channel_id, 'b') && is_channel(taken[1].channel_id, 'b'));
    CHECK_EQUAL(taken[0].kind, LNKEEP_COMPLETION_NEW);
    CHECK_EQUAL(taken[0].update_id, 4);
    CHECK_EQUAL(taken[1].kind, LNKEEP_COMPLETION_UPDATE);
    CHECK_EQUAL(taken[1].update_id, 5);
    CHECK_EQUAL(taken[2].kind, 0xeeeeeeee);
    CHECK_DONE(lnkeep_monitors_completions(monitors, taken, 0, &len, &err));
    CHECK_EQUAL(len, 0);
    CHECK(check_completions("na1 sb5 aa0"));
    CHECK(check_completions(""));
    CHECK_DONE(update('b', 6, "six"));
    CHECK_DONE(commit_all("m"));
    /* Of an earlier session nothing is told: the host reads what is durable. */
    reopen();
    CHECK(check_completions(""));
    end();
}

static void a_host_that_wants_no_completions_gets_none(void) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.flags = LNKEEP_MONITORS_WITHOUT_COMPLETIONS;
    begin_with(&options);
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(commit_all("m"));
    CHECK(check_completions(""));
    CHECK_EQUAL(is_readable(), 0);
    CHECK_DONE(message(1, "x"));
    CHECK_DONE(commit_all("m"));
    CHECK(is_readable());
    CHECK(check_outputs("0:1:x"));
    CHECK_EQUAL(is_readable(), 0);
    end();
}

static void the_descriptor_is_readable_while_there_is_something_to_take(void) {
    begin();
    lnkeep_monitors second;
    CHECK_DONE(lnkeep_monitors_open(store, NULL, &second, NULL, NULL));
    CHECK_EQUAL(descriptor_of(second), descriptor_of(monitors));
    CHECK(fcntl(descriptor_of(monitors), F_GETFD) & FD_CLOEXEC);
    CHECK_DONE(lnkeep_monitors_close(&second, 0, NULL));
    CHECK_EQUAL(is_readable(), 0);
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(new_channel('b', 1, "b"));
    CHECK_DONE(message(1, "x"));
    CHECK_DONE(event(2, "y"));
    CHECK_EQUAL(is_readable(), 0);
    CHECK_DONE(commit_all("m"));
    CHECK(is_readable());
    CHECK(check_completions("na1 nb1"));
    CHECK(is_readable());
    lnkeep_outputs_free(take_outputs(1));
    CHECK(is_readable());
    lnkeep_outputs_free(take_outputs(1));
    CHECK_EQUAL(is_readable(), 0);
    CHECK_DONE(commit_all("m"));
    CHECK_EQUAL(is_readable(), 0);
    reopen();
    /* The event waits for its acknowledgement; completions say nothing of it. */
    CHECK(is_readable());
    CHECK(check_completions(""));
    CHECK(is_readable());
    CHECK(check_outputs("1:2:y"));
    CHECK_EQUAL(is_readable(), 0);
    end();
}

/* Whoever sleeps on it learns that nothing comes any more. */
static void the_descriptor_is_readable_once_the_store_was_closed(void) {
    begin();
    CHECK_EQUAL(is_readable(), 0);
    lnkeep_store closed = store;
    h_close(&closed);
    CHECK(is_readable());
    CHECK_DONE(lnkeep_monitors_close(&monitors, LNKEEP_MONITORS_DISCARD, NULL));
}

/* What nobody takes does not grow for ever, and bars nothing that must not wait. */
static void untaken_answers_are_bounded(void) {
    begin();
    enum { MOST = 65536, EACH = 1024 };
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(commit_all("m"));
    CHECK(check_completions("na1"));
    for (uint64_t id = 2, each = 0; id < MOST + 2; id++) {
        if (lnkeep_monitors_queue_update(monitors, channel_of('a').id, id, h_text("u"),
                                         LNKEEP_MONITORS_CRITICAL, NULL, &err) != LNKEEP_DONE) break;
        if (++each < 900 && id < MOST + 1) continue;
        lnkeep_capture taken;
        CHECK_DONE(lnkeep_monitors_queue_snapshot(monitors, channel_of('a').id, id, h_text("s"), NULL,
                                                  LNKEEP_MONITORS_CRITICAL, NULL, NULL));
        CHECK_DONE(lnkeep_monitors_capture(monitors, &taken, NULL));
        lnkeep_monitors_commit commit = commit_of(taken, "m");
        CHECK_DONE(lnkeep_monitors_commit_captured(monitors, &commit, NULL, &err));
        each = 0;
    }
    known = state_now();
    lnkeep_monitor *monitor = load('a');
    uint64_t tip = monitor ? monitor->channel.latest_update_id : 0;
    lnkeep_monitor_free(monitor);
    CHECK_EQUAL(tip, MOST + 1);
    CHECK_REFUSED(update('a', tip + 1, "u"), LNKEEP_QUEUE_FULL, 0, NO_VALUE);
    CHECK_REFUSED(message(1, "u"), LNKEEP_QUEUE_FULL, 0, NO_VALUE);
    CHECK_STATUS(lnkeep_monitors_can_queue(monitors, 1, 1, 0, NULL), LNKEEP_QUEUE_FULL);
    CHECK_DONE(lnkeep_monitors_can_queue(monitors, 1, 1, LNKEEP_MONITORS_CRITICAL, NULL));
    CHECK_DONE(lnkeep_monitors_queue_update(monitors, channel_of('a').id, tip + 1, h_text("u"),
                                            LNKEEP_MONITORS_CRITICAL, NULL, NULL));
    static lnkeep_monitor_completion taken[EACH];
    size_t len = EACH, sum = 0;
    while (len == EACH) {
        CHECK_DONE(lnkeep_monitors_completions(monitors, taken, EACH, &len, NULL));
        sum += len;
    }
    CHECK(sum >= MOST);
    CHECK_DONE(lnkeep_monitors_can_queue(monitors, 1, 1, 0, NULL));
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(outputs_leave_after_what_they_depend_on),
        H_TEST(outputs_come_one_by_one_when_asked_so),
        H_TEST(events_come_again_until_they_are_acknowledged),
        H_TEST(many_events_are_redelivered_in_pages),
        H_TEST(large_outputs_come_in_several_answers),
        H_TEST(completions_come_once_and_in_order),
        H_TEST(a_host_that_wants_no_completions_gets_none),
        H_TEST(the_descriptor_is_readable_while_there_is_something_to_take),
        H_TEST(the_descriptor_is_readable_once_the_store_was_closed),
        H_TEST(untaken_answers_are_bounded),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}
