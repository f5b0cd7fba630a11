package lnkeep_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestStatus_ClassFollowsFromTheNumber(t *testing.T) {
	for status, class := range map[lnkeep.Status]lnkeep.Class{
		0: lnkeep.ClassDone, 1: lnkeep.ClassAlready, 1 << 30: lnkeep.ClassAlready, -1: lnkeep.ClassRefused,
		-99: lnkeep.ClassRefused, -100: lnkeep.ClassRetry, lnkeep.StatusCanceled: lnkeep.ClassRetry,
		-200: lnkeep.ClassUnknown, -299: lnkeep.ClassUnknown, -300: lnkeep.ClassFatal, -1 << 31: lnkeep.ClassFatal,
		lnkeep.StatusAlreadyQueued: lnkeep.ClassAlready, lnkeep.StatusQueueFull: lnkeep.ClassRetry,
	} {
		if status.Class() != class {
			t.Errorf("%v has class %v", status, status.Class())
		}
	}
	for status, name := range map[lnkeep.Status]string{
		0: "DONE", 2: "ALREADY_EXISTS", 3: "ALREADY_QUEUED", -75: "NOT_ARCHIVED", -103: "QUEUE_FULL",
		lnkeep.StatusResolvedBeforeAdded: "RESOLVED_BEFORE_ADDED", -76: "CHANNEL_LIMITS",
		lnkeep.StatusStorageNotOffered: "STORAGE_NOT_OFFERED", lnkeep.StatusNoPayload: "NO_PAYLOAD",
		-6: "NOT_FOUND", -28: "TARGET_EXISTS", -250: "status -250", lnkeep.StatusCanceled: "CANCELED",
	} {
		if status.String() != name || status.Message() == "" {
			t.Errorf("%q, %q", status.String(), status.Message())
		}
	}
	if lnkeep.ClassUnknown.String() != "UNKNOWN" || lnkeep.Class(77).String() != "class 77" {
		t.Error(lnkeep.ClassUnknown, lnkeep.Class(77))
	}
}

func TestError_IsItsStatusItsClassAndItsCause(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", &lnkeep.Error{
		Op: "init", Code: lnkeep.StatusNoSpace, Class: lnkeep.ClassRetry, Errno: syscall.ENOSPC, Msg: "the disk is full",
	})
	for _, sentinel := range []error{lnkeep.ErrNoSpace, lnkeep.ErrRetry, syscall.ENOSPC} {
		want(t, err, sentinel)
	}
	for _, sentinel := range []error{lnkeep.ErrBusy, lnkeep.ErrUnknown, lnkeep.ErrRefused, syscall.EIO} {
		if errors.Is(err, sentinel) {
			t.Errorf("it is %v", sentinel)
		}
	}
	for err, class := range map[error]lnkeep.Class{
		err: lnkeep.ClassRetry, lnkeep.ErrNoCgo: lnkeep.ClassRefused, errors.New("x"): lnkeep.ClassUnknown,
		nil: lnkeep.ClassDone,
	} {
		if lnkeep.ClassOf(err) != class {
			t.Errorf("%v has class %v", err, lnkeep.ClassOf(err))
		}
	}
	if lnkeep.ErrUnknown.Error() == "" || lnkeep.ErrNotFound.Error() == "" {
		t.Error("a sentinel says nothing")
	}
}
