/*
 * lnkeep: durable, at-most-once state for Lightning nodes.
 *
 * A node asks lnkeep before an HTLC leaves and tells it what became of the HTLC. What lnkeep has
 * acknowledged is on disk: a crash, a power cut or a full disk does not undo it, and no identifier
 * is dispatched twice. This file is generated from src/ffi and needs no other document to be used.
 *
 * CONVENTIONS
 *
 * Order of arguments: the handle, inputs, outputs, and last the optional lnkeep_error. A length
 * follows its pointer. Arrays of fixed size say so: payment_hash[32]. Text is UTF-8 and ends in 0.
 *
 * Handles are small structures passed by value. A handle that is zero (LNKEEP_<T>_NONE), stale,
 * closed twice, forged or of another type is answered LNKEEP_BAD_HANDLE, never undefined
 * behaviour, also while another thread closes it. close() zeroes the caller's copy. The handles
 * opened on a store answer LNKEEP_CLOSED once the store is closed.
 *
 * Structures that begin with `size` are started from their _INIT macro (0 is the default and the
 * safe value of every field), so that a program and a library of different age understand each
 * other. A longer structure whose unknown tail is not zero is answered LNKEEP_UNSUPPORTED.
 *
 * Outputs are written only on success; handles among them are zeroed first. The outcomes of a
 * batch are the exception: once its arguments are valid they are always written, one per item.
 *
 * Misuse (NULL, a wrong length, an unknown flag or number, a reserved byte that is not zero) is
 * answered LNKEEP_INVALID_ARGUMENT. The library never prints, and aborts only where the
 * process cannot have a few bytes of memory, as Rust does. What else it cannot survive is damage below the
 * file system since a clean close, which LNKEEP_STORE_VERIFY looks for.
 *
 * MEMORY
 *
 * (a) A view {pointer, length} passed in is borrowed until the call returns. (b) A buffer belongs
 * to the caller and is filled up to its capacity; what did not fit comes with the next call. (c) What the
 * library allocated is freed by the function named in its description, never by free(); an array in it that
 * is empty is NULL. The detail of a failure goes to the caller's own lnkeep_error: nothing to free, and no
 * hidden state tied to a thread. For what a host or a peer made large and no memory is left, every function
 * may answer LNKEEP_BUSY.
 *
 * THREADS
 *
 * Every function may be called from any thread at any time unless its description says otherwise.
 * Calls that write return when their change is on disk, but for decisions about forwards and blobs
 * that wait for their cooldown (both below); threads that call at once share one commit. A child made
 * by fork() cannot use its parent's handles: LNKEEP_FORKED. The library installs no signal or exit
 * handlers, and its descriptors are closed on exec.
 *
 * OUTCOMES
 *
 * A status is 0 (done), above 0 (done by an earlier call) or below 0. Numbers are never reused.
 * lnkeep_status_class() reduces any of them, known to this header or not, to one class:
 *
 *   DONE     applied by this call and durable
 *   ALREADY  applied by an earlier call: a positive acknowledgement, not an error
 *   REFUSED  definitely not applied; asking again changes nothing unless the state changes
 *   RETRY    definitely not applied; the same call may succeed later
 *   UNKNOWN  may or may not be applied
 *   FATAL    not applied, and this handle or store cannot go on: close it and open it again
 *
 * LNKEEP_NOT_DURABLE, of class UNKNOWN: applied in memory, which every later call counts, and not
 * on disk yet. Resources answer it, and lnkeep_store_sync(). Repeat the same call; nothing has to
 * be closed.
 *
 * After any other UNKNOWN or a crash: close and open the store, then repeat the call with the
 * SAME identifier. It answers DONE or ALREADY. Never choose a new identifier, and never tell
 * anybody that the attempt failed: the HTLC may be on its way.
 *
 * DISPATCHING AN HTLC AT MOST ONCE
 *
 *   1. init        lnkeep_attempts_init(id), before anything that can fail or change.
 *                  DONE: this caller, and nobody else, may dispatch the id.
 *                  ALREADY: somebody may have dispatched it. Do not dispatch; track its result.
 *                  UNKNOWN: see above. RETRY: the same id later. Otherwise nothing was recorded.
 *   2. validate    route, balance, peer. On failure lnkeep_attempts_fail_pending(id), and only
 *                  when that is done tell the caller that the attempt failed.
 *   3. mark        lnkeep_attempts_mark_handed_off(id) once the circuit is committed, and BEFORE
 *                  the commitment_signed that covers the HTLC is released. Only after DONE or
 *                  ALREADY may it be released; on any other answer the HTLC must not leave.
 *   4. send        release commitment_signed. From here the HTLC may settle, so fail_pending
 *                  answers LNKEEP_HANDED_OFF. A host that is certain it did not leave (the circuit
 *                  was removed, the channel closed without it) stores a local failure as result.
 *   5. result      lnkeep_attempts_store_result(id) BEFORE the switch forgets the peer's answer.
 *                  A settle replaces a failure, never the other way round.
 *   6. forget      lnkeep_attempts_ack(id) when the payment's own record holds the outcome; the
 *                  id stays burned after the record is deleted.
 *
 * PAYING A HASH AT MOST ONCE
 *
 *   1. init        lnkeep_payments_init(hash). DONE: pay it. Anything else: look at the payment.
 *   2. register    lnkeep_payments_register(attempt, LNKEEP_REGISTER_WITH_RECORD): the payment's
 *                  attempt and its record in one transaction, in place of step 1 above. Then
 *                  validate, mark, send and store the result as above.
 *   3. end         lnkeep_payments_settle or lnkeep_payments_fail_attempt: the result and the
 *                  acknowledgement of the record in one transaction, in place of step 6 above.
 *   4. go on       another attempt, or lnkeep_payments_fail(reason) to give up.
 *
 * After a restart: lnkeep_attempts_recover(), then lnkeep_payments_resume().
 *
 * COMMITTING CHANNELS WITH THEIR MANAGER
 *
 *   1. queue       a new channel, an update, a snapshot, as the state changes in memory; and instead
 *                  of sending what follows from it, lnkeep_monitors_queue_output().
 *   2. capture     lnkeep_monitors_capture(), and only then serialise the manager.
 *   3. commit      lnkeep_monitors_commit_captured(): all of it is on disk, or nothing. With
 *                  operations of other components: LNKEEP_OP_MONITORS_COMMIT in an ATOMIC submission.
 *   4. let out     lnkeep_monitors_take_outputs(): send them; lnkeep_monitors_completions().
 *
 * After UNKNOWN send nothing more. At the start: lnkeep_monitors_load_manager(), then
 * lnkeep_monitors_load() of each channel of lnkeep_monitors_list(), then the node's own replay, whose
 * repeats are answered ALREADY, or LNKEEP_UPDATE_STALE when a snapshot includes them.
 *
 * FORWARDING HTLCS
 *
 *   1. decide      lnkeep_resources_add(htlc). LNKEEP_VERDICT_FORWARD: forward it, accountable if
 *                  LNKEEP_DECISION_ACCOUNTABLE is set. Anything else, errors included: fail it.
 *   2. resolve     lnkeep_resources_resolve(htlc) when it settled or failed on the outgoing side.
 *
 * Both answer DONE from memory and are written soon after: a crash may lose the last of them, which
 * costs no funds. LNKEEP_RESOURCES_DURABLE waits for the disk. At the start, before forwarding:
 * lnkeep_resources_add_channel() for each channel, known ones are answered ALREADY, and then
 * lnkeep_resources_reconcile() with all HTLCs that were forwarded and are not resolved.
 *
 * PEER STORAGE AND BACKUP
 *
 * Other nodes' blobs (BOLT 1 messages 7 and 9, which lnkeep_wire_decode() and lnkeep_wire_encode()
 * read and write):
 *
 *   1. claims      lnkeep_peer_storage_claims_complete() after every open: who has channels with us;
 *                  then lnkeep_peer_storage_report_claim() for each change.
 *   2. connected   lnkeep_peer_storage_connected() after init: return the blob before anything else.
 *   3. a blob      lnkeep_peer_storage_store(). LNKEEP_STORED_COMMITTED: on disk. _DEFERRED: in memory
 *                  until lnkeep_peer_storage_tick() at due_ms. A refusal is silence on the wire.
 *   4. a block     lnkeep_peer_storage_block_connected(): removes what was kept long enough.
 *
 * Our own data at our peers, for closing and sweeping only, never to resume a channel from:
 *
 *   1. connected   lnkeep_backup_connected(). Nothing is sent to a peer that may still return a blob.
 *   2. returned    lnkeep_backup_retrieval(), before channel_reestablish is answered: with
 *                  LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS we lost state. Nothing returned:
 *                  lnkeep_backup_reestablish_begun().
 *   3. due         lnkeep_backup_tick() names who is to be sent a blob: lnkeep_backup_seal(), then
 *                  send it. Its number is on disk before.
 *
 * After every start, before dispatching: lnkeep_attempts_recover(), with the circuits that exist.
 * It fails the attempts that certainly never left, also those whose init answered UNKNOWN, and
 * lists those that may have left and have no circuit.
 *
 * VERSIONS
 *
 * LNKEEP_ABI_VERSION is the ABI a program was compiled for, lnkeep_abi_version() the one of the
 * library it runs with; opening a store compares them (LNKEEP_ABI_MISMATCH). Within one ABI
 * number, functions, constants and the tails of sized structures are only added. The soname is
 * liblnkeep.so.<ABI>.
 */

#ifndef LNKEEP_H
#define LNKEEP_H

#include <stddef.h>
#include <stdint.h>

/* On every function whose answer must be looked at. */
#if defined(__GNUC__) || defined(__clang__)
#define LNKEEP_WARN_UNUSED __attribute__((warn_unused_result))
#else
#define LNKEEP_WARN_UNUSED
#endif

/* What the LNKEEP_<T>_NONE and LNKEEP_<T>_INIT macros are made of, in the words of each language. */
#ifdef __cplusplus
#define LNKEEP_NONE_OF(type) (type())
#define LNKEEP_INIT_OF(type) ([] { type t_ = type(); t_.size = sizeof(type); return t_; }())
#define LNKEEP_VERSIONED_INIT_OF(type)                                                    \
    ([] {                                                                                 \
        type t_ = type();                                                                 \
        t_.size = sizeof(type);                                                           \
        t_.abi_version = LNKEEP_ABI_VERSION;                                              \
        return t_;                                                                        \
    }())
#else
#define LNKEEP_NONE_OF(type) ((type){0})
#define LNKEEP_INIT_OF(type) { .size = sizeof(type) }
#define LNKEEP_VERSIONED_INIT_OF(type) { .size = sizeof(type), .abi_version = LNKEEP_ABI_VERSION }
#endif

#define LNKEEP_BACKUP_NONE LNKEEP_NONE_OF(lnkeep_backup)
#define LNKEEP_BACKUP_OPTIONS_INIT LNKEEP_INIT_OF(lnkeep_backup_options)
#define LNKEEP_BACKUP_REPORT_INIT LNKEEP_INIT_OF(lnkeep_backup_report)
#define LNKEEP_CONCLUDED_INIT LNKEEP_INIT_OF(lnkeep_concluded)
#define LNKEEP_OPENED_INIT LNKEEP_INIT_OF(lnkeep_opened)
#define LNKEEP_ENVELOPE_HEADER_INIT LNKEEP_INIT_OF(lnkeep_envelope_header)
#define LNKEEP_BACKUP_ACTIONS_INIT LNKEEP_INIT_OF(lnkeep_backup_actions)
#define LNKEEP_BACKUP_PEERS_INIT LNKEEP_INIT_OF(lnkeep_backup_peers)
#define LNKEEP_BACKUP_STANDING_INIT LNKEEP_INIT_OF(lnkeep_backup_standing)
#define LNKEEP_PEER_FACTS_INIT LNKEEP_INIT_OF(lnkeep_peer_facts)
#define LNKEEP_BACKUP_HTLC_INIT LNKEEP_INIT_OF(lnkeep_backup_htlc)
#define LNKEEP_MONITORS_NONE LNKEEP_NONE_OF(lnkeep_monitors)
#define LNKEEP_MONITORS_OPTIONS_INIT LNKEEP_INIT_OF(lnkeep_monitors_options)
#define LNKEEP_MONITORS_REPORT_INIT LNKEEP_INIT_OF(lnkeep_monitors_report)
#define LNKEEP_MONITORS_COMMIT_INIT LNKEEP_INIT_OF(lnkeep_monitors_commit)
#define LNKEEP_MONITORS_COMMITTED_INIT LNKEEP_INIT_OF(lnkeep_monitors_committed)
#define LNKEEP_MONITORS_STATE_INIT LNKEEP_INIT_OF(lnkeep_monitors_state)
#define LNKEEP_PAYMENTS_NONE LNKEEP_NONE_OF(lnkeep_payments)
#define LNKEEP_PAYMENTS_OPTIONS_INIT LNKEEP_INIT_OF(lnkeep_payments_options)
#define LNKEEP_PAYMENT_INIT_INIT LNKEEP_INIT_OF(lnkeep_payment_init)
#define LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT LNKEEP_INIT_OF(lnkeep_payment_attempt_request)
#define LNKEEP_PAYMENT_QUERY_INIT LNKEEP_INIT_OF(lnkeep_payment_query)
#define LNKEEP_PAYMENT_COUNTS_INIT LNKEEP_INIT_OF(lnkeep_payment_counts)
#define LNKEEP_PAYMENT_DELETE_FILTER_INIT LNKEEP_INIT_OF(lnkeep_payment_delete_filter)
#define LNKEEP_STUCK_QUERY_INIT LNKEEP_INIT_OF(lnkeep_stuck_query)
#define LNKEEP_PAYMENT_RULES_INIT LNKEEP_INIT_OF(lnkeep_payment_rules)
#define LNKEEP_PAYMENT_STATE_INIT LNKEEP_INIT_OF(lnkeep_payment_state)
#define LNKEEP_PEER_STORAGE_NONE LNKEEP_NONE_OF(lnkeep_peer_storage)
#define LNKEEP_PEER_STORAGE_OPTIONS_INIT LNKEEP_INIT_OF(lnkeep_peer_storage_options)
#define LNKEEP_PEER_STORAGE_REPORT_INIT LNKEEP_INIT_OF(lnkeep_peer_storage_report)
#define LNKEEP_STORED_INIT LNKEEP_INIT_OF(lnkeep_stored)
#define LNKEEP_TICKED_INIT LNKEEP_INIT_OF(lnkeep_ticked)
#define LNKEEP_NODE_IDS_INIT LNKEEP_INIT_OF(lnkeep_node_ids)
#define LNKEEP_PEER_PAGE_INIT LNKEEP_INIT_OF(lnkeep_peer_page)
#define LNKEEP_PEER_STORAGE_STATS_INIT LNKEEP_INIT_OF(lnkeep_peer_storage_stats)
#define LNKEEP_WIRE_MESSAGE_INIT LNKEEP_INIT_OF(lnkeep_wire_message)
#define LNKEEP_RECOVERY_SESSION_NONE LNKEEP_NONE_OF(lnkeep_recovery_session)
#define LNKEEP_RECOVERY_OPTIONS_INIT LNKEEP_INIT_OF(lnkeep_recovery_options)
#define LNKEEP_RECOVERY_NEXT_INIT LNKEEP_INIT_OF(lnkeep_recovery_next)
#define LNKEEP_FOREIGN_KEYS_INIT LNKEEP_INIT_OF(lnkeep_foreign_keys)
#define LNKEEP_FED_INIT LNKEEP_INIT_OF(lnkeep_fed)
#define LNKEEP_RECOVERY_PROGRESS_INIT LNKEEP_INIT_OF(lnkeep_recovery_progress)
#define LNKEEP_RECOVERED_INIT LNKEEP_INIT_OF(lnkeep_recovered)
#define LNKEEP_RECOVERED_HTLCS_INIT LNKEEP_INIT_OF(lnkeep_recovered_htlcs)
#define LNKEEP_RESOURCES_NONE LNKEEP_NONE_OF(lnkeep_resources)
#define LNKEEP_RESOURCES_OPTIONS_INIT LNKEEP_INIT_OF(lnkeep_resources_options)
#define LNKEEP_RESOURCES_REPORT_INIT LNKEEP_INIT_OF(lnkeep_resources_report)
#define LNKEEP_RECONCILED_INIT LNKEEP_INIT_OF(lnkeep_reconciled)
#define LNKEEP_IMPORTED_INIT LNKEEP_INIT_OF(lnkeep_imported)
#define LNKEEP_RESOURCES_STATS_INIT LNKEEP_INIT_OF(lnkeep_resources_stats)
#define LNKEEP_SHARES_INIT LNKEEP_INIT_OF(lnkeep_shares)
#define LNKEEP_SHARE_RECORDS_INIT LNKEEP_INIT_OF(lnkeep_share_records)
#define LNKEEP_ROSTER_INIT LNKEEP_INIT_OF(lnkeep_roster)
#define LNKEEP_STORE_NONE LNKEEP_NONE_OF(lnkeep_store)
#define LNKEEP_ATTEMPTS_NONE LNKEEP_NONE_OF(lnkeep_attempts)
#define LNKEEP_EVENTS_NONE LNKEEP_NONE_OF(lnkeep_events)
#define LNKEEP_ERROR_INIT LNKEEP_INIT_OF(lnkeep_error)
#define LNKEEP_STORE_OPTIONS_INIT LNKEEP_VERSIONED_INIT_OF(lnkeep_store_options)
#define LNKEEP_STORE_REPORT_INIT LNKEEP_INIT_OF(lnkeep_store_report)
#define LNKEEP_STATS_INIT LNKEEP_INIT_OF(lnkeep_stats)
#define LNKEEP_ATTEMPT_QUERY_INIT LNKEEP_INIT_OF(lnkeep_attempt_query)
#define LNKEEP_ATTEMPT_COUNTS_INIT LNKEEP_INIT_OF(lnkeep_attempt_counts)
#define LNKEEP_ATTEMPTS_OPTIONS_INIT LNKEEP_INIT_OF(lnkeep_attempts_options)

/** Applied by this call and durable. */
#define LNKEEP_DONE 0

/** Returned when an earlier call with the same content applied it: a positive acknowledgement. */
#define LNKEEP_ALREADY 1

/**
 * Returned when an earlier call registered the attempt, or initiated the payment: do not dispatch, track
 * it.
 */
#define LNKEEP_ALREADY_EXISTS 2

/** Returned when an earlier call queued the same: it is not durable yet, a commit makes it so. */
#define LNKEEP_ALREADY_QUEUED 3

/**
 * Returned when an argument is malformed: NULL, misaligned, a length, an unknown flag or number, a reserved
 * byte that is not zero.
 */
#define LNKEEP_INVALID_ARGUMENT (-1)

/** Returned when the handle is zero, stale, forged, closed twice or of another type. */
#define LNKEEP_BAD_HANDLE (-2)

/** Returned by a component's handle when its store was closed. */
#define LNKEEP_CLOSED (-3)

/** Returned when a structure sets a field that this library does not know. */
#define LNKEEP_UNSUPPORTED (-4)

/** Returned when nothing is stored under the identifier. */
#define LNKEEP_NOT_FOUND (-6)

/** Returned when the attempt is known and has no final result yet. */
#define LNKEEP_RESULT_PENDING (-7)

/** Returned when another final result is stored; it stays. */
#define LNKEEP_CONFLICT (-8)

/** Returned when the identifier was used for another request; use a new one. */
#define LNKEEP_FINGERPRINT_MISMATCH (-9)

/** Returned when the attempt or payment was deleted; its identifier stays burned. */
#define LNKEEP_DELETED (-10)

/**
 * Returned when the stored record is damaged; lnkeep_attempts_quarantine and lnkeep_payments_quarantine
 * remove one and burn its identifier.
 */
#define LNKEEP_CORRUPT_RECORD (-11)

/** Returned when the attempt has a final result: do not release its HTLC, read the result. */
#define LNKEEP_NOT_PENDING (-12)

/** Returned when attempt records remain, so that the external mark stays, or the payment is not deleted. */
#define LNKEEP_ENTRIES_EXIST (-13)

/** Returned when an external router owns the attempts and the open is a local one. */
#define LNKEEP_EXTERNAL_MARKER (-14)

/** Returned when a list names an identifier twice; nothing was applied. */
#define LNKEEP_DUPLICATE_ID (-15)

/** Returned when a raw identifier does not fit under the client byte. */
#define LNKEEP_ID_OUT_OF_RANGE (-16)

/** Returned when the preimage does not hash to the attempt's payment hash. */
#define LNKEEP_BAD_PREIMAGE (-17)

/** Returned when a call carries more than one commit may hold; nothing was applied. */
#define LNKEEP_TOO_BIG (-18)

/** Returned once when unread events were cut; the next take goes on with the first one available. */
#define LNKEEP_TRUNCATED (-19)

/** Returned for the other operations of an ATOMIC group of which one was refused. */
#define LNKEEP_ABORTED (-20)

/** Returned by delete when the attempt is pending; it was kept. */
#define LNKEEP_PENDING (-21)

/** Returned when an attempt that was handed off was to be rolled back; it may still settle. */
#define LNKEEP_HANDED_OFF (-22)

/** Returned when the store was restored or copied and nobody acknowledged it. */
#define LNKEEP_NOT_ACKNOWLEDGED (-23)

/** Returned when the id lies below the floor given after a restore and has no record. */
#define LNKEEP_BELOW_FLOOR (-24)

/** Returned when the store was created in another mode and convert is not set. */
#define LNKEEP_WRONG_MODE (-25)

/** Returned when the component is open with other options. */
#define LNKEEP_ALREADY_OPEN (-26)

/** Returned when the directory cannot keep the promise: owner, permissions, file system. */
#define LNKEEP_UNSAFE_PLACE (-27)

/** Returned when a file stands where a new one was asked for; it was not touched. */
#define LNKEEP_TARGET_EXISTS (-28)

/** Returned when the payment hash is initiated and nothing was sent yet. */
#define LNKEEP_PAYMENT_EXISTS (-29)

/** Returned when attempts of the payment are in flight, or all failed and may be retried. */
#define LNKEEP_PAYMENT_IN_FLIGHT (-30)

/** Returned when the payment hash was paid: it is never paid again, also when its history was deleted. */
#define LNKEEP_ALREADY_PAID (-31)

/** Returned when no payment of this hash is known. */
#define LNKEEP_PAYMENT_NOT_INITIATED (-32)

/** Returned when the payment succeeded and takes no further change. */
#define LNKEEP_PAYMENT_ALREADY_SUCCEEDED (-33)

/** Returned when the payment failed and takes no further change but a new initiation. */
#define LNKEEP_PAYMENT_ALREADY_FAILED (-34)

/** Returned when an attempt of the payment settled: no other may be registered. */
#define LNKEEP_PAYMENT_PENDING_SETTLED (-35)

/** Returned when the payment was given up: no other attempt may be registered. */
#define LNKEEP_PAYMENT_PENDING_FAILED (-36)

/** Returned when the route has no hop. */
#define LNKEEP_INVALID_ROUTE (-37)

/** Returned when an attempt of this id is registered, for this payment or another. */
#define LNKEEP_ATTEMPT_ID_EXISTS (-38)

/** Returned when a blinded attempt names no total amount. */
#define LNKEEP_BLINDED_MISSING_TOTAL (-39)

/** Returned when a blinded attempt has a multi-part record, or stands beside one that has. */
#define LNKEEP_MPP_RECORD_IN_BLINDED (-40)

/** Returned when blinded and unblinded attempts would be in flight for one payment. */
#define LNKEEP_MIXED_BLINDED (-41)

/** Returned when the total amounts of blinded attempts differ. */
#define LNKEEP_BLINDED_TOTAL_MISMATCH (-42)

/** Returned when an attempt has no multi-part record and those in flight have one. */
#define LNKEEP_MPP_PAYMENT (-43)

/** Returned when an attempt has a multi-part record and those in flight have none. */
#define LNKEEP_NON_MPP_PAYMENT (-44)

/** Returned when the payment addresses of attempts differ, or their AMP set ids. */
#define LNKEEP_MPP_ADDR_MISMATCH (-45)

/** Returned when the total amounts of attempts differ. */
#define LNKEEP_MPP_TOTAL_MISMATCH (-46)

/** Returned when an attempt without a multi-part record is not the whole amount. */
#define LNKEEP_VALUE_MISMATCH (-47)

/** Returned when the attempts would sum up to more than the amount. */
#define LNKEEP_VALUE_EXCEEDS (-48)

/** Returned when the payment has no attempt of this id. */
#define LNKEEP_ATTEMPT_NOT_FOUND (-49)

/** Returned when the attempt failed already. */
#define LNKEEP_ATTEMPT_ALREADY_FAILED (-50)

/** Returned when the attempt settled already. */
#define LNKEEP_ATTEMPT_ALREADY_SETTLED (-51)

/** Returned when the attempts that did not fail sum up to more than the amount. */
#define LNKEEP_SENT_EXCEEDS_TOTAL (-52)

/** Returned when a number is no status of a payment. */
#define LNKEEP_UNKNOWN_STATUS (-53)

/**
 * Returned when status and sums contradict each other: the receiver claimed only a part, or the caller is
 * wrong.
 */
#define LNKEEP_PAYMENT_INTERNAL (-54)

/** Returned when the update id is the reserved one, 2^64 - 1. */
#define LNKEEP_BAD_UPDATE_ID (-55)

/** Returned when the channel id is known, queued, archived or purged: it is never used again. */
#define LNKEEP_DUPLICATE_CHANNEL (-56)

/** Returned when no channel of this id is known. */
#define LNKEEP_UNKNOWN_CHANNEL (-57)

/** Returned when the channel was archived. */
#define LNKEEP_CHANNEL_ARCHIVED (-58)

/** Returned when what is stored of the channel is damaged: it takes a snapshot at or past its tip alone. */
#define LNKEEP_CHANNEL_DAMAGED (-59)

/** Returned when updates are missing between the tip and this one. */
#define LNKEEP_UPDATE_GAP (-60)

/** Returned when the update id is known with other bytes: two histories of one channel, halt the node. */
#define LNKEEP_UPDATE_CONFLICT (-61)

/** Returned when a snapshot includes the update already. */
#define LNKEEP_UPDATE_STALE (-62)

/** Returned when the channel has as many updates as it may have. */
#define LNKEEP_SNAPSHOT_REQUIRED (-63)

/** Returned when the snapshot is newer than the latest update queued. */
#define LNKEEP_SNAPSHOT_AHEAD (-64)

/** Returned when the snapshot is older than the stored one. */
#define LNKEEP_SNAPSHOT_STALE (-65)

/** Returned when the commit would advance a channel and comes without the manager. */
#define LNKEEP_MANAGER_REQUIRED (-66)

/** Returned when the manager does not know an update that would become durable, or is an older copy. */
#define LNKEEP_MANAGER_BEHIND (-67)

/** Returned when the manager knows an update that was never queued. */
#define LNKEEP_LOST_UPDATE (-68)

/** Returned when the manager is newer than the commit and its host cannot replay. */
#define LNKEEP_MANAGER_AHEAD (-69)

/** Returned when this capture, or a later one, was committed. */
#define LNKEEP_STALE_CAPTURE (-70)

/** Returned when a newer generation of the manager is stored. */
#define LNKEEP_STALE_MANAGER (-71)

/** Returned when the ticket or capture was not given in this session. */
#define LNKEEP_BAD_TICKET (-72)

/** Returned when no durable output of this number waits for an acknowledgement. */
#define LNKEEP_UNKNOWN_OUTPUT (-73)

/** Returned by close when queued entries would be lost. */
#define LNKEEP_PENDING_OPS (-74)

/** Returned when the channel is not archived. */
#define LNKEEP_NOT_ARCHIVED (-75)

/** Returned when a channel has more HTLCs or msat in flight than it can have, or too few to be divided. */
#define LNKEEP_CHANNEL_LIMITS (-76)

/** Returned when the channel is closing: it takes no new HTLC. */
#define LNKEEP_CHANNEL_CLOSING (-77)

/** Returned when more would go out than came in. */
#define LNKEEP_OUTGOING_EXCEEDS_INCOMING (-78)

/** Returned when the HTLC expires at this height or did before. */
#define LNKEEP_EXPIRY_NOT_AFTER_HEIGHT (-79)

/** Returned when the HTLC id is pending with another amount or outgoing channel. */
#define LNKEEP_DUPLICATE_HTLC (-80)

/** Returned when no such HTLC is pending, and none was resolved lately. */
#define LNKEEP_UNKNOWN_HTLC (-81)

/** Returned in compat mode when too few general slots were found for the pair. */
#define LNKEEP_SLOT_ASSIGNMENT (-82)

/** Returned in compat mode when the HTLC was released at an earlier time than it was added at. */
#define LNKEEP_RESOLVED_BEFORE_ADDED (-83)

/** We offer no storage: nothing is accepted and nothing is returned. */
#define LNKEEP_STORAGE_NOT_OFFERED (-84)

/** The peer has no channel with us and is not allowed otherwise. */
#define LNKEEP_NO_CLAIM (-85)

/** As many peers have data as may have. */
#define LNKEEP_QUOTA_PEERS (-86)

/** The blobs of all peers, or of those without a channel, would exceed their total. */
#define LNKEEP_QUOTA_TOTAL (-87)

/** Peers would look unclaimed that are not: report every claim first. */
#define LNKEEP_CLAIMS_INCOMPLETE (-88)

/** A peer holds a newer state than ours: we lost ours, and nothing is sent until that is acknowledged. */
#define LNKEEP_STATE_LOSS (-89)

/** The peer is not connected, or offers no storage. */
#define LNKEEP_PEER_UNAVAILABLE (-90)

/** The peer may still return what it holds: nothing is sent before. */
#define LNKEEP_HOLD (-91)

/** The peer holds a blob that we cannot read and did not send: it is never overwritten. */
#define LNKEEP_UNREADABLE (-92)

/** The blob is not one that was sealed for this peer with this secret. */
#define LNKEEP_BAD_ENVELOPE (-93)

/** The bytes are no message of peer storage. */
#define LNKEEP_BAD_MESSAGE (-94)

/** No payload was given that could be sealed. */
#define LNKEEP_NO_PAYLOAD (-95)

/** Too few peers are suitable to keep shares of this payload. */
#define LNKEEP_TOO_FEW_PEERS (-96)

/** The bytes are no records of shares, or what stands beside them is none. */
#define LNKEEP_BAD_SHARE (-97)

/** Too few shares to restore from. */
#define LNKEEP_NOT_ENOUGH_SHARES (-98)

/** The bytes are no backup of that software, or another key sealed them. */
#define LNKEEP_BAD_FOREIGN (-99)

/** Returned when a queue or table is full, or memory has no room for something large; nothing was applied. */
#define LNKEEP_BUSY (-100)

/** Returned when disk, quota or map is full; nothing was applied. Results and deletes have a reserve. */
#define LNKEEP_NO_SPACE (-101)

/** Returned when the store is open in another process, or under another handle of this one. */
#define LNKEEP_LOCKED (-102)

/** Returned when the queue of monitors is full: commit, take completions and outputs, then again. */
#define LNKEEP_QUEUE_FULL (-103)

/** Returned when nobody knows whether the commit reached the disk: reopen and repeat the SAME identifier. */
#define LNKEEP_UNKNOWN (-200)

/** Returned when a bug of lnkeep was caught; a write may or may not have been applied. */
#define LNKEEP_INTERNAL (-201)

/**
 * Returned when an operation of a batch is neither DONE nor ALREADY. Its own class says nothing: take the
 * class of each outcome's status, or of err.status, which is the worst of them.
 */
#define LNKEEP_BATCH (-202)

/**
 * Returned when a change of the resources holds in memory and could not be written yet: repeat the same call
 * until it is durable. No reopening is needed.
 */
#define LNKEEP_NOT_DURABLE (-203)

/** Returned when an earlier commit failed: close, reopen, repeat what was UNKNOWN. */
#define LNKEEP_POISONED (-300)

/** Returned in a forked child: it cannot use its parent's store. */
#define LNKEEP_FORKED (-301)

/** Returned when the store's own structure is damaged; no record was written. */
#define LNKEEP_CORRUPT_STORE (-302)

/** Returned when the operating system refused while nothing was being committed. */
#define LNKEEP_IO (-303)

/** Returned when the files were written by a newer format. */
#define LNKEEP_FORMAT_TOO_NEW (-304)

/** Returned when the caller was compiled against another ABI. */
#define LNKEEP_ABI_MISMATCH (-305)

/** Returned when another LMDB than the bundled one is linked into the process. */
#define LNKEEP_WRONG_ENGINE (-306)

/** Returned when the store is older than, or another one than, the host remembers. */
#define LNKEEP_ROLLED_BACK (-307)

/** Applied and durable. */
#define LNKEEP_CLASS_DONE 0

/** An earlier call applied it: a positive acknowledgement. */
#define LNKEEP_CLASS_ALREADY 1

/** Definitely not applied; asking again changes nothing unless the state changes. */
#define LNKEEP_CLASS_REFUSED 2

/** Definitely not applied; the same call may succeed later. */
#define LNKEEP_CLASS_RETRY 3

/** May or may not be applied: reopen and repeat the SAME identifier. */
#define LNKEEP_CLASS_UNKNOWN 4

/** Not applied, and this handle or store cannot go on. */
#define LNKEEP_CLASS_FATAL 5

/** lnkeep_error.value is set. */
#define LNKEEP_ERROR_HAS_VALUE 1

/** lnkeep_error.channel_id is set. */
#define LNKEEP_ERROR_HAS_CHANNEL 2

/** Refuse to create: there must be a store already. */
#define LNKEEP_STORE_MUST_EXIST 1

/** Accept a network or FUSE file system, although it may lose flushed data. */
#define LNKEEP_STORE_ANY_FILE_SYSTEM 2

/** Repeat lnd's rules where they are questionable; recorded in the store. */
#define LNKEEP_STORE_LND_COMPAT 4

/** Accept a store created in another mode and change its mode. */
#define LNKEEP_STORE_CONVERT 8

/** Refuse a store whose id is not expected_store_id. */
#define LNKEEP_STORE_EXPECT_ID 16

/** Take all randomness from seed, for replays. */
#define LNKEEP_STORE_SEEDED 32

/** Record only the kinds of event in event_kinds, which may be none. */
#define LNKEEP_STORE_EVENT_KINDS 64

/** Walk the whole file at every open, not only after an unclean end or a write since the close. */
#define LNKEEP_STORE_VERIFY 128

/**
 * Rewrite the file without its free pages, after a walk of it; takes about as long as copying it. Without
 * space for the copy the store opens as it is: LNKEEP_REPORT_COMPACTED says which.
 */
#define LNKEEP_STORE_COMPACT 256

/** The files were made by this open. */
#define LNKEEP_REPORT_CREATED 1

/** The last holder crashed or was killed: call lnkeep_attempts_recover. */
#define LNKEEP_REPORT_UNCLEAN 2

/** The files are a copy; new attempts wait for lnkeep_attempts_acknowledge_restore. */
#define LNKEEP_REPORT_COPIED 4

/** The files were restored; new attempts wait for lnkeep_attempts_acknowledge_restore. */
#define LNKEEP_REPORT_RESTORED 8

/** The directory lies in memory and dies with the machine. */
#define LNKEEP_REPORT_TMPFS 16

/** The directory lies on an overlay; the lower layers decide about durability. */
#define LNKEEP_REPORT_OVERLAY 32

/** The file was rewritten without its free pages, as LNKEEP_STORE_COMPACT asks. */
#define LNKEEP_REPORT_COMPACTED 64

/** The disk is full: new intents are refused, results may still be stored. */
#define LNKEEP_STATS_NO_SPACE 1

/** The data fills more than 80 % of map_bytes_max. */
#define LNKEEP_STATS_MAP_NEARLY_FULL 2

/** The stored state is another one than before. */
#define LNKEEP_OUTCOME_CHANGED 1

/** A settle replaced a failure that had been reported: money moved after all. */
#define LNKEEP_OUTCOME_CONFLICT 2

/** Rows that mean nothing any more are left; lnkeep_payments_sweep removes them in small steps. */
#define LNKEEP_OUTCOME_LEFTOVERS 4

/** The fingerprint field is set. */
#define LNKEEP_HAS_FINGERPRINT 1

/** The payment_hash field is set. */
#define LNKEEP_HAS_PAYMENT_HASH 2

/** The result field of lnkeep_attempt is set. */
#define LNKEEP_HAS_RESULT 4

/** The preimage is known. */
#define LNKEEP_RESULT_SETTLE 1

/** The attempt failed. */
#define LNKEEP_RESULT_FAIL 2

/** The reason is in the clear because this node made it. */
#define LNKEEP_RESULT_UNENCRYPTED 1

/** The outcome was learned on chain. */
#define LNKEEP_RESULT_RESOLUTION 2

/** Registered; the HTLC has certainly never left. */
#define LNKEEP_STATE_INTENT 1

/** The HTLC may have left. */
#define LNKEEP_STATE_HANDED_OFF 2

/** The preimage is known. */
#define LNKEEP_STATE_SETTLED 3

/** Failed, by the network, on chain, or here before it left. */
#define LNKEEP_STATE_FAILED 4

/** Deleted; the id stays burned. */
#define LNKEEP_STATE_DELETED 5

/** The host has recorded the outcome elsewhere. */
#define LNKEEP_ATTEMPT_ACKED 1

/** A settle replaced a failure that had been reported. */
#define LNKEEP_ATTEMPT_CONFLICT 2

/** Failed here, by a rollback or by recovery. */
#define LNKEEP_ATTEMPT_ROLLED_BACK 4

/** Rolled back by force although it had been handed off. */
#define LNKEEP_ATTEMPT_FORCED 8

/** The record was unreadable and was removed. */
#define LNKEEP_ATTEMPT_QUARANTINED 16

/** Registered with a payment's attempt: deleted and cleaned only once the payment took the result. */
#define LNKEEP_ATTEMPT_OF_PAYMENT 32

/** List every namespace; without it namespace_bytes is read. */
#define LNKEEP_QUERY_ALL_NAMESPACES 1

/** Go on after the key in after. */
#define LNKEEP_QUERY_AFTER 2

/** An external router owns the attempts: a later open without this flag is refused. */
#define LNKEEP_ATTEMPTS_EXTERNAL 1

/** The host never calls lnkeep_attempts_mark_handed_off; recovery then needs its complete circuit list. */
#define LNKEEP_ATTEMPTS_UNMARKED_HOST 2

/** The outgoing link took the HTLC: the network will answer. */
#define LNKEEP_CIRCUIT_OPEN 1

/** Committed, and never taken by the outgoing link. */
#define LNKEEP_CIRCUIT_HALF_OPEN 2

/** An attempt was registered. */
#define LNKEEP_EVENT_ATTEMPT_INIT 0

/** An attempt was marked as handed off. */
#define LNKEEP_EVENT_ATTEMPT_HANDED_OFF 1

/** An attempt got its final result. */
#define LNKEEP_EVENT_ATTEMPT_RESOLVED 2

/** A settle replaced a failure that had been reported: money moved after all. */
#define LNKEEP_EVENT_ATTEMPT_CONFLICT 3

/** An attempt was deleted, or its record became a tombstone. */
#define LNKEEP_EVENT_ATTEMPT_DELETED 4

/** An unreadable attempt was quarantined; its id stays burned. */
#define LNKEEP_EVENT_ATTEMPT_CORRUPT 5

/** A payment was initiated, for the first time or again after it failed. */
#define LNKEEP_EVENT_PAYMENT_INITIATED 6

/** An attempt of a payment was registered. */
#define LNKEEP_EVENT_PAYMENT_ATTEMPT_REGISTERED 7

/** An attempt of a payment settled. */
#define LNKEEP_EVENT_PAYMENT_ATTEMPT_SETTLED 8

/** An attempt of a payment failed. */
#define LNKEEP_EVENT_PAYMENT_ATTEMPT_FAILED 9

/** A payment was given up. */
#define LNKEEP_EVENT_PAYMENT_FAILED 10

/** An attempt settled after its failure, or the payment's, had been reported: money moved after all. */
#define LNKEEP_EVENT_PAYMENT_LATE_SETTLE 11

/** The operator ended an attempt of a payment by force. */
#define LNKEEP_EVENT_PAYMENT_FORCED 12

/** A payment was deleted. */
#define LNKEEP_EVENT_PAYMENT_DELETED 13

/** An unreadable payment was quarantined; its hash stays refused. */
#define LNKEEP_EVENT_PAYMENT_CORRUPT 14

/** The blob that is kept for a peer is damaged: it is not returned. */
#define LNKEEP_EVENT_PEER_BLOB_CORRUPT 15

/** A peer's blob was refused for a quota; told once per peer while peer storage is open. */
#define LNKEEP_EVENT_PEER_BLOB_REFUSED 16

/** A peer's blob was removed, long enough after its last claim. */
#define LNKEEP_EVENT_PEER_BLOB_COLLECTED 17

/** A peer holds a newer state than ours: we lost ours. */
#define LNKEEP_EVENT_BACKUP_STATE_LOSS 18

/** A peer holds a blob that we cannot read and did not send. */
#define LNKEEP_EVENT_BACKUP_UNREADABLE 19

/** A peer lost, rolled back or damaged what it had confirmed. */
#define LNKEEP_EVENT_BACKUP_STRIKE 20

/** The payment ended with this event. Told once, but that LNKEEP_EVENT_PAYMENT_LATE_SETTLE may follow. */
#define LNKEEP_EVENT_TERMINAL 1

/** A settle of the payment came after a failure had been reported. */
#define LNKEEP_EVENT_HAD_LATE_SETTLE 2

/** A new cursor starts after the newest event instead of with the oldest one kept. */
#define LNKEEP_EVENTS_FROM_NEWEST 1

/** Register an attempt: body.attempt_init. Answers LNKEEP_DONE to exactly one caller per id. */
#define LNKEEP_OP_ATTEMPT_INIT 257

/** Mark an attempt as handed off: body.attempt_key. */
#define LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF 258

/** Store a final result: body.attempt_result. */
#define LNKEEP_OP_ATTEMPT_STORE_RESULT 259

/** Roll a pending attempt back: body.attempt_rollback; flags may hold LNKEEP_FAIL_FORCED. */
#define LNKEEP_OP_ATTEMPT_FAIL_PENDING 260

/** Acknowledge a result: body.attempt_key. */
#define LNKEEP_OP_ATTEMPT_ACK 261

/** Delete a finished attempt: body.attempt_key; flags may hold LNKEEP_DELETE_FORGET. */
#define LNKEEP_OP_ATTEMPT_DELETE 262

/** Remove an unreadable record and burn its id: body.attempt_key. */
#define LNKEEP_OP_ATTEMPT_QUARANTINE 263

/** An id for an external key: body.attempt_allocate; the id comes as lnkeep_outcome.value. */
#define LNKEEP_OP_ATTEMPT_ALLOCATE 264

/** The operator vouches that a handed-off HTLC is gone. */
#define LNKEEP_FAIL_FORCED 1

/** The host promises never to use the id again: it is freed instead of burned. */
#define LNKEEP_DELETE_FORGET 1

/** All or none: one refusal and no operation is applied. */
#define LNKEEP_SUBMIT_ATOMIC 1

/** Number of the ABI this header describes. A library of another number refuses the open. */
#define LNKEEP_ABI_VERSION 1

/** Recovery looks at attempts of this open too: no dispatcher is between init and send. */
#define LNKEEP_RECOVER_CURRENT_EPOCH 1

/**
 * The circuit list is complete, although it may be empty. Without this flag circuits must be empty, and the
 * host marks.
 */
#define LNKEEP_RECOVER_CIRCUITS_COMPLETE 2

/** No decrypter: an encrypted reason is for the client. */
#define LNKEEP_DECRYPTOR_NONE 0

/** The host's decrypter reads the reason. */
#define LNKEEP_DECRYPTOR_OK 1

/** The host's decrypter cannot read the reason. */
#define LNKEEP_DECRYPTOR_FAILS 2

/** The preimage is known. */
#define LNKEEP_CLASSIFIED_SETTLED 1

/** An encrypted blob for a client that decrypts itself. */
#define LNKEEP_CLASSIFIED_ENCRYPTED 2

/** A failure of a known hop. */
#define LNKEEP_CLASSIFIED_FORWARDING_FAILURE 3

/** An encrypted failure nobody can read. */
#define LNKEEP_CLASSIFIED_UNREADABLE 4

/** A failure of this node. */
#define LNKEEP_CLASSIFIED_LOCAL_FAILURE 5

/** A failure of this node whose bytes do not decode. */
#define LNKEEP_CLASSIFIED_LOCAL_FAILURE_UNDECODABLE 6

/** The HTLC timed out on chain. */
#define LNKEEP_CLASSIFIED_ONCHAIN_TIMEOUT 7

/** Refuse to wait for an attempt that is not registered. */
#define LNKEEP_SUBSCRIBE_REQUIRE_KNOWN 1

/** No final result yet. */
#define LNKEEP_POLL_WAITING 0

/** The result is given out by this call. */
#define LNKEEP_POLL_RESULT 1

/** The result was given out before. */
#define LNKEEP_POLL_DONE 2

/** Cancelled, shut down, or never to be served. */
#define LNKEEP_POLL_CLOSED 3

/** The host stores its manager itself, durably and before each commit, and gives its generation. */
#define LNKEEP_MONITORS_EXTERNAL_MANAGER 1

/** Commits may advance channels without a manager: for a host that has none. */
#define LNKEEP_MONITORS_MANAGER_OPTIONAL 2

/** The host's manager does not replay updates that were not durable: with a view, it must be equal. */
#define LNKEEP_MONITORS_REPLAYS_NOTHING 4

/** Keep no reserve for critical calls. */
#define LNKEEP_MONITORS_NO_CRITICAL_RESERVE 8

/** Ask for no snapshot because of the bytes of its updates. */
#define LNKEEP_MONITORS_NO_SNAPSHOT_GROWTH 16

/** Tell no completions: for a host that looks at tickets, or waits for its commit. */
#define LNKEEP_MONITORS_WITHOUT_COMPLETIONS 32

/** There was no session before. */
#define LNKEEP_LAST_CLOSE_NEW 1

/** The last session was closed with nothing left in its queue. */
#define LNKEEP_LAST_CLOSE_CLEAN 2

/** The last session crashed, met a failed commit, or discarded entries. */
#define LNKEEP_LAST_CLOSE_UNCLEAN 3

/** Channels are in use and there is no manager that can be read. */
#define LNKEEP_MONITORS_MANAGER_MISSING 1

/**
 * A channel was advanced by a later commit than the one that wrote the manager, which is an older copy: do
 * not start with it.
 */
#define LNKEEP_MONITORS_MANAGER_IS_BEHIND 2

/**
 * The store was restored or copied and nobody acknowledged it: peers may have seen newer states. Do not
 * broadcast; let peers prove what they know (BOLT 2 option_data_loss_protect).
 */
#define LNKEEP_MONITORS_MAY_BE_STALE 4

/**
 * May use the reserve: for what must not wait, such as a preimage, a force-close, the revocation secret of a
 * breach.
 */
#define LNKEEP_MONITORS_CRITICAL 1

/** A peer message: made again after a reconnect, so it does not outlive the process. */
#define LNKEEP_OUTPUT_VOLATILE 1

/** An event of the application, or a transaction to broadcast: comes back until it is acknowledged. */
#define LNKEEP_OUTPUT_DURABLE 2

/** The manager's bytes come with the commit. */
#define LNKEEP_COMMIT_HAS_MANAGER 1

/** The host stored its manager before this commit: monitors opened with LNKEEP_MONITORS_EXTERNAL_MANAGER. */
#define LNKEEP_COMMIT_EXTERNAL 2

/** Its generation comes with the commit; with LNKEEP_COMMIT_EXTERNAL alone. */
#define LNKEEP_COMMIT_HAS_GENERATION 4

/** The manager is the one of the last commit. */
#define LNKEEP_MANAGER_IS_EQUAL 1

/** The manager is newer: the commit after it did not happen. */
#define LNKEEP_MANAGER_IS_AHEAD 2

/** Of a new channel. */
#define LNKEEP_COMPLETION_NEW 1

/** Of an update. */
#define LNKEEP_COMPLETION_UPDATE 2

/** Of a snapshot. */
#define LNKEEP_COMPLETION_SNAPSHOT 3

/** Of an archive; update_id is 0. */
#define LNKEEP_COMPLETION_ARCHIVE 4

/** Channels in use. */
#define LNKEEP_STAGE_ACTIVE 1

/** Channels that were archived. */
#define LNKEEP_STAGE_ARCHIVED 2

/** An update up to the recorded tip is missing. */
#define LNKEEP_DAMAGE_UPDATE_GAP 1

/** There is an update outside of what the channel's row says. */
#define LNKEEP_DAMAGE_ORPHAN_UPDATE 2

/** The snapshot, an update or the channel's row is not what was written. */
#define LNKEEP_DAMAGE_CHECKSUM 3

/** There is no snapshot. */
#define LNKEEP_DAMAGE_MISSING_SNAPSHOT 4

/** manager_generation is known. */
#define LNKEEP_MONITORS_HAS_GENERATION 1

/** rescan_height is known: there is an active channel. */
#define LNKEEP_MONITORS_HAS_RESCAN_HEIGHT 2

/**
 * Make everything up to a capture durable: body.monitors_commit; its number comes as lnkeep_outcome.value.
 * Together with operations of other components under LNKEEP_SUBMIT_ATOMIC: all of it or none. At most one
 * in a submission; it waits for a commit that is under way. Its values of more than 2 MiB are written before
 * the call returns, also in lnkeep_submit_async.
 */
#define LNKEEP_OP_MONITORS_COMMIT 769

/** Drop what is queued and was not committed. */
#define LNKEEP_MONITORS_DISCARD 1

/**
 * Refuse attempts whose multi-part or blinded total is not the payment's amount, and AMP attempts of another
 * set than those in flight.
 */
#define LNKEEP_PAYMENTS_CHECK_TOTALS 1

/** The intent_ fields are set: the host may go on sending after a restart. */
#define LNKEEP_PAYMENT_HAS_INTENT 1

/** The intent_destination field is set. */
#define LNKEEP_PAYMENT_HAS_DESTINATION 2

/** The intent_amp_root_share field is set. */
#define LNKEEP_PAYMENT_HAS_AMP_ROOT_SHARE 4

/** The attempt_hash field is set. */
#define LNKEEP_PAYMENT_ATTEMPT_HAS_HASH 1

/** The mpp_ fields are set. */
#define LNKEEP_PAYMENT_ATTEMPT_HAS_MPP 2

/** The amp_ fields are set. */
#define LNKEEP_PAYMENT_ATTEMPT_HAS_AMP 4

/** The final hop lies on a blinded path; blinded_total_msat is read. */
#define LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED 8

/** The first_hop_amount_msat field is set. */
#define LNKEEP_PAYMENT_ATTEMPT_HAS_FIRST_HOP_AMOUNT 16

/** Nothing is known. */
#define LNKEEP_ATTEMPT_FAILURE_UNKNOWN 1

/** The encrypted reason could not be read. */
#define LNKEEP_ATTEMPT_FAILURE_UNREADABLE 2

/** An error of this node. */
#define LNKEEP_ATTEMPT_FAILURE_INTERNAL 3

/** The message says why. */
#define LNKEEP_ATTEMPT_FAILURE_MESSAGE 4

/** Its time ran out. */
#define LNKEEP_PAYMENT_REASON_TIMEOUT 1

/** No route was found. */
#define LNKEEP_PAYMENT_REASON_NO_ROUTE 2

/** An error of this node. */
#define LNKEEP_PAYMENT_REASON_ERROR 3

/** The receiver does not know the hash, or refuses amount or expiry. */
#define LNKEEP_PAYMENT_REASON_INCORRECT_PAYMENT_DETAILS 4

/** This node has too little outbound balance. */
#define LNKEEP_PAYMENT_REASON_INSUFFICIENT_BALANCE 5

/** The user gave up. */
#define LNKEEP_PAYMENT_REASON_CANCELED 6

/** No attempt was registered yet. */
#define LNKEEP_PAYMENT_STATUS_INITIATED 1

/** An attempt is in flight, or all failed and another may be tried. */
#define LNKEEP_PAYMENT_STATUS_IN_FLIGHT 2

/** The preimage is known and nothing is in flight. */
#define LNKEEP_PAYMENT_STATUS_SUCCEEDED 3

/** Given up and nothing is in flight. */
#define LNKEEP_PAYMENT_STATUS_FAILED 4

/** Registered, and no result is known. */
#define LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT 1

/** The preimage is known. */
#define LNKEEP_PAYMENT_ATTEMPT_SETTLED 2

/** It failed. */
#define LNKEEP_PAYMENT_ATTEMPT_FAILED 3

/** The attempt has a record in the attempt store, which ends in the same transactions. */
#define LNKEEP_PAYMENT_MARK_TRACKED 1

/** A settle came after a failure had been reported: money moved after all. */
#define LNKEEP_PAYMENT_MARK_LATE_SETTLE 2

/** The operator ended it by force; the attempt's note says why. */
#define LNKEEP_PAYMENT_MARK_FORCED 4

/** Neither settled nor given up. */
#define LNKEEP_PAYMENT_TERMINAL_NONE 0

/** An attempt settled; terminal_attempt is the one with the lowest id. */
#define LNKEEP_PAYMENT_TERMINAL_SETTLED 1

/** Given up; failure_reason says why. */
#define LNKEEP_PAYMENT_TERMINAL_FAILED 2

/** Go on after the sequence number in offset, away from the end the query begins at. */
#define LNKEEP_PAYMENT_QUERY_OFFSET 1

/** Begin at the newest. The page is in ascending order all the same. */
#define LNKEEP_PAYMENT_QUERY_REVERSED 2

/** Leave the attempts out: in_flight, remaining_msat, fees_msat and terminal are then 0. */
#define LNKEEP_PAYMENT_QUERY_WITHOUT_ATTEMPTS 4

/** It settled; preimage is read. */
#define LNKEEP_ANSWER_SETTLED 1

/** It failed on the way; failure is read, and another route might do. */
#define LNKEEP_ANSWER_FAILED 2

/** The receiver rejected the payment; failure is read, and no route will do. */
#define LNKEEP_ANSWER_FAILED_FINAL 3

/** The dispatcher answered with something that cannot be classified. */
#define LNKEEP_ANSWER_ERROR 4

/** The dispatcher never heard of the attempt. */
#define LNKEEP_ANSWER_UNKNOWN 5

/** It is still out. So is every attempt in flight for which no answer is given. */
#define LNKEEP_ANSWER_PENDING 6

/** The channel of the attempt's first hop is closed for good: without a result there will be none. */
#define LNKEEP_ANSWER_FIRST_HOP_CLOSED 1

/** The payment ended. */
#define LNKEEP_RESUME_DONE 1

/** Attempts are out and nothing is known of them yet. */
#define LNKEEP_RESUME_WAITING 2

/** The receiver claimed only a part: SUCCEEDED, and something remains. */
#define LNKEEP_RESUME_INTERNAL 3

/** The host may go on sending. */
#define LNKEEP_RESUME_MAY_SEND 4

/** It cannot be read; quarantine it. */
#define LNKEEP_RESUME_UNREADABLE 5

/** In flight, and its HTLC timed out more than the grace ago. */
#define LNKEEP_STUCK_PAST_EXPIRY 1

/** In flight, and the attempt store has no record of it. */
#define LNKEEP_STUCK_NO_RECORD 2

/** In flight, and its record cannot be read. */
#define LNKEEP_STUCK_UNREADABLE_RECORD 3

/** In flight, and the attempt store has its result: nobody collected it. */
#define LNKEEP_STUCK_RESULT_NOT_COLLECTED 4

/** INITIATED or to be retried, and no sender has touched it since the time given. */
#define LNKEEP_STUCK_ABANDONED 5

/** An attempt settled. */
#define LNKEEP_PAYMENT_STATE_HAS_SETTLED 1

/** The payment was given up and nothing settled. */
#define LNKEEP_PAYMENT_STATE_GIVEN_UP 2

/** Initiate a payment: body.payment_init. */
#define LNKEEP_OP_PAYMENT_INIT 513

/** Register an attempt: body.payment_register; flags may hold LNKEEP_REGISTER_WITH_RECORD. */
#define LNKEEP_OP_PAYMENT_REGISTER 514

/** Settle an attempt: body.payment_settle; flags, bits of LNKEEP_RESULT_REFUSE_*. */
#define LNKEEP_OP_PAYMENT_SETTLE 515

/** Fail an attempt: body.payment_fail_attempt; flags, LNKEEP_RESULT_REFUSE_REPEAT, LNKEEP_FAIL_FORCED. */
#define LNKEEP_OP_PAYMENT_FAIL_ATTEMPT 516

/** Give a payment up: body.payment_fail. */
#define LNKEEP_OP_PAYMENT_FAIL 517

/**
 * Delete a payment: body.payment_delete; flags, 0 or one LNKEEP_DELETE_*. With LNKEEP_DELETE_FAILED_ATTEMPTS
 * one step is done and lnkeep_outcome.value tells how many failed attempts are left.
 */
#define LNKEEP_OP_PAYMENT_DELETE 518

/**
 * Make the attempt's record in the attempt store in the same transaction; from then on settling or failing
 * it acknowledges the record in one transaction too, and what was handed off cannot be failed.
 */
#define LNKEEP_REGISTER_WITH_RECORD 1

/** Refuse the repeat of an identical result instead of answering LNKEEP_ALREADY. */
#define LNKEEP_RESULT_REFUSE_REPEAT 2

/** Refuse a settle after a failure instead of letting it win. */
#define LNKEEP_RESULT_REFUSE_LATE 4

/** Delete the failed attempts of a payment and keep the payment. Those failed by force stay with it. */
#define LNKEEP_DELETE_FAILED_ATTEMPTS 2

/** Forget that a payment deleted earlier was paid: its hash may be paid again. */
#define LNKEEP_DELETE_TOMBSTONE 4

/** Nothing yet. */
#define LNKEEP_NEXT_WAITING 0

/** A payment as it was after a change. */
#define LNKEEP_NEXT_PAYMENT 1

/** Views were dropped because nobody took them: missed says how many. Told once, then the stream goes on. */
#define LNKEEP_NEXT_MISSED 2

/** Nothing more will come. */
#define LNKEEP_NEXT_CLOSED 3

/** Keep the failed attempts of payments that are done. */
#define LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS 1

/** Hand payments back that kept an intent, as LNKEEP_RESUME_MAY_SEND, instead of giving them up. */
#define LNKEEP_RESUME_SENDING 2

/** Offer nothing: nothing is accepted, nothing is returned, blobs are still collected. */
#define LNKEEP_PEER_STORAGE_OFF 1

/** A channel counts only once it is open; else from the moment its funding is pending. */
#define LNKEEP_PEER_STORAGE_REFUSE_PENDING_CHANNELS 2

/**
 * Accept new blobs between the last claim's end and the collection: a peer that lost its disk then replaces
 * its only useful copy.
 */
#define LNKEEP_PEER_STORAGE_ACCEPT_IN_GRACE 4

/**
 * Return what waits in memory without writing it first. A crash then brings back an older blob than the peer
 * was shown, and took for confirmed.
 */
#define LNKEEP_PEER_STORAGE_RETURN_UNWRITTEN 16

/** Every number of the options is meant as it is, also when it is 0. */
#define LNKEEP_PEER_STORAGE_ZEROS_COUNT 8

/** The blob is durable. */
#define LNKEEP_STORED_COMMITTED 1

/** The blob is in memory, and returned to the peer already; a tick at or after due_ms makes it durable. */
#define LNKEEP_STORED_DEFERRED 2

/** The blob is the newest already. */
#define LNKEEP_STORED_UNCHANGED 3

/** lnkeep_peer_storage_tick writes every blob that waits, whatever its cooldown: before the process ends. */
#define LNKEEP_TICK_ALL 1

/** next_due_ms is given. */
#define LNKEEP_TICKED_HAS_NEXT_DUE 1

/** The operator lets the peer store without a channel. */
#define LNKEEP_PEER_ALLOWED 1

/** The funding of a channel is pending. */
#define LNKEEP_CLAIM_PENDING_CHANNEL 1

/** A channel opened; a pending one, if there is one, is that. */
#define LNKEEP_CLAIM_OPEN_CHANNEL 2

/** An open channel was closed. */
#define LNKEEP_CLAIM_CLOSED_CHANNEL 3

/** The funding of a pending channel failed. */
#define LNKEEP_CLAIM_FAILED_CHANNEL 4

/** The operator lets the peer store without a channel. */
#define LNKEEP_CLAIM_ALLOWED 5

/** The operator does so no more. */
#define LNKEEP_CLAIM_DISALLOWED 6

/** The newest blob is in memory and waits to be written. */
#define LNKEEP_PEER_PENDING 2

/** The blob on disk did not pass its check: it is not returned. */
#define LNKEEP_PEER_DAMAGED 4

/** closed_at and blocks_left are given. */
#define LNKEEP_PEER_HAS_CLOSED_AT 8

/** BOLT 1 peer_storage: a node hands its blob to a peer. */
#define LNKEEP_WIRE_PEER_STORAGE 7

/** BOLT 1 peer_storage_retrieval: the peer hands the newest blob back. */
#define LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL 9

/** Fail a message whose extension is no valid TLV stream; else the extension is not looked at. */
#define LNKEEP_WIRE_STRICT 1

/** The node keeps blobs of its peers: bit 42 or 43 is set. */
#define LNKEEP_STORAGE_OFFERED 1

/** Bit 42 is set. */
#define LNKEEP_STORAGE_REQUIRED 2

/** LNKEEP_BAD_MESSAGE: more than 65,535 bytes. */
#define LNKEEP_WIRE_MESSAGE_TOO_LONG 1

/** LNKEEP_BAD_MESSAGE: fewer than two bytes. */
#define LNKEEP_WIRE_TRUNCATED_TYPE 2

/** LNKEEP_BAD_MESSAGE: neither of the two messages. */
#define LNKEEP_WIRE_UNKNOWN_TYPE 3

/** LNKEEP_BAD_MESSAGE: fewer than two bytes after the type. */
#define LNKEEP_WIRE_TRUNCATED_LENGTH 4

/** LNKEEP_BAD_MESSAGE: the blob is longer than what follows its length. */
#define LNKEEP_WIRE_TRUNCATED_BLOB 5

/** LNKEEP_BAD_MESSAGE: a record of the extension runs past the end. */
#define LNKEEP_WIRE_TLV_TRUNCATED 6

/** LNKEEP_BAD_MESSAGE: a number of the extension is not in its shortest form. */
#define LNKEEP_WIRE_TLV_NON_MINIMAL 7

/** LNKEEP_BAD_MESSAGE: a type of the extension is not greater than the one before it. */
#define LNKEEP_WIRE_TLV_ORDER 8

/** LNKEEP_BAD_MESSAGE: a record of even type in the extension is unknown. */
#define LNKEEP_WIRE_TLV_UNKNOWN_EVEN 9

/** Instance and nonces come from `entropy`; for tests. */
#define LNKEEP_BACKUP_HAS_ENTROPY 1

/** Only HTLCs of channels that were closed by force: their outputs are on chain and have to be swept. */
#define LNKEEP_HTLC_PROFILE_ONCHAIN_ONLY 0

/** All HTLCs: a restored node also knows what is in a commitment that its peer publishes. */
#define LNKEEP_HTLC_PROFILE_ALL_HTLCS 1

/** Nothing was ever sent from this database: it is new, or what was known is lost. */
#define LNKEEP_BACKUP_FRESH 1

/** Nothing may be sent: a peer showed that we lost state, and nobody acknowledged it. */
#define LNKEEP_BACKUP_BLOCKED 2

/** The payload is longer than a blob, and is cut into shares. */
#define LNKEEP_BACKUP_CUT 4

/** Nothing was sent, nothing is known. */
#define LNKEEP_BACKUP_STATE_IDLE 0

/** Connected, and may still return a blob: nothing is sent. */
#define LNKEEP_BACKUP_STATE_HOLD 1

/** Has nothing of ours, or may be overwritten. */
#define LNKEEP_BACKUP_STATE_CLEAR 2

/** Was sent a blob that it did not confirm yet. */
#define LNKEEP_BACKUP_STATE_SENT 3

/** Returned the last blob it was sent. */
#define LNKEEP_BACKUP_STATE_COMMITTED 4

/** Returned an older blob, not older than one confirmed: BOLT 1 lets it delay. */
#define LNKEEP_BACKUP_STATE_LAGGING 5

/** Returned an older blob than one it had confirmed. */
#define LNKEEP_BACKUP_STATE_STALE 6

/** Returned nothing, though it had confirmed a blob. */
#define LNKEEP_BACKUP_STATE_LOST 7

/** Returned something that does not open, though it was sent a blob. */
#define LNKEEP_BACKUP_STATE_CORRUPT 8

/** Returned nothing and never confirmed a blob. */
#define LNKEEP_BACKUP_STATE_UNCONFIRMED 9

/** Returned a blob of ours that we know nothing of: we lost state. */
#define LNKEEP_BACKUP_STATE_AHEAD 10

/** Holds something that we cannot read and did not send: it is never overwritten. */
#define LNKEEP_BACKUP_STATE_UNREADABLE 11

/** Offers no storage. */
#define LNKEEP_BACKUP_STATE_UNSUPPORTED 12

/** Nothing is asked of the host. */
#define LNKEEP_BACKUP_ACTION_NONE 0

/** The first blob may be sent. */
#define LNKEEP_BACKUP_ACTION_FIRST_SEND_ALLOWED 1

/** The newest blob should be sent: a tick says when. */
#define LNKEEP_BACKUP_ACTION_RESEND 2

/**
 * Keep what the peer returned, and ask the operator: it may be a backup of other software, or of a former
 * installation.
 */
#define LNKEEP_BACKUP_ACTION_ALERT_UNREADABLE 3

/** WE lost state that this peer still has: recover before channel_reestablish is answered. */
#define LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS 4

/** Seal a blob for this peer now and send it. */
#define LNKEEP_BACKUP_ACTION_SEND 5

/** LNKEEP_BAD_ENVELOPE: shorter than an empty envelope. */
#define LNKEEP_ENVELOPE_TOO_SHORT 1

/** LNKEEP_BAD_ENVELOPE: not sealed for this peer with this secret, or changed since. */
#define LNKEEP_ENVELOPE_AUTH_FAILED 2

/** LNKEEP_BAD_ENVELOPE: sealed in a layout that this version does not know. */
#define LNKEEP_ENVELOPE_BAD_VERSION 3

/** LNKEEP_BAD_ENVELOPE: the payload is longer than the blob. */
#define LNKEEP_ENVELOPE_BAD_LENGTH 4

/** LNKEEP_BAD_ENVELOPE: the payload does not have the stated hash. */
#define LNKEEP_ENVELOPE_BAD_CHECKSUM 5

/** LNKEEP_BAD_ENVELOPE: the padding is not zero. */
#define LNKEEP_ENVELOPE_BAD_PADDING 6

/** next_due_ms is given. */
#define LNKEEP_BACKUP_HAS_NEXT_DUE 1

/** The peer holds what we cannot read and did not send. */
#define LNKEEP_BACKUP_PEER_PROTECTED 1

/** The peer is connected. */
#define LNKEEP_BACKUP_PEER_CONNECTED 2

/** The peer offered storage when it connected last. */
#define LNKEEP_BACKUP_PEER_OFFERS 4

/** share_index is given: the peer keeps a share of a payload that is longer than a blob. */
#define LNKEEP_BACKUP_PEER_HAS_SHARE 8

/** The peer keeps journals of HTLCs, and nothing else. */
#define LNKEEP_BACKUP_PEER_KEEPS_JOURNAL 16

/** The host told facts of it (lnkeep_backup_set_facts), and score_ppm is given. */
#define LNKEEP_BACKUP_PEER_HAS_FACTS 32

/** Nothing, or nothing that is known. */
#define LNKEEP_CONTENT_NOTHING 0

/** The whole payload. */
#define LNKEEP_CONTENT_WHOLE 1

/** A share of the payload. */
#define LNKEEP_CONTENT_SHARE 2

/** A share of the payload, and one of an older one that is known to be restorable. */
#define LNKEEP_CONTENT_TWO_SHARES 3

/** HTLCs since an older state. */
#define LNKEEP_CONTENT_JOURNAL 4

/** Only whom else to ask. */
#define LNKEEP_CONTENT_ROSTER 5

/** The peer holds nothing of ours, or something older than the payload of now. */
#define LNKEEP_COPY_NONE 0

/** The peer was sent the payload of now and did not return it yet. */
#define LNKEEP_COPY_UNCONFIRMED 1

/** The peer returned the payload of now. */
#define LNKEEP_COPY_CONFIRMED 2

/** There is an open channel with the peer. */
#define LNKEEP_PEER_OPEN_CHANNEL 1

/** The last channel with it is being closed, by force or not. */
#define LNKEEP_PEER_CLOSING 2

/** A channel with it is announced: a node that lost its data finds it in the public graph. */
#define LNKEEP_PEER_ANNOUNCED 4

/** operator_label is given. */
#define LNKEEP_PEER_HAS_OPERATOR 8

/** The HTLC was offered by the peer. */
#define LNKEEP_BACKUP_HTLC_INCOMING 1

/** preimage is given. */
#define LNKEEP_BACKUP_HTLC_HAS_PREIMAGE 2

/** output_index is given. */
#define LNKEEP_BACKUP_HTLC_HAS_OUTPUT_INDEX 4

/** LNKEEP_BAD_FOREIGN: shorter than any blob of this software. */
#define LNKEEP_FOREIGN_TOO_SHORT 1

/** LNKEEP_BAD_FOREIGN: not made with this key, or changed since. */
#define LNKEEP_FOREIGN_AUTH_FAILED 2

/** LNKEEP_BAD_FOREIGN: authentic, and its text is not what this software writes. */
#define LNKEEP_FOREIGN_BAD_PAYLOAD 3

/** LNKEEP_BAD_FOREIGN: authentic, of a version of Core Lightning's format that cannot be read. */
#define LNKEEP_FOREIGN_BAD_VERSION 4

/**
 * LNKEEP_BAD_FOREIGN: authentic, of a version of lightning-kmp's format that is not known. The version is
 * the blob's first byte.
 */
#define LNKEEP_FOREIGN_UNKNOWN_VERSION 5

/** Core Lightning's older message, without TLVs. */
#define LNKEEP_FOREIGN_CLN_CHANNELS 6135

/** Core Lightning's message with TLVs. */
#define LNKEEP_FOREIGN_CLN_CHANNELS_WITH_TLVS 6137

/** shachain_min_index and shachain are given. */
#define LNKEEP_FOREIGN_CLN_HAS_SHACHAIN 1

/** The four basepoints are given. */
#define LNKEEP_FOREIGN_CLN_HAS_BASEPOINTS 2

/** opener is given. */
#define LNKEEP_FOREIGN_CLN_HAS_OPENER 4

/** to_self_delay_blocks is given. */
#define LNKEEP_FOREIGN_CLN_HAS_TO_SELF_DELAY 8

/** We opened the channel. */
#define LNKEEP_FOREIGN_LND_INITIATOR 1

/** shachain_root is given: an old channel. */
#define LNKEEP_FOREIGN_LND_HAS_SHACHAIN_ROOT 2

/** lease_expiry_height is given. */
#define LNKEEP_FOREIGN_LND_HAS_LEASE 4

/** commit_tx and commit_signature are given. */
#define LNKEEP_FOREIGN_LND_HAS_CLOSE_TX 8

/** commit_height is given: a taproot channel with a closing transaction. */
#define LNKEEP_FOREIGN_LND_HAS_COMMIT_HEIGHT 16

/** tapscript_root is given. */
#define LNKEEP_FOREIGN_LND_HAS_TAPSCRIPT_ROOT 32

/** Flag of an envelope: a roster comes after its content (lnkeep_roster_decode). */
#define LNKEEP_ENVELOPE_HAS_ROSTER 1

/**
 * Flag of an envelope that holds a whole payload: after the payload comes a snapshot of the HTLCs, and the
 * snapshot's length in four bytes.
 */
#define LNKEEP_ENVELOPE_HAS_SNAPSHOT 2

/** LNKEEP_BAD_SHARE: a record, or its share, runs past the end. */
#define LNKEEP_SHARE_TRUNCATED 1

/** LNKEEP_BAD_SHARE: neither one record nor two. */
#define LNKEEP_SHARE_BAD_COUNT 2

/** LNKEEP_BAD_SHARE: no code has these numbers, or no share this index. */
#define LNKEEP_SHARE_BAD_PARAMS 3

/** LNKEEP_BAD_SHARE: the reserved byte is not zero. */
#define LNKEEP_SHARE_BAD_RESERVED 4

/** LNKEEP_BAD_SHARE: the share is not as long as code and object say. */
#define LNKEEP_SHARE_BAD_SHARE_LEN 5

/** LNKEEP_BAD_SHARE: bytes after the last record. */
#define LNKEEP_SHARE_TRAILING_BYTES 6

/** LNKEEP_BAD_SHARE: a flag that this version does not know. */
#define LNKEEP_ROSTER_BAD_FLAGS 16

/** LNKEEP_BAD_SHARE: the roster is longer than the payload, or its entries than the roster. */
#define LNKEEP_ROSTER_TRUNCATED 17

/** LNKEEP_BAD_SHARE: an index that no share has. */
#define LNKEEP_ROSTER_BAD_INDEX 18

/** LNKEEP_BAD_SHARE: bytes after the last entry. */
#define LNKEEP_ROSTER_TRAILING_BYTES 19

/** LNKEEP_BAD_SHARE: the snapshot is longer than the object that it is in. */
#define LNKEEP_OBJECT_TRUNCATED 32

/** Index of a peer that keeps no share. */
#define LNKEEP_ROSTER_NO_SHARE 255

/** There is nobody left to ask. */
#define LNKEEP_RECOVERY_NEXT_NONE 0

/** Connect to this peer and report. */
#define LNKEEP_RECOVERY_NEXT_ASK 1

/** Nothing before the time given. */
#define LNKEEP_RECOVERY_NEXT_WAIT 2

/** Connected: its blob may follow. */
#define LNKEEP_RECOVERY_PEER_CONNECTED 0

/** Could not be reached, or the connection ended before it answered. */
#define LNKEEP_RECOVERY_PEER_FAILED 1

/** Offers no storage. */
#define LNKEEP_RECOVERY_PEER_NO_STORAGE 2

/** Began channel_reestablish, or let its time pass, without a blob. */
#define LNKEEP_RECOVERY_PEER_NO_BLOB 3

/** Something that was missing: a share, a payload, a journal or a roster. */
#define LNKEEP_FED_ACCEPTED 0

/** Nothing that was not there. */
#define LNKEEP_FED_DUPLICATE 1

/** Only generations below one that can be restored already, or below all that is kept of this peer. */
#define LNKEEP_FED_OLD 2

/** It is ours and contradicts what came first of its generation: two writers used one number. */
#define LNKEEP_FED_INCONSISTENT 3

/** It does not open; fault is one of LNKEEP_ENVELOPE_*. */
#define LNKEEP_FED_UNREADABLE 4

/** It is ours, and its shares, roster or object are malformed; fault is the value that LNKEEP_BAD_SHARE has. */
#define LNKEEP_FED_BAD_SHARE 5

/** It is ours, and its journal is malformed; fault is the number of that. */
#define LNKEEP_FED_BAD_JOURNAL 6

/** It is ours, of a kind that this version does not know; fault is the kind. */
#define LNKEEP_FED_UNKNOWN_KIND 7

/**
 * It is a backup of other software, which a key of lnkeep_recovery_set_foreign_keys opens; fault is one of
 * LNKEEP_SOFTWARE_*. Open it with the lnkeep_foreign_ call of that, and keep it.
 */
#define LNKEEP_FED_FOREIGN 8

/** LDK. */
#define LNKEEP_SOFTWARE_LDK 1

/** Core Lightning. */
#define LNKEEP_SOFTWARE_CLN 2

/** lightning-kmp, which Phoenix is built on. */
#define LNKEEP_SOFTWARE_LIGHTNING_KMP 3

/** lnd. */
#define LNKEEP_SOFTWARE_LND 4

/** No share was found. */
#define LNKEEP_RECOVERY_EMPTY 0

/** No generation can be restored. */
#define LNKEEP_RECOVERY_COLLECTING 1

/** A generation can be restored, and a newer one is known of. */
#define LNKEEP_RECOVERY_COMPLETE_OLDER 2

/** The newest generation known of can be restored. */
#define LNKEEP_RECOVERY_COMPLETE 3

/** So it can, and everybody known has answered, failed three times, or had the time the caller gives. */
#define LNKEEP_RECOVERY_COMPLETE_FINAL 4

/** best_generation is set. */
#define LNKEEP_RECOVERY_HAS_BEST 1

/** newest_seen_generation is set. */
#define LNKEEP_RECOVERY_HAS_NEWEST 2

/**
 * Peers may hold later states than these: a channel that goes on from an earlier state than its peer's is
 * lost to a penalty. Let the peer close, then sweep. Always set.
 */
#define LNKEEP_RECOVERED_CLOSE_AND_SWEEP_ONLY 1

/** They begin with a snapshot: base_generation is set. */
#define LNKEEP_RECOVERED_HTLCS_HAS_BASE 1

/** A journal was laid over it, or is all there is: journal_seq is set. */
#define LNKEEP_RECOVERED_HTLCS_HAS_JOURNAL 2

/** No newer journal and no newer snapshot is known of. */
#define LNKEEP_RECOVERED_HTLCS_NEWEST 4

/** Repeat the reference's rules to the last bit, its defects included, in place of the mended ones. */
#define LNKEEP_RESOURCES_COMPAT 1

/** Open a store whose resources have the other mode, and change it. */
#define LNKEEP_RESOURCES_CONVERT 2

/** Forward what would be failed, and say so in the decision: to see first what would happen. */
#define LNKEEP_RESOURCES_ONLY_WATCH 4

/** Keep nothing on disk: what happens is lost at close. For simulations and measurements. */
#define LNKEEP_RESOURCES_WITHOUT_JOURNAL 8

/** One HTLC never uses several buckets. */
#define LNKEEP_RESOURCES_NO_SPILL_OVER 16

/** general_percent, congestion_percent and default_fee_* are meant as they are, also when they are 0. */
#define LNKEEP_RESOURCES_ZEROS_COUNT 32

/** The salt of a new store is made from `entropy`; for tests. */
#define LNKEEP_RESOURCES_HAS_ENTROPY 64

/** The settings were others before: channels were divided anew. */
#define LNKEEP_RESOURCES_DIVIDED_ANEW 1

/** The channel is forgotten. */
#define LNKEEP_RESOURCES_REMOVED 1

/** The channel is kept until its last HTLC resolves, in either direction, and takes no new one. */
#define LNKEEP_RESOURCES_CLOSING 2

/** The HTLC arrived accountable (update_add_htlc's TLV). */
#define LNKEEP_HTLC_ACCOUNTABLE 1

/** policy_fee_msat is given. */
#define LNKEEP_HTLC_HAS_POLICY_FEE 2

/** The onion says upgrade_accountability. */
#define LNKEEP_HTLC_UPGRADE_PRESENT 4

/** The onion does not say upgrade_accountability; without either bit, the host does not look. */
#define LNKEEP_HTLC_UPGRADE_ABSENT 8

/** Answer when the change is on disk. */
#define LNKEEP_RESOURCES_DURABLE 1

/** Decide and change nothing. */
#define LNKEEP_RESOURCES_DRY_RUN 2

/** Forward the HTLC. */
#define LNKEEP_VERDICT_FORWARD 1

/** Fail it back. */
#define LNKEEP_VERDICT_FAIL 2

/** It fits the general bucket. */
#define LNKEEP_REASON_GENERAL 1

/** The outgoing channel's reputation bears it. */
#define LNKEEP_REASON_REPUTATION 2

/** It has no reputation, and the congestion bucket takes it. */
#define LNKEEP_REASON_CONGESTION 3

/** The reputation bears it, and several buckets together have room. */
#define LNKEEP_REASON_SEVERAL 4

/** It came in accountable and the reputation does not bear it. */
#define LNKEEP_REASON_NO_REPUTATION 16

/** The reputation bears it, and no bucket has room. */
#define LNKEEP_REASON_NO_ROOM 17

/** Another HTLC of the outgoing channel sits in a congestion bucket. */
#define LNKEEP_REASON_OUTGOING_IN_CONGESTION 18

/** The channel has no congestion bucket. */
#define LNKEEP_REASON_NO_CONGESTION_BUCKET 19

/** The outgoing channel held an HTLC in this congestion bucket for too long in the last two weeks. */
#define LNKEEP_REASON_CONGESTION_MISUSED 20

/** The congestion bucket is full. */
#define LNKEEP_REASON_CONGESTION_FULL 21

/** It is larger than what one HTLC may take of the congestion bucket. */
#define LNKEEP_REASON_ABOVE_CONGESTION_LIMIT 22

/** It would have to go out accountable, and its sender does not allow that. */
#define LNKEEP_REASON_UPGRADE_NOT_ALLOWED 23

/** It came in accountable although its sender does not allow that. */
#define LNKEEP_REASON_SIGNAL_TAMPERED 24

/** It was forwarded before; what was decided then stands. */
#define LNKEEP_REASON_RECORDED 32

/** It takes nothing and is tracked. */
#define LNKEEP_BUCKET_NONE 0

/** General. */
#define LNKEEP_BUCKET_GENERAL 1

/** Congestion. */
#define LNKEEP_BUCKET_CONGESTION 2

/** Protected. */
#define LNKEEP_BUCKET_PROTECTED 3

/** Several at once. */
#define LNKEEP_BUCKET_SEVERAL 4

/** Set the accountable signal on the outgoing HTLC. */
#define LNKEEP_DECISION_ACCOUNTABLE 1

/** The handle only watches: without that, it would have been failed for the reason given. */
#define LNKEEP_DECISION_WOULD_FAIL 2

/** The reputation less both risks is at least the threshold. */
#define LNKEEP_GROUNDS_HAS_REPUTATION 1

/** An HTLC of the outgoing channel sits in a congestion bucket. */
#define LNKEEP_GROUNDS_OUTGOING_IN_CONGESTION 2

/** The HTLC settled with its preimage (update_fulfill_htlc); else it failed. */
#define LNKEEP_RESOLVE_SETTLED 1

/** The channel waits for its last HTLC. */
#define LNKEEP_RESOURCES_IS_CLOSING 1

/** The HTLC went out accountable. */
#define LNKEEP_PENDING_ACCOUNTABLE 1

/** It would have been failed, had the handle not only been watching. */
#define LNKEEP_PENDING_WOULD_FAIL 2

/** Only this row is damaged: the store can be opened, and reading the row answers LNKEEP_CORRUPT_RECORD. */
#define LNKEEP_FINDING_ROW_ONLY 1

/** The store was open while it was checked, here or in another process. */
#define LNKEEP_CHECK_LIVE 1

/** The last holder closed the store; never set while it is open. */
#define LNKEEP_CHECK_ENDED_CLEANLY 2

/** More is wrong than the list holds. */
#define LNKEEP_CHECK_TRUNCATED 4

/** An open refuses the file: more than single rows is damaged. */
#define LNKEEP_CHECK_UNUSABLE 8

/** The files were restored, and no floor was acknowledged since. */
#define LNKEEP_CHECK_RESTORED 16

/** The files are a copy, and no floor was acknowledged since. */
#define LNKEEP_CHECK_COPIED 32

/** What a caller may conclude from a status. */
typedef uint32_t lnkeep_class;

/**
 * Outcome of a call: 0 done, above 0 done by an earlier call, below 0 everything else.
 *
 * Numbers are append-only and a retired number stays reserved. What a caller may conclude follows from the
 * class, and the class from the number: -1 to -99 REFUSED, -100 to -199 RETRY, -200 to -299 UNKNOWN,
 * below FATAL.
 */
typedef int32_t lnkeep_status;

/**
 * Choices at the open of a store. Zero everywhere but in size is the safe choice; start with
 * LNKEEP_STORE_OPTIONS_INIT.
 */
typedef struct lnkeep_store_options {
    /** sizeof(lnkeep_store_options), set by the caller. */
    size_t size;
    /** Bits of LNKEEP_STORE_*. */
    uint32_t flags;
    /** LNKEEP_ABI_VERSION, set by LNKEEP_STORE_OPTIONS_INIT. */
    uint32_t abi_version;
    /** Refuse a store last opened in an epoch below this one, which the host keeps elsewhere. */
    uint64_t epoch_min;
    /** Largest size of the memory map, and so of the data; 0 means 1 TiB. */
    uint64_t map_bytes_max;
    /** First size of the memory map; 0 means 1 GiB of address space. */
    uint64_t map_bytes;
    /** Operations that may wait for the disk; 0 means 16,384. */
    uint64_t queue_operations_max;
    /** Kinds of event to record, bits `1 << LNKEEP_EVENT_*`; read with LNKEEP_STORE_EVENT_KINDS. */
    uint64_t event_kinds;
    /** Disk that unread events may pin; 0 means 256 MiB. */
    uint64_t events_bytes_max;
    /** Age after which unread events are cut; 0 means never. */
    uint64_t events_age_max_secs;
    /** Read with LNKEEP_STORE_EXPECT_ID. */
    uint8_t expected_store_id[16];
    /** Read with LNKEEP_STORE_SEEDED. */
    uint8_t seed[32];
} lnkeep_store_options;

/** One open store. Zero is LNKEEP_STORE_NONE. Copies of the value are the same handle. */
typedef struct lnkeep_store {
    /** Opaque. */
    uint64_t bits;
} lnkeep_store;

/** What an open found. */
typedef struct lnkeep_store_report {
    /** sizeof(lnkeep_store_report), set by the caller. */
    size_t size;
    /** Rises by one at each open; keep it elsewhere and pass it as epoch_min. */
    uint64_t epoch;
    /** Random identity of the store, the same for its whole life. */
    uint8_t store_id[16];
    /** Bits of LNKEEP_REPORT_*. */
    uint32_t flags;
    /** Block height the host last told before. */
    uint32_t block_height;
    /** Time the host last told before, milliseconds since 1970. */
    uint64_t unix_ms;
} lnkeep_store_report;

/** Detail of a failed call, in memory of the caller; nothing to free. Start with LNKEEP_ERROR_INIT. */
typedef struct lnkeep_error {
    /** sizeof(lnkeep_error), set by the caller. */
    size_t size;
    /** Status of the call; after LNKEEP_BATCH, the status of its worst operation. 0 after success. */
    int32_t status;
    /** Error number of the operating system, 0 if it had none. */
    int32_t os_errno;
    /** Subject, fact and advice in English, NUL-terminated. Never holds a key or a preimage. */
    char message[240];
    /** The number that the status speaks of, as the function says: the id expected, the tip, how many. */
    uint64_t value;
    /** Bits of LNKEEP_ERROR_HAS_*. */
    uint32_t present;
    /** 0. */
    uint32_t reserved;
    /** The channel that the status speaks of. */
    uint8_t channel_id[32];
} lnkeep_error;

/** Figures of a store since its open. */
typedef struct lnkeep_stats {
    /** sizeof(lnkeep_stats), set by the caller. */
    size_t size;
    /** Commits. */
    uint64_t commits;
    /** Operations applied, or found applied. */
    uint64_t operations;
    /** Operations refused. */
    uint64_t operations_refused;
    /** Median duration of a commit, nanoseconds. */
    uint64_t commit_p50_ns;
    /** 99th percentile of the same. */
    uint64_t commit_p99_ns;
    /** Longest of the same. */
    uint64_t commit_max_ns;
    /** Operations waiting for the disk. */
    uint64_t queue_depth;
    /** Pages of data.mdb in use, free ones inside it included. */
    uint64_t pages_used;
    /** Bytes of one page. */
    uint64_t page_bytes;
    /** Bytes of data.mdb backed by disk space. */
    uint64_t allocated_bytes;
    /** Bytes of the memory map. */
    uint64_t map_bytes;
    /** Largest size the map may grow to. */
    uint64_t map_bytes_max;
    /** Reader slots in use or resting. */
    uint64_t readers;
    /** How long the oldest running read has lasted, nanoseconds. */
    uint64_t oldest_read_ns;
    /** Times the map grew. */
    uint64_t map_growths;
    /** Reader slots of dead processes that were cleared. */
    uint64_t stale_readers_cleared;
    /** Number of the last commit, over all opens. */
    uint64_t commit_number;
    /** Bits of LNKEEP_STATS_*. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
} lnkeep_stats;

/** An attempt id in its namespace. */
typedef struct lnkeep_attempt_key {
    /** Whose id space: chosen by the host, all zero by default. All 0xff means "all" and cannot be written. */
    uint8_t namespace_bytes[16];
    /** Identifier of the attempt, unique in its namespace: the idempotency key of its dispatch. */
    uint64_t id;
} lnkeep_attempt_key;

/** A request to register an attempt. */
typedef struct lnkeep_attempt_request {
    /** Id and namespace. */
    lnkeep_attempt_key key;
    /** Bits of LNKEEP_HAS_FINGERPRINT, LNKEEP_HAS_PAYMENT_HASH. */
    uint32_t present;
    /** Absolute height at which the HTLC times out, 0 if unknown. */
    uint32_t cltv_expiry;
    /** Amount of the HTLC, 0 if unknown. */
    uint64_t amount_msat;
    /** Short channel id of the first hop, 0 if unknown. */
    uint64_t first_hop_scid;
    /** Hash of the whole request, made by the host: tells a repeat from another request under the same id. */
    uint8_t fingerprint[32];
    /** Payment hash; with it a settle needs the right preimage. */
    uint8_t payment_hash[32];
} lnkeep_attempt_request;

/** Bytes that stay the owner's: of the caller during a call, or of a returned structure until it is freed. */
typedef struct lnkeep_bytes {
    /** First byte; may be NULL when len is 0. */
    const uint8_t *ptr;
    /** Number of bytes. */
    size_t len;
} lnkeep_bytes;

/** Final result of an attempt. All fields come back exactly as they were stored. */
typedef struct lnkeep_attempt_result {
    /** LNKEEP_RESULT_SETTLE or LNKEEP_RESULT_FAIL. */
    uint32_t kind;
    /** Bits of LNKEEP_RESULT_UNENCRYPTED, LNKEEP_RESULT_RESOLUTION. */
    uint32_t flags;
    /**
     * BOLT 4 failure code of a failure this node made, at most 65,535; 0 for a settle and when only the
     * encrypted reason is known.
     */
    uint32_t failure_code;
    /** 0. */
    uint32_t reserved;
    /** Of a settle; zero for a failure. */
    uint8_t preimage[32];
    /** The host's own message or reason, at most 65,535 bytes. */
    lnkeep_bytes message;
} lnkeep_attempt_result;

/** Body of LNKEEP_OP_ATTEMPT_STORE_RESULT. */
typedef struct lnkeep_op_attempt_result {
    /** Which attempt. */
    lnkeep_attempt_key key;
    /** Its final result. */
    lnkeep_attempt_result result;
} lnkeep_op_attempt_result;

/** Body of LNKEEP_OP_ATTEMPT_FAIL_PENDING. */
typedef struct lnkeep_op_attempt_rollback {
    /** Which attempt. */
    lnkeep_attempt_key key;
    /** BOLT 4 failure code, at most 65,535; 0 means temporary node failure. */
    uint32_t failure_code;
    /** 0. */
    uint32_t reserved;
    /** The host's own encoding of the failure, at most 65,535 bytes. */
    lnkeep_bytes message;
} lnkeep_op_attempt_rollback;

/** Body of LNKEEP_OP_ATTEMPT_ALLOCATE. */
typedef struct lnkeep_op_attempt_allocate {
    /** In which namespace. */
    uint8_t namespace_bytes[16];
    /** The host's key of the attempt, 1 to 64 bytes. */
    lnkeep_bytes external_key;
} lnkeep_op_attempt_allocate;

/** A request to initiate a payment. Start with LNKEEP_PAYMENT_INIT_INIT. */
typedef struct lnkeep_payment_init {
    /** sizeof(lnkeep_payment_init), set by the caller. */
    size_t size;
    /** Identifier of the payment: its hash, or the set id of an AMP payment. */
    uint8_t payment_hash[32];
    /** What the receiver is to get. */
    uint64_t amount_msat;
    /** Time of creation, nanoseconds since 1970; 0 if unknown. */
    uint64_t created_unix_ns;
    /**
     * The caller's own key of this request, empty or up to 64 bytes: a repeat is answered with the state of
     * the first.
     */
    lnkeep_bytes idempotency_key;
    /** The invoice or offer, at most 65,535 bytes. */
    lnkeep_bytes payment_request;
    /** Custom records for the first hop in the host's encoding, at most 65,535 bytes. */
    lnkeep_bytes first_hop_records;
    /** Bits of LNKEEP_PAYMENT_HAS_*. Without LNKEEP_PAYMENT_HAS_INTENT the fields below must be zero. */
    uint32_t present;
    /** 0. */
    uint32_t reserved;
    /** No new attempt from this time on, nanoseconds since 1970; 0 means no deadline. */
    uint64_t intent_deadline_unix_ns;
    /** Most fees over all attempts. */
    uint64_t intent_fee_limit_msat;
    /** Root share of an AMP payment. */
    uint8_t intent_amp_root_share[32];
    /** Public key of the receiver. */
    uint8_t intent_destination[33];
    /** 0. */
    uint8_t intent_reserved[7];
    /** Whatever else the host's sender needs, at most 65,535 bytes. */
    lnkeep_bytes intent_data;
} lnkeep_payment_init;

/** Body of LNKEEP_OP_PAYMENT_INIT. */
typedef struct lnkeep_op_payment_init {
    /** The request; read during the call only. */
    const lnkeep_payment_init *init;
} lnkeep_op_payment_init;

/**
 * A request to register an attempt of a payment. Start with LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT and set at
 * least key, amount_msat and hop_count.
 */
typedef struct lnkeep_payment_attempt_request {
    /** sizeof(lnkeep_payment_attempt_request), set by the caller. */
    size_t size;
    /** Id and namespace, unique in the store. */
    lnkeep_attempt_key key;
    /** What the receiver gets by it. */
    uint64_t amount_msat;
    /** What the hops on the way get. */
    uint64_t fee_msat;
    /** Bits of LNKEEP_PAYMENT_ATTEMPT_HAS_*, LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED. */
    uint32_t present;
    /** Number of hops of the route, at least 1. */
    uint32_t hop_count;
    /** Hash of this attempt where it is not the payment's, as in AMP: a settle needs its preimage. */
    uint8_t attempt_hash[32];
    /** The payment secret of the invoice (BOLT 4 payment_data). */
    uint8_t mpp_payment_address[32];
    /** Total of the whole payment (BOLT 4 payment_data). */
    uint64_t mpp_total_msat;
    /** Share of the root seed. */
    uint8_t amp_root_share[32];
    /** Identifier of the AMP set. */
    uint8_t amp_set_id[32];
    /** Index of the AMP child. */
    uint32_t amp_child_index;
    /** Absolute height at which the HTLC times out, 0 if unknown. */
    uint32_t cltv_expiry;
    /** Total amount of the final hop of a blinded path, at least 1. */
    uint64_t blinded_total_msat;
    /** Short channel id of the first hop, 0 if unknown. */
    uint64_t first_hop_scid;
    /** What is sent to the first hop where it is not the sum of amount and fee. */
    uint64_t first_hop_amount_msat;
    /** Time of the attempt, nanoseconds since 1970; 0 if unknown. */
    uint64_t sent_unix_ns;
    /** The route in the host's encoding, at most 65,535 bytes. */
    lnkeep_bytes route;
    /** The onion's session key in the host's encoding, at most 64 bytes. */
    lnkeep_bytes session_key;
    /** Custom records for the first hop in the host's encoding, at most 65,535 bytes. */
    lnkeep_bytes first_hop_records;
} lnkeep_payment_attempt_request;

/** Body of LNKEEP_OP_PAYMENT_REGISTER. */
typedef struct lnkeep_op_payment_register {
    /** Which payment. */
    uint8_t payment_hash[32];
    /** The attempt; read during the call only. */
    const lnkeep_payment_attempt_request *attempt;
} lnkeep_op_payment_register;

/** Body of LNKEEP_OP_PAYMENT_SETTLE. */
typedef struct lnkeep_op_payment_settle {
    /** Which payment. */
    uint8_t payment_hash[32];
    /** Which of its attempts. */
    lnkeep_attempt_key key;
    /** It hashes to the attempt's hash, or to the payment's. */
    uint8_t preimage[32];
    /** Time of the settle, nanoseconds since 1970; 0 if unknown. */
    uint64_t settled_unix_ns;
} lnkeep_op_payment_settle;

/** Why and when an attempt of a payment failed. */
typedef struct lnkeep_payment_failure {
    /** LNKEEP_ATTEMPT_FAILURE_*. */
    uint32_t reason;
    /** Place in the route of the node that failed it, 0 for this node. */
    uint32_t source_index;
    /** Time of the failure, nanoseconds since 1970; 0 if unknown. */
    uint64_t failed_unix_ns;
    /** The failure message in the host's encoding, at most 65,535 bytes. */
    lnkeep_bytes message;
} lnkeep_payment_failure;

/** Body of LNKEEP_OP_PAYMENT_FAIL_ATTEMPT. */
typedef struct lnkeep_op_payment_fail_attempt {
    /** Which payment. */
    uint8_t payment_hash[32];
    /** Which of its attempts. */
    lnkeep_attempt_key key;
    /** Why and when. */
    lnkeep_payment_failure failure;
    /** Why it is forced, at most 1,024 bytes; empty without LNKEEP_FAIL_FORCED. */
    lnkeep_bytes note;
} lnkeep_op_payment_fail_attempt;

/** Body of LNKEEP_OP_PAYMENT_FAIL. */
typedef struct lnkeep_op_payment_fail {
    /** Which payment. */
    uint8_t payment_hash[32];
    /** LNKEEP_PAYMENT_REASON_*. */
    uint32_t reason;
    /** 0. */
    uint32_t reserved;
} lnkeep_op_payment_fail;

/** Body of LNKEEP_OP_PAYMENT_DELETE. */
typedef struct lnkeep_op_payment_delete {
    /** Which payment. */
    uint8_t payment_hash[32];
} lnkeep_op_payment_delete;

/**
 * What the next commit is to include: everything queued before lnkeep_monitors_capture. Opaque but for
 * upto_ticket; valid in the session that gave it.
 */
typedef struct lnkeep_capture {
    /** Opaque. */
    uint64_t epoch;
    /** Opaque. */
    uint64_t number;
    /** The last ticket that it includes; 0 when there was none. */
    uint64_t upto_ticket;
    /** Opaque. */
    uint64_t check;
} lnkeep_capture;

/** A channel and the highest update id that the manager generated for it. */
typedef struct lnkeep_channel_tip {
    /** Which channel. */
    uint8_t channel_id[32];
    /** Highest update id that the manager knows. */
    uint64_t update_id;
} lnkeep_channel_tip;

/** One commit. Start with LNKEEP_MONITORS_COMMIT_INIT. */
typedef struct lnkeep_monitors_commit {
    /** sizeof(lnkeep_monitors_commit), set by the caller. */
    size_t size;
    /** What it makes durable. */
    lnkeep_capture capture;
    /** Bits of LNKEEP_COMMIT_*. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** The manager, serialised after the capture; read with LNKEEP_COMMIT_HAS_MANAGER, and may then be empty. */
    lnkeep_bytes manager;
    /** Read with LNKEEP_COMMIT_HAS_GENERATION; never smaller than the one before. */
    uint64_t manager_generation;
    /**
     * What this manager knows, for as many channels as the host can tell: what contradicts it is refused
     * before anything is written. NULL when the host cannot tell.
     */
    const lnkeep_channel_tip *view;
    /** Number of channels in view. */
    size_t view_len;
} lnkeep_monitors_commit;

/** Body of LNKEEP_OP_MONITORS_COMMIT. */
typedef struct lnkeep_op_monitors_commit {
    /** The commit, read during the call. */
    const lnkeep_monitors_commit *commit;
} lnkeep_op_monitors_commit;

/** What an operation works on; which member is read follows from lnkeep_op.kind. */
typedef union lnkeep_op_body {
    /** LNKEEP_OP_ATTEMPT_INIT. */
    lnkeep_attempt_request attempt_init;
    /** LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF, _ACK, _DELETE, _QUARANTINE. */
    lnkeep_attempt_key attempt_key;
    /** LNKEEP_OP_ATTEMPT_STORE_RESULT. */
    lnkeep_op_attempt_result attempt_result;
    /** LNKEEP_OP_ATTEMPT_FAIL_PENDING. */
    lnkeep_op_attempt_rollback attempt_rollback;
    /** LNKEEP_OP_ATTEMPT_ALLOCATE. */
    lnkeep_op_attempt_allocate attempt_allocate;
    /** LNKEEP_OP_PAYMENT_INIT. */
    lnkeep_op_payment_init payment_init;
    /** LNKEEP_OP_PAYMENT_REGISTER. */
    lnkeep_op_payment_register payment_register;
    /** LNKEEP_OP_PAYMENT_SETTLE. */
    lnkeep_op_payment_settle payment_settle;
    /** LNKEEP_OP_PAYMENT_FAIL_ATTEMPT. */
    lnkeep_op_payment_fail_attempt payment_fail_attempt;
    /** LNKEEP_OP_PAYMENT_FAIL. */
    lnkeep_op_payment_fail payment_fail;
    /** LNKEEP_OP_PAYMENT_DELETE. */
    lnkeep_op_payment_delete payment_delete;
    /** LNKEEP_OP_MONITORS_COMMIT. */
    lnkeep_op_monitors_commit monitors_commit;
    /** Fixes the size; what lies beyond the member that is read is ignored. */
    uint64_t reserved[30];
} lnkeep_op_body;

/** One operation of a submission: 256 bytes. */
typedef struct lnkeep_op {
    /** LNKEEP_OP_*. */
    uint32_t kind;
    /** As the kind says; 0 otherwise. */
    uint32_t flags;
    /** The bits of the component's handle, such as lnkeep_attempts.bits. */
    uint64_t component;
    /** As the kind says. */
    lnkeep_op_body body;
} lnkeep_op;

/** Outcome of one operation. */
typedef struct lnkeep_outcome {
    /** What happened to this operation. */
    int32_t status;
    /** Error number of the operating system, 0 if it had none. */
    int32_t os_errno;
    /** Bits of LNKEEP_OUTCOME_*. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** The id an allocation answers; else 0. */
    uint64_t value;
    /** Number of the event written with the change, 0 if none was. */
    uint64_t event_sequence;
} lnkeep_outcome;

/** Outcome of one operation of an asynchronous submission. */
typedef struct lnkeep_completion {
    /** The cookie of the submission. */
    uint64_t cookie;
    /** Index of the operation in it. */
    uint32_t index;
    /** Number of operations in it. */
    uint32_t operations;
    /** What happened. */
    lnkeep_outcome outcome;
} lnkeep_completion;

/** Choices at the open of attempts. Start with LNKEEP_ATTEMPTS_OPTIONS_INIT. */
typedef struct lnkeep_attempts_options {
    /** sizeof(lnkeep_attempts_options), set by the caller. */
    size_t size;
    /** Bits of LNKEEP_ATTEMPTS_*. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** How long an acknowledged record is kept in full; 0 means until deleted. */
    uint64_t acked_retention_secs;
    /** How long a tombstone keeps its id burned; 0 means for good. */
    uint64_t tombstone_retention_secs;
    /** How many tombstones are kept; 0 means all. */
    uint64_t tombstones_max;
    /** How many subscriptions may be open; 0 means 65,536. */
    uint64_t subscriptions_max;
} lnkeep_attempts_options;

/** The attempts of a store. Zero is LNKEEP_ATTEMPTS_NONE. */
typedef struct lnkeep_attempts {
    /** Opaque; goes into lnkeep_op.component. */
    uint64_t bits;
} lnkeep_attempts;

/** One attempt as stored. */
typedef struct lnkeep_attempt {
    /** Id and namespace. */
    lnkeep_attempt_key key;
    /** LNKEEP_STATE_*. */
    uint32_t state;
    /** Bits of LNKEEP_ATTEMPT_*. */
    uint32_t flags;
    /** Bits of LNKEEP_HAS_*. */
    uint32_t present;
    /** Absolute height at which the HTLC times out, 0 if unknown. */
    uint32_t cltv_expiry;
    /** Epoch of the store in which it was registered. */
    uint64_t created_epoch;
    /** Time of registration as the host told it, milliseconds since 1970, 0 if unknown. */
    uint64_t created_unix_ms;
    /** Time of the last change of state, 0 if unknown. */
    uint64_t updated_unix_ms;
    /** Amount of the HTLC, 0 if unknown. */
    uint64_t amount_msat;
    /** Short channel id of the first hop, 0 if unknown. */
    uint64_t first_hop_scid;
    /** Set with LNKEEP_HAS_FINGERPRINT. */
    uint8_t fingerprint[32];
    /** Set with LNKEEP_HAS_PAYMENT_HASH. */
    uint8_t payment_hash[32];
    /** Set with LNKEEP_HAS_RESULT. */
    lnkeep_attempt_result result;
} lnkeep_attempt;

/** Which attempts to list. Start with LNKEEP_ATTEMPT_QUERY_INIT. */
typedef struct lnkeep_attempt_query {
    /** sizeof(lnkeep_attempt_query), set by the caller. */
    size_t size;
    /** Bits of LNKEEP_QUERY_*. */
    uint32_t flags;
    /** Bits `1 << LNKEEP_STATE_*`; 0 means every state. Pending states alone read only pending rows. */
    uint32_t states;
    /** Only this namespace. */
    uint8_t namespace_bytes[16];
    /** Read with LNKEEP_QUERY_AFTER. */
    lnkeep_attempt_key after;
    /** Only attempts created at or before this time; 0 means any. Attempts of unknown time never match. */
    uint64_t created_before_unix_ms;
    /** Only pending attempts whose CLTV expiry lies at or below this height; 0 means any. */
    uint32_t expired_at_height;
    /** At most this many attempts; 0 means 1,000, the most there is. */
    uint32_t limit;
} lnkeep_attempt_query;

/** One page of a list: one allocation, freed by lnkeep_attempt_page_free. */
typedef struct lnkeep_attempt_page {
    /** sizeof(lnkeep_attempt_page) of the library. */
    size_t size;
    /** Bytes from one attempt to the next: step by this, not by sizeof(lnkeep_attempt). */
    size_t stride;
    /** The attempts that matched, in key order. */
    const lnkeep_attempt *attempts;
    /** Number of attempts. */
    size_t attempts_len;
    /** Keys of unreadable records met on the way. */
    const lnkeep_attempt_key *unreadable;
    /** Number of keys in unreadable. */
    size_t unreadable_len;
    /** Pass as lnkeep_attempt_query.after to go on, when has_more is 1. */
    lnkeep_attempt_key next;
    /** 1 when the list goes on after next; a page may be empty and still not the last. */
    uint32_t has_more;
    /** 0. */
    uint32_t reserved;
} lnkeep_attempt_page;

/** Numbers of records by state. */
typedef struct lnkeep_attempt_counts {
    /** sizeof(lnkeep_attempt_counts), set by the caller. */
    size_t size;
    /** Registered, never left. */
    uint64_t intent;
    /** May have left. */
    uint64_t handed_off;
    /** Settled. */
    uint64_t settled;
    /** Failed. */
    uint64_t failed;
    /** Tombstones. */
    uint64_t deleted;
} lnkeep_attempt_counts;

/** What the host's circuit map says about one attempt. */
typedef struct lnkeep_circuit {
    /** Attempt id. */
    uint64_t id;
    /** LNKEEP_CIRCUIT_OPEN or LNKEEP_CIRCUIT_HALF_OPEN. */
    uint32_t state;
    /** 0. */
    uint32_t reserved;
} lnkeep_circuit;

/** What a recovery did: one allocation, freed by lnkeep_recovery_free. */
typedef struct lnkeep_recovery {
    /** sizeof(lnkeep_recovery) of the library. */
    size_t size;
    /** Ids rolled back to a local failure, ascending. */
    const uint64_t *failed;
    /** Number of ids in failed. */
    size_t failed_len;
    /** Ids handed off and without a circuit: still pending, ascending. */
    const uint64_t *unresolved;
    /** Number of ids in unresolved. */
    size_t unresolved_len;
    /** Ids of unreadable records, ascending; they were left alone. */
    const uint64_t *unreadable;
    /** Number of ids in unreadable. */
    size_t unreadable_len;
} lnkeep_recovery;

/** The floor of one namespace after a restore. */
typedef struct lnkeep_id_floor {
    /** Which namespace. */
    uint8_t namespace_bytes[16];
    /** One above the greatest id that may ever have been used. */
    uint64_t id_floor;
} lnkeep_id_floor;

/** Choices at the open of monitors. Start with LNKEEP_MONITORS_OPTIONS_INIT. */
typedef struct lnkeep_monitors_options {
    /** sizeof(lnkeep_monitors_options), set by the caller. */
    size_t size;
    /** Bits of LNKEEP_MONITORS_*. */
    uint32_t flags;
    /** Entries that may wait for a commit, outputs included; 0 means 1,024. */
    uint32_t pending_ops_max;
    /** Bytes that may wait for a commit; 0 means 64 MiB. */
    uint64_t pending_bytes_max;
    /** Entries, and updates of each channel, that critical calls may add to those bounds; 0 means 64. */
    uint32_t critical_reserve_ops;
    /** Durable updates of a channel after which a snapshot is asked for; 0 means 100. */
    uint32_t snapshot_every_updates;
    /** Updates of a channel after which a snapshot is demanded; 0 means 1,000. */
    uint32_t updates_max;
    /** Bytes of updates, in percent of their snapshot, after which another one is asked for; 0 means 400. */
    uint32_t snapshot_growth_percent;
    /**
     * Age of a snapshot with updates after which another one is asked for; 0 means never. Needs
     * lnkeep_store_tick.
     */
    uint64_t snapshot_age_secs;
} lnkeep_monitors_options;

/** The monitors of a store. Zero is LNKEEP_MONITORS_NONE. */
typedef struct lnkeep_monitors {
    /** Opaque; goes into lnkeep_op.component. */
    uint64_t bits;
} lnkeep_monitors;

/** What the open of monitors found. */
typedef struct lnkeep_monitors_report {
    /** sizeof(lnkeep_monitors_report), set by the caller. */
    size_t size;
    /** Durable commits since the store was made. */
    uint64_t commit_sequence;
    /** Durable outputs that wait for an acknowledgement. */
    uint64_t outputs;
    /** Damaged channels; lnkeep_monitors_list says which and how. */
    uint64_t damaged;
    /** LNKEEP_LAST_CLOSE_*. */
    uint32_t last_close;
    /** Bits of LNKEEP_MONITORS_MANAGER_MISSING, _MANAGER_IS_BEHIND, _MAY_BE_STALE. */
    uint32_t flags;
} lnkeep_monitors_report;

/** A block of the chain. */
typedef struct lnkeep_block {
    /** Its hash, in the host's byte order; all zero when the host keeps none. */
    uint8_t hash[32];
    /** Its height; 0 means unknown. */
    uint32_t height;
    /** 0. */
    uint32_t reserved;
} lnkeep_block;

/** What a commit did. */
typedef struct lnkeep_monitors_committed {
    /** sizeof(lnkeep_monitors_committed), set by the caller. */
    size_t size;
    /** Its number: durable commits since the store was made. */
    uint64_t commit_sequence;
    /** Entries that it made durable, outputs included. */
    uint64_t applied;
    /** Channels that want a snapshot; lnkeep_monitors_need_snapshot names them. */
    uint64_t need_snapshot;
} lnkeep_monitors_committed;

/** An entry that became durable. */
typedef struct lnkeep_monitor_completion {
    /** Of which channel. */
    uint8_t channel_id[32];
    /** Its update id. */
    uint64_t update_id;
    /** LNKEEP_COMPLETION_*. */
    uint32_t kind;
    /** 0. */
    uint32_t reserved;
} lnkeep_monitor_completion;

/** An output that may leave. */
typedef struct lnkeep_output {
    /** Number of a durable output, for lnkeep_monitors_acknowledge; 0 for a volatile one. */
    uint64_t output_id;
    /** The host's tag. */
    uint64_t tag;
    /** Its bytes; none when a damage of the store took them. Acknowledge it all the same. */
    lnkeep_bytes payload;
} lnkeep_output;

/** Outputs, in the order in which they may leave. */
typedef struct lnkeep_outputs {
    /** sizeof(lnkeep_outputs) of the library. */
    size_t size;
    /** Bytes from one output to the next: step by this, not by sizeof(lnkeep_output). */
    size_t stride;
    /** The outputs; NULL when there are none. */
    const lnkeep_output *outputs;
    /** Number of them. */
    size_t outputs_len;
} lnkeep_outputs;

/** Where monitors stand now. */
typedef struct lnkeep_monitors_state {
    /** sizeof(lnkeep_monitors_state), set by the caller. */
    size_t size;
    /** Durable commits since the store was made. */
    uint64_t commit_sequence;
    /** Entries that wait for a commit, outputs included. */
    uint64_t pending_operations;
    /** Bytes of their payloads. */
    uint64_t pending_bytes;
    /** Generation of the external manager that came with the last commit that had one. */
    uint64_t manager_generation;
    /** Lowest height from which an active channel has to look at the chain again. */
    uint32_t rescan_height;
    /** Bits of LNKEEP_MONITORS_HAS_*. */
    uint32_t flags;
} lnkeep_monitors_state;

/** Bytes that the library allocated. */
typedef struct lnkeep_buf {
    /** First byte; NULL when len is 0. */
    const uint8_t *ptr;
    /** Number of bytes. */
    size_t len;
} lnkeep_buf;

/** A durable channel without its bytes. */
typedef struct lnkeep_channel {
    /** Which channel. */
    uint8_t channel_id[32];
    /** Update id that the snapshot includes. */
    uint64_t snapshot_update_id;
    /** The tip; of a damaged channel the recorded one. */
    uint64_t latest_update_id;
    /** Bytes of the snapshot. */
    uint64_t snapshot_bytes;
    /** Bytes of the updates after it; of a damaged channel those that can be read. */
    uint64_t update_bytes;
    /** The block that came with the snapshot. */
    uint8_t block_hash[32];
    /** Its height; 0 unknown. */
    uint32_t block_height;
    /**
     * LNKEEP_DAMAGE_*, 0 when nothing is wrong. A list of archived channels leaves it 0: what is wrong with
     * one of those is looked for when it is loaded.
     */
    uint32_t damage;
} lnkeep_channel;

/** An update of a channel. */
typedef struct lnkeep_monitor_update {
    /** Its id. */
    uint64_t update_id;
    /** Its bytes. */
    lnkeep_bytes update;
} lnkeep_monitor_update;

/** A durable channel with its bytes. */
typedef struct lnkeep_monitor {
    /** sizeof(lnkeep_monitor) of the library. */
    size_t size;
    /** Bytes from one update to the next: step by this, not by sizeof(lnkeep_monitor_update). */
    size_t update_stride;
    /** The snapshot; of a damaged channel what is left of it, NULL when there is none. */
    lnkeep_bytes snapshot;
    /** The updates to apply to it, in order; of a damaged channel those that can be read. */
    const lnkeep_monitor_update *updates;
    /** Number of updates. */
    size_t updates_len;
    /** LNKEEP_STAGE_*. */
    uint32_t stage;
    /** 0. */
    uint32_t reserved;
    /** Its facts; damage says what is wrong, also when it went wrong after the open. Stays the last field. */
    lnkeep_channel channel;
} lnkeep_monitor;

/** What the rules allow a payment in one state. Statuses are what the call that asks would answer. */
typedef struct lnkeep_payment_rules {
    /** sizeof(lnkeep_payment_rules), set by the caller. */
    size_t size;
    /** LNKEEP_DONE when the hash may be initiated again. */
    int32_t init;
    /** LNKEEP_DONE when attempts may be registered or end. */
    int32_t update;
    /** LNKEEP_DONE when the payment may be deleted. */
    int32_t remove;
    /** LNKEEP_DONE when another attempt may be registered. */
    int32_t can_register;
    /** LNKEEP_DONE when allow_more is the answer, else LNKEEP_PAYMENT_INTERNAL. */
    int32_t allow_more_status;
    /** 1 when a sender should make another attempt. */
    uint32_t allow_more;
    /** LNKEEP_DONE when need_wait is the answer, else LNKEEP_PAYMENT_INTERNAL. */
    int32_t need_wait_status;
    /** 1 when a sender that makes no more attempts must wait for those in flight. */
    uint32_t need_wait;
} lnkeep_payment_rules;

/** What the sums need of one attempt. */
typedef struct lnkeep_attempt_sum {
    /** LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT, _SETTLED or _FAILED. */
    uint32_t state;
    /** 0. */
    uint32_t reserved;
    /** What the receiver gets. */
    uint64_t amount_msat;
    /** What the hops get. */
    uint64_t fee_msat;
} lnkeep_attempt_sum;

/** What follows from a payment's attempts. */
typedef struct lnkeep_payment_state {
    /** sizeof(lnkeep_payment_state), set by the caller. */
    size_t size;
    /** LNKEEP_PAYMENT_STATUS_INITIATED, _IN_FLIGHT, _SUCCEEDED or _FAILED. */
    uint32_t status;
    /** Bits of LNKEEP_PAYMENT_STATE_HAS_SETTLED, LNKEEP_PAYMENT_STATE_GIVEN_UP. */
    uint32_t flags;
    /** Attempts in flight. */
    uint64_t in_flight;
    /** Amount that no attempt covers which did not fail. */
    uint64_t remaining_msat;
    /** Fees of the attempts that did not fail. */
    uint64_t fees_msat;
} lnkeep_payment_state;

/** Choices at the open of payments. Start with LNKEEP_PAYMENTS_OPTIONS_INIT. */
typedef struct lnkeep_payments_options {
    /** sizeof(lnkeep_payments_options), set by the caller. */
    size_t size;
    /** Bits of LNKEEP_PAYMENTS_*. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** How long a finished payment is kept by lnkeep_payments_sweep; 0 means until deleted. */
    uint64_t finished_retention_secs;
    /** How many finished payments are kept; 0 means all. */
    uint64_t finished_max;
    /** How many bytes payments and their attempts may take in the store; 0 means any. */
    uint64_t history_bytes_max;
    /**
     * How long the hash of a paid and deleted payment stays refused, and an idempotency key known; 0 means
     * for good.
     */
    uint64_t tombstone_retention_secs;
    /** How many subscriptions may be open; 0 means 65,536. */
    uint64_t subscriptions_max;
} lnkeep_payments_options;

/** The payments of a store. Zero is LNKEEP_PAYMENTS_NONE. */
typedef struct lnkeep_payments {
    /** Opaque; goes into lnkeep_op.component. */
    uint64_t bits;
} lnkeep_payments;

/** One attempt of a payment as stored. */
typedef struct lnkeep_payment_attempt {
    /** As the host gave it. */
    lnkeep_payment_attempt_request request;
    /** LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT, _SETTLED or _FAILED. */
    uint32_t state;
    /** Bits of LNKEEP_PAYMENT_MARK_*. */
    uint32_t marks;
    /** Of a settled attempt; zero otherwise. */
    uint8_t preimage[32];
    /** Time of the settle, nanoseconds since 1970; 0 if unknown or not settled. */
    uint64_t settled_unix_ns;
    /** Of a failed attempt; zero otherwise. */
    lnkeep_payment_failure failure;
    /** The operator's note of a force. */
    lnkeep_bytes note;
} lnkeep_payment_attempt;

/** One payment as stored: one allocation, freed by lnkeep_payment_free, or part of a page. */
typedef struct lnkeep_payment {
    /** sizeof(lnkeep_payment) of the library. */
    size_t size;
    /** As the host gave it. */
    lnkeep_payment_init init;
    /** Place in the order of initiation: rises, with gaps, and is never given twice. */
    uint64_t sequence;
    /** Rises by one with every change of this payment, beginning with 1. */
    uint64_t revision;
    /** LNKEEP_PAYMENT_STATUS_INITIATED, _IN_FLIGHT, _SUCCEEDED or _FAILED. */
    uint32_t status;
    /** Bits of LNKEEP_PAYMENT_MARK_LATE_SETTLE, LNKEEP_PAYMENT_MARK_FORCED. */
    uint32_t marks;
    /** LNKEEP_PAYMENT_REASON_*, the last one told; 0 without one. Succeeded payments may have one. */
    uint32_t failure_reason;
    /** The first reason told, 0 without one. */
    uint32_t first_failure_reason;
    /** Time the host last told when it changed, milliseconds since 1970; 0 if unknown. */
    uint64_t updated_unix_ms;
    /** Attempts in flight. */
    uint64_t in_flight;
    /** Amount that no attempt covers which did not fail. */
    uint64_t remaining_msat;
    /** Fees of the attempts that did not fail. */
    uint64_t fees_msat;
    /** LNKEEP_PAYMENT_TERMINAL_*: a settle counts before a reason, whatever the status. */
    uint32_t terminal;
    /** Index in attempts, with LNKEEP_PAYMENT_TERMINAL_SETTLED. */
    uint32_t terminal_attempt;
    /** Bytes from one attempt to the next: step by this, not by sizeof(lnkeep_payment_attempt). */
    size_t attempt_stride;
    /** The attempts, by id and then namespace. */
    const lnkeep_payment_attempt *attempts;
    /** Number of attempts. */
    size_t attempts_len;
} lnkeep_payment;

/** Which payments to list. Start with LNKEEP_PAYMENT_QUERY_INIT. */
typedef struct lnkeep_payment_query {
    /** sizeof(lnkeep_payment_query), set by the caller. */
    size_t size;
    /** Bits of LNKEEP_PAYMENT_QUERY_*. */
    uint32_t flags;
    /**
     * Bits `1 << LNKEEP_PAYMENT_STATUS_INITIATED` and so on; 0 means every status. INITIATED and IN_FLIGHT
     * alone read unfinished payments alone, whatever the history.
     */
    uint32_t statuses;
    /** Read with LNKEEP_PAYMENT_QUERY_OFFSET. */
    uint64_t offset;
    /** Only payments created at or after this time; 0 means any. */
    uint64_t created_from_unix_ns;
    /** Only payments created at or before this time; 0 means any. */
    uint64_t created_to_unix_ns;
    /** At most this many; 0 means 1,000, the most there is. */
    uint32_t limit;
    /** 0. */
    uint32_t reserved;
} lnkeep_payment_query;

/** A payment that cannot be read. */
typedef struct lnkeep_payment_unreadable {
    /** Its sequence number. */
    uint64_t sequence;
    /** 1 when payment_hash is known. */
    uint32_t has_hash;
    /** 0. */
    uint32_t reserved;
    /** For lnkeep_payments_quarantine. */
    uint8_t payment_hash[32];
} lnkeep_payment_unreadable;

/** One page of payments: one allocation, freed by lnkeep_payment_page_free. */
typedef struct lnkeep_payment_page {
    /** sizeof(lnkeep_payment_page) of the library. */
    size_t size;
    /** Bytes from one payment to the next: step by this, not by sizeof(lnkeep_payment). */
    size_t stride;
    /** The payments that matched, ascending by sequence number. */
    const lnkeep_payment *payments;
    /** Number of payments. */
    size_t payments_len;
    /** Payments met on the way that cannot be read. */
    const lnkeep_payment_unreadable *unreadable;
    /** Number of them. */
    size_t unreadable_len;
    /** Pass as lnkeep_payment_query.offset to go on, when has_more is 1. */
    uint64_t next;
    /** 1 when the list goes on after next; a page may be empty and still not the last. */
    uint32_t has_more;
    /** 0. */
    uint32_t reserved;
} lnkeep_payment_page;

/** Numbers of payments, without a scan. */
typedef struct lnkeep_payment_counts {
    /** sizeof(lnkeep_payment_counts), set by the caller. */
    size_t size;
    /** All that are stored. */
    uint64_t payments;
    /** Those INITIATED or IN_FLIGHT. */
    uint64_t unfinished;
    /** Hashes paid or quarantined whose history is gone. */
    uint64_t tombstones;
    /** Attempts of all payments. */
    uint64_t attempts;
    /** Idempotency keys. */
    uint64_t idempotency_keys;
    /** Deleted payments whose attempts wait for lnkeep_payments_sweep. */
    uint64_t doomed;
    /** Bytes that payments and their attempts take in the store. */
    uint64_t history_bytes;
} lnkeep_payment_counts;

/** What the host's dispatcher knows of one attempt in flight. */
typedef struct lnkeep_resume_answer {
    /** Which attempt. */
    lnkeep_attempt_key key;
    /** LNKEEP_ANSWER_*. */
    uint32_t answer;
    /** LNKEEP_ANSWER_FIRST_HOP_CLOSED or 0. */
    uint32_t flags;
    /** Of LNKEEP_ANSWER_SETTLED. */
    uint8_t preimage[32];
    /** Of LNKEEP_ANSWER_FAILED and LNKEEP_ANSWER_FAILED_FINAL. */
    lnkeep_payment_failure failure;
} lnkeep_resume_answer;

/** What a resume made of one payment. */
typedef struct lnkeep_resumed {
    /** Its sequence number. */
    uint64_t sequence;
    /** LNKEEP_RESUME_*. */
    uint32_t outcome;
    /** 1 when payment_hash is known; only an unreadable payment may lack it. */
    uint32_t has_hash;
    /** Which payment. */
    uint8_t payment_hash[32];
} lnkeep_resumed;

/** What a resume did: one allocation, freed by lnkeep_resume_free. */
typedef struct lnkeep_resume {
    /** sizeof(lnkeep_resume) of the library. */
    size_t size;
    /**
     * Attempts of the payments that were unfinished, ended ones included, by id: what lnkeep_attempts_clean
     * must keep.
     */
    const lnkeep_attempt_key *keep;
    /** Number of attempts in keep. */
    size_t keep_len;
    /** The payments that were unfinished, by sequence number. */
    const lnkeep_resumed *payments;
    /** Number of payments. */
    size_t payments_len;
} lnkeep_resume;

/** What lnkeep_payments_stuck looks for. Start with LNKEEP_STUCK_QUERY_INIT. */
typedef struct lnkeep_stuck_query {
    /** sizeof(lnkeep_stuck_query), set by the caller. */
    size_t size;
    /** Go on after this sequence number; 0 begins with the oldest. */
    uint64_t after;
    /** Height of the best block; 0 means what the store was last told. */
    uint32_t block_height;
    /** Blocks after the expiry in which an answer may still come. */
    uint32_t grace_blocks;
    /**
     * Payments without an attempt in flight that did not change since this time are abandoned; 0 asks for
     * none.
     */
    uint64_t untouched_since_unix_ms;
} lnkeep_stuck_query;

/** An attempt, or a payment without one, that nobody seems to look after. */
typedef struct lnkeep_stuck {
    /** Which payment. */
    uint8_t payment_hash[32];
    /** Its sequence number. */
    uint64_t sequence;
    /** Which attempt; zero with LNKEEP_STUCK_ABANDONED. */
    lnkeep_attempt_key attempt;
    /** LNKEEP_STUCK_*. */
    uint32_t reason;
    /** Absolute height at which the attempt's HTLC times out, 0 if unknown. */
    uint32_t cltv_expiry;
} lnkeep_stuck;

/** What was found stuck: one allocation, freed by lnkeep_stuck_list_free. */
typedef struct lnkeep_stuck_list {
    /** sizeof(lnkeep_stuck_list) of the library. */
    size_t size;
    /** What was found. */
    const lnkeep_stuck *found;
    /** Number of entries in found. */
    size_t found_len;
    /** Pass as lnkeep_stuck_query.after to go on, when has_more is 1. */
    uint64_t next;
    /** 1 when there are payments after next. */
    uint32_t has_more;
    /** 0. */
    uint32_t reserved;
} lnkeep_stuck_list;

/** Which payments lnkeep_payments_delete_many removes. Start with LNKEEP_PAYMENT_DELETE_FILTER_INIT. */
typedef struct lnkeep_payment_delete_filter {
    /** sizeof(lnkeep_payment_delete_filter), set by the caller. */
    size_t size;
    /** Bits of LNKEEP_DELETE_FORGET, LNKEEP_DELETE_FAILED_ATTEMPTS. */
    uint32_t flags;
    /**
     * Bits `1 << LNKEEP_PAYMENT_STATUS_INITIATED` and so on; 0 means SUCCEEDED and FAILED. Payments in
     * flight are never deleted.
     */
    uint32_t statuses;
    /** Only payments created at or before this time; 0 means any. */
    uint64_t created_to_unix_ns;
} lnkeep_payment_delete_filter;

/** Choices at the open of peer storage. Start with LNKEEP_PEER_STORAGE_OPTIONS_INIT. */
typedef struct lnkeep_peer_storage_options {
    /** sizeof(lnkeep_peer_storage_options), set by the caller. */
    size_t size;
    /** Bits of LNKEEP_PEER_STORAGE_*. */
    uint32_t flags;
    /** Share of peers_max and total_bytes_max that peers without an open channel may take; 0 means 25. */
    uint32_t without_channel_percent;
    /** Shortest time between two writes for one peer with a channel; 0 means 1,000. */
    uint64_t cooldown_ms;
    /** Shortest time between two writes for one peer without; 0 means 60,000. */
    uint64_t cooldown_without_channel_ms;
    /** Shortest time between a write and one for a disconnection; 0 means 100. */
    uint64_t disconnect_interval_ms;
    /** Most bytes of all blobs; 0 means 268,435,456. */
    uint64_t total_bytes_max;
    /** Most bytes that wait in memory to be written; 0 means 67,108,864. */
    uint64_t pending_bytes_max;
    /** Blocks that a blob is kept after its peer's last claim; 0 means 2,016 (BOLT 1). */
    uint32_t retention_blocks;
    /** Longest blob accepted; 0 means 65,531, all that a message has room for. */
    uint32_t blob_bytes_max;
    /** Most peers that may have a blob; 0 means 4,096. */
    uint32_t peers_max;
    /** 0. */
    uint32_t reserved;
} lnkeep_peer_storage_options;

/** The blobs that a store keeps for peers. Zero is LNKEEP_PEER_STORAGE_NONE. */
typedef struct lnkeep_peer_storage {
    /** Opaque. */
    uint64_t bits;
} lnkeep_peer_storage;

/** What the open of peer storage found. */
typedef struct lnkeep_peer_storage_report {
    /** sizeof(lnkeep_peer_storage_report), set by the caller. */
    size_t size;
    /** Peers with a blob. */
    uint64_t peers;
    /** Bytes of their blobs. */
    uint64_t bytes;
    /** Peers whose record was damaged: it was made anew of the blob, or the blob is lost too. */
    uint64_t damaged;
} lnkeep_peer_storage_report;

/** What became of a blob that was accepted. */
typedef struct lnkeep_stored {
    /** sizeof(lnkeep_stored), set by the caller. */
    size_t size;
    /** One of LNKEEP_STORED_*. */
    uint32_t result;
    /** Why a blob that was due could not be written and waits, 0 without that. */
    int32_t failure;
    /** With LNKEEP_STORED_DEFERRED: when it may be written, in the host's time. */
    uint64_t due_ms;
} lnkeep_stored;

/** What a tick did. */
typedef struct lnkeep_ticked {
    /** sizeof(lnkeep_ticked), set by the caller. */
    size_t size;
    /** Blobs that became durable. */
    uint64_t committed;
    /** Blobs that could not be written: they still wait, and are still returned to their peers. */
    uint64_t failed;
    /** When the next tick has something to do, in the host's time. */
    uint64_t next_due_ms;
    /** Bits of LNKEEP_TICKED_HAS_NEXT_DUE. */
    uint32_t flags;
    /** Why the first of those that failed did, 0 without one. */
    int32_t failure;
} lnkeep_ticked;

/** Nodes, in the order of their ids. Made by the library. */
typedef struct lnkeep_node_ids {
    /** Bytes of this structure. */
    size_t size;
    /** The ids, 33 bytes each, one after the other; NULL without any. */
    const uint8_t *ids;
    /** How many there are. */
    size_t ids_len;
} lnkeep_node_ids;

/** Why a peer may have a blob kept. */
typedef struct lnkeep_peer_claims {
    /** Whose: a compressed public key. */
    uint8_t node_id[33];
    /** 0. */
    uint8_t reserved_bytes[3];
    /** Channels that are open. */
    uint32_t open_channels;
    /** Channels whose funding is pending. */
    uint32_t pending_channels;
    /** Bits of LNKEEP_PEER_ALLOWED. */
    uint32_t flags;
} lnkeep_peer_claims;

/** A peer with a blob. */
typedef struct lnkeep_peer_entry {
    /** Whose. */
    uint8_t node_id[33];
    /** 0. */
    uint8_t reserved_bytes[3];
    /** Bits of LNKEEP_PEER_*. */
    uint32_t flags;
    /** SHA-256 of the newest blob. */
    uint8_t sha256[32];
    /** Bytes of the newest blob. */
    uint32_t blob_bytes;
    /** Channels that are open. */
    uint32_t open_channels;
    /** Channels whose funding is pending. */
    uint32_t pending_channels;
    /** Height at which the last claim ended. */
    uint32_t closed_at;
    /** Blocks until the blob is collected, counted from the last height that was told. */
    uint32_t blocks_left;
    /** 0. */
    uint32_t reserved;
    /** The host's time when the newest blob was received. */
    uint64_t received_ms;
    /** The host's time when the blob on disk was written. */
    uint64_t committed_ms;
    /** Blobs accepted. */
    uint64_t updates;
    /** Blobs written. */
    uint64_t commits;
} lnkeep_peer_entry;

/** A page of peers, in the order of their ids. Made by the library. */
typedef struct lnkeep_peer_page {
    /** Bytes of this structure. */
    size_t size;
    /** Bytes from one peer to the next. */
    size_t peer_stride;
    /** The peers, NULL without any. */
    const lnkeep_peer_entry *peers;
    /** How many there are. */
    size_t peers_len;
} lnkeep_peer_page;

/** Figures of peer storage, since its open and of now. */
typedef struct lnkeep_peer_storage_stats {
    /** sizeof(lnkeep_peer_storage_stats), set by the caller. */
    size_t size;
    /** Peers with a blob. */
    uint64_t peers;
    /** Bytes of the newest blobs. */
    uint64_t bytes;
    /** Of these, bytes of peers without a channel. */
    uint64_t bytes_without_channel;
    /** Blobs that wait in memory. */
    uint64_t pending;
    /** Their bytes. */
    uint64_t pending_bytes;
    /** Blobs found damaged that are still kept. */
    uint64_t damaged;
    /** Blobs written. */
    uint64_t commits;
    /** Blobs that were deferred. */
    uint64_t deferred;
    /** Blobs that were the newest already. */
    uint64_t unchanged;
    /** Blobs refused because nothing is offered, or the peer has no claim. */
    uint64_t refused_no_claim;
    /** Blobs refused because they are too long. */
    uint64_t refused_too_big;
    /** Blobs refused for a quota, or because too much waits in memory. */
    uint64_t refused_quota;
    /** Blobs collected. */
    uint64_t collected;
} lnkeep_peer_storage_stats;

/** A decoded message. Its views lead into the bytes that were given. */
typedef struct lnkeep_wire_message {
    /** sizeof(lnkeep_wire_message), set by the caller. */
    size_t size;
    /** LNKEEP_WIRE_PEER_STORAGE or LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL. */
    uint32_t kind;
    /** 0. */
    uint32_t reserved;
    /** The blob; an empty one is a blob like any other. */
    lnkeep_bytes blob;
    /** The bytes after the blob. */
    lnkeep_bytes extension;
} lnkeep_wire_message;

/** Choices at the open of a backup. Start with LNKEEP_BACKUP_OPTIONS_INIT. */
typedef struct lnkeep_backup_options {
    /** sizeof(lnkeep_backup_options), set by the caller. */
    size_t size;
    /** Bits of LNKEEP_BACKUP_HAS_ENTROPY. */
    uint32_t flags;
    /**
     * Length of the blobs that are sent, whatever they hold: 1,024, 4,096, 16,384 or 65,531; 0 means
     * 65,531 (BOLT 1). A payload that is at most 136 bytes shorter goes whole to every peer; a longer one is
     * cut into shares (lnkeep_backup_payload_max).
     */
    uint32_t size_class;
    /** Time that a peer has to return our blob; 0 means 10,000. */
    uint64_t hold_ms;
    /** Shortest time between two blobs for one peer that a tick asks for; 0 means 60,000. */
    uint64_t resend_interval_ms;
    /** Most peers that something is known of; 0 means 4,096. */
    uint32_t peers_max;
    /** 0. */
    uint32_t reserved;
    /** With LNKEEP_BACKUP_HAS_ENTROPY; else the operating system's is drawn. */
    uint8_t entropy[32];
    /** Which HTLCs are told to peers: one of LNKEEP_HTLC_PROFILE_*. */
    uint32_t htlc_profile;
    /** Length of the blobs that journals of HTLCs are sent in; 0 means 16,384. */
    uint32_t journal_size_class;
    /** Time between two journals, spread by a fifth to both sides; 0 means 60,000. */
    uint64_t journal_interval_ms;
    /**
     * Amount from which on an HTLC whose preimage became known, or that expires within 144 blocks, does not
     * wait for the next journal; 0 means 10,000,000.
     */
    uint64_t urgent_msat;
    /** Amount below which an HTLC is not worth its sweep, and is left out; 0 means 330,000. */
    uint64_t dust_msat;
    /** Peers that keep journals, and nothing else; 0 means 3. */
    uint32_t journal_keepers;
    /** Journals a minute for one peer; 0 means 1. */
    uint32_t peer_uploads_per_minute;
    /** Bytes of journals a day for one peer; 0 means 30,000,000. */
    uint64_t peer_bytes_per_day;
    /** Bytes of journals a day for all peers; 0 means 200,000,000. */
    uint64_t bytes_per_day;
} lnkeep_backup_options;

/** Our own data at our peers. Zero is LNKEEP_BACKUP_NONE. */
typedef struct lnkeep_backup {
    /** Opaque. */
    uint64_t bits;
} lnkeep_backup;

/** What the open of a backup found. */
typedef struct lnkeep_backup_report {
    /** sizeof(lnkeep_backup_report), set by the caller. */
    size_t size;
    /** Peers that something is known of. */
    uint64_t peers;
    /** Rows that cannot be read. */
    uint64_t damaged;
    /** Bits of LNKEEP_BACKUP_FRESH and LNKEEP_BACKUP_BLOCKED. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
} lnkeep_backup_report;

/** What follows from what a peer returned, or from its silence. */
typedef struct lnkeep_concluded {
    /** sizeof(lnkeep_concluded), set by the caller. */
    size_t size;
    /** One of LNKEEP_BACKUP_STATE_*. */
    uint32_t state;
    /** One of LNKEEP_BACKUP_ACTION_*. */
    uint32_t action;
    /**
     * Why the conclusion could not be made durable, 0 if that was not tried or went well. It holds until the
     * store is closed.
     */
    int32_t failure;
    /** 0. */
    uint32_t reserved;
} lnkeep_concluded;

/** A blob that was opened. Made by the library. */
typedef struct lnkeep_opened {
    /** Bytes of this structure. */
    size_t size;
    /** The payload. Keep it out of logs. */
    lnkeep_bytes payload;
    /** Sequence number, strictly increasing for one node over all its peers. */
    uint64_t seq;
    /** When it was sealed. */
    uint64_t created_unix_secs;
    /** Best block then. */
    uint32_t block_height;
    /** 0: a whole payload; 1: records of shares; 2: a journal of HTLCs. */
    uint32_t kind;
    /** As found: 1 a list of whom else to ask follows the payload's content, 2 HTLCs follow the host's bytes. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** Random, made once per database. */
    uint8_t instance[16];
    /** Whose shares these are; zero for a whole payload. */
    uint8_t set_id[16];
    /** SHA-256 of the payload. */
    uint8_t payload_sha256[32];
} lnkeep_opened;

/** What an envelope says of its payload. */
typedef struct lnkeep_envelope_header {
    /** sizeof(lnkeep_envelope_header), set by the caller. */
    size_t size;
    /** Sequence number. */
    uint64_t seq;
    /** When it is sealed. */
    uint64_t created_unix_secs;
    /** Best block. */
    uint32_t block_height;
    /** 0: a whole payload; 1: records of shares. */
    uint32_t kind;
    /** 0, up to 65,535. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** Random, made once per database. */
    uint8_t instance[16];
    /** Whose shares these are; zero for a whole payload. */
    uint8_t set_id[16];
} lnkeep_envelope_header;

/** What a host knows of a peer. Start with LNKEEP_PEER_FACTS_INIT. */
typedef struct lnkeep_peer_facts {
    /** sizeof(lnkeep_peer_facts), set by the caller. */
    size_t size;
    /** Capacity of all open channels with it. */
    uint64_t capacity_sat;
    /** Age of the oldest of them. */
    uint64_t channel_age_secs;
    /**
     * With LNKEEP_PEER_HAS_OPERATOR: who runs it, any number, equal for peers of one operator: no two of
     * them keep shares of one payload.
     */
    uint64_t operator_label;
    /**
     * Its address descriptor (BOLT 7, as in node_announcement: type, address, port), which is told to the
     * other peers, encrypted; empty if not known. Borrowed and copied.
     */
    lnkeep_bytes address;
    /** Bits of LNKEEP_PEER_*. */
    uint32_t flags;
    /**
     * Class of its software, as the host guesses it, 1 to 255; 0 if not known. Not more than half of the
     * shares lie with one class.
     */
    uint32_t software;
    /** Round trip of a ping; 0 if not known. */
    uint32_t latency_ms;
    /** 0. */
    uint32_t reserved;
} lnkeep_peer_facts;

/** An HTLC as a sweep needs it. Start with LNKEEP_BACKUP_HTLC_INIT. */
typedef struct lnkeep_backup_htlc {
    /** sizeof(lnkeep_backup_htlc), set by the caller. */
    size_t size;
    /** Of its channel. */
    uint8_t channel_id[32];
    /** Of update_add_htlc. */
    uint64_t htlc_id;
    /** SHA-256 of the preimage. */
    uint8_t payment_hash[32];
    /** Its amount. */
    uint64_t amount_msat;
    /** Block height of its expiry. */
    uint32_t cltv_expiry;
    /** Bits of LNKEEP_BACKUP_HTLC_*. */
    uint32_t flags;
    /** Zero without LNKEEP_BACKUP_HTLC_HAS_PREIMAGE. Keep it out of logs. */
    uint8_t preimage[32];
    /** Its output in the commitment, 0 without LNKEEP_BACKUP_HTLC_HAS_OUTPUT_INDEX. */
    uint32_t output_index;
    /** 0. */
    uint32_t reserved;
} lnkeep_backup_htlc;

/** Something to do about a peer. */
typedef struct lnkeep_backup_action {
    /** Which. */
    uint8_t node_id[33];
    /** 0. */
    uint8_t reserved_bytes[3];
    /** One of LNKEEP_BACKUP_STATE_*. */
    uint32_t state;
    /** One of LNKEEP_BACKUP_ACTION_*. */
    uint32_t action;
} lnkeep_backup_action;

/**
 * What a tick of a backup found: peers that returned nothing in time, then peers that are due for a blob.
 * Made by the library.
 */
typedef struct lnkeep_backup_actions {
    /** Bytes of this structure. */
    size_t size;
    /** Bytes from one action to the next. */
    size_t action_stride;
    /** The actions, NULL without any. */
    const lnkeep_backup_action *actions;
    /** How many there are. */
    size_t actions_len;
    /** When the next tick has something to do, in the host's time. */
    uint64_t next_due_ms;
    /** Bits of LNKEEP_BACKUP_HAS_NEXT_DUE. */
    uint32_t flags;
    /** Why the first conclusion that could not be made durable was not, 0 without one. */
    int32_t failure;
} lnkeep_backup_actions;

/** What is known of a peer. */
typedef struct lnkeep_backup_peer {
    /** Which. */
    uint8_t node_id[33];
    /** 0. */
    uint8_t reserved_bytes[3];
    /** One of LNKEEP_BACKUP_STATE_*. */
    uint32_t state;
    /** Sequence number of the last blob sent to it, 0 for none. */
    uint64_t sent_seq;
    /** The greatest sequence number it confirmed, 0 for none. */
    uint64_t committed_seq;
    /** How often it lost, rolled back or damaged a blob. */
    uint32_t strikes;
    /** How many of the last three of these are less than 30 days old: with three it should be replaced. */
    uint32_t recent_strikes;
    /** Bits of LNKEEP_BACKUP_PEER_*. */
    uint32_t flags;
    /** One of LNKEEP_COPY_*. */
    uint32_t copy;
    /** Length of the blobs it is sent: 1,024 once it twice did not keep longer ones. */
    uint32_t size_class;
    /** What the last blob for it carried: one of LNKEEP_CONTENT_*. */
    uint32_t sent_content;
    /** The host's time when it was last sent a blob, 0 for never. */
    uint64_t sent_ms;
    /** What the last blob that it returned carried: one of LNKEEP_CONTENT_*. */
    uint32_t held_content;
    /** With LNKEEP_BACKUP_PEER_HAS_SHARE: which share of the payload it keeps. */
    uint32_t share_index;
    /** With LNKEEP_BACKUP_PEER_HAS_FACTS: how good a keeper it is, in parts per million. */
    uint32_t score_ppm;
    /** 0. */
    uint32_t reserved;
} lnkeep_backup_peer;

/** A page of peers, in the order of their ids. Made by the library. */
typedef struct lnkeep_backup_peers {
    /** Bytes of this structure. */
    size_t size;
    /** Bytes from one peer to the next. */
    size_t peer_stride;
    /** The peers, NULL without any. */
    const lnkeep_backup_peer *peers;
    /** How many there are. */
    size_t peers_len;
} lnkeep_backup_peers;

/** Where a backup stands. */
typedef struct lnkeep_backup_standing {
    /** sizeof(lnkeep_backup_standing), set by the caller. */
    size_t size;
    /** Random, made once per database. */
    uint8_t instance[16];
    /** Sequence number of the next blob; until the first after an adoption it moves with the host's time. */
    uint64_t next_seq;
    /** Bytes of the payload, 0 without one. */
    uint64_t payload_bytes;
    /** Peers that something is known of. */
    uint64_t peers;
    /** Peers that returned the payload of now. */
    uint64_t confirmed_copies;
    /** Peers that were sent it and did not return it yet. */
    uint64_t unconfirmed_copies;
    /** Bits of LNKEEP_BACKUP_FRESH, LNKEEP_BACKUP_BLOCKED and LNKEEP_BACKUP_CUT. */
    uint32_t flags;
    /** How many suitable peers the payload needs, when there are too few; else 0. Nothing of it is sent then. */
    uint32_t needed_peers;
    /** What peers are sent: number of the first blob that carried it, 0 before one did. */
    uint64_t generation;
    /** The newest older one that is known to be restorable, and goes along; 0 without one. */
    uint64_t base_generation;
    /** How many shares restore generation: 1 when it goes whole, 0 before one was sealed. */
    uint32_t data_shares;
    /** How many shares there are of it: 1 when it goes whole, 0 before one was sealed. */
    uint32_t shares;
    /** Peers that have a place for a share. */
    uint32_t placed;
    /** Distinct shares of generation that came back and were not replaced since. */
    uint32_t confirmed_shares;
    /** Distinct shares of generation that were sent and not replaced since. */
    uint32_t sent_shares;
    /** Peers that keep journals of HTLCs. */
    uint32_t journal_keepers;
    /** HTLCs that the last journal told, 0 before one was sealed. */
    uint32_t covered_htlcs;
    /** HTLCs worth their sweep that it had no room for. */
    uint32_t uncovered_htlcs;
    /** Their amounts. */
    uint64_t uncovered_msat;
} lnkeep_backup_standing;

/** One channel of a blob of LDK's. */
typedef struct lnkeep_foreign_monitor {
    /** Which channel. */
    uint8_t channel_id[32];
    /** Its other end. */
    uint8_t counterparty[33];
    /** 0. */
    uint8_t reserved_bytes[7];
    /** Index of the last commitment secret that the counterparty revealed: it counts down from 2^48. */
    uint64_t min_seen_secret;
    /** A serialised ChannelMonitor, which only LDK reads. It holds secrets: keep it out of logs. */
    lnkeep_bytes monitor;
} lnkeep_foreign_monitor;

/** A blob of LDK's that was opened. Made by the library. */
typedef struct lnkeep_foreign_ldk {
    /** Bytes of this structure. */
    size_t size;
    /** Bytes from one monitor to the next. */
    size_t monitor_stride;
    /** The monitors, NULL without any. */
    const lnkeep_foreign_monitor *monitors;
    /** How many there are. */
    size_t monitors_len;
    /** The nonce that the blob was sealed with. */
    uint8_t nonce[12];
    /** 0. */
    uint32_t reserved;
} lnkeep_foreign_ldk;

/** One channel of a backup of Core Lightning's. */
typedef struct lnkeep_foreign_cln_channel {
    /** Core Lightning's number of the channel, which its keys are derived with. */
    uint64_t dbid;
    /** Its capacity. */
    uint64_t funding_sats;
    /** Index of the last commitment secret that the counterparty revealed: it counts down from 2^48. */
    uint64_t shachain_min_index;
    /** Where the other end was reached last: type byte, address, port (BOLT 7). */
    lnkeep_bytes address;
    /** Feature bits of the channel's type. */
    lnkeep_bytes channel_type;
    /**
     * Secrets of revoked commitments: an index of 8 bytes, big-endian, and a secret of 32, again and again.
     * Keep them out of logs.
     */
    lnkeep_bytes shachain;
    /** Which channel. */
    uint8_t channel_id[32];
    /** Transaction that funded it, in the byte order of the chain, not as it is shown. */
    uint8_t funding_txid[32];
    /** The other end. */
    uint8_t node_id[33];
    /** The counterparty's base of revocation keys. */
    uint8_t revocation_basepoint[33];
    /** The base of its payment key. */
    uint8_t payment_basepoint[33];
    /** The base of its HTLC keys. */
    uint8_t htlc_basepoint[33];
    /** The base of its delayed payment keys. */
    uint8_t delayed_payment_basepoint[33];
    /** 0. */
    uint8_t reserved_bytes[3];
    /** Output that funded it. */
    uint32_t funding_vout;
    /** Who opened it: 0 we, 1 the counterparty, as found. */
    uint32_t opener;
    /** Delay of the counterparty's own output. */
    uint32_t to_self_delay_blocks;
    /** Bits of LNKEEP_FOREIGN_CLN_HAS_*. */
    uint32_t flags;
} lnkeep_foreign_cln_channel;

/** A backup of Core Lightning's that was opened. Made by the library. */
typedef struct lnkeep_foreign_cln {
    /** Bytes of this structure. */
    size_t size;
    /** Bytes from one channel to the next. */
    size_t channel_stride;
    /** The channels, NULL without any. */
    const lnkeep_foreign_cln_channel *channels;
    /** How many there are. */
    size_t channels_len;
    /** Its version, as found. */
    uint64_t version;
    /** When it was written. */
    uint32_t timestamp_unix_secs;
    /** LNKEEP_FOREIGN_CLN_CHANNELS or LNKEEP_FOREIGN_CLN_CHANNELS_WITH_TLVS. */
    uint32_t format;
} lnkeep_foreign_cln;

/** A blob of lightning-kmp's that was opened. Made by the library. */
typedef struct lnkeep_foreign_lightning_kmp {
    /** Bytes of this structure. */
    size_t size;
    /** The states of all channels, which only lightning-kmp of this version reads. Keep it out of logs. */
    lnkeep_bytes payload;
    /** Version of the payload: 4 or 5. */
    uint32_t version;
    /** 0. */
    uint32_t reserved;
} lnkeep_foreign_lightning_kmp;

/** Place of a key in lnd's wallet. */
typedef struct lnkeep_key_locator {
    /** Key family. */
    uint32_t family;
    /** Index in it. */
    uint32_t index;
} lnkeep_key_locator;

/** One channel of lnd's, decoded. */
typedef struct lnkeep_foreign_lnd_channel {
    /** Its capacity. */
    uint64_t capacity_sat;
    /** Its place in the chain; while it was not confirmed only a block, that at which it was published. */
    uint64_t short_channel_id;
    /** Number of the commitment. */
    uint64_t commit_height;
    /** Where the other end was reached, each: type byte, address, port (BOLT 7). NULL without any. */
    const lnkeep_bytes *addresses;
    /** How many there are. */
    size_t addresses_len;
    /**
     * The latest commitment, without our signature. Published after a later one, the counterparty takes
     * everything.
     */
    lnkeep_bytes commit_tx;
    /** The counterparty's signature of it. */
    lnkeep_bytes commit_signature;
    /** Hash of its chain's first block, in the byte order of the chain. */
    uint8_t chain_hash[32];
    /** Transaction that funded it, in the byte order of the chain, not as it is shown. */
    uint8_t funding_txid[32];
    /** Root of the funding output's scripts. */
    uint8_t tapscript_root[32];
    /** The other end. */
    uint8_t node_id[33];
    /** The counterparty's key in the funding output. */
    uint8_t remote_multisig[33];
    /** The counterparty's base of revocation keys. */
    uint8_t remote_revocation[33];
    /** The base of its payment key. */
    uint8_t remote_payment[33];
    /** The base of its delayed payment keys. */
    uint8_t remote_delayed_payment[33];
    /** The base of its HTLC keys. */
    uint8_t remote_htlc[33];
    /** Public key of the root that our revocation secrets come from. */
    uint8_t shachain_root[33];
    /** 0. */
    uint8_t reserved_bytes[1];
    /** Our keys: multisig, revocation, payment, delayed payment, HTLC. */
    lnkeep_key_locator local_keys[5];
    /** Place of the root that our revocation secrets come from. */
    lnkeep_key_locator shachain_root_locator;
    /** Output that funded it. */
    uint32_t funding_vout;
    /** Delay of our own output. */
    uint32_t local_csv_delay_blocks;
    /** Delay of the counterparty's own output. */
    uint32_t remote_csv_delay_blocks;
    /** Block at which a lease ends. */
    uint32_t lease_expiry_height;
    /** Bits of LNKEEP_FOREIGN_LND_*. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
} lnkeep_foreign_lnd_channel;

/** One channel's part of lnd's file. */
typedef struct lnkeep_foreign_lnd_single {
    /** What follows version and length. */
    lnkeep_bytes bytes;
    /** The channel; NULL when this version is not known, or its fields do not fill the bytes. */
    const lnkeep_foreign_lnd_channel *channel;
    /** Version of the layout, 0 to 7 being known: it tells the type of the channel. */
    uint32_t version;
    /** 1 when the inputs of a closing transaction follow the channel, else 0. */
    uint32_t has_close_tx;
} lnkeep_foreign_lnd_single;

/** lnd's file that was opened. Made by the library. */
typedef struct lnkeep_foreign_lnd {
    /** Bytes of this structure. */
    size_t size;
    /** Bytes from one channel's part to the next. */
    size_t single_stride;
    /** The channels' parts, NULL without any; none of a version of the file other than 0. */
    const lnkeep_foreign_lnd_single *singles;
    /** How many there are: fewer than count when the file ends before. */
    size_t singles_len;
    /** The whole text. Keep it out of logs. */
    lnkeep_bytes plaintext;
    /** What follows the last part: nothing in a file of lnd's. */
    lnkeep_bytes rest;
    /** Version of the file. */
    uint32_t version;
    /** How many channels the file says that it has. */
    uint32_t count;
} lnkeep_foreign_lnd;

/** A share of an object. */
typedef struct lnkeep_stripe_share {
    /** The share. */
    lnkeep_bytes bytes;
    /** Which, from 0 on. */
    uint32_t index;
    /** 0. */
    uint32_t reserved;
} lnkeep_stripe_share;

/** Every share of an object, in the order of their indexes. Made by the library. */
typedef struct lnkeep_shares {
    /** Bytes of this structure. */
    size_t size;
    /** Bytes from one share to the next. */
    size_t share_stride;
    /** The shares. */
    const lnkeep_stripe_share *shares;
    /** How many there are. */
    size_t shares_len;
} lnkeep_shares;

/** A record: a share, and what is said of it. */
typedef struct lnkeep_share_record {
    /** Of which generation of the object it is: shares of different ones do not go together. */
    uint64_t generation;
    /** The share. */
    lnkeep_bytes share;
    /** Bytes of the object. */
    uint32_t object_bytes;
    /** So many shares restore the object. */
    uint32_t data_shares;
    /** So many were made. */
    uint32_t shares;
    /** Which of them this is, from 0 on. */
    uint32_t index;
    /** SHA-256 of the object. What is restored is the object only if it has this hash. */
    uint8_t object_sha256[32];
} lnkeep_share_record;

/** The records of a payload. Made by the library. */
typedef struct lnkeep_share_records {
    /** Bytes of this structure. */
    size_t size;
    /** Bytes from one record to the next. */
    size_t record_stride;
    /** The records: one or two. */
    const lnkeep_share_record *records;
    /** How many there are. */
    size_t records_len;
} lnkeep_share_records;

/** A peer that may be asked. */
typedef struct lnkeep_roster_peer {
    /** Which. */
    uint8_t node_id[33];
    /** 0. */
    uint8_t reserved_bytes[3];
    /** The share that it keeps, or LNKEEP_ROSTER_NO_SHARE. */
    uint32_t index;
    /** Where it was last reached: an address descriptor of BOLT 7 (type, address, port), or nothing. */
    lnkeep_bytes address;
} lnkeep_roster_peer;

/** A payload's content, and who keeps the other shares. Made by the library. */
typedef struct lnkeep_roster {
    /** Bytes of this structure. */
    size_t size;
    /** The payload without its roster; all of it without LNKEEP_ENVELOPE_HAS_ROSTER. */
    lnkeep_bytes content;
    /** Generation whose shares the indexes speak of; 0 without a roster. */
    uint64_t generation;
    /** Bytes from one peer to the next. */
    size_t peer_stride;
    /** The peers, NULL without any. */
    const lnkeep_roster_peer *peers;
    /** How many there are. */
    size_t peers_len;
} lnkeep_roster;

/** Choices for a recovery. Start with LNKEEP_RECOVERY_OPTIONS_INIT. */
typedef struct lnkeep_recovery_options {
    /** sizeof(lnkeep_recovery_options), set by the caller. */
    size_t size;
    /** From this time on nobody is waited for: a newest generation that is complete is final; 0: never. */
    uint64_t deadline_ms;
    /** Time that a peer has to be reached; 0 means 60,000. */
    uint64_t answer_ms;
    /** Time that a connected peer has to return a blob; 0 means 10,000. */
    uint64_t blob_ms;
    /** Most peers that may be known; 0 means 10,000, which is also the most. */
    uint32_t candidates_max;
    /** 0. */
    uint32_t reserved;
} lnkeep_recovery_options;

/** A recovery that goes on. It needs no store. Zero is LNKEEP_RECOVERY_SESSION_NONE. */
typedef struct lnkeep_recovery_session {
    /** Opaque. */
    uint64_t bits;
} lnkeep_recovery_session;

/** A peer that may keep something of ours. */
typedef struct lnkeep_recovery_candidate {
    /** Its node id. */
    uint8_t node_id[33];
    /** 0. */
    uint8_t reserved_bytes[3];
    /** 1 if the public graph shows a channel with it, else 0. */
    uint32_t is_announced;
    /** Its address descriptor of BOLT 7 (type, address, port), at most 255 bytes, or none. Borrowed. */
    lnkeep_bytes address;
} lnkeep_recovery_candidate;

/** What to do next. Start with LNKEEP_RECOVERY_NEXT_INIT. */
typedef struct lnkeep_recovery_next {
    /** sizeof(lnkeep_recovery_next), set by the caller. */
    size_t size;
    /** One of LNKEEP_RECOVERY_NEXT_*. */
    uint32_t kind;
    /** Bytes of the address, 0 if none is known. */
    uint32_t address_len;
    /** With LNKEEP_RECOVERY_NEXT_WAIT: when to ask again, in the host's milliseconds. */
    uint64_t until_ms;
    /** With LNKEEP_RECOVERY_NEXT_ASK: the peer. */
    uint8_t node_id[33];
    /** 0. */
    uint8_t reserved_bytes[7];
    /** An address descriptor of BOLT 7. After a failure, another one if there is one. */
    uint8_t address[256];
} lnkeep_recovery_next;

/**
 * Keys of software that a node ran before, each 32 bytes, borrowed, or NULL. Start with
 * LNKEEP_FOREIGN_KEYS_INIT.
 */
typedef struct lnkeep_foreign_keys {
    /** sizeof(lnkeep_foreign_keys), set by the caller. */
    size_t size;
    /** What lnkeep_foreign_ldk_key gives. */
    const uint8_t *ldk;
    /** What lnkeep_foreign_cln_key gives. */
    const uint8_t *cln;
    /** The private key of the node. */
    const uint8_t *lightning_kmp;
    /** What lnkeep_foreign_lnd_key gives. */
    const uint8_t *lnd;
} lnkeep_foreign_keys;

/** What a blob brought. Start with LNKEEP_FED_INIT. */
typedef struct lnkeep_fed {
    /** sizeof(lnkeep_fed), set by the caller. */
    size_t size;
    /** One of LNKEEP_FED_*. */
    uint32_t outcome;
    /** What the outcome says, else 0. */
    uint32_t fault;
} lnkeep_fed;

/** What was gathered of one generation. Made by the library. */
typedef struct lnkeep_recovery_set {
    /** Which generation. */
    uint64_t generation;
    /** Of which object; zero for whole payloads. */
    uint8_t set_id[16];
    /** Distinct shares found. */
    uint32_t have;
    /** Distinct shares that restore it. */
    uint32_t need;
    /** Shares that were made. */
    uint32_t shares;
    /** 0. */
    uint32_t reserved;
} lnkeep_recovery_set;

/** How far a recovery is. Made by the library. */
typedef struct lnkeep_recovery_progress {
    /** Bytes of this structure. */
    size_t size;
    /** Bytes from one set to the next. */
    size_t set_stride;
    /** Every generation that a share was found of, the highest first; NULL without any. */
    const lnkeep_recovery_set *sets;
    /** Number of sets. */
    size_t sets_len;
    /** The greatest generation that can be restored. */
    uint64_t best_generation;
    /** The greatest generation known of. */
    uint64_t newest_seen_generation;
    /** LNKEEP_RECOVERY_EMPTY to LNKEEP_RECOVERY_COMPLETE_FINAL. */
    uint32_t status;
    /** Bits of LNKEEP_RECOVERY_HAS_*. */
    uint32_t flags;
    /** Peers known of. */
    uint32_t peers_known;
    /** Peers that were asked, or reported of. */
    uint32_t peers_asked;
    /** Peers that answered, whatever they said. */
    uint32_t peers_answered;
    /** Peers whose answer is awaited. */
    uint32_t peers_pending;
    /** Peers that failed three times and did not answer. */
    uint32_t peers_unreachable;
    /** Peers that returned a blob of ours. */
    uint32_t peers_with_blob;
    /** Peers that returned something that does not open. */
    uint32_t peers_unreadable;
    /** Blobs kept. */
    uint32_t blobs;
} lnkeep_recovery_progress;

/** A payload that was restored. Made by the library. */
typedef struct lnkeep_recovered {
    /** Bytes of this structure. */
    size_t size;
    /** The payload as the host gave it. Keep it out of logs. */
    lnkeep_bytes payload;
    /** Which generation it is. */
    uint64_t generation;
    /** When the oldest of the blobs that bring it was sealed. */
    uint64_t created_unix_secs;
    /** Best block then. */
    uint32_t block_height;
    /** LNKEEP_RECOVERY_COMPLETE_OLDER to LNKEEP_RECOVERY_COMPLETE_FINAL. */
    uint32_t status;
    /** Of which object; zero for a whole payload. */
    uint8_t set_id[16];
    /** LNKEEP_RECOVERED_CLOSE_AND_SWEEP_ONLY. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
} lnkeep_recovered;

/** The point of a channel's commitment. Made by the library. */
typedef struct lnkeep_recovered_point {
    /** The channel. */
    uint8_t channel_id[32];
    /** The per-commitment point that the peer's commitment was made with. */
    uint8_t per_commitment_point[33];
    /** 0. */
    uint8_t reserved_bytes[7];
} lnkeep_recovered_point;

/** HTLCs that were restored. Made by the library. */
typedef struct lnkeep_recovered_htlcs {
    /** Bytes of this structure. */
    size_t size;
    /** Bytes from one HTLC to the next. */
    size_t htlc_stride;
    /** HTLCs, in the order of channel and direction; NULL without any. Keep preimages out of logs. */
    const lnkeep_backup_htlc *htlcs;
    /** Number of HTLCs. */
    size_t htlcs_len;
    /** Bytes from one point to the next. */
    size_t point_stride;
    /** Points of channels, in their order; NULL without any. */
    const lnkeep_recovered_point *points;
    /** Number of points. */
    size_t points_len;
    /** The generation that they begin with. */
    uint64_t base_generation;
    /** Sequence number of the journal. */
    uint64_t journal_seq;
    /** When the journal, or without one the snapshot, was sealed. */
    uint64_t created_unix_secs;
    /** Amounts of the HTLCs that were worth their sweep and did not fit into the journal. */
    uint64_t uncovered_msat;
    /** Number of those. */
    uint32_t uncovered_count;
    /** Best block when it was sealed. */
    uint32_t block_height;
    /** Bits of LNKEEP_RECOVERED_HTLCS_*. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
} lnkeep_recovered_htlcs;

/**
 * Choices at the open of resources. Start with LNKEEP_RESOURCES_OPTIONS_INIT. The numbers that decisions
 * depend on are recorded; opened with others, every channel is divided anew and keeps its HTLCs.
 */
typedef struct lnkeep_resources_options {
    /** sizeof(lnkeep_resources_options), set by the caller. */
    size_t size;
    /** Bits of LNKEEP_RESOURCES_*. */
    uint32_t flags;
    /** Percent of a channel that anybody may use; 0 means 40. */
    uint32_t general_percent;
    /** Percent kept for those without reputation when the general bucket is full; 0 means 20. */
    uint32_t congestion_percent;
    /** Revenue windows over which reputation is earned; 0 means 12. */
    uint32_t reputation_multiplier;
    /** Time within which an HTLC should resolve; 0 means 90. */
    uint64_t resolution_period_secs;
    /** Window whose revenue is the threshold; 0 means two weeks. */
    uint64_t revenue_window_secs;
    /** Base of the fee that an HTLC's delay is charged with at least; 0 means 1,000. */
    uint64_t default_fee_base_msat;
    /** Millionths of the amount that come on top; 0 means 1. */
    uint32_t default_fee_ppm;
    /** Calls that may wait for the disk, rounded up to a power of two; 0 means 65,536. Each takes 64 bytes. */
    uint32_t journal_entries_max;
    /** Decisions that are kept for lnkeep_resources_decisions; 0 keeps none. */
    uint32_t decisions_kept;
    /** 0. */
    uint32_t reserved;
    /** With LNKEEP_RESOURCES_HAS_ENTROPY; else the operating system's is drawn. */
    uint8_t entropy[32];
} lnkeep_resources_options;

/** The resources of a store. Zero is LNKEEP_RESOURCES_NONE. */
typedef struct lnkeep_resources {
    /** Opaque. */
    uint64_t bits;
} lnkeep_resources;

/** What the open of resources found. */
typedef struct lnkeep_resources_report {
    /** sizeof(lnkeep_resources_report), set by the caller. */
    size_t size;
    /** Channels. */
    uint64_t channels;
    /** HTLCs that were pending: give lnkeep_resources_reconcile those that the node still has. */
    uint64_t pending;
    /** Journal entries that were newer than their channels' rows. */
    uint64_t replayed;
    /** Rows that cannot be read: their channels are not known and have to be added again. */
    uint64_t damaged;
    /** Bits of LNKEEP_RESOURCES_DIVIDED_ANEW. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
} lnkeep_resources_report;

/** What a channel's two ends agreed on for HTLCs that come in through it (BOLT 2 open_channel). */
typedef struct lnkeep_channel_limits {
    /** max_htlc_value_in_flight_msat. */
    uint64_t max_in_flight_msat;
    /** max_accepted_htlcs, 1 to 483. */
    uint32_t max_accepted_htlcs;
    /** 0. */
    uint32_t reserved;
} lnkeep_channel_limits;

/** How the limits of a channel are divided. */
typedef struct lnkeep_allocation {
    /** Liquidity of the general bucket. */
    uint64_t general_liquidity_msat;
    /** What one general slot carries. */
    uint64_t slot_msat;
    /** Liquidity of the congestion bucket. */
    uint64_t congestion_liquidity_msat;
    /** Liquidity of the protected bucket. */
    uint64_t protected_liquidity_msat;
    /** Slots of the general bucket. */
    uint32_t general_slots;
    /** General slots that one outgoing channel may use. */
    uint32_t pair_slots;
    /** Slots of the congestion bucket. */
    uint32_t congestion_slots;
    /** Slots of the protected bucket. */
    uint32_t protected_slots;
} lnkeep_allocation;

/** An HTLC that may be forwarded. Set everything else to 0. */
typedef struct lnkeep_htlc_request {
    /** Short channel id, or the host's own number, of the channel it arrived on. */
    uint64_t incoming;
    /** The channel it would go out through. */
    uint64_t outgoing;
    /** Its id on the incoming channel (BOLT 2 update_add_htlc). */
    uint64_t htlc_id;
    /** Its amount on the incoming channel. */
    uint64_t incoming_amount_msat;
    /** Its amount on the outgoing channel. */
    uint64_t outgoing_amount_msat;
    /** The fee that our own policy asks for: what is paid beyond it counts for nothing. */
    uint64_t policy_fee_msat;
    /** The time of now. */
    uint64_t unix_secs;
    /** Block height at which it expires on the incoming channel. */
    uint32_t incoming_cltv_expiry;
    /** The height of now. */
    uint32_t block_height;
    /** Bits of LNKEEP_HTLC_*. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
} lnkeep_htlc_request;

/** The answer to a lnkeep_htlc_request. */
typedef struct lnkeep_decision {
    /**
     * LNKEEP_DONE: decided; LNKEEP_ALREADY: decided before, nothing was changed; LNKEEP_NOT_DURABLE:
     * decided, and not on disk yet; else nothing was decided and the rest is 0.
     */
    int32_t status;
    /** LNKEEP_VERDICT_*. */
    uint32_t verdict;
    /** LNKEEP_REASON_*. */
    uint32_t reason;
    /** LNKEEP_BUCKET_*. */
    uint32_t bucket;
    /** Bits of LNKEEP_DECISION_*. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** What the status speaks of where it is below 0: the channel that is unknown or closing; else 0. */
    uint64_t value;
} lnkeep_decision;

/** The numbers that a decision was made from, as they stood before it. */
typedef struct lnkeep_grounds {
    /** The fee that counts. */
    uint64_t fee_msat;
    /** The fee that its delay is charged with: the default one at least. */
    uint64_t charged_fee_msat;
    /** What the HTLC would cost if it were held to its end. */
    uint64_t htlc_risk_msat;
    /** The outgoing channel's reputation. */
    int64_t outgoing_reputation_msat;
    /** The risk of what is in flight on it. */
    uint64_t outgoing_in_flight_risk_msat;
    /** The threshold: what the incoming channel earns us in a revenue window. */
    int64_t incoming_revenue_msat;
    /** General slots that the HTLC needs. */
    uint64_t general_slots_needed;
    /** Liquidity in use of the congestion bucket. */
    uint64_t congestion_used_msat;
    /** Liquidity of the congestion bucket. */
    uint64_t congestion_liquidity_msat;
    /** Liquidity in use of the protected bucket. */
    uint64_t protected_used_msat;
    /** Liquidity of the protected bucket. */
    uint64_t protected_liquidity_msat;
    /** General slots of this pair that are free. */
    uint32_t pair_slots_free;
    /** General slots in use. */
    uint32_t general_slots_used;
    /** General slots of the channel. */
    uint32_t general_slots;
    /** Slots in use of the congestion bucket. */
    uint32_t congestion_slots_used;
    /** Slots of the congestion bucket. */
    uint32_t congestion_slots;
    /** Slots in use of the protected bucket. */
    uint32_t protected_slots_used;
    /** Slots of the protected bucket. */
    uint32_t protected_slots;
    /** Bits of LNKEEP_GROUNDS_*. */
    uint32_t flags;
} lnkeep_grounds;

/** An HTLC that was forwarded and is over. Set everything else to 0. */
typedef struct lnkeep_resolve_request {
    /** The channel it arrived on. */
    uint64_t incoming;
    /** The channel it went out through. */
    uint64_t outgoing;
    /** Its id on the incoming channel. */
    uint64_t htlc_id;
    /** The time of now. */
    uint64_t unix_secs;
    /** LNKEEP_RESOLVE_SETTLED or 0. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
} lnkeep_resolve_request;

/** The answer to a lnkeep_resolve_request. */
typedef struct lnkeep_resolution {
    /**
     * LNKEEP_DONE; LNKEEP_ALREADY: resolved before with the same outcome; LNKEEP_NOT_DURABLE: resolved,
     * and not on disk yet; LNKEEP_RESOLVED_BEFORE_ADDED: released; else nothing was done.
     */
    int32_t status;
    /** 0. */
    uint32_t reserved;
    /** What the outgoing channel's reputation changed by. */
    int64_t effective_fee_msat;
    /** What the status speaks of where it is below 0: the channel that is unknown; else 0. */
    uint64_t value;
} lnkeep_resolution;

/** An HTLC that the node has forwarded and not resolved. Set everything else to 0. */
typedef struct lnkeep_live_htlc {
    /** The channel it arrived on. */
    uint64_t incoming;
    /** The channel it went out through. */
    uint64_t outgoing;
    /** Its id on the incoming channel. */
    uint64_t htlc_id;
    /** Its amount on the incoming channel. */
    uint64_t incoming_amount_msat;
    /** Its amount on the outgoing channel. */
    uint64_t outgoing_amount_msat;
    /** When it was forwarded, or now if that is not known. */
    uint64_t added_unix_secs;
    /** Block height at which it expires on the incoming channel. */
    uint32_t incoming_cltv_expiry;
    /** The height when it was forwarded, or now if that is not known. */
    uint32_t block_height;
    /** LNKEEP_HTLC_ACCOUNTABLE if it went out so, else 0. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
} lnkeep_live_htlc;

/** What lnkeep_resources_reconcile did. */
typedef struct lnkeep_reconciled {
    /** sizeof(lnkeep_reconciled), set by the caller. */
    size_t size;
    /** HTLCs that both knew. */
    uint64_t kept;
    /** HTLCs that the node has no more: released, with no effect on any reputation. */
    uint64_t dropped;
    /** HTLCs that only the node knew: tracked now. */
    uint64_t added;
    /** HTLCs of the node whose channels are not known: add the channels, then reconcile again. */
    uint64_t unknown_channel;
    /** HTLCs that both know with other content: what was known stays. */
    uint64_t different;
} lnkeep_reconciled;

/** One forward of the past. */
typedef struct lnkeep_forward_row {
    /** The channel it came in through. */
    uint64_t incoming;
    /** The channel it went out through. */
    uint64_t outgoing;
    /** What it earned. */
    uint64_t fee_msat;
    /** When it was added. */
    uint64_t added_unix_secs;
    /** When it settled. */
    uint64_t settled_unix_secs;
} lnkeep_forward_row;

/** What lnkeep_resources_import_history did. */
typedef struct lnkeep_imported {
    /** sizeof(lnkeep_imported), set by the caller. */
    size_t size;
    /** Channels whose averages now hold their history. */
    uint64_t channels;
    /** Channels that had taken a history before, and were left as they are. */
    uint64_t channels_before;
    /** Rows of which at least one channel took its part. */
    uint64_t rows;
    /** Rows that settled before they were added, or whose channels are not known or closing. */
    uint64_t rows_passed_over;
} lnkeep_imported;

/** One channel of the resources. */
typedef struct lnkeep_resources_channel {
    /** Its id. */
    uint64_t channel;
    /** Its limits. */
    lnkeep_channel_limits limits;
    /** How they are divided. */
    lnkeep_allocation allocation;
    /** Reputation as outgoing, as of reputation_updated_unix_secs. */
    int64_t reputation_msat;
    /** When it changed last. */
    uint64_t reputation_updated_unix_secs;
    /** Reputation as of the time asked for. */
    int64_t reputation_now_msat;
    /** All revenue as incoming, as of revenue_updated_unix_secs. */
    int64_t revenue_total_msat;
    /** When it changed last. */
    uint64_t revenue_updated_unix_secs;
    /** From when on it was counted. */
    uint64_t revenue_start_unix_secs;
    /** Revenue of one window as of the time asked for: the threshold of HTLCs that come in through it. */
    int64_t revenue_now_msat;
    /** Risk of what is in flight out through it. */
    uint64_t in_flight_risk_msat;
    /** Liquidity in use of the congestion bucket. */
    uint64_t congestion_used_msat;
    /** Liquidity in use of the protected bucket. */
    uint64_t protected_used_msat;
    /** Slots in use of the congestion bucket. */
    uint32_t congestion_slots_used;
    /** Slots in use of the protected bucket. */
    uint32_t protected_slots_used;
    /** General slots in use. */
    uint32_t general_slots_used;
    /** HTLCs pending out through it. */
    uint32_t pending_outgoing;
    /** HTLCs pending that came in through it. */
    uint32_t pending_incoming;
    /** HTLCs out through it that sit in a congestion bucket. */
    uint32_t outgoing_in_congestion;
    /** Bits of LNKEEP_RESOURCES_IS_CLOSING. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
} lnkeep_resources_channel;

/** An HTLC that was forwarded and is not resolved. */
typedef struct lnkeep_pending_htlc {
    /** The channel it arrived on. */
    uint64_t incoming;
    /** The channel it went out through. */
    uint64_t outgoing;
    /** Its id on the incoming channel. */
    uint64_t htlc_id;
    /** Its amount on the incoming channel. */
    uint64_t incoming_amount_msat;
    /** The fee that it pays. */
    uint64_t fee_msat;
    /** When it was added. */
    uint64_t added_unix_secs;
    /** What it would cost if it were held to its end. */
    uint64_t risk_msat;
    /** LNKEEP_BUCKET_*. */
    uint32_t bucket;
    /** General slots that it takes. */
    uint32_t general_slots;
    /** Bits of LNKEEP_PENDING_*. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
} lnkeep_pending_htlc;

/** General slots that one incoming channel lends to one outgoing channel. */
typedef struct lnkeep_resources_pair {
    /** Whose slots. */
    uint64_t incoming;
    /** Who uses them. */
    uint64_t outgoing;
    /** Slot numbers in the order of their generation; the first slots_len of them. */
    uint16_t slots[25];
    /** How many. */
    uint16_t slots_len;
    /** Bit n is set if slots[n] is in use. */
    uint32_t used;
} lnkeep_resources_pair;

/** A mark on an outgoing channel that held an HTLC in a congestion bucket for too long. */
typedef struct lnkeep_resources_mark {
    /** Whose congestion bucket. */
    uint64_t incoming;
    /** Who misused it. */
    uint64_t outgoing;
    /** When it did last. */
    uint64_t misused_unix_secs;
} lnkeep_resources_mark;

/** Everything that the resources know. Arrays are in the order of their ids, incoming before outgoing. */
typedef struct lnkeep_resources_snapshot {
    /** sizeof(lnkeep_resources_snapshot) of the library. */
    size_t size;
    /** Bytes from one channel to the next. */
    size_t channel_stride;
    /** Bytes from one HTLC to the next. */
    size_t pending_stride;
    /** Bytes from one pair to the next. */
    size_t pair_stride;
    /** Bytes from one mark to the next. */
    size_t mark_stride;
    /** Channels. */
    const lnkeep_resources_channel *channels;
    /** How many. */
    size_t channels_len;
    /** Pending HTLCs. */
    const lnkeep_pending_htlc *pending;
    /** How many. */
    size_t pending_len;
    /** Pairs that use general slots; in compat mode every pair that was ever looked at. */
    const lnkeep_resources_pair *pairs;
    /** How many. */
    size_t pairs_len;
    /** Marks of misuse. */
    const lnkeep_resources_mark *marks;
    /** How many. */
    size_t marks_len;
} lnkeep_resources_snapshot;

/** Figures of resources since their open. */
typedef struct lnkeep_resources_stats {
    /** sizeof(lnkeep_resources_stats), set by the caller. */
    size_t size;
    /** HTLCs forwarded. */
    uint64_t forwarded;
    /** HTLCs failed. */
    uint64_t failed;
    /** HTLCs forwarded although they would have been failed. */
    uint64_t would_fail;
    /** Calls that repeated an earlier one. */
    uint64_t repeated;
    /** HTLCs resolved. */
    uint64_t resolved;
    /** Calls whose time was earlier than that of a call before them. */
    uint64_t clock_clamped;
    /** Journal entries that wait to be written. */
    uint64_t journal_waiting;
    /** Number of the next journal entry. */
    uint64_t journal_next;
    /** Journal entries below this number are durable. */
    uint64_t journal_durable_below;
} lnkeep_resources_stats;

/** One named cursor on the events of a store. Zero is LNKEEP_EVENTS_NONE. */
typedef struct lnkeep_events {
    /** Opaque. */
    uint64_t bits;
} lnkeep_events;

/** One change, as it was when its commit became durable. */
typedef struct lnkeep_event {
    /** Number of the event: rises by one, never reused. */
    uint64_t sequence;
    /** LNKEEP_EVENT_*. */
    uint32_t kind;
    /**
     * LNKEEP_STATE_* of the attempt's record, or status of the payment, after the event; the first byte of
     * the node id where it is about a peer.
     */
    uint32_t state;
    /** BOLT 4 failure code, 0 where there is none or it is not known. */
    uint32_t failure_code;
    /** Block height the host last told. */
    uint32_t block_height;
    /** Time the host last told, milliseconds since 1970. */
    uint64_t unix_ms;
    /**
     * What it happened to: an attempt's namespace in the first 16 bytes, a payment's hash, or a peer's node
     * id without its first byte, which is state then.
     */
    uint8_t subject[32];
    /** Attempt id, 0 where it is about no attempt. */
    uint64_t attempt_id;
    /** Amount of the attempt, or of the payment where it is about no attempt; 0 if unknown. */
    uint64_t amount_msat;
    /** Namespace of the attempt. */
    uint8_t namespace_bytes[16];
    /** State of the payment's attempt after the event, LNKEEP_PAYMENT_ATTEMPT_*; 0 where there is none. */
    uint32_t attempt_state;
    /** LNKEEP_PAYMENT_REASON_*, 0 while the payment was not given up. */
    uint32_t failure_reason;
    /** Bits of LNKEEP_EVENT_TERMINAL, LNKEEP_EVENT_HAD_LATE_SETTLE. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
    /** Amount of the payment that no attempt covers. */
    uint64_t remaining_msat;
    /** Fees of the payment's attempts that did not fail. */
    uint64_t fees_msat;
} lnkeep_event;

/** One thing that a check found wrong. */
typedef struct lnkeep_finding {
    /** Page of the file it was found on, 0 when it concerns the file or a table as a whole. */
    uint64_t page;
    /** Name of the table, as docs/format.md lists them; empty when it concerns none. Never NULL. */
    const char *table;
    /** Key of the row, empty when it concerns none. */
    lnkeep_bytes key;
    /** What is wrong, one line of text. Never NULL. */
    const char *fault;
    /** Bits of LNKEEP_FINDING_*. */
    uint32_t flags;
    /** 0. */
    uint32_t reserved;
} lnkeep_finding;

/**
 * What a check found: one allocation, freed by lnkeep_check_report_free. Figures that a damaged file does
 * not give are 0.
 */
typedef struct lnkeep_check_report {
    /** sizeof(lnkeep_check_report) of the library. */
    size_t size;
    /** Bytes from one finding to the next: step by this, not by sizeof(lnkeep_finding). */
    size_t stride;
    /** What is wrong; nothing is wrong with a sound store. */
    const lnkeep_finding *findings;
    /** Number of findings, at most 1,000. */
    size_t findings_len;
    /** Bits of LNKEEP_CHECK_*. */
    uint32_t flags;
    /** Block height the host last told. */
    uint32_t block_height;
    /** Time the host last told, milliseconds since 1970. */
    uint64_t unix_ms;
    /** Identity of the store. */
    uint8_t store_id[16];
    /** Epoch of the last open. */
    uint64_t epoch;
    /** Number of the last commit. */
    uint64_t commit_number;
    /** Rows of all tables. */
    uint64_t rows;
    /** Pages in use or free inside the file. */
    uint64_t pages;
    /** Bytes of one page. */
    uint64_t page_bytes;
    /** Length of the file, space allocated ahead included. */
    uint64_t file_bytes;
} lnkeep_check_report;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * What a caller may conclude from a status.
 *
 * Returns: one of LNKEEP_CLASS_*, also for numbers of later versions.
 * Threads: any. Works in a forked child.
 */
lnkeep_class lnkeep_status_class(lnkeep_status status);

/**
 * Name of a status without its prefix, such as "ALREADY_EXISTS".
 *
 * Returns: static text, "?" for a number this version does not know.
 * Threads: any. Works in a forked child.
 * Ownership: never free it.
 */
const char *lnkeep_status_name(lnkeep_status status);

/**
 * One sentence about a status, for people.
 *
 * Returns: static text, "?" for a number this version does not know.
 * Threads: any. Works in a forked child.
 * Ownership: never free it.
 */
const char *lnkeep_status_message(lnkeep_status status);

/**
 * Name of a class, such as "UNKNOWN".
 *
 * Returns: static text, "?" for a number this version does not know.
 * Threads: any. Works in a forked child.
 * Ownership: never free it.
 */
const char *lnkeep_class_name(lnkeep_class class_);

/**
 * Number of the ABI the library was built with; compare it with LNKEEP_ABI_VERSION.
 *
 * Returns: the number.
 * Threads: any. Works in a forked child.
 */
uint32_t lnkeep_abi_version(void);

/**
 * Version of the library, such as "0.1.0".
 *
 * Returns: static text.
 * Threads: any. Works in a forked child.
 * Ownership: never free it.
 */
const char *lnkeep_version(void);

/**
 * Opens the store of a directory, creating directory (mode 0700) and files (mode 0600) when there are none.
 *
 * Returns: LNKEEP_DONE; LNKEEP_LOCKED when it is open elsewhere; LNKEEP_UNSAFE_PLACE,
 *   LNKEEP_NOT_FOUND when the parent directory, or with LNKEEP_STORE_MUST_EXIST the store, is missing;
 *   LNKEEP_WRONG_MODE, LNKEEP_ROLLED_BACK, LNKEEP_FORMAT_TOO_NEW,
 *   LNKEEP_CORRUPT_STORE, LNKEEP_NO_SPACE, LNKEEP_ABI_MISMATCH, LNKEEP_WRONG_ENGINE, LNKEEP_IO;
 *   LNKEEP_BUSY without memory to look through its pages.
 * In: path, a directory on a local disk; options, NULL for the safe defaults.
 * Out: store, the handle; report, what was found, NULL if not wanted.
 * Durable: the new epoch, before the call returns. What a crash left undecided is decided by then.
 * Threads: any.
 * Ownership: close the handle with lnkeep_store_close. No other code of the process may open, copy or
 *   lock the files of the directory while it is open.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_store_open(const char *path,
                                const lnkeep_store_options *options,
                                lnkeep_store *store,
                                lnkeep_store_report *report,
                                lnkeep_error *err);

/**
 * Closes a store: refuses new calls, commits what was accepted, answers every waiting caller, waits for
 * the last running call to leave, and releases the files.
 *
 * Handles of the store's components stay to be closed; until then they answer LNKEEP_CLOSED. Asynchronous
 * answers that were not taken are dropped: call lnkeep_store_sync and take them first.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE when it is not open; LNKEEP_POISONED when an earlier commit had
 *   failed, LNKEEP_NO_SPACE or LNKEEP_BUSY when the last calls that resources acknowledged from memory, or
 *   blobs of peers that waited, could not be written: the files are released all the same.
 * In: store, a pointer to the handle; it is set to LNKEEP_STORE_NONE.
 * Threads: any, also while other threads are inside calls on it; not from two threads with one copy.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_store_close(lnkeep_store *store,
                                 lnkeep_error *err);

/**
 * Whether a store handle is open now.
 *
 * Returns: 1 or 0; 0 in a forked child.
 * Threads: any; another thread may close it right after.
 */
int lnkeep_store_is_open(lnkeep_store store);

/**
 * Tells the store what time it is: stamps later records, and lets rules by age work. Numbers only rise, a
 * smaller one is ignored; 0 means unknown. Cheap: call it for every block and every few seconds.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
 * In: unix_ms, milliseconds since 1970; block_height, of the best block.
 * Durable: with the next commit; it starts none of its own.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_store_tick(lnkeep_store store,
                                uint64_t unix_ms,
                                uint32_t block_height,
                                lnkeep_error *err);

/**
 * Waits until everything accepted before it is durable: asynchronous submissions, what resources
 * acknowledged from memory, and blobs of peers that wait for their cooldown.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE; LNKEEP_POISONED when a commit failed; LNKEEP_NOT_DURABLE when
 *   what resources hold in memory, LNKEEP_NO_SPACE or LNKEEP_BUSY when what waits for peers cannot be
 *   written now: ask again.
 * Durable: everything accepted before the call, when it returns LNKEEP_DONE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_store_sync(lnkeep_store store,
                                lnkeep_error *err);

/**
 * Figures of a store since its open: commits and their durations, queue, pages, map, readers.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE, LNKEEP_POISONED, LNKEEP_BUSY.
 * Out: stats, whose size the caller set; start with LNKEEP_STATS_INIT.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_store_stats(lnkeep_store store,
                                 lnkeep_stats *stats,
                                 lnkeep_error *err);

/**
 * Applies operations of any components in one commit and waits for it.
 *
 * Operations apply in order and a later one sees an earlier one. Without flags each stands alone. With
 * LNKEEP_SUBMIT_ATOMIC one refusal means that none is applied: the refused operation has its own status,
 * the others LNKEEP_ABORTED. Calls of many threads share commits; one call with many operations costs one.
 *
 * Returns: LNKEEP_DONE when every operation is DONE or ALREADY; LNKEEP_BATCH when one is not, with the worst
 *   of them in err; LNKEEP_TOO_BIG for more than 1,024 operations or 4 MiB, LNKEEP_BUSY, LNKEEP_BAD_HANDLE,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_POISONED: then none was applied and every outcome says so.
 * In: ops, ops_len of them; flags, bits of LNKEEP_SUBMIT_*.
 * Out: outcomes, ops_len of them, written always unless ops or outcomes is malformed or ops_len too big.
 * Durable: operations whose status is DONE or ALREADY.
 * Threads: any.
 * Ownership: everything stays the caller's; views inside ops are read during the call only.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_submit(lnkeep_store store,
                            const lnkeep_op *ops,
                            size_t ops_len,
                            uint32_t flags,
                            lnkeep_outcome *outcomes,
                            lnkeep_error *err);

/**
 * Accepts operations as lnkeep_submit does and returns at once; their outcomes come later, in the order
 * of the commits, from lnkeep_completions_take.
 *
 * Returns: LNKEEP_DONE when accepted; LNKEEP_BUSY when 65,536 operations are open, the queue is full, or
 *   there is no memory for what will be answered; LNKEEP_TOO_BIG, LNKEEP_BAD_HANDLE,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_POISONED: then none will be applied.
 * In: ops, ops_len of them, at least one; flags, bits of LNKEEP_SUBMIT_*; cookie, comes back with each
 *   outcome.
 * Durable: nothing yet when it returns.
 * Threads: any.
 * Ownership: everything stays the caller's and may be reused when the call returns.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_submit_async(lnkeep_store store,
                                  const lnkeep_op *ops,
                                  size_t ops_len,
                                  uint32_t flags,
                                  uint64_t cookie,
                                  lnkeep_error *err);

/**
 * Takes outcomes of asynchronous submissions; never waits.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE, LNKEEP_INVALID_ARGUMENT.
 * In: capacity, of completions.
 * Out: completions, the first taken_len of them; taken_len, 0 when there are none.
 * Durable: what the outcomes say.
 * Threads: any; each completion is taken once.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_completions_take(lnkeep_store store,
                                      lnkeep_completion *completions,
                                      size_t capacity,
                                      size_t *taken_len,
                                      lnkeep_error *err);

/**
 * A descriptor that is readable while there are completions to take, for poll or epoll.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE, LNKEEP_INVALID_ARGUMENT.
 * Out: descriptor, valid until the store is closed.
 * Threads: any.
 * Ownership: the library's; never read, write or close it. It is close-on-exec.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_completions_descriptor(lnkeep_store store,
                                            int *descriptor,
                                            lnkeep_error *err);

/**
 * Opens the attempts of a store. While they are open, opening again with equal options gives another handle
 * on the same instance: the same subscriptions, and one list of ready ones for all its handles.
 *
 * Returns: LNKEEP_DONE; LNKEEP_EXTERNAL_MARKER when an external router owns the attempts, or the row that
 *   would say so is damaged (lnkeep_check names it), and options do not say LNKEEP_ATTEMPTS_EXTERNAL, with
 *   which everything can be read; LNKEEP_ALREADY_OPEN when they are open with other options;
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED, LNKEEP_BUSY,
 *   LNKEEP_NO_SPACE, LNKEEP_UNKNOWN, LNKEEP_POISONED.
 * In: options, NULL for the safe defaults.
 * Out: attempts, the handle.
 * Durable: the external mark, when LNKEEP_ATTEMPTS_EXTERNAL sets it.
 * Threads: any.
 * Ownership: close the handle with lnkeep_attempts_close.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_open(lnkeep_store store,
                                   const lnkeep_attempts_options *options,
                                   lnkeep_attempts *attempts,
                                   lnkeep_error *err);

/**
 * Closes a handle on attempts. The last one takes the subscriptions with it.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE when it is not open.
 * In: attempts, a pointer to the handle; it is set to LNKEEP_ATTEMPTS_NONE.
 * Threads: any, also while other threads are inside calls on it.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_close(lnkeep_attempts *attempts,
                                    lnkeep_error *err);

/**
 * Whether a handle on attempts is open now.
 *
 * Returns: 1 or 0; 0 in a forked child.
 * Threads: any; another thread may close it right after.
 */
int lnkeep_attempts_is_open(lnkeep_attempts attempts);

/**
 * Records the intent to dispatch an attempt. Of any number of calls with one id, exactly one is answered
 * LNKEEP_DONE: that caller validates and dispatches, everybody else tracks.
 *
 * Returns: LNKEEP_DONE: dispatch it; LNKEEP_ALREADY_EXISTS: do not dispatch, track it;
 *   LNKEEP_FINGERPRINT_MISMATCH when the id belongs to another request; LNKEEP_CORRUPT_RECORD;
 *   LNKEEP_BELOW_FLOOR, LNKEEP_NOT_ACKNOWLEDGED after a restore; LNKEEP_NO_SPACE, LNKEEP_BUSY: not applied;
 *   LNKEEP_UNKNOWN: reopen the store and repeat the SAME id, never a new one; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: request.
 * Out: outcome, NULL if not wanted.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY_EXISTS the record survives power loss.
 * Threads: any.
 * Ownership: request stays the caller's.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_init(lnkeep_attempts attempts,
                                   const lnkeep_attempt_request *request,
                                   lnkeep_outcome *outcome,
                                   lnkeep_error *err);

/**
 * Records that the HTLC may leave. Call it before commitment_signed is released, and release only when it
 * answered LNKEEP_DONE or LNKEEP_ALREADY.
 *
 * Returns: LNKEEP_DONE, LNKEEP_ALREADY; LNKEEP_NOT_PENDING when the attempt ended, LNKEEP_NOT_FOUND,
 *   LNKEEP_DELETED, LNKEEP_CORRUPT_RECORD: do not release; LNKEEP_UNKNOWN: do not release, reopen and
 *   repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_POISONED.
 * In: key.
 * Out: outcome, NULL if not wanted.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY; recovery never rolls the attempt back from then on.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_mark_handed_off(lnkeep_attempts attempts,
                                              const lnkeep_attempt_key *key,
                                              lnkeep_outcome *outcome,
                                              lnkeep_error *err);

/**
 * Records a final result and wakes its subscribers. A settle replaces a failure and sets
 * LNKEEP_OUTCOME_CONFLICT; nothing replaces a settle. An attempt never registered is accepted.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY for the same result again; LNKEEP_CONFLICT when another result
 *   stays, or the attempt was deleted; LNKEEP_BAD_PREIMAGE; LNKEEP_CORRUPT_RECORD; LNKEEP_TOO_BIG;
 *   LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: key; result.
 * Out: outcome, NULL if not wanted.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY; only then may the circuit be torn down.
 * Threads: any.
 * Ownership: result and its message stay the caller's.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_store_result(lnkeep_attempts attempts,
                                           const lnkeep_attempt_key *key,
                                           const lnkeep_attempt_result *result,
                                           lnkeep_outcome *outcome,
                                           lnkeep_error *err);

/**
 * Rolls a pending attempt back to a failure of this node and wakes its subscribers. For an HTLC that has
 * certainly not left.
 *
 * Returns: LNKEEP_DONE; LNKEEP_NOT_PENDING: a real result exists, read it; LNKEEP_HANDED_OFF: it may still
 *   settle, or is older than a restore; LNKEEP_NOT_FOUND; LNKEEP_CORRUPT_RECORD; LNKEEP_TOO_BIG;
 *   LNKEEP_UNKNOWN: reopen and repeat;
 *   LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_POISONED.
 * In: key; failure_code, of BOLT 4, 0 for temporary node failure; message, the host's own encoding, may be
 *   empty; flags, LNKEEP_FAIL_FORCED or 0.
 * Out: outcome, NULL if not wanted.
 * Durable: on LNKEEP_DONE; answer a client only then.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_fail_pending(lnkeep_attempts attempts,
                                           const lnkeep_attempt_key *key,
                                           uint32_t failure_code,
                                           lnkeep_bytes message,
                                           uint32_t flags,
                                           lnkeep_outcome *outcome,
                                           lnkeep_error *err);

/**
 * Records that the host has the result elsewhere, so that retention may begin.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY; LNKEEP_RESULT_PENDING; LNKEEP_NOT_FOUND; LNKEEP_CORRUPT_RECORD;
 *   LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: key.
 * Out: outcome, NULL if not wanted.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_ack(lnkeep_attempts attempts,
                                  const lnkeep_attempt_key *key,
                                  lnkeep_outcome *outcome,
                                  lnkeep_error *err);

/**
 * Deletes finished attempts in one commit, with one outcome each. Ids stay burned unless flags say
 * LNKEEP_DELETE_FORGET.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BATCH when a key was not deleted: its outcome is LNKEEP_PENDING (kept: it
 *   has no result, or its payment has not taken it),
 *   LNKEEP_NOT_FOUND or LNKEEP_CORRUPT_RECORD (kept); LNKEEP_DUPLICATE_ID when a key is named twice,
 *   LNKEEP_TOO_BIG, LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE,
 *   LNKEEP_CLOSED, LNKEEP_POISONED: nothing was deleted; LNKEEP_UNKNOWN: reopen and repeat.
 * In: keys, keys_len of them, at most 1,024; flags.
 * Out: outcomes, keys_len of them, written always unless keys or outcomes is malformed.
 * Durable: outcomes that say LNKEEP_DONE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_delete(lnkeep_attempts attempts,
                                     const lnkeep_attempt_key *keys,
                                     size_t keys_len,
                                     uint32_t flags,
                                     lnkeep_outcome *outcomes,
                                     lnkeep_error *err);

/**
 * Removes an unreadable record and burns its id, with an event.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY; LNKEEP_NOT_FOUND; LNKEEP_CONFLICT when the record is readable;
 *   LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: key.
 * Out: outcome, NULL if not wanted.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_quarantine(lnkeep_attempts attempts,
                                         const lnkeep_attempt_key *key,
                                         lnkeep_outcome *outcome,
                                         lnkeep_error *err);

/**
 * An id for an external key, such as CLN's (hash, group, part), LDK's PaymentId or eclair's UUID. The same
 * key always gets the same id, and no two keys of the store get one id. It registers nothing. A host that
 * allocates chooses no ids of its own.
 *
 * Returns: LNKEEP_DONE for a new id, LNKEEP_ALREADY for one given before; LNKEEP_CORRUPT_RECORD when the
 *   row of the key or of the namespace is damaged: no id is given; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_ID_OUT_OF_RANGE, LNKEEP_NOT_ACKNOWLEDGED, LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_BAD_HANDLE,
 *   LNKEEP_CLOSED, LNKEEP_POISONED; LNKEEP_UNKNOWN: reopen and repeat.
 * In: namespace_bytes, 16 of them or NULL for the default; external_key, 1 to 64 bytes.
 * Out: id.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_allocate(lnkeep_attempts attempts,
                                       const uint8_t *namespace_bytes,
                                       lnkeep_bytes external_key,
                                       uint64_t *id,
                                       lnkeep_error *err);

/**
 * The record of an attempt.
 *
 * Returns: LNKEEP_DONE; LNKEEP_NOT_FOUND, LNKEEP_DELETED, LNKEEP_CORRUPT_RECORD, LNKEEP_BUSY,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: key.
 * Out: attempt.
 * Threads: any.
 * Ownership: free it with lnkeep_attempt_free; its message lives as long as it does.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_get(lnkeep_attempts attempts,
                                  const lnkeep_attempt_key *key,
                                  lnkeep_attempt **attempt,
                                  lnkeep_error *err);

/**
 * Frees what lnkeep_attempts_get gave. NULL is allowed. Secrets in it are zeroed.
 *
 * Threads: any.
 */
void lnkeep_attempt_free(lnkeep_attempt *attempt);

/**
 * The final result of an attempt.
 *
 * Returns: LNKEEP_DONE; LNKEEP_RESULT_PENDING: subscribe; LNKEEP_NOT_FOUND, LNKEEP_DELETED,
 *   LNKEEP_CORRUPT_RECORD, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_POISONED.
 * In: key.
 * Out: result.
 * Threads: any.
 * Ownership: free it with lnkeep_attempt_result_free; its message lives as long as it does.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_result(lnkeep_attempts attempts,
                                     const lnkeep_attempt_key *key,
                                     lnkeep_attempt_result **result,
                                     lnkeep_error *err);

/**
 * Frees what lnkeep_attempts_result and lnkeep_attempts_poll gave. NULL is allowed. Secrets are zeroed.
 *
 * Threads: any.
 */
void lnkeep_attempt_result_free(lnkeep_attempt_result *result);

/**
 * Whether a final result is stored: 0 for pending, unknown, deleted and unreadable attempts.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_POISONED.
 * In: key.
 * Out: has_result, 1 or 0.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_has_result(lnkeep_attempts attempts,
                                         const lnkeep_attempt_key *key,
                                         uint32_t *has_result,
                                         lnkeep_error *err);

/**
 * One page of attempts: by namespace, state, age, expiry. Visits at most 10,000 rows; pages may be empty.
 *
 * Returns: LNKEEP_DONE; LNKEEP_UNSUPPORTED, LNKEEP_INVALID_ARGUMENT, LNKEEP_BUSY, LNKEEP_BAD_HANDLE,
 *   LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: query; start with LNKEEP_ATTEMPT_QUERY_INIT.
 * Out: page.
 * Threads: any; each page is one consistent view.
 * Ownership: free it with lnkeep_attempt_page_free; everything it points to lives as long as it does.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_list(lnkeep_attempts attempts,
                                   const lnkeep_attempt_query *query,
                                   lnkeep_attempt_page **page,
                                   lnkeep_error *err);

/**
 * Frees what lnkeep_attempts_list gave. NULL is allowed. Secrets in it are zeroed.
 *
 * Threads: any.
 */
void lnkeep_attempt_page_free(lnkeep_attempt_page *page);

/**
 * Numbers of records by state, without a scan.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_CORRUPT_RECORD, LNKEEP_POISONED.
 * In: namespace_bytes, 16 of them, or NULL for all namespaces together.
 * Out: counts, whose size the caller set; start with LNKEEP_ATTEMPT_COUNTS_INIT.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_counts(lnkeep_attempts attempts,
                                     const uint8_t *namespace_bytes,
                                     lnkeep_attempt_counts *counts,
                                     lnkeep_error *err);

/**
 * Decides about the pending attempts of a namespace after a restart; may be called at any time, repeatedly.
 *
 * An attempt never marked as handed off and without an open circuit is rolled back to a local failure. One
 * that was handed off is never rolled back: without an open circuit it is listed as unresolved. So is every
 * attempt older than a restore or a copy: the store that was lost may have known that it left. By default
 * only attempts registered in earlier opens are looked at.
 *
 * A host that does not mark must pass its complete circuit list. So must one that once stored a result of
 * the network for an attempt it had not marked: that shows that it does not always mark.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, also when the circuit list has to be complete and is not
 *   said to be; LNKEEP_DUPLICATE_ID when a circuit is listed twice; LNKEEP_UNKNOWN: reopen and repeat;
 *   LNKEEP_NO_SPACE, LNKEEP_BUSY,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: namespace_bytes, 16 of them or NULL for the default; circuits, circuits_len of them; flags, bits of
 *   LNKEEP_RECOVER_*.
 * Out: recovery, what was done, NULL if not wanted.
 * Durable: every rollback listed, and after an error those done before it.
 * Threads: any.
 * Ownership: free it with lnkeep_recovery_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_recover(lnkeep_attempts attempts,
                                      const uint8_t *namespace_bytes,
                                      const lnkeep_circuit *circuits,
                                      size_t circuits_len,
                                      uint32_t flags,
                                      lnkeep_recovery **recovery,
                                      lnkeep_error *err);

/**
 * Frees what lnkeep_attempts_recover gave. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_recovery_free(lnkeep_recovery *recovery);

/**
 * Whether an external router owns the attempts.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_POISONED.
 * Out: is_external, 1 or 0.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_is_external(lnkeep_attempts attempts,
                                          uint32_t *is_external,
                                          lnkeep_error *err);

/**
 * How a stored result is to be presented. Pure: looks at no store.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BUSY without memory; LNKEEP_INVALID_ARGUMENT, also for an unknown kind of
 *   result.
 * In: result; decryptor, LNKEEP_DECRYPTOR_*.
 * Out: classified, LNKEEP_CLASSIFIED_*.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempt_result_classify(const lnkeep_attempt_result *result,
                                             uint32_t decryptor,
                                             uint32_t *classified,
                                             lnkeep_error *err);

/**
 * Puts a client's byte above a raw id, so that several clients share one flat id space. Pure.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ID_OUT_OF_RANGE when raw_id needs more than 56 bits;
 *   LNKEEP_INVALID_ARGUMENT.
 * Out: id.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_client_id_encode(uint8_t client,
                                      uint64_t raw_id,
                                      uint64_t *id,
                                      lnkeep_error *err);

/**
 * The client's byte and the raw id of an id. Pure.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT.
 * Out: client; raw_id.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_client_id_decode(uint64_t id,
                                      uint8_t *client,
                                      uint64_t *raw_id,
                                      lnkeep_error *err);

/**
 * Waits for an attempt's result, also for one that is not registered yet. A subscription lives in memory: a
 * restart forgets it. Poll it when lnkeep_attempts_ready names it, then unsubscribe.
 *
 * Returns: LNKEEP_DONE; with LNKEEP_SUBSCRIBE_REQUIRE_KNOWN also LNKEEP_NOT_FOUND, LNKEEP_DELETED,
 *   LNKEEP_CORRUPT_RECORD; LNKEEP_BUSY when too many are open; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE,
 *   LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: key; flags, LNKEEP_SUBSCRIBE_REQUIRE_KNOWN or 0.
 * Out: subscription, a number to poll; not reused while the store is open.
 * Threads: any; no result committed during the call is missed.
 * Ownership: give it back with lnkeep_attempts_unsubscribe.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_subscribe(lnkeep_attempts attempts,
                                        const lnkeep_attempt_key *key,
                                        uint32_t flags,
                                        uint64_t *subscription,
                                        lnkeep_error *err);

/**
 * What a subscription has: the first final result written while it waited, given out once.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
 * In: subscription.
 * Out: state, LNKEEP_POLL_*; result, set with LNKEEP_POLL_RESULT, else NULL.
 * Threads: any; of several pollers one gets the result.
 * Ownership: free the result with lnkeep_attempt_result_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_poll(lnkeep_attempts attempts,
                                   uint64_t subscription,
                                   uint32_t *state,
                                   lnkeep_attempt_result **result,
                                   lnkeep_error *err);

/**
 * Cancels a subscription; a result that was not polled is dropped.
 *
 * Returns: LNKEEP_DONE; LNKEEP_NOT_FOUND when it is not open; LNKEEP_BAD_HANDLE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_unsubscribe(lnkeep_attempts attempts,
                                          uint64_t subscription,
                                          lnkeep_error *err);

/**
 * Closes every subscription that still waits, such as at shutdown: each is named by lnkeep_attempts_ready
 * and polls LNKEEP_POLL_CLOSED. Results that are ready can still be polled.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_unsubscribe_all(lnkeep_attempts attempts,
                                              lnkeep_error *err);

/**
 * How many subscriptions wait for an attempt.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
 * In: key.
 * Out: waiters.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_waiters(lnkeep_attempts attempts,
                                      const lnkeep_attempt_key *key,
                                      uint64_t *waiters,
                                      lnkeep_error *err);

/**
 * Numbers of subscriptions to poll: served or closed, each told once, over all handles on these attempts;
 * never waits.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
 * In: capacity, of subscriptions.
 * Out: subscriptions, the first ready_len of them; ready_len, 0 when there are none.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_ready(lnkeep_attempts attempts,
                                    uint64_t *subscriptions,
                                    size_t capacity,
                                    size_t *ready_len,
                                    lnkeep_error *err);

/**
 * A descriptor that is readable while subscriptions are ready, for poll or epoll.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
 * Out: descriptor, valid until the last handle on these attempts is closed.
 * Threads: any.
 * Ownership: the library's; never read, write or close it. It is close-on-exec.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_ready_descriptor(lnkeep_attempts attempts,
                                               int *descriptor,
                                               lnkeep_error *err);

/**
 * Acknowledges every final record of a namespace with an id below `below`, in bounded steps of one commit
 * each. The next call starts at the lowest record that was not final; a record made later below that mark is
 * not seen.
 *
 * Returns: LNKEEP_DONE; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: namespace_bytes, 16 of them or NULL for the default; below.
 * Out: acked, how many were acknowledged, NULL if not wanted.
 * Durable: every step done before an error stays done.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_ack_below(lnkeep_attempts attempts,
                                        const uint8_t *namespace_bytes,
                                        uint64_t below,
                                        uint64_t *acked,
                                        lnkeep_error *err);

/**
 * Removes every finished record of a namespace whose id is not in the keep list, in bounded steps of one
 * commit each. Pending records are kept, unreadable ones kept and counted; with LNKEEP_STORE_LND_COMPAT
 * both are removed, as lnd does.
 *
 * Returns: LNKEEP_DONE; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: namespace_bytes, 16 of them or NULL for the default; keep_ids, keep_len of them; flags,
 *   LNKEEP_DELETE_FORGET or 0.
 * Out: removed, unreadable, how many records were removed and how many were kept because they are damaged;
 *   NULL if not wanted.
 * Durable: every step done before an error stays done.
 * Threads: any; a record that ends meanwhile may be removed or not.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_clean(lnkeep_attempts attempts,
                                    const uint8_t *namespace_bytes,
                                    const uint64_t *keep_ids,
                                    size_t keep_len,
                                    uint32_t flags,
                                    uint64_t *removed,
                                    uint64_t *unreadable,
                                    lnkeep_error *err);

/**
 * Runs one bounded step of retention: acknowledged records past their time become tombstones, tombstones
 * past theirs are forgotten, as the options at open say. Needs lnkeep_store_tick. Call it again until
 * handled is 0.
 *
 * Returns: LNKEEP_DONE; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * Out: handled, how many waiting records were dealt with, NULL if not wanted.
 * Durable: on LNKEEP_DONE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_sweep(lnkeep_attempts attempts,
                                    uint64_t *handled,
                                    lnkeep_error *err);

/**
 * Takes the external router's mark away, so that a local open is possible again.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY when there is no mark; LNKEEP_ENTRIES_EXIST while any record of any
 *   namespace remains, tombstones included; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE,
 *   LNKEEP_BUSY, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_disable_external(lnkeep_attempts attempts,
                                               lnkeep_error *err);

/**
 * Ends the refusal of new ids after a restore or a copy. Every namespace that has records needs a floor;
 * ids below it without a record stay refused for good, since they may have been used by the newer store, and
 * allocations start above every floor. Floors only rise, and are raised also when nothing waits for it.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY when no floor rises; LNKEEP_INVALID_ARGUMENT when a namespace
 *   with records is missing; LNKEEP_TOO_BIG above 1,024 floors; LNKEEP_UNKNOWN: reopen and repeat;
 *   LNKEEP_NO_SPACE, LNKEEP_BUSY,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: floors, floors_len of them, at most 1,024.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_attempts_acknowledge_restore(lnkeep_attempts attempts,
                                                  const lnkeep_id_floor *floors,
                                                  size_t floors_len,
                                                  lnkeep_error *err);

/**
 * Opens the monitors of a store: checks the checksums of every channel, and begins a session. While they
 * are open, opening again with equal options gives another handle on the same session.
 *
 * A damaged channel is no error: report counts it, lnkeep_monitors_list names it, and it takes nothing
 * but a snapshot at or past its tip; all others go on.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY_OPEN when they are open with other options; LNKEEP_BAD_HANDLE,
 *   LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED, LNKEEP_NO_SPACE, LNKEEP_BUSY,
 *   LNKEEP_POISONED.
 * In: options, NULL for the safe defaults.
 * Out: monitors, the handle; report, NULL if not wanted, else start with LNKEEP_MONITORS_REPORT_INIT.
 * Threads: any.
 * Ownership: close the handle with lnkeep_monitors_close.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_open(lnkeep_store store,
                                   const lnkeep_monitors_options *options,
                                   lnkeep_monitors *monitors,
                                   lnkeep_monitors_report *report,
                                   lnkeep_error *err);

/**
 * Closes a handle on monitors; the last one ends the session.
 *
 * Returns: LNKEEP_DONE; LNKEEP_PENDING_OPS when it is the last one and entries are queued, their number in
 *   err.value: it stays open; LNKEEP_POISONED when the store is: it stays open too, until it is closed
 *   with LNKEEP_MONITORS_DISCARD; LNKEEP_INVALID_ARGUMENT; LNKEEP_BAD_HANDLE when it is not open.
 * In: monitors, a pointer to the handle; it is set to LNKEEP_MONITORS_NONE; flags, LNKEEP_MONITORS_DISCARD
 *   or 0.
 * Threads: any, also while other threads are inside calls on it.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_close(lnkeep_monitors *monitors,
                                    uint32_t flags,
                                    lnkeep_error *err);

/**
 * Whether a handle on monitors is open now.
 *
 * Returns: 1 or 0; 0 in a forked child.
 * Threads: any; another thread may close it right after.
 */
int lnkeep_monitors_is_open(lnkeep_monitors monitors);

/**
 * Queues a new channel: its first snapshot, which includes the updates up to update_id.
 *
 * Returns: LNKEEP_DONE: it is queued; LNKEEP_INVALID_ARGUMENT, also without bytes, LNKEEP_TOO_BIG above
 *   1 GiB, LNKEEP_BAD_UPDATE_ID for 2^64 - 1; LNKEEP_DUPLICATE_CHANNEL when the id is known, queued,
 *   archived or purged: fail the open; LNKEEP_QUEUE_FULL: commit, then again; LNKEEP_NO_SPACE
 *   on a full disk, unless it is critical; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: channel_id, 32 bytes; snapshot; block, the one the snapshot has seen last, or NULL; flags,
 *   LNKEEP_MONITORS_CRITICAL or 0.
 * Out: ticket, NULL if not wanted.
 * Durable: nothing until a commit whose capture was taken after this.
 * Threads: any; never waits for the disk.
 * Ownership: everything stays the caller's.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_queue_new(lnkeep_monitors monitors,
                                        const uint8_t *channel_id,
                                        uint64_t update_id,
                                        lnkeep_bytes snapshot,
                                        const lnkeep_block *block,
                                        uint32_t flags,
                                        uint64_t *ticket,
                                        lnkeep_error *err);

/**
 * Queues an update: the one after the channel's tip. Repeating it is harmless: a replay after a restart is
 * answered by what is known.
 *
 * Returns: LNKEEP_DONE: it is queued; LNKEEP_ALREADY when the same update is durable,
 *   LNKEEP_ALREADY_QUEUED when it waits for a commit: no ticket then; LNKEEP_UPDATE_CONFLICT when the id
 *   is known with other bytes: halt the node; LNKEEP_UPDATE_GAP, the id expected in err.value: an update
 *   went missing in the host, stop the channel; LNKEEP_UPDATE_STALE when a snapshot includes the id;
 *   LNKEEP_UNKNOWN_CHANNEL, LNKEEP_CHANNEL_ARCHIVED; LNKEEP_CHANNEL_DAMAGED, LNKEEP_DAMAGE_* in
 *   err.value; LNKEEP_SNAPSHOT_REQUIRED when the channel has too many updates; LNKEEP_QUEUE_FULL:
 *   commit, then again; LNKEEP_INVALID_ARGUMENT, also without bytes, LNKEEP_TOO_BIG above 4 MiB - 64,
 *   LNKEEP_BAD_UPDATE_ID for 2^64 - 1; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_BUSY, LNKEEP_POISONED.
 *   Unless said otherwise err.value is the channel's tip where err.present has LNKEEP_ERROR_HAS_VALUE.
 * In: channel_id, 32 bytes; update; flags, LNKEEP_MONITORS_CRITICAL or 0.
 * Out: ticket, NULL if not wanted; written with LNKEEP_DONE alone.
 * Durable: nothing until a commit whose capture was taken after this.
 * Threads: any; never waits for the disk.
 * Ownership: everything stays the caller's.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_queue_update(lnkeep_monitors monitors,
                                           const uint8_t *channel_id,
                                           uint64_t update_id,
                                           lnkeep_bytes update,
                                           uint32_t flags,
                                           uint64_t *ticket,
                                           lnkeep_error *err);

/**
 * Queues a snapshot that includes the updates up to update_id; later ones stay. On a damaged channel one
 * at or past its tip mends it.
 *
 * Returns: LNKEEP_DONE: it is queued; LNKEEP_SNAPSHOT_AHEAD when update_id was never queued,
 *   LNKEEP_SNAPSHOT_STALE when a newer snapshot is known, both with the tip in err.value;
 *   LNKEEP_UNKNOWN_CHANNEL, LNKEEP_CHANNEL_ARCHIVED; LNKEEP_BAD_UPDATE_ID for 2^64 - 1 of a damaged
 *   channel; LNKEEP_QUEUE_FULL: commit, then again; LNKEEP_NO_SPACE on a full disk, unless it is
 *   critical; LNKEEP_INVALID_ARGUMENT, also without bytes, LNKEEP_TOO_BIG above 1 GiB,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: channel_id, 32 bytes; snapshot; block, the one the snapshot has seen last, NULL to keep the one
 *   before; flags, LNKEEP_MONITORS_CRITICAL or 0.
 * Out: ticket, NULL if not wanted.
 * Durable: nothing until a commit whose capture was taken after this.
 * Threads: any; never waits for the disk.
 * Ownership: everything stays the caller's.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_queue_snapshot(lnkeep_monitors monitors,
                                             const uint8_t *channel_id,
                                             uint64_t update_id,
                                             lnkeep_bytes snapshot,
                                             const lnkeep_block *block,
                                             uint32_t flags,
                                             uint64_t *ticket,
                                             lnkeep_error *err);

/**
 * Queues the archiving of a channel, behind its updates. It stays readable until lnkeep_monitors_purge.
 *
 * Returns: LNKEEP_DONE: it is queued; LNKEEP_CHANNEL_ARCHIVED, LNKEEP_UNKNOWN_CHANNEL,
 *   LNKEEP_CHANNEL_DAMAGED; LNKEEP_QUEUE_FULL: commit, then again; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: channel_id, 32 bytes.
 * Out: ticket, NULL if not wanted.
 * Durable: nothing until a commit whose capture was taken after this.
 * Threads: any; never waits for the disk.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_queue_archive(lnkeep_monitors monitors,
                                            const uint8_t *channel_id,
                                            uint64_t *ticket,
                                            lnkeep_error *err);

/**
 * Queues what may leave only when everything queued before it is durable: a message, an event, a
 * transaction. It comes back from lnkeep_monitors_take_outputs after the commit that covers it.
 *
 * Returns: LNKEEP_DONE: it is queued; LNKEEP_QUEUE_FULL: commit, then again; LNKEEP_INVALID_ARGUMENT, also
 *   without bytes, LNKEEP_TOO_BIG above 4 MiB - 64, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: output_class, LNKEEP_OUTPUT_*; tag, comes back with it; payload.
 * Out: ticket, NULL if not wanted.
 * Durable: nothing until a commit whose capture was taken after this.
 * Threads: any; never waits for the disk.
 * Ownership: payload stays the caller's.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_queue_output(lnkeep_monitors monitors,
                                           uint32_t output_class,
                                           uint64_t tag,
                                           lnkeep_bytes payload,
                                           uint64_t *ticket,
                                           lnkeep_error *err);

/**
 * Whether so many entries of so many bytes would be accepted now. Ask before the state changes, such as
 * when a message of a peer arrives: what was not read yet needs no room.
 *
 * Returns: LNKEEP_DONE; LNKEEP_QUEUE_FULL: commit, and take completions and outputs;
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: operations; bytes, of all of them; flags, LNKEEP_MONITORS_CRITICAL or 0.
 * Threads: any; other threads may take the room.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_can_queue(lnkeep_monitors monitors,
                                        uint64_t operations,
                                        uint64_t bytes,
                                        uint32_t flags,
                                        lnkeep_error *err);

/**
 * Whether the entry of a ticket is durable.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_TICKET when it was not given in this session; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: ticket.
 * Out: is_durable, 1 or 0.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_ticket_is_durable(lnkeep_monitors monitors,
                                                uint64_t ticket,
                                                int *is_durable,
                                                lnkeep_error *err);

/**
 * Marks what the next commit is to include: everything queued so far.
 *
 * Take it BEFORE the manager is serialised. What is queued later may be missing in the manager, and stays
 * queued for the commit after. A host with several drivers serialises managers in the order of their
 * captures.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * Out: capture.
 * Threads: any; never waits for the disk.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_capture(lnkeep_monitors monitors,
                                      lnkeep_capture *capture,
                                      lnkeep_error *err);

/**
 * Makes everything up to a capture durable in one transaction: the manager, new channels, updates,
 * snapshots, archives and durable outputs. Afterwards completions and outputs can be taken.
 *
 * Returns: LNKEEP_DONE: all of it is on disk. Refused before anything was written, with the channel in
 *   err.channel_id: LNKEEP_MANAGER_BEHIND: the commit would make a channel newer than the manager knows,
 *   capture and serialise again; LNKEEP_LOST_UPDATE: the manager knows an update that was never queued;
 *   LNKEEP_MANAGER_AHEAD, with LNKEEP_MONITORS_REPLAYS_NOTHING; LNKEEP_UNKNOWN_CHANNEL,
 *   LNKEEP_DUPLICATE_ID of the view. LNKEEP_MANAGER_REQUIRED; LNKEEP_STALE_CAPTURE: this capture or a
 *   later one was committed, drop this manager; LNKEEP_BAD_TICKET; LNKEEP_STALE_MANAGER;
 *   LNKEEP_WRONG_MODE; LNKEEP_TOO_BIG; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED.
 *   LNKEEP_NO_SPACE, LNKEEP_BUSY: nothing was applied, keep outputs back, use the same capture again.
 *   LNKEEP_UNKNOWN: send nothing more, close, reopen, and trust what is found. LNKEEP_POISONED.
 * In: commit.
 * Out: committed, NULL if not wanted, else start with LNKEEP_MONITORS_COMMITTED_INIT.
 * Durable: with LNKEEP_DONE.
 * Threads: any; commits of one store's monitors wait for each other, queueing does not wait for them.
 * Ownership: everything stays the caller's.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_commit_captured(lnkeep_monitors monitors,
                                              const lnkeep_monitors_commit *commit,
                                              lnkeep_monitors_committed *committed,
                                              lnkeep_error *err);

/**
 * Compares the manager that the host loaded with the one of the last commit, by its generation.
 *
 * Returns: LNKEEP_DONE; LNKEEP_MANAGER_BEHIND, the stored generation in err.value: an older copy, do not
 *   start; LNKEEP_CORRUPT_RECORD when a damage took the stored one, until a commit gives one;
 *   LNKEEP_WRONG_MODE without LNKEEP_MONITORS_EXTERNAL_MANAGER; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: generation.
 * Out: relation, LNKEEP_MANAGER_IS_EQUAL or LNKEEP_MANAGER_IS_AHEAD: then the commit after it did not
 *   happen.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_check_manager(lnkeep_monitors monitors,
                                            uint64_t generation,
                                            uint32_t *relation,
                                            lnkeep_error *err);

/**
 * Takes entries that became durable in this session, in the order of the queue, each once; never waits. A
 * host that wants none opens with LNKEEP_MONITORS_WITHOUT_COMPLETIONS: when 65,536 wait, nothing but
 * critical entries is queued.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: capacity, of completions.
 * Out: completions, the first taken_len of them; taken_len, 0 when there are none.
 * Threads: any; of several takers each gets others.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_completions(lnkeep_monitors monitors,
                                          lnkeep_monitor_completion *completions,
                                          size_t capacity,
                                          size_t *taken_len,
                                          lnkeep_error *err);

/**
 * Takes outputs that may leave: those whose covering commit succeeded, in the order of their tickets, each
 * once. First come, in the order of their numbers, the durable ones of earlier sessions that were never
 * acknowledged. Never waits.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BUSY, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_POISONED.
 * In: max, how many at most, 1 to 1,024; fewer come when they are large.
 * Out: outputs; one with outputs_len 0 when there are none.
 * Threads: any; of several takers each gets others.
 * Ownership: free it with lnkeep_outputs_free; everything it points to lives as long as it does.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_take_outputs(lnkeep_monitors monitors,
                                           size_t max,
                                           lnkeep_outputs **outputs,
                                           lnkeep_error *err);

/**
 * Frees what lnkeep_monitors_take_outputs gave. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_outputs_free(lnkeep_outputs *outputs);

/**
 * Confirms a durable output: the host has made what follows from it durable itself. The next commit
 * removes it; until then it comes back after a crash.
 *
 * Returns: LNKEEP_DONE; LNKEEP_UNKNOWN_OUTPUT when none of this number waits; LNKEEP_BUSY,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: output_id.
 * Durable: with the next commit.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_acknowledge(lnkeep_monitors monitors,
                                          uint64_t output_id,
                                          lnkeep_error *err);

/**
 * Removes an archived channel for good. Its id stays refused.
 *
 * Returns: LNKEEP_DONE; LNKEEP_NOT_ARCHIVED; LNKEEP_UNKNOWN, LNKEEP_NO_SPACE, LNKEEP_BUSY,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: channel_id, 32 bytes.
 * Out: commit_sequence, number of this commit; NULL if not wanted.
 * Durable: with LNKEEP_DONE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_purge(lnkeep_monitors monitors,
                                    const uint8_t *channel_id,
                                    uint64_t *commit_sequence,
                                    lnkeep_error *err);

/**
 * A descriptor that is readable while there are completions or outputs to take, for poll or epoll.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
 * Out: descriptor, valid until the last handle on these monitors is closed.
 * Threads: any.
 * Ownership: the library's; never read, write or close it. It is close-on-exec.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_descriptor(lnkeep_monitors monitors,
                                         int *descriptor,
                                         lnkeep_error *err);

/**
 * Where monitors stand: what waits, the last commit, from where the chain has to be looked at again.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * Out: state, whose size the caller set; start with LNKEEP_MONITORS_STATE_INIT.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_read_state(lnkeep_monitors monitors,
                                         lnkeep_monitors_state *state,
                                         lnkeep_error *err);

/**
 * The manager of the last commit that had one.
 *
 * Returns: LNKEEP_DONE; LNKEEP_CORRUPT_RECORD when it cannot be read; LNKEEP_BUSY,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * Out: manager, NULL when no commit had one.
 * Threads: any.
 * Ownership: free it with lnkeep_buf_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_load_manager(lnkeep_monitors monitors,
                                           lnkeep_buf **manager,
                                           lnkeep_error *err);

/**
 * Frees bytes that a call gave. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_buf_free(lnkeep_buf *buf);

/**
 * Durable channels, in the order of their ids, a page at a time.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: stage, LNKEEP_STAGE_ACTIVE or LNKEEP_STAGE_ARCHIVED; after, the last id of the page before, NULL
 *   to begin; capacity, of channels.
 * Out: channels, the first channels_len of them; channels_len, less than capacity on the last page.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_list(lnkeep_monitors monitors,
                                   uint32_t stage,
                                   const uint8_t *after,
                                   lnkeep_channel *channels,
                                   size_t capacity,
                                   size_t *channels_len,
                                   lnkeep_error *err);

/**
 * Channels that want a snapshot now, in the order of their ids.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: capacity, of channels.
 * Out: channels, the first of them; channels_len, how many were written.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_need_snapshot(lnkeep_monitors monitors,
                                            lnkeep_channel *channels,
                                            size_t capacity,
                                            size_t *channels_len,
                                            lnkeep_error *err);

/**
 * A durable channel, in use or archived, with its snapshot and its updates.
 *
 * Returns: LNKEEP_DONE; LNKEEP_UNKNOWN_CHANNEL, also when it was purged; LNKEEP_BUSY,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED. A damaged channel is
 *   LNKEEP_DONE: channel.damage says what is wrong.
 * In: channel_id, 32 bytes.
 * Out: monitor.
 * Threads: any.
 * Ownership: free it with lnkeep_monitor_free; everything it points to lives as long as it does.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_monitors_load(lnkeep_monitors monitors,
                                   const uint8_t *channel_id,
                                   lnkeep_monitor **monitor,
                                   lnkeep_error *err);

/**
 * Frees what lnkeep_monitors_load gave. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_monitor_free(lnkeep_monitor *monitor);

/**
 * What the rules allow a payment in one state.
 *
 * Returns: LNKEEP_DONE; LNKEEP_UNKNOWN_STATUS; LNKEEP_INVALID_ARGUMENT.
 * In: status, LNKEEP_PAYMENT_STATUS_*; remaining_msat; flags, bits of LNKEEP_PAYMENT_STATE_HAS_SETTLED,
 *   LNKEEP_PAYMENT_STATE_GIVEN_UP.
 * Out: allowed, whose size the caller set; start with LNKEEP_PAYMENT_RULES_INIT.
 * Threads: any; looks at no store.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payment_allows(uint32_t status,
                                    uint64_t remaining_msat,
                                    uint32_t flags,
                                    lnkeep_payment_rules *allowed,
                                    lnkeep_error *err);

/**
 * Status and sums of a payment, from its attempts.
 *
 * Returns: LNKEEP_DONE; LNKEEP_SENT_EXCEEDS_TOTAL when the attempts that did not fail sum up to more than
 *   amount_msat; LNKEEP_INVALID_ARGUMENT.
 * In: amount_msat; attempts, attempts_len of them; failure_reason, LNKEEP_PAYMENT_REASON_* or 0.
 * Out: state, whose size the caller set; start with LNKEEP_PAYMENT_STATE_INIT.
 * Threads: any; looks at no store.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payment_compute_state(uint64_t amount_msat,
                                           const lnkeep_attempt_sum *attempts,
                                           size_t attempts_len,
                                           uint32_t failure_reason,
                                           lnkeep_payment_state *state,
                                           lnkeep_error *err);

/**
 * Whether a new attempt fits a payment and its other attempts.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BLINDED_MISSING_TOTAL, LNKEEP_MPP_RECORD_IN_BLINDED, LNKEEP_MIXED_BLINDED,
 *   LNKEEP_BLINDED_TOTAL_MISMATCH, LNKEEP_MPP_PAYMENT, LNKEEP_NON_MPP_PAYMENT, LNKEEP_MPP_ADDR_MISMATCH,
 *   LNKEEP_MPP_TOTAL_MISMATCH, LNKEEP_VALUE_MISMATCH, LNKEEP_VALUE_EXCEEDS: looked for in this order;
 *   LNKEEP_BUSY without memory; LNKEEP_INVALID_ARGUMENT.
 * In: amount_msat, of the payment; alive, alive_len requests of its attempts that did not fail, of which
 *   the first in_flight_len are in flight and the others settled; attempt, the new one; flags,
 *   LNKEEP_PAYMENTS_CHECK_TOTALS or 0.
 * Threads: any; looks at no store.
 * Ownership: everything stays the caller's.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payment_verify_attempt(uint64_t amount_msat,
                                            const lnkeep_payment_attempt_request *alive,
                                            size_t alive_len,
                                            size_t in_flight_len,
                                            const lnkeep_payment_attempt_request *attempt,
                                            uint32_t flags,
                                            lnkeep_error *err);

/**
 * Opens the payments of a store. While they are open, opening again with equal options gives another handle
 * on the same instance: the same subscriptions, and one list of ready ones for all its handles.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY_OPEN when they are open with other options; LNKEEP_BAD_HANDLE,
 *   LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED, LNKEEP_BUSY, LNKEEP_POISONED.
 * In: options, NULL for the safe defaults.
 * Out: payments, the handle.
 * Threads: any.
 * Ownership: close the handle with lnkeep_payments_close.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_open(lnkeep_store store,
                                   const lnkeep_payments_options *options,
                                   lnkeep_payments *payments,
                                   lnkeep_error *err);

/**
 * Closes a handle on payments. The last one takes the subscriptions with it.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE when it is not open.
 * In: payments, a pointer to the handle; it is set to LNKEEP_PAYMENTS_NONE.
 * Threads: any, also while other threads are inside calls on it.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_close(lnkeep_payments *payments,
                                    lnkeep_error *err);

/**
 * Whether a handle on payments is open now.
 *
 * Returns: 1 or 0; 0 in a forked child.
 * Threads: any; another thread may close it right after.
 */
int lnkeep_payments_is_open(lnkeep_payments payments);

/**
 * Initiates a payment. A payment of the hash that FAILED starts over with a new sequence number.
 *
 * Returns: LNKEEP_DONE: send it; LNKEEP_ALREADY_EXISTS for the same request again while nothing was sent, or
 *   for a repeat of its idempotency key whatever became of the first: do not send, look at payment;
 *   LNKEEP_PAYMENT_EXISTS, LNKEEP_PAYMENT_IN_FLIGHT, LNKEEP_ALREADY_PAID; LNKEEP_FINGERPRINT_MISMATCH when
 *   the idempotency key belongs to another request, LNKEEP_PAYMENT_ALREADY_FAILED or LNKEEP_DELETED when
 *   its payment is history; LNKEEP_CORRUPT_RECORD; LNKEEP_NOT_ACKNOWLEDGED after a restore; LNKEEP_TOO_BIG;
 *   LNKEEP_UNKNOWN: reopen and repeat the SAME request; LNKEEP_NO_SPACE, LNKEEP_BUSY,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: init.
 * Out: payment, as it is after the call; outcome; each NULL if not wanted.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY_EXISTS.
 * Threads: any.
 * Ownership: init stays the caller's; free payment with lnkeep_payment_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_init(lnkeep_payments payments,
                                   const lnkeep_payment_init *init,
                                   lnkeep_payment **payment,
                                   lnkeep_outcome *outcome,
                                   lnkeep_error *err);

/**
 * Registers an attempt of a payment, before it is sent. With LNKEEP_REGISTER_WITH_RECORD the attempt's
 * record in the attempt store is made in the same transaction, as lnkeep_attempts_init would: go on with
 * lnkeep_attempts_mark_handed_off before the HTLC leaves.
 *
 * Returns: LNKEEP_DONE: send it; LNKEEP_ALREADY_EXISTS for the same attempt again: do not send, track it;
 *   LNKEEP_PAYMENT_NOT_INITIATED, LNKEEP_PAYMENT_ALREADY_SUCCEEDED, LNKEEP_PAYMENT_ALREADY_FAILED,
 *   LNKEEP_PAYMENT_PENDING_SETTLED, LNKEEP_PAYMENT_PENDING_FAILED, LNKEEP_INVALID_ROUTE,
 *   LNKEEP_ATTEMPT_ID_EXISTS, LNKEEP_BLINDED_MISSING_TOTAL, LNKEEP_MPP_RECORD_IN_BLINDED,
 *   LNKEEP_MIXED_BLINDED, LNKEEP_BLINDED_TOTAL_MISMATCH, LNKEEP_MPP_PAYMENT, LNKEEP_NON_MPP_PAYMENT,
 *   LNKEEP_MPP_ADDR_MISMATCH, LNKEEP_MPP_TOTAL_MISMATCH, LNKEEP_VALUE_MISMATCH, LNKEEP_VALUE_EXCEEDS:
 *   looked for in this order; LNKEEP_BELOW_FLOOR, LNKEEP_NOT_ACKNOWLEDGED after a restore;
 *   LNKEEP_EXTERNAL_MARKER; LNKEEP_TOO_BIG; LNKEEP_CORRUPT_RECORD; LNKEEP_UNKNOWN: reopen and repeat the
 *   SAME attempt; LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: payment_hash, 32 bytes; attempt; flags, LNKEEP_REGISTER_WITH_RECORD or 0.
 * Out: payment, as it is after the call; outcome; each NULL if not wanted.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY_EXISTS.
 * Threads: any; attempts registered at once by many threads never exceed the payment's amount.
 * Ownership: attempt stays the caller's; free payment with lnkeep_payment_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_register(lnkeep_payments payments,
                                       const uint8_t *payment_hash,
                                       const lnkeep_payment_attempt_request *attempt,
                                       uint32_t flags,
                                       lnkeep_payment **payment,
                                       lnkeep_outcome *outcome,
                                       lnkeep_error *err);

/**
 * Settles an attempt of a payment; with a record in the attempt store, the record is settled and
 * acknowledged in the same transaction. A settle beats a failure, whenever it comes, and sets
 * LNKEEP_OUTCOME_CONFLICT.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY for the same settle again; LNKEEP_PAYMENT_NOT_INITIATED,
 *   LNKEEP_PAYMENT_ALREADY_SUCCEEDED, LNKEEP_PAYMENT_ALREADY_FAILED, LNKEEP_ATTEMPT_NOT_FOUND,
 *   LNKEEP_ATTEMPT_ALREADY_FAILED with LNKEEP_RESULT_REFUSE_LATE, LNKEEP_ATTEMPT_ALREADY_SETTLED,
 *   LNKEEP_BAD_PREIMAGE: looked for in this order; LNKEEP_CORRUPT_RECORD; LNKEEP_UNKNOWN: reopen and
 *   repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_POISONED.
 * In: payment_hash, 32 bytes; key; preimage, 32 bytes; settled_unix_ns, nanoseconds since 1970 or 0; flags,
 *   bits of LNKEEP_RESULT_REFUSE_*.
 * Out: payment, as it is after the call; outcome; each NULL if not wanted.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
 * Threads: any.
 * Ownership: free payment with lnkeep_payment_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_settle(lnkeep_payments payments,
                                     const uint8_t *payment_hash,
                                     const lnkeep_attempt_key *key,
                                     const uint8_t *preimage,
                                     uint64_t settled_unix_ns,
                                     uint32_t flags,
                                     lnkeep_payment **payment,
                                     lnkeep_outcome *outcome,
                                     lnkeep_error *err);

/**
 * Fails an attempt of a payment; with a record in the attempt store, an intent is rolled back and the record
 * acknowledged in the same transaction. With LNKEEP_FAIL_FORCED the operator vouches that the HTLC is gone,
 * and the note says why.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY for the same failure again; LNKEEP_PAYMENT_NOT_INITIATED,
 *   LNKEEP_PAYMENT_ALREADY_SUCCEEDED, LNKEEP_PAYMENT_ALREADY_FAILED, LNKEEP_ATTEMPT_NOT_FOUND,
 *   LNKEEP_ATTEMPT_ALREADY_FAILED, LNKEEP_ATTEMPT_ALREADY_SETTLED: looked for in this order;
 *   LNKEEP_HANDED_OFF: it may still settle; LNKEEP_CONFLICT: its record holds a settle, settle it;
 *   LNKEEP_CORRUPT_RECORD; LNKEEP_TOO_BIG; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: payment_hash, 32 bytes; key; failure; note, at most 1,024 bytes, empty without LNKEEP_FAIL_FORCED;
 *   flags, LNKEEP_FAIL_FORCED, LNKEEP_RESULT_REFUSE_REPEAT.
 * Out: payment, as it is after the call; outcome; each NULL if not wanted.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
 * Threads: any.
 * Ownership: failure and note stay the caller's; free payment with lnkeep_payment_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_fail_attempt(lnkeep_payments payments,
                                           const uint8_t *payment_hash,
                                           const lnkeep_attempt_key *key,
                                           const lnkeep_payment_failure *failure,
                                           lnkeep_bytes note,
                                           uint32_t flags,
                                           lnkeep_payment **payment,
                                           lnkeep_outcome *outcome,
                                           lnkeep_error *err);

/**
 * Gives a payment up: no attempt is registered from now on. It is FAILED when nothing is in flight any more
 * and nothing settled.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY when it failed for that reason; LNKEEP_PAYMENT_NOT_INITIATED,
 *   LNKEEP_PAYMENT_ALREADY_SUCCEEDED, LNKEEP_CORRUPT_RECORD; LNKEEP_UNKNOWN: reopen and repeat;
 *   LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_POISONED.
 * In: payment_hash, 32 bytes; reason, LNKEEP_PAYMENT_REASON_*.
 * Out: payment, as it is after the call; outcome; each NULL if not wanted.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
 * Threads: any.
 * Ownership: free payment with lnkeep_payment_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_fail(lnkeep_payments payments,
                                   const uint8_t *payment_hash,
                                   uint32_t reason,
                                   lnkeep_payment **payment,
                                   lnkeep_outcome *outcome,
                                   lnkeep_error *err);

/**
 * Deletes a payment that is not in flight, or its failed attempts, or the tombstone of one deleted before.
 * The hash of a paid payment stays refused, and its idempotency key known, unless flags say
 * LNKEEP_DELETE_FORGET.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY when no failed attempt or no tombstone is there;
 *   LNKEEP_PAYMENT_NOT_INITIATED; LNKEEP_PAYMENT_IN_FLIGHT; LNKEEP_ENTRIES_EXIST when
 *   LNKEEP_DELETE_TOMBSTONE meets a payment; LNKEEP_CORRUPT_RECORD; LNKEEP_UNKNOWN: reopen and repeat;
 *   LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_POISONED.
 * In: payment_hash, 32 bytes; flags, 0 or one of LNKEEP_DELETE_FORGET, LNKEEP_DELETE_FAILED_ATTEMPTS,
 *   LNKEEP_DELETE_TOMBSTONE.
 * Out: outcome, NULL if not wanted.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_delete(lnkeep_payments payments,
                                     const uint8_t *payment_hash,
                                     uint32_t flags,
                                     lnkeep_outcome *outcome,
                                     lnkeep_error *err);

/**
 * Frees a payment that a call gave. NULL is allowed. Payments of a page are freed with the page. Secrets in
 * it are zeroed.
 *
 * Threads: any.
 */
void lnkeep_payment_free(lnkeep_payment *payment);

/**
 * The payment of a hash.
 *
 * Returns: LNKEEP_DONE; LNKEEP_PAYMENT_NOT_INITIATED, also when it was deleted; LNKEEP_CORRUPT_RECORD,
 *   LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: payment_hash, 32 bytes.
 * Out: payment.
 * Threads: any.
 * Ownership: free it with lnkeep_payment_free; everything it points to lives as long as it does.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_fetch(lnkeep_payments payments,
                                    const uint8_t *payment_hash,
                                    lnkeep_payment **payment,
                                    lnkeep_error *err);

/**
 * One page of payments in the order of their initiation: by status, by creation time, in both directions.
 * Visits at most 10,000 rows and takes at most some 16 MiB; pages may be empty.
 *
 * Returns: LNKEEP_DONE; LNKEEP_UNSUPPORTED, LNKEEP_INVALID_ARGUMENT, LNKEEP_BUSY, LNKEEP_BAD_HANDLE,
 *   LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: query; start with LNKEEP_PAYMENT_QUERY_INIT.
 * Out: page.
 * Threads: any; each page is one consistent view.
 * Ownership: free it with lnkeep_payment_page_free; everything it points to lives as long as it does.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_list(lnkeep_payments payments,
                                   const lnkeep_payment_query *query,
                                   lnkeep_payment_page **page,
                                   lnkeep_error *err);

/**
 * Frees what lnkeep_payments_list gave. NULL is allowed. Secrets in it are zeroed.
 *
 * Threads: any.
 */
void lnkeep_payment_page_free(lnkeep_payment_page *page);

/**
 * Numbers of payments, without a scan.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_POISONED.
 * Out: counts, whose size the caller set; start with LNKEEP_PAYMENT_COUNTS_INIT.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_counts(lnkeep_payments payments,
                                     lnkeep_payment_counts *counts,
                                     lnkeep_error *err);

/**
 * Follows a payment, or all of them. The stream of one payment begins with its present state, then has every
 * change once, and closes after the terminal one or when the payment is deleted. The stream of all begins
 * with the unfinished payments. A subscription lives in memory: a restart forgets it, and what lasts are
 * the events of lnkeep_events_take.
 *
 * Returns: LNKEEP_DONE; LNKEEP_PAYMENT_NOT_INITIATED, LNKEEP_CORRUPT_RECORD; LNKEEP_BUSY when too many are
 *   open; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: payment_hash, 32 bytes, or NULL for all payments.
 * Out: subscription, a number for lnkeep_payments_next; not reused while the store is open.
 * Threads: any; no change committed during the call is missed or told twice.
 * Ownership: give it back with lnkeep_payments_unsubscribe.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_subscribe(lnkeep_payments payments,
                                        const uint8_t *payment_hash,
                                        uint64_t *subscription,
                                        lnkeep_error *err);

/**
 * What a subscription has next; never waits. Call it until it answers LNKEEP_NEXT_WAITING or
 * LNKEEP_NEXT_CLOSED: only then lnkeep_payments_ready names the subscription again.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
 * In: subscription.
 * Out: state, LNKEEP_NEXT_*; payment, set with LNKEEP_NEXT_PAYMENT, else NULL; missed, NULL if not wanted.
 * Threads: any; of several takers each gets other views.
 * Ownership: free payment with lnkeep_payment_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_next(lnkeep_payments payments,
                                   uint64_t subscription,
                                   uint32_t *state,
                                   lnkeep_payment **payment,
                                   uint64_t *missed,
                                   lnkeep_error *err);

/**
 * Ends a subscription; views not taken are dropped.
 *
 * Returns: LNKEEP_DONE; LNKEEP_NOT_FOUND when it is not open; LNKEEP_BAD_HANDLE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_unsubscribe(lnkeep_payments payments,
                                          uint64_t subscription,
                                          lnkeep_error *err);

/**
 * Numbers of subscriptions that have news, over all handles on these payments; never waits. Each is named
 * again once lnkeep_payments_next has read it empty.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
 * In: capacity, of subscriptions.
 * Out: subscriptions, the first ready_len of them; ready_len, 0 when there are none.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_ready(lnkeep_payments payments,
                                    uint64_t *subscriptions,
                                    size_t capacity,
                                    size_t *ready_len,
                                    lnkeep_error *err);

/**
 * A descriptor that is readable while subscriptions have news, for poll or epoll.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE.
 * Out: descriptor, valid until the last handle on these payments is closed.
 * Threads: any.
 * Ownership: the library's; never read, write or close it. It is close-on-exec.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_ready_descriptor(lnkeep_payments payments,
                                               int *descriptor,
                                               lnkeep_error *err);

/**
 * Decides about every unfinished payment after a restart, as far as results are known; never sends anything
 * new. May be called at any time while no sender is at work on them, repeatedly.
 *
 * What the attempt store knows of an attempt registered with LNKEEP_REGISTER_WITH_RECORD counts before the
 * host's answer. A payment that could go on is given up with LNKEEP_PAYMENT_REASON_NO_ROUTE, or, with
 * LNKEEP_RESUME_SENDING and an intent whose deadline lies ahead, handed back as LNKEEP_RESUME_MAY_SEND.
 * List what is in flight with lnkeep_payments_list before, to ask the dispatcher. Deadlines are compared
 * with the time of lnkeep_store_tick: tell it first. Failed attempts are deleted unless
 * LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS is set; those failed by force stay.
 *
 * Returns: LNKEEP_DONE; LNKEEP_DUPLICATE_ID when an attempt is answered twice; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED; LNKEEP_UNKNOWN: reopen
 *   and repeat.
 * In: answers, answers_len of them: what the dispatcher knows of attempts in flight; those without an answer
 *   are taken as still out; flags, bits of LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS, LNKEEP_RESUME_SENDING.
 * Out: resume, what became of each payment, NULL if not wanted.
 * Durable: everything decided, and after an error what was decided before it.
 * Threads: any.
 * Ownership: answers stay the caller's; free resume with lnkeep_resume_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_resume(lnkeep_payments payments,
                                     const lnkeep_resume_answer *answers,
                                     size_t answers_len,
                                     uint32_t flags,
                                     lnkeep_resume **resume,
                                     lnkeep_error *err);

/**
 * Frees what lnkeep_payments_resume gave. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_resume_free(lnkeep_resume *resume);

/**
 * Attempts and payments that nobody seems to look after, among at most 256 unfinished payments per call.
 * An operator who is certain ends an attempt by lnkeep_payments_fail_attempt with LNKEEP_FAIL_FORCED.
 *
 * Returns: LNKEEP_DONE; LNKEEP_UNSUPPORTED, LNKEEP_INVALID_ARGUMENT, LNKEEP_BUSY, LNKEEP_BAD_HANDLE,
 *   LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: query, NULL for the defaults.
 * Out: list.
 * Threads: any.
 * Ownership: free list with lnkeep_stuck_list_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_stuck(lnkeep_payments payments,
                                    const lnkeep_stuck_query *query,
                                    lnkeep_stuck_list **list,
                                    lnkeep_error *err);

/**
 * Frees what lnkeep_payments_stuck gave. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_stuck_list_free(lnkeep_stuck_list *list);

/**
 * Deletes payments that match, at most 128 per call, or their failed attempts. Begin with after 0, and call
 * it again with next while has_more is 1; a crash in between loses nothing but the place.
 *
 * Returns: LNKEEP_DONE; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY,
 *   LNKEEP_UNSUPPORTED, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: filter, NULL for the safe default: finished payments, paid hashes stay refused; after, a sequence
 *   number.
 * Out: deleted, how many payments were removed or lost failed attempts; next; has_more; each NULL if not
 *   wanted.
 * Durable: on LNKEEP_DONE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_delete_many(lnkeep_payments payments,
                                          const lnkeep_payment_delete_filter *filter,
                                          uint64_t after,
                                          uint64_t *deleted,
                                          uint64_t *next,
                                          uint32_t *has_more,
                                          lnkeep_error *err);

/**
 * Runs one step of retention: rows of deleted payments go, finished payments beyond the limits of the
 * options are deleted with their hashes still refused, tombstones past their time are forgotten. Ages need
 * lnkeep_store_tick. Call it again until handled is 0.
 *
 * Returns: LNKEEP_DONE; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * Out: handled, how many rows or payments were dealt with, NULL if not wanted.
 * Durable: on LNKEEP_DONE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_sweep(lnkeep_payments payments,
                                    uint64_t *handled,
                                    lnkeep_error *err);

/**
 * Removes an unreadable payment and refuses its hash for good, with an event. When only the row of the hash
 * is damaged, it is mended, and lnkeep_outcome.value is the payment's sequence number. However many of its
 * other rows are damaged: that hinders it in nothing.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY; LNKEEP_PAYMENT_NOT_INITIATED; LNKEEP_CONFLICT when the payment is
 *   readable; LNKEEP_UNKNOWN: reopen and repeat; LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: payment_hash, 32 bytes.
 * Out: outcome, NULL if not wanted.
 * Durable: on LNKEEP_DONE and LNKEEP_ALREADY.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_payments_quarantine(lnkeep_payments payments,
                                         const uint8_t *payment_hash,
                                         lnkeep_outcome *outcome,
                                         lnkeep_error *err);

/**
 * Opens the peer storage of a store. While it is open, opening again with equal options gives another
 * handle on the same. Claims are not stored: report every peer's, then call
 * lnkeep_peer_storage_claims_complete.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY_OPEN with other options; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED, LNKEEP_BUSY, LNKEEP_POISONED. A damaged record is no
 *   error: report counts it.
 * In: options, NULL for the safe defaults.
 * Out: peer_storage, the handle; report, NULL if not wanted, else start with
 *   LNKEEP_PEER_STORAGE_REPORT_INIT.
 * Threads: any.
 * Ownership: close the handle with lnkeep_peer_storage_close.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_peer_storage_open(lnkeep_store store,
                                       const lnkeep_peer_storage_options *options,
                                       lnkeep_peer_storage *peer_storage,
                                       lnkeep_peer_storage_report *report,
                                       lnkeep_error *err);

/**
 * Closes a handle on peer storage; the last one writes what waits.
 *
 * Returns: LNKEEP_DONE; LNKEEP_NO_SPACE, LNKEEP_POISONED, LNKEEP_BUSY while others keep the queue full for
 *   a thousand tries: closed, and what waited in memory is lost, as after a crash;
 *   LNKEEP_INVALID_ARGUMENT; LNKEEP_BAD_HANDLE when it is not open.
 * In: peer_storage, a pointer to the handle; it is set to LNKEEP_PEER_STORAGE_NONE.
 * Durable: everything accepted before, with LNKEEP_DONE.
 * Threads: any, also while other threads are inside calls on it.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_peer_storage_close(lnkeep_peer_storage *peer_storage,
                                        lnkeep_error *err);

/**
 * Whether a handle on peer storage is open now.
 *
 * Returns: 1 or 0; 0 in a forked child.
 * Threads: any; another thread may close it right after.
 */
int lnkeep_peer_storage_is_open(lnkeep_peer_storage peer_storage);

/**
 * Takes a blob that a peer sent (peer_storage). It is written at once unless the peer's last write is less
 * than a cooldown ago; then the newest is written when the cooldown ends. Either way it is what is returned
 * from now on.
 *
 * Returns: LNKEEP_DONE: accepted, and stored.result says whether it is durable; LNKEEP_ALREADY when it is
 *   the newest already. Nothing was changed by LNKEEP_STORAGE_NOT_OFFERED, LNKEEP_NO_CLAIM,
 *   LNKEEP_TOO_BIG, LNKEEP_QUOTA_PEERS, LNKEEP_QUOTA_TOTAL, or LNKEEP_BUSY when too much waits in memory:
 *   say nothing to the peer and never disconnect for them. LNKEEP_NO_SPACE, LNKEEP_UNKNOWN,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: now_ms, the host's time, which never goes back; node_id, 33 bytes; blob, borrowed.
 * Out: stored, NULL if not wanted, else start with LNKEEP_STORED_INIT; also written with LNKEEP_ALREADY.
 * Durable: with LNKEEP_STORED_COMMITTED when it returns.
 * Threads: any. Blobs of several peers share commits.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_peer_storage_store(lnkeep_peer_storage peer_storage,
                                        uint64_t now_ms,
                                        const uint8_t *node_id,
                                        lnkeep_bytes blob,
                                        lnkeep_stored *stored,
                                        lnkeep_error *err);

/**
 * The blob to return to a peer that connected (peer_storage_retrieval): after init, before
 * channel_reestablish, before any message of this peer is handled, also when it has no channel left. What
 * waits in memory is written first, as at a disconnection and at most as often: a peer takes what it is
 * returned for confirmed. What cannot be written is returned all the same.
 *
 * Returns: LNKEEP_DONE; LNKEEP_CORRUPT_RECORD when the blob does not pass its check: send nothing;
 *   LNKEEP_BUSY, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: now_ms, the host's time; node_id, 33 bytes.
 * Out: blob, NULL when there is nothing to send; not NULL and of length 0 for an empty blob.
 * Threads: any.
 * Ownership: free it with lnkeep_buf_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_peer_storage_connected(lnkeep_peer_storage peer_storage,
                                            uint64_t now_ms,
                                            const uint8_t *node_id,
                                            lnkeep_buf **blob,
                                            lnkeep_error *err);

/**
 * Writes what waits for a peer that disconnected, unless its last write was a moment ago.
 *
 * Returns: LNKEEP_DONE: written; LNKEEP_ALREADY: nothing waits, or a later tick writes it; LNKEEP_BUSY,
 *   LNKEEP_NO_SPACE: it still waits; LNKEEP_UNKNOWN, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE,
 *   LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: now_ms, the host's time; node_id, 33 bytes.
 * Durable: with LNKEEP_DONE, when it returns.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_peer_storage_disconnected(lnkeep_peer_storage peer_storage,
                                               uint64_t now_ms,
                                               const uint8_t *node_id,
                                               lnkeep_error *err);

/**
 * Writes every blob whose cooldown is over, in as few commits as their bytes allow. Arm a timer for
 * next_due_ms, here and after each LNKEEP_STORED_DEFERRED.
 *
 * Returns: LNKEEP_DONE, also when some could not be written: see ticked.failed; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: now_ms, the host's time; flags, LNKEEP_TICK_ALL or 0.
 * Out: ticked, NULL if not wanted, else start with LNKEEP_TICKED_INIT; committed, NULL if not wanted, else
 *   the peers whose blob became durable.
 * Durable: what is in committed, when it returns.
 * Threads: any.
 * Ownership: free committed with lnkeep_node_ids_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_peer_storage_tick(lnkeep_peer_storage peer_storage,
                                       uint64_t now_ms,
                                       uint32_t flags,
                                       lnkeep_ticked *ticked,
                                       lnkeep_node_ids **committed,
                                       lnkeep_error *err);

/**
 * Frees node ids that a call gave. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_node_ids_free(lnkeep_node_ids *ids);

/**
 * Says what changed about a peer's claims: why it may have a blob kept. Report before its messages are
 * handled. A channel counts from the moment its funding is pending: some nodes send their first blob then
 * and not again.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BUSY, LNKEEP_NO_SPACE: nothing was changed, report it again;
 *   LNKEEP_UNKNOWN, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: node_id, 33 bytes; change, one of LNKEEP_CLAIM_*; block_height, of the best block: where the last
 *   claim ends, the retention begins with it.
 * Durable: that and when the last claim ended, when it returns. Claims themselves are not stored.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_peer_storage_report_claim(lnkeep_peer_storage peer_storage,
                                               const uint8_t *node_id,
                                               uint32_t change,
                                               uint32_t block_height,
                                               lnkeep_error *err);

/**
 * Says that every claim was reported, singly or here: these peers have these claims and no others. Until
 * then nothing is collected, because every peer would look unclaimed. A peer with a blob and without a
 * claim is kept for the retention from this height on.
 *
 * Returns: LNKEEP_DONE; LNKEEP_DUPLICATE_ID when a peer is named twice: nothing was changed;
 *   LNKEEP_BUSY, LNKEEP_NO_SPACE: call it again; LNKEEP_UNKNOWN, LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: claims, claims_len of them, NULL without any; block_height, of the best block.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_peer_storage_claims_complete(lnkeep_peer_storage peer_storage,
                                                  const lnkeep_peer_claims *claims,
                                                  size_t claims_len,
                                                  uint32_t block_height,
                                                  lnkeep_error *err);

/**
 * Tells the height of the best block and removes every blob whose time is over. Heights may be told again,
 * and may jump; a lower one delays.
 *
 * Returns: LNKEEP_DONE; LNKEEP_CLAIMS_INCOMPLETE before lnkeep_peer_storage_claims_complete: nothing was
 *   removed; LNKEEP_BUSY, LNKEEP_NO_SPACE: what was not removed is at the next block; LNKEEP_UNKNOWN,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * Out: collected, NULL if not wanted, else the peers whose blob was removed.
 * Durable: when it returns.
 * Threads: any.
 * Ownership: free collected with lnkeep_node_ids_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_peer_storage_block_connected(lnkeep_peer_storage peer_storage,
                                                  uint32_t block_height,
                                                  lnkeep_node_ids **collected,
                                                  lnkeep_error *err);

/**
 * Removes a peer's blob at the operator's word, or every blob whose peer has no claim. Claims stay.
 *
 * Returns: LNKEEP_DONE; LNKEEP_CLAIMS_INCOMPLETE for all of them before
 *   lnkeep_peer_storage_claims_complete: nothing was removed; LNKEEP_BUSY, LNKEEP_NO_SPACE,
 *   LNKEEP_UNKNOWN, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: node_id, 33 bytes, or NULL for all without a claim.
 * Out: pruned, NULL if not wanted, else the peers whose blob was removed.
 * Durable: when it returns.
 * Threads: any.
 * Ownership: free pruned with lnkeep_node_ids_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_peer_storage_prune(lnkeep_peer_storage peer_storage,
                                        const uint8_t *node_id,
                                        lnkeep_node_ids **pruned,
                                        lnkeep_error *err);

/**
 * Peers with a blob, in the order of their ids, a page at a time.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: after, the last id of the page before, 33 bytes, NULL to begin; limit, of peers; 0, and whatever is
 *   more, means 1,000.
 * Out: page; without peers after the last one.
 * Threads: any.
 * Ownership: free it with lnkeep_peer_page_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_peer_storage_list(lnkeep_peer_storage peer_storage,
                                       const uint8_t *after,
                                       size_t limit,
                                       lnkeep_peer_page **page,
                                       lnkeep_error *err);

/**
 * Frees a page of peers. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_peer_page_free(lnkeep_peer_page *page);

/**
 * The newest blob of a peer, also while nothing is offered.
 *
 * Returns: LNKEEP_DONE; LNKEEP_CORRUPT_RECORD when it does not pass its check; LNKEEP_BUSY,
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: node_id, 33 bytes.
 * Out: blob, NULL when there is none.
 * Threads: any.
 * Ownership: free it with lnkeep_buf_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_peer_storage_export(lnkeep_peer_storage peer_storage,
                                         const uint8_t *node_id,
                                         lnkeep_buf **blob,
                                         lnkeep_error *err);

/**
 * Begins or ends to offer storage, without a restart. What is kept stays until it is collected; while
 * nothing is offered, nothing is accepted and nothing is returned.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: is_offered, 1 or 0.
 * Durable: no; LNKEEP_PEER_STORAGE_OFF decides at the next open.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_peer_storage_set_offered(lnkeep_peer_storage peer_storage,
                                              uint32_t is_offered,
                                              lnkeep_error *err);

/**
 * Figures of peer storage, since its open and of now.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * Out: stats, whose size the caller set; start with LNKEEP_PEER_STORAGE_STATS_INIT.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_peer_storage_read_stats(lnkeep_peer_storage peer_storage,
                                             lnkeep_peer_storage_stats *stats,
                                             lnkeep_error *err);

/**
 * Encodes a message of peer storage, type included.
 *
 * Returns: LNKEEP_DONE; LNKEEP_TOO_BIG above 65,531 bytes; LNKEEP_INVALID_ARGUMENT.
 * In: kind, LNKEEP_WIRE_PEER_STORAGE or LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL; blob, borrowed for the call.
 * Out: message.
 * Threads: any.
 * Ownership: free it with lnkeep_buf_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_wire_encode(uint32_t kind,
                                 lnkeep_bytes blob,
                                 lnkeep_buf **message,
                                 lnkeep_error *err);

/**
 * Decodes a message of peer storage, type included. Copies nothing.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_MESSAGE, err.value one of LNKEEP_WIRE_MESSAGE_TOO_LONG and the ones
 *   after it, the first that holds; LNKEEP_INVALID_ARGUMENT. A bad message is no reason to disconnect.
 * In: message, borrowed; flags, LNKEEP_WIRE_STRICT or 0.
 * Out: decoded, whose size the caller set; start with LNKEEP_WIRE_MESSAGE_INIT. It is valid as long as the
 *   bytes of the message are.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_wire_decode(lnkeep_bytes message,
                                 uint32_t flags,
                                 lnkeep_wire_message *decoded,
                                 lnkeep_error *err);

/**
 * Reads option_provide_storage from the feature vector of an init or node_announcement (BOLT 9).
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT.
 * In: features, as they are sent: big-endian, of any length; borrowed.
 * Out: found, bits of LNKEEP_STORAGE_OFFERED and LNKEEP_STORAGE_REQUIRED.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_wire_storage_feature(lnkeep_bytes features,
                                          uint32_t *found,
                                          lnkeep_error *err);

/**
 * Opens the backup of a store: what is known of each peer is as it was, and all count as disconnected.
 * While it is open, opening again with the same secret and equal options gives another handle on the same.
 *
 * Returns: LNKEEP_DONE; LNKEEP_WRONG_MODE with another secret than the store's backup was made with;
 *   LNKEEP_ALREADY_OPEN with other options; LNKEEP_IO without random numbers; LNKEEP_BAD_HANDLE,
 *   LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED, LNKEEP_NO_SPACE, LNKEEP_BUSY,
 *   LNKEEP_UNKNOWN, LNKEEP_POISONED. A damaged row is no error: report counts it.
 * In: secret, 32 bytes that can be derived from the node's seed alone, used for nothing else; zeroize
 *   yours. options, NULL for the safe defaults.
 * Out: backup, the handle; report, NULL if not wanted, else start with LNKEEP_BACKUP_REPORT_INIT.
 * Threads: any.
 * Ownership: close the handle with lnkeep_backup_close.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_open(lnkeep_store store,
                                 const uint8_t *secret,
                                 const lnkeep_backup_options *options,
                                 lnkeep_backup *backup,
                                 lnkeep_backup_report *report,
                                 lnkeep_error *err);

/**
 * Closes a handle on a backup. With the last one the payload and the keys are zeroized.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT; LNKEEP_BAD_HANDLE when it is not open.
 * In: backup, a pointer to the handle; it is set to LNKEEP_BACKUP_NONE.
 * Threads: any, also while other threads are inside calls on it.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_close(lnkeep_backup *backup,
                                  lnkeep_error *err);

/**
 * Whether a handle on a backup is open now.
 *
 * Returns: 1 or 0; 0 in a forked child.
 * Threads: any; another thread may close it right after.
 */
int lnkeep_backup_is_open(lnkeep_backup backup);

/**
 * Sets what is to be kept by peers from now on: the host's own bytes, for which every peer is due. They are
 * kept in memory only: set them again after each open. Equal ones change nothing.
 *
 * Returns: LNKEEP_DONE; LNKEEP_TOO_BIG when not even shares hold them (lnkeep_backup_payload_max);
 *   LNKEEP_INVALID_ARGUMENT, also
 *   without bytes; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: payload, borrowed and copied.
 * Durable: no.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_set_payload(lnkeep_backup backup,
                                        lnkeep_bytes payload,
                                        lnkeep_error *err);

/**
 * A peer connected. If it offers storage, nothing is sent to it until it returned a blob, began
 * channel_reestablish, or its time is up: a node that lost its data must not overwrite its own backup.
 *
 * Returns: LNKEEP_DONE; LNKEEP_QUOTA_PEERS when something is known of too many peers: nothing is sent to
 *   this one; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: now_ms, the host's time, which never goes back; node_id, 33 bytes; offers_storage, 1 or 0: what
 *   lnkeep_wire_storage_feature finds in its init.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_connected(lnkeep_backup backup,
                                      uint64_t now_ms,
                                      const uint8_t *node_id,
                                      uint32_t offers_storage,
                                      lnkeep_error *err);

/**
 * A peer is gone.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: node_id, 33 bytes.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_disconnected(lnkeep_backup backup,
                                         const uint8_t *node_id,
                                         lnkeep_error *err);

/**
 * A peer returned a blob (peer_storage_retrieval). Call it before channel_reestablish is answered: with
 * LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS we lost state that this peer still has, and a channel must not go
 * on from what is left. An empty blob counts as none.
 *
 * Returns: LNKEEP_DONE, also when the blob does not open: concluded says what follows;
 *   LNKEEP_QUOTA_PEERS for a stranger when something is known of too many peers; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: now_ms, the host's time; node_id, 33 bytes; blob, borrowed.
 * Out: concluded, start with LNKEEP_CONCLUDED_INIT; opened, NULL if not wanted, else what the blob held,
 *   NULL when it is none of ours. It is for closing and sweeping only: never resume a channel from it.
 * Durable: that state was lost, and that a peer holds what cannot be read, when it returns, unless
 *   concluded.failure says otherwise; other conclusions at most once per resend interval and peer, else with
 *   a later tick.
 * Threads: any.
 * Ownership: free opened with lnkeep_opened_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_retrieval(lnkeep_backup backup,
                                      uint64_t now_ms,
                                      const uint8_t *node_id,
                                      lnkeep_bytes blob,
                                      lnkeep_concluded *concluded,
                                      lnkeep_opened **opened,
                                      lnkeep_error *err);

/**
 * A peer began channel_reestablish: if it did not return a blob by now, it has none (BOLT 1).
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: now_ms, the host's time; node_id, 33 bytes.
 * Out: concluded, start with LNKEEP_CONCLUDED_INIT.
 * Durable: that state was lost, and that a peer holds what cannot be read, when it returns, unless
 *   concluded.failure says otherwise; other conclusions at most once per resend interval and peer, else with
 *   a later tick.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_reestablish_begun(lnkeep_backup backup,
                                              uint64_t now_ms,
                                              const uint8_t *node_id,
                                              lnkeep_concluded *concluded,
                                              lnkeep_error *err);

/**
 * A channel with this peer became usable: its copy is written anew at the next tick.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: node_id, 33 bytes.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_channel_ready(lnkeep_backup backup,
                                          const uint8_t *node_id,
                                          lnkeep_error *err);

/**
 * Seals the payload for a peer. When this returns, the blob's number is durable: hand the blob to the
 * connection at once (lnkeep_wire_encode), for it is not kept.
 *
 * Returns: LNKEEP_DONE; nothing was changed by LNKEEP_STATE_LOSS, LNKEEP_PEER_UNAVAILABLE, LNKEEP_HOLD,
 *   LNKEEP_UNREADABLE, LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_IO without random numbers; LNKEEP_NO_PAYLOAD,
 *   also for a peer that keeps nothing of this payload; LNKEEP_TOO_FEW_PEERS, err.value how many are needed;
 *   LNKEEP_CONFLICT while the peer holds what nothing newer replaces yet: ticks say when it may be sent to;
 *   LNKEEP_TOO_BIG when the numbers are used up;
 *   LNKEEP_UNKNOWN: do not send, reopen; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_POISONED.
 * In: now_ms, the host's time, Unix milliseconds, which the envelope tells; node_id, 33 bytes;
 *   block_height, of the best block.
 * Out: blob, of exactly the size class; seq, NULL if not wanted, its sequence number.
 * Durable: the number and what it was used for, when it returns.
 * Threads: any.
 * Ownership: free blob with lnkeep_buf_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_seal(lnkeep_backup backup,
                                 uint64_t now_ms,
                                 const uint8_t *node_id,
                                 uint32_t block_height,
                                 lnkeep_buf **blob,
                                 uint64_t *seq,
                                 lnkeep_error *err);

/**
 * The operator has seen that state was lost, or that peers hold what we cannot read, and lets us go on:
 * sending is no longer refused, and those peers' blobs may be overwritten. Numbers go on far above any that
 * was seen.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY when there was nothing to acknowledge; LNKEEP_NO_SPACE,
 *   LNKEEP_BUSY: nothing was changed; LNKEEP_UNKNOWN, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE,
 *   LNKEEP_CLOSED, LNKEEP_POISONED.
 * Durable: when it returns.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_acknowledge(lnkeep_backup backup,
                                        lnkeep_error *err);

/**
 * Forgets a peer that is not connected and was never sent anything: a stranger. What it holds may be
 * overwritten when it comes back.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY when nothing was known of it; LNKEEP_CONFLICT when it is connected,
 *   or was sent a blob, which it may return: nothing was changed; LNKEEP_BUSY, LNKEEP_NO_SPACE,
 *   LNKEEP_UNKNOWN, LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: node_id, 33 bytes.
 * Durable: when it returns.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_forget(lnkeep_backup backup,
                                   const uint8_t *node_id,
                                   lnkeep_error *err);

/**
 * Frees an opened blob; its payload is zeroized. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_opened_free(lnkeep_opened *opened);

/**
 * Opens a blob that a peer returned, without a store: what recovery begins with. Nothing is concluded from
 * it; with a store, lnkeep_backup_retrieval does both.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_ENVELOPE, err.value one of LNKEEP_ENVELOPE_*, the first that holds;
 *   LNKEEP_INVALID_ARGUMENT.
 * In: secret, 32 bytes; node_id, of the peer that kept it, 33 bytes; blob, borrowed.
 * Out: opened. Kind, flags, set id and reserved are given as found.
 * Threads: any.
 * Ownership: free it with lnkeep_opened_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_envelope_open(const uint8_t *secret,
                                   const uint8_t *node_id,
                                   lnkeep_bytes blob,
                                   lnkeep_opened **opened,
                                   lnkeep_error *err);

/**
 * Seals a payload for a peer, without a store: for tools and tests. Whoever calls it keeps the sequence
 * number, durably, before, and never uses one twice; lnkeep_backup_seal does that.
 *
 * Returns: LNKEEP_DONE; LNKEEP_TOO_BIG when the payload does not fit; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_UNSUPPORTED.
 * In: secret, 32 bytes; node_id, of the peer that will keep it, 33 bytes; header, start with
 *   LNKEEP_ENVELOPE_HEADER_INIT; payload, borrowed; size_class, 1024, 4096, 16384 or 65531; entropy, 16
 *   random bytes: with equal ones, equal payloads give equal blobs, and nothing worse.
 * Out: blob, of exactly the size class.
 * Threads: any.
 * Ownership: free it with lnkeep_buf_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_envelope_seal(const uint8_t *secret,
                                   const uint8_t *node_id,
                                   const lnkeep_envelope_header *header,
                                   lnkeep_bytes payload,
                                   uint32_t size_class,
                                   const uint8_t *entropy,
                                   lnkeep_buf **blob,
                                   lnkeep_error *err);

/**
 * What the host knows of a peer that it has a channel with. Shares of a payload that is longer than a blob,
 * journals of HTLCs, and the list of whom else to ask go only to peers of which this was told: tell it after
 * each open, and when it changes.
 *
 * Returns: LNKEEP_DONE; LNKEEP_QUOTA_PEERS when something is known of too many peers;
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: now_ms, the host's time; node_id, 33 bytes; facts, start with LNKEEP_PEER_FACTS_INIT, borrowed and
 *   copied; NULL when there is no channel with it any more.
 * Durable: no; how much of the time the peer is connected is, once an hour, for those with facts.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_set_facts(lnkeep_backup backup,
                                      uint64_t now_ms,
                                      const uint8_t *node_id,
                                      const lnkeep_peer_facts *facts,
                                      lnkeep_error *err);

/**
 * Tells an HTLC, or what became known of it: a preimage, its output. Journals begin with the first one.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BUSY when there are too many; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE,
 *   LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: now_ms, the host's time; htlc, start with LNKEEP_BACKUP_HTLC_INIT, borrowed and copied.
 * Durable: no: tell all that are pending again after each open, before the first tick. For ten minutes after
 *   an open peers keep their journals of before, if nothing is told.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_set_htlc(lnkeep_backup backup,
                                     uint64_t now_ms,
                                     const lnkeep_backup_htlc *htlc,
                                     lnkeep_error *err);

/**
 * Tells that an HTLC is in neither commitment any more, irrevocably (both sides revoked the commitments that
 * had it): not earlier, for either may be the one that is published.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY when it was not known; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE,
 *   LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: channel_id, 32 bytes; incoming, 1 or 0; htlc_id, of update_add_htlc.
 * Durable: no.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_remove_htlc(lnkeep_backup backup,
                                        const uint8_t *channel_id,
                                        uint32_t incoming,
                                        uint64_t htlc_id,
                                        lnkeep_error *err);

/**
 * Tells the per-commitment point of the peer's newest commitment of a channel, which sweeping needs.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BUSY when there are too many channels; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: channel_id, 32 bytes; point, 33 bytes.
 * Durable: no.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_set_commitment_point(lnkeep_backup backup,
                                                 const uint8_t *channel_id,
                                                 const uint8_t *point,
                                                 lnkeep_error *err);

/**
 * Tells that a commitment of a channel is on chain, or on its way there: its HTLCs do not wait for the next
 * journal.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BUSY when there are too many channels; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: channel_id, 32 bytes.
 * Durable: no: tell it again after each open until the channel is resolved.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_channel_force_closed(lnkeep_backup backup,
                                                 const uint8_t *channel_id,
                                                 lnkeep_error *err);

/**
 * Tells that nothing of a channel is left to sweep: its HTLCs and its point are forgotten.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY when nothing was known of it; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: channel_id, 32 bytes.
 * Durable: no.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_channel_resolved(lnkeep_backup backup,
                                             const uint8_t *channel_id,
                                             lnkeep_error *err);

/**
 * Tells the height of the best block: an HTLC that expires within 144 blocks does not wait for its journal.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: block_height; 0 changes nothing.
 * Durable: no.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_block_connected(lnkeep_backup backup,
                                            uint32_t block_height,
                                            lnkeep_error *err);

/**
 * What a recovery found was taken over: sending is allowed, numbers go on above seq_floor, and what peers
 * still hold of the former database up to there is no state loss any more. The number of the first blob
 * after it is at least the host's milliseconds times 2^14, where these are Unix time: what a peer hid from
 * the recovery lies below it, and is not taken for newer by another recovery.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY when nothing changed; LNKEEP_NO_SPACE, LNKEEP_BUSY: nothing was
 *   changed; LNKEEP_INVALID_ARGUMENT, also for a floor above 2^63, which no recovery gives; LNKEEP_UNKNOWN,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: seq_floor, what lnkeep_recovery_finish gave.
 * Durable: when it returns.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_adopt(lnkeep_backup backup,
                                  uint64_t seq_floor,
                                  lnkeep_error *err);

/**
 * How many bytes a payload may have with blobs of this size: whole, or cut into 31 shares of 32.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT.
 * In: size_class, 1024, 4096, 16384 or 65531.
 * Out: whole_bytes_max and cut_bytes_max, NULL if not wanted.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_payload_max(uint32_t size_class,
                                        uint64_t *whole_bytes_max,
                                        uint64_t *cut_bytes_max,
                                        lnkeep_error *err);

/**
 * Concludes about peers that returned nothing in time, and says which are due for a blob
 * (LNKEEP_BACKUP_ACTION_SEND): because the payload is another one than they hold, because they were to be
 * sent it again, or because a channel with them became usable; at most once per resend interval and peer.
 * Arm a timer for next_due_ms.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: now_ms, the host's time.
 * Out: actions.
 * Durable: conclusions of which none of the peer's was written within a resend interval, 1,024 at a time;
 *   what a payload's shares are made of, once more of them came back than restore it; unless
 *   actions.failure says otherwise.
 * Threads: any.
 * Ownership: free it with lnkeep_backup_actions_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_tick(lnkeep_backup backup,
                                 uint64_t now_ms,
                                 lnkeep_backup_actions **actions,
                                 lnkeep_error *err);

/**
 * Frees what lnkeep_backup_tick gave. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_backup_actions_free(lnkeep_backup_actions *actions);

/**
 * What is known of peers, in the order of their ids, a page at a time.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: after, the last id of the page before, 33 bytes, NULL to begin; limit, of peers; 0, and whatever is
 *   more, means 1,000.
 * Out: peers; without any after the last one.
 * Threads: any.
 * Ownership: free it with lnkeep_backup_peers_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_list(lnkeep_backup backup,
                                 const uint8_t *after,
                                 size_t limit,
                                 lnkeep_backup_peers **peers,
                                 lnkeep_error *err);

/**
 * Frees what lnkeep_backup_list gave. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_backup_peers_free(lnkeep_backup_peers *peers);

/**
 * Where a backup stands: how many peers hold the payload of now, and whether anything may be sent.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * Out: standing, whose size the caller set; start with LNKEEP_BACKUP_STANDING_INIT.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_backup_read_standing(lnkeep_backup backup,
                                          lnkeep_backup_standing *standing,
                                          lnkeep_error *err);

/**
 * Makes the key that lnkeep_foreign_ldk_open takes from the seed of an LDK node with the stock KeysManager.
 * A node with a signer of its own gives get_peer_storage_key() of it instead.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT.
 * In: seed, 32 bytes.
 * Out: key, 32 bytes, which the caller wipes.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_foreign_ldk_key(const uint8_t *seed,
                                     uint8_t *key,
                                     lnkeep_error *err);

/**
 * Makes the key that lnkeep_foreign_cln_open takes from the secret of a Core Lightning node. A running node
 * gives the same by its command makesecret with the string "scb secret".
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, also for a secret of another length.
 * In: hsm_secret, borrowed: the 32 bytes of a file hsm_secret that is not encrypted, or the 64-byte BIP39
 *   seed of a node that was made from a mnemonic.
 * Out: key, 32 bytes, which the caller wipes.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_foreign_cln_key(lnkeep_bytes hsm_secret,
                                     uint8_t *key,
                                     lnkeep_error *err);

/**
 * Makes the key that lnkeep_foreign_lnd_open takes: SHA-256 of a public key.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT.
 * In: public_key, 33 bytes: the compressed key at lnd's key family 7, index 0, as secret as the file.
 * Out: key, 32 bytes, which the caller wipes.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_foreign_lnd_key(const uint8_t *public_key,
                                     uint8_t *key,
                                     lnkeep_error *err);

/**
 * Opens what a peer kept for an LDK node (its peer storage), and takes it apart. With it channels are closed
 * and swept; none is continued.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_FOREIGN, err.value one of LNKEEP_FOREIGN_*, the first that holds;
 *   LNKEEP_INVALID_ARGUMENT.
 * In: key, 32 bytes, see lnkeep_foreign_ldk_key; blob, borrowed.
 * Out: opened.
 * Threads: any.
 * Ownership: free it with lnkeep_foreign_ldk_free, which wipes it.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_foreign_ldk_open(const uint8_t *key,
                                      lnkeep_bytes blob,
                                      lnkeep_foreign_ldk **opened,
                                      lnkeep_error *err);

/**
 * Frees an opened blob of LDK's; its text is zeroized. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_foreign_ldk_free(lnkeep_foreign_ldk *opened);

/**
 * Opens a static channel backup of Core Lightning's, as its peers keep it and its file emergency.recover has
 * it, and takes it apart. With it channels are closed and swept; none is continued.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_FOREIGN, err.value one of LNKEEP_FOREIGN_*, the first that holds;
 *   LNKEEP_INVALID_ARGUMENT.
 * In: key, 32 bytes, see lnkeep_foreign_cln_key; blob, borrowed.
 * Out: opened.
 * Threads: any.
 * Ownership: free it with lnkeep_foreign_cln_free, which wipes it.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_foreign_cln_open(const uint8_t *key,
                                      lnkeep_bytes blob,
                                      lnkeep_foreign_cln **opened,
                                      lnkeep_error *err);

/**
 * Frees an opened backup of Core Lightning's; its text is zeroized. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_foreign_cln_free(lnkeep_foreign_cln *opened);

/**
 * Opens what a peer keeps for a lightning-kmp node, such as Phoenix: the states of its channels.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_FOREIGN, err.value one of LNKEEP_FOREIGN_*, the first that holds;
 *   LNKEEP_INVALID_ARGUMENT.
 * In: key, the private key of the node, 32 bytes; blob, borrowed.
 * Out: opened.
 * Threads: any.
 * Ownership: free it with lnkeep_foreign_lightning_kmp_free, which wipes it.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_foreign_lightning_kmp_open(const uint8_t *key,
                                                lnkeep_bytes blob,
                                                lnkeep_foreign_lightning_kmp **opened,
                                                lnkeep_error *err);

/**
 * Frees an opened blob of lightning-kmp's; its payload is zeroized. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_foreign_lightning_kmp_free(lnkeep_foreign_lightning_kmp *opened);

/**
 * Opens lnd's file channel.backup and takes it apart. With it channels are closed and swept; none is
 * continued. A channel that does not decode does not hide the others: it is given as bytes.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_FOREIGN, err.value one of LNKEEP_FOREIGN_*, the first that holds;
 *   LNKEEP_INVALID_ARGUMENT.
 * In: key, 32 bytes, see lnkeep_foreign_lnd_key; file, borrowed.
 * Out: opened.
 * Threads: any.
 * Ownership: free it with lnkeep_foreign_lnd_free, which wipes it.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_foreign_lnd_open(const uint8_t *key,
                                      lnkeep_bytes file,
                                      lnkeep_foreign_lnd **opened,
                                      lnkeep_error *err);

/**
 * Frees lnd's file that was opened; its text is zeroized. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_foreign_lnd_free(lnkeep_foreign_lnd *opened);

/**
 * Frees shares; they are zeroized, for the first of them are the object. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_shares_free(lnkeep_shares *shares);

/**
 * Makes every share of an object, without a store: for tools and tests. Any data_shares of them restore it.
 * The code is that of docs/backup-format.md; nothing in a share is encrypted.
 *
 * Returns: LNKEEP_DONE; LNKEEP_TOO_BIG for an object of more than 2,096,992 bytes;
 *   LNKEEP_INVALID_ARGUMENT, also unless 1 <= data_shares <= shares <= 32.
 * In: object, borrowed.
 * Out: made, as many as `shares`, each of object.len / data_shares bytes, rounded up, one at least.
 * Threads: any.
 * Ownership: free it with lnkeep_shares_free; everything it points to lives as long as it does.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_stripe_encode(uint32_t data_shares,
                                   uint32_t shares,
                                   lnkeep_bytes object,
                                   lnkeep_shares **made,
                                   lnkeep_error *err);

/**
 * Restores an object from some of its shares, without a store. Whether it is the object its hash tells,
 * which the record of each share has: the code cannot tell false shares from true ones.
 *
 * Returns: LNKEEP_DONE; LNKEEP_NOT_ENOUGH_SHARES, err.value how many different ones there are;
 *   LNKEEP_TOO_BIG for an object of more than 2,096,992 bytes; LNKEEP_INVALID_ARGUMENT, also unless
 *   1 <= data_shares <= shares <= 32, for an index that is not below `shares`, and for a share that is not
 *   as long as data_shares and object_bytes say.
 * In: have, have_len shares in any order, borrowed; the first of an index counts.
 * Out: object, of object_bytes.
 * Threads: any.
 * Ownership: free it with lnkeep_buf_free, which zeroizes it.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_stripe_decode(uint32_t data_shares,
                                   uint32_t shares,
                                   size_t object_bytes,
                                   const lnkeep_stripe_share *have,
                                   size_t have_len,
                                   lnkeep_buf **object,
                                   lnkeep_error *err);

/**
 * Frees what lnkeep_share_records_decode gave; the shares are zeroized. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_share_records_free(lnkeep_share_records *records);

/**
 * Reads the records of shares in the content of an envelope of kind 1 (lnkeep_envelope_open, then
 * lnkeep_roster_decode). The envelope says whose they are: its set id.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_SHARE, err.value one of LNKEEP_SHARE_*, the first that is met;
 *   LNKEEP_INVALID_ARGUMENT.
 * In: content, borrowed.
 * Out: records, in their order.
 * Threads: any.
 * Ownership: free it with lnkeep_share_records_free; everything it points to lives as long as it does.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_share_records_decode(lnkeep_bytes content,
                                          lnkeep_share_records **records,
                                          lnkeep_error *err);

/**
 * Frees what lnkeep_roster_decode gave; the content is zeroized. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_roster_free(lnkeep_roster *roster);

/**
 * Parts a payload that lnkeep_envelope_open gave into its content and the roster: who else may be asked.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_SHARE, err.value one of LNKEEP_ROSTER_*, the first that is met;
 *   LNKEEP_INVALID_ARGUMENT.
 * In: flags, as the envelope has them; payload, borrowed.
 * Out: roster; without peers where the envelope has none (LNKEEP_ENVELOPE_HAS_ROSTER).
 * Threads: any.
 * Ownership: free it with lnkeep_roster_free; everything it points to lives as long as it does.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_roster_decode(uint32_t flags,
                                   lnkeep_bytes payload,
                                   lnkeep_roster **roster,
                                   lnkeep_error *err);

/**
 * Begins a recovery with nothing but the secret that the lost node gave its backup.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED; LNKEEP_BUSY when too many handles are
 *   open.
 * In: secret, 32 bytes, as for lnkeep_backup_open; zeroize yours. options, NULL for the defaults.
 * Out: recovery, the handle.
 * Durable: no; lnkeep_recovery_export gives what to keep.
 * Threads: any.
 * Ownership: close the handle with lnkeep_recovery_close.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_recovery_begin(const uint8_t *secret,
                                    const lnkeep_recovery_options *options,
                                    lnkeep_recovery_session *recovery,
                                    lnkeep_error *err);

/**
 * Goes on with a recovery that lnkeep_recovery_export saved: it answers as the one that was saved would.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT for bytes that are no export, damaged, or of another secret;
 *   LNKEEP_UNSUPPORTED for an export of a later version; LNKEEP_TOO_BIG for more candidates than the options
 *   allow; LNKEEP_BUSY.
 * In: secret, options, as for lnkeep_recovery_begin; bytes, borrowed.
 * Out: recovery, the handle.
 * Threads: any.
 * Ownership: close the handle with lnkeep_recovery_close.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_recovery_resume(const uint8_t *secret,
                                     const lnkeep_recovery_options *options,
                                     lnkeep_bytes bytes,
                                     lnkeep_recovery_session *recovery,
                                     lnkeep_error *err);

/**
 * Closes a recovery. Its keys are zeroized; what was not exported is lost.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT; LNKEEP_BAD_HANDLE when it is not open.
 * In: recovery, a pointer to the handle; it is set to LNKEEP_RECOVERY_SESSION_NONE.
 * Threads: any, also while other threads are inside calls on it.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_recovery_close(lnkeep_recovery_session *recovery,
                                    lnkeep_error *err);

/**
 * Whether a handle on a recovery is open now.
 *
 * Returns: 1 or 0; 0 in a forked child.
 * Threads: any; another thread may close it right after.
 */
int lnkeep_recovery_is_open(lnkeep_recovery_session recovery);

/**
 * Adds peers that may keep something of ours: neighbours in the graph, the operator's list, a file. One that
 * is known already keeps its state.
 *
 * Returns: LNKEEP_DONE; LNKEEP_TOO_BIG, and none is added, when they are more than the options allow;
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
 * In: candidates, borrowed and copied.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_recovery_add_candidates(lnkeep_recovery_session recovery,
                                             const lnkeep_recovery_candidate *candidates,
                                             size_t candidates_len,
                                             lnkeep_error *err);

/**
 * Whom to ask next: holders that a roster names first, then announced neighbours, then the rest. One peer is
 * asked at a time; one that does not answer in time has failed, rests, and is asked again, eight times at
 * most.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
 * In: now_ms, the host's time; one that goes back counts as the greatest given.
 * Out: next, whose size the caller set; start with LNKEEP_RECOVERY_NEXT_INIT.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_recovery_next_peer(lnkeep_recovery_session recovery,
                                        uint64_t now_ms,
                                        lnkeep_recovery_next *next,
                                        lnkeep_error *err);

/**
 * Takes what the host found out about a peer, asked for or not. lnkeep_recovery_feed takes what it returned.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
 * In: now_ms, as for lnkeep_recovery_next_peer; node_id, 33 bytes; result, one of LNKEEP_RECOVERY_PEER_*.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_recovery_peer_result(lnkeep_recovery_session recovery,
                                          uint64_t now_ms,
                                          const uint8_t *node_id,
                                          uint32_t result,
                                          lnkeep_error *err);

/**
 * Gives keys of software that the node ran before: what does not open as ours is tried with them, and fed
 * says LNKEEP_FED_FOREIGN where one of them opens it.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
 * In: keys, start with LNKEEP_FOREIGN_KEYS_INIT, copied: zeroize yours; they replace those given before.
 *   They are not exported: give them again after lnkeep_recovery_resume.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_recovery_set_foreign_keys(lnkeep_recovery_session recovery,
                                               const lnkeep_foreign_keys *keys,
                                               lnkeep_error *err);

/**
 * Takes what a peer returned, in any order and any number of times, asked for or not.
 *
 * Returns: LNKEEP_DONE, whatever the blob is: fed says what it brought; LNKEEP_TOO_BIG for what no message
 *   can carry; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
 * In: node_id, of the peer that returned it, 33 bytes; blob, borrowed and, where it opens, copied.
 * Out: fed, NULL if not wanted, else start with LNKEEP_FED_INIT.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_recovery_feed(lnkeep_recovery_session recovery,
                                   const uint8_t *node_id,
                                   lnkeep_bytes blob,
                                   lnkeep_fed *fed,
                                   lnkeep_error *err);

/**
 * The recovery as bytes, for lnkeep_recovery_resume after a restart: sealed blobs as they came, and where
 * each candidate stands. They tell a reader who the peers are, and nothing of what they keep.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
 * Out: bytes, at most some 70 MB.
 * Threads: any.
 * Ownership: free it with lnkeep_buf_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_recovery_export(lnkeep_recovery_session recovery,
                                     lnkeep_buf **bytes,
                                     lnkeep_error *err);

/**
 * Says with which sequence number the node goes on: far above all that peers may still hold. Only after this
 * may anything be sent, and then it overwrites what peers keep: give it to lnkeep_backup_adopt.
 *
 * Returns: LNKEEP_DONE; LNKEEP_NOT_ENOUGH_SHARES while the newest generation is incomplete, unless that is
 *   accepted; LNKEEP_TOO_BIG when no numbers are left; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE,
 *   LNKEEP_POISONED.
 * In: accepts_incomplete, 1 to give up what is incomplete, else 0.
 * Out: seq_floor.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_recovery_finish(lnkeep_recovery_session recovery,
                                     uint32_t accepts_incomplete,
                                     uint64_t *seq_floor,
                                     lnkeep_error *err);

/**
 * How far a recovery is.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
 * In: now_ms, as for lnkeep_recovery_next_peer.
 * Out: progress.
 * Threads: any.
 * Ownership: free it with lnkeep_recovery_progress_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_recovery_read_progress(lnkeep_recovery_session recovery,
                                            uint64_t now_ms,
                                            lnkeep_recovery_progress **progress,
                                            lnkeep_error *err);

/**
 * Frees what lnkeep_recovery_read_progress gave. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_recovery_progress_free(lnkeep_recovery_progress *progress);

/**
 * The greatest generation that can be restored: for closing and sweeping only. It does not end the recovery:
 * a later call may give a newer one.
 *
 * Returns: LNKEEP_DONE; LNKEEP_NOT_ENOUGH_SHARES when none can, or when a newer one is known of and an older
 *   one is not accepted: err.value is how many shares of the newest are missing, at least; LNKEEP_BAD_SHARE
 *   when the shares do not give what they name, which only a bug of the writer can cause;
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
 * In: accepts_older, 1 to take an older generation than the newest known of, else 0.
 * Out: recovered.
 * Threads: any.
 * Ownership: free it with lnkeep_recovered_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_recovery_payload(lnkeep_recovery_session recovery,
                                      uint32_t accepts_older,
                                      lnkeep_recovered **recovered,
                                      lnkeep_error *err);

/**
 * Frees a payload; it is zeroized. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_recovered_free(lnkeep_recovered *recovered);

/**
 * The newest HTLCs that can be made of what peers returned: a snapshot with a journal over it, either alone,
 * or a journal that is complete by itself. Whether anything newer is known of is said in them.
 *
 * Returns: LNKEEP_DONE; LNKEEP_NOT_ENOUGH_SHARES when nothing can be restored; LNKEEP_NOT_FOUND when no
 *   HTLCs were backed up; LNKEEP_BAD_SHARE as for lnkeep_recovery_payload; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_POISONED.
 * Out: htlcs.
 * Threads: any.
 * Ownership: free it with lnkeep_recovered_htlcs_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_recovery_htlcs(lnkeep_recovery_session recovery,
                                    lnkeep_recovered_htlcs **htlcs,
                                    lnkeep_error *err);

/**
 * Frees what lnkeep_recovery_htlcs gave; preimages are zeroized. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_recovered_htlcs_free(lnkeep_recovered_htlcs *htlcs);

/**
 * Opens the resources of a store: loads every channel and every pending HTLC as they were. While they are
 * open, opening again with equal options gives another handle on the same.
 *
 * Returns: LNKEEP_DONE; LNKEEP_WRONG_MODE when the store has the other mode and LNKEEP_RESOURCES_CONVERT is
 *   not set; LNKEEP_CHANNEL_LIMITS when a channel cannot be divided by new settings: nothing was changed;
 *   LNKEEP_ALREADY_OPEN with other options; LNKEEP_CORRUPT_RECORD when the settings cannot be read;
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED, LNKEEP_NO_SPACE,
 *   LNKEEP_BUSY, LNKEEP_IO, LNKEEP_POISONED. A damaged channel is no error: report counts it.
 * In: options, NULL for the safe defaults.
 * Out: resources, the handle; report, NULL if not wanted, else start with LNKEEP_RESOURCES_REPORT_INIT.
 * Threads: any.
 * Ownership: close the handle with lnkeep_resources_close.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_resources_open(lnkeep_store store,
                                    const lnkeep_resources_options *options,
                                    lnkeep_resources *resources,
                                    lnkeep_resources_report *report,
                                    lnkeep_error *err);

/**
 * Closes a handle on resources; the last one writes what was acknowledged.
 *
 * Returns: LNKEEP_DONE; LNKEEP_NO_SPACE, LNKEEP_POISONED: closed, and the last calls acknowledged from
 *   memory are lost, as after a crash; LNKEEP_INVALID_ARGUMENT; LNKEEP_BAD_HANDLE when it is not open.
 * In: resources, a pointer to the handle; it is set to LNKEEP_RESOURCES_NONE.
 * Durable: everything acknowledged before, with LNKEEP_DONE.
 * Threads: any, also while other threads are inside calls on it.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_resources_close(lnkeep_resources *resources,
                                     lnkeep_error *err);

/**
 * Whether a handle on resources is open now.
 *
 * Returns: 1 or 0; 0 in a forked child.
 * Threads: any; another thread may close it right after.
 */
int lnkeep_resources_is_open(lnkeep_resources resources);

/**
 * Lets a channel take part, in both directions.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY when it is known with these limits; LNKEEP_CHANNEL_LIMITS, the
 *   bound in err.value; LNKEEP_DUPLICATE_CHANNEL when it is known with other limits
 *   (lnkeep_resources_resize_channel) or closing; LNKEEP_BUSY; LNKEEP_NOT_DURABLE: known in memory, repeat
 *   it; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: channel, its short channel id or the host's own number; limits; unix_secs, the time of now.
 * Out: allocation, NULL if not wanted.
 * Durable: when it returns LNKEEP_DONE or LNKEEP_ALREADY.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_resources_add_channel(lnkeep_resources resources,
                                           uint64_t channel,
                                           const lnkeep_channel_limits *limits,
                                           uint64_t unix_secs,
                                           lnkeep_allocation *allocation,
                                           lnkeep_error *err);

/**
 * Gives a channel other limits, as a splice does. No HTLC is evicted: a bucket that became smaller takes new
 * ones when old ones have left.
 *
 * Returns: LNKEEP_DONE, also when it has these limits; LNKEEP_CHANNEL_LIMITS, the bound in err.value;
 *   LNKEEP_UNKNOWN_CHANNEL, LNKEEP_CHANNEL_CLOSING; LNKEEP_BUSY; LNKEEP_NOT_DURABLE: it holds in memory,
 *   repeat it; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: channel; limits.
 * Out: allocation, NULL if not wanted.
 * Durable: when it returns LNKEEP_DONE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_resources_resize_channel(lnkeep_resources resources,
                                              uint64_t channel,
                                              const lnkeep_channel_limits *limits,
                                              lnkeep_allocation *allocation,
                                              lnkeep_error *err);

/**
 * Forgets a channel with its reputation and revenue, at once or when its last HTLC resolves.
 *
 * Returns: LNKEEP_DONE; LNKEEP_UNKNOWN_CHANNEL; LNKEEP_BUSY; LNKEEP_NOT_DURABLE: it holds in memory,
 *   repeat it; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * Out: removal, LNKEEP_RESOURCES_REMOVED or LNKEEP_RESOURCES_CLOSING; NULL if not wanted.
 * Durable: when it returns LNKEEP_DONE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_resources_remove_channel(lnkeep_resources resources,
                                              uint64_t channel,
                                              uint32_t *removal,
                                              lnkeep_error *err);

/**
 * Decides about HTLCs, in order, and takes what they use. To fail one is a verdict and no error. A repeat of
 * an HTLC that is pending answers what was decided then.
 *
 * Each decision has a status of its own: LNKEEP_DONE; LNKEEP_ALREADY for a repeat;
 *   LNKEEP_INVALID_ARGUMENT for a time after the year 9999;
 *   LNKEEP_OUTGOING_EXCEEDS_INCOMING; LNKEEP_EXPIRY_NOT_AFTER_HEIGHT; LNKEEP_UNKNOWN_CHANNEL,
 *   LNKEEP_CHANNEL_CLOSING, the channel in value; LNKEEP_DUPLICATE_HTLC when the id is pending with other
 *   content; LNKEEP_SLOT_ASSIGNMENT in compat mode; LNKEEP_BUSY when the journal waits for the disk;
 *   LNKEEP_NOT_DURABLE with LNKEEP_RESOURCES_DURABLE: decided as the rest says, repeat it.
 *
 * Returns: with one request its status, LNKEEP_DONE or LNKEEP_ALREADY or the reason in err; with several
 *   LNKEEP_DONE if each is DONE or ALREADY, else LNKEEP_BATCH: read them. LNKEEP_TOO_BIG above 1,024;
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE: none was decided. LNKEEP_CLOSED, LNKEEP_POISONED: the
 *   decisions whose status says so were not made.
 * In: requests; requests_len; flags, LNKEEP_RESOURCES_DURABLE, LNKEEP_RESOURCES_DRY_RUN or 0.
 * Out: decisions, requests_len of them, written whenever the arguments are valid; grounds, as many, NULL if
 *   not wanted: what the decisions were made from, at some cost.
 * Durable: with LNKEEP_RESOURCES_DURABLE; else written soon after, and a crash may lose the last of them:
 *   see lnkeep_resources_reconcile.
 * Threads: any; without LNKEEP_RESOURCES_DURABLE it never waits for the disk.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_resources_add(lnkeep_resources resources,
                                   const lnkeep_htlc_request *requests,
                                   size_t requests_len,
                                   uint32_t flags,
                                   lnkeep_decision *decisions,
                                   lnkeep_grounds *grounds,
                                   lnkeep_error *err);

/**
 * Ends HTLCs, in order: releases what they took, and lets them count for the outgoing channel's reputation
 * and the incoming one's revenue.
 *
 * Each resolution has a status of its own: LNKEEP_DONE; LNKEEP_ALREADY for a repeat of one of the last 16 of
 *   its incoming channel; LNKEEP_UNKNOWN_CHANNEL, LNKEEP_UNKNOWN_HTLC: there is nothing to release;
 *   LNKEEP_RESOLVED_BEFORE_ADDED in compat mode: released, and it counts for nothing; LNKEEP_BUSY: nothing
 *   was done; LNKEEP_NOT_DURABLE with LNKEEP_RESOURCES_DURABLE: done, repeat it.
 *
 * Returns: with one request its status; with several LNKEEP_DONE if each is DONE or ALREADY, else
 *   LNKEEP_BATCH: read them. LNKEEP_TOO_BIG above 1,024; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE: none
 *   was resolved. LNKEEP_CLOSED, LNKEEP_POISONED: the HTLCs whose status says so were not.
 * In: requests; requests_len; flags, LNKEEP_RESOURCES_DURABLE or 0.
 * Out: resolutions, requests_len of them, written whenever the arguments are valid.
 * Durable: with LNKEEP_RESOURCES_DURABLE; else written soon after.
 * Threads: any; without LNKEEP_RESOURCES_DURABLE it never waits for the disk.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_resources_resolve(lnkeep_resources resources,
                                       const lnkeep_resolve_request *requests,
                                       size_t requests_len,
                                       uint32_t flags,
                                       lnkeep_resolution *resolutions,
                                       lnkeep_error *err);

/**
 * Compares what was pending before this open with the HTLCs that the node has: releases those that it has no
 * more, with no effect on any reputation, and tracks those that are not known. Decides nothing. To be called
 * after every open, before forwarding, with all HTLCs that were forwarded and are not resolved.
 *
 * Returns: LNKEEP_DONE; LNKEEP_DUPLICATE_ID, LNKEEP_OUTGOING_EXCEEDS_INCOMING: nothing was done;
 *   LNKEEP_NOT_DURABLE: it holds in memory, repeat it; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: live; live_len, of any length.
 * Out: report, NULL if not wanted, else start with LNKEEP_RECONCILED_INIT.
 * Durable: when it returns LNKEEP_DONE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_resources_reconcile(lnkeep_resources resources,
                                         const lnkeep_live_htlc *live,
                                         size_t live_len,
                                         lnkeep_reconciled *report,
                                         lnkeep_error *err);

/**
 * Takes forwards of the past, in any order, into the averages of the channels that are known, so that a node
 * does not start without any reputation. Each average takes a history once.
 *
 * Returns: LNKEEP_DONE; LNKEEP_NOT_DURABLE: it holds in memory, repeat it;
 *   LNKEEP_UNKNOWN_CHANNEL: another thread removed one meanwhile, repeat it;
 *   LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: rows; rows_len, of any length: all that there are, in one call.
 * Out: report, NULL if not wanted, else start with LNKEEP_IMPORTED_INIT.
 * Durable: when it returns LNKEEP_DONE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_resources_import_history(lnkeep_resources resources,
                                              const lnkeep_forward_row *rows,
                                              size_t rows_len,
                                              lnkeep_imported *report,
                                              lnkeep_error *err);

/**
 * One channel, with its averages as of a time.
 *
 * Returns: LNKEEP_DONE; LNKEEP_UNKNOWN_CHANNEL; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_POISONED.
 * In: channel; unix_secs, the time that *_now_msat are asked for.
 * Out: found.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_resources_lookup(lnkeep_resources resources,
                                      uint64_t channel,
                                      uint64_t unix_secs,
                                      lnkeep_resources_channel *found,
                                      lnkeep_error *err);

/**
 * Everything that the resources know, with averages as of a time. Each channel is consistent in itself;
 * calls go on meanwhile.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: unix_secs, the time that *_now_msat are asked for.
 * Out: snapshot.
 * Threads: any.
 * Ownership: free it with lnkeep_resources_snapshot_free; its arrays live as long as it does.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_resources_take_snapshot(lnkeep_resources resources,
                                             uint64_t unix_secs,
                                             lnkeep_resources_snapshot **snapshot,
                                             lnkeep_error *err);

/**
 * Frees what lnkeep_resources_take_snapshot gave. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_resources_snapshot_free(lnkeep_resources_snapshot *snapshot);

/**
 * The kept decisions after a number with their grounds, one JSON object per line. Members are named as in
 * lnkeep_htlc_request, lnkeep_decision and lnkeep_grounds; numbers are integers, many above 2^53.
 *
 * Returns: LNKEEP_DONE; LNKEEP_WRONG_MODE when options.decisions_kept was 0; LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * In: after, the last number of the call before, 0 to begin; decisions_max, of one call.
 * Out: lines, empty when there is none; last, the number to go on after.
 * Threads: any.
 * Ownership: free lines with lnkeep_buf_free.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_resources_decisions(lnkeep_resources resources,
                                         uint64_t after,
                                         size_t decisions_max,
                                         lnkeep_buf **lines,
                                         uint64_t *last,
                                         lnkeep_error *err);

/**
 * Figures since the open.
 *
 * Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED.
 * Out: stats, whose size the caller set; start with LNKEEP_RESOURCES_STATS_INIT.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_resources_read_stats(lnkeep_resources resources,
                                          lnkeep_resources_stats *stats,
                                          lnkeep_error *err);

/**
 * Opens the cursor of a name, registering it when it is new. A registered cursor keeps its place over
 * restarts and pins the events it has not acknowledged, up to the store's limits.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_TOO_BIG when
 *   256 cursors exist, LNKEEP_NO_SPACE, LNKEEP_BUSY, LNKEEP_UNKNOWN, LNKEEP_POISONED.
 * In: name, 1 to 32 bytes; flags, LNKEEP_EVENTS_FROM_NEWEST or 0, read when the cursor is new.
 * Out: events, the handle.
 * Durable: the registration.
 * Threads: any.
 * Ownership: close the handle with lnkeep_events_close.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_events_open(lnkeep_store store,
                                 lnkeep_bytes name,
                                 uint32_t flags,
                                 lnkeep_events *events,
                                 lnkeep_error *err);

/**
 * Closes a cursor's handle; the cursor stays registered.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE when it is not open.
 * In: events, a pointer to the handle; it is set to LNKEEP_EVENTS_NONE.
 * Threads: any, also while other threads are inside calls on it.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_events_close(lnkeep_events *events,
                                  lnkeep_error *err);

/**
 * Whether a cursor's handle is open now.
 *
 * Returns: 1 or 0; 0 in a forked child.
 * Threads: any; another thread may close it right after.
 */
int lnkeep_events_is_open(lnkeep_events events);

/**
 * The next events, oldest first; never waits. What was taken and not acknowledged comes again after a
 * reopen: deal with an event, then acknowledge it.
 *
 * Returns: LNKEEP_DONE; LNKEEP_TRUNCATED once when unread events were cut, and the next call goes on with
 *   the first one available; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_BUSY,
 *   LNKEEP_POISONED.
 * In: capacity, of taken; at most 1,000 come at once.
 * Out: taken, the first taken_len of them; taken_len, 0 when there are none.
 * Threads: any; two takers of one handle split its events.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_events_take(lnkeep_events events,
                                 lnkeep_event *taken,
                                 size_t capacity,
                                 size_t *taken_len,
                                 lnkeep_error *err);

/**
 * Records that everything up to a number was dealt with, so that it need not be kept for this cursor.
 *
 * Returns: LNKEEP_DONE; LNKEEP_ALREADY for a number acknowledged before; LNKEEP_NOT_FOUND when the cursor
 *   was unregistered; LNKEEP_INVALID_ARGUMENT for a number not written yet; LNKEEP_BAD_HANDLE,
 *   LNKEEP_CLOSED, LNKEEP_BUSY, LNKEEP_NO_SPACE, LNKEEP_UNKNOWN, LNKEEP_POISONED.
 * In: sequence, the number of the last event dealt with.
 * Durable: on LNKEEP_DONE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_events_ack(lnkeep_events events,
                                uint64_t sequence,
                                lnkeep_error *err);

/**
 * Removes the cursor from the store, so that it pins no events. The handle stays to be closed.
 *
 * Returns: LNKEEP_DONE; LNKEEP_NOT_FOUND when it is not registered; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED,
 *   LNKEEP_BUSY, LNKEEP_NO_SPACE, LNKEEP_UNKNOWN, LNKEEP_POISONED.
 * Durable: on LNKEEP_DONE.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_events_unregister(lnkeep_events events,
                                       lnkeep_error *err);

/**
 * Number of the oldest event kept; one above the newest when none is kept. After LNKEEP_TRUNCATED, reading
 * goes on there.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_INVALID_ARGUMENT, LNKEEP_BUSY,
 *   LNKEEP_POISONED.
 * Out: sequence.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_events_first_available(lnkeep_events events,
                                            uint64_t *sequence,
                                            lnkeep_error *err);

/**
 * A descriptor that is readable while there may be events to take, for poll or epoll.
 *
 * Returns: LNKEEP_DONE; LNKEEP_BAD_HANDLE, LNKEEP_INVALID_ARGUMENT.
 * Out: descriptor, valid until the handle is closed.
 * Threads: any.
 * Ownership: the library's; never read, write or close it. It is close-on-exec.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_events_descriptor(lnkeep_events events,
                                       int *descriptor,
                                       lnkeep_error *err);

/**
 * Checks the store in a directory, or a backup file: every page, tree, free page, checksum, order, count
 * and digest, and what rows say about each other.
 *
 * The file may be damaged in any way: it is read, never mapped. Nothing is written and no lock is taken, so
 * a store that is open, here or in another process, can be checked and goes on. A growth of the map of a
 * store that is open here waits for it, and calls for the growth.
 *
 * Returns: LNKEEP_DONE when it could be looked at, whatever was found: read the report. LNKEEP_NOT_FOUND,
 *   LNKEEP_IO, LNKEEP_FORMAT_TOO_NEW; LNKEEP_BUSY without memory for the walk, or when another process
 *   commits too fast for it, then check in that process; LNKEEP_INVALID_ARGUMENT, LNKEEP_FORKED.
 * In: path, of the store's directory or of a backup.
 * Out: report.
 * Ownership: free the report with lnkeep_check_report_free; everything it points to lives as long as it.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_check(const char *path,
                           lnkeep_check_report **report,
                           lnkeep_error *err);

/**
 * Frees a report. NULL is allowed.
 *
 * Threads: any.
 */
void lnkeep_check_report_free(lnkeep_check_report *report);

/**
 * Writes the newest commit of an open store to a new file: flushed, checked, without free pages, mode 0600.
 *
 * Reads and commits go on meanwhile, but that a growth of the map waits for it, and calls for the growth.
 * The file appears under its name only when it is whole; until then it lies in a directory path +
 * ".partial-" + eight digits, which a crash leaves behind for you to remove. It holds failure messages and
 * preimages: keep it as you keep the store. Put in place of a store's file by whatever means, it comes up
 * as a copy.
 *
 * Returns: LNKEEP_DONE; LNKEEP_TARGET_EXISTS, nothing is overwritten; LNKEEP_NO_SPACE; LNKEEP_IO;
 *   LNKEEP_NOT_FOUND when the directory of path is missing; LNKEEP_UNSAFE_PLACE when it cannot be written to
 *   or is the store's own; LNKEEP_CORRUPT_STORE when the copy does not check; LNKEEP_BUSY without memory to
 *   check it; LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_HANDLE, LNKEEP_CLOSED, LNKEEP_POISONED, LNKEEP_FORKED.
 *   Without LNKEEP_DONE there is no new file.
 * In: path, of the file to make.
 * Out: report, of a check of the new file; NULL when it is not wanted. Damaged single rows are copied as
 *   they are and are findings.
 * Durable: file and directory, when it returns LNKEEP_DONE.
 * Ownership: free the report with lnkeep_check_report_free.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_store_backup(lnkeep_store store,
                                  const char *path,
                                  lnkeep_check_report **report,
                                  lnkeep_error *err);

/**
 * Makes a store of a backup, in a directory that holds none; the directory is made when it is missing.
 *
 * The next open reports LNKEEP_REPORT_RESTORED: new attempts are refused until
 * lnkeep_attempts_acknowledge_restore gave an id floor, because a newer store, now lost, may have used ids
 * that the backup does not know. The backup stays as it is.
 *
 * Returns: LNKEEP_DONE; LNKEEP_TARGET_EXISTS when the directory holds a store; LNKEEP_CORRUPT_STORE when
 *   the backup's structure is damaged; LNKEEP_LOCKED when backup is a store that is open; LNKEEP_NOT_FOUND,
 *   LNKEEP_UNSAFE_PLACE, LNKEEP_FORMAT_TOO_NEW, LNKEEP_NO_SPACE, LNKEEP_IO, LNKEEP_INVALID_ARGUMENT,
 *   LNKEEP_FORKED; LNKEEP_BUSY without memory to check it. Without LNKEEP_DONE there is no store in the
 *   directory, or, when its last flush failed, one that is marked as restored.
 * In: backup, path of the file, or of the directory of a closed store; directory, of the store to make;
 *   flags, 0 or LNKEEP_STORE_ANY_FILE_SYSTEM.
 * Out: report, of a check of the backup; NULL when it is not wanted.
 * Durable: files and directory, when it returns LNKEEP_DONE.
 * Ownership: free the report with lnkeep_check_report_free.
 * Threads: any.
 */
LNKEEP_WARN_UNUSED
lnkeep_status lnkeep_store_restore(const char *backup,
                                   const char *directory,
                                   uint32_t flags,
                                   lnkeep_check_report **report,
                                   lnkeep_error *err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LNKEEP_H */
