package lnkeep_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// view is a payment, or why there is none.
func view(payment *lnkeep.Payment, err error) answer {
	if err != nil {
		return answerOf(err)
	}
	return answer{"payment": face(payment)}
}

// face is a payment in the words of the vectors.
func face(p *lnkeep.Payment) answer {
	attempts := []answer{}
	for i := range p.Attempts {
		attempts = append(attempts, attemptFace(&p.Attempts[i]))
	}
	settled := p.SettledAttempt()
	return answer{
		"status": statusName(p.Status), "amt_msat": p.Init.AmountMsat, "created": seconds(p.Init.Created),
		"failure_reason": reasonName(p.FailureReason), "attempts": attempts,
		"state": answer{
			"in_flight": p.InFlight, "remaining_msat": p.RemainingMsat, "fees_msat": p.FeesMsat,
			"has_settled": settled != nil, "payment_failed": p.FailureReason != 0 && settled == nil,
		},
		"terminal": terminalFace(p),
	}
}

func terminalFace(p *lnkeep.Payment) answer {
	a := answer{"kind": p.Terminal.String()}
	switch p.Terminal {
	case lnkeep.TerminalSettled:
		settled := p.SettledAttempt()
		a["attempt"] = settled.Request.Key.String()
		a["preimage"] = hex.EncodeToString(settled.Settle.Preimage[:])
	case lnkeep.TerminalFailed:
		a["reason"] = reasonName(p.FailureReason)
	}
	return a
}

func attemptFace(attempt *lnkeep.PaymentAttempt) answer {
	r := &attempt.Request
	a := answer{
		"id": r.Key.String(), "state": attempt.State.String(), "amt_msat": r.AmountMsat, "fee_msat": r.FeeMsat,
	}
	if attempt.Settle != nil {
		a["preimage"] = hex.EncodeToString(attempt.Settle.Preimage[:])
		a["settle_time"] = seconds(attempt.Settle.Time)
	}
	if f := attempt.Failure; f != nil {
		a["fail_reason"] = strings.ToUpper(f.Reason.String())
		a["fail_source"], a["fail_time"] = f.SourceIndex, seconds(f.Time)
		a["fail_msg"] = hex.EncodeToString(f.Message)
	}
	if r.AttemptHash != nil {
		a["attempt_hash"] = r.AttemptHash.String()
	}
	if r.MPP != nil {
		a["mpp"] = answer{"addr": hex.EncodeToString(r.MPP.PaymentAddress[:]), "total_msat": r.MPP.TotalMsat}
	}
	if r.AMP != nil {
		a["amp"] = answer{"set_id": hex.EncodeToString(r.AMP.SetID[:]), "child": r.AMP.ChildIndex}
	}
	if r.BlindedTotalMsat != nil {
		a["blinded"] = answer{"total_msat": *r.BlindedTotalMsat}
	}
	if r.FirstHopAmountMsat != nil || r.FirstHopRecords != nil {
		hop := answer{}
		if r.FirstHopAmountMsat != nil {
			hop["amt_msat"] = *r.FirstHopAmountMsat
		}
		if r.FirstHopRecords != nil {
			hop["records"] = json.RawMessage(r.FirstHopRecords)
		}
		a["first_hop"] = hop
	}
	return a
}

// reasonName is the name of a reason, nil when there is none.
func reasonName(reason lnkeep.FailureReason) any {
	if reason == 0 {
		return nil
	}
	return strings.ToUpper(reason.String())
}

// pure runs the functions that look at no store.
func pure(s paymentStep) any {
	switch s.Op {
	case "decide_status":
		return decideStatus(s)
	case "compute_state":
		return computeState(s)
	}
	state := lnkeep.PaymentState{
		Status: paymentStatus[s.Status], RemainingMsat: s.RemainingMsat, HasSettled: s.HasSettled,
		GivenUp: s.PaymentFailed,
	}
	rules, err := state.Allows()
	unknown := errors.Is(err, lnkeep.ErrUnknownStatus)
	switch {
	case s.Op == "status_actions" && unknown:
		return answer{"init": code(err), "update": code(err), "remove": code(err)}
	case s.Op == "allow_more" && unknown:
		return answer{"value": false}
	case s.Op == "can_register" && unknown:
		return answer{"result": code(err)}
	case err != nil:
		return answerOf(err)
	}
	switch s.Op {
	case "status_actions":
		return answer{"init": code(rules.Init), "update": code(rules.Update), "remove": code(rules.Remove)}
	case "can_register":
		return answer{"result": code(rules.Register)}
	case "allow_more":
		return with(rules.AllowMoreErr, "value", rules.AllowMore)
	}
	return with(rules.NeedWaitErr, "value", rules.NeedWait)
}

func decideStatus(s paymentStep) any {
	var names []string
	if err := json.Unmarshal(s.Attempts, &names); err != nil {
		return answerOf(err)
	}
	sums := make([]lnkeep.AttemptSum, len(names))
	for i, name := range names {
		sums[i].State = attemptState[name]
	}
	reason := lnkeep.FailureReason(0)
	if s.FailedReason {
		reason = lnkeep.FailureReasonCanceled
	}
	state, err := lnkeep.ComputeState(0, sums, reason)
	return with(err, "status", statusName(state.Status))
}

func computeState(s paymentStep) any {
	var attempts []struct {
		State      string `json:"state"`
		AmountMsat uint64 `json:"amt_msat"`
		FeeMsat    uint64 `json:"fee_msat"`
	}
	if err := json.Unmarshal(s.Attempts, &attempts); err != nil {
		return answerOf(err)
	}
	sums := make([]lnkeep.AttemptSum, len(attempts))
	for i, one := range attempts {
		sums[i] = lnkeep.AttemptSum{State: attemptState[one.State], AmountMsat: one.AmountMsat,
			FeeMsat: one.FeeMsat}
	}
	state, err := lnkeep.ComputeState(s.AmountMsat, sums, failureReason[s.FailureReason])
	return with(err, "state", answer{
		"in_flight": state.InFlight, "remaining_msat": state.RemainingMsat, "fees_msat": state.FeesMsat,
		"has_settled": state.HasSettled, "payment_failed": state.GivenUp,
	}, "status", statusName(state.Status))
}

// seconds is a time as the vectors count it, 0 when it is unknown.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
