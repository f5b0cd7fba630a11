//go:build !cgo

package lnkeep

import "strconv"

// Without cgo the whole package compiles and nothing can be opened: Open answers ErrNoCgo, and so does
// everything that needs the library without a store. What stands below is never reached otherwise.

func cStatusClass(s Status) Class {
	switch {
	case s == StatusDone:
		return ClassDone
	case s > StatusDone:
		return ClassAlready
	case s > StatusBusy:
		return ClassRefused
	case s > StatusUnknown:
		return ClassRetry
	case s > StatusPoisoned:
		return ClassUnknown
	}
	return ClassFatal
}

func cStatusName(Status) string      { return "?" }
func cStatusMessage(s Status) string { return "status " + strconv.Itoa(int(s)) }
func cClassName(Class) string        { return "?" }
func cVersion() string               { return "" }
func cABIVersion() uint32            { return 0 }

func cStoreOpen(string, *StoreOptions) (uint64, Report, error)           { return 0, Report{}, ErrNoCgo }
func cStoreClose(uint64) error                                           { return ErrNoCgo }
func cStoreIsOpen(uint64) bool                                           { return false }
func cStoreTick(uint64, uint64, uint32) error                            { return ErrNoCgo }
func cStoreSync(uint64) error                                            { return ErrNoCgo }
func cStoreStats(uint64) (Stats, error)                                  { return Stats{}, ErrNoCgo }
func cStoreBackup(uint64, string) (*CheckReport, error)                  { return nil, ErrNoCgo }
func cStoreRestore(string, string, RestoreOptions) (*CheckReport, error) { return nil, ErrNoCgo }
func cCheck(string) (*CheckReport, error)                                { return nil, ErrNoCgo }

func cSubmit(uint64, []*Operation, bool, []Outcome) error         { return ErrNoCgo }
func cSubmitAsync(uint64, []*Operation, bool, uint64) error       { return ErrNoCgo }
func cCompletionsTake(uint64, []completion) (int, error)          { return 0, ErrNoCgo }
func cCompletionsDescriptor(uint64) (int, error)                  { return 0, ErrNoCgo }
func cAttemptsDo(*Operation) Outcome                              { return failed(ErrNoCgo) }
func cAttemptsOpen(uint64, AttemptsOptions) (uint64, error)       { return 0, ErrNoCgo }
func cAttemptsClose(uint64) error                                 { return ErrNoCgo }
func cAttemptsIsOpen(uint64) bool                                 { return false }
func cAttemptsAckBelow(uint64, Namespace, uint64) (uint64, error) { return 0, ErrNoCgo }
func cAttemptsDelete(uint64, []Key, bool) ([]Outcome, error)      { return nil, ErrNoCgo }
func cAttemptsClean(uint64, Namespace, []uint64, bool) (Cleaned, error) {
	return Cleaned{}, ErrNoCgo
}
func cAttemptsSweep(uint64) (uint64, error)                      { return 0, ErrNoCgo }
func cAttemptsDisableExternal(uint64) (Outcome, error)           { return Outcome{}, ErrNoCgo }
func cAttemptsRecover(uint64, *RecoverOptions) (Recovery, error) { return Recovery{}, ErrNoCgo }
func cAttemptsAcknowledgeRestore(uint64, []IDFloor) (Outcome, error) {
	return Outcome{}, ErrNoCgo
}

