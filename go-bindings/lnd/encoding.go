package lnd

// The encoding of what the library keeps as bytes: big-endian numbers, lengths as unsigned varints of the
// least size, map entries in ascending order. One value has one encoding, so that a repeated request is
// recognised as one: lnd's own encoding of a hop follows the order of a Go map.

import (
	"encoding/binary"
	"maps"
	"slices"
)

// writer appends the parts of a value.
type writer struct {
	bytes []byte
}

func (w *writer) u8(n uint8)         { w.bytes = append(w.bytes, n) }
func (w *writer) u16(n uint16)       { w.bytes = binary.BigEndian.AppendUint16(w.bytes, n) }
func (w *writer) u32(n uint32)       { w.bytes = binary.BigEndian.AppendUint32(w.bytes, n) }
func (w *writer) u64(n uint64)       { w.bytes = binary.BigEndian.AppendUint64(w.bytes, n) }
func (w *writer) varint(n uint64)    { w.bytes = binary.AppendUvarint(w.bytes, n) }
func (w *writer) fixed(bytes []byte) { w.bytes = append(w.bytes, bytes...) }

// optional tells nil from empty, because lnd does: a hop with empty encrypted data is blinded, one
// without is not.
func (w *writer) optional(bytes []byte) {
	if bytes == nil {
		w.varint(0)
		return
	}
	w.varint(uint64(len(bytes)) + 1)
	w.fixed(bytes)
}

// records tells a nil map from an empty one.
func (w *writer) records(records map[uint64][]byte) {
	if records == nil {
		w.varint(0)
		return
	}
	w.varint(uint64(len(records)) + 1)
	for _, number := range slices.Sorted(maps.Keys(records)) {
		w.varint(number)
		w.optional(records[number])
	}
}

// reader takes the parts of a value off again. After the first fault everything is zero, and bad stays set.
type reader struct {
	rest []byte
	bad  bool
}

// take is the next bytes, not copied; the zero bytes asked for after a fault.
func (r *reader) take(length int) []byte {
	if r.bad || length > len(r.rest) {
		r.bad, r.rest = true, nil
		return make([]byte, min(length, 64))
	}
	taken := r.rest[:length]
	r.rest = r.rest[length:]
	return taken
}

func (r *reader) u8() uint8   { return r.take(1)[0] }
func (r *reader) u16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) u32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) varint() uint64 {
	number, length := binary.Uvarint(r.rest)
	padded := length > 1 && r.rest[length-1] == 0
	if r.bad || length <= 0 || padded {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[length:]
	return number
}

// count is a length plus one, or zero for nil. No value takes less than one byte, so that a length beyond
// what is left is a fault before memory is asked for.
func (r *reader) count() (length int, present bool) {
	number := r.varint()
	if number == 0 {
		return 0, false
	}
	if number-1 > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return 0, false
	}
	return int(number - 1), true
}

func (r *reader) optional() []byte {
	length, present := r.count()
	if !present {
		return nil
	}
	return append(make([]byte, 0, length), r.take(length)...)
}

func (r *reader) records() map[uint64][]byte {
	length, present := r.count()
	if !present {
		return nil
	}
	records := make(map[uint64][]byte, length)
	for last := uint64(0); len(records) < length && !r.bad; {
		number := r.varint()
		if len(records) > 0 && number <= last {
			r.bad = true
		}
		records[number], last = r.optional(), number
	}
	return records
}

// whole reports whether the value was read without a fault and to its end.
func (r *reader) whole() bool { return !r.bad && len(r.rest) == 0 }
