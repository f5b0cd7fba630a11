package lnd

// lnd's types to the library's and back, without loss.

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"github.com/lightningnetwork/lnd/lntypes"
	"github.com/lightningnetwork/lnd/lnwire"
	paymentsdb "github.com/lightningnetwork/lnd/payments/db"
	"github.com/lightningnetwork/lnd/tlv"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// pair is a number of lnd and the library's for the same thing.
type pair[L, K comparable] struct {
	lnds L
	kept K
}

var failureReasons = []pair[paymentsdb.FailureReason, lnkeep.FailureReason]{
	{paymentsdb.FailureReasonTimeout, lnkeep.FailureReasonTimeout},
	{paymentsdb.FailureReasonNoRoute, lnkeep.FailureReasonNoRoute},
	{paymentsdb.FailureReasonError, lnkeep.FailureReasonError},
	{paymentsdb.FailureReasonPaymentDetails, lnkeep.FailureReasonIncorrectPaymentDetails},
	{paymentsdb.FailureReasonInsufficientBalance, lnkeep.FailureReasonInsufficientBalance},
	{paymentsdb.FailureReasonCanceled, lnkeep.FailureReasonCanceled},
}

var attemptFailures = []pair[paymentsdb.HTLCFailReason, lnkeep.AttemptFailureReason]{
	{paymentsdb.HTLCFailUnknown, lnkeep.AttemptFailureUnknown},
	{paymentsdb.HTLCFailUnreadable, lnkeep.AttemptFailureUnreadable},
	{paymentsdb.HTLCFailInternal, lnkeep.AttemptFailureInternal},
	{paymentsdb.HTLCFailMessage, lnkeep.AttemptFailureMessage},
}

var statuses = []pair[paymentsdb.PaymentStatus, lnkeep.PaymentStatus]{
	{paymentsdb.StatusInitiated, lnkeep.PaymentInitiated},
	{paymentsdb.StatusInFlight, lnkeep.PaymentInFlight},
	{paymentsdb.StatusSucceeded, lnkeep.PaymentSucceeded},
	{paymentsdb.StatusFailed, lnkeep.PaymentFailed},
}

func toKept[L, K comparable](pairs []pair[L, K], lnds L) (K, error) {
	for _, p := range pairs {
		if p.lnds == lnds {
			return p.kept, nil
		}
	}
	var none K
	return none, unconvertible("%T %v", lnds, lnds)
}

func toLNDs[L, K comparable](pairs []pair[L, K], kept K) (L, error) {
	for _, p := range pairs {
		if p.kept == kept {
			return p.lnds, nil
		}
	}
	var none L
	return none, undecodable("number", "%T %v", kept, kept)
}

// checkTime refuses a time that the library cannot hold: the library counts nanoseconds since 1970 in 64 bits
// and takes none of them for an unknown time.
func checkTime(t time.Time) error {
	const secondsMax = math.MaxUint64 / uint64(time.Second)
	if t.IsZero() || t.After(time.Unix(0, 0)) && uint64(t.Unix()) < secondsMax {
		return nil
	}
	return unconvertible("the time %v is not in 1970 to 2554", t)
}

// outcomeTime is a time that the library can hold. An outcome is never refused for its time; one that the
// library cannot hold becomes unknown.
func outcomeTime(t time.Time) time.Time {
	if checkTime(t) != nil {
		return time.Time{}
	}
	return t
}

// keptInit is lnd's request to initiate a payment.
func keptInit(hash lntypes.Hash, info *paymentsdb.PaymentCreationInfo) (lnkeep.PaymentInit, error) {
	if info.PaymentIdentifier != hash {
		return lnkeep.PaymentInit{}, unconvertible(
			"payment %v: its creation info is of payment %v", hash, info.PaymentIdentifier)
	}
	if err := info.FirstHopCustomRecords.Validate(); err != nil {
		return lnkeep.PaymentInit{}, err
	}
	if err := checkTime(info.CreationTime); err != nil {
		return lnkeep.PaymentInit{}, fmt.Errorf("payment %v: creation: %w", hash, err)
	}
	emptyRequest := info.PaymentRequest != nil && len(info.PaymentRequest) == 0
	return lnkeep.PaymentInit{
		Hash:            lnkeep.PaymentHash(hash),
		AmountMsat:      uint64(info.Value),
		Created:         info.CreationTime,
		PaymentRequest:  info.PaymentRequest,
		FirstHopRecords: encodeRecords(info.FirstHopCustomRecords, emptyRequest),
	}, nil
}