func cAttemptsGet(uint64, Key) (Attempt, error)          { return Attempt{}, ErrNoCgo }
func cAttemptsResult(uint64, Key) (Result, error)        { return Result{}, ErrNoCgo }
func cAttemptsHasResult(uint64, Key) (bool, error)       { return false, ErrNoCgo }
func cAttemptsList(uint64, *Query) (Page, error)         { return Page{}, ErrNoCgo }
func cAttemptsCounts(uint64, *Namespace) (Counts, error) { return Counts{}, ErrNoCgo }
func cAttemptsIsExternal(uint64) (bool, error)           { return false, ErrNoCgo }
func cClassify(Result, Decryptor) (Classified, error)    { return 0, ErrNoCgo }
func cClientIDEncode(uint8, uint64) (uint64, error)      { return 0, ErrNoCgo }
func cClientIDDecode(uint64) (uint8, uint64, error)      { return 0, 0, ErrNoCgo }
func cSubscribe(uint64, Key, bool) (uint64, error)       { return 0, ErrNoCgo }
func cPoll(uint64, uint64) (PollState, Result, error)    { return PollClosed, Result{}, ErrNoCgo }
func cUnsubscribe(uint64, uint64) error                  { return ErrNoCgo }
func cUnsubscribeAll(uint64) error                       { return ErrNoCgo }
func cWaiters(uint64, Key) (uint64, error)               { return 0, ErrNoCgo }
func cReady(uint64, []uint64) (int, error)               { return 0, ErrNoCgo }
func cReadyDescriptor(uint64) (int, error)               { return 0, ErrNoCgo }
func cEventsOpen(uint64, string, bool) (uint64, error)   { return 0, ErrNoCgo }
func cEventsClose(uint64) error                          { return ErrNoCgo }
func cEventsIsOpen(uint64) bool                          { return false }
func cEventsTake(uint64, int) ([]Event, error)           { return nil, ErrNoCgo }
func cEventsAck(uint64, uint64) (Outcome, error)         { return Outcome{}, ErrNoCgo }
func cEventsUnregister(uint64) error                     { return ErrNoCgo }
func cEventsFirstAvailable(uint64) (uint64, error)       { return 0, ErrNoCgo }
func cEventsDescriptor(uint64) (int, error)              { return 0, ErrNoCgo }

func cPaymentsOpen(uint64, PaymentsOptions) (uint64, error) { return 0, ErrNoCgo }
func cPaymentsClose(uint64) error                           { return ErrNoCgo }
func cPaymentsIsOpen(uint64) bool                           { return false }
func cPaymentsInit(uint64, *PaymentInit) (*Payment, Outcome, error) {
	return nil, failed(ErrNoCgo), ErrNoCgo
}
func cPaymentsRegister(
	uint64, string, PaymentHash, *PaymentAttemptRequest, bool,
) (*Payment, Outcome, error) {
	return nil, failed(ErrNoCgo), ErrNoCgo
}
func cPaymentsSettle(
	uint64, PaymentHash, Key, *AttemptSettle, uint32,
) (*Payment, Outcome, error) {
	return nil, failed(ErrNoCgo), ErrNoCgo
}
func cPaymentsFailAttempt(
	uint64, string, PaymentHash, Key, *AttemptFailure, string, uint32,
) (*Payment, Outcome, error) {
	return nil, failed(ErrNoCgo), ErrNoCgo
}
func cPaymentsFail(uint64, PaymentHash, FailureReason) (*Payment, Outcome, error) {
	return nil, failed(ErrNoCgo), ErrNoCgo
}
func cPaymentsDelete(uint64, string, PaymentHash, uint32) (Outcome, error) {
	return Outcome{}, ErrNoCgo
}
func cPaymentsQuarantine(uint64, PaymentHash) (Outcome, error) { return Outcome{}, ErrNoCgo }
func cPaymentsDeleteMany(uint64, *PaymentDeleteFilter, uint32) (DeletedPayments, error) {
	return DeletedPayments{}, ErrNoCgo
}
func cPaymentsSweep(uint64) (uint64, error) { return 0, ErrNoCgo }
func cPaymentsResume(uint64, []ResumeAnswer, *ResumeOptions) (Resumption, error) {
	return Resumption{}, ErrNoCgo
}

func cPaymentsFetch(uint64, PaymentHash) (*Payment, error) { return nil, ErrNoCgo }
func cPaymentsList(uint64, *PaymentQuery, uint32) (PaymentPage, error) {
	return PaymentPage{}, ErrNoCgo
}
func cPaymentsCounts(uint64) (PaymentCounts, error)           { return PaymentCounts{}, ErrNoCgo }
func cPaymentsStuck(uint64, *StuckQuery) (StuckList, error)   { return StuckList{}, ErrNoCgo }
func cPaymentsSubscribe(uint64, *PaymentHash) (uint64, error) { return 0, ErrNoCgo }
func cPaymentsUnsubscribe(uint64, uint64) error               { return ErrNoCgo }
func cPaymentsReady(uint64, []uint64) (int, error)            { return 0, ErrNoCgo }
func cPaymentsReadyDescriptor(uint64) (int, error)            { return 0, ErrNoCgo }
func cPaymentsNext(uint64, uint64) (nextState, *Payment, uint64, error) {
	return nextClosed, nil, 0, ErrNoCgo
}

