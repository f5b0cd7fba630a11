package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

// The numbers of a backup, held against the header as those of ffi_constants.go are.
var _ = [...]bool{
	[1]bool{}[StatusStateLoss-C.LNKEEP_STATE_LOSS],
	[1]bool{}[StatusPeerUnavailable-C.LNKEEP_PEER_UNAVAILABLE],
	[1]bool{}[StatusHold-C.LNKEEP_HOLD],
	[1]bool{}[StatusUnreadable-C.LNKEEP_UNREADABLE],
	[1]bool{}[StatusNoPayload-C.LNKEEP_NO_PAYLOAD],
	[1]bool{}[StatusTooFewPeers-C.LNKEEP_TOO_FEW_PEERS],
	[1]bool{}[StatusBadShare-C.LNKEEP_BAD_SHARE],
	[1]bool{}[StatusNotEnoughShares-C.LNKEEP_NOT_ENOUGH_SHARES],
	[1]bool{}[StatusBadForeign-C.LNKEEP_BAD_FOREIGN],
	[1]bool{}[BackupIdle-C.LNKEEP_BACKUP_STATE_IDLE],
	[1]bool{}[BackupHold-C.LNKEEP_BACKUP_STATE_HOLD],
	[1]bool{}[BackupClear-C.LNKEEP_BACKUP_STATE_CLEAR],
	[1]bool{}[BackupSent-C.LNKEEP_BACKUP_STATE_SENT],
	[1]bool{}[BackupCommitted-C.LNKEEP_BACKUP_STATE_COMMITTED],
	[1]bool{}[BackupLagging-C.LNKEEP_BACKUP_STATE_LAGGING],
	[1]bool{}[BackupStale-C.LNKEEP_BACKUP_STATE_STALE],
	[1]bool{}[BackupLost-C.LNKEEP_BACKUP_STATE_LOST],
	[1]bool{}[BackupCorrupt-C.LNKEEP_BACKUP_STATE_CORRUPT],
	[1]bool{}[BackupUnconfirmed-C.LNKEEP_BACKUP_STATE_UNCONFIRMED],
	[1]bool{}[BackupAhead-C.LNKEEP_BACKUP_STATE_AHEAD],
	[1]bool{}[BackupUnreadable-C.LNKEEP_BACKUP_STATE_UNREADABLE],
	[1]bool{}[BackupUnsupported-C.LNKEEP_BACKUP_STATE_UNSUPPORTED],
	[1]bool{}[ActionNone-C.LNKEEP_BACKUP_ACTION_NONE],
	[1]bool{}[ActionFirstSendAllowed-C.LNKEEP_BACKUP_ACTION_FIRST_SEND_ALLOWED],
	[1]bool{}[ActionResend-C.LNKEEP_BACKUP_ACTION_RESEND],
	[1]bool{}[ActionAlertUnreadable-C.LNKEEP_BACKUP_ACTION_ALERT_UNREADABLE],
	[1]bool{}[ActionAlertStateLoss-C.LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS],
	[1]bool{}[ActionSend-C.LNKEEP_BACKUP_ACTION_SEND],
	[1]bool{}[CopyNone-C.LNKEEP_COPY_NONE],
	[1]bool{}[CopyUnconfirmed-C.LNKEEP_COPY_UNCONFIRMED],
	[1]bool{}[CopyConfirmed-C.LNKEEP_COPY_CONFIRMED],
	[1]bool{}[EventBackupStateLoss-C.LNKEEP_EVENT_BACKUP_STATE_LOSS],
	[1]bool{}[EventBackupUnreadable-C.LNKEEP_EVENT_BACKUP_UNREADABLE],
	[1]bool{}[EventBackupStrike-C.LNKEEP_EVENT_BACKUP_STRIKE],
}

func cBackup(handle uint64) (b C.lnkeep_backup) { b.bits = C.uint64_t(handle); return b }

// secretBytes lends a secret to one call; NULL for nil.
func secretBytes(secret *Secret) *C.uint8_t { return (*C.uint8_t)(unsafe.Pointer(secret)) }

func cBackupOpen(handle uint64, secret *Secret, o *BackupOptions) (uint64, BackupReport, error) {
	var given C.lnkeep_backup_options
	defer clear(given.entropy[:])
	given.size = C.sizeof_lnkeep_backup_options
	given.flags = flag(o.Entropy != nil, C.LNKEEP_BACKUP_HAS_ENTROPY)
	given.size_class = C.uint32_t(o.SizeClass)
	given.hold_ms = C.uint64_t(milliseconds(o.Hold))
	given.resend_interval_ms = C.uint64_t(milliseconds(o.ResendInterval))
	given.peers_max = C.uint32_t(o.PeersMax)
	encodeJournalOptions(&given, o)
	if o.Entropy != nil {
		copyBytes(&given.entropy, o.Entropy[:])
	}
	var opened C.lnkeep_backup
	var found C.lnkeep_backup_report
	found.size = C.sizeof_lnkeep_backup_report
	detail := newError()
	status := C.lnkeep_backup_open(cStore(handle), secretBytes(secret), &given, &opened, &found, &detail)
	if err := check("open backup", status, &detail); err != nil {
		return 0, BackupReport{}, err
	}
	return uint64(opened.bits), BackupReport{
		Peers:   uint64(found.peers),
		Damaged: uint64(found.damaged),
		Fresh:   found.flags&C.LNKEEP_BACKUP_FRESH != 0,
		Blocked: found.flags&C.LNKEEP_BACKUP_BLOCKED != 0,
	}, nil
}