func creationInfo(init *lnkeep.PaymentInit) (*paymentsdb.PaymentCreationInfo, error) {
	records, emptyRequest, err := decodeRecords(init.FirstHopRecords)
	if err != nil {
		return nil, err
	}
	info := &paymentsdb.PaymentCreationInfo{
		PaymentIdentifier:     lntypes.Hash(init.Hash),
		Value:                 lnwire.MilliSatoshi(init.AmountMsat),
		CreationTime:          init.Created,
		FirstHopCustomRecords: records,
	}
	if len(init.PaymentRequest) > 0 {
		info.PaymentRequest = init.PaymentRequest
	} else if emptyRequest {
		info.PaymentRequest = []byte{}
	}
	return info, nil
}

// keptAttempt is lnd's request to register an attempt.
func keptAttempt(
	namespace lnkeep.Namespace, attempt *paymentsdb.HTLCAttemptInfo,
) (lnkeep.PaymentAttemptRequest, error) {
	path := &attempt.Route
	if err := checkRoute(path); err != nil {
		return lnkeep.PaymentAttemptRequest{}, fmt.Errorf("attempt %d: %w", attempt.AttemptID, err)
	}
	if err := checkTime(attempt.AttemptTime); err != nil {
		return lnkeep.PaymentAttemptRequest{}, fmt.Errorf("attempt %d: %w", attempt.AttemptID, err)
	}
	request := lnkeep.PaymentAttemptRequest{
		Key:             lnkeep.Key{Namespace: namespace, ID: attempt.AttemptID},
		AmountMsat:      uint64(path.ReceiverAmt()),
		HopCount:        uint32(len(path.Hops)),
		FirstHopSCID:    path.Hops[0].ChannelID,
		CLTVExpiry:      path.TotalTimeLock,
		Sent:            attempt.AttemptTime,
		Route:           encodeRoute(path),
		SessionKey:      attempt.SessionKey().Serialize(),
		FirstHopRecords: encodeRecords(path.FirstHopWireCustomRecords, false),
	}
	// A route that delivers more than it sends has no fee; its own amounts are in its encoding.
	if path.TotalAmount > path.ReceiverAmt() {
		request.FeeMsat = uint64(path.TotalFees())
	}
	if attempt.Hash != nil {
		hash := lnkeep.PaymentHash(*attempt.Hash)
		request.AttemptHash = &hash
	}
	if amount := uint64(path.FirstHopAmount.Val.Int()); amount != 0 {
		request.FirstHopAmountMsat = &amount
	}
	final := path.FinalHop()
	if final.MPP != nil {
		request.MPP = &lnkeep.MPP{
			PaymentAddress: final.MPP.PaymentAddr(), TotalMsat: uint64(final.MPP.TotalMsat()),
		}
	}
	if final.AMP != nil {
		request.AMP = &lnkeep.AMP{
			RootShare: final.AMP.RootShare(), SetID: final.AMP.SetID(), ChildIndex: final.AMP.ChildIndex(),
		}
	}
	// As lnd decides it when it compares attempts: by length, not by nil.
	if len(final.EncryptedData) != 0 {
		total := uint64(final.TotalAmtMsat)
		request.BlindedTotalMsat = &total
	}
	return request, nil
}

// fillAttempt completes an attempt that has its session key.
func fillAttempt(attempt *paymentsdb.HTLCAttempt, kept *lnkeep.PaymentAttempt, withHops bool) error {
	request := &kept.Request
	path, err := decodeRoute(request.Route, withHops)
	if err != nil {
		return fmt.Errorf("attempt %d: %w", request.Key.ID, err)
	}
	if withHops {
		path.FirstHopWireCustomRecords, _, err = decodeRecords(request.FirstHopRecords)
		if err != nil {
			return fmt.Errorf("attempt %d: %w", request.Key.ID, err)
		}
	}
	if request.FirstHopAmountMsat != nil {
		amount := lnwire.MilliSatoshi(*request.FirstHopAmountMsat)
		path.FirstHopAmount = tlv.NewRecordT[tlv.TlvType0](tlv.NewBigSizeT(amount))
	}
	attempt.AttemptID = request.Key.ID
	attempt.Route = path
	attempt.AttemptTime = request.Sent
	if request.AttemptHash != nil {
		hash := lntypes.Hash(*request.AttemptHash)
		attempt.Hash = &hash
	}
	if kept.Settle != nil {
		attempt.Settle = &paymentsdb.HTLCSettleInfo{
			Preimage: lntypes.Preimage(kept.Settle.Preimage), SettleTime: kept.Settle.Time,
		}
	}
	if kept.Failure != nil {
		attempt.Failure, err = failInfo(kept.Failure)
	}
	return err
}