func cPaymentAllows(*PaymentState) (PaymentRules, error) { return PaymentRules{}, ErrNoCgo }
func cPaymentComputeState(uint64, []AttemptSum, FailureReason) (PaymentState, error) {
	return PaymentState{}, ErrNoCgo
}
func cPaymentVerifyAttempt(*Verification, []PaymentAttemptRequest, *PaymentAttemptRequest) error {
	return ErrNoCgo
}

func cReadable(uintptr) bool { return false }
func cMonitorsOpen(uint64, *MonitorsOptions) (uint64, MonitorsReport, error) {
	return 0, MonitorsReport{}, ErrNoCgo
}
func cMonitorsClose(uint64, bool) error        { return ErrNoCgo }
func cMonitorsIsOpen(uint64) bool              { return false }
func cMonitorsDescriptor(uint64) (int, error)  { return 0, ErrNoCgo }
func cMonitorsCapture(uint64) (Capture, error) { return Capture{}, ErrNoCgo }
func cMonitorsQueueNew(uint64, ChannelID, uint64, []byte, *Block, uint32) (uint64, error) {
	return 0, ErrNoCgo
}
func cMonitorsQueueUpdate(uint64, ChannelID, uint64, []byte, uint32) (Queued, error) {
	return Queued{}, ErrNoCgo
}
func cMonitorsQueueSnapshot(uint64, ChannelID, uint64, []byte, *Block, uint32) (uint64, error) {
	return 0, ErrNoCgo
}
func cMonitorsQueueArchive(uint64, ChannelID) (uint64, error) { return 0, ErrNoCgo }
func cMonitorsQueueOutput(uint64, OutputClass, uint64, []byte) (uint64, error) {
	return 0, ErrNoCgo
}
func cMonitorsCanQueue(uint64, uint64, uint64, uint32) error        { return ErrNoCgo }
func cMonitorsTicketIsDurable(uint64, uint64) (bool, error)         { return false, ErrNoCgo }
func cMonitorsCommit(uint64, *commitment) (Committed, error)        { return Committed{}, ErrNoCgo }
func cMonitorsCheckManager(uint64, uint64) (ManagerRelation, error) { return 0, ErrNoCgo }
func cMonitorsPurge(uint64, ChannelID) (uint64, error)              { return 0, ErrNoCgo }
func cMonitorsCompletions(uint64, int) ([]Completion, error)        { return nil, ErrNoCgo }
func cMonitorsTakeOutputs(uint64, int) ([]Output, error)            { return nil, ErrNoCgo }
func cMonitorsAcknowledge(uint64, uint64) error                     { return ErrNoCgo }
func cMonitorsState(uint64) (MonitorsState, error)                  { return MonitorsState{}, ErrNoCgo }
func cMonitorsLoadManager(uint64) (HostBytes, error)                { return nil, ErrNoCgo }
func cMonitorsNeedSnapshot(uint64, int) ([]Channel, error)          { return nil, ErrNoCgo }
func cMonitorsLoad(uint64, ChannelID) (*Monitor, error)             { return nil, ErrNoCgo }
func cMonitorsList(uint64, ChannelStage, *ChannelID, int) ([]Channel, error) {
	return nil, ErrNoCgo
}

func cResourcesOpen(uint64, *ResourcesOptions) (uint64, ResourcesReport, error) {
	return 0, ResourcesReport{}, ErrNoCgo
}
func cResourcesClose(uint64) error { return ErrNoCgo }
func cResourcesIsOpen(uint64) bool { return false }
func cResourcesAddChannel(
	uint64, ShortChannelID, ChannelLimits, uint64,
) (Allocation, Outcome, error) {
	return Allocation{}, failed(ErrNoCgo), ErrNoCgo
}
func cResourcesResizeChannel(uint64, ShortChannelID, ChannelLimits) (Allocation, error) {
	return Allocation{}, ErrNoCgo
}
func cResourcesRemoveChannel(uint64, ShortChannelID) (Removal, error)    { return 0, ErrNoCgo }
func cResourcesReconcile(uint64, []LiveHTLC) (Reconciled, error)         { return Reconciled{}, ErrNoCgo }
func cResourcesImportHistory(uint64, []ForwardRow) (Imported, error)     { return Imported{}, ErrNoCgo }
func cResourcesAdd(uint64, *HTLCRequest, addFlags) (Decision, error)     { return Decision{}, ErrNoCgo }
func cResourcesAddAll(uint64, []HTLCRequest, addFlags, []Decision) error { return ErrNoCgo }
func cResourcesExplain(uint64, *HTLCRequest, addFlags) (Explanation, error) {
	return Explanation{}, ErrNoCgo
}
func cResourcesResolve(uint64, *ResolveRequest, bool) (Resolution, error) {
	return Resolution{}, ErrNoCgo
}
func cResourcesResolveAll(uint64, []ResolveRequest, bool, []Resolution) error { return ErrNoCgo }
func cResourcesLookup(uint64, ShortChannelID, uint64) (ResourceChannel, error) {
	return ResourceChannel{}, ErrNoCgo
}
func cResourcesSnapshot(uint64, uint64) (*ResourcesSnapshot, error)   { return nil, ErrNoCgo }
func cResourcesDecisions(uint64, uint64, int) ([]byte, uint64, error) { return nil, 0, ErrNoCgo }
func cResourcesStats(uint64) (ResourcesStats, error)                  { return ResourcesStats{}, ErrNoCgo }