func cBackupClose(handle uint64) error {
	b, detail := cBackup(handle), newError()
	return check("close backup", C.lnkeep_backup_close(&b, &detail), &detail)
}

func cBackupIsOpen(handle uint64) bool { return C.lnkeep_backup_is_open(cBackup(handle)) != 0 }

func cBackupSetPayload(handle uint64, payload []byte) error {
	detail := newError()
	return check("set payload", C.lnkeep_backup_set_payload(cBackup(handle), view(payload), &detail), &detail)
}

func cBackupConnected(handle, nowMs uint64, peer *NodeID, offersStorage bool) error {
	detail := newError()
	status := C.lnkeep_backup_connected(cBackup(handle), C.uint64_t(nowMs), nodeBytes(peer),
		flag(offersStorage, 1), &detail)
	return check("connected", status, &detail)
}

func cBackupDisconnected(handle uint64, peer *NodeID) error {
	detail := newError()
	return check("disconnected", C.lnkeep_backup_disconnected(cBackup(handle), nodeBytes(peer), &detail),
		&detail)
}

func concludedOf(op string, c *C.lnkeep_concluded) Concluded {
	return Concluded{
		State:   BackupState(c.state),
		Action:  BackupAction(c.action),
		Failure: failureOf(op, Status(c.failure)),
	}
}

func cBackupRetrieval(handle, nowMs uint64, peer *NodeID, blob []byte) (Concluded, *Opened, error) {
	var concluded C.lnkeep_concluded
	concluded.size = C.sizeof_lnkeep_concluded
	var opened *C.lnkeep_opened
	detail := newError()
	status := C.lnkeep_backup_retrieval(cBackup(handle), C.uint64_t(nowMs), nodeBytes(peer), view(blob),
		&concluded, &opened, &detail)
	if err := check("retrieval", status, &detail); err != nil {
		return Concluded{}, nil, err
	}
	return concludedOf("retrieval", &concluded), takeOpened(opened), nil
}

func cBackupReestablishBegun(handle, nowMs uint64, peer *NodeID) (Concluded, error) {
	var concluded C.lnkeep_concluded
	concluded.size = C.sizeof_lnkeep_concluded
	detail := newError()
	status := C.lnkeep_backup_reestablish_begun(cBackup(handle), C.uint64_t(nowMs), nodeBytes(peer), &concluded,
		&detail)
	if err := check("reestablish begun", status, &detail); err != nil {
		return Concluded{}, err
	}
	return concludedOf("reestablish begun", &concluded), nil
}

func cBackupChannelReady(handle uint64, peer *NodeID) error {
	detail := newError()
	return check("channel ready", C.lnkeep_backup_channel_ready(cBackup(handle), nodeBytes(peer), &detail),
		&detail)
}

func cBackupSeal(handle, nowMs uint64, peer *NodeID, blockHeight uint32) (Sealed, error) {
	var blob *C.lnkeep_buf
	var seq C.uint64_t
	detail := newError()
	status := C.lnkeep_backup_seal(cBackup(handle), C.uint64_t(nowMs), nodeBytes(peer), C.uint32_t(blockHeight),
		&blob, &seq, &detail)
	if err := check("seal", status, &detail); err != nil {
		return Sealed{}, err
	}
	return Sealed{Blob: takeBuf(blob), Seq: uint64(seq)}, nil
}

func cBackupTick(handle, nowMs uint64) (BackupTick, error) {
	var found *C.lnkeep_backup_actions
	detail := newError()
	status := C.lnkeep_backup_tick(cBackup(handle), C.uint64_t(nowMs), &found, &detail)
	if err := check("tick backup", status, &detail); err != nil {
		return BackupTick{}, err
	}
	defer C.lnkeep_backup_actions_free(found)
	tick := BackupTick{
		NextDue: dueAt(found.flags&C.LNKEEP_BACKUP_HAS_NEXT_DUE != 0, uint64(found.next_due_ms)),
		Failure: failureOf("tick backup", Status(found.failure)),
	}
	strides(&found.actions, found.actions_len, found.action_stride, func(c *C.lnkeep_backup_action) {
		tick.Actions = append(tick.Actions, PeerAction{
			Peer:   *(*NodeID)(unsafe.Pointer(&c.node_id)),
			State:  BackupState(c.state),
			Action: BackupAction(c.action),
		})
	})
	return tick, nil
}

func cBackupAcknowledge(handle uint64) (Outcome, error) {
	detail := newError()
	return change("acknowledge", C.lnkeep_backup_acknowledge(cBackup(handle), &detail), &detail)
}

func cBackupForget(handle uint64, peer *NodeID) (Outcome, error) {
	detail := newError()
	return change("forget", C.lnkeep_backup_forget(cBackup(handle), nodeBytes(peer), &detail), &detail)
}
