package lnkeep

// #include <lnkeep.h>
import "C"

import (
	"math"
	"unsafe"
)

// encodeHTLC fills in a request, which is zero. What the caller cannot mean is an error here, as the flags of
// C have no room for it.
func encodeHTLC(c *C.lnkeep_htlc_request, request *HTLCRequest) *Error {
	c.incoming, c.outgoing = C.uint64_t(request.Incoming), C.uint64_t(request.Outgoing)
	c.htlc_id = C.uint64_t(request.HTLCID)
	c.incoming_amount_msat = C.uint64_t(request.IncomingAmountMsat)
	c.outgoing_amount_msat = C.uint64_t(request.OutgoingAmountMsat)
	c.unix_secs = C.uint64_t(request.UnixSecs)
	c.incoming_cltv_expiry = C.uint32_t(request.IncomingCLTVExpiry)
	c.block_height = C.uint32_t(request.BlockHeight)
	c.flags = flag(request.Accountable, C.LNKEEP_HTLC_ACCOUNTABLE)
	if request.PolicyFeeMsat != nil {
		c.flags |= C.LNKEEP_HTLC_HAS_POLICY_FEE
		c.policy_fee_msat = C.uint64_t(*request.PolicyFeeMsat)
	}
	switch request.Upgrade {
	case UpgradeUnknown:
	case UpgradePresent:
		c.flags |= C.LNKEEP_HTLC_UPGRADE_PRESENT
	case UpgradeAbsent:
		c.flags |= C.LNKEEP_HTLC_UPGRADE_ABSENT
	default:
		return invalid("add", htlcName(request.Incoming, request.HTLCID)+": the Upgrade is none that there is")
	}
	return nil
}

func decodeDecision(decision *Decision, c *C.lnkeep_decision) {
	decision.Already = c.status > C.LNKEEP_DONE
	decision.Accountable = c.flags&C.LNKEEP_DECISION_ACCOUNTABLE != 0
	decision.WouldFail = c.flags&C.LNKEEP_DECISION_WOULD_FAIL != 0
	decision.Verdict = Verdict(c.verdict)
	decision.Reason = DecisionReason(c.reason)
	decision.Bucket = Bucket(c.bucket)
}

func cResourcesAdd(handle uint64, request *HTLCRequest, how addFlags) (decision Decision, _ error) {
	var given C.lnkeep_htlc_request
	if err := encodeHTLC(&given, request); err != nil {
		return Decision{Err: err}, err
	}
	var decided C.lnkeep_decision
	detail := newError()
	status := C.lnkeep_resources_add(cResources(handle), &given, 1, C.uint32_t(how), &decided, nil, &detail)
	err := check("add", status, &detail)
	if err == nil || status == C.LNKEEP_NOT_DURABLE {
		decodeDecision(&decision, &decided)
	}
	decision.Err = err
	return decision, err
}

func cResourcesExplain(handle uint64, request *HTLCRequest, how addFlags) (found Explanation, _ error) {
	var given C.lnkeep_htlc_request
	if err := encodeHTLC(&given, request); err != nil {
		return Explanation{Decision: Decision{Err: err}}, err
	}
	var decided C.lnkeep_decision
	var grounds C.lnkeep_grounds
	detail := newError()
	status := C.lnkeep_resources_add(cResources(handle), &given, 1, C.uint32_t(how), &decided, &grounds,
		&detail)
	if err := check("add", status, &detail); err != nil {
		return Explanation{Decision: Decision{Err: err}}, err
	}
	decodeDecision(&found.Decision, &decided)
	found.Grounds = groundsOf(&grounds)
	return found, nil
}

func groundsOf(c *C.lnkeep_grounds) Grounds {
	return Grounds{
		FeeMsat:                  uint64(c.fee_msat),
		ChargedFeeMsat:           uint64(c.charged_fee_msat),
		HTLCRiskMsat:             uint64(c.htlc_risk_msat),
		OutgoingReputationMsat:   int64(c.outgoing_reputation_msat),
		OutgoingInFlightRiskMsat: uint64(c.outgoing_in_flight_risk_msat),
		IncomingRevenueMsat:      int64(c.incoming_revenue_msat),
		GeneralSlotsNeeded:       uint64(c.general_slots_needed),
		CongestionUsedMsat:       uint64(c.congestion_used_msat),
		CongestionLiquidityMsat:  uint64(c.congestion_liquidity_msat),
		ProtectedUsedMsat:        uint64(c.protected_used_msat),
		ProtectedLiquidityMsat:   uint64(c.protected_liquidity_msat),
		PairSlotsFree:            uint32(c.pair_slots_free),
		GeneralSlotsUsed:         uint32(c.general_slots_used),
		GeneralSlots:             uint32(c.general_slots),
		CongestionSlotsUsed:      uint32(c.congestion_slots_used),
		CongestionSlots:          uint32(c.congestion_slots),
		ProtectedSlotsUsed:       uint32(c.protected_slots_used),
		ProtectedSlots:           uint32(c.protected_slots),
		HasReputation:            c.flags&C.LNKEEP_GROUNDS_HAS_REPUTATION != 0,
		OutgoingInCongestion:     c.flags&C.LNKEEP_GROUNDS_OUTGOING_IN_CONGESTION != 0,
	}
}