func cWireEncode(MessageKind, []byte) ([]byte, error)           { return nil, ErrNoCgo }
func cWireDecode([]byte, bool) (WireMessage, error)             { return WireMessage{}, ErrNoCgo }
func cWireStorageFeature([]byte) (offered, req bool, err error) { return false, false, ErrNoCgo }
func cEnvelopeOpen(*Secret, *NodeID, []byte) (*Opened, error)   { return nil, ErrNoCgo }
func cEnvelopeSeal(
	*Secret, *NodeID, *EnvelopeHeader, []byte, SizeClass, *[16]byte,
) ([]byte, error) {
	return nil, ErrNoCgo
}
func cStripeEncode(int, int, []byte) ([]StripeShare, error)         { return nil, ErrNoCgo }
func cStripeDecode(int, int, int, []StripeShare) (HostBytes, error) { return nil, ErrNoCgo }
func cShareRecordsDecode([]byte) ([]ShareRecord, error)             { return nil, ErrNoCgo }
func cRosterDecode(uint16, []byte) (HostBytes, *Roster, error)      { return nil, nil, ErrNoCgo }

func cForeignLDKKey(*Secret) (Secret, error)                                { return Secret{}, ErrNoCgo }
func cForeignLDKOpen(*Secret, []byte) (*LDKBackup, error)                   { return nil, ErrNoCgo }
func cForeignCLNKey([]byte) (Secret, error)                                 { return Secret{}, ErrNoCgo }
func cForeignCLNOpen(*Secret, []byte) (*CLNBackup, error)                   { return nil, ErrNoCgo }
func cForeignLNDKey(*[33]byte) (Secret, error)                              { return Secret{}, ErrNoCgo }
func cForeignLNDOpen(*Secret, []byte) (*LNDBackup, error)                   { return nil, ErrNoCgo }
func cForeignLightningKMPOpen(*Secret, []byte) (*LightningKMPBackup, error) { return nil, ErrNoCgo }

func cPeerStorageOpen(uint64, *PeerStorageOptions) (uint64, PeerStorageReport, error) {
	return 0, PeerStorageReport{}, ErrNoCgo
}
func cPeerStorageClose(uint64) error { return ErrNoCgo }
func cPeerStorageIsOpen(uint64) bool { return false }
func cPeerStorageStore(uint64, uint64, *NodeID, []byte) (Stored, error) {
	return Stored{}, ErrNoCgo
}
func cPeerStorageConnected(uint64, uint64, *NodeID) ([]byte, error)      { return nil, ErrNoCgo }
func cPeerStorageDisconnected(uint64, uint64, *NodeID) (bool, error)     { return false, ErrNoCgo }
func cPeerStorageTick(uint64, uint64, bool) (StorageTick, error)         { return StorageTick{}, ErrNoCgo }
func cPeerStorageReportClaim(uint64, *NodeID, ClaimChange, uint32) error { return ErrNoCgo }
func cPeerStorageClaimsComplete(uint64, []PeerClaims, uint32) error      { return ErrNoCgo }
func cPeerStorageBlockConnected(uint64, uint32) ([]NodeID, error)        { return nil, ErrNoCgo }
func cPeerStoragePrune(uint64, *NodeID) ([]NodeID, error)                { return nil, ErrNoCgo }
func cPeerStorageSetOffered(uint64, bool) error                          { return ErrNoCgo }
func cPeerStorageList(uint64, *NodeID, int) ([]StoredPeer, error)        { return nil, ErrNoCgo }
func cPeerStorageExport(uint64, *NodeID) ([]byte, error)                 { return nil, ErrNoCgo }
func cPeerStorageStats(uint64) (PeerStorageStats, error) {
	return PeerStorageStats{}, ErrNoCgo
}

