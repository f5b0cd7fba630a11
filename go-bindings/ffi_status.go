package lnkeep

// #include <lnkeep.h>
import "C"

import (
	"bytes"
	"syscall"
	"unsafe"
)

func cStatusClass(s Status) Class             { return Class(C.lnkeep_status_class(C.lnkeep_status(s))) }
func cStatusName(s Status) string             { return C.GoString(C.lnkeep_status_name(C.lnkeep_status(s))) }
func cStatusMessage(s Status) string          { return C.GoString(C.lnkeep_status_message(C.lnkeep_status(s))) }
func cClassName(c Class) string               { return C.GoString(C.lnkeep_class_name(C.lnkeep_class(c))) }
func cVersion() string                        { return C.GoString(C.lnkeep_version()) }
func cABIVersion() uint32                     { return uint32(C.lnkeep_abi_version()) }
func newError() (e C.lnkeep_error)            { e.size = C.sizeof_lnkeep_error; return e }
func cStore(handle uint64) (s C.lnkeep_store) { s.bits = C.uint64_t(handle); return s }

// text is the message of an error that the library filled in; it ends at its NUL. C.GoString would do the
// same and move every error to the heap.
func text(e *C.lnkeep_error) string {
	message := unsafe.Slice((*byte)(unsafe.Pointer(&e.message[0])), len(e.message))
	end := bytes.IndexByte(message, 0)
	if end < 0 {
		end = len(message)
	}
	return string(message[:end])
}

// check is the error of a call, nil for DONE and ALREADY.
func check(op string, status C.lnkeep_status, detail *C.lnkeep_error) error {
	collect()
	if status >= C.LNKEEP_DONE {
		return nil
	}
	code := Status(status)
	msg := text(detail)
	if msg == "" {
		msg = code.Message()
	}
	value, channel := subject(detail)
	return &Error{
		Op: op, Code: code, Class: code.Class(), Errno: syscall.Errno(detail.os_errno), Value: value,
		Channel: channel, Msg: msg,
	}
}

// subject is the number and the channel that an error is about, nil where it is about none.
func subject(e *C.lnkeep_error) (value *uint64, channel *ChannelID) {
	value = numberIf(e.present&C.LNKEEP_ERROR_HAS_VALUE != 0, e.value)
	if e.present&C.LNKEEP_ERROR_HAS_CHANNEL != 0 {
		id := *(*ChannelID)(unsafe.Pointer(&e.channel_id))
		channel = &id
	}
	return value, channel
}

// change is the outcome of a call that changes something and answers nothing but its status.
func change(op string, status C.lnkeep_status, detail *C.lnkeep_error) (Outcome, error) {
	if err := check(op, status, detail); err != nil {
		return failed(err), err
	}
	done := status == C.LNKEEP_DONE
	return Outcome{Done: done, Already: !done, Changed: done, Code: Status(status)}, nil
}

// bytes16 is NULL for nil, and else the first byte of a namespace or of a similar array.
func bytes16(b *Namespace) *C.uint8_t {
	if b == nil {
		return nil
	}
	return (*C.uint8_t)(unsafe.Pointer(&b[0]))
}

// view lends bytes to one call.
func view(b []byte) C.lnkeep_bytes {
	return C.lnkeep_bytes{ptr: (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(b))), len: C.size_t(len(b))}
}

// elements are those of an array that the library owns; none when it is empty. The library's pointer to
// an empty array is no address, and the runtime ends a program that has such a pointer on its stack: it is
// not even read then.
func elements[T any](first **T, n C.size_t) []T {
	if n == 0 {
		return nil
	}
	return unsafe.Slice(*first, int(n))
}

// bytesOf copies bytes that the library owns; nil when there are none.
func bytesOf(c *C.lnkeep_bytes) []byte {
	lent := elements(&c.ptr, c.len)
	if lent == nil {
		return nil
	}
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&lent[0])), len(lent))...)
}

func cKey(k Key) (c C.lnkeep_attempt_key) {
	copyBytes(&c.namespace_bytes, k.Namespace[:])
	c.id = C.uint64_t(k.ID)
	return c
}

func goKey(c *C.lnkeep_attempt_key) Key {
	return Key{Namespace: *(*Namespace)(unsafe.Pointer(&c.namespace_bytes)), ID: uint64(c.id)}
}

// copyBytes fills a C array of bytes, which is a Go array of the same layout.
func copyBytes[A any](array *A, from []byte) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(array)), unsafe.Sizeof(*array)), from)
}

func flag(set bool, bit C.uint32_t) C.uint32_t {
	if set {
		return bit
	}
	return 0
}