// unwritten is the status of an answer that the library did not write: the call as a whole was refused.
const unwritten = math.MinInt32

func cResourcesAddAll(handle uint64, requests []HTLCRequest, how addFlags, decisions []Decision) error {
	given := make([]C.lnkeep_htlc_request, len(requests))
	for i := range requests {
		if err := encodeHTLC(&given[i], &requests[i]); err != nil {
			return err
		}
	}
	decided := make([]C.lnkeep_decision, len(requests))
	decided[0].status = unwritten
	detail := newError()
	status := C.lnkeep_resources_add(cResources(handle), unsafe.SliceData(given), C.size_t(len(given)),
		C.uint32_t(how), unsafe.SliceData(decided), nil, &detail)
	if err := check("add", status, &detail); err != nil && decided[0].status == unwritten {
		return err
	}
	for i := range decided {
		c := &decided[i]
		if c.status < C.LNKEEP_DONE {
			decisions[i].Err = htlcError("add", Status(c.status), requests[i].Incoming, requests[i].HTLCID,
				uint64(c.value))
		}
		if c.status >= C.LNKEEP_DONE || c.status == C.LNKEEP_NOT_DURABLE {
			decodeDecision(&decisions[i], c)
		}
	}
	return nil
}

func encodeResolve(c *C.lnkeep_resolve_request, request *ResolveRequest) {
	c.incoming, c.outgoing = C.uint64_t(request.Incoming), C.uint64_t(request.Outgoing)
	c.htlc_id = C.uint64_t(request.HTLCID)
	c.unix_secs = C.uint64_t(request.UnixSecs)
	c.flags = flag(request.Settled, C.LNKEEP_RESOLVE_SETTLED)
}

func decodeResolution(resolution *Resolution, c *C.lnkeep_resolution) {
	resolution.Already = c.status > C.LNKEEP_DONE
	resolution.EffectiveFeeMsat = int64(c.effective_fee_msat)
}

func cResourcesResolve(
	handle uint64, request *ResolveRequest, durable bool,
) (resolution Resolution, _ error) {
	var given C.lnkeep_resolve_request
	encodeResolve(&given, request)
	var resolved C.lnkeep_resolution
	detail := newError()
	status := C.lnkeep_resources_resolve(cResources(handle), &given, 1,
		flag(durable, C.LNKEEP_RESOURCES_DURABLE), &resolved, &detail)
	err := check("resolve", status, &detail)
	if err == nil || status == C.LNKEEP_NOT_DURABLE {
		decodeResolution(&resolution, &resolved)
	}
	resolution.Err = err
	return resolution, err
}

func cResourcesResolveAll(
	handle uint64, requests []ResolveRequest, durable bool, resolutions []Resolution,
) error {
	given := make([]C.lnkeep_resolve_request, len(requests))
	for i := range requests {
		encodeResolve(&given[i], &requests[i])
	}
	resolved := make([]C.lnkeep_resolution, len(requests))
	resolved[0].status = unwritten
	detail := newError()
	status := C.lnkeep_resources_resolve(cResources(handle), unsafe.SliceData(given), C.size_t(len(given)),
		flag(durable, C.LNKEEP_RESOURCES_DURABLE), unsafe.SliceData(resolved), &detail)
	if err := check("resolve", status, &detail); err != nil && resolved[0].status == unwritten {
		return err
	}
	for i := range resolved {
		c := &resolved[i]
		if c.status < C.LNKEEP_DONE {
			resolutions[i].Err = htlcError("resolve", Status(c.status), requests[i].Incoming,
				requests[i].HTLCID, uint64(c.value))
		}
		if c.status >= C.LNKEEP_DONE || c.status == C.LNKEEP_NOT_DURABLE {
			decodeResolution(&resolutions[i], c)
		}
	}
	return nil
}