func keptFailure(info *paymentsdb.HTLCFailInfo) (lnkeep.AttemptFailure, error) {
	reason, err := toKept(attemptFailures, info.Reason)
	if err != nil {
		return lnkeep.AttemptFailure{}, err
	}
	failure := lnkeep.AttemptFailure{
		Reason: reason, SourceIndex: info.FailureSourceIndex, Time: outcomeTime(info.FailTime),
	}
	if info.Message != nil {
		var b bytes.Buffer
		if err := lnwire.EncodeFailureMessage(&b, info.Message, 0); err != nil {
			return lnkeep.AttemptFailure{}, fmt.Errorf("%w: failure message: %w", ErrNotLNDs, err)
		}
		failure.Message = b.Bytes()
	}
	return failure, nil
}

func failInfo(failure *lnkeep.AttemptFailure) (*paymentsdb.HTLCFailInfo, error) {
	reason, err := toLNDs(attemptFailures, failure.Reason)
	if err != nil {
		return nil, err
	}
	info := &paymentsdb.HTLCFailInfo{
		FailTime: failure.Time, Reason: reason, FailureSourceIndex: failure.SourceIndex,
	}
	if len(failure.Message) > 0 {
		message, err := lnwire.DecodeFailureMessage(bytes.NewReader(failure.Message), 0)
		// That the attempt failed matters more than a message that this release of lnd cannot read, such as
		// one whose extra bytes are no TLV stream: it is left out here and stays in the store.
		if err == nil {
			info.Message = message
		}
	}
	return info, nil
}

// lndsPayment is a payment as lnd has it.
func lndsPayment(
	namespace lnkeep.Namespace, kept *lnkeep.Payment, withHops bool,
) (*paymentsdb.MPPayment, error) {
	info, err := creationInfo(&kept.Init)
	if err != nil {
		return nil, err
	}
	status, err := toLNDs(statuses, kept.Status)
	if err != nil {
		return nil, err
	}
	keys := make([]sessionKey, len(kept.Attempts))
	for i := range kept.Attempts {
		request := &kept.Attempts[i].Request
		if request.Key.Namespace != namespace || len(request.SessionKey) != len(keys[i]) {
			return nil, undecodable("attempt", "%d is not lnd's", request.Key.ID)
		}
		copy(keys[i][:], request.SessionKey)
	}
	attempts, err := attemptsWith(keys)
	if err != nil {
		return nil, err
	}
	for i := range attempts {
		if err := fillAttempt(&attempts[i], &kept.Attempts[i], withHops); err != nil {
			return nil, err
		}
	}
	payment := &paymentsdb.MPPayment{
		SequenceNum: kept.Sequence, Info: info, HTLCs: attempts, Status: status,
	}
	if kept.FailureReason != 0 {
		reason, err := toLNDs(failureReasons, kept.FailureReason)
		if err != nil {
			return nil, err
		}
		payment.FailureReason = &reason
	}
	payment.State = stateOf(kept, payment)
	return payment, nil
}

// stateOf is what follows from the attempts, as the library counted it. lnd's own count would refuse a
// payment that was settled for more than its amount, and with it every list the payment is in.
func stateOf(kept *lnkeep.Payment, payment *paymentsdb.MPPayment) *paymentsdb.MPPaymentState {
	settled, failed := payment.TerminalInfo()
	return &paymentsdb.MPPaymentState{
		NumAttemptsInFlight: int(kept.InFlight),
		RemainingAmt:        lnwire.MilliSatoshi(kept.RemainingMsat),
		FeesPaid:            lnwire.MilliSatoshi(kept.FeesMsat),
		HasSettledHTLC:      settled != nil,
		PaymentFailed:       failed != nil,
	}
}
