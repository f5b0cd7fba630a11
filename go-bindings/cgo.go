package lnkeep

// How the C library is found and called: every #cgo line of the package.
//
// Without a tag pkg-config names the installed library. With the tag lnkeep_tree the archive of the
// working tree is linked, with the native libraries that build/lib/native-libs lists.
//
// noescape: the library keeps no pointer beyond a call (header, MEMORY), so arguments stay on the
// goroutine's stack. nocallback: the library never calls Go. Both together spare an allocation per
// pointer and half of the cost of a call.

/*
#cgo !lnkeep_tree pkg-config: lnkeep
#cgo lnkeep_tree CFLAGS: -I${SRCDIR}/../include
#cgo lnkeep_tree LDFLAGS: ${SRCDIR}/../build/lib/liblnkeep.a
#cgo lnkeep_tree,linux LDFLAGS: -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc

#cgo noescape lnkeep_status_class
#cgo nocallback lnkeep_status_class
#cgo noescape lnkeep_status_name
#cgo nocallback lnkeep_status_name
#cgo noescape lnkeep_status_message
#cgo nocallback lnkeep_status_message
#cgo noescape lnkeep_class_name
#cgo nocallback lnkeep_class_name
#cgo noescape lnkeep_abi_version
#cgo nocallback lnkeep_abi_version
#cgo noescape lnkeep_version
#cgo nocallback lnkeep_version
#cgo noescape lnkeep_store_open
#cgo nocallback lnkeep_store_open
#cgo noescape lnkeep_store_close
#cgo nocallback lnkeep_store_close
#cgo noescape lnkeep_store_is_open
#cgo nocallback lnkeep_store_is_open
#cgo noescape lnkeep_store_tick
#cgo nocallback lnkeep_store_tick
#cgo noescape lnkeep_store_sync
#cgo nocallback lnkeep_store_sync
#cgo noescape lnkeep_store_stats
#cgo nocallback lnkeep_store_stats
#cgo noescape lnkeep_submit
#cgo nocallback lnkeep_submit
#cgo noescape lnkeep_submit_async
#cgo nocallback lnkeep_submit_async
#cgo noescape lnkeep_completions_take
#cgo nocallback lnkeep_completions_take
#cgo noescape lnkeep_completions_descriptor
#cgo nocallback lnkeep_completions_descriptor
#cgo noescape lnkeep_attempts_open
#cgo nocallback lnkeep_attempts_open
#cgo noescape lnkeep_attempts_close
#cgo nocallback lnkeep_attempts_close
#cgo noescape lnkeep_attempts_is_open
#cgo nocallback lnkeep_attempts_is_open
#cgo noescape lnkeep_attempts_init
#cgo nocallback lnkeep_attempts_init
#cgo noescape lnkeep_attempts_mark_handed_off
#cgo nocallback lnkeep_attempts_mark_handed_off
#cgo noescape lnkeep_attempts_store_result
#cgo nocallback lnkeep_attempts_store_result
#cgo noescape lnkeep_attempts_fail_pending
#cgo nocallback lnkeep_attempts_fail_pending
#cgo noescape lnkeep_attempts_ack
#cgo nocallback lnkeep_attempts_ack
#cgo noescape lnkeep_attempts_ack_below
#cgo nocallback lnkeep_attempts_ack_below
#cgo noescape lnkeep_attempts_delete
#cgo nocallback lnkeep_attempts_delete
#cgo noescape lnkeep_attempts_clean
#cgo nocallback lnkeep_attempts_clean
#cgo noescape lnkeep_attempts_quarantine
#cgo nocallback lnkeep_attempts_quarantine
#cgo noescape lnkeep_attempts_allocate
#cgo nocallback lnkeep_attempts_allocate
#cgo noescape lnkeep_attempts_sweep
#cgo nocallback lnkeep_attempts_sweep
#cgo noescape lnkeep_attempts_disable_external
#cgo nocallback lnkeep_attempts_disable_external
#cgo noescape lnkeep_attempts_acknowledge_restore
#cgo nocallback lnkeep_attempts_acknowledge_restore
#cgo noescape lnkeep_attempts_get
#cgo nocallback lnkeep_attempts_get
#cgo noescape lnkeep_attempt_free
#cgo nocallback lnkeep_attempt_free
#cgo noescape lnkeep_attempts_result
#cgo nocallback lnkeep_attempts_result
#cgo noescape lnkeep_attempt_result_free
#cgo nocallback lnkeep_attempt_result_free
#cgo noescape lnkeep_attempts_has_result
#cgo nocallback lnkeep_attempts_has_result
#cgo noescape lnkeep_attempts_list
#cgo nocallback lnkeep_attempts_list
#cgo noescape lnkeep_attempt_page_free
#cgo nocallback lnkeep_attempt_page_free
#cgo noescape lnkeep_attempts_counts
#cgo nocallback lnkeep_attempts_counts
#cgo noescape lnkeep_attempts_recover
#cgo nocallback lnkeep_attempts_recover
#cgo noescape lnkeep_recovery_free
#cgo nocallback lnkeep_recovery_free
#cgo noescape lnkeep_attempts_is_external
#cgo nocallback lnkeep_attempts_is_external
#cgo noescape lnkeep_attempt_result_classify
#cgo nocallback lnkeep_attempt_result_classify
#cgo noescape lnkeep_client_id_encode
#cgo nocallback lnkeep_client_id_encode
#cgo noescape lnkeep_client_id_decode
#cgo nocallback lnkeep_client_id_decode
#cgo noescape lnkeep_attempts_subscribe
#cgo nocallback lnkeep_attempts_subscribe
#cgo noescape lnkeep_attempts_poll
#cgo nocallback lnkeep_attempts_poll
#cgo noescape lnkeep_attempts_unsubscribe
#cgo nocallback lnkeep_attempts_unsubscribe
#cgo noescape lnkeep_attempts_unsubscribe_all
#cgo nocallback lnkeep_attempts_unsubscribe_all
#cgo noescape lnkeep_attempts_waiters
#cgo nocallback lnkeep_attempts_waiters
#cgo noescape lnkeep_attempts_ready
#cgo nocallback lnkeep_attempts_ready
#cgo noescape lnkeep_attempts_ready_descriptor
#cgo nocallback lnkeep_attempts_ready_descriptor
#cgo noescape lnkeep_events_open
#cgo nocallback lnkeep_events_open
#cgo noescape lnkeep_events_close
#cgo nocallback lnkeep_events_close
#cgo noescape lnkeep_events_is_open
#cgo nocallback lnkeep_events_is_open
#cgo noescape lnkeep_events_take
#cgo nocallback lnkeep_events_take
#cgo noescape lnkeep_events_ack
#cgo nocallback lnkeep_events_ack
#cgo noescape lnkeep_events_unregister
#cgo nocallback lnkeep_events_unregister
#cgo noescape lnkeep_events_first_available
#cgo nocallback lnkeep_events_first_available
#cgo noescape lnkeep_events_descriptor
#cgo nocallback lnkeep_events_descriptor
#cgo noescape lnkeep_check
#cgo nocallback lnkeep_check
#cgo noescape lnkeep_check_report_free
#cgo nocallback lnkeep_check_report_free
#cgo noescape lnkeep_store_backup
#cgo nocallback lnkeep_store_backup
#cgo noescape lnkeep_store_restore
#cgo nocallback lnkeep_store_restore
#cgo noescape lnkeep_payment_allows
#cgo nocallback lnkeep_payment_allows
#cgo noescape lnkeep_payment_compute_state
#cgo nocallback lnkeep_payment_compute_state
#cgo noescape lnkeep_payment_verify_attempt
#cgo nocallback lnkeep_payment_verify_attempt
#cgo noescape lnkeep_payments_open
#cgo nocallback lnkeep_payments_open
#cgo noescape lnkeep_payments_close
#cgo nocallback lnkeep_payments_close
#cgo noescape lnkeep_payments_is_open
#cgo nocallback lnkeep_payments_is_open
#cgo noescape lnkeep_payments_init
#cgo nocallback lnkeep_payments_init
#cgo noescape lnkeep_payments_register
#cgo nocallback lnkeep_payments_register
#cgo noescape lnkeep_payments_settle
#cgo nocallback lnkeep_payments_settle
#cgo noescape lnkeep_payments_fail_attempt
#cgo nocallback lnkeep_payments_fail_attempt
#cgo noescape lnkeep_payments_fail
#cgo nocallback lnkeep_payments_fail
#cgo noescape lnkeep_payments_delete
#cgo nocallback lnkeep_payments_delete
#cgo noescape lnkeep_payment_free
#cgo nocallback lnkeep_payment_free
#cgo noescape lnkeep_payments_fetch
#cgo nocallback lnkeep_payments_fetch
#cgo noescape lnkeep_payments_list
#cgo nocallback lnkeep_payments_list
#cgo noescape lnkeep_payment_page_free
#cgo nocallback lnkeep_payment_page_free
#cgo noescape lnkeep_payments_counts
#cgo nocallback lnkeep_payments_counts
#cgo noescape lnkeep_payments_subscribe
#cgo nocallback lnkeep_payments_subscribe
#cgo noescape lnkeep_payments_next
#cgo nocallback lnkeep_payments_next
#cgo noescape lnkeep_payments_unsubscribe
#cgo nocallback lnkeep_payments_unsubscribe
#cgo noescape lnkeep_payments_ready
#cgo nocallback lnkeep_payments_ready
#cgo noescape lnkeep_payments_ready_descriptor
#cgo nocallback lnkeep_payments_ready_descriptor
#cgo noescape lnkeep_payments_resume
#cgo nocallback lnkeep_payments_resume
#cgo noescape lnkeep_resume_free
#cgo nocallback lnkeep_resume_free
#cgo noescape lnkeep_payments_stuck
#cgo nocallback lnkeep_payments_stuck
#cgo noescape lnkeep_stuck_list_free
#cgo nocallback lnkeep_stuck_list_free
#cgo noescape lnkeep_payments_delete_many
#cgo nocallback lnkeep_payments_delete_many
#cgo noescape lnkeep_payments_sweep
#cgo nocallback lnkeep_payments_sweep
#cgo noescape lnkeep_payments_quarantine
#cgo nocallback lnkeep_payments_quarantine

#include <lnkeep.h>
*/
import "C"
