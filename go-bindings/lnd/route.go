package lnd

// Routes and custom records as the bytes that the library keeps: every field of lnd's types, and nil told
// from empty. A new field in a release of lnd fails TestEveryFieldOfLNDIsKnown.

import (
	"errors"
	"fmt"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lightningnetwork/lnd/record"
	"github.com/lightningnetwork/lnd/routing/route"
)

// First byte of each encoding; another one is of a later version of this package.
const (
	routeFormat   = 1
	recordsFormat = 1
)

// What a hop has, as bits.
const (
	hopLegacy uint16 = 1 << iota
	hopMPP
	hopAMP
	hopBlindingPoint
	hopFlagsKnown = hopLegacy | hopMPP | hopAMP | hopBlindingPoint
)

var errNilHop = errors.New("the route has a nil hop")

// checkRoute refuses what lnd could not turn into an onion, or would take down the node for.
func checkRoute(r *route.Route) error {
	if len(r.Hops) == 0 {
		return route.ErrNoRouteHopsProvided
	}
	for i, hop := range r.Hops {
		if hop == nil {
			return errNilHop
		}
		if err := hop.CustomRecords.Validate(); err != nil {
			return fmt.Errorf("hop %d: %w", i, err)
		}
	}
	return r.FirstHopWireCustomRecords.Validate()
}

// encodeRoute encodes all of a route but what the library keeps beside it: FirstHopAmount and
// FirstHopWireCustomRecords.
func encodeRoute(r *route.Route) []byte {
	w := writer{bytes: make([]byte, 0, 64+len(r.Hops)*192)}
	w.u8(routeFormat)
	w.u32(r.TotalTimeLock)
	w.u64(uint64(r.TotalAmount))
	w.fixed(r.SourcePubKey[:])
	w.varint(uint64(len(r.Hops)))
	for _, hop := range r.Hops {
		encodeHop(&w, hop)
	}
	return w.bytes
}

func encodeHop(w *writer, hop *route.Hop) {
	var flags uint16
	for _, bit := range []struct {
		set  bool
		flag uint16
	}{
		{hop.LegacyPayload, hopLegacy},
		{hop.MPP != nil, hopMPP},
		{hop.AMP != nil, hopAMP},
		{hop.BlindingPoint != nil, hopBlindingPoint},
	} {
		if bit.set {
			flags |= bit.flag
		}
	}
	w.u16(flags)
	w.fixed(hop.PubKeyBytes[:])
	w.u64(hop.ChannelID)
	w.u32(hop.OutgoingTimeLock)
	w.u64(uint64(hop.AmtToForward))
	w.u64(uint64(hop.TotalAmtMsat))
	w.records(hop.CustomRecords)
	w.optional(hop.Metadata)
	w.optional(hop.EncryptedData)
	if hop.MPP != nil {
		address := hop.MPP.PaymentAddr()
		w.fixed(address[:])
		w.u64(uint64(hop.MPP.TotalMsat()))
	}
	if hop.AMP != nil {
		share, set := hop.AMP.RootShare(), hop.AMP.SetID()
		w.fixed(share[:])
		w.fixed(set[:])
		w.u32(hop.AMP.ChildIndex())
	}
	if hop.BlindingPoint != nil {
		w.fixed(hop.BlindingPoint.SerializeCompressed())
	}
}

// decodeRoute is the opposite of encodeRoute; without hops it reads what comes before them.
func decodeRoute(bytes []byte, withHops bool) (route.Route, error) {
	r := reader{rest: bytes}
	if format := r.u8(); format != routeFormat {
		return route.Route{}, undecodable("route", "format %d", format)
	}
	decoded := route.Route{TotalTimeLock: r.u32(), TotalAmount: lnwire.MilliSatoshi(r.u64())}
	copy(decoded.SourcePubKey[:], r.take(route.VertexSize))
	if !withHops {
		if r.bad {
			return route.Route{}, undecodable("route", "cut short")
		}
		return decoded, nil
	}
	hops := r.varint()
	for range hops {
		hop, err := decodeHop(&r)
		if err != nil {
			return route.Route{}, err
		}
		if r.bad {
			break
		}
		decoded.Hops = append(decoded.Hops, hop)
	}
	if !r.whole() {
		return route.Route{}, undecodable("route", "cut short, too long or not in order")
	}
	return decoded, nil
}

func decodeHop(r *reader) (*route.Hop, error) {
	flags := r.u16()
	if flags&^hopFlagsKnown != 0 {
		return nil, undecodable("hop", "flags %#x", flags)
	}
	hop := &route.Hop{LegacyPayload: flags&hopLegacy != 0}
	copy(hop.PubKeyBytes[:], r.take(route.VertexSize))
	hop.ChannelID = r.u64()
	hop.OutgoingTimeLock = r.u32()
	hop.AmtToForward = lnwire.MilliSatoshi(r.u64())
	hop.TotalAmtMsat = lnwire.MilliSatoshi(r.u64())
	hop.CustomRecords = r.records()
	hop.Metadata = r.optional()
	hop.EncryptedData = r.optional()
	if flags&hopMPP != 0 {
		address := [32]byte(r.take(32))
		hop.MPP = record.NewMPP(lnwire.MilliSatoshi(r.u64()), address)
	}
	if flags&hopAMP != 0 {
		share, set := [32]byte(r.take(32)), [32]byte(r.take(32))
		hop.AMP = record.NewAMP(share, set, r.u32())
	}
	if flags&hopBlindingPoint != 0 {
		point, err := btcec.ParsePubKey(r.take(btcec.PubKeyBytesLenCompressed))
		if err != nil {
			return nil, undecodable("hop", "blinding point: %w", err)
		}
		hop.BlindingPoint = point
	}
	return hop, nil
}

// encodeRecords encodes the custom records of a first hop, and one fact that has no other place: that a
// payment request is empty and not nil. Nothing at all is no bytes.
func encodeRecords(records lnwire.CustomRecords, emptyRequest bool) []byte {
	if records == nil && !emptyRequest {
		return nil
	}
	var w writer
	w.u8(recordsFormat)
	w.u8(flagOf(emptyRequest))
	w.records(records)
	return w.bytes
}

// decodeRecords is the opposite of encodeRecords.
func decodeRecords(bytes []byte) (records lnwire.CustomRecords, emptyRequest bool, err error) {
	if len(bytes) == 0 {
		return nil, false, nil
	}
	r := reader{rest: bytes}
	if format := r.u8(); format != recordsFormat {
		return nil, false, undecodable("custom records", "format %d", format)
	}
	flag := r.u8()
	records = r.records()
	if !r.whole() || flag > 1 {
		return nil, false, undecodable("custom records", "cut short, too long or not in order")
	}
	return records, flag == 1, nil
}

func flagOf(set bool) uint8 {
	if set {
		return 1
	}
	return 0
}

// undecodable is the error of bytes that this package did not write, or that a later version wrote.
func undecodable(what, format string, details ...any) error {
	return fmt.Errorf("%w: %s: %w", ErrUndecodable, what, fmt.Errorf(format, details...))
}