func cBackupOpen(uint64, *Secret, *BackupOptions) (uint64, BackupReport, error) {
	return 0, BackupReport{}, ErrNoCgo
}
func cBackupClose(uint64) error                              { return ErrNoCgo }
func cBackupIsOpen(uint64) bool                              { return false }
func cBackupSetPayload(uint64, []byte) error                 { return ErrNoCgo }
func cBackupConnected(uint64, uint64, *NodeID, bool) error   { return ErrNoCgo }
func cBackupDisconnected(uint64, *NodeID) error              { return ErrNoCgo }
func cBackupChannelReady(uint64, *NodeID) error              { return ErrNoCgo }
func cBackupTick(uint64, uint64) (BackupTick, error)         { return BackupTick{}, ErrNoCgo }
func cBackupAcknowledge(uint64) (Outcome, error)             { return Outcome{}, ErrNoCgo }
func cBackupForget(uint64, *NodeID) (Outcome, error)         { return Outcome{}, ErrNoCgo }
func cBackupStanding(uint64) (BackupStanding, error)         { return BackupStanding{}, ErrNoCgo }
func cBackupList(uint64, *NodeID, int) ([]BackupPeer, error) { return nil, ErrNoCgo }
func cBackupRetrieval(uint64, uint64, *NodeID, []byte) (Concluded, *Opened, error) {
	return Concluded{}, nil, ErrNoCgo
}
func cBackupReestablishBegun(uint64, uint64, *NodeID) (Concluded, error) {
	return Concluded{}, ErrNoCgo
}
func cBackupSeal(uint64, uint64, *NodeID, uint32) (Sealed, error)   { return Sealed{}, ErrNoCgo }
func cBackupPayloadMax(SizeClass) (whole, cut int, err error)       { return 0, 0, ErrNoCgo }
func cBackupSetFacts(uint64, uint64, *NodeID, *PeerFacts) error     { return ErrNoCgo }
func cBackupSetHTLC(uint64, uint64, *BackupHTLC) error              { return ErrNoCgo }
func cBackupRemoveHTLC(uint64, *HTLCKey) (bool, error)              { return false, ErrNoCgo }
func cBackupSetCommitmentPoint(uint64, *ChannelID, *[33]byte) error { return ErrNoCgo }
func cBackupChannelForceClosed(uint64, *ChannelID) error            { return ErrNoCgo }
func cBackupChannelResolved(uint64, *ChannelID) (bool, error)       { return false, ErrNoCgo }
func cBackupBlockConnected(uint64, uint32) error                    { return ErrNoCgo }
func cBackupAdopt(uint64, uint64) (Outcome, error)                  { return Outcome{}, ErrNoCgo }

func cRecoveryBegin(*Secret, *RecoveryOptions, uint64) (uint64, error) { return 0, ErrNoCgo }
func cRecoveryResume(*Secret, *RecoveryOptions, uint64, []byte) (uint64, error) {
	return 0, ErrNoCgo
}
func cRecoveryClose(uint64) error                                   { return ErrNoCgo }
func cRecoveryIsOpen(uint64) bool                                   { return false }
func cRecoveryAddCandidates(uint64, []Candidate) error              { return ErrNoCgo }
func cRecoveryNextPeer(uint64, uint64) (NextPeer, error)            { return NextPeer{}, ErrNoCgo }
func cRecoveryPeerResult(uint64, uint64, *NodeID, PeerResult) error { return ErrNoCgo }
func cRecoverySetForeignKeys(uint64, *ForeignKeys) error            { return ErrNoCgo }
func cRecoveryFeed(uint64, *NodeID, []byte) (Fed, error)            { return Fed{}, ErrNoCgo }
func cRecoveryProgress(uint64, uint64) (RecoveryProgress, error) {
	return RecoveryProgress{}, ErrNoCgo
}
func cRecoveryPayload(uint64, bool) (*Recovered, error) { return nil, ErrNoCgo }
func cRecoveryHTLCs(uint64) (*RecoveredHTLCs, error)    { return nil, ErrNoCgo }
func cRecoveryExport(uint64) ([]byte, error)            { return nil, ErrNoCgo }
func cRecoveryFinish(uint64, bool) (uint64, error)      { return 0, ErrNoCgo }
